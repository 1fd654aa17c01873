//! What the broker tells about itself. Shards only push small records, once a pass; everything that
//! looks at them, sorts or sums is done by threads of the control plane.

pub(crate) mod alarm;
pub(crate) mod attention;
pub(crate) mod connection;
pub(crate) mod flapping;
pub(crate) mod fold;
pub(crate) mod history;
pub(crate) mod lines;
pub(crate) mod loss;
pub(crate) mod trace;
pub(crate) mod traffic;
mod words;

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub use words::{Words, causes};

/// Everything that is watched, shared by the shards and those who ask.
pub(crate) struct Observed {
    pub(crate) connections: connection::Log,
    pub(crate) losses: loss::Log,
    pub(crate) flapping: flapping::Found,
    pub(crate) traces: trace::Traces,
    history: Mutex<history::History>,
    alarms: Mutex<alarm::Alarms>,
    attention: Mutex<attention::Board>,
    traffic: Mutex<traffic::Mirror>,
    looked: Mutex<Looked>,
}

/// Until when somebody looks at what shards have to count for that.
#[derive(Default)]
struct Looked {
    traffic: Option<u64>,
    /// Topics whose last messages are kept.
    taps: Vec<(String, u64)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observed {
    /// What is written in files is in this directory.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            connections: connection::Log::default(),
            losses: loss::Log::default(),
            flapping: flapping::Found::default(),
            traces: trace::Traces::open(data_dir.join("trace")),
            history: Mutex::default(),
            alarms: Mutex::default(),
            attention: Mutex::default(),
            traffic: Mutex::default(),
            looked: Mutex::default(),
        }
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, history::History> {
        lock(&self.history)
    }

    pub(crate) fn alarms(&self) -> MutexGuard<'_, alarm::Alarms> {
        lock(&self.alarms)
    }

    pub(crate) fn traffic(&self) -> MutexGuard<'_, traffic::Mirror> {
        lock(&self.traffic)
    }

    /// Somebody looks at the traffic until a time: whether counting has to begin, and whether what is
    /// known is no older than `fresh`.
    pub(crate) fn look(&self, until: u64, now: u64, fresh: u64) -> (bool, bool) {
        let begins = lock(&self.looked).traffic.replace(until).is_none();
        let at = self.traffic().at();
        (begins, !begins && now.saturating_sub(at) < fresh)
    }

    /// Somebody looks at a topic's messages until a time.
    pub(crate) fn tap(&self, topic: &str, until: u64) {
        let mut looked = lock(&self.looked);
        looked.taps.retain(|(other, _)| other != topic);
        looked.taps.push((topic.to_owned(), until));
    }

    /// What nobody looks at any more: the traffic, and topics.
    pub(crate) fn unwatched(&self, now: u64) -> (bool, Vec<String>) {
        let mut looked = lock(&self.looked);
        let over = looked.traffic.is_some_and(|until| until <= now);
        if over {
            looked.traffic = None;
            *self.traffic() = traffic::Mirror::default();
        }
        let mut gone = Vec::new();
        looked.taps.retain(|(topic, until)| {
            if *until <= now {
                gone.push(topic.clone());
            }
            *until > now
        });
        (over, gone)
    }

    pub(crate) fn attention(&self) -> MutexGuard<'_, attention::Board> {
        lock(&self.attention)
    }
}
