//! Reading a shard's segments at the start. Of those with a footer only that is read; what was
//! written last is read whole, a torn end is cut off, damage is told.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::super::env::Env;
use super::super::frame::{HEADER, Kind, Scanned, scan};
use super::super::journal::now_secs;
use super::super::manifest::{Left, Manifest};
use super::super::queue::Queue;
use super::super::report::{Damage, Harm, OpenError, Recovery};
use super::super::segment::{DATA, Room, Segment};
use super::super::shelf::{self, Book, Given};
use super::index::Growing;
use super::read::{decode, take_text};
use super::seal::{Footer, Sealed, report};
use super::writer::{Batch, Writer};
use super::{Shard, State};
use crate::{Dedup, Message, Pos};

type Identities = HashMap<Dedup, Pos>;

/// A segment read whole.
struct Whole {
    index: Growing,
    /// Where the records end.
    end: u64,
    torn: u64,
    found: Scanned,
    /// Set if the list with which the segment begins could be read.
    identities: Option<Identities>,
    /// Records that are as they were written, and yet no messages: offset, bytes, position.
    unreadable: Vec<(u64, u64, u64)>,
    /// Whether there is a footer of some kind behind the records.
    indexed: bool,
}

/// Opens a shard, to be written by the writer given.
pub(in crate::disk) fn open<M: Message>(
    env: &Arc<Env>,
    number: u16,
    manifest: &Manifest,
    recovery: &mut Recovery,
) -> Result<(Arc<Shard<M>>, Writer<M>), OpenError> {
    let dir = env.dir.join(format!("log-{number:03}"));
    let books = shelf::read(env, &dir, Room::Log(number), recovery)?;
    let highest = books.highest;
    let mut sealed: VecDeque<Arc<Sealed>> = VecDeque::new();
    let mut identities = Identities::new();
    let (mut torn, unsure) = (0, books.lost);
    let count = books.list.len();
    let mut last = 0;
    for (n, book) in books.list.into_iter().enumerate() {
        let newest = n + 1 == count;
        if book.missing_before {
            recovery.damage.push(Damage {
                path: book.segment.path.clone(),
                offset: 0,
                bytes: 0,
                what: Harm::Missing {
                    from: last + 1,
                    to: book.segment.first.saturating_sub(1),
                },
            });
        }
        let (one, whole) = take_in::<M>(env, &book, number, newest, recovery)?;
        if newest && manifest.left != Left::Closed {
            shelf::make_safe(&book.segment)?;
        }
        if let Some(whole) = whole {
            torn += whole.torn;
            if newest {
                identities = whole
                    .identities
                    .map_or_else(|| from_before::<M>(&sealed, number, &book, whole.end), Ok)?;
            }
        }
        last = last.max(one.sums.last);
        recovery.messages += one.sums.messages;
        sealed.push_back(Arc::new(one));
    }
    let given = Given { last, torn, unsure };
    let noted = manifest.lasts.get(usize::from(number) + 1);
    let next = given.next_position(&dir, noted, highest, manifest.left, recovery);
    recovery.identities += identities.len() as u64;
    let (before, before_len) = sealed
        .back()
        .map_or((0, 0), |newest| (newest.segment.number, newest.end));
    for one in &sealed {
        let (one, job) = (Arc::clone(one), Arc::clone(env));
        env.janitor.run(move || one.write_footer(&job));
    }
    let shard = Arc::new(Shard {
        number,
        queue: Queue::new(),
        counters: Arc::default(),
        state: Mutex::new(State {
            sealed,
            active: None,
            last: next - 1,
            dropped: 0,
            open: identities,
            tails: Vec::new(),
            sheds: Vec::new(),
        }),
    });
    let mut journal = env.journal(dir, Room::Log(number), &shard.counters);
    journal.next = highest + 1;
    (journal.before, journal.before_len) = (before, before_len);
    let writer = Writer {
        env: Arc::clone(env),
        shard: Arc::clone(&shard),
        journal,
        next,
        batch: Batch::default(),
    };
    Ok((shard, writer))
}

/// Reads what has to be read of a segment: the footer, or everything.
fn take_in<M: Message>(
    env: &Env,
    book: &Book,
    shard: u16,
    newest: bool,
    recovery: &mut Recovery,
) -> Result<(Sealed, Option<Whole>), OpenError> {
    let segment = &book.segment;
    let footer = Footer::read(&*segment.file, segment.salt);
    let footer = shelf::io(&segment.path, footer)?;
    if let Some(footer) = footer.as_ref().filter(|_| !newest) {
        recovery.bytes += footer.len;
        return Ok((Sealed::with_footer(Arc::clone(segment), footer), None));
    }
    let whole = read_whole::<M>(env, book, shard, footer.as_ref(), newest, recovery)?;
    let sealed = match footer {
        Some(footer) => Sealed::with_footer(Arc::clone(segment), &footer),
        None => Sealed::new(Arc::clone(segment), whole.end, whole.index.pack()),
    };
    Ok((sealed, Some(whole)))
}

/// Reads all records of a segment.
fn read_whole<M: Message>(
    env: &Env,
    book: &Book,
    shard: u16,
    footer: Option<&Footer>,
    newest: bool,
    recovery: &mut Recovery,
) -> Result<Whole, OpenError> {
    let segment = &book.segment;
    let to = footer.map_or(book.to, |footer| footer.end);
    let whole = shelf::io(
        &segment.path,
        walk::<M>(env, segment, shard, to, newest && footer.is_none()),
    )?;
    recovery.bytes += to;
    recovery.bytes_read += to;
    report(segment, &whole.found, whole.end, |damage| {
        recovery.damage.push(damage)
    });
    for &(offset, bytes, pos) in &whole.unreadable {
        recovery.damage.push(Damage {
            path: segment.path.clone(),
            offset,
            bytes,
            what: Harm::Record(Some(pos)),
        });
    }
    if whole.torn > 0 {
        recovery.torn(segment.path.clone(), whole.end, whole.torn);
    }
    // Something was behind the records: a footer that is damaged or was never finished.
    if whole.indexed || footer.is_none() && book.len > book.to {
        recovery.damage.push(Damage {
            path: segment.path.clone(),
            offset: whole.end,
            bytes: book.len - whole.end,
            what: Harm::Index,
        });
    }
    Ok(whole)
}

/// Reads all records up to `to`. What is behind the last whole one is a torn write only at the end
/// of the newest segment: everywhere else it was safe once.
fn walk<M: Message>(
    env: &Env,
    segment: &Segment,
    shard: u16,
    to: u64,
    may_be_torn: bool,
) -> std::io::Result<Whole> {
    let mut upto = to;
    loop {
        let mut index = Growing::new(segment.first);
        let (mut identities, mut listed) = (Identities::new(), false);
        let mut unreadable = Vec::new();
        let mut index_at = None;
        let mut found = scan(
            &*segment.file,
            segment.salt,
            DATA,
            upto,
            |offset, head, body| {
                env.read(head.total() as u64);
                match head.kind {
                    Kind::Message => match decode::<M>(body) {
                        Some((dedup, msg)) if head.pos > index.sums.last => {
                            index.add(head.pos, offset, msg.topic(), msg.bytes() as u64);
                            let seq = head.pos;
                            identities.extend(dedup.map(|dedup| (dedup, Pos { shard, seq })));
                        }
                        _ => unreadable.push((offset, head.total() as u64, head.pos)),
                    },
                    Kind::Index => index_at = index_at.or(Some(offset)),
                    Kind::Identities => {
                        identities = snapshot(body, shard);
                        listed = true;
                    }
                    Kind::Release => release(body, &mut identities),
                    Kind::Put | Kind::Del | Kind::End => {}
                }
            },
        )?;
        if let Some(torn_at) = found.torn_at.filter(|_| may_be_torn && index_at.is_none()) {
            upto = torn_at;
            continue;
        }
        index.sums.newest_secs = now_secs();
        let end = match index_at {
            Some(at) => at,
            None if may_be_torn => found.end,
            None => upto,
        };
        found.gaps.retain(|gap| gap.offset < end);
        found.end = found.end.min(end);
        return Ok(Whole {
            index,
            end,
            torn: if index_at.is_some() { 0 } else { to - end },
            found,
            identities: listed.then_some(identities),
            unreadable,
            indexed: index_at.is_some(),
        });
    }
}

fn snapshot(body: &[u8], shard: u16) -> Identities {
    let (mut open, mut rest) = (Identities::new(), body);
    while let Some((dedup, more)) = take_text(rest)
        && let Some((seq, more)) = more.split_first_chunk()
    {
        let seq = u64::from_le_bytes(*seq);
        open.insert(dedup.into(), Pos { shard, seq });
        rest = more;
    }
    open
}

fn release(body: &[u8], open: &mut Identities) {
    let mut rest = body;
    while let Some((dedup, more)) = take_text(rest) {
        open.remove(dedup);
        rest = more;
    }
}

/// The identities at the end of the newest segment, whose list at its beginning is damaged: those
/// at the end of the one before, and what happened since.
fn from_before<M: Message>(
    sealed: &VecDeque<Arc<Sealed>>,
    shard: u16,
    newest: &Book,
    end: u64,
) -> Result<Identities, OpenError> {
    let mut parts: Vec<(Arc<Segment>, u64)> = sealed.iter().map(|one| one.part()).collect();
    parts.push((Arc::clone(&newest.segment), end));
    let mut open = Identities::new();
    // From the newest list that is whole on; from the beginning if there is none.
    let begin = parts.iter().rposition(|(segment, _)| {
        matches!(segment.read(DATA, HEADER), Ok(Some(record)) if record.get(2) == Some(&3))
    });
    for (segment, end) in &parts[begin.unwrap_or(0)..] {
        let scanned = scan(
            &*segment.file,
            segment.salt,
            DATA,
            *end,
            |_, head, body| match head.kind {
                Kind::Identities => open = snapshot(body, shard),
                Kind::Message => {
                    if let Some((Some(dedup), _)) = decode::<M>(body) {
                        open.insert(
                            dedup,
                            Pos {
                                shard,
                                seq: head.pos,
                            },
                        );
                    }
                }
                Kind::Release => release(body, &mut open),
                _ => {}
            },
        );
        shelf::io(&segment.path, scanned)?;
    }
    Ok(open)
}
