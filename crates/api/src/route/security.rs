//! Weak points of the running broker, with what was found: what to say of each is the reader's.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use broker::admin::security::{Aside, AsideError, Fact, Point};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    door::Caller,
    error::{ErrorBody, Refusal},
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(put_aside, take_back))
}

/// A point of the security of the broker, weak or not.
#[derive(Serialize, ToSchema)]
#[schema(as = SecurityPoint)]
struct Row {
    /// A word that stays.
    #[schema(example = "default_password")]
    id: &'static str,
    /// `danger`, `warning` or `fine`.
    #[schema(example = "danger")]
    severity: &'static str,
    /// What was found, by names that stay for this `id`.
    facts: BTreeMap<&'static str, Found>,
    /// Null unless it was put aside and still says the same.
    aside: Option<PutAside>,
}

/// That a point was put aside.
#[derive(Serialize, ToSchema)]
#[schema(as = SecurityAside)]
struct PutAside {
    /// Until then, unless what the point says changes before.
    until: String,
    /// User or key.
    by: String,
}

impl From<Aside> for PutAside {
    fn from(aside: Aside) -> Self {
        Self {
            until: rfc3339(aside.until),
            by: aside.by,
        }
    }
}

/// A fact about it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = SecurityFact)]
enum Found {
    Flag(bool),
    Number(i64),
    Text(String),
    Texts(Vec<String>),
}

impl From<Fact> for Found {
    fn from(fact: Fact) -> Self {
        match fact {
            Fact::Flag(flag) => Self::Flag(flag),
            Fact::Number(number) => Self::Number(number),
            Fact::Text(text) => Self::Text(text),
            Fact::Texts(texts) => Self::Texts(texts),
        }
    }
}

impl From<Point> for Row {
    fn from(point: Point) -> Self {
        let facts = point.facts.into_iter();
        Self {
            id: point.id.name(),
            severity: point.severity.name(),
            facts: facts.map(|(name, fact)| (name, fact.into())).collect(),
            aside: point.aside.map(PutAside::from),
        }
    }
}

/// All points, judged now. It looks at files and interfaces, so not on the thread that serves.
pub(super) async fn points(app: &App) -> Vec<Point> {
    let (admin, is_default) = (app.admin.clone(), app.accounts.is_password_known());
    // A broker that ends tells nothing of them.
    let readers = admin.readers().await.ok();
    let judged = tokio::task::spawn_blocking(move || admin.security(is_default, readers)).await;
    judged.expect("judging does not panic")
}

/// What strangers could do, and whether they can
///
/// Every point that is looked at is listed, those that are fine, too. `ternmq check` says the same in words.
#[utoipa::path(
    get,
    path = "/security",
    tag = "Security",
    operation_id = "security",
    responses((status = 200, description = "In an order that stays.", body = Vec<Row>))
)]
async fn list(State(app): State<App>) -> Json<Vec<Row>> {
    let points = points(&app).await.into_iter();
    Json(points.map(Row::from).collect())
}

/// The point of this id, as it is now.
async fn find(app: &App, id: &str) -> Result<Point, Refusal> {
    let mut points = points(app).await.into_iter();
    let found = points.find(|point| point.id.name() == id);
    found.ok_or_else(|| {
        let id: String = id.chars().take(80).collect();
        Refusal::not_found("NOT_FOUND", format!("nothing is known of a point {id:?}"))
    })
}

/// Put a point aside
///
/// It is no news then, for 90 days or until what it says changes. What is dangerous cannot be put aside.
#[utoipa::path(
    put,
    path = "/security/{id}/aside",
    tag = "Security",
    params(("id" = String, Path, description = "As it is listed.")),
    responses(
        (status = 200, description = "The point as it is now.", body = Row),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`CONFLICT`: it is `danger` or `fine`.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn put_aside(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Row>, Refusal> {
    let mut point = find(&app, &id).await?;
    let aside = app.admin.put_aside(&point, &caller.name).await;
    point.aside = Some(aside.map_err(|error| match error {
        AsideError::Keep(error) => error.into(),
        error => Refusal::new(StatusCode::CONFLICT, "CONFLICT", error.to_string()),
    })?);
    Ok(Json(point.into()))
}

/// Take a point back
///
/// It counts again. One that was not put aside is left as it is.
#[utoipa::path(
    delete,
    path = "/security/{id}/aside",
    tag = "Security",
    params(("id" = String, Path, description = "As it is listed.")),
    responses(
        (status = 204, description = "It is not aside any more."),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn take_back(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    let point = find(&app, &id).await?;
    app.admin.end_aside(point.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
