//! What a person at the console is told while the broker runs: who was closed and why, in one line
//! each and never in floods; what became of a configuration that was changed.

use std::io::Write as _;
use std::time::Duration;

use crate::wire::{Broker, Conn, Kind, Publish, V5, V311, fresh_dir, http, raw_publish};

const PATIENCE: Duration = Duration::from_secs(10);

/// A client that breaks the rules is named with the cause; who has not said CONNECT by its address;
/// a WebSocket handshake by what was wrong with it. Texts of strangers stay on their line.
#[test]
fn who_was_closed_and_why() {
    let broker = Broker::start();
    let mut culprit = broker.v5("cul\"prit");
    culprit.send(&raw_publish(V5, 0x30, b"a/#", 0));
    culprit.expect_closed_for(0x90);
    let line = broker.hears("prit", PATIENCE);
    assert!(line.contains("(cul\\\"prit) closed, "), "{line}");
    let mut culprit = broker.client(V311, "older");
    culprit.send(&[0x30, 0x01, 0x00]);
    culprit.expect_closed();
    let line = broker.hears("older", PATIENCE);
    assert!(line.contains("closed, 0x81 "), "{line}");
    let mut stranger = broker.open(V5);
    stranger.send(&[0xC0, 0]);
    stranger.expect_closed();
    broker.hears("the first packet is not CONNECT", PATIENCE);
    let request = "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let (_, head, _) = http(broker.ws, request);
    assert!(head.starts_with("HTTP/1.1 4"), "{head}");
    broker.hears("WebSocket version is not 13", PATIENCE);
}

/// Three hundred broken connections make a few lines and a count, and the next one is told again.
#[test]
fn a_flood_of_broken_peers_is_counted() {
    let broker = Broker::start();
    let strangers: Vec<Conn> = (0..300).map(|_| broker.open(V5)).collect();
    for mut stranger in strangers {
        stranger.send(&[0xC0, 0]);
        stranger.expect_closed();
    }
    let line = broker.hears("more connections closed, not listed", PATIENCE);
    let told = broker.said().filter(|line| line.contains("not CONNECT"));
    let told = told.count();
    assert!(told < 150, "{told} lines beside {line}");
    // The flood may have gone on beyond that count, and used up what is told in the time that follows.
    let is_told = (0..10).any(|_| {
        let mut culprit = broker.v5("next");
        culprit.send(&raw_publish(V5, 0x30, b"a/#", 0));
        culprit.expect_closed_for(0x90);
        let is_told = |line: &str| line.contains("(next) closed");
        broker.finds(is_told, Duration::from_secs(1)).is_some()
    });
    assert!(is_told, "nobody is told of any more");
}

/// SIGHUP reads the file again: a bad one is refused with file, line and key, and the old settings stay;
/// a good one holds for who connects next; what needs a new start is named.
#[test]
fn sighup() {
    let dir = fresh_dir();
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("ternmq.toml");
    let write = |text: &str| {
        let mut out = std::fs::File::create(&file).unwrap();
        out.write_all(text.as_bytes()).unwrap();
    };
    write("[mqtt]\nmax_qos_allowed = 1\n");
    let broker = Broker::with(&[&format!("--config={}", file.display())]);
    let highest = || {
        let mut conn = broker.open(V5);
        let connack = conn.connect(&crate::wire::Connect::new(V5, "asks"));
        assert_eq!(connack.kind, Kind::ConnAck);
        connack.props.number(crate::wire::prop::MAXIMUM_QOS)
    };
    assert_eq!(highest(), Some(1));
    write("[mqtt]\nmax_qos_allowed = 9\n");
    broker.signal("HUP");
    let line = broker.hears("not reloaded", PATIENCE);
    for part in ["the old one stays", "ternmq.toml", "max_qos_allowed", "2"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(highest(), Some(1));
    write("shards = 1\n[mqtt]\nmax_qos_allowed = 0\n");
    broker.signal("HUP");
    let line = broker.hears("with the next start", PATIENCE);
    assert!(line.ends_with(": shards"), "{line}");
    broker.hears("configuration reloaded", PATIENCE);
    // It goes to shards by letter, which may come after the next client.
    let deadline = std::time::Instant::now() + PATIENCE;
    while highest() != Some(0) {
        assert!(std::time::Instant::now() < deadline, "not in force");
    }
    let mut speaker = broker.v5("speaker");
    speaker.send(&Publish::new("t", "x").qos1(1).bytes(V5));
    speaker.expect_closed_for(0x9B);
    std::fs::remove_dir_all(&dir).unwrap();
}
