//! Messages that wait for their time: published once, whatever happens.

use engine::{Time, policy::Policy};

use crate::world::{How, World};

fn qos(qos: u8) -> How {
    How {
        qos,
        id: u16::from(qos),
        ..How::default()
    }
}

/// Published when its time has come, not before, once, by whatever QoS; and what it says about
/// retaining and expiry holds from then on.
#[test]
fn published_when_due() {
    let mut world = World::new(Policy::default());
    world.connect("s", 5, true);
    world.subscribe("s", "#", 2);
    world.connect("p", 5, true);
    for n in 0..=2 {
        world.publish("p", &format!("$delayed/{}/a/{n}", 5 + n), "later", qos(n));
    }
    let kept = How {
        qos: 1,
        id: 9,
        retain: true,
        expiry_secs: Some(10),
        ..How::default()
    };
    world.publish("p", "$delayed/20/kept", "later", kept);
    let at = world.now / 1000 + 30;
    world.publish("p", &format!("$delayed/{at}/a/at"), "later", qos(0));
    assert_eq!(world.policy.delayed.count(), 5);
    assert_eq!(
        world.told("p"),
        ["connack 00", "puback 00", "pubrec 00", "puback 00"]
    );
    world.pass(4900);
    assert_eq!(world.got("s"), [""; 0]);
    world.pass(100);
    assert_eq!(world.got("s"), ["a/0 later"]);
    world.pass(2000);
    assert_eq!(world.got("s"), ["a/1 later", "a/2 later"]);
    world.lose("p");
    world.pass(13_000);
    assert_eq!(world.got("s"), ["kept later"]);
    world.connect("late", 5, true);
    world.subscribe("late", "kept", 1);
    assert_eq!(world.got("late"), ["r kept later"]);
    world.pass(9_900);
    assert_eq!(world.got("s"), [""; 0]);
    world.connect("later", 5, true);
    world.pass(200);
    assert_eq!(world.got("s"), ["a/at later"]);
    world.subscribe("later", "kept", 1);
    assert_eq!(world.got("later"), [""; 0], "it has expired");
    world.pass(60_000);
    let left = world
        .store
        .records
        .keys()
        .filter(|(bucket, _)| *bucket == "delayed");
    assert_eq!(left.count(), 0);
    assert_eq!(world.policy.delayed.count(), 0);
    assert_eq!(world.store.identities.len(), 0);
}

/// Bad forms are refused by the book, and so is everything while it is switched off.
#[test]
fn refused() {
    let mut world = World::new(Policy::default());
    world.connect("s", 5, true);
    world.subscribe("s", "#", 2);
    for (level, codes) in [(5, ["90", "90", "87"]), (4, ["00", "00", "00"])] {
        world.connect("p", level, true);
        world.publish("p", "$delayed/x/a", "no", qos(1));
        world.publish("p", "$delayed/4294968/a", "no", qos(1));
        world.publish("p", "$delayed/1/a", "no", How { id: 0, ..qos(0) });
        world.publish("p", "$delayed/0/$SYS/a", "no", qos(1));
        let told = world.told("p");
        assert_eq!(told[1..], codes.map(|code| format!("puback {code}")));
    }
    world.pass(1000);
    assert_eq!(world.got("s"), ["a no", "a no"]);
    world.configure(|settings| settings.delayed_available = false);
    world.connect("p", 5, true);
    world.publish("p", "$delayed/1/a", "no", qos(1));
    assert_eq!(world.told("p"), ["connack 00", "puback 87"]);
    world.pass(2000);
    assert_eq!(world.got("s"), [""; 0]);
}

/// More than may wait, or no room in the store: version 5 is told 0x97; 3.x, which cannot be told, gets
/// no acknowledgement and is closed.
#[test]
fn no_room() {
    for full in [false, true] {
        let mut world = World::new(Policy::default());
        world.configure(|settings| settings.delayed_max = if full { 0 } else { 2 });
        world.connect("p", 5, true);
        if !full {
            world.publish("p", "$delayed/9/a", "x", How { id: 1, ..qos(1) });
            world.publish("p", "$delayed/9/a", "x", How { id: 2, ..qos(1) });
            assert_eq!(world.told("p"), ["connack 00", "puback 00", "puback 00"]);
        }
        world.told("p");
        world.store.is_full = full;
        world.publish("p", "$delayed/9/a", "x", qos(2));
        assert_eq!(world.told("p"), ["pubrec 97"], "full: {full}");
        world.connect("old", 4, true);
        world.publish("old", "$delayed/9/a", "x", qos(1));
        assert_eq!(world.told("old"), ["connack 00"]);
        assert!(world.clients["old"].ended);
        let wait = if full { 0 } else { 2 };
        assert_eq!(world.policy.delayed.count(), wait);
        world.store.is_full = false;
        world.connect("s", 5, true);
        world.subscribe("s", "a", 1);
        world.pass(10_000);
        assert_eq!(world.got("s").len() as u64, wait);
    }
}

/// Listed in the order in which they are due, found by id, and dropped.
#[test]
fn looked_at_and_dropped() {
    let mut world = World::new(Policy::default());
    world.connect_with("p", 5, true, Some("pit"), None);
    world.connect("q", 5, true);
    for (secs, by) in [(9, "p"), (3, "q"), (6, "p")] {
        world.publish(by, &format!("$delayed/{secs}/a"), "x", qos(2));
        world.clients.get_mut(by).expect("known").told.clear();
    }
    let mut all: Vec<_> = world
        .shards
        .iter()
        .flat_map(|s| s.delayed_after(None, 10))
        .collect();
    all.sort_by_key(|d| (d.due, d.id));
    let secs: Vec<_> = all.iter().map(|d| d.due.since(d.accepted) / 1000).collect();
    assert_eq!(secs, [3, 6, 9]);
    assert_eq!(
        (&*all[2].client_id, all[2].user_name.as_deref()),
        ("p", Some("pit"))
    );
    let now = Time(world.now);
    let id = all[1].id;
    assert!(world.shards.iter().any(|s| s.find_delayed(id).is_some()));
    let dropped = world
        .shards
        .iter_mut()
        .filter_map(|s| s.drop_delayed(now, id).then_some(()));
    assert_eq!(dropped.count(), 1);
    let place = Some((all[0].due, all[0].id));
    let behind = world.shards.iter().flat_map(|s| s.delayed_after(place, 10));
    assert_eq!(behind.map(|d| d.id).collect::<Vec<_>>(), [all[2].id]);
    world.settle();
    world.start();
    world.connect("s", 5, true);
    world.subscribe("s", "a", 0);
    world.pass(10_000);
    assert_eq!(world.got("s").len(), 2);
}

/// The broker is killed after each of its writes in turn, whichever of log and records is faster. What
/// was acknowledged is published, and once; and so is, in the end, what the publisher sends again.
#[test]
fn killed_at_any_time() {
    let mut crashes = 0;
    for log_first in [false, true] {
        for level in [1, 2] {
            for (secs, wait) in [(5, 6000), (0, 0)] {
                for writes in 0.. {
                    let mut world = World::new(Policy::default());
                    world.store.log_first = log_first;
                    world.connect("s", 5, false);
                    world.subscribe("s", "a", 2);
                    world.connect("p", 5, false);
                    world.store.writes_left = writes;
                    let topic = format!("$delayed/{secs}/a");
                    world.publish("p", &topic, "once", qos(level));
                    world.pass(wait);
                    let left = world.store.writes_left;
                    let mut told = world.told("p");
                    world.start();
                    world.connect("s", 5, false);
                    world.connect("p", 5, false);
                    told.retain(|t| t.starts_with("pub"));
                    if level == 2 && world.clients["p"].received.contains(&2) {
                        if !world.clients["p"].completed.contains(&2) {
                            world.release("p", 2);
                        }
                    } else if told.is_empty() {
                        world.publish(
                            "p",
                            &topic,
                            "once",
                            How {
                                dup: true,
                                ..qos(level)
                            },
                        );
                    }
                    world.pass(20_000);
                    let got = world.got("s");
                    let what =
                        format!("QoS {level}, {secs} s, {writes} writes, log first: {log_first}");
                    if level == 2 {
                        assert_eq!(got, ["a once"], "{what}");
                    } else {
                        assert!(!got.is_empty() && got.len() <= 3, "{what}: {got:?}");
                    }
                    // The next exchange with the same id is another message.
                    world.publish("p", "a", "next", qos(level));
                    assert_eq!(world.got("s"), ["a next"], "{what}");
                    world.pass(1000);
                    assert_eq!(world.store.identities.len(), 0, "{what}");
                    let records = world.store.records.keys();
                    assert_eq!(
                        records.filter(|(b, _)| *b == "delayed").count(),
                        0,
                        "{what}"
                    );
                    crashes += 1;
                    if left > 0 {
                        break;
                    }
                }
            }
        }
    }
    assert!(crashes > 30, "{crashes}");
}

/// A message is published while the exchange that brought it is still open, and a restart comes before
/// PUBREL: it is not published again, and its id is known until it is released.
#[test]
fn published_before_it_is_released() {
    let mut world = World::new(Policy::default());
    world.connect("s", 5, false);
    world.subscribe("s", "a", 2);
    world.connect("p", 5, false);
    world.clients.get_mut("p").expect("known").level = 5;
    world.store.writes_left = usize::MAX;
    world.publish_unreleased("p", "$delayed/1/a", "once", qos(2));
    world.pass(2000);
    assert_eq!(world.got("s"), ["a once"]);
    world.start();
    world.connect("s", 5, false);
    world.connect("p", 5, false);
    world.publish(
        "p",
        "$delayed/1/a",
        "once",
        How {
            dup: true,
            ..qos(2)
        },
    );
    world.pass(2000);
    assert_eq!(world.got("s"), [""; 0]);
    assert!(world.clients["p"].completed.contains(&2));
    let left = world
        .store
        .records
        .keys()
        .filter(|(bucket, _)| *bucket == "delayed");
    assert_eq!(left.count(), 0);
    world.publish("p", "$delayed/1/a", "twice", qos(2));
    world.pass(2000);
    assert_eq!(world.got("s"), ["a twice"]);
}
