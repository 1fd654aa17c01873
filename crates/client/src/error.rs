//! What can go wrong between a client and its broker, told apart by what a person does about it.

use std::io;
use std::net::SocketAddr;

use protocol::{DecodeError, Reason};

use crate::tls::TlsFault;

/// Why a connection did not come about, or ended.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum Error {
    #[error("no address for the name {host}: {source}")]
    Name { host: String, source: io::Error },
    #[error("{local} is no address of this machine: {source}")]
    Local { local: String, source: io::Error },
    #[error("no TCP connection to {address}: {source}")]
    Connect {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("no connection to {path}: {source}")]
    Unix { path: String, source: io::Error },
    #[error("the proxy did not connect us: {0}")]
    Proxy(&'static str),
    #[error("no TLS: {0}")]
    Tls(#[from] TlsFault),
    #[error("no WebSocket there: {0}")]
    WebSocket(String),
    /// A CONNACK that says no.
    #[error("the broker refused the connection: {reason}")]
    Refused { reason: Reason, words: String },
    /// A version 5 broker ended the connection and says why.
    #[error("the broker ended the connection: {reason}")]
    Ended { reason: Reason, words: String },
    /// Closed or broken without a word.
    #[error("the connection was lost")]
    Lost,
    #[error("no answer from the broker")]
    Silent,
    #[error("the broker sent what is not MQTT here: {0}")]
    Decode(#[from] DecodeError),
    #[error("the broker sent a packet that has no place here")]
    OutOfPlace,
    #[error("too many messages wait for their acknowledgement")]
    Full,
    #[error("the packet has {bytes} bytes, and the broker takes {max}")]
    TooLarge { bytes: usize, max: usize },
    #[error("the system refused: {0}")]
    System(io::Error),
}

impl Error {
    /// Whether it is worth trying again without changing anything.
    pub fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::Refused { .. }
                | Self::Full
                | Self::TooLarge { .. }
                | Self::System(_)
                | Self::Tls(_)
        )
    }
}
