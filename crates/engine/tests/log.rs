//! Sessions and the shared log, with a shard as a value and the log played by the test.

use std::{collections::BTreeMap, sync::Arc};

use engine::{
    ConnId, Drop, Ending, Entry, Found, Opened, Request, SessionId, Settings, Shard, Sink, Time,
};

#[derive(Default)]
struct Outs(BTreeMap<u32, Vec<u8>>);

impl Sink for Outs {
    fn out(&mut self, conn: ConnId) -> &mut Vec<u8> {
        self.0.entry(conn.0).or_default()
    }

    fn close(&mut self, _conn: ConnId, _why: Ending) {}
}

const NOW: Time = Time(1000);

/// A session of MQTT 3.1.1 that outlives its connection.
fn open(shard: &mut Shard, outs: &mut Outs, conn: u32, name: &str) -> SessionId {
    let len = u8::try_from(name.len()).expect("short names");
    let mut bytes = vec![0x10, 12 + len, 0, 4];
    bytes.extend(b"MQTT\x04\x00\x00\x3c");
    bytes.extend([0, len]);
    bytes.extend(name.as_bytes());
    match shard.open(NOW, ConnId(conn), &bytes, outs) {
        Opened::Session(session, _) => session,
        other => panic!("{other:?}"),
    }
}

fn appended(shard: &mut Shard, from: u64) -> Vec<Entry> {
    let requests = shard.requests().drain(..);
    let messages = requests.filter_map(|request| match request {
        Request::Append { message, .. } => Some(message),
        _ => None,
    });
    (from..)
        .zip(messages)
        .map(|(position, message)| Entry {
            position,
            message,
            origin: None,
        })
        .collect()
}

/// Carries out what a shard asks of the store, but for reads, until it asks for no more.
fn settle(shard: &mut Shard, outs: &mut Outs) {
    loop {
        let mail = std::mem::take(&mut shard.outbox()[0]);
        let requests = shard.requests().drain(..);
        let tokens: Vec<u64> = requests
            .filter_map(|request| match request {
                Request::Append { token, .. } => Some(token),
                Request::Save { token, .. } | Request::Release { token, .. } => token,
                Request::Read { .. } => None,
            })
            .collect();
        if mail.is_empty() && tokens.is_empty() {
            return;
        }
        for token in tokens {
            shard.stored(NOW, token, true, outs);
        }
        shard.inbox(NOW, 0, mail, outs);
    }
}

/// A PUBLISH with one byte to say.
fn publish(first: u8, topic: &str, id: &[u8]) -> Vec<u8> {
    let short = |n: usize| u8::try_from(n).expect("short");
    let len = short(2 + topic.len() + id.len() + 1);
    let mut bytes = vec![first, len, 0, short(topic.len())];
    bytes.extend(topic.as_bytes());
    bytes.extend(id);
    bytes.push(b'x');
    bytes
}

/// What the log drops for want of room counts for each session that wanted it and had not read it,
/// and once: not for others, nor for who was there when it came.
#[test]
fn losses_are_counted_for_who_has_them() {
    let mut shard = Shard::new(0, 1, Arc::new(Settings::default()), 1);
    let mut outs = Outs::default();
    let here = open(&mut shard, &mut outs, 1, "here");
    let away = open(&mut shard, &mut outs, 2, "away");
    let other = open(&mut shard, &mut outs, 3, "other");
    let speaker = open(&mut shard, &mut outs, 4, "speaker");
    for (session, filter) in [(here, b'a'), (away, b'a'), (other, b'b')] {
        let subscribe = [0x82, 6, 0, 1, 0, 1, filter, 1];
        shard.receive(NOW, session, &subscribe, &mut outs);
    }
    shard.gone(NOW, away, ConnId(2), &mut outs);
    shard.gone(NOW, other, ConnId(3), &mut outs);
    for id in 1..=3 {
        let publish = [0x32, 6, 0, 1, b'a', 0, id, b'x'];
        shard.receive(NOW, speaker, &publish, &mut outs);
    }
    let entries = appended(&mut shard, 1);
    assert_eq!(entries.len(), 3);
    shard.tail(NOW, &entries, &mut outs);
    shard.shed(&entries[..2]);
    assert_eq!(shard.metrics().dropped(Drop::Trimmed), 2);
    // Back again, it reads what is left, however often it asks.
    let away = open(&mut shard, &mut outs, 5, "away");
    for _ in 0..2 {
        let reads = shard.requests().drain(..);
        let reader = reads
            .filter_map(|request| match request {
                Request::Read { reader, number, .. } => Some((reader, number)),
                _ => None,
            })
            .next_back();
        if let Some((reader, number)) = reader {
            let found = Found {
                reader,
                number,
                entries: entries[2..].to_vec(),
                upto: 3,
            };
            shard.found_in_log(NOW, &found, &mut outs);
        }
    }
    assert_eq!(shard.client_id(away), Some("away"));
    assert!(outs.0[&5].ends_with(b"x"));
    assert_eq!(shard.metrics().dropped(Drop::Trimmed), 2);
    shard.shed(&entries[2..]);
    assert_eq!(shard.metrics().dropped(Drop::Trimmed), 2);
}

/// Where the log cannot be read, nobody asks for it all the time: a session waits for a while and asks for
/// the same again.
#[test]
fn a_log_that_cannot_be_read_is_left_alone_for_a_while() {
    let mut shard = Shard::new(0, 1, Arc::new(Settings::default()), 1);
    let mut outs = Outs::default();
    let reader = open(&mut shard, &mut outs, 1, "reader");
    let speaker = open(&mut shard, &mut outs, 2, "speaker");
    shard.receive(NOW, reader, &[0x82, 6, 0, 1, 0, 1, b'a', 1], &mut outs);
    shard.gone(NOW, reader, ConnId(1), &mut outs);
    shard.receive(NOW, speaker, &[0x32, 6, 0, 1, b'a', 0, 1, b'x'], &mut outs);
    let entries = appended(&mut shard, 1);
    shard.tail(NOW, &entries, &mut outs);
    open(&mut shard, &mut outs, 3, "reader");
    let reads = |shard: &mut Shard| {
        let requests = shard.requests().drain(..);
        let reads = requests.filter_map(|request| match request {
            Request::Read {
                reader,
                number,
                after,
                ..
            } => Some((reader, number, after)),
            _ => None,
        });
        reads.collect::<Vec<_>>()
    };
    let found = |shard: &mut Shard, entries: &[Entry]| {
        let (reader, number, after) = reads(shard).pop().expect("it asks");
        Found {
            reader,
            number,
            entries: entries.to_vec(),
            upto: after.max(entries.len() as u64),
        }
    };
    let nothing = found(&mut shard, &[]);
    shard.log_unreadable(NOW, &nothing, &mut outs);
    assert_eq!(reads(&mut shard), []);
    let later = NOW.plus_millis(1_000);
    shard.tick(later, &mut outs);
    // One that was read while more came is no such answer: it is asked for the rest at once.
    let before = found(&mut shard, &[]);
    shard.found_in_log(later, &before, &mut outs);
    let all = found(&mut shard, &entries);
    shard.found_in_log(later, &all, &mut outs);
    assert_eq!(reads(&mut shard), []);
    assert!(outs.0[&3].ends_with(b"x"));
}

/// A retained message of QoS 2 has all of the window, and is withdrawn before it leaves, as it is outdated and
/// too many topics have changed to know them all. The client has nothing to acknowledge then: what waits
/// in the log comes all the same.
#[test]
fn what_is_withdrawn_leaves_its_room() {
    let settings = Settings {
        inflight_max: 1,
        ..Settings::default()
    };
    let mut shard = Shard::new(0, 1, Arc::new(settings), 1);
    let mut outs = Outs::default();
    let reader = open(&mut shard, &mut outs, 1, "reader");
    let writer = open(&mut shard, &mut outs, 2, "writer");
    let speaker = open(&mut shard, &mut outs, 3, "speaker");
    let retained = publish(0x35, "r/x", &[0, 1]);
    shard.receive(NOW, writer, &retained, &mut outs);
    settle(&mut shard, &mut outs);
    let subscribe = [0x82, 8, 0, 1, 0, 3, b'r', b'/', b'+', 2];
    shard.receive(NOW, reader, &subscribe, &mut outs);
    // The SUBACK waits for the session's record; the retained message comes behind it.
    let asked: Vec<_> = shard.requests().drain(..).collect();
    for request in asked {
        if let Request::Save {
            token: Some(token), ..
        } = request
        {
            shard.stored(NOW, token, true, &mut outs);
        }
    }
    for _ in 0..2 {
        let mail = std::mem::take(&mut shard.outbox()[0]);
        assert!(!mail.is_empty());
        shard.inbox(NOW, 0, mail, &mut outs);
    }
    let bind = match &shard.requests()[..] {
        [
            Request::Save {
                token: Some(token), ..
            },
        ] => *token,
        other => panic!("{other:?}"),
    };
    let logged = publish(0x32, "r/y", &[0, 1]);
    shard.receive(NOW, speaker, &logged, &mut outs);
    let entries = appended(&mut shard, 2);
    shard.tail(NOW, &entries, &mut outs);
    let before = outs.0[&1].len();
    let topics = (0..1100).map(|n| format!("r/{n}"));
    for topic in std::iter::once("r/x".to_owned()).chain(topics) {
        let change = publish(0x31, &topic, &[]);
        shard.receive(NOW, writer, &change, &mut outs);
    }
    shard.stored(NOW, bind, true, &mut outs);
    let mut read = None;
    for _ in 0..10 {
        let mail = std::mem::take(&mut shard.outbox()[0]);
        shard.inbox(NOW, 0, mail, &mut outs);
        for request in shard.requests().drain(..) {
            if let Request::Read { reader, number, .. } = request {
                read = Some((reader, number));
            }
        }
    }
    let (reader, number) = read.expect("it reads on");
    let found = Found {
        reader,
        number,
        entries,
        upto: 2,
    };
    shard.found_in_log(NOW, &found, &mut outs);
    let logged = publish(0x32, "r/y", &[0, 2]);
    assert!(outs.0[&1][before..].ends_with(&logged));
}

/// A session that has ended is there again after a restart if the store did not come to delete its record:
/// the log keeps what it had not read for that long.
#[test]
fn the_log_keeps_what_a_session_had_until_its_end_is_stored() {
    let mut shard = Shard::new(0, 1, Arc::new(Settings::default()), 1);
    let mut outs = Outs::default();
    let reader = open(&mut shard, &mut outs, 1, "reader");
    let speaker = open(&mut shard, &mut outs, 2, "speaker");
    shard.receive(NOW, reader, &[0x82, 6, 0, 1, 0, 1, b'a', 1], &mut outs);
    settle(&mut shard, &mut outs);
    shard.gone(NOW, reader, ConnId(1), &mut outs);
    let publish = publish(0x32, "a", &[0, 1]);
    shard.receive(NOW, speaker, &publish, &mut outs);
    let entries = appended(&mut shard, 1);
    shard.tail(NOW, &entries, &mut outs);
    assert_eq!(shard.floor(), 0);
    // Clean Session.
    let connect = b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06reader";
    let opened = shard.open(NOW, ConnId(3), connect, &mut outs);
    assert!(matches!(opened, Opened::Session(..)), "{opened:?}");
    assert_eq!(shard.floor(), 0);
    settle(&mut shard, &mut outs);
    assert_eq!(shard.floor(), 1);
}
