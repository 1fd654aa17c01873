//! Power cuts at random operations, several in a row, with seeds: what was acknowledged is there,
//! in order, once. And the tests are tested: planted faults are found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::super::Durability;
use super::super::files::sim::{Faults, Random, Sim};
use super::super::lock;
use super::super::plant::Planted;
use super::ledger::{Shared, run};
use super::{Options, Store, Text, open, options};

/// How a run ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    PowerCut,
    Kill,
    Either,
}

/// Runs, cuts the power or kills, opens, checks, again and again.
fn survives(seed: u64, options: &Options, end: End) -> Result<(), String> {
    let mut random = Random::new(seed);
    let mut sim = Sim::new(seed);
    let ledger = Shared::default();
    for round in 0..4 {
        // Also while it is being opened.
        while end != End::Kill && random.one_in(3) {
            sim.set(Faults {
                power: Some(random.next() % 40),
                ..Faults::default()
            });
            let opened = Store::<Text>::open_on(Arc::new(sim.clone()), options);
            let after = sim.power_cut(random.next());
            drop(opened);
            sim = after;
        }
        let store = open(&sim, options);
        let checked = lock(&ledger).check(&store);
        checked.map_err(|what| format!("seed {seed} round {round}: {what}"))?;
        sim.set(Faults {
            power: Some(random.next() % 400),
            short: seed.is_multiple_of(2),
            ..Faults::default()
        });
        run(&store, &ledger, &mut random, 60);
        // Before the store is closed: a cut does not wait.
        let killed = end == End::Either && random.one_in(2);
        let after = if killed || end == End::Kill {
            sim.killed()
        } else {
            sim.power_cut(seed + round)
        };
        drop(store);
        sim = after;
    }
    let store = open(&sim, options);
    let checked = lock(&ledger).check(&store);
    drop(store);
    // Closed in order: all is there, and nothing is left to be mended.
    let store = open(&sim, options);
    let again = lock(&ledger).check(&store);
    assert!(store.recovery().closed && store.recovery().torn_bytes == 0);
    checked
        .and(again)
        .map_err(|what| format!("seed {seed} at the end: {what}"))
}

#[test]
fn power_cuts_lose_nothing_acknowledged() {
    let number = |name, otherwise: u64| {
        let text = std::env::var(name).ok();
        text.map_or(otherwise, |text| text.parse().unwrap())
    };
    let first = number("STORE_FIRST", 0);
    for seed in first..first + number("STORE_SEEDS", 300) {
        // What a start after a kill has found is shown to others: it is safe from then on.
        for end in [End::PowerCut, End::Either] {
            let run = catch_unwind(AssertUnwindSafe(|| survives(seed, &options(), end)));
            run.unwrap_or_else(|_| panic!("seed {seed}")).unwrap();
        }
    }
}

/// At the lower levels the end of the process loses nothing, either.
#[test]
fn a_kill_loses_nothing_at_any_level() {
    let levels = [
        Durability::Sync,
        Durability::Interval(std::time::Duration::from_millis(1)),
        Durability::Os,
    ];
    for (seed, level) in (1_000..1_060).zip(levels.iter().cycle()) {
        let mut options = options();
        options.durability = *level;
        survives(seed, &options, End::Kill).unwrap();
    }
}

/// If these tests could not see a loss, their silence would mean nothing.
#[test]
fn planted_faults_are_found() {
    let planted = [
        (Durability::Sync, Planted::AckBeforeSync),
        (Durability::Sync, Planted::NoDirSync),
        (Durability::Os, Planted::Nothing),
    ];
    for (durability, planted) in planted {
        let mut options = options();
        options.durability = durability;
        options.planted = planted;
        let found = (0..60).find_map(|seed| survives(seed, &options, End::PowerCut).err());
        assert!(found.is_some(), "{planted:?} {durability:?}");
    }
}
