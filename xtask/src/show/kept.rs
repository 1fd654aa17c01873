//! What is kept for a long time: retained messages and sessions, in memory and on disk for each.

use anyhow::{Result, ensure};
use std::time::Instant;

use super::Options;
use super::away::{make_sessions, settled};
use super::broker::{Broker, released};
use super::client::Client;
use super::disk::{load, used};
use super::load::{generate, loadgen};
use crate::tree::Tree;

const RETAINED: u32 = 1_000_000;
/// Until what is bounded is full: the log of the latest connections, of any number of clients.
const FIRST: usize = 10_000;
const SESSIONS: usize = 50_000;
const SUBSCRIPTIONS: usize = 5;

pub(super) fn show_retained(tree: &Tree, options: &Options) -> Result<()> {
    let binary = released(tree)?;
    // Beyond the million: each shard has its share of the bound, and topics fall to them not quite evenly.
    let mut broker = Broker::ternmq(&binary, &["mqtt.max_retained=1010000"])?;
    let (memory, disk) = (broker.memory()?, used(&broker.data())?);
    let args =
        format!("retained --messages {RETAINED} --exact 1000 --window 1000 --keep --seconds 400");
    let said = generate(&loadgen(options)?, &broker, &args)?;
    println!(
        "{} stored at {:.0}/s; {} of them by `#` at {:.0}/s, {} by exact filters at {:.0}/s; {}",
        said.number("stored")?,
        said.number("stored_per_s")?,
        said.number("wild_received")?,
        said.number("wild_per_s")?,
        said.number("exact_received")?,
        said.number("exact_per_s")?,
        load()
    );
    let each = |bytes: u64| bytes as f64 / f64::from(RETAINED);
    let full = settled(&broker)?;
    println!(
        "64 bytes of payload: {:.0} bytes of memory each ({full}), {:.0} on disk; {}",
        each(full.anonymous.saturating_sub(memory.anonymous)),
        each(used(&broker.data())?.saturating_sub(disk)),
        load()
    );
    let (ended, started) = broker.restart()?;
    let mut client = Client::passing(broker.address, "reader")?;
    let begun = Instant::now();
    client.subscribe(&["lg/#".into()])?;
    let mut count = 0;
    while count < RETAINED as usize {
        let some = client.take_some(std::time::Duration::from_secs(10))?;
        ensure!(some > 0, "only {count} came back");
        count += some;
    }
    println!(
        "ended in {:.2} s, listened again after {:.2} s, and gave all {count} to `#` in {:.1} s; {}; \
         settled {}",
        ended.as_secs_f64(),
        started.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        load(),
        settled(&broker)?,
    );
    Ok(())
}

pub(super) fn show_sessions(tree: &Tree) -> Result<()> {
    let binary = released(tree)?;
    let mut broker = Broker::ternmq(&binary, &[])?;
    let (base, disk) = (settled(&broker)?, used(&broker.data())?);
    let filters = |n: usize| -> Vec<String> {
        let names = ["temperature", "humidity", "door", "light", "+/alarm"];
        let of = |name: &&str| format!("home/{n:06}/{name}");
        names.iter().take(SUBSCRIPTIONS).map(of).collect()
    };
    make_sessions(&broker, 0..FIRST, filters)?;
    let first = settled(&broker)?;
    println!(
        "the first {FIRST} sessions, with the connection log that they fill: {} bytes of memory each",
        first.anonymous.saturating_sub(base.anonymous) / FIRST as u64
    );
    let begun = Instant::now();
    make_sessions(&broker, FIRST..FIRST + SESSIONS, filters)?;
    let took = begun.elapsed().as_secs_f64();
    let each = |bytes: u64| bytes / SESSIONS as u64;
    let all = |bytes: u64| bytes / (FIRST + SESSIONS) as u64;
    let text: usize = filters(0).iter().map(String::len).sum();
    let full = settled(&broker)?;
    println!(
        "{SESSIONS} more sessions with {SUBSCRIPTIONS} subscriptions ({text} bytes of filters) and a client id \
         of 11 bytes, made and left in {took:.1} s: {} bytes of memory each ({full} less {first}), {} on \
         disk; {}",
        each(full.anonymous.saturating_sub(first.anonymous)),
        all(used(&broker.data())?.saturating_sub(disk)),
        load()
    );
    let (ended, started) = broker.restart()?;
    let again = settled(&broker)?;
    println!(
        "ended in {:.2} s, listened again after {:.2} s: {} bytes of memory each ({again}), {} on disk; {}",
        ended.as_secs_f64(),
        started.as_secs_f64(),
        all(again.anonymous.saturating_sub(base.anonymous)),
        all(used(&broker.data())?.saturating_sub(disk)),
        load()
    );
    Ok(())
}
