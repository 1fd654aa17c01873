//! One connection to the broker, over TCP or WebSocket. Every read has a deadline; a test fails
//! at the line that waited.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::bytes::{Connect, Publish, ack, subscribe, unsubscribe};
use super::packet::{self, Kind, Packet, Received};
use super::websocket::Frame;
use super::{Version, handshake};

/// How long an answer may take. Long enough for a busy machine, short enough to wait for.
const PATIENCE: Duration = Duration::from_secs(8);

pub(crate) struct Conn {
    pub(crate) stream: TcpStream,
    pub(crate) version: Version,
    /// Frames wrap what is sent, and are taken off what is read.
    web: bool,
    raw: Vec<u8>,
    inbox: Vec<u8>,
    /// Messages that came while an answer was waited for: which comes first is the broker's.
    early: VecDeque<Packet>,
}

/// What a read came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    Packet(Packet),
    Closed,
    Late,
}

impl Conn {
    /// A TCP connection on which nothing was said yet.
    pub(crate) fn open(address: SocketAddr, version: Version) -> Self {
        Self::over(
            TcpStream::connect(address).expect("the listener accepts"),
            version,
        )
    }

    /// A socket of the caller's making, on which nothing was said yet.
    pub(crate) fn over(stream: TcpStream, version: Version) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            version,
            web: false,
            raw: Vec::new(),
            inbox: Vec::new(),
            early: VecDeque::new(),
        }
    }

    /// A WebSocket connection after its handshake, with sub-protocol `mqtt`.
    pub(crate) fn open_web(address: SocketAddr, version: Version) -> Self {
        let (stream, head, rest) = handshake(address, "/mqtt", "mqtt");
        assert!(head.starts_with("HTTP/1.1 101 "), "no upgrade: {head}");
        Self {
            stream,
            version,
            web: true,
            raw: rest,
            inbox: Vec::new(),
            early: VecDeque::new(),
        }
    }

    /// Sends bytes; a peer that already closed is found out by the next read.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if self.web {
            let _ = self
                .stream
                .write_all(&Frame::client(true, Frame::BINARY, bytes));
        } else {
            let _ = self.stream.write_all(bytes);
        }
    }

    /// The next packet, the end of the connection, or neither by the deadline.
    pub(crate) fn read_by(&mut self, deadline: Instant) -> Outcome {
        loop {
            if self.web {
                self.unwrap_frames();
            }
            if let Some(packet) = packet::take(&mut self.inbox, self.version) {
                return Outcome::Packet(packet);
            }
            match self.fill(deadline) {
                Ok(true) => {}
                Ok(false) => return Outcome::Closed,
                Err(()) => return Outcome::Late,
            }
        }
    }

    /// Ok(false) at the end of the stream, Err when the deadline passed.
    fn fill(&mut self, deadline: Instant) -> Result<bool, ()> {
        let mut chunk = [0; 65536];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(());
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    let to = if self.web {
                        &mut self.raw
                    } else {
                        &mut self.inbox
                    };
                    to.extend_from_slice(&chunk[..n]);
                    return Ok(true);
                }
                Err(e) => match e.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    // A reset is an end too: the broker closed with bytes of ours unread.
                    _ => return Ok(false),
                },
            }
        }
    }

    fn unwrap_frames(&mut self) {
        while let Some(frame) = Frame::take(&mut self.raw) {
            match frame.opcode {
                Frame::BINARY | Frame::CONTINUATION => self.inbox.extend(frame.payload),
                Frame::PING => {
                    let pong = Frame::client(true, Frame::PONG, &frame.payload);
                    let _ = self.stream.write_all(&pong);
                }
                Frame::CLOSE | Frame::PONG => {}
                other => panic!("a frame of opcode {other} carries no MQTT [MQTT-6.0.0-1]"),
            }
        }
    }

    /// The next packet.
    #[track_caller]
    pub(crate) fn read_packet(&mut self) -> Packet {
        if let Some(packet) = self.early.pop_front() {
            return packet;
        }
        self.read_fresh()
    }

    #[track_caller]
    fn read_fresh(&mut self) -> Packet {
        match self.read_by(Instant::now() + PATIENCE) {
            Outcome::Packet(packet) => packet,
            Outcome::Closed => panic!("closed where a packet was due"),
            Outcome::Late => panic!("no packet came"),
        }
    }

    /// The next packet, which must be of this kind. Where an answer is waited for, messages that
    /// come before it are put aside for the next who reads.
    #[track_caller]
    pub(crate) fn read_kind(&mut self, kind: Kind) -> Packet {
        if kind == Kind::Publish {
            let packet = self.read_packet();
            assert_eq!(packet.kind, kind, "{packet:?}");
            return packet;
        }
        loop {
            let packet = self.read_fresh();
            if packet.kind == kind {
                return packet;
            }
            assert_eq!(
                packet.kind,
                Kind::Publish,
                "waiting for {kind:?}: {packet:?}"
            );
            self.early.push_back(packet);
        }
    }

    /// The next PUBLISH; nothing is answered.
    #[track_caller]
    pub(crate) fn read_publish(&mut self) -> Received {
        self.read_kind(Kind::Publish)
            .publish
            .expect("a PUBLISH has it")
    }

    /// Exactly these bytes come next.
    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let deadline = Instant::now() + PATIENCE;
        while self.inbox.len() < bytes.len() {
            match self.fill(deadline) {
                Ok(true) if self.web => self.unwrap_frames(),
                Ok(true) => {}
                _ => panic!("wanted {bytes:02x?}, got {:02x?}", self.inbox),
            }
        }
        let got: Vec<u8> = self.inbox.drain(..bytes.len()).collect();
        assert_eq!(got, bytes, "got {got:02x?}, wanted {bytes:02x?}");
    }

    /// The broker closes, and says nothing before.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) {
        assert!(self.early.is_empty(), "unread: {:?}", self.early);
        match self.read_by(Instant::now() + PATIENCE) {
            Outcome::Closed => {}
            other => panic!("not closed: {other:?}"),
        }
    }

    /// The broker closes; version 5 hears this reason in a DISCONNECT before, 3.x nothing.
    #[track_caller]
    pub(crate) fn expect_closed_for(&mut self, reason: u8) {
        if self.version == Version::V5 {
            let packet = self.read_kind(Kind::Disconnect);
            assert_eq!(
                packet.code, reason,
                "reason {:#04x}, {packet:?}",
                packet.code
            );
        }
        self.expect_closed();
    }

    /// The broker closes; whatever it still said is given back. How long that took is the
    /// caller's to measure.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<Packet> {
        let mut packets: Vec<Packet> = self.early.drain(..).collect();
        loop {
            match self.read_by(Instant::now() + PATIENCE) {
                Outcome::Packet(packet) => packets.push(packet),
                Outcome::Closed => return packets,
                Outcome::Late => panic!("not closed after {packets:?}"),
            }
        }
    }

    /// The broker closes; the bytes it still said are given back as they came.
    #[track_caller]
    pub(crate) fn read_raw_to_end(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.fill(deadline) {
                Ok(true) => {}
                Ok(false) => return std::mem::take(&mut self.inbox),
                Err(()) => panic!("not closed after {:02x?}", self.inbox),
            }
        }
    }

    /// CONNECT, accepted; gives the CONNACK.
    #[track_caller]
    pub(crate) fn connect(&mut self, connect: &Connect) -> Packet {
        self.send(&connect.bytes());
        let connack = self.read_kind(Kind::ConnAck);
        assert_eq!(connack.code, 0, "refused: {connack:?}");
        connack
    }

    /// SUBSCRIBE to one filter, granted; gives the SUBACK.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, filter: &str, options: u8) -> Packet {
        let id = fresh_id();
        self.send(&subscribe(self.version, id, &[(filter, options)]));
        let suback = self.read_kind(Kind::SubAck);
        assert_eq!(suback.id, id);
        assert_eq!(suback.codes, [options & 3], "{filter}");
        suback
    }

    /// UNSUBSCRIBE from one filter.
    #[track_caller]
    pub(crate) fn unsubscribe(&mut self, filter: &str) -> Packet {
        let id = fresh_id();
        self.send(&unsubscribe(self.version, id, &[filter]));
        let unsuback = self.read_kind(Kind::UnsubAck);
        assert_eq!(unsuback.id, id);
        unsuback
    }

    /// Sends a PUBLISH and goes through the exchange of its QoS; gives the reason of the first
    /// answer (0 for QoS 0).
    #[track_caller]
    pub(crate) fn publish(&mut self, publish: &Publish) -> u8 {
        self.send(&publish.bytes(self.version));
        if publish.qos == 0 {
            return 0;
        }
        let kind = if publish.qos == 1 {
            Kind::PubAck
        } else {
            Kind::PubRec
        };
        let answer = self.read_kind(kind);
        assert_eq!(answer.id, publish.id, "[MQTT-2.2.1-5]");
        if publish.qos == 2 && answer.code < 0x80 {
            self.send(&ack(0x62, publish.id));
            let done = self.read_kind(Kind::PubComp);
            assert_eq!((done.id, done.code), (publish.id, 0));
        }
        answer.code
    }

    /// The next PUBLISH, answered as its QoS asks.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Received {
        let got = self.read_publish();
        match got.qos {
            1 => self.send(&ack(0x40, got.id)),
            2 => {
                self.send(&ack(0x50, got.id));
                let release = self.read_kind(Kind::PubRel);
                assert_eq!(release.id, got.id, "[MQTT-2.2.1-5]");
                self.send(&ack(0x70, got.id));
            }
            _ => {}
        }
        got
    }

    /// The next PUBLISH is this one; answered.
    #[track_caller]
    pub(crate) fn receive_this(&mut self, topic: &str, payload: &str) -> Received {
        let got = self.receive();
        assert_eq!((got.topic.as_str(), got.text()), (topic, payload));
        got
    }

    /// PINGREQ is answered, and nothing comes before the answer.
    #[track_caller]
    pub(crate) fn ping(&mut self) {
        assert!(self.early.is_empty(), "unread: {:?}", self.early);
        self.send(&[0xC0, 0]);
        self.expect(&[0xD0, 0]);
    }

    /// Nothing that `publisher` said before is on its way to this connection: a message on a
    /// topic nobody else knows, sent after it, is the next thing that arrives. `qos` 0 passes
    /// where the window for QoS 1 is used up.
    #[track_caller]
    pub(crate) fn nothing_from(&mut self, publisher: &mut Self, qos: u8) {
        let topic = format!("fence/{}", fresh_id());
        self.subscribe(&topic, qos);
        publisher.publish(&Publish::new(&topic, "fence").qos(qos, fresh_id()));
        self.receive_this(&topic, "fence");
        self.unsubscribe(&topic);
    }

    /// Nothing that this connection said before is on its way back to it.
    #[track_caller]
    pub(crate) fn nothing_from_itself(&mut self) {
        let topic = format!("fence/{}", fresh_id());
        self.subscribe(&topic, 0);
        self.send(&Publish::new(&topic, "fence").bytes(self.version));
        self.receive_this(&topic, "fence");
        self.unsubscribe(&topic);
    }

    /// DISCONNECT with reason 0, and the broker closes.
    #[track_caller]
    pub(crate) fn bye(mut self) {
        self.send(&[0xE0, 0]);
        self.expect_closed();
    }

    /// The client is gone without a word and without having read what came.
    pub(crate) fn cut_unread(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// The client is gone without a word; over once the broker closed its side too.
    pub(crate) fn cut(mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let deadline = Instant::now() + PATIENCE;
        while !matches!(self.read_by(deadline), Outcome::Closed | Outcome::Late) {}
    }
}

/// A packet id no other call was given lately; ids of the tests' own choice stay below 1000.
fn fresh_id() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    1000 + NEXT.fetch_add(1, Ordering::Relaxed) % 60000
}
