//! Retained messages on the shard that owns their topic, and the way there.

use std::sync::Arc;

use protocol::{QoS, Topic, packet::publish};

use super::{
    Mail, Shard, Sink,
    deliver::Shot,
    store::{Stored, Then},
};
use crate::{
    Counter, Message,
    message::View,
    plant::{self, Fault},
};

/// What became of a message that was to be retained here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Retaining {
    /// An answer of the store will come for the token.
    Waits,
    /// There is nothing to wait for.
    Done,
    /// Its topic has what it had: there is no room for more.
    BeyondBounds,
}

impl Shard {
    /// Hands a message to the shard that owns its topic's retained message. True if an answer will come for
    /// the token, that of the store or that there is no room: to QoS 0 nobody waits.
    pub(super) fn retain(&mut self, shot: &mut Shot<'_>, token: u64) -> bool {
        let owner = self.place(shot.view.topic.as_str());
        let message = shot.arc();
        let waits = (message.qos > QoS::AtMostOnce).then_some(token);
        if owner == self.id {
            return match self.store_retained(&message, waits) {
                Retaining::Waits => true,
                Retaining::Done => false,
                Retaining::BeyondBounds => {
                    self.refused
                        .extend(waits.map(|token| (token, Stored::BeyondBounds)));
                    waits.is_some()
                }
            };
        }
        self.mail(owner, Mail::Retain(message, waits.unwrap_or(0)));
        waits.is_some()
    }

    /// The log had the message when the broker ended, the records perhaps not what it was to retain. Gives
    /// the token to wait for.
    pub(super) fn retain_again(
        &mut self,
        slot: u32,
        packet: &publish::Publish<'_>,
        topic: Topic<'_>,
    ) -> Option<u64> {
        let mut forwarded = Vec::new();
        packet.properties.put_forwarded(&mut forwarded);
        let publisher = self.reference(slot);
        let view = View {
            publisher,
            topic,
            qos: packet.qos,
            retain: true,
            expires: packet.expiry_secs.map(|secs| self.now.plus_secs(secs)),
            forwarded: &forwarded,
            payload: packet.payload,
        };
        let allowed = self.acl.publish(self.session(slot), view).ok()?;
        let token = self.next_token();
        let mut shot = Shot::new(allowed.into_inner(), self.now);
        shot.writer = self.writer_of(slot);
        if !self.retain(&mut shot, token) {
            return None;
        }
        self.wait_for_store(token, 1, 0, Then::Acknowledge(publisher, None));
        Some(token)
    }

    /// Another shard has a retained message for this one; it waits for the token unless that is 0.
    pub(super) fn on_retain(
        &mut self,
        from: u16,
        message: &Arc<Message>,
        token: u64,
        sink: &mut impl Sink,
    ) {
        if token == 0 {
            self.store_retained(message, None);
            return;
        }
        let own = self.next_token();
        match self.store_retained(message, Some(own)) {
            Retaining::Waits => self.wait_for_store(own, 1, 0, Then::Tell(from, token)),
            Retaining::Done => self.tell_kept(from, token, Stored::Kept, sink),
            Retaining::BeyondBounds => {
                self.tell_kept(from, token, Stored::BeyondBounds, sink);
            }
        }
    }

    pub(super) fn store_retained(
        &mut self,
        message: &Arc<Message>,
        token: Option<u64>,
    ) -> Retaining {
        let empty = message.payload().is_empty();
        let known = || {
            self.retained
                .get(message.topic().as_str(), self.now)
                .is_some()
        };
        if plant::on(Fault::RetainedNotReplaced) && !empty && known()
            || plant::on(Fault::RetainedNotCleared) && empty
        {
            return Retaining::Done;
        }
        let settings = &self.settings;
        let fits = message.payload().len() <= settings.retained_payload_max
            && self.retained.set(message, settings.retained_room());
        if !fits {
            self.metrics.add(Counter::RetainedRefused, 1);
            return Retaining::BeyondBounds;
        }
        if self.save_retained(message, token) {
            Retaining::Waits
        } else {
            Retaining::Done
        }
    }

    /// Tries once more to store what the store had no room for. True if an answer will come for the token.
    pub(super) fn save_retained_again(&mut self, message: &Arc<Message>, token: u64) -> bool {
        let owner = self.place(message.topic().as_str());
        if owner != self.id {
            self.mail(owner, Mail::RetainAgain(message.clone(), token));
            return true;
        }
        self.save_current(message, token)
    }

    pub(super) fn on_retain_again(
        &mut self,
        from: u16,
        message: &Arc<Message>,
        token: u64,
        sink: &mut impl Sink,
    ) {
        let own = self.next_token();
        if self.save_current(message, own) {
            self.wait_for_store(own, 1, 0, Then::Tell(from, token));
        } else {
            self.tell_kept(from, token, Stored::Kept, sink);
        }
    }

    /// Stores what the topic has now: this message, or what has taken its place, which the store need not have
    /// either. Only then is the place of this one no longer empty.
    fn save_current(&mut self, message: &Arc<Message>, token: u64) -> bool {
        let topic = message.topic();
        let current = self.retained.get(topic.as_str(), self.now).cloned();
        self.save_topic(topic, current.as_deref(), Some(token))
    }
}
