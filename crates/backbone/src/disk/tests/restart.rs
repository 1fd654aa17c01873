//! What a broker finds after a restart besides messages: groups, identities, positions, watches.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::super::files::sim::{Faults, Sim};
use super::super::{Durability, Trouble, lock};
use super::{Store, Text, contents, open, options};
use crate::{Blob, Change, Dedup, GroupKey, Outcome, Record, wait};

fn append(store: &Store<Text>, body: &str, id: Option<&str>) -> u64 {
    let record = Record {
        msg: Arc::new(Text("t/a".to_owned(), body.to_owned())),
        dedup: id.map(|id| Dedup::from(id.as_bytes())),
    };
    wait(|done| store.backend().log.append(0, vec![record], done)).unwrap()[0].seq
}

/// A group goes on where it was: what was settled, also out of order, does not come again, what
/// was lent does, and the cursor is where it was.
#[test]
fn groups_go_on() {
    let sim = Sim::new(1);
    let key = GroupKey {
        group: "g".to_owned(),
        filter: "t/#".to_owned(),
    };
    let store = open(&sim, &options());
    append(&store, "before", None);
    wait(|done| store.backend().groups.create(&key, done)).unwrap();
    for n in 0..6 {
        append(&store, &n.to_string(), None);
    }
    let groups = store.backend().groups;
    let lent = wait(|done| groups.pull(&key, 5, done)).unwrap();
    let settled = [0, 1, 3]
        .map(|n: usize| (lent[n].id, Outcome::Done))
        .to_vec();
    wait(|done| groups.settle(&key, settled, done)).unwrap();
    let cursors = wait(|done| groups.cursors(&key, done)).unwrap();
    let cut = sim.power_cut(4);
    drop(store);
    let store = open(&cut, &options());
    let groups = store.backend().groups;
    assert_eq!(wait(|done| groups.cursors(&key, done)).unwrap(), cursors);
    let lent = wait(|done| groups.pull(&key, 9, done)).unwrap();
    let bodies: Vec<_> = lent
        .iter()
        .map(|lease| (&*lease.entry.msg.1, lease.attempt))
        .collect();
    assert_eq!(bodies, [("2", 2), ("4", 2), ("5", 1)]);
    wait(|done| groups.remove(&key, done)).unwrap();
    drop(store);
    let store = open(&cut, &options());
    assert!(wait(|done| store.backend().groups.cursors(&key, done)).is_err());
}

/// An identity outlives the segment of its message, any number of restarts, and a duplicate after
/// them finds the first position.
#[test]
fn identities_outlive_their_segments() {
    let mut sim = Sim::new(2);
    let store = open(&sim, &options());
    let first = append(&store, "once", Some("c:7"));
    let fill = |store: &Store<Text>| {
        (0..60).for_each(|n| _ = append(store, &format!("{n} {}", "x".repeat(300)), None));
    };
    fill(&store);
    for round in 0..3 {
        wait(|done| store.backend().log.trim(0, u64::MAX, done)).unwrap();
        sim = sim.power_cut(round);
    }
    drop(store);
    let store = open(&sim, &options());
    fill(&store);
    wait(|done| store.backend().log.trim(0, u64::MAX, done)).unwrap();
    drop(store);
    let store = open(&sim, &options());
    assert!(contents(&store, 0).iter().all(|(_, body)| body != "once"));
    assert_eq!(append(&store, "once", Some("c:7")), first);
    drop(store);
    // Also if everything is trimmed before anything was written.
    let store = open(&sim, &options());
    wait(|done| store.backend().log.trim(0, u64::MAX, done)).unwrap();
    let killed = sim.killed();
    drop(store);
    let store = open(&killed, &options());
    assert_eq!(append(&store, "once", Some("c:7")), first);
    drop(store);
    let store = open(&sim, &options());
    let id = Dedup::from("c:7".as_bytes());
    wait(|done| store.backend().log.release(0, vec![id], done)).unwrap();
    let cut = sim.power_cut(9);
    drop(store);
    let store = open(&cut, &options());
    assert!(append(&store, "again", Some("c:7")) > first);
}

/// Below the level `sync` a power cut may take messages whose positions somebody saw: none of
/// these is given again.
#[test]
fn positions_are_not_used_again() {
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let mut options = options();
        options.durability = Durability::Os;
        let store = open(&sim, &options);
        let last = (0..50)
            .map(|n| append(&store, &n.to_string(), None))
            .max()
            .unwrap();
        let cut = sim.power_cut(seed);
        drop(store);
        let store = open(&cut, &options);
        assert!(append(&store, "next", None) > last);
    }
}

/// A store without limits of its own keeps to `log_shard_bytes_max`, and tells what it sheds in
/// order.
#[test]
fn the_oldest_make_room_and_are_told() {
    let sim = Sim::new(3);
    let mut options = options();
    options.log_shard_bytes_max = 16 << 10;
    let store = open(&sim, &options);
    let log = store.backend().log;
    let (sender, shed) = mpsc::channel();
    let sink = move |batch: Arc<[crate::Entry<Text>]>| {
        batch
            .iter()
            .for_each(|entry| _ = sender.send(entry.pos.seq).ok());
    };
    let _guard = log.shed(0, Box::new(sink));
    for n in 0..300 {
        append(&store, &format!("{n} {}", "x".repeat(200)), None);
    }
    let bounds = wait(|done| log.bounds(0, done)).unwrap();
    assert_eq!(bounds.dropped, bounds.first - 1);
    assert!(
        store.status().bytes < (16 << 10) + 3 * (4 << 10),
        "{:?}",
        store.status()
    );
    for seq in 1..bounds.first {
        assert_eq!(shed.recv_timeout(Duration::from_secs(20)).unwrap(), seq);
    }
}

/// A checkpoint runs under writes and watches: nobody notices, and the disk holds little more
/// than what is valid.
#[test]
fn checkpoints_bound_the_keys() {
    let sim = Sim::new(4);
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut options = options();
    let tell = Arc::clone(&told);
    options.trouble = Arc::new(move |trouble: &Trouble| lock(&tell).push(trouble.clone()));
    let store = open(&sim, &options);
    let kv = store.backend().kv;
    let (sender, changes) = mpsc::channel();
    let sink = move |batch: Arc<[Change]>| {
        batch
            .iter()
            .cloned()
            .for_each(|change| _ = sender.send(change).ok());
    };
    let _guard = kv.watch("b", b"", Box::new(sink));
    for n in 0..3_000u32 {
        let value: Vec<u8> = n.to_le_bytes().repeat(10);
        let write = (Arc::from((n % 17).to_le_bytes()), Some(Arc::from(value)));
        wait(|done| kv.put("b", vec![write], done)).unwrap();
    }
    let mut last = 0;
    let mut puts = 0;
    while puts < 3_000 {
        if let Change::Put { value, .. } = changes.recv_timeout(Duration::from_secs(20)).unwrap() {
            assert!(value.rev > last);
            last = value.rev;
            puts += 1;
        }
    }
    store.env.keeper.close();
    let status = store.status();
    assert!(status.bytes < 40 << 10, "{status:?}");
    assert_eq!(format!("{:?}", lock(&told)), "[]");
    drop(store);
    let store = open(&sim, &options);
    for n in 2_983..3_000u32 {
        let key = (n % 17).to_le_bytes();
        let value = wait(|done| store.backend().kv.get("b", &key, done))
            .unwrap()
            .unwrap();
        assert_eq!(*value.bytes, *n.to_le_bytes().repeat(10));
    }
}

/// A process that was killed before its last sync leaves a write that the next one finds and shows.
/// It is safe from then on: a power cut does not take it, and its position, from those who saw it.
#[test]
fn what_a_start_has_shown_stays() {
    let mut shown = 0;
    for seed in 0..60 {
        let sim = Sim::new(seed);
        let store = open(&sim, &options());
        append(&store, "good", None);
        super::damage::put(&store, 1, 1);
        sim.set(Faults {
            power: Some(1),
            ..Faults::default()
        });
        // One operation is left: each is written and not synced.
        let (log, kv) = (store.backend().log, store.backend().kv);
        if seed.is_multiple_of(2) {
            let record = Record::new(Arc::new(Text("t/a".to_owned(), "late".to_owned())));
            assert!(wait(|done| log.append(0, vec![record], done)).is_err());
        } else {
            let batch = vec![(Blob::from(*b"key"), Some(Blob::from(*b"late")))];
            assert!(wait(|done| kv.put("b", batch, done)).is_err());
        }
        let killed = sim.killed();
        drop(store);
        let store = open(&killed, &options());
        let before = (contents(&store, 0), super::damage::keys(&store));
        shown += before.0.len() + before.1.len() - 2;
        let cut = killed.power_cut(seed);
        drop(store);
        let store = open(&cut, &options());
        let after = (contents(&store, 0), super::damage::keys(&store));
        assert_eq!(before, after, "seed {seed}");
    }
    assert_eq!(shown, 60);
}
