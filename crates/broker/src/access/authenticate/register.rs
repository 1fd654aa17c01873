//! Users whom the broker keeps itself, of which there are two kinds with names of their own: those who show a
//! password, and those who prove by SCRAM that they know it.

use super::{
    hash::{Hashed, Unfit},
    method::{BuiltIn, Scram},
    scram::{Keys, NAME_BYTES_MAX, prepared},
};
use crate::admin::Bucket;

/// How the users of an authenticator are kept.
#[derive(Clone, Debug)]
pub(crate) enum Register {
    Passwords(BuiltIn),
    Scram(Scram),
}

impl Register {
    pub(crate) fn bucket(&self) -> Bucket {
        match self {
            Self::Passwords(_) => Bucket::MqttUser,
            Self::Scram(_) => Bucket::ScramUser,
        }
    }

    /// Whether one password takes milliseconds.
    pub(super) fn is_slow(&self) -> bool {
        match self {
            Self::Passwords(own) => own.password_hash_algorithm.is_slow(),
            Self::Scram(_) => true,
        }
    }

    /// Keeps a password. `None` if the system has no random bytes.
    pub(super) fn keep(&self, password: &[u8]) -> Option<Hashed> {
        match self {
            Self::Passwords(own) => own.password_hash_algorithm.keep(password),
            Self::Scram(scram) => {
                let keys = Keys::of_password(scram.algorithm, scram.iteration_count, password);
                keys.map(Hashed::Scram)
            }
        }
    }

    /// Whether a user who is called so can be found.
    ///
    /// # Errors
    /// If no client could come by this name.
    pub(super) fn check_name(&self, name: &str) -> Result<(), Unfit> {
        match self {
            Self::Scram(_) if name.len() > NAME_BYTES_MAX => {
                Err(Unfit("user_id is longer than 1024 bytes"))
            }
            Self::Scram(_) if prepared(name) != name => Err(Unfit(
                "user_id has letters that SASLprep (RFC 4013) makes others of, so no client finds it; use these",
            )),
            Self::Passwords(_) | Self::Scram(_) => Ok(()),
        }
    }

    /// What somebody brings: a hash and its salt as EMQX writes both, or keys for SCRAM as PostgreSQL does.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn adopt(&self, hash: &str, salt: &str) -> Result<Hashed, Unfit> {
        match self {
            Self::Passwords(own) => own.password_hash_algorithm.adopt(hash, salt),
            Self::Scram(scram) => {
                let keys: Keys = hash.parse()?;
                let fits = keys.digest() == scram.algorithm;
                let other = Unfit("password_hash is of another algorithm than the authenticator's");
                fits.then_some(Hashed::Scram(keys)).ok_or(other)
            }
        }
    }
}
