//! `ternmq bench` beside the load generator that is no part of this repository: the same traffic to the
//! same broker, in turn, must give the same figures and cost no more.

use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::broker::{Broker, released};
use super::load::{Figures, generate, loadgen};
use super::{Options, median};
use crate::tree::Tree;

/// What the issue wants: five runs of each, one after the other.
const RUNS: u32 = 5;
/// Shorter ones where times are compared: what else runs on the machine only ever adds to them, and p99 doubles from one run
/// to the next; the least of many is what is left of the two programs.
const SHORT_RUNS: u32 = 20;
/// Part by which times may differ, or microseconds.
const PART: f64 = 0.10;
const MICROS: f64 = 50.0;

struct Case {
    name: &'static str,
    theirs: &'static str,
    ours: &'static str,
}

/// By the clock, 10,000 messages a second.
const LATENCIES: [Case; 2] = [
    Case {
        name: "10,000/s, QoS 0",
        theirs: "latency --pubs 10 --rate 10000 --qos 0",
        ours: "latency --clients 10 --rate 10000 -q 0",
    },
    Case {
        name: "10,000/s, QoS 1",
        theirs: "latency --pubs 10 --rate 10000 --qos 1",
        ours: "latency --clients 10 --rate 10000 -q 1 -M 1000",
    },
];

/// As fast as can be.
const SPEEDS: [Case; 4] = [
    Case {
        name: "pairs, QoS 0",
        theirs: "throughput --shape pair --pubs 10 --qos 0",
        ours: "pub --clients 10 --subscribers 10 -q 0",
    },
    Case {
        name: "pairs, QoS 1",
        theirs: "throughput --shape pair --pubs 10 --qos 1 --window 100",
        ours: "pub --clients 10 --subscribers 10 -q 1",
    },
    Case {
        name: "1 to 100, QoS 0",
        theirs: "throughput --shape fanout --subs 100 --qos 0",
        ours: "pub --publishers 1 --subscribers 100 -q 0",
    },
    Case {
        name: "20 to 1, QoS 0",
        theirs: "throughput --shape fanin --pubs 20 --qos 0",
        ours: "pub --publishers 20 --subscribers 1 --filter ternmq/bench/%r/+ -q 0",
    },
];

/// One run's figures, in the same words for both.
struct Run {
    p50: f64,
    p99: f64,
    per_s: f64,
    /// Microseconds of processor for each message, of the generator and of the broker.
    generator: f64,
    broker: f64,
}

pub(super) fn show(tree: &Tree, options: &Options) -> Result<()> {
    let loadgen = loadgen(options)?;
    let binary = released(tree)?;
    let seconds = options.seconds;
    let short_seconds = (seconds * RUNS).div_ceil(SHORT_RUNS);
    println!(
        "the load generator and ternmq bench in turn, by the clock {SHORT_RUNS} times for {short_seconds} s, then {RUNS} \
         times for {seconds} s; p50 and p99 the least, all else the median\n\
         {:<18} {:>16} {:>16} {:>22} {:>18} {:>18}",
        "traffic", "p50 us", "p99 us", "delivered/s", "generator us/msg", "broker us/msg"
    );
    let mut short = Vec::new();
    for (case, by_the_clock) in
        (LATENCIES.iter().map(|case| (case, true))).chain(SPEEDS.iter().map(|case| (case, false)))
    {
        let (turns, seconds) = if by_the_clock {
            (SHORT_RUNS, short_seconds)
        } else {
            (RUNS, seconds)
        };
        let mut pair = Pair::default();
        for _ in 0..turns {
            pair.theirs.push(theirs(&loadgen, &binary, case, seconds)?);
            pair.ours.push(ours(&binary, case, seconds)?);
        }
        let (p50, p99) = (pair.least(|run| run.p50), pair.least(|run| run.p99));
        let per_s = pair.median(|run| run.per_s);
        let generator = pair.median(|run| run.generator);
        let broker = pair.median(|run| run.broker);
        let times = |(theirs, ours): (f64, f64)| {
            if by_the_clock {
                format!("{theirs:.0} / {ours:.0}")
            } else {
                "-".to_owned()
            }
        };
        println!(
            "{:<18} {:>16} {:>16} {:>22} {:>18} {:>18}",
            case.name,
            times(p50),
            times(p99),
            format!("{:.0} / {:.0}", per_s.0, per_s.1),
            format!("{:.3} / {:.3}", generator.0, generator.1),
            format!("{:.3} / {:.3}", broker.0, broker.1),
        );
        let mut judge = |what: &str, good: bool| {
            if !good {
                short.push(format!("{}: {what}", case.name));
            }
        };
        if by_the_clock {
            judge("p50", is_near(p50));
            judge("p99", is_near(p99));
        } else {
            judge("delivered/s", per_s.1 >= per_s.0 * (1.0 - PART));
        }
        judge("processor for each message", generator.1 <= generator.0);
    }
    ensure!(short.is_empty(), "not as promised: {}", short.join("; "));
    Ok(())
}

/// The runs of both programs.
#[derive(Default)]
struct Pair {
    theirs: Vec<Run>,
    ours: Vec<Run>,
}

impl Pair {
    fn median(&self, of: fn(&Run) -> f64) -> (f64, f64) {
        let median = |runs: &[Run]| median(runs.iter().map(of).collect());
        (median(&self.theirs), median(&self.ours))
    }

    fn least(&self, of: fn(&Run) -> f64) -> (f64, f64) {
        let least = |runs: &[Run]| runs.iter().map(of).fold(f64::INFINITY, f64::min);
        (least(&self.theirs), least(&self.ours))
    }
}

fn is_near((theirs, ours): (f64, f64)) -> bool {
    (theirs - ours).abs() <= (theirs * PART).max(MICROS)
}

fn theirs(loadgen: &Path, binary: &Path, case: &Case, seconds: u32) -> Result<Run> {
    let broker = Broker::ternmq(binary, &[])?;
    // It counts the time in which it connects and waits for the last messages, too.
    let all = seconds + seconds.div_ceil(4).clamp(1, 3) + 1;
    let args = format!("{} --size 64 --seconds {all}", case.theirs);
    let figures = generate(loadgen, &broker, &args)?;
    let keys = Keys {
        p50: "p50_us",
        p99: "p99_us",
        per_s: "delivered_per_s",
        measured: "window_s",
        processor: "gen_cpu_s",
        delivered: "delivered",
        faults: &["lost", "dup", "reorder"],
    };
    run(&figures, &keys, &broker)
}

fn ours(binary: &PathBuf, case: &Case, seconds: u32) -> Result<Run> {
    let broker = Broker::ternmq(binary, &[])?;
    let done = Command::new(binary)
        .arg("bench")
        .args(case.ours.split(' '))
        .args(["--size", "64", "--json", "--duration", &seconds.to_string()])
        .args(["-h", "127.0.0.1", "-p", &broker.address.port().to_string()])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&done.stderr);
    ensure!(
        done.status.success(),
        "bench {}: {said}{complaint}",
        case.ours
    );
    let keys = Keys {
        p50: "latency_us_p50",
        p99: "latency_us_p99",
        per_s: "received_per_s",
        measured: "measured_s",
        processor: "processor_s",
        delivered: "received",
        faults: &["lost", "doubled", "out_of_order"],
    };
    run(&Figures::of(said), &keys, &broker)
}

struct Keys {
    p50: &'static str,
    p99: &'static str,
    per_s: &'static str,
    measured: &'static str,
    processor: &'static str,
    delivered: &'static str,
    faults: &'static [&'static str],
}

fn run(figures: &Figures, keys: &Keys, broker: &Broker) -> Result<Run> {
    for fault in keys.faults {
        let count = figures.number(fault)?;
        ensure!(count == 0.0, "{count} {fault}");
    }
    let per_s = figures.number(keys.per_s)?;
    let measured = figures.number(keys.measured)?;
    let time = |key| figures.number(key).unwrap_or(f64::NAN);
    Ok(Run {
        p50: time(keys.p50),
        p99: time(keys.p99),
        per_s,
        generator: figures.number(keys.processor)? * 1e6 / (per_s * measured),
        broker: broker.processor_secs()? * 1e6 / figures.number(keys.delivered)?,
    })
}
