//! Chapter 30: traces over the API, and the log's last lines. What a traced client sends and gets is
//! found in its file, what others do is not.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::wire::{Api, Broker, Connect, Publish, V5, V311};

const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a trace's file until it has this.
#[track_caller]
fn has(api: &mut Api, name: &str, words: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let path = format!("/trace/{name}/log?bytes=1048576");
        let log = api.get(&path).expect(200).json();
        let items = log["items"].as_str().unwrap();
        if items.contains(words) {
            return items.to_owned();
        }
        assert!(Instant::now() < deadline, "{words:?} is not in\n{items}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A client that is there already and one that comes are traced with what they send and get; a password
/// is in no file; another client is not in it.
#[test]
fn a_client_is_traced_packet_by_packet() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut traced = broker.client(V311, "traced");
    let mut other = broker.v5("other");
    let new = json!({"name": "t1", "type": "clientid", "clientid": "traced"});
    api.post("/trace", &new).expect(200);
    // It is told to the shards soon, and then what follows is in it.
    let deadline = Instant::now() + PATIENCE;
    while !api
        .get("/trace/t1/log?bytes=1048576")
        .text()
        .contains("IN PINGREQ")
    {
        assert!(Instant::now() < deadline, "it never began");
        traced.ping();
    }
    traced.subscribe("a/+", 1);
    other.publish(&Publish::new("a/b", "22 °C\n").qos1(7));
    traced.receive_this("a/b", "22 °C\n");
    traced.publish(&Publish::new("up", "x"));
    let log = has(&mut api, "t1", "IN PUBLISH topic=up qos=0");
    for line in [
        "IN SUBSCRIBE id=",
        " a/+(qos 1)",
        "OUT SUBACK id=",
        "OUT PUBLISH topic=a/b qos=1",
        "payload(7)=22 °C%0A",
        "IN PUBACK id=",
        "OUT PINGRESP",
    ] {
        assert!(log.contains(line), "{line:?} is not in\n{log}");
    }
    assert!(!log.contains("[other@"), "{log}");
    traced.bye();
    let secret = Connect::new(V5, "traced")
        .user("ann")
        .password(b"canary-77");
    let again = broker.connect(&secret);
    let log = has(&mut api, "t1", "OUT CONNACK");
    assert!(log.contains("IN CONNECT version=5") && log.contains("user_name=ann"));
    assert!(!log.contains("canary-77"));
    again.bye();
    // The end of one is no end of its file.
    api.put("/trace/t1/stop", &json!({})).expect(200);
    let zip = api.get("/trace/t1/download").expect(200).body;
    assert!(zip.starts_with(b"PK\x03\x04"));
    let listed = api.get("/trace").expect(200).json();
    assert_eq!(listed[0]["status"], "stopped");
    api.delete("/trace/t1").expect(204);
    api.get("/trace/t1/log").expect(404);
    let left = std::fs::read_dir(broker.dir().join("trace")).unwrap();
    assert_eq!(left.count(), 0);
}

/// A topic is traced whoever publishes on it, an address whoever comes from it; files outlive a kill.
#[test]
fn topics_and_addresses_are_traced() {
    let (mut broker, mut api) = Broker::signed_in(&["shards=2"]);
    let topic = json!({"name": "topic", "type": "topic", "topic": "a/#", "formatter": "json",
        "payload_encode": "hex"});
    api.post("/trace", &topic).expect(200);
    let address = json!({"name": "from", "type": "ip_address", "ip_address": "127.0.0.1"});
    api.post("/trace", &address).expect(200);
    let mut publishers: Vec<_> = (0..4).map(|n| broker.v5(&format!("p{n}"))).collect();
    let deadline = Instant::now() + PATIENCE;
    // Each shard has it once one message of each publisher is there.
    while (0..4).any(|n| {
        let log = api.get("/trace/topic/log?bytes=1048576").text();
        !log.contains(&format!("p{n}"))
    }) {
        assert!(Instant::now() < deadline, "it never began");
        for publisher in &mut publishers {
            publisher.publish(&Publish::new("a/b", "hi"));
            publisher.publish(&Publish::new("elsewhere", "no"));
            publisher.ping();
        }
    }
    let log = has(&mut api, "topic", "\"payload\":\"6869\"");
    assert!(log.contains("MESSAGE topic=a/b qos=0"), "{log}");
    assert!(!log.contains("elsewhere"), "{log}");
    has(&mut api, "from", "IN PUBLISH topic=elsewhere");
    broker.kill_and_restart();
    let mut api = Api::new(broker.http);
    api.sign_in("admin", crate::wire::PASSWORD);
    let listed = api.get("/trace").expect(200).json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .all(|t| t["status"] == "stopped")
    );
    has(&mut api, "topic", "\"payload\":\"6869\"");
    api.delete("/trace").expect(204);
}

/// What nobody can read on the terminal is found over HTTP, and bad requests say what would do.
#[test]
fn the_log_and_what_is_refused() {
    let (broker, mut api) = Broker::signed_in(&[]);
    broker.client(V311, "x").cut();
    let lines = api.get("/logs?limit=1000&level=warn").expect(200).json();
    for line in lines["data"].as_array().unwrap() {
        let level = line["level"].as_str().unwrap();
        assert!(["error", "warn"].contains(&level), "{line}");
    }
    api.get("/logs?level=loud").expect(400);
    api.get("/logs?after=-1").expect(400);
    for bad in [
        json!({"name": "a b", "type": "clientid", "clientid": "c"}),
        json!({"name": "../x", "type": "clientid", "clientid": "c"}),
        json!({"name": "x", "type": "topic", "topic": "a/#/b"}),
        json!({"name": "x", "type": "ip_address", "ip_address": "here"}),
        json!({"name": "x", "type": "ruleid", "ruleid": "r"}),
        json!({"name": "x", "type": "clientid", "clientid": "c", "end_at": 1}),
    ] {
        let refused = api.post("/trace", &bad).expect(400);
        assert_eq!(refused.code(), "INVALID_PARAMS", "{bad}");
    }
    for n in 0..30 {
        let new = json!({"name": format!("n{n}"), "type": "clientid", "clientid": format!("c{n}")});
        api.post("/trace", &new).expect(200);
    }
    let more = json!({"name": "more", "type": "clientid", "clientid": "more"});
    assert_eq!(api.post("/trace", &more).expect(400).code(), "EXCEED_LIMIT");
}
