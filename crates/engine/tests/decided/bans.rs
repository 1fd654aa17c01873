//! Who is shut out, at CONNECT and while connected.

use std::sync::Arc;

use engine::{
    Time,
    policy::{Ban, Bans, Pattern, Policy, Target},
};

use crate::world::World;

fn bans(targets: Vec<Target>) -> Arc<Bans> {
    let mut bans = Bans::default();
    for target in targets {
        let (from, until) = (Time(0), None);
        assert!(bans.add(&Ban {
            target,
            from,
            until
        }));
    }
    Arc::new(bans)
}

/// Whoever is shut out is told so in CONNACK: 3.x has its code 5, not authorized.
#[test]
fn at_connect() {
    let pattern = Pattern::new("^tmp-").expect("a pattern");
    let mut world = World::new(Policy {
        bans: bans(vec![
            Target::ClientId("bad".into()),
            Target::UserName("eve".into()),
            Target::ClientIdPattern(pattern),
        ]),
        ..Policy::default()
    });
    for (level, code) in [(4, "87"), (5, "8a")] {
        for (name, user) in [
            ("bad", None),
            ("good", Some("eve")),
            ("tmp-1", Some("adam")),
        ] {
            world.connect_with(name, level, true, user, None);
            assert_eq!(world.told(name), [format!("connack {code}")], "{name}");
            assert!(world.clients[name].ended);
        }
        world.connect_with("good", level, true, Some("adam"), None);
        assert_eq!(world.told("good"), ["connack 00"]);
    }
}

/// Connected clients go within a second, whatever the ban is by; the others stay.
#[test]
fn of_connected_clients() {
    let kinds = [
        Target::ClientId("c7".into()),
        Target::UserName("u7".into()),
        Target::Host("192.0.2.8".parse().expect("an address")),
        Target::ClientIdPattern(Pattern::new("7$").expect("a pattern")),
        Target::UserNamePattern(Pattern::new("^u7").expect("a pattern")),
        Target::Net("192.0.2.8".parse().expect("an address"), 32),
    ];
    for target in kinds {
        let mut world = World::new(Policy::default());
        for n in 0..20 {
            let user = format!("u{n}");
            world.connect_with(&format!("c{n}"), 5, true, Some(&user), None);
        }
        let what = format!("{target:?}");
        world.decide(|policy| policy.bans = bans(vec![target]));
        world.pass(1000);
        for n in 0..20 {
            // c17 looks like c7 to one of the patterns.
            let banned = n == 7 || n == 17 && what.starts_with("ClientIdPattern");
            assert_eq!(world.clients[&format!("c{n}")].ended, banned, "c{n} {what}");
        }
        assert!(world.told("c7").contains(&"disconnect 98".to_owned()));
    }
}

/// A ban holds from its beginning to its end.
#[test]
fn in_its_time() {
    let mut world = World::new(Policy::default());
    world.connect("c", 5, true);
    let mut bans = Bans::default();
    bans.add(&Ban {
        target: Target::ClientId("c".into()),
        from: Time(world.now + 5000),
        until: Some(Time(world.now + 10_000)),
    });
    world.decide(|policy| policy.bans = Arc::new(bans));
    world.pass(4900);
    assert!(!world.clients["c"].ended);
    world.pass(1100);
    assert!(world.clients["c"].ended);
    world.connect("c", 5, true);
    assert!(world.clients["c"].ended);
    world.pass(4000);
    world.connect("c", 5, true);
    assert!(!world.clients["c"].ended);
}

/// A ban that is lifted is as if it had not been.
#[test]
fn lifted() {
    let mut world = World::new(Policy {
        bans: bans(vec![Target::ClientId("c".into())]),
        ..Policy::default()
    });
    world.connect("c", 5, true);
    assert!(world.clients["c"].ended);
    world.decide(|policy| policy.bans = Arc::default());
    world.connect("c", 5, true);
    world.pass(2000);
    assert!(!world.clients["c"].ended);
}
