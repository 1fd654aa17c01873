//! Clients that a sick disk is no business of: a pair that talks with QoS 0, and somebody who waits
//! for a PUBACK, with the shortest keep-alive, and only says PINGREQ meanwhile.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::dial::dial;
use crate::wire::{Conn, Connect, Kind, Outcome, Publish, V5, pingreq, subscribe};

/// A hundred messages a second.
const BEAT: Duration = Duration::from_millis(10);
/// In seconds; silence of one and a half of it ends a connection.
const KEEP_ALIVE: u16 = 1;
const PING: Duration = Duration::from_millis(400);

pub(crate) struct Bystanders {
    stop: Arc<AtomicBool>,
    pair: JoinHandle<Heard>,
    patient: JoinHandle<u64>,
}

/// What became of them.
pub(crate) struct Heard {
    sent: u64,
    took: Vec<Duration>,
    /// Answers to PINGREQ.
    pub(crate) pings: u64,
}

impl Bystanders {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let connect = |id: &str| {
            let hello = Connect::new(V5, id).keep_alive(KEEP_ALIVE);
            dial(address, &hello).expect("the broker is there").0
        };
        let mut listener = connect("bystander-listener");
        listener.subscribe("bystander", 0);
        let speaker = connect("bystander-speaker");
        let mut patient = Conn::open(address, V5);
        let hello = Connect::new(V5, "patient").persistent(600);
        patient.connect(&hello.keep_alive(KEEP_ALIVE));
        patient.send(&subscribe(V5, 1, &[("patient", 1)]));
        patient.read_kind(Kind::SubAck);
        Self {
            pair: thread::spawn({
                let stop = stop.clone();
                move || talk(speaker, listener, &stop)
            }),
            patient: thread::spawn({
                let stop = stop.clone();
                move || wait(patient, &stop)
            }),
            stop,
        }
    }

    /// Ends them; a connection of theirs that ended before fails the test.
    pub(crate) fn stop(self) -> Heard {
        self.stop.store(true, Relaxed);
        let mut heard = self.pair.join().expect("the pair lives");
        heard.pings = self.patient.join().expect("the patient client lives");
        heard.took.sort_unstable();
        heard
    }
}

impl Heard {
    pub(crate) fn lost(&self) -> u64 {
        self.sent - self.took.len() as u64
    }

    pub(crate) fn p99(&self) -> Duration {
        let last = self.took.len() - 1;
        self.took[(self.took.len() * 99 / 100).min(last)]
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.took.last().copied().unwrap_or_default();
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            f,
            "QoS 0 bystanders sent {}, lost {}, p99 {:.1} ms, longest {:.1} ms, pings answered {}",
            self.sent,
            self.lost(),
            millis(self.p99()),
            millis(longest),
            self.pings
        )
    }
}

/// One message, then the next; gives how long each took.
fn talk(mut speaker: Conn, mut listener: Conn, stop: &AtomicBool) -> Heard {
    let mut heard = Heard {
        sent: 0,
        took: Vec::new(),
        pings: 0,
    };
    let mut pinged = Instant::now();
    while !stop.load(Relaxed) {
        let text = heard.sent.to_string();
        let said = Instant::now();
        speaker.send(&Publish::new("bystander", &text).bytes(V5));
        heard.sent += 1;
        loop {
            match listener.read_by(said + Duration::from_secs(5)) {
                Outcome::Packet(packet) if packet.kind == Kind::PingResp => {}
                Outcome::Packet(packet) => {
                    assert_eq!(packet.publish.expect("a PUBLISH").text(), text);
                    heard.took.push(said.elapsed());
                    break;
                }
                Outcome::Late => break,
                Outcome::Closed => panic!("a bystander was closed"),
            }
        }
        if pinged.elapsed() > PING {
            pinged = Instant::now();
            listener.send(&pingreq());
        }
        // The beat, not the wait for something.
        thread::sleep(BEAT.saturating_sub(said.elapsed()));
    }
    heard
}

/// One QoS 1 message after the other to itself, each when the last one is acknowledged, and
/// PINGREQ in between; gives the answers to PINGREQ.
fn wait(mut conn: Conn, stop: &AtomicBool) -> u64 {
    let mut pings = 0;
    let mut open = false;
    let mut pinged = Instant::now();
    let mut answered = true;
    while !stop.load(Relaxed) {
        if !open {
            conn.send(&Publish::new("patient", "x").qos1(1).bytes(V5));
            open = true;
        }
        if pinged.elapsed() > PING {
            assert!(
                answered,
                "PINGREQ was not answered in {:?}",
                pinged.elapsed()
            );
            conn.send(&pingreq());
            (pinged, answered) = (Instant::now(), false);
        }
        match conn.read_by(Instant::now() + BEAT) {
            Outcome::Packet(packet) => match packet.kind {
                Kind::PubAck => {
                    open = false;
                    if packet.code >= 0x80 {
                        // The disk is full: again, but not as fast as it can.
                        thread::sleep(BEAT);
                    }
                }
                Kind::PingResp => {
                    pings += 1;
                    answered = true;
                }
                Kind::Publish => conn.send(&crate::wire::ack(0x40, packet.id)),
                other => panic!("{other:?}: {packet:?}"),
            },
            Outcome::Late => {}
            Outcome::Closed => panic!("the patient client was closed"),
        }
    }
    pings
}
