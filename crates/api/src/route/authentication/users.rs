//! The broker's own MQTT users.

use axum::body::Bytes;
use axum::{
    Json,
    extract::{DefaultBodyLimit, FromRequest as _, Multipart, Path, Query, Request, State},
    http::{StatusCode, header},
};
use broker::admin::authentication::{
    Format, MqttUser, Recruit, Secrecy, UserChange as Change, UserQuery,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    page::{Meta, Page, Paging},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    // The door has bounded it.
    let import = OpenApiRouter::new()
        .routes(routes!(import))
        .layer(DefaultBodyLimit::disable());
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(one, change, delete))
        .merge(import)
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = MqttUser)]
struct Row {
    /// A user name or a client id, as the authenticator has it.
    user_id: String,
    is_superuser: bool,
}

impl From<MqttUser> for Row {
    fn from(user: MqttUser) -> Self {
        Self {
            user_id: user.user_id,
            is_superuser: user.is_superuser,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// A part of the name.
    like_user_id: Option<String>,
    is_superuser: Option<bool>,
}

/// The users
#[utoipa::path(
    get,
    path = "/authentication/{id}/users",
    tag = "Authentication",
    params(("id" = String, Path), Paging, Wanted),
    responses(
        (status = 200, description = "A page of them, by name.", body = Page<Row>),
        (status = 400, description = "`INVALID_PARAMETER`, or the authenticator keeps no users here.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<Row>>, Refusal> {
    let window = paging.window()?;
    let query = UserQuery {
        like_user_id: wanted.like_user_id,
        is_superuser: wanted.is_superuser,
    };
    let (count, page) = app.admin.mqtt_users(&id, &query, window.span())?;
    Ok(Json(Page {
        meta: Meta::of(window, count),
        data: page.into_iter().map(Row::from).collect(),
    }))
}

/// A user who is to be made.
#[derive(Deserialize, ToSchema)]
struct NewMqttUser {
    #[schema(min_length = 1, max_length = 65535)]
    user_id: String,
    #[schema(format = Password)]
    password: String,
    #[serde(default)]
    is_superuser: bool,
}

/// Add a user
#[utoipa::path(
    post,
    path = "/authentication/{id}/users",
    tag = "Authentication",
    params(("id" = String, Path)),
    request_body = NewMqttUser,
    responses(
        (status = 201, description = "The user.", body = Row),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`ALREADY_EXISTS`, or `EXCEED_LIMIT`", body = ErrorBody),
        (status = 429, description = "Too many passwords are being hashed.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn add(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(new): Json<NewMqttUser>,
) -> Result<(StatusCode, Json<Row>), Refusal> {
    let user = MqttUser {
        user_id: new.user_id,
        is_superuser: new.is_superuser,
    };
    let made = app.admin.add_mqtt_user(&id, user, new.password).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// A user
#[utoipa::path(
    get,
    path = "/authentication/{id}/users/{user_id}",
    tag = "Authentication",
    params(("id" = String, Path), ("user_id" = String, Path)),
    responses(
        (status = 200, description = "The user.", body = Row),
        (status = 400, description = "The authenticator keeps no users here.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn one(
    State(app): State<App>,
    Path((id, user_id)): Path<(String, String)>,
) -> Result<Json<Row>, Refusal> {
    Ok(Json(app.admin.mqtt_user(&id, &user_id)?.into()))
}

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
struct MqttUserChange {
    #[schema(format = Password)]
    password: Option<String>,
    is_superuser: Option<bool>,
}

/// Change a user
///
/// Who is connected stays.
#[utoipa::path(
    put,
    path = "/authentication/{id}/users/{user_id}",
    tag = "Authentication",
    params(("id" = String, Path), ("user_id" = String, Path)),
    request_body = MqttUserChange,
    responses(
        (status = 200, description = "The user.", body = Row),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 429, description = "Too many passwords are being hashed.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    Path((id, user_id)): Path<(String, String)>,
    Json(wanted): Json<MqttUserChange>,
) -> Result<Json<Row>, Refusal> {
    let change = Change {
        password: wanted.password,
        is_superuser: wanted.is_superuser,
    };
    let changed = app.admin.change_mqtt_user(&id, &user_id, change).await?;
    Ok(Json(changed.into()))
}

/// Take a user out
///
/// Who is connected stays.
#[utoipa::path(
    delete,
    path = "/authentication/{id}/users/{user_id}",
    tag = "Authentication",
    params(("id" = String, Path), ("user_id" = String, Path)),
    responses(
        (status = 204, description = "The user is gone."),
        (status = 400, description = "The authenticator keeps no users here.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn delete(
    State(app): State<App>,
    Path((id, user_id)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    app.admin.remove_mqtt_user(&id, &user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How passwords stand in a file.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PasswordsAre {
    Plain,
    Hash,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct How {
    /// Whether the file has passwords or their hashes; hashes, if it is left out.
    #[param(inline)]
    r#type: Option<PasswordsAre>,
}

/// A file of users.
#[derive(ToSchema)]
#[schema(as = UsersFile)]
#[expect(dead_code, reason = "only described: the form is read field by field")]
struct Form {
    /// Its name ends in `.csv` or `.json`. CSV has a header:
    /// `user_id,password_hash,salt,is_superuser`, or `user_id,password,is_superuser`.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    filename: String,
}

/// Take users in from a file
///
/// All of them or none; who is there already is replaced. A form with the file as `filename`, or the list
/// as JSON.
#[utoipa::path(
    post,
    path = "/authentication/{id}/import_users",
    tag = "Authentication",
    params(("id" = String, Path), How),
    request_body(content = Form, content_type = "multipart/form-data"),
    responses(
        (status = 204, description = "They are users."),
        (status = 400, description = "`BAD_REQUEST`: a line is no user.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`EXCEED_LIMIT`", body = ErrorBody),
        (status = 429, description = "Too many passwords are being hashed.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: they could not be kept.", body = ErrorBody),
    )
)]
async fn import(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(how): Query<How>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let secrecy = match how.r#type {
        Some(PasswordsAre::Plain) => Secrecy::Plain,
        Some(PasswordsAre::Hash) | None => Secrecy::Hash,
    };
    let recruits = recruits(request, secrecy).await?;
    app.admin.import_mqtt_users(&id, recruits).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn recruits(request: Request, secrecy: Secrecy) -> Result<Vec<Recruit>, Refusal> {
    let bad = |what: String| Refusal::bad_request(what);
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_form = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
    if !is_form {
        let bytes = Bytes::from_request(request, &()).await;
        let bytes = bytes.map_err(|error| bad(error.to_string()))?;
        let read = Format::Json.read(&bytes, secrecy);
        return read.map_err(|error| bad(error.to_string()));
    }
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| bad(error.to_string()))?;
    while let Some(field) = form.next_field().await.map_err(|e| bad(e.to_string()))? {
        if field.name() != Some("filename") {
            continue;
        }
        let name = field.file_name().unwrap_or_default();
        let format = Format::of_name(name);
        let format = format.ok_or_else(|| bad("the file is neither .csv nor .json".to_owned()))?;
        let bytes = field
            .bytes()
            .await
            .map_err(|error| bad(error.to_string()))?;
        let read = format.read(&bytes, secrecy);
        return read.map_err(|error| bad(error.to_string()));
    }
    Err(bad("the form has no file named filename".to_owned()))
}
