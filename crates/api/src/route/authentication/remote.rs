//! How back ends elsewhere are asked, as EMQX says it: where, with which times, how many connections, and
//! TLS. Secrets are shown to nobody, and stay as they are where they are not shown anew.

use std::collections::BTreeMap;

use broker::admin::authentication::{
    HttpMethod, HttpService, JwtKeys, Masked, Method, Setup, TlsSetup,
};
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

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PeerVerification {
    VerifyPeer,
    /// Refused: who is not looked at may be anybody.
    VerifyNone,
}

/// TLS to a back end.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
struct BackendTls {
    /// Spoken wherever the URL begins with `https`, whatever this says.
    #[serde(skip_serializing_if = "Option::is_none")]
    enable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<PeerVerification>,
    /// Whom to trust: a file on the broker's machine, or PEM; if it is left out, whom the system trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    cacertfile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certfile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyfile: Option<String>,
    /// The name that its certificate has to be for, if not the host of the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name_indication: Option<String>,
}

/// How a back end is asked.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = BackendSetup)]
pub(super) struct Remote {
    /// Of http, as the next two; `post` if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<RequestMethod>,
    /// With `${clientid}`, `${username}`, `${password}`, `${peerhost}`, `${cert_common_name}` and
    /// `${cert_subject}` in path and query, which stay single values there.
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
    /// `15s` if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_timeout: Option<String>,
    /// Whoever depends on an answer that takes longer is refused; `5s` if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_timeout: Option<String>,
    /// Connections at most; 8 if it is left out.
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

/// Of a set-up, what it has that is not shown.
fn hidden(before: Option<&Setup>) -> (&[(String, Masked)], Option<&TlsSetup>) {
    match before.map(|setup| &setup.method) {
        Some(Method::Http(service)) => (&service.headers, Some(&service.tls)),
        Some(Method::Jwt(jwt)) => match &jwt.keys {
            JwtKeys::Url(at) => (&at.headers, Some(&at.tls)),
            _ => (&[], None),
        },
        _ => (&[], None),
    }
}

impl Remote {
    pub(super) fn of(service: &HttpService) -> Self {
        let millis = |millis: u64| duration::told(u32::try_from(millis).unwrap_or(u32::MAX));
        Self {
            method: Some(match service.method {
                HttpMethod::Get => RequestMethod::Get,
                HttpMethod::Post => RequestMethod::Post,
            }),
            url: Some(service.url.clone()),
            body: serde_json::from_str(&service.body).ok(),
            connect_timeout: Some(millis(service.connect_timeout_millis)),
            request_timeout: Some(millis(service.request_timeout_millis)),
            pool_size: Some(u32::try_from(service.pool_size).unwrap_or(POOL_MAX)),
            cache_ttl: (service.cache_millis > 0).then(|| millis(service.cache_millis)),
            ..Self::of_transport(&service.headers, &service.tls)
        }
    }

    /// Headers and TLS.
    pub(super) fn of_transport(headers: &[(String, Masked)], tls: &TlsSetup) -> Self {
        let shown = |name: &str, value: &Masked| match is_secret(name) {
            true => MASK.to_owned(),
            false => value.0.clone(),
        };
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), shown(name, value)));
        let key = tls.keyfile.as_deref();
        let key = key.map(|key| if is_pem(key) { MASK } else { key });
        Self {
            headers: Some(headers.collect()),
            ssl: (*tls != TlsSetup::default()).then(|| BackendTls {
                enable: Some(true),
                verify: Some(PeerVerification::VerifyPeer),
                cacertfile: tls.cacertfile.clone(),
                certfile: tls.certfile.clone(),
                keyfile: key.map(str::to_owned),
                server_name_indication: tls.server_name.clone(),
            }),
            ..Self::default()
        }
    }

    /// `before` is what there is of this kind.
    pub(super) fn service(self, before: Option<&Setup>) -> Result<HttpService, Refusal> {
        let millis = |field: &str, text: &Option<String>, default| match text {
            Some(text) => duration::parse(field, text).map(u64::from),
            None => Ok(u64::from(default)),
        };
        let body = self.body.clone().unwrap_or(Value::Object(Map::new()));
        let needs = || Refusal::bad_request("http needs url");
        let pool_size = self.pool_size.unwrap_or(POOL);
        if !(1..=POOL_MAX).contains(&pool_size) {
            let text = format!("pool_size is 1 to {POOL_MAX}");
            return Err(Refusal::bad_request(text));
        }
        Ok(HttpService {
            method: match self.method {
                Some(RequestMethod::Get) => HttpMethod::Get,
                Some(RequestMethod::Post) | None => HttpMethod::Post,
            },
            url: self.url.clone().ok_or_else(needs)?,
            headers: self.headers(before),
            body: body.to_string(),
            connect_timeout_millis: millis(
                "connect_timeout",
                &self.connect_timeout,
                CONNECT_MILLIS,
            )?,
            request_timeout_millis: millis(
                "request_timeout",
                &self.request_timeout,
                REQUEST_MILLIS,
            )?,
            pool_size: usize::try_from(pool_size).unwrap_or(1),
            cache_millis: millis("cache_ttl", &self.cache_ttl, 0)?,
            tls: self.tls(before)?,
        })
    }

    pub(super) fn headers(&self, before: Option<&Setup>) -> Vec<(String, Masked)> {
        let (had, _) = hidden(before);
        let headers = self.headers.iter().flatten();
        let value = |name: &str, value: &str| {
            let had = had.iter().find(|(other, _)| other == name && value == MASK);
            had.map_or_else(|| Masked(value.to_owned()), |(_, value)| value.clone())
        };
        headers
            .map(|(name, shown)| (name.clone(), value(name, shown)))
            .collect()
    }

    pub(super) fn tls(&self, before: Option<&Setup>) -> Result<TlsSetup, Refusal> {
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
        let had = hidden(before).1.and_then(|tls| tls.keyfile.clone());
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
