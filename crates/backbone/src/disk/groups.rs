//! Groups on disk: the books of `lease` in memory, and of each group a record with how far it has
//! read and what is unsettled. Settling is done when the record is safe, and all that settles while
//! a record is being written goes into the next one. What was lent when the process ended comes
//! back as returned.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::env::Env;
use super::{Answer, kv, lock, log, now};
use crate::filter::Filters;
use crate::lease::Leases;
use crate::memory::Wakes;
use crate::{
    Blob, Done, Entry, Error, GroupKey, Guard, Kv as _, Lease, Log as _, Message, Outcome, Pos,
    WakeSink,
};

/// The bucket of the groups' records. Sessions cannot name it.
pub(super) const BUCKET: &str = "$groups";

const ABSENT: Error = Error::Absent("group");

pub(super) struct Groups<M: Message>(Arc<Inner<M>>);

struct Inner<M: Message> {
    env: Arc<Env>,
    log: Arc<log::Log<M>>,
    kv: Arc<kv::Kv>,
    groups: Mutex<BTreeMap<GroupKey, Group<M>>>,
    wakes: Arc<Wakes>,
}

struct Group<M> {
    books: Leases<M>,
    /// The shard at which the next pull begins, so that none starves.
    turn: u16,
    /// Whether a record is being written.
    saving: bool,
    /// Who waits for the next record.
    waiting: Vec<Done<()>>,
    /// The tails that wake its nodes.
    _tails: Vec<Guard>,
}

impl<M: Message> Groups<M> {
    /// The groups that there are.
    pub(super) fn open(env: &Arc<Env>, log: Arc<log::Log<M>>, kv: Arc<kv::Kv>) -> Self {
        let inner = Inner {
            env: Arc::clone(env),
            log,
            kv,
            groups: Mutex::new(BTreeMap::new()),
            wakes: Arc::new(Wakes::new()),
        };
        for (name, value) in inner.kv.all_now(BUCKET) {
            let Some((key, record)) = parse(&name, &value.bytes) else {
                env.alarm("the record of a shared subscription cannot be read");
                continue;
            };
            let group = inner.restore(&key, record);
            lock(&inner.groups).insert(key, group);
        }
        Self(Arc::new(inner))
    }
}

impl<M: Message> Inner<M> {
    fn group(&self, key: &GroupKey, seen: Vec<u64>, open: Vec<Entry<M>>) -> Group<M> {
        let tails = (0..)
            .zip(&seen)
            .map(|(shard, &after)| self.log.tail(shard, after, self.waker(key)));
        let tails = tails.collect();
        let options = &self.env.options;
        Group {
            books: Leases::restore(seen, open, options.lease, options.lease_max),
            turn: 0,
            saving: false,
            waiting: Vec::new(),
            _tails: tails,
        }
    }

    fn restore(&self, key: &GroupKey, record: Record) -> Group<M> {
        let mut seen = record.seen;
        seen.resize(usize::from(self.log.shards()), 0);
        let mut open = Vec::new();
        for shard in 0..self.log.shards() {
            let positions = record.open.iter().filter(|pos| pos.shard == shard);
            let positions: Vec<_> = positions.map(|pos| pos.seq).collect();
            open.extend(self.log.fetch_now(shard, &positions));
        }
        self.group(key, seen, open)
    }

    fn waker(&self, key: &GroupKey) -> crate::TailSink<M> {
        let (wakes, key) = (Arc::clone(&self.wakes), key.clone());
        Box::new(move |batch: Arc<[Entry<M>]>| {
            let found = Filters::parse([key.filter.as_str()])
                .is_ok_and(|filter| batch.iter().any(|entry| filter.matches(entry.msg.topic())));
            if found {
                wakes.wake(&key);
            }
        })
    }

    fn take(&self, key: &GroupKey, max: usize) -> Result<Vec<Lease<M>>, Error> {
        let mut groups = lock(&self.groups);
        let group = groups.get_mut(key).ok_or(ABSENT)?;
        let filter = [key.filter.clone()];
        group.books.expire(now());
        let mut out = group.books.again(now(), max);
        let shards = self.log.shards();
        for turn in 0..shards {
            let shard = (group.turn + turn) % shards;
            loop {
                let want = (max - out.len()).min(group.books.room());
                let seen = group.books.seen(shard);
                if want == 0 || seen >= self.log.last(shard) {
                    break;
                }
                let found = self.log.replay_now(shard, &filter, seen, u64::MAX, want)?;
                if found.upto == seen {
                    break;
                }
                out.extend(group.books.read(now(), shard, found.entries, found.upto));
            }
        }
        group.turn = (group.turn + 1) % shards;
        Ok(out)
    }

    /// Writes the group's record, and completes when it is safe.
    fn save(self: &Arc<Self>, key: &GroupKey, done: Done<()>) {
        let mut groups = lock(&self.groups);
        let Some(group) = groups.get_mut(key) else {
            drop(groups);
            return done(Err(ABSENT));
        };
        group.waiting.push(done);
        if group.saving {
            return;
        }
        group.saving = true;
        let (record, waiting) = group.next_record(key);
        drop(groups);
        self.put(key, record, waiting);
    }

    fn put(self: &Arc<Self>, key: &GroupKey, record: Blob, waiting: Vec<Done<()>>) {
        let (inner, key) = (Arc::clone(self), key.clone());
        let name = name(&key);
        let written = move |result: Result<Vec<u64>, Error>| {
            let result = result.map(drop);
            for done in waiting {
                done(result.clone());
            }
            let mut groups = lock(&inner.groups);
            let Some(group) = groups.get_mut(&key) else {
                return;
            };
            group.saving = !group.waiting.is_empty();
            if group.saving {
                let (record, waiting) = group.next_record(&key);
                drop(groups);
                inner.put(&key, record, waiting);
            }
        };
        self.kv
            .put(BUCKET, vec![(name, Some(record))], Box::new(written));
    }
}

impl<M: Message> Group<M> {
    fn next_record(&mut self, key: &GroupKey) -> (Blob, Vec<Done<()>>) {
        (encode(key, &self.books), std::mem::take(&mut self.waiting))
    }
}

impl<M: Message> crate::Groups<M> for Groups<M> {
    fn create(&self, key: &GroupKey, done: Done<()>) {
        if let Err(error) = Filters::parse([key.filter.as_str()]) {
            return done(Err(error));
        }
        let log = &self.0.log;
        let ends = (0..log.shards()).map(|shard| log.last(shard)).collect();
        lock(&self.0.groups)
            .entry(key.clone())
            .or_insert_with(|| self.0.group(key, ends, Vec::new()));
        self.0.save(key, done);
    }

    fn remove(&self, key: &GroupKey, done: Done<()>) {
        let mut group = lock(&self.0.groups).remove(key);
        let waiting = group
            .as_mut()
            .map(|group| std::mem::take(&mut group.waiting));
        drop(group);
        for waiting in waiting.into_iter().flatten() {
            waiting(Err(ABSENT));
        }
        let removed = move |result: Result<Vec<u64>, Error>| done(result.map(drop));
        let batch = vec![(name(key), None)];
        self.0.kv.put(BUCKET, batch, Box::new(removed));
    }

    fn pull(&self, key: &GroupKey, max: usize, done: Done<Vec<Lease<M>>>) {
        let (inner, key) = (Arc::clone(&self.0), key.clone());
        let answer = Answer::new(done);
        self.0
            .env
            .readers
            .run(move || answer.give(inner.take(&key, max)));
    }

    fn settle(&self, key: &GroupKey, settled: Vec<(u64, Outcome)>, done: Done<()>) {
        let mut groups = lock(&self.0.groups);
        let Some(group) = groups.get_mut(key) else {
            drop(groups);
            return done(Err(ABSENT));
        };
        let settle = |&(lease, outcome): &_| group.books.settle(now(), lease, outcome);
        // All of them, so not `any`, which ends at the first.
        let returned = settled.iter().map(settle).filter(|&back| back).count() > 0;
        let kept = settled.iter().any(|&(_, outcome)| outcome == Outcome::Done);
        drop(groups);
        if returned {
            self.0.wakes.wake(key);
        }
        if kept {
            self.0.save(key, done);
        } else {
            done(Ok(()));
        }
    }

    fn cursors(&self, key: &GroupKey, done: Done<Vec<u64>>) {
        let groups = lock(&self.0.groups);
        let cursors = groups.get(key).map(|group| group.books.cursors());
        drop(groups);
        done(cursors.ok_or(ABSENT));
    }

    fn wake(&self, key: &GroupKey, sink: WakeSink) -> Guard {
        let number = self.0.wakes.add(key, sink);
        let (wakes, key) = (Arc::clone(&self.0.wakes), key.clone());
        Guard::new(move || wakes.remove(&key, number))
    }
}

/// A group's record.
struct Record {
    seen: Vec<u64>,
    open: Vec<Pos>,
}

fn name(key: &GroupKey) -> Blob {
    format!("{}\0{}", key.group, key.filter).into_bytes().into()
}

/// How far each shard was read, then what is unsettled. The key is in front, so that the record
/// says whose it is.
fn encode<M: Message>(key: &GroupKey, books: &Leases<M>) -> Blob {
    let (seen, open) = books.unsettled();
    let mut out = name(key).to_vec();
    out.push(0);
    out.extend(u16::try_from(seen.len()).unwrap_or(0).to_le_bytes());
    out.extend(seen.iter().flat_map(|seen| seen.to_le_bytes()));
    for pos in open {
        out.extend(pos.shard.to_le_bytes());
        out.extend(pos.seq.to_le_bytes());
    }
    out.into()
}

fn parse(name: &[u8], record: &[u8]) -> Option<(GroupKey, Record)> {
    let text = std::str::from_utf8(name).ok()?;
    let (group, filter) = text.split_once('\0')?;
    let key = GroupKey {
        group: group.to_owned(),
        filter: filter.to_owned(),
    };
    let rest = record.strip_prefix(name)?.strip_prefix(&[0])?;
    let (count, rest) = rest.split_first_chunk()?;
    let count = usize::from(u16::from_le_bytes(*count));
    let (seen, open) = rest.split_at_checked(count * 8)?;
    let word = |bytes: &[u8]| bytes.first_chunk().map(|word| u64::from_le_bytes(*word));
    let pos = |bytes: &[u8]| {
        let shard = u16::from_le_bytes(*bytes.first_chunk()?);
        let seq = word(&bytes[2..])?;
        Some(Pos { shard, seq })
    };
    let record = Record {
        seen: seen.chunks_exact(8).map(word).collect::<Option<_>>()?,
        open: open.chunks_exact(10).map(pos).collect::<Option<_>>()?,
    };
    Some((key, record))
}
