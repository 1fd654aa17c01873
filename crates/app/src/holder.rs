//! Finds who listens on a port that we wanted, so that the error names the program to stop.

use std::net::SocketAddr;

/// Process id and name, such as `812 mosquitto`, of a listener on this port. `None` if the system
/// does not tell: processes of others are hidden from all but root.
#[cfg(target_os = "linux")]
pub(crate) fn holder(address: SocketAddr) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, address.port()))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let links: Vec<String> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let pid = process.file_name();
        let Some(pid) = pid
            .to_str()
            .filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()))
        else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = |file: std::fs::DirEntry| {
            std::fs::read_link(file.path())
                .is_ok_and(|link| links.iter().any(|other| link.as_os_str() == other.as_str()))
        };
        if files.flatten().any(holds) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(
                format!("{pid} {}", name.trim().escape_debug())
                    .trim_end()
                    .to_owned(),
            );
        }
    }
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn holder(_: SocketAddr) -> Option<String> {
    None
}

/// Inodes of the listening sockets of a port, whatever their address, in a table of
/// `/proc/net/tcp`'s form: the second word ends with the port, the fourth is the state (0A is
/// LISTEN), the tenth the inode.
#[cfg(target_os = "linux")]
fn listening(table: &str, port: u16) -> Vec<String> {
    let end = format!(":{port:04X}");
    let rows = table
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() >= 10 && row[1].ends_with(&end) && row[3] == "0A")
        .map(|row| row[9].to_owned())
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;

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
                found.starts_with(&format!("{} ", std::process::id())),
                "{found}"
            );
        }
    }

    #[test]
    fn only_listening_sockets_of_the_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 00000000:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 111 1\n\
            1: 0100007F:075B 0100007F:9999 01 00000000:00000000 00:00000000 00000000  0 0 222 1\n\
            2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 333 1\n\
            3: 00000000:075B short\n";
        assert_eq!(listening(table, 1883), ["111"]);
        assert!(listening(table, 1884).is_empty());
    }
}
