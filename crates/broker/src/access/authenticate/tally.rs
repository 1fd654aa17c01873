//! How often an authenticator was asked and what it said.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// Seconds of one step of the rates, and steps that are kept: five minutes.
const STEP_SECS: u64 = 5;
const STEPS: usize = 60;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub total: u64,
    pub success: u64,
    pub failed: u64,
    /// It was not its business.
    pub nomatch: u64,
    /// Questions a second: now, at most, and over the last five minutes.
    pub rate: f64,
    pub rate_max: f64,
    pub rate_last5m: f64,
}

/// Of one authenticator, as long as it is there.
pub(super) struct Tally {
    success: AtomicU64,
    failed: AtomicU64,
    nomatch: AtomicU64,
    began: Instant,
    steps: Mutex<Steps>,
}

struct Steps {
    counts: [u32; STEPS],
    /// The step that is being counted.
    now: u64,
    most: u32,
}

/// What an authenticator said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Said {
    Allow,
    Deny,
    Ignore,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            success: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            nomatch: AtomicU64::new(0),
            began: Instant::now(),
            steps: Mutex::new(Steps {
                counts: [0; STEPS],
                now: 0,
                most: 0,
            }),
        }
    }

    fn step(&self) -> u64 {
        self.began.elapsed().as_secs() / STEP_SECS
    }

    pub(super) fn count(&self, said: Said) {
        let counter = match said {
            Said::Allow => &self.success,
            Said::Deny => &self.failed,
            Said::Ignore => &self.nomatch,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let now = self.step();
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.go_on(now);
        let at = index(now);
        steps.counts[at] = steps.counts[at].saturating_add(1);
        steps.most = steps.most.max(steps.counts[at]);
    }

    pub(super) fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (success, failed, nomatch) =
            (load(&self.success), load(&self.failed), load(&self.nomatch));
        let now = self.step();
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.go_on(now);
        let last = if now == 0 {
            0
        } else {
            steps.counts[index(now - 1)]
        };
        let sum: u64 = steps.counts.iter().map(|n| u64::from(*n)).sum();
        let secs = (self.began.elapsed().as_secs_f64()).clamp(1.0, span(STEP_SECS * STEPS as u64));
        Counts {
            total: success + failed + nomatch,
            success,
            failed,
            nomatch,
            rate: f64::from(last.max(steps.counts[index(now)])) / span(STEP_SECS),
            rate_max: f64::from(steps.most) / span(STEP_SECS),
            rate_last5m: span(sum) / secs,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
fn span(n: u64) -> f64 {
    n as f64
}

fn index(step: u64) -> usize {
    usize::try_from(step % STEPS as u64).unwrap_or(0)
}

impl Steps {
    /// Forgets steps that are older than those kept.
    fn go_on(&mut self, now: u64) {
        for step in (self.now + 1..=now).take(STEPS) {
            self.counts[index(step)] = 0;
        }
        self.now = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_by_answer() {
        let tally = Tally::new();
        for said in [Said::Allow, Said::Allow, Said::Deny, Said::Ignore] {
            tally.count(said);
        }
        let counts = tally.counts();
        assert_eq!(
            (counts.total, counts.success, counts.failed, counts.nomatch),
            (4, 2, 1, 1)
        );
        assert!(counts.rate > 0.0 && counts.rate_max > 0.0 && counts.rate_last5m > 0.0);
    }

    #[test]
    fn old_steps_are_forgotten() {
        let mut steps = Steps {
            counts: [1; STEPS],
            now: 0,
            most: 1,
        };
        steps.go_on(3);
        assert_eq!(steps.counts.iter().sum::<u32>(), 57);
        steps.go_on(1_000);
        assert_eq!(steps.counts.iter().sum::<u32>(), 0);
    }
}
