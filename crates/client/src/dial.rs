//! From an address to an open connection on which nothing of MQTT was said yet.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::Error;
use crate::proxy::Proxy;
use crate::tls::{self, Secured, Tls, TlsFault, secured};
use crate::websocket;

/// Where a broker is and how it is reached.
#[derive(Clone, Debug)]
pub struct Address {
    pub place: Place,
    pub transport: Transport,
    /// Below it.
    pub tls: Option<Tls>,
    /// A name or address of this machine to come from.
    pub local: Option<String>,
    pub proxy: Option<Proxy>,
    /// Sends small packets at once.
    pub no_delay: bool,
    /// How long connecting may take, for each address of the name.
    pub patience: Duration,
}

/// Name and port, or a socket in the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Host { name: String, port: u16 },
    Unix(PathBuf),
}

/// What carries MQTT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    Plain,
    /// The path of the request, from its slash on.
    WebSocket(String),
}

/// An open connection.
#[derive(Debug)]
pub struct Dialled {
    pub(crate) socket: Plain,
    pub(crate) tls: Option<Box<ClientConnection>>,
    pub(crate) is_websocket: bool,
    /// The broker's address, unless a proxy or a file stands for it.
    pub peer: Option<SocketAddr>,
    /// What TLS agreed on, if there is TLS.
    pub secured: Option<Secured>,
    pub steps: Steps,
}

/// How long each part of dialling took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steps {
    /// Until the name had addresses.
    pub name: Duration,
    /// TCP, or the socket in the file system.
    pub connect: Duration,
    pub proxy: Duration,
    pub tls: Duration,
    pub websocket: Duration,
}

/// A socket that blocks.
#[derive(Debug)]
pub(crate) enum Plain {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
}

/// The addresses of a name, in the order of the system.
///
/// # Errors
/// `Name` if there are none.
pub fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    // Brackets are for URLs.
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let fail = |source| Error::Name {
        host: name.to_owned(),
        source,
    };
    let found: Vec<_> = (bare, port).to_socket_addrs().map_err(fail)?.collect();
    if found.is_empty() {
        return Err(fail(ErrorKind::NotFound.into()));
    }
    Ok(found)
}

/// Opens a connection.
///
/// # Errors
/// `Name`, `Local`, `Connect`, `Unix`, `Proxy`, `Tls`, `WebSocket`, or what the system refused.
pub fn dial(address: &Address) -> Result<Dialled, Error> {
    let begun = Instant::now();
    let (name, port) = match &address.place {
        Place::Host { name, port } => (name, *port),
        Place::Unix(path) => return unix(address, path),
    };
    let (first_name, first_port) = match &address.proxy {
        Some(proxy) => (&proxy.host, proxy.port),
        None => (name, port),
    };
    let found = resolve(first_name, first_port)?;
    let mut steps = Steps {
        name: begun.elapsed(),
        ..Steps::default()
    };
    let mut lap = Lap(Instant::now());
    let (mut stream, peer) = open(&found, address)?;
    steps.connect = lap.end();
    stream
        .set_read_timeout(Some(address.patience))
        .map_err(Error::System)?;
    if let Some(proxy) = &address.proxy {
        proxy.ask(&stream, name, port)?;
        steps.proxy = lap.end();
    }
    let mut tls = match &address.tls {
        None => None,
        Some(tls) => Some(agree(tls, name, &mut stream)?),
    };
    steps.tls = lap.end();
    let is_websocket = match &address.transport {
        Transport::Plain => false,
        Transport::WebSocket(path) => {
            let host = format!("{name}:{port}");
            match &mut tls {
                None => websocket::shake(&mut stream, &host, path)?,
                Some(tls) => {
                    let mut stream = rustls::Stream::new(&mut **tls, &mut stream);
                    websocket::shake(&mut stream, &host, path)?;
                }
            }
            true
        }
    };
    steps.websocket = lap.end();
    Ok(Dialled {
        socket: Plain::Tcp(stream),
        secured: tls.as_deref().map(secured),
        tls,
        is_websocket,
        peer: address.proxy.is_none().then_some(peer),
        steps,
    })
}

/// Times one thing after the other.
struct Lap(Instant);

impl Lap {
    fn end(&mut self) -> Duration {
        let before = std::mem::replace(&mut self.0, Instant::now());
        self.0.saturating_duration_since(before)
    }
}

/// The handshake of TLS.
fn agree(tls: &Tls, name: &str, stream: &mut TcpStream) -> Result<Box<ClientConnection>, Error> {
    let mut connection = tls.begin(name)?;
    while connection.is_handshaking() {
        if let Err(error) = connection.complete_io(stream) {
            return Err(match tls::fault(&error) {
                Some(fault) => fault.into(),
                None => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::Silent,
                    ErrorKind::UnexpectedEof
                    | ErrorKind::ConnectionReset
                    | ErrorKind::BrokenPipe => TlsFault::Closed.into(),
                    _ => Error::System(error),
                },
            });
        }
    }
    Ok(connection)
}

/// The first address that answers; its errors are those of the last.
fn open(found: &[SocketAddr], address: &Address) -> Result<(TcpStream, SocketAddr), Error> {
    let locals = match &address.local {
        None => None,
        Some(local) => Some(locals(local)?),
    };
    let mut failed = None;
    for to in found {
        let from = match &locals {
            None => None,
            Some(list) => match list.iter().find(|ip| ip.is_ipv4() == to.is_ipv4()) {
                Some(ip) => Some(SocketAddr::new(*ip, 0)),
                None => continue,
            },
        };
        match connect(*to, from, address) {
            Ok(stream) => return Ok((stream, *to)),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| Error::Local {
        local: address.local.clone().unwrap_or_default(),
        source: ErrorKind::AddrNotAvailable.into(),
    }))
}

fn locals(name: &str) -> Result<Vec<IpAddr>, Error> {
    let found = resolve(name, 0).map_err(|error| match error {
        Error::Name { host, source } => Error::Local {
            local: host,
            source,
        },
        other => other,
    })?;
    Ok(found.iter().map(SocketAddr::ip).collect())
}

fn connect(
    to: SocketAddr,
    from: Option<SocketAddr>,
    address: &Address,
) -> Result<TcpStream, Error> {
    let fail = |source| Error::Connect {
        address: to,
        source,
    };
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP));
    let socket = socket.map_err(Error::System)?;
    if let Some(from) = from {
        socket.bind(&from.into()).map_err(|source| Error::Local {
            local: from.ip().to_string(),
            source,
        })?;
    }
    socket
        .connect_timeout(&to.into(), address.patience)
        .map_err(fail)?;
    if address.no_delay {
        socket.set_tcp_nodelay(true).map_err(Error::System)?;
    }
    Ok(socket.into())
}

#[cfg(unix)]
fn unix(address: &Address, path: &std::path::Path) -> Result<Dialled, Error> {
    let begun = Instant::now();
    let socket = std::os::unix::net::UnixStream::connect(path).map_err(|source| Error::Unix {
        path: path.display().to_string(),
        source,
    })?;
    if address.transport != Transport::Plain {
        return Err(Error::WebSocket("not through a Unix socket".to_owned()));
    }
    if address.tls.is_some() {
        return Err(TlsFault::Other("not through a Unix socket".to_owned()).into());
    }
    Ok(Dialled {
        socket: Plain::Unix(socket),
        tls: None,
        secured: None,
        is_websocket: false,
        peer: None,
        steps: Steps {
            connect: begun.elapsed(),
            ..Steps::default()
        },
    })
}

#[cfg(not(unix))]
fn unix(_: &Address, path: &std::path::Path) -> Result<Dialled, Error> {
    Err(Error::Unix {
        path: path.display().to_string(),
        source: ErrorKind::Unsupported.into(),
    })
}
