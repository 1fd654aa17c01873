//! The limit of open files, which is the limit of connections.

/// Files that are not connections: listeners, log, store, what is opened for a moment.
#[cfg(unix)]
const RESERVED: u64 = 512;

/// Raises the soft limit of open files to the hard one. Gives the connections that this allows, or
/// `None` where there is no such limit.
#[cfg(unix)]
pub(crate) fn raise() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // macOS says "no limit" and then refuses it; what it takes is OPEN_MAX.
    for current in [maximum, Some(maximum.unwrap_or(u64::MAX).min(10_240))] {
        if setrlimit(Resource::Nofile, Rlimit { current, maximum }).is_ok() {
            break;
        }
    }
    getrlimit(Resource::Nofile)
        .current
        .map(|files| files.saturating_sub(RESERVED))
}

/// Windows counts handles and has no limit that matters here.
#[cfg(not(unix))]
pub(crate) fn raise() -> Option<u64> {
    None
}
