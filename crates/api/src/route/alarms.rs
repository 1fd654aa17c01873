//! Alarms: a resource is nearly used up, or was.

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
};
use broker::admin::{
    NODE,
    observe::{Alarm, HIGH_MARK, LOW_MARK},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    page::{Meta, Page, Paging},
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, forget))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// `true`, which is the default: those under way; `false`: those that ended.
    #[param(value_type = Option<bool>)]
    activated: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AlarmRow)]
struct Row {
    node: &'static str,
    name: &'static str,
    message: String,
    details: Details,
    /// Milliseconds that it lasted, so far.
    duration: u64,
    activate_at: String,
    /// `infinity` while it lasts.
    deactivate_at: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AlarmDetails)]
struct Details {
    /// The most it was.
    usage: String,
    high_watermark: u8,
    low_watermark: u8,
}

impl Row {
    fn new(alarm: &Alarm, now: u64) -> Self {
        let usage = format!("{}%", alarm.percent);
        let message = alarm.name();
        let message = message
            .trim_start_matches("high_")
            .trim_end_matches("_usage");
        Self {
            node: NODE,
            name: alarm.name(),
            message: format!("{usage} {} usage", message.replace('_', " ")),
            details: Details {
                usage,
                high_watermark: HIGH_MARK,
                low_watermark: LOW_MARK,
            },
            duration: alarm.ended.unwrap_or(now).saturating_sub(alarm.began),
            activate_at: rfc3339(alarm.began),
            deactivate_at: alarm.ended.map_or_else(|| "infinity".to_owned(), rfc3339),
        }
    }
}

/// Alarms under way, or those that ended
#[utoipa::path(
    get,
    path = "/alarms",
    tag = "Alarms",
    params(Paging, Which),
    responses(
        (status = 200, description = "A page of them, newest first.", body = Page<Row>),
        (status = 400, description = "`INVALID_PARAMETER` or `BAD_REQUEST`", body = ErrorBody),
    )
)]
async fn list(
    State(app): State<App>,
    Query(paging): Query<Paging>,
    Query(which): Query<Which>,
) -> Result<Json<Page<Row>>, Refusal> {
    let window = paging.window()?;
    let alarms = match which.activated.as_deref() {
        None | Some("true") => app.admin.alarms(),
        Some("false") => app.admin.ended_alarms(),
        Some(_) => return Err(Refusal::bad_request("activated is true or false")),
    };
    let (skip, limit) = window.span();
    let now = app.admin.now_millis();
    let rows = alarms.iter().skip(skip).take(limit);
    Ok(Json(Page {
        data: rows.map(|alarm| Row::new(alarm, now)).collect(),
        meta: Meta::of(window, alarms.len()),
    }))
}

/// Forget the alarms that ended
#[utoipa::path(
    delete,
    path = "/alarms",
    tag = "Alarms",
    responses(
        (status = 204, description = "Forgotten."),
    )
)]
async fn forget(State(app): State<App>) -> Result<StatusCode, Refusal> {
    app.admin.clear_alarms().await?;
    Ok(StatusCode::NO_CONTENT)
}
