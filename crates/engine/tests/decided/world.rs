//! Two shards as values, a store, and clients that answer as they should, in one thread under one clock.
//! The store can stop after so many writes, as in a crash, and shards begin anew on what it has.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
};

use engine::{
    ConnId, Ending, Entry, Found, Mail, Opened, Origin, Request, SessionId, Settings, Shard, Sink,
    Time,
    policy::Policy,
    record::Bucket,
    restore::{Source, restore},
};
use protocol::{
    Filter, Limits, Packet, PacketId, Property, QoS, Version, decode_from_server, frame,
    packet::publish,
};

const SHARDS: u16 = 2;
type Bytes = Box<[u8]>;

#[derive(Default)]
pub(crate) struct Outs {
    bytes: BTreeMap<u32, Vec<u8>>,
    closed: BTreeMap<u32, Ending>,
    withheld: BTreeSet<u32>,
}

impl Sink for Outs {
    fn out(&mut self, conn: ConnId) -> &mut Vec<u8> {
        self.bytes.entry(conn.0).or_default()
    }

    fn close(&mut self, conn: ConnId, why: Ending) {
        self.closed.insert(conn.0, why);
    }

    fn withhold(&mut self, conn: ConnId) {
        self.withheld.insert(conn.0);
    }

    fn let_go(&mut self, conn: ConnId) {
        self.withheld.remove(&conn.0);
    }

    /// 192.0.2.N and port 1000 + N for connection N.
    fn peer(&self, conn: ConnId) -> Option<core::net::SocketAddr> {
        format!("192.0.2.{}:{}", conn.0, 1000 + conn.0).parse().ok()
    }
}

/// What is on disk, and what is still to be written.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) log: Vec<Entry>,
    pub(crate) records: BTreeMap<(&'static str, Bytes), Bytes>,
    pub(crate) identities: BTreeSet<Bytes>,
    appends: VecDeque<(u16, Request)>,
    saves: VecDeque<(u16, Request)>,
    reads: VecDeque<(u16, Request)>,
    /// Writes until it stops.
    pub(crate) writes_left: usize,
    /// The log is faster than the records.
    pub(crate) log_first: bool,
    /// There is no room.
    pub(crate) is_full: bool,
}

impl Source for &mut Store {
    type Bytes = Bytes;
    type Error = Infallible;

    fn tail(&mut self) -> Result<u64, Infallible> {
        Ok(self.log.len() as u64)
    }

    fn records(&mut self, bucket: Bucket) -> Result<Vec<(Bytes, Bytes)>, Infallible> {
        let records = self.records.iter();
        let mine = records.filter(|((name, _), _)| *name == bucket.name());
        Ok(mine.map(|((_, k), v)| (k.clone(), v.clone())).collect())
    }

    fn identities(&mut self) -> Result<Vec<Bytes>, Infallible> {
        Ok(self.identities.iter().cloned().collect())
    }

    fn release(&mut self, identities: Vec<Bytes>) -> Result<(), Infallible> {
        for identity in identities {
            self.identities.remove(&identity);
        }
        Ok(())
    }

    fn fetch(&mut self, positions: Vec<u64>) -> Result<Vec<Entry>, Infallible> {
        let wanted = |e: &&Entry| positions.contains(&e.position);
        Ok(self.log.iter().filter(wanted).cloned().collect())
    }
}

/// A client's end.
#[derive(Default)]
pub(crate) struct Client {
    /// Shard, connection, session.
    conn: Option<(usize, u32, SessionId)>,
    pub(crate) level: u8,
    /// Messages as `TOPIC PAYLOAD`, with `r` in front if RETAIN is set.
    pub(crate) got: Vec<String>,
    /// Reason codes of CONNACK, SUBACK, PUBACK, PUBREC and DISCONNECT, by the packet's first letters.
    pub(crate) told: Vec<String>,
    pub(crate) ended: bool,
    /// QoS 2 ids that were received.
    known: BTreeSet<u16>,
    /// Its own QoS 2 exchanges: PUBREC came.
    pub(crate) received: BTreeSet<u16>,
    pub(crate) completed: BTreeSet<u16>,
    /// It answers no PUBREC.
    holds_back: bool,
    /// It reads nothing.
    is_deaf: bool,
}

pub(crate) struct World {
    pub(crate) now: u64,
    settings: Arc<Settings>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) shards: Vec<Shard>,
    outs: Vec<Outs>,
    mail: VecDeque<(usize, u16, Vec<Mail>)>,
    pub(crate) store: Store,
    pub(crate) clients: BTreeMap<String, Client>,
    conns: u32,
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).expect("short").to_be_bytes());
    out.extend(text.as_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    protocol::put_varint(&mut bytes, u32::try_from(body.len()).expect("short"));
    bytes.extend_from_slice(body);
    bytes
}

/// What a PUBLISH says besides topic and payload.
#[derive(Clone, Copy, Default)]
pub(crate) struct How {
    pub(crate) qos: u8,
    pub(crate) id: u16,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    pub(crate) expiry_secs: Option<u32>,
    pub(crate) alias: Option<u16>,
}

impl World {
    pub(crate) fn new(policy: Policy) -> Self {
        let mut world = Self {
            now: 1_700_000_000_000,
            settings: Arc::default(),
            policy: Arc::new(policy),
            shards: Vec::new(),
            outs: Vec::new(),
            mail: VecDeque::new(),
            store: Store {
                writes_left: usize::MAX,
                ..Store::default()
            },
            clients: BTreeMap::new(),
            conns: 0,
        };
        world.start();
        world
    }

    /// The broker starts on what is on disk; whatever was on its way is lost.
    pub(crate) fn start(&mut self) {
        self.store.appends.clear();
        self.store.saves.clear();
        self.store.reads.clear();
        self.store.writes_left = usize::MAX;
        for entry in &mut self.store.log {
            entry.origin = None;
        }
        self.mail.clear();
        self.outs = (0..SHARDS).map(|_| Outs::default()).collect();
        // A process has its own seed and its own count.
        let mut policy = (*self.policy).clone();
        policy.delayed = Arc::default();
        self.policy = Arc::new(policy);
        let seed = self.now ^ u64::from(self.conns);
        self.shards = (0..SHARDS)
            .map(|id| Shard::new(id, SHARDS, self.settings.clone(), seed))
            .collect();
        for shard in &mut self.shards {
            shard.set_policy(self.policy.clone());
        }
        for client in self.clients.values_mut() {
            client.conn = None;
        }
        let mut shards: Vec<_> = self.shards.iter_mut().collect();
        let mut store = &mut self.store;
        let found = restore(&mut store, &mut shards, Time(self.now)).expect("it can be read");
        assert_eq!(found.unusable, 0);
        self.settle();
    }

    pub(crate) fn decide(&mut self, change: impl FnOnce(&mut Policy)) {
        let mut policy = (*self.policy).clone();
        change(&mut policy);
        self.policy = Arc::new(policy);
        for shard in &mut self.shards {
            shard.set_policy(self.policy.clone());
        }
    }

    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = (*self.settings).clone();
        change(&mut settings);
        self.settings = Arc::new(settings);
        for shard in &mut self.shards {
            shard.configure(self.settings.clone());
        }
    }

    /// Time passes, in steps of a tenth of a second.
    pub(crate) fn pass(&mut self, millis: u64) {
        let until = self.now + millis;
        while self.now < until {
            self.now = (self.now + 100).min(until);
            self.settle();
        }
    }

    /// Until nothing moves any more.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for at in 0..self.shards.len() {
                self.shards[at].tick(Time(self.now), &mut self.outs[at]);
                moved |= self.collect(at);
            }
            while let Some((to, from, letters)) = self.mail.pop_front() {
                moved = true;
                let (shard, outs) = (&mut self.shards[to], &mut self.outs[to]);
                shard.inbox(Time(self.now), from, letters, outs);
                self.collect(to);
            }
            moved |= self.write();
            moved |= self.read();
            for name in self.clients.keys().cloned().collect::<Vec<_>>() {
                moved |= self.listen(&name);
            }
            if !moved {
                return;
            }
        }
    }

    fn collect(&mut self, at: usize) -> bool {
        let id = u16::try_from(at).expect("few");
        let mut moved = false;
        for (to, letters) in self.shards[at].outbox().iter_mut().enumerate() {
            if !letters.is_empty() {
                moved = true;
                self.mail.push_back((to, id, std::mem::take(letters)));
            }
        }
        for request in self.shards[at].requests().drain(..) {
            moved = true;
            match &request {
                Request::Append { .. } | Request::Release { .. } => {
                    self.store.appends.push_back((id, request));
                }
                Request::Save { .. } => self.store.saves.push_back((id, request)),
                Request::Read { .. } => self.store.reads.push_back((id, request)),
            }
        }
        moved
    }

    /// One write of the store.
    fn write(&mut self) -> bool {
        if self.store.writes_left == 0 {
            return false;
        }
        let store = &mut self.store;
        let next = if store.log_first {
            store
                .appends
                .pop_front()
                .or_else(|| store.saves.pop_front())
        } else {
            store
                .saves
                .pop_front()
                .or_else(|| store.appends.pop_front())
        };
        let Some((from, request)) = next else {
            return false;
        };
        store.writes_left -= 1;
        let mut tail = None;
        let (token, kept) = match request {
            Request::Append {
                token,
                message,
                identity,
                ..
            } => {
                let known = identity.is_some_and(|identity| !store.identities.insert(identity));
                if !known && !store.is_full {
                    let entry = Entry {
                        position: store.log.len() as u64 + 1,
                        message,
                        origin: Some(Origin { shard: from, token }),
                    };
                    store.log.push(entry.clone());
                    tail = Some(entry);
                }
                (Some(token), !store.is_full)
            }
            Request::Release { token, identity } => {
                store.identities.remove(&identity);
                (token, true)
            }
            Request::Save { token, write } => {
                let key = (write.bucket.name(), write.key);
                let kept = write.value.is_none() || !store.is_full;
                match write.value {
                    Some(value) if kept => _ = store.records.insert(key, value),
                    Some(_) => {}
                    None => _ = store.records.remove(&key),
                }
                (token, kept)
            }
            Request::Read { .. } => unreachable!("those have a queue of their own"),
        };
        let now = Time(self.now);
        if let Some(entry) = tail {
            for (shard, outs) in self.shards.iter_mut().zip(&mut self.outs) {
                shard.tail(now, std::slice::from_ref(&entry), outs);
            }
        }
        if let Some(token) = token {
            let at = usize::from(from);
            self.shards[at].stored(now, token, kept, &mut self.outs[at]);
        }
        true
    }

    fn read(&mut self) -> bool {
        let Some((from, request)) = self.store.reads.pop_front() else {
            return false;
        };
        if let Request::Read {
            reader,
            number,
            after,
            filters,
            max,
        } = request
        {
            let matches = |e: &&Entry| {
                let topic = e.message.topic();
                e.position > after && filters.iter().any(|f| Filter::trusted(f).matches(topic))
            };
            let entries: Vec<_> = self
                .store
                .log
                .iter()
                .filter(matches)
                .take(max)
                .cloned()
                .collect();
            let upto = match entries.last() {
                Some(last) if entries.len() == max => last.position,
                _ => self.store.log.len() as u64,
            };
            let found = Found {
                reader,
                number,
                entries,
                upto,
            };
            let at = usize::from(from);
            self.shards[at].found_in_log(Time(self.now), &found, &mut self.outs[at]);
        }
        true
    }

    /// A client reads what came, and answers.
    fn listen(&mut self, name: &str) -> bool {
        let client = self.clients.get_mut(name).expect("known");
        let Some((at, conn, session)) = client.conn.filter(|_| !client.is_deaf) else {
            return false;
        };
        let outs = &mut self.outs[at];
        if outs.withheld.contains(&conn) {
            return false;
        }
        let bytes = std::mem::take(outs.out(ConnId(conn)));
        let answers = client.take(&bytes);
        if outs.closed.contains_key(&conn) {
            client.conn = None;
            client.ended = true;
            return true;
        }
        for answer in answers {
            self.shards[at].receive(Time(self.now), session, &answer, &mut self.outs[at]);
        }
        !bytes.is_empty()
    }

    /// Connects, and waits. `clean` for a session that ends with its connection.
    pub(crate) fn connect(&mut self, name: &str, level: u8, clean: bool) {
        self.connect_with(name, level, clean, None, None);
    }

    pub(crate) fn connect_with(
        &mut self,
        name: &str,
        level: u8,
        clean: bool,
        user_name: Option<&str>,
        will: Option<&str>,
    ) {
        self.conns += 1;
        let conn = self.conns;
        let flags = u8::from(clean) << 1
            | u8::from(will.is_some()) << 2
            | u8::from(user_name.is_some()) << 7;
        let mut body = b"\x00\x04MQTT".to_vec();
        body.extend([level, flags, 0, 0]);
        if level == 5 {
            let mut properties = Vec::new();
            if !clean {
                Property::SessionExpiry(3600).put(&mut properties);
            }
            body.push(u8::try_from(properties.len()).expect("short"));
            body.extend(properties);
        }
        text(&mut body, name);
        if let Some(topic) = will {
            if level == 5 {
                body.push(0);
            }
            text(&mut body, topic);
            text(&mut body, "gone");
        }
        if let Some(user_name) = user_name {
            text(&mut body, user_name);
        }
        let bytes = packet(0x10, &body);
        let at = usize::from(self.shards[0].home(name));
        let opened = self.shards[at].open(Time(self.now), ConnId(conn), &bytes, &mut self.outs[at]);
        let client = self.clients.entry(name.to_owned()).or_default();
        client.level = level;
        client.ended = false;
        match opened {
            Opened::Session(session, _) => client.conn = Some((at, conn, session)),
            Opened::Refused => {
                let said = self.outs[at].bytes.remove(&conn).unwrap_or_default();
                client.take(&said);
                client.ended = true;
            }
            other => panic!("{other:?}"),
        }
        self.settle();
    }

    pub(crate) fn stop_listening(&mut self, name: &str) {
        self.clients.get_mut(name).expect("known").is_deaf = true;
    }

    pub(crate) fn listen_again(&mut self, name: &str) {
        self.clients.get_mut(name).expect("known").is_deaf = false;
    }

    /// The connection is lost.
    pub(crate) fn lose(&mut self, name: &str) {
        let client = self.clients.get_mut(name).expect("known");
        let (at, conn, session) = client.conn.take().expect("connected");
        self.shards[at].gone(Time(self.now), session, ConnId(conn), &mut self.outs[at]);
        self.settle();
    }

    /// Lets the shard on which a name lives do something, and waits.
    pub(crate) fn at_home<T>(
        &mut self,
        name: &str,
        act: impl FnOnce(&mut Shard, Time, &mut Outs) -> T,
    ) -> T {
        let at = usize::from(self.shards[0].home(name));
        let done = act(&mut self.shards[at], Time(self.now), &mut self.outs[at]);
        self.settle();
        done
    }

    /// What shards have answered under tickets since it was asked last.
    pub(crate) fn answers(&mut self) -> Vec<(u64, bool)> {
        let shards = self.shards.iter_mut();
        shards
            .flat_map(|shard| std::mem::take(shard.answers()))
            .collect()
    }

    fn say(&mut self, name: &str, bytes: &[u8]) {
        let Some((at, _, session)) = self.clients[name].conn else {
            return;
        };
        self.shards[at].receive(Time(self.now), session, bytes, &mut self.outs[at]);
        self.settle();
    }

    pub(crate) fn subscribe(&mut self, name: &str, filter: &str, qos: u8) {
        self.subscription(name, 0x82, filter, Some(qos));
    }

    pub(crate) fn unsubscribe(&mut self, name: &str, filter: &str) {
        self.subscription(name, 0xa2, filter, None);
    }

    fn subscription(&mut self, name: &str, first: u8, filter: &str, qos: Option<u8>) {
        let mut body = vec![0, 1];
        if self.clients[name].level == 5 {
            body.push(0);
        }
        text(&mut body, filter);
        body.extend(qos);
        self.say(name, &packet(first, &body));
    }

    pub(crate) fn publish(&mut self, name: &str, topic: &str, payload: &str, how: How) {
        let out = publish::Out {
            dup: how.dup,
            qos: QoS::from_bits(how.qos).expect("a QoS"),
            retain: how.retain,
            topic,
            id: PacketId::new(how.id),
            alias: how.alias,
            expiry_secs: how.expiry_secs,
            subscription_ids: &[],
            forwarded: &[],
            payload: payload.as_bytes(),
        };
        let mut bytes = Vec::new();
        out.encode(self.clients[name].version(), &mut bytes);
        self.say(name, &bytes);
    }

    /// As [`World::publish`], of QoS 2; PUBREC is not answered.
    pub(crate) fn publish_unreleased(&mut self, name: &str, topic: &str, payload: &str, how: How) {
        self.clients.get_mut(name).expect("known").holds_back = true;
        self.publish(name, topic, payload, how);
        self.clients.get_mut(name).expect("known").holds_back = false;
    }

    /// PUBREL once more.
    pub(crate) fn release(&mut self, name: &str, id: u16) {
        let [high, low] = id.to_be_bytes();
        self.say(name, &[0x62, 2, high, low]);
    }

    pub(crate) fn got(&mut self, name: &str) -> Vec<String> {
        std::mem::take(&mut self.clients.get_mut(name).expect("known").got)
    }

    pub(crate) fn told(&mut self, name: &str) -> Vec<String> {
        std::mem::take(&mut self.clients.get_mut(name).expect("known").told)
    }
}

impl Client {
    fn version(&self) -> Version {
        match self.level {
            5 => Version::V5,
            _ => Version::V3_1_1,
        }
    }

    /// Reads packets; gives the answers.
    fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut at, mut answers) = (0, Vec::new());
        while let Ok(Some(f)) = frame(&bytes[at..], u32::MAX) {
            at += f.len;
            let packet = decode_from_server(&f, self.version(), &Limits::default());
            let mut answer = |kind: u8, id: PacketId| {
                let [high, low] = id.get().to_be_bytes();
                answers.push(vec![kind, 2, high, low]);
            };
            match packet.expect("legal") {
                Packet::ConnAck(p) => self.told.push(format!("connack {:02x}", p.reason.0)),
                Packet::SubAck(p) => {
                    let codes = p.codes().map(|r| format!(" {:02x}", r.0));
                    self.told
                        .push(format!("suback{}", codes.collect::<String>()));
                }
                Packet::UnsubAck(_) => self.told.push("unsuback".to_owned()),
                Packet::Disconnect(p) => self.told.push(format!("disconnect {:02x}", p.reason.0)),
                Packet::Publish(p) => {
                    let twice = p.qos == QoS::ExactlyOnce
                        && p.id.is_some_and(|id| !self.known.insert(id.get()));
                    if !twice {
                        let retain = if p.retain { "r " } else { "" };
                        let payload = String::from_utf8_lossy(p.payload);
                        self.got.push(format!("{retain}{} {payload}", p.topic));
                    }
                    if let Some(id) = p.id {
                        answer(
                            if p.qos == QoS::ExactlyOnce {
                                0x50
                            } else {
                                0x40
                            },
                            id,
                        );
                    }
                }
                Packet::PubAck(p) => self.told.push(format!("puback {:02x}", p.reason.0)),
                Packet::PubRec(p) => {
                    self.told.push(format!("pubrec {:02x}", p.reason.0));
                    if !p.reason.is_error() {
                        self.received.insert(p.id.get());
                        if !self.holds_back {
                            answer(0x62, p.id);
                        }
                    }
                }
                Packet::PubRel(p) => {
                    self.known.remove(&p.id.get());
                    answer(0x70, p.id);
                }
                Packet::PubComp(p) => _ = self.completed.insert(p.id.get()),
                _ => {}
            }
        }
        answers
    }
}
