//! Two machines that are none: network namespaces with a cable between them, for what depends on the
//! address from which somebody comes. Only root can make them.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// The two, gone with the value.
pub(crate) struct Machines {
    server: String,
    client: String,
}

impl Machines {
    /// Where clients reach the server: in the local network, and under a public address.
    pub(crate) const NEAR: [u8; 4] = [192, 168, 77, 1];
    pub(crate) const FAR: [u8; 4] = [203, 0, 113, 1];

    /// A server at 203.0.113.1, and clients at 203.0.113.2 and 203.0.113.3: addresses of a block for
    /// documentation, which are as public as any; and both at private ones, 192.168.77.1 and .2. `None`, and a line that says so, where the system does
    /// not let us.
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = std::process::id();
        let id = format!("{id}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let machines = Self {
            server: format!("ternmq-s{id}"),
            client: format!("ternmq-c{id}"),
        };
        let (server, client) = (machines.server.as_str(), machines.client.as_str());
        let steps: [&[&str]; 12] = [
            &["netns", "add", server],
            &["netns", "add", client],
            &[
                "-n", server, "link", "add", "s", "type", "veth", "peer", "name", "c", "netns",
                client,
            ],
            &["-n", server, "addr", "add", "203.0.113.1/24", "dev", "s"],
            &["-n", client, "addr", "add", "203.0.113.2/24", "dev", "c"],
            &["-n", client, "addr", "add", "203.0.113.3/24", "dev", "c"],
            &["-n", server, "addr", "add", "192.168.77.1/24", "dev", "s"],
            &["-n", client, "addr", "add", "192.168.77.2/24", "dev", "c"],
            &["-n", server, "link", "set", "lo", "up"],
            &["-n", server, "link", "set", "s", "up"],
            &["-n", client, "link", "set", "c", "up"],
            &[
                "-n",
                server,
                "route",
                "add",
                "default",
                "via",
                "203.0.113.2",
            ],
        ];
        for step in steps {
            let done = Command::new("ip").args(step).output();
            if !done.is_ok_and(|done| done.status.success()) {
                println!("skipped: `ip {}` is not allowed here", step.join(" "));
                return None;
            }
        }
        Some(machines)
    }

    /// What starts a program on the server.
    pub(crate) fn on_server(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.server]
            .map(str::to_owned)
            .to_vec()
    }

    /// Does something as the client: on a thread of its own, which is in the other namespace.
    #[track_caller]
    pub(crate) fn as_client<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let place = std::fs::File::open(format!("/run/netns/{}", self.client)).unwrap();
        let moved = move || {
            use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
            use std::os::fd::AsFd as _;
            move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(moved).join()).unwrap()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}
