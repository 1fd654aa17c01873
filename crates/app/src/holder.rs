//! Finds who listens on a port that we wanted, so that the error names the program to stop.

/// Who has a port.
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "other systems are not asked")
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Process {
        pid: u32,
        name: String,
        /// Of systemd, such as `mosquitto.service`.
        unit: Option<String>,
    },
    /// Which of this user's processes it is, the system does not tell.
    User(String),
}

#[cfg(target_os = "linux")]
pub(crate) use linux::holder;

#[cfg(not(target_os = "linux"))]
pub(crate) fn holder(_: std::net::SocketAddr) -> Option<Holder> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::net::SocketAddr;
    use std::os::unix::fs::MetadataExt as _;

    use super::Holder;

    /// A listening socket in the system's table.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Socket {
        pub(super) inode: String,
        pub(super) uid: u32,
    }

    /// Who listens on this port. Open files of others are hidden from all but root; then the owner of
    /// the socket leads there if he has one process only, as services have.
    pub(crate) fn holder(address: SocketAddr) -> Option<Holder> {
        let sockets: Vec<Socket> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .into_iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| listening(&table, address.port()))
            .collect();
        let first = sockets.first()?;
        let all = processes();
        let named = all.iter().find(|&&pid| has_open(pid, &sockets));
        if let Some(&pid) = named {
            return Some(process(pid));
        }
        let mut theirs = all.iter().filter(|&&pid| owner(pid) == Some(first.uid));
        match (theirs.next(), theirs.next()) {
            (Some(&pid), None) => Some(process(pid)),
            _ => {
                let table = fs::read_to_string("/etc/passwd").unwrap_or_default();
                Some(Holder::User(user(&table, first.uid)))
            }
        }
    }

    fn processes() -> Vec<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }

    fn owner(pid: u32) -> Option<u32> {
        fs::metadata(format!("/proc/{pid}")).ok().map(|of| of.uid())
    }

    fn has_open(pid: u32, sockets: &[Socket]) -> bool {
        let files = fs::read_dir(format!("/proc/{pid}/fd"));
        let mut links = files.into_iter().flatten().flatten();
        links.any(|file| {
            let link = fs::read_link(file.path()).unwrap_or_default();
            let link = link.to_string_lossy();
            let inode = link.strip_prefix("socket:[");
            let inode = inode.and_then(|rest| rest.strip_suffix(']'));
            inode.is_some_and(|inode| sockets.iter().any(|socket| socket.inode == inode))
        })
    }

    fn process(pid: u32) -> Holder {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        Holder::Process {
            pid,
            name: read("comm").trim().escape_debug().to_string(),
            unit: unit(&read("cgroup")),
        }
    }

    /// The service whose processes are in this control group.
    pub(super) fn unit(cgroup: &str) -> Option<String> {
        let last = cgroup.lines().find_map(|line| {
            let name = line.rsplit('/').next()?;
            name.strip_suffix(".service").map(|_| name)
        })?;
        // Of a person's session: not for `systemctl` without more.
        let is_session = cgroup.contains("/user.slice/");
        (!is_session).then(|| last.escape_debug().to_string())
    }

    /// A user's name in a table of `/etc/passwd`'s form, or the number.
    pub(super) fn user(table: &str, uid: u32) -> String {
        let uid = uid.to_string();
        let mut rows = table.lines().map(|line| line.split(':'));
        let named = rows.find_map(|mut row| {
            let name = row.next()?;
            (row.nth(1)? == uid).then(|| name.escape_debug().to_string())
        });
        named.unwrap_or(uid)
    }

    /// The listening sockets of a port, whatever their address, in a table of `/proc/net/tcp`'s form:
    /// the second word ends with the port, the fourth is the state (0A is LISTEN), the eighth the
    /// owner, the tenth the inode.
    pub(super) fn listening(table: &str, port: u16) -> Vec<Socket> {
        let end = format!(":{port:04X}");
        let rows = table
            .lines()
            .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row.len() >= 10 && row[1].ends_with(&end) && row[3] == "0A")
            .filter_map(|row| {
                Some(Socket {
                    inode: row[9].to_owned(),
                    uid: row[7].parse().ok()?,
                })
            })
            .collect()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;

    use super::linux::*;
    use super::*;

    #[test]
    fn finds_this_process() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                assert!(address.starts_with('['), "only IPv6 may be missing");
                continue;
            };
            let found = holder(listener.local_addr().unwrap()).unwrap();
            assert!(
                matches!(found, Holder::Process { pid, .. } if pid == std::process::id()),
                "{found:?}"
            );
        }
    }

    #[test]
    fn only_listening_sockets_of_the_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 00000000:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  106 0 111 1\n\
            1: 0100007F:075B 0100007F:9999 01 00000000:00000000 00:00000000 00000000  0 0 222 1\n\
            2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 333 1\n\
            3: 00000000:075B short\n";
        let inode = "111".to_owned();
        assert_eq!(listening(table, 1883), [Socket { inode, uid: 106 }]);
        assert!(listening(table, 1884).is_empty());
    }

    #[test]
    fn services_and_users_have_names() {
        let service = "0::/system.slice/mosquitto.service\n";
        assert_eq!(unit(service), Some("mosquitto.service".to_owned()));
        let old = "12:pids:/system.slice/mosquitto.service\n1:name=systemd:/x\n";
        assert_eq!(unit(old), Some("mosquitto.service".to_owned()));
        let session = "0::/user.slice/user-0.slice/user@0.service\n";
        assert_eq!(unit(session), None);
        assert_eq!(unit("0::/\n"), None);
        let table = "root:x:0:0:root:/root:/bin/sh\nmosquitto:x:106:110::/:/bin/false\n";
        assert_eq!(user(table, 106), "mosquitto");
        assert_eq!(user(table, 7), "7");
    }
}
