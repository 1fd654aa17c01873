//! Packets as tables of bytes, legal and illegal, with the rule each row shows. A row has the first
//! byte and the body; the remaining length is put between them. Frames have their own table in
//! `src/frame.rs`, text in `src/codec.rs`, each property of each packet in `src/property/block`.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

use protocol::{
    DecodeError, Limits, Packet, Property, QoS, Reason, RetainHandling, Version, decode,
    decode_from_server, frame, put_varint,
};

const V31: &[Version] = &[Version::V3_1];
const V311: &[Version] = &[Version::V3_1_1];
const V3: &[Version] = &[Version::V3_1, Version::V3_1_1];
const V5: &[Version] = &[Version::V5];
const ALL: &[Version] = &[Version::V3_1, Version::V3_1_1, Version::V5];

const MALFORMED: Reason = Reason::MALFORMED_PACKET;
const PROTOCOL: Reason = Reason::PROTOCOL_ERROR;
const TOPIC: Reason = Reason::TOPIC_NAME_INVALID;
const ALIAS: Reason = Reason::TOPIC_ALIAS_INVALID;
const VERSION: Reason = Reason::UNSUPPORTED_PROTOCOL_VERSION;

type Bad = (&'static [Version], u8, &'static [u8], Reason, &'static str);
type Good = (&'static [Version], u8, &'static [u8], &'static str);

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    put_varint(&mut bytes, u32::try_from(body.len()).unwrap());
    bytes.extend_from_slice(body);
    bytes
}

fn read(bytes: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
    let f = frame(bytes, u32::MAX).unwrap().expect("a whole packet");
    assert_eq!(f.len, bytes.len());
    decode(&f, version, &Limits::default())
}

fn check_bad(rows: &[Bad]) {
    for (versions, first, body, reason, why) in rows {
        for version in *versions {
            let bytes = packet(*first, body);
            match read(&bytes, *version) {
                Ok(got) => panic!("{why}, {version:?}: {got:?}"),
                Err(error) => assert_eq!(error.reason(), *reason, "{why}, {version:?}: {error}"),
            }
        }
    }
}

/// Each row decodes and is in the shortest form: it encodes to the same bytes.
fn check_good(rows: &[Good]) {
    for (versions, first, body, what) in rows {
        for version in *versions {
            let bytes = packet(*first, body);
            let got = read(&bytes, *version).unwrap_or_else(|e| panic!("{what} {version:?}: {e}"));
            let mut out = Vec::new();
            got.encode(*version, &mut out);
            assert_eq!(out, bytes, "{what}, {version:?}");
        }
    }
}

#[rustfmt::skip]
const CONNECT_GOOD: &[Good] = &[
    // name, level, flags, keep alive, [properties,] payload
    (V31,  0x10, b"\0\x06MQIsdp\x03\x02\0\x3C\0\x01c", "smallest 3.1"),
    (V311, 0x10, b"\0\x04MQTT\x04\x02\0\x3C\0\0", "smallest 3.1.1, empty client id"),
    (V5,   0x10, b"\0\x04MQTT\x05\x02\0\0\0\0\0", "smallest 5, no keep alive"),
    (V311, 0x10, b"\0\x04MQTT\x04\xEE\xFF\xFF\0\x01c\0\x03w/t\0\x02\0\xFF\0\x01u\0\x02p\0",
        "everything in its order: will of QoS 1 with RETAIN, user name, password [MQTT-3.1.3-1]"),
    (V311, 0x10, b"\0\x04MQTT\x04\x80\0\0\0\x01c\0\x01u", "user name without a password"),
    (V5,   0x10, b"\0\x04MQTT\x05\x40\0\0\0\0\x01c\0\x01p", "password without a user name"),
    (V5,   0x10, b"\0\x04MQTT\x05\x14\0\0\x05\x11\0\0\0\x0A\0\x01c\x05\x18\0\0\0\x05\0\x01w\0\0",
        "session expiry, will of QoS 2 with delay and no payload"),
    (V5,   0x10, b"\0\x04MQTT\x05\x02\0\0\x08\x15\0\x01m\x16\0\x01d\0\0",
        "authentication method and data"),
];

#[rustfmt::skip]
const CONNECT_BAD: &[Bad] = &[
    (ALL, 0x11, b"\0\x04MQTT\x04\x02\0\0\0\0", MALFORMED, "reserved flags [MQTT-2.1.3-1]"),
    (ALL, 0x18, b"\0\x04MQTT\x05\x02\0\0\0\0\0", MALFORMED, "DUP [MQTT-2.1.3-1]"),
    (ALL, 0x10, b"", MALFORMED, "no body"),
    (ALL, 0x10, b"\0\x04MQTT", MALFORMED, "no level"),
    (ALL, 0x10, b"\0\x04MQTT\x04", MALFORMED, "no flags"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x02\0", MALFORMED, "half a keep alive"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x02\0\0", MALFORMED, "no client id [MQTT-3.1.3-3]"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0", MALFORMED, "no property length [MQTT-2.2.2-1]"),
    (ALL, 0x10, b"\0\x04MQTX\x04\x02\0\0\0\0", MALFORMED, "other name [MQTT-3.1.2-1]"),
    (ALL, 0x10, b"\0\x04mqtt\x04\x02\0\0\0\0", MALFORMED, "name in lower case"),
    (ALL, 0x10, b"\0\x05MQTT\0\x04\x02\0\0\0\0", MALFORMED, "name with U+0000"),
    (ALL, 0x10, b"\0\x04MQTT\x03\x02\0\0\0\0", VERSION, "level 3 is MQIsdp's"),
    (ALL, 0x10, b"\0\x06MQIsdp\x04\x02\0\0\0\0", VERSION, "level 4 is MQTT's"),
    (ALL, 0x10, b"\0\x04MQTT\x06", VERSION, "level 6, whatever follows [MQTT-3.1.2-2]"),
    (ALL, 0x10, b"\0\x04MQTT\x84\x02\0\0\0\0", VERSION, "a bridge's 0x80 + 4"),
    (ALL, 0x10, b"\0\x04MQTT\0\x02\0\0\0\0", VERSION, "level 0"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x03\0\0\0\0", MALFORMED, "reserved flag [MQTT-3.1.2-3]"),
    (ALL, 0x10, b"\0\x06MQIsdp\x03\x03\0\0\0\x01c", MALFORMED, "reserved flag, 3.1"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x0A\0\0\0\0", MALFORMED, "will QoS, no will [MQTT-3.1.2-11]"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x22\0\0\0\0\0", MALFORMED, "will RETAIN, no will [MQTT-3.1.2-13]"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x1E\0\0\0\0\0\x01w\0\0", MALFORMED, "will QoS 3 [MQTT-3.1.2-12]"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x42\0\0\0\0\0\x01p", MALFORMED,
        "password without a user name [3.1.1 MQTT-3.1.2-22]"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x06\0\0\0\0\0\x01#\0\0", TOPIC, "will topic with a wildcard"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x06\0\0\0\0\0\0\0\0", TOPIC, "empty will topic [MQTT-4.7.3-1]"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x06\0\0\0\0\0\x01\xFF\0\0", MALFORMED, "will topic [MQTT-3.1.3-11]"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x06\0\0\0\0\0\x01w", MALFORMED, "no will payload"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x82\0\0\0\0", MALFORMED, "no user name [MQTT-3.1.2-17]"),
    (ALL, 0x10, b"\0\x04MQTT\x04\xC2\0\0\0\0\0\x01u", MALFORMED, "no password [MQTT-3.1.2-19]"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x82\0\0\0\0\0\x01\0", MALFORMED, "user name U+0000 [MQTT-3.1.3-12]"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\x03\xED\xA0\x80", MALFORMED, "surrogate [MQTT-3.1.3-4]"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\x01\n", MALFORMED, "control character in the client id"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\x02c", MALFORMED, "client id length lies"),
    (ALL, 0x10, b"\0\x04MQTT\x04\x02\0\0\0\x01c\0", MALFORMED, "trailing byte"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\0\0\0\0", MALFORMED, "trailing byte, 5"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x09\x11\0\0\0\x0A\0\0", MALFORMED, "property length lies"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x04\x11\0\0\0\x0A\0\0", MALFORMED, "property cut by it"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x80\0\0\0", MALFORMED, "over-long [MQTT-1.5.5-1]"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x02\x01\0\0\0", MALFORMED, "payload format in CONNECT"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x05\x18\0\0\0\x05\0\0", MALFORMED, "will delay outside"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x06\x22\0\x01\x22\0\x01\0\0", PROTOCOL, "given twice"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x03\x21\0\0\0\0", PROTOCOL, "receive maximum 0"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x05\x27\0\0\0\0\0\0", PROTOCOL, "maximum packet size 0"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x02\x17\x02\0\0", PROTOCOL, "problem information 2"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x02\x19\xFF\0\0", PROTOCOL, "response information 255"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x02\0\0\x04\x16\0\x01d\0\0", PROTOCOL, "data without a method"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\0\x02\x01\x02\0\x01w\0\0", PROTOCOL, "will format 2"),
    (ALL, 0x10, b"\0\x04MQTT\x05\x06\0\0\0\0\0\x05\x11\0\0\0\x01\0\x01w\0\0", MALFORMED,
        "session expiry in the will"),
];

#[test]
fn connect() {
    check_good(CONNECT_GOOD);
    check_bad(CONNECT_BAD);
    let bytes = packet(CONNECT_GOOD[3].1, CONNECT_GOOD[3].2);
    // The connection's version plays no part: CONNECT has its own.
    let Ok(Packet::Connect(got)) = read(&bytes, Version::V5) else {
        panic!("a CONNECT");
    };
    assert_eq!(got.version, Version::V3_1_1);
    assert!(got.clean_start);
    assert_eq!((got.keep_alive_secs, got.client_id), (65_535, "c"));
    assert_eq!(
        (got.user_name, got.password),
        (Some("u"), Some(&b"p\0"[..]))
    );
    let will = got.will.unwrap();
    assert_eq!((will.qos, will.retain), (QoS::AtLeastOnce, true));
    assert_eq!((will.topic, will.payload), ("w/t", &b"\0\xFF"[..]));
}

/// 3.1: "it is valid for the User Name flag to be set and the User Name string to be missing".
#[test]
fn connect_3_1_without_what_its_flags_promise() {
    let bytes = packet(0x10, b"\0\x06MQIsdp\x03\xC2\0\0\0\x01c");
    let Ok(Packet::Connect(got)) = read(&bytes, Version::V3_1) else {
        panic!("a CONNECT");
    };
    assert_eq!((got.user_name, got.password), (None, None));
}

#[test]
fn connect_has_its_own_limit() {
    let mut body = b"\0\x04MQTT\x04\x06\0\0\0\0\0\x01w\xFF\xFF".to_vec();
    body.resize(body.len() + 65_535, 0);
    let bytes = packet(0x10, &body);
    let f = frame(&bytes, u32::MAX).unwrap().unwrap();
    let mut limits = Limits::default();
    assert!(decode(&f, Version::V5, &limits).is_ok());
    limits.connect_bytes_max = 65_535;
    let got = decode(&f, Version::V5, &limits).unwrap_err();
    assert_eq!(got.reason(), Reason::PACKET_TOO_LARGE);
}

#[rustfmt::skip]
const CONNACK_GOOD: &[Good] = &[
    (V3,   0x20, b"\0\0", "accepted"),
    (V311, 0x20, b"\x01\0", "session present"),
    (V3,   0x20, b"\0\x05", "not authorized"),
    (V5,   0x20, b"\0\0\0", "accepted"),
    (V5,   0x20, b"\x01\0\x03\x22\0\x0A", "session present, topic alias maximum"),
    (V5,   0x20, b"\0\x87\x05\x1F\0\x02no", "not authorized, and why"),
];

#[rustfmt::skip]
const CONNACK_BAD: &[Bad] = &[
    (ALL, 0x21, b"\0\0\0", MALFORMED, "reserved flags [MQTT-2.1.3-1]"),
    (ALL, 0x20, b"", MALFORMED, "no body"),
    (ALL, 0x20, b"\0", MALFORMED, "no reason"),
    (ALL, 0x20, b"\x02\0\0", MALFORMED, "acknowledge flags [MQTT-3.2.2-1]"),
    (V31, 0x20, b"\x01\0", MALFORMED, "3.1 has no session present"),
    (V3,  0x20, b"\0\x06", PROTOCOL, "reserved return code"),
    (V3,  0x20, b"\0\0\0", MALFORMED, "trailing byte"),
    (V311, 0x20, b"\x01\x05", PROTOCOL, "session present in a refusal [3.1.1 MQTT-3.2.2-4]"),
    (V5,  0x20, b"\0\0", MALFORMED, "no property length"),
    (V5,  0x20, b"\0\0\0\0", MALFORMED, "trailing byte"),
    (V5,  0x20, b"\x01\x87\0", PROTOCOL, "session present in a refusal [MQTT-3.2.2-6]"),
    (V5,  0x20, b"\0\x8E\0", PROTOCOL, "session taken over is DISCONNECT's [MQTT-3.2.2-8]"),
    (V5,  0x20, b"\0\0\x02\x24\x02", PROTOCOL, "maximum QoS 2"),
    (V5,  0x20, b"\0\0\x02\x25\x02", PROTOCOL, "retain available 2"),
    (V5,  0x20, b"\0\0\x02\x17\x01", MALFORMED, "request problem information is CONNECT's"),
    (V5,  0x20, b"\0\0\x04\x28\x01\x28\x01", PROTOCOL, "given twice"),
];

#[test]
fn connack() {
    check_good(CONNACK_GOOD);
    check_bad(CONNACK_BAD);
}

#[rustfmt::skip]
const PUBLISH_GOOD: &[Good] = &[
    // topic, [id,] [properties,] payload
    (V3, 0x30, b"\0\x01a", "QoS 0, no payload"),
    (V3, 0x31, b"\0\x03a/bhello", "RETAIN"),
    (V3, 0x32, b"\0\x01a\0\x01\0", "an id above QoS 0, none below [MQTT-2.2.1-2]"),
    (V3, 0x3D, b"\0\x01a\xFF\xFF\0", "QoS 2 with DUP and RETAIN"),
    (V3, 0x30, b"\0\x05$SYS/\xFF\0", "payload is any bytes"),
    (V5, 0x30, b"\0\x01a\0", "QoS 0, no payload"),
    (V5, 0x3A, b"\0\x01a\0\x01\0\xFF", "QoS 1 with DUP"),
    (V5, 0x34, b"\0\x02\xC3\xA9\0\x02\x02\x01\x01x", "QoS 2, UTF-8 payload"),
    (V5, 0x30, b"\0\0\x03\x23\0\x01x", "alias instead of a topic"),
    (V5, 0x30, b"\0\x01a\x03\x23\0\x01", "topic and alias"),
    (V5, 0x30, b"\0\x01a\x05\x02\0\0\0\0", "expired on arrival"),
    (V5, 0x30, b"\0\x01a\x0E\x26\0\x01k\0\x01v\x26\0\x01k\0\x01v", "the same user property twice"),
    (V5, 0x30, b"\0\x01a\x02\x01\x01\xFF", "payload format is a promise, not checked here"),
];

#[rustfmt::skip]
const PUBLISH_BAD: &[Bad] = &[
    (ALL, 0x36, b"\0\x01a\0\x01\0", MALFORMED, "QoS 3 [MQTT-3.3.1-4]"),
    (ALL, 0x3F, b"\0\x01a\0\x01\0", MALFORMED, "QoS 3 with DUP and RETAIN"),
    (ALL, 0x38, b"\0\x01a\0", MALFORMED, "DUP with QoS 0 [MQTT-3.3.1-2]"),
    (ALL, 0x30, b"", MALFORMED, "no body"),
    (ALL, 0x30, b"\0", MALFORMED, "half a length"),
    (ALL, 0x30, b"\0\x02a", MALFORMED, "topic length lies"),
    (ALL, 0x30, b"\xFF\xFFa", MALFORMED, "topic length lies a lot"),
    (ALL, 0x32, b"\0\x01a", MALFORMED, "no id"),
    (ALL, 0x32, b"\0\x01a\x01", MALFORMED, "half an id"),
    (ALL, 0x32, b"\0\x01a\0\0\0", MALFORMED, "id 0 [MQTT-2.2.1-3]"),
    (ALL, 0x34, b"\0\x01a\0\0\0", MALFORMED, "id 0, QoS 2"),
    (ALL, 0x30, b"\0\x03a/#\0", TOPIC, "# [MQTT-3.3.2-2]"),
    (ALL, 0x30, b"\0\x01+\0", TOPIC, "+ [MQTT-3.3.2-2]"),
    (ALL, 0x30, b"\0\x03a\0b\0", MALFORMED, "U+0000 [MQTT-1.5.4-2]"),
    (ALL, 0x30, b"\0\x01\xC3\0", MALFORMED, "cut UTF-8 [MQTT-1.5.4-1]"),
    (ALL, 0x30, b"\0\x03\xED\xA0\x80\0", MALFORMED, "surrogate [MQTT-1.5.4-1]"),
    (ALL, 0x30, b"\0\x02\xC0\x80\0", MALFORMED, "over-long U+0000"),
    (ALL, 0x30, b"\0\x01\x1F\0", MALFORMED, "control character"),
    (ALL, 0x30, b"\0\x02\xC2\x85\0", MALFORMED, "control character above ASCII"),
    (ALL, 0x30, b"\0\x03\xEF\xBF\xBF\0", MALFORMED, "non-character"),
    (V3, 0x30, b"\0\0x", TOPIC, "empty [3.1.1 MQTT-4.7.3-1]"),
    (V5, 0x30, b"\0\0\0x", PROTOCOL, "neither topic nor alias (3.3.2.1)"),
    (V5, 0x30, b"\0\x01a", MALFORMED, "no property length"),
    (V5, 0x30, b"\0\x01a\x80", MALFORMED, "half a property length"),
    (V5, 0x30, b"\0\x01a\x80\0", MALFORMED, "over-long property length [MQTT-1.5.5-1]"),
    (V5, 0x30, b"\0\x01a\xFF\xFF\xFF\xFF\x01", MALFORMED, "property length of 5 bytes"),
    (V5, 0x30, b"\0\x01a\xFF\xFF\xFF\x7F", MALFORMED, "property length lies a lot"),
    (V5, 0x30, b"\0\x01a\x04\x23\0\x01", MALFORMED, "property length lies"),
    (V5, 0x30, b"\0\x01a\x02\x23\0\x01", MALFORMED, "property cut by it"),
    (V5, 0x30, b"\0\x01a\x03\x23\0\0", ALIAS, "alias 0 [MQTT-3.3.2-8]"),
    (V5, 0x30, b"\0\x01a\x06\x23\0\x01\x23\0\x01", PROTOCOL, "alias given twice"),
    (V5, 0x30, b"\0\x01a\x02\x01\x02", PROTOCOL, "payload format 2"),
    (V5, 0x30, b"\0\x01a\x02\x0B\x01", PROTOCOL, "subscription id [MQTT-3.3.4-6]"),
    (V5, 0x30, b"\0\x01a\x06\x08\0\x03a/+", PROTOCOL, "response topic [MQTT-3.3.2-14]"),
    (V5, 0x30, b"\0\x01a\x03\x08\0\0", PROTOCOL, "empty response topic [MQTT-4.7.3-1]"),
    (V5, 0x30, b"\0\x01a\x04\x03\0\x01\xFF", MALFORMED, "content type [MQTT-3.3.2-19]"),
    (V5, 0x30, b"\0\x01a\x07\x26\0\x01k\0\x01\0", MALFORMED, "user property [MQTT-1.5.7-1]"),
    (V5, 0x30, b"\0\x01a\x04\x26\0\x01k", MALFORMED, "user property without a value"),
    (V5, 0x30, b"\0\x01a\x05\x11\0\0\0\x01", MALFORMED, "session expiry in PUBLISH"),
    (V5, 0x30, b"\0\x01a\x02\0\x01", MALFORMED, "property 0"),
    (V5, 0x30, b"\0\x01a\x02\x7F\x01", MALFORMED, "property 0x7F"),
    (V5, 0x30, b"\0\x01a\x03\x81\0\x01", MALFORMED, "property 1, over-long"),
];

#[test]
fn publish() {
    check_good(PUBLISH_GOOD);
    check_bad(PUBLISH_BAD);
    let bytes = packet(0x3D, b"\0\x03a/b\x01\x02\x08\x23\0\x07\x02\0\0\x01\0hi");
    let Ok(Packet::Publish(got)) = read(&bytes, Version::V5) else {
        panic!("a PUBLISH");
    };
    assert!(got.dup && got.retain);
    assert_eq!((got.qos, got.topic), (QoS::ExactlyOnce, "a/b"));
    assert_eq!(got.id.unwrap().get(), 0x0102);
    assert_eq!((got.alias, got.expiry_secs), (Some(7), Some(256)));
    assert_eq!(got.payload, b"hi");
}

#[test]
fn publish_from_a_server_has_subscription_ids() {
    let bytes = packet(0x30, b"\0\x01a\x05\x0B\x01\x0B\x80\x01");
    let f = frame(&bytes, u32::MAX).unwrap().unwrap();
    let Ok(Packet::Publish(got)) = decode_from_server(&f, Version::V5, &Limits::default()) else {
        panic!("a PUBLISH");
    };
    let ids: Vec<_> = got.properties.iter().collect();
    assert_eq!(
        ids,
        [Property::SubscriptionId(1), Property::SubscriptionId(128)]
    );
    // Not 0 (3.8.2.1.2).
    let bytes = packet(0x30, b"\0\x01a\x02\x0B\0");
    let f = frame(&bytes, u32::MAX).unwrap().unwrap();
    let error = decode_from_server(&f, Version::V5, &Limits::default()).unwrap_err();
    assert_eq!(error.reason(), PROTOCOL);
}

#[rustfmt::skip]
const ACK_GOOD: &[Good] = &[
    (ALL, 0x40, b"\0\x01", "PUBACK"),
    (ALL, 0x50, b"\xFF\xFF", "PUBREC"),
    (ALL, 0x62, b"\x01\0", "PUBREL"),
    (ALL, 0x70, b"\0\x01", "PUBCOMP"),
    (V5, 0x40, b"\0\x01\x10", "no matching subscribers"),
    (V5, 0x50, b"\0\x01\x97\x05\x1F\0\x02no", "quota exceeded, and why"),
    (V5, 0x62, b"\0\x01\x92", "packet id not found"),
    (V5, 0x70, b"\0\x01\0\x07\x26\0\x01k\0\x01v", "success with a user property"),
];

#[rustfmt::skip]
const ACK_BAD: &[Bad] = &[
    (ALL, 0x41, b"\0\x01", MALFORMED, "PUBACK flags [MQTT-2.1.3-1]"),
    (ALL, 0x52, b"\0\x01", MALFORMED, "PUBREC flags"),
    (ALL, 0x60, b"\0\x01", MALFORMED, "PUBREL flags [MQTT-3.6.1-1]"),
    (ALL, 0x63, b"\0\x01", MALFORMED, "PUBREL flags"),
    (V311, 0x6A, b"\0\x01", MALFORMED, "PUBREL has no DUP any more"),
    (V5,  0x6A, b"\0\x01", MALFORMED, "PUBREL has no DUP any more"),
    (ALL, 0x72, b"\0\x01", MALFORMED, "PUBCOMP flags"),
    (ALL, 0x40, b"", MALFORMED, "no body"),
    (ALL, 0x50, b"\0", MALFORMED, "half an id"),
    (ALL, 0x40, b"\0\0", MALFORMED, "id 0 [MQTT-2.2.1-3]"),
    (ALL, 0x62, b"\0\0", MALFORMED, "id 0"),
    (V3,  0x40, b"\0\x01\0", MALFORMED, "a reason in 3.x"),
    (V5,  0x40, b"\0\x01\x92", PROTOCOL, "PUBREL's reason [MQTT-3.4.2-1]"),
    (V5,  0x50, b"\0\x01\x01", PROTOCOL, "SUBACK's reason [MQTT-3.5.2-1]"),
    (V5,  0x62, b"\0\x01\x80", PROTOCOL, "PUBACK's reason [MQTT-3.6.2-1]"),
    (V5,  0x70, b"\0\x01\x10", PROTOCOL, "PUBACK's reason [MQTT-3.7.2-1]"),
    (V5,  0x40, b"\0\x01\0\x01", MALFORMED, "property length lies"),
    (V5,  0x40, b"\0\x01\0\0\0", MALFORMED, "trailing byte"),
    (V5,  0x40, b"\0\x01\0\x02\x01\0", MALFORMED, "payload format in PUBACK"),
    (V5,  0x40, b"\0\x01\0\x06\x1F\0\0\x1F\0\0", PROTOCOL, "reason string twice"),
];

#[test]
fn acks() {
    check_good(ACK_GOOD);
    check_bad(ACK_BAD);
    // Longer than needed, yet legal.
    for body in [&b"\0\x01\0"[..], b"\0\x01\0\0"] {
        for first in [0x40, 0x50, 0x62, 0x70] {
            let bytes = packet(first, body);
            let mut out = Vec::new();
            read(&bytes, Version::V5)
                .unwrap()
                .encode(Version::V5, &mut out);
            assert_eq!(out, [first, 2, 0, 1]);
        }
    }
    // 3.1 has DUP in what it sends again.
    for (first, body) in [
        (0x6A, &b"\0\x01"[..]),
        (0x8A, b"\0\x01\0\x01a\0"),
        (0xAA, b"\0\x01\0\x01a"),
    ] {
        assert!(read(&packet(first, body), Version::V3_1).is_ok());
    }
}

#[rustfmt::skip]
const SUBSCRIBE_GOOD: &[Good] = &[
    (V3, 0x82, b"\0\x01\0\x01a\0", "one filter"),
    (V3, 0x82, b"\0\x01\0\x01#\x01\0\x03a/b\x02", "two filters"),
    (V5, 0x82, b"\0\x01\0\0\x01a\0", "one filter"),
    (V5, 0x82, b"\0\x01\0\0\x01a\x2E\0\x01b\x11", "all options"),
    (V5, 0x82, b"\0\x01\x05\x0B\xFF\xFF\xFF\x7F\0\x01a\0", "greatest subscription id"),
    (V5, 0x82, b"\0\x01\0\0\x0A$share/g/a\x02", "shared"),
    (V3, 0x82, b"\0\x01\0\0\0\0\x01a\0", "an empty filter is for the caller to answer"),
];

#[rustfmt::skip]
const SUBSCRIBE_BAD: &[Bad] = &[
    (ALL, 0x80, b"\0\x01\0\0\x01a\0", MALFORMED, "flags [MQTT-3.8.1-1]"),
    (ALL, 0x83, b"\0\x01\0\0\x01a\0", MALFORMED, "flags [MQTT-3.8.1-1]"),
    (ALL, 0x82, b"", MALFORMED, "no body"),
    (ALL, 0x82, b"\0\0\0\0\x01a\0", MALFORMED, "id 0 [MQTT-2.2.1-3]"),
    (V3,  0x82, b"\0\x01", PROTOCOL, "no filter [3.1.1 MQTT-3.8.3-3]"),
    (V3,  0x82, b"\0\x01\0\x01a", MALFORMED, "no options"),
    (V3,  0x82, b"\0\x01\0\x02a\0", MALFORMED, "filter length lies"),
    (V3,  0x82, b"\0\x01\0\x01a\x03", MALFORMED, "QoS 3 [3.1.1 MQTT-3.8.3-4]"),
    (V3,  0x82, b"\0\x01\0\x01a\x04", MALFORMED, "reserved bits [3.1.1 MQTT-3.8.3-4]"),
    (V3,  0x82, b"\0\x01\0\x01\0\0", MALFORMED, "U+0000 [MQTT-3.8.3-1]"),
    (V3,  0x82, b"\0\x01\0\x01a\0\0", MALFORMED, "trailing byte"),
    (V5,  0x82, b"\0\x01", MALFORMED, "no property length"),
    (V5,  0x82, b"\0\x01\0", PROTOCOL, "no filter [MQTT-3.8.3-2]"),
    (V5,  0x82, b"\0\x01\0\0\x01a", MALFORMED, "no options"),
    (V5,  0x82, b"\0\x01\0\0\x01a\x40", MALFORMED, "reserved bit 6 [MQTT-3.8.3-5]"),
    (V5,  0x82, b"\0\x01\0\0\x01a\x80", MALFORMED, "reserved bit 7 [MQTT-3.8.3-5]"),
    (V5,  0x82, b"\0\x01\0\0\x01a\x30", PROTOCOL, "retain handling 3 (3.8.3.1)"),
    (V5,  0x82, b"\0\x01\0\0\x01a\x03", PROTOCOL, "QoS 3 (3.8.3.1)"),
    (V5,  0x82, b"\0\x01\0\0\x0A$share/g/a\x04", PROTOCOL, "No Local, shared [MQTT-3.8.3-4]"),
    (V5,  0x82, b"\0\x01\0\0\x01\xFF\0", MALFORMED, "ill-formed filter [MQTT-3.8.3-1]"),
    (V5,  0x82, b"\0\x01\0\0\x01a\0\0\x05b", MALFORMED, "second filter cut"),
    (V5,  0x82, b"\0\x01\x02\x0B\0\0\x01a\0", PROTOCOL, "subscription id 0 (3.8.2.1.2)"),
    (V5,  0x82, b"\0\x01\x04\x0B\x01\x0B\x02\0\x01a\0", PROTOCOL, "subscription id twice"),
    (V5,  0x82, b"\0\x01\x03\x0B\x80\0\0\x01a\0", MALFORMED, "over-long subscription id"),
    (V5,  0x82, b"\0\x01\x03\x1F\0\0\0\x01a\0", MALFORMED, "reason string in SUBSCRIBE"),
];

#[test]
fn subscribe() {
    check_good(SUBSCRIBE_GOOD);
    check_bad(SUBSCRIBE_BAD);
    let bytes = packet(0x82, b"\0\x01\x02\x0B\x07\0\0\x2E\0\x02a#\x11");
    let Ok(Packet::Subscribe(got)) = read(&bytes, Version::V5) else {
        panic!("a SUBSCRIBE");
    };
    assert_eq!(
        (got.id.get(), got.subscription_id, got.len()),
        (1, Some(7), 2)
    );
    let requests: Vec<_> = got.requests().collect();
    // Neither is a filter, which is for the caller to find.
    assert_eq!((requests[0].filter, requests[1].filter), ("", "a#"));
    let options = requests[0].options;
    assert!(options.no_local && options.retain_as_published);
    assert_eq!(options.retain_handling, RetainHandling::DoNotSend);
    assert_eq!(options.qos, QoS::ExactlyOnce);
    assert_eq!(
        requests[1].options.retain_handling,
        RetainHandling::SendIfNew
    );
}

#[test]
fn filters_are_bounded() {
    for (first, one) in [(0x82, &b"\0\x01a\0"[..]), (0xA2, b"\0\x01a")] {
        let many = |count| packet(first, &[b"\0\x01\0", &one.repeat(count)[..]].concat());
        assert!(read(&many(1000), Version::V5).is_ok());
        let error = read(&many(1001), Version::V5).unwrap_err();
        assert_eq!(error.reason(), Reason::QUOTA_EXCEEDED);
    }
}

#[rustfmt::skip]
const SUBACK_GOOD: &[Good] = &[
    (V3, 0x90, b"\0\x01\0\x01\x02\x80", "all codes of 3.x"),
    (V5, 0x90, b"\0\x01\0\0\x01\x02\x80\x83\x87\x8F\x91\x97\x9E\xA1\xA2", "all codes of 5"),
    (V5, 0x90, b"\0\x01\x05\x1F\0\x02no\x87", "and why"),
];

#[rustfmt::skip]
const SUBACK_BAD: &[Bad] = &[
    (ALL, 0x91, b"\0\x01\0\0", MALFORMED, "flags [MQTT-2.1.3-1]"),
    (ALL, 0x90, b"\0\0\0\0", MALFORMED, "id 0"),
    (ALL, 0x90, b"\0", MALFORMED, "half an id"),
    (V3,  0x90, b"\0\x01", PROTOCOL, "no code"),
    (V3,  0x90, b"\0\x01\x03", PROTOCOL, "code 3 [3.1.1 MQTT-3.9.3-2]"),
    (V3,  0x90, b"\0\x01\x87", PROTOCOL, "version 5's code"),
    (V5,  0x90, b"\0\x01\0", PROTOCOL, "no code"),
    (V5,  0x90, b"\0\x01\0\x04", PROTOCOL, "code 4 [MQTT-3.9.3-2]"),
    (V5,  0x90, b"\0\x01\0\0\x11", PROTOCOL, "UNSUBACK's code"),
    (V5,  0x90, b"\0\x01\x02\x0B\x01\0", MALFORMED, "subscription id in SUBACK"),
];

#[rustfmt::skip]
const UNSUBSCRIBE_GOOD: &[Good] = &[
    (V3, 0xA2, b"\0\x01\0\x01a", "one filter"),
    (V3, 0xA2, b"\0\x01\0\x01a\0\x01#", "two filters"),
    (V5, 0xA2, b"\0\x01\0\0\x01a", "one filter"),
    (V5, 0xA2, b"\0\x01\x07\x26\0\x01k\0\x01v\0\x01a", "user property"),
];

#[rustfmt::skip]
const UNSUBSCRIBE_BAD: &[Bad] = &[
    (ALL, 0xA0, b"\0\x01\0\0\x01a", MALFORMED, "flags [MQTT-3.10.1-1]"),
    (ALL, 0xA2, b"\0\0\0\0\x01a", MALFORMED, "id 0"),
    (V3,  0xA2, b"\0\x01", PROTOCOL, "no filter [3.1.1 MQTT-3.10.3-2]"),
    (V3,  0xA2, b"\0\x01\0\x01\xFF", MALFORMED, "ill-formed [MQTT-3.10.3-1]"),
    (V3,  0xA2, b"\0\x01\0\x01a\0", MALFORMED, "trailing byte"),
    (V5,  0xA2, b"\0\x01\0", PROTOCOL, "no filter [MQTT-3.10.3-2]"),
    (V5,  0xA2, b"\0\x01\0\0\x02a", MALFORMED, "filter length lies"),
    (V5,  0xA2, b"\0\x01\x02\x0B\x01\0\x01a", MALFORMED, "subscription id in UNSUBSCRIBE"),
];

#[rustfmt::skip]
const UNSUBACK_GOOD: &[Good] = &[
    (V3, 0xB0, b"\0\x01", "id only"),
    (V5, 0xB0, b"\0\x01\0\0\x11\x80\x83\x87\x8F\x91", "all codes"),
];

#[rustfmt::skip]
const UNSUBACK_BAD: &[Bad] = &[
    (ALL, 0xB2, b"\0\x01\0\0", MALFORMED, "flags [MQTT-2.1.3-1]"),
    (ALL, 0xB0, b"\0\0\0\0", MALFORMED, "id 0"),
    (V3,  0xB0, b"\0\x01\0", MALFORMED, "payload in 3.x"),
    (V5,  0xB0, b"\0\x01\0", PROTOCOL, "no code"),
    (V5,  0xB0, b"\0\x01\0\x01", PROTOCOL, "SUBACK's code [MQTT-3.11.3-2]"),
];

#[test]
fn subscription_answers_and_ends() {
    check_good(SUBACK_GOOD);
    check_bad(SUBACK_BAD);
    check_good(UNSUBSCRIBE_GOOD);
    check_bad(UNSUBSCRIBE_BAD);
    check_good(UNSUBACK_GOOD);
    check_bad(UNSUBACK_BAD);
}

#[rustfmt::skip]
const REST_GOOD: &[Good] = &[
    (ALL, 0xC0, b"", "PINGREQ"),
    (ALL, 0xD0, b"", "PINGRESP"),
    (ALL, 0xE0, b"", "DISCONNECT"),
    (V5, 0xE0, b"\x04", "DISCONNECT with will"),
    (V5, 0xE0, b"\0\x05\x11\0\0\0\x0A", "normal DISCONNECT with session expiry"),
    (V5, 0xE0, b"\x8E\x05\x1F\0\x02no", "session taken over, and why"),
    (V5, 0xF0, b"", "AUTH, shortest"),
    (V5, 0xF0, b"\x18\x08\x15\0\x01m\x16\0\x01d", "AUTH, next step"),
];

#[rustfmt::skip]
const REST_BAD: &[Bad] = &[
    (ALL, 0x00, b"", MALFORMED, "packet type 0 is reserved (table 2-1)"),
    (ALL, 0x0F, b"abc", MALFORMED, "packet type 0 is reserved"),
    (ALL, 0xC1, b"", MALFORMED, "PINGREQ flags [MQTT-2.1.3-1]"),
    (ALL, 0xC0, b"\0", MALFORMED, "PINGREQ with a body"),
    (ALL, 0xD8, b"", MALFORMED, "PINGRESP flags"),
    (ALL, 0xD0, b"\0", MALFORMED, "PINGRESP with a body"),
    (ALL, 0xE1, b"", MALFORMED, "DISCONNECT flags [MQTT-3.14.1-1]"),
    (V3,  0xE0, b"\0", MALFORMED, "DISCONNECT with a body"),
    (V5,  0xE0, b"\x01", PROTOCOL, "SUBACK's reason [MQTT-3.14.2-1]"),
    (V5,  0xE0, b"\x92", PROTOCOL, "PUBREL's reason"),
    (V5,  0xE0, b"\0\x01", MALFORMED, "property length lies"),
    (V5,  0xE0, b"\0\0\0", MALFORMED, "trailing byte"),
    (V5,  0xE0, b"\0\x0A\x11\0\0\0\x01\x11\0\0\0\x01", PROTOCOL, "session expiry twice"),
    (V5,  0xE0, b"\0\x03\x21\0\x01", MALFORMED, "receive maximum in DISCONNECT"),
    (V3,  0xF0, b"", MALFORMED, "AUTH before version 5"),
    (V5,  0xF1, b"", MALFORMED, "AUTH flags [MQTT-3.15.1-1]"),
    (V5,  0xF0, b"\x80\0", PROTOCOL, "no AUTH reason [MQTT-3.15.2-1]"),
    (V5,  0xF0, b"\x18", MALFORMED, "no property length"),
    (V5,  0xF0, b"\x18\x04\x16\0\x01d", PROTOCOL, "data without a method"),
    (V5,  0xF0, b"\x18\0\0", MALFORMED, "trailing byte"),
];

#[test]
fn pings_disconnect_auth() {
    check_good(REST_GOOD);
    check_bad(REST_BAD);
    let bytes = packet(0xE0, b"\x04\x05\x11\0\0\0\x0A");
    let Ok(Packet::Disconnect(got)) = read(&bytes, Version::V5) else {
        panic!("a DISCONNECT");
    };
    assert_eq!(got.reason, Reason::DISCONNECT_WITH_WILL);
    assert_eq!(got.session_expiry_secs, Some(10));
}
