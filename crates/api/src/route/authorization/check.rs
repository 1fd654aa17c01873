//! Whether somebody may do something, and why.

use std::net::IpAddr;

use axum::{Json, extract::State};
use broker::admin::authorize::Inquiry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Permission;
use crate::{
    App,
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(check))
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Deed {
    Publish,
    Subscribe,
}

/// Who wants to do what.
#[derive(Deserialize, ToSchema)]
#[schema(as = AuthorizationQuestion)]
struct Question {
    /// A user who has proven to be that; none for anonymous.
    username: Option<String>,
    #[serde(default)]
    clientid: String,
    /// The address it comes from. Where it is not known, rules for networks allow nothing.
    peerhost: Option<String>,
    /// CN of the certificate that the user showed.
    cert_common_name: Option<String>,
    #[serde(default)]
    is_superuser: bool,
    action: Deed,
    /// A topic, or the filter of a subscription.
    #[schema(example = "sensors/1")]
    topic: String,
    #[serde(default)]
    #[schema(maximum = 2)]
    qos: u8,
    #[serde(default)]
    retain: bool,
    /// Rules to be tried in the place of those of the source `file`; nothing is changed by it.
    rules: Option<String>,
}

/// Whether it may.
#[derive(Serialize, ToSchema)]
#[schema(as = AuthorizationAnswer)]
struct Answer {
    result: Permission,
    /// Some of what the subscription brings is denied, and does not come.
    partly: bool,
    /// What decided: `rule`, `no_match`, `superuser`, `system_topic` or `events`; `elsewhere` where it was a
    /// source that was asked for this, or that does not answer.
    by: &'static str,
    /// The rule, or why none had to be asked.
    rule: String,
}

/// Whether somebody may do something
///
/// Answered by the rules that are in force and by the sources that are asked, and changes nothing. A client need
/// not be connected.
#[utoipa::path(
    post,
    path = "/authorization/check",
    tag = "Authorization",
    request_body = Question,
    responses(
        (status = 200, description = "The answer, and what decided.", body = Answer),
        (status = 400, description = "`BAD_REQUEST`: no topic, or rules that are none.", body = ErrorBody),
    )
)]
async fn check(
    State(app): State<App>,
    Json(question): Json<Question>,
) -> Result<Json<Answer>, Refusal> {
    let peer = question.peerhost.map(|text| text.parse::<IpAddr>());
    let peer = peer.transpose();
    let inquiry = Inquiry {
        user_name: question.username,
        client_id: question.clientid,
        common_name: question.cert_common_name,
        peer: peer.map_err(|_| Refusal::bad_request("peerhost is no address"))?,
        is_superuser: question.is_superuser,
        publishes: question.action == Deed::Publish,
        topic: question.topic,
        qos: question.qos,
        retain: question.retain,
        file: question.rules,
    };
    let answer = app.admin.may(&inquiry).await?;
    Ok(Json(Answer {
        result: Permission::of(answer.is_allowed),
        partly: answer.is_partly,
        by: answer.by,
        rule: answer.rule,
    }))
}
