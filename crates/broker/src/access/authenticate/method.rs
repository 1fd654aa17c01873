//! How authenticators are set up, as people and the store say it.

use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};

use super::{
    hash::{Algorithm, Digest, Unfit},
    scram::ROUNDS,
};
use crate::access::remote::{
    Masked, TlsSetup,
    database::{DatabaseKind, DatabaseSetup},
    ldap::LdapSetup,
    service::HttpService,
};

/// One authenticator of the chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Setup {
    pub enable: bool,
    pub method: Method,
}

/// By what it knows users. There is one of each at most.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Method {
    /// The broker's own users.
    BuiltIn(BuiltIn),
    /// A password file as mosquitto has it.
    File(PasswordFile),
    /// Tokens.
    Jwt(Jwt),
    /// A service that is asked.
    Http(HttpService),
    /// A database that has a row for each user.
    Database(UserTable),
    /// A directory that has an entry for each user.
    Ldap(Ldap),
    /// The broker's own users who prove by SCRAM that they know their password.
    Scram(Scram),
}

/// What a user of the broker's own is called by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserIdType {
    Username,
    Clientid,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BuiltIn {
    pub user_id_type: UserIdType,
    /// How new passwords are kept; those kept in other ways are good all the same.
    pub password_hash_algorithm: Algorithm,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PasswordFile {
    pub path: PathBuf,
}

/// Tokens, and what they have to say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Jwt {
    pub keys: JwtKeys,
    pub from: Shown,
    /// Claims and what they have to be; `${username}` and `${clientid}` stand for the client's.
    pub verify_claims: Vec<(String, String)>,
    /// Whether the client goes when its token ends.
    pub disconnect_after_expire: bool,
    /// The claim with the holder's rights.
    pub acl_claim_name: String,
}

/// Where a client shows its token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    Password,
    Username,
}

/// Who may sign tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JwtKeys {
    Secret {
        secret: Masked,
        base64: bool,
    },
    Public {
        pem: String,
    },
    /// A set of public keys in a file.
    File {
        path: PathBuf,
    },
    /// One that a service tells.
    Url(KeysAt),
}

/// Where a service tells its public keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeysAt {
    pub url: String,
    pub refresh_secs: u64,
    pub headers: Vec<(String, Masked)>,
    pub tls: TlsSetup,
}

/// A database that has a row for each user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserTable {
    /// How its passwords were made.
    pub password_hash_algorithm: Algorithm,
    /// How long a row is remembered.
    pub cache_millis: u64,
    pub database: DatabaseSetup,
}

/// A directory that has an entry for each user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ldap {
    /// How long is remembered what an entry says, or that a password was right.
    pub cache_millis: u64,
    pub directory: LdapSetup,
}

/// SCRAM over users of the broker's own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Scram {
    pub algorithm: Digest,
    /// What a new password costs its user.
    pub iteration_count: u32,
    /// From which the answers are made that users get who do not exist, so that nobody can tell.
    pub(super) seed: Masked,
}

impl Scram {
    /// With a seed of its own; `None` if the system has no random bytes.
    #[must_use]
    pub fn new(algorithm: Digest, iteration_count: u32) -> Option<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).ok()?;
        Some(Self {
            algorithm,
            iteration_count,
            seed: Masked(BASE64.encode(seed)),
        })
    }

    /// The same set up otherwise.
    #[must_use]
    pub fn with(&self, algorithm: Digest, iteration_count: u32) -> Self {
        Self {
            algorithm,
            iteration_count,
            ..self.clone()
        }
    }
}

impl Default for BuiltIn {
    fn default() -> Self {
        Self {
            user_id_type: UserIdType::Username,
            password_hash_algorithm: Algorithm::Argon2id,
        }
    }
}

impl Method {
    /// The broker's own users.
    pub const BUILT_IN: &'static str = "password_based:built_in_database";
    /// A password file.
    pub const FILE: &'static str = "password_based:file";
    pub const JWT: &'static str = "jwt";
    /// A service that is asked.
    pub const HTTP: &'static str = "password_based:http";
    /// A directory.
    pub const LDAP: &'static str = "password_based:ldap";
    /// The broker's own users, by SCRAM.
    pub const SCRAM: &'static str = "scram:built_in_database";

    /// All that there can be.
    pub const IDS: [&'static str; 9] = [
        Self::BUILT_IN,
        Self::FILE,
        Self::JWT,
        Self::HTTP,
        "password_based:redis",
        "password_based:postgresql",
        "password_based:mysql",
        Self::LDAP,
        Self::SCRAM,
    ];

    /// Its name in the API and in the chain.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::BuiltIn(_) => Self::BUILT_IN,
            Self::File(_) => Self::FILE,
            Self::Jwt(_) => Self::JWT,
            Self::Http(_) => Self::HTTP,
            Self::Ldap(_) => Self::LDAP,
            Self::Scram(_) => Self::SCRAM,
            Self::Database(table) => match table.database.kind {
                DatabaseKind::Redis => "password_based:redis",
                DatabaseKind::Postgresql => "password_based:postgresql",
                DatabaseKind::Mysql => "password_based:mysql",
            },
        }
    }

    /// # Errors
    /// If it means nothing, or costs too much.
    pub(super) fn check(&self) -> Result<(), Unfit> {
        match self {
            Self::BuiltIn(own) => own.password_hash_algorithm.check(),
            Self::Database(table) => table.password_hash_algorithm.check(),
            Self::Scram(scram) if !ROUNDS.contains(&scram.iteration_count) => {
                Err(Unfit("iteration_count is 1 to 1000000"))
            }
            Self::Scram(_) => Ok(()),
            Self::File(_) | Self::Jwt(_) | Self::Http(_) | Self::Ldap(_) => Ok(()),
        }
    }
}
