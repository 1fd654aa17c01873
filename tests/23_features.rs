//! Chapter 23: what an operator decides about clients and topics, through the API, and what of it
//! survives a broker that is killed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::wire::{
    Api, Broker, Conn, Connect, Kind, PASSWORD, Publish, V5, V311, disconnect, prop, reply,
};

/// The administrator, signed in again: ports and tokens are those of a process.
fn again(broker: &Broker) -> Api {
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    api
}

/// Messages that wait, as the API lists them.
fn waiting(api: &mut Api) -> Vec<Value> {
    let page = api.get("/mqtt/delayed/messages").expect(200).json();
    page["data"].as_array().unwrap().clone()
}

/// A message for later is acknowledged, the broker is killed, and the message comes in its time: not
/// before, and once. It is listed meanwhile, by the same id, and it keeps what was said with it.
#[test]
fn delayed_over_a_kill() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let mut speaker = broker.connect(&Connect::new(V5, "speaker").user("sue"));
    let begun = Instant::now();
    for (qos, id) in [(1, 1), (2, 2)] {
        let topic = format!("$delayed/3/later/{qos}");
        let expiry = prop::four(prop::MESSAGE_EXPIRY, 60);
        let publish = Publish::new(&topic, "x").qos(qos, id).prop(expiry);
        assert_eq!(speaker.publish(&publish), 0);
    }
    let listed = waiting(&mut api);
    assert_eq!(listed.len(), 2);
    let first = &listed[0];
    assert_eq!(first["topic"], "later/1");
    assert_eq!(first["qos"], 1);
    assert_eq!(first["delayed_interval"], 3);
    assert_eq!(first["from_clientid"], "speaker");
    assert_eq!(first["from_username"], "sue");
    let path = format!(
        "/mqtt/delayed/messages/{}/{}",
        first["node"].as_str().unwrap(),
        first["msgid"].as_str().unwrap()
    );
    broker.kill_and_restart();
    let mut api = again(&broker);
    let found = api.get(&path).expect(200).json();
    assert_eq!(found["payload"], "eA==");
    assert_eq!(found["publish_at"], first["publish_at"]);
    let mut listener = broker.v5("listener");
    listener.subscribe("later/#", 2);
    for qos in [1, 2] {
        let got = listener.receive_this(&format!("later/{qos}"), "x");
        assert_eq!(got.qos, qos);
        let left = got.props.number(prop::MESSAGE_EXPIRY).unwrap();
        assert!(
            left > 50 && left <= 60,
            "it begins when it is published: {left}"
        );
    }
    assert!(begun.elapsed() > Duration::from_millis(2900));
    let mut speaker = broker.v5("speaker");
    listener.nothing_from(&mut speaker, 2);
    assert_eq!(waiting(&mut api), Vec::<Value>::new());
    broker.kill_and_restart();
    let mut listener = broker.v5("listener");
    listener.subscribe("later/#", 2);
    let mut speaker = broker.v5("speaker");
    listener.nothing_from(&mut speaker, 2);
}

/// What waits can be dropped, by its id or by its topic, and then it never comes, not even after a kill.
/// More than may wait are refused; forms that mean nothing are, too.
#[test]
fn delayed_dropped_and_refused() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let settings = api.get("/mqtt/delayed").expect(200).json();
    assert_eq!(settings, json!({"enable": true, "max_delayed_messages": 0}));
    let mut speaker = broker.v5("speaker");
    let mut say = |topic: &str| speaker.publish(&Publish::new(topic, "x").qos1(1));
    for (topic, reason) in [
        ("$delayed/x/a", 0x90),
        ("$delayed/4294968/a", 0x90),
        ("$delayed/5", 0x90),
        ("$delayed/1/$SYS/a", 0x87),
        ("$delayed/1/a", 0),
        ("$delayed/1/b/c", 0),
        ("$delayed/1/b/c", 0),
    ] {
        assert_eq!(say(topic), reason, "{topic}");
    }
    api.put("/mqtt/delayed", &json!({"max_delayed_messages": 3}))
        .expect(200);
    assert_eq!(say("$delayed/1/a"), 0x97);
    let id = waiting(&mut api)[0]["msgid"].as_str().unwrap().to_owned();
    let path = format!("/mqtt/delayed/messages/ternmq@127.0.0.1/{id}");
    api.delete(&path).expect(204);
    api.delete(&path).expect(404);
    api.delete("/mqtt/delayed/messages/b%2Fc").expect(204);
    assert_eq!(
        api.delete("/mqtt/delayed/messages/b%2Fc")
            .expect(404)
            .code(),
        "MESSAGE_ID_NOT_FOUND"
    );
    broker.kill_and_restart();
    let mut api = again(&broker);
    assert_eq!(waiting(&mut api), Vec::<Value>::new());
    let settings = api.get("/mqtt/delayed").expect(200).json();
    assert_eq!(settings["max_delayed_messages"], 3);
    api.put("/mqtt/delayed", &json!({"enable": false}))
        .expect(200);
    let mut speaker = broker.v5("speaker");
    let publish = Publish::new("$delayed/1/a", "x").qos1(1);
    assert_eq!(speaker.publish(&publish), 0x87);
}

/// The API can publish later, too, within the same bounds.
#[test]
fn delayed_by_the_api() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut listener = broker.v5("listener");
    listener.subscribe("later", 1);
    let body = json!({"topic": "$delayed/1/later", "payload": "x", "qos": 1});
    api.post("/publish", &body).expect(200);
    assert_eq!(waiting(&mut api)[0]["from_clientid"], "http_api");
    listener.receive_this("later", "x");
    for (topic, reason) in [("$delayed/x/later", 0x90), ("$delayed/5", 0x90)] {
        let refused = api.post("/publish", &json!({"topic": topic, "payload": "x"}));
        assert_eq!(refused.expect(400).json()["reason_code"], reason, "{topic}");
    }
    api.put("/mqtt/delayed", &json!({"max_delayed_messages": 1}))
        .expect(200);
    let body = json!({"topic": "$delayed/600/later", "payload": "x"});
    let many = api.post("/publish/bulk", &json!([body, body])).expect(400);
    assert_eq!(many.json()["reason_code"], 0x97);
    assert_eq!(waiting(&mut api).len(), 1);
}

/// A client is shut out while connected, and told; it is told again when it comes back, in words of its
/// version; after a kill it still is, and once the ban is lifted it is not.
#[test]
fn banned_over_a_kill() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let mut bad = broker.v5("bad/1");
    let mut good = broker.v5("bad");
    let ban = json!({"as": "clientid", "who": "bad/1", "reason": "because"});
    let told = api.post("/banned", &ban).expect(200).json();
    assert_eq!(told["until"], "infinity");
    assert_eq!(told["by"], "mgmt_api");
    bad.expect_closed_for(0x98);
    good.ping();
    let refused = api.post("/banned", &ban).expect(400);
    assert_eq!(refused.code(), "ALREADY_EXISTS");
    let old: Value = serde_json::from_str(refused.json()["message"].as_str().unwrap()).unwrap();
    assert_eq!(old, told);
    for _ in 0..2 {
        for (version, code) in [(V311, 5), (V5, 0x8a)] {
            let mut conn = broker.open(version);
            conn.send(&Connect::new(version, "bad/1").bytes());
            let answer = conn.read_kind(Kind::ConnAck);
            assert_eq!(answer.code, code);
            conn.expect_closed();
        }
        broker.kill_and_restart();
    }
    let mut api = again(&broker);
    let page = api.get("/banned?clientid=bad%2F1").expect(200).json();
    assert_eq!(page["data"][0], told);
    api.delete("/banned/clientid/bad%2F1").expect(204);
    api.delete("/banned/clientid/bad%2F1").expect(404);
    broker.v5("bad/1").ping();
}

/// Each kind of ban hits whom it is for, and nobody else.
#[test]
fn kinds_of_bans() {
    let (broker, mut api) = Broker::signed_in(&[]);
    for (kind, who, hits) in [
        ("username", "eve", true),
        ("username", "ev", false),
        ("clientid_re", "^c-[0-9]+$", true),
        ("clientid_re", "^c-[a-z]+$", false),
        ("username_re", "v", true),
        ("peerhost", "127.0.0.1", true),
        ("peerhost", "127.0.0.2", false),
        ("peerhost_net", "127.0.0.0/30", true),
        ("peerhost_net", "127.0.0.4/30", false),
    ] {
        let mut before = broker.connect(&Connect::new(V5, "c-1").user("eve"));
        api.post("/banned", &json!({"as": kind, "who": who}))
            .expect(200);
        if hits {
            before.expect_closed_for(0x98);
        } else {
            before.ping();
        }
        let mut conn = broker.open(V5);
        conn.send(&Connect::new(V5, "c-1").user("eve").bytes());
        let answer = conn.read_kind(Kind::ConnAck).code;
        assert_eq!(answer, if hits { 0x8a } else { 0 }, "{kind} {who}");
        api.delete("/banned").expect(204);
    }
    for (kind, who) in [
        ("clientid_re", "("),
        ("peerhost", "nowhere"),
        ("peerhost_net", "127.0.0.1/33"),
        ("clientid", ""),
    ] {
        let refused = api
            .post("/banned", &json!({"as": kind, "who": who}))
            .expect(400);
        assert_eq!(refused.code(), "BAD_REQUEST", "{kind} {who}");
    }
}

/// A ban ends by itself, in the list and at the door.
#[test]
fn ban_that_ends() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let ban = json!({"as": "clientid", "who": "c", "until": now.as_secs() + 2});
    api.post("/banned", &ban).expect(200);
    assert_eq!(
        api.post("/banned", &ban).expect(400).code(),
        "ALREADY_EXISTS"
    );
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut conn = broker.open(V5);
        conn.send(&Connect::new(V5, "c").bytes());
        match conn.read_kind(Kind::ConnAck).code {
            0x8a => assert!(Instant::now() < deadline, "it does not end"),
            code => break assert_eq!(code, 0),
        }
    }
    let page = api.get("/banned").expect(200).json();
    assert_eq!(page["data"], json!([]));
    let ended = json!({"as": "clientid", "who": "d", "until": now.as_secs() - 10});
    api.post("/banned", &ended).expect(400);
}

/// Bans do not make CONNECT slow, however many there are (10,000 with `BANS=10000`), and a kill loses
/// none: the median of a hundred is no more than twice what it was, plus a millisecond for this
/// machine's mood.
#[test]
fn many_bans() {
    let count = std::env::var("BANS").map_or(500, |n| n.parse().unwrap());
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let median = |broker: &Broker| {
        let mut times: Vec<_> = (0..100)
            .map(|n| {
                let begun = Instant::now();
                let conn = broker.v5(&format!("client-{n}"));
                let time = begun.elapsed();
                conn.bye();
                time
            })
            .collect();
        times.sort();
        times[50]
    };
    let before = median(&broker);
    for n in 0..count {
        let kind = ["clientid", "username"][n % 2];
        api.post("/banned", &json!({"as": kind, "who": format!("bad-{n}")}))
            .expect(200);
    }
    let after = median(&broker);
    assert!(
        after < before * 2 + Duration::from_millis(1),
        "{before:?}, {after:?}"
    );
    broker.kill_and_restart();
    let mut api = again(&broker);
    let page = api.get("/banned?limit=1").expect(200).json();
    assert_eq!(page["meta"]["count"], count);
    assert_eq!(page["meta"]["hasnext"], true);
    let mut conn = broker.open(V5);
    conn.send(&Connect::new(V5, &format!("bad-{}", count - 2)).bytes());
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x8a);
}

/// Rules rewrite topics of messages, wills, subscriptions and unsubscriptions, and they are still there
/// after a kill. A subscription that was rewritten is listed as what it became.
#[test]
fn rewritten_over_a_kill() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let rules = json!([
        {"action": "publish", "source_topic": "x/#", "dest_topic": "z/y/$1", "re": "^x/y/(.+)$"},
        {"action": "subscribe", "source_topic": "mine/#", "dest_topic": "z/y/${clientid}/$1", "re": "^mine/(.*)$"},
    ]);
    let told = api.put("/mqtt/topic_rewrite", &rules).expect(200).json();
    assert_eq!(told, rules);
    broker.kill_and_restart();
    let mut api = again(&broker);
    assert_eq!(api.get("/mqtt/topic_rewrite").expect(200).json(), rules);
    let mut listener = broker.v5("ear");
    listener.subscribe("mine/#", 1);
    let listed = api.get("/clients/ear/subscriptions").expect(200).json();
    assert_eq!(listed[0]["topic"], "z/y/ear/#");
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("x/y/ear/1", "rewritten").qos1(1));
    listener.receive_this("z/y/ear/1", "rewritten");
    let body = json!({"topic": "x/y/ear/2", "payload": "by the API", "qos": 1});
    api.post("/publish", &body).expect(200);
    listener.receive_this("z/y/ear/2", "by the API");
    listener.unsubscribe("mine/#");
    listener.nothing_from(&mut speaker, 1);
    assert_eq!(
        api.get("/clients/ear/subscriptions").expect(200).json(),
        json!([])
    );
    let bad = json!([{"action": "all", "source_topic": "x", "dest_topic": "y/#", "re": "."}]);
    let refused = api.put("/mqtt/topic_rewrite", &bad).expect(400);
    assert!(refused.text().contains("rule 1"), "{}", refused.text());
    assert_eq!(api.get("/mqtt/topic_rewrite").expect(200).json(), rules);
}

/// Every client is subscribed when it connects, also after a kill; what it was called fills the filter.
#[test]
fn auto_subscribed_over_a_kill() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let list = json!([{"topic": "to/${clientid}", "qos": 1, "rh": 0, "rap": 0, "nl": 0}]);
    api.put("/mqtt/auto_subscribe", &list).expect(200);
    broker.kill_and_restart();
    let mut api = again(&broker);
    assert_eq!(api.get("/mqtt/auto_subscribe").expect(200).json(), list);
    let mut speaker = broker.v5("speaker");
    for version in [V311, V5] {
        let mut listener = broker.client(version, "ear");
        // What follows CONNECT is handled when the subscription is in force.
        listener.ping();
        speaker.publish(&Publish::new("to/ear", "x").qos1(1));
        assert_eq!(listener.receive_this("to/ear", "x").qos, 1);
        let listed = api.get("/clients/ear/subscriptions").expect(200).json();
        assert_eq!(listed[0]["topic"], "to/ear");
    }
    // A client called after a wildcard gets nothing more than others.
    let mut wild = broker.v5("#");
    wild.ping();
    assert_eq!(
        api.get("/clients/%23/subscriptions").expect(200).json(),
        json!([])
    );
}

/// A topic is counted from when it is named, and what is named outlives a kill.
#[test]
fn topic_metrics_over_a_kill() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let first = api
        .post("/mqtt/topic_metrics", &json!({"topic": "t/1"}))
        .expect(200)
        .json();
    assert_eq!(first["metrics"]["message.in.count"], 0);
    let mut listener = broker.v5("ear");
    listener.subscribe("t/#", 2);
    let mut speaker = broker.v5("speaker");
    for (qos, id) in [(0, 0), (1, 1), (2, 2)] {
        speaker.publish(&Publish::new("t/1", "x").qos(qos, id));
        speaker.publish(&Publish::new("t/2", "x").qos(qos, id));
        listener.receive_this("t/1", "x");
        listener.receive_this("t/2", "x");
    }
    let found = api.get("/mqtt/topic_metrics/t%2F1").expect(200).json();
    let metrics = &found["metrics"];
    assert_eq!(metrics["message.in.count"], 3);
    assert_eq!(metrics["message.out.count"], 3);
    assert_eq!(metrics["message.qos2.out.count"], 1);
    assert!(
        metrics["message.in.rate"].as_f64().unwrap() > 0.0,
        "{metrics}"
    );
    listener.bye();
    speaker.publish(&Publish::new("t/1", "x").qos1(3));
    let found = api.get("/mqtt/topic_metrics/t%2F1").expect(200).json();
    assert_eq!(found["metrics"]["message.dropped.count"], 1);
    let reset = json!({"action": "reset", "topic": "t/1"});
    let found = api.put("/mqtt/topic_metrics", &reset).expect(200).json();
    assert_eq!(found["metrics"]["message.in.count"], 0);
    assert!(found["reset_time"].is_string());
    broker.kill_and_restart();
    let mut api = again(&broker);
    let all = api.get("/mqtt/topic_metrics").expect(200).json();
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(all[0]["create_time"], first["create_time"]);
    api.delete("/mqtt/topic_metrics/t%2F1").expect(204);
    assert_eq!(
        api.get("/mqtt/topic_metrics/t%2F1").expect(404).code(),
        "TOPIC_NOT_FOUND"
    );
}

/// Whoever answers late is found, and whoever answers at once is not.
#[test]
fn slow_subscriptions() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let off = api.get("/slow_subscriptions/settings").expect(200).json();
    assert_eq!(
        off,
        json!({"enable": false, "threshold": "500ms", "expire_interval": "300s", "top_k_num": 10,
               "stats_type": "whole"})
    );
    let on = json!({"enable": true, "threshold": "200ms"});
    api.put("/slow_subscriptions/settings", &on).expect(200);
    let mut quick = broker.v5("quick");
    quick.subscribe("t", 1);
    let mut late = broker.v5("late");
    late.subscribe("t", 1);
    let mut speaker = broker.v5("speaker");
    speaker.publish(&Publish::new("t", "x").qos1(1));
    quick.receive_this("t", "x");
    let unanswered = late.read_publish();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(250) {
        quick.ping();
    }
    late.send(&reply(0x40, unanswered.id, 0));
    late.ping();
    let found = api.get("/slow_subscriptions").expect(200).json();
    let found = found["data"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["clientid"], "late");
    assert_eq!(found[0]["topic"], "t");
    assert!(found[0]["timespan"].as_u64().unwrap() >= 250);
    api.delete("/slow_subscriptions").expect(204);
    let found = api.get("/slow_subscriptions").expect(200).json();
    assert_eq!(found["data"], json!([]));
}
