//! From accept to CONNACK: the shard that accepts hands the connection to the one where its session
//! lives, with what was read so far. Nothing gets lost on the way, however the bytes come.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::wire::{Broker, Conn, Connect, Kind, Outcome, Publish, V5, V311, pingreq, subscribe};

/// Rounds of each thread; `HANDOVER_ROUNDS` asks for more, to look for what is rare.
fn rounds() -> u32 {
    let asked = std::env::var("HANDOVER_ROUNDS").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(200)
}

/// Connections of many client ids at once. CONNECT comes whole, or in two pieces with the second one
/// at the moment when the first is read, or cut before its last byte, which is followed by packets;
/// or with packets behind it in one piece. Each is answered, in order.
#[test]
fn nothing_is_lost_on_the_way() {
    let broker = Broker::with(&["shards=3"]);
    thread::scope(|scope| {
        for thread in 0..4 {
            let address = broker.tcp;
            scope.spawn(move || {
                for round in 0..rounds() {
                    one_round(address, thread, round);
                }
            });
        }
    });
}

fn one_round(address: SocketAddr, thread: u32, round: u32) {
    let version = [V311, V5][(round / 4 % 2) as usize];
    let connect = Connect::new(version, &format!("handed-{thread}-{round}")).bytes();
    let topic = format!("handed/{thread}");
    let behind = [
        subscribe(version, 1, &[(&topic, 1)]),
        Publish::new(&topic, "x").qos1(2).bytes(version),
        pingreq(),
    ]
    .concat();
    let mut conn = Conn::open(address, version);
    let pipelined = round % 4 >= 2;
    match round % 4 {
        0 => conn.send(&connect),
        1 => {
            let at = 1 + round as usize % (connect.len() - 1);
            conn.send(&connect[..at]);
            conn.send(&connect[at..]);
        }
        2 => conn.send(&[&connect[..], &behind].concat()),
        _ => {
            let at = connect.len() - 1;
            conn.send(&connect[..at]);
            conn.send(&[&connect[at..], &behind].concat());
        }
    }
    assert_eq!(conn.read_kind(Kind::ConnAck).code, 0, "{thread} {round}");
    if pipelined {
        conn.read_kind(Kind::SubAck);
        conn.read_kind(Kind::PubAck);
        conn.receive_this(&topic, "x");
        conn.read_kind(Kind::PingResp);
    } else {
        conn.ping();
    }
    if round.is_multiple_of(16) {
        conn.bye();
    } else {
        conn.send(&[0xE0, 0]);
    }
}

/// A client that does not wait for its SUBACK: what it sends behind SUBSCRIBE, more than one read
/// takes, is handled when the SUBACK is out. [MQTT-3.8.4-1]
#[test]
fn much_behind_a_subscribe() {
    let broker = Broker::with(&["shards=2"]);
    for version in [V311, V5] {
        for web in [false, true] {
            let mut conn = match web {
                true => Conn::open_web(broker.ws, version),
                false => broker.open(version),
            };
            let mut all = Connect::new(version, "eager").bytes();
            all.extend(subscribe(version, 1, &[("eager/last", 0)]));
            for _ in 0..30 {
                all.extend(Publish::new("eager", vec![0; 10_000]).bytes(version));
            }
            all.extend(Publish::new("eager/last", "x").bytes(version));
            conn.send(&all);
            assert_eq!(conn.read_kind(Kind::ConnAck).code, 0);
            conn.read_kind(Kind::SubAck);
            conn.receive_this("eager/last", "x");
        }
    }
}

/// The deadline for CONNECT is each connection's own: a new connection that got the place of one
/// which has moved on does not inherit what was left of its time.
#[test]
fn deadlines_are_not_inherited() {
    let broker = Broker::with(&["mqtt.connect_timeout=1s", "shards=2"]);
    let mut idle = broker.v5("idle");
    let started = Instant::now();
    let earlier: Vec<_> = (0..8).map(|_| broker.open(V5)).collect();
    for (n, mut conn) in earlier.into_iter().enumerate() {
        conn.connect(&Connect::new(V5, &format!("earlier{n}")));
        conn.bye();
    }
    // Some time later others take their places, and still have time when the first's is over.
    let quiet = idle.read_by(started + Duration::from_millis(600));
    assert!(matches!(quiet, Outcome::Late), "{quiet:?}");
    let mut later: Vec<_> = (0..8).map(|_| broker.open(V5)).collect();
    let quiet = later[0].read_by(started + Duration::from_millis(1300));
    assert!(matches!(quiet, Outcome::Late), "closed early: {quiet:?}");
    for (n, conn) in later.iter_mut().enumerate() {
        conn.connect(&Connect::new(V5, &format!("later{n}")));
    }
}
