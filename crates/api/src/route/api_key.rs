//! Keys for programs. The secret is told when a key is made, and never again.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    account::{Key, NewKey, Role, is_key_name},
    error::{ErrorBody, Refusal},
    time::{self, rfc3339},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, change, delete))
}

/// Longest description, in bytes.
const DESCRIPTION_MAX: usize = 1_024;
/// Instead of a time.
const FOR_EVER: &str = "infinity";

#[derive(Serialize, ToSchema)]
struct ApiKey {
    name: String,
    /// The user name of HTTP's Basic scheme.
    api_key: String,
    /// The password. Only in the answer that makes the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_secret: Option<String>,
    desc: String,
    enable: bool,
    expired: bool,
    /// A time, or `infinity`.
    expired_at: String,
    created_at: String,
    role: Role,
}

impl ApiKey {
    fn new(name: &str, key: Key, now: u64) -> Self {
        Self {
            name: name.to_owned(),
            api_secret: None,
            enable: key.enable,
            expired: key.is_expired(now),
            expired_at: key.expired_at.map_or_else(|| FOR_EVER.to_owned(), rfc3339),
            created_at: rfc3339(key.created_at),
            role: key.role,
            desc: key.desc,
            api_key: key.key,
        }
    }
}

/// All keys
#[utoipa::path(
    get,
    path = "/api_key",
    tag = "API keys",
    responses((status = 200, description = "All keys, by name; no secrets.", body = Vec<ApiKey>))
)]
async fn list(State(app): State<App>) -> Json<Vec<ApiKey>> {
    let now = app.admin.now_millis();
    let keys = app.accounts.keys().into_iter();
    Json(
        keys.map(|(name, key)| ApiKey::new(&name, key, now))
            .collect(),
    )
}

#[derive(Deserialize, ToSchema)]
struct NewApiKey {
    /// Begins with a letter; letters, digits, `-` and `_`.
    #[schema(
        example = "ci",
        pattern = "^[A-Za-z]+[A-Za-z0-9-_]*$",
        max_length = 255
    )]
    name: String,
    #[serde(default)]
    #[schema(max_length = 1024)]
    desc: String,
    #[serde(default = "yes")]
    enable: bool,
    /// RFC 3339, or seconds since 1970, or `infinity`.
    #[schema(value_type = Option<String>, example = "infinity")]
    expired_at: Option<Value>,
    #[serde(default = "administrator")]
    role: Role,
}

fn yes() -> bool {
    true
}

/// As in EMQX without roles.
fn administrator() -> Role {
    Role::Administrator
}

/// Make a key
#[utoipa::path(
    post,
    path = "/api_key",
    tag = "API keys",
    request_body = NewApiKey,
    responses((status = 200, description = "The key with its secret, which is told only now.", body = ApiKey))
)]
async fn create(
    State(app): State<App>,
    Json(new): Json<NewApiKey>,
) -> Result<Json<ApiKey>, Refusal> {
    if !is_key_name(&new.name) {
        return Err(Refusal::bad_request(
            "a key's name begins with a letter and has letters, digits, - and _, 255 at most",
        ));
    }
    check_description(&new.desc)?;
    let now = app.admin.now_millis();
    let wanted = NewKey {
        desc: new.desc,
        enable: new.enable,
        role: new.role,
        expired_at: expiry(new.expired_at.as_ref())?,
    };
    let (key, secret) = app.accounts.add_key(&new.name, wanted, now).await?;
    let mut told = ApiKey::new(&new.name, key, now);
    told.api_secret = Some(secret.reveal().to_owned());
    Ok(Json(told))
}

fn check_description(text: &str) -> Result<(), Refusal> {
    if text.len() <= DESCRIPTION_MAX {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "a description has {DESCRIPTION_MAX} bytes at most"
    )))
}

/// Milliseconds since 1970; `None` is for ever.
fn expiry(given: Option<&Value>) -> Result<Option<u64>, Refusal> {
    let bad = || Refusal::bad_request(format!("expired_at is {}, or infinity", time::FORM));
    match given {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text == FOR_EVER || text == "undefined" => Ok(None),
        Some(value) => time::of_json(value).map(Some).ok_or_else(bad),
    }
}

fn no_key() -> Refusal {
    Refusal::not_found("NOT_FOUND", "there is no such key")
}

/// One key
#[utoipa::path(
    get,
    path = "/api_key/{name}",
    tag = "API keys",
    params(("name" = String, Path)),
    responses(
        (status = 200, description = "The key without its secret.", body = ApiKey),
        (status = 404, description = "There is no such key.", body = ErrorBody),
    )
)]
async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Json<ApiKey>, Refusal> {
    let key = app.accounts.key(&name).ok_or_else(no_key)?;
    Ok(Json(ApiKey::new(&name, key, app.admin.now_millis())))
}

#[derive(Deserialize, ToSchema)]
struct ApiKeyChange {
    #[schema(max_length = 1024)]
    desc: Option<String>,
    enable: Option<bool>,
    /// RFC 3339, or seconds since 1970, or `infinity`.
    #[schema(value_type = Option<String>, example = "infinity")]
    expired_at: Option<Value>,
    role: Option<Role>,
}

/// Change a key
#[utoipa::path(
    put,
    path = "/api_key/{name}",
    tag = "API keys",
    params(("name" = String, Path)),
    request_body = ApiKeyChange,
    responses(
        (status = 200, description = "The key without its secret.", body = ApiKey),
        (status = 404, description = "There is no such key.", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    Path(name): Path<String>,
    Json(change): Json<ApiKeyChange>,
) -> Result<Json<ApiKey>, Refusal> {
    check_description(change.desc.as_deref().unwrap_or_default())?;
    let expired_at = match &change.expired_at {
        given @ Some(_) => Some(expiry(given.as_ref())?),
        None => None,
    };
    let changed = app.accounts.change_key(&name, |key| {
        if let Some(desc) = change.desc {
            key.desc = desc;
        }
        key.enable = change.enable.unwrap_or(key.enable);
        key.role = change.role.unwrap_or(key.role);
        key.expired_at = expired_at.unwrap_or(key.expired_at);
    });
    let key = changed.await?;
    Ok(Json(ApiKey::new(&name, key, app.admin.now_millis())))
}

/// Delete a key
#[utoipa::path(
    delete,
    path = "/api_key/{name}",
    tag = "API keys",
    params(("name" = String, Path)),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "There is no such key.", body = ErrorBody),
    )
)]
async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    app.accounts.delete_key(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn when_a_key_expires() {
        let table = [
            (json!(null), Some(None)),
            (json!("infinity"), Some(None)),
            (json!("undefined"), Some(None)),
            (json!(1_893_456_000), Some(Some(1_893_456_000_000))),
            (json!("1893456000"), Some(Some(1_893_456_000_000))),
            (json!("2030-01-01T00:00:00Z"), Some(Some(1_893_456_000_000))),
            (json!("tomorrow"), None),
            (json!(-1), None),
            (json!(1.5), None),
            (json!(true), None),
            (json!(u64::MAX), None),
        ];
        for (given, due) in table {
            assert_eq!(expiry(Some(&given)).ok(), due, "{given}");
        }
    }
}
