//! The API of a broker that is busy: 19,000 clients and 20,000 messages in a second. How long lists
//! take, and what those who watch live cost.

use anyhow::{Context as _, Result, ensure};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::broker::{Broker, released};
use super::http::Caller;
use super::load::loadgen;
use super::storm::{self, CLIENTS};
use super::{Options, median};
use crate::tree::Tree;

const REQUESTS: usize = 1_000;
const P99_MAX: Duration = Duration::from_millis(100);
/// For the longest page that may be asked for.
const WHOLE_MAX: Duration = Duration::from_millis(300);
const FEEDS: usize = 5;
/// All that a page can watch at once.
const FEED: &str = "/live?feeds=figures,flow,topics,clients,attention,connections,losses";
/// Of one core.
const FEED_SHARE_MAX: f64 = 0.03;
const PAIRS: usize = 5;
/// Of each measurement of processor time.
const SPAN: Duration = Duration::from_secs(10);
/// What is left of their keep-alive when the crowd pings.
const PING_EVERY: Duration = Duration::from_secs(30);

pub(super) fn show(tree: &Tree, options: &Options) -> Result<()> {
    let binary = released(tree)?;
    let broker = Broker::ternmq(&binary, &[])?;
    let http = broker.http.context("one of ours")?;
    let mut admin = Caller::administrator(http)?;
    let mut crowd = Crowd::connect(&broker)?;
    let mut load = Load::start(&broker, options)?;
    let mut short = Vec::new();
    lists(&mut admin, &mut crowd, &mut short)?;
    odd_pages(&mut admin, &mut short)?;
    feeds(&broker, &admin, &mut crowd, &mut short)?;
    ensure!(load.runs()?, "the load ended before its time");
    ensure!(short.is_empty(), "{}", short.join("; "));
    Ok(())
}

/// The 19,000.
struct Crowd {
    drivers: Vec<storm::Driver>,
    pinged: Instant,
}

impl Crowd {
    fn connect(broker: &Broker) -> Result<Self> {
        let begun = Instant::now();
        let drivers = storm::crowd(broker.address, 1)?;
        println!(
            "{CLIENTS} clients in {:.1} s",
            begun.elapsed().as_secs_f64()
        );
        Ok(Self {
            drivers,
            pinged: Instant::now(),
        })
    }

    /// Between two measurements, as often as their keep-alive wants.
    fn keep_alive(&mut self) -> Result<()> {
        if self.pinged.elapsed() > PING_EVERY {
            storm::ping(&mut self.drivers)?;
            self.pinged = Instant::now();
        }
        Ok(())
    }
}

/// The load generator, ended with this value.
struct Load(Child);

impl Load {
    fn start(broker: &Broker, options: &Options) -> Result<Self> {
        let port = broker.address.port().to_string();
        let args = "latency --rate 20000 --qos 0 --pubs 10 --size 64 --seconds 600";
        let child = Command::new(loadgen(options)?)
            .args(args.split(' '))
            .args(["--port", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the load generator")?;
        // Its clients connect first.
        thread::sleep(Duration::from_secs(2));
        Ok(Self(child))
    }

    fn runs(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every filter, and pages from the first to the last.
fn queries() -> Vec<String> {
    let filters = [
        "",
        "&conn_state=connected",
        "&conn_state=disconnected",
        "&ip_address=127.0.1.7",
        "&proto_ver=4&clean_start=true",
        "&proto_ver=5",
        "&like_clientid=00123",
        "&like_clientid=storm",
        "&like_clientid=nobody-has-this",
        "&like_username=u",
        "&clientid=storm-000123",
        "&clientid=storm-000001&clientid=storm-000002",
        "&username=nobody",
        "&gte_connected_at=1000000000000",
        "&lte_created_at=2099-01-01T00:00:00.000Z",
        "&gte_created_at=2099-01-01T00:00:00.000Z",
        "&fields=clientid,ip_address",
    ];
    let pages = ["1", "2", "19", "95", "190", "10000"];
    let limits = [10, 100, 1000];
    let mut all = Vec::new();
    for n in 0..REQUESTS {
        let (filter, page) = (filters[n % filters.len()], pages[n / 3 % pages.len()]);
        let limit = limits[n / 7 % limits.len()];
        all.push(format!("/clients?page={page}&limit={limit}{filter}"));
    }
    all
}

fn lists(admin: &mut Caller, crowd: &mut Crowd, short: &mut Vec<String>) -> Result<()> {
    let mut times = Vec::new();
    for query in queries() {
        crowd.keep_alive()?;
        let begun = Instant::now();
        admin.ask("GET", &query, "")?;
        times.push((begun.elapsed(), query));
    }
    times.sort();
    let at = |permille: usize| &times[times.len() * permille / 1000];
    println!("client list, {REQUESTS} requests, each filter, pages 1 to 10,000, 10 to 1,000 rows:");
    for (name, permille) in [("p50", 500), ("p90", 900), ("p99", 990), ("worst", 999)] {
        let (took, query) = at(permille);
        println!("  {name:<5} {:>6.1} ms  {query}", took.as_secs_f64() * 1e3);
    }
    if at(990).0 >= P99_MAX {
        short.push(format!("p99 is {:?}, wanted {P99_MAX:?}", at(990).0));
    }
    let begun = Instant::now();
    let said = admin.ask("GET", "/clients?limit=10000", "")?;
    let took = begun.elapsed();
    println!(
        "  10,000 rows at once: {:.0} ms, {} bytes",
        took.as_secs_f64() * 1e3,
        said.len()
    );
    if took > WHOLE_MAX {
        short.push(format!("10,000 rows took {took:?}, wanted {WHOLE_MAX:?}"));
    }
    Ok(())
}

/// H19: numbers that no page has.
fn odd_pages(admin: &mut Caller, short: &mut Vec<String>) -> Result<()> {
    let mut worst = Duration::ZERO;
    for (query, wanted) in [
        ("limit=9223372036854775808", 400),
        ("limit=-1", 400),
        ("limit=0", 400),
        ("page=0", 400),
        ("page=18446744073709551616", 400),
        ("page=18446744073709551615&limit=10000", 200),
        ("page=9223372036854775807&limit=10000&like_clientid=1", 200),
    ] {
        let begun = Instant::now();
        let (status, said) = admin.answer("GET", &format!("/clients?{query}"), "")?;
        worst = worst.max(begun.elapsed());
        if status != wanted {
            short.push(format!("{query}: {status} {said}, wanted {wanted}"));
        }
    }
    println!("odd pages: refused or empty, the slowest after {worst:.1?}");
    if worst > WHOLE_MAX {
        short.push(format!("an odd page took {worst:?}, wanted {WHOLE_MAX:?}"));
    }
    Ok(())
}

/// Processor time with and without five that watch, in turn.
fn feeds(
    broker: &Broker,
    admin: &Caller,
    crowd: &mut Crowd,
    short: &mut Vec<String>,
) -> Result<()> {
    let (mut differences, mut own) = (Vec::new(), Vec::new());
    for n in 1..=PAIRS {
        crowd.keep_alive()?;
        let without = share(broker)?;
        crowd.keep_alive()?;
        let watching = (0..FEEDS).map(|_| Watcher::start(admin));
        let watching: Vec<Watcher> = watching.collect::<Result<_>>()?;
        let (begun, before) = (Instant::now(), broker.thread_secs("api")?);
        let with = share(broker)?;
        own.push((broker.thread_secs("api")? - before) / begun.elapsed().as_secs_f64());
        let heard: Vec<usize> = watching
            .into_iter()
            .map(Watcher::end)
            .collect::<Result<_>>()?;
        ensure!(heard.iter().all(|&heard| heard > 0), "a feed told nothing");
        println!(
            "pair {n}: {:.1} % of a core without, {:.1} % with {FEEDS} feeds, of {} bytes each",
            without * 100.0,
            with * 100.0,
            heard[0]
        );
        differences.push(with - without);
    }
    let cost = median(differences);
    println!(
        "{FEEDS} live feeds cost {:.2} % of a core (median of {PAIRS} pairs); the thread that writes them \
         used {:.2} %, which no other load disturbs",
        cost * 100.0,
        median(own) * 100.0
    );
    if cost > FEED_SHARE_MAX {
        short.push(format!(
            "{FEEDS} feeds cost {:.1} % of a core",
            cost * 100.0
        ));
    }
    Ok(())
}

/// What part of a core the broker uses.
fn share(broker: &Broker) -> Result<f64> {
    let (begun, before) = (Instant::now(), broker.processor_secs()?);
    thread::sleep(SPAN);
    Ok((broker.processor_secs()? - before) / begun.elapsed().as_secs_f64())
}

/// A thread that reads a live feed until it is told to end.
struct Watcher {
    thread: thread::JoinHandle<Result<usize>>,
    stop: Arc<AtomicBool>,
}

impl Watcher {
    fn start(admin: &Caller) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut caller = admin.again()?;
        caller.listen(FEED)?;
        let told = stop.clone();
        let thread = thread::spawn(move || {
            let mut heard = 0;
            while !told.load(Ordering::Relaxed) {
                heard += caller.hear()?;
            }
            Ok(heard)
        });
        Ok(Self { thread, stop })
    }

    /// How many bytes it heard.
    fn end(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .unwrap_or_else(|_| anyhow::bail!("a watcher panicked"))
    }
}
