//! Signing in and out.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    account::{Role, Secret, SignIn},
    door::{COOKIE, Caller, Visitor, far},
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(logout))
}

#[derive(Deserialize, ToSchema)]
struct Credentials {
    #[schema(example = "admin")]
    username: String,
    #[schema(example = "public", format = Password)]
    password: String,
}

#[derive(Serialize, ToSchema)]
struct SignedIn {
    /// For the header `Authorization: Bearer ...`. Good for an hour after its last use.
    token: String,
    version: &'static str,
    license: License,
    role: Role,
    /// Until a password is set, this user may look and change nothing.
    must_set_password: bool,
}

#[derive(Serialize, ToSchema)]
struct License {
    edition: &'static str,
}

/// Sign in
#[utoipa::path(
    post,
    path = "/login",
    tag = "Sign-in",
    request_body = Credentials,
    responses(
        (status = 200, description = "Signed in. A cookie with the same token is set for browsers.", body = SignedIn),
        (status = 401, description = "User or password is wrong.", body = ErrorBody),
        (status = 403, description = "Refused from this address: no password was set yet, and it is not near.", body = ErrorBody),
        (status = 429, description = "Too many wrong passwords; `retry-after` says how many seconds to wait.", body = ErrorBody),
    )
)]
async fn login(
    State(app): State<App>,
    visitor: Visitor,
    Json(given): Json<Credentials>,
) -> Result<Response, Refusal> {
    let now = app.admin.now_millis();
    let password = Secret::new(given.password);
    let attempt = app.accounts.sign_in(
        &given.username,
        password,
        visitor.address,
        visitor.is_near,
        now,
    );
    let (token, known) = match attempt.await {
        SignIn::Done { token, known } => (token, known),
        SignIn::Wrong => {
            return Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "BAD_USERNAME_OR_PWD",
                "Auth failed: wrong user or password",
            ));
        }
        SignIn::Wait(secs) => return Ok(wait(secs)),
        SignIn::Far => return Err(far(visitor)),
    };
    let cookie = format!(
        "{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict",
        token.reveal()
    );
    let body = SignedIn {
        token: token.reveal().to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        license: License {
            edition: "opensource",
        },
        role: known.role,
        must_set_password: known.must_set_password,
    };
    Ok(([(header::SET_COOKIE, cookie)], Json(body)).into_response())
}

/// Too many guesses: how long until the next.
pub(super) fn wait(secs: u64) -> Response {
    let refusal = Refusal::new(
        StatusCode::TOO_MANY_REQUESTS,
        "TOO_MANY_ATTEMPTS",
        format!("too many wrong passwords; wait {secs} s and try again"),
    );
    let mut response = refusal.into_response();
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(secs));
    response
}

#[derive(Deserialize, ToSchema)]
struct Leaving {
    /// Whoever the token belongs to.
    username: String,
}

/// Sign out: the token ends
#[utoipa::path(
    post,
    path = "/logout",
    tag = "Sign-in",
    request_body = Leaving,
    responses((status = 204, description = "Signed out."))
)]
async fn logout(
    State(app): State<App>,
    caller: Caller,
    Json(leaving): Json<Leaving>,
) -> Result<(StatusCode, HeaderMap), Refusal> {
    let token = caller.token.filter(|_| leaving.username == caller.name);
    let Some(token) = token else {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "WRONG_TOKEN_OR_USERNAME",
            "this is not the token of that user",
        ));
    };
    app.accounts.sign_out(&token).await?;
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    let gone = HeaderValue::from_str(&gone).expect("it has no control characters");
    Ok((
        StatusCode::NO_CONTENT,
        [(header::SET_COOKIE, gone)].into_iter().collect(),
    ))
}
