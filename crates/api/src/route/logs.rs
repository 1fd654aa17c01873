//! The last lines of the broker's log.

use axum::Json;
use broker::admin::logs::{Level, Line, newest};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    page::{Meta, Page},
    query::Query,
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A line of the log.
#[derive(Serialize, ToSchema)]
struct LogLine {
    id: u64,
    at: String,
    /// The same in milliseconds since 1970.
    time_stamp: u64,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    level: &'static str,
    message: String,
}

/// From the most important one on.
const LEVELS: [(&str, Level); 5] = [
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];

fn rank(level: Level) -> usize {
    let found = LEVELS.iter().position(|(_, one)| *one == level);
    found.unwrap_or(LEVELS.len() - 1)
}

impl From<Line> for LogLine {
    fn from(line: Line) -> Self {
        Self {
            id: line.number,
            at: rfc3339(line.at),
            time_stamp: line.at,
            level: LEVELS[rank(line.level)].0,
            message: line.text,
        }
    }
}

/// The last lines of the log, newest first
#[utoipa::path(
    get,
    path = "/logs",
    tag = "Logs",
    operation_id = "logs",
    params(
        ("page" = Option<u64>, Query, minimum = 1),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 10000),
        ("level" = Option<String>, Query, description = "Of this importance, or more: `error`, `warn`, `info`, `debug` or `trace`."),
        ("after" = Option<u64>, Query, description = "Only lines after the one with this `id`."),
    ),
    responses(
        (status = 200, description = "A page of the last 2,000.", body = Page<LogLine>),
        (status = 400, description = "`INVALID_PARAMETER`", body = ErrorBody),
    )
)]
async fn list(query: Query) -> Result<Json<Page<LogLine>>, Refusal> {
    let window = query.window()?;
    let least = rank(query.choice("level", &LEVELS)?.unwrap_or(Level::Trace));
    let after: u64 = query.parsed("after", "integer")?.unwrap_or(0);
    let wants = |line: &Line| rank(line.level) <= least && line.number > after;
    let (skip, limit) = window.span();
    let (lines, count) = newest(wants, skip, limit);
    Ok(Json(Page {
        data: lines.into_iter().map(LogLine::from).collect(),
        meta: Meta::of(window, count),
    }))
}
