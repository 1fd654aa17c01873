//! Chapter 42: the profiles, and who sees what from where. `home` is what the other chapters are about; `production` closes what a
//! laboratory leaves open, and does not start where strangers could come in.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::{Value, json};

use crate::connection_log::PATIENCE;
use crate::wire::{Broker, Connect, Kind, PASSWORD, V5, V311, run_once, run_tool};

const PRODUCTION: &str = "profile=production";

/// The settings, as `ternmq ctl config show` tells programs.
fn config_show(dir: &Path) -> Value {
    let mut all = ["ctl", "config", "show", "--json", "--data-dir"]
        .map(OsStr::new)
        .to_vec();
    all.push(dir.as_os_str());
    let (code, out, err) = run_tool(&all, &[("LC_ALL", "C")], &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    serde_json::from_slice(&out).unwrap()
}

/// A setting's value, and what it comes from.
fn setting(shown: &Value, key: &str) -> (Value, Value) {
    let mut rows = shown.as_array().unwrap_or_else(|| panic!("{shown}")).iter();
    let row = rows.find(|row| row["key"] == key).unwrap();
    (row["value"].clone(), row["origin"]["from"].clone())
}

/// Where anonymous clients reach it, or with a risk that nobody knows, it does not start; somebody may accept a
/// risk by name.
#[test]
fn production_does_not_start_open() {
    let binds = ["tcp", "ssl", "ws", "wss"];
    let binds = binds.map(|kind| format!("listeners.{kind}.default.bind=127.0.0.1:0"));
    let mut args = vec!["--set", PRODUCTION];
    for bind in &binds {
        args.extend(["--set", bind]);
    }
    let risk = "accepted_risks=default_password";
    drop(Broker::with(&[PRODUCTION, risk]));
    drop(Broker::with_password(&[PRODUCTION]));
    let open = "mqtt.allow_anonymous=true";
    let public = "listeners.tcp.default.bind=0.0.0.0:0";
    args.extend(["--set", risk, "--set", open, "--set", public]);
    let (code, said) = run_once(&args);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("accepted_risks = [\"anonymous\"]"), "{said}");
    let unknown = ["--set", "accepted_risks=everything"];
    let (code, said) = run_once(&unknown);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("\"anonymous\" | "), "{said}");
}

/// Without a password nobody signs in with the default one; a link in the log, which nobody else sees, lets in
/// whoever has it to set one, and then no more. It is another one with each start.
#[test]
fn production_is_set_up_by_a_link() {
    let mut broker = Broker::with(&[PRODUCTION]);
    let link = |broker: &Broker| {
        let line = broker.finds(|line| line.contains("#setup="), PATIENCE);
        let line = line.expect("it says so");
        let (_, rest) = line.split_once("#setup=").unwrap();
        rest.split(' ').next().unwrap().to_owned()
    };
    let first = link(&broker);
    let login = |broker: &Broker, password: &str| {
        let asked = json!({"username": "admin", "password": password});
        broker.api().post("/login", &asked)
    };
    login(&broker, "public").expect(401);
    broker.kill_and_restart();
    let second = link(&broker);
    assert_ne!(first, second);
    login(&broker, &first).expect(401);
    assert_eq!(
        login(&broker, &second).expect(200).json()["must_set_password"],
        true
    );
    let mut api = broker.api();
    api.sign_in("admin", &second);
    api.get("/clients").expect(200);
    api.put("/settings/mqtt.max_queue", &json!({"value": 7}))
        .expect(403);
    let points = api.get("/security").expect(200).json();
    let mut points = points.as_array().unwrap().iter();
    let point = points
        .find(|point| point["id"] == "default_password")
        .unwrap();
    assert_eq!(point["severity"], "fine");
    let change = json!({"old_pwd": second, "new_pwd": PASSWORD});
    api.post("/users/admin/change_pwd", &change).expect(204);
    login(&broker, &second).expect(401);
    api.sign_in("admin", PASSWORD);
    api.put("/settings/mqtt.max_queue", &json!({"value": 7}))
        .expect(200);
    broker.kill_and_restart();
    assert!(!broker.said().any(|line| line.contains("#setup=")));
}

/// Clients need credentials, may do what a rule allows and nothing else, and figures need a key. At home
/// it is the other way round. What differs is shown with where it comes from.
#[test]
fn production_closes_what_home_leaves_open() {
    let home = Broker::with_password(&[]);
    home.v5("nobody").bye();
    home.api().get("/prometheus/stats").expect(200);
    let shown = config_show(home.dir());
    assert_eq!(
        setting(&shown, "mqtt.allow_anonymous"),
        (json!(true), json!("default"))
    );

    let (broker, mut api) = Broker::signed_in(&[PRODUCTION]);
    for version in [V311, V5] {
        let mut conn = broker.open(version);
        conn.send(&Connect::new(version, "nobody").bytes());
        let refused = if version == V5 { 0x87 } else { 5 };
        assert_eq!(conn.read_kind(Kind::ConnAck).code, refused);
    }
    broker.api().get("/prometheus/stats").expect(401);
    api.get("/prometheus/stats").expect(200);
    let access = api.get("/authorization/settings").expect(200).json();
    assert_eq!(access["no_match"], json!("deny"));

    let shown = config_show(broker.dir());
    for (key, value, from) in [
        ("profile", json!("production"), "flag"),
        ("mqtt.allow_anonymous", json!(false), "profile"),
        ("mqtt.max_queue", json!(1000), "default"),
    ] {
        assert_eq!(setting(&shown, key), (value, json!(from)), "{key}");
    }

    let users = "/authentication/password_based:built_in_database/users";
    let own = json!({"mechanism": "password_based", "backend": "built_in_database"});
    api.post("/authentication", &own).expect(200);
    let user = json!({"user_id": "pump", "password": PASSWORD});
    api.post(users, &user).expect(201);
    let pump = Connect::new(V5, "pump")
        .user("pump")
        .password(PASSWORD.as_bytes());
    let mut conn = broker.connect(&pump);
    conn.send(&crate::wire::subscribe(V5, 7, &[("a/#", 0)]));
    assert_eq!(conn.read_kind(Kind::SubAck).codes, [0x87]);
    let rule = json!({"topic": "a/#", "permission": "allow", "action": "all"});
    let rules = "/authorization/sources/built_in_database/rules/all";
    api.post(rules, &json!({"rules": [rule]})).expect(204);
    conn.subscribe("a/#", 0);
}

/// What MQTT.fx asks for when its Broker Status is opened.
const BROKER_STATUS: [&str; 9] = [
    "$SYS/broker/version",
    "$SYS/broker/uptime",
    "$SYS/broker/clients/connected",
    "$SYS/broker/clients/disconnected",
    "$SYS/broker/clients/total",
    "$SYS/broker/messages/received",
    "$SYS/broker/messages/sent",
    "$SYS/broker/bytes/received",
    "$SYS/broker/subscriptions/count",
];

/// Reads until something came of each of these topics.
#[cfg(target_os = "linux")]
fn hears_of_all(conn: &mut crate::wire::Conn, topics: &[&str]) {
    let mut missing: Vec<&str> = topics.to_vec();
    while !missing.is_empty() {
        let got = conn.receive();
        missing.retain(|topic| *topic != got.topic);
    }
}

#[cfg(target_os = "linux")]
fn on_machines(machines: &crate::wire::Machines, settings: &[&str]) -> Broker {
    let always = [
        "listeners.tcp.default.bind=0.0.0.0:0",
        "mqtt.sys_interval=1s",
    ];
    let settings = [&always, settings].concat();
    let dir = crate::wire::fresh_dir();
    let mut broker = Broker::under(machines.on_server(), &dir, &settings);
    broker.forget_data();
    broker
}

/// From another machine of the local network, without credentials, MQTT Explorer's first packet and
/// MQTT.fx's Broker Status are granted and bring counters; who comes and goes is not told. Needs root.
#[cfg(target_os = "linux")]
#[test]
fn counters_for_tools_on_the_local_network() {
    use std::net::SocketAddr;

    use crate::wire::{Conn, Machines, Publish, subscribe};

    let Some(machines) = Machines::new() else {
        return;
    };
    let broker = on_machines(&machines, &[]);
    let near = SocketAddr::from((Machines::NEAR, broker.tcp.port()));
    machines.as_client(|| {
        for version in [V311, V5] {
            let mut explorer = Conn::open(near, version);
            explorer.connect(&Connect::new(version, "mqtt-explorer"));
            explorer.send(&subscribe(version, 1, &[("#", 0), ("$SYS/#", 0)]));
            assert_eq!(explorer.read_kind(Kind::SubAck).codes, [0, 0]);
            let mut passer_by = Conn::open(near, version);
            passer_by.connect(&Connect::new(version, "passer-by"));
            passer_by.publish(&Publish::new("lab/t", "21.5"));
            passer_by.bye();
            let node = "$SYS/brokers/ternmq@127.0.0.1";
            let stats = format!("{node}/stats/connections/count");
            let events = format!("{node}/clients/");
            let mut missing = vec!["$SYS/broker/uptime", stats.as_str(), "lab/t"];
            while !missing.is_empty() {
                let got = explorer.receive();
                assert!(!got.topic.starts_with(&events), "{}", got.topic);
                missing.retain(|topic| *topic != got.topic);
            }
            let mut fx = Conn::open(near, version);
            fx.connect(&Connect::new(version, "MQTT_FX_Client1"));
            let filters = BROKER_STATUS.map(|topic| (topic, 0));
            fx.send(&subscribe(version, 2, &filters));
            assert_eq!(fx.read_kind(Kind::SubAck).codes, [0; 9]);
            hears_of_all(&mut fx, &BROKER_STATUS);
        }
    });
}

/// Who is let in from a public address because its network is trusted subscribes like everybody else and is
/// told nothing of the broker, live or retained; a rule tells it what it names. Needs root.
#[cfg(target_os = "linux")]
#[test]
fn no_counters_for_public_addresses() {
    use std::net::SocketAddr;

    use crate::wire::{Conn, Machines, Publish, subscribe};

    let Some(machines) = Machines::new() else {
        return;
    };
    let broker = on_machines(&machines, &["lan_guard.trusted=203.0.113.0/24"]);
    let port = broker.tcp.port();
    machines.as_client(|| {
        let mut near = Conn::open(SocketAddr::from((Machines::NEAR, port)), V5);
        near.connect(&Connect::new(V5, "near"));
        let mut far = Conn::open(SocketAddr::from((Machines::FAR, port)), V5);
        far.connect(&Connect::new(V5, "far"));
        far.send(&subscribe(
            V5,
            1,
            &[("#", 0), ("$SYS/#", 0), ("$SYS/broker/uptime", 0)],
        ));
        assert_eq!(far.read_kind(Kind::SubAck).codes, [0, 0, 0]);
        near.subscribe("$SYS/broker/uptime", 0);
        for _ in 0..3 {
            // The far one had its chance in the same second.
            near.receive();
            near.publish(&Publish::new("lab/t", "21.5"));
            far.receive_this("lab/t", "21.5");
        }
    });
}

/// At home a client of the local network is let in without credentials; one from a public address is
/// refused with the remedy in the log. Needs root, for networks of its own.
#[cfg(target_os = "linux")]
#[test]
fn home_from_the_local_network_and_from_afar() {
    use std::net::SocketAddr;
    use std::time::Duration;

    use crate::wire::{Conn, Machines, Publish};

    let Some(machines) = Machines::new() else {
        return;
    };
    let broker = on_machines(&machines, &[]);
    let port = broker.tcp.port();
    machines.as_client(|| {
        let near = SocketAddr::from((Machines::NEAR, port));
        let mut subscriber = Conn::open(near, V311);
        subscriber.connect(&Connect::new(V311, "MQTT_FX_Client1"));
        subscriber.subscribe("test", 0);
        let mut publisher = Conn::open(near, V5);
        publisher.connect(&Connect::new(V5, "publisher"));
        publisher.publish(&Publish::new("test", "this is a test message"));
        subscriber.receive_this("test", "this is a test message");

        let far = SocketAddr::from((Machines::FAR, port));
        for (version, code) in [(V311, 5), (V5, 0x87)] {
            let mut conn = Conn::open(far, version);
            conn.send(&Connect::new(version, "stranger").bytes());
            assert_eq!(conn.read_kind(Kind::ConnAck).code, code);
        }
    });
    let line = broker.hears("203.0.113.2", Duration::from_secs(8));
    assert!(line.contains("lan_guard.trusted"), "{line}");
}
