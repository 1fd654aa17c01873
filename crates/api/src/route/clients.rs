//! Clients: who is there or has a session, and ending them.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use broker::admin::{Client, ClientFilter, Connected, NODE, Span, authorize::Remembered};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::listeners::Bound;
use crate::{
    App,
    door::Caller,
    error::{ErrorBody, Refusal},
    page::{self, Page},
    query::Query,
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one, kick))
        .routes(routes!(kick_many))
        .routes(routes!(keep_alive))
        .routes(routes!(cache, clear_cache))
        .routes(routes!(sessions_count))
}

/// A client. What Erlang's processes would have is 0.
#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
pub(super) struct Row {
    clientid: String,
    username: Option<String>,
    /// It has not proven who it is, whatever user name it gave.
    anonymous: bool,
    node: &'static str,
    /// Empty while the client is away.
    ip_address: String,
    port: u16,
    connected: bool,
    connected_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnected_at: Option<String>,
    created_at: String,
    #[schema(example = "MQTT")]
    proto_name: &'static str,
    proto_ver: u8,
    keepalive: u16,
    clean_start: bool,
    /// Seconds.
    expiry_interval: u32,
    is_bridge: bool,
    is_persistent: bool,
    is_expired: bool,
    durable: bool,
    /// Empty while the client is away.
    #[schema(example = "tcp:default")]
    listener: String,
    /// Prefix of its topics, by its listener; empty for none, and while the client is away.
    mountpoint: String,
    /// Whether its listener asks any authenticator.
    enable_authn: bool,
    client_attrs: Map<String, Value>,
    subscriptions_cnt: u64,
    subscriptions_max: Bound,
    inflight_cnt: u64,
    inflight_max: Bound,
    /// What waits in memory; where one client is asked for, also what waits in the log, as far as
    /// `mqueue_max`.
    mqueue_len: u64,
    mqueue_max: Bound,
    mqueue_dropped: u64,
    awaiting_rel_cnt: u64,
    awaiting_rel_max: Bound,
    recv_cnt: u64,
    recv_oct: u64,
    recv_pkt: u64,
    recv_msg: u64,
    #[serde(rename = "recv_msg.qos0")]
    recv_msg_qos0: u64,
    #[serde(rename = "recv_msg.qos1")]
    recv_msg_qos1: u64,
    #[serde(rename = "recv_msg.qos2")]
    recv_msg_qos2: u64,
    #[serde(rename = "recv_msg.dropped")]
    recv_msg_dropped: u64,
    #[serde(rename = "recv_msg.dropped.await_pubrel_timeout")]
    recv_msg_dropped_await_pubrel_timeout: u64,
    send_cnt: u64,
    send_oct: u64,
    send_pkt: u64,
    send_msg: u64,
    #[serde(rename = "send_msg.qos0")]
    send_msg_qos0: u64,
    #[serde(rename = "send_msg.qos1")]
    send_msg_qos1: u64,
    #[serde(rename = "send_msg.qos2")]
    send_msg_qos2: u64,
    #[serde(rename = "send_msg.dropped")]
    send_msg_dropped: u64,
    #[serde(rename = "send_msg.dropped.expired")]
    send_msg_dropped_expired: u64,
    #[serde(rename = "send_msg.dropped.queue_full")]
    send_msg_dropped_queue_full: u64,
    #[serde(rename = "send_msg.dropped.too_large")]
    send_msg_dropped_too_large: u64,
    heap_size: u64,
    mailbox_len: u64,
    reductions: u64,
}

impl From<Client> for Row {
    fn from(c: Client) -> Self {
        let t = c.traffic;
        let bound = |n: u64| Bound::from(u32::try_from(n).ok());
        Self {
            connected: c.disconnected_at.is_none(),
            clientid: c.client_id,
            username: c.user_name,
            anonymous: c.is_anonymous,
            node: NODE,
            ip_address: c.address.map_or_else(String::new, |at| at.ip().to_string()),
            port: c.address.map_or(0, |at| at.port()),
            connected_at: rfc3339(c.connected_at),
            disconnected_at: c.disconnected_at.map(rfc3339),
            created_at: rfc3339(c.created_at),
            proto_name: c.protocol,
            proto_ver: c.version,
            keepalive: c.keep_alive_secs,
            clean_start: c.is_clean_start,
            expiry_interval: c.expiry_secs,
            is_bridge: false,
            is_persistent: c.is_lasting,
            // A session that is over is gone.
            is_expired: false,
            durable: c.is_lasting,
            listener: c.listener.unwrap_or_default(),
            mountpoint: c.mountpoint,
            enable_authn: c.is_asked,
            client_attrs: Map::new(),
            subscriptions_cnt: c.subscriptions,
            subscriptions_max: bound(c.subscriptions_max),
            inflight_cnt: c.in_flight,
            inflight_max: bound(c.in_flight_max),
            mqueue_len: c.queued,
            mqueue_max: bound(c.queued_max),
            mqueue_dropped: t.dropped_queue_full + t.dropped_expired,
            awaiting_rel_cnt: c.awaiting_release,
            awaiting_rel_max: bound(c.awaiting_release_max),
            recv_cnt: t.received_packets,
            recv_oct: t.received_bytes,
            recv_pkt: t.received_packets,
            recv_msg: t.received.iter().sum(),
            recv_msg_qos0: t.received[0],
            recv_msg_qos1: t.received[1],
            recv_msg_qos2: t.received[2],
            recv_msg_dropped: t.received_dropped,
            recv_msg_dropped_await_pubrel_timeout: t.received_dropped,
            send_cnt: t.sent_packets,
            send_oct: t.sent_bytes,
            send_pkt: t.sent_packets,
            send_msg: t.sent.iter().sum(),
            send_msg_qos0: t.sent[0],
            send_msg_qos1: t.sent[1],
            send_msg_qos2: t.sent[2],
            send_msg_dropped: t.dropped,
            send_msg_dropped_expired: t.dropped_expired,
            send_msg_dropped_queue_full: t.dropped_queue_full,
            send_msg_dropped_too_large: t.dropped_too_large,
            heap_size: 0,
            mailbox_len: 0,
            reductions: 0,
        }
    }
}

/// Which clients are listed: all conditions hold. `clientid` and `username` may come again.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only")]
struct Asked {
    #[param(minimum = 1)]
    page: Option<u64>,
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u64>,
    node: Option<String>,
    clientid: Option<Vec<String>>,
    username: Option<Vec<String>>,
    ip_address: Option<String>,
    #[param(inline)]
    conn_state: Option<ConnState>,
    clean_start: Option<bool>,
    /// Those who have not proven who they are, or the others.
    anonymous: Option<bool>,
    proto_ver: Option<u8>,
    /// A part of the client id.
    like_clientid: Option<String>,
    /// A part of the user name.
    like_username: Option<String>,
    /// RFC 3339, or milliseconds since 1970; as for all times here.
    gte_created_at: Option<String>,
    lte_created_at: Option<String>,
    gte_connected_at: Option<String>,
    lte_connected_at: Option<String>,
    /// Names of fields between commas; the others are left out.
    fields: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the document only")]
enum ConnState {
    Connected,
    Idle,
    Disconnected,
}

fn filter(query: &Query) -> Result<ClientFilter, Refusal> {
    let states = [
        ("connected", Connected::Yes),
        ("disconnected", Connected::No),
        ("idle", Connected::Idle),
    ];
    let span = |from: &str, to: &str| {
        Ok::<_, Refusal>(Span {
            from: query.millis(from)?,
            to: query.millis(to)?,
        })
    };
    Ok(ClientFilter {
        client_ids: query.all("clientid"),
        user_names: query.all("username"),
        like_client_id: query.owned("like_clientid"),
        like_user_name: query.owned("like_username"),
        ip: query.parsed("ip_address", "ip")?,
        state: query.choice("conn_state", &states)?,
        is_clean_start: query.flag("clean_start")?,
        is_anonymous: query.flag("anonymous")?,
        version: query.parsed("proto_ver", "integer")?,
        created: span("gte_created_at", "lte_created_at")?,
        connected: span("gte_connected_at", "lte_connected_at")?,
    })
}

/// List clients
#[utoipa::path(
    get,
    path = "/clients",
    tag = "Clients",
    params(Asked),
    responses(
        (status = 200, description = "A page of clients; counted unless a part of a name is asked for.", body = Page<Row>),
        (status = 400, description = "A parameter is of the wrong kind.", body = ErrorBody),
    )
)]
async fn list(State(app): State<App>, query: Query) -> Result<Response, Refusal> {
    query.check_node()?;
    let window = query.window()?;
    let filter = filter(&query)?;
    let fields = query.text("fields").filter(|fields| *fields != "all");
    let fields = fields.map(|fields| fields.split(',').map(str::to_owned).collect::<Vec<_>>());
    let row = move |client| chosen(Row::from(client), fields.as_deref());
    let admin = app.admin.clone();
    page::streamed(window, row, async move |to| {
        admin
            .clients(filter, window.offset(), window.limit, &to)
            .await
    })
    .await
}

/// A client, or what is asked for of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Whole(Box<Row>),
    Part(Map<String, Value>),
}

fn chosen(row: Row, fields: Option<&[String]>) -> Shown {
    let Some(fields) = fields else {
        return Shown::Whole(Box::new(row));
    };
    let value = serde_json::to_value(row).expect("a record of numbers and texts is JSON");
    let Value::Object(mut all) = value else {
        unreachable!("a record is an object");
    };
    all.retain(|name, _| fields.contains(name));
    Shown::Part(all)
}

pub(super) fn unknown() -> Refusal {
    Refusal::not_found("CLIENTID_NOT_FOUND", "Client ID not found")
}

/// One client
#[utoipa::path(
    get,
    path = "/clients/{clientid}",
    tag = "Clients",
    params(("clientid" = String, Path)),
    responses(
        (status = 200, description = "The client.", body = Row),
        (status = 404, description = "There is no such session.", body = ErrorBody),
    )
)]
async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Row>, Refusal> {
    let client = app.admin.client(&id).await?.ok_or_else(unknown)?;
    Ok(Json(client.into()))
}

/// End a client's connection and delete its session
#[utoipa::path(
    delete,
    path = "/clients/{clientid}",
    tag = "Clients",
    params(("clientid" = String, Path)),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "There is no such session.", body = ErrorBody),
    )
)]
async fn kick(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    if app.admin.kick(&id, &caller.name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown())
    }
}

/// End several clients' connections and delete their sessions
#[utoipa::path(
    post,
    path = "/clients/kickout/bulk",
    tag = "Clients",
    request_body = Vec<String>,
    responses(
        (status = 204, description = "They are gone; ids that nobody has do not matter."),
        (status = 400, description = "The body is no list of texts.", body = ErrorBody),
    )
)]
async fn kick_many(
    State(app): State<App>,
    caller: Caller,
    Json(ids): Json<Vec<String>>,
) -> Result<StatusCode, Refusal> {
    for id in ids {
        app.admin.kick(&id, &caller.name).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[schema(as = KeepAliveChange)]
struct KeepAlive {
    /// Seconds; 0 for none.
    #[schema(maximum = 65535)]
    interval: u16,
}

/// Change a connected client's Keep Alive
#[utoipa::path(
    put,
    path = "/clients/{clientid}/keepalive",
    tag = "Clients",
    params(("clientid" = String, Path)),
    request_body = KeepAlive,
    responses(
        (status = 200, description = "The client.", body = Row),
        (status = 400, description = "The interval is none.", body = ErrorBody),
        (status = 404, description = "It is not connected.", body = ErrorBody),
    )
)]
async fn keep_alive(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(wanted): Json<KeepAlive>,
) -> Result<Json<Row>, Refusal> {
    if !app.admin.set_keep_alive(&id, wanted.interval).await? {
        return Err(unknown());
    }
    let client = app.admin.client(&id).await?.ok_or_else(unknown)?;
    Ok(Json(client.into()))
}

/// A decision that hangs on what a source of rules elsewhere has said.
#[derive(Serialize, ToSchema)]
#[schema(as = CachedDecision)]
struct Cached {
    /// `publish` or `subscribe`.
    access: &'static str,
    /// Or the filter of a subscription; as the source was asked about it.
    topic: String,
    /// `allow` or `deny`.
    result: &'static str,
    /// Milliseconds since 1970.
    updated_time: u64,
}

impl From<Remembered> for Cached {
    fn from(remembered: Remembered) -> Self {
        Self {
            access: if remembered.publishes {
                "publish"
            } else {
                "subscribe"
            },
            topic: remembered.topic,
            result: if remembered.is_allowed {
                "allow"
            } else {
                "deny"
            },
            updated_time: remembered.since,
        }
    }
}

/// What is remembered of what sources elsewhere have said of a client
///
/// What rules of the broker's own decide is not remembered.
#[utoipa::path(
    get,
    path = "/clients/{clientid}/authorization/cache",
    tag = "Clients",
    params(("clientid" = String, Path)),
    responses(
        (status = 200, description = "The oldest first.", body = Vec<Cached>),
        (status = 404, description = "There is no such session.", body = ErrorBody),
    )
)]
async fn cache(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Cached>>, Refusal> {
    let remembered = app.admin.words_of(&id).await?.ok_or_else(unknown)?;
    Ok(Json(remembered.into_iter().map(Cached::from).collect()))
}

/// Forget what sources elsewhere have said of a client
///
/// Whatever it does from then on is asked again, also of sources that remember answers (`cache_ttl`). What these
/// remember of other clients stays.
#[utoipa::path(
    delete,
    path = "/clients/{clientid}/authorization/cache",
    tag = "Clients",
    params(("clientid" = String, Path)),
    responses(
        (status = 204, description = "It is forgotten."),
        (status = 404, description = "There is no such session.", body = ErrorBody),
    )
)]
async fn clear_cache(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    if app.admin.forget_words_of(&id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown())
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only")]
struct Since {
    /// Seconds since 1970.
    since: Option<u64>,
}

/// How many sessions there are
///
/// Of clients that are connected, or went at this time or later.
#[utoipa::path(
    get,
    path = "/sessions_count",
    tag = "Clients",
    params(Since),
    responses(
        (status = 200, description = "Their number, as a text.", body = String, content_type = "application/json"),
        (status = 400, description = "The time is none.", body = ErrorBody),
    )
)]
async fn sessions_count(State(app): State<App>, query: Query) -> Result<Json<String>, Refusal> {
    let since: u64 = query.parsed("since", "integer")?.unwrap_or(0);
    let count = app.admin.sessions_since(since.saturating_mul(1000)).await?;
    Ok(Json(count.to_string()))
}
