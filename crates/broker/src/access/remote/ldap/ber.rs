//! BER as LDAP writes it (RFC 4511, 5.1): lengths as short as can be.

use crate::asn1::LONG;

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
    use crate::asn1::{Elements, INTEGER, OCTETS};

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
            let mut elements = Elements(&made);
            assert_eq!(elements.take(), Some((OCTETS, &content[..])));
            assert!(elements.is_empty());
        }
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
            assert_eq!(Elements(due).number(INTEGER), Some(n));
        }
        for odd in [
            &[2, 0][..],
            &[2, 1, 0x80],
            &[2, 5, 0, 0, 0, 0, 1],
            &[10, 1, 0],
        ] {
            assert_eq!(Elements(odd).number(INTEGER), None);
        }
    }
}
