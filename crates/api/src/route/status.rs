//! Whether it runs: for probes, which are not signed in and are told no more than that. Who is signed
//! in learns the node's name and version, too.

use axum::{
    Extension, Json,
    extract::Query,
    http::header,
    response::{IntoResponse, Response},
};
use broker::admin::NODE;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{App, door::Caller};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(status))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Form {
    /// `text`, which is the default, or `json`.
    format: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Status {
    /// For who is signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    node_name: Option<&'static str>,
    /// For who is signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    rel_vsn: Option<&'static str>,
    broker_status: &'static str,
    app_status: &'static str,
}

/// Whether the broker runs
#[utoipa::path(
    get,
    path = "/status",
    tag = "Status",
    params(Form),
    responses((status = 200, description = "It runs.", content(
        (String = "text/plain"),
        (Status = "application/json"),
    )))
)]
async fn status(caller: Option<Extension<Caller>>, Query(form): Query<Form>) -> Response {
    // EMQX's probes look for this header's presence when a node starts.
    let headers = [(header::RETRY_AFTER, "15")];
    if form.format.as_deref() == Some("json") {
        let status = Status {
            node_name: caller.is_some().then_some(NODE),
            rel_vsn: caller.is_some().then_some(env!("CARGO_PKG_VERSION")),
            broker_status: "started",
            app_status: "running",
        };
        return (headers, Json(status)).into_response();
    }
    (headers, "TernMQ is started\nemqx is running").into_response()
}
