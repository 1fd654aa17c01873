//! How a connection ends, what becomes of its will, and how a session ends.

use std::hash::BuildHasher;

use protocol::{PacketId, Property, Reason, packet::disconnect};

use super::{
    Close, ConnId, Deed, Ending, Mail, Presence, SessionId, Shard, Sink, Verdict, protocol_error,
    seat::ends_at,
    store::{Ended, Then},
};
use crate::{
    Cause, Counter, Drop, Time,
    acl::{Asks, Ground, Principal, Subject},
    limits::DISPLACE_SLICE,
    message::View,
    plant::{self, Fault},
    record::{self, Bucket},
    session::{Bit, Handed, Held, Kept, Reading, State},
    table::slim,
};

impl Shard {
    pub(super) fn on_disconnect(
        &mut self,
        slot: u32,
        packet: &disconnect::Disconnect<'_>,
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        // Codes and properties of table 3-13 that only a server sends.
        let servers = packet
            .properties
            .iter()
            .any(|p| matches!(p, Property::ServerReference(_)));
        if servers || !may_say(packet.reason) {
            return Err(protocol_error("a DISCONNECT that only a server may send"));
        }
        if let Some(secs) = packet.session_expiry_secs {
            let max = self.settings.session_expiry_secs_max;
            let s = self.session_mut(slot);
            if s.expiry_secs() == 0 && secs != 0 {
                // (3.14.2.2.2, non-normative)
                return Err(protocol_error(
                    "DISCONNECT sets a Session Expiry that CONNECT left at 0",
                ));
            }
            if let Some(d) = s.durable_mut() {
                d.expiry_secs = secs.min(max);
            }
        }
        let left = Ending::Left(packet.reason);
        sink.close(self.session(slot).conn, left);
        let heard = if plant::on(Fault::WillAfterDisconnect) {
            Ending::Lost
        } else {
            left
        };
        self.part(slot, heard, sink);
        Ok(())
    }

    /// The connection is gone without a DISCONNECT.
    pub fn gone(&mut self, now: Time, session: SessionId, conn: ConnId, sink: &mut impl Sink) {
        self.now = now;
        if self
            .sessions
            .get(session.slot())
            .is_some_and(|s| s.conn == conn)
        {
            self.part(session.slot(), Ending::Lost, sink);
        }
    }

    /// Ends a connection from our side; MQTT 5 is told why [MQTT-3.14.2-1].
    pub fn kick(&mut self, now: Time, session: SessionId, close: Close, sink: &mut impl Sink) {
        self.now = now;
        if self
            .sessions
            .get(session.slot())
            .is_some_and(|s| s.is_online())
        {
            self.expel(session.slot(), close, sink);
        }
    }

    /// Every connection ends with 0x8B Server shutting down; wills go out as the book says.
    pub fn shut_down(&mut self, now: Time, sink: &mut impl Sink) {
        self.now = now;
        let online: Vec<u32> = self.sessions.keys().collect();
        for slot in online {
            if self.sessions.get(slot).is_some_and(|s| s.is_online()) {
                self.expel(slot, Cause::ShuttingDown.close(), sink);
            }
        }
    }

    pub(super) fn expel(&mut self, slot: u32, close: Close, sink: &mut impl Sink) {
        let s = self.session(slot);
        if !s.is_online() {
            return;
        }
        let (conn, version) = (s.conn, s.version);
        if version.is_v5() {
            let mut properties = Vec::new();
            Property::ReasonString(close.cause.text()).put(&mut properties);
            // Left out where the packet would be too large for the client [MQTT-3.14.2-3].
            if properties.len() + 8 > s.rare.packet_max as usize {
                properties.clear();
            }
            disconnect::encode(sink.out(conn), version, close.reason, &properties);
            self.metrics.add(Counter::DisconnectSent, 1);
        }
        if !matches!(
            close.reason,
            Reason::SESSION_TAKEN_OVER
                | Reason::SERVER_SHUTTING_DOWN
                | Reason::ADMINISTRATIVE_ACTION
        ) {
            self.metrics.add(Counter::ProtocolErrors, 1);
        }
        sink.close(conn, Ending::Expelled(close)); // [MQTT-3.14.4-2], [MQTT-4.13.2-1]
        self.part(slot, Ending::Expelled(close), sink);
    }

    /// Detaches the connection; the session ends or waits, the will goes, waits or is forgotten.
    fn part(&mut self, slot: u32, ending: Ending, sink: &mut impl Sink) {
        let s = self.session(slot);
        let went = Presence::Went {
            ending,
            version: s.version,
            subscriptions: s.subscriptions(),
        };
        let is_silenced = self.is_silenced(slot, ending, sink);
        let s = self.session(slot);
        sink.note(s.conn, &s.client_id, went);
        self.metrics.add(Counter::Disconnected, 1);
        self.metrics.gauges.connections -= 1;
        let (now, tail) = (self.now, self.tail_seen);
        if self.session(slot).bits.has(Bit::Subscribing) {
            self.inquiries.forget(slot);
            self.forget_suback(slot);
        }
        if self.session(slot).bits.has(Bit::Greeting) {
            self.forget_greeting(slot);
        }
        self.withdraw_retained(slot);
        let s = self.session_mut(slot);
        s.detach();
        s.take_scanning();
        if let Some(inflow) = &mut s.inflow {
            inflow.forget_pending(); // what waited is answered when the client sends it again
        }
        if let Some(out) = &mut s.out {
            out.end_again();
        }
        if let Some(d) = s.durable_mut()
            && d.reading == Reading::Live
        {
            d.cursor = d.cursor.max(tail);
        }
        if let Some(d) = s.durable_mut() {
            d.reading = Reading::Behind;
            d.set_went(now);
        }
        let expiry_secs = s.expiry_secs();
        if ending == Ending::Left(Reason::NORMAL_DISCONNECTION) || is_silenced {
            // [MQTT-3.1.2-10], [MQTT-3.14.4-3]
            self.drop_will(slot);
        } else if let Some(will) = s.will_mut() {
            // The delay never outlasts the session (3.1.3.2.2).
            let delay_secs = if expiry_secs == 0 { 0 } else { will.delay_secs };
            will.due = Some(now.plus_secs(delay_secs));
            if delay_secs == 0 {
                self.publish_will(slot, sink); // [MQTT-3.1.2-8]
            } else {
                self.due.add(now.plus_secs(delay_secs), slot);
                self.save_will(slot, None);
            }
        }
        self.step_aside(slot);
        if expiry_secs == 0 {
            return self.end(slot, sink);
        }
        if let Some(at) = ends_at(now, expiry_secs) {
            let tick = self.due.add(at, slot);
            if let Some(d) = self.session_mut(slot).durable_mut() {
                d.ends = tick;
            }
            self.forget_the_gone();
        }
        self.save_progress(slot);
        self.save_session(slot, None);
    }

    /// Whether its will is not published because of how its connection ends: who is shut out, or whose token
    /// is over, says nothing more.
    fn is_silenced(&mut self, slot: u32, ending: Ending, sink: &mut impl Sink) -> bool {
        let Ending::Expelled(close) = ending else {
            return false;
        };
        if close.cause == Cause::TokenExpired
            && let Some(will) = &self.session(slot).rare.will
        {
            let message = will.message.clone();
            self.metrics.add(Counter::PublishDenied, 1);
            let topic = message.topic();
            self.note_denied(slot, Deed::Will, topic.as_str(), Ground::Expired, sink);
        }
        matches!(close.cause, Cause::Banned | Cause::TokenExpired)
    }

    /// Gives shared messages back and tells the groups.
    fn step_aside(&mut self, slot: u32) {
        let durable = self.session(slot).rare.durable.is_some();
        let mut lost = 0;
        let mut back = Vec::new();
        let (mut keep, mut lapsed) = (Vec::new(), Vec::new());
        let s = self.session_mut(slot);
        if let Some(mut queue) = s.take_queue() {
            while let Some(queued) = queue.pop() {
                match queued.held {
                    held @ Held::Shared { .. } => back.push(held),
                    _ => lost += 1,
                }
            }
        }
        if let Some(out) = &mut s.out {
            if durable {
                let shared: Vec<_> = out
                    .entries()
                    .filter(|e| e.is_shared())
                    .map(|e| (e.id, e.state))
                    .collect();
                for (id, state) in shared {
                    match state {
                        // Not sent, or sent and with no promise to this client.
                        State::PubAck | State::Binding => back.extend(out.finish(id)),
                        _ => keep.push(id),
                    }
                }
            } else {
                for entry in out.drain() {
                    match entry.held {
                        // Never to another: it may have been received [MQTT-4.8.2-5].
                        held @ Held::Shared { .. } if entry.state == State::PubAck => {
                            back.push(held)
                        }
                        held => {
                            lost += 1;
                            lapsed.push(held);
                        }
                    }
                }
                s.out = None;
            }
        }
        for id in keep {
            self.keep_shared(slot, id);
        }
        for held in lapsed {
            self.settle_shared(slot, &held);
        }
        let why = if durable {
            Drop::Offline
        } else {
            Drop::ConnectionLost
        };
        self.lose_some(why, lost, slot);
        for held in back {
            if !plant::on(Fault::SharedLost) {
                self.give_up(slot, held);
            }
        }
        self.stay_away(slot);
    }

    /// Tells the session's shared groups that its client is not there.
    pub(super) fn stay_away(&mut self, slot: u32) {
        let member = self.reference(slot);
        for membership in self.session(slot).shared().to_vec() {
            let (group, filter) = membership.into_names();
            let home = self.group_home(&group, &filter);
            self.mail(
                home,
                Mail::Away {
                    group,
                    filter,
                    member,
                },
            );
        }
    }

    /// QoS 2 is finished with this client when it returns [MQTT-4.8.2-4].
    fn keep_shared(&mut self, slot: u32, id: PacketId) {
        let number = self.next_inline();
        let out = self.session_mut(slot).out.as_mut();
        let Some(entry) = out.and_then(|o| o.find(id)) else {
            return;
        };
        if let Held::Message(kept) = &mut entry.held {
            // It has its record. The group counts anew what a member has when that is back.
            if let Some(handed) = &mut kept.handed {
                handed.group = Handed::NO_GROUP;
            }
            return;
        }
        if let Held::Shared { message, .. } = std::mem::take(&mut entry.held) {
            entry.held = Held::Message(Box::new(Kept {
                message,
                number,
                retain: false,
                ids: Box::default(),
                handed: None,
            }));
            self.save_delivery(slot, id, None);
        }
    }

    /// Ends a session that has no connection: everything of it is deleted [MQTT-4.1.0-2].
    pub(super) fn end(&mut self, slot: u32, sink: &mut impl Sink) {
        debug_assert!(!self.session(slot).is_online(), "part comes before end");
        // The session ends: a delayed will goes out now [MQTT-3.1.2-8].
        if self
            .session(slot)
            .rare
            .will
            .as_ref()
            .is_some_and(|w| w.due.is_some())
        {
            self.publish_will(slot, sink);
        }
        self.forget_session(slot);
        for node in self.session(slot).subs.slice().to_vec() {
            self.drop_sub(slot, node);
        }
        for membership in self.session_mut(slot).take_shared() {
            self.uncount_shared(slot);
            let (group, filter) = membership.into_names();
            self.send_leave(slot, group, filter);
        }
        let Some(session) = self.sessions.remove(slot) else {
            return;
        };
        if session.rare.durable.is_some() {
            self.metrics.gauges.lasting -= 1;
        }
        let left = session.out.as_ref().map_or(0, |o| o.open());
        self.lose_all_of(Drop::ConnectionLost, left as u64, &session.client_id);
        let hash = self.hasher.hash_one(&*session.client_id);
        if let Ok(entry) = self.names.find_entry(hash, |n| *n == slot) {
            entry.remove();
        }
        let (hasher, sessions) = (&self.hasher, &self.sessions);
        slim(&mut self.names, |n| {
            let s = sessions.get(*n).expect("names hold live sessions");
            hasher.hash_one(&*s.client_id)
        });
        self.metrics.add(Counter::SessionEnded, 1);
        self.forget_the_gone();
    }

    /// Deletes everything that the store has of a session, which ends.
    pub(super) fn forget_session(&mut self, slot: u32) {
        self.drop_will(slot);
        let session = self.reference(slot);
        let s = self.session(slot);
        if s.rare.durable.is_none() {
            return;
        }
        let needs_from = self.needs_from(slot);
        let name: Box<[u8]> = s.client_id.as_bytes().into();
        let mut numbers = Vec::new();
        for wait in &self.waits {
            if let Then::Passed(passed) = &wait.then
                && passed.session == session
            {
                numbers.extend(&passed.behind);
            }
        }
        let s = self.session_mut(slot);
        let progress = s.durable_mut().and_then(|d| d.progress.take());
        let progress = progress.unwrap_or_default();
        numbers.extend(&progress.finished);
        numbers.extend(&progress.done);
        for entry in s.out.iter().flat_map(|o| o.entries()) {
            match &entry.held {
                Held::Message(kept) if entry.is_recorded(kept) => numbers.push(kept.number),
                Held::Number(number) => numbers.push(*number),
                _ => {}
            }
        }
        // These go when the store knows that their group is done with them.
        numbers.retain(|number| !progress.is_leased(*number));
        let ids = s.inflow.as_ref().map_or_else(Vec::new, |i| i.known_ids());
        let s = self.session(slot);
        let identities = ids.iter().filter_map(|id| s.identity(*id)).collect();
        let ended = Ended {
            needs_from,
            identities,
        };
        // The session first: what is left of it without it is nobody's.
        let token = self.next_token();
        self.ending += 1;
        self.wait_for_store(token, 1, 0, Then::Ended(Box::new(ended)));
        self.save(Bucket::Session, name.clone(), None, Some(token));
        self.save(Bucket::Cursor, name, None, None);
        self.delete_deliveries(slot, &numbers);
    }

    /// The store has nothing of a session any more: what it needed may go. Not before, as a client that sends
    /// again what is under way would have it delivered again if the session came back without that.
    pub(super) fn end_stored(&mut self, ended: Ended) {
        self.ending -= 1;
        if !plant::on(Fault::IdentityKept) {
            for identity in ended.identities {
                self.release_identity(identity);
            }
        }
    }

    /// There are as many sessions as may be, and a user comes who has none: of those looked at, the one makes
    /// room that a client without a name left longest ago. False if none does.
    pub(super) fn makes_room_for(&mut self, who: &Principal, sink: &mut impl Sink) -> bool {
        if who.is_nobody() {
            return false;
        }
        let end = self.sessions.end();
        let from = Some(self.displacing).filter(|from| *from < end);
        let from = from.unwrap_or(0);
        let upto = from.saturating_add(DISPLACE_SLICE).min(end);
        self.displacing = upto;
        let left_by_nobody = |slot: u32| {
            let s = self.sessions.get(slot)?;
            let durable = s.rare.durable.as_ref();
            let durable = durable.filter(|_| !s.is_online() && s.owner.is_nobody())?;
            Some((durable.went(), slot))
        };
        let Some((_, slot)) = (from..upto).filter_map(left_by_nobody).min() else {
            return false;
        };
        self.metrics.add(Counter::SessionDiscarded, 1);
        self.end(slot, sink);
        true
    }

    /// The client is back in time: its delayed will is not published.
    pub(super) fn cancel_will(&mut self, slot: u32, sink: &mut impl Sink) {
        let s = self.session_mut(slot);
        if s.rare.will.as_ref().is_some_and(|w| w.due.is_some()) {
            if plant::on(Fault::WillNotCancelled) {
                return self.publish_will(slot, sink);
            }
            self.drop_will(slot);
        }
    }

    /// Publishes the will once and forgets it, with the rights its owner has now.
    pub(super) fn publish_will(&mut self, slot: u32, sink: &mut impl Sink) {
        let Some(will) = self.session_mut(slot).take_will() else {
            return;
        };
        let key = record::key_of(&self.session(slot).client_id, will.serial);
        let mut view = will.message.view();
        view.expires = will.expiry_secs.map(|secs| self.now.plus_secs(secs));
        let s = self.session(slot);
        let (owner, client_id) = (s.owner.clone(), Box::<str>::from(&*s.client_id));
        let access = s.rare.access.clone();
        let subject = Subject {
            who: &owner,
            client_id: &client_id,
            access: access.as_deref(),
        };
        self.publish_kept_will(&subject, view, key, sink);
    }

    /// Publishes a will; its record goes when the store has what it published.
    pub(super) fn publish_kept_will(
        &mut self,
        owner: &impl Asks,
        view: View<'_>,
        key: Box<[u8]>,
        sink: &mut impl Sink,
    ) {
        let allowed = self.acl.publish(owner, view).ok();
        let is_over = owner.principal().is_over(self.now);
        let Some(allowed) = allowed.filter(|_| !is_over && !self.is_shut_out(owner)) else {
            self.metrics.add(Counter::PublishDenied, 1);
            return self.save(Bucket::Will, key, None, None);
        };
        self.metrics.add(Counter::WillPublished, 1);
        let writer = if view.retain {
            self.writer(owner)
        } else {
            None
        };
        let routed = self.publish(allowed, writer, None, None, sink);
        if routed.parts == 0 || plant::on(Fault::WillRecordDeletedEarly) {
            self.save(Bucket::Will, key, None, None);
        } else {
            let then = Then::ForgetWill(key, routed.stored);
            self.wait_for_store(routed.token, routed.parts, 0, then);
        }
    }
}

/// Reason codes of DISCONNECT that a client may send (table 3-13).
fn may_say(reason: Reason) -> bool {
    matches!(reason.0, 0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99)
}
