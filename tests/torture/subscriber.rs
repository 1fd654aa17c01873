//! A subscriber by the book: its session outlives its connections, it remembers the packet ids of
//! QoS 2 until PUBREL. It notes what came of each stream, and judges: nothing of QoS 2 twice, no
//! message before an earlier one of its stream.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Instant;

use crate::dial::{SLICE, dial};
use crate::dice::Dice;
use crate::stream::{self, ALL_STREAMS, Stream};
use crate::tally::Tally;
use crate::wire::{
    Conn, Connect, Kind, Outcome, Packet, V5, Version, ack, prop, subscribe, unsubscribe,
};

/// What came of a stream.
#[derive(Clone, Default, Debug)]
struct Seen {
    next: u32,
    /// Numbers below `next` that did not come.
    missing: BTreeSet<u32>,
}

/// A subscription besides those that stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extra {
    /// SUBSCRIBE was said, SUBACK did not come.
    Asked,
    Granted,
    /// UNSUBSCRIBE was said, UNSUBACK did not come.
    Leaving,
    Left,
}

#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    pub(crate) index: usize,
    window: u16,
    /// The QoS with which each stream is due.
    due: Vec<Option<u8>>,
    seen: Vec<Seen>,
    /// Packet ids of QoS 2 messages that wait for PUBREL, and what came with them.
    open: BTreeMap<u16, (usize, u32)>,
    /// SUBACK came: from now on the session is there.
    known: bool,
    pub(crate) extras: BTreeMap<String, Extra>,
    /// Messages on the topics of extras.
    pub(crate) heard: BTreeSet<String>,
    next_id: u16,
    asked: BTreeMap<u16, String>,
    pub(crate) tally: Tally,
    /// What was wrong, in words.
    pub(crate) story: Vec<String>,
}

impl Subscriber {
    pub(crate) fn new(index: usize, dice: &mut Dice) -> Self {
        Self {
            index,
            window: dice.of(4..200) as u16,
            due: Stream::all().map(|s| stream::due(index, s)).collect(),
            seen: vec![Seen::default(); ALL_STREAMS],
            open: BTreeMap::new(),
            known: false,
            extras: BTreeMap::new(),
            heard: BTreeSet::new(),
            next_id: 0,
            asked: BTreeMap::new(),
            tally: Tally::default(),
            story: Vec::new(),
        }
    }

    fn hello(&self) -> Connect {
        let connect = Connect::new(self.version(), &format!("sub-{}", self.index));
        let connect = connect.persistent(3600);
        connect.prop(prop::two(prop::RECEIVE_MAXIMUM, self.window))
    }

    fn version(&self) -> Version {
        stream::version(self.index / 2)
    }

    /// Everything of these streams came, and no exchange is open. Refused messages are not owed.
    pub(crate) fn has_all(&self, owed: &Owed) -> bool {
        self.open.is_empty() && self.asked.is_empty() && self.owes(owed).next().is_none()
    }

    fn owes<'a>(&'a self, owed: &'a Owed) -> impl Iterator<Item = (Stream, u32)> + 'a {
        Stream::all()
            .filter(|s| self.due[s.index()].is_some())
            .flat_map(move |s| {
                let seen = &self.seen[s.index()];
                let late = seen.next..owed.next[s.index()];
                let missing = seen.missing.iter().copied().chain(late);
                missing.map(move |n| (s, n))
            })
            .filter(|(s, n)| !owed.refused.contains(&(s.index(), *n)))
    }

    /// Counts what is owed and did not come as lost, and goes on from there.
    pub(crate) fn settle(&mut self, owed: &Owed) {
        let lost: Vec<_> = self.owes(owed).collect();
        self.tally.lost += lost.len() as u64;
        for (stream, number) in lost.iter().take(3) {
            self.tell(format!("lost {number} of {}", stream.topic()));
        }
        if !lost.is_empty() {
            self.tell(format!("lost {} in all", lost.len()));
        }
        for (seen, next) in self.seen.iter_mut().zip(&owed.next) {
            seen.missing.clear();
            seen.next = seen.next.max(*next);
        }
    }

    fn tell(&mut self, what: String) {
        self.story
            .push(format!("subscriber {}: {what}", self.index));
    }

    /// Says SUBSCRIBE for one more filter, or UNSUBSCRIBE.
    pub(crate) fn ask(&mut self, filter: &str, extra: Extra) -> Vec<u8> {
        self.next_id = self.next_id % 60_000 + 1;
        let id = self.next_id;
        self.asked.insert(id, filter.to_owned());
        self.extras.insert(filter.to_owned(), extra);
        match extra {
            Extra::Asked => subscribe(self.version(), id, &[(filter, 1)]),
            _ => unsubscribe(self.version(), id, &[filter]),
        }
    }

    /// Every subscription that was granted heard the probe of this round.
    pub(crate) fn answered(&self, round: u64) -> bool {
        self.asked.is_empty() && self.deaf(round).next().is_none()
    }

    fn deaf(&self, round: u64) -> impl Iterator<Item = &String> {
        self.extras
            .iter()
            .filter(move |(filter, extra)| {
                **extra == Extra::Granted && !self.heard.contains(&probe(filter, round))
            })
            .map(|(filter, _)| filter)
    }

    /// Counts subscriptions that are gone, and those that should be.
    pub(crate) fn judge_extras(&mut self, round: u64) {
        let lost: Vec<String> = self.deaf(round).cloned().collect();
        for filter in lost {
            self.tally.subscriptions_lost += 1;
            self.tell(format!("{filter} was granted and is gone"));
            self.extras.remove(&filter);
        }
        for (filter, extra) in self.extras.clone() {
            if extra != Extra::Left {
                continue;
            }
            if self.heard.contains(&probe(&filter, round)) {
                self.tally.subscriptions_back += 1;
                self.tell(format!("{filter} was left and is back"));
            }
            // Looked at after two crashes.
            let made: u64 = filter.rsplit('/').next().map_or(0, |r| r.parse().unwrap());
            if made + 3 <= round {
                self.extras.remove(&filter);
            }
        }
        self.heard.clear();
    }

    fn take(&mut self, packet: &Packet) -> Vec<u8> {
        match packet.kind {
            Kind::Publish => self.publish(packet),
            Kind::PubRel => {
                // Known or not: the broker asks again if it did not hear PUBCOMP.
                self.open.remove(&packet.id);
                ack(0x70, packet.id)
            }
            Kind::SubAck | Kind::UnsubAck => {
                if packet.codes.iter().any(|code| *code >= 0x80) {
                    // Refused: nothing is promised.
                    let filter = self.asked.remove(&packet.id);
                    self.tally.refused += 1;
                    self.extras.retain(|f, _| Some(f) != filter.as_ref());
                    return Vec::new();
                }
                if let Some(filter) = self.asked.remove(&packet.id) {
                    let now = match packet.kind {
                        Kind::SubAck => Extra::Granted,
                        _ => Extra::Left,
                    };
                    self.extras.insert(filter, now);
                }
                self.tally.acknowledged += 1;
                Vec::new()
            }
            _ => panic!("subscriber {}: {packet:?}", self.index),
        }
    }

    fn publish(&mut self, packet: &Packet) -> Vec<u8> {
        let got = packet.publish.as_ref().expect("a PUBLISH has it");
        let answer = match got.qos {
            1 => ack(0x40, got.id),
            2 => ack(0x50, got.id),
            _ => Vec::new(),
        };
        if got.topic.starts_with("x/") {
            self.heard.insert(format!("{} {}", got.topic, got.text()));
            return answer;
        }
        let Some((stream, number)) = Stream::of(&got.payload) else {
            panic!("subscriber {}: nobody published {got:?}", self.index);
        };
        assert_eq!(got.topic, stream.topic(), "{got:?}");
        if got.qos == 2 {
            // The same id again before PUBREL is the same message again (4.3.3).
            if let Some(before) = self.open.insert(got.id, (stream.index(), number)) {
                if before != (stream.index(), number) {
                    self.tell(format!("id {} was in use for {before:?}", got.id));
                    self.tally.lost += 1;
                }
                return answer;
            }
        }
        self.note(stream, number, got.qos, got.dup);
        answer
    }

    fn note(&mut self, stream: Stream, number: u32, qos: u8, dup: bool) {
        let due = self.due[stream.index()];
        if due != Some(qos) {
            self.tally.wrong_qos += 1;
            self.tell(format!("{} came with QoS {qos}", stream.topic()));
        }
        let seen = &mut self.seen[stream.index()];
        if number >= seen.next {
            seen.missing.extend(seen.next..number);
            seen.next = number + 1;
            self.tally.delivered += 1;
        } else if seen.missing.remove(&number) {
            self.tally.delivered += 1;
            self.tally.out_of_order += 1;
            let next = seen.next;
            self.tell(format!("{number} of {} after {}", stream.topic(), next - 1));
        } else if qos == 2 {
            self.tally.doubled += 1;
            let next = seen.next;
            self.tell(format!(
                "{number} of {} twice (DUP {dup}), the last was {}",
                stream.topic(),
                next - 1
            ));
        } else {
            self.tally.repeated += 1;
        }
    }
}

/// What the probe of this round says to this filter.
fn probe(filter: &str, round: u64) -> String {
    format!("{filter} {round}")
}

/// What the publishers published: each subscriber is owed it.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) next: Vec<u32>,
    pub(crate) refused: BTreeSet<(usize, u32)>,
}

/// Connects, and subscribes where that was never granted. None if the broker is gone.
pub(crate) fn arrive(state: &Mutex<Subscriber>, address: SocketAddr) -> Option<Conn> {
    let hello = state.lock().unwrap().hello();
    let (mut conn, connack) = dial(address, &hello)?;
    let mut me = state.lock().unwrap();
    let lost = me.known && !connack.session_present;
    if lost {
        me.tally.sessions_lost += 1;
        me.tell("the session is gone".into());
        // By the book, and so that the run can go on.
        me.open.clear();
        me.extras.clear();
    }
    // Asked and not answered: asked again.
    me.asked.clear();
    let mut bytes = Vec::new();
    for (filter, extra) in me.extras.clone() {
        match extra {
            Extra::Asked => bytes.extend(me.ask(&filter, Extra::Asked)),
            Extra::Leaving => bytes.extend(me.ask(&filter, Extra::Leaving)),
            Extra::Granted | Extra::Left => {}
        }
    }
    let first = !me.known || lost;
    let (version, filters) = (me.version(), stream::filters(me.index));
    drop(me);
    if first {
        let filters: Vec<_> = filters.iter().map(|(f, q)| (f.as_str(), *q)).collect();
        conn.send(&subscribe(version, 61_000, &filters));
        loop {
            match conn.read_by(Instant::now() + crate::dial::PATIENCE) {
                Outcome::Packet(packet) if packet.kind == Kind::SubAck => {
                    let granted: Vec<u8> = filters.iter().map(|(_, q)| *q).collect();
                    assert_eq!(packet.codes, granted);
                    break;
                }
                Outcome::Packet(packet) => {
                    let answer = state.lock().unwrap().take(&packet);
                    conn.send(&answer);
                }
                Outcome::Closed => return None,
                Outcome::Late => panic!("no SUBACK came"),
            }
        }
        let mut me = state.lock().unwrap();
        me.known = true;
        me.tally.acknowledged += 1;
    }
    conn.send(&bytes);
    Some(conn)
}

/// Receives until `done` says so, by what came so far; None if the broker is gone.
pub(crate) fn drive(
    state: &Mutex<Subscriber>,
    conn: Option<Conn>,
    address: SocketAddr,
    mut done: impl FnMut(&mut Subscriber, &mut Conn) -> bool,
) -> Option<Conn> {
    let mut conn = conn.or_else(|| arrive(state, address))?;
    while !done(&mut state.lock().unwrap(), &mut conn) {
        match conn.read_by(Instant::now() + SLICE) {
            Outcome::Packet(packet) => {
                if packet.kind == Kind::Disconnect && conn.version == V5 {
                    return None;
                }
                let answer = state.lock().unwrap().take(&packet);
                conn.send(&answer);
            }
            Outcome::Late => {}
            Outcome::Closed => return None,
        }
    }
    Some(conn)
}
