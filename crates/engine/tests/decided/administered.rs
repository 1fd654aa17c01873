//! What an administrator does in a client's place or to it, over two shards and restarts.

use engine::{Publication, Published, acl::Principal, policy::Policy};
use protocol::{Options, QoS, Reason, RetainHandling, Topic};

use crate::world::{How, World};

const OPTIONS: Options = Options {
    qos: QoS::AtLeastOnce,
    no_local: false,
    retain_as_published: true,
    retain_handling: RetainHandling::SendAlways,
};

/// The granted QoS and whether it was kept.
fn subscribe(world: &mut World, name: &str, filter: &str) -> Option<Result<(QoS, bool), Reason>> {
    let asked = world.at_home(name, |shard, now, outs| {
        shard.subscribe_for(now, name, filter, OPTIONS, outs)
    });
    let answers = world.answers();
    asked.map(|asked| {
        asked.map(|(qos, ticket)| {
            let answer = answers.iter().find(|(t, _)| *t == ticket);
            (qos, answer.expect("it is answered").1)
        })
    })
}

fn publish(world: &mut World, topic: &str, payload: &str, qos: QoS, retain: bool) -> Published {
    let home = topic.to_owned();
    world.at_home(&home, |shard, now, outs| {
        let what = Publication {
            topic: Topic::trusted(topic),
            qos,
            retain,
            expiry_secs: None,
            forwarded: &[],
            payload: payload.as_bytes(),
        };
        let who = Principal::Administrator("admin".into());
        shard.publish_for(now, &who, what, outs).expect("it may")
    })
}

/// The client is told 0x98 and its session is gone, also from the store; only the one that was named.
#[test]
fn discarded_for_good() {
    let mut world = World::new(Policy::default());
    for name in ["here", "away", "here/", "aw%61y"] {
        world.connect(name, 5, false);
        world.subscribe(name, "t", 1);
    }
    world.lose("away");
    for name in ["here", "away"] {
        world.at_home(name, |shard, now, outs| {
            assert!(shard.discard_client(now, name, outs));
            assert!(!shard.discard_client(now, name, outs));
        });
    }
    assert!(world.told("here").contains(&"disconnect 98".to_owned()));
    assert!(world.clients["here"].ended);
    for restarted in [false, true] {
        for (name, left) in [
            ("here", false),
            ("away", false),
            ("here/", true),
            ("aw%61y", true),
        ] {
            let found = world.at_home(name, |shard, _, _| shard.client(name).is_some());
            assert_eq!(found, left, "{name}, restarted: {restarted}");
        }
        world.start();
    }
}

/// A client that is there gets what is retained and what comes; one that is away finds both when it is
/// back, also after a restart.
#[test]
fn subscribed_in_its_place() {
    let mut world = World::new(Policy::default());
    world.connect("here", 5, true);
    world.connect("away", 5, false);
    world.lose("away");
    world.connect("p", 4, true);
    let kept = How {
        qos: 1,
        id: 1,
        retain: true,
        ..How::default()
    };
    world.publish("p", "t/1", "kept", kept);
    let granted = Some(Ok((QoS::AtLeastOnce, true)));
    assert_eq!(subscribe(&mut world, "here", "t/+"), granted);
    assert_eq!(subscribe(&mut world, "away", "t/+"), granted);
    assert_eq!(subscribe(&mut world, "away", "$share/g/s"), granted);
    assert_eq!(subscribe(&mut world, "nobody", "t/+"), None);
    let refused = Some(Err(Reason::TOPIC_FILTER_INVALID));
    assert_eq!(subscribe(&mut world, "here", "t/#/x"), refused);
    let live = How {
        qos: 1,
        id: 2,
        ..How::default()
    };
    world.publish("p", "t/2", "live", live);
    world.publish("p", "s", "shared", live);
    assert_eq!(world.got("here"), ["r t/1 kept", "t/2 live"]);
    world.start();
    world.connect("away", 5, false);
    let mut got = world.got("away");
    got.sort();
    assert_eq!(got, ["s shared", "t/2 live"]);

    let ended = |world: &mut World, filter: &'static str| {
        world.at_home("away", |shard, now, outs| {
            shard.unsubscribe_for(now, "away", filter, outs)
        })
    };
    let ticket = ended(&mut world, "t/+")
        .expect("it is there")
        .expect("it has it");
    assert_eq!(world.answers(), [(ticket, true)]);
    let nothing = Some(Err(Reason::NO_SUBSCRIPTION_EXISTED));
    assert_eq!(ended(&mut world, "t/+"), nothing);
    world.lose("away");
    world.start();
    world.at_home("away", |shard, _, _| {
        let client = shard.client("away").expect("its session lasts");
        let left: Vec<_> = client.subscriptions(0).map(|s| s.filter).collect();
        assert_eq!(left, ["$share/g/s"]);
    });
}

/// Without room nothing is promised.
#[test]
fn no_room_is_told() {
    let mut world = World::new(Policy::default());
    world.connect("s", 5, false);
    world.subscribe("s", "t", 1);
    world.store.is_full = true;
    let no_room = Some(Ok((QoS::AtLeastOnce, false)));
    assert_eq!(subscribe(&mut world, "s", "t/+"), no_room);
    assert!(!world.clients["s"].ended, "nobody else suffers");
    let ticket = publish(&mut world, "t", "x", QoS::AtLeastOnce, false).ticket;
    let ticket = ticket.expect("the log is to have it");
    assert_eq!(world.answers(), [(ticket, false)]);
}

/// It is said whether anybody is subscribed, and what is promised is safe when it is answered.
#[test]
fn published_for_somebody() {
    let mut world = World::new(Policy::default());
    world.connect("here", 5, true);
    world.connect("away", 5, false);
    world.subscribe("here", "a", 1);
    world.subscribe("away", "b", 1);
    world.lose("away");
    let unheard = publish(&mut world, "c", "x", QoS::ExactlyOnce, false);
    let nobody = Published {
        is_matched: false,
        ticket: None,
    };
    assert_eq!(unheard, nobody);
    assert!(publish(&mut world, "a", "live", QoS::AtMostOnce, false).is_matched);
    assert_eq!(world.got("here"), ["a live"]);
    let logged = publish(&mut world, "b", "later", QoS::AtLeastOnce, false);
    assert_eq!(
        world.answers(),
        [(logged.ticket.expect("it is logged"), true)]
    );
    world.start();
    world.connect("away", 5, false);
    assert_eq!(world.got("away"), ["b later"]);
    let system = world.at_home("$SYS/x", |shard, now, outs| {
        let what = Publication {
            topic: Topic::trusted("$SYS/x"),
            qos: QoS::AtMostOnce,
            retain: false,
            expiry_secs: None,
            forwarded: &[],
            payload: b"",
        };
        shard.publish_for(now, &Principal::Administrator("admin".into()), what, outs)
    });
    assert_eq!(system, Err(Reason::NOT_AUTHORIZED));
}

/// A retained message that is deleted does not come back, and nobody is told.
#[test]
fn retained_deleted_for_good() {
    let mut world = World::new(Policy::default());
    world.connect("s", 5, true);
    world.subscribe("s", "#", 0);
    for topic in ["a", "b", "a/"] {
        let kept = publish(&mut world, topic, "x", QoS::AtLeastOnce, true);
        assert_eq!(
            world.answers(),
            [(kept.ticket.expect("it is stored"), true)]
        );
    }
    world.got("s");
    let delete = |world: &mut World, topic: &str| {
        world.at_home(topic, |shard, now, _| {
            shard.delete_retained(now, Topic::trusted(topic))
        })
    };
    let ticket = delete(&mut world, "a").expect("it is there");
    assert_eq!(world.answers(), [(ticket, true)]);
    assert_eq!(delete(&mut world, "a"), None);
    assert!(world.got("s").is_empty());
    world.start();
    for (topic, left) in [("a", false), ("b", true), ("a/", true)] {
        let found = world.at_home(topic, |shard, _, _| shard.retained(Topic::trusted(topic)));
        assert_eq!(found.is_some(), left, "{topic}");
    }
}

/// Messages of a backup take the place of others, and give it back if the backup is not taken after all:
/// not where a newer one has come meanwhile.
#[test]
fn imported_and_taken_back() {
    let retained = |world: &mut World, topic: &str| {
        world.at_home(topic, |shard, _, _| shard.retained(Topic::trusted(topic)))
    };
    let mut other = World::new(Policy::default());
    let mut world = World::new(Policy::default());
    publish(&mut world, "a", "old", QoS::AtLeastOnce, true);
    world.answers();
    let mut brought = Vec::new();
    for topic in ["a", "b", "c"] {
        publish(&mut other, topic, "brought", QoS::AtLeastOnce, true);
        let message = retained(&mut other, topic).expect("it is retained");
        let new = world.at_home(topic, |shard, now, _| shard.import_retained(now, &message));
        let new = new.expect("there is room");
        assert_eq!(world.answers(), [(new.ticket, true)]);
        assert_eq!(new.before.is_some(), topic == "a");
        brought.push((topic, message, new.before));
    }
    publish(&mut world, "c", "newer", QoS::AtLeastOnce, true);
    world.answers();
    for (topic, message, before) in &brought {
        let undone = world.at_home(topic, |shard, now, _| {
            shard.undo_import(now, message, before.as_ref())
        });
        assert_eq!(undone.is_some(), *topic != "c");
    }
    world.answers();
    for _ in 0..2 {
        for (topic, due) in [("a", Some("old")), ("b", None), ("c", Some("newer"))] {
            let found = retained(&mut world, topic);
            let payload = found.as_ref().map(|message| message.payload());
            assert_eq!(payload, due.map(str::as_bytes), "{topic}");
        }
        world.start();
    }
    world.store.is_full = true;
    let (topic, message, _) = &brought[1];
    let new = world.at_home(topic, |shard, now, _| shard.import_retained(now, message));
    assert_eq!(
        world.answers(),
        [(new.expect("it has a place").ticket, false)]
    );
}

/// A client that promised nothing is held to what it is told to promise.
#[test]
fn keep_alive_from_now_on() {
    let mut world = World::new(Policy::default());
    for name in ["c", "d"] {
        world.connect(name, 5, true);
    }
    world.pass(60_000);
    assert!(world.at_home("c", |shard, now, _| shard.set_keep_alive(now, "c", 10)));
    assert!(!world.at_home("e", |shard, now, _| shard.set_keep_alive(now, "e", 10)));
    world.pass(14_000);
    assert!(!world.clients["c"].ended);
    world.pass(2_000);
    assert!(world.clients["c"].ended && !world.clients["d"].ended);
}
