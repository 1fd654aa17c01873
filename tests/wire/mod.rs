//! Speaks MQTT to a running broker by hand: writes and reads bytes without the `protocol` crate,
//! so that a fault there cannot cancel itself out. Every packet read is judged against the
//! specification before a test sees it.

mod broker;
mod bytes;
mod canary;
mod conn;
#[cfg(target_os = "linux")]
mod disk;
mod http;
mod narrow;
#[cfg(target_os = "linux")]
mod netns;
mod packet;
mod process;
pub(crate) mod prop;
mod service;
mod websocket;

pub(crate) use broker::{
    Broker, begin, binary, freeze, fresh_dir, run_once, run_once_on, run_tool,
};
pub(crate) use bytes::{
    Connect, Publish, Will, ack, disconnect, packet, pingreq, raw_publish, reply, string,
    subscribe, subscribe_with, unsubscribe, varint,
};
pub(crate) use canary::Canary;
pub(crate) use conn::{Conn, Outcome};
pub(crate) use http::{Api, BASE, Http, PASSWORD, Reply};
#[cfg(target_os = "linux")]
pub(crate) use netns::Machines;
pub(crate) use packet::{Kind, Packet};
pub(crate) use process::{in_full, raise_files};
pub(crate) use service::{Asked, Said, Service};
pub(crate) use websocket::{Frame, handshake, http};

/// The three protocol versions a client may speak, by the level byte of CONNECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    V31 = 3,
    V311 = 4,
    V5 = 5,
}

pub(crate) use Version::{V5, V31, V311};

/// All versions, for stories that are the same in each.
pub(crate) const ALL: [Version; 3] = [V31, V311, V5];
/// The two versions that most clients speak.
pub(crate) const BOTH: [Version; 2] = [V311, V5];
