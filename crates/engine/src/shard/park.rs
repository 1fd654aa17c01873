//! What the store had no room for, or could not read, is tried again, until it can: the client cannot be
//! told, or needs it.

use std::sync::Arc;

use protocol::{PacketId, QoS, packet::ack::AckKind};

use super::{
    Request, Shard, Sink,
    store::{Stored, Then},
};
use crate::{Delayed, Message, SessionRef, limits::RETRY_MILLIS, record, session::State};

/// What is tried again.
#[derive(Clone, Debug)]
pub(super) struct Again {
    pub(super) message: Arc<Message>,
    /// The log was to have it.
    pub(super) logged: bool,
}

#[derive(Debug)]
pub(super) enum Parked {
    /// A PUBLISH of a client of 3.x, which waits for its acknowledgement.
    Message {
        token: u64,
        session: SessionRef,
        again: Again,
    },
    /// A will, and the key of its record.
    Will {
        token: u64,
        key: Box<[u8]>,
        again: Again,
    },
    /// A delayed message that was published.
    Delayed {
        token: u64,
        delayed: Arc<Delayed>,
        again: Again,
    },
    /// The record of a QoS 2 delivery.
    Delivery(SessionRef, PacketId),
    /// The log could not be read: the session, and the number of what it asked.
    Reading(SessionRef, u32),
}

impl Shard {
    /// Keeps a message that the store did not take. False if its client has too many of them already, or
    /// is gone.
    pub(super) fn park(&mut self, session: SessionRef, token: u64, again: &Again) -> bool {
        let max = self.settings.inflight_max;
        let Some(slot) = self.resolve(session) else {
            return false;
        };
        let s = self.session_mut(slot);
        let durable = s.rare.durable.is_some();
        let Some(inflow) = s.inflow.as_mut().filter(|i| i.parked < max) else {
            return false;
        };
        // Without an identity QoS 2 cannot be tried again: it may have been written.
        match inflow.waiting_for(token) {
            Some((AckKind::PubRec, _)) if !durable => return false,
            Some(_) => {}
            None => return false,
        }
        inflow.parked += 1;
        self.parked.push_back(Parked::Message {
            token,
            session,
            again: again.clone(),
        });
        true
    }

    /// Whether messages of this publisher are parked: what it sends now must not overtake them. A
    /// client of version 5 is told instead.
    pub(super) fn is_parked(&self, publisher: SessionRef) -> bool {
        !self.parked.is_empty()
            && self
                .resolve(publisher)
                .map(|slot| self.session(slot))
                .filter(|s| !s.version.is_v5())
                .and_then(|s| s.inflow.as_ref())
                .is_some_and(|inflow| inflow.parked > 0)
    }

    /// The store is not even asked.
    pub(super) fn refuse_append(&mut self, token: u64) {
        self.refused.push((token, Stored::Lost));
    }

    /// Answers for what was not even given to the store.
    pub(super) fn answer_refused(&mut self, sink: &mut impl Sink) {
        if !self.refused.is_empty() {
            for (token, outcome) in std::mem::take(&mut self.refused) {
                self.store_answered(token, outcome, sink);
            }
        }
    }

    /// Asks the store again, in the old order.
    pub(super) fn retry_parked(&mut self) {
        if self.parked.is_empty() || self.now.since(self.retried) < RETRY_MILLIS {
            return;
        }
        self.retried = self.now;
        for parked in std::mem::take(&mut self.parked) {
            match parked {
                Parked::Message {
                    token,
                    session,
                    again,
                } => self.retry_message(token, session, again),
                Parked::Will { token, key, again } => {
                    let parts = self.ask_again(token, &again, None);
                    let then = Then::ForgetWill(key, Some(again));
                    self.wait_for_store(token, parts, 0, then);
                }
                Parked::Delayed {
                    token,
                    delayed,
                    again,
                } => {
                    let exactly = again.message.qos == QoS::ExactlyOnce;
                    let identity = exactly.then(|| record::delayed_identity(delayed.id));
                    let parts = self.ask_again(token, &again, identity);
                    let then = Then::Undelay(delayed, Some(again));
                    self.wait_for_store(token, parts, 0, then);
                }
                Parked::Delivery(session, id) => {
                    if let Some(slot) = self.resolve(session) {
                        self.retry_delivery(slot, id);
                    }
                }
                Parked::Reading(session, number) => {
                    let slot = self.resolve(session);
                    let asked = |slot: &u32| {
                        let d = self.session(*slot).rare.durable.as_ref();
                        d.is_some_and(|d| d.number == number)
                    };
                    if let Some(slot) = slot.filter(asked) {
                        self.ask_log_again(slot);
                    }
                }
            }
        }
    }

    fn retry_message(&mut self, token: u64, session: SessionRef, again: Again) {
        let Some(slot) = self.resolve(session) else {
            return;
        };
        let Some(inflow) = &mut self.session_mut(slot).inflow else {
            return;
        };
        inflow.parked -= 1;
        // One of QoS 1 whose connection has ended will come again.
        let Some((kind, id)) = inflow.waiting_for(token) else {
            return;
        };
        let identity = match kind {
            AckKind::PubRec => self.session(slot).identity(id),
            _ => None,
        };
        let parts = self.ask_again(token, &again, identity);
        let bytes = again.message.bytes();
        let then = Then::Acknowledge(session, Some(again));
        self.wait_for_store(token, parts, bytes, then);
    }

    /// Gives how many answers will come: one at least.
    fn ask_again(&mut self, token: u64, again: &Again, identity: Option<Box<[u8]>>) -> u8 {
        let message = &again.message;
        let retaining = message.retain
            && self.settings.retain_available
            && self.save_retained_again(message, token);
        if again.logged || !retaining {
            // If it was to be retained only, and is not any more, it goes where nobody reads it.
            self.requests.push(Request::Append {
                token,
                message: message.clone(),
                from: self.fingerprint_of(message.publisher),
                identity,
            });
            return 1 + u8::from(retaining);
        }
        1
    }

    fn retry_delivery(&mut self, slot: u32, id: PacketId) {
        let out = self.session_mut(slot).out.as_mut();
        match out.and_then(|o| o.find(id)).map(|e| e.state) {
            Some(State::Binding) => self.ask_bind(slot, id),
            Some(State::Releasing) => self.ask_release(slot, id),
            _ => {}
        }
    }
}
