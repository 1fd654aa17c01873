//! What a start makes of the records of an earlier life, with the store played by the test.

use std::{convert::Infallible, ops::RangeInclusive, sync::Arc};

use engine::{
    ConnId, Ending, Entry, Opened, Request, SessionId, Settings, Shard, Sink, Time,
    record::Bucket,
    restore::{Source, restore},
};

const NOW: Time = Time(1000);
const TOPICS: RangeInclusive<u8> = b'0'..=b'}';

#[derive(Default)]
struct Outs(Vec<u8>);

impl Sink for Outs {
    fn out(&mut self, _conn: ConnId) -> &mut Vec<u8> {
        &mut self.0
    }

    fn close(&mut self, _conn: ConnId, why: Ending) {
        panic!("{why:?}");
    }
}

/// Has nothing but retained messages.
struct Kept(Vec<(Vec<u8>, Vec<u8>)>);

impl Source for Kept {
    type Bytes = Vec<u8>;
    type Error = Infallible;

    fn tail(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn records(&mut self, bucket: Bucket) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Infallible> {
        Ok(match bucket {
            Bucket::Retained => self.0.clone(),
            _ => Vec::new(),
        })
    }

    fn identities(&mut self) -> Result<Vec<Vec<u8>>, Infallible> {
        Ok(Vec::new())
    }

    fn release(&mut self, _identities: Vec<Vec<u8>>) -> Result<(), Infallible> {
        Ok(())
    }

    fn fetch(&mut self, _positions: Vec<u64>) -> Result<Vec<Entry>, Infallible> {
        Ok(Vec::new())
    }
}

/// Opens the session of the first client that lives on this shard.
fn open(shard: &mut Shard) -> SessionId {
    let mut ids = b'a'..=b'z';
    let session = ids.find_map(|id| {
        let mut connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01".to_vec();
        connect.push(id);
        match shard.open(NOW, ConnId(1), &connect, &mut Outs::default()) {
            Opened::Session(session, _) => Some(session),
            _ => None,
        }
    });
    session.expect("one of 26 is of this shard")
}

/// Publishes a retained message to each topic; gives what this shard is to save.
fn publish(shard: &mut Shard) -> Vec<(Vec<u8>, Vec<u8>)> {
    let speaker = open(shard);
    for topic in TOPICS {
        let publish = [0x33, 6, 0, 1, topic, 0, 1, b'x'];
        shard.receive(NOW, speaker, &publish, &mut Outs::default());
    }
    let requests = shard.requests().drain(..);
    let saved = requests.filter_map(|request| match request {
        Request::Save { write, .. } => Some((write.key.into(), write.value?.into())),
        _ => None,
    });
    saved.collect()
}

/// Topics fall to shards not quite evenly, and anew at each start. As many as the bound come back all
/// the same, and each can be replaced.
#[test]
fn as_many_retained_as_the_bound() {
    let kept = publish(&mut Shard::new(0, 1, Arc::new(Settings::default()), 1));
    assert_eq!(kept.len(), TOPICS.count());
    let settings = Arc::new(Settings {
        retained_max: kept.len(),
        ..Settings::default()
    });
    let mut uneven = false;
    for seed in 1..=10 {
        let mut one = Shard::new(0, 2, settings.clone(), seed);
        let mut other = Shard::new(1, 2, settings.clone(), seed);
        let mut shards = [&mut one, &mut other];
        let restored = restore(&mut Kept(kept.clone()), &mut shards, NOW);
        let restored = restored.expect("the store can be read");
        assert_eq!(restored.retained, kept.len() as u64, "seed {seed}");
        let count = one.metrics().gauges.retained;
        uneven |= count > kept.len() as u64 / 2;
        assert_eq!(publish(&mut one).len() as u64, count, "seed {seed}");
    }
    assert!(uneven, "another seed is needed");
}
