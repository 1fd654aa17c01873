//! One module per packet; `ls` here is the protocol. Decoding borrows from a frame's body and
//! never reads past it; encoding appends to a `Vec<u8>` in the shortest legal form.

pub mod ack;
pub mod auth;
pub mod connack;
pub mod connect;
pub mod disconnect;
pub mod publish;
pub mod run;
pub mod suback;
pub mod subscribe;
pub mod unsuback;
pub mod unsubscribe;

pub use ack::{Ack, AckKind};
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use publish::Publish;
pub use suback::SubAck;
pub use subscribe::{Options, Request, RetainHandling, Subscribe};
pub use unsuback::UnsubAck;
pub use unsubscribe::Unsubscribe;

use crate::error::{DecodeError, Limits};
use crate::frame::{Frame, kind};
use crate::version::Version;

/// Any packet, in either direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

/// Decodes a frame that a client sent. A CONNECT tells its version itself; for all others it is
/// the connection's. Packets that only servers send are decoded too: refusing them is a matter
/// of the session, not of their bytes.
///
/// # Errors
/// As [`DecodeError`] tells; the connection must be closed (4.13).
pub fn decode<'a>(
    f: &Frame<'a>,
    version: Version,
    limits: &Limits,
) -> Result<Packet<'a>, DecodeError> {
    match f.kind() {
        kind::PUBLISH => publish::decode(f.first, f.body, version, limits, "").map(Packet::Publish),
        _ => other(f, version, limits),
    }
}

/// Decodes a frame that a server sent: a PUBLISH may have subscription identifiers.
///
/// # Errors
/// As [`decode`].
pub fn decode_from_server<'a>(
    f: &Frame<'a>,
    version: Version,
    limits: &Limits,
) -> Result<Packet<'a>, DecodeError> {
    match f.kind() {
        kind::PUBLISH => {
            publish::decode_from_server(f.first, f.body, version, limits).map(Packet::Publish)
        }
        _ => other(f, version, limits),
    }
}

fn other<'a>(f: &Frame<'a>, v: Version, limits: &Limits) -> Result<Packet<'a>, DecodeError> {
    let Frame { first, body, .. } = *f;
    let ack = |kind| ack::decode(kind, first, body, v, limits);
    Ok(match f.kind() {
        kind::CONNECT => Packet::Connect(connect::decode(body, first, limits)?),
        kind::CONNACK => Packet::ConnAck(connack::decode(first, body, v, limits)?),
        kind::PUBACK => Packet::PubAck(ack(AckKind::PubAck)?),
        kind::PUBREC => Packet::PubRec(ack(AckKind::PubRec)?),
        kind::PUBREL => Packet::PubRel(ack(AckKind::PubRel)?),
        kind::PUBCOMP => Packet::PubComp(ack(AckKind::PubComp)?),
        kind::SUBSCRIBE => Packet::Subscribe(subscribe::decode(first, body, v, limits)?),
        kind::SUBACK => Packet::SubAck(suback::decode(first, body, v, limits)?),
        kind::UNSUBSCRIBE => Packet::Unsubscribe(unsubscribe::decode(first, body, v, limits)?),
        kind::UNSUBACK => Packet::UnsubAck(unsuback::decode(first, body, v, limits)?),
        kind::PINGREQ => ping(first, body).map(|()| Packet::PingReq)?,
        kind::PINGRESP => ping(first, body).map(|()| Packet::PingResp)?,
        kind::DISCONNECT => Packet::Disconnect(disconnect::decode(first, body, v, limits)?),
        kind::AUTH => Packet::Auth(auth::decode(first, body, v, limits)?),
        _ => return Err(DecodeError::Malformed("reserved packet type")),
    })
}

impl Packet<'_> {
    /// Appends the packet. What `version` does not know, properties for 3.x, is left out.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        match self {
            Self::Connect(connect) => connect.encode(out),
            Self::ConnAck(p) => {
                connack::encode(
                    out,
                    version,
                    p.session_present,
                    p.reason,
                    p.properties.bytes(),
                );
            }
            Self::Publish(publish) => publish.encode(version, out),
            Self::PubAck(ack) => ack.encode(out, version, AckKind::PubAck),
            Self::PubRec(ack) => ack.encode(out, version, AckKind::PubRec),
            Self::PubRel(ack) => ack.encode(out, version, AckKind::PubRel),
            Self::PubComp(ack) => ack.encode(out, version, AckKind::PubComp),
            Self::Subscribe(subscribe) => subscribe.encode(version, out),
            Self::SubAck(suback) => suback.encode(version, out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encode(version, out),
            Self::UnsubAck(unsuback) => unsuback.encode(version, out),
            Self::PingReq => pingreq(out),
            Self::PingResp => pingresp(out),
            Self::Disconnect(p) => {
                disconnect::encode(out, version, p.reason, p.properties.bytes());
            }
            Self::Auth(p) => auth::encode(out, p.reason, p.properties.bytes()),
        }
    }
}

/// Appends a PINGREQ (3.12).
pub fn pingreq(out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind::PINGREQ << 4, 0]);
}

/// Appends a PINGRESP (3.13).
pub fn pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[kind::PINGRESP << 4, 0]);
}

fn ping(first: u8, body: &[u8]) -> Result<(), DecodeError> {
    check_flags(first, 0)?;
    if body.is_empty() {
        Ok(())
    } else {
        Err(DecodeError::Malformed("ping with a body"))
    }
}

/// Flags that the specification reserves must be as it says [MQTT-2.1.3-1].
#[inline]
fn check_flags(first: u8, flags: u8) -> Result<(), DecodeError> {
    if first & 0x0F == flags {
        Ok(())
    } else {
        Err(DecodeError::Malformed("reserved flags of the fixed header"))
    }
}

/// PUBREL, SUBSCRIBE and UNSUBSCRIBE have QoS 1 for historical reasons; 3.1 still has DUP there.
#[inline]
fn check_flags_qos_1(first: u8, version: Version) -> Result<(), DecodeError> {
    let first = match version {
        Version::V3_1 => first & !0x08,
        Version::V3_1_1 | Version::V5 => first,
    };
    check_flags(first, 0x02)
}
