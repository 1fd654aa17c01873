//! Other people's servers that tests start, each in a directory of its own and on ports of the system's choice.

#[cfg(unix)]
mod database;
mod secured;

#[cfg(unix)]
pub(crate) use database::{DATABASE_PASSWORD, Database, Make};
pub(crate) use secured::Secured;
