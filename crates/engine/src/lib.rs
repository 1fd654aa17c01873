//! The broker as a value: everything MQTT means, nothing MQTT touches.
//!
//! Events and a time go in, bytes and batches come out. No sockets, clocks, threads, `async` or
//! randomness: time and seed are arguments, so several shards run in one thread under a seed.

pub mod acl;
mod cause;
mod delayed;
mod leases;
pub mod limits;
pub mod message;
pub mod metrics;
pub mod plant;
pub mod policy;
pub mod record;
pub mod restore;
pub mod retained;
pub mod router;
pub mod session;
pub mod shard;
pub mod shared;
mod slab;
pub mod slow;
mod table;
mod timers;
mod topics;
pub mod watch;

pub use cause::Cause;
pub use delayed::{Delayed, DelayedId};
pub use limits::{QueueFull, Settings, Strategy};
pub use message::{Message, SessionRef};
pub use metrics::{Counter, Drop, Gauges, Metrics};
pub use session::Traffic;
pub use shard::{
    Admission, Answer, Batch, Behind, Client, Close, ConnId, Deed, Ending, Entry, Exchange, Found,
    Guest, Imported, Join, Loss, Mail, Opened, Origin, Place, Presence, Publication, Published,
    QuestionId, Reader, Received, Receiver, Receivers, Request, Revoked, Samples, SessionId, Shard,
    Sink, Stored, Subscribed, Underway, home,
};
pub use slab::Slab;
pub use slow::SlowSubscription;
pub use topics::{TopicCounts, TopicTally};

/// Milliseconds since an epoch that all shards of one process share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Time(pub u64);

impl Time {
    /// This time plus `secs` seconds; never overflows.
    #[must_use]
    pub fn plus_secs(self, secs: u32) -> Self {
        Self(self.0.saturating_add(u64::from(secs) * 1000))
    }

    /// This time plus `ms` milliseconds; never overflows.
    #[must_use]
    pub fn plus_millis(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` until this time, 0 where it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
