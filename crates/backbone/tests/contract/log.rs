//! The log: order, tails without gaps, replay by the MQTT matcher, bounds, identities.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use backbone::{Error, Record, wait};

use crate::topics::{FILTERS, TOPICS, matches};
use crate::{Fixture, Spec, append, bounds, next, publish, record, replay, seqs, tail, text};

/// Positions of a batch and of the next one follow each other from 1 on, in every shard.
pub(crate) fn append_gives_growing_positions<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let log = fixture.node().log;
    assert_eq!(log.shards(), 3);
    for shard in 0..3 {
        assert_eq!(
            (bounds(&*log, shard).first, bounds(&*log, shard).last),
            (1, 0)
        );
        let batch = (0..3).map(|n| record("t", n)).collect();
        let first = append(&*log, shard, batch);
        let second = append(&*log, shard, vec![record("t", 3)]);
        let all: Vec<_> = first
            .iter()
            .chain(&second)
            .map(|pos| (pos.shard, pos.seq))
            .collect();
        assert_eq!(all, [(shard, 1), (shard, 2), (shard, 3), (shard, 4)]);
        assert_eq!(append(&*log, shard, Vec::new()), []);
    }
}

/// Under concurrent appends from two nodes, two tails and a replay see one order, which is that
/// of the positions that the writers were given, and each writer's own order is part of it.
pub(crate) fn log_order_is_one<F: Fixture>() {
    const EACH: usize = 300;
    let fixture = F::new(&Spec::default());
    let nodes = [fixture.node(), fixture.node()];
    let (_early, early) = tail(&*nodes[0].log, 0, 0);
    let given: BTreeMap<u64, String> = thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let log = &nodes[writer % 2].log;
                scope.spawn(move || {
                    let mut given = Vec::new();
                    for n in (0..EACH).step_by(3) {
                        let bodies: Vec<_> =
                            (n..n + 3).map(|n| format!("{writer} {n:05}")).collect();
                        let batch = bodies.iter().map(|body| record("t", body)).collect();
                        let positions = append(&**log, 0, batch);
                        given.extend(positions.iter().map(|pos| pos.seq).zip(bodies));
                    }
                    assert!(given.is_sorted(), "a writer's order is the log's");
                    given
                })
            })
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    assert_eq!(given.len(), 4 * EACH, "no position was given twice");
    let (_late, late) = tail(&*nodes[1].log, 0, 0);
    for (seq, body) in &given {
        for seen in [next(&early), next(&late)] {
            assert_eq!((seen.pos.seq, &seen.msg.body), (*seq, body));
        }
    }
    let read = replay(&*nodes[1].log, 0, &["#"], 0, 100);
    assert!(
        read.iter()
            .map(|entry| (entry.pos.seq, &entry.msg.body))
            .eq(given.iter().map(|(seq, body)| (*seq, body)))
    );
}

/// A reader that leaves and comes back with its cursor, again and again while appends go on, has
/// seen each entry once.
pub(crate) fn tail_is_gap_free<F: Fixture>() {
    const COUNT: u64 = 2_000;
    let fixture = F::new(&Spec::default());
    let (writer, reader) = (fixture.node().log, fixture.node().log);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in (1..=COUNT).step_by(5) {
                append(&*writer, 1, (n..n + 5).map(|n| record("t", n)).collect());
            }
        });
        let mut cursor = 0;
        for stay in (1..).step_by(7) {
            let (guard, entries) = tail(&*reader, 1, cursor);
            for _ in 0..stay.min(COUNT - cursor) {
                let entry = next(&entries);
                assert_eq!(entry.pos.seq, cursor + 1);
                assert_eq!(entry.msg.body, entry.pos.seq.to_string());
                cursor += 1;
            }
            drop(guard);
            if cursor == COUNT {
                break;
            }
        }
    });
}

/// `after` may be inside, at the end, or beyond; a dropped guard ends the calls.
pub(crate) fn tail_begins_where_asked<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let log = fixture.node().log;
    append(&*log, 0, (1..=5).map(|n| record("t", n)).collect());
    let (_inside, inside) = tail(&*log, 0, 3);
    let (_end, end) = tail(&*log, 0, 5);
    let (gone, silent) = tail(&*log, 0, 5);
    let (_other, other) = tail(&*log, 2, 0);
    drop(gone);
    append(&*log, 0, vec![record("t", 6)]);
    append(&*log, 2, vec![record("t", 1)]);
    assert_eq!([4, 5, 6], [(); 3].map(|()| next(&inside).pos.seq));
    assert_eq!(next(&end).pos.seq, 6);
    assert_eq!((next(&other).pos.shard, silent.try_iter().count()), (2, 0));
}

/// Replay equals the MQTT matcher for every topic and filter of the table: `$` is hidden from
/// leading wildcards [MQTT-4.7.2-1], `#` matches the parent, empty levels are levels.
pub(crate) fn replay_is_the_matcher<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let log = fixture.node().log;
    for topic in TOPICS {
        publish(&*log, topic, topic);
    }
    assert_eq!(TOPICS.iter().collect::<BTreeSet<_>>().len(), TOPICS.len());
    for filter in FILTERS {
        let read: BTreeSet<_> = (0..log.shards())
            .flat_map(|shard| replay(&*log, shard, &[filter], 0, 5))
            .map(|entry| entry.msg.topic.clone())
            .collect();
        let expected: BTreeSet<_> = TOPICS
            .iter()
            .filter(|topic| matches(filter, topic))
            .map(ToString::to_string)
            .collect();
        assert_eq!(read, expected, "filter {filter:?}");
        assert!(!expected.is_empty(), "filter {filter:?} proves something");
    }
}

/// An entry that several filters match comes once; no filter matches nothing.
pub(crate) fn replay_unites_filters<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let log = fixture.node().log;
    let topics = ["a", "b", "a/b", "c", "a/b/c"];
    append(
        &*log,
        0,
        topics.iter().map(|topic| record(topic, "")).collect(),
    );
    assert_eq!(
        seqs(&replay(&*log, 0, &["a/#", "a/b", "c", "+/b"], 0, 10)),
        [1, 3, 4, 5]
    );
    assert_eq!(seqs(&replay(&*log, 0, &[], 0, 10)), []);
}

/// `after` is exclusive, `upto` inclusive, `max` is kept, and `Replay::upto` says how far it came.
pub(crate) fn replay_keeps_to_its_range<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let log = fixture.node().log;
    append(
        &*log,
        0,
        (1..=9)
            .map(|n| record(if n % 3 == 0 { "x" } else { "y" }, n))
            .collect(),
    );
    let read = |filter: &str, after, upto, max| {
        let filters = vec![filter.to_owned()];
        let found = wait(|done| log.replay(0, filters, after, upto, max, done)).unwrap();
        (seqs(&found.entries), found.upto)
    };
    assert_eq!(read("y", 1, 5, 10), (vec![2, 4, 5], 5));
    assert_eq!(read("x", 0, u64::MAX, 10), (vec![3, 6, 9], 9));
    assert_eq!(read("x", 9, u64::MAX, 10), (vec![], 9));
    assert_eq!(read("x", 20, u64::MAX, 10), (vec![], 20));
    assert_eq!(read("x", 6, 2, 10), (vec![], 6));
    assert_eq!(read("x", 0, u64::MAX, 0), (vec![], 0));
    let (found, upto) = read("x", 0, u64::MAX, 2);
    assert_eq!(found, [3, 6]);
    assert!((6..9).contains(&upto), "9 was not considered, {upto}");
}

/// One in ten thousand is found, however often a backend stops on the way.
pub(crate) fn replay_finds_the_sparse<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let log = fixture.node().log;
    for n in 0..20 {
        let topic = |k| if (n, k) == (17, 500) { "x" } else { "y" };
        append(&*log, 0, (0..1_000).map(|k| record(topic(k), "")).collect());
    }
    assert_eq!(seqs(&replay(&*log, 0, &["x"], 0, 10)), [17_501]);
}

/// What is not a filter is our own fault and says so.
pub(crate) fn invalid_filters_are_refused<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let log = fixture.node().log;
    for filter in ["", "a/#/b", "a+", "#b"] {
        let filters = vec!["a".to_owned(), filter.to_owned()];
        let result = wait(|done| log.replay(0, filters, 0, 9, 9, done));
        assert!(
            matches!(result, Err(Error::Fatal(_))),
            "{filter:?}: {result:?}"
        );
    }
}

/// In the order asked for, and without those that are not there.
pub(crate) fn fetch_by_position<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let log = fixture.node().log;
    append(&*log, 1, (1..=5).map(|n| record("t", n)).collect());
    let found = wait(|done| log.fetch(1, vec![5, 0, 2, 6, 3], done)).unwrap();
    assert_eq!(seqs(&found), [5, 2, 3]);
    assert!(
        found
            .iter()
            .all(|entry| entry.msg.body == entry.pos.seq.to_string())
    );
    assert_eq!(seqs(&wait(|done| log.fetch(2, vec![1], done)).unwrap()), []);
}

/// Trimming forgets what is below and nothing else, and positions go on.
pub(crate) fn trim_and_bounds<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let log = fixture.node().log;
    append(&*log, 0, (1..=10).map(|n| record("t", n % 10)).collect());
    append(&*log, 1, vec![record("t", 1)]);
    assert_eq!(bounds(&*log, 0).bytes, 20);
    wait(|done| log.trim(0, 7, done)).unwrap();
    let kept = bounds(&*log, 0);
    assert!(
        kept.first <= 7 && kept.last == 10 && kept.dropped == 0,
        "{kept:?}"
    );
    assert!(!F::EXACT || (kept.first, kept.bytes) == (7, 8), "{kept:?}");
    // A reader from before the trim gets what is left.
    let left: Vec<_> = (kept.first.max(3)..=10).collect();
    assert_eq!(seqs(&replay(&*log, 0, &["#"], 2, 3)), left);
    // What is gone counts as considered, so that who reads in steps comes past it.
    let gone = wait(|done| log.replay(0, vec!["x".to_owned()], 0, 3, 10, done)).unwrap();
    assert_eq!((gone.entries.len(), gone.upto), (0, 3));
    let (_guard, entries) = tail(&*log, 0, 6);
    assert_eq!(next(&entries).pos.seq, 7);
    // Beyond the end: all is gone, and the next position is the next.
    wait(|done| log.trim(0, 99, done)).unwrap();
    let kept = bounds(&*log, 0);
    assert!(
        !F::EXACT || (kept.first, kept.last, kept.bytes) == (11, 10, 0),
        "{kept:?}"
    );
    assert_eq!(append(&*log, 0, vec![record("t", 11)])[0].seq, 11);
    assert_eq!(bounds(&*log, 1).first, 1, "other shards are untouched");
}

/// Over the limit the oldest make room, are counted and handed over; what is left is whole, and a
/// tail has seen them all.
pub(crate) fn bytes_are_bounded<F: Fixture>() {
    const MAX: u64 = 64 << 10;
    let fixture = F::new(&Spec {
        log_shard_bytes_max: MAX,
        ..Spec::default()
    });
    let log = fixture.node().log;
    let (_guard, entries) = tail(&*log, 0, 0);
    let (sender, shed) = std::sync::mpsc::channel();
    let sink = move |batch: std::sync::Arc<[backbone::Entry<crate::Text>]>| {
        for entry in batch.iter() {
            // The receiver is gone when the test has failed.
            let _ = sender.send(entry.pos.seq);
        }
    };
    let _shed_guard = log.shed(0, Box::new(sink));
    let body = "x".repeat(1_023);
    for _ in 0..40 {
        append(&*log, 0, (0..16).map(|_| record("t", &body)).collect());
    }
    // A backend may bound what it keeps a moment after it has acknowledged.
    let (kept, found) = loop {
        let before = bounds(&*log, 0);
        let found = seqs(&replay(&*log, 0, &["t"], 0, 100));
        if bounds(&*log, 0).first == before.first {
            break (before, found);
        }
    };
    assert_eq!(kept.last, 640);
    assert_eq!(kept.dropped, kept.first - 1);
    assert!(kept.dropped > 0 && kept.bytes <= 2 * MAX, "{kept:?}");
    assert!(
        !F::EXACT || (kept.bytes, kept.first) == (MAX, 577),
        "{kept:?}"
    );
    assert_eq!(found, (kept.first..=640).collect::<Vec<_>>());
    assert!((1..=640).eq((1..=640).map(|_| next(&entries).pos.seq)));
    let told: Vec<_> = shed.try_iter().collect();
    assert!(
        !F::EXACT || told == (1..kept.first).collect::<Vec<_>>(),
        "{told:?}"
    );
}

/// The identity of a QoS 2 message is stored once, inside one batch, over batches and from
/// another node; the position is that of the first.
pub(crate) fn dedup_stores_once<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let (log, other) = (fixture.node().log, fixture.node().log);
    let known = |id: &str, body| Record {
        msg: text("t", body),
        dedup: Some(id.as_bytes().into()),
    };
    let (_guard, entries) = tail(&*log, 0, 0);
    let batch = vec![
        known("c1:7:1", "a"),
        record("t", "b"),
        known("c1:7:1", "again"),
        known("c2:7:1", "c"),
    ];
    let seqs =
        |positions: Vec<backbone::Pos>| positions.iter().map(|pos| pos.seq).collect::<Vec<_>>();
    assert_eq!(seqs(append(&*log, 0, batch)), [1, 2, 1, 3]);
    let batch = vec![
        known("c2:7:1", "again"),
        known("c1:7:2", "d"),
        record("t", "b"),
    ];
    assert_eq!(seqs(append(&*other, 0, batch)), [3, 4, 5]);
    let bodies: Vec<_> = (0..5).map(|_| next(&entries).msg.body.clone()).collect();
    assert_eq!(bodies, ["a", "b", "c", "d", "b"]);
    assert_eq!(bounds(&*log, 0).last, 5);
}

/// An identity is known until it is released, also when its record is no longer in the log; then
/// it names another message. What is open is told, for who comes back after a restart.
pub(crate) fn identities_are_open_until_released<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let (log, other) = (fixture.node().log, fixture.node().log);
    let known = |id: &str, body| Record {
        msg: text("t", body),
        dedup: Some(id.as_bytes().into()),
    };
    let release = |ids: &[&str]| {
        let ids = ids.iter().map(|id| id.as_bytes().into()).collect();
        wait(|done| log.release(0, ids, done)).unwrap();
    };
    let open = || {
        let open = wait(|done| other.identities(0, done)).unwrap();
        let name = |id: &[u8]| String::from_utf8(id.to_vec()).unwrap();
        open.iter()
            .map(|(id, pos)| (name(id), pos.seq))
            .collect::<BTreeMap<_, _>>()
    };
    let pairs = |pairs: &[(&str, u64)]| pairs.iter().map(|&(id, n)| (id.to_owned(), n)).collect();
    assert_eq!(open(), BTreeMap::new());
    append(&*log, 0, vec![known("c1:7", "a"), known("c2:7", "b")]);
    assert_eq!(open(), pairs(&[("c1:7", 1), ("c2:7", 2)]));
    wait(|done| log.trim(0, 99, done)).unwrap();
    assert_eq!(append(&*other, 0, vec![known("c1:7", "again")])[0].seq, 1);
    release(&["c1:7", "never"]);
    assert_eq!(open(), pairs(&[("c2:7", 2)]));
    assert_eq!(append(&*other, 0, vec![known("c1:7", "new")])[0].seq, 3);
    release(&["c1:7", "c2:7"]);
    assert_eq!(open(), BTreeMap::new());
    assert_eq!(wait(|done| log.identities(1, done)).unwrap(), []);
}

/// Whatever way a message is kept, it comes back as it was.
pub(crate) fn messages_come_back_whole<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let log = fixture.node().log;
    let bodies = [
        String::new(),
        "\0\u{1}\n".to_owned(),
        "é温🌡".repeat(3),
        "x".repeat(200_000),
    ];
    for topic in TOPICS {
        let shard = log.shard_of(topic);
        let messages: Vec<_> = bodies.iter().map(|body| text(topic, body)).collect();
        let batch = messages
            .iter()
            .map(|msg| Record::new(msg.clone()))
            .collect();
        let at = append(&*log, shard, batch)
            .iter()
            .map(|pos| pos.seq)
            .collect();
        let found = wait(|done| log.fetch(shard, at, done)).unwrap();
        assert!(
            found.iter().map(|entry| &entry.msg).eq(&messages),
            "topic {topic:?}"
        );
    }
}
