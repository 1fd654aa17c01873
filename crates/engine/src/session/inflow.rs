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
        std::mem::take(&mut self.count)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0 && self.pending.is_empty()
    }
}

fn place(id: PacketId) -> (usize, u64) {
    let id = usize::from(id.get());
    (id / 64, 1 << (id % 64))
}
