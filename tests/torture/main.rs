//! Torture of the built broker: everything that it acknowledged is there after a kill, a power cut,
//! a damaged file, a full or failing disk. A program of its own, so that nothing that measures time
//! runs beside it. As a test it is over in a minute; `cargo xtask torture` runs it for hours.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panic"
)]
#![allow(clippy::print_stdout, reason = "each run tells what it counted")]
#![allow(
    dead_code,
    unused_imports,
    reason = "the wire room keeps whole sets of names, used or not yet"
)]

mod bystander;
mod crowd;
mod damage;
mod dial;
mod dice;
mod discipline;

mod image;
mod inject;
mod kill;
mod power;
mod publisher;
mod steps;
mod stream;
mod subscriber;
mod tally;
mod trouble;
mod wills;
#[path = "../wire/mod.rs"]
mod wire;

use kill::Death;
use tally::Tally;
use trouble::Trouble;

/// Rounds of a run: as many as the environment says, or a few.
fn rounds(few: u64) -> u64 {
    number("TORTURE_ROUNDS").unwrap_or(few)
}

fn seed() -> u64 {
    number("TORTURE_SEED").unwrap_or(1)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// Prints what was counted, and fails if anything is there that must not be.
fn verdict(runner: &str, seed: u64, tally: &Tally) {
    println!("torture {runner}: {tally} (seed {seed})");
    assert_eq!(tally.faults(), 0, "{runner}: {tally}");
}

/// Ten publishers with QoS 1, QoS 2 and retained messages, twenty subscribers with sessions that
/// stay, half of them away, wills, subscriptions that come and go: `kill -9` at any moment loses
/// nothing of what was acknowledged, doubles nothing of QoS 2, turns nothing round.
/// [MQTT-4.4.0-1] [MQTT-4.3.3-8] [MQTT-4.6.0-1]
#[test]
fn d01_kill() {
    let seed = seed();
    let tally = kill::run(Death::Broker, seed, rounds(8), &[]);
    verdict("kill", seed, &tally);
}

/// The same where only the connections end: a loss here is none of the disk's.
#[test]
fn s01_cut() {
    let seed = seed();
    let tally = kill::run(Death::Connections, seed, rounds(4), &[]);
    verdict("cut", seed, &tally);
}

/// Both ends of QoS 2, after each of its four packets, when every connection ends: exactly once.
/// [MQTT-4.3.3-8] [MQTT-4.4.0-1]
#[test]
fn s01_steps() {
    let seed = seed();
    let tally = steps::run(Death::Connections, seed, rounds(3), &[]);
    verdict("steps cut", seed, &tally);
}

/// The same when the broker is killed.
#[test]
fn s02_steps() {
    let seed = seed();
    let tally = steps::run(Death::Broker, seed, rounds(4), &[]);
    verdict("steps kill", seed, &tally);
}

/// The power is cut at a random moment under load: the file system as its last sync left it has
/// everything that was acknowledged.
#[test]
fn d02_power() {
    if image::allowed() {
        let seed = seed();
        let tally = power::run(seed, rounds(12), &[]);
        verdict("power", seed, &tally);
    }
}

/// The power is cut while a broker that was killed under load starts again.
#[test]
fn d02_starting() {
    if image::allowed() {
        let seed = seed();
        let tally = power::starting(seed, rounds(8), &[]);
        verdict("power at the start", seed, &tally);
    }
}

/// With `durability = interval` a kill loses nothing, as at every level.
#[test]
fn d01_kill_interval() {
    let seed = seed();
    let settings = ["durability=interval", "store.sync_interval=1s"];
    let tally = kill::run(Death::Broker, seed, rounds(4), &settings);
    verdict("kill, interval", seed, &tally);
}

/// And a power cut takes no more than the interval.
#[test]
fn d02_interval() {
    if image::allowed() {
        let seed = seed();
        let tally = power::rested(seed, rounds(3));
        verdict("power, interval", seed, &tally);
    }
}

/// A failed write or sync costs its file, not what was acknowledged; the next one goes on. A disk that
/// fails for good ends the broker.
#[test]
fn d12_failing_disk() {
    troubles(&[Trouble::WriteFails, Trouble::SyncFails]);
    if inject::allowed() {
        let seed = seed();
        verdict("Dead", seed, &trouble::run_dead(seed));
    }
}

/// A slow or standing disk keeps acknowledgements back, and nobody else.
#[test]
fn d13_slow_disk() {
    let stall = if number("TORTURE_ROUNDS").is_some() {
        10
    } else {
        3
    };
    troubles(&[Trouble::Nothing, Trouble::Slow, Trouble::Stalled(stall)]);
}

/// Without room messages that have to be kept are refused, or not acknowledged; all else goes on,
/// and with room again so do they.
#[test]
fn d11_full_disk() {
    troubles(&[Trouble::NoRoom]);
    if image::allowed() {
        troubles(&[Trouble::Full]);
    }
}

fn troubles(troubles: &[Trouble]) {
    if !inject::allowed() {
        return;
    }
    let seed = seed();
    for round in 0..rounds(1) {
        for trouble in troubles {
            let tally = trouble::run(*trouble, seed + round);
            verdict(&format!("{trouble:?}"), seed + round, &tally);
        }
    }
}

/// Nothing is relied on before it, and its name, is synced.
#[test]
fn d10_discipline() {
    if inject::allowed() {
        let seed = seed();
        verdict("discipline", seed, &discipline::run(seed, &[]));
    }
}

/// The same runs find what is wrong on purpose: a level that does not sync, and faults that only a
/// binary built for this test has, which `TERNMQ_BIN` then names.
#[test]
#[ignore = "takes a while"]
fn d02_found_without_syncs() {
    found("os", "durability=os");
}

#[test]
#[ignore = "needs a binary with the feature `plant`"]
fn d02_found_planted() {
    found("ack-before-sync", "--plant=ack-before-sync");
    found("pubcomp-before-forget", "--plant=pubcomp-before-forget");
    let tally = discipline::run(seed(), &["--plant=no-dir-sync"]);
    println!("torture discipline, no-dir-sync: {tally} (seed {})", seed());
    assert!(tally.careless > 0, "no-dir-sync was not found");
}

fn found(name: &str, setting: &str) {
    if image::allowed() {
        let seed = seed();
        let tally = power::find(seed, rounds(60), &[setting]);
        println!("torture power, {name}: {tally} (seed {seed})");
        assert!(tally.faults() > 0, "{name} was not found");
    }
}

/// The end of the log is torn off at each byte of its last record; single bits turn in the log and
/// in every other file. The broker starts, says so, and the damage stays where it is.
#[test]
fn d03_d04_damage() {
    let seed = seed();
    let mut dice = dice::Dice::new(seed);
    let specimen = damage::Specimen::new();
    let many = rounds(20);
    verdict("torn tail", seed, &specimen.torn(many, &mut dice));
    verdict(
        "bits in the log",
        seed,
        &specimen.bits_in_log(many, &mut dice),
    );
    let elsewhere = specimen.bits_elsewhere(many, &mut dice);
    verdict("bits elsewhere", seed, &elsewhere);
}
