//! Chapter 29: what the REST API stands: markup in names, lines forged in the log, numbers that no
//! page has, messages that nobody may publish.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::wire::{Broker, Connect, Http, Publish, V5, subscribe};

const SCRIPTS: [&str; 20] = [
    "<script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert&#40;1&#41;</script>",
    "<iframe srcdoc=\"<script>alert(1)</script>\">",
    "<iframe src=javascript:alert(1)>",
    "<body onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "<math href=javascript:alert(1)>x</math>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "<style>@import 'javascript:alert(1)';</style>",
    "=cmd|' /C calc'!A0<b onclick=alert(1)>",
];

/// Row H08, as far as the API goes. Forty pieces of markup as client id, user name, topic, payload,
/// path, Host, User-Agent: they come back only inside JSON, which no browser takes for a page, and
/// with a policy under which no script of theirs would run.
#[test]
fn h08_markup_stays_a_name() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let bare = SCRIPTS.map(str::to_owned);
    let coded = SCRIPTS.map(|script| script.replace('<', "%3C").replace('>', "\u{ff1e}") + "~");
    let all: Vec<String> = bare.into_iter().chain(coded).collect();
    let mut conns = Vec::new();
    for script in &all {
        let mut conn = broker.connect(&Connect::new(V5, script).user(script));
        let topic = script.replace(['#', '+', '$'], "_");
        conn.publish(&Publish::new(&topic, script).qos1(1).retained());
        conns.push(conn);
    }
    let mut found = 0;
    for path in [
        "/clients?limit=1000",
        "/mqtt/retainer/messages?limit=1000",
        "/subscriptions",
        "/topics",
    ] {
        let reply = api.get(path).expect(200);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        let policy = reply.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("default-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        found += reply.json()["data"].as_array().map_or(0, Vec::len);
    }
    assert_eq!(found, 2 * all.len());
    for script in all {
        // A request line has no blanks.
        let path = script.replace(' ', "%20");
        for head in [
            format!("GET /{path} HTTP/1.1\r\nhost: localhost\r\n"),
            format!("GET /api/v5/{path} HTTP/1.1\r\nhost: localhost\r\n"),
            format!("GET / HTTP/1.1\r\nhost: {script}\r\n"),
            format!(
                "GET / HTTP/1.1\r\nhost: localhost\r\norigin: {script}\r\nuser-agent: {script}\r\n"
            ),
        ] {
            let mut http = Http::open(broker.http);
            http.send(format!("{head}accept: text/html\r\n\r\n").as_bytes())
                .unwrap();
            // What is no HTTP at all may be answered with nothing.
            let Some(reply) = http.receive("GET") else {
                continue;
            };
            let kind = reply.header("content-type").unwrap_or_default();
            let inert = kind.starts_with("application/json") || kind.starts_with("text/plain");
            let quoted = script.contains('<') && reply.text().contains(&script);
            assert!(inert || !quoted, "{head}: {}", reply.text());
        }
    }
}

/// Row H12, but for what access rules deny. Messages that nobody may publish are refused, each with a
/// reason; one that is far too large before it has come.
#[test]
fn h12_messages_that_nobody_may_publish() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut watcher = broker.v5("watcher");
    watcher.subscribe("#", 1);
    watcher.subscribe("$SYS/forged", 1);
    let long = "x".repeat(65_536);
    for message in [
        json!({"topic": "a/#", "payload": ""}),
        json!({"topic": "a/+/b", "payload": ""}),
        json!({"topic": "", "payload": ""}),
        json!({"topic": "a\u{0}b", "payload": ""}),
        json!({"topic": long, "payload": ""}),
        json!({"topic": "$SYS/forged", "payload": ""}),
        json!({"topic": "$share/g/t", "payload": ""}),
        json!({"topic": "t", "payload": "", "qos": 3}),
        json!({"topic": "t", "payload": "", "qos": -1}),
        json!({"topic": "t", "payload": "*", "payload_encoding": "base64"}),
        json!({"topic": "t", "payload": "", "payload_encoding": "odd"}),
        json!({"topic": "t", "payload": 1}),
        json!({"topic": "t", "payload": "x".repeat(2 << 20)}),
        json!({"topic": "t", "payload": "", "properties": {"response_topic": "a/#"}}),
        json!({"topic": "t", "payload": "", "properties": {"payload_format_indicator": 2}}),
    ] {
        let told: String = message.to_string().chars().take(80).collect();
        let status = api.post("/publish", &message).status;
        assert!((400..500).contains(&status), "{told}: {status}");
        let both = json!([message, {"topic": "t", "payload": ""}]);
        let status = api.post("/publish/bulk", &both).status;
        assert!((400..500).contains(&status), "bulk {told}: {status}");
    }
    let (name, token) = api.headers[0].clone();
    let mut http = Http::open(broker.http);
    let head = format!(
        "POST /api/v5/publish HTTP/1.1\r\nhost: localhost\r\n{name}: {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{{\"topic\":\"t\",",
        300 << 20
    );
    http.send(head.as_bytes()).unwrap();
    http.receive("POST").expect("an answer").expect(413);
    // None of them came out.
    api.post(
        "/publish",
        &json!({"topic": "t", "payload": "last", "qos": 1}),
    )
    .expect(200);
    watcher.receive_this("t", "last");
}

/// Row H17. Names with line ends, terminal codes and directions, and very long ones: at level debug
/// each event is one line, without a control character, and of a length that can be read.
#[test]
fn h17_names_forge_no_lines() {
    let (mut broker, mut api) =
        Broker::signed_in(&["log.level=debug", "mqtt.max_clientid_len=65535"]);
    let long = "x".repeat(60_000);
    let names = [
        "a\r\nFORGED",
        "b\nFORGED",
        "\u{1b}[31mFORGED\u{1b}[0m",
        "\u{1b}]0;FORGED\u{7}",
        "\u{202e}DEGROF",
        "\u{85}FORGED\u{2028}",
        &long,
    ];
    for name in names {
        // Whether it is let in is not what this is about.
        for connect in [Connect::new(V5, name), Connect::new(V5, "c").user(name)] {
            let mut conn = broker.open(V5);
            conn.send(&connect.bytes());
            conn.send(&subscribe(V5, 1, &[(name, 1)]));
            conn.send(&Publish::new(name, name).qos1(2).bytes(V5));
            conn.send(b"\xff\xff\xff\xff\xff");
            conn.read_to_end();
        }
        api.post("/publish", &json!({"topic": name, "payload": name}));
        api.post(
            "/banned",
            &json!({"as": "clientid", "who": name, "reason": name}),
        );
        let wrong = json!({"username": name, "password": "x"});
        broker.api().post("/login", &wrong);
    }
    broker.signal("TERM");
    broker.wait(Duration::from_secs(10));
    let mut named = 0;
    for line in broker.said() {
        named += usize::from(line.contains("FORGED") || line.contains("DEGROF"));
        let odd = |c: char| c.is_control() && c != '\t' || "\u{202e}\u{2028}".contains(c);
        assert!(!line.contains(odd), "{line:?}");
        assert!(!line.starts_with("FORGED"), "{line:?}");
        assert!(line.len() < 2_000, "{} bytes: {}", line.len(), &line[..200]);
    }
    assert!(named > 0, "it logged none of the names");
}

/// Row H19. Pages and limits that overflow, are negative or none are refused, whatever the list, or
/// are empty; none takes long.
#[test]
fn h19_pages_that_no_list_has() {
    const LISTS: [&str; 7] = [
        "/clients",
        "/subscriptions",
        "/topics",
        "/mqtt/retainer/messages",
        "/mqtt/delayed/messages",
        "/banned",
        "/alarms",
    ];
    let (broker, mut api) = Broker::signed_in(&[]);
    let _conns = ["a", "b", "c"].map(|name| broker.v5(name));
    for list in LISTS {
        for (query, status) in [
            ("limit=9223372036854775807", 400),
            ("limit=9223372036854775808", 400),
            ("limit=18446744073709551616", 400),
            ("limit=10001", 400),
            ("limit=0", 400),
            ("limit=-1", 400),
            ("limit=1e3", 400),
            ("page=0", 400),
            ("page=-1", 400),
            ("page=18446744073709551616", 400),
            ("page=18446744073709551615&limit=10000", 200),
            ("page=9223372036854775807&limit=10000", 200),
            ("page=2&limit=10000", 200),
        ] {
            let begun = Instant::now();
            let reply = api.get(&format!("{list}?{query}"));
            assert_eq!(reply.status, status, "{list}?{query}: {}", reply.text());
            assert!(
                begun.elapsed() < Duration::from_millis(300),
                "{list}?{query}"
            );
            let rows = reply.json()["data"].as_array().map_or(0, Vec::len);
            assert_eq!(rows, 0, "{list}?{query}: {}", reply.text());
        }
    }
}
