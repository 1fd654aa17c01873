//! Recent losses: which message, whose, who did not get it, why, and the setting that cures it.

use axum::{
    Json,
    extract::{Query, State},
    http::HeaderMap,
};
use broker::admin::observe::{Lang, Lost};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
    lang,
    page::{Meta, Page, Paging},
    time::rfc3339,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Who did not get it.
    clientid: Option<String>,
    /// A part of the topic.
    like_topic: Option<String>,
    /// With this reason, as in the field `reason`.
    reason: Option<String>,
    /// `en` or `zh`; without it the browser's language.
    lang: Option<String>,
}

/// A message that was lost, or several at once.
#[derive(Serialize, ToSchema)]
#[schema(as = LossesRow)]
pub(crate) struct Row {
    id: u64,
    at: String,
    /// The same in milliseconds since 1970.
    time_stamp: u64,
    /// Why: `queue_full`, `too_large`, `expired`, `offline`, `connection_lost`, `trimmed` or `no_member`.
    reason: &'static str,
    /// Messages lost with it.
    count: u64,
    /// Null where it is not known any more.
    topic: Option<String>,
    /// Who did not get it: a client id, or `$share/<group>/<filter>`.
    clientid: String,
    /// Who published it, where that is known.
    publisher: Option<String>,
    /// Why, in words.
    description: &'static str,
    /// The setting that cures it.
    remedy: &'static str,
}

impl Row {
    pub(crate) fn new(lost: Lost, lang: Lang) -> Self {
        let words = lost.words(lang);
        Self {
            id: lost.number,
            at: rfc3339(lost.at),
            time_stamp: lost.at,
            reason: lost.reason(),
            count: lost.count,
            topic: (!lost.topic.is_empty()).then_some(lost.topic),
            clientid: lost.client_id,
            publisher: lost.publisher,
            description: words.cause,
            remedy: words.remedy,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct Losses {
    #[serde(flatten)]
    page: Page<Row>,
    /// Messages lost since the start that are not in the list: it is a sample.
    unlisted: u64,
}

/// Messages that were lost lately, newest first
#[utoipa::path(
    get,
    path = "/losses",
    tag = "Losses",
    params(Paging, Filter),
    responses(
        (status = 200, description = "A page of the last 1,000 that were sampled.", body = Losses),
        (status = 400, description = "`INVALID_PARAMETER`", body = ErrorBody),
    )
)]
async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Result<Json<Losses>, Refusal> {
    let window = paging.window()?;
    let lang = lang::of(filter.lang.as_deref(), &headers);
    let wants = |lost: &Lost| {
        let client = filter.clientid.as_ref();
        let topic = filter.like_topic.as_ref();
        client.is_none_or(|c| *c == lost.client_id)
            && topic.is_none_or(|t| lost.topic.contains(t.as_str()))
            && filter.reason.as_ref().is_none_or(|r| r == lost.reason())
    };
    let (skip, limit) = window.span();
    let found = app.admin.losses(wants, skip, limit);
    let data = found.losses.into_iter().map(|lost| Row::new(lost, lang));
    Ok(Json(Losses {
        page: Page {
            data: data.collect(),
            meta: Meta::of(window, found.count),
        },
        unlisted: found.unlisted,
    }))
}
