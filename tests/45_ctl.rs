//! Chapter 45: `ternmq ctl`, as the owner of the data directory: what it shows of a running broker, and what
//! it changes, without a password.

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::wire::{Broker, Connect, Kind, Publish, V5, run_tool};

const PATIENCE: Duration = Duration::from_secs(20);

fn ctl(dir: &Path, words: &[&str], input: &str) -> (i32, String, String) {
    let mut all: Vec<&OsStr> = vec![OsStr::new("ctl")];
    all.extend(words.iter().map(OsStr::new));
    all.extend([OsStr::new("--data-dir"), dir.as_os_str()]);
    let (code, out, err) = run_tool(&all, &[("LC_ALL", "C")], input.as_bytes());
    (code, String::from_utf8(out).unwrap(), err)
}

/// What it prints where it does what it is told.
#[track_caller]
fn done(dir: &Path, words: &[&str]) -> String {
    let (code, out, err) = ctl(dir, words, "");
    assert_eq!((code, err.as_str()), (0, ""), "{words:?}: {out}");
    out
}

#[track_caller]
fn told(dir: &Path, words: &[&str]) -> Value {
    let out = done(dir, &[words, &["--json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}"))
}

/// Clients, what they subscribe to, and what is retained are listed, as tables and as the API tells them; a
/// client that is kicked is gone, and a retained message that is deleted too, whatever is in their names.
#[test]
fn clients_topics_and_retained_messages() {
    let broker = Broker::start();
    let dir = broker.dir();
    let mut odd = broker.v5("odd/温度 #1");
    odd.subscribe("lab/+/state", 1);
    let mut other = broker.v5("other");
    other.publish(&Publish::new("lab/a/state", "on").retained());
    odd.receive_this("lab/a/state", "on");

    let list = done(dir, &["clients", "list"]);
    let line = list.lines().find(|line| line.starts_with("odd/温度 #1"));
    assert!(line.is_some_and(|line| line.contains("yes")), "{list}");
    assert_eq!(list.lines().count(), 3, "{list}");
    let like = told(dir, &["clients", "list", "--like", "oth"]);
    assert_eq!(like["data"][0]["clientid"], json!("other"));
    assert_eq!(like["data"].as_array().unwrap().len(), 1);
    assert_eq!(told(dir, &["clients", "list", "--away"])["data"], json!([]));
    let cut = done(dir, &["clients", "list", "--limit", "1"]);
    assert!(cut.contains("1 of 2"), "{cut}");
    let cut = done(dir, &["clients", "list", "--like", "o", "--limit", "1"]);
    assert!(cut.contains("there are more"), "{cut}");
    let shown = done(dir, &["clients", "show", "odd/温度 #1"]);
    assert!(
        shown
            .lines()
            .any(|l| l.starts_with("proto_ver") && l.ends_with('5')),
        "{shown}"
    );

    let subscriptions = done(dir, &["subscriptions"]);
    assert!(subscriptions.contains("lab/+/state"), "{subscriptions}");
    let of = told(dir, &["subscriptions", "--client", "odd/温度 #1"]);
    assert_eq!(of["data"][0]["topic"], json!("lab/+/state"));
    assert_eq!(
        told(dir, &["subscriptions", "--topic", "plant/#"])["data"],
        json!([])
    );
    assert!(done(dir, &["topics"]).contains("lab/+/state"));

    let retained = done(dir, &["retained", "list", "--topic", "lab/#"]);
    assert!(
        retained.contains("lab/a/state") && retained.contains("other"),
        "{retained}"
    );
    assert_eq!(
        told(dir, &["retained", "show", "lab/a/state"])["payload"],
        json!("b24=")
    );
    assert_eq!(
        done(dir, &["retained", "delete", "lab/a/state"]),
        "lab/a/state: done\n"
    );
    assert_eq!(told(dir, &["retained", "list"])["data"], json!([]));
    let purged = told(dir, &["retained", "purge"]);
    assert_eq!(purged, json!({"count": 0}), "nobody has lost a right");
    assert!(done(dir, &["retained", "purge"]).contains("count"));

    assert_eq!(
        done(dir, &["clients", "kick", "odd/温度 #1"]),
        "odd/温度 #1: done\n"
    );
    odd.expect_closed_for(0x98);
    let (code, out, err) = ctl(dir, &["clients", "show", "odd/温度 #1"], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        err.starts_with("ternmq: the broker refused") && err.lines().count() == 1,
        "{err}"
    );

    let status = done(dir, &["status"]);
    for line in ["version ", "connected ", "memory ", "messages in per s "] {
        assert!(
            status.lines().any(|told| told.starts_with(line)),
            "{line}: {status}"
        );
    }
    let status = told(dir, &["status"]);
    assert!(status[0][0]["version"].is_string() && status[1]["subscriptions"].is_u64());
}

/// The first user that is made here sets up that users are asked; passwords come from standard input, are
/// good from then on, and stand nowhere.
#[test]
fn users() {
    let broker = Broker::start();
    let dir = broker.dir();
    let (code, out, err) = ctl(
        dir,
        &["users", "add", "anna", "--superuser"],
        "first-word\n",
    );
    assert_eq!((code, out.as_str(), err.as_str()), (0, "anna: done\n", ""));
    let sign_in = |password: &str| {
        let mut conn = broker.open(V5);
        let connect = Connect::new(V5, "c")
            .user("anna")
            .password(password.as_bytes());
        conn.send(&connect.bytes());
        conn.read_kind(Kind::ConnAck).code
    };
    assert_eq!(sign_in("first-word"), 0);
    assert_ne!(sign_in("second-word"), 0);
    assert!(done(dir, &["users", "list"]).contains("anna  yes"));
    let (code, ..) = ctl(dir, &["users", "password", "anna"], "second-word\n");
    assert_eq!(code, 0);
    assert_eq!(sign_in("second-word"), 0);
    assert_ne!(sign_in("first-word"), 0);
    let (code, _, err) = ctl(dir, &["users", "add", "anna"], "third-word\n");
    assert!(code == 2 && err.contains("refused"), "{err}");
    assert_eq!(done(dir, &["users", "delete", "anna"]), "anna: done\n");
    assert_eq!(told(dir, &["users", "list"])["data"], json!([]));
    assert_ne!(sign_in("second-word"), 0);
}

/// Settings are changed all at once or not at all, and taken back; listeners stop and start; traces record
/// what a client does.
#[test]
fn settings_listeners_and_traces() {
    let broker = Broker::start();
    let dir = broker.dir();
    let set = [
        "config",
        "set",
        "mqtt.max_inflight=7",
        "mqtt.session_expiry=1d",
    ];
    assert_eq!(done(dir, &set), "changed\n");
    let one = told(dir, &["config", "show", "mqtt.max_inflight"]);
    assert_eq!(
        (&one["value"], &one["origin"]["from"]),
        (&json!(7), &json!("saved"))
    );
    let all = done(dir, &["config", "show"]);
    assert!(
        all.lines()
            .any(|line| line.starts_with("mqtt.session_expiry") && line.ends_with("1d")),
        "{all}"
    );
    let wrong = [
        "config",
        "set",
        "mqtt.max_inflight=8",
        "mqtt.max_qos_allowed=9",
    ];
    let (code, _, err) = ctl(dir, &wrong, "");
    assert!(code == 2 && err.contains("max_qos_allowed"), "{err}");
    assert_eq!(
        told(dir, &["config", "show", "mqtt.max_inflight"])["value"],
        json!(7)
    );
    done(dir, &["config", "reset", "mqtt.max_inflight"]);
    assert_eq!(
        told(dir, &["config", "show", "mqtt.max_inflight"])["value"],
        json!(1024)
    );

    let runs = || {
        let all = told(dir, &["listeners", "list"]);
        let web = all
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["id"] == "ws:default");
        web.unwrap()["status"]["running"].clone()
    };
    assert!(done(dir, &["listeners", "list"]).contains("\nws:default"));
    for (what, due) in [("stop", false), ("start", true), ("restart", true)] {
        assert_eq!(
            done(dir, &["listeners", what, "ws:default"]),
            "ws:default: done\n"
        );
        assert_eq!(runs(), json!(due), "{what}");
    }

    assert_eq!(
        done(dir, &["trace", "start", "t1", "--client", "traced"]),
        "t1: done\n"
    );
    let mut traced = broker.v5("traced");
    // It is told to the shards soon, and then what follows is in it.
    let deadline = Instant::now() + PATIENCE;
    while !done(dir, &["trace", "show", "t1"]).contains("IN PINGREQ") {
        assert!(Instant::now() < deadline, "it never began");
        traced.ping();
    }
    assert!(done(dir, &["trace", "list"]).contains("traced"));
    assert_eq!(done(dir, &["trace", "stop", "t1"]), "t1: done\n");
    done(dir, &["trace", "delete", "t1"]);
    assert_eq!(told(dir, &["trace", "list"]), json!([]));
}
