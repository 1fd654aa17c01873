//! Chapter 26: operating a broker that runs: settings and listeners changed and kept, and MQTT over the
//! dashboard's port.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::wire::{
    Api, Broker, Conn, Connect, Frame, Http, Kind, PASSWORD, Publish, V5, V311, Version, Will,
    fresh_dir, http, prop,
};

/// How long what goes by a signal or another thread may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks until the answer is as it should be.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Signs in again after a restart.
#[track_caller]
pub(crate) fn again(broker: &Broker) -> Api {
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    api
}

pub(crate) fn value(api: &mut Api, key: &str) -> (Value, Value) {
    let setting = api.get(&format!("/settings/{key}")).expect(200).json();
    (setting["value"].clone(), setting["origin"]["from"].clone())
}

/// Packets the size that clients may send, as the broker announces it to them.
pub(crate) fn announced(broker: &Broker) -> u32 {
    let (conn, connack) = broker.connect_told(&Connect::new(V5, "asks"));
    conn.bye();
    let size = connack.props.number(prop::MAXIMUM_PACKET_SIZE);
    size.expect("a Maximum Packet Size")
}

fn file(text: &str) -> PathBuf {
    let path = fresh_dir().with_extension("toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// A setting that is changed applies at once, survives SIGKILL and SIGHUP, stands over the file, is
/// told with its origin, and is taken back.
#[test]
fn a_setting_is_changed_and_stays_changed() {
    let path = file("[mqtt]\nmax_packet_size = \"100KB\"\nmax_inflight = 50\n");
    let named = format!("TERNMQ_ADMIN_PASSWORD={PASSWORD}");
    let dir = fresh_dir();
    let config = format!("--config={}", path.display());
    let mut broker = Broker::under(vec!["env".to_owned(), named], &dir, &[&config]);
    let mut api = again(&broker);
    assert_eq!(announced(&broker), 100 << 10);
    let told = api.get("/settings/mqtt.max_packet_size").expect(200).json();
    assert_eq!(told["origin"]["from"], "file");
    assert_eq!(told["origin"]["line"], 2);

    let body = json!({"value": "200KB"});
    let told = api
        .put("/settings/mqtt.max_packet_size", &body)
        .expect(200)
        .json();
    assert_eq!(told["origin"]["from"], "saved");
    assert_eq!(told["overruled"]["value"], "100KB");
    assert_eq!(announced(&broker), 200 << 10);
    broker.kill_and_restart();
    let mut api = again(&broker);
    assert_eq!(announced(&broker), 200 << 10);

    // The file changes beside it; what was saved stays over it.
    std::fs::write(
        &path,
        "[mqtt]\nmax_packet_size = \"300KB\"\nmax_inflight = 60\n",
    )
    .unwrap();
    broker.signal("HUP");
    until("the file is read again", || {
        value(&mut api, "mqtt.max_inflight").0 == 60
    });
    assert_eq!(announced(&broker), 200 << 10);
    // A file that cannot be used changes nothing.
    std::fs::write(&path, "[mqtt]\nmax_inflight = 0\n").unwrap();
    broker.signal("HUP");
    broker.hears("not reloaded", PATIENCE);
    assert_eq!(
        value(&mut api, "mqtt.max_inflight"),
        (json!(60), json!("file"))
    );

    std::fs::write(&path, "[mqtt]\nmax_packet_size = \"300KB\"\n").unwrap();
    broker.signal("HUP");
    until("the file is read again", || {
        value(&mut api, "mqtt.max_inflight").0 == 1024
    });
    api.delete("/settings/mqtt.max_packet_size").expect(204);
    assert_eq!(announced(&broker), 300 << 10);
    broker.kill_and_restart();
    assert_eq!(announced(&broker), 300 << 10);
    drop(broker);
    let _ = std::fs::remove_dir_all(dir);
    let _ = std::fs::remove_file(path);
}

/// Flags win and say so; bad values are refused and name what is allowed; several changes are all made
/// or none.
#[test]
fn what_cannot_be_changed_says_why() {
    let (mut broker, mut api) = Broker::signed_in(&["mqtt.max_qos_allowed=1"]);
    let refused = api
        .put("/settings/mqtt.max_qos_allowed", &json!({"value": 2}))
        .expect(409);
    assert!(
        refused.text().contains("command line"),
        "{}",
        refused.text()
    );
    let told = api.get("/settings/mqtt.max_qos_allowed").expect(200).json();
    assert!(told["read_only"]["zh"].as_str().unwrap().contains("命令行"));
    let refused = api
        .put("/settings/data_dir", &json!({"value": "x"}))
        .expect(400);
    assert!(refused.text().contains("before the saved settings"));
    let refused = api
        .put("/settings/mqtt.max_inflight", &json!({"value": 0}))
        .expect(400);
    assert!(refused.text().contains("1 to 65535"), "{}", refused.text());
    api.put("/settings/mqtt.no_such", &json!({"value": 0}))
        .expect(400);
    api.get("/settings/mqtt.no_such").expect(404);

    let both = json!({"mqtt.max_packet_size": "300KB", "mqtt.max_inflight": -1});
    api.put("/settings", &both).expect(400);
    assert_eq!(announced(&broker), 1 << 20);
    let both = json!({"mqtt.max_packet_size": "300KB", "mqtt.max_inflight": 9});
    api.put("/settings", &both).expect(200);
    assert_eq!(announced(&broker), 300 << 10);

    // What waits for a restart says so.
    let told = api
        .put("/settings/shards", &json!({"value": 1}))
        .expect(200)
        .json();
    assert_eq!(
        (&told["value"], &told["pending"]),
        (&json!(1), &json!(true))
    );
    broker.kill_and_restart();
    let mut api = again(&broker);
    let told = api.get("/settings/shards").expect(200).json();
    assert_eq!(
        (&told["value"], &told["pending"]),
        (&json!(1), &json!(false))
    );

    // The same in EMQX's words, which send back all that they got.
    let mut zone = api.get("/configs/global_zone").expect(200).json();
    assert_eq!(zone["mqtt"]["max_packet_size"], "300KB");
    zone["mqtt"]["max_packet_size"] = json!("400KB");
    api.put("/configs/global_zone", &zone).expect(200);
    assert_eq!(announced(&broker), 400 << 10);
    zone["mqtt"]["retry_interval"] = json!("30s");
    let refused = api.put("/configs/global_zone", &zone).expect(400);
    assert_eq!(refused.code(), "UPDATE_FAILED");
    assert!(
        refused.text().contains("retry_interval"),
        "{}",
        refused.text()
    );
    let text = b"mqtt.max_packet_size = \"500KB\"\n";
    let path = "/api/v5/configs?mode=replace";
    api.raw("PUT", path, Some("text/plain"), text).expect(200);
    assert_eq!(announced(&broker), 500 << 10);
    assert_eq!(value(&mut api, "mqtt.max_inflight").0, 1024);
    api.call("POST", "/configs_reset/global_zone", None)
        .expect(200);
    assert_eq!(announced(&broker), 1 << 20);
}

fn address_of(api: &mut Api, id: &str) -> SocketAddr {
    let told = api.get(&format!("/listeners/{id}")).expect(200).json();
    told["addresses"][0]
        .as_str()
        .expect("it listens")
        .parse()
        .unwrap()
}

/// A listener is added, takes clients, is stopped and frees its port while its clients are told, and all
/// of that outlives SIGKILL.
#[test]
fn listeners_come_and_go() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let new = json!({"type": "tcp", "name": "extra", "bind": "127.0.0.1:0"});
    let told = api.post("/listeners", &new).expect(200).json();
    assert_eq!(
        (&told["id"], &told["running"]),
        (&json!("tcp:extra"), &json!(true))
    );
    assert_eq!(
        api.post("/listeners", &new).expect(400).code(),
        "ALREADY_EXISTS"
    );
    let at = address_of(&mut api, "tcp:extra");
    let mut client = Conn::open(at, V5);
    client.connect(&Connect::new(V5, "through-extra"));
    let mut old = Conn::open(at, V311);
    old.connect(&Connect::new(V311, "old-through-extra"));
    let mut silent = Conn::open(at, V5);
    let mut other = broker.v5("through-default");
    until("all are counted", || {
        let row = api.get("/listeners/tcp:extra").expect(200).json();
        row["current_connections"] == 3
    });

    api.call("POST", "/listeners/tcp:extra/stop", None)
        .expect(200);
    client.expect_closed_for(0x98);
    old.expect_closed();
    silent.expect_closed();
    other.ping();
    let free = TcpListener::bind(at);
    assert!(free.is_ok(), "the port is not free: {free:?}");
    drop(free);
    assert!(TcpStream::connect(at).is_err());
    let row = api.get("/listeners/tcp:extra").expect(200).json();
    assert_eq!(
        (&row["enable"], &row["running"]),
        (&json!(false), &json!(false))
    );

    broker.kill_and_restart();
    let mut api = again(&broker);
    let row = api.get("/listeners/tcp:extra").expect(200).json();
    assert_eq!(row["running"], false);
    api.call("POST", "/listeners/tcp:extra/start", None)
        .expect(200);
    let at = address_of(&mut api, "tcp:extra");
    let mut client = Conn::open(at, V5);
    client.connect(&Connect::new(V5, "again"));
    api.call("POST", "/listeners/tcp:extra/restart", None)
        .expect(200);
    client.expect_closed_for(0x98);
    Conn::open(at, V5).connect(&Connect::new(V5, "once-more"));

    api.delete("/listeners/tcp:extra").expect(204);
    assert!(TcpStream::connect(at).is_err());
    assert_eq!(
        api.get("/listeners/tcp:extra").expect(404).code(),
        "BAD_LISTENER_ID"
    );
    broker.kill_and_restart();
    let mut api = again(&broker);
    api.get("/listeners/tcp:extra").expect(404);
    // One that the command line names can be stopped, but not deleted.
    api.delete("/listeners/tcp:default").expect(409);
}

/// `max_connections` and `bind` of a listener change while clients stay connected; an address that
/// cannot be had leaves everything as it was.
#[test]
fn listeners_change_under_their_clients() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let new = json!({"type": "tcp", "name": "extra", "bind": "127.0.0.1:0", "max_connections": 1});
    api.post("/listeners", &new).expect(200);
    let at = address_of(&mut api, "tcp:extra");
    let mut first = Conn::open(at, V5);
    first.connect(&Connect::new(V5, "first"));
    Conn::open(at, V5).expect_closed();
    api.put(
        "/listeners/tcp:extra",
        &json!({"max_connections": "infinity"}),
    )
    .expect(200);
    Conn::open(at, V5).connect(&Connect::new(V5, "second"));

    for (bind, why) in [
        (json!(broker.tcp.to_string()), "in use"),
        (json!("192.0.2.1:1883"), "192.0.2.1:1883"),
        (json!("nonsense"), "is not allowed"),
    ] {
        let refused = api
            .put("/listeners/tcp:extra", &json!({"bind": bind}))
            .expect(400);
        assert!(refused.text().contains(why), "{}", refused.text());
    }
    assert_eq!(address_of(&mut api, "tcp:extra"), at);
    first.ping();
    // From one address to all of the machine's with the same port: ours is in its way, and gives way.
    let everywhere = format!("0.0.0.0:{}", at.port());
    api.put("/listeners/tcp:extra", &json!({"bind": everywhere}))
        .expect(200);
    let there = SocketAddr::from(([127, 0, 0, 2], at.port()));
    Conn::open(there, V5).connect(&Connect::new(V5, "third"));
    first.ping();
    let told = api
        .post(
            "/listeners",
            &json!({"type": "quic", "name": "x", "bind": 1}),
        )
        .expect(400);
    assert_eq!(told.code(), "BAD_LISTENER_ID");
}

/// A WebSocket on the dashboard's port.
fn page(broker: &Broker, version: Version) -> Conn {
    Conn::open_web(broker.http, version)
}

pub(crate) fn ticket(api: &mut Api) -> (String, Vec<u8>) {
    let told = api.call("POST", "/mqtt_ticket", None).expect(200).json();
    let text = |field: &str| told[field].as_str().unwrap().to_owned();
    (text("username"), text("ticket").into_bytes())
}

pub(crate) fn shown(client_id: &str, (user, secret): &(String, Vec<u8>)) -> Connect {
    Connect::new(V5, client_id).user(user).password(secret)
}

/// A page connects over the dashboard's port with a ticket of who is signed in: once, under that name,
/// even where nobody comes in anonymously.
#[test]
fn a_page_connects_with_a_ticket() {
    let (broker, mut api) = Broker::signed_in(&["mqtt.allow_anonymous=false"]);
    let held = ticket(&mut api);
    let mut first = page(&broker, V5);
    first.connect(&shown("page", &held));
    first.subscribe("#", 1);
    first.publish(&Publish::new("to/itself", "hello").qos1(7));
    assert_eq!(first.receive_this("to/itself", "hello").qos, 1);
    until("it is listed under its listener", || {
        let row = api.get("/clients/page").json();
        row["listener"] == "ws:dashboard" && row["username"] == "admin"
    });

    let refuse = |connect: &Connect, version, due: u8| {
        let mut conn = page(&broker, version);
        conn.send(&connect.bytes());
        assert_eq!(conn.read_kind(Kind::ConnAck).code, due);
        conn.expect_closed();
    };
    // Once more, under another client id, which lives on another thread perhaps.
    for n in 0..4 {
        refuse(&shown(&format!("page-{n}"), &held), V5, 0x86);
    }
    // Under another name, and then not even under its own.
    let (_, secret) = ticket(&mut api);
    refuse(
        &shown("page-a", &("bert".to_owned(), secret.clone())),
        V5,
        0x86,
    );
    refuse(&shown("page-b", &("admin".to_owned(), secret)), V5, 0x86);
    let invented = ("admin".to_owned(), b"ternmq-ticket-00".to_vec());
    refuse(&shown("page-c", &invented), V5, 0x86);
    let (user, secret) = &invented;
    refuse(
        &Connect::new(V311, "page-d").user(user).password(secret),
        V311,
        4,
    );
    // Without one, like on any listener.
    refuse(&Connect::new(V5, "page-e"), V5, 0x87);
    // A ticket is for this door alone.
    let held = ticket(&mut api);
    let mut conn = broker.open(V5);
    conn.send(&shown("device", &held).bytes());
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x86);
    first.ping();
}

/// A viewer's page subscribes and cannot publish, by a will neither.
#[test]
fn a_viewer_looks_on() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let new =
        json!({"username": "eve", "password": "look-only-1", "role": "viewer", "description": ""});
    api.post("/users", &new).expect(200);
    let mut eve = broker.api();
    eve.sign_in("eve", "look-only-1");
    let mut looking = page(&broker, V5);
    looking.connect(&shown("eve", &ticket(&mut eve)));
    looking.subscribe("#", 1);
    let mut device = broker.v5("device");
    device.publish(&Publish::new("a/b", "seen").qos1(1));
    looking.receive_this("a/b", "seen");
    assert_eq!(looking.publish(&Publish::new("a/b", "said").qos1(2)), 0x87);
    device.subscribe("a/#", 1);
    looking.publish(&Publish::new("a/b", "said"));
    device.nothing_from_itself();

    let will = Will::new("a/will", "gone");
    let mut conn = page(&broker, V5);
    conn.send(&shown("eve-2", &ticket(&mut eve)).will(will).bytes());
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x87);
    // Her session is hers.
    let mut thief = broker.open(V5);
    thief.send(&Connect::new(V5, "eve").bytes());
    assert_eq!(thief.read_kind(Kind::ConnAck).code, 0x87);
    // And she takes nobody's: it would be hers then, and the device shut out.
    let mut conn = page(&broker, V5);
    conn.send(&shown("device", &ticket(&mut eve)).bytes());
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x87);
    device.ping();
}

/// Through a proxy every page seems to come from the proxy: one that came from a public address is no
/// anonymous neighbour, but with a ticket it is who it is.
#[test]
fn a_page_from_afar() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let at = broker.http;
    let connect = |connect: &Connect| {
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: {at}\r\nX-Forwarded-For: 203.0.113.9\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        let (mut stream, head, mut got) = http(at, &request);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream
            .write_all(&Frame::client(true, Frame::BINARY, &connect.bytes()))
            .unwrap();
        next_frame(&mut stream, &mut got).payload[3]
    };
    assert_eq!(connect(&Connect::new(V5, "afar")), 0x87);
    assert_eq!(connect(&shown("afar", &ticket(&mut api))), 0);
}

/// The next frame of the server.
#[track_caller]
fn next_frame(stream: &mut TcpStream, got: &mut Vec<u8>) -> Frame {
    loop {
        if let Some(frame) = Frame::take(got) {
            return frame;
        }
        let mut chunk = [0; 512];
        let n = stream.read(&mut chunk).unwrap();
        assert!(n > 0, "no frame came");
        got.extend_from_slice(&chunk[..n]);
    }
}

/// Before a password is set, a page is an anonymous client like others; handshakes that are none, and
/// pages of other hosts, are refused as on any listener.
#[test]
fn the_dashboards_port_speaks_mqtt() {
    let broker = Broker::start();
    for version in [V311, V5] {
        let mut anonymous = page(&broker, version);
        anonymous.connect(&Connect::new(version, "anybody"));
        anonymous.ping();
        anonymous.bye();
    }
    // CONNECT in one piece with the handshake.
    let at = broker.http;
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: {at}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    let mut both = request.clone().into_bytes();
    let connect = Connect::new(V5, "hasty").bytes();
    both.extend(Frame::client(true, Frame::BINARY, &connect));
    let mut hasty = Http::open(at);
    hasty.send(&both).unwrap();
    let head = hasty.receive("GET").expect("an answer");
    assert_eq!(head.status, 101);
    assert_eq!(
        head.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    let (mut stream, mut got) = hasty.into_parts();
    let frame = next_frame(&mut stream, &mut got);
    assert_eq!(frame.payload[0], 0x20);

    let cases = [
        (
            "Sec-WebSocket-Protocol: mqtt",
            "Sec-WebSocket-Protocol: chat",
            "400",
        ),
        ("Upgrade: websocket\r\n", "", "426"),
        (
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Version: 8",
            "400",
        ),
        (
            "Connection: Upgrade",
            "Connection: Upgrade\r\nOrigin: http://evil.example",
            "403",
        ),
        ("Host: ", "Host: evil.example\r\nX: ", "421"),
    ];
    for (from, to, status) in cases {
        let (_, head, _) = http(at, &request.replacen(from, to, 1));
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{to}: {head}"
        );
    }
}

/// More pages than the API has connections for: once they are handed over they do not count.
#[test]
fn pages_do_not_crowd_out_the_api() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let pages: Vec<_> = (0..300)
        .map(|n| {
            let mut conn = page(&broker, V5);
            conn.connect(&Connect::new(V5, &format!("page-{n}")));
            conn
        })
        .collect();
    api.get("/listeners").expect(200);
    again(&broker).get("/listeners").expect(200);
    for mut page in pages {
        page.ping();
    }
}

/// The node says what its memory is used for: a session, what waits for it, what is retained; the rest
/// of what the process takes is not theirs.
#[test]
fn memory_by_use() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut used = || {
        let node = api.get("/nodes/ternmq@127.0.0.1").expect(200).json();
        let resident = node["resident_bytes"].as_u64().unwrap();
        assert!(node["open_files"].as_u64().unwrap() > 3);
        let disk = &node["disk"];
        assert!(disk["free"].as_u64() < disk["total"].as_u64());
        let used = ["connections", "sessions", "queues", "retained"].map(|what| {
            let bytes = &node["memory_by_use"][what];
            bytes.as_u64().unwrap()
        });
        assert!(used.iter().sum::<u64>() < resident, "{node}");
        used
    };
    let [connections, sessions, queues, retained] = used();
    let message = "x".repeat(100_000);
    let mut kept = broker.connect(&Connect::new(V5, "kept").persistent(60));
    kept.subscribe("q", 1);
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("q", &message).qos1(1).retained());
    // In flight, as it is not acknowledged.
    kept.read_kind(Kind::Publish);
    let now = used();
    assert!(now[0] > connections && now[1] > sessions, "{now:?}");
    assert!(now[2] >= queues + 100_000, "{now:?}");
    // What shards report is a tenth of a second old at most.
    until("retained bytes are told", || {
        used()[3] >= retained + 100_000
    });
}
