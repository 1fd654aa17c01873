//! The speed and memory of a broker without counters, owners of sessions and rules, and of this one with them,
//! in turn: what each scenario of the load takes, latency, idle connections and a storm of them.

use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::access::{Kinds, write_rules};
use super::broker::{Broker, released};
use super::load::{self, LATENCIES, SCENARIOS};
use super::storm::{self, CLIENTS};
use super::{Options, median};
use crate::tree::Tree;

/// What may be lost, of all.
const LOSS_MAX: f64 = 0.1;
/// Of latencies, which a few microseconds of weather move by more.
const MICROS_MORE_MAX: f64 = 50.0;
/// Which clients meet on one shard is drawn anew with each start, and costs or spares more than what is
/// looked for: so many short runs of each.
const RUNS_MIN: usize = 9;
/// What seems lost is judged by so many times as many: single starts are up to a third apart.
const AGAIN: usize = 2;
const SECONDS_MAX: u32 = 4;
/// Memory is the same each time, and thousands that connect are many measurements in one.
const CROWD_RUNS: usize = 3;
/// The allocator gives back in two steps of ten seconds each.
const SETTLE: Duration = Duration::from_secs(30);

/// The two that are compared.
struct Pair {
    before: PathBuf,
    now: PathBuf,
}

pub(super) fn show(tree: &Tree, options: &Options) -> Result<()> {
    let before = options.before.clone().context(
        "beside which broker? Build the commit before the one that brought rules of access, and name its \
         binary: --before PATH",
    )?;
    ensure!(before.exists(), "{} does not exist", before.display());
    let pair = Pair {
        before,
        now: released(tree)?,
    };
    let options = &Options {
        repeat: options.repeat.max(RUNS_MIN),
        seconds: options.seconds.min(SECONDS_MAX),
        ..options.clone()
    };
    let mut lost = Vec::new();
    println!(
        "medians of {}, {} s each: before, now, and now beside before",
        options.repeat, options.seconds
    );
    for scenario in &SCENARIOS {
        let per_cpu = |broker: &Broker| {
            let figures = scenario.figures(options, broker)?;
            figures.number("delivered_per_broker_cpu_s")
        };
        let (before, now) = pair.compare(options.repeat, per_cpu)?;
        let name = format!("{}, per CPU-s", scenario.name);
        tell(&name, before, now);
        let is_lost = |before, now| now < before * (1.0 - LOSS_MAX);
        if is_lost(before, now) {
            let (before, now) = pair.compare(options.repeat * AGAIN, per_cpu)?;
            tell("  once more, of twice as many starts", before, now);
            if is_lost(before, now) {
                lost.push(name);
            }
        }
    }
    let loadgen = load::loadgen(options)?;
    for (name, args) in LATENCIES {
        let args = format!("latency {args} --seconds {}", options.seconds);
        let quantiles = ["p50_us", "p99_us"];
        let micros = |broker: &Broker| {
            let figures = load::generate(&loadgen, broker, &args)?;
            let [half, most] = quantiles.map(|quantile| figures.number(quantile));
            Ok([half?, most?])
        };
        let both = pair.compare_all(options.repeat, micros)?;
        for (quantile, (before, now)) in quantiles.into_iter().zip(both) {
            let name = format!("{name}, {quantile}");
            tell(&name, before, now);
            if now > (before * (1.0 + LOSS_MAX)).max(before + MICROS_MORE_MAX) {
                lost.push(name);
            }
        }
    }
    let idle = |broker: &Broker| Ok(load::idle_bytes(&loadgen, broker)? as f64);
    let idle = pair.compare(CROWD_RUNS, idle)?;
    let [connected, held] = pair.compare_all(CROWD_RUNS, storm)?;
    for (name, (before, now)) in [
        ("idle connection with a subscription, bytes", idle),
        ("connection of a storm, bytes", held),
        ("the storm is connected, s", connected),
    ] {
        tell(name, before, now);
        if now > before * (1.0 + LOSS_MAX) {
            lost.push(name.to_owned());
        }
    }
    ensure!(
        lost.is_empty(),
        "more than {:.0} % lost: {}",
        LOSS_MAX * 100.0,
        lost.join("; ")
    );
    Ok(())
}

fn tell(name: &str, before: f64, now: f64) {
    println!(
        "{name:<44} {before:>12.1} {now:>12.1} {:>6.2}",
        now / before
    );
}

/// How long all take to connect, and what each holds then.
fn storm(broker: &Broker) -> Result<[f64; 2]> {
    // Signing in to write the rules has taken memory that is given back.
    let base = broker.least(SETTLE)?;
    let begun = Instant::now();
    let mut drivers = storm::crowd(broker.address, 1)?;
    let connected = begun.elapsed().as_secs_f64();
    storm::ping(&mut drivers)?;
    let full = broker.least(SETTLE)?;
    let bytes = full.anonymous.saturating_sub(base.anonymous) / CLIENTS as u64;
    Ok([connected, bytes as f64])
}

impl Pair {
    fn before(&self) -> Result<Broker> {
        Broker::earlier(&self.before)
    }

    /// With rules, none of which is about what is measured.
    fn now(&self) -> Result<Broker> {
        let broker = Broker::ternmq(&self.now, &[])?;
        write_rules(&broker, Kinds::Mixed)?;
        Ok(broker)
    }

    fn compare(
        &self,
        repeat: usize,
        measure: impl Fn(&Broker) -> Result<f64>,
    ) -> Result<(f64, f64)> {
        let [both] = self.compare_all(repeat, |broker| Ok([measure(broker)?]))?;
        Ok(both)
    }

    /// Medians of each figure, of brokers that are fresh every time and in turn, so that both meet the same weather.
    fn compare_all<const N: usize>(
        &self,
        repeat: usize,
        measure: impl Fn(&Broker) -> Result<[f64; N]>,
    ) -> Result<[(f64, f64); N]> {
        let (mut before, mut now) = (Vec::new(), Vec::new());
        for _ in 0..repeat {
            before.push(measure(&self.before()?)?);
            now.push(measure(&self.now()?)?);
        }
        let of = |runs: &[[f64; N]], at: usize| median(runs.iter().map(|run| run[at]).collect());
        Ok(std::array::from_fn(|at| (of(&before, at), of(&now, at))))
    }
}
