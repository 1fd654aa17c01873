//! What a running store counts, for the dashboard and for measurements. Counters only; nobody
//! decides by them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Four buckets for each doubling of the time, from a microsecond on.
const BUCKETS: usize = 128;

/// Counters of one writer.
pub(super) struct Counters {
    pub(super) records: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) sync_failures: AtomicU64,
    pub(super) write_failures: AtomicU64,
    pub(super) full: AtomicU64,
    /// 1 while the last write found no room.
    pub(super) is_full: AtomicU64,
    syncs: [AtomicU64; BUCKETS],
}

/// What one writer has done since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writes {
    /// Records written.
    pub records: u64,
    /// Bytes written, headers included, indexes and checkpoints not.
    pub bytes: u64,
    /// Writes, each of all that had queued: `records / commits` is the batch reached.
    pub commits: u64,
    /// Syncs.
    pub syncs: u64,
    /// Half of the syncs took no longer.
    pub sync_p50: Duration,
    /// 99 of 100 syncs took no longer.
    pub sync_p99: Duration,
    /// Syncs that failed; each ended the use of a file.
    pub sync_failures: u64,
    /// Writes that failed but for want of room; each ended the use of a file.
    pub write_failures: u64,
    /// Writes that found no room.
    pub full: u64,
    /// Whether the last one did, or goes on by the room that is kept for a full disk.
    pub is_full: bool,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            sync_failures: AtomicU64::new(0),
            write_failures: AtomicU64::new(0),
            full: AtomicU64::new(0),
            is_full: AtomicU64::new(0),
            syncs: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

impl Counters {
    pub(super) fn synced(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let octave = usize::try_from(micros.ilog2()).expect("below 64");
        // The two bits below the highest one.
        let quarter = usize::try_from((micros << 2 >> octave) & 3).expect("below 4");
        self.syncs[(octave * 4 + quarter).min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> Writes {
        let syncs: Vec<_> = self.syncs.iter().map(|n| n.load(Relaxed)).collect();
        let all: u64 = syncs.iter().sum();
        let percentile = |percent: u64| {
            let mut left = (all * percent).div_ceil(100);
            let bucket = syncs.iter().position(|&n| {
                left = left.saturating_sub(n);
                left == 0
            });
            let bucket = bucket.filter(|_| all > 0).map_or(0, |bucket| bucket + 1);
            // The upper end of the bucket.
            let low = 1u64 << (bucket / 4).min(60);
            Duration::from_micros(low + low * (bucket as u64 % 4) / 4)
        };
        Writes {
            records: self.records.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            commits: self.commits.load(Relaxed),
            syncs: all,
            sync_p50: percentile(50),
            sync_p99: percentile(99),
            sync_failures: self.sync_failures.load(Relaxed),
            write_failures: self.write_failures.load(Relaxed),
            full: self.full.load(Relaxed),
            is_full: self.is_full.load(Relaxed) != 0,
        }
    }
}
