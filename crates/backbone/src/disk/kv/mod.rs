//! Keys on disk: a journal of writes and a checkpoint that replaces what is old of it. In memory
//! are the keys and where their values stand; values are read when somebody asks.

mod checkpoint;
mod open;
mod watch;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use super::env::Env;
use super::frame::HEADER;
use super::lock;
use super::queue::Queue;
use super::report::{Damage, Harm};
use super::segment::Segment;
use super::stats::{Counters, Writes};
use crate::{Blob, Change, Done, Error, Guard, Value, WatchSink, Write};
pub(super) use open::open;
use watch::Watch;
pub(super) use writer::{Command, Writer};

pub(super) struct Kv {
    env: Arc<Env>,
    keys: Arc<Keys>,
}

/// What the writer, the readers and the callers share.
pub(super) struct Keys {
    pub(super) queue: Queue<Command>,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    buckets: HashMap<Arc<str>, Bucket>,
    /// Every file with a record that is still valid, by [`id`], and its end.
    files: Files,
    /// Bytes of keys and values.
    bytes: u64,
    /// Bytes of the records that are still valid.
    live: u64,
}

#[derive(Default)]
struct Bucket {
    keys: BTreeMap<Blob, Slot>,
    watches: Vec<Arc<Watch>>,
}

/// Where a value stands, and its revision, which is the position of its record. Every key has one in
/// memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    rev: u64,
    offset: u64,
    file: u32,
    /// Bytes of the record.
    len: u32,
}

type Files = BTreeMap<u32, (Arc<Segment>, u64)>;

/// Names a segment, or the checkpoint that replaces all segments up to it.
fn id(number: u64, checkpoint: bool) -> u32 {
    u32::try_from(number * 2 + u64::from(checkpoint))
        .expect("segments are counted, one for a start and one for each that is full")
}

impl Kv {
    pub(super) fn new(env: Arc<Env>, keys: Arc<Keys>) -> Self {
        Self { env, keys }
    }

    pub(super) fn writes(&self) -> Writes {
        self.keys.counters.read()
    }

    /// Bytes on disk, files, and keys.
    pub(super) fn sizes(&self) -> (u64, u64, u64) {
        let state = lock(&self.keys.state);
        let keys = state
            .buckets
            .values()
            .map(|bucket| bucket.keys.len() as u64);
        (state.disk_bytes(), state.files.len() as u64, keys.sum())
    }

    /// The names of the buckets.
    pub(super) fn buckets(&self) -> Vec<Arc<str>> {
        lock(&self.keys.state).buckets.keys().cloned().collect()
    }

    /// All keys of a bucket with their values, on the caller's thread.
    pub(super) fn each_now(
        &self,
        bucket: &str,
        mut each: impl FnMut(&Blob, Value) -> io::Result<()>,
    ) -> io::Result<()> {
        let state = lock(&self.keys.state);
        let keys = state.under(bucket, &[]);
        let files = state.files.clone();
        drop(state);
        for (key, slot) in keys {
            if let Some(value) = read(&self.env, &files, slot) {
                each(&key, value)?;
            }
        }
        Ok(())
    }

    /// The same as a list.
    pub(super) fn all_now(&self, bucket: &str) -> Vec<(Blob, Value)> {
        let mut all = Vec::new();
        let listed = self.each_now(bucket, |key, value| {
            all.push((Arc::clone(key), value));
            Ok(())
        });
        listed.expect("the closure does not fail");
        all
    }

    /// Reads everything again.
    pub(super) fn scrub(&self) {
        checkpoint::scrub(&self.env, &self.keys);
    }
}

impl Keys {
    /// Takes a key whose value is damaged for absent, so that it can be written again.
    fn forget(&self, bucket: &Arc<str>, key: &Blob, damaged: Slot) {
        let mut state = lock(&self.state);
        if state.slot(bucket, key) == Some(damaged) {
            state.set(bucket, key, None);
        }
    }
}

impl State {
    fn slot(&self, bucket: &str, key: &[u8]) -> Option<Slot> {
        self.buckets.get(bucket)?.keys.get(key).copied()
    }

    fn under(&self, bucket: &str, prefix: &[u8]) -> Vec<(Blob, Slot)> {
        let Some(bucket) = self.buckets.get(bucket) else {
            return Vec::new();
        };
        bucket
            .keys
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, &slot)| (Arc::clone(key), slot))
            .collect()
    }

    fn disk_bytes(&self) -> u64 {
        self.files.values().map(|(_, end)| end).sum()
    }

    /// Sets or removes a key and keeps the sums.
    fn set(&mut self, bucket: &Arc<str>, key: &Blob, slot: Option<Slot>) {
        let keys = &mut self.buckets.entry(Arc::clone(bucket)).or_default().keys;
        let size = |slot: &Slot| value_bytes(bucket, slot.len);
        if let Some(slot) = slot {
            self.bytes += size(&slot);
            self.live += u64::from(slot.len);
        }
        let old = match slot {
            Some(slot) => keys.insert(Arc::clone(key), slot),
            None => keys.remove(key),
        };
        if let Some(old) = old {
            self.bytes -= size(&old);
            self.live -= u64::from(old.len);
        }
    }
}

/// Bytes of key and value in a record of this length.
fn value_bytes(bucket: &str, len: u32) -> u64 {
    let rest = HEADER + 1 + bucket.len() + 4;
    u64::from(len).saturating_sub(rest as u64)
}

fn get(env: &Env, keys: &Keys, bucket: &str, key: &[u8]) -> Result<Option<Value>, Error> {
    let state = lock(&keys.state);
    let found = state.slot(bucket, key);
    let found = found.and_then(|slot| Some((slot, state.files.get(&slot.file)?.0.clone())));
    drop(state);
    let Some((slot, segment)) = found else {
        return Ok(None);
    };
    let value = read_value(env, &segment, slot)
        .map_err(|error| Error::Unavailable(format!("a key cannot be read: {error}").into()))?;
    if value.is_none() {
        keys.forget(&bucket.into(), &key.into(), slot);
    }
    Ok(value)
}

/// Reads a value; `None`, and a report, if it is damaged.
fn read_value(env: &Env, segment: &Segment, slot: Slot) -> io::Result<Option<Value>> {
    let record = segment.read(
        slot.offset,
        usize::try_from(slot.len).map_err(io::Error::other)?,
    )?;
    let body = record
        .as_deref()
        .and_then(|record| decode(&record[HEADER..]));
    let Some((_, _, value)) = body else {
        env.found(Damage {
            path: segment.path.clone(),
            offset: slot.offset,
            bytes: u64::from(slot.len),
            what: Harm::Record(Some(slot.rev)),
        });
        return Ok(None);
    };
    Ok(Some(Value {
        bytes: value.into(),
        rev: slot.rev,
    }))
}

fn read(env: &Env, files: &Files, slot: Slot) -> Option<Value> {
    let (segment, _) = files.get(&slot.file)?;
    match read_value(env, segment, slot) {
        Ok(value) => value,
        Err(error) => {
            env.alarm(&format!("{}: {error}", segment.path.display()));
            None
        }
    }
}

/// Appends a record's body: bucket, key, value.
pub(super) fn encode(bucket: &str, key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(u8::try_from(bucket.len()).expect("buckets have short names"));
    out.extend(bucket.as_bytes());
    let len = u32::try_from(key.len()).expect("a key is a client id or a topic");
    out.extend(len.to_le_bytes());
    out.extend(key);
    out.extend(value);
}

pub(super) fn decode(body: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let (&len, rest) = body.split_first()?;
    let (bucket, rest) = rest.split_at_checked(usize::from(len))?;
    let (len, rest) = rest.split_first_chunk()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let (key, value) = rest.split_at_checked(len)?;
    Some((std::str::from_utf8(bucket).ok()?, key, value))
}

impl crate::Kv for Kv {
    fn get(&self, bucket: &str, key: &[u8], done: Done<Option<Value>>) {
        let (env, keys) = (Arc::clone(&self.env), Arc::clone(&self.keys));
        let (bucket, key): (Box<str>, Box<[u8]>) = (bucket.into(), key.into());
        let answer = super::Answer::new(done);
        self.env
            .readers
            .run(move || answer.give(get(&env, &keys, &bucket, &key)));
    }

    fn cas(&self, bucket: &str, key: &[u8], expect: u64, value: Option<Blob>, done: Done<u64>) {
        let command = Command::Cas {
            bucket: bucket.into(),
            write: (key.into(), value),
            expect,
            done,
        };
        if let Err(Command::Cas { done, .. }) = self.keys.queue.push(command) {
            done(Err(super::closed()));
        }
    }

    fn put(&self, bucket: &str, batch: Vec<Write>, done: Done<Vec<u64>>) {
        let bucket = bucket.into();
        let command = Command::Put {
            bucket,
            batch,
            done,
        };
        if let Err(Command::Put { done, .. }) = self.keys.queue.push(command) {
            done(Err(super::closed()));
        }
    }

    fn watch(&self, bucket: &str, prefix: &[u8], sink: WatchSink) -> Guard {
        let (watch, guard) = Watch::new(prefix.into(), sink);
        let (env, keys) = (Arc::clone(&self.env), Arc::clone(&self.keys));
        let bucket: Arc<str> = bucket.into();
        self.env
            .readers
            .run(move || watch::begin(&env, &keys, &bucket, &watch));
        guard
    }
}

impl Change {
    fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Del { key, .. } => key,
            Self::Synced => &[],
        }
    }
}
