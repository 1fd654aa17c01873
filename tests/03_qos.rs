//! QoS 1 and 2 (4.3, 4.4, 4.6, 4.9): exchanges both ways, packet ids, windows, and what happens
//! when the line breaks in the middle.

use crate::wire::{
    ALL, BOTH, Broker, Conn, Connect, Kind, Publish, V5, V311, Version, ack, packet, prop,
    raw_publish, reply,
};

const REC: u8 = 0x50;
const REL: u8 = 0x62;
const COMP: u8 = 0x70;
const PUBACK: u8 = 0x40;

fn kept(version: Version, id: &str) -> Connect {
    Connect::new(version, id).persistent(300)
}

/// Every mix of published and granted QoS: the lower of the two arrives.
/// [MQTT-3.8.4-8] [MQTT-3.3.4-1] [MQTT-3.3.4-2] [MQTT-4.3.2-4] [MQTT-4.3.3-8]
/// [MQTT-4.3.3-11] [3.1.1 MQTT-3.8.4-6] [3.1.1 MQTT-3.3.4-1] [3.1.1 MQTT-4.3.2-2]
/// [3.1.1 MQTT-4.3.3-2]
#[test]
fn lower_of_both_qos() {
    let broker = Broker::start();
    for version in ALL {
        for granted in 0..=2 {
            let mut listener = broker.client(version, "listener");
            listener.subscribe("mix", granted);
            let mut speaker = broker.client(version, "speaker");
            for sent in 0..=2 {
                speaker.publish(&Publish::new("mix", "x").qos(sent, 9));
                assert_eq!(listener.receive().qos, sent.min(granted));
            }
        }
    }
}

/// With `mqtt.upgrade_qos` it is the higher of the two, for sessions that outlive their connection too,
/// which have what was said while they were away.
#[test]
fn higher_of_both_qos() {
    let broker = Broker::with(&["mqtt.upgrade_qos=true"]);
    for version in BOTH {
        let mut speaker = broker.client(version, "speaker");
        for granted in 0..=2 {
            for connect in [Connect::new(version, "once"), kept(version, "kept")] {
                let mut listener = broker.connect(&connect);
                listener.subscribe("mix", granted);
                for sent in 0..=2 {
                    speaker.publish(&Publish::new("mix", "x").qos(sent, 9));
                    assert_eq!(
                        listener.receive().qos,
                        sent.max(granted),
                        "{sent} {granted}"
                    );
                }
                listener.bye();
            }
            for sent in 0..=2 {
                speaker.publish(&Publish::new("mix", "away").qos(sent, 9));
            }
            let mut listener = broker.connect(&kept(version, "kept"));
            for sent in 0..=2 {
                let got = listener.receive();
                assert_eq!((got.text(), got.qos), ("away", sent.max(granted)));
            }
            listener.unsubscribe("mix");
            listener.bye();
        }
    }
}

/// The old client's acknowledgements are four bytes, to the byte, with its own packet id.
/// [MQTT-2.2.1-5] [3.1.1 MQTT-2.3.1-6]
#[test]
fn acknowledgements_to_the_byte() {
    let broker = Broker::start();
    let mut conn = broker.client(V311, "bytes");
    conn.send(&Publish::new("b", "x").qos1(0x1234).bytes(V311));
    conn.expect(&[0x40, 2, 0x12, 0x34]);
    conn.send(&Publish::new("b", "x").qos2(0xFFFF).bytes(V311));
    conn.expect(&[0x50, 2, 0xFF, 0xFF]);
    conn.send(&ack(REL, 0xFFFF));
    conn.expect(&[0x70, 2, 0xFF, 0xFF]);
}

/// A publisher heard no PUBREC and says the same again, with DUP: it gets its PUBREC again,
/// success, and the listener gets one message. After PUBCOMP the id is free for a new one, though
/// another exchange is still open.
/// [MQTT-4.3.3-10] [MQTT-4.3.3-12] [3.1.1 MQTT-4.3.3-2]
#[test]
fn s03_qos_2_repeated_before_release() {
    let broker = Broker::start();
    for version in ALL {
        let mut listener = broker.client(version, "listener");
        listener.subscribe("twice", 2);
        let mut speaker = broker.client(version, "speaker");
        speaker.send(&Publish::new("aside", "x").qos2(8).bytes(version));
        assert_eq!(speaker.read_kind(Kind::PubRec).id, 8);
        let publish = Publish::new("twice", "once").qos2(7);
        for again in [
            publish.clone(),
            publish.clone().dup(),
            publish.clone().dup(),
        ] {
            speaker.send(&again.bytes(version));
            let rec = speaker.read_kind(Kind::PubRec);
            assert_eq!((rec.id, rec.code), (7, 0));
        }
        listener.receive_this("twice", "once");
        speaker.send(&ack(REL, 7));
        assert_eq!(speaker.read_kind(Kind::PubComp).id, 7);
        listener.nothing_from(&mut speaker, 2);
        speaker.publish(&Publish::new("twice", "new").qos2(7));
        listener.receive_this("twice", "new");
    }
}

/// A message of QoS 2 was refused; its id is free at once, and the next PUBLISH with it is a new
/// message, although it looks like a repetition. [MQTT-4.3.3-9]
#[test]
fn id_is_free_after_a_refusal() {
    let broker = Broker::start();
    let mut listener = broker.v5("listener");
    listener.subscribe("fine", 2);
    let mut speaker = broker.v5("speaker");
    assert_eq!(speaker.publish(&Publish::new("$SYS/x", "no").qos2(3)), 0x87);
    assert_eq!(
        speaker.publish(&Publish::new("fine", "yes").qos2(3).dup()),
        0
    );
    listener.receive_this("fine", "yes");
}

/// After PUBACK a QoS 1 id is free: the next PUBLISH with it is a new message, DUP or not.
/// [MQTT-4.3.2-5]
#[test]
fn qos_1_id_is_free_after_puback() {
    let broker = Broker::start();
    for version in BOTH {
        let mut listener = broker.client(version, "listener");
        listener.subscribe("reuse", 1);
        let mut speaker = broker.client(version, "speaker");
        for payload in ["1", "2", "3"] {
            speaker.publish(&Publish::new("reuse", payload).qos1(1).dup());
            listener.receive_this("reuse", payload);
        }
    }
}

/// A release for what was never sent, or is long done, is answered all the same: version 5 with
/// 0x92, older ones plainly; nobody loops and nobody is closed. (4.3.3) [MQTT-4.3.3-11]
/// [MQTT-3.7.2-1]
#[test]
fn s04_release_of_the_unknown() {
    let broker = Broker::start();
    for version in BOTH {
        let mut conn = broker.client(version, "unknown");
        conn.send(&ack(REL, 77));
        let comp = conn.read_kind(Kind::PubComp);
        assert_eq!(
            (comp.id, comp.code),
            (77, if version == V5 { 0x92 } else { 0 })
        );
        conn.publish(&Publish::new("u", "x").qos2(77));
        conn.send(&ack(REL, 77));
        assert_eq!(conn.read_kind(Kind::PubComp).id, 77);
        conn.ping();
    }
}

/// Acknowledgements for what the broker never sent change nothing; a PUBREC for the unknown is
/// answered with PUBREL 0x92. [MQTT-3.6.2-1]
#[test]
fn acknowledgement_of_the_unknown() {
    let broker = Broker::start();
    for version in BOTH {
        let mut conn = broker.client(version, "unknown");
        conn.send(&ack(PUBACK, 500));
        conn.send(&ack(COMP, 501));
        conn.ping();
        if version == V5 {
            conn.send(&ack(REC, 502));
            let rel = conn.read_kind(Kind::PubRel);
            assert_eq!((rel.id, rel.code), (502, 0x92));
            conn.ping();
        }
    }
}

/// Packet id 0 is no id. [MQTT-2.2.1-3] [3.1.1 MQTT-2.3.1-1]
#[test]
fn packet_id_zero_from_a_client() {
    let broker = Broker::start();
    for version in BOTH {
        let zeroes = [
            raw_publish(version, 0x32, b"a", 0),
            raw_publish(version, 0x34, b"a", 0),
            ack(PUBACK, 0),
            ack(REC, 0),
            ack(REL, 0),
            ack(COMP, 0),
        ];
        for bytes in zeroes {
            let mut conn = broker.client(version, "zero");
            conn.send(&bytes);
            let said = conn.read_to_end();
            assert!(
                said.iter().all(|p| matches!(p.code, 0x81 | 0x82)),
                "{said:?}"
            );
        }
    }
}

/// PUBREL carries fixed flags 0010; any other is malformed. [MQTT-3.6.1-1] [MQTT-2.1.3-1]
/// [3.1.1 MQTT-3.6.1-1] [3.1.1 MQTT-2.2.2-1] [3.1.1 MQTT-2.2.2-2]
#[test]
fn flags_of_acknowledgements() {
    let broker = Broker::start();
    for version in BOTH {
        for first in [0x41, 0x48, 0x52, 0x60, 0x63, 0x6A, 0x71] {
            let mut conn = broker.client(version, "flags");
            conn.send(&packet(first, &[&[0, 1]]));
            conn.expect_closed_for(0x81);
        }
    }
}

/// A slow listener left ten messages unanswered: each has an id of its own, none is 0, and none
/// is used again before it is free. [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1]
/// [3.1.1 MQTT-2.3.1-4] [3.1.1 MQTT-4.3.2-1] [3.1.1 MQTT-4.3.3-1]
#[test]
fn ids_in_flight_are_unique() {
    let broker = Broker::start();
    let mut listener = broker.v5("listener");
    listener.subscribe("flight", 2);
    let mut speaker = broker.v5("speaker");
    let mut ids = std::collections::HashSet::new();
    for n in 0..10 {
        speaker.publish(&Publish::new("flight", "x").qos(1 + n % 2, 1));
        assert!(ids.insert(listener.read_publish().id));
    }
}

/// The listener said it takes two at a time: the third waits until one is answered, while QoS 0
/// and answers to its own questions pass. [MQTT-3.3.4-9] [MQTT-3.3.4-10] [MQTT-4.9.0-1]
/// [MQTT-4.9.0-2] [MQTT-4.9.0-3]
#[test]
fn receive_maximum_of_the_client() {
    let broker = Broker::start();
    for qos in [1, 2] {
        let connect = Connect::new(V5, "narrow").prop(prop::two(prop::RECEIVE_MAXIMUM, 2));
        let mut narrow = broker.connect(&connect);
        narrow.subscribe("window", 2);
        let mut speaker = broker.v5("speaker");
        for n in 0..4 {
            speaker.publish(&Publish::new("window", n.to_string()).qos(qos, 1));
        }
        let first = narrow.read_publish();
        let second = narrow.read_publish();
        assert_eq!((first.text(), second.text()), ("0", "1"));
        narrow.nothing_from(&mut speaker, 0);
        if qos == 1 {
            narrow.send(&ack(PUBACK, first.id));
        } else {
            // A PUBREC opens nothing yet; PUBCOMP does.
            narrow.send(&ack(REC, first.id));
            assert_eq!(narrow.read_kind(Kind::PubRel).id, first.id);
            narrow.nothing_from(&mut speaker, 0);
            narrow.send(&ack(COMP, first.id));
        }
        assert_eq!(narrow.read_publish().text(), "2");
        narrow.nothing_from(&mut speaker, 0);
    }
}

/// The listener refuses a message with an error code: it counts as answered, the window opens,
/// and it is not sent again, not after a reconnect either. [MQTT-4.4.0-2]
#[test]
fn refusal_counts_as_answer() {
    let broker = Broker::start();
    for qos in [1, 2] {
        let connect = kept(V5, "refuser").prop(prop::two(prop::RECEIVE_MAXIMUM, 1));
        let mut refuser = broker.connect(&connect);
        refuser.subscribe("refuse", 2);
        let mut speaker = broker.v5("speaker");
        for text in ["no", "yes"] {
            speaker.publish(&Publish::new("refuse", text).qos(qos, 1));
        }
        let got = refuser.read_publish();
        assert_eq!(got.text(), "no");
        refuser.send(&reply(if qos == 1 { PUBACK } else { REC }, got.id, 0x83));
        assert_eq!(refuser.read_publish().text(), "yes");
        refuser.cut();
        let mut refuser = broker.connect(&connect);
        let got = refuser.receive_this("refuse", "yes");
        assert!(got.dup);
        refuser.nothing_from(&mut speaker, 1);
        refuser.send(&crate::wire::disconnect(
            V5,
            0,
            &[prop::four(prop::SESSION_EXPIRY, 0)],
        ));
        refuser.expect_closed();
    }
}

/// A publisher that opens more QoS 2 exchanges than the announced 1024 without releasing any is
/// told 0x93. [MQTT-3.3.4-7]
#[test]
fn receive_maximum_of_the_broker() {
    let broker = Broker::start();
    let mut conn = broker.v5("greedy");
    for id in 1..=1025 {
        conn.send(&Publish::new("g", "x").qos2(id).bytes(V5));
    }
    for _ in 1..=1024 {
        conn.read_kind(Kind::PubRec);
    }
    conn.expect_closed_for(0x93);
}

/// Answers leave in the order of the questions, though their exchanges are of different kinds.
/// [MQTT-4.6.0-2] [MQTT-4.6.0-3] [3.1.1 MQTT-4.6.0-2] [3.1.1 MQTT-4.6.0-3]
#[test]
fn answers_in_order() {
    let broker = Broker::start();
    for version in BOTH {
        let mut sleeper = broker.connect(&kept(version, "sleeper"));
        sleeper.subscribe("answers/kept", 2);
        let mut conn = broker.client(version, "asker");
        let mut all = Vec::new();
        for id in 1..=60 {
            let topic = if id % 3 == 0 {
                "answers/kept"
            } else {
                "answers/none"
            };
            all.extend(
                Publish::new(topic, "x")
                    .qos(1 + (id % 2) as u8, id)
                    .bytes(version),
            );
        }
        conn.send(&all);
        for id in 1..=60 {
            let answer = conn.read_packet();
            let due = if id % 2 == 0 {
                Kind::PubAck
            } else {
                Kind::PubRec
            };
            assert_eq!((answer.kind, answer.id), (due, id));
        }
    }
}

/// A listener left with a QoS 1 message unanswered and one never seen. It comes back: the first
/// is sent again, same id, DUP set; the other follows; order kept. [MQTT-4.4.0-1]
/// [MQTT-3.3.1-1] [MQTT-4.3.2-3] [MQTT-4.1.0-1] [MQTT-3.1.2-5] [MQTT-4.6.0-1]
/// [3.1.1 MQTT-4.4.0-1] [3.1.1 MQTT-3.3.1-1] [3.1.1 MQTT-4.6.0-1] [3.1.1 MQTT-4.1.0-1]
#[test]
fn resume_qos_1() {
    let broker = Broker::start();
    for version in ALL {
        let mut listener = broker.connect(&kept(version, "resume"));
        listener.subscribe("resume", 1);
        let mut speaker = broker.client(version, "speaker");
        for text in ["1", "2"] {
            speaker.publish(&Publish::new("resume", text).qos1(1));
        }
        let (first, second) = (listener.read_publish(), listener.read_publish());
        assert!(!first.dup && !second.dup);
        listener.cut();
        speaker.publish(&Publish::new("resume", "3").qos1(1));
        let mut listener = broker.connect(&kept(version, "resume"));
        for (due, dup, id) in [
            ("1", true, Some(first.id)),
            ("2", true, Some(second.id)),
            ("3", false, None),
        ] {
            let got = listener.receive_this("resume", due);
            assert_eq!(got.dup, dup, "{due}");
            assert!(id.is_none_or(|id| id == got.id), "the original id");
        }
        listener.nothing_from(&mut speaker, 1);
    }
}

/// While the line holds nothing is sent twice, however long the answer takes: a PUBLISH of QoS 1
/// and of QoS 2 and a PUBREL stay unanswered over many exchanges of others. [MQTT-4.4.0-1]
#[test]
fn never_resent_on_a_live_connection() {
    let broker = Broker::start();
    let mut listener = broker.v5("patient");
    listener.subscribe("patient", 2);
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("patient", "1").qos1(1));
    speaker.publish(&Publish::new("patient", "2").qos2(1));
    listener.read_publish();
    let second = listener.read_publish();
    listener.send(&ack(REC, second.id));
    listener.read_kind(Kind::PubRel);
    for _ in 0..20 {
        listener.nothing_from(&mut speaker, 1);
    }
}

/// To a listener, the line breaks after each of the four steps of a QoS 2 delivery; it comes
/// back, keeps its own ids, and has the message once. [MQTT-4.4.0-1] [MQTT-4.3.3-3]
/// [MQTT-4.3.3-4] [MQTT-4.3.3-5] [MQTT-4.3.3-6] [3.1.1 MQTT-4.4.0-1] [3.1.1 MQTT-4.3.3-1]
#[test]
fn s01_cut_in_delivery_of_qos_2() {
    let broker = Broker::start();
    for version in BOTH {
        for step in 1..=4 {
            let name = format!("cut-{step}");
            let mut speaker = broker.client(version, "speaker");
            let mut listener = broker.connect(&kept(version, &name));
            listener.subscribe(&name, 2);
            speaker.publish(&Publish::new(&name, "once").qos2(1));
            let first = listener.read_publish();
            if step >= 2 {
                listener.send(&ack(REC, first.id));
            }
            if step >= 3 {
                assert_eq!(listener.read_kind(Kind::PubRel).id, first.id);
            }
            if step >= 4 {
                listener.send(&ack(COMP, first.id));
                // The answer to a ping tells that the PUBCOMP was read.
                listener.ping();
            }
            listener.cut();
            let mut listener = broker.connect(&kept(version, &name));
            match step {
                1 => {
                    let again = listener.receive_this(&name, "once");
                    assert_eq!((again.dup, again.id), (true, first.id));
                }
                2 | 3 => {
                    // The PUBREC was received, so the message must not come again.
                    assert_eq!(listener.read_kind(Kind::PubRel).id, first.id);
                    listener.send(&ack(COMP, first.id));
                }
                _ => {}
            }
            listener.nothing_from(&mut speaker, 2);
        }
    }
}

/// From a publisher, the line breaks after each of the four steps; it comes back, goes on where
/// its own books say, and the listener has the message once. [MQTT-4.3.3-10] [MQTT-4.1.0-1]
#[test]
fn s01_cut_in_publishing_of_qos_2() {
    let broker = Broker::start();
    for version in BOTH {
        let mut listener = broker.client(version, "listener");
        listener.subscribe("cut/#", 2);
        for step in 1..=4 {
            let topic = format!("cut/{step}");
            let publish = Publish::new(&topic, "once").qos2(11);
            let mut speaker = broker.connect(&kept(version, "speaker"));
            speaker.send(&publish.bytes(version));
            if step >= 2 {
                assert_eq!(speaker.read_kind(Kind::PubRec).id, 11);
            }
            if step >= 3 {
                speaker.send(&ack(REL, 11));
            }
            if step >= 4 {
                assert_eq!(speaker.read_kind(Kind::PubComp).id, 11);
            }
            speaker.cut();
            let mut speaker = broker.connect(&kept(version, "speaker"));
            if step <= 2 {
                speaker.send(&publish.dup().bytes(version));
                assert_eq!(speaker.read_kind(Kind::PubRec).id, 11);
            }
            if step <= 3 {
                speaker.send(&ack(REL, 11));
                assert_eq!(speaker.read_kind(Kind::PubComp).id, 11);
            }
            listener.receive_this(&topic, "once");
            listener.nothing_from(&mut speaker, 2);
        }
    }
}

/// The connection was lost with a hundred unanswered while new ones arrive: old ones first, then
/// the new, no id used twice (S06). [MQTT-2.2.1-4] [MQTT-4.4.0-1]
#[test]
fn s06_resume_with_many_in_flight() {
    let broker = Broker::start();
    let mut listener = broker.connect(&kept(V5, "many"));
    listener.subscribe("many", 1);
    let mut speaker = broker.v5("speaker");
    for n in 0..100 {
        speaker.publish(&Publish::new("many", n.to_string()).qos1(1));
        listener.read_publish();
    }
    listener.cut();
    for n in 100..200 {
        speaker.publish(&Publish::new("many", n.to_string()).qos1(1));
    }
    let mut listener = broker.connect(&kept(V5, "many"));
    let mut ids = std::collections::HashSet::new();
    for n in 0..200 {
        let got = listener.read_publish();
        assert_eq!(got.text(), n.to_string());
        assert_eq!(got.dup, n < 100);
        assert!(ids.insert(got.id), "id {} twice in flight", got.id);
    }
}

/// What was acknowledged to the publisher is not lost when the broker is killed: the sleeping
/// listener receives all of it, QoS 2 once (D01 in short). [MQTT-4.5.0-1] [MQTT-3.1.2-23]
/// [3.1.1 MQTT-4.5.0-1] [3.1.1 MQTT-3.1.2-5]
#[test]
fn acknowledged_survives_a_kill() {
    let mut broker = Broker::start();
    for version in BOTH {
        let mut listener = broker.connect(&kept(version, "survivor"));
        listener.subscribe("survive", 2);
        listener.cut();
        let mut speaker = broker.connect(&kept(version, "speaker"));
        for n in 1..=50u16 {
            speaker.publish(&Publish::new("survive", n.to_string()).qos(1 + (n % 2) as u8, n));
        }
        // One exchange stays open over the kill: acknowledged, not released.
        speaker.send(&Publish::new("survive", "51").qos2(99).bytes(version));
        assert_eq!(speaker.read_kind(Kind::PubRec).id, 99);
        broker.kill_and_restart();
        let mut speaker = reconnect(&broker, version, "speaker");
        speaker.send(&Publish::new("survive", "51").qos2(99).dup().bytes(version));
        assert_eq!(speaker.read_kind(Kind::PubRec).id, 99);
        speaker.send(&ack(REL, 99));
        assert_eq!(speaker.read_kind(Kind::PubComp).id, 99);
        let mut listener = reconnect(&broker, version, "survivor");
        for n in 1..=51 {
            listener.receive_this("survive", &n.to_string());
        }
        listener.nothing_from(&mut speaker, 2);
    }
}

/// Comes back to a session that must still be there.
#[track_caller]
fn reconnect(broker: &Broker, version: Version, id: &str) -> Conn {
    let (conn, connack) = broker.connect_told(&kept(version, id));
    assert!(
        version == Version::V31 || connack.session_present,
        "the session is gone"
    );
    conn
}

/// After a restart a PUBREL of before is answered, not looped (S04): version 5 is told 0x92 if
/// the exchange is unknown. [MQTT-4.3.3-11]
#[test]
fn s04_release_after_a_restart() {
    let mut broker = Broker::start();
    broker.client(V311, "x").ping();
    broker.kill_and_restart();
    let mut conn = broker.v5("fresh");
    conn.send(&ack(REL, 5));
    let comp = conn.read_kind(Kind::PubComp);
    assert_eq!((comp.id, comp.code), (5, 0x92));
}

/// Two hundred messages at a window of one: ids go round, the window never closes for good
/// (S05, S07), while the listener subscribes again and again at other QoS. [MQTT-4.9.0-2]
#[test]
fn s07_window_does_not_erode() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "one").prop(prop::two(prop::RECEIVE_MAXIMUM, 1));
    let mut listener = broker.connect(&connect);
    let mut speaker = broker.v5("speaker");
    for n in 0..200 {
        let qos = [2, 0, 1][n % 3];
        listener.subscribe("erode", qos);
        speaker.publish(&Publish::new("erode", n.to_string()).qos2(1));
        assert_eq!(listener.receive_this("erode", &n.to_string()).qos, qos);
    }
}
