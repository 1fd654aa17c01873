//! Peers that mean harm or know no better (rows P01 to P13 of our reliability table): whatever
//! comes, only their own connection ends, soon, and a bystander notices nothing.

use std::time::{Duration, Instant};

use crate::wire::{
    BOTH, Broker, Conn, Connect, Kind, Outcome, Publish, V5, V311, Version, Will, ack, packet,
    pingreq, prop, string, subscribe, unsubscribe, varint,
};

/// The bystander of every story here: it talks to itself, and must be able to go on.
fn bystander(broker: &Broker) -> Conn {
    let mut conn = broker.v5("bystander");
    conn.subscribe("calm", 1);
    conn
}

#[track_caller]
fn still_calm(conn: &mut Conn) {
    conn.send(&Publish::new("calm", "x").bytes(V5));
    conn.receive_this("calm", "x");
}

/// Sends bytes on a fresh connection and reads until the end. Over when the broker closed; a
/// broker that waits for more gets an end of stream and must close then.
#[track_caller]
fn throw(broker: &Broker, version: Version, bytes: &[u8]) {
    let mut conn = broker.open(version);
    conn.send(bytes);
    let _ = conn.stream.shutdown(std::net::Shutdown::Write);
    conn.read_raw_to_end();
}

/// One packet of each kind a client may send, each whole and legal, without ids in flight.
fn specimens(version: Version) -> Vec<Vec<u8>> {
    let v5 = version == V5;
    let will = Will::new("will/t", "w").qos(1);
    let mut connect = Connect::new(version, "specimen")
        .will(will)
        .user("u")
        .password(b"p");
    let mut publish = Publish::new("t/1", "payload").qos1(7);
    if v5 {
        connect = connect
            .prop(prop::four(prop::SESSION_EXPIRY, 0))
            .prop(prop::user("k", "v"));
        publish = publish
            .prop(prop::text(prop::CONTENT_TYPE, "text"))
            .prop(prop::data(prop::CORRELATION_DATA, b"c"))
            .prop(prop::user("k", "v"));
    }
    vec![
        connect.bytes(),
        publish.bytes(version),
        ack(0x40, 1),
        ack(0x50, 1),
        ack(0x62, 1),
        ack(0x70, 1),
        subscribe(version, 3, &[("a/+", 1), ("b/#", 0)]),
        unsubscribe(version, 4, &["a/+", "b/#"]),
        pingreq(),
        crate::wire::disconnect(version, if v5 { 4 } else { 0 }, &[]),
    ]
}

/// P01: each of the sixteen packet types as the first packet, and a name instead of a protocol.
/// [MQTT-3.1.0-1] [3.1.1 MQTT-3.1.0-1]
#[test]
fn p01_any_first_packet() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    for kind in (0..16u8).filter(|k| *k != 1) {
        for flags in [0, 2, 0x0F] {
            let mut conn = broker.open(V311);
            let started = Instant::now();
            conn.send(&packet(kind << 4 | flags, &[&[0, 1, b'a', 0]]));
            assert_eq!(conn.read_raw_to_end(), [0; 0], "kind {kind}");
            assert!(started.elapsed() < Duration::from_secs(1));
        }
    }
    for line in [
        "GET / HTTP/1.0\r\n\r\n",
        "SSH-2.0-x\r\n",
        "\x16\x03\x01\x02\0\x01\0",
        "\0\0\0",
    ] {
        throw(&broker, V311, line.as_bytes());
    }
    still_calm(&mut calm);
}

/// P02: a CONNECT that announces 256 MB is refused at its header, not read on.
#[test]
fn p02_huge_connect() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    for _ in 0..50 {
        let mut conn = broker.open(V311);
        conn.send(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F]);
        conn.send(&string("MQTT"));
        conn.read_raw_to_end();
    }
    still_calm(&mut calm);
}

/// P03: lengths of five bytes, over-long ones, and the greatest. [MQTT-1.5.5-1] [MQTT-2.1.3-1]
#[test]
fn p03_variable_lengths() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    for version in BOTH {
        for length in [
            &[0x80, 0x00][..],
            &[0x80, 0x80, 0x00],
            &[0x82, 0x80, 0x80, 0x00],
            &[0xFF, 0xFF, 0xFF, 0xFF],
            &[0x80, 0x80, 0x80, 0x80, 0x01],
        ] {
            for first in [0x10, 0x30, 0x82, 0xC0] {
                let mut conn = broker.open(version);
                if first != 0x10 {
                    conn.connect(&Connect::new(version, "lengths"));
                }
                conn.send(&[&[first][..], length].concat());
                conn.read_raw_to_end();
            }
        }
    }
    still_calm(&mut calm);
}

/// P04: a remaining length too small for what the packet must hold. [MQTT-4.13.1-1]
/// [3.1.1 MQTT-4.8.0-1]
#[test]
fn p04_too_short_for_itself() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    for version in BOTH {
        for first in [0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x82, 0xA2] {
            for length in 0..2u8 {
                let mut conn = broker.client(version, "short");
                conn.send(&[&[first, length][..], &[0, 0][..usize::from(length)]].concat());
                let said = conn.read_to_end();
                assert!(
                    said.iter().all(|p| matches!(p.code, 0x81 | 0x82)),
                    "{said:?}"
                );
                assert_eq!(
                    said.len(),
                    usize::from(version == V5),
                    "{first:#x} {length}"
                );
            }
        }
    }
    still_calm(&mut calm);
}

/// P05: every packet cut at every byte, its length corrected or not, and every byte of it set to
/// 0, 0xFF, one more, one less. The broker answers or closes; it does not fall over.
/// [MQTT-3.1.4-1] [3.1.1 MQTT-3.1.4-1]
#[test]
fn p05_cut_and_bent() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    for version in BOTH {
        let hello = Connect::new(version, "bent").bytes();
        for specimen in specimens(version) {
            let before: &[u8] = if specimen[0] == 0x10 { &[] } else { &hello };
            for cut in 1..specimen.len() {
                let mut corrected = specimen[..cut].to_vec();
                throw(&broker, version, &[before, &corrected].concat());
                if cut >= 2 {
                    corrected[1] = (cut - 2) as u8;
                    throw(&broker, version, &[before, &corrected].concat());
                }
            }
            for at in 0..specimen.len() {
                let was = specimen[at];
                for value in [
                    0,
                    0xFF,
                    was.wrapping_add(1),
                    was.wrapping_sub(1),
                    was ^ 0x80,
                ] {
                    let mut bent = specimen.clone();
                    bent[at] = value;
                    throw(&broker, version, &[before, &bent].concat());
                }
            }
            still_calm(&mut calm);
        }
    }
}

/// P06: packets that only a server may send, before and after CONNECT. [MQTT-3.1.0-1]
/// [MQTT-4.13.1-1] [3.1.1 MQTT-4.8.0-1]
#[test]
fn p06_server_packets() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    let server = [
        vec![0x20, 3, 0, 0, 0],
        vec![0x20, 2, 0, 0],
        vec![0x90, 3, 0, 1, 0],
        vec![0xB0, 2, 0, 1],
        vec![0xD0, 0],
        vec![0x00, 0],
        vec![0xF0, 0],
    ];
    for version in BOTH {
        for bytes in &server {
            let mut conn = broker.open(version);
            conn.send(bytes);
            assert_eq!(conn.read_raw_to_end(), [0; 0]);
            let mut conn = broker.client(version, "server");
            conn.send(bytes);
            let said = conn.read_to_end();
            assert_eq!(said.len(), usize::from(version == V5));
            assert!(
                said.iter().all(|p| matches!(p.code, 0x81 | 0x82)),
                "{said:?}"
            );
        }
    }
    still_calm(&mut calm);
}

/// P07: client id, user, password, will topic and will payload, each empty or not, in all 32
/// mixes, over TCP and WebSocket; only the empty will topic is wrong. [MQTT-3.1.3-6]
#[test]
fn p07_empty_fields() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    for version in BOTH {
        for mix in 0..32 {
            let pick = |bit: u8, full: &'static str| if mix & (1 << bit) == 0 { "" } else { full };
            let connect = Connect::new(version, pick(0, "id"))
                .user(pick(1, "user"))
                .password(pick(2, "password").as_bytes())
                .will(Will::new(pick(3, "will/empty"), pick(4, "payload")));
            for web in [false, true] {
                let mut conn = if web {
                    Conn::open_web(broker.ws, version)
                } else {
                    broker.open(version)
                };
                if mix & (1 << 3) != 0 {
                    conn.connect(&connect);
                    conn.ping();
                } else {
                    conn.send(&connect.bytes());
                    let said = conn.read_to_end();
                    assert!(said.iter().all(|p| p.code != 0), "{said:?}");
                }
            }
        }
    }
    still_calm(&mut calm);
}

/// P08: control characters and non-characters in a topic are refused by default.
/// (1.5.4, non-normative)
#[test]
fn p08_strict_text() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    for version in BOTH {
        for bad in [
            "a\u{1}",
            "a\u{1F}",
            "a\u{7F}",
            "a\u{9F}",
            "a\u{FFFF}",
            "a\u{FDD0}",
        ] {
            let mut conn = broker.client(version, "text");
            conn.send(&Publish::new(bad, "x").bytes(version));
            conn.read_to_end();
        }
    }
    still_calm(&mut calm);
}

/// P09: nobody reaches the inside by name: retained or live, `$share/...` and `$queue/...` as
/// topics included. [3.1.1 MQTT-3.3.5-2]
#[test]
fn p09_no_way_inside() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    calm.subscribe("x", 0);
    for topic in [
        "$share/g/x",
        "$queue/x",
        "$SYS/brokers",
        "$CONTROL/dynamic-security/v1",
        "$",
    ] {
        let mut conn = broker.v5("inside");
        assert_eq!(
            conn.publish(&Publish::new(topic, "x").qos1(1).retained()),
            0x87
        );
        assert_eq!(conn.publish(&Publish::new(topic, "x").qos2(2)), 0x87);
        calm.nothing_from(&mut conn, 1);
    }
    still_calm(&mut calm);
}

/// P10: topics and filters of as many levels as the broker takes, and of far more: refused by name,
/// at no great cost, and the next one is served. (4.7.3, non-normative) [MQTT-3.8.3-1]
#[test]
fn p10_deep_topics() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    let deep = |levels: usize| vec!["a"; levels].join("/");
    for version in BOTH {
        let mut conn = broker.client(version, "deep");
        conn.subscribe(&deep(128), 0);
        conn.publish(&Publish::new(&deep(128), "x"));
        conn.receive_this(&deep(128), "x");
        let started = Instant::now();
        for text in [
            deep(129),
            deep(32_768),
            "/".repeat(65_535),
            "+/".repeat(32_767),
        ] {
            for _ in 0..20 {
                let mut conn = broker.client(version, "deep");
                conn.send(&subscribe(version, 1, &[(&text, 0)]));
                // Refused in its SUBACK, or with the connection: 0x8F is the name of it.
                match conn.read_by(Instant::now() + Duration::from_secs(8)) {
                    Outcome::Packet(p) if p.kind == Kind::SubAck => {
                        assert_eq!(p.codes, [if version == V5 { 0x8F } else { 0x80 }]);
                    }
                    Outcome::Packet(p) => assert_eq!((p.kind, p.code), (Kind::Disconnect, 0x8F)),
                    Outcome::Closed => assert_eq!(version, V311),
                    Outcome::Late => panic!("no answer"),
                }
                let mut conn = broker.client(version, "deep");
                conn.send(&Publish::new(&text, "x").bytes(version));
                let said = conn.read_to_end();
                assert!(
                    said.iter().all(|p| matches!(p.code, 0x81 | 0x82 | 0x90)),
                    "{said:?}"
                );
            }
        }
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "{:?}",
            started.elapsed()
        );
    }
    still_calm(&mut calm);
}

/// P11: more user properties than anybody needs are refused by count, while the broker goes on.
#[test]
fn p11_flood_of_user_properties() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    let flood: Vec<u8> = prop::user("a", "b").repeat(20_000);
    let mut conn = broker.open(V5);
    conn.send(&Connect::new(V5, "flood").prop(flood.clone()).bytes());
    let said = conn.read_to_end();
    assert!(said.iter().all(|p| p.code >= 0x80), "{said:?}");
    let mut conn = broker.v5("flood");
    conn.send(&Publish::new("a", "x").prop(flood.clone()).bytes(V5));
    let said = conn.read_to_end();
    assert!(
        said.iter()
            .all(|p| p.kind == Kind::Disconnect && p.code >= 0x80),
        "{said:?}"
    );
    let mut conn = broker.v5("flood");
    conn.send(&crate::wire::subscribe_with(V5, 1, &[flood], &[("a", 0)]));
    conn.read_to_end();
    // Sixty-four are fine.
    conn = broker.v5("flood");
    conn.subscribe("a", 0);
    conn.publish(&Publish::new("a", "x").prop(prop::user("a", "b").repeat(64)));
    assert_eq!(conn.receive_this("a", "x").props.users().len(), 64);
    still_calm(&mut calm);
}

/// P12: each property in each packet where it may not stand, and property lengths that lie.
/// (2.2.2.2) [MQTT-4.13.1-1]
#[test]
fn p12_properties_out_of_place() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    let allowed: [(u8, &[u8]); 7] = [
        (0x30, &[1, 2, 3, 8, 9, 35, 38]),
        (0x40, &[31, 38]),
        (0x62, &[31, 38]),
        (0x82, &[11, 38]),
        (0xA2, &[38]),
        (0xE0, &[17, 31, 38]),
        (0x50, &[31, 38]),
    ];
    for (first, legal) in allowed {
        for id in (0..=43u8).filter(|id| !legal.contains(id)) {
            let property = [
                vec![id],
                match id {
                    1 | 23 | 25 | 36 | 37 | 40 | 41 | 42 | 11 => vec![1],
                    19 | 33 | 34 | 35 => vec![0, 1],
                    2 | 17 | 24 | 39 => vec![0, 0, 0, 1],
                    38 => vec![0, 1, b'a', 0, 1, b'b'],
                    _ => vec![0, 1, b'a'],
                },
            ]
            .concat();
            let props = [vec![property.len() as u8], property].concat();
            refuse(&broker, first, &props);
        }
        // One byte more, one byte less than there is, and an id without a value.
        for props in [
            &[7, 38, 0, 1, b'a', 0, 1][..],
            &[3, 38, 0, 1, b'a'],
            &[1, 38],
            &[0x80, 0],
        ] {
            refuse(&broker, first, props);
        }
    }
    still_calm(&mut calm);
}

/// Sends a packet with this property block (its length included); it must end the connection.
#[track_caller]
fn refuse(broker: &Broker, first: u8, props: &[u8]) {
    let filter = string("a");
    let parts: Vec<&[u8]> = match first {
        0x30 => vec![&filter, props],
        0x82 => vec![&[0, 1], props, &filter, &[0]],
        0xA2 => vec![&[0, 1], props, &filter],
        0xE0 => vec![&[0], props],
        _ => vec![&[0, 1], &[0], props],
    };
    let mut conn = broker.v5("place");
    conn.send(&packet(first, &parts));
    let said = conn.read_to_end();
    let code = said.last().map(|p| (p.kind, p.code));
    // A lying length may turn the rest of the packet into something else that is wrong.
    assert!(
        matches!(code, Some((Kind::Disconnect, 0x81 | 0x82 | 0x8F | 0x90))),
        "{first:#x} {props:02x?}: {said:?}"
    );
}

/// P13: long random runs of legal and illegal packets over three client ids. What is answered is
/// judged by the wire room; here it counts that the broker lives and others are not disturbed.
#[test]
fn p13_random_runs() {
    for seed in [0x2545_F491_4F6C_DD1D, 2, 5, 14] {
        println!("seed {seed}");
        random_runs(seed);
    }
}

fn random_runs(seed: u64) {
    let broker = Broker::with(&["shards=2"]);
    let mut calm = bystander(&broker);
    // A small generator of our own (xorshift): the same runs every time.
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut roll = move |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    for _ in 0..40 {
        let version = [V311, V5][roll(2)];
        let name = ["one", "two", "three"][roll(3)];
        let mut conn = broker.open(version);
        conn.send(
            &Connect::new(version, name)
                .persistent([0, 1, 60][roll(3)])
                .bytes(),
        );
        for _ in 0..200 {
            let id = roll(6) as u16;
            let topic = ["r/1", "r/2", "r/3/4", "$SYS/x"][roll(4)];
            let filter = ["r/+", "r/#", "$share/g/r/1", "#", "r/#/x", "$share/h/r/+"][roll(6)];
            conn.send(&match roll(12) {
                0..4 => Publish::new(topic, "x")
                    .qos(roll(3) as u8, id.max(1))
                    .bytes(version),
                4 => Publish::new(topic, "").retained().bytes(version),
                5 => subscribe(version, id.max(1), &[(filter, roll(3) as u8)]),
                6 => unsubscribe(version, id.max(1), &[filter]),
                7 => ack(0x40, id.max(1)),
                8 => ack(0x50, id.max(1)),
                9 => ack(0x62, id.max(1)),
                10 => ack(0x70, id.max(1)),
                _ => pingreq(),
            });
            if roll(400) == 0 {
                conn.send(&[roll(256) as u8, 2, 0, 0]);
            }
        }
        conn.send(&[0xC0, 0]);
        while let Outcome::Packet(packet) =
            conn.read_by(Instant::now() + Duration::from_millis(300))
        {
            if packet.kind == Kind::PingResp && roll(3) == 0 {
                break;
            }
        }
        still_calm(&mut calm);
    }
}

/// Somebody connects and says nothing, or says it so slowly that it amounts to nothing: gone
/// after the deadline, which is for the whole CONNECT (X01, X02).
#[test]
fn connect_deadline() {
    let broker = Broker::with(&["mqtt.connect_timeout=1s"]);
    let mut silent = broker.open(V311);
    let mut half = broker.open(V311);
    half.send(&[0x10]);
    let mut dripping = broker.open(V311);
    let started = Instant::now();
    let bytes = Connect::new(V311, "dripping-with-a-long-client-id").bytes();
    for byte in bytes.iter().take(30) {
        dripping.send(&[*byte]);
        if let Outcome::Closed = dripping.read_by(Instant::now() + Duration::from_millis(100)) {
            break;
        }
    }
    for conn in [&mut silent, &mut half, &mut dripping] {
        assert_eq!(conn.read_raw_to_end(), [0; 0]);
    }
    assert!(
        started.elapsed() < Duration::from_millis(3500),
        "{:?}",
        started.elapsed()
    );
    broker.client(V311, "fine").ping();
}

/// One and a half keep-alives of silence end a connection; a packet of any kind within them, or
/// keep-alive 0, keeps it. [MQTT-3.1.2-22] [3.1.1 MQTT-3.1.2-24]
#[test]
fn keep_alive() {
    let broker = Broker::start();
    for version in BOTH {
        let mut forever = broker.connect(&Connect::new(version, "forever").keep_alive(0));
        let mut silent = broker.connect(&Connect::new(version, "silent").keep_alive(1));
        let mut busy = broker.connect(&Connect::new(version, "busy").keep_alive(1));
        let started = Instant::now();
        // What keeps alive is the client's talk: here PUBLISH, not PINGREQ.
        while started.elapsed() < Duration::from_millis(3000) {
            busy.publish(&Publish::new("busy", "x").qos1(1));
            assert!(matches!(
                busy.read_by(Instant::now() + Duration::from_millis(250)),
                Outcome::Late
            ));
        }
        busy.ping();
        forever.ping();
        silent.expect_closed_for(0x8D);
    }
}

/// The will of a huge payload: 65,535 bytes, the most the length can say, is legal. (3.1.3.4)
#[test]
fn largest_will() {
    let broker = Broker::start();
    let mut witness = broker.v5("witness");
    witness.subscribe("huge", 1);
    let will = Will::new("huge", &"w".repeat(65_535)).qos(1);
    broker.connect(&Connect::new(V311, "huge").will(will)).cut();
    assert_eq!(witness.receive().payload.len(), 65_535);
}

/// Half a packet, then nothing: the bystander does not wait for it.
#[test]
fn unfinished_packet_holds_up_nobody() {
    let broker = Broker::start();
    let mut calm = bystander(&broker);
    let mut half = broker.v5("half");
    half.send(&[vec![0x30], varint(100_000), vec![0, 1, b'a', 0]].concat());
    for _ in 0..10 {
        still_calm(&mut calm);
    }
    half.send(&vec![0; 100_000 - 4]);
    half.ping();
}
