//! How back ends elsewhere are asked, as EMQX says it: where, with which times, how many connections, and
//! TLS. Secrets are shown to nobody, and stay as they are where they are not shown anew.

use std::collections::BTreeMap;

use broker::admin::authentication::{
    DatabaseKind, DatabaseSetup, HttpMethod, HttpService, Jwt, JwtKeys, LdapMethod, LdapSetup,
    Masked, Method, Setup, TlsSetup, TlsStart,
};
use broker::admin::authorize::Source;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{duration, error::Refusal};

/// Instead of a secret.
pub(super) const MASK: &str = "******";
/// EMQX's defaults.
const CONNECT_MILLIS: u32 = 15_000;
const REQUEST_MILLIS: u32 = 5_000;
const POOL: u32 = 8;
const POOL_MAX: u32 = 1_000;

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RequestMethod {
    Get,
    Post,
}

/// How a directory's entry proves a password.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PasswordBy {
    /// It is compared here with what an attribute has.
    Hash,
    /// The directory compares it: somebody signs in there as the entry.
    Bind,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub(super) struct DirectoryMethod {
    #[serde(rename = "type")]
    pub(super) kind: PasswordBy,
    /// Of hash: `userPassword` if it is left out. Plain text, SHA, SHA256, SHA384 and SHA512 are understood,
    /// with a salt, too (SSHA, ...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password_attribute: Option<String>,
    /// `TRUE` there makes a superuser; `isSuperuser` if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_superuser_attribute: Option<String>,
    /// Of bind: the client's password and nothing else, `${password}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bind_password: Option<String>,
}

/// How somebody elsewhere is asked: a word of HTTP, or of ldap an object.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "method is get or post, or of ldap an object whose type is hash or bind"
)]
enum AskedBy {
    Request(RequestMethod),
    Directory(DirectoryMethod),
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PeerVerification {
    VerifyPeer,
    /// Refused: who is not looked at may be anybody.
    VerifyNone,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RedisType {
    Single,
}

/// TLS to a back end.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
struct BackendTls {
    /// Whether TLS is spoken to a database or a directory. To a service it is if its URL begins with `https`, whatever
    /// this says.
    #[serde(skip_serializing_if = "Option::is_none")]
    enable: Option<bool>,
    /// Of ldap: TLS begins on the port without it (StartTLS), and not with the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_tls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<PeerVerification>,
    /// Whom to trust: a file on the broker's machine, or PEM; if it is left out, whom the system trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    cacertfile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certfile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyfile: Option<String>,
    /// The name that its certificate has to be for, if not the host that is connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name_indication: Option<String>,
}

/// How a back end is asked.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = BackendSetup)]
pub(super) struct Remote {
    /// Of http, as the next two: `get` or `post`, which is meant if it is left out. Of ldap, how a password is
    /// tried; by its hash, if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<AskedBy>,
    /// With `${clientid}`, `${username}`, `${peerhost}` and `${cert_common_name}` in path and query, which
    /// stay single values there; of an authenticator `${password}` and `${cert_subject}`, too, of a source of
    /// rules `${topic}`, `${action}`, `${qos}` and `${retain}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "http://127.0.0.1:8080/auth")]
    url: Option<String>,
    /// What is sent, with the same places: as JSON, or as a form if the header `content-type` says so;
    /// with `get`, behind the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    body: Option<Value>,
    /// Of http, and of jwt with `use_jwks`. Values of headers that are secrets are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<String, String>>,
    /// Of redis, mysql, postgresql and ldap, as all that follow but for those that http has, too: a host,
    /// perhaps with a port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "127.0.0.1:5432")]
    server: Option<String>,
    /// A name; a number with redis; not of ldap.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    database: Option<Value>,
    /// Of ldap the name of an entry, such as `cn=ternmq,dc=example,dc=com`; who searches is anonymous, if it is
    /// left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Password)]
    password: Option<String>,
    /// Of mysql and postgresql: SQL that selects `password_hash`, and perhaps `salt` and `is_superuser`; of a
    /// source of rules `permission`, `action` and `topic`, and perhaps `qos` and `retain`. Places in it become
    /// parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "SELECT password_hash, salt FROM mqtt_user WHERE username = ${username} LIMIT 1"
    )]
    query: Option<String>,
    /// Of redis: HMGET or HGET with these fields, or HGETALL; of a source of rules HGETALL, of topics and what
    /// may be done there. Places are parts of an argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "HMGET mqtt_user:${username} password_hash salt is_superuser")]
    cmd: Option<String>,
    /// Of redis; others than `single` are not known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis_type: Option<RedisType>,
    /// `15s` if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_timeout: Option<String>,
    /// Whoever depends on an answer that takes longer is refused; `5s` if it is left out. `query_timeout`, as
    /// EMQX calls it for ldap, is the same.
    #[serde(skip_serializing_if = "Option::is_none", alias = "query_timeout")]
    request_timeout: Option<String>,
    /// Connections at most, of ldap with `bind` twice as many; 8 if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pool_size: Option<u32>,
    /// How long an answer is remembered for the same question; not at all if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1m")]
    cache_ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssl: Option<BackendTls>,
}

/// Whether a header's value is nobody's business.
fn is_secret(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    ["auth", "cookie", "key", "secret", "token"]
        .iter()
        .any(|word| header.contains(word))
}

fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}

/// What there is that is not shown, and stays where it is not shown anew.
#[derive(Clone, Copy, Default)]
pub(super) struct Hidden<'a> {
    headers: &'a [(String, Masked)],
    tls: Option<&'a TlsSetup>,
    password: Option<&'a Masked>,
}

impl<'a> Hidden<'a> {
    /// Of an authenticator.
    pub(super) fn of(before: Option<&'a Setup>) -> Self {
        match before.map(|setup| &setup.method) {
            Some(Method::Http(service)) => Self::of_service(service),
            Some(Method::Database(table)) => Self::of_database(&table.database),
            Some(Method::Ldap(ldap)) => Self {
                tls: ldap.directory.tls.as_ref().map(|tls| &tls.setup),
                password: ldap.directory.password.as_ref(),
                ..Self::default()
            },
            Some(Method::Jwt(Jwt {
                keys: JwtKeys::Url(at),
                ..
            })) => Self {
                headers: &at.headers,
                tls: Some(&at.tls),
                password: None,
            },
            _ => Self::default(),
        }
    }

    /// Of a source of rules.
    pub(super) fn of_source(before: Option<&'a Source>) -> Self {
        let Some(before) = before else {
            return Self::default();
        };
        let table = before.table.as_ref();
        let table = table.map(|table| Self::of_database(&table.database));
        let service = before.service.as_ref().map(Self::of_service);
        service.or(table).unwrap_or_default()
    }

    fn of_database(setup: &'a DatabaseSetup) -> Self {
        Self {
            tls: setup.tls.as_ref(),
            password: setup.password.as_ref(),
            ..Self::default()
        }
    }

    fn of_service(service: &'a HttpService) -> Self {
        Self {
            headers: &service.headers,
            tls: Some(&service.tls),
            password: None,
        }
    }
}

impl BackendTls {
    fn of(tls: &TlsSetup) -> Self {
        let key = tls.keyfile.as_deref();
        let key = key.map(|key| if is_pem(key) { MASK } else { key });
        Self {
            enable: Some(true),
            start_tls: None,
            verify: Some(PeerVerification::VerifyPeer),
            cacertfile: tls.cacertfile.clone(),
            certfile: tls.certfile.clone(),
            keyfile: key.map(str::to_owned),
            server_name_indication: tls.server_name.clone(),
        }
    }
}

fn needs(what: &str) -> Refusal {
    Refusal::bad_request(format!("this backend needs {what}"))
}

fn told(millis: u64) -> String {
    duration::told(u32::try_from(millis).unwrap_or(u32::MAX))
}

fn millis(field: &str, text: Option<&str>, default: u32) -> Result<u64, Refusal> {
    match text {
        Some(text) => duration::parse(field, text).map(u64::from),
        None => Ok(u64::from(default)),
    }
}

impl Remote {
    pub(super) fn of(service: &HttpService) -> Self {
        Self {
            method: Some(AskedBy::Request(match service.method {
                HttpMethod::Get => RequestMethod::Get,
                HttpMethod::Post => RequestMethod::Post,
            })),
            url: Some(service.url.clone()),
            body: serde_json::from_str(&service.body).ok(),
            connect_timeout: Some(told(service.connect_timeout_millis)),
            request_timeout: Some(told(service.request_timeout_millis)),
            pool_size: Some(u32::try_from(service.pool_size).unwrap_or(POOL_MAX)),
            cache_ttl: (service.cache_millis > 0).then(|| told(service.cache_millis)),
            ..Self::of_transport(&service.headers, &service.tls)
        }
    }

    pub(super) fn of_database(setup: &DatabaseSetup, cache_millis: u64) -> Self {
        let is_redis = setup.kind == DatabaseKind::Redis;
        let query = setup.query.clone();
        Self {
            server: Some(setup.server.clone()),
            database: Some(Value::String(setup.database.clone())),
            username: setup.username.clone(),
            password: setup.password.as_ref().map(|_| MASK.to_owned()),
            query: (!is_redis).then(|| query.clone()),
            cmd: is_redis.then_some(query),
            redis_type: is_redis.then_some(RedisType::Single),
            connect_timeout: Some(told(setup.connect_timeout_millis)),
            request_timeout: Some(told(setup.request_timeout_millis)),
            pool_size: Some(u32::try_from(setup.pool_size).unwrap_or(POOL_MAX)),
            cache_ttl: (cache_millis > 0).then(|| told(cache_millis)),
            ssl: setup.tls.as_ref().map(BackendTls::of),
            ..Self::default()
        }
    }

    /// The database that is meant, and how long its rows are remembered.
    pub(super) fn database(
        self,
        kind: DatabaseKind,
        before: Hidden<'_>,
    ) -> Result<(DatabaseSetup, u64), Refusal> {
        let (query, name) = match kind {
            DatabaseKind::Redis => (&self.cmd, "cmd"),
            DatabaseKind::Postgresql | DatabaseKind::Mysql => (&self.query, "query"),
        };
        let (username, password) = self.login(before);
        let (connect_timeout_millis, request_timeout_millis) = self.timeouts()?;
        let setup = DatabaseSetup {
            kind,
            server: self.server()?,
            database: match &self.database {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(name)) => name.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(_) => return Err(Refusal::bad_request("database is a name or a number")),
            },
            username,
            password,
            query: query.clone().ok_or_else(|| needs(name))?,
            pool_size: self.pool()?,
            connect_timeout_millis,
            request_timeout_millis,
            tls: match self.is_secure() {
                true => Some(self.tls(before)?),
                false => None,
            },
        };
        Ok((setup, self.cache_millis()?))
    }

    pub(super) fn of_directory(setup: &LdapSetup, cache_millis: u64) -> Self {
        let (kind, password_attribute) = match &setup.method {
            LdapMethod::Hash { password_attribute } => {
                (PasswordBy::Hash, Some(password_attribute.clone()))
            }
            LdapMethod::Bind => (PasswordBy::Bind, None),
        };
        Self {
            method: Some(AskedBy::Directory(DirectoryMethod {
                kind,
                password_attribute,
                is_superuser_attribute: Some(setup.is_superuser_attribute.clone()),
                bind_password: None,
            })),
            server: Some(setup.server.clone()),
            username: setup.username.clone(),
            password: setup.password.as_ref().map(|_| MASK.to_owned()),
            connect_timeout: Some(told(setup.connect_timeout_millis)),
            request_timeout: Some(told(setup.request_timeout_millis)),
            pool_size: Some(u32::try_from(setup.pool_size).unwrap_or(POOL_MAX)),
            cache_ttl: (cache_millis > 0).then(|| told(cache_millis)),
            ssl: setup.tls.as_ref().map(|tls| BackendTls {
                start_tls: Some(tls.start == TlsStart::StartTls),
                ..BackendTls::of(&tls.setup)
            }),
            ..Self::default()
        }
    }

    /// How a directory's entry proves a password.
    pub(super) fn directory_method(&self) -> Result<DirectoryMethod, Refusal> {
        match self.method.clone() {
            Some(AskedBy::Directory(method)) => Ok(method),
            Some(AskedBy::Request(_)) => {
                let text = "method of ldap is an object whose type is hash or bind";
                Err(Refusal::bad_request(text))
            }
            None => Ok(DirectoryMethod {
                kind: PasswordBy::Hash,
                password_attribute: None,
                is_superuser_attribute: None,
                bind_password: None,
            }),
        }
    }

    pub(super) fn server(&self) -> Result<String, Refusal> {
        self.server.clone().ok_or_else(|| needs("server"))
    }

    /// As whom it is asked, and with which password.
    pub(super) fn login(&self, before: Hidden<'_>) -> (Option<String>, Option<Masked>) {
        let password = match self.password.as_deref() {
            None | Some("") => None,
            Some(MASK) => {
                let had = before.password.cloned();
                had.or_else(|| Some(Masked(MASK.to_owned())))
            }
            Some(text) => Some(Masked(text.to_owned())),
        };
        let username = self.username.clone().filter(|name| !name.is_empty());
        (username, password)
    }

    /// To connect, and to answer.
    pub(super) fn timeouts(&self) -> Result<(u64, u64), Refusal> {
        let connect = self.connect_timeout.as_deref();
        let request = self.request_timeout.as_deref();
        Ok((
            millis("connect_timeout", connect, CONNECT_MILLIS)?,
            millis("request_timeout", request, REQUEST_MILLIS)?,
        ))
    }

    pub(super) fn cache_millis(&self) -> Result<u64, Refusal> {
        millis("cache_ttl", self.cache_ttl.as_deref(), 0)
    }

    pub(super) fn is_secure(&self) -> bool {
        let ssl = self.ssl.as_ref();
        ssl.is_some_and(|ssl| ssl.enable == Some(true))
    }

    pub(super) fn tls_start(&self) -> TlsStart {
        let ssl = self.ssl.as_ref();
        match ssl.and_then(|ssl| ssl.start_tls) {
            Some(true) => TlsStart::StartTls,
            Some(false) | None => TlsStart::AtOnce,
        }
    }

    pub(super) fn pool(&self) -> Result<usize, Refusal> {
        let size = self.pool_size.unwrap_or(POOL);
        if !(1..=POOL_MAX).contains(&size) {
            let text = format!("pool_size is 1 to {POOL_MAX}");
            return Err(Refusal::bad_request(text));
        }
        Ok(usize::try_from(size).unwrap_or(1))
    }

    /// Headers and TLS.
    pub(super) fn of_transport(headers: &[(String, Masked)], tls: &TlsSetup) -> Self {
        let shown = |name: &str, value: &Masked| match is_secret(name) {
            true => MASK.to_owned(),
            false => value.0.clone(),
        };
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), shown(name, value)));
        Self {
            headers: Some(headers.collect()),
            ssl: (*tls != TlsSetup::default()).then(|| BackendTls::of(tls)),
            ..Self::default()
        }
    }

    /// `before` is what there is of this kind.
    pub(super) fn service(self, before: Hidden<'_>) -> Result<HttpService, Refusal> {
        let body = self
            .body
            .clone()
            .unwrap_or_else(|| Value::Object(Map::new()));
        let needs_url = || Refusal::bad_request("http needs url");
        let (connect_timeout_millis, request_timeout_millis) = self.timeouts()?;
        Ok(HttpService {
            method: match self.method {
                Some(AskedBy::Request(RequestMethod::Get)) => HttpMethod::Get,
                Some(AskedBy::Request(RequestMethod::Post)) | None => HttpMethod::Post,
                Some(AskedBy::Directory(_)) => {
                    return Err(Refusal::bad_request("method is get or post"));
                }
            },
            url: self.url.clone().ok_or_else(needs_url)?,
            headers: self.headers(before),
            body: body.to_string(),
            connect_timeout_millis,
            request_timeout_millis,
            pool_size: self.pool()?,
            cache_millis: self.cache_millis()?,
            tls: self.tls(before)?,
        })
    }

    pub(super) fn headers(&self, before: Hidden<'_>) -> Vec<(String, Masked)> {
        let had = before.headers;
        let headers = self.headers.iter().flatten();
        let value = |name: &str, value: &str| {
            let had = had.iter().find(|(other, _)| other == name && value == MASK);
            had.map_or_else(|| Masked(value.to_owned()), |(_, value)| value.clone())
        };
        headers
            .map(|(name, shown)| (name.clone(), value(name, shown)))
            .collect()
    }

    pub(super) fn tls(&self, before: Hidden<'_>) -> Result<TlsSetup, Refusal> {
        let Some(ssl) = &self.ssl else {
            return Ok(TlsSetup::default());
        };
        if ssl.enable == Some(true) && ssl.verify == Some(PeerVerification::VerifyNone) {
            return Err(Refusal::bad_request(
                "ssl.verify: verify_none would give passwords to anybody who answers; name the \
                 authority of the back end's certificate in ssl.cacertfile",
            ));
        }
        // Forms send what is empty, too.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let had = before.tls.and_then(|tls| tls.keyfile.clone());
        let key = given(&ssl.keyfile);
        Ok(TlsSetup {
            cacertfile: given(&ssl.cacertfile),
            certfile: given(&ssl.certfile),
            keyfile: match key.as_deref() {
                Some(MASK) => had.or(key),
                _ => key,
            },
            server_name: given(&ssl.server_name_indication),
        })
    }
}
