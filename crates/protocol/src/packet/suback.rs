//! SUBACK (3.9): a reason code for each filter of the SUBSCRIBE.

use super::check_flags;
use crate::codec::{Reader, block_len, put_block, put_header, put_u16};
use crate::error::{DecodeError, Limits};
use crate::property::{Place, Properties};
use crate::qos::PacketId;
use crate::reason::Reason;
use crate::version::Version;

const FIRST: u8 = 0x90;

/// The answer to a SUBSCRIBE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubAck<'a> {
    pub id: PacketId,
    pub properties: Properties<'a>,
    codes: &'a [u8],
}

impl<'a> SubAck<'a> {
    /// One for each filter, in their order [MQTT-3.9.3-1].
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
        out.extend(self.codes().map(|code| wire(code, version)));
    }
}

/// Decodes the body of a SUBACK.
///
/// # Errors
/// `Malformed` for wrong flags, id 0 and a body cut short; `Protocol` for no or foreign reason
/// codes [MQTT-3.9.3-2]; what property blocks fail with.
pub fn decode<'a>(
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<SubAck<'a>, DecodeError> {
    check_flags(first, 0)?;
    let mut r = Reader::new(body);
    let id = r.packet_id()?;
    let properties = if version.is_v5() {
        Properties::read(&mut r, Place::Ack, limits, |_| {})?
    } else {
        Properties::default()
    };
    let legal = if version.is_v5() {
        Reason::is_for_suback
    } else {
        Reason::is_for_suback_v3
    };
    let codes = r.rest();
    if codes.is_empty() {
        return Err(DecodeError::Protocol("SUBACK without a reason code"));
    }
    if !codes.iter().all(|code| legal(Reason(*code))) {
        return Err(DecodeError::Protocol("reason code of another packet"));
    }
    Ok(SubAck {
        id,
        properties,
        codes,
    })
}

/// Appends a SUBACK. `properties` are ready-made, without their length. In 3.x they are left out
/// and every failure is 0x80, the only one it has [3.1.1 MQTT-3.9.3-2].
pub fn encode(
    out: &mut Vec<u8>,
    version: Version,
    id: PacketId,
    codes: &[Reason],
    properties: &[u8],
) {
    put_start(out, version, id, properties, codes.len());
    out.extend(codes.iter().map(|code| wire(*code, version)));
}

fn wire(code: Reason, version: Version) -> u8 {
    if code.is_error() && !version.is_v5() {
        Reason::UNSPECIFIED_ERROR.code()
    } else {
        code.code()
    }
}

fn put_start(out: &mut Vec<u8>, version: Version, id: PacketId, properties: &[u8], codes: usize) {
    let block = if version.is_v5() {
        block_len(properties)
    } else {
        0
    };
    put_header(out, FIRST, 2 + block + codes);
    put_u16(out, id.get()); // [MQTT-2.2.1-6]
    if version.is_v5() {
        put_block(out, properties);
    }
}
