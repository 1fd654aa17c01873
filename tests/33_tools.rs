//! The client tools: `ternmq pub`, `sub`, `rr` and `conn`. Whether their options do what mosquitto's do
//! is compared in `tests/clients/tools.py`; here is what a comparison cannot show: broken connections,
//! secrets, files, and what a person is told. Where a broker has to misbehave, the test is the broker.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::wire::{Broker, binary, fresh_dir, run_tool};

const PATIENCE: Duration = Duration::from_secs(20);

/// Nobody's own defaults, and English.
const PLAIN: [(&str, &str); 3] = [
    ("XDG_CONFIG_HOME", "/nonexistent"),
    ("LC_ALL", "C"),
    ("TERNMQ_PASSWORD", ""),
];
const CHINESE: [(&str, &str); 2] = [
    ("XDG_CONFIG_HOME", "/nonexistent"),
    ("LC_ALL", "zh_CN.UTF-8"),
];

/// Runs a tool to its end.
#[track_caller]
fn tool(args: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    run_tool(&args, &PLAIN, input)
}

fn host_and_port(address: SocketAddr) -> [String; 4] {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    ["-h".to_owned(), ip, "-p".to_owned(), port]
}

/// The same with the broker's place after the tool's name.
#[track_caller]
fn tool_at(address: SocketAddr, args: &[&str], input: &[u8]) -> (i32, Vec<u8>, String) {
    let place = host_and_port(address);
    let place = place.iter().map(String::as_str);
    let all: Vec<&str> = args[..1]
        .iter()
        .copied()
        .chain(place)
        .chain(args[1..].iter().copied())
        .collect();
    tool(&all, input)
}

/// A tool that runs on; killed when the value is gone.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(address: SocketAddr, args: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .arg(args[0])
            .args(host_and_port(address))
            .args(&args[1..])
            .envs(PLAIN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, lines) = channel();
        let pipes: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for pipe in pipes {
            let to = to.clone();
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = to.send(line);
                }
            });
        }
        Self { child, lines }
    }

    #[track_caller]
    fn says(&self, word: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(word) => return line,
                Ok(_) => {}
                Err(_) => panic!("the tool did not say {word:?}"),
            }
        }
    }

    #[track_caller]
    fn end(mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "the tool runs on");
            // A child's end cannot be waited for with a deadline in std.
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A broker made of bytes, one connection at a time.
struct Puppet {
    listener: TcpListener,
}

impl Puppet {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection, its CONNECT read and answered with these bytes.
    #[track_caller]
    fn welcome(&self, connack: &[u8]) -> (Peer, Vec<u8>) {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut peer = Peer { stream };
        let connect = peer.packet();
        assert_eq!(connect[0], 0x10, "{connect:02x?}");
        peer.send(connack);
        (peer, connect)
    }
}

struct Peer {
    stream: TcpStream,
}

impl Peer {
    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// A whole packet of less than 128 bytes.
    #[track_caller]
    fn packet(&mut self) -> Vec<u8> {
        let mut packet = vec![0; 2];
        self.stream.read_exact(&mut packet).unwrap();
        assert!(packet[1] < 0x80, "{packet:02x?}");
        packet.resize(2 + usize::from(packet[1]), 0);
        self.stream.read_exact(&mut packet[2..]).unwrap();
        packet
    }

    /// Reads this packet and no other.
    #[track_caller]
    fn expect(&mut self, packet: &[u8]) {
        assert_eq!(self.packet(), packet);
    }
}

const ACCEPTED: &[u8] = &[0x20, 2, 0, 0];

/// Topic and payload in Chinese go through byte for byte, in every version and over WebSocket; a file
/// with zeros in it, too.
#[test]
fn a_message_arrives_as_it_was_sent() {
    let broker = Broker::start();
    let dir = fresh_dir();
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("payload");
    std::fs::write(&file, b"a\0b\xff\r\n").unwrap();
    let file = file.display().to_string();
    let topic = "温度/客厅";
    for (address, extra) in [
        (broker.tcp, &["-V", "31"][..]),
        (broker.tcp, &["-V", "311"]),
        (broker.tcp, &["-V", "5"]),
        (broker.ws, &["--ws"]),
        (
            broker.ws,
            &["--protocol", "ws", "--path", "mqtt", "--mqtt-version", "5"],
        ),
    ] {
        for (message, wanted) in [
            (["-m", "二十一度"], "二十一度\n".as_bytes()),
            (["-f", &file], b"a\0b\xff\r\n\n"),
        ] {
            let publish = [&["pub", "-t", topic, "-r", "-q", "1"], &message[..], extra].concat();
            assert_eq!(
                tool_at(address, &publish, b""),
                (0, Vec::new(), String::new())
            );
            let subscribe = [&["sub", "-t", "温度/#", "-C", "1", "-q", "2"], extra].concat();
            let (code, out, said) = tool_at(address, &subscribe, b"");
            assert_eq!(
                (code, &out[..], said.as_str()),
                (0, wanted, ""),
                "{extra:?}"
            );
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// 300 kB go both ways over WebSocket and TCP: many reads, several frames.
#[test]
fn a_large_message_arrives_whole() {
    let broker = Broker::start();
    let large: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    for (address, extra) in [(broker.tcp, &[][..]), (broker.ws, &["--ws"])] {
        let publish = [&["pub", "-t", "large", "-r", "-s", "-q", "2"], extra].concat();
        assert_eq!(tool_at(address, &publish, &large).0, 0);
        let subscribe = [&["sub", "-t", "large", "-C", "1", "-N"], extra].concat();
        let (code, out, _) = tool_at(address, &subscribe, b"");
        assert!(code == 0 && out == large, "{} bytes", out.len());
    }
}

/// A broker goes away in the middle: `sub` says so, comes back, subscribes again and prints on.
#[test]
fn sub_comes_back() {
    let puppet = Puppet::new();
    let running = Running::start(puppet.address(), &["sub", "-t", "a", "-v"]);
    let subscribe = [0x82, 6, 0, 1, 0, 1, b'a', 0];
    let (mut peer, _) = puppet.welcome(ACCEPTED);
    peer.expect(&subscribe);
    peer.send(&[0x90, 3, 0, 1, 0, 0x30, 4, 0, 1, b'a', b'x']);
    running.says("a x");
    drop(peer);
    running.says("the connection was lost");
    let (mut peer, _) = puppet.welcome(ACCEPTED);
    let again = peer.packet();
    assert_eq!((again[0], &again[4..]), (0x82, &subscribe[4..]));
    peer.send(&[0x30, 4, 0, 1, b'a', b'y']);
    running.says("a y");
}

/// `pub -l` loses nothing of QoS 1 and 2 when the connection breaks: what was not acknowledged comes
/// again as a duplicate, in its order; what was received is released [MQTT-4.4.0-1].
#[test]
fn pub_repeats_what_was_not_acknowledged() {
    let puppet = Puppet::new();
    let mut running = Running::start(puppet.address(), &["pub", "-t", "a", "-l", "-q", "2"]);
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"1\n2\n").unwrap();
    let (mut peer, _) = puppet.welcome(ACCEPTED);
    peer.expect(&[0x34, 6, 0, 1, b'a', 0, 1, b'1']);
    peer.expect(&[0x34, 6, 0, 1, b'a', 0, 2, b'2']);
    peer.send(&[0x50, 2, 0, 1]);
    peer.expect(&[0x62, 2, 0, 1]);
    drop(peer);
    running.says("trying again");
    let (mut peer, _) = puppet.welcome(ACCEPTED);
    peer.expect(&[0x62, 2, 0, 1]);
    peer.expect(&[0x3C, 6, 0, 1, b'a', 0, 2, b'2']);
    peer.send(&[0x70, 2, 0, 1, 0x50, 2, 0, 2]);
    peer.expect(&[0x62, 2, 0, 2]);
    peer.send(&[0x70, 2, 0, 2]);
    input.write_all(b"3").unwrap();
    drop(input);
    peer.expect(&[0x34, 6, 0, 1, b'a', 0, 3, b'3']);
    peer.send(&[0x50, 2, 0, 3]);
    peer.expect(&[0x62, 2, 0, 3]);
    peer.send(&[0x70, 2, 0, 3]);
    peer.expect(&[0xE0, 0]);
    drop(peer);
    assert_eq!(running.end(), 0);
}

/// Who always has a next line to send hears all the same that the broker is going, and comes back.
#[test]
fn pub_hears_the_broker_while_it_speaks() {
    let puppet = Puppet::new();
    let args = ["pub", "-t", "a", "-l", "-V", "5"];
    let mut running = Running::start(puppet.address(), &args);
    let mut input = running.child.stdin.take().unwrap();
    let lines = b"x\n".repeat(1000);
    let feeding = thread::spawn(move || while input.write_all(&lines).is_ok() {});
    let accepted = [0x20, 3, 0, 0, 0];
    let publish = [0x30, 5, 0, 1, b'a', 0, b'x'];
    let (mut peer, _) = puppet.welcome(&accepted);
    peer.expect(&publish);
    peer.send(&[0xE0, 1, 0x8B]);
    // Reads on until the other side has heard it.
    let mut sink = [0; 4096];
    while peer.stream.read(&mut sink).is_ok_and(|read| read > 0) {}
    running.says("Server shutting down");
    let (mut peer, _) = puppet.welcome(&accepted);
    peer.expect(&publish);
    drop(running);
    feeding.join().unwrap();
}

/// A message of QoS 2 that came twice is printed once, when it is released [MQTT-4.3.3-10].
#[test]
fn exactly_once_is_once() {
    let puppet = Puppet::new();
    let running = Running::start(puppet.address(), &["sub", "-t", "a", "-q", "2", "-C", "2"]);
    let (mut peer, _) = puppet.welcome(ACCEPTED);
    peer.expect(&[0x82, 6, 0, 1, 0, 1, b'a', 2]);
    peer.send(&[0x90, 3, 0, 1, 2]);
    let publish = |first: u8, id: u8, payload: u8| [first, 6, 0, 1, b'a', 0, id, payload];
    peer.send(&publish(0x34, 9, b'x'));
    peer.expect(&[0x50, 2, 0, 9]);
    peer.send(&publish(0x3C, 9, b'x'));
    peer.expect(&[0x50, 2, 0, 9]);
    peer.send(&[0x62, 2, 0, 9]);
    peer.expect(&[0x70, 2, 0, 9]);
    running.says("x");
    // Released already: answered, and not printed again.
    peer.send(&[0x62, 2, 0, 9]);
    peer.expect(&[0x70, 2, 0, 9]);
    peer.send(&publish(0x34, 9, b'y'));
    peer.expect(&[0x50, 2, 0, 9]);
    peer.send(&[0x62, 2, 0, 9]);
    peer.expect(&[0x70, 2, 0, 9]);
    assert_eq!(running.lines.recv_timeout(PATIENCE).unwrap(), "y");
    peer.expect(&[0xE0, 0]);
    drop(peer);
    assert_eq!(running.end(), 0);
}

/// An idle connection is kept alive as the broker wants it [MQTT-3.1.2-21]; a broker that does not answer
/// is left.
#[test]
fn a_silent_broker_is_left() {
    let puppet = Puppet::new();
    let running = Running::start(puppet.address(), &["sub", "-t", "a", "-V", "5"]);
    // Server Keep Alive of a second.
    let accepted = [0x20, 6, 0, 0, 3, 0x13, 0, 1];
    let (mut peer, _) = puppet.welcome(&accepted);
    peer.packet();
    peer.send(&[0x90, 4, 0, 1, 0, 0]);
    for _ in 0..2 {
        peer.expect(&[0xC0, 0]);
        peer.send(&[0xD0, 0]);
    }
    peer.expect(&[0xC0, 0]);
    running.says("does not answer");
    puppet.welcome(&accepted);
}

/// More messages than can be printed do not keep `-W` from ending, nor an idle client's PINGREQ from
/// leaving [MQTT-3.1.2-20].
#[test]
fn a_flood_stops_no_clock() {
    let puppet = Puppet::new();
    let running = Running::start(puppet.address(), &["sub", "-t", "a", "-V", "5", "-W", "3"]);
    let (mut peer, _) = puppet.welcome(&[0x20, 6, 0, 0, 3, 0x13, 0, 1]);
    peer.packet();
    peer.send(&[0x90, 4, 0, 1, 0, 0]);
    // With the answer to the PINGREQ at the end of each round.
    let mut messages = [0x30, 5, 0, 1, b'a', 0, b'x'].repeat(10_000);
    messages.extend([0xD0, 0]);
    let mut flood = peer.stream.try_clone().unwrap();
    let flooding = thread::spawn(move || while flood.write_all(&messages).is_ok() {});
    peer.expect(&[0xC0, 0]);
    running.says("timed out");
    assert_eq!(running.end(), 27);
    drop(peer);
    flooding.join().unwrap();
}

/// `-W` ends it although the broker takes the new connection and says nothing.
#[test]
fn no_clock_stops_while_it_comes_back() {
    let puppet = Puppet::new();
    let running = Running::start(puppet.address(), &["sub", "-t", "a", "-W", "2"]);
    let (peer, _) = puppet.welcome(ACCEPTED);
    drop(peer);
    running.says("trying again");
    let (_peer, _) = puppet.welcome(&[]);
    running.says("timed out");
    assert_eq!(running.end(), 27);
}

/// A message of QoS 0 that did not leave is told of: nobody acknowledges it.
#[test]
fn what_could_not_be_sent_is_no_success() {
    let puppet = Puppet::new();
    let dir = fresh_dir();
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("large");
    std::fs::write(&file, vec![b'x'; 30 << 20]).unwrap();
    let args = ["pub", "-t", "a", "-f", &file.display().to_string()];
    let running = Running::start(puppet.address(), &args);
    let (mut peer, _) = puppet.welcome(ACCEPTED);
    peer.stream.read_exact(&mut [0; 1000]).unwrap();
    drop(peer);
    running.says("the connection was lost");
    assert_eq!(running.end(), 7);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Topics that the broker names by alias are printed with their names; an alias that was never set is an
/// error [MQTT-3.3.2-8].
#[test]
fn aliases_have_their_topics() {
    let puppet = Puppet::new();
    let args = [
        "sub",
        "-t",
        "#",
        "-v",
        "-D",
        "connect",
        "topic-alias-maximum",
        "5",
    ];
    let running = Running::start(puppet.address(), &args);
    let accepted = [0x20, 3, 0, 0, 0];
    let (mut peer, _) = puppet.welcome(&accepted);
    peer.packet();
    peer.send(&[0x90, 4, 0, 1, 0, 0]);
    peer.send(&[0x30, 8, 0, 1, b'a', 3, 0x23, 0, 5, b'x']);
    peer.send(&[0x30, 7, 0, 0, 3, 0x23, 0, 5, b'y']);
    running.says("a x");
    running.says("a y");
    peer.send(&[0x30, 7, 0, 0, 3, 0x23, 0, 4, b'z']);
    running.says("no place here");
}

/// Ctrl-C and SIGTERM end `sub` with DISCONNECT, so that no will is published for an intended end.
#[test]
fn a_signal_is_a_good_bye() {
    for signal in ["INT", "TERM"] {
        let puppet = Puppet::new();
        let running = Running::start(puppet.address(), &["sub", "-t", "a"]);
        let (mut peer, _) = puppet.welcome(ACCEPTED);
        peer.packet();
        peer.send(&[0x90, 3, 0, 1, 0, 0x30, 4, 0, 1, b'a', b'x']);
        running.says("x");
        let id = running.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.unwrap().success());
        peer.expect(&[0xE0, 0]);
        drop(peer);
        assert_eq!(running.end(), 0, "{signal}");
    }
}

/// Whoever reads only the first line ends `sub`, and nobody complains.
#[test]
fn nobody_reads_on() {
    let puppet = Puppet::new();
    let mut child = Command::new(binary())
        .arg("sub")
        .args(host_and_port(puppet.address()))
        .args(["-t", "a"])
        .envs(PLAIN)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut peer, _) = puppet.welcome(ACCEPTED);
    peer.packet();
    let message = [0x30, 4, 0, 1, b'a', b'x'];
    peer.send(&[0x90, 3, 0, 1, 0]);
    peer.send(&message);
    let mut line = [0; 2];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"x\n");
    drop(out);
    peer.send(&message);
    peer.expect(&[0xE0, 0]);
    drop(peer);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(
        (ended.status.code(), &ended.stderr[..]),
        (Some(0), &b""[..])
    );
}

/// Passwords come from a file or the environment, without the line break of editors; the environment is
/// for whoever has a user name.
#[test]
fn secrets_need_not_stand_on_the_command_line() {
    let dir = fresh_dir();
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("password").display().to_string();
    std::fs::write(&file, "of a file\n").unwrap();
    let puppet = Puppet::new();
    let cases: [(&[&str], [&str; 2], &str); 4] = [
        (
            &["-u", "me", "--password-file", &file],
            ["", ""],
            "of a file",
        ),
        (&["-u", "me"], ["of env", ""], "of env"),
        (&["-u", "me"], ["of env", &file], "of a file"),
        (&[], ["of env", &file], ""),
    ];
    for (args, [value, path], password) in cases {
        let place = host_and_port(puppet.address());
        let mut child = Command::new(binary())
            .args(["pub", "-t", "a", "-m", "x", "-i", "me"])
            .args(&place)
            .args(args)
            .envs(PLAIN)
            .env("TERNMQ_PASSWORD", value)
            .env("TERNMQ_PASSWORD_FILE", path)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (mut peer, connect) = puppet.welcome(ACCEPTED);
        let text = String::from_utf8_lossy(&connect).into_owned();
        assert_eq!(
            connect[9] & 0x40 != 0,
            !password.is_empty(),
            "{connect:02x?}"
        );
        assert!(
            text.ends_with(if password.is_empty() { "me" } else { password }),
            "{text:?}"
        );
        peer.packet();
        peer.expect(&[0xE0, 0]);
        drop(peer);
        assert!(child.wait().unwrap().success());
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Received messages go to a file, each on its line, or into files of their own, which never replace
/// others.
#[test]
fn messages_go_to_files() {
    let broker = Broker::start();
    let dir = fresh_dir();
    std::fs::create_dir_all(&dir).unwrap();
    let publish = ["pub", "-t", "a/b", "-m", "kept", "-r", "-q", "1"];
    assert_eq!(tool_at(broker.tcp, &publish, b"").0, 0);
    let file = dir.join("log").display().to_string();
    let folder = dir.join("each").display().to_string();
    for _ in 0..2 {
        for into in [["--file-write", &file], ["--file-save", &folder]] {
            let args = [&["sub", "-t", "a/b", "-v", "-C", "1"], &into[..]].concat();
            assert_eq!(
                tool_at(broker.tcp, &args, b""),
                (0, Vec::new(), String::new())
            );
        }
    }
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "a/b kept\na/b kept\n"
    );
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["000001-a_b", "000002-a_b"]);
    assert_eq!(std::fs::read(dir.join("each/000002-a_b")).unwrap(), b"kept");
    std::fs::remove_dir_all(&dir).unwrap();
}

/// MQTTX's names do what they say there.
#[test]
fn names_of_mqttx() {
    let broker = Broker::start();
    let publish = [
        "pub",
        "--topic",
        "a",
        "--message",
        "x",
        "--retain",
        "--qos",
        "1",
        "--mqtt-version",
        "5.0",
        "--client-id",
        "mine",
        "--content-type",
        "text",
        "--user-properties",
        "k: v",
        "--response-topic",
        "r",
        "--message-expiry-interval",
        "500",
        "--no-clean",
        "--session-expiry-interval",
        "1",
        "--will-message",
        "w",
        "--will-topic",
        "t",
        "--will-delay-interval",
        "1",
        "--conn-user-properties",
        "a: b",
        "--rcv-max=9",
    ];
    assert_eq!(
        tool_at(broker.tcp, &publish, b""),
        (0, Vec::new(), String::new())
    );
    let subscribe = [
        "sub",
        "--topic",
        "a",
        "--mqtt-version",
        "5",
        "--format",
        "%p %C %P %R %S",
        "-C",
        "1",
        "--subscription-identifier",
        "7",
        "--no_local",
        "--retain-handling",
        "0",
    ];
    let (code, out, said) = tool_at(broker.tcp, &subscribe, b"");
    assert_eq!(
        (code, String::from_utf8(out).unwrap().as_str()),
        (0, "x text k:v r 7\n"),
        "{said}"
    );
}

/// The doctor goes all the way, over TCP and WebSocket; what fails has its step, cause and remedy, in the
/// language of the locale.
#[test]
fn the_doctor_finds_what_is_wrong() {
    let broker = Broker::with(&["mqtt.allow_anonymous=false"]);
    let open = Broker::start();
    let (code, out, _) = tool_at(open.tcp, &["conn", "-q", "2"], b"");
    let out = String::from_utf8(out).unwrap();
    assert_eq!(code, 0, "{out}");
    let steps: Vec<&str> = out
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(steps, ["name", "TCP", "CONNACK", "SUBACK", "message"]);
    assert!(out.lines().all(|line| line.ends_with(" ms)")), "{out}");
    let (code, out, _) = tool_at(open.ws, &["conn", "--ws"], b"");
    assert!(
        code == 0
            && String::from_utf8(out)
                .unwrap()
                .contains("WebSocket  agreed on MQTT")
    );

    let closed = Puppet::new().address();
    let cases: [(SocketAddr, &[&str], &str, &str, &str); 5] = [
        (closed, &[], "TCP", "nothing listens there", "无人监听"),
        (
            open.http,
            &[],
            "CONNACK",
            "18083 the dashboard",
            "18083 为控制台",
        ),
        (
            open.tcp,
            &["--ws"],
            "WebSocket",
            "no WebSocket there",
            "不是 WebSocket",
        ),
        (
            broker.tcp,
            &[],
            "CONNACK",
            "--password-file",
            "--password-file",
        ),
        (open.tcp, &["--tls-use-os-certs"], "TLS", "8883", "8883"),
    ];
    for (address, args, step, told, told_zh) in cases {
        for (env, told) in [(&PLAIN[..], told), (&CHINESE, told_zh)] {
            let place = host_and_port(address);
            let place: Vec<&str> = place.iter().map(String::as_str).collect();
            let all = [&["conn"], &place[..], args].concat();
            let all: Vec<&OsStr> = all.iter().map(OsStr::new).collect();
            let (code, out, said) = run_tool(&all, env, b"");
            let out = String::from_utf8(out).unwrap() + &said;
            let last = out.lines().last().unwrap();
            assert!(
                code != 0 && last.starts_with(step) && last.contains(told),
                "{code}: {out}"
            );
        }
    }
    let (code, out, _) = tool(&["conn", "-h", "nosuch.invalid"], b"");
    let out = String::from_utf8(out).unwrap();
    assert!(
        code == 1 && out.starts_with("name       FAILED: no address"),
        "{out}"
    );
}

/// A tool has its own options, of which the broker's ones are none; help is in both languages; `-h` is the
/// host and `-V` the version of MQTT.
#[test]
fn the_command_line() {
    let (code, _, said) = tool(&["--data-dir", "/d", "pub", "-t", "a"], b"");
    assert!(
        code == 2 && said.contains("comes first: ternmq pub"),
        "{said}"
    );
    let (code, page, _) = tool(&["--help"], b"");
    let page = String::from_utf8(page).unwrap();
    for name in ["  pub ", "  sub ", "  rr ", "  conn "] {
        assert!(code == 0 && page.contains(name), "{page}");
    }
    for name in ["pub", "sub", "rr", "conn"] {
        let args = [OsStr::new(name), OsStr::new("--help")];
        let (code, page, _) = run_tool(&args, &CHINESE, b"");
        let page = String::from_utf8(page).unwrap();
        assert!(
            code == 0 && page.contains("用法: ternmq ") && page.contains("-h, --host"),
            "{page}"
        );
        let (code, out, _) = tool(&[name, "--version"], b"");
        assert!(code == 0 && out.starts_with(b"ternmq "));
        let (code, _, said) = tool(&[name, "-V", "9"], b"");
        assert!(
            code == 1 && said.contains("-V: 9 is none of 5, 311 and 31"),
            "{said}"
        );
    }
}

/// What the broker refuses ends with its code, and with the reason in words.
#[test]
fn refusals_have_codes() {
    let broker = Broker::with(&["mqtt.allow_anonymous=false"]);
    for (version, code) in [("311", 5), ("5", 135)] {
        for args in [
            &["pub", "-t", "a", "-m", "x"][..],
            &["pub", "-t", "a", "-l"],
            &["sub", "-t", "a"],
            &["rr", "-t", "a", "-e", "b", "-m", "x"],
            &["conn"],
        ] {
            let (got, out, said) = tool_at(broker.tcp, &[args, &["-V", version]].concat(), b"");
            let out = String::from_utf8(out).unwrap() + &said;
            assert_eq!(got, code, "{args:?}: {out}");
            assert!(out.contains("Not authorized"), "{out}");
        }
    }
    // A broker that ends the connection of version 5 says why.
    let puppet = Puppet::new();
    let running = Running::start(
        puppet.address(),
        &["pub", "-t", "a", "-m", "x", "-q", "1", "-V", "5"],
    );
    let (mut peer, _) = puppet.welcome(&[0x20, 3, 0, 0, 0]);
    peer.packet();
    peer.send(&[0xE0, 1, 0x8B]);
    running.says("Server shutting down");
    assert_eq!(running.end(), 7);
}
