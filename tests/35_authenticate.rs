//! Chapter 35: who clients are. Users of the broker's own, files of users, what becomes of those without
//! a name, whose sessions are whose, and how many can be looked at when all come at once.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::connection_log::{told, until};
use crate::wire::{
    Api, Broker, Conn, Connect, Kind, Publish, V5, V31, V311, Version, fresh_dir, in_full, pingreq,
    run_once_on, run_tool, subscribe,
};

const BUILT_IN: &str = "/authentication/password_based:built_in_database";
const FILE: &str = "/authentication/password_based:file";
const ANONYMOUS: &str = "/settings/mqtt.allow_anonymous";

/// The broker's own users, kept in a way that costs a test no time unless it says otherwise.
fn built_in() -> Value {
    json!({"mechanism": "password_based", "backend": "built_in_database",
           "password_hash_algorithm": {"name": "sha256", "salt_position": "prefix"}})
}

fn add_user(api: &mut Api, user: &str, password: &str) {
    let user = json!({"user_id": user, "password": password});
    api.post(&format!("{BUILT_IN}/users"), &user).expect(201);
}

/// The code of the CONNACK.
#[track_caller]
pub(crate) fn code(broker: &Broker, connect: &Connect) -> u8 {
    let mut conn = broker.open(connect.version);
    conn.send(&connect.bytes());
    conn.read_kind(Kind::ConnAck).code
}

/// The same of somebody who shows a name and a password.
#[track_caller]
pub(crate) fn comes(broker: &Broker, user: &str, password: &str) -> u8 {
    code(broker, &as_user(V5, user, password))
}

/// What a back end grants: where all is denied, `root` may still do it and `anna` not.
pub(crate) fn only_root_may(broker: &Broker, api: &mut Api) {
    let deny = json!({"rules": [{"topic": "#", "permission": "deny", "action": "all"}]});
    api.post("/authorization/sources/built_in_database/rules/all", &deny)
        .expect(204);
    for (user, due) in [("anna", 0x87), ("root", 1)] {
        let mut conn = broker.connect(&Connect::new(V5, user).user(user).password(b"public"));
        assert_eq!(crate::authorize::asks(&mut conn, "t", 1), due, "{user}");
    }
}

/// A back end that is down lets nobody in, however often it is tried, and the authenticator says so.
pub(crate) fn is_down(broker: &Broker, api: &mut Api, path: &str) {
    for _ in 0..7 {
        assert_eq!(comes(broker, "anna", "public"), 0x88);
    }
    let status = api.get(&format!("{path}/status")).expect(200).json();
    assert_eq!(status["status"], "disconnected");
}

/// It is asked again, and lets somebody in.
pub(crate) fn is_back(broker: &Broker, what: &str) {
    until(
        || (comes(broker, "anna", "public") == 0).then_some(()),
        what,
    );
}

/// What an authenticator says is wrong with its back end, without the password by which the broker asks it.
pub(crate) fn trouble(api: &mut Api, path: &str, secret: &str) -> String {
    let status = api.get(&format!("{path}/status")).expect(200).json();
    let error = status["node_error"][0]["error"].as_str();
    let error = error.unwrap_or_else(|| panic!("{status}")).to_owned();
    assert!(!error.is_empty() && !error.contains(secret), "{error}");
    error
}

fn as_user(version: Version, user: &str, password: &str) -> Connect {
    Connect::new(version, "c")
        .user(user)
        .password(password.as_bytes())
}

/// A broker with a user: the right password lets in and nothing else does, in every version and over
/// WebSocket. A wrong password and a user whom nobody knows look the same to the client, and different
/// in the connection log. What comes behind CONNECT in the same bytes waits with it and is answered in
/// order.
#[test]
fn users_of_the_broker() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let made = api.post("/authentication", &built_in()).expect(200).json();
    assert_eq!(made["id"], "password_based:built_in_database");
    assert_eq!(made["enable"], true);
    let again = api.post("/authentication", &built_in()).expect(409);
    assert_eq!(again.code(), "ALREADY_EXISTS");
    add_user(&mut api, "anna", "secret");
    for (version, bad, nobody) in [(V31, 4, 5), (V311, 4, 5), (V5, 0x86, 0x87)] {
        assert_eq!(code(&broker, &as_user(version, "anna", "secret")), 0);
        for (user, password) in [
            ("anna", "Secret"),
            ("anna", "secret\0"),
            ("anna", ""),
            ("Anna", "secret"),
            ("bert", "secret"),
            ("", "secret"),
        ] {
            let connect = as_user(version, user, password);
            assert_eq!(
                code(&broker, &connect),
                bad,
                "{version:?} {user} {password}"
            );
        }
        assert_eq!(code(&broker, &Connect::new(version, "c").user("anna")), bad);
        assert_eq!(code(&broker, &Connect::new(version, "c")), nobody);
    }
    told(&mut api, "wrong_password", "0x86");
    let row = told(&mut api, "unknown_user", "0x86");
    assert_eq!(row["username"], "");
    told(&mut api, "anonymous_off", "0x87");

    let mut page = Conn::open_web(broker.ws, V5);
    page.connect(&as_user(V5, "anna", "secret"));
    page.ping();

    // An id of the broker's choice, and everything in one go.
    let mut conn = broker.open(V5);
    let mut bytes = Connect::new(V5, "")
        .user("anna")
        .password(b"secret")
        .bytes();
    bytes.extend(subscribe(V5, 7, &[("t", 1)]));
    bytes.extend(Publish::new("t", "first").qos1(8).bytes(V5));
    bytes.extend(pingreq());
    conn.send(&bytes);
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 0);
    assert_eq!(conn.read_kind(Kind::SubAck).id, 7);
    assert_eq!(conn.read_kind(Kind::PubAck).id, 8);
    assert_eq!(conn.receive().text(), "first");
    conn.ping();

    let status = api.get(&format!("{BUILT_IN}/status")).expect(200).json();
    assert_eq!(status["status"], "connected");
    let metrics = &status["metrics"];
    // Wrong: four each of three versions; unknown: three each.
    assert_eq!(
        (&metrics["success"], &metrics["failed"], &metrics["nomatch"]),
        (&json!(5), &json!(12), &json!(9))
    );
}

/// Users are kept, changed and gone, also over a kill; a client id can be what a user is called by. What
/// a user was changed to holds for the next connect, and who is connected stays.
#[test]
fn users_are_kept() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let mut by_id = built_in();
    by_id["user_id_type"] = json!("clientid");
    by_id["password_hash_algorithm"] = json!({"name": "argon2id"});
    api.post("/authentication", &by_id).expect(200);
    for id in ["c", "gone", "a/b 中#"] {
        add_user(&mut api, id, "secret");
    }
    api.delete(&format!("{BUILT_IN}/users/gone")).expect(204);
    api.delete(&format!("{BUILT_IN}/users/gone")).expect(404);
    broker.kill_and_restart();
    let mut api = broker.api();
    api.sign_in("admin", crate::wire::PASSWORD);
    let users = api.get(&format!("{BUILT_IN}/users")).expect(200).json();
    let names: Vec<_> = users["data"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2);
    assert_eq!(users["meta"]["count"], 2);
    let like = api.get(&format!("{BUILT_IN}/users?like_user_id=%E4%B8%AD"));
    assert_eq!(like.expect(200).json()["data"][0]["user_id"], "a/b 中#");
    let by_password = |id: &str, password: &[u8]| Connect::new(V5, id).password(password);
    let mut conn = broker.connect(&by_password("c", b"secret"));
    assert_eq!(code(&broker, &by_password("d", b"secret")), 0x86);
    let change = json!({"password": "other", "is_superuser": true});
    let changed = api.put(&format!("{BUILT_IN}/users/c"), &change).expect(200);
    assert_eq!(
        changed.json(),
        json!({"user_id": "c", "is_superuser": true})
    );
    assert_eq!(code(&broker, &by_password("c", b"secret")), 0x86);
    conn.ping();
    assert_eq!(code(&broker, &by_password("c", b"other")), 0);
    // The authenticator goes with its users: they do not come back with the next one.
    api.delete(BUILT_IN).expect(204);
    api.get(&format!("{BUILT_IN}/users")).expect(404);
    api.post("/authentication", &by_id).expect(200);
    let users = api.get(&format!("{BUILT_IN}/users")).expect(200).json();
    assert_eq!(users["meta"]["count"], 0);
}

/// With the first authenticator, who comes without a name is refused from the next connect on, while who
/// is connected stays; whoever makes it may keep them, and what somebody has decided before stays.
#[test]
fn anonymous_switches_itself_off() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut before = broker.v5("before");
    assert_eq!(code(&broker, &as_user(V5, "any", "thing")), 0);
    api.post("/authentication", &built_in()).expect(200);
    before.ping();
    // Whoever asks which ones those are is told.
    let nameless = api
        .get("/clients?anonymous=true&fields=clientid")
        .expect(200)
        .json();
    assert_eq!(nameless["data"], json!([{"clientid": "before"}]));
    assert_eq!(code(&broker, &Connect::new(V5, "c")), 0x87);
    assert_eq!(api.get(ANONYMOUS).expect(200).json()["value"], false);
    // Undone with one call; a wrong name is wrong all the same.
    api.put(ANONYMOUS, &json!({"value": true})).expect(200);
    assert_eq!(code(&broker, &Connect::new(V5, "c")), 0);
    assert_eq!(code(&broker, &as_user(V5, "any", "thing")), 0x86);

    let (broker, mut api) = Broker::signed_in(&[]);
    api.post("/authentication?anonymous=keep", &built_in())
        .expect(200);
    assert_eq!(code(&broker, &Connect::new(V5, "c")), 0);
    assert_eq!(api.get(ANONYMOUS).expect(200).json()["value"], true);

    let (broker, mut api) = Broker::signed_in(&["mqtt.allow_anonymous=true"]);
    api.post("/authentication", &built_in()).expect(200);
    assert_eq!(code(&broker, &Connect::new(V5, "c")), 0);
    // Switched off, nobody is asked.
    let mut off = built_in();
    off["enable"] = json!(false);
    api.put(BUILT_IN, &off).expect(200);
    assert_eq!(code(&broker, &as_user(V5, "any", "thing")), 0);
}

/// A hundred devices without names and with sessions that last; then users are made, and the devices come
/// back with passwords: none is refused, and nothing that was queued for them is lost. From then on the
/// sessions are theirs: nobody else gets them, with or without a name, clean or not, and is told whose
/// they are.
#[test]
fn a12_sessions_pass_to_the_first_user() {
    const DEVICES: usize = 100;
    let (broker, mut api) = Broker::signed_in(&[]);
    let id = |n: usize| format!("device-{n}");
    for n in 0..DEVICES {
        let mut conn = broker.connect(&Connect::new(V5, &id(n)).persistent(3600));
        conn.subscribe(&format!("to/{n}"), 1);
        conn.bye();
    }
    let mut sender = broker.v5("sender");
    for n in 0..DEVICES {
        for text in ["one", "two"] {
            let publish = Publish::new(&format!("to/{n}"), text).qos1(1);
            assert_eq!(sender.publish(&publish), 0);
        }
    }
    api.post("/authentication", &built_in()).expect(200);
    let (mut refused, mut lost) = (0, 0);
    for n in 0..DEVICES {
        add_user(&mut api, &format!("user-{n}"), "secret");
        let own = Connect::new(V5, &id(n)).persistent(3600);
        let own = own.user(&format!("user-{n}")).password(b"secret");
        let mut conn = broker.open(V5);
        conn.send(&own.bytes());
        let connack = conn.read_kind(Kind::ConnAck);
        refused += usize::from(connack.code != 0);
        assert!(connack.session_present, "{n}");
        for text in ["one", "two"] {
            lost += usize::from(conn.receive().text() != text);
        }
    }
    println!("{DEVICES} devices came back with passwords: {refused} refused, {lost} messages lost");
    assert_eq!((refused, lost), (0, 0));

    // A12. The owner is connected, and its queue stays, whoever tries.
    let own = Connect::new(V5, "device-1").persistent(3600);
    let mut owner = broker.connect(&own.clone().user("user-1").password(b"secret"));
    api.put(ANONYMOUS, &json!({"value": true})).expect(200);
    for (before, connect) in [own, Connect::new(V5, "device-1")].iter().enumerate() {
        let other = connect.clone().user("user-2").password(b"secret");
        assert_eq!(code(&broker, &other), 0x87);
        told(&mut api, "session_of_another", "0x87");
        let path = "/connection_log?cause=session_of_another&lang=en";
        let named = |row: &&Value| row["username"] == "user-2" && row["by"] == "user-1";
        until(
            || {
                let rows = api.get(path).expect(200).json();
                let of = rows["data"].as_array()?.iter().filter(named).count();
                (of == before + 1).then_some(())
            },
            "the connection log names both users",
        );
        assert_eq!(code(&broker, connect), 0x87);
    }
    // Whoever tries again and again fills no log with it: ten lines a second of each shard, and one of the rest.
    let other = Connect::new(V5, "device-1")
        .user("user-2")
        .password(b"secret");
    let _ = broker.said().count();
    let begun = Instant::now();
    for _ in 0..500 {
        assert_eq!(code(&broker, &other), 0x87);
    }
    let secs = begun.elapsed().as_secs() + 2;
    let named = broker.said().filter(|line| line.contains("device-1"));
    let lines = named.count() as u64;
    println!("figure: {lines} lines for 500 tries with the id of another in {secs} s");
    let shards = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    assert!((1..=11 * shards * secs).contains(&lines), "{lines} lines");
    owner.ping();
    assert_eq!(sender.publish(&Publish::new("to/1", "still").qos1(2)), 0);
    assert_eq!(owner.receive().text(), "still");

    // The owner of the data directory gives it to somebody else, with what is queued.
    owner.bye();
    assert_eq!(sender.publish(&Publish::new("to/1", "waits").qos1(3)), 0);
    let release = |client_id: &str| {
        let args = ["ctl", "clients", "release", client_id, "--data-dir"].map(OsStr::new);
        run_tool(&[&args[..], &[broker.dir().as_os_str()]].concat(), &[], b"")
    };
    let (status, _, said) = release("device-1");
    assert_eq!(status, 0, "{said}");
    let other = Connect::new(V5, "device-1").persistent(3600);
    let mut other = broker.connect(&other.user("user-2").password(b"secret"));
    assert_eq!(other.receive().text(), "waits");
    assert_eq!(release("nobody").0, 2);
}

/// Files of users as EMQX has them: CSV and JSON, with hashes and with passwords. A file with a bad line
/// changes nothing.
#[test]
fn files_of_users() {
    let (broker, mut api) = Broker::signed_in(&[]);
    api.post("/authentication", &built_in()).expect(200);
    let form = |name: &str, text: &str| {
        format!(
            "--cut\r\nContent-Disposition: form-data; name=\"filename\"; filename=\"{name}\"\r\n\r\n\
             {text}\r\n--cut--\r\n"
        )
    };
    let mut import = |kind: &str, name: &str, text: &str, status: u16| {
        let path = format!("/api/v5{BUILT_IN}/import_users?type={kind}");
        let multipart = Some("multipart/form-data; boundary=cut");
        let body = form(name, text);
        api.raw("POST", &path, multipart, body.as_bytes())
            .expect(status)
    };
    let hash = "e521d0c9f195a93eaaf68021b9529071b4138685e46b35b5bc27b2b4e2a67652";
    let csv = format!(
        "user_id,password_hash,salt,is_superuser\nanna,{hash},salt1,true\nbert,{hash},salt1,false\n"
    );
    import("hash", "users.csv", &csv, 204);
    for user in ["anna", "bert"] {
        assert_eq!(code(&broker, &as_user(V311, user, "public")), 0);
        assert_eq!(code(&broker, &as_user(V311, user, "salt1public")), 4);
    }
    import(
        "plain",
        "users.csv",
        "user_id,password\nanna,new-one\ncarl,\"a,b\"\n",
        204,
    );
    assert_eq!(code(&broker, &as_user(V311, "anna", "new-one")), 0);
    assert_eq!(code(&broker, &as_user(V311, "carl", "a,b")), 0);
    let json = "[{\"user_id\": \"dora\", \"password\": \"p\"}]";
    import("plain", "users.json", json, 204);
    assert_eq!(code(&broker, &as_user(V311, "dora", "p")), 0);
    for (kind, name, text) in [
        ("plain", "users.csv", "user_id,password\nemil,p\n,q\n"),
        (
            "hash",
            "users.csv",
            "user_id,password_hash,salt\nemil,ab,\n",
        ),
        ("hash", "users.csv", "user_id,password\nemil,p\n"),
        ("plain", "users.txt", "user_id,password\nemil,p\n"),
        ("plain", "users.json", "[{\"user_id\": \"emil\"}]"),
    ] {
        import(kind, name, text, 400);
    }
    assert_eq!(code(&broker, &as_user(V311, "emil", "p")), 4);
    // The list itself, as JSON.
    let path = format!("{BUILT_IN}/import_users?type=plain");
    let list = json!([{"user_id": "emil", "password": "p"}]);
    api.post(&path, &list).expect(204);
    assert_eq!(code(&broker, &as_user(V311, "emil", "p")), 0);
    // Kept in other ways: what is there stays good, and what is brought was made in the new way.
    for (algorithm, name, hash, salt) in [
        (
            json!({"name": "sha512", "salt_position": "suffix"}),
            "frida",
            "2ec630278007a6fefb582dfb3ff8c4e917d99f729ef5a511d93ecab7200650e51d3e75b7130dc865c31c7beb10c0ee0b5a46ed169294d3138d2bf4ebd82e113d",
            "salt2",
        ),
        (
            json!({"name": "pbkdf2", "mac_fun": "sha256", "iterations": 1000}),
            "gerd",
            "f8dec1b07190a515326f1703cf8ac0c5c8e378a32e681f80b97218d2d5a5e961",
            "salt3",
        ),
        (
            json!({"name": "bcrypt", "salt_rounds": 5}),
            "hanna",
            "$2b$05$CCCCCCCCCCCCCCCCCCCCC.e976yGbTdu8pmoVrMsdP1gB2Qoz3VQS",
            "",
        ),
        (json!({"name": "plain"}), "ida", "public", ""),
    ] {
        let mut other = built_in();
        other["password_hash_algorithm"] = algorithm;
        api.put(BUILT_IN, &other).expect(200);
        let list = json!([{"user_id": name, "password_hash": hash, "salt": salt}]);
        api.post(&format!("{BUILT_IN}/import_users"), &list)
            .expect(204);
        assert_eq!(code(&broker, &as_user(V311, name, "public")), 0, "{name}");
        assert_eq!(code(&broker, &as_user(V311, name, "Public")), 4, "{name}");
        assert_eq!(code(&broker, &as_user(V311, "bert", "public")), 0);
    }
}

const ANNA: &str = "anna:$7$101$ijADCJb5/fweysCX$0ufgV/hgMhwJEog9yX0POBMAFYGLPyB9yD5cfUYfhjubQUn60sXv134qw30E5lRvizDycRG655elUQR2DzXtfA==\n";
const BERT: &str = "bert:$6$WWsj0670eleIyplU$TjcdA+MC2WhNAc/l3KEu5jf27Xaw1rK1xfsqE4l0OlxZKeuN1mMbbwhdNNG7WKOCzs0ZUyAeez3NC9EtUZ7/VA==\n";

/// A password file that mosquitto_passwd made. A changed one is read by itself; one that is spoilt or
/// gone leaves its users as they were, and says so (A20). One that cannot be used from the start is
/// refused. Two authenticators are asked in their order.
#[test]
fn a20_password_file_of_mosquitto() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let path = broker.dir().join("passwd");
    let file = json!({"mechanism": "password_based", "backend": "file", "path": path});
    let refused = api.post("/authentication", &file).expect(400);
    assert_eq!(refused.code(), "BAD_REQUEST");
    std::fs::write(&path, ANNA).unwrap();
    api.post("/authentication", &file).expect(200);
    assert_eq!(code(&broker, &as_user(V311, "anna", "public")), 0);
    assert_eq!(code(&broker, &as_user(V311, "anna", "Public")), 4);
    assert_eq!(code(&broker, &as_user(V311, "bert", "public")), 4);
    std::fs::write(&path, [ANNA, BERT].concat()).unwrap();
    let comes = |broker: &Broker, code_due: u8, user: &str| {
        let connect = as_user(V311, user, "public");
        until(
            || (code(broker, &connect) == code_due).then_some(()),
            &format!("{user}: {code_due}"),
        );
    };
    comes(&broker, 0, "bert");
    let state = |api: &mut Api| {
        let status = api.get(&format!("{FILE}/status")).expect(200).json();
        status["status"].as_str().unwrap().to_owned()
    };
    for junk in ["", "anna:secret\n"] {
        std::fs::write(&path, junk).unwrap();
        until(|| (state(&mut api) == "disconnected").then_some(()), junk);
        assert_eq!(
            code(&broker, &as_user(V311, "bert", "public")),
            0,
            "{junk:?}"
        );
        std::fs::write(&path, [ANNA, BERT].concat()).unwrap();
        until(
            || (state(&mut api) == "connected").then_some(()),
            "good again",
        );
    }
    std::fs::remove_file(&path).unwrap();
    until(|| (state(&mut api) == "disconnected").then_some(()), "gone");
    assert_eq!(code(&broker, &as_user(V311, "anna", "public")), 0);
    std::fs::write(&path, BERT).unwrap();
    comes(&broker, 4, "anna");

    // Behind it the broker's own users, one of whom has the same name and another password.
    api.post("/authentication", &built_in()).expect(200);
    add_user(&mut api, "bert", "other");
    add_user(&mut api, "anna", "other");
    assert_eq!(code(&broker, &as_user(V311, "anna", "other")), 0);
    assert_eq!(code(&broker, &as_user(V311, "bert", "other")), 4);
    api.put(&format!("{BUILT_IN}/position/front"), &json!({}))
        .expect(204);
    assert_eq!(code(&broker, &as_user(V311, "bert", "other")), 0);
    assert_eq!(code(&broker, &as_user(V311, "bert", "public")), 4);

    // Gone from the start of the broker on, there is no good one: whoever it would have to know is not
    // let in, and neither is anybody behind it.
    std::fs::remove_file(&path).unwrap();
    api.put(&format!("{BUILT_IN}/position/rear"), &json!({}))
        .expect(204);
    broker.kill_and_restart();
    api = broker.api();
    api.sign_in("admin", crate::wire::PASSWORD);
    assert_eq!(code(&broker, &as_user(V5, "bert", "other")), 0x88);
    assert_eq!(code(&broker, &as_user(V311, "bert", "other")), 3);
    told(&mut api, "authenticator_failed", "rc=3");
    assert_eq!(state(&mut api), "disconnected");
    std::fs::write(&path, BERT).unwrap();
    comes(&broker, 0, "bert");
}

/// Users from a file that the settings name are there at the first start, and nobody comes without a name
/// then; who is there already stays as changed. A file that cannot be used stops the start, with the line.
#[test]
fn users_from_the_start() {
    let dir = fresh_dir();
    std::fs::create_dir_all(&dir).unwrap();
    let users = dir.join("users.csv");
    std::fs::write(&users, "user_id,password,is_superuser\nanna,first,true\n").unwrap();
    let setting = format!("mqtt.bootstrap_users={}", users.display());
    let mut broker = Broker::on(&dir.join("data"), &[&setting]);
    assert_eq!(code(&broker, &as_user(V5, "anna", "first")), 0);
    assert_eq!(code(&broker, &as_user(V5, "anna", "second")), 0x86);
    assert_eq!(code(&broker, &Connect::new(V5, "c")), 0x87);
    std::fs::write(&users, "user_id,password\nanna,second\nbert,second\n").unwrap();
    broker.kill_and_restart();
    assert_eq!(code(&broker, &as_user(V5, "anna", "first")), 0);
    assert_eq!(code(&broker, &as_user(V5, "bert", "second")), 0);
    drop(broker);
    std::fs::write(&users, "user_id,password\nanna\n").unwrap();
    let set = format!("--set={setting}");
    let (status, said) = run_once_on(
        &dir.join("other"),
        &[&set, "--set=listeners.tcp.default.bind=127.0.0.1:0"],
    );
    assert_ne!(status, 0);
    assert!(said.contains("users.csv: line 2"), "{said}");
    std::fs::remove_dir_all(&dir).unwrap();
}

/// A token that openssl signs with a shared secret.
pub(crate) fn token(claims: &Value) -> String {
    let sign = ["dgst", "-sha256", "-hmac", "a shared secret"];
    token_with(&json!({"alg": "HS256", "typ": "JWT"}), claims, &sign)
}

/// A token that openssl signs in this way.
pub(crate) fn token_with(header: &Value, claims: &Value, sign: &[&str]) -> String {
    let encoded = |bytes: &[u8]| {
        let text = String::from_utf8(run("openssl", &["base64", "-A"], bytes)).unwrap();
        text.trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_")
    };
    let header = encoded(header.to_string().as_bytes());
    let signed = format!("{header}.{}", encoded(claims.to_string().as_bytes()));
    let args = [sign, &["-binary"]].concat();
    let signature = run("openssl", &args, signed.as_bytes());
    format!("{signed}.{}", encoded(&signature))
}

/// What a program makes of these bytes.
pub(crate) fn run(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Tokens as passwords: let in by their signature and their claims, named in the connection log where
/// these do not hold; and who holds one goes when it ends (A19).
#[test]
fn a19_tokens_as_passwords() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let jwt = json!({"mechanism": "jwt", "algorithm": "hmac-based", "secret": "a shared secret",
                     "verify_claims": {"username": "${username}"}});
    let made = api.post("/authentication", &jwt).expect(200).json();
    assert_eq!(
        (&made["id"], &made["secret"]),
        (&json!("jwt"), &json!("******"))
    );
    let told_again = api.get("/authentication").expect(200).text();
    assert!(!told_again.contains("a shared secret"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    let good = token(&json!({"username": "anna", "exp": now + 3600}));
    assert_eq!(code(&broker, &as_user(V5, "anna", &good)), 0);
    assert_eq!(code(&broker, &as_user(V311, "bert", &good)), 4);
    told(&mut api, "token_claims", "rc=4");
    let old = token(&json!({"username": "anna", "exp": now - 3600}));
    assert_eq!(code(&broker, &as_user(V5, "anna", &old)), 0x87);
    told(&mut api, "token_expired", "0x87");
    assert_eq!(code(&broker, &as_user(V5, "anna", "no token")), 0x86);
    let unsigned = format!("{}.", &good[..good.rfind('.').unwrap()]);
    assert_eq!(code(&broker, &as_user(V5, "anna", &unsigned)), 0x86);
    // Its end is a second or two away.
    let short = token(&json!({"username": "anna", "exp": now + 4}));
    let mut conn = broker.connect(&as_user(V5, "anna", &short));
    conn.ping();
    conn.expect_closed_for(0x87);
    let row = told(&mut api, "token_expired", "DISCONNECT 0x87");
    assert_eq!(row["event"], "disconnected");
}

/// Passwords that take seconds to look at: whoever has waited too long is told that the broker is busy,
/// and nobody waits for them; so is whoever comes while as many wait as may. Meanwhile the broker serves
/// who is connected, and users whose passwords are cheap are not forgotten once there is time.
#[test]
fn whoever_waits_too_long() {
    let (broker, mut api) =
        Broker::signed_in(&["mqtt.authentication_timeout=500ms", "mqtt.max_pending=16"]);
    let mut slow = built_in();
    // Some seconds even of a fast core, with the build that tests use.
    slow["password_hash_algorithm"] =
        json!({"name": "pbkdf2", "mac_fun": "sha512", "iterations": 3_000_000});
    api.post("/authentication?anonymous=keep", &slow)
        .expect(200);
    let list = json!([{"user_id": "slow", "password_hash": "00".repeat(32), "salt": "s"}]);
    api.post(&format!("{BUILT_IN}/import_users"), &list)
        .expect(204);
    let mut bystander = broker.v5("bystander");
    let open = |n: u32| {
        let version = if n.is_multiple_of(2) { V5 } else { V311 };
        let mut conn = broker.open(version);
        // Each another password, so that no two are looked at together.
        let connect = Connect::new(version, &format!("c{n}")).user("slow");
        conn.send(&connect.password(format!("{n}").as_bytes()).bytes());
        conn
    };
    let begun = Instant::now();
    let mut conns = Vec::new();
    for n in 0..40 {
        conns.push(open(n));
        // Who is let in after them was read after them, so no more than eight have still to say CONNECT.
        if n % 8 == 7 {
            broker.v5("barrier").bye();
        }
    }
    let busy = |version: Version| if version == V5 { 0x89 } else { 3 };
    let mut turned_away = 0;
    for mut conn in conns {
        let got = conn.read_kind(Kind::ConnAck).code;
        // The first ones are being looked at, which nothing cuts short; but they were told all the same.
        assert_eq!(got, busy(conn.version));
        conn.expect_closed();
        turned_away += 1;
    }
    assert_eq!(turned_away, 40);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(500), "{took:?}");
    bystander.ping();
    told(&mut api, "authentication_busy", "");
    told(&mut api, "authentication_timeout", "");
}

/// A21: whether a user is known is not told by the time that a refusal takes. In full by the means of many
/// tries, in short by the shortest of a few; without care it is a hundred times shorter.
#[test]
fn a21_unknown_users_take_as_long() {
    let (tries, margin) = if in_full() { (2_000, 0.05) } else { (20, 0.5) };
    let (broker, mut api) = Broker::signed_in(&[]);
    let mut slow = built_in();
    slow["password_hash_algorithm"] = json!({"name": "argon2id"});
    api.post("/authentication", &slow).expect(200);
    add_user(&mut api, "anna", "secret");
    let mut took = [Vec::new(), Vec::new()];
    // In turn, because the machine is not always as busy.
    for n in 0..tries {
        for (user, took) in ["anna", "bert"].iter().zip(&mut took) {
            let connect = as_user(V5, user, &format!("wrong-{n}"));
            let begun = Instant::now();
            assert_eq!(code(&broker, &connect), 0x86);
            took.push(begun.elapsed());
        }
    }
    let [known, unknown] = took.map(|took| {
        let told = if in_full() {
            took.iter().sum::<Duration>() / tries
        } else {
            took.into_iter().min().unwrap()
        };
        told.as_secs_f64() * 1000.0
    });
    let apart = (known - unknown).abs() / known.max(unknown);
    println!(
        "figure: a wrong password {known:.2} ms, an unknown user {unknown:.2} ms, {tries} tries each"
    );
    assert!(apart <= margin, "{known} {unknown}");
}
