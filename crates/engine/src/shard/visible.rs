//! What is said once every shard routes by a change: SUBACK, UNSUBACK, and the answers to an
//! administrator and to a shared group's members. Everything here is found by number, ticket or slot:
//! a crowd that subscribes at once is not looked through for each of them.

use std::collections::{BTreeMap, VecDeque};

use protocol::kind;

use super::{Mail, Shard, Sink};
use crate::{
    Counter, SessionRef,
    plant::{self, Fault},
    session::{Bit, Scan},
};

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Visible {
    /// For which announcement to be in force everywhere; the numbers grow.
    following: VecDeque<(u64, Who)>,
    /// Answers that are owed, by ticket.
    owed: BTreeMap<u64, Owed>,
    /// The ticket of what a client is owed, by slot. Its next packet waits for that, so it is one.
    asking: BTreeMap<u32, u64>,
}

#[derive(Debug)]
enum Who {
    /// Whoever has this ticket, if that is still owed.
    Ticket(u64),
    /// A member of a group that is at home here.
    Joined {
        to: u16,
        session: SessionRef,
        ticket: u64,
    },
}

/// An answer that is owed.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) ticket: u64,
    pub(super) session: SessionRef,
    /// Every shard routes by the change.
    pub(super) is_followed: bool,
    /// Shared groups, and the store, that have not yet answered.
    pub(super) joins: u32,
    pub(super) scans: Vec<Scan>,
    pub(super) to: Asked,
}

/// Who asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// The client, which gets this packet; it is empty where nobody asked.
    Client(Vec<u8>),
    Administrator,
}

impl Visible {
    pub(super) fn give_room_back(&mut self) {
        self.following.shrink_to(64);
    }
}

impl Shard {
    /// An answer leaves when every shard follows and all have answered.
    pub(super) fn owe(&mut self, owed: Owed, sink: &mut impl Sink) {
        let (slot, ticket) = (owed.session.slot, owed.ticket);
        let s = self.session_mut(slot);
        if !owed.scans.is_empty() {
            // From now on a retained message that comes live is newer than what is stored.
            s.rare.make().scanning.get_or_insert_default();
        }
        if matches!(owed.to, Asked::Client(_)) {
            // The client's next packet is handled once this is in force everywhere.
            s.bits.set(Bit::Subscribing);
            self.visible.asking.insert(slot, ticket);
        }
        if !owed.is_followed {
            let waiting = (self.announced, Who::Ticket(ticket));
            self.visible.following.push_back(waiting);
        }
        self.visible.owed.insert(ticket, owed);
        self.pay(ticket, sink);
        self.release(sink);
    }

    /// A group's home answers once the group is routed to from everywhere.
    pub(super) fn wait_joined(
        &mut self,
        to: u16,
        session: SessionRef,
        ticket: u64,
        sink: &mut impl Sink,
    ) {
        let who = Who::Joined {
            to,
            session,
            ticket,
        };
        self.visible.following.push_back((self.announced, who));
        self.release(sink);
    }

    pub(super) fn on_followed(&mut self, from: u16, number: u64, sink: &mut impl Sink) {
        self.followed[usize::from(from)] = number;
        self.release(sink);
    }

    pub(super) fn on_joined(&mut self, session: SessionRef, ticket: u64, sink: &mut impl Sink) {
        let owed = self.visible.owed.get_mut(&ticket);
        if let Some(owed) = owed.filter(|o| o.session == session) {
            owed.joins = owed.joins.saturating_sub(1);
            self.pay(ticket, sink);
        }
    }

    /// What an administrator changed could not be kept.
    pub(super) fn not_administered(&mut self, ticket: u64) {
        self.visible.owed.remove(&ticket);
        self.answers.push((ticket, false));
    }

    /// A SUBACK belongs to the connection that asked: the session's next one, perhaps of another
    /// version, must not get it.
    pub(super) fn forget_suback(&mut self, slot: u32) {
        if let Some(ticket) = self.visible.asking.remove(&slot) {
            self.visible.owed.remove(&ticket);
        }
    }

    /// Up to which announcement every other shard has followed.
    fn followed_by_all(&self) -> u64 {
        if plant::on(Fault::SubackBeforeVisible) {
            return u64::MAX;
        }
        let mine = usize::from(self.id);
        let others = self.followed.iter().enumerate();
        let others = others.filter(|(shard, _)| *shard != mine);
        others.map(|(_, number)| *number).min().unwrap_or(u64::MAX)
    }

    /// Lets go what waited for the other shards, as far as they have come.
    fn release(&mut self, sink: &mut impl Sink) {
        let followed = self.followed_by_all();
        let due = |entry: &mut (u64, Who)| entry.0 <= followed;
        while let Some((_, who)) = self.visible.following.pop_front_if(due) {
            match who {
                // A start waits for nobody.
                Who::Joined { ticket: 0, .. } => {}
                Who::Joined {
                    to,
                    session,
                    ticket,
                } => self.mail(to, Mail::Joined { session, ticket }),
                Who::Ticket(ticket) => {
                    if let Some(owed) = self.visible.owed.get_mut(&ticket) {
                        owed.is_followed = true;
                        self.pay(ticket, sink);
                    }
                }
            }
        }
    }

    /// Says what is owed under a ticket, if nothing is missing any more.
    fn pay(&mut self, ticket: u64, sink: &mut impl Sink) {
        let owed = self.visible.owed.get(&ticket);
        if owed.is_none_or(|owed| !owed.is_followed || owed.joins > 0) {
            return;
        }
        let Some(owed) = self.visible.owed.remove(&ticket) else {
            return;
        };
        match &owed.to {
            Asked::Administrator => self.answers.push((ticket, true)),
            Asked::Client(_) => {
                let asking = &mut self.visible.asking;
                if asking.get(&owed.session.slot) == Some(&ticket) {
                    asking.remove(&owed.session.slot);
                }
            }
        }
        let Some(slot) = self.resolve(owed.session) else {
            return;
        };
        if let Asked::Client(packet) = &owed.to {
            self.session_mut(slot).bits.clear(Bit::Subscribing);
            self.send_answer(slot, packet, sink);
        }
        let s = self.session_mut(slot);
        if !s.is_online() {
            return;
        }
        if !owed.scans.is_empty() {
            let scanning = s.rare.make().scanning.get_or_insert_default();
            scanning.scans.extend(owed.scans);
        }
        self.scan_on(slot);
    }

    fn send_answer(&mut self, slot: u32, packet: &[u8], sink: &mut impl Sink) {
        let s = self.session_mut(slot);
        if packet.is_empty() || !s.is_online() {
            return;
        }
        sink.out(s.conn).extend_from_slice(packet); // [MQTT-3.8.4-1]
        s.tally.answered(packet.len());
        let sent = if packet.first().is_some_and(|b| b >> 4 == kind::UNSUBACK) {
            Counter::UnsubackSent
        } else {
            Counter::SubackSent
        };
        self.metrics.add(sent, 1);
    }
}
