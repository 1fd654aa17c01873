//! The router as shards use it: time of a match while filters grow a thousandfold, time to load a
//! million, and their memory with every shard's copy counted.
//!
//! `cargo bench -p engine --bench router`, or `-- match FILTERS TOPICS` for one size alone (callgrind
//! counts what happens in `match_all`).
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench measures and tells"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use engine::router::{Flags, Route, Router, Sub};
use protocol::{Filter, QoS, Topic};

#[cfg(all(unix, not(target_env = "msvc")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
const TOPICS: u32 = 1_000_000;
/// Runs of which the quickest counts: the others were disturbed by what else the machine does.
const REPEAT: usize = 10;
const SEED: u64 = 7;

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let number = |n: usize| args[n].parse().expect("a number");
    match args.first().map(String::as_str) {
        Some("match") => {
            let mut router = load(1, number(1)).0.remove(0);
            let topics = topics(number(1), number(2));
            println!("{} matches", match_all(&mut router, &topics));
        }
        Some("times") => times(),
        Some("load") => memory(u16::try_from(number(1)).expect("a number of shards")),
        _ => {
            times();
            deep();
            for shards in ["1", "2", "4"] {
                // A process of its own: what another measurement freed would hide the cost.
                let own = std::env::current_exe().expect("it runs");
                let done = std::process::Command::new(own)
                    .args(["load", shards])
                    .status();
                assert!(done.is_ok_and(|status| status.success()));
            }
        }
    }
}

/// One filter in five has a wildcard: `+` at two places, `#` at the end.
fn filter(n: u32) -> String {
    let (site, line) = (n % 100, n / 100 % 50);
    match n % 20 {
        0 => format!("site/{site}/+/dev-{n}/temperature"),
        5 => format!("site/{site}/line-{line}/dev-{n}/+"),
        10 | 15 => format!("site/{site}/line-{line}/dev-{n}/#"),
        _ => format!("site/{site}/line-{line}/dev-{n}/temperature"),
    }
}

/// Topics of which none comes twice; one in five matches a wildcard, and some two.
fn topics(filters: u32, count: u32) -> Vec<String> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..count)
        .map(|serial| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let n = u32::try_from(state % u64::from(filters)).expect("below a u32");
            let (site, line) = (n % 100, n / 100 % 50);
            match n % 20 {
                0 => format!("site/{site}/{serial}/dev-{n}/temperature"),
                _ => format!("site/{site}/line-{line}/dev-{n}/{serial}"),
            }
        })
        .collect()
}

/// The routers of so many shards, each with its share of the filters and word of all others; and how
/// many bytes of text they hold.
fn load(shards: u16, filters: u32) -> (Vec<Router>, u64) {
    let mut routers: Vec<Router> = (0..shards).map(|_| Router::new(SEED)).collect();
    let mut text_bytes = 0;
    for n in 0..filters {
        let text = filter(n);
        text_bytes += text.len() as u64;
        let home = u16::try_from(n % u32::from(shards)).expect("smaller than the shards");
        let sub = Sub {
            session: n,
            flags: Flags::new(QoS::AtMostOnce, false, false, false),
            id: 0,
        };
        let (_, _, change) = routers[usize::from(home)].subscribe(Filter::trusted(&text), sub);
        let change = change.expect("every filter is new");
        for (shard, router) in (0..).zip(&mut routers) {
            if shard != home {
                router.apply(home, &change);
            }
        }
    }
    (routers, text_bytes)
}

#[inline(never)]
fn match_all(router: &mut Router, topics: &[String]) -> usize {
    let mut route = Route::default();
    let mut found = 0;
    for topic in topics {
        router.walk(Topic::trusted(topic), &mut route);
        found += black_box(&route).len();
    }
    found
}

/// The quickest of several runs, each over topics that never came before.
fn time(router: &mut Router, topics: &[String]) -> (f64, usize) {
    let mut times = Vec::new();
    let mut found = 0;
    for some in topics.chunks(topics.len() / REPEAT) {
        let begun = Instant::now();
        found += match_all(router, some);
        times.push(begun.elapsed().as_secs_f64() * 1e9 / some.len() as f64);
    }
    (times.into_iter().fold(f64::MAX, f64::min), found)
}

fn times() {
    let mut first = None;
    for size in SIZES {
        let mut router = load(1, size).0.remove(0);
        let topics = topics(size, TOPICS);
        let (ns, found) = time(&mut router, &topics);
        let ratio = ns / *first.get_or_insert(ns);
        println!(
            "match: {size:>8} filters {ns:>7.0} ns {ratio:>5.2} times the first, {:.2} matches a topic",
            found as f64 / topics.len() as f64
        );
    }
}

/// Wildcards that match thousands of ways to begin (row X10): 8,192 filters of 13 levels.
fn deep() {
    let mut router = Router::new(SEED);
    for mix in 0..8192u32 {
        let levels: Vec<&str> = (0..13)
            .map(|bit| ["a", "+"][(mix >> bit & 1) as usize])
            .collect();
        let sub = Sub {
            session: mix,
            flags: Flags::new(QoS::AtMostOnce, false, false, false),
            id: 0,
        };
        let text = format!("{}/none", levels.join("/"));
        router.subscribe(Filter::trusted(&text), sub);
    }
    let topics: Vec<String> = (0..100)
        .map(|n| format!("{}/{n}", ["a"; 15].join("/")))
        .collect();
    let (ns, _) = time(&mut router, &topics);
    println!(
        "deep: {:.0} us to visit 16,383 nodes, {:.1} ns each",
        ns / 1e3,
        ns / 16_383.0
    );
}

fn memory(shards: u16) {
    let filters = SIZES[SIZES.len() - 1];
    let before = pss();
    let begun = Instant::now();
    let (routers, text) = load(shards, filters);
    let secs = begun.elapsed().as_secs_f64();
    // The allocator gives back what growing tables left behind within ten seconds.
    std::thread::sleep(Duration::from_secs(12));
    let bytes = pss().saturating_sub(before).saturating_sub(text) / u64::from(filters);
    println!(
        "load: {filters} filters on {shards} shards in {secs:.2} s, {bytes} bytes each beyond their text"
    );
    drop(routers);
}

/// Proportional set size of this process; 0 where the system does not tell.
fn pss() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Pss:"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kb.unwrap_or_default() * 1024
}
