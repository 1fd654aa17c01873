//! Windows and ids, what is kept of subscriptions, and what all that takes.

use protocol::{Filter, PacketId};

use super::*;
use crate::router::{Flags, Router, Sub};

fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

/// Ids are given in sequence, wrap from 65,535 to 1 and are never given while in use [MQTT-2.2.1-4].
#[test]
fn ids_in_use_are_skipped_also_after_the_wrap() {
    let mut out = Outflow::default();
    let stuck = out.start(State::PubAck, Held::Nothing).unwrap();
    assert_eq!(stuck, id(1));
    for round in 0..200_000_u32 {
        let next = out.start(State::PubAck, Held::Nothing).unwrap();
        assert_ne!(next, stuck, "round {round}");
        assert!(out.finish(next).is_some());
        assert_eq!(out.in_flight(), 1);
    }
    assert_eq!(out.find(stuck).map(|e| e.state), Some(State::PubAck));
    assert!(out.finish(stuck).is_some());
    assert_eq!(out.in_flight(), 0);
}

/// All 65,535 ids can be in flight, and no more.
#[test]
fn every_id_can_be_used_once() {
    let mut out = Outflow::default();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..u16::MAX {
        assert!(seen.insert(out.start(State::PubRec, Held::Nothing).unwrap()));
    }
    assert!(out.start(State::PubAck, Held::Nothing).is_none());
    for n in (1..=u16::MAX).rev() {
        assert!(out.finish(id(n)).is_some(), "id {n}");
    }
    assert_eq!(out.in_flight(), 0);
}

#[test]
fn an_answer_to_nothing_is_none() {
    let mut out = Outflow::default();
    assert!(out.finish(id(5)).is_none());
    let first = out.start(State::PubAck, Held::Nothing).unwrap();
    assert!(out.finish(id(2)).is_none());
    assert!(out.finish(first).is_some());
    assert!(out.finish(first).is_none());
}

#[test]
fn known_ids_are_forgotten_once() {
    let mut inflow = Inflow::default();
    for n in [1, 64, 65_535] {
        inflow.learn(id(n), Time(0));
        inflow.learn(id(n), Time(0));
    }
    assert_eq!(inflow.outstanding(), 3);
    assert!(inflow.knows(id(64)) && !inflow.knows(id(63)));
    assert!(inflow.forget(id(64)));
    assert!(!inflow.forget(id(64)));
    assert_eq!(inflow.outstanding(), 2);
}

/// An id that is never released is forgotten when the clock has struck twice; one that was released
/// and used again starts anew. One timer stands at a time.
#[test]
fn unreleased_ids_age() {
    let mut inflow = Inflow::default();
    inflow.learn(id(1), Time(100));
    inflow.learn(id(2), Time(150));
    assert_eq!(inflow.next_timer(), Some(Time(100)));
    assert_eq!(inflow.next_timer(), None);
    inflow.age(Time(50), 100);
    inflow.age(Time(100), 100);
    assert_eq!(inflow.awaiting_rel(), 2);
    assert_eq!(inflow.next_timer(), Some(Time(200)));
    assert!(inflow.forget(id(2)));
    inflow.learn(id(2), Time(290));
    inflow.age(Time(200), 100);
    assert!(!inflow.knows(id(1)) && inflow.knows(id(2)));
    inflow.age(Time(300), 100);
    assert!(inflow.is_empty());
}

#[test]
fn outbound_aliases_stop_at_the_clients_maximum() {
    let mut aliases = OutboundAliases::new(2);
    for (n, topic) in ["a", "b"].iter().enumerate() {
        assert_eq!(
            aliases.choose(topic),
            Some((u16::try_from(n).unwrap() + 1, false))
        );
        aliases.sent(topic);
    }
    assert_eq!(aliases.choose("c"), None);
    assert_eq!(aliases.choose("b"), Some((2, true)));
}

/// Ids of deliveries from before a restart are skipped, and found behind the place where they were.
#[test]
fn a_restored_delivery_is_found_where_its_id_was_skipped() {
    let mut out = Outflow::default();
    out.restore(id(2), State::PubComp, Held::Number(7));
    out.restore(id(3), State::PubRec, Held::Number(8));
    out.restore(id(1), State::PubComp, Held::Number(9));
    assert_eq!(out.start(State::PubAck, Held::Nothing), Some(id(4)));
    assert_eq!(out.find(id(3)).map(|e| e.state), Some(State::PubRec));
    assert!(matches!(
        out.settle(id(2), State::PubComp),
        Some(Held::Number(7))
    ));
    let left: Vec<_> = out.entries().map(|e| e.id.get()).collect();
    assert_eq!(left, [3, 1, 4], "the others keep their order");
}

/// An idle session must stay small: it is most of what a connection costs.
#[test]
fn a_session_stays_small() {
    assert!(
        size_of::<Session>() <= 104,
        "{} bytes",
        size_of::<Session>()
    );
}

/// What a crowd has is as large as it was measured with.
#[test]
fn a_session_is_small() {
    assert_eq!(size_of::<Option<Session>>(), 104);
    assert_eq!(size_of::<Rarities>(), 64);
    assert_eq!(size_of::<Durable>(), 64);
    assert_eq!(size_of::<Nodes>(), 16);
}

fn nodes(count: u32) -> Vec<NodeId> {
    let mut router = Router::new(1);
    let node = |n| {
        let text = format!("t/{n}");
        let sub = Sub {
            session: 0,
            flags: Flags::new(QoS::AtLeastOnce, false, false, true),
            id: 0,
        };
        router.subscribe(Filter::trusted(&text), sub).0
    };
    (0..count).map(node).collect()
}

#[test]
fn nodes_come_and_go_in_any_number() {
    let all = nodes(20);
    for count in 0..all.len() {
        for first in 0..count.max(1) {
            let mut nodes = Nodes::default();
            all[..count].iter().for_each(|n| nodes.push(*n));
            assert_eq!(nodes.slice(), &all[..count]);
            nodes.remove(all[19]); // was never there
            let mut left = all[..count].to_vec();
            left.rotate_left(first);
            while let Some(gone) = left.pop() {
                nodes.remove(gone);
                assert_eq!(nodes.slice().len(), left.len());
                assert!(left.iter().all(|n| nodes.slice().contains(n)));
            }
        }
    }
}

#[test]
fn what_a_subscription_is_younger_than_is_forgotten_once_passed() {
    let [one, other] = nodes(2)[..] else {
        panic!("two were made")
    };
    let mut durable = Durable::at(5, 1);
    durable.begins(one, 7);
    durable.begins(other, 8);
    durable.begins(one, 9);
    assert_eq!((durable.since(one), durable.since(other)), (9, 8));
    durable.passed(8);
    assert_eq!((durable.since(one), durable.since(other)), (9, 0));
    durable.ended(one);
    assert_eq!(durable.since(one), 0);
    assert!(durable.since.is_none());
}
