//! The log in memory: a ring of entries per shard, each under one mutex. Appends hold it while
//! they feed the tails, so tails see log order under concurrent appends, too.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::{Sinks, lock};
use crate::filter::Filters;
use crate::{Bounds, Dedup, Done, Entry, Error, Guard, Message, Pos, Record, Replay, TailSink};

/// Entries handed to a tail at once while it catches up.
const TAIL_BATCH_MAX: usize = 256;

/// Entries that one replay looks at before it answers: bounds the time under the lock.
const REPLAY_SCAN_MAX: usize = 8_192;

pub(super) struct Log<M: Message> {
    shards: Vec<Arc<Mutex<Shard<M>>>>,
}

/// Positions are dense: the entry at `index` of the ring has position `first + index`.
struct Shard<M: Message> {
    number: u16,
    first: u64,
    ring: VecDeque<Entry<M>>,
    identities: HashMap<Dedup, Pos>,
    bytes: u64,
    bytes_max: u64,
    dropped: u64,
    tails: Sinks<TailSink<M>>,
    sheds: Sinks<TailSink<M>>,
}

impl<M: Message> Log<M> {
    pub(super) fn new(shards: u16, bytes_max: u64) -> Self {
        assert!(shards > 0, "a log has at least one shard");
        let shard = |number| Arc::new(Mutex::new(Shard::new(number, bytes_max)));
        Self {
            shards: (0..shards).map(shard).collect(),
        }
    }

    fn shard(&self, shard: u16) -> &Arc<Mutex<Shard<M>>> {
        self.shards
            .get(usize::from(shard))
            .expect("the caller's shard is below `shards()`")
    }

    /// The last position of a shard.
    pub(super) fn last(&self, shard: u16) -> u64 {
        lock(self.shard(shard)).last()
    }

    /// What `replay` does, for the groups.
    pub(super) fn read(
        &self,
        shard: u16,
        filters: &Filters<'_>,
        after: u64,
        upto: u64,
        max: usize,
    ) -> Replay<M> {
        lock(self.shard(shard)).read(filters, after, upto, max)
    }
}

impl<M: Message> crate::Log<M> for Log<M> {
    fn shards(&self) -> u16 {
        u16::try_from(self.shards.len()).expect("made from a u16")
    }

    fn append(&self, shard: u16, batch: Vec<Record<M>>, done: Done<Vec<Pos>>) {
        let mut shard = lock(self.shard(shard));
        let mut fresh = Vec::with_capacity(batch.len());
        let positions = batch
            .into_iter()
            .map(|record| shard.push(record, &mut fresh))
            .collect();
        if !fresh.is_empty() && !shard.tails.is_empty() {
            let fresh: Arc<[_]> = fresh.into();
            shard.tails.iter().for_each(|tail| tail(Arc::clone(&fresh)));
        }
        let old = shard.shed();
        if !old.is_empty() && !shard.sheds.is_empty() {
            let lost: Arc<[_]> = old.iter().cloned().collect();
            shard.sheds.iter().for_each(|sink| sink(Arc::clone(&lost)));
        }
        drop(shard);
        drop(old);
        done(Ok(positions));
    }

    fn release(&self, shard: u16, identities: Vec<Dedup>, done: Done<()>) {
        let mut shard = lock(self.shard(shard));
        for dedup in &identities {
            shard.identities.remove(dedup);
        }
        drop(shard);
        done(Ok(()));
    }

    fn identities(&self, shard: u16, done: Done<Vec<(Dedup, Pos)>>) {
        let shard = lock(self.shard(shard));
        let open = shard.identities.iter();
        let open = open.map(|(dedup, &pos)| (Arc::clone(dedup), pos)).collect();
        drop(shard);
        done(Ok(open));
    }

    fn tail(&self, shard: u16, after: u64, sink: TailSink<M>) -> Guard {
        let shard = Arc::clone(self.shard(shard));
        let mut state = lock(&shard);
        let mut after = after;
        loop {
            let batch: Arc<[_]> = state.after(after).take(TAIL_BATCH_MAX).cloned().collect();
            let Some(last) = batch.last() else { break };
            after = last.pos.seq;
            sink(batch);
        }
        let number = state.tails.add(sink);
        drop(state);
        Guard::new(move || {
            let sink = lock(&shard).tails.remove(number);
            drop(sink);
        })
    }

    fn shed(&self, shard: u16, sink: TailSink<M>) -> Guard {
        let shard = Arc::clone(self.shard(shard));
        let number = lock(&shard).sheds.add(sink);
        Guard::new(move || {
            let sink = lock(&shard).sheds.remove(number);
            drop(sink);
        })
    }

    fn replay(
        &self,
        shard: u16,
        filters: Vec<String>,
        after: u64,
        upto: u64,
        max: usize,
        done: Done<Replay<M>>,
    ) {
        let filters = Filters::parse(filters.iter().map(String::as_str));
        done(filters.map(|filters| self.read(shard, &filters, after, upto, max)));
    }

    fn fetch(&self, shard: u16, positions: Vec<u64>, done: Done<Vec<Entry<M>>>) {
        let shard = lock(self.shard(shard));
        let entries = positions
            .iter()
            .filter_map(|&seq| shard.at(seq).cloned())
            .collect();
        drop(shard);
        done(Ok(entries));
    }

    fn bounds(&self, shard: u16, done: Done<Bounds>) {
        let shard = lock(self.shard(shard));
        let bounds = Bounds {
            first: shard.first,
            last: shard.last(),
            bytes: shard.bytes,
            dropped: shard.dropped,
        };
        drop(shard);
        done(Ok(bounds));
    }

    fn trim(&self, shard: u16, below: u64, done: Done<()>) {
        let mut shard = lock(self.shard(shard));
        let mut old = Vec::new();
        while shard.first < below
            && let Some(slot) = shard.pop()
        {
            old.push(slot);
        }
        drop(shard);
        drop(old);
        done(Ok::<_, Error>(()));
    }
}

impl<M: Message> Shard<M> {
    fn new(number: u16, bytes_max: u64) -> Self {
        Self {
            number,
            first: 1,
            ring: VecDeque::new(),
            identities: HashMap::new(),
            bytes: 0,
            bytes_max,
            dropped: 0,
            tails: Sinks::new(),
            sheds: Sinks::new(),
        }
    }

    fn last(&self) -> u64 {
        self.first + self.ring.len() as u64 - 1
    }

    fn at(&self, seq: u64) -> Option<&Entry<M>> {
        let index = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.ring.get(index)
    }

    /// The entries after a position, which may be one trimmed or one to come.
    fn after(&self, after: u64) -> impl Iterator<Item = &Entry<M>> {
        let skip = after.saturating_add(1).saturating_sub(self.first);
        let skip = usize::try_from(skip)
            .unwrap_or(usize::MAX)
            .min(self.ring.len());
        self.ring.range(skip..)
    }

    /// Stores a record unless its identity is known, and gives its position.
    fn push(&mut self, record: Record<M>, fresh: &mut Vec<Entry<M>>) -> Pos {
        let pos = Pos {
            shard: self.number,
            seq: self.last() + 1,
        };
        if let Some(dedup) = &record.dedup {
            if let Some(&known) = self.identities.get(dedup) {
                return known;
            }
            self.identities.insert(Arc::clone(dedup), pos);
        }
        self.bytes += record.msg.bytes() as u64;
        let entry = Entry {
            pos,
            msg: record.msg,
        };
        fresh.push(entry.clone());
        self.ring.push_back(entry);
        pos
    }

    fn pop(&mut self) -> Option<Entry<M>> {
        let slot = self.ring.pop_front()?;
        self.first += 1;
        self.bytes -= slot.msg.bytes() as u64;
        Some(slot)
    }

    /// Makes room by the limit of bytes. The last entry stays: who appended it may fetch it.
    fn shed(&mut self) -> Vec<Entry<M>> {
        let mut old = Vec::new();
        while self.bytes > self.bytes_max
            && self.ring.len() > 1
            && let Some(slot) = self.pop()
        {
            self.dropped += 1;
            old.push(slot);
        }
        old
    }

    fn read(&self, filters: &Filters<'_>, after: u64, upto: u64, max: usize) -> Replay<M> {
        let end = upto.min(self.last()).max(after);
        let mut entries = Vec::new();
        let mut reached = after;
        for (looked, entry) in self.after(after).enumerate() {
            if entry.pos.seq > end {
                break;
            }
            if entries.len() == max || looked == REPLAY_SCAN_MAX {
                return Replay {
                    entries,
                    upto: reached,
                };
            }
            reached = entry.pos.seq;
            if filters.matches(entry.msg.topic()) {
                entries.push(entry.clone());
            }
        }
        Replay { entries, upto: end }
    }
}
