//! The disk backend: one node, one directory, everything in files of our own format, so that what
//! was acknowledged survives a power cut and a damaged bit costs only the record that it hits. One
//! thread writes each log shard and one the keys; reading and tidying up have threads of their own.

mod cut;
mod env;
mod files;
mod frame;
mod groups;
mod journal;
mod kv;
mod log;
mod manifest;
#[cfg(any(test, feature = "plant"))]
mod plant;
mod pool;
mod queue;
mod report;
mod reserve;
mod segment;
mod shelf;
mod stats;
mod store;
mod tap;
#[cfg(test)]
mod tests;
pub mod tools;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(feature = "plant")]
pub use plant::plant;
pub use report::{Damage, Harm, OpenError, Progress, Recovery};
pub use stats::Writes;
pub use store::{Status, Store};

use crate::{Done, Error};

/// When an append counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After the sync that covers it: it survives a power cut.
    Sync,
    /// When it was written; syncs follow in this interval. It survives the end of the process;
    /// a power cut takes at most this much.
    Interval(Duration),
    /// When it was written; the operating system syncs when it likes. It survives the end of the
    /// process.
    Os,
}

/// Something that went wrong in a running store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// Something is not as it was written.
    Damage(Damage),
    /// Something could not be done.
    Failure(String),
    /// A writer cannot go on: what is appended to it fails or, if it panicked, is never answered.
    /// The process is to end; the next start looks for itself.
    Fatal(String),
}

/// How a store is kept.
#[derive(Clone)]
pub struct Options {
    /// Where it is.
    pub dir: PathBuf,
    /// When an append counts as done.
    pub durability: Durability,
    /// Log shards of a new store; one that is there keeps its own. At least 1, at most 128.
    pub shards: u16,
    /// Bytes on disk of a log shard; the oldest segments make room.
    pub log_shard_bytes_max: u64,
    /// How old a message in the log becomes.
    pub log_age_max: Option<Duration>,
    /// Bytes of keys and values.
    pub kv_bytes_max: u64,
    /// A checkpoint of the keys is written when so many bytes, and more than half, are waste.
    pub kv_waste_bytes: u64,
    /// Bytes of a segment; room is made in these steps.
    pub segment_bytes: u64,
    /// Bytes kept for a full disk, so that keys can be deleted and cursors moved all the same; 0 for
    /// none.
    pub reserve_bytes: u64,
    /// Threads that read.
    pub readers: usize,
    /// How long a lease of a group lasts.
    pub lease: Duration,
    /// Unsettled entries of one group.
    pub lease_max: usize,
    /// Called from any thread with what goes wrong; it must be quick.
    pub trouble: Arc<dyn Fn(&Trouble) + Send + Sync>,
    /// Called each second while a store is opened; it must be quick.
    pub progress: Arc<dyn Fn(Progress) + Send + Sync>,
    #[cfg(test)]
    planted: plant::Planted,
}

impl Options {
    /// The defaults for a directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            durability: Durability::Sync,
            shards: 1,
            log_shard_bytes_max: 4 << 30,
            log_age_max: None,
            kv_bytes_max: 4 << 30,
            kv_waste_bytes: 16 << 20,
            segment_bytes: journal::SEGMENT_BYTES,
            reserve_bytes: 512 << 10,
            readers: 2,
            lease: Duration::from_secs(30),
            lease_max: 1_000,
            trouble: Arc::new(|_| {}),
            progress: Arc::new(|_| {}),
            #[cfg(test)]
            planted: plant::Planted::Nothing,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("dir", &self.dir)
            .field("durability", &self.durability)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

/// A completion that is called even if nobody gets to it.
struct Answer<T>(Option<Done<T>>);

impl<T> Answer<T> {
    fn new(done: Done<T>) -> Self {
        Self(Some(done))
    }

    fn give(mut self, result: Result<T, Error>) {
        if let Some(done) = self.0.take() {
            done(result);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(closed()));
        }
    }
}

fn closed() -> Error {
    Error::Unavailable("the store is closed".into())
}

/// Every change of state is finished before foreign code runs, so one that panicked under the lock
/// has left the state whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> Instant {
    Instant::now()
}
