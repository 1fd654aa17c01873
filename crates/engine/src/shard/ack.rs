//! PUBACK, PUBREC, PUBREL, PUBCOMP, in both directions.

use protocol::{
    Frame, PacketId, Reason, Version, kind,
    packet::ack::{self, AckKind},
};

use super::{Mail, Request, Shard, Sink, Verdict, refuse, store::Then};
use crate::{
    Counter,
    plant::{self, Fault},
    record::{Bucket, INLINE},
    session::{Handed, Held, State},
};

impl Shard {
    /// PUBACKs or PUBCOMPs in their shortest form, one behind the other: one event, like a run of
    /// PUBLISHes. Gives the bytes consumed; 0 if `bytes` begins with anything else.
    #[inline]
    pub(super) fn on_final_run(&mut self, slot: u32, bytes: &[u8], sink: &mut impl Sink) -> usize {
        const SHORT: u8 = 2;
        let (packets, _) = bytes.as_chunks::<4>();
        let expected = match packets.first() {
            Some([ack::PUBACK, SHORT, ..]) => State::PubAck,
            Some([ack::PUBCOMP, SHORT, ..]) => State::PubComp,
            _ => return 0,
        };
        let Some(mut out) = self.session_mut(slot).out.take() else {
            return 0;
        };
        let (first, measuring) = (bytes[0], self.is_measuring());
        let (mut count, mut missed) = (0, 0);
        // Equal ones are told together: home, group, how many.
        let mut settled: Option<(u16, u32, u32)> = None;
        let (mut progress, mut numbers) = (false, Vec::new());
        // As much of those that came from the log: home, group, which.
        let mut finished: Option<(u16, u32, Vec<u64>)> = None;
        for [kind, len, high, low] in packets {
            let Some(id) = PacketId::new(u16::from_be_bytes([*high, *low])) else {
                break; // Refused by who reads it next.
            };
            if *kind != first || *len != SHORT {
                break;
            }
            count += 1;
            let held = out.settle(id, expected);
            missed += u64::from(held.is_none());
            if measuring && held.is_some() {
                self.note_done(slot, id);
            }
            match held {
                // An answer to nothing of ours is ignored.
                None | Some(Held::Nothing) => {}
                Some(Held::Number(number)) => numbers.push(number),
                Some(Held::Message(kept)) => {
                    progress = true;
                    if kept.number >= INLINE {
                        numbers.push(kept.number);
                    }
                }
                Some(Held::Shared {
                    home,
                    group,
                    position,
                    ..
                }) if position > 0 => match &mut finished {
                    Some((h, g, positions)) if *h == home && *g == group => {
                        positions.push(position)
                    }
                    other => {
                        if let Some(done) = other.replace((home, group, vec![position])) {
                            self.mail_finished(slot, done);
                        }
                    }
                },
                Some(Held::Shared { home, group, .. }) => match &mut settled {
                    Some((h, g, n)) if *h == home && *g == group => *n += 1,
                    other => {
                        if let Some((home, group, n)) = other.replace((home, group, 1)) {
                            self.mail_settled(slot, home, group, n);
                        }
                    }
                },
            }
        }
        let s = self.session_mut(slot);
        s.out = Some(out);
        s.tally.acks_received(count as u64);
        let waits = s.waits_for_window();
        if let Some((home, group, n)) = settled {
            self.mail_settled(slot, home, group, n);
        }
        if let Some(done) = finished {
            self.mail_finished(slot, done);
        }
        if progress || !numbers.is_empty() {
            self.note_progress(slot, &numbers);
        }
        if waits {
            self.pump(slot, sink);
        }
        let (received, lost) = match expected {
            State::PubAck => (Counter::PubackReceived, Counter::PubackMissed),
            _ => (Counter::PubcompReceived, Counter::PubcompMissed),
        };
        self.metrics.add(received, count as u64);
        self.metrics.add(lost, missed);
        let settled = count as u64 - missed;
        self.metrics.add(Counter::Acknowledged, settled);
        count * 4
    }

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
        self.session_mut(slot).tally.acks_received(1);
        match kind {
            AckKind::PubAck => self.on_final(slot, packet.id, State::PubAck, sink),
            AckKind::PubComp => self.on_final(slot, packet.id, State::PubComp, sink),
            AckKind::PubRec => self.on_pubrec(slot, packet.id, packet.reason, sink),
            AckKind::PubRel => self.on_pubrel(slot, packet.id, sink),
        }
        Ok(())
    }

    /// PUBACK or PUBCOMP: the message is delivered and its id free.
    #[inline]
    fn on_final(&mut self, slot: u32, id: PacketId, expected: State, sink: &mut impl Sink) {
        let s = self.session_mut(slot);
        let Some(held) = s.out.as_mut().and_then(|o| o.settle(id, expected)) else {
            let missed = match expected {
                State::PubAck => Counter::PubackMissed,
                _ => Counter::PubcompMissed,
            };
            return self.metrics.add(missed, 1); // An answer to nothing of ours is ignored.
        };
        self.note_done(slot, id);
        let s = self.session(slot);
        let waits = s.waits_for_window();
        self.metrics.add(Counter::Acknowledged, 1);
        self.note_settled(slot, expected, &held);
        if waits {
            self.pump(slot, sink);
        }
    }

    fn on_pubrec(&mut self, slot: u32, id: PacketId, reason: Reason, sink: &mut impl Sink) {
        let s = self.session_mut(slot);
        let entry = s.out.as_mut().and_then(|o| o.find(id));
        let known = match entry {
            Some(entry) if entry.state == State::PubRec && !reason.is_error() => {
                // From here on only the id is kept [MQTT-4.3.3-6].
                if let Held::Message(kept) = &entry.held {
                    let number = kept.number;
                    entry.state = State::Releasing;
                    let held = std::mem::replace(&mut entry.held, Held::Number(number));
                    self.settle_shared(slot, &held);
                    self.ask_release(slot, id);
                    if plant::on(Fault::PubrelBeforeSaved) {
                        self.release_stored(self.reference(slot), id, sink);
                    }
                    return;
                }
                entry.state = State::PubComp;
                let held = std::mem::take(&mut entry.held);
                self.settle_shared(slot, &held);
                true
            }
            Some(entry) if entry.state == State::Releasing => {
                return self.metrics.add(Counter::PubrecInUse, 1); // PUBREL is on its way
            }
            // The client refused the message: done [MQTT-4.4.0-2].
            Some(entry) if entry.state == State::PubRec => {
                return self.on_final(slot, id, State::PubRec, sink);
            }
            Some(entry) if entry.state == State::PubComp => {
                self.metrics.add(Counter::PubrecInUse, 1);
                true
            }
            Some(_) | None => false,
        };
        if !known {
            self.metrics.add(Counter::PubrecMissed, 1);
            if reason.is_error() {
                return;
            }
        }
        let answer = if known {
            Reason::SUCCESS
        } else {
            Reason::PACKET_ID_NOT_FOUND
        };
        // [MQTT-4.3.3-4]
        self.send_ack(slot, AckKind::PubRel, id, answer, sink);
    }

    /// PUBREL: the id is forgotten, then PUBCOMP says so [MQTT-4.3.3-11].
    fn on_pubrel(&mut self, slot: u32, id: PacketId, sink: &mut impl Sink) {
        let known = self
            .session_mut(slot)
            .inflow
            .as_mut()
            .is_some_and(|i| plant::on(Fault::PubcompBeforeForget) || i.forget(id));
        let reason = if known {
            Reason::SUCCESS
        } else {
            self.metrics.add(Counter::PubrelMissed, 1);
            Reason::PACKET_ID_NOT_FOUND
        };
        let s = self.session_mut(slot);
        if s.inflow.as_ref().is_some_and(|i| i.is_empty()) {
            s.inflow = None;
        }
        // Also one that is not known here: the log may, and would swallow the next with this id.
        let token = s.identity(id).map(|identity| {
            let token = self.next_token();
            let parts = 1 + self.end_exchange(&identity, Some(token));
            self.requests.push(Request::Release {
                token: Some(token),
                identity,
            });
            let then = Then::Acknowledge(self.reference(slot), None);
            self.wait_for_store(token, parts, 0, then);
            token
        });
        let token = token.filter(|_| !plant::on(Fault::PubcompBeforeReleased));
        self.acknowledge(slot, AckKind::PubComp, id, reason, token, sink);
    }

    /// The store is told that PUBREC came, before PUBREL leaves.
    pub(super) fn ask_release(&mut self, slot: u32, id: PacketId) {
        let token = self.next_token();
        let then = Then::Release(self.reference(slot), id);
        self.wait_for_store(token, 1, 0, then);
        self.save_delivery(slot, id, Some(token));
    }

    /// The store is told which id a QoS 2 message has, before its PUBLISH leaves.
    pub(super) fn ask_bind(&mut self, slot: u32, id: PacketId) {
        let token = self.next_token();
        let then = Then::Publish(self.reference(slot), id);
        self.wait_for_store(token, 1, 0, then);
        self.save_delivery(slot, id, Some(token));
    }

    /// A delivery is finished: its group, or the session's place in the log, moves on.
    pub(super) fn note_settled(&mut self, slot: u32, state: State, held: &Held) {
        match held {
            Held::Nothing => {}
            Held::Number(number) => self.note_progress(slot, &[*number]),
            Held::Message(kept) if state == State::PubAck && kept.number < INLINE => {
                self.note_progress(slot, &[]);
            }
            Held::Message(kept) => {
                self.settle_shared(slot, held);
                self.note_progress(slot, &[kept.number]);
            }
            Held::Shared { .. } => self.settle_shared(slot, held),
        }
    }

    #[inline]
    pub(super) fn send_ack(
        &mut self,
        slot: u32,
        kind: AckKind,
        id: PacketId,
        reason: Reason,
        sink: &mut impl Sink,
    ) {
        let s = self.session_mut(slot);
        if s.is_online() {
            let out = sink.out(s.conn);
            let before = out.len();
            ack::encode(out, s.version, kind, id, reason, &[]);
            s.tally.ack_sent(out.len() - before);
            self.metrics.add(Counter::ack_sent(kind), 1);
        }
    }

    /// The session will never finish this message: a shared one goes to another member.
    pub(super) fn give_up(&mut self, slot: u32, held: Held) {
        let member = self.reference(slot);
        let (home, group, message, position) = match held {
            Held::Shared {
                home,
                group,
                message,
                position,
            } => (home, group, message, position),
            Held::Message(kept) => {
                let Some(handed) = kept.handed else { return };
                // Its record, which may be on its way to the store, goes before another has one.
                self.unlease(slot, kept.number);
                self.save_of(slot, Bucket::Delivery, kept.number, None);
                (handed.home, handed.group, kept.message, handed.position)
            }
            Held::Nothing | Held::Number(_) => return,
        };
        let letter = Mail::Back {
            group,
            member,
            message,
            position,
        };
        self.mail(home, letter);
    }

    /// The session cannot take the message, if it was a shared one: nobody else gets it.
    pub(super) fn refuse_shared(&mut self, slot: u32, held: &Held) {
        match held {
            Held::Message(kept) => {
                if let Some(handed) = kept.handed {
                    self.unlease(slot, kept.number);
                    let done = (handed.home, handed.group, vec![handed.position]);
                    self.mail_finished(slot, done);
                }
            }
            _ => self.settle_shared(slot, held),
        }
    }

    /// The session has finished the message, if it was a shared one.
    pub(super) fn settle_shared(&mut self, slot: u32, held: &Held) {
        match held {
            Held::Shared {
                home,
                group,
                position: 0,
                ..
            } => self.mail_settled(slot, *home, *group, 1),
            Held::Shared {
                home,
                group,
                position,
                ..
            } => self.mail_finished(slot, (*home, *group, vec![*position])),
            // The group parted with it when it was bound; now the member has room again.
            Held::Message(kept) => {
                if let Some(handed) = kept.handed.filter(|h| h.group != Handed::NO_GROUP) {
                    self.mail_settled(slot, handed.home, handed.group, 1);
                }
            }
            Held::Nothing | Held::Number(_) => {}
        }
    }

    /// The session has finished messages that a shared group has from the log.
    fn mail_finished(&mut self, slot: u32, (home, group, positions): (u16, u32, Vec<u64>)) {
        let member = self.reference(slot);
        let letter = Mail::Finished {
            group,
            member,
            positions,
        };
        self.mail(home, letter);
    }

    /// The session has finished `n` messages of a shared group.
    fn mail_settled(&mut self, slot: u32, home: u16, group: u32, n: u32) {
        let member = self.reference(slot);
        self.mail(home, Mail::Settled { group, member, n });
    }
}
