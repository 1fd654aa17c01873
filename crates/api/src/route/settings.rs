//! Settings as we see them ourselves: each with its value, where that comes from and what may be
//! written. EMQX's view of them is in `configs`.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use broker::admin::settings::{
    Applied, ChangeError, Locked, Origin, Raw, Setting, SettingError, When,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, change_many))
        .routes(routes!(one, change, reset))
}

/// Where a value comes from.
#[derive(Serialize, ToSchema)]
#[serde(tag = "from", rename_all = "snake_case")]
enum Whence {
    Default,
    /// The default of another profile than `home`.
    Profile,
    File {
        path: String,
        line: usize,
    },
    /// Changed at run time and kept.
    Saved,
    Environment {
        name: String,
    },
    /// Of the command line.
    Flag,
}

impl From<&Origin> for Whence {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::Default => Self::Default,
            Origin::File { path, line } => Self::File {
                path: path.display().to_string(),
                line: *line,
            },
            Origin::Saved => Self::Saved,
            Origin::Env(name) => Self::Environment { name: name.clone() },
            Origin::Flag => Self::Flag,
        }
    }
}

/// A text in both languages.
#[derive(Serialize, ToSchema)]
struct Told {
    en: String,
    zh: String,
}

/// A line of the file that does not count.
#[derive(Serialize, ToSchema)]
struct InFile {
    path: String,
    line: usize,
    value: Value,
}

/// A setting.
#[derive(Serialize, ToSchema)]
#[schema(as = SettingsRow)]
struct Row {
    #[schema(example = "mqtt.max_inflight")]
    key: String,
    value: Value,
    default: Value,
    origin: Whence,
    /// What was saved at run time, whether it counts or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<Value>,
    /// What the file says, where something overrules it.
    #[serde(skip_serializing_if = "Option::is_none")]
    overruled: Option<InFile>,
    /// What may be written.
    allowed: Told,
    doc: Told,
    /// `now`, or `restart`: when a change takes effect.
    applies: &'static str,
    /// It was changed, and waits for a restart.
    pending: bool,
    /// Why it cannot be changed here; absent if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<Told>,
}

impl From<Setting> for Row {
    fn from(setting: Setting) -> Self {
        let [en, zh] = setting.allowed;
        let overruled = setting.overruled.and_then(|(origin, value)| match origin {
            Origin::File { path, line } => Some(InFile {
                path: path.display().to_string(),
                line,
                value: json(&value),
            }),
            _ => None,
        });
        Self {
            value: json(&setting.value),
            default: json(&setting.default),
            origin: if setting.by_profile {
                Whence::Profile
            } else {
                (&setting.origin).into()
            },
            saved: setting.saved.as_deref().map(json),
            overruled,
            allowed: Told { en, zh },
            doc: Told {
                en: setting.doc[0].to_owned(),
                zh: setting.doc[1].to_owned(),
            },
            applies: if setting.when == When::Reload {
                "now"
            } else {
                "restart"
            },
            pending: setting.waits,
            read_only: setting.locked.as_ref().map(why),
            key: setting.name,
        }
    }
}

fn why(locked: &Locked) -> Told {
    match locked {
        Locked::Overruled(Origin::Env(name)) => Told {
            en: format!("The environment variable {name} sets it; remove that and restart."),
            zh: format!("由环境变量 {name} 设定；删除它并重启后才能修改。"),
        },
        Locked::Overruled(_) => Told {
            en: "A flag of the command line sets it; start without that flag.".to_owned(),
            zh: "由命令行参数设定；不带该参数启动后才能修改。".to_owned(),
        },
        Locked::Early => Told {
            en: "It is needed before the saved settings can be read; set it in the file, the \
                 environment or with --set."
                .to_owned(),
            zh: "打开数据之前就要用到它；请写在配置文件、环境变量或 --set 中。".to_owned(),
        },
    }
}

/// A value in TOML notation as JSON.
pub(super) fn json(toml: &str) -> Value {
    fn of(raw: &Raw) -> Value {
        match raw {
            Raw::Text(text) => Value::from(text.as_str()),
            Raw::Int(n) => Value::from(*n),
            Raw::Float(n) => Value::from(*n),
            Raw::Bool(value) => Value::from(*value),
            Raw::List(items) => items.iter().map(of).collect(),
            Raw::Empty => Value::Object(Map::new()),
            Raw::Other(text) => Value::from(text.as_str()),
        }
    }
    of(&Raw::bare(toml))
}

/// What came as JSON, as settings are read.
///
/// # Errors
/// For objects, null and numbers beyond 64 bits.
pub(super) fn raw(value: &Value) -> Result<Raw, Refusal> {
    Ok(match value {
        Value::Bool(value) => Raw::Bool(*value),
        Value::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) => Raw::Int(n),
            (None, Some(n)) if n.fract() != 0.0 => Raw::Float(n),
            _ => return Err(Refusal::bad_request("the number is too large")),
        },
        Value::String(text) => Raw::Text(text.clone()),
        Value::Array(items) => Raw::List(items.iter().map(raw).collect::<Result<_, _>>()?),
        Value::Null | Value::Object(_) => {
            return Err(Refusal::bad_request(
                "a value is a text, a number, true, false or a list of these",
            ));
        }
    })
}

impl From<SettingError> for Refusal {
    fn from(error: SettingError) -> Self {
        let words = error.to_string();
        match error {
            SettingError::Unknown(_) => Self::not_found("NOT_FOUND", words),
            SettingError::Locked { .. } => Self::new(StatusCode::CONFLICT, "CONFLICT", words),
            SettingError::Change(ChangeError::Keep(error)) => error.into(),
            _ => Self::bad_request(words),
        }
    }
}

/// What a change led to.
#[derive(Serialize, ToSchema)]
#[schema(as = SettingsOutcome)]
struct Outcome {
    /// Keys that wait for a restart.
    pending: Vec<String>,
}

impl From<Applied> for Outcome {
    fn from(applied: Applied) -> Self {
        Self {
            pending: applied.waiting,
        }
    }
}

/// All settings
#[utoipa::path(
    get,
    path = "/settings",
    tag = "Settings",
    responses((status = 200, description = "In the order of the sample file.", body = Vec<Row>))
)]
async fn list(State(app): State<App>) -> Json<Vec<Row>> {
    Json(app.admin.settings().into_iter().map(Row::from).collect())
}

/// Change several settings
///
/// All of them or none.
#[utoipa::path(
    put,
    path = "/settings",
    tag = "Settings",
    request_body(content = Value, description = "Values by key; null takes a saved value back.",
        example = json!({"mqtt.max_inflight": 100})),
    responses(
        (status = 200, description = "Kept, and in effect unless it waits for a restart.", body = Outcome),
        (status = 400, description = "A value is not allowed, or an address cannot be listened on.", body = ErrorBody),
        (status = 404, description = "No such setting.", body = ErrorBody),
        (status = 409, description = "The environment or a flag has it otherwise.", body = ErrorBody),
    )
)]
async fn change_many(
    State(app): State<App>,
    Json(body): Json<Map<String, Value>>,
) -> Result<Json<Outcome>, Refusal> {
    let value = |value: &Value| match value {
        Value::Null => Ok(None),
        value => raw(value).map(Some),
    };
    let wanted = body.iter().map(|(key, v)| Ok((key.clone(), value(v)?)));
    let wanted = wanted.collect::<Result<_, Refusal>>()?;
    Ok(Json(app.admin.change_settings(wanted).await?.into()))
}

/// One setting
#[utoipa::path(
    get,
    path = "/settings/{key}",
    tag = "Settings",
    params(("key" = String, Path, description = "Such as `mqtt.max_inflight`.")),
    responses(
        (status = 200, description = "The setting.", body = Row),
        (status = 404, description = "No such setting.", body = ErrorBody),
    )
)]
async fn one(State(app): State<App>, Path(key): Path<String>) -> Result<Json<Row>, Refusal> {
    told(&app, &key).map(Json)
}

fn told(app: &App, key: &str) -> Result<Row, Refusal> {
    let setting = app.admin.setting(key);
    let setting = setting.ok_or_else(|| SettingError::Unknown(key.to_owned()))?;
    Ok(setting.into())
}

/// A value for a setting.
#[derive(Deserialize, ToSchema)]
#[schema(as = SettingsBody)]
struct Body {
    /// A text, a number, true, false or a list of these.
    value: Value,
}

/// Change a setting
#[utoipa::path(
    put,
    path = "/settings/{key}",
    tag = "Settings",
    params(("key" = String, Path, description = "Such as `mqtt.max_inflight`.")),
    request_body = Body,
    responses(
        (status = 200, description = "Kept, and in effect unless it waits for a restart.", body = Row),
        (status = 400, description = "The value is not allowed, or an address cannot be listened on.", body = ErrorBody),
        (status = 404, description = "No such setting.", body = ErrorBody),
        (status = 409, description = "The environment or a flag has it otherwise.", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    Path(key): Path<String>,
    Json(body): Json<Body>,
) -> Result<Json<Row>, Refusal> {
    let value = raw(&body.value)?;
    app.admin
        .change_settings(vec![(key.clone(), Some(value))])
        .await?;
    told(&app, &key).map(Json)
}

/// Take a saved value back
///
/// The file counts again, or the default.
#[utoipa::path(
    delete,
    path = "/settings/{key}",
    tag = "Settings",
    params(("key" = String, Path, description = "Such as `mqtt.max_inflight`.")),
    responses(
        (status = 204, description = "Nothing is saved for it any more."),
        (status = 400, description = "What counts then cannot be used.", body = ErrorBody),
        (status = 404, description = "No such setting.", body = ErrorBody),
    )
)]
async fn reset(State(app): State<App>, Path(key): Path<String>) -> Result<StatusCode, Refusal> {
    app.admin.change_settings(vec![(key, None)]).await?;
    Ok(StatusCode::NO_CONTENT)
}
