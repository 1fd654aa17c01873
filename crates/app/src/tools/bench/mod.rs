//! `ternmq bench`: publishers and subscribers by the thousand, and how many messages went through, how
//! late, and which did not. Each message has its number and the time at which it was meant to be sent.

mod counts;
mod live;
mod message;
mod pace;
mod plan;
mod report;
mod shared;
mod state;
mod track;
mod worker;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::settings::Settings;
use super::stop::Stop;
use super::{code, output};
use crate::text::Text;
use counts::Snapshot;
use live::Live;
use plan::Plan;
use report::Report;
use shared::{Phase, Shared};
use state::Outcome;
use worker::Worker;

pub(super) use plan::Load;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Publish,
    Subscribe,
    Connect,
    Latency,
}

/// Files that are not connections.
const FILES: u64 = 64;
/// How often the main thread looks.
const LOOK: Duration = Duration::from_millis(5);
/// Between the last connection and the first message.
const SETTLE: Duration = Duration::from_millis(200);
/// Nothing more is expected when nothing came for so long.
const QUIET: Duration = Duration::from_secs(1);
/// Connections that make no headway for so long make none.
const PATIENCE: Duration = Duration::from_secs(30);
/// After the last message that was expected, for those that come twice.
const DOUBLES: Duration = Duration::from_millis(40);

pub(super) fn run(kind: Kind, settings: &Settings, text: Text) -> u8 {
    let report = Plan::new(kind, settings, text).and_then(|plan| measure(plan, settings, text));
    match report {
        Ok(report) => {
            let page = if settings.load.json {
                report.json()
            } else {
                report.page(text)
            };
            // Whoever does not read it has the exit code.
            let _ = output::print(page.as_bytes());
            if report.is_clean() {
                code::DONE
            } else {
                code::DAMAGED
            }
        }
        Err(line) => {
            settings.complain(&line);
            code::FAILED
        }
    }
}

fn measure(plan: Plan, settings: &Settings, text: Text) -> Result<Report, String> {
    let wanted = plan.connections();
    let files = crate::files::raise_for(FILES);
    if files.is_some_and(|files| files < wanted as u64) {
        return Err(text.too_few_files(wanted, files.unwrap_or(0)));
    }
    let shared = Arc::new(Shared::new(plan));
    let main = thread::current();
    let stop = Stop::listen(move || main.unpark()).map_err(|error| text.no_signals(&error))?;
    let mut threads = Vec::new();
    for number in 0..shared.plan.threads {
        let shared = Arc::clone(&shared);
        threads.push(thread::spawn(move || {
            Worker::new(number, &shared).and_then(|worker| worker.run())
        }));
    }
    let mut live = Live::new(settings.quiet, text);
    let run = drive(&shared, &stop, &mut live, text);
    shared.enter(Phase::Exit);
    drop(live);
    let mut outcomes = Vec::new();
    for thread in threads {
        let done = thread.join().expect("a worker does not panic");
        outcomes.push(done.map_err(|error| text.no_event_loop(&error))?);
    }
    let (before, after, took) = run?;
    Ok(Report::new(&shared, &outcomes, before, after, took))
}

/// From the first connection to the last message; the measured part is what lies between the snapshots.
fn drive(
    shared: &Shared,
    stop: &Stop,
    live: &mut Live,
    text: Text,
) -> Result<(Snapshot, Snapshot, Duration), String> {
    let plan = &shared.plan;
    let begun = Instant::now();
    connect(shared, stop, live, text)?;
    let took = begun.elapsed();
    stop.wait(SETTLE);
    let start = shared.now();
    let span = pace::nanos(plan.duration);
    shared.start.store(start, Ordering::Relaxed);
    shared.end.store(start + span, Ordering::Relaxed);
    shared.enter(Phase::Run);
    wait_until(shared, start + span / 10, stop, live);
    let before = shared.snapshot();
    wait_until(shared, start + span / 10 * 9, stop, live);
    let after = shared.snapshot();
    wait_until(shared, start + span, stop, live);
    // Who was stopped early has nothing due any more.
    shared.end.fetch_min(shared.now(), Ordering::Relaxed);
    shared.enter(Phase::Drain);
    drain(shared, live);
    Ok((before, after, took))
}

/// Until every connection is ready, or for `conn` has failed.
fn connect(shared: &Shared, stop: &Stop, live: &mut Live, text: Text) -> Result<(), String> {
    let wanted = shared.plan.connections() as u64;
    let (mut seen, mut moved) = (0, Instant::now());
    loop {
        let ready = shared.sum(|counts| &counts.ready);
        let failed = shared.sum(|counts| &counts.failed);
        if failed > 0 && shared.plan.kind != Kind::Connect {
            let cause = shared.first_fault();
            return Err(text.not_all_connected(ready, wanted, &cause));
        }
        if ready + failed == wanted {
            return Ok(());
        }
        if ready + failed != seen {
            (seen, moved) = (ready + failed, Instant::now());
        }
        if stop.is_asked() || moved.elapsed() > PATIENCE {
            let cause = text.pick("no answer to the others", "其余连接没有应答");
            return Err(text.not_all_connected(ready, wanted, cause));
        }
        live.connecting(ready, wanted);
        stop.wait(LOOK);
    }
}

fn wait_until(shared: &Shared, at: u64, stop: &Stop, live: &mut Live) {
    loop {
        let left = Duration::from_nanos(at.saturating_sub(shared.now()));
        if left.is_zero() || stop.is_asked() {
            return;
        }
        stop.wait(left.min(Duration::from_millis(200)));
        live.running(shared);
    }
}

/// Waits for what is under way: until all is there or nothing comes any more.
fn drain(shared: &Shared, live: &mut Live) {
    let (mut seen, mut moved) = (0, Instant::now());
    while !shared.is_settled() && moved.elapsed() < QUIET {
        thread::sleep(LOOK);
        live.running(shared);
        let sum = shared.sum(|counts| &counts.received) + shared.sum(|counts| &counts.acknowledged);
        if sum != seen {
            (seen, moved) = (sum, Instant::now());
        }
    }
    if shared.plan.subscribers > 0 {
        thread::sleep(DOUBLES);
    }
}

/// All histograms are alike: a microsecond to ten minutes, three digits.
fn histogram() -> hdrhistogram::Histogram<u64> {
    hdrhistogram::Histogram::new_with_bounds(1, 600_000_000, 3).expect("these bounds are fine")
}

/// What the workers measured, together.
fn merged(
    outcomes: &[Outcome],
    which: impl Fn(&Outcome) -> &hdrhistogram::Histogram<u64>,
) -> hdrhistogram::Histogram<u64> {
    let mut all = histogram();
    for outcome in outcomes {
        all.add(which(outcome)).expect("all bounds are alike");
    }
    all
}
