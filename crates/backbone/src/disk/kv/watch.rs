//! A watch: the snapshot is read while writes go on; what changes meanwhile is held back until the
//! snapshot is complete.

use std::sync::{Arc, Mutex};

use super::super::env::Env;
use super::super::lock;
use super::{Keys, read};
use crate::{Blob, Change, Guard, WatchSink};

/// Keys handed over at once.
const BATCH_MAX: usize = 256;

pub(super) struct Watch {
    prefix: Blob,
    state: Mutex<State>,
}

struct State {
    sink: Option<WatchSink>,
    /// Changes since the snapshot, while that is being read.
    held: Option<Vec<Change>>,
}

impl Watch {
    pub(super) fn new(prefix: Blob, sink: WatchSink) -> (Arc<Self>, Guard) {
        let watch = Arc::new(Self {
            prefix,
            state: Mutex::new(State {
                sink: Some(sink),
                held: Some(Vec::new()),
            }),
        });
        let other = Arc::clone(&watch);
        let guard = Guard::new(move || {
            let sink = lock(&other.state).sink.take();
            // What the sink owns is dropped outside the lock.
            drop(sink);
        });
        (watch, guard)
    }

    /// Tells of changes, and gives whether somebody still wants to know.
    pub(super) fn tell(&self, changes: &Arc<[Change]>) -> bool {
        let mut state = lock(&self.state);
        let State {
            sink: Some(sink),
            held,
        } = &mut *state
        else {
            return false;
        };
        let ours = |change: &&Change| change.key().starts_with(&self.prefix);
        if let Some(held) = held {
            held.extend(changes.iter().filter(ours).cloned());
        } else if changes.iter().all(|change| ours(&change)) {
            sink(Arc::clone(changes));
        } else {
            let changes: Arc<[_]> = changes.iter().filter(ours).cloned().collect();
            if !changes.is_empty() {
                sink(changes);
            }
        }
        true
    }

    /// Hands over a part of the snapshot.
    fn snapshot(&self, changes: Vec<Change>) -> bool {
        let state = lock(&self.state);
        if let Some(sink) = state.sink.as_ref().filter(|_| !changes.is_empty()) {
            sink(changes.into());
        }
        state.sink.is_some()
    }

    /// Says that the snapshot is complete, and hands over what happened since.
    fn synced(&self) {
        let mut state = lock(&self.state);
        let held = state.held.take().unwrap_or_default();
        if let Some(sink) = &state.sink {
            sink([Change::Synced].into());
            if !held.is_empty() {
                sink(held.into());
            }
        }
    }
}

/// Reads the snapshot of an instant, from which on the watch is told of changes.
pub(super) fn begin(env: &Env, keys: &Keys, bucket: &Arc<str>, watch: &Arc<Watch>) {
    let mut state = lock(&keys.state);
    let there = state.under(bucket, &watch.prefix);
    let files = state.files.clone();
    let bucket = state.buckets.entry(Arc::clone(bucket)).or_default();
    bucket.watches.push(Arc::clone(watch));
    drop(state);
    for part in there.chunks(BATCH_MAX) {
        let put = |(key, slot): &(Blob, super::Slot)| {
            Some(Change::Put {
                key: Arc::clone(key),
                value: read(env, &files, *slot)?,
            })
        };
        if !watch.snapshot(part.iter().filter_map(put).collect()) {
            return;
        }
    }
    watch.synced();
}
