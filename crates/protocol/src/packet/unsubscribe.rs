//! UNSUBSCRIBE (3.10). Its filters are checked once and then read again where they lie.

use super::check_flags_qos_1;
use crate::codec::{Reader, block_len, put_block, put_header, put_string, put_u16};
use crate::error::{DecodeError, Limits};
use crate::property::{Place, Properties};
use crate::qos::PacketId;
use crate::version::Version;

const FIRST: u8 = 0xA2;

/// A wish to unsubscribe, with at least one filter [MQTT-3.10.3-2].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsubscribe<'a> {
    pub id: PacketId,
    pub properties: Properties<'a>,
    /// Checked payload: strings.
    filters: &'a [u8],
    len: usize,
}

impl<'a> Unsubscribe<'a> {
    /// The filters in the order of the packet, as their answers must be [MQTT-3.11.3-1]. UTF-8 is
    /// all that is known of them.
    pub fn filters(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut r = Reader::new(self.filters);
        std::iter::from_fn(move || r.string().ok())
    }

    /// How many filters; never 0.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        put(out, version, self.id, self.properties.bytes(), self.filters);
    }
}

/// Decodes the body of an UNSUBSCRIBE.
///
/// # Errors
/// `Malformed` for wrong flags [MQTT-3.10.1-1], id 0 and bad UTF-8 [MQTT-3.10.3-1]; `Protocol` for
/// no filter [MQTT-3.10.3-2]; `Quota` for more than `filters_max`; what property blocks fail with.
pub fn decode<'a>(
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<Unsubscribe<'a>, DecodeError> {
    check_flags_qos_1(first, version)?;
    let mut r = Reader::new(body);
    let id = r.packet_id()?;
    let properties = if version.is_v5() {
        Properties::read(&mut r, Place::Unsubscribe, limits, |_| {})?
    } else {
        Properties::default()
    };
    let filters = r.rest();
    let mut len = 0;
    while !r.is_empty() {
        if len == usize::from(limits.filters_max) {
            return Err(DecodeError::Quota("too many filters"));
        }
        r.string()?;
        len += 1;
    }
    if len == 0 {
        return Err(DecodeError::Protocol("UNSUBSCRIBE without a filter"));
    }
    Ok(Unsubscribe {
        id,
        properties,
        filters,
        len,
    })
}

/// Appends an UNSUBSCRIBE. `properties` are ready-made, without their length; 3.x leaves them out.
pub fn encode(
    out: &mut Vec<u8>,
    version: Version,
    id: PacketId,
    properties: &[u8],
    filters: &[&str],
) {
    let mut payload = Vec::new();
    for filter in filters {
        put_string(&mut payload, filter);
    }
    put(out, version, id, properties, &payload);
}

fn put(out: &mut Vec<u8>, version: Version, id: PacketId, properties: &[u8], filters: &[u8]) {
    let block = if version.is_v5() {
        block_len(properties)
    } else {
        0
    };
    put_header(out, FIRST, 2 + block + filters.len());
    put_u16(out, id.get());
    if version.is_v5() {
        put_block(out, properties);
    }
    out.extend_from_slice(filters);
}
