//! What is between the two sides of an exchange: messages sent and not acknowledged, in their order,
//! and messages of QoS 2 that came and were not released. No I/O.

use std::collections::{HashMap, VecDeque};

use protocol::PacketId;

use crate::error::Error;
use crate::message::Message;

/// Messages that wait because the receiver takes no more at once; another one is an error.
pub const WAITING_MAX: usize = 10_000;

#[derive(Debug)]
struct Sent {
    id: PacketId,
    /// The whole PUBLISH; empty once the receiver has it (PUBREC).
    packet: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    last_id: u16,
    inflight_max: usize,
    sent: VecDeque<Sent>,
    waiting: VecDeque<Sent>,
    held: HashMap<PacketId, Message>,
}

/// What to do again on a new connection.
pub(crate) enum Again {
    /// A PUBLISH, which may have been received.
    Publish(Vec<u8>),
    Release(PacketId),
}

impl Exchange {
    pub(crate) fn new(inflight_max: u16) -> Self {
        Self {
            last_id: 0,
            inflight_max: usize::from(inflight_max),
            sent: VecDeque::new(),
            waiting: VecDeque::new(),
            held: HashMap::new(),
        }
    }

    /// The receiver allows no more than this many.
    pub(crate) fn allow(&mut self, inflight_max: u16) {
        self.inflight_max = self.inflight_max.min(usize::from(inflight_max));
    }

    /// An identifier that no message of ours has [MQTT-2.2.1-3].
    pub(crate) fn next_id(&mut self) -> PacketId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if let Some(id) = PacketId::new(self.last_id)
                && !self.uses(id)
            {
                return id;
            }
        }
    }

    fn uses(&self, id: PacketId) -> bool {
        self.sent.iter().chain(&self.waiting).any(|s| s.id == id)
    }

    /// Whether another message would go out at once.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.is_empty() && self.sent.len() < self.inflight_max
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.waiting.is_empty()
    }

    /// Keeps a PUBLISH until it is acknowledged. Whether it is to be sent now.
    pub(crate) fn add(&mut self, id: PacketId, packet: Vec<u8>) -> Result<bool, Error> {
        if self.has_room() {
            self.sent.push_back(Sent { id, packet });
            return Ok(true);
        }
        if self.waiting.len() == WAITING_MAX {
            return Err(Error::Full);
        }
        self.waiting.push_back(Sent { id, packet });
        Ok(false)
    }

    /// PUBREC: whether it was one of ours.
    pub(crate) fn received(&mut self, id: PacketId) -> bool {
        let found = self.sent.iter_mut().find(|sent| sent.id == id);
        found.map(|sent| sent.packet.clear()).is_some()
    }

    /// The exchange is over: whether it was one of ours, and what may go out now.
    pub(crate) fn done(&mut self, id: PacketId) -> (bool, Option<(PacketId, &[u8])>) {
        let Some(at) = self.sent.iter().position(|sent| sent.id == id) else {
            return (false, None);
        };
        self.sent.remove(at);
        let Some(next) = self.waiting.pop_front() else {
            return (true, None);
        };
        self.sent.push_back(next);
        (true, self.sent.back().map(|s| (s.id, &*s.packet)))
    }

    /// Holds a message of QoS 2 until it is released; one that came before stays as it is.
    pub(crate) fn hold(&mut self, id: PacketId, message: Message) {
        self.held.entry(id).or_insert(message);
    }

    /// PUBREL.
    pub(crate) fn release(&mut self, id: PacketId) -> Option<Message> {
        self.held.remove(&id)
    }

    /// Everything not finished, for a new connection, in its order [MQTT-4.4.0-1].
    pub(crate) fn again(&mut self) -> Vec<Again> {
        let mut again = Vec::new();
        for sent in &mut self.sent {
            if let Some(first) = sent.packet.first_mut() {
                // DUP [MQTT-3.3.1-1].
                *first |= 0x08;
                again.push(Again::Publish(sent.packet.clone()));
            } else {
                again.push(Again::Release(sent.id));
            }
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_in_flight_than_allowed_and_in_order() {
        let mut exchange = Exchange::new(20);
        exchange.allow(2);
        let ids: Vec<PacketId> = (0..4).map(|_| exchange.next_id()).collect();
        let sent: Vec<bool> = ids
            .iter()
            .map(|id| exchange.add(*id, vec![0x32]).unwrap())
            .collect();
        assert_eq!(sent, [true, true, false, false]);
        assert!(!exchange.has_room());
        assert_eq!(exchange.done(ids[1]), (true, Some((ids[2], &[0x32][..]))));
        assert_eq!(exchange.done(ids[1]), (false, None));
        assert!(exchange.received(ids[0]) && !exchange.received(ids[3]));
        // After a new connection: the first was received, the third comes again as a duplicate.
        let again = exchange.again();
        assert!(matches!(&again[0], Again::Release(id) if *id == ids[0]));
        assert!(matches!(&again[1], Again::Publish(packet) if packet[..] == [0x3A]));
        assert_eq!(again.len(), 2);
        assert!(exchange.done(ids[0]).0 && exchange.done(ids[2]).0 && exchange.done(ids[3]).0);
        assert!(exchange.is_empty());
    }

    #[test]
    fn identifiers_in_use_are_not_given_twice() {
        let mut exchange = Exchange::new(1);
        let first = exchange.next_id();
        exchange.add(first, vec![0x32]).unwrap();
        for _ in 0..65_534 {
            assert_ne!(exchange.next_id(), first);
        }
        assert_eq!(exchange.next_id().get(), 2);
    }

    #[test]
    fn what_waits_has_a_bound() {
        let mut exchange = Exchange::new(1);
        for _ in 0..=WAITING_MAX {
            let id = exchange.next_id();
            exchange.add(id, vec![0x32]).unwrap();
        }
        let id = exchange.next_id();
        assert!(matches!(exchange.add(id, vec![0x32]), Err(Error::Full)));
    }
}
