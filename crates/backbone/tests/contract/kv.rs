//! Buckets: compare-and-set under races, last write wins, watches in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use backbone::{Blob, Change, Error, Guard, Kv, Value, wait};

use crate::{Fixture, Spec, next};

fn blob(text: impl AsRef<[u8]>) -> Blob {
    text.as_ref().into()
}

fn value(kv: &dyn Kv, bucket: &str, key: &str) -> Option<Value> {
    wait(|done| kv.get(bucket, key.as_bytes(), done)).unwrap()
}

fn cas(kv: &dyn Kv, key: &str, expect: u64, value: Option<&str>) -> Result<u64, Error> {
    wait(|done| kv.cas("b", key.as_bytes(), expect, value.map(blob), done))
}

fn put(kv: &dyn Kv, batch: &[(&str, Option<&str>)]) -> Vec<u64> {
    let batch = batch
        .iter()
        .map(|(key, value)| (blob(key), value.map(blob)))
        .collect();
    wait(|done| kv.put("b", batch, done)).unwrap()
}

fn watch(kv: &dyn Kv, prefix: &str) -> (Guard, Receiver<Change>) {
    let (sender, receiver) = mpsc::channel();
    let sink = move |changes: Arc<[Change]>| {
        assert!(!changes.is_empty());
        changes
            .iter()
            .cloned()
            .for_each(|change| _ = sender.send(change).ok());
    };
    (kv.watch("b", prefix.as_bytes(), Box::new(sink)), receiver)
}

/// Four threads on two nodes race to create the same keys: each key has exactly one winner, whose
/// value is there, and the losers are told the winner's revision.
pub(crate) fn one_winner_per_key<F: Fixture>() {
    const KEYS: usize = 200;
    let fixture = F::new(&Spec::default());
    let nodes = [fixture.node(), fixture.node()];
    let won: Vec<(String, String, u64)> = thread::scope(|scope| {
        let racers: Vec<_> = (0..4)
            .map(|racer| {
                let kv = &nodes[racer % 2].kv;
                scope.spawn(move || {
                    let mut won = Vec::new();
                    for key in (0..KEYS).map(|n| n.to_string()) {
                        let me = format!("racer {racer}");
                        match cas(&**kv, &key, 0, Some(&me)) {
                            Ok(rev) => won.push((key, me, rev)),
                            Err(Error::Conflict { current }) => {
                                assert_eq!(value(&**kv, "b", &key).unwrap().rev, current);
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                    won
                })
            })
            .collect();
        racers
            .into_iter()
            .flat_map(|racer| racer.join().unwrap())
            .collect()
    });
    assert_eq!(won.len(), KEYS);
    for (key, me, rev) in won {
        assert_eq!(
            value(&*nodes[0].kv, "b", &key),
            Some(Value {
                bytes: blob(me),
                rev
            })
        );
    }
}

/// A counter raised by read and compare-and-set from four threads loses no step.
pub(crate) fn cas_counts_every_step<F: Fixture>() {
    const EACH: u32 = 100;
    let fixture = F::new(&Spec::default());
    let nodes = [fixture.node(), fixture.node()];
    thread::scope(|scope| {
        for racer in 0..4 {
            let kv = &nodes[racer % 2].kv;
            scope.spawn(move || {
                let mut left = EACH;
                while left > 0 {
                    let old = value(&**kv, "b", "count");
                    let count: u32 = old.as_ref().map_or(0, |old| {
                        std::str::from_utf8(&old.bytes).unwrap().parse().unwrap()
                    });
                    let expect = old.map_or(0, |old| old.rev);
                    match cas(&**kv, "count", expect, Some(&(count + 1).to_string())) {
                        Ok(rev) => {
                            assert!(rev > expect, "revisions grow");
                            left -= 1;
                        }
                        Err(Error::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert_eq!(*value(&*nodes[0].kv, "b", "count").unwrap().bytes, *b"400");
}

/// Revision 0 means absent, before a key was ever there and after it was deleted.
pub(crate) fn cas_of_absent_and_deleted<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let kv = fixture.node().kv;
    assert_eq!(value(&*kv, "b", "k"), None);
    assert_eq!(
        cas(&*kv, "k", 7, Some("x")),
        Err(Error::Conflict { current: 0 })
    );
    assert_eq!(cas(&*kv, "k", 0, None), Ok(0));
    let first = cas(&*kv, "k", 0, Some("x")).unwrap();
    assert_eq!(
        cas(&*kv, "k", 0, Some("y")),
        Err(Error::Conflict { current: first })
    );
    assert_eq!(
        cas(&*kv, "k", 0, None),
        Err(Error::Conflict { current: first })
    );
    let second = cas(&*kv, "k", first, Some("")).unwrap();
    assert_eq!(
        value(&*kv, "b", "k"),
        Some(Value {
            bytes: blob(""),
            rev: second
        })
    );
    assert_eq!(
        cas(&*kv, "k", first, None),
        Err(Error::Conflict { current: second })
    );
    let gone = cas(&*kv, "k", second, None).unwrap();
    assert_eq!(value(&*kv, "b", "k"), None);
    let again = cas(&*kv, "k", 0, Some("z")).unwrap();
    assert!(
        first < second && second < gone && gone < again,
        "no revision comes back"
    );
}

/// In a batch, over batches and against compare-and-set.
pub(crate) fn last_write_wins<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let kv = fixture.node().kv;
    let revs = put(
        &*kv,
        &[
            ("a", Some("1")),
            ("c", Some("1")),
            ("a", Some("2")),
            ("c", None),
        ],
    );
    assert!(revs.is_sorted() && revs.len() == 4);
    assert_eq!(
        value(&*kv, "b", "a"),
        Some(Value {
            bytes: blob("2"),
            rev: revs[2]
        })
    );
    assert_eq!(value(&*kv, "b", "c"), None);
    put(&*kv, &[("a", Some("3")), ("never", None)]);
    assert!(matches!(
        cas(&*kv, "a", revs[2], Some("4")),
        Err(Error::Conflict { .. })
    ));
    assert_eq!(*value(&*kv, "b", "a").unwrap().bytes, *b"3");
    assert_eq!(put(&*kv, &[]), []);
}

/// First what is there under the prefix, each key once; then `Synced`; then the changes under
/// the prefix, by revision, until the guard is dropped.
pub(crate) fn watch_is_snapshot_then_changes<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let (kv, other) = (fixture.node().kv, fixture.node().kv);
    put(
        &*kv,
        &[
            ("p/1", Some("x")),
            ("p/2", Some("x")),
            ("p/gone", Some("x")),
            ("q", Some("x")),
        ],
    );
    put(
        &*kv,
        &[("p/2", Some("y")), ("p/gone", None), ("p", Some("x"))],
    );
    let (guard, changes) = watch(&*kv, "p/");
    let mut snapshot = BTreeMap::new();
    while let Change::Put { key, value } = next(&changes) {
        assert!(
            snapshot.insert(key, value.bytes).is_none(),
            "a key comes once"
        );
    }
    assert_eq!(
        snapshot,
        BTreeMap::from([(blob("p/1"), blob("x")), (blob("p/2"), blob("y"))])
    );
    let revs = put(
        &*other,
        &[
            ("p/3", Some("z")),
            ("q", None),
            ("p/3", Some("zz")),
            ("p/1", None),
        ],
    );
    let expected = [
        Change::Put {
            key: blob("p/3"),
            value: Value {
                bytes: blob("z"),
                rev: revs[0],
            },
        },
        Change::Put {
            key: blob("p/3"),
            value: Value {
                bytes: blob("zz"),
                rev: revs[2],
            },
        },
        Change::Del {
            key: blob("p/1"),
            rev: revs[3],
        },
    ];
    assert_eq!([(); 3].map(|()| next(&changes)), expected);
    drop(guard);
    put(&*other, &[("p/4", Some("z"))]);
    assert_eq!(changes.try_iter().count(), 0);
    let (_empty, empty) = watch(&*kv, "nothing");
    assert_eq!(next(&empty), Change::Synced);
}

/// A watch begun amid writes builds the same picture as reading does.
pub(crate) fn watch_misses_nothing<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let nodes = [fixture.node(), fixture.node()];
    let (_guard, changes) = thread::scope(|scope| {
        for (writer, node) in nodes.iter().enumerate() {
            scope.spawn(move || {
                for n in 0..500 {
                    let (key, text) = ((n * 7 % 31).to_string(), format!("{writer} {n}"));
                    let text = (n % 5 != 0).then_some(&*text);
                    put(&*node.kv, &[(&*key, text)]);
                }
            });
        }
        thread::yield_now();
        watch(&*nodes[0].kv, "")
    });
    put(&*nodes[1].kv, &[("end", Some(""))]);
    let (mut picture, mut synced, mut newest) = (BTreeMap::new(), false, 0);
    loop {
        let rev = match next(&changes) {
            Change::Put { key, .. } if *key == *b"end" => break,
            Change::Put { key, value } => {
                let rev = value.rev;
                picture.insert(key, value);
                rev
            }
            Change::Del { key, rev } => {
                assert!(synced, "a snapshot has no deletions");
                picture.remove(&key);
                rev
            }
            Change::Synced => {
                assert!(!std::mem::replace(&mut synced, true), "synced once");
                newest = picture.values().map(|value| value.rev).max().unwrap_or(0);
                continue;
            }
        };
        assert!(
            !synced || rev > std::mem::replace(&mut newest, rev),
            "changes in order"
        );
    }
    assert!(synced);
    for key in (0..31).map(|n| n.to_string()) {
        assert_eq!(
            picture.remove(key.as_bytes()),
            value(&*nodes[0].kv, "b", &key),
            "{key}"
        );
    }
    assert!(picture.is_empty());
}

/// Equal keys in two buckets are two keys, and a watch stays in its own.
pub(crate) fn buckets_are_apart<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let kv = fixture.node().kv;
    let (_guard, changes) = watch(&*kv, "");
    assert_eq!(next(&changes), Change::Synced);
    wait(|done| kv.put("other", vec![(blob("k"), Some(blob("1")))], done)).unwrap();
    assert_eq!(value(&*kv, "b", "k"), None);
    let rev = cas(&*kv, "k", 0, Some("2")).unwrap();
    let mine = Change::Put {
        key: blob("k"),
        value: Value {
            bytes: blob("2"),
            rev,
        },
    };
    assert_eq!(next(&changes), mine);
    assert_eq!(*value(&*kv, "other", "k").unwrap().bytes, *b"1");
}
