//! A checkpoint: one file with every key as it is, which replaces all segments before it. It is
//! written beside them and takes its name only when it is safe, so that until then nothing has
//! changed; it has a checksum for each record, so that damage costs the key that it hits.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::env::Env;
use super::super::files::{File, write_all};
use super::super::frame::{Kind, Stamp, push, scan};
use super::super::journal::now_secs;
use super::super::lock;
use super::super::report::{Damage, Harm};
use super::super::segment::{DATA, Header, Room, Segment, checkpoint_name};
use super::{Files, Keys, Slot, id};
use crate::Blob;

/// Keys that are looked at under one lock.
const STEP: usize = 512;
/// Written at once.
const PIECE: usize = 1 << 20;
/// Synced at once, so that the sync of an append does not wait behind all of it.
const SYNC_BYTES: u64 = 8 << 20;

/// How long after one that failed the next is tried: each begins a new segment.
const AGAIN: Duration = Duration::from_secs(30);

/// Whether one is being written, and when the last one failed.
#[derive(Default)]
pub(in crate::disk) struct Checkpoint {
    running: AtomicBool,
    failed: Mutex<Option<Instant>>,
}

/// A key that is in the checkpoint now.
struct Moved {
    bucket: Arc<str>,
    key: Blob,
    from: Slot,
    to: Slot,
}

struct Output {
    file: Arc<dyn File>,
    path: PathBuf,
    buf: Vec<u8>,
    end: u64,
    synced: u64,
}

impl Checkpoint {
    /// Takes the right to write one, unless one is being written or has just failed.
    pub(super) fn begin(&self) -> bool {
        let failed = *lock(&self.failed);
        failed.is_none_or(|at| at.elapsed() >= AGAIN) && !self.running.swap(true, Relaxed)
    }

    /// Writes one that replaces all files up to segment `upto`, at which `last` was the last
    /// revision. If that fails all stays as it is.
    pub(super) fn run(&self, env: &Env, keys: &Keys, upto: u64, last: u64) {
        let written = write(env, keys, upto, last);
        *lock(&self.failed) = written.is_err().then(Instant::now);
        if let Err(error) = written {
            env.alarm(&format!(
                "the checkpoint of the records was not written: {error}"
            ));
        }
        self.running.store(false, Relaxed);
    }
}

fn write(env: &Env, keys: &Keys, upto: u64, last: u64) -> io::Result<()> {
    let dir = env.dir.join("kv");
    let path = dir.join(format!("{upto:016x}.new"));
    // What an attempt that failed left behind.
    let _ = env.files.remove(&path);
    let mut out = Output {
        file: env.files.create(&path)?,
        path,
        buf: Vec::new(),
        end: 0,
        synced: 0,
    };
    let written = fill(env, keys, upto, last, &mut out);
    let to = dir.join(checkpoint_name(upto));
    // From here on files come and go, which a backup must not see.
    let _held = lock(&env.removing);
    let named = written.and_then(|moved| {
        env.files.rename(&out.path, &to)?;
        env.files.sync_dir(&dir)?;
        Ok(moved)
    });
    let moved = match named {
        Ok(moved) => moved,
        Err(error) => {
            let _ = env.files.remove(&out.path);
            return Err(error);
        }
    };
    let segment = Arc::new(Segment {
        number: upto,
        first: 1,
        path: to,
        file: out.file,
        salt: env.identity.salt,
    });
    let file = id(upto, true);
    lock(&keys.state).files.insert(file, (segment, out.end));
    for part in moved.chunks(STEP) {
        let mut state = lock(&keys.state);
        for moved in part {
            let bucket = state.buckets.get_mut(&moved.bucket);
            let slot = bucket.and_then(|bucket| bucket.keys.get_mut(&moved.key));
            if let Some(slot) = slot.filter(|slot| **slot == moved.from) {
                *slot = moved.to;
            }
        }
    }
    let mut state = lock(&keys.state);
    let newer = state.files.split_off(&file);
    let old = std::mem::replace(&mut state.files, newer);
    drop(state);
    for (segment, _) in old.into_values() {
        env.files.remove(&segment.path)?;
    }
    Ok(())
}

/// Writes header, keys and end, and makes them safe.
fn fill(env: &Env, keys: &Keys, upto: u64, last: u64, out: &mut Output) -> io::Result<Vec<Moved>> {
    let header = Header {
        identity: env.identity,
        room: Room::Checkpoint,
        number: upto,
        first: 1,
        before: 0,
        before_len: 0,
        epoch: env.epoch,
        made_secs: u32::try_from(now_secs()).unwrap_or(u32::MAX),
    };
    out.buf.extend(header.encode());
    let mut moved = Vec::new();
    let buckets: Vec<Arc<str>> = lock(&keys.state).buckets.keys().cloned().collect();
    for bucket in buckets {
        let mut after: Option<Blob> = None;
        loop {
            let (part, files) = step(keys, &bucket, after.as_ref(), upto);
            let Some((key, _)) = part.last() else { break };
            after = Some(Arc::clone(key));
            for (key, from) in part {
                let Some(from) = from else { continue };
                let (segment, _) = &files[&from.file];
                let len = usize::try_from(from.len).map_err(io::Error::other)?;
                let Some(record) = segment.read(from.offset, len)? else {
                    env.found(Damage {
                        path: segment.path.clone(),
                        offset: from.offset,
                        bytes: u64::from(from.len),
                        what: Harm::Record(Some(from.rev)),
                    });
                    keys.forget(&bucket, &key, from);
                    continue;
                };
                let to = Slot {
                    file: id(upto, true),
                    offset: out.end + out.buf.len() as u64,
                    ..from
                };
                out.buf.extend(record);
                moved.push(Moved {
                    bucket: Arc::clone(&bucket),
                    key,
                    from,
                    to,
                });
                out.flush(PIECE)?;
            }
        }
    }
    let stamp = Stamp {
        salt: env.identity.salt,
        epoch: env.epoch,
    };
    let mut end = Vec::new();
    push(&mut end, stamp, Kind::End, last, |out| {
        out.extend((moved.len() as u64).to_le_bytes());
    });
    out.buf.extend(end);
    out.flush(0)?;
    out.file.sync()?;
    Ok(moved)
}

/// The next keys of a bucket; with its slot each one that stands in an old file.
fn step(
    keys: &Keys,
    bucket: &Arc<str>,
    after: Option<&Blob>,
    upto: u64,
) -> (Vec<(Blob, Option<Slot>)>, Files) {
    use std::ops::Bound;
    let state = lock(&keys.state);
    let from = after.map_or(Bound::Unbounded, |key| Bound::Excluded(&**key));
    let there = state.buckets.get(bucket).into_iter().flat_map(|bucket| {
        let rest = bucket.keys.range::<[u8], _>((from, Bound::Unbounded));
        rest.take(STEP)
    });
    let old = |slot: &Slot| (slot.file <= id(upto, false)).then_some(*slot);
    let part = there
        .map(|(key, slot)| (Arc::clone(key), old(slot)))
        .collect();
    (part, state.files.clone())
}

impl Output {
    /// Writes what was gathered if it is more than `bytes`.
    fn flush(&mut self, bytes: usize) -> io::Result<()> {
        if self.buf.len() <= bytes {
            return Ok(());
        }
        write_all(&*self.file, &self.buf, self.end)?;
        self.end += self.buf.len() as u64;
        self.buf.clear();
        if self.end - self.synced > SYNC_BYTES {
            self.file.sync()?;
            self.synced = self.end;
        }
        Ok(())
    }
}

/// Reads all files again and reports what is damaged.
pub(super) fn scrub(env: &Env, keys: &Keys) {
    let files: Vec<_> = lock(&keys.state).files.values().cloned().collect();
    for (segment, end) in files {
        let scanned = scan(&*segment.file, segment.salt, DATA, end, |_, _, _| {});
        match scanned {
            Ok(scanned) => {
                super::super::log::report(&segment, &scanned, end, |damage| env.found(damage));
            }
            Err(error) => env.alarm(&format!("{}: {error}", segment.path.display())),
        }
    }
}
