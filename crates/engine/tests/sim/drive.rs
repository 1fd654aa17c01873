//! What happens in a step: clients act, bytes move, time passes, shards take their turns.

use protocol::{
    Limits, Options, Property, QoS, Reason, RetainHandling, decode_from_server, disconnect, frame,
    packet::{ack::AckKind, publish},
    pingreq,
};

use crate::{
    client::{Asked, Learnt, Sent, payload, pid},
    faults::Kind,
    ledger::{Announced, Msg, WillState},
    tap::short,
    world::World,
};

const TOPICS: [&str; 4] = ["a/0", "a/1", "b/0", "c"];
const FILTERS: [&str; 10] = [
    "a/0", "a/1", "b/0", "c", "a/+", "a/#", "+/0", "#", "r/+", "w/+",
];
/// A member's group is its own, so that it is clear through which a message came.
const SHARED: [[&str; 3]; 2] = [
    ["$share/g/a/+", "$share/g/b/#", "$share/g/c"],
    ["$share/h/a/0", "$share/h/b/#", "$share/h/c"],
];

impl World {
    /// One step of a run.
    pub(crate) fn step(&mut self) {
        self.pass_time();
        let wills = self.ledger.wills_owed;
        for _ in 0..self.rng.range(1, 3) {
            let client = self.rng.below(self.plan.clients);
            self.act(client);
        }
        for client in 0..self.clients.len() {
            self.read(client);
        }
        self.trouble();
        for shard in 0..self.places.len() {
            let now = self.ledger.now;
            if self.places[shard].stopped_until <= now && self.rng.percent(75) {
                self.pass(shard);
            }
        }
        self.step_store();
        // Most is under way when a will has just gone out.
        let rate = if self.ledger.wills_owed > wills { 5 } else { 1 };
        if self.rng.below(1000) < self.plan.crash * rate {
            self.crash();
        } else if self.rng.below(1000) < self.plan.close {
            self.close();
        }
    }

    fn pass_time(&mut self) {
        let mut millis = self.rng.range(0, 30);
        if self.rng.percent(self.plan.leap) {
            self.faults.fired(Kind::ClockLeap);
            millis = match self.rng.below(3) {
                0 => self.rng.range(500, 3_000),
                1 => self.rng.range(3_000, 40_000),
                _ => self.rng.range(40_000, 700_000),
            };
        }
        self.ledger.now += u64::try_from(millis).expect("small");
    }

    /// What comes from outside.
    fn trouble(&mut self) {
        let shard = self.rng.below(self.places.len());
        if self.rng.percent(self.plan.stop_shard) {
            self.faults.fired(Kind::ShardStopped);
            let millis = self.rng.range(50, 2_000);
            self.places[shard].stopped_until =
                self.ledger.now + u64::try_from(millis).expect("small");
        }
        if self.rng.percent(self.plan.kick) {
            self.kick(shard);
        }
        if self.rng.percent(self.plan.shut_down) && self.rng.percent(20) {
            self.shut_down(shard);
        }
    }

    /// One client does one thing.
    fn act(&mut self, c: usize) {
        let now = self.ledger.now;
        let Some(_) = self.clients[c].line else {
            if self.clients[c].away_until <= now {
                self.connect(c);
            }
            return;
        };
        if !self.clients[c].connected {
            if self.rng.percent(self.plan.cut) {
                self.faults.fired(Kind::CutConnecting);
                self.cut(c);
            }
            return;
        }
        if self.clients[c].mute_until > now {
            return;
        }
        if self.rng.percent(self.plan.cut) {
            return self.cut_now(c);
        }
        if self.rng.percent(self.plan.takeover) {
            self.faults.fired(Kind::Takeover);
            if self.clients[c].mid_handshake() {
                self.faults.fired(Kind::TakeoverMidHandshake);
            }
            self.clients[c].hang_up(); // and the broker does not learn of it
            return self.connect(c);
        }
        if self.rng.percent(self.plan.deaf) {
            self.faults.fired(Kind::NeverReads);
            let millis = self.rng.range(100, 5_000);
            self.clients[c].deaf_until = now + u64::try_from(millis).expect("small");
        }
        if self.rng.percent(self.plan.lazy) {
            self.faults.fired(Kind::AckLate);
            let millis = self.rng.range(20, 1_000);
            self.clients[c].lazy_until = now + u64::try_from(millis).expect("small");
        }
        if self.rng.percent(self.plan.mute) && self.clients[c].announced.keep_alive_secs > 0 {
            self.clients[c].mute_until = now + 400_000;
        }
        match self.rng.below(100) {
            0..45 => self.publish(c),
            45..57 => self.subscribe(c),
            57..61 => self.unsubscribe(c),
            61..66 => self.ping(c),
            66..69 => self.leave(c),
            _ => {}
        }
        if self.clients[c].lazy_until <= now {
            let n = self.rng.range(0, 6);
            self.answer(c, n);
        }
    }

    pub(crate) fn send(&mut self, c: usize, bytes: &[u8]) {
        let now = self.ledger.now;
        let client = &mut self.clients[c];
        client.last_said = now;
        if let Some(line) = client.line {
            self.wires[line].to_broker.extend(bytes);
            self.activity += 1;
        }
        let (version, line) = (client.version, client.line);
        self.trace.line(|| {
            let f = frame(bytes, u32::MAX).ok().flatten();
            let packet = f.and_then(|f| protocol::decode(&f, version, &Limits::default()).ok());
            let text = packet.map_or_else(|| "?".to_owned(), |p| short(&p));
            let (event, at) = (self.ledger.event, self.ledger.now);
            format!("{event:>6} from c{c} line {line:?} at {at}: {text}")
        });
    }

    fn connect(&mut self, c: usize) {
        let v5 = self.clients[c].version.is_v5();
        let clean = self.rng.percent(25);
        let expiry_secs = match self.rng.below(4) {
            0 => 0,
            1 => 5,
            _ => 600,
        };
        let will = self.rng.percent(40).then(|| {
            let delay = if v5 {
                *self.rng.pick(&[0_u32, 0, 1, 30])
            } else {
                0
            };
            let qos = self.rng.below(3);
            (self.new_will(c, qos), delay, qos)
        });
        let announced = Announced {
            v5,
            clean,
            receive_max: if v5 {
                u16::try_from(self.rng.range(1, 12)).expect("small")
            } else {
                u16::MAX
            },
            packet_max: if v5 && self.rng.percent(self.plan.small_packets) {
                90
            } else {
                1 << 20
            },
            alias_max: if v5 && self.rng.percent(40) { 3 } else { 0 },
            keep_alive_secs: *self.rng.pick(&[0, 0, 2, 10, 60]),
            expiry_secs: match (v5, clean) {
                (true, _) => expiry_secs,
                (false, true) => 0,
                (false, false) => 600,
            },
            will: will.map(|(msg, delay, _)| (msg, delay)),
        };
        self.connect_as(c, announced, will.map(|(_, _, qos)| qos));
    }

    pub(crate) fn connect_as(&mut self, c: usize, announced: Announced, will_qos: Option<usize>) {
        let client = &mut self.clients[c];
        let clean = announced.clean || client.forgot;
        let expiry_secs = match (announced.v5, clean) {
            (false, true) => 0,
            _ => announced.expiry_secs,
        };
        let announced = Announced {
            clean,
            expiry_secs,
            ..announced
        };
        client.forgot = clean;
        client.hang_up();
        client.announced = announced;
        if announced.clean {
            client.sent.clear();
            client.received.clear();
            client.filters.clear();
        }
        let shard = self.rng.below(self.places.len());
        self.clients[c].line = Some(self.accept(c, announced, shard));
        let topic = format!("w/{c}");
        let text = announced.will.map(|(msg, _)| payload(msg, 0));
        let will = match (&text, announced.will, will_qos) {
            (Some(text), Some((_, delay)), Some(qos)) => {
                let qos = QoS::from_bits(u8::try_from(qos).expect("at most 2")).expect("a QoS");
                Some((&*topic, &**text, qos, Some(delay)))
            }
            _ => None,
        };
        let bytes = self.clients[c].connect_packet(will);
        self.send(c, &bytes);
        // Only with Clean Start is it sure what the session is before CONNACK says so.
        if announced.clean && self.rng.percent(self.plan.pipeline) {
            self.faults.fired(Kind::Pipelined);
            self.clients[c].server_receive_max = 2;
            self.subscribe(c);
            self.publish(c);
        }
    }

    fn new_will(&mut self, c: usize, qos: usize) -> usize {
        let id = self.new_msg(c, format!("w/{c}"), qos, false, 0);
        self.ledger.msgs[id].will = WillState::Kept;
        id
    }

    fn new_msg(
        &mut self,
        c: usize,
        topic: String,
        qos: usize,
        retain: bool,
        bytes: usize,
    ) -> usize {
        self.ledger.msgs.push(Msg {
            publisher: c,
            era: self.ledger.sessions[c].era,
            line: self.clients[c].line.unwrap_or(usize::MAX),
            topic,
            qos: u8::try_from(qos).expect("at most 2"),
            retain,
            empty: false,
            bytes,
            expiry_secs: None,
            sent: self.ledger.event,
            taken_at: None,
            routed_at: 0,
            routed: 0,
            accepted: None,
            acknowledged: 0,
            append_at: 0,
            appends_kept: 0,
            appends_open: 0,
            appends_failed: 0,
            v5: false,
            shaky: false,
            will: WillState::NotAWill,
            promised: false,
            got: Default::default(),
            settled: Default::default(),
        });
        self.ledger.msgs.len() - 1
    }

    fn publish(&mut self, c: usize) {
        let qos = self.rng.below(3);
        if qos > 0 && !self.clients[c].has_quota() {
            return;
        }
        // Retained topics have one writer each, so that it is clear which value is the last.
        let retain = self.rng.percent(20);
        let topic = if retain {
            format!("r/{c}")
        } else {
            (*self.rng.pick(&TOPICS)).to_owned()
        };
        let bytes = if self.rng.percent(20) {
            self.rng.range(20, 200)
        } else {
            0
        };
        let id = if qos > 0 {
            let Some(id) = self.clients[c].free_id() else {
                return;
            };
            Some(id)
        } else {
            None
        };
        let msg = self.new_msg(c, topic, qos, retain, bytes);
        let v5 = self.clients[c].version.is_v5();
        let m = &mut self.ledger.msgs[msg];
        m.empty = retain && qos == 0 && self.rng.percent(25);
        if v5 && self.rng.percent(self.plan.expiry) {
            m.expiry_secs = Some(u32::try_from(self.rng.range(1, 5)).expect("small"));
        }
        self.ledger.event += 1;
        self.ledger.msgs[msg].sent = self.ledger.event;
        if let Some(id) = id {
            let qos = u8::try_from(qos).expect("at most 2");
            self.clients[c].sent.push(Sent {
                id,
                msg,
                qos,
                released: false,
            });
        }
        let bytes = self.publish_packet(c, msg, id, false);
        self.send(c, &bytes);
    }

    fn publish_packet(&self, c: usize, msg: usize, id: Option<u16>, dup: bool) -> Vec<u8> {
        let m = &self.ledger.msgs[msg];
        let text = if m.empty {
            Vec::new()
        } else {
            payload(msg, m.bytes)
        };
        let mut out = Vec::new();
        let packet = publish::Out {
            dup,
            qos: QoS::from_bits(m.qos).expect("a QoS"),
            retain: m.retain,
            topic: &m.topic,
            id: id.map(pid),
            alias: None,
            expiry_secs: m.expiry_secs,
            subscription_ids: &[],
            forwarded: &[],
            payload: &text,
        };
        packet.encode(self.clients[c].version, &mut out);
        out
    }

    fn subscribe(&mut self, c: usize) {
        let worker = self.clients[c].worker;
        let n = self.rng.range(1, 2);
        let mut filters: Vec<(String, Options)> = Vec::new();
        for _ in 0..n {
            let list: &[&str] = if worker { &SHARED[c % 2] } else { &FILTERS };
            let text = (*self.rng.pick(list)).to_owned();
            if filters.iter().any(|(f, _)| *f == text) {
                continue;
            }
            let qos = u8::try_from(self.rng.below(3)).expect("at most 2");
            let v5 = self.clients[c].version.is_v5();
            let mut options = Options {
                qos: QoS::from_bits(qos).expect("a QoS"),
                no_local: v5 && !worker && self.rng.percent(30),
                retain_as_published: v5 && self.rng.percent(30),
                retain_handling: if v5 {
                    *self.rng.pick(&[
                        RetainHandling::SendAlways,
                        RetainHandling::SendAlways,
                        RetainHandling::SendIfNew,
                        RetainHandling::DoNotSend,
                    ])
                } else {
                    RetainHandling::SendAlways
                },
            };
            if let Some(old) = self.clients[c].filters.get(&text) {
                options.no_local = old.no_local;
                options.retain_as_published = old.retain_as_published;
                if self.rng.percent(80) {
                    options.qos = old.qos;
                }
            }
            filters.push((text, options));
        }
        let Some(id) = self.clients[c].free_id() else {
            return;
        };
        let client = &mut self.clients[c];
        let sub_id = (client.version.is_v5() && id % 2 == 0).then(|| {
            client.next_sub_id += 1;
            client.next_sub_id
        });
        client.asked.insert(id, Asked::Subscribe);
        client.filters.extend(filters.iter().cloned());
        let bytes = client.subscribe_packet(id, &filters, sub_id);
        self.send(c, &bytes);
    }

    fn unsubscribe(&mut self, c: usize) {
        let held: Vec<String> = self.clients[c].filters.keys().cloned().collect();
        if held.is_empty() {
            return;
        }
        let text = self.rng.pick(&held).clone();
        let Some(id) = self.clients[c].free_id() else {
            return;
        };
        let client = &mut self.clients[c];
        client.asked.insert(id, Asked::Unsubscribe);
        client.filters.remove(&text);
        let bytes = client.unsubscribe_packet(id, &[&text]);
        self.send(c, &bytes);
    }

    pub(crate) fn ping(&mut self, c: usize) {
        let mut bytes = Vec::new();
        pingreq(&mut bytes);
        self.send(c, &bytes);
    }

    /// DISCONNECT, of one kind or another.
    fn leave(&mut self, c: usize) {
        let client = &self.clients[c];
        let mut block = Vec::new();
        let mut reason = Reason::NORMAL_DISCONNECTION;
        if client.version.is_v5() {
            if self.rng.percent(30) {
                reason = Reason::DISCONNECT_WITH_WILL;
            }
            if client.announced.expiry_secs > 0 && self.rng.percent(20) {
                let secs = *self.rng.pick(&[0, 5, 600]);
                Property::SessionExpiry(secs).put(&mut block);
            }
        }
        let mut bytes = Vec::new();
        disconnect::encode(&mut bytes, client.version, reason, &block);
        self.send(c, &bytes);
        self.drop_line(c);
    }

    /// The connection breaks: what is under way may be lost.
    pub(crate) fn cut(&mut self, c: usize) {
        if let Some(line) = self.clients[c].line {
            let wire = &mut self.wires[line];
            if self.rng.percent(50) && !wire.to_broker.is_empty() {
                let keep = self.rng.below(wire.to_broker.len());
                wire.to_broker.truncate(keep);
                if keep > 0 {
                    self.faults.fired(Kind::HalfPacket);
                }
            }
        }
        self.drop_line(c);
    }

    pub(crate) fn drop_line(&mut self, c: usize) {
        if let Some(line) = self.clients[c].line {
            self.wires[line].client_gone = true;
            self.wires[line].to_client.clear();
            self.activity += 1;
        }
        self.clients[c].hang_up();
        let pause = if self.rng.percent(70) {
            self.rng.range(0, 100)
        } else {
            self.rng.range(100, 20_000)
        };
        self.clients[c].away_until = self.ledger.now + u64::try_from(pause).expect("small");
    }

    /// Cuts, and says at which point of an exchange.
    fn cut_now(&mut self, c: usize) {
        self.faults.fired(Kind::Cut);
        let client = &self.clients[c];
        if client.sent.iter().any(|s| s.qos == 2 && !s.released) {
            self.faults.fired(Kind::CutOutPublish);
        }
        if client.sent.iter().any(|s| s.qos == 2 && s.released) {
            self.faults.fired(Kind::CutOutRelease);
        }
        let owes = |kind: AckKind| client.owed.iter().flatten().any(|(k, ..)| *k == kind);
        if owes(AckKind::PubRec) {
            self.faults.fired(Kind::CutInReceived);
        }
        if owes(AckKind::PubAck) {
            self.faults.fired(Kind::CutInAcknowledge);
        }
        if !client.received.is_empty() && !owes(AckKind::PubRec) {
            self.faults.fired(Kind::CutInRecorded);
        }
        if client.asked.values().any(|a| *a == Asked::Subscribe) {
            self.faults.fired(Kind::CutSubscribing);
        }
        self.cut(c);
    }

    /// Sends up to `n` of the acknowledgements owed, each kind in its order.
    pub(crate) fn answer(&mut self, c: usize, n: usize) {
        for _ in 0..n {
            let queue = self.rng.below(3);
            let Some((kind, id, msg)) = self.clients[c].owed[queue].pop_front() else {
                continue;
            };
            let bytes = self.clients[c].ack_packet(kind, id);
            self.send(c, &bytes);
            if matches!(kind, AckKind::PubAck | AckKind::PubComp) {
                self.ledger.sessions[c].flight.remove(&id);
                if let Some(line) = self.clients[c].line {
                    self.lines[line].debts.window.remove(&id);
                }
            }
            if let Some(msg) = msg {
                self.settle(c, msg);
            }
        }
    }

    /// A client has acknowledged a message: for a shared group, that is enough.
    fn settle(&mut self, c: usize, msg: usize) {
        let topic = self.ledger.msgs[msg].topic.clone();
        let groups: Vec<String> = self
            .ledger
            .matching(c, &topic)
            .filter_map(|sub| sub.group.clone())
            .collect();
        self.ledger.msgs[msg].settled.extend(groups);
    }

    /// A client reads some of what has arrived.
    pub(crate) fn read(&mut self, c: usize) {
        let Some(line) = self.clients[c].line else {
            return;
        };
        if self.clients[c].deaf_until > self.ledger.now {
            return;
        }
        let there = self.wires[line].to_client.len();
        if there == 0 {
            if self.wires[line].broker_gone {
                self.drop_line(c);
            }
            return;
        }
        let n = if self.rng.percent(self.plan.cut_bytes) {
            self.rng.range(1, there)
        } else {
            there
        };
        self.activity += 1;
        let bytes = self.wires[line].to_client.drain(..n);
        let mut unread = std::mem::take(&mut self.clients[c].unread);
        unread.extend(bytes);
        let mut at = 0;
        while let Ok(Some(f)) = frame(&unread[at..], u32::MAX) {
            at += f.len;
            let version = self.clients[c].version;
            let Ok(packet) = decode_from_server(&f, version, &Limits::default()) else {
                break; // the tap has said so
            };
            let mut learnt = Vec::new();
            self.clients[c].take(&packet, &mut learnt);
            for what in learnt {
                match what {
                    Learnt::Connected { present } => self.on_connected(c, present),
                    Learnt::Message(delivery) => self.on_delivery(c, &delivery),
                    Learnt::Disconnected => return self.drop_line(c),
                }
            }
        }
        unread.drain(..at);
        self.clients[c].unread = unread;
    }

    /// What was not finished is sent again, in its order, with its ids [MQTT-4.4.0-1].
    fn on_connected(&mut self, c: usize, present: bool) {
        let era = self.ledger.sessions[c].era;
        let client = &mut self.clients[c];
        if std::mem::replace(&mut client.era, era) != era && present {
            // The session is not the one it knew, but that of a connection whose CONNACK it never saw.
            client.sent.clear();
            client.received.clear();
            client.filters.clear();
        }
        if !present {
            return;
        }
        for sent in self.clients[c].sent.clone() {
            let bytes = if sent.released {
                self.clients[c].ack_packet(AckKind::PubRel, sent.id)
            } else {
                self.publish_packet(c, sent.msg, Some(sent.id), true)
            };
            self.send(c, &bytes);
        }
    }
}
