//! Retained messages: what is kept, and how much may be.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use broker::admin::{DeleteError, Retained, RetainedFilter, is_filter, settings::Raw};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    page::{self, Page},
    query::Query,
    route::configs::not_updated,
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(settings, change))
        .routes(routes!(list, clear))
        .routes(routes!(one, delete))
        .routes(routes!(held_back, purge))
}

/// A longer payload is left out.
const PAYLOAD_MAX: usize = 1 << 20;

/// How retained messages are kept. What cannot be chosen here has one value.
#[derive(Serialize, ToSchema)]
#[schema(as = Retainer)]
struct Settings {
    enable: bool,
    msg_expiry_interval: &'static str,
    msg_clear_interval: &'static str,
    max_payload_size: String,
    stop_publish_clear_msg: bool,
    delivery_rate: &'static str,
    backend: Backend,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RetainerBackend)]
struct Backend {
    r#type: &'static str,
    storage_type: &'static str,
    /// 0 for as many as there is room for.
    max_retained_messages: u64,
    index_specs: Vec<Vec<u32>>,
    enable: bool,
}

fn shown(app: &App) -> Settings {
    let mqtt = app.admin.config().mqtt;
    let largest = mqtt.max_retained_size;
    Settings {
        enable: mqtt.retain_available,
        msg_expiry_interval: "0s",
        msg_clear_interval: "0s",
        max_payload_size: size(largest.unwrap_or(mqtt.max_packet_size)),
        stop_publish_clear_msg: false,
        delivery_rate: "infinity",
        backend: Backend {
            r#type: "built_in_database",
            storage_type: "disc",
            max_retained_messages: mqtt.max_retained as u64,
            index_specs: Vec::new(),
            enable: true,
        },
    }
}

fn size(bytes: u32) -> String {
    match bytes {
        n if n % (1 << 20) == 0 => format!("{}MB", n >> 20),
        n if n % (1 << 10) == 0 => format!("{}KB", n >> 10),
        n => format!("{n}B"),
    }
}

/// How retained messages are kept
#[utoipa::path(
    get,
    path = "/mqtt/retainer",
    tag = "Retained messages",
    responses((status = 200, description = "The settings.", body = Settings))
)]
async fn settings(State(app): State<App>) -> Json<Settings> {
    Json(shown(&app))
}

/// What is to be changed. The rest has one value here and is not looked at.
#[derive(Deserialize, ToSchema)]
#[schema(as = RetainerChange)]
struct Change {
    enable: Option<bool>,
    /// Such as `1MB`.
    max_payload_size: Option<String>,
    backend: Option<BackendChange>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = RetainerBackendChange)]
struct BackendChange {
    #[schema(maximum = 1000000000)]
    max_retained_messages: Option<u32>,
}

/// Change how retained messages are kept
#[utoipa::path(
    put,
    path = "/mqtt/retainer",
    tag = "Retained messages",
    request_body = Change,
    responses(
        (status = 200, description = "The settings from now on.", body = Settings),
        (status = 400, description = "A value is not allowed.", body = ErrorBody),
        (status = 403, description = "The environment or the command line sets it.", body = ErrorBody),
        (status = 503, description = "The store has no room.", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    Json(change): Json<Change>,
) -> Result<Json<Settings>, Refusal> {
    let now = shown(&app);
    let mut wanted = Vec::new();
    if let Some(enable) = change.enable.filter(|enable| *enable != now.enable) {
        wanted.push(("mqtt.retain_available", Raw::Bool(enable)));
    }
    let size = change.max_payload_size;
    if let Some(size) = size.filter(|size| *size != now.max_payload_size) {
        wanted.push(("mqtt.max_retained_size", Raw::Text(size)));
    }
    let count = change.backend.and_then(|b| b.max_retained_messages);
    if let Some(count) = count.filter(|n| u64::from(*n) != now.backend.max_retained_messages) {
        wanted.push(("mqtt.max_retained", Raw::Int(i64::from(count))));
    }
    let wanted = wanted.into_iter();
    let wanted = wanted.map(|(name, value)| (name.to_owned(), Some(value)));
    app.admin
        .change_settings(wanted.collect())
        .await
        .map_err(not_updated)?;
    Ok(Json(shown(&app)))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Retained)]
struct Row {
    msgid: String,
    topic: String,
    qos: u8,
    publish_at: String,
    /// Empty where it is not known any more.
    from_clientid: String,
    from_username: String,
    /// It is sent to nobody: its publisher may not publish it any more.
    held_back: bool,
    /// In base64; only where one message is asked for, and left out above 1 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

impl From<Retained> for Row {
    fn from(retained: Retained) -> Self {
        let message = retained.message;
        Self {
            held_back: retained.is_held_back,
            msgid: message.id,
            topic: message.topic,
            qos: message.qos,
            publish_at: rfc3339(message.published_at),
            from_clientid: message.from_client_id,
            from_username: message.from_user_name,
            payload: None,
        }
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only")]
struct Asked {
    /// A topic or a filter.
    topic: Option<String>,
    /// Only those that are sent to nobody, because their publishers may not publish them any more.
    held_back: Option<bool>,
    #[param(minimum = 1)]
    page: Option<u64>,
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u64>,
}

/// List retained messages
#[utoipa::path(
    get,
    path = "/mqtt/retainer/messages",
    tag = "Retained messages",
    params(Asked),
    responses(
        (status = 200, description = "A page of them, without payloads; counted if neither topic nor `held_back` is given.", body = Page<Row>),
        (status = 400, description = "A parameter is of the wrong kind.", body = ErrorBody),
    )
)]
async fn list(State(app): State<App>, query: Query) -> Result<Response, Refusal> {
    let window = query.window()?;
    let topic = query.owned("topic");
    if topic.as_ref().is_some_and(|topic| !is_filter(topic)) {
        return Err(Refusal::invalid_parameter("topic: this is no topic filter"));
    }
    let held_back = query.flag("held_back")?.unwrap_or(false);
    let filter = RetainedFilter { topic, held_back };
    let admin = app.admin.clone();
    page::streamed(window, Row::from, async move |to| {
        admin
            .retained(filter, window.offset(), window.limit, &to)
            .await
    })
    .await
}

impl From<DeleteError> for Refusal {
    fn from(error: DeleteError) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            error.to_string(),
        )
    }
}

/// Delete all retained messages but the broker's own
#[utoipa::path(
    delete,
    path = "/mqtt/retainer/messages",
    tag = "Retained messages",
    responses(
        (status = 204, description = "They are gone."),
        (status = 503, description = "The store has no room, or the broker is shutting down.", body = ErrorBody),
    )
)]
async fn clear(State(app): State<App>) -> Result<StatusCode, Refusal> {
    app.admin.delete_retained(None).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn nothing() -> Refusal {
    Refusal::not_found("NOT_FOUND", "There is no such retained message")
}

/// A topic's retained message
#[utoipa::path(
    get,
    path = "/mqtt/retainer/message/{topic}",
    tag = "Retained messages",
    params(("topic" = String, Path)),
    responses(
        (status = 200, description = "The message.", body = Row),
        (status = 404, description = "There is none.", body = ErrorBody),
    )
)]
async fn one(State(app): State<App>, Path(topic): Path<String>) -> Result<Json<Row>, Refusal> {
    let message = app.admin.retained_message(&topic).await?;
    let message = message.ok_or_else(nothing)?;
    let bytes = &message.message.payload;
    let payload = (bytes.len() <= PAYLOAD_MAX).then(|| BASE64_STANDARD.encode(bytes));
    Ok(Json(Row {
        payload,
        ..Row::from(message)
    }))
}

/// Delete the retained messages of a topic or filter
#[utoipa::path(
    delete,
    path = "/mqtt/retainer/message/{topic}",
    tag = "Retained messages",
    params(("topic" = String, Path, description = "It may have wildcards.")),
    responses(
        (status = 204, description = "They are gone."),
        (status = 404, description = "There is none.", body = ErrorBody),
        (status = 503, description = "The store has no room, or the broker is shutting down.", body = ErrorBody),
    )
)]
async fn delete(State(app): State<App>, Path(topic): Path<String>) -> Result<StatusCode, Refusal> {
    if !is_filter(&topic) || app.admin.delete_retained(Some(topic)).await? == 0 {
        return Err(nothing());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Retained messages that are sent to nobody.
#[derive(Serialize, ToSchema)]
#[schema(as = RetainedHeldBack)]
struct HeldBack {
    count: u64,
}

/// Count retained messages that are held back
///
/// Whoever retained a message may have lost the right to publish it: then it is kept, in case they get it back, and
/// sent to nobody. All retained messages are looked at for this. Where an answer of a source of rules elsewhere
/// decided, the message counts as allowed.
#[utoipa::path(
    get,
    path = "/mqtt/retainer/held_back",
    tag = "Retained messages",
    responses(
        (status = 200, description = "How many there are.", body = HeldBack),
        (status = 503, description = "The broker is shutting down.", body = ErrorBody),
    )
)]
async fn held_back(State(app): State<App>) -> Result<Json<HeldBack>, Refusal> {
    let count = app.admin.held_back().await?;
    Ok(Json(HeldBack { count }))
}

/// Delete retained messages that are held back
///
/// They are gone for good, also for publishers who get their right back. Subscribers are not told.
#[utoipa::path(
    delete,
    path = "/mqtt/retainer/held_back",
    tag = "Retained messages",
    responses(
        (status = 200, description = "How many are gone.", body = HeldBack),
        (status = 503, description = "The store has no room, or the broker is shutting down.", body = ErrorBody),
    )
)]
async fn purge(State(app): State<App>) -> Result<Json<HeldBack>, Refusal> {
    let count = app.admin.purge_held_back().await?;
    Ok(Json(HeldBack { count }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_they_are_set() {
        assert_eq!(size(1 << 20), "1MB");
        assert_eq!(size(3 << 10), "3KB");
        assert_eq!(size(1025), "1025B");
    }
}
