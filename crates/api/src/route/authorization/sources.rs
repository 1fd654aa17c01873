//! Where rules come from.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use broker::admin::{
    NODE,
    authentication::DatabaseKind,
    authorize::{RULES_MAX, RuleTable, Source, SourceKind},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    route::remote::{Hidden, Remote},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(order))
        .routes(routes!(show, replace, delete))
        .routes(routes!(status))
        .routes(routes!(shift))
}

/// A source of rules.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AuthorizationSource)]
struct Row {
    /// `built_in_database`, `file`, `http`, `redis`, `postgresql` or `mysql`.
    r#type: String,
    #[serde(default = "enabled")]
    enable: bool,
    /// Of `file`: TOML with a table `[[rule]]` for each, or what EMQX's `acl.conf` or mosquitto's
    /// `acl_file` has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<String>,
    /// Of `built_in_database`, as it is: so many for one user, one client, or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    max_rules: Option<usize>,
    /// Of the others. Databases have rules in rows; where none of a client's is about it, those behind decide.
    /// A service says for each action whether it may be done. It answers with 204, or with
    /// 200 and `{"result": "allow"}`, `deny`, or `ignore`; where it does not answer, or says anything else, it
    /// is denied.
    #[serde(flatten)]
    remote: Remote,
}

fn enabled() -> bool {
    true
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuthorizationSources)]
struct Rows {
    sources: Vec<Row>,
}

/// Where a source goes.
#[derive(Deserialize, ToSchema)]
#[schema(as = AuthorizationMove)]
struct Move {
    /// `front`, `rear`, `before:TYPE` or `after:TYPE`.
    #[schema(example = "before:file")]
    position: String,
}

/// How a source fares.
#[derive(Serialize, ToSchema)]
#[schema(as = AuthorizationStatus)]
struct Status {
    /// `connected`, or `disconnected` where it is not enabled or does not answer.
    status: &'static str,
    node_status: Vec<NodeStatus>,
    node_error: Vec<NodeError>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuthorizationNodeError)]
struct NodeError {
    node: &'static str,
    error: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuthorizationNodeStatus)]
struct NodeStatus {
    node: &'static str,
    status: &'static str,
}

impl From<Source> for Row {
    fn from(source: Source) -> Self {
        let is_built_in = source.kind == SourceKind::BuiltInDatabase;
        Self {
            r#type: source.kind.name().to_owned(),
            enable: source.enabled,
            remote: remote(&source),
            rules: (source.kind == SourceKind::File).then_some(source.text),
            max_rules: is_built_in.then_some(RULES_MAX),
        }
    }
}

impl Row {
    /// `before` is what there is of this kind.
    fn source(self, before: Option<&Source>) -> Result<Source, Refusal> {
        let kind = kind(&self.r#type)?;
        let hidden = Hidden::of_source(before);
        let (mut service, mut table) = (None, None);
        if let Some(database) = database(kind) {
            let (database, cache_millis) = self.remote.database(database, hidden)?;
            table = Some(RuleTable {
                cache_millis,
                database,
            });
        } else if kind == SourceKind::Http {
            service = Some(self.remote.service(hidden)?);
        }
        let is_file = kind == SourceKind::File;
        if is_file && self.rules.is_none() {
            return Err(Refusal::bad_request(
                "rules: the rules of the file are missing",
            ));
        }
        Ok(Source {
            kind,
            enabled: self.enable,
            text: self.rules.filter(|_| is_file).unwrap_or_default(),
            service,
            table,
        })
    }
}

/// How it is asked, if it is not its rules.
fn remote(source: &Source) -> Remote {
    let table = source.table.as_ref();
    let table = table.map(|table| Remote::of_database(&table.database, table.cache_millis));
    let service = source.service.as_ref().map(Remote::of);
    service.or(table).unwrap_or_default()
}

fn database(kind: SourceKind) -> Option<DatabaseKind> {
    match kind {
        SourceKind::Redis => Some(DatabaseKind::Redis),
        SourceKind::Postgresql => Some(DatabaseKind::Postgresql),
        SourceKind::Mysql => Some(DatabaseKind::Mysql),
        SourceKind::BuiltInDatabase | SourceKind::File | SourceKind::Http => None,
    }
}

fn kind(name: &str) -> Result<SourceKind, Refusal> {
    SourceKind::parse(name).ok_or_else(|| {
        Refusal::bad_request(format!(
            "type: sources are built_in_database, file, http, redis, postgresql and mysql, not {name}"
        ))
    })
}

/// Of a path: what is no source is not there.
fn named(name: &str) -> Result<SourceKind, Refusal> {
    SourceKind::parse(name)
        .ok_or_else(|| Refusal::not_found("NOT_FOUND", format!("there is no source {name}")))
}

/// Sources of rules, in their order
#[utoipa::path(
    get,
    path = "/authorization/sources",
    tag = "Authorization",
    responses((status = 200, description = "The first rule of the first source that is about it decides.", body = Rows))
)]
async fn list(State(app): State<App>) -> Json<Rows> {
    let sources = app.admin.access_sources();
    Json(Rows {
        sources: sources.into_iter().map(Row::from).collect(),
    })
}

/// Add a source behind the others
#[utoipa::path(
    post,
    path = "/authorization/sources",
    tag = "Authorization",
    request_body = Row,
    responses(
        (status = 204, description = "It is in force."),
        (status = 400, description = "`BAD_REQUEST`: no such source, or rules that are none.", body = ErrorBody),
        (status = 409, description = "`ALREADY_EXISTS`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn add(State(app): State<App>, Json(row): Json<Row>) -> Result<StatusCode, Refusal> {
    app.admin.add_access_source(row.source(None)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A source
#[utoipa::path(
    get,
    path = "/authorization/sources/{type}",
    tag = "Authorization",
    params(("type" = String, Path, description = "`built_in_database`, `file`, `http`, `redis`, `postgresql` or `mysql`.")),
    responses(
        (status = 200, description = "As it is.", body = Row),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Row>, Refusal> {
    Ok(Json(find(&app, &name)?.into()))
}

fn find(app: &App, name: &str) -> Result<Source, Refusal> {
    let kind = named(name)?;
    let found = app.admin.access_sources().into_iter();
    let mut found = found.filter(|source| source.kind == kind);
    let missing = || Refusal::not_found("NOT_FOUND", format!("there is no source {name}"));
    found.next().ok_or_else(missing)
}

/// Replace a source
///
/// Rules that are none are refused, and those before stay in force.
#[utoipa::path(
    put,
    path = "/authorization/sources/{type}",
    tag = "Authorization",
    params(("type" = String, Path, description = "`built_in_database`, `file`, `http`, `redis`, `postgresql` or `mysql`.")),
    request_body = Row,
    responses(
        (status = 204, description = "It is in force."),
        (status = 400, description = "`BAD_REQUEST`: another source, or rules that are none.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn replace(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(row): Json<Row>,
) -> Result<StatusCode, Refusal> {
    named(&name)?;
    if row.r#type != name {
        return Err(Refusal::bad_request("type: the path names another"));
    }
    let before = find(&app, &name)?;
    let source = row.source(Some(&before))?;
    app.admin.set_access_source(source).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a source
#[utoipa::path(
    delete,
    path = "/authorization/sources/{type}",
    tag = "Authorization",
    params(("type" = String, Path, description = "`built_in_database`, `file`, `http`, `redis`, `postgresql` or `mysql`.")),
    responses(
        (status = 204, description = "It is not asked any more. The rules of `built_in_database` stay, until it is added again."),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    app.admin.drop_access_source(named(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a source fares
#[utoipa::path(
    get,
    path = "/authorization/sources/{type}/status",
    tag = "Authorization",
    params(("type" = String, Path, description = "`built_in_database`, `file`, `http`, `redis`, `postgresql` or `mysql`.")),
    responses(
        (status = 200, description = "Rules in memory cannot be out of reach, a service can.", body = Status),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn status(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Status>, Refusal> {
    let source = find(&app, &name)?;
    let trouble = app.admin.access_trouble(&source);
    let status = if source.enabled && trouble.is_none() {
        "connected"
    } else {
        "disconnected"
    };
    let error = trouble.map(|error| NodeError { node: NODE, error });
    Ok(Json(Status {
        status,
        node_status: vec![NodeStatus { node: NODE, status }],
        node_error: error.into_iter().collect(),
    }))
}

/// Order the sources anew
#[utoipa::path(
    put,
    path = "/authorization/sources/order",
    tag = "Authorization",
    request_body = Vec<Named>,
    responses(
        (status = 204, description = "They are asked in this order."),
        (status = 400, description = "`BAD_REQUEST`: these are not all sources.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn order(
    State(app): State<App>,
    Json(wanted): Json<Vec<Named>>,
) -> Result<StatusCode, Refusal> {
    let kinds = wanted.iter().map(|row| kind(&row.r#type));
    let kinds = kinds.collect::<Result<_, _>>()?;
    app.admin.order_access_sources(kinds).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A source in an order.
#[derive(Deserialize, ToSchema)]
#[schema(as = AuthorizationSourceName)]
struct Named {
    /// `built_in_database`, `file`, `http`, `redis`, `postgresql` or `mysql`.
    r#type: String,
}

/// Move a source
#[utoipa::path(
    post,
    path = "/authorization/sources/{type}/move",
    tag = "Authorization",
    params(("type" = String, Path, description = "`built_in_database`, `file`, `http`, `redis`, `postgresql` or `mysql`.")),
    request_body = Move,
    responses(
        (status = 204, description = "It is asked there."),
        (status = 400, description = "`BAD_REQUEST`: no such position.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn shift(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(wanted): Json<Move>,
) -> Result<StatusCode, Refusal> {
    let moved = find(&app, &name)?.kind;
    let sources = app.admin.access_sources().into_iter();
    let mut kinds: Vec<SourceKind> = sources.map(|source| source.kind).collect();
    kinds.retain(|kind| *kind != moved);
    let at = match wanted.position.split_once(':') {
        None if wanted.position == "front" => Some(0),
        None if wanted.position == "rear" => Some(kinds.len()),
        Some((side @ ("before" | "after"), other)) => {
            let other = named(other)?;
            let at = kinds.iter().position(|kind| *kind == other);
            at.map(|at| at + usize::from(side == "after"))
        }
        _ => None,
    };
    let at = at.ok_or_else(|| Refusal::bad_request("position: no such place"))?;
    kinds.insert(at, moved);
    app.admin.order_access_sources(kinds).await?;
    Ok(StatusCode::NO_CONTENT)
}
