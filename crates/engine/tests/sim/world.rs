//! Several shards, the log, the wires and the clients in one thread, under one clock and one seed.
//!
//! A shard's pass does what the broker's event loop does, in the same order.

use std::{collections::VecDeque, sync::Arc};

use engine::{
    Cause, ConnId, Counter, Drop, Ending, Metrics, Opened, Received, SessionId, Settings, Shard,
    Time,
};
use protocol::Reason;

use crate::{
    client::Client,
    faults::{Counts, Kind},
    ledger::{Announced, Debts, Ledger, WillState},
    log::Log,
    net::{Conn, Conns, Line, Parcel, Stamped, Wire, orderly},
    plan::Plan,
    rng::Rng,
    tap::{self, Side},
    trace::Trace,
};

/// A shard with what the broker keeps around it.
pub(crate) struct Place {
    pub(crate) shard: Shard,
    pub(crate) conns: Conns,
    /// Mail to this shard, by sender: each pair keeps its order.
    pub(crate) mail: Vec<VecDeque<Stamped>>,
    /// The clock that keep-alive runs on, in milliseconds.
    pub(crate) reading: u64,
    pub(crate) ticked: u64,
    floor: u64,
    /// The event since which it has handed nothing over.
    pub(crate) began: u64,
    pub(crate) stopped_until: u64,
}

/// As many new shards, and what the broker keeps around them.
pub(crate) fn places(count: usize, settings: &Arc<Settings>, seed: u64) -> Vec<Place> {
    let number = |n: usize| u16::try_from(n).expect("few shards");
    let place = |id: usize| Place {
        shard: Shard::new(number(id), number(count), settings.clone(), seed),
        conns: Conns::default(),
        mail: (0..count).map(|_| VecDeque::new()).collect(),
        reading: 0,
        ticked: 0,
        floor: 0,
        began: 0,
        stopped_until: 0,
    };
    (0..count).map(place).collect()
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) settings: Arc<Settings>,
    /// Figures of shards in earlier lives of the broker.
    pub(crate) past: Vec<Metrics>,
    /// No connection is taken any more.
    pub(crate) closing: bool,
    pub(crate) rng: Rng,
    pub(crate) places: Vec<Place>,
    pub(crate) log: Log,
    pub(crate) wires: Vec<Wire>,
    pub(crate) lines: Vec<LineInfo>,
    pub(crate) clients: Vec<Client>,
    /// Where each client's session lives.
    pub(crate) homes: Vec<usize>,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Counts,
    pub(crate) trace: Trace,
    /// Bytes or letters that moved since the last look.
    pub(crate) activity: u64,
}

/// What the tap knows of one connection.
pub(crate) struct LineInfo {
    pub(crate) client: usize,
    pub(crate) announced: Announced,
    pub(crate) debts: Debts,
    /// The broker's session hangs on it.
    pub(crate) attached: bool,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan, settings: Settings) -> Self {
        let count = plan.shards;
        let settings = Arc::new(settings);
        let mut ledger = Ledger::default();
        ledger
            .sessions
            .resize_with(plan.clients + 1, Default::default);
        ledger
            .former
            .resize_with(plan.clients + 1, Default::default);
        Self {
            rng: Rng::new(seed),
            places: places(count, &settings, seed),
            settings,
            past: Vec::new(),
            closing: false,
            log: Log::new(count),
            wires: Vec::new(),
            lines: Vec::new(),
            clients: Vec::new(),
            homes: Vec::new(),
            ledger,
            faults: Counts::default(),
            trace: Trace::default(),
            activity: 0,
            plan,
        }
    }

    pub(crate) fn add(&mut self, client: Client) {
        let home = self.places[0].shard.home(&client.name);
        self.homes.push(usize::from(home));
        self.clients.push(client);
    }

    pub(crate) fn now(&self) -> Time {
        Time(self.ledger.now)
    }

    /// A new connection arrives at some shard.
    pub(crate) fn accept(&mut self, client: usize, announced: Announced, shard: usize) -> Line {
        let line = self.lines.len();
        self.wires.push(Wire::default());
        self.lines.push(LineInfo {
            client,
            announced,
            debts: Debts::default(),
            attached: false,
        });
        self.places[shard].conns.insert(Conn {
            line,
            version: self.clients[client].version,
            session: None,
            input: Vec::new(),
            out: Vec::new(),
            tapped: 0,
            closed: None,
            held: None,
            clogged: false,
            withheld: false,
            seen: 0,
        });
        line
    }

    /// One turn of a shard's event loop.
    pub(crate) fn pass(&mut self, shard: usize) {
        self.ledger.miss_members();
        self.read_sockets(shard);
        self.take_letters(shard);
        self.release_held(shard);
        self.tick(shard);
        self.exchange(shard);
        self.flush(shard);
        self.finish_closed(shard);
        if self.rng.percent(20) {
            self.places[shard].floor = self.places[shard].shard.floor();
            let floor = self.places.iter().map(|p| p.floor).min().unwrap_or(0);
            if self.log.trim(floor + 1) {
                self.faults.fired(Kind::LogTrimmed);
            }
        }
    }

    fn read_sockets(&mut self, shard: usize) {
        for slot in self.places[shard].conns.slots() {
            let Some(conn) = self.places[shard].conns.get(slot) else {
                continue;
            };
            let line = conn.line;
            if conn.closed.is_some() {
                self.wires[line].to_broker.clear();
                continue;
            }
            if conn.held.is_some() {
                continue;
            }
            let there = self.wires[line].to_broker.len();
            if there > 0 {
                let mut n = there;
                if self.rng.percent(self.plan.cut_bytes) {
                    n = self.rng.range(1, there);
                    if n < there {
                        self.faults.fired(Kind::PacketCut);
                    }
                }
                let bytes: Vec<u8> = self.wires[line].to_broker.drain(..n).collect();
                self.activity += 1;
                let conn = self.places[shard].conns.get_mut(slot).expect("checked");
                conn.input.extend_from_slice(&bytes);
                self.take_bytes(shard, slot);
            } else if self.wires[line].client_gone {
                self.lost(shard, slot);
            }
        }
    }

    /// Hands what was read to the engine.
    fn take_bytes(&mut self, shard: usize, slot: u32) {
        let now = self.now();
        let Some(conn) = self.places[shard].conns.get_mut(slot) else {
            return;
        };
        if conn.closed.is_some() {
            return;
        }
        let bytes = std::mem::take(&mut conn.input);
        let line = conn.line;
        if let Some(session) = conn.session {
            let used = self.feed(shard, slot, session, &bytes);
            self.keep_rest(shard, slot, &bytes, used);
            return;
        }
        self.ledger.event += 1;
        let place = &mut self.places[shard];
        let opened = place
            .shard
            .open(now, ConnId(slot), &bytes, &mut place.conns);
        match opened {
            Opened::NeedMore => self.keep_rest(shard, slot, &bytes, Some(0)),
            Opened::Elsewhere(home) => {
                let mut conn = self.places[shard].conns.remove(slot).expect("was there");
                conn.input = bytes;
                let event = self.ledger.event;
                let parcel = Parcel::Socket(Box::new(conn));
                self.places[usize::from(home)].mail[shard].push_back(Stamped { event, parcel });
            }
            Opened::Session(session, used) => {
                let place = &mut self.places[shard];
                if let Some(conn) = place.conns.get_mut(slot) {
                    conn.session = Some(session);
                    conn.seen = place.reading;
                }
                // A taken-over connection is closed by the same call: first the old one ends.
                self.tap_closed(shard);
                let info = &mut self.lines[line];
                info.attached = true;
                self.ledger.fire_wills(1, |client| client == info.client);
                if info.announced.clean && self.ledger.sessions[info.client].alive {
                    self.ledger.end(info.client);
                }
                self.tap(shard);
                let more = self.feed(shard, slot, session, &bytes[used..]);
                self.keep_rest(shard, slot, &bytes, more.map(|n| used + n));
            }
            Opened::Refused => self.tap(shard),
            Opened::Waits | Opened::Challenged => unreachable!("the sink knows everybody"),
        }
    }

    fn keep_rest(&mut self, shard: usize, slot: u32, bytes: &[u8], used: Option<usize>) {
        if let (Some(conn), Some(used)) = (self.places[shard].conns.get_mut(slot), used) {
            conn.input = bytes[used..].to_vec();
        }
    }

    fn feed(&mut self, shard: usize, slot: u32, session: SessionId, bytes: &[u8]) -> Option<usize> {
        if bytes.is_empty() {
            return Some(0);
        }
        let now = self.now();
        self.ledger.event += 1;
        let horizon = self.horizon(shard);
        let place = &mut self.places[shard];
        let conn = place.conns.get_mut(slot)?;
        conn.seen = place.reading;
        let (line, version) = (conn.line, conn.version);
        let received = place.shard.receive(now, session, bytes, &mut place.conns);
        let (used, result) = match received {
            Received::Consumed(n) => (n, Some(n)),
            Received::Hold(n, until) => {
                if until > now {
                    self.faults.fired(Kind::Held);
                }
                if let Some(conn) = place.conns.get_mut(slot) {
                    conn.held = Some(until);
                }
                (n, Some(n))
            }
            Received::Closed(n) => (n, None),
        };
        let info = &mut self.lines[line];
        let mut side = Side {
            client: info.client,
            version,
            debts: &mut info.debts,
            announced: &info.announced,
            horizon,
        };
        tap::taken(&mut self.ledger, &mut side, &bytes[..used]);
        self.note_requests(shard);
        self.tap(shard);
        result
    }

    /// Everything accepted before this event has reached the shard.
    fn horizon(&self, shard: usize) -> u64 {
        let mail = self.places[shard].mail.iter().flatten();
        let mail = mail.map(|letter| letter.event).min().unwrap_or(u64::MAX);
        // What a shard has not yet handed over is under way, too.
        let began = self.places.iter().map(|place| place.began).min();
        mail.min(self.log.horizon(shard))
            .min(began.unwrap_or(u64::MAX))
    }

    /// Appends that the last call asked for, by message.
    pub(crate) fn note_requests(&mut self, shard: usize) {
        for request in self.places[shard].shard.requests().iter() {
            if let engine::Request::Append { token, message, .. } = request
                && self.log.note(shard, *token, message)
                && let Some(msg) = crate::client::number(message.payload())
            {
                self.ledger.msgs[msg].appends_open += 1;
                self.ledger.msgs[msg].append_at = self.ledger.event;
            }
        }
    }

    fn take_letters(&mut self, shard: usize) {
        let now = self.now();
        let count = self.places.len();
        let mut open: Vec<usize> = (0..count + 3).collect();
        let mut last = None;
        let mut delayed = Vec::new();
        while !open.is_empty() {
            let at = self.rng.below(open.len());
            let from = open[at];
            let there = match from.checked_sub(count) {
                None => !self.places[shard].mail[from].is_empty(),
                Some(0) => !self.log.tails[shard].is_empty(),
                Some(1) => !self.log.done[shard].is_empty(),
                _ => !self.log.answers[shard].is_empty(),
            };
            if !there {
                open.swap_remove(at);
                continue;
            }
            if self.rng.percent(self.plan.late_mail) {
                delayed.push(from);
                open.swap_remove(at);
                continue;
            }
            if last.is_some_and(|last| last != from) && from < count {
                self.faults.fired(Kind::MailInterleaved);
            }
            last = Some(from);
            self.activity += 1;
            self.ledger.event += 1;
            self.trace.line(|| {
                let what = self.places[shard].mail.get(from).and_then(|m| m.front());
                let (event, what) = (self.ledger.event, what.map(|w| &w.parcel));
                let mut text = format!("{event:>6} shard {shard} from {from}: {what:?}");
                text.truncate(300);
                text
            });
            let place = &mut self.places[shard];
            match from.checked_sub(count) {
                None => self.open_parcel(shard, from),
                Some(0) => {
                    let (_, entries) = self.log.tails[shard].pop_front().expect("checked");
                    place.shard.tail(now, &entries, &mut place.conns);
                }
                Some(1) => {
                    let (token, kept, append) = self.log.done[shard].pop_front().expect("checked");
                    if append && let Some(msg) = self.log.answered(shard, token) {
                        let m = &mut self.ledger.msgs[msg];
                        m.appends_open -= 1;
                        m.appends_kept += u32::from(kept);
                        m.appends_failed += u32::from(!kept);
                        if !kept && m.v5 {
                            // What is retained waits for a second answer before it is told.
                            m.shaky |= m.retain;
                            self.ledger.forget(msg);
                        } else if !kept {
                            // It is not told; the message stays known and is tried again.
                            let by = m.publisher;
                            self.ledger.shake(by);
                        }
                    }
                    place.shard.stored(now, token, kept, &mut place.conns);
                }
                _ => {
                    let a = self.log.answers[shard].pop_front().expect("checked");
                    place.shard.found_in_log(now, &a, &mut place.conns);
                }
            }
            self.note_requests(shard);
            self.tap(shard);
        }
        for from in delayed {
            let kind = match from.checked_sub(count) {
                None => Kind::MailDelayed,
                Some(0) => Kind::TailDelayed,
                Some(1) => Kind::AppendDelayed,
                _ => Kind::ReadDelayed,
            };
            self.faults.fired(kind);
        }
    }

    fn open_parcel(&mut self, shard: usize, from: usize) {
        let now = self.now();
        let place = &mut self.places[shard];
        let Some(stamped) = place.mail[from].pop_front() else {
            return;
        };
        match stamped.parcel {
            Parcel::Mail(letters) => {
                let from = u16::try_from(from).expect("few shards");
                place.shard.inbox(now, from, letters, &mut place.conns);
            }
            Parcel::Socket(conn) if self.closing => self.wires[conn.line].broker_gone = true,
            Parcel::Socket(conn) => {
                let slot = place.conns.insert(*conn);
                self.take_bytes(shard, slot);
            }
        }
    }

    fn release_held(&mut self, shard: usize) {
        let now = self.now();
        for slot in self.places[shard].conns.slots() {
            if let Some(conn) = self.places[shard].conns.get_mut(slot)
                && conn.held.is_some_and(|until| until <= now)
            {
                conn.held = None;
                if !conn.input.is_empty() {
                    self.take_bytes(shard, slot);
                }
            }
        }
    }

    fn tick(&mut self, shard: usize) {
        let now = self.now();
        self.ledger.event += 1;
        let homes = &self.homes;
        let place = &mut self.places[shard];
        place.reading += now.0.saturating_sub(place.ticked).min(1000);
        place.ticked = now.0;
        place.shard.tick(now, &mut place.conns);
        self.ledger.fire_wills(100, |client| homes[client] == shard);
        self.note_requests(shard);
        self.tap(shard);
        self.check_keep_alive(shard);
    }

    /// A silent client is gone after one and a half times its Keep Alive, and not before.
    fn check_keep_alive(&mut self, shard: usize) {
        let place = &self.places[shard];
        let mut late = Vec::new();
        for slot in place.conns.slots() {
            let Some(conn) = place.conns.get(slot) else {
                continue;
            };
            let info = &self.lines[conn.line];
            let limit = u64::from(info.announced.keep_alive_secs) * 1500;
            let silent = place.reading.saturating_sub(conn.seen);
            if conn.session.is_some() && limit > 0 && silent > limit + 1500 {
                late.push(format!(
                    "client {} was silent for {silent} ms, its limit is {limit}",
                    info.client
                ));
            }
        }
        for text in late {
            self.ledger.fault(text);
        }
    }

    /// Looks at all that the last call wrote and closed.
    fn tap(&mut self, shard: usize) {
        self.tap_closed(shard);
        for slot in std::mem::take(&mut self.places[shard].conns.dirty) {
            self.tap_one(shard, slot);
        }
    }

    /// Connections that the call closed: what they were told, then their end.
    fn tap_closed(&mut self, shard: usize) {
        for (slot, why) in std::mem::take(&mut self.places[shard].conns.closing) {
            self.tap_one(shard, slot);
            let place = &self.places[shard];
            let Some(conn) = place.conns.get(slot) else {
                continue;
            };
            let line = conn.line;
            let silent = place.reading.saturating_sub(conn.seen);
            let info = &mut self.lines[line];
            let client = info.client;
            self.trace.line(|| {
                format!(
                    "{:>6}   c{client} line {line} closed: {why:?}",
                    self.ledger.event
                )
            });
            let reason = match why {
                Ending::Expelled(close) => Some(close.reason),
                Ending::Left(_) | Ending::Lost => None,
            };
            if reason == Some(Reason::KEEP_ALIVE_TIMEOUT) {
                self.faults.fired(Kind::Silence);
                let limit = u64::from(info.announced.keep_alive_secs) * 1500;
                if silent + 200 < limit {
                    self.ledger
                        .fault(format!("client {client} was given up after {silent} ms"));
                }
            }
            if matches!(
                reason,
                Some(Reason::PROTOCOL_ERROR | Reason::MALFORMED_PACKET)
            ) {
                self.ledger
                    .fault(format!("client {client} was refused: {why:?}"));
            }
            if std::mem::take(&mut info.attached) {
                self.ledger.part(client, orderly(&why));
            }
        }
    }

    fn tap_one(&mut self, shard: usize, slot: u32) {
        let Some(conn) = self.places[shard].conns.get_mut(slot) else {
            return;
        };
        let line = conn.line;
        let bytes = conn.out[conn.tapped..].to_vec();
        conn.tapped = conn.out.len();
        let after = conn.closed.is_some_and(|(len, _)| conn.out.len() > len);
        let (version, withheld) = (conn.version, conn.withheld);
        let info = &mut self.lines[line];
        let client = info.client;
        let mut side = Side {
            client,
            version,
            debts: &mut info.debts,
            announced: &info.announced,
            horizon: 0,
        };
        if after && !bytes.is_empty() {
            self.ledger
                .fault(format!("client {}: bytes after the close", side.client));
        }
        tap::given(
            &mut self.ledger,
            &mut side,
            &bytes,
            &mut self.faults,
            &mut self.trace,
        );
        let info = &self.lines[line];
        if info.attached && info.debts.connack && !withheld {
            let s = &mut self.ledger.sessions[client];
            s.greeted = true;
            if let Some(will) = s.will {
                self.ledger.msgs[will.msg].promised = true;
            }
        }
    }

    fn exchange(&mut self, shard: usize) {
        let began = self.places[shard].began;
        self.places[shard].began = self.ledger.event;
        for to in 0..self.places.len() {
            let letters = std::mem::take(&mut self.places[shard].shard.outbox()[to]);
            if !letters.is_empty() {
                self.activity += 1;
                let parcel = Parcel::Mail(letters);
                let event = began;
                self.places[to].mail[shard].push_back(Stamped { event, parcel });
            }
        }
        let requests = self.places[shard].shard.requests();
        if !requests.is_empty() {
            self.activity += 1;
            self.log.take(shard, began, requests);
        }
    }

    fn flush(&mut self, shard: usize) {
        for slot in self.places[shard].conns.slots() {
            let Some(conn) = self.places[shard].conns.get_mut(slot) else {
                continue;
            };
            if conn.closed.is_some() {
                continue;
            }
            let (line, session) = (conn.line, conn.session);
            if conn.out.is_empty() || conn.withheld {
                continue;
            }
            let wire = &mut self.wires[line];
            let room = self.plan.socket_bytes.saturating_sub(wire.to_client.len());
            let n = room.min(conn.out.len());
            wire.to_client.extend(conn.out.drain(..n));
            conn.tapped -= n;
            self.activity += u64::from(n > 0);
            if !conn.out.is_empty() {
                self.faults.fired(Kind::PartialWrite);
                conn.clogged = true;
                continue;
            }
            conn.clogged = false;
            let now = self.now();
            let place = &mut self.places[shard];
            if let Some(session) = session
                && place.shard.is_blocked(session)
            {
                self.ledger.event += 1;
                place.shard.drained(now, session, &mut place.conns);
                self.note_requests(shard);
                self.tap(shard);
            }
        }
    }

    /// The last bytes go out as far as the socket takes them; then our side is shut.
    fn finish_closed(&mut self, shard: usize) {
        for slot in self.places[shard].conns.slots() {
            let conns = &mut self.places[shard].conns;
            if conns.get(slot).is_some_and(|conn| conn.closed.is_some()) {
                let mut conn = conns.remove(slot).expect("just seen");
                if conn.withheld {
                    conn.out.clear();
                }
                let wire = &mut self.wires[conn.line];
                let room = self.plan.socket_bytes.saturating_sub(wire.to_client.len());
                let n = room.min(conn.out.len());
                wire.to_client.extend(&conn.out[..n]);
                wire.broker_gone = true;
                self.activity += 1;
            }
        }
    }

    /// The client's side of a connection is gone.
    fn lost(&mut self, shard: usize, slot: u32) {
        let now = self.now();
        self.ledger.event += 1;
        let place = &mut self.places[shard];
        let Some(session) = place.conns.get_mut(slot).map(|conn| conn.session.take()) else {
            return;
        };
        let line = place.conns.get(slot).map_or(0, |conn| conn.line);
        if let Some(session) = session {
            place
                .shard
                .gone(now, session, ConnId(slot), &mut place.conns);
        }
        let info = &mut self.lines[line];
        let client = info.client;
        self.trace
            .line(|| format!("{:>6}   c{client} line {line} lost", self.ledger.event));
        if std::mem::take(&mut info.attached) {
            self.ledger.part(client, false);
        }
        self.places[shard].conns.remove(slot);
        self.wires[line].broker_gone = true;
        self.activity += 1;
        self.note_requests(shard);
        self.tap(shard);
    }

    /// An operator ends a connection.
    pub(crate) fn kick(&mut self, shard: usize) {
        let now = self.now();
        let place = &mut self.places[shard];
        let slots = place.conns.slots();
        let online: Vec<SessionId> = slots
            .iter()
            .filter_map(|slot| place.conns.get(*slot)?.session)
            .collect();
        if online.is_empty() {
            return;
        }
        let session = *self.rng.pick(&online);
        self.faults.fired(Kind::Kicked);
        self.ledger.event += 1;
        let close = Cause::Kicked.close();
        place.shard.kick(now, session, close, &mut place.conns);
        self.note_requests(shard);
        self.tap(shard);
    }

    /// A shard ends all its connections, as at shutdown.
    pub(crate) fn shut_down(&mut self, shard: usize) {
        let now = self.now();
        let place = &mut self.places[shard];
        self.faults.fired(Kind::ShutDown);
        self.ledger.event += 1;
        place.shard.shut_down(now, &mut place.conns);
        self.note_requests(shard);
        self.tap(shard);
    }

    pub(crate) fn dropped(&mut self, why: Drop) -> u64 {
        let drops = |p: &mut Place| p.shard.metrics().dropped(why);
        let past: u64 = self.past.iter().map(|m| m.dropped(why)).sum();
        past + self.places.iter_mut().map(drops).sum::<u64>()
    }

    pub(crate) fn counted(&mut self, what: Counter) -> u64 {
        let counts = |p: &mut Place| p.shard.metrics().get(what);
        let past: u64 = self.past.iter().map(|m| m.get(what)).sum();
        past + self.places.iter_mut().map(counts).sum::<u64>()
    }

    /// One step of the store.
    pub(crate) fn step_store(&mut self) {
        let manners = self.plan.log;
        self.log.step(manners, &mut self.rng, &mut self.faults);
        self.note_failures();
    }

    pub(crate) fn note_failures(&mut self) {
        for msg in std::mem::take(&mut self.log.keys.unretained) {
            // Its publisher is told, or sends it again.
            let m = &mut self.ledger.msgs[msg];
            m.appends_failed += 1;
            let by = m.publisher;
            if m.v5 {
                self.ledger.forget(msg);
            } else if m.qos > 0 && m.will == WillState::NotAWill {
                // What it sends behind that waits with it.
                self.ledger.shake(by);
            }
        }
    }

    /// Nothing is under way between shards and log.
    pub(crate) fn is_idle(&self) -> bool {
        self.places.iter().all(|p| !p.shard.waits())
            && self.log.is_idle()
            && self
                .places
                .iter()
                .all(|p| p.mail.iter().all(VecDeque::is_empty))
    }
}
