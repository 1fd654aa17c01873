//! JSON Web Tokens as passwords: who signed it is known by a secret, a public key or a set of these; what
//! it claims is checked; and with its end the client goes, too.

mod fetched;
#[cfg(test)]
mod fixture;
mod key;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use engine::{Cause, Time};
use serde_json::{Map, Value};

use self::{
    fetched::Fetched,
    key::{Key, Named, Signing, of_jwks},
};
use super::{
    Desk,
    chain::{Answer, Authenticator, Credentials, Granted, Password, Question},
    method::{Jwt, JwtKeys, Shown},
    watched::Watched,
};
use crate::{
    access::{authorize::claim, remote::Errands},
    shard::Clock,
};

/// Bytes of a token at most.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Clocks of others may be so far from ours.
const LEEWAY_SECS: f64 = 1.0;

enum Keys {
    Fixed(Arc<Vec<Named>>),
    Set(Watched<Vec<Named>>),
    Fetched(Arc<Fetched>),
}

pub(super) struct Tokens {
    /// Or why there are none.
    keys: Result<Keys, String>,
    setup: Jwt,
    clock: Clock,
    errands: Arc<Errands>,
    desk: Arc<Desk>,
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
    pub(super) fn new(setup: Jwt, clock: Clock, errands: Arc<Errands>, desk: Arc<Desk>) -> Self {
        Self {
            keys: keys(&setup.keys, &errands),
            setup,
            clock,
            errands,
            desk,
        }
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
        // Rights that are not understood: better nobody than somebody with all.
        let rights = claims.get(&self.setup.acl_claim_name);
        let rights = rights.map(|claim| claim::rules(claim, "jwt")).transpose();
        let rights = rights.map_err(|_| Flaw::Claims)?;
        for (name, due) in &self.setup.verify_claims {
            let due = filled(due, guest).ok_or(Flaw::Claims)?;
            if !claims.get(name).is_some_and(|claim| is(claim, &due)) {
                return Err(Flaw::Claims);
            }
        }
        let superuser = claims.get("is_superuser") == Some(&Value::Bool(true));
        // Rights end with the token that has them.
        let is_bound = self.setup.disconnect_after_expire || rights.is_some();
        let rules = rights.map(Arc::new);
        let granted = Granted::with_rules(self.name(&claims, guest), superuser, rules);
        Ok(granted.until(ends.filter(|_| is_bound).and_then(millis)))
    }

    /// Who the token's holder is: the user name if a claim has to be it, else what the token says itself,
    /// else the client id if a claim has to be that, else what the guest says, if that is not the token.
    fn name<'a>(&self, claims: &'a Map<String, Value>, guest: &'a Credentials) -> &'a str {
        let binds = |place: &str| self.setup.verify_claims.iter().any(|(_, due)| due == place);
        let user_name = guest.user_name.as_deref();
        let bound = user_name.filter(|_| binds(USER_NAME));
        let subject = claims.get("sub").and_then(Value::as_str);
        let subject = subject.filter(|subject| !subject.is_empty() && !subject.contains('\0'));
        let by_id = binds(CLIENT_ID) || self.setup.from == Shown::Username;
        let claimed = user_name.filter(|_| !by_id);
        bound.or(subject).or(claimed).unwrap_or(&guest.client_id)
    }
}

fn keys(keys: &JwtKeys, errands: &Errands) -> Result<Keys, String> {
    let fixed = |key| Keys::Fixed(Arc::new(vec![Named { id: None, key }]));
    match keys {
        JwtKeys::Secret { secret, base64 } => {
            let bytes = if *base64 {
                BASE64_STANDARD.decode(&secret.0).ok()
            } else {
                Some(secret.0.clone().into_bytes())
            };
            let bytes = bytes.filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or("secret is empty, or not base64")?;
            Ok(fixed(Key::Secret(bytes.into())))
        }
        JwtKeys::Public { pem } => {
            let bad = "public_key is no public key in PEM (RSA, EC P-256 or P-384, Ed25519)";
            Ok(Key::of_pem(pem).map(fixed).ok_or(bad)?)
        }
        JwtKeys::File { path } => Ok(Keys::Set(Watched::open(path.clone(), of_jwks))),
        JwtKeys::Url(at) => {
            let fetched = Arc::new(Fetched::new(at)?);
            let begun = fetched.begin(errands);
            begun.map_err(|error| format!("the system refused a thread: {error}"))?;
            Ok(Keys::Fetched(fetched))
        }
    }
}

impl Tokens {
    /// As the token says that the guest shows.
    fn answer(&self, question: &Question, keys: &[Named]) -> Answer {
        let shown = &question.credentials;
        let token = match self.setup.from {
            Shown::Password => shown.password.as_ref().map(Password::bytes),
            Shown::Username => shown.user_name.as_ref().map(|name| name.as_bytes()),
        };
        let Some(token) = token else {
            return Answer::Ignore;
        };
        match self.read(token, shown, keys) {
            Ok(granted) => Answer::Allow(granted),
            Err(Flaw::Foreign) => Answer::Ignore,
            Err(Flaw::Expired) => Answer::Deny(Cause::TokenExpired),
            Err(Flaw::Claims) => Answer::Deny(Cause::TokenClaims),
        }
    }

    /// With keys that have to be fetched first, or are known and may be old.
    fn ask_fetched(self: Arc<Self>, fetched: &Arc<Fetched>, question: Question) {
        match fetched.keys() {
            fetched::Keys::None => {}
            fetched::Keys::Good(keys) => {
                let answer = self.answer(&question, &keys);
                if !matches!(answer, Answer::Ignore) || !fetched.may_be_new() {
                    return question.answer(answer);
                }
            }
            fetched::Keys::Old(keys) => {
                let answer = self.answer(&question, &keys);
                if !matches!(answer, Answer::Ignore) {
                    // Who shows a token that is known does not wait for others.
                    let _ = fetched.begin(&self.errands);
                    return question.answer(answer);
                }
            }
        }
        let fetched = fetched.clone();
        // Refused a thread, the guest is refused with it.
        let Ok(handle) = self.errands.handle() else {
            return;
        };
        handle.spawn(async move {
            let keys = fetched.fetch().await;
            let desk = self.desk.clone();
            desk.go_on(move || match keys {
                Some(keys) => {
                    let answer = self.answer(&question, &keys);
                    question.answer(answer);
                }
                None => question.answer(Answer::Deny(Cause::AuthenticatorFailed)),
            });
        });
    }
}

impl Authenticator for Tokens {
    fn ask(self: Arc<Self>, question: Question) {
        let keys = match &self.keys {
            Ok(Keys::Fixed(keys)) => Some(keys.clone()),
            Ok(Keys::Set(set)) => set.good(),
            Ok(Keys::Fetched(fetched)) => {
                let fetched = fetched.clone();
                return self.ask_fetched(&fetched, question);
            }
            Err(_) => None,
        };
        let answer = match keys {
            Some(keys) => self.answer(&question, &keys),
            None => Answer::Deny(Cause::AuthenticatorFailed),
        };
        question.answer(answer);
    }

    fn trouble(&self) -> Option<String> {
        match &self.keys {
            Ok(Keys::Fixed(_)) => None,
            Ok(Keys::Set(set)) => set.trouble(),
            Ok(Keys::Fetched(fetched)) => fetched.trouble(),
            Err(trouble) => Some(trouble.clone()),
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
