//! Chapter 46: `ternmq migrate`, and what a broker takes over at its first start of what it has made: users of
//! mosquitto's and access rules. Configurations by the dozen, beside mosquitto, are in `tests/clients/migrate.py`.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::{Value, json};

use crate::wire::{Broker, Connect, Kind, Publish, V5, fresh_dir, run_once_on, run_tool};

/// A user of mosquitto_passwd's with the password `public`.
const ANNA: &str = "anna:$7$101$ijADCJb5/fweysCX$0ufgV/hgMhwJEog9yX0POBMAFYGLPyB9yD5cfUYfhjubQUn60sXv134qw30E5lRvizDycRG655elUQR2DzXtfA==\n";

fn migrate(args: &[&OsStr]) -> (i32, String, String) {
    let all = [&[OsStr::new("migrate")], args].concat();
    let (code, out, err) = run_tool(&all, &[("LC_ALL", "C")], b"");
    (code, String::from_utf8(out).unwrap(), err)
}

fn code(broker: &Broker, connect: &Connect) -> u8 {
    let mut conn = broker.open(V5);
    conn.send(&connect.bytes());
    conn.read_kind(Kind::ConnAck).code
}

fn anna(password: &str) -> Connect {
    Connect::new(V5, "c")
        .user("anna")
        .password(password.as_bytes())
}

/// What was made of a configuration with users and rules is a broker with these: as said there before, from
/// the first start on. Rules are taken over once; users who were added to the file come with a restart.
#[test]
fn what_was_made_is_a_broker() {
    let dir = fresh_dir();
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("users"), ANNA).unwrap();
    std::fs::write(dir.join("acl"), "user anna\ntopic readwrite lab/#\n").unwrap();
    let old = "password_file users\nacl_file acl\nlistener 1883\nmax_inflight_messages 3\n";
    std::fs::write(dir.join("mosquitto.conf"), old).unwrap();
    let to = dir.join("made");
    let file = dir.join("mosquitto.conf");
    let args = [
        file.as_os_str(),
        OsStr::new("--to"),
        to.as_os_str(),
        OsStr::new("--json"),
    ];
    let (status, out, err) = migrate(&args);
    assert_eq!((status, err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    let fates: Vec<&Value> = report["settings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["fate"])
        .collect();
    assert_eq!(fates, [&json!("translated"); 4]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(to.join("passwords"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    let settings = [
        format!("mqtt.bootstrap_users={}", to.join("passwords").display()),
        format!("mqtt.bootstrap_rules={}", to.join("rules").display()),
        "mqtt.allow_anonymous=false".to_owned(),
    ];
    let made = std::fs::read_to_string(to.join("ternmq.toml")).unwrap();
    for setting in &settings {
        let (key, value) = setting.split_once('=').unwrap();
        let line = |value: &str| format!("{} = {value}\n", key.trim_start_matches("mqtt."));
        let said = made.contains(&line(value)) || made.contains(&line(&format!("\"{value}\"")));
        assert!(said, "{setting}: {made}");
    }
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut broker = Broker::on(&dir.join("data"), &settings);
    let holds = |broker: &Broker| {
        assert_eq!(code(broker, &anna("public")), 0);
        assert_eq!(code(broker, &anna("Public")), 0x86);
        assert_eq!(code(broker, &Connect::new(V5, "c")), 0x87);
        let mut conn = broker.connect(&anna("public"));
        conn.subscribe("#", 1);
        assert_eq!(conn.publish(&Publish::new("plant/x", "1").qos1(1)), 0x87);
        conn.publish(&Publish::new("lab/x", "2"));
        conn.receive_this("lab/x", "2");
    };
    holds(&broker);
    std::fs::remove_file(to.join("rules")).unwrap();
    let bert = ANNA.replace("anna:", "bert:");
    std::fs::write(to.join("passwords"), format!("{ANNA}{bert}")).unwrap();
    broker.kill_and_restart();
    holds(&broker);
    let bert = Connect::new(V5, "d").user("bert").password(b"public");
    assert_eq!(code(&broker, &bert), 0);
    drop(broker);

    // What cannot be used stops the start: without it, somebody might do what it denies.
    let wrong = dir.join("wrong");
    std::fs::write(&wrong, "user anna\ntopics lab/#\n").unwrap();
    for (setting, told) in [
        (
            format!("mqtt.bootstrap_rules={}", wrong.display()),
            "line 2",
        ),
        (
            format!("mqtt.bootstrap_rules={}", to.join("rules").display()),
            "No such file",
        ),
        (
            format!("mqtt.bootstrap_users={}", wrong.display()),
            "line 1",
        ),
    ] {
        let set = format!("--set={setting}");
        let args = [&*set, "--set=listeners.tcp.default.bind=127.0.0.1:0"];
        let (status, said) = run_once_on(&dir.join("other"), &args);
        assert!(status != 0 && said.contains(told), "{setting}: {said}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// The report is for people, in the language of the terminal, and has both; nothing is written over, and
/// what is no configuration is told with its line.
#[test]
fn reports_and_errors() {
    let dir = fresh_dir();
    std::fs::create_dir_all(&dir).unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let run = |file: &Path, to: &str| {
        migrate(&[
            file.as_os_str(),
            OsStr::new("--to"),
            dir.join(to).as_os_str(),
        ])
    };
    let conf = file(
        "mosquitto.conf",
        "remote_password hush\nqueue_qos0_messages true\nodd_one 1\n",
    );
    let (status, out, err) = run(&conf, "made");
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(
        out.starts_with("0 settings are translated, 0 not needed, 3 have no counterpart.\n"),
        "{out}"
    );
    assert!(
        out.contains("mosquitto.conf:3: odd_one 1") && out.contains("publish with QoS 1"),
        "{out}"
    );
    for (name, words) in [("report.md", "What to do"), ("report.zh.md", "怎么办")] {
        let page = std::fs::read_to_string(dir.join("made").join(name)).unwrap();
        assert!(
            page.contains(words) && page.contains("******") && !page.contains("hush"),
            "{page}"
        );
    }
    let before = std::fs::read(dir.join("made/ternmq.toml")).unwrap();
    let (status, _, err) = run(&conf, "made");
    assert!(status == 2 && err.contains("there already"), "{err}");
    assert_eq!(std::fs::read(dir.join("made/ternmq.toml")).unwrap(), before);
    let (status, _, err) = run(&dir.join("nowhere.conf"), "other");
    assert!(status == 2 && err.contains("cannot be migrated"), "{err}");
    let (status, _, err) = run(&file("emqx.conf", "mqtt {\n max_inflight = 1\n"), "other");
    assert!(
        status == 2 && err.contains("emqx.conf:3: a } is missing"),
        "{err}"
    );
    assert!(!dir.join("other").exists());
    // Whose it is shows in how it is written, where its name does not tell.
    let (_, out, _) = run(&file("a.conf", "# x\nmqtt.max_inflight = 5\n"), "a");
    assert!(out.starts_with("1 settings"), "{out}");
    let made = std::fs::read_to_string(dir.join("a/ternmq.toml")).unwrap();
    assert!(
        made.contains("[mqtt]\nallow_anonymous = true\nmax_inflight = 5\n"),
        "{made}"
    );
    std::fs::remove_dir_all(&dir).unwrap();
}
