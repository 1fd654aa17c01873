//! Shared subscriptions that must not lose messages: a group reads the log by one cursor and its
//! nodes pull entries under leases, so that what one node does not finish comes to another. The
//! trait and its types only.

use std::fmt;

use crate::{Done, Entry, Guard, Message};

/// Names a group: `$share/<group>/<filter>`. One name with two filters is two groups
/// [MQTT-4.8.2-1].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// The share name.
    pub group: String,
    /// The topic filter, without the share prefix.
    pub filter: String,
}

/// An entry in the keeping of one node until it is settled or its time is over.
pub struct Lease<M> {
    /// Names this hand-out. It is another one when the entry is handed out again.
    pub id: u64,
    /// The entry.
    pub entry: Entry<M>,
    /// How often it was handed out, this time included: 1 is the first.
    pub attempt: u32,
}

/// What became of a leased entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered and acknowledged (or dropped on purpose): the cursor may pass it.
    Done,
    /// Not delivered: hand it to somebody else at once.
    Return,
    /// Still being delivered: its time begins anew.
    Extend,
}

/// Told that a pull may find something now. It may be called without need.
pub type WakeSink = Box<dyn Fn() + Send + Sync>;

/// Groups over the log. All nodes see the same ones.
pub trait Groups<M: Message>: Send + Sync {
    /// Makes a group that begins with what is appended from now on. If it exists, nothing changes.
    ///
    /// # Errors
    /// `Unavailable`; `Fatal`, also for a filter that is not a valid one.
    fn create(&self, key: &GroupKey, done: Done<()>);

    /// Forgets a group, its cursor and its leases.
    ///
    /// # Errors
    /// `Unavailable`, `Fatal`; none if it is absent.
    fn remove(&self, key: &GroupKey, done: Done<()>);

    /// Takes up to `max` matching entries, at once and possibly none: first those that came back,
    /// then new ones, within a shard by position. Each is held by one lease at a time. The number
    /// of unsettled entries of a group is bounded by the backend; at the bound only what came
    /// back is handed out.
    ///
    /// # Errors
    /// `Absent` if there is no such group, `Unavailable`, `Fatal`.
    fn pull(&self, key: &GroupKey, max: usize, done: Done<Vec<Lease<M>>>);

    /// Says what became of leases. A lease whose time is over may be taken or ignored; so is an
    /// unknown one.
    ///
    /// # Errors
    /// `Absent` if there is no such group, `Unavailable`, `Fatal`.
    fn settle(&self, key: &GroupKey, settled: Vec<(u64, Outcome)>, done: Done<()>);

    /// For each log shard the position up to which, inclusive, nothing is left to do for this
    /// group. The log may be trimmed below the lowest of all groups and sessions.
    ///
    /// # Errors
    /// `Absent` if there is no such group, `Unavailable`, `Fatal`.
    fn cursors(&self, key: &GroupKey, done: Done<Vec<u64>>);

    /// Calls the sink when a matching entry was appended or given back. Not when the time of a
    /// lease is over: after an empty pull, pull again when woken or after the lease time. For an
    /// absent group it stays silent until the group is created.
    fn wake(&self, key: &GroupKey, sink: WakeSink) -> Guard;
}

impl<M> Clone for Lease<M> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            entry: self.entry.clone(),
            attempt: self.attempt,
        }
    }
}

impl<M: Message> fmt::Debug for Lease<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Lease({}, {:?}, attempt {})",
            self.id, self.entry, self.attempt
        )
    }
}
