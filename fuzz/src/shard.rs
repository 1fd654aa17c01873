//! Operations on two shards: connections come, say what they like, packet by packet or byte by byte,
//! are lost and come back; mail and the log are late. Nothing panics, and what a client is sent can be
//! read to the end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::{
    ConnId, Ending, Entry, Found, Mail, Opened, Received, Request, SessionId, Settings, Shard,
    Sink, Time,
    policy::{Action, AutoSubscribe, Ban, Bans, Policy, Rewrite, Room, Target, Template},
    slow::{Span, Terms},
};
use protocol::{Limits, Options, Version, decode_from_server, frame, put_varint};

const SHARDS: u16 = 2;
const OPERATIONS_MAX: usize = 400;
const TOPICS: [&str; 9] = [
    "a",
    "a/b",
    "b/c/d",
    "$SYS/x",
    "a/b/c",
    "b",
    "$delayed/0/a",
    "$delayed/2/a/b",
    "$delayed/x/a",
];
const FILTERS: [&str; 8] = [
    "a",
    "a/+",
    "#",
    "+/b/#",
    "$share/g/a/#",
    "$share/h/+",
    "b/#",
    "a/#/x",
];
const CLIENTS: [&str; 4] = ["one", "two", "three", ""];

/// The input, read as numbers; zeros behind its end.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn of<'b>(&mut self, list: &[&'b str]) -> &'b str {
        list[usize::from(self.byte()) % list.len()]
    }
}

/// Where bytes for clients go.
#[derive(Default)]
struct Wires {
    out: BTreeMap<u32, Vec<u8>>,
    closed: Vec<u32>,
}

impl Sink for Wires {
    fn out(&mut self, conn: ConnId) -> &mut Vec<u8> {
        self.out.entry(conn.0).or_default()
    }

    fn close(&mut self, conn: ConnId, _: Ending) {
        self.closed.push(conn.0);
    }
}

/// A client's connection.
#[derive(Clone, Copy)]
struct Client {
    conn: u32,
    shard: u16,
    session: SessionId,
    version: Version,
}

struct World {
    now: Time,
    shards: Vec<Shard>,
    wires: Vec<Wires>,
    clients: Vec<Client>,
    mail: VecDeque<(u16, u16, Vec<Mail>)>,
    log: Vec<Entry>,
    next_conn: u32,
    delayed: Arc<Room>,
}

fn settings() -> Settings {
    Settings {
        queue_max: 5,
        inflight_max: 3,
        subscriptions_max: 10,
        out_bytes_max: 300,
        ..Settings::default()
    }
}

pub fn run(data: &[u8]) {
    let settings = Arc::new(settings());
    let mut world = World {
        now: Time(1000),
        shards: (0..SHARDS)
            .map(|id| Shard::new(id, SHARDS, settings.clone(), 7))
            .collect(),
        wires: (0..SHARDS).map(|_| Wires::default()).collect(),
        clients: Vec::new(),
        mail: VecDeque::new(),
        log: Vec::new(),
        next_conn: 0,
        delayed: Arc::default(),
    };
    world.decide(&mut Choices(&[]));
    let mut choices = Choices(data);
    for _ in 0..OPERATIONS_MAX {
        if choices.0.is_empty() {
            break;
        }
        world.step(&mut choices);
    }
    world.settle();
    for (shard, wires) in world.shards.iter_mut().zip(&mut world.wires) {
        shard.shut_down(world.now, wires);
    }
    world.settle();
}

impl World {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % 9 {
            0 => self.connect(choices),
            8 => self.decide(choices),
            1 => {
                if let Some(client) = self.pick(choices) {
                    self.lose(client);
                }
            }
            2 => {
                let millis = u64::from(choices.byte()) * 100;
                self.now = self.now.plus_millis(millis);
                for (shard, wires) in self.shards.iter_mut().zip(&mut self.wires) {
                    shard.tick(self.now, wires);
                }
            }
            3 => self.deliver_one(),
            4 => self.settle(),
            5 => {
                // Anything at all.
                let len = usize::from(choices.byte());
                let bytes = &choices.0[..len.min(choices.0.len())];
                choices.0 = &choices.0[bytes.len()..];
                if let Some(client) = self.pick(choices) {
                    self.say(client, bytes);
                }
            }
            _ => {
                if let Some(client) = self.pick(choices) {
                    let packet = packet(choices, client.version);
                    self.say(client, &packet);
                }
            }
        }
        self.collect();
    }

    /// An operator changes their mind; each bit is one decision.
    fn decide(&mut self, choices: &mut Choices<'_>) {
        let bits = choices.byte();
        let mut policy = Policy {
            delayed: self.delayed.clone(),
            ..Policy::default()
        };
        let settings = Arc::new(Settings {
            delayed_available: bits & 1 == 0,
            delayed_max: u64::from(bits >> 6),
            ..settings()
        });
        if bits & 2 != 0 {
            let mut bans = Bans::default();
            bans.add(&Ban {
                target: Target::ClientId("two".into()),
                from: self.now,
                until: Some(self.now.plus_secs(5)),
            });
            policy.bans = Arc::new(bans);
        }
        if bits & 4 != 0 {
            let rule = Rewrite::new(Action::All, "a/#", "^a/(.*)$", "b/$1/${clientid}");
            policy.set_rewrites(vec![rule.expect("a rule")]);
        }
        if bits & 8 != 0 {
            let options = Options::from_bits(bits >> 6 & 1, Version::V5).expect("a QoS");
            let filter = Template::of_names("$share/g/a/${clientid}");
            policy.auto_subscribe = [AutoSubscribe { filter, options }].into();
        }
        if bits & 16 != 0 {
            policy.counted = ["a".into(), "b".into()].into();
        }
        policy.slow = (bits & 32 != 0).then_some(Terms {
            span: Span::Whole,
            threshold_millis: 1,
            expire_millis: 5000,
            top: 3,
        });
        let policy = Arc::new(policy);
        for shard in &mut self.shards {
            shard.configure(settings.clone());
            shard.set_policy(policy.clone());
        }
    }

    fn pick(&self, choices: &mut Choices<'_>) -> Option<Client> {
        let at = usize::from(choices.byte());
        self.clients.get(at % self.clients.len().max(1)).copied()
    }

    fn connect(&mut self, choices: &mut Choices<'_>) {
        let v5 = choices.byte().is_multiple_of(2);
        let version = if v5 { Version::V5 } else { Version::V3_1_1 };
        let (flags, id) = (choices.byte() & 2, choices.of(&CLIENTS));
        let mut body = b"\0\x04MQTT".to_vec();
        body.extend([if v5 { 5 } else { 4 }, flags, 0, choices.byte()]);
        if v5 {
            body.extend([8, 17, 0, 0, 0, choices.byte(), 33, 0, choices.byte().max(1)]);
        }
        put_text(&mut body, id);
        let bytes = whole(0x10, &body);
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let mut at = 0;
        for _ in 0..2 {
            let (shard, wires) = (
                &mut self.shards[usize::from(at)],
                &mut self.wires[usize::from(at)],
            );
            match shard.open(self.now, conn, &bytes, wires) {
                Opened::Elsewhere(home) => at = home,
                Opened::Session(session, used) => {
                    assert_eq!(used, bytes.len());
                    self.clients.push(Client {
                        conn: conn.0,
                        shard: at,
                        session,
                        version,
                    });
                    return;
                }
                Opened::Refused => return,
                Opened::Waits | Opened::Challenged => unreachable!("the sink knows everybody"),
                Opened::NeedMore => unreachable!("the packet is whole"),
            }
        }
        panic!("its home sent {id:?} away");
    }

    fn say(&mut self, client: Client, bytes: &[u8]) {
        let at = usize::from(client.shard);
        match self.shards[at].receive(self.now, client.session, bytes, &mut self.wires[at]) {
            Received::Consumed(used) | Received::Hold(used, _) => assert!(used <= bytes.len()),
            Received::Closed(_) => self.clients.retain(|c| c.conn != client.conn),
        }
    }

    fn lose(&mut self, client: Client) {
        let at = usize::from(client.shard);
        let conn = ConnId(client.conn);
        self.shards[at].gone(self.now, client.session, conn, &mut self.wires[at]);
        self.clients.retain(|c| c.conn != client.conn);
    }

    /// Takes what the shards have for each other, the log and the clients.
    fn collect(&mut self) {
        for from in 0..SHARDS {
            let shard = &mut self.shards[usize::from(from)];
            for (to, mail) in (0..).zip(shard.outbox()) {
                if !mail.is_empty() {
                    self.mail.push_back((from, to, std::mem::take(mail)));
                }
            }
            for request in std::mem::take(shard.requests()) {
                self.answer(from, request);
            }
        }
        for (at, wires) in self.wires.iter_mut().enumerate() {
            let closed = std::mem::take(&mut wires.closed);
            self.clients
                .retain(|c| usize::from(c.shard) != at || !closed.contains(&c.conn));
        }
        self.read_wires();
    }

    fn answer(&mut self, from: u16, request: Request) {
        let at = usize::from(from);
        match request {
            Request::Release { token, .. } | Request::Save { token, .. } => {
                if let Some(token) = token {
                    self.shards[at].stored(self.now, token, true, &mut self.wires[at]);
                }
            }
            Request::Append { token, message, .. } => {
                let position = self.log.len() as u64 + 1;
                let entry = Entry {
                    position,
                    message,
                    origin: None,
                };
                self.log.push(entry.clone());
                let kept = !position.is_multiple_of(7);
                self.shards[at].stored(self.now, token, kept, &mut self.wires[at]);
                for (shard, wires) in self.shards.iter_mut().zip(&mut self.wires) {
                    shard.tail(self.now, std::slice::from_ref(&entry), wires);
                }
            }
            Request::Read {
                reader,
                number,
                after,
                max,
                ..
            } => {
                let entries: Vec<Entry> = self
                    .log
                    .iter()
                    .filter(|e| e.position > after)
                    .take(max)
                    .cloned()
                    .collect();
                let upto = entries.last().map_or(after, |e| e.position);
                let (shard, wires) = (&mut self.shards[at], &mut self.wires[at]);
                let found = Found {
                    reader,
                    number,
                    entries,
                    upto,
                };
                shard.found_in_log(self.now, &found, wires);
            }
        }
    }

    fn deliver_one(&mut self) {
        if let Some((from, to, mail)) = self.mail.pop_front() {
            let to = usize::from(to);
            self.shards[to].inbox(self.now, from, mail, &mut self.wires[to]);
        }
    }

    /// Until nobody has anything for anybody.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.collect();
            if self.mail.is_empty() {
                return;
            }
            self.deliver_one();
        }
        panic!("the shards never stop writing to each other");
    }

    /// Every socket takes what there is; it must be packets a server may send.
    fn read_wires(&mut self) {
        let limits = Limits {
            packet_bytes_max: u32::MAX,
            ..Limits::default()
        };
        for at in 0..self.wires.len() {
            for (conn, bytes) in std::mem::take(&mut self.wires[at].out) {
                let Some(client) = self.clients.iter().find(|c| c.conn == conn).copied() else {
                    continue;
                };
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let next = frame(rest, u32::MAX).expect("what we send is well formed");
                    let next = next.expect("what we send is whole");
                    if let Err(error) = decode_from_server(&next, client.version, &limits) {
                        panic!("{error}: {rest:02x?}");
                    }
                    rest = &rest[next.len..];
                }
                let (shard, wires) = (&mut self.shards[at], &mut self.wires[at]);
                if shard.is_blocked(client.session) {
                    shard.drained(self.now, client.session, wires);
                }
            }
        }
    }
}

/// A packet that a client may send, more or less.
fn packet(choices: &mut Choices<'_>, version: Version) -> Vec<u8> {
    let v5 = version == Version::V5;
    let mut body = Vec::new();
    match choices.byte() % 10 {
        kind @ 0..=3 => {
            let qos = kind % 3;
            put_text(&mut body, choices.of(&TOPICS));
            if qos > 0 {
                body.extend([0, choices.byte() % 5]);
            }
            if v5 {
                body.push(0);
            }
            body.extend(vec![b'x'; usize::from(choices.byte())]);
            whole(0x30 | qos << 1 | choices.byte() & 9, &body)
        }
        4 | 5 => {
            body.extend([0, 1]);
            if v5 {
                body.push(0);
            }
            put_text(&mut body, choices.of(&FILTERS));
            body.push(choices.byte() & 0x2F);
            whole(0x82, &body)
        }
        6 => {
            body.extend([0, 2]);
            if v5 {
                body.push(0);
            }
            put_text(&mut body, choices.of(&FILTERS));
            whole(0xA2, &body)
        }
        7 => whole(
            [0x40, 0x50, 0x62, 0x70][usize::from(choices.byte() % 4)],
            &[0, choices.byte()],
        ),
        8 => whole(0xC0, &[]),
        _ => whole(
            0xE0,
            if v5 && choices.byte().is_multiple_of(2) {
                &[4]
            } else {
                &[]
            },
        ),
    }
}

fn whole(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    put_varint(
        &mut bytes,
        u32::try_from(body.len()).expect("a few hundred bytes"),
    );
    bytes.extend_from_slice(body);
    bytes
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).expect("short").to_be_bytes());
    out.extend(text.as_bytes());
}
