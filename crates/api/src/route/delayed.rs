//! Messages that wait for their time: whether there may be any, which there are, and that they are not to
//! be published after all.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use broker::admin::{
    NODE,
    delayed::{DelayedMessage, DelayedMessageId, parse_delayed_id},
    settings::Raw,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    page::{Meta, Page, Paging},
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(settings, change))
        .routes(routes!(list))
        .routes(routes!(one, delete))
        .routes(routes!(delete_of_topic))
}

/// A longer payload is not shown.
const PAYLOAD_MAX: usize = 2048;

#[derive(Serialize, ToSchema)]
#[schema(as = DelayedSettings)]
struct Settings {
    /// Whether `$delayed/SECONDS/TOPIC` publishes later.
    enable: bool,
    /// How many may wait; 0 for as many as there is room for.
    max_delayed_messages: u32,
}

/// What is to be changed.
#[derive(Deserialize, ToSchema)]
#[schema(as = DelayedChange)]
struct Change {
    enable: Option<bool>,
    max_delayed_messages: Option<u32>,
}

fn shown(app: &App) -> Settings {
    let mqtt = app.admin.config().mqtt;
    Settings {
        enable: mqtt.delayed_publish,
        max_delayed_messages: mqtt.max_delayed,
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = DelayedRow)]
struct Row {
    /// Its name, for `/mqtt/delayed/messages/{node}/{msgid}`.
    msgid: String,
    node: &'static str,
    publish_at: String,
    /// Seconds.
    delayed_interval: u64,
    /// Seconds.
    delayed_remaining: u64,
    expected_at: String,
    topic: String,
    qos: u8,
    from_clientid: String,
    from_username: String,
}

#[derive(Serialize, ToSchema)]
struct Detail {
    #[serde(flatten)]
    row: Row,
    /// In base64, or `PAYLOAD_TOO_LARGE` above 2048 bytes.
    payload: String,
}

fn row(message: &DelayedMessage, now: u64) -> Row {
    let (accepted, due) = (message.accepted_millis(), message.due_millis());
    Row {
        msgid: message.id(),
        node: NODE,
        publish_at: rfc3339(accepted),
        delayed_interval: due.saturating_sub(accepted) / 1000,
        delayed_remaining: due.saturating_sub(now).div_ceil(1000),
        expected_at: rfc3339(due),
        topic: message.topic().to_owned(),
        qos: message.qos(),
        from_clientid: message.client_id().to_owned(),
        from_username: message.user_name().unwrap_or_default().to_owned(),
    }
}

/// Whether messages may be delayed, and how many
#[utoipa::path(
    get,
    path = "/mqtt/delayed",
    tag = "MQTT",
    responses((status = 200, description = "As it is.", body = Settings))
)]
async fn settings(State(app): State<App>) -> Json<Settings> {
    Json(shown(&app))
}

/// Change whether messages may be delayed, and how many
///
/// What waits already is published all the same. What is left out stays.
#[utoipa::path(
    put,
    path = "/mqtt/delayed",
    tag = "MQTT",
    request_body = Change,
    responses(
        (status = 200, description = "As it is now.", body = Settings),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 409, description = "`CONFLICT`: the environment or the command line sets it.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    Json(change): Json<Change>,
) -> Result<Json<Settings>, Refusal> {
    let now = shown(&app);
    let mut wanted = Vec::new();
    if let Some(enable) = change.enable.filter(|enable| *enable != now.enable) {
        wanted.push(("mqtt.delayed_publish".to_owned(), Some(Raw::Bool(enable))));
    }
    let max = change.max_delayed_messages;
    if let Some(max) = max.filter(|max| *max != now.max_delayed_messages) {
        let max = Raw::Int(i64::from(max));
        wanted.push(("mqtt.max_delayed".to_owned(), Some(max)));
    }
    app.admin.change_settings(wanted).await?;
    Ok(Json(shown(&app)))
}

/// Messages that wait, in the order in which they are due
#[utoipa::path(
    get,
    path = "/mqtt/delayed/messages",
    tag = "MQTT",
    params(Paging),
    responses(
        (status = 200, description = "A page of them.", body = Page<Row>),
        (status = 400, description = "`INVALID_PARAMETER`", body = ErrorBody),
    )
)]
async fn list(
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Row>>, Refusal> {
    let window = paging.window()?;
    let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
    let count = app.admin.delayed_count();
    let mut found = if window.offset() < count {
        // One more tells whether there is a next page.
        app.admin
            .delayed_messages(window.offset(), limit + 1)
            .await?
    } else {
        Vec::new()
    };
    let hasnext = found.len() > limit;
    found.truncate(limit);
    let now = app.admin.now_millis();
    Ok(Json(Page {
        data: found.iter().map(|message| row(message, now)).collect(),
        meta: Meta {
            page: window.page,
            limit: window.limit,
            count: Some(count),
            hasnext,
        },
    }))
}

fn named(node: &str, id: &str) -> Result<DelayedMessageId, Refusal> {
    if node != NODE {
        let words = format!("there is no node {node}, only {NODE}");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "INVALID_NODE", words));
    }
    parse_delayed_id(id).ok_or_else(|| {
        let words = "a message id is 32 hexadecimal digits";
        Refusal::new(StatusCode::BAD_REQUEST, "MESSAGE_ID_SCHEMA_ERROR", words)
    })
}

fn unknown() -> Refusal {
    Refusal::not_found(
        "MESSAGE_ID_NOT_FOUND",
        "no such message waits; it may have been published",
    )
}

/// One message that waits, with its payload
#[utoipa::path(
    get,
    path = "/mqtt/delayed/messages/{node}/{msgid}",
    tag = "MQTT",
    params(
        ("node" = String, Path, description = "The node.", example = "ternmq@127.0.0.1"),
        ("msgid" = String, Path, description = "The message.", example = "0000019F2E6C1A500000000000000000"),
    ),
    responses(
        (status = 200, description = "It waits.", body = Detail),
        (status = 400, description = "`INVALID_NODE`, `MESSAGE_ID_SCHEMA_ERROR`", body = ErrorBody),
        (status = 404, description = "`MESSAGE_ID_NOT_FOUND`", body = ErrorBody),
    )
)]
async fn one(
    State(app): State<App>,
    Path((node, id)): Path<(String, String)>,
) -> Result<Json<Detail>, Refusal> {
    let found = app.admin.delayed_message(named(&node, &id)?).await?;
    let message = found.ok_or_else(unknown)?;
    let payload = if message.payload().len() > PAYLOAD_MAX {
        "PAYLOAD_TOO_LARGE".to_owned()
    } else {
        BASE64_STANDARD.encode(message.payload())
    };
    let row = row(&message, app.admin.now_millis());
    Ok(Json(Detail { row, payload }))
}

/// Do not publish a message that waits
#[utoipa::path(
    delete,
    path = "/mqtt/delayed/messages/{node}/{msgid}",
    tag = "MQTT",
    params(
        ("node" = String, Path, description = "The node.", example = "ternmq@127.0.0.1"),
        ("msgid" = String, Path, description = "The message.", example = "0000019F2E6C1A500000000000000000"),
    ),
    responses(
        (status = 204, description = "It will not be published."),
        (status = 400, description = "`INVALID_NODE`, `MESSAGE_ID_SCHEMA_ERROR`", body = ErrorBody),
        (status = 404, description = "`MESSAGE_ID_NOT_FOUND`", body = ErrorBody),
    )
)]
async fn delete(
    State(app): State<App>,
    Path((node, id)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    if app.admin.drop_delayed(named(&node, &id)?).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(unknown())
}

/// Do not publish what waits for a topic
#[utoipa::path(
    delete,
    path = "/mqtt/delayed/messages/{topic}",
    tag = "MQTT",
    params(("topic" = String, Path, description = "The topic, percent-encoded.")),
    responses(
        (status = 204, description = "None of these will be published."),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 404, description = "`MESSAGE_ID_NOT_FOUND`: none waits for it.", body = ErrorBody),
    )
)]
async fn delete_of_topic(
    State(app): State<App>,
    Path(topic): Path<String>,
) -> Result<StatusCode, Refusal> {
    if app.admin.drop_delayed_of(&topic).await? > 0 {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(unknown())
}
