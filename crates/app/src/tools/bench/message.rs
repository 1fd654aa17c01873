//! A message of the bench: a PUBLISH that was encoded once and has its numbers put in, and back.

use protocol::{DecodeError, PacketId, Properties, Publish, QoS, Reader, Version};

/// Run, publisher, number and time, at the beginning of every payload.
pub(super) const HEAD_BYTES: usize = 24;

/// What is in a payload's first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Whose messages these are: other benches may use the same topics.
    pub(super) run: u32,
    pub(super) publisher: u32,
    pub(super) number: u64,
    /// When it was meant to be sent, in nanoseconds since the bench began.
    pub(super) at: u64,
}

impl Head {
    #[inline]
    fn put(self, bytes: &mut [u8]) {
        bytes[..4].copy_from_slice(&self.run.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.publisher.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.at.to_le_bytes());
    }

    #[inline]
    fn read(payload: &[u8]) -> Option<Self> {
        let (run, rest) = payload.split_first_chunk()?;
        let (publisher, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        Some(Self {
            run: u32::from_le_bytes(*run),
            publisher: u32::from_le_bytes(*publisher),
            number: u64::from_le_bytes(*number),
            at: u64::from_le_bytes(*rest.first_chunk()?),
        })
    }
}

/// A packet that lacks only its numbers.
#[derive(Debug)]
pub(super) struct Template {
    bytes: Vec<u8>,
    /// Where the packet identifier is, if there is one.
    id_at: Option<usize>,
    head_at: usize,
}

impl Template {
    /// `payload_bytes` is [`HEAD_BYTES`] at least.
    pub(super) fn new(topic: &str, qos: QoS, payload_bytes: usize, version: Version) -> Self {
        let payload: Vec<u8> = (b'a'..=b'z').cycle().take(payload_bytes).collect();
        let publish = Publish {
            dup: false,
            qos,
            retain: false,
            topic,
            id: (qos != QoS::AtMostOnce).then(|| PacketId::new(1).expect("not 0")),
            properties: Properties::default(),
            alias: None,
            expiry_secs: None,
            payload: &payload,
        };
        let mut bytes = Vec::new();
        publish.encode(version, &mut bytes);
        let head_at = bytes.len() - payload_bytes;
        let properties = usize::from(version.is_v5());
        let id_at = (qos != QoS::AtMostOnce).then(|| head_at - properties - 2);
        Self {
            bytes,
            id_at,
            head_at,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub(super) fn put(&self, out: &mut Vec<u8>, id: u16, head: Head) {
        let from = out.len();
        out.extend_from_slice(&self.bytes);
        let packet = &mut out[from..];
        if let Some(at) = self.id_at {
            packet[at..at + 2].copy_from_slice(&id.to_be_bytes());
        }
        head.put(&mut packet[self.head_at..]);
    }
}

/// A PUBLISH that came, as far as it matters here: its topic is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) qos: QoS,
    pub(super) id: Option<PacketId>,
    pub(super) head: Option<Head>,
}

impl Delivery {
    #[inline]
    pub(super) fn decode(first: u8, body: &[u8], version: Version) -> Result<Self, DecodeError> {
        let qos = QoS::from_bits(first >> 1 & 3).ok_or(DecodeError::Malformed("QoS 3"))?;
        let mut reader = Reader::new(body);
        reader.binary()?;
        let id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(reader.packet_id()?),
        };
        if version.is_v5() {
            let len = reader.varint()?;
            reader.take(usize::try_from(len).unwrap_or(usize::MAX))?;
        }
        Ok(Self {
            qos,
            id,
            head: Head::read(reader.rest()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let head = Head {
            run: 7,
            publisher: 8,
            number: 1 << 40,
            at: u64::MAX,
        };
        for version in [Version::V3_1_1, Version::V5] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                for len in [HEAD_BYTES, 200, 20_000] {
                    let template = Template::new("a/温度", qos, len, version);
                    let mut out = vec![0xFF];
                    template.put(&mut out, 0x0102, head);
                    let frame = protocol::frame(&out[1..], u32::MAX).unwrap().unwrap();
                    assert_eq!(frame.len, template.len());
                    let limits = protocol::Limits::default();
                    let known = protocol::decode(&frame, version, &limits).unwrap();
                    let protocol::Packet::Publish(publish) = known else {
                        panic!("{known:?}")
                    };
                    assert_eq!((publish.topic, publish.payload.len()), ("a/温度", len));
                    let came = Delivery::decode(frame.first, frame.body, version).unwrap();
                    assert_eq!(came.head, Some(head));
                    assert_eq!((came.qos, came.id), (qos, publish.id));
                    assert!(came.id.is_none_or(|id| id.get() == 0x0102));
                }
            }
        }
    }

    #[test]
    fn others_messages_are_no_fault() {
        let body = [0, 1, b'a', b'x'];
        let came = Delivery::decode(0x30, &body, Version::V3_1_1).unwrap();
        assert_eq!((came.head, came.id), (None, None));
        assert!(Delivery::decode(0x32, &body, Version::V3_1_1).is_err());
    }
}
