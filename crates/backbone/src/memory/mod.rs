//! The memory backend: several nodes in one process on one [`Hub`]. For tests and simulation;
//! nothing survives the process. Every call is completed on the caller's thread before it
//! returns, after the lock was released; sinks are called under the lock, which is what keeps
//! their order.

mod bus;
mod groups;
mod kv;
mod log;

pub(crate) use groups::Wakes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Backend, Message, NodeId};

/// What time it is; a virtual one for simulations.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The limits of a hub.
#[derive(Clone)]
pub struct Options {
    /// Log shards, at least 1.
    pub shards: u16,
    /// Bytes that a log shard keeps; the newest entry is kept however large.
    pub log_shard_bytes_max: u64,
    /// Bytes of keys and values that all buckets together keep.
    pub kv_bytes_max: usize,
    /// How long a lease of a group lasts.
    pub lease: Duration,
    /// Unsettled entries of one group.
    pub lease_max: usize,
    /// The time by which leases and beats age.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: 4,
            log_shard_bytes_max: 64 << 20,
            kv_bytes_max: 256 << 20,
            lease: Duration::from_secs(30),
            lease_max: 1_000,
            clock: Arc::new(Instant::now),
        }
    }
}

/// What the nodes share.
pub struct Hub<M: Message> {
    log: Arc<log::Log<M>>,
    kv: Arc<kv::Kv>,
    groups: Arc<groups::Groups<M>>,
    bus: Arc<bus::Hub<M>>,
}

impl<M: Message> Hub<M> {
    /// An empty hub.
    ///
    /// # Panics
    /// If `options.shards` is 0.
    pub fn new(options: &Options) -> Self {
        let log = Arc::new(log::Log::new(options.shards, options.log_shard_bytes_max));
        Self {
            groups: Arc::new(groups::Groups::new(Arc::clone(&log), options)),
            log,
            kv: Arc::new(kv::Kv::new(options.kv_bytes_max)),
            bus: Arc::new(bus::Hub::new(Arc::clone(&options.clock))),
        }
    }

    /// Joins a node. It leaves when its [`Backend::bus`] is dropped.
    ///
    /// # Panics
    /// If a node of this name is there.
    pub fn node(&self, id: NodeId) -> Backend<M> {
        Backend {
            bus: Arc::new(bus::Bus::join(Arc::clone(&self.bus), id)),
            log: Arc::clone(&self.log) as _,
            kv: Arc::clone(&self.kv) as _,
            groups: Arc::clone(&self.groups) as _,
        }
    }
}

/// Every change of state is finished before a sink runs, so one that panicked under the lock has
/// left the state whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sinks in the order of their subscription, each with a number by which its guard ends it.
struct Sinks<S> {
    last: u64,
    list: BTreeMap<u64, S>,
}

impl<S> Sinks<S> {
    fn new() -> Self {
        Self {
            last: 0,
            list: BTreeMap::new(),
        }
    }

    fn add(&mut self, sink: S) -> u64 {
        self.last += 1;
        self.list.insert(self.last, sink);
        self.last
    }

    /// The sink is given back to be dropped outside the lock: what it owns may lock again.
    fn remove(&mut self, number: u64) -> Option<S> {
        self.list.remove(&number)
    }

    fn iter(&self) -> impl Iterator<Item = &S> {
        self.list.values()
    }

    fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
