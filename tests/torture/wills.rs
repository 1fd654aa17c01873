//! Connections with wills, and somebody who waits for them. A will whose connection the broker
//! took with it is published after the restart, unless its client is back within the delay.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::dial::{PATIENCE, dial};
use crate::tally::Tally;
use crate::wire::{
    Conn, Connect, Kind, Outcome, V5, V311, Version, Will, ack, disconnect, prop, subscribe,
};

/// How a client with a will is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// No delay, a session that stays.
    Stays(Version),
    /// No delay, and the session ends with the connection.
    Ends(Version),
    /// A second of delay, and nobody comes back.
    Late,
    /// Half a minute of delay, and the client is back at once.
    Returns,
}

const WAYS: [Way; 6] = [
    Way::Stays(V311),
    Way::Stays(V5),
    Way::Ends(V311),
    Way::Ends(V5),
    Way::Late,
    Way::Returns,
];

/// Of `Way::Late`.
const DELAY: Duration = Duration::from_secs(1);

impl Way {
    fn version(self) -> Version {
        match self {
            Self::Stays(version) | Self::Ends(version) => version,
            Self::Late | Self::Returns => V5,
        }
    }

    fn hello(self, round: u64) -> Connect {
        let mut will = Will::new("w", &name(self, round)).qos(1);
        let delay = match self {
            Self::Late => DELAY.as_secs() as u32,
            Self::Returns => 30,
            Self::Stays(_) | Self::Ends(_) => 0,
        };
        if delay > 0 {
            will = will.prop(prop::four(prop::WILL_DELAY, delay));
        }
        let connect = Connect::new(self.version(), &name(self, round)).will(will);
        match self {
            Self::Ends(_) => connect,
            _ => connect.persistent(600),
        }
    }
}

fn name(way: Way, round: u64) -> String {
    format!("will {way:?} {round}").replace(['(', ')'], " ")
}

/// The wills of all rounds.
#[derive(Clone, Default, Debug)]
pub(crate) struct Wills {
    round: u64,
    /// Wills that will be published, and when at the latest the broker has to know that.
    due: BTreeMap<String, Instant>,
    /// What came, how often.
    came: BTreeMap<String, u32>,
    known: bool,
    pub(crate) tally: Tally,
    pub(crate) story: Vec<String>,
}

/// The connections behind the wills of this round.
pub(crate) struct Mortals(Vec<(Way, Conn)>);

impl Wills {
    /// Somebody who waits for all wills; a session that stays.
    fn watcher(&mut self, address: SocketAddr) -> Option<Conn> {
        let connect = Connect::new(V5, "watcher").persistent(3600);
        let (mut conn, connack) = dial(address, &connect)?;
        if self.known && !connack.session_present {
            self.tally.sessions_lost += 1;
            self.known = false;
        }
        if !self.known {
            conn.send(&subscribe(V5, 1, &[("w", 1)]));
            conn.read_kind(Kind::SubAck);
            self.known = true;
        }
        Some(conn)
    }

    /// Connects this round's clients; their wills are due if the broker dies now.
    pub(crate) fn arrive(&mut self, address: SocketAddr) -> Option<Mortals> {
        self.watcher(address)?;
        self.round += 1;
        let mut conns = Vec::new();
        for way in WAYS {
            conns.push((way, dial(address, &way.hello(self.round))?.0));
            if way != Way::Returns {
                self.due.insert(name(way, self.round), Instant::now());
            }
        }
        Some(Mortals(conns))
    }

    /// After the restart: those who return do, within their delay, and take their leave.
    pub(crate) fn restarted(&mut self, address: SocketAddr) {
        let way = Way::Returns;
        if let Some((mut conn, _)) = dial(address, &way.hello(self.round)) {
            conn.send(&disconnect(way.version(), 0, &[]));
            conn.cut();
        }
        let now = Instant::now();
        for (name, at) in &mut self.due {
            let late = name.contains("Late");
            *at = now + if late { DELAY } else { Duration::ZERO };
        }
    }

    /// Waits for the wills that are due by now; with `all` also for those that have a delay.
    pub(crate) fn settle(&mut self, address: SocketAddr, all: bool) {
        let Some(mut conn) = self.watcher(address) else {
            return;
        };
        let begun = Instant::now();
        let waits = |due: &BTreeMap<String, Instant>| due.values().any(|at| all || *at <= begun);
        let deadline = begun + PATIENCE;
        while waits(&self.due) {
            let Outcome::Packet(packet) = conn.read_by(deadline) else {
                break;
            };
            let Some(will) = packet.publish else { continue };
            conn.send(&ack(0x40, will.id));
            let name = will.text().to_owned();
            let times = self.came.entry(name.clone()).or_default();
            *times += 1;
            if self.due.remove(&name).is_some() {
                self.tally.wills += 1;
            } else if name.contains("Returns") {
                self.tally.wills_unwanted += 1;
                self.story.push(format!("{name} was published"));
            } else if !will.dup {
                self.tally.repeated += 1;
            }
        }
        let lost: Vec<String> = self
            .due
            .iter()
            .filter(|(_, at)| all || **at <= begun)
            .map(|(name, _)| name.clone())
            .collect();
        for name in lost {
            self.due.remove(&name);
            self.tally.wills_lost += 1;
            self.story.push(format!("{name} was not published"));
        }
    }
}

impl Mortals {
    /// The client's end of a connection goes before the broker does.
    pub(crate) fn cut(&mut self, at: usize) {
        if at < self.0.len() {
            self.0.remove(at).1.cut_unread();
        }
    }
}
