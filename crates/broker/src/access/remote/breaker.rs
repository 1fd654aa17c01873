//! A back end that does not answer is left alone for a while, so that nobody waits for it in vain and it
//! can get up again; then one question tries whether it is there.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::Failure;

/// So many questions in a row without an answer.
const FAILURES_MAX: u32 = 5;
/// How long it is left alone then.
const REST_FOR: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    /// In a row.
    failures: u32,
    rests_until: Option<Instant>,
    /// Of the last question, if that failed.
    trouble: Option<String>,
}

impl Breaker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it may be asked. Of many who want to after a rest, one may.
    pub(super) fn lets_through(&self, now: Instant) -> bool {
        let mut state = self.state();
        if state.failures < FAILURES_MAX {
            return true;
        }
        if state.rests_until.is_some_and(|until| now < until) {
            return false;
        }
        state.rests_until = Some(now + REST_FOR);
        true
    }

    /// Notes what came of a question; true if that is news.
    pub(super) fn note(&self, failure: Option<&Failure>, now: Instant) -> bool {
        let mut state = self.state();
        let was_well = state.trouble.is_none();
        state.trouble = failure.map(ToString::to_string);
        match failure {
            // Whoever answers nonsense is there.
            None | Some(Failure::Odd(_)) => state.failures = 0,
            // These say nothing about it.
            Some(Failure::Busy | Failure::Rests) => {}
            Some(Failure::Slow | Failure::Down(_)) => {
                state.failures = state.failures.saturating_add(1);
                if state.failures >= FAILURES_MAX {
                    state.rests_until = Some(now + REST_FOR);
                }
            }
        }
        was_well != state.trouble.is_none()
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some failures in a row, and it has rest; then one question may try; an answer ends it.
    #[test]
    fn rest_and_probe() {
        let breaker = Breaker::default();
        let mut now = Instant::now();
        let down = Failure::Down("refused".to_owned());
        for n in 0..FAILURES_MAX {
            assert!(breaker.lets_through(now), "{n}");
            assert_eq!(breaker.note(Some(&down), now), n == 0);
        }
        assert!(!breaker.lets_through(now));
        assert_eq!(breaker.trouble().as_deref(), Some("refused"));
        now += REST_FOR;
        assert!(breaker.lets_through(now), "a probe");
        assert!(!breaker.lets_through(now), "one of them");
        breaker.note(Some(&Failure::Slow), now);
        assert!(!breaker.lets_through(now));
        now += REST_FOR;
        assert!(breaker.lets_through(now));
        assert!(breaker.note(None, now), "it is well again");
        assert!(breaker.lets_through(now) && breaker.lets_through(now));
        assert_eq!(breaker.trouble(), None);
    }

    /// Nonsense is trouble and no reason to stop asking; and a success between two failures counts.
    #[test]
    fn what_does_not_count() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..FAILURES_MAX {
            breaker.note(Some(&Failure::Odd("what?".to_owned())), now);
            breaker.note(Some(&Failure::Slow), now);
        }
        assert!(breaker.lets_through(now));
        assert!(breaker.trouble().is_some());
    }
}
