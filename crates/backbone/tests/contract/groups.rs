//! Groups: each entry to one, leases that run out, cursors that stop at what is not done.

use std::collections::BTreeSet;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use backbone::{Backend, Error, GroupKey, Lease, Outcome, wait};

use crate::{Fixture, Spec, Text, append, bounds, next, publish, record};

fn key() -> GroupKey {
    GroupKey {
        group: "g".to_owned(),
        filter: "t/+".to_owned(),
    }
}

/// Two nodes of a cluster on which the group exists.
fn two<F: Fixture>(fixture: &F) -> [Backend<Text>; 2] {
    let nodes = [fixture.node(), fixture.node()];
    wait(|done| nodes[0].groups.create(&key(), done)).unwrap();
    nodes
}

fn pull(node: &Backend<Text>, max: usize) -> Vec<Lease<Text>> {
    let leases = wait(|done| node.groups.pull(&key(), max, done)).unwrap();
    assert!(leases.len() <= max);
    leases
}

/// Pulls until it has `count`: a pull may give less than there is.
fn pull_all(node: &Backend<Text>, count: usize) -> Vec<Lease<Text>> {
    let mut leases = Vec::new();
    while leases.len() < count {
        let more = pull(node, count - leases.len());
        assert!(!more.is_empty(), "{} of {count}", leases.len());
        leases.extend(more);
    }
    leases
}

fn settle(node: &Backend<Text>, leases: &[Lease<Text>], outcome: Outcome) {
    let settled = leases.iter().map(|lease| (lease.id, outcome)).collect();
    wait(|done| node.groups.settle(&key(), settled, done)).unwrap();
}

fn cursors(node: &Backend<Text>) -> Vec<u64> {
    wait(|done| node.groups.cursors(&key(), done)).unwrap()
}

fn bodies(leases: &[Lease<Text>]) -> Vec<&str> {
    leases.iter().map(|lease| &*lease.entry.msg.body).collect()
}

/// Two nodes pull in turn: every matching entry comes to one of them, once, and when all is
/// settled the cursors stand at the ends.
pub(crate) fn each_entry_to_one<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let nodes = two(&fixture);
    for n in 0..60 {
        publish(&*nodes[0].log, &format!("t/{}", n % 9), n);
        publish(&*nodes[1].log, "other", n);
    }
    let mut seen = BTreeSet::new();
    for turn in 0.. {
        let node = &nodes[turn % 2];
        let leases = pull(node, 7);
        if leases.is_empty() {
            break;
        }
        for lease in &leases {
            assert_eq!(lease.attempt, 1);
            assert!(
                seen.insert(lease.entry.msg.body.clone()),
                "{lease:?} came twice"
            );
        }
        settle(node, &leases, Outcome::Done);
    }
    assert_eq!(seen.len(), 60);
    let ends: Vec<_> = (0..3)
        .map(|shard| bounds(&*nodes[0].log, shard).last)
        .collect();
    assert_eq!(cursors(&nodes[1]), ends);
}

/// Two nodes pull while two others append, sleeping until woken when there is nothing: together
/// they get every entry once, and nobody sleeps through one.
pub(crate) fn pulls_and_appends_meet<F: Fixture>() {
    const COUNT: usize = 1_000;
    let fixture = F::new(&Spec {
        lease: Duration::from_secs(60),
        ..Spec::default()
    });
    let nodes = two(&fixture);
    let seen = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(move || {
                for n in 0..COUNT / 2 {
                    publish(&*node.log, &format!("t/{}", n % 7), n);
                }
            });
            let seen = &seen;
            scope.spawn(move || {
                let (sender, woken) = mpsc::channel();
                let sink = move || _ = sender.send(()).ok();
                let _guard = node.groups.wake(&key(), Box::new(sink));
                loop {
                    let leases = pull(node, 16);
                    for lease in leases
                        .iter()
                        .filter(|lease| lease.entry.msg.topic != "t/end")
                    {
                        let fresh = seen.lock().unwrap().insert(lease.entry.pos);
                        assert!(fresh, "{lease:?} came twice");
                    }
                    settle(node, &leases, Outcome::Done);
                    if seen.lock().unwrap().len() == COUNT {
                        // For the other one, if it sleeps.
                        publish(&*node.log, "t/end", "");
                        break;
                    }
                    if leases.is_empty() {
                        next(&woken);
                    }
                }
            });
        }
    });
}

/// What one node holds, no other gets, until the lease is over: then it comes to the other, as a
/// second attempt, and the first holder's late word does not lose it.
pub(crate) fn unsettled_comes_to_another<F: Fixture>() {
    let spec = Spec::default();
    let fixture = F::new(&spec);
    let nodes = two(&fixture);
    for n in 0..4 {
        publish(&*nodes[0].log, "t/x", n);
    }
    let held = pull_all(&nodes[0], 4);
    settle(&nodes[0], &held[1..2], Outcome::Done);
    assert_eq!(pull(&nodes[1], 9).len(), 0);
    fixture.pass(spec.lease);
    let again = pull_all(&nodes[1], 3);
    assert_eq!(bodies(&again), ["0", "2", "3"]);
    for lease in &again {
        assert_eq!(lease.attempt, 2);
        assert!(
            held.iter().all(|old| old.id != lease.id),
            "a lease is new each time"
        );
    }
    settle(&nodes[1], &again, Outcome::Done);
    assert_eq!(pull(&nodes[0], 9).len(), 0);
    let end = publish(&*nodes[0].log, "t/x", 4);
    assert_eq!(bodies(&pull_all(&nodes[0], 1)), ["4"]);
    assert_eq!(cursors(&nodes[0])[usize::from(end.shard)], end.seq - 1);
}

/// What is given back goes to the next who asks, before new entries, and wakes the others.
pub(crate) fn returned_at_once_and_wakes<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let nodes = two(&fixture);
    for n in 0..3 {
        publish(&*nodes[0].log, "t/x", n);
    }
    let held = pull_all(&nodes[0], 2);
    let (sender, woken) = mpsc::channel();
    let _guard = nodes[1]
        .groups
        .wake(&key(), Box::new(move || _ = sender.send(()).ok()));
    settle(&nodes[0], &held, Outcome::Return);
    next(&woken);
    let again = pull_all(&nodes[1], 3);
    assert_eq!(bodies(&again), ["0", "1", "2"]);
    assert_eq!(
        again.iter().map(|lease| lease.attempt).collect::<Vec<_>>(),
        [2, 2, 1]
    );
}

/// A holder that says it is still at it keeps its entry.
pub(crate) fn extended_stays<F: Fixture>() {
    let spec = Spec::default();
    let fixture = F::new(&spec);
    let nodes = two(&fixture);
    publish(&*nodes[0].log, "t/x", "kept");
    publish(&*nodes[0].log, "t/x", "lost");
    let held = pull_all(&nodes[0], 2);
    fixture.pass(spec.lease * 3 / 4);
    settle(&nodes[0], &held[..1], Outcome::Extend);
    fixture.pass(spec.lease / 2);
    assert_eq!(bodies(&pull_all(&nodes[1], 1)), ["lost"]);
    assert_eq!(pull(&nodes[1], 9).len(), 0);
    settle(&nodes[0], &held[..1], Outcome::Done);
    fixture.pass(spec.lease);
    assert_eq!(bodies(&pull_all(&nodes[1], 1)), ["lost"]);
}

/// Settled out of order: the log may be trimmed only below the oldest that is not done.
pub(crate) fn cursor_stops_at_the_oldest_unsettled<F: Fixture>() {
    let fixture = F::new(&Spec {
        shards: 1,
        ..Spec::default()
    });
    let nodes = two(&fixture);
    let topics = ["t/a", "no", "t/b", "no", "t/c", "no"];
    append(
        &*nodes[0].log,
        0,
        topics.iter().map(|topic| record(topic, "")).collect(),
    );
    assert_eq!(cursors(&nodes[0]), [0]);
    let held = pull_all(&nodes[0], 3);
    assert_eq!(cursors(&nodes[0]), [0]);
    settle(&nodes[0], &held[1..], Outcome::Done);
    assert_eq!(cursors(&nodes[0]), [0]);
    settle(&nodes[0], &held[..1], Outcome::Done);
    // The last entry does not match; it is passed when somebody looks.
    assert_eq!(pull(&nodes[1], 9).len(), 0);
    assert_eq!(cursors(&nodes[1]), [6]);
}

/// A new group has no past, and making it again changes nothing.
pub(crate) fn group_begins_at_the_end<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let nodes = [fixture.node(), fixture.node()];
    publish(&*nodes[0].log, "t/x", "before");
    wait(|done| nodes[0].groups.create(&key(), done)).unwrap();
    publish(&*nodes[0].log, "t/x", "after");
    wait(|done| nodes[1].groups.create(&key(), done)).unwrap();
    assert_eq!(bodies(&pull_all(&nodes[1], 1)), ["after"]);
    // One share name with another filter is another group [MQTT-4.8.2-1].
    let other = GroupKey {
        filter: "#".to_owned(),
        ..key()
    };
    wait(|done| nodes[0].groups.create(&other, done)).unwrap();
    publish(&*nodes[0].log, "t/x", "both");
    assert_eq!(bodies(&pull_all(&nodes[0], 1)), ["both"]);
    let leases = wait(|done| nodes[1].groups.pull(&other, 9, done)).unwrap();
    assert_eq!(bodies(&leases), ["both"]);
}

/// A node that found nothing is woken by what matches.
pub(crate) fn wake_on_append<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let nodes = two(&fixture);
    let (sender, woken) = mpsc::channel();
    let guard = nodes[1]
        .groups
        .wake(&key(), Box::new(move || _ = sender.send(()).ok()));
    assert_eq!(pull(&nodes[1], 9).len(), 0);
    publish(&*nodes[0].log, "t/x", 1);
    next(&woken);
    assert_eq!(bodies(&pull_all(&nodes[1], 1)), ["1"]);
    drop(guard);
    while woken.try_recv().is_ok() {}
    publish(&*nodes[0].log, "t/x", 2);
    assert!(woken.try_recv().is_err());
}

/// Before `create` and after `remove`.
pub(crate) fn absent_group<F: Fixture>() {
    let fixture = F::new(&Spec::default());
    let groups = fixture.node().groups;
    let absent = Error::Absent("group");
    let ask = || {
        assert_eq!(
            wait(|done| groups.pull(&key(), 1, done)).unwrap_err(),
            absent
        );
        assert_eq!(
            wait(|done| groups.settle(&key(), Vec::new(), done)).unwrap_err(),
            absent
        );
        assert_eq!(
            wait(|done| groups.cursors(&key(), done)).unwrap_err(),
            absent
        );
        wait(|done| groups.remove(&key(), done)).unwrap();
    };
    ask();
    wait(|done| groups.create(&key(), done)).unwrap();
    assert!(
        wait(|done| groups.pull(&key(), 1, done))
            .unwrap()
            .is_empty()
    );
    wait(|done| groups.remove(&key(), done)).unwrap();
    ask();
    let bad = GroupKey {
        filter: "a/#/b".to_owned(),
        ..key()
    };
    assert!(matches!(
        wait(|done| groups.create(&bad, done)),
        Err(Error::Fatal(_))
    ));
}
