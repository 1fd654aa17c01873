//! What every client is subscribed to when it connects.

use axum::{Json, extract::State};
use broker::admin::auto_subscribe::AutoSubscription;
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

/// A subscription, with its options as MQTT 5 has them.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AutoSubscription)]
struct Subscription {
    /// A filter; `${clientid}`, `${username}`, `${host}` and `${port}` are the client's.
    #[schema(example = "c/${clientid}/in")]
    topic: String,
    #[serde(default)]
    #[schema(maximum = 2)]
    qos: u8,
    /// Retain handling.
    #[serde(default)]
    #[schema(maximum = 2)]
    rh: u8,
    /// Retain as published.
    #[serde(default)]
    #[schema(maximum = 1)]
    rap: u8,
    /// No local.
    #[serde(default)]
    #[schema(maximum = 1)]
    nl: u8,
}

impl From<AutoSubscription> for Subscription {
    fn from(auto: AutoSubscription) -> Self {
        Self {
            topic: auto.topic,
            qos: auto.qos,
            rh: auto.rh,
            rap: auto.rap,
            nl: auto.nl,
        }
    }
}

impl From<Subscription> for AutoSubscription {
    fn from(s: Subscription) -> Self {
        Self {
            topic: s.topic,
            qos: s.qos,
            rh: s.rh,
            rap: s.rap,
            nl: s.nl,
        }
    }
}

/// What every client is subscribed to
#[utoipa::path(
    get,
    path = "/mqtt/auto_subscribe",
    tag = "MQTT",
    responses((status = 200, description = "When it connects.", body = Vec<Subscription>))
)]
async fn list(State(app): State<App>) -> Json<Vec<Subscription>> {
    let list = app.admin.auto_subscriptions();
    Json(list.into_iter().map(Subscription::from).collect())
}

/// Replace what every client is subscribed to
///
/// It is for clients that connect from now on.
#[utoipa::path(
    put,
    path = "/mqtt/auto_subscribe",
    tag = "MQTT",
    request_body = Vec<Subscription>,
    responses(
        (status = 200, description = "As it is now.", body = Vec<Subscription>),
        (status = 400, description = "`BAD_REQUEST`: one is no subscription.", body = ErrorBody),
        (status = 409, description = "`EXCEED_LIMIT`: more than 20.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn replace(
    State(app): State<App>,
    Json(list_wanted): Json<Vec<Subscription>>,
) -> Result<Json<Vec<Subscription>>, Refusal> {
    let wanted = list_wanted.into_iter().map(AutoSubscription::from);
    app.admin.set_auto_subscriptions(wanted.collect()).await?;
    Ok(list(State(app)).await)
}
