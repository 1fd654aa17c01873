//! The simulator: several shards under one clock and one seed, with faults, checked at every call.
//!
//! `SIM_SEEDS`, `SIM_STEPS` and `SIM_FIRST` make it longer; `SIM_SEED` replays one seed and tells it.
#![expect(clippy::print_stdout, reason = "the report is what it is for")]

mod client;
mod drive;
mod faults;
mod keys;
mod ledger;
mod log;
mod net;
mod plan;
mod report;
mod restart;
mod rng;
mod survive;
mod tap;
mod trace;
mod verdict;
mod world;

/// Whatever the seed, the standard holds.
#[test]
fn no_seed_breaks_the_standard() {
    report::all();
}

/// The simulator is worth what it finds: each planted fault, within a thousand seeds.
#[cfg(feature = "plant")]
#[test]
fn every_planted_fault_is_found() {
    report::planted();
}
