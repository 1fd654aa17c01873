//! What a start makes of the records of an earlier life, with the store played by the test.

use std::{collections::BTreeMap, convert::Infallible, ops::RangeInclusive, sync::Arc};

use engine::{
    ConnId, Counter, Ending, Entry, Found, Opened, Reader, Request, SessionId, Settings, Shard,
    Sink, Time,
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

/// What the store has.
#[derive(Default)]
struct Kept {
    records: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    log: Vec<Entry>,
}

impl Kept {
    /// Retained messages alone.
    fn of_retained(list: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let records = list.into_iter();
        let records = records.map(|(key, value)| ((Bucket::Retained as u8, key), value));
        Self {
            records: records.collect(),
            ..Self::default()
        }
    }

    /// Does what a shard asks, and answers; but for the records of deliveries, which it refuses if `full`
    /// says so of one. Gives what was asked of the log.
    fn serve(
        &mut self,
        shard: &mut Shard,
        outs: &mut Outs,
        mut full: impl FnMut() -> bool,
    ) -> Vec<(Reader, u32)> {
        let mut reads = Vec::new();
        let requests: Vec<_> = shard.requests().drain(..).collect();
        for request in requests {
            let (token, kept) = match request {
                Request::Append { token, message, .. } => {
                    self.log.push(Entry {
                        position: self.log.len() as u64 + 1,
                        message,
                        origin: None,
                    });
                    (Some(token), true)
                }
                Request::Save { token, write } => {
                    let refused = write.bucket == Bucket::Delivery && full();
                    let key = (write.bucket as u8, write.key.into());
                    match write.value {
                        Some(value) if !refused => _ = self.records.insert(key, value.into()),
                        Some(_) => {}
                        None => _ = self.records.remove(&key),
                    }
                    (token, !refused)
                }
                Request::Release { token, .. } => (token, true),
                Request::Read { reader, number, .. } => {
                    reads.push((reader, number));
                    (None, true)
                }
            };
            if let Some(token) = token {
                shard.stored(NOW, token, kept, outs);
            }
        }
        reads
    }
}

impl Source for Kept {
    type Bytes = Vec<u8>;
    type Error = Infallible;

    fn tail(&mut self) -> Result<u64, Infallible> {
        Ok(self.log.len() as u64)
    }

    fn records(&mut self, bucket: Bucket) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Infallible> {
        let records = self.records.iter();
        let records = records.filter(|((of, _), _)| *of == bucket as u8);
        Ok(records
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }

    fn identities(&mut self) -> Result<Vec<Vec<u8>>, Infallible> {
        Ok(Vec::new())
    }

    fn release(&mut self, _identities: Vec<Vec<u8>>) -> Result<(), Infallible> {
        Ok(())
    }

    fn fetch(&mut self, positions: Vec<u64>) -> Result<Vec<Entry>, Infallible> {
        let log = self.log.iter();
        let found = log.filter(|entry| positions.contains(&entry.position));
        Ok(found.cloned().collect())
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
        let restored = restore(&mut Kept::of_retained(kept.clone()), &mut shards, NOW);
        let restored = restored.expect("the store can be read");
        assert_eq!(restored.retained, kept.len() as u64, "seed {seed}");
        let count = one.metrics().gauges.retained;
        uneven |= count > kept.len() as u64 / 2;
        assert_eq!(publish(&mut one).len() as u64, count, "seed {seed}");
    }
    assert!(uneven, "another seed is needed");
}

/// A session of MQTT 3.1.1 that outlives its connection.
fn open_lasting(shard: &mut Shard, outs: &mut Outs, id: u8) -> SessionId {
    let mut connect = b"\x10\x0d\x00\x04MQTT\x04\x00\x00\x3c\x00\x01".to_vec();
    connect.push(id);
    open_as(shard, outs, &connect)
}

fn open_as(shard: &mut Shard, outs: &mut Outs, connect: &[u8]) -> SessionId {
    match shard.open(NOW, ConnId(1), connect, outs) {
        Opened::Session(session, _) => session,
        other => panic!("{other:?}"),
    }
}

/// The payloads of the PUBLISHes of QoS 2 that were written, with DUP, and forgets them.
fn delivered(outs: &mut Outs) -> Vec<(u8, bool)> {
    let bytes = std::mem::take(&mut outs.0);
    let packets = bytes
        .windows(8)
        .filter(|w| w[0] & 0xf4 == 0x34 && w[1..5] == [6, 0, 1, b'a']);
    packets.map(|w| (w[7], w[0] & 8 != 0)).collect()
}

/// On a full disk the store may refuse the record of a delivery and take that of a later one. Nothing of
/// either has left when the broker is killed: the earlier one, which is found in the log again, leaves
/// first, and does so however often the client comes back [MQTT-4.6.0-6].
#[test]
fn a_delivery_whose_record_was_refused_is_not_overtaken() {
    let settings = Arc::new(Settings::default());
    let (mut kept, mut outs) = (Kept::default(), Outs::default());
    let mut shard = Shard::new(0, 1, settings.clone(), 1);
    let session = open_lasting(&mut shard, &mut outs, b's');
    shard.receive(NOW, session, &[0x82, 6, 0, 1, 0, 1, b'a', 2], &mut outs);
    kept.serve(&mut shard, &mut outs, || false);
    for id in [b'1', b'2'] {
        let publish = [0x34, 6, 0, 1, b'a', 0, id, id];
        shard.receive(NOW, session, &publish, &mut outs);
    }
    kept.serve(&mut shard, &mut outs, || false);
    let entries = kept.log.clone();
    assert_eq!(entries.len(), 2);
    shard.tail(NOW, &entries, &mut outs);
    let mut answers = [true, false].into_iter();
    kept.serve(&mut shard, &mut outs, || {
        answers.next().expect("two deliveries")
    });
    assert_eq!(answers.next(), None);
    assert_eq!(delivered(&mut outs), []);

    let mut shard = Shard::new(0, 1, settings, 1);
    restore(&mut kept, &mut [&mut shard], NOW).expect("the store can be read");
    for dup in [false, true] {
        let session = open_lasting(&mut shard, &mut outs, b's');
        let mut came = Vec::new();
        while let Some((reader, number)) = kept.serve(&mut shard, &mut outs, || false).pop() {
            came.extend(delivered(&mut outs));
            let found = Found {
                reader,
                number,
                entries: if dup { Vec::new() } else { entries.clone() },
                upto: 2,
            };
            shard.found_in_log(NOW, &found, &mut outs);
        }
        came.extend(delivered(&mut outs));
        assert_eq!(came, [(b'1', dup), (b'2', true)]);
        shard.gone(NOW, session, ConnId(1), &mut outs);
    }
}

/// A message of a shared group was sent to a member, whose record of that stays until its group is done
/// with it. The client begins a new session meanwhile, and the broker ends: the new one has nothing of the
/// old one [MQTT-3.1.2-4].
#[test]
fn a_new_session_has_no_delivery_of_the_one_before() {
    let settings = Arc::new(Settings::default());
    let (mut kept, mut outs) = (Kept::default(), Outs::default());
    let mut shard = Shard::new(0, 1, settings.clone(), 1);
    let session = open_lasting(&mut shard, &mut outs, b's');
    let subscribe = b"\x82\x0f\x00\x01\x00\x0a$share/g/a\x02";
    shard.receive(NOW, session, subscribe, &mut outs);
    let publish = [0x34, 6, 0, 1, b'a', 0, 1, b'1'];
    let mut came = Vec::new();
    for round in 0..20 {
        if round == 10 {
            shard.receive(NOW, session, &publish, &mut outs);
        }
        let mail = std::mem::take(&mut shard.outbox()[0]);
        shard.inbox(NOW, 0, mail, &mut outs);
        let seen = kept.log.len();
        for (reader, number) in kept.serve(&mut shard, &mut outs, || false) {
            let found = Found {
                reader,
                number,
                entries: kept.log.clone(),
                upto: kept.log.len() as u64,
            };
            shard.found_in_log(NOW, &found, &mut outs);
        }
        shard.tail(NOW, &kept.log[seen..], &mut outs);
        came.extend(delivered(&mut outs));
    }
    assert_eq!(came, [(b'1', false)]);
    shard.gone(NOW, session, ConnId(1), &mut outs);
    let connect = b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x3c\x00\x01s";
    open_as(&mut shard, &mut outs, connect);
    kept.serve(&mut shard, &mut outs, || false);

    let mut shard = Shard::new(0, 1, settings, 1);
    restore(&mut kept, &mut [&mut shard], NOW).expect("the store can be read");
    open_lasting(&mut shard, &mut outs, b's');
    kept.serve(&mut shard, &mut outs, || false);
    assert_eq!(shard.metrics().gauges.sessions, 1);
    assert_eq!(delivered(&mut outs), []);
}

/// The broker ends while a client is connected, and again while it publishes that one's will. The client has
/// begun a new session in between: that it comes back once more takes back no will of a session before.
#[test]
fn a_new_session_has_no_will_of_the_one_before() {
    let settings = Arc::new(Settings::default());
    let (mut kept, mut outs) = (Kept::default(), Outs::default());
    let mut shard = Shard::new(0, 1, settings.clone(), 1);
    // A session that ends with its connection; the will would wait for a minute.
    let connect = b"\x10\x1a\x00\x04MQTT\x05\x06\x00\x3c\x00\x00\x01s\x05\x18\x00\x00\x00\x3c\x00\x01w\x00\x01m";
    open_as(&mut shard, &mut outs, connect);
    kept.serve(&mut shard, &mut outs, || false);
    for life in 0..3 {
        let mut shard = Shard::new(0, 1, settings.clone(), 1);
        restore(&mut kept, &mut [&mut shard], NOW).expect("the store can be read");
        let published = shard.metrics().get(Counter::WillPublished);
        assert_eq!(published, 1, "life {life}");
        // The broker ends before it has written what became of the will.
        shard.requests().clear();
        open_lasting(&mut shard, &mut outs, b's');
        kept.serve(&mut shard, &mut outs, || false);
    }
}
