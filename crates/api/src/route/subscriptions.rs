//! Subscriptions: of one client or of all, made and ended in a client's place.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use broker::admin::{
    NODE, Options, SubscribeError, Subscription, SubscriptionFilter, UnsubscribeError,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::clients::unknown;
use crate::{
    App,
    error::{ErrorBody, Refusal},
    page::{self, Page},
    query::Query,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(of_client))
        .routes(routes!(subscribe))
        .routes(routes!(subscribe_many))
        .routes(routes!(unsubscribe))
        .routes(routes!(unsubscribe_many))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
struct Row {
    clientid: String,
    node: &'static str,
    /// With `$share/group/` before it, if it is shared, and with the mountpoint of the client's listener.
    topic: String,
    qos: u8,
    /// No Local.
    nl: u8,
    /// Retain As Published.
    rap: u8,
    /// Retain Handling.
    rh: u8,
    /// The session outlives its connection.
    durable: bool,
}

impl From<Subscription> for Row {
    fn from(s: Subscription) -> Self {
        Self {
            clientid: s.client_id,
            node: NODE,
            topic: s.topic,
            qos: s.options.qos,
            nl: u8::from(s.options.no_local),
            rap: u8::from(s.options.as_published),
            rh: s.options.handling,
            durable: s.is_lasting,
        }
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only")]
struct Asked {
    #[param(minimum = 1)]
    page: Option<u64>,
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u64>,
    node: Option<String>,
    clientid: Option<String>,
    #[param(maximum = 2)]
    qos: Option<u8>,
    /// Exactly this filter.
    topic: Option<String>,
    /// A filter that matches the subscription's, or a topic that the subscription's matches.
    match_topic: Option<String>,
    share_group: Option<String>,
    durable: Option<bool>,
}

/// List subscriptions
#[utoipa::path(
    get,
    path = "/subscriptions",
    tag = "Subscriptions",
    params(Asked),
    responses(
        (status = 200, description = "A page of subscriptions.", body = Page<Row>),
        (status = 400, description = "A parameter is of the wrong kind.", body = ErrorBody),
    )
)]
async fn list(State(app): State<App>, query: Query) -> Result<Response, Refusal> {
    query.check_node()?;
    let window = query.window()?;
    let qos = query.choice("qos", &[("0", 0), ("1", 1), ("2", 2)])?;
    let matching = query.owned("match_topic");
    if matching
        .as_ref()
        .is_some_and(|m| !broker::admin::is_filter(m))
    {
        return Err(Refusal::invalid_parameter("match_topic_invalid"));
    }
    let filter = SubscriptionFilter {
        client_id: query.owned("clientid"),
        qos,
        topic: query.owned("topic"),
        matching,
        group: query.owned("share_group"),
        is_lasting: query.flag("durable")?,
    };
    let admin = app.admin.clone();
    page::streamed(window, Row::from, async move |to| {
        admin
            .subscriptions(filter, window.offset(), window.limit, &to)
            .await
    })
    .await
}

/// A client's subscriptions
#[utoipa::path(
    get,
    path = "/clients/{clientid}/subscriptions",
    tag = "Clients",
    params(("clientid" = String, Path)),
    responses(
        (status = 200, description = "All of them.", body = Vec<Row>),
        (status = 404, description = "There is no such session.", body = ErrorBody),
    )
)]
async fn of_client(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Row>>, Refusal> {
    let found = app.admin.subscriptions_of(&id).await?.ok_or_else(unknown)?;
    Ok(Json(found.into_iter().map(Row::from).collect()))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SubscriptionWanted)]
struct Wanted {
    /// As the client would say it: below the mountpoint of its listener, if that has one.
    #[schema(min_length = 1, max_length = 65535)]
    topic: String,
    #[serde(default)]
    #[schema(maximum = 2)]
    qos: u8,
    #[serde(default)]
    #[schema(maximum = 1)]
    nl: u8,
    #[serde(default)]
    #[schema(maximum = 1)]
    rap: u8,
    #[serde(default)]
    #[schema(maximum = 2)]
    rh: u8,
}

impl Wanted {
    fn options(&self) -> Result<Options, Refusal> {
        let range = |name: &str, value: u8, max: u8| {
            if value <= max {
                return Ok(value);
            }
            let said = format!("{name} is {value}; it is 0 to {max}");
            Err(Refusal::bad_request(said))
        };
        let options = Options {
            qos: range("qos", self.qos, 2)?,
            no_local: range("nl", self.nl, 1)? == 1,
            as_published: range("rap", self.rap, 1)? == 1,
            handling: range("rh", self.rh, 2)?,
        };
        if options.no_local && self.topic.starts_with("$share/") {
            let said = "nl is not for shared subscriptions [MQTT-3.8.3-4]";
            return Err(Refusal::invalid_parameter(said));
        }
        Ok(options)
    }
}

impl From<SubscribeError> for Refusal {
    fn from(error: SubscribeError) -> Self {
        let said = error.to_string();
        match error {
            SubscribeError::NoClient => unknown(),
            SubscribeError::Gone(gone) => gone.into(),
            SubscribeError::NotKept => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", said)
            }
            _ => Self::invalid_parameter(said),
        }
    }
}

/// Subscribe in a client's place
#[utoipa::path(
    post,
    path = "/clients/{clientid}/subscribe",
    tag = "Clients",
    params(("clientid" = String, Path)),
    request_body = Wanted,
    responses(
        (status = 200, description = "It is in force, and kept if the session is.", body = Row),
        (status = 400, description = "The filter or an option is none, or the client may not subscribe to it.", body = ErrorBody),
        (status = 404, description = "There is no such session.", body = ErrorBody),
        (status = 503, description = "The store has no room, or the broker is shutting down.", body = ErrorBody),
    )
)]
async fn subscribe(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Row>, Refusal> {
    let options = wanted.options()?;
    let made = app.admin.subscribe(&id, &wanted.topic, options).await?;
    Ok(Json(made.into()))
}

/// Subscribe several times in a client's place
#[utoipa::path(
    post,
    path = "/clients/{clientid}/subscribe/bulk",
    tag = "Clients",
    params(("clientid" = String, Path)),
    request_body = Vec<Wanted>,
    responses(
        (status = 200, description = "All are in force.", body = Vec<Row>),
        (status = 400, description = "A filter or an option is none, or the client may not subscribe to it; those before it are in force.", body = ErrorBody),
        (status = 404, description = "There is no such session.", body = ErrorBody),
        (status = 503, description = "The store has no room, or the broker is shutting down.", body = ErrorBody),
    )
)]
async fn subscribe_many(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(wanted): Json<Vec<Wanted>>,
) -> Result<Json<Vec<Row>>, Refusal> {
    if !app.admin.has_client(&id).await? {
        return Err(unknown());
    }
    let options: Vec<_> = wanted
        .iter()
        .map(Wanted::options)
        .collect::<Result<_, _>>()?;
    let mut made = Vec::new();
    for (wanted, options) in wanted.iter().zip(options) {
        let one = app.admin.subscribe(&id, &wanted.topic, options).await?;
        made.push(one.into());
    }
    Ok(Json(made))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SubscriptionUnwanted)]
struct Unwanted {
    /// As it is listed, or as the client says it.
    topic: String,
}

async fn end(app: &App, id: &str, topic: &str) -> Result<(), Refusal> {
    match app.admin.unsubscribe(id, topic).await {
        // As EMQX has it: what is not there is ended.
        Ok(()) | Err(UnsubscribeError::NoSubscription) => Ok(()),
        Err(UnsubscribeError::NoClient) => Err(unknown()),
        Err(UnsubscribeError::Gone(gone)) => Err(gone.into()),
        Err(error) => Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            error.to_string(),
        )),
    }
}

/// End a client's subscription
#[utoipa::path(
    post,
    path = "/clients/{clientid}/unsubscribe",
    tag = "Clients",
    params(("clientid" = String, Path)),
    request_body = Unwanted,
    responses(
        (status = 204, description = "There is none, now or ever."),
        (status = 400, description = "The body is no filter.", body = ErrorBody),
        (status = 404, description = "There is no such session.", body = ErrorBody),
        (status = 503, description = "The store has no room, or the broker is shutting down.", body = ErrorBody),
    )
)]
async fn unsubscribe(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(unwanted): Json<Unwanted>,
) -> Result<StatusCode, Refusal> {
    end(&app, &id, &unwanted.topic).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End several of a client's subscriptions
#[utoipa::path(
    post,
    path = "/clients/{clientid}/unsubscribe/bulk",
    tag = "Clients",
    params(("clientid" = String, Path)),
    request_body = Vec<Unwanted>,
    responses(
        (status = 204, description = "There are none of them, now or ever."),
        (status = 400, description = "The body is no list of filters.", body = ErrorBody),
        (status = 404, description = "There is no such session.", body = ErrorBody),
        (status = 503, description = "The store has no room, or the broker is shutting down.", body = ErrorBody),
    )
)]
async fn unsubscribe_many(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(unwanted): Json<Vec<Unwanted>>,
) -> Result<StatusCode, Refusal> {
    if !app.admin.has_client(&id).await? {
        return Err(unknown());
    }
    for one in unwanted {
        end(&app, &id, &one.topic).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
