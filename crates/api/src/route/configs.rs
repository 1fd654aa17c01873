//! Settings as EMQX's tools know them: a tree, or text, by roots. Roots that EMQX has keep its names and
//! units; the others are our own sections. What EMQX can set and we cannot is shown as it is here, and
//! a change of it is refused by name.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use broker::admin::settings::{Raw, Setting, SettingError, parse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::settings::{json as value_of, raw};
use crate::{
    App,
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(all, change_all))
        .routes(routes!(one, change))
        .routes(routes!(reset))
        .routes(routes!(schema))
}

/// How a key of EMQX's is one of ours.
#[derive(Clone, Copy)]
enum Form {
    Same(&'static str),
    /// Our `none` is this word there.
    None(&'static str, &'static str),
    /// Words that differ: EMQX's, ours.
    Words(&'static str, &'static [(&'static str, &'static str)]),
    /// Addresses to listen on: EMQX has one, or a port.
    Bind(&'static str),
    /// Always so here; JSON.
    Fixed(&'static str),
}

use Form::{Bind, Fixed, None as Without, Same, Words};

/// The first word of each of ours is the one that is shown.
const LEVELS: &[(&str, &str)] = &[
    ("all", "trace"),
    ("debug", "debug"),
    ("info", "info"),
    ("warning", "warn"),
    ("error", "error"),
    ("notice", "info"),
    ("critical", "error"),
    ("alert", "error"),
    ("emergency", "error"),
];

type Root = (&'static str, &'static [(&'static str, Form)]);

/// EMQX's roots and what stands in them.
const ROOTS: &[Root] = &[
    (
        "global_zone",
        &[
            ("mqtt.idle_timeout", Same("mqtt.connect_timeout")),
            ("mqtt.max_packet_size", Same("mqtt.max_packet_size")),
            ("mqtt.max_clientid_len", Same("mqtt.max_clientid_len")),
            ("mqtt.max_topic_levels", Same("mqtt.max_topic_levels")),
            ("mqtt.max_topic_alias", Same("mqtt.max_topic_alias")),
            ("mqtt.max_qos_allowed", Same("mqtt.max_qos_allowed")),
            ("mqtt.retain_available", Same("mqtt.retain_available")),
            (
                "mqtt.wildcard_subscription",
                Same("mqtt.wildcard_subscriptions"),
            ),
            (
                "mqtt.shared_subscription",
                Same("mqtt.shared_subscriptions"),
            ),
            (
                "mqtt.shared_subscription_strategy",
                Same("mqtt.shared_strategy"),
            ),
            ("mqtt.exclusive_subscription", Fixed("false")),
            ("mqtt.ignore_loop_deliver", Fixed("false")),
            ("mqtt.strict_mode", Fixed("false")),
            (
                "mqtt.response_information",
                Without("mqtt.response_information", ""),
            ),
            (
                "mqtt.server_keepalive",
                Without("mqtt.server_keepalive", "disabled"),
            ),
            (
                "mqtt.keepalive_multiplier",
                Same("mqtt.keepalive_multiplier"),
            ),
            ("mqtt.max_subscriptions", Same("mqtt.max_subscriptions")),
            ("mqtt.upgrade_qos", Same("mqtt.upgrade_qos")),
            ("mqtt.max_inflight", Same("mqtt.max_inflight")),
            ("mqtt.retry_interval", Fixed("\"infinity\"")),
            ("mqtt.max_awaiting_rel", Same("mqtt.max_awaiting_rel")),
            ("mqtt.await_rel_timeout", Same("mqtt.await_rel_timeout")),
            ("mqtt.session_expiry_interval", Same("mqtt.session_expiry")),
            ("mqtt.message_expiry_interval", Fixed("\"infinity\"")),
            ("mqtt.max_mqueue_len", Same("mqtt.max_queue")),
            ("mqtt.mqueue_priorities", Fixed("\"disabled\"")),
            ("mqtt.mqueue_default_priority", Fixed("\"lowest\"")),
            ("mqtt.mqueue_store_qos0", Fixed("false")),
            (
                "mqtt.use_username_as_clientid",
                Same("mqtt.use_username_as_clientid"),
            ),
            (
                "mqtt.peer_cert_as_username",
                Same("mqtt.peer_cert_as_username"),
            ),
            (
                "mqtt.peer_cert_as_clientid",
                Same("mqtt.peer_cert_as_clientid"),
            ),
            ("mqtt.client_attrs_init", Fixed("[]")),
            ("flapping_detect.enable", Same("flapping_detect.enable")),
            (
                "flapping_detect.window_time",
                Same("flapping_detect.window_time"),
            ),
            (
                "flapping_detect.max_count",
                Same("flapping_detect.max_count"),
            ),
            ("flapping_detect.ban_time", Same("flapping_detect.ban_time")),
        ],
    ),
    (
        "sys_topics",
        &[
            ("sys_msg_interval", Same("mqtt.sys_interval")),
            ("sys_heartbeat_interval", Same("mqtt.sys_interval")),
            ("sys_event_messages.client_connected", Fixed("true")),
            ("sys_event_messages.client_disconnected", Fixed("true")),
            ("sys_event_messages.client_subscribed", Fixed("false")),
            ("sys_event_messages.client_unsubscribed", Fixed("false")),
        ],
    ),
    (
        "log",
        &[
            ("console.enable", Fixed("true")),
            ("console.level", Words("log.level", LEVELS)),
            ("console.formatter", Fixed("\"text\"")),
            ("console.time_offset", Fixed("\"system\"")),
            ("file", Fixed("{}")),
        ],
    ),
    (
        "dashboard",
        &[
            ("listeners.http.enable", Same("dashboard.enabled")),
            ("listeners.http.bind", Bind("dashboard.bind")),
            ("listeners.https.enable", Fixed("false")),
            ("listeners.https.bind", Fixed("0")),
            ("token_expired_time", Fixed("\"60m\"")),
        ],
    ),
    (
        "alarm",
        &[("actions", Fixed("[]")), ("size_limit", Fixed("1000"))],
    ),
    (
        "sysmon",
        &[
            ("os.cpu_check_interval", Fixed("\"10s\"")),
            ("os.cpu_high_watermark", Fixed("\"80%\"")),
            ("os.cpu_low_watermark", Fixed("\"70%\"")),
            ("os.mem_check_interval", Fixed("\"10s\"")),
            ("os.sysmem_high_watermark", Fixed("\"80%\"")),
        ],
    ),
    (
        "broker",
        &[
            ("shared_subscription_strategy", Same("mqtt.shared_strategy")),
            ("shared_dispatch_ack_enabled", Fixed("true")),
            ("enable_session_registry", Fixed("true")),
        ],
    ),
];

impl Form {
    fn key(self) -> Option<&'static str> {
        match self {
            Same(key) | Without(key, _) | Words(key, _) | Bind(key) => Some(key),
            Fixed(_) => None,
        }
    }

    /// What EMQX's tools are shown.
    fn show(self, values: &BTreeMap<String, Value>) -> Value {
        if let Fixed(text) = self {
            return serde_json::from_str(text).expect("the table holds JSON");
        }
        let value = self.key().and_then(|key| values.get(key)).cloned();
        let value = value.unwrap_or_default();
        match self {
            Without(_, word) if value == "none" => Value::from(word),
            Words(_, words) => {
                let theirs = words.iter().find(|(_, ours)| value == *ours);
                theirs.map_or(value, |(theirs, _)| Value::from(*theirs))
            }
            Bind(_) => address(&value),
            _ => value,
        }
    }

    fn ours(self, value: &Value) -> Value {
        match self {
            Without(_, word) if value == word => Value::from("none"),
            Words(_, words) => {
                let ours = words.iter().find(|(theirs, _)| value == *theirs);
                ours.map_or_else(|| value.clone(), |(_, ours)| Value::from(*ours))
            }
            _ => value.clone(),
        }
    }
}

/// One address, or a port if that is everywhere.
fn address(list: &Value) -> Value {
    let first = list.get(0).and_then(Value::as_str).unwrap_or_default();
    let port = first.strip_prefix("0.0.0.0:");
    match port.and_then(|port| port.parse::<u16>().ok()) {
        Some(port) => Value::from(port),
        None => Value::from(first),
    }
}

fn values(settings: &[Setting]) -> BTreeMap<String, Value> {
    let each = settings.iter();
    each.map(|s| (s.name.clone(), value_of(&s.value))).collect()
}

/// Puts a value where its dotted name says.
fn plant(tree: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((first, rest)) = name.split_once('.') else {
        tree.insert(name.to_owned(), value);
        return;
    };
    let below = tree
        .entry(first)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(below) = below {
        plant(below, rest, value);
    }
}

/// The leaves of a tree with their dotted names.
fn leaves(tree: &Map<String, Value>, before: &str, found: &mut Vec<(String, Value)>) {
    for (name, value) in tree {
        let name = format!("{before}{name}");
        match value {
            Value::Object(below) if !below.is_empty() => {
                leaves(below, &format!("{name}."), found);
            }
            value => found.push((name, value.clone())),
        }
    }
}

fn emqx(root: &str) -> Option<&'static [(&'static str, Form)]> {
    ROOTS
        .iter()
        .find(|(name, _)| *name == root)
        .map(|(_, keys)| *keys)
}

/// A root as it is shown.
fn tree(app: &App, root: &str) -> Option<Map<String, Value>> {
    let values = values(&app.admin.settings());
    let mut tree = Map::new();
    if let Some(keys) = emqx(root) {
        for (name, form) in keys {
            plant(&mut tree, name, form.show(&values));
        }
        return Some(tree);
    }
    for (name, value) in values {
        if let Some(rest) = name
            .strip_prefix(root)
            .and_then(|rest| rest.strip_prefix('.'))
        {
            plant(&mut tree, rest, value);
        }
    }
    (!tree.is_empty()).then_some(tree)
}

fn no_root(root: &str) -> Refusal {
    Refusal::not_found(
        "NOT_FOUND",
        format!("there is no root {root} in the configuration"),
    )
}

/// What a body asks for, by our keys.
fn wanted(
    app: &App,
    root: &str,
    body: &Map<String, Value>,
) -> Result<Vec<(String, Option<Raw>)>, Refusal> {
    let mut found = Vec::new();
    leaves(body, "", &mut found);
    let values = values(&app.admin.settings());
    let mut wanted: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in found {
        let (key, value) = match emqx(root) {
            Some(keys) => {
                let form = keys
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, form)| *form);
                let Some(form) = form else {
                    return Err(update_failed(format!("{name} does not exist here")));
                };
                // Tools send back the whole of what they got.
                if form.show(&values) == value {
                    continue;
                }
                let Some(key) = form.key() else {
                    let fixed = form.show(&values);
                    return Err(update_failed(format!(
                        "{name} cannot be other than {fixed} here"
                    )));
                };
                (key.to_owned(), form.ours(&value))
            }
            None => (format!("{root}.{name}"), value),
        };
        if values.get(&key) == Some(&value) {
            continue;
        }
        if wanted
            .insert(key.clone(), value.clone())
            .is_some_and(|other| other != value)
        {
            return Err(update_failed(format!(
                "{key} is one setting here and was given two values"
            )));
        }
    }
    let each = wanted.into_iter();
    each.map(|(key, value)| Ok((key, Some(raw(&value)?))))
        .collect()
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Selection {
    /// One root only.
    key: Option<String>,
}

/// The configuration
///
/// As a tree, or as text in the notation of `ternmq.toml` if `Accept` names `text/plain`.
#[utoipa::path(
    get,
    path = "/configs",
    tag = "Configuration",
    params(Selection),
    responses(
        (status = 200, description = "All settings in effect.", content(
            (Map<String, Value> = "application/json"),
            (String = "text/plain"),
        )),
        (status = 400, description = "No such root.", body = ErrorBody),
    )
)]
async fn all(
    State(app): State<App>,
    Query(selection): Query<Selection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mut settings = app.admin.settings();
    if let Some(root) = &selection.key {
        settings.retain(|s| {
            let rest = s.name.strip_prefix(root.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        if settings.is_empty() {
            return Err(Refusal::bad_request(no_root(root).message));
        }
    }
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/plain")) {
        let lines = settings
            .iter()
            .map(|s| format!("{} = {}\n", s.name, s.value));
        return Ok(lines.collect::<String>().into_response());
    }
    let mut tree = Map::new();
    for (name, value) in values(&settings) {
        plant(&mut tree, &name, value);
    }
    Ok(Json(tree).into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Mode {
    /// `merge`, which is the default, or `replace`: what was saved and is not named is taken back.
    mode: Option<String>,
}

/// Change the configuration
///
/// Text in the notation of `ternmq.toml`, or the tree of `GET /configs`. All of it or nothing.
#[utoipa::path(
    put,
    path = "/configs",
    tag = "Configuration",
    params(Mode),
    request_body(content(
        (String = "text/plain", example = "mqtt.max_inflight = 100"),
        (Map<String, Value> = "application/json"),
    )),
    responses(
        (status = 200, description = "Kept, and in effect unless it waits for a restart.", body = Outcome),
        (status = 400, description = "A key or value is not allowed.", body = ErrorBody),
        (status = 409, description = "The environment or a flag has it otherwise.", body = ErrorBody),
    )
)]
async fn change_all(
    State(app): State<App>,
    Query(mode): Query<Mode>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Outcome>, Refusal> {
    let replace = match mode.mode.as_deref() {
        None | Some("merge") => false,
        Some("replace") => true,
        Some(_) => return Err(Refusal::bad_request("mode is merge or replace")),
    };
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let mut given: Vec<(String, Raw)> = Vec::new();
    if kind.is_some_and(|kind| kind.starts_with("application/json")) {
        let tree: Map<String, Value> = serde_json::from_slice(&body)
            .map_err(|error| Refusal::bad_request(error.to_string()))?;
        let mut found = Vec::new();
        leaves(&tree, "", &mut found);
        for (name, value) in found {
            given.push((name, raw(&value)?));
        }
    } else {
        let text = std::str::from_utf8(&body)
            .map_err(|_| Refusal::bad_request("the text is not UTF-8"))?;
        given = parse(text)?;
    }
    let settings = app.admin.settings();
    let now = values(&settings);
    let mut wanted: Vec<(String, Option<Raw>)> = Vec::new();
    if replace {
        let saved = settings.iter().filter(|s| s.saved.is_some());
        let left_out = saved.filter(|s| given.iter().all(|(name, _)| *name != s.name));
        wanted.extend(left_out.map(|s| (s.name.clone(), None)));
    }
    // What is so already need not be free to be changed.
    given.retain(|(name, value)| now.get(name) != Some(&value_of(&value.to_string())));
    wanted.extend(given.into_iter().map(|(name, value)| (name, Some(value))));
    let applied = app
        .admin
        .change_settings(wanted)
        .await
        .map_err(not_updated)?;
    Ok(Json(Outcome {
        pending: applied.waiting,
    }))
}

/// A value that is refused has EMQX's code; an unknown key in a body is no missing resource.
pub(super) fn not_updated(error: SettingError) -> Refusal {
    match error {
        SettingError::Unknown(_) => update_failed(error.to_string()),
        error => match Refusal::from(error) {
            refusal if refusal.status == StatusCode::BAD_REQUEST => update_failed(refusal.message),
            refusal => refusal,
        },
    }
}

fn update_failed(words: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "UPDATE_FAILED", words)
}

/// What a change led to.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfigsOutcome)]
struct Outcome {
    /// Keys that wait for a restart.
    pending: Vec<String>,
}

/// One root
#[utoipa::path(
    get,
    path = "/configs/{root}",
    tag = "Configuration",
    params(("root" = String, Path, description = "`global_zone`, `log`, `dashboard`, `alarm`, `sysmon`, \
        `sys_topics`, `broker`, or a section of `ternmq.toml`.")),
    responses(
        (status = 200, description = "What stands in it.", body = Map<String, Value>),
        (status = 404, description = "No such root.", body = ErrorBody),
    )
)]
async fn one(
    State(app): State<App>,
    Path(root): Path<String>,
) -> Result<Json<Map<String, Value>>, Refusal> {
    tree(&app, &root).map(Json).ok_or_else(|| no_root(&root))
}

/// Change one root
///
/// What is left out stays. All of it or nothing.
#[utoipa::path(
    put,
    path = "/configs/{root}",
    tag = "Configuration",
    params(("root" = String, Path, description = "See `GET`.")),
    request_body = Map<String, Value>,
    responses(
        (status = 200, description = "What stands in it now.", body = Map<String, Value>),
        (status = 400, description = "A key or value is not allowed.", body = ErrorBody),
        (status = 404, description = "No such root.", body = ErrorBody),
        (status = 409, description = "The environment or a flag has it otherwise.", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    Path(root): Path<String>,
    Json(body): Json<Map<String, Value>>,
) -> Result<Json<Map<String, Value>>, Refusal> {
    tree(&app, &root).ok_or_else(|| no_root(&root))?;
    let wanted = wanted(&app, &root, &body)?;
    app.admin
        .change_settings(wanted)
        .await
        .map_err(not_updated)?;
    tree(&app, &root).map(Json).ok_or_else(|| no_root(&root))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Reset {
    /// A key below the root; all of it otherwise.
    conf_path: Option<String>,
}

/// Take back what was changed
///
/// The file counts again, or the default.
#[utoipa::path(
    post,
    path = "/configs_reset/{root}",
    tag = "Configuration",
    params(("root" = String, Path, description = "See `GET /configs/{root}`."), Reset),
    responses(
        (status = 200, description = "Nothing is saved for it any more."),
        (status = 400, description = "What counts then cannot be used.", body = ErrorBody),
        (status = 404, description = "No such root.", body = ErrorBody),
    )
)]
async fn reset(
    State(app): State<App>,
    Path(root): Path<String>,
    Query(reset): Query<Reset>,
) -> Result<StatusCode, Refusal> {
    tree(&app, &root).ok_or_else(|| no_root(&root))?;
    let path = reset.conf_path.unwrap_or_default();
    let is_meant = |name: &str| {
        let rest = name.strip_prefix(path.as_str());
        rest.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('.'))
    };
    let settings = app.admin.settings();
    let saved = settings
        .iter()
        .filter(|s| s.saved.is_some())
        .map(|s| s.name.as_str());
    let keys: Vec<&str> = match emqx(&root) {
        Some(keys) => {
            let meant = keys.iter().filter(|(name, _)| is_meant(name));
            let ours: Vec<&str> = meant.filter_map(|(_, form)| form.key()).collect();
            saved.filter(|name| ours.contains(name)).collect()
        }
        None => {
            let below = format!("{root}.");
            let rest = |name: &&str| name.strip_prefix(&below).is_some_and(is_meant);
            saved.filter(rest).collect()
        }
    };
    let wanted = keys.into_iter().map(|key| (key.to_owned(), None)).collect();
    app.admin.change_settings(wanted).await?;
    Ok(StatusCode::OK)
}

/// The form of the configuration
///
/// For tools that make forms of it: `hotconf` has a row for each section.
#[utoipa::path(
    get,
    path = "/schemas/{name}",
    tag = "Configuration",
    params(("name" = String, Path, description = "`hotconf`.")),
    responses(
        (status = 200, description = "Sections with their fields.", body = Value),
        (status = 404, description = "No such schema.", body = ErrorBody),
    )
)]
async fn schema(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Value>, Refusal> {
    if name != "hotconf" {
        let words = format!("there is no schema {name}; hotconf is the one that there is");
        return Err(Refusal::not_found("NOT_FOUND", words));
    }
    let mut sections: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for setting in app.admin.settings() {
        let (section, key) = setting.name.rsplit_once('.').unwrap_or(("", &setting.name));
        let field = json!({
            "description": setting.doc[0],
            "allowed": setting.allowed[0],
            "default": value_of(&setting.default),
        });
        let section = sections.entry(section.to_owned()).or_default();
        section.insert(key.to_owned(), field);
    }
    let each = sections.into_iter();
    let schemas: Map<String, Value> = each
        .map(|(name, keys)| (name, json!({"type": "object", "properties": keys})))
        .collect();
    let title = "Settings that can be changed at run time";
    Ok(Json(json!({
        "info": {"title": title, "version": env!("CARGO_PKG_VERSION")},
        "paths": {},
        "components": {"schemas": schemas},
    })))
}
