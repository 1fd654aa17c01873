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

/// The dashboard's name among the listeners, as EMQX has it.
pub(crate) const DASHBOARD: &str = "http:dashboard";

/// A socket that listens, and where it really does.
pub(crate) type Socketed = (SocketAddr, std::net::TcpListener);

pub(crate) fn open(config: &Config) -> Result<Vec<Bound>, StartError> {
    let mut bound = Vec::new();
    for (id, listener) in config.listeners.iter().filter(|(_, l)| l.enabled) {
        let key = format!("listeners.{}.{}.bind", id.transport.name(), id.name);
        for (address, socket) in listen_on(&listener.bind, &id.to_string(), &key)? {
            bound.push(Bound {
                id: id.clone(),
                address,
                socket,
            });
        }
    }
    if bound.is_empty() {
        return Err(StartError::NoListener);
    }
    Ok(bound)
}

/// The sockets of the dashboard; none if it is off.
pub(crate) fn open_dashboard(config: &Config) -> Result<Vec<Socketed>, StartError> {
    if !config.dashboard.enabled {
        return Ok(Vec::new());
    }
    listen_on(&config.dashboard.bind, DASHBOARD, "dashboard.bind")
}

fn listen_on(
    addresses: &[SocketAddr],
    listener: &str,
    key: &str,
) -> Result<Vec<Socketed>, StartError> {
    let mut all = Vec::new();
    for address in addresses {
        match listen(*address) {
            Ok(socket) => all.push((socket.local_addr().unwrap_or(*address), socket)),
            // A machine without IPv6 is fine, as long as something is listened on.
            Err(source) if address.is_ipv6() && is_unsupported(&source) => {}
            Err(source) => {
                return Err(StartError::Listen {
                    listener: listener.to_owned(),
                    key: key.to_owned(),
                    address: *address,
                    source,
                });
            }
        }
    }
    Ok(all)
}

/// What a lost browser is told.
pub(crate) fn ports(bound: &[Bound], dashboard: &[Socketed]) -> Ports {
    let port = |transport| {
        bound
            .iter()
            .find(|b| b.id.transport == transport)
            .map(|b| b.address.port())
    };
    Ports {
        mqtt: port(Transport::Tcp),
        websocket: port(Transport::WebSocket),
        dashboard: dashboard.first().map(|(address, _)| address.port()),
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
