//! Traces of a client, an address or a topic, in files that can be read here and taken away.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use broker::admin::{
    NODE, is_filter,
    trace::{LENGTH, LineForm, Order, PayloadForm, State as Stage, Target, Trace, TraceError},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    query::Query,
    time::{self, rfc3339},
    zip,
};

/// Bytes of a trace's file in one answer.
const BYTES_DEFAULT: u64 = 1000;
const BYTES_MAX: u64 = 1 << 20;
const NAME_MAX: usize = 64;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, make, clear))
        .routes(routes!(delete))
        .routes(routes!(stop))
        .routes(routes!(log))
        .routes(routes!(log_detail))
        .routes(routes!(download))
}

/// What is to be traced. Of `clientid`, `topic` and `ip_address` the one that `type` names is needed.
#[derive(Deserialize, ToSchema)]
struct NewTrace {
    /// Letters, digits, `-` and `_`; at most 64.
    #[schema(example = "my-trace", pattern = "^[A-Za-z0-9_-]{1,64}$")]
    name: String,
    /// `clientid`, `topic` or `ip_address`.
    r#type: String,
    clientid: Option<String>,
    /// A topic filter.
    topic: Option<String>,
    ip_address: Option<String>,
    /// `text`, which is the default, `hex` or `hidden`.
    payload_encode: Option<String>,
    /// `text`, which is the default, or `json`.
    formatter: Option<String>,
    /// RFC 3339, or seconds since 1970; now unless told otherwise.
    #[schema(value_type = Option<String>)]
    start_at: Option<Value>,
    /// As above; ten minutes later unless told otherwise.
    #[schema(value_type = Option<String>)]
    end_at: Option<Value>,
}

/// A trace.
#[derive(Serialize, ToSchema)]
struct TraceBody {
    name: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    clientid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<String>,
    /// `waiting`, `running` or `stopped`.
    status: &'static str,
    payload_encode: &'static str,
    formatter: &'static str,
    start_at: String,
    end_at: String,
    /// Bytes of its file, by node.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    log_size: Map<String, Value>,
}

impl TraceBody {
    fn new(trace: Trace) -> Self {
        let order = trace.order;
        let (mut clientid, mut topic, mut ip_address) = (None, None, None);
        let kind = match order.target {
            Target::Client(id) => {
                clientid = Some(id);
                "clientid"
            }
            Target::Topic(filter) => {
                topic = Some(filter);
                "topic"
            }
            Target::Address(ip) => {
                ip_address = Some(ip.to_string());
                "ip_address"
            }
        };
        Self {
            name: order.name,
            r#type: kind,
            clientid,
            topic,
            ip_address,
            status: match trace.state {
                Stage::Waiting => "waiting",
                Stage::Running => "running",
                Stage::Stopped => "stopped",
            },
            payload_encode: match order.payload {
                PayloadForm::Text => "text",
                PayloadForm::Hex => "hex",
                PayloadForm::Hidden => "hidden",
            },
            formatter: match order.lines {
                LineForm::Text => "text",
                LineForm::Json => "json",
            },
            start_at: rfc3339(order.start_at),
            end_at: rfc3339(order.end_at),
            log_size: Map::from_iter([(NODE.to_owned(), trace.bytes.into())]),
        }
    }
}

impl NewTrace {
    /// # Errors
    /// `INVALID_PARAMS` with the field that is wrong and what it may be.
    fn order(self, now: u64) -> Result<Order, Refusal> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !(1..=NAME_MAX).contains(&self.name.len()) || !self.name.chars().all(fits) {
            return Err(wrong("name: 1 to 64 letters, digits, - and _"));
        }
        let target = match self.r#type.as_str() {
            "clientid" => self
                .clientid
                .filter(|id| !id.is_empty())
                .map(Target::Client)
                .ok_or_else(|| wrong("clientid: needed for type clientid"))?,
            "topic" => self
                .topic
                .filter(|topic| is_filter(topic))
                .map(Target::Topic)
                .ok_or_else(|| wrong("topic: a topic filter is needed for type topic"))?,
            "ip_address" => self
                .ip_address
                .and_then(|ip| ip.parse().ok())
                .map(Target::Address)
                .ok_or_else(|| wrong("ip_address: an address is needed for type ip_address"))?,
            _ => return Err(wrong("type: clientid, topic or ip_address")),
        };
        let payload = match self.payload_encode.as_deref() {
            None | Some("text") => PayloadForm::Text,
            Some("hex") => PayloadForm::Hex,
            Some("hidden") => PayloadForm::Hidden,
            Some(_) => return Err(wrong("payload_encode: text, hex or hidden")),
        };
        let lines = match self.formatter.as_deref() {
            None | Some("text") => LineForm::Text,
            Some("json") => LineForm::Json,
            Some(_) => return Err(wrong("formatter: text or json")),
        };
        let start_at = moment("start_at", self.start_at)?.map_or(now, |at| at.max(now));
        let end_at =
            moment("end_at", self.end_at)?.unwrap_or_else(|| start_at.saturating_add(LENGTH));
        if end_at <= start_at {
            return Err(wrong("end_at: after start_at, and not in the past"));
        }
        Ok(Order {
            name: self.name,
            target,
            payload,
            lines,
            start_at,
            end_at,
        })
    }
}

fn moment(field: &str, value: Option<Value>) -> Result<Option<u64>, Refusal> {
    let value = value.filter(|value| !value.is_null());
    let bad = || wrong(&format!("{field}: {}", time::FORM));
    let at = value.map(|value| time::of_json(&value).ok_or_else(bad));
    at.transpose()
}

fn wrong(message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "INVALID_PARAMS", message)
}

fn unknown() -> Refusal {
    Refusal::not_found("NOT_FOUND", "there is no trace of this name")
}

fn io_error(error: &std::io::Error) -> Refusal {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "SERVICE_UNAVAILABLE",
        format!("the trace's file: {error}"),
    )
}

impl From<TraceError> for Refusal {
    fn from(error: TraceError) -> Self {
        let message = error.to_string();
        match error {
            TraceError::Exists => Self::new(StatusCode::CONFLICT, "ALREADY_EXISTS", message),
            TraceError::Duplicate(_) => {
                Self::new(StatusCode::CONFLICT, "DUPLICATE_CONDITION", message)
            }
            TraceError::TooMany => Self::new(StatusCode::BAD_REQUEST, "EXCEED_LIMIT", message),
            TraceError::File(error) => io_error(&error),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", message),
        }
    }
}

/// All traces
#[utoipa::path(
    get,
    path = "/trace",
    tag = "Trace",
    operation_id = "traces",
    responses((status = 200, description = "Those that ended, too.", body = [TraceBody]))
)]
async fn list(State(app): State<App>) -> Json<Vec<TraceBody>> {
    Json(app.admin.traces().into_iter().map(TraceBody::new).collect())
}

/// Begin a trace
#[utoipa::path(
    post,
    path = "/trace",
    tag = "Trace",
    operation_id = "make_trace",
    request_body = NewTrace,
    responses(
        (status = 200, description = "It runs, or waits for its time.", body = TraceBody),
        (status = 400, description = "`INVALID_PARAMS`, `EXCEED_LIMIT`: there are 30", body = ErrorBody),
        (status = 409, description = "`ALREADY_EXISTS`, `DUPLICATE_CONDITION`: another looks at the same", body = ErrorBody),
        (status = 503, description = "Its file cannot be made.", body = ErrorBody),
    )
)]
async fn make(
    State(app): State<App>,
    Json(new): Json<NewTrace>,
) -> Result<Json<TraceBody>, Refusal> {
    let order = new.order(app.admin.now_millis())?;
    Ok(Json(TraceBody::new(app.admin.make_trace(order)?)))
}

/// Delete all traces with their files
#[utoipa::path(
    delete,
    path = "/trace",
    tag = "Trace",
    operation_id = "delete_traces",
    responses(
        (status = 204, description = "They are gone."),
        (status = 503, description = "A file cannot be deleted.", body = ErrorBody),
    )
)]
async fn clear(State(app): State<App>) -> Result<StatusCode, Refusal> {
    app.admin.delete_traces(None).map_err(|e| io_error(&e))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a trace with its file
#[utoipa::path(
    delete,
    path = "/trace/{name}",
    tag = "Trace",
    operation_id = "delete_trace",
    params(("name" = String, Path)),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "Its file cannot be deleted.", body = ErrorBody),
    )
)]
async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    match app.admin.delete_traces(Some(&name)) {
        Ok(0) => Err(unknown()),
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(io_error(&error)),
    }
}

/// What became of a trace that was to stop.
#[derive(Serialize, ToSchema)]
struct StoppedTrace {
    name: String,
    enable: bool,
}

/// End a trace; its file stays
#[utoipa::path(
    put,
    path = "/trace/{name}/stop",
    tag = "Trace",
    operation_id = "stop_trace",
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "It has ended.", body = StoppedTrace),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn stop(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<StoppedTrace>, Refusal> {
    if !app.admin.stop_trace(&name) {
        return Err(unknown());
    }
    let enable = false;
    Ok(Json(StoppedTrace { name, enable }))
}

/// A part of a trace's file.
#[derive(Serialize, ToSchema)]
struct TraceLog {
    items: String,
    meta: TraceLogMeta,
}

#[derive(Serialize, ToSchema)]
struct TraceLogMeta {
    /// Where to go on.
    position: u64,
    /// Bytes of this part.
    bytes: u64,
}

/// Read on in a trace's file
#[utoipa::path(
    get,
    path = "/trace/{name}/log",
    tag = "Trace",
    operation_id = "trace_log",
    params(
        ("name" = String, Path),
        ("position" = Option<u64>, Query, description = "From which byte on."),
        ("bytes" = Option<u64>, Query, description = "How many, 1,000 unless told otherwise.", minimum = 4, maximum = 1_048_576),
        ("node" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "Whole characters only.", body = TraceLog),
        (status = 400, description = "`INVALID_PARAMETER`", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "The file cannot be read.", body = ErrorBody),
    )
)]
async fn log(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<TraceLog>, Refusal> {
    let position: u64 = query.parsed("position", "integer")?.unwrap_or(0);
    let bytes: u64 = query.parsed("bytes", "integer")?.unwrap_or(BYTES_DEFAULT);
    if !(4..=BYTES_MAX).contains(&bytes) || i64::try_from(position).is_err() {
        return Err(Refusal::invalid_parameter(
            "bytes is 4 to 1048576, position is less than 2^63",
        ));
    }
    let mut read = file(&app, &name, position, bytes)?;
    if let Err(error) = std::str::from_utf8(&read)
        && error.error_len().is_none()
    {
        // The next part begins with the character that does not end here.
        read.truncate(error.valid_up_to());
    }
    let bytes = read.len() as u64;
    Ok(Json(TraceLog {
        items: String::from_utf8_lossy(&read).into_owned(),
        meta: TraceLogMeta {
            position: position.saturating_add(bytes),
            bytes,
        },
    }))
}

/// A trace's file.
#[derive(Serialize, ToSchema)]
struct TraceFile {
    node: &'static str,
    size: u64,
    /// When it was written last, in seconds since 1970.
    mtime: u64,
}

/// How large a trace's file is
#[utoipa::path(
    get,
    path = "/trace/{name}/log_detail",
    tag = "Trace",
    operation_id = "trace_log_detail",
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "One for each node.", body = [TraceFile]),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn log_detail(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Vec<TraceFile>>, Refusal> {
    let traces = app.admin.traces();
    let trace = traces.iter().find(|trace| trace.order.name == name);
    let trace = trace.ok_or_else(unknown)?;
    Ok(Json(vec![TraceFile {
        node: NODE,
        size: trace.bytes,
        mtime: trace.written_at,
    }]))
}

/// Take a trace's file away, in a zip archive
#[utoipa::path(
    get,
    path = "/trace/{name}/download",
    tag = "Trace",
    operation_id = "download_trace",
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "The archive.", body = Vec<u8>, content_type = "application/zip"),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "The file cannot be read.", body = ErrorBody),
    )
)]
async fn download(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let read = file(&app, &name, 0, u64::MAX)?;
    let archive = zip::of(&format!("{name}.log"), &read);
    let disposition = format!("attachment; filename=\"{name}.zip\"");
    let disposition = HeaderValue::try_from(disposition).map_err(|_| unknown())?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/zip"),
        ),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, archive).into_response())
}

fn file(app: &App, name: &str, from: u64, max: u64) -> Result<Vec<u8>, Refusal> {
    app.admin
        .trace_bytes(name, from, max)
        .ok_or_else(unknown)?
        .map_err(|error| io_error(&error))
}
