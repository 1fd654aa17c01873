//! The thread that writes traces down, and tells shards what to look at.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::ask::ask_all;
use crate::{
    observe::{
        Observed,
        trace::{Event, Payload, Targets},
    },
    shard::{Clock, Post},
};

/// How soon a trace begins or ends.
const TICK: Duration = Duration::from_millis(100);

/// The thread.
pub(crate) struct Writer {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

struct Work {
    post: Arc<Post>,
    observed: Arc<Observed>,
    clock: Clock,
    targets: Arc<Targets>,
}

impl Writer {
    pub(crate) fn start(
        post: &Arc<Post>,
        observed: &Arc<Observed>,
        clock: Clock,
    ) -> io::Result<Self> {
        let mut work = Work {
            post: post.clone(),
            observed: observed.clone(),
            clock,
            targets: Arc::default(),
        };
        let events = observed.traces.take_events();
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("trace".into());
        let thread = thread.spawn(move || {
            // There is one such thread for a broker.
            if let Some(events) = events {
                work.run(&events, &stopped);
            }
        })?;
        Ok(Self { stop, thread })
    }

    pub(crate) fn stop(self) {
        // It may have panicked, which was reported; there is nothing left to stop then.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

impl Work {
    fn run(&mut self, events: &Receiver<Event>, stopped: &Receiver<()>) {
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            self.look();
            let until = Instant::now() + TICK;
            // Also when events come without a break, shards are told in time what to look at.
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                match events.recv_timeout(left) {
                    Ok(event) => self.observed.traces.take(&event, self.clock.now().0),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    }

    fn look(&mut self) {
        self.take_topics();
        let targets = self.observed.traces.targets(self.clock.now().0);
        if targets == *self.targets {
            return;
        }
        let targets = Arc::new(targets);
        let before = std::mem::replace(&mut self.targets, targets.clone());
        let tracer = self.observed.traces.tracer();
        ask_all(&self.post, move |visit| {
            let looks = !targets.clients.is_empty() || !targets.addresses.is_empty();
            let tracing = looks.then(|| (targets.clone(), tracer));
            visit.conns.trace(tracing, visit.engine);
            for (number, _) in before.topics.iter().filter(|t| !targets.topics.contains(t)) {
                visit.engine.untrace(*number);
            }
            for (number, filter) in targets.topics.iter().filter(|t| !before.topics.contains(t)) {
                visit.engine.trace(*number, filter);
            }
        });
    }

    /// Messages on topics that are looked at.
    fn take_topics(&self) {
        if self.targets.topics.is_empty() {
            return;
        }
        let traces = &self.observed.traces;
        let mut events = Vec::new();
        for (traced, missed) in ask_all(&self.post, |visit| visit.engine.take_traced()) {
            traces.tracer().miss(missed);
            for one in traced {
                let last = one.seen.last;
                events.push(Event {
                    at: last.at.0,
                    client_id: one.seen.publisher,
                    peer: None,
                    text: format!(
                        "MESSAGE topic={} qos={} retain={}",
                        one.topic.escape_debug(),
                        last.qos as u8,
                        last.retain
                    ),
                    payload: Some(Payload {
                        begin: last.value,
                        size: last.size,
                    }),
                    only: Some(one.trace),
                });
            }
        }
        events.sort_by_key(|event| event.at);
        for event in &events {
            traces.write(event, self.clock.now().0);
        }
    }
}
