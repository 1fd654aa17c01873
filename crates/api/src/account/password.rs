//! What may be a password, and how it is kept: argon2id with 19 MiB and two passes.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};

use super::secret::{Secret, is_equal, random};

/// What is written in every tutorial, and works only while no password was set.
pub(crate) const DEFAULT: &str = "public";

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const LENGTH: std::ops::RangeInclusive<usize> = 8..=64;

/// Why a text may not be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    #[error(
        "a password has 8 to 64 ASCII characters, of at least two kinds: letters, digits, others"
    )]
    Form,
    #[error("this password is among the first that anybody tries; choose another")]
    Common,
}

/// Whether a text may be a password.
///
/// # Errors
/// If it may not.
pub(super) fn check(password: &str) -> Result<(), Weak> {
    // Before the form, because whoever tries "public" should learn why it is gone.
    if is_common(password) {
        return Err(Weak::Common);
    }
    let printable = password.bytes().all(|b| (0x20..0x7f).contains(&b));
    let has = |kind: fn(u8) -> bool| usize::from(password.bytes().any(kind));
    let kinds = has(|b| b.is_ascii_alphabetic())
        + has(|b| b.is_ascii_digit())
        + has(|b| !b.is_ascii_alphanumeric());
    if printable && LENGTH.contains(&password.len()) && kinds >= 2 {
        Ok(())
    } else {
        Err(Weak::Form)
    }
}

/// Words that people put into passwords, without what they put around them.
const WORDS: [&str; 64] = [
    "abc",
    "abcd",
    "abcdef",
    "admin",
    "administrator",
    "admins",
    "asdf",
    "asdfgh",
    "asdfghjkl",
    "asshole",
    "baseball",
    "batman",
    "broker",
    "changeit",
    "changeme",
    "charlie",
    "computer",
    "dashboard",
    "default",
    "dragon",
    "emqx",
    "flower",
    "football",
    "freedom",
    "guest",
    "hello",
    "iloveyou",
    "internet",
    "killer",
    "letmein",
    "login",
    "lovely",
    "manager",
    "master",
    "michael",
    "monkey",
    "mosquitto",
    "mqtt",
    "mustang",
    "ninja",
    "pass",
    "passwd",
    "password",
    "princess",
    "private",
    "public",
    "qazwsx",
    "qwer",
    "qwert",
    "qwerty",
    "qwertyuiop",
    "root",
    "secret",
    "server",
    "shadow",
    "soccer",
    "starwars",
    "sunshine",
    "superman",
    "system",
    "ternmq",
    "test",
    "user",
    "welcome",
];

/// Walks over the keyboard and others that are no word with something around it.
const WALKS: [&str; 48] = [
    "!qaz2wsx",
    "!qaz@wsx",
    "00000000",
    "0987654321",
    "11111111",
    "12121212",
    "123123123",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "12345qwert",
    "1234qwer",
    "123456qwerty",
    "123qwe123",
    "123qweasd",
    "123qweasdzxc",
    "147258369",
    "1a2b3c4d",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz!qaz",
    "1qaz1qaz",
    "1qaz2wsx",
    "1qaz2wsx3edc",
    "1qaz@wsx",
    "1qazxsw2",
    "2wsx3edc",
    "5201314",
    "a1b2c3d4",
    "aa123456",
    "a123456789",
    "a1s2d3f4",
    "asdf1234",
    "asd123asd",
    "aaaa1111",
    "abc123abc",
    "p0o9i8u7",
    "q1w2e3r4",
    "q1w2e3r4t5",
    "qaz123wsx",
    "qwe123qwe",
    "qweasdzxc",
    "trustno1",
    "z1x2c3v4",
    "zaq12wsx",
    "zxcv1234",
];

/// Whether it is among the most common passwords of published lists. Those are a few words with
/// capitals, digits for letters and something around them, and walks over the keyboard; so the rule
/// is shorter than the lists, and refuses more.
fn is_common(password: &str) -> bool {
    let lower = password.to_ascii_lowercase();
    if WALKS.contains(&lower.as_str()) {
        return true;
    }
    // Digits and signs at the ends go first, so that they do not become letters.
    let core = lower.trim_matches(|c: char| !c.is_ascii_alphabetic());
    let spelled = |text: &str| -> String {
        text.chars()
            .map(|c| match c {
                '0' => 'o',
                '1' | '!' => 'i',
                '3' => 'e',
                '4' | '@' => 'a',
                '5' | '$' => 's',
                '7' => 't',
                c => c,
            })
            .collect()
    };
    let is_word = |text: &str| {
        let text = spelled(text);
        WORDS.contains(&text.as_str())
            || WORDS
                .iter()
                .any(|word| text.len() == 2 * word.len() && text.replace(word, "").is_empty())
    };
    is_word(core) || is_word(&lower)
}

/// A password as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hashed {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    hash: String,
}

impl Hashed {
    /// Takes tens of milliseconds and 19 MiB.
    pub(crate) fn new(password: &Secret) -> Self {
        let salt = random::<16>();
        let mut hash = [0; 32];
        argon2(MEMORY_KIB, PASSES, LANES)
            .and_then(|argon2| {
                argon2.hash_password_into(password.reveal().as_bytes(), &salt, &mut hash)
            })
            .expect("these parameters are allowed");
        Self {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: BASE64_STANDARD_NO_PAD.encode(salt),
            hash: BASE64_STANDARD_NO_PAD.encode(hash),
        }
    }

    /// No password is this one, but to find that out takes as long as for any other.
    pub(crate) fn of_nobody() -> Self {
        Self {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: BASE64_STANDARD_NO_PAD.encode(random::<16>()),
            hash: BASE64_STANDARD_NO_PAD.encode(random::<32>()),
        }
    }

    /// Whether looking at it costs about what it costs with ours: another's file may ask for anything.
    pub(crate) fn is_bearable(&self) -> bool {
        let most = (8 * MEMORY_KIB, 8 * PASSES, 8 * LANES);
        self.memory_kib <= most.0 && self.passes <= most.1 && self.lanes <= most.2
    }

    /// Whether it was made of this password. As slow as [`Hashed::new`].
    pub(crate) fn is(&self, password: &Secret) -> bool {
        let salt = BASE64_STANDARD_NO_PAD.decode(&self.salt);
        let kept = BASE64_STANDARD_NO_PAD.decode(&self.hash);
        // What was damaged on the disk is nobody's password.
        let (Ok(salt), Ok(kept)) = (salt, kept) else {
            return false;
        };
        let mut hash = [0; 32];
        argon2(self.memory_kib, self.passes, self.lanes)
            .and_then(|argon2| {
                argon2.hash_password_into(password.reveal().as_bytes(), &salt, &mut hash)
            })
            .is_ok_and(|()| is_equal(&hash, &kept))
    }
}

fn argon2(memory_kib: u32, passes: u32, lanes: u32) -> Result<Argon2<'static>, argon2::Error> {
    let params = Params::new(memory_kib, passes, lanes, Some(32))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password() {
        for good in ["correct-horse", "Xk3vbn8q", "12345678a!", "no space 1"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = "a1".repeat(33);
        for bad in [
            "",
            "a1",
            "sevench",
            "onlyletters",
            "98765410",
            "umlaut-ä1",
            &long,
        ] {
            assert_eq!(check(bad), Err(Weak::Form), "{bad}");
        }
        for common in [
            "public",
            "Public123",
            "password",
            "P@ssw0rd",
            "passw0rd2024!",
            "admin123",
            "admin@123",
            "adminadmin",
            "1qaz2wsx",
            "1Q2w3e4r",
            "qwerty123",
            "trustno1",
            "abc12345",
            "letmein1",
            "welcome1!",
            "123456",
            "12345678",
            "root1234",
        ] {
            let refused = check(common);
            // Six digits are common, and no password for their form alone.
            assert!(
                refused == Err(Weak::Common) || common == "123456",
                "{common}: {refused:?}"
            );
            assert!(refused.is_err());
        }
    }

    #[test]
    fn only_the_password_itself_is_the_password() {
        let kept = Hashed::new(&Secret::new("correct-horse"));
        let text = serde_json::to_string(&kept).unwrap();
        assert!(!text.contains("correct"));
        let kept: Hashed = serde_json::from_str(&text).unwrap();
        assert!(kept.is(&Secret::new("correct-horse")));
        assert!(!kept.is(&Secret::new("correct-hors")));
        assert!(!Hashed::of_nobody().is(&Secret::new("")));
        let damaged = Hashed {
            salt: "*".to_owned(),
            ..kept
        };
        assert!(!damaged.is(&Secret::new("correct-horse")));
    }
}
