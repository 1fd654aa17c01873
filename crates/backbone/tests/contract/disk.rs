//! The disk backend under the contract, in a directory of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backbone::{Backend, disk};

use crate::{Fixture, Spec, Text};

pub(crate) struct Disk {
    store: Option<disk::Store<Text>>,
    dir: PathBuf,
}

impl Fixture for Disk {
    const NODES: u64 = 1;
    const EXACT: bool = false;

    fn new(spec: &Spec) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ternmq-contract-{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let mut options = disk::Options::new(&dir);
        options.shards = spec.shards;
        options.log_shard_bytes_max = spec.log_shard_bytes_max;
        options.segment_bytes = spec.log_shard_bytes_max / 8;
        options.lease = spec.lease;
        Self {
            store: Some(disk::Store::open(&options).unwrap()),
            dir,
        }
    }

    fn node(&self) -> Backend<Text> {
        self.store.as_ref().unwrap().backend()
    }

    fn pass(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.store.take());
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}
