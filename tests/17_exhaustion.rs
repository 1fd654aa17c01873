//! Peers that take more than their share (rows X01 to X18 of our reliability table, in short):
//! each meets a bound, and others do not notice.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::wire::{
    BOTH, Broker, Conn, Connect, Kind, Publish, V5, V311, in_full, prop, raise_files, subscribe,
    varint,
};

const MB: u64 = 1 << 20;

/// Opens a socket and says nothing.
pub(crate) fn silent(broker: &Broker) -> TcpStream {
    TcpStream::connect(broker.tcp).unwrap()
}

/// Whether the broker has closed this socket; nothing was sent to it.
pub(crate) fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(n) => n == 0,
        Err(e) => e.kind() != ErrorKind::WouldBlock,
    }
}

/// Waits for a condition that nobody announces.
#[track_caller]
pub(crate) fn until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} after {patience:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// X01: a crowd connects and says nothing: each is gone at the deadline, none costs more than
/// 4 KB, and who means it gets in meanwhile.
#[test]
fn x01_silent_crowd() {
    raise_files();
    let broker = Broker::with(&["mqtt.connect_timeout=3s"]);
    broker.v5("canary").ping();
    let before = broker.settled_memory();
    let began = Instant::now();
    let mut crowd: Vec<TcpStream> = (0..2000).map(|_| silent(&broker)).collect();
    for n in 0..20 {
        let asked = Instant::now();
        broker.v5(&format!("canary-{n}")).ping();
        assert!(asked.elapsed() < Duration::from_secs(1));
    }
    let opened = began.elapsed();
    let grown = broker.memory().saturating_sub(before);
    assert!(
        grown < 2000 * 4096,
        "{grown} bytes for 2,000 silent sockets"
    );
    if began.elapsed() < Duration::from_secs(2) {
        assert!(!is_closed(&mut crowd[0]), "closed before the deadline");
    }
    let all_gone = opened + Duration::from_secs(4);
    until("not all closed", all_gone, || {
        crowd.iter_mut().all(is_closed)
    });
    println!(
        "figure: {} bytes for each of 2,000 silent sockets, all closed {:.1} s after the first (3 s allowed)",
        grown / 2000,
        began.elapsed().as_secs_f64()
    );
    broker.v5("canary").ping();
}

/// X02: many say their CONNECT a byte at a time: the deadline is for the whole of it.
#[test]
fn x02_dripping_connect() {
    let broker = Broker::with(&["mqtt.connect_timeout=1s"]);
    let mut crowd: Vec<TcpStream> = (0..300).map(|_| silent(&broker)).collect();
    let began = Instant::now();
    let hello = Connect::new(V311, &"slow".repeat(100)).bytes();
    for byte in &hello {
        for stream in &mut crowd {
            let _ = stream.write_all(&[*byte]);
        }
        if crowd.iter_mut().all(is_closed) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(crowd.iter_mut().all(is_closed));
    println!(
        "figure: closed within {:.1} s, 1 s allowed",
        began.elapsed().as_secs_f64()
    );
    broker.v5("canary").ping();
}

/// X04: a peer died without a word, under a keep-alive of 0 or of the longest: the system asks
/// whether it lives after a minute, the broker caps the keep-alive, and whoever has its client id
/// takes over at once. [MQTT-3.1.2-21]
#[test]
fn x04_dead_peer() {
    let broker = Broker::with(&["mqtt.max_keepalive=3600"]);
    let (_, connack) = broker.connect_told(&Connect::new(V5, "long").keep_alive(65_535));
    assert_eq!(connack.props.number(prop::SERVER_KEEP_ALIVE), Some(3600));
    let dead = broker.connect(&Connect::new(V5, "dead").keep_alive(0));
    let (theirs, ours) = (broker.tcp.port(), dead.stream.local_addr().unwrap().port());
    let secs = keepalive_timer(theirs, ours).expect("the system watches no such socket");
    assert!(
        (1..=60).contains(&secs),
        "the system asks after {secs} s only"
    );
    #[cfg(target_os = "linux")]
    if let Some((first, between, times)) = asks(&broker, ours) {
        let gone = first + between * u64::from(times);
        println!(
            "figure: a dead peer is gone after {gone} s: asked after {first} s, {times} times"
        );
        assert!(gone <= 180, "{gone} s");
    }
    let asked = Instant::now();
    broker.v5("dead").ping();
    assert!(asked.elapsed() < Duration::from_secs(1));
}

/// How a connection of the broker's is asked whether its peer lives: seconds until the first question, seconds
/// between two, and how many. Read from a copy of the descriptor; `None` where the system gives nobody one.
#[cfg(target_os = "linux")]
fn asks(broker: &Broker, ours: u16) -> Option<(u64, u64, u32)> {
    use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

    let pid = Pid::from_raw(i32::try_from(broker.pid()).unwrap());
    let process = pidfd_open(pid.unwrap(), PidfdFlags::empty()).ok()?;
    for number in 0..i32::try_from(broker.open_files()).unwrap() + 64 {
        let copy = match pidfd_getfd(&process, number, PidfdGetfdFlags::empty()) {
            Ok(copy) => copy,
            Err(rustix::io::Errno::BADF) => continue,
            Err(why) => {
                println!("skipped: the system gives no copy of a descriptor: {why}");
                return None;
            }
        };
        let socket = socket2::Socket::from(copy);
        let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
        if peer.is_some_and(|peer| peer.port() == ours) {
            return Some((
                socket.tcp_keepalive_time().unwrap().as_secs(),
                socket.tcp_keepalive_interval().unwrap().as_secs(),
                socket.tcp_keepalive_retries().unwrap(),
            ));
        }
    }
    panic!("the broker has no such connection");
}

/// Seconds until the system asks the peer of a connection whether it lives; `None` if it never
/// does. From proc(5): the sixth field is timer:when, timer 2 is keep-alive, in 1/100 s.
fn keepalive_timer(from: u16, to: u16) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = |field: &str| u16::from_str_radix(field.rsplit(':').next()?, 16).ok();
        if port(fields[1])? != from || port(fields[2])? != to {
            return None;
        }
        let (timer, when) = fields[5].split_once(':')?;
        (timer == "02").then(|| u64::from_str_radix(when, 16).unwrap() / 100)
    })
}

/// X05: readers of QoS 0 that have stopped: each keeps at most its buffer and its queue, the
/// oldest go, all are counted; when they read again they have whole messages in order, up to the
/// last. [MQTT-4.9.0-3]
#[test]
fn x05_stopped_readers_qos_0() {
    let broker = Broker::with(&[
        "mqtt.sys_interval=1s",
        "mqtt.max_out_buffer=64KB",
        "mqtt.max_queue_bytes=128KB",
    ]);
    let mut calm = broker.v5("calm");
    calm.subscribe("calm", 1);
    let mut stopped: Vec<Conn> = (0..30)
        .map(|n| {
            let version = BOTH[n % 2];
            let mut conn = broker.narrow(&Connect::new(version, &format!("stopped-{n}")));
            conn.subscribe("flood", 0);
            conn
        })
        .collect();
    let before = broker.settled_memory();
    let mut speaker = broker.v5("speaker");
    let filling = vec![b'.'; 4096];
    for n in 0..300u32 {
        let payload = [&n.to_be_bytes()[..], &filling].concat();
        speaker.publish(&Publish::new("flood", payload));
        if n % 30 == 0 {
            calm.publish(&Publish::new("calm", "x").qos1(1));
            calm.receive_this("calm", "x");
        }
    }
    speaker.publish(&Publish::new("flood", "end"));
    speaker.ping();
    // 30 times 192 KB, and what a growing buffer leaves behind.
    let grown = broker.memory().saturating_sub(before);
    println!(
        "figure: {} KB for each of 30 stopped readers, 192 allowed",
        (grown / 30) >> 10
    );
    assert!(
        grown < 30 * 2 * 192 * 1024,
        "{grown} bytes for 30 stopped readers"
    );
    let mut missing = 0;
    for conn in &mut stopped {
        let mut last = None;
        loop {
            let got = conn.receive();
            if got.payload == b"end" {
                break;
            }
            let n = u32::from_be_bytes(got.payload[..4].try_into().unwrap());
            missing += u64::from(n - last.map_or(0, |l: u32| l + 1));
            last = Some(n);
        }
        missing += u64::from(299 - last.unwrap());
    }
    assert!(missing > 0, "nobody was behind");
    broker.figures_add_up(&["dropped/queue_full"], missing);
    broker.figures_add_up(&["messages/dropped"], missing);
}

/// X06: a stopped reader of QoS 1 and of QoS 2: as many are in flight as it allows, as many wait
/// as the limit says, the others are dropped and counted. [MQTT-3.3.4-9]
#[test]
fn x06_stopped_reader_qos_1_and_2() {
    let broker = Broker::with(&["mqtt.sys_interval=1s", "mqtt.max_queue=50"]);
    let before = broker.settled_memory();
    let mut due = 0;
    for qos in [1, 2] {
        let topic = format!("x06/{qos}");
        let connect = Connect::new(V5, "stopped").prop(prop::two(prop::RECEIVE_MAXIMUM, 10));
        let mut stopped = broker.narrow(&connect);
        stopped.subscribe(&topic, qos);
        let mut speaker = broker.v5("speaker");
        for n in 0..5000u32 {
            speaker.publish(&Publish::new(&topic, n.to_string()).qos(1, 1));
        }
        speaker.publish(&Publish::new(&topic, "last").qos(2, 1));
        // A publisher's shard may be ahead of the reader's: wait until all were queued or dropped.
        due += 5001 - 60;
        broker.figures_add_up(&["dropped/queue_full"], due);
        for n in 0..10 {
            stopped.receive_this(&topic, &n.to_string());
        }
        // The ten in flight were the oldest; of the others the newest fifty were kept.
        for n in 5001 - 50..5000 {
            stopped.receive_this(&topic, &n.to_string());
        }
        assert_eq!(stopped.receive_this(&topic, "last").qos, qos);
        stopped.bye();
    }
    broker.figures_add_up(&["messages/dropped"], due);
    let grown = broker.memory().saturating_sub(before);
    println!(
        "figure: {} KB for two stopped readers, {due} messages dropped and counted",
        grown >> 10
    );
    assert!(grown < 8 * MB, "{grown} bytes");
}

/// X09: one client subscribes without end, and many filters at once: 0x97 from the limit on, and
/// when it leaves, what the filters took is free. There are 8,000 SUBSCRIBEs of one filter, in full 100,000,
/// and then to a hundredth. (3.9.3, 0x97)
#[test]
fn x09_endless_subscriptions() {
    let (one_by_one, part) = if in_full() {
        (25_000, 100)
    } else {
        (2_000, 20)
    };
    let broker = Broker::with(&["mqtt.max_subscriptions=10000"]);
    broker.v5("calm").ping();
    let mut after = vec![broker.settled_memory()];
    for _ in 0..4 {
        let mut conn = broker.v5("greedy");
        let mut granted = 0;
        for chunk in 0..40u16 {
            let filters: Vec<String> = (0..500)
                .map(|n| match n % 5 {
                    0 => format!("x09/+/{chunk}/{n}/#"),
                    _ => format!("x09/{chunk}/{n}"),
                })
                .collect();
            let list: Vec<(&str, u8)> = filters.iter().map(|f| (f.as_str(), 0)).collect();
            conn.send(&subscribe(V5, 1, &list));
            let codes = conn.read_kind(Kind::SubAck).codes;
            assert_eq!(codes.len(), 500);
            assert!(codes.iter().all(|c| matches!(c, 0 | 0x97)));
            granted += codes.iter().filter(|c| **c == 0).count();
        }
        assert_eq!(granted, 10_000);
        // One by one they are refused as well, and the connection lives.
        for n in 0..one_by_one {
            conn.send(&subscribe(V5, 1, &[(&format!("x09/one/{n}"), 0)]));
            assert_eq!(conn.read_kind(Kind::SubAck).codes, [0x97]);
        }
        conn.publish(&Publish::new("x09/2/4/6", "nobody"));
        conn.publish(&Publish::new("x09/x/0/0", "one"));
        conn.receive_this("x09/x/0/0", "one");
        // Five thousand in one packet are more than anybody means.
        let many: Vec<(&str, u8)> = (0..5000).map(|_| ("x09/many", 0)).collect();
        conn.send(&subscribe(V5, 1, &many));
        conn.expect_closed_for(0x97);
        let mut next = broker.v5("next");
        next.publish(&Publish::new("x09/0/1", "nobody").qos1(1));
        after.push(broker.memory());
    }
    println!("figure: bytes after each round of 10,000 subscriptions: {after:?}");
    let now = broker.memory();
    println!(
        "figure: {now} bytes at the end, {} after the second round",
        after[2]
    );
    broker.settles_at(after[2] + after[2] / part);
}

/// X10: ten thousand filters made of wildcards, and topics of sixteen levels that each match
/// thousands of their beginnings: a match costs what matches, no more.
#[test]
fn x10_wildcard_explosion() {
    let topics = if in_full() { 500 } else { 20 };
    let broker = Broker::with(&["mqtt.max_subscriptions=20000"]);
    let mut conn = broker.v5("bomb");
    // Every mix of `+` and `a` over thirteen levels, ending in what no topic has.
    let filters: Vec<String> = (0..8192u32)
        .map(|mix| {
            let levels: Vec<&str> = (0..13)
                .map(|bit| ["a", "+"][(mix >> bit & 1) as usize])
                .collect();
            format!("{}/none", levels.join("/"))
        })
        .collect();
    for chunk in filters.chunks(512) {
        let list: Vec<(&str, u8)> = chunk.iter().map(|f| (f.as_str(), 0)).collect();
        conn.send(&subscribe(V5, 1, &list));
        assert!(conn.read_kind(Kind::SubAck).codes.iter().all(|c| *c == 0));
    }
    let mut speaker = broker.v5("speaker");
    // Each topic is another, so that each is looked for; all are sent at once, so that the way there and
    // back is not among it.
    let look = |speaker: &mut Conn, first: &str| {
        let all: Vec<u8> = (0..topics)
            .map(|n| format!("{first}/{}/{n}", ["a"; 14].join("/")))
            .flat_map(|topic| Publish::new(&topic, "x").qos1(1).bytes(V5))
            .collect();
        let began = Instant::now();
        speaker.send(&all);
        for _ in 0..topics {
            assert_eq!(speaker.read_kind(Kind::PubAck).id, 1);
        }
        began.elapsed() / topics
    };
    let nothing = look(&mut speaker, "b");
    let each = look(&mut speaker, "a").saturating_sub(nothing);
    // 16,384 nodes match a beginning: this bounds the work of one match to a visit of each, not
    // to every way that leads there. Development builds are ten times slower than released ones.
    println!(
        "figure: {each:?} for a match among 8,192 filters of wildcards, 16,384 of their nodes"
    );
    let most = Duration::from_micros(if in_full() { 500 } else { 50_000 });
    assert!(each < most, "{each:?}");
    conn.nothing_from(&mut speaker, 1);
}

/// X13: one QoS 2 id again and again without its PUBREL is one message; more open ids than the
/// limit end the connection, in version 5 with 0x93; neither costs memory. [MQTT-3.3.4-8]
/// [MQTT-4.3.3-10]
#[test]
fn x13_unreleased_qos_2() {
    let broker = Broker::start();
    let mut listener = broker.v5("listener");
    listener.subscribe("x13", 2);
    let before = broker.settled_memory();
    for version in BOTH {
        let mut conn = broker.client(version, "same");
        let publish = Publish::new("x13", "once").qos2(7);
        let many = publish.bytes(version).repeat(1000);
        for _ in 0..20 {
            conn.send(&many);
            for _ in 0..1000 {
                assert_eq!(conn.read_packet().id, 7);
            }
        }
        listener.receive_this("x13", "once");
        listener.nothing_from(&mut conn, 1);
    }
    for version in BOTH {
        let mut conn = broker.client(version, "open");
        for id in 1..=1024u16 {
            conn.send(&Publish::new("x13/open", "x").qos2(id).bytes(version));
            assert_eq!(conn.read_kind(Kind::PubRec).id, id);
        }
        conn.send(&Publish::new("x13/open", "x").qos2(1025).bytes(version));
        conn.expect_closed_for(0x93);
    }
    let grown = broker.memory().saturating_sub(before);
    println!(
        "figure: {} KB after 40,000 of one id and 2,048 ids open",
        grown >> 10
    );
    assert!(grown < 4 * MB, "{grown} bytes");
}

/// X14: every alias there is, each for the longest topic: thirty-two are kept of each client, one
/// more ends the connection; towards a client no more are used than it and the broker allow.
/// [MQTT-3.3.2-9] [MQTT-3.1.2-26]
#[test]
fn x14_aliases_of_long_topics() {
    let broker = Broker::start();
    let before = broker.settled_memory();
    let long = "t".repeat(65_000);
    let clients = if in_full() { 100 } else { 10 };
    let mut crowd: Vec<Conn> = (0..clients)
        .map(|n| broker.v5(&format!("alias-{n}")))
        .collect();
    for conn in &mut crowd {
        for alias in 1..=32u16 {
            let topic = format!("{alias}/{long}");
            conn.publish(&Publish::new(&topic, "x").prop(prop::two(prop::TOPIC_ALIAS, alias)));
        }
        conn.ping();
    }
    let grown = broker.memory().saturating_sub(before);
    println!(
        "figure: {} KB for each of {clients} clients with 32 aliases of 65,000 bytes",
        (grown / clients) >> 10
    );
    // What they say is 1,984 KB; what was read of the last packets is there, too.
    assert!(
        grown < clients * 9 / 4 * MB + 8 * MB,
        "{grown} bytes for {clients} clients"
    );
    for mut conn in crowd {
        conn.send(
            &Publish::new("x", "x")
                .prop(prop::two(prop::TOPIC_ALIAS, 33))
                .bytes(V5),
        );
        conn.expect_closed_for(0x94);
    }
    let wants_all = Connect::new(V5, "many").prop(prop::two(prop::TOPIC_ALIAS_MAXIMUM, 65_535));
    let mut listener = broker.connect(&wants_all);
    listener.subscribe("out/#", 0);
    let mut speaker = broker.v5("speaker");
    for n in 0..100 {
        let topic = format!("out/{n}");
        speaker.publish(&Publish::new(&topic, "x"));
        let got = listener.receive_this(&topic, "x");
        assert!(got.props.number(prop::TOPIC_ALIAS).unwrap_or(0) <= 32);
    }
}

/// X16: no file descriptor is left for clients: further ones are closed, the others are served, what is to
/// be stored is stored, the dashboard is opened and answers, nobody spins; and within a second of some leaving
/// another gets in. Were the store to find no descriptor, the broker would have to end.
#[test]
fn x16_no_descriptor_left() {
    const FILES: u64 = 256;
    let (broker, mut api) = Broker::signed_in(&[]);
    let away = Connect::new(V5, "away").persistent(3600).keep();
    let mut conn = broker.connect(&away);
    conn.subscribe("x16", 1);
    conn.bye();
    let mut calm = broker.v5("calm");
    broker.limit_files(FILES);
    let mut crowd: Vec<TcpStream> = (0..300).map(|_| silent(&broker)).collect();
    // The first two hundred or so wait for their CONNECT; the others are closed.
    until("not one is refused", Duration::from_secs(8), || {
        calm.ping();
        is_closed(&mut crowd[299])
    });
    let refused = crowd.iter_mut().filter_map(|s| is_closed(s).then_some(()));
    let refused = refused.count();
    let before = broker.cpu();
    let rest = Instant::now();
    while rest.elapsed() < Duration::from_secs(1) {
        calm.ping();
        std::thread::sleep(Duration::from_millis(50));
    }
    let used = broker.cpu() - before;
    println!(
        "figure: {refused} of 300 refused at {FILES} files, {used:?} of the processor in a second of it"
    );
    assert!(
        used <= Duration::from_millis(200),
        "{used:?} in a second of nothing"
    );
    // Nobody gets in meanwhile by pushing.
    for _ in 0..300 {
        crowd.push(silent(&broker));
    }
    // For somebody whose session is on the disk: acknowledged is stored.
    for n in 0..100 {
        let kept = Publish::new("x16", n.to_string()).qos1(1);
        assert_eq!(calm.publish(&kept), 0, "{n}");
    }
    let client = api.get("/clients/away").expect(200).json();
    assert_eq!(client["mqueue_len"], 100, "{client}");
    // Somebody else who looks what is wrong; and who opens page after page takes all but what the store needs.
    broker.api().get("/status").expect(200);
    let pages: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(broker.http).unwrap())
        .collect();
    until("pages take all", Duration::from_secs(8), || {
        broker.open_files() >= FILES - 8
    });
    for n in 100..200 {
        let kept = Publish::new("x16", n.to_string()).qos1(1);
        assert_eq!(calm.publish(&kept), 0, "{n}");
    }
    assert!(broker.open_files() < FILES, "nothing is left");
    drop((crowd, pages));
    let begun = Instant::now();
    broker.v5("late").ping();
    broker.api().get("/status").expect(200);
    let took = begun.elapsed();
    println!("figure: {took:?} until a client and a page are served again");
    assert!(took <= Duration::from_secs(1), "{took:?}");
    calm.ping();
    let mut back = broker.connect(&away);
    for n in 0..200 {
        back.receive_this("x16", &n.to_string());
    }
}

/// X18: many publishers at once, each with most of a message of the largest size: what the broker
/// keeps of them is bounded, the others wait in their own sockets, and all get through in turn.
#[test]
fn x18_many_large_messages() {
    raise_files();
    let writers = if in_full() { 1_000 } else { 300 };
    let broker = Broker::start();
    broker.v5("calm").ping();
    let before = broker.settled_memory();
    let whole = Publish::new("x18", vec![b'x'; 900_000]).qos1(1).bytes(V5);
    let whole = std::sync::Arc::new(whole);
    let hold_back = whole.len() - 1000;
    let writers: Vec<_> = (0..writers)
        .map(|n| {
            let mut conn = broker.v5(&format!("large-{n}"));
            let whole = whole.clone();
            std::thread::spawn(move || {
                let patience = Some(Duration::from_secs(30));
                conn.stream.set_write_timeout(patience).unwrap();
                conn.stream.write_all(&whole[..hold_back]).unwrap();
                // The last bytes come when the others have sent what they could.
                std::thread::sleep(Duration::from_millis(1500));
                conn.stream.write_all(&whole[hold_back..]).unwrap();
                assert_eq!(conn.read_kind(Kind::PubAck).id, 1);
            })
        })
        .collect();
    let mut most = 0;
    while !writers.iter().all(std::thread::JoinHandle::is_finished) {
        most = most.max(broker.memory());
        let asked = Instant::now();
        broker.v5("calm").ping();
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "{:?}",
            asked.elapsed()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let count = writers.len();
    for writer in writers {
        writer.join().expect("every publisher gets through");
    }
    let grown = most.saturating_sub(before);
    println!(
        "figure: {} MB at most for {count} messages of 900 KB under way",
        grown / MB
    );
    // 128 MB may be under way, and beyond them the beginning of each message and what the allocator keeps.
    let most = if in_full() { 256 } else { 192 };
    assert!(grown < most * MB, "{grown} bytes");
}
