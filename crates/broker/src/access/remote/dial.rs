//! The way to a back end: its address, TCP, and TLS where that is asked for, with a certificate that is always
//! looked at.

use std::{net::IpAddr, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Failure, reach::reachable};

/// Bytes of one message of an answer at most.
pub(super) const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A connection, after TLS if that is spoken.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

pub(super) type Stream = Box<dyn Duplex>;

/// How TLS is spoken to a back end.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsSetup {
    /// Whom to trust: a file, or PEM itself. Those whom the system trusts if it is left out.
    pub cacertfile: Option<String>,
    /// Our own certificate and its key.
    pub certfile: Option<String>,
    pub keyfile: Option<String>,
    /// The name that its certificate has to be for; the host of its address if it is left out.
    pub server_name: Option<String>,
}

/// TLS, ready to be spoken.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    pub(super) fn new(setup: &TlsSetup, host: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match &setup.cacertfile {
            Some(place) => {
                for certificate in certificates("cacertfile", place)? {
                    let added = roots.add(certificate);
                    added.map_err(|error| format!("ssl.cacertfile: {error}"))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    let text = "the system trusts nobody; name an authority in ssl.cacertfile";
                    return Err(text.to_owned());
                }
            }
        }
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let config = match (&setup.certfile, &setup.keyfile) {
            (None, None) => config.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let own = certificates("certfile", certificate)?;
                let with = config.with_client_auth_cert(own, private_key(key)?);
                with.map_err(|error| format!("ssl.certfile, ssl.keyfile: {error}"))?
            }
            _ => return Err("ssl.certfile and ssl.keyfile go together".to_owned()),
        };
        let name = setup.server_name.as_deref().unwrap_or(host).to_owned();
        let named = ServerName::try_from(name.clone());
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name: named.map_err(|_| format!("{name} is no name that a certificate could have"))?,
        })
    }

    pub(super) async fn secure<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: T,
    ) -> Result<TlsStream<T>, Failure> {
        let secured = self.connector.connect(self.name.clone(), stream).await;
        secured.map_err(|error| Failure::Down(format!("TLS: {error}")))
    }
}

/// Of a file, or of PEM itself.
fn pem(key: &str, place: &str) -> Result<Vec<u8>, String> {
    if place.trim_start().starts_with("-----BEGIN ") {
        return Ok(place.as_bytes().to_vec());
    }
    std::fs::read(place).map_err(|error| format!("ssl.{key}: {place}: {error}"))
}

fn certificates(key: &str, place: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = pem(key, place)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = read.map_err(|error| format!("ssl.{key}: {error}"))?;
    if found.is_empty() {
        return Err(format!("ssl.{key}: there is no certificate in it"));
    }
    Ok(found)
}

fn private_key(place: &str) -> Result<PrivateKeyDer<'static>, String> {
    let key = PrivateKeyDer::from_pem_slice(&pem("keyfile", place)?);
    key.map_err(|error| format!("ssl.keyfile: {error}"))
}

pub(super) async fn connect(
    host: &str,
    port: u16,
    timeout: Duration,
) -> Result<TcpStream, Failure> {
    let connecting = async {
        let found = tokio::net::lookup_host((host, port)).await;
        let found = found.map_err(|error| lost(&error))?;
        // What was judged is what is connected to: a name could say something else the next time.
        let found = reachable(found)?;
        TcpStream::connect(&found[..])
            .await
            .map_err(|error| lost(&error))
    };
    let connected = tokio::time::timeout(timeout, connecting).await;
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Failure::Down(format!("{host}:{port}: {error}"))),
        Err(_) => {
            return Err(Failure::Down(format!(
                "{host}:{port}: no connection in time"
            )));
        }
    };
    // What is small is sent at once.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// `host`, `host:port`, `[::1]:port`.
pub(super) fn address(text: &str, port: u16) -> Result<(String, u16), String> {
    let bad = || format!("server: {text} is no host with a port");
    let (host, rest) = match text.strip_prefix('[') {
        Some(literal) => literal.split_once(']').ok_or_else(bad)?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| bad())?,
        None if rest.is_empty() => port,
        None => return Err(bad()),
    };
    if host.is_empty() || host.contains(['/', '@', ',', ' ']) {
        return Err(bad());
    }
    Ok((host.to_owned(), port))
}

/// Whether that is this machine: nothing goes over a network then.
pub(super) fn is_here(host: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|ip| ip.is_loopback())
}

/// What went wrong on a connection.
pub(super) fn lost(error: &std::io::Error) -> Failure {
    Failure::Down(error.to_string())
}

/// What no server of its kind says.
pub(super) fn odd(what: &str) -> Failure {
    Failure::Odd(format!("its answer: {what}"))
}

pub(super) async fn read(stream: &mut Stream, length: usize) -> Result<Vec<u8>, Failure> {
    if length > ANSWER_BYTES_MAX {
        return Err(odd("too long"));
    }
    let mut bytes = vec![0; length];
    let read = stream.read_exact(&mut bytes).await;
    read.map_err(|error| lost(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let ok = |host: &str, port| Ok((host.to_owned(), port));
        for (text, due) in [
            ("h", ok("h", 9)),
            ("h:1", ok("h", 1)),
            ("[::1]:2", ok("::1", 2)),
            ("[::1]", ok("::1", 9)),
        ] {
            assert_eq!(address(text, 9), due, "{text}");
        }
        for bad in ["", ":1", "h:", "h:x", "a:1,b:2", "redis://h", "[::1", "u@h"] {
            assert!(address(bad, 9).is_err(), "{bad}");
        }
    }
}
