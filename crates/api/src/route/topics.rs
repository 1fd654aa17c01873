//! Topics: what anybody is subscribed to, each once.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use broker::admin::{Extent, NODE};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    page::{self, Page},
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
async fn list(State(app): State<App>, query: Query) -> Result<Response, Refusal> {
    query.check_node()?;
    let window = query.window()?;
    let topic = query.owned("topic");
    let admin = app.admin.clone();
    page::streamed(window, row, async move |to| {
        let (offset, limit) = (window.offset(), window.limit);
        let Some(topic) = topic else {
            return admin.topics(offset, limit, &to).await;
        };
        let count = u64::from(admin.has_topic(&topic).await?);
        if offset < count {
            // Who asked may have gone.
            let _ = to.send(vec![topic]).await;
        }
        Ok(Extent {
            count: Some(count),
            has_next: false,
        })
    })
    .await
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
