//! `cargo xtask torture`: the runners of `tests/torture/` in turn, each with a seed of its own, until
//! the time is up; then one line for each, with all that its runs counted.

use crate::tree::Tree;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A test of the program, and the rounds of one run: some minutes each.
pub(crate) struct Runner {
    test: &'static str,
    rounds: u32,
    /// For a binary with the feature `plant`.
    planted: bool,
}

const fn runner(test: &'static str, rounds: u32) -> Runner {
    Runner {
        test,
        rounds,
        planted: false,
    }
}

/// What is done over and over.
const RUNNERS: [Runner; 11] = [
    runner("d01_kill", 100),
    runner("s01_cut", 100),
    runner("s01_steps", 25),
    runner("s02_steps", 25),
    runner("d02_power", 100),
    runner("d02_starting", 40),
    runner("d01_kill_interval", 25),
    runner("d02_interval", 10),
    runner("d03_d04_damage", 200),
    runner("d12_failing_disk", 5),
    runner("d11_full_disk", 5),
];

/// Ten seconds of standstill are too long for the short form.
const SLOW: Runner = runner("d13_slow_disk", 2);

const FOUND: [Runner; 2] = [
    runner("d02_found_without_syncs", 60),
    Runner {
        test: "d02_found_planted",
        rounds: 400,
        planted: true,
    },
];

/// What issue 3 wants to be shown, by the line's number.
pub(crate) fn line(number: u32) -> Vec<Runner> {
    match number {
        1 => vec![
            runner("d01_kill", 100),
            runner("s01_steps", 5),
            runner("s02_steps", 10),
        ],
        2 => {
            let mut runners = vec![runner("d02_power", 500), runner("d10_discipline", 1)];
            runners.extend(FOUND);
            runners
        }
        3 => vec![runner("d03_d04_damage", 1_000)],
        _ => vec![
            runner("d11_full_disk", 3),
            runner("d12_failing_disk", 3),
            SLOW,
        ],
    }
}

pub(crate) fn run(tree: &Tree, args: &[String]) -> Result<()> {
    let (mut hours, mut seed) = (1.0, None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args
            .next()
            .with_context(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--hours" => hours = value.parse::<f64>()?,
            "--seed" => seed = Some(value.parse::<u64>()?),
            other => bail!("torture knows --hours and --seed, not {other}"),
        }
    }
    let seed = seed.unwrap_or_else(now_secs);
    let end = Instant::now() + Duration::from_secs_f64(hours * 3600.0);
    let mut runners = Vec::from(RUNNERS);
    runners.push(SLOW);
    runners.extend(FOUND);
    let rack = Rack::build(tree, &runners)?;
    let mut sums = Sums::default();
    // Each runner has a run, however little time there is.
    for (n, runner) in runners.iter().cycle().enumerate() {
        if n >= runners.len() && Instant::now() >= end {
            break;
        }
        rack.put(runner, seed + n as u64, &mut sums)?;
    }
    sums.print();
    ensure!(sums.failed.is_empty(), "failed: {}", sums.failed.join(", "));
    Ok(())
}

/// Each of these runners once.
pub(crate) fn show(tree: &Tree, runners: &[Runner]) -> Result<()> {
    let rack = Rack::build(tree, runners)?;
    let mut sums = Sums::default();
    for runner in runners {
        rack.put(runner, 1, &mut sums)?;
    }
    sums.print();
    ensure!(sums.failed.is_empty(), "failed: {}", sums.failed.join(", "));
    Ok(())
}

impl Clone for Runner {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

/// The binaries.
struct Rack {
    program: PathBuf,
    broker: PathBuf,
    planted: Option<PathBuf>,
    cwd: PathBuf,
}

impl Rack {
    fn build(tree: &Tree, runners: &[Runner]) -> Result<Self> {
        let target = tree.target();
        let planted = target.join("plant");
        let planted = if runners.iter().any(|r| r.planted) {
            let folder = planted.to_string_lossy();
            let build = [
                "build",
                "--release",
                "--package",
                "app",
                "--locked",
                "--quiet",
            ];
            let with = ["--features", "plant", "--target-dir", &*folder];
            tree.run("cargo", &[&build[..], &with].concat())?;
            Some(planted.join("release/ternmq"))
        } else {
            None
        };
        Ok(Self {
            program: program(tree)?,
            broker: crate::show::released(tree)?,
            planted,
            cwd: tree.join("crates/app"),
        })
    }

    /// One run; what it says on the way is ours, what it counted is added up.
    fn put(&self, runner: &Runner, seed: u64, sums: &mut Sums) -> Result<()> {
        let broker = if runner.planted {
            self.planted.as_deref().context("it was built")?
        } else {
            &self.broker
        };
        let Runner { test, rounds, .. } = runner;
        println!("== {test}, {rounds} rounds, seed {seed}");
        let done = Command::new(&self.program)
            .args(["--exact", test, "--include-ignored", "--nocapture"])
            .env("TERNMQ_BIN", broker)
            .env("TORTURE_ROUNDS", rounds.to_string())
            .env("TORTURE_SEED", seed.to_string())
            .env("RUST_BACKTRACE", "0")
            .current_dir(&self.cwd)
            .output()
            .context("cannot start the torture")?;
        let said = String::from_utf8_lossy(&done.stdout);
        let fine = done.status.success();
        for line in said.lines() {
            // The name of a test stands before what it says first.
            let line = line.split(" ... ").last().unwrap_or(line);
            sums.add(line);
            let told = ["torture ", "NOT TESTED", "QoS 0 bystanders"];
            if !fine || told.iter().any(|word| line.contains(word)) {
                println!("  {line}");
            }
        }
        if !fine {
            println!("{}", String::from_utf8_lossy(&done.stderr));
            sums.failed.push(format!("{test} with seed {seed}"));
        }
        Ok(())
    }
}

/// The test program, built now if it is not up to date.
fn program(tree: &Tree) -> Result<PathBuf> {
    let args = [
        "test",
        "--package",
        "app",
        "--test",
        "torture",
        "--locked",
        "--no-run",
    ];
    let built = Command::new("cargo")
        .args(args)
        .current_dir(tree.root())
        .output()
        .context("cannot start cargo")?;
    let said = String::from_utf8_lossy(&built.stderr);
    ensure!(
        built.status.success(),
        "the torture does not compile:\n{said}"
    );
    let path = said.lines().rev().find_map(|line| {
        let (_, path) = line.trim().strip_prefix("Executable ")?.split_once('(')?;
        path.strip_suffix(')')
    });
    let path = Path::new(path.context("cargo does not say where the program is")?);
    Ok(tree.root().join(path))
}

/// All that the runs of each runner counted.
#[derive(Default)]
struct Sums {
    runners: BTreeMap<String, Vec<(String, u64)>>,
    failed: Vec<String>,
}

impl Sums {
    /// Takes a line `torture NAME: WHAT N, WHAT N (seed N)`.
    fn add(&mut self, line: &str) {
        let parts = line
            .strip_prefix("torture ")
            .and_then(|l| l.split_once(": "));
        let Some((name, counts)) = parts else { return };
        let counts = counts.split(" (seed ").next().unwrap_or_default();
        let sums = self.runners.entry(name.to_owned()).or_default();
        for count in counts.split(", ") {
            let Some((what, n)) = count.rsplit_once(' ') else {
                continue;
            };
            let Ok(n) = n.parse::<u64>() else { continue };
            match sums.iter_mut().find(|(w, _)| w == what) {
                Some((_, sum)) => *sum += n,
                None => sums.push((what.to_owned(), n)),
            }
        }
    }

    fn print(&self) {
        println!();
        for (name, counts) in &self.runners {
            let counts: Vec<String> = counts.iter().map(|(w, n)| format!("{w} {n}")).collect();
            println!("{name}: {}", counts.join(", "));
        }
    }
}

fn now_secs() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_added_up() {
        let mut sums = Sums::default();
        sums.add("torture kill: rounds 8, lost 0, out of order 1 (seed 7)");
        sums.add("torture kill: rounds 2, wills 3, lost 0, out of order 1 (seed 8)");
        sums.add("test d01_kill ... ok");
        let sum = |what: &str, n| (what.to_owned(), n);
        let wanted = [
            sum("rounds", 10),
            sum("lost", 0),
            sum("out of order", 2),
            sum("wills", 3),
        ];
        assert_eq!(sums.runners["kill"], wanted);
    }
}
