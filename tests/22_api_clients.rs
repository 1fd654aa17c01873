//! Chapter 22: clients, subscriptions and messages through the REST API. What each call takes and the
//! form of each answer is a table of its own, `tests/api`; here is what calls do.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::wire::{Api, Broker, Connect, Kind, PASSWORD, Publish, V5, V311, subscribe};

/// How long what has just happened may take to be told.
const PATIENCE: Duration = Duration::from_secs(10);

fn signed_in_again(broker: &Broker) -> Api {
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    api
}

/// A client id as one segment of a path.
fn segment(name: &str) -> String {
    let encoded = name.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

fn names(page: &Value, field: &str) -> Vec<String> {
    let rows = page["data"].as_array().expect("a page has rows").iter();
    let mut names: Vec<_> = rows
        .map(|row| row[field].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// Pages hold every client once, whatever their size, and say whether there is more.
#[test]
fn pages_of_clients() {
    let (broker, mut api) = Broker::signed_in(&["shards=3"]);
    let all: Vec<String> = (0..25).map(|n| format!("c-{n:02}")).collect();
    let crowd: Vec<_> = all.iter().map(|name| broker.v5(name)).collect();
    for limit in [1, 7, 25, 100] {
        let (mut seen, mut page) = (Vec::new(), 1);
        loop {
            let path = format!("/clients?page={page}&limit={limit}");
            let found = api.get(&path).expect(200).json();
            assert_eq!(found["meta"]["count"], json!(25), "limit {limit}");
            seen.extend(names(&found, "clientid"));
            if found["meta"]["hasnext"] == json!(false) {
                break;
            }
            page += 1;
        }
        seen.sort();
        assert_eq!(seen, all, "limit {limit}");
        assert_eq!(page, 25_usize.div_ceil(limit), "limit {limit}");
    }
    let some = api
        .get("/clients?like_clientid=c-1&limit=4")
        .expect(200)
        .json();
    assert_eq!(some["meta"]["hasnext"], json!(true));
    assert!(some["meta"].get("count").is_none());
    let exact = "/clients?clientid=c-03&clientid=c-24&clientid=nobody";
    let exact = api.get(exact).expect(200).json();
    assert_eq!(names(&exact, "clientid"), ["c-03", "c-24"]);
    assert_eq!(exact["meta"]["count"], json!(2));
    drop(crowd);
}

/// Whoever is kicked is told 0x98 and is gone with session and subscriptions, also after a kill; the one
/// whose name only looks like it stays.
#[test]
fn kicked_is_that_one() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let odd = ["/", "%2F", "#", "+", "..", " ", "中文"];
    let mut conns = Vec::new();
    for name in odd {
        let connect = Connect::new(V5, name).persistent(60);
        let mut conn = broker.connect(&connect);
        conn.subscribe("kicked/#", 1);
        conns.push(conn);
    }
    let mut conns = odd.into_iter().zip(conns);
    let (name, mut first) = conns.next().unwrap();
    api.delete(&format!("/clients/{}", segment(name)))
        .expect(204);
    first.expect_closed_for(0x98);
    for (name, conn) in conns {
        let told = api
            .get(&format!("/clients/{}", segment(name)))
            .expect(200)
            .json();
        assert_eq!(told["clientid"], json!(name));
        assert_eq!(told["subscriptions_cnt"], json!(1));
        conn.bye();
    }
    api.get(&format!("/clients/{}", segment(name))).expect(404);
    let away = api.post("/clients/kickout/bulk", &json!(["%2F", "nobody"]));
    away.expect(204);
    broker.kill_and_restart();
    let mut api = signed_in_again(&broker);
    let left = api
        .get("/clients?conn_state=disconnected")
        .expect(200)
        .json();
    let mut expected: Vec<_> = odd[2..].iter().map(|name| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(names(&left, "clientid"), expected);
}

/// What is subscribed in a client's place and published through the API is there when the client comes
/// back after a kill; meanwhile the queue shows it.
#[test]
fn acted_for_a_client_that_is_away() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let connect = Connect::new(V5, "away").persistent(600);
    broker.connect(&connect).bye();
    let wanted = json!({"topic": "orders/+", "qos": 1});
    let made = api
        .post("/clients/away/subscribe", &wanted)
        .expect(200)
        .json();
    assert_eq!(
        (&made["topic"], &made["qos"]),
        (&json!("orders/+"), &json!(1))
    );
    assert_eq!(made["durable"], json!(true));
    let order =
        |payload: &str, qos: u8| json!({"topic": "orders/1", "payload": payload, "qos": qos});
    api.post("/publish", &order("one", 1)).expect(200);
    api.post("/publish", &order("two", 2)).expect(200);
    let unheard = json!({"topic": "nobody/listens", "payload": "x"});
    let unheard = api.post("/publish", &unheard).expect(202).json();
    assert_eq!(unheard["reason_code"], json!(16));
    let queue = "/clients/away/mqueue_messages?payload=plain&limit=1";
    let first = api.get(queue).expect(200).json();
    assert_eq!(first["data"][0]["payload"], json!("one"));
    let next = first["meta"]["position"].as_str().unwrap();
    let second = api
        .get(&format!("{queue}&position={next}"))
        .expect(200)
        .json();
    assert_eq!(second["data"][0]["payload"], json!("two"));
    assert_eq!(second["meta"]["position"], json!("end_of_data"));
    broker.kill_and_restart();
    let mut conn = broker.connect(&connect);
    assert_eq!(conn.receive().text(), "one");
    assert_eq!(conn.receive().text(), "two");
}

/// Retained messages are listed by filter, read, and deleted for good; a topic that looks alike stays.
#[test]
fn retained_through_the_api() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let mut speaker = broker.client(V311, "speaker");
    for (n, topic) in (1..).zip(["a", "a/b", "a%2Fb", "a/b/c"]) {
        speaker.publish(&Publish::new(topic, topic).retained().qos1(n));
    }
    let listed = |api: &mut Api, query: &str| {
        let path = format!("/mqtt/retainer/messages{query}");
        names(&api.get(&path).expect(200).json(), "topic")
    };
    assert_eq!(listed(&mut api, "?topic=a/%2B"), ["a/b"]);
    assert_eq!(listed(&mut api, ""), ["a", "a%2Fb", "a/b", "a/b/c"]);
    let one = api.get("/mqtt/retainer/message/a%252Fb").expect(200).json();
    assert_eq!(one["payload"], json!("YSUyRmI="));
    assert_eq!(one["from_clientid"], json!("speaker"));
    api.delete("/mqtt/retainer/message/a%2Fb").expect(204);
    api.delete("/mqtt/retainer/message/a%2Fb").expect(404);
    api.get("/mqtt/retainer/message/a%2F%23").expect(404);
    broker.kill_and_restart();
    let mut api = signed_in_again(&broker);
    assert_eq!(listed(&mut api, ""), ["a", "a%2Fb", "a/b/c"]);
    api.delete("/mqtt/retainer/messages").expect(204);
    assert!(listed(&mut api, "").is_empty());
}

/// What one client does is counted where it belongs: for it, for the broker, and for Prometheus.
#[test]
fn counted_everywhere() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut reader = broker.v5("reader");
    reader.subscribe("t", 1);
    let mut writer = broker.client(V311, "writer");
    for n in 1..=3 {
        writer.publish(&Publish::new("t", "x").qos1(n));
        reader.receive();
    }
    writer.ping();
    let of = |api: &mut Api, name: &str, field: &str| {
        api.get(&format!("/clients/{name}")).expect(200).json()[field].clone()
    };
    assert_eq!(of(&mut api, "writer", "recv_msg.qos1"), json!(3));
    // CONNECT, three PUBLISHes, PINGREQ.
    assert_eq!(of(&mut api, "writer", "recv_pkt"), json!(5));
    assert_eq!(of(&mut api, "reader", "send_msg.qos1"), json!(3));
    // Shards report ten times a second.
    let expected = [
        ("packets.connect.received", 2),
        ("packets.publish.received", 3),
        ("packets.puback.received", 3),
        ("packets.pingreq.received", 1),
        ("packets.subscribe.received", 1),
        ("messages.acked", 3),
        ("client.connected", 2),
    ];
    let deadline = Instant::now() + PATIENCE;
    let found = loop {
        let found = api.get("/metrics?aggregate=true").expect(200).json();
        if expected.iter().all(|(name, n)| found[name] == json!(n)) {
            break found;
        }
        assert!(Instant::now() < deadline, "in vain: {found}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let text = api.get("/prometheus/stats").expect(200).text();
    let sent = found["packets.publish.sent"].as_u64().unwrap();
    assert!(
        text.contains(&format!("emqx_packets_publish_sent {sent}\n")),
        "{text}"
    );
    assert!(text.contains("\nemqx_live_connections_count 2\n"), "{text}");
    assert!(text.contains("\nemqx_topics_count 1\n"), "{text}");
}

/// The largest pages are written while they are gathered: they are whole and in one piece for who asks,
/// and cost the broker a slice at a time, not what all of it weighs.
#[cfg(target_os = "linux")]
#[test]
fn large_pages_cost_little() {
    let (broker, mut api) = Broker::signed_in(&["shards=2", "durability=os"]);
    let mut writer = broker.v5("writer");
    for n in 0..3000 {
        let publish = Publish::new(&format!("kept/{n}"), vec![b'x'; 10_000]);
        writer.publish(&publish.retained());
    }
    writer.ping();
    for chunk in 0..6u16 {
        let filters: Vec<_> = (0..500).map(|n| format!("wanted/{chunk}/{n}")).collect();
        let list: Vec<_> = filters.iter().map(|f| (f.as_str(), 0)).collect();
        writer.send(&subscribe(V5, 1 + chunk, &list));
        assert_eq!(writer.read_kind(Kind::SubAck).codes.len(), 500);
    }
    for (path, field) in [
        ("/mqtt/retainer/messages", "topic"),
        ("/subscriptions", "topic"),
        ("/topics", "topic"),
    ] {
        let deadline = Instant::now() + PATIENCE;
        // A shard may be behind another.
        while api.get(&format!("{path}?limit=1")).expect(200).json()["meta"]["count"] != 3000 {
            assert!(Instant::now() < deadline, "in vain: {path}");
        }
        let (page, grown) = broker.peak_over(|| api.get(&format!("{path}?limit=10000")));
        let page = page.expect(200);
        assert_eq!(page.header("content-type"), Some("application/json"));
        let page = page.json();
        assert_eq!(page["meta"]["hasnext"], json!(false));
        let mut rows = names(&page, field);
        rows.dedup();
        assert_eq!(rows.len(), 3000, "{path}");
        // 30 MB of payloads are behind the first of them.
        assert!(grown < 6 << 20, "{path}: {grown} bytes");
    }
}
