//! Wills (3.1.2.5, 3.1.3.2): published when a client is lost, not when it says goodbye, and in
//! version 5 at the moment it asked for.

use std::time::{Duration, Instant};

use crate::wire::{ALL, BOTH, Broker, Conn, Connect, V5, V311, Version, Will, disconnect, prop};

fn delay(secs: u32) -> Vec<u8> {
    prop::four(prop::WILL_DELAY, secs)
}

fn expiry(secs: u32) -> Vec<u8> {
    prop::four(prop::SESSION_EXPIRY, secs)
}

fn witness(broker: &Broker, version: Version) -> Conn {
    let mut witness = broker.client(version, "witness");
    witness.subscribe("will/#", 2);
    witness
}

/// A device loses its power; those who care hear its will, once, at the QoS it asked for.
/// [MQTT-3.1.2-7] [MQTT-3.1.2-8] [MQTT-3.1.2-14] [MQTT-3.1.2-10] [3.1.1 MQTT-3.1.2-8]
/// [3.1.1 MQTT-3.1.2-16] [3.1.1 MQTT-3.1.2-10]
#[test]
fn lost_client_is_mourned() {
    let broker = Broker::start();
    for version in ALL {
        for qos in 0..=2 {
            let mut witness = witness(&broker, version);
            let will = Will::new("will/lost", "gone").qos(qos);
            broker
                .connect(&Connect::new(version, "lost").will(will))
                .cut();
            let got = witness.receive_this("will/lost", "gone");
            assert_eq!((got.qos, got.retain), (qos, false));
            let mut late = broker.client(version, "late");
            late.subscribe("will/#", 2);
            witness.nothing_from(&mut late, 0);
            late.nothing_from(&mut witness, 0);
        }
    }
}

/// The will was to be retained; who comes later hears it too.
/// [MQTT-3.1.2-15] [3.1.1 MQTT-3.1.2-17]
#[test]
fn retained_will() {
    for version in BOTH {
        // Another one for each version: the witness must not take the last one's message for the will.
        let broker = Broker::start();
        let mut witness = witness(&broker, version);
        let will = Will::new("will/kept", "gone").qos(1).retained();
        broker
            .connect(&Connect::new(version, "lost").will(will))
            .cut();
        witness.receive_this("will/kept", "gone");
        let mut late = broker.client(version, "late");
        late.subscribe("will/kept", 1);
        assert!(late.receive_this("will/kept", "gone").retain);
    }
}

/// A client says goodbye; its will is torn up. [MQTT-3.14.4-3] [MQTT-3.1.2-10]
/// [3.1.1 MQTT-3.14.4-3] [3.1.1 MQTT-3.1.2-10]
#[test]
fn goodbye_removes_the_will() {
    let broker = Broker::start();
    for version in ALL {
        let mut witness = witness(&broker, version);
        let will = Will::new("will/bye", "no").qos(1);
        broker
            .connect(&Connect::new(version, "polite").will(will))
            .bye();
        witness.nothing_from_itself();
    }
}

/// Version 5 can leave and have its will published all the same (0x04). (3.14.2.1)
/// [MQTT-3.1.2-8]
#[test]
fn goodbye_with_will() {
    let broker = Broker::start();
    let mut witness = witness(&broker, V5);
    for reason in [0x04, 0x80, 0x81, 0x97] {
        let will = Will::new("will/bye", "yes").qos(1);
        let mut conn = broker.connect(&Connect::new(V5, "leaver").will(will));
        conn.send(&disconnect(V5, reason, &[]));
        conn.expect_closed();
        witness.receive_this("will/bye", "yes");
    }
    witness.nothing_from_itself();
}

/// A client breaks the protocol and is thrown out: its will is published. (3.1.2.5)
/// [MQTT-3.1.2-8] [3.1.1 MQTT-3.1.2-8]
#[test]
fn thrown_out_is_lost() {
    let broker = Broker::start();
    for version in BOTH {
        let mut witness = witness(&broker, version);
        let will = Will::new("will/out", "yes").qos(1);
        let mut conn = broker.connect(&Connect::new(version, "rude").will(will));
        conn.send(&[0xF6, 0]);
        conn.read_to_end();
        witness.receive_this("will/out", "yes");
    }
}

/// Silence beyond one and a half keep-alives is a loss as well. [MQTT-3.1.2-22]
/// [3.1.1 MQTT-3.1.2-24] [MQTT-3.1.2-8]
#[test]
fn silent_client_is_mourned() {
    let broker = Broker::start();
    for version in BOTH {
        let mut witness = witness(&broker, version);
        let will = Will::new("will/silent", "yes").qos(1);
        let connect = Connect::new(version, "silent").keep_alive(1).will(will);
        let started = Instant::now();
        let mut silent = broker.connect(&connect);
        silent.expect_closed_for(0x8D);
        let took = started.elapsed();
        assert!(
            took > Duration::from_millis(1400) && took < Duration::from_secs(4),
            "{took:?}"
        );
        witness.receive_this("will/silent", "yes");
    }
}

/// Somebody without a will is lost; nothing is published for him. [3.1.1 MQTT-3.1.2-12]
#[test]
fn no_will() {
    let broker = Broker::start();
    for version in BOTH {
        let mut all = broker.client(version, "all");
        all.subscribe("#", 1);
        broker.client(version, "lost").cut();
        all.unsubscribe("#");
        all.nothing_from_itself();
    }
}

/// An empty will is a will. (3.1.3.4) [3.1.1 MQTT-3.1.2-9]
#[test]
fn empty_will() {
    let broker = Broker::start();
    for version in BOTH {
        let mut witness = witness(&broker, version);
        broker
            .connect(&Connect::new(version, "lost").will(Will::new("will/empty", "")))
            .cut();
        witness.receive_this("will/empty", "");
    }
}

/// The will carries its properties, user properties in their order. [MQTT-3.1.3-10]
/// (3.1.3.2)
#[test]
fn will_properties() {
    let broker = Broker::start();
    let mut witness = witness(&broker, V5);
    let mut will = Will::new("will/props", "x")
        .prop(prop::byte(prop::PAYLOAD_FORMAT, 1))
        .prop(prop::text(prop::CONTENT_TYPE, "text/plain"))
        .prop(prop::text(prop::RESPONSE_TOPIC, "answer"))
        .prop(prop::data(prop::CORRELATION_DATA, b"id"))
        .prop(prop::four(prop::MESSAGE_EXPIRY, 100));
    for (name, value) in [("b", "1"), ("a", "2"), ("b", "1")] {
        will = will.prop(prop::user(name, value));
    }
    broker.connect(&Connect::new(V5, "lost").will(will)).cut();
    let props = witness.receive_this("will/props", "x").props;
    assert_eq!(props.number(prop::PAYLOAD_FORMAT), Some(1));
    assert_eq!(props.text(prop::CONTENT_TYPE), Some("text/plain"));
    assert_eq!(props.text(prop::RESPONSE_TOPIC), Some("answer"));
    assert_eq!(props.data(prop::CORRELATION_DATA), Some(&b"id"[..]));
    assert_eq!(props.users(), [("b", "1"), ("a", "2"), ("b", "1")]);
    assert_eq!(props.number(prop::WILL_DELAY), None);
    assert!(
        props
            .number(prop::MESSAGE_EXPIRY)
            .is_some_and(|s| (95..=100).contains(&s))
    );
}

/// A will to a topic that is none, or to the broker's own, is refused with the CONNECT.
/// [MQTT-3.1.4-2] [MQTT-3.3.2-2] [3.1.1 MQTT-3.2.2-6]
#[test]
fn will_to_a_forbidden_topic() {
    let broker = Broker::start();
    for version in BOTH {
        for topic in ["", "will/+", "will/#", "$SYS/broker/version"] {
            let mut conn = broker.open(version);
            let connect = Connect::new(version, "forbidden").will(Will::new(topic, "x"));
            conn.send(&connect.bytes());
            let said = conn.read_to_end();
            assert!(said.iter().all(|p| p.code != 0), "{topic:?}: {said:?}");
        }
    }
}

/// How a delayed will ends: the rows of S12 that differ. Each row: will delay, session expiry,
/// what happens, and whether and when (after the loss) the will comes.
/// [MQTT-3.1.2-8] [MQTT-3.1.3-9] [MQTT-3.1.2-4]
#[test]
fn will_delay() {
    enum Then {
        Nothing,
        Resumes,
        StartsClean,
        LeavesPolitely,
        LeavesEndingSession,
    }
    use Then::{LeavesEndingSession, LeavesPolitely, Nothing, Resumes, StartsClean};
    let rows = [
        (0, 0, Nothing, Some(0)),
        (0, 60, Nothing, Some(0)),
        (1, 60, Nothing, Some(1)),
        // The session ends before the delay does.
        (60, 0, Nothing, Some(0)),
        (60, 1, Nothing, Some(1)),
        // Back in time: the will of the old connection must not come.
        (2, 60, Resumes, None),
        // Back, but the session is ended by the clean start: the will comes at once.
        (60, 120, StartsClean, Some(0)),
        (0, 60, LeavesPolitely, None),
        (1, 60, LeavesPolitely, None),
        // 0x04 and session expiry lowered to 0: both are over at once.
        (60, 60, LeavesEndingSession, Some(0)),
    ];
    let broker = Broker::start();
    for (n, (wait, keep, then, due)) in rows.into_iter().enumerate() {
        let mut witness = witness(&broker, V5);
        let topic = format!("will/row/{n}");
        let id = format!("row-{n}");
        let will = Will::new(&topic, "will").qos(1).prop(delay(wait));
        let connect = Connect::new(V5, &id).keep().prop(expiry(keep)).will(will);
        let mut conn = broker.connect(&connect);
        let lost = Instant::now();
        let back = match then {
            Nothing => {
                conn.cut();
                None
            }
            Resumes => {
                conn.cut();
                Some(broker.connect(&Connect::new(V5, &id).keep().prop(expiry(keep))))
            }
            StartsClean => {
                conn.cut();
                Some(broker.v5(&id))
            }
            LeavesPolitely => {
                conn.bye();
                None
            }
            LeavesEndingSession => {
                conn.send(&disconnect(V5, 0x04, &[expiry(0)]));
                conn.expect_closed();
                None
            }
        };
        match due {
            Some(secs) => {
                witness.receive_this(&topic, "will");
                let took = lost.elapsed().as_secs_f32();
                let from = secs as f32 - 0.1;
                assert!(took >= from && took < from + 3.0, "row {n} took {took} s");
            }
            None => {
                // The longest delay of these rows must pass before silence means anything.
                let until = Duration::from_secs(u64::from(wait) + 1);
                std::thread::sleep(until.saturating_sub(lost.elapsed()));
                witness.nothing_from_itself();
            }
        }
        drop(back);
    }
}

/// The same id connects while the old connection still lives (takeover): without delay, or with
/// a clean start, the will comes; with a delay, or a resumed session in time, it does not.
/// (3.1.3.2.2) [MQTT-3.1.4-3] [MQTT-3.1.3-9] [3.1.1 MQTT-3.1.4-2]
#[test]
fn takeover_and_will() {
    let broker = Broker::start();
    for (wait, clean, comes) in [
        (0, false, true),
        (0, true, true),
        (60, false, false),
        (60, true, true),
    ] {
        let mut witness = witness(&broker, V5);
        let will = Will::new("will/taken", "will").qos(1).prop(delay(wait));
        let first = Connect::new(V5, "taken").keep().prop(expiry(60)).will(will);
        let mut old = broker.connect(&first);
        let again = Connect::new(V5, "taken").prop(expiry(60));
        let mut new = broker.connect(&if clean { again } else { again.keep() });
        old.expect_closed_for(0x8E);
        if comes {
            witness.receive_this("will/taken", "will");
        }
        witness.nothing_from(&mut new, 1);
        new.send(&disconnect(V5, 0, &[expiry(0)]));
        new.expect_closed();
    }
    let mut witness = witness(&broker, V311);
    let will = Will::new("will/taken", "will").qos(1);
    let mut old = broker.connect(&Connect::new(V311, "taken").will(will));
    broker.client(V311, "taken").ping();
    old.expect_closed();
    witness.receive_this("will/taken", "will");
}

/// A will with an expiry that passes while nobody is there is not delivered. [MQTT-3.3.2-5]
#[test]
fn will_expires() {
    let broker = Broker::start();
    let sleeper = Connect::new(V5, "sleeper").persistent(60);
    let mut conn = broker.connect(&sleeper);
    conn.subscribe("will/#", 1);
    conn.cut();
    let will = |text| Will::new("will/expire", text).qos(1);
    let short = will("short").prop(prop::four(prop::MESSAGE_EXPIRY, 1));
    broker.connect(&Connect::new(V5, "lost").will(short)).cut();
    std::thread::sleep(Duration::from_millis(2100));
    broker
        .connect(&Connect::new(V5, "lost").will(will("long")))
        .cut();
    let mut conn = broker.connect(&sleeper);
    conn.receive_this("will/expire", "long");
}
