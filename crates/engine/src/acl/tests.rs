//! Who may do what, as tables.

use super::*;
use crate::{SessionRef, policy::Pattern};

fn rule(text: &str) -> Rule {
    // "allow user anna publish a/# b/+", "deny all subscribe eq:#"
    let mut words = text.split(' ');
    let mut next = || words.next().expect("a rule");
    let permission = match next() {
        "allow" => Permission::Allow,
        _ => Permission::Deny,
    };
    let who = match next() {
        "user" => Who::User(next().into()),
        "client" => Who::Client(next().into()),
        "like" => Who::ClientPattern(Pattern::new(next()).expect("a pattern")),
        "net" => {
            let (address, length) = next().split_once('/').expect("a network");
            Who::Network(Network::new(
                address.parse().unwrap(),
                length.parse().unwrap(),
            ))
        }
        _ => Who::Everybody,
    };
    let actions = match next() {
        "publish" => Actions::PUBLISH,
        "subscribe" => Actions::SUBSCRIBE,
        "retain" => Actions::PUBLISH.only(&[QoS::AtMostOnce, QoS::AtLeastOnce], Some(true)),
        "qos2" => Actions::ALL.only(&[QoS::ExactlyOnce], None),
        _ => Actions::ALL,
    };
    let topics = words.map(|topic| Topics::parse(&topic.replace("eq:", "eq ")).expect(topic));
    Rule {
        permission,
        who,
        actions,
        topics: topics.collect(),
        name: text.into(),
    }
}

fn rules(texts: &[&str], no_match: Permission) -> Acl {
    let terms = Terms {
        no_match,
        disconnects: false,
        outside: None,
    };
    let rules = texts.iter().map(|text| rule(text)).collect();
    Acl::new(Some(Arc::new(Rules::compile(rules, terms).unwrap())))
}

fn publishes(acl: &Acl, who: &Principal, client_id: &str, topic: &str) -> bool {
    let subject = Subject {
        who,
        client_id,
        access: None,
    };
    acl.publish(&subject, view(topic)).is_ok()
}

fn view(topic: &str) -> View<'_> {
    View {
        publisher: SessionRef::BROKER,
        topic: Topic::trusted(topic),
        qos: QoS::AtMostOnce,
        retain: false,
        expires: None,
        forwarded: &[],
        payload: &[],
    }
}

/// Whether a filter is granted, and whether what it brings has to be asked about.
fn subscribes(acl: &Acl, who: &Principal, client_id: &str, filter: &str) -> Option<bool> {
    let subject = Subject {
        who,
        client_id,
        access: None,
    };
    let filter = Filter::trusted(filter);
    let allowed = acl.subscribe(&subject, filter, QoS::AtMostOnce).ok()?;
    Some(allowed.get().is_checked)
}

fn receives(acl: &Acl, who: &Principal, client_id: &str, topic: &str) -> bool {
    let subject = Subject {
        who,
        client_id,
        access: None,
    };
    acl.receives(&subject, Topic::trusted(topic), QoS::AtMostOnce)
}

fn user(name: &str) -> Principal {
    Principal::User(User::new(name))
}

/// The first rule decides, whomever it is found by.
#[test]
fn in_their_order() {
    let acl = rules(
        &[
            "deny client c2 all a/#",
            "allow user anna publish a/b",
            "deny all publish a/#",
            "allow all all #",
        ],
        Permission::Deny,
    );
    let table = [
        (user("anna"), "c1", "a/b", true),
        (user("anna"), "c1", "a/c", false),
        (user("anna"), "c2", "a/b", false),
        (user("bob"), "c1", "a/b", false),
        (user("bob"), "c1", "b", true),
        (Principal::Anonymous, "anna", "a/b", false),
        // A name of the dashboard's is a name.
        (Principal::Administrator("anna".into()), "c1", "a/b", true),
        (Principal::Administrator("bob".into()), "c1", "a/b", false),
        (Principal::Viewer("anna".into()), "c1", "a/b", false),
        (Principal::Broker, "", "a/c", true),
    ];
    for (who, id, topic, due) in table {
        assert_eq!(
            publishes(&acl, &who, id, topic),
            due,
            "{who:?} {id} {topic}"
        );
    }
    let mut master = User::new("bob");
    master.superuser = true;
    assert!(publishes(&acl, &Principal::User(master), "c2", "a/b"));
}

/// Without rules everybody may everything but what is the broker's.
#[test]
fn open() {
    let acl = Acl::default();
    let nobody = Principal::Anonymous;
    assert!(publishes(&acl, &nobody, "c", "a"));
    assert!(!publishes(&acl, &nobody, "c", "$SYS/a"));
    assert_eq!(subscribes(&acl, &nobody, "c", "#"), Some(false));
    let mut master = User::new("bob");
    master.superuser = true;
    assert!(!publishes(&acl, &Principal::User(master), "c", "$SYS/a"));
}

/// Figures are for everybody, events for whom a rule allows them: decided at delivery.
#[test]
fn system_topics() {
    let counters = "$SYS/brokers/n/stats/sessions/count";
    let events = "$SYS/brokers/n/clients/c/connected";
    let open = Acl::default();
    let closed = rules(&[], Permission::Deny);
    let told = rules(&["allow user anna subscribe $SYS/#"], Permission::Allow);
    let nobody = Principal::Anonymous;
    assert_eq!(subscribes(&open, &nobody, "c", "$SYS/#"), Some(true));
    assert_eq!(
        subscribes(&open, &nobody, "c", "$SYS/broker/#"),
        Some(false)
    );
    assert_eq!(subscribes(&open, &nobody, "c", "$SYS/brokers"), Some(false));
    assert_eq!(
        subscribes(&open, &nobody, "c", "$SYS/brokers/+/stats/#"),
        Some(false)
    );
    assert_eq!(
        subscribes(&open, &nobody, "c", "$SYS/brokers/+/+/#"),
        Some(true)
    );
    assert_eq!(
        subscribes(&open, &nobody, "c", "$SYS/brokers/+/clients/#"),
        None
    );
    assert_eq!(
        subscribes(&open, &nobody, "c", "$SYS/brokers/+/alarms/activate"),
        None
    );
    assert!(receives(&open, &nobody, "c", counters));
    assert!(!receives(&open, &nobody, "c", events));
    let viewer = Principal::Viewer("v".into());
    assert_eq!(subscribes(&open, &viewer, "c", "$SYS/#"), Some(false));
    assert!(receives(&open, &viewer, "c", events));
    assert_eq!(subscribes(&told, &user("anna"), "c", "$SYS/#"), Some(false));
    assert_eq!(subscribes(&told, &user("bob"), "c", "$SYS/#"), Some(true));
    assert!(receives(&told, &user("anna"), "c", events));
    assert!(!receives(&told, &user("bob"), "c", events));
    assert_eq!(subscribes(&closed, &nobody, "c", "$SYS/#"), None);
}

/// Who is no neighbour, and only trusted, subscribes like everybody else and is told nothing of the broker,
/// unless a rule says so.
#[test]
fn figures_are_for_neighbours() {
    let counters = "$SYS/brokers/n/stats/sessions/count";
    let open = Acl::default();
    let told = rules(&["allow all subscribe $SYS/broker/#"], Permission::Allow);
    let afar = Principal::Afar;
    assert_eq!(subscribes(&open, &afar, "c", "#"), Some(false));
    assert_eq!(subscribes(&open, &afar, "c", "$SYS/#"), Some(true));
    assert_eq!(subscribes(&open, &afar, "c", "$SYS/broker/#"), Some(true));
    assert!(!receives(&open, &afar, "c", counters));
    assert!(receives(&open, &afar, "c", "a/b"));
    assert!(publishes(&open, &afar, "c", "a/b"));
    assert!(receives(&told, &afar, "c", "$SYS/broker/uptime"));
    assert!(!receives(&told, &afar, "c", counters));
}

/// A08, A09: granted if one rule covers it all; denials inside are left to delivery.
#[test]
fn filters() {
    let closed = |texts: &[&str]| rules(texts, Permission::Deny);
    let open = |texts: &[&str]| rules(texts, Permission::Allow);
    let one = closed(&["allow all all a/b"]);
    for wide in ["a/+", "a/#", "+/b", "#", "+/+"] {
        assert_eq!(subscribes(&one, &user("u"), "c", wide), None, "{wide}");
    }
    assert_eq!(subscribes(&one, &user("u"), "c", "a/b"), Some(false));
    let table = [
        (closed(&["allow all all a/#"]), "a", Some(false)),
        (closed(&["allow all all a/#"]), "a/+/c", Some(false)),
        (closed(&["allow all all a/#"]), "#", None),
        (closed(&["allow all all +/#"]), "#", Some(false)),
        (closed(&["allow all all #"]), "$SYS/x", None),
        (closed(&["allow all all +/x"]), "$SYS/x", None),
        (closed(&["allow all all a/+/#"]), "a/#", None),
        (
            closed(&["deny all all a/b", "allow all all a/#"]),
            "a/#",
            Some(true),
        ),
        (
            closed(&["deny all all a/b", "allow all all a/#"]),
            "a/+",
            Some(true),
        ),
        (
            closed(&["deny all all a/b", "allow all all a/#"]),
            "a/c",
            Some(false),
        ),
        (
            closed(&["deny all all a/b", "allow all all a/#"]),
            "a/b",
            None,
        ),
        (
            closed(&["deny all all a/b/#", "allow all all a/#"]),
            "a/+",
            Some(true),
        ),
        (
            closed(&["deny all publish a/b", "allow all all a/#"]),
            "a/#",
            Some(false),
        ),
        (
            closed(&["allow all all a/#", "deny all all a/b"]),
            "a/#",
            Some(false),
        ),
        (open(&["deny all all a/b"]), "#", Some(true)),
        (open(&["deny user w all a/b"]), "#", Some(false)),
        (open(&["deny all all +/b"]), "a/#", Some(true)),
        (open(&["deny all all +/b"]), "$x/#", Some(false)),
        (open(&["deny all all $x/b"]), "#", Some(false)),
        (open(&["deny all all eq:#"]), "#", None),
        (open(&["deny all all eq:#"]), "a/#", Some(false)),
        (open(&["deny all all eq:+/#"]), "+/#", None),
        (closed(&["allow all all eq:a/+"]), "a/+", Some(false)),
        (closed(&["allow all all eq:a/+"]), "a/b", None),
        (closed(&["allow all all eq:a/b"]), "a/b", Some(false)),
        (
            open(&["deny all all dev/${clientid}/#"]),
            "dev/+/x",
            Some(true),
        ),
        (open(&["deny all all dev/${clientid}/#"]), "dev/c/x", None),
        (
            open(&["deny all all dev/${clientid}/#"]),
            "dev/d/x",
            Some(false),
        ),
    ];
    for (acl, filter, due) in table {
        assert_eq!(subscribes(&acl, &user("u"), "c", filter), due, "{filter}");
    }
    let eq = closed(&["allow all all eq:a/+"]);
    assert!(receives(&eq, &user("u"), "c", "a/b"));
    assert!(!publishes(&eq, &user("u"), "c", "a/b"));
}

/// A10: whatever somebody is called, it is a name and nothing else.
#[test]
fn names_are_literals() {
    let own = rules(
        &[
            "allow all all dev/${clientid}/#",
            "allow all all ${username}/x",
        ],
        Permission::Deny,
    );
    let not = rules(&["deny all all dev/${clientid}/#"], Permission::Allow);
    assert!(publishes(&own, &user("u"), "c1", "dev/c1/t"));
    assert!(publishes(&own, &user("u"), "c1", "u/x"));
    assert!(!publishes(&own, &Principal::Anonymous, "c1", "u/x"));
    assert!(!publishes(&own, &user("u"), "c1", "dev/c2/t"));
    assert_eq!(subscribes(&own, &user("u"), "c1", "dev/+/t"), None);
    let odd = ["#", "+", "a/b", "", "../x", "a\0b", "x/#", "+/+"];
    for name in odd {
        for topic in ["dev/c1/t", "dev/a/b/t", "dev/#x", "dev/..", "dev//t"] {
            let topic = topic.replace("#x", "x");
            assert!(
                !publishes(&own, &user(name), name, &topic),
                "{name:?} {topic}"
            );
            assert_eq!(subscribes(&own, &user(name), name, &topic), None);
            // What is denied to a name is denied to whoever has one that cannot be compared.
            assert!(
                !publishes(&not, &user(name), name, &topic),
                "{name:?} {topic}"
            );
        }
        assert_eq!(subscribes(&own, &user(name), name, "#"), None, "{name:?}");
        assert_eq!(subscribes(&own, &user("$SYS"), name, "$SYS/x"), None);
    }
    // Names that look like something else are names.
    for name in [
        "%u",
        "${clientid}",
        "${username}",
        "a\r\nb",
        "\u{202e}abc",
        ".*",
        &"x".repeat(60_000),
    ] {
        let topic = format!("dev/{name}/t");
        assert!(publishes(&own, &user(name), name, &topic), "{name:?}");
        assert!(
            !publishes(&own, &user(name), name, "dev/other/t"),
            "{name:?}"
        );
        assert!(!publishes(&not, &user(name), name, &topic), "{name:?}");
        assert!(
            publishes(&not, &user(name), name, "dev/other/t"),
            "{name:?}"
        );
    }
}

/// Conditions are tried with what is known; where the address is not, nothing is gained by it.
#[test]
fn networks_and_patterns() {
    let acl = rules(
        &[
            "deny net 10.0.0.0/8 all b",
            "allow net 10.0.0.0/8 all a",
            "allow like ^dev-[0-9]+$ all c",
        ],
        Permission::Deny,
    );
    let ask = |peer: Option<&str>, id: &str, topic: &str| {
        let who = user("u");
        let access = acl.access(&who, id, peer.map(|peer| peer.parse().unwrap()));
        let subject = Subject {
            who: &who,
            client_id: id,
            access: access.as_deref(),
        };
        let judged = acl.judge_publish(subject, Topic::trusted(topic), QoS::AtMostOnce, false);
        (judged.is_allowed, judged.ground)
    };
    let near = Some("10.1.1.1:1");
    let far = Some("192.0.2.1:1");
    assert_eq!(ask(near, "x", "a"), (true, Ground::Rule(1)));
    assert_eq!(ask(far, "x", "a"), (false, Ground::NoMatch));
    assert_eq!(ask(None, "x", "a"), (false, Ground::NoMatch));
    assert_eq!(ask(None, "x", "b"), (false, Ground::Rule(0)));
    assert_eq!(ask(far, "x", "b"), (false, Ground::NoMatch));
    assert_eq!(ask(far, "dev-7", "c"), (true, Ground::Rule(2)));
    assert_eq!(ask(far, "dev-7x", "c"), (false, Ground::NoMatch));
    assert_eq!(ask(far, "^dev-[0-9]+$", "c"), (false, Ground::NoMatch));
}

/// A principal's own rules come first.
#[test]
fn own_rules() {
    let acl = rules(&["allow all all b", "deny all all #"], Permission::Deny);
    let own = ["deny all all b", "allow all all a"].map(rule);
    let mut anna = User::new("anna");
    anna.rules = Some(Arc::new(
        Rules::compile(own.into(), Terms::default()).unwrap(),
    ));
    let anna = Principal::User(anna);
    assert!(publishes(&acl, &anna, "c", "a"));
    assert!(!publishes(&acl, &anna, "c", "b"));
    assert!(publishes(&acl, &user("bob"), "c", "b"));
    assert!(!publishes(&Acl::default(), &anna, "c", "b"));
    assert!(publishes(&Acl::default(), &anna, "c", "x"));
    assert_eq!(subscribes(&Acl::default(), &anna, "c", "#"), Some(true));
    assert!(!receives(&Acl::default(), &anna, "c", "b"));
}

/// QoS and RETAIN are conditions.
#[test]
fn conditions() {
    let acl = rules(&["deny all retain a", "deny all qos2 a"], Permission::Allow);
    let who = user("u");
    let subject = who.subject();
    let ask = |qos, retain| {
        acl.judge_publish(subject, Topic::trusted("a"), qos, retain)
            .is_allowed
    };
    assert!(ask(QoS::AtMostOnce, false));
    assert!(!ask(QoS::AtMostOnce, true));
    assert!(!ask(QoS::ExactlyOnce, false));
    let filter = Filter::trusted("a");
    let grants = |qos| acl.judge_subscribe(subject, filter, qos).0.is_allowed;
    assert!(grants(QoS::AtLeastOnce));
    assert!(!grants(QoS::ExactlyOnce));
    // What came by a subscription of a QoS that may have it is not taken away.
    assert!(acl.still_receives(&who, Topic::trusted("a"), QoS::AtMostOnce));
    assert!(!acl.still_receives(&who, Topic::trusted("a"), QoS::ExactlyOnce));
}

/// Every rule on the way is told by its name.
#[test]
fn told() {
    let acl = rules(&["allow all all a"], Permission::Deny);
    let who = user("u");
    assert_eq!(acl.told(Ground::Rule(0), &who), "allow all all a");
    assert_eq!(
        acl.told(Ground::NoMatch, &who),
        "no rule is about it (no_match)"
    );
}

/// There are bounds, and they are named.
#[test]
fn bounded() {
    let many = |n: usize, text: &str| vec![rule(text); n];
    let compile = |rules| Rules::compile(rules, Terms::default()).map(|rules| rules.len());
    let most = crate::limits::CONDITIONS_MAX;
    let networks = (0..=most).map(|n| Rule {
        who: Who::Client(format!("c{n}").into()),
        ..rule("allow all all a")
    });
    assert_eq!(compile(networks.collect()), Ok(most + 1));
    let networks = (0..=most).map(|n| Rule {
        who: Who::Every(vec![Who::Client(format!("c{n}").into())]),
        ..rule("allow all all a")
    });
    assert_eq!(compile(networks.collect()), Err(RulesError::Conditions));
    let too_many = crate::limits::RULES_MAX + 1;
    assert_eq!(
        compile(many(too_many, "allow all all a")),
        Err(RulesError::Rules)
    );
}

/// Somebody elsewhere is asked behind two rules and before a third. What comes in waits for their word;
/// what was let in before stays.
#[test]
fn somebody_elsewhere() {
    let outside = Outside::new(2, "the first", 2, 1000);
    let terms = Terms {
        no_match: Permission::Deny,
        disconnects: false,
        outside: Some(outside),
    };
    let texts = ["deny all all d/#", "allow all all a/#", "allow all all z/#"];
    let rules = texts.iter().map(|text| rule(text)).collect();
    let mut acl = Acl::new(Some(Arc::new(Rules::compile(rules, terms).unwrap())));
    let who = user("anna");
    let mut access = acl
        .access(&who, "c", None)
        .expect("answers have to be kept");
    let inquiry = |topic| Inquiry {
        client_id: "c",
        who: &who,
        publishes: true,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        sources: 0,
    };
    let judged = |acl: &Acl, access: &Access, topic: &str| {
        let subject = Subject {
            who: &who,
            client_id: "c",
            access: Some(access),
        };
        let judged = acl.judge_publish(subject, Topic::trusted(topic), QoS::AtMostOnce, false);
        (judged.is_allowed, judged.ground)
    };
    let now = Time(5000);
    for (topic, is_decided, arriving, standing) in [
        (
            "d/x",
            true,
            (false, Ground::Rule(0)),
            (false, Ground::Rule(0)),
        ),
        (
            "a/x",
            true,
            (true, Ground::Rule(1)),
            (true, Ground::Rule(1)),
        ),
        (
            "z/x",
            false,
            (false, Ground::Outside(NOBODY)),
            (true, Ground::Outside(NOBODY)),
        ),
        (
            "other",
            false,
            (false, Ground::Outside(NOBODY)),
            (true, Ground::Outside(NOBODY)),
        ),
    ] {
        let sources = acl.sources(&inquiry(topic), Some(&access), now);
        assert_eq!(sources == 0, is_decided);
        acl.is_arriving = true;
        assert_eq!(judged(&acl, &access, topic), arriving, "{topic}");
        acl.is_arriving = false;
        assert_eq!(judged(&acl, &access, topic), standing, "{topic}");
    }
    acl.is_arriving = true;
    let kept = acl.keeps(now);
    let action = inquiry("").action();
    for (topic, word, due) in [
        ("other", Word::Allow, (true, Ground::Outside(0))),
        ("other", Word::Deny, (false, Ground::Outside(0))),
        ("other", Word::Pass, (false, Ground::NoMatch)),
        ("z/x", Word::Pass, (true, Ground::Rule(2))),
        ("z/x", Word::Deny, (false, Ground::Outside(0))),
        ("d/x", Word::Allow, (false, Ground::Rule(0))),
    ] {
        access.hear(action, topic, (word, 0), kept.clone(), 2);
        assert_eq!(judged(&acl, &access, topic), due, "{topic} {word:?}");
        assert_eq!(acl.sources(&inquiry(topic), Some(&access), now), 0);
        assert!(access.said.len() <= 2);
    }
    let old = acl.sources(&inquiry("z/x"), Some(&access), kept.end);
    assert_eq!(old, 1, "it is too old");
    // What was forgotten is asked again; what was said of a subscription is still known.
    let ask = Actions::ask(QoS::AtMostOnce);
    access.hear(ask, "e/#", (Word::Pass, 0), kept.clone(), 3);
    let told = |access: &Access| {
        let subject = Subject {
            who: &who,
            client_id: "c",
            access: Some(access),
        };
        let decisions = acl.decisions(subject, now);
        let told = decisions.map(|d| (d.publishes, d.topic.to_owned(), d.is_allowed, d.since));
        told.collect::<Vec<_>>()
    };
    let due = |publishes, topic: &str| (publishes, topic.to_owned(), false, now);
    assert_eq!(
        told(&access),
        [due(true, "z/x"), due(true, "d/x"), due(false, "e/#")]
    );
    access.forget();
    assert_eq!(told(&access), []);
    assert_eq!(acl.sources(&inquiry("z/x"), Some(&access), now), 1);
    assert_eq!(access.said(ask, "e/#", Some(now)), None);
    assert_eq!(access.said(ask, "e/#", None), Some((Word::Pass, 0)));
    // Nobody is asked about these.
    let mut above = User::new("root");
    above.superuser = true;
    for other in [
        Principal::User(above),
        Principal::Administrator("a".into()),
        Principal::Broker,
    ] {
        let inquiry = Inquiry {
            who: &other,
            ..inquiry("other")
        };
        assert_eq!(acl.sources(&inquiry, None, now), 0, "{other:?}");
    }
    // What a subscription brings is not asked about, and events are for whom a rule allows them.
    assert!(receives(&acl, &who, "c", "other"));
    assert!(!receives(&acl, &who, "c", "d/x"));
    assert!(!receives(
        &acl,
        &who,
        "c",
        "$SYS/brokers/n/clients/c/connected"
    ));
}

/// Sources stand between rules: as many are asked as come before the rule that would decide, and what one of
/// them allows is denied where a rule before it denies some of that.
#[test]
fn several_elsewhere() {
    let mut outside = Outside::new(1, "the first", 8, 1000);
    assert!(outside.add(2, "the second") && outside.add(3, "the third"));
    let terms = Terms {
        no_match: Permission::Deny,
        disconnects: false,
        outside: Some(outside),
    };
    let texts = [
        "deny all all a/#",
        "deny all all b/#",
        "allow all all c/#",
        "allow all all d/#",
    ];
    let rules = texts.iter().map(|text| rule(text)).collect();
    let mut acl = Acl::new(Some(Arc::new(Rules::compile(rules, terms).unwrap())));
    acl.is_arriving = true;
    let who = user("anna");
    let mut access = acl
        .access(&who, "c", None)
        .expect("answers have to be kept");
    let inquiry = |topic, publishes| Inquiry {
        client_id: "c",
        who: &who,
        publishes,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        sources: 0,
    };
    let now = Time(5000);
    for (topic, due) in [("a/x", 0), ("b/x", 1), ("c/x", 2), ("d/x", 3), ("e", 3)] {
        assert_eq!(
            acl.sources(&inquiry(topic, true), Some(&access), now),
            due,
            "{topic}"
        );
    }
    let kept = acl.keeps(now);
    for (filter, word, by, due, is_checked) in [
        ("b/x", Word::Allow, 0, (true, Ground::Outside(0)), false),
        ("b/y", Word::Pass, 0, (false, Ground::Rule(1)), false),
        ("+/x", Word::Allow, 0, (true, Ground::Outside(0)), true),
        ("+/x", Word::Allow, 1, (false, Ground::Between), false),
        ("+/x", Word::Deny, 1, (false, Ground::Outside(1)), true),
        ("e/#", Word::Allow, 2, (true, Ground::Outside(2)), false),
        ("e/#", Word::Pass, 2, (false, Ground::NoMatch), false),
    ] {
        access.hear(
            inquiry(filter, false).action(),
            filter,
            (word, by),
            kept.clone(),
            8,
        );
        let subject = Subject {
            who: &who,
            client_id: "c",
            access: Some(&access),
        };
        let judged = acl.judge_subscribe(subject, Filter::trusted(filter), QoS::AtMostOnce);
        let told = (judged.0.is_allowed, judged.0.ground);
        assert_eq!(
            (told, judged.1),
            (due, is_checked),
            "{filter} {word:?} {by}"
        );
    }
    let names: Vec<_> = [0, 2, NOBODY]
        .iter()
        .map(|by| acl.told(Ground::Outside(*by), &who))
        .collect();
    assert_eq!(names[..2], ["the first", "the third"]);
    assert!(names[2].contains("elsewhere"));
    // A rule behind a source grants, and one before it denies a part.
    let terms = Terms {
        outside: Some(Outside::new(0, "the first", 8, 1000)),
        ..terms
    };
    let texts = ["deny all all a/secret", "allow all all a/#"];
    let rules = texts.iter().map(|text| rule(text)).collect();
    let acl = Acl::new(Some(Arc::new(Rules::compile(rules, terms).unwrap())));
    for (filter, due) in [
        ("a/#", (false, Ground::Between)),
        ("a/b", (true, Ground::Rule(1))),
    ] {
        let action = inquiry(filter, false).action();
        access.hear(action, filter, (Word::Pass, 0), kept.clone(), 8);
        let subject = Subject {
            who: &who,
            client_id: "c",
            access: Some(&access),
        };
        let (judged, _) = acl.judge_subscribe(subject, Filter::trusted(filter), QoS::AtMostOnce);
        assert_eq!((judged.is_allowed, judged.ground), due, "{filter}");
    }
}

/// Rules that change find out what a source left to the rules behind it, and so what these took back; what it
/// allowed itself stays. Another order of sources makes what was said void.
#[test]
fn what_was_said_outlives_rules() {
    let compile = |texts: &[&str], names: [&'static str; 2]| {
        let mut outside = Outside::new(0, names[0], 8, 1000);
        assert!(outside.add(0, names[1]));
        let terms = Terms {
            no_match: Permission::Deny,
            disconnects: false,
            outside: Some(outside),
        };
        let rules = texts.iter().map(|text| rule(text)).collect();
        Some(Arc::new(Rules::compile(rules, terms).unwrap()))
    };
    let who = user("anna");
    let action = Actions::ask(QoS::AtMostOnce);
    let told = Actions::publish(QoS::AtMostOnce, false);
    let names = ["one", "two"];
    let harmless = ["deny all all b", "allow all all a/#", "allow all all c/#"];
    let denies = [
        "deny all all a/secret",
        "deny all all c/secret",
        "allow all all a/#",
    ];
    for (texts, names, due) in [
        (harmless, names, [true, true]),
        (denies, names, [false, true]),
        (denies, ["two", "one"], [true, true]),
    ] {
        let mut acl = Acl::new(compile(&harmless, ["one", "two"]));
        let mut before = acl.access(&who, "c", None).unwrap();
        for (filter, word) in [("a/#", Word::Pass), ("c/#", Word::Allow)] {
            before.hear(action, filter, (word, 1), Time(0)..Time(9), 8);
        }
        before.hear(told, "t", (Word::Allow, 0), Time(0)..Time(9), 8);
        assert!(acl.set(&compile(&texts, names)));
        let mut access = acl.access(&who, "c", None).unwrap();
        acl.remember(&mut access, &before);
        assert!(access.said(told, "t", None).is_none());
        let judged = ["a/#", "c/#"].map(|filter| {
            let subject = Subject {
                who: &who,
                client_id: "c",
                access: Some(&access),
            };
            let filter = Filter::trusted(filter);
            acl.subscribe(&subject, filter, QoS::AtMostOnce).is_ok()
        });
        assert_eq!(judged, due, "{texts:?} {names:?}");
    }
}

#[test]
fn what_was_allowed_once_is_judged_again_by_other_rules() {
    let mut acl = rules(&["allow all publish a/#"], Permission::Deny);
    let (mark, other) = (Mark::default(), Mark::default());
    let permit = core::cell::Cell::new(Permit::default());
    let known = Some((&permit, &mark));
    let anna = Principal::User(User::new("anna"));
    assert!(acl.publish_again(&anna, known, view("a/b")).is_ok());
    let first = permit.get();
    assert_ne!(first, Permit::default());
    assert!(acl.publish_again(&anna, known, view("a/b")).is_ok());
    assert_eq!(permit.get(), first);
    let denied = acl.publish_again(&anna, Some((&permit, &other)), view("b"));
    assert_eq!(denied.map(|_| ()), Err(Ground::NoMatch));
    let stricter = rules(&["deny user anna publish a/b"], Permission::Allow);
    assert!(acl.set(&stricter.rules));
    let denied = acl.publish_again(&anna, known, view("a/b"));
    assert_eq!(denied.map(|_| ()), Err(Ground::Rule(0)));
}
