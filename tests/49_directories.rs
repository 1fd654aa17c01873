//! Chapter 49: users in a directory, which is OpenLDAP's slapd as the system has it. It allows, denies, stands
//! still, talks nonsense, is down and comes back, and is spoken to over TLS; and names that mean harm find
//! nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::authenticate::{self, code, comes, is_back, is_down, only_root_may};
use crate::connection_log::{told, until};
use crate::servers::{Directory, READER_PASSWORD as CANARY, ROOT};
use crate::wire::{Api, Broker, Connect, Kind, V5, V311};

const LDAP: &str = "/authentication/password_based:ldap";
/// `public` with the salt `salt`, by SHA-1.
const SSHA: &str = "{SSHA}Q+cYNAZ9Wdg66TS7gGcBeLgQub5zYWx0";
/// And by SHA-512, without one.
const SHA512: &str = "{SHA512}0ymX6XR7ZaPs9luCUzpMhDxOFt0wzzcejIGrYKNB3gAFHaQi1B/ynFVpXyM6Hgb6yLea6wpNka5dPRjI4JuMcw==";
/// How long the directory may take to answer.
const LIMIT: Duration = Duration::from_secs(1);

/// An entry of a person, with lines of its own.
fn person(place: &str, name: &str, more: &str) -> String {
    format!(
        "dn: uid={name},{place}\nobjectClass: inetOrgPerson\nobjectClass: mqttUser\nuid: {name}\n\
         cn: {name}\nsn: {name}\n{more}\n\n"
    )
}

/// Below `ou=devices` are `anna`, `root` who may everything, `carl` with another hash, `eve` in a place of her own,
/// `odd` with a password that nobody reads, `bare` without one and two called `twin`; `ou=moved` is elsewhere.
fn entries() -> String {
    let devices = format!("ou=devices,{ROOT}");
    let unit = |place: &str, name: &str| {
        format!("dn: {place}\nobjectClass: organizationalUnit\nou: {name}\n\n")
    };
    let inner = format!("ou=inner,{devices}");
    let ssha = format!("userPassword: {SSHA}");
    [
        unit(&devices, "devices"),
        unit(&inner, "inner"),
        person(&devices, "anna", &format!("{ssha}\nmail: anna@example.com")),
        person(&devices, "root", &format!("{ssha}\nisSuperuser: TRUE")),
        person(&devices, "carl", &format!("userPassword: {SHA512}")),
        person(&inner, "eve", &ssha),
        person(&devices, "odd", "userPassword: {ODD}x"),
        person(&devices, "bare", "mail: bare@example.com"),
        person(&devices, "twin", &ssha),
        person(&inner, "twin", &ssha),
        format!(
            "dn: ou=moved,{ROOT}\nobjectClass: referral\nobjectClass: extensibleObject\nou: moved\n\
             ref: ldap://127.0.0.1:1/ou=moved,{ROOT}\n"
        ),
    ]
    .concat()
}

fn setup(directory: &Directory, kind: &str) -> Value {
    json!({"mechanism": "password_based", "backend": "ldap", "server": directory.address(),
           "username": format!("cn=ternmq,{ROOT}"), "password": CANARY, "pool_size": 2,
           "base_dn": format!("ou=devices,{ROOT}"),
           "filter": "(& (objectClass=mqttUser) (uid=${username}))",
           "query_timeout": "1s", "method": {"type": kind}})
}

fn with(setup: &Value, field: &str, value: Value) -> Value {
    let mut setup = setup.clone();
    setup[field] = value;
    setup
}

/// What the broker says is wrong with it.
fn trouble(api: &mut Api) -> String {
    let error = authenticate::trouble(api, LDAP, CANARY);
    assert!(!error.contains("public"), "{error}");
    error
}

/// Names that would find somebody if they were more than a value, or that a directory takes for another.
const STRANGERS: [&str; 14] = [
    "bert",
    "*",
    "a*",
    "anna)(uid=*",
    "*)(|(uid=*",
    "anna)(&)",
    "\\61nna",
    "anna,ou=devices",
    "eve,ou=inner",
    "anna+cn=anna",
    "ANNA",
    " anna",
    "anna ",
    "${clientid}",
];

/// The story of both ways to try a password.
fn story(directory: &mut Directory, setup: &Value) {
    let (broker, mut api) = Broker::signed_in(&[]);
    let made = api.post("/authentication?anonymous=keep", setup);
    let made = made.expect(200).json();
    assert_eq!(made["password"], "******");
    assert_eq!(made["method"]["type"], setup["method"]["type"]);
    let all = api.get("/authentication").expect(200).text();
    assert!(!all.contains(CANARY));
    let built_in = json!({"mechanism": "password_based", "backend": "built_in_database"});
    api.post("/authentication", &built_in).expect(200);
    for _ in 0..3 {
        assert_eq!(comes(&broker, "anna", "public"), 0);
        assert_eq!(comes(&broker, "anna", "wrong"), 0x86);
    }
    let connect = Connect::new(V311, "c").user("anna").password(b"public");
    assert_eq!(code(&broker, &connect), 0);
    // To a name without a password this server says yes.
    assert_eq!(comes(&broker, "anna", ""), 0x86);
    assert_eq!(code(&broker, &Connect::new(V5, "c").user("anna")), 0x86);
    told(&mut api, "wrong_password", "0x86");
    for stranger in STRANGERS {
        for password in ["public", ""] {
            assert_eq!(comes(&broker, stranger, password), 0x86, "{stranger:?}");
        }
    }
    told(&mut api, "unknown_user", "0x86");
    only_root_may(&broker, &mut api);
    // Two entries are nobody, whosever password it is; who is right still comes in.
    assert_eq!(comes(&broker, "twin", "public"), 0x88);
    assert!(trouble(&mut api).contains("more than one"));
    told(&mut api, "authenticator_failed", "0x88");
    assert_eq!(comes(&broker, "anna", "public"), 0);
    slow(directory, &broker);
    // Down, and there again.
    directory.stop();
    is_down(&broker, &mut api, LDAP);
    directory.go_on();
    is_back(&broker, "it is asked again");
    by_name(&broker, &mut api, setup);
    by_client_id(&broker, &mut api, setup);
    wrong_ways(&broker, &mut api, setup);
}

/// Whoever asks while the directory stands still is refused in time, and nobody whom it does not know waits.
fn slow(directory: &Directory, broker: &Broker) {
    directory.pause();
    let mut waits = broker.open(V5);
    let begun = Instant::now();
    let connect = Connect::new(V5, "slow").user("anna").password(b"public");
    waits.send(&connect.bytes());
    let mut other = broker.v5("other");
    assert_eq!(crate::authorize::asks(&mut other, "t", 1), 0x87);
    let others = begun.elapsed();
    assert_eq!(waits.read_kind(Kind::ConnAck).code, 0x88);
    let took = begun.elapsed();
    println!("figure: others waited {others:?} while a directory took {took:?}");
    assert!(others < LIMIT && took >= LIMIT && took < 3 * LIMIT);
    directory.resume();
    is_back(broker, "it goes on");
}

/// The entry by its name, as EMQX finds it, and by one of two attributes.
fn by_name(broker: &Broker, api: &mut Api, setup: &Value) {
    let base = json!(format!("uid=${{username}},ou=devices,{ROOT}"));
    let mut named = with(setup, "base_dn", base);
    named["filter"] = json!("(objectClass=mqttUser)");
    api.put(LDAP, &named).expect(200);
    assert_eq!(comes(broker, "anna", "public"), 0);
    assert_eq!(comes(broker, "anna", "wrong"), 0x86);
    for stranger in STRANGERS {
        assert_eq!(comes(broker, stranger, "public"), 0x86, "{stranger:?}");
    }
    let either = json!("(|(uid=${username})(mail=${username}))");
    api.put(LDAP, &with(setup, "filter", either)).expect(200);
    for user in ["anna", "anna@example.com"] {
        assert_eq!(comes(broker, user, "public"), 0, "{user}");
    }
    assert_eq!(comes(broker, "Anna@example.com", "public"), 0x86);
    api.put(LDAP, setup).expect(200);
}

/// By client id, a client is that and not whom it says that it is: its rights are those of the entry found.
fn by_client_id(broker: &Broker, api: &mut Api, setup: &Value) {
    let by_id = json!("(uid=${clientid})");
    api.put(LDAP, &with(setup, "filter", by_id)).expect(200);
    let claims = Connect::new(V5, "anna").user("root").password(b"public");
    let mut conn = broker.connect(&claims);
    assert_eq!(crate::authorize::asks(&mut conn, "t", 1), 0x87);
    let other = Connect::new(V5, "root").user("anna").password(b"wrong");
    assert_eq!(code(broker, &other), 0x86);
    api.put(LDAP, setup).expect(200);
}

/// Referrals, wrong passwords of the broker's own, and set-ups that mean nothing.
fn wrong_ways(broker: &Broker, api: &mut Api, setup: &Value) {
    for base in [ROOT.to_owned(), format!("ou=moved,{ROOT}")] {
        api.put(LDAP, &with(setup, "base_dn", json!(base)))
            .expect(200);
        assert_eq!(comes(broker, "anna", "public"), 0x88, "{base}");
        let error = trouble(api);
        assert!(error.contains("refers to another server"), "{error}");
    }
    let nowhere = format!("ou=nowhere,{ROOT}");
    api.put(LDAP, &with(setup, "base_dn", json!(nowhere)))
        .expect(200);
    assert_eq!(comes(broker, "anna", "public"), 0x88);
    assert!(trouble(api).contains("noSuchObject"));
    let own = |name: &str| json!({"type": name});
    for (field, value) in [
        ("server", json!("ldap://a")),
        ("pool_size", json!(0)),
        ("base_dn", json!(null)),
        ("base_dn", json!("ou=${odd}")),
        ("filter", json!("uid=${username}")),
        ("filter", json!("(uid=anna)")),
        ("filter", json!("(userPassword=${password})")),
        ("password", json!("")),
        ("method", json!("get")),
        ("method", own("odd")),
        ("method", json!({"type": "bind", "bind_password": "x"})),
        ("ssl", json!({"enable": true, "verify": "verify_none"})),
        ("ssl", json!({"enable": false, "start_tls": true})),
    ] {
        api.put(LDAP, &with(setup, field, value)).expect(400);
    }
    // The password is not shown, and stays; what was answered is remembered, where that is wanted.
    let mut kept = with(setup, "password", json!("******"));
    kept["cache_ttl"] = json!("1m");
    api.put(LDAP, &kept).expect(200);
    assert_eq!(comes(broker, "anna", "public"), 0);
    assert_eq!(comes(broker, "anna", "wrong"), 0x86);
    assert_eq!(comes(broker, "anna", ""), 0x86);
    api.put(LDAP, &with(setup, "password", json!("wrong")))
        .expect(200);
    assert_eq!(comes(broker, "anna", "public"), 0x88);
    let error = trouble(api);
    assert!(
        error.contains("username and password: invalidCredentials"),
        "{error}"
    );
}

/// Passwords compared here, by what the entry has.
#[test]
fn a15_users_in_a_directory_by_their_hashes() {
    let mut directory = Directory::start(&entries());
    let setup = setup(&directory, "hash");
    let (broker, mut api) = Broker::signed_in(&[]);
    api.post("/authentication", &setup).expect(200);
    assert_eq!(comes(&broker, "carl", "public"), 0);
    assert_eq!(comes(&broker, "carl", "wrong"), 0x86);
    for (user, due) in [("odd", "{ODD}"), ("bare", "userPassword")] {
        assert_eq!(comes(&broker, user, "x"), 0x88);
        let error = trouble(&mut api);
        assert!(error.contains(due), "{error}");
    }
    drop(broker);
    story(&mut directory, &setup);
}

/// Passwords compared by the directory, which shows nobody any.
#[test]
fn a15_users_in_a_directory_by_signing_in() {
    let mut directory = Directory::start(&entries());
    let setup = setup(&directory, "bind");
    let (broker, mut api) = Broker::signed_in(&[]);
    api.post("/authentication", &setup).expect(200);
    // It cannot compare either, and says so as of a wrong one.
    for user in ["odd", "bare"] {
        for password in ["x", ""] {
            assert_eq!(comes(&broker, user, password), 0x86, "{user}");
        }
    }
    drop(broker);
    story(&mut directory, &setup);
}

/// Over TLS, begun at once or on the port without it: trusted by its authority and for its name, and not
/// otherwise; without TLS nobody is found.
#[test]
fn a15_a_directory_over_tls() {
    let directory = Directory::start(&entries());
    let (broker, mut api) = Broker::signed_in(&[]);
    let reader = json!(format!("cn=secure,{ROOT}"));
    let plain = with(&setup(&directory, "bind"), "username", reader);
    let mut open = true;
    for (server, start_tls) in [
        (directory.secure_address(), false),
        (directory.address(), true),
    ] {
        let mut good = with(&plain, "server", json!(server));
        good["ssl"] = json!({"enable": true, "start_tls": start_tls,
                             "cacertfile": directory.path("own.pem")});
        if std::mem::take(&mut open) {
            api.post("/authentication", &good).expect(200);
        }
        let shown = api.put(LDAP, &good).expect(200).json();
        assert_eq!(shown["ssl"]["start_tls"], start_tls);
        assert_eq!(comes(&broker, "anna", "public"), 0);
        assert_eq!(comes(&broker, "anna", "wrong"), 0x86);
        for (field, value) in [
            ("cacertfile", json!(directory.path("stranger.pem"))),
            ("server_name_indication", json!("other.example")),
        ] {
            let mut odd = good.clone();
            odd["ssl"][field] = value;
            api.put(LDAP, &odd).expect(200);
            assert_eq!(comes(&broker, "anna", "public"), 0x88, "{field}");
            assert!(trouble(&mut api).starts_with("TLS: "));
        }
    }
    api.put(LDAP, &plain).expect(200);
    assert_ne!(comes(&broker, "anna", "public"), 0, "it wants TLS");
}

/// A server that answers every connection so, until the test ends.
fn answering(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut asked = [0; 1024];
            let _ = stream.read(&mut asked);
            let _ = stream.write_all(bytes);
        }
    });
    port
}

/// Whatever is behind the address: nobody comes in, and the broker lives.
#[test]
fn a15_a_directory_that_talks_nonsense() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let table: [&[u8]; 10] = [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        // Lengths without end, beyond any bound, and beyond what comes.
        b"\x30\x80\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00\x00\x00",
        b"\x30\x84\xff\xff\xff\xff\x02\x01\x01",
        b"\x30\x0c\x02\x01\x01\x65\x7f\x0a\x01\x00\x04\x00\x04\x00",
        // A success to another request, to a bind, and of no code.
        b"\x30\x0c\x02\x01\x09\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
        b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
        b"\x30\x0b\x02\x01\x01\x65\x06\x0a\x00\x04\x00\x04\x00",
        // An entry without a name to sign in by, and the end of the connection announced.
        b"\x30\x14\x02\x01\x01\x64\x0f\x04\x00\x30\x0b\x30\x09\x04\x03uid\x31\x02\x04\x00",
        b"\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00",
    ];
    let mut is_first = true;
    for kind in ["hash", "bind"] {
        for bytes in table {
            let setup = json!({"mechanism": "password_based", "backend": "ldap",
                "server": format!("127.0.0.1:{}", answering(bytes)), "base_dn": ROOT,
                "filter": "(uid=${username})", "request_timeout": "500ms",
                "method": {"type": kind}});
            if std::mem::take(&mut is_first) {
                api.post("/authentication", &setup).expect(200);
            }
            api.put(LDAP, &setup).expect(200);
            assert_eq!(comes(&broker, "anna", "public"), 0x88, "{bytes:?}");
            let error = trouble(&mut api);
            assert!(!error.is_empty());
        }
    }
}
