//! API keys: a name and a secret for programs. The secret is told once; its digest is kept.

use serde::{Deserialize, Serialize};

use super::{
    secret::{Secret, is_equal, random},
    user::Role,
};

/// Keys at most.
pub(crate) const KEYS_MAX: usize = 100;
/// Longest name, in bytes.
const NAME_MAX: usize = 255;

/// A key as kept, under its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Key {
    /// The user name of HTTP's Basic scheme.
    pub(crate) key: String,
    secret: [u8; 32],
    pub(crate) desc: String,
    pub(crate) enable: bool,
    pub(crate) role: Role,
    /// Milliseconds since 1970; for ever if absent.
    pub(crate) expired_at: Option<u64>,
    pub(crate) created_at: u64,
}

/// What somebody wants of a new one.
pub(crate) struct NewKey {
    pub(crate) desc: String,
    pub(crate) enable: bool,
    pub(crate) role: Role,
    pub(crate) expired_at: Option<u64>,
}

impl Key {
    /// A new one, and its secret.
    pub(crate) fn new(wanted: NewKey, now: u64) -> (Self, Secret) {
        let secret = Secret::random();
        let key = random::<8>().iter().map(|b| format!("{b:02x}")).collect();
        let made = Self {
            key,
            secret: secret.digest(),
            desc: wanted.desc,
            enable: wanted.enable,
            role: wanted.role,
            expired_at: wanted.expired_at,
            created_at: now,
        };
        (made, secret)
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expired_at.is_some_and(|at| at <= now)
    }

    /// Whether this secret opens it now.
    pub(crate) fn opens(&self, secret: &Secret, now: u64) -> bool {
        let right = is_equal(&secret.digest(), &self.secret);
        right && self.enable && !self.is_expired(now)
    }
}

/// Whether a text may be a key's name.
pub(crate) fn is_name(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    rest.len() < text.len()
        && text.len() <= NAME_MAX
        && rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_open_while_they_are_on_and_not_expired() {
        let wanted = NewKey {
            desc: String::new(),
            enable: true,
            role: Role::Viewer,
            expired_at: Some(100),
        };
        let (key, secret) = Key::new(wanted, 5);
        let kept = serde_json::to_string(&key).unwrap();
        assert!(!kept.contains(secret.reveal()));
        assert!(key.opens(&secret, 99) && !key.opens(&secret, 100));
        assert!(!key.opens(&Secret::random(), 99));
        let off = Key {
            enable: false,
            ..key
        };
        assert!(!off.opens(&secret, 99));
    }

    #[test]
    fn names_of_keys() {
        for good in ["a", "ci", "Key-1_x"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1a", "-a", "a b", "ä", &"a".repeat(256)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
