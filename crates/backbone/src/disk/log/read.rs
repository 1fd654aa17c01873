//! Reading a shard on the readers' threads: by filters, by position, and from a position on until
//! the tail is reached. Records that stand near each other are read at once; one that is damaged
//! is reported and passed over.

use std::io;
use std::sync::Arc;

use super::super::env::Env;
use super::super::frame::{HEADER, Head, Kind};
use super::super::lock;
use super::super::report::{Damage, Harm};
use super::super::segment::Segment;
use super::super::tap::Tap;
use super::index::{Index, Place, Plan, Wanted, find, plan, walk};
use super::{Sealed, Shard, State, Tail};
use crate::{Dedup, Entry, Error, Message, Pos, Replay, TailSink};

/// Segments that one replay looks into before it answers.
const SEGMENTS_MAX: usize = 8;
/// Entries handed to a tail at once while it catches up.
const TAIL_BATCH_MAX: usize = 256;
/// Such batches before other readers get their turn.
const TAIL_TURN: usize = 32;
/// Records this near to each other are read together.
const NEAR: u64 = 8 << 10;
/// But not more than this at once.
const RUN_MAX: u64 = 256 << 10;
/// What a record is taken to be long before its header was read.
const GUESS: u64 = 512;

/// Where to read next.
enum Where {
    Sealed(Arc<Sealed>),
    /// The segment that is written to.
    Active,
    /// There is nothing after this position.
    End,
}

impl<M: Message> State<M> {
    /// The segment with the first message after a position.
    fn place(&self, after: u64) -> Where {
        let n = self
            .sealed
            .partition_point(|sealed| sealed.sums.last <= after);
        match (self.sealed.get(n), &self.active) {
            (Some(sealed), _) => Where::Sealed(Arc::clone(sealed)),
            (None, Some(active)) if active.index.sums.last > after => Where::Active,
            _ => Where::End,
        }
    }
}

impl<M: Message> Shard<M> {
    /// Chooses what to read after a position: the segment, the places in it, and how far that is.
    fn choose(
        &self,
        env: &Env,
        after: u64,
        upto: u64,
        choose: impl Fn(&dyn Index, u64) -> Plan,
    ) -> io::Result<Option<(Arc<Segment>, Plan)>> {
        let state = lock(&self.state);
        match state.place(after) {
            Where::End => Ok(None),
            Where::Active => {
                let active = state.active.as_ref().expect("it is where to read");
                let plan = choose(&active.index, upto.min(active.index.sums.last));
                Ok(Some((Arc::clone(&active.segment), plan)))
            }
            Where::Sealed(sealed) => {
                drop(state);
                let index = sealed.index::<M>(env)?;
                let plan = choose(&*index, upto.min(sealed.sums.last));
                Ok(Some((Arc::clone(&sealed.segment), plan)))
            }
        }
    }
}

/// What [`crate::Log::replay`] does.
pub(super) fn replay<M: Message>(
    env: &Env,
    shard: &Shard<M>,
    wanted: &Wanted,
    after: u64,
    upto: u64,
    max: usize,
) -> Result<Replay<M>, Error> {
    let end = upto.min(lock(&shard.state).last).max(after);
    let (mut reached, mut entries) = (after, Vec::new());
    for _ in 0..SEGMENTS_MAX {
        if reached >= end || entries.len() == max {
            return Ok(Replay {
                entries,
                upto: reached,
            });
        }
        let left = max - entries.len();
        let chosen = shard.choose(env, reached, end, |index, upto| {
            plan(index, wanted, reached, upto, left)
        });
        let Some((segment, plan)) = chosen.map_err(|error| unreadable(&error))? else {
            // What was there was trimmed, or the next segment begins behind the end.
            reached = end;
            continue;
        };
        let full = pick(
            env,
            shard.number,
            &segment,
            &plan.places,
            |entry: Entry<M>| {
                if wanted.matches(entry.msg.topic()) {
                    entries.push(entry);
                }
                entries.len() < max
            },
        )
        .map_err(|error| unreadable(&error))?;
        let stopped = entries.last().filter(|_| full).map(|entry| entry.pos.seq);
        // A segment that begins behind the end was not looked into.
        reached = stopped.unwrap_or(plan.reached).clamp(reached, end);
        if plan.places.is_empty() && stopped.is_none() && plan.reached <= after {
            break;
        }
    }
    Ok(Replay {
        entries,
        upto: reached,
    })
}

/// What [`crate::Log::fetch`] does. What cannot be read is left out.
pub(super) fn fetch<M: Message>(env: &Env, shard: &Shard<M>, positions: &[u64]) -> Vec<Entry<M>> {
    let mut found = Vec::with_capacity(positions.len());
    for &pos in positions.iter().filter(|&&pos| pos > 0) {
        let place = |index: &dyn Index, _| Plan {
            places: find(index, pos)
                .map(|offset| Place { pos, offset })
                .into_iter()
                .collect(),
            reached: pos,
        };
        let read = match shard.choose(env, pos - 1, pos, place) {
            Ok(Some((segment, plan))) => pick(env, shard.number, &segment, &plan.places, |entry| {
                found.push(entry);
                true
            }),
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            env.alarm(&format!(
                "position {pos} of log shard {}: {error}",
                shard.number
            ));
        }
    }
    found
}

/// Feeds a tail from a position on, in turns, until it has caught up and is fed by the writer.
pub(super) fn follow<M: Message>(
    env: &Arc<Env>,
    shard: Arc<Shard<M>>,
    after: u64,
    tap: Arc<Tap<TailSink<M>>>,
) {
    let job = Arc::clone(env);
    env.readers.run(move || {
        let env = job;
        let mut after = after;
        for _ in 0..TAIL_TURN {
            let chosen = {
                let mut state = lock(&shard.state);
                if matches!(state.place(after), Where::End) {
                    state.tails.push(Tail { after, tap });
                    return;
                }
                drop(state);
                shard.choose(&env, after, u64::MAX, |index, upto| {
                    walk(index, after, upto, TAIL_BATCH_MAX)
                })
            };
            let mut batch = Vec::new();
            let read = chosen.and_then(|chosen| {
                let Some((segment, plan)) = chosen else {
                    return Ok(after);
                };
                pick(&env, shard.number, &segment, &plan.places, |entry| {
                    batch.push(entry);
                    true
                })?;
                Ok(plan.reached)
            });
            match read {
                Ok(reached) => after = reached.max(after),
                Err(error) => {
                    // Passing over the rest of this read is the lesser evil: a tail that stops
                    // would stop every session.
                    env.alarm(&format!(
                        "log shard {} after {after}: {error}",
                        shard.number
                    ));
                    after += 1;
                }
            }
            let there = batch.is_empty() || {
                let batch: Arc<[_]> = batch.into();
                tap.call(|sink| sink(batch))
            };
            if !there {
                return;
            }
        }
        follow(&env, shard, after, tap);
    });
}

/// All entries of a segment, in order.
pub(super) fn each_batch<M: Message>(
    env: &Env,
    shard: u16,
    sealed: &Sealed,
    mut each: impl FnMut(Arc<[Entry<M>]>),
) {
    let Ok(index) = sealed.index::<M>(env) else {
        return env.alarm(&format!("{}: no index", sealed.segment.path.display()));
    };
    let mut after = sealed.sums.first.saturating_sub(1);
    while after < sealed.sums.last {
        let plan = walk(&*index, after, sealed.sums.last, TAIL_BATCH_MAX);
        let mut batch = Vec::new();
        let read = pick(env, shard, &sealed.segment, &plan.places, |entry| {
            batch.push(entry);
            true
        });
        if let Err(error) = read {
            env.alarm(&format!("{}: {error}", sealed.segment.path.display()));
        }
        if !batch.is_empty() {
            each(batch.into());
        }
        after = plan.reached;
    }
}

/// Reads records, those near each other at once, until `each` has had enough; gives whether it
/// had.
fn pick<M: Message>(
    env: &Env,
    shard: u16,
    segment: &Segment,
    places: &[Place],
    mut each: impl FnMut(Entry<M>) -> bool,
) -> io::Result<bool> {
    let mut rest = places;
    let mut buf = Vec::new();
    while let Some(begin) = rest.first() {
        let mut count = 1;
        while count < rest.len()
            && rest[count].offset - rest[count - 1].offset <= NEAR
            && rest[count].offset - begin.offset <= RUN_MAX
        {
            count += 1;
        }
        let run;
        (run, rest) = rest.split_at(count);
        let len = run[count - 1].offset + GUESS - begin.offset;
        buf.resize(usize::try_from(len).expect("a run is bounded"), 0);
        let read = super::super::files::read_full(&*segment.file, &mut buf, begin.offset)?;
        for place in run {
            let skip = usize::try_from(place.offset - begin.offset).expect("a run is bounded");
            let bytes = buf[..read].get(skip..).unwrap_or_default();
            let near = whole(bytes, segment.salt);
            let far = match near {
                Some(_) => None,
                None => segment.read(place.offset, HEADER)?,
            };
            let entry = near
                .or(far.as_deref())
                .and_then(|bytes| entry(shard, *place, segment.salt, bytes));
            match entry {
                Some(entry) => {
                    if !each(entry) {
                        return Ok(true);
                    }
                }
                None => env.found(Damage {
                    path: segment.path.clone(),
                    offset: place.offset,
                    bytes: 0,
                    what: Harm::Record(Some(place.pos)),
                }),
            }
        }
    }
    Ok(false)
}

/// The record with which `bytes` begins, if it is all there and whole.
fn whole(bytes: &[u8], salt: u32) -> Option<&[u8]> {
    let head = Head::decode(bytes, salt)?;
    let record = bytes.get(..head.total())?;
    head.holds(&record[HEADER..], salt).then_some(record)
}

fn entry<M: Message>(shard: u16, place: Place, salt: u32, record: &[u8]) -> Option<Entry<M>> {
    let head = Head::decode(record, salt)?;
    let ours = head.kind == Kind::Message && head.pos == place.pos;
    let (_, msg) = decode(&record[HEADER..]).filter(|_| ours)?;
    Some(Entry {
        pos: Pos {
            shard,
            seq: place.pos,
        },
        msg: Arc::new(msg),
    })
}

/// A record's identity and message.
pub(super) fn decode<M: Message>(body: &[u8]) -> Option<(Option<Dedup>, M)> {
    let (dedup, rest) = take_text(body)?;
    let dedup = (!dedup.is_empty()).then(|| dedup.into());
    Some((dedup, M::decode(rest)?))
}

/// Some bytes with their length in front, and the rest.
pub(in crate::disk) fn take_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
}

fn unreadable(error: &io::Error) -> Error {
    Error::Unavailable(format!("the log cannot be read: {error}").into())
}

impl<M: Message> Tail<M> {
    /// Hands over what is wanted of a batch, and gives whether somebody still wants it.
    pub(super) fn show(&self, entries: &Arc<[Entry<M>]>) -> bool {
        let skip = entries.partition_point(|entry| entry.pos.seq <= self.after);
        if skip == entries.len() {
            return self.tap.call(|_| {});
        }
        let wanted = if skip == 0 {
            Arc::clone(entries)
        } else {
            entries[skip..].into()
        };
        self.tap.call(|sink| sink(wanted))
    }
}
