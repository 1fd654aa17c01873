//! Writing at the end of the newest segment: one write and one sync for a batch, a new segment when
//! it is full or has failed. While nobody knows what of a failed batch is on the disk nothing is
//! said to be safe, not even that there was nothing to write.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::files::{Files, is_full, write_all};
use super::frame::Stamp;
#[cfg(any(test, feature = "plant"))]
use super::plant::Planted;
use super::segment::{DATA, Header, Identity, Room, Segment};
use super::stats::Counters;
use super::{Durability, Trouble};
use crate::Error;

pub(super) struct Journal {
    pub(super) files: Arc<dyn Files>,
    pub(super) dir: PathBuf,
    pub(super) room: Room,
    pub(super) identity: Identity,
    pub(super) epoch: u32,
    pub(super) level: Durability,
    pub(super) segment_bytes: u64,
    pub(super) counters: Arc<Counters>,
    /// The number of the next segment.
    pub(super) next: u64,
    /// The segment before the next one, and up to where it is valid.
    pub(super) before: u64,
    pub(super) before_len: u64,
    pub(super) active: Option<Active>,
    /// Segments that are not written to any more, until a commit tells of them.
    pub(super) retired: Vec<(Arc<Segment>, u64)>,
    /// Told when nothing can be written any more.
    pub(super) trouble: Arc<dyn Fn(&Trouble) + Send + Sync>,
    /// Why that is so.
    failed: Option<Arc<str>>,
    /// Whether a failed batch may be on the disk: so until a new segment says that it does not count.
    unsettled: bool,
    #[cfg(any(test, feature = "plant"))]
    pub(super) planted: Planted,
}

pub(super) struct Active {
    pub(super) segment: Arc<Segment>,
    pub(super) len: u64,
    /// Since when something is not synced.
    dirty: Option<Instant>,
}

/// Where a batch is now.
pub(super) struct Placed {
    pub(super) segment: Arc<Segment>,
    pub(super) offset: u64,
    /// Not empty if `segment` is a new one: those before, and their lengths.
    pub(super) retired: Vec<(Arc<Segment>, u64)>,
}

/// Writes the records with which each segment begins.
pub(super) type Begin<'a> = &'a dyn Fn(Stamp, &mut Vec<u8>);

/// Bytes of a segment, unless somebody says otherwise.
pub(super) const SEGMENT_BYTES: u64 = 64 << 20;

impl Journal {
    /// A journal that begins in an empty directory.
    pub(super) fn new(
        files: Arc<dyn Files>,
        dir: PathBuf,
        room: Room,
        identity: Identity,
        epoch: u32,
        level: Durability,
    ) -> Self {
        Self {
            files,
            dir,
            room,
            identity,
            epoch,
            level,
            segment_bytes: SEGMENT_BYTES,
            counters: Arc::default(),
            next: 1,
            before: 0,
            before_len: 0,
            active: None,
            retired: Vec::new(),
            trouble: Arc::new(|_| {}),
            failed: None,
            unsettled: false,
            #[cfg(any(test, feature = "plant"))]
            planted: Planted::chosen(),
        }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp {
            salt: self.identity.salt,
            epoch: self.epoch,
        }
    }

    /// Writes records whose first position is `first`; `Ok` means safe at the level chosen. `None`
    /// if there was nothing to write: then everything that was decided before is safe, too, so that
    /// whoever asked for what is so already may be told.
    pub(super) fn commit(
        &mut self,
        bytes: &[u8],
        first: u64,
        begin: Begin<'_>,
    ) -> Result<Option<Placed>, Error> {
        if let Some(failed) = &self.failed {
            return Err(Error::Fatal(Arc::clone(failed)));
        }
        if bytes.is_empty() && !self.unsettled {
            return Ok(None);
        }
        self.write(bytes, first, begin).map(Some)
    }

    /// The same where also nothing is to be written, into a segment that begins with something.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        first: u64,
        begin: Begin<'_>,
    ) -> Result<Placed, Error> {
        let used = self.active.as_ref().map_or(0, |active| active.len);
        if used > DATA && used + bytes.len() as u64 > self.segment_bytes {
            self.sync_rest();
            self.retire();
        }
        let (mut failure, mut begun) = (None, false);
        // What fails but for want of room ends the use of its segment; the next one is the last
        // chance.
        for _ in 0..2 {
            match self.try_commit(bytes, first, begin) {
                Ok(offset) => {
                    self.counters.is_full.store(0, Relaxed);
                    self.counters.commits.fetch_add(1, Relaxed);
                    self.counters.bytes.fetch_add(bytes.len() as u64, Relaxed);
                    let active = self.active.as_mut().expect("it was just written to");
                    active.len = offset + bytes.len() as u64;
                    return Ok(Placed {
                        segment: Arc::clone(&active.segment),
                        offset,
                        retired: std::mem::take(&mut self.retired),
                    });
                }
                Err(error) if is_full(&error) => {
                    self.counters.full.fetch_add(1, Relaxed);
                    self.counters.is_full.store(1, Relaxed);
                    let why = error.to_string().into();
                    // Only if the attempt before this one cannot have left it somewhere.
                    return Err(if begun {
                        Error::Unavailable(why)
                    } else {
                        Error::Full(why)
                    });
                }
                Err(error) => {
                    // Without a segment nothing was written.
                    begun |= self.active.is_some();
                    self.unsettled |= begun;
                    self.retire();
                    failure = Some(error);
                }
            }
        }
        let error = failure.expect("both attempts failed");
        let message = format!("{}: {error}", self.dir.display());
        (self.trouble)(&Trouble::Fatal(message.clone()));
        let failed = Arc::<str>::from(message);
        self.failed = Some(Arc::clone(&failed));
        Err(Error::Fatal(failed))
    }

    /// Whether nothing can be written any more.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Makes everything safe and stops using the active segment. Gives whether it is known what is
    /// there, so that the next start need not look.
    pub(super) fn end(&mut self) -> bool {
        self.sync_rest();
        self.retire();
        !self.unsettled && !self.has_failed()
    }

    /// Syncs what was acknowledged without, if its time has come. Gives when to call again.
    pub(super) fn sync_due(&mut self) -> Option<Duration> {
        let Durability::Interval(interval) = self.level else {
            return None;
        };
        let since = self.active.as_ref()?.dirty?;
        let left = interval.saturating_sub(since.elapsed());
        if left.is_zero() {
            self.sync_rest();
            return None;
        }
        Some(left)
    }

    /// Syncs what was acknowledged without. If that fails the segment is not used any more.
    pub(super) fn sync_rest(&mut self) {
        let Some(active) = &mut self.active else {
            return;
        };
        if active.dirty.take().is_some() && Self::sync(active, &self.counters).is_err() {
            self.unsettled = true;
            self.retire();
        }
    }

    fn try_commit(&mut self, bytes: &[u8], first: u64, begin: Begin<'_>) -> io::Result<u64> {
        if self.active.is_none() {
            self.active = Some(self.create(first, begin)?);
            self.unsettled = false;
        }
        let active = self.active.as_mut().expect("it was just made");
        let offset = active.len;
        if let Err(error) = write_all(&*active.segment.file, bytes, offset) {
            let file = &active.segment.file;
            if !is_full(&error) {
                self.counters.write_failures.fetch_add(1, Relaxed);
                // Best effort: the next segment's header says that it does not count.
                let _ = file.truncate(offset);
                return Err(error);
            }
            // Whole records of the batch may be there: they must not come back after a power cut,
            // because the caller is told that nothing was written.
            return match file.truncate(offset).and_then(|()| file.sync()) {
                Ok(()) => Err(error),
                Err(_) => Err(io::Error::other(error.to_string())),
            };
        }
        #[cfg(any(test, feature = "plant"))]
        if self.planted == Planted::AckBeforeSync {
            return Ok(offset);
        }
        if self.level == Durability::Sync {
            let synced = Self::sync(active, &self.counters);
            // Even if the system says "full": which pages it has dropped nobody knows.
            synced.map_err(|error| io::Error::other(error.to_string()))?;
        } else {
            active.dirty.get_or_insert_with(Instant::now);
        }
        Ok(offset)
    }

    fn sync(active: &Active, counters: &Counters) -> io::Result<()> {
        let begun = Instant::now();
        let synced = active.segment.file.sync();
        counters.synced(begun.elapsed());
        if synced.is_err() {
            counters.sync_failures.fetch_add(1, Relaxed);
        }
        synced
    }

    fn create(&mut self, first: u64, begin: Begin<'_>) -> io::Result<Active> {
        let header = Header {
            identity: self.identity,
            room: self.room,
            number: self.next,
            first,
            before: self.before,
            before_len: self.before_len,
            epoch: self.epoch,
            made_secs: u32::try_from(now_secs()).unwrap_or(u32::MAX),
        };
        let mut records = Vec::new();
        begin(header.stamp(), &mut records);
        #[cfg(any(test, feature = "plant"))]
        let sync_dir = self.planted != Planted::NoDirSync;
        #[cfg(not(any(test, feature = "plant")))]
        let sync_dir = true;
        // Whatever becomes of it, its number is used.
        self.next += 1;
        let segment = Segment::create(&*self.files, &self.dir, &header, &records, sync_dir)?;
        Ok(Active {
            segment: Arc::new(segment),
            len: DATA + records.len() as u64,
            dirty: None,
        })
    }

    /// Stops using the active segment.
    pub(super) fn retire(&mut self) {
        if let Some(active) = self.active.take() {
            (self.before, self.before_len) = (active.segment.number, active.len);
            self.retired.push((active.segment, active.len));
        }
    }
}

pub(super) fn now_secs() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
