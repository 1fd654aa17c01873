//! An instant at which all writers stand still, so that a backup holds what was acknowledged up to
//! then and nothing of what came later.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::lock;
use super::segment::Segment;

/// The files of one writer, and how much of each counts.
pub(super) type Parts = Vec<(Arc<Segment>, u64)>;

pub(super) struct Cut {
    writers: usize,
    arrived: Mutex<Arrived>,
    all: Condvar,
}

#[derive(Default)]
struct Arrived {
    count: usize,
    parts: Parts,
    /// The last position of the keys (none) or of a shard.
    lasts: Vec<(Option<u16>, u64)>,
}

impl Cut {
    pub(super) fn new(writers: usize) -> Self {
        Self {
            writers,
            arrived: Mutex::new(Arrived::default()),
            all: Condvar::new(),
        }
    }

    /// A writer stands at this place; it goes on when all do.
    pub(super) fn reached(&self, parts: Parts, shard: Option<u16>, last: u64) {
        let mut arrived = lock(&self.arrived);
        arrived.parts.extend(parts);
        arrived.lasts.push((shard, last));

        arrived.count += 1;
        self.all.notify_all();
        while arrived.count < self.writers {
            arrived = self
                .all
                .wait(arrived)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What is there, once all have arrived: the files, and the last positions of the keys and of
    /// the shards.
    pub(super) fn wait(&self) -> (Parts, Vec<u64>) {
        let mut arrived = lock(&self.arrived);
        while arrived.count < self.writers {
            arrived = self
                .all
                .wait(arrived)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let mut lasts = std::mem::take(&mut arrived.lasts);
        lasts.sort_unstable();
        let lasts = lasts.into_iter().map(|(_, last)| last).collect();
        (std::mem::take(&mut arrived.parts), lasts)
    }
}
