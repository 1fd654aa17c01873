//! What SCRAM keeps of a password (RFC 5802 3): two keys that are made of it with a salt and many rounds. One
//! says whether somebody knows it, with the other the broker shows that it knows it, too; neither gives it
//! back.

use std::{borrow::Cow, fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

use super::super::hash::{Digest, Unfit, is_equal};

/// What a client may be asked to compute: more would be an attack on it.
pub(crate) const ROUNDS: std::ops::RangeInclusive<u32> = 1..=1_000_000;
pub(super) const SALT_BYTES: usize = 16;
const SALT_BYTES_MAX: usize = 1024;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    digest: Digest,
    pub(super) rounds: u32,
    pub(super) salt: Box<[u8]>,
    stored: Box<[u8]>,
    server: Box<[u8]>,
}

impl Digest {
    /// The method's name in CONNECT and in what is kept.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn of(self, bytes: &[u8]) -> Box<[u8]> {
        match self {
            Self::Sha256 => Box::from(&Sha256::digest(bytes)[..]),
            Self::Sha512 => Box::from(&Sha512::digest(bytes)[..]),
        }
    }

    pub(super) fn mac(self, key: &[u8], message: &[u8]) -> Box<[u8]> {
        const ANY: &str = "HMAC takes a key of any length";
        match self {
            Self::Sha256 => {
                let mac = <Hmac<Sha256>>::new_from_slice(key).expect(ANY);
                Box::from(&mac.chain_update(message).finalize().into_bytes()[..])
            }
            Self::Sha512 => {
                let mac = <Hmac<Sha512>>::new_from_slice(key).expect(ANY);
                Box::from(&mac.chain_update(message).finalize().into_bytes()[..])
            }
        }
    }

    fn salted(self, password: &[u8], salt: &[u8], rounds: u32) -> Box<[u8]> {
        let mut out = vec![0; self.bytes()].into_boxed_slice();
        match self {
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut out),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut out),
        }
        out
    }
}

/// A name or password in the one form that all ways to type it have (SASLprep, RFC 4013). What has none, such as
/// an emoji, which is younger than that list, stays as it is.
pub(crate) fn prepared(text: &str) -> Cow<'_, str> {
    stringprep::saslprep(text).unwrap_or(Cow::Borrowed(text))
}

impl Keys {
    /// With a salt that is drawn; `None` if the system has no random bytes.
    pub(crate) fn of_password(digest: Digest, rounds: u32, password: &[u8]) -> Option<Self> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).ok()?;
        Some(Self::with_salt(digest, rounds, &salt, password))
    }

    pub(super) fn with_salt(digest: Digest, rounds: u32, salt: &[u8], password: &[u8]) -> Self {
        let password = match std::str::from_utf8(password) {
            Ok(text) => Cow::Owned(prepared(text).into_owned().into_bytes()),
            Err(_) => Cow::Borrowed(password),
        };
        let salted = digest.salted(&password, salt, rounds);
        Self {
            digest,
            rounds,
            salt: salt.into(),
            stored: digest.of(&digest.mac(&salted, b"Client Key")),
            server: digest.mac(&salted, b"Server Key"),
        }
    }

    /// Of a user who does not exist: the same each time, and of no password.
    pub(super) fn of_nobody(digest: Digest, rounds: u32, seed: &[u8], name: &str) -> Self {
        let drawn = |what: &str| digest.mac(seed, format!("{what} {name}").as_bytes());
        Self {
            digest,
            rounds,
            salt: drawn("salt")[..SALT_BYTES].into(),
            stored: drawn("stored"),
            server: drawn("server"),
        }
    }

    pub(in super::super) fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether the proof for a message is of somebody who knows the password.
    pub(super) fn is_proven(&self, message: &[u8], proof: &[u8]) -> bool {
        let signature = self.digest.mac(&self.stored, message);
        if proof.len() != signature.len() {
            return false;
        }
        let key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        is_equal(&self.digest.of(&key), &self.stored)
    }

    /// That the broker knows it.
    pub(super) fn signature(&self, message: &[u8]) -> Box<[u8]> {
        self.digest.mac(&self.server, message)
    }

    /// Whether this is the password. Takes milliseconds.
    pub(crate) fn is(&self, password: &[u8]) -> bool {
        let other = Self::with_salt(self.digest, self.rounds, &self.salt, password);
        is_equal(&other.stored, &self.stored)
    }
}

/// As PostgreSQL writes it, too.
impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] =
            [&self.salt, &self.stored, &self.server].map(|k| BASE64.encode(k));
        let method = self.digest.method();
        write!(f, "{method}${}:{salt}${stored}:{server}", self.rounds)
    }
}

impl FromStr for Keys {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let bad = Unfit("it is no SCRAM-SHA-256$ROUNDS:SALT$STORED:SERVER");
        let [method, made, keys] = text.split('$').collect::<Vec<_>>()[..] else {
            return Err(bad);
        };
        let digests = [Digest::Sha256, Digest::Sha512];
        let digest = digests.into_iter().find(|digest| digest.method() == method);
        let digest = digest.ok_or(bad)?;
        let (rounds, salt) = made.split_once(':').ok_or(bad)?;
        let (stored, server) = keys.split_once(':').ok_or(bad)?;
        let rounds = rounds.parse().ok().filter(|rounds| ROUNDS.contains(rounds));
        let part = |text: &str| {
            let bytes = BASE64.decode(text).map_err(|_| bad)?;
            Ok(bytes.into_boxed_slice())
        };
        let read = Self {
            digest,
            rounds: rounds.ok_or(bad)?,
            salt: part(salt)?,
            stored: part(stored)?,
            server: part(server)?,
        };
        let is_whole = (1..=SALT_BYTES_MAX).contains(&read.salt.len())
            && [&read.stored, &read.server]
                .iter()
                .all(|key| key.len() == digest.bytes());
        is_whole.then_some(read).ok_or(bad)
    }
}

/// Masked: whoever has them can pretend to be the broker.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept knows its password and no other, also when the store gives it back.
    #[test]
    fn kept_and_compared() {
        for digest in [Digest::Sha256, Digest::Sha512] {
            let keys = Keys::of_password(digest, 10, "päß".as_bytes()).unwrap();
            let back: Keys = keys.to_string().parse().unwrap();
            assert!(back == keys && back.is("päß".as_bytes()) && !back.is(b"pass"));
            assert_eq!(format!("{keys:?}"), "******");
            let nobody = |name| Keys::of_nobody(digest, 10, b"seed", name);
            assert!(nobody("a") == nobody("a") && nobody("a") != nobody("b"));
            assert!(!nobody("a").is(b""));
            // The examples of RFC 4013 3, and what it does not know.
            for (typed, sent) in [
                ("I\u{ad}X", "IX"),
                ("\u{aa}", "a"),
                ("\u{2168}", "IX"),
                ("😀", "😀"),
            ] {
                let keys = Keys::of_password(digest, 10, typed.as_bytes()).unwrap();
                assert!(keys.is(sent.as_bytes()), "{typed}");
            }
            let bytes = Keys::of_password(digest, 10, b"\xff").unwrap();
            assert!(bytes.is(b"\xff") && !bytes.is(b"\xfe"));
        }
        // PostgreSQL's own, of the password `pencil`.
        let theirs = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
                      WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        let keys: Keys = theirs.parse().unwrap();
        assert!(keys.is(b"pencil") && keys.to_string() == theirs);
        for bad in [
            "",
            "SCRAM-SHA-1$10:AA==$AA==:AA==",
            "SCRAM-SHA-256$0:AA==$AA==:AA==",
            "SCRAM-SHA-256$10:AA==$AA==:AA==",
            &theirs.replace("4096", "9999999"),
            &theirs.replace(':', ""),
        ] {
            assert!(bad.parse::<Keys>().is_err(), "{bad}");
        }
    }
}
