//! Chapter 47: clients that prove by SCRAM that they know their password, without showing it (MQTT 5.0 4.12,
//! RFC 5802, RFC 7677). Their side is written here anew.

use std::fs;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use crate::authenticate::code;
use crate::connection_log::{told, until};
use crate::wire::{
    Api, Broker, Conn, Connect, Kind, PASSWORD, Packet, Publish, V5, V311, packet, prop, subscribe,
    varint,
};

const SCRAM: &str = "/authentication/scram:built_in_database";
const SECRET: &str = "canary-of-anna";

/// A hash function, by what of it the client needs.
#[derive(Clone, Copy)]
struct Method {
    name: &'static str,
    salted: fn(&[u8], &[u8], u32) -> Vec<u8>,
    mac: fn(&[u8], &[u8]) -> Vec<u8>,
    hash: fn(&[u8]) -> Vec<u8>,
}

const SHA_256: Method = Method {
    name: "SCRAM-SHA-256",
    salted: |password, salt, rounds| {
        let mut out = vec![0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut out);
        out
    },
    mac: |key, message| {
        let mac = <Hmac<Sha256>>::new_from_slice(key).unwrap();
        mac.chain_update(message).finalize().into_bytes().to_vec()
    },
    hash: |bytes| Sha256::digest(bytes).to_vec(),
};

const SHA_512: Method = Method {
    name: "SCRAM-SHA-512",
    salted: |password, salt, rounds| {
        let mut out = vec![0; 64];
        pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut out);
        out
    },
    mac: |key, message| {
        let mac = <Hmac<Sha512>>::new_from_slice(key).unwrap();
        mac.chain_update(message).finalize().into_bytes().to_vec()
    },
    hash: |bytes| Sha512::digest(bytes).to_vec(),
};

/// The client's end of an exchange.
struct Prover {
    method: Method,
    password: &'static str,
    bare: String,
    /// What the broker has to say in the end.
    due: String,
}

impl Prover {
    fn new(method: Method, name: &str, password: &'static str) -> Self {
        Self {
            method,
            password,
            bare: format!("n={name},r=fyko+d2lbbFgONRv9qkxdawL"),
            due: String::new(),
        }
    }

    fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    fn with(&self, connect: Connect) -> Connect {
        let connect = connect.prop(prop::text(prop::AUTHENTICATION_METHOD, self.method.name));
        connect.prop(prop::data(
            prop::AUTHENTICATION_DATA,
            self.first().as_bytes(),
        ))
    }

    fn auth(&self, reason: u8, data: &str) -> Vec<u8> {
        auth(reason, self.method.name, data.as_bytes())
    }

    /// The answer to what the broker asks in an AUTH.
    #[track_caller]
    fn answer(&mut self, asked: &Packet) -> Vec<u8> {
        assert_eq!(asked.code, 0x18, "[MQTT-4.12.0-2]");
        let named = asked.props.text(prop::AUTHENTICATION_METHOD);
        assert_eq!(named, Some(self.method.name), "[MQTT-4.12.0-5]");
        let asked = asked.props.data(prop::AUTHENTICATION_DATA).unwrap();
        let asked = String::from_utf8(asked.to_vec()).unwrap();
        let field = |key: &str| asked.split(',').find_map(|f| f.strip_prefix(key)).unwrap();
        let salt = BASE64.decode(field("s=")).unwrap();
        let Method {
            salted, mac, hash, ..
        } = self.method;
        let salted = salted(
            self.password.as_bytes(),
            &salt,
            field("i=").parse().unwrap(),
        );
        let last = format!("c=biws,r={}", field("r="));
        let message = format!("{},{asked},{last}", self.bare);
        let key = mac(&salted, b"Client Key");
        let signature = mac(&hash(&key), message.as_bytes());
        let proof: Vec<u8> = key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let due = mac(&mac(&salted, b"Server Key"), message.as_bytes());
        self.due = format!("v={}", BASE64.encode(due));
        self.auth(0x18, &format!("{last},p={}", BASE64.encode(proof)))
    }

    /// The broker has shown that it knows the password, too.
    #[track_caller]
    fn is_answered(&self, last: &Packet) {
        assert_eq!(last.code, 0, "{last:?}");
        let named = last.props.text(prop::AUTHENTICATION_METHOD);
        assert_eq!(named, Some(self.method.name), "[MQTT-4.12.0-5]");
        let data = last.props.data(prop::AUTHENTICATION_DATA);
        assert_eq!(data, Some(self.due.as_bytes()));
    }

    /// Connects; what comes in the end.
    #[track_caller]
    fn comes(&mut self, conn: &mut Conn, connect: Connect) -> Packet {
        conn.send(&self.with(connect).bytes());
        let asked = conn.read_kind(Kind::Auth);
        let answer = self.answer(&asked);
        conn.send(&answer);
        conn.read_kind(Kind::ConnAck)
    }
}

fn auth(reason: u8, method: &str, data: &[u8]) -> Vec<u8> {
    let properties = [
        prop::text(prop::AUTHENTICATION_METHOD, method),
        prop::data(prop::AUTHENTICATION_DATA, data),
    ]
    .concat();
    let length = u32::try_from(properties.len()).expect("a few letters");
    packet(0xF0, &[&[reason], &varint(length), &properties])
}

/// A broker with `anna`, who is called so in no other way.
fn with_anna(algorithm: &str, settings: &[&str]) -> (Broker, Api) {
    let (broker, mut api) = Broker::signed_in(settings);
    let setup = json!({"mechanism": "scram", "backend": "built_in_database",
                       "algorithm": algorithm, "iteration_count": 4096});
    let made = api.post("/authentication", &setup).expect(200).json();
    assert_eq!(made["id"], "scram:built_in_database");
    assert_eq!(
        (&made["algorithm"], &made["iteration_count"]),
        (&json!(algorithm), &json!(4096))
    );
    add(&mut api, "anna", SECRET);
    (broker, api)
}

fn add(api: &mut Api, name: &str, password: &str) {
    let user = json!({"user_id": name, "password": password});
    api.post(&format!("{SCRAM}/users"), &user).expect(201);
}

fn anna(method: Method) -> Prover {
    Prover::new(method, "anna", SECRET)
}

fn refused(broker: &Broker, mut prover: Prover, connect: Connect) -> u8 {
    let mut conn = broker.open(V5);
    let code = prover.comes(&mut conn, connect).code;
    conn.expect_closed();
    code
}

/// Both methods let in who knows the password, over TCP, WebSocket and through a mountpoint, byte by byte if
/// need be, and show that the broker knows it. The client is known by the name that it has proven.
/// [MQTT-4.12.0-1] [MQTT-4.12.0-2] [MQTT-4.12.0-5]
#[test]
fn by_either_hash() {
    for (algorithm, method, other) in [("sha256", SHA_256, SHA_512), ("sha512", SHA_512, SHA_256)] {
        let (broker, mut api) = with_anna(
            algorithm,
            &[
                "listeners.tcp.lab.bind=127.0.0.1:0",
                "listeners.tcp.lab.mountpoint=lab/",
            ],
        );
        let mut conn = broker.open(V5);
        let mut prover = anna(method);
        let connack = prover.comes(&mut conn, Connect::new(V5, "c1"));
        prover.is_answered(&connack);
        conn.ping();
        let client = api.get("/clients/c1").expect(200).json();
        assert_eq!(client["username"], "anna");
        let mut web = Conn::open_web(broker.ws, V5);
        let connack = prover.comes(&mut web, Connect::new(V5, "").user("anna"));
        prover.is_answered(&connack);
        assert!(connack.props.text(prop::ASSIGNED_CLIENT_ID).is_some());
        let mut lab = Conn::open(broker.listens("tcp:lab"), V5);
        let connack = prover.comes(&mut lab, Connect::new(V5, "c3"));
        prover.is_answered(&connack);
        web.subscribe("lab/t", 0);
        lab.publish(&Publish::new("t", "x"));
        web.receive_this("lab/t", "x");
        // In pieces, and with something behind it.
        let mut slow = broker.open(V5);
        slow.send(&prover.with(Connect::new(V5, "c4")).bytes());
        let asked = slow.read_kind(Kind::Auth);
        let mut answer = prover.answer(&asked);
        answer.extend(subscribe(V5, 7, &[("t", 1)]));
        for byte in answer {
            slow.send(&[byte]);
        }
        prover.is_answered(&slow.read_kind(Kind::ConnAck));
        assert_eq!(slow.read_kind(Kind::SubAck).codes, [1]);
        // The other method is none here.
        let connect = anna(other).with(Connect::new(V5, "c5"));
        assert_eq!(code(&broker, &connect), 0x8C);
        told(&mut api, "authentication_method", "0x8c");
        let status = api.get(&format!("{SCRAM}/status")).expect(200).json();
        assert_eq!(status["metrics"]["success"], 4);
    }
}

/// A wrong password and a user who does not exist look the same, up to the end and in the end; nobody comes in
/// by another's name, or by showing a password instead.
#[test]
fn nobody_else_comes_in() {
    let (broker, mut api) = with_anna("sha256", &[]);
    let wrong = |name| Prover::new(SHA_256, name, "wrong");
    assert_eq!(refused(&broker, wrong("anna"), Connect::new(V5, "c")), 0x86);
    told(&mut api, "wrong_password", "0x86");
    assert_eq!(refused(&broker, wrong("bert"), Connect::new(V5, "c")), 0x86);
    told(&mut api, "unknown_user", "0x86");
    let named = Connect::new(V5, "c").user("root");
    assert_eq!(refused(&broker, anna(SHA_256), named), 0x86);
    let shown = Connect::new(V5, "c")
        .user("anna")
        .password(SECRET.as_bytes());
    assert_eq!(code(&broker, &shown), 0x86);
    // What both are asked: another nonce each time, and always the same salt.
    let asked = |name: &str| {
        let mut conn = broker.open(V5);
        let prover = Prover::new(SHA_256, name, "");
        conn.send(&prover.with(Connect::new(V5, "c")).bytes());
        let asked = conn.read_kind(Kind::Auth);
        let data = asked
            .props
            .data(prop::AUTHENTICATION_DATA)
            .unwrap()
            .to_vec();
        let text = String::from_utf8(data).unwrap();
        let (nonce, rest) = text.split_once(",s=").unwrap();
        (nonce.to_owned(), rest.to_owned())
    };
    for name in ["anna", "bert"] {
        let (one, two) = (asked(name), asked(name));
        assert!(one.0 != two.0 && one.0.len() == two.0.len());
        assert_eq!(one.1, two.1);
        assert_eq!(one.1.len(), "W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".len());
    }
}

/// What is no message of the method, or comes out of turn, ends the connection. [MQTT-3.1.2-30]
/// [MQTT-4.12.0-3] [MQTT-4.12.0-4]
#[test]
fn against_the_rules() {
    let (broker, mut api) = with_anna("sha256", &[]);
    let begins = |data: &str| {
        let method = prop::text(prop::AUTHENTICATION_METHOD, SHA_256.name);
        let data = prop::data(prop::AUTHENTICATION_DATA, data.as_bytes());
        code(&broker, &Connect::new(V5, "c").prop(method).prop(data))
    };
    for data in ["", "n,,", "p=tls-unique,,n=anna,r=x", "n,a=root,n=anna,r=x"] {
        assert_eq!(begins(data), 0x86, "{data}");
    }
    told(&mut api, "authentication_data", "0x86");
    let challenged = || {
        let mut conn = broker.open(V5);
        conn.send(&anna(SHA_256).with(Connect::new(V5, "c")).bytes());
        let asked = conn.read_kind(Kind::Auth);
        let answer = anna(SHA_256).answer(&asked);
        (conn, answer)
    };
    let mut repeated = challenged().1;
    repeated.truncate(repeated.len() - 4);
    repeated.extend(b"AAA=");
    for (bytes, due) in [
        (auth(0x18, SHA_256.name, b"c=biws,r=other,p=AAAA"), 0x86),
        (repeated, 0x86),
        (auth(0x18, SHA_512.name, b"x"), 0x82),
        (auth(0, SHA_256.name, b"x"), 0x82),
        (subscribe(V5, 7, &[("t", 0)]), 0x82),
    ] {
        let (mut conn, _) = challenged();
        conn.send(&bytes);
        assert_eq!(conn.read_kind(Kind::ConnAck).code, due, "{bytes:02x?}");
        conn.expect_closed();
    }
    // Gone in between, and silent.
    drop(challenged());
    let (mut conn, _) = challenged();
    conn.send(&packet(0xE0, &[&[0, 0]]));
    conn.read_raw_to_end();
}

/// The same where topics have a mountpoint, and where packets are taken apart for it: what is no answer is not
/// kept, however long it says it is, and leads nowhere.
#[test]
fn against_the_rules_below_a_mountpoint() {
    let settings = [
        "listeners.tcp.lab.bind=127.0.0.1:0",
        "listeners.tcp.lab.mountpoint=lab/",
    ];
    let (broker, mut api) = with_anna("sha256", &settings);
    let mut reader = broker.open(V5);
    let connack = anna(SHA_256).comes(&mut reader, Connect::new(V5, "reader"));
    assert_eq!(connack.code, 0);
    reader.subscribe("#", 0);
    let publish = Publish::new("outside", "x").bytes(V5);
    // AUTH of 255 MiB, and one byte of it.
    let endless = [0xF0, 0xFF, 0xFF, 0xFF, 0x7F, 0x18];
    for (bytes, due) in [
        (&publish[..], 0x82),
        (&endless, 0x95),
        (&auth(0x18, SHA_256.name, b"c=biws,r=other,p=AAAA"), 0x86),
    ] {
        let mut conn = Conn::open(broker.listens("tcp:lab"), V5);
        conn.send(&anna(SHA_256).with(Connect::new(V5, "c")).bytes());
        conn.read_kind(Kind::Auth);
        conn.send(bytes);
        assert_eq!(conn.read_kind(Kind::ConnAck).code, due, "{bytes:02x?}");
        conn.expect_closed();
    }
    reader.ping();
    let counted = || {
        let metrics = api.get("/metrics?aggregate=true").expect(200).json();
        let auth = ["sent", "received"].map(|way| metrics[format!("packets.auth.{way}")].as_u64());
        (auth == [Some(4), Some(2)]).then_some(())
    };
    until(counted, "all of it is counted");
}

/// A user who is shut out does not come in by leaving the name out of CONNECT.
#[test]
fn banned_by_the_name_that_is_proven() {
    let (broker, mut api) = with_anna("sha256", &[]);
    let ban = json!({"as": "username", "who": "anna", "reason": "lost", "by": "admin"});
    api.post("/banned", &ban).expect(200);
    assert_eq!(refused(&broker, anna(SHA_256), Connect::new(V5, "c")), 0x8A);
    let named = anna(SHA_256).with(Connect::new(V5, "c").user("anna"));
    assert_eq!(code(&broker, &named), 0x8A);
}

/// It does not matter how a letter of a name or password was typed (SASLprep). A user whose name has another form
/// could not be found.
#[test]
fn letters_in_one_form() {
    let (broker, mut api) = with_anna("sha256", &[]);
    add(
        &mut api,
        "\u{660e}\u{00e9}",
        "\u{ff50}\u{00e9}\u{2168} \u{1f600}",
    );
    add(&mut api, "plain", "\u{ff50}\u{00e9}\u{2168}");
    let users = format!("{SCRAM}/users");
    let odd = json!({"user_id": "\u{ff50}", "password": "x"});
    api.post(&users, &odd).expect(400);
    for (name, password, due) in [
        ("plain", "p\u{00e9}IX", 0),
        // As it was typed: a client that prepares nothing.
        ("plain", "\u{ff50}\u{00e9}\u{2168}", 0x86),
        ("\u{ff50}lain", "p\u{00e9}IX", 0),
        // Younger letters stay as they are, with all that is beside them.
        ("\u{660e}e\u{0301}", "\u{ff50}\u{00e9}\u{2168} \u{1f600}", 0),
    ] {
        let mut conn = broker.open(V5);
        let mut prover = Prover::new(SHA_256, name, password);
        let connack = prover.comes(&mut conn, Connect::new(V5, "c"));
        assert_eq!(connack.code, due, "{name} {password}");
    }
}

/// Who says nothing to what it is asked is told that it takes too long.
#[test]
fn silent_ones() {
    let (broker, mut api) = with_anna("sha256", &["mqtt.authentication_timeout=1s"]);
    let mut conn = broker.open(V5);
    conn.send(&anna(SHA_256).with(Connect::new(V5, "c")).bytes());
    conn.read_kind(Kind::Auth);
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 0x89);
    conn.expect_closed();
    told(&mut api, "authentication_timeout", "0x89");
    let mut prover = anna(SHA_256);
    let mut conn = broker.open(V5);
    let connack = prover.comes(&mut conn, Connect::new(V5, "c"));
    prover.is_answered(&connack);
    conn.send(&prover.auth(0x19, &prover.first()));
    conn.read_kind(Kind::Auth);
    conn.expect_closed_for(0x89);
}

/// A connected client proves itself anew, while messages go on; who fails is closed, and so is who changes the
/// method or the name. [MQTT-4.12.1-1] [MQTT-4.12.1-2] [MQTT-4.12.0-7]
#[test]
fn proven_anew() {
    let (broker, mut api) = with_anna("sha256", &[]);
    add(&mut api, "bert", "secret of bert");
    let connected = || {
        let mut conn = broker.open(V5);
        let mut prover = anna(SHA_256);
        let connack = prover.comes(&mut conn, Connect::new(V5, "c"));
        prover.is_answered(&connack);
        conn
    };
    let mut conn = connected();
    conn.subscribe("t", 0);
    for _ in 0..3 {
        let mut prover = anna(SHA_256);
        conn.send(&prover.auth(0x19, &prover.first()));
        conn.send(&Publish::new("t", "meanwhile").bytes(V5));
        let asked = conn.read_kind(Kind::Auth);
        conn.receive_this("t", "meanwhile");
        let answer = prover.answer(&asked);
        conn.send(&answer);
        prover.is_answered(&conn.read_kind(Kind::Auth));
    }
    conn.ping();
    let mut wrong = Prover::new(SHA_256, "anna", "wrong");
    conn.send(&wrong.auth(0x19, &wrong.first()));
    let asked = conn.read_kind(Kind::Auth);
    let answer = wrong.answer(&asked);
    conn.send(&answer);
    conn.expect_closed_for(0x87);
    let mut conn = connected();
    let mut other = Prover::new(SHA_256, "bert", "secret of bert");
    conn.send(&other.auth(0x19, &other.first()));
    let asked = conn.read_kind(Kind::Auth);
    let answer = other.answer(&asked);
    conn.send(&answer);
    conn.expect_closed_for(0x87);
    for bytes in [
        auth(0x19, SHA_512.name, b"n,,n=anna,r=x"),
        auth(0x18, SHA_256.name, b"c=biws,r=x,p=AAAA"),
        auth(0, SHA_256.name, b""),
    ] {
        let mut conn = connected();
        conn.send(&bytes);
        conn.expect_closed_for(0x82);
    }
    // Its authenticator is gone.
    let mut conn = connected();
    api.delete(SCRAM).expect(204);
    conn.send(&auth(0x19, SHA_256.name, b"n,,n=anna,r=x"));
    conn.expect_closed_for(0x87);
    // Whoever came without a method has none.
    api.put("/settings/mqtt.allow_anonymous", &json!({"value": true}))
        .expect(200);
    let mut conn = broker.v5("nobody");
    let prover = anna(SHA_256);
    conn.send(&prover.auth(0x19, &prover.first()));
    conn.expect_closed_for(0x82);
}

/// Each listener has its own part of the chain: one asks SCRAM alone, one passwords alone, one nobody, and the
/// rest all. It changes at once.
#[test]
fn listeners_ask_some() {
    let names = ["scram", "shown", "nobody"];
    let binds = names.map(|name| format!("listeners.tcp.{name}.bind=127.0.0.1:0"));
    let mut settings: Vec<&str> = binds.iter().map(String::as_str).collect();
    settings.extend([
        "listeners.tcp.scram.authenticators=scram:built_in_database",
        "listeners.tcp.shown.authenticators=[\"password_based:built_in_database\", \"jwt\"]",
        "listeners.tcp.nobody.authenticators=[]",
        "mqtt.allow_anonymous=true",
    ]);
    let (broker, mut api) = with_anna("sha256", &settings);
    let own = json!({"mechanism": "password_based", "backend": "built_in_database",
                     "password_hash_algorithm": {"name": "sha256"}});
    api.post("/authentication", &own).expect(200);
    let users = "/authentication/password_based:built_in_database/users";
    api.post(users, &json!({"user_id": "bert", "password": "shown"}))
        .expect(201);
    let by_scram = |listener: &str| {
        let mut conn = Conn::open(broker.listens(listener), V5);
        conn.send(&anna(SHA_256).with(Connect::new(V5, "a")).bytes());
        let answer = conn.read_packet();
        if answer.kind == Kind::Auth {
            0
        } else {
            answer.code
        }
    };
    let by_password = |listener: &str, password: &str| {
        let mut conn = Conn::open(broker.listens(listener), V5);
        let connect = Connect::new(V5, "b")
            .user("bert")
            .password(password.as_bytes());
        conn.send(&connect.bytes());
        conn.read_kind(Kind::ConnAck).code
    };
    for (listener, scram, right, wrong) in [
        ("tcp:default", 0, 0, 0x86),
        ("tcp:scram", 0, 0x86, 0x86),
        ("tcp:shown", 0x8C, 0, 0x86),
        ("tcp:nobody", 0x8C, 0, 0),
    ] {
        assert_eq!(by_scram(listener), scram, "{listener}");
        assert_eq!(by_password(listener, "shown"), right, "{listener}");
        assert_eq!(by_password(listener, "other"), wrong, "{listener}");
    }
    for (listener, is_asked) in [("tcp:shown", true), ("tcp:nobody", false)] {
        let mut conn = Conn::open(broker.listens(listener), V5);
        let connect = Connect::new(V5, "b").user("bert").password(b"shown");
        conn.connect(&connect);
        let client = api.get("/clients/b").expect(200).json();
        assert_eq!(client["enable_authn"], is_asked, "{listener}");
    }
    let shown = api.get("/listeners/tcp:nobody").expect(200).json();
    assert_eq!(
        (&shown["enable_authn"], &shown["authenticators"]),
        (&json!(false), &json!([]))
    );
    let shown = api.get("/listeners/tcp:default").expect(200).json();
    assert_eq!(
        (&shown["enable_authn"], shown.get("authenticators")),
        (&json!(true), None)
    );
    let none = json!({"enable_authn": false});
    for all in [
        json!({"authenticators": null}),
        json!({"enable_authn": true}),
    ] {
        api.put("/listeners/tcp:default", &none).expect(200);
        assert_eq!(by_password("tcp:default", "other"), 0);
        api.put("/listeners/tcp:default", &all).expect(200);
        assert_eq!(by_password("tcp:default", "other"), 0x86);
    }
    api.put(
        "/listeners/tcp:default",
        &json!({"authenticators": ["ldap"]}),
    )
    .expect(400);
}

/// Users are kept over a kill, changed and gone; they are others than those who show a password; and their
/// passwords are nowhere on the disk.
#[test]
fn users_of_scram() {
    let (mut broker, mut api) = with_anna("sha256", &[]);
    add(&mut api, "gone", "x");
    let users = format!("{SCRAM}/users");
    api.post(&users, &json!({"user_id": "anna", "password": "y"}))
        .expect(409);
    api.delete(&format!("{users}/gone")).expect(204);
    let import = json!([{"user_id": "of, a file", "password": "z", "is_superuser": true}]);
    api.post(&format!("{SCRAM}/import_users?type=plain"), &import)
        .expect(204);
    broker.kill_and_restart();
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    let listed = api.get(&users).expect(200).json();
    let names: Vec<&Value> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["user_id"])
        .collect();
    assert_eq!(names, ["anna", "of, a file"]);
    let mut conn = broker.open(V5);
    let mut prover = anna(SHA_256);
    let connack = prover.comes(&mut conn, Connect::new(V5, "c"));
    prover.is_answered(&connack);
    let mut conn = broker.open(V5);
    let mut prover = Prover::new(SHA_256, "of=2C a file", "z");
    let connack = prover.comes(&mut conn, Connect::new(V5, "d"));
    prover.is_answered(&connack);
    let own = json!({"mechanism": "password_based", "backend": "built_in_database",
                     "password_hash_algorithm": {"name": "sha256"}});
    api.post("/authentication", &own).expect(200);
    let shown = Connect::new(V311, "e")
        .user("anna")
        .password(SECRET.as_bytes());
    assert_eq!(code(&broker, &shown), 4);
    api.put(&format!("{users}/anna"), &json!({"password": "other"}))
        .expect(200);
    assert_eq!(refused(&broker, anna(SHA_256), Connect::new(V5, "c")), 0x86);
    let setup = json!({"mechanism": "scram", "backend": "built_in_database", "algorithm": "md5"});
    api.put(SCRAM, &setup).expect(400);
    let setup = json!({"mechanism": "scram", "backend": "built_in_database", "iteration_count": 0});
    api.put(SCRAM, &setup).expect(400);
    api.delete(SCRAM).expect(204);
    assert_eq!(
        code(&broker, &anna(SHA_256).with(Connect::new(V5, "c"))),
        0x8C
    );
    until(
        || (!on_disk(broker.dir(), SECRET)).then_some(()),
        "no password is kept",
    );
}

fn on_disk(dir: &std::path::Path, text: &str) -> bool {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries.into_iter().any(|path| match path.is_dir() {
        true => on_disk(&path, text),
        false => {
            let bytes = fs::read(&path).unwrap_or_default();
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        }
    })
}
