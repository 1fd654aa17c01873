//! Figures that several files keep: how many subscriptions there are, and what a session loses.

use super::Shard;
use crate::metrics::Gauges;

impl Shard {
    /// A session has one subscription more.
    pub(super) fn count_plain(&mut self, slot: u32) {
        self.count(slot, |n| *n += 1, |_| {});
    }

    pub(super) fn uncount_plain(&mut self, slot: u32) {
        self.count(slot, |n| *n -= 1, |_| {});
    }

    /// A session is a member of one shared group more.
    pub(super) fn count_shared(&mut self, slot: u32) {
        self.count(slot, |n| *n += 1, |g| g.shared_subscriptions += 1);
    }

    pub(super) fn uncount_shared(&mut self, slot: u32) {
        self.count(slot, |n| *n -= 1, |g| g.shared_subscriptions -= 1);
    }

    fn count(&mut self, slot: u32, one: impl Fn(&mut u64), more: impl Fn(&mut Gauges)) {
        let lasting = self.session(slot).rare.durable.is_some();
        let gauges = &mut self.metrics.gauges;
        one(&mut gauges.subscriptions);
        if lasting {
            one(&mut gauges.lasting_subscriptions);
        }
        more(gauges);
    }
}
