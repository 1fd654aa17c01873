//! The data types of the wire (1.5): integers, variable byte integers, strings, binary data.
//! Reading is checked and borrows; writing appends to a `Vec<u8>`.

use crate::error::DecodeError;
use crate::qos::PacketId;

/// The greatest variable byte integer, 268,435,455 (1.5.5).
pub const VARINT_MAX: u32 = 0x0FFF_FFFF;

const CUT: DecodeError = DecodeError::Malformed("packet ends inside a field");
const LONG: &str = "at most 65,535 bytes: it came from a packet or is our own text";

/// Reads fields one after another from a packet's body.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

/// Every method fails with `Malformed` when the bytes end before the field does.
impl<'a> Reader<'a> {
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is not read yet.
    #[inline]
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.0.split_first().ok_or(CUT)?;
        self.0 = rest;
        Ok(byte)
    }

    /// Two byte integer, big-endian (1.5.2).
    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(CUT)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    /// Four byte integer, big-endian (1.5.3).
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(CUT)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// Variable byte integer [MQTT-1.5.5-1].
    #[inline]
    pub fn varint(&mut self) -> Result<u32, DecodeError> {
        let (value, used) = varint(self.0)?.ok_or(CUT)?;
        self.take(used)?;
        Ok(value)
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(CUT)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Binary data: a two byte length and as many bytes (1.5.6).
    #[inline]
    pub fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// UTF-8 encoded string (1.5.4), checked as [`utf8`] does.
    #[inline]
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        utf8(self.binary()?)
    }

    /// Packet identifier, not zero [MQTT-2.2.1-3].
    #[inline]
    pub fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        PacketId::new(self.u16()?).ok_or(DecodeError::Malformed("packet identifier 0"))
    }

    /// Fails if anything is left: a packet ends where its remaining length says, not before.
    #[inline]
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Malformed("bytes after the end of the packet"))
        }
    }
}

/// A variable byte integer at the start of `buf` and its length in bytes, 1 to 4; `None` while
/// more bytes are needed.
///
/// # Errors
/// `Malformed` for more bytes than the value needs [MQTT-1.5.5-1] or more than four.
#[inline]
pub fn varint(buf: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0;
    for (index, &byte) in buf.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            // A last byte of zero adds nothing: a shorter form exists.
            if byte == 0 && index > 0 {
                return Err(DecodeError::Malformed("over-long variable byte integer"));
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if buf.len() >= 4 {
        return Err(DecodeError::Malformed(
            "variable byte integer of more than 4 bytes",
        ));
    }
    Ok(None)
}

/// Bytes that [`put_varint`] writes for `value`.
#[inline]
pub fn varint_len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Checks a UTF-8 encoded string (1.5.4) and borrows it as text. Strict: besides what must not be,
/// it refuses what should not be, so that no topic or name carries control characters further.
///
/// # Errors
/// `Malformed` for ill-formed UTF-8, surrogates included [MQTT-1.5.4-1], for U+0000
/// [MQTT-1.5.4-2], and for U+0001..U+001F, U+007F..U+009F and non-characters (1.5.4).
#[inline]
pub fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    let printable = scan(bytes).printable;
    let text = text(bytes)?;
    if !printable {
        unicode(text)?;
    }
    Ok(text)
}

/// What one pass over text, a topic name or filter tells.
#[derive(Clone, Copy)]
pub(crate) struct Scan {
    /// Printable ASCII only: nothing that 1.5.4 could refuse.
    pub(crate) printable: bool,
    /// Has `+` or `#`.
    pub(crate) wildcard: bool,
    pub(crate) slashes: usize,
}

/// Looks at eight bytes at once, as one number, without branches. Hot: each PUBLISH has its topic
/// here, and byte by byte this took five times as long.
#[inline]
pub(crate) fn scan(bytes: &[u8]) -> Scan {
    let (mut odd, mut wildcard, mut slashes) = (0, 0, 0_u32);
    let mut look = |word: u64| {
        // Above 0x7F, below 0x20, or 0x7F.
        odd |= word & each(0x80) | zeros(word & each(0x60)) | zeros(word ^ each(0x7F));
        // `+` and `#` differ in one bit.
        wildcard |= zeros((word | each(0x08)) ^ each(b'+'));
        slashes = slashes.wrapping_add(zeros(word ^ each(b'/')).count_ones());
    };
    let (words, rest) = bytes.as_chunks();
    for word in words {
        look(u64::from_le_bytes(*word));
    }
    // Spaces fill the last word up; they count as nothing.
    let last = rest
        .iter()
        .fold(each(b' '), |word, byte| word << 8 | u64::from(*byte));
    look(last);
    Scan {
        printable: odd == 0,
        wildcard: wildcard != 0,
        slashes: size(slashes),
    }
}

/// The byte in each place of a word.
#[inline]
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The highest bit of each byte that is zero; no other bit. Carries stay within their bytes.
#[inline]
const fn zeros(word: u64) -> u64 {
    let low = each(0x7F);
    !((word & low).wrapping_add(low) | word | low)
}

/// Well-formed UTF-8 [MQTT-1.5.4-1]; a byte order mark stays [MQTT-1.5.4-3].
#[inline]
pub(crate) fn text(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| DecodeError::Malformed("ill-formed UTF-8"))
}

/// The slow half of [`utf8`], for text with characters that are not printable ASCII.
#[cold]
pub(crate) fn unicode(text: &str) -> Result<(), DecodeError> {
    for character in text.chars() {
        match u32::from(character) {
            0 => return Err(DecodeError::Malformed("U+0000 in a string")),
            0x01..=0x1F | 0x7F..=0x9F => {
                return Err(DecodeError::Malformed("control character in a string"));
            }
            code if is_noncharacter(code) => {
                return Err(DecodeError::Malformed("Unicode non-character in a string"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// U+FDD0..U+FDEF and the last two code points of each plane.
fn is_noncharacter(code: u32) -> bool {
    matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE
}

#[inline]
pub fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

#[inline]
pub fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a variable byte integer in its shortest form [MQTT-1.5.5-1].
///
/// # Panics
/// Above [`VARINT_MAX`]: such a packet is our own mistake.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    assert!(value <= VARINT_MAX, "a variable byte integer has 28 bits");
    while value > 0x7F {
        out.push(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_bits(value));
}

/// Appends binary data with its two byte length.
///
/// # Panics
/// Above 65,535 bytes: such a field is our own mistake.
#[inline]
pub fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u16(out, u16::try_from(bytes.len()).expect(LONG));
    out.extend_from_slice(bytes);
}

/// Appends a UTF-8 encoded string with its two byte length; panics as [`put_binary`] does.
#[inline]
pub fn put_string(out: &mut Vec<u8>, text: &str) {
    put_binary(out, text.as_bytes());
}

/// Appends a fixed header: first byte and remaining length.
#[inline]
pub(crate) fn put_header(out: &mut Vec<u8>, first: u8, remaining: usize) {
    out.push(first);
    put_varint(out, varint_of(remaining));
}

/// Appends a property block: its length, then `properties` [MQTT-2.2.2-1].
#[inline]
pub(crate) fn put_block(out: &mut Vec<u8>, properties: &[u8]) {
    put_varint(out, varint_of(properties.len()));
    out.extend_from_slice(properties);
}

/// Bytes that [`put_block`] writes.
#[inline]
pub(crate) fn block_len(properties: &[u8]) -> usize {
    varint_len(varint_of(properties.len())) + properties.len()
}

/// A length for a varint; one too great becomes a value that [`put_varint`] refuses.
#[inline]
pub(crate) fn varint_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// A decoded length for slicing. On targets with smaller addresses it exceeds every slice.
#[inline]
pub(crate) fn size(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[inline]
fn low_bits(value: u32) -> u8 {
    value.to_le_bytes()[0] & 0x7F
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 1-1 [MQTT-1.5.5-1].
    #[test]
    fn varints() {
        let check = |value, bytes: &[u8]| {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes);
            assert_eq!(varint_len(value), bytes.len());
            assert_eq!(varint(bytes), Ok(Some((value, bytes.len()))));
            for cut in 0..bytes.len() {
                assert_eq!(varint(&bytes[..cut]), Ok(None));
            }
        };
        check(0, &[0x00]);
        check(127, &[0x7F]);
        check(128, &[0x80, 0x01]);
        check(16_383, &[0xFF, 0x7F]);
        check(16_384, &[0x80, 0x80, 0x01]);
        check(2_097_151, &[0xFF, 0xFF, 0x7F]);
        check(2_097_152, &[0x80, 0x80, 0x80, 0x01]);
        check(VARINT_MAX, &[0xFF, 0xFF, 0xFF, 0x7F]);
        for bytes in [
            &[0x80, 0x00][..],
            &[0xFF, 0x00],
            &[0x80, 0x80, 0x00],
            &[0x80, 0x80, 0x80, 0x00],
            &[0x80, 0x80, 0x80, 0x80],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        ] {
            assert!(varint(bytes).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    #[should_panic(expected = "28 bits")]
    fn varints_above_28_bits_are_our_mistake() {
        put_varint(&mut Vec::new(), VARINT_MAX + 1);
    }

    #[test]
    fn strings() {
        let good = [
            &b""[..],
            b"a b~",
            "Ω\u{a0}\u{1F600}\u{FFFD}\u{FDCF}\u{FDF0}".as_bytes(),
            // [MQTT-1.5.4-3]: a byte order mark is a character.
            b"\xEF\xBB\xBFa",
        ];
        for bytes in good {
            assert_eq!(utf8(bytes).unwrap().as_bytes(), bytes);
        }
        let bad = [
            // Ill-formed [MQTT-1.5.4-1]: stray, cut, over-long, surrogate, above U+10FFFF.
            &b"a\x80"[..],
            b"\xFF",
            b"\xC3",
            b"\xC0\x80",
            b"\xC1\xBF",
            b"\xE0\x80\xAF",
            b"\xED\xA0\x80",
            b"\xED\xBF\xBF",
            b"\xF4\x90\x80\x80",
            // [MQTT-1.5.4-2]
            b"\0",
            b"a\0b",
            // Control characters (1.5.4).
            b"\x01",
            b"a\n",
            b"\x1F",
            b"\x7F",
            "\u{80}".as_bytes(),
            "\u{9F}".as_bytes(),
            // Non-characters (1.5.4).
            "\u{FDD0}".as_bytes(),
            "\u{FDEF}".as_bytes(),
            "\u{FFFE}".as_bytes(),
            "\u{FFFF}".as_bytes(),
            "\u{1FFFE}".as_bytes(),
            "\u{10FFFF}".as_bytes(),
        ];
        for bytes in bad {
            let got = utf8(bytes);
            assert!(
                matches!(got, Err(DecodeError::Malformed(_))),
                "{bytes:02x?}"
            );
        }
    }

    /// Each byte in each place of a word, and past its end.
    #[test]
    fn scans() {
        for byte in 0..=255_u8 {
            for len in 1..20 {
                for at in 0..len {
                    let mut bytes = vec![b'a'; len];
                    bytes[at] = byte;
                    let got = scan(&bytes);
                    assert_eq!(
                        got.printable,
                        (0x20..0x7F).contains(&byte),
                        "{byte} {at}/{len}"
                    );
                    assert_eq!(
                        got.wildcard,
                        byte == b'+' || byte == b'#',
                        "{byte} {at}/{len}"
                    );
                    assert_eq!(got.slashes, usize::from(byte == b'/'), "{byte} {at}/{len}");
                }
            }
        }
        assert_eq!(scan(b"").slashes, 0);
        assert_eq!(scan(&[b'/'; 65_535]).slashes, 65_535);
    }

    #[test]
    fn readers_stop_at_the_end() {
        let mut r = Reader::new(&[0, 3, b'a', b'b']);
        assert!(r.binary().is_err());
        assert!(Reader::new(&[]).u8().is_err());
        assert!(Reader::new(&[1]).u16().is_err());
        assert!(Reader::new(&[1, 2, 3]).u32().is_err());
        assert!(Reader::new(&[0x80]).varint().is_err());
        assert!(Reader::new(&[0, 0]).packet_id().is_err());
        let mut r = Reader::new(&[1, 0, 2, 0, 0, 0, 3, 4]);
        assert_eq!((r.u8(), r.u16(), r.u32()), (Ok(1), Ok(2), Ok(3)));
        assert!(r.finish().is_err());
        assert_eq!(r.rest(), [4]);
    }
}
