//! `ternmq bench`: what it counts is what happened, also when the broker loses, doubles, mixes up, stands
//! still or refuses. For that the test is the broker; otherwise ours is.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::wire::{Broker, Conn, Connect, Publish, V5, binary, run_tool};

const PATIENCE: Duration = Duration::from_secs(20);
const ENGLISH: [(&str, &str); 2] = [("XDG_CONFIG_HOME", "/nonexistent"), ("LC_ALL", "C")];
const CHINESE: [(&str, &str); 2] = [
    ("XDG_CONFIG_HOME", "/nonexistent"),
    ("LC_ALL", "zh_CN.UTF-8"),
];

/// Runs `ternmq bench` with these words to its end.
#[track_caller]
fn bench(address: SocketAddr, words: &str, env: &[(&str, &str)]) -> (i32, String, String) {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let place = ["-h", &ip, "-p", &port];
    let args = ["bench"].into_iter().chain(words.split(' ')).chain(place);
    let args: Vec<&OsStr> = args.map(OsStr::new).collect();
    let (code, out, said) = run_tool(&args, env, b"");
    (code, String::from_utf8(out).unwrap(), said)
}

/// A number of the JSON object that it prints.
#[track_caller]
fn number(json: &str, key: &str) -> f64 {
    let (_, rest) = json.split_once(&format!("\"{key}\":")).expect(json);
    let end = rest.find([',', '}']).unwrap();
    rest[..end].parse().expect(json)
}

#[track_caller]
fn figures(address: SocketAddr, words: &str) -> String {
    let (code, out, said) = bench(address, &format!("{words} --json"), &ENGLISH);
    assert_eq!((code, said.as_str()), (0, ""), "{words}: {out}");
    for key in [
        "lost",
        "doubled",
        "out_of_order",
        "foreign",
        "astray",
        "lost_connections",
    ] {
        assert_eq!(number(&out, key), 0.0, "{words}: {key} in {out}");
    }
    assert_eq!(
        number(&out, "received"),
        number(&out, "expected"),
        "{words}: {out}"
    );
    out
}

/// At full speed, with every QoS and version, in pairs, from one to many, from many to one and into a
/// shared group, on one thread and on several: what was sent is what arrived. However slow the machine is
/// just now: publishers wait for their subscribers as long as it takes.
#[test]
fn everything_arrives_and_is_counted_once() {
    let broker = Broker::with(&["mqtt.slow_grace=10s"]);
    for (words, fan) in [
        ("pub --clients 4 --subscribers 4", 1.0),
        ("pub --clients 4 --subscribers 4 -q 1", 1.0),
        ("pub --clients 4 --subscribers 4 -q 2 -V 5", 1.0),
        ("pub --clients 4 --subscribers 4 -q 1 -V 5 --threads 2", 1.0),
        ("pub --publishers 1 --subscribers 10 -V 5", 10.0),
        ("pub --publishers 1 --subscribers 10 -q 2 --threads 3", 10.0),
        (
            "pub --publishers 5 --subscribers 2 --filter ternmq/bench/%r/+ -q 1 --window 20",
            2.0,
        ),
        (
            "pub --publishers 3 --subscribers 4 --filter $share/g/ternmq/bench/%r/# -q 1 --threads 2",
            1.0,
        ),
        (
            "pub --clients 2 --subscribers 2 --size 70000 --window 3",
            1.0,
        ),
        ("pub --clients 3 --subscribers 3 -q 1 -M 1 --window 1", 1.0),
    ] {
        let out = figures(broker.tcp, &format!("{words} --duration 0.4"));
        let sent = number(&out, "sent");
        assert!(sent > 0.0, "{words}: {out}");
        assert_eq!(number(&out, "received"), sent * fan, "{words}: {out}");
        assert!(number(&out, "received_per_s") > 0.0, "{words}: {out}");
        if words.contains("-q") {
            assert_eq!(number(&out, "acknowledged"), sent, "{words}: {out}");
        }
    }
}

/// By the clock as many messages are sent as the clock says, and the middle eight tenths are measured.
#[test]
fn the_clock_decides() {
    let broker = Broker::start();
    for extra in ["", " -q 2 -V 5", " --threads 2 -q 1"] {
        let words = format!("latency --clients 3 --rate 500 --duration 1{extra}");
        let out = figures(broker.tcp, &words);
        assert_eq!(number(&out, "sent"), 500.0, "{out}");
        assert_eq!(number(&out, "latency_us_samples"), 400.0, "{out}");
        let quantile = |name: &str| number(&out, &format!("latency_us_{name}"));
        assert!(
            quantile("p50") > 0.0 && quantile("p50") <= quantile("p99"),
            "{out}"
        );
        assert!(quantile("p999") <= quantile("max"), "{out}");
    }
    // A rate that grows to 400 within the second makes half as many.
    let out = figures(
        broker.tcp,
        "latency --clients 2 --rate 400 --ramp 1 --duration 1",
    );
    assert_eq!(number(&out, "sent"), 200.0, "{out}");
}

/// Connections that do nothing stay connected, and are opened at the rate that was asked for; subscribers
/// hear what somebody else publishes.
#[test]
fn connections_and_subscribers_alone() {
    let broker = Broker::start();
    let out = figures(broker.tcp, "conn --clients 300 --duration 0.2 -I mine-");
    assert_eq!(number(&out, "connected"), 300.0);
    assert_eq!(number(&out, "connect_us_samples"), 300.0);
    let slow = figures(
        broker.tcp,
        "conn --clients 20 --duration 0.1 --connect-rate 40",
    );
    assert!(number(&slow, "connected_in_s") > 0.4, "{slow}");
    let (ip, port) = (broker.tcp.ip().to_string(), broker.tcp.port().to_string());
    let mut listening = Command::new(binary())
        .args([
            "bench",
            "sub",
            "--clients",
            "2",
            "-t",
            "kept/%i",
            "-h",
            &ip,
            "-p",
            &port,
        ])
        .args(["--json", "--duration", "1"])
        .envs(ENGLISH)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut feeder = Conn::open(broker.tcp, V5);
    feeder.connect(&Connect::new(V5, "feeder"));
    let deadline = Instant::now() + PATIENCE;
    let mut heard = 0;
    while listening.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it runs on");
        let code = feeder.publish(&Publish::new("kept/1", "x").qos1(1));
        heard += u32::from(code == 0);
    }
    let mut out = String::new();
    listening
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    let received = number(&out, "received");
    assert!(
        received >= 1.0 && received <= f64::from(heard),
        "{heard} {out}"
    );
}

/// Ctrl-C ends it early, and it tells what it has.
#[test]
fn a_signal_ends_it_with_a_report() {
    let (tell, told) = std::sync::mpsc::channel();
    let address = faulty(move |number, packet| {
        if number == 20 {
            tell.send(()).unwrap();
        }
        vec![packet]
    });
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let mut running = Command::new(binary())
        .args([
            "bench",
            "latency",
            "--clients",
            "1",
            "-t",
            "a",
            "--size",
            "24",
            "--rate",
            "200",
        ])
        .args(["--duration", "3600", "--json", "-h", &ip, "-p", &port])
        .envs(ENGLISH)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    told.recv_timeout(PATIENCE).unwrap();
    let pid = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let mut out = String::new();
    running
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(0), "{out}");
    assert!(
        number(&out, "sent") > 20.0 && number(&out, "lost") == 0.0,
        "{out}"
    );
}

/// A broker with these faults: it reads what the one publisher sends and passes on what `pass` makes of
/// each message, by its number, to the one subscriber.
fn faulty(pass: impl Fn(u64, Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut publisher, mut subscriber) = (None, None);
        while publisher.is_none() || subscriber.is_none() {
            let mut stream = listener.accept().unwrap().0;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let connect = packet(&mut stream).unwrap();
            stream.write_all(&[0x20, 2, 0, 0]).unwrap();
            if connect.ends_with(b"s0") {
                let subscribe = packet(&mut stream).unwrap();
                stream
                    .write_all(&[0x90, 3, subscribe[2], subscribe[3], 0])
                    .unwrap();
                subscriber = Some(stream);
            } else {
                publisher = Some(stream);
            }
        }
        let (mut publisher, mut subscriber) = (publisher.unwrap(), subscriber.unwrap());
        let mut number = 0;
        while let Some(publish) = packet(&mut publisher).filter(|p| p[0] == 0x30) {
            for out in pass(number, publish) {
                let _ = subscriber.write_all(&out);
            }
            number += 1;
        }
    });
    address
}

/// A whole packet of less than 128 bytes.
fn packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet).ok()?;
    assert!(packet[1] < 0x80, "{packet:02x?}");
    packet.resize(2 + usize::from(packet[1]), 0);
    stream.read_exact(&mut packet[2..]).ok()?;
    Some(packet)
}

const ONE: &str = "latency --clients 1 -t a --size 24 --rate 200 --duration 0.2";

/// A message that is dropped is lost, one that comes again is doubled, one that is overtaken is out of
/// order, one of somebody else is neither; the exit code says that something was wrong.
#[test]
fn what_a_broker_does_wrong_is_counted() {
    let (hold, held) = std::sync::mpsc::channel();
    let address = faulty(move |number, packet| match number {
        3 | 4 => Vec::new(),
        6 => vec![packet.clone(), packet],
        8 => {
            hold.send(packet).unwrap();
            Vec::new()
        }
        9 => vec![packet, held.recv().unwrap()],
        12 => {
            let foreign = vec![0x30, 5, 0, 1, b'a', b'h', b'i'];
            vec![foreign, packet]
        }
        _ => vec![packet],
    });
    let (code, out, _) = bench(address, &format!("{ONE} --json"), &ENGLISH);
    let counted = [
        "sent",
        "received",
        "lost",
        "doubled",
        "out_of_order",
        "foreign",
    ];
    let counted = counted.map(|key| number(&out, key));
    assert_eq!(
        (code, counted),
        (2, [40.0, 38.0, 2.0, 1.0, 1.0, 1.0]),
        "{out}"
    );
    let address = faulty(|number, packet| {
        if number == 5 {
            Vec::new()
        } else {
            vec![packet]
        }
    });
    let (code, out, _) = bench(address, ONE, &CHINESE);
    assert!(
        code == 2 && out.contains("丢失          1\n") && out.contains("延迟"),
        "{out}"
    );
}

/// A broker that stands still for 300 ms is seen in the latency of every message that was due meanwhile,
/// not only of the one that it held.
#[test]
fn who_stands_still_is_late_for_all() {
    let address = faulty(|number, packet| {
        if number == 100 {
            // The fault itself.
            thread::sleep(Duration::from_millis(300));
        }
        vec![packet]
    });
    let words = "latency --clients 1 -t a --size 24 --rate 200 --duration 1 --json";
    let (code, out, _) = bench(address, words, &ENGLISH);
    assert_eq!((code, number(&out, "lost")), (0, 0.0), "{out}");
    assert!(number(&out, "latency_us_max") >= 295_000.0, "{out}");
    // 60 of 160 measured ones were due then, 30 of them more than 150 ms before it went on.
    assert!(number(&out, "latency_us_p90") >= 150_000.0, "{out}");
    assert!(number(&out, "late_us_p50") < 50_000.0, "{out}");
}

/// What keeps a bench from running is told with its cause, and the exit code is 1; connections that are
/// refused are what `conn` counts.
#[test]
fn what_cannot_run_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            if packet(&mut stream).is_some() {
                let _ = stream.write_all(&[0x20, 2, 0, 5]);
            }
        }
    });
    let (code, out, said) = bench(refusing, "pub", &ENGLISH);
    assert!(
        code == 1 && out.is_empty() && said.contains("Not authorized"),
        "{said}"
    );
    let (code, out, _) = bench(refusing, "conn --clients 3 --duration 0.1", &ENGLISH);
    assert!(code == 2 && out.contains("not connected 3"), "{out}");
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (code, _, said) = bench(nobody, "latency", &ENGLISH);
    assert!(
        code == 1 && said.contains("refused") && said.contains("ternmq conn"),
        "{said}"
    );
    for (words, told) in [
        ("pub --size 23", "24 bytes at least"),
        ("pub -t a/#", "'a/#' cannot be used"),
        ("pub --ramp 2", "--ramp needs a rate"),
        ("sub", "a topic is missing"),
        ("pub -l", "-l is an option of ternmq pub, not of bench pub"),
        (
            "conn -q 1",
            "-q is an option of ternmq pub, not of bench conn",
        ),
        ("pub --rate 0", "--rate: 0 is no number"),
    ] {
        let (code, out, said) = bench(nobody, words, &ENGLISH);
        assert!(
            code == 1 && out.is_empty() && said.contains(told),
            "{words}: {said}"
        );
    }
    let help = run_tool(&["bench", "--help"].map(OsStr::new), &ENGLISH, b"");
    let page = String::from_utf8(help.1).unwrap();
    assert!(
        help.0 == 0 && page.contains("latency") && page.contains("by the clock"),
        "{page}"
    );
}
