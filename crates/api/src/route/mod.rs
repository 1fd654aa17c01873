//! What can be called: a file for each resource. Under `/api/v5`, as EMQX has it.

mod api_key;
mod audit;
mod auto_subscribe;
mod banned;
mod configs;
mod connection_log;
mod delayed;
mod docs;
mod error_codes;
mod listeners;
mod login;
mod losses;
mod monitor;
mod rewrite;
mod settings;
mod slow_subscriptions;
mod status;
mod topic_metrics;
mod users;

use axum::{
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{App, error::Refusal};

/// The beginning of every path but those of static files.
pub(crate) const BASE: &str = "/api/v5";

#[derive(OpenApi)]
#[openapi(info(
    title = "TernMQ",
    description = "The REST API of a TernMQ broker. Paths and fields are those of EMQX 5."
))]
struct Document;

/// All routes, and the document that describes them.
pub(crate) fn all() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .nest(BASE, versioned())
        // Probes of EMQX's charts ask at the root.
        .merge(status::routes())
        .merge(docs::routes().into())
        .fallback(nothing_here)
}

/// Below [`BASE`].
fn versioned() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(api_key::routes())
        .merge(audit::routes())
        .merge(auto_subscribe::routes())
        .merge(banned::routes())
        .merge(configs::routes())
        .merge(connection_log::routes())
        .merge(delayed::routes())
        .merge(error_codes::routes())
        .merge(listeners::routes())
        .merge(login::routes())
        .merge(losses::routes())
        .merge(monitor::routes())
        .merge(rewrite::routes())
        .merge(settings::routes())
        .merge(slow_subscriptions::routes())
        .merge(status::routes())
        .merge(topic_metrics::routes())
        .merge(users::routes())
}

async fn nothing_here(uri: Uri) -> Response {
    if uri.path().starts_with(BASE) {
        return Refusal::not_found("NOT_FOUND", "Request Path Not Found").into_response();
    }
    (StatusCode::NOT_FOUND, "404 - NOT FOUND").into_response()
}
