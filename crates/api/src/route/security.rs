//! Weak points of the running broker, with what was found: what to say of each is the reader's.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use broker::admin::security::{Fact, Point};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
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
        }
    }
}

/// All points, judged now. It looks at files and interfaces, so not on the thread that serves.
pub(super) async fn points(app: &App) -> Vec<Point> {
    let (admin, is_default) = (app.admin.clone(), app.accounts.is_password_known());
    let judged = tokio::task::spawn_blocking(move || admin.security(is_default)).await;
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
