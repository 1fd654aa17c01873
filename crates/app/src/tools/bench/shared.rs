//! What the workers and the main thread know of each other.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use client::Waker;
use protocol::QoS;

use super::counts::{Count, Counts, Snapshot, processor_time};
use super::plan::Plan;
use super::track::Track;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    Connect,
    Run,
    /// Nothing is sent but what was due before.
    Drain,
    Exit,
}

pub(super) struct Shared {
    pub(super) plan: Plan,
    epoch: Instant,
    phase: AtomicU8,
    /// When messages begin and end, in nanoseconds since the bench began.
    pub(super) start: AtomicU64,
    pub(super) end: AtomicU64,
    pub(super) counts: Vec<Counts>,
    /// Of each publisher, how many messages it sent.
    pub(super) sent: Vec<AtomicU64>,
    /// And how many deliveries of these took place.
    pub(super) delivered: Vec<AtomicU64>,
    pub(super) wakers: Vec<OnceLock<Waker>>,
    /// Workers that wait until something was delivered.
    pub(super) hungry: Vec<AtomicBool>,
    /// What each shared group has seen, publisher by publisher.
    pub(super) groups: Vec<Mutex<Vec<Track>>>,
    fault: OnceLock<String>,
}

impl Shared {
    pub(super) fn new(plan: Plan) -> Self {
        fn many<T: Default>(count: usize) -> Vec<T> {
            (0..count).map(|_| T::default()).collect()
        }
        let (threads, publishers) = (plan.threads, plan.publishers);
        let groups = plan.groups.len();
        Self {
            epoch: Instant::now(),
            phase: AtomicU8::new(Phase::Connect as u8),
            start: AtomicU64::new(0),
            end: AtomicU64::new(0),
            counts: many(threads),
            sent: many(publishers),
            delivered: many(publishers),
            wakers: many(threads),
            hungry: many(threads),
            groups: (0..groups).map(|_| Mutex::new(many(publishers))).collect(),
            fault: OnceLock::new(),
            plan,
        }
    }

    /// Nanoseconds since the bench began.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        let time = self.epoch.elapsed();
        time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos())
    }

    pub(super) fn instant(&self, at: u64) -> Instant {
        self.epoch + std::time::Duration::from_nanos(at)
    }

    pub(super) fn phase(&self) -> Phase {
        let phases = [Phase::Connect, Phase::Run, Phase::Drain, Phase::Exit];
        phases[usize::from(self.phase.load(Ordering::Acquire))]
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        for waker in self.wakers.iter().filter_map(OnceLock::get) {
            waker.wake();
        }
    }

    pub(super) fn sum(&self, which: impl Fn(&Counts) -> &Count) -> u64 {
        self.counts.iter().map(|counts| which(counts).now()).sum()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            at: self.now(),
            sent: self.sum(|counts| &counts.sent),
            received: self.sum(|counts| &counts.received),
            processor: processor_time(),
        }
    }

    /// Whether everything that was sent has arrived and is acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        let answered = self.sum(|counts| &counts.acknowledged) + self.sum(|counts| &counts.refused);
        let acknowledged = self.plan.qos == QoS::AtMostOnce || answered == self.sum(|c| &c.sent);
        acknowledged && self.sum(|counts| &counts.received) >= self.sum(|counts| &counts.owed)
    }

    pub(super) fn group(&self, at: usize) -> MutexGuard<'_, Vec<Track>> {
        let lock = self.groups[at].lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    /// The first one is told.
    pub(super) fn fail(&self, why: String) {
        let _ = self.fault.set(why);
    }

    pub(super) fn first_fault(&self) -> String {
        self.fault.get().cloned().unwrap_or_default()
    }
}
