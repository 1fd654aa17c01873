//! Answers in one shape: what the framework says in plain text becomes code and message, and the
//! document tells of each call what the door itself may answer.

use axum::{
    body::to_bytes,
    http::{Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use utoipa::openapi::{
    OpenApi, RefOr, ResponseBuilder, SecurityRequirement,
    content::ContentBuilder,
    path::{HttpMethod, Operation},
    schema::Ref,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::rule::{Who, rule};
use crate::error::{Refusal, Said};

/// The framework's own words are short.
const WORDS_MAX: usize = 16 << 10;

/// Gives an error of the API that is not JSON yet its code.
pub(super) async fn as_json(response: Response, is_api: bool) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !is_api || !is_error || !is_plain {
        return response;
    }
    let (parts, body) = response.into_parts();
    let words = to_bytes(body, WORDS_MAX).await.unwrap_or_default();
    let words = String::from_utf8_lossy(&words).into_owned();
    let refusal = match status {
        // Well formed, but not what was expected: EMQX makes no difference.
        StatusCode::UNPROCESSABLE_ENTITY => Refusal::bad_request(words),
        StatusCode::BAD_REQUEST if words.starts_with("Failed to deserialize query") => {
            Refusal::invalid_parameter(words)
        }
        StatusCode::BAD_REQUEST => Refusal::bad_request(words),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Refusal::new(
            status,
            "UNSUPPORTED_MEDIA_TYPE",
            "content-type: application/json is needed",
        ),
        StatusCode::METHOD_NOT_ALLOWED => {
            Refusal::new(status, "METHOD_NOT_ALLOWED", "this path has no such method")
        }
        StatusCode::NOT_FOUND => Refusal::not_found("NOT_FOUND", "Request Path Not Found"),
        StatusCode::SERVICE_UNAVAILABLE => Refusal::new(status, "SERVICE_UNAVAILABLE", words),
        _ if status.is_server_error() => Refusal::new(status, "INTERNAL_ERROR", words),
        _ => Refusal::new(status, "BAD_REQUEST", words),
    };
    // The framework's words repeat what was sent, secrets too: whoever writes it down gets the code alone.
    let said = Said(refusal.code.to_owned());
    let mut response = refusal.into_response();
    response.extensions_mut().insert(said);
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

/// The form of the API is that of EMQX 5.
const API_VERSION: &str = "5";
const BEARER: &str = "bearer";
const KEY: &str = "api_key";

/// Adds to the document what the door does: who may call, and what it answers.
pub(crate) fn document(api: &mut OpenApi) {
    // Of the API, whoever serves it: that of the program is told to nobody who is not signed in.
    API_VERSION.clone_into(&mut api.info.version);
    let components = api.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer = bearer.description(Some(
        "The token of POST /login. Good for an hour after its last use.",
    ));
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
    let key = HttpBuilder::new().scheme(HttpAuthScheme::Basic);
    let key = key.description(Some("An API key and its secret."));
    components.add_security_scheme(KEY, SecurityScheme::Http(key.build()));
    for (path, item) in &mut api.paths.paths {
        let calls = [
            (Method::GET, HttpMethod::Get, &mut item.get),
            (Method::POST, HttpMethod::Post, &mut item.post),
            (Method::PUT, HttpMethod::Put, &mut item.put),
            (Method::DELETE, HttpMethod::Delete, &mut item.delete),
            (Method::PATCH, HttpMethod::Patch, &mut item.patch),
        ];
        for (method, _, operation) in calls {
            if let Some(operation) = operation {
                answers(operation, &method, path);
            }
        }
    }
}

fn answers(operation: &mut Operation, method: &Method, path: &str) {
    let rule = rule(method, Some(path), path);
    operation.operation_id = Some(id(method, path));
    let scheme = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    operation.security = Some(match rule.who {
        Who::Anybody => Vec::new(),
        _ if rule.people_only => vec![scheme(BEARER)],
        // Nobody in particular is needed if the address is near.
        Who::Near => vec![SecurityRequirement::default(), scheme(BEARER), scheme(KEY)],
        _ => vec![scheme(BEARER), scheme(KEY)],
    });
    let mut add = |status: &str, description: &str| {
        if operation.responses.responses.contains_key(status) {
            return;
        }
        let body = ContentBuilder::new()
            .schema(Some(RefOr::Ref(Ref::from_schema_name("ErrorBody"))))
            .build();
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/json", body)
            .build();
        operation
            .responses
            .responses
            .insert(status.to_owned(), RefOr::T(response));
    };
    if rule.who != Who::Anybody {
        add(
            "401",
            "Nobody is signed in: no token or key, or one that is not good.",
        );
    }
    add(
        "403",
        "Not allowed: by role, address or page, or before a password was set.",
    );
    add(
        "421",
        "The server does not go by the name that was asked for.",
    );
    if operation.request_body.is_some() {
        add("400", "The body or a parameter is not as described.");
        add("408", "The body did not arrive in time.");
        add("413", "The body is too large.");
        add("415", "The body is of another type.");
    } else if operation.parameters.as_ref().is_some_and(|p| !p.is_empty()) {
        add("400", "A parameter is not as described.");
    }
    add("503", "The broker is ending, or has no room on its disk.");
}

/// A name of a call's own, such as `get_clients_clientid`.
fn id(method: &Method, path: &str) -> String {
    let below = path.strip_prefix(crate::route::BASE);
    let words = below.unwrap_or(path).split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    let mut name = method.as_str().to_ascii_lowercase();
    for word in words.chain(below.is_none().then_some("root")) {
        name.push('_');
        name.push_str(word);
    }
    name
}
