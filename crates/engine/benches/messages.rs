//! What a message costs in the engine, without sockets: nanoseconds per delivered message.
//!
//! `cargo bench -p engine --bench messages [-- NAME]`. Publishers and subscribers in pairs, one topic
//! each; one thread drives all shards, and only the time spent in the engine is counted. Figures of
//! two runs are comparable only if nothing else ran beside them.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a bench takes the time and says what it measured"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{ConnId, Ending, Opened, Received, SessionId, Settings, Shard, Sink, Time};
use protocol::{Limits, PacketId, QoS, Reason, Version, frame, kind, packet::ack::AckKind};

const PAIRS: usize = 10;
const BATCH: u16 = 50;
const ROUNDS: usize = 2000;
const NOW: Time = Time(1000);

/// One bench: how messages are published, and by how many shards.
struct Case {
    name: &'static str,
    shards: u16,
    qos: QoS,
    version: Version,
    /// Every publisher sends to the first subscriber's topic.
    fan_in: bool,
}

/// The out-buffers of one shard's connections.
#[derive(Default)]
struct Outs(Vec<Vec<u8>>);

impl Sink for Outs {
    fn out(&mut self, conn: ConnId) -> &mut Vec<u8> {
        &mut self.0[conn.0 as usize]
    }

    fn close(&mut self, _: ConnId, why: Ending) {
        panic!("closed: {why:?}");
    }
}

struct Client {
    shard: usize,
    session: SessionId,
    conn: ConnId,
    version: Version,
    next_id: u16,
}

/// Shards in one thread, with their mail carried between them.
struct World {
    shards: Vec<Shard>,
    outs: Vec<Outs>,
    spent: Duration,
}

impl World {
    fn new(count: u16) -> Self {
        let settings = Arc::new(Settings {
            inflight_max: 10_000,
            ..Settings::default()
        });
        Self {
            shards: (0..count)
                .map(|id| Shard::new(id, count, settings.clone(), 7))
                .collect(),
            outs: (0..count).map(|_| Outs::default()).collect(),
            spent: Duration::ZERO,
        }
    }

    fn connect(&mut self, id: &str, version: Version) -> Client {
        let shard = usize::from(self.shards[0].home(id));
        let conn = ConnId(u32::try_from(self.outs[shard].0.len()).expect("few"));
        self.outs[shard].0.push(Vec::new());
        let mut body = vec![
            0,
            4,
            b'M',
            b'Q',
            b'T',
            b'T',
            if version.is_v5() { 5 } else { 4 },
            2,
            0,
            0,
        ];
        if version.is_v5() {
            body.push(0);
        }
        body.extend_from_slice(&u16::try_from(id.len()).expect("short").to_be_bytes());
        body.extend_from_slice(id.as_bytes());
        let bytes = packet(0x10, &body);
        let opened = self.shards[shard].open(NOW, conn, &bytes, &mut self.outs[shard]);
        let Opened::Session(session, _) = opened else {
            panic!("not connected: {opened:?}");
        };
        self.outs[shard].0[conn.0 as usize].clear();
        Client {
            shard,
            session,
            conn,
            version,
            next_id: 1,
        }
    }

    fn send(&mut self, client: &Client, bytes: &[u8]) {
        let start = Instant::now();
        let outs = &mut self.outs[client.shard];
        let got = self.shards[client.shard].receive(NOW, client.session, bytes, outs);
        self.spent += start.elapsed();
        assert_eq!(got, Received::Consumed(bytes.len()), "all is taken");
    }

    /// Carries mail until there is none.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for from in 0..self.shards.len() {
                for to in 0..self.shards.len() {
                    let mail = std::mem::take(&mut self.shards[from].outbox()[to]);
                    if mail.is_empty() {
                        continue;
                    }
                    moved = true;
                    let from = u16::try_from(from).expect("few");
                    let start = Instant::now();
                    self.shards[to].inbox(NOW, from, mail, &mut self.outs[to]);
                    self.spent += start.elapsed();
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn take(&mut self, client: &Client) -> Vec<u8> {
        std::mem::take(&mut self.outs[client.shard].0[client.conn.0 as usize])
    }

    fn give_back(&mut self, client: &Client, mut buffer: Vec<u8>) {
        buffer.clear();
        self.outs[client.shard].0[client.conn.0 as usize] = buffer;
    }

    /// Reads what a client was sent and answers as a client has to. Gives the PUBLISHes seen.
    fn answer(&mut self, client: &Client, answers: &mut Vec<u8>) -> usize {
        let bytes = self.take(client);
        answers.clear();
        let mut count = 0;
        let mut rest = &bytes[..];
        while let Some(f) = frame(rest, u32::MAX).expect("well formed") {
            let mut ack = |kind, id| {
                protocol::packet::ack::encode(
                    answers,
                    client.version,
                    kind,
                    id,
                    Reason::SUCCESS,
                    &[],
                );
            };
            match f.kind() {
                kind::PUBLISH => {
                    count += 1;
                    let limits = Limits::default();
                    let p = protocol::packet::publish::decode_from_server(
                        f.first,
                        f.body,
                        client.version,
                        &limits,
                    )
                    .expect("well formed");
                    match (p.qos, p.id) {
                        (QoS::AtLeastOnce, Some(id)) => ack(AckKind::PubAck, id),
                        (QoS::ExactlyOnce, Some(id)) => ack(AckKind::PubRec, id),
                        _ => {}
                    }
                }
                kind::PUBREC => ack(AckKind::PubRel, id_of(f.body)),
                kind::PUBREL => ack(AckKind::PubComp, id_of(f.body)),
                _ => {}
            }
            rest = &rest[f.len..];
        }
        self.give_back(client, bytes);
        count
    }
}

fn id_of(body: &[u8]) -> PacketId {
    PacketId::new(u16::from_be_bytes([body[0], body[1]])).expect("not 0")
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first, u8::try_from(body.len()).expect("below 128")];
    out.extend_from_slice(body);
    out
}

fn publish(client: &mut Client, topic: &str, qos: QoS, out: &mut Vec<u8>) {
    out.clear();
    for _ in 0..BATCH {
        let id = (qos > QoS::AtMostOnce).then(|| {
            let id = client.next_id;
            client.next_id = if id == 60_000 { 1 } else { id + 1 };
            PacketId::new(id).expect("not 0")
        });
        protocol::packet::publish::Out {
            dup: false,
            qos,
            retain: false,
            topic,
            id,
            alias: None,
            expiry_secs: None,
            subscription_ids: &[],
            forwarded: &[],
            payload: &[7; 64],
        }
        .encode(client.version, out);
    }
}

fn run(case: &Case) {
    let mut world = World::new(case.shards);
    let mut subs = Vec::new();
    let mut pubs = Vec::new();
    let mut topics = Vec::new();
    for i in 0..PAIRS {
        let topic = format!("bench/pairs/{i}/of/topics");
        let sub = world.connect(&format!("subscriber-{i}"), case.version);
        let mut body = vec![0, 1];
        if case.version.is_v5() {
            body.push(0);
        }
        body.extend_from_slice(&u16::try_from(topic.len()).expect("short").to_be_bytes());
        body.extend_from_slice(topic.as_bytes());
        body.push(case.qos.bits());
        world.send(&sub, &packet(0x82, &body));
        world.settle();
        world.take(&sub);
        subs.push(sub);
        pubs.push(world.connect(&format!("publisher-{i}"), case.version));
        topics.push(topic);
    }
    world.spent = Duration::ZERO;
    let (mut bytes, mut count) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        for (i, client) in pubs.iter_mut().enumerate() {
            let topic = &topics[if case.fan_in { 0 } else { i }];
            publish(client, topic, case.qos, &mut bytes);
            world.send(client, &bytes);
        }
        // A pass of QoS 2 takes three turns: PUBREC, PUBREL, PUBCOMP.
        for _ in 0..3 {
            world.settle();
            for client in subs.iter().chain(&pubs) {
                count += world.answer(client, &mut bytes);
                if !bytes.is_empty() {
                    world.send(client, &bytes);
                }
            }
        }
    }
    let sent = ROUNDS * PAIRS * usize::from(BATCH);
    assert_eq!(count, sent, "{}: every message is delivered", case.name);
    println!(
        "{:<24} {:>7.1} ns per message",
        case.name,
        world.spent.as_nanos() as f64 / sent as f64
    );
}

fn main() {
    let only = std::env::args().skip(1).find(|a| !a.starts_with("--"));
    let case = |name, shards, qos| Case {
        name,
        shards,
        qos,
        version: Version::V3_1_1,
        fan_in: false,
    };
    let cases = [
        case("pair_q0", 1, QoS::AtMostOnce),
        case("pair_q0_2_shards", 2, QoS::AtMostOnce),
        case("pair_q1", 1, QoS::AtLeastOnce),
        case("pair_q1_2_shards", 2, QoS::AtLeastOnce),
        Case {
            version: Version::V5,
            ..case("pair_q1_v5_2_shards", 2, QoS::AtLeastOnce)
        },
        case("pair_q2", 1, QoS::ExactlyOnce),
        case("pair_q2_2_shards", 2, QoS::ExactlyOnce),
        Case {
            fan_in: true,
            ..case("fan_in_q0_2_shards", 2, QoS::AtMostOnce)
        },
    ];
    for case in &cases {
        if only.as_ref().is_none_or(|o| case.name.contains(o.as_str())) {
            run(case);
        }
    }
}
