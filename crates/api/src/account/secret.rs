//! Texts that nobody may see: no Debug, no Display, no serde. Also random ones, and their digests.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::password::{Weak, check};

/// A password, a token, the secret of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it may be a password.
    ///
    /// # Errors
    /// If it may not.
    pub fn check(&self) -> Result<(), Weak> {
        check(&self.0)
    }

    /// For its owner's eyes: one that was made for them.
    #[must_use]
    pub fn show(&self) -> &str {
        &self.0
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// 256 random bits: cannot be guessed, so a fast digest of it is safe to keep.
    pub(crate) fn random() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()))
    }

    /// Compares without telling by its time where the difference is.
    pub(crate) fn is(&self, other: &Self) -> bool {
        is_equal(&self.digest(), &other.digest())
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("******")
    }
}

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random bytes: it seeded the hash maps");
    bytes
}

/// Compares in a time that tells nothing of where the difference is.
pub(crate) fn is_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

/// A pass phrase that can be read out and typed: 72 random bits as twelve syllables.
#[must_use]
pub fn pass_phrase() -> Secret {
    const FIRST: &[u8; 16] = b"bdfghjklmnprstvz";
    const SECOND: &[u8; 4] = b"aiou";
    let mut phrase = String::new();
    for (at, byte) in random::<12>().into_iter().enumerate() {
        if at > 0 && at % 3 == 0 {
            phrase.push('-');
        }
        phrase.push(char::from(FIRST[usize::from(byte & 0x0f)]));
        phrase.push(char::from(SECOND[usize::from(byte >> 4 & 0x03)]));
    }
    Secret(phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_and_differ() {
        let (a, b) = (Secret::random(), Secret::random());
        assert_eq!(format!("{a:?}"), "******");
        assert_ne!(a.reveal(), b.reveal());
        assert_ne!(a.digest(), b.digest());
        assert_eq!(a.reveal().len(), 43);
        assert!(is_equal(&a.digest(), &a.clone().digest()));
        assert!(!is_equal(b"a", b"ab") && !is_equal(b"a", b"b"));
    }

    #[test]
    fn pass_phrases_are_passwords() {
        let phrase = pass_phrase();
        assert_eq!(phrase.reveal().len(), 27);
        assert_eq!(phrase.check(), Ok(()));
        assert_ne!(phrase, pass_phrase());
    }
}
