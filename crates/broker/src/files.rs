//! The last file descriptors: clients leave some to the dashboard, and both leave some to the store, which
//! would have to end the broker for want of one.

/// What clients leave, where the system allows many, and the part of few.
const OF_DASHBOARD: Reserve = Reserve { most: 512, part: 8 };
/// What the dashboard leaves of it.
const OF_STORE: Reserve = Reserve { most: 64, part: 32 };

struct Reserve {
    most: u64,
    part: u64,
}

impl Reserve {
    /// The first number that belongs to it, which is how many are before it.
    fn first(&self, allowed: u64) -> u64 {
        allowed - self.most.min(allowed / self.part)
    }

    /// Whether a descriptor of this number belongs to it. The system gives the lowest number that is free: a
    /// high one says that those below are taken, whatever for, without anybody having counted.
    fn has(&self, number: u64, allowed: u64) -> bool {
        number >= self.first(allowed)
    }
}

/// How many files clients have, where the system allows the process so many: the number at which their connections
/// are refused.
#[must_use]
pub fn of_clients(allowed: u64) -> u64 {
    OF_DASHBOARD.first(allowed)
}

/// Whether a client's connection that was accepted takes what the dashboard and the store need.
pub(crate) fn is_last_for_clients(socket: &mio::net::TcpStream) -> bool {
    is_of(&OF_DASHBOARD, socket)
}

/// Whether a connection to the dashboard that was accepted takes what the store needs.
#[must_use]
pub fn is_last_for_dashboard(socket: &tokio::net::TcpStream) -> bool {
    is_of(&OF_STORE, socket)
}

/// The limit is asked for each time: it can be changed while the broker runs, and the answer costs less than
/// accepting did.
#[cfg(unix)]
fn is_of(reserve: &Reserve, socket: &impl std::os::fd::AsRawFd) -> bool {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let number = u64::try_from(socket.as_raw_fd());
    let (Some(allowed), Ok(number)) = (limit.current, number) else {
        return false;
    };
    reserve.has(number, allowed)
}

/// Windows counts handles and has no limit that matters here.
#[cfg(not(unix))]
fn is_of<T>(_: &Reserve, _: &T) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_numbers_are_reserved() {
        for (allowed, clients, dashboard) in [
            (1_048_576, 1_048_064, 1_048_512),
            (20_000, 19_488, 19_936),
            (1_024, 896, 992),
            (256, 224, 248),
        ] {
            assert_eq!(of_clients(allowed), clients);
            for (reserve, first) in [(&OF_DASHBOARD, clients), (&OF_STORE, dashboard)] {
                assert!(!reserve.has(first - 1, allowed), "{allowed}");
                assert!(reserve.has(first, allowed), "{allowed}");
            }
        }
        // Lowered below what is open already.
        assert!(OF_STORE.has(300, 256));
        assert!(OF_STORE.has(0, 0));
    }
}
