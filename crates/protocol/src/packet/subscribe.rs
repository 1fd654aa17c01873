//! SUBSCRIBE (3.8). Its filters are checked once and then read again where they lie: no `Vec`.

use super::check_flags_qos_1;
use crate::codec::{Reader, block_len, put_block, put_header, put_string, put_u16};
use crate::error::{DecodeError, Limits};
use crate::property::{Place, Properties, Property};
use crate::qos::{PacketId, QoS};
use crate::version::Version;

const FIRST: u8 = 0x82;

/// A wish to subscribe, with at least one filter [MQTT-3.8.3-2].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscribe<'a> {
    pub id: PacketId,
    pub properties: Properties<'a>,
    /// From the properties; 1 to 268,435,455.
    pub subscription_id: Option<u32>,
    /// Checked payload: pairs of filter and options.
    requests: &'a [u8],
    len: usize,
}

/// One filter of a SUBSCRIBE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    /// UTF-8 is all that is known of it; `SharedFilter::parse` tells whether it is a filter, so
    /// that a bad one is answered alone.
    pub filter: &'a str,
    pub options: Options,
}

/// Subscription options (3.8.3.1). In 3.x only QoS; the others are as 3.x brokers behave.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Options {
    /// The highest QoS the subscriber wants.
    pub qos: QoS,
    /// Messages do not go back to the client that published them [MQTT-3.8.3-3].
    pub no_local: bool,
    /// Forwarded messages keep their RETAIN flag [MQTT-3.3.1-13].
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

/// When retained messages are sent because of a subscription (3.3.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum RetainHandling {
    /// [MQTT-3.3.1-9]
    SendAlways = 0,
    /// [MQTT-3.3.1-10]
    SendIfNew = 1,
    /// [MQTT-3.3.1-11]
    DoNotSend = 2,
}

impl Options {
    /// The options byte of a version.
    ///
    /// # Errors
    /// `Malformed` for reserved bits [MQTT-3.8.3-5] [3.1.1 MQTT-3.8.3-4], `Protocol` for
    /// version 5's QoS 3 and retain handling 3 (3.8.3.1).
    pub fn from_bits(bits: u8, version: Version) -> Result<Self, DecodeError> {
        let reserved = if version.is_v5() { 0xC0 } else { 0xFC };
        if bits & reserved != 0 {
            return Err(DecodeError::Malformed("reserved bits of the options"));
        }
        let Some(qos) = QoS::from_bits(bits & 3) else {
            return Err(if version.is_v5() {
                DecodeError::Protocol("subscription with QoS 3")
            } else {
                DecodeError::Malformed("subscription with QoS 3")
            });
        };
        let retain_handling = match bits >> 4 {
            0 => RetainHandling::SendAlways,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(DecodeError::Protocol("retain handling 3")),
        };
        Ok(Self {
            qos,
            no_local: bits & 0x04 != 0,
            retain_as_published: bits & 0x08 != 0,
            retain_handling,
        })
    }

    /// The options byte; 3.x has only QoS in it.
    pub fn bits(self, version: Version) -> u8 {
        if !version.is_v5() {
            return self.qos.bits();
        }
        let handling = match self.retain_handling {
            RetainHandling::SendAlways => 0,
            RetainHandling::SendIfNew => 1,
            RetainHandling::DoNotSend => 2,
        };
        self.qos.bits()
            | u8::from(self.no_local) << 2
            | u8::from(self.retain_as_published) << 3
            | handling << 4
    }
}

impl<'a> Subscribe<'a> {
    /// The filters in the order of the packet, as their answers must be [MQTT-3.9.3-1].
    pub fn requests(&self) -> impl Iterator<Item = Request<'a>> + use<'a> {
        let mut r = Reader::new(self.requests);
        // Checked in `decode`, where version 3's options are a part of version 5's.
        std::iter::from_fn(move || request(&mut r, Version::V5).ok())
    }

    /// How many filters; never 0.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        put(
            out,
            version,
            self.id,
            self.properties.bytes(),
            self.requests,
        );
    }
}

/// Decodes the body of a SUBSCRIBE.
///
/// # Errors
/// `Malformed` for wrong flags [MQTT-3.8.1-1], id 0, bad UTF-8 [MQTT-3.8.3-1], reserved bits;
/// `Protocol` for no filter [MQTT-3.8.3-2] and No Local with `$share` [MQTT-3.8.3-4]; `Quota` for
/// more than `filters_max` filters; what property blocks fail with.
pub fn decode<'a>(
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<Subscribe<'a>, DecodeError> {
    check_flags_qos_1(first, version)?;
    let mut r = Reader::new(body);
    let id = r.packet_id()?;
    let mut subscription_id = None;
    let properties = if version.is_v5() {
        Properties::read(&mut r, Place::Subscribe, limits, |property| {
            if let Property::SubscriptionId(value) = property {
                subscription_id = Some(value);
            }
        })?
    } else {
        Properties::default()
    };
    let requests = r.rest();
    let mut len = 0;
    while !r.is_empty() {
        if len == usize::from(limits.filters_max) {
            return Err(DecodeError::Quota("too many filters"));
        }
        let request = request(&mut r, version)?;
        // [MQTT-3.8.3-4]; `$queue/` is no matter of the specification.
        if request.options.no_local && request.filter.starts_with("$share/") {
            return Err(DecodeError::Protocol("No Local with a shared subscription"));
        }
        len += 1;
    }
    if len == 0 {
        return Err(DecodeError::Protocol("SUBSCRIBE without a filter"));
    }
    Ok(Subscribe {
        id,
        properties,
        subscription_id,
        requests,
        len,
    })
}

/// Appends a SUBSCRIBE. `properties` are ready-made, without their length; 3.x leaves them out.
pub fn encode(
    out: &mut Vec<u8>,
    version: Version,
    id: PacketId,
    properties: &[u8],
    requests: &[Request<'_>],
) {
    let mut payload = Vec::new();
    for request in requests {
        put_string(&mut payload, request.filter);
        payload.push(request.options.bits(version));
    }
    put(out, version, id, properties, &payload);
}

fn request<'a>(r: &mut Reader<'a>, version: Version) -> Result<Request<'a>, DecodeError> {
    let filter = r.string()?;
    let options = Options::from_bits(r.u8()?, version)?;
    Ok(Request { filter, options })
}

fn put(out: &mut Vec<u8>, version: Version, id: PacketId, properties: &[u8], requests: &[u8]) {
    let block = if version.is_v5() {
        block_len(properties)
    } else {
        0
    };
    put_header(out, FIRST, 2 + block + requests.len());
    put_u16(out, id.get());
    if version.is_v5() {
        put_block(out, properties);
    }
    out.extend_from_slice(requests);
}
