//! AUTH (3.15): a step of enhanced authentication; version 5 only.

use super::check_flags;
use crate::codec::{Reader, block_len, put_block, put_header};
use crate::error::{DecodeError, Limits};
use crate::property::{Place, Properties};
use crate::reason::Reason;
use crate::version::Version;

const FIRST: u8 = 0xF0;

/// A step of an authentication exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Auth<'a> {
    pub reason: Reason,
    /// Empty for the short form, which leaves out even the method; what to make of that is for
    /// the session to say.
    pub properties: Properties<'a>,
}

/// Decodes the body of an AUTH.
///
/// # Errors
/// `Malformed` for 3.x, wrong flags [MQTT-3.15.1-1] and a body cut short or too long; `Protocol`
/// for a reason code that is not AUTH's [MQTT-3.15.2-1]; what property blocks fail with.
pub fn decode<'a>(
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<Auth<'a>, DecodeError> {
    if !version.is_v5() {
        return Err(DecodeError::Malformed("AUTH before version 5"));
    }
    check_flags(first, 0)?;
    let mut r = Reader::new(body);
    if r.is_empty() {
        // Success without properties has no bytes (3.15.2.1).
        return Ok(Auth {
            reason: Reason::SUCCESS,
            properties: Properties::default(),
        });
    }
    let reason = Reason(r.u8()?);
    if !reason.is_for_auth() {
        return Err(DecodeError::Protocol("reason code of another packet"));
    }
    let properties = Properties::read(&mut r, Place::Auth, limits, |_| {})?;
    r.finish()?;
    Ok(Auth { reason, properties })
}

/// Appends an AUTH in its shortest form. `properties` are ready-made, without their length.
pub fn encode(out: &mut Vec<u8>, reason: Reason, properties: &[u8]) {
    if reason == Reason::SUCCESS && properties.is_empty() {
        out.extend_from_slice(&[FIRST, 0]);
    } else {
        put_header(out, FIRST, 1 + block_len(properties));
        out.push(reason.code());
        put_block(out, properties);
    }
}
