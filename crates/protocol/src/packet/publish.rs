//! PUBLISH (3.3): the packet that everything is about. Hot path, both ways: no allocation but
//! the one reservation in the out-buffer.

use crate::codec::{
    Reader, put_binary, put_header, put_u16, put_varint, size, varint_len, varint_of,
};
use crate::error::{DecodeError, Limits};
use crate::property::{Place, Properties, Property};
use crate::qos::{PacketId, QoS};
use crate::topic::Topic;
use crate::version::Version;

/// A message on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Publish<'a> {
    /// The sender may have sent it before.
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// A valid topic name; empty only if `alias` stands for it.
    pub topic: &'a str,
    /// There if and only if QoS is above 0 [MQTT-2.2.1-2].
    pub id: Option<PacketId>,
    pub properties: Properties<'a>,
    /// From the properties; not 0.
    pub alias: Option<u16>,
    /// From the properties: message expiry interval.
    pub expiry_secs: Option<u32>,
    pub payload: &'a [u8],
}

/// Decodes the body of a PUBLISH that a client sent. Whether the payload is the UTF-8 that payload
/// format 1 promises is not looked at.
///
/// `known` is a topic name that was checked before, such as the one this client used last, or empty:
/// where the packet repeats it, its bytes are compared instead of checked, and `topic` is `known`.
///
/// # Errors
/// `Malformed` for QoS 3, DUP with QoS 0, id 0, bad UTF-8 and short bodies; `TopicInvalid` for the
/// topic name; `TopicAliasInvalid` for alias 0; `Protocol` for neither topic nor alias, for
/// subscription identifiers and for what property blocks fail with.
#[inline]
pub fn decode<'a>(
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
    known: &'a str,
) -> Result<Publish<'a>, DecodeError> {
    decode_at(Place::Publish, first, body, version, limits, known)
}

/// As [`decode`], for a PUBLISH that a server sent: it may have subscription identifiers.
///
/// # Errors
/// As [`decode`].
pub fn decode_from_server<'a>(
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<Publish<'a>, DecodeError> {
    decode_at(Place::Delivery, first, body, version, limits, "")
}

#[expect(
    clippy::inline_always,
    reason = "to hand back what it gives costs as much as to find it"
)]
#[inline(always)]
fn decode_at<'a>(
    place: Place,
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
    known: &'a str,
) -> Result<Publish<'a>, DecodeError> {
    // [MQTT-3.3.1-4]
    let qos = QoS::from_bits(first >> 1 & 3).ok_or(DecodeError::Malformed("QoS 3"))?;
    let dup = first & 0x08 != 0;
    if dup && qos == QoS::AtMostOnce {
        // [MQTT-3.3.1-2]
        return Err(DecodeError::Malformed("DUP with QoS 0"));
    }
    let mut r = Reader::new(body);
    let name = r.binary()?;
    // Version 5 may have an alias for it; that is seen after the properties.
    let topic = if name == known.as_bytes() {
        known
    } else if name.is_empty() {
        ""
    } else {
        Topic::decode(name, limits.topic_levels_max)?.as_str()
    };
    // [MQTT-2.2.1-2] [MQTT-2.2.1-3]
    let id = match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Some(r.packet_id()?),
    };
    let mut alias = None;
    let mut expiry_secs = None;
    let properties = if version.is_v5() {
        Properties::read(&mut r, place, limits, |property| match property {
            Property::TopicAlias(value) => alias = Some(value),
            Property::MessageExpiry(value) => expiry_secs = Some(value),
            _ => {}
        })?
    } else {
        Properties::default()
    };
    if topic.is_empty() && alias.is_none() {
        // [MQTT-3.3.2-1]
        return Err(nameless(version));
    }
    Ok(Publish {
        dup,
        qos,
        retain: first & 0x01 != 0,
        topic,
        id,
        properties,
        alias,
        expiry_secs,
        payload: r.rest(),
    })
}

#[cold]
fn nameless(version: Version) -> DecodeError {
    if version.is_v5() {
        // (3.3.2.1)
        DecodeError::Protocol("neither topic name nor alias")
    } else {
        // (3.1.1, 4.7.3)
        DecodeError::TopicInvalid("empty")
    }
}

/// A PUBLISH to be encoded. For 3.x everything that is a property is left out.
#[derive(Clone, Copy, Debug)]
pub struct Out<'a> {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// May be empty if `alias` is known to the receiver.
    pub topic: &'a str,
    /// Must be there if QoS is above 0, is left out otherwise [MQTT-2.2.1-2].
    pub id: Option<PacketId>,
    pub alias: Option<u16>,
    /// What is left of the message expiry interval [MQTT-3.3.2-6].
    pub expiry_secs: Option<u32>,
    /// One of each subscription that matches, in any order [MQTT-3.3.4-3].
    pub subscription_ids: &'a [u32],
    /// What [`Properties::put_forwarded`] wrote.
    pub forwarded: &'a [u8],
    pub payload: &'a [u8],
}

impl Out<'_> {
    /// Bytes of the whole packet, fixed header included: what Maximum Packet Size is compared
    /// with [MQTT-3.1.2-24].
    #[inline]
    pub fn len(&self, version: Version) -> usize {
        let remaining = self.head(version).remaining;
        1 + varint_len(varint_of(remaining)) + remaining
    }

    /// Whether the packet is certainly not longer than `bytes_max`; for the others ask [`Out::len`].
    #[inline]
    pub fn surely_fits(&self, bytes_max: u32) -> bool {
        // Fixed header, topic length, packet id, property length, alias and expiry are 22 bytes.
        let texts = self.topic.len() + self.forwarded.len() + self.payload.len();
        32 + texts + 5 * self.subscription_ids.len() <= size(bytes_max)
    }

    /// Appends the packet; one reservation.
    ///
    /// # Panics
    /// If QoS is above 0 and `id` is `None`, if the topic has more than 65,535 bytes, or the packet
    /// more than 256 MiB: our own mistakes.
    #[inline]
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let head = self.head(version);
        head.put(version, out);
        if version.is_v5() && head.block > 0 {
            self.put_properties(out);
        }
        out.extend_from_slice(self.payload);
    }

    #[inline]
    fn head(&self, version: Version) -> Head<'_> {
        let block = if version.is_v5() { self.block() } else { 0 };
        Head::new(
            first(self.dup, self.qos, self.retain),
            self.topic,
            match self.qos {
                QoS::AtMostOnce => None,
                QoS::AtLeastOnce | QoS::ExactlyOnce => Some(
                    self.id
                        .expect("a PUBLISH above QoS 0 has a packet identifier"),
                ),
            },
            block,
            self.payload.len(),
            version,
        )
    }

    /// Bytes of the properties.
    #[inline]
    fn block(&self) -> usize {
        let alias = if self.alias.is_some() { 3 } else { 0 };
        let expiry = if self.expiry_secs.is_some() { 5 } else { 0 };
        let ids: usize = self
            .subscription_ids
            .iter()
            .map(|id| 1 + varint_len(*id))
            .sum();
        alias + expiry + ids + self.forwarded.len()
    }

    fn put_properties(&self, out: &mut Vec<u8>) {
        if let Some(alias) = self.alias {
            Property::TopicAlias(alias).put(out);
        }
        if let Some(secs) = self.expiry_secs {
            Property::MessageExpiry(secs).put(out);
        }
        for id in self.subscription_ids {
            Property::SubscriptionId(*id).put(out);
        }
        out.extend_from_slice(self.forwarded);
    }
}

impl Publish<'_> {
    /// Appends the packet with its properties as they are.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let properties: &[u8] = if version.is_v5() {
            self.properties.bytes()
        } else {
            &[]
        };
        Head::new(
            first(self.dup, self.qos, self.retain),
            self.topic,
            self.id,
            properties.len(),
            self.payload.len(),
            version,
        )
        .put(version, out);
        out.extend_from_slice(properties);
        out.extend_from_slice(self.payload);
    }
}

/// All before the properties, with the lengths of what follows.
struct Head<'a> {
    first: u8,
    topic: &'a str,
    id: Option<PacketId>,
    block: usize,
    remaining: usize,
}

impl<'a> Head<'a> {
    #[inline]
    fn new(
        first: u8,
        topic: &'a str,
        id: Option<PacketId>,
        block: usize,
        payload: usize,
        version: Version,
    ) -> Self {
        let id_len = if id.is_some() { 2 } else { 0 };
        let prefix = if version.is_v5() {
            varint_len(varint_of(block))
        } else {
            0
        };
        Self {
            first,
            topic,
            id,
            block,
            remaining: 2 + topic.len() + id_len + prefix + block + payload,
        }
    }

    #[inline]
    fn put(&self, version: Version, out: &mut Vec<u8>) {
        // Five bytes are the longest fixed header.
        out.reserve(5 + self.remaining);
        put_header(out, self.first, self.remaining);
        put_binary(out, self.topic.as_bytes());
        if let Some(id) = self.id {
            put_u16(out, id.get());
        }
        if version.is_v5() {
            put_varint(out, varint_of(self.block));
        }
    }
}

#[inline]
fn first(dup: bool, qos: QoS, retain: bool) -> u8 {
    0x30 | u8::from(dup) << 3 | qos.bits() << 1 | u8::from(retain)
}
