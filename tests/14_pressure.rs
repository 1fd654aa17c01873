//! Those who read too slowly (rows X05, X06 in short): their own loss, nobody else's.

use std::time::{Duration, Instant};

use crate::wire::{Broker, Connect, Outcome, Publish, V5, V311, ack};

/// A listener stops reading while a megabyte after the other is said to it; another listener of
/// the same topic, and a publisher with its answers, go on as before. [MQTT-4.9.0-3]
#[test]
fn deaf_listener_disturbs_nobody() {
    let broker = Broker::start();
    let mut deaf = broker.v5("deaf");
    deaf.subscribe("stream", 0);
    let mut awake = broker.client(V311, "awake");
    awake.subscribe("mark/#", 1);
    let mut speaker = broker.v5("speaker");
    let started = Instant::now();
    for n in 0..60 {
        speaker.publish(&Publish::new("stream", vec![b'x'; 500_000]));
        let text = n.to_string();
        speaker.publish(&Publish::new("mark/1", &text).qos1(1));
        awake.receive_this("mark/1", &text);
    }
    // 30 MB to nobody's ears: far less than this if nobody waits for the deaf one.
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    // It wakes up: what it gets is whole, in order, and then the present.
    let mut got = 0;
    deaf.send(&[0xC0, 0]);
    loop {
        match deaf.read_by(Instant::now() + Duration::from_secs(8)) {
            Outcome::Packet(packet) => match packet.publish {
                Some(publish) => {
                    assert_eq!(publish.payload.len(), 500_000);
                    got += 1;
                }
                None => break,
            },
            // To be cut off is another fair end for somebody who never reads.
            Outcome::Closed => break,
            Outcome::Late => panic!("neither served nor closed after {got}"),
        }
    }
    assert!(got <= 60);
}

/// A listener that answers nothing: its window fills, then its queue up to the limit, and the
/// oldest in the queue make room for the newest. (4.9, non-normative) [MQTT-4.9.0-2]
#[test]
fn queue_limit_drops_the_oldest() {
    // Without grace: while publishers are held back, more may wait.
    let broker = Broker::with(&[
        "mqtt.max_inflight=5",
        "mqtt.max_queue=10",
        "mqtt.slow_grace=0ms",
    ]);
    let mut lazy = broker.client(V311, "lazy");
    lazy.subscribe("queue", 1);
    let mut speaker = broker.v5("speaker");
    for n in 0..50 {
        speaker.publish(&Publish::new("queue", n.to_string()).qos1(1));
    }
    let mut texts = Vec::new();
    let mut first = Vec::new();
    for _ in 0..5 {
        first.push(lazy.read_publish());
    }
    lazy.nothing_from(&mut speaker, 0);
    for got in &first {
        texts.push(got.text().parse::<u32>().unwrap());
        lazy.send(&ack(0x40, got.id));
    }
    for _ in 0..10 {
        texts.push(lazy.receive().text().parse().unwrap());
    }
    let due: Vec<u32> = (0..5).chain(40..50).collect();
    assert_eq!(texts, due);
    lazy.nothing_from(&mut speaker, 1);
}

/// Old clients have no Receive Maximum of their own; the broker's window holds for them too.
/// (4.9, non-normative)
#[test]
fn window_for_old_clients() {
    let broker = Broker::with(&["mqtt.max_inflight=3"]);
    let mut lazy = broker.client(V311, "lazy");
    lazy.subscribe("window", 1);
    let mut speaker = broker.v5("speaker");
    for n in 0..6 {
        speaker.publish(&Publish::new("window", n.to_string()).qos1(1));
    }
    let held: Vec<_> = (0..3).map(|_| lazy.read_publish()).collect();
    lazy.nothing_from(&mut speaker, 0);
    for got in &held {
        lazy.send(&ack(0x40, got.id));
    }
    for n in 3..6 {
        lazy.receive_this("window", &n.to_string());
    }
}

/// A sleeping kept session is no slow reader: nothing of what is acknowledged to the publisher
/// is dropped for it, however much. [MQTT-4.5.0-1]
#[test]
fn kept_session_loses_nothing() {
    let broker = Broker::with(&["mqtt.max_queue=10"]);
    let connect = Connect::new(V5, "kept").persistent(300);
    let mut kept = broker.connect(&connect);
    kept.subscribe("much", 1);
    kept.bye();
    let mut speaker = broker.v5("speaker");
    for n in 0..500 {
        speaker.publish(&Publish::new("much", n.to_string()).qos1(1));
    }
    let mut kept = broker.connect(&connect);
    for n in 0..500 {
        kept.receive_this("much", &n.to_string());
    }
}

/// One publisher that never stops to breathe, many listeners: everything QoS 1 arrives at each,
/// in order.
#[test]
fn burst_to_many() {
    let broker = Broker::start();
    let mut listeners: Vec<_> = (0..20)
        .map(|n| {
            let mut conn = broker.client(if n % 2 == 0 { V5 } else { V311 }, &format!("l{n}"));
            conn.subscribe("burst/#", 1);
            conn
        })
        .collect();
    let mut speaker = broker.v5("speaker");
    let mut all = Vec::new();
    for n in 1..=500u16 {
        all.extend(Publish::new("burst/x", n.to_string()).qos1(n).bytes(V5));
    }
    speaker.send(&all);
    for n in 1..=500 {
        assert_eq!(speaker.read_packet().id, n);
    }
    for conn in &mut listeners {
        for n in 1..=500 {
            conn.receive_this("burst/x", &n.to_string());
        }
    }
}
