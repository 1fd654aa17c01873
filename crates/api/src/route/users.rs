//! Who may sign in, and their passwords.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::login::wait;
use crate::{
    App,
    account::{Role, Secret, Told, Unchanged, is_user_name},
    door::Caller,
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(change, delete))
        .routes(routes!(change_password, change_password_as_before))
}

/// Longest description, in bytes.
const DESCRIPTION_MAX: usize = 1_024;

#[derive(Serialize, ToSchema)]
struct User {
    username: String,
    description: String,
    role: Role,
    /// Where the user is kept; always here.
    backend: &'static str,
}

impl From<Told> for User {
    fn from(told: Told) -> Self {
        Self {
            username: told.username,
            description: told.description,
            role: told.role,
            backend: "local",
        }
    }
}

impl From<Unchanged> for Refusal {
    fn from(unchanged: Unchanged) -> Self {
        let words = unchanged.to_string();
        match unchanged {
            Unchanged::NoUser => Self::not_found("USER_NOT_FOUND", words),
            Unchanged::NoKey => Self::not_found("NOT_FOUND", words),
            Unchanged::WrongPassword => {
                Self::new(StatusCode::BAD_REQUEST, "ERROR_PWD_NOT_MATCH", words)
            }
            Unchanged::NotAllowed(_) => Self::new(StatusCode::BAD_REQUEST, "NOT_ALLOWED", words),
            Unchanged::Wait(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_ATTEMPTS", words)
            }
            Unchanged::Exists | Unchanged::TooMany | Unchanged::Weak(_) => Self::bad_request(words),
            Unchanged::Keep(error) => error.into(),
        }
    }
}

/// The users
#[utoipa::path(
    get,
    path = "/users",
    tag = "Users",
    responses((status = 200, description = "All users, by name.", body = Vec<User>))
)]
async fn list(State(app): State<App>) -> Json<Vec<User>> {
    Json(app.accounts.users().into_iter().map(User::from).collect())
}

#[derive(Deserialize, ToSchema)]
struct NewUser {
    /// Letters, digits and `_`.
    #[schema(example = "anna", pattern = "^[A-Za-z0-9_]+$", max_length = 64)]
    username: String,
    /// 8 to 64 ASCII characters of at least two kinds: letters, digits, others.
    #[schema(format = Password)]
    password: String,
    #[serde(default)]
    #[schema(max_length = 1024)]
    description: String,
    #[serde(default = "administrator")]
    role: Role,
}

/// As in EMQX without roles.
fn administrator() -> Role {
    Role::Administrator
}

/// Add a user
#[utoipa::path(
    post,
    path = "/users",
    tag = "Users",
    request_body = NewUser,
    responses(
        (status = 200, description = "The user.", body = User),
        (status = 429, description = "Too many passwords are being hashed.", body = ErrorBody),
    )
)]
async fn create(State(app): State<App>, Json(new): Json<NewUser>) -> Result<Json<User>, Refusal> {
    if !is_user_name(&new.username) {
        return Err(Refusal::bad_request(
            "a user name has 1 to 64 letters, digits and _",
        ));
    }
    check_description(&new.description)?;
    check_role(new.role)?;
    let password = Secret::new(new.password);
    let added = app
        .accounts
        .add_user(&new.username, password, new.role, new.description);
    Ok(Json(added.await?.into()))
}

fn check_role(role: Role) -> Result<(), Refusal> {
    if role != Role::Wall {
        return Ok(());
    }
    Err(Refusal::bad_request(
        "a user is an administrator or a viewer; a wall display has an API key",
    ))
}

fn check_description(text: &str) -> Result<(), Refusal> {
    if text.len() <= DESCRIPTION_MAX {
        return Ok(());
    }
    Err(Refusal::bad_request(format!(
        "a description has {DESCRIPTION_MAX} bytes at most"
    )))
}

#[derive(Deserialize, ToSchema)]
struct UserChange {
    #[schema(max_length = 1024)]
    description: Option<String>,
    role: Option<Role>,
}

/// Change what a user may do, or the description
#[utoipa::path(
    put,
    path = "/users/{username}",
    tag = "Users",
    params(("username" = String, Path)),
    request_body = UserChange,
    responses(
        (status = 200, description = "The user. With another role all tokens of the user end.", body = User),
        (status = 404, description = "There is no such user.", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    Path(username): Path<String>,
    Json(change): Json<UserChange>,
) -> Result<Json<User>, Refusal> {
    check_description(change.description.as_deref().unwrap_or_default())?;
    change.role.map_or(Ok(()), check_role)?;
    let changed = app
        .accounts
        .change_user(&username, change.role, change.description);
    Ok(Json(changed.await?.into()))
}

/// Delete a user
#[utoipa::path(
    delete,
    path = "/users/{username}",
    tag = "Users",
    params(("username" = String, Path)),
    responses(
        (status = 204, description = "Deleted; all tokens of the user end."),
        (status = 404, description = "There is no such user.", body = ErrorBody),
    )
)]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(username): Path<String>,
) -> Result<StatusCode, Refusal> {
    if caller.name == username {
        return Err(Unchanged::NotAllowed("nobody deletes oneself").into());
    }
    app.accounts.delete_user(&username).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
struct Passwords {
    #[schema(format = Password)]
    old_pwd: String,
    /// 8 to 64 ASCII characters of at least two kinds: letters, digits, others.
    #[schema(format = Password)]
    new_pwd: String,
}

/// Change a password
#[utoipa::path(
    post,
    path = "/users/{username}/change_pwd",
    tag = "Users",
    params(("username" = String, Path)),
    request_body = Passwords,
    responses(
        (status = 204, description = "Changed; all tokens of the user end."),
        (status = 404, description = "There is no such user.", body = ErrorBody),
        (status = 429, description = "Too many wrong passwords; `retry-after` says how many seconds to wait.", body = ErrorBody),
    )
)]
async fn change_password(
    State(app): State<App>,
    caller: Caller,
    Path(username): Path<String>,
    Json(passwords): Json<Passwords>,
) -> Result<Response, Refusal> {
    let (old, new) = (
        Secret::new(passwords.old_pwd),
        Secret::new(passwords.new_pwd),
    );
    let now = app.admin.now_millis();
    let changed = app
        .accounts
        .change_password(&username, old, new, caller.address, now);
    match changed.await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(Unchanged::Wait(secs)) => Ok(wait(secs)),
        Err(other) => Err(other.into()),
    }
}

/// Change a password, as early EMQX 5 has it
#[utoipa::path(
    put,
    path = "/users/{username}/change_pwd",
    tag = "Users",
    params(("username" = String, Path)),
    request_body = Passwords,
    responses(
        (status = 204, description = "Changed; all tokens of the user end."),
        (status = 404, description = "There is no such user.", body = ErrorBody),
        (status = 429, description = "Too many wrong passwords; `retry-after` says how many seconds to wait.", body = ErrorBody),
    )
)]
async fn change_password_as_before(
    app: State<App>,
    caller: Caller,
    username: Path<String>,
    passwords: Json<Passwords>,
) -> Result<Response, Refusal> {
    change_password(app, caller, username, passwords).await
}
