//! Figures for Prometheus, under EMQX's names: text of version 0.0.4, or JSON where that is asked for.

use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use broker::admin::{Figures, Machine, NODE, Work};
use serde::{Deserialize, Serialize};
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
        .routes(routes!(settings, change))
        .routes(routes!(stats))
        .routes(routes!(auth))
        .routes(routes!(data_integration))
}

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One metric. Without a value only its type is told: there is nothing that it could be of.
struct Metric {
    /// Its place in the JSON form.
    group: &'static str,
    name: String,
    kind: Kind,
    value: Option<Value>,
}

#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// Which nodes are told of: with one node the first two are the same.
#[derive(Clone, Copy, PartialEq, ToSchema)]
#[schema(rename_all = "snake_case")]
enum Mode {
    Node,
    AllNodesAggregated,
    AllNodesUnaggregated,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only")]
struct Asked {
    #[param(inline)]
    mode: Option<Mode>,
}

fn mode(query: &Query) -> Result<Mode, Refusal> {
    let modes = [
        ("node", Mode::Node),
        ("all_nodes_aggregated", Mode::AllNodesAggregated),
        ("all_nodes_unaggregated", Mode::AllNodesUnaggregated),
    ];
    Ok(query.choice("mode", &modes)?.unwrap_or(Mode::Node))
}

fn gauge(group: &'static str, name: impl Into<String>, value: impl Into<Value>) -> Metric {
    Metric {
        group,
        name: name.into(),
        kind: Kind::Gauge,
        value: Some(value.into()),
    }
}

fn counter(group: &'static str, name: impl Into<String>, value: u64) -> Metric {
    Metric {
        group,
        name: name.into(),
        kind: Kind::Counter,
        value: Some(value.into()),
    }
}

fn without_samples(group: &'static str, kind: Kind, names: &[&str]) -> Vec<Metric> {
    let bare = |name: &&str| Metric {
        group,
        name: (*name).to_owned(),
        kind,
        value: None,
    };
    names.iter().map(bare).collect()
}

/// Figures of access control that have no samples yet.
const ACCESS: [(&str, Kind, &[&str]); 4] = [
    (
        "emqx_authn",
        Kind::Gauge,
        &[
            "emqx_authn_enable",
            "emqx_authn_status",
            "emqx_authn_users_count",
        ],
    ),
    (
        "emqx_authn",
        Kind::Counter,
        &[
            "emqx_authn_total",
            "emqx_authn_success",
            "emqx_authn_failed",
            "emqx_authn_nomatch",
        ],
    ),
    (
        "emqx_authz",
        Kind::Gauge,
        &[
            "emqx_authz_enable",
            "emqx_authz_status",
            "emqx_authz_rules_count",
        ],
    ),
    (
        "emqx_authz",
        Kind::Counter,
        &[
            "emqx_authz_total",
            "emqx_authz_allow",
            "emqx_authz_deny",
            "emqx_authz_nomatch",
        ],
    ),
];

/// The group in which EMQX's JSON has a counter.
fn group(name: &str) -> &'static str {
    match name.split('.').next().unwrap_or_default() {
        "packets" => "packets",
        "messages" => "messages",
        "delivery" => "delivery",
        "client" => "client",
        "session" => "session",
        "authorization" => "acl",
        "authentication" => "authn",
        "overload_protection" => "olp",
        _ => "metrics",
    }
}

fn figures(figures: &Figures) -> Vec<Metric> {
    let mut all = Vec::new();
    for g in &figures.gauges {
        let name = g.name.replace('.', "_");
        all.push(gauge("stats", format!("emqx_{name}_count"), g.now));
        all.push(gauge("stats", format!("emqx_{name}_max"), g.max));
    }
    for (name, n) in &figures.counters {
        let written = match *name {
            "packets.connect.received" => "packets_connect".to_owned(),
            other => other.replace('.', "_"),
        };
        all.push(counter(group(name), format!("emqx_{written}"), *n));
    }
    let n = |name| figures.counter(name);
    let (allowed, denied) = (n("authorization.allow"), n("authorization.deny"));
    all.extend([
        counter(
            "messages",
            "emqx_messages_dropped_expired",
            n("delivery.dropped.expired"),
        ),
        counter(
            "messages",
            "emqx_messages_retained",
            figures.gauge("retained"),
        ),
        // Nobody is above the rules, and the only rule is one that denies.
        counter("acl", "emqx_authorization_superuser", 0),
        counter("acl", "emqx_authorization_nomatch", allowed),
        counter("acl", "emqx_authorization_matched_allow", 0),
        counter("acl", "emqx_authorization_matched_deny", denied),
        gauge("cluster", "emqx_cluster_nodes_running", 1),
        gauge("cluster", "emqx_cluster_nodes_stopped", 0),
    ]);
    all.extend(without_samples(
        "client",
        Kind::Counter,
        &["emqx_client_disconnected_reason"],
    ));
    let nothing = [
        "emqx_cert_expiry_at",
        "emqx_license_expiry_at",
        "emqx_conf_sync_txid",
    ];
    all.extend(without_samples("stats", Kind::Gauge, &nothing));
    all
}

/// The processors' work at the last look.
static LAST: Mutex<Option<Work>> = Mutex::new(None);

fn machine() -> Vec<Metric> {
    let now = Machine::look();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let busy = match (now.work, *last) {
        (Some(work), Some(before)) => work.busy_since(before) * 100.0,
        _ => 0.0,
    };
    *last = now.work;
    let (total, used) = now.memory.map_or((0, 0), |m| (m.total, m.used));
    vec![
        gauge("vm", "emqx_vm_cpu_use", busy),
        gauge("vm", "emqx_vm_cpu_idle", 100.0 - busy),
        gauge("vm", "emqx_vm_total_memory", total),
        gauge("vm", "emqx_vm_used_memory", used),
    ]
}

fn written(metrics: Vec<Metric>, mode: Mode, headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("application/json")) {
        return Json(grouped(metrics)).into_response();
    }
    let label = match mode {
        Mode::AllNodesUnaggregated => format!("{{node=\"{NODE}\"}}"),
        Mode::Node | Mode::AllNodesAggregated => String::new(),
    };
    let mut text = String::new();
    for Metric {
        name, kind, value, ..
    } in metrics
    {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# TYPE {name} {}", kind.name());
        let _ = writeln!(text, "# HELP {name} ");
        if let Some(value) = value {
            let _ = writeln!(text, "{name}{label} {value}");
        }
    }
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

fn grouped(metrics: Vec<Metric>) -> Value {
    let mut groups = Map::new();
    for metric in metrics {
        let group = groups.entry(metric.group).or_insert_with(|| json!({}));
        if let (Some(group), Some(value)) = (group.as_object_mut(), metric.value) {
            group.insert(metric.name, value);
        }
    }
    Value::Object(groups)
}

/// Figures for Prometheus
#[utoipa::path(
    get,
    path = "/prometheus/stats",
    tag = "Prometheus",
    params(Asked),
    responses(
        (status = 200, description = "All figures of the broker.", content(
            (String = "text/plain"),
            (Value = "application/json"),
        )),
        (status = 400, description = "The mode is none.", body = ErrorBody),
    )
)]
async fn stats(
    State(app): State<App>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mode = mode(&query)?;
    let mut all = figures(&app.admin.figures());
    all.extend(machine());
    Ok(written(all, mode, &headers))
}

/// Figures of access control for Prometheus
#[utoipa::path(
    get,
    path = "/prometheus/auth",
    tag = "Prometheus",
    params(Asked),
    responses(
        (status = 200, description = "Figures of access control.", content(
            (String = "text/plain"),
            (Value = "application/json"),
        )),
        (status = 400, description = "The mode is none.", body = ErrorBody),
    )
)]
async fn auth(
    State(app): State<App>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mode = mode(&query)?;
    let without = ACCESS.iter();
    let mut all: Vec<_> = without
        .flat_map(|(group, kind, names)| without_samples(group, *kind, names))
        .collect();
    let banned = app.admin.ban_count() as u64;
    all.push(gauge("emqx_banned", "emqx_banned_count", banned));
    Ok(written(all, mode, &headers))
}

/// Figures of rules, actions and connectors for Prometheus
///
/// There are none of them.
#[utoipa::path(
    get,
    path = "/prometheus/data_integration",
    tag = "Prometheus",
    params(Asked),
    responses(
        (status = 200, description = "Figures of rules, actions and connectors.", content(
            (String = "text/plain"),
            (Value = "application/json"),
        )),
        (status = 400, description = "The mode is none.", body = ErrorBody),
    )
)]
async fn data_integration(query: Query, headers: HeaderMap) -> Result<Response, Refusal> {
    let mode = mode(&query)?;
    let group = "data_integration_overview";
    let mut all = vec![
        gauge(group, "emqx_rules_count", 0),
        gauge(group, "emqx_actions_count", 0),
        gauge(group, "emqx_connectors_count", 0),
    ];
    let gauges = [
        "emqx_rule_enable",
        "emqx_action_enable",
        "emqx_action_status",
        "emqx_action_inflight",
        "emqx_action_queuing",
        "emqx_connector_enable",
        "emqx_connector_status",
    ];
    let counters = [
        "emqx_rule_matched",
        "emqx_rule_passed",
        "emqx_rule_failed",
        "emqx_rule_failed_exception",
        "emqx_rule_failed_no_result",
        "emqx_rule_actions_total",
        "emqx_rule_actions_success",
        "emqx_rule_actions_failed",
        "emqx_rule_actions_failed_out_of_service",
        "emqx_rule_actions_failed_unknown",
        "emqx_rule_actions_discarded",
        "emqx_action_matched",
        "emqx_action_success",
        "emqx_action_failed",
        "emqx_action_received",
        "emqx_action_retried",
        "emqx_action_retried_success",
        "emqx_action_retried_failed",
        "emqx_action_late_reply",
        "emqx_action_dropped",
        "emqx_action_dropped_expired",
        "emqx_action_dropped_queue_full",
        "emqx_action_dropped_resource_not_found",
        "emqx_action_dropped_resource_stopped",
        "emqx_action_dropped_other",
    ];
    all.extend(without_samples("rules", Kind::Gauge, &gauges));
    all.extend(without_samples("rules", Kind::Counter, &counters));
    Ok(written(all, mode, &headers))
}

/// How figures are given to Prometheus. It asks for them; nothing is pushed.
#[derive(Serialize, ToSchema)]
#[schema(as = Prometheus)]
struct Settings {
    enable_basic_auth: bool,
    push_gateway: Gateway,
    /// Of Erlang's machine: none.
    collectors: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PushGateway)]
struct Gateway {
    enable: bool,
    url: &'static str,
    interval: &'static str,
    job_name: &'static str,
    headers: Map<String, Value>,
}

fn shown() -> Json<Settings> {
    Json(Settings {
        enable_basic_auth: false,
        push_gateway: Gateway {
            enable: false,
            url: "http://127.0.0.1:9091",
            interval: "15s",
            job_name: "${name}/instance/${name}~${host}",
            headers: Map::new(),
        },
        collectors: Map::new(),
    })
}

/// How figures are given to Prometheus
#[utoipa::path(
    get,
    path = "/prometheus",
    tag = "Prometheus",
    responses((status = 200, description = "The settings.", body = Settings))
)]
async fn settings() -> Json<Settings> {
    shown()
}

#[derive(Deserialize, ToSchema)]
#[schema(as = PrometheusChange)]
struct Change {
    enable_basic_auth: Option<bool>,
    push_gateway: Option<GatewayChange>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = PushGatewayChange)]
struct GatewayChange {
    enable: Option<bool>,
}

/// Change how figures are given to Prometheus
///
/// What is set is the only way there is; another is refused.
#[utoipa::path(
    put,
    path = "/prometheus",
    tag = "Prometheus",
    request_body = Change,
    responses(
        (status = 200, description = "The settings.", body = Settings),
        (status = 400, description = "It cannot be done like that.", body = ErrorBody),
    )
)]
async fn change(Json(change): Json<Change>) -> Result<Json<Settings>, Refusal> {
    if change.push_gateway.is_some_and(|g| g.enable == Some(true)) {
        let said = "figures are not pushed: let Prometheus scrape /api/v5/prometheus/stats";
        return Err(Refusal::bad_request(said));
    }
    if change.enable_basic_auth == Some(true) {
        let said = "who may read the figures is decided by the address they are asked from: see the \
                    documentation of /api/v5/prometheus/stats";
        return Err(Refusal::bad_request(said));
    }
    Ok(shown())
}
