//! What the process's memory is used for, as far as it grows with what clients do.

use super::{Admin, Gone};
use crate::shard::{VISIT_MAX, Visit};

/// Bytes of memory by use. They are counted from what there is, not from what the allocator says: its
/// own needs, and tables that are not full, come on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Their entries and buffers.
    pub connections: u64,
    /// Without what waits for them.
    pub sessions: u64,
    /// Messages that wait for their receivers, or are in flight to them.
    pub queues: u64,
    pub retained: u64,
}

impl Admin {
    /// What memory is used for now.
    ///
    /// # Errors
    /// [`Gone`] if the broker is shutting down.
    pub async fn memory_use(&self) -> Result<MemoryUse, Gone> {
        let mut used = MemoryUse {
            retained: self.0.post.metrics().gauges.retained_bytes,
            ..MemoryUse::default()
        };
        let bytes = |visit: &mut Visit<'_>, from| visit.conns.bytes(from, VISIT_MAX);
        let add = |bytes| used.connections += bytes as u64;
        self.each_slice(bytes, add).await?;
        let bytes = |visit: &mut Visit<'_>, from| {
            let (mut sessions, mut queues, mut next) = (0, 0, None);
            for (behind, client) in visit.engine.clients(from).take(VISIT_MAX) {
                sessions += client.bytes() as u64;
                queues += client.waiting_bytes() as u64;
                next = Some(behind);
            }
            ((sessions, queues), next)
        };
        let add = |(sessions, queues)| {
            used.sessions += sessions;
            used.queues += queues;
        };
        self.each_slice(bytes, add).await?;
        Ok(used)
    }
}
