//! What clients may do: settings, sources in their order, and the question whether somebody may.

mod check;
mod rules;
mod sources;

use axum::{Json, extract::State, http::StatusCode};
use broker::admin::authorize::{AccessError, AccessSettings, CacheSettings};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show, set))
        .routes(routes!(clear_cache))
        .merge(check::routes())
        .merge(sources::routes())
        .merge(rules::routes())
}

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Self {
        let words = error.to_string();
        match error {
            AccessError::Exists(_) => Self::new(StatusCode::CONFLICT, "ALREADY_EXISTS", words),
            AccessError::Missing(_) => Self::not_found("NOT_FOUND", words),
            AccessError::Decide(error) => error.into(),
            _ => Self::bad_request(words),
        }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuthorizationPermission)]
enum Permission {
    Allow,
    Deny,
}

impl Permission {
    fn of(allows: bool) -> Self {
        if allows { Self::Allow } else { Self::Deny }
    }

    fn allows(self) -> bool {
        matches!(self, Self::Allow)
    }
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum DenyAction {
    /// What is denied is not done; MQTT 5 is told so.
    Ignore,
    /// And the connection ends.
    Disconnect,
}

/// What holds besides the rules.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AuthorizationSettings)]
struct Settings {
    /// Where no rule says anything.
    no_match: Permission,
    deny_action: DenyAction,
    #[serde(default)]
    cache: Cache,
}

/// What is remembered of what sources elsewhere said, for each connection. What the broker decides itself is
/// not.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = AuthorizationCache)]
struct Cache {
    enable: bool,
    max_size: u32,
    #[schema(example = "1m")]
    ttl: String,
    excludes: Vec<String>,
}

impl Default for Cache {
    fn default() -> Self {
        CacheSettings::default().into()
    }
}

impl From<CacheSettings> for Cache {
    fn from(cache: CacheSettings) -> Self {
        Self {
            enable: cache.enabled,
            max_size: cache.max_size,
            ttl: cache.ttl,
            excludes: cache.excludes,
        }
    }
}

/// What holds besides the rules
#[utoipa::path(
    get,
    path = "/authorization/settings",
    tag = "Authorization",
    responses((status = 200, description = "As it is.", body = Settings))
)]
async fn show(State(app): State<App>) -> Json<Settings> {
    let settings = app.admin.access_settings();
    Json(Settings {
        no_match: Permission::of(!settings.denies_unmatched),
        deny_action: if settings.disconnects {
            DenyAction::Disconnect
        } else {
            DenyAction::Ignore
        },
        cache: settings.cache.into(),
    })
}

/// Change what holds besides the rules
///
/// Clients that are connected are judged anew within a second.
#[utoipa::path(
    put,
    path = "/authorization/settings",
    tag = "Authorization",
    request_body = Settings,
    responses(
        (status = 200, description = "As it is now.", body = Settings),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn set(
    State(app): State<App>,
    Json(wanted): Json<Settings>,
) -> Result<Json<Settings>, Refusal> {
    let Cache {
        enable,
        max_size,
        ttl,
        excludes,
    } = wanted.cache;
    let settings = AccessSettings {
        denies_unmatched: !wanted.no_match.allows(),
        disconnects: matches!(wanted.deny_action, DenyAction::Disconnect),
        cache: CacheSettings {
            enabled: enable,
            max_size,
            ttl,
            excludes,
        },
    };
    app.admin.set_access_settings(settings).await?;
    Ok(show(State(app)).await)
}

/// Forget what sources elsewhere have said
///
/// Whatever clients do from then on is asked again. What is on its way counts as said later; subscriptions that were
/// granted stay.
#[utoipa::path(
    delete,
    path = "/authorization/cache",
    tag = "Authorization",
    responses((status = 204, description = "It is forgotten."))
)]
async fn clear_cache(State(app): State<App>) -> Result<StatusCode, Refusal> {
    app.admin.forget_words().await?;
    Ok(StatusCode::NO_CONTENT)
}
