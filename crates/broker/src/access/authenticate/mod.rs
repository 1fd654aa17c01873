//! Who a client is. A shard puts a question on the desk; the desk's threads ask the authenticators of
//! the chain in their order, and what these say goes back by letter. Nothing here waits on a shard, and
//! whatever fails lets nobody in.

mod built_in;
mod chain;
mod database;
mod desk;
mod file;
mod hash;
mod http;
mod jwt;
mod ldap;
mod method;
mod office;
mod register;
mod roll;
mod scheme;
mod scram;
mod tally;
mod users;
mod verify;
mod watched;

pub(crate) use chain::{
    Chain, Challenge, Credentials, Granted, Judged, Password, Question, Step, Verdict,
};
pub(crate) use desk::{Bounds, Desk};
pub use hash::{Algorithm, Digest, Salt};
pub use method::{
    BuiltIn, Jwt, JwtKeys, KeysAt, Ldap, Method, PasswordFile, Scram, Setup, Shown, UserIdType,
    UserTable,
};
pub(crate) use office::{ANONYMOUS, Office, Unusable};
pub(crate) use register::Register;
pub use roll::{Format, Recruit, RollError, Secrecy};
pub(crate) use scram::Conversation;
pub use tally::Counts;
pub(crate) use users::User;
