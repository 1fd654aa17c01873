//! Small records with revisions, in named buckets: session records, owners, retained messages,
//! settings. Compare-and-set is what takeover and QoS 2 stand on. The trait and its types only.

use std::sync::Arc;

use crate::{Blob, Done, Guard};

/// A value and the revision that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Blob,
    /// Grows with each change inside a bucket; never 0, never used twice.
    pub rev: u64,
}

/// One write of a batch: the key, and its new value or `None` to delete it.
pub type Write = (Blob, Option<Blob>);

/// What a watch sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has this value now.
    Put {
        /// The key.
        key: Blob,
        /// The value and its revision.
        value: Value,
    },
    /// The key was deleted.
    Del {
        /// The key.
        key: Blob,
        /// The revision of the deletion.
        rev: u64,
    },
    /// The snapshot is complete; what follows happened after it. Sent once.
    Synced,
}

/// Takes the changes of a watch.
pub type WatchSink = Box<dyn Fn(Arc<[Change]>) + Send + Sync>;

/// Buckets of keys. A bucket exists as soon as it is named.
pub trait Kv: Send + Sync {
    /// Reads a key, as of the last write that was completed anywhere (linearisable).
    ///
    /// # Errors
    /// `Unavailable`, `Fatal`.
    fn get(&self, bucket: &str, key: &[u8], done: Done<Option<Value>>);

    /// Writes (or with `None` deletes) a key if its revision is `expect`, where 0 means that the
    /// key must be absent. Gives the new revision, which serves as a fencing token. To delete
    /// what is absent changes nothing and gives 0.
    ///
    /// # Errors
    /// `Conflict` with the revision found, `Full`, `Unavailable`, `Fatal`.
    fn cas(&self, bucket: &str, key: &[u8], expect: u64, value: Option<Blob>, done: Done<u64>);

    /// Writes a batch in its order, unconditionally: the last write of a key wins. `Ok` means
    /// durable, with the revision of each write (any number for the deletion of an absent key).
    /// The batch is not a transaction for readers; after a failure a part may be written.
    ///
    /// # Errors
    /// `Full`, `Unavailable`, `Fatal`.
    fn put(&self, bucket: &str, batch: Vec<Write>, done: Done<Vec<u64>>);

    /// Follows the keys that begin with `prefix` (all if it is empty): first each one present, as
    /// a `Put`, in any order; then `Synced`; then each change once, by growing revision. No
    /// change is lost between the two. Never calls with an empty batch.
    fn watch(&self, bucket: &str, prefix: &[u8], sink: WatchSink) -> Guard;
}
