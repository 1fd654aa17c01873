//! Pacing: under a stream of small packets a shard would wake for each of them, and most of its time
//! would go into waking, receiving and sending one at a time. From some rate on it takes a short rest
//! between passes, so that each read finds more, as network cards do with interrupts.
//!
//! It is an experiment that is judged by its result: where reads do not find more after a rest, as
//! with clients that wait for each answer, nothing is delayed.

use std::{
    thread,
    time::{Duration, Instant},
};

/// A pass and the rest after it take at least so long.
const PERIOD: Duration = Duration::from_micros(300);
/// Rate and result are counted anew after so long.
const WINDOW: Duration = Duration::from_millis(10);
/// Passes in one window from which on a rest is tried: 2,000 a second.
const FAST: u32 = 20;
/// After a rest that did not pay, the next one is tried so much later; twice as much each time, up to a
/// bound.
const BACK_OFF: Duration = Duration::from_millis(250);
const BACK_OFF_MAX: Duration = Duration::from_secs(8);

/// What a shard has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// Reads that found something.
    pub(super) reads: u64,
    pub(super) packets: u64,
}

#[derive(Debug)]
pub(super) struct Pace {
    resting: bool,
    not_before: Instant,
    back_off: Duration,
    woke: Instant,
    /// Since when the window runs, and what was done before.
    since: Instant,
    before: Work,
    passes: u32,
}

impl Pace {
    /// To be made on the thread that it paces.
    pub(super) fn new() -> Self {
        #[cfg(target_os = "linux")]
        {
            // Should it fail, a rest is 50 microseconds longer than asked for.
            let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1000));
        }
        let now = Instant::now();
        Self {
            resting: false,
            not_before: now,
            back_off: BACK_OFF,
            woke: now,
            since: now,
            before: Work::default(),
            passes: 0,
        }
    }

    /// A pass begins.
    pub(super) fn begin(&mut self, work: Work) {
        let now = Instant::now();
        self.woke = now;
        self.passes += 1;
        let window = now.duration_since(self.since);
        if window < WINDOW {
            return;
        }
        let reads = work.reads - self.before.reads;
        let packets = work.packets - self.before.packets;
        if self.resting && packets < 2 * reads {
            self.not_before = now + self.back_off;
            self.back_off = (2 * self.back_off).min(BACK_OFF_MAX);
        } else if self.resting {
            self.back_off = BACK_OFF;
        }
        let fast = self.passes >= FAST && window < 2 * WINDOW;
        // Elsewhere the shortest sleep is a millisecond or more.
        self.resting = fast && now >= self.not_before && cfg!(target_os = "linux");
        self.since = now;
        self.before = work;
        self.passes = 0;
    }

    /// A pass is over.
    pub(super) fn end(&self) {
        if self.resting {
            let left = PERIOD.saturating_sub(self.woke.elapsed());
            if !left.is_zero() {
                thread::sleep(left);
            }
        }
    }
}
