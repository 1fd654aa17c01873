//! Messages that wait for a session's window or socket: bounded in count and bytes, oldest first out.

use std::{collections::VecDeque, sync::Arc};

use protocol::QoS;

use super::Held;
use crate::{
    Message, Time,
    limits::{GRACE_WINDOW_MILLIS, SURPLUS_MAX},
};

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Queued>,
    bytes: usize,
    qos_0: usize,
    pub(crate) grace: Grace,
}

/// How long who publishes to somebody slow may be held back: some milliseconds in any ten seconds,
/// counted while the receiver is behind. Times are of the shard's serving clock.
#[derive(Debug, Default)]
pub(crate) struct Grace {
    from: Time,
    used_millis: u64,
    behind_since: Option<Time>,
}

#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) ids: Box<[u32]>,
    /// What the in-flight entry will hold.
    pub(crate) held: Held,
}

impl Grace {
    /// The receiver is behind: whether who publishes to it waits.
    pub(crate) fn hold(&mut self, now: Time, max_millis: u64) -> bool {
        if now.since(self.from) >= GRACE_WINDOW_MILLIS {
            self.from = now;
            self.used_millis = 0;
            self.behind_since = None;
        }
        self.behind_since.get_or_insert(now);
        self.runs(now, max_millis)
    }

    /// Whether the receiver is behind and its publishers are held back for it.
    fn runs(&self, now: Time, max_millis: u64) -> bool {
        self.behind_since
            .is_some_and(|since| self.used_millis + now.since(since) < max_millis)
    }

    /// Messages that may wait beyond the bound meanwhile.
    pub(crate) fn surplus(&self, now: Time, max_millis: u64) -> usize {
        if self.runs(now, max_millis) {
            SURPLUS_MAX
        } else {
            0
        }
    }

    /// Nothing waits any more.
    pub(crate) fn caught_up(&mut self, now: Time) {
        if let Some(since) = self.behind_since.take() {
            self.used_millis += now.since(since);
        }
    }
}

impl Queue {
    /// More than half of what it may hold: time to slow its publishers down.
    pub(crate) fn is_filling(&self, count_max: usize, bytes_max: usize) -> bool {
        self.waiting.len() > count_max / 2 || self.bytes > bytes_max / 2
    }

    pub(crate) fn push(&mut self, queued: Queued) {
        self.bytes += queued.message.bytes();
        self.qos_0 += usize::from(queued.qos == QoS::AtMostOnce);
        self.waiting.push_back(queued);
    }

    /// Takes out what nobody wants any more. Gives how many that were.
    pub(crate) fn drop_those(&mut self, mut unwanted: impl FnMut(&Queued) -> bool) -> u64 {
        let mut dropped = 0;
        let (bytes, qos_0) = (&mut self.bytes, &mut self.qos_0);
        self.waiting.retain(|queued| {
            let goes = unwanted(queued);
            if goes {
                dropped += 1;
                *bytes -= queued.message.bytes();
                *qos_0 -= usize::from(queued.qos == QoS::AtMostOnce);
            }
            !goes
        });
        dropped
    }

    /// Only the planted fault does this.
    pub(crate) fn push_first(&mut self, queued: Queued) {
        self.push(queued);
        self.waiting.rotate_right(1);
    }

    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Queued> {
        self.waiting.iter()
    }

    pub(crate) fn front(&self) -> Option<&Queued> {
        self.waiting.front()
    }

    pub(crate) fn pop(&mut self) -> Option<Queued> {
        let queued = self.waiting.pop_front()?;
        self.bytes -= queued.message.bytes();
        self.qos_0 -= usize::from(queued.qos == QoS::AtMostOnce);
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        Some(queued)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn has_qos_0(&self) -> bool {
        self.qos_0 > 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
