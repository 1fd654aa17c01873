//! Listeners for MQTT: looked at, added, changed, stopped and started while everything runs.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use broker::admin::{
    NODE,
    listeners::{self, Listener, ListenerError, Tls, Transport, Wanted},
    settings::Raw,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::settings::raw;
use crate::{
    App,
    error::{ErrorBody, Refusal},
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(one, add_named, change, delete))
        .routes(routes!(start))
        .routes(routes!(stop))
        .routes(routes!(restart))
        .routes(routes!(statuses))
}

/// EMQX's number of processes that accept; here one thread does it.
const ACCEPTORS: u32 = 16;

/// A count, or the word `infinity`.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Bound {
    Count(u32),
    Infinity(Infinity),
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Infinity {
    Infinity,
}

impl From<Option<u32>> for Bound {
    fn from(bound: Option<u32>) -> Self {
        bound.map_or(Self::Infinity(Infinity::Infinity), Self::Count)
    }
}

#[derive(Clone, Serialize, ToSchema)]
struct ListenerStatus {
    running: bool,
    max_connections: Bound,
    current_connections: u32,
}

#[derive(Serialize, ToSchema)]
struct NodeStatus {
    node: &'static str,
    status: ListenerStatus,
}

/// A listener in the list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListenersRow)]
struct Row {
    #[schema(example = "tcp:default")]
    id: String,
    r#type: &'static str,
    name: String,
    enable: bool,
    /// The first address; `addresses` has all.
    #[schema(example = "0.0.0.0:1883")]
    bind: String,
    /// Where it really listens.
    addresses: Vec<String>,
    acceptors: u32,
    /// Of nodes.
    number: u32,
    status: ListenerStatus,
    node_status: Vec<NodeStatus>,
}

/// A listener with its settings.
#[derive(Serialize, ToSchema)]
struct Full {
    #[schema(example = "tcp:default")]
    id: String,
    r#type: &'static str,
    name: String,
    enable: bool,
    running: bool,
    /// The first address; `addresses` has all.
    bind: String,
    /// Where it really listens.
    addresses: Vec<String>,
    acceptors: u32,
    max_connections: Bound,
    current_connections: u32,
    #[serde(flatten)]
    rates: Rates,
    /// Whether any authenticator is asked.
    enable_authn: bool,
    /// Those that are, if these are not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticators: Option<Vec<String>>,
    /// Prefix of all topics; empty for none.
    mountpoint: String,
    zone: &'static str,
    /// Whether a proxy in front tells with a PROXY header where connections come from.
    proxy_protocol: bool,
    /// Whether it tells with `X-Forwarded-For`; WebSocket only.
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded_for: Option<bool>,
    /// With either: where proxies are, besides this machine and private addresses.
    #[schema(example = json!(["203.0.113.0/24"]))]
    proxy_networks: Vec<String>,
    /// Whom it takes by address; the first that is about it decides.
    #[schema(example = json!(["allow 192.168.0.0/16", "deny all"]))]
    access_rules: Vec<String>,
    /// Web pages of other hosts that may connect; WebSocket only.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_origins: Option<Vec<String>>,
    /// TLS listeners only.
    #[serde(skip_serializing_if = "Option::is_none")]
    ssl_options: Option<SslOptions>,
    /// The certificate in use; TLS listeners only, while they run.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Certificate>,
}

/// How fast what comes may come: such as `1000/s` or `1MB/s`, or `infinity`. What is faster waits in the
/// sockets; nothing is dropped.
#[derive(Serialize, ToSchema)]
#[schema(as = ListenersRates)]
struct Rates {
    #[schema(example = "infinity")]
    max_conn_rate: String,
    /// PUBLISH packets of each client.
    #[schema(example = "1000/s")]
    messages_rate: String,
    #[schema(example = "1MB/s")]
    bytes_rate: String,
    /// Of all clients of the listener together.
    #[schema(example = "infinity")]
    total_messages_rate: String,
    #[schema(example = "infinity")]
    total_bytes_rate: String,
}

impl From<listeners::Rates> for Rates {
    fn from(rates: listeners::Rates) -> Self {
        let told = |rate: Option<String>| rate.unwrap_or_else(|| "infinity".to_owned());
        Self {
            max_conn_rate: told(rates.connections),
            messages_rate: told(rates.messages),
            bytes_rate: told(rates.bytes),
            total_messages_rate: told(rates.total_messages),
            total_bytes_rate: told(rates.total_bytes),
        }
    }
}

/// How a listener speaks TLS.
#[derive(Serialize, ToSchema)]
#[schema(as = ListenersSslOptions)]
struct SslOptions {
    /// Null: the certificate that the broker made for itself.
    certfile: Option<String>,
    keyfile: Option<String>,
    /// Directory of further certificates, chosen by the host name that a client asks for.
    certdir: Option<String>,
    cacertfile: Option<String>,
    #[schema(example = "verify_none")]
    verify: &'static str,
    fail_if_no_peer_cert: bool,
    /// Revocation lists.
    crlfile: Option<String>,
    #[schema(example = json!(["tlsv1.3", "tlsv1.2"]))]
    versions: Vec<&'static str>,
    #[schema(example = "10s")]
    handshake_timeout: String,
}

/// What a certificate says of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = ListenersCertificate)]
struct Certificate {
    #[schema(example = "CN=mqtt.example.com")]
    subject: String,
    /// Host names and addresses that it is for.
    names: Vec<String>,
    valid_from: String,
    valid_until: String,
    /// The broker made it for itself; `GET /certificate` has what clients need to trust it.
    own: bool,
    /// The files were changed, and this is why they are not used.
    trouble: Option<String>,
}

impl From<&Tls> for SslOptions {
    fn from(tls: &Tls) -> Self {
        let options = &tls.options;
        let path = |path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|p| p.to_string_lossy().into_owned())
        };
        let timeout = options.handshake_timeout.as_millis();
        Self {
            certfile: path(&options.certfile),
            keyfile: path(&options.keyfile),
            certdir: path(&options.certdir),
            cacertfile: path(&options.cacertfile),
            verify: options.verify.name(),
            fail_if_no_peer_cert: options.fail_if_no_peer_cert,
            crlfile: path(&options.crlfile),
            versions: options.versions.iter().map(|v| v.name()).collect(),
            handshake_timeout: match timeout % 1000 {
                0 => format!("{}s", timeout / 1000),
                _ => format!("{timeout}ms"),
            },
        }
    }
}

fn certificate(tls: &Tls) -> Option<Certificate> {
    let facts = tls.certificate.as_ref()?;
    let time = |secs: i64| rfc3339(u64::try_from(secs).unwrap_or(0).saturating_mul(1000));
    Some(Certificate {
        subject: facts.subject.clone(),
        names: facts.names.clone(),
        valid_from: time(facts.valid_from),
        valid_until: time(facts.valid_until),
        own: tls.is_own,
        trouble: tls.trouble.clone(),
    })
}

fn kind(transport: Transport) -> &'static str {
    transport.name()
}

/// The address that is asked for, with the port that the system chose if that was asked for.
fn bind(listener: &Listener) -> String {
    let asked = listener.bind.first();
    let real = listener.addresses.first();
    let first = asked.filter(|asked| asked.port() != 0).or(real).or(asked);
    first.map_or_else(String::new, ToString::to_string)
}

fn addresses(listener: &Listener) -> Vec<String> {
    listener.addresses.iter().map(ToString::to_string).collect()
}

fn status_of(listener: &Listener) -> ListenerStatus {
    ListenerStatus {
        running: listener.is_running(),
        max_connections: listener.connections_max.into(),
        current_connections: listener.connections,
    }
}

impl From<Listener> for Row {
    fn from(listener: Listener) -> Self {
        let status = status_of(&listener);
        Self {
            bind: bind(&listener),
            addresses: addresses(&listener),
            id: listener.id,
            r#type: kind(listener.transport),
            name: listener.name,
            enable: listener.enabled,
            acceptors: ACCEPTORS,
            number: 1,
            status: status.clone(),
            node_status: vec![NodeStatus { node: NODE, status }],
        }
    }
}

impl From<Listener> for Full {
    fn from(listener: Listener) -> Self {
        let is_web = listener.transport.is_web();
        let tls = listener.tls.as_ref();
        Self {
            ssl_options: tls.map(SslOptions::from),
            certificate: tls.and_then(certificate),
            bind: bind(&listener),
            addresses: addresses(&listener),
            running: listener.is_running(),
            id: listener.id,
            r#type: kind(listener.transport),
            name: listener.name,
            enable: listener.enabled,
            acceptors: ACCEPTORS,
            max_connections: listener.connections_max.into(),
            current_connections: listener.connections,
            rates: listener.rates.into(),
            enable_authn: listener
                .authenticators
                .as_ref()
                .is_none_or(|ids| !ids.is_empty()),
            authenticators: listener.authenticators,
            mountpoint: listener.mountpoint.unwrap_or_default(),
            zone: "default",
            proxy_protocol: listener.proxy_protocol,
            forwarded_for: is_web.then_some(listener.forwarded_for),
            proxy_networks: listener.proxy_networks,
            access_rules: listener.access_rules,
            allowed_origins: is_web.then_some(listener.allowed_origins),
        }
    }
}

/// What may be said of a listener; fields of EMQX that mean nothing here are passed over.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = ListenersBody)]
struct Body {
    /// `tcp`, `ssl`, `ws` or `wss`.
    r#type: Option<String>,
    #[schema(max_length = 64, pattern = "^[A-Za-z0-9_-]+$")]
    name: Option<String>,
    /// As in `type:name`; instead of these.
    id: Option<String>,
    /// A port, an address such as `0.0.0.0:1883`, or a list of these.
    #[schema(value_type = Option<String>, example = "0.0.0.0:1884")]
    bind: Option<Value>,
    enable: Option<bool>,
    enabled: Option<bool>,
    /// A number or `infinity`.
    #[schema(value_type = Option<Bound>)]
    max_connections: Option<Value>,
    /// Prefix of all topics; empty for none.
    mountpoint: Option<String>,
    /// Such as `allow 192.168.0.0/16` and `deny all`.
    #[schema(value_type = Option<Vec<String>>)]
    access_rules: Option<Value>,
    /// Whether a proxy in front tells with a PROXY header where connections come from.
    proxy_protocol: Option<bool>,
    /// Whether it tells with `X-Forwarded-For`; WebSocket only.
    forwarded_for: Option<bool>,
    /// With either: where proxies are, besides this machine and private addresses, such as `203.0.113.0/24`.
    #[schema(value_type = Option<Vec<String>>)]
    proxy_networks: Option<Value>,
    /// False for none.
    #[schema(value_type = Option<bool>)]
    enable_authn: Option<Value>,
    /// Authenticators that are asked about its clients, by their ids; null for all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    authenticators: Option<Value>,
    /// Such as `100/s`, or `infinity`.
    #[schema(value_type = Option<String>)]
    max_conn_rate: Option<Value>,
    /// PUBLISH packets of each client.
    #[schema(value_type = Option<String>)]
    messages_rate: Option<Value>,
    /// Such as `1MB/s`, or `infinity`.
    #[schema(value_type = Option<String>)]
    bytes_rate: Option<Value>,
    /// Of all clients of the listener together.
    #[schema(value_type = Option<String>)]
    total_messages_rate: Option<Value>,
    #[schema(value_type = Option<String>)]
    total_bytes_rate: Option<Value>,
    /// Web pages of other hosts that may connect; WebSocket only.
    #[schema(value_type = Option<Vec<String>>)]
    allowed_origins: Option<Value>,
    /// Of a TLS listener, as `GET /listeners/{id}` shows them; files are named by their paths on the
    /// broker's machine, and null takes one out.
    #[schema(value_type = Option<Object>)]
    ssl_options: Option<Map<String, Value>>,
}

/// What is there, even if it is null.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// What may be said in `ssl_options`.
const SSL_OPTIONS: [&str; 9] = [
    "certfile",
    "keyfile",
    "certdir",
    "cacertfile",
    "verify",
    "fail_if_no_peer_cert",
    "crlfile",
    "versions",
    "handshake_timeout",
];

impl Body {
    /// `asks_nobody` is what the listener does now.
    fn wanted(self, asks_nobody: bool) -> Result<Wanted, Refusal> {
        let bound = |value: Value| match value.as_str() {
            Some("infinity") => Ok(Raw::Text("none".to_owned())),
            _ => raw(&value),
        };
        let rates = [
            ("max_conn_rate", self.max_conn_rate),
            ("messages_rate", self.messages_rate),
            ("bytes_rate", self.bytes_rate),
            ("total_messages_rate", self.total_messages_rate),
            ("total_bytes_rate", self.total_bytes_rate),
        ];
        let rates = rates
            .into_iter()
            .filter_map(|(key, rate)| Some((key, rate?)));
        let rates: Result<_, Refusal> = rates.map(|(key, rate)| Ok((key, bound(rate)?))).collect();
        let mountpoint = self.mountpoint.map(|text| match text.as_str() {
            "" => Raw::Text("none".to_owned()),
            _ => Raw::Text(text),
        });
        let all = || Raw::Text("none".to_owned());
        let authenticators = match (self.authenticators, self.enable_authn) {
            (_, Some(Value::Bool(false))) => Some(Raw::List(Vec::new())),
            (Some(Value::Null), _) => Some(all()),
            // Shown as it is and sent back with this.
            (Some(Value::Array(ids)), Some(Value::Bool(true))) if ids.is_empty() => Some(all()),
            (None, Some(Value::Bool(true))) if asks_nobody => Some(all()),
            (Some(ids), _) => Some(raw(&ids)?),
            (None, _) => None,
        };
        Ok(Wanted {
            authenticators,
            mountpoint,
            access_rules: self.access_rules.as_ref().map(raw).transpose()?,
            proxy_protocol: self.proxy_protocol,
            forwarded_for: self.forwarded_for,
            proxy_networks: self.proxy_networks.as_ref().map(raw).transpose()?,
            rates: rates?,
            bind: self.bind.as_ref().map(raw).transpose()?,
            enabled: self.enable.or(self.enabled),
            connections_max: self.max_connections.map(bound).transpose()?,
            allowed_origins: self.allowed_origins.as_ref().map(raw).transpose()?,
            ssl_options: self
                .ssl_options
                .map(options)
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

fn options(all: Map<String, Value>) -> Result<BTreeMap<String, Raw>, Refusal> {
    let ours = all
        .into_iter()
        .filter(|(name, _)| SSL_OPTIONS.contains(&&**name));
    let value = |value: &Value| match value {
        Value::Null => Ok(Raw::Text("none".to_owned())),
        value => raw(value),
    };
    ours.map(|(name, given)| Ok((name, value(&given)?)))
        .collect()
}

impl From<ListenerError> for Refusal {
    fn from(error: ListenerError) -> Self {
        let words = error.to_string();
        match error {
            ListenerError::BadId(_) => Self::new(StatusCode::BAD_REQUEST, "BAD_LISTENER_ID", words),
            ListenerError::Unknown(_) => Self::not_found("BAD_LISTENER_ID", words),
            ListenerError::Taken(_) => Self::new(StatusCode::BAD_REQUEST, "ALREADY_EXISTS", words),
            ListenerError::Fixed(_) => Self::new(StatusCode::CONFLICT, "CONFLICT", words),
            ListenerError::Setting(error) => error.into(),
            _ => Self::bad_request(words),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// `tcp`, `ssl`, `ws` or `wss`.
    r#type: Option<String>,
}

/// All listeners
#[utoipa::path(
    get,
    path = "/listeners",
    tag = "Listeners",
    params(Filter),
    responses(
        (status = 200, description = "Running or not.", body = Vec<Row>),
        (status = 400, description = "No such type.", body = ErrorBody),
    )
)]
async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<Row>>, Refusal> {
    let types = ["tcp", "ws", "ssl", "wss", "quic"];
    if filter
        .r#type
        .as_ref()
        .is_some_and(|t| !types.contains(&t.as_str()))
    {
        return Err(Refusal::invalid_parameter(
            "type is tcp, ssl, ws, wss or quic",
        ));
    }
    let mut all = app.admin.listeners();
    all.retain(|l| {
        filter
            .r#type
            .as_ref()
            .is_none_or(|t| kind(l.transport) == t)
    });
    Ok(Json(all.into_iter().map(Row::from).collect()))
}

/// Add a listener
///
/// It listens at once, and after a restart too.
#[utoipa::path(
    post,
    path = "/listeners",
    tag = "Listeners",
    request_body = Body,
    responses(
        (status = 200, description = "The listener.", body = Full),
        (status = 400, description = "A name that is taken or none, an address that cannot be \
            listened on, or another value that is not allowed.", body = ErrorBody),
        (status = 409, description = "The environment or a flag has it otherwise.", body = ErrorBody),
    )
)]
async fn add(State(app): State<App>, Json(body): Json<Body>) -> Result<Json<Full>, Refusal> {
    let id = match (&body.id, &body.r#type, &body.name) {
        (Some(id), ..) => id.clone(),
        (None, Some(kind), Some(name)) => format!("{kind}:{name}"),
        _ => return Err(Refusal::bad_request("say type and name, or id")),
    };
    Ok(Json(
        app.admin
            .add_listener(&id, body.wanted(false)?)
            .await?
            .into(),
    ))
}

/// Add a listener under this id
#[utoipa::path(
    post,
    path = "/listeners/{id}",
    tag = "Listeners",
    params(("id" = String, Path, description = "Such as `tcp:extra`.")),
    request_body = Body,
    responses(
        (status = 200, description = "The listener.", body = Full),
        (status = 400, description = "See `POST /listeners`.", body = ErrorBody),
        (status = 409, description = "See `POST /listeners`.", body = ErrorBody),
    )
)]
async fn add_named(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(body): Json<Body>,
) -> Result<Json<Full>, Refusal> {
    Ok(Json(
        app.admin
            .add_listener(&id, body.wanted(false)?)
            .await?
            .into(),
    ))
}

/// One listener
#[utoipa::path(
    get,
    path = "/listeners/{id}",
    tag = "Listeners",
    params(("id" = String, Path, description = "Such as `tcp:default`.")),
    responses(
        (status = 200, description = "The listener.", body = Full),
        (status = 400, description = "No listener's id.", body = ErrorBody),
        (status = 404, description = "There is none.", body = ErrorBody),
    )
)]
async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Full>, Refusal> {
    Ok(Json(app.admin.listener(&id)?.into()))
}

/// Change a listener
///
/// What is left out stays. Connections stay, too, unless it is disabled.
#[utoipa::path(
    put,
    path = "/listeners/{id}",
    tag = "Listeners",
    params(("id" = String, Path, description = "Such as `tcp:default`.")),
    request_body = Body,
    responses(
        (status = 200, description = "The listener.", body = Full),
        (status = 400, description = "See `POST /listeners`.", body = ErrorBody),
        (status = 404, description = "There is none.", body = ErrorBody),
        (status = 409, description = "See `POST /listeners`.", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(body): Json<Body>,
) -> Result<Json<Full>, Refusal> {
    let asked = app.admin.listener(&id)?.authenticators;
    let wanted = body.wanted(asked.is_some_and(|ids| ids.is_empty()))?;
    Ok(Json(app.admin.change_listener(&id, wanted).await?.into()))
}

/// Delete a listener
///
/// Its connections end.
#[utoipa::path(
    delete,
    path = "/listeners/{id}",
    tag = "Listeners",
    params(("id" = String, Path, description = "Such as `tcp:extra`.")),
    responses(
        (status = 204, description = "It is gone, and its port free."),
        (status = 400, description = "No listener's id.", body = ErrorBody),
        (status = 404, description = "There is none.", body = ErrorBody),
        (status = 409, description = "The environment or a flag names it.", body = ErrorBody),
    )
)]
async fn delete(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    app.admin.delete_listener(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn enable(app: &App, id: &str, enabled: bool) -> Result<StatusCode, Refusal> {
    let wanted = Wanted {
        enabled: Some(enabled),
        ..Wanted::default()
    };
    app.admin.change_listener(id, wanted).await?;
    Ok(StatusCode::OK)
}

/// Start a listener
#[utoipa::path(
    post,
    path = "/listeners/{id}/start",
    tag = "Listeners",
    params(("id" = String, Path, description = "Such as `tcp:default`.")),
    responses(
        (status = 200, description = "It runs, and will after a restart."),
        (status = 400, description = "It cannot listen.", body = ErrorBody),
        (status = 404, description = "There is none.", body = ErrorBody),
        (status = 409, description = "The environment or a flag has it otherwise.", body = ErrorBody),
    )
)]
async fn start(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    enable(&app, &id, true).await
}

/// Stop a listener
///
/// Its connections end, MQTT 5 clients are told 0x98.
#[utoipa::path(
    post,
    path = "/listeners/{id}/stop",
    tag = "Listeners",
    params(("id" = String, Path, description = "Such as `tcp:default`.")),
    responses(
        (status = 200, description = "It is stopped, and will be after a restart."),
        (status = 400, description = "No listener's id.", body = ErrorBody),
        (status = 404, description = "There is none.", body = ErrorBody),
        (status = 409, description = "The environment or a flag has it otherwise.", body = ErrorBody),
    )
)]
async fn stop(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    enable(&app, &id, false).await
}

/// Restart a listener
///
/// Its connections end, MQTT 5 clients are told 0x98.
#[utoipa::path(
    post,
    path = "/listeners/{id}/restart",
    tag = "Listeners",
    params(("id" = String, Path, description = "Such as `tcp:default`.")),
    responses(
        (status = 200, description = "It listens again."),
        (status = 400, description = "It cannot listen.", body = ErrorBody),
        (status = 404, description = "There is none.", body = ErrorBody),
    )
)]
async fn restart(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    app.admin.restart_listener(&id).await?;
    Ok(StatusCode::OK)
}

/// Listeners of one type, together.
#[derive(Serialize, ToSchema)]
struct OfType {
    r#type: &'static str,
    enable: bool,
    ids: Vec<String>,
    status: ListenerStatus,
    node_status: Vec<NodeStatus>,
}

/// Listeners by type
#[utoipa::path(
    get,
    path = "/listeners_status",
    tag = "Listeners",
    responses((status = 200, description = "A row for each type.", body = Vec<OfType>))
)]
async fn statuses(State(app): State<App>) -> Json<Vec<OfType>> {
    let all = app.admin.listeners();
    let types = Transport::ALL;
    let row = |transport| {
        let these: Vec<&Listener> = all.iter().filter(|l| l.transport == transport).collect();
        let first = these.first()?;
        // The sum; one without a bound makes it boundless.
        let bounds: Option<Vec<u32>> = these.iter().map(|l| l.connections_max).collect();
        let bound = bounds.map(|b| b.into_iter().fold(0, u32::saturating_add));
        let status = ListenerStatus {
            running: these.iter().any(|l| l.is_running()),
            max_connections: bound.into(),
            current_connections: these.iter().map(|l| l.connections).sum(),
        };
        Some(OfType {
            r#type: kind(first.transport),
            enable: these.iter().any(|l| l.enabled),
            ids: these.iter().map(|l| l.id.clone()).collect(),
            status: status.clone(),
            node_status: vec![NodeStatus { node: NODE, status }],
        })
    };
    Json(types.into_iter().filter_map(row).collect())
}
