//! Runs of plain QoS 0 PUBLISHes with one topic, as they stand one behind the other in a buffer. What
//! was checked for the first need not be checked again for those that repeat its bytes.

use crate::codec::varint;
use crate::version::Version;

/// The first byte of a PUBLISH with QoS 0, not retained.
pub const PLAIN: u8 = 0x30;

/// Whether `bytes` begins with a whole plain PUBLISH with this topic and no properties. Gives the
/// length of the packet and of its payload.
#[inline]
pub fn same_topic(bytes: &[u8], topic: &str, version: Version) -> Option<(usize, usize)> {
    let (&PLAIN, rest) = bytes.split_first()? else {
        return None;
    };
    let (remaining, used) = match rest {
        // Nearly always one byte.
        [n @ 0..0x80, ..] => (usize::from(*n), 1),
        _ => {
            let (n, used) = varint(rest).ok()??;
            (usize::try_from(n).ok()?, used)
        }
    };
    let body = rest.get(used..used + remaining)?;
    let name = topic.as_bytes();
    let (length, body) = body.split_first_chunk::<2>()?;
    if usize::from(u16::from_be_bytes(*length)) != name.len() {
        return None;
    }
    let (found, body) = body.split_at_checked(name.len())?;
    if found != name {
        return None;
    }
    let payload = if version.is_v5() {
        let (&0, payload) = body.split_first()? else {
            return None;
        };
        payload
    } else {
        body
    };
    Some((1 + used + remaining, payload.len()))
}

/// The payloads of a run that [`same_topic`] has gone through.
pub fn payloads(run: &[u8], version: Version) -> Payloads<'_> {
    Payloads { run, version }
}

/// Iterator of [`payloads`].
#[derive(Clone, Copy, Debug)]
pub struct Payloads<'a> {
    run: &'a [u8],
    version: Version,
}

impl<'a> Payloads<'a> {
    /// The topic of all of them, as the first packet names it.
    pub fn topic(&self) -> Option<&'a str> {
        let (_, rest) = self.run.split_first()?;
        let (_, used) = varint(rest).ok()??;
        let (length, body) = rest.get(used..)?.split_first_chunk::<2>()?;
        let name = body.get(..usize::from(u16::from_be_bytes(*length)))?;
        std::str::from_utf8(name).ok()
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (_, rest) = self.run.split_first()?;
        let (remaining, used) = varint(rest).ok()??;
        let remaining = usize::try_from(remaining).ok()?;
        let body = rest.get(used..used + remaining)?;
        let (length, _) = body.split_first_chunk::<2>()?;
        let properties = usize::from(self.version.is_v5());
        let payload = body.get(2 + usize::from(u16::from_be_bytes(*length)) + properties..)?;
        self.run = &self.run[1 + used + remaining..];
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_cut_into_its_payloads() {
        for version in [Version::V3_1_1, Version::V5] {
            let mut run = Vec::new();
            let sizes = [0, 3, 130, 20_000];
            for size in sizes {
                let packet = crate::publish::Out {
                    dup: false,
                    qos: crate::QoS::AtMostOnce,
                    retain: false,
                    topic: "a/b",
                    id: None,
                    alias: None,
                    expiry_secs: None,
                    subscription_ids: &[],
                    forwarded: &[],
                    payload: &vec![7; size],
                };
                packet.encode(version, &mut run);
            }
            let mut at = 0;
            for size in sizes {
                let (len, payload) = same_topic(&run[at..], "a/b", version).unwrap();
                assert_eq!(payload, size);
                assert_eq!(
                    same_topic(&run[at..at + len - 1], "a/b", version),
                    None,
                    "cut short"
                );
                at += len;
            }
            assert_eq!(at, run.len());
            assert_eq!(same_topic(&run, "a/c", version), None);
            assert_eq!(same_topic(&run, "a/bb", version), None);
            assert_eq!(payloads(&run, version).topic(), Some("a/b"));
            assert_eq!(
                payloads(&run, version).map(<[u8]>::len).collect::<Vec<_>>(),
                sizes
            );
        }
    }

    #[test]
    fn other_packets_end_a_run() {
        let plain = [0x30, 4, 0, 1, b'a', b'x'];
        assert_eq!(same_topic(&plain, "a", Version::V3_1_1), Some((6, 1)));
        for first in [0x31, 0x32, 0x38, 0xC0] {
            let mut other = plain;
            other[0] = first;
            assert_eq!(same_topic(&other, "a", Version::V3_1_1), None);
        }
        // A property.
        let alias = [0x30, 7, 0, 1, b'a', 3, 0x23, 0, 1];
        assert_eq!(same_topic(&alias, "a", Version::V5), None);
    }
}
