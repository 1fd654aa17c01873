//! Once a second: takes what shards sampled, writes the history down and says what needs attention.
//! A thread of its own, because it asks shards and waits for them.

use std::{
    io,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use engine::{Loss, SessionRef};

use super::{
    ask::ask_all,
    attend::Attend,
    configuration::{Configuration, wait},
    scarcity::Scarcity,
    store::Store,
};
use crate::{
    admin::{
        Admin, Bucket, Change, Keep,
        ban::{Ban, BanError, BanKind},
    },
    marks::Mark,
    observe::{
        Observed,
        alarm::Alarm,
        history::{History, Sample},
        loss::Lost,
    },
    shard::{Clock, Post},
};

const TICK: Duration = Duration::from_secs(1);
/// Steps of the history are written down together, once in so many ticks: a disk can sleep between.
const KEEP_EVERY: u32 = 60;
/// A flood fills memory within a second.
const MEMORY_EVERY: Duration = Duration::from_millis(100);
/// Clients that are banned in one tick; each is a write.
const BANS_MAX: usize = 100;
/// Who bans clients that come and go too often, and why: EMQX's words.
const DETECTOR: &str = "flapping detector";
const FLAPPING: &str = "flapping is detected";

/// The thread.
pub(crate) struct Observer {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// What the thread works with.
pub(super) struct Work {
    pub(super) post: Arc<Post>,
    keep: Keep,
    pub(super) observed: Arc<Observed>,
    pub(super) configuration: Arc<Configuration>,
    pub(super) clock: Clock,
    pub(super) ticks: u32,
    /// The broker had not ended in order before.
    pub(super) crashed: bool,
    pub(super) attend: Attend,
    scarcity: Scarcity,
    admin: Admin,
}

impl Observer {
    pub(crate) fn start(
        post: &Arc<Post>,
        store: &Arc<Store>,
        observed: &Arc<Observed>,
        configuration: &Arc<Configuration>,
        clock: Clock,
        admin: Admin,
    ) -> io::Result<Self> {
        let found = store.recovery();
        let mut work = Work {
            post: post.clone(),
            keep: Keep::new(store.clone()),
            observed: observed.clone(),
            configuration: configuration.clone(),
            clock,
            ticks: 0,
            crashed: found.existed && !found.closed,
            attend: Attend::default(),
            scarcity: Scarcity::default(),
            admin,
        };
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("observe".into());
        let thread = thread.spawn(move || {
            work.restore();
            let mut next = Instant::now();
            loop {
                let wait = next.saturating_duration_since(Instant::now());
                let wait = wait.min(MEMORY_EVERY);
                if stopped.recv_timeout(wait) != Err(mpsc::RecvTimeoutError::Timeout) {
                    break;
                }
                work.scarcity.look(&work.post, &work.configuration);
                if Instant::now() < next {
                    continue;
                }
                work.tick();
                // After a suspend it goes on from now.
                next = (next + TICK).max(Instant::now());
            }
            work.finish();
        })?;
        Ok(Self { stop, thread })
    }

    /// Writes down what is to be kept and ends.
    pub(crate) fn stop(self) {
        // It may have panicked, which was reported; there is nothing left to stop then.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

impl Work {
    fn restore(&mut self) {
        match self.keep.load(Bucket::Monitor) {
            Ok(records) => {
                let now = self.clock.now().0;
                let (mut kept, mut old) = (Vec::new(), Vec::new());
                for (key, value) in &records {
                    match read(key, value) {
                        Some((tier, sample)) if sample.at >= History::horizon(tier, now) => {
                            kept.push((tier, sample));
                        }
                        _ => old.push((key.to_vec(), None)),
                    }
                }
                self.observed.history().restore(kept);
                self.keep.put_later(Bucket::Monitor, old);
            }
            Err(error) => tracing::error!("the history of figures cannot be read: {error}"),
        }
        match self.keep.load(Bucket::Alarm) {
            Ok(records) => {
                let each = records.iter();
                let alarms = each.filter_map(|(key, value)| Alarm::of_record(key, value));
                self.observed.alarms().restore(alarms);
            }
            Err(error) => tracing::error!("the history of alarms cannot be read: {error}"),
        }
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        self.observed.connections.settle();
        let metrics = self.post.metrics();
        let lost = metrics.dropped_all();
        let mut sampled = ask_all(&self.post, |visit| visit.engine.take_samples());
        self.attend.take(now.0, &mut sampled);
        let mut losses: Vec<_> = sampled.into_iter().flat_map(|s| s.losses).collect();
        self.name_publishers(&mut losses);
        let listed = losses.into_iter().map(listed);
        self.observed.losses.add(listed, lost);
        self.observed.history().tick(now.0, &metrics);
        self.attend(now.0);
        self.ban_flapping(now.0);
        self.look_away(now.0);
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(KEEP_EVERY) {
            self.keep_history();
            self.mark_data();
        }
    }

    /// Remembers since when there has been what a backup would keep.
    fn mark_data(&self) {
        let dir = self.admin.data_dir();
        match (self.admin.has_data(), Mark::DataSince.read(&dir)) {
            // Where the disk refuses, the next minute tries again; that it does is told elsewhere.
            (true, None) => drop(Mark::DataSince.set(&dir)),
            (false, Some(_)) => Mark::DataSince.clear(&dir),
            _ => {}
        }
    }

    /// Bans those whom shards found to come and go too often.
    fn ban_flapping(&self, now: u64) {
        let found = self.observed.flapping.take(BANS_MAX);
        if found.is_empty() {
            return;
        }
        let terms = &self.configuration.now().loaded.config.flapping_detect;
        let millis = u64::try_from(terms.ban_time.as_millis()).unwrap_or(u64::MAX);
        for client_id in found {
            let ban = Ban {
                kind: BanKind::ClientId,
                who: client_id.into(),
                by: DETECTOR.to_owned(),
                reason: FLAPPING.to_owned(),
                at: now,
                until: Some(now.saturating_add(millis)),
            };
            match wait(self.admin.ban(ban)) {
                Ok(_) | Err(BanError::Exists(_)) => {}
                Err(error) => {
                    // The others would fail likewise; who flaps on is found again.
                    tracing::error!(
                        "a client that comes and goes too often is not banned: {error}"
                    );
                    return;
                }
            }
        }
    }

    /// What nobody looks at any more is not counted any more.
    fn look_away(&self, now: u64) {
        let (traffic, topics) = self.observed.unwatched(now);
        if traffic || !topics.is_empty() {
            ask_all(&self.post, move |visit| {
                if traffic {
                    visit.engine.count_topics(None);
                }
                for topic in &topics {
                    visit.engine.untap(topic);
                }
            });
        }
    }

    fn finish(&mut self) {
        self.observed.history().finish();
        self.keep_history();
    }

    /// Names publishers whose sessions live on another shard than the loss was found on.
    fn name_publishers(&self, losses: &mut [Loss]) {
        let unnamed = losses.iter().filter(|loss| loss.publisher_id.is_none());
        let unnamed: Arc<[SessionRef]> = unnamed.map(|loss| loss.publisher).collect();
        if unnamed.is_empty() {
            return;
        }
        let named = ask_all(&self.post, move |visit| {
            let names = unnamed.iter().filter_map(|publisher| {
                let name = visit.engine.name_of(*publisher)?;
                Some((*publisher, name.into()))
            });
            names.collect::<Vec<(_, Box<str>)>>()
        });
        for (publisher, name) in named.into_iter().flatten() {
            for loss in losses.iter_mut().filter(|l| l.publisher == publisher) {
                loss.publisher_id.get_or_insert_with(|| name.clone());
            }
        }
    }

    /// Writes down alarms that ended.
    pub(super) fn keep_alarms(&self, records: Vec<Change>) {
        self.keep.put_later(Bucket::Alarm, records);
    }

    /// Writes down the steps that are done, and forgets those that are too old.
    fn keep_history(&self) {
        let fresh = self.observed.history().take_fresh();
        let mut changes = Vec::new();
        for (tier, sample) in &fresh {
            changes.push((key(*tier, sample.at), Some(sample.encode())));
            // One comes, one goes: the oldest stands a whole tier before it.
            let oldest = History::horizon(*tier, sample.at);
            changes.push((key(*tier, oldest), None));
        }
        if !changes.is_empty() {
            self.keep.put_later(Bucket::Monitor, changes);
        }
    }
}

fn listed(loss: Loss) -> Lost {
    Lost {
        number: 0,
        at: loss.at.0,
        why: loss.why,
        count: loss.count,
        topic: loss.topic.into(),
        client_id: loss.client_id.into(),
        publisher: loss.publisher_id.map(Into::into),
    }
}

fn key(tier: u8, at: u64) -> Vec<u8> {
    let mut key = vec![tier];
    key.extend_from_slice(&at.to_be_bytes());
    key
}

fn read(key: &[u8], value: &[u8]) -> Option<(u8, Sample)> {
    Some((*key.first()?, Sample::decode(value)?))
}
