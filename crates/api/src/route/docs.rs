//! The API's documentation: the OpenAPI document and a page that shows it, all of it in the binary.

use std::sync::OnceLock;

use axum::{
    Router,
    body::Bytes,
    http::header,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use crate::App;

const INDEX: &str = include_str!("../docs/index.html");
const SCRIPT: &str = include_str!("../docs/docs.js");
const STYLE: &str = include_str!("../docs/docs.css");

const HTML: &str = "text/html; charset=utf-8";

/// They describe the API and are no part of it.
pub(super) fn routes() -> Router<App> {
    let page = || get(|| async { file(HTML, INDEX) });
    let document = || get(|| async { document() });
    Router::new()
        .route(
            "/api-docs",
            get(|| async { Redirect::permanent("/api-docs/index.html") }),
        )
        .route("/api-docs/", page())
        .route("/api-docs/index.html", page())
        .route(
            "/api-docs/docs.js",
            get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }),
        )
        .route(
            "/api-docs/docs.css",
            get(|| async { file("text/css; charset=utf-8", STYLE) }),
        )
        // EMQX's name for it, and the usual one.
        .route("/api-docs/swagger.json", document())
        .route("/api-docs/openapi.json", document())
}

fn file(kind: &'static str, text: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
        .into_response()
}

fn document() -> Response {
    // Made when somebody asks for it: most brokers are never asked.
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| crate::document().into());
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, document.clone()).into_response()
}
