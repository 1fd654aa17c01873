//! An MQTT client for the command line and whatever else has to speak to a broker. A crate of its
//! own because it must be unable to see `engine`: what it says and hears is what stands on the wire.
//! `Client` blocks its caller, never longer than asked; `Crowd` has many connections in one thread.
//! It prints nothing and reads no environment.

mod client;
mod connection;
mod crowd;
mod dial;
mod error;
mod exchange;
mod message;
mod proxy;
mod tls;
mod websocket;

pub use client::{Accepted, Client, Event, Options, Outgoing, Trace, Will};
pub use connection::Waker;
pub use crowd::{Crowd, Heard};
pub use dial::{Address, Dialled, Place, Steps, Transport, dial, resolve};
pub use error::Error;
pub use exchange::WAITING_MAX;
pub use message::Message;
pub use proxy::Proxy;
pub use tls::{Secured, Tls, TlsFault, TlsOptions, TlsSetup, TlsVersion, tls_ciphers};
