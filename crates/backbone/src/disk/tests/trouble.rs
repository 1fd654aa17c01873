//! A full disk, a failing one, and one that fails for good.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};

use super::super::files::sim::{Faults, Random, Sim};
use super::super::lock;
use super::ledger::{Shared, run};
use super::{Store, Text, contents, open, options};
use crate::{Blob, Dedup, Error, Pos, Record, wait};

fn append(store: &Store<Text>, body: &str) -> Result<Vec<Pos>, Error> {
    let log = store.backend().log;
    let record = |n| Record::new(Arc::new(Text("t".to_owned(), format!("{body} {n}"))));
    wait(|done| log.append(0, (0..3).map(record).collect(), done))
}

/// A full disk refuses, and half a batch never comes back; with room again it goes on by itself.
#[test]
fn full_refuses_and_resumes() {
    for capacity in (14_000..19_000).step_by(37) {
        let sim = Sim::new(5);
        let store = open(&sim, &options());
        sim.set(Faults {
            capacity: Some(capacity),
            ..Faults::default()
        });
        let mut good = 0;
        let error = loop {
            match append(&store, &format!("{good} {}", "f".repeat(300))) {
                Ok(_) => good += 3,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Full(_)), "{error:?}");
        assert!(matches!(
            append(&store, &"more".repeat(300)),
            Err(Error::Full(_))
        ));
        assert!(store.status().log_writes[0].is_full);
        assert_eq!(contents(&store, 0).len(), good, "reading goes on");
        let cut = sim.power_cut(u64::try_from(capacity).unwrap());
        sim.set(Faults::default());
        let next = append(&store, "room").unwrap();
        assert_eq!(next[0].seq, good as u64 + 1, "no position was used");
        assert!(!store.status().log_writes[0].is_full);
        drop(store);
        let store = open(&cut, &options());
        assert_eq!(
            contents(&store, 0).len(),
            good,
            "nothing half-written is left"
        );
    }
}

/// One failed write or sync ends the use of a segment and nothing else: what was to be written
/// goes into the next one.
#[test]
fn one_failure_costs_a_segment_and_no_message() {
    for n in 0..40 {
        for of_sync in [false, true] {
            let sim = Sim::new(n);
            let mut random = Random::new(n);
            let ledger = Shared::default();
            let store = open(&sim, &options());
            run(&store, &ledger, &mut random, 20);
            let at = Some(n % 7);
            sim.set(Faults {
                write: at.filter(|_| !of_sync),
                sync: at.filter(|_| of_sync),
                ..Faults::default()
            });
            run(&store, &ledger, &mut random, 40);
            let status = store.status();
            let writes = status.log_writes.iter().chain([&status.keys_writes]);
            let failures: u64 = writes.map(|w| w.sync_failures + w.write_failures).sum();
            lock(&ledger).check(&store).unwrap();
            let cut = sim.power_cut(n);
            drop(store);
            let store = open(&cut, &options());
            let checked = lock(&ledger).check(&store);
            checked.unwrap_or_else(|what| panic!("{n} {of_sync} ({failures} failures): {what}"));
        }
    }
}

/// A disk that fails for good: nothing is acknowledged, the error says that it is for good, and
/// what was acknowledged before is still read.
#[test]
fn two_failures_are_fatal() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut options = options();
    let tell = Arc::clone(&told);
    options.trouble = Arc::new(move |trouble| lock(&tell).push(format!("{trouble:?}")));
    let sim = Sim::new(9);
    let store = open(&sim, &options);
    append(&store, "good").unwrap();
    sim.set(Faults {
        sync: Some(0),
        forever: true,
        ..Faults::default()
    });
    assert!(matches!(append(&store, "bad"), Err(Error::Fatal(_))));
    sim.set(Faults::default());
    assert!(matches!(append(&store, "late"), Err(Error::Fatal(_))));
    assert_eq!(contents(&store, 0).len(), 3);
    assert!(!lock(&told).is_empty());
    let cut = sim.power_cut(1);
    drop(store);
    let store = open(&cut, &options);
    let bodies: Vec<_> = contents(&store, 0)
        .into_iter()
        .map(|(_, body)| body)
        .collect();
    assert_eq!(bodies[..3], ["good 0", "good 1", "good 2"]);
}

fn put(store: &Store<Text>, key: &str, value: Option<&str>) -> Result<Vec<u64>, Error> {
    let blob = |text: &str| Blob::from(text.as_bytes());
    let batch = vec![(blob(key), value.map(blob))];
    wait(|done| store.backend().kv.put("b", batch, done))
}

/// Where a failed write stands nobody knows: it may be there after the next start. So whoever
/// takes back what it would have done is not told that there was nothing to do.
#[test]
fn what_may_be_there_is_not_said_to_be_gone() {
    let sim = Sim::new(1);
    let store = open(&sim, &options());
    sim.set(Faults {
        sync: Some(0),
        forever: true,
        ..Faults::default()
    });
    assert!(matches!(put(&store, "k", Some("v")), Err(Error::Fatal(_))));
    assert!(matches!(put(&store, "k", None), Err(Error::Fatal(_))));
    let log = store.backend().log;
    let id = Dedup::from("c:7".as_bytes());
    let record = Record {
        msg: Arc::new(Text("t".to_owned(), "m".to_owned())),
        dedup: Some(Arc::clone(&id)),
    };
    let appended = wait(|done| log.append(0, vec![record], done));
    assert!(matches!(appended, Err(Error::Fatal(_))));
    let released = wait(|done| log.release(0, vec![id], done));
    assert!(matches!(released, Err(Error::Fatal(_))));
    sim.set(Faults::default());
    drop(store);
    assert!(!open(&sim, &options()).recovery().closed);
}

/// The same if the disk is full just then: the error is not the one of which nothing is left, and
/// once there is room the next segment settles it.
#[test]
fn a_failed_write_is_settled_when_there_is_room() {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let store = open(&sim, &options());
        put(&store, "k", Some("old")).unwrap();
        let used: usize = sim.files().values().map(Vec::len).sum();
        sim.set(Faults {
            sync: Some(0),
            capacity: Some(used + 60),
            ..Faults::default()
        });
        let unknown = put(&store, "n", Some("new"));
        assert!(matches!(unknown, Err(Error::Unavailable(_))), "{unknown:?}");
        assert!(matches!(put(&store, "n", None), Err(Error::Full(_))));
        sim.set(Faults::default());
        put(&store, "n", None).unwrap();
        let cut = sim.power_cut(seed);
        drop(store);
        let found = super::damage::keys(&open(&cut, &options()));
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("k".into(), "old".into())]
        );
    }
}

/// On a full disk keys can be deleted, small ones written again and identities released, with the
/// room that is kept for it, while everything else is refused; with room again all goes on, and the
/// room is kept again.
#[test]
fn a_full_disk_lets_keys_go() {
    let sim = Sim::new(2);
    let mut options = options();
    options.reserve_bytes = 12 << 10;
    options.kv_waste_bytes = 1 << 20;
    let reserve = || sim.files()[&super::path("RESERVE")].len();
    let store = open(&sim, &options);
    let log = store.backend().log;
    let id = Dedup::from("c:7".as_bytes());
    let record = Record {
        msg: Arc::new(Text("t".to_owned(), "m".to_owned())),
        dedup: Some(Arc::clone(&id)),
    };
    wait(|done| log.append(0, vec![record.clone()], done)).unwrap();
    put(&store, "cursor", Some("0")).unwrap();
    put(&store, "gone", Some("0")).unwrap();
    let used: usize = sim.files().values().map(Vec::len).sum();
    sim.set(Faults {
        capacity: Some(used + 20),
        ..Faults::default()
    });
    let big = "v".repeat(5_000);
    for refused in [("new", "1"), ("cursor", &big)] {
        let put = put(&store, refused.0, Some(refused.1));
        assert!(matches!(put, Err(Error::Full(_))), "{put:?}");
    }
    assert_eq!(reserve(), 12 << 10, "nobody needed it");
    put(&store, "gone", None).unwrap();
    wait(|done| log.append(0, vec![record], done)).expect("it is stored");
    wait(|done| log.release(0, vec![id], done)).unwrap();
    assert!(reserve() < 12 << 10);
    let status = store.status();
    assert!(status.keys_writes.is_full && status.log_writes[1].is_full);
    let mut updates = 0;
    let error = loop {
        match put(&store, "cursor", Some(&updates.to_string())) {
            Ok(_) => updates += 1,
            Err(error) => break error,
        }
        // All of it is for these.
        assert!(matches!(append(&store, "more"), Err(Error::Full(_))));
        assert!(matches!(put(&store, "new", Some("1")), Err(Error::Full(_))));
    };
    assert!(
        matches!(error, Error::Full(_)) && updates > 100,
        "{updates} {error}"
    );
    let cut = sim.power_cut(1);
    sim.set(Faults::default());
    append(&store, "room").unwrap();
    put(&store, "new", Some("1")).unwrap();
    assert_eq!(reserve(), 12 << 10);
    assert!(!store.status().keys_writes.is_full);
    drop(store);
    let store = open(&cut, &options);
    let last = (updates - 1).to_string();
    let found: Vec<_> = super::damage::keys(&store).into_iter().collect();
    assert_eq!(found, [("cursor".to_owned(), last)]);
    assert_eq!(
        wait(|done| store.backend().log.identities(0, done)).unwrap(),
        []
    );
}

/// A deletion that had nothing to do, because a call before it deletes the same key, does it if that call
/// finds no room; and what was to be written to a key that is absent is not written to one that stays.
#[test]
fn what_is_refused_decides_nothing() {
    let sim = Sim::new(3);
    let store = open(&sim, &options());
    let kv = store.backend().kv;
    let blob = |text: &str| Blob::from(text.as_bytes());
    let mut refused = 0;
    for n in 0..200 {
        put(&store, "key", Some("there")).unwrap();
        let used: usize = sim.files().values().map(Vec::len).sum();
        sim.set(Faults {
            capacity: Some(used),
            ..Faults::default()
        });
        let (answered, answers) = mpsc::channel();
        let answer = |what: &'static str| {
            let answered = answered.clone();
            move |is_ok: bool| answered.send((what, is_ok)).unwrap()
        };
        let large = Some(blob(&"x".repeat(6_000)));
        let batch = vec![(blob("key"), None), (blob(&format!("new {n}")), large)];
        let both = answer("both");
        kv.put("b", batch, Box::new(move |done| both(done.is_ok())));
        let made = answer("made");
        let done = move |done: Result<u64, Error>| made(done.is_ok());
        kv.cas("b", b"key", 0, Some(blob("made")), Box::new(done));
        let deleted = answer("deleted");
        let delete = vec![(blob("key"), None)];
        kv.put("b", delete, Box::new(move |done| deleted(done.is_ok())));
        let told: BTreeMap<_, _> = answers.iter().take(3).collect();
        refused += usize::from(!told["both"]);
        assert!(told["deleted"], "{told:?}");
        assert_eq!(told["made"], told["both"], "the key stays if it is refused");
        let found = wait(|done| kv.get("b", b"key", done)).unwrap();
        assert_eq!(found, None, "its deletion was acknowledged: {told:?}");
        sim.set(Faults::default());
    }
    assert!(refused > 0);
}

/// Many calls at once on a disk that is full now and then: each is answered for itself, and what
/// was acknowledged is there after a power cut.
#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    for seed in 0..200 {
        let sim = Sim::new(seed);
        let mut random = Random::new(seed);
        let mut options = options();
        options.reserve_bytes = 1 << random.below(14);
        let ledger = Shared::default();
        let store = open(&sim, &options);
        for _ in 0..12 {
            let used: usize = sim.files().values().map(Vec::len).sum();
            let more = random.below(3_000);
            sim.set(Faults {
                capacity: random.one_in(2).then_some(used + more),
                ..Faults::default()
            });
            run(&store, &ledger, &mut random, 30);
        }
        lock(&ledger).check(&store).unwrap();
        let cut = sim.power_cut(seed);
        drop(store);
        let checked = lock(&ledger).check(&open(&cut, &options));
        checked.unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
}
