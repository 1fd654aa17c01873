//! The certificate that clients are given so that they trust the one that the broker made for itself.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(download))
}

/// Take the broker's own authority away
///
/// What a client needs to trust the certificate that the broker made for itself, as
/// `mosquitto_pub --cafile ternmq-ca.pem`. It holds no secret: near addresses need not sign in.
#[utoipa::path(
    get,
    path = "/certificate",
    tag = "Listeners",
    operation_id = "download_certificate",
    responses(
        (status = 200, description = "The certificate (PEM).", body = String,
            content_type = "application/x-pem-file"),
        (status = 404, description = "The broker has made none: all its TLS listeners have \
            certificates of their own.", body = ErrorBody),
    )
)]
async fn download(State(app): State<App>) -> Result<Response, Refusal> {
    let text = app.admin.own_authority().ok_or_else(|| {
        Refusal::not_found("NOT_FOUND", "the broker has made no certificate for itself")
    })?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-pem-file"),
        ),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"ternmq-ca.pem\""),
        ),
    ];
    Ok((headers, text).into_response())
}
