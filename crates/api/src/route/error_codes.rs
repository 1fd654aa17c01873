//! All codes of errors, and what each means.

use axum::{Json, extract::Path};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
}

#[derive(Clone, Copy, Serialize, ToSchema)]
struct ErrorCode {
    #[schema(example = "NOT_FOUND")]
    code: &'static str,
    description: &'static str,
}

const CODES: [(&str, &str); 55] = [
    (
        "ADDRESS_NOT_ALLOWED",
        "Nobody may call from this address until a password is set",
    ),
    ("ALREADY_EXISTS", "There is one of this name already"),
    ("API_KEY_NOT_ALLOW", "API keys may not call this"),
    (
        "AUTHORIZATION_HEADER_ERROR",
        "No token and no API key, or one that cannot be read",
    ),
    (
        "BAD_API_KEY_OR_SECRET",
        "No such API key, a wrong secret, or expired",
    ),
    ("BAD_CONFIG_SCHEMA", "The configuration is not as described"),
    ("BAD_LISTENER_ID", "No listener can have this id"),
    ("BAD_NODE_NAME", "There is no such node"),
    ("BAD_REQUEST", "The request is not as described"),
    ("BAD_RPC", "Another node did not answer"),
    ("BAD_TOKEN", "There is no such token, or it has ended"),
    (
        "BAD_TOPIC",
        "This is no topic, or has wildcards where none may be",
    ),
    ("BAD_USERNAME_OR_PWD", "Wrong user or password"),
    ("CLIENTID_NOT_FOUND", "There is no client of this id"),
    ("CLIENT_NOT_FOUND", "There is no such client"),
    ("CLIENT_NOT_RESPONSE", "The client did not answer"),
    (
        "CONFLICT",
        "Something else decides it, or somebody else is at it",
    ),
    ("DEPENDENCY_EXISTS", "Something else needs it"),
    ("ERROR_PWD_NOT_MATCH", "The old password is another one"),
    ("EXCEED_LIMIT", "There are as many as there may be"),
    ("FOREIGN_PAGE", "A web page of another host asked for it"),
    ("INTERNAL_ERROR", "A fault of the server"),
    ("INVALID_ID", "This is no id"),
    ("INVALID_NODE", "There is no such node"),
    ("INVALID_PARAMETER", "A parameter is not as described"),
    ("MESSAGE_ID_NOT_FOUND", "There is no message of this id"),
    ("MESSAGE_ID_SCHEMA_ERROR", "This is no message's id"),
    ("METHOD_NOT_ALLOWED", "The path has no such method"),
    (
        "MISDIRECTED_REQUEST",
        "The server does not go by the name that was asked for",
    ),
    ("NODE_DOWN", "The node does not run"),
    ("NOT_ALLOWED", "This may not be done"),
    ("NOT_FOUND", "There is no such thing, or no such path"),
    ("NOT_MATCH", "The conditions do not hold"),
    ("NO_DEFAULT_VALUE", "There is no default to go back to"),
    ("PAYLOAD_TOO_LARGE", "The body is too large"),
    ("REQUEST_TIMEOUT", "The body did not arrive in time"),
    ("RESOURCE_NOT_FOUND", "There is no such resource"),
    ("REST_FAILED", "It could not be put back to its default"),
    (
        "SERVICE_UNAVAILABLE",
        "The server is ending, or has no room on its disk",
    ),
    (
        "SET_PASSWORD_FIRST",
        "With the default password one may look, and change nothing",
    ),
    ("SOURCE_ERROR", "A source failed"),
    ("TOKEN_TIME_OUT", "The token was not used for an hour"),
    ("TOO_MANY_ATTEMPTS", "Too many wrong passwords; wait"),
    (
        "TOO_MANY_STREAMS",
        "A user has as many open streams as allowed",
    ),
    ("TOPIC_NOT_FOUND", "There is no such topic"),
    ("UNAUTHORIZED_ROLE", "The role does not allow it"),
    (
        "UNSUPPORTED_MEDIA_TYPE",
        "The body is of another type than described",
    ),
    ("UPDATE_FAILED", "The change could not be made"),
    ("USER_NOT_FOUND", "There is no such user"),
    ("WRONG_TOKEN_OR_USERNAME", "The token is not that user's"),
    (
        "DUPLICATE_CONDITION",
        "There is one with this condition already",
    ),
    ("INVALID_PARAMS", "A parameter is not as described"),
    ("CLIENT_SHUTDOWN", "The client has just gone"),
    ("PARTIALLY_OK", "Some of it was done"),
    ("UNKNOWN_ERROR", "A fault without a name"),
];

/// All codes of errors
#[utoipa::path(
    get,
    path = "/error_codes",
    tag = "Error codes",
    responses((status = 200, description = "Codes and what they mean.", body = Vec<ErrorCode>))
)]
async fn list() -> Json<Vec<ErrorCode>> {
    let codes = CODES.iter();
    Json(
        codes
            .map(|(code, description)| ErrorCode { code, description })
            .collect(),
    )
}

/// One code
#[utoipa::path(
    get,
    path = "/error_codes/{code}",
    tag = "Error codes",
    params(("code" = String, Path)),
    responses(
        (status = 200, description = "What it means.", body = ErrorCode),
        (status = 404, description = "There is no such code.", body = ErrorBody),
    )
)]
async fn one(Path(code): Path<String>) -> Result<Json<ErrorCode>, Refusal> {
    let found = CODES.iter().find(|(known, _)| *known == code);
    let (code, description) =
        found.ok_or_else(|| Refusal::not_found("NOT_FOUND", "there is no such code"))?;
    Ok(Json(ErrorCode { code, description }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The codes that the sources of this crate name: a literal of capitals and `_`.
    fn named(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                named(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = |text: &&str| {
                    text.len() > 3
                        && text.contains('_')
                        && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
                };
                found.extend(text.split('"').filter(code).map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_code_is_explained() {
        let mut found = Vec::new();
        named(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
            &mut found,
        );
        // Of the compiler, not of the API.
        found.retain(|code| !code.starts_with("CARGO_") && code != "OUT_DIR");
        assert!(found.len() > 20);
        for code in found {
            assert!(CODES.iter().any(|(known, _)| *known == code), "{code}");
        }
    }
}
