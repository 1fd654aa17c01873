//! QoS 1 and 2 messages coming in: ids of QoS 2 that are known, and acknowledgements that wait.

use std::collections::VecDeque;

use protocol::{PacketId, Reason, packet::ack::AckKind};

use crate::Time;

#[derive(Debug, Default)]
pub(crate) struct Inflow {
    /// One bit per packet id between PUBLISH and PUBREL [MQTT-4.3.3-10].
    known: Vec<u64>,
    count: usize,
    /// Acknowledgements leave in the order of the PUBLISHes [MQTT-4.6.0-2], [MQTT-4.6.0-3].
    pub(crate) pending: VecDeque<Pending>,
    /// Known ids whose append was under way when their connection ended, with its token: known for
    /// good once the log has the message. No more than there are ids.
    pub(crate) unsure: Vec<(PacketId, u64)>,
    pub(crate) touched: Time,
}

/// An acknowledgement that waits for the log, or for one before it that does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) id: PacketId,
    pub(crate) kind: AckKind,
    pub(crate) reason: Reason,
    /// The append it waits for; `None` once that is done.
    pub(crate) token: Option<u64>,
}

impl Inflow {
    pub(crate) fn knows(&self, id: PacketId) -> bool {
        let (word, bit) = place(id);
        self.known.get(word).is_some_and(|w| w & bit != 0)
    }

    pub(crate) fn learn(&mut self, id: PacketId, now: Time) {
        let (word, bit) = place(id);
        if word >= self.known.len() {
            self.known.resize(word + 1, 0);
        }
        if self.known[word] & bit == 0 {
            self.known[word] |= bit;
            self.count += 1;
        }
        self.touched = now;
    }

    /// False if the id was not known.
    pub(crate) fn forget(&mut self, id: PacketId, now: Time) -> bool {
        let (word, bit) = place(id);
        let Some(w) = self.known.get_mut(word) else {
            return false;
        };
        let known = *w & bit != 0;
        *w &= !bit;
        self.count -= usize::from(known);
        self.touched = now;
        known
    }

    /// The connection ends: nothing is acknowledged on it any more.
    pub(crate) fn forget_pending(&mut self) {
        for p in std::mem::take(&mut self.pending) {
            if let (AckKind::PubRec, Some(token)) = (p.kind, p.token) {
                self.unsure.push((p.id, token));
            }
        }
    }

    /// The log has, or has not, what was appended. Gives the id of the message that waited for it.
    pub(crate) fn append_done(&mut self, token: u64, kept: bool) -> Option<PacketId> {
        // Mostly the first: appends are done in their order.
        if let Some(p) = self.pending.iter_mut().find(|p| p.token == Some(token)) {
            p.token = None;
            if !kept {
                p.reason = Reason::QUOTA_EXCEEDED;
            }
            return Some(p.id);
        }
        let at = self.unsure.iter().position(|u| u.1 == token)?;
        Some(self.unsure.swap_remove(at).0)
    }

    /// The append that a known id still waits for since an earlier connection; its acknowledgement waits
    /// for it now.
    pub(crate) fn take_unsure(&mut self, id: PacketId) -> Option<u64> {
        let at = self.unsure.iter().position(|u| u.0 == id)?;
        Some(self.unsure.swap_remove(at).1)
    }

    /// What counts against the Receive Maximum we announced [MQTT-3.3.4-7].
    pub(crate) fn outstanding(&self) -> usize {
        // A QoS 2 id is counted by its bit already.
        self.count
            + self
                .pending
                .iter()
                .filter(|p| p.kind == AckKind::PubAck)
                .count()
    }

    pub(crate) fn clear(&mut self) -> usize {
        self.known = Vec::new();
        self.unsure = Vec::new();
        std::mem::take(&mut self.count)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0 && self.pending.is_empty() && self.unsure.is_empty()
    }
}

fn place(id: PacketId) -> (usize, u64) {
    let id = usize::from(id.get());
    (id / 64, 1 << (id % 64))
}
