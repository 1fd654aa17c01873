//! The router against a naive matcher, and its small rules.

use proptest::prelude::*;
use protocol::{Filter, QoS, Topic};

use super::*;

fn sub(session: u32, qos: QoS) -> Sub {
    Sub {
        session,
        flags: Flags::new(qos, false, false, false),
        id: 0,
    }
}

fn level() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a"),
        Just("b"),
        Just(""),
        Just("$x"),
        Just("long-level")
    ]
    .prop_map(str::to_owned)
}

fn topic() -> impl Strategy<Value = String> {
    prop::collection::vec(level(), 1..5)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("a topic is not empty", |t| !t.is_empty())
}

fn filter() -> impl Strategy<Value = String> {
    let part = prop_oneof![3 => level(), 2 => Just("+".to_owned())];
    (prop::collection::vec(part, 1..5), any::<bool>())
        .prop_map(|(mut levels, hash)| {
            if hash {
                levels.push("#".into());
            }
            levels.join("/")
        })
        .prop_filter("a filter is not empty", |f| !f.is_empty())
}

proptest! {
    /// What matches is what a walk over all filters finds, also after removals; a cached route that is
    /// called current equals a fresh one.
    #[test]
    fn equals_the_naive_matcher(
        steps in prop::collection::vec((filter(), 0u32..6, any::<bool>()), 1..80),
        topics in prop::collection::vec(topic(), 1..6),
    ) {
        let mut router = Router::new(7);
        let mut naive: Vec<(String, u32)> = Vec::new();
        let mut routes = Routes::new(7);
        for (text, session, add) in steps {
            let filter = Filter::parse(&text, 128).unwrap();
            if add {
                let (_, new, _) = router.subscribe(filter, sub(session, QoS::AtMostOnce));
                let known = naive.contains(&(text.clone(), session));
                prop_assert_eq!(new, !known);
                if new {
                    naive.push((text, session));
                }
            } else if let Some(node) = router.find(filter) {
                let removed = router.unsubscribe(node, session).is_some();
                let before = naive.len();
                naive.retain(|n| *n != (text.clone(), session));
                prop_assert_eq!(removed, before != naive.len());
            }
            for text in &topics {
                let topic = Topic::parse(text, 128).unwrap();
                let mut expected: Vec<u32> = naive
                    .iter()
                    .filter(|(f, _)| Filter::parse(f, 128).unwrap().matches(topic))
                    .map(|(_, s)| *s)
                    .collect();
                expected.sort_unstable();
                expected.dedup();
                let (at, route) = routes.take(&mut router, topic);
                let mut found: Vec<u32> = route.targets.iter().map(|t| t.session).collect();
                found.sort_unstable();
                prop_assert_eq!(&found, &expected, "topic {}", text);
                routes.put(at, route);
            }
        }
        for (text, session) in naive {
            let node = router.find(Filter::parse(&text, 128).unwrap()).unwrap();
            prop_assert_eq!(router.filter(node), text);
            prop_assert!(router.unsubscribe(node, session).is_some());
        }
        prop_assert!(router.is_empty());
    }
}

/// Overlapping subscriptions of one session: the highest QoS, all identifiers
/// [MQTT-3.3.4-2], [MQTT-3.3.4-3].
#[test]
fn overlapping_subscriptions_are_one_target() {
    let mut router = Router::new(1);
    let filters = [
        ("a/b", QoS::AtMostOnce, 1),
        ("a/+", QoS::ExactlyOnce, 2),
        ("#", QoS::AtLeastOnce, 3),
    ];
    for (text, qos, id) in filters {
        router.subscribe(Filter::trusted(text), Sub { id, ..sub(9, qos) });
    }
    let mut route = Route::default();
    router.walk(Topic::trusted("a/b"), &mut route);
    assert_eq!(route.targets.len(), 1);
    assert_eq!(route.targets[0].flags.qos(), QoS::ExactlyOnce);
    let mut ids = route.targets[0].ids.clone();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3]);
}

/// Another shard hears of the first subscriber and of the last, and of nothing between.
#[test]
fn interest_is_announced_once() {
    for text in ["a/b", "a/+"] {
        let mut here = Router::new(1);
        let mut there = Router::new(1);
        let filter = Filter::trusted(text);
        let (node, _, change) = here.subscribe(filter, sub(1, QoS::AtMostOnce));
        there.apply(3, &change.unwrap());
        assert_eq!(there.interest(Topic::trusted("a/b")).live, 1 << 3);
        assert_eq!(here.subscribe(filter, sub(2, QoS::AtMostOnce)).2, None);
        assert_eq!(here.unsubscribe(node, 1), Some(None));
        let change = here.unsubscribe(node, 2).unwrap();
        there.apply(3, &change.unwrap());
        assert!(there.interest(Topic::trusted("a/b")).is_empty());
        assert!(here.is_empty() && there.is_empty());
    }
}

/// What is subscribed to here and what other shards want stand side by side, also when there is much of
/// both, and go one by one.
#[test]
fn own_filters_and_those_of_others_are_told_apart() {
    const FILTERS: u32 = 5_000;
    let mut here = Router::new(1);
    let mut there = Router::new(1);
    let texts: Vec<String> = (0..FILTERS).map(|n| format!("site/{n}")).collect();
    let shards = |n: u32| {
        [1_u16, 3, 31]
            .into_iter()
            .filter(move |s| n >> (s % 4) & 1 != 0)
    };
    for (text, n) in texts.iter().zip(0..) {
        let (_, _, change) = there.subscribe(Filter::trusted(text), sub(n, QoS::AtMostOnce));
        for shard in shards(n) {
            here.apply(shard, change.as_ref().unwrap());
        }
        if n % 3 == 0 {
            here.subscribe(Filter::trusted(text), sub(n, QoS::AtMostOnce));
        }
    }
    let check = |here: &mut Router, from: u32| {
        for (text, n) in texts.iter().zip(0..) {
            let topic = Topic::trusted(text);
            let others = shards(n)
                .filter(|_| n >= from)
                .fold(0, |all, s| all | 1 << s);
            let interest = here.interest(topic);
            assert_eq!((interest.live, interest.durable), (others, 0), "{text}");
            let own: Vec<u32> = here.matches(topic).iter().map(|(s, _)| *s).collect();
            let expected = (n % 3 == 0 && n >= from).then_some(n);
            assert_eq!(own, Vec::from_iter(expected), "{text}");
        }
    };
    check(&mut here, 0);
    for from in [FILTERS / 2, FILTERS] {
        for (text, n) in texts.iter().zip(0..from) {
            let filter = Filter::trusted(text);
            if let Some(node) = there.find(filter) {
                let change = there.unsubscribe(node, n).unwrap().unwrap();
                for shard in shards(n) {
                    here.apply(shard, &change);
                }
            }
            if let Some(node) = here.find(filter) {
                here.unsubscribe(node, n).unwrap();
            }
        }
        check(&mut here, from);
    }
    assert!(here.is_empty() && there.is_empty());
}

/// One look tells whether anybody, here or on another shard, may want the system's topics.
#[test]
fn interest_in_the_systems_topics() {
    let wanted = [
        "$SYS/#",
        "$SYS/+/node/up",
        "$SYS/brokers/node/clients/me/connected",
    ];
    for text in wanted {
        let mut here = Router::new(1);
        let mut there = Router::new(1);
        for other in ["#", "+/brokers", "brokers", "$SYS/broker/#", "$SYS/broker"] {
            here.subscribe(Filter::trusted(other), sub(1, QoS::AtMostOnce));
        }
        assert!(!here.may_want("$SYS/brokers"));
        let filter = Filter::trusted(text);
        let (node, _, change) = here.subscribe(filter, sub(1, QoS::AtMostOnce));
        there.apply(3, &change.unwrap());
        assert!(
            here.may_want("$SYS/brokers") && there.may_want("$SYS/brokers"),
            "{text}"
        );
        let change = here.unsubscribe(node, 1).unwrap();
        there.apply(3, &change.unwrap());
        assert!(!here.may_want("$SYS/brokers") && !there.may_want("$SYS/brokers"));
    }
}

/// A session that outlives its connection makes the interest durable, from QoS 1 on.
#[test]
fn durable_interest_is_told_apart() {
    let mut router = Router::new(1);
    let durable = |qos| Sub {
        session: 1,
        flags: Flags::new(qos, false, false, true),
        id: 0,
    };
    let filter = Filter::trusted("t");
    let (_, _, change) = router.subscribe(filter, durable(QoS::AtMostOnce));
    assert!(!change.unwrap().wants.durable);
    let (_, _, change) = router.subscribe(filter, durable(QoS::AtLeastOnce));
    assert!(change.unwrap().wants.durable);
}
