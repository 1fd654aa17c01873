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
