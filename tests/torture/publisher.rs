//! A publisher by the book: its session outlives its connections, it sends again what was not
//! acknowledged, with DUP and the same packet id, and PUBREL again; it uses the lowest free id, so
//! that a broker that did not forget one swallows the next message.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use crate::dial::{SLICE, dial};
use crate::dice::Dice;
use crate::stream::{self, STREAMS, Stream};
use crate::tally::Tally;
use crate::wire::{Conn, Connect, Kind, Outcome, Packet, Publish, V5, ack};

#[derive(Clone, Debug)]
struct Flight {
    id: u16,
    stream: Stream,
    number: u32,
    publish: Publish,
    /// PUBREC came: only PUBREL is said from here on.
    released: bool,
}

/// One value that a retained topic may have.
#[derive(Clone, Debug)]
struct Value {
    payload: Vec<u8>,
    /// Of the message that set it; None for a topic that was never set.
    number: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    index: usize,
    dice: Dice,
    window: usize,
    flights: VecDeque<Flight>,
    /// The number of each stream's next message.
    next: [u32; STREAMS],
    /// Messages that the broker refused; nobody is to have them.
    pub(crate) refused: BTreeSet<(usize, u32)>,
    /// Values that a retained topic may have: the last acknowledged one and all later ones.
    retained: BTreeMap<usize, Vec<Value>>,
    /// The broker promised to know this session.
    known: bool,
    pub(crate) tally: Tally,
}

impl Publisher {
    pub(crate) fn new(index: usize, dice: &mut Dice) -> Self {
        Self {
            index,
            dice: dice.fork(),
            window: dice.of(1..20) as usize,
            flights: VecDeque::new(),
            next: [0; STREAMS],
            refused: BTreeSet::new(),
            retained: BTreeMap::new(),
            known: false,
            tally: Tally::default(),
        }
    }

    pub(crate) fn next_of(&self, stream: Stream) -> u32 {
        self.next[stream.kind]
    }

    pub(crate) fn idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// What a retained topic may hold now; an empty payload stands for nothing.
    pub(crate) fn retained(&self) -> impl Iterator<Item = (Stream, Vec<&[u8]>)> {
        self.retained.iter().map(|(kind, values)| {
            let stream = Stream {
                publisher: self.index,
                kind: *kind,
            };
            let values = values.iter().map(|v| v.payload.as_slice()).collect();
            (stream, values)
        })
    }

    fn publish(&mut self) -> Vec<u8> {
        let kinds = stream::kinds(self.index);
        let kind = kinds[self.dice.of(0..kinds.len() as u64) as usize];
        let stream = Stream {
            publisher: self.index,
            kind,
        };
        let number = self.next[kind];
        let clears = kind == 5 && self.dice.one_in(3);
        let len = match self.dice.of(0..40) {
            0 => self.dice.of(4000..9000),
            _ => self.dice.of(16..200),
        };
        let payload = if clears {
            Vec::new()
        } else {
            stream.payload(number, len as usize)
        };
        self.next[kind] += 1;
        let used = |id: &u16| self.flights.iter().all(|f| f.id != *id);
        let id = (1..).find(used).expect("the window is small");
        let mut publish = Publish::new(&stream.topic(), &payload).qos(stream.qos(), id);
        if stream.retained() {
            publish = publish.retained();
            let values = self.retained.entry(kind).or_insert_with(|| {
                vec![Value {
                    payload: Vec::new(),
                    number: None,
                }]
            });
            values.push(Value {
                payload,
                number: Some(number),
            });
        }
        let bytes = publish.bytes(stream::version(self.index));
        self.flights.push_back(Flight {
            id,
            stream,
            number,
            publish,
            released: false,
        });
        bytes
    }

    /// What is said again after a return, in the order in which it was said.
    fn again(&mut self) -> Vec<u8> {
        let version = stream::version(self.index);
        let mut bytes = Vec::new();
        for flight in &self.flights {
            if flight.released {
                bytes.extend(ack(0x62, flight.id));
            } else {
                bytes.extend(flight.publish.clone().dup().bytes(version));
            }
        }
        bytes
    }

    /// Takes an acknowledgement; gives what is to be said.
    fn take(&mut self, packet: &Packet) -> Vec<u8> {
        let at = self.flights.iter().position(|f| f.id == packet.id);
        let Some(at) = at else {
            panic!("publisher {}: nobody waits for {packet:?}", self.index);
        };
        let flight = &mut self.flights[at];
        let wanted = match (flight.stream.qos(), flight.released) {
            (1, _) => Kind::PubAck,
            (_, false) => Kind::PubRec,
            (_, true) => Kind::PubComp,
        };
        assert_eq!(packet.kind, wanted, "publisher {}: {packet:?}", self.index);
        if packet.code >= 0x80 && packet.kind != Kind::PubComp {
            self.tally.refused += 1;
            self.refused.insert((flight.stream.kind, flight.number));
            self.flights.remove(at);
            return Vec::new();
        }
        self.tally.acknowledged += 1;
        if packet.kind == Kind::PubRec {
            flight.released = true;
            self.known = true;
            return ack(0x62, packet.id);
        }
        let (kind, number) = (flight.stream.kind, flight.number);
        if let Some(values) = self.retained.get_mut(&kind) {
            values.retain(|v| v.number >= Some(number));
        }
        self.flights.remove(at);
        Vec::new()
    }

    /// Comes back by the book: gives its CONNECT.
    fn hello(&self) -> Connect {
        let id = format!("pub-{}", self.index);
        Connect::new(stream::version(self.index), &id).persistent(3600)
    }
}

/// Connects and says again what is open. None if the broker is gone.
fn arrive(state: &Mutex<Publisher>, address: SocketAddr) -> Option<Conn> {
    let hello = state.lock().unwrap().hello();
    let (mut conn, connack) = dial(address, &hello)?;
    let mut me = state.lock().unwrap();
    if me.known && !connack.session_present {
        me.tally.sessions_lost += 1;
    }
    let again = me.again();
    drop(me);
    conn.send(&again);
    Some(conn)
}

/// How much a publisher publishes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) messages: u32,
    pub(crate) per_sec: u32,
}

/// Publishes at this pace, until told to stop, whatever is open then, or the broker is
/// gone.
pub(crate) fn drive(
    state: &Mutex<Publisher>,
    conn: Option<Conn>,
    address: SocketAddr,
    pace: Pace,
    stop: &AtomicBool,
) -> Option<Conn> {
    let mut conn = conn.or_else(|| arrive(state, address))?;
    let mut left = pace.messages;
    let begun = Instant::now();
    loop {
        loop {
            let mut me = state.lock().unwrap();
            let due = begun.elapsed().as_secs_f64() * f64::from(pace.per_sec);
            let early = f64::from(pace.messages - left) > due;
            if left == 0 || early || me.flights.len() >= me.window {
                break;
            }
            left -= 1;
            let bytes = me.publish();
            drop(me);
            conn.send(&bytes);
        }
        let done = left == 0 && state.lock().unwrap().idle();
        if done || stop.load(Relaxed) {
            return Some(conn);
        }
        if !step(state, &mut conn) {
            return None;
        }
    }
}

/// Finishes what is open; false if it does not come to an end by the deadline.
pub(crate) fn finish(
    state: &Mutex<Publisher>,
    conn: Option<Conn>,
    address: SocketAddr,
    deadline: Instant,
) -> Option<Conn> {
    let mut conn = conn.or_else(|| arrive(state, address))?;
    while !state.lock().unwrap().idle() {
        if Instant::now() > deadline || !step(state, &mut conn) {
            return None;
        }
    }
    Some(conn)
}

/// Takes one packet, or waits a moment for it; false at the end of the connection.
fn step(state: &Mutex<Publisher>, conn: &mut Conn) -> bool {
    match conn.read_by(Instant::now() + SLICE) {
        Outcome::Packet(packet) => {
            assert!(
                packet.kind != Kind::Disconnect || conn.version == V5,
                "{packet:?}"
            );
            if packet.kind == Kind::Disconnect {
                return false;
            }
            let answer = state.lock().unwrap().take(&packet);
            if !answer.is_empty() {
                conn.send(&answer);
            }
            true
        }
        Outcome::Late => true,
        Outcome::Closed => false,
    }
}
