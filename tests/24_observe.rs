//! Chapter 24: what the broker tells about itself: figures, losses, what needs attention, the live feed.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::accounts::by_key;
use crate::connection_log::{PATIENCE, is_chinese, throw, until};
use crate::wire::{Api, Broker, Connect, Publish, V5};

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
    let feeds =
        "feeds=figures,flow,picture,topics,clients,attention,connections&topic=lab/a/t&lang=zh";
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
    // The same as a picture: nodes with numbers, lines between them.
    let picture = feed.next("picture", |picture| picture["out"].is_array());
    let columns: Vec<_> = picture["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["column"].as_str().unwrap(), &node["name"]))
        .collect();
    assert!(columns.contains(&("client", &json!("reader"))), "{picture}");
    assert!(columns.contains(&("group", &json!("$share/g/lab/a/t"))));
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
    let told = feed.next("messages", |told| {
        told["messages"].as_array().unwrap().len() > 3
    });
    assert_eq!(told["topic"], "lab/a/t");
    assert_eq!(told["messages"][0]["publisher"], "writer");
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
    // The stream goes on with other feeds, and tells whole what it begins with.
    let other = json!({"feeds": "attention", "open": []});
    api.post(&format!("/live/{id}"), &other).expect(204);
    feed.next("attention", |_| true);
    // Also what it gives up and wants again before the next second.
    let less = json!({"feeds": "figures", "open": []});
    api.post(&format!("/live/{id}"), &less).expect(204);
    api.post(&format!("/live/{id}"), &other).expect(204);
    feed.next("attention", |_| true);
    let nonsense = json!({"feeds": "nonsense", "open": []});
    api.post(&format!("/live/{id}"), &nonsense).expect(400);
    api.get("/live?feeds=nonsense").expect(400);
    api.get("/live?last=nonsense").expect(400);
    api.post("/live/gone", &open).expect(404);
}

/// A wall display's key opens what it shows, and nothing that clients say; with the key its feed ends, too.
#[test]
fn a_wall_display() {
    let (broker, mut admin) = Broker::signed_in(&[]);
    let wanted = json!({"name": "wall", "role": "wall"});
    let key = admin.post("/api_key", &wanted).expect(200).json();
    let mut wall = by_key(&broker, &key);
    wall.get("/monitor_seconds").expect(200);
    for path in [
        "/clients",
        "/topic_tree",
        "/mqtt/retainer/messages",
        "/settings",
        "/live?feeds=topics",
        "/live?feeds=flow",
        "/live?feeds=figures&topic=a",
    ] {
        wall.get(path).expect(403);
    }
    wall.post("/publish", &json!({"topic": "a"})).expect(403);
    let user = json!({"username": "wall", "password": "correct-horse-1", "role": "wall"});
    admin.post("/users", &user).expect(400);
    let mut feed = Feed::open(&broker, &wall, "feeds=figures,picture,attention");
    let id = feed.next("feed", |_| true);
    let id = id.as_str().unwrap();
    feed.next("figures", |_| true);
    let more = json!({"feeds": "figures,topics", "open": []});
    wall.post(&format!("/live/{id}"), &more).expect(403);
    let other = json!({"feeds": "figures,losses", "open": []});
    wall.post(&format!("/live/{id}"), &other).expect(204);
    admin.delete("/api_key/wall").expect(204);
    while feed.http.chunk().is_some() {}
    wall.get("/monitor_seconds").expect(401);
}
