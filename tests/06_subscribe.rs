//! SUBSCRIBE and UNSUBSCRIBE (3.8 to 3.11, 4.7): filters, what matches, and what is answered.

use crate::wire::{
    ALL, BOTH, Broker, Conn, Connect, Kind, Publish, V5, V311, ack, packet, prop, string,
    subscribe, subscribe_with, unsubscribe,
};

const NO_LOCAL: u8 = 0x04;

/// The examples of 4.7.1, and the corners around them: which filters meet which topics.
/// [MQTT-3.3.2-3] [MQTT-4.7.1-1] [MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-3]
#[test]
fn filters_and_topics() {
    let topics = [
        "sport",
        "sport/",
        "/sport",
        "sport/tennis/player1",
        "sport/tennis/player1/ranking",
        "sport/tennis/player1/score/wimbledon",
        "/finance",
        "/",
        "//",
        "a//b",
        "finance",
    ];
    let table: [(&str, &[usize]); 12] = [
        ("#", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("+", &[0, 10]),
        ("+/+", &[1, 2, 6, 7]),
        ("/+", &[2, 6, 7]),
        ("sport/#", &[0, 1, 3, 4, 5]),
        ("sport/+", &[1]),
        ("sport/tennis/player1/#", &[3, 4, 5]),
        ("sport/tennis/+", &[3]),
        ("+/tennis/#", &[3, 4, 5]),
        ("/", &[7]),
        ("+//+", &[8, 9]),
        ("a/+/b", &[9]),
    ];
    let broker = Broker::start();
    for version in BOTH {
        let mut speaker = broker.client(version, "speaker");
        for (filter, due) in table {
            // `+//+` meets `//` too: an empty level is a level.
            let mut listener = broker.client(version, "listener");
            listener.subscribe(filter, 0);
            for topic in topics {
                speaker.publish(&Publish::new(topic, "x"));
            }
            speaker.publish(&Publish::new("end", "x"));
            for &n in due {
                assert_eq!(listener.receive().topic, topics[n], "{filter}");
            }
            if filter == "#" || filter == "+" {
                listener.receive_this("end", "x");
            }
            listener.unsubscribe(filter);
            listener.nothing_from(&mut speaker, 0);
        }
    }
}

/// Wildcards at the front do not reach into the broker's own topics; asking for them by name
/// does. [MQTT-4.7.2-1] [3.1.1 MQTT-4.7.2-1]
#[test]
fn wildcards_do_not_reach_dollar() {
    let broker = Broker::with(&["mqtt.sys_interval=1s"]);
    for version in BOTH {
        let mut blind = broker.client(version, "blind");
        for filter in ["#", "+/#", "+/broker/#", "+/broker/uptime"] {
            blind.subscribe(filter, 0);
        }
        let mut seeing = broker.client(version, "seeing");
        seeing.subscribe("$SYS/broker/uptime", 0);
        // Retained or by the next tick: what the named filter got, the wildcards did not.
        seeing.receive();
        seeing.receive();
        blind.nothing_from_itself();
    }
}

/// `#` not at the end, wildcards that share their level, an empty filter: each is answered with
/// a failure of its own, its neighbours in the same packet are granted, the connection stays.
/// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-3.8.4-5] [MQTT-3.8.4-6]
/// [MQTT-3.9.3-1] [MQTT-3.9.3-2] [MQTT-3.8.4-7] [3.1.1 MQTT-3.8.4-4] [3.1.1 MQTT-3.8.4-5]
/// [3.1.1 MQTT-3.9.3-1] [3.1.1 MQTT-3.9.3-2]
#[test]
fn bad_filters_fail_alone() {
    let broker = Broker::start();
    let bad = [
        "a/#/b", "#/a", "a#", "a/b#", "+a", "a+", "a/+b/c", "##", "++", "",
    ];
    for version in BOTH {
        let mut conn = broker.client(version, "bad");
        let mut filters = vec![("good/first", 0)];
        filters.extend(bad.iter().map(|f| (*f, 1)));
        filters.push(("good/last", 2));
        conn.send(&subscribe(version, 9, &filters));
        let suback = conn.read_kind(Kind::SubAck);
        let failure = if version == V5 { 0x8F } else { 0x80 };
        let mut due = vec![0];
        due.extend([failure; 10]);
        due.push(2);
        assert_eq!((suback.id, suback.codes), (9, due));
        conn.publish(&Publish::new("good/last", "x"));
        conn.receive_this("good/last", "x");
    }
}

/// The packet itself is wrong: no filter at all, reserved bits, QoS 3, retain handling 3, wrong
/// flags, id 0, a length that lies, text that is none. [MQTT-3.8.1-1] [MQTT-3.8.3-1]
/// [MQTT-3.8.3-2] [MQTT-3.8.3-5] [3.1.1 MQTT-3.8.1-1] [3.1.1 MQTT-3.8.3-1]
/// [3.1.1 MQTT-3.8.3-3] [3.1.1 MQTT-3.8.3-4] [MQTT-2.2.1-3]
#[test]
fn malformed_subscribe() {
    let broker = Broker::start();
    for version in BOTH {
        let none: &[u8] = if version == V5 { &[0] } else { &[] };
        let good = [&string("a")[..], &[0]].concat();
        let mut bad = vec![
            packet(0x82, &[&[0, 1], none]),
            packet(0x80, &[&[0, 1], none, &good]),
            packet(0x83, &[&[0, 1], none, &good]),
            packet(0x82, &[&[0, 0], none, &good]),
            packet(0x82, &[&[0, 1], none, &string("a")]),
            packet(0x82, &[&[0, 1], none, &[0, 5, b'a', 0]]),
            packet(0x82, &[&[0, 1], none, &[0, 1, 0xFF, 0]]),
            packet(0x82, &[&[0, 1], none, &[0, 1, 0, 0]]),
            subscribe(version, 1, &[("a", 3)]),
            subscribe(version, 1, &[("a", 0x40)]),
            subscribe(version, 1, &[("a", 0x80)]),
        ];
        if version == V5 {
            bad.push(subscribe(version, 1, &[("a", 0x30)]));
            let id = |n| prop::variable(prop::SUBSCRIPTION_ID, n);
            bad.push(subscribe_with(version, 1, &[id(0)], &[("a", 0)]));
            bad.push(subscribe_with(version, 1, &[id(1), id(2)], &[("a", 0)]));
        } else {
            bad.push(subscribe(version, 1, &[("a", 0x04)]));
        }
        for bytes in bad {
            let mut conn = broker.client(version, "malformed");
            conn.send(&bytes);
            let said = conn.read_to_end();
            let last = if version == V5 { 1 } else { 0 };
            assert_eq!(said.len(), last, "{bytes:02x?}: {said:?}");
            assert!(
                said.iter().all(|p| matches!(p.code, 0x81 | 0x82 | 0x8F)),
                "{said:?}"
            );
        }
    }
}

/// The answer names the question. [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.2.1-6]
/// [3.1.1 MQTT-3.8.4-1] [3.1.1 MQTT-3.8.4-2] [3.1.1 MQTT-2.3.1-7]
#[test]
fn suback_to_the_byte() {
    let broker = Broker::start();
    let mut conn = broker.client(V311, "bytes");
    conn.send(&subscribe(
        V311,
        0xABCD,
        &[("a", 0), ("b/+", 1), ("c/#", 2)],
    ));
    conn.expect(&[0x90, 5, 0xAB, 0xCD, 0, 1, 2]);
    conn.send(&unsubscribe(V311, 0xFFFF, &["a", "nothing"]));
    conn.expect(&[0xB0, 2, 0xFF, 0xFF]);
}

/// Two subscriptions of one client meet one message: it comes once, at the higher QoS, naming
/// every subscription that has an identifier. [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4]
/// [3.1.1 MQTT-3.3.5-1]
#[test]
fn overlapping_subscriptions() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    let mut new = broker.v5("new");
    for (n, filter, qos) in [(7, "over/+", 1), (300_000, "over/#", 2), (0, "#", 0)] {
        let id = prop::variable(prop::SUBSCRIPTION_ID, n);
        let props = if n > 0 { vec![id] } else { Vec::new() };
        new.send(&subscribe_with(V5, 1, &props, &[(filter, qos)]));
        assert_eq!(new.read_kind(Kind::SubAck).codes, [qos]);
    }
    let mut old = broker.client(V311, "old");
    old.send(&subscribe(
        V311,
        1,
        &[("over/+", 1), ("over/#", 2), ("over/x", 0)],
    ));
    old.read_kind(Kind::SubAck);
    speaker.publish(&Publish::new("over/x", "x").qos2(1));
    let got = new.receive_this("over/x", "x");
    assert_eq!(got.qos, 2);
    assert_eq!(got.props.subscription_ids(), [7, 300_000]);
    assert_eq!(old.receive_this("over/x", "x").qos, 2);
    // `#` would receive what the other one waits for.
    new.unsubscribe("#");
    old.nothing_from(&mut speaker, 2);
    new.nothing_from(&mut speaker, 2);
}

/// The identifier goes with the subscription: it comes with retained messages, is replaced by
/// the next SUBSCRIBE, and gone with one that has none. (3.8.2.1.2) [MQTT-3.8.4-3]
/// [MQTT-3.3.4-3]
#[test]
fn subscription_identifier_follows() {
    let broker = Broker::start();
    let mut conn = broker.v5("ids");
    conn.publish(&Publish::new("ids", "kept").qos1(1).retained());
    for n in [1, 268_435_455, 5] {
        let id = prop::variable(prop::SUBSCRIPTION_ID, n);
        conn.send(&subscribe_with(V5, 3, &[id], &[("ids", 0)]));
        conn.read_kind(Kind::SubAck);
        let kept = conn.receive_this("ids", "kept");
        assert_eq!(kept.props.subscription_ids(), [n]);
        conn.publish(&Publish::new("ids", "live"));
        assert_eq!(
            conn.receive_this("ids", "live").props.subscription_ids(),
            [n]
        );
    }
    conn.subscribe("ids", 0x20);
    conn.publish(&Publish::new("ids", "live"));
    assert_eq!(
        conn.receive_this("ids", "live").props.subscription_ids(),
        [0; 0]
    );
}

/// The same filter again replaces the subscription: one message comes once, at the new QoS, and
/// nothing is lost in between. [MQTT-3.8.4-3] [MQTT-3.8.4-4] [3.1.1 MQTT-3.8.4-3]
#[test]
fn same_filter_replaces() {
    let broker = Broker::start();
    for version in BOTH {
        let mut speaker = broker.client(version, "speaker");
        let mut conn = broker.client(version, "replace");
        for qos in [0, 2, 1, 0] {
            conn.subscribe("replace/+", qos);
            speaker.publish(&Publish::new("replace/x", "x").qos2(1));
            assert_eq!(conn.receive_this("replace/x", "x").qos, qos);
            conn.nothing_from(&mut speaker, 2);
        }
    }
}

/// Subscribed again and again while messages flow: none is lost, none comes twice.
/// [MQTT-3.8.4-4] [3.1.1 MQTT-3.8.4-3]
#[test]
fn replacing_loses_nothing() {
    let broker = Broker::start();
    let mut conn = broker.v5("flow");
    conn.subscribe("flow", 1);
    let mut speaker = broker.v5("speaker");
    let (mut next, mut acks) = (0, 0);
    for n in 0..100u16 {
        speaker.publish(&Publish::new("flow", n.to_string()).qos1(1));
        conn.send(&subscribe(V5, 2000 + n, &[("flow", 1)]));
        while acks <= n || next < n {
            let got = conn.read_packet();
            if let Some(publish) = got.publish {
                assert_eq!(publish.text(), next.to_string());
                conn.send(&ack(0x40, publish.id));
                next += 1;
            } else {
                assert_eq!(got.kind, Kind::SubAck);
                acks += 1;
            }
        }
    }
}

/// A client that is behind subscribes again, with QoS 0: what waits for it in the log comes all the
/// same, once, and so does what follows, also what is said while it is away.
/// [MQTT-3.8.4-4] [3.1.1 MQTT-3.8.4-3]
#[test]
fn lowering_the_qos_loses_nothing() {
    let mut broker = Broker::start();
    let connect = Connect::new(V5, "low")
        .persistent(600)
        .prop(prop::two(prop::RECEIVE_MAXIMUM, 1));
    let mut conn = broker.connect(&connect);
    conn.subscribe("low", 1);
    let mut speaker = broker.v5("speaker");
    for n in 0..20 {
        speaker.publish(&Publish::new("low", n.to_string()).qos1(1 + n));
    }
    let first = conn.read_publish();
    assert_eq!((first.text(), first.qos), ("0", 1));
    conn.subscribe("low", 0);
    conn.send(&ack(0x40, first.id));
    let next = |conn: &mut Conn, n: u16| {
        let got = conn.read_publish();
        assert_eq!((got.text(), got.qos), (n.to_string().as_str(), 0));
    };
    (1..20).for_each(|n| next(&mut conn, n));
    speaker.publish(&Publish::new("low", "20").qos1(100));
    next(&mut conn, 20);
    conn.nothing_from(&mut speaker, 1);
    conn.bye();
    speaker.publish(&Publish::new("low", "21").qos1(101));
    broker.kill_and_restart();
    let mut conn = broker.connect(&connect);
    next(&mut conn, 21);
}

/// No Local: my own words do not come back to me, those of others do, those of my namesake on
/// another connection are mine too. [MQTT-3.8.3-3]
#[test]
fn no_local() {
    let broker = Broker::start();
    let mut conn = broker.v5("local");
    conn.subscribe("local/#", NO_LOCAL | 1);
    conn.publish(&Publish::new("local/1", "mine").qos1(1));
    let mut other = broker.v5("other");
    other.publish(&Publish::new("local/1", "theirs").qos1(1));
    conn.receive_this("local/1", "theirs");
    conn.nothing_from_itself();
    // Another subscription without the option still brings them.
    conn.subscribe("local/+", 1);
    conn.publish(&Publish::new("local/1", "mine").qos1(2));
    conn.receive_this("local/1", "mine");
}

/// UNSUBSCRIBE compares letters, not meanings; what was not subscribed is answered so, in order,
/// and the rest goes. [MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] [MQTT-3.10.4-5]
/// [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2] [3.1.1 MQTT-3.10.4-1]
/// [3.1.1 MQTT-3.10.4-2] [3.1.1 MQTT-3.10.4-4] [3.1.1 MQTT-3.10.4-5]
/// [3.1.1 MQTT-3.10.4-6]
#[test]
fn unsubscribe_by_letter() {
    let broker = Broker::start();
    for version in BOTH {
        let mut speaker = broker.client(version, "speaker");
        let mut conn = broker.client(version, "letters");
        conn.send(&subscribe(
            version,
            1,
            &[("un/+", 1), ("un/#", 0), ("other", 1)],
        ));
        conn.read_kind(Kind::SubAck);
        conn.send(&unsubscribe(
            version,
            5,
            &["un/x", "un/+", "un", "un/#", "UN/+"],
        ));
        let unsuback = conn.read_kind(Kind::UnsubAck);
        assert_eq!(unsuback.id, 5);
        if version == V5 {
            assert_eq!(unsuback.codes, [0x11, 0, 0x11, 0, 0x11]);
        }
        speaker.publish(&Publish::new("un/x", "x").qos1(1));
        speaker.publish(&Publish::new("other", "x").qos1(2));
        conn.receive_this("other", "x");
        conn.nothing_from(&mut speaker, 1);
    }
}

/// An exchange that began goes on after UNSUBSCRIBE: QoS 1 and QoS 2 are finished, also on the
/// next connection. [MQTT-3.10.4-3] [3.1.1 MQTT-3.10.4-3]
#[test]
fn unsubscribe_finishes_what_began() {
    let broker = Broker::start();
    for version in BOTH {
        let connect = Connect::new(version, "finish").persistent(60);
        let mut conn = broker.connect(&connect);
        conn.subscribe("finish", 2);
        let mut speaker = broker.client(version, "speaker");
        for qos in [1, 2] {
            speaker.publish(&Publish::new("finish", qos.to_string()).qos(qos, 1));
        }
        let (one, two) = (conn.read_publish(), conn.read_publish());
        conn.unsubscribe("finish");
        conn.send(&ack(0x50, two.id));
        assert_eq!(conn.read_kind(Kind::PubRel).id, two.id);
        conn.cut();
        let mut conn = broker.connect(&connect);
        let again = conn.read_packet();
        assert_eq!((again.kind, again.id), (Kind::Publish, one.id));
        assert_eq!(conn.read_kind(Kind::PubRel).id, two.id);
        conn.send(&ack(0x40, one.id));
        conn.send(&ack(0x70, two.id));
        conn.nothing_from(&mut speaker, 2);
    }
}

/// UNSUBSCRIBE that is malformed: nothing in it, wrong flags, id 0, no text. [MQTT-3.10.1-1]
/// [MQTT-3.10.3-1] [MQTT-3.10.3-2] [3.1.1 MQTT-3.10.1-1] [3.1.1 MQTT-3.10.3-1]
/// [3.1.1 MQTT-3.10.3-2]
#[test]
fn malformed_unsubscribe() {
    let broker = Broker::start();
    for version in BOTH {
        let none: &[u8] = if version == V5 { &[0] } else { &[] };
        let bad = [
            packet(0xA2, &[&[0, 1], none]),
            packet(0xA0, &[&[0, 1], none, &string("a")]),
            packet(0xA2, &[&[0, 0], none, &string("a")]),
            packet(0xA2, &[&[0, 1], none, &[0, 1, 0xFF]]),
            packet(0xA2, &[&[0, 1], none, &[0, 9, b'a']]),
        ];
        for bytes in bad {
            let mut conn = broker.client(version, "malformed");
            conn.send(&bytes);
            let said = conn.read_to_end();
            assert!(
                said.iter().all(|p| matches!(p.code, 0x81 | 0x82 | 0x8F)),
                "{said:?}"
            );
        }
    }
}

/// A hundred filters in one packet are answered one by one, in order. [MQTT-3.8.4-6]
/// [MQTT-3.9.3-1]
#[test]
fn many_filters_in_one_packet() {
    let broker = Broker::start();
    for version in ALL {
        let names: Vec<String> = (0..100).map(|n| format!("many/{n}")).collect();
        let filters: Vec<(&str, u8)> = names
            .iter()
            .enumerate()
            .map(|(n, f)| (f.as_str(), (n % 3) as u8))
            .collect();
        let mut conn = broker.client(version, "many");
        conn.send(&subscribe(version, 1, &filters));
        let due: Vec<u8> = filters.iter().map(|(_, q)| *q).collect();
        assert_eq!(conn.read_kind(Kind::SubAck).codes, due);
        conn.publish(&Publish::new("many/99", "x"));
        conn.receive_this("many/99", "x");
    }
}

/// Topics and filters of 128 levels are allowed; the 129th is one too many, and only the
/// filter's own answer says so (P10). (4.7.3, non-normative)
#[test]
fn level_limit() {
    let broker = Broker::start();
    let deepest = vec!["l"; 128].join("/");
    let deeper = format!("{deepest}/l");
    let slashes = "/".repeat(65_535);
    for version in BOTH {
        let mut conn = broker.client(version, "deep");
        conn.subscribe(&deepest, 0);
        conn.publish(&Publish::new(&deepest, "x"));
        conn.receive_this(&deepest, "x");
        for filter in [&deeper, &slashes] {
            conn.send(&subscribe(version, 1, &[(filter, 0), ("ok", 0)]));
            let codes = conn.read_kind(Kind::SubAck).codes;
            assert_eq!(codes, [if version == V5 { 0x8F } else { 0x80 }, 0]);
        }
        for topic in [&deeper, &slashes] {
            let mut conn = broker.client(version, "deep");
            conn.send(&Publish::new(topic, "x").bytes(version));
            conn.expect_closed_for(0x90);
        }
    }
}

/// A client subscribes and is gone before the answer; it comes back, with another version, to the
/// same session: the new connection hears nothing of a SUBACK that it did not ask for. What it
/// subscribes itself is answered as ever. [MQTT-3.8.4-1]
#[test]
fn suback_is_not_for_the_next_connection() {
    let broker = Broker::with(&["shards=2"]);
    for round in 0..100 {
        let name = format!("hasty{}", round % 5);
        let mut hasty = broker.open(V311);
        let connect = Connect::new(V311, &name).persistent(60).bytes();
        let filters = [("hasty/+", 1), ("$share/g/hasty", 0)];
        hasty.send(&[connect, subscribe(V311, 1, &filters)].concat());
        let mut next = broker.connect(&Connect::new(V5, &name).persistent(60));
        next.ping();
        next.subscribe("hasty/#", 0);
    }
}
