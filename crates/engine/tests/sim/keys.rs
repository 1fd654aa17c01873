//! A model of the store's records: written one after the other, over all shards, and answered later.

use std::collections::{BTreeMap, VecDeque};

use engine::{
    Message, SessionRef,
    record::{Bucket, Write, parse_key},
};

use crate::{
    client::number,
    faults::{Counts, Kind},
    rng::Rng,
};

pub(crate) type Bytes = Box<[u8]>;

#[derive(Debug)]
struct Put {
    shard: usize,
    token: Option<u64>,
    write: Write,
}

#[derive(Debug, Default)]
pub(crate) struct Keys {
    kept: [BTreeMap<Bytes, Bytes>; Bucket::ALL.len()],
    waiting: VecDeque<Put>,
    /// A record was refused in this run.
    pub(crate) refused: bool,
    /// Messages that were not retained.
    pub(crate) unretained: Vec<usize>,
    /// What was refused of clients, and not written since.
    refusals: BTreeMap<String, Lost>,
}

/// What a crash took from a client: writes to its session, its end, and writes to its wills.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Lost {
    pub(crate) sessions: bool,
    pub(crate) ends: bool,
    pub(crate) wills: bool,
}

/// The message that is to be retained.
fn named(write: &Write) -> Option<usize> {
    let message = Message::decode(write.value.as_deref()?, SessionRef::BROKER)?;
    number(message.payload())
}

pub(crate) trait Lose {
    fn lose(&mut self, write: &Write);
}

impl Lose for BTreeMap<String, Lost> {
    fn lose(&mut self, write: &Write) {
        let Some((name, _)) = parse_key(&write.key) else {
            return;
        };
        let lost = self.entry(name.to_owned()).or_default();
        match write.bucket {
            Bucket::Session if write.value.is_none() => lost.ends = true,
            Bucket::Session => lost.sessions = true,
            Bucket::Will => lost.wills = true,
            _ => {}
        }
    }
}

impl Keys {
    pub(crate) fn ask(&mut self, shard: usize, token: Option<u64>, write: Write) {
        self.waiting.push_back(Put {
            shard,
            token,
            write,
        });
    }

    /// Writes the next. Gives shard, token and whether it was kept, if somebody waits for that.
    pub(crate) fn write(
        &mut self,
        refusing: usize,
        rng: &mut Rng,
        faults: &mut Counts,
    ) -> Option<(usize, u64, bool)> {
        let Put {
            shard,
            token,
            write,
        } = self.waiting.pop_front()?;
        // What is deleted always has room.
        let refused = write.value.is_some() && rng.percent(refusing);
        if refused {
            faults.fired(Kind::RecordRefused);
            self.refused = true;
            self.refusals.lose(&write);
            if write.bucket == Bucket::Retained {
                self.unretained.extend(named(&write));
            }
        } else {
            if let Some((name, _)) = parse_key(&write.key)
                && let Some(lost) = self.refusals.get_mut(name)
            {
                match write.bucket {
                    Bucket::Session => lost.sessions = false,
                    Bucket::Will => lost.wills = false,
                    _ => {}
                }
            }
            self.put(write);
        }
        token.map(|token| (shard, token, !refused))
    }

    fn put(&mut self, write: Write) {
        let kept = &mut self.kept[write.bucket as usize];
        match write.value {
            Some(value) => kept.insert(write.key, value),
            None => kept.remove(&write.key),
        };
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What was not written is gone. Gives what that was, by client id.
    pub(crate) fn crash(&mut self) -> BTreeMap<String, Lost> {
        let mut lost = std::mem::take(&mut self.refusals);
        for Put { write, .. } in self.waiting.drain(..) {
            lost.lose(&write);
        }
        lost
    }

    pub(crate) fn all(&self, bucket: Bucket) -> &BTreeMap<Bytes, Bytes> {
        &self.kept[bucket as usize]
    }

    /// The records of a client in a bucket.
    pub(crate) fn of<'a>(
        &'a self,
        bucket: Bucket,
        client: &'a str,
    ) -> impl Iterator<Item = (&'a Bytes, &'a Bytes)> {
        self.all(bucket)
            .iter()
            .filter(move |(key, _)| parse_key(key).is_some_and(|(name, _)| name == client))
    }

    /// Messages of a client's wills.
    pub(crate) fn wills(&self, client: &str) -> Vec<usize> {
        self.of(Bucket::Will, client)
            .filter_map(|(_, value)| {
                let at = value.iter().rposition(|b| *b == b'm')?;
                number(&value[at..])
            })
            .collect()
    }

    /// Packet ids of deliveries to a client that are not finished.
    pub(crate) fn bound(&self, client: &str) -> Vec<u16> {
        self.of(Bucket::Delivery, client)
            .filter(|(_, value)| value[0] < 4)
            .map(|(_, value)| u16::from_be_bytes([value[1], value[2]]))
            .collect()
    }
}
