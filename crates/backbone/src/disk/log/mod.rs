//! The log on disk, as its callers see it: appends go to the writer thread of their shard, reads to
//! the pool of readers. What a shard holds is under one mutex, which no disk access is made under.

mod index;
mod open;
mod read;
mod seal;
mod writer;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};

use super::env::Env;
use super::frame::{Kind, scan};
use super::lock;
use super::queue::Queue;
use super::segment::{DATA, Segment};
use super::stats::{Counters, Writes};
use super::tap::Tap;
use crate::{Bounds, Dedup, Done, Entry, Error, Guard, Message, Pos, Record, Replay, TailSink};
pub(super) use index::Packed;
use index::{Growing, Wanted};
pub(super) use open::open;
pub(super) use read::take_text;
pub(super) use seal::{Footer, Sealed, report};
pub(super) use writer::{Command, text};

pub(super) struct Log<M: Message> {
    env: Arc<Env>,
    shards: Vec<Arc<Shard<M>>>,
}

/// One shard, shared by its writer, its readers and its callers.
pub(super) struct Shard<M: Message> {
    pub(super) number: u16,
    pub(super) queue: Queue<Command<M>>,
    pub(super) counters: Arc<Counters>,
    state: Mutex<State<M>>,
}

struct State<M: Message> {
    /// Complete segments, oldest first.
    sealed: VecDeque<Arc<Sealed>>,
    /// The segment that is written to, if there is one with messages.
    active: Option<Active>,
    /// The last position that is visible.
    last: u64,
    dropped: u64,
    /// QoS 2 identities that were not released.
    open: HashMap<Dedup, Pos>,
    tails: Vec<Tail<M>>,
    sheds: Vec<Arc<Tap<TailSink<M>>>>,
}

struct Active {
    segment: Arc<Segment>,
    index: Growing,
    /// The end of what is visible.
    end: u64,
}

struct Tail<M: Message> {
    /// Nothing up to here is wanted.
    after: u64,
    tap: Arc<Tap<TailSink<M>>>,
}

impl<M: Message> Log<M> {
    pub(super) fn new(env: Arc<Env>, shards: Vec<Arc<Shard<M>>>) -> Self {
        Self { env, shards }
    }

    fn shard(&self, shard: u16) -> &Arc<Shard<M>> {
        self.shards
            .get(usize::from(shard))
            .expect("the caller's shard is below `shards()`")
    }

    /// Runs `read` on a reader and completes with what it gives.
    fn read<T: Send + 'static>(
        &self,
        done: Done<T>,
        read: impl FnOnce(&Env) -> Result<T, Error> + Send + 'static,
    ) {
        let env = Arc::clone(&self.env);
        // Should the store be closed, the completion is told so by its being dropped.
        let answer = super::Answer::new(done);
        self.env.readers.run(move || answer.give(read(&env)));
    }

    /// The last position of a shard.
    pub(super) fn last(&self, shard: u16) -> u64 {
        lock(&self.shard(shard).state).last
    }

    /// What `replay` does, on the caller's thread.
    pub(super) fn replay_now(
        &self,
        shard: u16,
        filters: &[String],
        after: u64,
        upto: u64,
        max: usize,
    ) -> Result<Replay<M>, Error> {
        let wanted = Wanted::new(filters)?;
        read::replay(&self.env, self.shard(shard), &wanted, after, upto, max)
    }

    /// What `fetch` does, on the caller's thread.
    pub(super) fn fetch_now(&self, shard: u16, positions: &[u64]) -> Vec<Entry<M>> {
        read::fetch(&self.env, self.shard(shard), positions)
    }

    /// The number of shards.
    pub(super) fn counted(&self) -> u16 {
        u16::try_from(self.shards.len()).expect("made from a u16")
    }

    /// The identities that are open in a shard.
    pub(super) fn open_now(&self, shard: u16) -> Vec<(Dedup, Pos)> {
        let state = lock(&self.shard(shard).state);
        let open = state.open.iter();
        open.map(|(dedup, &pos)| (Arc::clone(dedup), pos)).collect()
    }

    /// Every message of a shard as it stands in its record, by position.
    pub(super) fn each_raw(
        &self,
        shard: u16,
        mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let state = lock(&self.shard(shard).state);
        let mut parts: Vec<_> = state.sealed.iter().map(|sealed| sealed.part()).collect();
        let active = state.active.as_ref();
        parts.extend(active.map(|active| (Arc::clone(&active.segment), active.end)));
        drop(state);
        for (segment, end) in parts {
            let mut result = Ok(());
            scan(&*segment.file, segment.salt, DATA, end, |_, head, body| {
                if head.kind == Kind::Message && result.is_ok() {
                    result = each(head.pos, body);
                }
            })?;
            result?;
        }
        Ok(())
    }

    /// What each shard's writer counted.
    pub(super) fn writes(&self) -> Vec<Writes> {
        let read = |shard: &Arc<Shard<M>>| shard.counters.read();
        self.shards.iter().map(read).collect()
    }

    /// Bytes on disk, and segments.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let size = |shard: &Arc<Shard<M>>| {
            let state = lock(&shard.state);
            let count = state.sealed.len() as u64 + u64::from(state.active.is_some());
            (state.disk_bytes(), count)
        };
        let sizes = self.shards.iter().map(size);
        sizes.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Reads every complete segment again and reports what is damaged.
    pub(super) fn scrub(&self, go_on: &dyn Fn() -> bool) {
        for shard in &self.shards {
            let sealed: Vec<_> = lock(&shard.state).sealed.iter().cloned().collect();
            for sealed in sealed {
                if !go_on() {
                    return;
                }
                sealed.scrub(&self.env);
            }
        }
    }
}

impl<M: Message> State<M> {
    fn bounds(&self) -> Bounds {
        let active = self.active.as_ref().map(|active| active.index.sums);
        let sums = self.sealed.iter().map(|sealed| sealed.sums).chain(active);
        let there: Vec<_> = sums.filter(|sums| sums.messages > 0).collect();
        Bounds {
            first: there.first().map_or(self.last + 1, |sums| sums.first),
            last: self.last,
            bytes: there.iter().map(|sums| sums.bytes).sum(),
            dropped: self.dropped,
        }
    }

    fn disk_bytes(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|sealed| sealed.disk_bytes()).sum();
        sealed + self.active.as_ref().map_or(0, |active| active.end)
    }
}

impl<M: Message> crate::Log<M> for Log<M> {
    fn shards(&self) -> u16 {
        self.counted()
    }

    fn append(&self, shard: u16, batch: Vec<Record<M>>, done: Done<Vec<Pos>>) {
        let command = Command::Append { batch, done };
        if let Err(Command::Append { done, .. }) = self.shard(shard).queue.push(command) {
            done(Err(super::closed()));
        }
    }

    fn release(&self, shard: u16, identities: Vec<Dedup>, done: Done<()>) {
        let command = Command::Release { identities, done };
        if let Err(Command::Release { done, .. }) = self.shard(shard).queue.push(command) {
            done(Err(super::closed()));
        }
    }

    fn identities(&self, shard: u16, done: Done<Vec<(Dedup, Pos)>>) {
        done(Ok(self.open_now(shard)));
    }

    fn tail(&self, shard: u16, after: u64, sink: TailSink<M>) -> Guard {
        let (tap, guard) = Tap::new(sink);
        read::follow(&self.env, Arc::clone(self.shard(shard)), after, tap);
        guard
    }

    fn shed(&self, shard: u16, sink: TailSink<M>) -> Guard {
        let (tap, guard) = Tap::new(sink);
        lock(&self.shard(shard).state).sheds.push(tap);
        guard
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
        let shard = Arc::clone(self.shard(shard));
        self.read(done, move |env| {
            let wanted = Wanted::new(&filters)?;
            read::replay(env, &shard, &wanted, after, upto, max)
        });
    }

    fn fetch(&self, shard: u16, positions: Vec<u64>, done: Done<Vec<Entry<M>>>) {
        let shard = Arc::clone(self.shard(shard));
        self.read(done, move |env| Ok(read::fetch(env, &shard, &positions)));
    }

    fn bounds(&self, shard: u16, done: Done<Bounds>) {
        let bounds = lock(&self.shard(shard).state).bounds();
        done(Ok(bounds));
    }

    fn trim(&self, shard: u16, below: u64, done: Done<()>) {
        let command = Command::Trim { below, done };
        if let Err(Command::Trim { done, .. }) = self.shard(shard).queue.push(command) {
            done(Err(super::closed()));
        }
    }
}
