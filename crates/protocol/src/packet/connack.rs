//! CONNACK (3.2): the answer to a CONNECT.

use super::check_flags;
use crate::codec::{Reader, block_len, put_block, put_header};
use crate::error::{DecodeError, Limits};
use crate::property::{Place, Properties};
use crate::reason::Reason;
use crate::version::Version;

const FIRST: u8 = 0x20;

/// Whether the connection is accepted, and on which terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnAck<'a> {
    /// Always false in 3.1, which has no such flag.
    pub session_present: bool,
    /// In 3.x the reason that is nearest to the return code.
    pub reason: Reason,
    pub properties: Properties<'a>,
}

/// Decodes the body of a CONNACK.
///
/// # Errors
/// `Malformed` for reserved flags [MQTT-3.2.2-1] and a body cut short or too long; `Protocol` for
/// a reason code that is not CONNACK's [MQTT-3.2.2-8] and for a session present with a failure
/// [MQTT-3.2.2-6]; what property blocks fail with.
pub fn decode<'a>(
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<ConnAck<'a>, DecodeError> {
    check_flags(first, 0)?;
    let mut r = Reader::new(body);
    let flags = r.u8()?;
    let reserved = if version == Version::V3_1 { 0xFF } else { 0xFE };
    if flags & reserved != 0 {
        return Err(DecodeError::Malformed("reserved acknowledge flags"));
    }
    let session_present = flags & 1 != 0;
    let code = r.u8()?;
    let foreign = DecodeError::Protocol("reason code of another packet");
    let (reason, properties) = if version.is_v5() {
        let reason = Reason(code);
        if !reason.is_for_connack() {
            return Err(foreign);
        }
        (
            reason,
            Properties::read(&mut r, Place::ConnAck, limits, |_| {})?,
        )
    } else {
        let reason = Reason::from_connack_v3(code).ok_or(foreign)?;
        (reason, Properties::default())
    };
    r.finish()?;
    if session_present && reason.is_error() {
        return Err(DecodeError::Protocol("session present in a refusal"));
    }
    Ok(ConnAck {
        session_present,
        reason,
        properties,
    })
}

/// Appends a CONNACK. `properties` are ready-made, without their length; 3.x leaves them out and
/// has the return code that is nearest to `reason`. A failure never has a session present
/// [MQTT-3.2.2-6].
pub fn encode(
    out: &mut Vec<u8>,
    version: Version,
    session_present: bool,
    reason: Reason,
    properties: &[u8],
) {
    // [MQTT-3.2.2-1] [MQTT-3.2.2-6]
    let flags = u8::from(session_present && !reason.is_error() && version != Version::V3_1);
    if version.is_v5() {
        put_header(out, FIRST, 2 + block_len(properties));
        out.extend_from_slice(&[flags, reason.code()]);
        put_block(out, properties);
    } else {
        out.extend_from_slice(&[FIRST, 2, flags, reason.connack_v3()]);
    }
}
