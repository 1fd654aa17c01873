//! Property blocks: which properties a packet may carry (table 2-4), how often, and how many of
//! the user's. A block is checked once, when it is read; later passes cannot fail.

use super::{Property, id};
use crate::codec::{Reader, size};
use crate::error::{DecodeError, Limits};

/// A property block that was checked when it was decoded: identifiers fit the packet, none is
/// there twice that must not be, values are legal, user properties are within the limits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    /// The properties in the order of the packet.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        Iter(Reader::new(self.0))
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The block as it was in the packet, without its length.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Appends the properties that a server sends on unchanged with a PUBLISH or will: payload
    /// format [MQTT-3.3.2-4], response topic [MQTT-3.3.2-15], correlation data [MQTT-3.3.2-16],
    /// user properties in their order [MQTT-3.3.2-17] [MQTT-3.3.2-18], content type
    /// [MQTT-3.3.2-20]. Expiry, alias and subscription identifiers are not among them.
    #[inline]
    pub fn put_forwarded(&self, out: &mut Vec<u8>) {
        if !self.0.is_empty() {
            self.put_those_forwarded(out);
        }
    }

    fn put_those_forwarded(&self, out: &mut Vec<u8>) {
        let mut rest = self.0;
        while let Some(&id) = rest.first() {
            let mut r = Reader::new(rest);
            // Cannot fail on a checked block; if it did, the remainder is left out.
            if Property::read(&mut r).is_err() {
                return;
            }
            let len = rest.len() - r.rest().len();
            if FORWARDED & bit(id) != 0 {
                out.extend_from_slice(&rest[..len]);
            }
            rest = r.rest();
        }
    }

    /// A block of our own making, without its length, checked for the packet that it is meant for.
    ///
    /// # Errors
    /// As when it is read from a packet.
    pub fn parse(block: &'a [u8], place: Place, limits: &Limits) -> Result<Self, DecodeError> {
        check(block, place, limits, |_| {})?;
        Ok(Self(block))
    }

    /// Whether these bytes can be what [`Self::put_forwarded`] wrote: for what comes from a file.
    #[must_use]
    pub fn are_forwarded(block: &[u8]) -> bool {
        let limits = Limits {
            user_properties_max: u16::MAX,
            user_properties_bytes_max: u32::MAX,
            ..Limits::default()
        };
        let mut out = Vec::with_capacity(block.len());
        Properties(block).put_forwarded(&mut out);
        check(block, Place::Publish, &limits, |_| {}).is_ok() && out == block
    }

    /// Reads a block: its length, then its properties, each of which `each` is shown.
    #[inline]
    pub(crate) fn read(
        r: &mut Reader<'a>,
        place: Place,
        limits: &Limits,
        each: impl FnMut(Property<'a>),
    ) -> Result<Self, DecodeError> {
        let len = r.varint()?;
        // The usual case, and on the way of every PUBLISH.
        if len == 0 {
            return Ok(Self(&[]));
        }
        let block = r.take(size(len))?;
        check(block, place, limits, each)?;
        Ok(Self(block))
    }
}

struct Iter<'a>(Reader<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = Property<'a>;

    #[inline]
    fn next(&mut self) -> Option<Property<'a>> {
        if self.0.is_empty() {
            return None;
        }
        Property::read(&mut self.0).ok()
    }
}

/// Where a block stands: the columns of table 2-4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Connect,
    Will,
    ConnAck,
    /// A PUBLISH from a client, which has no subscription identifiers [MQTT-3.3.4-6].
    Publish,
    /// A PUBLISH from a server.
    Delivery,
    /// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK: all alike.
    Ack,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Auth,
}

impl Place {
    /// A bit for each identifier that is legal here. User properties are legal everywhere.
    const fn allowed(self) -> u64 {
        let own = match self {
            Self::Connect => {
                CONNECT_BOTH
                    | bit(id::SESSION_EXPIRY)
                    | bit(id::REQUEST_PROBLEM_INFORMATION)
                    | bit(id::REQUEST_RESPONSE_INFORMATION)
            }
            Self::Will => FORWARDED | bit(id::MESSAGE_EXPIRY) | bit(id::WILL_DELAY),
            Self::ConnAck => {
                CONNECT_BOTH
                    | bit(id::SESSION_EXPIRY)
                    | bit(id::ASSIGNED_CLIENT_ID)
                    | bit(id::SERVER_KEEP_ALIVE)
                    | bit(id::RESPONSE_INFORMATION)
                    | bit(id::SERVER_REFERENCE)
                    | bit(id::REASON_STRING)
                    | bit(id::MAXIMUM_QOS)
                    | bit(id::RETAIN_AVAILABLE)
                    | bit(id::WILDCARD_SUBSCRIPTION_AVAILABLE)
                    | bit(id::SUBSCRIPTION_ID_AVAILABLE)
                    | bit(id::SHARED_SUBSCRIPTION_AVAILABLE)
            }
            // The subscription identifier is legal in PUBLISH as such; who may send it is
            // another question, with another reason code.
            Self::Publish | Self::Delivery => {
                FORWARDED
                    | bit(id::MESSAGE_EXPIRY)
                    | bit(id::TOPIC_ALIAS)
                    | bit(id::SUBSCRIPTION_ID)
            }
            Self::Ack => bit(id::REASON_STRING),
            Self::Subscribe => bit(id::SUBSCRIPTION_ID),
            Self::Unsubscribe => 0,
            Self::Disconnect => {
                bit(id::SESSION_EXPIRY) | bit(id::SERVER_REFERENCE) | bit(id::REASON_STRING)
            }
            Self::Auth => {
                bit(id::AUTHENTICATION_METHOD)
                    | bit(id::AUTHENTICATION_DATA)
                    | bit(id::REASON_STRING)
            }
        };
        own | bit(id::USER_PROPERTY)
    }

    /// Those that may be there more than once.
    const fn repeatable(self) -> u64 {
        match self {
            Self::Delivery => bit(id::USER_PROPERTY) | bit(id::SUBSCRIPTION_ID),
            _ => bit(id::USER_PROPERTY),
        }
    }
}

const CONNECT_BOTH: u64 = bit(id::AUTHENTICATION_METHOD)
    | bit(id::AUTHENTICATION_DATA)
    | bit(id::RECEIVE_MAXIMUM)
    | bit(id::TOPIC_ALIAS_MAXIMUM)
    | bit(id::MAXIMUM_PACKET_SIZE);

const FORWARDED: u64 = bit(id::PAYLOAD_FORMAT)
    | bit(id::CONTENT_TYPE)
    | bit(id::RESPONSE_TOPIC)
    | bit(id::CORRELATION_DATA)
    | bit(id::USER_PROPERTY);

/// No bit for identifiers from 64 on: there are none.
const fn bit(id: u8) -> u64 {
    if id < 64 { 1 << id } else { 0 }
}

fn check<'a>(
    block: &'a [u8],
    place: Place,
    limits: &Limits,
    mut each: impl FnMut(Property<'a>),
) -> Result<(), DecodeError> {
    let (allowed, repeatable) = (place.allowed(), place.repeatable());
    let mut seen = 0;
    let mut users = 0_u16;
    let mut user_bytes = 0_usize;
    let mut rest = block;
    while let Some(&id) = rest.first() {
        // An identifier not valid for its packet type makes it malformed (2.2.2.2).
        if allowed & bit(id) == 0 {
            return Err(DecodeError::Malformed(
                "property not allowed in this packet",
            ));
        }
        if place == Place::Publish && id == id::SUBSCRIPTION_ID {
            // [MQTT-3.3.4-6]
            return Err(DecodeError::Protocol(
                "subscription identifier from a client",
            ));
        }
        if seen & bit(id) & !repeatable != 0 {
            return Err(DecodeError::Protocol("property given twice"));
        }
        seen |= bit(id);
        let mut r = Reader::new(rest);
        let property = Property::read(&mut r)?;
        if let Property::UserProperty(name, value) = property {
            users = users.saturating_add(1);
            user_bytes = user_bytes.saturating_add(name.len() + value.len());
            if users > limits.user_properties_max
                || user_bytes > size(limits.user_properties_bytes_max)
            {
                return Err(DecodeError::Quota("too many user properties"));
            }
        }
        each(property);
        rest = r.rest();
    }
    let authentication = bit(id::AUTHENTICATION_METHOD) | bit(id::AUTHENTICATION_DATA);
    if seen & authentication == bit(id::AUTHENTICATION_DATA) {
        // (3.1.2.11.10, and likewise for CONNACK and AUTH)
        return Err(DecodeError::Protocol(
            "authentication data without a method",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
