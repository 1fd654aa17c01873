//! Faults: power cuts at any operation, torn and damaged files, a full or failing disk. What a test
//! store holds is held against a ledger of what was acknowledged.

mod crash;
mod damage;
mod ledger;
mod limits;
mod refuse;
mod restart;
mod tools;
mod trouble;

use std::path::Path;
use std::sync::Arc;

use super::files::sim::Sim;
use super::{Options, Store};
use crate::{Message, wait};

/// The message of these tests: a topic, and a body that says which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text(String, String);

impl Message for Text {
    fn topic(&self) -> &str {
        &self.0
    }

    fn bytes(&self) -> usize {
        self.0.len() + self.1.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::try_from(self.0.len()).unwrap());
        out.extend(self.0.as_bytes());
        out.extend(self.1.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&len, rest) = bytes.split_first()?;
        let (topic, body) = rest.split_at_checked(usize::from(len))?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Self(text(topic)?, text(body)?))
    }
}

/// Small, so that everything happens often.
fn options() -> Options {
    let mut options = Options::new("store");
    options.shards = 2;
    options.segment_bytes = 4 << 10;
    options.kv_waste_bytes = 8 << 10;
    options.reserve_bytes = 2 << 10;
    options
}

fn open(sim: &Sim, options: &Options) -> Store<Text> {
    Store::open_on(Arc::new(sim.clone()), options).unwrap()
}

/// All of a shard, in order.
fn contents(store: &Store<Text>, shard: u16) -> Vec<(u64, String)> {
    let log = store.backend().log;
    let last = wait(|done| log.bounds(shard, done)).unwrap().last;
    let (mut after, mut found) = (0, Vec::new());
    while after < last {
        let filters = vec!["#".to_owned()];
        let part = wait(|done| log.replay(shard, filters, after, last, 100, done)).unwrap();
        assert!(part.upto > after, "{after}");
        after = part.upto;
        let seen = part.entries.iter();
        found.extend(seen.map(|entry| (entry.pos.seq, entry.msg.1.clone())));
    }
    found
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new("store").join(name)
}
