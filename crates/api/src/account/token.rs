//! Tokens of those who signed in. Only their digests are kept, so what is on disk signs nobody in.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// How long a token is good after its last use.
pub(crate) const LIFE_MILLIS: u64 = 60 * 60 * 1000;
/// How long it is remembered after that, to say why it is refused.
const REMEMBERED_MILLIS: u64 = 60 * 60 * 1000;
/// A use is written to disk if the last one written is older than this: a kill may take as much.
const WRITE_MILLIS: u64 = 60 * 1000;
/// Of one user; further ones end the one unused for longest.
const TOKENS_MAX: usize = 100;

pub(crate) type Digest = [u8; 32];

/// As kept, under the digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) user: String,
    /// Last use, in milliseconds since 1970.
    pub(crate) used: u64,
    #[serde(skip)]
    written: u64,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Unknown,
    TimedOut,
}

/// A use of a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) user: String,
    /// That it was used is to be written now.
    pub(crate) write: Option<(Digest, Vec<u8>)>,
}

#[derive(Default)]
pub(crate) struct Tokens(HashMap<Digest, Token>);

impl Tokens {
    pub(crate) fn load(&mut self, key: &[u8], value: &[u8]) {
        let digest: Result<Digest, _> = key.try_into();
        if let (Ok(digest), Ok(mut token)) = (digest, serde_json::from_slice::<Token>(value)) {
            token.written = token.used;
            self.0.insert(digest, token);
        }
    }

    /// Adds one; gives those that end for it.
    pub(crate) fn add(&mut self, secret: &Secret, user: &str, now: u64) -> (Vec<u8>, Vec<Digest>) {
        let mut ended: Vec<Digest> = Vec::new();
        self.0.retain(|digest, token| {
            let stays = now.saturating_sub(token.used) < LIFE_MILLIS + REMEMBERED_MILLIS;
            if !stays {
                ended.push(*digest);
            }
            stays
        });
        let of_user = self.0.iter().filter(|(_, token)| token.user == user);
        let mut of_user: Vec<(u64, Digest)> = of_user.map(|(d, token)| (token.used, *d)).collect();
        of_user.sort_unstable();
        let too_many = (of_user.len() + 1).saturating_sub(TOKENS_MAX);
        for (_, digest) in of_user.into_iter().take(too_many) {
            self.0.remove(&digest);
            ended.push(digest);
        }
        let token = Token {
            user: user.to_owned(),
            used: now,
            written: now,
        };
        let value = written(&token);
        self.0.insert(secret.digest(), token);
        (value, ended)
    }

    pub(crate) fn take(&mut self, secret: &Secret, now: u64) -> Result<Used, Refused> {
        let digest = secret.digest();
        let token = self.0.get_mut(&digest).ok_or(Refused::Unknown)?;
        if now.saturating_sub(token.used) >= LIFE_MILLIS {
            return Err(Refused::TimedOut);
        }
        token.used = token.used.max(now);
        let due = token.used.saturating_sub(token.written) >= WRITE_MILLIS;
        if due {
            token.written = token.used;
        }
        Ok(Used {
            user: token.user.clone(),
            write: due.then(|| (digest, written(token))),
        })
    }

    pub(crate) fn end(&mut self, digest: &Digest) {
        self.0.remove(digest);
    }

    /// Ends all of a user's.
    pub(crate) fn end_of(&mut self, user: &str) {
        self.0.retain(|_, token| token.user != user);
    }

    pub(crate) fn of(&self, user: &str) -> Vec<Digest> {
        let of_user = self.0.iter().filter(|(_, token)| token.user == user);
        of_user.map(|(digest, _)| *digest).collect()
    }
}

fn written(token: &Token) -> Vec<u8> {
    serde_json::to_vec(token).expect("texts and numbers become JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_live_an_hour_after_their_last_use() {
        let mut tokens = Tokens::default();
        let secret = Secret::random();
        tokens.add(&secret, "admin", 0);
        let half = LIFE_MILLIS / 2;
        let used = tokens.take(&secret, half).unwrap();
        assert_eq!(used.user, "admin");
        assert!(used.write.is_some());
        assert!(tokens.take(&secret, half + 1).unwrap().write.is_none());
        assert!(tokens.take(&secret, half + LIFE_MILLIS).is_ok());
        let late = half + 2 * LIFE_MILLIS;
        assert_eq!(tokens.take(&secret, late), Err(Refused::TimedOut));
        assert_eq!(tokens.take(&Secret::random(), late), Err(Refused::Unknown));
    }

    #[test]
    fn what_is_kept_signs_in_only_with_the_token_itself() {
        let mut tokens = Tokens::default();
        let secret = Secret::random();
        let (value, _) = tokens.add(&secret, "admin", 5);
        assert!(!String::from_utf8_lossy(&value).contains(secret.reveal()));
        let mut again = Tokens::default();
        again.load(&secret.digest(), &value);
        again.load(b"short", &value);
        again.load(&Secret::random().digest(), b"damaged");
        assert_eq!(again.0.len(), 1);
        assert_eq!(again.take(&secret, 6).unwrap().user, "admin");
    }

    #[test]
    fn too_many_end_the_oldest() {
        let mut tokens = Tokens::default();
        let all: Vec<Secret> = (0..TOKENS_MAX + 2).map(|_| Secret::random()).collect();
        let mut ended = Vec::new();
        for (now, secret) in (0..).zip(&all) {
            ended.extend(tokens.add(secret, "admin", now).1);
        }
        assert_eq!(ended, [all[0].digest(), all[1].digest()]);
        assert!(tokens.take(&all[1], 200).is_err() && tokens.take(&all[2], 200).is_ok());
        tokens.add(&all[0], "viewer", 200);
        assert_eq!(tokens.of("viewer"), [all[0].digest()]);
        tokens.end_of("admin");
        assert!(tokens.take(&all[2], 200).is_err() && tokens.take(&all[0], 200).is_ok());
        tokens.end(&all[0].digest());
        assert!(tokens.take(&all[0], 200).is_err());
    }
}
