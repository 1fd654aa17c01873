//! What rules of access cost: a check by itself, and throughput with a hundred rules beside none, where a
//! message is checked and where it is delivered to many, whose subscriptions need no check.

use anyhow::{Context as _, Result, ensure};
use std::fmt::Write as _;
use std::process::Command;

use super::broker::{Broker, released};
use super::http::Caller;
use super::load::{FAN_OUT, PAIR, Scenario};
use super::{Options, median};
use crate::tree::Tree;

const RULES: usize = 100;
const CHECK_NANOS_MAX: f64 = 200.0;
const SHARE_MIN: f64 = 0.9;

/// What is measured, and whether some of the rules deny.
const MEASURED: [(Scenario, Kinds); 2] = [(PAIR, Kinds::Mixed), (FAN_OUT, Kinds::Allowing)];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinds {
    /// Every third one denies.
    Mixed,
    Allowing,
}

pub(super) fn show(tree: &Tree, options: &Options) -> Result<()> {
    let slowest = checks(tree)?;
    let binary = released(tree)?;
    let mut short = Vec::new();
    for (scenario, kinds) in &MEASURED {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        let rate = |broker: &Broker| {
            let figures = scenario.figures(options, broker)?;
            figures.number("delivered_per_s")
        };
        for _ in 0..options.repeat {
            without.push(rate(&Broker::ternmq(&binary, &[])?)?);
            let broker = Broker::ternmq(&binary, &[])?;
            write_rules(&broker, *kinds)?;
            with.push(rate(&broker)?);
        }
        let (without, with) = (median(without), median(with));
        let share = with / without;
        println!(
            "{}: {with:.0} delivered/s with {RULES} rules, {without:.0} without: {:.0} %; wanted at least \
             {:.0} %",
            scenario.name,
            share * 100.0,
            SHARE_MIN * 100.0
        );
        if share < SHARE_MIN {
            short.push(format!("{}: {:.0} %", scenario.name, share * 100.0));
        }
    }
    ensure!(slowest <= CHECK_NANOS_MAX, "a check takes {slowest} ns");
    ensure!(short.is_empty(), "of the throughput: {}", short.join("; "));
    Ok(())
}

/// Runs the bench of the engine; gives the slowest check of a PUBLISH among ten thousand rules.
fn checks(tree: &Tree) -> Result<f64> {
    let done = Command::new("cargo")
        .args([
            "bench",
            "--package",
            "engine",
            "--bench",
            "access",
            "--locked",
        ])
        .current_dir(tree.root())
        .output()?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    print!("{said}");
    ensure!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let publish = |line: &str| line.split_whitespace().rev().nth(1)?.parse::<f64>().ok();
    let large = said.lines().filter(|line| line.starts_with("10000 "));
    let slowest = large.filter_map(publish).max_by(f64::total_cmp);
    slowest.context("the bench told nothing of 10,000 rules")
}

/// For all, none of which is about what is measured.
pub(super) fn write_rules(broker: &Broker, kinds: Kinds) -> Result<()> {
    let mut rules = String::new();
    for n in 0..RULES {
        let denies = kinds == Kinds::Mixed && n % 3 == 0;
        let permission = if denies { "deny" } else { "allow" };
        let comma = if n == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(
            rules,
            r#"{comma}{{"topic":"site/{}/line-{n}/#","action":"all","permission":"{permission}"}}"#,
            n % 10
        );
    }
    let mut admin = Caller::administrator(broker.http.context("one of ours")?)?;
    let path = "/authorization/sources/built_in_database/rules/all";
    admin.ask("POST", path, &format!(r#"{{"rules":[{rules}]}}"#))?;
    Ok(())
}
