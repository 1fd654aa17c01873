//! What a worker knows of its connections, without their sockets: what came is judged, answered and
//! counted here, and here is decided how much a publisher may send.

use std::sync::atomic::Ordering;

use client::{Crowd, Heard};
use hdrhistogram::Histogram;
use protocol::{
    AckKind, Frame, Limits, PacketId, Property, QoS, Reason, ack, decode_from_server, kind,
};

use super::counts::Counts;
use super::histogram;
use super::message::{Delivery, Head, Template};
use super::pace::Rest;
use super::plan::Share;
use super::shared::Shared;
use super::track::{Seen, Track};

/// What is encoded for one write.
const BATCH_BYTES: usize = 64 << 10;
/// So many writes in a row, then others have their turn.
const BATCHES_MAX: u32 = 4;
/// Deliveries that did not move for so long are not waited for any more.
const STALL_NANOS: u64 = 1_000_000_000;
/// A broker sends a subscriber so many messages of QoS 1 and 2 before it wants an answer, or more.
const UNANSWERED: u64 = 16;

#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Publisher(usize),
    Subscriber(usize),
    Idle,
}

pub(super) struct Publisher {
    pub(super) id: u32,
    /// Its connection.
    pub(super) at: usize,
    pub(super) template: Template,
    pub(super) sent: u64,
    /// By the clock: messages whose time has come.
    pub(super) due: u64,
    pub(super) free: Vec<u16>,
    /// What each packet identifier waits for.
    pub(super) awaited: Vec<Option<AckKind>>,
    /// Deliveries that are not waited for any more.
    pub(super) given_up: u64,
    pub(super) delivered: u64,
    pub(super) moved_at: u64,
    pub(super) is_marked: bool,
}

pub(super) enum Sees {
    /// These publishers, ascending, and which of them came last.
    Whole(Vec<(u32, Track)>, usize),
    /// The group's number, and what is next of each publisher.
    Group(usize, Vec<u64>),
}

pub(super) struct Subscriber {
    pub(super) number: usize,
    pub(super) sees: Sees,
}

pub(super) struct Connection {
    pub(super) role: Role,
    pub(super) begun: u64,
    pub(super) is_ready: bool,
    pub(super) is_over: bool,
}

/// What a thread has to tell at its end.
pub(super) struct Outcome {
    pub(super) subscribers: Vec<Subscriber>,
    /// Microseconds from when a message was meant to be sent until it came.
    pub(super) latency: Histogram<u64>,
    /// And until it was sent.
    pub(super) lateness: Histogram<u64>,
    /// From the first packet of TCP to CONNACK or SUBACK.
    pub(super) connecting: Histogram<u64>,
}

/// All but the sockets.
pub(super) struct State<'a> {
    pub(super) number: usize,
    pub(super) shared: &'a Shared,
    pub(super) connections: Vec<Connection>,
    pub(super) opened: usize,
    pub(super) publishers: Vec<Publisher>,
    pub(super) outcome: Outcome,
    /// Publishers that may have something to send.
    pub(super) marked: Vec<usize>,
    /// Deliveries since they were told to the others.
    pub(super) fresh: Vec<u64>,
    pub(super) touched: Vec<usize>,
    /// By the clock: round and publisher of the next message.
    pub(super) next: (u64, usize),
    pub(super) looked_at: u64,
    pub(super) pings: u64,
    pub(super) rest: Rest,
}

impl<'a> State<'a> {
    pub(super) fn new(number: usize, shared: &'a Shared) -> Self {
        let plan = &shared.plan;
        let mine = |count: usize| (number..count).step_by(plan.threads);
        let mut roles = Vec::new();
        let mut subscribers = Vec::new();
        for number in mine(plan.subscribers) {
            let sees = match &plan.shares[number] {
                Share::Whole(all) => {
                    let tracks = all.iter().map(|id| (*id, Track::default()));
                    Sees::Whole(tracks.collect(), 0)
                }
                Share::Group(group) => Sees::Group(*group, vec![0; plan.publishers]),
            };
            roles.push(Role::Subscriber(subscribers.len()));
            subscribers.push(Subscriber { number, sees });
        }
        let mut publishers = Vec::new();
        for number in mine(plan.publishers) {
            let template = Template::new(
                &plan.topics[number],
                plan.qos,
                plan.payload_bytes,
                plan.version,
            );
            let ids = if plan.qos == QoS::AtMostOnce {
                0
            } else {
                plan.inflight_max
            };
            publishers.push(Publisher {
                id: u32::try_from(number).expect("connections are counted in 32 bits"),
                at: roles.len(),
                template,
                sent: 0,
                due: 0,
                free: (1..=ids).rev().collect(),
                awaited: vec![None; usize::from(ids) + 1],
                given_up: 0,
                delivered: 0,
                moved_at: 0,
                is_marked: false,
            });
            roles.push(Role::Publisher(publishers.len() - 1));
        }
        roles.extend(mine(plan.idle).map(|_| Role::Idle));
        let connection = |role| Connection {
            role,
            begun: 0,
            is_ready: false,
            is_over: false,
        };
        Self {
            number,
            shared,
            connections: roles.into_iter().map(connection).collect(),
            opened: 0,
            publishers,
            outcome: Outcome {
                subscribers,
                latency: histogram(),
                lateness: histogram(),
                connecting: histogram(),
            },
            marked: Vec::new(),
            fresh: vec![0; plan.publishers],
            touched: Vec::new(),
            next: (0, 0),
            looked_at: 0,
            pings: 0,
            rest: Rest::default(),
        }
    }

    pub(super) fn counts(&self) -> &'a Counts {
        &self.shared.counts[self.number]
    }

    pub(super) fn hello(&self, at: usize) -> Vec<u8> {
        let plan = &self.shared.plan;
        match self.connections[at].role {
            Role::Publisher(p) => plan.hello(self.publishers[p].id as usize, 'p'),
            Role::Subscriber(s) => plan.hello(self.outcome.subscribers[s].number, 's'),
            Role::Idle => plan.hello(self.number + at * plan.threads, 'c'),
        }
    }

    pub(super) fn hear(&mut self, at: usize, heard: Heard<'_>, out: &mut Vec<u8>) {
        match heard {
            Heard::Packet(frame) => self.packet(at, &frame, out),
            Heard::Written => {
                if let Role::Publisher(publisher) = self.connections[at].role {
                    self.mark(publisher);
                }
            }
            Heard::Closed(why) => {
                let why = why.map_or_else(|| "closed by the broker".to_owned(), |e| e.to_string());
                self.over(at, &why);
            }
        }
    }

    pub(super) fn packet(&mut self, at: usize, frame: &Frame<'_>, out: &mut Vec<u8>) {
        let role = self.connections[at].role;
        match (frame.kind(), role) {
            (kind::PUBLISH, Role::Subscriber(subscriber)) => {
                let version = self.shared.plan.version;
                match Delivery::decode(frame.first, frame.body, version) {
                    Ok(delivery) => {
                        self.deliver(subscriber, delivery.head);
                        self.answer(&delivery, out);
                    }
                    Err(_) => self.counts().astray.add(1),
                }
            }
            (kind::PUBACK | kind::PUBREC | kind::PUBCOMP, Role::Publisher(publisher)) => {
                self.acknowledged(publisher, frame, out);
            }
            (kind::PUBREL, Role::Subscriber(_)) => match packet_id(frame.body) {
                Some(id) => self.put_ack(AckKind::PubComp, id, out),
                None => self.counts().astray.add(1),
            },
            (kind::PINGRESP, _) => {}
            _ => self.rare(at, frame, out),
        }
    }

    /// What comes once for each connection.
    pub(super) fn rare(&mut self, at: usize, frame: &Frame<'_>, out: &mut Vec<u8>) {
        use protocol::Packet;

        let plan = &self.shared.plan;
        let role = self.connections[at].role;
        match (
            decode_from_server(frame, plan.version, &Limits::default()),
            role,
        ) {
            (Ok(Packet::ConnAck(answer)), _) if answer.reason.is_error() => {
                self.over(at, &format!("CONNACK: {}", answer.reason));
            }
            (Ok(Packet::ConnAck(_)), Role::Subscriber(subscriber)) => {
                plan.subscription(self.outcome.subscribers[subscriber].number, out);
            }
            (Ok(Packet::ConnAck(answer)), Role::Publisher(publisher)) => {
                for property in answer.properties.iter() {
                    if let Property::ReceiveMaximum(max) = property {
                        let free = &mut self.publishers[publisher].free;
                        let extra = free.len().saturating_sub(usize::from(max));
                        free.drain(..extra);
                    }
                }
                self.ready(at);
            }
            (Ok(Packet::ConnAck(_)), Role::Idle) => self.ready(at),
            (Ok(Packet::SubAck(answer)), Role::Subscriber(_)) => {
                match answer.codes().find(|code| code.is_error()) {
                    Some(code) => self.over(at, &format!("SUBACK: {code}")),
                    None => self.ready(at),
                }
            }
            (Ok(Packet::Disconnect(packet)), _) => {
                self.over(at, &format!("DISCONNECT: {}", packet.reason));
            }
            _ => self.counts().astray.add(1),
        }
    }

    pub(super) fn ready(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        connection.is_ready = true;
        let micros = (self.shared.now() - connection.begun) / 1000;
        self.outcome.connecting.saturating_record(micros);
        self.counts().ready.add(1);
    }

    /// A connection does no more; it is counted once.
    pub(super) fn over(&mut self, at: usize, why: &str) {
        let connection = &mut self.connections[at];
        if std::mem::replace(&mut connection.is_over, true) {
            return;
        }
        let was_ready = std::mem::replace(&mut connection.is_ready, false);
        self.shared.fail(why.to_owned());
        if was_ready {
            self.counts().lost_connections.add(1);
        } else {
            self.counts().failed.add(1);
        }
    }

    #[inline]
    pub(super) fn deliver(&mut self, subscriber: usize, head: Option<Head>) {
        let plan = &self.shared.plan;
        let counts = &self.shared.counts[self.number];
        if plan.publishers == 0 {
            return counts.received.add(1);
        }
        let Some(head) = head.filter(|head| head.run == plan.run) else {
            return counts.foreign.add(1);
        };
        let publisher = head.publisher as usize;
        let seen = match &mut self.outcome.subscribers[subscriber].sees {
            Sees::Whole(tracks, last) => {
                if tracks
                    .get(*last)
                    .is_none_or(|(id, _)| *id != head.publisher)
                {
                    match tracks.binary_search_by_key(&head.publisher, |(id, _)| *id) {
                        Ok(found) => *last = found,
                        Err(_) => return counts.foreign.add(1),
                    }
                }
                tracks[*last].1.see(head.number)
            }
            Sees::Group(group, next) => {
                let Some(next) = next.get_mut(publisher) else {
                    return counts.foreign.add(1);
                };
                let is_ahead = head.number >= *next;
                *next = (*next).max(head.number + 1);
                match self.shared.group(*group)[publisher].see(head.number) {
                    Seen::Again => Seen::Again,
                    _ if is_ahead => Seen::InOrder,
                    _ => Seen::Late,
                }
            }
        };
        match seen {
            Seen::Again => return counts.doubled.add(1),
            Seen::Late => counts.out_of_order.add(1),
            Seen::InOrder => {}
        }
        counts.received.add(1);
        if self.fresh[publisher] == 0 {
            self.touched.push(publisher);
        }
        self.fresh[publisher] += 1;
        if plan.schedule.is_some() {
            self.measure(head.at);
        }
    }

    pub(super) fn measure(&mut self, at: u64) {
        let shared = self.shared;
        let start = shared.start.load(Ordering::Relaxed);
        let end = shared.end.load(Ordering::Relaxed);
        if measured(start, end).contains(&at) {
            let micros = shared.now().saturating_sub(at) / 1000;
            self.outcome.latency.saturating_record(micros);
        }
    }

    #[inline]
    pub(super) fn answer(&self, delivery: &Delivery, out: &mut Vec<u8>) {
        let kind = match delivery.qos {
            QoS::AtMostOnce => return,
            QoS::AtLeastOnce => AckKind::PubAck,
            QoS::ExactlyOnce => AckKind::PubRec,
        };
        if let Some(id) = delivery.id {
            self.put_ack(kind, id, out);
        }
    }

    #[inline]
    pub(super) fn put_ack(&self, kind: AckKind, id: PacketId, out: &mut Vec<u8>) {
        let version = self.shared.plan.version;
        ack::encode(out, version, kind, id, Reason::SUCCESS, &[]);
    }

    pub(super) fn acknowledged(&mut self, at: usize, frame: &Frame<'_>, out: &mut Vec<u8>) {
        let counts = self.counts();
        let publisher = &mut self.publishers[at];
        let kind = match frame.kind() {
            kind::PUBACK => AckKind::PubAck,
            kind::PUBREC => AckKind::PubRec,
            _ => AckKind::PubComp,
        };
        let id = packet_id(frame.body);
        let awaited = id.and_then(|id| publisher.awaited.get_mut(usize::from(id.get())));
        let (Some(id), Some(awaited)) = (id, awaited) else {
            return counts.astray.add(1);
        };
        if *awaited != Some(kind) {
            return counts.astray.add(1);
        }
        let is_refused = frame.body.get(2).is_some_and(|code| *code >= 0x80);
        if kind == AckKind::PubRec && !is_refused {
            *awaited = Some(AckKind::PubComp);
            return self.put_ack(AckKind::PubRel, id, out);
        }
        *awaited = None;
        publisher.free.push(id.get());
        if is_refused {
            counts.refused.add(1);
        } else {
            counts.acknowledged.add(1);
        }
        self.mark(at);
    }

    pub(super) fn mark(&mut self, publisher: usize) {
        if !std::mem::replace(&mut self.publishers[publisher].is_marked, true) {
            self.marked.push(publisher);
        }
    }

    /// Tells what was delivered to those who wait for it.
    pub(super) fn share(&mut self) {
        if self.touched.is_empty() {
            return;
        }
        let threads = self.shared.plan.threads;
        while let Some(publisher) = self.touched.pop() {
            let more = std::mem::take(&mut self.fresh[publisher]);
            self.shared.delivered[publisher].fetch_add(more, Ordering::Relaxed);
            if publisher % threads == self.number {
                self.mark(publisher / threads);
            }
        }
        if threads == 1 {
            return;
        }
        for (other, hungry) in self.shared.hungry.iter().enumerate() {
            if other != self.number
                && hungry.swap(false, Ordering::SeqCst)
                && let Some(waker) = self.shared.wakers[other].get()
            {
                waker.wake();
            }
        }
    }

    /// Messages that a publisher may send now.
    pub(super) fn room(&self, at: usize) -> u64 {
        let publisher = &self.publishers[at];
        let plan = &self.shared.plan;
        let fan = plan.fans[publisher.id as usize];
        let ids = match plan.qos {
            QoS::AtMostOnce => u64::MAX,
            _ => publisher.free.len() as u64,
        };
        if fan == 0 {
            return ids;
        }
        let delivered = self.shared.delivered[publisher.id as usize].load(Ordering::Relaxed);
        let under_way = (publisher.sent * fan).saturating_sub(delivered + publisher.given_up);
        (plan
            .window(publisher.id as usize)
            .saturating_sub(under_way.div_ceil(fan)))
        .min(ids)
    }

    /// Sends in batches of a quarter of the window at least, or what there is if `is_look`. Whether
    /// more could be sent at once.
    pub(super) fn fill(&mut self, at: usize, crowd: &mut Crowd, is_look: bool) -> bool {
        let plan = &self.shared.plan;
        let window = plan.window(self.publishers[at].id as usize);
        let most = match plan.qos {
            QoS::AtMostOnce => window,
            _ => window.min((self.publishers[at].awaited.len() - 1) as u64),
        };
        for _ in 0..BATCHES_MAX {
            let room = self.room(at);
            if room == 0 || (room < most / 4 && !is_look) {
                return false;
            }
            let publisher = &mut self.publishers[at];
            let Some(out) = crowd.out(publisher.at) else {
                return false;
            };
            let batch = (BATCH_BYTES / publisher.template.len()).max(1) as u64;
            let before = publisher.sent;
            for _ in 0..room.min(batch) {
                let Some(id) = publisher.take_id(plan.qos) else {
                    break;
                };
                publisher.put(out, id, plan.run, 0);
            }
            let more = publisher.sent - before;
            let connection = publisher.at;
            self.sent(at, more);
            crowd.flush(connection);
        }
        true
    }

    pub(super) fn sent(&self, at: usize, more: u64) {
        let publisher = &self.publishers[at];
        let id = publisher.id as usize;
        self.shared.sent[id].store(publisher.sent, Ordering::Relaxed);
        let counts = self.counts();
        counts.owed.add(more * self.shared.plan.fans[id]);
        counts.sent.add(more);
    }

    /// Deliveries that are still to come, or acknowledgements where nobody receives; and those that came.
    pub(super) fn under_way(&self) -> (u64, u64) {
        let shared = self.shared;
        let plan = &shared.plan;
        if plan.subscribers == 0 {
            let done = shared.sum(|counts| &counts.acknowledged);
            let sent = shared.sum(|counts| &counts.sent);
            return (sent.saturating_sub(done), done);
        }
        let done = shared.sum(|counts| &counts.received);
        let owed = shared.sum(|counts| &counts.owed).saturating_sub(done);
        let asked = match plan.qos {
            QoS::AtMostOnce => owed,
            _ => owed.min(UNANSWERED * plan.subscribers as u64),
        };
        (asked, done)
    }

    /// Looks at every publisher, and no longer waits for deliveries that do not come.
    pub(super) fn look_for_stalls(&mut self, now: u64) {
        for at in 0..self.publishers.len() {
            let publisher = &mut self.publishers[at];
            let id = publisher.id as usize;
            let delivered = self.shared.delivered[id].load(Ordering::Relaxed);
            let owed = publisher.sent * self.shared.plan.fans[id];
            let missing = owed.saturating_sub(delivered + publisher.given_up);
            if missing == 0 || delivered != publisher.delivered {
                (publisher.delivered, publisher.moved_at) = (delivered, now);
            } else if now - publisher.moved_at > STALL_NANOS {
                publisher.given_up += missing;
                publisher.moved_at = now;
            }
            self.mark(at);
        }
    }
}

impl Publisher {
    /// A packet identifier; 0 at QoS 0, which has none.
    #[inline]
    pub(super) fn take_id(&mut self, qos: QoS) -> Option<u16> {
        let kind = match qos {
            QoS::AtMostOnce => return Some(0),
            QoS::AtLeastOnce => AckKind::PubAck,
            QoS::ExactlyOnce => AckKind::PubRec,
        };
        let id = self.free.pop()?;
        self.awaited[usize::from(id)] = Some(kind);
        Some(id)
    }

    #[inline]
    pub(super) fn put(&mut self, out: &mut Vec<u8>, id: u16, run: u32, at: u64) {
        let head = Head {
            run,
            publisher: self.id,
            number: self.sent,
            at,
        };
        self.template.put(out, id, head);
        self.sent += 1;
    }
}

/// The middle of a run; its beginning and end are no measure.
pub(super) fn measured(start: u64, end: u64) -> std::ops::Range<u64> {
    let tenth = end.saturating_sub(start) / 10;
    start + tenth..end - tenth
}

fn packet_id(body: &[u8]) -> Option<PacketId> {
    let bytes = body.first_chunk()?;
    PacketId::new(u16::from_be_bytes(*bytes))
}
