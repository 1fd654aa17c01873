//! Retained messages (3.3.1.3): kept, replaced, cleared, and sent to new subscriptions as the
//! subscriber wishes.

use std::thread::sleep;
use std::time::Duration;

use crate::wire::{ALL, BOTH, Broker, Connect, Kind, Publish, V5, V311, prop, subscribe};

const RAP: u8 = 0x08;
const IF_NEW: u8 = 0x10;
const NEVER: u8 = 0x20;

/// The thermometer spoke before anybody listened; each later listener hears its last word once,
/// marked as retained. [MQTT-3.3.1-5] [MQTT-3.3.1-9] [3.1.1 MQTT-3.3.1-5]
/// [3.1.1 MQTT-3.3.1-6] [3.1.1 MQTT-3.3.1-7] [3.1.1 MQTT-3.3.1-8]
#[test]
fn last_word_for_the_late() {
    let broker = Broker::start();
    for version in ALL {
        for qos in 0..=2 {
            let mut speaker = broker.client(version, "speaker");
            for text in ["20", "21"] {
                speaker.publish(&Publish::new("room/temp", text).qos(qos, 1).retained());
            }
            // At QoS 0 nothing else says that it was taken.
            speaker.ping();
            let mut late = broker.client(version, "late");
            late.subscribe("room/#", 2);
            let got = late.receive_this("room/temp", "21");
            assert!(got.retain && !got.dup);
            assert_eq!(got.qos, qos);
            late.nothing_from(&mut speaker, 2);
        }
    }
}

/// The retained message's QoS is lowered to the subscription's. [MQTT-3.8.4-8]
#[test]
fn retained_at_the_lower_qos() {
    let broker = Broker::start();
    for version in BOTH {
        let mut speaker = broker.client(version, "speaker");
        speaker.publish(&Publish::new("q", "x").qos2(1).retained());
        for qos in 0..=2 {
            let mut late = broker.client(version, "late");
            late.subscribe("q", qos);
            assert_eq!(late.receive().qos, qos);
        }
    }
}

/// Who listens already hears a retained message as an ordinary one, unless it asked to see the
/// flag as it was published. [MQTT-3.3.1-12] [MQTT-3.3.1-13] [3.1.1 MQTT-3.3.1-9]
#[test]
fn retain_as_published() {
    let broker = Broker::start();
    let mut old = broker.client(V311, "old");
    old.subscribe("rap", 0);
    let mut plain = broker.v5("plain");
    plain.subscribe("rap", 0);
    let mut curious = broker.v5("curious");
    curious.subscribe("rap", RAP);
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("rap", "kept").retained());
    speaker.publish(&Publish::new("rap", "said"));
    for (conn, kept) in [(&mut old, false), (&mut plain, false), (&mut curious, true)] {
        assert_eq!(conn.receive_this("rap", "kept").retain, kept);
        assert!(!conn.receive_this("rap", "said").retain);
    }
}

/// A new subscription is told what is retained with the flag set, Retain As Published or not.
/// (3.8.3.1) [3.1.1 MQTT-3.3.1-8]
#[test]
fn flag_is_set_for_a_new_subscription() {
    let broker = Broker::start();
    let mut conn = broker.v5("both");
    conn.publish(&Publish::new("flag", "x").retained());
    for options in [0, RAP] {
        conn.subscribe("flag", options);
        assert!(conn.receive_this("flag", "x").retain);
    }
}

/// An empty retained message clears the topic: listeners hear it, late ones hear nothing.
/// [MQTT-3.3.1-6] [MQTT-3.3.1-7] [3.1.1 MQTT-3.3.1-10] [3.1.1 MQTT-3.3.1-11]
#[test]
fn empty_payload_clears() {
    let broker = Broker::start();
    for version in BOTH {
        for qos in 0..=2 {
            let mut listener = broker.client(version, "listener");
            let mut speaker = broker.client(version, "speaker");
            listener.subscribe("clear", 2);
            speaker.publish(&Publish::new("clear", "x").qos(qos, 1).retained());
            listener.receive_this("clear", "x");
            speaker.publish(&Publish::new("clear", "").qos(qos, 2).retained());
            assert!(!listener.receive_this("clear", "").retain);
            let mut late = broker.client(version, "late");
            late.subscribe("clear", 2);
            late.nothing_from(&mut speaker, 2);
        }
    }
}

/// Without the flag nothing retained changes: no new value is kept, and an empty message does
/// not clear. [MQTT-3.3.1-8] [3.1.1 MQTT-3.3.1-12]
#[test]
fn without_the_flag_nothing_changes() {
    let broker = Broker::start();
    for version in BOTH {
        let mut speaker = broker.client(version, "speaker");
        speaker.publish(&Publish::new("keep", "kept").qos1(1).retained());
        speaker.publish(&Publish::new("keep", "passing").qos1(2));
        speaker.publish(&Publish::new("keep", "").qos1(3));
        let mut late = broker.client(version, "late");
        late.subscribe("keep", 1);
        late.receive_this("keep", "kept");
        late.nothing_from(&mut speaker, 1);
    }
}

/// Retain Handling, all three kinds, for a subscription that is new, for one repeated, and for
/// one that came back after UNSUBSCRIBE. [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
/// [MQTT-3.8.4-4]
#[test]
fn retain_handling() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("handling", "x").qos1(1).retained());
    for (options, first, again) in [
        (0, true, true),
        (IF_NEW, true, false),
        (NEVER, false, false),
    ] {
        let mut conn = broker.v5("handler");
        for round in ["new", "repeated", "back"] {
            let due = if round == "repeated" { again } else { first };
            conn.subscribe("handling", options | 1);
            if due {
                assert!(
                    conn.receive_this("handling", "x").retain,
                    "{options:#x} {round}"
                );
            }
            conn.nothing_from(&mut speaker, 1);
            if round == "repeated" {
                conn.unsubscribe("handling");
            }
        }
    }
}

/// The old client's repeated SUBSCRIBE is answered with the retained message again.
/// [3.1.1 MQTT-3.8.4-3]
#[test]
fn old_client_subscribes_again() {
    let broker = Broker::start();
    let mut conn = broker.client(V311, "again");
    conn.publish(&Publish::new("again", "x").qos1(1).retained());
    for _ in 0..3 {
        conn.subscribe("again", 1);
        conn.receive_this("again", "x");
    }
}

/// One SUBSCRIBE of two filters that both match: each filter is a subscription of its own, and
/// each is told. (3.3.1.3) [MQTT-3.8.4-5]
#[test]
fn each_filter_is_told() {
    let broker = Broker::start();
    let mut conn = broker.v5("two");
    conn.publish(&Publish::new("two/x", "v").qos1(1).retained());
    conn.send(&subscribe(V5, 2, &[("two/x", 0), ("two/+", 0)]));
    assert_eq!(conn.read_kind(Kind::SubAck).codes, [0, 0]);
    conn.receive_this("two/x", "v");
    conn.receive_this("two/x", "v");
    conn.nothing_from_itself();
}

/// Fifty sensors' last words come to one wildcard, each once. [MQTT-3.3.1-9]
#[test]
fn wildcard_over_many() {
    let broker = Broker::start();
    for version in BOTH {
        let mut speaker = broker.client(version, "speaker");
        for n in 0..50 {
            let topic = format!("sensor/{n}/t");
            speaker.publish(&Publish::new(&topic, n.to_string()).qos1(1).retained());
        }
        let mut late = broker.client(version, "late");
        late.subscribe("sensor/+/t", 1);
        let mut seen: Vec<String> = (0..50).map(|_| late.receive().topic).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 50);
    }
}

/// The speaker's session ended long ago; what it retained is nobody's session state and stays.
/// [3.1.1 MQTT-3.1.2-7] (4.1, non-normative)
#[test]
fn retained_outlives_its_session() {
    let broker = Broker::start();
    for version in BOTH {
        let mut speaker = broker.client(version, "speaker");
        speaker.publish(&Publish::new("stay/1", "here").qos1(1).retained());
        speaker.bye();
        broker.client(version, "speaker").bye();
        let mut late = broker.client(version, "late");
        late.subscribe("stay/#", 1);
        assert!(late.receive_this("stay/1", "here").retain);
    }
}

/// It stays over a killed broker too. (4.1, non-normative)
#[test]
fn retained_outlives_session_and_broker() {
    let mut broker = Broker::start();
    let mut speaker = broker.client(V311, "speaker");
    speaker.publish(&Publish::new("stay/1", "here").qos1(1).retained());
    speaker.bye();
    let mut late = broker.v5("late");
    late.subscribe("stay/#", 1);
    late.receive_this("stay/1", "here");
    broker.kill_and_restart();
    let mut late = broker.v5("late");
    late.subscribe("stay/#", 1);
    assert!(late.receive_this("stay/1", "here").retain);
}

/// A retained message with an expiry is there while it lasts, says how long it still has, and is
/// gone after. [MQTT-3.3.2-6] [MQTT-3.3.2-5]
#[test]
fn retained_expires() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    let lasts = |secs| prop::four(prop::MESSAGE_EXPIRY, secs);
    speaker.publish(
        &Publish::new("expire", "short")
            .retained()
            .prop(lasts(1))
            .qos1(1),
    );
    speaker.publish(
        &Publish::new("lasting", "long")
            .retained()
            .prop(lasts(100))
            .qos1(2),
    );
    let mut early = broker.v5("early");
    early.subscribe("expire", 0);
    early.receive_this("expire", "short");
    // Time itself is what this waits for.
    sleep(Duration::from_millis(2100));
    let mut late = broker.v5("late");
    late.subscribe("expire", 0);
    late.nothing_from(&mut speaker, 0);
    late.subscribe("lasting", 0);
    let left = late
        .receive_this("lasting", "long")
        .props
        .number(prop::MESSAGE_EXPIRY);
    assert!(left.is_some_and(|s| (95..=98).contains(&s)), "{left:?}");
}

/// Properties of a retained message come with it, to everyone who subscribes later.
/// [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-20]
#[test]
fn retained_keeps_its_properties() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    let publish = Publish::new("props", "x")
        .retained()
        .qos1(1)
        .prop(prop::byte(prop::PAYLOAD_FORMAT, 1))
        .prop(prop::text(prop::CONTENT_TYPE, "text/plain"))
        .prop(prop::text(prop::RESPONSE_TOPIC, "answer"))
        .prop(prop::data(prop::CORRELATION_DATA, b"\0\x01"))
        .prop(prop::user("k", "v"));
    speaker.publish(&publish);
    let mut late = broker.v5("late");
    late.subscribe("props", 0);
    let props = late.receive_this("props", "x").props;
    assert_eq!(props.number(prop::PAYLOAD_FORMAT), Some(1));
    assert_eq!(props.text(prop::CONTENT_TYPE), Some("text/plain"));
    assert_eq!(props.text(prop::RESPONSE_TOPIC), Some("answer"));
    assert_eq!(props.data(prop::CORRELATION_DATA), Some(&b"\0\x01"[..]));
    assert_eq!(props.users(), [("k", "v")]);
}

/// A resumed session is not a new subscription: nothing retained is sent again.
/// (3.3.1.3) [3.1.1 MQTT-3.3.1-6]
#[test]
fn resume_is_no_new_subscription() {
    let broker = Broker::start();
    for version in BOTH {
        let connect = Connect::new(version, "resumed").persistent(60);
        let mut speaker = broker.client(version, "speaker");
        speaker.publish(&Publish::new("resumed", "x").qos1(1).retained());
        let mut conn = broker.connect(&connect);
        conn.subscribe("resumed", 1);
        conn.receive_this("resumed", "x");
        conn.ping();
        conn.bye();
        let mut conn = broker.connect(&connect);
        conn.nothing_from(&mut speaker, 1);
        broker.client(version, "resumed").bye();
    }
}
