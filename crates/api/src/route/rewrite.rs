//! Topic rewrite.

use axum::{Json, extract::State, http::StatusCode};
use broker::admin::{
    DecideError,
    rewrite::{RewriteAction, RewriteRule},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, replace))
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    Publish,
    Subscribe,
    All,
}

/// A rule: the first that matches a topic makes another of it.
#[derive(Serialize, Deserialize, ToSchema)]
struct Rule {
    action: Action,
    /// A topic filter.
    #[schema(example = "x/#")]
    source_topic: String,
    /// `$1` is what the first group of `re` found; `${clientid}` and `${username}` are the client's.
    #[schema(example = "z/y/$1")]
    dest_topic: String,
    /// A regular expression.
    #[schema(example = "^x/y/(.+)$")]
    re: String,
}

impl From<RewriteRule> for Rule {
    fn from(rule: RewriteRule) -> Self {
        Self {
            action: match rule.action {
                RewriteAction::Publish => Action::Publish,
                RewriteAction::Subscribe => Action::Subscribe,
                RewriteAction::All => Action::All,
            },
            source_topic: rule.source_topic,
            dest_topic: rule.dest_topic,
            re: rule.re,
        }
    }
}

impl From<Rule> for RewriteRule {
    fn from(rule: Rule) -> Self {
        Self {
            action: match rule.action {
                Action::Publish => RewriteAction::Publish,
                Action::Subscribe => RewriteAction::Subscribe,
                Action::All => RewriteAction::All,
            },
            source_topic: rule.source_topic,
            dest_topic: rule.dest_topic,
            re: rule.re,
        }
    }
}

/// The rules of topic rewrite
#[utoipa::path(
    get,
    path = "/mqtt/topic_rewrite",
    tag = "MQTT",
    responses((status = 200, description = "In their order.", body = Vec<Rule>))
)]
async fn list(State(app): State<App>) -> Json<Vec<Rule>> {
    Json(app.admin.rewrites().into_iter().map(Rule::from).collect())
}

/// Replace the rules of topic rewrite
///
/// They hold for messages and subscriptions from now on.
#[utoipa::path(
    put,
    path = "/mqtt/topic_rewrite",
    tag = "MQTT",
    request_body = Vec<Rule>,
    responses(
        (status = 200, description = "As they are now.", body = Vec<Rule>),
        (status = 400, description = "`BAD_REQUEST`: one is no rule.", body = ErrorBody),
        (status = 413, description = "`EXCEED_LIMIT`: more than 20.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: they could not be kept.", body = ErrorBody),
    )
)]
async fn replace(
    State(app): State<App>,
    Json(rules): Json<Vec<Rule>>,
) -> Result<Json<Vec<Rule>>, Refusal> {
    let rules: Vec<_> = rules.into_iter().map(RewriteRule::from).collect();
    match app.admin.set_rewrites(rules).await {
        Err(DecideError::TooMany(words)) => Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "EXCEED_LIMIT",
            words,
        )),
        Err(other) => Err(other.into()),
        Ok(()) => Ok(list(State(app)).await),
    }
}
