//! A shard by hand, for what no configuration of the broker can bring about.

use std::collections::BTreeMap;

use protocol::{PacketId, QoS, packet::publish};

use super::*;

const CONN: ConnId = ConnId(1);

/// Keeps what a shard says.
#[derive(Default)]
struct Ear {
    said: BTreeMap<u32, Vec<u8>>,
    closed: Vec<(ConnId, Ending)>,
}

impl Sink for Ear {
    fn out(&mut self, conn: ConnId) -> &mut Vec<u8> {
        self.said.entry(conn.0).or_default()
    }

    fn close(&mut self, conn: ConnId, why: Ending) {
        self.closed.push((conn, why));
    }
}

impl Ear {
    fn take(&mut self, conn: ConnId) -> Vec<u8> {
        std::mem::take(self.out(conn))
    }
}

fn shard(settings: Settings) -> Shard {
    Shard::new(0, 1, Arc::new(settings), 7)
}

/// CONNECT by hand; `properties` only in version 5.
fn connect(level: u8, flags: u8, id: &str, properties: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', level, flags, 0, 0];
    if level == 5 {
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend_from_slice(properties);
    }
    body.extend_from_slice(&[0, u8::try_from(id.len()).unwrap()]);
    body.extend_from_slice(id.as_bytes());
    [&[0x10, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

#[track_caller]
fn open(shard: &mut Shard, conn: ConnId, connect: &[u8], ear: &mut Ear) -> SessionId {
    match shard.open(Time(0), conn, connect, ear) {
        Opened::Session(session, _) => session,
        other => panic!("not let in: {other:?}"),
    }
}

/// Response Information goes to who asks for it, and to nobody else [MQTT-3.1.2-28].
#[test]
fn response_information_for_those_who_ask() {
    let settings = Settings {
        response_information: Some("answers/".into()),
        ..Settings::default()
    };
    let mut shard = shard(settings);
    for (properties, told) in [(&[][..], false), (&[0x19, 0], false), (&[0x19, 1], true)] {
        let mut ear = Ear::default();
        open(
            &mut shard,
            CONN,
            &connect(5, 2, "asks", properties),
            &mut ear,
        );
        let connack = ear.take(CONN);
        let found = connack.windows(8).any(|w| w == b"answers/");
        assert_eq!(found, told, "{properties:02x?}: {connack:02x?}");
    }
}

/// The log cannot take a message: a 3.x publisher, which has no word for that, is closed without
/// an answer and sends it again; version 5 is told. [3.1.1 MQTT-4.8.0-2]
#[test]
fn message_that_the_log_refuses() {
    for (level, answer, closed) in [(4, &[][..], true), (5, &[0x40, 3, 0, 9, 0x97], false)] {
        let mut shard = shard(Settings::default());
        let mut ear = Ear::default();
        let keeper = ConnId(2);
        let session = open(&mut shard, keeper, &connect(4, 0, "keeper", &[]), &mut ear);
        let subscribe = [0x82, 6, 0, 1, 0, 1, b'a', 1];
        shard.receive(Time(0), session, &subscribe, &mut ear);
        let session = open(
            &mut shard,
            CONN,
            &connect(level, 2, "speaker", &[]),
            &mut ear,
        );
        ear.take(CONN);
        let message = publish::Out {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "a",
            id: PacketId::new(9),
            alias: None,
            expiry_secs: None,
            subscription_ids: &[],
            forwarded: &[],
            payload: b"x",
        };
        let mut bytes = Vec::new();
        let version = if level == 5 {
            Version::V5
        } else {
            Version::V3_1_1
        };
        message.encode(version, &mut bytes);
        shard.receive(Time(0), session, &bytes, &mut ear);
        assert_eq!(ear.take(CONN), [], "not before the log has it");
        let Some(Request::Append { token, .. }) = shard.requests().pop() else {
            panic!("nothing to append for a kept session");
        };
        shard.stored(Time(0), token, false, &mut ear);
        assert_eq!(ear.take(CONN), answer);
        let ended = ear.closed.iter().map(|(conn, why)| match why {
            Ending::Expelled(close) => (*conn, close.reason),
            other => panic!("{other:?}"),
        });
        let due = closed.then_some((CONN, Reason::QUOTA_EXCEEDED));
        assert_eq!(ended.collect::<Vec<_>>(), Vec::from_iter(due));
    }
}
