//! At the start: the engine is given what the store has.

use backbone::{Blob, Error};
use engine::{
    Entry, Shard, Time,
    record::Bucket,
    restore::{Restored, Source},
};

use super::store::{Store, entry};

/// Restores all shards.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn restore(
    store: &Store,
    shards: &mut [&mut Shard],
    now: Time,
) -> Result<Restored, Error> {
    let restored = engine::restore::restore(&mut Reader(store), shards, now)?;
    if restored.unusable > 0 {
        tracing::error!(
            "{} records of the store are of no form that this release knows; they were left alone",
            restored.unusable
        );
    }
    if restored.refused > 0 {
        tracing::warn!(
            "{} retained messages are beyond mqtt.max_retained or mqtt.max_retained_bytes; raise these \
             and start again to have them",
            restored.refused
        );
    }
    Ok(restored)
}

struct Reader<'a>(&'a Store);

impl Source for Reader<'_> {
    type Bytes = Blob;
    type Error = Error;

    fn tail(&mut self) -> Result<u64, Error> {
        self.0.tail()
    }

    fn records(&mut self, bucket: Bucket) -> Result<Vec<(Blob, Blob)>, Error> {
        self.0.records(bucket.name())
    }

    fn identities(&mut self) -> Result<Vec<Blob>, Error> {
        let log = &self.0.backend.log;
        let open = backbone::wait(|done| log.identities(self.0.shard(), done))?;
        Ok(open.into_iter().map(|(identity, _)| identity).collect())
    }

    fn release(&mut self, identities: Vec<Blob>) -> Result<(), Error> {
        let log = &self.0.backend.log;
        backbone::wait(|done| log.release(self.0.shard(), identities, done))
    }

    fn fetch(&mut self, positions: Vec<u64>) -> Result<Vec<Entry>, Error> {
        let log = &self.0.backend.log;
        let found = backbone::wait(|done| log.fetch(self.0.shard(), positions, done))?;
        Ok(found.iter().map(entry).collect())
    }
}
