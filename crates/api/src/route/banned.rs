//! Who is shut out.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use broker::admin::ban::{Ban, BanError, BanKind, BanQuery};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    page::{Meta, Page, Paging},
    time::{self, rfc3339},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add, clear))
        .routes(routes!(delete))
}

/// Who says so if nobody does.
const BY: &str = "mgmt_api";
const FOR_EVER: &str = "infinity";
const WORDS_MAX: usize = 1024;

/// What a ban looks at.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum As {
    Clientid,
    Username,
    Peerhost,
    ClientidRe,
    UsernameRe,
    PeerhostNet,
}

impl As {
    fn kind(self) -> BanKind {
        match self {
            Self::Clientid => BanKind::ClientId,
            Self::Username => BanKind::UserName,
            Self::Peerhost => BanKind::PeerHost,
            Self::ClientidRe => BanKind::ClientIdRe,
            Self::UsernameRe => BanKind::UserNameRe,
            Self::PeerhostNet => BanKind::PeerHostNet,
        }
    }

    fn of(kind: BanKind) -> Self {
        match kind {
            BanKind::ClientId => Self::Clientid,
            BanKind::UserName => Self::Username,
            BanKind::PeerHost => Self::Peerhost,
            BanKind::ClientIdRe => Self::ClientidRe,
            BanKind::UserNameRe => Self::UsernameRe,
            BanKind::PeerHostNet => Self::PeerhostNet,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = BannedRow)]
struct Row {
    r#as: As,
    who: String,
    by: String,
    reason: String,
    at: String,
    /// A time, or `infinity`.
    until: String,
}

impl From<Ban> for Row {
    fn from(ban: Ban) -> Self {
        Self {
            r#as: As::of(ban.kind),
            who: ban.who,
            by: ban.by,
            reason: ban.reason,
            at: rfc3339(ban.at),
            until: ban.until.map_or_else(|| FOR_EVER.to_owned(), rfc3339),
        }
    }
}

/// A ban as it is asked for.
#[derive(Deserialize, ToSchema)]
struct Wanted {
    r#as: As,
    /// A client id, a user name, an address, a regular expression, or a network such as `192.0.2.0/24`.
    #[schema(min_length = 1, max_length = 65535)]
    who: String,
    #[schema(max_length = 1024)]
    by: Option<String>,
    #[schema(max_length = 1024)]
    reason: Option<String>,
    /// From when on: a time, or seconds since 1970. Now, if it is left out.
    #[schema(value_type = Option<String>)]
    at: Option<Value>,
    /// Until when: a time, seconds since 1970, or `infinity`, which is the default.
    #[schema(value_type = Option<String>)]
    until: Option<Value>,
}

/// Milliseconds since 1970.
fn millis(field: &str, value: &Value) -> Result<u64, Refusal> {
    let bad = || Refusal::bad_request(format!("{field} is not {}", time::FORM));
    time::of_json(value).ok_or_else(bad)
}

impl Wanted {
    fn ban(self, now: u64) -> Result<Ban, Refusal> {
        let words = |field: &str, text: Option<String>, default: &str| match text {
            Some(text) if text.len() > WORDS_MAX => Err(Refusal::bad_request(format!(
                "{field} is longer than {WORDS_MAX} bytes"
            ))),
            text => Ok(text.unwrap_or_else(|| default.to_owned())),
        };
        let at = self.at.filter(|at| !at.is_null());
        let at = at.map_or(Ok(now), |at| millis("at", &at))?;
        let until = match self.until {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text == FOR_EVER => None,
            Some(until) => Some(millis("until", &until)?),
        };
        if until.is_some_and(|until| until <= now || until <= at) {
            return Err(Refusal::bad_request("until has passed, or is before at"));
        }
        Ok(Ban {
            kind: self.r#as.kind(),
            who: self.who,
            by: words("by", self.by, BY)?,
            reason: words("reason", self.reason, "")?,
            at,
            until,
        })
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// This client id.
    clientid: Option<String>,
    /// This user name.
    username: Option<String>,
    /// This address.
    peerhost: Option<String>,
    /// A part of it, or of the expression for client ids.
    like_clientid: Option<String>,
    /// A part of it, or of the expression for user names.
    like_username: Option<String>,
    /// A part of the address.
    like_peerhost: Option<String>,
    /// A part of the network.
    like_peerhost_net: Option<String>,
}

/// Bans in force or to come
#[utoipa::path(
    get,
    path = "/banned",
    tag = "Banned",
    params(Paging, Filter),
    responses(
        (status = 200, description = "A page of them.", body = Page<Row>),
        (status = 400, description = "`INVALID_PARAMETER`", body = ErrorBody),
    )
)]
async fn list(
    State(app): State<App>,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<Row>>, Refusal> {
    let window = paging.window()?;
    let query = BanQuery {
        client_id: filter.clientid,
        user_name: filter.username,
        peer_host: filter.peerhost,
        like_client_id: filter.like_clientid,
        like_user_name: filter.like_username,
        like_peer_host: filter.like_peerhost,
        like_peer_host_net: filter.like_peerhost_net,
    };
    let offset = usize::try_from(window.offset()).unwrap_or(usize::MAX);
    let limit = usize::try_from(window.limit).unwrap_or(usize::MAX);
    let (count, page) = app.admin.bans(&query, offset, limit);
    Ok(Json(Page {
        meta: Meta {
            page: window.page,
            limit: window.limit,
            count: u64::try_from(count).ok(),
            hasnext: offset.saturating_add(page.len()) < count,
        },
        data: page.into_iter().map(Row::from).collect(),
    }))
}

/// Shut somebody out
///
/// Connections that the ban is for end within a second.
#[utoipa::path(
    post,
    path = "/banned",
    tag = "Banned",
    request_body = Wanted,
    responses(
        (status = 200, description = "The ban.", body = Row),
        (status = 400, description = "`BAD_REQUEST`, or `ALREADY_EXISTS` with the ban there is as its message.", body = ErrorBody),
        (status = 409, description = "`EXCEED_LIMIT`: no more bans of this kind fit.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn add(State(app): State<App>, Json(wanted): Json<Wanted>) -> Result<Json<Row>, Refusal> {
    let ban = wanted.ban(app.admin.now_millis())?;
    match app.admin.ban(ban).await {
        Ok(ban) => Ok(Json(ban.into())),
        Err(BanError::Exists(old)) => {
            let old = serde_json::to_string(&Row::from(*old)).unwrap_or_default();
            Err(Refusal::new(StatusCode::BAD_REQUEST, "ALREADY_EXISTS", old))
        }
        Err(BanError::Decide(error)) => Err(error.into()),
        Err(other) => Err(Refusal::bad_request(other.to_string())),
    }
}

/// Lift all bans
#[utoipa::path(
    delete,
    path = "/banned",
    tag = "Banned",
    responses(
        (status = 204, description = "Nobody is shut out."),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn clear(State(app): State<App>) -> Result<StatusCode, Refusal> {
    app.admin.lift_all_bans().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lift a ban
#[utoipa::path(
    delete,
    path = "/banned/{as}/{who}",
    tag = "Banned",
    params(
        ("as" = As, Path, description = "What it looks at."),
        ("who" = String, Path, description = "Whom it is for, percent-encoded."),
    ),
    responses(
        (status = 204, description = "It is lifted."),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn delete(
    State(app): State<App>,
    Path((kind, who)): Path<(As, String)>,
) -> Result<StatusCode, Refusal> {
    if app.admin.lift_ban(kind.kind(), &who).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refusal::not_found("NOT_FOUND", "there is no such ban"))
}
