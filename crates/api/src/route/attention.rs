//! What needs somebody's attention: who, since when, why and what to do.

use axum::{
    Json,
    extract::{Query, State},
    http::HeaderMap,
};
use broker::admin::observe::Lang;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{App, error::ErrorBody, lang, time::rfc3339};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Form {
    /// `en` or `zh`; without it the browser's language.
    lang: Option<String>,
}

/// Something that needs attention.
#[derive(Serialize, ToSchema, PartialEq, Clone)]
#[schema(as = AttentionItem)]
pub(crate) struct Item {
    /// What kind it is: a word that stays.
    kind: &'static str,
    /// Whose, or which.
    who: Option<String>,
    /// Since when it was seen; null where that is the start.
    since: Option<String>,
    /// Why, in words.
    cause: String,
    /// What to do.
    cure: String,
}

/// The broker's own items, and those about its front door.
pub(crate) fn items(app: &App, lang: Lang) -> Vec<Item> {
    let mut items = front(app, lang);
    let seen = app.admin.attention().into_iter().map(|item| {
        let told = item.told(lang);
        Item {
            kind: told.kind,
            who: (!told.who.is_empty()).then_some(told.who),
            since: Some(rfc3339(item.since)),
            cause: told.cause,
            cure: told.cure,
        }
    });
    items.extend(seen);
    items
}

fn front(app: &App, lang: Lang) -> Vec<Item> {
    let mut items = Vec::new();
    let mut say = |kind, who: Option<String>, en: [String; 2], zh: [String; 2]| {
        let [cause, cure] = match lang {
            Lang::En => en,
            Lang::Zh => zh,
        };
        items.push(Item {
            kind,
            who,
            since: None,
            cause,
            cure,
        });
    };
    if app.accounts.is_password_known() {
        say(
            "default_password",
            Some("admin".to_owned()),
            [
                "The dashboard still has its default password.".to_owned(),
                "Set one of your own; until then nothing can be changed here.".to_owned(),
            ],
            [
                "控制台仍在使用默认密码。".to_owned(),
                "请设置自己的密码；在此之前无法在此修改任何内容。".to_owned(),
            ],
        );
    }
    for network in app.admin.public_networks() {
        say(
            "open_to_public",
            Some(network.clone()),
            [
                format!("lan_guard.trusted names {network}, which has public addresses: from there clients need no credentials."),
                "Name only your own network, or switch anonymous access off (mqtt.allow_anonymous).".to_owned(),
            ],
            [
                format!("lan_guard.trusted 中的 {network} 含有公网地址：来自那里的客户端无需用户名和密码。"),
                "只填写您自己的网络，或关闭匿名访问（mqtt.allow_anonymous）。".to_owned(),
            ],
        );
    }
    for setting in app.admin.overridden_settings() {
        let (name, file, saved) = (setting.name, setting.file, setting.saved);
        say(
            "setting_overridden",
            Some(name.clone()),
            [
                format!(
                    "{name} is {saved}, as saved in the dashboard; the file's {file} has no effect."
                ),
                "Reset the setting in the dashboard, or write the same into the file.".to_owned(),
            ],
            [
                format!("{name} 的值是控制台保存的 {saved}；配置文件中的 {file} 不起作用。"),
                "在控制台重置该设置，或在配置文件中写入相同的值。".to_owned(),
            ],
        );
    }
    items
}

/// What needs attention; nothing if all is well
#[utoipa::path(
    get,
    path = "/attention",
    tag = "Attention",
    params(Form),
    responses(
        (status = 200, description = "As of the last second.", body = Vec<Item>),
        (status = 400, description = "`BAD_REQUEST`", body = ErrorBody),
    )
)]
async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Query(form): Query<Form>,
) -> Json<Vec<Item>> {
    Json(items(&app, lang::of(form.lang.as_deref(), &headers)))
}
