//! PUBLISH from a client, and the one meeting place through which every message goes.

use std::sync::Arc;

use protocol::{
    Frame, PacketId, QoS, Reason, Topic,
    packet::{ack::AckKind, publish, run},
};

use super::{
    Deed, Request, Shard, Sink, Verdict, delayed::Terms, deliver::Shot, park::Again, policy::Meant,
    protocol_error, refuse, store::Then,
};
use crate::{
    Cause, Counter, Message, SessionRef,
    acl::{Authorized, Principal, Writer},
    message::{View, fingerprint},
    plant::{self, Fault},
    policy::Delay,
    router::Route,
    session::{Inflow, Pending},
};

/// What routing found.
#[derive(Debug)]
pub(super) struct Routed {
    pub(super) receivers: bool,
    /// How many answers of the store an acknowledgement has to wait for, and under which token.
    pub(super) parts: u8,
    pub(super) token: u64,
    /// What goes to the store.
    pub(super) stored: Option<Again>,
    /// The cached route, where the caller did not bring it.
    pub(super) found_at: Option<u32>,
}

impl Shard {
    /// One PUBLISH, or a run of QoS 0 ones. Gives the bytes consumed.
    #[inline]
    pub(super) fn on_publish(
        &mut self,
        slot: u32,
        f: &Frame<'_>,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Verdict<usize> {
        let limits = self.settings.limits;
        let s = self.session(slot);
        let (version, hint) = (s.version, s.tally.hint());
        // The topic that this client used last needs no check and no search if it comes again.
        let lifted = self.routes.lift(&self.router, hint);
        let known = lifted.as_ref().map_or("", |r| r.topic.as_str());
        let result = match publish::decode(f.first, f.body, version, &limits, known) {
            Ok(packet) => {
                let route = lifted.as_deref().filter(|r| r.is_of(packet.topic));
                let plain = packet.alias.is_none() && packet.properties.is_empty();
                let plain = f.first == run::PLAIN && plain;
                if plain && !self.may_mean_another(Topic::trusted(packet.topic)) {
                    self.on_run(slot, &packet, f.len, bytes, route, sink)
                } else {
                    self.metrics.received(packet.qos, 1);
                    self.session_mut(slot).tally.received(packet.qos, 1);
                    self.receive_publish(slot, &packet, route, sink)
                        .map(|()| f.len)
                }
            }
            Err(error) => Err(refuse(error)),
        };
        if let Some(route) = lifted {
            self.routes.put(hint, route);
        }
        if result.is_err() {
            self.metrics.add(Counter::PublishErrors, 1);
        }
        result
    }

    /// The order of checks is the design; it is tested as a table.
    fn receive_publish(
        &mut self,
        slot: u32,
        packet: &publish::Publish<'_>,
        route: Option<&Route>,
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        self.check_quota(slot, packet)?; // [MQTT-3.3.4-7], [MQTT-3.3.4-8]
        if packet.alias.is_none() {
            let topic = Topic::trusted(packet.topic);
            return self.accept_meant(slot, packet, topic, route, sink);
        }
        let mut aliased = std::mem::take(&mut self.scratch);
        let resolved = self.resolve_alias(slot, packet, &mut aliased);
        let result = resolved.and_then(|from_alias| {
            let topic = if from_alias {
                std::str::from_utf8(&aliased).expect("stored from a valid topic")
            } else {
                packet.topic
            };
            self.accept_meant(slot, packet, Topic::trusted(topic), None, sink)
        });
        aliased.clear();
        self.scratch = aliased;
        result
    }

    /// Rewriting comes behind aliases and before the access rules, which are asked about the real topic.
    #[expect(
        clippy::inline_always,
        reason = "a call with so many arguments costs as much as it does"
    )]
    #[inline(always)]
    fn accept_meant(
        &mut self,
        slot: u32,
        packet: &publish::Publish<'_>,
        topic: Topic<'_>,
        route: Option<&Route>,
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        if !self.may_mean_another(topic) {
            return self.accept(slot, packet, topic, route, None, sink);
        }
        self.accept_other(slot, packet, topic, sink)
    }

    /// One that means another topic, or another time.
    #[cold]
    fn accept_other(
        &mut self,
        slot: u32,
        packet: &publish::Publish<'_>,
        topic: Topic<'_>,
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        let Meant { topic, delay } = match self.meant(slot, topic.as_str()) {
            Ok(meant) => meant,
            Err(reason) => {
                self.metrics.add(Counter::PublishDenied, 1);
                if let Some(id) = packet.id {
                    self.conclude(slot, packet.qos, id, reason, None, sink);
                }
                return Ok(());
            }
        };
        self.accept(slot, packet, Topic::trusted(&topic), None, delay, sink)
    }

    #[expect(
        clippy::inline_always,
        reason = "a call with so many arguments costs as much as it does"
    )]
    #[inline(always)]
    fn accept(
        &mut self,
        slot: u32,
        packet: &publish::Publish<'_>,
        topic: Topic<'_>,
        route: Option<&Route>,
        delay: Option<Delay>,
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        self.check_allowed(packet)?;
        if let Some(id) = packet.id
            && packet.qos == QoS::ExactlyOnce // [MQTT-4.3.2-5]
            && let Some(inflow) = &mut self.session_mut(slot).inflow
            && inflow.knows(id)
            && !plant::on(Fault::DuplicateRouted)
        {
            // Known and not yet released: acknowledged again, not delivered again [MQTT-4.3.3-10]; not
            // before the log has what was sent on a connection that is gone.
            let token = inflow.take_unsure(id);
            let retains = inflow.take_earlier(id) && packet.retain && delay.is_none();
            let token = if retains {
                self.retain_again(slot, packet, topic)
            } else {
                token
            };
            self.metrics.add(Counter::PublishRepeated, 1);
            self.acknowledge(slot, AckKind::PubRec, id, Reason::SUCCESS, token, sink);
            self.answer_refused(sink);
            return Ok(());
        }
        let mut forwarded = Vec::new();
        packet.properties.put_forwarded(&mut forwarded);
        let s = self.session(slot);
        // Known from then on, also after a restart [MQTT-4.3.3-10].
        let identity = packet
            .id
            .filter(|_| packet.qos == QoS::ExactlyOnce)
            .and_then(|id| s.identity(id));
        let view = View {
            publisher: SessionRef {
                shard: self.id,
                generation: s.generation,
                slot,
            },
            topic,
            qos: packet.qos,
            retain: packet.retain,
            expires: packet.expiry_secs.map(|secs| self.now.plus_secs(secs)),
            forwarded: &forwarded,
            payload: packet.payload,
        };
        let (publisher, v5) = (view.publisher, s.version.is_v5());
        let known = route.and_then(|route| s.permit_for(route, topic));
        let allowed = self.acl.publish_again(s, known, view);
        let writer = if packet.retain {
            self.writer_of(slot)
        } else {
            None
        };
        let (reason, waits_for) = match (allowed, delay) {
            (Ok(allowed), Some(delay)) => {
                let (id, expiry_secs) = (packet.id, packet.expiry_secs);
                let terms = Terms {
                    delay,
                    id,
                    expiry_secs,
                };
                match self.delay(slot, allowed, terms)? {
                    Ok(token) => (Reason::SUCCESS, token),
                    Err(reason) => (reason, None),
                }
            }
            (Ok(allowed), None) => {
                let routed = self.publish(allowed, writer, route, identity, sink);
                let waits = routed.parts > 0 && packet.id.is_some();
                let waits = waits && !plant::on(Fault::AckBeforeAppend);
                if waits {
                    let bytes = packet.payload.len() + topic.as_str().len();
                    // 3.x cannot be told that there is no room: its message is kept and tried again.
                    let again = routed.stored.filter(|_| !v5);
                    let then = Then::Acknowledge(publisher, again);
                    self.wait_for_store(routed.token, routed.parts, bytes, then);
                }
                if let (Some(at), Some(s)) = (routed.found_at, self.sessions.get_mut(slot)) {
                    s.tally.set_hint(at);
                }
                let reason = if routed.receivers {
                    Reason::SUCCESS
                } else {
                    Reason::NO_MATCHING_SUBSCRIBERS
                };
                (reason, waits.then_some(routed.token))
            }
            (Err(ground), _) => {
                self.metrics.add(Counter::PublishDenied, 1);
                self.note_denied(slot, Deed::Publish, topic.as_str(), ground, sink);
                if self.acl.disconnects() {
                    return Err(Cause::NotAllowed.close());
                }
                (Reason::NOT_AUTHORIZED, None)
            }
        };
        if let Some(id) = packet.id {
            // Also where it was refused [3.1.1 MQTT-3.3.5-2].
            self.conclude(slot, packet.qos, id, reason, waits_for, sink);
        }
        self.answer_refused(sink);
        Ok(())
    }

    /// Owes the acknowledgement: after the message was accepted, not before. An id of QoS 1 is not kept
    /// [MQTT-4.3.2-5].
    #[expect(
        clippy::inline_always,
        reason = "a call with so many arguments costs as much as it does"
    )]
    #[inline(always)]
    fn conclude(
        &mut self,
        slot: u32,
        qos: QoS,
        id: PacketId,
        reason: Reason,
        waits_for: Option<u64>,
        sink: &mut impl Sink,
    ) {
        // [MQTT-3.3.4-1], [MQTT-4.3.2-4], [MQTT-4.3.3-8]
        let kind = if qos == QoS::ExactlyOnce {
            self.learn(slot, id, reason);
            AckKind::PubRec
        } else {
            AckKind::PubAck
        };
        self.acknowledge(slot, kind, id, reason, waits_for, sink);
    }

    /// Remembers the id of a QoS 2 message.
    fn learn(&mut self, slot: u32, id: PacketId, reason: Reason) {
        let strikes = self.now.plus_millis(self.settings.await_rel_millis);
        let Some(s) = self.sessions.get_mut(slot) else {
            return;
        };
        // An error in PUBREC ends the exchange, so its id is free at once [MQTT-4.3.3-9]. 3.x cannot
        // say so: the exchange goes on to its PUBREL.
        if !reason.is_error() || !s.version.is_v5() {
            s.inflow.get_or_insert_default().learn(id, strikes);
            self.watch_unreleased(slot);
        }
    }

    /// Sends an acknowledgement, or queues it behind one that waits [MQTT-4.6.0-2].
    #[expect(
        clippy::inline_always,
        reason = "a call with so many arguments costs as much as it does"
    )]
    #[inline(always)]
    pub(super) fn acknowledge(
        &mut self,
        slot: u32,
        kind: AckKind,
        id: PacketId,
        reason: Reason,
        token: Option<u64>,
        sink: &mut impl Sink,
    ) {
        // A client that publishes into its own subscription may have been closed meanwhile.
        let Some(s) = self.sessions.get(slot) else {
            return;
        };
        let waits = s.inflow.as_ref().is_some_and(|i| !i.pending.is_empty());
        let waits = waits && !plant::on(Fault::AckOutOfOrder);
        if token.is_none() && !waits {
            return self.send_ack(slot, kind, id, reason, sink);
        }
        let pending = Pending {
            id,
            kind,
            reason,
            token,
        };
        self.acknowledge_later(slot, pending);
    }

    #[inline(never)]
    fn acknowledge_later(&mut self, slot: u32, pending: Pending) {
        let s = self.session_mut(slot);
        let online = s.is_online();
        let inflow = s.inflow.get_or_insert_default();
        inflow.pending.push_back(pending);
        if !online {
            inflow.forget_pending(); // closed by what it published itself
        }
    }

    /// Everything that is published comes through here: clients, wills, the broker. `writer` is named if
    /// it is retained; `route` is the topic's, where the caller has it. What has an identity is logged, whoever receives it.
    pub(super) fn publish(
        &mut self,
        what: Authorized<View<'_>>,
        writer: Option<Arc<Writer>>,
        route: Option<&Route>,
        identity: Option<Box<[u8]>>,
        sink: &mut impl Sink,
    ) -> Routed {
        let mut shot = Shot::new(what.into_inner(), self.now);
        shot.writer = writer;
        self.note_received(shot.view.topic, shot.view.qos, 1);
        if self.watch.is_some() {
            self.note_watched(&shot.view, 1, shot.view.payload.len() as u64);
        }
        let token = self.next_token();
        let mut retaining = false;
        if shot.view.retain && self.settings.retain_available {
            // [MQTT-3.3.1-5], [MQTT-3.3.1-8], and not in the session [3.1.1 MQTT-3.1.2-7]. Set before
            // it is routed, so that a later subscriber never sees an older one.
            retaining = self.retain(&mut shot, token);
        }
        let taken = match route {
            Some(_) => None,
            None => Some(self.routes.take(&mut self.router, shot.view.topic)),
        };
        let taken_route = taken.as_ref().map(|(_, route)| &**route);
        let Some(route) = route.or(taken_route) else {
            unreachable!("brought or taken");
        };
        let mut routed = self.publish_along(&mut shot, route, token, identity, sink);
        if let Some((at, route)) = taken {
            routed.found_at = Some(at);
            self.routes.put(at, route);
        }
        routed.parts += u8::from(retaining);
        routed
    }

    #[inline]
    fn publish_along(
        &mut self,
        shot: &mut Shot<'_>,
        route: &Route,
        token: u64,
        identity: Option<Box<[u8]>>,
        sink: &mut impl Sink,
    ) -> Routed {
        let receivers = !route.is_empty();
        if !receivers {
            self.note_dropped(shot.view.topic, 1);
            self.unheard(shot.view.publisher, shot.view.topic, 1);
        }
        let kept = self.settings.upgrade_qos || shot.view.qos > QoS::AtMostOnce;
        let logged = identity.is_some() || kept && route.is_logged();
        if logged {
            self.metrics.add(Counter::Logged, 1);
            // Kept for those who are away [MQTT-4.5.0-1].
            self.append(token, shot.arc(), identity);
        }
        let stored = if kept { shot.owned() } else { None };
        self.deliver_shot(shot, route, sink);
        for to in route.interest.live_shards() {
            self.mail_message(to, shot);
        }
        Routed {
            receivers,
            parts: u8::from(logged),
            token,
            stored: stored.map(|message| Again { message, logged }),
            found_at: None,
        }
    }

    /// Asks the log to take a message, unless others of its publisher wait for that already.
    pub(super) fn append(
        &mut self,
        token: u64,
        message: Arc<Message>,
        identity: Option<Box<[u8]>>,
    ) {
        if self.is_parked(message.publisher) {
            return self.refuse_append(token);
        }
        self.requests.push(Request::Append {
            token,
            from: self.fingerprint_of(message.publisher),
            message,
            identity,
        });
    }

    /// How the log names a publisher.
    pub(super) fn fingerprint_of(&self, publisher: SessionRef) -> u64 {
        match publisher.name() {
            Some(name) => name,
            None => self
                .resolve(publisher)
                .map_or(0, |slot| fingerprint(&self.session(slot).client_id)),
        }
    }

    /// To all receivers of this shard that are served at once.
    #[inline]
    pub(super) fn deliver_shot(
        &mut self,
        shot: &mut Shot<'_>,
        route: &Route,
        sink: &mut impl Sink,
    ) {
        for target in &route.targets {
            self.deliver(target, shot, route.targets.len() > 1, sink);
        }
        for group in &route.groups {
            self.dispatch(*group, shot, sink);
        }
    }

    /// The live part of a message that another shard routed here.
    pub(super) fn deliver_here(&mut self, from: u16, message: &Arc<Message>, sink: &mut impl Sink) {
        let (at, route) = self.routes.take(&mut self.router, message.topic());
        let mut shot = Shot::shared(message);
        shot.from = Some(from);
        self.deliver_shot(&mut shot, &route, sink);
        self.routes.put(at, route);
    }

    /// Publishes for the broker itself: `$SYS` and the like.
    pub fn publish_internal(
        &mut self,
        now: crate::Time,
        topic: &str,
        payload: &[u8],
        retain: bool,
        sink: &mut impl Sink,
    ) {
        self.now = now;
        let Ok(topic) = Topic::parse(topic, u16::MAX) else {
            return;
        };
        let view = View {
            publisher: SessionRef::BROKER,
            topic,
            qos: QoS::AtMostOnce,
            retain,
            expires: None,
            forwarded: &[],
            payload,
        };
        if let Ok(allowed) = self.acl.publish(&Principal::Broker, view) {
            self.publish(allowed, None, None, None, sink);
        }
    }

    #[inline]
    fn check_quota(&mut self, slot: u32, packet: &publish::Publish<'_>) -> Verdict<()> {
        match packet.id {
            Some(id) if self.session(slot).inflow.is_some() => self.check_inflow(slot, packet, id),
            _ => Ok(()),
        }
    }

    fn check_inflow(
        &mut self,
        slot: u32,
        packet: &publish::Publish<'_>,
        id: PacketId,
    ) -> Verdict<()> {
        let s = self.session(slot);
        let Some(inflow) = &s.inflow else {
            return Ok(());
        };
        // A duplicate does not count twice. 3.x knows no Receive Maximum; its ids are the bound.
        let max = if s.version.is_v5() {
            usize::from(self.settings.receive_max())
        } else {
            65_535
        };
        let releases = packet.qos == QoS::ExactlyOnce
            && inflow.awaiting_rel() >= usize::from(self.settings.awaiting_rel_max);
        let cause = if inflow.outstanding() >= max {
            Cause::ReceiveMaximum
        } else if releases {
            Cause::AwaitingRelMax
        } else {
            return Ok(());
        };
        if inflow.knows(id) {
            return Ok(());
        }
        self.metrics.add(Counter::PublishOverQuota, 1);
        Err(cause.close())
    }

    /// Sets or looks up a topic alias. True if the topic stands in `found`.
    fn resolve_alias(
        &mut self,
        slot: u32,
        packet: &publish::Publish<'_>,
        found: &mut Vec<u8>,
    ) -> Verdict<bool> {
        let Some(alias) = packet.alias else {
            // An empty topic without an alias was refused by the decoder.
            return Ok(false);
        };
        if alias > self.settings.topic_alias_max {
            // [MQTT-3.2.2-17], [MQTT-3.2.2-18], [MQTT-3.3.2-9]
            let place = "a topic alias above the announced Topic Alias Maximum";
            return Err(Cause::TopicAlias(place).close());
        }
        let s = self.session_mut(slot);
        if !packet.topic.is_empty() {
            let aliases = s.rare.make().aliases.get_or_insert_default();
            aliases.inbound.set(alias, packet.topic); // [MQTT-3.3.2-12]
            return Ok(false);
        }
        match s.rare.aliases.as_ref().and_then(|a| a.inbound.get(alias)) {
            Some(topic) => {
                found.extend_from_slice(topic.as_bytes());
                Ok(true)
            }
            // (3.3.4, non-normative)
            None => Err(protocol_error(
                "a topic alias that was not set on this connection",
            )),
        }
    }

    #[inline]
    fn check_allowed(&self, packet: &publish::Publish<'_>) -> Verdict<()> {
        if packet.qos > self.settings.qos_max {
            // [MQTT-3.2.2-11]
            let place = "a PUBLISH with a QoS above mqtt.max_qos_allowed";
            return Err(Cause::QosTooHigh(place).close());
        }
        if packet.retain && !self.settings.retain_available {
            // [MQTT-3.2.2-14]
            let place = "a retained PUBLISH although mqtt.retain_available is off";
            return Err(Cause::RetainOff(place).close());
        }
        if packet.payload.len() > self.settings.payload_bytes_max as usize {
            return Err(Cause::PayloadTooLarge.close());
        }
        Ok(())
    }
}

impl Inflow {
    /// Acknowledgements at the front that wait no more.
    pub(super) fn next_ready(&mut self) -> Option<Pending> {
        self.pending
            .front()?
            .token
            .is_none()
            .then(|| self.pending.pop_front())
            .flatten()
    }
}
