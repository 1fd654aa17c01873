//! The broker's own topics: `$SYS/broker/...` as mosquitto's tools read them, and
//! `$SYS/brokers/...` as EMQX's do.

use serde_json::json;

use crate::wire::{BOTH, Broker, Conn, Connect, Publish, V5, V311};

fn quick() -> Broker {
    Broker::with(&["mqtt.sys_interval=1s"])
}

/// One in which everybody is told of clients that come and go.
fn telling() -> Broker {
    let (broker, mut api) = Broker::signed_in(&["mqtt.sys_interval=1s"]);
    let rule = json!({"permission": "allow", "action": "subscribe", "topic": "$SYS/#"});
    let path = "/authorization/sources/built_in_database/rules/all";
    api.post(path, &json!({"rules": [rule]})).expect(204);
    broker
}

/// Reads until a topic matches; gives topic and text.
#[track_caller]
fn wait_for(conn: &mut Conn, fits: impl Fn(&str) -> bool) -> (String, String) {
    for _ in 0..1000 {
        let got = conn.receive();
        if fits(&got.topic) {
            return (got.topic.clone(), got.text().to_owned());
        }
    }
    panic!("a thousand messages, none of them the one");
}

/// A tool made for mosquitto asks for what it knows, and gets numbers and names.
/// [MQTT-4.7.2-1]
#[test]
fn mosquitto_names() {
    let broker = quick();
    for version in BOTH {
        for name in [
            "version",
            "uptime",
            "clients/connected",
            "clients/total",
            "clients/maximum",
            "messages/received",
            "messages/sent",
            "publish/messages/received",
            "publish/messages/sent",
            "publish/messages/dropped",
            "bytes/received",
            "bytes/sent",
            "subscriptions/count",
            "retained messages/count",
        ] {
            let mut tool = broker.client(version, "tool");
            let topic = format!("$SYS/broker/{name}");
            tool.subscribe(&topic, 0);
            let text = tool.receive().text().to_owned();
            let is_number = text.split(' ').next().unwrap().parse::<u64>().is_ok();
            assert!(is_number || name == "version", "{topic}: {text}");
        }
    }
}

/// The number of connected clients is the number of connected clients.
#[test]
fn clients_are_counted() {
    let broker = quick();
    let mut tool = broker.v5("tool");
    let _others: Vec<Conn> = (0..4).map(|n| broker.v5(&format!("c{n}"))).collect();
    tool.subscribe("$SYS/broker/clients/connected", 0);
    loop {
        if tool.receive().text() == "5" {
            break;
        }
    }
}

/// A tool made for EMQX finds the nodes' names, and under a name version, uptime and figures.
#[test]
fn emqx_names() {
    let broker = quick();
    let mut tool = broker.v5("tool");
    tool.subscribe("$SYS/brokers", 0);
    let nodes = tool.receive().text().to_owned();
    let node = nodes.split(',').next().unwrap().to_owned();
    assert!(!node.is_empty());
    tool.unsubscribe("$SYS/brokers");
    let mut tool = broker.v5("tool");
    tool.subscribe("$SYS/brokers/+/#", 0);
    for name in [
        "version",
        "uptime",
        "stats/connections/count",
        "metrics/bytes/received",
    ] {
        let due = format!("$SYS/brokers/{node}/{name}");
        let (_, text) = wait_for(&mut tool, |topic| topic == due);
        assert!(!text.is_empty(), "{name}");
    }
}

/// A message that waits for a session is a record of the store, and counted as such.
#[test]
fn the_store_is_counted() {
    let broker = quick();
    let mut away = broker.connect(&Connect::new(V5, "away").persistent(100));
    away.subscribe("for/away", 1);
    let mut tool = broker.v5("tool");
    tool.publish(&Publish::new("for/away", "news").qos1(1));
    tool.subscribe("$SYS/brokers/+/store/#", 0);
    for (name, due) in [
        ("log/records", "1"),
        ("log/writes", "1"),
        ("log/records_per_write", "1.0"),
        ("damage/count", "0"),
    ] {
        while wait_for(&mut tool, |topic| topic.ends_with(name)).1 != due {}
    }
}

/// Somebody comes and goes; who watches the node's client events is told, in JSON. A client id
/// stays one level of the topic, whatever is in it.
#[test]
fn client_events() {
    let broker = telling();
    let mut tool = broker.v5("tool");
    tool.subscribe("$SYS/brokers/+/clients/#", 0);
    let came = |topic: &str| topic.ends_with("/clients/visitor/connected");
    let went = |topic: &str| topic.ends_with("/clients/visitor/disconnected");
    let visitor = broker.client(V311, "visitor");
    let (_, json) = wait_for(&mut tool, came);
    assert!(
        json.starts_with('{') && json.contains("\"clientid\":\"visitor\""),
        "{json}"
    );
    visitor.bye();
    let (_, json) = wait_for(&mut tool, went);
    assert!(json.contains("\"reason\":\"normal\""), "{json}");
    assert!(json.contains("\"ipaddress\":\"127.0.0.1\""), "{json}");
    broker.client(V5, "a/+/\"#").cut();
    let odd = |topic: &str| topic.ends_with("/clients/a%2F%2B%2F\"%23/disconnected");
    let (_, json) = wait_for(&mut tool, odd);
    assert!(json.contains(r##""clientid":"a/+/\"#""##), "{json}");
    assert!(json.contains("\"reason\":\"tcp_closed\""), "{json}");
}

/// Who watches a single client, by a filter without wildcards, is told from its SUBACK on.
#[test]
fn events_of_one_client() {
    let broker = telling();
    let mut tool = broker.v5("tool");
    let begin = "$SYS/brokers/ternmq@127.0.0.1/clients/visitor";
    for _ in 0..3 {
        for name in ["connected", "disconnected"] {
            tool.subscribe(&format!("{begin}/{name}"), 0);
        }
        let visitor = broker.client(V311, "visitor");
        wait_for(&mut tool, |topic| topic.ends_with("/connected"));
        visitor.bye();
        wait_for(&mut tool, |topic| topic.ends_with("/disconnected"));
        for name in ["connected", "disconnected"] {
            tool.unsubscribe(&format!("{begin}/{name}"));
        }
    }
}

/// What a client did is seen in the figures: bytes and messages go up, never down.
#[test]
fn figures_go_up() {
    let broker = quick();
    let mut tool = broker.client(V5, "tool");
    tool.subscribe("$SYS/broker/bytes/received", 0);
    let mut last = 0;
    for _ in 0..3 {
        let now: u64 = tool.receive().text().parse().expect("a number");
        assert!(now >= last);
        last = now;
        tool.ping();
    }
    assert!(last > 0);
}
