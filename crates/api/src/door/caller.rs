//! Who calls, by token, cookie or key, and whether that one may.

use std::net::IpAddr;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use broker::admin::settings::Profile;

use super::{
    notice::Turned,
    place::Visitor,
    rule::{Rule, Who},
};
use crate::{
    App,
    account::{Known, Role, Secret, TokenRefused},
    error::Refusal,
};

/// The cookie beside the bearer token: for what a browser asks for without a script.
pub(crate) const COOKIE: &str = "ternmq_token";
/// No page of others can send it without asking first, and that is not answered.
const BY_SCRIPT: &str = "x-requested-with";

/// Who it is that calls; handlers of calls that need somebody find it among the extensions.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) role: Role,
    pub(crate) must_set_password: bool,
    pub(crate) address: IpAddr,
    /// The token that was shown, if it was one.
    pub(crate) token: Option<Secret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Key,
    /// Of the data directory.
    Owner,
}

/// What somebody shows of oneself.
enum Shown {
    Token(Secret),
    Key {
        key: String,
        secret: Secret,
    },
    /// A key that cannot be read.
    Unreadable,
}

/// Who it is. Where nobody is needed, whoever can be recognised, and nobody is turned away.
pub(super) fn identify(
    app: &App,
    request: &Request,
    visitor: Visitor,
    rule: Rule,
) -> Result<Option<Caller>, Turned> {
    let recognised = recognise(app, request, visitor, rule);
    match rule.who {
        Who::Anybody => Ok(recognised.ok()),
        Who::Near if visitor.is_near => Ok(recognised.ok()),
        Who::NearAtHome if visitor.is_near && is_home(app) => Ok(recognised.ok()),
        _ => recognised.map(Some),
    }
}

fn is_home(app: &App) -> bool {
    app.admin
        .look(|config| config.node.profile == Profile::Home)
}

fn recognise(app: &App, request: &Request, visitor: Visitor, rule: Rule) -> Result<Caller, Turned> {
    let now = app.admin.now_millis();
    let shown = shown(request.headers(), request.method())?;
    let refused = |code, message: &str| Refusal::new(StatusCode::UNAUTHORIZED, code, message);
    let (known, kind, token) = match shown {
        // Whoever can read the data directory may do what an administrator may: `ternmq ctl` calls the
        // API with it.
        Shown::Token(token) if app.door.owner.is(&token) => {
            let owner = Known {
                name: "ternmq ctl".to_owned(),
                role: Role::Administrator,
                must_set_password: false,
            };
            (owner, Kind::Owner, None)
        }
        Shown::Token(_) if rule.who == Who::Owner => {
            let words = "this is not the token in the data directory";
            return Err(refused("BAD_TOKEN", words).into());
        }
        Shown::Token(token) => {
            let known = app.accounts.of_token(&token, now);
            let known = known.map_err(|why| match why {
                TokenRefused::TimedOut => refused(
                    "TOKEN_TIME_OUT",
                    "Token expired, get new token by POST /login",
                ),
                TokenRefused::Unknown => refused("BAD_TOKEN", "Get a token by POST /login"),
            })?;
            (known, Kind::User, Some(token))
        }
        Shown::Key { key, secret } => {
            let known = app.accounts.of_key(&key, &secret, now);
            let known = known
                .ok_or_else(|| refused("BAD_API_KEY_OR_SECRET", "Check api_key/api_secret"))?;
            if rule.people_only || rule.who == Who::Owner {
                let words = "This API Key don't have permission to access this resource";
                return Err(refused("API_KEY_NOT_ALLOW", words).into());
            }
            (known, Kind::Key, None)
        }
        Shown::Unreadable => {
            return Err(refused("BAD_API_KEY_OR_SECRET", "Check api_key/api_secret").into());
        }
    };
    Ok(Caller {
        name: known.name,
        kind,
        role: known.role,
        must_set_password: known.must_set_password,
        address: visitor.address,
        token,
    })
}

/// The token that a request shows, if it is one.
pub(super) fn shown_token(request: &Request) -> Option<Secret> {
    match shown(request.headers(), request.method()) {
        Ok(Shown::Token(token)) => Some(token),
        _ => None,
    }
}

/// What the headers show; the cookie only if there is no `Authorization`.
fn shown(headers: &HeaderMap, method: &Method) -> Result<Shown, Turned> {
    let refused = |message: &str| {
        let code = "AUTHORIZATION_HEADER_ERROR";
        Turned::asking(Refusal::new(StatusCode::UNAUTHORIZED, code, message))
    };
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        let token =
            cookie(headers).ok_or_else(|| refused("Support authorization: basic/bearer"))?;
        // A browser sends the cookie whoever made the page that asks.
        let is_safe = matches!(*method, Method::GET | Method::HEAD);
        if !is_safe && !headers.contains_key(BY_SCRIPT) {
            return Err(refused(
                "a call that changes something needs the token in the header Authorization, or beside \
                 the cookie a header X-Requested-With",
            ));
        }
        return Ok(Shown::Token(Secret::new(token)));
    };
    let value = value.to_str().unwrap_or_default();
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Shown::Token(Secret::new(rest.trim())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(refused("Support authorization: basic/bearer"));
    }
    let pair = BASE64_STANDARD.decode(rest.trim()).ok();
    let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
    Ok(
        match pair.as_deref().and_then(|pair| pair.split_once(':')) {
            Some((key, secret)) => Shown::Key {
                key: key.to_owned(),
                secret: Secret::new(secret),
            },
            None => Shown::Unreadable,
        },
    )
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = all
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, token)| token.to_owned())
}

pub(super) fn must_be_allowed(
    app: &App,
    caller: &Caller,
    request: &Request,
    rule: Rule,
) -> Result<(), Turned> {
    let is_oneself = || {
        // .../users/{username}/change_pwd; names need no escapes.
        let path = request.uri().path().trim_end_matches("/change_pwd");
        path.rsplit('/').next() == Some(&caller.name)
    };
    let allowed = match rule.who {
        Who::Anybody | Who::Near => true,
        Who::NearAtHome | Who::Viewer => caller.role != Role::Wall || rule.on_wall,
        Who::Administrator => caller.role == Role::Administrator,
        Who::Oneself => caller.role == Role::Administrator || is_oneself(),
        Who::Owner => caller.kind == Kind::Owner,
    };
    let refusal = if !allowed {
        Refusal::new(
            StatusCode::FORBIDDEN,
            "UNAUTHORIZED_ROLE",
            format!(
                "You don't have permission to access this resource: {} is a {}",
                caller.name,
                caller.role.name()
            ),
        )
    } else if caller.must_set_password && !rule.before_password && !app.accounts.is_password_set() {
        Refusal::new(
            StatusCode::FORBIDDEN,
            "SET_PASSWORD_FIRST",
            "whoever signs in with the default password may look, and change nothing; set a password \
             first: POST /users/admin/change_pwd, or ternmq reset-password on the server",
        )
    } else {
        return Ok(());
    };
    Err(refusal.into())
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "BAD_TOKEN",
                "Get a token by POST /login",
            )
        })
    }
}
