//! What a session must keep straight under pressure of time and rivals (rows S05 to S12 and O04 of
//! our reliability table, in short): ids, windows, ends of sessions, takeovers, wills, goodbyes.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::wire::{
    BOTH, Broker, Conn, Connect, Kind, Outcome, Publish, V5, V311, Will, ack, disconnect, prop,
    raise_files,
};

fn expiry(secs: u32) -> Vec<u8> {
    prop::four(prop::SESSION_EXPIRY, secs)
}

/// S05: more messages than there are ids, a window of hundred: ids go round past 65,535, none is
/// 0, none is used while it is in flight, and every message arrives in order. [MQTT-2.2.1-4]
#[test]
fn s05_ids_go_round() {
    let broker = Broker::start();
    let connect = Connect::new(V5, "round").prop(prop::two(prop::RECEIVE_MAXIMUM, 100));
    let mut listener = broker.connect(&connect);
    listener.subscribe("round", 1);
    let mut speaker = broker.client(V311, "speaker");
    // One that stays in flight all the time: its id must be left out when the others come round.
    speaker.publish(&Publish::new("round", "stuck").qos1(1));
    let stuck = listener.read_publish().id;
    let mut in_flight = HashSet::from([stuck]);
    let mut highest = 0;
    for round in 0..1400u32 {
        let mut batch = Vec::new();
        for n in 0..50u16 {
            let text = (round * 50 + u32::from(n)).to_string();
            batch.extend(Publish::new("round", text).qos1(n + 1).bytes(V311));
        }
        speaker.send(&batch);
        let mut ids = Vec::new();
        for n in 0..50 {
            let got = listener.read_publish();
            assert_eq!(got.text(), (round * 50 + n).to_string());
            assert!(in_flight.insert(got.id), "id {} twice in flight", got.id);
            highest = highest.max(got.id);
            ids.push(got.id);
        }
        let acks: Vec<u8> = ids.iter().flat_map(|id| ack(0x40, *id)).collect();
        listener.send(&acks);
        in_flight.retain(|id| *id == stuck);
        for n in 0..50 {
            assert_eq!(speaker.read_kind(Kind::PubAck).id, n + 1);
        }
    }
    assert!(highest > 65_000, "the ids never went round: {highest}");
    listener.send(&ack(0x40, stuck));
    listener.ping();
}

/// S07: subscribed again at QoS 2, 0, 2 a thousand times while messages stay unacknowledged: the
/// window is as wide at the end as at the beginning. [MQTT-4.9.0-2] [MQTT-3.3.4-9]
#[test]
fn s07_window_after_many_subscribes() {
    let broker = Broker::start();
    for version in BOTH {
        let mut connect = Connect::new(version, "window");
        if version == V5 {
            connect = connect.prop(prop::two(prop::RECEIVE_MAXIMUM, 4));
        }
        let mut listener = broker.connect(&connect);
        let mut speaker = broker.v5("speaker");
        listener.subscribe("window", 2);
        let mut held = Vec::new();
        for n in 0..3 {
            speaker.publish(&Publish::new("window", n.to_string()).qos2(1));
            held.push(listener.read_publish().id);
        }
        for n in 0..1000 {
            listener.subscribe("window", [2, 0, 1][n % 3]);
            let text = n.to_string();
            speaker.publish(&Publish::new("window", &text).qos2(1));
            let got = listener.receive_this("window", &text);
            assert!(got.qos == 0 || !held.contains(&got.id));
        }
        listener.subscribe("window", 2);
        for id in &held {
            listener.send(&ack(0x50, *id));
            assert_eq!(listener.read_kind(Kind::PubRel).id, *id);
            listener.send(&ack(0x70, *id));
        }
        // Four at once again, and the fifth waits where the client said so.
        for n in 0..4 {
            speaker.publish(&Publish::new("window", n.to_string()).qos2(1));
            listener.read_publish();
        }
        speaker.publish(&Publish::new("window", "fifth").qos2(1));
        if version == V5 {
            listener.nothing_from(&mut speaker, 0);
        } else {
            assert_eq!(listener.read_publish().text(), "fifth");
        }
    }
}

/// S08: a session's end and its client's return at the same instant: it is there with all it had,
/// or it is new; expiry 0 and the longest; changed by DISCONNECT either way. [MQTT-3.1.2-23]
/// [MQTT-3.2.2-2] [MQTT-3.2.2-3] [MQTT-4.1.0-2]
#[test]
fn s08_end_and_return_at_once() {
    let broker = Broker::start();
    let mut speaker = broker.v5("speaker");
    let racers: Vec<(u64, Connect, Instant)> = (0..40)
        .map(|n| {
            let connect = Connect::new(V5, &format!("race-{n}")).persistent(1);
            let mut conn = broker.connect(&connect);
            conn.subscribe(&format!("race/{n}"), 1);
            conn.send(&disconnect(V5, 0, &[]));
            (n, connect, Instant::now())
        })
        .collect();
    let (mut kept, mut new) = (0, 0);
    for (n, connect, left) in racers {
        // From 0.8 s to 1.4 s after it left.
        let at = Duration::from_millis(800 + n * 15);
        std::thread::sleep(at.saturating_sub(left.elapsed()));
        let topic = format!("race/{n}");
        let (mut conn, connack) = broker.connect_told(&connect);
        speaker.publish(&Publish::new(&topic, "x").qos1(1));
        if connack.session_present {
            kept += 1;
            conn.receive_this(&topic, "x");
        } else {
            new += 1;
            conn.nothing_from(&mut speaker, 1);
        }
        conn.send(&disconnect(V5, 0, &[expiry(0)]));
        conn.expect_closed();
        assert!(
            !broker.connect_told(&connect).1.session_present,
            "0 ends it at once"
        );
    }
    assert!(kept > 0 && new > 0, "no race: {kept} kept, {new} new");
    for secs in [60, u32::MAX] {
        let connect = Connect::new(V5, "long").persistent(secs);
        broker.connect(&connect).bye();
        let (mut conn, connack) = broker.connect_told(&connect);
        assert!(connack.session_present, "{secs}");
        // Made shorter by DISCONNECT, then it ends by itself.
        conn.send(&disconnect(V5, 0, &[expiry(1)]));
        conn.expect_closed();
        std::thread::sleep(Duration::from_millis(2200));
        assert!(!broker.connect_told(&connect).1.session_present, "{secs}");
        broker.v5("long").bye();
    }
    // Made longer by DISCONNECT.
    let connect = Connect::new(V5, "longer").persistent(1);
    let mut conn = broker.connect(&connect);
    conn.send(&disconnect(V5, 0, &[expiry(60)]));
    conn.expect_closed();
    std::thread::sleep(Duration::from_millis(2200));
    assert!(broker.connect_told(&connect).1.session_present);
}

/// S10: ten rivals fight for one client id as fast as they can, each subscribing and publishing in
/// between: there is one owner at any time, each loser hears 0x8E at most once, and in the end one
/// is left, which works. [MQTT-3.1.4-3]
#[test]
fn s10_takeover_storm() {
    let broker = Broker::with(&["mqtt.sys_interval=1s"]);
    let address = broker.tcp;
    let until = Instant::now() + Duration::from_secs(4);
    let rivals: Vec<_> = (0..10u16)
        .map(|n| {
            std::thread::spawn(move || {
                let mut rounds = 0;
                while Instant::now() < until {
                    let mut conn = Conn::open(address, V5);
                    conn.send(&Connect::new(V5, "contested").persistent(60).bytes());
                    conn.send(&crate::wire::subscribe(V5, n + 1, &[("storm/#", 1)]));
                    conn.send(&Publish::new("storm/x", "x").qos1(n + 1).bytes(V5));
                    if rounds % 3 == 0 {
                        // Waits for its end instead of being replaced by itself.
                        let mut told = 0;
                        while let Outcome::Packet(p) = conn.read_by(until) {
                            told += u32::from(p.kind == Kind::Disconnect && p.code == 0x8E);
                        }
                        assert!(told <= 1);
                    }
                    rounds += 1;
                }
                rounds
            })
        })
        .collect();
    let mut calm = broker.v5("calm");
    calm.subscribe("calm", 1);
    let mut longest = Duration::ZERO;
    while Instant::now() < until {
        let asked = Instant::now();
        calm.publish(&Publish::new("calm", "x").qos1(1));
        calm.receive_this("calm", "x");
        longest = longest.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    let rounds: u32 = rivals.into_iter().map(|r| r.join().unwrap()).sum();
    println!("{rounds} takeovers, the bystander waited {longest:?} at most");
    assert!(rounds > 50, "only {rounds} rounds");
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    let (mut last, connack) = broker.connect_told(&Connect::new(V5, "contested").persistent(60));
    assert!(connack.session_present);
    // What the storm left for the session comes first; then the present.
    last.send(&Publish::new("storm/end", "end").qos1(999).bytes(V5));
    loop {
        let packet = last.read_packet();
        if let Some(got) = packet.publish {
            if got.qos == 1 {
                last.send(&ack(0x40, got.id));
            }
            if got.topic == "storm/end" {
                break;
            }
        }
    }
    last.send(&disconnect(V5, 0, &[expiry(0)]));
    // The bystander and the one who asks are the only ones left.
    broker.figures_add_up(&["stats/sessions/count"], 2);
    broker.figures_add_up(&["stats/connections/count"], 2);
}

/// How a connection ends in the table of wills.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// The line is cut and nobody comes back.
    Cut,
    /// Cut; the client comes back at once and resumes.
    CutThenBack,
    /// Cut; the client comes back at once with a clean start.
    CutThenClean,
    /// Another connection of the same client takes over and resumes.
    TakenOver,
    /// Another connection takes over with a clean start.
    TakenOverClean,
    /// DISCONNECT with reason 0.
    Bye,
    /// DISCONNECT with reason 4, with the will.
    ByeWithWill,
    /// DISCONNECT with reason 4 and a session expiry of 0.
    ByeEndingSession,
}

impl End {
    const ALL: [Self; 8] = [
        Self::Cut,
        Self::CutThenBack,
        Self::CutThenClean,
        Self::TakenOver,
        Self::TakenOverClean,
        Self::Bye,
        Self::ByeWithWill,
        Self::ByeEndingSession,
    ];

    /// Seconds after the end when the will is due; `None` if it never is (3.1.3.2.2, 3.1.2.5).
    fn due(self, delay: u32, keep: u32) -> Option<u32> {
        // The session is resumed only where it outlives its connection.
        let resumed = keep > 0;
        match self {
            Self::Bye => None,
            Self::Cut | Self::ByeWithWill => Some(delay.min(keep)),
            Self::ByeEndingSession | Self::CutThenClean | Self::TakenOverClean => Some(0),
            Self::CutThenBack | Self::TakenOver if delay == 0 || !resumed => Some(0),
            Self::CutThenBack | Self::TakenOver => None,
        }
    }
}

/// S12: will delay, session expiry and every way to end, against the specification: all 96 rows
/// at once, each will once and at its time. [MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT-3.1.3-9]
/// [MQTT-3.1.4-3] [MQTT-3.14.4-3]
#[test]
fn s12_will_delay_and_session_expiry() {
    let broker = Broker::start();
    let mut witness = broker.v5("witness");
    witness.subscribe("s12/#", 1);
    let began = Instant::now();
    let witness = std::thread::spawn(move || {
        let mut came = Vec::new();
        while let Outcome::Packet(packet) = witness.read_by(Instant::now() + Duration::from_secs(6))
        {
            let got = packet.publish.expect("wills only");
            witness.send(&ack(0x40, got.id));
            let n: usize = got.topic["s12/".len()..].parse().unwrap();
            came.push((n, began.elapsed().as_secs_f32()));
        }
        came
    });
    let mut due = Vec::new();
    let mut open = Vec::new();
    for delay in [0, 1, 3] {
        for keep in [0, 1, 2, 60] {
            for end in End::ALL {
                let n = due.len();
                let will = Will::new(&format!("s12/{n}"), "will")
                    .qos(1)
                    .prop(prop::four(prop::WILL_DELAY, delay));
                let id = format!("s12-{n}");
                let plain = Connect::new(V5, &id).prop(expiry(keep));
                let mut conn = broker.connect(&plain.clone().keep().will(will));
                match end {
                    End::Cut => conn.cut(),
                    End::CutThenBack => {
                        conn.cut();
                        open.push(broker.connect(&plain.keep()));
                    }
                    End::CutThenClean => {
                        conn.cut();
                        open.push(broker.connect(&plain));
                    }
                    End::TakenOver => open.push(broker.connect(&plain.keep())),
                    End::TakenOverClean => open.push(broker.connect(&plain)),
                    End::Bye => conn.send(&disconnect(V5, 0, &[])),
                    End::ByeWithWill => conn.send(&disconnect(V5, 4, &[])),
                    // From 0 it may not be set to anything else, so 0 says nothing new.
                    End::ByeEndingSession => conn.send(&disconnect(V5, 4, &[expiry(0)])),
                }
                let at = began.elapsed().as_secs_f32();
                due.push((delay, keep, end, at, end.due(delay, keep)));
            }
        }
    }
    let mut came = vec![None; due.len()];
    for (n, at) in witness.join().unwrap() {
        assert_eq!(came[n], None, "the will of row {n} came twice");
        came[n] = Some(at);
    }
    let mut wrong = Vec::new();
    for ((delay, keep, end, at, due), came) in due.iter().zip(&came) {
        let right = match (due, came) {
            (None, None) => true,
            // The end was before `at`, by less than a row takes.
            (Some(secs), Some(came)) => {
                let from = at + *secs as f32;
                *came > from - 0.5 && *came < from + 2.0
            }
            _ => false,
        };
        if !right {
            wrong.push(format!(
                "delay {delay}, expiry {keep}, {end:?} at {at}: due {due:?}, came {came:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of 96:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// O04: SIGTERM with a crowd: everybody of version 5 hears 0x8B, all are closed, wills go out to
/// those who are still there, and the process ends within five seconds, in good order.
/// [MQTT-3.14.4-1]
#[test]
fn o04_sigterm_with_a_crowd() {
    raise_files();
    let mut broker = Broker::start();
    let mut crowd: Vec<Conn> = (0..1000)
        .map(|n| {
            let version = BOTH[n % 2];
            let will = Will::new("o04/will", "x").qos(1);
            let mut conn = broker.connect(&Connect::new(version, &format!("o04-{n}")).will(will));
            if n % 10 == 0 {
                conn.subscribe("o04/#", 1);
            }
            conn
        })
        .collect();
    let told = Instant::now();
    broker.signal("TERM");
    let status = broker.wait(Duration::from_secs(5));
    assert!(status.success(), "{status}");
    println!("ended after {:?}", told.elapsed());
    for conn in &mut crowd {
        let said = conn.read_to_end();
        let byes = said.iter().filter(|p| p.kind == Kind::Disconnect);
        let codes: Vec<u8> = byes.map(|p| p.code).collect();
        assert_eq!(codes, vec![0x8B; usize::from(conn.version == V5)]);
    }
}
