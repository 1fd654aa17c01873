//! The topic tree by open branches, what goes from whom to whom, and the last messages of a topic.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Query, State},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use broker::admin::traffic::{self, Message, Opened, Value};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(flow))
        .routes(routes!(tree))
        .routes(routes!(search))
        .routes(routes!(around))
        .routes(routes!(messages))
}

/// Tenths are enough, and make fewer differences.
fn rate(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

#[derive(Serialize, ToSchema, Clone, PartialEq)]
#[schema(as = FlowStream)]
struct Stream {
    publisher: String,
    topic: String,
    /// Messages a second.
    rate: f64,
}

#[derive(Serialize, ToSchema, Clone, PartialEq)]
#[schema(as = FlowReceiver)]
struct Receiver {
    /// A client id, or `$share/<group>/<filter>`.
    name: String,
    /// It is a shared group.
    group: bool,
    online: bool,
    /// Messages that wait for it, and that it has not acknowledged.
    queued: usize,
    in_flight: usize,
}

impl From<traffic::Receiver> for Receiver {
    fn from(receiver: traffic::Receiver) -> Self {
        Self {
            name: receiver.name,
            group: receiver.group,
            online: receiver.online,
            queued: receiver.queued,
            in_flight: receiver.in_flight,
        }
    }
}

#[derive(Serialize, ToSchema, Clone, PartialEq)]
pub(crate) struct Flow {
    /// The busiest pairs of publisher and topic.
    streams: Vec<Stream>,
    /// Messages a second of all other pairs together.
    others: f64,
    /// By topic, who gets it; nobody, if the list is empty.
    receivers: BTreeMap<String, Vec<Receiver>>,
}

impl From<traffic::Flow> for Flow {
    fn from(flow: traffic::Flow) -> Self {
        let streams = flow.streams.into_iter().map(|s| Stream {
            publisher: s.publisher.to_string(),
            topic: s.topic.to_string(),
            rate: rate(s.rate),
        });
        let receivers = flow.receivers.into_iter();
        let receivers = receivers.map(|(t, r)| (t, r.into_iter().map(Receiver::from).collect()));
        Self {
            streams: streams.collect(),
            others: rate(flow.others),
            receivers: receivers.collect(),
        }
    }
}

/// What goes from whom through which topic to whom
#[utoipa::path(
    get,
    path = "/flow",
    tag = "Topic tree",
    responses(
        (status = 200, description = "Messages of the last second. It is counted only while somebody asks: the first answer is empty.", body = Flow),
    )
)]
async fn flow(State(app): State<App>) -> Result<Json<Flow>, Refusal> {
    Ok(Json(app.admin.flow().await?.into()))
}

/// A message as it is shown: its head, if it is long.
#[derive(Serialize, ToSchema, Clone, PartialEq)]
#[schema(as = TopicValue)]
struct Shown {
    /// Milliseconds since 1970.
    time_stamp: u64,
    qos: u8,
    retain: bool,
    /// Bytes of the whole payload.
    size: usize,
    /// `plain` or `base64`.
    payload_encoding: &'static str,
    payload: String,
}

impl From<Value> for Shown {
    fn from(value: Value) -> Self {
        let whole = value.payload.len() == value.size;
        // What was cut may end within a letter.
        let text = match String::from_utf8(value.payload) {
            Ok(text) => Ok(text),
            Err(error) if !whole && error.utf8_error().error_len().is_none() => {
                let end = error.utf8_error().valid_up_to();
                let mut bytes = error.into_bytes();
                bytes.truncate(end);
                String::from_utf8(bytes).map_err(|error| error.into_bytes())
            }
            Err(error) => Err(error.into_bytes()),
        };
        let (payload_encoding, payload) = match text {
            Ok(text) => ("plain", text),
            Err(bytes) => ("base64", STANDARD.encode(bytes)),
        };
        Self {
            time_stamp: value.at,
            qos: value.qos,
            retain: value.retain,
            size: value.size,
            payload_encoding,
            payload,
        }
    }
}

#[derive(Serialize, ToSchema, Clone, PartialEq)]
#[schema(as = TopicLevel)]
struct Level {
    name: String,
    /// Topics in it and below.
    topics: usize,
    /// Messages a second, in it and below.
    rate: f64,
    /// Messages since somebody looks.
    count: u64,
    /// Somebody published to exactly this topic.
    is_topic: bool,
    retained: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Shown>,
}

#[derive(Serialize, ToSchema, Clone, PartialEq)]
#[schema(as = TopicBranch)]
pub(crate) struct Branch {
    /// Null for the root.
    branch: Option<String>,
    levels: Vec<Level>,
    /// Levels that are not among them.
    more: usize,
}

impl Branch {
    pub(crate) fn new(branch: Option<String>, opened: Opened) -> Self {
        let mut values = opened.values;
        let levels = opened.branch.children.into_iter().map(|child| Level {
            topics: child.topics,
            rate: rate(child.rate),
            count: child.count,
            is_topic: child.is_topic,
            retained: opened.retained.contains(&child.name),
            value: values.remove(&child.name).map(Shown::from),
            name: child.name,
        });
        Self {
            branch,
            levels: levels.collect(),
            more: opened.branch.more,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// The branch, such as `lab/room1`; the root without it.
    branch: Option<String>,
}

/// What is below a branch of the topic tree
#[utoipa::path(
    get,
    path = "/topic_tree",
    tag = "Topic tree",
    params(Which),
    responses(
        (status = 200, description = "It is counted only while somebody asks: the first answer is empty.", body = Branch),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
    )
)]
async fn tree(State(app): State<App>, Query(which): Query<Which>) -> Result<Json<Branch>, Refusal> {
    let opened = app.admin.branch(which.branch.as_deref()).await?;
    Ok(Json(Branch::new(which.branch, opened)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Text {
    /// A part of the topic, in whatever case.
    text: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FoundTopic)]
struct FoundTopic {
    topic: String,
    /// Messages a second.
    rate: f64,
    /// Messages since somebody looks.
    count: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FoundTopics)]
struct Found {
    /// The busiest, by name.
    topics: Vec<FoundTopic>,
    /// Others in which the text stands, too.
    more: usize,
}

/// Topics in whose names a text stands
#[utoipa::path(
    get,
    path = "/topic_tree/search",
    tag = "Topic tree",
    params(Text),
    responses(
        (status = 200, description = "Of those to which somebody published since somebody looks. It is counted only while somebody asks: the first answer is empty.", body = Found),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
    )
)]
async fn search(
    State(app): State<App>,
    Query(wanted): Query<Text>,
) -> Result<Json<Found>, Refusal> {
    let (found, more) = app.admin.find_topics(&wanted.text).await?;
    let topics = found.into_iter().map(|child| FoundTopic {
        topic: child.name,
        rate: rate(child.rate),
        count: child.count,
    });
    Ok(Json(Found {
        topics: topics.collect(),
        more,
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Topic {
    topic: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TopicPublisher)]
struct Publisher {
    clientid: String,
    /// Messages a second.
    rate: f64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = TopicClients)]
struct Around {
    publishers: Vec<Publisher>,
    receivers: Vec<Receiver>,
}

/// Who publishes to a topic, and who gets it
#[utoipa::path(
    get,
    path = "/topic_tree/clients",
    tag = "Topic tree",
    params(Topic),
    responses(
        (status = 200, description = "Publishers of the last second.", body = Around),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
    )
)]
async fn around(
    State(app): State<App>,
    Query(topic): Query<Topic>,
) -> Result<Json<Around>, Refusal> {
    let (publishers, receivers) = app.admin.around(&topic.topic).await?;
    let publishers = publishers
        .into_iter()
        .map(|(clientid, per_second)| Publisher {
            clientid,
            rate: rate(per_second),
        });
    Ok(Json(Around {
        publishers: publishers.collect(),
        receivers: receivers.into_iter().map(Receiver::from).collect(),
    }))
}

#[derive(Serialize, ToSchema, Clone, PartialEq)]
#[schema(as = TopicMessage)]
pub(crate) struct Row {
    at: String,
    publisher: String,
    #[serde(flatten)]
    value: Shown,
}

impl From<Message> for Row {
    fn from(message: Message) -> Self {
        Self {
            at: rfc3339(message.value.at),
            publisher: message.publisher,
            value: message.value.into(),
        }
    }
}

/// The last messages of a topic since somebody asks for it
#[utoipa::path(
    get,
    path = "/topic_tree/messages",
    tag = "Topic tree",
    params(Topic),
    responses(
        (status = 200, description = "At most 100, oldest first. They are kept only while somebody asks: the first answer is empty.", body = Vec<Row>),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
    )
)]
async fn messages(
    State(app): State<App>,
    Query(topic): Query<Topic>,
) -> Result<Json<Vec<Row>>, Refusal> {
    let messages = app.admin.last_messages(&topic.topic).await?;
    Ok(Json(messages.into_iter().map(Row::from).collect()))
}
