//! What time brings: silent clients, session ends, delayed wills, stalled groups, retained expiry.

use super::{Shard, Sink};
use crate::{
    Cause, Counter, Time,
    limits::SWEEP_MILLIS,
    plant::{self, Fault},
    record::Bucket,
    timers::Timers,
};

/// A pass that comes later than this after the last one was not able to read meanwhile.
const GAP_MILLIS: u64 = 1000;

/// A pass is shorter than this, so what is more was not spent serving: the process had to wait for its
/// core.
const PASS_MILLIS: u64 = 10;

/// Stale entries of the keep-alive timers that are not worth a look.
const STALE_MIN: usize = 1024;

impl Shard {
    /// Called each pass, after reading, and at least once a second.
    pub fn tick(&mut self, now: Time, sink: &mut impl Sink) {
        self.now = now;
        self.count_reading(now);
        self.check_silence(sink);
        self.check_due(sink);
        self.publish_delayed(sink);
        self.expel_banned(sink);
        self.rejudge_some(sink);
        self.tick_measures();
        self.retry_groups(sink);
        if now.since(self.swept) >= SWEEP_MILLIS {
            self.swept = now;
            for topic in self.retained.sweep(now) {
                self.save(Bucket::Retained, topic.as_bytes().into(), None, None);
            }
        }
        self.save_progress_of_all();
        self.answer_refused(sink);
        self.retry_parked();
    }

    /// When [`Shard::tick`] has something to do next, as far as it is known.
    #[must_use]
    pub fn next_tick(&self) -> Option<Time> {
        let silence = self.silence.next().map(|t| {
            let reading_now = u64::from(self.reading) * 100;
            self.ticked.plus_millis(t.0.saturating_sub(reading_now))
        });
        let soon = (self.is_expelling() || self.is_rejudging()).then_some(self.now);
        let (due, delayed) = (self.due.next(), self.delayed.next());
        [silence, due, delayed, soon, self.groups.next_retry()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Advances the clock that keep-alive runs on. It stands still while this shard does not read: after
    /// a suspend nobody is expelled before being read once.
    fn count_reading(&mut self, now: Time) {
        let passed = now.since(self.ticked).min(GAP_MILLIS) + self.reading_rest;
        self.serving = self
            .serving
            .plus_millis(now.since(self.ticked).min(PASS_MILLIS));
        self.ticked = now;
        self.reading = self
            .reading
            .saturating_add(u32::try_from(passed / 100).unwrap_or(u32::MAX));
        self.reading_rest = passed % 100;
    }

    /// [MQTT-3.1.2-22]
    fn check_silence(&mut self, sink: &mut impl Sink) {
        let clock = Time(u64::from(self.reading) * 100);
        if plant::on(Fault::KeepAliveIgnored) {
            return;
        }
        let tenths = self.settings.keep_alive_tenths;
        while let Some((slot, tick)) = self.silence.pop_due(clock) {
            // An entry of a session that had the slot before, or of an earlier connection, is nobody's.
            let Some(s) = self.sessions.get_mut(slot).filter(|s| s.watched == tick) else {
                continue;
            };
            match s.silent_at(tenths) {
                None => s.watched = 0,
                Some(at) if at > clock => s.watched = self.silence.add(at, slot),
                Some(_) => {
                    s.watched = 0;
                    self.expel(slot, Cause::KeepAlive.close(), sink);
                }
            }
        }
    }

    /// Sets the timer for a client's silence [MQTT-3.1.2-22]. An entry of an earlier connection may be
    /// there: it is enough if it is not later.
    pub(super) fn watch_silence(&mut self, slot: u32) {
        let s = self.session(slot);
        if let Some(at) = s.silent_at(self.settings.keep_alive_tenths)
            && (s.watched == 0 || self.silence.tick(at) < s.watched)
        {
            let tick = self.silence.add(at, slot);
            self.session_mut(slot).watched = tick;
        }
    }

    /// Entries of sessions that are gone are dropped once they are the most, or a crowd that comes and
    /// goes would leave one behind each time.
    pub(super) fn forget_the_gone(&mut self) {
        if self.silence.len() > STALE_MIN + 2 * self.sessions.len() {
            let sessions = &self.sessions;
            self.silence
                .retain(|slot, tick| sessions.get(slot).is_some_and(|s| s.watched == tick));
        }
        // A session may wait for its end, its will and the PUBRELs it is owed.
        if self.due.len() > STALE_MIN + 4 * self.sessions.len() {
            let sessions = &self.sessions;
            let clock = Timers::from(self.due.time(0));
            self.due.retain(|slot, tick| {
                sessions.get(slot).is_some_and(|s| {
                    let will = s
                        .rare
                        .will
                        .as_ref()
                        .and_then(|w| w.due)
                        .map(|at| clock.tick(at));
                    s.inflow.is_some()
                        || (!s.is_online() && (s.ends() == tick || will == Some(tick)))
                })
            });
        }
    }

    fn check_due(&mut self, sink: &mut impl Sink) {
        let now = self.now;
        while let Some((slot, _)) = self.due.pop_due(now) {
            if self.sessions.get(slot).is_some() {
                self.forget_unreleased(slot);
                self.come_due(slot, sink);
            }
        }
    }

    /// What is due by now of a session whose client is away.
    pub(super) fn come_due(&mut self, slot: u32, sink: &mut impl Sink) {
        let now = self.now;
        // [MQTT-4.1.0-1]
        let Some(s) = self.sessions.get(slot).filter(|s| !s.is_online()) else {
            return;
        };
        let will_due = s.rare.will.as_ref().and_then(|w| w.due);
        if will_due.is_some_and(|due| due <= now) {
            self.publish_will(slot, sink);
        }
        let s = self.session_mut(slot);
        if plant::on(Fault::SessionForEver) {
            return;
        }
        let ends = s.ends();
        if ends != 0 && self.due.time(ends) <= now {
            self.end(slot, sink);
        }
    }

    /// QoS 2 ids that are not released are forgotten, connected or not: between one and two times
    /// `mqtt.await_rel_timeout` after they came, so that one clock per session is enough.
    fn forget_unreleased(&mut self, slot: u32) {
        let (now, limit) = (self.now, self.settings.await_rel_millis);
        let s = self.session_mut(slot);
        let Some(inflow) = &mut s.inflow else { return };
        let forgotten = inflow.age(now, limit);
        if inflow.is_empty() {
            s.inflow = None;
        } else {
            self.watch_unreleased(slot);
        }
        let n = forgotten.len() as u64;
        self.metrics.add(Counter::PubrelTimedOut, n);
        if n > 0 {
            self.session_mut(slot).tally.received_dropped(n);
        }
        self.release_ids(slot, &forgotten);
    }

    /// Sets the timer for it, if none stands.
    pub(super) fn watch_unreleased(&mut self, slot: u32) {
        let inflow = &mut self.session_mut(slot).inflow;
        if let Some(at) = inflow.as_mut().and_then(|i| i.next_timer()) {
            self.due.add(at, slot);
        }
    }
}
