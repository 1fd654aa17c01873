//! QoS 1 and 2 messages coming in: ids of QoS 2 that are known, and acknowledgements that wait.

use std::collections::VecDeque;

use protocol::{PacketId, Reason, packet::ack::AckKind};

use crate::Time;

#[derive(Debug, Default)]
pub(crate) struct Inflow {
    /// One bit per packet id between PUBLISH and PUBREL [MQTT-4.3.3-10].
    known: Vec<u64>,
    /// Those that were known when the clock last struck: forgotten when it strikes again.
    aged: Vec<u64>,
    count: usize,
    /// When the clock strikes, while ids are known.
    strikes: Time,
    /// When a timer looks at this session for it.
    timer: Option<Time>,
    /// Acknowledgements leave in the order of the PUBLISHes [MQTT-4.6.0-2], [MQTT-4.6.0-3].
    pub(crate) pending: VecDeque<Pending>,
    /// Messages that the store had no room for and that are tried again.
    pub(crate) parked: u16,
    /// Known ids whose append was under way when their connection ended, with its token: known for
    /// good once the log has the message. No more than there are ids.
    pub(crate) unsure: Vec<(PacketId, u64)>,
    /// Known ids of an earlier life of the broker, which may have ended before the message was retained.
    pub(crate) earlier: Vec<PacketId>,
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

    /// The clock of the first id starts with `strikes`.
    pub(crate) fn learn(&mut self, id: PacketId, strikes: Time) {
        let (word, bit) = place(id);
        if self.count == 0 {
            self.strikes = strikes;
        }
        if word >= self.known.len() {
            self.known.resize(word + 1, 0);
        }
        if self.known[word] & bit == 0 {
            self.known[word] |= bit;
            self.count += 1;
        }
    }

    /// False if the id was not known.
    pub(crate) fn forget(&mut self, id: PacketId) -> bool {
        let (word, bit) = place(id);
        self.take_earlier(id);
        let Some(w) = self.known.get_mut(word) else {
            return false;
        };
        let known = *w & bit != 0;
        *w &= !bit; // [MQTT-4.3.3-12]
        if let Some(aged) = self.aged.get_mut(word) {
            *aged &= !bit;
        }
        self.count -= usize::from(known);
        if self.count == 0 {
            // The highest id decides how long these are.
            (self.known, self.aged) = (Vec::new(), Vec::new());
        }
        known
    }

    /// QoS 2 ids that wait for their PUBREL.
    pub(crate) fn awaiting_rel(&self) -> usize {
        self.count
    }

    /// The time for which a timer has to be set, if none stands.
    pub(crate) fn next_timer(&mut self) -> Option<Time> {
        if self.count == 0 || self.timer.is_some() {
            return None;
        }
        self.timer = Some(self.strikes);
        self.timer
    }

    /// A timer came: ids that have been known since the clock struck before are forgotten. Gives those.
    pub(crate) fn age(&mut self, now: Time, limit_millis: u64) -> Vec<PacketId> {
        if self.timer.is_some_and(|at| at <= now) {
            self.timer = None;
        }
        if self.count == 0 || self.strikes > now {
            return Vec::new();
        }
        let forgotten = |(known, aged): (&u64, &u64)| known & aged;
        let forgotten: Vec<u64> = self.known.iter().zip(&self.aged).map(forgotten).collect();
        for (known, aged) in self.known.iter_mut().zip(&self.aged) {
            *known &= !aged;
        }
        self.aged.clone_from(&self.known);
        let left = self.known.iter().map(|w| w.count_ones() as usize);
        self.count = left.sum();
        self.strikes = now.plus_millis(limit_millis);
        ids(&forgotten)
    }

    /// The QoS 2 ids that the log may know.
    pub(crate) fn known_ids(&self) -> Vec<PacketId> {
        ids(&self.known)
    }

    /// The connection ends: nothing is acknowledged on it any more.
    pub(crate) fn forget_pending(&mut self) {
        for p in std::mem::take(&mut self.pending) {
            if let (AckKind::PubRec, Some(token)) = (p.kind, p.token) {
                self.unsure.push((p.id, token));
            }
        }
    }

    /// The store has, or has not, what was asked. Gives the acknowledgement that waited for it.
    pub(crate) fn store_done(&mut self, token: u64, kept: bool) -> Option<(AckKind, PacketId)> {
        // Mostly the first: appends are done in their order.
        if let Some(p) = self.pending.iter_mut().find(|p| p.token == Some(token)) {
            p.token = None;
            if !kept {
                p.reason = Reason::QUOTA_EXCEEDED;
            }
            return Some((p.kind, p.id));
        }
        let at = self.unsure.iter().position(|u| u.1 == token)?;
        Some((AckKind::PubRec, self.unsure.swap_remove(at).0))
    }

    /// The acknowledgement that waits for a token, of this connection or an earlier one.
    pub(crate) fn waiting_for(&self, token: u64) -> Option<(AckKind, PacketId)> {
        let pending = self.pending.iter().find(|p| p.token == Some(token));
        let unsure = self.unsure.iter().find(|u| u.1 == token);
        let pending = pending.map(|p| (p.kind, p.id));
        pending.or_else(|| unsure.map(|u| (AckKind::PubRec, u.0)))
    }

    /// The append that a known id still waits for since an earlier connection; its acknowledgement waits
    /// for it now.
    pub(crate) fn take_unsure(&mut self, id: PacketId) -> Option<u64> {
        let at = self.unsure.iter().position(|u| u.0 == id)?;
        Some(self.unsure.swap_remove(at).1)
    }

    /// Whether an id has been known since an earlier life of the broker; asked once.
    pub(crate) fn take_earlier(&mut self, id: PacketId) -> bool {
        let at = self.earlier.iter().position(|e| *e == id);
        at.map(|at| self.earlier.swap_remove(at)).is_some()
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

    /// Whether nothing is known, owed or timed.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
            && self.pending.is_empty()
            && self.unsure.is_empty()
            && self.timer.is_none()
            && self.parked == 0
    }
}

/// The ids whose bits are set.
fn ids(words: &[u64]) -> Vec<PacketId> {
    let bits = |(at, word): (usize, &u64)| {
        let word = *word;
        (0..64).filter_map(move |bit| {
            let id = u16::try_from(at * 64 + bit).ok()?;
            (word & 1 << bit != 0).then(|| PacketId::new(id)).flatten()
        })
    };
    words.iter().enumerate().flat_map(bits).collect()
}

fn place(id: PacketId) -> (usize, u64) {
    let id = usize::from(id.get());
    (id / 64, 1 << (id % 64))
}
