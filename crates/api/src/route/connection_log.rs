//! The connection log: why somebody is or is not connected, in words.

use std::net::IpAddr;

use axum::{
    Json,
    extract::{Query, State},
    http::HeaderMap,
};
use broker::admin::observe::{self, Kind, Record};
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    lang,
    page::{Meta, Page, Paging},
    time::{parse_millis, rfc3339},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Of this client id.
    clientid: Option<String>,
    /// A part of the client id.
    like_clientid: Option<String>,
    /// From this address.
    #[param(example = "192.168.1.20")]
    ip_address: Option<String>,
    /// With this cause, as in the field `cause`.
    cause: Option<String>,
    /// `connected`, `refused`, `disconnected` or `denied`.
    event: Option<String>,
    /// Not before: a time, or milliseconds since 1970.
    since: Option<String>,
    /// Not after: a time, or milliseconds since 1970.
    until: Option<String>,
    /// `en` or `zh`; without it the browser's language.
    lang: Option<String>,
}

/// What happened to one connection.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectionLogRow)]
pub(crate) struct Row {
    /// Counts up from 1; an entry keeps its number.
    id: u64,
    at: String,
    /// The same in milliseconds since 1970.
    time_stamp: u64,
    /// `connected`, `refused`, `disconnected` or `denied`.
    event: &'static str,
    ip_address: String,
    port: u16,
    listener: String,
    /// Null if the peer never said one.
    clientid: Option<String>,
    username: Option<String>,
    /// 3, 4 or 5; null if no CONNECT could be read.
    proto_ver: Option<u8>,
    /// Why: a word that stays.
    #[schema(schema_with = cause)]
    cause: &'static str,
    /// MQTT 5's number for it.
    reason_code: Option<u8>,
    /// Why, in words.
    description: &'static str,
    /// Where in the packet, or which rule.
    detail: Option<&'static str>,
    /// What to do about it.
    remedy: &'static str,
    /// What the client's library shows, such as `rc=5` or `0x87`.
    client_shows: String,
    /// Who took over or kicked.
    by: Option<String>,
    /// What was denied to the client.
    topic: Option<String>,
    /// The rule that decided it.
    rule: Option<String>,
    /// How often the same peer without a name did the same.
    times: u32,
}

fn cause() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(observe::causes()))
        .build()
}

impl Row {
    pub(crate) fn new(record: Record, app: &App) -> Self {
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self {
            id: record.number,
            at: rfc3339(record.at),
            time_stamp: record.at,
            event: record.kind.name(),
            ip_address: record.address.ip().to_string(),
            port: record.address.port(),
            listener: app.admin.listener_name(record.listener),
            clientid: some(record.client_id),
            username: record.user_name,
            proto_ver: record.level,
            cause: record.code,
            reason_code: record.reason,
            description: record.cause,
            detail: (!record.place.is_empty()).then_some(record.place),
            remedy: record.remedy,
            client_shows: record.shows,
            by: record.by,
            topic: record.topic,
            rule: record.rule,
            times: record.times,
        }
    }
}

impl Filter {
    fn query(&self) -> Result<observe::Query, Refusal> {
        let time = |name: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => parse_millis(text).map(Some).ok_or_else(|| {
                Refusal::invalid_parameter(format!("{name} is no time and no milliseconds"))
            }),
        };
        let address = |text: &String| {
            let parsed = text.parse::<IpAddr>();
            parsed.map_err(|_| Refusal::invalid_parameter("ip_address is no address"))
        };
        let kind = |text: &String| match text.as_str() {
            "connected" => Ok(Kind::Connected),
            "refused" => Ok(Kind::Refused),
            "disconnected" => Ok(Kind::Disconnected),
            "denied" => Ok(Kind::Denied),
            _ => Err(Refusal::invalid_parameter(
                "event is none of connected, refused, disconnected, denied",
            )),
        };
        Ok(observe::Query {
            client_id: self.clientid.clone(),
            like_client_id: self.like_clientid.clone(),
            address: self.ip_address.as_ref().map(address).transpose()?,
            cause: self.cause.clone(),
            kind: self.event.as_ref().map(kind).transpose()?,
            since: time("since", &self.since)?,
            until: time("until", &self.until)?,
            after: None,
        })
    }
}

/// Connects, refusals and disconnects of everybody, newest first
#[utoipa::path(
    get,
    path = "/connection_log",
    tag = "Connection log",
    params(Paging, Filter),
    responses(
        (status = 200, description = "A page of the last 10,000.", body = Page<Row>),
        (status = 400, description = "`INVALID_PARAMETER`", body = ErrorBody),
    )
)]
async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<Row>>, Refusal> {
    let window = paging.window()?;
    let query = filter.query()?;
    let lang = lang::of(filter.lang.as_deref(), &headers);
    let (skip, limit) = window.span();
    let found = app.admin.connection_log(&query, skip, limit, lang);
    let data = found.records.into_iter().map(|r| Row::new(r, &app));
    Ok(Json(Page {
        data: data.collect(),
        meta: Meta::of(window, found.count),
    }))
}
