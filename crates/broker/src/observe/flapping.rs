//! Clients that shards have found to come and go too often, until the control plane bans them.

use std::sync::Mutex;

use super::lock;

/// Clients that wait to be banned; one that comes beyond is found again.
const WAITING_MAX: usize = 10_000;

/// Those of all shards.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<Vec<Box<str>>>);

impl Found {
    /// Takes what a shard found in one pass.
    pub(crate) fn add(&self, client_ids: &mut Vec<Box<str>>) {
        let mut waiting = lock(&self.0);
        client_ids.truncate(WAITING_MAX.saturating_sub(waiting.len()));
        waiting.append(client_ids);
    }

    /// At most so many, in their order.
    pub(crate) fn take(&self, max: usize) -> Vec<Box<str>> {
        let mut waiting = lock(&self.0);
        let count = waiting.len().min(max);
        waiting.drain(..count).collect()
    }
}
