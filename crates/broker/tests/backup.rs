//! A backup of a broker that is being written to. The broker runs in this process; clients are bytes.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "in tests a panic is the report, and packets are short"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use broker::config::{Layers, Sources};
use broker::{Handle, Outside, start};

const SUBACK: u8 = 0x90;
const PUBACK: u8 = 0x40;

fn start_on(dir: &Path) -> (Handle, SocketAddr) {
    let sets = [
        format!("data_dir={}", dir.display()),
        "listeners.tcp.default.bind=127.0.0.1:0".into(),
        "listeners.ssl.default.enabled=false".into(),
        "listeners.ws.default.enabled=false".into(),
        "listeners.wss.default.enabled=false".into(),
        "dashboard.enabled=false".into(),
        "shards=2".into(),
        // The witness acknowledges nothing, and is to be handed all of it.
        "mqtt.max_inflight=65535".into(),
    ];
    let sources = Sources {
        sets: sets.into(),
        ..Sources::default()
    };
    let layers = Layers::read(&sources).unwrap();
    let outside = Outside {
        sources: Box::new(move || sources.clone()),
        applied: Box::new(|_| {}),
        ending: std::sync::Arc::new(|| {}),
    };
    let handle = start(layers, outside, |_| {}).unwrap();
    let listeners = handle.listeners();
    let address = listeners.iter().find(|(id, _)| id == "tcp:default");
    let address = address.unwrap().1;
    (handle, address)
}

/// A client of version 3.1.1 whose session stays, and which acknowledges nothing.
struct Client {
    stream: TcpStream,
    /// Payloads of the messages that came, by topic.
    got: Vec<(String, u32)>,
}

impl Client {
    fn connect(address: SocketAddr, id: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut client = Self {
            stream,
            got: Vec::new(),
        };
        let begin = b"\0\x04MQTT\x04\0\0\0\0";
        client.ask(
            0x10,
            &[begin, &[id.len() as u8][..], id.as_bytes()].concat(),
            0x20,
        );
        client
    }

    fn subscribe(&mut self, filter: &str) {
        let text = [&[0, 1, 0, filter.len() as u8], filter.as_bytes(), &[1]].concat();
        self.ask(0x82, &text, SUBACK);
    }

    /// With QoS 1, and waits for the acknowledgement.
    fn publish(&mut self, first: u8, topic: &str, n: u32) {
        let head = [&[0, topic.len() as u8], topic.as_bytes(), &[0, 1]].concat();
        self.ask(first, &[&head[..], &n.to_be_bytes()].concat(), PUBACK);
    }

    /// Sends a packet and reads up to its answer.
    fn ask(&mut self, first: u8, body: &[u8], answer: u8) {
        let packet = [&[first, body.len() as u8], body].concat();
        self.stream.write_all(&packet).unwrap();
        while self.read() != answer {}
    }

    fn read(&mut self) -> u8 {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        assert!(head[1] < 0x80, "all packets here are short");
        let mut body = vec![0; usize::from(head[1])];
        self.stream.read_exact(&mut body).unwrap();
        if head[0] >> 4 == 3 {
            let (topic, rest) = body[2..].split_at(usize::from(body[1]));
            let n = rest.last_chunk::<4>().unwrap();
            let topic = String::from_utf8(topic.into()).unwrap();
            self.got.push((topic, u32::from_be_bytes(*n)));
        }
        head[0]
    }

    /// Reads up to a message.
    fn read_to(&mut self, topic: &str) -> u32 {
        loop {
            if let Some((_, n)) = self.got.iter().find(|(t, _)| t == topic) {
                return *n;
            }
            self.read();
        }
    }
}

/// One thing after the other is acknowledged: a subscription (a record), a message for it (the log), a
/// retained message (a record). However far a copy reaches, it has all that came before, also of what
/// another file holds, and all that was acknowledged before it was asked for; nothing that came after
/// it was done.
#[test]
fn a_copy_is_of_one_instant() {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("backup");
    let _ = std::fs::remove_dir_all(&home);
    let (handle, address) = start_on(&home.join("data"));
    let (done, over) = (AtomicU32::new(0), AtomicBool::new(false));
    // Between the copies nothing is written: there is a bound to what a client may subscribe to.
    let copying = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut witness = Client::connect(address, "witness");
            while !over.load(SeqCst) {
                if !copying.load(SeqCst) {
                    std::thread::yield_now();
                    continue;
                }
                let n = done.load(SeqCst) + 1;
                let topic = format!("t/{n}");
                witness.subscribe(&topic);
                witness.publish(0x32, &topic, n);
                witness.publish(0x33, "last", n);
                done.store(n, SeqCst);
            }
        });
        for round in 0..8 {
            copying.store(true, SeqCst);
            while done.load(SeqCst) < 20 * (round + 1) {
                std::thread::yield_now();
            }
            let to = home.join(round.to_string());
            let before = done.load(SeqCst);
            let copied = handle.admin().backup(&to).unwrap();
            copying.store(false, SeqCst);
            let after = done.load(SeqCst) + 1;
            assert!(copied.damage.is_empty(), "{:?}", copied.damage);

            let (copy, address) = start_on(&to);
            let mut reader = Client::connect(address, "reader");
            reader.subscribe("last");
            let last = reader.read_to("last");
            assert!((before..=after).contains(&last), "{before} {last} {after}");
            let mut witness = Client::connect(address, "witness");
            witness.subscribe("end");
            witness.publish(0x32, "end", 0);
            witness.read_to("end");
            let mut came: Vec<_> = witness.got.iter().map(|(_, n)| *n).collect();
            assert_eq!(came.pop(), Some(0));
            let upto = u32::try_from(came.len()).unwrap();
            assert!(came.iter().copied().eq(1..=upto), "{came:?}");
            assert!((last..=last + 1).contains(&upto), "{upto}, but {last}");
            copy.shutdown();
        }
        over.store(true, SeqCst);
    });
    handle.shutdown();
    std::fs::remove_dir_all(&home).unwrap();
}
