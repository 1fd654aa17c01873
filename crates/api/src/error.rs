//! What a refused request is told: a stable code and a sentence, as EMQX's tools expect them.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use broker::admin::{DecideError, Gone, KeepError};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was refused.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// Upper case with underscores; tools compare it.
    pub(crate) code: &'static str,
    /// For people: cause and remedy.
    pub(crate) message: String,
}

/// A [`Refusal`] on its way out.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// Stable, for programs.
    #[schema(example = "NOT_FOUND")]
    code: &'static str,
    /// Cause and remedy, for people.
    message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }
}

/// What an answer that is a refusal says, for whoever writes it down.
#[derive(Debug, Clone)]
pub(crate) struct Said(pub(crate) String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let said = Said(format!("{}: {}", self.code, self.message));
        let body = ErrorBody {
            code: self.code,
            message: self.message,
        };
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(said);
        response
    }
}

impl From<Gone> for Refusal {
    fn from(gone: Gone) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            gone.to_string(),
        )
    }
}

impl From<DecideError> for Refusal {
    fn from(error: DecideError) -> Self {
        let words = error.to_string();
        match error {
            DecideError::TooMany(_) => Self::new(StatusCode::CONFLICT, "EXCEED_LIMIT", words),
            DecideError::Keep(error) => error.into(),
            DecideError::Gone(gone) => gone.into(),
            _ => Self::bad_request(words),
        }
    }
}

impl From<KeepError> for Refusal {
    fn from(error: KeepError) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SERVICE_UNAVAILABLE",
            error.to_string(),
        )
    }
}
