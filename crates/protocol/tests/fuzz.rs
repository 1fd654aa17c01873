//! Seeded fuzzing on stable: random bytes, mutated packets, every cut, every lie about a length.
//! Nothing may panic; what decodes must be readable to its end and encode to what decodes equally.
//! To repeat a failure, its seed is in the message.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

use std::io::Write as _;

use protocol::{
    Limits, Packet, Properties, SharedFilter, Topic, Version, decode, decode_from_server, frame,
    put_varint,
};

const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];

/// A legal packet of each kind, its version in front; more of those with more in them.
#[rustfmt::skip]
const SEEDS: &[(Version, u8, &[u8])] = &[
    (Version::V3_1, 0x10, b"\0\x06MQIsdp\x03\xC2\0\x3C\0\x01c\0\x01u\0\x01p"),
    (Version::V3_1_1, 0x10, b"\0\x04MQTT\x04\xEE\0\x3C\0\x01c\0\x03w/t\0\x02hi\0\x01u\0\x02pw"),
    (Version::V5, 0x10, b"\0\x04MQTT\x05\xF6\0\0\x15\x11\0\0\0\x0A\x21\0\x05\x15\0\x01m\x16\0\x01d\
        \x26\0\0\0\0\0\x01c\x0E\x18\0\0\0\x05\x26\0\x01k\0\x01v\x01\x01\0\x01w\0\0\0\x01u\0\x01p"),
    (Version::V3_1_1, 0x20, b"\x01\0"),
    (Version::V5, 0x20, b"\0\0\x0C\x22\0\x0A\x12\0\x02id\x24\x01\x2A\0"),
    (Version::V3_1_1, 0x3D, b"\0\x03a/b\0\x07payload"),
    (Version::V5, 0x30, b"\0\x0Csensors/\xC3\xA9/1\0hello"),
    (Version::V5, 0x32, b"\0\x03a/b\0\x01\x21\x01\x01\x02\0\0\0\x3C\x23\0\x05\x08\0\x01r\x09\0\x02id\
        \x03\0\x04text\x26\0\x01k\0\x01vbody"),
    (Version::V5, 0x30, b"\0\x01a\x05\x0B\x01\x0B\x80\x01x"),
    (Version::V5, 0x40, b"\0\x01\x97\x05\x1F\0\x02no"),
    (Version::V5, 0x50, b"\0\x01\x10"),
    (Version::V5, 0x62, b"\0\x01\x92"),
    (Version::V3_1, 0x70, b"\0\x01"),
    (Version::V3_1_1, 0x82, b"\0\x01\0\x03a/#\x01\0\x01+\x02"),
    (Version::V5, 0x82, b"\0\x01\x03\x0B\x80\x01\0\x0A$share/g/a\x02\0\x01b\x2D"),
    (Version::V5, 0x90, b"\0\x01\x05\x1F\0\x02no\x01\x87"),
    (Version::V5, 0xA2, b"\0\x01\x07\x26\0\x01k\0\x01v\0\x01a\0\x02b/"),
    (Version::V5, 0xB0, b"\0\x01\0\0\x11"),
    (Version::V5, 0xC0, b""),
    (Version::V5, 0xD0, b""),
    (Version::V5, 0xE0, b"\x04\x05\x11\0\0\0\x0A"),
    (Version::V5, 0xF0, b"\x18\x08\x15\0\x01m\x16\0\x01d"),
];

/// Marsaglia's xorshift; good enough to be different each time and the same for a seed.
struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        // Spread, since neighbouring states give neighbouring numbers at first.
        Self {
            seed,
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap();
        usize::try_from(self.next() % bound).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody is left to tell if this fails.
            let _ = writeln!(std::io::stderr(), "failed with seed {}", self.seed);
        }
    }
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    put_varint(&mut bytes, u32::try_from(body.len()).unwrap());
    bytes.extend_from_slice(body);
    bytes
}

/// Everything that a broker does with bytes; whether one packet came out.
fn feed(bytes: &[u8], version: Version) -> bool {
    let limits = Limits::default();
    let Ok(Some(f)) = frame(bytes, limits.packet_bytes_max) else {
        return false;
    };
    assert!(f.len <= bytes.len() && f.body.len() < f.len);
    let client = decode(&f, version, &limits);
    if let Err(error) = &client {
        assert!(error.reason().is_error());
        assert!(!error.cause().is_empty() && !error.to_string().is_empty());
    }
    let Ok(got) = decode_from_server(&f, version, &limits) else {
        assert!(client.is_err(), "clients are allowed more than servers");
        return false;
    };
    read_all(&got, f.body);
    let mut out = Vec::new();
    got.encode(version, &mut out);
    let again = frame(&out, u32::MAX).unwrap().expect("a whole packet");
    assert_eq!(again.len, out.len());
    assert_eq!(decode_from_server(&again, version, &limits), Ok(got));
    true
}

fn read_all(got: &Packet<'_>, body: &[u8]) {
    let check = |properties: &Properties<'_>| {
        assert!(properties.bytes().len() <= body.len());
        let mut out = Vec::new();
        for property in properties.iter() {
            property.put(&mut out);
        }
        // Nothing was lost on the way: each property was read, and in one way only.
        assert_eq!(out, properties.bytes());
        let mut forwarded = Vec::new();
        properties.put_forwarded(&mut forwarded);
        assert!(forwarded.len() <= out.len());
    };
    match got {
        Packet::Connect(connect) => {
            check(&connect.properties);
            if let Some(will) = &connect.will {
                check(&will.properties);
                assert!(Topic::parse(will.topic, 128).is_ok());
            }
        }
        Packet::Publish(publish) => {
            check(&publish.properties);
            let named = Topic::parse(publish.topic, 128).is_ok();
            assert!(named || (publish.topic.is_empty() && publish.alias.is_some()));
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            check(&ack.properties);
        }
        Packet::Subscribe(subscribe) => {
            check(&subscribe.properties);
            assert_eq!(subscribe.requests().count(), subscribe.len());
            for request in subscribe.requests() {
                if let Ok(shared) = SharedFilter::parse(request.filter, 128) {
                    shared.filter.matches(Topic::parse("a/b", 128).unwrap());
                }
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert_eq!(unsubscribe.filters().count(), unsubscribe.len());
        }
        Packet::ConnAck(connack) => check(&connack.properties),
        Packet::SubAck(suback) => assert!(suback.codes().len() > 0),
        Packet::UnsubAck(unsuback) => check(&unsuback.properties),
        Packet::Disconnect(disconnect) => check(&disconnect.properties),
        Packet::Auth(auth) => check(&auth.properties),
        Packet::PingReq | Packet::PingResp => {}
    }
}

#[test]
fn seeds_are_legal() {
    for (version, first, body) in SEEDS {
        assert!(
            feed(&packet(*first, body), *version),
            "{first:#04x} {body:02x?}"
        );
    }
}

#[test]
fn random_bytes() {
    for seed in 1..=60_000 {
        let mut random = Random::new(seed);
        let len = random.below(40);
        let body: Vec<u8> = (0..len).map(|_| random.byte()).collect();
        for version in VERSIONS {
            // As a stream, and with a true length so that it gets further.
            feed(&body, version);
            feed(&packet(random.byte(), &body), version);
        }
    }
}

#[test]
fn mutated_packets() {
    let mut accepted = 0;
    for seed in 1..=60_000 {
        let mut random = Random::new(seed);
        let (version, first, body) = SEEDS[random.below(SEEDS.len())];
        let mut first = first;
        let mut body = body.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(body.len() + 1);
            match random.below(6) {
                0 => first ^= 1 << random.below(8),
                1 => body.insert(at, random.byte()),
                2 if at < body.len() => drop(body.remove(at)),
                3 if at < body.len() => body[at] ^= 1 << random.below(8),
                4 if at < body.len() => body[at] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)],
                _ => {
                    // A piece of another packet.
                    let other = SEEDS[random.below(SEEDS.len())].2;
                    let from = random.below(other.len() + 1);
                    let piece = &other[from..other.len().min(from + 8)];
                    body.splice(at..at, piece.iter().copied());
                }
            }
        }
        let bytes = packet(first, &body);
        accepted += usize::from(feed(&bytes, version));
        feed(&bytes, VERSIONS[random.below(3)]);
    }
    // If nearly all were refused at once, we would not test what comes after.
    assert!(
        accepted > 3_000,
        "only {accepted} of 60,000 mutants were legal"
    );
}

#[test]
fn every_cut() {
    for (_, first, body) in SEEDS {
        let whole = packet(*first, body);
        for version in VERSIONS {
            for cut in 0..whole.len() {
                // The stream cut: more is needed, nothing is wrong.
                assert_eq!(frame(&whole[..cut], u32::MAX), Ok(None));
            }
            for cut in 0..body.len() {
                // The packet cut, its length true.
                feed(&packet(*first, &body[..cut]), version);
            }
        }
    }
}

/// Every two bytes that could be a length, and every byte, set to what lengths lie with.
#[test]
fn every_length_lies() {
    for (version, first, body) in SEEDS {
        for at in 0..body.len() {
            let byte = body[at];
            for lie in [
                0,
                1,
                0x7F,
                0x80,
                0xFF,
                byte.wrapping_add(1),
                byte.wrapping_sub(1),
            ] {
                let mut body = body.to_vec();
                body[at] = lie;
                feed(&packet(*first, &body), *version);
            }
            let Some(field) = body.get(at..at + 2) else {
                continue;
            };
            let len = u16::from_be_bytes([field[0], field[1]]);
            for lie in [0, u16::MAX, len.wrapping_add(1), len.wrapping_sub(1)] {
                let mut body = body.to_vec();
                body[at..at + 2].copy_from_slice(&lie.to_be_bytes());
                feed(&packet(*first, &body), *version);
            }
        }
        // The remaining length itself.
        let len = u32::try_from(body.len()).unwrap();
        for lie in [0, len.wrapping_sub(1), len + 1, 0xFFFF, 0x0FFF_FFFF] {
            let mut bytes = vec![*first];
            put_varint(&mut bytes, lie.min(0x0FFF_FFFF));
            bytes.extend_from_slice(body);
            feed(&bytes, *version);
        }
    }
}
