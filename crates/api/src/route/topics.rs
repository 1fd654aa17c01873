//! Topics: what anybody is subscribed to, each once.

use axum::{
    Json,
    extract::{Path, State},
};
use broker::admin::NODE;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    page::{Meta, Page},
    query::Query,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Topic)]
struct Row {
    /// A filter; of a shared subscription without its group.
    topic: String,
    node: &'static str,
}

fn row(topic: String) -> Row {
    Row { topic, node: NODE }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only")]
struct Asked {
    #[param(minimum = 1)]
    page: Option<u64>,
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u64>,
    /// Exactly this filter.
    topic: Option<String>,
    node: Option<String>,
}

/// List topics
#[utoipa::path(
    get,
    path = "/topics",
    tag = "Topics",
    params(Asked),
    responses(
        (status = 200, description = "A page of the filters that anybody is subscribed to.", body = Page<Row>),
        (status = 400, description = "A parameter is of the wrong kind.", body = ErrorBody),
    )
)]
async fn list(State(app): State<App>, query: Query) -> Result<Json<Page<Row>>, Refusal> {
    query.check_node()?;
    let window = query.window()?;
    let (rows, count, hasnext) = match query.owned("topic") {
        Some(topic) => {
            let count = u64::from(app.admin.has_topic(&topic).await?);
            let shown = window.offset() < count;
            (
                shown.then_some(topic).into_iter().collect(),
                Some(count),
                false,
            )
        }
        None => {
            let found = app.admin.topics(window.offset(), window.limit).await?;
            (found.rows, found.count, found.has_next)
        }
    };
    let meta = Meta {
        page: window.page,
        limit: window.limit,
        count,
        hasnext,
    };
    let data = rows.into_iter().map(row).collect();
    Ok(Json(Page { data, meta }))
}

/// Where a topic is subscribed to
#[utoipa::path(
    get,
    path = "/topics/{topic}",
    tag = "Topics",
    params(("topic" = String, Path)),
    responses(
        (status = 200, description = "The nodes with a subscriber.", body = Vec<Row>),
        (status = 404, description = "Nobody is subscribed to exactly this filter.", body = ErrorBody),
    )
)]
async fn one(State(app): State<App>, Path(topic): Path<String>) -> Result<Json<Vec<Row>>, Refusal> {
    if app.admin.has_topic(&topic).await? {
        return Ok(Json(vec![row(topic)]));
    }
    Err(Refusal::not_found("TOPIC_NOT_FOUND", "Topic not found"))
}
