//! What can be called: a file for each resource. Under `/api/v5`, as EMQX has it.

mod addresses;
mod alarms;
mod api_key;
mod attention;
mod audit;
mod authentication;
mod authorization;
mod auto_subscribe;
mod banned;
mod certificate;
mod client_messages;
mod clients;
mod configs;
mod connection_log;
pub(crate) mod ctl;
mod data;
mod delayed;
mod docs;
mod error_codes;
mod listeners;
pub(crate) mod live;
mod login;
mod logs;
mod losses;
mod monitor;
mod mqtt;
mod nodes;
mod picture;
mod prometheus;
mod publish;
mod remote;
mod retainer;
mod rewrite;
mod security;
mod settings;
mod slow_subscriptions;
mod status;
mod subscriptions;
mod topic_metrics;
mod topic_tree;
mod topics;
mod trace;
mod users;

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse as _, Response},
};
use utoipa::{OpenApi, openapi};
use utoipa_axum::router::OpenApiRouter;

use crate::{App, error::Refusal, web};

/// The beginning of every path but those of static files.
pub(crate) const BASE: &str = "/api/v5";

#[derive(OpenApi)]
#[openapi(info(
    title = "TernMQ",
    description = "The REST API of a TernMQ broker. Paths and fields are those of EMQX 5."
))]
struct Document;

/// What is below [`BASE`].
const RESOURCES: &[fn() -> OpenApiRouter<App>] = &[
    addresses::routes,
    alarms::routes,
    api_key::routes,
    attention::routes,
    audit::routes,
    authentication::routes,
    authorization::routes,
    auto_subscribe::routes,
    banned::routes,
    certificate::routes,
    client_messages::routes,
    clients::routes,
    configs::routes,
    connection_log::routes,
    data::routes,
    delayed::routes,
    error_codes::routes,
    listeners::routes,
    live::routes,
    login::routes,
    logs::routes,
    losses::routes,
    monitor::routes,
    mqtt::routes,
    nodes::routes,
    prometheus::routes,
    publish::routes,
    retainer::routes,
    rewrite::routes,
    security::routes,
    settings::routes,
    slow_subscriptions::routes,
    status::routes,
    subscriptions::routes,
    topic_metrics::routes,
    topic_tree::routes,
    topics::routes,
    trace::routes,
    users::routes,
];

/// All that is served. The description of each resource is dropped as soon as it was made: all of them
/// together would be half of what an idle broker takes.
pub(crate) fn all() -> Router<App> {
    let versioned = RESOURCES.iter().map(|routes| Router::from(routes()));
    Router::new()
        .nest(BASE, versioned.fold(Router::new(), Router::merge))
        // Probes of EMQX's charts ask at the root.
        .merge(Router::from(status::routes()))
        .merge(mqtt::socket())
        .merge(docs::routes())
        .merge(ctl::routes())
        .fallback(nothing_here)
}

/// The document that describes them.
pub(crate) fn document() -> openapi::OpenApi {
    let versioned = RESOURCES.iter().map(|routes| routes());
    OpenApiRouter::with_openapi(Document::openapi())
        .nest(
            BASE,
            versioned.fold(OpenApiRouter::new(), OpenApiRouter::merge),
        )
        .merge(status::routes())
        .into_openapi()
}

/// Files and pages of the dashboard. For the rest a browser is shown a line, a program an error in the
/// usual shape.
async fn nothing_here(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).map(HeaderValue::as_bytes);
    let is_browser = accepts.is_some_and(|kinds| kinds.starts_with(b"text/html"));
    if uri.path().starts_with(BASE) {
        return Refusal::not_found("NOT_FOUND", "Request Path Not Found").into_response();
    }
    let looks = matches!(method, Method::GET | Method::HEAD);
    let found = web::find(uri.path(), is_browser).filter(|_| looks);
    match found {
        Some(file) => file.response(&headers),
        None if is_browser => (StatusCode::NOT_FOUND, Html("404 - NOT FOUND")).into_response(),
        None => Refusal::not_found("NOT_FOUND", "Request Path Not Found").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Types that are described, by the name that they have in the document.
    fn described(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                described(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("ToSchema)]") {
                let rest = &text[at..];
                let own = rest
                    .find("struct ")
                    .into_iter()
                    .chain(rest.find("enum "))
                    .min();
                let own = &rest[own.expect("what it derives for")..];
                let renamed = rest[..rest.len() - own.len()].split("schema(as = ").nth(1);
                let name = renamed.unwrap_or_else(|| own.split_once(' ').unwrap().1);
                let end = name.find(|c: char| !c.is_alphanumeric()).unwrap();
                found.push(name[..end].to_owned());
            }
        }
    }

    /// Two types of one name would be one in the document, and one of them would be described wrongly:
    /// `#[schema(as = ...)]` gives another name there.
    #[test]
    fn described_types_have_names_of_their_own() {
        let mut found = Vec::new();
        described(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/route")),
            &mut found,
        );
        assert!(found.len() > 10);
        found.sort();
        for pair in found.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
    }
}
