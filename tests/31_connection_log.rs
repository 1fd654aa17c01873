//! Chapter 31: the connection log. Each way of not being connected is provoked and then found there, with
//! cause and remedy in Chinese and English.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::operate::{shown, ticket};
use crate::wire::{
    Api, Broker, Conn, Connect, Frame, Kind, Outcome, Publish, V5, V31, V311, Will, disconnect,
    handshake, http, packet, prop, raw_publish, string, subscribe, varint,
};

/// How long what has just happened may take to be told.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Asks until the answer is as it should be.
#[track_caller]
pub(crate) fn until<T>(mut ask: impl FnMut() -> Option<T>, what: &str) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// The newest entry with this cause, told in both languages; `shows` is what the client's library says.
#[track_caller]
pub(crate) fn told(api: &mut Api, cause: &str, shows: &str) -> Value {
    told_of("127.0.0.1", api, cause, shows)
}

/// The same of a peer at this address.
#[track_caller]
pub(crate) fn told_of(address: &str, api: &mut Api, cause: &str, shows: &str) -> Value {
    let path = |lang: &str| format!("/connection_log?limit=9&cause={cause}&lang={lang}");
    let row = until(
        || {
            let found = api.get(&path("en")).expect(200).json();
            let found = found["data"].get(0)?;
            let said = found["client_shows"].as_str()?;
            said.contains(shows).then(|| found.clone())
        },
        &format!("{cause} that shows {shows}"),
    );
    let chinese = api.get(&path("zh")).expect(200).json();
    let mut chinese = chinese["data"].as_array().unwrap().iter();
    let chinese = chinese.find(|other| other["id"] == row["id"]).unwrap();
    // Nothing is to be done about who came in.
    let said = ["description", "remedy"];
    for field in &said[..if cause == "connected" { 1 } else { 2 }] {
        let (en, zh) = (
            row[field].as_str().unwrap(),
            chinese[field].as_str().unwrap(),
        );
        assert!(!en.is_empty() && !is_chinese(en), "{cause}: {field} {en}");
        assert!(is_chinese(zh), "{cause}: {field} {zh}");
    }
    assert_eq!(row["ip_address"], address, "{cause}");
    assert!(row["port"].as_u64().unwrap() > 0);
    assert!(row["time_stamp"].as_u64().unwrap() > 1_700_000_000_000);
    row
}

/// Sends bytes to a listener and waits until the broker has closed.
pub(crate) fn throw(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut rest = Vec::new();
    // A reset says as much as an end.
    let _ = stream.read_to_end(&mut rest);
    stream
}

/// Who comes with the wrong protocol to the wrong port, and who says nothing at all.
#[test]
fn strangers_are_told_apart() {
    let (broker, mut api) = Broker::signed_in(&["mqtt.connect_timeout=300ms"]);
    let none = "closed without an answer";
    let tls = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3];
    throw(broker.tcp, &tls);
    let row = told(&mut api, "tls_on_plain_port", none);
    assert_eq!(row["listener"], "tcp:default");
    assert_eq!(row["clientid"], Value::Null);
    assert_eq!(row["event"], "refused");
    throw(broker.ws, &tls);
    let row = told(&mut api, "tls_on_websocket_port", none);
    assert_eq!(row["listener"], "ws:default");
    http(broker.tcp, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    told(&mut api, "http_on_mqtt_port", "HTTP 400");
    throw(broker.ws, &Connect::new(V311, "c").bytes());
    told(&mut api, "mqtt_on_websocket_port", none);
    http(broker.ws, "GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n");
    told(&mut api, "http_on_websocket_port", "HTTP 426");
    throw(broker.ws, b"\0\0\0\0\0\0");
    told(&mut api, "not_http", none);
    handshake(broker.ws, "/wrong", "mqtt");
    told(&mut api, "websocket_path", "HTTP 404");
    handshake(broker.ws, "/mqtt", "chat");
    told(&mut api, "websocket_subprotocol", "HTTP 400");
    http(
        broker.ws,
        "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\nOrigin: http://evil.example\r\n\r\n",
    );
    told(&mut api, "websocket_origin", "HTTP 403");
    http(
        broker.ws,
        "GET /mqtt HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    );
    let row = told(&mut api, "websocket_handshake", "HTTP 400");
    assert_eq!(row["detail"], "more than one Host");
    let (mut stream, _, _) = handshake(broker.ws, "/mqtt", "mqtt");
    stream.write_all(&[0x82, 0x01, 0x10]).unwrap();
    let row = told(&mut api, "websocket_frame", none);
    assert_eq!(row["detail"], "frame is not masked");
    throw(broker.tcp, b"");
    told(&mut api, "connect_timeout", none);
    drop(TcpStream::connect(broker.tcp).unwrap());
    told(&mut api, "closed_before_connect", none);
    throw(broker.tcp, b"\x30\x03\0\x01t");
    told(&mut api, "not_connect", none);
}

/// Too many at once that have not said who they are, or too much of what they have not finished saying:
/// the oldest go. Too many of one address: no more come.
#[test]
fn crowds_of_strangers() {
    let none = "closed without an answer";
    let (broker, mut api) = Broker::signed_in(&["mqtt.max_pending=16"]);
    let crowd: Vec<_> = (0..17).map(|_| broker.open(V5)).collect();
    told(&mut api, "max_pending", none);
    drop(crowd);
    let (broker, mut api) = Broker::signed_in(&["mqtt.max_pending_per_address=4"]);
    let crowd: Vec<_> = (0..5).map(|_| broker.open(V5)).collect();
    let row = told(&mut api, "max_pending_per_address", none);
    let remedy = row["remedy"].as_str().unwrap();
    assert!(remedy.contains("mqtt.max_pending_per_address"), "{remedy}");
    drop(crowd);
    let (broker, mut api) = Broker::signed_in(&["mqtt.max_pending_bytes=256KB"]);
    let part = [&[0x10][..], &varint(250_000), &vec![0; 200 << 10]].concat();
    let mut crowd: Vec<_> = (0..2).map(|_| broker.open(V5)).collect();
    crowd.iter_mut().for_each(|conn| conn.send(&part));
    told(&mut api, "max_pending_bytes", none);
}

/// No descriptor is left: whoever comes then is closed, and the log says which limit to raise.
#[cfg(target_os = "linux")]
#[test]
fn no_descriptor_is_left() {
    let (broker, mut api) = Broker::signed_in(&[]);
    broker.limit_files(128);
    let _crowd: Vec<_> = (0..200).map(|_| broker.open(V5)).collect();
    let row = told(&mut api, "no_file_descriptors", "closed without an answer");
    assert!(row["remedy"].as_str().unwrap().contains("LimitNOFILE"));
}

/// What may be wrong with a CONNECT, in 3.1.1 and 5.0: the number that the client's library shows is
/// the one it was sent.
#[test]
fn refused_connects() {
    let (broker, mut api) = Broker::signed_in(&["mqtt.max_clientid_len=23"]);
    let none = "closed without an answer";
    throw(broker.tcp, &Connect::new(V311, "c").name("HTTP").bytes());
    told(&mut api, "protocol_name", none);
    throw(broker.tcp, &Connect::new(V311, "c").level(9).bytes());
    told(&mut api, "protocol_version", "0x84");
    throw(broker.tcp, &Connect::new(V311, "c").level(2).bytes());
    told(&mut api, "protocol_version", "rc=1");
    throw(broker.tcp, &Connect::new(V311, "").keep().bytes());
    let row = told(&mut api, "client_id_missing", "rc=2");
    assert_eq!(row["proto_ver"], 4);
    let long = "x".repeat(30);
    throw(broker.tcp, &Connect::new(V5, &long).user("who").bytes());
    let row = told(&mut api, "client_id_too_long", "0x85");
    assert_eq!(
        (&row["clientid"], &row["username"]),
        (&json!(long), &json!("who"))
    );
    let method = prop::text(prop::AUTHENTICATION_METHOD, "SCRAM");
    throw(broker.tcp, &Connect::new(V5, "c").prop(method).bytes());
    told(&mut api, "authentication_method", "0x8c");
    throw(broker.tcp, &Connect::new(V311, "c").flag(1).bytes());
    let row = told(&mut api, "malformed", none);
    assert_eq!(row["detail"], "reserved connect flag");
    let will = Will::new("$SYS/x", "");
    throw(broker.tcp, &Connect::new(V5, "c").will(will).bytes());
    told(&mut api, "will_not_allowed", "0x87");
    let small = prop::four(prop::MAXIMUM_PACKET_SIZE, 6);
    throw(broker.tcp, &Connect::new(V5, "c").prop(small).bytes());
    told(&mut api, "connack_too_large", "0x95");
    let ban = json!({"as": "clientid", "who": "banned"});
    api.post("/banned", &ban).expect(200);
    until(
        || {
            throw(broker.tcp, &Connect::new(V31, "banned").bytes());
            let path = "/connection_log?cause=banned";
            let count = api.get(path).expect(200).json()["meta"]["count"].as_u64();
            (count > Some(0)).then_some(())
        },
        "the ban",
    );
    told(&mut api, "banned", "rc=5");
}

/// Anonymous access is off: who brings nothing and who brings the wrong thing are told apart.
#[test]
fn without_anonymous_access() {
    let (broker, mut api) = Broker::signed_in(&["mqtt.allow_anonymous=false"]);
    let mut conn = broker.open(V311);
    conn.send(&Connect::new(V311, "nobody").bytes());
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 5);
    told(&mut api, "anonymous_off", "rc=5");
    let mut conn = broker.open(V5);
    conn.send(&Connect::new(V5, "nobody").bytes());
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x87);
    let row = told(&mut api, "anonymous_off", "0x87 Not authorized");
    assert_eq!(row["proto_ver"], 5);
    let wrong = Connect::new(V311, "sensor").user("u").password(b"p");
    let mut conn = broker.open(V311);
    conn.send(&wrong.bytes());
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 4);
    let row = told(&mut api, "wrong_password", "rc=4");
    assert_eq!(
        (&row["clientid"], &row["username"]),
        (&json!("sensor"), &json!("u"))
    );
}

/// How connected clients go: by themselves, lost, taken over (and by whom), silent, or thrown out for
/// what they sent.
#[test]
fn how_clients_leave() {
    let (broker, mut api) = Broker::signed_in(&["mqtt.max_packet_size=1KB"]);
    let lost = "connection lost";
    broker.v5("calm").bye();
    let row = told(&mut api, "client_disconnected", "rc=0");
    assert_eq!(
        (&row["clientid"], &row["event"]),
        (&json!("calm"), &json!("disconnected"))
    );
    told(&mut api, "connected", "0x00");
    let mut client = broker.v5("grave");
    client.send(&disconnect(V5, 0x04, &[]));
    client.expect_closed();
    told(&mut api, "client_disconnected_with_will", "rc=0");
    broker.client(V311, "gone").cut();
    told(&mut api, "connected", "rc=0");
    let row = told(&mut api, "connection_lost", lost);
    assert_eq!(row["clientid"], "gone");
    let mut first = broker.v5("twin");
    let mut second = broker.v5("twin");
    first.expect_closed_for(0x8E);
    let row = told(&mut api, "taken_over", "DISCONNECT 0x8e");
    let by: SocketAddr = row["by"].as_str().unwrap().parse().unwrap();
    assert_ne!(u64::from(by.port()), row["port"].as_u64().unwrap());
    second.ping();
    let mut quiet = broker.connect(&Connect::new(V5, "quiet").keep_alive(1));
    quiet.expect_closed_for(0x8D);
    told(&mut api, "keep_alive", "DISCONNECT 0x8d");
    let mut client = broker.v5("loud");
    let alias = prop::two(prop::TOPIC_ALIAS, 999);
    client.send(&Publish::new("t", "").prop(alias).bytes(V5));
    client.expect_closed_for(0x94);
    told(&mut api, "topic_alias", "0x94");
    let mut client = broker.v5("loud");
    client.send(&raw_publish(V5, 0x30, b"a/#", 0));
    client.expect_closed_for(0x90);
    let row = told(&mut api, "topic_invalid", "0x90");
    assert_eq!(row["detail"], "has a wildcard");
    let mut client = broker.v5("loud");
    client.send(&Publish::new("t", [0; 2000]).bytes(V5));
    client.expect_closed_for(0x95);
    told(&mut api, "packet_too_large", "0x95");
    let mut client = broker.v5("loud");
    client.send(&packet(0x36, &[&string("t"), &[0, 1, 0]]));
    client.expect_closed_for(0x81);
    let row = told(&mut api, "malformed", "0x81");
    assert_eq!(row["detail"], "QoS 3");
    let mut client = broker.client(V311, "loud");
    client.send(&Connect::new(V311, "loud").bytes());
    client.expect_closed();
    let row = told(&mut api, "protocol_error", lost);
    assert_eq!(row["detail"], "a second CONNECT on one connection");
    let mut client = broker.v5("angry");
    client.send(&disconnect(V5, 0x95, &[]));
    client.expect_closed();
    told(&mut api, "client_gave_up", "0x95");
    let mut client = broker.v5("victim");
    api.delete("/clients/victim").expect(204);
    client.expect_closed_for(0x98);
    let row = told(&mut api, "kicked", "DISCONNECT 0x98");
    assert_eq!(
        (&row["clientid"], &row["by"]),
        (&json!("victim"), &json!("admin"))
    );
    let mut page = Conn::open_web(broker.ws, V5);
    page.connect(&Connect::new(V5, "page"));
    let close = Frame::client(true, Frame::CLOSE, &[]);
    page.stream.write_all(&close).unwrap();
    let row = told(&mut api, "websocket_closed", lost);
    assert_eq!(
        (&row["clientid"], &row["event"]),
        (&json!("page"), &json!("disconnected"))
    );
    // All of one client, newest first.
    let rows = api
        .get("/connection_log?like_clientid=twin")
        .expect(200)
        .json();
    let events: Vec<_> = rows["data"].as_array().unwrap().iter().collect();
    let event = |at: usize| events[at]["event"].as_str().unwrap();
    assert_eq!(
        (event(0), event(1), event(2)),
        ("connected", "disconnected", "connected")
    );
    let refused = api.get("/connection_log?event=refused").expect(200).json();
    assert_eq!(refused["meta"]["count"], 0);
    let mut client = broker.v5("stranded");
    api.call("POST", "/listeners/tcp:default/stop", None)
        .expect(200);
    client.expect_closed_for(0x98);
    told(&mut api, "listener_stopped", "DISCONNECT 0x98");
}

/// A page's ticket is good once, and the session that it opened is its user's.
#[test]
fn tickets_and_what_they_open() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let held = ticket(&mut api);
    let mut page = Conn::open_web(broker.http, V5);
    page.connect(&shown("page", &held));
    let mut again = Conn::open_web(broker.http, V5);
    again.send(&shown("again", &held).bytes());
    assert_eq!(again.read_kind(Kind::ConnAck).code, 0x86);
    let row = told(&mut api, "ticket", "0x86");
    assert_eq!(
        (&row["listener"], &row["username"]),
        (&json!("ws:dashboard"), &json!("admin"))
    );
    let mut thief = broker.open(V311);
    thief.send(&Connect::new(V311, "page").bytes());
    assert_eq!(thief.read_kind(Kind::ConnAck).code, 5);
    let row = told(&mut api, "session_of_another", "rc=5");
    assert_eq!(row["clientid"], "page");
    page.ping();
}

/// A client that exceeds what the broker announced, and listeners that are full.
#[test]
fn limits_are_named() {
    let (broker, mut api) = Broker::signed_in(&[
        "mqtt.max_inflight=2",
        "mqtt.max_awaiting_rel=2",
        "mqtt.max_delayed=1",
        "mqtt.retain_available=false",
        "mqtt.max_payload_size=100",
        "mqtt.max_user_properties=1",
    ]);
    let mut client = broker.v5("c");
    for id in 1..=3 {
        client.send(&Publish::new("t", "").qos2(id).bytes(V5));
    }
    client.read_to_end();
    told(&mut api, "receive_maximum", "0x93");
    let mut client = broker.v5("c");
    client.send(&Publish::new("t", "").retained().bytes(V5));
    client.expect_closed_for(0x9A);
    told(&mut api, "retain_off", "0x9a");
    let mut client = broker.v5("c");
    client.send(&Publish::new("t", [0; 101]).bytes(V5));
    client.expect_closed_for(0x95);
    told(&mut api, "payload_too_large", "0x95");
    let mut client = broker.v5("c");
    let more = [prop::user("a", "b"), prop::user("c", "d")];
    let publish = more.into_iter().fold(Publish::new("t", ""), Publish::prop);
    client.send(&publish.bytes(V5));
    client.expect_closed_for(0x97);
    told(&mut api, "too_many", "0x97");
    let mut client = broker.client(V311, "old");
    for id in 1..=3 {
        client.send(&Publish::new("t", "").qos2(id).bytes(V311));
    }
    client.read_to_end();
    told(&mut api, "max_awaiting_rel", "connection lost");
    let mut client = broker.v5("delayed");
    for (id, reason) in [(1, 0), (2, 0x97)] {
        let publish = Publish::new("$delayed/600/t", "").qos1(id);
        assert_eq!(client.publish(&publish), reason);
    }
    client.ping();
    let mut client = broker.client(V311, "delayed");
    client.send(&Publish::new("$delayed/600/t", "").qos1(3).bytes(V311));
    client.expect_closed();
    told(&mut api, "max_delayed", "connection lost");
    api.put("/settings/mqtt.max_qos_allowed", &json!({"value": 1}))
        .expect(200);
    let mut client = broker.v5("c");
    client.send(&Publish::new("t", "").qos2(1).bytes(V5));
    client.expect_closed_for(0x9B);
    told(&mut api, "qos_too_high", "DISCONNECT 0x9b");
    let (broker, mut api) = Broker::signed_in(&["listeners.tcp.default.max_connections=1"]);
    let _one = broker.v5("one");
    throw(broker.tcp, b"");
    told(&mut api, "max_connections", "closed without an answer");
}

/// As many sessions as there may be: one more is refused, and told so.
#[test]
fn no_session_more() {
    let (broker, mut api) = Broker::signed_in(&["shards=1", "mqtt.max_sessions=1"]);
    let _one = broker.v5("one");
    let mut two = broker.open(V5);
    two.send(&Connect::new(V5, "two").bytes());
    assert_eq!(two.read_kind(Kind::ConnAck).code, 0x97);
    let row = told(&mut api, "max_sessions", "0x97 Quota exceeded");
    assert_eq!(row["clientid"], "two");
}

/// A reader that does not keep up, where that is to end its connection.
#[test]
fn a_queue_is_full() {
    let (broker, mut api) = Broker::signed_in(&[
        "mqtt.max_inflight=2",
        "mqtt.max_queue=3",
        "mqtt.queue_full=disconnect",
        "mqtt.slow_grace=0ms",
    ]);
    let mut lazy = broker.v5("lazy");
    lazy.subscribe("q", 1);
    let mut speaker = broker.v5("speaker");
    for _ in 0..6 {
        speaker.publish(&Publish::new("q", "x").qos1(1));
    }
    lazy.read_to_end();
    let row = told(&mut api, "queue_full", "DISCONNECT 0x97");
    assert_eq!(row["clientid"], "lazy");
    assert!(row["remedy"].as_str().unwrap().contains("mqtt.max_queue"));
}

/// A large packet stands still and takes all the room there is for such; somebody else's waits for it:
/// after ten seconds the one loses its connection, and the other gets through.
#[test]
fn a_packet_stands_still() {
    let (broker, mut api) = Broker::signed_in(&[
        "shards=1",
        "mqtt.max_incomplete_bytes=1MB",
        "mqtt.max_packet_size=2MB",
    ]);
    let large = |size: usize| Publish::new("t", vec![b'x'; size]).qos1(1).bytes(V5);
    let mut still = broker.connect(&Connect::new(V5, "still").keep_alive(0));
    still.send(&large(1_900_000)[..1_500_000]);
    let mut other = broker.connect(&Connect::new(V5, "other").keep_alive(0));
    // Which of the two is read first is the broker's.
    loop {
        other.send(&large(900_000));
        match other.read_by(Instant::now() + 3 * PATIENCE) {
            Outcome::Packet(packet) => assert_eq!(packet.kind, Kind::PubAck),
            outcome => panic!("{outcome:?}"),
        }
        match still.read_by(Instant::now() + Duration::from_millis(100)) {
            Outcome::Packet(packet) => break assert_eq!(packet.code, 0x97),
            Outcome::Late => {}
            Outcome::Closed => panic!("closed without a reason"),
        }
    }
    let row = told(&mut api, "packet_stalled", "DISCONNECT 0x97");
    assert_eq!(row["clientid"], "still");
}

/// A full disk: what a client of 3.1.1 relies on cannot be kept, and it cannot be told otherwise.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_is_full() {
    let Some((broker, mut api)) = Broker::on_small_disk(24, &[]) else {
        return;
    };
    let mut client = broker.connect(&Connect::new(V311, "kept").persistent(600));
    let ballast = broker.fill_disk();
    let long = "x".repeat(1000);
    let refused = (1..=u16::MAX).any(|id| {
        client.send(&subscribe(V311, id, &[(&format!("{id}/{long}"), 1)]));
        matches!(client.read_by(Instant::now() + PATIENCE), Outcome::Closed)
    });
    assert!(refused, "the store goes on without room");
    let row = told(&mut api, "store_refused", "connection lost");
    assert_eq!(row["clientid"], "kept");
    drop(ballast);
    until(
        || {
            let mut client = broker.open(V311);
            client.send(&Connect::new(V311, "kept").persistent(600).bytes());
            client.send(&subscribe(V311, 1, &[("back", 1)]));
            let mut next = || client.read_by(Instant::now() + PATIENCE);
            let kinds = [next(), next()].map(|read| match read {
                Outcome::Packet(packet) => Some(packet.kind),
                _ => None,
            });
            (kinds == [Some(Kind::ConnAck), Some(Kind::SubAck)]).then_some(())
        },
        "room again",
    );
}

/// What a rule of access denies: as it is tried, as it is taken away, and as an end where `deny_action`
/// says so. The rule that decided is named.
#[test]
fn what_rules_deny() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let deny =
        |action: &str, topic: &str| json!({"permission": "deny", "action": action, "topic": topic});
    let set = |api: &mut Api, rules: &[Value]| {
        let path = "/authorization/sources/built_in_database/rules/clients/c";
        api.put(path, &json!({"clientid": "c", "rules": rules}))
            .expect(204);
    };
    let mut rules = vec![deny("publish", "a"), deny("subscribe", "s")];
    set(&mut api, &rules);
    let mut conn = broker.v5("c");
    conn.subscribe("b", 0);
    assert_eq!(conn.publish(&Publish::new("a", "x").qos1(1)), 0x87);
    conn.send(&subscribe(V5, 2, &[("s", 0)]));
    assert_eq!(conn.read_kind(Kind::SubAck).codes, [0x87]);
    let row = told(&mut api, "publish_denied", "PUBACK or PUBREC 0x87");
    assert_eq!(
        (&row["event"], &row["topic"]),
        (&json!("denied"), &json!("a"))
    );
    let row = told(&mut api, "subscribe_denied", "SUBACK 0x87");
    assert_eq!(
        row["rule"],
        "built_in_database, client c, rule 2: deny subscribe s"
    );
    rules.push(deny("subscribe", "b"));
    set(&mut api, &rules);
    let row = told(&mut api, "subscription_revoked", "nothing");
    assert_eq!(
        row["rule"],
        "built_in_database, client c, rule 3: deny subscribe b"
    );
    let settings = json!({"no_match": "allow", "deny_action": "disconnect"});
    api.put("/authorization/settings", &settings).expect(200);
    conn.send(&Publish::new("a", "x").bytes(V5));
    conn.expect_closed_for(0x87);
    told(&mut api, "not_allowed", "DISCONNECT 0x87");
}

/// Whatever the API says a cause may be, a test of this file or of a chapter about access has provoked and
/// looked up: the words that stand behind `told` there are all that stand in the API's document. A fault of our own is provoked
/// inside (`a_fault_ends_one_connection` of the broker's shard): nothing outside can do that.
#[test]
fn every_cause_is_provoked() {
    let broker = Broker::start();
    let mut api = broker.api();
    let document = api.raw("GET", "/api-docs/openapi.json", None, b"");
    let document = document.expect(200).json();
    let row = &document["components"]["schemas"]["ConnectionLogRow"];
    let causes = row["properties"]["cause"]["enum"].as_array().unwrap();
    let causes = causes.iter().map(|cause| cause.as_str().unwrap());
    let known: BTreeSet<&str> = causes.filter(|cause| *cause != "broker_fault").collect();
    let source = [
        include_str!("31_connection_log.rs"),
        include_str!("35_authenticate.rs"),
        include_str!("34_tls.rs"),
        include_str!("42_back_ends.rs"),
        include_str!("41_abuse.rs"),
        include_str!("44_rows.rs"),
        include_str!("45_mountpoint.rs"),
        include_str!("47_scram.rs"),
        include_str!("49_identity.rs"),
    ]
    .concat();
    let looked_up = |name: &str| -> Vec<&str> {
        let calls = source.split(name).skip(1);
        let first = calls.filter_map(|call| call.split('"').nth(1));
        first.filter(|word| known.contains(word)).collect()
    };
    let provoked: BTreeSet<&str> = ["told(&mut api", "told_of(Street::THERE", "told_of(GATEWAY"]
        .into_iter()
        .flat_map(looked_up)
        .collect();
    let missing: Vec<_> = known.difference(&provoked).collect();
    assert!(known.len() > 50 && missing.is_empty(), "{missing:?}");
}

/// Row of the LAN guard: from a public address nobody comes in without credentials, and the log has the
/// remedy; a network that is trusted is as good as near. Needs root, for a network of its own.
#[test]
fn lan_guard_turns_the_street_away() {
    let Some(street) = Street::open() else {
        println!("skipped: a network namespace needs root and the program ip");
        return;
    };
    let public = format!("listeners.tcp.public.bind={}:0", Street::HERE);
    let proxied = format!("listeners.tcp.proxied.bind={}:0", Street::HERE);
    let settings = [
        &*public,
        &*proxied,
        "listeners.tcp.proxied.proxy_protocol=true",
    ];
    let (broker, mut api) = Broker::signed_in(&settings);
    let address = public_address(&broker);
    let connect = Connect::new(V311, "street").user("u").password(b"p");
    assert_eq!(street.ask(&address, &connect.bytes()), [0x20, 2, 0, 5]);
    let row = told_of(Street::THERE, &mut api, "lan_guard", "rc=5 not authorized");
    assert!(
        row["remedy"]
            .as_str()
            .unwrap()
            .contains("lan_guard.trusted")
    );
    let connect_5 = Connect::new(V5, "street");
    assert_eq!(
        street.ask(&address, &connect_5.bytes())[..4],
        [0x20, 3, 0, 0x87]
    );
    told_of(Street::THERE, &mut api, "lan_guard", "0x87 Not authorized");
    broker.hears("lan_guard.trusted", PATIENCE);
    // Nobody there is a proxy of ours.
    let line = b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 1883\r\n";
    let behind = [&line[..], &connect.bytes()].concat();
    let proxied = broker.listens("tcp:proxied").to_string();
    assert!(street.ask(&proxied, &behind).is_empty());
    told_of(Street::THERE, &mut api, "proxy_not_trusted", "closed");
    // From here the same listener serves, because this machine's address comes from a near one.
    broker.v5("near").bye();

    let trusted = format!("lan_guard.trusted=[\"{}/24\"]", Street::HERE);
    let (broker, _api) = Broker::signed_in(&[&public, &trusted]);
    let address = public_address(&broker);
    assert_eq!(street.ask(&address, &connect.bytes()), [0x20, 2, 0, 0]);
}

fn public_address(broker: &Broker) -> String {
    let mut said = broker.said();
    let line = said.find(|line| line.contains("listening tcp:public "));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

/// A network of documentation addresses with somebody at its other end.
struct Street {
    name: String,
}

impl Street {
    const HERE: &str = "203.0.113.1";
    const THERE: &str = "203.0.113.2";

    fn open() -> Option<Self> {
        let name = format!("ternmq-street-{}", std::process::id());
        let run = |line: &str| {
            let mut words = line.split(' ');
            let output = Command::new(words.next()?).args(words).output().ok()?;
            output.status.success().then_some(())
        };
        run(&format!("ip netns add {name}"))?;
        let street = Self { name };
        let (name, near) = (&street.name, format!("tq{}", std::process::id()));
        for line in [
            format!("ip link add {near} type veth peer name far netns {name}"),
            format!("ip addr add {}/24 dev {near}", Self::HERE),
            format!("ip link set {near} up"),
            format!("ip -n {name} addr add {}/24 dev far", Self::THERE),
            format!("ip -n {name} link set far up"),
        ] {
            run(&line)?;
        }
        Some(street)
    }

    /// Sends bytes from there and gives the first bytes of the answer.
    fn ask(&self, address: &str, bytes: &[u8]) -> Vec<u8> {
        let (host, port) = address.rsplit_once(':').unwrap();
        let text: String = bytes.iter().map(|b| format!("\\x{b:02x}")).collect();
        let script = format!(
            "exec 3<>/dev/tcp/{host}/{port}; printf '{text}' >&3; timeout 10 head -c 4 <&3"
        );
        let output = Command::new("ip")
            .args(["netns", "exec", &self.name, "bash", "-c", &script])
            .output()
            .unwrap();
        output.stdout
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        // Its links go with it. Nothing can be done if that fails.
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
    }
}
