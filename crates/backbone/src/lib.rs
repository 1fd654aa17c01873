//! The seam between the broker and what keeps or carries its messages: [`Bus`], [`Log`], [`Kv`]
//! and [`Groups`], and their backends. It moves messages and keeps records; it knows neither
//! sessions nor sockets. No call waits: it takes a batch and a completion ([`Done`]), so that a
//! writer thread, a network client or plain memory can stand behind it. Boxes and virtual calls
//! are per batch, never per message.
//!
//! Rules for every backend, proved by `tests/contract`:
//! - A [`Done`] is called exactly once, on any thread, possibly before the call has returned.
//!   It holds no lock of the backend: it may call back.
//! - A sink is called in order and may be called under a lock: it must be quick (push onto a
//!   mailbox) and must not call into the backend, nor drop a [`Guard`].
//! - A number of a shard that is not below [`Log::shards`] is a mistake of ours and panics.

mod bus;
pub mod disk;
mod filter;
mod groups;
mod kv;
mod lease;
mod log;
pub mod memory;

use std::fmt;
use std::sync::{Arc, mpsc};

pub use bus::{Bus, Call, CallSink, InboundSink, Interest, NodeId, NodeInfo, Reply};
pub use groups::{GroupKey, Groups, Lease, Outcome, WakeSink};
pub use kv::{Change, Kv, Value, WatchSink, Write};
pub use log::{Bounds, Dedup, Entry, Log, Message, Pos, Record, Replay, TailSink, shard_of};

/// A completion: called exactly once with what became of the call.
pub type Done<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// Bytes that are handed on without copying.
pub type Blob = Arc<[u8]>;

/// Why a call failed, by what its caller should do next.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Another writer was first: read again and decide anew.
    #[error("the current revision is {current}, another one was expected")]
    Conflict {
        /// The revision that the key has now; 0 if there is no such key.
        current: u64,
    },
    /// What the call names (a node, a group) does not exist. Trying again does not help.
    #[error("there is no such {0}")]
    Absent(&'static str),
    /// There is no room. Nothing was written; it may succeed once something was deleted.
    #[error("no room: {0}")]
    Full(Arc<str>),
    /// Not now: the same call may succeed later. It is unknown whether it took effect.
    #[error("unavailable: {0}")]
    Unavailable(Arc<str>),
    /// The backend cannot go on; no later call will succeed either.
    #[error("the store failed: {0}")]
    Fatal(Arc<str>),
}

/// The four interfaces as one node sees them.
pub struct Backend<M: Message> {
    /// Messages to and from the other nodes, at most once, and who they are.
    pub bus: Arc<dyn Bus<M>>,
    /// The shared durable log.
    pub log: Arc<dyn Log<M>>,
    /// Small records with revisions.
    pub kv: Arc<dyn Kv>,
    /// Shared subscriptions over the log.
    pub groups: Arc<dyn Groups<M>>,
}

impl<M: Message> Clone for Backend<M> {
    fn clone(&self) -> Self {
        Self {
            bus: Arc::clone(&self.bus),
            log: Arc::clone(&self.log),
            kv: Arc::clone(&self.kv),
            groups: Arc::clone(&self.groups),
        }
    }
}

/// Keeps a subscription alive; dropping it ends the subscription.
///
/// Once the drop has returned no further call of the sink begins. One that has begun on another
/// thread may still be running.
#[must_use = "the subscription ends when its guard is dropped"]
pub struct Guard(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Guard {
    /// A guard that runs `end` when it is dropped.
    pub fn new(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(end)))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// Makes a call and blocks until it is completed. For start-up, tools and tests, never on a shard.
///
/// # Errors
/// What the call failed with; [`Error::Unavailable`] if the backend dropped the completion.
pub fn wait<T: Send + 'static>(call: impl FnOnce(Done<T>)) -> Result<T, Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    // Whoever completes the call after the waiter has gone has nobody to tell, hence `ok`.
    call(Box::new(move |result| _ = sender.send(result).ok()));
    receiver
        .recv()
        .unwrap_or_else(|_| Err(Error::Unavailable("never answered".into())))
}
