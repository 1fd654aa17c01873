//! `ternmq simulate` and `ternmq top`: devices that do not exist publish what such devices would, and
//! who watches the broker sees them; `ternmq completions` and `ternmq man` know every command.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::wire::{Broker, Conn, Connect, V5, binary, fresh_dir, run_tool};

const ENGLISH: [(&str, &str); 2] = [("XDG_CONFIG_HOME", "/nonexistent"), ("LC_ALL", "C")];
const CHINESE: [(&str, &str); 2] = [
    ("XDG_CONFIG_HOME", "/nonexistent"),
    ("LC_ALL", "zh_CN.UTF-8"),
];

#[track_caller]
fn tool(words: &[&str], at: Option<SocketAddr>, env: &[(&str, &str)]) -> (i32, String, String) {
    let place = at.map(|at| {
        [
            "-h".to_owned(),
            at.ip().to_string(),
            "-p".to_owned(),
            at.port().to_string(),
        ]
    });
    let place = place.unwrap_or_default();
    let place = place
        .iter()
        .map(String::as_str)
        .filter(|word| !word.is_empty());
    let args: Vec<&OsStr> = words.iter().copied().chain(place).map(OsStr::new).collect();
    let (code, out, said) = run_tool(&args, env, b"");
    (code, String::from_utf8(out).unwrap(), said)
}

/// Sensors send batches that follow each other without a gap, in the form that the dashboard and the
/// Python package know, and their state retained; their end is no reason for a will.
#[test]
fn sensors_send_batches() {
    let broker = Broker::start();
    let mut watcher = Conn::open(broker.tcp, V5);
    watcher.connect(&Connect::new(V5, "watcher"));
    watcher.subscribe("sim/#", 0);
    let words = [
        "simulate",
        "--scenario",
        "sensors",
        "--seed",
        "7",
        "--duration",
        "1.5",
    ];
    let (code, out, said) = tool(&words, Some(broker.tcp), &ENGLISH);
    assert_eq!((code, said.as_str()), (0, ""), "{out}");
    assert!(
        out.starts_with("2 of 2 devices connected, ") && out.contains(" 0 skipped"),
        "{out}"
    );
    let count: usize = out.split(' ').nth(5).unwrap().parse().unwrap();
    let (mut rows, mut states) = ([0_u64; 2], 0);
    for _ in 0..count {
        let message = watcher.receive();
        if message.topic.ends_with("/state") {
            let text = String::from_utf8(message.payload).unwrap();
            assert!(
                text.contains("\"temperature\":") && text != "gone",
                "{text}"
            );
            states += 1;
            continue;
        }
        let device = usize::from(message.topic == "sim/sensor-1/samples");
        let batch = message.payload;
        // Three channels of float32 at 1,000 rows a second.
        assert_eq!(batch[..8], *b"\x89TMS\x01\x08\x03\x00");
        assert_eq!(batch[16..24], 1000.0_f64.to_le_bytes());
        assert_eq!(batch[24..32], rows[device].to_le_bytes(), "a gap");
        assert_eq!(batch.len(), 32 + 100 * 3 * 4);
        rows[device] += 100;
    }
    assert!(
        rows[0] > 0 && rows[1] > 0 && states >= 2,
        "{rows:?} {states}"
    );
    watcher.bye();
}

/// A scenario is a file; each device has its number, and the same seed says the same.
#[test]
fn a_scenario_of_ones_own() {
    let broker = Broker::start();
    let dir = fresh_dir();
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("场景.toml");
    let text = "[[device]]\ncount = 2\nid = \"d-%i\"\n[[device.message]]\ntopic = \"own/%i\"\nevery = 0.1\n\
                qos = 2\nform = \"text\"\nvalue = [{ name = \"n\", shape = \"walk\", low = 0, high = 9 }]\n";
    std::fs::write(&file, text).unwrap();
    let path = file.display().to_string();
    let run = || {
        let mut watcher = Conn::open(broker.tcp, V5);
        watcher.connect(&Connect::new(V5, "watcher"));
        watcher.subscribe("own/1", 0);
        let words = [
            "simulate",
            "--file",
            &path,
            "--seed",
            "3",
            "--duration",
            "1",
            "-V",
            "5",
        ];
        let (code, out, said) = tool(&words, Some(broker.tcp), &CHINESE);
        assert_eq!((code, said.as_str()), (0, ""), "{out}");
        assert!(out.contains("2 台设备中 2 台已连接"), "{out}");
        let all: Vec<_> = (0..3).map(|_| watcher.receive().payload).collect();
        watcher.cut();
        all
    };
    assert_eq!(run(), run());
    for (text, told) in [
        (text.replace("d-%i", "d"), "%i"),
        (text.replace("qos = 2", "qos = 3"), "qos is 0, 1 or 2"),
        (text.replace("walk", "wlk"), "unknown variant"),
        ("device =".to_owned(), "cannot be played"),
    ] {
        std::fs::write(&file, text).unwrap();
        let (code, out, said) = tool(&["simulate", "--file", &path], Some(broker.tcp), &ENGLISH);
        assert!(code == 1 && out.is_empty() && said.contains(told), "{said}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
    let (code, _, said) = tool(&["simulate", "-sc", "nosuch"], Some(broker.tcp), &ENGLISH);
    assert!(code == 1 && said.contains("--list"), "{said}");
    let (code, out, _) = tool(&["simulate", "--list"], None, &CHINESE);
    assert!(
        code == 0 && out.contains("sensors") && out.contains("三通道"),
        "{out}"
    );
}

/// Where there is no terminal, `top` prints once what it sees: who is there and how much they say.
#[test]
fn top_shows_who_is_there() {
    let broker = Broker::start();
    let (tell, told) = channel();
    let (ip, port) = (broker.tcp.ip().to_string(), broker.tcp.port().to_string());
    let mut devices = Command::new(binary())
        .args(["simulate", "-sc", "home", "-h", &ip, "-p", &port])
        .envs(ENGLISH)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut watcher = Conn::open(broker.tcp, V5);
    watcher.connect(&Connect::new(V5, "a-watcher"));
    watcher.subscribe("home/meter/#", 0);
    // The devices are there.
    watcher.receive();
    let http = broker.http;
    thread::spawn(move || {
        let words = ["top", "--once", "--interval", "1.5"];
        let _ = tell.send((
            tool(&words, Some(http), &ENGLISH),
            tool(&words, Some(http), &CHINESE),
        ));
    });
    let (english, chinese) = told.recv_timeout(Duration::from_secs(20)).unwrap();
    devices.kill().unwrap();
    devices.wait().unwrap();
    let (code, page, said) = english;
    assert_eq!((code, said.as_str()), (0, ""), "{page}");
    assert!(
        page.starts_with("TernMQ ") && page.contains("6 connected of 6 clients"),
        "{page}"
    );
    let row = |name: &str| {
        page.lines()
            .find(|line| line.starts_with(name))
            .expect(&page)
    };
    assert!(row("meter").contains("127.0.0.1"), "{page}");
    let cells: Vec<&str> = row("meter").split_whitespace().collect();
    assert!(
        cells
            .iter()
            .any(|cell| cell.parse::<f64>().is_ok_and(|rate| rate > 0.0)),
        "{page}"
    );
    assert!(row("home").split_whitespace().count() == 3, "{page}");
    assert!(
        chinese.0 == 0 && chinese.1.contains("流入/秒"),
        "{}",
        chinese.1
    );
    let wrong = ["top", "--once", "-u", "admin", "-P", "wrong"];
    let (code, _, said) = tool(&wrong, Some(http), &ENGLISH);
    assert!(
        code == 1 && said.contains("401") && said.contains("--password-file"),
        "{said}"
    );
    let (code, _, said) = tool(&["top", "--once"], Some(broker.tcp), &ENGLISH);
    assert!(code == 1 && said.contains("18083"), "{said}");
}

/// Scripts for shells and man pages are printed; pages of all commands go into a folder.
#[test]
fn shells_and_man() {
    for (shell, sign) in [
        ("bash", "complete -o default -F _ternmq ternmq"),
        ("zsh", "#compdef ternmq"),
        ("fish", "complete -c ternmq"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let (code, script, said) = tool(&["completions", shell], None, &ENGLISH);
        assert!(
            code == 0 && said.is_empty() && script.contains(sign),
            "{shell}: {said}"
        );
        assert!(
            script.contains("connect-rate") && script.contains("reset-password"),
            "{shell}"
        );
    }
    let (code, _, said) = tool(&["completions", "tcsh"], None, &ENGLISH);
    assert!(code == 2 && said.contains("powershell"), "{said}");
    let (code, page, _) = tool(&["man", "bench", "latency"], None, &CHINESE);
    assert!(
        code == 0 && page.starts_with(".TH TERNMQ-BENCH-LATENCY 1"),
        "{page}"
    );
    assert!(
        page.contains("\\fB\\-\\-connect\\-rate\\fR") && page.contains("退出码"),
        "{page}"
    );
    let (code, _, said) = tool(&["man", "nosuch"], None, &ENGLISH);
    assert!(code == 2 && said.contains("no command nosuch"), "{said}");
    let dir = fresh_dir();
    let shown = dir.display().to_string();
    let (code, out, _) = tool(&["man", "--dir", &shown], None, &ENGLISH);
    assert!(code == 0 && out.contains(&shown), "{out}");
    for name in [
        "ternmq.1",
        "ternmq-pub.1",
        "ternmq-bench-conn.1",
        "ternmq-store-check.1",
    ] {
        assert!(dir.join(name).exists(), "{name}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
