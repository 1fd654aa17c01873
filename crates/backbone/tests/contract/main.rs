//! The contract of the seam as tests that are generic over a backend. A backend is added with a
//! [`Fixture`] and one line `contract!` at the end; what it may do differently is in the fixture.

#![expect(
    clippy::unwrap_used,
    reason = "test code, though not under #[test] itself"
)]

mod bus;
mod disk;
mod groups;
mod kv;
mod log;
mod topics;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use disk::Disk;

use backbone::{Backend, Bounds, Entry, Log, Message, NodeId, Pos, Record, Replay, memory, wait};

/// What a test asks of the backend under test.
struct Spec {
    shards: u16,
    log_shard_bytes_max: u64,
    lease: Duration,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            shards: 3,
            log_shard_bytes_max: 16 << 20,
            lease: Duration::from_millis(200),
        }
    }
}

/// A backend under test, empty and alone.
trait Fixture: Sized + Sync {
    /// How many nodes it has: 1 for what cannot be a cluster (the tests of the bus are void then).
    const NODES: u64;
    /// Whether limits and trimming are exact to the entry, not to a segment.
    const EXACT: bool;

    fn new(spec: &Spec) -> Self;

    /// The backend as node 1 ..= `NODES` sees it; another call gives another node. Over `NODES`,
    /// it gives one that was given before.
    fn node(&self) -> Backend<Text>;

    /// Lets time pass by which leases age; a real one sleeps.
    fn pass(&self, time: Duration);
}

/// The message of the tests.
#[derive(Debug, PartialEq)]
struct Text {
    topic: String,
    body: String,
}

impl Message for Text {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn bytes(&self) -> usize {
        self.topic.len() + self.body.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(u16::try_from(self.topic.len()).unwrap().to_be_bytes());
        out.extend(self.topic.as_bytes());
        out.extend(self.body.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk()?;
        let (topic, body) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Self {
            topic: text(topic)?,
            body: text(body)?,
        })
    }
}

fn text(topic: &str, body: impl ToString) -> Arc<Text> {
    Arc::new(Text {
        topic: topic.to_owned(),
        body: body.to_string(),
    })
}

fn record(topic: &str, body: impl ToString) -> Record<Text> {
    Record::new(text(topic, body))
}

fn append(log: &dyn Log<Text>, shard: u16, batch: Vec<Record<Text>>) -> Vec<Pos> {
    wait(|done| log.append(shard, batch, done)).unwrap()
}

/// Appends one message to the shard of its topic.
fn publish(log: &dyn Log<Text>, topic: &str, body: impl ToString) -> Pos {
    append(log, log.shard_of(topic), vec![record(topic, body)])[0]
}

fn bounds(log: &dyn Log<Text>, shard: u16) -> Bounds {
    wait(|done| log.bounds(shard, done)).unwrap()
}

/// All that matches in a shard after a position, read `max` at a time.
fn replay(
    log: &dyn Log<Text>,
    shard: u16,
    filters: &[&str],
    after: u64,
    max: usize,
) -> Vec<Entry<Text>> {
    let filters: Vec<_> = filters.iter().map(ToString::to_string).collect();
    let (mut after, mut entries) = (after, Vec::new());
    loop {
        let last = bounds(log, shard).last;
        let Replay {
            entries: found,
            upto,
        } = wait(|done| log.replay(shard, filters.clone(), after, u64::MAX, max, done)).unwrap();
        assert!(found.len() <= max);
        entries.extend(found);
        if upto >= last {
            return entries;
        }
        assert!(upto > after, "a replay comes forward");
        after = upto;
    }
}

fn seqs(entries: &[Entry<Text>]) -> Vec<u64> {
    entries.iter().map(|entry| entry.pos.seq).collect()
}

/// Receives what a sink of a test was given.
fn next<T>(receiver: &Receiver<T>) -> T {
    receiver
        .recv_timeout(Duration::from_secs(20))
        .expect("an event in time")
}

/// A tail of a shard, entry by entry.
fn tail(log: &dyn Log<Text>, shard: u16, after: u64) -> (backbone::Guard, Receiver<Entry<Text>>) {
    let (sender, receiver) = mpsc::channel();
    let sink = move |batch: Arc<[Entry<Text>]>| {
        assert!(!batch.is_empty());
        // The test may have seen enough and gone.
        batch
            .iter()
            .cloned()
            .for_each(|entry| _ = sender.send(entry).ok());
    };
    (log.tail(shard, after, Box::new(sink)), receiver)
}

/// The memory backend, by a clock of the test's own.
struct Memory {
    hub: memory::Hub<Text>,
    nodes: AtomicU64,
    now: Arc<Mutex<Instant>>,
}

impl Fixture for Memory {
    const NODES: u64 = u64::MAX;
    const EXACT: bool = true;

    fn new(spec: &Spec) -> Self {
        let now = Arc::new(Mutex::new(Instant::now()));
        let clock = Arc::clone(&now);
        let options = memory::Options {
            shards: spec.shards,
            log_shard_bytes_max: spec.log_shard_bytes_max,
            lease: spec.lease,
            clock: Arc::new(move || *clock.lock().unwrap()),
            ..memory::Options::default()
        };
        Self {
            hub: memory::Hub::new(&options),
            nodes: AtomicU64::new(0),
            now,
        }
    }

    fn node(&self) -> Backend<Text> {
        self.hub
            .node(NodeId(self.nodes.fetch_add(1, Ordering::Relaxed) + 1))
    }

    fn pass(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }
}

macro_rules! contract {
    ($backend:ident, $fixture:ident) => {
        contract!($backend, $fixture,
            log: append_gives_growing_positions, log_order_is_one, tail_is_gap_free,
                tail_begins_where_asked, replay_is_the_matcher, replay_unites_filters,
                replay_keeps_to_its_range, replay_finds_the_sparse,
                invalid_filters_are_refused, fetch_by_position, trim_and_bounds, bytes_are_bounded,
                dedup_stores_once, identities_are_open_until_released,
                messages_come_back_whole;
            kv: one_winner_per_key, cas_counts_every_step, cas_of_absent_and_deleted,
                last_write_wins, watch_is_snapshot_then_changes, watch_misses_nothing,
                buckets_are_apart;
            groups: each_entry_to_one, pulls_and_appends_meet, unsettled_comes_to_another,
                returned_at_once_and_wakes,
                extended_stays, cursor_stops_at_the_oldest_unsettled, group_begins_at_the_end,
                wake_on_append, absent_group;
            bus: routed_by_interest, order_is_kept, interest_is_a_set, guard_ends_inbound,
                calls_are_answered, beats_are_seen;
        );
    };
    ($backend:ident, $fixture:ident, $($room:ident: $($test:ident),*;)*) => {
        mod $backend {
            $($(
                #[test]
                fn $test() {
                    super::$room::$test::<super::$fixture>();
                }
            )*)*
        }
    };
}

contract!(memory_backend, Memory);
contract!(disk_backend, Disk);
