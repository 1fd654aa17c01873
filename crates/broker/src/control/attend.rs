//! Finds out what needs attention and how much of each resource is used. What it has to ask shards for,
//! it asks for a little at a time.

use std::collections::BTreeMap;

use engine::{Behind, Samples};

use super::{ask::ask_all, configuration::Configuration, observe::Work};
use crate::{
    machine::{self, Machine, Work as Busy},
    observe::{
        alarm::Resource,
        attention::{self, LOOK_BACK_MILLIS, LOST_MILLIS, Need, RETURNED_MILLIS, UNHEARD_MILLIS},
    },
    tls,
};

/// How often the machine is looked at, and how often it is looked for topics that are nearly equal to those
/// that are known. For a new one it is looked at once.
const MACHINE_TICKS: u32 = 2;
const SIMILAR_TICKS: u32 = 5;
/// How often certificates are looked at, and how long before its end one needs attention.
const CERTIFICATE_TICKS: u32 = 2;
const CERTIFICATE_DAYS: i64 = 30;
/// The same of a revocation list, which is renewed more often.
const LIST_DAYS: i64 = 3;
/// Topics without subscriber that are remembered.
const UNHEARD_MAX: usize = 32;
/// Filters that one visit looks at, and visits for one topic to one shard.
const FILTERS: u32 = 2000;
const VISITS: usize = 10;
/// That the broker was killed is told for this time.
const CRASH_MILLIS: u128 = 3_600_000;

/// What is known of earlier ticks.
#[derive(Default)]
pub(super) struct Attend {
    /// By topic.
    unheard: BTreeMap<String, Unheard>,
    behind: Vec<Behind>,
    busy: Option<Busy>,
    used: Vec<(Resource, u8)>,
}

/// A topic that somebody publishes to and nobody gets.
struct Unheard {
    publisher: String,
    /// When it was last heard of.
    at: u64,
    is_looked_for: bool,
    /// The subscription that was nearly meant.
    similar: Option<String>,
}

impl Attend {
    /// What shards sampled since the last tick.
    pub(super) fn take(&mut self, now: u64, samples: &mut [Samples]) {
        self.behind.clear();
        for sample in samples {
            self.behind.append(&mut sample.behind);
            for (topic, publisher) in std::mem::take(&mut sample.unheard) {
                if let Some(known) = self.unheard.get_mut(&*topic) {
                    (known.publisher, known.at) = (publisher.into_string(), now);
                } else if self.unheard.len() < UNHEARD_MAX {
                    let heard = Unheard {
                        publisher: publisher.into_string(),
                        at: now,
                        is_looked_for: false,
                        similar: None,
                    };
                    self.unheard.insert(topic.into_string(), heard);
                }
            }
        }
        self.unheard
            .retain(|_, heard| now.saturating_sub(heard.at) <= UNHEARD_MILLIS);
    }
}

impl Work {
    /// Renews the list of what needs attention, and the alarms.
    pub(super) fn attend(&mut self, now: u64) {
        if self.ticks.is_multiple_of(MACHINE_TICKS) {
            self.look_at_machine();
        }
        self.look_at_queues();
        self.raise_alarms(now);
        self.look_for_similar();
        if self.ticks.is_multiple_of(CERTIFICATE_TICKS) {
            self.configuration.listeners().look_at_certificates();
        }
        let log = &self.observed.connections;
        let mut needs = log.look_back(now.saturating_sub(LOOK_BACK_MILLIS), |entries| {
            let mut needs = attention::shared_ids(entries.clone());
            needs.append(&mut attention::refused(now, entries));
            needs
        });
        let since = now.saturating_sub(LOST_MILLIS);
        let all = usize::MAX;
        let lost = self.observed.losses.find(|l| l.at >= since, 0, all);
        needs.append(&mut attention::lost(&lost.losses));
        needs.append(&mut attention::behind(self.attend.behind.clone()));
        needs.append(&mut self.unsubscribed(now));
        needs.extend(self.attend.nearly_subscribed());
        needs.append(&mut self.certificates());
        let active = self.observed.alarms().active();
        needs.extend(active.into_iter().map(|alarm| Need::High {
            what: alarm.what,
            percent: self.attend.now_of(alarm.what).unwrap_or(alarm.percent),
        }));
        if self.crashed && self.clock.uptime().as_millis() < CRASH_MILLIS {
            needs.push(Need::Crash);
        }
        self.observed.attention().renew(now, needs);
    }

    fn look_at_machine(&mut self) {
        let looked = Machine::look();
        let mut used = Vec::new();
        if let Some(memory) = looked.memory {
            used.push((Resource::Memory, percent(memory.used_share())));
        }
        let config = &self.configuration.now().loaded.config;
        if let Some(disk) = machine::disk(&config.node.data_dir) {
            used.push((Resource::Disk, percent(disk.used_share())));
        }
        if let (Some(files), Some(max)) = (looked.files, looked.files_max) {
            used.push((Resource::Files, percent(files as f64 / max.max(1) as f64)));
        }
        if let (Some(now), Some(before)) = (looked.work, self.attend.busy) {
            used.push((Resource::Processors, percent(now.busy_since(before))));
        }
        used.push((
            Resource::Connections,
            percent(fullest_listener(&self.configuration)),
        ));
        self.attend.busy = looked.work;
        self.attend.used = used;
    }

    fn look_at_queues(&mut self) {
        let config = &self.configuration.now().loaded.config.mqtt;
        let share = |used: usize, max: usize| used as f64 / max.max(1) as f64;
        let full = self.attend.behind.iter().map(|b| {
            let bytes = share(b.queued_bytes, config.max_queue_bytes);
            share(b.queued, config.max_queue).max(bytes)
        });
        let fullest = percent(full.fold(0.0, f64::max));
        self.attend
            .used
            .retain(|(what, _)| *what != Resource::Queues);
        self.attend.used.push((Resource::Queues, fullest));
    }

    fn raise_alarms(&self, now: u64) {
        let mut ended = Vec::new();
        let fresh = self.ticks.is_multiple_of(MACHINE_TICKS);
        for (what, percent) in &self.attend.used {
            // The machine's figures are looked at once each.
            if fresh || *what == Resource::Queues {
                ended.extend(self.observed.alarms().look(now, *what, *percent));
            }
        }
        let records = ended.iter().map(|alarm| {
            let (key, value) = alarm.record();
            (key, Some(value))
        });
        self.keep_alarms(records.collect());
    }

    /// Certificates that end soon, and files of certificates that cannot be used.
    fn certificates(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        for (id, context) in self.configuration.listeners().contexts() {
            let listener = id.to_string();
            let terms = context.terms();
            let days = tls::days_left(terms.facts.valid_until);
            let list = terms.lists_until.map(tls::days_left);
            if let Some(days) = list.filter(|days| *days <= LIST_DAYS) {
                let listener = listener.clone();
                needs.push(Need::RevocationEnds { listener, days });
            }
            if let Some(error) = context.trouble() {
                let error = error.to_string();
                needs.push(Need::CertificateBroken { listener, error });
            } else if days <= CERTIFICATE_DAYS {
                needs.push(Need::CertificateEnds { listener, days });
            }
        }
        needs
    }

    /// Clients that came back and have no subscription.
    fn unsubscribed(&self, now: u64) -> Vec<Need> {
        let since = now.saturating_sub(RETURNED_MILLIS);
        let log = &self.observed.connections;
        let returned = log.look_back(since, |entries| attention::returned(now, entries));
        if returned.is_empty() {
            return Vec::new();
        }
        let found = ask_all(&self.post, move |visit| {
            let without = returned.iter();
            let without = without.filter(|(id, _)| visit.engine.is_unsubscribed(id));
            without.cloned().collect::<Vec<_>>()
        });
        let each = found.into_iter().flatten();
        each.map(|(client_id, before)| Need::NotSubscribed { client_id, before })
            .collect()
    }

    /// Subscriptions that are nearly equal to topics which nobody gets.
    fn look_for_similar(&mut self) {
        let all = self.ticks.is_multiple_of(SIMILAR_TICKS);
        let unheard = self.attend.unheard.iter();
        let wanted = unheard.filter(|(_, heard)| all || !heard.is_looked_for);
        let wanted: Vec<_> = wanted.map(|(topic, _)| topic.clone()).collect();
        for topic in wanted {
            let similar = self.similar_to(&topic);
            if let Some(heard) = self.attend.unheard.get_mut(&topic) {
                (heard.is_looked_for, heard.similar) = (true, similar);
            }
        }
    }

    fn similar_to(&self, topic: &str) -> Option<String> {
        let mut from = Some(0);
        for _ in 0..VISITS {
            let at = from?;
            let wanted = topic.to_owned();
            let found = ask_all(&self.post, move |visit| {
                visit.engine.similar_filter(&wanted, at, FILTERS)
            });
            if let Some(filter) = found.iter().find_map(|(filter, _)| filter.clone()) {
                return Some(filter.into());
            }
            from = found.into_iter().filter_map(|(_, next)| next).max();
        }
        None
    }
}

impl Attend {
    fn nearly_subscribed(&self) -> impl Iterator<Item = Need> {
        self.unheard.iter().filter_map(|(topic, heard)| {
            Some(Need::NearlySubscribed {
                topic: topic.clone(),
                publisher: heard.publisher.clone(),
                filter: heard.similar.clone()?,
            })
        })
    }

    fn now_of(&self, what: Resource) -> Option<u8> {
        let found = self.used.iter().find(|(other, _)| *other == what);
        found.map(|(_, percent)| *percent)
    }
}

/// Of the listeners with a bound, how full the fullest is.
fn fullest_listener(configuration: &Configuration) -> f64 {
    let now = configuration.now();
    let bounded = now.loaded.config.listeners.iter();
    let share = bounded.filter_map(|(id, listener)| {
        let max = f64::from(listener.max_connections?);
        Some(f64::from(configuration.listeners().connections(id)) / max)
    });
    share.fold(0.0, f64::max)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 100"
)]
fn percent(share: f64) -> u8 {
    (share.clamp(0.0, 1.0) * 100.0).round() as u8
}
