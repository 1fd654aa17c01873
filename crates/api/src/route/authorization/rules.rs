//! Rules of users, of clients and of all, one by one.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use broker::admin::authorize::{AccessAction, AccessRule, Owned, RuleOwner};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{
    IntoParams, ToSchema,
    openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Permission;
use crate::{
    App,
    error::{ErrorBody, Refusal},
    page::{Meta, Page, Paging},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(purge))
        .routes(routes!(of_all, set_of_all, drop_of_all))
        .routes(routes!(of_users, add_of_users))
        .routes(routes!(of_user, set_of_user, drop_of_user))
        .routes(routes!(of_clients, add_of_clients))
        .routes(routes!(of_client, set_of_client, drop_of_client))
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuthorizationAction)]
enum Action {
    Publish,
    Subscribe,
    All,
}

/// A rule; the first that is about it decides.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AuthorizationRule)]
struct Rule {
    /// A filter; `${clientid}`, `${username}` and `${cert_common_name}` are the client's, and `eq ` before
    /// it means this filter and none that is narrower.
    #[schema(example = "dev/${clientid}/#")]
    topic: String,
    permission: Permission,
    action: Action,
    /// With these QoS only.
    #[serde(default = "any_qos")]
    #[schema(example = json!([0, 1, 2]))]
    qos: Vec<u8>,
    #[serde(default)]
    #[schema(schema_with = retain)]
    retain: Value,
}

fn retain() -> Schema {
    let word = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["all", "true", "false"]));
    OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Boolean))
        .item(word)
        .item(ObjectBuilder::new().schema_type(Type::Null))
        .description(Some(
            "Only with RETAIN (`true`), or without it (`false`); `all` is the default.",
        ))
        .into()
}

fn any_qos() -> Vec<u8> {
    vec![0, 1, 2]
}

impl From<&AccessRule> for Rule {
    fn from(rule: &AccessRule) -> Self {
        Self {
            topic: rule.topic.clone(),
            permission: Permission::of(rule.allows),
            action: match rule.action {
                AccessAction::Publish => Action::Publish,
                AccessAction::Subscribe => Action::Subscribe,
                AccessAction::All => Action::All,
            },
            qos: rule.qos.clone(),
            retain: rule.retain.map_or_else(|| "all".into(), Value::from),
        }
    }
}

impl Rule {
    fn rule(self) -> Result<AccessRule, Refusal> {
        let retain = match &self.retain {
            Value::Null => None,
            Value::Bool(retain) => Some(*retain),
            Value::String(text) => match &**text {
                "all" => None,
                "true" => Some(true),
                "false" => Some(false),
                _ => {
                    return Err(Refusal::bad_request(
                        "retain is none of all, true and false",
                    ));
                }
            },
            _ => {
                return Err(Refusal::bad_request(
                    "retain is none of all, true and false",
                ));
            }
        };
        Ok(AccessRule {
            allows: self.permission.allows(),
            action: match self.action {
                Action::Publish => AccessAction::Publish,
                Action::Subscribe => AccessAction::Subscribe,
                Action::All => AccessAction::All,
            },
            topic: self.topic,
            qos: self.qos,
            retain,
        })
    }
}

/// Rules for all.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AuthorizationRules)]
struct Rules {
    rules: Vec<Rule>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AuthorizationRulesOfUser)]
struct OfUser {
    username: String,
    rules: Vec<Rule>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = AuthorizationRulesOfClient)]
struct OfClient {
    clientid: String,
    rules: Vec<Rule>,
}

/// Rules in the place of those before; the name stands in the path.
#[derive(Deserialize, ToSchema)]
#[schema(as = AuthorizationRulesWanted)]
struct Wanted {
    rules: Vec<Rule>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LikeUser {
    /// A part of the name.
    like_username: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LikeClient {
    /// A part of the client id.
    like_clientid: Option<String>,
}

fn shown(rules: &[AccessRule]) -> Vec<Rule> {
    rules.iter().map(Rule::from).collect()
}

fn meant(rules: Vec<Rule>) -> Result<Vec<AccessRule>, Refusal> {
    rules.into_iter().map(Rule::rule).collect()
}

fn found(app: &App, owner: &RuleOwner) -> Result<Vec<Rule>, Refusal> {
    match app.admin.access_rules(owner) {
        Some(rules) => Ok(shown(&rules)),
        None => Err(Refusal::not_found("NOT_FOUND", "there are no such rules")),
    }
}

async fn replace(app: &App, owner: RuleOwner, rules: Vec<Rule>) -> Result<StatusCode, Refusal> {
    app.admin.set_access_rules(owner, meant(rules)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(app: &App, owner: RuleOwner) -> Result<StatusCode, Refusal> {
    app.admin.drop_access_rules(owner).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete all rules of the built-in database
#[utoipa::path(
    delete,
    path = "/authorization/sources/built_in_database/rules",
    tag = "Authorization",
    responses(
        (status = 204, description = "There are none."),
        (status = 400, description = "`BAD_REQUEST`: the source is enabled.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn purge(State(app): State<App>) -> Result<StatusCode, Refusal> {
    app.admin.drop_all_access_rules().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rules for all
#[utoipa::path(
    get,
    path = "/authorization/sources/built_in_database/rules/all",
    tag = "Authorization",
    responses((status = 200, description = "In their order; they are asked behind those of clients and users.", body = Rules))
)]
async fn of_all(State(app): State<App>) -> Json<Rules> {
    let rules = app.admin.access_rules(&RuleOwner::All);
    Json(Rules {
        rules: rules.map_or_else(Vec::new, |rules| shown(&rules)),
    })
}

/// Replace the rules for all
#[utoipa::path(
    post,
    path = "/authorization/sources/built_in_database/rules/all",
    tag = "Authorization",
    request_body = Rules,
    responses(
        (status = 204, description = "They are in force."),
        (status = 400, description = "`BAD_REQUEST`: one is no rule.", body = ErrorBody),
        (status = 409, description = "`EXCEED_LIMIT`: more than 100.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: they could not be kept.", body = ErrorBody),
    )
)]
async fn set_of_all(
    State(app): State<App>,
    Json(wanted): Json<Rules>,
) -> Result<StatusCode, Refusal> {
    replace(&app, RuleOwner::All, wanted.rules).await
}

/// Delete the rules for all
#[utoipa::path(
    delete,
    path = "/authorization/sources/built_in_database/rules/all",
    tag = "Authorization",
    responses(
        (status = 204, description = "There are none."),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn drop_of_all(State(app): State<App>) -> Result<StatusCode, Refusal> {
    if app.admin.access_rules(&RuleOwner::All).is_none() {
        return Ok(StatusCode::NO_CONTENT);
    }
    remove(&app, RuleOwner::All).await
}

/// Users with rules
#[utoipa::path(
    get,
    path = "/authorization/sources/built_in_database/rules/users",
    tag = "Authorization",
    params(Paging, LikeUser),
    responses(
        (status = 200, description = "A page of them, by name.", body = Page<OfUser>),
        (status = 400, description = "`INVALID_PARAMETER`", body = ErrorBody),
    )
)]
async fn of_users(
    State(app): State<App>,
    Query(paging): Query<Paging>,
    Query(filter): Query<LikeUser>,
) -> Result<Json<Page<OfUser>>, Refusal> {
    let window = paging.window()?;
    let like = filter.like_username.as_deref();
    let (count, page) = app.admin.access_owners(user, like, window.span());
    let row = |(username, rules): Owned| OfUser {
        username,
        rules: shown(&rules),
    };
    Ok(Json(Page {
        data: page.into_iter().map(row).collect(),
        meta: Meta::of(window, count),
    }))
}

fn user(owner: &RuleOwner) -> Option<&str> {
    match owner {
        RuleOwner::User(name) => Some(name),
        _ => None,
    }
}

fn client(owner: &RuleOwner) -> Option<&str> {
    match owner {
        RuleOwner::Client(id) => Some(id),
        _ => None,
    }
}

/// Give users rules
///
/// To all of them, or to nobody.
#[utoipa::path(
    post,
    path = "/authorization/sources/built_in_database/rules/users",
    tag = "Authorization",
    request_body = Vec<OfUser>,
    responses(
        (status = 204, description = "They are in force."),
        (status = 400, description = "`BAD_REQUEST`: one is no rule.", body = ErrorBody),
        (status = 409, description = "`ALREADY_EXISTS`: one has rules. `EXCEED_LIMIT`: more than 100 for one.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: they could not be kept.", body = ErrorBody),
    )
)]
async fn add_of_users(
    State(app): State<App>,
    Json(wanted): Json<Vec<OfUser>>,
) -> Result<StatusCode, Refusal> {
    let each = wanted.into_iter();
    let each = each.map(|row| Ok((RuleOwner::User(row.username), meant(row.rules)?)));
    let given = each.collect::<Result<_, Refusal>>()?;
    app.admin.add_access_rules(given).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rules of a user
#[utoipa::path(
    get,
    path = "/authorization/sources/built_in_database/rules/users/{username}",
    tag = "Authorization",
    params(("username" = String, Path, description = "Percent-encoded.")),
    responses(
        (status = 200, description = "In their order.", body = OfUser),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn of_user(
    State(app): State<App>,
    Path(username): Path<String>,
) -> Result<Json<OfUser>, Refusal> {
    let rules = found(&app, &RuleOwner::User(username.clone()))?;
    Ok(Json(OfUser { username, rules }))
}

/// Replace the rules of a user
#[utoipa::path(
    put,
    path = "/authorization/sources/built_in_database/rules/users/{username}",
    tag = "Authorization",
    params(("username" = String, Path, description = "Percent-encoded.")),
    request_body = Wanted,
    responses(
        (status = 204, description = "They are in force."),
        (status = 400, description = "`BAD_REQUEST`: one is no rule.", body = ErrorBody),
        (status = 409, description = "`EXCEED_LIMIT`: more than 100.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: they could not be kept.", body = ErrorBody),
    )
)]
async fn set_of_user(
    State(app): State<App>,
    Path(username): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<StatusCode, Refusal> {
    replace(&app, RuleOwner::User(username), wanted.rules).await
}

/// Delete the rules of a user
#[utoipa::path(
    delete,
    path = "/authorization/sources/built_in_database/rules/users/{username}",
    tag = "Authorization",
    params(("username" = String, Path, description = "Percent-encoded.")),
    responses(
        (status = 204, description = "There are none."),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn drop_of_user(
    State(app): State<App>,
    Path(username): Path<String>,
) -> Result<StatusCode, Refusal> {
    remove(&app, RuleOwner::User(username)).await
}

/// Clients with rules
#[utoipa::path(
    get,
    path = "/authorization/sources/built_in_database/rules/clients",
    tag = "Authorization",
    params(Paging, LikeClient),
    responses(
        (status = 200, description = "A page of them, by client id.", body = Page<OfClient>),
        (status = 400, description = "`INVALID_PARAMETER`", body = ErrorBody),
    )
)]
async fn of_clients(
    State(app): State<App>,
    Query(paging): Query<Paging>,
    Query(filter): Query<LikeClient>,
) -> Result<Json<Page<OfClient>>, Refusal> {
    let window = paging.window()?;
    let like = filter.like_clientid.as_deref();
    let (count, page) = app.admin.access_owners(client, like, window.span());
    let row = |(clientid, rules): Owned| OfClient {
        clientid,
        rules: shown(&rules),
    };
    Ok(Json(Page {
        data: page.into_iter().map(row).collect(),
        meta: Meta::of(window, count),
    }))
}

/// Give clients rules
///
/// To all of them, or to nobody.
#[utoipa::path(
    post,
    path = "/authorization/sources/built_in_database/rules/clients",
    tag = "Authorization",
    request_body = Vec<OfClient>,
    responses(
        (status = 204, description = "They are in force."),
        (status = 400, description = "`BAD_REQUEST`: one is no rule.", body = ErrorBody),
        (status = 409, description = "`ALREADY_EXISTS`: one has rules. `EXCEED_LIMIT`: more than 100 for one.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: they could not be kept.", body = ErrorBody),
    )
)]
async fn add_of_clients(
    State(app): State<App>,
    Json(wanted): Json<Vec<OfClient>>,
) -> Result<StatusCode, Refusal> {
    let each = wanted.into_iter();
    let each = each.map(|row| Ok((RuleOwner::Client(row.clientid), meant(row.rules)?)));
    let given = each.collect::<Result<_, Refusal>>()?;
    app.admin.add_access_rules(given).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rules of a client
#[utoipa::path(
    get,
    path = "/authorization/sources/built_in_database/rules/clients/{clientid}",
    tag = "Authorization",
    params(("clientid" = String, Path, description = "Percent-encoded.")),
    responses(
        (status = 200, description = "In their order.", body = OfClient),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn of_client(
    State(app): State<App>,
    Path(clientid): Path<String>,
) -> Result<Json<OfClient>, Refusal> {
    let rules = found(&app, &RuleOwner::Client(clientid.clone()))?;
    Ok(Json(OfClient { clientid, rules }))
}

/// Replace the rules of a client
#[utoipa::path(
    put,
    path = "/authorization/sources/built_in_database/rules/clients/{clientid}",
    tag = "Authorization",
    params(("clientid" = String, Path, description = "Percent-encoded.")),
    request_body = Wanted,
    responses(
        (status = 204, description = "They are in force."),
        (status = 400, description = "`BAD_REQUEST`: one is no rule.", body = ErrorBody),
        (status = 409, description = "`EXCEED_LIMIT`: more than 100.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: they could not be kept.", body = ErrorBody),
    )
)]
async fn set_of_client(
    State(app): State<App>,
    Path(clientid): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<StatusCode, Refusal> {
    replace(&app, RuleOwner::Client(clientid), wanted.rules).await
}

/// Delete the rules of a client
#[utoipa::path(
    delete,
    path = "/authorization/sources/built_in_database/rules/clients/{clientid}",
    tag = "Authorization",
    params(("clientid" = String, Path, description = "Percent-encoded.")),
    responses(
        (status = 204, description = "There are none."),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn drop_of_client(
    State(app): State<App>,
    Path(clientid): Path<String>,
) -> Result<StatusCode, Refusal> {
    remove(&app, RuleOwner::Client(clientid)).await
}
