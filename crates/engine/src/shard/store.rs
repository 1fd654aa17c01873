//! What has to outlive the process: who waits for the store, and what is saved when.

use std::sync::Arc;

use protocol::{PacketId, Reason, Topic, packet::ack::AckKind};

use super::{
    Mail, Request, Shard, Sink,
    park::{Again, Parked},
};
use crate::{
    Cause, Delayed, DelayedId, Drop, Message, SessionRef, Time,
    leases::Telling,
    limits::PROGRESS_MILLIS,
    plant::{self, Fault},
    record::{self, Bucket, Delivery, Group, SessionRecord, Step, Subscription, WillRecord, Write},
    session::{Bit, Durable, Fate, Held, Kept, Reading, State},
};

/// Something that is said or done once the store has what it was given.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) token: u64,
    /// Answers that are still to come.
    pub(super) parts: u8,
    /// The worst of the parts that came.
    pub(super) outcome: Stored,
    /// Bytes of messages that are under way.
    pub(super) bytes: u32,
    pub(super) then: Then,
}

/// What became of something that was to be stored, from good to bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stored {
    Kept,
    /// Its topic retains what it had: a bound has no room for more. All else of it is well.
    BeyondBounds,
    /// The store did not take it.
    Lost,
}

impl Stored {
    pub(super) fn of(kept: bool) -> Self {
        if kept { Self::Kept } else { Self::Lost }
    }
}

#[derive(Debug)]
pub(super) enum Then {
    /// An acknowledgement of this session may leave. The message is tried again if it was not kept.
    Acknowledge(SessionRef, Option<Again>),
    /// One thing less that the SUBACK of this ticket waits for.
    SubAck(SessionRef),
    /// The same for somebody else than the client.
    Administered(SessionRef),
    /// Somebody who is no client waits for it.
    Answer,
    /// A QoS 2 PUBLISH may leave.
    Publish(SessionRef, PacketId),
    /// A PUBREL may leave.
    Release(SessionRef, PacketId),
    /// The client may be told that it is connected.
    Greet(SessionRef),
    /// The record of a session that ended is deleted: until then it may be there again after a restart.
    Ended(Box<Ended>),
    /// A will was published: its record is deleted.
    ForgetWill(Box<[u8]>, Option<Again>),
    /// What a client, or somebody without a session, wants published later is acknowledged.
    Delay(Option<SessionRef>, DelayedId),
    /// A delayed message was published: its record is deleted.
    Undelay(Arc<Delayed>, Option<Again>),
    /// The record of a delayed message is deleted: it is published.
    PublishDelayed(Arc<Delayed>),
    /// The record of a delayed message is deleted: the log may forget that it was published.
    ReleaseDelayed(DelayedId),
    /// Another shard waits for a retained message.
    Tell(u16, u64),
    /// The place of a shared group is known: these may be told.
    Group(u32, Box<Telling>),
    /// A session's cursor moved: the records of deliveries behind it are deleted.
    Passed(Box<Passed>),
}

#[derive(Debug)]
pub(super) struct Passed {
    pub(super) session: SessionRef,
    cursor: u64,
    /// Numbers of deliveries.
    pub(super) behind: Vec<u64>,
}

/// What a session that ended has needed, should it be there again.
#[derive(Debug)]
pub(super) struct Ended {
    /// From here on it has not read the log.
    pub(super) needs_from: u64,
    /// Under which the log knows QoS 2 messages of its client.
    pub(super) identities: Vec<Box<[u8]>>,
}

impl Shard {
    pub(super) fn next_token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// Grows over restarts, as long as the clock does.
    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial = (self.serial + 1).max(self.now.0);
        self.serial
    }

    /// A number for a delivery whose message is not in the log.
    pub(super) fn next_inline(&mut self) -> u64 {
        record::INLINE | self.next_serial()
    }

    /// Notes who waits for the answer to a token.
    pub(super) fn wait_for_store(&mut self, token: u64, parts: u8, bytes: usize, then: Then) {
        let wait = Wait {
            token,
            parts,
            outcome: Stored::Kept,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            then,
        };
        self.under_way += u64::from(wait.bytes);
        if self.waits.back().is_none_or(|last| last.token < token) {
            return self.waits.push_back(wait); // nearly always
        }
        let at = self.waits.partition_point(|w| w.token < token);
        self.waits.insert(at, wait);
    }

    /// Whether an answer of the store is waited for, or something is to be written again.
    #[must_use]
    pub fn waits(&self) -> bool {
        let reads = |parked: &Parked| matches!(parked, Parked::Reading(..));
        !self.waits.is_empty() || !self.parked.iter().all(reads)
    }

    /// The store has (or has not) what it was given under a token: what waited for that may go.
    pub fn stored(&mut self, now: Time, token: u64, kept: bool, sink: &mut impl Sink) {
        self.now = now;
        self.store_answered(token, Stored::of(kept), sink);
    }

    pub(super) fn store_answered(&mut self, token: u64, outcome: Stored, sink: &mut impl Sink) {
        let outcome = match outcome {
            Stored::Lost if plant::on(Fault::FailedAppendAcknowledged) => Stored::Kept,
            outcome => outcome,
        };
        let at = match self.waits.front() {
            Some(first) if first.token == token => 0, // mostly
            _ => match self.waits.binary_search_by_key(&token, |w| w.token) {
                Ok(at) => at,
                Err(_) => return,
            },
        };
        let wait = &mut self.waits[at];
        wait.outcome = wait.outcome.max(outcome);
        wait.parts -= 1;
        if wait.parts > 0 {
            return;
        }
        let Some(wait) = self.waits.remove(at) else {
            return;
        };
        self.under_way -= u64::from(wait.bytes);
        let kept = wait.outcome != Stored::Lost;
        match wait.then {
            Then::Acknowledge(session, Some(again))
                if !kept && self.park(session, token, &again) => {}
            Then::Acknowledge(session, _) => {
                self.acknowledge_stored(session, token, wait.outcome, sink);
            }
            Then::Greet(session) => self.greet(session, kept, sink),
            Then::Ended(ended) => self.end_stored(*ended),
            Then::Answer => self.answers.push((token, kept)),
            Then::Administered(session) if kept => self.on_joined(session, token, sink),
            Then::Administered(_) => self.not_administered(token),
            Then::SubAck(session) if kept => self.on_joined(session, token, sink),
            Then::SubAck(session) => self.no_room_for(session, sink),
            Then::Publish(session, id) | Then::Release(session, id) if !kept => {
                self.parked.push_back(Parked::Delivery(session, id));
            }
            Then::Publish(session, id) => self.publish_bound(session, id, sink),
            Then::Release(session, id) => self.release_stored(session, id, sink),
            Then::ForgetWill(key, Some(again)) if !kept => {
                self.parked.push_back(Parked::Will { token, key, again });
            }
            Then::ForgetWill(..) if plant::on(Fault::WillRecordKept) => {}
            Then::ForgetWill(key, _) => self.save(Bucket::Will, key, None, None),
            Then::Delay(session, id) => {
                self.delay_stored(session, id, token, kept, sink);
            }
            Then::Undelay(delayed, again) => {
                self.undelay_stored(&delayed, again, token, kept);
            }
            Then::PublishDelayed(delayed) => self.publish_one_delayed(&delayed, sink),
            Then::ReleaseDelayed(id) if kept => self.release_delayed(id),
            Then::ReleaseDelayed(_) => {} // the next start finds both
            Then::Tell(to, token) => self.tell_kept(to, token, wait.outcome, sink),
            Then::Group(key, telling) => self.group_stored(key, *telling, kept, sink),
            Then::Passed(passed) => self.cursor_stored(*passed, kept),
        }
    }

    pub(super) fn acknowledge_stored(
        &mut self,
        session: SessionRef,
        token: u64,
        outcome: Stored,
        sink: &mut impl Sink,
    ) {
        let Some(slot) = self.resolve(session) else {
            return;
        };
        let s = self.session_mut(slot);
        let v5 = s.version.is_v5();
        let kept = match outcome {
            Stored::Kept => true,
            // 3.x has no word for it, and coming again would not help.
            Stored::BeyondBounds => !v5,
            Stored::Lost => false,
        };
        let Some(inflow) = &mut s.inflow else { return };
        let Some((kind, id)) = inflow.store_done(token, kept) else {
            return;
        };
        if !kept {
            inflow.forget(id);
            // It may have been written all the same, and then its identity would swallow the next.
            self.release_ids(slot, &[id]);
            // 3.x cannot be told; without an answer the client sends it again [3.1.1 MQTT-4.8.0-2].
            // Nor does PUBCOMP know a reason for it.
            if !v5 || kind == AckKind::PubComp {
                return self.no_room_for(session, sink);
            }
        }
        while let Some(ready) = self
            .session_mut(slot)
            .inflow
            .as_mut()
            .and_then(|i| i.next_ready())
        {
            self.send_ack(slot, ready.kind, ready.id, ready.reason, sink);
        }
    }

    /// The store did not take what a client has to rely on: it comes back and tries again.
    fn no_room_for(&mut self, session: SessionRef, sink: &mut impl Sink) {
        if let Some(slot) = self.resolve(session) {
            self.expel(slot, Cause::StoreRefused.close(), sink);
        }
    }

    pub(super) fn tell_kept(&mut self, to: u16, token: u64, outcome: Stored, sink: &mut impl Sink) {
        if to == self.id {
            self.store_answered(token, outcome, sink);
        } else {
            self.mail(to, Mail::Kept { token, outcome });
        }
    }

    /// The store has the packet id of a QoS 2 delivery: the PUBLISH leaves, if the client is there.
    fn publish_bound(&mut self, session: SessionRef, id: PacketId, sink: &mut impl Sink) {
        let Some(slot) = self.resolve(session) else {
            return;
        };
        let out = self.session_mut(slot).out.as_mut();
        let entry = out.and_then(|o| o.find(id));
        // One that was asked for twice may have come further by now.
        if let Some(entry) = entry.filter(|e| e.state == State::Binding) {
            entry.state = State::PubRec;
            let number = match &entry.held {
                Held::Message(kept) if kept.handed.is_some() => Some(kept.number),
                _ => None,
            };
            if let Some(number) = number {
                self.tell_bound(slot, number);
            }
            self.pump(slot, sink);
        }
    }

    /// Whether a retained message has been followed by a newer one of its topic.
    pub(super) fn is_outdated(&self, slot: u32, kept: &Kept) -> bool {
        kept.is_retained() && self.is_fresh(slot, kept.message.topic().as_str())
    }

    /// Withdraws retained messages that have not left and have been followed by newer ones.
    pub(super) fn withdraw_outdated(&mut self, slot: u32) {
        let entries = self.session(slot).out.iter().flat_map(|o| o.entries());
        let outdated: Vec<_> = entries
            .filter(|e| !e.sent)
            .filter_map(|e| match &e.held {
                Held::Message(kept) if self.is_outdated(slot, kept) => Some((e.id, kept.number)),
                _ => None,
            })
            .collect();
        let queued = self.session_mut(slot).drop_outdated();
        self.lose_some(Drop::Expired, outdated.len() as u64 + queued, slot);
        for (id, number) in outdated {
            self.withdraw(slot, id, number);
        }
    }

    /// Ends a delivery of which nothing has left.
    pub(super) fn withdraw(&mut self, slot: u32, id: PacketId, number: u64) {
        let out = self.session_mut(slot).out.as_mut();
        if let Some(held) = out.and_then(|out| out.finish(id)) {
            self.settle_shared(slot, &held);
        }
        self.note_progress(slot, &[number]);
    }

    /// What is retained on a topic comes to a session, and an older one of it has not left: another
    /// subscription asked for that.
    pub(super) fn withdraw_older(&mut self, slot: u32, message: &Arc<Message>) {
        let out = self.session(slot).out.iter();
        let unsent = out.filter(|o| o.has_unsent()).flat_map(|o| o.entries());
        let older: Vec<_> = unsent
            .filter(|e| !e.sent)
            .filter_map(|e| match &e.held {
                Held::Message(kept)
                    if kept.number >= record::INLINE
                        && !Arc::ptr_eq(&kept.message, message)
                        && kept.message.topic() == message.topic() =>
                {
                    Some((e.id, kept.number))
                }
                _ => None,
            })
            .collect();
        for (id, number) in older {
            self.withdraw(slot, id, number);
        }
    }

    /// The connection ends: retained messages that have not left are not of the session.
    pub(super) fn withdraw_retained(&mut self, slot: u32) {
        let out = self.session(slot).out.iter();
        let unsent: Vec<_> = out.flat_map(|o| o.unsent_retained()).collect();
        for (id, number) in unsent {
            self.withdraw(slot, id, number);
        }
    }

    /// The store knows that PUBREC came: PUBREL leaves, if the client is there.
    pub(super) fn release_stored(
        &mut self,
        session: SessionRef,
        id: PacketId,
        sink: &mut impl Sink,
    ) {
        let Some(slot) = self.resolve(session) else {
            return;
        };
        let entry = self.session_mut(slot).out.as_mut();
        let Some(entry) = entry.and_then(|o| o.find(id)) else {
            return;
        };
        if entry.state == State::Releasing {
            entry.state = State::PubComp;
            self.send_ack(slot, AckKind::PubRel, id, Reason::SUCCESS, sink);
        }
    }

    pub(super) fn save(
        &mut self,
        bucket: Bucket,
        key: Box<[u8]>,
        value: Option<Box<[u8]>>,
        token: Option<u64>,
    ) {
        let write = Write { bucket, key, value };
        self.requests.push(Request::Save { token, write });
    }

    pub(super) fn save_of(
        &mut self,
        slot: u32,
        bucket: Bucket,
        number: u64,
        value: Option<Box<[u8]>>,
    ) {
        let key = record::key_of(&self.session(slot).client_id, number);
        self.save(bucket, key, value, None);
    }

    /// Saves what a CONNECT changed. CONNACK leaves when the store has it: a client that is told of a
    /// new session must not find the old one after a crash, nor lose its will.
    pub(super) fn save_connected(&mut self, slot: u32, replaced: bool, sink: &mut impl Sink) {
        let token = self.next_token();
        let s = self.session(slot);
        let (will, durable) = (s.rare.will.is_some(), s.rare.durable.is_some());
        if will {
            self.save_will(slot, Some(token));
        }
        if durable {
            self.save_session(slot, Some(token));
        } else if replaced {
            let name = self.session(slot).client_id.as_bytes().into();
            self.save(Bucket::Session, name, None, Some(token));
        }
        let parts = u8::from(will) + u8::from(durable || replaced);
        if parts > 0 && !plant::on(Fault::ConnackBeforeSaved) {
            let then = Then::Greet(self.reference(slot));
            self.wait_for_store(token, parts, 0, then);
            let s = self.session_mut(slot);
            s.bits.set(Bit::Greeting);
            sink.withhold(s.conn);
        }
    }

    /// The store has, or has not, what a CONNECT changed.
    fn greet(&mut self, session: SessionRef, kept: bool, sink: &mut impl Sink) {
        if !kept {
            return self.no_room_for(session, sink);
        }
        if let Some(slot) = self.resolve(session) {
            let s = self.session_mut(slot);
            s.bits.clear(Bit::Greeting);
            sink.let_go(s.conn);
        }
    }

    /// A CONNACK belongs to its connection, and the session's next one must not be let go for it.
    pub(super) fn forget_greeting(&mut self, slot: u32) {
        let session = self.reference(slot);
        self.waits
            .retain(|w| !matches!(w.then, Then::Greet(s) if s == session));
    }

    /// Saves the session, if it outlives its connection.
    pub(super) fn save_session(&mut self, slot: u32, token: Option<u64>) {
        if self.session(slot).rare.durable.is_none() {
            return;
        }
        let record = self.session_record(slot).encode();
        let key = self.session(slot).client_id.as_bytes().into();
        self.save(Bucket::Session, key, Some(record), token);
    }

    fn session_record(&mut self, slot: u32) -> SessionRecord {
        let cursor = self.settled_up_to(slot);
        if let Some(d) = self.session_mut(slot).durable_mut() {
            d.passed(cursor);
        }
        let s = self.session(slot);
        let subscription = |node: &crate::router::NodeId| {
            let sub = self.router.sub(*node, slot)?;
            Some(Subscription {
                filter: self.router.filter(*node).into(),
                qos: sub.flags.qos(),
                no_local: sub.flags.no_local(),
                as_published: sub.flags.as_published(),
                handling: sub.flags.handling(),
                logged: sub.flags.logged(),
                id: sub.id,
                since: s
                    .rare
                    .durable
                    .as_ref()
                    .filter(|_| !plant::on(Fault::SinceForgotten))
                    .map_or(0, |d| d.since(*node)),
            })
        };
        SessionRecord {
            version: s.version,
            owner: (*s.owner).clone(),
            expiry_secs: s.expiry_secs(),
            born: s.rare.durable.as_ref().map_or(0, |d| d.born),
            user_name: s.client_id.user_name().map(Into::into),
            mountpoint: s.mountpoint().into(),
            keep_alive_secs: s.keep_alive_secs,
            clean_start: s.bits.has(Bit::CleanStart),
            came: s.rare.durable.as_ref().map_or(Time(0), |d| d.came()),
            went: (s.rare.durable.as_ref())
                .filter(|_| !s.is_online())
                .map(|d| d.went()),
            cursor,
            subscriptions: s.subs.slice().iter().filter_map(subscription).collect(),
            groups: self.group_records(slot),
        }
    }

    /// Up to where a session was handed the log.
    fn handed(&self, d: &Durable) -> u64 {
        match d.reading {
            Reading::Live => self.tail_seen,
            Reading::Behind | Reading::Asked => d.cursor,
        }
    }

    /// Everything in the log up to here was acknowledged by the session's client, or the store knows of
    /// its delivery.
    pub(super) fn settled_up_to(&self, slot: u32) -> u64 {
        let s = self.session(slot);
        let Some(d) = &s.rare.durable else { return 0 };
        let handed = self.handed(d);
        let open = s.out.iter().flat_map(|o| o.entries());
        let unknown = |state| matches!(state, State::PubAck | State::Binding);
        let lowest = open
            .filter_map(|e| match &e.held {
                Held::Message(kept) if unknown(e.state) => Some(kept.number),
                _ => None,
            })
            .min();
        let lowest = lowest.filter(|_| !plant::on(Fault::CursorBeyondAcknowledged));
        lowest.map_or(handed, |lowest| handed.min(lowest - 1))
    }

    /// Before which the log has nothing that this session may need, now or after a restart.
    pub(super) fn needs_from(&self, slot: u32) -> u64 {
        let s = self.session(slot);
        let Some(d) = &s.rare.durable else {
            return u64::MAX;
        };
        let handed = self.handed(d);
        let open = s.out.iter().flat_map(|o| o.entries());
        let lowest = open
            .filter_map(|e| match &e.held {
                Held::Message(kept) => kept.position(),
                // The store may not know yet that it was received.
                Held::Number(number) if e.state == State::Releasing => {
                    Some(d.lease_of(*number).map_or(*number, |lease| lease.position))
                }
                _ => None,
            })
            .min();
        lowest.map_or(handed, |lowest| handed.min(lowest - 1))
    }

    /// As much of sessions that have ended, and whose records the store still has.
    pub(super) fn ended_need_from(&self) -> u64 {
        let ended = self.waits.iter().filter_map(|wait| match &wait.then {
            Then::Ended(ended) => Some(ended.needs_from),
            _ => None,
        });
        ended.min().unwrap_or(u64::MAX)
    }

    /// The record of a delivery that has just begun, or come further.
    pub(super) fn save_delivery(&mut self, slot: u32, id: PacketId, token: Option<u64>) {
        let s = self.session_mut(slot);
        let Some(entry) = s.out.as_mut().and_then(|o| o.find(id)) else {
            return;
        };
        let step = match entry.state {
            State::PubAck => Step::PubAck,
            State::Binding | State::PubRec => Step::PubRec,
            State::Releasing | State::PubComp | State::Free => Step::PubComp,
        };
        let (number, mut delivery) = match &entry.held {
            Held::Message(kept) => {
                let inline = kept.position().is_none();
                let delivery = Delivery {
                    id,
                    step,
                    retain: kept.retain,
                    ids: kept.ids.clone(),
                    lease: None,
                    message: inline.then(|| kept.message.clone()),
                };
                (kept.number, delivery)
            }
            Held::Number(number) => (*number, Delivery::without_message(id, step)),
            Held::Nothing | Held::Shared { .. } => return,
        };
        delivery.lease = s
            .rare
            .durable
            .as_ref()
            .and_then(|d| d.lease_of(number))
            .cloned();
        let key = record::key_of(&s.client_id, number);
        self.save(Bucket::Delivery, key, Some(delivery.encode()), token);
    }

    /// The record of a QoS 1 delivery, if its message is not in the log.
    pub(super) fn save_unlogged(&mut self, slot: u32, id: PacketId) {
        let entry = self.session_mut(slot).out.as_mut();
        let held = entry.and_then(|o| o.find(id)).map(|e| &e.held);
        let hasty = plant::on(Fault::PublishBeforeBound);
        if matches!(held, Some(Held::Message(kept)) if kept.number >= record::INLINE || hasty) {
            self.save_delivery(slot, id, None);
        }
    }

    /// A delivery to a session is finished. `number` is what the store knows it by, if it does.
    pub(super) fn note_progress(&mut self, slot: u32, numbers: &[u64]) {
        let reference = self.reference(slot);
        let Some(d) = self.session_mut(slot).durable_mut() else {
            return;
        };
        if !numbers.is_empty() {
            let progress = d.progress.get_or_insert_default();
            progress.finished.extend_from_slice(numbers);
        }
        if !d.noted {
            d.noted = true;
            self.moved.push(reference);
        }
    }

    /// Saves how far sessions and groups have come: seldom, as it may lag.
    pub(super) fn save_progress_of_all(&mut self) {
        let none = self.moved.is_empty() && self.moved_groups.is_empty();
        if none || self.now.since(self.progress_saved) < PROGRESS_MILLIS {
            return;
        }
        self.progress_saved = self.now;
        for session in std::mem::take(&mut self.moved) {
            if let Some(slot) = self.resolve(session) {
                self.save_progress(slot);
            }
        }
        for key in std::mem::take(&mut self.moved_groups) {
            self.save_group(key);
        }
    }

    /// The cursor first: a delivery that the store has forgotten must be behind it, or it would be sent
    /// again after a restart.
    pub(super) fn save_progress(&mut self, slot: u32) {
        let cursor = self.settled_up_to(slot);
        let session = self.reference(slot);
        let s = self.session_mut(slot);
        let name: Box<[u8]> = s.client_id.as_bytes().into();
        let Some(d) = s.durable_mut() else { return };
        d.noted = false;
        let further = cursor > d.saved;
        d.passed(cursor);
        let fates = d.progress.as_mut().map(|p| p.settle(cursor));
        if d.progress.as_ref().is_some_and(|p| p.is_empty()) {
            d.progress = None;
        }
        let mut behind = Vec::new();
        for fate in fates.unwrap_or_default() {
            match fate {
                Fate::Delete(number) => behind.push(number),
                Fate::MarkDone(number) => {
                    let done = Delivery::without_message(PacketId::MIN, Step::Done);
                    self.save_of(slot, Bucket::Delivery, number, Some(done.encode()));
                }
                Fate::MarkParted(number, lease) => {
                    let mut done = Delivery::without_message(PacketId::MIN, Step::Done);
                    done.lease = Some(lease);
                    self.save_of(slot, Bucket::Delivery, number, Some(done.encode()));
                }
            }
        }
        if further {
            let token = self.next_token();
            let passed = Passed {
                session,
                cursor,
                behind,
            };
            self.wait_for_store(token, 1, 0, Then::Passed(Box::new(passed)));
            let value = cursor.to_be_bytes();
            self.save(Bucket::Cursor, name, Some(value.into()), Some(token));
        } else {
            self.delete_deliveries(slot, &behind);
        }
    }

    /// The store has, or has not, how far a session has come.
    fn cursor_stored(&mut self, passed: Passed, kept: bool) {
        let Some(slot) = self.resolve(passed.session) else {
            return; // It ended, and its records with it.
        };
        if !kept {
            // Tried again with the next progress.
            return self.note_progress(slot, &passed.behind);
        }
        if let Some(d) = self.session_mut(slot).durable_mut() {
            d.saved = d.saved.max(passed.cursor);
        }
        self.delete_deliveries(slot, &passed.behind);
    }

    pub(super) fn delete_deliveries(&mut self, slot: u32, numbers: &[u64]) {
        for number in numbers {
            self.save_of(slot, Bucket::Delivery, *number, None);
        }
    }

    /// The log may forget these QoS 2 ids of a session's client.
    pub(super) fn release_ids(&mut self, slot: u32, ids: &[PacketId]) {
        for id in ids {
            if let Some(identity) = self.session(slot).identity(*id) {
                self.release_identity(identity);
            }
        }
    }

    pub(super) fn release_identity(&mut self, identity: Box<[u8]>) {
        let token = None;
        self.end_exchange(&identity, token);
        self.requests.push(Request::Release { token, identity });
    }

    /// Saves a will: when it is made, and when its connection has ended and it waits.
    pub(super) fn save_will(&mut self, slot: u32, token: Option<u64>) {
        let s = self.session(slot);
        let Some(will) = &s.rare.will else { return };
        let record = WillRecord {
            owner: (*s.owner).clone(),
            delay_secs: will.delay_secs,
            expiry_secs: will.expiry_secs,
            due: will.due,
            message: will.message.clone(),
        };
        let key = record::key_of(&s.client_id, will.serial);
        let record = record.encode();
        self.save(Bucket::Will, key, Some(record), token);
    }

    /// A will that is not to be published any more.
    pub(super) fn drop_will(&mut self, slot: u32) {
        if let Some(will) = self.session_mut(slot).take_will() {
            self.save_of(slot, Bucket::Will, will.serial, None);
        }
    }

    /// Stores a retained message, or deletes it. True if `token` will be answered.
    pub(super) fn save_retained(&mut self, message: &Message, token: Option<u64>) -> bool {
        let kept = (!message.payload().is_empty()).then_some(message);
        self.save_topic(message.topic(), kept, token)
    }

    /// Stores what is retained for a topic, or that nothing is. True if `token` will be answered.
    pub(super) fn save_topic(
        &mut self,
        topic: Topic<'_>,
        retained: Option<&Message>,
        token: Option<u64>,
    ) -> bool {
        if topic.is_system() {
            return false; // The broker says it again after a start.
        }
        if plant::on(Fault::RetainedNotSaved) {
            return false;
        }
        let key = topic.as_str().as_bytes().into();
        let value = retained.map(|message| {
            let mut out = Vec::new();
            message.encode(&mut out);
            out.into()
        });
        self.save(Bucket::Retained, key, value, token);
        token.is_some()
    }
}

impl Shard {
    fn group_records(&self, slot: u32) -> Vec<Group> {
        let list = self.session(slot).shared();
        list.iter().map(super::Membership::record).collect()
    }
}
