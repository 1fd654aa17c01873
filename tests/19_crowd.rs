//! Crowds that read nothing and clients that talk to themselves: nobody stands still, a bystander
//! notices nothing, memory stays within the announced bounds, and what is missing is counted to the
//! last message. There are 40 of them, in full 500.

use std::time::{Duration, Instant};

use crate::wire::{
    Broker, Canary, Conn, Connect, Kind, Outcome, Publish, V5, V311, ack, in_full, prop,
    raise_files,
};

/// Announced bounds of one client.
const OUT_BUFFER: u64 = 256 << 10;
const QUEUE_BYTES: u64 = 1 << 20;
const PAYLOAD: usize = 4000;
/// A hundred more than window and queue hold, and a good deal more than buffers do.
const MESSAGES: u32 = 1500;

fn crowd_size() -> usize {
    if in_full() { 500 } else { 40 }
}

fn broker() -> Broker {
    raise_files();
    Broker::with(&[
        "mqtt.sys_interval=1s",
        &format!("mqtt.max_out_buffer={}KB", OUT_BUFFER >> 10),
        &format!("mqtt.max_queue_bytes={}KB", QUEUE_BYTES >> 10),
        "mqtt.max_inflight=100",
        "mqtt.max_queue=1000",
    ])
}

fn payload(n: u32) -> Vec<u8> {
    let mut payload = vec![b'.'; PAYLOAD];
    payload[..4].copy_from_slice(&n.to_be_bytes());
    payload
}

/// A publisher floods a crowd that has stopped reading; half of the crowd then reads again, the
/// other is cut (at QoS 0 all read: what stood in a socket was sent). Every message is with a reader or counted among the dropped.
fn stopped_readers(qos: u8) {
    let broker = broker();
    let count = crowd_size();
    let mut crowd: Vec<Conn> = (0..count)
        .map(|n| {
            let version = [V5, V311][n % 2];
            let connect = Connect::new(version, &format!("stopped-{n}")).keep_alive(0);
            let mut conn = broker.narrow(&connect);
            conn.subscribe("crowd", qos);
            conn
        })
        .collect();
    let canary = Canary::start(broker.tcp);
    let before = broker.settled_memory();
    let mut most = 0;
    let mut speaker = broker.v5("speaker");
    for n in 0..MESSAGES {
        speaker.publish(&Publish::new("crowd", payload(n)).qos(qos, 1));
        if n % 100 == 0 {
            most = most.max(broker.memory());
        }
    }
    speaker.ping();
    most = most.max(broker.memory());
    // Each may have its buffer and its queue; growing, a buffer is there twice for a moment.
    let bound = count as u64 * (2 * OUT_BUFFER + QUEUE_BYTES);
    let grown = most.saturating_sub(before);
    println!(
        "{count} stopped readers, QoS {qos}: {} KB each",
        grown / 1024 / count as u64
    );
    assert!(grown <= bound, "{grown} bytes, bound {bound}");
    let (mut got, cut) = (0u64, if qos == 0 { 0 } else { count / 2 });
    let readers = crowd.split_off(cut);
    for mut conn in readers {
        let (heard, last) = drain(&mut conn, qos);
        assert_eq!(
            last,
            MESSAGES - 1,
            "the newest is never the one that is dropped"
        );
        got += heard;
    }
    let mut lost = (count - cut) as u64 * u64::from(MESSAGES) - got;
    for conn in crowd {
        conn.cut_unread();
        lost += u64::from(MESSAGES);
    }
    canary.sings(Duration::from_millis(250));
    broker.figures_add_up(&["dropped/queue_full", "dropped/connection_lost"], lost);
    broker.figures_add_up(&["messages/dropped"], lost);
}

/// Reads and answers until the last message; gives how many came, and the number of the last.
#[track_caller]
fn drain(conn: &mut Conn, qos: u8) -> (u64, u32) {
    let (mut heard, mut last) = (0, None);
    loop {
        let got = conn.receive();
        assert_eq!(got.qos, qos);
        let n = u32::from_be_bytes(got.payload[..4].try_into().unwrap());
        assert!(last.is_none_or(|l| n > l), "{n} after {last:?}");
        (heard, last) = (heard + 1, Some(n));
        if n == MESSAGES - 1 {
            return (heard, n);
        }
    }
}

/// X05 with a crowd at QoS 0. [MQTT-4.9.0-3]
#[test]
fn x05_crowd_qos_0() {
    stopped_readers(0);
}

/// X06 with a crowd at QoS 1. [MQTT-4.9.0-2]
#[test]
fn x06_crowd_qos_1() {
    stopped_readers(1);
}

/// X06 with a crowd at QoS 2. [MQTT-4.9.0-2]
#[test]
fn x06_crowd_qos_2() {
    stopped_readers(2);
}

/// Publishers that send as fast as they can, to a reader that keeps up as well as it can: whoever
/// is beside them waits a quarter of a second at most, and what the reader misses is counted.
#[test]
fn flooding_publishers() {
    let broker = broker();
    let canary = Canary::start(broker.tcp);
    let mut listener = broker.v5("listener");
    listener.subscribe("flood", 0);
    let until = Instant::now() + Duration::from_secs(3);
    let floods: Vec<_> = (0..3)
        .map(|n| {
            let mut conn = broker.v5(&format!("flood-{n}"));
            std::thread::spawn(move || {
                let burst = Publish::new("flood", vec![b'.'; 200]).bytes(V5).repeat(100);
                let mut sent = 0u64;
                while Instant::now() < until {
                    conn.send(&burst);
                    sent += 100;
                }
                conn.ping();
                sent
            })
        })
        .collect();
    let reader = std::thread::spawn(move || {
        let mut heard = 0u64;
        loop {
            match listener.read_packet().publish {
                Some(got) if got.payload == b"end" => return heard,
                _ => heard += 1,
            }
        }
    });
    let sent: u64 = floods.into_iter().map(|f| f.join().unwrap()).sum();
    canary.sings(Duration::from_millis(250));
    let mut last = broker.v5("last");
    last.publish(&Publish::new("flood", "end"));
    last.ping();
    let heard = reader.join().unwrap();
    println!("{sent} sent, {heard} heard");
    broker.figures_add_up(&["messages/dropped"], sent - heard);
}

/// A client publishes into its own subscription and takes one message at a time: it never stands
/// still, whatever its QoS, and what it publishes faster than it takes is counted.
#[test]
fn publishing_to_oneself() {
    for (version, qos) in [(V5, 1), (V5, 2), (V311, 1), (V311, 2)] {
        let broker = broker();
        let canary = Canary::start(broker.tcp);
        let mut connect = Connect::new(version, "echo");
        if version == V5 {
            connect = connect.prop(prop::two(prop::RECEIVE_MAXIMUM, 1));
        }
        let mut conn = broker.connect(&connect);
        conn.subscribe("echo", qos);
        let heard = talk(&mut conn, "echo", qos, 2000);
        broker.figures_add_up(&["messages/dropped"], 2000 - heard);
        canary.sings(Duration::from_millis(250));
    }
}

/// Two clients publish to each other, each takes one message at a time: neither ever stands still.
#[test]
fn publishing_to_each_other() {
    for qos in [1, 2] {
        let broker = broker();
        let canary = Canary::start(broker.tcp);
        let pair: Vec<_> = [("left", "right"), ("right", "left")]
            .into_iter()
            .map(|(own, other)| {
                let connect = Connect::new(V5, own).prop(prop::two(prop::RECEIVE_MAXIMUM, 1));
                let mut conn = broker.connect(&connect);
                conn.subscribe(own, qos);
                (conn, other)
            })
            .collect();
        let talks: Vec<_> = pair
            .into_iter()
            .map(|(mut conn, other)| {
                std::thread::spawn(move || {
                    let heard = talk(&mut conn, other, qos, 2000);
                    (conn, heard)
                })
            })
            .collect();
        let done: Vec<_> = talks.into_iter().map(|t| t.join().unwrap()).collect();
        let heard: u64 = done.iter().map(|(_, heard)| heard).sum();
        // Whoever was done first was told less than all; the rest waits for it or was dropped.
        let mut rest = 0;
        for (mut conn, _) in done {
            rest += take_rest(&mut conn);
        }
        broker.figures_add_up(&["messages/dropped"], 2 * 2000 - heard - rest);
        canary.sings(Duration::from_millis(250));
    }
}

/// Publishes so many, ten at a time, and answers what comes; gives how many came by the time that
/// all were acknowledged and nothing was left in flight here. Fails if nothing moves for a second.
#[track_caller]
fn talk(conn: &mut Conn, topic: &str, qos: u8, count: u32) -> u64 {
    let (mut sent, mut done, mut heard) = (0, 0, 0);
    while done < count {
        while sent < count && sent - done < 10 {
            let id = (sent % 1000 + 1) as u16;
            conn.send(&Publish::new(topic, "x").qos(qos, id).bytes(conn.version));
            sent += 1;
        }
        match conn.read_by(Instant::now() + Duration::from_secs(1)) {
            Outcome::Packet(packet) => match packet.kind {
                Kind::PubAck | Kind::PubComp => done += 1,
                Kind::PubRec => conn.send(&ack(0x62, packet.id)),
                _ => heard += answer(conn, &packet),
            },
            other => panic!("stood still after {done} of {count}: {other:?}"),
        }
    }
    heard + take_rest(conn)
}

/// Answers one packet of a delivery; 1 if it was the message.
fn answer(conn: &mut Conn, packet: &crate::wire::Packet) -> u64 {
    match (packet.kind, &packet.publish) {
        (Kind::Publish, Some(got)) => {
            conn.send(&ack(if got.qos == 1 { 0x40 } else { 0x50 }, got.id));
            1
        }
        (Kind::PubRel, _) => {
            conn.send(&ack(0x70, packet.id));
            0
        }
        _ => panic!("{packet:?}"),
    }
}

/// Takes what still comes, until nothing has for a while.
fn take_rest(conn: &mut Conn) -> u64 {
    let mut heard = 0;
    while let Outcome::Packet(packet) = conn.read_by(Instant::now() + Duration::from_millis(500)) {
        heard += answer(conn, &packet);
    }
    heard
}
