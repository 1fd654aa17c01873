//! Runs seeds and says what came of them.

use protocol::Version;

use crate::{client::Client, faults::Counts, faults::Kind, plan::Plan, rng::Rng, world::World};

/// The short form, for every day.
const SEEDS: u64 = if cfg!(debug_assertions) { 300 } else { 1_000 };
const STEPS: usize = 200;

/// What one seed showed.
pub(crate) struct Outcome {
    pub(crate) faults: Vec<String>,
    pub(crate) counts: Counts,
    pub(crate) trace: Vec<String>,
}

pub(crate) fn run(seed: u64, steps: usize, tell: bool) -> Outcome {
    let mut rng = Rng::new(seed ^ 0x0070_6c61_6e00);
    let (plan, settings) = Plan::draw(&mut rng);
    let mut world = World::new(seed, plan, settings);
    world.trace.on = tell;
    for c in 0..world.plan.clients {
        let version = *rng.pick(&[Version::V3_1_1, Version::V5, Version::V5]);
        let worker = c > 1 && rng.percent(30);
        world.add(Client::new(format!("client-{c}"), version, worker));
    }
    let inspector = Client::new("inspector".to_owned(), Version::V5, false);
    world.add(inspector);
    for _ in 0..steps {
        world.step();
        if !world.ledger.faults.is_empty() {
            break;
        }
    }
    if world.ledger.faults.is_empty() {
        world.conclude();
    }
    Outcome {
        faults: world.ledger.faults,
        counts: world.faults,
        trace: world.trace.lines,
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

pub(crate) fn steps() -> usize {
    number("SIM_STEPS").map_or(STEPS, |n| usize::try_from(n).expect("a count of steps"))
}

pub(crate) fn all() {
    let steps = steps();
    if let Some(seed) = number("SIM_SEED") {
        let outcome = run(seed, steps, true);
        for line in &outcome.trace {
            println!("{line}");
        }
        assert!(
            outcome.faults.is_empty(),
            "seed {seed}: {:#?}",
            outcome.faults
        );
        return;
    }
    let first = number("SIM_FIRST").unwrap_or(1);
    let seeds = number("SIM_SEEDS").unwrap_or(SEEDS);
    let mut counts = Counts::default();
    let mut bad = Vec::new();
    for seed in first..first + seeds {
        let outcome = run(seed, steps, false);
        counts.merge(&outcome.counts);
        if let Some(fault) = outcome.faults.first() {
            bad.push((seed, fault.clone()));
        }
    }
    println!(
        "seeds {seeds}, steps per seed {steps}, violations {}",
        bad.len()
    );
    for (kind, text) in Kind::ALL {
        println!("{:>9}  {text}", counts.of(*kind));
    }
    for (seed, fault) in bad.iter().take(40) {
        println!("seed {seed}: {fault}");
    }
    if let Some((seed, _)) = bad.first() {
        let outcome = run(*seed, steps, true);
        for line in outcome.trace.iter().rev().take(60).rev() {
            println!("{line}");
        }
    }
    assert!(bad.is_empty(), "{} of {seeds} seeds", bad.len());
    let silent: Vec<&str> = Kind::ALL
        .iter()
        .filter(|(kind, _)| counts.of(*kind) == 0)
        .map(|(_, text)| *text)
        .collect();
    // A few seeds need not have everything.
    assert!(
        seeds < SEEDS || silent.is_empty(),
        "faults that never fired: {silent:?}"
    );
}

/// Seeds within which a planted fault must be found.
#[cfg(feature = "plant")]
const PLANTED_SEEDS: u64 = 1_000;

#[cfg(feature = "plant")]
pub(crate) fn planted() {
    use engine::plant::{Fault, plant};

    let mut missed = Vec::new();
    for fault in Fault::ALL {
        plant(Some(*fault));
        let found = (1..=PLANTED_SEEDS).find_map(|seed| {
            // Longer runs: some faults need a rare moment, and each change of the engine moves these.
            let outcome = run(seed, 3 * steps(), false);
            outcome.faults.first().map(|text| (seed, text.clone()))
        });
        plant(None);
        match found {
            Some((seed, text)) => println!("{fault:?}: seed {seed}: {text}"),
            None => missed.push(*fault),
        }
    }
    let all = Fault::ALL.len();
    println!("planted {all}, found {}", all - missed.len());
    assert!(missed.is_empty(), "not found: {missed:?}");
}
