//! CONNECT and CONNACK (3.1, 3.2): who gets in, what both sides are told, who is turned away.

use std::collections::HashSet;

use crate::wire::Broker;
use crate::wire::{
    ALL, BOTH, Connect, Kind, Publish, V5, V31, V311, Will, ack, packet, pingreq, prop, string,
    subscribe, varint,
};

/// A client of each version introduces itself in the shortest way, and the answer is, to the
/// byte, "accepted, no session". [MQTT-3.1.4-5] [MQTT-3.2.2-1] [MQTT-3.2.0-1]
/// [3.1.1 MQTT-3.1.4-4] [3.1.1 MQTT-3.2.0-1]
#[test]
fn accepted_in_every_version() {
    let broker = Broker::start();
    for version in [V31, V311] {
        let mut conn = broker.open(version);
        conn.send(&Connect::new(version, "shortest").bytes());
        conn.expect(&[0x20, 2, 0, 0]);
        conn.ping();
    }
    let (mut conn, connack) = broker.connect_told(&Connect::new(V5, "shortest5"));
    assert!(!connack.session_present);
    conn.ping();
}

/// A device says CONNECT twice on one connection; that is no protocol it could go on with.
/// [MQTT-3.1.0-2] [MQTT-3.2.0-2] [MQTT-4.13.1-1] [3.1.1 MQTT-3.1.0-2] [3.1.1 MQTT-4.8.0-1]
#[test]
fn second_connect_ends_it() {
    let broker = Broker::start();
    for version in ALL {
        let mut conn = broker.client(version, "twice");
        conn.send(&Connect::new(version, "twice").bytes());
        conn.expect_closed_for(0x82);
    }
}

/// Somebody talks before having introduced himself, with each other packet there is, and hears
/// nothing but the line going dead. [MQTT-3.1.0-1] [3.1.1 MQTT-3.1.0-1]
#[test]
fn first_packet_must_be_connect() {
    let broker = Broker::start();
    let mut firsts = vec![
        Publish::new("a", "x").bytes(V311),
        ack(0x40, 1),
        ack(0x50, 1),
        ack(0x62, 1),
        ack(0x70, 1),
        subscribe(V311, 1, &[("a", 0)]),
        packet(0xA2, &[&[0, 1], &string("a")]),
        pingreq(),
        vec![0xE0, 0],
        packet(0xF0, &[&[0x18, 0]]),
    ];
    // What is in the packet does not make it a CONNECT.
    let body = &Connect::new(V311, "posing").bytes()[2..];
    firsts.extend((0..16).filter(|k| *k != 1).map(|k| packet(k << 4, &[body])));
    for first in firsts {
        let mut conn = broker.open(V311);
        conn.send(&first);
        conn.expect_closed();
    }
}

/// A peer speaks another protocol by name: it is closed, and the broker serves on.
/// [MQTT-3.1.2-1] [3.1.1 MQTT-3.1.2-1]
#[test]
fn unknown_protocol_name_is_closed() {
    let broker = Broker::start();
    for version in BOTH {
        for name in ["MQTTX", "mqtt", "", "AMQP"] {
            let mut conn = broker.open(version);
            conn.send(&Connect::new(version, "x").name(name).bytes());
            let said = conn.read_to_end();
            assert!(
                said.iter().all(|p| p.kind == Kind::ConnAck && p.code != 0),
                "{said:?}"
            );
        }
    }
}

/// A client of a future version is told in words it may know that this one is not spoken here:
/// an old one by return code 1, closed in any case. [MQTT-3.1.2-2] [MQTT-3.2.2-7]
/// [3.1.1 MQTT-3.1.2-2] [3.1.1 MQTT-3.2.2-5]
#[test]
fn unknown_protocol_level_is_refused() {
    let broker = Broker::start();
    for level in [0, 2, 6, 9, 0x7F] {
        let mut conn = broker.open(V311);
        conn.send(&Connect::new(V311, "x").level(level).bytes());
        // 0x84 belongs to version 5, 1 to the ones before it; either is a clear word.
        let said = conn.read_raw_to_end();
        assert!(
            said == [0x20, 2, 0, 1] || said == [0x20, 3, 0, 0x84, 0],
            "{said:02x?}"
        );
    }
    let mut conn = broker.open(V311);
    conn.send(&Connect::new(V311, "x").level(3).bytes());
    let said = conn.read_to_end();
    assert!(
        said.iter().all(|p| p.code != 0),
        "MQTT with level 3 is nobody's version: {said:?}"
    );
}

/// The lowest bit of the connect flags belongs to nobody; who sets it is closed.
/// [3.1.1 MQTT-3.2.2-6] [MQTT-3.1.2-3] [3.1.1 MQTT-3.1.2-3] [MQTT-3.1.4-1] [3.1.1 MQTT-3.1.4-1]
#[test]
fn reserved_connect_flag_is_malformed() {
    let broker = Broker::start();
    for version in BOTH {
        let mut conn = broker.open(version);
        conn.send(&Connect::new(version, "reserved").flag(0x01).bytes());
        let said = conn.read_to_end();
        assert!(said.iter().all(|p| p.code >= 0x80), "{said:?}");
    }
}

/// The flags promise a will of QoS 3, or QoS and RETAIN for a will that is not there: a packet
/// at odds with itself. [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13] [3.1.1 MQTT-3.1.2-11]
/// [3.1.1 MQTT-3.1.2-13] [3.1.1 MQTT-3.1.2-14] [3.1.1 MQTT-3.1.2-15]
#[test]
fn will_flags_at_odds_are_malformed() {
    let broker = Broker::start();
    for version in BOTH {
        let plain = Connect::new(version, "odds");
        let bad = [
            plain.clone().flag(0x08),
            plain.clone().flag(0x10),
            plain.clone().flag(0x20),
            plain.will(Will::new("w", "x").qos(3)),
        ];
        for connect in bad {
            let mut conn = broker.open(version);
            conn.send(&connect.bytes());
            let said = conn.read_to_end();
            assert!(said.iter().all(|p| p.code >= 0x80), "{said:?}");
        }
    }
}

/// The will flag is set but the packet ends where the will should stand.
/// [MQTT-3.1.2-9] [3.1.1 MQTT-3.1.2-9] [MQTT-3.1.3-1] [3.1.1 MQTT-3.1.3-1]
#[test]
fn will_flag_without_will_is_malformed() {
    let broker = Broker::start();
    for version in BOTH {
        let mut conn = broker.open(version);
        conn.send(&Connect::new(version, "nowill").flag(0x04).bytes());
        let said = conn.read_to_end();
        assert!(said.iter().all(|p| p.code >= 0x80), "{said:?}");
    }
}

/// The packet ends before the client id, which must be there and comes first. [MQTT-3.1.3-3]
/// [3.1.1 MQTT-3.1.3-3]
#[test]
fn client_id_is_missing() {
    let broker = Broker::start();
    for version in BOTH {
        let mut conn = broker.open(version);
        let none: &[u8] = if version == V5 { &[0] } else { &[] };
        conn.send(&packet(
            0x10,
            &[&string("MQTT"), &[version as u8, 2, 0, 60], none],
        ));
        let said = conn.read_to_end();
        assert!(said.iter().all(|p| p.code >= 0x80), "{said:?}");
    }
}

/// AUTH with flags that are not 0. [MQTT-3.15.1-1] [MQTT-2.1.3-1]
#[test]
fn flags_of_auth() {
    let broker = Broker::start();
    let mut conn = broker.v5("auth");
    conn.send(&packet(0xF1, &[&[0x18, 0]]));
    conn.expect_closed_for(0x81);
}

/// User name and password stand in the packet exactly when the flags say so: missing ones and
/// ones too many are both malformed. [MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18]
/// [MQTT-3.1.2-19] [3.1.1 MQTT-3.1.2-18] [3.1.1 MQTT-3.1.2-19] [3.1.1 MQTT-3.1.2-20]
/// [3.1.1 MQTT-3.1.2-21]
#[test]
fn credentials_are_where_the_flags_say() {
    let broker = Broker::start();
    for version in BOTH {
        let plain = Connect::new(version, "flags");
        let mut unannounced = plain.bytes();
        unannounced.extend(string("user"));
        unannounced[1] += 6;
        let bad = [
            plain.clone().flag(0x80).bytes(),
            plain.clone().user("u").flag(0x40).bytes(),
            unannounced,
        ];
        for bytes in bad {
            let mut conn = broker.open(version);
            conn.send(&bytes);
            let said = conn.read_to_end();
            assert!(said.iter().all(|p| p.code >= 0x80), "{said:?}");
        }
        broker
            .connect(&plain.clone().user("u").password(b"p"))
            .ping();
        broker.connect(&plain.user("u")).ping();
    }
}

/// 3.1.1 forbids a password without a user name; 5 allows it.
/// [3.1.1 MQTT-3.1.2-22] (5: 3.1.2.9, non-normative)
#[test]
fn password_alone() {
    let broker = Broker::start();
    let mut conn = broker.open(V311);
    conn.send(&Connect::new(V311, "pw").password(b"p").bytes());
    conn.expect_closed();
    broker
        .connect(&Connect::new(V5, "pw").password(b"token"))
        .ping();
}

/// Ids of 1 to 23 letters and digits are everybody's right; longer ones and other characters
/// are let in too. [MQTT-3.1.3-5] [3.1.1 MQTT-3.1.3-5] [MQTT-3.1.3-4]
#[test]
fn client_ids_of_all_legal_kinds() {
    let broker = Broker::start();
    let ids = [
        "a".to_owned(),
        "0123456789abcdefghijkLM".to_owned(),
        "ABCDEFGHIJKLMNOPQRSTUVW".to_owned(),
        "with space/and-slash".to_owned(),
        "温度计".to_owned(),
        "l".repeat(200),
    ];
    for id in &ids {
        for version in BOTH {
            broker.client(version, id).ping();
        }
    }
}

/// Two clients bring no id; each gets one of its own, is told which, and can come back with it.
/// [MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.2.2-16]
#[test]
fn empty_client_id_is_assigned() {
    let broker = Broker::start();
    let mut seen = HashSet::new();
    let mut conns = Vec::new();
    for _ in 0..8 {
        let (conn, connack) = broker.connect_told(&Connect::new(V5, ""));
        let id = connack
            .props
            .text(prop::ASSIGNED_CLIENT_ID)
            .expect("an id")
            .to_owned();
        assert!(!id.is_empty());
        assert!(seen.insert(id), "an id given twice");
        conns.push(conn);
    }
    for mut conn in conns {
        conn.ping();
    }
    let (conn, connack) = broker.connect_told(&Connect::new(V5, "").persistent(100));
    let id = connack
        .props
        .text(prop::ASSIGNED_CLIENT_ID)
        .expect("an id")
        .to_owned();
    conn.bye();
    let (_, connack) = broker.connect_told(&Connect::new(V5, &id).persistent(100));
    assert!(connack.session_present);
    assert_eq!(
        connack.props.text(prop::ASSIGNED_CLIENT_ID),
        None,
        "it brought its own"
    );
}

/// Old clients without an id are welcome if they keep nothing; one that wants its session kept
/// cannot be told apart later and hears return code 2. [3.1.1 MQTT-3.1.3-6]
/// [3.1.1 MQTT-3.1.3-7] [3.1.1 MQTT-3.1.3-8] [3.1.1 MQTT-3.2.2-4] [3.1.1 MQTT-3.2.2-5]
#[test]
fn empty_client_id_in_3_1_1() {
    let broker = Broker::start();
    let mut one = broker.client(V311, "");
    let mut two = broker.client(V311, "");
    one.ping();
    two.ping();
    let mut conn = broker.open(V311);
    conn.send(&Connect::new(V311, "").keep().bytes());
    conn.expect(&[0x20, 2, 0, 2]);
    conn.expect_closed();
}

/// Client ids, user names and will topics are text; broken UTF-8 and NUL are refused in each.
/// [MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12] [MQTT-1.5.4-1] [MQTT-1.5.4-2]
/// [3.1.1 MQTT-3.1.3-4] [3.1.1 MQTT-3.1.3-10] [3.1.1 MQTT-3.1.3-11] [3.1.1 MQTT-1.5.3-1]
/// [3.1.1 MQTT-1.5.3-2]
#[test]
fn text_in_connect_is_utf8() {
    let broker = Broker::start();
    for version in BOTH {
        let plain = Connect::new(version, "text");
        for bad in [&b"a\xFF"[..], b"\xED\xA0\x80", b"a\0b", b"\xC0\x80"] {
            let connects = [
                plain.clone().client_id_bytes(bad),
                plain.clone().user_bytes(bad),
                plain.clone().will(Will::new("", "x").topic_bytes(bad)),
            ];
            for connect in connects {
                let mut conn = broker.open(version);
                conn.send(&connect.bytes());
                let said = conn.read_to_end();
                assert!(said.iter().all(|p| p.code != 0), "{said:?}");
            }
        }
    }
}

/// What a client may rely on is announced once, in CONNACK, and what is the protocol's own
/// default is left out. [MQTT-3.2.2-9]
#[test]
fn limits_are_announced() {
    let broker = Broker::start();
    let (_, connack) = broker.connect_told(&Connect::new(V5, "limits").keep_alive(60));
    let props = &connack.props;
    assert_eq!(props.number(prop::RECEIVE_MAXIMUM), Some(1024));
    assert_eq!(props.number(prop::TOPIC_ALIAS_MAXIMUM), Some(32));
    assert_eq!(props.number(prop::MAXIMUM_PACKET_SIZE), Some(1_048_576));
    assert_eq!(
        props.number(prop::MAXIMUM_QOS),
        None,
        "QoS 2 is the default"
    );
    assert_eq!(
        props.number(prop::SERVER_KEEP_ALIVE),
        None,
        "60 s were granted"
    );
    assert_eq!(props.number(prop::SESSION_EXPIRY), None, "as asked");
    assert_eq!(props.text(prop::ASSIGNED_CLIENT_ID), None);
    assert_ne!(props.number(prop::RETAIN_AVAILABLE), Some(0));
    assert_ne!(props.number(prop::WILDCARD_AVAILABLE), Some(0));
    assert_ne!(props.number(prop::SUBSCRIPTION_ID_AVAILABLE), Some(0));
    assert_ne!(props.number(prop::SHARED_AVAILABLE), Some(0));
}

/// A session kept for ever costs memory for ever: more than seven days are lowered to seven, and
/// the client is told; less stays as asked. (3.2.2.3.2, non-normative)
#[test]
fn session_expiry_is_capped_and_told() {
    let broker = Broker::start();
    for (asked, told) in [(100, None), (604_800, None), (u32::MAX, Some(604_800))] {
        let connect = Connect::new(V5, "expiry").persistent(asked);
        let (_, connack) = broker.connect_told(&connect);
        assert_eq!(
            connack.props.number(prop::SESSION_EXPIRY),
            told,
            "asked {asked}"
        );
    }
}

/// A client asks for things nobody may ask for: Receive Maximum 0, Maximum Packet Size 0, flags
/// that are neither 0 nor 1, a property twice, one that belongs elsewhere, authentication data
/// without a method. (3.1.2.11) [MQTT-3.1.4-1] [MQTT-4.13.1-1]
#[test]
fn illegal_connect_properties() {
    let broker = Broker::start();
    let four = prop::four;
    let bad: Vec<Vec<Vec<u8>>> = vec![
        vec![prop::two(prop::RECEIVE_MAXIMUM, 0)],
        vec![four(prop::MAXIMUM_PACKET_SIZE, 0)],
        vec![prop::byte(prop::REQUEST_PROBLEM_INFORMATION, 2)],
        vec![prop::byte(prop::REQUEST_RESPONSE_INFORMATION, 7)],
        vec![four(prop::SESSION_EXPIRY, 1), four(prop::SESSION_EXPIRY, 1)],
        vec![prop::two(prop::TOPIC_ALIAS, 1)],
        vec![prop::text(prop::ASSIGNED_CLIENT_ID, "me")],
        vec![prop::data(prop::AUTHENTICATION_DATA, b"x")],
        vec![vec![0x7E, 0]],
    ];
    for list in bad {
        let mut connect = Connect::new(V5, "illegal");
        for property in &list {
            connect = connect.prop(property.clone());
        }
        let mut conn = broker.open(V5);
        conn.send(&connect.bytes());
        let said = conn.read_to_end();
        assert!(
            said.iter().all(|p| matches!(p.code, 0x81 | 0x82)),
            "{list:?}: {said:?}"
        );
    }
}

/// A client wants to prove itself by a method nobody here knows: 0x8C, closed, and no AUTH is
/// ever sent to one who did not ask. [MQTT-4.12.0-1] [MQTT-4.12.0-4] [MQTT-4.12.0-6]
/// [MQTT-4.12.0-7] [MQTT-4.12.1-2] [MQTT-3.1.4-2] [MQTT-3.2.2-6] [MQTT-3.2.2-7]
/// [MQTT-3.2.2-8] [MQTT-3.14.0-1] [MQTT-4.13.2-1]
#[test]
fn unknown_authentication_method() {
    let broker = Broker::start();
    let method = prop::text(prop::AUTHENTICATION_METHOD, "SCRAM-SHA-1");
    let mut conn = broker.open(V5);
    conn.send(&Connect::new(V5, "auth").prop(method).bytes());
    let connack = conn.read_kind(Kind::ConnAck);
    assert_eq!(connack.code, 0x8C);
    assert!(!connack.session_present);
    conn.expect_closed();
    // AUTH out of nowhere is against the rules of this connection, also to authenticate again.
    for reason in [0x18, 0x19] {
        let (mut conn, connack) = broker.connect_told(&Connect::new(V5, "auth"));
        assert_eq!(connack.props.text(prop::AUTHENTICATION_METHOD), None);
        conn.send(&packet(0xF0, &[&[reason, 0]]));
        conn.expect_closed_for(0x82);
    }
}

/// Clients in a hurry send SUBSCRIBE and PUBLISH right behind CONNECT, in one segment; the
/// answers come after CONNACK, in order. (3.1.4, non-normative) [MQTT-3.2.0-1]
#[test]
fn pipelined_before_connack() {
    let broker = Broker::start();
    for version in ALL {
        let mut conn = broker.open(version);
        let all = [
            Connect::new(version, "hurry").bytes(),
            subscribe(version, 1, &[("hurry/#", 1)]),
            Publish::new("hurry/1", "one").qos1(2).bytes(version),
            pingreq(),
        ];
        conn.send(&all.concat());
        assert_eq!(conn.read_kind(Kind::ConnAck).code, 0);
        assert_eq!(conn.read_kind(Kind::SubAck).codes, [1]);
        let mut left = vec![Kind::Publish, Kind::PubAck, Kind::PingResp];
        while !left.is_empty() {
            let got = conn.read_packet();
            let at = left.iter().position(|k| *k == got.kind).expect("each once");
            left.remove(at);
        }
    }
}

/// A refused client sent more behind its CONNECT, and tries again on the same connection; none of
/// that happens. [MQTT-3.1.4-6] [3.1.1 MQTT-3.1.4-5]
#[test]
fn nothing_after_a_refused_connect_counts() {
    let broker = Broker::start();
    let mut witness = broker.v5("witness");
    witness.subscribe("refused/#", 1);
    let mut conn = broker.open(V311);
    let sneaky = Publish::new("refused/1", "no").qos1(1).bytes(V311);
    conn.send(&[&Connect::new(V311, "").keep().bytes()[..], &sneaky].concat());
    conn.expect(&[0x20, 2, 0, 2]);
    conn.send(&[&Connect::new(V311, "better").bytes()[..], &sneaky].concat());
    conn.expect_closed();
    witness.nothing_from_itself();
}

/// The CONNECT comes in single bytes, as a slow modem would send it. (4.2) [MQTT-4.2.0-1]
#[test]
fn connect_byte_by_byte() {
    let broker = Broker::start();
    for version in ALL {
        let mut conn = broker.open(version);
        for byte in Connect::new(version, "slow").bytes() {
            conn.send(&[byte]);
        }
        assert_eq!(conn.read_kind(Kind::ConnAck).code, 0);
        conn.ping();
    }
}

/// A keep-alive longer than the broker cares to wait is lowered, and the client is told; a
/// shorter one stays the client's. [MQTT-3.2.2-22]
#[test]
fn server_keep_alive_only_when_lowered() {
    let broker = Broker::with(&["mqtt.max_keepalive=30"]);
    for (asked, told) in [(10, None), (30, None), (31, Some(30)), (65535, Some(30))] {
        let connect = Connect::new(V5, "keepalive").keep_alive(asked);
        let (_, connack) = broker.connect_told(&connect);
        assert_eq!(
            connack.props.number(prop::SERVER_KEEP_ALIVE),
            told,
            "asked {asked}"
        );
    }
}

/// PINGREQ is answered in every version, at once. [MQTT-3.12.4-1] [3.1.1 MQTT-3.12.4-1]
#[test]
fn ping_is_answered() {
    let broker = Broker::start();
    for version in ALL {
        let mut conn = broker.client(version, "ping");
        for _ in 0..3 {
            conn.ping();
        }
    }
}

/// A length may be written only in its shortest form; a CONNECT whose property length is padded
/// is malformed. [MQTT-1.5.5-1]
#[test]
fn padded_property_length_is_malformed() {
    let broker = Broker::start();
    let body = [
        &string("MQTT")[..],
        &[5, 2, 0, 60, 0x80, 0x00],
        &string("padded"),
    ]
    .concat();
    let mut conn = broker.open(V5);
    conn.send(&[vec![0x10], varint(body.len() as u32), body].concat());
    let said = conn.read_to_end();
    assert!(said.iter().all(|p| p.code == 0x81), "{said:?}");
}
