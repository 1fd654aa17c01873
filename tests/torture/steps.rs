//! The eight steps of QoS 2: for each one, in both versions, a pair of clients that is exactly
//! there when everything ends. Afterwards all resume by the book, and each message has come once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::dial::dial;
use crate::dice::Dice;
use crate::kill::Death;
use crate::tally::Tally;
use crate::wire::{BOTH, Broker, Conn, Connect, Kind, Outcome, Publish, Version, ack};

/// How long a message may take that is owed.
const PATIENCE: Duration = Duration::from_secs(3);

/// The only packet id that a speaker uses: the second message swallows the first's traces.
const ID: u16 = 1;

/// The last packet of the exchange that was said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Step {
    Publish,
    PubRec,
    PubRel,
    PubComp,
}

const STEPS: [Step; 4] = [Step::Publish, Step::PubRec, Step::PubRel, Step::PubComp];

/// Whose exchange is interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Broken {
    /// The broker receives.
    Inward,
    /// The broker sends.
    Outward,
}

/// Two clients and a third one that is away, with a topic of their own.
struct Pair {
    broken: Broken,
    step: Step,
    version: Version,
    name: String,
    speaker: Conn,
    listener: Conn,
    /// What is said at the last moment, without waiting for what it leads to.
    last_word: Vec<u8>,
    heard: Heard,
    heard_away: Heard,
}

/// What a receiver by the book has received.
#[derive(Default)]
struct Heard {
    open: BTreeSet<u16>,
    texts: Vec<String>,
}

/// Brings a crowd of pairs to their steps and ends everything, once for each round.
pub(crate) fn run(death: Death, seed: u64, rounds: u64, settings: &[&str]) -> Tally {
    let mut dice = Dice::new(seed);
    let mut broker = Broker::with(settings);
    let mut tally = Tally::default();
    for round in 0..rounds {
        let mut pairs = Vec::new();
        for broken in [Broken::Inward, Broken::Outward] {
            for step in STEPS {
                for version in BOTH {
                    let name = format!("{round}/{broken:?}/{step:?}/{version:?}");
                    pairs.push(Pair::new(broker.tcp, broken, step, version, name));
                }
            }
        }
        for at in (1..pairs.len()).rev() {
            pairs.swap(at, dice.of(0..at as u64 + 1) as usize);
        }
        for pair in &mut pairs {
            pair.say_last();
            if dice.one_in(4) {
                thread::sleep(dice.millis(0..2));
            }
        }
        match death {
            Death::Connections => {}
            Death::Broker => broker.kill_and_restart(),
        }
        for pair in pairs {
            pair.resume(broker.tcp, &mut tally);
        }
        tally.rounds += 1;
    }
    tally
}

impl Pair {
    fn new(
        address: SocketAddr,
        broken: Broken,
        step: Step,
        version: Version,
        name: String,
    ) -> Self {
        let connect = |who: &str| {
            let hello = Connect::new(version, &format!("{who} {name}")).persistent(3600);
            dial(address, &hello).expect("the broker is there").0
        };
        let mut away = connect("away");
        away.subscribe(&name, 2);
        away.cut_unread();
        let mut listener = connect("listener");
        listener.subscribe(&name, 2);
        let mut pair = Self {
            broken,
            step,
            version,
            speaker: connect("speaker"),
            listener,
            name,
            last_word: Vec::new(),
            heard: Heard::default(),
            heard_away: Heard::default(),
        };
        match broken {
            Broken::Inward => pair.go_inward(),
            Broken::Outward => pair.go_outward(),
        }
        pair
    }

    fn publish(&self, text: &str) -> Publish {
        Publish::new(&self.name, text).qos2(ID)
    }

    fn go_inward(&mut self) {
        let publish = self.publish("first").bytes(self.version);
        if self.step == Step::Publish {
            self.last_word = publish;
            return;
        }
        self.speaker.send(&publish);
        self.speaker.read_kind(Kind::PubRec);
        match self.step {
            Step::PubRel => self.last_word = ack(0x62, ID),
            Step::PubComp => {
                self.speaker.send(&ack(0x62, ID));
                self.speaker.read_kind(Kind::PubComp);
            }
            Step::Publish | Step::PubRec => {}
        }
    }

    fn go_outward(&mut self) {
        let first = self.publish("first");
        self.speaker.publish(&first);
        let got = self.listener.read_publish();
        self.heard.texts.push(got.text().to_owned());
        self.heard.open.insert(got.id);
        match self.step {
            Step::Publish => return,
            Step::PubRec => {
                self.last_word = ack(0x50, got.id);
                return;
            }
            Step::PubRel | Step::PubComp => {}
        }
        self.listener.send(&ack(0x50, got.id));
        self.listener.read_kind(Kind::PubRel);
        self.heard.open.remove(&got.id);
        if self.step == Step::PubComp {
            self.last_word = ack(0x70, got.id);
        }
    }

    fn say_last(&mut self) {
        match self.broken {
            Broken::Inward => self.speaker.send(&self.last_word),
            Broken::Outward => self.listener.send(&self.last_word),
        }
    }

    /// Everybody returns; the exchange ends, a second message follows with the same packet id.
    fn resume(mut self, address: SocketAddr, tally: &mut Tally) {
        let second = self.publish("second");
        let first = self.publish("first").dup();
        let back = |who: &str| {
            let hello = Connect::new(self.version, &format!("{who} {}", self.name));
            dial(address, &hello.persistent(3600)).expect("the broker is there")
        };
        let (mut speaker, connack) = back("speaker");
        let known = self.broken == Broken::Outward || self.step > Step::Publish;
        tally.sessions_lost += u64::from(known && !connack.session_present);
        if self.broken == Broken::Inward {
            match self.step {
                Step::Publish => assert_eq!(speaker.publish(&first), 0),
                Step::PubRec | Step::PubRel => {
                    speaker.send(&ack(0x62, ID));
                    speaker.read_kind(Kind::PubComp);
                }
                Step::PubComp => {}
            }
        }
        assert!(speaker.publish(&second) < 0x80);
        tally.acknowledged += 2;
        for (who, heard) in [
            ("listener", &mut self.heard),
            ("away", &mut self.heard_away),
        ] {
            let (conn, connack) = back(who);
            if connack.session_present {
                heard.listen(conn);
            } else {
                tally.sessions_lost += 1;
            }
            heard.judge(&self.name, tally);
        }
    }
}

impl Heard {
    /// Receives until the second message is there and no exchange is open.
    fn listen(&mut self, mut conn: Conn) {
        let deadline = Instant::now() + PATIENCE;
        while self.texts.last().is_none_or(|t| t != "second") || !self.open.is_empty() {
            let Outcome::Packet(packet) = conn.read_by(deadline) else {
                return;
            };
            match packet.kind {
                Kind::Publish => {
                    let got = packet.publish.expect("a PUBLISH has it");
                    if self.open.insert(got.id) {
                        self.texts.push(got.text().to_owned());
                    }
                    conn.send(&ack(0x50, got.id));
                }
                Kind::PubRel => {
                    self.open.remove(&packet.id);
                    conn.send(&ack(0x70, packet.id));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn judge(&self, name: &str, tally: &mut Tally) {
        if self.texts != ["first", "second"] {
            println!("{name}: {:?}", self.texts);
        }
        for text in ["first", "second"] {
            match self.texts.iter().filter(|t| *t == text).count() {
                0 => tally.lost += 1,
                n => {
                    tally.delivered += 1;
                    tally.doubled += n as u64 - 1;
                }
            }
        }
        if self.texts.first().is_some_and(|t| t != "first") {
            tally.out_of_order += 1;
        }
    }
}
