//! What the parts of an open store share: the files, the identity, the threads that read and tidy
//! up, indexes that were read lately, and what was found wrong.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::files::Files;
use super::journal::Journal;
use super::lock;
use super::log::Packed;
use super::manifest::Left;
use super::pool::Pool;
use super::report::{Damage, Progress, Recovery};
use super::reserve::Reserve;
use super::segment::{Identity, Room};
use super::stats::Counters;
use super::{Durability, Options, Trouble};

/// Damage that is remembered; more is counted only.
const DAMAGE_MAX: usize = 1_000;
/// Bytes of indexes that are kept.
const INDEX_BYTES_MAX: usize = 64 << 20;

pub(super) struct Env {
    pub(super) files: Arc<dyn Files>,
    pub(super) dir: PathBuf,
    pub(super) identity: Identity,
    pub(super) epoch: u32,
    pub(super) options: Options,
    pub(super) readers: Pool,
    /// One thread, so that what is tidied up is so in order.
    pub(super) janitor: Pool,
    /// One thread for checkpoints, which take long.
    pub(super) keeper: Pool,
    pub(super) indexes: Indexes,
    pub(super) reserve: Reserve,
    /// Held while files are removed, and by a backup, which needs them.
    pub(super) removing: Mutex<()>,
    pub(super) found: Mutex<Found>,
    pub(super) pace: Mutex<Pace>,
}

/// How often it is told how far opening has come.
const PACE: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 1 });
/// Bytes that are read before it is seen whether it is time.
const PACE_BYTES: u64 = 1 << 20;

/// How far opening has come.
pub(super) struct Pace {
    progress: Progress,
    told: Instant,
    /// Bytes since it was seen whether it is time.
    bytes: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            progress: Progress { files: 0, bytes: 0 },
            told: Instant::now(),
            bytes: 0,
        }
    }
}

/// What was found wrong since the start.
#[derive(Default)]
pub(super) struct Found {
    pub(super) list: Vec<Damage>,
    pub(super) count: u64,
    known: HashSet<(PathBuf, u64)>,
}

impl Env {
    /// Reports damage, each place once.
    pub(super) fn found(&self, damage: Damage) {
        let mut found = lock(&self.found);
        if found.known.len() < DAMAGE_MAX
            && !found.known.insert((damage.path.clone(), damage.offset))
        {
            return;
        }
        found.count += 1;
        if found.list.len() < DAMAGE_MAX {
            found.list.push(damage.clone());
        }
        drop(found);
        (self.options.trouble)(&Trouble::Damage(damage));
    }

    /// Notes a file that was looked at while the store is opened.
    pub(super) fn looked(&self) {
        let mut pace = lock(&self.pace);
        pace.progress.files += 1;
        self.tell(&mut pace);
    }

    /// Notes bytes that were read while the store is opened.
    pub(super) fn read(&self, bytes: u64) {
        let mut pace = lock(&self.pace);
        pace.progress.bytes += bytes;
        pace.bytes += bytes;
        if pace.bytes >= PACE_BYTES {
            self.tell(&mut pace);
        }
    }

    fn tell(&self, pace: &mut Pace) {
        pace.bytes = 0;
        if pace.told.elapsed() >= PACE {
            pace.told = Instant::now();
            (self.options.progress)(pace.progress);
        }
    }

    /// Reports something that failed.
    pub(super) fn alarm(&self, what: &str) {
        (self.options.trouble)(&Trouble::Failure(what.to_owned()));
    }

    /// Reports that a writer cannot go on.
    pub(super) fn fatal(&self, what: &str) {
        (self.options.trouble)(&Trouble::Fatal(what.to_owned()));
    }

    /// What recovery found is known already.
    pub(super) fn know(&self, recovery: &Recovery) {
        let mut found = lock(&self.found);
        for damage in &recovery.damage {
            found.known.insert((damage.path.clone(), damage.offset));
        }
    }

    pub(super) fn journal(&self, dir: PathBuf, room: Room, counters: &Arc<Counters>) -> Journal {
        let files = Arc::clone(&self.files);
        let level = self.options.durability;
        let mut journal = Journal::new(files, dir, room, self.identity, self.epoch, level);
        journal.segment_bytes = self.options.segment_bytes;
        journal.counters = Arc::clone(counters);
        journal.trouble = Arc::clone(&self.options.trouble);
        #[cfg(test)]
        {
            journal.planted = self.options.planted;
        }
        journal
    }

    /// How this process leaves the store if it is cut off.
    pub(super) fn left(level: Durability) -> Left {
        match level {
            Durability::Sync => Left::Syncing,
            Durability::Interval(_) | Durability::Os => Left::Lazy,
        }
    }
}

/// Indexes that were read lately.
#[derive(Default)]
pub(super) struct Indexes(Mutex<Vec<(PathBuf, Arc<Packed>)>>);

impl Indexes {
    pub(super) fn known(&self, path: &Path) -> Option<Arc<Packed>> {
        let mut list = lock(&self.0);
        let at = list.iter().position(|(other, _)| other == path)?;
        let found = list.remove(at);
        let index = Arc::clone(&found.1);
        list.push(found);
        Some(index)
    }

    /// The ones not used for longest make room.
    pub(super) fn keep(&self, path: PathBuf, index: Arc<Packed>) {
        let mut list = lock(&self.0);
        list.retain(|(other, _)| *other != path);
        list.push((path, index));
        let mut bytes: usize = list.iter().map(|(_, index)| index.bytes()).sum();
        while bytes > INDEX_BYTES_MAX && list.len() > 1 {
            bytes -= list.remove(0).1.bytes();
        }
    }

    pub(super) fn forget(&self, path: &Path) {
        lock(&self.0).retain(|(other, _)| other != path);
    }
}
