//! The table against itself, precedence, and the text of each error.

use std::path::Path;
use std::time::Duration;

use engine::{QueueFull, Strategy};

use super::*;

fn file(text: &str) -> Result<Loaded, ConfigError> {
    let mut loader = Loader::new(Profile::Home);
    loader.file(PathBuf::from("t.toml"), text)?;
    loader.finish()
}

fn sources(env: &[(&str, &str)], sets: &[&str]) -> Result<Loaded, ConfigError> {
    Config::load(&Sources {
        file: None,
        env: env
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
    })
}

fn addrs(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn defaults() {
    let config = Config::default();
    assert_eq!(config, file("").unwrap().config);
    assert_eq!(config.node.data_dir, Path::new("./ternmq-data"));
    assert_eq!(config.node.shards, 0);
    assert_eq!(config.node.durability, Durability::Sync);
    assert_eq!(config.store.sync_interval, Duration::from_secs(1));
    assert_eq!(
        (config.store.max_bytes, config.store.max_age),
        (4 << 30, None)
    );
    let ids: Vec<String> = config.listeners.keys().map(ListenerId::to_string).collect();
    assert_eq!(
        ids,
        ["tcp:default", "ssl:default", "ws:default", "wss:default"]
    );
    let binds: Vec<_> = config.listeners.values().map(|l| l.bind.clone()).collect();
    assert_eq!(binds[0], addrs(&["0.0.0.0:1883", "[::]:1883"]));
    assert_eq!(binds[1], addrs(&["0.0.0.0:8883", "[::]:8883"]));
    assert_eq!(binds[2], addrs(&["0.0.0.0:8083", "[::]:8083"]));
    assert_eq!(binds[3], addrs(&["0.0.0.0:8084", "[::]:8084"]));
    let mqtt = &config.mqtt;
    assert_eq!(
        (mqtt.max_packet_size, mqtt.max_connect_size),
        (1 << 20, 256 << 10)
    );
    assert_eq!((mqtt.max_payload_size, mqtt.server_keepalive), (None, None));
    assert_eq!(mqtt.slow_grace, Duration::from_millis(100));
    assert_eq!(mqtt.session_expiry, Duration::from_secs(7 * 86_400));
    assert_eq!(mqtt.queue_full, QueueFull::DropOldest);
    assert_eq!(mqtt.shared_strategy, Strategy::RoundRobin);
    assert!((mqtt.keepalive_multiplier - 1.5).abs() < f64::EPSILON);
}

/// The file in the repository is the table's. With `TERNMQ_BLESS=1` it is written anew.
#[test]
fn documented_file_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/ternmq.toml");
    if std::env::var_os("TERNMQ_BLESS").is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\r\n", "\n");
    assert_eq!(text, document(), "run the tests with TERNMQ_BLESS=1");
}

/// Each default in the documented file is what the key has anyway; none is missing.
#[test]
fn documented_file_is_the_default() {
    assert_eq!(file(&document()).unwrap().origins, BTreeMap::new());
    let uncommented: String = document()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with([' ', '#']) && !rest.is_empty() => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let loaded = file(&uncommented).unwrap();
    assert_eq!(loaded.config, Config::default());
    let entries = loaded.config.entries();
    assert_eq!(loaded.origins.len(), entries.len());
    assert!(
        entries
            .iter()
            .all(|entry| loaded.origins.contains_key(&entry.name))
    );
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let dir = std::env::temp_dir().join(format!("ternmq-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("ternmq.toml");
    let text = "\u{feff}[mqtt]\nmax_queue = 1\nmax_inflight = 1\nmax_topic_levels = 1\n";
    std::fs::write(&path, text).unwrap();
    let loaded = Config::load(&Sources {
        file: Some(path.clone()),
        env: vec![
            ("TERNMQ__MQTT__MAX_INFLIGHT".into(), "2".into()),
            ("TERNMQ__MQTT__MAX_QUEUE".into(), "2".into()),
            ("TERNMQ_OTHER".into(), "ignored".into()),
            ("PATH".into(), "ignored".into()),
        ],
        sets: vec!["mqtt.max_queue=3".into()],
    });
    std::fs::remove_dir_all(&dir).unwrap();
    let loaded = loaded.unwrap();
    let mqtt = &loaded.config.mqtt;
    assert_eq!(
        (mqtt.max_topic_levels, mqtt.max_inflight, mqtt.max_queue),
        (1, 2, 3)
    );
    let origin = |key: &str| loaded.origins.get(key).cloned().unwrap_or(Origin::Default);
    assert_eq!(
        origin("mqtt.max_topic_levels"),
        Origin::File { path, line: 4 }
    );
    assert_eq!(
        origin("mqtt.max_inflight").to_string(),
        "TERNMQ__MQTT__MAX_INFLIGHT"
    );
    assert_eq!(origin("mqtt.max_queue"), Origin::Flag);
    assert_eq!(origin("mqtt.upgrade_qos"), Origin::Default);
}

#[test]
fn values_in_all_their_forms() {
    let sets = [
        ("mqtt.max_packet_size=64KB", "\"64KB\""),
        ("mqtt.max_packet_size=65536", "\"64KB\""),
        ("mqtt.max_packet_size=\"1mb\"", "\"1MB\""),
        ("mqtt.max_packet_size=1000", "1000"),
        ("mqtt.max_retained_bytes=2GB", "\"2GB\""),
        ("mqtt.max_retained_size=none", "\"none\""),
        ("mqtt.max_retained_size=1KB", "\"1KB\""),
        ("mqtt.session_expiry=1h30m", "\"90m\""),
        ("mqtt.session_expiry=0s", "\"0s\""),
        ("mqtt.session_expiry=14d", "\"14d\""),
        ("mqtt.sys_interval = 1500ms", "\"1500ms\""),
        ("mqtt.keepalive_multiplier=2", "2.0"),
        ("mqtt.keepalive_multiplier=2.5", "2.5"),
        ("mqtt.upgrade_qos=true", "true"),
        ("mqtt.shared_strategy=hash_clientid", "\"hash_clientid\""),
        ("log.level=debug", "\"debug\""),
        ("data_dir=2024", "\"2024\""),
        ("data_dir=C:\\mqtt data", "'C:\\mqtt data'"),
        ("data_dir=a = b # c", "\"a = b # c\""),
        (
            "listeners.tcp.default.bind=1884",
            "[\"0.0.0.0:1884\", \"[::]:1884\"]",
        ),
        (
            "listeners.tcp.default.bind=:1884",
            "[\"0.0.0.0:1884\", \"[::]:1884\"]",
        ),
        ("listeners.ws.default.bind=127.0.0.1:0", "[\"127.0.0.1:0\"]"),
        ("listeners.ws.default.bind=[::1]:9", "[\"[::1]:9\"]"),
        (
            "listeners.tcp.default.bind=[1884, \"0.0.0.0:1884\", \"127.0.0.1:5\"]",
            "[\"0.0.0.0:1884\", \"[::]:1884\", \"127.0.0.1:5\"]",
        ),
        ("listeners.tcp.default.max_connections=none", "\"none\""),
        (
            "listeners.tcp.default.access_rules=[\"allow 10.0.0.0/8\", \"deny all\"]",
            "[\"allow 10.0.0.0/8\", \"deny all\"]",
        ),
        (
            "listeners.wss.default.access_rules=deny ::1",
            "[\"deny ::1/128\"]",
        ),
        ("durability=os", "\"os\""),
        ("store.sync_interval=10ms", "\"10ms\""),
        ("store.max_bytes=1024GB", "\"1024GB\""),
        ("store.max_age=90d", "\"90d\""),
        ("listeners.tcp.default.messages_rate=100", "\"100/s\""),
        ("listeners.tcp.default.messages_rate=100/s", "\"100/s\""),
        ("listeners.tcp.default.max_conn_rate=10/5m", "\"10/5m\""),
        ("listeners.tcp.default.max_conn_rate=7 / 10s", "\"7/10s\""),
        ("listeners.ssl.default.bytes_rate=64kb/s", "\"64KB/s\""),
        (
            "listeners.ssl.default.bytes_rate=1500/100ms",
            "\"1500/100ms\"",
        ),
        ("listeners.ssl.default.total_bytes_rate=none", "\"none\""),
        (
            "listeners.ws.default.mountpoint=t/${username}/",
            "\"t/${username}/\"",
        ),
    ];
    for (set, shown) in sets {
        let loaded = sources(&[], &[set]).unwrap_or_else(|error| panic!("{error}"));
        let name = set.split('=').next().unwrap().trim();
        let entries = loaded.config.entries();
        let entry = entries.iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(entry.value, shown, "{set}");
        // What is shown reads back the same.
        let again = sources(&[], &[&format!("{name}={shown}")]).unwrap();
        assert_eq!(again.config, loaded.config, "{set}");
    }
}

#[test]
fn further_listeners() {
    let text = "[listeners.tcp.inside]\nbind = \"10.0.0.1:1883\"\nmax_connections = 5\n\
                [listeners.ws]\ndefault.enabled = false\n[listeners.ws.web]\nbind = 9001\n";
    let loaded = file(text).unwrap();
    let ids: Vec<String> = loaded
        .config
        .listeners
        .keys()
        .map(ListenerId::to_string)
        .collect();
    let due = [
        "tcp:default",
        "tcp:inside",
        "ssl:default",
        "ws:default",
        "ws:web",
        "wss:default",
    ];
    assert_eq!(ids, due);
    let enabled: Vec<bool> = loaded
        .config
        .listeners
        .values()
        .map(|l| l.enabled)
        .collect();
    assert_eq!(enabled, [true, true, true, false, true, true]);
    let env = [("TERNMQ__LISTENERS__TCP__DEFAULT__BIND", "1884")];
    let config = sources(&env, &[]).unwrap().config;
    assert_eq!(
        config.listeners.values().next().unwrap().bind[0].port(),
        1884
    );
}

/// Origins are written as browsers write them, and only where web pages connect.
#[test]
fn origins_of_pages() {
    let set = |value: &str| {
        sources(
            &[],
            &[&format!("listeners.ws.default.allowed_origins={value}")],
        )
    };
    let pages = |value: &str| {
        let config = set(value).unwrap().config;
        let id = ListenerId::parse("ws:default").unwrap();
        config.listeners[&id].allowed_origins.clone()
    };
    assert_eq!(pages("[]"), [""; 0]);
    assert_eq!(
        pages("https://Tool.example:8443/"),
        ["https://tool.example:8443"]
    );
    assert_eq!(
        pages(r#"["*", "null", "file:///"]"#),
        ["*", "null", "file://"]
    );
    for bad in [
        "tool.example",
        "https://",
        "https://a/b",
        "https://*.a",
        "7",
        "",
    ] {
        assert!(set(bad).is_err(), "{bad}");
    }
    assert!(sources(&[], &["listeners.tcp.default.allowed_origins=*"]).is_err());
}

#[test]
fn tls_listeners() {
    let text = "[listeners.ssl.default]\nbind = 8883\n[listeners.ssl.default.ssl_options]\n\
                certfile = \"a.pem\"\nkeyfile = \"a.key\"\nversions = \"tlsv1.3\"\n\
                [listeners.wss]\ndefault.ssl_options.verify = \"verify_peer\"\n\
                [listeners.ssl.b]\nbind = 1\nssl_options.fail_if_no_peer_cert = true\n";
    let loaded = file(text).unwrap();
    let listener = |id: &str| loaded.config.listeners[&ListenerId::parse(id).unwrap()].clone();
    let options = listener("ssl:default").ssl_options;
    assert_eq!(options.certfile, Some("a.pem".into()));
    assert_eq!(options.versions, [TlsVersion::V1_3]);
    assert_eq!(options.verify, Verify::None);
    assert_eq!(listener("wss:default").ssl_options.verify, Verify::Peer);
    assert_eq!(
        loaded.warnings,
        [
            "listeners.ssl.b.ssl_options.fail_if_no_peer_cert does nothing without verify = \"verify_peer\""
        ]
    );
    for (text, due) in [
        (
            "[listeners.ssl.a]\nbind = 1\nssl_options.certifle = \"a\"\n",
            "t.toml:3: unknown key listeners.ssl.a.ssl_options.certifle; did you mean \
             listeners.ssl.a.ssl_options.certfile?",
        ),
        (
            "[listeners.tcp.a]\nbind = 1\nssl_options.certfile = \"a\"\n",
            "t.toml:3: unknown key listeners.tcp.a.ssl_options.certfile; did you mean \
             listeners.ssl.a.ssl_options.certfile?",
        ),
        (
            "[listeners.ssl.default.ssl_options]\nversions = []\n",
            "t.toml:2: listeners.ssl.default.ssl_options.versions = [] is not allowed; use \
             \"tlsv1.3\" | \"tlsv1.2\", or a list of these",
        ),
    ] {
        assert_eq!(file(text).unwrap_err().to_string(), due);
    }
}

#[test]
fn errors_of_a_file_in_one_line() {
    let cases = [
        (
            "# x\n[mqtt]\nmax_packet_szie = 1\n",
            "t.toml:3: unknown key mqtt.max_packet_szie; did you mean mqtt.max_packet_size?",
        ),
        (
            "max_queue = 1\n",
            "t.toml:1: unknown key max_queue; did you mean mqtt.max_queue?",
        ),
        (
            "\n[mqtt]\nretries = 1\n",
            "t.toml:3: unknown key mqtt.retries; the sample ternmq.toml lists all keys",
        ),
        (
            "[mqt]\n",
            "t.toml:1: unknown key mqt; the sample ternmq.toml lists all keys",
        ),
        ("mqtt = 3\n", "t.toml:1: mqtt is a section, not a value"),
        (
            "[[listeners.tcp]]\nbind = 1\n",
            "t.toml:1: listeners.tcp is a section, not a value",
        ),
        (
            "[listeners.tcp.a]\nbnd = 1\n",
            "t.toml:2: unknown key listeners.tcp.a.bnd; did you mean listeners.tcp.a.bind?",
        ),
        (
            "[listeners.tpc.a]\nbind = 1\n",
            "t.toml:2: unknown key listeners.tpc.a.bind; did you mean listeners.tcp.a.bind?",
        ),
        (
            "[listeners.tcp.b]\nenabled = true\n",
            "t.toml:2: listeners.tcp.b.bind is missing; for example listeners.tcp.b.bind = 1884",
        ),
        (
            "[listeners.tcp.\"a b\"]\nbind = 1\n",
            "t.toml:2: listeners.tcp.a b.bind: use letters, digits, _ and - for a listener's name, at most 64",
        ),
        (
            "mqtt.max_packet_size = \"1XB\"\n",
            "t.toml:1: mqtt.max_packet_size = \"1XB\" is not allowed; use a size such as \"64KB\" or 65536, 64 to 256MB",
        ),
        (
            "[mqtt]\nmax_inflight = 0\n",
            "t.toml:2: mqtt.max_inflight = 0 is not allowed; use a whole number, 1 to 65535",
        ),
        (
            "[mqtt]\nqueue_full = \"wait\"\n",
            "t.toml:2: mqtt.queue_full = \"wait\" is not allowed; use \"drop_oldest\" | \"disconnect\"",
        ),
        (
            "[mqtt]\nconnect_timeout = 5\n",
            "t.toml:2: mqtt.connect_timeout = 5 is not allowed; use a time such as \"100ms\", \"30s\", \"5m\", \"7d\", 100ms to 5m",
        ),
        (
            "[mqtt]\nupgrade_qos = \"yes\\nno\"\n",
            "t.toml:2: mqtt.upgrade_qos = \"yes\\nno\" is not allowed; use true | false",
        ),
        (
            "shards = 1979-05-27\n",
            "t.toml:1: shards = 1979-05-27 is not allowed; use a whole number, 0 to 32",
        ),
        (
            "durability = \"always\"\n",
            "t.toml:1: durability = \"always\" is not allowed; use \"sync\" | \"interval\" | \"os\"",
        ),
        (
            "[store]\ndurability = \"os\"\n",
            "t.toml:2: unknown key store.durability; did you mean durability?",
        ),
        (
            "[store]\nmax_bytes = \"1MB\"\n",
            "t.toml:2: store.max_bytes = \"1MB\" is not allowed; use a size such as \"64KB\" or 65536, 16MB to 1024GB",
        ),
        (
            "listeners.tcp.default.bind = [\"localhost:1883\"]\n",
            "t.toml:1: listeners.tcp.default.bind = [\"localhost:1883\"] is not allowed; use a port \
             such as 1883, an address such as \"0.0.0.0:1883\" or \"[::]:1883\", or a list of these",
        ),
    ];
    for (text, expected) in cases {
        let error = file(text).map(|loaded| loaded.config).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!error.line(Lang::Zh).contains('\n'));
    }
}

#[test]
fn broken_toml_names_its_line() {
    for text in [
        "[mqtt]\nmax_queue = \n",
        "[mqtt]\nmax_queue = 1\nmax_queue = 2\n",
        "a = 'x\n",
    ] {
        let error = file(text)
            .map(|loaded| loaded.config)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("t.toml:") && error.contains(": not valid TOML: "),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
    let error = file("[mqtt]\nmax_queue = 1\nmax_queue = 2\n")
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("t.toml:3: "), "{error}");
}

#[test]
fn errors_of_environment_flag_and_path() {
    let error = |env: &[(&str, &str)], sets: &[&str]| {
        sources(env, sets)
            .map(|loaded| loaded.config)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(&[("TERNMQ__MQTT__MAX_QUEU", "1")], &[]),
        "TERNMQ__MQTT__MAX_QUEU: unknown key mqtt.max_queu; did you mean mqtt.max_queue?"
    );
    assert_eq!(
        error(&[], &["log.level=loud"]),
        "--set: log.level = \"loud\" is not allowed; use \"error\" | \"warn\" | \"info\" | \"debug\" | \"trace\""
    );
    assert_eq!(
        error(&[], &["mqtt.max_queue"]),
        "--set: mqtt.max_queue is not allowed; use --set section.key=value"
    );
    assert_eq!(
        error(&[], &["mqtt.max_queue=1\nmax_inflight=2"]),
        "--set: mqtt.max_queue = \"1\\nmax_inflight=2\" is not allowed; use a whole number, 0 to 10000000"
    );
    assert!(error(&[("TERNMQ__", "1")], &[]).contains("unknown key"));
    let long = "x".repeat(100_000);
    assert!(error(&[], &[&format!("{long}=1")]).len() < 200);
    let missing = Sources {
        file: Some("no/such.toml".into()),
        ..Sources::default()
    };
    let error = Config::load(&missing).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("no/such.toml: cannot be read ("),
        "{error}"
    );
}

#[test]
fn errors_in_chinese() {
    let error = file("[mqtt]\nmax_queu = 1\n").unwrap_err();
    assert_eq!(
        error.line(Lang::Zh),
        "t.toml:2: 没有 mqtt.max_queu 这个配置项；是否应为 mqtt.max_queue？"
    );
    let error = file("[mqtt]\nmax_queue = -1\n").unwrap_err();
    assert_eq!(
        error.line(Lang::Zh),
        "t.toml:2: mqtt.max_queue = -1 无效；允许：整数，0 到 10000000"
    );
}

#[test]
fn reload_names_what_waits_for_a_restart() {
    let old = Config::default();
    let text = "shards = 2\ndurability = \"os\"\n[store]\nmax_bytes = \"1GB\"\n[mqtt]\nmax_queue = 7\n[listeners.tcp.new]\nbind = 1999\n\
                [listeners.ws.default]\nenabled = false\n";
    let new = file(text).unwrap().config;
    assert_eq!(
        old.reload(&new),
        ["durability", "shards", "store.max_bytes",]
    );
    assert!(old.reload(&old).is_empty());
    assert_eq!(new.reload(&old), old.reload(&new));
}

/// Its own defaults, under whatever else is said; the flag counts more than the file's.
#[test]
fn profiles_differ_in_their_defaults() {
    let home = Config::default();
    let differing = |loaded: &Loaded| {
        let entries = home.entries().into_iter().zip(loaded.config.entries());
        let differ = entries.filter(|(a, b)| (&a.name, &a.value) != (&b.name, &b.value));
        differ.map(|(entry, _)| entry.name).collect::<Vec<_>>()
    };
    let production = layers("profile = \"production\"\n", &[], &[], &[]);
    assert_eq!(
        differing(&production),
        [
            "profile",
            "dashboard.bind",
            "outbound.networks",
            "mqtt.allow_anonymous"
        ]
    );
    assert!(!production.origins.contains_key("dashboard.bind"));
    let text = "profile = \"production\"\n[dashboard]\nbind = 18083\n";
    assert_eq!(
        differing(&layers(text, &[("mqtt.allow_anonymous", "true")], &[], &[])),
        ["profile", "outbound.networks"]
    );
    assert!(differing(&layers(text, &[], &[], &["profile=home"])).is_empty());
    assert!(Layers::savable("profile", &Raw::Text("home".to_owned())).is_err());
}

/// Every default, alone, is within its own range, and each key can be found by its name.
#[test]
fn table_is_consistent() {
    let config = Config::default();
    for entry in config.entries() {
        let path: Vec<String> = entry.name.split('.').map(str::to_owned).collect();
        assert!(
            find(&path).is_some_and(|key| std::ptr::eq(key, entry.key)),
            "{}",
            entry.name
        );
        assert!(
            (entry.key.set)(&mut config.clone(), &path, &Raw::bare(&entry.value)),
            "{}",
            entry.name
        );
        assert!(
            entry.key.doc.iter().all(|doc| doc.ends_with(['.', '。'])),
            "{}",
            entry.name
        );
    }
}

fn layers(text: &str, saved: &[(&str, &str)], env: &[(&str, &str)], sets: &[&str]) -> Loaded {
    let dir = std::env::temp_dir();
    let name = format!("ternmq-layers-{}-{:p}.toml", std::process::id(), text);
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    let sources = Sources {
        file: Some(path.clone()),
        env: env.iter().map(own).collect(),
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
    };
    let layers = Layers::read(&sources);
    std::fs::remove_file(&path).unwrap();
    let saved = saved.iter().map(own).collect();
    layers.unwrap().with_saved(saved).load().unwrap()
}

#[test]
fn saved_over_file_and_under_environment_and_flag() {
    let text =
        "[mqtt]\nmax_queue = 1\nmax_inflight = 1\nmax_topic_levels = 1\nmax_qos_allowed = 1\n";
    let saved = [
        ("mqtt.max_queue", "2"),
        ("mqtt.max_inflight", "2"),
        ("mqtt.max_topic_levels", "2"),
        ("mqtt.upgrade_qos", "true"),
    ];
    let env = [("TERNMQ__MQTT__MAX_INFLIGHT", "3")];
    let loaded = layers(text, &saved, &env, &["mqtt.max_queue=4"]);
    let mqtt = &loaded.config.mqtt;
    assert_eq!(
        (mqtt.max_queue, mqtt.max_inflight, mqtt.max_topic_levels),
        (4, 3, 2)
    );
    assert_eq!((mqtt.max_qos_allowed, mqtt.upgrade_qos), (1, true));
    let origin = |key: &str| loaded.origins[key].to_string();
    assert_eq!(origin("mqtt.max_queue"), "--set");
    assert_eq!(origin("mqtt.max_inflight"), "TERNMQ__MQTT__MAX_INFLIGHT");
    assert_eq!(origin("mqtt.max_topic_levels"), "saved");
    let (at, value) = &loaded.overruled["mqtt.max_topic_levels"];
    assert!(at.to_string().ends_with(":4"), "{at}");
    assert_eq!(value, "1");
    assert!(!loaded.overruled.contains_key("mqtt.max_qos_allowed"));
}

/// What was saved by another release, or against another file, stops no start.
#[test]
fn saved_values_that_do_not_fit_are_left_out_and_named() {
    let saved = [
        ("mqtt.max_queue", "-1"),
        ("mqtt.no_such_key", "1"),
        ("mqtt.max_inflight", "7"),
        ("listeners.tcp.gone.enabled", "false"),
    ];
    let loaded = layers("", &saved, &[], &[]);
    let names: Vec<_> = loaded.unusable.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "listeners.tcp.gone.bind",
            "mqtt.max_queue",
            "mqtt.no_such_key"
        ]
    );
    let line = loaded.unusable["mqtt.max_queue"].to_string();
    assert!(
        line.starts_with("saved: mqtt.max_queue = -1 is not allowed"),
        "{line}"
    );
    assert_eq!(loaded.config.mqtt.max_inflight, 7);
    assert_eq!(
        loaded.config.mqtt.max_queue,
        Config::default().mqtt.max_queue
    );
    assert_eq!(loaded.config.listeners.len(), 4);
}

#[test]
fn a_deleted_listener_is_gone_unless_it_is_named_again() {
    let text = "[listeners.tcp.inside]\nbind = 1884\n";
    let ids = |env: &[(&str, &str)], sets: &[&str]| {
        let gone = ["tcp:inside", "ssl:default", "ws:default", "wss:default"];
        let gone = gone.map(|id| Layers::deletion(&ListenerId::parse(id).unwrap()));
        let gone: Vec<_> = gone.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let loaded = layers(text, &gone, env, sets);
        let ids = loaded.config.listeners.keys().map(ListenerId::to_string);
        (ids.collect::<Vec<_>>(), loaded.unusable.len())
    };
    assert_eq!(ids(&[], &[]), (vec!["tcp:default".to_owned()], 0));
    let env = [("TERNMQ__LISTENERS__WS__DEFAULT__BIND", "8084")];
    let both = vec!["tcp:default".to_owned(), "ws:default".to_owned()];
    assert_eq!(ids(&env, &[]), (both, 1));
    let (named, _) = ids(&[], &["listeners.tcp.inside.max_connections=5"]);
    assert_eq!(named, ["tcp:default", "tcp:inside"]);
}

#[test]
fn what_can_be_saved() {
    let raw = |text: &str| Raw::bare(text);
    let savable = |name: &str, value: &Raw| Layers::savable(name, value).map_err(|e| e.to_string());
    assert_eq!(savable("mqtt.max_queue", &Raw::Int(7)), Ok("7".into()));
    assert_eq!(
        savable("mqtt.max_queue", &Raw::Text("7".into())),
        Ok("7".into())
    );
    let shown = savable("mqtt.session_expiry", &raw("\"1h30m\""));
    assert_eq!(shown, Ok("\"90m\"".into()));
    let shown = savable("listeners.tcp.new.bind", &Raw::Int(1884));
    assert_eq!(shown, Ok("[\"0.0.0.0:1884\", \"[::]:1884\"]".into()));
    for (name, value, why) in [
        ("data_dir", "\"x\"", "before the saved settings"),
        ("store.max_bytes", "\"1GB\"", "before the saved settings"),
        ("mqtt.max_queue", "-1", "is not allowed; use"),
        ("mqtt.max_quee", "1", "did you mean mqtt.max_queue?"),
        ("mqtt", "1", "is a section"),
        ("listeners.tcp.a b.bind", "1", "letters, digits"),
    ] {
        let error = savable(name, &raw(value)).unwrap_err();
        assert!(error.contains(why), "{name}: {error}");
    }
}
