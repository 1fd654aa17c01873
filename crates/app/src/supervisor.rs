//! What whoever started this process is told: that it is ready and where, that it reads its
//! configuration again, that it ends, that it lives. For systemd these are datagrams of lines to the
//! socket that the environment names, as sd_notify(3) describes; without it nothing is said.

use std::sync::Arc;
use std::time::Duration;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn<'a> {
    /// The start goes on; a line for who asks how far it is.
    Opening(&'a str),
    /// With a line for who asks where.
    Ready(&'a str),
    /// It is ready as before, but elsewhere.
    Moved(&'a str),
    /// To be followed by `Ready`.
    Reloading,
    Stopping,
    /// It ends, because of this. Whoever asks the supervisor is told by it, too: older journals lose
    /// the last line of a process.
    Failed(&'a str),
    Alive,
}

/// Who started us and wants to be told.
#[derive(Clone)]
pub(crate) struct Supervisor {
    tell: Arc<dyn Fn(Turn<'_>) + Send + Sync>,
    /// It wants a sign of life at least as often.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// One that is told by calling this, and wants no signs of life.
    pub(crate) fn new(tell: impl Fn(Turn<'_>) + Send + Sync + 'static) -> Self {
        Self {
            tell: Arc::new(tell),
            watchdog: None,
        }
    }

    /// The one that the environment names; `var` reads it.
    #[cfg(target_os = "linux")]
    pub(crate) fn from_env(var: impl Fn(&str) -> Option<String>) -> Self {
        let socket = var("NOTIFY_SOCKET").and_then(|name| systemd::Socket::to(&name));
        let Some(socket) = socket else {
            return Self::new(|_| {});
        };
        // A process that inherited the variable from one that was meant is not.
        let pid = var("WATCHDOG_PID");
        let is_meant = pid.is_none_or(|pid| pid == std::process::id().to_string());
        let micros = var("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        let watchdog = micros.filter(|&micros| is_meant && micros > 0);
        Self {
            watchdog: watchdog.map(Duration::from_micros),
            ..Self::new(move |turn| socket.send(&systemd::lines(turn)))
        }
    }

    /// Elsewhere there is no systemd.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn from_env(_: impl Fn(&str) -> Option<String>) -> Self {
        Self::new(|_| {})
    }

    pub(crate) fn tell(&self, turn: Turn<'_>) {
        (self.tell)(turn);
    }

    /// From here on gives signs of life, from a thread of its own, for as long as `is_alive` says so
    /// within the time that it is given.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(crate) fn watch(
        &self,
        is_alive: impl Fn(Duration) -> bool + Send + 'static,
    ) -> std::io::Result<()> {
        // Twice as often as asked for, as the documentation advises.
        let Some(interval) = self.watchdog.map(|all| all / 2) else {
            return Ok(());
        };
        let this = self.clone();
        let thread = std::thread::Builder::new().name("watchdog".to_owned());
        thread.spawn(move || {
            loop {
                if is_alive(interval) {
                    this.tell(Turn::Alive);
                    std::thread::sleep(interval);
                } else {
                    tracing::error!("a shard has not answered for {interval:?}");
                }
            }
        })?;
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod systemd {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use rustix::time::{ClockId, clock_gettime};

    use super::Turn;

    pub(super) struct Socket(UnixDatagram);

    impl Socket {
        /// A name that begins with `@` is an abstract one.
        pub(super) fn to(name: &str) -> Option<Self> {
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name).ok()?,
                None => SocketAddr::from_pathname(name).ok()?,
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.connect_addr(&address).ok()?;
            Some(Self(socket))
        }

        pub(super) fn send(&self, lines: &str) {
            // A supervisor that has gone needs to know nothing.
            let _ = self.0.send(lines.as_bytes());
        }
    }

    pub(super) fn lines(turn: Turn<'_>) -> String {
        match turn {
            Turn::Opening(line) | Turn::Moved(line) | Turn::Failed(line) => status(line),
            Turn::Ready(line) => format!("READY=1\n{}", status(line)),
            Turn::Reloading => {
                // By which it tells this reload from an earlier one.
                let now = clock_gettime(ClockId::Monotonic);
                let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
                format!("RELOADING=1\nMONOTONIC_USEC={micros}\n")
            }
            Turn::Stopping => "STOPPING=1\n".to_owned(),
            Turn::Alive => "WATCHDOG=1\n".to_owned(),
        }
    }

    fn status(line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("STATUS={}\n", words.join(" "))
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::sync::mpsc::channel;

    use super::*;

    /// A supervisor's socket under an abstract name, and what a process would find in its environment.
    fn supervised(name: &str, usec: &str, pid: Option<u32>) -> (UnixDatagram, Supervisor) {
        let name = format!("ternmq-{}-{name}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let var = |asked: &str| match asked {
            "NOTIFY_SOCKET" => Some(format!("@{name}")),
            "WATCHDOG_USEC" => Some(usec.to_owned()),
            "WATCHDOG_PID" => pid.map(|pid| pid.to_string()),
            _ => None,
        };
        (socket, Supervisor::from_env(var))
    }

    fn told(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 512];
        let len = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }

    #[test]
    fn lines_for_each_turn() {
        let (socket, supervisor) = supervised("turns", "0", None);
        supervisor.tell(Turn::Opening("  opening:\n 5 %"));
        assert_eq!(told(&socket), "STATUS=opening: 5 %\n");
        supervisor.tell(Turn::Ready("http://a"));
        assert_eq!(told(&socket), "READY=1\nSTATUS=http://a\n");
        supervisor.tell(Turn::Moved("http://b"));
        assert_eq!(told(&socket), "STATUS=http://b\n");
        supervisor.tell(Turn::Reloading);
        let reloading = told(&socket);
        let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        assert!(micros.unwrap().trim().parse::<u64>().unwrap() > 0);
        supervisor.tell(Turn::Stopping);
        assert_eq!(told(&socket), "STOPPING=1\n");
        supervisor.tell(Turn::Failed("port 1883 is used\n"));
        assert_eq!(told(&socket), "STATUS=port 1883 is used\n");
        // Nobody there, nobody told.
        drop(socket);
        supervisor.tell(Turn::Stopping);
        Supervisor::from_env(|_| None).tell(Turn::Ready("x"));
    }

    #[test]
    fn signs_of_life_end_with_life() {
        let (socket, supervisor) = supervised("lives", "2000", Some(std::process::id()));
        let (ask, asked) = channel();
        let (answer, answers) = channel();
        let is_alive = move |patience| {
            ask.send(patience).unwrap();
            answers.recv().unwrap()
        };
        supervisor.watch(is_alive).unwrap();
        for alive in [true, false, true] {
            let patience = asked.recv().unwrap();
            assert_eq!(patience, Duration::from_millis(1));
            answer.send(alive).unwrap();
            if alive {
                assert_eq!(told(&socket), "WATCHDOG=1\n");
            }
        }
        asked.recv().unwrap();
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv(&mut [0; 9]).is_err(), "none while it was stuck");
    }

    #[test]
    fn a_watchdog_of_another_process_is_none_of_ours() {
        let (_socket, supervisor) = supervised("other", "2000", Some(1));
        assert_eq!(supervisor.watchdog, None);
        let (_socket, supervisor) = supervised("none", "x", None);
        assert_eq!(supervisor.watchdog, None);
    }
}
