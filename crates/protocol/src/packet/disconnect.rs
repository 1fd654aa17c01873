//! DISCONNECT (3.14): the last packet of a connection; in 3.x only the client sends it.

use super::check_flags;
use crate::codec::{Reader, block_len, put_block, put_header};
use crate::error::{DecodeError, Limits};
use crate::property::{Place, Properties, Property};
use crate::reason::Reason;
use crate::version::Version;

const FIRST: u8 = 0xE0;

/// Why a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disconnect<'a> {
    /// `NORMAL_DISCONNECTION` in 3.x.
    pub reason: Reason,
    pub properties: Properties<'a>,
    /// From the properties: replaces the session expiry interval of the CONNECT.
    pub session_expiry_secs: Option<u32>,
}

/// Decodes the body of a DISCONNECT.
///
/// # Errors
/// `Malformed` for wrong flags [MQTT-3.14.1-1] and a body cut short or too long; `Protocol` for a
/// reason code that is not DISCONNECT's [MQTT-3.14.2-1]; what property blocks fail with.
pub fn decode<'a>(
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<Disconnect<'a>, DecodeError> {
    check_flags(first, 0)?;
    let mut r = Reader::new(body);
    let mut reason = Reason::NORMAL_DISCONNECTION;
    let mut properties = Properties::default();
    let mut session_expiry_secs = None;
    // Both may be left out from the end (3.14.2.1, 3.14.2.2.1).
    if version.is_v5() && !r.is_empty() {
        reason = Reason(r.u8()?);
        if !reason.is_for_disconnect() {
            return Err(DecodeError::Protocol("reason code of another packet"));
        }
        if !r.is_empty() {
            properties = Properties::read(&mut r, Place::Disconnect, limits, |property| {
                if let Property::SessionExpiry(secs) = property {
                    session_expiry_secs = Some(secs);
                }
            })?;
        }
    }
    r.finish()?;
    Ok(Disconnect {
        reason,
        properties,
        session_expiry_secs,
    })
}

/// Appends a DISCONNECT in its shortest form. `properties` are ready-made, without their length.
/// A 3.x server never sends one; a 3.x client's has no reason.
pub fn encode(out: &mut Vec<u8>, version: Version, reason: Reason, properties: &[u8]) {
    let normal = reason == Reason::NORMAL_DISCONNECTION && properties.is_empty();
    if normal || !version.is_v5() {
        out.extend_from_slice(&[FIRST, 0]);
    } else if properties.is_empty() {
        out.extend_from_slice(&[FIRST, 1, reason.code()]);
    } else {
        put_header(out, FIRST, 1 + block_len(properties));
        out.push(reason.code());
        put_block(out, properties);
    }
}
