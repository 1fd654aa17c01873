//! The history of figures, and what is under way now: the two calls that draw EMQX's overview, and the
//! seconds of the last ten minutes, which are ours.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use broker::admin::{
    NODE,
    observe::{REASONS, Sample, Second},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(history, forget))
        .routes(routes!(history_of_node))
        .routes(routes!(current))
        .routes(routes!(current_of_node))
        .routes(routes!(seconds))
}

/// Longer than anything that is kept, and short enough for milliseconds.
const SECS_MAX: u64 = 1 << 40;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Span {
    /// Only the last so many seconds; all seven days without it.
    #[param(value_type = Option<u64>, minimum = 1)]
    latest: Option<String>,
}

impl Span {
    fn millis(&self) -> Result<u64, Refusal> {
        let Some(text) = &self.latest else {
            return Ok(SECS_MAX * 1000);
        };
        let secs = text.parse::<u64>().ok().filter(|secs| *secs > 0);
        secs.map(|secs| secs.min(SECS_MAX) * 1000)
            .ok_or_else(|| Refusal::bad_request("latest is a number of seconds from 1 on"))
    }
}

/// One step of the history; counts are of the step, the rest is as of its end.
#[derive(Serialize, ToSchema)]
pub(crate) struct Point {
    /// Milliseconds since 1970.
    time_stamp: u64,
    received: u64,
    sent: u64,
    /// Lost, or wanted by nobody.
    dropped: u64,
    /// Sessions, connected or not.
    connections: u64,
    live_connections: u64,
    subscriptions: u64,
    topics: u64,
    /// Written to the log for sessions that outlive their connection.
    persisted: u64,
    /// Subscriptions of such sessions.
    subscriptions_durable: u64,
    disconnected_durable_sessions: u64,
    /// Messages are neither validated nor transformed here.
    validation_succeeded: u64,
    validation_failed: u64,
    transformation_succeeded: u64,
    transformation_failed: u64,
    /// The broker was started in this step.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    restarted: bool,
}

impl From<Sample> for Point {
    fn from(sample: Sample) -> Self {
        Self {
            time_stamp: sample.at,
            received: sample.received,
            sent: sample.sent,
            dropped: sample.dropped,
            connections: sample.connections,
            live_connections: sample.live_connections,
            subscriptions: sample.subscriptions,
            topics: sample.topics,
            persisted: sample.persisted,
            subscriptions_durable: sample.lasting_subscriptions,
            disconnected_durable_sessions: sample
                .connections
                .saturating_sub(sample.live_connections),
            validation_succeeded: 0,
            validation_failed: 0,
            transformation_succeeded: 0,
            transformation_failed: 0,
            restarted: sample.restarted,
        }
    }
}

/// What is under way.
#[derive(Serialize, ToSchema)]
pub(crate) struct Current {
    /// Messages a second.
    received_msg_rate: u64,
    sent_msg_rate: u64,
    dropped_msg_rate: u64,
    /// Sessions, connected or not.
    connections: u64,
    live_connections: u64,
    subscriptions: u64,
    topics: u64,
    retained_msg_count: u64,
    shared_subscriptions: u64,
    /// Milliseconds since the start; of a node only.
    #[serde(skip_serializing_if = "Option::is_none")]
    node_uptime: Option<u64>,
}

/// One second, in our own split: nobody wanted it, or it was lost and why.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tick {
    /// Milliseconds since 1970.
    time_stamp: u64,
    received: u64,
    sent: u64,
    no_subscriber: u64,
    /// Only reasons that happened.
    lost: BTreeMap<&'static str, u64>,
    bytes_received: u64,
    bytes_sent: u64,
    /// Connected.
    clients: u64,
}

impl From<Second> for Tick {
    fn from(second: Second) -> Self {
        let lost = REASONS.into_iter().zip(second.lost);
        Self {
            time_stamp: second.at,
            received: second.received,
            sent: second.sent,
            no_subscriber: second.no_subscriber,
            lost: lost.filter(|(_, n)| *n > 0).collect(),
            bytes_received: second.bytes_received,
            bytes_sent: second.bytes_sent,
            clients: second.clients,
        }
    }
}

fn points(app: &App, span: &Span) -> Result<Json<Vec<Point>>, Refusal> {
    let samples = app.admin.history(span.millis()?);
    Ok(Json(samples.into_iter().map(Point::from).collect()))
}

pub(crate) fn now(app: &App) -> Current {
    let current = app.admin.current();
    let [received, sent, dropped] = current.rates;
    Current {
        received_msg_rate: received,
        sent_msg_rate: sent,
        dropped_msg_rate: dropped,
        connections: current.sample.connections,
        live_connections: current.sample.live_connections,
        subscriptions: current.sample.subscriptions,
        topics: current.sample.topics,
        retained_msg_count: current.retained,
        shared_subscriptions: current.shared_subscriptions,
        node_uptime: None,
    }
}

fn known(node: &str) -> Result<(), Refusal> {
    if node == NODE {
        Ok(())
    } else {
        Err(Refusal::not_found("NOT_FOUND", "Node not found"))
    }
}

/// The history of figures, oldest first, at most 1440 points
#[utoipa::path(
    get,
    path = "/monitor",
    tag = "Monitor",
    params(Span),
    responses(
        (status = 200, description = "Steps of 10 s for an hour, 1 min for a day, 5 min for three, 10 min for seven.", body = Vec<Point>),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
    )
)]
async fn history(
    State(app): State<App>,
    Query(span): Query<Span>,
) -> Result<Json<Vec<Point>>, Refusal> {
    points(&app, &span)
}

/// The history of one node's figures
#[utoipa::path(
    get,
    path = "/monitor/nodes/{node}",
    tag = "Monitor",
    params(("node" = String, Path, description = "The node's name."), Span),
    responses(
        (status = 200, description = "As of the cluster.", body = Vec<Point>),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn history_of_node(
    State(app): State<App>,
    Path(node): Path<String>,
    Query(span): Query<Span>,
) -> Result<Json<Vec<Point>>, Refusal> {
    known(&node)?;
    points(&app, &span)
}

/// Forget the history of figures
#[utoipa::path(
    delete,
    path = "/monitor",
    tag = "Monitor",
    responses(
        (status = 204, description = "Forgotten."),
    )
)]
async fn forget(State(app): State<App>) -> Result<StatusCode, Refusal> {
    app.admin.clear_history().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rates and gauges of now
#[utoipa::path(
    get,
    path = "/monitor_current",
    tag = "Monitor",
    responses((status = 200, description = "Rates of the last ten seconds.", body = Current))
)]
async fn current(State(app): State<App>) -> Json<Current> {
    Json(now(&app))
}

/// Rates and gauges of one node
#[utoipa::path(
    get,
    path = "/monitor_current/nodes/{node}",
    tag = "Monitor",
    params(("node" = String, Path, description = "The node's name.")),
    responses(
        (status = 200, description = "Rates of the last ten seconds.", body = Current),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn current_of_node(
    State(app): State<App>,
    Path(node): Path<String>,
) -> Result<Json<Current>, Refusal> {
    known(&node)?;
    let uptime = u64::try_from(app.admin.uptime().as_millis()).unwrap_or(u64::MAX);
    Ok(Json(Current {
        node_uptime: Some(uptime),
        ..now(&app)
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct After {
    /// Only seconds after this one, in milliseconds since 1970.
    #[param(value_type = Option<u64>)]
    after: Option<String>,
}

/// The seconds of the last ten minutes, oldest first
#[utoipa::path(
    get,
    path = "/monitor_seconds",
    tag = "Monitor",
    params(After),
    responses(
        (status = 200, description = "At most 600.", body = Vec<Tick>),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
    )
)]
async fn seconds(
    State(app): State<App>,
    Query(after): Query<After>,
) -> Result<Json<Vec<Tick>>, Refusal> {
    let after = after.after.as_deref().unwrap_or("0").parse::<u64>();
    let after = after.map_err(|_| Refusal::bad_request("after is a number of milliseconds"))?;
    let seconds = app.admin.seconds(after);
    Ok(Json(seconds.into_iter().map(Tick::from).collect()))
}
