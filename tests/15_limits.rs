//! What changes when the owner of the broker limits it: each limit is announced where the
//! protocol can, and who does not keep to it hears the reason.

use std::time::{Duration, Instant};

use crate::wire::{
    BOTH, Broker, Conn, Connect, Kind, Outcome, Publish, V5, V311, Will, ack, prop, subscribe,
};

/// QoS 2 is switched off: CONNACK says so, subscriptions of QoS 2 are still taken, publishing
/// with QoS 2 and a will of QoS 2 are not. [MQTT-3.2.2-9] [MQTT-3.2.2-10] [MQTT-3.2.2-11]
/// [MQTT-3.2.2-12]
#[test]
fn maximum_qos() {
    let broker = Broker::with(&["mqtt.max_qos_allowed=1"]);
    let (mut conn, connack) = broker.connect_told(&Connect::new(V5, "qos"));
    assert_eq!(connack.props.number(prop::MAXIMUM_QOS), Some(1));
    conn.send(&subscribe(V5, 1, &[("a", 2)]));
    assert_eq!(conn.read_kind(Kind::SubAck).codes, [1]);
    conn.publish(&Publish::new("a", "x").qos1(1));
    conn.receive_this("a", "x");
    conn.send(&Publish::new("a", "x").qos2(1).bytes(V5));
    conn.expect_closed_for(0x9B);
    let mut conn = broker.open(V5);
    conn.send(
        &Connect::new(V5, "qos")
            .will(Will::new("w", "x").qos(2))
            .bytes(),
    );
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x9B);
    conn.expect_closed();
    let mut old = broker.client(V311, "old");
    old.send(&Publish::new("a", "x").qos2(1).bytes(V311));
    old.expect_closed();
}

/// Retained messages are switched off: announced, and refused in PUBLISH and will.
/// [MQTT-3.2.2-13] [MQTT-3.2.2-14]
#[test]
fn retain_unavailable() {
    let broker = Broker::with(&["mqtt.retain_available=false"]);
    let (mut conn, connack) = broker.connect_told(&Connect::new(V5, "retain"));
    assert_eq!(connack.props.number(prop::RETAIN_AVAILABLE), Some(0));
    conn.send(&Publish::new("a", "x").retained().bytes(V5));
    conn.expect_closed_for(0x9A);
    let mut conn = broker.open(V5);
    conn.send(
        &Connect::new(V5, "retain")
            .will(Will::new("w", "x").retained())
            .bytes(),
    );
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x9A);
    conn.expect_closed();
}

/// Wildcards and shared subscriptions are switched off, each answered with its own reason.
/// [3.1.1 MQTT-3.8.3-2] (3.2.2.3.11, 3.2.2.3.13)
#[test]
fn no_wildcards_and_no_groups() {
    let broker = Broker::with(&[
        "mqtt.wildcard_subscriptions=false",
        "mqtt.shared_subscriptions=false",
    ]);
    let (_, connack) = broker.connect_told(&Connect::new(V5, "plain"));
    assert_eq!(connack.props.number(prop::WILDCARD_AVAILABLE), Some(0));
    assert_eq!(connack.props.number(prop::SHARED_AVAILABLE), Some(0));
    for version in BOTH {
        let mut conn = broker.client(version, "plain");
        let filters = [
            ("a/+", 0),
            ("#", 1),
            ("$share/g/a", 1),
            ("$queue/a", 1),
            ("a", 1),
        ];
        conn.send(&subscribe(version, 1, &filters));
        let codes = conn.read_kind(Kind::SubAck).codes;
        if version == V5 {
            assert_eq!(codes, [0xA2, 0xA2, 0x9E, 0x9E, 1]);
        } else {
            assert_eq!(codes, [0x80, 0x80, 0x80, 0x80, 1]);
        }
    }
}

/// Client ids are limited to 23 bytes; a longer one hears that it is its id.
/// [MQTT-3.1.3-8] [MQTT-3.1.3-5] [3.1.1 MQTT-3.1.3-9] [3.1.1 MQTT-3.1.3-5]
#[test]
fn client_id_too_long() {
    let broker = Broker::with(&["mqtt.max_clientid_len=23"]);
    for version in BOTH {
        broker.client(version, &"i".repeat(23)).ping();
        let mut conn = broker.open(version);
        conn.send(&Connect::new(version, &"i".repeat(24)).bytes());
        let connack = conn.read_kind(Kind::ConnAck);
        assert_eq!(connack.code, if version == V5 { 0x85 } else { 2 });
        conn.expect_closed();
    }
}

/// No aliases at all: none announced, none accepted. [MQTT-3.2.2-18] [MQTT-3.3.2-9]
#[test]
fn no_aliases() {
    let broker = Broker::with(&["mqtt.max_topic_alias=0"]);
    let (mut conn, connack) = broker.connect_told(&Connect::new(V5, "alias"));
    assert_eq!(
        connack.props.number(prop::TOPIC_ALIAS_MAXIMUM).unwrap_or(0),
        0
    );
    conn.send(
        &Publish::new("a", "x")
            .prop(prop::two(prop::TOPIC_ALIAS, 1))
            .bytes(V5),
    );
    conn.expect_closed_for(0x94);
}

/// A smaller packet size and a smaller window are announced, and held. [MQTT-3.2.2-15]
/// [MQTT-3.3.4-7]
#[test]
fn smaller_sizes() {
    let broker = Broker::with(&["mqtt.max_packet_size=1000", "mqtt.max_inflight=2"]);
    let (mut conn, connack) = broker.connect_told(&Connect::new(V5, "size"));
    assert_eq!(connack.props.number(prop::MAXIMUM_PACKET_SIZE), Some(1000));
    assert_eq!(connack.props.number(prop::RECEIVE_MAXIMUM), Some(2));
    conn.subscribe("s", 0);
    // Header 3, topic 3, properties 1.
    conn.publish(&Publish::new("s", vec![b'x'; 1000 - 7]));
    assert_eq!(conn.receive().payload.len(), 1000 - 7);
    conn.send(&Publish::new("s", vec![b'x'; 1000 - 6]).bytes(V5));
    conn.expect_closed_for(0x95);
    let mut conn = broker.v5("window");
    for id in 1..=3 {
        conn.send(&Publish::new("s", "x").qos2(id).bytes(V5));
    }
    conn.read_kind(Kind::PubRec);
    conn.read_kind(Kind::PubRec);
    conn.expect_closed_for(0x93);
}

/// One keep-alive for everybody: announced, and the one that counts. (3.2.2.3.14)
/// [MQTT-3.1.2-22]
#[test]
fn one_keep_alive_for_all() {
    let broker = Broker::with(&["mqtt.server_keepalive=1"]);
    let (mut conn, connack) = broker.connect_told(&Connect::new(V5, "alive").keep_alive(600));
    assert_eq!(connack.props.number(prop::SERVER_KEEP_ALIVE), Some(1));
    conn.expect_closed_for(0x8D);
}

/// One subscription more than allowed is refused alone; giving one back makes room.
/// (3.9.3, 0x97)
#[test]
fn too_many_subscriptions() {
    let broker = Broker::with(&["mqtt.max_subscriptions=2"]);
    for version in BOTH {
        let mut conn = broker.client(version, "many");
        conn.send(&subscribe(
            version,
            1,
            &[("a", 0), ("b", 0), ("c", 0), ("a", 1)],
        ));
        let full = if version == V5 { 0x97 } else { 0x80 };
        assert_eq!(conn.read_kind(Kind::SubAck).codes, [0, 0, full, 1]);
        conn.unsubscribe("b");
        conn.subscribe("c", 0);
    }
}

/// Queues that run over may end the connection instead of dropping: then with 0x97.
/// (4.9, non-normative)
#[test]
fn queue_full_disconnects() {
    let settings = [
        "mqtt.max_inflight=2",
        "mqtt.max_queue=3",
        "mqtt.queue_full=disconnect",
        "mqtt.slow_grace=0ms",
    ];
    let broker = Broker::with(&settings);
    let mut lazy = broker.v5("lazy");
    lazy.subscribe("q", 1);
    let mut speaker = broker.v5("speaker");
    for _ in 0..6 {
        speaker.publish(&Publish::new("q", "x").qos1(1));
    }
    lazy.read_publish();
    lazy.read_publish();
    lazy.expect_closed_for(0x97);
    speaker.ping();
}

/// While a slow client still holds back its publishers its queue is not full: what was on its way
/// waits beyond the bound, and the client stays.
#[test]
fn queue_full_disconnects_after_the_grace() {
    let settings = [
        "mqtt.max_inflight=2",
        "mqtt.max_queue=3",
        "mqtt.queue_full=disconnect",
        "mqtt.slow_grace=10s",
    ];
    let broker = Broker::with(&settings);
    let mut lazy = broker.v5("lazy");
    lazy.subscribe("q", 1);
    // A publisher is held back once it has published, so each of these gets its message through.
    let mut speakers: Vec<Conn> = (0..9).map(|n| broker.v5(&format!("speaker-{n}"))).collect();
    for speaker in &mut speakers {
        speaker.publish(&Publish::new("q", "x").qos1(1));
    }
    let mut ids: Vec<u16> = (0..2).map(|_| lazy.read_publish().id).collect();
    lazy.ping();
    for at in 0..speakers.len() {
        lazy.send(&ack(0x40, ids[at]));
        if ids.len() < speakers.len() {
            ids.push(lazy.read_publish().id);
        }
    }
    lazy.ping();
}

/// A client that never releases its QoS 2 messages may have so many of them, and no more: version 5
/// is told the number as Receive Maximum, both are closed at the next. A PUBREL makes room, and the
/// same id again is no further one. [MQTT-3.3.4-7] [MQTT-3.3.4-8]
#[test]
fn too_many_without_pubrel() {
    let broker = Broker::with(&["mqtt.max_awaiting_rel=2"]);
    for version in BOTH {
        let (mut conn, connack) = broker.connect_told(&Connect::new(version, "hoarder"));
        if version == V5 {
            assert_eq!(connack.props.number(prop::RECEIVE_MAXIMUM), Some(2));
        }
        let start = |conn: &mut Conn, id| {
            conn.send(&Publish::new("hoard", "x").qos2(id).bytes(version));
            assert_eq!(conn.read_kind(Kind::PubRec).id, id);
        };
        start(&mut conn, 1);
        start(&mut conn, 2);
        start(&mut conn, 2);
        conn.send(&ack(0x62, 1));
        conn.read_kind(Kind::PubComp);
        start(&mut conn, 3);
        conn.send(&Publish::new("hoard", "x").qos2(4).bytes(version));
        conn.expect_closed_for(0x93);
    }
}

/// A QoS 2 id whose PUBREL never comes is forgotten in the end while the client is connected, too.
/// (4.3.3, reason 0x92)
#[test]
fn unreleased_ids_are_forgotten() {
    let broker = Broker::with(&["mqtt.await_rel_timeout=1s"]);
    let mut conn = broker.v5("forgetful");
    conn.send(&Publish::new("forget", "x").qos2(7).bytes(V5));
    conn.read_kind(Kind::PubRec);
    let quiet = conn.read_by(Instant::now() + Duration::from_millis(2300));
    assert!(matches!(quiet, Outcome::Late), "{quiet:?}");
    conn.send(&ack(0x62, 7));
    let done = conn.read_kind(Kind::PubComp);
    assert_eq!((done.id, done.code), (7, 0x92));
}

/// Response Information is for those who ask, where there is some. [MQTT-3.1.2-28]
#[test]
fn response_information() {
    let broker = Broker::with(&["mqtt.response_information=answers/here"]);
    for (asks, due) in [
        (None, None),
        (Some(0), None),
        (Some(1), Some("answers/here")),
    ] {
        let mut connect = Connect::new(V5, "asking");
        if let Some(asks) = asks {
            connect = connect.prop(prop::byte(prop::REQUEST_RESPONSE_INFORMATION, asks));
        }
        let (_, connack) = broker.connect_told(&connect);
        assert_eq!(connack.props.text(prop::RESPONSE_INFORMATION), due);
    }
}
