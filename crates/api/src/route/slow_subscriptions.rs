//! Slow subscriptions.

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
};
use broker::admin::{
    NODE,
    slow::{Slow, SlowSettings, SlowSpan},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App, duration,
    error::{ErrorBody, Refusal},
    page::{Meta, Page, Paging},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, clear))
        .routes(routes!(settings, change))
}

/// Which part of a message's way is measured.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Stats {
    /// From its receipt to its acknowledgement; for QoS 0 until it was sent.
    Whole,
    /// From its receipt until it was sent.
    Internal,
    /// From when it was sent to its acknowledgement.
    Response,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SlowSubscriptionsSettings)]
struct Settings {
    enable: bool,
    /// What takes no longer is not slow.
    #[schema(example = "500ms")]
    threshold: String,
    /// How long one is remembered.
    #[schema(example = "300s")]
    expire_interval: String,
    /// How many are kept.
    top_k_num: u32,
    stats_type: Stats,
}

/// What is to be changed; what is left out stays.
#[derive(Deserialize, ToSchema)]
struct Change {
    enable: Option<bool>,
    /// Such as `500ms` or `2s`.
    threshold: Option<String>,
    /// Such as `300s` or `5m`.
    expire_interval: Option<String>,
    #[schema(minimum = 1, maximum = 1000)]
    top_k_num: Option<u32>,
    stats_type: Option<Stats>,
}

#[derive(Serialize, ToSchema)]
struct Row {
    clientid: String,
    node: &'static str,
    /// Of the last message that took too long.
    topic: String,
    /// Milliseconds.
    timespan: u64,
    /// Milliseconds since 1970.
    last_update_time: u64,
}

impl From<Slow> for Row {
    fn from(slow: Slow) -> Self {
        Self {
            clientid: slow.client_id,
            node: NODE,
            topic: slow.topic,
            timespan: slow.millis,
            last_update_time: slow.at,
        }
    }
}

impl From<SlowSettings> for Settings {
    fn from(settings: SlowSettings) -> Self {
        Self {
            enable: settings.enable,
            threshold: duration::told(settings.threshold_millis),
            expire_interval: duration::told(settings.expire_millis),
            top_k_num: settings.top,
            stats_type: match settings.span {
                SlowSpan::Whole => Stats::Whole,
                SlowSpan::Internal => Stats::Internal,
                SlowSpan::Response => Stats::Response,
            },
        }
    }
}

impl Change {
    fn on(self, mut settings: SlowSettings) -> Result<SlowSettings, Refusal> {
        if let Some(enable) = self.enable {
            settings.enable = enable;
        }
        if let Some(text) = self.threshold {
            settings.threshold_millis = duration::parse("threshold", &text)?;
        }
        if let Some(text) = self.expire_interval {
            settings.expire_millis = duration::parse("expire_interval", &text)?;
        }
        if let Some(top) = self.top_k_num {
            settings.top = top;
        }
        match self.stats_type {
            Some(Stats::Whole) => settings.span = SlowSpan::Whole,
            Some(Stats::Internal) => settings.span = SlowSpan::Internal,
            Some(Stats::Response) => settings.span = SlowSpan::Response,
            None => {}
        }
        Ok(settings)
    }
}

/// The slowest subscriptions
///
/// None, unless the settings say that they are looked for.
#[utoipa::path(
    get,
    path = "/slow_subscriptions",
    tag = "Slow subscriptions",
    params(Paging),
    responses(
        (status = 200, description = "The slowest first.", body = Page<Row>),
        (status = 400, description = "`INVALID_PARAMETER`", body = ErrorBody),
    )
)]
async fn list(
    State(app): State<App>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Row>>, Refusal> {
    let window = paging.window()?;
    let found = app.admin.slow_subscriptions().await?;
    let count = found.len();
    let offset = usize::try_from(window.offset()).unwrap_or(usize::MAX);
    let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
    let data: Vec<_> = found
        .into_iter()
        .skip(offset)
        .take(limit)
        .map(Row::from)
        .collect();
    Ok(Json(Page {
        meta: Meta {
            page: window.page,
            limit: window.limit,
            count: u64::try_from(count).ok(),
            hasnext: offset.saturating_add(data.len()) < count,
        },
        data,
    }))
}

/// Forget the slowest subscriptions
#[utoipa::path(
    delete,
    path = "/slow_subscriptions",
    tag = "Slow subscriptions",
    responses(
        (status = 204, description = "They are looked for anew."),
    )
)]
async fn clear(State(app): State<App>) -> Result<StatusCode, Refusal> {
    app.admin.forget_slow_subscriptions().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether slow subscriptions are looked for, and what is slow
#[utoipa::path(
    get,
    path = "/slow_subscriptions/settings",
    tag = "Slow subscriptions",
    responses((status = 200, description = "As it is.", body = Settings))
)]
async fn settings(State(app): State<App>) -> Json<Settings> {
    Json(app.admin.slow_settings().into())
}

/// Change whether slow subscriptions are looked for, and what is slow
#[utoipa::path(
    put,
    path = "/slow_subscriptions/settings",
    tag = "Slow subscriptions",
    request_body = Change,
    responses(
        (status = 200, description = "As it is now.", body = Settings),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    Json(change): Json<Change>,
) -> Result<Json<Settings>, Refusal> {
    let wanted = change.on(app.admin.slow_settings())?;
    app.admin.set_slow_settings(wanted).await?;
    Ok(Json(wanted.into()))
}
