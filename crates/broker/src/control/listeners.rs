//! Opens listening sockets: all of them, or none.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::{
    StartError,
    config::{Config, ListenerId, Transport},
    transport::http::Ports,
};

/// Connections that the system keeps until they are accepted: a storm of clients fits.
const BACKLOG: i32 = 4096;

/// When the system asks a silent peer whether it lives, and how often again. MQTT's own Keep Alive may
/// be off or eighteen hours; a peer that died without a word is noticed within three minutes.
const ASK_AFTER: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(10);
#[cfg(not(target_os = "openbsd"))]
const ASK_TIMES: u32 = 6;

/// A listening socket.
pub(crate) struct Bound {
    pub(crate) id: ListenerId,
    pub(crate) address: SocketAddr,
    pub(crate) socket: std::net::TcpListener,
}

pub(crate) fn open(config: &Config) -> Result<Vec<Bound>, StartError> {
    let mut bound = Vec::new();
    for (id, listener) in config.listeners.iter().filter(|(_, l)| l.enabled) {
        for address in &listener.bind {
            match listen(*address) {
                Ok(socket) => {
                    let address = socket.local_addr().unwrap_or(*address);
                    bound.push(Bound {
                        id: id.clone(),
                        address,
                        socket,
                    });
                }
                // A machine without IPv6 is fine, as long as something is listened on.
                Err(source) if address.is_ipv6() && is_unsupported(&source) => {}
                Err(source) => {
                    return Err(StartError::Listen {
                        listener: id.to_string(),
                        key: format!("{}.{}", id.transport.name(), id.name),
                        address: *address,
                        source,
                    });
                }
            }
        }
    }
    if bound.is_empty() {
        return Err(StartError::NoListener);
    }
    Ok(bound)
}

/// What a lost browser is told.
pub(crate) fn ports(bound: &[Bound]) -> Ports {
    let port = |transport| {
        bound
            .iter()
            .find(|b| b.id.transport == transport)
            .map(|b| b.address.port())
    };
    Ports {
        mqtt: port(Transport::Tcp),
        websocket: port(Transport::WebSocket),
        // None is built in yet.
        dashboard: None,
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // IPv4 has a socket of its own: whether this one would take it differs between systems.
        socket.set_only_v6(true)?;
    }
    // A restart need not wait for old connections in TIME_WAIT. On Windows it would allow two owners.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?; // TCP: ordered and without loss [MQTT-4.2.0-1].
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it, at no cost for each.
    let ask = TcpKeepalive::new()
        .with_time(ASK_AFTER)
        .with_interval(ASK_EVERY);
    #[cfg(not(target_os = "openbsd"))]
    let ask = ask.with_retries(ASK_TIMES);
    socket.set_tcp_keepalive(&ask)?;
    Ok(socket.into())
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        // EAFNOSUPPORT has no kind of its own: 97 on Linux, 47 on macOS, 10047 on Windows.
        || matches!(error.raw_os_error(), Some(97 | 47 | 10047))
}
