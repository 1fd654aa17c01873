//! Chapter 40: weak points of the broker, told by the API and by `ternmq check`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::wire::{Api, Broker, PASSWORD, fresh_dir, run_tool};

const EN: (&str, &str) = ("LC_ALL", "C");
const ZH: (&str, &str) = ("LC_ALL", "zh_CN.UTF-8");

/// Severity and facts by id.
fn points(api: &mut Api) -> BTreeMap<String, (String, Value)> {
    let told = api.get("/security").expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let each = told.as_array().unwrap().iter().map(|point| {
        let severity = text(&point["severity"]);
        (text(&point["id"]), (severity, point["facts"].clone()))
    });
    let all: BTreeMap<_, _> = each.collect();
    assert_eq!(all.len(), told.as_array().unwrap().len(), "told once each");
    all
}

#[track_caller]
fn is(api: &mut Api, id: &str, severity: &str) -> Value {
    let (found, facts) = points(api).remove(id).unwrap();
    assert_eq!(found, severity, "{id}: {facts}");
    facts
}

fn check(dir: &Path, args: &[&str], lang: (&str, &str)) -> (i32, String) {
    let mut all = vec![
        OsStr::new("check"),
        OsStr::new("--data-dir"),
        dir.as_os_str(),
    ];
    all.extend(args.iter().map(OsStr::new));
    let (code, out, err) = run_tool(&all, &[lang], &[]);
    (code, String::from_utf8(out).unwrap() + &err)
}

/// What is weak is told with its facts, and is fine when it was cured, without a restart. A viewer sees
/// it, too.
#[test]
fn weak_points_come_and_go() {
    let broker = Broker::start();
    let mut api = broker.api();
    api.sign_in("admin", "public");
    let facts = is(&mut api, "default_password", "warning");
    assert_eq!(facts, json!({"is_default": true, "reachable": false}));
    let (code, said) = check(broker.dir(), &[], EN);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("warning  default_password: "), "{said}");
    assert!(said.contains("ternmq reset-password"), "{said}");
    let change = json!({"old_pwd": "public", "new_pwd": PASSWORD});
    api.post("/users/admin/change_pwd", &change).expect(204);
    api.headers.clear();
    api.sign_in("admin", PASSWORD);
    is(&mut api, "default_password", "fine");

    is(&mut api, "anonymous", "fine");
    let wide = json!({"value": ["0.0.0.0/0"]});
    api.put("/settings/lan_guard.trusted", &wide).expect(200);
    let facts = is(&mut api, "anonymous", "danger");
    assert_eq!(facts["public_networks"], json!(["0.0.0.0/0"]));
    let (code, said) = check(broker.dir(), &[], ZH);
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("危险     anonymous: "), "{said}");
    api.delete("/settings/lan_guard.trusted").expect(204);
    is(&mut api, "anonymous", "fine");

    is(&mut api, "rules", "warning");
    let rule = json!({"topic": "a/#", "permission": "allow", "action": "all"});
    let path = "/authorization/sources/built_in_database/rules/all";
    api.post(path, &json!({"rules": [rule]})).expect(204);
    let facts = is(&mut api, "rules", "fine");
    assert_eq!(facts["rules"], json!(1));

    let viewer = json!({"username": "viewer", "password": PASSWORD, "role": "viewer"});
    api.post("/users", &viewer).expect(200);
    let mut viewer = broker.api();
    viewer.sign_in("viewer", PASSWORD);
    assert_eq!(points(&mut viewer).len(), points(&mut api).len());
    broker.api().get("/security").expect(401);
}

/// Who is subscribed to everything is named, with the user who was proven, on whatever shard and also as a
/// member of a shared group; each client once. On this machine that is fine.
#[test]
fn who_reads_everything_is_named() {
    let (broker, mut api) = Broker::signed_in(&["shards=2"]);
    let facts = is(&mut api, "readers", "fine");
    assert_eq!(
        (&facts["count"], &facts["anonymous_may"]),
        (&json!(0), &json!(true))
    );
    let mut clients = Vec::new();
    for (id, filter) in [
        ("all", "#"),
        ("levels", "+/#"),
        ("some", "plant/#"),
        ("shared", "$share/g/#"),
        ("twice", "#"),
    ] {
        let mut client = broker.v5(id);
        client.subscribe(filter, 0);
        clients.push(client);
    }
    clients[4].subscribe("+/#", 1);
    let facts = is(&mut api, "readers", "fine");
    assert_eq!(facts["count"], json!(4), "{facts}");
    assert_eq!(
        facts["clients"],
        json!(["all", "levels", "shared", "twice"])
    );
    assert_eq!(facts["users"], json!(["", "", "", ""]));
    assert_eq!(facts["anonymous"], json!([]));
    let (_, said) = check(broker.dir(), &["--all"], EN);
    assert!(
        said.contains("fine     readers: Subscribed to everything (#), 4 in all: all, "),
        "{said}"
    );
    let rule = json!({"topic": "#", "permission": "deny", "action": "subscribe"});
    let path = "/authorization/sources/built_in_database/rules/all";
    api.post(path, &json!({"rules": [rule]})).expect(204);
    let facts = is(&mut api, "readers", "fine");
    assert_eq!(facts["anonymous_may"], json!(false));
}

/// A client without a name that listens to everything from another host is worth a look, and no more than that
/// at home.
#[test]
#[cfg(target_os = "linux")]
fn a_stranger_who_reads_everything_is_worth_a_look() {
    use crate::wire::{Conn, Connect, Machines, V5};

    let Some(machines) = Machines::new() else {
        return;
    };
    let binds = [
        "listeners.tcp.default.bind=192.168.77.1:0",
        "dashboard.bind=192.168.77.1:0",
    ];
    let dir = fresh_dir();
    let broker = Broker::under(machines.on_server(), &dir, &binds);
    let (dashboard, mqtt) = (broker.http, broker.listens("tcp:default"));
    machines.as_client(|| {
        let mut api = Api::new(dashboard);
        api.sign_in("admin", "public");
        is(&mut api, "readers", "fine");
        let mut client = Conn::open(mqtt, V5);
        client.connect(&Connect::new(V5, "fx"));
        client.subscribe("#", 0);
        let facts = is(&mut api, "readers", "warning");
        assert_eq!(facts["anonymous"], json!(["fx"]));
    });
    drop(broker);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// That a backup was made is known after a restart, and whether it was made here or by the store's tools.
#[test]
fn the_last_backup_is_remembered() {
    let (mut broker, mut api) = Broker::signed_in(&[]);
    let facts = is(&mut api, "backup_age", "fine");
    assert_eq!(facts, json!({"has_data": false, "made": false, "days": 0}));
    let message = json!({"topic": "t", "payload": "x", "retain": true});
    api.post("/publish", &message).expect(202);
    let day = 86_400_000;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let ago = |days: u64| (u64::try_from(now.as_millis()).unwrap() - days * day).to_string();
    std::fs::write(broker.dir().join("data-since"), ago(9)).unwrap();
    // Shards say what they have now and then.
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while points(&mut api)["backup_age"].1["has_data"] == json!(false) {
        assert!(
            std::time::Instant::now() < until,
            "a retained message is data"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let facts = is(&mut api, "backup_age", "warning");
    assert_eq!(facts, json!({"has_data": true, "made": false, "days": 0}));
    api.post("/data/export", &json!({})).expect(200);
    is(&mut api, "backup_age", "fine");
    std::fs::remove_dir_all(broker.dir().join("backups")).unwrap();
    broker.kill_and_restart();
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    let facts = is(&mut api, "backup_age", "fine");
    assert_eq!(facts["made"], json!(true));
    std::fs::write(broker.dir().join("last-backup"), ago(31)).unwrap();
    let facts = is(&mut api, "backup_age", "warning");
    assert_eq!(facts["days"], json!(31));
}

/// What is worth a look can be put aside by an administrator, survives a restart, is told apart by `ternmq
/// check`, comes back when it says something else, and can be taken back. What is dangerous cannot be.
#[test]
fn points_are_put_aside() {
    let (mut broker, mut api) = Broker::signed_in(&["durability=os"]);
    let aside = |api: &mut Api, id: &str| {
        let told = api.get("/security").expect(200).json();
        let all = told.as_array().unwrap().clone();
        all.into_iter().find(|p| p["id"] == id).unwrap()["aside"].clone()
    };
    assert_eq!(aside(&mut api, "durability"), json!(null));
    api.put("/security/nothing/aside", &json!(null)).expect(404);
    api.put("/security/anonymous/aside", &json!(null))
        .expect(409);
    let wide = json!({"value": ["0.0.0.0/0"]});
    api.put("/settings/lan_guard.trusted", &wide).expect(200);
    is(&mut api, "anonymous", "danger");
    api.put("/security/anonymous/aside", &json!(null))
        .expect(409);
    api.delete("/settings/lan_guard.trusted").expect(204);

    let viewer = json!({"username": "viewer", "password": PASSWORD, "role": "viewer"});
    api.post("/users", &viewer).expect(200);
    let mut viewer = broker.api();
    viewer.sign_in("viewer", PASSWORD);
    viewer
        .put("/security/durability/aside", &json!(null))
        .expect(403);
    let told = api
        .put("/security/durability/aside", &json!(null))
        .expect(200)
        .json();
    assert_eq!(told["aside"]["by"], json!("admin"));
    api.put("/security/rules/aside", &json!(null)).expect(200);
    let audit = api.get("/audit").expect(200).text();
    assert!(audit.contains("/security/durability/aside"), "{audit}");

    broker.kill_and_restart();
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    assert_eq!(aside(&mut api, "durability")["by"], json!("admin"));
    let (code, said) = check(broker.dir(), &[], EN);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("aside    durability: "), "{said}");
    assert!(said.contains(", 2 put aside\n"), "{said}");
    let (_, said) = check(broker.dir(), &[], ZH);
    assert!(
        said.contains("已搁置   durability: ") && said.contains("2 项已搁置"),
        "{said}"
    );

    let rule = json!({"topic": "a/#", "permission": "allow", "action": "all"});
    let path = "/authorization/sources/built_in_database/rules/all";
    api.post(path, &json!({"rules": [rule]})).expect(204);
    is(&mut api, "rules", "fine");
    assert_eq!(aside(&mut api, "rules"), json!(null));
    api.delete("/security/durability/aside").expect(204);
    assert_eq!(aside(&mut api, "durability"), json!(null));
}

/// Keys that everybody can read, and directories that everybody can enter.
#[test]
fn files_that_others_read() {
    // Whoever cannot come that far reads nothing, so it lies where everybody may come.
    let dir = std::env::temp_dir().join(format!("ternmq-blackbox-{}", std::process::id()));
    let mut broker = Broker::on(&dir, &[]);
    broker.forget_data();
    let mut api = broker.api();
    api.sign_in("admin", "public");
    let chmod = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    is(&mut api, "readable_secrets", "fine");
    is(&mut api, "data_directory", "fine");
    let tls = broker.dir().join("tls");
    chmod(broker.dir(), 0o755);
    chmod(&tls, 0o755);
    chmod(&tls.join("cert.key"), 0o644);
    let facts = is(&mut api, "readable_secrets", "danger");
    let key = facts["files"][0].as_str().unwrap();
    assert!(key.ends_with("tls/cert.key"), "{key}");
    let facts = is(&mut api, "data_directory", "warning");
    assert_eq!(facts["modes"], json!(["0755"]));
    chmod(broker.dir(), 0o777);
    is(&mut api, "data_directory", "danger");
    let (code, said) = check(broker.dir(), &["--all"], EN);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("tls/cert.key") && said.contains("chmod go-rwx"),
        "{said}"
    );
    assert!(said.contains("fine     durability: "), "{said}");
}

/// A17: who comes in by which listener is said at the start, a line for each, and by `ternmq check` as it is
/// now; where no broker runs, as the settings say.
#[test]
fn a17_who_comes_in_is_told_for_each_listener() {
    let rules = "listeners.ws.default.access_rules=[\"deny 203.0.113.0/24\", \"allow all\"]";
    let (broker, mut api) = Broker::signed_in(&[rules]);
    let near = "without credentials from private addresses; no authenticator is asked";
    for (id, how) in [
        ("tcp:default", "no TLS"),
        ("ssl:default", "TLS"),
        (
            "ws:default",
            "no TLS; addresses: deny 203.0.113.0/24, allow all",
        ),
        ("wss:default", "TLS"),
        ("http:dashboard", "no TLS; its users by their session"),
    ] {
        let line = format!("who comes in by {id}: {how}; {near}");
        let said = broker.finds(|said| said.ends_with(&line), Duration::from_secs(5));
        assert!(said.is_some(), "{line}");
    }
    let users = json!({"mechanism": "password_based", "backend": "built_in_database"});
    api.post("/authentication", &users).expect(200);
    let (code, said) = check(broker.dir(), &[], EN);
    assert_eq!(code, 0, "{said}");
    let (_, doors) = said.split_once("\nWho comes in:\n").expect("a table");
    let closed =
        "nobody without credentials; credentials are shown to password_based:built_in_database";
    assert!(
        doors.starts_with(&format!("  tcp:default: no TLS; {closed}\n")),
        "{doors}"
    );
    assert_eq!(doors.matches(closed).count(), 5, "{doors}");
    let (_, said) = check(broker.dir(), &[], ZH);
    assert!(
        said.contains("  ssl:default：TLS；必须有凭据；凭据依次由 "),
        "{said}"
    );

    let set = "mqtt.allow_anonymous=false";
    let (_, said) = check(&fresh_dir(), &["--set", set], EN);
    let line = "  wss:default: TLS; nobody without credentials; authenticators are known to a running broker\n";
    assert!(said.contains(line), "{said}");
}

/// Where no broker runs, the settings and files are judged; those that cannot be used are an error.
#[test]
fn check_without_a_broker() {
    let dir = fresh_dir();
    let (code, said) = check(&dir, &["--set", "durability=os"], EN);
    assert!(said.starts_with("No broker runs on "), "{said}");
    assert!(said.contains("warning  durability: "), "{said}");
    assert!(!said.contains("default_password"), "{said}");
    assert!(matches!(code, 0 | 1), "{said}");
    let (code, said) = check(&dir, &["--set", "lan_guard.trusted=0.0.0.0/0"], EN);
    assert_eq!(code, 1, "{said}");
    let (code, said) = check(&dir, &["--set", "durability=never"], EN);
    assert_eq!(code, 2, "{said}");
    assert!(!dir.exists(), "it changes nothing");
}
