//! The router's bench, its instructions by callgrind, and throughput beside subscriptions that come
//! and go.

use anyhow::{Context as _, Result, ensure};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::broker::{Broker, released};
use super::{Options, load};
use crate::tree::Tree;

const RATIO_MAX: f64 = 3.0;
const BYTES_MAX: f64 = 150.0;
const SECS_MAX: f64 = 5.0;
const THROUGHPUT_MIN: f64 = 0.9;
/// Instructions are counted over so many topics.
const TOPICS: u32 = 5000;
/// Subscribes, and unsubscribes, in a second.
const CHANGES: u32 = 1000;

pub(super) fn show(tree: &Tree, options: &Options) -> Result<()> {
    let mut short = Vec::new();
    let said = output(
        tree,
        "cargo",
        &["bench", "-q", "-p", "engine", "--bench", "router"],
    )?;
    print!("{said}");
    for line in said.lines() {
        let figure = |before: &str| number_before(line, before);
        if line.starts_with("match:") && figure(" times").is_some_and(|ratio| ratio > RATIO_MAX) {
            short.push(line.to_owned());
        }
        // The copies of every shard that this machine has by default.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let of_ours = line.contains(&format!("on {cores} shards"));
        if of_ours && figure(" bytes").is_some_and(|bytes| bytes > BYTES_MAX)
            || line.starts_with("load:") && figure(" s,").is_some_and(|secs| secs > SECS_MAX)
        {
            short.push(line.to_owned());
        }
    }
    instructions(tree)?;
    let ratio = beside_changes(tree, options)?;
    println!(
        "pair throughput beside {CHANGES} subscribes and unsubscribes a second: {ratio:.2} of that without"
    );
    if ratio < THROUGHPUT_MIN {
        short.push(format!("throughput beside changes {ratio:.2}"));
    }
    ensure!(
        short.is_empty(),
        "short of what is wanted: {}",
        short.join("; ")
    );
    Ok(())
}

/// The last number that stands before these words.
fn number_before(line: &str, words: &str) -> Option<f64> {
    let (before, _) = line.split_once(words)?;
    before.split_whitespace().last()?.parse().ok()
}

fn output(tree: &Tree, program: &str, args: &[&str]) -> Result<String> {
    let done = Command::new(program)
        .args(args)
        .current_dir(tree.root())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    let error = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{program} {args:?}: {error}");
    Ok(format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        error
    ))
}

fn instructions(tree: &Tree) -> Result<()> {
    let built = output(
        tree,
        "cargo",
        &["bench", "--no-run", "-p", "engine", "--bench", "router"],
    )?;
    let binary = built
        .split_once("benches/router.rs (")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(path, _)| path.to_owned())
        .context("cargo did not say where the bench is")?;
    for size in ["1000", "10000", "100000", "1000000"] {
        let topics = TOPICS.to_string();
        let said = output(
            tree,
            "valgrind",
            &[
                "--tool=callgrind",
                "--callgrind-out-file=/dev/null",
                "--toggle-collect=*match_all*",
                &binary,
                "match",
                size,
                &topics,
            ],
        )?;
        let count = said
            .lines()
            .find_map(|line| line.split_once("Collected : "))
            .and_then(|(_, count)| count.trim().parse::<f64>().ok())
            .context("callgrind counted nothing")?;
        println!(
            "match: {size:>8} filters, {:.0} instructions",
            count / f64::from(TOPICS)
        );
    }
    Ok(())
}

/// Pair throughput with and without a client that subscribes and unsubscribes all the time, in turn.
fn beside_changes(tree: &Tree, options: &Options) -> Result<f64> {
    let binary = released(tree)?;
    let mut ratios = Vec::new();
    for _ in 0..options.repeat {
        let broker = Broker::ternmq(&binary, &[])?;
        let alone = load::pair_rate(options, &broker)?;
        drop(broker);
        let broker = Broker::ternmq(&binary, &[])?;
        let (stop, changes) = (AtomicBool::new(false), AtomicU32::new(0));
        let begun = Instant::now();
        let beside = thread::scope(|scope| {
            let changer = scope.spawn(|| change(broker.address, &stop, &changes));
            let rate = load::pair_rate(options, &broker);
            stop.store(true, Ordering::Relaxed);
            match changer.join() {
                Ok(outcome) => outcome.and(rate),
                Err(_) => anyhow::bail!("the changer panicked"),
            }
        })?;
        let rate = f64::from(changes.load(Ordering::Relaxed)) / begun.elapsed().as_secs_f64();
        println!("alone {alone:.0}/s, beside {rate:.0} changes/s {beside:.0}/s");
        ensure!(
            rate > f64::from(CHANGES) * 0.9,
            "only {rate:.0} changes a second"
        );
        ratios.push(beside / alone);
    }
    ratios.sort_by(f64::total_cmp);
    Ok(ratios[ratios.len() / 2])
}

/// Ten filters come and ten go in each hundredth of a second, one in five with a wildcard.
fn change(address: SocketAddr, stop: &AtomicBool, changes: &AtomicU32) -> Result<()> {
    const AT_ONCE: u32 = 10;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.write_all(&[0x10, 19, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 7])?;
    stream.write_all(b"changer")?;
    stream.read_exact(&mut [0; 4])?;
    let mut round = 0u32;
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let mut bytes = Vec::new();
        for n in 0..AT_ONCE {
            let tail = ["x", "x", "x", "x", "+"][n as usize % 5];
            let filter = format!("change/{}/{tail}", round * AT_ONCE + n);
            for (first, options) in [(0x82, &[0u8][..]), (0xA2, &[])] {
                let len = 2 + 2 + filter.len() + options.len();
                bytes.extend([
                    first,
                    u8::try_from(len)?,
                    0,
                    1,
                    0,
                    u8::try_from(filter.len())?,
                ]);
                bytes.extend(filter.as_bytes());
                bytes.extend(options);
            }
        }
        stream.write_all(&bytes)?;
        // SUBACK 5 bytes, UNSUBACK 4.
        stream.read_exact(&mut [0; 9 * AT_ONCE as usize])?;
        round += 1;
        changes.fetch_add(AT_ONCE, Ordering::Relaxed);
        let due = Duration::from_secs(1) * (round * AT_ONCE) / CHANGES;
        thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found() {
        let line = "match:     1000 filters     133 ns  1.50 times the first, 0.20 matches a topic";
        assert_eq!(number_before(line, " times"), Some(1.5));
        let line = "load: 1000000 filters on 2 shards in 1.10 s, 56 bytes each beyond their text";
        assert_eq!(number_before(line, " bytes"), Some(56.0));
        assert_eq!(number_before(line, " s,"), Some(1.1));
        assert_eq!(number_before(line, " times"), None);
    }
}
