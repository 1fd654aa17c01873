//! What a worker counts. Only it writes, so it needs no atomic addition; others read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// On a cache line pair of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    /// Connections that did all they do before the first message.
    pub(super) ready: Count,
    /// Connections that did not come about, or ended before the end.
    pub(super) failed: Count,
    pub(super) lost_connections: Count,
    pub(super) sent: Count,
    /// Deliveries that these messages are to make.
    pub(super) owed: Count,
    pub(super) acknowledged: Count,
    /// Messages of QoS 1 and 2 that the broker did not want.
    pub(super) refused: Count,
    pub(super) received: Count,
    pub(super) doubled: Count,
    pub(super) out_of_order: Count,
    /// Messages of others on the same topics.
    pub(super) foreign: Count,
    /// Packets that have no place here.
    pub(super) astray: Count,
}

#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.now() + more, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was counted up to a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Snapshot {
    /// Nanoseconds since the bench began.
    pub(super) at: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Time that this process had a processor, if the system tells.
    pub(super) processor: Option<Duration>,
}

/// Of all threads, user and system.
#[cfg(unix)]
pub(super) fn processor_time() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ProcessCPUTime).try_into().ok()
}

#[cfg(not(unix))]
pub(super) fn processor_time() -> Option<Duration> {
    None
}
