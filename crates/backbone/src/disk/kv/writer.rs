//! The one thread that writes keys. It decides compare-and-set in the order of the calls, with what
//! it has decided before but not yet written, and completes them after the sync.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::super::cut::Cut;
use super::super::env::Env;
use super::super::frame::{Kind, push};
use super::super::journal::Journal;
use super::super::lock;
use super::super::segment::Segment;
use super::checkpoint::Checkpoint;
use super::{Keys, Slot, encode, id};
use crate::{Blob, Change, Done, Error, Value, Write};

/// Bytes of key and value that may be written on a full disk if the key is there.
const SMALL: usize = 4 << 10;

/// From so many bytes on a batch is written although more has queued.
const BATCH_BYTES: usize = 1 << 20;

pub(in crate::disk) enum Command {
    Put {
        bucket: Arc<str>,
        batch: Vec<Write>,
        done: Done<Vec<u64>>,
    },
    Cas {
        bucket: Arc<str>,
        write: Write,
        expect: u64,
        done: Done<u64>,
    },
    Cut(Arc<Cut>),
}

pub(in crate::disk) struct Writer {
    pub(in crate::disk) env: Arc<Env>,
    pub(in crate::disk) keys: Arc<Keys>,
    pub(in crate::disk) journal: Journal,
    /// The revision of the next write.
    pub(in crate::disk) next: u64,
    pub(in crate::disk) batch: Batch,
    pub(in crate::disk) checkpoint: Arc<Checkpoint>,
}

#[derive(Default)]
pub(in crate::disk) struct Batch {
    bytes: Vec<u8>,
    writes: Vec<Written>,
    /// What this batch makes of keys: revision and bytes; `None` if deleted.
    overlay: HashMap<(Arc<str>, Blob), Current>,
    /// Bytes that keys and values grow by.
    growth: i64,
    calls: Vec<Call>,
}

/// What a key is: revision and bytes, or absent.
type Current = Option<(u64, u64)>;

struct Written {
    bucket: Arc<str>,
    key: Blob,
    value: Option<Blob>,
    rev: u64,
    at: usize,
    len: u32,
}

/// A call whose writes are in a batch, and what was decided on it.
struct Call {
    bucket: Arc<str>,
    writes: Vec<Write>,
    done: Answer,
    decided: Result<Vec<u64>, Error>,
}

enum Answer {
    Put(Done<Vec<u64>>),
    /// With the revision that is expected.
    Cas(Done<u64>, u64),
}

impl Writer {
    /// Works until the queue is closed and empty; then all is safe, whatever the level. Gives the
    /// last revision and the newest segment, or `None` if it is not known what is there.
    pub(in crate::disk) fn run(mut self) -> Option<(u64, u64)> {
        let keys = Arc::clone(&self.keys);
        while let Some(commands) = keys.queue.take(self.journal.sync_due()) {
            for command in commands {
                match command {
                    Command::Put {
                        bucket,
                        batch,
                        done,
                    } => self.take(bucket, batch, Answer::Put(done), None),
                    Command::Cas {
                        bucket,
                        write,
                        expect,
                        done,
                    } => self.take(bucket, vec![write], Answer::Cas(done, expect), None),
                    Command::Cut(cut) => {
                        self.write();
                        self.cut(&cut);
                    }
                }
                if self.batch.bytes.len() >= BATCH_BYTES {
                    self.write();
                }
            }
            self.write();
        }
        let known = self.journal.end();
        let state = lock(&keys.state);
        let mut files = state.files.keys();
        let newest = files.rfind(|&&file| file % 2 == 0);
        known.then_some((self.next - 1, newest.map_or(0, |file| u64::from(file / 2))))
    }

    /// The revision and bytes of a key, with what was decided but not yet written.
    fn current(&self, bucket: &Arc<str>, key: &Blob) -> Current {
        let overlay = &self.batch.overlay;
        if !overlay.is_empty()
            && let Some(&known) = overlay.get(&(Arc::clone(bucket), Arc::clone(key)))
        {
            return known;
        }
        let slot = lock(&self.keys.state).slot(bucket, key)?;
        Some((slot.rev, super::value_bytes(bucket, slot.len)))
    }

    /// Decides on a call and gathers its writes. `full` is why there is only room for what is necessary.
    fn take(
        &mut self,
        bucket: Arc<str>,
        writes: Vec<Write>,
        done: Answer,
        full: Option<&Arc<str>>,
    ) {
        let decided = self.decide(&bucket, &writes, &done, full);
        self.batch.calls.push(Call {
            bucket,
            writes,
            done,
            decided,
        });
    }

    /// The revisions of its writes; 0 where there was nothing to delete.
    fn decide(
        &mut self,
        bucket: &Arc<str>,
        writes: &[Write],
        done: &Answer,
        full: Option<&Arc<str>>,
    ) -> Result<Vec<u64>, Error> {
        if let Answer::Cas(_, expect) = done {
            let current = writes
                .first()
                .and_then(|(key, _)| self.current(bucket, key));
            let current = current.map_or(0, |(rev, _)| rev);
            if current != *expect {
                return Err(Error::Conflict { current });
            }
        }
        if let Some(why) = full
            && !self.is_necessary(bucket, writes)
        {
            return Err(Error::Full(Arc::clone(why)));
        }
        self.check_room(bucket, writes)?;
        let add = |(key, value): &Write| self.add(bucket, Arc::clone(key), value.clone());
        Ok(writes.iter().map(add).collect())
    }

    /// Only what grows can be refused, so that deleting always works.
    fn check_room(&self, bucket: &Arc<str>, batch: &[Write]) -> Result<(), Error> {
        if self.env.reserve.is_short() && !self.is_necessary(bucket, batch) {
            return Err(Error::Full("the disk is full".into()));
        }
        let (mut more, mut less) = (0, 0);
        for (key, value) in batch {
            more += value.as_ref().map_or(0, |value| key.len() + value.len()) as u64;
            less += self.current(bucket, key).map_or(0, |(_, bytes)| bytes);
        }
        let bytes = lock(&self.keys.state)
            .bytes
            .saturating_add_signed(self.batch.growth);
        if more > less && bytes + more - less > self.env.options.kv_bytes_max {
            return Err(Error::Full("the limit of bytes for records".into()));
        }
        Ok(())
    }

    /// Whether this is written on a full disk, too: deletions, which make room, and small values of
    /// keys that are there, such as cursors, by which the log is trimmed.
    fn is_necessary(&self, bucket: &Arc<str>, batch: &[Write]) -> bool {
        batch.iter().all(|(key, value)| match value {
            None => true,
            Some(value) => key.len() + value.len() <= SMALL && self.current(bucket, key).is_some(),
        })
    }

    fn add(&mut self, bucket: &Arc<str>, key: Blob, value: Option<Blob>) -> u64 {
        let current = self.current(bucket, &key);
        if value.is_none() && current.is_none() {
            return 0;
        }
        let rev = self.next;
        self.next += 1;
        let at = self.batch.bytes.len();
        let kind = if value.is_some() {
            Kind::Put
        } else {
            Kind::Del
        };
        push(
            &mut self.batch.bytes,
            self.journal.stamp(),
            kind,
            rev,
            |out| {
                encode(bucket, &key, value.as_deref().unwrap_or_default(), out);
            },
        );
        let len = self.batch.bytes.len() - at;
        let bytes = value.as_ref().map(|value| (key.len() + value.len()) as u64);
        let old = current.map_or(0, |(_, bytes)| bytes);
        self.batch.growth += i64::try_from(bytes.unwrap_or(0)).unwrap_or(i64::MAX)
            - i64::try_from(old).unwrap_or(i64::MAX);
        self.batch.overlay.insert(
            (Arc::clone(bucket), Arc::clone(&key)),
            bytes.map(|bytes| (rev, bytes)),
        );
        self.batch.writes.push(Written {
            bucket: Arc::clone(bucket),
            key,
            value,
            rev,
            at,
            len: u32::try_from(len).expect("a record is bounded"),
        });
        rev
    }

    /// Writes what was gathered, shows it, and completes the calls.
    fn write(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        let mut written = self.commit(&batch);
        if let Err(Error::Full(why)) = &written {
            batch = self.necessary(batch, &Arc::clone(why));
            let env = Arc::clone(&self.env);
            written = env
                .reserve
                .lend(batch.bytes.len(), written, || self.commit(&batch));
        }
        if written.is_err() {
            self.next -= batch.writes.len() as u64;
        }
        for call in batch.calls {
            let revs = written.clone().and(call.decided);
            match call.done {
                Answer::Put(done) => done(revs),
                Answer::Cas(done, _) => done(revs.map(|revs| revs[0])),
            }
        }
        self.check_waste();
    }

    /// Of a batch that found no room, what is to be written all the same; the rest is refused. Each call
    /// is decided anew: what it was decided by may have been a write that is refused now.
    fn necessary(&mut self, batch: Batch, why: &Arc<str>) -> Batch {
        self.next -= batch.writes.len() as u64;
        for call in batch.calls {
            self.take(call.bucket, call.writes, call.done, Some(why));
        }
        std::mem::take(&mut self.batch)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), Error> {
        let first = self.next - batch.writes.len() as u64;
        if let Some(placed) = self.journal.commit(&batch.bytes, first, &|_, _| {})? {
            let count = batch.writes.len() as u64;
            self.keys.counters.records.fetch_add(count, Relaxed);
            self.show(batch, &placed.segment, placed.offset);
        }
        Ok(())
    }

    /// Makes a batch visible and tells the watches.
    fn show(&self, batch: &Batch, segment: &Arc<Segment>, offset: u64) {
        let mut state = lock(&self.keys.state);
        let file = id(segment.number, false);
        let end = offset + batch.bytes.len() as u64;
        state.files.insert(file, (Arc::clone(segment), end));
        let mut changes: Vec<(Arc<str>, Vec<Change>)> = Vec::new();
        for write in &batch.writes {
            let slot = write.value.as_ref().map(|_| Slot {
                rev: write.rev,
                file,
                offset: offset + write.at as u64,
                len: write.len,
            });
            state.set(&write.bucket, &write.key, slot);
            if !state.buckets[&write.bucket].watches.is_empty() {
                let list = changes
                    .iter_mut()
                    .find(|(bucket, _)| *bucket == write.bucket);
                match list {
                    Some((_, list)) => list.push(write.change()),
                    None => changes.push((Arc::clone(&write.bucket), vec![write.change()])),
                }
            }
        }
        for (bucket, list) in changes {
            let list: Arc<[_]> = list.into();
            let bucket = state.buckets.entry(bucket).or_default();
            bucket.watches.retain(|watch| watch.tell(&list));
        }
    }

    /// Begins a checkpoint if what is not valid any more takes more room than what is.
    fn check_waste(&mut self) {
        let state = lock(&self.keys.state);
        let waste = state.disk_bytes().saturating_sub(state.live);
        let due = waste > state.live.max(self.env.options.kv_waste_bytes);
        drop(state);
        if due && !self.journal.has_failed() && self.checkpoint.begin() {
            self.journal.sync_rest();
            self.journal.retire();
            self.journal.retired.clear();
            let upto = self.journal.before;
            let (env, keys) = (Arc::clone(&self.env), Arc::clone(&self.keys));
            let (checkpoint, last) = (Arc::clone(&self.checkpoint), self.next - 1);
            self.env
                .keeper
                .run(move || checkpoint.run(&env, &keys, upto, last));
        }
    }

    /// Notes what is there at this instant, and waits until all writers have.
    fn cut(&mut self, cut: &Cut) {
        self.journal.sync_rest();
        let state = lock(&self.keys.state);
        let parts = state.files.values().cloned().collect();
        drop(state);
        cut.reached(parts, None, self.next - 1);
    }
}

impl Written {
    fn change(&self) -> Change {
        let key = Arc::clone(&self.key);
        match &self.value {
            Some(value) => Change::Put {
                key,
                value: Value {
                    bytes: Arc::clone(value),
                    rev: self.rev,
                },
            },
            None => Change::Del { key, rev: self.rev },
        }
    }
}
