//! How passwords are kept: argon2id, and the ways in which EMQX and mosquitto keep them, so that their
//! users can move in. A kept password says itself how it was made; it can be compared and not read.

use std::{cell::RefCell, fmt, str::FromStr};

use argon2::{Argon2, Block, Params, Version};
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD as BASE64};
use hmac::Hmac;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

use super::scram::Keys;

/// What a new password costs: memory in KiB and passes of argon2id.
const ARGON2: (u32, u32, u32) = (19 * 1024, 2, 1);
/// The most that somebody's kept password may cost us: a quarter of a gigabyte, ten million rounds.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;
const ROUNDS_MAX: u32 = 10_000_000;
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=16;
/// Bytes of a salt that we draw, of a hash that we make, and of any that is brought.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
const PART_BYTES_MAX: usize = 1024;

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Digest {
    Sha256,
    Sha512,
}

/// Where the salt goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Salt {
    Prefix,
    Suffix,
    Disable,
}

/// How new passwords are kept, and how those that somebody brings were made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Algorithm {
    Argon2id,
    Bcrypt {
        salt_rounds: u32,
    },
    Pbkdf2 {
        mac_fun: Digest,
        iterations: u32,
        dk_length: Option<u32>,
    },
    Sha256 {
        salt_position: Salt,
    },
    Sha512 {
        salt_position: Salt,
    },
    Plain,
}

/// A password as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Hashed {
    Argon2id {
        cost: (u32, u32, u32),
        salt: Box<[u8]>,
        hash: Box<[u8]>,
    },
    Bcrypt(Box<str>),
    Pbkdf2 {
        digest: Digest,
        rounds: u32,
        salt: Box<[u8]>,
        hash: Box<[u8]>,
    },
    Digest {
        digest: Digest,
        place: Salt,
        salt: Box<[u8]>,
        hash: Box<[u8]>,
    },
    /// Keys for SCRAM.
    Scram(Keys),
    Plain(Box<[u8]>),
}

/// Why something is no kept password, or costs too much to be one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unfit(pub(super) &'static str);

thread_local! {
    /// Argon2's memory, kept between two hashes of a busy thread: 19 MiB of fresh pages take as long as
    /// a third of the hash.
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Gives back what this thread keeps for the next hash.
pub(super) fn rest() {
    MEMORY.with_borrow_mut(|memory| *memory = Vec::new());
}

impl Algorithm {
    /// # Errors
    /// If it costs more than we want to pay.
    pub(super) fn check(&self) -> Result<(), Unfit> {
        match self {
            Self::Bcrypt { salt_rounds } if !BCRYPT_COSTS.contains(salt_rounds) => {
                Err(Unfit("salt_rounds is 4 to 16"))
            }
            Self::Pbkdf2 { iterations, .. } if !(1..=ROUNDS_MAX).contains(iterations) => {
                Err(Unfit("iterations is 1 to 10000000"))
            }
            Self::Pbkdf2 {
                dk_length: Some(length),
                ..
            } if !(16..=64).contains(length) => Err(Unfit("dk_length is 16 to 64")),
            _ => Ok(()),
        }
    }

    /// Whether one password takes milliseconds.
    pub(super) fn is_slow(&self) -> bool {
        matches!(
            self,
            Self::Argon2id | Self::Bcrypt { .. } | Self::Pbkdf2 { .. }
        )
    }

    /// Keeps a password. `None` if the system has no random bytes.
    pub(super) fn keep(&self, password: &[u8]) -> Option<Hashed> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).ok()?;
        let empty = |length: usize| vec![0; length].into_boxed_slice();
        let salt_bytes: Box<[u8]> = salt.into();
        let mut hashed = match *self {
            Self::Argon2id => Hashed::Argon2id {
                cost: ARGON2,
                salt: salt_bytes,
                hash: empty(HASH_BYTES),
            },
            Self::Bcrypt { salt_rounds } => {
                let made = bcrypt::hash_with_salt(password, salt_rounds, salt).ok()?;
                return Some(Hashed::Bcrypt(made.to_string().into()));
            }
            Self::Pbkdf2 {
                mac_fun,
                iterations,
                dk_length,
            } => Hashed::Pbkdf2 {
                digest: mac_fun,
                rounds: iterations,
                salt: salt_bytes,
                hash: empty(dk_length.map_or(HASH_BYTES, |n| n as usize)),
            },
            Self::Sha256 { salt_position } => Hashed::Digest {
                digest: Digest::Sha256,
                place: salt_position,
                salt: salt_bytes,
                hash: empty(0),
            },
            Self::Sha512 { salt_position } => Hashed::Digest {
                digest: Digest::Sha512,
                place: salt_position,
                salt: salt_bytes,
                hash: empty(0),
            },
            Self::Plain => return Some(Hashed::Plain(password.into())),
        };
        let made = hashed.computed(password)?;
        if let Hashed::Argon2id { hash, .. }
        | Hashed::Pbkdf2 { hash, .. }
        | Hashed::Digest { hash, .. } = &mut hashed
        {
            *hash = made;
        }
        Some(hashed)
    }

    /// A kept password of nobody's, which takes as long to compare with as any of this kind.
    pub(super) fn decoy(&self) -> Hashed {
        let salt = || Box::from([7; SALT_BYTES]);
        let hash = || Box::from([0; HASH_BYTES]);
        match *self {
            Self::Argon2id => Hashed::Argon2id {
                cost: ARGON2,
                salt: salt(),
                hash: hash(),
            },
            Self::Bcrypt { salt_rounds } => {
                let rest = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
                Hashed::Bcrypt(format!("$2b${salt_rounds:02}${rest}").into())
            }
            Self::Pbkdf2 {
                mac_fun,
                iterations,
                dk_length,
            } => Hashed::Pbkdf2 {
                digest: mac_fun,
                rounds: iterations,
                salt: salt(),
                hash: vec![0; dk_length.map_or(HASH_BYTES, |n| n as usize)].into(),
            },
            Self::Sha256 { salt_position } | Self::Sha512 { salt_position } => Hashed::Digest {
                digest: Digest::Sha256,
                place: salt_position,
                salt: salt(),
                hash: hash(),
            },
            Self::Plain => Hashed::Plain(hash()),
        }
    }

    /// What somebody brings: a hash that was made in this way, and its salt, as EMQX writes both.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn adopt(&self, hash: &str, salt: &str) -> Result<Hashed, Unfit> {
        let bytes = || unhex(hash).ok_or(Unfit("password_hash is not hexadecimal"));
        let salt = salt.as_bytes().into();
        let hashed = match *self {
            Self::Argon2id | Self::Bcrypt { .. } => {
                let hashed: Hashed = hash.parse()?;
                let fits = matches!(
                    (self, &hashed),
                    (Self::Argon2id, Hashed::Argon2id { .. })
                        | (Self::Bcrypt { .. }, Hashed::Bcrypt(_))
                );
                return fits.then_some(hashed).ok_or(Unfit(
                    "password_hash was made in another way than the authenticator's",
                ));
            }
            Self::Pbkdf2 {
                mac_fun,
                iterations,
                ..
            } => Hashed::Pbkdf2 {
                digest: mac_fun,
                rounds: iterations,
                salt,
                hash: bytes()?,
            },
            Self::Sha256 { salt_position } => Hashed::Digest {
                digest: Digest::Sha256,
                place: salt_position,
                salt,
                hash: bytes()?,
            },
            Self::Sha512 { salt_position } => Hashed::Digest {
                digest: Digest::Sha512,
                place: salt_position,
                salt,
                hash: bytes()?,
            },
            Self::Plain => Hashed::Plain(hash.as_bytes().into()),
        };
        hashed.checked()
    }
}

impl Hashed {
    /// Whether this is the password.
    pub(crate) fn is(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(kept) => bcrypt::verify(password, kept).unwrap_or(false),
            Self::Scram(keys) => keys.is(password),
            Self::Plain(kept) => is_equal(kept, password),
            Self::Argon2id { hash, .. } | Self::Pbkdf2 { hash, .. } | Self::Digest { hash, .. } => {
                let computed = self.computed(password);
                computed.is_some_and(|computed| is_equal(hash, &computed))
            }
        }
    }

    /// Whether to compare takes milliseconds.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(
            self,
            Self::Argon2id { .. } | Self::Bcrypt(_) | Self::Pbkdf2 { .. } | Self::Scram(_)
        )
    }

    /// The hash of a password with the salt and cost of this one, where there is one.
    fn computed(&self, password: &[u8]) -> Option<Box<[u8]>> {
        match self {
            Self::Argon2id { cost, salt, hash } => {
                let (memory, passes, lanes) = *cost;
                let params = Params::new(memory, passes, lanes, None).ok()?;
                let blocks = params.block_count();
                let argon2 = Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, params);
                let mut out = vec![0; hash.len()];
                MEMORY
                    .with_borrow_mut(|memory| {
                        if memory.len() < blocks {
                            memory.resize(blocks, Block::default());
                        }
                        argon2.hash_password_into_with_memory(
                            password,
                            salt,
                            &mut out,
                            memory.as_mut_slice(),
                        )
                    })
                    .ok()?;
                Some(out.into())
            }
            Self::Pbkdf2 {
                digest,
                rounds,
                salt,
                hash,
            } => {
                let mut out = vec![0; hash.len()];
                match digest {
                    Digest::Sha256 => {
                        pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, *rounds, &mut out)
                    }
                    Digest::Sha512 => {
                        pbkdf2::pbkdf2::<Hmac<Sha512>>(password, salt, *rounds, &mut out)
                    }
                }
                .ok()?;
                Some(out.into())
            }
            Self::Digest {
                digest,
                place,
                salt,
                ..
            } => {
                let (before, behind): (&[u8], &[u8]) = match place {
                    Salt::Prefix => (salt, &[]),
                    Salt::Suffix => (&[], salt),
                    Salt::Disable => (&[], &[]),
                };
                let parts = [before, password, behind].concat();
                Some(match digest {
                    Digest::Sha256 => Box::from(&Sha256::digest(parts)[..]),
                    Digest::Sha512 => Box::from(&Sha512::digest(parts)[..]),
                })
            }
            Self::Bcrypt(_) | Self::Scram(_) | Self::Plain(_) => None,
        }
    }

    /// Itself, if it is within bounds.
    fn checked(self) -> Result<Self, Unfit> {
        let cheap = match &self {
            Self::Argon2id { cost, .. } => {
                cost.0 <= MEMORY_KIB_MAX && cost.1 <= PASSES_MAX && cost.2 <= LANES_MAX
            }
            Self::Pbkdf2 { rounds, .. } => (1..=ROUNDS_MAX).contains(rounds),
            Self::Bcrypt(kept) => {
                let cost = kept.split('$').nth(2).and_then(|cost| cost.parse().ok());
                cost.is_some_and(|cost| BCRYPT_COSTS.contains(&cost))
            }
            // Keys were checked when they were read.
            Self::Digest { .. } | Self::Scram(_) | Self::Plain(_) => true,
        };
        let whole = match &self {
            Self::Argon2id { salt, hash, .. } => {
                (8..=PART_BYTES_MAX).contains(&salt.len()) && (16..=64).contains(&hash.len())
            }
            Self::Pbkdf2 { salt, hash, .. } => {
                salt.len() <= PART_BYTES_MAX && (16..=64).contains(&hash.len())
            }
            Self::Digest {
                digest, salt, hash, ..
            } => {
                let due = match digest {
                    Digest::Sha256 => 32,
                    Digest::Sha512 => 64,
                };
                salt.len() <= PART_BYTES_MAX && hash.len() == due
            }
            Self::Bcrypt(kept) => kept.len() == 60,
            Self::Scram(_) => true,
            Self::Plain(kept) => kept.len() <= usize::from(u16::MAX),
        };
        match (cheap, whole) {
            (true, true) => Ok(self),
            (false, _) => Err(Unfit("the hash costs more than is allowed")),
            (_, false) => Err(Unfit("the hash or its salt has a wrong length")),
        }
    }

    /// A password of mosquitto's password file: `$6$` is SHA-512 with a salt behind it, `$7$` PBKDF2 of
    /// it.
    ///
    /// # Errors
    /// If it is none of these.
    pub(super) fn of_mosquitto(text: &str) -> Result<Self, Unfit> {
        let bad = Unfit("it begins with $6$ or $7$ and has a salt and a hash in base64");
        let part = |text: &str| {
            let text = text.trim_end_matches('=');
            BASE64
                .decode(text)
                .map(Vec::into_boxed_slice)
                .map_err(|_| bad)
        };
        let parts: Vec<&str> = text.split('$').collect();
        match parts[..] {
            ["", "6", salt, hash] => Self::Digest {
                digest: Digest::Sha512,
                place: Salt::Suffix,
                salt: part(salt)?,
                hash: part(hash)?,
            },
            ["", "7", rounds, salt, hash] => Self::Pbkdf2 {
                digest: Digest::Sha512,
                rounds: rounds.parse().map_err(|_| bad)?,
                salt: part(salt)?,
                hash: part(hash)?,
            },
            _ => return Err(bad),
        }
        .checked()
    }
}

/// Masked: it is a secret, if a well kept one.
impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

/// As the store has it.
impl fmt::Display for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |digest: &Digest| match digest {
            Digest::Sha256 => "sha256",
            Digest::Sha512 => "sha512",
        };
        let base64 = |bytes: &[u8]| BASE64.encode(bytes);
        match self {
            Self::Argon2id { cost, salt, hash } => write!(
                f,
                "$argon2id$v=19$m={},t={},p={}${}${}",
                cost.0,
                cost.1,
                cost.2,
                base64(salt),
                base64(hash)
            ),
            Self::Bcrypt(kept) => f.write_str(kept),
            Self::Pbkdf2 {
                digest,
                rounds,
                salt,
                hash,
            } => write!(
                f,
                "$pbkdf2-{}$i={rounds}${}${}",
                name(digest),
                base64(salt),
                base64(hash)
            ),
            Self::Digest {
                digest,
                place,
                salt,
                hash,
            } => {
                let place = match place {
                    Salt::Prefix => "prefix",
                    Salt::Suffix => "suffix",
                    Salt::Disable => "disable",
                };
                let name = name(digest);
                write!(f, "${name}${place}${}${}", base64(salt), base64(hash))
            }
            Self::Scram(keys) => keys.fmt(f),
            Self::Plain(kept) => write!(f, "$plain${}", base64(kept)),
        }
    }
}

impl FromStr for Hashed {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let bad = Unfit("the hash has no form that is known here");
        let part = |text: &str| {
            let decoded = BASE64.decode(text);
            decoded.map(Vec::into_boxed_slice).map_err(|_| bad)
        };
        let number = |text: &str, name: &str| {
            let value = text.strip_prefix(name).and_then(|n| n.parse().ok());
            value.ok_or(bad)
        };
        let digest = |name: &str| match name {
            "sha256" => Ok(Digest::Sha256),
            "sha512" => Ok(Digest::Sha512),
            _ => Err(bad),
        };
        let parts: Vec<&str> = text.split('$').collect();
        match parts[..] {
            ["", "argon2id", "v=19", cost, salt, hash] => {
                let costs: Vec<&str> = cost.split(',').collect();
                let [memory, passes, lanes] = costs[..] else {
                    return Err(bad);
                };
                Self::Argon2id {
                    cost: (
                        number(memory, "m=")?,
                        number(passes, "t=")?,
                        number(lanes, "p=")?,
                    ),
                    salt: part(salt)?,
                    hash: part(hash)?,
                }
            }
            ["", "2a" | "2b" | "2y", _, _] => Self::Bcrypt(text.into()),
            ["", "pbkdf2-sha256", rounds, salt, hash] => Self::Pbkdf2 {
                digest: Digest::Sha256,
                rounds: number(rounds, "i=")?,
                salt: part(salt)?,
                hash: part(hash)?,
            },
            ["", "pbkdf2-sha512", rounds, salt, hash] => Self::Pbkdf2 {
                digest: Digest::Sha512,
                rounds: number(rounds, "i=")?,
                salt: part(salt)?,
                hash: part(hash)?,
            },
            ["", name, place, salt, hash] => Self::Digest {
                digest: digest(name)?,
                place: match place {
                    "prefix" => Salt::Prefix,
                    "suffix" => Salt::Suffix,
                    "disable" => Salt::Disable,
                    _ => return Err(bad),
                },
                salt: part(salt)?,
                hash: part(hash)?,
            },
            ["", "plain", kept] => Self::Plain(part(kept)?),
            [method, _, _] if method.starts_with("SCRAM-") => Self::Scram(text.parse()?),
            _ => return Err(bad),
        }
        .checked()
    }
}

/// Bytes of hexadecimal digits.
fn unhex(text: &str) -> Option<Box<[u8]>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 2 * PART_BYTES_MAX {
        return None;
    }
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// Compares in a time that tells nothing of where the difference is.
pub(super) fn is_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PBKDF2: Algorithm = Algorithm::Pbkdf2 {
        mac_fun: Digest::Sha512,
        iterations: 10,
        dk_length: Some(24),
    };

    fn all() -> Vec<Algorithm> {
        let mut all = vec![
            Algorithm::Argon2id,
            Algorithm::Bcrypt { salt_rounds: 4 },
            PBKDF2,
            Algorithm::Plain,
        ];
        for salt_position in [Salt::Prefix, Salt::Suffix, Salt::Disable] {
            all.push(Algorithm::Sha256 { salt_position });
            all.push(Algorithm::Sha512 { salt_position });
        }
        all
    }

    /// What is kept knows its password and no other, also when the store gives it back.
    #[test]
    fn kept_and_compared() {
        for algorithm in all() {
            let kept = algorithm.keep(b"right \xff\0").unwrap();
            let back: Hashed = kept.to_string().parse().unwrap();
            assert!(back == kept, "{algorithm:?}");
            for (password, due) in [
                (&b"right \xff\0"[..], true),
                (b"right", false),
                (b"", false),
            ] {
                assert_eq!(back.is(password), due, "{algorithm:?} {password:?}");
            }
            assert!(!algorithm.decoy().is(b"right"), "{algorithm:?}");
            assert_eq!(kept.is_slow(), algorithm.is_slow());
            assert_eq!(format!("{kept:?}"), "******");
        }
    }

    /// Hashes made by others: Python's hashlib, crypt of the C library, mosquitto_passwd.
    #[test]
    fn hashes_of_others() {
        for (algorithm, hash, salt) in OTHERS {
            let kept = algorithm.adopt(hash, salt).unwrap();
            assert!(kept.is(b"public"), "{algorithm:?}");
            assert!(!kept.is(b"Public"), "{algorithm:?}");
        }
        for kept in MOSQUITTO {
            let kept = Hashed::of_mosquitto(kept).unwrap();
            assert!(kept.is(b"public") && !kept.is(b"public "));
        }
    }

    const OTHERS: &[(Algorithm, &str, &str)] = &[
        (
            Algorithm::Sha256 {
                salt_position: Salt::Prefix,
            },
            "50a313e55a6161344ffcaac19b7034e1b72f77ed84386ca51efaa1b93756c556",
            "e378187547bf2d6f0545a3f441aa4d8a",
        ),
        (
            Algorithm::Sha512 {
                salt_position: Salt::Suffix,
            },
            "dd167c542f7056f8863cba96ff8830526ada64b458e9ee65c06558aa2b9439a205053edc7351c8e178d6ec8067b90ed68e11ece394440d6590552d0df143cca5",
            "e378187547bf2d6f0545a3f441aa4d8a",
        ),
        (
            Algorithm::Sha256 {
                salt_position: Salt::Disable,
            },
            "efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7",
            "",
        ),
        (
            Algorithm::Pbkdf2 {
                mac_fun: Digest::Sha256,
                iterations: 1000,
                dk_length: None,
            },
            "5a21f11c597da1447641c0a5ba58b856a76f1084f674285a5d18776a58a0a32f",
            "salt",
        ),
        (Algorithm::Plain, "public", ""),
        (
            Algorithm::Bcrypt { salt_rounds: 10 },
            "$2b$05$CCCCCCCCCCCCCCCCCCCCC.e976yGbTdu8pmoVrMsdP1gB2Qoz3VQS",
            "",
        ),
    ];

    const MOSQUITTO: &[&str] = &[
        "$6$WWsj0670eleIyplU$TjcdA+MC2WhNAc/l3KEu5jf27Xaw1rK1xfsqE4l0OlxZKeuN1mMbbwhdNNG7WKOCzs0ZUyAeez3NC9EtUZ7/VA==",
        "$7$101$ijADCJb5/fweysCX$0ufgV/hgMhwJEog9yX0POBMAFYGLPyB9yD5cfUYfhjubQUn60sXv134qw30E5lRvizDycRG655elUQR2DzXtfA==",
    ];

    /// What costs too much, or is nothing at all.
    #[test]
    fn unfit() {
        for text in [
            "",
            "$",
            "public",
            "$argon2id$v=19$m=999999999,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2id$v=19$m=19456,t=2$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2b$10$short",
            "$pbkdf2-sha256$i=99999999$AA$AAAAAAAAAAAAAAAAAAAAAA",
            "$md5$prefix$AA$AAAA",
            "$sha256$prefix$AA$AAAA",
        ] {
            assert!(text.parse::<Hashed>().is_err(), "{text}");
        }
        for text in [
            "",
            "public",
            "$5$a$b",
            "$6$AA",
            "$7$x$AA$AA",
            "$6$AA$AA",
            "$6$!$!",
        ] {
            assert!(Hashed::of_mosquitto(text).is_err(), "{text}");
        }
        assert!(Algorithm::Bcrypt { salt_rounds: 20 }.check().is_err());
        assert!(
            Algorithm::Argon2id
                .adopt(
                    "$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                    ""
                )
                .is_err()
        );
    }
}
