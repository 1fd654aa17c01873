//! Chapter 48: what clients may do, said by others: answers over HTTP, beside rules.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::authenticate::code;
use crate::authorize::asks as subscribes;
use crate::connection_log::until;
use crate::wire::{
    Api, Broker, Conn, Connect, Kind, Publish, Said, Service, V5, Will, pingreq, subscribe,
};

pub(crate) const SOURCES: &str = "/authorization/sources";

/// What the service of the next tests says of a topic.
fn judge_topic(asked: &Value) -> Said {
    let topic = asked["topic"].as_str().unwrap();
    match topic.split('/').next().unwrap() {
        "yes" => Said::json(&json!({"result": "allow"})),
        "plain" => Said::status(204),
        "no" => Said::json(&json!({"result": "deny"})),
        "ill" => Said::status(500),
        "odd" => Said::json(&json!({"result": "perhaps"})),
        "empty" => Said::Reply(200, "application/json", String::new()),
        "slow" => Said::Nothing,
        "anna" if asked["username"] == "anna" => Said::json(&json!({"result": "allow"})),
        "guest" if asked["username"] == "" => Said::json(&json!({"result": "allow"})),
        "unknown" => Said::status(404),
        _ => Said::json(&json!({"result": "ignore"})),
    }
}

fn asks_of_topics(service: &Service) -> Value {
    json!({"type": "http", "method": "post", "url": service.url("/may/${action}"),
           "headers": {"content-type": "application/json", "authorization": "canary"},
           "request_timeout": "1s",
           "body": {"username": "${username}", "clientid": "${clientid}", "topic": "${topic}",
                    "qos": "${qos}", "retain": "${retain}"}})
}

/// Knows anna by her password, and keeps letting in who has none.
fn let_anna_in(api: &mut Api) {
    let built_in = json!({"mechanism": "password_based", "backend": "built_in_database",
                          "password_hash_algorithm": {"name": "sha256"}});
    api.post("/authentication?anonymous=keep", &built_in)
        .expect(200);
    let user = json!({"user_id": "anna", "password": "p"});
    let users = "/authentication/password_based:built_in_database/users";
    api.post(users, &user).expect(201);
}

/// A broker whose rules come before and behind a service, and where nothing is allowed besides.
fn with_rules_elsewhere(service: &Service) -> (Broker, Api) {
    let (broker, mut api) = Broker::signed_in(&[]);
    let rules = json!({"rules": [
        {"topic": "yes/denied", "permission": "deny", "action": "all"},
        {"topic": "rule/#", "permission": "allow", "action": "all"}]});
    let all = format!("{SOURCES}/built_in_database/rules/all");
    api.post(&all, &rules).expect(204);
    api.post(SOURCES, &asks_of_topics(service)).expect(204);
    let file = json!({"type": "file", "enable": true,
                      "rules": "{allow, all, all, [\"pass/#\", \"no/#\"]}."});
    api.post(SOURCES, &file).expect(204);
    let deny = json!({"no_match": "deny", "deny_action": "ignore"});
    api.put("/authorization/settings", &deny).expect(200);
    let shown = api.get(&format!("{SOURCES}/http")).expect(200).json();
    assert_eq!(shown["headers"]["authorization"], "******");
    (broker, api)
}

/// Whether a PUBLISH with QoS 1 is taken.
#[track_caller]
pub(crate) fn publishes(conn: &mut Conn, topic: &str) -> bool {
    conn.send(&Publish::new(topic, "x").qos1(7).bytes(V5));
    let code = conn.read_kind(Kind::PubAck).code;
    assert!([0, 0x10, 0x87].contains(&code), "{topic} {code}");
    code != 0x87
}

/// Each answer about a topic, and none: rules before the service are not asked elsewhere, those behind it
/// decide what it leaves to them, and what it does not say is denied. What was said is kept for a while.
#[test]
fn a15_a_service_says_what_may_be_done() {
    let service = Service::start(|asked| judge_topic(&asked.json()));
    let (broker, mut api) = with_rules_elsewhere(&service);
    let mut conn = broker.v5("c1");
    for (topic, due) in [
        ("rule/x", true),
        ("yes/denied", false),
        ("yes/1", true),
        ("plain", true),
        ("no/1", false),
        ("pass/1", true),
        ("unknown", false),
        ("other", false),
        ("odd", false),
        ("empty", false),
        ("yes/2", true),
        ("ill", false),
        ("slow", false),
        ("anna", false),
        ("yes/3", true),
    ] {
        assert_eq!(publishes(&mut conn, topic), due, "{topic}");
    }
    let asked = service.asked();
    let topics: Vec<_> = asked
        .iter()
        .map(|asked| asked.json()["topic"].clone())
        .collect();
    assert!(!topics.contains(&json!("rule/x")) && !topics.contains(&json!("yes/denied")));
    let first =
        json!({"username": "", "clientid": "c1", "topic": "yes/1", "qos": "1", "retain": "false"});
    assert_eq!(asked[0].json(), first);
    assert_eq!(
        (&*asked[0].target, asked[0].header("authorization")),
        ("/may/publish", Some("canary"))
    );
    let many = asked.len();
    assert!(publishes(&mut conn, "yes/1") && !publishes(&mut conn, "no/1"));
    assert_eq!(service.asked().len(), many, "it was said before");
    conn.send(&Publish::new("yes/1", "x").qos(2, 8).bytes(V5));
    assert_eq!(conn.read_kind(Kind::PubRec).code, 0x10);
    assert_eq!(service.asked().len(), many + 1, "another QoS");
    // Several at one time, and what is behind them, in their order.
    let filters = [
        ("yes/#", 1),
        ("no/#", 1),
        ("pass/+", 0),
        ("rule/x", 1),
        ("other", 1),
        ("plain", 2),
    ];
    let mut bytes = subscribe(V5, 9, &filters);
    bytes.extend(Publish::new("no/2", "x").qos1(10).bytes(V5));
    bytes.extend(Publish::new("yes/4", "from behind").qos1(11).bytes(V5));
    bytes.extend(pingreq());
    conn.send(&bytes);
    // The file allows `no/#`, and stands behind the service.
    assert_eq!(conn.read_kind(Kind::SubAck).codes, [1, 0x87, 0, 1, 0x87, 2]);
    assert_eq!(conn.read_kind(Kind::PubAck).code, 0x87);
    assert_eq!(conn.read_kind(Kind::PubAck).code, 0);
    assert_eq!(conn.receive().text(), "from behind");
    conn.read_kind(Kind::PingResp);
    assert_eq!(subscribes(&mut conn, "$share/g/yes/+", 1), 1);
    assert_eq!(service.asked().pop().unwrap().json()["topic"], "yes/+");
    assert_eq!(subscribes(&mut conn, "slow/#", 1), 0x87);
    // A page that is not found denies also where what nobody is about is allowed.
    let allow = json!({"no_match": "allow", "deny_action": "ignore"});
    api.put("/authorization/settings", &allow).expect(200);
    for (topic, due) in [
        ("unknown/1", false),
        ("other/1", true),
        ("unknown/2", false),
    ] {
        assert_eq!(publishes(&mut conn, topic), due, "{topic}");
    }
    let row = until(
        || {
            let rows = api
                .get("/connection_log?clientid=c1&limit=50")
                .expect(200)
                .json();
            let rows = rows["data"].as_array()?.clone();
            rows.into_iter()
                .find(|row| row.to_string().contains("elsewhere"))
        },
        "the log names who decided",
    );
    assert!(row.to_string().contains("c1"));
}

/// Two services and rules, in turn: each is asked where no rule before it decides, the trial asks them, too, and
/// it is told who decided.
#[cfg(unix)]
#[test]
fn sources_anywhere_in_the_order() {
    use crate::servers::{DATABASE_PASSWORD, Database, Make};

    let mut database = Database::start(Make::Redis);
    database.fill("HSET r:c1 last/# publish deep/# subscribe");
    let service = Service::start(|asked| judge_topic(&asked.json()));
    let (broker, mut api) = Broker::signed_in(&[]);
    api.post(SOURCES, &asks_of_topics(&service)).expect(204);
    let file = json!({"type": "file", "rules": "{deny, all, all, [\"last/secret/#\", \"deep/secret/#\"]}.\n\
                                                {allow, all, all, [\"between/#\"]}."});
    api.post(SOURCES, &file).expect(204);
    let redis = json!({"type": "redis", "server": database.address(), "database": 3, "redis_type": "single",
                       "username": "ternmq", "password": DATABASE_PASSWORD,
                       "cmd": "HGETALL r:${clientid}"});
    api.post(SOURCES, &redis).expect(204);
    let order = json!([{"type": "http"}, {"type": "file"}, {"type": "redis"},
                       {"type": "built_in_database"}]);
    api.put(&format!("{SOURCES}/order"), &order).expect(204);
    let deny = json!({"no_match": "deny", "deny_action": "ignore"});
    api.put("/authorization/settings", &deny).expect(200);
    let mut conn = broker.v5("c1");
    let mut tried = |action: &str, topic: &str| {
        let question = json!({"clientid": "c1", "action": action, "topic": topic, "qos": 1});
        let answer = api
            .post("/authorization/check", &question)
            .expect(200)
            .json();
        (
            answer["result"] == "allow",
            answer["rule"].as_str().unwrap().to_owned(),
        )
    };
    for (topic, due, by) in [
        ("yes/1", true, "http"),
        ("no/1", false, "http"),
        ("between/1", true, "between/#"),
        ("last/1", true, "redis"),
        ("last/secret/1", false, "last/secret/#"),
        ("nobody/1", false, "no_match"),
        ("slow/1", false, "elsewhere"),
    ] {
        assert_eq!(publishes(&mut conn, topic), due, "{topic}");
        let (is_allowed, rule) = tried("publish", topic);
        assert_eq!(is_allowed, due, "{topic}");
        assert!(rule.contains(by), "{topic} {rule}");
    }
    // A rule between the two denies a part, and deliveries ask nobody.
    for (filter, due, by) in [
        ("yes/#", 1, "http"),
        ("deep/one/+", 1, "redis"),
        ("deep/#", 0x87, "behind a source"),
    ] {
        assert_eq!(subscribes(&mut conn, filter, 1), due, "{filter}");
        let (is_allowed, rule) = tried("subscribe", filter);
        assert_eq!(is_allowed, due < 0x80, "{filter}");
        assert!(rule.contains(by), "{filter} {rule}");
    }
}

/// What a rule before a service denies is not brought by a subscription that a rule behind the service allows. A
/// rule there that comes to deny some of it ends such a subscription, and none that the service allowed.
#[test]
fn what_rules_deny_is_not_brought() {
    let service = Service::start(|asked| judge_topic(&asked.json()));
    let (broker, mut api) = with_rules_elsewhere(&service);
    let rules = json!({"rules": [
        {"topic": "pass/secret", "permission": "deny", "action": "subscribe"},
        {"topic": "yes/secret", "permission": "deny", "action": "subscribe"}]});
    let all = format!("{SOURCES}/built_in_database/rules/all");
    api.post(&all, &rules).expect(204);
    let (mut reader, mut writer) = (broker.v5("reader"), broker.v5("writer"));
    for filter in ["pass/#", "yes/#"] {
        assert_eq!(subscribes(&mut reader, filter, 1), 1);
    }
    for topic in ["pass/secret", "yes/secret", "pass/open", "yes/open"] {
        assert!(publishes(&mut writer, topic), "{topic}");
    }
    reader.receive_this("pass/open", "x");
    reader.receive_this("yes/open", "x");
    let file = json!({"type": "file", "enable": true,
                      "rules": "{deny, all, subscribe, [\"pass/late\", \"yes/late\"]}.\n\
                                {allow, all, all, [\"pass/#\", \"no/#\"]}."});
    api.put(&format!("{SOURCES}/file"), &file).expect(204);
    let left = || {
        let listed = api.get("/clients/reader/subscriptions").expect(200).json();
        let filters: Vec<_> = listed
            .as_array()?
            .iter()
            .map(|row| row["topic"].clone())
            .collect();
        (filters == ["yes/#"]).then_some(())
    };
    until(left, "the rules hold");
    for topic in ["pass/late", "pass/open", "yes/late"] {
        assert!(publishes(&mut writer, topic), "{topic}");
    }
    reader.receive_this("yes/late", "x");
    assert_eq!(subscribes(&mut reader, "pass/#", 1), 0x87);
    assert_eq!(subscribes(&mut reader, "pass/+", 1), 0x87);
    assert_eq!(subscribes(&mut reader, "pass/open", 1), 1);
    assert!(publishes(&mut writer, "pass/open"));
    reader.receive_this("pass/open", "x");
}

/// A will is asked about when it comes, of users and of nobodies; what was denied QoS 0 reaches nobody.
#[test]
fn a15_a_service_is_asked_about_wills() {
    let service = Service::start(|asked| judge_topic(&asked.json()));
    let (broker, mut api) = with_rules_elsewhere(&service);
    let_anna_in(&mut api);
    let mut watcher = broker.v5("watcher");
    for filter in ["yes/#", "rule/#", "pass/#"] {
        assert_eq!(subscribes(&mut watcher, filter, 1), 1);
    }
    for (n, (user, topic, due)) in [
        (None, "yes/will", 0),
        (None, "no/will", 0x87),
        (None, "slow/will", 0x87),
        (None, "ill/will", 0x87),
        (None, "rule/will", 0),
        (None, "pass/will", 0),
        (None, "anna/will", 0x87),
        (Some("anna"), "anna/will", 0),
        (Some("anna"), "no/will", 0x87),
    ]
    .into_iter()
    .enumerate()
    {
        let mut connect = Connect::new(V5, &format!("w{n}")).will(Will::new(topic, "gone"));
        if let Some(user) = user {
            connect = connect.user(user).password(b"p");
        }
        assert_eq!(code(&broker, &connect), due, "{topic}");
        // Its connection is dropped without DISCONNECT.
        if due == 0 && topic != "anna/will" {
            watcher.receive_this(topic, "gone");
        }
    }
    // An id of the broker's choice, which is another each time it is looked at.
    let connect = Connect::new(V5, "").will(Will::new("yes/nameless", "gone"));
    assert_eq!(code(&broker, &connect), 0);
    watcher.receive_this("yes/nameless", "gone");
    let mut conn = broker.v5("c");
    for topic in ["no/1", "yes/0"] {
        conn.send(&Publish::new(topic, topic).bytes(V5));
    }
    conn.ping();
    assert_eq!(watcher.receive().text(), "yes/0");
}

/// What was said is asked again once it is forgotten, of one client or of all; also where the service's answers
/// are remembered for whoever comes back. What was granted stays.
#[test]
fn what_was_said_is_forgotten() {
    let service = Service::start(|asked| judge_topic(&asked.json()));
    let (broker, mut api) = Broker::signed_in(&["shards=2"]);
    let mut asks = asks_of_topics(&service);
    asks["cache_ttl"] = json!("1h");
    api.post(SOURCES, &asks).expect(204);
    let settings = json!({"no_match": "deny", "deny_action": "ignore", "cache": {"enable": true, "ttl": "1h"}});
    api.put("/authorization/settings", &settings).expect(200);
    let (mut one, mut two) = (broker.v5("c1"), broker.v5("c2"));
    let mut count = 0;
    let mut more = |number: usize, what: &str| {
        count += number;
        assert_eq!(service.asked().len(), count, "{what}");
    };
    assert_eq!(subscribes(&mut one, "yes/of/#", 1), 1);
    for conn in [&mut one, &mut two] {
        assert!(publishes(conn, "yes/1") && !publishes(conn, "no/1"));
    }
    more(5, "each is asked once");
    for conn in [&mut one, &mut two] {
        assert!(publishes(conn, "yes/1") && !publishes(conn, "no/1"));
    }
    let mut two = broker.v5("c2");
    assert!(publishes(&mut two, "yes/1"));
    more(0, "it was said before");
    let path = "/clients/c1/authorization/cache";
    let kept = api.get(path).expect(200).json();
    let kept: Vec<_> = kept
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let age = millis().abs_diff(row["updated_time"].as_u64().unwrap());
            assert!(age < 60_000, "{row}");
            let word = |field: &str| row[field].as_str().unwrap().to_owned();
            [word("access"), word("topic"), word("result")].join(" ")
        })
        .collect();
    let due = [
        "subscribe yes/of/# allow",
        "publish yes/1 allow",
        "publish no/1 deny",
    ];
    assert_eq!(kept, due);

    api.delete(path).expect(204);
    assert_eq!(api.get(path).expect(200).json(), json!([]));
    assert!(publishes(&mut one, "yes/1") && publishes(&mut two, "yes/1"));
    more(1, "what the other was told is kept with it");
    let mut two = broker.v5("c2");
    assert!(publishes(&mut two, "yes/1") && !publishes(&mut two, "no/1"));
    more(0, "and is not forgotten by the source");
    assert!(!publishes(&mut one, "no/1"));
    more(1, "of whom it was forgotten, each is asked again");
    api.delete("/authorization/cache").expect(204);
    for conn in [&mut one, &mut two] {
        assert!(publishes(conn, "yes/1"));
    }
    more(2, "all is forgotten");
    assert!(publishes(&mut two, "yes/of/it"));
    one.receive_this("yes/of/it", "x");
    assert_eq!(subscribes(&mut one, "yes/of/#", 1), 1);
    more(2, "one topic is new, and the filter is asked about again");
}

/// Milliseconds since 1970.
fn millis() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_millis().try_into().unwrap()
}

/// Who was allowed something is denied it once that is too old and the service fails: no answer is no word.
#[test]
fn a15_an_old_answer_is_none() {
    let is_ill = Arc::new(AtomicBool::new(false));
    let ill = is_ill.clone();
    let service = Service::start(move |asked| {
        if ill.load(Ordering::SeqCst) {
            Said::status(500)
        } else {
            judge_topic(&asked.json())
        }
    });
    let (broker, mut api) = Broker::signed_in(&[]);
    api.post(SOURCES, &asks_of_topics(&service)).expect(204);
    let settings = json!({"no_match": "deny", "deny_action": "ignore", "cache": {"enable": false}});
    api.put("/authorization/settings", &settings).expect(200);
    let mut conn = broker.v5("c1");
    let mut both = || {
        (
            publishes(&mut conn, "yes/1"),
            subscribes(&mut conn, "yes/of/#", 1),
        )
    };
    assert_eq!(both(), (true, 1));
    is_ill.store(true, Ordering::SeqCst);
    assert_eq!(both(), (false, 0x87));
    is_ill.store(false, Ordering::SeqCst);
    assert_eq!(both(), (true, 1));
}

/// The filters of a client, in alphabetical order.
#[track_caller]
fn filters(api: &mut Api, client_id: &str) -> Vec<String> {
    let path = format!("/clients/{client_id}/subscriptions");
    let listed = api.get(&path).expect(200).json();
    let rows = listed.as_array().unwrap().iter();
    let mut filters: Vec<_> = rows
        .map(|row| row["topic"].as_str().unwrap().to_owned())
        .collect();
    filters.sort();
    filters
}

/// What a client gets without a packet of its own is asked about as if it had sent one: what everybody is
/// subscribed to, and what an administrator subscribes it to, be it there or away. No answer denies. The packets
/// of a client wait for what it gets, others' do not.
#[test]
fn a15_a_service_is_asked_of_what_no_packet_asks_for() {
    let service = Service::start(|asked| judge_topic(&asked.json()));
    let (broker, mut api) = with_rules_elsewhere(&service);
    let mut bystander = broker.v5("bystander");
    let automatic = [
        "no/${clientid}",
        "yes/${clientid}",
        "slow/${clientid}",
        "rule/x",
        "yes/denied",
        "pass/${clientid}",
        "other",
        "$share/g/no/${clientid}",
        "$share/g/yes/${clientid}",
    ];
    let automatic = automatic.map(|topic| json!({"topic": topic, "qos": 1}));
    api.put("/mqtt/auto_subscribe", &json!(automatic))
        .expect(200);
    // One that goes while its answers are still to come.
    broker.v5("c1").cut();
    let mut conn = broker.v5("c1");
    conn.send(&pingreq());
    bystander.ping();
    conn.read_kind(Kind::PingResp);
    let due = ["$share/g/yes/c1", "pass/c1", "rule/x", "yes/c1"];
    assert_eq!(filters(&mut api, "c1"), due);
    assert!(publishes(&mut bystander, "pass/c1"));
    conn.receive_this("pass/c1", "x");
    let about = |asked: &Value| (asked["clientid"] == "c1").then(|| asked["topic"].clone());
    let asked = service.asked();
    let asked: Vec<_> = asked
        .iter()
        .filter_map(|asked| about(&asked.json()))
        .collect();
    assert!(asked.contains(&json!("no/c1")) && !asked.contains(&json!("rule/x")));

    let away = Connect::new(V5, "away").persistent(600);
    broker.connect(&away).cut();
    api.put("/mqtt/auto_subscribe", &json!([])).expect(200);
    for who in ["bystander", "away"] {
        let path = format!("/clients/{who}/subscribe");
        for (topic, due) in [
            ("yes/a", 200),
            ("no/a", 400),
            ("ill/a", 400),
            ("slow/a", 400),
            ("rule/a", 200),
            ("yes/denied", 400),
            ("other/a", 400),
            ("$share/g/yes/a", 200),
            ("$share/g/no/a", 400),
        ] {
            let wanted = json!({"topic": topic, "qos": 1});
            api.post(&path, &wanted).expect(due);
        }
        let many = json!([{"topic": "yes/b"}, {"topic": "no/b"}, {"topic": "yes/c"}]);
        api.post(&format!("{path}/bulk"), &many).expect(400);
        let all = filters(&mut api, who);
        let made: Vec<_> = all.iter().filter(|filter| !filter.contains(who)).collect();
        let due = ["$share/g/yes/a", "rule/a", "yes/a", "yes/b"];
        assert!(
            due.iter()
                .all(|filter| made.contains(&&(*filter).to_owned()))
        );
        let denied = ["no/", "ill/", "slow/", "denied", "other", "/c"];
        assert!(
            !made
                .iter()
                .any(|filter| denied.iter().any(|part| filter.contains(part)))
        );
    }
    assert!(publishes(&mut bystander, "yes/b"));
}

/// Waits until a client has these filters and no others.
#[track_caller]
fn comes_to(api: &mut Api, client_id: &str, due: &[&str]) {
    until(
        || (filters(api, client_id) == due).then_some(()),
        &format!("{client_id} has {due:?}"),
    );
}

/// What a service has said of a subscription is known as long as there is that, also where its answers are not
/// kept: rules that change behind it take back what it had left to them, and nothing else, without a question.
#[test]
fn rules_change_behind_a_forgotten_answer() {
    let service = Service::start(|asked| judge_topic(&asked.json()));
    let (broker, mut api) = with_rules_elsewhere(&service);
    let forgets = json!({"no_match": "deny", "deny_action": "ignore",
                         "cache": {"enable": true, "max_size": 1, "ttl": "1m"}});
    api.put("/authorization/settings", &forgets).expect(200);
    let mut here = broker.v5("here");
    let mut away = broker.connect(&Connect::new(V5, "away").persistent(600));
    for filter in [
        "pass/1",
        "yes/1",
        "$share/g/pass/1",
        "$share/g/yes/1",
        "rule/1",
    ] {
        assert_eq!(subscribes(&mut here, filter, 1), 1, "{filter}");
        assert_eq!(subscribes(&mut away, filter, 1), 1, "{filter}");
    }
    away.cut();
    let asked = service.asked().len();
    let begun = Instant::now();
    let file = json!({"type": "file", "enable": true, "rules": "{allow, all, all, [\"q/#\"]}."});
    api.put(&format!("{SOURCES}/file"), &file).expect(204);
    for who in ["here", "away"] {
        comes_to(&mut api, who, &["$share/g/yes/1", "rule/1", "yes/1"]);
    }
    println!(
        "figure: taken back within {:?}, 1 s allowed",
        begun.elapsed()
    );
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(service.asked().len(), asked, "it is known");
    here.ping();
}

/// A source that is new is asked of the subscriptions that there are: at once of clients that are there, of
/// others when they are back. It takes back what it denies, and where it does not answer.
#[test]
fn a_new_source_is_asked_of_what_was_granted() {
    let service = Service::start(|asked| judge_topic(&asked.json()));
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut here = broker.v5("here");
    let lasting = || Connect::new(V5, "away").persistent(600);
    let mut away = broker.connect(&lasting());
    let all = [
        "$share/g/no/1",
        "$share/g/yes/1",
        "no/1",
        "other",
        "slow/1",
        "yes/1",
    ];
    for filter in all {
        here.subscribe(filter, 1);
        away.subscribe(filter, 1);
    }
    away.cut();
    api.post(SOURCES, &asks_of_topics(&service)).expect(204);
    let due = ["$share/g/yes/1", "other", "yes/1"];
    comes_to(&mut api, "here", &due);
    assert_eq!(filters(&mut api, "away"), all);
    let mut away = broker.connect(&lasting());
    comes_to(&mut api, "away", &due);
    let mut writer = broker.v5("writer");
    assert!(publishes(&mut writer, "yes/1"));
    away.receive_this("yes/1", "x");
}

/// A session of nobody's that passes to a user has what that user may have.
#[test]
fn a_session_that_passes_to_a_user_is_asked_about() {
    let service = Service::start(|asked| judge_topic(&asked.json()));
    let (broker, mut api) = with_rules_elsewhere(&service);
    let_anna_in(&mut api);
    let lamp = || Connect::new(V5, "lamp").persistent(600);
    let mut conn = broker.connect(&lamp());
    for filter in ["guest/1", "yes/1", "rule/1"] {
        assert_eq!(subscribes(&mut conn, filter, 1), 1);
    }
    conn.cut();
    let conn = broker.connect(&lamp());
    comes_to(&mut api, "lamp", &["guest/1", "rule/1", "yes/1"]);
    conn.cut();
    let mut conn = broker.connect(&lamp().user("anna").password(b"p"));
    comes_to(&mut api, "lamp", &["rule/1", "yes/1"]);
    conn.ping();
}

/// A service that is gone denies what it had not said before, and lets on what it had; others are not held
/// up; and when it is there again it is asked again. Rules that change meanwhile hold.
#[test]
fn a15_a_service_of_rules_that_is_gone() {
    let service = Service::start(|asked| judge_topic(&asked.json()));
    let address = service.address();
    let (broker, mut api) = with_rules_elsewhere(&service);
    let mut conn = broker.v5("c1");
    assert!(publishes(&mut conn, "yes/1"));
    assert_eq!(subscribes(&mut conn, "yes/#", 1), 1);
    drop(service);
    for n in 2..9 {
        assert!(!publishes(&mut conn, &format!("yes/{n}")));
    }
    assert!(publishes(&mut conn, "rule/x"));
    let status = api
        .get(&format!("{SOURCES}/http/status"))
        .expect(200)
        .json();
    assert_eq!(status["status"], "disconnected");
    // What was granted stays, also over a change of other rules.
    let file = json!({"type": "file", "rules": "{allow, all, all, [\"q/#\"]}."});
    api.put(&format!("{SOURCES}/file"), &file).expect(204);
    let service = Service::start_on(address, |asked| judge_topic(&asked.json()));
    until(
        || publishes(&mut conn, "yes/1").then_some(()),
        "it is asked again",
    );
    conn.receive_this("yes/1", "x");
    // Without it, rules alone decide.
    api.delete(&format!("{SOURCES}/http")).expect(204);
    assert!(!publishes(&mut conn, "yes/1") && publishes(&mut conn, "rule/x"));
    drop(service);
    let odd = json!({"type": "http", "method": "post", "url": "http://127.0.0.1:1/${password}"});
    api.post(SOURCES, &odd).expect(400);
    api.post(SOURCES, &json!({"type": "http"})).expect(400);
}
