//! Groups in memory: the books of `lease` under one mutex, read from the log when somebody pulls.
//! Who is to be woken is under a mutex of its own that is never held while another is taken: the
//! log calls in with its shard locked, and a pull locks the shard from inside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Clock, Options, Sinks, lock};
use crate::filter::Filters;
use crate::lease::Leases;
use crate::{Done, Entry, Error, GroupKey, Guard, Lease, Log as _, Message, Outcome, WakeSink};

const ABSENT: Error = Error::Absent("group");

pub(super) struct Groups<M: Message> {
    log: Arc<super::log::Log<M>>,
    groups: Mutex<BTreeMap<GroupKey, Group<M>>>,
    wakes: Arc<Wakes>,
    term: Duration,
    open_max: usize,
    clock: Clock,
}

struct Group<M> {
    books: Leases<M>,
    /// The shard at which the next pull begins, so that none starves.
    turn: u16,
    /// The tails that wake its nodes.
    _tails: Vec<Guard>,
}

/// Who is to be woken, by group.
pub(crate) struct Wakes(Mutex<BTreeMap<GroupKey, Sinks<WakeSink>>>);

impl<M: Message> Groups<M> {
    pub(super) fn new(log: Arc<super::log::Log<M>>, options: &Options) -> Self {
        Self {
            log,
            groups: Mutex::new(BTreeMap::new()),
            wakes: Arc::new(Wakes::new()),
            term: options.lease,
            open_max: options.lease_max,
            clock: Arc::clone(&options.clock),
        }
    }

    /// A group that stands at the end of the log. The tails begin where the cursors stand, so no
    /// append between the two goes without a wake-up.
    fn group(&self, key: &GroupKey) -> Group<M> {
        let ends: Vec<_> = (0..self.log.shards())
            .map(|shard| self.log.last(shard))
            .collect();
        let tails = (0..)
            .zip(&ends)
            .map(|(shard, &end)| self.log.tail(shard, end, self.waker(key)));
        let tails = tails.collect();
        Group {
            books: Leases::new(ends, self.term, self.open_max),
            turn: 0,
            _tails: tails,
        }
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

    /// Runs `use_books` on the group, if it is there.
    fn with<T>(
        &self,
        key: &GroupKey,
        use_group: impl FnOnce(&mut Group<M>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        lock(&self.groups)
            .get_mut(key)
            .map_or(Err(ABSENT), use_group)
    }

    fn take(
        &self,
        key: &GroupKey,
        group: &mut Group<M>,
        max: usize,
    ) -> Result<Vec<Lease<M>>, Error> {
        let filter = Filters::parse([key.filter.as_str()])?;
        let now = (self.clock)();
        group.books.expire(now);
        let mut out = group.books.again(now, max);
        let shards = self.log.shards();
        for turn in 0..shards {
            let shard = (group.turn + turn) % shards;
            self.take_new(&filter, &mut group.books, shard, max, &mut out);
        }
        group.turn = (group.turn + 1) % shards;
        Ok(out)
    }

    /// Reads one shard until the pull is full or the shard is at its end.
    fn take_new(
        &self,
        filter: &Filters<'_>,
        books: &mut Leases<M>,
        shard: u16,
        max: usize,
        out: &mut Vec<Lease<M>>,
    ) {
        loop {
            let want = (max - out.len()).min(books.room());
            let seen = books.seen(shard);
            if want == 0 || seen >= self.log.last(shard) {
                return;
            }
            let found = self.log.read(shard, filter, seen, u64::MAX, want);
            out.extend(books.read((self.clock)(), shard, found.entries, found.upto));
        }
    }
}

impl<M: Message> crate::Groups<M> for Groups<M> {
    fn create(&self, key: &GroupKey, done: Done<()>) {
        if let Err(error) = Filters::parse([key.filter.as_str()]) {
            return done(Err(error));
        }
        lock(&self.groups)
            .entry(key.clone())
            .or_insert_with(|| self.group(key));
        done(Ok(()));
    }

    fn remove(&self, key: &GroupKey, done: Done<()>) {
        // Its guards lock the log's shards, so it is dropped outside our lock.
        let group = lock(&self.groups).remove(key);
        drop(group);
        done(Ok(()));
    }

    fn pull(&self, key: &GroupKey, max: usize, done: Done<Vec<Lease<M>>>) {
        let leases = self.with(key, |group| self.take(key, group, max));
        done(leases);
    }

    fn settle(&self, key: &GroupKey, settled: Vec<(u64, Outcome)>, done: Done<()>) {
        let now = (self.clock)();
        let returned = self.with(key, |group| {
            let settle = |&(lease, outcome): &_| group.books.settle(now, lease, outcome);
            // All of them, so not `any`, which ends at the first.
            Ok(settled.iter().map(settle).filter(|&back| back).count() > 0)
        });
        if returned == Ok(true) {
            self.wakes.wake(key);
        }
        done(returned.map(drop));
    }

    fn cursors(&self, key: &GroupKey, done: Done<Vec<u64>>) {
        let cursors = self.with(key, |group| Ok(group.books.cursors()));
        done(cursors);
    }

    fn wake(&self, key: &GroupKey, sink: WakeSink) -> Guard {
        let number = self.wakes.add(key, sink);
        let (wakes, key) = (Arc::clone(&self.wakes), key.clone());
        Guard::new(move || wakes.remove(&key, number))
    }
}

impl Wakes {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn wake(&self, key: &GroupKey) {
        if let Some(sinks) = lock(&self.0).get(key) {
            sinks.iter().for_each(|sink| sink());
        }
    }

    pub(crate) fn add(&self, key: &GroupKey, sink: WakeSink) -> u64 {
        lock(&self.0)
            .entry(key.clone())
            .or_insert_with(Sinks::new)
            .add(sink)
    }

    pub(crate) fn remove(&self, key: &GroupKey, number: u64) {
        let mut wakes = lock(&self.0);
        let sink = wakes.get_mut(key).and_then(|sinks| sinks.remove(number));
        if wakes.get(key).is_some_and(Sinks::is_empty) {
            wakes.remove(key);
        }
        drop(wakes);
        drop(sink);
    }
}
