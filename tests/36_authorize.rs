//! Chapter 36: who may do what. Rules are made through the API, for clients by their ids, and what they
//! say holds for every way a message can take: live, retained, queued, as a will, through a group,
//! rewritten, from the API.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::connection_log::until;
use crate::wire::{
    Api, Broker, Conn, Connect, Kind, Outcome, PASSWORD, Publish, V5, V311, Will, subscribe,
};

const BUILT_IN: &str = "/authorization/sources/built_in_database/rules";
/// Within which a change holds for clients that are connected.
const SOON: Duration = Duration::from_secs(1);

/// `deny subscribe a/#`, `allow all b`: the rules of a client from now on.
#[track_caller]
fn allow_only(api: &mut Api, client_id: &str, rules: &[&str]) {
    let rules: Vec<Value> = rules.iter().map(|rule| rule_of(rule)).collect();
    let path = format!("{BUILT_IN}/clients/{client_id}");
    api.put(&path, &json!({"clientid": client_id, "rules": rules}))
        .expect(204);
}

fn rule_of(text: &str) -> Value {
    let words: Vec<&str> = text.splitn(3, ' ').collect();
    json!({"permission": words[0], "action": words[1], "topic": words[2]})
}

/// What is not allowed to anybody is denied.
fn deny_the_rest(api: &mut Api) {
    let settings = json!({"no_match": "deny", "deny_action": "ignore"});
    api.put("/authorization/settings", &settings).expect(200);
}

/// The code of a SUBSCRIBE to one filter.
#[track_caller]
pub(crate) fn asks(conn: &mut Conn, filter: &str, qos: u8) -> u8 {
    conn.send(&subscribe(conn.version, 77, &[(filter, qos)]));
    conn.read_kind(Kind::SubAck).codes[0]
}

/// Waits until a client has so many subscriptions.
#[track_caller]
fn has_subscriptions(api: &mut Api, client_id: &str, due: usize, since: Instant) {
    let path = format!("/clients/{client_id}/subscriptions");
    loop {
        let listed = api.get(&path).expect(200).json();
        if listed.as_array().unwrap().len() == due {
            assert!(since.elapsed() < 2 * SOON, "{:?}", since.elapsed());
            return;
        }
        assert!(since.elapsed() < 10 * SOON, "still {listed}");
    }
}

/// The administrator, signed in again: ports and tokens are those of a process.
fn again(broker: &Broker) -> Api {
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    api
}

/// A01: a will to a topic that the client may not publish to is refused with its CONNECT, and the reason
/// is in the connection log.
#[test]
fn a01_will_to_a_denied_topic() {
    let (broker, mut api) = Broker::signed_in(&[]);
    allow_only(&mut api, "dying", &["deny publish will/secret"]);
    for (version, code) in [(V5, 0x87), (V311, 5)] {
        let will = Will::new("will/secret", "x");
        let mut conn = broker.open(version);
        conn.send(&Connect::new(version, "dying").will(will).bytes());
        assert_eq!(conn.read_kind(Kind::ConnAck).code, code);
        conn.expect_closed();
        let will = Will::new("will/open", "x");
        broker
            .connect(&Connect::new(version, "dying").will(will))
            .bye();
    }
    let log = api
        .get("/connection_log?cause=will_not_allowed")
        .expect(200);
    assert_eq!(log.json()["meta"]["count"], 2);
}

/// A02: a will that was allowed at CONNECT is not published once it is denied, and that is counted.
#[test]
fn a02_will_revoked_before_death() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut witness = broker.v5("witness");
    witness.subscribe("will/#", 1);
    let before = denied(&mut api);
    let will = Will::new("will/a", "x").qos(1);
    let dying = broker.connect(&Connect::new(V5, "dying").will(will));
    allow_only(&mut api, "dying", &["deny publish will/a"]);
    dying.cut();
    let other = Will::new("will/b", "x").qos(1);
    broker.connect(&Connect::new(V5, "other").will(other)).cut();
    witness.receive_this("will/b", "x");
    let counted = Instant::now();
    while denied(&mut api) == before {
        assert!(counted.elapsed() < 10 * SOON, "not counted");
    }
    witness.nothing_from_itself();
}

fn denied(api: &mut Api) -> u64 {
    let all = api.get("/metrics?aggregate=true").expect(200).json();
    all["authorization.deny"].as_u64().unwrap()
}

/// A03: who may subscribe to `#` but not to `a/secret` never gets that: live, retained, from the queue,
/// or after a start of the broker.
#[test]
fn a03_denied_inside_a_subscription() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    allow_only(
        &mut api,
        "reader",
        &["deny subscribe a/secret", "allow all #"],
    );
    let lasting = || Connect::new(V5, "reader").persistent(600).keep();
    let mut speaker = broker.v5("speaker");
    let say = |speaker: &mut Conn, retained: bool| {
        for topic in ["a/secret", "a/open"] {
            let mut publish = Publish::new(topic, "x").qos1(1);
            if retained {
                publish = publish.retained();
            }
            speaker.publish(&publish);
        }
    };
    say(&mut speaker, true);
    let mut reader = broker.connect(&lasting());
    reader.subscribe("#", 1);
    reader.receive_this("a/open", "x");
    reader.nothing_from(&mut speaker, 1);
    say(&mut speaker, false);
    reader.receive_this("a/open", "x");
    for qos in [0, 2] {
        speaker.publish(&Publish::new("a/secret", "x").qos(qos, 3));
    }
    reader.nothing_from(&mut speaker, 1);
    reader.bye();
    say(&mut speaker, false);
    let mut reader = broker.connect(&lasting());
    reader.receive_this("a/open", "x");
    reader.nothing_from(&mut speaker, 1);
    reader.bye();
    say(&mut speaker, false);
    broker.kill_and_restart();
    let mut reader = broker.connect(&lasting());
    reader.receive_this("a/open", "x");
    let mut speaker = broker.v5("speaker");
    reader.nothing_from(&mut speaker, 1);
    assert_eq!(asks(&mut reader, "a/secret", 1), 0x87);
}

/// A04: what somebody retained is not sent any more once they may not publish it, also after a start of
/// the broker; it is there again if they may.
#[test]
fn a04_writer_of_a_retained_message_loses_the_right() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    for (id, topic) in [("one", "keep/a"), ("two", "keep/b")] {
        let mut writer = broker.v5(id);
        writer.publish(&Publish::new(topic, "x").qos1(1).retained());
    }
    allow_only(&mut api, "one", &["deny publish keep/#"]);
    for _ in 0..2 {
        let mut reader = broker.v5("reader");
        reader.subscribe("keep/#", 1);
        reader.receive_this("keep/b", "x");
        reader.nothing_from_itself();
        broker.kill_and_restart();
    }
    let mut api = again(&broker);
    api.delete(&format!("{BUILT_IN}/clients/one")).expect(204);
    let mut reader = broker.v5("reader");
    reader.subscribe("keep/a", 1);
    reader.receive_this("keep/a", "x");
}

/// A04: what is held back because its writer may not publish it any more is told and counted, and is gone for good
/// once it is purged: the writer's right does not bring it back, nor a start of the broker. The rest stays.
#[test]
fn a04_held_back_messages_are_purged() {
    const MANY: usize = 700;
    const HELD: &str = "/mqtt/retainer/held_back";
    let (mut broker, mut api) = Broker::signed_in(&["shards=2"]);
    let mut one = broker.v5("one");
    for n in 0..MANY {
        let topic = format!("keep/{n}");
        one.publish(&Publish::new(&topic, "x").qos1(1).retained());
    }
    for (id, topic) in [("one", "free/one"), ("two", "keep/two")] {
        let mut writer = broker.v5(id);
        writer.publish(&Publish::new(topic, "x").qos1(1).retained());
    }
    let count = |api: &mut Api| api.get(HELD).expect(200).json()["count"].as_u64().unwrap();
    let listed = |api: &mut Api, query: &str| {
        let list = api.get(&format!("/mqtt/retainer/messages?limit=10000{query}"));
        list.expect(200).json()["data"].as_array().unwrap().clone()
    };
    let is_held = |api: &mut Api, topic: &str| {
        let path = format!("/mqtt/retainer/message/{}", topic.replace('/', "%2F"));
        api.get(&path).expect(200).json()["held_back"]
            .as_bool()
            .unwrap()
    };
    assert_eq!(count(&mut api), 0);
    allow_only(&mut api, "one", &["deny publish keep/#"]);
    assert_eq!(count(&mut api), MANY as u64);
    assert!(is_held(&mut api, "keep/1") && !is_held(&mut api, "keep/two"));
    let held = listed(&mut api, "&held_back=true");
    assert_eq!(held.len(), MANY);
    let of_one = |row: &Value| row["topic"].as_str().unwrap().starts_with("keep/");
    assert!(held.iter().all(of_one), "{held:?}");
    let all = listed(&mut api, "");
    let marked = all.iter().filter(|row| row["held_back"] == json!(true));
    assert_eq!((all.len(), marked.count()), (MANY + 2, MANY));
    api.get("/mqtt/retainer/messages?held_back=perhaps")
        .expect(400);

    assert_eq!(api.delete(HELD).expect(200).json(), json!({"count": MANY}));
    assert_eq!(api.delete(HELD).expect(200).json(), json!({"count": 0}));
    let audit = api
        .get("/audit?operation_id=/mqtt/retainer/held_back")
        .expect(200)
        .json();
    assert_eq!(audit["meta"]["count"], json!(2));
    api.delete(&format!("{BUILT_IN}/clients/one")).expect(204);
    for _ in 0..2 {
        let mut api = again(&broker);
        let left = listed(&mut api, "");
        let mut left: Vec<_> = left
            .iter()
            .map(|row| row["topic"].as_str().unwrap())
            .collect();
        left.sort_unstable();
        assert_eq!(left, ["free/one", "keep/two"]);
        let mut reader = broker.v5("reader");
        reader.subscribe("keep/#", 1);
        reader.receive_this("keep/two", "x");
        reader.nothing_from_itself();
        broker.kill_and_restart();
    }
}

/// A05: a subscription whose right is taken away ends within a second: of who is connected, of who is
/// away, and in a shared group. It does not come back with the right.
#[test]
fn a05_subscription_revoked() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let lasting = |id: &str| Connect::new(V5, id).persistent(600).keep();
    let mut speaker = broker.v5("speaker");
    let mut online = broker.v5("online");
    online.subscribe("a/+", 1);
    online.subscribe("b", 1);
    let mut member = broker.v5("member");
    member.subscribe("$share/g/a/1", 1);
    let mut away = broker.connect(&lasting("away"));
    away.subscribe("a/#", 1);
    away.bye();
    for id in ["online", "member", "away"] {
        allow_only(&mut api, id, &["deny subscribe a/#"]);
    }
    let since = Instant::now();
    for (id, left) in [("online", 1), ("member", 0), ("away", 0)] {
        has_subscriptions(&mut api, id, left, since);
    }
    println!("figure: revoked within {:?}, 1 s allowed", since.elapsed());
    speaker.publish(&Publish::new("a/1", "x").qos1(1));
    speaker.publish(&Publish::new("b", "x").qos1(2));
    online.receive_this("b", "x");
    member.nothing_from(&mut speaker, 1);
    for id in ["online", "member", "away"] {
        api.delete(&format!("{BUILT_IN}/clients/{id}")).expect(204);
    }
    speaker.publish(&Publish::new("a/1", "x").qos1(3));
    broker.kill_and_restart();
    let mut away = broker.connect(&lasting("away"));
    let mut speaker = broker.v5("speaker");
    assert_eq!(speaker.publish(&Publish::new("a/1", "x").qos1(1)), 0x10);
    away.nothing_from(&mut speaker, 1);
}

/// What the audit log has of subscriptions that were revoked, newest first, when it has so many entries.
fn revoked(api: &mut Api, due: usize) -> Vec<Value> {
    let since = Instant::now();
    loop {
        let told = api.get("/audit?operation_id=/authorization/revoked");
        let told = told.expect(200).json()["data"].as_array().unwrap().clone();
        if told.len() >= due {
            assert_eq!(told.len(), due, "{told:?}");
            return told;
        }
        assert!(since.elapsed() < 20 * SOON, "still {told:?}");
    }
}

/// A05: what a change of rules takes away is one entry in the audit log, under who changed them, with how many
/// and the first by name; what a client loses because it comes back as somebody else is told of the broker.
#[test]
fn a05_revoked_subscriptions_in_the_audit_log() {
    const CLIENTS: usize = 40;
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let mut crowd: Vec<Conn> = (0..CLIENTS).map(|n| broker.v5(&format!("c{n}"))).collect();
    for (n, conn) in crowd.iter_mut().enumerate() {
        for filter in ["a/1", "a/+", "b", "$share/g/a/#"] {
            assert_eq!(asks(conn, filter, 1), 1, "{n}");
        }
    }
    // A change that takes nothing away has no entry but its own.
    let all = |rules: &[&str]| {
        let rules: Vec<Value> = rules.iter().map(|rule| rule_of(rule)).collect();
        json!({"rules": rules})
    };
    let path = format!("{BUILT_IN}/all");
    api.post(&path, &all(&["deny subscribe x"])).expect(204);
    api.post(&path, &all(&["deny subscribe a/#"])).expect(204);
    let told = revoked(&mut api, 1);
    let entry = &told[0];
    let body = &entry["http_request"]["body"];
    assert_eq!(body["subscriptions"], json!(3 * CLIENTS), "{entry}");
    assert_eq!(body["shared"], json!(CLIENTS), "{entry}");
    let first = body["first"].as_array().unwrap();
    assert_eq!(first.len(), 8, "{entry}");
    for one in first {
        assert!(one["clientid"].as_str().unwrap().starts_with('c'), "{one}");
        assert!(one["topic"].as_str().unwrap().contains("a/"), "{one}");
    }
    let change = json!({"source": "admin", "http_method": "post",
                        "operation_id": "/authorization/sources/built_in_database/rules/all"});
    let changes = body["changes"].as_array().unwrap();
    assert!(changes.contains(&change), "{entry}");
    assert_eq!(
        (&entry["source"], &entry["from"]),
        (&json!("admin"), &json!("rest_api"))
    );
    assert_eq!(entry["operation_result"], json!("success"));
    api.delete(&path).expect(204);

    // Nobody calls anything when a client comes back with fewer rights.
    let setup = json!({"mechanism": "password_based", "backend": "built_in_database",
                       "password_hash_algorithm": {"name": "sha256", "salt_position": "prefix"}});
    api.post("/authentication", &setup).expect(200);
    let users = "/authentication/password_based:built_in_database/users";
    let mut anna = json!({"user_id": "anna", "password": "secret", "is_superuser": true});
    api.post(users, &anna).expect(201);
    allow_only(&mut api, "lasting", &["deny subscribe a/#"]);
    let lasting = || {
        let connect = Connect::new(V5, "lasting").persistent(600).keep();
        connect.user("anna").password(b"secret")
    };
    let mut conn = broker.connect(&lasting());
    assert_eq!(asks(&mut conn, "a/1", 1), 1);
    conn.bye();
    anna["is_superuser"] = json!(false);
    api.put(&format!("{users}/anna"), &anna).expect(200);
    let _conn = broker.connect(&lasting());
    let told = revoked(&mut api, 2);
    let by = |entry: &Value| (entry["source"].clone(), entry["from"].clone());
    assert_eq!(by(&told[0]), (json!("ternmq"), json!("event")));
    let first = &told[0]["http_request"]["body"]["first"];
    assert_eq!(first, &json!([{"clientid": "lasting", "topic": "a/1"}]));
    broker.kill_and_restart();
    assert_eq!(revoked(&mut again(&broker), 2), told);
}

/// A06: what waits for a client that is away is not delivered once it is denied, and what is in flight
/// is not sent again.
#[test]
fn a06_revoked_between_queue_and_delivery() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let lasting = || Connect::new(V5, "reader").persistent(600).keep();
    let mut speaker = broker.v5("speaker");
    let mut reader = broker.connect(&lasting());
    reader.subscribe("#", 2);
    for qos in [1, 2] {
        speaker.publish(&Publish::new("a/flight", "x").qos(qos, 1));
        assert_eq!(reader.read_publish().topic, "a/flight");
    }
    reader.cut();
    for qos in [1, 2] {
        for topic in ["a/queue", "b"] {
            speaker.publish(&Publish::new(topic, "x").qos(qos, 1));
        }
    }
    allow_only(&mut api, "reader", &["deny subscribe a/#"]);
    let mut reader = broker.connect(&lasting());
    for qos in [1, 2] {
        assert_eq!(reader.receive_this("b", "x").qos, qos);
    }
    reader.nothing_from(&mut speaker, 2);
}

/// A07: rules see what stands behind `$share/GROUP/`, `$queue/` and `$delayed/SECONDS/`. In a group each
/// message goes to a member that may have it.
#[test]
fn a07_prefixes() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let rules = ["deny subscribe secret/#", "deny publish secret/#"];
    allow_only(&mut api, "c", &rules);
    allow_only(&mut api, "narrow", &["deny subscribe jobs/secret"]);
    let mut conn = broker.v5("c");
    for filter in ["$share/g/secret/#", "$queue/secret/x", "secret/+"] {
        assert_eq!(asks(&mut conn, filter, 1), 0x87, "{filter}");
    }
    assert_eq!(asks(&mut conn, "$share/g/open", 1), 1);
    for qos in [1, 2] {
        let publish = Publish::new("$delayed/1/secret/x", "x").qos(qos, 3);
        assert_eq!(conn.publish(&publish), 0x87);
    }
    let mut narrow = broker.v5("narrow");
    let mut wide = broker.v5("wide");
    narrow.subscribe("$share/g/jobs/#", 1);
    for n in 0..3 {
        conn.publish(&Publish::new("jobs/open", "x").qos1(n + 1));
        narrow.receive_this("jobs/open", "x");
        // For nobody in the group, and in nobody's way.
        conn.publish(&Publish::new("jobs/secret", "x").qos1(n + 1));
    }
    wide.subscribe("$share/g/jobs/#", 1);
    for n in 0..6 {
        conn.publish(&Publish::new("jobs/secret", "x").qos(n as u8 % 2 + 1, n + 1));
        wide.receive_this("jobs/secret", "x");
    }
    narrow.nothing_from(&mut conn, 1);
}

/// A08, A09: a filter that is wider than what is allowed is refused; `#` brings nothing of the system's.
#[test]
fn a08_a09_wider_than_allowed() {
    let (broker, mut api) = Broker::signed_in(&[]);
    deny_the_rest(&mut api);
    let rules = [
        "allow subscribe a/b",
        "deny subscribe c/x",
        "allow subscribe c/#",
    ];
    allow_only(&mut api, "c", &rules);
    allow_only(&mut api, "all", &["allow all #"]);
    for (version, refused) in [(V5, 0x87), (V311, 0x80)] {
        let mut conn = broker.client(version, "c");
        for filter in ["a/+", "a/#", "+/b", "#", "$SYS/#", "c/x"] {
            assert_eq!(asks(&mut conn, filter, 0), refused, "{filter}");
        }
        for filter in ["a/b", "c/#", "c/+", "c"] {
            assert_eq!(asks(&mut conn, filter, 0), 0, "{filter}");
        }
        conn.bye();
    }
    let mut all = broker.v5("all");
    assert_eq!(asks(&mut all, "+/broker/uptime", 0), 0);
    assert_eq!(asks(&mut all, "#", 0), 0);
    assert_eq!(asks(&mut all, "$SYS/#", 0), 0x87);
    all.publish(&Publish::new("fence", "x"));
    all.receive_this("fence", "x");
}

/// A10: whatever a client calls itself, `${clientid}` is a name of one level and nothing else.
#[test]
fn a10_names_are_literals() {
    let (broker, mut api) = Broker::signed_in(&[]);
    deny_the_rest(&mut api);
    let rules = json!({"rules": [rule_of("allow all dev/${clientid}/#")]});
    api.post(&format!("{BUILT_IN}/all"), &rules).expect(204);
    for id in ["#", "+", "a/b", "../x", "+/#"] {
        let mut conn = broker.v5(id);
        for filter in ["dev/#", "dev/+/x", "dev/a/b/x", "dev/../x/x", "#"] {
            assert_eq!(asks(&mut conn, filter, 0), 0x87, "{id} {filter}");
        }
        assert_eq!(conn.publish(&Publish::new("dev/a/b/x", "").qos1(1)), 0x87);
    }
    for id in ["one", "%u", "${clientid}", "\u{202e}x", "^.*$"] {
        let mut conn = broker.v5(id);
        assert_eq!(asks(&mut conn, &format!("dev/{id}/#"), 0), 0, "{id}");
        assert_eq!(asks(&mut conn, "dev/other/#", 0), 0x87, "{id}");
    }
}

/// A10, in the log: whatever a client calls itself, it writes no line of its own, and none that reads otherwise
/// than it is. An id that is none, or longer than any may be, is refused.
#[test]
fn a10_names_in_the_log() {
    let broker = Broker::start();
    let code = |id: &str| {
        let mut conn = broker.open(V5);
        conn.send(&Connect::new(V5, id).bytes());
        match conn.read_by(Instant::now() + SOON) {
            Outcome::Packet(connack) => Some((connack.code, conn)),
            Outcome::Closed => None,
            Outcome::Late => panic!("no answer to {id:.20?}"),
        }
    };
    for id in ["\0", "a\0b", &"x".repeat(65_535), &"\u{202e}".repeat(1_000)] {
        if let Some((code, mut conn)) = code(id) {
            assert!(code >= 0x80, "{id:.20?} is let in");
            conn.expect_closed();
        }
    }
    // What would break a line or move the cursor is none; what only reads otherwise is let in.
    for id in [
        "x\r\nforged",
        "x\nforged",
        "x\rforged",
        "\u{1b}[2Jforged",
        "\u{85}forged",
    ] {
        assert!(code(id).is_none_or(|(code, _)| code >= 0x80), "{id:?}");
    }
    let (let_in, mut conn) = code("\u{202e}forged\u{2028}").expect("an answer");
    assert_eq!(let_in, 0);
    // A packet that is not due, so that the log names who sent it.
    conn.send(&[0xf0, 0]);
    conn.expect_closed_for(0x82);
    let mut lines: Vec<String> = Vec::new();
    until(
        || {
            lines.extend(broker.said());
            let is_named = |line: &String| line.contains("(\\u{202e}forged\\u{2028}) closed");
            lines.iter().any(is_named).then_some(())
        },
        "the log names it as what it is",
    );
    for line in &lines {
        assert!(!line.starts_with("forged"), "{line:?}");
        let is_plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{202e}');
        assert!(line.chars().all(is_plain), "{line:?}");
    }
}

/// A11: in a rule for names that look like something, a name is text.
#[test]
fn a11_names_in_expressions() {
    let (broker, mut api) = Broker::signed_in(&[]);
    deny_the_rest(&mut api);
    let rules = "{allow, {clientid, {re, \"^dev-[0-9]+$\"}}, all, [\"a\"]}.";
    let file = json!({"type": "file", "enable": true, "rules": rules});
    api.post("/authorization/sources", &file).expect(204);
    for (id, code) in [
        ("dev-1", 0),
        ("dev-1x", 0x87),
        ("^dev-[0-9]+$", 0x87),
        (".*", 0x87),
    ] {
        let mut conn = broker.v5(id);
        assert_eq!(asks(&mut conn, "a", 0), code, "{id}");
    }
    // A20: what is broken is refused, and what was before holds.
    for broken in [
        "",
        "\n",
        "junk",
        "{allow",
        "{allow, all, publish, [\"a/#/b\"]}.",
    ] {
        let file = json!({"type": "file", "enable": true, "rules": broken});
        api.put("/authorization/sources/file", &file).expect(400);
    }
    assert_eq!(asks(&mut broker.v5("dev-2"), "a", 0), 0);
    assert_eq!(asks(&mut broker.v5("other"), "a", 0), 0x87);
}

/// A14: a topic that is rewritten is asked about as what it becomes.
#[test]
fn a14_rewritten_to_a_denied_topic() {
    let (broker, mut api) = Broker::signed_in(&[]);
    allow_only(&mut api, "c", &["deny all z/#"]);
    let rules =
        json!([{"action": "all", "source_topic": "x/#", "dest_topic": "z/$1", "re": "^x/(.+)$"}]);
    api.put("/mqtt/topic_rewrite", &rules).expect(200);
    let mut witness = broker.v5("witness");
    witness.subscribe("z/#", 1);
    let mut conn = broker.v5("c");
    for qos in [1, 2] {
        assert_eq!(conn.publish(&Publish::new("x/1", "").qos(qos, 1)), 0x87);
    }
    conn.publish(&Publish::new("x/1", ""));
    assert_eq!(asks(&mut conn, "x/1", 0), 0x87);
    let mut forced = broker.open(V5);
    forced.send(&Connect::new(V5, "c").will(Will::new("x/1", "")).bytes());
    assert_eq!(forced.read_kind(Kind::ConnAck).code, 0x87);
    witness.nothing_from(&mut conn, 1);
}

/// A16: what comes through the API is asked about as what a client sends.
#[test]
fn a16_publish_through_the_api() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let rules = json!([{"username": "admin", "rules": [rule_of("deny publish a/#")]}]);
    api.post(&format!("{BUILT_IN}/users"), &rules).expect(204);
    let mut witness = broker.v5("witness");
    witness.subscribe("#", 1);
    let mut say = |topic: &str| {
        let body = json!({"topic": topic, "payload": "x", "qos": 1});
        api.post("/publish", &body)
    };
    let refused = say("a/1").expect(400).json();
    assert_eq!(refused["reason_code"], 0x87);
    say("b/1").expect(200);
    witness.receive_this("b/1", "x");
    witness.nothing_from_itself();
}

/// A denied PUBLISH is told to who can be told, comes to nobody, and stands in the connection log with
/// the rule that decided: once, however often it is tried. `deny_action` may end the connection.
#[test]
fn denials_are_told() {
    let (broker, mut api) = Broker::signed_in(&[]);
    allow_only(&mut api, "c", &["deny publish a/#", "deny subscribe s"]);
    let mut witness = broker.v5("witness");
    witness.subscribe("a/#", 1);
    for (version, code) in [(V5, 0x87), (V311, 0)] {
        let mut conn = broker.client(version, "c");
        for n in 1..50 {
            assert_eq!(conn.publish(&Publish::new("a/1", "x").qos1(n)), code);
            assert_eq!(conn.publish(&Publish::new("a/2", "x").qos2(n)), code);
            conn.publish(&Publish::new("a/3", "x"));
        }
        assert_ne!(asks(&mut conn, "s", 0), 0);
        conn.bye();
    }
    witness.nothing_from_itself();
    let path = "/connection_log?clientid=c&event=denied";
    let log = api.get(path).expect(200).json();
    assert_eq!(log["meta"]["count"], 4, "{log}");
    let newest = &log["data"][0];
    assert_eq!(newest["cause"], "subscribe_denied");
    assert_eq!(newest["topic"], "s");
    assert_eq!(
        newest["rule"],
        "built_in_database, client c, rule 2: deny subscribe s"
    );
    assert_eq!(log["data"][1]["cause"], "publish_denied");
    let settings = json!({"no_match": "allow", "deny_action": "disconnect"});
    api.put("/authorization/settings", &settings).expect(200);
    for publish in [Publish::new("a/1", "x"), Publish::new("a/1", "x").qos1(1)] {
        let mut conn = broker.v5("c");
        conn.send(&publish.bytes(V5));
        conn.expect_closed_for(0x87);
    }
    let mut conn = broker.v5("c");
    conn.send(&subscribe(V5, 1, &[("s", 0)]));
    conn.expect_closed_for(0x87);
}

/// Counters of the system are for everybody, clients that come and go for whom a rule allows it:
/// decided at delivery, so that `$SYS/#` is granted.
#[test]
fn system_topics() {
    let (broker, mut api) = Broker::signed_in(&["mqtt.sys_interval=1s"]);
    let mut anybody = broker.v5("anybody");
    assert_eq!(asks(&mut anybody, "$SYS/#", 0), 0);
    assert_eq!(asks(&mut anybody, "$SYS/brokers/+/clients/#", 0), 0x87);
    allow_only(&mut api, "tool", &["allow subscribe $SYS/#"]);
    let mut tool = broker.v5("tool");
    assert_eq!(asks(&mut tool, "$SYS/#", 0), 0);
    broker.v5("visitor").bye();
    let is_event = |topic: &str| topic.contains("/clients/visitor/");
    while !is_event(&tool.receive().topic) {}
    let (mut counters, began) = (0, Instant::now());
    while counters < 200 {
        assert!(began.elapsed() < 20 * SOON, "{counters} counters");
        let topic = anybody.receive().topic;
        assert!(!is_event(&topic), "{topic}");
        counters += 1;
    }
}

/// The question "may this client do that, and why" is answered by the rules in force, or by others that
/// are only tried.
#[test]
fn asked_without_doing() {
    let (_broker, mut api) = Broker::signed_in(&[]);
    allow_only(&mut api, "c", &["deny subscribe a/secret", "allow all a/#"]);
    deny_the_rest(&mut api);
    let mut ask = |body: Value| api.post("/authorization/check", &body).expect(200).json();
    let deny = "built_in_database, client c, rule 1: deny subscribe a/secret";
    let allow = "built_in_database, client c, rule 2: allow all a/#";
    let secret = json!({"clientid": "c", "action": "subscribe", "topic": "a/secret"});
    let told = json!({"result": "deny", "partly": false, "by": "rule", "rule": deny});
    assert_eq!(ask(secret), told);
    let all = json!({"clientid": "c", "action": "subscribe", "topic": "$share/g/a/#"});
    let told = json!({"result": "allow", "partly": true, "by": "rule", "rule": allow});
    assert_eq!(ask(all), told);
    let other = json!({"username": "anna", "clientid": "d", "action": "publish", "topic": "a/1"});
    assert_eq!(ask(other)["by"], "no_match");
    let tried = json!({
        "username": "anna", "action": "publish", "topic": "a/1",
        "rules": "user anna\ntopic write a/#\n",
    });
    assert_eq!(ask(tried)["result"], "allow");
    let master =
        json!({"username": "anna", "is_superuser": true, "action": "publish", "topic": "x"});
    assert_eq!(ask(master)["by"], "superuser");
    let system =
        json!({"username": "anna", "is_superuser": true, "action": "publish", "topic": "$x"});
    assert_eq!(ask(system)["by"], "system_topic");
    let wrong = json!({"action": "publish", "topic": "a/#"});
    api.post("/authorization/check", &wrong).expect(400);
}

/// Rules, their order and settings survive a broker that is killed.
#[test]
fn kept_over_a_kill() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    deny_the_rest(&mut api);
    let file = json!({"type": "file", "enable": true, "rules": "{allow, all, all, [\"f\"]}."});
    api.post("/authorization/sources", &file).expect(204);
    api.put(
        "/authorization/sources/order",
        &json!([{"type": "file"}, {"type": "built_in_database"}]),
    )
    .expect(204);
    allow_only(&mut api, "c", &["deny all f", "allow all c"]);
    broker.kill_and_restart();
    let mut api = again(&broker);
    let sources = api.get("/authorization/sources").expect(200).json();
    assert_eq!(sources["sources"][0]["type"], "file");
    let mut conn = broker.v5("c");
    assert_eq!(asks(&mut conn, "f", 0), 0);
    assert_eq!(asks(&mut conn, "c", 0), 0);
    assert_eq!(asks(&mut conn, "d", 0), 0x87);
}
