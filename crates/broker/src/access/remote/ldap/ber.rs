//! BER, as much of it as LDAP has (RFC 4511, 5.1): tags of one byte and lengths that are said before. A value
//! is a slice of what was read, and whoever wants what is inside it looks there: nothing here goes deeper by
//! itself, however deeply a server nests.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Bytes that a length has at most, behind the one that says how many.
const LENGTH_BYTES_MAX: usize = 4;
/// Bytes of a number.
const NUMBER_BYTES_MAX: usize = 4;
/// In front of a length that has bytes of its own.
const LONG: u8 = 0x80;

/// What the first byte of a length says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Length {
    Is(usize),
    /// It is in so many bytes behind.
    Follows(usize),
}

impl Length {
    /// `None` if it has no end, or more bytes than any length here.
    pub(super) fn of(first: u8) -> Option<Self> {
        let rest = usize::from(first & !LONG);
        match first & LONG {
            0 => Some(Self::Is(rest)),
            _ if (1..=LENGTH_BYTES_MAX).contains(&rest) => Some(Self::Follows(rest)),
            _ => None,
        }
    }

    /// The length in the bytes behind the first.
    pub(super) fn long(bytes: &[u8]) -> Option<usize> {
        if bytes.is_empty() || bytes.len() > LENGTH_BYTES_MAX {
            return None;
        }
        usize::try_from(whole(bytes)).ok()
    }
}

/// Values one behind the other. `None` is what is no value, or not the one that is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Values<'a>(pub(super) &'a [u8]);

impl<'a> Values<'a> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next one, whatever it is: its tag, and what is in it.
    pub(super) fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let head = self.bytes(2)?;
        let length = match Length::of(head[1])? {
            Length::Is(length) => length,
            Length::Follows(count) => Length::long(self.bytes(count)?)?,
        };
        Some((head[0], self.bytes(length)?))
    }

    pub(super) fn one(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.any()?;
        (found == tag).then_some(content)
    }

    pub(super) fn inside(&mut self, tag: u8) -> Option<Self> {
        self.one(tag).map(Values)
    }

    /// A number that is not below zero.
    pub(super) fn number(&mut self, tag: u8) -> Option<u32> {
        let bytes = self.one(tag)?;
        let is_below_zero = *bytes.first()? & 0x80 != 0;
        if is_below_zero || bytes.len() > NUMBER_BYTES_MAX {
            return None;
        }
        Some(whole(bytes))
    }
}

/// Of four bytes at most, the highest first.
fn whole(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |n, byte| (n << 8) | u32::from(*byte))
}

/// A value with its tag and its length.
pub(super) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut made = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < LONG => made.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let used = u8::try_from(bytes.len() - zeros).expect("a length has few bytes");
            made.push(LONG | used);
            made.extend(&bytes[zeros..]);
        }
    }
    made.extend(content);
    made
}

pub(super) fn number(tag: u8, number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeros.min(bytes.len() - 1)..];
    // The first bit would say that it is below zero.
    let sign: &[u8] = if bytes[0] & 0x80 == 0 { &[] } else { &[0] };
    value(tag, &[sign, bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let table: [(usize, &[u8]); 6] = [
            (0, &[0]),
            (127, &[127]),
            (128, &[0x81, 128]),
            (255, &[0x81, 255]),
            (256, &[0x82, 1, 0]),
            (70_000, &[0x83, 1, 0x11, 0x70]),
        ];
        for (length, due) in table {
            let content = vec![7; length];
            let made = value(OCTETS, &content);
            assert_eq!(&made[1..=due.len()], due, "{length}");
            let mut values = Values(&made);
            assert_eq!(values.any(), Some((OCTETS, &content[..])));
            assert!(values.is_empty());
        }
        // One without end, one of more bytes than there are, and one that is longer than need be.
        assert_eq!(Length::of(0x80), None);
        assert_eq!(Length::of(0x85), None);
        assert_eq!(Length::of(0xff), None);
        assert_eq!(
            Values(&[4, 0x84, 0, 0, 0, 1, 9]).one(OCTETS),
            Some(&[9][..])
        );
        assert_eq!(Values(&[4, 0x84, 255, 255, 255, 255, 9]).any(), None);
        assert_eq!(Length::long(&[]), None);
    }

    #[test]
    fn numbers() {
        for (n, due) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (65_536, &[2, 3, 1, 0, 0]),
        ] {
            assert_eq!(number(INTEGER, n), due);
            assert_eq!(Values(due).number(INTEGER), Some(n));
        }
        for odd in [
            &[2, 0][..],
            &[2, 1, 0x80],
            &[2, 5, 0, 0, 0, 0, 1],
            &[10, 1, 0],
        ] {
            assert_eq!(Values(odd).number(INTEGER), None);
        }
    }
}
