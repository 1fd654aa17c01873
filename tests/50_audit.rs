//! Chapter 50: the audit log, which tells who changed what, who published through the API, and who signed
//! in or could not.

use std::time::Duration;

use serde_json::json;

use crate::accounts::{by_key, credentials};
use crate::wire::{Api, Broker};

/// The audit log tells every change, and who signed in or could not, with time, actor, address, what and result, and no secret; it is
/// filtered and paged.
#[test]
fn audit_log_of_changes() {
    let (broker, mut admin) = Broker::signed_in(&[]);
    admin
        .post("/users", &credentials("anna", "canary-audit-1"))
        .expect(200);
    admin
        .post("/users", &credentials("anna", "canary-audit-2"))
        .expect(400);
    let key = admin
        .post("/api_key", &json!({"name": "ci"}))
        .expect(200)
        .json();
    let mut program = by_key(&broker, &key);
    program.put("/mqtt/topic_rewrite", &json!([])).expect(200);
    admin.get("/users").expect(200);
    broker
        .api()
        .post("/users", &credentials("eve", "canary-audit-3"))
        .expect(401);
    let wrong = json!({"username": "anna", "password": "canary-audit-4"});
    broker.api().post("/login", &wrong).expect(401);
    // No attempt at all.
    broker
        .api()
        .post("/login", &json!({"username": "anna"}))
        .expect(400);

    let all = admin.get("/audit").expect(200);
    assert!(!all.text().contains("canary-audit"), "{}", all.text());
    let all = all.json();
    let told: Vec<_> = all["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            (
                text("source"),
                text("http_method"),
                text("operation_id"),
                entry["http_status_code"].as_u64().unwrap(),
            )
        })
        .collect();
    let wanted = [
        ("anna", "post", "/login", 401),
        ("ci", "put", "/mqtt/topic_rewrite", 200),
        ("admin", "post", "/api_key", 200),
        ("admin", "post", "/users", 400),
        ("admin", "post", "/users", 200),
        ("admin", "post", "/login", 200),
    ];
    let wanted = wanted.map(|(a, b, c, d)| (a.to_owned(), b.to_owned(), c.to_owned(), d));
    assert_eq!(told, wanted);
    let last = &all["data"][4];
    assert_eq!(last["source_ip"], json!("127.0.0.1"));
    assert_eq!(last["operation_result"], json!("success"));
    assert_eq!(last["failure"], json!(""));
    let refused = all["data"][3]["failure"].as_str().unwrap();
    assert!(refused.starts_with("BAD_REQUEST: "), "{refused}");
    let unknown = all["data"][0]["failure"].as_str().unwrap();
    assert!(unknown.starts_with("BAD_USERNAME_OR_PWD: "), "{unknown}");
    assert_eq!(last["http_request"]["body"]["username"], json!("anna"));
    assert_eq!(last["http_request"]["body"]["password"], json!("******"));
    assert!(last["created_at"].as_u64().unwrap() > 1_700_000_000_000_000);
    let count = |admin: &mut Api, filter: &str| {
        admin.get(&format!("/audit?{filter}")).expect(200).json()["meta"]["count"]
            .as_u64()
            .unwrap()
    };
    for (filter, due) in [
        ("source=admin", 4),
        ("source=ci", 1),
        ("operation_result=failure", 2),
        ("operation_type=login", 2),
        ("http_status_code=400", 1),
        ("operation_id=/users", 2),
        ("operation_type=mqtt", 1),
        ("http_method=post", 5),
        ("from=dashboard", 0),
        ("source_ip=127.0.0.1", 6),
        ("gte_created_at=4102444800000", 0),
        ("lte_created_at=2100-01-01T00:00:00Z", 6),
    ] {
        assert_eq!(count(&mut admin, filter), due, "{filter}");
    }
    let page = admin.get("/audit?page=2&limit=5").expect(200).json();
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    assert_eq!(page["meta"]["hasnext"], json!(false));
    for bad in [
        "limit=0",
        "gte_created_at=never",
        "http_status_code=x",
        "lte_duration_ms=-1",
    ] {
        assert_eq!(
            admin.get(&format!("/audit?{bad}")).expect(400).code(),
            "INVALID_PARAMETER"
        );
    }
}

/// A16: who published through the API stands in the audit log, with topic, QoS and RETAIN, and without the
/// payload. What one program says within a minute is one entry, so that no change is pushed out by it;
/// after a kill it is there, after a stop with its last number.
#[test]
fn a16_messages_in_the_audit_log() {
    const CALLS: u64 = 100;
    let (mut broker, mut admin) = Broker::signed_in(&[]);
    let key = admin.post("/api_key", &json!({"name": "line"}));
    let key = key.expect(200).json();
    let bearer = admin.headers.clone();
    let told = |broker: &Broker, filter: &str| {
        let mut api = broker.api();
        api.headers.clone_from(&bearer);
        let told = api.get(&format!("/audit?operation_type=publish{filter}"));
        let told = told.expect(200);
        assert!(!told.text().contains("canary"), "{}", told.text());
        told.json()["data"].as_array().unwrap().clone()
    };
    let say = |broker: &Broker, calls: u64| {
        let mut program = by_key(broker, &key);
        for n in 0..calls {
            let body = json!({"topic": "line/1", "payload": format!("canary-{n:03}"), "qos": 1});
            program.post("/publish", &body).expect(202);
        }
    };
    say(&broker, CALLS);
    let many = json!([{"topic": "a", "payload": "canary", "retain": true},
                      {"topic": "b", "payload": "canary"}]);
    admin.post("/publish/bulk", &many).expect(202);
    let bad = json!({"topic": "a/#", "payload": "canary"});
    admin.post("/publish", &bad).expect(400);
    admin.post("/publish", &json!({"topic": 1})).expect(400);

    let entries = told(&broker, "");
    assert_eq!(entries.len(), 3, "{entries:?}");
    let line = &told(&broker, "&source=line")[0];
    assert_eq!(
        line["http_request"]["body"],
        json!({
            "calls": CALLS, "messages": CALLS, "payload_bytes": 10 * CALLS, "other_messages": 0,
            "topics": [{"topic": "line/1", "qos": 1, "retain": false,
                        "messages": CALLS, "payload_bytes": 10 * CALLS}],
        })
    );
    assert_eq!(line["operation_id"], "/publish");
    let bulk = &told(&broker, "&source=admin&operation_result=success")[0];
    let topics = &bulk["http_request"]["body"]["topics"];
    assert_eq!(
        (&topics[0]["topic"], &topics[0]["retain"]),
        (&json!("a"), &json!(true))
    );
    assert_eq!(topics[1]["topic"], "b");
    let refused = &told(&broker, "&source=admin&operation_result=failure")[0];
    assert_eq!(refused["failure"], "0x90: topic_name_invalid");
    let sent = &refused["http_request"]["body"];
    assert_eq!((&sent["calls"], &sent["messages"]), (&json!(2), &json!(1)));

    // Told last when their number was a power of two.
    broker.kill_and_restart();
    let calls =
        |broker: &Broker| told(broker, "&source=line")[0]["http_request"]["body"]["calls"].clone();
    assert_eq!(calls(&broker), 64);
    say(&broker, 6);
    broker.signal("TERM");
    assert!(broker.wait(Duration::from_secs(10)).success());
    broker.restart();
    assert_eq!(calls(&broker), 70);
    assert_eq!(told(&broker, "").len(), 3);
}
