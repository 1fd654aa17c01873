//! The fixed header (2.1): finds where a packet ends in a stream of bytes.

use crate::codec::{VARINT_MAX, size, varint};
use crate::error::DecodeError;

/// One whole packet in a buffer: its first byte and what follows the remaining length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Packet type and flags.
    pub first: u8,
    /// Variable header and payload.
    pub body: &'a [u8],
    /// Bytes of the whole packet, fixed header and body: how far to go on in the buffer.
    pub len: usize,
}

impl Frame<'_> {
    /// The packet type, one of [`kind`], or 0, which is reserved.
    #[inline]
    pub fn kind(&self) -> u8 {
        self.first >> 4
    }
}

/// The longest packet there can be: a first byte, four of length, and what they can tell (2.1.4).
pub const PACKET_BYTES_MAX: u32 = 1 + 4 + VARINT_MAX;

/// Packet types (table 2-1), the upper four bits of the first byte.
pub mod kind {
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREC: u8 = 5;
    pub const PUBREL: u8 = 6;
    pub const PUBCOMP: u8 = 7;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const UNSUBACK: u8 = 11;
    pub const PINGREQ: u8 = 12;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
    pub const AUTH: u8 = 15;
}

/// The packet at the start of `buf`, or `None` while more bytes are needed.
///
/// # Errors
/// `TooLarge` as soon as the header tells a packet of more than `packet_bytes_max` bytes, before
/// its body is there; `Malformed` for a remaining length of five bytes or an over-long one.
#[inline]
pub fn frame<'a>(buf: &'a [u8], packet_bytes_max: u32) -> Result<Option<Frame<'a>>, DecodeError> {
    let Some((&first, rest)) = buf.split_first() else {
        return Ok(None);
    };
    let Some((remaining, used)) = varint(rest)? else {
        return Ok(None);
    };
    let len = 1 + used + size(remaining);
    // At most 268,435,460, so it always fits.
    let bytes = u32::try_from(len).unwrap_or(u32::MAX);
    if bytes > packet_bytes_max {
        // [MQTT-3.2.2-15]
        return Err(DecodeError::TooLarge {
            bytes,
            max: packet_bytes_max,
        });
    }
    let Some(body) = buf.get(1 + used..len) else {
        return Ok(None);
    };
    Ok(Some(Frame { first, body, len }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u32 = 1000;

    #[test]
    fn need_more() {
        for buf in [
            &[][..],
            &[0xC0],
            &[0x30, 0x80],
            &[0x30, 0xFF, 0xFF],
            &[0x30, 0x03, 1, 2],
        ] {
            assert_eq!(frame(buf, MAX), Ok(None), "{buf:02x?}");
        }
    }

    #[test]
    fn whole_packets_and_what_follows() {
        let got = frame(&[0xC0, 0x00, 0xC0], MAX).unwrap().unwrap();
        assert_eq!((got.kind(), got.body, got.len), (kind::PINGREQ, &[][..], 2));
        let mut long = vec![0x30, 0xC8, 0x01];
        long.resize(3 + 200 + 7, 0xAA);
        let got = frame(&long, MAX).unwrap().unwrap();
        assert_eq!(
            (got.kind(), got.body.len(), got.len),
            (kind::PUBLISH, 200, 203)
        );
    }

    /// [MQTT-1.5.5-1], and told before any further byte is there.
    #[test]
    fn remaining_length_is_minimal_and_at_most_four_bytes() {
        for buf in [
            &[0xC0, 0x80, 0x00][..],
            &[0xC0, 0x81, 0x80, 0x00],
            &[0xC0, 0xFF, 0xFF, 0xFF, 0x80],
            &[0xC0, 0x80, 0x80, 0x80, 0x80, 0x01],
        ] {
            assert!(
                matches!(frame(buf, u32::MAX), Err(DecodeError::Malformed(_))),
                "{buf:02x?}"
            );
        }
    }

    #[test]
    fn too_large_is_told_by_the_header_alone() {
        let error = |bytes| Err(DecodeError::TooLarge { bytes, max: 1000 });
        // 997 + 3 = 1000 bytes are allowed, one more is not.
        assert_eq!(frame(&[0x30, 0xE5, 0x07], MAX), Ok(None));
        assert_eq!(frame(&[0x30, 0xE6, 0x07], MAX), error(1001));
        assert_eq!(
            frame(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], MAX),
            error(268_435_460)
        );
        assert_eq!(frame(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], u32::MAX), Ok(None));
    }
}
