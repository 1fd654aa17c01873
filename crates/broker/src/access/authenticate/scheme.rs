//! Passwords as directories keep them (RFC 2307): `{SSHA}` and base64, and what OpenLDAP adds to that. What is
//! kept otherwise is named, so that somebody learns that the directory itself has to compare it.

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD as BASE64};
use sha1_smol::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::hash::is_equal;

/// Bytes of a salt, and of a password in plain text, at most.
const SALT_BYTES_MAX: usize = 1024;
const PLAIN_BYTES_MAX: usize = 65_535;

type Hash = fn(&[u8]) -> Vec<u8>;

/// Names, with the bytes that each makes; with a salt behind the hash there is an `S` in front of it.
const SCHEMES: [(&str, usize, Hash); 4] = [
    ("SHA", 20, |bytes| {
        Sha1::from(bytes).digest().bytes().to_vec()
    }),
    ("SHA256", 32, |bytes| Sha256::digest(bytes).to_vec()),
    ("SHA384", 48, |bytes| Sha384::digest(bytes).to_vec()),
    ("SHA512", 64, |bytes| Sha512::digest(bytes).to_vec()),
];

/// One value of `userPassword`.
#[derive(Clone)]
pub(super) enum Kept {
    Plain(Box<[u8]>),
    Hashed {
        with: Hash,
        hash: Box<[u8]>,
        salt: Box<[u8]>,
    },
}

/// Masked: it is a secret.
impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("******")
    }
}

impl Kept {
    /// # Errors
    /// If nothing could ever be compared with it.
    pub(super) fn parse(value: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(value).unwrap_or_default();
        let scheme = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let Some((name, rest)) = scheme else {
            return Self::plain(value);
        };
        if name.eq_ignore_ascii_case("CLEARTEXT") {
            return Self::plain(rest.as_bytes());
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let mut known = SCHEMES.iter();
        let found = known.find(|(known, ..)| is(known) || is(&format!("S{known}")));
        let (known, length, with) = found.ok_or_else(|| {
            format!(
                "a password is kept as {{{}}}, which is not read here; let method be bind",
                shown(name)
            )
        })?;
        let bad = || format!("a password is kept as {{{known}}} and is no such hash");
        let bytes = BASE64
            .decode(rest.trim_end_matches('='))
            .map_err(|_| bad())?;
        let (hash, salt) = bytes.split_at_checked(*length).ok_or_else(bad)?;
        if salt.is_empty() != is(known) || salt.len() > SALT_BYTES_MAX {
            return Err(bad());
        }
        Ok(Self::Hashed {
            with: *with,
            hash: hash.into(),
            salt: salt.into(),
        })
    }

    fn plain(value: &[u8]) -> Result<Self, String> {
        if value.is_empty() || value.len() > PLAIN_BYTES_MAX {
            return Err("a password is empty or too long".to_owned());
        }
        Ok(Self::Plain(value.into()))
    }

    /// Whether this is the password. An empty one never is.
    pub(super) fn is(&self, password: &[u8]) -> bool {
        if password.is_empty() {
            return false;
        }
        match self {
            Self::Plain(kept) => is_equal(kept, password),
            Self::Hashed { with, hash, salt } => is_equal(hash, &with(&[password, salt].concat())),
        }
    }
}

/// A name that a directory made up, short.
fn shown(name: &str) -> String {
    let plain = name.chars().filter(|letter| !letter.is_control());
    plain.take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `public`, with the salt `salt`; made by another program than this.
    #[test]
    fn schemes() {
        let table = [
            "public",
            "{CLEARTEXT}public",
            "{SHA}YcmysX23eieEG77qv/kjRIsPY4g=",
            "{sha}YcmysX23eieEG77qv/kjRIsPY4g=",
            "{SSHA}Q+cYNAZ9Wdg66TS7gGcBeLgQub5zYWx0",
            "{SHA256}76HzdddhlPpRo1Vql+ZB5haF+RTURpedpQpVGkMz/9c=",
            "{SSHA256}9KhhW+MB+69iE98zz+XyKVOq/Awxvrjy2u9VsSdETSdzYWx0",
            "{SSHA384}rbmuCjz1TVW5YnGJfIGFZGSb/qgm1D+ks10dziRWK1X4WKGbHqIGjVOe7wnatvwLc2FsdA==",
            "{SHA512}0ymX6XR7ZaPs9luCUzpMhDxOFt0wzzcejIGrYKNB3gAFHaQi1B/ynFVpXyM6Hgb6yLea6wpNka5dPRjI4JuMcw==",
            "{SSHA512}f/r2dPwLlINdbNup8+gLfX3I7+X+fP6fAdONMJcYzvM5/DAU+wB9ITPWXW/qjpBIF2cK62nKR6dFVIBMFeG9T3NhbHQ=",
        ];
        for text in table {
            let kept = Kept::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert!(kept.is(b"public"), "{text}");
            for wrong in [&b""[..], b"Public", b"public ", b"publicsalt", b"salt"] {
                assert!(!kept.is(wrong), "{text}");
            }
        }
    }

    #[test]
    fn what_is_none() {
        let hash =
            |name: &str, length: usize| format!("{{{name}}}{}", BASE64.encode(vec![0; length]));
        let odd = [
            String::new(),
            "{CLEARTEXT}".to_owned(),
            "{SHA}".to_owned(),
            "{SHA}not base64!".to_owned(),
            hash("SHA", 19),
            // A salt that should not be there, or is not there, or is too long.
            hash("SHA", 24),
            hash("SSHA", 20),
            hash("SSHA512", 64 + SALT_BYTES_MAX + 1),
            hash("MD5", 16),
            "{CRYPT}$6$salt$hash".to_owned(),
            "{ARGON2}$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHQ$aGFzaA".to_owned(),
            "{}x".to_owned(),
        ];
        for text in odd {
            assert!(Kept::parse(text.as_bytes()).is_err(), "{text}");
        }
        let error = Kept::parse(b"{CRYPT}x").unwrap_err();
        assert!(
            error.contains("{CRYPT}") && error.contains("bind"),
            "{error}"
        );
        // It is text without a scheme, if perhaps an odd one.
        assert!(Kept::parse(b"{public").unwrap().is(b"{public"));
        assert!(Kept::parse(b"\xff\xfe").unwrap().is(b"\xff\xfe"));
    }
}
