//! What happened lately, for people: messages that were lost or that nobody wanted, clients that are
//! behind. Bounded samples beside the counters, which have all of it.

use protocol::Topic;

use super::Shard;
use crate::{
    Counter, Drop, SessionRef, Time,
    limits::{LOSSES_MAX, SAMPLES_MAX},
};

/// Bytes of a name in a sample.
const NAME_MAX: usize = 256;

/// A message that somebody did not get.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    pub at: Time,
    pub why: Drop,
    /// How many were lost with it, for the same reason and client.
    pub count: u64,
    /// Empty where it is not known which.
    pub topic: Box<str>,
    /// Who did not get it; for a shared group, its name and filter.
    pub client_id: Box<str>,
    pub publisher: SessionRef,
    /// The publisher's client id, if its session is on the same shard.
    pub publisher_id: Option<Box<str>>,
}

/// A client whose queue fills.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behind {
    pub client_id: Box<str>,
    /// Messages and bytes that wait for it.
    pub queued: usize,
    pub queued_bytes: usize,
}

/// What was sampled since the last look.
#[derive(Debug, Default)]
pub struct Samples {
    pub losses: Vec<Loss>,
    /// Topics that somebody published to and nobody wanted, with the publisher's client id.
    pub unheard: Vec<(Box<str>, Box<str>)>,
    pub behind: Vec<Behind>,
    /// Slots of sessions that fell behind.
    slow: Vec<u32>,
}

impl Shard {
    /// What was sampled since the last call; only then there is room for more.
    pub fn take_samples(&mut self) -> Samples {
        let mut samples = std::mem::take(&mut self.samples);
        for slot in samples.slow.drain(..) {
            let Some(s) = self.sessions.get(slot) else {
                continue;
            };
            if let Some(queue) = s.rare.queue.as_ref().filter(|q| !q.is_empty()) {
                samples.behind.push(Behind {
                    client_id: cut(&s.client_id).into(),
                    queued: queue.len(),
                    queued_bytes: queue.bytes(),
                });
                // Looked at again as long as it is behind.
                self.samples.slow.push(slot);
            }
        }
        samples
    }

    /// A session's queue fills.
    pub(super) fn note_slow(&mut self, slot: u32) {
        let slow = &mut self.samples.slow;
        if slow.len() < SAMPLES_MAX && !slow.contains(&slot) {
            slow.push(slot);
        }
    }

    /// Counts messages that nobody wanted. What the broker says of itself is there to be asked for.
    #[inline]
    pub(super) fn unheard(&mut self, publisher: SessionRef, topic: Topic<'_>, n: u64) {
        if publisher == SessionRef::BROKER {
            return;
        }
        self.metrics.add(Counter::NoSubscriber, n);
        if self.samples.unheard.len() < SAMPLES_MAX {
            self.remember_unheard(publisher, topic);
        }
    }

    #[cold]
    fn remember_unheard(&mut self, publisher: SessionRef, topic: Topic<'_>) {
        let name = cut(topic.as_str());
        if topic.is_system() || self.samples.unheard.iter().any(|(t, _)| **t == *name) {
            return;
        }
        let publisher = cut(self.name_of(publisher).unwrap_or_default()).into();
        self.samples.unheard.push((name.into(), publisher));
    }

    /// Whether a client is connected and has no subscription.
    #[must_use]
    pub fn is_unsubscribed(&self, client_id: &str) -> bool {
        let s = self.find(client_id).map(|slot| self.session(slot));
        s.is_some_and(|s| s.is_online() && s.subscriptions() == 0)
    }

    /// A filter without wildcards that people may take for this topic (only large and small letters of
    /// ASCII or slashes and blanks around it differ), among `max` from a place on; and where to go on.
    #[must_use]
    pub fn similar_filter(
        &self,
        topic: &str,
        from: u32,
        max: u32,
    ) -> (Option<Box<str>>, Option<u32>) {
        fn plain(name: &str) -> &str {
            name.trim_matches(['/', ' '])
        }
        let wanted = plain(topic);
        let (found, next) = self.router.find_exact(from, max, |filter| {
            filter != topic && plain(filter).eq_ignore_ascii_case(wanted)
        });
        (found.map(Into::into), next)
    }

    /// The client id of a session, while it lives here.
    #[must_use]
    pub fn name_of(&self, session: SessionRef) -> Option<&str> {
        let slot = self.resolve(session)?;
        Some(&self.session(slot).client_id)
    }

    /// Counts messages that a session did not get, and remembers the first of them.
    #[cold]
    pub(super) fn lose(
        &mut self,
        why: Drop,
        n: u64,
        slot: u32,
        publisher: SessionRef,
        topic: Topic<'_>,
    ) {
        self.lose_of(why, n, slot, publisher, topic.as_str());
    }

    /// As much where it is not known any more what they were.
    pub(super) fn lose_some(&mut self, why: Drop, n: u64, slot: u32) {
        self.lose_of(why, n, slot, SessionRef::BROKER, "");
    }

    fn lose_of(&mut self, why: Drop, n: u64, slot: u32, publisher: SessionRef, topic: &str) {
        if n == 0 {
            return;
        }
        self.metrics.drop(why, n);
        let Some(s) = self.sessions.get_mut(slot) else {
            return;
        };
        s.tally.dropped(why, n);
        if self.samples.losses.len() < LOSSES_MAX {
            let client_id = s.client_id.to_string();
            self.remember_loss(why, n, &client_id, publisher, topic);
        }
    }

    /// As much for what a client or group that is not there any more leaves behind.
    pub(super) fn lose_all_of(&mut self, why: Drop, n: u64, name: &str) {
        self.metrics.drop(why, n);
        if n > 0 {
            self.remember_loss(why, n, name, SessionRef::BROKER, "");
        }
    }

    /// As much for a shared group.
    #[cold]
    pub(super) fn lose_for_group(
        &mut self,
        why: Drop,
        n: u64,
        key: u32,
        publisher: SessionRef,
        topic: Topic<'_>,
    ) {
        self.metrics.drop(why, n);
        if n > 0
            && self.samples.losses.len() < LOSSES_MAX
            && let Some(group) = self.groups.get_mut(key)
        {
            let name = format!("$share/{}/{}", group.name.0, group.name.1);
            self.remember_loss(why, n, &name, publisher, topic.as_str());
        }
    }

    fn remember_loss(
        &mut self,
        why: Drop,
        count: u64,
        client_id: &str,
        publisher: SessionRef,
        topic: &str,
    ) {
        if self.samples.losses.len() >= LOSSES_MAX {
            return;
        }
        let publisher_id = self.name_of(publisher).map(|name| cut(name).into());
        self.samples.losses.push(Loss {
            at: self.now,
            why,
            count,
            topic: cut(topic).into(),
            client_id: cut(client_id).into(),
            publisher,
            publisher_id,
        });
    }
}

/// Not more of a name than the bound, cut between two characters.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_MAX)]
}
