//! Reading the keys at the start: the checkpoint, then the segments after it in order. How much
//! that is, is bounded by the waste at which a checkpoint is written.

use std::path::Path;
use std::sync::Arc;

use super::super::env::Env;
use super::super::frame::{Head, Kind, Scanned, scan};
use super::super::log::report;
use super::super::manifest::{Left, Manifest};
use super::super::queue::Queue;
use super::super::report::{Damage, Harm, OpenError, Recovery};
use super::super::segment::{DATA, Room, Segment};
use super::super::shelf::{self, Book, Given};
use super::writer::Batch;
use super::{Keys, Slot, State, Writer, decode, id};
use crate::Blob;

/// Opens the keys, to be written by the writer given.
pub(in crate::disk) fn open(
    env: &Arc<Env>,
    manifest: &Manifest,
    recovery: &mut Recovery,
) -> Result<(Arc<Keys>, Writer), OpenError> {
    let dir = env.dir.join("kv");
    remove_unfinished(env, &dir)?;
    let mut state = State::default();
    let mut given = Given {
        last: 0,
        torn: 0,
        unsure: false,
    };
    let mut checkpoints = shelf::read(env, &dir, Room::Checkpoint, recovery)?;
    let newest = checkpoints.list.pop();
    let upto = newest.as_ref().map_or(0, |book| book.segment.number);
    for old in checkpoints.list {
        remove(env, &old.segment)?;
    }
    if let Some(book) = newest {
        read(env, &mut state, &book, true, false, &mut given, recovery)?;
    }
    let books = shelf::read(env, &dir, Room::Keys, recovery)?;
    given.unsure |= books.lost || checkpoints.lost;
    let highest = books.highest.max(upto);
    let count = books.list.len();
    let (mut before, mut before_len) = (0, 0);
    for (n, book) in books.list.into_iter().enumerate() {
        if book.segment.number <= upto {
            remove(env, &book.segment)?;
            continue;
        }
        let newest = n + 1 == count;
        let may_be_torn = newest && manifest.left != Left::Closed;
        let end = read(
            env,
            &mut state,
            &book,
            false,
            may_be_torn,
            &mut given,
            recovery,
        )?;
        (before, before_len) = (book.segment.number, end);
    }
    let noted = manifest.lasts.first();
    let next = given.next_position(&dir, noted, highest, manifest.left, recovery);
    let keys = state
        .buckets
        .values()
        .map(|bucket| bucket.keys.len() as u64);
    recovery.keys = keys.sum();
    let keys = Arc::new(Keys {
        queue: Queue::new(),
        counters: Arc::default(),
        state: std::sync::Mutex::new(state),
    });
    let mut journal = env.journal(dir, Room::Keys, &keys.counters);
    journal.next = highest + 1;
    (journal.before, journal.before_len) = (before, before_len);
    let writer = Writer {
        env: Arc::clone(env),
        keys: Arc::clone(&keys),
        journal,
        next,
        batch: Batch::default(),
        checkpoint: Arc::default(),
    };
    Ok((keys, writer))
}

/// Reads one file into the state, and gives where its records end.
fn read(
    env: &Env,
    state: &mut State,
    book: &Book,
    checkpoint: bool,
    may_be_torn: bool,
    given: &mut Given,
    recovery: &mut Recovery,
) -> Result<u64, OpenError> {
    let segment = &book.segment;
    let file = id(segment.number, checkpoint);
    let mut upto = book.to;
    let mut found: Scanned;
    // A first look, because what is behind a torn place must not be taken in.
    if may_be_torn {
        found = shelf::io(&segment.path, walk(segment, upto, |_, _, _| {}))?;
        upto = found.torn_at.unwrap_or(found.end);
    }
    let (mut last, mut ended) = (given.last, !checkpoint);
    let take = |offset: u64, head: &Head, body: &[u8]| {
        env.read(head.total() as u64);
        last = last.max(head.pos);
        ended |= head.kind == Kind::End;
        if !matches!(head.kind, Kind::Put | Kind::Del) {
            return;
        }
        let Some((bucket, key, _)) = decode(body) else {
            return;
        };
        let slot = (head.kind == Kind::Put).then(|| Slot {
            rev: head.pos,
            file,
            offset,
            len: u32::try_from(head.total()).expect("a record is bounded"),
        });
        let bucket: Arc<str> = bucket.into();
        state.set(&bucket, &Blob::from(key), slot);
    };
    found = shelf::io(&segment.path, walk(segment, upto, take))?;
    given.last = last;
    recovery.bytes += book.to;
    recovery.bytes_read += book.to;
    report(segment, &found, upto, |damage| recovery.damage.push(damage));
    // A checkpoint has no file behind it that says how long it is.
    if !ended && found.end == upto {
        recovery.damage.push(Damage {
            path: segment.path.clone(),
            offset: upto,
            bytes: 0,
            what: Harm::Record(None),
        });
    }
    if upto < book.to {
        let torn = book.to - upto;
        given.torn += torn;
        recovery.torn(segment.path.clone(), upto, torn);
        shelf::io(&segment.path, segment.file.truncate(upto))?;
    }
    if may_be_torn {
        shelf::make_safe(segment)?;
    }
    state.files.insert(file, (Arc::clone(segment), upto));
    Ok(upto)
}

fn walk(
    segment: &Segment,
    to: u64,
    each: impl FnMut(u64, &Head, &[u8]),
) -> std::io::Result<Scanned> {
    scan(&*segment.file, segment.salt, DATA, to, each)
}

/// Removes what an interrupted checkpoint left.
fn remove_unfinished(env: &Env, dir: &Path) -> Result<(), OpenError> {
    for name in shelf::io(dir, env.files.list(dir))? {
        if name.ends_with(".new") {
            let path = dir.join(name);
            shelf::io(&path, env.files.remove(&path))?;
        }
    }
    Ok(())
}

/// Removes a file that a checkpoint has replaced.
fn remove(env: &Env, segment: &Segment) -> Result<(), OpenError> {
    shelf::io(&segment.path, env.files.remove(&segment.path))
}
