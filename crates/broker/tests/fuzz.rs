//! The bodies of the fuzzers, seeded and for a moment, on the stable compiler. What `cargo xtask fuzz`
//! finds in minutes with coverage to guide it, this would find late; what breaks a body, at once.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a library of its own elsewhere")]
mod bodies;

use std::io::Write as _;

/// Pieces that get further than chance does.
const PIECES: [&[u8]; 16] = [
    b"\x10\x13\0\x04MQTT\x05\x02\0\x3C\x05\x11\0\0\0\x05\0\x01c",
    b"\x10\x0F\0\x04MQTT\x04\x02\0\x3C\0\x03one",
    b"\x32\x0A\0\x03a/b\0\x01\0hi",
    b"\x30\x07\0\x03a/bhi",
    b"\x82\x09\0\x01\0\0\x03a/#\x01",
    b"\xA2\x08\0\x01\0\0\x03a/#",
    b"\x40\x02\0\x01",
    b"\xC0\x00",
    b"\xE0\x00",
    b"a/b/c\na/+/#\n#\n+/b/c\n",
    b"$SYS/x\n#\n+/x\n$SYS/#\n",
    b"//\n/+\n+/+\n/\n",
    b"\x82\x85\x01\x02\x03\x04abcde",
    b"\x02\xFE\0\x80\x01\x02\x03\x04",
    b"\x89\x80\0\0\0\0\x88\x82\x01\x02\x03\x04\x02\xEA",
    b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
      Sec-WebSocket-Protocol: mqtt\r\n\r\n",
];

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

/// Tells the seed of a failure.
struct Telling(u64);

impl Drop for Telling {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "failed with seed {}", self.0);
        }
    }
}

fn shortly(seeds: u64, body: fn(&[u8])) {
    for seed in 1..=seeds {
        let _telling = Telling(seed);
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut data = vec![random.byte()];
        for _ in 0..random.below(8) {
            if random.below(3) == 0 {
                let len = random.below(40);
                data.extend((0..len).map(|_| random.byte()).collect::<Vec<u8>>());
            } else {
                data.extend(PIECES[random.below(PIECES.len())]);
            }
        }
        for _ in 0..random.below(4) {
            let at = random.below(data.len());
            data[at] = random.byte();
        }
        body(&data);
        // Also without the byte that some bodies take as a choice.
        body(&data[1..]);
    }
}

#[test]
fn frame() {
    shortly(20_000, bodies::frame::run);
}

#[test]
fn roundtrip() {
    shortly(20_000, bodies::roundtrip::run);
}

#[test]
fn topic() {
    shortly(10_000, bodies::topic::run);
}

#[test]
fn websocket() {
    shortly(10_000, bodies::websocket::run);
}

/// Operations are bytes here, so chance alone reaches all of them.
#[test]
fn shard() {
    for seed in 1..=2_000 {
        let _telling = Telling(seed);
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let data: Vec<u8> = (0..1500).map(|_| random.byte()).collect();
        bodies::shard::run(&data);
    }
}
