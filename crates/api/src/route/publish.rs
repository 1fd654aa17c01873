//! Publishing. Its refusals have reason codes of MQTT instead of codes of the API, as EMQX has it.

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use broker::admin::{Properties, Publish, PublishError, Published};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    audit::Sent,
    door::Caller,
    error::{ErrorBody, Refusal, Said},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(publish))
        .routes(routes!(publish_many))
}

/// A message.
#[derive(Deserialize, ToSchema)]
#[schema(as = Publish)]
struct Message {
    topic: String,
    payload: String,
    #[serde(default)]
    #[schema(maximum = 2)]
    qos: u8,
    #[serde(default)]
    retain: bool,
    #[serde(default)]
    payload_encoding: Encoding,
    #[serde(default)]
    properties: Told,
    /// Taken and not used: the publisher is who is signed in.
    #[expect(dead_code, reason = "EMQX's tools send it")]
    clientid: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[schema(as = PayloadEncoding)]
#[serde(rename_all = "snake_case")]
enum Encoding {
    #[default]
    Plain,
    Base64,
}

/// What version 5 says about a message.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = PublishProperties)]
struct Told {
    /// 0: bytes, 1: UTF-8 text.
    #[schema(maximum = 1)]
    payload_format_indicator: Option<u8>,
    /// Seconds.
    message_expiry_interval: Option<u32>,
    response_topic: Option<String>,
    correlation_data: Option<String>,
    content_type: Option<String>,
    /// Names and values; a value may be a list of values.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    user_properties: BTreeMap<String, Value>,
}

/// What became of a message.
#[derive(Serialize, ToSchema)]
#[schema(as = Published)]
#[serde(untagged)]
enum Answer {
    Done {
        id: String,
    },
    Refused {
        /// A reason code of MQTT 5.
        reason_code: u8,
        message: String,
    },
}

/// Why a message was not published: in MQTT's words, or in the API's if it could not be read.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only the document speaks of both at once")]
enum NotPublished {
    Refused(Answer),
    Unreadable(ErrorBody),
}

const UNHEARD: u8 = 0x10;
const FAILED: u8 = 0x83;
const BAD_TOPIC: u8 = 0x90;
const TOO_LARGE: u8 = 0x97;

impl Message {
    /// # Errors
    /// `BAD_REQUEST` for what cannot be a message.
    fn meant(self) -> Result<Publish, Refusal> {
        if self.qos > 2 {
            let said = format!("qos is {}; it is 0, 1 or 2", self.qos);
            return Err(Refusal::bad_request(said));
        }
        let payload = match self.payload_encoding {
            Encoding::Plain => self.payload.into_bytes(),
            Encoding::Base64 => BASE64_STANDARD
                .decode(self.payload)
                .map_err(|error| Refusal::bad_request(format!("payload is not base64: {error}")))?,
        };
        let told = self.properties;
        let payload_is_text = match told.payload_format_indicator {
            None => None,
            Some(0) => Some(false),
            Some(1) => Some(true),
            Some(_) => return Err(Refusal::bad_request("payload_format_indicator is 0 or 1")),
        };
        let mut user_properties = Vec::new();
        for (name, value) in told.user_properties {
            let values = match value {
                Value::Array(values) => values,
                one => vec![one],
            };
            for value in values {
                let Value::String(value) = value else {
                    let said = "a user property is a text, or a list of texts";
                    return Err(Refusal::bad_request(said));
                };
                user_properties.push((name.clone(), value));
            }
        }
        Ok(Publish {
            topic: self.topic,
            payload,
            qos: self.qos,
            retain: self.retain,
            properties: Properties {
                payload_is_text,
                expiry_secs: told.message_expiry_interval,
                response_topic: told.response_topic,
                correlation_data: told.correlation_data.map(String::into_bytes),
                content_type: told.content_type,
                user_properties,
            },
        })
    }
}

fn answer(done: Result<Published, PublishError>) -> (StatusCode, Answer) {
    let refused = |reason_code, message: &str| Answer::Refused {
        reason_code,
        message: message.to_owned(),
    };
    match done {
        Ok(published) if published.is_matched => {
            (StatusCode::OK, Answer::Done { id: published.id })
        }
        Ok(_) => {
            let answer = refused(UNHEARD, "no_matching_subscribers");
            (StatusCode::ACCEPTED, answer)
        }
        Err(error) => {
            let said = error.to_string();
            let (status, code) = match error {
                PublishError::Topic => (StatusCode::BAD_REQUEST, BAD_TOPIC),
                PublishError::TooLarge => (StatusCode::BAD_REQUEST, TOO_LARGE),
                PublishError::Refused(code) => (StatusCode::BAD_REQUEST, code),
                _ => (StatusCode::SERVICE_UNAVAILABLE, FAILED),
            };
            (status, refused(code, &said))
        }
    }
}

/// An answer on what was sent, with what the audit log tells of it.
fn told(status: StatusCode, sent: Sent, answer: Answer) -> Response {
    let failure = match &answer {
        Answer::Refused {
            reason_code,
            message,
        } if !status.is_success() => Some(Said(format!("{reason_code:#04x}: {message}"))),
        _ => None,
    };
    let mut response = (status, Extension(sent), Json(answer)).into_response();
    if let Some(failure) = failure {
        response.extensions_mut().insert(failure);
    }
    response
}

/// Publish a message
///
/// `$delayed/SECONDS/TOPIC` has it published later, as for clients; whether anybody will be subscribed then
/// is not known, so that is 200.
#[utoipa::path(
    post,
    path = "/publish",
    tag = "Publish",
    request_body = Message,
    responses(
        (status = 200, description = "A subscriber's shard has it, or it is kept for later.", body = Answer),
        (status = 202, description = "Nobody is subscribed.", body = Answer),
        (status = 400, description = "It may not be published like this.", body = NotPublished),
        (status = 503, description = "The store has no room, or the broker is shutting down.", body = Answer),
    )
)]
async fn publish(
    State(app): State<App>,
    caller: Caller,
    Json(message): Json<Message>,
) -> Result<Response, Refusal> {
    let message = message.meant()?;
    let sent = Sent::of([&message]);
    let done = app.admin.publish(&caller.name, message).await;
    let (status, answer) = answer(done);
    Ok(told(status, sent, answer))
}

/// Publish several messages
#[utoipa::path(
    post,
    path = "/publish/bulk",
    tag = "Publish",
    request_body = Vec<Message>,
    responses(
        (status = 200, description = "Each reached a subscriber.", body = Vec<Answer>),
        (status = 202, description = "Nobody is subscribed to some of them.", body = Vec<Answer>),
        (status = 400, description = "The first that may not be published like this; none of those behind it was.", body = NotPublished),
        (status = 503, description = "The store had no room for some of them.", body = Vec<Answer>),
    )
)]
async fn publish_many(
    State(app): State<App>,
    caller: Caller,
    Json(messages): Json<Vec<Message>>,
) -> Result<Response, Refusal> {
    let messages: Vec<_> = messages
        .into_iter()
        .map(Message::meant)
        .collect::<Result<_, _>>()?;
    let sent = Sent::of(&messages);
    // Before the first is published.
    for message in &messages {
        if let Err(error) = message.check() {
            let (status, answer) = answer(Err(error));
            return Ok(told(status, sent, answer));
        }
    }
    let mut worst = StatusCode::OK;
    let mut answers = Vec::new();
    for message in messages {
        let done = app.admin.publish(&caller.name, message).await;
        let (status, answer) = answer(done);
        if status == StatusCode::BAD_REQUEST {
            return Ok(told(status, sent, answer));
        }
        worst = worst.max(status);
        answers.push(answer);
    }
    Ok((worst, Extension(sent), Json(answers)).into_response())
}
