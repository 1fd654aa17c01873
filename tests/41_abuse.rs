//! Chapter 41: clients that ask for too much: they come and go, or send faster than they may. The first are
//! banned for a while, the others wait in their sockets and lose nothing.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::connection_log::{told, told_of, until};
use crate::strangers::from_here;
use crate::wire::{
    Api, Broker, Conn, Connect, Kind, Outcome, PASSWORD, Publish, V5, V311, fresh_dir, http,
};

fn counted(api: &mut Api, name: &str) -> u64 {
    let all = api.get("/metrics?aggregate=true").expect(200).json();
    all[name].as_u64().unwrap()
}

/// What is banned, once somebody is.
fn ban(api: &mut Api) -> Value {
    let first = || {
        let bans = api.get("/banned").expect(200).json();
        bans["data"].get(0).cloned()
    };
    until(first, "a ban")
}

/// A client that comes and goes three times in a minute is banned as EMQX bans it, with reason and end;
/// who is kicked is not. The connection log says why once, however often it tries, and so does the log.
#[test]
fn coming_and_going() {
    let (broker, mut api) = Broker::signed_in(&[
        "flapping_detect.enable=true",
        "flapping_detect.max_count=3",
        "flapping_detect.ban_time=10m",
    ]);
    for _ in 0..4 {
        let mut kicked = broker.client(V5, "kicked");
        api.delete("/clients/kicked").expect(204);
        kicked.expect_closed_for(0x98);
    }
    for _ in 0..3 {
        broker.client(V311, "flapping").cut();
    }
    let row = told(&mut api, "flapping", "");
    assert_eq!(
        (&row["clientid"], &row["times"]),
        (&json!("flapping"), &json!(1))
    );
    let ban = ban(&mut api);
    assert_eq!(
        (&ban["as"], &ban["who"]),
        (&json!("clientid"), &json!("flapping"))
    );
    assert_eq!(ban["by"], json!("flapping detector"));
    assert_eq!(ban["reason"], json!("flapping is detected"));
    assert_ne!(ban["until"], json!("infinity"));
    let once = || (counted(&mut api, "client.flapping") == 1).then_some(());
    until(once, "the counter");

    const TRIES: u64 = 50;
    for _ in 0..TRIES {
        let mut again = broker.open(V5);
        again.send(&Connect::new(V5, "flapping").bytes());
        assert_eq!(again.read_kind(Kind::ConnAck).code, 0x8a);
    }
    let refused = || {
        let found = api.get("/connection_log?cause=banned").expect(200).json();
        let times: u64 = found["data"]
            .as_array()?
            .iter()
            .filter_map(|r| r["times"].as_u64())
            .sum();
        (times == TRIES).then_some(found["meta"]["count"].as_u64()?)
    };
    let rows = until(refused, "all refusals");
    assert!(
        rows <= 2,
        "{rows} entries, of each shard's pass one at most"
    );
    let lines = broker.said().filter(|line| line.contains("(flapping)"));
    let lines = lines.count();
    assert!(lines <= 30, "{lines} lines");
    broker.client(V5, "kicked").bye();

    api.delete("/banned/clientid/flapping").expect(204);
    broker.client(V5, "flapping").bye();
}

/// By default nobody is banned for coming and going.
#[test]
fn nobody_is_banned_by_default() {
    let (broker, mut api) = Broker::signed_in(&[]);
    for _ in 0..40 {
        broker.client(V5, "busy").bye();
    }
    assert_eq!(counted(&mut api, "client.flapping"), 0);
    let bans = api.get("/banned").expect(200).json();
    assert_eq!(bans["meta"]["count"], json!(0));
}

/// Publishes so many messages of QoS 1 at once, and waits for all acknowledgements.
fn publish_all(conn: &mut Conn, topic: &str, count: u16, payload: &str) -> Duration {
    let mut all = Vec::new();
    for id in 1..=count {
        all.extend(Publish::new(topic, payload).qos1(id).bytes(conn.version));
    }
    let begun = Instant::now();
    conn.send(&all);
    for id in 1..=count {
        assert_eq!(conn.read_kind(Kind::PubAck).id, id);
    }
    begun.elapsed()
}

/// A client that publishes faster than it may has to wait: all its messages arrive in order, late, and its
/// Keep Alive does not run out meanwhile. Nobody else waits.
#[test]
fn messages_of_a_client() {
    let (broker, mut api) = Broker::signed_in(&["listeners.tcp.default.messages_rate=20/s"]);
    let mut subscriber = broker.v5("subscriber");
    subscriber.subscribe("rate/#", 0);
    let mut other = broker.v5("other");
    let mut fast = broker.connect(&Connect::new(V5, "fast").keep_alive(1));
    // A kilobyte each: what was read at one go is taken whatever the rate.
    let text = "x".repeat(1_000);
    let took = publish_all(&mut fast, "rate/fast", 80, &text);
    // Twenty at once, and three seconds for the others.
    assert!(took >= Duration::from_millis(2_900), "{took:?}");
    for _ in 0..80 {
        subscriber.receive_this("rate/fast", &text);
    }
    assert!(counted(&mut api, "rate_limit.client_messages") > 0);
    let took = publish_all(&mut other, "rate/other", 10, "x");
    assert!(took < Duration::from_secs(1), "{took:?}");
    fast.ping();
    assert_eq!(counted(&mut api, "client.disconnected"), 0);
}

/// The same of bytes, over WebSocket, for one client and for all of a listener together; changed at
/// run time through the API, under EMQX's names.
#[test]
fn bytes_of_clients_and_listeners() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let ws = "/listeners/ws:default";
    let shown = api.get(ws).expect(200).json();
    assert_eq!(shown["bytes_rate"], json!("infinity"));
    let rate = json!({"bytes_rate": "20KB/s", "messages_rate": "infinity"});
    let shown = api.put(ws, &rate).expect(200).json();
    assert_eq!(shown["bytes_rate"], json!("20KB/s"));
    let mut conn = Conn::open_web(broker.ws, V5);
    conn.connect(&Connect::new(V5, "web"));
    let took = publish_all(&mut conn, "web", 60, &"x".repeat(1000));
    assert!(took >= Duration::from_millis(1_800), "{took:?}");
    assert!(counted(&mut api, "rate_limit.client_bytes") > 0);
    api.put(ws, &json!({"bytes_rate": "infinity"})).expect(200);
    let took = publish_all(&mut conn, "web", 60, &"x".repeat(1000));
    assert!(took < Duration::from_secs(1), "{took:?}");

    let total = json!({"total_messages_rate": "20/s"});
    api.put("/listeners/tcp:default", &total).expect(200);
    let [mut one, mut two] = ["one", "two"].map(|name| broker.v5(name));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for conn in [&mut one, &mut two] {
            scope.spawn(|| publish_all(conn, "total", 30, &"x".repeat(1_000)));
        }
    });
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(1_800), "{took:?}");
    assert!(counted(&mut api, "rate_limit.listener_messages") > 0);
    let wrong = api.put(ws, &json!({"bytes_rate": "fast"})).expect(400);
    assert!(wrong.text().contains("bytes_rate"), "{}", wrong.text());
}

/// Connections beyond the rate wait in the queue of the system and come in later; none is refused.
#[test]
fn connections_of_a_listener() {
    let (broker, mut api) = Broker::signed_in(&["listeners.tcp.default.max_conn_rate=4/s"]);
    let begun = Instant::now();
    let mut all: Vec<Conn> = (0..12).map(|_| broker.open(V311)).collect();
    for (n, conn) in all.iter_mut().enumerate() {
        conn.connect(&Connect::new(V311, &format!("c{n}")));
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(1_700), "{took:?}");
    assert!(counted(&mut api, "rate_limit.connections") > 0);
    // Another listener is not meant.
    let begun = Instant::now();
    for n in 0..12 {
        let mut conn = Conn::open_web(broker.ws, V5);
        conn.connect(&Connect::new(V5, &format!("w{n}")));
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}

/// A listener takes whom its access rules let in, by the address that a client has behind a proxy, too. A change
/// holds for who comes next, and whoever is there stays.
#[test]
fn whom_a_listener_takes() {
    let (broker, mut api) = Broker::signed_in(&[
        "listeners.tcp.behind.bind=127.0.0.1:0",
        "listeners.tcp.behind.proxy_protocol=true",
        "listeners.tcp.behind.access_rules=[\"allow 10.1.0.0/16\", \"deny all\"]",
        "listeners.ws.page.bind=127.0.0.1:0",
        "listeners.ws.page.forwarded_for=true",
        "listeners.ws.page.access_rules=[\"deny 127.0.0.1\"]",
    ]);
    let behind = |address: &str| {
        let mut conn = Conn::open(broker.listens("tcp:behind"), V311);
        let line = format!("PROXY TCP4 {address} 127.0.0.1 4711 1883\r\n");
        conn.send(&[line.as_bytes(), &Connect::new(V311, "c").bytes()].concat());
        conn
    };
    assert_eq!(behind("10.1.2.3").read_kind(Kind::ConnAck).code, 0);
    behind("10.2.2.3").expect_closed();
    told_of("10.2.2.3", &mut api, "listener_access", "closed");
    // The proxy itself is not the client.
    let page = broker.listens("ws:page");
    for (said, due) in [("", false), ("X-Forwarded-For: 10.1.2.3\r\n", true)] {
        let (_, head, _) = http(page, &upgrade(page, said));
        assert_eq!(head.starts_with("HTTP/1.1 101 "), due, "{said} {head}");
    }
    let few = json!({"type": "tcp", "name": "few", "bind": "127.0.0.1:0",
                     "access_rules": ["allow 192.168.0.0/16", "allow 127.0.0.1"]});
    let made = api.post("/listeners", &few).expect(200).json();
    let shown = json!(["allow 192.168.0.0/16", "allow 127.0.0.1/32"]);
    assert_eq!(made["access_rules"], shown);
    let at = made["addresses"][0].as_str().unwrap().parse().unwrap();
    let mut before = Conn::open(at, V5);
    before.connect(&Connect::new(V5, "before"));
    let change = |rules: Value| json!({"access_rules": rules});
    let path = "/listeners/tcp:few";
    api.put(path, &change(json!(["permit all"]))).expect(400);
    api.put(path, &change(json!(["deny 127.0.0.0/8"])))
        .expect(200);
    let closed = || {
        let mut conn = Conn::open(at, V5);
        conn.send(&Connect::new(V5, "after").bytes());
        matches!(
            conn.read_by(Instant::now() + Duration::from_secs(8)),
            Outcome::Closed
        )
        .then_some(())
    };
    until(closed, "nobody is taken any more");
    told(&mut api, "listener_access", "closed");
    before.ping();
    let shown = api.get("/listeners/tcp:behind").expect(200).json();
    assert_eq!(shown["proxy_protocol"], true);
}

fn upgrade(address: SocketAddr, more: &str) -> String {
    format!(
        "GET /mqtt HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n{more}\r\n"
    )
}

/// In a container whose ports a program beside it serves, everybody has its gateway's address: from there nobody is
/// let in without credentials, near as it looks, nor believed about where others come from, nor signed in with the
/// password that everybody knows. The log, the first lines and the dashboard say what to do about it.
#[test]
fn nobody_is_near_behind_a_gateway() {
    const GATEWAY: &str = "127.0.0.9";
    let settings = [
        "listeners.tcp.behind.bind=127.0.0.1:0",
        "listeners.tcp.behind.proxy_protocol=true",
    ];
    let named = format!("TERNMQ__LAN_GUARD__GATEWAY={GATEWAY}");
    let password = format!("TERNMQ_ADMIN_PASSWORD={PASSWORD}");
    let dir = fresh_dir();
    let env = vec!["env".to_owned(), named, password];
    let broker = Broker::under(env, &dir, &settings);
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    let code = |broker: &Broker, last: u8| {
        let mut conn = Conn::over(from_here(last, broker.tcp), V5);
        conn.send(&Connect::new(V5, "c").bytes());
        conn.read_kind(Kind::ConnAck).code
    };
    assert_eq!(code(&broker, 9), 0x87);
    let row = told_of(GATEWAY, &mut api, "lan_guard_gateway", "0x87");
    let remedy = row["remedy"].as_str().unwrap();
    assert!(
        remedy.contains("TERNMQ__LAN_GUARD__GATEWAY=trust"),
        "{remedy}"
    );
    broker.hears("lan_guard.gateway", Duration::from_secs(8));
    assert_eq!(code(&broker, 8), 0, "a neighbour");
    let mut stream = from_here(9, broker.listens("tcp:behind"));
    let line = b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 1883\r\n";
    let _ = stream.write_all(&[&line[..], &Connect::new(V311, "c").bytes()].concat());
    told_of(GATEWAY, &mut api, "proxy_not_trusted", "closed");
    let doors = api.get("/security").expect(200).text();
    assert!(doors.contains(GATEWAY), "{doors}");
    // Whoever knows better says so, and it holds at once.
    api.put("/settings/lan_guard.trusted", &json!({"value": [GATEWAY]}))
        .expect(200);
    assert_eq!(code(&broker, 9), 0, "it is trusted by name");
    drop(broker);
    std::fs::remove_dir_all(&dir).unwrap();

    let address = Ipv4Addr::new(127, 0, 0, 9);
    let default = json!({"username": "admin", "password": "public"});
    let broker = Broker::with(&["lan_guard.gateway=127.0.0.9"]);
    let refused = Api::from(broker.http, address)
        .post("/login", &default)
        .expect(403);
    assert_eq!(refused.code(), "ADDRESS_NOT_ALLOWED");
    let words = refused.text();
    for word in [
        GATEWAY,
        "TERNMQ__LAN_GUARD__GATEWAY=trust",
        "ternmq reset-password",
    ] {
        assert!(words.contains(word), "{words}");
    }
    let metrics = Api::from(broker.http, address).get("/prometheus/stats");
    assert_ne!(metrics.status, 200);
    broker.api().sign_in("admin", "public");
    let broker = Broker::with(&["lan_guard.gateway=trust"]);
    assert_eq!(code(&broker, 9), 0);
    Api::from(broker.http, address).sign_in("admin", "public");
}
