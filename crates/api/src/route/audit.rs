//! Who changed what, and who published.

use axum::{
    Json,
    extract::{Query, State},
};
use broker::admin::NODE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    audit::{From, Record},
    error::Refusal,
    page::{Meta, Page, Paging},
    time::parse_millis,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    node: Option<String>,
    /// `dashboard`, `rest_api`, `cli`, or `event` for what the broker did unasked.
    from: Option<String>,
    /// User or API key.
    source: Option<String>,
    source_ip: Option<String>,
    /// Such as `/clients/{clientid}`.
    operation_id: Option<String>,
    /// The first part of the path, such as `clients`.
    operation_type: Option<String>,
    /// `success` or `failure`.
    operation_result: Option<String>,
    #[param(value_type = Option<u16>)]
    http_status_code: Option<String>,
    /// `post`, `put` or `delete`.
    http_method: Option<String>,
    #[param(value_type = Option<u64>)]
    gte_duration_ms: Option<String>,
    #[param(value_type = Option<u64>)]
    lte_duration_ms: Option<String>,
    /// RFC 3339, or milliseconds since 1970.
    gte_created_at: Option<String>,
    /// RFC 3339, or milliseconds since 1970.
    lte_created_at: Option<String>,
}

/// One change.
#[derive(Serialize, ToSchema)]
struct AuditEntry {
    /// Microseconds since 1970.
    created_at: u64,
    node: &'static str,
    from: &'static str,
    /// User or API key.
    source: String,
    source_ip: String,
    operation_id: String,
    operation_type: String,
    operation_result: &'static str,
    http_method: String,
    http_status_code: u16,
    /// `path`, and `body` if it was JSON: without its secrets, and cut if it is long. Of messages it counts
    /// `calls`, `messages` and `payload_bytes`, and names the first topics.
    #[schema(value_type = Object)]
    http_request: Value,
    duration_ms: u64,
    /// The arguments of a command; always empty here.
    args: Vec<String>,
    /// Code and message of a refusal; empty after a success.
    failure: String,
}

impl std::convert::From<Record> for AuditEntry {
    fn from(record: Record) -> Self {
        let mut request = json!({"method": record.http_method, "path": record.path});
        if let Some(sent) = &record.sent {
            request["body"] = json!(sent);
        } else if let Some(body) = &record.body {
            request["body"] = body.clone();
        }
        Self {
            created_at: record.at.saturating_mul(1000),
            node: NODE,
            from: name(record.from),
            source_ip: record.source_ip.to_string(),
            operation_type: kind(&record).to_owned(),
            operation_result: result(&record),
            source: record.source,
            operation_id: record.operation_id,
            http_method: record.http_method,
            http_status_code: record.http_status_code,
            http_request: request,
            duration_ms: record.duration_ms,
            args: Vec::new(),
            failure: record.failure,
        }
    }
}

fn name(from: From) -> &'static str {
    match from {
        From::Dashboard => "dashboard",
        From::RestApi => "rest_api",
        From::Cli => "cli",
        From::Event => "event",
    }
}

fn kind(record: &Record) -> &str {
    let mut parts = record
        .operation_id
        .split('/')
        .filter(|part| !part.is_empty());
    parts.next().unwrap_or_default()
}

fn result(record: &Record) -> &'static str {
    if record.http_status_code < 400 {
        "success"
    } else {
        "failure"
    }
}

/// The audit log
///
/// Every change by a user, an API key or the command line, the last 10,000; and sign-ins, those refused for
/// a wrong user or password too, the last 2,000. Messages published through the API are counted: those of
/// one user or key that end alike within a minute are one entry, of which there are the last 5,000.
///
/// Subscriptions that end because rights were changed are one entry for a change, under its actor, with
/// `operation_id` `/authorization/revoked`, no `http_method` and `http_status_code` 0: `body` says how many
/// (`subscriptions`, and those of them that were `shared`), the first eight by `clientid` and `topic`, and the
/// `changes` that led to it. There are the last 1,000.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "Audit",
    params(Filter, Paging),
    responses((status = 200, description = "Changes, newest first.", body = Page<AuditEntry>))
)]
async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<AuditEntry>>, Refusal> {
    let window = paging.window()?;
    let fits = filter.parse()?;
    let (found, count) = app.audit.find(|record| fits.fits(record), window.span());
    Ok(Json(Page {
        data: found.into_iter().map(AuditEntry::from).collect(),
        meta: Meta::of(window, count),
    }))
}

/// A filter whose numbers and times are read.
struct Fits {
    filter: Filter,
    status: Option<u64>,
    duration: [Option<u64>; 2],
    at: [Option<u64>; 2],
}

impl Filter {
    fn parse(self) -> Result<Fits, Refusal> {
        let number = |name: &str, text: &Option<String>| {
            let text = text.as_deref();
            let bad = || Refusal::invalid_parameter(format!("{name} is a number"));
            text.map(|text| text.parse().map_err(|_| bad())).transpose()
        };
        let time = |name: &str, text: &Option<String>| {
            let bad = || Refusal::invalid_parameter(format!("{name} is a time"));
            let text = text.as_deref();
            text.map(|text| parse_millis(text).ok_or_else(bad))
                .transpose()
        };
        Ok(Fits {
            status: number("http_status_code", &self.http_status_code)?,
            duration: [
                number("gte_duration_ms", &self.gte_duration_ms)?,
                number("lte_duration_ms", &self.lte_duration_ms)?,
            ],
            at: [
                time("gte_created_at", &self.gte_created_at)?,
                time("lte_created_at", &self.lte_created_at)?,
            ],
            filter: self,
        })
    }
}

impl Fits {
    fn fits(&self, record: &Record) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|w| w == value);
        let within = |[min, max]: [Option<u64>; 2], value: u64| {
            min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max)
        };
        let filter = &self.filter;
        is(&filter.node, NODE)
            && is(&filter.from, name(record.from))
            && is(&filter.source, &record.source)
            && is(&filter.source_ip, &record.source_ip.to_string())
            && is(&filter.operation_id, &record.operation_id)
            && is(&filter.operation_type, kind(record))
            && is(&filter.operation_result, result(record))
            && is(&filter.http_method, &record.http_method)
            && self
                .status
                .is_none_or(|status| status == u64::from(record.http_status_code))
            && within(self.duration, record.duration_ms)
            && within(self.at, record.at)
    }
}
