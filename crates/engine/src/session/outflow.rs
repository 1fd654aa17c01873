//! QoS 1 and 2 messages going out: packet ids in use, each with where it stands.
//!
//! A ring from the oldest: ids are given in sequence, so an acknowledgement finds its entry by
//! subtraction. An oldest that is never acknowledged is set aside and does not block the others.

use std::{collections::VecDeque, sync::Arc};

use protocol::PacketId;

use crate::{
    Message,
    limits::RING_MAX,
    plant::{self, Fault},
    record::INLINE,
};

/// How far a delivery came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Nothing is owed: acknowledged, or an id that was skipped.
    Free,
    /// The client owes PUBACK.
    PubAck,
    /// The store is to have the id before the PUBLISH of QoS 2 leaves.
    Binding,
    /// The client owes PUBREC.
    PubRec,
    /// PUBREC came; the store is to have that before PUBREL leaves.
    Releasing,
    /// The client owes PUBCOMP.
    PubComp,
}

/// Where the message is, should it have to be sent again.
#[derive(Clone, Debug, Default)]
pub(crate) enum Held {
    /// Nowhere: the session ends with its connection, so nothing is ever sent again.
    #[default]
    Nothing,
    /// For redelivery to this client [MQTT-4.4.0-1].
    Message(Box<Kept>),
    /// It was received; the number under which the store has the delivery.
    Number(u64),
    /// For another member of the shared group if this one leaves.
    Shared {
        home: u16,
        group: u32,
        message: Arc<Message>,
        /// Where it stands in the log, 0 if the group has it from elsewhere.
        position: u64,
    },
}

/// A message that a session keeps until it is acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) message: Arc<Message>,
    /// Its position in the log, or from [`INLINE`] on a number of its own.
    pub(crate) number: u64,
    pub(crate) retain: bool,
    pub(crate) ids: Box<[u32]>,
    /// If it came through a shared group that reads the log.
    pub(crate) handed: Option<Handed>,
}

impl Kept {
    /// A retained message that came with a subscription.
    pub(crate) fn is_retained(&self) -> bool {
        self.number >= INLINE && self.handed.is_none()
    }

    /// Where the log has the message, if it does.
    pub(crate) fn position(&self) -> Option<u64> {
        match self.handed {
            Some(handed) => Some(handed.position),
            None => (self.number < INLINE).then_some(self.number),
        }
    }
}

/// Which shared group gave a message to its member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handed {
    pub(crate) home: u16,
    /// [`Handed::NO_GROUP`] for one of an earlier life.
    pub(crate) group: u32,
    pub(crate) position: u64,
}

impl Handed {
    pub(crate) const NO_GROUP: u32 = u32::MAX;
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: PacketId,
    pub(crate) state: State,
    /// PUBLISH was sent on some connection.
    pub(crate) sent: bool,
    /// Of an earlier life, and before it the log may have others that have not left.
    held_back: bool,
    pub(crate) held: Held,
}

impl Entry {
    /// Whether it came through a shared group, which would take it back.
    pub(crate) fn is_shared(&self) -> bool {
        match &self.held {
            Held::Shared { .. } => true,
            Held::Message(kept) => kept.handed.is_some(),
            Held::Nothing | Held::Number(_) => false,
        }
    }

    /// Whether the store has a record of this delivery: the log's own messages of QoS 1 need none.
    pub(crate) fn is_recorded(&self, kept: &Kept) -> bool {
        self.state != State::PubAck || kept.number >= INLINE
    }

    /// Where the session read its message in the log.
    fn place(&self) -> Option<u64> {
        match &self.held {
            Held::Message(kept) if kept.handed.is_none() => kept.position(),
            _ => None,
        }
    }

    /// Whether the session has yet to read on to its place in the log.
    fn is_ahead(&self, cursor: u64) -> bool {
        self.state == State::PubRec && self.place().is_some_and(|place| place > cursor)
    }
}

/// What is to be sent next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Send(PacketId),
    /// Something, once the client has acknowledged more.
    Later,
    /// Nothing, or nothing before the store answers.
    Nothing,
}

#[derive(Debug, Default)]
pub(crate) struct Outflow {
    ring: VecDeque<Entry>,
    aside: Vec<Entry>,
    last: u16,
    /// Of `aside`: these have not left on this connection and are not in `unsent`.
    held_back: u16,
    /// All of them.
    open: usize,
    /// Still to be sent on this connection, oldest first: again, or once the store has the id of one
    /// that is before it.
    unsent: VecDeque<PacketId>,
}

impl Outflow {
    /// What was sent on this connection, or is next to be.
    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        self.open - usize::from(self.held_back)
    }

    /// All that is unfinished.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// The id that was given last.
    pub(crate) fn last(&self) -> Option<PacketId> {
        PacketId::new(self.last)
    }

    /// What is unfinished has to be sent again: the client is back. What has its record in the store but
    /// stands behind the session's cursor in the log has to wait until that has passed it: the store may
    /// have refused the record of one before it, which then is found in the log again.
    pub(crate) fn begin_again(&mut self, cursor: u64) {
        self.held_back = 0;
        for entry in &mut self.aside {
            entry.held_back = entry.is_ahead(cursor);
            self.held_back += u16::from(entry.held_back);
        }
        let waits = |e: &&Entry| e.state == State::Releasing || e.held_back;
        let mut next: Vec<_> = self.entries().filter(|e| !waits(e)).collect();
        if !self.aside.is_empty() {
            // Those of an earlier life stand first, and others may have left before them.
            let mut logged: Vec<_> = next.iter().filter_map(|e| Some((e.place()?, *e))).collect();
            logged.sort_by_key(|(place, _)| *place);
            let places = next.iter_mut().filter(|e| e.place().is_some());
            for (entry, (_, sorted)) in places.zip(logged) {
                *entry = sorted;
            }
        }
        self.unsent = next.iter().map(|e| e.id).collect();
    }

    /// The session has read the log up to here: what it held back until then is to be sent again. True
    /// if there was any.
    pub(crate) fn let_through(&mut self, cursor: u64) -> bool {
        if self.held_back == 0 {
            return false;
        }
        let before = self.unsent.len();
        for entry in &mut self.aside {
            if entry.held_back && !entry.is_ahead(cursor) {
                entry.held_back = false;
                self.held_back -= 1;
                if entry.state == State::PubRec {
                    self.unsent.push_back(entry.id);
                }
            }
        }
        self.unsent.len() > before
    }

    /// What waits for the store.
    pub(crate) fn unsure(&self) -> Vec<(PacketId, State)> {
        let waits = |e: &&Entry| matches!(e.state, State::Binding | State::Releasing);
        let waiting = self.entries().filter(waits);
        waiting.map(|e| (e.id, e.state)).collect()
    }

    /// The client is away.
    pub(crate) fn end_again(&mut self) {
        self.unsent = VecDeque::new();
    }

    /// The next to be sent, if no more than `window` were on this connection.
    pub(crate) fn next_unsent(&mut self, window: usize) -> Next {
        let Some(id) = self.unsent.front().copied() else {
            return Next::Nothing;
        };
        if self.find(id).is_some_and(|e| e.state == State::Binding) {
            return Next::Nothing;
        }
        if self.in_flight() - self.unsent.len() >= window {
            return Next::Later;
        }
        self.unsent.pop_front();
        Next::Send(id)
    }

    /// To be sent behind what is to be sent.
    pub(crate) fn send_later(&mut self, id: PacketId) {
        self.unsent.push_back(id);
        if let Some(entry) = self.find(id) {
            entry.sent = false;
        }
    }

    /// Retained messages that have not left: packet id and number.
    pub(crate) fn unsent_retained(&self) -> impl Iterator<Item = (PacketId, u64)> {
        self.entries()
            .filter(|e| !e.sent)
            .filter_map(|e| match &e.held {
                Held::Message(kept) if kept.is_retained() => Some((e.id, kept.number)),
                _ => None,
            })
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Gives a new message an id that is not in use [MQTT-2.2.1-4]. `None` if all are.
    pub(crate) fn start(&mut self, state: State, held: Held) -> Option<PacketId> {
        if self.open >= usize::from(u16::MAX) {
            return None;
        }
        if plant::on(Fault::IdReused)
            && let Some(last) = self.ring.back().filter(|e| e.state == state)
        {
            return Some(last.id);
        }
        loop {
            // Only where most of the ring is finished: it is the stuck ones that are few.
            let room = (RING_MAX + 2 * self.open).min(usize::from(u16::MAX));
            if self.ring.len() >= room {
                self.set_aside();
            }
            let id = following(self.last);
            self.last = id.get(); // [MQTT-2.2.1-4], [MQTT-4.3.2-1], [MQTT-4.3.3-1]
            if self.aside.iter().any(|e| e.id == id) {
                // The ring's arithmetic needs every id in sequence.
                self.ring.push_back(Entry {
                    id,
                    state: State::Free,
                    sent: false,
                    held_back: false,
                    held: Held::Nothing,
                });
                continue;
            }
            // Unacknowledged from here on [MQTT-4.3.2-3], [MQTT-4.3.3-3].
            let sent = state != State::Binding;
            self.ring.push_back(Entry {
                id,
                state,
                sent,
                held_back: false,
                held,
            });
            self.open += 1;
            return Some(id);
        }
    }

    /// A delivery of an earlier life of the broker.
    pub(crate) fn restore(&mut self, id: PacketId, state: State, held: Held) {
        // A record may outlive its delivery by a second: an id that was in use is the last to be given
        // again, or two records would have it.
        self.last = self.last.max(id.get());
        self.open += 1;
        self.aside.push(Entry {
            id,
            state,
            sent: true,
            held_back: false,
            held,
        });
    }

    #[inline]
    pub(crate) fn find(&mut self, id: PacketId) -> Option<&mut Entry> {
        if let Some(front) = self.ring.front().map(|e| e.id.get()) {
            // Ids run 1..=65535, so the distance is taken modulo 65,535.
            let at = if id.get() >= front {
                usize::from(id.get() - front)
            } else {
                usize::from(u16::MAX - (front - id.get()))
            };
            // An id that was skipped, because an older message has it, stands in the ring as free.
            if self.ring.get(at).is_some_and(|e| e.state != State::Free) {
                return self.ring.get_mut(at);
            }
        }
        self.aside.iter_mut().find(|e| e.id == id)
    }

    /// As [`Outflow::finish`], if the message is where `expected` says.
    #[inline]
    pub(crate) fn settle(&mut self, id: PacketId, expected: State) -> Option<Held> {
        // Nearly always the oldest, as clients answer in order [MQTT-4.6.0-2].
        if let Some(front) = self.ring.front()
            && front.id == id
            && front.state == expected
            && self.unsent.is_empty()
        {
            // Also where the client refused it: a shared one goes to nobody else [MQTT-4.8.2-6].
            let held = self.ring.pop_front()?.held;
            self.open -= 1;
            self.skip_free();
            return Some(held);
        }
        if self.find(id)?.state != expected {
            return None;
        }
        self.finish(id)
    }

    /// Takes a finished message out; its id is free again.
    #[inline]
    pub(crate) fn finish(&mut self, id: PacketId) -> Option<Held> {
        if !self.unsent.is_empty() {
            self.unsent.retain(|a| *a != id); // answered before it was sent again
        }
        if let Some(at) = self.aside.iter().position(|e| e.id == id) {
            self.open -= 1;
            let entry = self.aside.remove(at); // the others stay in their order
            self.held_back -= u16::from(entry.held_back);
            return Some(entry.held);
        }
        let entry = self.find(id)?;
        entry.state = State::Free;
        let held = std::mem::take(&mut entry.held);
        self.open -= 1;
        self.skip_free();
        Some(held)
    }

    /// The ring begins with something unfinished.
    #[inline]
    fn skip_free(&mut self) {
        while self.ring.front().is_some_and(|e| e.state == State::Free) {
            self.ring.pop_front();
        }
    }

    /// All unfinished, oldest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.aside
            .iter()
            .chain(&self.ring)
            .filter(|e| e.state != State::Free)
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Entry> {
        (self.open, self.held_back) = (0, 0);
        let aside = std::mem::take(&mut self.aside);
        let ring = std::mem::take(&mut self.ring);
        aside
            .into_iter()
            .chain(ring)
            .filter(|e| e.state != State::Free)
    }

    fn set_aside(&mut self) {
        while let Some(front) = self.ring.pop_front() {
            if front.state != State::Free {
                self.aside.push(front);
                break;
            }
        }
        self.skip_free();
    }
}

fn following(last: u16) -> PacketId {
    PacketId::new(if last == u16::MAX { 1 } else { last + 1 }).expect("never 0: it wraps to 1")
}
