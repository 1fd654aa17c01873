//! Everybody at once: publishers, subscribers, wills; under load, then after a crash, until each
//! promise is kept or counted as broken.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::dial::{PATIENCE, dial};
use crate::dice::Dice;
use crate::publisher::{self, Pace, Publisher};
use crate::stream::{PUBLISHERS, SUBSCRIBERS, Stream};
use crate::subscriber::{self, Extra, Owed, Subscriber};
use crate::tally::Tally;
use crate::wills::{Mortals, Wills};
use crate::wire::{Conn, Connect, Kind, Outcome, Publish, V5, subscribe};

/// As fast as the broker acknowledges, but no more than a round can take.
const FAST: Pace = Pace {
    messages: 400,
    per_sec: 1_000_000,
};

/// When nothing came for so long, nothing will.
const SILENCE: Duration = Duration::from_secs(3);

pub(crate) struct Crowd {
    publishers: Vec<Mutex<Publisher>>,
    subscribers: Vec<Mutex<Subscriber>>,
    wills: Wills,
    conns: Conns,
    dice: Dice,
    pub(crate) pace: Pace,
    pub(crate) tally: Tally,
    round: u64,
}

/// Connections that live from one part of a round to the next.
struct Conns {
    publishers: Vec<Option<Conn>>,
    subscribers: Vec<Option<Conn>>,
}

impl Conns {
    fn none() -> Self {
        Self {
            publishers: (0..PUBLISHERS).map(|_| None).collect(),
            subscribers: (0..SUBSCRIBERS).map(|_| None).collect(),
        }
    }
}

impl Crowd {
    /// Everybody connects; the subscribers subscribe.
    pub(crate) fn arrive(address: SocketAddr, dice: &mut Dice) -> Self {
        let mut crowd = Self {
            publishers: (0..PUBLISHERS)
                .map(|n| Mutex::new(Publisher::new(n, dice)))
                .collect(),
            subscribers: (0..SUBSCRIBERS)
                .map(|n| Mutex::new(Subscriber::new(n, dice)))
                .collect(),
            wills: Wills::default(),
            conns: Conns::none(),
            dice: dice.fork(),
            pace: FAST,
            tally: Tally::default(),
            round: 0,
        };
        for (state, conn) in crowd.subscribers.iter().zip(&mut crowd.conns.subscribers) {
            *conn = subscriber::arrive(state, address);
        }
        crowd
    }

    /// Everybody as they are now, without their connections: what they would do if the broker had
    /// died here. The broker stands still meanwhile.
    pub(crate) fn snapshot(&self) -> Self {
        Self {
            publishers: self
                .publishers
                .iter()
                .map(|p| Mutex::new(p.lock().unwrap().clone()))
                .collect(),
            subscribers: self
                .subscribers
                .iter()
                .map(|s| Mutex::new(s.lock().unwrap().clone()))
                .collect(),
            wills: self.wills.clone(),
            conns: Conns::none(),
            dice: self.dice.clone(),
            pace: self.pace,
            tally: Tally::default(),
            round: self.round,
        }
    }

    /// Load, with half of the subscribers leaving at some moment, until `end` is over. It has the
    /// clients with wills in its hands. What it leaves alive goes on in the next part.
    pub(crate) fn load<T>(
        &mut self,
        address: SocketAddr,
        end: impl FnOnce(&Self, &mut Dice, &mut Mortals) -> T,
    ) -> T {
        self.round += 1;
        let mut mortals = self.wills.arrive(address).expect("the broker is there");
        let mut conns = std::mem::replace(&mut self.conns, Conns::none());
        let mut dice = self.dice.fork();
        let away = self.round as usize % 2;
        let stop = AtomicBool::new(false);
        let this = &*self;
        let outcome = thread::scope(|scope| {
            for (state, conn) in this.publishers.iter().zip(&mut conns.publishers) {
                let stop = &stop;
                scope.spawn(move || {
                    let held = conn.take();
                    *conn = publisher::drive(state, held, address, this.pace, stop);
                });
            }
            for (at, (state, conn)) in this
                .subscribers
                .iter()
                .zip(&mut conns.subscribers)
                .enumerate()
            {
                let leaves = (at % 2 == away).then(|| Instant::now() + dice.millis(0..60));
                let asks = Instant::now() + dice.millis(0..150);
                let stop = &stop;
                scope.spawn(move || {
                    let held = conn.take();
                    *conn = this.listen(state, held, address, leaves, asks, stop);
                });
            }
            let outcome = end(this, &mut dice, &mut mortals);
            stop.store(true, Relaxed);
            outcome
        });
        self.conns = conns;
        outcome
    }

    /// A subscriber under load: one more filter at some moment, one fewer, and perhaps it goes.
    fn listen(
        &self,
        state: &Mutex<Subscriber>,
        conn: Option<Conn>,
        address: SocketAddr,
        leaves: Option<Instant>,
        asks: Instant,
        stop: &AtomicBool,
    ) -> Option<Conn> {
        let mut asked = false;
        let mut gone = false;
        let conn = subscriber::drive(state, conn, address, |me, conn| {
            let now = Instant::now();
            gone = leaves.is_some_and(|at| now > at);
            if !asked && now > asks {
                asked = true;
                let old = me.extras.iter().find(|(_, e)| **e == Extra::Granted);
                let old = old.map(|(filter, _)| filter.clone());
                let mut bytes = me.ask(&format!("x/{}/{}", me.index, self.round), Extra::Asked);
                if let Some(old) = old {
                    bytes.extend(me.ask(&old, Extra::Leaving));
                }
                conn.send(&bytes);
            }
            gone || stop.load(Relaxed)
        });
        if gone {
            if let Some(conn) = conn {
                conn.cut_unread();
            }
            return None;
        }
        conn
    }

    /// Drops every connection, as after a crash.
    pub(crate) fn hang_up(&mut self) {
        self.conns = Conns::none();
    }

    /// After a crash: what is retained, before anybody says anything again; then everybody returns
    /// and all comes to an end.
    pub(crate) fn recover(&mut self, address: SocketAddr) {
        self.hang_up();
        self.wills.restarted(address);
        self.judge_retained(address);
        self.settle(address);
        self.judge_retained(address);
        self.tally.rounds += 1;
    }

    /// Publishers finish what is open, subscribers receive everything, wills come.
    fn settle(&mut self, address: SocketAddr) {
        let owed: OnceLock<Owed> = OnceLock::new();
        let mut conns = std::mem::replace(&mut self.conns, Conns::none());
        let mut dice = self.dice.fork();
        let this = &*self;
        thread::scope(|scope| {
            // Some subscribers are back before the publishers, some later.
            let pause = dice.millis(0..40);
            for (state, conn) in this.subscribers.iter().zip(&mut conns.subscribers) {
                let owed = &owed;
                let pause = if dice.one_in(2) {
                    Duration::ZERO
                } else {
                    pause
                };
                scope.spawn(move || {
                    thread::sleep(pause);
                    let held = conn.take();
                    *conn = catch_up(state, held, address, owed);
                });
            }
            let deadline = Instant::now() + PATIENCE;
            let publishers: Vec<_> = this
                .publishers
                .iter()
                .zip(&mut conns.publishers)
                .map(|(state, conn)| {
                    scope.spawn(move || {
                        let held = conn.take();
                        *conn = publisher::finish(state, held, address, deadline);
                    })
                })
                .collect();
            let fine = publishers.into_iter().all(|p| p.join().is_ok());
            owed.set(this.owed()).expect("set once");
            assert!(fine, "a publisher failed");
        });
        self.conns = conns;
        for state in &self.publishers {
            assert!(
                state.lock().unwrap().idle(),
                "a publisher was not answered: {:?}",
                state.lock().unwrap()
            );
        }
        let owed = self.owed();
        for state in &self.subscribers {
            state.lock().unwrap().settle(&owed);
        }
        self.probe(address);
        self.wills.settle(address, false);
    }

    fn owed(&self) -> Owed {
        let mut owed = Owed {
            next: Vec::new(),
            refused: Default::default(),
        };
        for stream in Stream::all() {
            let publisher = self.publishers[stream.publisher].lock().unwrap();
            owed.next.push(publisher.next_of(stream));
            let refused = publisher.refused.iter().filter(|(k, _)| *k == stream.kind);
            let refused = refused.map(|(_, n)| (stream.index(), *n));
            owed.refused.extend(refused);
        }
        owed
    }

    /// Retained messages are the last acknowledged ones or later ones.
    fn judge_retained(&mut self, address: SocketAddr) {
        let topics: Vec<(String, Vec<Vec<u8>>)> = self
            .publishers
            .iter()
            .flat_map(|p| {
                let p = p.lock().unwrap();
                let held = p.retained().map(|(s, v)| (s.topic(), v));
                let held = held.map(|(t, v)| (t, v.into_iter().map(<[u8]>::to_vec).collect()));
                held.collect::<Vec<_>>()
            })
            .collect();
        let mut found = retained(address, |found| {
            let sure = |values: &[Vec<u8>]| values.iter().all(|v| !v.is_empty());
            topics
                .iter()
                .all(|(topic, values)| !sure(values) || found.contains_key(topic))
        });
        for (topic, values) in &topics {
            self.tally.retained += 1;
            let value = found.remove(topic).unwrap_or_default();
            if !values.contains(&value) {
                self.tally.retained_wrong += 1;
                let text =
                    |v: &Vec<u8>| String::from_utf8_lossy(&v[..v.len().min(12)]).into_owned();
                let wanted: Vec<String> = values.iter().map(text).collect();
                println!("retained {topic} is {:?}, not of {wanted:?}", text(&value));
            }
        }
        self.tally.retained_wrong += found.len() as u64;
    }

    /// One message for each subscription that came or went under load.
    fn probe(&mut self, address: SocketAddr) {
        let mut conn = guest(address, "probe");
        let round = self.round;
        let mut probes = 0;
        for state in &self.subscribers {
            for filter in state.lock().unwrap().extras.keys() {
                probes += 1;
                conn.send(
                    &Publish::new(filter, round.to_string())
                        .qos1(probes)
                        .bytes(V5),
                );
            }
        }
        for _ in 0..probes {
            conn.read_kind(Kind::PubAck);
        }
        let mut conns = std::mem::replace(&mut self.conns, Conns::none());
        let this = &*self;
        thread::scope(|scope| {
            for (state, conn) in this.subscribers.iter().zip(&mut conns.subscribers) {
                scope.spawn(move || {
                    let deadline = Instant::now() + SILENCE;
                    let held = conn.take();
                    *conn = subscriber::drive(state, held, address, |me, _| {
                        me.answered(round) || Instant::now() > deadline
                    });
                });
            }
        });
        self.conns = conns;
        for state in &self.subscribers {
            state.lock().unwrap().judge_extras(round);
        }
    }

    /// Waits for what comes late, and gives what was counted.
    pub(crate) fn end(mut self, address: SocketAddr) -> Tally {
        self.wills.settle(address, true);
        self.count()
    }

    /// What was counted so far.
    pub(crate) fn count(mut self) -> Tally {
        let mut story = self.wills.story;
        self.tally.add(&self.wills.tally);
        for state in &self.publishers {
            self.tally.add(&state.lock().unwrap().tally);
        }
        for state in &self.subscribers {
            let mut state = state.lock().unwrap();
            self.tally.add(&state.tally);
            story.append(&mut state.story);
        }
        for line in story.iter().take(30) {
            println!("{line}");
        }
        if story.len() > 30 {
            println!("... {} lines more", story.len() - 30);
        }
        self.tally
    }
}

/// Somebody whose session does not matter.
fn guest(address: SocketAddr, name: &str) -> Conn {
    let (conn, _) = dial(address, &Connect::new(V5, name)).expect("the broker is there");
    conn
}

/// What is retained below `r/`, when everything that `complete` wants is there.
fn retained(
    address: SocketAddr,
    complete: impl Fn(&BTreeMap<String, Vec<u8>>) -> bool,
) -> BTreeMap<String, Vec<u8>> {
    let mut conn = guest(address, "retained");
    // What was cleared must not come, so somebody has to say when everything is there: another
    // retained message, asked for later.
    conn.publish(&Publish::new("fence", "fence").qos1(1).retained());
    conn.send(&subscribe(V5, 1, &[("r/#", 0)]));
    let deadline = Instant::now() + SILENCE;
    let mut found = BTreeMap::new();
    let mut fenced = false;
    loop {
        if !fenced && complete(&found) {
            fenced = true;
            conn.send(&subscribe(V5, 2, &[("fence", 0)]));
        }
        match conn.read_by(deadline) {
            Outcome::Packet(packet) => match packet.publish {
                Some(got) if got.topic == "fence" => return found,
                Some(got) => drop(found.insert(got.topic, got.payload)),
                None => assert_eq!(packet.kind, Kind::SubAck),
            },
            _ => return found,
        }
    }
}

/// Receives until everything is there that is owed, or nothing comes any more.
fn catch_up(
    state: &Mutex<Subscriber>,
    conn: Option<Conn>,
    address: SocketAddr,
    owed: &OnceLock<Owed>,
) -> Option<Conn> {
    let mut last = (Instant::now(), 0);
    subscriber::drive(state, conn, address, |me, _| {
        if me.tally.delivered != last.1 || owed.get().is_none() {
            last = (Instant::now(), me.tally.delivered);
        }
        owed.get()
            .is_some_and(|owed| me.has_all(owed) || last.0.elapsed() > SILENCE)
    })
}
