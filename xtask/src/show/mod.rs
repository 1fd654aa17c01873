//! The must-show lines of each issue: what was promised, and the command that shows it.

use crate::tree::Tree;
use anyhow::{Context as _, Result, bail};
use std::time::Instant;

struct Line {
    issue: u32,
    number: u32,
    promise: &'static str,
    /// Run by `sh` in the root; `None` until there is one.
    command: Option<&'static str>,
}

const LINES: &[Line] = &[
    Line {
        issue: 2,
        number: 1,
        promise: "README's first command starts the broker; the tutorial's scripts and examples/python \
                  exchange messages through it on paho-mqtt 1.6.1 and 2.x",
        command: None,
    },
    Line {
        issue: 2,
        number: 2,
        promise: "README's second command passes in under 30 minutes on 2 cores",
        command: Some("cargo xtask ci"),
    },
    Line {
        issue: 2,
        number: 3,
        promise: "conformance: statements proven; 20 rows drawn by seed, at least 19 killed; the client \
                  matrix passes in every cell",
        command: Some(
            "cargo xtask spec --check && cargo xtask mutate --seed 2 --rows 20 && \
             cargo build --release && python3 tests/clients/matrix.py --bin target/release/ternmq",
        ),
    },
    Line {
        issue: 2,
        number: 4,
        promise: "delivered per broker-CPU-second as a multiple of mosquitto's, and latency beside it",
        command: None,
    },
    Line {
        issue: 2,
        number: 5,
        promise: "9,000 idle connections with a subscription each: at most 400 bytes of user memory each",
        command: None,
    },
    Line {
        issue: 2,
        number: 6,
        promise: "router: time per match from 10^3 to 10^6 filters, load time and bytes per filter",
        command: None,
    },
    Line {
        issue: 2,
        number: 7,
        promise: "19,000 connections at once, each answered; all killed; memory returns, five rounds",
        command: None,
    },
    Line {
        issue: 2,
        number: 8,
        promise: "simulator: 10,000 seeds, 0 violations; 12 planted faults found; fuzzers: 0 crashes",
        command: None,
    },
    Line {
        issue: 2,
        number: 9,
        promise: "pressure and bad input: stopped readers, floods, self-publishers; drops add up",
        command: None,
    },
];

pub(crate) fn run(tree: &Tree, args: &[String]) -> Result<()> {
    let (issue, only) = match args {
        [issue] => (issue.parse::<u32>()?, None),
        [issue, line] => (issue.parse::<u32>()?, Some(line.parse::<u32>()?)),
        _ => bail!("which issue? `cargo xtask show ISSUE [LINE]`"),
    };
    let lines: Vec<&Line> = LINES
        .iter()
        .filter(|line| line.issue == issue && only.is_none_or(|only| only == line.number))
        .collect();
    if lines.is_empty() {
        bail!("no such line");
    }
    let mut results = Vec::new();
    for line in lines {
        println!("\n== {}.{} {}", line.issue, line.number, line.promise);
        let begun = Instant::now();
        let result = match line.command {
            None => "no command yet".to_owned(),
            Some(command) => {
                println!("$ {command}");
                let status = std::process::Command::new("sh")
                    .args(["-c", command])
                    .current_dir(tree.root())
                    .status()
                    .context("cannot start sh")?;
                let word = if status.success() { "shown" } else { "FAILED" };
                format!("{word} in {} s", begun.elapsed().as_secs())
            }
        };
        println!("== {}.{} {result}", line.issue, line.number);
        results.push((line, result));
    }
    println!();
    for (line, result) in &results {
        println!("{}.{} {result}: {}", line.issue, line.number, line.promise);
    }
    if results
        .iter()
        .any(|(_, result)| !result.starts_with("shown"))
    {
        bail!("not everything is shown");
    }
    Ok(())
}
