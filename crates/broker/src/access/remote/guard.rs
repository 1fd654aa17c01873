//! What stands before a back end: how many may ask at one time, for how long, and whether it is asked at
//! all. Says in the log when it fails and when it is well again, once each.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::{Failure, breaker::Breaker};

/// Questions under way to one back end, those that wait for a connection among them.
const UNDER_WAY_MAX: usize = 10_000;

pub(crate) struct Guard {
    /// As the log calls it.
    name: String,
    timeout: Duration,
    under_way: AtomicUsize,
    breaker: Breaker,
}

/// A question under way.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Guard {
    pub(crate) fn new(name: String, timeout: Duration) -> Self {
        Self {
            name,
            timeout,
            under_way: AtomicUsize::new(0),
            breaker: Breaker::default(),
        }
    }

    /// Asks, if that may be, and waits for so long and no longer.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let place = Place(&self.under_way);
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= UNDER_WAY_MAX {
            return Err(Failure::Busy);
        }
        if !self.breaker.lets_through(Instant::now()) {
            return Err(Failure::Rests);
        }
        let answer = tokio::time::timeout(self.timeout, question).await;
        drop(place);
        let answer = answer.unwrap_or(Err(Failure::Slow));
        if self.breaker.note(answer.as_ref().err(), Instant::now()) {
            let name = &self.name;
            match &answer {
                Ok(_) => tracing::info!("{name} answers again"),
                Err(failure) => tracing::error!(
                    "{name} does not answer as it should ({failure}); whoever depends on it is \
                     refused meanwhile"
                ),
            }
        }
        answer
    }

    /// What was wrong with the last answer, if anything was.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.breaker.trouble()
    }
}
