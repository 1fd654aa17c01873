//! JSON Web Tokens as passwords: who signed it is known by a secret, a public key or a set of these; what
//! it claims is checked; and with its end the client goes, too.

#[cfg(test)]
mod fixture;
mod key;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use engine::{Cause, Time};
use serde_json::{Map, Value};

use self::key::{Key, Named, Signing, of_jwks};
use super::{
    chain::{Answer, Authenticator, Credentials, Granted, Question},
    method::{Jwt, JwtKeys, Shown},
    watched::Watched,
};
use crate::shard::Clock;

/// Bytes of a token at most.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Clocks of others may be so far from ours.
const LEEWAY_SECS: f64 = 1.0;

enum Keys {
    Fixed(Named),
    Set(Watched<Vec<Named>>),
}

pub(super) struct Tokens {
    keys: Option<Keys>,
    setup: Jwt,
    clock: Clock,
}

/// Why a token lets nobody in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flaw {
    /// It is no token, or none of ours: another authenticator may know better.
    Foreign,
    Expired,
    Claims,
}

impl Tokens {
    pub(super) fn new(setup: Jwt, clock: Clock) -> Self {
        let fixed = |key| Keys::Fixed(Named { id: None, key });
        let keys = match &setup.keys {
            JwtKeys::Secret { secret, base64 } => {
                let bytes = if *base64 {
                    BASE64_STANDARD.decode(&secret.0).ok()
                } else {
                    Some(secret.0.clone().into_bytes())
                };
                let bytes = bytes.filter(|bytes| !bytes.is_empty());
                bytes.map(|bytes| fixed(Key::Secret(bytes.into())))
            }
            JwtKeys::Public { pem } => Key::of_pem(pem).map(fixed),
            JwtKeys::File { path } => Some(Keys::Set(Watched::open(path.clone(), of_jwks))),
        };
        Self { keys, setup, clock }
    }

    /// What a token says of the guest who shows it.
    fn read(&self, token: &[u8], guest: &Credentials, keys: &[Named]) -> Result<Granted, Flaw> {
        let claims = genuine(token, keys).ok_or(Flaw::Foreign)?;
        let now = seconds(self.clock.now());
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(Flaw::Claims),
        };
        let ends = time("exp")?;
        if ends.is_some_and(|ends| ends + LEEWAY_SECS <= now) {
            return Err(Flaw::Expired);
        }
        for begins in [time("nbf")?, time("iat")?].into_iter().flatten() {
            if begins - LEEWAY_SECS > now {
                return Err(Flaw::Claims);
            }
        }
        // Rights that it would narrow are not narrowed here: better nobody than somebody with all.
        if claims.contains_key(&self.setup.acl_claim_name) {
            return Err(Flaw::Claims);
        }
        for (name, due) in &self.setup.verify_claims {
            let due = filled(due, guest).ok_or(Flaw::Claims)?;
            if !claims.get(name).is_some_and(|claim| is(claim, &due)) {
                return Err(Flaw::Claims);
            }
        }
        let superuser = claims.get("is_superuser") == Some(&Value::Bool(true));
        let mut granted = Granted::user(self.name(&claims, guest), superuser);
        if self.setup.disconnect_after_expire {
            granted.until = ends.and_then(millis);
        }
        Ok(granted)
    }

    /// Who the token's holder is: the user name if a claim has to be it, else what the token says itself,
    /// else what the guest says.
    fn name<'a>(&self, claims: &'a Map<String, Value>, guest: &'a Credentials) -> &'a str {
        let user_name = guest.user_name.as_deref();
        let is_bound = |(_, due): &(String, String)| due == USER_NAME;
        let bound = user_name.filter(|_| self.setup.verify_claims.iter().any(is_bound));
        let subject = claims.get("sub").and_then(Value::as_str);
        let subject = subject.filter(|subject| !subject.is_empty());
        bound.or(subject).or(user_name).unwrap_or(&guest.client_id)
    }
}

impl Authenticator for Tokens {
    fn ask(&self, question: Question) {
        let shown = &question.credentials;
        let token = match self.setup.from {
            Shown::Password => shown.password.as_ref().map(|p| p.bytes().to_vec()),
            Shown::Username => shown.user_name.as_ref().map(|n| n.as_bytes().to_vec()),
        };
        let Some(token) = token else {
            return question.answer(Answer::Ignore);
        };
        let keys = match &self.keys {
            Some(Keys::Fixed(key)) => Some(Arc::new(vec![key.clone()])),
            Some(Keys::Set(set)) => set.good(),
            None => None,
        };
        let Some(keys) = keys else {
            return question.answer(Answer::Deny(Cause::AuthenticatorFailed));
        };
        let read = self.read(&token, shown, &keys);
        question.answer(match read {
            Ok(granted) => Answer::Allow(granted),
            Err(Flaw::Foreign) => Answer::Ignore,
            Err(Flaw::Expired) => Answer::Deny(Cause::TokenExpired),
            Err(Flaw::Claims) => Answer::Deny(Cause::TokenClaims),
        });
    }

    fn trouble(&self) -> Option<String> {
        match &self.keys {
            Some(Keys::Fixed(_)) => None,
            Some(Keys::Set(set)) => set.trouble(),
            None => Some(match self.setup.keys {
                JwtKeys::Secret { .. } => "secret is empty, or not base64".to_owned(),
                _ => "public_key is no public key in PEM (RSA, EC P-256 or P-384, Ed25519)"
                    .to_owned(),
            }),
        }
    }
}

/// The claims of a token that one of the keys has signed. The token says which algorithm and which key;
/// what it says is only looked for among what we have.
fn genuine(token: &[u8], keys: &[Named]) -> Option<Map<String, Value>> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let token = std::str::from_utf8(token).ok()?;
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let bytes = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let header: Map<String, Value> = serde_json::from_slice(&bytes(header)?).ok()?;
    // What has to be understood and is not (RFC 7515 4.1.11).
    if header.contains_key("crit") {
        return None;
    }
    let signing = Signing::parse(header.get("alg")?.as_str()?)?;
    let id = match header.get("kid") {
        None => None,
        Some(id) => Some(id.as_str()?),
    };
    let signature = bytes(signature)?;
    let fits = |key: &&Named| match (id, &key.id) {
        (Some(id), Some(own)) => id == own,
        _ => true,
    };
    let mut keys = keys.iter().filter(fits);
    keys.find(|named| named.key.is_signed(signing, signed.as_bytes(), &signature))?;
    serde_json::from_slice(&bytes(claims)?).ok()
}

const USER_NAME: &str = "${username}";
const CLIENT_ID: &str = "${clientid}";

/// What a claim has to be for this guest; `None` if the guest does not show what it is about.
fn filled(due: &str, guest: &Credentials) -> Option<String> {
    match due {
        USER_NAME => guest.user_name.as_deref().map(str::to_owned),
        CLIENT_ID => Some(guest.client_id.to_string()).filter(|id| !id.is_empty()),
        text => Some(text.to_owned()),
    }
}

/// Whether a claim is this text, or a list with it (as `aud` may be).
fn is(claim: &Value, due: &str) -> bool {
    match claim {
        Value::String(text) => text == due,
        Value::Number(number) => number.to_string() == due,
        Value::Bool(flag) => flag.to_string() == due,
        Value::Array(all) => all.iter().any(|one| one.as_str() == Some(due)),
        _ => false,
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age")]
fn seconds(time: Time) -> f64 {
    time.0 as f64 / 1000.0
}

/// `None` for what is no time of this age: it never comes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the bounds that are asked for"
)]
fn millis(secs: f64) -> Option<Time> {
    (0.0..4e9)
        .contains(&secs)
        .then_some(Time((secs * 1000.0) as u64))
}
