//! What the broker tells about itself. Shards only push small records, once a pass; everything that
//! looks at them, sorts or sums is done by threads of the control plane.

pub(crate) mod alarm;
pub(crate) mod attention;
pub(crate) mod connection;
pub(crate) mod history;
pub(crate) mod loss;
mod words;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use words::Words;

/// Everything that is watched, shared by the shards and those who ask.
#[derive(Default)]
pub(crate) struct Observed {
    pub(crate) connections: connection::Log,
    pub(crate) losses: loss::Log,
    history: Mutex<history::History>,
    alarms: Mutex<alarm::Alarms>,
    attention: Mutex<attention::Board>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observed {
    pub(crate) fn history(&self) -> MutexGuard<'_, history::History> {
        lock(&self.history)
    }

    pub(crate) fn alarms(&self) -> MutexGuard<'_, alarm::Alarms> {
        lock(&self.alarms)
    }

    pub(crate) fn attention(&self) -> MutexGuard<'_, attention::Board> {
        lock(&self.attention)
    }
}
