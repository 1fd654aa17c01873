//! The limits of the log: what they take is counted and told, and no open QoS 2 identity is part of
//! it. And what a start reads, which they bound.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::super::files::sim::Sim;
use super::{Store, Text, contents, open, options};
use crate::{Bounds, Dedup, Entry, Guard, Record, wait};

fn append(store: &Store<Text>, body: &str, id: Option<&str>) -> u64 {
    let record = Record {
        msg: Arc::new(Text("t/a".to_owned(), body.to_owned())),
        dedup: id.map(|id| Dedup::from(id.as_bytes())),
    };
    wait(|done| store.backend().log.append(0, vec![record], done)).unwrap()[0].seq
}

fn fill(store: &Store<Text>, count: usize) {
    let body = "x".repeat(200);
    (0..count).for_each(|_| _ = append(store, &body, None));
}

fn bounds(store: &Store<Text>) -> Bounds {
    wait(|done| store.backend().log.bounds(0, done)).unwrap()
}

/// The positions that are shed from now on.
fn shed(store: &Store<Text>) -> (Guard, mpsc::Receiver<u64>) {
    let (sender, shed) = mpsc::channel();
    let sink = move |batch: Arc<[Entry<Text>]>| {
        let positions = batch.iter().map(|entry| entry.pos.seq);
        positions.for_each(|seq| _ = sender.send(seq).ok());
    };
    (store.backend().log.shed(0, Box::new(sink)), shed)
}

/// Everything that is gone was either trimmed, by somebody who needed it no more, or shed; what was
/// shed is counted, told once and in order.
#[test]
fn what_is_shed_is_counted_and_what_is_trimmed_is_not() {
    let sim = Sim::new(1);
    let mut options = options();
    options.log_shard_bytes_max = 16 << 10;
    let store = open(&sim, &options);
    let (_guard, shed) = shed(&store);
    for _ in 0..5 {
        fill(&store, 100);
        let there = bounds(&store);
        let middle = there.first + (there.last - there.first) / 2;
        wait(|done| store.backend().log.trim(0, middle, done)).unwrap();
    }
    let last = bounds(&store);
    let trimmed = last.first - 1 - last.dropped;
    assert!(last.dropped > 0 && trimmed > 50, "{last:?}");
    // The janitor tells, and its thread ends with what it has to do.
    store.env.janitor.close();
    let told: Vec<_> = shed.try_iter().collect();
    assert_eq!(told.len() as u64, last.dropped);
    assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
    let there: BTreeSet<_> = contents(&store, 0)
        .into_iter()
        .map(|(seq, _)| seq)
        .collect();
    assert_eq!(there.len() as u64, last.last - last.first + 1);
    assert!(told.iter().all(|seq| !there.contains(seq)));
}

/// The age of the log is a limit like the others.
#[test]
fn what_is_too_old_is_shed() {
    let sim = Sim::new(2);
    let mut options = options();
    options.log_age_max = Some(Duration::from_secs(1));
    let store = open(&sim, &options);
    let (_guard, shed) = shed(&store);
    let first = append(&store, "old", Some("c:1"));
    fill(&store, 30);
    // The clock of ages has seconds, and what is written makes the writer look.
    let begun = Instant::now();
    let told = loop {
        fill(&store, 1);
        match shed.recv_timeout(Duration::from_millis(50)) {
            Ok(seq) => break seq,
            Err(_) => assert!(begun.elapsed() < Duration::from_secs(20)),
        }
    };
    assert_eq!(told, first);
    assert!(bounds(&store).dropped > 0);
    assert_eq!(append(&store, "old", Some("c:1")), first);
}

/// Identities that nobody released outlive whatever takes their messages, one by one in every
/// state: shed, trimmed, shed and cut off while it went on.
#[test]
fn no_limit_takes_an_open_identity() {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let mut options = options();
        options.log_shard_bytes_max = 12 << 10;
        let store = open(&sim, &options);
        let mut open_ones = Vec::new();
        for n in 0..30 {
            let name = format!("c:{n}");
            let pos = append(&store, "once", Some(&name));
            if n % 3 == 0 {
                let id = Dedup::from(name.as_bytes());
                wait(|done| store.backend().log.release(0, vec![id], done)).unwrap();
            } else {
                open_ones.push((name, pos));
            }
            fill(&store, 7);
            if n == 20 {
                wait(|done| store.backend().log.trim(0, u64::MAX, done)).unwrap();
            }
        }
        assert!(bounds(&store).first > open_ones[5].1);
        let cut = sim.power_cut(seed);
        drop(store);
        let store = open(&cut, &options);
        fill(&store, 100);
        let first = bounds(&store).first;
        assert!(open_ones.iter().all(|(_, pos)| *pos < first));
        let found = wait(|done| store.backend().log.identities(0, done)).unwrap();
        assert_eq!(found.len(), open_ones.len());
        for (name, pos) in open_ones {
            assert_eq!(append(&store, "once", Some(&name)), pos, "{seed} {name}");
        }
        assert_eq!(store.recovery().identities, 20);
    }
}

/// A start reads the newest segment and the ends of the others, however many there are, and tells
/// how far it has come.
#[test]
fn a_start_reads_what_was_written_last() {
    let sim = Sim::new(4);
    let mut options = options();
    let store = open(&sim, &options);
    fill(&store, 2_000);
    // Cut off, so that nothing is made short by its closing.
    store.env.janitor.close();
    let killed = sim.killed();
    drop(store);
    let told = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let tell = Arc::clone(&told);
    options.progress = Arc::new(move |progress| {
        assert!(progress.bytes >= tell.1.swap(progress.bytes, Relaxed));
        tell.0.store(progress.files, Relaxed);
    });
    let before = killed.bytes_read();
    let store = open(&killed, &options);
    let read = (killed.bytes_read() - before) as u64;
    let recovery = store.recovery();
    assert_eq!(recovery.messages, 2_000);
    assert!(recovery.bytes > 400_000, "{recovery}");
    // For each file twice its header and once its end; the manifest; the newest segment.
    let most = recovery.files * 400 + (8 << 10) + 4 * options.segment_bytes;
    assert!(read < most, "{read} {most} {recovery}");
    assert!(recovery.bytes_read <= options.segment_bytes);
    assert_eq!(told.0.load(Relaxed), recovery.files);
}
