//! What it takes to ask the rules of access about a PUBLISH, with topics of which none comes twice in a
//! row, and about a subscription.
//!
//! `cargo bench -p engine --bench access`
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench measures and tells"
)]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{
    SessionRef,
    acl::{Acl, Actions, Permission, Principal, Rule, Rules, Subject, Terms, Topics, User, Who},
    message::View,
};
use protocol::{Filter, QoS, Topic};

#[cfg(all(unix, not(target_env = "msvc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const TOPICS: usize = 100_000;
/// Runs of which the quickest counts: the others were disturbed by what else the machine does.
const REPEAT: usize = 10;

fn main() {
    println!(
        "{:<44} {:>12} {:>12}",
        "rules", "publish ns", "subscribe ns"
    );
    tell("none", &Acl::default());
    for count in [100, 10_000] {
        tell(&format!("{count} for all"), &acl(count, everybody));
        tell(
            &format!("{count} for users of their own"),
            &acl(count, one_user),
        );
        tell(
            &format!("{count} for all, `+` in each"),
            &acl(count, with_plus),
        );
    }
    tell(
        "10000 for all, 100 of them with names",
        &acl(10_000, some_named),
    );
}

fn acl(count: usize, rule: fn(usize) -> (Who, String)) -> Acl {
    let rules = (0..count).map(|n| {
        let (who, topic) = rule(n);
        Rule {
            permission: if n % 3 == 0 {
                Permission::Deny
            } else {
                Permission::Allow
            },
            who,
            actions: Actions::ALL,
            topics: vec![Topics::parse(&topic).expect("a filter")],
            name: topic.into(),
        }
    });
    let began = Instant::now();
    let rules = Rules::compile(rules.collect(), Terms::default()).expect("not too many");
    if count == 10_000 {
        println!(
            "  {count} rules made ready in {:.1} ms",
            millis(began.elapsed())
        );
    }
    Acl::new(Some(Arc::new(rules)))
}

fn everybody(n: usize) -> (Who, String) {
    (
        Who::Everybody,
        format!("site/{}/line-{}/dev-{n}/#", n % 100, n / 100 % 50),
    )
}

fn one_user(n: usize) -> (Who, String) {
    (
        Who::User(format!("user-{}", n / 10).into()),
        format!("site/{}/dev-{n}/#", n % 100),
    )
}

fn with_plus(n: usize) -> (Who, String) {
    (
        Who::Everybody,
        format!("site/+/line-{}/dev-{n}/+", n / 100 % 50),
    )
}

fn some_named(n: usize) -> (Who, String) {
    match n % 100 {
        0 => (
            Who::Everybody,
            format!("site/{n}/${{clientid}}/${{username}}/+"),
        ),
        _ => everybody(n),
    }
}

/// Topics as devices of the rules have them, each another one than the one before.
fn topics() -> Vec<String> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..TOPICS)
        .map(|serial| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let n = state % 10_000;
            format!("site/{}/line-{}/dev-{n}/{serial}", n % 100, n / 100 % 50)
        })
        .collect()
}

fn tell(name: &str, acl: &Acl) {
    let topics = topics();
    let who = Principal::User(User::new("user-77"));
    let subject = Subject {
        who: &who,
        client_id: "client-77",
        access: None,
    };
    let publish = quickest(|| {
        topics
            .iter()
            .filter(|topic| {
                let view = View {
                    publisher: SessionRef::BROKER,
                    topic: Topic::trusted(topic),
                    qos: QoS::AtMostOnce,
                    retain: false,
                    expires: None,
                    forwarded: &[],
                    payload: &[],
                };
                acl.publish(black_box(&subject), view).is_ok()
            })
            .count()
    });
    let subscribe = quickest(|| {
        topics
            .iter()
            .filter(|topic| {
                acl.subscribe(black_box(&subject), Filter::trusted(topic), QoS::AtMostOnce)
                    .is_ok()
            })
            .count()
    });
    println!("{name:<44} {publish:>12.1} {subscribe:>12.1}");
}

/// Nanoseconds for one topic.
fn quickest(run: impl Fn() -> usize) -> f64 {
    let times = (0..REPEAT).map(|_| {
        let began = Instant::now();
        black_box(run());
        began.elapsed()
    });
    millis(times.min().unwrap_or_default()) * 1e6 / TOPICS as f64
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
