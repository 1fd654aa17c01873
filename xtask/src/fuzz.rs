//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer, on the stable compiler.
//!
//! `cargo fuzz` asks for a nightly one because of the sanitizers, which our code, without `unsafe`,
//! does not need; coverage, which guides the fuzzer, is a matter of stable flags.

use crate::tree::Tree;
use anyhow::{Context as _, Result, bail, ensure};
use std::path::PathBuf;
use std::process::Command;

const TARGETS: [&str; 5] = ["frame", "roundtrip", "topic", "websocket", "shard"];

/// What `cargo fuzz` passes too, less the sanitizer.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// An input that takes longer is a fault.
const INPUT_SECS_MAX: u32 = 5;
const MEGABYTES_MAX: u32 = 2048;

pub(crate) fn run(tree: &Tree, args: &[String]) -> Result<()> {
    let (mut seconds, mut targets) = (60u32, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => seconds = args.next().context("--seconds needs a number")?.parse()?,
            name if TARGETS.contains(&name) => targets.push(name),
            other => bail!("no target {other}; there are {}", TARGETS.join(", ")),
        }
    }
    if targets.is_empty() {
        targets = TARGETS.to_vec();
    }
    let built = build(tree)?;
    let mut crashes = Vec::new();
    for target in targets {
        let corpus = format!("fuzz/corpus/{target}");
        let artifacts = format!("fuzz/artifacts/{target}/");
        std::fs::create_dir_all(tree.join(&corpus))?;
        std::fs::create_dir_all(tree.join(&artifacts))?;
        println!("== fuzz {target} for {seconds} s");
        let done = Command::new(built.join(target))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-timeout={INPUT_SECS_MAX}"))
            .arg(format!("-rss_limit_mb={MEGABYTES_MAX}"))
            .arg(format!("-artifact_prefix={artifacts}"))
            .args(["-print_final_stats=1", "-verbosity=0", &corpus])
            .current_dir(tree.root())
            .output()
            .with_context(|| format!("cannot start {target}"))?;
        let said = String::from_utf8_lossy(&done.stderr);
        let runs = said
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
            .unwrap_or("?");
        if done.status.success() {
            println!("{target}: {} inputs, 0 crashes", runs.trim());
        } else {
            println!("{said}");
            crashes.push(target);
        }
    }
    ensure!(
        crashes.is_empty(),
        "crashes, slow inputs or too much memory: {crashes:?}"
    );
    Ok(())
}

/// That the targets still compile, which nothing else builds.
pub(crate) fn check(tree: &Tree) -> Result<()> {
    let target = tree.target();
    tree.run(
        "cargo",
        &[
            "clippy",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target-dir",
            &target.to_string_lossy(),
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    )
}

/// Gives the folder with the built targets.
fn build(tree: &Tree) -> Result<PathBuf> {
    let target = tree.target().join("fuzz");
    // Named, so that the flags are for what is fuzzed and not for what builds it.
    let host = host()?;
    let status = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--quiet",
            "--locked",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--features",
            "link",
        ])
        .args(["--target", &host])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(tree.root())
        .env("RUSTFLAGS", FLAGS)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the fuzzers do not compile");
    Ok(target.join(host).join("release"))
}

fn host() -> Result<String> {
    let said = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot start rustc")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("rustc does not say what it compiles for")?
        .to_owned())
}
