//! Framing, by tables and by cutting streams at every point.

use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_header(payload.len(), &mut bytes);
    bytes[0] = first;
    bytes[1] |= MASKED;
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    payload: Vec<u8>,
    replies: Vec<u8>,
    frames: u32,
    close: Option<Close>,
}

/// Feeds the chunks in turn to one deframer.
fn run<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut deframer = Deframer::default();
    let mut seen = Seen::default();
    for chunk in chunks {
        let mut buf = chunk.to_vec();
        let progress = deframer.feed(&mut buf, &mut seen.replies);
        assert!(
            progress.close.is_none() || seen.close.is_none(),
            "closed once"
        );
        seen.payload.extend_from_slice(&buf[..progress.payload]);
        seen.frames += progress.frames;
        seen.close = seen.close.or(progress.close);
    }
    seen
}

/// The one result of a stream, however it is cut: at each point, at each two points, bytewise.
fn every_cut(stream: &[u8]) -> Seen {
    let whole = run([stream]);
    assert_eq!(run(stream.chunks(1)), whole, "bytewise");
    for i in 0..=stream.len() {
        let (head, tail) = stream.split_at(i);
        assert_eq!(run([head, tail]), whole, "cut at {i}");
        for j in 0..=tail.len() {
            let (middle, tail) = tail.split_at(j);
            assert_eq!(run([head, middle, tail]), whole, "cuts at {i} and {j}");
        }
    }
    whole
}

#[test]
fn state_is_small() {
    assert!(
        size_of::<Deframer>() <= 24,
        "{} bytes",
        size_of::<Deframer>()
    );
}

/// Packets split and joined in any way come out the same (W01). [MQTT-6.0.0-2]
#[test]
fn every_split_gives_the_same() {
    let mut stream = frame(0x02, b"CONN");
    stream.extend(frame(0x89, b"are you there"));
    stream.extend(frame(0x00, b""));
    stream.extend(frame(0x80, b"ECT!!"));
    stream.extend(frame(0x82, &[7; 130]));
    stream.extend(frame(0x8a, b"late"));
    stream.extend(frame(0x89, b""));
    stream.extend(frame(0x82, b"x"));
    stream.extend(frame(0x88, &[0x03, 0xe8, b'b', b'y', b'e']));
    let seen = every_cut(&stream);
    assert_eq!(
        seen.payload,
        [b"CONNECT!!".as_slice(), &[7; 130], b"x"].concat()
    );
    let pong = [
        &[0x8a, 13],
        b"are you there".as_slice(),
        &[0x8a, 0],
        &[0x88, 2, 0x03, 0xe8],
    ];
    assert_eq!(seen.replies, pong.concat());
    assert_eq!(
        seen.close,
        Some(Close {
            code: 1000,
            cause: Cause::WebSocketClosed
        })
    );
    assert_eq!(seen.frames, 9);
}

/// RFC 6455 5.7, made binary where its example is text, and the server's side of each.
#[test]
fn examples_of_the_rfc() {
    let hello = [
        0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(every_cut(&hello).payload, b"Hello");
    let ping = [
        0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(
        every_cut(&ping).replies,
        [0x8a, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
    );
    for (len, expected) in [
        (0, vec![0x82, 0]),
        (125, vec![0x82, 125]),
        (126, vec![0x82, 126, 0, 126]),
        (256, vec![0x82, 0x7e, 0x01, 0x00]),
        (65535, vec![0x82, 0x7e, 0xff, 0xff]),
        (65536, vec![0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = Vec::new();
        put_header(len, &mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn long_payloads() {
    for len in [125, 126, 127, 65_535, 65_536, 70_001] {
        let payload: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let mut stream = frame(0x82, &payload);
        stream.extend(frame(0x82, b"tail"));
        let expected = [payload.as_slice(), b"tail"].concat();
        for size in [1, 3, 1000, 4096, stream.len()] {
            assert_eq!(
                run(stream.chunks(size)).payload,
                expected,
                "{len} by {size}"
            );
        }
    }
}

/// Fault W02 and its kin: each ends with its code, and what stood before is delivered.
#[test]
fn breaches() {
    let ok = frame(0x82, b"ok");
    let begun = frame(0x02, b"ok");
    let cases: [(&[u8], Vec<u8>, u16, &str); 18] = [
        (&ok, frame(0x81, b"text"), 1003, "text"),
        (&ok, vec![0x82, 0x02, 0, 0], 1002, "masked"),
        (&ok, frame(0xc2, b""), 1002, "reserved"),
        (&ok, frame(0xa2, b""), 1002, "reserved"),
        (&ok, frame(0x92, b""), 1002, "reserved"),
        (&ok, frame(0x83, b""), 1002, "opcode"),
        (&ok, frame(0x8b, b""), 1002, "opcode"),
        (&ok, frame(0x80, b""), 1002, "continuation"),
        (&begun, frame(0x82, b""), 1002, "within"),
        (&ok, frame(0x09, b""), 1002, "fragmented control"),
        (&ok, frame(0x89, &[0; 126]), 1002, "over 125"),
        (&ok, vec![0x82, 0xfe, 0, 125], 1002, "shortest"),
        (
            &ok,
            vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            1002,
            "shortest",
        ),
        (
            &ok,
            vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
            1009,
            "2^63",
        ),
        (&ok, frame(0x88, &[3]), 1002, "one byte"),
        (&ok, frame(0x88, &[0x03, 0xec]), 1002, "range"),
        (&ok, frame(0x88, &[0, 0]), 1002, "range"),
        (&ok, frame(0x88, &[0x03, 0xe8, 0xff]), 1007, "UTF-8"),
    ];
    for (before, breach, code, cause) in cases {
        let mut stream = before.to_vec();
        stream.extend(breach);
        stream.extend(frame(0x82, b"ignored"));
        let seen = every_cut(&stream);
        let close = seen.close.unwrap_or_else(|| panic!("no close for {cause}"));
        assert_eq!(close.code, code, "{cause}");
        let said = close.cause.text();
        assert!(said.contains(cause), "{cause}: {said}");
        assert_eq!(seen.payload, b"ok", "{cause}");
        let [high, low] = code.to_be_bytes();
        assert_eq!(seen.replies, [0x88, 2, high, low], "{cause}");
    }
}

#[test]
fn close_without_code() {
    let seen = every_cut(&frame(0x88, b""));
    assert_eq!(seen.close.map(|close| close.code), Some(1005));
    assert_eq!(seen.replies, [0x88, 0]);
}

/// Faults W02 and W05: a message without end, and a frame longer than what follows, are passed on
/// as they come; nothing is collected and nothing is read past the end.
#[test]
fn endless_message_costs_no_memory() {
    let mut deframer = Deframer::default();
    let mut out = Vec::new();
    let mut buf = frame(0x02, &[1; 500]);
    assert_eq!(deframer.feed(&mut buf, &mut out).payload, 500);
    for _ in 0..1000 {
        let mut buf = frame(0x00, &[1; 500]);
        let progress = deframer.feed(&mut buf, &mut out);
        assert_eq!((progress.payload, progress.close), (500, None));
        assert!(deframer.control.is_none());
    }
    let mut buf = vec![
        0x80, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 9,
    ];
    let progress = deframer.feed(&mut buf, &mut out);
    assert_eq!((progress.payload, buf[0], progress.close), (1, 9, None));
    assert!(out.is_empty());
}

/// No bytes make it panic, and payload never exceeds what came in.
#[test]
fn noise() {
    let mut seed = 1u64;
    for _ in 0..20_000 {
        let mut deframer = Deframer::default();
        let mut out = Vec::new();
        for _ in 0..4 {
            let mut buf = [0; 24];
            for byte in &mut buf {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = seed.to_be_bytes()[0] & if seed & 0x8000 == 0 { 0x8f } else { 0xff };
            }
            assert!(deframer.feed(&mut buf, &mut out).payload <= buf.len());
        }
    }
}
