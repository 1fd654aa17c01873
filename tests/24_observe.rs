//! Chapter 24: what the broker tells about itself. Each way of not being connected is provoked and then
//! found in the connection log, with cause and remedy in Chinese and English.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::wire::{
    Api, Broker, Connect, Kind, Publish, V5, V31, V311, Will, disconnect, handshake, http, packet,
    prop, raw_publish, string,
};

/// How long what has just happened may take to be told.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks until the answer is as it should be.
#[track_caller]
fn until<T>(mut ask: impl FnMut() -> Option<T>, what: &str) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// The newest entry with this cause, told in both languages; `shows` is what the client's library says.
#[track_caller]
fn told(api: &mut Api, cause: &str, shows: &str) -> Value {
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
    for field in ["description", "remedy"] {
        let (en, zh) = (
            row[field].as_str().unwrap(),
            chinese[field].as_str().unwrap(),
        );
        assert!(!en.is_empty() && !is_chinese(en), "{cause}: {field} {en}");
        assert!(is_chinese(zh), "{cause}: {field} {zh}");
    }
    assert_eq!(row["ip_address"], "127.0.0.1", "{cause}");
    assert!(row["port"].as_u64().unwrap() > 0);
    assert!(row["time_stamp"].as_u64().unwrap() > 1_700_000_000_000);
    row
}

/// Sends bytes to a listener and waits until the broker has closed.
fn throw(address: SocketAddr, bytes: &[u8]) -> TcpStream {
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
    broker.client(V311, "gone").cut();
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
}

/// A client that exceeds what the broker announced, and listeners that are full.
#[test]
fn limits_are_named() {
    let (broker, mut api) = Broker::signed_in(&[
        "mqtt.max_inflight=2",
        "mqtt.max_awaiting_rel=2",
        "mqtt.max_qos_allowed=2",
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
    let (broker, mut api) = Broker::signed_in(&["listeners.tcp.default.max_connections=1"]);
    let _one = broker.v5("one");
    throw(broker.tcp, b"");
    told(&mut api, "max_connections", "closed without an answer");
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
    let (broker, mut api) = Broker::signed_in(&[&public]);
    let address = public_address(&broker);
    let connect = Connect::new(V311, "street").user("u").password(b"p");
    assert_eq!(street.ask(&address, &connect.bytes()), [0x20, 2, 0, 5]);
    assert_eq!(
        street.ask(&address, &Connect::new(V5, "street").bytes())[..4],
        [0x20, 3, 0, 0x87]
    );
    let path = "/connection_log?cause=lan_guard";
    let rows = until(
        || {
            let rows = api.get(path).expect(200).json();
            (rows["meta"]["count"] == 2).then_some(rows)
        },
        "both in the log",
    );
    assert_eq!(rows["data"][0]["client_shows"], "0x87 Not authorized");
    assert_eq!(rows["data"][1]["client_shows"], "rc=5 not authorized");
    assert_eq!(rows["data"][0]["ip_address"], Street::THERE);
    assert!(
        rows["data"][0]["remedy"]
            .as_str()
            .unwrap()
            .contains("lan_guard.trusted")
    );
    broker.hears("lan_guard.trusted", PATIENCE);
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

/// Messages that are lost are listed with topic, publisher, reason and the setting that cures it; what
/// happened in the last seconds and since the start can be asked for, and the history survives.
#[test]
fn losses_and_figures() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let mut reader = broker.connect(&Connect::new(V5, "reader").persistent(600));
    reader.subscribe("lab/+", 1);
    reader.bye();
    let mut writer = broker.v5("writer");
    for n in 0..5 {
        writer.send(&Publish::new("lab/a", n.to_string()).bytes(V5));
    }
    writer.ping();
    let lost = until(
        || {
            let found = api
                .get("/losses?clientid=reader&lang=zh")
                .expect(200)
                .json();
            found["data"].get(0).cloned()
        },
        "a loss",
    );
    assert_eq!(lost["topic"], "lab/a");
    assert_eq!(lost["reason"], "offline");
    assert_eq!(lost["publisher"], "writer");
    assert!(is_chinese(lost["remedy"].as_str().unwrap()));
    let losses = api.get("/losses?reason=expired").expect(200).json();
    assert_eq!(losses["meta"]["count"], 0);
    assert_eq!(losses["unlisted"], 0);

    let seconds = until(
        || {
            let all = api.get("/monitor_seconds").expect(200).json();
            let sum = |field: &str| -> u64 {
                let each = all.as_array().unwrap().iter();
                each.map(|s| s[field].as_u64().unwrap()).sum()
            };
            (sum("received") == 5).then_some(all)
        },
        "what came in these seconds",
    );
    let each = seconds.as_array().unwrap().iter();
    let offline: u64 = each.filter_map(|s| s["lost"]["offline"].as_u64()).sum();
    assert_eq!(offline, 5);
    let now = api.get("/monitor_current").expect(200).json();
    assert_eq!(
        (&now["connections"], &now["live_connections"]),
        (&json!(2), &json!(1))
    );
    let node = "/monitor_current/nodes/ternmq%40127.0.0.1";
    assert!(api.get(node).expect(200).json()["node_uptime"].is_u64());
    api.get("/monitor_current/nodes/other").expect(404);
    let points = api.get("/monitor?latest=60").expect(200).json();
    let dropped = points
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["dropped"].as_u64().unwrap());
    assert_eq!(dropped.sum::<u64>(), 5);
    api.get("/monitor?latest=x").expect(400);

    broker.signal("TERM");
    broker.wait(PATIENCE);
    broker.restart();
    let mut api = broker.api();
    api.sign_in("admin", crate::wire::PASSWORD);
    let points = until(
        || {
            let points = api.get("/monitor?latest=3600").expect(200).json();
            let restarts = |p: &Value| p["restarted"] == json!(true);
            let starts = points.as_array()?.iter().filter(|p| restarts(p)).count();
            (starts >= 1).then_some(points)
        },
        "the history after a restart",
    );
    let received = points
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["received"].as_u64().unwrap());
    assert_eq!(received.sum::<u64>(), 5, "{points:#}");
    api.delete("/monitor").expect(204);
    assert!(
        api.get("/monitor?latest=3600")
            .expect(200)
            .json()
            .as_array()
            .unwrap()
            .len()
            <= 1
    );
}

/// What needs attention is found within seconds, told in both languages, and gone when it is cured.
#[test]
fn what_needs_attention() {
    let broker = Broker::start();
    let mut api = broker.api();
    api.sign_in("admin", "public");
    let mut item = |kind: &str| {
        let deadline = Instant::now() + 2 * PATIENCE;
        let find = |api: &mut Api, lang: &str| {
            let all = api
                .get(&format!("/attention?lang={lang}"))
                .expect(200)
                .json();
            let mut all = all.as_array().unwrap().iter();
            all.find(|item| item["kind"] == kind).cloned()
        };
        loop {
            if let (Some(en), Some(zh)) = (find(&mut api, "en"), find(&mut api, "zh")) {
                for field in ["cause", "cure"] {
                    let (en, zh) = (en[field].as_str().unwrap(), zh[field].as_str().unwrap());
                    assert!(!is_chinese(en) && is_chinese(zh), "{kind}: {en} {zh}");
                }
                return en;
            }
            assert!(Instant::now() < deadline, "in vain: {kind}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    assert_eq!(item("default_password")["who"], "admin");
    // Two programs with one client id.
    let twins: Vec<_> = (0..3).map(|_| broker.v5("twin")).collect();
    let shared = item("shared_client_id");
    assert_eq!(shared["who"], "twin");
    assert!(shared["cause"].as_str().unwrap().contains("127.0.0.1"));
    drop(twins);
    // Somebody who comes again and again with the wrong protocol.
    for _ in 0..3 {
        throw(broker.tcp, &[0x16, 3, 1, 0, 5, 1]);
    }
    assert_eq!(item("refused_repeatedly")["who"], "127.0.0.1");
    // Topics that are equal to people, not to the broker.
    let mut reader = broker.v5("reader");
    reader.subscribe("Lab/Temp", 0);
    let mut writer = broker.v5("writer");
    writer.publish(&Publish::new("/lab/temp", "21").qos1(1));
    let near = item("nearly_subscribed_topic");
    assert_eq!(near["who"], "/lab/temp");
    let cause = near["cause"].as_str().unwrap();
    assert!(
        cause.contains("writer") && cause.contains("Lab/Temp"),
        "{cause}"
    );
    // A message that somebody did not get.
    let mut away = broker.connect(&Connect::new(V5, "away").persistent(600));
    away.subscribe("x", 1);
    away.bye();
    writer.send(&Publish::new("x", "").bytes(V5));
    let lost = item("messages_lost");
    assert_eq!(lost["who"], "away");
    assert!(lost["since"].as_str().unwrap().contains('T'));
    // One that comes back and forgets to subscribe, until it does.
    reader.bye();
    let mut reader = broker.v5("reader");
    assert_eq!(item("not_subscribed_again")["who"], "reader");
    reader.subscribe("Lab/Temp", 0);
    let mut api = broker.api();
    api.sign_in("admin", "public");
    until(
        || {
            let all = api.get("/attention").expect(200).json();
            let mut all = all.as_array()?.iter();
            (!all.any(|item| item["kind"] == "not_subscribed_again")).then_some(())
        },
        "the cure",
    );
    let alarms = api.get("/alarms?activated=false").expect(200).json();
    assert_eq!(alarms["meta"]["count"], 0);
    api.get("/alarms?activated=maybe").expect(400);
}

/// Events of a live feed, as they come.
struct Feed {
    http: crate::wire::Http,
    text: String,
    /// What came before it was asked for: the order of events of one second is the feed's.
    early: Vec<(String, Value)>,
}

impl Feed {
    #[track_caller]
    fn open(broker: &Broker, api: &Api, query: &str) -> Self {
        let mut http = crate::wire::Http::open(broker.http);
        let (name, value) = &api.headers[0];
        let head = format!(
            "GET /api/v5/live?{query} HTTP/1.1\r\nhost: {}\r\n{name}: {value}\r\n\r\n",
            broker.http
        );
        http.send(head.as_bytes()).unwrap();
        let reply = http.receive_head();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some("text/event-stream"));
        Self {
            http,
            text: String::new(),
            early: Vec::new(),
        }
    }

    /// The data of the first event with this name that is as wanted and was not given before.
    #[track_caller]
    fn next(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.take_whole();
            let found = |(its, data): &(String, Value)| its == name && wanted(data);
            if let Some(at) = self.early.iter().position(found) {
                return self.early.remove(at).1;
            }
            assert!(Instant::now() < deadline, "no event {name}");
            let chunk = self.http.chunk().expect("the feed goes on");
            self.text.push_str(&String::from_utf8_lossy(&chunk));
        }
    }

    /// Takes the events that have come whole.
    fn take_whole(&mut self) {
        while let Some(end) = self.text.find("\n\n") {
            let event: String = self.text.drain(..end + 2).collect();
            let line = |key: &str| {
                let mut lines = event.lines();
                lines.find_map(|l| l.strip_prefix(key)).map(str::trim)
            };
            if let Some((name, data)) = line("event:").zip(line("data:")) {
                let value = serde_json::from_str(data).unwrap_or_else(|_| json!(data));
                self.early.push((name.to_owned(), value));
            }
        }
    }
}

/// One stream tells all that a page shows: who connects, what flows from whom to whom, the open branches
/// of the topic tree with last values, the last messages of a topic. The page changes what it has open
/// and keeps its stream.
#[test]
fn live_feed() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let feeds = "feeds=figures,flow,topics,clients,attention,connections&topic=lab/a/t&lang=zh";
    let mut feed = Feed::open(&broker, &api, feeds);
    let id = feed.next("feed", |_| true).as_str().unwrap().to_owned();
    let mut reader = broker.v5("reader");
    reader.subscribe("lab/#", 0);
    let mut member = broker.v5("member");
    member.subscribe("$share/g/lab/a/t", 0);
    let mut writer = broker.v5("writer");
    feed.next("connections", |rows| {
        let rows = rows.as_array().unwrap();
        rows.iter()
            .any(|row| row["clientid"] == "writer" && row["event"] == "connected")
    });
    feed.next("clients", |c| c["connected"] == 3);
    // A publisher that goes on until everything was seen.
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let going = done.clone();
    let publisher = std::thread::spawn(move || {
        let mut n = 0;
        while !going.load(std::sync::atomic::Ordering::Relaxed) {
            n += 1;
            writer.send(&Publish::new("lab/a/t", n.to_string()).bytes(V5));
            writer.send(&Publish::new("lab/none", "x").bytes(V5));
            writer.ping();
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let flow = feed.next("flow", |flow| {
        flow["streams"]
            .as_array()
            .unwrap()
            .iter()
            .any(|s| s["topic"] == "lab/a/t")
    });
    let receivers: Vec<_> = flow["receivers"]["lab/a/t"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let named = |name: &str| receivers.iter().any(|r| r["name"] == name);
    assert!(named("reader") && named("$share/g/lab/a/t"), "{flow}");
    assert_eq!(flow["streams"][0]["publisher"], "writer");
    let tree = feed.next("topics", |tree| {
        !tree[0]["levels"].as_array().unwrap().is_empty()
    });
    assert_eq!(tree[0]["levels"][0]["name"], "lab");
    assert_eq!(tree[0]["levels"][0]["topics"], 2);
    let open = json!({"open": ["lab", "lab/a"], "topic": "lab/a/t"});
    api.post(&format!("/live/{id}"), &open).expect(204);
    let tree = feed.next("topics", |tree| {
        tree.as_array().unwrap().len() == 3 && tree[2]["levels"][0]["value"].is_object()
    });
    let topic = &tree[2]["levels"][0];
    assert_eq!(
        (&topic["name"], &topic["is_topic"]),
        (&json!("t"), &json!(true))
    );
    assert!(topic["rate"].as_f64().unwrap() > 0.0);
    let value = topic["value"]["payload"].as_str().unwrap();
    assert!(value.parse::<u32>().is_ok(), "{topic}");
    let messages = feed.next("messages", |rows| rows.as_array().unwrap().len() > 3);
    assert_eq!(messages[0]["publisher"], "writer");
    feed.next("figures", |ticks| {
        let ticks = ticks.as_array().unwrap();
        ticks.iter().any(|tick| tick["received"].as_u64() > Some(0))
    });
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    publisher.join().unwrap();
    let around = api
        .get("/topic_tree/clients?topic=lab/a/t")
        .expect(200)
        .json();
    assert_eq!(around["receivers"].as_array().unwrap().len(), 2);
    api.get("/live?feeds=nonsense").expect(400);
    api.post("/live/gone", &open).expect(404);
}
