//! Chapter 42: who clients are, said by others: keys of tokens and answers over HTTP. Each back end allows,
//! denies, is down, is slow and talks nonsense; only the first of these lets anybody do anything.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::authenticate::{code, run, token, token_with};
use crate::authorize::asks as subscribes;
use crate::connection_log::{PATIENCE, told, until};
use crate::servers::{Secured, certify};
use crate::sources::{SOURCES, publishes};
use crate::wire::{
    Api, Broker, Conn, Connect, Kind, Publish, Said, Service, V5, V31, V311, Will, fresh_dir,
    pingreq, subscribe,
};

const HTTP: &str = "/authentication/password_based:http";

fn as_user(id: &str, user: &str, password: &str) -> Connect {
    Connect::new(V5, id)
        .user(user)
        .password(password.as_bytes())
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// The rights that a token claims: topics that are allowed and nothing else, or rules before those of the
/// broker. A narrow token stays narrow for wills, wildcards and what is retained; one whose rights nobody
/// understands is none.
#[test]
fn rights_in_tokens() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let jwt = json!({"mechanism": "jwt", "algorithm": "hmac-based", "secret": "a shared secret"});
    api.post("/authentication", &jwt).expect(200);
    let with = |acl: &Value| token(&json!({"sub": "anna", "exp": now() + 3600, "acl": acl}));
    let comes = |id: &str, acl: &Value| broker.connect(&as_user(id, "x", &with(acl)));
    let lists = json!({"pub": ["p/${clientid}"], "sub": ["s/${username}/#"], "all": ["eq a/+"]});
    let mut conn = comes("c1", &lists);
    for (topic, due) in [
        ("p/c1", 0),
        ("p/c2", 0x87),
        ("a/b", 0x87),
        ("s/anna/x", 0x87),
    ] {
        let publish = Publish::new(topic, "x").qos1(7);
        conn.send(&publish.bytes(V5));
        let answer = conn.read_kind(Kind::PubAck);
        assert!(
            answer.code == due || (due == 0 && answer.code == 0x10),
            "{topic} {answer:?}"
        );
    }
    for (filter, due) in [
        ("s/anna/#", 1),
        ("s/bert/#", 0x87),
        ("s/+/x", 0x87),
        ("a/+", 1),
        ("#", 0x87),
        ("$SYS/#", 0x87),
    ] {
        assert_eq!(subscribes(&mut conn, filter, 1), due, "{filter}");
    }
    let rules = json!([
        {"permission": "deny", "action": "publish", "topic": "d/#"},
        {"permission": "allow", "action": "all", "topics": ["d/${clientid}", "q"], "qos": [1]},
    ]);
    let mut other = comes("c2", &rules);
    for (topic, due) in [("d/c2", 0x87), ("q", 0x10), ("elsewhere", 0x10)] {
        other.send(&Publish::new(topic, "x").qos1(7).bytes(V5));
        assert_eq!(other.read_kind(Kind::PubAck).code, due, "{topic}");
    }
    let will = as_user("c3", "x", &with(&rules)).will(Will::new("d/x", "gone"));
    assert_eq!(code(&broker, &will), 0x87);
    for odd in [
        json!("all"),
        json!([{"permission": "allow"}]),
        json!({"pub": "p"}),
    ] {
        assert_eq!(
            code(&broker, &as_user("c4", "x", &with(&odd))),
            0x86,
            "{odd}"
        );
    }
    told(&mut api, "token_claims", "0x86");
    // Rights end with their token, though the set-up says that clients stay.
    let stays = jwt.as_object().unwrap().clone();
    let mut stays = Value::Object(stays);
    stays["disconnect_after_expire"] = json!(false);
    api.put("/authentication/jwt", &stays).expect(200);
    let claims = json!({"sub": "anna", "exp": now() + 3, "acl": {"all": ["#"]}});
    let mut short = broker.connect(&as_user("c5", "x", &token(&claims)));
    short.expect_closed_for(0x87);
    told(&mut api, "token_expired", "DISCONNECT 0x87");
}

/// A key of its own, the set of keys that has it, and who signs with it.
struct Signer {
    file: std::path::PathBuf,
    jwk: Value,
}

impl Signer {
    fn new(dir: &std::path::Path, id: &str) -> Self {
        let file = dir.join(format!("{id}.pem"));
        let path = file.to_str().unwrap();
        run("openssl", &["genrsa", "-out", path, "2048"], b"");
        let modulus = run("openssl", &["rsa", "-in", path, "-noout", "-modulus"], b"");
        let modulus = String::from_utf8(modulus).unwrap();
        let digits = modulus.trim().strip_prefix("Modulus=").unwrap();
        let bytes: Vec<u8> = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let jwk = json!({"kty": "RSA", "kid": id, "n": url_base64(&bytes), "e": "AQAB"});
        Self { file, jwk }
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.jwk["kid"]});
        let path = self.file.to_str().unwrap();
        token_with(&header, claims, &["dgst", "-sha256", "-sign", path])
    }
}

fn url_base64(bytes: &[u8]) -> String {
    let text = run("openssl", &["base64", "-A"], bytes);
    let text = String::from_utf8(text).unwrap();
    text.trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

/// Keys that a service tells: fetched at the start, and when a token names one that is new; kept while the
/// service is down or talks nonsense; and nobody comes in before there are any.
#[test]
fn a15_keys_from_a_service() {
    let dir = fresh_dir();
    fs::create_dir_all(&dir).unwrap();
    let (first, second) = (Signer::new(&dir, "k1"), Signer::new(&dir, "k2"));
    let (broker, mut api) = Broker::signed_in(&[]);
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let jwt = json!({"mechanism": "jwt", "use_jwks": true, "refresh_interval": 10,
                     "endpoint": format!("http://{address}/keys?x=1"),
                     "headers": {"authorization": "Bearer canary"}});
    let made = api.post("/authentication", &jwt).expect(200).json();
    assert_eq!(made["endpoint"], jwt["endpoint"]);
    assert_eq!(made["headers"]["authorization"], "******");
    let claims = json!({"sub": "anna"});
    let comes = |by: &Signer| code(&broker, &as_user("c", "x", &by.token(&claims)));
    // Down.
    assert_eq!(comes(&first), 0x88);
    told(&mut api, "authenticator_failed", "0x88");
    let status = api.get("/authentication/jwt/status").expect(200).json();
    assert_eq!(status["status"], "disconnected");
    let keys = json!({"keys": [first.jwk]});
    let service = Service::start_on(address, move |_| Said::json(&keys));
    assert_eq!(comes(&first), 0);
    let asked = service.asked();
    assert_eq!((&*asked[0].method, &*asked[0].target), ("GET", "/keys?x=1"));
    assert_eq!(asked[0].header("authorization"), Some("Bearer canary"));
    assert_eq!(comes(&second), 0x86, "a stranger's");
    assert_eq!(comes(&first), 0);
    let many = service.asked().len();
    for _ in 0..5 {
        assert_eq!(comes(&second), 0x86);
    }
    assert_eq!(service.asked().len(), many, "strangers make nobody fetch");
    // Nonsense: what was known stays known.
    drop(service);
    let service = Service::start_on(address, |_| Said::Reply(200, "text/html", "<p>".to_owned()));
    later(|| comes(&first) == 0 && !service.asked().is_empty());
    assert_eq!(comes(&first), 0);
    drop(service);
    // Another key, which nobody has heard of before somebody comes with it.
    let keys = json!({"keys": [first.jwk, second.jwk]});
    let _service = Service::start_on(address, move |_| Said::json(&keys));
    later(|| comes(&second) == 0);
    fs::remove_dir_all(&dir).unwrap();
}

/// Waits for what comes of a fetch, of which there is one in ten seconds.
#[track_caller]
fn later(mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + 4 * PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "in vain");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The same over TLS, from another program: trusted by its authority, and not without.
#[test]
fn a15_keys_over_tls() {
    let dir = fresh_dir();
    fs::create_dir_all(&dir).unwrap();
    let signer = Signer::new(&dir, "k");
    fs::write(
        dir.join("keys.json"),
        json!({"keys": [signer.jwk]}).to_string(),
    )
    .unwrap();
    let server = Secured::start(&dir, "-WWW");
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut jwt = json!({"mechanism": "jwt", "use_jwks": true,
                         "endpoint": format!("https://localhost:{}/keys.json", server.port)});
    jwt["ssl"] = json!({"enable": true, "verify": "verify_none"});
    let refused = api.post("/authentication", &jwt).expect(400).text();
    assert!(refused.contains("cacertfile"), "{refused}");
    jwt["ssl"] = json!({"enable": true, "cacertfile": dir.join("nothing.pem")});
    api.post("/authentication", &jwt).expect(400);
    jwt["ssl"] = json!({"enable": true, "cacertfile": dir.join("tls.pem")});
    api.post("/authentication", &jwt).expect(200);
    let comes = || {
        code(
            &broker,
            &as_user("c", "x", &signer.token(&json!({"sub": "anna"}))),
        )
    };
    assert_eq!(comes(), 0);
    jwt["ssl"]["server_name_indication"] = json!("other.example");
    api.put("/authentication/jwt", &jwt).expect(200);
    assert_eq!(comes(), 0x88);
    drop(server);
    fs::remove_dir_all(&dir).unwrap();
}

/// A service over TLS that allows everybody: without the authority of its certificate, or by another name, it
/// is no service, neither for who comes in nor for what may be done.
#[test]
fn a15_a_service_over_tls() {
    let dir = fresh_dir();
    fs::create_dir_all(&dir).unwrap();
    let said = json!({"result": "allow"}).to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{said}",
        said.len()
    );
    fs::write(dir.join("answer"), answer).unwrap();
    let server = Secured::start(&dir, "-HTTP");
    certify(&dir, "stranger", "localhost");
    let (broker, mut api) = Broker::signed_in(&[]);
    let url = format!("https://localhost:{}/answer", server.port);
    let ssl = |authority: &str, name: &str| json!({"enable": true, "cacertfile": dir.join(authority), "server_name_indication": name});
    let mut asks = json!({"mechanism": "password_based", "backend": "http", "method": "get",
                          "url": url, "ssl": ssl("tls.pem", "localhost")});
    api.post("/authentication?anonymous=keep", &asks)
        .expect(200);
    let mut may = json!({"type": "http", "method": "get", "url": url,
                         "ssl": ssl("tls.pem", "localhost")});
    let deny = json!({"no_match": "deny", "deny_action": "ignore"});
    api.put("/authorization/settings", &deny).expect(200);
    api.post(SOURCES, &may).expect(204);
    let comes = || code(&broker, &as_user("c", "anna", "p"));
    let mut conn = broker.v5("publisher");
    let mut topic = 0;
    // What was said of a topic is kept.
    let mut may_publish = |conn: &mut Conn| {
        topic += 1;
        publishes(conn, &format!("t/{topic}"))
    };
    assert!(comes() == 0 && may_publish(&mut conn));
    for odd in [
        ssl("stranger.pem", "localhost"),
        ssl("tls.pem", "other.example"),
    ] {
        asks["ssl"] = odd.clone();
        api.put(HTTP, &asks).expect(200);
        assert_eq!(comes(), 0x88, "{odd}");
        may["ssl"] = odd;
        api.put(&format!("{SOURCES}/http"), &may).expect(204);
        assert!(!may_publish(&mut conn));
        let status = api.get(&format!("{HTTP}/status")).expect(200).json();
        let error = status["node_error"][0]["error"].as_str().unwrap();
        assert!(error.contains("TLS: "), "{error}");
    }
    drop(server);
    fs::remove_dir_all(&dir).unwrap();
}

/// What the service of the next tests says of a user, by its name.
fn judge(user: &str) -> Said {
    match user {
        "anna" => Said::json(&json!({"result": "allow"})),
        "plain" => Said::status(204),
        "super" => Said::json(&json!({"result": "allow", "is_superuser": true})),
        "narrow" => Said::json(&json!({"result": "allow", "acl": [
            {"permission": "allow", "action": "all", "topic": "n/${username}"},
            {"permission": "deny", "action": "all", "topic": "#"}]})),
        "short" => Said::json(&json!({"result": "allow", "expire_at": now() + 3})),
        "past" => Said::json(&json!({"result": "allow", "expire_at": now() - 3})),
        "bad" => Said::json(&json!({"result": "deny"})),
        "ignored" => Said::json(&json!({"result": "ignore"})),
        "unknown" => Said::status(404),
        "ill" => Said::status(500),
        "slow" => Said::Nothing,
        "odd" => Said::json(&json!({"result": "perhaps"})),
        "odd-rights" => Said::json(&json!({"result": "allow", "acl": [{"permission": "allow"}]})),
        "page" => Said::Reply(200, "text/html", "allow".to_owned()),
        "empty" => Said::Reply(200, "application/json", String::new()),
        "nothing" => Said::json(&json!({})),
        "huge" => Said::Reply(200, "application/json", " ".repeat(200_000)),
        "cut" => {
            Said::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"result\": \"allow\"}")
        }
        "binary" => Said::Bytes("\u{1}\u{2}\u{3}"),
        _ => Said::status(404),
    }
}

fn service() -> Service {
    Service::start(|asked| judge(asked.json()["username"].as_str().unwrap()))
}

fn asks(service: &Service) -> Value {
    json!({"mechanism": "password_based", "backend": "http", "method": "post",
           "url": service.url("/auth/${clientid}?from=${peerhost}"), "request_timeout": "1s",
           "headers": {"content-type": "application/json", "x-api-key": "canary"},
           "body": {"username": "${username}", "password": "${password}"}})
}

/// Each answer of a service, and none: only `allow` lets in, `ignore` and 4xx leave it to the next
/// authenticator, everything that is not understood lets nobody in; and what the answer grants holds.
#[test]
fn a15_a_service_says_who_comes_in() {
    let service = service();
    let (broker, mut api) = Broker::signed_in(&[]);
    let made = api
        .post("/authentication", &asks(&service))
        .expect(200)
        .json();
    assert_eq!(made["id"], "password_based:http");
    assert_eq!(made["headers"]["x-api-key"], "******");
    let built_in = json!({"mechanism": "password_based", "backend": "built_in_database",
                          "password_hash_algorithm": {"name": "sha256"}});
    api.post("/authentication", &built_in).expect(200);
    let user = json!({"user_id": "ignored", "password": "right"});
    let users = "/authentication/password_based:built_in_database/users";
    api.post(users, &user).expect(201);
    let comes = |user: &str, password: &str| {
        let begun = Instant::now();
        let code = code(&broker, &as_user(user, user, password));
        assert!(begun.elapsed() < PATIENCE);
        code
    };
    for (user, due, cause) in [
        ("anna", 0, None),
        ("plain", 0, None),
        ("bad", 0x87, None),
        ("past", 0x87, Some("token_expired")),
        ("unknown", 0x86, Some("unknown_user")),
        ("odd", 0x88, Some("authenticator_failed")),
        ("odd-rights", 0x88, None),
        ("page", 0x88, None),
        ("empty", 0x88, None),
        ("nothing", 0x86, None),
        ("huge", 0x88, None),
        ("cut", 0x88, None),
        ("anna", 0, None),
        ("binary", 0x88, None),
        ("ill", 0x88, None),
        ("slow", 0x88, None),
        ("anna", 0, None),
    ] {
        assert_eq!(comes(user, "p"), due, "{user}");
        if let Some(cause) = cause {
            told(&mut api, cause, "0x8");
        }
    }
    assert_eq!(comes("bad", "p"), 0x87);
    told(&mut api, "authentication_denied", "0x87");
    assert_eq!(comes("ignored", "wrong"), 0x86);
    assert_eq!(comes("ignored", "right"), 0);
    let first = &service.asked()[0];
    assert_eq!(first.target, "/auth/anna?from=127.0.0.1");
    assert_eq!(first.header("x-api-key"), Some("canary"));
    assert_eq!(first.json(), json!({"username": "anna", "password": "p"}));
    // What the answer grants.
    let mut narrow = broker.connect(&as_user("n", "narrow", "p"));
    assert_eq!(subscribes(&mut narrow, "n/narrow", 1), 1);
    assert_eq!(subscribes(&mut narrow, "n/other", 1), 0x87);
    let deny = json!({"rules": [{"topic": "#", "permission": "deny", "action": "all"}]});
    api.post("/authorization/sources/built_in_database/rules/all", &deny)
        .expect(204);
    let mut above = broker.connect(&as_user("s", "super", "p"));
    assert_eq!(subscribes(&mut above, "t", 1), 1);
    let mut below = broker.connect(&as_user("a", "anna", "p"));
    assert_eq!(subscribes(&mut below, "t", 1), 0x87);
    let mut short = broker.connect(&as_user("short", "short", "p"));
    short.expect_closed_for(0x87);
    let status = api.get(&format!("{HTTP}/status")).expect(200).json();
    assert_eq!(status["status"], "connected");
    assert!(status["metrics"]["success"].as_u64().unwrap() >= 6);
}

/// Names that mean something in URLs and JSON are names. One that would be a way up is nobody's.
#[test]
fn names_stay_names() {
    let service = service();
    let (broker, mut api) = Broker::signed_in(&[]);
    api.post("/authentication", &asks(&service)).expect(200);
    let odd = "a/../b?c=d&e#f%2f \"中";
    let connect = Connect::new(V5, odd).user("anna").password(b"\",\"x\":\"");
    assert_eq!(code(&broker, &connect), 0);
    let asked = service.asked().pop().unwrap();
    let target = "/auth/a%2F..%2Fb%3Fc%3Dd%26e%23f%252f%20%22%E4%B8%AD?from=127.0.0.1";
    assert_eq!(asked.target, target);
    assert_eq!(asked.json()["password"], "\",\"x\":\"");
    let many = service.asked().len();
    for id in [".", ".."] {
        assert_eq!(code(&broker, &as_user(id, "anna", "p")), 0x86);
    }
    let binary = Connect::new(V5, "c").user("anna").password(b"\xff\xfe");
    assert_eq!(code(&broker, &binary), 0x86, "no text");
    assert_eq!(service.asked().len(), many, "not asked");
}

/// A service that is gone: refused at once, left alone after a few tries, asked again when it may be there;
/// and one that answers nobody holds up only who depends on it. Connections are used again.
#[test]
fn a15_a_service_that_is_gone() {
    let first = service();
    let address = first.address();
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut setup = asks(&first);
    setup["pool_size"] = json!(2);
    api.post("/authentication?anonymous=keep", &setup)
        .expect(200);
    for version in [V31, V311, V5] {
        for _ in 0..5 {
            let connect = Connect::new(version, "c").user("anna").password(b"p");
            assert_eq!(code(&broker, &connect), 0);
        }
    }
    assert!(first.connections() <= 2, "{}", first.connections());
    drop(first);
    let comes = |user: &str| code(&broker, &as_user("c", user, "p"));
    for _ in 0..8 {
        assert_eq!(comes("anna"), 0x88);
    }
    let status = api.get(&format!("{HTTP}/status")).expect(200).json();
    assert_eq!(status["status"], "disconnected");
    let error = status["node_error"][0]["error"].as_str().unwrap();
    assert!(
        error.contains("refused") || error.contains("rest"),
        "{error}"
    );
    let second = Service::start_on(address, |asked| {
        judge(asked.json()["username"].as_str().unwrap())
    });
    until(|| (comes("anna") == 0).then_some(()), "it is asked again");
    // Slow: two places, both taken; whoever comes then waits for one, and not for long.
    let mut bystander = broker.v5("bystander");
    let mut waiting = Vec::new();
    for n in 0..6 {
        let mut conn = broker.open(V5);
        conn.send(&as_user(&format!("w{n}"), "slow", "p").bytes());
        waiting.push(conn);
    }
    let begun = Instant::now();
    for conn in &mut waiting {
        bystander.ping();
        assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x88);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    drop(second);
}

/// An answer that may be remembered is not asked for again while it is, and holds for that question only.
/// GET has everything in its query; a form is a form.
#[test]
fn remembered_and_written_otherwise() {
    let service = Service::start(|asked| match asked.target.contains("bad") {
        true => Said::Reply(
            200,
            "application/x-www-form-urlencoded",
            "result=deny".into(),
        ),
        false => Said::json(&json!({"result": "allow"})),
    });
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut setup = json!({"mechanism": "password_based", "backend": "http", "method": "get",
                           "url": service.url("?u=${username}"), "cache_ttl": "1m",
                           "body": {"p": "${password}"}});
    api.post("/authentication", &setup).expect(200);
    let comes = |user: &str, password: &str| code(&broker, &as_user("c", user, password));
    for _ in 0..3 {
        assert_eq!(comes("a b", "p"), 0);
        assert_eq!(comes("bad", "p"), 0x87);
    }
    let targets = |service: &Service| {
        let asked = service.asked().into_iter();
        asked.map(|asked| asked.target).collect::<Vec<_>>()
    };
    assert_eq!(targets(&service), ["/?u=a%20b&p=p", "/?u=bad&p=p"]);
    assert_eq!(comes("a b", "q"), 0);
    assert_eq!(service.asked().len(), 3, "another question");
    setup["method"] = json!("post");
    setup["headers"] = json!({"content-type": "application/x-www-form-urlencoded"});
    api.put(HTTP, &setup).expect(200);
    assert_eq!(comes("a b", "p&q"), 0);
    let asked = service.asked().pop().unwrap();
    assert_eq!(
        (&*asked.target, &*asked.body),
        ("/?u=a%20b", &b"p=p%26q"[..])
    );
    for (field, value) in [
        ("url", json!("ftp://x/")),
        ("url", json!("http://${username}/")),
        ("url", json!("http://127.0.0.1/${nobody}")),
        ("headers", json!({"content-type": "text/plain"})),
        ("headers", json!({"a b": "c"})),
        ("body", json!({"a": {"b": "c"}})),
        ("request_timeout", json!("0s")),
        ("pool_size", json!(0)),
    ] {
        let mut odd = setup.clone();
        odd[field] = value;
        api.put(HTTP, &odd).expect(400);
    }
}

/// Row H15. Where a back end is can be said over the API, so the broker does not go everywhere: at home not where
/// clouds give away keys, nor to an address that is none; in production only to this machine, or to networks that the
/// settings name, which the API cannot change. What counts is the address behind a name, and nobody is sent elsewhere
/// by an answer. Whoever depends on a back end that is not asked does not come in, and the log says what to do.
#[test]
fn h15_back_ends_are_not_everywhere() {
    const PRODUCTION: &str = "profile=production";
    let service = Service::start(|asked| match asked.target.as_str() {
        "/moved" => {
            Said::Bytes("HTTP/1.1 302 Found\r\nlocation: /allows\r\ncontent-length: 0\r\n\r\n")
        }
        _ => Said::json(&json!({"result": "allow"})),
    });
    let port = service.address().port();
    let at = |host: &str| {
        json!({"mechanism": "password_based", "backend": "http", "method": "post",
               "url": format!("http://{host}:{port}/allows"), "request_timeout": "2s",
               "headers": {"content-type": "application/json"},
               "body": {"username": "${username}", "password": "${password}"}})
    };
    let anna = as_user("c", "anna", "x");
    // Which hosts let a client in.
    let table: [(&[&str], &str, u8); 9] = [
        (&[], "127.0.0.1", 0),
        (&[], "localhost", 0),
        (&[], "0.0.0.0", 0x88),
        (&[], "169.254.169.254", 0x88),
        (&[], "[::ffff:169.254.169.254]", 0x88),
        (&[PRODUCTION], "127.0.0.1", 0),
        (&[PRODUCTION], "192.0.2.77", 0x88),
        (
            &[PRODUCTION, "outbound.networks=10.0.0.0/8"],
            "127.0.0.1",
            0x88,
        ),
        (&["outbound.networks=10.0.0.0/8"], "localhost", 0x88),
    ];
    for (settings, host, due) in table {
        let (broker, mut api) = Broker::signed_in(settings);
        api.post("/authentication", &at(host)).expect(200);
        let before = service.asked().len();
        assert_eq!(code(&broker, &anna), due, "{settings:?} {host}");
        let asked = service.asked().len() - before;
        assert_eq!(asked, usize::from(due == 0), "{settings:?} {host}");
        if due != 0 {
            let line = broker.hears("outbound.networks", PATIENCE);
            assert!(line.contains("TERNMQ__OUTBOUND__NETWORKS"), "{line}");
        }
    }
    let (broker, mut api) = Broker::signed_in(&["outbound.networks=[\"10.0.0.0/8\"]"]);
    let wide = json!({"value": ["0.0.0.0/0"]});
    api.put("/settings/outbound.networks", &wide).expect(400);
    // The same for keys of tokens, rules, databases and directories.
    let before = service.connections();
    let jwks = json!({"mechanism": "jwt", "use_jwks": true,
                      "endpoint": format!("http://127.0.0.1:{port}/keys.json")});
    let redis = json!({"mechanism": "password_based", "backend": "redis", "redis_type": "single",
                       "server": format!("127.0.0.1:{port}"),
                       "database": 0,
                       "cmd": "HMGET u:${username} password_hash",
                       "password_hash_algorithm": {"name": "bcrypt"}});
    let ldap = json!({"mechanism": "password_based", "backend": "ldap",
                      "server": format!("127.0.0.1:{port}"), "username": "cn=x", "password": "y",
                      "base_dn": "dc=x", "filter": "(uid=${username})",
                      "method": {"type": "bind"}});
    for (id, setup) in [
        ("jwt", jwks),
        ("password_based:redis", redis),
        ("password_based:ldap", ldap),
    ] {
        api.post("/authentication", &setup).expect(200);
        let shown = token(&json!({"sub": "anna", "exp": now() + 60}));
        let refused = code(&broker, &as_user("c", "anna", &shown));
        assert!(refused >= 0x80, "{id} {refused}");
        api.delete(&format!("/authentication/{id}")).expect(204);
    }
    let (broker, mut api) = Broker::signed_in(&["outbound.networks=10.0.0.0/8"]);
    let rules = json!({"type": "http", "method": "get", "url": format!("http://127.0.0.1:{port}/?t=${{topic}}")});
    api.post(SOURCES, &rules).expect(204);
    let mut conn = broker.client(V5, "asks");
    assert!(!publishes(&mut conn, "a"));
    assert_eq!(service.connections(), before);

    let (broker, mut api) = Broker::signed_in(&[]);
    let mut moved = at("127.0.0.1");
    moved["url"] = json!(service.url("/moved"));
    api.post("/authentication", &moved).expect(200);
    let before = service.asked().len();
    assert_eq!(code(&broker, &anna), 0x88);
    let asked = service.asked();
    let targets: Vec<_> = asked[before..].iter().map(|asked| &*asked.target).collect();
    assert_eq!(targets, ["/moved"]);
}
