//! A message to one subscriber: QoS, No Local, window, expiry, alias, size.

use std::sync::Arc;

use protocol::{
    PacketId, QoS, Reason, Version,
    packet::{ack::AckKind, publish},
};

use super::{Entry, Mail, Shard, Sink, batch::Hand};
use crate::{
    Cause, Counter, Drop, Message, QueueFull, SessionRef, Time,
    acl::Writer,
    limits::HOLD_MILLIS,
    message::View,
    plant::{self, Fault},
    record::INLINE,
    router::Target,
    session::{Bit, Held, Kept, Next, Queue, Queued, Session, State},
};

/// A message on its way to several receivers: owned only once somebody has to keep it.
#[derive(Debug)]
pub(super) struct Shot<'a> {
    pub(super) view: View<'a>,
    /// When it came; 0 where that is not known.
    now: Time,
    arc: Option<Arc<Message>>,
    /// Who retains it.
    pub(super) writer: Option<Arc<Writer>>,
    /// Which of the layouts hold this message.
    encoded: [bool; 4],
    /// The shard that routed it, if that is another.
    pub(super) from: Option<u16>,
}

impl<'a> Shot<'a> {
    pub(super) fn new(view: View<'a>, now: Time) -> Self {
        Self {
            view,
            now,
            arc: None,
            writer: None,
            encoded: [false; 4],
            from: None,
        }
    }

    pub(super) fn shared(message: &'a Arc<Message>) -> Self {
        Self {
            view: message.view(),
            now: message.at,
            arc: Some(message.clone()),
            writer: None,
            encoded: [false; 4],
            from: None,
        }
    }

    /// Whether somebody keeps it already.
    pub(super) fn is_owned(&self) -> bool {
        self.arc.is_some()
    }

    /// The message, if somebody keeps it already.
    pub(super) fn owned(&self) -> Option<Arc<Message>> {
        self.arc.clone()
    }

    pub(super) fn arc(&mut self) -> Arc<Message> {
        self.arc
            .get_or_insert_with(|| {
                let mut message = Message::new(&self.view, self.now);
                message.writer = self.writer.take();
                Arc::new(message)
            })
            .clone()
    }
}

/// QoS 0 packets encoded once for all equal receivers: by (version, retain).
#[derive(Debug, Default)]
pub(super) struct Layouts([Vec<u8>; 4]);

impl Layouts {
    /// The packet as all receivers of this kind get it.
    fn of(&mut self, shot: &mut Shot<'_>, retain: bool, version: Version, now: Time) -> &[u8] {
        let at = usize::from(version.is_v5()) * 2 + usize::from(retain);
        let layout = &mut self.0[at];
        if !shot.encoded[at] {
            layout.clear();
            shot.view
                .packet(now, version, QoS::AtMostOnce, retain, &[])
                .encode(version, layout);
            shot.encoded[at] = true;
        }
        layout
    }
}

/// How one receiver gets a message.
#[derive(Clone, Copy, Debug)]
struct Terms<'a> {
    qos: QoS,
    retain: bool,
    ids: &'a [u32],
}

impl Shard {
    /// The live path. A session that reads the log gets QoS 1 and 2 from there instead.
    pub(super) fn deliver(
        &mut self,
        target: &Target,
        shot: &mut Shot<'_>,
        many: bool,
        sink: &mut impl Sink,
    ) {
        let slot = target.session;
        if target.flags.is_checked() && !self.may_receive(slot, shot.view.topic, target.flags.qos())
        {
            return;
        }
        let Some(s) = self.sessions.get(slot) else {
            return;
        };
        if target.flags.no_local()
            && !plant::on(Fault::NoLocalIgnored)
            && self.is_publisher(shot.view.publisher, slot)
        {
            self.metrics.add(Counter::NoLocal, 1);
            return; // [MQTT-3.8.3-3]
        }
        let mut qos = self.effective_qos(shot.view.qos, target.flags.qos());
        if s.rare.durable.is_some() {
            if target.flags.reads_log() && self.is_logged(shot.view.qos) {
                return;
            }
            qos = QoS::AtMostOnce; // A session that is kept is promised what is in the log.
        }
        if !s.is_online() {
            let view = &shot.view;
            return self.lose(Drop::Offline, 1, slot, view.publisher, view.topic);
        }
        let retain = shot.view.retain && target.flags.as_published(); // [MQTT-3.3.1-12], [MQTT-3.3.1-13]
        let terms = Terms {
            qos,
            retain,
            ids: &target.ids,
        };
        if shot.view.retain {
            self.mark_fresh(slot, shot.view.topic.as_str());
        }
        self.hand(slot, shot, terms, Held::Nothing, many, sink);
    }

    /// Gives a message to a session: now, or through its queue.
    #[inline]
    fn hand(
        &mut self,
        slot: u32,
        shot: &mut Shot<'_>,
        terms: Terms<'_>,
        mut held: Held,
        many: bool,
        sink: &mut impl Sink,
    ) {
        if shot.view.is_expired(self.now) {
            // On its way between shards [MQTT-3.3.2-5].
            let view = &shot.view;
            return self.lose(Drop::Expired, 1, slot, view.publisher, view.topic);
        }
        let Some(s) = self.sessions.get_mut(slot) else {
            return;
        };
        let out = sink.out(s.conn);
        let full = out.len() > self.settings.out_bytes_max;
        // What waits is not overtaken: every topic is ordered [MQTT-4.6.0-5], [MQTT-4.6.0-6].
        let queued = s.rare.queue.as_ref().is_some_and(|q| match terms.qos {
            // One that changed what is retained does not overtake what was retained before.
            QoS::AtMostOnce => q.has_qos_0() || shot.view.retain && !q.is_empty(),
            QoS::AtLeastOnce | QoS::ExactlyOnce => !q.is_empty(),
        });
        if full || queued || s.bits.has(Bit::Blocked) || !s.has_window(terms.qos) {
            return self.set_back(slot, shot, terms, held, full, sink);
        }
        if terms.qos == QoS::AtMostOnce && many && terms.ids.is_empty() && s.rare.aliases.is_none()
        {
            let layout = self.layouts.of(shot, terms.retain, s.version, self.now);
            if layout.len() <= s.rare.packet_max as usize {
                out.extend_from_slice(layout);
                s.tally.sent(QoS::AtMostOnce, 1, layout.len());
                self.metrics.sent(QoS::AtMostOnce, 1);
                self.note_sent(slot, shot.view.topic, QoS::AtMostOnce, shot.now);
            } else {
                let view = &shot.view;
                self.lose(Drop::TooLarge, 1, slot, view.publisher, view.topic);
            }
            return;
        }
        let put = s.put(&shot.view, terms, &mut held, self.now, out);
        self.note_put(slot, (&shot.view, shot.now), terms.qos, put, held);
    }

    /// What becomes of a PUBLISH that was put; it came at `received`.
    #[inline]
    fn note_put(
        &mut self,
        slot: u32,
        (view, received): (&View<'_>, Time),
        qos: QoS,
        put: Put,
        held: Held,
    ) {
        match put {
            Put::Written => {
                self.metrics.sent(qos, 1);
                self.note_sent(slot, view.topic, qos, received);
            }
            Put::Recorded(id) => {
                self.metrics.sent(qos, 1);
                self.note_sent(slot, view.topic, qos, received);
                self.save_delivery(slot, id, None);
            }
            Put::Waits(id) if qos == QoS::ExactlyOnce => self.ask_bind(slot, id),
            Put::Waits(id) => self.save_unlogged(slot, id),
            Put::TooLarge => self.cannot_send(slot, view, held),
        }
    }

    /// It has to wait: in the queue, while the publisher may be held back.
    #[cold]
    fn set_back(
        &mut self,
        slot: u32,
        shot: &mut Shot<'_>,
        terms: Terms<'_>,
        held: Held,
        full: bool,
        sink: &mut impl Sink,
    ) {
        self.session_mut(slot).bits.set_if(Bit::Blocked, full);
        let message = shot.arc();
        self.enqueue(slot, message, terms, held, sink);
        let settings = &self.settings;
        let (count_max, bytes_max) = (settings.queue_max, settings.queue_bytes_max);
        let queue = self.sessions.get(slot).and_then(|s| s.rare.queue.as_ref());
        if full || queue.is_some_and(|q| q.is_filling(count_max, bytes_max)) {
            self.note_slow(slot);
            self.hold_for(slot, shot.view.publisher);
        }
    }

    /// Larger than the client takes: not sent, and as if it had been.
    #[cold]
    fn cannot_send(&mut self, slot: u32, view: &View<'_>, held: Held) {
        self.lose(Drop::TooLarge, 1, slot, view.publisher, view.topic);
        self.refuse_shared(slot, &held);
    }

    /// Writes the PUBLISH. The window was checked by the caller.
    fn send(
        &mut self,
        slot: u32,
        (view, received): (&View<'_>, Time),
        terms: Terms<'_>,
        mut held: Held,
        sink: &mut impl Sink,
    ) {
        let now = self.now;
        let Some(s) = self.sessions.get_mut(slot) else {
            return;
        };
        let put = s.put(view, terms, &mut held, now, sink.out(s.conn));
        self.note_put(slot, (view, received), terms.qos, put, held);
    }

    /// Sends what the last connection left unfinished, or what had to wait for the store, as far as
    /// window and socket allow. False if these are what more waits for.
    pub(super) fn send_unsent(&mut self, slot: u32, sink: &mut impl Sink) -> bool {
        loop {
            let full = self.is_full(slot, sink);
            let s = self.session_mut(slot);
            let window = usize::from(s.receive_max);
            let Some(out) = s.out.as_mut().filter(|out| out.has_unsent()) else {
                return true;
            };
            if full {
                s.bits.set(Bit::Blocked);
                return false;
            }
            let id = match out.next_unsent(window) {
                Next::Send(id) => id,
                Next::Later => return false,
                Next::Nothing => return true,
            };
            let Some(entry) = out.find(id) else { continue };
            let (state, held) = (entry.state, entry.held.clone());
            let sent = std::mem::replace(&mut entry.sent, true);
            self.metrics.add(Counter::Redelivered, u64::from(sent));
            self.send_one(slot, id, state, held, sent, sink);
        }
    }

    /// A message that has its id already, with DUP if it was sent before, or its PUBREL: whatever its
    /// expiry [MQTT-4.3.3-7], [MQTT-4.3.3-13], and also where the subscription is gone
    /// [MQTT-3.10.4-3].
    fn send_one(
        &mut self,
        slot: u32,
        id: PacketId,
        state: State,
        held: Held,
        sent: bool,
        sink: &mut impl Sink,
    ) {
        if state == State::PubComp {
            // [MQTT-4.3.3-5]
            return self.send_ack(slot, AckKind::PubRel, id, Reason::SUCCESS, sink);
        }
        let Held::Message(kept) = held else {
            return;
        };
        let topic = kept.message.topic();
        if !self.may_still_receive(slot, topic, qos_of(state)) {
            return self.withdraw(slot, id, kept.number);
        }
        if !sent && (kept.message.view().is_expired(self.now) || self.is_outdated(slot, &kept)) {
            // Nothing of it has left yet [MQTT-3.3.2-5].
            self.lose(
                Drop::Expired,
                1,
                slot,
                kept.message.publisher,
                kept.message.topic(),
            );
            return self.withdraw(slot, id, kept.number);
        }
        let Kept {
            message,
            number,
            retain,
            ids,
            ..
        } = *kept;
        let qos = qos_of(state);
        let now = self.now;
        let s = self.session_mut(slot);
        let view = message.view();
        let mut packet: publish::Out<'_> = view.packet(now, s.version, qos, retain, &ids);
        packet.dup = sent && !plant::on(Fault::DupForgotten); // [MQTT-3.3.1-1]
        packet.id = Some(id);
        if packet.len(s.version) > s.rare.packet_max as usize {
            // The client takes smaller packets than before: as if it had been sent [MQTT-3.1.2-25].
            s.out.as_mut().and_then(|out| out.finish(id));
            self.lose(Drop::TooLarge, 1, slot, view.publisher, view.topic);
            return self.note_progress(slot, &[number]);
        }
        let out = sink.out(s.conn);
        let before = out.len();
        packet.encode(s.version, out);
        s.tally.sent(qos, 1, out.len() - before);
        self.metrics.sent(qos, 1);
        if !sent && self.is_measuring() {
            self.measure_sent(slot, view.topic, qos, Some(id), message.at);
        }
    }

    /// A message of the log to a session that reads it; the caller checked the window.
    pub(super) fn send_logged(
        &mut self,
        slot: u32,
        entry: &Entry,
        qos: QoS,
        as_published: bool,
        ids: &[u32],
        sink: &mut impl Sink,
    ) {
        let view = entry.message.view();
        if view.is_expired(self.now) {
            // [MQTT-3.3.2-5]
            return self.lose(Drop::Expired, 1, slot, view.publisher, view.topic);
        }
        let retain = view.retain && as_published;
        let held = Held::Message(Box::new(Kept {
            message: entry.message.clone(),
            number: entry.position,
            retain,
            ids: ids.into(),
            handed: None,
        }));
        if view.retain {
            self.mark_fresh(slot, view.topic.as_str());
        }
        let view = (&view, entry.message.at);
        self.send(slot, view, Terms { qos, retain, ids }, held, sink);
    }

    /// A retained message for a new subscription: RETAIN is set whatever Retain As Published says.
    pub(super) fn send_retained(
        &mut self,
        slot: u32,
        message: &Arc<Message>,
        qos: QoS,
        ids: &[u32],
        sink: &mut impl Sink,
    ) {
        if !self.may_still_receive(slot, message.topic(), qos) || !self.is_still_written(message) {
            return;
        }
        self.withdraw_older(slot, message);
        let keeps = self.session(slot).rare.durable.is_some() && qos > QoS::AtMostOnce;
        let held = if keeps {
            Held::Message(Box::new(Kept {
                message: message.clone(),
                number: self.next_inline(),
                retain: true,
                ids: ids.into(),
                handed: None,
            }))
        } else {
            Held::Nothing
        };
        let terms = Terms {
            qos,
            retain: true, // [3.1.1 MQTT-3.3.1-8]
            ids,
        };
        let mut shot = Shot::shared(message);
        shot.now = Time(0); // it did not take that long, it was there
        self.hand(slot, &mut shot, terms, held, false, sink);
    }

    /// A message that a shared group picked this member for. False if it cannot take it now.
    pub(super) fn deliver_shared(
        &mut self,
        slot: u32,
        home: u16,
        shot: &mut Shot<'_>,
        hand: Hand,
        sink: &mut impl Sink,
    ) -> bool {
        let Some(s) = self.sessions.get_mut(slot) else {
            return false;
        };
        if !s.is_online() || s.bits.has(Bit::Blocked) || !s.has_window(hand.qos) {
            return false;
        }
        let out = sink.out(s.conn);
        if out.len() > self.settings.out_bytes_max {
            return false;
        }
        let ids = [hand.id];
        let terms = Terms {
            qos: hand.qos,
            retain: shot.view.retain && hand.as_published,
            ids: if hand.id == 0 { &[] } else { &ids },
        };
        let durable = s.rare.durable.is_some();
        let mut held = match hand.qos {
            QoS::AtMostOnce => Held::Nothing,
            // Bound to this member before it leaves [MQTT-4.8.2-4], [MQTT-4.8.2-5].
            QoS::ExactlyOnce if durable && hand.position > 0 => {
                self.hold_leased(slot, home, shot.arc(), terms.retain, hand)
            }
            _ => Held::Shared {
                home,
                group: hand.group,
                message: shot.arc(),
                position: hand.position,
            },
        };
        let now = self.now;
        let Some(s) = self.sessions.get_mut(slot) else {
            return false;
        };
        let put = s.put(&shot.view, terms, &mut held, now, sink.out(s.conn));
        self.note_put(slot, (&shot.view, shot.now), hand.qos, put, held);
        true
    }

    fn enqueue(
        &mut self,
        slot: u32,
        message: Arc<Message>,
        terms: Terms<'_>,
        held: Held,
        sink: &mut impl Sink,
    ) {
        let (now, settings) = (self.serving, &self.settings);
        let (mut count_max, bytes_max) = (settings.queue_max, settings.queue_bytes_max);
        let s = self.sessions.get_mut(slot).expect("the caller found it");
        let queue = s
            .rare
            .make()
            .queue
            .get_or_insert_with(|| Box::new(Queue::default()));
        count_max += queue.grace.surplus(now, settings.slow_grace_millis);
        let mut dropped = Vec::new();
        let mut oldest_dropped = None;
        let over = |q: &Queue| q.len() >= count_max || q.bytes() + message.bytes() > bytes_max;
        if over(queue) && self.settings.queue_full == QueueFull::Disconnect {
            self.lose(Drop::QueueFull, 1, slot, message.publisher, message.topic());
            return self.expel(slot, Cause::QueueFull.close(), sink);
        }
        while over(queue) {
            let Some(oldest) = queue.pop() else { break };
            dropped.push(oldest.held);
            oldest_dropped.get_or_insert(oldest.message);
        }
        let Terms { qos, retain, ids } = terms;
        let queued = Queued {
            message,
            qos,
            retain,
            ids: ids.into(),
            held,
        };
        if plant::on(Fault::QueueReversed) {
            queue.push_first(queued);
        } else {
            queue.push(queued);
        }
        if let Some(lost) = oldest_dropped {
            let n = dropped.len() as u64;
            self.lose(Drop::QueueFull, n, slot, lost.publisher, lost.topic());
        }
        for held in dropped {
            self.give_up(slot, held);
        }
    }

    /// Sends what waits, as far as window and socket allow; then reads on in the log or the retained
    /// messages. Called when either has room again.
    pub(super) fn pump(&mut self, slot: u32, sink: &mut impl Sink) {
        if self.sessions.get(slot).is_none_or(|s| !s.is_online()) || !self.send_unsent(slot, sink) {
            return;
        }
        loop {
            if self.is_full(slot, sink) {
                // Without this nobody would come back when the socket has room again.
                self.session_mut(slot).bits.set(Bit::Blocked);
                return;
            }
            let s = self.session(slot);
            let Some(front) = s.rare.queue.as_ref().and_then(|q| q.front()) else {
                break;
            };
            if !s.has_window(front.qos) {
                return;
            }
            let s = self.session_mut(slot);
            let Some(next) = s.queue_mut().and_then(|q| q.pop()) else {
                break;
            };
            let view = next.message.view();
            if view.is_expired(self.now) {
                // [MQTT-3.3.2-5]
                self.lose(Drop::Expired, 1, slot, view.publisher, view.topic);
                self.give_up(slot, next.held);
                continue;
            }
            if !self.may_still_receive(slot, view.topic, next.qos) {
                self.give_up(slot, next.held);
                continue;
            }
            let terms = Terms {
                qos: next.qos,
                retain: next.retain,
                ids: &next.ids,
            };
            let received = if next.retain {
                Time(0)
            } else {
                next.message.at
            };
            self.send(slot, (&view, received), terms, next.held, sink);
        }
        let now = self.serving;
        let s = self.session_mut(slot);
        s.bits.clear(Bit::Blocked);
        if let Some(queue) = s.queue_mut() {
            queue.grace.caught_up(now);
        }
        self.read_on(slot, sink);
        self.scan_on(slot);
    }

    /// Whether no more is written for a session before its socket takes what there is.
    fn is_full(&self, slot: u32, sink: &mut impl Sink) -> bool {
        sink.out(self.session(slot).conn).len() > self.settings.out_bytes_max
    }

    /// The socket of a session that was blocked has taken everything.
    pub fn drained(&mut self, now: Time, session: super::SessionId, sink: &mut impl Sink) {
        self.now = now;
        if let Some(s) = self.sessions.get_mut(session.slot())
            && !plant::on(Fault::DrainedIgnored)
        {
            s.bits.clear(Bit::Blocked);
            self.pump(session.slot(), sink);
        }
    }

    /// A receiver that is behind holds back who publishes to it, for a while in any ten seconds.
    fn hold_for(&mut self, slot: u32, publisher: SessionRef) {
        let (now, max) = (self.serving, self.settings.slow_grace_millis);
        let queue = self.sessions.get_mut(slot).and_then(|s| s.queue_mut());
        if queue.is_some_and(|q| q.grace.hold(now, max)) {
            self.hold_publisher(publisher);
        }
    }

    /// Reads no further from a publisher for a moment.
    pub(super) fn hold_publisher(&mut self, publisher: SessionRef) {
        let until = self.now.plus_millis(HOLD_MILLIS);
        if publisher.shard == self.id {
            self.note_hold(publisher, until);
        } else if publisher.shard < self.count {
            let letter = Mail::Hold { publisher, until };
            let letters = &mut self.outbox[usize::from(publisher.shard)];
            if !matches!(letters.last(), Some(Mail::Hold { publisher: p, .. }) if *p == publisher) {
                letters.push(letter);
            }
        }
    }

    /// Holds a publisher of this shard back.
    pub(super) fn note_hold(&mut self, publisher: SessionRef, until: Time) {
        match self.holds.iter_mut().find(|(who, _)| *who == publisher) {
            Some((_, at)) => *at = until.max(*at),
            None => self.holds.push((publisher, until)),
        }
    }

    /// Until when this publisher is held back.
    pub(super) fn held_until(&mut self, slot: u32) -> Option<Time> {
        let now = self.now;
        self.holds.retain(|(_, until)| *until > now);
        let who = self.reference(slot);
        self.holds
            .iter()
            .find_map(|(publisher, until)| (*publisher == who).then_some(*until))
    }
}

/// The QoS of a PUBLISH in flight.
fn qos_of(state: State) -> QoS {
    match state {
        State::PubRec => QoS::ExactlyOnce,
        _ => QoS::AtLeastOnce,
    }
}

/// What became of a PUBLISH.
#[derive(Clone, Copy, Debug)]
enum Put {
    /// It stands in the out-buffer.
    Written,
    /// So, and the store is to know of it.
    Recorded(PacketId),
    /// It leaves when the store has its id, or that of one before it.
    Waits(PacketId),
    /// Larger than the client takes: nothing was written, nothing taken.
    TooLarge,
}

impl Session {
    /// Whether something may be sent once a message in flight is finished.
    #[inline]
    pub(super) fn waits_for_window(&self) -> bool {
        self.out.as_ref().is_some_and(|o| o.has_unsent())
            || self.has_queue()
            || self.rare.durable.is_some()
            || self.rare.scanning.is_some()
    }

    pub(super) fn has_queue(&self) -> bool {
        self.rare.queue.as_ref().is_some_and(|q| !q.is_empty())
    }

    /// Writes the PUBLISH as this client gets it, and takes `held` for it.
    #[inline]
    fn put(
        &mut self,
        view: &View<'_>,
        terms: Terms<'_>,
        held: &mut Held,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Put {
        let Terms { qos, retain, ids } = terms;
        let mut packet = view.packet(now, self.version, qos, retain, ids);
        let alias = match &self.rare.aliases {
            Some(aliases) => aliases.outbound.choose(packet.topic),
            None => None,
        };
        if let Some((alias, known)) = alias {
            packet.alias = Some(alias);
            if known {
                packet.topic = "";
            }
        }
        if !packet.surely_fits(self.rare.packet_max) {
            if qos > QoS::AtMostOnce {
                packet.id = Some(PacketId::MIN); // the length does not depend on it
            }
            if packet.len(self.version) > self.rare.packet_max as usize {
                // [MQTT-3.1.2-24], [MQTT-3.1.2-25]
                return Put::TooLarge;
            }
        }
        let mut put = Put::Written;
        if qos > QoS::AtMostOnce {
            let hasty = plant::on(Fault::PublishBeforeBound);
            let out = self.out.get_or_insert_default();
            let (recorded, binds, waits) = match held {
                Held::Message(kept) => {
                    let binds = qos == QoS::ExactlyOnce && !hasty;
                    (
                        kept.number >= INLINE || hasty,
                        binds,
                        binds || out.has_unsent(),
                    )
                }
                _ => (hasty, false, false),
            };
            let state = match qos {
                QoS::ExactlyOnce if binds => State::Binding,
                QoS::ExactlyOnce => State::PubRec,
                _ => State::PubAck,
            };
            let Some(id) = out.start(state, std::mem::take(held)) else {
                return put; // The window is at most 65,535, so an id is free.
            };
            if waits {
                // Behind what waits before it: a topic is ordered [MQTT-4.6.0-5], [MQTT-4.6.0-6].
                out.send_later(id);
                return Put::Waits(id);
            }
            if recorded {
                put = Put::Recorded(id);
            }
            packet.id = Some(id);
        }
        if let (Some((_, false)), Some(aliases)) = (alias, self.aliases_mut()) {
            aliases.outbound.sent(packet.topic);
        }
        let before = out.len();
        packet.encode(self.version, out);
        self.tally.sent(qos, 1, out.len() - before);
        put
    }

    /// QoS 0 messages wait, and another must not overtake them.
    pub(super) fn has_queued_qos_0(&self) -> bool {
        self.rare.queue.as_ref().is_some_and(|q| q.has_qos_0())
    }
}
