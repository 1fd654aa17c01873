//! Chapter 26: operating a broker that runs: settings and listeners changed and kept, MQTT over the
//! dashboard's port, backups made and given back, and those that are no backups.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::wire::{
    Api, Broker, Conn, Connect, Frame, Http, Kind, PASSWORD, Publish, Reply, V5, V311, Version,
    Will, fresh_dir, http, prop,
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
fn again(broker: &Broker) -> Api {
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    api
}

fn value(api: &mut Api, key: &str) -> (Value, Value) {
    let setting = api.get(&format!("/settings/{key}")).expect(200).json();
    (setting["value"].clone(), setting["origin"]["from"].clone())
}

/// Packets the size that clients may send, as the broker announces it to them.
fn announced(broker: &Broker) -> u32 {
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
    let (broker, mut api) = Broker::signed_in(&["mqtt.max_qos_allowed=1"]);
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
            &json!({"type": "ssl", "name": "x", "bind": 1}),
        )
        .expect(400);
    assert_eq!(told.code(), "BAD_LISTENER_ID");
}

/// A WebSocket on the dashboard's port.
fn page(broker: &Broker, version: Version) -> Conn {
    Conn::open_web(broker.http, version)
}

fn ticket(api: &mut Api) -> (String, Vec<u8>) {
    let told = api.call("POST", "/mqtt_ticket", None).expect(200).json();
    let text = |field: &str| told[field].as_str().unwrap().to_owned();
    (text("username"), text("ticket").into_bytes())
}

fn shown(client_id: &str, (user, secret): &(String, Vec<u8>)) -> Connect {
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
    let frame = loop {
        if let Some(frame) = Frame::take(&mut got) {
            break frame;
        }
        let mut chunk = [0; 512];
        let n = stream.read(&mut chunk).unwrap();
        assert!(n > 0, "no CONNACK came");
        got.extend_from_slice(&chunk[..n]);
    };
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

const BOUNDARY: &str = "--------boundary-of-a-test";

#[track_caller]
fn bring(api: &mut Api, name: &str, content: &[u8]) -> Reply {
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"filename\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    api.raw("POST", "/api/v5/data/files", Some(&kind), &body)
}

fn names(api: &mut Api) -> Vec<String> {
    let files = api.get("/data/files").expect(200).json();
    let rows = files["data"].as_array().unwrap();
    rows.iter()
        .map(|row| row["filename"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn export(api: &mut Api, body: &Value) -> (String, Vec<u8>) {
    let told = api.post("/data/export", body).expect(200).json();
    let name = told["filename"].as_str().unwrap().to_owned();
    let got = api.get(&format!("/data/files/{name}")).expect(200);
    assert_eq!(json!(got.body.len()), told["size"]);
    (name, got.body)
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|w| w == needle.as_bytes())
}

/// A backup is made while a client writes, fetched, brought to another broker and given back there:
/// settings, bans, retained messages and, because a person asked, users.
#[test]
fn a_backup_moves_to_another_broker() {
    let (broker, mut api) = Broker::signed_in(&[]);
    api.put("/settings/mqtt.max_packet_size", &json!({"value": "300KB"}))
        .expect(200);
    api.post("/banned", &json!({"as": "clientid", "who": "villain"}))
        .expect(200);
    let user = json!({"username": "anna", "password": "correct-horse-1", "description": ""});
    api.post("/users", &user).expect(200);
    let mut writer = broker.v5("writer");
    for n in 0..50 {
        writer.publish(
            &Publish::new(&format!("kept/{n}"), &format!("value {n}"))
                .qos1(1)
                .retained(),
        );
    }
    let mut away = broker.connect(&Connect::new(V5, "away").persistent(600));
    away.subscribe("later", 1);
    away.bye();
    writer.publish(&Publish::new("later", "waits").qos1(1));

    let (_, plain) = export(&mut api, &json!({}));
    let (_, whole) = export(&mut api, &json!({"secrets": true}));
    assert!(contains(&plain, "kept/49") && contains(&plain, "villain"));
    for secret in ["memory_kib", "correct-horse-1"] {
        assert!(
            !contains(&plain, secret),
            "{secret} is in a backup without secrets"
        );
    }
    assert!(contains(&whole, "memory_kib") && !contains(&whole, "correct-horse-1"));

    let (mut second, mut there) = Broker::signed_in(&[]);
    let mut listener = second.v5("listener");
    listener.subscribe("kept/#", 1);
    bring(&mut there, "moved.export", &whole).expect(204);
    assert_eq!(names(&mut there), ["moved.export"]);
    let body = json!({"filename": "moved.export", "report": true});
    let told = there.post("/data/import", &body).expect(200).json();
    assert_eq!(told["imported"]["retained"], 50, "{told}");
    assert_eq!(told["imported"]["ban"], 1);
    assert_eq!(told["imported"]["setting"], 1);
    assert_eq!(told["left_out"]["session"], 1, "{told}");
    // Nobody is sent what is only put back.
    listener.nothing_from_itself();
    assert_eq!(announced(&second), 300 << 10);
    // The other broker's administrator came along, so who was signed in here signs in again.
    for _ in 0..2 {
        let mut anna = second.api();
        anna.sign_in("anna", "correct-horse-1");
        let mut conn = second.open(V5);
        conn.send(&Connect::new(V5, "villain").bytes());
        assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x8A);
        let mut reader = second.v5("reader");
        reader.subscribe("kept/7", 1);
        assert_eq!(reader.receive_this("kept/7", "value 7").qos, 1);
        second.kill_and_restart();
    }
}

/// Row H13. What is no backup is refused before anything of it is written, under whatever name; one that
/// is cut or altered too; and so is one whose records cannot be used, wholly.
#[test]
fn h13_hostile_backups() {
    let (broker, mut api) = Broker::signed_in(&[]);
    api.put("/settings/mqtt.max_inflight", &json!({"value": 70}))
        .expect(200);
    let (made, good) = export(&mut api, &json!({}));
    let before = names(&mut api);
    let root = broker.dir().join("backups");
    let files = || {
        let mut names: Vec<_> = std::fs::read_dir(&root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let there = files();
    // Archives, hostile or not, are not what we read: nothing in them is ever unpacked.
    let mut many = Vec::new();
    for n in 0..1_000 {
        many.extend(tar_entry(&format!("../../{n}"), b'0', b"x"));
    }
    let archives = [
        tar_entry("../../etc/passwd", b'0', b"x"),
        tar_entry("/etc/passwd", b'0', b"x"),
        tar_entry("link", b'2', b""),
        many,
        b"PK\x03\x04\x14\0\0\0\x08\0".to_vec(),
        b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec(),
        vec![0; 3 << 20],
        b"TERNMQ STORE EXPORT 2\n".to_vec(),
        Vec::new(),
    ];
    for archive in &archives {
        bring(&mut api, "hostile.tar.gz", archive).expect(400);
        assert_eq!(files(), there);
    }
    for name in [
        "../up",
        "/etc/up",
        "a/b",
        "..",
        ".hidden",
        "",
        "a\\\\b",
        &"a".repeat(300),
    ] {
        let refused = bring(&mut api, name, &good);
        assert_eq!(refused.status, 400, "{name}: {}", refused.text());
    }
    // The same name, and one that is the same on some systems.
    bring(&mut api, &made, &good).expect(400);
    bring(&mut api, &made.to_ascii_uppercase(), &good).expect(400);
    for cut in [good.len() - 1, good.len() / 2, 30] {
        bring(&mut api, "cut.export", &good[..cut]).expect(400);
    }
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        bring(&mut api, "altered.export", &bad).expect(400);
    }
    assert_eq!((files(), names(&mut api)), (there, before));

    // Well made, but with a record that no release of ours writes: nothing of it is taken.
    let forged = forge(&[
        ("setting", "mqtt.max_inflight", "99"),
        ("setting", "mqtt.no_such_setting", "1"),
    ]);
    bring(&mut api, "forged.export", &forged).expect(204);
    let refused = api
        .post("/data/import", &json!({"filename": "forged.export"}))
        .expect(400);
    assert!(
        refused.text().contains("no_such_setting"),
        "{}",
        refused.text()
    );
    for (bucket, key, value) in [
        ("user", "admin", "{}"),
        ("ban", "clientid\0x", "nonsense"),
        ("policy", "rewrite", "nonsense"),
        ("retained", "a", "nonsense"),
        ("setting", "listeners.tcp.extra.bind", "[\"192.0.2.1:1\"]"),
    ] {
        let forged = forge(&[("setting", "mqtt.max_inflight", "99"), (bucket, key, value)]);
        bring(
            &mut api,
            &format!("forged-{bucket}-{}.export", key.len()),
            &forged,
        )
        .expect(204);
        let name = format!("forged-{bucket}-{}.export", key.len());
        api.post("/data/import", &json!({"filename": name}))
            .expect(400);
    }
    assert_eq!(
        value(&mut api, "mqtt.max_inflight"),
        (json!(70), json!("saved"))
    );
    for name in ["none.export", "../store", "%2e%2e%2fstore", ".partial"] {
        api.post("/data/import", &json!({"filename": name}))
            .expect(404);
        api.delete(&format!("/data/files/{}", name.replace('/', "%2F")))
            .expect(404);
    }
    api.post("/data/import", &json!({"filename": made}))
        .expect(204);
    again(&broker).get("/users").expect(200);
}

/// An entry of a tar archive.
fn tar_entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut head = vec![0; 512];
    head[..name.len()].copy_from_slice(name.as_bytes());
    head[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    head[156] = kind;
    head[257..263].copy_from_slice(b"ustar\0");
    let mut out = head;
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

/// An export with these keys, by hand: each entry is kind, length, checksum (CRC-32C) and body.
fn forge(keys: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut out = b"TERNMQ STORE EXPORT 1\n".to_vec();
    for (bucket, key, value) in keys {
        let mut body = vec![bucket.len() as u8];
        body.extend_from_slice(bucket.as_bytes());
        body.extend((key.len() as u32).to_le_bytes());
        body.extend_from_slice(key.as_bytes());
        body.extend_from_slice(value.as_bytes());
        entry(4, &body, &mut out);
    }
    entry(1, &[0, 0], &mut out);
    entry(5, &(keys.len() as u64).to_le_bytes(), &mut out);
    out
}

fn entry(kind: u8, body: &[u8], out: &mut Vec<u8>) {
    let mut head = vec![kind];
    head.extend((body.len() as u32).to_le_bytes());
    let sum = crc32c(&[&head[..], body].concat());
    out.extend(head);
    out.extend(sum.to_le_bytes());
    out.extend_from_slice(body);
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// What an API key may: make a backup, but none with secrets, and bring no users in by one.
#[test]
fn h07_keys_and_backups() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let user = json!({"username": "anna", "password": "correct-horse-1", "description": ""});
    api.post("/users", &user).expect(200);
    let (name, _) = export(&mut api, &json!({"secrets": true}));
    let told = api
        .post(
            "/api_key",
            &json!({"name": "ci", "enable": true, "desc": ""}),
        )
        .expect(200)
        .json();
    let pair = format!(
        "{}:{}",
        told["api_key"].as_str().unwrap(),
        told["api_secret"].as_str().unwrap()
    );
    let mut key = broker.api();
    key.headers = vec![(
        "authorization".to_owned(),
        format!("Basic {}", base64(pair.as_bytes())),
    )];
    export(&mut key, &json!({}));
    key.post("/data/export", &json!({"secrets": true}))
        .expect(403);
    key.call("POST", "/mqtt_ticket", None).expect(401);
    api.delete("/users/anna").expect(204);
    let body = json!({"filename": name, "report": true});
    let told = key.post("/data/import", &body).expect(200).json();
    assert_eq!(told["imported"]["user"], Value::Null, "{told}");
    let gone = json!({"username": "anna", "password": "correct-horse-1"});
    broker.api().post("/login", &gone).expect(401);
    api.post("/data/import", &body).expect(200);
    broker.api().post("/login", &gone).expect(200);
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0; 3];
        word[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, word[0], word[1], word[2]]);
        for n in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * n)) as usize & 63];
            out.push(if n <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}
