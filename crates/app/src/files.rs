//! The limit of open files, which is the limit of connections.

/// Raises the soft limit of open files to the hard one. Gives the connections that this allows to the clients of a
/// broker, or `None` where there is no such limit.
pub(crate) fn raise() -> Option<u64> {
    raise_limit().map(broker::files::of_clients)
}

/// The same for a program that has `others` open.
pub(crate) fn raise_for(others: u64) -> Option<u64> {
    raise_limit().map(|files| files.saturating_sub(others))
}

#[cfg(unix)]
fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // macOS says "no limit" and then refuses it; what it takes is OPEN_MAX.
    for current in [maximum, Some(maximum.unwrap_or(u64::MAX).min(10_240))] {
        if setrlimit(Resource::Nofile, Rlimit { current, maximum }).is_ok() {
            break;
        }
    }
    getrlimit(Resource::Nofile).current
}

/// Windows counts handles and has no limit that matters here.
#[cfg(not(unix))]
fn raise_limit() -> Option<u64> {
    None
}
