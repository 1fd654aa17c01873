//! What durability costs: QoS 1 to a session that outlives its connection, beside the raw limit of
//! the disk measured in the same run, and beside mosquitto, which does not sync.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::broker::{Broker, released};
use super::client::{Client, publish};
use super::disk::{load, percentiles, raw, written};
use super::load::{generate, loadgen, pair_rate};
use super::{Options, median};
use crate::tree::Tree;

/// What the broker may add to the sync.
const TIMES_MAX: f64 = 1.3;
const MORE_MAX: Duration = Duration::from_micros(300);
const OF_RAW_MIN: f64 = 0.7;
const BESIDE_MIN: f64 = 0.9;
const BESIDE_ROUNDS: usize = 5;
/// Messages a second of the durable publisher beside which others are measured.
const BESIDE_RATE: u32 = 1_000;
const PUBLISHERS: u32 = 64;
/// A record of one such message, as the log has it.
const RECORD_BYTES: usize = 160;
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// The store is asked this often.
pub(super) const OFTEN: &str = "mqtt.sys_interval=1s";

/// Whether the subscriber is there.
#[derive(Clone, Copy)]
enum Reader {
    Online,
    Offline,
}

const READERS: [(Reader, &str); 2] = [(Reader::Online, "online"), (Reader::Offline, "offline")];

pub(super) fn show(tree: &Tree, options: &Options) -> Result<()> {
    let binary = released(tree)?;
    let mut short = Vec::new();
    one_by_one(&binary, options, &mut short)?;
    for window in [1, 100] {
        for (reader, name) in READERS {
            many(&binary, options, window, (reader, name), &mut short)?;
        }
    }
    sparse(&binary, options)?;
    beside(&binary, options, &mut short)?;
    ensure!(
        short.is_empty(),
        "short of what is wanted: {}",
        short.join("; ")
    );
    Ok(())
}

/// A publisher that waits for each acknowledgement.
fn one_by_one(binary: &Path, options: &Options, short: &mut Vec<String>) -> Result<()> {
    let time = Duration::from_secs(options.seconds.into());
    println!(
        "one publisher that waits for each PUBACK, medians of {}",
        options.repeat
    );
    let mut limit = Vec::new();
    let mut ours: [Vec<f64>; 2] = Default::default();
    for round in 1..=options.repeat {
        for (at, (reader, name)) in READERS.into_iter().enumerate() {
            let broker = Broker::ternmq(binary, &[])?;
            let one = raw(&broker.data(), RECORD_BYTES, time / 2)?;
            let times = served(&broker, reader, || wait_for_each(&broker, time))?;
            let two = raw(&broker.data(), RECORD_BYTES, time / 2)?;
            drop(broker);
            let other = Broker::mosquitto_persistent()?;
            let others = served(&other, reader, || wait_for_each(&other, time))?;
            let (p50, p99) = percentiles(times);
            let (other_p50, other_p99) = percentiles(others);
            println!(
                "round {round}, subscriber {name:<7}: raw {:?}/{:?} then {:?}/{:?}, acknowledged \
                 after {p50:?}/{p99:?}, mosquitto {other_p50:?}/{other_p99:?} (p50/p99); {}",
                one.p50,
                one.p99,
                two.p50,
                two.p99,
                load()
            );
            limit.extend([one.p50.as_secs_f64(), two.p50.as_secs_f64()]);
            ours[at].push(p50.as_secs_f64());
        }
    }
    let limit = median(limit);
    let wanted = limit * TIMES_MAX + MORE_MAX.as_secs_f64();
    for ((_, name), times) in READERS.into_iter().zip(ours) {
        let took = median(times);
        let said = format!(
            "subscriber {name}: {:.3} ms; wanted at most {TIMES_MAX} * {:.3} + {:.1} = {:.3} ms",
            took * 1e3,
            limit * 1e3,
            MORE_MAX.as_secs_f64() * 1e3,
            wanted * 1e3
        );
        println!("{said}");
        if took > wanted {
            short.push(said);
        }
    }
    Ok(())
}

/// Many publishers at once: group commit.
fn many(
    binary: &Path,
    options: &Options,
    window: u32,
    (reader, name): (Reader, &str),
    short: &mut Vec<String>,
) -> Result<()> {
    println!("{PUBLISHERS} publishers, window {window}, subscriber {name}");
    let mut ratios = Vec::new();
    for round in 1..=options.repeat {
        let broker = Broker::ternmq(binary, &[OFTEN])?;
        let before = (figures(&broker)?, written(broker.pid())?);
        let rate = served(&broker, reader, || flood(&broker, options, window))?;
        let bytes = written(broker.pid())? - before.1;
        let store = figures(&broker)?;
        let did = |key| store.since(&before.0, key);
        let (records, writes) = (did("log/records")?, did("log/writes")?);
        let (log_bytes, batch) = (did("log/bytes/written")?, records as f64 / writes as f64);
        let raw = raw(
            &broker.data(),
            usize::try_from(log_bytes / writes)?,
            half(options),
        )?;
        let keys = did("keys/writes")?;
        drop(broker);
        // What the processors can do when nobody waits for the disk.
        let lazy = Broker::ternmq(binary, &["durability=os"])?;
        let unsynced = served(&lazy, reader, || flood(&lazy, options, window))?;
        drop(lazy);
        let other = Broker::mosquitto_persistent()?;
        let others = served(&other, reader, || flood(&other, options, window))?;
        let ratio = rate / (raw.per_second * batch);
        println!(
            "round {round}: {rate:.0}/s in batches of {batch:.1}, raw append of such {:.0}/s: {ratio:.2}; \
             sync p50 {} us, raw {:.0} us; {} bytes a record, {} bytes to disk a message, \
             {keys} writes of keys; without syncs {unsynced:.0}/s, mosquitto {others:.0}/s; {}",
            raw.per_second * batch,
            store.get("log/sync/p50")?,
            raw.p50.as_secs_f64() * 1e6,
            log_bytes / records,
            bytes / records,
            load()
        );
        ratios.push(ratio);
    }
    let ratio = median(ratios);
    let said = format!(
        "window {window}, subscriber {name}: {ratio:.2} of raw append; wanted at least {OF_RAW_MIN}"
    );
    println!("{said}");
    if ratio < OF_RAW_MIN {
        short.push(said);
    }
    Ok(())
}

fn half(options: &Options) -> Duration {
    Duration::from_secs(options.seconds.into()) / 2
}

/// Ten messages a second, as sensors do: each is a sync of its own.
fn sparse(binary: &Path, options: &Options) -> Result<()> {
    for (reader, name) in READERS {
        let broker = Broker::ternmq(binary, &[])?;
        let (count, bytes) = served(&broker, reader, || {
            let before = written(broker.pid())?;
            let stop = AtomicBool::new(false);
            let until = Instant::now() + Duration::from_secs(options.seconds.into());
            let count = pace(&broker, 10, &stop, Some(until))?;
            Ok((count, written(broker.pid())? - before))
        })?;
        println!(
            "10 messages a second, subscriber {name}: {:.0} bytes to disk each ({count} messages); {}",
            bytes as f64 / f64::from(count),
            load()
        );
    }
    Ok(())
}

/// QoS 0 of others, with and without durable messages beside.
fn beside(binary: &Path, options: &Options, short: &mut Vec<String>) -> Result<()> {
    let mut ratios = Vec::new();
    for round in 1..=BESIDE_ROUNDS {
        let broker = Broker::ternmq(binary, &[])?;
        let alone = pair_rate(options, &broker)?;
        drop(broker);
        let broker = Broker::ternmq(binary, &[])?;
        let stop = AtomicBool::new(false);
        let begun = Instant::now();
        let (with, count) = served(&broker, Reader::Online, || {
            thread::scope(|scope| {
                let pacing = scope.spawn(|| pace(&broker, BESIDE_RATE, &stop, None));
                let rate = pair_rate(options, &broker);
                stop.store(true, Relaxed);
                match pacing.join() {
                    Ok(count) => Ok((rate?, count?)),
                    Err(_) => anyhow::bail!("the publisher panicked"),
                }
            })
        })?;
        println!(
            "round {round}: QoS 0 pairs {alone:.0}/s alone, {with:.0}/s beside {:.0} durable messages a \
             second: {:.2}; {}",
            f64::from(count) / begun.elapsed().as_secs_f64(),
            with / alone,
            load()
        );
        ratios.push(with / alone);
    }
    let ratio = median(ratios);
    let said = format!(
        "QoS 0 beside durable messages: {ratio:.2} of that alone; wanted at least {BESIDE_MIN}"
    );
    println!("{said}");
    if ratio < BESIDE_MIN {
        short.push(said);
    }
    Ok(())
}

/// Does something while a session that outlives its connection subscribes to `durable/q/#`, and, if
/// it is online, takes what comes.
fn served<T>(broker: &Broker, reader: Reader, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut client = Client::persistent(broker.address, "reader")?;
    client.subscribe(&["durable/q/#".into()])?;
    if matches!(reader, Reader::Offline) {
        client.disconnect()?;
        return work();
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let taking = scope.spawn(|| -> Result<usize> {
            let mut taken = 0;
            while !stop.load(Relaxed) {
                taken += client.take_some(Duration::from_millis(50))?;
            }
            Ok(taken)
        });
        let done = work();
        stop.store(true, Relaxed);
        match taking.join() {
            Ok(taken) => ensure!(taken? > 0, "the subscriber got nothing"),
            Err(_) => anyhow::bail!("the subscriber panicked"),
        }
        done
    })
}

fn wait_for_each(broker: &Broker, time: Duration) -> Result<Vec<Duration>> {
    let mut client = Client::passing(broker.address, "publisher")?;
    let message = publish("durable/q/0", 1, &PAYLOAD);
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let begun = Instant::now();
        client.send(&message)?;
        client.acknowledged()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// Messages that come evenly, each acknowledged before the next; gives how many.
fn pace(broker: &Broker, rate: u32, stop: &AtomicBool, until: Option<Instant>) -> Result<u32> {
    let mut client = Client::passing(broker.address, "steady")?;
    let message = publish("durable/q/0", 1, &PAYLOAD);
    let begun = Instant::now();
    let mut count = 0;
    while !stop.load(Relaxed) && until.is_none_or(|until| Instant::now() < until) {
        client.send(&message)?;
        client.acknowledged()?;
        count += 1;
        let due = Duration::from_secs(1) * count / rate;
        thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    Ok(count)
}

/// Messages acknowledged in a second.
fn flood(broker: &Broker, options: &Options, window: u32) -> Result<f64> {
    let seconds = options.seconds;
    // What it notes there is no load for the disk.
    let state = format!("/dev/shm/ternmq-show-{}", std::process::id());
    let args = format!(
        "offline --phase publish --prefix durable --subs 1 --pubs {PUBLISHERS} --window {window} \
         --size 64 --messages 1000000000 --seconds {seconds} --state {state}"
    );
    let said = generate(&loadgen(options)?, broker, &args);
    let _ = std::fs::remove_file(state);
    said?.number("enqueue_per_s")
}

/// What a broker says of its store.
#[derive(Default)]
pub(super) struct Figures(BTreeMap<String, u64>);

impl Figures {
    pub(super) fn get(&self, name: &str) -> Result<u64> {
        let value = self.0.get(name).copied();
        value.with_context(|| format!("the store says nothing of {name}"))
    }

    /// By how much this grew.
    pub(super) fn since(&self, before: &Self, name: &str) -> Result<u64> {
        Ok(self.get(name)? - before.get(name)?)
    }
}

/// The figures of now: the broker is to publish them [often](OFTEN).
pub(super) fn figures(broker: &Broker) -> Result<Figures> {
    const FIRST: &str = "bytes";
    const LAST: &str = "keys/sync/p99";
    let mut client = Client::passing(broker.address, "figures")?;
    client.subscribe(&["$SYS/brokers/+/store/#".into()])?;
    let (mut found, mut rounds) = (Figures::default(), 0);
    // What is retained is of before; and a round may have begun before the subscription.
    loop {
        let (topic, payload) = client.message()?;
        let (_, name) = topic.split_once("/store/").context("of the store")?;
        rounds += u32::from(name == FIRST);
        // One of them is a mean, which can be had from the others.
        if let Ok(value) = String::from_utf8_lossy(&payload).parse() {
            found.0.insert(name.to_owned(), value);
        }
        if name == LAST && rounds > 2 {
            return Ok(found);
        }
    }
}
