//! Torn ends and single damaged bits, everywhere: reported each time, and the loss is the record
//! that was hit. The store opens each time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::files::sim::{Random, Sim};
use super::super::report::Harm;
use super::{Store, Text, contents, open, options, path};
use crate::{Blob, Record, wait};

fn record(n: usize) -> Record<Text> {
    let body = format!("{n} {}", "z".repeat(n % 90));
    Record {
        msg: Arc::new(Text(format!("t/{}", n % 7), body)),
        dedup: n
            .is_multiple_of(3)
            .then(|| format!("id {n}").into_bytes().into()),
    }
}

pub(super) fn append(store: &Store<Text>, shard: u16, numbers: impl IntoIterator<Item = usize>) {
    let log = store.backend().log;
    for n in numbers {
        wait(|done| log.append(shard, vec![record(n)], done)).unwrap();
    }
}

pub(super) fn put(store: &Store<Text>, key: usize, value: usize) {
    let kv = store.backend().kv;
    let blob = |text: String| Blob::from(text.into_bytes());
    let value = format!("{value} {}", "w".repeat(value % 60));
    let batch = vec![(blob(format!("key {key}")), Some(blob(value)))];
    wait(|done| kv.put("b", batch, done)).unwrap();
}

pub(super) fn keys(store: &Store<Text>) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let all = store.kv.all_now("b").into_iter();
    all.map(|(key, value)| (text(&key), text(&value.bytes)))
        .collect()
}

/// A disk with sealed segments, an unfinished one, a checkpoint and a journal of keys.
pub(super) fn image() -> Sim {
    let sim = Sim::new(7);
    let store = open(&sim, &options());
    append(&store, 0, 0..200);
    append(&store, 1, 200..260);
    for n in 0..400 {
        put(&store, n % 40, n);
    }
    // Whatever the janitor has still to do is done before the picture is taken.
    store.env.keeper.close();
    store.env.janitor.close();
    let image = sim.killed();
    drop(store);
    image
}

fn newest(sim: &Sim, dir: &str) -> (PathBuf, Vec<u8>) {
    let inside = |path: &Path| path.parent() == Some(&super::path(dir));
    let mut files = sim.files().into_iter();
    files.rfind(|(path, _)| inside(path)).unwrap()
}

/// The last record cut off at each byte, then followed by zeros, then by garbage: the others are
/// there, the rest is reported byte for byte, and appending goes on.
#[test]
fn a_torn_tail_costs_the_last_record() {
    let sim = Sim::new(1);
    let store = open(&sim, &options());
    append(&store, 0, 0..20);
    let before = newest(&sim, "log-000").1.len();
    append(&store, 0, 20..21);
    let image = sim.killed();
    drop(store);
    let (file, whole) = newest(&image, "log-000");
    let mut random = Random::new(3);
    for cut in before..=whole.len() {
        for tail in 0..3 {
            let sim = image.killed();
            sim.edit(&file, |bytes| {
                bytes.truncate(cut);
                match tail {
                    0 => {}
                    1 => bytes.resize(cut + 700, 0),
                    _ => bytes.extend((0..700).map(|_| u8::try_from(random.below(256)).unwrap())),
                }
            });
            let store = open(&sim, &options());
            let there = contents(&store, 0);
            let kept = if cut == whole.len() { 21 } else { 20 };
            assert_eq!(there.len(), kept, "cut at {cut}, tail {tail}");
            let end = if kept == 21 { whole.len() } else { before };
            let junk = if tail == 0 { 0 } else { 700 };
            let dropped = (cut + junk - end) as u64;
            assert_eq!(
                store.recovery().torn_bytes,
                dropped,
                "cut at {cut}, tail {tail}"
            );
            assert_eq!(store.recovery().damage.len(), usize::from(dropped > 0));
            append(&store, 0, 21..22);
            let after = contents(&store, 0);
            assert_eq!(after[..kept], there);
            // Somebody may have seen the record that was cut off: its position is not used again.
            assert!(dropped == 0 || after[kept].0 > 21, "{:?}", after[kept]);
        }
    }
}

/// One bit after the other, at random places in all files: the report names the file, at most one
/// message or one key is lost or old, and nothing is there that was not written.
#[test]
fn a_damaged_bit_costs_the_record_that_it_hits() {
    let image = image();
    let healthy = {
        let store = open(&image.killed(), &options());
        assert_eq!(store.recovery().damage, []);
        store.scrub(&|| true);
        assert_eq!(store.status().damage, []);
        [(contents(&store, 0), contents(&store, 1))].map(|logs| (logs, keys(&store)))
    };
    let [(logs, healthy_keys)] = healthy;
    let files: Vec<_> = image.files().into_iter().collect();
    let ours = |path: &PathBuf| {
        let end = path
            .extension()
            .is_some_and(|end| end == "seg" || end == "ckp");
        end || path.ends_with("MANIFEST")
    };
    let files: Vec<_> = files.into_iter().filter(|(path, _)| ours(path)).collect();
    let kinds: BTreeSet<_> = files
        .iter()
        .map(|(path, _)| path.parent().unwrap())
        .collect();
    assert_eq!(kinds.len(), 4, "log, log, keys, manifest: {kinds:?}");
    let mut random = Random::new(11);
    for round in 0..2_500 {
        let (file, bytes) = &files[random.below(files.len())];
        let bit = random.below(bytes.len() * 8);
        let place = format!("round {round}: bit {bit} of {}", file.display());
        let sim = image.killed();
        sim.edit(file, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let store = open(&sim, &options());
        store.scrub(&|| true);
        let mut damage = store.recovery().damage.clone();
        damage.extend(store.status().damage);
        assert!(!damage.is_empty(), "{place} was not reported");
        assert!(
            damage.iter().all(|damage| &damage.path == file),
            "{place}: {damage:?}"
        );
        let mut lost = 0;
        for (shard, healthy) in [(0, &logs.0), (1, &logs.1)] {
            let found: BTreeSet<_> = contents(&store, shard).into_iter().collect();
            let all: BTreeSet<_> = healthy.iter().cloned().collect();
            assert!(found.is_subset(&all), "{place}: something new");
            lost += all.len() - found.len();
        }
        let found = keys(&store);
        lost += healthy_keys
            .iter()
            .filter(|(key, value)| found.get(*key) != Some(value))
            .count();
        assert!(lost <= 1, "{place}: {lost} lost, {damage:?}");
        let spare = |harm: &Harm| matches!(harm, Harm::Spare | Harm::Index | Harm::Manifest);
        assert!(
            lost == 0 || !damage.iter().all(|damage| spare(&damage.what)),
            "{place}: lost, and said to be whole"
        );
    }
}

/// A file of another store, an empty one, and one that is gone.
#[test]
fn strange_and_missing_files_are_told() {
    let (image, other) = (image(), image());
    let log: Vec<_> = image.files().into_keys().collect();
    let log: Vec<_> = log
        .iter()
        .filter(|path| path.parent() == Some(&path_of("log-000")))
        .collect();
    let middle = log[log.len() / 2];
    let foreign = other.files()[middle].clone();
    let sim = image.killed();
    sim.edit(middle, |bytes| *bytes = foreign);
    let store = open(&sim, &options());
    let damage = &store.recovery().damage;
    assert!(matches!(&damage[0].what, Harm::File(to) if to.starts_with(path("quarantine"))));
    assert!(
        damage
            .iter()
            .any(|damage| matches!(damage.what, Harm::Missing { .. }))
    );
    assert!(contents(&store, 0).len() > 100);
    assert_eq!(contents(&store, 1).len(), 60);
    drop(store);
    let sim = image.killed();
    sim.edit(log[log.len() - 1], Vec::clear);
    let store = open(&sim, &options());
    assert!(
        store
            .recovery()
            .damage
            .iter()
            .any(|damage| damage.what == Harm::TornTail)
    );
    assert_eq!(contents(&store, 1).len(), 60);
}

fn path_of(dir: &str) -> PathBuf {
    path(dir)
}

/// Both slots of the manifest gone: identity, shards and epoch come from the segments.
#[test]
fn a_lost_manifest_is_made_again() {
    let image = image();
    let store = open(&image.killed(), &options());
    let (node, all) = (store.node(), contents(&store, 0));
    drop(store);
    image.edit(&path("MANIFEST"), |bytes| bytes.fill(0xa5));
    let store = open(&image, &options());
    assert_eq!((store.node(), contents(&store, 0)), (node, all));
    assert!(
        store
            .recovery()
            .damage
            .iter()
            .any(|damage| damage.what == Harm::Manifest)
    );
}

/// Yesterday's manifest put back: the newer segments are still this store's, and positions go on.
#[test]
fn an_older_manifest_loses_nothing() {
    let sim = Sim::new(6);
    let store = open(&sim, &options());
    append(&store, 0, 0..5);
    drop(store);
    let old = sim.files()[&path("MANIFEST")].clone();
    for n in 1..4 {
        append(&open(&sim, &options()), 0, n * 5..n * 5 + 5);
    }
    sim.edit(&path("MANIFEST"), |bytes| *bytes = old);
    let store = open(&sim, &options());
    assert_eq!(contents(&store, 0).len(), 20);
    assert_eq!(
        store.recovery().damage.len(),
        1,
        "{:?}",
        store.recovery().damage
    );
    assert_eq!(store.recovery().damage[0].what, Harm::Manifest);
    append(&store, 0, 20..21);
    assert!(contents(&store, 0)[20].0 > 20);
}
