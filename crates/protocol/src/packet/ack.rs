//! PUBACK, PUBREC, PUBREL and PUBCOMP (3.4 to 3.7): one shape, four first bytes. Hot path.

use super::{check_flags, check_flags_qos_1};
use crate::codec::{Reader, block_len, put_block, put_header};
use crate::error::{DecodeError, Limits};
use crate::property::{Place, Properties};
use crate::qos::PacketId;
use crate::reason::Reason;
use crate::version::Version;

/// The answer to a PUBLISH or to such an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack<'a> {
    pub id: PacketId,
    /// `SUCCESS` in 3.x.
    pub reason: Reason,
    pub properties: Properties<'a>,
}

/// First byte of PUBACK.
pub const PUBACK: u8 = 0x40;
/// First byte of PUBCOMP.
pub const PUBCOMP: u8 = 0x70;

/// Which of the four.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AckKind {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

impl AckKind {
    /// The first byte: packet type and flags.
    #[inline]
    pub fn first(self) -> u8 {
        match self {
            Self::PubAck => PUBACK,
            Self::PubRec => 0x50,
            // [MQTT-3.6.1-1]
            Self::PubRel => 0x62,
            Self::PubComp => PUBCOMP,
        }
    }

    #[inline]
    fn may_carry(self, reason: Reason) -> bool {
        match self {
            Self::PubAck | Self::PubRec => reason.is_for_puback(),
            Self::PubRel | Self::PubComp => reason.is_for_pubrel(),
        }
    }
}

/// Decodes the body of an answer of this kind, whose first byte was `first`.
///
/// # Errors
/// `Malformed` for wrong flags, id 0 and bytes too few or too many; `Protocol` for a reason code
/// that the packet must not have; what property blocks fail with.
#[inline]
pub fn decode<'a>(
    kind: AckKind,
    first: u8,
    body: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<Ack<'a>, DecodeError> {
    match kind {
        AckKind::PubRel => check_flags_qos_1(first, version)?,
        AckKind::PubAck | AckKind::PubRec | AckKind::PubComp => check_flags(first, 0)?,
    }
    let mut r = Reader::new(body);
    let id = r.packet_id()?;
    if r.is_empty() {
        // Two bytes mean success in version 5 (3.4.2.1), and are all there is in 3.x.
        return Ok(Ack {
            id,
            reason: Reason::SUCCESS,
            properties: Properties::default(),
        });
    }
    if !version.is_v5() {
        return Err(DecodeError::Malformed("bytes after the end of the packet"));
    }
    with_reason(kind, id, r, limits)
}

fn with_reason<'a>(
    kind: AckKind,
    id: PacketId,
    mut r: Reader<'a>,
    limits: &Limits,
) -> Result<Ack<'a>, DecodeError> {
    let reason = Reason(r.u8()?);
    if !kind.may_carry(reason) {
        return Err(DecodeError::Protocol("reason code of another packet"));
    }
    // Without a fourth byte there is no property length, and it counts as 0 (3.4.2.2.1).
    let properties = if r.is_empty() {
        Properties::default()
    } else {
        Properties::read(&mut r, Place::Ack, limits, |_| {})?
    };
    r.finish()?;
    Ok(Ack {
        id,
        reason,
        properties,
    })
}

/// Appends an answer in its shortest legal form: 4 bytes in 3.x and for bare success, 5 without
/// properties. `properties` are ready-made, without their length; 3.x leaves them and the reason
/// out.
#[inline]
pub fn encode(
    out: &mut Vec<u8>,
    version: Version,
    kind: AckKind,
    id: PacketId,
    reason: Reason,
    properties: &[u8],
) {
    let [high, low] = id.get().to_be_bytes(); // [MQTT-2.2.1-5]
    if !version.is_v5() || (reason == Reason::SUCCESS && properties.is_empty()) {
        out.extend_from_slice(&[kind.first(), 2, high, low]);
    } else if properties.is_empty() {
        out.extend_from_slice(&[kind.first(), 3, high, low, reason.code()]);
    } else {
        put_header(out, kind.first(), 3 + block_len(properties));
        out.extend_from_slice(&[high, low, reason.code()]);
        put_block(out, properties);
    }
}

impl Ack<'_> {
    /// Appends this answer as [`encode`] does.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>, version: Version, kind: AckKind) {
        encode(
            out,
            version,
            kind,
            self.id,
            self.reason,
            self.properties.bytes(),
        );
    }
}
