//! Buckets in memory: ordered maps under one mutex, which also keeps the watches in order.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use super::{Sinks, lock};
use crate::{Blob, Change, Done, Error, Guard, Value, WatchSink, Write};

/// Keys handed to a watch at once while it takes its snapshot.
const SNAPSHOT_BATCH_MAX: usize = 1_024;

pub(super) struct Kv {
    store: Arc<Mutex<Store>>,
}

struct Store {
    buckets: BTreeMap<String, Bucket>,
    bytes: usize,
    bytes_max: usize,
}

struct Bucket {
    rev: u64,
    map: BTreeMap<Blob, Value>,
    watches: Sinks<Watch>,
}

struct Watch {
    prefix: Blob,
    sink: WatchSink,
}

impl Kv {
    pub(super) fn new(bytes_max: usize) -> Self {
        let store = Store {
            buckets: BTreeMap::new(),
            bytes: 0,
            bytes_max,
        };
        Self {
            store: Arc::new(Mutex::new(store)),
        }
    }
}

impl crate::Kv for Kv {
    fn get(&self, bucket: &str, key: &[u8], done: Done<Option<Value>>) {
        let value = lock(&self.store).value(bucket, key).cloned();
        done(Ok(value));
    }

    fn cas(&self, bucket: &str, key: &[u8], expect: u64, value: Option<Blob>, done: Done<u64>) {
        let mut store = lock(&self.store);
        let current = store.value(bucket, key).map_or(0, |value| value.rev);
        let result = if current == expect {
            store
                .write(bucket, vec![(key.into(), value)])
                .map(|revs| revs[0])
        } else {
            Err(Error::Conflict { current })
        };
        drop(store);
        done(result);
    }

    fn put(&self, bucket: &str, batch: Vec<Write>, done: Done<Vec<u64>>) {
        let result = lock(&self.store).write(bucket, batch);
        done(result);
    }

    fn watch(&self, bucket: &str, prefix: &[u8], sink: WatchSink) -> Guard {
        let mut store = lock(&self.store);
        let state = store.bucket(bucket);
        let mut present = state.under(prefix).peekable();
        while present.peek().is_some() {
            sink(present.by_ref().take(SNAPSHOT_BATCH_MAX).collect());
        }
        drop(present);
        sink([Change::Synced].into());
        let number = state.watches.add(Watch {
            prefix: prefix.into(),
            sink,
        });
        drop(store);
        let (store, bucket) = (Arc::clone(&self.store), bucket.to_owned());
        Guard::new(move || {
            let watch = lock(&store).bucket(&bucket).watches.remove(number);
            drop(watch);
        })
    }
}

impl Store {
    fn bucket(&mut self, name: &str) -> &mut Bucket {
        if !self.buckets.contains_key(name) {
            self.buckets.insert(name.to_owned(), Bucket::new());
        }
        self.buckets.get_mut(name).expect("it was just made")
    }

    fn value(&self, bucket: &str, key: &[u8]) -> Option<&Value> {
        self.buckets.get(bucket)?.map.get(key)
    }

    /// Writes a batch whole or, for want of room, not at all, and tells the watches.
    fn write(&mut self, bucket: &str, batch: Vec<Write>) -> Result<Vec<u64>, Error> {
        self.check_room(bucket, &batch)?;
        let mut bytes = self.bytes;
        let state = self.bucket(bucket);
        let mut changes = Vec::with_capacity(batch.len());
        let mut revs = Vec::with_capacity(batch.len());
        for (key, value) in batch {
            let old = state.map.get(&key).map(|old| key.len() + old.bytes.len());
            bytes -= old.unwrap_or(0);
            if value.is_none() && old.is_none() {
                revs.push(0);
                continue;
            }
            state.rev += 1;
            revs.push(state.rev);
            changes.push(match value {
                Some(value) => {
                    bytes += key.len() + value.len();
                    let value = Value {
                        bytes: value,
                        rev: state.rev,
                    };
                    state.map.insert(Arc::clone(&key), value.clone());
                    Change::Put { key, value }
                }
                None => {
                    state.map.remove(&key);
                    Change::Del {
                        key,
                        rev: state.rev,
                    }
                }
            });
        }
        state.tell(&changes.into());
        self.bytes = bytes;
        Ok(revs)
    }

    /// Only what grows can be refused, so that deleting always works. A key that a batch names
    /// twice is counted twice: near the limit that refuses a little early.
    fn check_room(&self, bucket: &str, batch: &[Write]) -> Result<(), Error> {
        let (mut more, mut less) = (0, 0);
        for (key, value) in batch {
            more += value.as_ref().map_or(0, |value| key.len() + value.len());
            less += self
                .value(bucket, key)
                .map_or(0, |old| key.len() + old.bytes.len());
        }
        if more > less && self.bytes + more - less.min(self.bytes) > self.bytes_max {
            return Err(Error::Full("the limit of bytes in memory".into()));
        }
        Ok(())
    }
}

impl Bucket {
    fn new() -> Self {
        Self {
            rev: 0,
            map: BTreeMap::new(),
            watches: Sinks::new(),
        }
    }

    fn under(&self, prefix: &[u8]) -> impl Iterator<Item = Change> {
        self.map
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .map(|(key, value)| Change::Put {
                key: Arc::clone(key),
                value: value.clone(),
            })
    }

    fn tell(&self, changes: &Arc<[Change]>) {
        for watch in self.watches.iter() {
            let seen: Arc<[_]> = if watch.prefix.is_empty() {
                Arc::clone(changes)
            } else {
                changes
                    .iter()
                    .filter(|change| change.is_under(&watch.prefix))
                    .cloned()
                    .collect()
            };
            if !seen.is_empty() {
                (watch.sink)(seen);
            }
        }
    }
}

impl Change {
    fn is_under(&self, prefix: &[u8]) -> bool {
        match self {
            Self::Put { key, .. } | Self::Del { key, .. } => key.starts_with(prefix),
            Self::Synced => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kv as _, wait};

    /// At the limit of bytes only what grows is refused, and nothing of it is written.
    #[test]
    fn full_refuses_growth_only() {
        let kv = Kv::new(10);
        let write = |key: &[u8; 1], len| (Blob::from(*key), Some(vec![0; len].into()));
        let put = |batch: Vec<Write>| wait(|done| kv.put("b", batch, done));
        assert_eq!(put(vec![write(b"a", 4), write(b"b", 4)]), Ok(vec![1, 2]));
        assert!(matches!(
            put(vec![write(b"a", 1), write(b"c", 4)]),
            Err(Error::Full(_))
        ));
        assert_eq!(put(vec![write(b"a", 3), write(b"b", 5)]), Ok(vec![3, 4]));
        let grow = wait(|done| kv.cas("b", b"a", 3, Some(vec![0; 4].into()), done));
        assert!(matches!(grow, Err(Error::Full(_))));
        assert_eq!(
            put(vec![(Blob::from(*b"b"), None), write(b"c", 5)]),
            Ok(vec![5, 6])
        );
        assert_eq!(lock(&kv.store).bytes, 10);
    }
}
