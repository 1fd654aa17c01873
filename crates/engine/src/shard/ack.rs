//! PUBACK, PUBREC, PUBREL, PUBCOMP, in both directions.

use protocol::{
    Frame, PacketId, Reason, Version, kind,
    packet::ack::{self, AckKind},
};

use super::{Shard, Sink, Verdict, refuse};
use crate::{
    Counter, Drop,
    plant::{self, Fault},
    session::{Held, State},
};

impl Shard {
    #[inline]
    pub(super) fn on_ack(
        &mut self,
        slot: u32,
        f: &Frame<'_>,
        version: Version,
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        let limits = self.settings.limits;
        let kind = match f.kind() {
            kind::PUBACK => AckKind::PubAck,
            kind::PUBREC => AckKind::PubRec,
            kind::PUBREL => AckKind::PubRel,
            _ => AckKind::PubComp,
        };
        let packet = ack::decode(kind, f.first, f.body, version, &limits).map_err(refuse)?;
        match kind {
            AckKind::PubAck => self.on_final(slot, packet.id, State::PubAck, sink),
            AckKind::PubComp => self.on_final(slot, packet.id, State::PubComp, sink),
            AckKind::PubRec => self.on_pubrec(slot, packet.id, packet.reason, sink),
            AckKind::PubRel => self.on_pubrel(slot, packet.id, sink),
        }
        Ok(())
    }

    /// PUBACK or PUBCOMP: the message is delivered and its id free [MQTT-4.3.2-5], [MQTT-4.3.3-8].
    #[inline]
    fn on_final(&mut self, slot: u32, id: PacketId, expected: State, sink: &mut impl Sink) {
        let s = self.session_mut(slot);
        let Some(out) = &mut s.out else { return };
        if out.find(id).is_none_or(|e| e.state != expected) {
            return; // An answer to nothing of ours is ignored.
        }
        let held = out.finish(id).unwrap_or_default();
        let again = out.has_again();
        let waits = again || s.has_queue() || s.durable.is_some() || s.scanning.is_some();
        self.settle_shared(slot, &held);
        if waits {
            self.pump(slot, sink);
        }
    }

    fn on_pubrec(&mut self, slot: u32, id: PacketId, reason: Reason, sink: &mut impl Sink) {
        let s = self.session_mut(slot);
        let version = s.version;
        let entry = s.out.as_mut().and_then(|o| o.find(id));
        let known = match entry {
            Some(entry) if entry.state == State::PubRec && !reason.is_error() => {
                // From here on only the id is kept [MQTT-4.3.3-6].
                entry.state = State::PubComp;
                let held = std::mem::take(&mut entry.held);
                self.settle_shared(slot, &held);
                true
            }
            Some(entry) if entry.state == State::PubRec => {
                // The client refused the message: done [MQTT-4.3.3-4].
                return self.on_final(slot, id, State::PubRec, sink);
            }
            Some(entry) => entry.state == State::PubComp,
            None => false,
        };
        if !known && reason.is_error() {
            return;
        }
        let answer = if known {
            Reason::SUCCESS
        } else {
            Reason::PACKET_ID_NOT_FOUND
        };
        let conn = self.session(slot).conn;
        ack::encode(sink.out(conn), version, AckKind::PubRel, id, answer, &[]);
        self.metrics.add(Counter::PacketsSent, 1);
    }

    /// PUBREL: the id is forgotten, then PUBCOMP says so [MQTT-4.3.3-11].
    fn on_pubrel(&mut self, slot: u32, id: PacketId, sink: &mut impl Sink) {
        let now = self.now;
        let known = self
            .session_mut(slot)
            .inflow
            .as_mut()
            .is_some_and(|i| plant::on(Fault::PubcompBeforeForget) || i.forget(id, now));
        let reason = if known {
            Reason::SUCCESS
        } else {
            Reason::PACKET_ID_NOT_FOUND
        };
        let s = self.session_mut(slot);
        if s.inflow.as_ref().is_some_and(|i| i.is_empty()) {
            s.inflow = None;
        }
        self.acknowledge(slot, AckKind::PubComp, id, reason, None, sink);
    }

    pub(super) fn send_ack(
        &mut self,
        slot: u32,
        kind: AckKind,
        id: PacketId,
        reason: Reason,
        sink: &mut impl Sink,
    ) {
        let s = self.session(slot);
        if s.is_online() {
            ack::encode(sink.out(s.conn), s.version, kind, id, reason, &[]);
            self.metrics.add(Counter::PacketsSent, 1);
        }
    }

    /// The session will never finish this message: a shared one goes to another member.
    pub(super) fn give_up(&mut self, slot: u32, held: Held) {
        if let Held::Shared {
            home,
            group,
            message,
        } = held
        {
            let member = self.reference(slot);
            self.mail(
                home,
                super::Mail::Back {
                    group,
                    member,
                    message,
                },
            );
        }
    }

    pub(super) fn settle_shared(&mut self, slot: u32, held: &Held) {
        if let Held::Shared { home, group, .. } = held {
            let member = self.reference(slot);
            self.mail(
                *home,
                super::Mail::Settled {
                    group: *group,
                    member,
                },
            );
        }
    }

    /// Counts what a session leaves behind when it ends.
    pub(super) fn count_lost(&mut self, n: usize) {
        self.metrics.drop(Drop::ConnectionLost, n as u64);
    }
}
