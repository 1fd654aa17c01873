//! What matches one topic, remembered: per shard a direct-mapped table, with no allocation once warm.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use protocol::Topic;

use super::{Flags, Interest, Router, subs::Subs};
use crate::{acl::Mark, limits::ROUTES_MAX};

/// One receiving session of this shard.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) session: u32,
    pub(crate) flags: Flags,
    /// Identifiers of all its matching subscriptions [MQTT-3.3.4-3].
    pub(crate) ids: Vec<u32>,
}

/// Who gets a topic.
#[derive(Debug, Default)]
pub struct Route {
    pub(crate) topic: String,
    /// The router's change count when this was filled or last found current.
    pub(crate) seen: u64,
    pub(crate) targets: Vec<Target>,
    pub(crate) groups: Vec<u32>,
    pub(crate) interest: Interest,
    /// A session or group of this shard that reads the log is among them.
    pub(crate) durable: bool,
    /// Who was allowed to publish to it last.
    pub(crate) mark: Mark,
    /// Some session stands in `targets` more than once.
    overlaps: bool,
}

impl Route {
    pub(super) fn clear(&mut self, topic: Topic<'_>, seen: u64) {
        self.topic.clear();
        self.topic.push_str(topic.as_str());
        self.seen = seen;
        self.targets.clear();
        self.groups.clear();
        self.interest = Interest::default();
        self.durable = false;
        self.mark = Mark::default();
        self.overlaps = false;
    }

    pub(super) fn collect(&mut self, subs: &Subs) {
        let found = subs.slice();
        self.overlaps |= !found.is_empty() && !self.targets.is_empty();
        self.targets.extend(found.iter().map(|s| Target {
            session: s.session,
            flags: s.flags,
            // [MQTT-3.3.4-3]
            ids: if s.id == 0 { Vec::new() } else { vec![s.id] },
        }));
        for (group, durable) in subs.groups() {
            self.groups.push(*group);
            self.durable |= durable;
        }
    }

    /// Overlapping subscriptions of one session become one delivery [MQTT-3.3.4-2].
    pub(super) fn merge(&mut self) {
        if self.overlaps {
            self.targets.sort_by_key(|t| t.session);
            self.targets.dedup_by(|b, a| {
                if a.session != b.session {
                    return false;
                }
                a.flags = a.flags.overlap(b.flags);
                a.ids.append(&mut b.ids); // [MQTT-3.3.4-4]
                true
            });
        }
        self.durable |= self.targets.iter().any(|t| t.flags.reads_log());
    }

    /// Whether `topic` is this route's own text, not only equal to it: what a decoder that was given
    /// the topic as known gives back.
    #[inline]
    pub(crate) fn is_of(&self, topic: &str) -> bool {
        std::ptr::eq(self.topic.as_str(), topic)
    }

    /// Receivers on this shard.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len() + self.groups.len()
    }

    /// Whether somebody reads the log for it.
    #[inline]
    pub(crate) fn is_logged(&self) -> bool {
        self.durable || self.interest.durable != 0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.groups.is_empty() && self.interest.is_empty()
    }
}

/// The cache. A route is taken out while it is used and put back, so deliveries may borrow the shard.
#[derive(Debug)]
pub(crate) struct Routes {
    hasher: FixedState,
    slots: Vec<Option<Box<Route>>>,
}

impl Routes {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            hasher: FixedState::with_seed(seed),
            slots: Vec::new(),
        }
    }

    /// The route in this slot, if it is current: what a publisher used last is likely what it needs
    /// next. Put it back, or it is forgotten.
    #[inline]
    pub(crate) fn lift(&mut self, router: &Router, slot: u32) -> Option<Box<Route>> {
        let place = self.slots.get_mut(slot as usize)?;
        let current = place.as_mut().is_some_and(|r| router.is_current(r));
        if current { place.take() } else { None }
    }

    /// The current route of a topic, and the slot to put it back to.
    pub(crate) fn take(&mut self, router: &mut Router, topic: Topic<'_>) -> (u32, Box<Route>) {
        if self.slots.is_empty() {
            self.slots.resize_with(ROUTES_MAX, || None);
        }
        let mask = ROUTES_MAX as u64 - 1;
        let slot = u32::try_from(self.hasher.hash_one(topic.as_str()) & mask)
            .expect("smaller than ROUTES_MAX");
        let mut route = self.slots[slot as usize].take().unwrap_or_default();
        if route.topic != topic.as_str() || !router.is_current(&mut route) {
            router.walk(topic, &mut route);
        }
        (slot, route)
    }

    #[inline]
    pub(crate) fn put(&mut self, slot: u32, route: Box<Route>) {
        self.slots[slot as usize] = Some(route);
    }
}
