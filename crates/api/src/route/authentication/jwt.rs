//! Tokens, as EMQX says how they are checked.

use broker::admin::authentication::{Digest, Jwt, JwtKeys, KeysAt, Masked, Method, Setup, Shown};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    error::Refusal,
    route::remote::{Hidden, MASK, Remote},
};

const ACL_CLAIM: &str = "acl";
/// How a set of keys in a file is named.
const FILE: &str = "file://";
/// Seconds between two fetches of a set of keys: EMQX's default, and what may be said.
const REFRESH: u64 = 300;
const REFRESH_MIN: u64 = 10;
const REFRESH_MAX: u64 = 86_400 * 30;

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TokenFrom {
    Password,
    Username,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum TokenAlgorithm {
    HmacBased,
    PublicKey,
    Sha256,
    Sha512,
}

/// What is said of tokens.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = TokenSetup)]
pub(super) struct Token {
    /// Where a client shows its token; the password, if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<TokenFrom>,
    /// Whether keys come from a set, at `endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    use_jwks: Option<bool>,
    /// Of scram, `sha256`, which is meant if it is left out, or `sha512`; the others are of jwt.
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<TokenAlgorithm>,
    /// Of hmac-based.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Password)]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_base64_encoded: Option<bool>,
    /// Of public-key: in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// Where the set of keys is: `https://auth.example/keys` or `file:///etc/keys.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// Seconds after which the keys of an `endpoint` on the network are fetched anew; sooner if a token
    /// names a key that is not among them. 300 if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 10, maximum = 2_592_000)]
    refresh_interval: Option<u64>,
    /// Claims and what they have to be, as an object or as a list of `name` and `value`;
    /// `${username}` and `${clientid}` stand for the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    verify_claims: Option<Value>,
    /// Whether the client goes when its token ends; it does, if this is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_after_expire: Option<bool>,
    /// The claim with what its holder may do: a list of rules as elsewhere, or an object with lists of
    /// topics, `pub`, `sub` and `all`, that are allowed and nothing else. `acl` if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    acl_claim_name: Option<String>,
}

impl Token {
    pub(super) fn of(jwt: &Jwt) -> Self {
        let claims = jwt.verify_claims.iter();
        let claims = claims.map(|(name, due)| (name.clone(), Value::String(due.clone())));
        let mut told = Self {
            from: Some(match jwt.from {
                Shown::Password => TokenFrom::Password,
                Shown::Username => TokenFrom::Username,
            }),
            use_jwks: Some(false),
            verify_claims: Some(Value::Object(claims.collect())),
            disconnect_after_expire: Some(jwt.disconnect_after_expire),
            acl_claim_name: Some(jwt.acl_claim_name.clone()),
            ..Self::default()
        };
        match &jwt.keys {
            JwtKeys::Secret { base64, .. } => {
                told.algorithm = Some(TokenAlgorithm::HmacBased);
                told.secret = Some(MASK.to_owned());
                told.secret_base64_encoded = Some(*base64);
            }
            JwtKeys::Public { pem } => {
                told.algorithm = Some(TokenAlgorithm::PublicKey);
                told.public_key = Some(pem.clone());
            }
            JwtKeys::File { path } => {
                told.use_jwks = Some(true);
                told.endpoint = Some(format!("{FILE}{}", path.to_string_lossy()));
            }
            JwtKeys::Url(at) => {
                told.use_jwks = Some(true);
                told.endpoint = Some(at.url.clone());
                told.refresh_interval = Some(at.refresh_secs);
            }
        }
        told
    }

    pub(super) fn of_scram(digest: Digest) -> Self {
        Self {
            algorithm: Some(match digest {
                Digest::Sha256 => TokenAlgorithm::Sha256,
                Digest::Sha512 => TokenAlgorithm::Sha512,
            }),
            ..Self::default()
        }
    }

    /// That of scram.
    pub(super) fn digest(&self) -> Result<Digest, Refusal> {
        match self.algorithm {
            None | Some(TokenAlgorithm::Sha256) => Ok(Digest::Sha256),
            Some(TokenAlgorithm::Sha512) => Ok(Digest::Sha512),
            Some(TokenAlgorithm::HmacBased | TokenAlgorithm::PublicKey) => Err(
                Refusal::bad_request("scram has the algorithm sha256 or sha512"),
            ),
        }
    }

    pub(super) fn jwt(self, remote: &Remote, before: Option<&Setup>) -> Result<Jwt, Refusal> {
        let keys = self.keys(remote, before)?;
        Ok(Jwt {
            keys,
            from: match self.from {
                None | Some(TokenFrom::Password) => Shown::Password,
                Some(TokenFrom::Username) => Shown::Username,
            },
            verify_claims: self.verify_claims.map_or_else(|| Ok(Vec::new()), claims)?,
            disconnect_after_expire: self.disconnect_after_expire.unwrap_or(true),
            acl_claim_name: self.acl_claim_name.unwrap_or_else(|| ACL_CLAIM.to_owned()),
        })
    }

    fn keys(&self, remote: &Remote, before: Option<&Setup>) -> Result<JwtKeys, Refusal> {
        let needs = |what: &str| Refusal::bad_request(format!("jwt needs {what}"));
        if self.use_jwks == Some(true) {
            let endpoint = self.endpoint.clone().unwrap_or_default();
            if endpoint.starts_with("http://") || endpoint.starts_with("https://") {
                let refresh_secs = self.refresh_interval.unwrap_or(REFRESH);
                if !(REFRESH_MIN..=REFRESH_MAX).contains(&refresh_secs) {
                    return Err(Refusal::bad_request(format!(
                        "refresh_interval is {REFRESH_MIN} to {REFRESH_MAX} seconds"
                    )));
                }
                return Ok(JwtKeys::Url(KeysAt {
                    url: endpoint,
                    refresh_secs,
                    headers: remote.headers(Hidden::of(before)),
                    tls: remote.tls(Hidden::of(before))?,
                }));
            }
            let path = endpoint.strip_prefix(FILE).filter(|path| !path.is_empty());
            let path = path.ok_or_else(|| {
                needs("an endpoint of the form https://host/path or file:///path")
            })?;
            return Ok(JwtKeys::File { path: path.into() });
        }
        if let Some(TokenAlgorithm::Sha256 | TokenAlgorithm::Sha512) = self.algorithm {
            return Err(needs("the algorithm hmac-based or public-key"));
        }
        if let Some(TokenAlgorithm::PublicKey) = self.algorithm {
            let pem = self.public_key.clone().ok_or_else(|| needs("public_key"))?;
            return Ok(JwtKeys::Public { pem });
        }
        let secret = self.secret.clone().ok_or_else(|| needs("secret"))?;
        let had = before.and_then(|before| match &before.method {
            Method::Jwt(Jwt {
                keys: JwtKeys::Secret { secret, .. },
                ..
            }) => Some(secret.clone()),
            _ => None,
        });
        Ok(JwtKeys::Secret {
            secret: had.filter(|_| secret == MASK).unwrap_or(Masked(secret)),
            base64: self.secret_base64_encoded.unwrap_or(false),
        })
    }
}

/// Names and what they have to be, of an object or of a list.
fn claims(value: Value) -> Result<Vec<(String, String)>, Refusal> {
    let bad = || Refusal::bad_request("verify_claims has names and texts");
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(bad()),
    };
    match value {
        Value::Object(all) => all
            .into_iter()
            .map(|(name, due)| Ok((name, text(&due)?)))
            .collect(),
        Value::Array(all) => all
            .iter()
            .map(|one: &Value| {
                let one: &Map<String, Value> = one.as_object().ok_or_else(bad)?;
                let field = |name: &str| one.get(name).ok_or_else(bad).and_then(text);
                Ok((field("name")?, field("value")?))
            })
            .collect(),
        _ => Err(bad()),
    }
}
