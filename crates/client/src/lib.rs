//! An MQTT client for the command line and whatever else has to speak to a broker. A crate of its
//! own because it must be unable to see `engine`: what it says and hears is what stands on the wire.
//! It blocks its caller, never longer than asked; it prints nothing and reads no environment.

mod client;
mod connection;
mod dial;
mod error;
mod exchange;
mod message;
mod proxy;
mod websocket;

pub use client::{Accepted, Client, Event, Options, Outgoing, Trace, Will};
pub use connection::Waker;
pub use dial::{Address, Dialled, Place, Transport, dial, resolve};
pub use error::Error;
pub use exchange::WAITING_MAX;
pub use message::Message;
pub use proxy::Proxy;
