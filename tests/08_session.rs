//! Sessions (3.1.2.4, 3.1.2.11.2, 4.1): kept, resumed, ended, taken over.

use std::thread::sleep;
use std::time::Duration;

use crate::wire::{ALL, BOTH, Broker, Connect, Kind, Publish, V5, V31, V311, disconnect, prop};

fn expiry(secs: u32) -> Vec<u8> {
    prop::four(prop::SESSION_EXPIRY, secs)
}

/// A client comes back: its subscriptions are there, what was said meanwhile arrives, and it is
/// told that its session was found. [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.2.2-3]
/// [MQTT-3.1.2-23] [MQTT-3.1.4-4] [MQTT-4.5.0-1] [3.1.1 MQTT-3.1.2-4] [3.1.1 MQTT-3.1.2-5]
/// [3.1.1 MQTT-3.2.2-2] [3.1.1 MQTT-3.2.2-3] [3.1.1 MQTT-4.5.0-1]
#[test]
fn kept_session() {
    let broker = Broker::start();
    for version in ALL {
        let connect = Connect::new(version, "kept").persistent(60);
        let (mut conn, connack) = broker.connect_told(&connect);
        assert!(!connack.session_present);
        conn.subscribe("kept/1", 1);
        conn.subscribe("kept/2", 2);
        conn.bye();
        let mut speaker = broker.client(version, "speaker");
        speaker.publish(&Publish::new("kept/1", "one").qos1(1));
        speaker.publish(&Publish::new("kept/2", "two").qos2(2));
        let (mut conn, connack) = broker.connect_told(&connect);
        // 3.1 has no such flag; its byte is reserved and 0.
        assert_eq!(connack.session_present, version != V31);
        let mut texts = [conn.receive(), conn.receive()].map(|m| m.text().to_owned());
        texts.sort();
        assert_eq!(texts, ["one", "two"]);
        conn.nothing_from(&mut speaker, 1);
        conn.bye();
        broker.client(version, "kept").bye();
    }
}

/// A clean start throws away what was there, and says so. [MQTT-3.1.2-4] [MQTT-3.2.2-2]
/// [MQTT-3.1.4-4] [3.1.1 MQTT-3.1.2-6] [3.1.1 MQTT-3.2.2-1] [3.1.1 MQTT-3.1.4-3]
#[test]
fn clean_start_discards() {
    let broker = Broker::start();
    for version in BOTH {
        let connect = Connect::new(version, "clean").persistent(60);
        let mut conn = broker.connect(&connect);
        conn.subscribe("clean", 1);
        conn.bye();
        let mut speaker = broker.client(version, "speaker");
        speaker.publish(&Publish::new("clean", "lost").qos1(1));
        let (mut conn, connack) = broker.connect_told(&Connect::new(version, "clean"));
        assert!(!connack.session_present);
        speaker.publish(&Publish::new("clean", "unheard").qos1(2));
        conn.nothing_from(&mut speaker, 1);
        conn.bye();
        let (conn, connack) = broker.connect_told(&connect);
        assert!(
            !connack.session_present,
            "a clean session of {version:?} left nothing"
        );
        conn.bye();
    }
}

/// Without an expiry a session of version 5 ends with its connection, clean start or not.
/// [MQTT-4.1.0-2] (3.1.2.11.2)
#[test]
fn expiry_zero_ends_with_the_connection() {
    let broker = Broker::start();
    for connect in [
        Connect::new(V5, "zero").keep(),
        Connect::new(V5, "zero").persistent(0),
    ] {
        let mut conn = broker.connect(&connect);
        conn.subscribe("zero", 1);
        conn.cut();
        let (mut conn, connack) = broker.connect_told(&connect);
        assert!(!connack.session_present);
        let mut speaker = broker.v5("speaker");
        speaker.publish(&Publish::new("zero", "x").qos1(1));
        conn.nothing_from(&mut speaker, 1);
    }
}

/// A session of one second is there at once and gone after two. [MQTT-4.1.0-2] [MQTT-3.1.2-23]
#[test]
fn session_expires() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "brief").persistent(1);
    let mut conn = broker.connect(&connect);
    conn.subscribe("brief", 1);
    conn.bye();
    let (conn, connack) = broker.connect_told(&connect);
    assert!(connack.session_present);
    conn.bye();
    // Time itself is what this waits for.
    sleep(Duration::from_millis(2200));
    let (_, connack) = broker.connect_told(&connect);
    assert!(!connack.session_present);
}

/// While the connection holds, the session lasts, however short its expiry, and also where that
/// has begun to run on an earlier connection. [MQTT-4.1.0-1] [3.1.1 MQTT-4.1.0-2]
#[test]
fn no_expiry_while_connected() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "here").persistent(1);
    let mut conn = broker.connect(&connect);
    conn.subscribe("here", 1);
    conn.bye();
    let (mut conn, connack) = broker.connect_told(&connect);
    assert!(connack.session_present);
    sleep(Duration::from_millis(2200));
    conn.publish_own("here");
}

impl crate::wire::Conn {
    /// Publishes to itself and receives it.
    #[track_caller]
    fn publish_own(&mut self, topic: &str) {
        self.send(&Publish::new(topic, "own").bytes(self.version));
        self.receive_this(topic, "own");
    }
}

/// On leaving, a client changes its mind: to nothing, the session is gone; to more, it stays. An
/// expiry of 0 at the start cannot become one at the end: a protocol error. (3.14.2.2.2)
/// [MQTT-4.1.0-2]
#[test]
fn expiry_changed_at_disconnect() {
    let broker = Broker::start();
    for (start, end, present) in [(60, Some(0), false), (1, Some(60), true), (60, None, true)] {
        let mut conn = broker.connect(&Connect::new(V5, "mind").persistent(start));
        conn.subscribe("mind", 1);
        let props: Vec<Vec<u8>> = end.map(expiry).into_iter().collect();
        conn.send(&disconnect(V5, 0, &props));
        conn.expect_closed();
        if end == Some(60) {
            sleep(Duration::from_millis(2200));
        }
        let (conn, connack) = broker.connect_told(&Connect::new(V5, "mind").keep());
        assert_eq!(connack.session_present, present, "{start} {end:?}");
        conn.bye();
    }
    let mut conn = broker.v5("mind");
    conn.send(&disconnect(V5, 0, &[expiry(60)]));
    conn.expect_closed_for(0x82);
}

/// The expiry of the last CONNECT counts, not that of the one before. (3.1.2.11.2)
#[test]
fn last_connect_counts() {
    let broker = Broker::start();
    broker
        .connect(&Connect::new(V5, "last").persistent(60))
        .bye();
    let (conn, connack) = broker.connect_told(&Connect::new(V5, "last").persistent(0));
    assert!(connack.session_present);
    conn.bye();
    let (_, connack) = broker.connect_told(&Connect::new(V5, "last").keep());
    assert!(!connack.session_present);
}

/// The same client id connects elsewhere: the older connection hears why it ends (version 5) and
/// ends; the newer has the session. [MQTT-3.1.4-3] [MQTT-3.14.4-1] [MQTT-3.14.4-2]
/// [MQTT-3.14.2-1] [MQTT-3.14.2-2] [MQTT-3.1.3-2] [3.1.1 MQTT-3.1.4-2]
/// [3.1.1 MQTT-3.1.3-2]
#[test]
fn takeover() {
    let broker = Broker::start();
    for old_version in ALL {
        for new_version in ALL {
            let connect = |version| Connect::new(version, "taken").persistent(60);
            let mut old = broker.connect(&connect(old_version));
            old.subscribe("taken", 1);
            let (mut new, connack) = broker.connect_told(&connect(new_version));
            assert_eq!(connack.session_present, new_version != V31);
            old.expect_closed_for(0x8E);
            new.publish(&Publish::new("taken", "x").qos1(1));
            new.receive_this("taken", "x");
            new.bye();
            broker.v5("taken").bye();
        }
    }
}

/// Twenty connections fight for one id; each in turn wins, one is left, and it works (S10 in
/// short). [MQTT-3.1.4-3]
#[test]
fn takeover_storm() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "storm").persistent(60);
    let mut last = broker.connect(&connect);
    last.subscribe("storm", 1);
    for _ in 0..20 {
        let (new, connack) = broker.connect_told(&connect);
        assert!(connack.session_present);
        last.expect_closed_for(0x8E);
        last = new;
    }
    last.publish(&Publish::new("storm", "x").qos1(1));
    last.receive_this("storm", "x");
}

/// Client ids are compared as they are: case counts, and so does a space. [MQTT-3.1.3-2]
#[test]
fn ids_are_not_normalised() {
    let broker = Broker::start();
    let mut conns: Vec<_> = ["id", "ID", "id ", " id", "i/d", "+"]
        .iter()
        .map(|id| broker.v5(id))
        .collect();
    for conn in &mut conns {
        conn.ping();
    }
}

/// A kept session of 3.1.1 is resumed by version 5 and the other way round: devices are updated.
/// (3.1.2.4, non-normative)
#[test]
fn session_survives_an_update() {
    let broker = Broker::start();
    for (before, after) in [(V311, V5), (V5, V311)] {
        let mut conn = broker.connect(&Connect::new(before, "update").persistent(60));
        conn.subscribe("update", 1);
        conn.bye();
        let mut speaker = broker.client(after, "speaker");
        speaker.publish(&Publish::new("update", "news").qos1(1));
        let (mut conn, connack) =
            broker.connect_told(&Connect::new(after, "update").persistent(60));
        assert!(connack.session_present);
        conn.receive_this("update", "news");
        conn.bye();
        broker.v5("update").bye();
    }
}

/// Kept sessions with their subscriptions are there after the broker was killed. [MQTT-3.1.2-23]
/// [3.1.1 MQTT-4.1.0-1]
#[test]
fn sessions_survive_a_kill() {
    let mut broker = Broker::start();
    for version in BOTH {
        let mut conn = broker.connect(&Connect::new(version, "kill").persistent(60));
        conn.subscribe("kill/+", 1);
        conn.unsubscribe("kill/none");
        broker.kill_and_restart();
        let (mut conn, connack) =
            broker.connect_told(&Connect::new(version, "kill").persistent(60));
        assert!(connack.session_present);
        conn.publish(&Publish::new("kill/x", "x").qos1(1));
        conn.receive_this("kill/x", "x");
        conn.bye();
        broker.client(version, "kill").bye();
    }
}

/// DISCONNECT ends it: what is sent after it is not read any more. (3.14.4)
/// [3.1.1 MQTT-3.14.4-3]
#[test]
fn nothing_after_goodbye_counts() {
    let broker = Broker::start();
    for version in BOTH {
        let mut witness = broker.client(version, "witness");
        witness.subscribe("late", 1);
        let mut conn = broker.client(version, "bye");
        let publish = Publish::new("late", "x").bytes(version);
        conn.send(&[vec![0xE0, 0], publish].concat());
        conn.expect_closed();
        witness.nothing_from_itself();
    }
}

/// DISCONNECT with wrong flags, a server's reason, or a property that is not the client's to
/// send. [MQTT-3.14.1-1] [3.1.1 MQTT-3.14.1-1] [MQTT-2.1.3-1]
#[test]
fn malformed_disconnect() {
    let broker = Broker::start();
    for version in BOTH {
        let mut conn = broker.client(version, "flags");
        conn.send(&[0xE1, 0]);
        conn.expect_closed_for(0x81);
    }
    let bad = [
        disconnect(V5, 0x8B, &[]),
        disconnect(V5, 0x8E, &[]),
        disconnect(V5, 0x05, &[]),
        disconnect(V5, 0, &[prop::text(prop::SERVER_REFERENCE, "x")]),
        disconnect(V5, 0, &[expiry(1), expiry(1)]),
    ];
    for bytes in bad {
        let mut conn = broker.connect(&Connect::new(V5, "bad").persistent(5));
        conn.send(&bytes);
        let said = conn.read_to_end();
        assert_eq!(said.len(), 1, "{bytes:02x?}");
        assert_eq!(said[0].kind, Kind::Disconnect);
        assert!(
            matches!(said[0].code, 0x81 | 0x82),
            "{bytes:02x?}: {said:?}"
        );
    }
}
