//! TLS without sockets: a connection as bytes in and bytes out ([`Channel`]), and certificates as files
//! ([`load`]). The broker's own authority and certificate are made here, once for each installation.

mod authority;
mod certificate;
mod channel;
mod date;
mod terms;

pub(crate) use authority::own_files;
pub use certificate::Facts;
pub(crate) use channel::{Channel, SEAL_MAX};
pub use terms::LoadError;
pub(crate) use terms::{Context, Looked, Terms};

const DAY_SECS: i64 = 86_400;

/// Days until then, in seconds since 1970, of which the last may have begun: none is left of what is past.
pub(crate) fn days_left(until: i64) -> i64 {
    let secs = until.saturating_sub(now_secs());
    secs.div_euclid(DAY_SECS) + i64::from(secs.rem_euclid(DAY_SECS) > 0)
}

/// Seconds since 1970.
pub(crate) fn now_secs() -> i64 {
    let passed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    passed.map_or(0, |passed| {
        i64::try_from(passed.as_secs()).unwrap_or(i64::MAX)
    })
}
