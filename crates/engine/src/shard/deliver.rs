//! A message to one subscriber: QoS, No Local, window, expiry, alias, size.

use std::sync::Arc;

use protocol::{PacketId, QoS, packet::publish};

use super::{Close, Shard, Sink};
use crate::{
    Counter, Drop, Message, QueueFull,
    limits::{GRACE_WINDOW_MILLIS, HOLD_MILLIS},
    message::View,
    router::Target,
    session::{Held, Queue, Queued, Session},
};

/// A message on its way to several receivers: owned only once somebody has to keep it.
#[derive(Debug)]
pub(super) struct Shot<'a> {
    pub(super) view: View<'a>,
    arc: Option<Arc<Message>>,
    /// Which of the layouts hold this message.
    encoded: [bool; 4],
}

impl<'a> Shot<'a> {
    pub(super) fn new(view: View<'a>) -> Self {
        Self {
            view,
            arc: None,
            encoded: [false; 4],
        }
    }

    pub(super) fn shared(message: &'a Arc<Message>) -> Self {
        Self {
            view: message.view(),
            arc: Some(message.clone()),
            encoded: [false; 4],
        }
    }

    pub(super) fn arc(&mut self) -> Arc<Message> {
        self.arc
            .get_or_insert_with(|| Arc::new(Message::new(&self.view)))
            .clone()
    }
}

/// QoS 0 packets encoded once for all equal receivers: by (version, retain).
#[derive(Debug, Default)]
pub(super) struct Layouts([Vec<u8>; 4]);

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
        let Some(s) = self.sessions.get(slot) else {
            return;
        };
        if target.flags.no_local() && self.is_publisher(shot.view.publisher, slot) {
            return; // [MQTT-3.8.3-3]
        }
        let qos = self.effective_qos(shot.view.qos, target.flags.qos());
        if s.durable.is_some() && qos > QoS::AtMostOnce {
            return;
        }
        if !s.is_online() {
            self.metrics.drop(Drop::Offline, 1);
            return;
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
    fn hand(
        &mut self,
        slot: u32,
        shot: &mut Shot<'_>,
        terms: Terms<'_>,
        held: Held,
        many: bool,
        sink: &mut impl Sink,
    ) {
        let s = self.session(slot);
        let queued = s.queue.as_ref().is_some_and(|q| !q.is_empty());
        let full = sink.out(s.conn).len() > self.settings.out_bytes_max;
        let waits = full || s.bits.blocked || (terms.qos > QoS::AtMostOnce && queued);
        if waits || !s.has_window(terms.qos) {
            if full {
                self.session_mut(slot).bits.blocked = true;
            }
            let message = shot.arc();
            self.enqueue(slot, message, terms, held, sink);
            if full {
                self.hold_publisher(slot);
            }
            return;
        }
        if terms.qos == QoS::AtMostOnce && many && terms.ids.is_empty() && s.aliases.is_none() {
            self.send_layout(slot, shot, terms.retain, sink);
        } else {
            self.send(slot, &shot.view, terms, held, sink);
        }
    }

    /// QoS 0 to one of many: the packet is encoded once per layout and copied.
    fn send_layout(&mut self, slot: u32, shot: &mut Shot<'_>, retain: bool, sink: &mut impl Sink) {
        let s = self.session(slot);
        let (conn, version, max) = (s.conn, s.version, s.packet_max as usize);
        let at = usize::from(version.is_v5()) * 2 + usize::from(retain);
        let layout = &mut self.layouts.0[at];
        if !shot.encoded[at] {
            layout.clear();
            shot.view
                .packet(self.now, version, QoS::AtMostOnce, retain, &[])
                .encode(version, layout);
            shot.encoded[at] = true;
        }
        if layout.len() > max {
            self.metrics.drop(Drop::TooLarge, 1);
            return;
        }
        sink.out(conn).extend_from_slice(layout);
        self.count_sent(QoS::AtMostOnce);
    }

    /// Writes the PUBLISH. The window was checked by the caller.
    fn send(
        &mut self,
        slot: u32,
        view: &View<'_>,
        terms: Terms<'_>,
        held: Held,
        sink: &mut impl Sink,
    ) {
        let now = self.now;
        let Some(s) = self.sessions.get_mut(slot) else {
            return;
        };
        let Terms { qos, retain, ids } = terms;
        let mut packet = view.packet(now, s.version, qos, retain, ids);
        let alias = s
            .aliases
            .as_ref()
            .and_then(|a| a.outbound.choose(packet.topic));
        if let Some((alias, known)) = alias {
            packet.alias = Some(alias);
            if known {
                packet.topic = "";
            }
        }
        if qos > QoS::AtMostOnce {
            packet.id = Some(PacketId::new(1).expect("not 0")); // the length does not depend on it
        }
        if packet.len(s.version) > s.packet_max as usize {
            // Not sent, and as if it had been [MQTT-3.1.2-25].
            self.metrics.drop(Drop::TooLarge, 1);
            self.give_up(slot, held);
            return;
        }
        if qos > QoS::AtMostOnce {
            packet.id = s.out.get_or_insert_default().start(qos, held);
            if packet.id.is_none() {
                return; // The window is at most 65,535, so an id is free.
            }
        }
        if let (Some((_, false)), Some(aliases)) = (alias, &mut s.aliases) {
            aliases.outbound.sent(packet.topic);
        }
        packet.encode(s.version, sink.out(s.conn));
        self.count_sent(qos);
    }

    /// The same message with the same id once more, DUP set [MQTT-3.3.1-1].
    #[expect(clippy::too_many_arguments, reason = "the parts of one packet")]
    pub(super) fn send_again(
        &mut self,
        slot: u32,
        message: &Message,
        qos: QoS,
        retain: bool,
        ids: &[u32],
        id: PacketId,
        sink: &mut impl Sink,
    ) {
        let s = self.session(slot);
        let view = message.view();
        let mut packet: publish::Out<'_> = view.packet(self.now, s.version, qos, retain, ids);
        packet.dup = true;
        packet.id = Some(id);
        packet.encode(s.version, sink.out(s.conn));
        self.count_sent(qos);
    }

    /// A message of the log to a session that reads it; the caller checked the window.
    pub(super) fn send_logged(
        &mut self,
        slot: u32,
        message: &Arc<Message>,
        qos: QoS,
        as_published: bool,
        ids: &[u32],
        sink: &mut impl Sink,
    ) {
        let view = message.view();
        if view.is_expired(self.now) {
            self.metrics.drop(Drop::Expired, 1); // [MQTT-3.3.2-5]
            return;
        }
        let retain = view.retain && as_published;
        let held = Held::Message {
            message: message.clone(),
            retain,
            ids: ids.into(),
        };
        if view.retain {
            self.mark_fresh(slot, view.topic.as_str());
        }
        self.send(slot, &view, Terms { qos, retain, ids }, held, sink);
    }

    /// A retained message for a new subscription: RETAIN is set [MQTT-3.3.1-8]
    /// whatever Retain As Published says.
    pub(super) fn send_retained(
        &mut self,
        slot: u32,
        message: &Arc<Message>,
        qos: QoS,
        ids: &[u32],
        sink: &mut impl Sink,
    ) {
        let keeps = self.session(slot).durable.is_some() && qos > QoS::AtMostOnce;
        let held = if keeps {
            Held::Message {
                message: message.clone(),
                retain: true,
                ids: ids.into(),
            }
        } else {
            Held::Nothing
        };
        let terms = Terms {
            qos,
            retain: true,
            ids,
        };
        self.hand(slot, &mut Shot::shared(message), terms, held, false, sink);
    }

    /// A message that a shared group picked this member for. False if it cannot take it now.
    #[expect(clippy::too_many_arguments, reason = "the parts of one delivery")]
    pub(super) fn deliver_shared(
        &mut self,
        slot: u32,
        message: &Arc<Message>,
        qos: QoS,
        as_published: bool,
        id: u32,
        held: Held,
        sink: &mut impl Sink,
    ) -> bool {
        let s = self.session(slot);
        if !s.is_online() || s.bits.blocked || !s.has_window(qos) {
            return false;
        }
        if sink.out(s.conn).len() > self.settings.out_bytes_max {
            return false;
        }
        let ids = [id];
        let ids = if id == 0 { &ids[..0] } else { &ids[..] };
        let retain = message.retain && as_published;
        let held = if qos == QoS::AtMostOnce {
            Held::Nothing
        } else {
            held
        };
        self.send(
            slot,
            &message.view(),
            Terms { qos, retain, ids },
            held,
            sink,
        );
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
        let (count_max, bytes_max) = (self.settings.queue_max, self.settings.queue_bytes_max);
        let s = self.sessions.get_mut(slot).expect("the caller found it");
        let queue = s.queue.get_or_insert_with(|| Box::new(Queue::default()));
        let mut dropped = Vec::new();
        let over = |q: &Queue| q.len() >= count_max || q.bytes() + message.bytes() > bytes_max;
        if over(queue) && self.settings.queue_full == QueueFull::Disconnect {
            let cause = "the client does not keep up and its queue is full (mqtt.queue_full)";
            self.metrics.drop(Drop::QueueFull, 1);
            let close = Close {
                reason: protocol::Reason::QUOTA_EXCEEDED,
                cause,
            };
            return self.expel(slot, close, sink);
        }
        while over(queue) {
            let Some(oldest) = queue.pop() else { break };
            dropped.push(oldest.held);
        }
        let Terms { qos, retain, ids } = terms;
        queue.push(Queued {
            message,
            qos,
            retain,
            ids: ids.into(),
            held,
        });
        self.metrics.drop(Drop::QueueFull, dropped.len() as u64);
        for held in dropped {
            self.give_up(slot, held);
        }
    }

    /// Sends what waits, as far as window and socket allow; then reads on in the log or the retained
    /// messages. Called when either has room again.
    pub(super) fn pump(&mut self, slot: u32, sink: &mut impl Sink) {
        loop {
            let Some(s) = self.sessions.get(slot) else {
                return;
            };
            if !s.is_online() {
                return;
            }
            if sink.out(s.conn).len() > self.settings.out_bytes_max {
                // Said again, or nobody would go on when the socket has taken this.
                self.session_mut(slot).bits.blocked = true;
                return;
            }
            let Some(front) = s.queue.as_ref().and_then(|q| q.front()) else {
                break;
            };
            if !s.has_window(front.qos) {
                return;
            }
            let s = self.session_mut(slot);
            let Some(next) = s.queue.as_mut().and_then(|q| q.pop()) else {
                break;
            };
            let view = next.message.view();
            if view.is_expired(self.now) {
                self.metrics.drop(Drop::Expired, 1); // [MQTT-3.3.2-5]
                self.give_up(slot, next.held);
                continue;
            }
            let terms = Terms {
                qos: next.qos,
                retain: next.retain,
                ids: &next.ids,
            };
            self.send(slot, &view, terms, next.held, sink);
        }
        self.session_mut(slot).bits.blocked = false;
        self.read_on(slot);
        self.scan_on(slot);
    }

    /// The socket of a session that was blocked has taken everything.
    pub fn drained(&mut self, now: crate::Time, session: super::SessionId, sink: &mut impl Sink) {
        self.now = now;
        if let Some(s) = self.sessions.get_mut(session.0) {
            s.bits.blocked = false;
            self.pump(session.0, sink);
        }
    }

    /// A receiver that is behind may hold back its publishers for a while in any ten seconds.
    fn hold_publisher(&mut self, slot: u32) {
        let (now, grace) = (self.now, self.settings.slow_grace_millis);
        let Some(queue) = &mut self.session_mut(slot).queue else {
            return;
        };
        if now.since(queue.grace_from) >= GRACE_WINDOW_MILLIS {
            queue.grace_from = now;
            queue.grace_used = 0;
        }
        if now >= queue.held_until {
            if queue.grace_used + HOLD_MILLIS > grace {
                return;
            }
            queue.grace_used += HOLD_MILLIS;
            queue.held_until = now.plus_millis(HOLD_MILLIS);
        }
        let until = queue.held_until;
        self.hold = Some(self.hold.map_or(until, |h| h.max(until)));
    }

    #[inline]
    fn count_sent(&mut self, qos: QoS) {
        self.metrics.add(Counter::PacketsSent, 1);
        self.metrics.sent(qos, 1);
    }
}

impl Session {
    pub(super) fn has_queue(&self) -> bool {
        self.queue.as_ref().is_some_and(|q| !q.is_empty())
    }
}
