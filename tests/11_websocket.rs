//! MQTT over WebSocket (chapter 6 and RFC 6455): the handshake, frames cut and joined at will,
//! and web browsers that knock at the wrong door.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::wire::{
    ALL, BOTH, Broker, Conn, Connect, Frame, Kind, Publish, V5, V311, handshake, http, pingreq,
    subscribe,
};

/// The frames of a raw WebSocket connection, past the handshake.
struct Web {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Web {
    #[track_caller]
    fn open(broker: &Broker) -> Self {
        let (stream, head, buffer) = handshake(broker.ws, "/mqtt", "mqtt");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self { stream, buffer }
    }

    fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next frame, or None at the end of the connection.
    #[track_caller]
    fn frame(&mut self) -> Option<Frame> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(frame) = Frame::take(&mut self.buffer) {
                return Some(frame);
            }
            match self.stream.read(&mut chunk) {
                Ok(n) if n > 0 => self.buffer.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => panic!("no frame came"),
                _ => return None,
            }
        }
    }

    /// The connection ends; a close frame before it may say why.
    #[track_caller]
    fn expect_end(&mut self) -> Option<u16> {
        let mut status = None;
        while let Some(frame) = self.frame() {
            assert_eq!(frame.opcode, Frame::CLOSE, "{frame:?}");
            status = frame
                .payload
                .get(..2)
                .map(|s| u16::from_be_bytes([s[0], s[1]]));
        }
        status
    }
}

/// A web page and a device on TCP talk with each other, in all versions and at all QoS.
/// [MQTT-6.0.0-1] [3.1.1 MQTT-6.0.0-1] [MQTT-4.2.0-1] [3.1.1 MQTT-7.1.1-1]
#[test]
fn web_and_tcp_meet() {
    let broker = Broker::start();
    for version in ALL {
        let mut page = Conn::open_web(broker.ws, version);
        page.connect(&Connect::new(version, "page"));
        page.subscribe("to/page", 2);
        let mut device = broker.client(version, "device");
        device.subscribe("to/device", 2);
        for qos in 0..=2 {
            device.publish(&Publish::new("to/page", "hello page").qos(qos, 1));
            assert_eq!(page.receive_this("to/page", "hello page").qos, qos);
            page.publish(&Publish::new("to/device", "hello device").qos(qos, 1));
            assert_eq!(device.receive_this("to/device", "hello device").qos, qos);
        }
        page.ping();
        page.bye();
    }
}

/// The handshake to the letter: the accept key of the RFC's own example, and the sub-protocol
/// chosen from what was offered. [MQTT-6.0.0-4] [3.1.1 MQTT-6.0.0-4] (RFC 6455 1.3)
#[test]
fn handshake_to_the_letter() {
    let broker = Broker::start();
    for offer in ["mqtt", "mqttv3.1, mqtt", "mqtt,other"] {
        let (_, head, _) = handshake(broker.ws, "/mqtt", offer);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let low = head.to_lowercase();
        assert!(low.contains("upgrade: websocket"), "{head}");
        assert!(low.contains("connection: upgrade"), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        assert!(low.contains("sec-websocket-protocol: mqtt\r\n"), "{head}");
        assert!(!low.contains("sec-websocket-extensions"), "{head}");
    }
}

/// The paths that tools use are open; others are not there. (DESIGN: `/mqtt`, `/ws`, `/`)
#[test]
fn w06_paths() {
    let broker = Broker::start();
    for path in ["/mqtt", "/ws", "/"] {
        let (_, head, _) = handshake(broker.ws, path, "mqtt");
        assert!(head.starts_with("HTTP/1.1 101 "), "{path}: {head}");
    }
    for path in ["/other", "/mqtt/../etc", "/MQTT"] {
        let (_, head, _) = handshake(broker.ws, path, "mqtt");
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
    }
}

/// Who offers no `mqtt` does not speak it. (6) [3.1.1 MQTT-6.0.0-3] [MQTT-6.0.0-3]
#[test]
fn without_sub_protocol() {
    let broker = Broker::start();
    for offer in ["chat", "mqttx"] {
        let (_, head, _) = handshake(broker.ws, "/mqtt", offer);
        assert!(head.starts_with("HTTP/1.1 400 "), "{offer}: {head}");
    }
}

/// Packets are cut into frames of one byte, and many are put into one frame: it makes no
/// difference (W01). [MQTT-6.0.0-2] [3.1.1 MQTT-6.0.0-2]
#[test]
fn w01_cut_and_joined() {
    let broker = Broker::start();
    for version in BOTH {
        let all = [
            Connect::new(version, "cut").bytes(),
            subscribe(version, 1, &[("cut/#", 0)]),
            Publish::new("cut/1", "first").bytes(version),
            Publish::new("cut/2", "x".repeat(70_000)).bytes(version),
            pingreq(),
        ]
        .concat();
        let joined = vec![Frame::client(true, Frame::BINARY, &all)];
        let cut = all[..200].chunks(1).chain(all[200..].chunks(1000));
        let bytes = cut.map(|c| Frame::client(true, Frame::BINARY, c)).collect();
        // One message in fragments, with a ping between them.
        let fragments = vec![
            Frame::client(false, Frame::BINARY, &all[..10]),
            Frame::client(true, Frame::PING, b"between"),
            Frame::client(false, Frame::CONTINUATION, &all[10..11]),
            Frame::client(true, Frame::CONTINUATION, &all[11..]),
        ];
        for frames in [joined, bytes, fragments] {
            let mut conn = Conn::open_web(broker.ws, version);
            conn.stream.write_all(&frames.concat()).unwrap();
            assert_eq!(conn.read_kind(Kind::ConnAck).code, 0);
            conn.read_kind(Kind::SubAck);
            conn.receive_this("cut/1", "first");
            assert_eq!(conn.receive().payload.len(), 70_000);
            conn.read_kind(Kind::PingResp);
        }
    }
}

/// W01: the same messages, a frame of 1 KB for each, cost at most twice the processor time of TCP, and a packet
/// in frames of one byte is a packet.
#[test]
fn w01_what_frames_cost() {
    const BATCH: usize = 50;
    const BATCHES: usize = 8_000;
    let broker = Broker::start();
    let publish = Publish::new("w01", "x".repeat(1000)).bytes(V5);
    // Made before: what the client does for a frame is not to slow it down.
    let cost = |mut conn: Conn, name: &str, bytes: &[u8]| {
        conn.connect(&Connect::new(V5, name));
        conn.ping();
        let before = broker.cpu();
        for _ in 0..BATCHES {
            conn.stream.write_all(bytes).unwrap();
        }
        conn.ping();
        (broker.cpu() - before, conn)
    };
    let frame = Frame::client(true, Frame::BINARY, &publish);
    let (plain, _) = cost(broker.open(V5), "plain", &publish.repeat(BATCH));
    let web = Conn::open_web(broker.ws, V5);
    let (framed, mut conn) = cost(web, "framed", &frame.repeat(BATCH));
    println!(
        "figure: {plain:?} over TCP, {framed:?} in frames for {} messages of 1 KB",
        BATCH * BATCHES
    );
    // Development builds unmask slowly.
    let times = if std::env::var_os("TERNMQ_BIN").is_some() {
        2
    } else {
        10
    };
    assert!(framed <= times * plain, "{plain:?} {framed:?}");
    for byte in publish.iter().chain(&pingreq()) {
        conn.send(&[*byte]);
    }
    conn.read_kind(Kind::PingResp);
}

/// W01: a stream of frames with one byte each is taken, in order and at its own cost: the client is read a few
/// thousand at a time, with pauses, and others do not notice.
#[test]
fn w01_frames_of_one_byte() {
    const PINGS: usize = 50_000;
    let broker = Broker::start();
    let mut other = broker.v5("other");
    let mut conn = Conn::open_web(broker.ws, V5);
    conn.connect(&Connect::new(V5, "crumbs"));
    let ping = pingreq();
    let frames = ping
        .iter()
        .flat_map(|byte| Frame::client(true, Frame::BINARY, &[*byte]));
    let frames: Vec<u8> = frames.collect();
    let begun = Instant::now();
    conn.stream.write_all(&frames.repeat(PINGS)).unwrap();
    other.ping();
    for _ in 0..PINGS {
        conn.read_kind(Kind::PingResp);
    }
    let took = begun.elapsed();
    println!("figure: {PINGS} packets in frames of one byte in {took:?}");
    assert!(took >= Duration::from_millis(250), "{took:?}");
}

/// A ping of WebSocket is answered with its own words. (RFC 6455 5.5.2)
#[test]
fn web_ping() {
    let broker = Broker::start();
    let mut web = Web::open(&broker);
    web.send(&Frame::client(true, Frame::PING, b"are you there"));
    let pong = web.frame().expect("a pong");
    assert_eq!(
        (pong.opcode, pong.payload.as_slice()),
        (Frame::PONG, &b"are you there"[..])
    );
}

/// The page closes the tab: the close frame is answered and the connection ends; as for MQTT,
/// that is a loss, not a goodbye. (RFC 6455 5.5.1) [MQTT-3.1.2-8]
#[test]
fn web_close() {
    let broker = Broker::start();
    let mut witness = broker.v5("witness");
    witness.subscribe("tab", 0);
    let mut web = Web::open(&broker);
    let will = crate::wire::Will::new("tab", "closed");
    let connect = Connect::new(V311, "tab").will(will).bytes();
    web.send(&Frame::client(true, Frame::BINARY, &connect));
    assert_eq!(web.frame().expect("CONNACK").payload, [0x20, 2, 0, 0]);
    web.send(&Frame::client(true, Frame::CLOSE, &1001u16.to_be_bytes()));
    web.expect_end();
    witness.receive_this("tab", "closed");
}

/// Frames that break the rules: text, without mask, reserved bits, an unknown opcode, a
/// continuation of nothing, a control frame that is too long or in pieces (W02). [MQTT-6.0.0-1] [3.1.1 MQTT-6.0.0-1] (RFC 6455 5.1, 5.2, 5.5)
#[test]
fn w02_frames_against_the_rules() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "rules").bytes();
    let with_bit = |bit: u8| {
        let mut frame = Frame::client(true, Frame::BINARY, &connect);
        frame[0] |= bit;
        frame
    };
    let unmasked = [vec![0x82, connect.len() as u8], connect.clone()].concat();
    let bad = [
        ("text", Frame::client(true, Frame::TEXT, b"hello")),
        ("unmasked", unmasked),
        ("rsv1", with_bit(0x40)),
        ("rsv3", with_bit(0x10)),
        ("opcode 3", Frame::client(true, 3, &connect)),
        ("opcode 15", Frame::client(true, 15, b"")),
        (
            "continuation",
            Frame::client(true, Frame::CONTINUATION, &connect),
        ),
        ("long ping", Frame::client(true, Frame::PING, &[0; 126])),
        ("split ping", Frame::client(false, Frame::PING, b"")),
    ];
    for (what, bytes) in bad {
        let mut web = Web::open(&broker);
        web.send(&bytes);
        let status = web.expect_end();
        assert!(
            matches!(status, None | Some(1002 | 1003 | 1009)),
            "{what}: {status:?}"
        );
    }
}

/// A frame announces more bytes than anybody has. That breaks no rule, and is waited for no longer
/// than any CONNECT (W02).
#[test]
fn w02_frame_without_end() {
    let broker = Broker::with(&["mqtt.connect_timeout=1s"]);
    let mut web = Web::open(&broker);
    web.send(&[&[0x82, 0xFF][..], &(1u64 << 62).to_be_bytes(), &[0; 4]].concat());
    web.expect_end();
}

/// A browser asks the MQTT port, and the WebSocket port, for a page: it is told in plain words
/// that this is no web server, instead of silence. (W06)
#[test]
fn w06_a_browser_at_the_wrong_door() {
    let broker = Broker::start();
    for address in [broker.tcp, broker.ws] {
        for path in ["/", "/mqtt", "/index.html"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
            let (mut stream, head, mut rest) = http(address, &request);
            let _ = stream.read_to_end(&mut rest);
            assert!(head.starts_with("HTTP/1.1 "), "{address} {path}: {head:?}");
            let page = String::from_utf8_lossy(&rest).to_lowercase();
            assert!(page.contains("mqtt"), "{head}{page}");
            assert!(page.contains("端口") && page.contains("port"), "{page}");
            assert!(page.contains(&broker.tcp.port().to_string()), "{page}");
        }
    }
    // A WebSocket client with the wrong path reads it too.
    let (mut stream, head, mut rest) = handshake(broker.ws, "/mqqt", "mqtt");
    let _ = stream.read_to_end(&mut rest);
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert!(String::from_utf8_lossy(&rest).contains("/mqtt"), "{rest:?}");
    broker.client(V311, "fine").ping();
}

/// A page of the broker's own host may connect, on whatever port it was served, and a program that
/// names no origin; pages of other hosts may not, until the owner allows them (W09).
#[test]
fn w09_pages_of_other_hosts() {
    let knock = |broker: &Broker, origin: &str| {
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: mqtt\r\nOrigin: {origin}\r\n\r\n",
            broker.ws
        );
        let (_, head, _) = http(broker.ws, &request);
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let broker = Broker::start();
    assert_eq!(knock(&broker, "http://127.0.0.1:18083"), "101");
    for origin in ["https://tool.example", "null", "file://"] {
        assert_eq!(knock(&broker, origin), "403", "{origin}");
    }
    let broker = Broker::with(&[
        "listeners.ws.default.allowed_origins=[\"https://Tool.example/\", \"file://\"]",
    ]);
    assert_eq!(knock(&broker, "https://tool.example"), "101");
    assert_eq!(knock(&broker, "file://"), "101");
    assert_eq!(knock(&broker, "null"), "403");
}

/// Handshakes that are none: no key, another version, another method, headers without end: each is told what is
/// wrong, as far as it is HTTP (W04).
/// (RFC 6455 4.2.1)
#[test]
fn w04_bad_handshakes() {
    let broker = Broker::start();
    let upgrade = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let protocol = "Sec-WebSocket-Protocol: mqtt\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    let old = "Sec-WebSocket-Version: 8\r\n";
    let long = format!("X-Long: {}\r\n", "a".repeat(100_000));
    let huge = format!("X-Long: {}\r\n", "a".repeat(1_000_000));
    let many = "a: b\r\n".repeat(10_000);
    let whole = format!("GET /mqtt HTTP/1.1\r\n{upgrade}{key}{version}");
    let bad = [
        (
            400,
            format!("GET /mqtt HTTP/1.1\r\n{upgrade}{version}{protocol}\r\n"),
        ),
        (
            426,
            format!("GET /mqtt HTTP/1.1\r\n{upgrade}{key}{old}{protocol}\r\n"),
        ),
        (
            405,
            format!("POST /mqtt HTTP/1.1\r\n{upgrade}{key}{version}{protocol}\r\n"),
        ),
        (400, format!("{whole}\r\n")),
        (431, format!("{whole}{protocol}{long}\r\n")),
        (431, format!("{whole}{protocol}{huge}\r\n")),
        (431, format!("{whole}{protocol}{many}\r\n")),
        // No HTTP is spoken with who speaks none.
        (0, "\r\n\r\n".to_owned()),
        (0, "GET\r\n\r\n".to_owned()),
    ];
    for (status, request) in bad {
        let (mut stream, head, _) = http(broker.ws, &request);
        let is_answered = match status {
            0 => head.is_empty(),
            _ => head.starts_with(&format!("HTTP/1.1 {status} ")),
        };
        // What nobody reads any more may reset the answer on its way.
        let is_reset = head.is_empty() && request.len() > 50_000;
        assert!(is_answered || is_reset, "{status} {request:.80}: {head}");
        // Whatever it said, it is over; a reset is an end as well.
        stream
            .set_read_timeout(Some(Duration::from_secs(8)))
            .unwrap();
        let mut rest = Vec::new();
        if let Err(e) = stream.read_to_end(&mut rest) {
            assert_ne!(
                e.kind(),
                std::io::ErrorKind::WouldBlock,
                "left open: {request:.80}"
            );
        }
    }
    broker.client(V311, "fine").ping();
}

/// The dashboard's port, where pages connect to `/mqtt`, too: other paths are none, and a request that is
/// hidden in another, by two lengths or a length beside chunks, is not answered as one of its own (W06).
#[test]
fn w06_requests_within_requests() {
    let broker = Broker::start();
    for path in ["/other", "/mqtt/../etc", "/MQTT", "/mqtt/"] {
        let (_, head, _) = handshake(broker.http, path, "mqtt");
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
    }
    let hidden = "GET /api/v5/status HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = hidden.len();
    let inside = [
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("Transfer-Encoding: xchunked\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("Content-Length: +{length}\r\n\r\n{hidden}"),
        format!("Content-Length: {length}\r\n\r\n{hidden}"),
    ];
    for (door, address) in [("web", broker.ws), ("dashboard", broker.http)] {
        for more in &inside {
            for first in ["POST /api/v5/login", "GET /mqtt"] {
                let request = format!("{first} HTTP/1.1\r\nHost: x\r\n{more}");
                let (mut stream, head, mut rest) = http(address, &request);
                // A second answer would come with the first.
                stream
                    .set_read_timeout(Some(Duration::from_millis(300)))
                    .unwrap();
                let _ = stream.read_to_end(&mut rest);
                let said = head + &String::from_utf8_lossy(&rest);
                assert!(said.starts_with("HTTP/1.1 4"), "{door} {request}: {said}");
                let answers = said.matches("HTTP/1.1 ").count();
                assert_eq!(answers, 1, "{door} {request}: {said}");
            }
        }
    }
    broker.client(V311, "fine").ping();
}

/// The head of a handshake comes a byte at a time: the deadline is for all of it, and for the CONNECT behind it
/// (W04).
#[test]
fn w04_dripping_handshake() {
    let broker = Broker::with(&["mqtt.connect_timeout=1s"]);
    for head in ["GET /mqtt HTTP/1.1\r\nHost: x\r\nX-Slow: ", "GET /"] {
        let mut stream = TcpStream::connect(broker.ws).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let began = Instant::now();
        for byte in head.bytes().chain(std::iter::repeat(b'G')) {
            assert!(began.elapsed() < Duration::from_secs(5), "still open");
            let sent = stream.write_all(&[byte]);
            // A page may say why before the end.
            let end = match stream.read(&mut [0; 4096]) {
                Ok(n) => n == 0,
                Err(e) => e.kind() != std::io::ErrorKind::WouldBlock,
            };
            if sent.is_err() || end {
                break;
            }
        }
        assert!(began.elapsed() >= Duration::from_millis(900), "{head:?}");
    }
    broker.client(V311, "fine").ping();
}

/// A packet longer than its frame waits for the next frame; too long a one ends the connection
/// (W05). [MQTT-6.0.0-2]
#[test]
fn w05_packet_longer_than_its_frame() {
    let broker = Broker::start();
    let mut conn = Conn::open_web(broker.ws, V5);
    conn.connect(&Connect::new(V5, "long"));
    conn.send(&[0x30, 0x0A, 0, 1]);
    conn.send(b"a\0");
    conn.send(b"sixsix");
    conn.ping();
    conn.send(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
    conn.expect_closed_for(0x95);
}

/// Behind a proxy, a client is where the proxy has seen it: shown with that address, and judged by it. A
/// listener that was not told of a proxy believes nobody who says that he is near, and nobody makes up more
/// than the proxy adds.
#[test]
fn where_a_proxy_has_seen_it() {
    let (broker, mut api) = Broker::signed_in(&[
        "listeners.ws.default.forwarded_for=true",
        "listeners.ws.direct.bind=127.0.0.1:0",
    ]);
    let comes = |address, sources: &str, id: &str| {
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: mqtt\r\nX-Forwarded-For: {sources}\r\n\r\n"
        );
        let (stream, head, buffer) = http(address, &request);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut web = Web { stream, buffer };
        web.send(&Frame::client(true, 2, &Connect::new(V311, id).bytes()));
        let answer = web.frame().expect("an answer");
        (web, answer.payload)
    };
    let direct = broker.listens("ws:direct");
    for (address, sources, shown) in [
        (broker.ws, "10.1.2.3", "10.1.2.3"),
        (broker.ws, "203.0.113.9, 10.1.2.3", "10.1.2.3"),
        (direct, "203.0.113.9, 10.1.2.3", "127.0.0.1"),
    ] {
        let (_web, answer) = comes(address, sources, "behind");
        assert_eq!(answer, [0x20, 2, 0, 0], "{sources}");
        let client = api.get("/clients/behind").expect(200).json();
        assert_eq!(client["ip_address"], shown, "{sources}");
    }
    // The LAN guard judges the client, not the proxy.
    for (address, sources) in [
        (broker.ws, "10.1.2.3, 203.0.113.9"),
        (broker.ws, "10.1.2.3, unknown"),
        // Somebody has put a proxy before it and said nothing here: the world is no neighbour.
        (direct, "203.0.113.9"),
        (direct, "unknown"),
    ] {
        let (_web, answer) = comes(address, sources, "afar");
        assert_eq!(answer, [0x20, 2, 0, 5], "{sources}");
    }
}
