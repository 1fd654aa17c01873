//! Values as certificates and directories write them (BER and DER, X.690): tags of one byte, and lengths that
//! are said before. A value is a slice of what was read, and whoever wants what is inside it looks there:
//! nothing here goes deeper by itself, however deeply somebody nests, and nothing is allocated.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// In front of a length that has bytes of its own.
pub(crate) const LONG: u8 = 0x80;
/// Bytes that a length has at most, behind the one that says how many.
const LENGTH_BYTES_MAX: usize = 4;
/// Bytes of a number.
const NUMBER_BYTES_MAX: usize = 4;

/// What the first byte of a length says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Length {
    Is(usize),
    /// It is in so many bytes behind.
    Follows(usize),
}

impl Length {
    /// `None` if it has no end, or more bytes than any length here.
    pub(crate) fn of(first: u8) -> Option<Self> {
        let rest = usize::from(first & !LONG);
        match first & LONG {
            0 => Some(Self::Is(rest)),
            _ if (1..=LENGTH_BYTES_MAX).contains(&rest) => Some(Self::Follows(rest)),
            _ => None,
        }
    }

    /// The length in the bytes behind the first.
    pub(crate) fn long(bytes: &[u8]) -> Option<usize> {
        if bytes.is_empty() || bytes.len() > LENGTH_BYTES_MAX {
            return None;
        }
        usize::try_from(whole(bytes)).ok()
    }
}

/// Elements that stand one behind the other. `None` is what is no element, or not the one that is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Elements<'a>(pub(crate) &'a [u8]);

impl<'a> Elements<'a> {
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Takes an element off, whatever it is: its tag and what is in it.
    pub(crate) fn take(&mut self) -> Option<(u8, &'a [u8])> {
        let head = self.bytes(2)?;
        let length = match Length::of(head[1])? {
            Length::Is(length) => length,
            Length::Follows(count) => Length::long(self.bytes(count)?)?,
        };
        Some((head[0], self.bytes(length)?))
    }

    /// Takes an element off that has to have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.take()?;
        (found == tag).then_some(content)
    }

    /// What is in the next element, if it has this tag; it is taken off only then.
    pub(crate) fn maybe(&mut self, tag: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let content = ahead.expect(tag)?;
        *self = ahead;
        Some(content)
    }

    /// The elements in the next one, which has to have this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Option<Self> {
        self.expect(tag).map(Self)
    }

    /// A number that is not below zero.
    pub(crate) fn number(&mut self, tag: u8) -> Option<u32> {
        let bytes = self.expect(tag)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_in_a_row() {
        let long = [&[OCTETS, 0x81, 0x80][..], &[7; 128]].concat();
        let bytes = [&[BOOLEAN, 1, 0xff][..], &long, &[SET, 0]].concat();
        let mut elements = Elements(&bytes);
        assert_eq!(elements.maybe(OID), None);
        assert_eq!(elements.maybe(BOOLEAN), Some(&[0xff][..]));
        assert_eq!(elements.expect(OCTETS), Some(&[7; 128][..]));
        assert_eq!(elements.take(), Some((SET, &[][..])));
        assert_eq!(elements.take(), None);
        for broken in [
            &[SEQUENCE, 5, 1][..],
            &[SEQUENCE, 0x80],
            &[SEQUENCE, 0x84, 255, 255],
        ] {
            assert_eq!(Elements(broken).take(), None);
        }
    }

    #[test]
    fn lengths() {
        // One without end, one of more bytes than there are, and one that is longer than need be.
        assert_eq!(Length::of(0x80), None);
        assert_eq!(Length::of(0x85), None);
        assert_eq!(Length::of(0xff), None);
        assert_eq!(
            Elements(&[4, 0x84, 0, 0, 0, 1, 9]).expect(OCTETS),
            Some(&[9][..])
        );
        assert_eq!(Elements(&[4, 0x84, 255, 255, 255, 255, 9]).take(), None);
        assert_eq!(Length::long(&[]), None);
    }
}
