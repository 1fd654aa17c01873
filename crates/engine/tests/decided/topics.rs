//! Topics rewritten, subscriptions that everybody gets, topics counted.

use engine::{
    Time,
    policy::{Action, AutoSubscribe, Policy, Rewrite, Template},
    slow::{Span, Terms},
};
use protocol::{
    QoS,
    packet::subscribe::{Options, RetainHandling},
};

use crate::world::{How, World};

fn rewriting(rules: &[(Action, &str, &str, &str)]) -> Policy {
    let mut policy = Policy::default();
    let rules = rules
        .iter()
        .map(|(action, source, re, dest)| Rewrite::new(*action, source, re, dest).expect("a rule"));
    policy.set_rewrites(rules.collect());
    policy
}

/// Topics are rewritten behind their aliases, filters in SUBSCRIBE and UNSUBSCRIBE, shared or not, and
/// wills too.
#[test]
fn rewritten_everywhere() {
    let mut world = World::new(rewriting(&[
        (Action::Publish, "x/#", "^x/y/(.+)$", "z/y/$1"),
        (Action::Subscribe, "in/#", "^in/(.+)$", "z/$1"),
        (Action::All, "me/#", "^me/(.+)$", "of/${clientid}/%u/$1"),
    ]));
    world.connect_with("s", 5, true, Some("sue"), None);
    world.subscribe("s", "in/#", 1);
    world.subscribe("s", "$share/g/in/y/+", 1);
    world.subscribe("s", "me/#", 0);
    assert_eq!(
        world.told("s"),
        ["connack 00", "suback 01", "suback 01", "suback 00"]
    );
    world.connect_with("p", 5, true, Some("pit"), Some("x/y/will"));
    world.publish("p", "x/y/1", "plain", How::default());
    world.publish("p", "x/other", "not rewritten", How::default());
    let alias = How {
        alias: Some(3),
        qos: 1,
        id: 7,
        ..How::default()
    };
    world.publish("p", "x/y/2", "with alias", alias);
    world.publish("p", "", "by alias", alias);
    world.publish("p", "of/s/sue/a", "to s", How::default());
    world.publish("p", "me/a", "to nobody", How::default());
    world.lose("p");
    let mut got = world.got("s");
    got.sort();
    assert_eq!(
        got,
        [
            "of/s/sue/a to s",
            "z/y/1 plain",
            "z/y/1 plain",
            "z/y/2 by alias",
            "z/y/2 by alias",
            "z/y/2 with alias",
            "z/y/2 with alias",
            "z/y/will gone",
            "z/y/will gone",
        ]
    );
    world.unsubscribe("s", "in/#");
    world.unsubscribe("s", "$share/g/in/y/+");
    world.connect("p", 4, true);
    world.publish("p", "x/y/1", "again", How::default());
    assert_eq!(world.got("s"), [""; 0]);
}

/// Rewriting is no way around the access rules: they are asked about the real topic.
#[test]
fn rewritten_to_what_is_denied() {
    let mut world = World::new(rewriting(&[(
        Action::Publish,
        "x/#",
        "^x/(.+)$",
        "$SYS/$1",
    )]));
    world.connect("s", 5, true);
    world.subscribe("s", "$SYS/#", 1);
    world.connect("p", 5, true);
    let qos_1 = How {
        qos: 1,
        id: 1,
        ..How::default()
    };
    world.publish("p", "x/a", "no", qos_1);
    world.publish("p", "x/a", "no", How::default());
    assert_eq!(world.told("p"), ["connack 00", "puback 87"]);
    assert_eq!(world.got("s"), [""; 0]);
    // Nor is a will.
    world.connect_with("w", 5, true, None, Some("x/a"));
    assert_eq!(world.told("w"), ["connack 87"]);
}

fn options(qos: QoS, retain_handling: RetainHandling) -> Options {
    Options {
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling,
    }
}

/// Everybody is subscribed at CONNECT, with their own names in the filter and nothing more than names;
/// a session that comes back is subscribed still.
#[test]
fn auto_subscribe() {
    let auto = |text: &str| AutoSubscribe {
        filter: Template::of_names(text),
        options: options(QoS::AtLeastOnce, RetainHandling::SendAlways),
    };
    let mut world = World::new(Policy {
        auto_subscribe: [
            auto("to/${clientid}"),
            auto("u/${username}/#"),
            auto("h/${host}"),
        ]
        .into(),
        ..Policy::default()
    });
    world.connect("p", 5, true);
    let retained = How {
        qos: 1,
        id: 1,
        retain: true,
        ..How::default()
    };
    world.publish("p", "to/c", "kept", retained);
    world.connect_with("c", 4, false, Some("+"), None);
    assert_eq!(
        world.told("c"),
        ["connack 00"],
        "nobody asked, so nobody is answered"
    );
    assert_eq!(world.got("c"), ["r to/c kept"]);
    world.publish("p", "u/x/y", "not for +", How::default());
    world.publish("p", "h/192.0.2.2", "by host", How::default());
    assert_eq!(world.got("c"), ["h/192.0.2.2 by host"]);
    world.lose("c");
    let qos_1 = How {
        qos: 1,
        id: 2,
        ..How::default()
    };
    world.publish("p", "to/c", "while away", qos_1);
    world.start();
    world.connect_with("c", 4, false, Some("cat"), None);
    let mut got = world.got("c");
    got.sort();
    assert_eq!(got, ["r to/c kept", "to/c while away"]);
    world.connect("p", 5, true);
    world.publish("p", "u/cat/y", "by user name", How::default());
    assert_eq!(world.got("c"), ["u/cat/y by user name"]);
}

/// Whoever takes long is found: a receiver that answers late, by the time from the message's receipt to
/// its PUBACK; one who answers at once is not, and nothing is looked for when it is switched off.
#[test]
fn slow_subscriptions() {
    let mut world = World::new(Policy {
        slow: Some(Terms {
            span: Span::Whole,
            threshold_millis: 500,
            expire_millis: 60_000,
            top: 10,
        }),
        ..Policy::default()
    });
    for name in ["quick", "late"] {
        world.connect(name, 5, true);
        world.subscribe(name, "a", 1);
    }
    world.connect("p", 5, true);
    world.stop_listening("late");
    let qos_1 = How {
        qos: 1,
        id: 1,
        ..How::default()
    };
    world.publish("p", "a", "x", qos_1);
    world.pass(700);
    world.listen_again("late");
    world.pass(100);
    let found = |world: &World| -> Vec<_> {
        let now = Time(world.now);
        let found = world.shards.iter().flat_map(|s| s.slow_subscriptions(now));
        found.map(|s| (s.client_id, s.topic, s.millis)).collect()
    };
    assert_eq!(found(&world), [("late".into(), "a".into(), 800)]);
    world.pass(60_000);
    assert_eq!(found(&world), []);
    world.decide(|policy| policy.slow = None);
    world.stop_listening("late");
    world.publish("p", "a", "x", qos_1);
    world.pass(700);
    world.listen_again("late");
    world.pass(100);
    assert_eq!(found(&world), []);
}

/// What is counted of a topic, over all shards: in once, out for each receiver, dropped where nobody is.
#[test]
fn counted() {
    let mut world = World::new(Policy {
        counted: ["a".into()].into(),
        ..Policy::default()
    });
    for name in ["s1", "s2", "s3", "s4"] {
        world.connect(name, 5, true);
        world.subscribe(name, "a", 2);
    }
    world.connect("p", 5, true);
    for (qos, id) in [(0, 0), (0, 0), (1, 1), (2, 2)] {
        let how = How {
            qos,
            id,
            ..How::default()
        };
        world.publish("p", "a", "x", how);
        world.publish("p", "b", "x", how);
    }
    for name in ["s1", "s2", "s3", "s4"] {
        world.lose(name);
    }
    world.publish("p", "a", "to nobody", How::default());
    let (mut received, mut sent, mut dropped) = ([0; 3], [0; 3], 0);
    let now = Time(world.now);
    for shard in &world.shards {
        let tally = shard.topic_tally(now, "a").expect("counted");
        assert_eq!(tally.lately, tally.all);
        for qos in 0..3 {
            received[qos] += tally.all.received[qos];
            sent[qos] += tally.all.sent[qos];
        }
        dropped += tally.all.dropped;
        assert_eq!(shard.topic_tally(now, "b"), None);
    }
    assert_eq!((received, sent, dropped), ([3, 1, 1], [8, 4, 4], 1));
}
