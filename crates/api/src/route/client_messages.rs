//! Messages that are under way to one client, or wait for it.

use axum::{
    Json,
    extract::{Path, State},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use broker::admin::{Mark, Part, Pile, Waiting};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::clients::unknown;
use crate::{
    App,
    error::{ErrorBody, Refusal},
    query::Query,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(queued))
        .routes(routes!(in_flight))
}

const LIMIT_MAX: usize = 10_000;
const BYTES_DEFAULT: usize = 1 << 20;
/// What EMQX calls the end, and the beginning.
const END: &str = "end_of_data";
const BEGIN: &str = "none";

#[derive(Serialize, ToSchema)]
#[schema(as = ClientMessage)]
struct Row {
    msgid: String,
    topic: String,
    qos: u8,
    /// Milliseconds since 1970.
    publish_at: u64,
    /// Empty where it is not known any more.
    from_clientid: String,
    from_username: String,
    /// Nanoseconds since 1970, as a text.
    inserted_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mqueue_priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ClientMessages)]
struct Messages {
    data: Vec<Row>,
    meta: Place,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ClientMessagesPlace)]
struct Place {
    /// Where this page begins.
    start: String,
    /// Where the next one begins, or `end_of_data`.
    position: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document only")]
struct Asked {
    /// How payloads are written.
    #[param(inline)]
    payload: Option<Form>,
    /// Bytes of all payloads on a page, such as `1MB`; one message is given whatever its size.
    max_payload_bytes: Option<String>,
    /// `position` of the page before; `none` for the first.
    position: Option<String>,
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u64>,
}

#[derive(Clone, Copy, ToSchema)]
#[schema(rename_all = "snake_case")]
enum Form {
    Base64,
    Plain,
    None,
}

fn asked(query: &Query) -> Result<(Form, Part), Refusal> {
    let forms = [
        ("base64", Form::Base64),
        ("plain", Form::Plain),
        ("none", Form::None),
    ];
    let form = query.choice("payload", &forms)?.unwrap_or(Form::Base64);
    let limit = query.parsed("limit", "integer")?.unwrap_or(100);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Refusal::invalid_parameter("page_limit_invalid"));
    }
    let bytes_max = match query.text("max_payload_bytes") {
        None => BYTES_DEFAULT,
        Some(text) => bytes(text).ok_or_else(|| {
            Refusal::invalid_parameter(format!("max_payload_bytes: {text} is no size such as 1MB"))
        })?,
    };
    let from = match query.text("position") {
        None | Some(BEGIN) => None,
        Some(text) => Some(text.parse::<Mark>().map_err(|()| {
            Refusal::invalid_parameter(format!("position: {text} was on no page"))
        })?),
    };
    let part = Part {
        from,
        limit,
        bytes_max,
    };
    Ok((form, part))
}

fn bytes(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

fn told(pile: Pile, form: Form, priority: Option<u8>) -> Messages {
    let place = |mark: Option<Mark>, none: &str| {
        mark.map_or_else(|| none.to_owned(), |mark| mark.to_string())
    };
    let row = |message: Waiting| Row {
        payload: match form {
            Form::Base64 => Some(BASE64_STANDARD.encode(&message.payload)),
            Form::Plain => Some(String::from_utf8_lossy(&message.payload).into_owned()),
            Form::None => None,
        },
        msgid: message.id,
        topic: message.topic,
        qos: message.qos,
        publish_at: message.published_at,
        from_clientid: message.from_client_id,
        from_username: message.from_user_name,
        inserted_at: (u128::from(message.published_at) * 1_000_000).to_string(),
        mqueue_priority: priority,
    };
    Messages {
        data: pile.rows.into_iter().map(row).collect(),
        meta: Place {
            start: place(pile.start, BEGIN),
            position: place(pile.next, END),
        },
    }
}

/// Messages that wait for a client
#[utoipa::path(
    get,
    path = "/clients/{clientid}/mqueue_messages",
    tag = "Clients",
    params(("clientid" = String, Path), Asked),
    responses(
        (status = 200, description = "A part of them, oldest first.", body = Messages),
        (status = 400, description = "A parameter is of the wrong kind.", body = ErrorBody),
        (status = 404, description = "There is no such session.", body = ErrorBody),
    )
)]
async fn queued(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Messages>, Refusal> {
    let (form, part) = asked(&query)?;
    let pile = app.admin.queued(&id, part).await?.ok_or_else(unknown)?;
    Ok(Json(told(pile, form, Some(0))))
}

/// Messages that were sent to a client and are not acknowledged
///
/// Of sessions that outlive their connection, and of shared subscriptions: others keep no message that
/// has left.
#[utoipa::path(
    get,
    path = "/clients/{clientid}/inflight_messages",
    tag = "Clients",
    params(("clientid" = String, Path), Asked),
    responses(
        (status = 200, description = "A part of them, oldest first.", body = Messages),
        (status = 400, description = "A parameter is of the wrong kind.", body = ErrorBody),
        (status = 404, description = "There is no such session.", body = ErrorBody),
    )
)]
async fn in_flight(
    State(app): State<App>,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Messages>, Refusal> {
    let (form, part) = asked(&query)?;
    let pile = app.admin.in_flight(&id, part).await?.ok_or_else(unknown)?;
    Ok(Json(told(pile, form, None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("1MB"), Some(1 << 20));
        assert_eq!(bytes("1kb"), Some(1024));
        assert_eq!(bytes("77"), Some(77));
        for bad in ["odd", "", "MB", "-1", "1GBx", "1.5MB"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
