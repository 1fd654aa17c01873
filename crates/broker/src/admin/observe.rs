//! What the broker tells about itself: connection log, recent losses, history of figures.

pub use crate::{
    config::Lang,
    observe::{
        Words,
        alarm::{Alarm, HIGH_MARK, LOW_MARK},
        attention::{Item, Told},
        causes,
        connection::{Found, Kind, Query, Record},
        history::{Sample, Second},
        loss::{Lost, REASONS, Sampled},
    },
};

use super::{Admin, Bucket, KeepError};

/// What is under way right now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Current {
    /// Messages per second, rounded: received, sent, dropped.
    pub rates: [u64; 3],
    /// The last sample of the gauges, if there is one.
    pub sample: Sample,
    pub retained: u64,
    pub shared_subscriptions: u64,
}

impl Admin {
    /// Entries of the connection log that a query wants, newest first, without the first `skip`.
    #[must_use]
    pub fn connection_log(&self, query: &Query, skip: usize, limit: usize, lang: Lang) -> Found {
        self.0.observed.connections.find(query, skip, limit, lang)
    }

    /// Recent losses that somebody wants, newest first, without the first `skip`.
    #[must_use]
    pub fn losses(&self, wants: impl Fn(&Lost) -> bool, skip: usize, limit: usize) -> Sampled {
        self.0.observed.losses.find(wants, skip, limit)
    }

    /// The last `millis` milliseconds of the history, in the finest step that covers them.
    #[must_use]
    pub fn history(&self, millis: u64) -> Vec<Sample> {
        let now = self.now_millis();
        self.0.observed.history().samples(now, millis)
    }

    /// The seconds after a time, of the last ten minutes.
    #[must_use]
    pub fn seconds(&self, after: u64) -> Vec<Second> {
        self.0.observed.history().seconds(after)
    }

    /// What is under way right now.
    #[must_use]
    pub fn current(&self) -> Current {
        let metrics = self.0.post.metrics();
        let history = self.0.observed.history();
        let last = history.samples(self.now_millis(), 60_000).pop();
        Current {
            rates: history.rates(),
            sample: Sample {
                connections: metrics.gauges.sessions,
                live_connections: metrics.gauges.connections,
                subscriptions: metrics.gauges.subscriptions,
                ..last.unwrap_or_default()
            },
            retained: metrics.gauges.retained,
            shared_subscriptions: metrics.gauges.shared_subscriptions,
        }
    }

    /// Alarms under way.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.0.observed.alarms().active()
    }

    /// Alarms that ended, newest first.
    #[must_use]
    pub fn ended_alarms(&self) -> Vec<Alarm> {
        self.0.observed.alarms().history()
    }

    /// Forgets the alarms that ended.
    ///
    /// # Errors
    /// If the store cannot do it.
    pub async fn clear_alarms(&self) -> Result<(), KeepError> {
        let gone = self.0.observed.alarms().clear();
        let gone = gone.into_iter().map(|key| (key, None));
        self.keep().put(Bucket::Alarm, gone.collect()).await
    }

    /// What needs attention, as of the last second.
    #[must_use]
    pub fn attention(&self) -> Vec<Item> {
        self.0.observed.attention().items()
    }

    /// Trusted networks that are not near by themselves and so large that strangers are in them.
    #[must_use]
    pub fn public_networks(&self) -> Vec<String> {
        self.look(|config| {
            let open = config.mqtt.allow_anonymous;
            let trusted = config.lan_guard.trusted.iter();
            let wide = trusted.filter(|network| open && network.is_wide());
            wide.map(ToString::to_string).collect()
        })
    }

    /// Forgets the history of figures.
    ///
    /// # Errors
    /// If the store cannot do it.
    pub async fn clear_history(&self) -> Result<(), KeepError> {
        self.0.observed.history().clear();
        let keep = self.keep();
        let keys = keep.load(Bucket::Monitor)?;
        let gone = keys.into_iter().map(|(key, _)| (key.to_vec(), None));
        keep.put(Bucket::Monitor, gone.collect()).await
    }
}
