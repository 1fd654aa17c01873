//! Walks through two shards: everything is seen once, whatever the step, and told as it is.

use std::collections::BTreeSet;

use engine::policy::Policy;

use crate::world::{How, World};

/// All client ids of all shards, looked at so many at a time.
fn walked(world: &World, step: usize) -> Vec<String> {
    let mut names = Vec::new();
    for shard in &world.shards {
        let mut from = Some(0);
        while let Some(place) = from.take() {
            for (next, client) in shard.clients(place).take(step) {
                names.push(client.id().to_owned());
                from = Some(next);
            }
        }
    }
    names
}

/// Every session is seen once, also where others went between; and so is who stands at a place.
#[test]
fn every_session_once() {
    let mut world = World::new(Policy::default());
    let names: Vec<String> = (0..300).map(|n| format!("c{n}")).collect();
    for name in &names {
        world.connect(name, 4, true);
    }
    for name in names.iter().step_by(3) {
        world.lose(name);
    }
    let left: BTreeSet<_> = names
        .iter()
        .enumerate()
        .filter(|(n, _)| n % 3 != 0)
        .map(|(_, name)| name.clone())
        .collect();
    for step in [1, 7, 1000] {
        let seen = walked(&world, step);
        assert_eq!(seen.len(), left.len(), "step {step}");
        assert_eq!(
            seen.into_iter().collect::<BTreeSet<_>>(),
            left,
            "step {step}"
        );
    }
    for shard in &world.shards {
        let all: Vec<_> = shard.clients(0).map(|(_, c)| c.id().to_owned()).collect();
        assert_eq!(all.len(), shard.clients_len());
        for (n, name) in all.iter().enumerate() {
            let from = shard.seek_client(n).expect("there are so many");
            let found = shard.clients(from).next().map(|(_, c)| c.id().to_owned());
            assert_eq!(found.as_ref(), Some(name));
        }
        assert_eq!(shard.seek_client(all.len()), None);
    }
}

/// What a session says of itself, while its client is there, away, and after a restart.
#[test]
fn a_session_tells_of_itself() {
    let mut world = World::new(Policy::default());
    world.connect_with("lasting", 5, false, Some("anna"), None);
    world.subscribe("lasting", "a/+", 1);
    world.subscribe("lasting", "$share/g/b", 2);
    let begun = world.now;
    world.connect("p", 4, true);
    let look = |world: &mut World| {
        world.at_home("lasting", |shard, _, _| {
            let c = shard.client("lasting").expect("it has a session");
            let mut filters: Vec<_> = c.subscriptions(0).map(|s| s.filter).collect();
            filters.sort();
            assert_eq!(filters, ["$share/g/b", "a/+"]);
            assert_eq!(c.subscriptions(1).count(), 1);
            assert_eq!((c.user_name(), c.expiry_secs()), (Some("anna"), 3600));
            assert!(c.is_lasting() && !c.is_clean_start());
            assert_eq!(c.connected_at().0, begun);
            assert!(c.created_at() <= c.connected_at());
            (c.conn().is_some(), c.disconnected_at().map(|at| at.0))
        })
    };
    assert_eq!(look(&mut world), (true, None));
    world.pass(5000);
    world.lose("lasting");
    let gone = world.now;
    assert_eq!(look(&mut world), (false, Some(gone)));
    for n in 0..3 {
        let how = How {
            qos: 1,
            id: n + 1,
            ..How::default()
        };
        world.publish("p", "a/1", &n.to_string(), how);
    }
    world.at_home("lasting", |shard, _, _| {
        let place = shard.client("lasting").and_then(|c| c.place());
        let place = place.expect("it is behind");
        assert_eq!(place.filters, [("a/+".to_owned(), 0)]);
        assert_eq!(place.after, 0);
    });
    world.pass(1000);
    world.start();
    assert_eq!(look(&mut world), (false, Some(gone)));
}

/// What was sent and got is counted by kind, and what was lost by reason.
#[test]
fn traffic_is_counted() {
    let mut world = World::new(Policy::default());
    world.connect("s", 5, true);
    world.connect("p", 4, true);
    world.subscribe("s", "t", 2);
    for (qos, id) in [(0, 0), (1, 1), (2, 2)] {
        let how = How {
            qos,
            id,
            ..How::default()
        };
        world.publish("p", "t", "12345", how);
    }
    let of = |world: &mut World, name: &str| {
        world.at_home(name, |shard, _, _| {
            shard
                .client(name)
                .map(|c| c.traffic())
                .expect("it is there")
        })
    };
    let (p, s) = (of(&mut world, "p"), of(&mut world, "s"));
    assert_eq!((p.received, s.sent), ([1, 1, 1], [1, 1, 1]));
    // CONNECT, three PUBLISHes, PUBREL; CONNACK, PUBACK, PUBREC, PUBCOMP.
    assert_eq!((p.received_packets, p.sent_packets), (5, 4));
    // CONNECT, SUBSCRIBE, PUBACK, PUBREC, PUBCOMP; CONNACK, SUBACK, three PUBLISHes, PUBREL.
    assert_eq!((s.received_packets, s.sent_packets), (5, 6));
    assert_eq!(p.sent_bytes, 4 + 4 + 4 + 4);
    assert!(s.sent_bytes > 3 * 8 && p.received_bytes > 3 * 8);
}

/// All filters that shards tell of, and how many they say there are.
fn topics(world: &World, step: usize) -> (Vec<String>, usize) {
    let mut all = Vec::new();
    let mut told = 0;
    for shard in &world.shards {
        told += shard.router().topics_len();
        let mut from = Some(0);
        while let Some(place) = from.take() {
            for (next, topic) in shard.router().topics(place).take(step) {
                all.extend(topic);
                from = Some(next);
            }
        }
    }
    all.sort();
    (all, told)
}

/// A filter is told of once, on whatever shards it has subscribers, and for as long as it has.
#[test]
fn every_topic_once() {
    let mut world = World::new(Policy::default());
    let filters = ["a", "a/b", "a/+", "#", "$SYS/x", "中/+/文"];
    let names: Vec<String> = (0..12).map(|n| format!("c{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        world.connect(name, 5, n % 2 == 0);
        for filter in filters {
            world.subscribe(name, filter, 1);
        }
        world.subscribe(name, "$share/g/shared", 1);
    }
    let mut expected: Vec<_> = filters.iter().map(|f| (*f).to_owned()).collect();
    expected.push("shared".to_owned());
    expected.sort();
    for step in [1, 3, 1000] {
        assert_eq!(topics(&world, step), (expected.clone(), expected.len()));
    }
    for name in &names[1..] {
        world.unsubscribe(name, "a/+");
        world.unsubscribe(name, "a/b");
    }
    assert_eq!(topics(&world, 2), (expected.clone(), expected.len()));
    world.unsubscribe(&names[0], "a/b");
    world.unsubscribe(&names[0], "a/+");
    expected.retain(|f| f != "a/b" && f != "a/+");
    assert_eq!(topics(&world, 2), (expected.clone(), expected.len()));
    for name in &names {
        world.at_home(name, |shard, now, outs| {
            assert!(shard.discard_client(now, name, outs));
        });
    }
    assert_eq!(topics(&world, 2), (Vec::new(), 0));
}
