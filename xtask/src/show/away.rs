//! Sessions whose clients are away: one message for very many of them, and all of them coming back
//! at once after a restart.

use anyhow::{Context as _, Result, ensure};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Options;
use super::broker::{Broker, Memory, released};
use super::client::{Client, publish};
use super::disk::{load, used};
use super::durable::{OFTEN, figures};
use super::load::{generate, loadgen};
use crate::tree::Tree;

const SESSIONS: usize = 100_000;
/// Threads that make them: each waits for its SUBACK, so these share a sync.
const THREADS: usize = 64;
/// So many come back to see that they have the message.
const LOOKING: usize = 1_000;
/// The allocator gives back in two steps of ten seconds each.
const SETTLE: Duration = Duration::from_secs(30);
const RETURNING: u32 = 19_000;
const OWN: u32 = 10;
const OTHERS: u32 = 1_000_000;
const SECS_MAX: f64 = 60.0;

pub(super) fn show(tree: &Tree, options: &Options) -> Result<()> {
    let binary = released(tree)?;
    let mut short = Vec::new();
    one_for_all(&binary, &mut short)?;
    all_return(&binary, options, &mut short)?;
    ensure!(
        short.is_empty(),
        "short of what is wanted: {}",
        short.join("; ")
    );
    Ok(())
}

fn one_for_all(binary: &Path, short: &mut Vec<String>) -> Result<()> {
    let broker = Broker::ternmq(binary, &[OFTEN])?;
    let begun = Instant::now();
    make_sessions(&broker, 0..SESSIONS, |_| vec!["away/news".into()])?;
    println!(
        "{SESSIONS} sessions made and left in {:.1} s; {}",
        begun.elapsed().as_secs_f64(),
        load()
    );
    let memory = settled(&broker)?;
    let (disk, before) = (used(&broker.data())?, figures(&broker)?);
    let mut publisher = Client::passing(broker.address, "publisher")?;
    let begun = Instant::now();
    publisher.send(&publish("away/news", 1, &[b'x'; 64]))?;
    publisher.acknowledged()?;
    let took = begun.elapsed();
    let after = figures(&broker)?;
    let did = |key| after.since(&before, key);
    let records = did("log/records")?;
    let now = settled(&broker)?;
    println!(
        "one message to all of them: acknowledged after {took:?}; {records} record of {} bytes in the \
         log, {} records of keys; memory {:+} KB from {memory}, disk {:+} bytes; {}",
        did("log/bytes/written")?,
        did("keys/records")?,
        now.anonymous as i64 / 1024 - memory.anonymous as i64 / 1024,
        used(&broker.data())? as i64 - disk as i64,
        load()
    );
    if records != 1 {
        short.push(format!("{records} records for one message"));
    }
    for n in (0..SESSIONS).step_by(SESSIONS / LOOKING) {
        let mut client = Client::one_of_many(broker.address, &name(n), n)?;
        let (topic, _) = client.message().with_context(|| name(n))?;
        ensure!(topic == "away/news", "{} got {topic}", name(n));
    }
    println!("{LOOKING} of them came back and had it");
    Ok(())
}

fn name(n: usize) -> String {
    format!("away-{n:06}")
}

/// Sessions with these filters, whose clients have left.
pub(super) fn make_sessions(
    broker: &Broker,
    numbers: Range<usize>,
    filters: impl Fn(usize) -> Vec<String> + Sync,
) -> Result<()> {
    thread::scope(|scope| {
        let make = |first: usize| {
            let filters = &filters;
            scope.spawn(move || -> Result<()> {
                for n in (first..numbers.end).step_by(THREADS) {
                    let mut client = Client::one_of_many(broker.address, &name(n), n)?;
                    client.subscribe(&filters(n))?;
                    client.disconnect()?;
                }
                Ok(())
            })
        };
        let threads: Vec<_> = (0..THREADS).map(|n| make(numbers.start + n)).collect();
        for thread in threads {
            match thread.join() {
                Ok(outcome) => outcome?,
                Err(_) => anyhow::bail!("a client panicked"),
            }
        }
        Ok(())
    })
}

/// What stays in memory when the allocator has given back what it can.
pub(super) fn settled(broker: &Broker) -> Result<Memory> {
    broker.least(SETTLE)
}

/// Messages for each of a crowd and for somebody else; a restart; the crowd comes back at once.
fn all_return(binary: &Path, options: &Options, short: &mut Vec<String>) -> Result<()> {
    let loadgen = loadgen(options)?;
    let dir = std::env::temp_dir().join(format!("ternmq-show-away-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let mut broker = Broker::ternmq(binary, &[])?;
    let own = format!(
        "--prefix own --shape pair --subs {RETURNING} --state {}/own",
        dir.display()
    );
    let others = format!("--prefix others --subs 1 --state {}/others", dir.display());
    let phase = |broker: &Broker, phase: &str, args: &str| {
        generate(&loadgen, broker, &format!("offline --phase {phase} {args}"))
    };
    phase(&broker, "subscribe", &format!("{own} --seconds 120"))?;
    phase(&broker, "subscribe", &format!("{others} --seconds 120"))?;
    // Both at once, at rates that bring them to their ends together.
    let begun = Instant::now();
    let mut beside = Beside(
        Command::new(&loadgen)
            .args(["offline", "--phase", "publish", "--seconds", "600"])
            .args(["--pubs", "20", "--window", "100"])
            .args(["--messages", &OTHERS.to_string()])
            .args(["--port", &broker.address.port().to_string()])
            .args(others.split(' '))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let count = RETURNING * OWN;
    let args = format!("{own} --pubs 2 --window 200 --messages {count} --seconds 600");
    let said = phase(&broker, "publish", &args)?;
    let status = beside.0.wait()?;
    ensure!(status.success(), "the others' messages: {status}");
    let acked = said.number("acked")?;
    println!(
        "{acked} messages for {RETURNING} sessions among {OTHERS} for others in {:.1} s (their own in \
         {:.1} s), {} MB on disk, {}; {}",
        begun.elapsed().as_secs_f64(),
        said.number("enqueue_s")?,
        used(&broker.data())? >> 20,
        broker.memory()?,
        load()
    );
    let (ended, started) = broker.restart()?;
    println!(
        "ended in {:.2} s, listened again after {:.2} s, {}; {}",
        ended.as_secs_f64(),
        started.as_secs_f64(),
        broker.memory()?,
        load()
    );
    let args = format!("{own} --keep --concurrency 1000 --idle-ms 10000 --seconds 120");
    let said = phase(&broker, "drain", &args);
    let _ = std::fs::remove_dir_all(&dir);
    let said = said?;
    let (secs, drained) = (said.number("drain_s")?, said.number("drained")?);
    let (lost, dup) = (said.number("lost")?, said.number("dup")?);
    let disorder = said.number("order_violations")?;
    println!(
        "all {RETURNING} returned: {drained} of {acked} delivered in {secs:.1} s (wanted at most \
         {SECS_MAX}), lost {lost}, doubled {dup}, out of order {disorder}; {:.1} s of the broker's \
         processor time, {}; {}",
        said.number("drain_broker_cpu_s")?,
        broker.memory()?,
        load()
    );
    let whole = drained == f64::from(count) && lost + dup + disorder == 0.0;
    if !whole || secs > SECS_MAX {
        short.push(format!("{drained} delivered in {secs:.1} s"));
    }
    Ok(())
}

/// A program that works beside; killed when dropped.
struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
