//! Chapter 25: who may come in to the dashboard and the REST API, and under which conditions. Accounts
//! are in the next chapter.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::wire::{Api, Broker, Canary, Http, PASSWORD, Reply};

/// Row H01. On fresh data admin/public signs in from this machine and looks at everything; each call
/// that changes something is refused with the code that says what to do first. Once a password is
/// set, public is gone for good.
#[test]
fn h01_default_password_may_look_and_nothing_else() {
    let mut broker = Broker::start();
    assert!(broker.said().any(|line| line.contains("admin / public")));
    let mut api = broker.api();
    let told = api.sign_in("admin", "public");
    assert_eq!(told["must_set_password"], json!(true));
    assert_eq!(told["license"]["edition"], json!("opensource"));
    let users = api.get("/users").expect(200).json();
    assert_eq!(users[0]["username"], json!("admin"));
    for (method, path) in calls(&document(&broker)) {
        let may = [
            "/login",
            "/logout",
            "/change_pwd",
            "/live/{id}",
            "/authorization/check",
        ];
        if method == "GET" || may.iter().any(|end| path.ends_with(end)) {
            continue;
        }
        let refused = api.raw(&method, &filled(&path), Some("application/json"), b"{}");
        assert_eq!(refused.code(), "SET_PASSWORD_FIRST", "{method} {path}");
        assert_eq!(refused.status, 403, "{method} {path}");
    }

    let change = |old: &str, new: &str| json!({"old_pwd": old, "new_pwd": new});
    let path = "/users/admin/change_pwd";
    for weak in ["public", "Public123", "short-1", "lettersonly"] {
        let refused = api.post(path, &change("public", weak)).expect(400);
        assert_eq!(refused.code(), "BAD_REQUEST");
    }
    let wrong = api.post(path, &change("wrong", PASSWORD)).expect(400);
    assert_eq!(wrong.code(), "ERROR_PWD_NOT_MATCH");
    api.post(path, &change("public", PASSWORD)).expect(204);
    assert_eq!(api.get("/users").expect(401).code(), "BAD_TOKEN");

    broker.kill_and_restart();
    assert!(!broker.said().any(|line| line.contains("admin / public")));
    let mut api = broker.api();
    let default = json!({"username": "admin", "password": "public"});
    let refused = api.post("/login", &default).expect(401);
    assert_eq!(refused.code(), "BAD_USERNAME_OR_PWD");
    let told = api.sign_in("admin", PASSWORD);
    assert_eq!(told["must_set_password"], json!(false));
    let new = json!({"username": "anna", "password": "correct-horse", "description": ""});
    api.post("/users", &new).expect(200);
    let again = api.put(path, &change(PASSWORD, "public")).expect(400);
    assert_eq!(again.code(), "BAD_REQUEST");
}

/// Row H03. With a password of the environment, admin/public never existed.
#[test]
fn h03_password_of_the_environment() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let default = json!({"username": "admin", "password": "public"});
    let refused = broker.api().post("/login", &default).expect(401);
    assert_eq!(refused.code(), "BAD_USERNAME_OR_PWD");
    api.get("/users").expect(200);
}

/// The OpenAPI document as it is served, to nobody in particular.
fn document(broker: &Broker) -> Value {
    let served = broker.api().raw("GET", "/api-docs/swagger.json", None, b"");
    served.expect(200).json()
}

/// Methods and templates of a document.
fn calls(document: &Value) -> Vec<(String, String)> {
    const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];
    let paths = document["paths"].as_object().unwrap();
    let mut calls = Vec::new();
    for (path, item) in paths {
        for method in METHODS.iter().filter(|method| item.get(**method).is_some()) {
            calls.push((method.to_ascii_uppercase(), path.clone()));
        }
    }
    assert!(calls.len() > 30, "{}", calls.len());
    calls
}

/// A template with something for each variable.
fn filled(template: &str) -> String {
    let parts = template
        .split('/')
        .map(|part| if part.starts_with('{') { "admin" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Row H04. Every call of the document, generated from it: without a token, with one that was made
/// up, with one that has ended, and with a dashboard's password as Basic, it is refused with 401
/// wherever it is not public; a viewer may look, and is refused with 403 whatever changes something.
#[test]
fn h04_every_route_asks_who_it_is() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let viewer = json!({"username": "viewer", "password": PASSWORD, "role": "viewer"});
    api.post("/users", &viewer).expect(200);
    let mut viewer = broker.api();
    viewer.sign_in("viewer", PASSWORD);
    let mut ended = broker.api();
    ended.sign_in("viewer", PASSWORD);
    ended
        .post("/logout", &json!({"username": "viewer"}))
        .expect(204);
    let mut made_up = broker.api();
    made_up.bear(&"A".repeat(43));
    let mut basic = broker.api();
    // admin:black-box-7
    let pair = "Basic YWRtaW46YmxhY2stYm94LTc=".to_owned();
    basic.headers.push(("authorization".to_owned(), pair));
    let mut odd = broker.api();
    odd.headers
        .push(("authorization".to_owned(), "Token x".to_owned()));

    let public = |path: &str| {
        path == "/status"
            || path.strip_prefix("/api/v5").is_some_and(|path| {
                let near = path.starts_with("/prometheus/");
                let near = near || path == "/certificate";
                near || path == "/login" || path == "/status" || path.starts_with("/error_codes")
            })
    };
    let body = Some("application/json");
    for (method, path) in calls(&document(&broker)) {
        let at = filled(&path);
        if public(&path) {
            let free = broker.api().raw(&method, &at, body, b"{}");
            assert!(
                ![401, 403].contains(&free.status),
                "{method} {path}: {}",
                free.status
            );
            continue;
        }
        let strangers = [
            (&mut broker.api(), "AUTHORIZATION_HEADER_ERROR"),
            (&mut odd, "AUTHORIZATION_HEADER_ERROR"),
            (&mut made_up, "BAD_TOKEN"),
            (&mut ended, "BAD_TOKEN"),
            (&mut basic, "BAD_API_KEY_OR_SECRET"),
        ];
        for (stranger, code) in strangers {
            let refused = stranger.raw(&method, &at, body, b"{}");
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (401, code),
                "{method} {path}"
            );
        }
        // One's own session, what one's own page shows, a ticket with which a viewer looks, and a question.
        let own = [
            "/logout",
            "/live/{id}",
            "/mqtt_ticket",
            "/authorization/check",
        ];
        let own = own.iter().any(|end| path.ends_with(end));
        let (looks, for_administrators) = (method == "GET", ["/audit", "/data/"]);
        let hidden = for_administrators.iter().any(|part| path.contains(part));
        if !own && (!looks || hidden) {
            let refused = viewer.raw(&method, &at, body, b"{}");
            let told = (refused.status, refused.code());
            assert_eq!(
                told,
                (403, "UNAUTHORIZED_ROLE".to_owned()),
                "{method} {path}"
            );
        }
    }
    viewer.get("/users").expect(200);
    // What does not exist is told to those who are signed in.
    assert_eq!(broker.api().get("/nothing").status, 401);
    assert_eq!(viewer.get("/nothing").expect(404).code(), "NOT_FOUND");
    assert_eq!(
        viewer.delete("/users").expect(403).code(),
        "UNAUTHORIZED_ROLE"
    );
    assert_eq!(
        api.call("PATCH", "/users", None).expect(405).code(),
        "METHOD_NOT_ALLOWED"
    );
}

/// Row H09. A page of another host cannot change anything with the cookie of somebody who is signed
/// in: browsers name the page, a form sends no header of ours, and no form sends JSON. The cookie
/// itself is kept from scripts and from requests of other sites.
#[test]
fn h09_pages_of_others_change_nothing() {
    let (broker, _) = Broker::signed_in(&[]);
    let mut api = broker.api();
    let credentials = json!({"username": "admin", "password": PASSWORD});
    let told = api.post("/login", &credentials).expect(200);
    let cookie = told.header("set-cookie").expect("a cookie").to_owned();
    for part in ["Path=/", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let host = broker.http.to_string();
    let user = json!({"username": "eve", "password": "correct-horse"}).to_string();
    let asked = |method: &str, kind: Option<&str>, headers: &[(&str, &str)]| -> Reply {
        let mut api = broker.api();
        api.headers
            .push(("cookie".to_owned(), format!("a=b; {cookie}")));
        for (name, value) in headers {
            api.headers.push(((*name).to_owned(), (*value).to_owned()));
        }
        let body = if method == "GET" { "" } else { &user };
        api.raw(method, "/api/v5/users", kind, body.as_bytes())
    };
    let json = Some("application/json");
    let by_script = ("x-requested-with", "fetch");
    let own = format!("http://{host}");
    assert_eq!(asked("GET", None, &[]).status, 200);
    // Forms of other pages, with and without their origin.
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
    ] {
        assert_eq!(asked("POST", Some(kind), &[]).status, 401);
        assert_eq!(asked("POST", Some(kind), &[by_script]).status, 415);
        let foreign = asked("POST", Some(kind), &[("origin", "http://evil.example")]);
        assert_eq!(
            (foreign.status, foreign.code().as_str()),
            (403, "FOREIGN_PAGE")
        );
    }
    assert_eq!(asked("POST", json, &[]).status, 401);
    for origin in [
        "http://evil.example",
        "null",
        "http://127.0.0.1:1",
        "file://",
    ] {
        let foreign = asked("POST", json, &[by_script, ("origin", origin)]);
        assert_eq!(foreign.code(), "FOREIGN_PAGE", "{origin}");
        assert_eq!(
            asked("GET", None, &[("origin", origin)]).code(),
            "FOREIGN_PAGE",
            "{origin}"
        );
    }
    for site in ["cross-site", "same-site"] {
        let foreign = asked(
            "GET",
            None,
            &[("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")],
        );
        assert_eq!(foreign.code(), "FOREIGN_PAGE", "{site}");
    }
    assert_eq!(
        asked("POST", json, &[by_script, ("origin", &own)]).status,
        200
    );
    // Nor does a page of others sign anybody in.
    let mut foreign = broker.api();
    foreign
        .headers
        .push(("origin".to_owned(), "http://evil.example".to_owned()));
    assert_eq!(
        foreign.post("/login", &credentials).expect(403).code(),
        "FOREIGN_PAGE"
    );
}

/// Row H10. A name that is not ours is refused, with a page that names the setting for browsers;
/// names that only the owner of this network can make are ours, and those of the setting.
#[test]
fn h10_names_of_others() {
    let (broker, mut api) = Broker::signed_in(&["dashboard.allowed_hosts=[\"mqtt.example.com\"]"]);
    let port = broker.http.port();
    let token = api.headers[0].clone();
    let asked = |host: &str, accept: &str| -> Reply {
        let mut api = broker.api();
        api.headers = vec![token.clone(), ("host".to_owned(), host.to_owned())];
        api.headers.push(("accept".to_owned(), accept.to_owned()));
        api.get("/users")
    };
    for host in [
        "evil.com",
        "evil.com:18083",
        "127.0.0.1.evil.com",
        "localhost.evil.com",
        "a@b",
        "",
    ] {
        let refused = asked(host, "*/*");
        let told = (refused.status, refused.code());
        assert_eq!(told, (421, "MISDIRECTED_REQUEST".to_owned()), "{host}");
    }
    let page = asked("<b>evil.com", "text/html").expect(421).text();
    assert!(
        page.contains("dashboard.allowed_hosts") && page.contains("请用 IP 地址访问"),
        "{page}"
    );
    assert!(page.contains("<code>&lt;b&gt;evil.com</code>"), "{page}");
    let ours = [
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        format!("localhost:{port}"),
        "broker".to_owned(),
        "pi.local".to_owned(),
        "broker.lan:80".to_owned(),
        "mqtt.example.com".to_owned(),
    ];
    for host in &ours {
        assert_eq!(asked(host, "*/*").status, 200, "{host}");
    }
    // Static files and the documentation are behind the same door.
    api.headers = vec![("host".to_owned(), "evil.com".to_owned())];
    for path in ["/", "/api-docs/swagger.json", "/status", "/nothing"] {
        assert_eq!(api.raw("GET", path, None, b"").status, 421, "{path}");
    }
}

/// Row H11. No page of others is allowed to read: there is no CORS, asked for or not.
#[test]
fn h11_no_page_of_others_reads() {
    let (broker, api) = Broker::signed_in(&[]);
    let own = format!("http://{}", broker.http);
    for origin in ["http://evil.example", "null", &own] {
        for method in ["OPTIONS", "GET"] {
            let mut asking = broker.api();
            asking.headers = api.headers.clone();
            asking
                .headers
                .push(("origin".to_owned(), origin.to_owned()));
            let wanted = (
                "access-control-request-method".to_owned(),
                "POST".to_owned(),
            );
            asking.headers.push(wanted);
            for path in ["/api/v5/users", "/api/v5/login", "/"] {
                let told = asking.raw(method, path, None, b"");
                let allowed = told
                    .headers
                    .iter()
                    .find(|(n, _)| n.starts_with("access-control"));
                assert_eq!(allowed, None, "{method} {path} {origin}");
            }
        }
    }
}

/// Row H14. What climbs out of a folder, or is no path at all, is not found.
#[test]
fn h14_paths_that_climb() {
    let broker = Broker::start();
    let long = format!("/{}", "a".repeat(8_000));
    for path in [
        "/..%2f..%2fetc/passwd",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..\\..\\etc\\passwd",
        "/..%5c..%5cetc",
        "/%00",
        "/index.html%00.js",
        "//etc/passwd",
        "/assets/../../Cargo.toml",
        "/api-docs/../../Cargo.toml",
        "/api-docs/%2e%2e/Cargo.toml",
        "/%ff",
        &long,
    ] {
        let told = broker.api().raw("GET", path, None, b"");
        // A path with an octet that no URL has is no request.
        assert!([400, 404].contains(&told.status), "{path}: {}", told.status);
    }
}

/// Row H18. Who is not signed in learns no version, no name of a node and no count; every answer has
/// the headers that keep browsers in bounds.
#[test]
fn h18_strangers_learn_nothing() {
    let broker = Broker::with_password(&[]);
    let _client = broker.v5("somebody-in-particular");
    let version = env!("CARGO_PKG_VERSION");
    let paths = [
        "/",
        "/status",
        "/status?format=json",
        "/api/v5/status",
        "/api/v5/status?format=json",
        "/api/v5/nodes",
        "/api/v5/clients",
        "/api/v5/error_codes",
        "/metrics",
        "/nothing",
        "/api-docs/index.html",
        "/api-docs/swagger.json",
    ];
    for path in paths {
        let told = broker.api().raw("GET", path, None, b"");
        let text = told.text();
        for secret in [version, "in-particular", "ternmq@", "node_name", "rel_vsn"] {
            // The document describes fields of these names; it has no values.
            let described =
                path.ends_with(".json") && secret != version && secret != "in-particular";
            assert!(described || !text.contains(secret), "{path} tells {secret}");
        }
        assert_eq!(told.header("server"), None, "{path}");
        let csp = told.header("content-security-policy").expect("a policy");
        assert!(
            csp.starts_with("default-src 'self'") && !csp.contains("unsafe"),
            "{path}: {csp}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(told.header(name), Some(value), "{path}");
        }
        let is_page = told
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"));
        if is_page {
            for inline in ["<script>", "style=", "onclick", "http://", "https://"] {
                assert!(!text.contains(inline), "{path} has {inline}");
            }
        }
    }
}

/// Row H20, short. Bodies that are too large, too deep or too slow, and more connections than there
/// is room for, are refused or wait; MQTT clients do not notice.
#[test]
fn h20_hostile_bodies_and_crowds() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let canary = Canary::start(broker.tcp);
    let token = format!("{}: {}", api.headers[0].0, api.headers[0].1);
    let head = |path: &str, rest: &str| {
        format!(
            "PUT /api/v5{path} HTTP/1.1\r\nhost: {}\r\n{token}\r\n\
             content-type: application/json\r\n{rest}\r\n\r\n",
            broker.http
        )
    };

    // A gigabyte, announced; an endless one, in chunks.
    let mut large = Http::open(broker.http);
    large
        .send(head("/mqtt/topic_rewrite", "content-length: 1073741824").as_bytes())
        .unwrap();
    let mut endless = Http::open(broker.http);
    endless
        .send(head("/mqtt/topic_rewrite", "transfer-encoding: chunked").as_bytes())
        .unwrap();
    let chunk = format!("10000\r\n{}\r\n", "[".repeat(0x10000));
    for _ in 0..17 {
        let _ = endless.send(chunk.as_bytes());
    }
    // Slow ones, which are waited for below.
    let began = Instant::now();
    let mut slow = Http::open(broker.http);
    slow.send(head("/mqtt/topic_rewrite", "content-length: 10").as_bytes())
        .unwrap();
    slow.send(b"[").unwrap();
    let mut silent = Http::open(broker.http);
    silent.send(b"GET / HT").unwrap();
    assert_eq!(large.receive("PUT").expect("an answer").status, 413);
    assert_eq!(endless.receive("PUT").expect("an answer").status, 413);

    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = api.raw(
        "PUT",
        "/api/v5/mqtt/topic_rewrite",
        Some("application/json"),
        deep.as_bytes(),
    );
    assert_eq!(deep.expect(400).code(), "BAD_REQUEST");
    // Of strangers less is taken.
    let long = json!({"username": "a".repeat(20_000), "password": ""});
    assert_eq!(broker.api().post("/login", &long).status, 413);
    assert_eq!(
        broker
            .api()
            .raw("POST", "/api/v5/login", None, b"PRI * HTTP/2.0")
            .status,
        415
    );

    // More than there is room for: the rest waits in the system's queue, and those that say nothing
    // go when their time is over.
    let idle: Vec<Http> = (0..300).map(|_| Http::open(broker.http)).collect();
    assert_eq!(slow.receive("PUT").expect("an answer").status, 408);
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(9) && took < Duration::from_secs(18),
        "{took:?}"
    );
    let cut = silent.receive("GET");
    assert!(
        cut.is_none_or(|reply| reply.status == 408),
        "a head that never ends"
    );
    let mut late = Api::from(broker.http, Ipv4Addr::new(127, 0, 0, 9));
    assert_eq!(late.get("/status").status, 200);
    drop(idle);
    let (heard, p99) = canary.stop();
    assert!(
        heard > 50 && p99 < Duration::from_secs(1),
        "{heard} messages, p99 {p99:?}"
    );
}

/// The rest of row H20. A user has twenty open streams and no more; one that ends makes room.
#[test]
fn h20_streams_of_one_user() {
    let (broker, api) = Broker::signed_in(&[]);
    let (name, value) = &api.headers[0];
    let request = format!(
        "GET /api/v5/live HTTP/1.1\r\nhost: {}\r\n{name}: {value}\r\n\r\n",
        broker.http
    );
    let open = || {
        let mut http = Http::open(broker.http);
        http.send(request.as_bytes()).unwrap();
        let reply = http.receive_head();
        (http, reply.status)
    };
    let mut streams = Vec::new();
    for _ in 0..20 {
        let (stream, status) = open();
        assert_eq!(status, 200);
        streams.push(stream);
    }
    assert_eq!(open().1, 429);
    streams.pop();
    // That it is gone is noticed with the next event; nobody tells.
    let deadline = Instant::now() + Duration::from_secs(20);
    while open().1 != 200 {
        assert!(
            Instant::now() < deadline,
            "no room after a stream has ended"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Where the dashboard listens at a public address, the log has a link, in `home`, too: whoever has it sets the
/// password from afar, once. What everybody knows is refused there as ever, and works from near.
#[test]
#[cfg(target_os = "linux")]
fn a_link_where_the_address_is_public() {
    use crate::wire::{Machines, fresh_dir};

    let Some(machines) = Machines::new() else {
        return;
    };
    let dir = fresh_dir();
    let mut broker = Broker::under(machines.on_server(), &dir, &["dashboard.bind=0.0.0.0:0"]);
    let link = |broker: &Broker| {
        let line = broker.finds(|line| line.contains("#setup="), Duration::from_secs(5));
        let line = line.expect("a link");
        assert!(line.contains("http://203.0.113.1:"), "{line}");
        let (_, rest) = line.split_once("#setup=").unwrap();
        rest.split(' ').next().unwrap().to_owned()
    };
    let earlier = link(&broker);
    assert!(broker.said().any(|line| line.contains("admin / public")));
    broker.kill_and_restart();
    let secret = link(&broker);
    let port = broker.http.port();
    let far = (Machines::FAR, port).into();
    let near = (Machines::NEAR, port).into();
    let from = Ipv4Addr::new(203, 0, 113, 2);
    machines.as_client(|| {
        let sign_in = |password: &str| {
            let asked = json!({"username": "admin", "password": password});
            Api::from(far, from).post("/login", &asked)
        };
        for wrong in ["public", earlier.as_str()] {
            assert_eq!(sign_in(wrong).expect(403).code(), "ADDRESS_NOT_ALLOWED");
        }
        // Whoever comes from near signs in as before; that session is nothing from afar.
        let mut home = Api::new(near);
        let token = home.sign_in("admin", "public")["token"].clone();
        home.get("/clients").expect(200);
        let mut api = Api::from(far, from);
        api.bear(token.as_str().unwrap());
        api.get("/clients").expect(403);

        let mut api = Api::from(far, from);
        assert_eq!(api.raw("GET", "/", None, b"").status, 200);
        api.get("/clients").expect(403);
        let told = api.sign_in("admin", &secret);
        assert_eq!(told["must_set_password"], true);
        api.get("/clients").expect(200);
        let setting = json!({"value": 7});
        api.put("/settings/mqtt.max_queue", &setting).expect(403);
        let change = json!({"old_pwd": secret, "new_pwd": PASSWORD});
        api.post("/users/admin/change_pwd", &change).expect(204);
        sign_in(&secret).expect(401);
        sign_in("public").expect(401);
        sign_in(PASSWORD).expect(200);
    });
    broker.kill_and_restart();
    assert!(!broker.said().any(|line| line.contains("#setup=")));
    drop(broker);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Row H02. From a public address nobody gets in while everybody knows the password: neither page
/// nor call, and both say what to run on the server. Once the address is trusted it is like a local
/// one, also after a restart; once a password is set, others sign in with that one.
#[test]
#[cfg(target_os = "linux")]
fn h02_public_addresses() {
    use crate::wire::{Machines, binary, fresh_dir};

    let Some(machines) = Machines::new() else {
        return;
    };
    let dir = fresh_dir();
    let mut broker = Broker::under(
        machines.on_server(),
        &dir,
        &["dashboard.bind=192.168.77.1:0"],
    );
    assert!(!broker.said().any(|line| line.contains("#setup=")));
    let note = broker.finds(
        |line| line.contains("is no private address"),
        Duration::from_secs(5),
    );
    let note = note.expect("a line on the machine's own address");
    assert!(
        note.contains("203.0.113.1") && note.contains("ternmq ctl trust 203.0.113.0/24"),
        "{note}"
    );
    let default = json!({"username": "admin", "password": "public"});
    let from = |host: u8| Ipv4Addr::new(203, 0, 113, host);

    let at = broker.http;
    machines.as_client(|| {
        let mut api = Api::from(at, from(2));
        let refused = api.post("/login", &default).expect(403);
        assert_eq!(refused.code(), "ADDRESS_NOT_ALLOWED");
        let words = refused.text();
        for word in [
            "203.0.113.2",
            "ternmq ctl trust 203.0.113.2",
            "ternmq reset-password",
        ] {
            assert!(words.contains(word), "{words}");
        }
        assert_eq!(api.get("/users").expect(403).code(), "ADDRESS_NOT_ALLOWED");
        // Probes learn that it runs.
        assert_eq!(api.raw("GET", "/status", None, b"").status, 200);
        api.headers
            .push(("accept".to_owned(), "text/html,*/*".to_owned()));
        let page = api.raw("GET", "/", None, b"").expect(403).text();
        for word in ["<code>203.0.113.2</code>", "局域网", "your address"] {
            assert!(page.to_lowercase().contains(word), "{page}");
        }
        // To say that one comes from near does not help.
        let claimed = ("x-forwarded-for".to_owned(), "127.0.0.1".to_owned());
        api.headers.push(claimed);
        api.post("/login", &default).expect(403);
    });

    let mut command = machines.on_server();
    command.push(binary().display().to_string());
    command.extend(["ctl", "trust", "203.0.113.2", "--data-dir"].map(str::to_owned));
    let done = std::process::Command::new(&command[0])
        .args(&command[1..])
        .arg(&dir)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let change = json!({"old_pwd": "public", "new_pwd": PASSWORD});
    for restarted in [false, true] {
        if restarted {
            broker.kill_and_restart();
        }
        let at = broker.http;
        machines.as_client(|| {
            let mut api = Api::from(at, from(2));
            api.sign_in("admin", "public");
            api.get("/users").expect(200);
            Api::from(at, from(3)).post("/login", &default).expect(403);
            if restarted {
                api.post("/users/admin/change_pwd", &change).expect(204);
            }
        });
    }
    let at = broker.http;
    machines.as_client(|| {
        let mut api = Api::from(at, from(3));
        assert_eq!(api.raw("GET", "/", None, b"").status, 200);
        let wrong = api.post("/login", &default).expect(401);
        assert_eq!(wrong.code(), "BAD_USERNAME_OR_PWD");
        api.sign_in("admin", PASSWORD);
        api.get("/users").expect(200);
        // Metrics are for who is near, or signed in.
        assert_eq!(Api::from(at, from(3)).get("/prometheus/stats").status, 401);
    });
    drop(broker);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// A proxy on this machine makes everybody look near; what it tells of them is heard, but only ever
/// makes them farther.
#[test]
fn behind_a_proxy() {
    let broker = Broker::start();
    let default = json!({"username": "admin", "password": "public"});
    for (name, value, status) in [
        ("x-forwarded-for", "203.0.113.9", 403),
        ("x-forwarded-for", "127.0.0.1, 203.0.113.9", 403),
        ("x-forwarded-for", "203.0.113.9, 192.168.1.7", 200),
        ("x-forwarded-for", "nobody", 403),
        ("forwarded", "for=127.0.0.1", 403),
    ] {
        let mut api = broker.api();
        api.headers.push((name.to_owned(), value.to_owned()));
        assert_eq!(
            api.post("/login", &default).status,
            status,
            "{name}: {value}"
        );
    }
}
