//! What the disk backend reaches on this machine, beside the raw limit measured in the same run:
//! `cargo bench -p backbone --bench store [-- DIR]`. DIR is to be on the disk in question.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that prints"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use backbone::disk::{Options, Store};
use backbone::{Backend, Blob, Entry, Message, Record, Replay, wait};

const BYTES: usize = 200;
const TIME: Duration = Duration::from_secs(3);

struct Bytes {
    topic: String,
    body: Vec<u8>,
}

impl Message for Bytes {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn bytes(&self) -> usize {
        self.topic.len() + self.body.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::try_from(self.topic.len()).unwrap());
        out.extend(self.topic.as_bytes());
        out.extend(&self.body);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&len, rest) = bytes.split_first()?;
        let (topic, body) = rest.split_at_checked(usize::from(len))?;
        Some(Self {
            topic: String::from_utf8(topic.to_vec()).ok()?,
            body: body.to_vec(),
        })
    }
}

fn record(topic: usize) -> Record<Bytes> {
    Record::new(Arc::new(Bytes {
        topic: format!("site/{}/device/{topic}", topic % 10),
        body: vec![b'x'; BYTES],
    }))
}

fn main() {
    let dir = std::env::args().nth(1).filter(|arg| !arg.starts_with('-'));
    let dir = dir.map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = dir.join(format!("ternmq-bench-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    println!(
        "{BYTES} bytes a message, {TIME:?} each, in {}",
        dir.display()
    );
    for batch in [1, 64, 1024] {
        raw(&dir, batch);
    }
    for (producers, window) in [(1, 1), (64, 1), (64, 100)] {
        appends(&dir, producers, window);
    }
    batches(&dir);
    keys(&dir, 64);
    reads(&dir);
    sessions(&dir);
    many_keys(&dir);
    fs::remove_dir_all(dir).unwrap();
}

/// The limit: one write and one sync of a batch, again and again.
fn raw(dir: &Path, batch: usize) {
    let mut file = File::create(dir.join("raw")).unwrap();
    let bytes = vec![b'x'; batch * (BYTES + 60)];
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < TIME {
        let begun = Instant::now();
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        times.push(begun.elapsed());
    }
    let rate = (times.len() * batch) as f64 / begun.elapsed().as_secs_f64();
    let (p50, p99) = percentiles(times);
    println!(
        "raw write + fdatasync, batch {batch:>4}: {rate:>9.0} msg/s, p50 {p50:?}, p99 {p99:?}"
    );
}

fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn open(dir: &Path, name: &str) -> Store<Bytes> {
    Store::open(&Options::new(dir.join(name))).unwrap()
}

/// Producers that each wait for the oldest of their window.
fn appends(dir: &Path, producers: usize, window: usize) {
    let store = open(dir, &format!("a{producers}-{window}"));
    let backend = store.backend();
    let begun = Instant::now();
    let times: Vec<Duration> = thread::scope(|scope| {
        let producer = |n: usize| {
            let backend = &backend;
            scope.spawn(move || produce(backend, n, window, begun + TIME))
        };
        let running: Vec<_> = (0..producers).map(producer).collect();
        running
            .into_iter()
            .flat_map(|p| p.join().unwrap())
            .collect()
    });
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    let (p50, p99) = percentiles(times);
    let writes = store.status().log_writes[0];
    println!(
        "append, {producers:>2} producers, window {window:>3}: {rate:>9.0} msg/s, ack p50 {p50:?}, \
         p99 {p99:?}; batch {:.1}, sync p50 {:?}, p99 {:?}, {:.1} bytes on disk a message",
        writes.records as f64 / writes.commits as f64,
        writes.sync_p50,
        writes.sync_p99,
        writes.bytes as f64 / writes.records as f64,
    );
}

fn produce(
    backend: &Backend<Bytes>,
    producer: usize,
    window: usize,
    until: Instant,
) -> Vec<Duration> {
    let (sender, receiver) = mpsc::channel();
    let mut times = Vec::new();
    let mut under_way = 0;
    loop {
        let go_on = Instant::now() < until;
        while go_on && under_way < window {
            let (sender, begun) = (sender.clone(), Instant::now());
            let done = move |result: Result<Vec<backbone::Pos>, backbone::Error>| {
                result.unwrap();
                sender.send(begun.elapsed()).unwrap();
            };
            backend
                .log
                .append(0, vec![record(producer)], Box::new(done));
            under_way += 1;
        }
        if under_way == 0 {
            return times;
        }
        times.push(receiver.recv().unwrap());
        under_way -= 1;
    }
}

/// As shards of the broker do: one call a pass with all of it, several under way.
fn batches(dir: &Path) {
    const BATCH: usize = 256;
    let store = open(dir, "batches");
    let log = store.backend().log;
    let batch: Vec<_> = (0..BATCH).map(record).collect();
    let (sender, receiver) = mpsc::channel();
    let begun = Instant::now();
    let (mut under_way, mut count) = (0, 0);
    while under_way > 0 || begun.elapsed() < TIME {
        while under_way < 32 && begun.elapsed() < TIME {
            let sender = sender.clone();
            let done = move |result: Result<_, _>| {
                let _: Vec<backbone::Pos> = result.unwrap();
                sender.send(()).unwrap();
            };
            log.append(0, batch.clone(), Box::new(done));
            under_way += 1;
        }
        receiver.recv().unwrap();
        under_way -= 1;
        count += BATCH;
    }
    let writes = store.status().log_writes[0];
    println!(
        "append, calls of {BATCH}, 32 under way: {:>9.0} msg/s; batch {:.1}, sync p50 {:?}, p99 {:?}",
        count as f64 / begun.elapsed().as_secs_f64(),
        writes.records as f64 / writes.commits as f64,
        writes.sync_p50,
        writes.sync_p99,
    );
}

/// Keys written one by one by several writers that wait.
fn keys(dir: &Path, writers: usize) {
    let store = open(dir, "keys");
    let kv = store.backend().kv;
    let begun = Instant::now();
    let times: Vec<Duration> = thread::scope(|scope| {
        let writer = |n: usize| {
            let kv = &kv;
            scope.spawn(move || {
                let mut times = Vec::new();
                while begun.elapsed() < TIME {
                    let key = format!("client {n} {}", times.len() % 1_000);
                    let write = (Blob::from(key.into_bytes()), Some(vec![7; BYTES].into()));
                    let begun = Instant::now();
                    wait(|done| kv.put("ses", vec![write], done)).unwrap();
                    times.push(begun.elapsed());
                }
                times
            })
        };
        let running: Vec<_> = (0..writers).map(writer).collect();
        running
            .into_iter()
            .flat_map(|w| w.join().unwrap())
            .collect()
    });
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    let (p50, p99) = percentiles(times);
    println!("keys, {writers} writers: {rate:>9.0} puts/s, p50 {p50:?}, p99 {p99:?}");
}

/// Catching up on all, on one topic in a thousand, and opening again.
fn reads(dir: &Path) {
    const MESSAGES: usize = 1_000_000;
    const TOPICS: usize = 1_000;
    let store = open(dir, "reads");
    let log = store.backend().log;
    for n in (0..MESSAGES).step_by(TOPICS) {
        let batch = (n..n + TOPICS).map(|n| record(n % TOPICS)).collect();
        wait(|done| log.append(0, batch, done)).unwrap();
    }
    for (what, filter) in [("all", "#"), ("1 topic in 1,000", "site/7/device/507")] {
        for round in ["first", "again"] {
            let begun = Instant::now();
            let (mut after, mut found) = (0, 0);
            while after < MESSAGES as u64 {
                let filters = vec![filter.to_owned()];
                let part: Replay<Bytes> =
                    wait(|done| log.replay(0, filters, after, u64::MAX, 256, done)).unwrap();
                found += part.entries.len();
                after = part.upto;
            }
            let took = begun.elapsed();
            println!(
                "catch-up on {what} of {MESSAGES}, {round}: {found} in {took:?}, {:.0} msg/s",
                found as f64 / took.as_secs_f64()
            );
        }
    }
    let (sender, receiver) = mpsc::channel();
    let begun = Instant::now();
    let sink = move |batch: Arc<[Entry<Bytes>]>| _ = sender.send(batch.len()).ok();
    let tail = log.tail(0, 0, Box::new(sink));
    let mut seen = 0;
    while seen < MESSAGES {
        seen += receiver.recv().unwrap();
    }
    println!(
        "tail from the beginning: {:.0} msg/s",
        seen as f64 / begun.elapsed().as_secs_f64()
    );
    drop((tail, log));
    store.close();
    let begun = Instant::now();
    let store = open(dir, "reads");
    println!("opened in {:?}: {}", begun.elapsed(), store.recovery());
}

/// 19,000 sessions that were away come back after a restart, each for 10 messages of its own among
/// 1,000,000 for others.
fn sessions(dir: &Path) {
    const SESSIONS: usize = 19_000;
    const OTHERS: usize = 1_000_000;
    let store = open(dir, "sessions");
    let log = store.backend().log;
    let own = |n: usize| {
        Record::new(Arc::new(Bytes {
            topic: format!("own/{}", n % SESSIONS),
            body: vec![b'x'; BYTES],
        }))
    };
    let every = OTHERS / (SESSIONS * 10);
    let mut batch = Vec::new();
    for n in 0..SESSIONS * 10 {
        batch.push(own(n));
        batch.extend((0..every).map(|k| record(k + n % 20_000)));
        if batch.len() >= 1_000 {
            wait(|done| log.append(0, std::mem::take(&mut batch), done)).unwrap();
        }
    }
    wait(|done| log.append(0, batch, done)).unwrap();
    drop(log);
    store.close();
    let begun = Instant::now();
    let store = open(dir, "sessions");
    let opened = begun.elapsed();
    let log = store.backend().log;
    let last = wait(|done| log.bounds(0, done)).unwrap().last;
    let (sender, receiver) = mpsc::channel();
    let ask = |n: usize, after: u64| {
        let sender = sender.clone();
        let done = move |part: Result<Replay<Bytes>, backbone::Error>| {
            sender.send((n, part.unwrap())).unwrap();
        };
        log.replay(
            0,
            vec![format!("own/{n}")],
            after,
            u64::MAX,
            100,
            Box::new(done),
        );
    };
    (0..SESSIONS).for_each(|n| ask(n, 0));
    let (mut found, mut caught_up) = (0, 0);
    while caught_up < SESSIONS {
        let (n, part) = receiver.recv().unwrap();
        found += part.entries.len();
        if part.upto < last {
            ask(n, part.upto);
        } else {
            caught_up += 1;
        }
    }
    println!(
        "{SESSIONS} sessions of 10 among {last} messages: {found} found {:?} after the start, of \
         which opening took {opened:?}",
        begun.elapsed()
    );
}

/// A million retained messages, as far as the store is concerned.
fn many_keys(dir: &Path) {
    const KEYS: usize = 1_000_000;
    let memory = resident();
    let store = open(dir, "many");
    let kv = store.backend().kv;
    let begun = Instant::now();
    for n in (0..KEYS).step_by(1_000) {
        let write = |n: usize| {
            let key = format!("site/{}/device/{n}", n % 10);
            (Blob::from(key.into_bytes()), Some(vec![7; BYTES].into()))
        };
        let batch = (n..n + 1_000).map(write).collect();
        wait(|done| kv.put("retained", batch, done)).unwrap();
    }
    let rate = KEYS as f64 / begun.elapsed().as_secs_f64();
    let status = store.status();
    println!(
        "{KEYS} keys of {BYTES} bytes: {rate:.0} puts/s, {:.0} bytes on disk and {:.0} in memory a key",
        status.bytes as f64 / KEYS as f64,
        resident().saturating_sub(memory) as f64 / KEYS as f64,
    );
    drop(kv);
    store.close();
    let begun = Instant::now();
    let store = open(dir, "many");
    let opened = begun.elapsed();
    let (sender, receiver) = mpsc::channel();
    let sink = move |batch: Arc<[backbone::Change]>| _ = sender.send(batch.len()).ok();
    let watch = store.backend().kv.watch("retained", b"", Box::new(sink));
    let mut seen = 0;
    // The last one says that the snapshot is complete.
    while seen < KEYS + 1 {
        seen += receiver.recv().unwrap();
    }
    println!(
        "opened in {opened:?}, all read {:?} after the start",
        begun.elapsed()
    );
    drop(watch);
}

/// Bytes of memory that this process holds; 0 where it cannot be told.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
