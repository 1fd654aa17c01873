//! What the owner of the data directory may do without a password: `ternmq ctl` calls it. Not a part of
//! the API: it changes with the program.

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use broker::admin::observe::Lang;
use broker::admin::settings::{Raw, SettingError};
use serde::{Deserialize, Serialize};

use super::security;
use crate::{App, account::Secret, error::Refusal};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/ctl/trust", post(trust))
        .route("/ctl/password", post(password))
        .route("/ctl/release", post(release))
        .route("/ctl/check", post(check))
}

#[derive(Deserialize)]
struct Trust {
    networks: Vec<String>,
}

const TRUSTED: &str = "lan_guard.trusted";

async fn trust(State(app): State<App>, Json(wanted): Json<Trust>) -> Result<StatusCode, Refusal> {
    let mut all: Vec<String> = app.admin.look(|config| {
        let trusted = config.lan_guard.trusted.iter();
        trusted.map(ToString::to_string).collect()
    });
    all.extend(wanted.networks);
    all.sort();
    all.dedup();
    let all = Raw::List(all.into_iter().map(Raw::Text).collect());
    let changed = app
        .admin
        .change_settings(vec![(TRUSTED.to_owned(), Some(all))]);
    match changed.await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error @ SettingError::Locked { .. }) => Err(Refusal::new(
            StatusCode::CONFLICT,
            "CONFLICT",
            error.to_string(),
        )),
        Err(error) => Err(Refusal::bad_request(error.to_string())),
    }
}

#[derive(Deserialize)]
struct Release {
    clientid: String,
}

/// Who did it, as the connection log tells.
const OWNER: &str = "ternmq ctl";

async fn release(
    State(app): State<App>,
    Json(wanted): Json<Release>,
) -> Result<StatusCode, Refusal> {
    if app.admin.release(&wanted.clientid, OWNER).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let text = format!("there is no session of client {:?}", wanted.clientid);
    Err(Refusal::not_found("CLIENTID_NOT_FOUND", text))
}

#[derive(Deserialize)]
struct Password {
    password: String,
}

async fn password(
    State(app): State<App>,
    Json(wanted): Json<Password>,
) -> Result<StatusCode, Refusal> {
    app.accounts
        .reset_password(Secret::new(wanted.password))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Asked {
    chinese: bool,
}

/// A point of security in words, as both ends of `ternmq check` know it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checked {
    /// `danger`, `warning` or `fine`.
    pub severity: String,
    pub id: String,
    pub what: String,
    /// Empty where nothing is to be done.
    pub remedy: String,
    /// Somebody has put it aside.
    #[serde(default)]
    pub aside: bool,
}

/// What `ternmq check` is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Findings {
    /// Who comes in by which listener, a line for each.
    pub doors: Vec<String>,
    pub points: Vec<Checked>,
}

async fn check(State(app): State<App>, Json(asked): Json<Asked>) -> Json<Findings> {
    let lang = if asked.chinese { Lang::Zh } else { Lang::En };
    let points = security::points(&app).await;
    let told = points.iter().map(|point| {
        let words = point.words(lang);
        Checked {
            severity: point.severity.name().to_owned(),
            id: point.id.name().to_owned(),
            what: words.what,
            remedy: words.remedy,
            aside: point.aside.is_some(),
        }
    });
    Json(Findings {
        doors: app.admin.doors(lang),
        points: told.collect(),
    })
}
