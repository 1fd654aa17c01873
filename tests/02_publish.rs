//! PUBLISH (3.3, 4.3.1, 4.7): topics, who receives, and what a publisher is told.

use crate::wire::{
    ALL, BOTH, Broker, Connect, Kind, Publish, V5, V311, packet, prop, raw_publish, string,
};

/// One speaks, one listens, in every mix of versions; the payload arrives byte for byte, the
/// empty one too. [MQTT-3.3.2-3] [MQTT-4.3.1-1] [3.1.1 MQTT-3.3.2-3] [3.1.1 MQTT-4.3.1-1]
#[test]
fn across_versions() {
    let broker = Broker::start();
    for from in ALL {
        for to in ALL {
            let mut listener = broker.client(to, "listener");
            listener.subscribe("room/+/temp", 0);
            let mut speaker = broker.client(from, "speaker");
            for payload in [&b"21.5"[..], b"", b"\0\xFF\xFE binary"] {
                speaker.publish(&Publish::new("room/1/temp", payload));
                let got = listener.receive();
                assert_eq!((got.topic.as_str(), got.qos), ("room/1/temp", 0));
                assert_eq!(got.payload, payload);
                assert!(!got.dup && !got.retain);
            }
        }
    }
}

/// A large message arrives whole, in both directions of size: one byte, the edges of the length
/// encoding, and nearly the greatest allowed. (2.1.4)
#[test]
fn payload_sizes() {
    let broker = Broker::start();
    let mut listener = broker.client(V311, "listener");
    listener.subscribe("size", 1);
    let mut speaker = broker.v5("speaker");
    for (id, size) in [1, 120, 128, 16_376, 16_384, 65_536, 1_000_000]
        .into_iter()
        .enumerate()
    {
        let payload: Vec<u8> = (0..size).map(|i: u32| (i % 251) as u8).collect();
        speaker.publish(&Publish::new("size", &payload).qos1(id as u16 + 1));
        assert_eq!(listener.receive().payload, payload);
    }
}

/// The publisher subscribed too, and hears itself once. (3.8.3.1: No Local is off)
#[test]
fn own_message_comes_back() {
    let broker = Broker::start();
    for version in ALL {
        let mut conn = broker.client(version, "own");
        conn.subscribe("own/#", 0);
        conn.publish(&Publish::new("own/1", "me"));
        conn.receive_this("own/1", "me");
        conn.nothing_from_itself();
    }
}

/// A topic with a wildcard names no topic; the connection ends. [MQTT-3.3.2-2] [MQTT-4.7.0-1]
/// [3.1.1 MQTT-3.3.2-2] [3.1.1 MQTT-4.7.1-1]
#[test]
fn wildcard_in_topic() {
    let broker = Broker::start();
    for version in BOTH {
        for topic in ["a/+", "#", "a/#/b", "+", "a+b"] {
            let mut conn = broker.client(version, "wild");
            conn.send(&Publish::new(topic, "x").bytes(version));
            conn.expect_closed_for(0x90);
        }
    }
}

/// A topic must be there and be at least one character. [MQTT-4.7.3-1] [MQTT-3.3.2-1]
/// [3.1.1 MQTT-4.7.3-1] [3.1.1 MQTT-3.3.2-1]
#[test]
fn empty_topic() {
    let broker = Broker::start();
    for version in BOTH {
        let mut conn = broker.client(version, "empty");
        conn.send(&Publish::new("", "x").bytes(version));
        conn.expect_closed_for(0x82);
    }
    // Not even the length of a topic fits into this packet.
    let mut conn = broker.v5("empty");
    conn.send(&packet(0x30, &[&[0]]));
    conn.expect_closed_for(0x81);
}

/// A topic that is no UTF-8, or holds NUL, ends the connection. [MQTT-1.5.4-1] [MQTT-1.5.4-2]
/// [MQTT-3.3.2-1] [MQTT-4.7.3-2] [3.1.1 MQTT-1.5.3-1] [3.1.1 MQTT-1.5.3-2]
/// [3.1.1 MQTT-4.7.3-2]
#[test]
fn topic_is_utf8() {
    let broker = Broker::start();
    for version in BOTH {
        for bad in [
            &b"a\xFF"[..],
            b"\xED\xA0\x80",
            b"a\0",
            b"\xF4\x90\x80\x80",
            b"\xC1\xBF",
        ] {
            let mut conn = broker.client(version, "utf8");
            conn.send(&raw_publish(version, 0x30, bad, 0));
            let said = conn.read_to_end();
            assert!(
                said.iter().all(|p| matches!(p.code, 0x81 | 0x90)),
                "{said:?}"
            );
        }
    }
}

/// Topics are compared as they are: no case folding, no trimming, no Unicode normalisation, and
/// U+FEFF at the front is a character like any other. [MQTT-4.7.3-4] [MQTT-1.5.4-3]
/// [3.1.1 MQTT-4.7.3-4] [3.1.1 MQTT-1.5.3-3]
#[test]
fn topics_are_not_normalised() {
    let broker = Broker::start();
    let topics = [
        "Case",
        "case",
        "case ",
        " case",
        "/case",
        "case/",
        "//case",
        "\u{e9}",
        "e\u{301}",
        "\u{FEFF}case",
        "温度",
    ];
    for version in BOTH {
        for topic in topics {
            let mut listener = broker.client(version, "exact");
            listener.subscribe(topic, 0);
            let mut speaker = broker.client(version, "speaker");
            for other in topics {
                speaker.publish(&Publish::new(other, other));
            }
            listener.receive_this(topic, topic);
            listener.nothing_from(&mut speaker, 0);
        }
    }
}

/// The longest topic there can be, 65,535 bytes, is carried unchanged. [MQTT-4.7.3-3]
/// [3.1.1 MQTT-4.7.3-3]
#[test]
fn longest_topic() {
    let broker = Broker::start();
    let topic = "t".repeat(65_535);
    for version in BOTH {
        let mut conn = broker.client(version, "longest");
        conn.subscribe(&topic, 0);
        conn.publish(&Publish::new(&topic, "x"));
        assert_eq!(conn.receive().topic, topic);
    }
}

/// Both QoS bits set is no QoS. [MQTT-3.3.1-4] [3.1.1 MQTT-3.3.1-4]
#[test]
fn qos_3_is_malformed() {
    let broker = Broker::start();
    for version in BOTH {
        let mut conn = broker.client(version, "qos3");
        conn.send(&raw_publish(version, 0x36, b"a", 1));
        conn.expect_closed_for(0x81);
    }
}

/// DUP says "again", which at QoS 0 there is not. [MQTT-3.3.1-2] [3.1.1 MQTT-3.3.1-2]
#[test]
fn dup_at_qos_0_is_malformed() {
    let broker = Broker::start();
    for version in BOTH {
        let mut conn = broker.client(version, "dup0");
        conn.send(&raw_publish(version, 0x38, b"a", 0));
        conn.expect_closed_for(0x81);
    }
}

/// The publisher's DUP is its own affair: a first delivery to others is no repetition.
/// [MQTT-3.3.1-3] [3.1.1 MQTT-3.3.1-3] [MQTT-4.3.2-2] [MQTT-4.3.3-2]
#[test]
fn dup_is_not_passed_on() {
    let broker = Broker::start();
    for version in BOTH {
        let mut listener = broker.client(version, "listener");
        listener.subscribe("dup", 2);
        let mut speaker = broker.client(version, "speaker");
        for qos in [1, 2] {
            speaker.publish(&Publish::new("dup", "x").qos(qos, 5).dup());
            let got = listener.receive();
            assert_eq!((got.qos, got.dup), (qos, false));
        }
    }
}

/// Nobody listens: a version 5 publisher is told so, and it is no error; a subscriber appears,
/// and the answer is plain success. (3.4.2.1) [MQTT-3.4.2-1] [MQTT-3.5.2-1]
#[test]
fn no_matching_subscribers() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    assert_eq!(speaker.publish(&Publish::new("nobody", "x").qos1(1)), 0x10);
    assert_eq!(speaker.publish(&Publish::new("nobody", "x").qos2(2)), 0x10);
    let mut listener = broker.v5("listener");
    listener.subscribe("nobody", 0);
    assert_eq!(speaker.publish(&Publish::new("nobody", "x").qos1(3)), 0);
    assert_eq!(speaker.publish(&Publish::new("nobody", "x").qos2(4)), 0);
    let mut old = broker.client(V311, "old");
    old.send(&Publish::new("nothing", "x").qos1(7).bytes(V311));
    old.expect(&[0x40, 2, 0, 7]);
}

/// A client writes to the broker's own topics. It may not: version 5 is told 0x87 where there is
/// an answer, 3.x has no such word and is acknowledged; nobody receives it, and the connection
/// stays. [MQTT-3.3.4-1] [3.1.1 MQTT-3.3.5-2]
#[test]
fn system_topics_are_not_the_clients() {
    let broker = Broker::start();
    for topic in ["$SYS/broker/version", "$SYS/brokers", "$internal/x", "$x"] {
        let mut witness = broker.v5("witness");
        witness.subscribe("$x", 0);
        witness.subscribe("$internal/#", 0);
        let mut new = broker.v5("new");
        assert_eq!(new.publish(&Publish::new(topic, "forged").qos1(1)), 0x87);
        assert_eq!(new.publish(&Publish::new(topic, "forged").qos2(2)), 0x87);
        new.publish(&Publish::new(topic, "forged").retained());
        new.ping();
        let mut old = broker.client(V311, "old");
        assert_eq!(old.publish(&Publish::new(topic, "forged").qos1(1)), 0);
        assert_eq!(old.publish(&Publish::new(topic, "forged").qos2(2)), 0);
        old.publish(&Publish::new(topic, "forged").retained());
        old.ping();
        witness.nothing_from(&mut new, 0);
        witness.nothing_from(&mut old, 0);
        new.subscribe(topic, 0);
        // What is retained there, if anything, is the broker's own.
        new.send(&[0xC0, 0]);
        loop {
            let packet = new.read_packet();
            match packet.publish {
                Some(got) => assert_ne!(got.text(), "forged"),
                None => break assert_eq!(packet.kind, Kind::PingResp),
            }
        }
    }
}

/// A Subscription Identifier is the server's to add; a publisher that brings one is in error.
/// [MQTT-3.3.4-6]
#[test]
fn subscription_id_from_a_client() {
    let broker = Broker::start();
    let mut conn = broker.v5("subid");
    let id = prop::variable(prop::SUBSCRIPTION_ID, 1);
    conn.send(&Publish::new("a", "x").prop(id).bytes(V5));
    conn.expect_closed_for(0x82);
}

/// The response topic is a topic: wildcards in it are an error, and it is text.
/// [MQTT-3.3.2-14] [MQTT-3.3.2-13] [MQTT-3.3.2-19]
#[test]
fn illegal_publish_properties() {
    let broker = Broker::start();
    let bad = [
        prop::text(prop::RESPONSE_TOPIC, "a/+"),
        prop::text(prop::RESPONSE_TOPIC, "#"),
        prop::data(prop::RESPONSE_TOPIC, b"\xFF"),
        prop::data(prop::CONTENT_TYPE, b"\xFF"),
        prop::byte(prop::PAYLOAD_FORMAT, 2),
        prop::four(prop::SESSION_EXPIRY, 1),
        [
            prop::four(prop::MESSAGE_EXPIRY, 1),
            prop::four(prop::MESSAGE_EXPIRY, 1),
        ]
        .concat(),
        // The second half of a pair is no UTF-8. [MQTT-1.5.7-1]
        [&[prop::USER_PROPERTY][..], &string("n"), &[0, 1, 0xFF]].concat(),
    ];
    for property in bad {
        let mut conn = broker.v5("illegal");
        conn.send(&Publish::new("a", "x").prop(property.clone()).bytes(V5));
        let said = conn.read_to_end();
        assert_eq!(said.len(), 1, "{property:02x?}");
        assert!(
            matches!(said[0].code, 0x81 | 0x82 | 0x90),
            "{property:02x?}: {said:?}"
        );
    }
}

/// One publisher, one topic, one QoS: what it sends first arrives first, at each QoS, for a
/// live and for a kept session. [MQTT-4.6.0-5] [MQTT-4.6.0-6] [3.1.1 MQTT-4.6.0-5]
/// [3.1.1 MQTT-4.6.0-6]
#[test]
fn order_is_kept() {
    let broker = Broker::start();
    for version in BOTH {
        for qos in [0, 1, 2] {
            let mut live = broker.client(version, "live");
            live.subscribe("order", qos);
            let name = format!("kept-{version:?}-{qos}");
            let mut kept = broker.connect(&Connect::new(version, &name).persistent(60));
            kept.subscribe("order", qos);
            let mut speaker = broker.client(version, "speaker");
            for n in 1..=100u16 {
                speaker.publish(&Publish::new("order", n.to_string()).qos(qos, n));
            }
            for n in 1..=100 {
                live.receive_this("order", &n.to_string());
                kept.receive_this("order", &n.to_string());
            }
            kept.unsubscribe("order");
            kept.bye();
        }
    }
}
