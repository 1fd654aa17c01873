//! Chapter 32: alarms and what needs attention, each provoked, told in both languages, and cured. What only
//! a machine in need can show (memory, processors) is tested where it is decided.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::connection_log::{is_chinese, until};
use crate::wire::{Api, Broker, Conn, Connect, PASSWORD, Publish, V5, ack, fresh_dir};

/// The machine is looked at every ten seconds.
const LOOKS: Duration = Duration::from_secs(30);

/// What needs attention now, of one kind.
#[track_caller]
fn attention(api: &mut Api, kind: &str, lang: &str) -> Option<Value> {
    let items = api.get(&format!("/attention?lang={lang}"));
    let items = items.expect(200).json();
    let mut items = items.as_array().unwrap().iter();
    items.find(|item| item["kind"] == kind).cloned()
}

/// Waits until there is such an item, told in both languages.
#[track_caller]
fn needed(api: &mut Api, kind: &str) -> Value {
    let (en, zh) = wait(kind, || {
        attention(api, kind, "en").zip(attention(api, kind, "zh"))
    });
    for field in ["cause", "cure"] {
        let (en, zh) = (en[field].as_str().unwrap(), zh[field].as_str().unwrap());
        assert!(!en.is_empty() && !is_chinese(en), "{kind}: {en}");
        assert!(is_chinese(zh), "{kind}: {zh}");
    }
    en
}

/// Waits until there is none.
#[track_caller]
fn cured(api: &mut Api, kind: &str) {
    wait(kind, || attention(api, kind, "en").is_none().then_some(()));
}

#[track_caller]
fn wait<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LOOKS;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits for an alarm of this name: under way, or ended.
#[track_caller]
fn alarm(api: &mut Api, name: &str, is_under_way: bool) -> Value {
    wait(name, || {
        let path = format!("/alarms?activated={is_under_way}");
        let all = api.get(&path).expect(200).json();
        let mut all = all["data"].as_array()?.iter();
        all.find(|alarm| alarm["name"] == name).cloned()
    })
}

/// The administrator of a process that has started anew.
fn again(broker: &Broker) -> Api {
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    api
}

/// A crowd takes most of a listener's connections and of the descriptors: both are alarms and need
/// attention; both end with the crowd, and are history also after a restart, until that is deleted.
#[cfg(target_os = "linux")]
#[test]
fn connections_and_descriptors_run_out() {
    let (mut broker, mut api) = Broker::signed_in(&["listeners.tcp.default.max_connections=100"]);
    let crowd: Vec<Conn> = (0..90).map(|n| broker.v5(&format!("c{n}"))).collect();
    broker.limit_files(broker.open_files() * 11 / 10);
    let alarms = ["high_connection_usage", "high_file_descriptor_usage"];
    for name in alarms {
        let row = alarm(&mut api, name, true);
        assert_eq!(row["deactivate_at"], "infinity");
        let usage = row["details"]["usage"].as_str().unwrap();
        let percent: u8 = usage.trim_end_matches('%').parse().unwrap();
        assert!((80..=100).contains(&percent), "{row}");
    }
    let kinds = ["high_connections", "high_file_descriptors"];
    assert_eq!(
        needed(&mut api, kinds[0])["cause"].as_str().unwrap()[..4],
        *"90 %"
    );
    needed(&mut api, kinds[1]);
    crowd.into_iter().for_each(Conn::bye);
    for kind in kinds {
        cured(&mut api, kind);
    }
    for name in alarms {
        let ended = alarm(&mut api, name, false);
        assert!(ended["deactivate_at"].as_str().unwrap().contains('T'));
    }
    broker.signal("TERM");
    broker.wait(LOOKS);
    broker.restart();
    let mut api = again(&broker);
    for name in alarms {
        alarm(&mut api, name, false);
    }
    api.delete("/alarms").expect(204);
    let left = api.get("/alarms?activated=false").expect(200).json();
    assert_eq!(left["meta"]["count"], 0);
}

/// The disk that the data lies on runs full, and has room again.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_runs_full() {
    let Some((broker, mut api)) = Broker::on_small_disk(64, &[]) else {
        return;
    };
    let ballast = broker.fill_disk();
    alarm(&mut api, "high_disk_usage", true);
    needed(&mut api, "high_disk");
    drop(ballast);
    cured(&mut api, "high_disk");
    alarm(&mut api, "high_disk_usage", false);
}

/// A reader acknowledges nothing and its queue fills: it is named, the queue is an alarm, and both end
/// when it has read what waits.
#[test]
fn a_queue_runs_full() {
    let (broker, mut api) = Broker::signed_in(&[
        "mqtt.max_inflight=5",
        "mqtt.max_queue=10",
        "mqtt.slow_grace=0ms",
    ]);
    let mut lazy = broker.v5("lazy");
    lazy.subscribe("q", 1);
    let mut speaker = broker.v5("speaker");
    for n in 0..14 {
        speaker.publish(&Publish::new("q", n.to_string()).qos1(1));
    }
    assert_eq!(needed(&mut api, "slow_subscriber")["who"], "lazy");
    let high = needed(&mut api, "high_queues");
    assert_eq!(high["cause"].as_str().unwrap()[..4], *"90 %");
    alarm(&mut api, "high_queue_usage", true);
    for n in 0..14 {
        let got = lazy.read_publish();
        assert_eq!(got.text(), n.to_string());
        lazy.send(&ack(0x40, got.id));
    }
    cured(&mut api, "slow_subscriber");
    cured(&mut api, "high_queues");
    alarm(&mut api, "high_queue_usage", false);
}

/// A broker that was killed says so after its next start, and does not after a stop in order.
#[test]
fn after_a_crash() {
    let (mut broker, _) = Broker::signed_in(&[]);
    broker.kill_and_restart();
    needed(&mut again(&broker), "recovered_after_crash");
    broker.signal("TERM");
    broker.wait(LOOKS);
    broker.restart();
    let mut api = again(&broker);
    // The first second's items are there with the first sample.
    until(
        || {
            let seconds = api.get("/monitor_seconds").expect(200).json();
            (!seconds.as_array()?.is_empty()).then_some(())
        },
        "a second",
    );
    assert_eq!(attention(&mut api, "recovered_after_crash", "en"), None);
}

/// A trusted network that half the world is in, as long as nobody has to sign in; and a setting that was
/// saved over the file's.
#[test]
fn what_settings_need() {
    let file = fresh_dir().with_extension("toml");
    std::fs::write(&file, "[mqtt]\nmax_inflight = 50\n").unwrap();
    let config = format!("--config={}", file.display());
    let (_broker, mut api) = Broker::signed_in(&[&config]);
    let wide = json!({"value": ["128.0.0.0/1"]});
    api.put("/settings/lan_guard.trusted", &wide).expect(200);
    let open = needed(&mut api, "open_to_public");
    assert_eq!(open["who"], "128.0.0.0/1");
    let off = json!({"value": false});
    api.put("/settings/mqtt.allow_anonymous", &off).expect(200);
    cured(&mut api, "open_to_public");
    let other = json!({"value": 60});
    api.put("/settings/mqtt.max_inflight", &other).expect(200);
    let item = needed(&mut api, "setting_overridden");
    assert_eq!(item["who"], "mqtt.max_inflight");
    let cause = item["cause"].as_str().unwrap();
    assert!(cause.contains("60") && cause.contains("50"), "{cause}");
    api.delete("/settings/mqtt.max_inflight").expect(204);
    cured(&mut api, "setting_overridden");
    let _ = std::fs::remove_file(file);
}

/// The item of the default password goes with it.
#[test]
fn a_password_is_set() {
    let broker = Broker::start();
    let mut api = broker.api();
    api.sign_in("admin", "public");
    needed(&mut api, "default_password");
    let change = json!({"old_pwd": "public", "new_pwd": PASSWORD});
    api.post("/users/admin/change_pwd", &change).expect(204);
    let mut api = again(&broker);
    assert_eq!(attention(&mut api, "default_password", "en"), None);
}
