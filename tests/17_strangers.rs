//! Peers that have still to say who they are, in crowds (row X03 of our reliability table): they have bounds in all
//! and for each address, and others do not notice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::exhaustion::{is_closed, silent, until};
use crate::wire::{Broker, Conn, Connect, V5, varint};

const MB: u64 = 1 << 20;

/// A socket from an address of this machine.
pub(crate) fn from_here(last: u8, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let from = SocketAddr::from(([127, 0, 0, last], 0));
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

/// X03: the bound of those who have not said who they are is one for all listeners and threads, of which one takes
/// those without TLS: the oldest go, whichever has them.
#[test]
fn x03_one_bound_for_all_who_say_nothing() {
    let broker = Broker::with(&[
        "shards=2",
        "mqtt.max_pending=16",
        "mqtt.connect_timeout=60s",
        "listeners.ssl.default.ssl_options.handshake_timeout=60s",
    ]);
    let secure = broker.listens("ssl:default");
    let with_tls = |_| TcpStream::connect(secure).unwrap();
    let mut crowd: Vec<TcpStream> = (0..16).map(|_| silent(&broker)).collect();
    let open = |crowd: &mut [TcpStream]| {
        crowd
            .iter_mut()
            .filter_map(|s| (!is_closed(s)).then_some(()))
            .count()
    };
    for more in 1..=3 {
        crowd.extend((0..16).map(with_tls));
        until("too many are kept", Duration::from_secs(8), || {
            open(&mut crowd) <= 16
        });
        let newest = open(&mut crowd[16 * more..]);
        assert!(newest >= 12, "{newest} of those that came last are kept");
    }
    crowd.extend((0..16).map(|_| silent(&broker)));
    until("too many are kept", Duration::from_secs(8), || {
        open(&mut crowd) <= 16
    });
    assert!(open(&mut crowd) >= 12);
    broker.v5("canary").ping();
}

/// X03: one address that connects and says nothing has no more than its part, over all listeners and threads, however
/// often it comes. Others come in meanwhile as they always do, and it does itself once it has said something.
#[test]
fn x03_one_address_takes_no_place_of_others() {
    let broker = Broker::with(&[
        "shards=2",
        "mqtt.max_pending=64",
        "mqtt.max_pending_per_address=16",
        "mqtt.connect_timeout=60s",
        "listeners.ssl.default.ssl_options.handshake_timeout=60s",
    ]);
    let secure = broker.listens("ssl:default");
    let enters = |from: u8| {
        let asked = Instant::now();
        let mut conn = Conn::over(from_here(from, broker.tcp), V5);
        let client = format!("from-{from}-{:?}", asked);
        let code = conn.connect(&Connect::new(V5, &client)).code;
        (code, asked.elapsed())
    };
    // Some of them begin with TLS, on the other thread too.
    let mut crowd: Vec<TcpStream> = (0..8).map(|_| silent(&broker)).collect();
    crowd.extend((0..8).map(|_| from_here(1, secure)));
    broker.finds(|_| false, Duration::from_millis(200));
    let mut longest = Duration::ZERO;
    for round in 0..10 {
        let mut late: Vec<TcpStream> = (0..20)
            .map(|n| from_here(1, if n % 2 == 0 { broker.tcp } else { secure }))
            .collect();
        let (code, took) = enters(5 + round);
        assert_eq!(code, 0, "another address");
        longest = longest.max(took);
        until("more are kept", Duration::from_secs(8), || {
            late.iter_mut().all(is_closed)
        });
    }
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    println!("figure: others come in within {longest:?} while an address holds its part");
    let kept = crowd.iter_mut().map(is_closed).filter(|gone| !gone).count();
    assert_eq!(kept, 16, "those that were there stay");
    broker.hears("mqtt.max_pending_per_address", Duration::from_secs(8));
    // Whoever says who it is makes room, and so does whoever goes.
    let first = crowd.remove(0);
    assert_eq!(
        Conn::over(first, V5)
            .connect(&Connect::new(V5, "late"))
            .code,
        0
    );
    crowd.pop();
    for _ in 0..2 {
        until("no room is made", Duration::from_secs(8), || {
            let mut one = silent(&broker);
            std::thread::sleep(Duration::from_millis(100));
            let stays = !is_closed(&mut one);
            crowd.push(one);
            stays
        });
    }
    let mut one = silent(&broker);
    until("more are kept", Duration::from_secs(8), || {
        is_closed(&mut one)
    });
}

/// The same behind proxies: theirs is not the address that counts, but that of whom they speak for, which of IPv6
/// is a network. A header that never comes has the bound for all.
#[test]
fn x03_addresses_behind_proxies() {
    let broker = Broker::with(&[
        "mqtt.max_pending_per_address=4",
        "mqtt.connect_timeout=60s",
        "listeners.tcp.behind.bind=127.0.0.1:0",
        "listeners.tcp.behind.proxy_protocol=true",
        "listeners.ws.page.bind=127.0.0.1:0",
        "listeners.ws.page.forwarded_for=true",
    ]);
    let (behind, page) = (broker.listens("tcp:behind"), broker.listens("ws:page"));
    let proxied = |family: &str, from: &str, to: &str| {
        let mut stream = TcpStream::connect(behind).unwrap();
        let line = format!("PROXY {family} {from} {to} 4711 1883\r\n");
        stream.write_all(line.as_bytes()).unwrap();
        stream
    };
    let web = |from: &str| {
        let mut stream = TcpStream::connect(page).unwrap();
        let request = format!(
            "GET /mqtt HTTP/1.1\r\nHost: {page}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: mqtt\r\nX-Forwarded-For: {from}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    // More than the bound that have said nothing of where they come from.
    let mut unsaid: Vec<TcpStream> = [behind, page]
        .into_iter()
        .flat_map(|at| (0..6).map(move |_| TcpStream::connect(at).unwrap()))
        .collect();
    let mut kept = Vec::new();
    for n in 0..4 {
        kept.push(proxied("TCP4", "10.1.2.3", "127.0.0.1"));
        kept.push(proxied("TCP6", &format!("2001:db8:1:2::{n}"), "::1"));
        kept.push(proxied("TCP6", "2001:db8:1:3::1", "::1"));
    }
    std::thread::sleep(Duration::from_millis(300));
    assert!(unsaid.iter_mut().chain(&mut kept).all(|s| !is_closed(s)));
    let mut late = [
        proxied("TCP4", "10.1.2.3", "127.0.0.1"),
        proxied("TCP6", "2001:db8:1:2:ffff::1", "::1"),
    ];
    until("more are kept", Duration::from_secs(8), || {
        late.iter_mut().all(is_closed)
    });
    // One client, whatever it comes by.
    let is_over = |stream: &mut TcpStream| {
        let patience = Duration::from_millis(500);
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).is_ok()
    };
    assert!(is_over(&mut web("10.1.2.3")));
    let mut pages: Vec<_> = (0..4).map(|_| web("10.1.2.4")).collect();
    assert!(!pages.iter_mut().any(is_over));
    assert!(is_over(&mut web("10.1.2.4")));
    assert!(unsaid.iter_mut().chain(&mut kept).all(|s| !is_closed(s)));
    broker.v5("canary").ping();
}

/// X03: many announce a large CONNECT, send most of it and stop: what they all have sent is
/// bounded, and the oldest make room.
#[test]
fn x03_half_a_large_connect() {
    let broker = Broker::with(&["mqtt.connect_timeout=60s", "mqtt.max_pending_bytes=4MB"]);
    broker.v5("canary").ping();
    let before = broker.settled_memory();
    let part = [&[0x10][..], &varint(250_000), &vec![0; 200 << 10]].concat();
    let mut crowd: Vec<TcpStream> = Vec::new();
    for _ in 0..100 {
        let mut stream = silent(&broker);
        let _ = stream.write_all(&part);
        crowd.push(stream);
    }
    // Twenty of them are within 4 MB.
    until("too many are kept", Duration::from_secs(8), || {
        crowd
            .iter_mut()
            .filter_map(|s| (!is_closed(s)).then_some(()))
            .count()
            <= 20
    });
    let open: Vec<usize> = (0..100).filter(|n| !is_closed(&mut crowd[*n])).collect();
    assert!(open.len() >= 15, "only {open:?} are kept");
    assert!(
        open.windows(2).all(|w| w[0] + 1 == w[1]) && open.contains(&99),
        "not the oldest: {open:?}"
    );
    let grown = broker.memory().saturating_sub(before);
    println!(
        "figure: {} KB for {} that are kept, 4 MB allowed",
        grown >> 10,
        open.len()
    );
    assert!(grown < 16 * MB, "{grown} bytes");
    broker.v5("canary").ping();
}
