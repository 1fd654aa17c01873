//! Messages that wait for a session's window or socket: bounded in count and bytes, oldest first out.

use std::{collections::VecDeque, sync::Arc};

use protocol::QoS;

use super::Held;
use crate::{Message, Time};

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Queued>,
    bytes: usize,
    qos_0: usize,
    /// Grace to hold back publishers: used in this window of ten seconds.
    pub(crate) grace_from: Time,
    pub(crate) grace_used: u64,
    pub(crate) held_until: Time,
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

impl Queue {
    pub(crate) fn push(&mut self, queued: Queued) {
        self.bytes += queued.message.bytes();
        self.qos_0 += usize::from(queued.qos == QoS::AtMostOnce);
        self.waiting.push_back(queued);
    }

    /// Only the planted fault does this.
    pub(crate) fn push_first(&mut self, queued: Queued) {
        self.push(queued);
        self.waiting.rotate_right(1);
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
