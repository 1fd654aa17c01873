//! Throughput for each second of processor time beside mosquitto's, latency, and the cost of idle
//! connections. The load generator is no part of this repository; it prints one JSON object.

use anyhow::{Context as _, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::Options;
use super::broker::{Broker, released};
use super::client::Client;
use crate::tree::Tree;

/// Bytes that one idle connection with a subscription may take.
const IDLE_BYTES_MAX: u64 = 400;
/// Connections that are looked at while they are idle.
const IDLE: u32 = 9000;

pub(super) struct Scenario {
    pub(super) name: &'static str,
    args: &'static str,
    /// How many times mosquitto's figure the issue wants; unknown until somebody enters it.
    wanted: Option<f64>,
}

pub(super) const PAIR: Scenario =
    scenario("pair, QoS 0", "--shape pair --pubs 10 --qos 0", Some(80.0));
pub(super) const FAN_OUT: Scenario = scenario(
    "fan-out 1 to 100",
    "--shape fanout --subs 100 --qos 0",
    Some(50.0),
);

/// Ten publishers of 64 bytes each, unless said otherwise.
pub(super) const SCENARIOS: [Scenario; 9] = [
    PAIR,
    scenario(
        "pair, QoS 1",
        "--shape pair --pubs 10 --qos 1 --window 100",
        Some(40.0),
    ),
    scenario(
        "pair, QoS 2",
        "--shape pair --pubs 10 --qos 2 --window 100",
        Some(40.0),
    ),
    FAN_OUT,
    scenario(
        "fan-in 20 to 1",
        "--shape fanin --pubs 20 --qos 0",
        Some(80.0),
    ),
    scenario(
        "$share 5 to 5, QoS 1",
        "--shape share --pubs 5 --subs 5 --qos 1",
        Some(30.0),
    ),
    scenario(
        "1,000 sparse pairs",
        "--shape pair --pubs 1000 --qos 0 --inflight 2000",
        Some(2.5),
    ),
    scenario(
        "one by one, QoS 0",
        "--shape pair --pubs 10 --qos 0 --batch 1 --pause-us 0",
        Some(6.0),
    ),
    scenario(
        "one by one, QoS 1",
        "--shape pair --pubs 10 --qos 1 --window 1 --batch 1 --pause-us 0",
        Some(1.4),
    ),
];

pub(super) const LATENCIES: [(&str, &str); 2] = [
    ("5,000/s, QoS 0", "--rate 5000 --qos 0"),
    ("2,000/s, QoS 1", "--rate 2000 --qos 1"),
];

const fn scenario(name: &'static str, args: &'static str, wanted: Option<f64>) -> Scenario {
    Scenario { name, args, wanted }
}

/// A broker to be measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Mosquitto,
    /// As many shards as there are cores.
    Shards,
    OneShard,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Mosquitto, "mosquitto"),
    (Kind::Shards, "default shards"),
    (Kind::OneShard, "one shard"),
];

/// What the generator printed.
pub(super) struct Figures(String);

struct Bench {
    binary: PathBuf,
    loadgen: PathBuf,
    seconds: u32,
}

pub(super) fn show(tree: &Tree, options: &Options) -> Result<()> {
    let bench = Bench::new(tree, options)?;
    println!(
        "medians of {}, {} s each; delivered per broker-CPU-second, and its multiple of mosquitto's",
        options.repeat, options.seconds
    );
    println!(
        "{:<22} {:<15} {:>12} {:>9} {:>7} {:>8}  lost/reorder/dup",
        "scenario", "broker", "per CPU-s", "multiple", "wanted", "rate x"
    );
    let mut short = Vec::new();
    for scenario in &SCENARIOS {
        let args = format!("throughput --size 64 {}", scenario.args);
        let runs = bench.interleaved(&args, options.repeat)?;
        let median = |kind: usize, key: &str| median(&runs, kind, key);
        for (at, (kind, name)) in KINDS.iter().enumerate() {
            let per_cpu = median(at, "delivered_per_broker_cpu_s")?;
            let multiple = per_cpu / median(0, "delivered_per_broker_cpu_s")?;
            let rate = median(at, "delivered_per_s")? / median(0, "delivered_per_s")?;
            let (lost, reorder, dup) = (
                worst(&runs, at, "lost")?,
                worst(&runs, at, "reorder")?,
                worst(&runs, at, "dup")?,
            );
            let wanted = scenario
                .wanted
                .map_or_else(|| "?".to_owned(), |wanted| format!("{wanted:.1}"));
            println!(
                "{:<22} {name:<15} {per_cpu:>12.0} {multiple:>9.2} {wanted:>7} {rate:>8.2}  \
                 {lost}/{reorder}/{dup}",
                scenario.name,
            );
            if *kind == Kind::Mosquitto {
                continue;
            }
            if scenario.wanted.is_none_or(|wanted| multiple < wanted) {
                short.push(format!(
                    "{}, {name}: {multiple:.2} of {wanted}",
                    scenario.name
                ));
            }
            if lost + reorder + dup > 0.0 {
                short.push(format!("{}, {name}: {lost}/{reorder}/{dup}", scenario.name));
            }
        }
    }
    println!(
        "{:<22} {:<15} {:>9} {:>9} ",
        "latency", "broker", "p50 us", "p99 us"
    );
    for (name, args) in LATENCIES {
        let runs = bench.interleaved(&format!("latency {args}"), options.repeat)?;
        for (at, (_, kind)) in KINDS.iter().enumerate() {
            println!(
                "{name:<22} {kind:<15} {:>9.0} {:>9.0}",
                median(&runs, at, "p50_us")?,
                median(&runs, at, "p99_us")?
            );
        }
    }
    ensure!(
        short.is_empty(),
        "below what is wanted, or nobody said what is (SCENARIOS): {}",
        short.join("; ")
    );
    Ok(())
}

pub(super) fn show_idle(tree: &Tree, options: &Options) -> Result<()> {
    let bench = Bench::new(tree, options)?;
    let mut each = Vec::new();
    for _ in 0..options.repeat {
        each.push(idle_bytes(&bench.loadgen, &bench.start(Kind::Shards)?)?);
    }
    each.sort_unstable();
    let bytes = each[each.len() / 2];
    println!("{IDLE} idle connections with a subscription: {bytes} bytes each (median)");
    ensure!(bytes <= IDLE_BYTES_MAX, "more than {IDLE_BYTES_MAX} bytes");
    Ok(())
}

/// What each of them takes of the memory of a broker that is already running.
pub(super) fn idle_bytes(loadgen: &Path, broker: &Broker) -> Result<u64> {
    let args = format!("idle --conns {IDLE} --subs-per-conn 1 --hold 45 --seconds 90");
    // Code and buffers of a first client are there from then on.
    Client::passing(broker.address, "first")?.subscribe(&["first".to_owned()])?;
    let base = broker.least(Duration::from_secs(20))?;
    let (full, figures) = thread::scope(|scope| {
        let figures = scope.spawn(|| generate(loadgen, broker, &args));
        // They are there after 2 s; the allocator gives back what connecting took within about 10 s.
        thread::sleep(Duration::from_secs(20));
        let full = broker.least(Duration::from_secs(20));
        let figures = figures.join();
        (full, figures)
    });
    let figures = figures.map_err(|_| anyhow::anyhow!("the generator's thread panicked"))??;
    let (full, connected) = (full?, figures.number("connected")?);
    ensure!(connected == f64::from(IDLE), "{}", figures.0);
    let bytes = full.anonymous.saturating_sub(base.anonymous) / u64::from(IDLE);
    println!(
        "{bytes} bytes each ({full} less {base}); by proportional set size, as the generator sees it: {:.0}",
        figures.number("pss_bytes_per_conn")?
    );
    Ok(bytes)
}

/// Pair throughput at QoS 0 of a broker that is already running: messages delivered in a second.
pub(super) fn pair_rate(options: &Options, broker: &Broker) -> Result<f64> {
    PAIR.figures(options, broker)?.number("delivered_per_s")
}

impl Scenario {
    /// A measurement of a broker that is already running.
    pub(super) fn figures(&self, options: &Options, broker: &Broker) -> Result<Figures> {
        let (args, seconds) = (self.args, options.seconds);
        let args = format!("throughput --size 64 {args} --seconds {seconds}");
        generate(&loadgen(options)?, broker, &args)
    }
}

impl Bench {
    fn new(tree: &Tree, options: &Options) -> Result<Self> {
        Ok(Self {
            loadgen: loadgen(options)?,
            binary: released(tree)?,
            seconds: options.seconds,
        })
    }

    /// Every broker in turn, again and again, so that all meet the same weather.
    fn interleaved(&self, args: &str, repeat: usize) -> Result<Vec<[Figures; 3]>> {
        let args = format!("{args} --seconds {}", self.seconds);
        (0..repeat)
            .map(|_| {
                Ok([
                    self.run(KINDS[0].0, &args)?,
                    self.run(KINDS[1].0, &args)?,
                    self.run(KINDS[2].0, &args)?,
                ])
            })
            .collect()
    }

    /// One measurement of a fresh broker.
    fn run(&self, kind: Kind, args: &str) -> Result<Figures> {
        generate(&self.loadgen, &self.start(kind)?, args)
    }

    fn start(&self, kind: Kind) -> Result<Broker> {
        match kind {
            Kind::Mosquitto => Broker::mosquitto(),
            Kind::Shards => Broker::ternmq(&self.binary, &[]),
            Kind::OneShard => Broker::ternmq(&self.binary, &["shards=1"]),
        }
    }
}

pub(super) fn loadgen(options: &Options) -> Result<PathBuf> {
    let path = options.loadgen.clone().context(
        "where is the load generator? It is no part of this repository: --loadgen PATH, or \
         TERNMQ_LOADGEN=PATH",
    )?;
    ensure!(path.exists(), "{} does not exist", path.display());
    Ok(path)
}

pub(super) fn generate(loadgen: &Path, broker: &Broker, args: &str) -> Result<Figures> {
    let done = Command::new(loadgen)
        .args(args.split(' '))
        .args(["--port", &broker.address.port().to_string()])
        .args(["--broker-pid", &broker.pid().to_string()])
        .output()
        .with_context(|| format!("cannot start {}", loadgen.display()))?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    if !done.status.success() {
        bail!("`{args}`: {said}{}", String::from_utf8_lossy(&done.stderr));
    }
    Ok(Figures(said))
}

impl Figures {
    pub(super) fn of(said: String) -> Self {
        Self(said)
    }

    /// A number of the flat JSON object.
    pub(super) fn number(&self, key: &str) -> Result<f64> {
        let quoted = format!("\"{key}\":");
        let (_, rest) = self
            .0
            .split_once(&quoted)
            .with_context(|| format!("no {key} in {}", self.0))?;
        let end = rest.find([',', '}', '\n']).unwrap_or(rest.len());
        rest[..end]
            .trim()
            .parse()
            .with_context(|| format!("{key} is no number in {}", self.0))
    }
}

fn median(runs: &[[Figures; 3]], kind: usize, key: &str) -> Result<f64> {
    let mut values = runs
        .iter()
        .map(|run| run[kind].number(key))
        .collect::<Result<Vec<f64>>>()?;
    values.sort_by(f64::total_cmp);
    Ok(values[values.len() / 2])
}

fn worst(runs: &[[Figures; 3]], kind: usize, key: &str) -> Result<f64> {
    runs.iter()
        .map(|run| run[kind].number(key))
        .try_fold(0.0, |most, value| Ok(f64::max(most, value?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found() {
        let figures = Figures("{\"lost\":3, \"rate\": 12.5,\"last\":-1e3}\n".to_owned());
        assert_eq!(figures.number("lost").unwrap(), 3.0);
        assert_eq!(figures.number("rate").unwrap(), 12.5);
        assert_eq!(figures.number("last").unwrap(), -1000.0);
        assert!(figures.number("none").is_err());
    }
}
