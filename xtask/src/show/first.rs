//! What README promises first: one command starts the broker, a second tests everything; and the
//! scripts of the tutorial on both generations of paho-mqtt.

use anyhow::{Context as _, Result, ensure};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Options, broker::released, shell};
use crate::tree::Tree;

const MINUTES_MAX: u64 = 30;

pub(super) fn show(tree: &Tree, _: &Options) -> Result<()> {
    let command = command(tree, 0)?;
    println!("$ {command}");
    // Ports of the system's choice: the usual ones may be taken on this machine.
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec {command}")])
        .current_dir(tree.root())
        .env("TERNMQ__LISTENERS__TCP__DEFAULT__BIND", "127.0.0.1:0")
        .env("TERNMQ__LISTENERS__WS__DEFAULT__BIND", "127.0.0.1:0")
        .env(
            "TERNMQ__DATA_DIR",
            std::env::temp_dir().join("ternmq-show-first"),
        )
        .stdout(Stdio::piped())
        .spawn()?;
    let said = BufReader::new(child.stdout.take().context("a pipe")?);
    let mut started = false;
    for line in said.lines().map_while(Result::ok) {
        println!("  {line}");
        started |= line.starts_with("listening tcp:default ");
        if line.starts_with("listening ws:default ") {
            break;
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    ensure!(started, "it did not say where it listens");
    let binary = released(tree)?;
    shell(
        tree,
        &format!(
            "python3 tests/clients/matrix.py --bin {} --only tutorial",
            binary.display()
        ),
    )
}

pub(super) fn show_second(tree: &Tree, _: &Options) -> Result<()> {
    let begun = Instant::now();
    shell(tree, &command(tree, 1)?)?;
    let minutes = begun.elapsed().as_secs() / 60;
    ensure!(minutes < MINUTES_MAX, "it took {minutes} minutes");
    Ok(())
}

/// The commands of README that start and test: the code blocks of its first two chapters that are
/// for `cargo`.
fn command(tree: &Tree, number: usize) -> Result<String> {
    let text = tree.read("README.md")?;
    let mut blocks = text.split("```sh\n").skip(1);
    let mut commands = Vec::new();
    for block in &mut blocks {
        let command = block.lines().next().unwrap_or_default();
        if command.starts_with("cargo ") {
            commands.push(command.to_owned());
        }
    }
    commands
        .into_iter()
        .nth(number)
        .context("README has no such command")
}
