//! Starting wrong and stopping right (rows O01, O04, O05): one line that says what to do, and
//! a goodbye that clients can act on.

use std::time::{Duration, Instant};

use crate::wire::{ALL, Broker, Connect, Kind, Publish, V5, run_once, run_once_on};

/// SIGTERM: version 5 hears that the server is shutting down, all are closed, and the process
/// ends within five seconds, in good order. [MQTT-3.14.4-1] [MQTT-3.14.4-2]
#[test]
fn sigterm() {
    for signal in ["TERM", "INT"] {
        let mut broker = Broker::start();
        let mut conns: Vec<_> = ALL
            .iter()
            .map(|v| {
                let mut conn = broker.client(*v, &format!("{v:?}"));
                conn.subscribe("x", 1);
                conn
            })
            .collect();
        let started = Instant::now();
        broker.signal(signal);
        for conn in &mut conns {
            conn.expect_closed_for(0x8B);
        }
        let status = broker.wait(Duration::from_secs(5));
        assert!(status.success(), "{signal}: {status}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

/// What was acknowledged before SIGTERM is there after the next start. [MQTT-4.1.0-1]
#[test]
fn sigterm_keeps_sessions() {
    let mut broker = Broker::start();
    let connect = Connect::new(V5, "kept").persistent(60);
    let mut conn = broker.connect(&connect);
    conn.subscribe("kept", 1);
    conn.bye();
    broker
        .v5("speaker")
        .publish(&Publish::new("kept", "x").qos1(1));
    broker.signal("TERM");
    broker.wait(Duration::from_secs(5));
    broker.kill_and_restart();
    let (mut conn, connack) = broker.connect_told(&connect);
    assert!(connack.session_present);
    conn.receive_this("kept", "x");
}

/// A client that does not read must not hold up the end.
#[test]
fn sigterm_with_a_deaf_client() {
    let mut broker = Broker::start();
    let mut deaf = broker.v5("deaf");
    deaf.subscribe("loud", 0);
    let mut speaker = broker.v5("speaker");
    for _ in 0..40 {
        speaker.publish(&Publish::new("loud", vec![0; 500_000]));
    }
    speaker.ping();
    broker.signal("TERM");
    assert!(broker.wait(Duration::from_secs(5)).success());
    speaker.read_kind(Kind::Disconnect);
}

/// Each wrong start ends at once with one line that names the culprit, an exit code of failure,
/// and no panic. Settings as (arguments, what the line must name).
#[test]
fn o01_wrong_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = format!("port {} is used by {}", address.port(), std::process::id());
    let bind = format!("listeners.tcp.default.bind={address}");
    let ws = "listeners.ws.default.bind=127.0.0.1:0";
    let tcp = "listeners.tcp.default.bind=127.0.0.1:0";
    let table: [(&[&str], &str); 6] = [
        (&["--set", ws, "--set", &bind], &port),
        (
            &["--set", tcp, "--set", "mqtt.no_such_key=1"],
            "no_such_key",
        ),
        (
            &["--set", tcp, "--set", "mqtt.max_inflight=many"],
            "max_inflight",
        ),
        (
            &["--set", tcp, "--set", "listeners.tcp.default.bind=nowhere"],
            "nowhere",
        ),
        (&["--set", "no_equals_sign"], "no_equals_sign"),
        (
            &["--config", "/no/such/ternmq.toml"],
            "/no/such/ternmq.toml",
        ),
    ];
    for (args, culprit) in table {
        let (code, said) = run_once(args);
        assert!(code > 0, "{args:?} ended with {code}: {said}");
        assert!(said.contains(culprit), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        let lines = said.lines().filter(|l| l.contains(culprit)).count();
        assert_eq!(lines, 1, "{args:?}: {said}");
    }
}

/// A second broker on the same data is refused, and the first does not notice (O05).
#[test]
fn second_broker_on_the_same_data() {
    let broker = Broker::start();
    let dir = broker.dir().to_str().unwrap().to_owned();
    let tcp = "listeners.tcp.default.bind=127.0.0.1:0";
    let ws = "listeners.ws.default.bind=127.0.0.1:0";
    let (code, said) = run_once_on(broker.dir(), &["--set", tcp, "--set", ws]);
    assert!(code > 0, "{said}");
    assert!(said.contains(&dir), "{said}");
    broker.v5("fine").ping();
}
