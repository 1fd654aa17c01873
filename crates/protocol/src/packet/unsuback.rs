//! UNSUBACK (3.11): in version 5 a reason code for each filter, in 3.x only the id.

use super::check_flags;
use crate::codec::{Reader, block_len, put_block, put_header, put_u16};
use crate::error::{DecodeError, Limits};
use crate::property::{Place, Properties};
use crate::qos::PacketId;
use crate::reason::Reason;
use crate::version::Version;

const FIRST: u8 = 0xB0;

/// The answer to an UNSUBSCRIBE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnsubAck<'a> {
    pub id: PacketId,
    pub properties: Properties<'a>,
    codes: &'a [u8],
}

impl<'a> UnsubAck<'a> {
    /// One for each filter, in their order [MQTT-3.11.3-1]; none in 3.x.
    pub fn codes(&self) -> impl ExactSizeIterator<Item = Reason> + use<'a> {
        self.codes.iter().map(|code| Reason(*code))
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        put_start(
            out,
            version,
            self.id,
            self.properties.bytes(),
            self.codes.len(),
        );
        if version.is_v5() {
            out.extend_from_slice(self.codes);
        }
    }
}

/// Decodes the body of an UNSUBACK.
///
/// # Errors
/// `Malformed` for wrong flags, id 0, a body cut short and a payload in 3.x; `Protocol` for no or
/// foreign reason codes [MQTT-3.11.3-2]; what property blocks fail with.
pub fn decode<'a>(
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<UnsubAck<'a>, DecodeError> {
    check_flags(first, 0)?;
    let mut r = Reader::new(body);
    let id = r.packet_id()?;
    if !version.is_v5() {
        r.finish()?;
        return Ok(UnsubAck {
            id,
            properties: Properties::default(),
            codes: &[],
        });
    }
    let properties = Properties::read(&mut r, Place::Ack, limits, |_| {})?;
    let codes = r.rest();
    if codes.is_empty() {
        return Err(DecodeError::Protocol("UNSUBACK without a reason code"));
    }
    if !codes.iter().all(|code| Reason(*code).is_for_unsuback()) {
        return Err(DecodeError::Protocol("reason code of another packet"));
    }
    Ok(UnsubAck {
        id,
        properties,
        codes,
    })
}

/// Appends an UNSUBACK. `properties` are ready-made, without their length; 3.x leaves them and
/// the codes out.
pub fn encode(
    out: &mut Vec<u8>,
    version: Version,
    id: PacketId,
    codes: &[Reason],
    properties: &[u8],
) {
    put_start(out, version, id, properties, codes.len());
    if version.is_v5() {
        out.extend(codes.iter().map(|code| code.code()));
    }
}

fn put_start(out: &mut Vec<u8>, version: Version, id: PacketId, properties: &[u8], codes: usize) {
    if version.is_v5() {
        put_header(out, FIRST, 2 + block_len(properties) + codes);
        put_u16(out, id.get()); // [MQTT-2.2.1-6]
        put_block(out, properties);
    } else {
        put_header(out, FIRST, 2);
        put_u16(out, id.get()); // [MQTT-2.2.1-6]
    }
}
