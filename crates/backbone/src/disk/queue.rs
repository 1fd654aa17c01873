//! What callers hand to a writer thread. The writer takes all that has queued at once, which is
//! what makes one sync cover many appends.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lock;

pub(super) struct Queue<C> {
    waiting: Mutex<Waiting<C>>,
    more: Condvar,
}

struct Waiting<C> {
    list: Vec<C>,
    closed: bool,
}

impl<C> Queue<C> {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                list: Vec::new(),
                closed: false,
            }),
            more: Condvar::new(),
        }
    }

    /// Gives the command back if nobody takes commands any more.
    pub(super) fn push(&self, command: C) -> Result<(), C> {
        let mut waiting = lock(&self.waiting);
        if waiting.closed {
            return Err(command);
        }
        waiting.list.push(command);
        if waiting.list.len() == 1 {
            self.more.notify_one();
        }
        Ok(())
    }

    /// Takes no more; what is there is still done.
    pub(super) fn close(&self) {
        lock(&self.waiting).closed = true;
        self.more.notify_one();
    }

    /// Waits for commands, at most `time`. `None` once the queue is closed and empty.
    pub(super) fn take(&self, time: Option<Duration>) -> Option<Vec<C>> {
        let until = time.map(|time| Instant::now() + time);
        let mut waiting = lock(&self.waiting);
        while waiting.list.is_empty() {
            if waiting.closed {
                return None;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            waiting = match left {
                Some(Duration::ZERO) => return Some(Vec::new()),
                Some(left) => {
                    let waited = self.more.wait_timeout(waiting, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.more.wait(waiting);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
        Some(std::mem::take(&mut waiting.list))
    }
}
