//! Figures of the topics that somebody named.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use broker::admin::topic_metrics::{CountError, Figure, TopicFigures};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add, reset))
        .routes(routes!(one, delete))
}

/// Counts since the beginning or the last reset, and what came in a second of late.
#[derive(Serialize, ToSchema)]
struct Metrics {
    #[serde(rename = "message.in.count")]
    in_count: u64,
    #[serde(rename = "message.in.rate")]
    in_rate: f64,
    #[serde(rename = "message.out.count")]
    out_count: u64,
    #[serde(rename = "message.out.rate")]
    out_rate: f64,
    /// Nobody was subscribed.
    #[serde(rename = "message.dropped.count")]
    dropped_count: u64,
    #[serde(rename = "message.dropped.rate")]
    dropped_rate: f64,
    #[serde(rename = "message.qos0.in.count")]
    qos0_in_count: u64,
    #[serde(rename = "message.qos0.in.rate")]
    qos0_in_rate: f64,
    #[serde(rename = "message.qos0.out.count")]
    qos0_out_count: u64,
    #[serde(rename = "message.qos0.out.rate")]
    qos0_out_rate: f64,
    #[serde(rename = "message.qos1.in.count")]
    qos1_in_count: u64,
    #[serde(rename = "message.qos1.in.rate")]
    qos1_in_rate: f64,
    #[serde(rename = "message.qos1.out.count")]
    qos1_out_count: u64,
    #[serde(rename = "message.qos1.out.rate")]
    qos1_out_rate: f64,
    #[serde(rename = "message.qos2.in.count")]
    qos2_in_count: u64,
    #[serde(rename = "message.qos2.in.rate")]
    qos2_in_rate: f64,
    #[serde(rename = "message.qos2.out.count")]
    qos2_out_count: u64,
    #[serde(rename = "message.qos2.out.rate")]
    qos2_out_rate: f64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MeasuredTopic)]
struct Topic {
    topic: String,
    create_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_time: Option<String>,
    metrics: Metrics,
}

/// Hundredths are enough.
fn rate(figure: Figure) -> f64 {
    (figure.rate * 100.0).round() / 100.0
}

impl From<TopicFigures> for Topic {
    fn from(figures: TopicFigures) -> Self {
        let ([in0, in1, in2], [out0, out1, out2]) = (figures.received, figures.sent);
        let (all_in, all_out) = (Figure::sum(&figures.received), Figure::sum(&figures.sent));
        let dropped = figures.dropped;
        Self {
            topic: figures.topic.topic,
            create_time: rfc3339(figures.topic.created),
            reset_time: figures.topic.reset.map(rfc3339),
            metrics: Metrics {
                in_count: all_in.count,
                in_rate: rate(all_in),
                out_count: all_out.count,
                out_rate: rate(all_out),
                dropped_count: dropped.count,
                dropped_rate: rate(dropped),
                qos0_in_count: in0.count,
                qos0_in_rate: rate(in0),
                qos0_out_count: out0.count,
                qos0_out_rate: rate(out0),
                qos1_in_count: in1.count,
                qos1_in_rate: rate(in1),
                qos1_out_count: out1.count,
                qos1_out_rate: rate(out1),
                qos2_in_count: in2.count,
                qos2_in_rate: rate(in2),
                qos2_out_count: out2.count,
                qos2_out_rate: rate(out2),
            },
        }
    }
}

#[derive(Deserialize, ToSchema)]
struct Name {
    /// A topic without wildcards.
    #[schema(example = "t/1")]
    topic: String,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum What {
    Reset,
}

#[derive(Deserialize, ToSchema)]
struct Reset {
    #[expect(dead_code, reason = "it says what is the only thing that can be done")]
    action: What,
    /// All of them, if it is left out.
    topic: Option<String>,
}

/// One topic, or all.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum OneOrAll {
    One(Box<Topic>),
    All(Vec<Topic>),
}

impl From<CountError> for Refusal {
    fn from(error: CountError) -> Self {
        let words = error.to_string();
        match error {
            CountError::Topic(_) => Self::new(StatusCode::BAD_REQUEST, "BAD_TOPIC", words),
            CountError::Decide(error) => error.into(),
            _ => Self::bad_request(words),
        }
    }
}

fn unknown() -> Refusal {
    Refusal::not_found(
        "TOPIC_NOT_FOUND",
        "this topic is not counted; POST it first",
    )
}

/// The figures of all topics that are counted
#[utoipa::path(
    get,
    path = "/mqtt/topic_metrics",
    tag = "MQTT",
    responses(
        (status = 200, description = "In the order in which they were named.", body = Vec<Topic>),
    )
)]
async fn list(State(app): State<App>) -> Result<Json<Vec<Topic>>, Refusal> {
    let all = app.admin.topic_metrics().await?;
    Ok(Json(all.into_iter().map(Topic::from).collect()))
}

/// Count a topic from now on
#[utoipa::path(
    post,
    path = "/mqtt/topic_metrics",
    tag = "MQTT",
    request_body = Name,
    responses(
        (status = 200, description = "Its figures.", body = Topic),
        (status = 400, description = "`BAD_TOPIC`, or `BAD_REQUEST` if it is counted already.", body = ErrorBody),
        (status = 409, description = "`EXCEED_LIMIT`: 512 are counted.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn add(State(app): State<App>, Json(name): Json<Name>) -> Result<Json<Topic>, Refusal> {
    app.admin.count_topic(&name.topic).await?;
    one(State(app), Path(name.topic)).await
}

/// Set counts back to nothing
#[utoipa::path(
    put,
    path = "/mqtt/topic_metrics",
    tag = "MQTT",
    request_body = Reset,
    responses(
        (status = 200, description = "The figures of the topic, or of all.", body = OneOrAll),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 404, description = "`TOPIC_NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn reset(
    State(app): State<App>,
    Json(wanted): Json<Reset>,
) -> Result<Json<OneOrAll>, Refusal> {
    if !app
        .admin
        .reset_topic_metrics(wanted.topic.as_deref())
        .await?
    {
        return Err(unknown());
    }
    Ok(Json(match wanted.topic {
        Some(topic) => OneOrAll::One(Box::new(one(State(app), Path(topic)).await?.0)),
        None => OneOrAll::All(list(State(app)).await?.0),
    }))
}

/// The figures of one topic
#[utoipa::path(
    get,
    path = "/mqtt/topic_metrics/{topic}",
    tag = "MQTT",
    params(("topic" = String, Path, description = "The topic, percent-encoded.")),
    responses(
        (status = 200, description = "Its figures.", body = Topic),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 404, description = "`TOPIC_NOT_FOUND`", body = ErrorBody),
    )
)]
async fn one(State(app): State<App>, Path(topic): Path<String>) -> Result<Json<Topic>, Refusal> {
    let found = app.admin.topic_metrics_of(&topic).await?;
    Ok(Json(found.ok_or_else(unknown)?.into()))
}

/// Count a topic no more
#[utoipa::path(
    delete,
    path = "/mqtt/topic_metrics/{topic}",
    tag = "MQTT",
    params(("topic" = String, Path, description = "The topic, percent-encoded.")),
    responses(
        (status = 204, description = "It is not counted any more."),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 404, description = "`TOPIC_NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn delete(State(app): State<App>, Path(topic): Path<String>) -> Result<StatusCode, Refusal> {
    if app.admin.forget_topic(&topic).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(unknown())
}
