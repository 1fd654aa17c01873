//! What an administrator does in a client's place or to it. What takes time is answered later, under a
//! ticket: [`Shard::answers`].

use std::sync::Arc;

use protocol::{Options, QoS, Reason, Request, Topic};

use super::{
    Shard, Sink,
    policy::Meant,
    retain::Retaining,
    store::Then,
    subscribe::Round,
    visible::{Asked, Owed},
};
use crate::{
    Cause, Counter, Message, SessionRef, Time,
    acl::{Principal, Subject},
    message::View,
    policy::Client,
};

/// Whose messages those are that come without a connection, as EMQX names it.
const API_CLIENT: &str = "http_api";

/// The answer under this ticket, and whether it was done: the store may have no room.
pub type Answer = (u64, bool);

/// A message that somebody without a connection publishes.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    pub topic: Topic<'a>,
    pub qos: QoS,
    pub retain: bool,
    pub expiry_secs: Option<u32>,
    /// Properties that are forwarded unaltered [MQTT-3.3.2-17], encoded.
    pub forwarded: &'a [u8],
    pub payload: &'a [u8],
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Published {
    /// Somebody is subscribed.
    pub is_matched: bool,
    /// It is safe when this is answered; at once if there is none.
    pub ticket: Option<u64>,
}

/// A retained message that came from a backup.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What its topic had before.
    pub before: Option<Arc<Message>>,
    /// It is safe when this is answered.
    pub ticket: u64,
}

impl Shard {
    /// What was done of that which was asked for here.
    pub fn answers(&mut self) -> &mut Vec<Answer> {
        &mut self.answers
    }

    /// Ends a client's connection with 0x98 and deletes its session. False if there is none.
    pub fn discard_client(&mut self, now: Time, client_id: &str, sink: &mut impl Sink) -> bool {
        self.now = now;
        let Some(slot) = self.find(client_id) else {
            return false;
        };
        let session = self.reference(slot);
        self.metrics.add(Counter::SessionDiscarded, 1);
        self.expel(slot, Cause::Kicked.close(), sink);
        if let Some(slot) = self.resolve(session) {
            self.end(slot, sink);
        }
        true
    }

    /// Makes a client's session nobody's, so that it goes to the next user who comes for it; its
    /// connection ends with 0x98. False if there is none.
    pub fn release_client(&mut self, now: Time, client_id: &str, sink: &mut impl Sink) -> bool {
        self.now = now;
        let Some(slot) = self.find(client_id) else {
            return false;
        };
        let session = self.reference(slot);
        self.expel(slot, Cause::Kicked.close(), sink);
        // One without expiry has ended with its connection.
        if let Some(slot) = self.resolve(session) {
            self.session_mut(slot).owner = self.anonymous.clone();
            self.save_session(slot, None);
        }
        true
    }

    /// Subscribes for a client, as if it had; [`Shard::inquire_for`] comes before. `None` if there is no such session;
    /// else the granted QoS or the refusal, and the ticket that is answered once it is in force, and kept.
    pub fn subscribe_for(
        &mut self,
        now: Time,
        client_id: &str,
        filter: &str,
        options: Options,
        sink: &mut impl Sink,
    ) -> Option<Result<(QoS, u64), Reason>> {
        self.now = now;
        let slot = self.find(client_id)?;
        let ticket = self.next_token();
        let mut round = Round::new(ticket);
        let request = Request { filter, options };
        self.acl.is_arriving = self.acl.asks_outside();
        let subscribed = self.subscribe_one(slot, &request, &mut round);
        self.acl.is_arriving = false;
        let granted = match subscribed {
            Ok(granted) => QoS::from_bits(granted.0).expect("a granted QoS is its own code"),
            Err(refused) => {
                self.note_refused(refused);
                self.note_all_denied(slot, &mut round, sink);
                return Some(Err(refused));
            }
        };
        let online = self.session(slot).is_online();
        if !online {
            // It joined a group as if it were there.
            self.stay_away(slot);
        }
        let (joins, mut scans) = round.into_parts();
        if !online {
            scans.clear();
        }
        let owed = Owed {
            ticket,
            session: self.reference(slot),
            is_followed: false,
            joins,
            scans,
            to: Asked::Administrator,
        };
        self.answer_later(owed, sink);
        Some(Ok((granted, ticket)))
    }

    /// Ends a client's subscription. `None` if there is no such session; `Err` if it has no such
    /// subscription; else the ticket that is answered once that is kept.
    pub fn unsubscribe_for(
        &mut self,
        now: Time,
        client_id: &str,
        filter: &str,
        sink: &mut impl Sink,
    ) -> Option<Result<u64, Reason>> {
        self.now = now;
        let slot = self.find(client_id)?;
        let reason = self.unsubscribe_one(slot, filter);
        if reason != Reason::SUCCESS {
            return Some(Err(reason));
        }
        let ticket = self.next_token();
        let owed = Owed {
            ticket,
            session: self.reference(slot),
            is_followed: true,
            joins: 0,
            scans: Vec::new(),
            to: Asked::Administrator,
        };
        self.answer_later(owed, sink);
        Some(Ok(ticket))
    }

    /// Forgets what was said elsewhere of what a client does, so that it is asked again. False if there is no such
    /// session.
    pub fn forget_words_of(&mut self, client_id: &str) -> bool {
        let slot = self.find(client_id);
        if let Some(access) = slot.and_then(|slot| self.session_mut(slot).access_mut()) {
            access.forget();
        }
        slot.is_some()
    }

    /// The same of so many sessions from a place on. Gives the place behind them; `None` if those are all.
    pub fn forget_words(&mut self, from: u32, most: usize) -> Option<u32> {
        let slots = self.sessions.range(from).map(|(slot, _)| slot);
        let slots = Vec::from_iter(slots.take(most));
        for slot in &slots {
            if let Some(access) = self.session_mut(*slot).access_mut() {
                access.forget();
            }
        }
        let last = slots.last().filter(|_| slots.len() == most);
        last.map(|slot| slot + 1)
    }

    /// A client may be silent for one and a half times so long from now on. False if it is not there.
    pub fn set_keep_alive(&mut self, now: Time, client_id: &str, secs: u16) -> bool {
        self.now = now;
        let reading = self.reading;
        let Some(slot) = self.find(client_id) else {
            return false;
        };
        let s = self.session_mut(slot);
        if !s.is_online() {
            return false;
        }
        s.keep_alive_secs = secs;
        s.seen = reading;
        self.watch_silence(slot);
        true
    }

    /// Publishes for a principal.
    ///
    /// # Errors
    /// The reason why it may not, or not like this.
    pub fn publish_for(
        &mut self,
        now: Time,
        who: &Principal,
        what: Publication<'_>,
        sink: &mut impl Sink,
    ) -> Result<Published, Reason> {
        self.now = now;
        if what.qos > self.settings.qos_max {
            return Err(Reason::QOS_NOT_SUPPORTED);
        }
        if what.retain && !self.settings.retain_available {
            return Err(Reason::RETAIN_NOT_SUPPORTED);
        }
        // As its PUBLISH would be, whose fixed parts are shorter than this.
        let packet = what.topic.as_str().len() + what.forwarded.len() + what.payload.len() + 16;
        let max = self.settings.limits.packet_bytes_max as usize;
        if packet > max || what.payload.len() > self.settings.payload_bytes_max as usize {
            return Err(Reason::PACKET_TOO_LARGE);
        }
        let client = Client {
            id: API_CLIENT,
            user_name: who.user(),
            common_name: who.common_name(),
            peer: None,
        };
        let Meant { topic, delay } = self.meant_by(client, what.topic.as_str())?;
        let view = View {
            publisher: SessionRef::BROKER,
            topic: Topic::trusted(&topic),
            qos: what.qos,
            retain: what.retain,
            expires: what.expiry_secs.map(|secs| now.plus_secs(secs)),
            forwarded: what.forwarded,
            payload: what.payload,
        };
        let subject = Subject {
            who,
            client_id: API_CLIENT,
            access: None,
        };
        let Ok(allowed) = self.acl.publish(&subject, view) else {
            self.metrics.add(Counter::PublishDenied, 1);
            return Err(Reason::NOT_AUTHORIZED);
        };
        if let Some(delay) = delay {
            let ticket = self.delay_for(API_CLIENT, who, allowed, (delay, what.expiry_secs))?;
            return Ok(Published {
                is_matched: true, // nobody knows yet
                ticket,
            });
        }
        let writer = if what.retain {
            self.writer(&subject)
        } else {
            None
        };
        let routed = self.publish(allowed, writer, None, None, sink);
        let mut ticket = None;
        if routed.parts > 0 && what.qos > QoS::AtMostOnce {
            let bytes = what.payload.len();
            self.wait_for_store(routed.token, routed.parts, bytes, Then::Answer);
            ticket = Some(routed.token);
        }
        self.answer_refused(sink);
        Ok(Published {
            is_matched: routed.receivers,
            ticket,
        })
    }

    /// Deletes a retained message of this shard; nobody is told. The ticket is answered once that is kept;
    /// `None` if there was nothing.
    pub fn delete_retained(&mut self, now: Time, topic: Topic<'_>) -> Option<u64> {
        self.now = now;
        self.retained.get(topic.as_str(), now)?;
        let nothing = self.nothing(topic);
        Some(self.set_retained(&nothing))
    }

    /// Takes a retained message in that comes from a backup, if this shard owns its topic. Nobody is sent
    /// it. Gives what it replaces, and a ticket that is answered once the store has it, or has not; `None`
    /// if there is no room for it, or it has expired.
    pub fn import_retained(&mut self, now: Time, message: &Arc<Message>) -> Option<Imported> {
        self.now = now;
        let topic = message.topic();
        if topic.is_system() || message.view().is_expired(now) {
            return None;
        }
        let before = self.retained.get(topic.as_str(), now).cloned();
        let ticket = self.set_retained(message);
        let current = self.retained.get(topic.as_str(), now);
        current.filter(|current| Arc::ptr_eq(current, message))?;
        Some(Imported { before, ticket })
    }

    /// Puts back what an imported message replaced, unless another one has taken its place meanwhile.
    /// The ticket is as above.
    pub fn undo_import(
        &mut self,
        now: Time,
        message: &Arc<Message>,
        before: Option<&Arc<Message>>,
    ) -> Option<u64> {
        self.now = now;
        let topic = message.topic();
        let current = self.retained.get(topic.as_str(), now);
        current.filter(|current| Arc::ptr_eq(current, message))?;
        Some(match before {
            Some(before) => self.set_retained(before),
            None => self.set_retained(&self.nothing(topic)),
        })
    }

    /// What clears a topic.
    fn nothing(&self, topic: Topic<'_>) -> Arc<Message> {
        let nothing = View {
            publisher: SessionRef::BROKER,
            topic,
            qos: QoS::AtLeastOnce,
            retain: true,
            expires: None,
            forwarded: &[],
            payload: &[],
        };
        Arc::new(Message::new(&nothing, self.now))
    }

    /// The ticket is answered once the store has it, or has not.
    fn set_retained(&mut self, message: &Arc<Message>) -> u64 {
        let ticket = self.next_token();
        if self.store_retained(message, Some(ticket)) == Retaining::Waits {
            self.wait_for_store(ticket, 1, 0, Then::Answer);
        } else {
            self.answers.push((ticket, true));
        }
        ticket
    }

    fn answer_later(&mut self, mut owed: Owed, sink: &mut impl Sink) {
        let session = owed.session;
        let then = Then::Administered(session);
        self.save_asked(session.slot, &mut owed.joins, owed.ticket, then);
        self.owe(owed, sink);
    }
}
