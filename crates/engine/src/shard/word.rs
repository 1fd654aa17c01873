//! Packets that hang on what somebody elsewhere has to say: each waits, with all that comes behind it,
//! until that was said. What needs no asking goes on at once.

use protocol::{
    QoS, SharedFilter, frame, kind,
    packet::{connect, publish, subscribe},
};

use super::{ConnId, Shard, Sink};
use crate::acl::{Access, Heard, Inquiry, Principal};

/// When a packet that waits is looked at again, if nobody says anything before.
pub(super) const WORD_MILLIS: u64 = 1_000;

impl Shard {
    /// Whether the next packet has to wait; if not, what hangs on an answer has one, or is denied.
    #[cold]
    pub(super) fn waits_for_word(&mut self, slot: u32, bytes: &[u8], sink: &mut impl Sink) -> bool {
        let limits = self.settings.limits;
        // What is wrong with a packet is said where it is taken.
        let Ok(Some(f)) = frame(bytes, limits.packet_bytes_max) else {
            return false;
        };
        let version = self.session(slot).version;
        // Nothing else arrives: a will that is let go was asked about when it came.
        self.acl.is_arriving = matches!(f.kind(), kind::PUBLISH | kind::SUBSCRIBE);
        match f.kind() {
            kind::PUBLISH => {
                let Ok(packet) = publish::decode(f.first, f.body, version, &limits, "") else {
                    return false;
                };
                let known = self.session(slot).rare.aliases.as_ref();
                let known = packet.alias.and_then(|alias| known?.inbound.get(alias));
                let topic = if packet.topic.is_empty() {
                    known.unwrap_or_default().to_owned()
                } else {
                    packet.topic.to_owned()
                };
                let Ok(meant) = self.meant(slot, &topic) else {
                    return false;
                };
                let topic = meant.topic.into_owned();
                let how = (true, packet.qos, packet.retain);
                self.waits_for(slot, how, &topic, 1, sink)
            }
            kind::SUBSCRIBE => {
                let decoded = subscribe::decode(f.first, f.body, version, &limits);
                let Ok(packet) = decoded else {
                    return false;
                };
                let count = packet.requests().count();
                packet.requests().any(|request| {
                    let rewritten = self.rewritten_filter(slot, request.filter);
                    let text = rewritten.as_deref().unwrap_or(request.filter);
                    let Ok(shared) = SharedFilter::parse(text, limits.topic_levels_max) else {
                        return false;
                    };
                    let qos = request.options.qos.min(self.settings.qos_max);
                    let filter = shared.filter.as_str();
                    self.waits_for(slot, (false, qos, false), filter, count, sink)
                })
            }
            _ => false,
        }
    }

    /// There is a place for what is said of a session.
    pub(super) fn know_access(&mut self, slot: u32, sink: &impl Sink) {
        let s = self.session(slot);
        if s.rare.access.is_none() {
            let access = self.acl.access(&s.owner, &s.client_id, sink.peer(s.conn));
            self.session_mut(slot).set_access(access);
        }
    }

    /// `count` is how many answers one packet may need.
    fn waits_for(
        &mut self,
        slot: u32,
        (publishes, qos, retain): (bool, QoS, bool),
        topic: &str,
        count: usize,
        sink: &mut impl Sink,
    ) -> bool {
        self.know_access(slot, sink);
        let s = self.session(slot);
        let inquiry = Inquiry {
            client_id: &s.client_id,
            who: &s.owner,
            publishes,
            qos,
            retain,
            topic,
            sources: 0,
        };
        let access = s.rare.access.as_deref();
        let sources = self.acl.sources(&inquiry, access, self.now);
        if sources == 0 {
            return false;
        }
        let inquiry = Inquiry { sources, ..inquiry };
        let (conn, action) = (s.conn, inquiry.action());
        match sink.outside(conn, &inquiry) {
            Heard::Waits => true,
            Heard::Failed => {
                // What was said before is too old.
                if let Some(access) = self.session_mut(slot).access_mut() {
                    access.unsay(action, topic);
                }
                false
            }
            Heard::Word(word, by) => {
                let kept = self.acl.keeps(self.now);
                let room = self.acl.keeps_most().max(count);
                if let Some(access) = self.session_mut(slot).access_mut() {
                    access.hear(action, topic, (word, by), kept, room);
                }
                false
            }
        }
    }

    /// The same for the will of a CONNECT, whose session is not there yet.
    pub(super) fn will_waits_for_word(
        &self,
        conn: ConnId,
        packet: &connect::Connect<'_>,
        (who, client_id): (&Principal, &str),
        access: Option<&mut Access>,
        sink: &mut impl Sink,
    ) -> bool {
        let (Some(will), Some(access)) = (&packet.will, access) else {
            return false;
        };
        let inquiry = Inquiry {
            client_id,
            who,
            publishes: true,
            qos: will.qos,
            retain: will.retain,
            topic: will.topic,
            sources: 0,
        };
        let sources = self.acl.sources(&inquiry, Some(access), self.now);
        if sources == 0 {
            return false;
        }
        let inquiry = Inquiry { sources, ..inquiry };
        match sink.outside(conn, &inquiry) {
            Heard::Waits => true,
            Heard::Failed => false,
            Heard::Word(word, by) => {
                let kept = self.acl.keeps(self.now);
                let room = self.acl.keeps_most();
                access.hear(inquiry.action(), will.topic, (word, by), kept, room);
                false
            }
        }
    }
}
