//! Authenticators of MQTT clients: their chain, how they are doing, and the broker's own users.

mod jwt;
mod ldap;
mod users;

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use broker::admin::{
    NODE,
    authentication::{
        Algorithm, Anonymous, AuthenticationError, BuiltIn, Counts, DatabaseKind, Digest, JwtKeys,
        Method, PasswordFile, Position, Salt, Scram, Setup, Status, UserIdType, UserTable,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::remote::{Hidden, Remote};
use crate::{
    App,
    error::{ErrorBody, Refusal},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(order))
        .routes(routes!(one, change, delete))
        .routes(routes!(put_at))
        .routes(routes!(put_at_as_before))
        .routes(routes!(status))
        .merge(users::routes())
}

/// EMQX's defaults.
const BCRYPT_ROUNDS: u32 = 10;
const SCRAM_ROUNDS: u32 = 4096;

/// How clients prove who they are.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Mechanism {
    PasswordBased,
    Jwt,
    /// SCRAM-SHA-256 and SCRAM-SHA-512, as enhanced authentication of MQTT 5.
    Scram,
}

/// Where users are known.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UserBackend {
    BuiltInDatabase,
    /// A password file as mosquitto has it.
    File,
    /// A service that is asked.
    Http,
    /// Databases with a row for each user.
    Redis,
    Mysql,
    Postgresql,
    /// A directory with an entry for each user.
    Ldap,
}

impl UserBackend {
    fn of(kind: DatabaseKind) -> Self {
        match kind {
            DatabaseKind::Redis => Self::Redis,
            DatabaseKind::Mysql => Self::Mysql,
            DatabaseKind::Postgresql => Self::Postgresql,
        }
    }
}

/// What a user is called by.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CalledBy {
    Username,
    Clientid,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AlgorithmName {
    Argon2id,
    Bcrypt,
    Pbkdf2,
    Sha256,
    Sha512,
    Plain,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SaltPosition {
    Prefix,
    Suffix,
    Disable,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MacFun {
    Sha256,
    Sha512,
}

/// How new passwords are kept.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
struct HashAlgorithm {
    name: AlgorithmName,
    /// Of sha256 and sha512.
    #[serde(skip_serializing_if = "Option::is_none")]
    salt_position: Option<SaltPosition>,
    /// Of bcrypt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 4, maximum = 16)]
    salt_rounds: Option<u32>,
    /// Of pbkdf2, as the next two.
    #[serde(skip_serializing_if = "Option::is_none")]
    mac_fun: Option<MacFun>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000_000)]
    iterations: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 16, maximum = 64)]
    dk_length: Option<u32>,
}

/// An authenticator.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
struct Authenticator {
    /// The mechanism and the backend.
    #[serde(skip_deserializing)]
    #[schema(read_only, example = "password_based:built_in_database")]
    id: String,
    mechanism: Mechanism,
    /// Of password_based, and of scram, which has the built-in database.
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<UserBackend>,
    #[serde(default = "yes")]
    #[schema(default = true)]
    enable: bool,
    /// Of the built-in database.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id_type: Option<CalledBy>,
    /// Of the built-in database, where argon2id is meant if it is left out, and of other databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash_algorithm: Option<HashAlgorithm>,
    /// Of a file: where it is on the broker's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Of scram: rounds that a new password takes, 4096 if they are left out. A device computes as many when it connects.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000, example = 4096)]
    iteration_count: Option<u32>,
    /// Of jwt, and `algorithm` of scram.
    #[serde(flatten)]
    token: jwt::Token,
    #[serde(flatten)]
    search: ldap::Search,
    /// Of what is asked over the network.
    #[serde(flatten)]
    remote: Remote,
}

fn yes() -> bool {
    true
}

impl HashAlgorithm {
    fn of(algorithm: &Algorithm) -> Self {
        let name = match algorithm {
            Algorithm::Argon2id => AlgorithmName::Argon2id,
            Algorithm::Bcrypt { .. } => AlgorithmName::Bcrypt,
            Algorithm::Pbkdf2 { .. } => AlgorithmName::Pbkdf2,
            Algorithm::Sha256 { .. } => AlgorithmName::Sha256,
            Algorithm::Sha512 { .. } => AlgorithmName::Sha512,
            Algorithm::Plain => AlgorithmName::Plain,
        };
        let mut told = Self {
            name,
            salt_position: None,
            salt_rounds: None,
            mac_fun: None,
            iterations: None,
            dk_length: None,
        };
        match *algorithm {
            Algorithm::Argon2id | Algorithm::Plain => {}
            Algorithm::Bcrypt { salt_rounds } => told.salt_rounds = Some(salt_rounds),
            Algorithm::Pbkdf2 {
                mac_fun,
                iterations,
                dk_length,
            } => {
                told.mac_fun = Some(match mac_fun {
                    Digest::Sha256 => MacFun::Sha256,
                    Digest::Sha512 => MacFun::Sha512,
                });
                told.iterations = Some(iterations);
                told.dk_length = dk_length;
            }
            Algorithm::Sha256 { salt_position } | Algorithm::Sha512 { salt_position } => {
                told.salt_position = Some(match salt_position {
                    Salt::Prefix => SaltPosition::Prefix,
                    Salt::Suffix => SaltPosition::Suffix,
                    Salt::Disable => SaltPosition::Disable,
                });
            }
        }
        told
    }

    fn algorithm(&self) -> Result<Algorithm, Refusal> {
        let salt_position = match self.salt_position {
            None | Some(SaltPosition::Prefix) => Salt::Prefix,
            Some(SaltPosition::Suffix) => Salt::Suffix,
            Some(SaltPosition::Disable) => Salt::Disable,
        };
        let missing = |what: &str| Refusal::bad_request(format!("pbkdf2 needs {what}"));
        Ok(match self.name {
            AlgorithmName::Argon2id => Algorithm::Argon2id,
            AlgorithmName::Bcrypt => Algorithm::Bcrypt {
                salt_rounds: self.salt_rounds.unwrap_or(BCRYPT_ROUNDS),
            },
            AlgorithmName::Pbkdf2 => Algorithm::Pbkdf2 {
                mac_fun: match self.mac_fun {
                    Some(MacFun::Sha256) => Digest::Sha256,
                    Some(MacFun::Sha512) => Digest::Sha512,
                    None => return Err(missing("mac_fun")),
                },
                iterations: self.iterations.ok_or_else(|| missing("iterations"))?,
                dk_length: self.dk_length,
            },
            AlgorithmName::Sha256 => Algorithm::Sha256 { salt_position },
            AlgorithmName::Sha512 => Algorithm::Sha512 { salt_position },
            AlgorithmName::Plain => Algorithm::Plain,
        })
    }
}

impl From<&Setup> for Authenticator {
    fn from(setup: &Setup) -> Self {
        let mut told = Self {
            id: setup.method.id().to_owned(),
            mechanism: Mechanism::PasswordBased,
            backend: Some(UserBackend::BuiltInDatabase),
            enable: setup.enable,
            user_id_type: None,
            password_hash_algorithm: None,
            path: None,
            iteration_count: None,
            token: jwt::Token::default(),
            search: ldap::Search::default(),
            remote: Remote::default(),
        };
        match &setup.method {
            Method::BuiltIn(own) => {
                told.user_id_type = Some(match own.user_id_type {
                    UserIdType::Username => CalledBy::Username,
                    UserIdType::Clientid => CalledBy::Clientid,
                });
                let algorithm = HashAlgorithm::of(&own.password_hash_algorithm);
                told.password_hash_algorithm = Some(algorithm);
            }
            Method::Scram(scram) => {
                told.mechanism = Mechanism::Scram;
                told.token = jwt::Token::of_scram(scram.algorithm);
                told.iteration_count = Some(scram.iteration_count);
            }
            Method::File(file) => {
                told.backend = Some(UserBackend::File);
                told.path = Some(file.path.to_string_lossy().into_owned());
            }
            Method::Jwt(jwt) => {
                told.mechanism = Mechanism::Jwt;
                told.backend = None;
                told.token = jwt::Token::of(jwt);
                if let JwtKeys::Url(at) = &jwt.keys {
                    told.remote = Remote::of_transport(&at.headers, &at.tls);
                }
            }
            Method::Database(table) => {
                told.backend = Some(UserBackend::of(table.database.kind));
                let algorithm = HashAlgorithm::of(&table.password_hash_algorithm);
                told.password_hash_algorithm = Some(algorithm);
                told.remote = Remote::of_database(&table.database, table.cache_millis);
            }
            Method::Ldap(ldap) => {
                told.backend = Some(UserBackend::Ldap);
                told.search = ldap::Search::of(&ldap.directory);
                told.remote = Remote::of_directory(&ldap.directory, ldap.cache_millis);
            }
            Method::Http(service) => {
                told.backend = Some(UserBackend::Http);
                told.remote = Remote::of(service);
            }
        }
        told
    }
}

impl Authenticator {
    /// `before` is what there is of this kind: a masked secret means the one that it has.
    fn setup(self, before: Option<&Setup>) -> Result<Setup, Refusal> {
        let method = match (self.mechanism, self.backend) {
            (Mechanism::Jwt, _) => Method::Jwt(self.token.jwt(&self.remote, before)?),
            (Mechanism::PasswordBased, None) => {
                return Err(Refusal::bad_request("password_based needs a backend"));
            }
            (Mechanism::Scram, Some(UserBackend::BuiltInDatabase)) => self.scram(before)?,
            (Mechanism::Scram, _) => {
                let text = "scram needs the backend built_in_database";
                return Err(Refusal::bad_request(text));
            }
            (_, Some(UserBackend::BuiltInDatabase)) => Method::BuiltIn(BuiltIn {
                user_id_type: match self.user_id_type {
                    None | Some(CalledBy::Username) => UserIdType::Username,
                    Some(CalledBy::Clientid) => UserIdType::Clientid,
                },
                password_hash_algorithm: match &self.password_hash_algorithm {
                    Some(algorithm) => algorithm.algorithm()?,
                    None => Algorithm::Argon2id,
                },
            }),
            (_, Some(UserBackend::File)) => {
                let path = self.path.filter(|path| !path.is_empty());
                let path = path.ok_or_else(|| Refusal::bad_request("a file needs its path"))?;
                Method::File(PasswordFile { path: path.into() })
            }
            (_, Some(UserBackend::Http)) => Method::Http(self.remote.service(Hidden::of(before))?),
            (_, Some(UserBackend::Ldap)) => self.search.ldap(&self.remote, before)?,
            (_, Some(UserBackend::Redis)) => self.table(DatabaseKind::Redis, before)?,
            (_, Some(UserBackend::Mysql)) => self.table(DatabaseKind::Mysql, before)?,
            (_, Some(UserBackend::Postgresql)) => self.table(DatabaseKind::Postgresql, before)?,
        };
        Ok(Setup {
            enable: self.enable,
            method,
        })
    }

    /// What answers users who do not exist stays as it is.
    fn scram(&self, before: Option<&Setup>) -> Result<Method, Refusal> {
        let (algorithm, rounds) = (self.token.digest()?, self.iteration_count);
        let rounds = rounds.unwrap_or(SCRAM_ROUNDS);
        if let Some(Method::Scram(scram)) = before.map(|setup| &setup.method) {
            return Ok(Method::Scram(scram.with(algorithm, rounds)));
        }
        let made = Scram::new(algorithm, rounds);
        let refused = || Refusal::bad_request("the system has no random bytes");
        Ok(Method::Scram(made.ok_or_else(refused)?))
    }

    fn table(&self, kind: DatabaseKind, before: Option<&Setup>) -> Result<Method, Refusal> {
        let needs = || Refusal::bad_request("this backend needs password_hash_algorithm");
        let algorithm = self.password_hash_algorithm.as_ref().ok_or_else(needs)?;
        let (database, cache_millis) = self.remote.clone().database(kind, Hidden::of(before))?;
        Ok(Method::Database(UserTable {
            password_hash_algorithm: algorithm.algorithm()?,
            cache_millis,
            database,
        }))
    }
}

impl From<AuthenticationError> for Refusal {
    fn from(error: AuthenticationError) -> Self {
        let words = error.to_string();
        match error {
            AuthenticationError::NoAuthenticator(_) | AuthenticationError::NoUser(_) => {
                Self::not_found("NOT_FOUND", words)
            }
            AuthenticationError::Exists(_) | AuthenticationError::UserExists(_) => {
                Self::new(StatusCode::CONFLICT, "ALREADY_EXISTS", words)
            }
            AuthenticationError::TooMany(_) => {
                Self::new(StatusCode::CONFLICT, "EXCEED_LIMIT", words)
            }
            AuthenticationError::Busy => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_ATTEMPTS", words)
            }
            AuthenticationError::Keep(error) => error.into(),
            AuthenticationError::Gone(gone) => gone.into(),
            _ => Self::bad_request(words),
        }
    }
}

/// The authenticators
#[utoipa::path(
    get,
    path = "/authentication",
    tag = "Authentication",
    responses((status = 200, description = "In the order in which they are asked.", body = Vec<Authenticator>))
)]
async fn list(State(app): State<App>) -> Json<Vec<Authenticator>> {
    let setups = app.admin.authenticators();
    Json(setups.iter().map(Authenticator::from).collect())
}

/// What becomes of clients without a name.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Nameless {
    Refuse,
    Keep,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Choice {
    /// Whether clients without user name and password come in as before (`keep`), or not from their next
    /// connect on. Only asked while nobody has set `mqtt.allow_anonymous`, which it sets.
    #[param(inline)]
    anonymous: Option<Nameless>,
}

/// Add an authenticator, behind the others
///
/// With the first one, clients without user name and password are refused from their next connect on,
/// unless `mqtt.allow_anonymous` or `anonymous` says otherwise.
#[utoipa::path(
    post,
    path = "/authentication",
    tag = "Authentication",
    params(Choice),
    request_body = Authenticator,
    responses(
        (status = 200, description = "The authenticator.", body = Authenticator),
        (status = 400, description = "`BAD_REQUEST`: it is not as described, or could not do its work.", body = ErrorBody),
        (status = 409, description = "`ALREADY_EXISTS`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn add(
    State(app): State<App>,
    Query(choice): Query<Choice>,
    Json(wanted): Json<Authenticator>,
) -> Result<Json<Authenticator>, Refusal> {
    let setup = wanted.setup(None)?;
    let anonymous = match choice.anonymous {
        Some(Nameless::Keep) => Anonymous::Kept,
        Some(Nameless::Refuse) | None => Anonymous::Refused,
    };
    let told = Authenticator::from(&setup);
    app.admin.add_authenticator(setup, anonymous).await?;
    Ok(Json(told))
}

/// An authenticator
#[utoipa::path(
    get,
    path = "/authentication/{id}",
    tag = "Authentication",
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The authenticator.", body = Authenticator),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Authenticator>, Refusal> {
    Ok(Json((&app.admin.authenticator(&id)?).into()))
}

/// Set an authenticator up anew
#[utoipa::path(
    put,
    path = "/authentication/{id}",
    tag = "Authentication",
    params(("id" = String, Path)),
    request_body = Authenticator,
    responses(
        (status = 200, description = "The authenticator; users stay as they are.", body = Authenticator),
        (status = 400, description = "`BAD_REQUEST`: it is not as described, or could not do its work.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: it could not be kept.", body = ErrorBody),
    )
)]
async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(wanted): Json<Authenticator>,
) -> Result<Json<Authenticator>, Refusal> {
    let before = app.admin.authenticator(&id)?;
    let setup = wanted.setup(Some(&before))?;
    let told = Authenticator::from(&setup);
    app.admin.change_authenticator(&id, setup).await?;
    Ok(Json(told))
}

/// Take an authenticator out
#[utoipa::path(
    delete,
    path = "/authentication/{id}",
    tag = "Authentication",
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "It is gone, and the built-in database's users with it."),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn delete(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    app.admin.remove_authenticator(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An authenticator in an order.
#[derive(Deserialize, ToSchema)]
struct Ordered {
    id: String,
}

/// Put the authenticators in another order
#[utoipa::path(
    put,
    path = "/authentication/order",
    tag = "Authentication",
    request_body = Vec<Ordered>,
    responses(
        (status = 204, description = "They are asked in this order from now on."),
        (status = 400, description = "`BAD_REQUEST`: it does not name each of them once.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn order(
    State(app): State<App>,
    Json(wanted): Json<Vec<Ordered>>,
) -> Result<StatusCode, Refusal> {
    let ids: Vec<String> = wanted.into_iter().map(|ordered| ordered.id).collect();
    app.admin.order_authenticators(&ids).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn moved(app: &App, id: &str, position: &str) -> Result<StatusCode, Refusal> {
    let to = Position::parse(position)
        .ok_or_else(|| Refusal::bad_request("a position is front, rear, before:ID or after:ID"))?;
    app.admin.move_authenticator(id, &to).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Move an authenticator
#[utoipa::path(
    put,
    path = "/authentication/{id}/position/{position}",
    tag = "Authentication",
    params(
        ("id" = String, Path),
        ("position" = String, Path, description = "`front`, `rear`, `before:ID` or `after:ID`"),
    ),
    responses(
        (status = 204, description = "It is there."),
        (status = 400, description = "`BAD_REQUEST`: there is no such position.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`: it, or the one beside which it is to be, is not there.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn put_at(
    State(app): State<App>,
    Path((id, position)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    moved(&app, &id, &position).await
}

#[derive(Deserialize, ToSchema)]
struct AuthenticatorPlace {
    /// `front`, `rear`, `before:ID` or `after:ID`
    #[schema(example = "front")]
    position: String,
}

/// Move an authenticator, as early EMQX 5 has it
#[utoipa::path(
    post,
    path = "/authentication/{id}/move",
    tag = "Authentication",
    params(("id" = String, Path)),
    request_body = AuthenticatorPlace,
    responses(
        (status = 204, description = "It is there."),
        (status = 400, description = "`BAD_REQUEST`: there is no such position.", body = ErrorBody),
        (status = 404, description = "`NOT_FOUND`: it, or the one beside which it is to be, is not there.", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: that could not be kept.", body = ErrorBody),
    )
)]
async fn put_at_as_before(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(place): Json<AuthenticatorPlace>,
) -> Result<StatusCode, Refusal> {
    moved(&app, &id, &place.position).await
}

/// What was counted of an authenticator since the broker started.
#[derive(Clone, Copy, Serialize, ToSchema)]
struct AuthenticatorMetrics {
    total: u64,
    success: u64,
    failed: u64,
    /// It was not its business.
    nomatch: u64,
    /// Questions a second.
    rate: f64,
    rate_max: f64,
    rate_last5m: f64,
}

impl From<Counts> for AuthenticatorMetrics {
    fn from(counts: Counts) -> Self {
        Self {
            total: counts.total,
            success: counts.success,
            failed: counts.failed,
            nomatch: counts.nomatch,
            rate: counts.rate,
            rate_max: counts.rate_max,
            rate_last5m: counts.rate_last5m,
        }
    }
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AuthenticatorState {
    Connected,
    /// It goes on with what it had, or lets nobody in.
    Disconnected,
}

/// Nothing is counted of what an authenticator uses.
#[derive(Clone, Copy, Serialize, ToSchema)]
struct ResourceMetrics {}

#[derive(Serialize, ToSchema)]
struct NodeMetrics {
    node: &'static str,
    metrics: AuthenticatorMetrics,
}

#[derive(Serialize, ToSchema)]
struct NodeState {
    node: &'static str,
    status: AuthenticatorState,
}

#[derive(Serialize, ToSchema)]
struct NodeError {
    node: &'static str,
    error: String,
}

/// How an authenticator is doing.
#[derive(Serialize, ToSchema)]
struct AuthenticatorStatus {
    status: AuthenticatorState,
    metrics: AuthenticatorMetrics,
    resource_metrics: ResourceMetrics,
    /// Clients that wait for any authenticator just now.
    waiting: usize,
    node_metrics: Vec<NodeMetrics>,
    node_status: Vec<NodeState>,
    node_error: Vec<NodeError>,
}

impl From<Status> for AuthenticatorStatus {
    fn from(found: Status) -> Self {
        let metrics = AuthenticatorMetrics::from(found.counts);
        let status = match found.trouble {
            None => AuthenticatorState::Connected,
            Some(_) => AuthenticatorState::Disconnected,
        };
        let error = found.trouble.map(|error| NodeError { node: NODE, error });
        Self {
            status,
            metrics,
            resource_metrics: ResourceMetrics {},
            waiting: found.waiting,
            node_metrics: vec![NodeMetrics {
                node: NODE,
                metrics,
            }],
            node_status: vec![NodeState { node: NODE, status }],
            node_error: error.into_iter().collect(),
        }
    }
}

/// How an authenticator is doing
#[utoipa::path(
    get,
    path = "/authentication/{id}/status",
    tag = "Authentication",
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "Since the broker started.", body = AuthenticatorStatus),
        (status = 404, description = "`NOT_FOUND`", body = ErrorBody),
    )
)]
async fn status(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<AuthenticatorStatus>, Refusal> {
    Ok(Json(app.admin.authenticator_status(&id)?.into()))
}
