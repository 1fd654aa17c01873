//! Sessions that outlive their connection read QoS 1 and 2 from the shared log, each from its own
//! cursor, and so do shared groups that have such members; a message is written once, whatever the number of its readers.

use std::sync::Arc;

use protocol::{Filter, QoS};

use super::{Shard, Sink, park::Parked};
use crate::{
    Drop, Message, SessionRef, Time,
    limits::READ_MAX,
    plant::{self, Fault},
    router::{NodeId, Target},
    session::{Bit, Reading},
};

/// What a shard asks of the store. It is to be carried out in order, as far as it is written.
#[derive(Debug)]
pub enum Request {
    /// Write the message to the log; [`Shard::stored`] answers.
    Append {
        token: u64,
        message: Arc<Message>,
        /// [Who](crate::message::fingerprint) published it; 0 for nobody's.
        from: u64,
        /// Under which it is written once only, until that is released.
        identity: Option<Box<[u8]>>,
    },
    /// Let the log forget an identity; [`Shard::stored`] answers if there is a token.
    Release {
        token: Option<u64>,
        identity: Box<[u8]>,
    },
    /// Keep a record; [`Shard::stored`] answers if there is a token.
    Save {
        token: Option<u64>,
        write: crate::record::Write,
    },
    /// Messages after a position that match one of the filters; [`Shard::found_in_log`] answers.
    Read {
        reader: Reader,
        /// Comes back with the answer.
        number: u32,
        after: u64,
        filters: Vec<String>,
        max: usize,
    },
}

/// Who reads on in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    Session(SessionRef),
    /// A shared group that is at home on the shard that asks.
    Group(u32),
}

/// The log's answer to [`Request::Read`].
#[derive(Clone, Debug)]
pub struct Found {
    pub reader: Reader,
    pub number: u32,
    /// What matched, in order.
    pub entries: Vec<Entry>,
    /// Everything up to here was looked at.
    pub upto: u64,
}

/// A message at its place in the log.
#[derive(Clone, Debug)]
pub struct Entry {
    pub position: u64,
    pub message: Arc<Message>,
    /// As far as it is known: not of what an earlier process wrote.
    pub origin: Option<Origin>,
}

/// Which shard asked for an entry to be written, and under which token: these grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    pub shard: u16,
    pub token: u64,
}

impl Shard {
    /// A batch of the log's tail, in log order.
    pub fn tail(&mut self, now: Time, entries: &[Entry], sink: &mut impl Sink) {
        self.now = now;
        for entry in entries {
            let topic = entry.message.topic();
            let (at, route) = self.routes.take(&mut self.router, topic);
            if route.durable {
                for target in &route.targets {
                    self.follow(target, entry, sink);
                }
                for group in &route.groups {
                    self.follow_for_group(*group, entry, sink);
                }
            }
            self.routes.put(at, route);
            self.tail_seen = entry.position;
        }
    }

    /// Entries that the log had no room for any more: lost to those who had not read them yet.
    pub fn shed(&mut self, entries: &[Entry]) {
        for entry in entries {
            let topic = entry.message.topic();
            let (at, route) = self.routes.take(&mut self.router, topic);
            if route.durable {
                let publisher = entry.message.publisher;
                for target in &route.targets {
                    if self.misses(target, entry) {
                        self.lose(Drop::Trimmed, 1, target.session, publisher, topic);
                    }
                }
                for group in &route.groups {
                    if self.group_misses(*group, entry) {
                        self.lose_for_group(Drop::Trimmed, 1, *group, publisher, topic);
                    }
                }
            }
            self.routes.put(at, route);
        }
    }

    /// Whether a message of this QoS is in the log, if somebody reads it there.
    pub(super) fn is_logged(&self, qos: QoS) -> bool {
        self.settings.upgrade_qos || qos > QoS::AtMostOnce
    }

    fn misses(&self, target: &Target, entry: &Entry) -> bool {
        let behind = self
            .sessions
            .get(target.session)
            .and_then(|s| s.rare.durable.as_ref())
            .is_some_and(|d| d.reading != Reading::Live && d.cursor < entry.position);
        let wanted = target.flags.reads_log() && self.is_logged(entry.message.qos);
        let own =
            target.flags.no_local() && self.is_publisher(entry.message.publisher, target.session);
        behind && wanted && !own
    }

    /// One live reader takes one entry, or falls behind.
    fn follow(&mut self, target: &Target, entry: &Entry, sink: &mut impl Sink) {
        let slot = target.session;
        let Some(s) = self.sessions.get(slot) else {
            return;
        };
        let Some(d) = &s.rare.durable else { return };
        let qos = self.effective_qos(entry.message.qos, target.flags.qos());
        let wanted = target.flags.reads_log() && self.is_logged(entry.message.qos);
        if !wanted || d.reading != Reading::Live || entry.position <= d.cursor {
            return;
        }
        if target.flags.no_local() && self.is_publisher(entry.message.publisher, slot) {
            return; // [MQTT-3.8.3-3]
        }
        if target.flags.is_checked()
            && !self.may_receive(slot, entry.message.topic(), target.flags.qos())
        {
            return;
        }
        let Some(s) = self.sessions.get(slot) else {
            return;
        };
        let full = sink.out(s.conn).len() > self.settings.out_bytes_max;
        let clear = !full && !s.bits.has(Bit::Blocked) && !s.has_queue();
        let room = s.is_online() && clear && s.has_window(qos);
        let tail = self.tail_seen;
        let s = self.session_mut(slot);
        s.bits.set_if(Bit::Blocked, full);
        let Some(d) = s.durable_mut() else { return };
        if !room {
            d.reading = Reading::Behind;
            let skipped = plant::on(Fault::CursorOverGap);
            d.cursor = d.cursor.max(if skipped { entry.position } else { tail });
            return;
        }
        d.cursor = entry.position;
        let as_published = target.flags.as_published();
        self.send_logged(slot, entry, qos, as_published, &target.ids, sink);
    }

    /// A session that is behind reads on, as far as its window goes.
    pub(super) fn read_on(&mut self, slot: u32, sink: &mut impl Sink) {
        if self.may_read_on(slot) && !self.ask_log(slot) {
            self.pass(slot, self.tail_seen, sink);
            self.go_live(slot);
        }
    }

    fn may_read_on(&self, slot: u32) -> bool {
        let s = self.session(slot);
        let durable = s.rare.durable.as_ref();
        let behind = durable.is_some_and(|d| d.reading == Reading::Behind);
        behind && s.window_left() > 0 && !s.bits.has(Bit::Blocked)
    }

    /// What is asked for does not have a new filter, or could not be read: it is asked for again.
    pub(super) fn ask_log_again(&mut self, slot: u32) {
        let durable = self.session_mut(slot).durable_mut();
        if let Some(d) = durable.filter(|d| d.reading == Reading::Asked) {
            d.reading = Reading::Behind;
            if self.may_read_on(slot) {
                self.ask_log(slot);
            }
        }
    }

    /// False if no subscription of the session reads the log.
    fn ask_log(&mut self, slot: u32) -> bool {
        let session = self.reference(slot);
        let s = self.session(slot);
        let max = s.window_left().min(READ_MAX);
        let reads = |node: &&NodeId| {
            let sub = self.router.sub(**node, slot);
            sub.is_some_and(|sub| sub.flags.reads_log())
        };
        let nodes = s.subs.slice().iter().filter(reads);
        let filters: Vec<String> = nodes.map(|node| self.router.filter(*node)).collect();
        if filters.is_empty() {
            return false;
        }
        let Some(d) = self.session_mut(slot).durable_mut() else {
            return false;
        };
        d.reading = Reading::Asked;
        d.number = d.number.wrapping_add(1);
        let (after, number) = (d.cursor, d.number);
        self.requests.push(Request::Read {
            reader: Reader::Session(session),
            number,
            after,
            filters,
            max,
        });
        true
    }

    /// A session has seen the log up to here: what it held back until then leaves.
    fn pass(&mut self, slot: u32, position: u64, sink: &mut impl Sink) {
        let s = self.session_mut(slot);
        let Some(d) = s.durable_mut() else { return };
        d.cursor = d.cursor.max(position);
        let cursor = d.cursor;
        if s.out.as_mut().is_some_and(|out| out.let_through(cursor)) {
            self.send_unsent(slot, sink);
        }
    }

    /// The log's answer, which may come late.
    pub fn found_in_log(&mut self, now: Time, found: &Found, sink: &mut impl Sink) {
        self.now = now;
        let Found { entries, upto, .. } = found;
        let upto = *upto;
        let session = match found.reader {
            Reader::Session(session) => session,
            Reader::Group(key) => return self.found_for_group(key, found, sink),
        };
        let Some(slot) = self.resolve(session) else {
            return;
        };
        let tail = self.tail_seen;
        let Some(d) = self.session_mut(slot).durable_mut() else {
            return;
        };
        if d.reading != Reading::Asked || d.number != found.number {
            return; // The client went away meanwhile, or asks with other filters now.
        }
        d.reading = Reading::Behind;
        for entry in entries {
            // What was held back is before it, and needs the window first.
            self.pass(slot, entry.position - 1, sink);
            let s = self.session(slot);
            if s.window_left() == 0 || s.has_queue() {
                return; // The next acknowledgement reads on from the cursor.
            }
            if sink.out(s.conn).len() > self.settings.out_bytes_max {
                self.session_mut(slot).bits.set(Bit::Blocked);
                return;
            }
            self.pass(slot, entry.position, sink);
            if let Some(target) = self.terms_of(slot, entry)
                && (!target.flags.is_checked()
                    || self.may_receive(slot, entry.message.topic(), target.flags.qos()))
            {
                let qos = self.effective_qos(entry.message.qos, target.flags.qos());
                let as_published = target.flags.as_published();
                self.send_logged(slot, entry, qos, as_published, &target.ids, sink);
            }
        }
        self.pass(slot, upto, sink);
        if upto >= tail {
            return self.go_live(slot);
        }
        self.read_on(slot, sink);
    }

    /// The log could not be read there; `found` has nothing. Not asked at once again, or it would be asked all
    /// the time.
    pub fn log_unreadable(&mut self, now: Time, found: &Found, sink: &mut impl Sink) {
        self.now = now;
        match found.reader {
            Reader::Session(session) => {
                let reading = Parked::Reading(session, found.number);
                self.parked.push_back(reading);
            }
            Reader::Group(key) => self.found_for_group(key, found, sink), // which waits, too
        }
    }

    /// The session has caught up: what is finished is behind its cursor now.
    fn go_live(&mut self, slot: u32) {
        let Some(d) = self.session_mut(slot).durable_mut() else {
            return;
        };
        d.reading = Reading::Live;
        if d.progress.is_some() {
            self.note_progress(slot, &[]);
        }
    }

    /// How a session wants a logged message now: its matching subscriptions, merged.
    fn terms_of(&self, slot: u32, entry: &Entry) -> Option<Target> {
        let (message, topic) = (&entry.message, entry.message.topic());
        let durable = self.session(slot).rare.durable.as_ref()?;
        if durable.is_bound(entry.position) {
            return None; // in flight, or received, since before the start
        }
        let mut merged: Option<Target> = None;
        for node in self.session(slot).subs.slice() {
            let text = self.router.filter(*node);
            if !Filter::trusted(&text).matches(topic) || durable.is_before(*node, entry.position) {
                continue;
            }
            let Some(sub) = self.router.sub(*node, slot) else {
                continue;
            };
            let target = merged.get_or_insert_with(|| Target {
                session: slot,
                flags: sub.flags,
                ids: Vec::new(),
            });
            target.flags = target.flags.overlap(sub.flags);
            if sub.id != 0 {
                target.ids.push(sub.id);
            }
        }
        let target = merged?;
        let own = target.flags.no_local() && self.is_publisher(message.publisher, slot);
        let wanted = target.flags.reads_log() && self.is_logged(message.qos);
        (!own && wanted).then_some(target)
    }

    /// The lowest position after which some session or group of this shard may still need something.
    #[must_use]
    pub fn floor(&self) -> u64 {
        let needs = self.sessions.keys().map(|slot| self.needs_from(slot));
        let sessions = needs.min().unwrap_or(u64::MAX);
        let ended = match self.ending {
            0 => u64::MAX,
            _ => self.ended_need_from(),
        };
        sessions
            .min(ended)
            .min(self.groups.needs_from(self.tail_seen))
            .min(self.tail_seen)
    }
}
