//! Properties of version 5 in the flow of messages: aliases, expiry, sizes, and what is passed
//! on untouched.

use std::thread::sleep;
use std::time::Duration;

use crate::wire::{
    Broker, Connect, Kind, Publish, V5, V311, packet, prop, string, subscribe, unsubscribe,
};

fn alias(n: u16) -> Vec<u8> {
    prop::two(prop::TOPIC_ALIAS, n)
}

/// Everything a publisher says about its message arrives as it was said, user properties in
/// their order and with their repetitions. [MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16]
/// [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-19] [MQTT-3.3.2-20] [MQTT-1.5.7-1]
#[test]
fn passed_on_unaltered() {
    let broker = Broker::start();
    let mut listener = broker.v5("listener");
    listener.subscribe("pass", 2);
    let mut old = broker.client(V311, "old");
    old.subscribe("pass", 2);
    let mut speaker = broker.v5("speaker");
    for qos in 0..=2 {
        let mut publish = Publish::new("pass", "{}")
            .qos(qos, 1)
            .prop(prop::user("z", "1"))
            .prop(prop::byte(prop::PAYLOAD_FORMAT, 1))
            .prop(prop::user("a", "2"))
            .prop(prop::text(prop::CONTENT_TYPE, "application/json"))
            .prop(prop::text(prop::RESPONSE_TOPIC, "answer/here"))
            .prop(prop::data(prop::CORRELATION_DATA, &[0, 255, 1]));
        for (name, value) in [("z", "1"), ("", ""), ("温度", "°C")] {
            publish = publish.prop(prop::user(name, value));
        }
        speaker.publish(&publish);
        let props = listener.receive_this("pass", "{}").props;
        assert_eq!(props.number(prop::PAYLOAD_FORMAT), Some(1));
        assert_eq!(props.text(prop::CONTENT_TYPE), Some("application/json"));
        assert_eq!(props.text(prop::RESPONSE_TOPIC), Some("answer/here"));
        assert_eq!(props.data(prop::CORRELATION_DATA), Some(&[0, 255, 1][..]));
        let users = [("z", "1"), ("a", "2"), ("z", "1"), ("", ""), ("温度", "°C")];
        assert_eq!(props.users(), users);
        // An old client gets the payload and nothing it could not read.
        assert_eq!(old.receive_this("pass", "{}").props.0, []);
    }
}

/// A message without properties comes with none: the property length is a zero, and nothing is
/// made up. [MQTT-2.2.2-1] [MQTT-2.2.1-2] [3.1.1 MQTT-2.3.1-5]
#[test]
fn nothing_made_up() {
    let broker = Broker::start();
    let mut listener = broker.v5("listener");
    listener.subscribe("bare", 0);
    broker
        .client(V311, "speaker")
        .publish(&Publish::new("bare", "x"));
    listener.expect(&packet(0x30, &[&string("bare"), &[0], b"x"]));
    listener.publish(&Publish::new("bare", "y"));
    listener.expect(&packet(0x30, &[&string("bare"), &[0], b"y"]));
    let mut old = broker.client(V311, "old");
    old.subscribe("bare", 0);
    listener.publish(&Publish::new("bare", "z"));
    old.expect(&packet(0x30, &[&string("bare"), b"z"]));
}

/// A publisher gives its topic a number and uses only that from then on; all 32 numbers that
/// were announced work, and a number can be given anew. [MQTT-3.3.2-12]
#[test]
fn alias_from_the_client() {
    let broker = Broker::start();
    let mut listener = broker.v5("listener");
    listener.subscribe("alias/#", 0);
    let mut speaker = broker.v5("speaker");
    for n in 1..=32 {
        let topic = format!("alias/{n}");
        speaker.publish(&Publish::new(&topic, "set").prop(alias(n)));
        listener.receive_this(&topic, "set");
    }
    for n in (1..=32).rev() {
        speaker.publish(&Publish::new("", "use").prop(alias(n)));
        let got = listener.receive_this(&format!("alias/{n}"), "use");
        assert_eq!(
            got.props.number(prop::TOPIC_ALIAS),
            None,
            "the publisher's own affair"
        );
    }
    speaker.publish(&Publish::new("alias/new", "set").prop(alias(1)));
    speaker.publish(&Publish::new("", "use").prop(alias(1)).qos1(1));
    listener.receive_this("alias/new", "set");
    listener.receive_this("alias/new", "use");
}

/// An alias of 0, one beyond the announced 32, and one nobody defined end the connection.
/// [MQTT-3.3.2-8] [MQTT-4.13.1-1] [MQTT-3.3.2-9] [MQTT-3.2.2-17] (3.3.2.3.4)
#[test]
fn bad_aliases() {
    let broker = Broker::start();
    let bad = [
        (Publish::new("a", "x").prop(alias(0)), 0x94),
        (Publish::new("a", "x").prop(alias(33)), 0x94),
        (Publish::new("a", "x").prop(alias(65_535)), 0x94),
        (Publish::new("", "x").prop(alias(1)), 0x82),
        (Publish::new("", "x"), 0x82),
    ];
    for (n, (publish, reason)) in bad.into_iter().enumerate() {
        let mut conn = broker.v5("bad");
        conn.send(&publish.bytes(V5));
        let said = conn.read_to_end();
        assert_eq!(said.len(), 1, "case {n}");
        assert!(
            said[0].code == reason || said[0].code == 0x82,
            "case {n}: {said:?}"
        );
    }
}

/// Aliases end with their connection, though the session goes on. [MQTT-3.3.2-7]
#[test]
fn alias_ends_with_the_connection() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "carry").persistent(60);
    let mut conn = broker.connect(&connect);
    conn.publish(&Publish::new("carry", "x").prop(alias(1)));
    conn.ping();
    conn.bye();
    let mut conn = broker.connect(&connect);
    conn.send(&Publish::new("", "x").prop(alias(1)).bytes(V5));
    conn.expect_closed_for(0x82);
}

/// A listener allows so many aliases: the broker uses none beyond, defines each before use, and
/// whoever allows none gets none, though it uses some itself. [MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11]
/// [MQTT-3.3.2-8]
#[test]
fn alias_to_the_client() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    for max in [None, Some(0), Some(2), Some(65_535)] {
        let mut connect = Connect::new(V5, "listener");
        if let Some(max) = max {
            connect = connect.prop(prop::two(prop::TOPIC_ALIAS_MAXIMUM, max));
        }
        let mut listener = broker.connect(&connect);
        listener.subscribe("back/#", 0);
        listener.publish(&Publish::new("forth", "x").prop(alias(1)));
        listener.ping();
        let mut known = std::collections::HashMap::new();
        for n in 0..30 {
            let topic = format!("back/{}", n % 5);
            speaker.publish(&Publish::new(&topic, n.to_string()));
            let got = listener.receive();
            let number = got.props.number(prop::TOPIC_ALIAS);
            if let Some(number) = number {
                assert!(
                    number <= u32::from(max.unwrap_or(0)),
                    "alias {number} of {max:?}"
                );
                if !got.topic.is_empty() {
                    known.insert(number, got.topic.clone());
                }
            }
            let meant = match number {
                Some(number) => known.get(&number).expect("an alias nobody defined"),
                None => &got.topic,
            };
            assert_eq!(
                (meant.as_str(), got.text()),
                (topic.as_str(), n.to_string().as_str())
            );
        }
    }
}

/// A message waits for a sleeping listener; what is left of its time is what arrives, and one
/// whose time is over does not. [MQTT-3.3.2-5] [MQTT-3.3.2-6]
#[test]
fn message_expiry() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "sleeper").persistent(60);
    let mut sleeper = broker.connect(&connect);
    sleeper.subscribe("wait", 2);
    let mut speaker = broker.v5("speaker");
    let lasting = |secs| prop::four(prop::MESSAGE_EXPIRY, secs);
    speaker.publish(&Publish::new("wait", "at once").prop(lasting(100)));
    let got = sleeper.receive_this("wait", "at once");
    let left = got.props.number(prop::MESSAGE_EXPIRY);
    assert!(left.is_some_and(|s| (99..=100).contains(&s)), "{left:?}");
    sleeper.bye();
    speaker.publish(&Publish::new("wait", "long").qos1(1).prop(lasting(100)));
    speaker.publish(&Publish::new("wait", "short").qos1(2).prop(lasting(1)));
    speaker.publish(&Publish::new("wait", "shorter").qos2(3).prop(lasting(1)));
    speaker.publish(&Publish::new("wait", "for ever").qos2(4));
    // Time itself is what this waits for.
    sleep(Duration::from_millis(2100));
    let mut sleeper = broker.connect(&connect);
    let got = sleeper.receive_this("wait", "long");
    let left = got.props.number(prop::MESSAGE_EXPIRY);
    assert!(left.is_some_and(|s| (95..=98).contains(&s)), "{left:?}");
    let got = sleeper.receive_this("wait", "for ever");
    assert_eq!(got.props.number(prop::MESSAGE_EXPIRY), None);
    sleeper.nothing_from(&mut speaker, 2);
}

/// A QoS 2 delivery that began is finished though its message's time is over meanwhile.
/// [MQTT-4.3.3-7] [MQTT-4.3.3-13]
#[test]
fn expiry_does_not_break_an_exchange() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "began").persistent(60);
    let mut conn = broker.connect(&connect);
    conn.subscribe("began", 2);
    let mut speaker = broker.v5("speaker");
    let lasting = prop::four(prop::MESSAGE_EXPIRY, 1);
    speaker.publish(&Publish::new("began", "x").qos2(1).prop(lasting));
    let first = conn.read_publish();
    conn.cut();
    sleep(Duration::from_millis(2100));
    let mut conn = broker.connect(&connect);
    let again = conn.receive_this("began", "x");
    assert_eq!((again.id, again.dup), (first.id, true));
    conn.nothing_from(&mut speaker, 2);
}

/// A listener can take packets of so many bytes: the one that fits exactly comes, the one a byte
/// too long is left out as if it had been sent, and the next comes. [MQTT-3.1.2-24]
/// [MQTT-3.1.2-25]
#[test]
fn maximum_packet_size_of_the_client() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    for qos in 0..=2u8 {
        let connect = Connect::new(V5, "small").prop(prop::four(prop::MAXIMUM_PACKET_SIZE, 60));
        let mut small = broker.connect(&connect);
        small.subscribe("small", qos);
        // Header 2, topic 7, packet id 0 or 2, property length 1: the rest is payload.
        let fits = 60 - 10 - if qos > 0 { 2 } else { 0 };
        for size in [fits, fits + 1, fits + 100_000, fits] {
            speaker.publish(&Publish::new("small", vec![b'x'; size]).qos(qos, 1));
        }
        for _ in 0..2 {
            let got = small.receive();
            assert_eq!(got.payload.len(), fits);
        }
        small.nothing_from(&mut speaker, qos);
    }
}

/// CONNACK itself respects a client that can take very little: where what it must say does not
/// fit, the answer is 0x95. [MQTT-3.1.2-24] [MQTT-3.2.2-19] [MQTT-3.2.2-20]
#[test]
fn small_connack() {
    let broker = Broker::start();
    let method = prop::text(prop::AUTHENTICATION_METHOD, "unknown");
    for max in [20, 30, 100] {
        let size = prop::four(prop::MAXIMUM_PACKET_SIZE, max);
        let mut conn = broker.open(V5);
        conn.send(
            &Connect::new(V5, "tiny")
                .prop(size)
                .prop(method.clone())
                .bytes(),
        );
        for packet in conn.read_to_end() {
            assert!(packet.len <= max as usize, "{packet:?}");
        }
    }
    for max in 5..60 {
        for id in ["tiny", ""] {
            let size = prop::four(prop::MAXIMUM_PACKET_SIZE, max);
            let mut conn = broker.open(V5);
            conn.send(&Connect::new(V5, id).prop(size).bytes());
            let connack = conn.read_kind(Kind::ConnAck);
            assert!(connack.len <= max as usize, "{max}: {connack:?}");
            match connack.code {
                0 => conn.ping(),
                code => {
                    assert_eq!(code, 0x95);
                    conn.expect_closed();
                }
            }
        }
    }
}

/// Answers that are refusals, to a client that can take very little: each fits.
/// [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3]
/// [MQTT-3.7.2-2] [MQTT-3.7.2-3] [MQTT-3.9.2-1] [MQTT-3.9.2-2] [MQTT-3.11.2-1]
/// [MQTT-3.11.2-2] [MQTT-3.14.2-3] [MQTT-3.14.2-4]
#[test]
fn small_answers() {
    let broker = Broker::start();
    let size = prop::four(prop::MAXIMUM_PACKET_SIZE, 20);
    let mut conn = broker.connect(&Connect::new(V5, "tiny").prop(size));
    conn.send(&Publish::new("$SYS/x", "x").qos1(1).bytes(V5));
    conn.send(&Publish::new("$SYS/x", "x").qos2(2).bytes(V5));
    conn.send(&crate::wire::ack(0x62, 3));
    conn.send(&crate::wire::ack(0x50, 4));
    conn.send(&subscribe(V5, 5, &[("a/#/b", 0)]));
    conn.send(&unsubscribe(V5, 6, &["nothing"]));
    // Its reason would be a long one.
    conn.send(&Connect::new(V5, "tiny").bytes());
    let said = conn.read_to_end();
    assert_eq!(said.len(), 7, "{said:?}");
    for packet in said {
        assert!(packet.len <= 20, "{packet:?}");
    }
}

/// A packet beyond the announced megabyte: refused as soon as its header tells, 0x95; the
/// largest allowed passes. [MQTT-3.2.2-15] [MQTT-4.13.1-1]
#[test]
fn maximum_packet_size_of_the_broker() {
    let broker = Broker::start();
    let overhead = 1 + 3 + 2 + 3 + 1;
    let mut conn = broker.v5("big");
    conn.subscribe("big", 0);
    conn.publish(&Publish::new("big", vec![7; 1_048_576 - overhead]));
    assert_eq!(conn.receive().payload.len(), 1_048_576 - overhead);
    conn.send(&[0x30, 0x81, 0x80, 0x40]);
    conn.expect_closed_for(0x95);
    let mut conn = broker.client(V311, "big");
    conn.send(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
    conn.expect_closed();
}

/// The client wants no explanations: none come, except where the specification lets them.
/// [MQTT-3.1.2-29]
#[test]
fn no_problem_information() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "terse").prop(prop::byte(prop::REQUEST_PROBLEM_INFORMATION, 0));
    let mut conn = broker.connect(&connect);
    conn.send(&Publish::new("$SYS/x", "x").qos1(1).bytes(V5));
    conn.send(&Publish::new("$SYS/x", "x").qos2(2).bytes(V5));
    conn.send(&subscribe(V5, 3, &[("a/#/b", 0)]));
    conn.send(&unsubscribe(V5, 4, &["nothing"]));
    conn.send(&crate::wire::ack(0x62, 5));
    for _ in 0..5 {
        let packet = conn.read_packet();
        assert_eq!(packet.props.0, [], "{packet:?}");
    }
}

/// Who did not ask for response information gets none. [MQTT-3.1.2-28]
#[test]
fn response_information_only_when_asked() {
    let broker = Broker::start();
    let ask = |n| prop::byte(prop::REQUEST_RESPONSE_INFORMATION, n);
    let plain = Connect::new(V5, "asks");
    for connect in [plain.clone(), plain.clone().prop(ask(0))] {
        let (_, connack) = broker.connect_told(&connect);
        assert_eq!(connack.props.text(prop::RESPONSE_INFORMATION), None);
    }
    broker.connect(&plain.prop(ask(1))).ping();
}

/// Request and response, as 4.10 draws it: the answer finds its way by response topic and
/// correlation data. (4.10, non-normative) [MQTT-3.3.2-15] [MQTT-3.3.2-16]
#[test]
fn request_and_response() {
    let broker = Broker::start();
    let mut asker = broker.v5("asker");
    asker.subscribe("answers/asker", 1);
    let mut server = broker.v5("server");
    server.subscribe("questions", 1);
    let question = Publish::new("questions", "6*7")
        .qos1(1)
        .prop(prop::text(prop::RESPONSE_TOPIC, "answers/asker"))
        .prop(prop::data(prop::CORRELATION_DATA, b"#1"));
    asker.publish(&question);
    let asked = server.receive_this("questions", "6*7");
    let topic = asked.props.text(prop::RESPONSE_TOPIC).unwrap();
    let mark = asked.props.data(prop::CORRELATION_DATA).unwrap();
    let answer = Publish::new(topic, "42")
        .qos1(1)
        .prop(prop::data(prop::CORRELATION_DATA, mark));
    server.publish(&answer);
    let answered = asker.receive_this("answers/asker", "42");
    assert_eq!(
        answered.props.data(prop::CORRELATION_DATA),
        Some(&b"#1"[..])
    );
}

/// Acknowledgements of a client in all their lengths are understood: without reason, with it,
/// with properties; unknown reasons and foreign properties are not. (3.4.2.2)
#[test]
fn forms_of_acknowledgements() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    let reason_string = prop::text(prop::REASON_STRING, "fine");
    let long = [&[reason_string.len() as u8][..], &reason_string].concat();
    for tail in [vec![], vec![0], vec![0, 0], [vec![0], long].concat()] {
        let mut conn = broker.v5("forms");
        conn.subscribe("forms", 1);
        speaker.publish(&Publish::new("forms", "x").qos1(1));
        let got = conn.read_publish();
        conn.send(&packet(0x40, &[&got.id.to_be_bytes(), &tail]));
        conn.ping();
    }
    for tail in [&[0x92][..], &[0x01], &[0, 1], &[0, 3, 35, 0, 1], &[0, 0, 0]] {
        let mut conn = broker.v5("forms");
        conn.send(&packet(0x40, &[&[0, 1], tail]));
        let said = conn.read_to_end();
        assert_eq!(
            said.last().map(|p| p.kind),
            Some(Kind::Disconnect),
            "{tail:02x?}"
        );
        assert!(matches!(said[0].code, 0x81 | 0x82), "{tail:02x?}: {said:?}");
    }
}
