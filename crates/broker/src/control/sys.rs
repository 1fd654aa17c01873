//! `$SYS`: the broker's figures as retained messages, under mosquitto's names and EMQX's.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use backbone::disk::{Status, Writes};
use engine::{Counter, Drop, Gauges, Metrics};

use super::store::Store;
use crate::admin::figures;
use crate::shard::{Clock, Letter, Post};

/// The name EMQX's tools expect in the middle of `$SYS/brokers/<node>/...`.
pub const NODE: &str = "ternmq@127.0.0.1";

/// A thread that publishes now and then.
pub(crate) struct Publisher {
    pace: Pace,
    thread: JoinHandle<()>,
}

/// How often it does.
#[derive(Clone)]
pub(crate) struct Pace(Arc<(Mutex<State>, Condvar)>);

struct State {
    interval: Duration,
    stopped: bool,
}

impl Publisher {
    pub(crate) fn start(
        post: &Arc<Post>,
        store: &Arc<Store>,
        interval: Duration,
        clock: Clock,
    ) -> io::Result<Self> {
        let state = Arc::new((
            Mutex::new(State {
                interval,
                stopped: false,
            }),
            Condvar::new(),
        ));
        let (post, store, shared) = (post.clone(), store.clone(), state.clone());
        let thread = std::thread::Builder::new()
            .name("sys".into())
            .spawn(move || run(&post, &store, &shared, clock))?;
        Ok(Self {
            pace: Pace(state),
            thread,
        })
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace.clone()
    }

    pub(crate) fn stop(self) {
        self.pace.change(|s| s.stopped = true);
        // It only publishes; if it panicked, that was reported.
        let _ = self.thread.join();
    }
}

impl Pace {
    pub(crate) fn set(&self, interval: Duration) {
        self.change(|s| s.interval = interval);
    }

    fn change(&self, apply: impl FnOnce(&mut State)) {
        apply(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
    }
}

fn run(post: &Post, store: &Store, shared: &(Mutex<State>, Condvar), clock: Clock) {
    let mut state = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
    while !state.stopped {
        let interval = state.interval;
        if interval.is_zero() {
            state = shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        drop(state);
        publish(post, store, clock.uptime());
        state = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unchanged = |s: &mut State| !s.stopped && s.interval == interval;
        let waited = shared.1.wait_timeout_while(state, interval, unchanged);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn publish(post: &Post, store: &Store, uptime: Duration) {
    let all = post.metrics();
    let peaks = post.peaks();
    let mut topics = Vec::new();
    for (name, value) in mosquitto(&all, uptime, peaks.connections) {
        topics.push((format!("$SYS/broker/{name}"), value));
    }
    let kept = store.status().map(|status| kept(&status));
    for (name, value) in emqx(&all, &peaks, uptime)
        .into_iter()
        .chain(kept.into_iter().flatten())
    {
        topics.push((format!("$SYS/brokers/{NODE}/{name}"), value));
    }
    topics.push(("$SYS/brokers".into(), NODE.into()));
    post.send(0, Letter::Publish(topics));
}

/// Names of mosquitto's `$SYS/broker`.
fn mosquitto(m: &Metrics, uptime: Duration, peak: u64) -> Vec<(&'static str, String)> {
    let online = m.gauges.connections;
    vec![
        (
            "version",
            format!("TernMQ version {}", env!("CARGO_PKG_VERSION")),
        ),
        ("uptime", format!("{} seconds", uptime.as_secs())),
        ("clients/total", m.gauges.sessions.to_string()),
        ("clients/connected", online.to_string()),
        ("clients/maximum", peak.to_string()),
        (
            "clients/disconnected",
            m.gauges.sessions.saturating_sub(online).to_string(),
        ),
        ("messages/received", m.packets_received().to_string()),
        ("messages/sent", m.packets_sent().to_string()),
        (
            "publish/messages/received",
            m.publish_received().to_string(),
        ),
        ("publish/messages/sent", m.publish_sent().to_string()),
        ("publish/messages/dropped", m.dropped_all().to_string()),
        ("bytes/received", m.get(Counter::BytesReceived).to_string()),
        ("bytes/sent", m.get(Counter::BytesSent).to_string()),
        ("subscriptions/count", m.gauges.subscriptions.to_string()),
        (
            "shared_subscriptions/count",
            m.gauges.shared_subscriptions.to_string(),
        ),
        ("retained messages/count", m.gauges.retained.to_string()),
    ]
}

/// Names of EMQX's `$SYS/brokers/<node>`, and our drops by reason.
fn emqx(m: &Metrics, peaks: &Gauges, uptime: Duration) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("uptime", uptime.as_millis().to_string()),
        ("sysdescr", "TernMQ".to_owned()),
        (
            "metrics/messages/no_subscriber",
            m.get(Counter::NoSubscriber).to_string(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for gauge in figures::gauges(&m.gauges, peaks) {
        // Here these have always been those that are there.
        let (now, max) = match gauge.name {
            "connections" => (m.gauges.connections, peaks.connections),
            _ => (gauge.now, gauge.max),
        };
        let name = gauge.name.replace('.', "/");
        out.push((format!("stats/{name}/count"), now.to_string()));
        out.push((format!("stats/{name}/max"), max.to_string()));
    }
    for (name, n) in figures::counters(m) {
        // And these all that were not delivered, for whatever reason.
        let n = match name {
            "messages.dropped" => m.dropped_all(),
            _ => n,
        };
        out.push((format!("metrics/{}", name.replace('.', "/")), n.to_string()));
    }
    for (why, name) in Drop::ALL {
        out.push((
            format!("metrics/messages/dropped/{name}"),
            m.dropped(why).to_string(),
        ));
    }
    out
}

/// What the store has, and what its writers did since the start: names of our own.
fn kept(status: &Status) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = [
        ("bytes", status.bytes),
        ("files", status.files),
        ("damage/count", status.damage_count),
        ("keys/count", status.keys),
    ]
    .map(|(name, value)| (format!("store/{name}"), value.to_string()))
    .into();
    let logs = status.log_writes.iter().map(|writes| ("log", writes));
    for (what, writes) in logs.take(1).chain([("keys", &status.keys_writes)]) {
        let each = |(name, value)| (format!("store/{what}/{name}"), value);
        out.extend(written(writes).map(each));
    }
    out
}

fn written(writes: &Writes) -> [(&'static str, String); 7] {
    // What one sync makes safe, as far as there is one for each write.
    let batch = writes.records as f64 / writes.commits.max(1) as f64;
    [
        ("records", writes.records.to_string()),
        ("bytes/written", writes.bytes.to_string()),
        ("writes", writes.commits.to_string()),
        ("syncs", writes.syncs.to_string()),
        ("records_per_write", format!("{batch:.1}")),
        ("sync/p50", writes.sync_p50.as_micros().to_string()),
        ("sync/p99", writes.sync_p99.as_micros().to_string()),
    ]
}
