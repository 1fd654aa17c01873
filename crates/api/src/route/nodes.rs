//! The node, and its figures. There is one; what joins nodes is not offered.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use broker::admin::{Figures, Machine, NODE};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    query::Query,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(nodes))
        .routes(routes!(node))
        .routes(routes!(node_stats))
        .routes(routes!(node_metrics))
        .routes(routes!(stats))
        .routes(routes!(metrics))
        .routes(routes!(cluster))
        .routes(routes!(topology))
        .routes(routes!(invite))
        .routes(routes!(invite_async))
        .routes(routes!(invitation))
        .routes(routes!(force_leave))
}

/// What the node is, and how it does.
#[derive(Serialize, ToSchema)]
struct Node {
    node: &'static str,
    #[schema(example = "running")]
    node_status: &'static str,
    #[schema(example = "core")]
    role: &'static str,
    version: &'static str,
    edition: &'static str,
    /// Empty: no Erlang runs here.
    otp_release: &'static str,
    /// Milliseconds.
    uptime: u64,
    connections: u64,
    live_connections: u64,
    cluster_sessions: u64,
    load1: f64,
    load5: f64,
    load15: f64,
    max_fds: u64,
    #[schema(example = "7.44G")]
    memory_total: String,
    #[schema(example = "2.10G")]
    memory_used: String,
    /// Of Erlang's processes: 0.
    process_available: u64,
    process_used: u64,
    log_path: String,
    sys_path: String,
    /// Bytes of this process that are in memory.
    resident_bytes: Option<u64>,
    memory_by_use: MemoryByUse,
    /// Descriptors that this process has open; `max_fds` is how many it may.
    open_files: Option<u64>,
    /// The file system that the data directory is on.
    disk: Option<Room>,
}

/// Bytes of memory, counted from what there is. The rest of `resident_bytes` is the program itself, what
/// the allocator keeps, and what does not grow with clients.
#[derive(Serialize, ToSchema)]
struct MemoryByUse {
    connections: u64,
    sessions: u64,
    queues: u64,
    retained: u64,
}

/// Bytes of a file system.
#[derive(Serialize, ToSchema)]
struct Room {
    total: u64,
    free: u64,
}

async fn told(app: &App) -> Result<Node, Refusal> {
    let used = app.admin.memory_use().await?;
    let disk = broker::admin::disk(&app.admin.data_dir());
    let figures = app.admin.figures();
    let machine = Machine::look();
    let [load1, load5, load15] = machine.load.unwrap_or_default();
    let memory = machine.memory;
    Ok(Node {
        node: NODE,
        node_status: "running",
        role: "core",
        version: broker::admin::VERSION,
        edition: "Opensource",
        otp_release: "",
        uptime: u64::try_from(app.admin.uptime().as_millis()).unwrap_or(u64::MAX),
        connections: figures.gauge("connections"),
        live_connections: figures.gauge("live_connections"),
        cluster_sessions: figures.gauge("cluster_sessions"),
        load1,
        load5,
        load15,
        max_fds: machine.files_max.unwrap_or(0),
        memory_total: size(memory.map_or(0, |m| m.total)),
        memory_used: size(memory.map_or(0, |m| m.used)),
        process_available: 0,
        process_used: 0,
        log_path: app.admin.data_dir().display().to_string(),
        sys_path: app.admin.data_dir().display().to_string(),
        resident_bytes: machine.resident_bytes,
        memory_by_use: MemoryByUse {
            connections: used.connections,
            sessions: used.sessions,
            queues: used.queues,
            retained: used.retained,
        },
        open_files: machine.files,
        disk: disk.map(|disk| Room {
            total: disk.total,
            free: disk.free,
        }),
    })
}

/// As EMQX writes bytes.
fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    for (unit, name) in [(1_u64 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")] {
        if bytes >= unit as f64 {
            return format!("{:.2}{name}", bytes / unit as f64);
        }
    }
    format!("{bytes:.0}")
}

fn check(node: &str) -> Result<(), Refusal> {
    if node == NODE {
        return Ok(());
    }
    let said = format!("There is no node {node}; this one is {NODE}");
    Err(Refusal::not_found("NOT_FOUND", said))
}

/// All nodes
#[utoipa::path(
    get,
    path = "/nodes",
    tag = "Nodes",
    responses((status = 200, description = "The one there is.", body = Vec<Node>))
)]
async fn nodes(State(app): State<App>) -> Result<Json<Vec<Node>>, Refusal> {
    Ok(Json(vec![told(&app).await?]))
}

/// One node
#[utoipa::path(
    get,
    path = "/nodes/{node}",
    tag = "Nodes",
    params(("node" = String, Path)),
    responses(
        (status = 200, description = "The node.", body = Node),
        (status = 404, description = "There is no such node.", body = ErrorBody),
    )
)]
async fn node(State(app): State<App>, Path(node): Path<String>) -> Result<Json<Node>, Refusal> {
    check(&node)?;
    Ok(Json(told(&app).await?))
}

/// Names and numbers.
#[derive(Serialize, ToSchema)]
#[schema(value_type = std::collections::BTreeMap<String, u64>)]
struct Counts(Map<String, Value>);

fn counted(figures: &Figures) -> Map<String, Value> {
    let counters = figures.counters.iter();
    counters
        .map(|(name, n)| ((*name).to_owned(), json!(n)))
        .collect()
}

/// EMQX tells of lasting sessions' subscriptions only in the sum over all nodes; here they are always told.
fn gauged(figures: &Figures) -> Map<String, Value> {
    let mut out = Map::new();
    for gauge in &figures.gauges {
        out.insert(format!("{}.count", gauge.name), json!(gauge.now));
        out.insert(format!("{}.max", gauge.name), json!(gauge.max));
    }
    out
}

/// How much there is of what, now and at most, on one node
#[utoipa::path(
    get,
    path = "/nodes/{node}/stats",
    tag = "Nodes",
    params(("node" = String, Path)),
    responses(
        (status = 200, description = "Numbers by name.", body = Counts),
        (status = 404, description = "There is no such node.", body = ErrorBody),
    )
)]
async fn node_stats(
    State(app): State<App>,
    Path(node): Path<String>,
) -> Result<Json<Counts>, Refusal> {
    check(&node)?;
    Ok(Json(Counts(gauged(&app.admin.figures()))))
}

/// What was counted on one node since it started
#[utoipa::path(
    get,
    path = "/nodes/{node}/metrics",
    tag = "Nodes",
    params(("node" = String, Path)),
    responses(
        (status = 200, description = "Numbers by name.", body = Counts),
        (status = 404, description = "There is no such node.", body = ErrorBody),
    )
)]
async fn node_metrics(
    State(app): State<App>,
    Path(node): Path<String>,
) -> Result<Json<Counts>, Refusal> {
    check(&node)?;
    Ok(Json(Counts(counted(&app.admin.figures()))))
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only")]
struct Asked {
    /// One object for all nodes, instead of a list of one for each.
    aggregate: Option<bool>,
}

fn by_node(query: &Query, mut figures: Map<String, Value>) -> Result<Json<Value>, Refusal> {
    if query.flag("aggregate")? == Some(true) {
        return Ok(Json(Value::Object(figures)));
    }
    figures.insert("node".to_owned(), json!(NODE));
    Ok(Json(json!([figures])))
}

/// How much there is of what, now and at most
#[utoipa::path(
    get,
    path = "/stats",
    tag = "Nodes",
    params(Asked),
    responses(
        (status = 200, description = "A list with the node's, or one object.", body = Value),
        (status = 400, description = "The parameter is of the wrong kind.", body = ErrorBody),
    )
)]
async fn stats(State(app): State<App>, query: Query) -> Result<Json<Value>, Refusal> {
    by_node(&query, gauged(&app.admin.figures()))
}

/// What was counted since the start
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "Nodes",
    params(Asked),
    responses(
        (status = 200, description = "A list with the node's, or one object.", body = Value),
        (status = 400, description = "The parameter is of the wrong kind.", body = ErrorBody),
    )
)]
async fn metrics(State(app): State<App>, query: Query) -> Result<Json<Value>, Refusal> {
    by_node(&query, counted(&app.admin.figures()))
}

#[derive(Serialize, ToSchema)]
struct Cluster {
    name: &'static str,
    #[serde(rename = "self")]
    this: &'static str,
    nodes: Vec<&'static str>,
}

/// The cluster
#[utoipa::path(
    get,
    path = "/cluster",
    tag = "Cluster",
    responses((status = 200, description = "One node, this one.", body = Cluster))
)]
async fn cluster() -> Json<Cluster> {
    Json(Cluster {
        name: "ternmq",
        this: NODE,
        nodes: vec![NODE],
    })
}

/// A node and those that it is connected with.
#[derive(Serialize, ToSchema)]
#[schema(as = ClusterTopology)]
struct Topology {
    core_node: &'static str,
    replicant_nodes: Vec<&'static str>,
}

/// Which node is connected with which
#[utoipa::path(
    get,
    path = "/cluster/topology",
    tag = "Cluster",
    responses((status = 200, description = "One node, alone.", body = Vec<Topology>))
)]
async fn topology() -> Json<Vec<Topology>> {
    Json(vec![Topology {
        core_node: NODE,
        replicant_nodes: Vec::new(),
    }])
}

/// TernMQ is one node; nothing is to be joined.
fn alone() -> Response {
    let said = "TernMQ runs on one node: there is no cluster to join or to leave";
    Refusal::not_found("NOT_FOUND", said).into_response()
}

/// Invite a node: not offered
#[utoipa::path(
    put,
    path = "/cluster/{node}/invite",
    tag = "Cluster",
    params(("node" = String, Path)),
    responses((status = 404, description = "There is one node.", body = ErrorBody))
)]
async fn invite() -> Response {
    alone()
}

/// Invite a node and do not wait for it: not offered
#[utoipa::path(
    put,
    path = "/cluster/{node}/invite_async",
    tag = "Cluster",
    params(("node" = String, Path)),
    responses((status = 404, description = "There is one node.", body = ErrorBody))
)]
async fn invite_async() -> Response {
    alone()
}

/// How invitations do: not offered
#[utoipa::path(
    get,
    path = "/cluster/invitation",
    tag = "Cluster",
    responses((status = 404, description = "There is one node.", body = ErrorBody))
)]
async fn invitation() -> Response {
    alone()
}

/// Make a node leave: not offered
#[utoipa::path(
    delete,
    path = "/cluster/{node}/force_leave",
    tag = "Cluster",
    params(("node" = String, Path)),
    responses((status = 404, description = "There is one node.", body = ErrorBody))
)]
async fn force_leave() -> Response {
    alone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_unit() {
        assert_eq!(size(7_988_639_170), "7.44G");
        assert_eq!(size(1 << 20), "1.00M");
        assert_eq!(size(12), "12");
    }
}
