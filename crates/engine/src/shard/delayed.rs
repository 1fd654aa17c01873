//! Messages for `$delayed/SECONDS/TOPIC`: kept in the store until their time, then published as if they
//! came then. The record goes when the store has what was published, so that a crash loses nothing; of
//! QoS 2 the log knows an identity meanwhile, so that it publishes nothing twice.

use std::sync::Arc;

use protocol::{PacketId, QoS, Reason};

use super::{
    Request, Shard, Sink, Verdict,
    park::{Again, Parked},
    store::{Stored, Then},
};
use crate::{
    Cause, Counter, Delayed, DelayedId, Message, SessionRef, Time,
    acl::{Authorized, Principal, Subject},
    limits::DELAYED_SLICE,
    message::{View, fingerprint},
    policy::Delay,
    record::{self, Bucket, DelayedRecord},
};

/// What a PUBLISH says besides its message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) delay: Delay,
    pub(super) id: Option<PacketId>,
    pub(super) expiry_secs: Option<u32>,
}

/// Who wants a message published later, and what it was brought by.
#[derive(Debug)]
struct Author {
    client_id: Box<str>,
    user_name: Option<Box<str>>,
    owner: Principal,
    exchange: Option<(u64, PacketId)>,
}

impl Shard {
    /// Keeps a client's message for later. Gives the token to wait for, or why it is not kept; a client
    /// of 3.x that waits for an answer cannot be told and is closed.
    pub(super) fn delay(
        &mut self,
        slot: u32,
        what: Authorized<View<'_>>,
        terms: Terms,
    ) -> Verdict<Result<Option<u64>, Reason>> {
        let session = self.reference(slot);
        let s = self.session(slot);
        let view = View {
            publisher: SessionRef::client(fingerprint(&s.client_id)),
            ..what.into_inner()
        };
        let born = s.rare.durable.as_ref().map(|d| d.born);
        let author = Author {
            client_id: Box::from(&*s.client_id),
            user_name: s.user_name().map(Into::into),
            owner: (*s.owner).clone(),
            exchange: born.zip(terms.id.filter(|_| view.qos == QoS::ExactlyOnce)),
        };
        let told = terms.id.is_none() || s.version.is_v5();
        let token = terms.id.map(|_| self.next_token());
        let then = |id| Then::Delay(Some(session), id);
        if self.keep_for_later(author, &view, terms, token, then) {
            return Ok(Ok(token));
        }
        let close = Cause::DelayedMax.close();
        if told {
            Ok(Err(close.reason))
        } else {
            Err(close)
        }
    }

    /// As [`Shard::delay`], for a principal without a session.
    pub(super) fn delay_for(
        &mut self,
        client_id: &str,
        who: &Principal,
        what: Authorized<View<'_>>,
        (delay, expiry_secs): (Delay, Option<u32>),
    ) -> Result<Option<u64>, Reason> {
        let view = what.into_inner();
        let author = Author {
            client_id: client_id.into(),
            user_name: who.user().map(Into::into),
            owner: who.clone(),
            exchange: None,
        };
        let terms = Terms {
            delay,
            id: None,
            expiry_secs,
        };
        let token = (view.qos > QoS::AtMostOnce).then(|| self.next_token());
        let then = |id| Then::Delay(None, id);
        if self.keep_for_later(author, &view, terms, token, then) {
            return Ok(token);
        }
        Err(Reason::QUOTA_EXCEEDED)
    }

    /// False if there is no room. The store answers if there is a token.
    fn keep_for_later(
        &mut self,
        author: Author,
        view: &View<'_>,
        terms: Terms,
        token: Option<u64>,
        then: impl FnOnce(DelayedId) -> Then,
    ) -> bool {
        let view = View {
            expires: None,
            ..*view
        };
        let id = DelayedId::new(self.next_serial(), self.id);
        let delayed = Delayed {
            id,
            accepted: self.now,
            due: terms.delay.due,
            client_id: author.client_id,
            user_name: author.user_name,
            message: Arc::new(Message::new(&view, self.now)),
            owner: author.owner,
            expiry_secs: terms.expiry_secs,
            exchange: author.exchange,
        };
        let max = self.settings.delayed_max;
        if !self.policy.delayed.take(max, delayed.bytes()) {
            self.metrics.add(Counter::DelayedRefused, 1);
            return false;
        }
        self.metrics.add(Counter::Delayed, 1);
        let record = DelayedRecord::encode(&delayed, false);
        if let Some(token) = token {
            self.wait_for_store(token, 1, delayed.bytes(), then(id));
            self.delayed.arrives(Arc::new(delayed));
        } else {
            self.delayed.put(Arc::new(delayed));
        }
        self.save(Bucket::Delayed, id.key(), Some(record), token);
        true
    }

    /// The store has, or has not, what somebody wants published later: a client, or without a session an
    /// administrator.
    pub(super) fn delay_stored(
        &mut self,
        session: Option<SessionRef>,
        id: DelayedId,
        token: u64,
        kept: bool,
        sink: &mut impl Sink,
    ) {
        if let Some(delayed) = self.delayed.passed(id) {
            if kept {
                self.delayed.put(delayed);
            } else {
                self.policy.delayed.give_back(delayed.bytes() as u64);
                self.forget_exchange(&delayed);
                // It may have been written all the same.
                self.save(Bucket::Delayed, id.key(), None, None);
            }
        }
        match session {
            Some(session) => self.acknowledge_stored(session, token, Stored::of(kept), sink),
            None => self.answers.push((token, kept)),
        }
    }

    fn forget_exchange(&mut self, delayed: &Delayed) {
        if let Some(identity) = delayed.identity() {
            self.delayed.forget_exchange(&identity);
        }
    }

    /// What is due is published, a slice in each pass.
    pub(super) fn publish_delayed(&mut self, sink: &mut impl Sink) {
        for _ in 0..DELAYED_SLICE {
            let Some(delayed) = self.delayed.take_due(self.now) else {
                return;
            };
            self.policy.delayed.give_back(delayed.bytes() as u64);
            if delayed.message.qos == QoS::AtMostOnce {
                // At most once: first it is gone.
                let token = self.next_token();
                let key = delayed.id.key();
                self.wait_for_store(token, 1, 0, Then::PublishDelayed(delayed));
                self.save(Bucket::Delayed, key, None, Some(token));
            } else {
                self.publish_one_delayed(&delayed, sink);
            }
        }
    }

    /// With the rights its publisher has now, who may have been shut out.
    pub(super) fn publish_one_delayed(&mut self, delayed: &Arc<Delayed>, sink: &mut impl Sink) {
        let mut view = delayed.message.view();
        view.expires = delayed.expiry_secs.map(|secs| self.now.plus_secs(secs));
        let subject = Subject {
            who: &delayed.owner,
            client_id: &delayed.client_id,
            // Its address is not known any more.
            access: None,
        };
        let allowed = self.acl.publish(&subject, view).ok();
        let Some(allowed) = allowed.filter(|_| !self.is_shut_out(&subject)) else {
            self.metrics.add(Counter::PublishDenied, 1);
            return self.end_delayed(delayed);
        };
        let identity = (view.qos == QoS::ExactlyOnce).then(|| record::delayed_identity(delayed.id));
        let writer = if view.retain {
            self.writer(&subject)
        } else {
            None
        };
        let routed = self.publish(allowed, writer, None, identity, sink);
        if view.qos == QoS::AtMostOnce {
            return;
        }
        if routed.parts == 0 {
            return self.end_delayed(delayed);
        }
        self.delayed.leaves(delayed);
        let then = Then::Undelay(delayed.clone(), routed.stored);
        self.wait_for_store(routed.token, routed.parts, 0, then);
    }

    /// The store has, or has not, what a delayed message was published as.
    pub(super) fn undelay_stored(
        &mut self,
        delayed: &Arc<Delayed>,
        again: Option<Again>,
        token: u64,
        kept: bool,
    ) {
        match again {
            Some(again) if !kept => {
                let delayed = delayed.clone();
                self.parked.push_back(Parked::Delayed {
                    token,
                    delayed,
                    again,
                });
            }
            _ => self.end_delayed(delayed),
        }
    }

    /// It was published, or is not to be: its record goes. While the exchange that brought it is open
    /// the store remembers that.
    fn end_delayed(&mut self, delayed: &Delayed) {
        self.delayed.passed(delayed.id);
        let open = delayed
            .identity()
            .filter(|identity| self.delayed.knows_exchange(identity));
        let record = open.map(|_| DelayedRecord::encode(delayed, true));
        let token = (delayed.message.qos == QoS::ExactlyOnce).then(|| self.next_token());
        if let Some(token) = token {
            self.wait_for_store(token, 1, 0, Then::ReleaseDelayed(delayed.id));
        }
        self.save(Bucket::Delayed, delayed.id.key(), record, token);
    }

    /// No record would publish it again: the log may forget it.
    pub(super) fn release_delayed(&mut self, id: DelayedId) {
        self.requests.push(Request::Release {
            token: None,
            identity: record::delayed_identity(id),
        });
    }

    /// An exchange of QoS 2 is finished, which may have brought a delayed message: its record is not to
    /// know of it any more. Gives how many answers of the store will come for the token.
    pub(super) fn end_exchange(&mut self, identity: &[u8], token: Option<u64>) -> u8 {
        if !self.delayed.has_exchanges() {
            return 0;
        }
        let Some((id, unpublished)) = self.delayed.end_exchange(identity) else {
            return 0;
        };
        let record = unpublished.map(|delayed| DelayedRecord::encode(&delayed, false));
        self.save(Bucket::Delayed, id.key(), record, token);
        u8::from(token.is_some())
    }

    /// A record of an earlier life. False for bytes that are none, and for one that nobody needs.
    pub(crate) fn restore_delayed(&mut self, id: DelayedId, record: DelayedRecord) {
        match record {
            DelayedRecord::Waits(mut delayed) => {
                if let Some((born, packet_id)) = delayed.exchange
                    && !self.restore_received(&delayed.client_id, born, packet_id)
                {
                    delayed.exchange = None;
                }
                self.policy.delayed.take_promised(delayed.bytes());
                self.delayed.put(Arc::new(delayed));
            }
            DelayedRecord::Published(client_id, born, packet_id) => {
                if self.restore_received(&client_id, born, packet_id) {
                    let identity = record::identity(&client_id, born, packet_id);
                    self.delayed.restore_exchange(identity, id);
                } else {
                    self.discard(Bucket::Delayed, &id.key());
                }
            }
        }
    }

    /// Serial numbers begin behind this one.
    pub(crate) fn skip_serials(&mut self, upto: u64) {
        self.serial = self.serial.max(upto);
    }

    /// Messages that wait, in the order in which they are due, from behind a place on.
    #[must_use]
    pub fn delayed_after(&self, place: Option<(Time, DelayedId)>, max: usize) -> Vec<Arc<Delayed>> {
        self.delayed.after(place).take(max).cloned().collect()
    }

    /// A message that waits.
    #[must_use]
    pub fn find_delayed(&self, id: DelayedId) -> Option<&Arc<Delayed>> {
        self.delayed.find(id)
    }

    /// A message is not to be published. False if it does not wait here.
    pub fn drop_delayed(&mut self, now: Time, id: DelayedId) -> bool {
        self.now = now;
        let Some(delayed) = self.delayed.take(id) else {
            return false;
        };
        self.policy.delayed.give_back(delayed.bytes() as u64);
        self.end_delayed(&delayed);
        true
    }
}
