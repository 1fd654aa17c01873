//! MQTT over WebSocket on this port, and the ticket with which a page connects as its user.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    extract::{ConnectInfo, Extension, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing,
};
use broker::admin::web_socket::{Agreed, Holder, TICKET_LIFE, agree};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    account::Role,
    door::{Caller, Kind, Visitor},
    error::{ErrorBody, Refusal},
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(ticket))
}

/// At the root, where clients expect it. It speaks no JSON, so it is not described.
pub(super) fn socket() -> Router<App> {
    Router::new().route("/mqtt", routing::get(connect))
}

/// A ticket.
#[derive(Serialize, ToSchema)]
struct MqttTicket {
    /// The user name of CONNECT.
    username: String,
    /// The password of CONNECT. Good once.
    ticket: String,
    /// When it is good no more.
    expires: String,
}

/// Get a ticket for an MQTT connection
///
/// With it a page connects over `/mqtt` of this port as the user who is signed in: an administrator may
/// do what an MQTT user may, a viewer may subscribe. It is good once, for a minute.
#[utoipa::path(
    post,
    path = "/mqtt_ticket",
    tag = "Login",
    responses(
        (status = 200, description = "The ticket.", body = MqttTicket),
        (status = 403, description = "API keys are nobody who connects.", body = ErrorBody),
    )
)]
async fn ticket(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<MqttTicket>, Refusal> {
    if caller.kind != Kind::User {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "API_KEY_NOT_ALLOW",
            "only a person who is signed in gets a ticket",
        ));
    }
    let holder = match caller.role {
        Role::Administrator => Holder::Administrator,
        Role::Viewer | Role::Wall => Holder::Viewer,
    };
    let ticket = app.admin.ticket(&caller.name, holder).await?;
    let life = u64::try_from(TICKET_LIFE.as_millis()).unwrap_or(u64::MAX);
    Ok(Json(MqttTicket {
        username: caller.name,
        ticket,
        expires: rfc3339(app.admin.now_millis().saturating_add(life)),
    }))
}

/// Shakes hands, and hands the socket to the broker: from then on it is none of HTTP's.
async fn connect(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(visitor): Extension<Visitor>,
    mut request: Request,
) -> Response {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
    let Agreed { accept, protocol } = match agree(headers) {
        Ok(agreed) => agreed,
        Err(refused) => {
            let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
            let refusal = Refusal::new(status, refused.code, refused.text);
            return ([(header::UPGRADE, "websocket")], refusal.into_response()).into_response();
        }
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // A page that went away meanwhile is no news.
        let Ok(upgraded) = upgrade.await else {
            return;
        };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            tracing::error!("a WebSocket came through something that is no socket");
            return;
        };
        match parts.io.into_inner().into_std() {
            Ok(stream) => {
                let far = !visitor.is_near;
                app.admin
                    .take_web_socket(stream, parts.read_buf.to_vec(), peer, far);
            }
            Err(error) => tracing::error!("a WebSocket could not be handed over: {error}"),
        }
    });
    let headers = [
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
        (header::SEC_WEBSOCKET_PROTOCOL, protocol.to_owned()),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
