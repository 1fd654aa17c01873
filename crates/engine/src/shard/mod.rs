//! A shard as a value: sessions, router copy, inbox, outbox. It owns the sessions whose client ids hash
//! to it and everything that happens to them; other shards are reached by mail only.
//!
//! Bytes come in with [`Shard::open`] and [`Shard::receive`], bytes go out through the [`Sink`].

mod access;
mod ack;
mod administer;
mod batch;
mod connect;
mod delayed;
mod deliver;
mod follow;
mod gauge;
mod group;
mod inquire;
mod inspect;
mod leave;
mod log;
mod mail;
mod park;
mod policy;
mod prove;
mod publish;
mod restore;
mod retain;
mod revoked;
mod run;
mod samples;
mod scan;
mod seat;
mod store;
mod subscribe;
mod timer;
mod visible;
mod watch;
mod word;

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, hash::BuildHasher, num::NonZeroU32, sync::Arc};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use protocol::{
    DecodeError, Frame, QoS, Reason, Topic, Version, frame, kind, packet::connect::Connect,
};

pub use access::Deed;
pub use administer::{Answer, Imported, Publication, Published};
pub use batch::Batch;
pub use inquire::QuestionId;
pub use inspect::{Client, Place, Subscribed, Underway};
pub use log::{Entry, Found, Origin, Reader, Request};
pub use mail::{Join, Mail};
pub use revoked::Revoked;
pub use samples::{Behind, Loss, Samples};
pub use store::Stored;
pub(crate) use subscribe::Membership;
pub use watch::{Receiver, Receivers};

use crate::{
    Cause, Counter, Metrics, SessionRef, Settings, Time,
    acl::{Acl, Heard, Inquiry, Principal, Writers},
    delayed::Waiting,
    limits::{HOLD_MILLIS, UNDER_WAY_MAX},
    policy::Policy,
    retained::Retained,
    router::{Route, Router, Routes},
    session::{Bit, Session},
    shared::Groups,
    slab::Slab,
    timers::Timers,
    watch::Watch,
};
use word::WORD_MILLIS;

/// A connection as the caller numbers them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnId(pub u32);

impl ConnId {
    pub const NONE: Self = Self(u32::MAX);
}

/// A session of this shard. Not zero, so that perhaps none takes no more room in each connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionId(NonZeroU32);

impl SessionId {
    fn at(slot: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(slot))
    }

    #[inline]
    fn slot(self) -> u32 {
        self.0.get() - 1
    }
}

/// Why a connection ends, as we say it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Close {
    pub reason: Reason,
    pub cause: Cause,
}

/// How a connection ends, and by whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The client said DISCONNECT, with this reason.
    Left(Reason),
    /// The socket ended without a word.
    Lost,
    /// We end it.
    Expelled(Close),
}

/// A client came or went.
#[derive(Clone, Copy, Debug)]
pub enum Presence<'a> {
    Came {
        user_name: Option<&'a str>,
        version: Version,
        keep_alive_secs: u16,
        clean_start: bool,
        expiry_secs: u32,
    },
    Went {
        ending: Ending,
        version: Version,
        /// How many it had.
        subscriptions: usize,
    },
    /// It was not let in.
    Refused {
        /// As far as its CONNECT could be read.
        version: Option<Version>,
        user_name: Option<&'a str>,
        /// The user whose session it wanted, where that is why.
        owner: Option<&'a str>,
        close: Close,
        /// A CONNACK says so.
        told: bool,
    },
    /// It did what it may not; told now and then if it goes on.
    Denied {
        version: Version,
        user_name: Option<&'a str>,
        deed: Deed,
        topic: &'a str,
        /// The rule that decided, in words.
        rule: &'a str,
    },
}

/// Who asks to come in.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// Empty where one is to be assigned.
    pub client_id: &'a str,
    pub user_name: Option<&'a str>,
    pub password: Option<&'a [u8]>,
    pub version: Version,
    /// Where it proves itself in several steps.
    pub exchange: Option<Exchange<'a>>,
}

/// What a guest brings for a method of enhanced authentication (4.12).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exchange<'a> {
    pub method: &'a str,
    /// With what it begins.
    pub data: &'a [u8],
    /// What it says to a challenge; `None` while that has not come.
    pub answer: Option<&'a [u8]>,
}

/// What becomes of a guest that may come in, or may yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It comes in as nobody in particular.
    Anonymous,
    /// The same, from an address that is no private one.
    Afar,
    /// It comes in as this one.
    As(Arc<Principal>),
    /// The same by the method that its CONNECT names, with the last word of that.
    Proven(Arc<Principal>, Box<[u8]>),
    /// It has to answer this first.
    Challenge(Box<[u8]>),
    /// Its answer has not come yet.
    Unanswered,
    /// Nobody knows yet. Nothing is done for it and nothing kept of it; the caller has the bytes, and
    /// brings them to [`Shard::reopen`] once it knows.
    Waits,
}

/// Where bytes for connections go.
pub trait Sink {
    /// The bytes that wait to be written to a connection; whole packets are appended.
    fn out(&mut self, conn: ConnId) -> &mut Vec<u8>;
    /// Closes the connection once what waits has been written, as far as the socket takes it.
    fn close(&mut self, conn: ConnId, why: Ending);
    /// Nothing is written to the connection's socket before [`Sink::let_go`]; if it is closed before,
    /// nothing at all.
    fn withhold(&mut self, _conn: ConnId) {}
    /// What was withheld may be written.
    fn let_go(&mut self, _conn: ConnId) {}
    /// Where a connection comes from, if that is known.
    fn peer(&self, _conn: ConnId) -> Option<core::net::SocketAddr> {
        None
    }
    /// Below which all topics of a connection are, which are told in full here; empty for all there are.
    fn mountpoint(&self, _conn: ConnId) -> &str {
        ""
    }
    /// The client id that a connection has by what it has proven, or by who it says it is, which counts
    /// more than the one that it calls itself by.
    fn client_id(&self, _conn: ConnId, _packet: &Connect<'_>) -> Option<Box<str>> {
        None
    }
    /// Whether a guest may come in, and as whom. Asked once its CONNECT is in order and before anything
    /// is done for it.
    ///
    /// # Errors
    /// Why it may not.
    fn admit(&mut self, _conn: ConnId, _guest: &Guest<'_>) -> Result<Admission, Cause> {
        Ok(Admission::Anonymous)
    }
    /// A connected client proves itself anew, or goes on with that; what comes of it is told later by
    /// [`Shard::tell_step`], or by its end.
    ///
    /// # Errors
    /// If it did not come in by that method, or it is not its turn.
    fn prove(&mut self, _conn: ConnId, _guest: &Guest<'_>) -> Result<(), Cause> {
        Err(Cause::ProtocolError(
            "AUTH without an authentication method",
        ))
    }
    /// What somebody elsewhere says of this; asked for if it is not known. It is asked again when it may
    /// be known.
    fn outside(&mut self, _conn: ConnId, _inquiry: &Inquiry<'_>) -> Heard {
        Heard::Failed
    }
    /// Asks somebody elsewhere whether a session, whose client comes from there or is away, may have this. The
    /// answer comes to [`Shard::heard`]. False if there is nobody to ask.
    fn inquire(
        &mut self,
        _id: QuestionId,
        _peer: Option<core::net::SocketAddr>,
        _inquiry: &Inquiry<'_>,
    ) -> bool {
        false
    }
    /// Told while the connection is still known, for those who watch clients come and go.
    fn note(&mut self, _conn: ConnId, _client_id: &str, _what: Presence<'_>) {}
}

/// What became of a connection's first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    /// The CONNECT is not complete.
    NeedMore,
    /// The session's home is another shard: hand the connection and its bytes to it.
    Elsewhere(u16),
    /// [`Sink::admit`] does not know yet whether it may come in: keep its bytes.
    Waits,
    /// It was asked for more: keep its bytes, and bring them to [`Shard::reopen`] with what comes behind them.
    Challenged,
    /// Connected; so many bytes were consumed.
    Session(SessionId, usize),
    /// Refused; the answer stands in the sink and the connection is being closed.
    Refused,
}

/// What became of bytes of a connected client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// So many bytes were consumed; the rest is an incomplete packet.
    Consumed(usize),
    /// As above, but read no further before this time: a receiver is behind.
    Hold(usize, Time),
    /// The connection is being closed; so many bytes were consumed before that.
    Closed(usize),
}

/// Ends a connection: which reason code, and why.
pub(crate) type Verdict<T> = Result<T, Close>;

#[derive(Debug)]
pub struct Shard {
    id: u16,
    count: u16,
    now: Time,
    /// Tenths of a second during which this shard was able to read; keep-alive runs on it.
    reading: u32,
    reading_rest: u64,
    ticked: Time,
    /// Time in which this shard was able to serve; the grace of slow receivers runs on it.
    serving: Time,
    settings: Arc<Settings>,
    acl: Acl,
    /// The slot at which the look goes on at who may do less than before.
    rejudging: Option<u32>,
    denials: access::Denials,
    revoked: Revoked,
    writers: Writers,
    inquiries: inquire::Inquiries,
    anonymous: Arc<Principal>,
    afar: Arc<Principal>,
    hasher: FixedState,
    random: u64,
    sessions: Slab<Session>,
    /// Client id -> session.
    names: HashTable<u32>,
    /// From which slot on the next session is looked for that makes room for a user.
    displacing: u32,
    generation: u16,
    router: Router,
    routes: Routes,
    retained: Retained,
    delayed: Waiting,
    groups: Groups,
    /// Ends of keep-alive, on the reading clock.
    silence: Timers,
    /// Session ends and delayed wills, on the real clock.
    due: Timers,
    swept: Time,
    outbox: Vec<Vec<Mail>>,
    /// Emptied batches, for reuse.
    #[expect(clippy::vec_box, reason = "letters carry them boxed")]
    spare: Vec<Box<Batch>>,
    requests: Vec<Request>,
    next_token: u64,
    /// What waits for the store, by token.
    waits: VecDeque<store::Wait>,
    /// What the store had no room for, and when that was tried last.
    parked: VecDeque<park::Parked>,
    retried: Time,
    /// Tokens of what the store is not asked for, because others are parked.
    refused: Vec<(u64, Stored)>,
    /// Sessions that ended and whose records are being deleted.
    ending: usize,
    /// What was done of that which others than clients asked for.
    answers: Vec<Answer>,
    /// Bytes of messages that are on their way to the log.
    under_way: u64,
    /// The last serial number given to a record.
    serial: u64,
    /// Sessions whose progress is to be saved, and when that was done last.
    moved: Vec<SessionRef>,
    /// As much for shared groups.
    moved_groups: Vec<u32>,
    progress_saved: Time,
    /// The last log position this shard was handed.
    tail_seen: u64,
    announced: u64,
    /// Up to which announcement each shard has followed.
    followed: Vec<u64>,
    visible: visible::Visible,
    /// Publishers that wait for somebody slow; few and for milliseconds.
    holds: Vec<(SessionRef, Time)>,
    /// Encoded once for equal receivers of one message.
    layouts: deliver::Layouts,
    scratch: Vec<u8>,
    policy: Arc<Policy>,
    /// The slot at which the look for banned clients goes on.
    expelling: Option<u32>,
    bans_seen: Time,
    /// Messages that are measured for an operator, if any are.
    measures: Option<Box<policy::Measures>>,
    samples: Samples,
    /// What somebody looks at.
    watch: Option<Box<Watch>>,
    pub metrics: Metrics,
}

impl Shard {
    /// Shard `id` of `count`. All shards of a process share `seed`.
    #[must_use]
    pub fn new(id: u16, count: u16, settings: Arc<Settings>, seed: u64) -> Self {
        assert!(
            count <= crate::limits::SHARDS_MAX && id < count,
            "shard {id} of {count}"
        );
        Self {
            id,
            count,
            now: Time(0),
            reading: 0,
            reading_rest: 0,
            ticked: Time(0),
            serving: Time(0),
            settings,
            acl: Acl::default(),
            rejudging: None,
            revoked: Revoked::default(),
            denials: access::Denials::default(),
            writers: Writers::default(),
            inquiries: inquire::Inquiries::default(),
            anonymous: Arc::new(Principal::Anonymous),
            afar: Arc::new(Principal::Afar),
            hasher: FixedState::with_seed(seed),
            random: seed ^ (u64::from(id) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            sessions: Slab::default(),
            names: HashTable::new(),
            displacing: 0,
            generation: 0,
            router: Router::on(id, seed),
            routes: Routes::new(seed.rotate_left(17)),
            retained: Retained::default(),
            delayed: Waiting::default(),
            groups: Groups::default(),
            silence: Timers::default(),
            due: Timers::default(),
            swept: Time(0),
            outbox: (0..count).map(|_| Vec::new()).collect(),
            spare: Vec::new(),
            requests: Vec::new(),
            next_token: 0,
            waits: VecDeque::new(),
            parked: VecDeque::new(),
            retried: Time(0),
            refused: Vec::new(),
            ending: 0,
            answers: Vec::new(),
            under_way: 0,
            serial: 0,
            moved: Vec::new(),
            moved_groups: Vec::new(),
            progress_saved: Time(0),
            tail_seen: 0,
            announced: 0,
            followed: vec![0; usize::from(count)],
            visible: visible::Visible::default(),
            holds: Vec::new(),
            layouts: deliver::Layouts::default(),
            scratch: Vec::new(),
            policy: Arc::default(),
            expelling: None,
            bans_seen: Time(0),
            measures: None,
            samples: Samples::default(),
            watch: None,
            metrics: Metrics::default(),
        }
    }

    /// The shard on which a client's session lives.
    #[must_use]
    pub fn home(&self, client_id: &str) -> u16 {
        self.place(client_id)
    }

    /// Bytes of a connected client: as many whole packets as there are, in one go.
    pub fn receive(
        &mut self,
        now: Time,
        session: SessionId,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Received {
        self.now = now;
        let slot = session.slot();
        let Some(s) = self.sessions.get_mut(slot) else {
            return Received::Closed(0);
        };
        s.seen = self.reading;
        if self.rejudging.is_some() {
            self.rejudge_first(slot, sink);
        }
        let received = self.take_packets(slot, bytes, sink);
        // What was not taken comes again.
        let (Received::Consumed(n) | Received::Hold(n, _) | Received::Closed(n)) = received;
        self.metrics.add(Counter::BytesReceived, n as u64);
        if let Some(s) = self.sessions.get_mut(slot) {
            s.tally.heard(n);
        }
        received
    }

    fn take_packets(&mut self, slot: u32, bytes: &[u8], sink: &mut impl Sink) -> Received {
        let now = self.now;
        let mut at = 0;
        while at < bytes.len() {
            if self.session(slot).bits.has(Bit::Subscribing) {
                // An answer of somebody elsewhere goes on with it.
                let is_asked = self.inquiries.holds(slot);
                let millis = if is_asked { WORD_MILLIS } else { 0 };
                return Received::Hold(at, now.plus_millis(millis));
            }
            if self.under_way > UNDER_WAY_MAX && self.session(slot).is_owed() {
                return Received::Hold(at, now.plus_millis(HOLD_MILLIS));
            }
            if !self.holds.is_empty()
                && let Some(until) = self.held_until(slot)
            {
                return Received::Hold(at, until);
            }
            if self.acl.asks_outside() && self.waits_for_word(slot, &bytes[at..], sink) {
                return Received::Hold(at, now.plus_millis(WORD_MILLIS));
            }
            let taken = self.packet(slot, &bytes[at..], sink);
            self.acl.is_arriving = false;
            match taken {
                Ok(0) => break,
                Ok(n) => at += n,
                Err(close) => {
                    self.expel(slot, close, sink); // [MQTT-4.13.1-1]
                    return Received::Closed(at);
                }
            }
            if self.sessions.get(slot).is_none_or(|s| !s.is_online()) {
                return Received::Closed(at);
            }
        }
        Received::Consumed(at)
    }

    /// The caller does not read this client for now, so its Keep Alive begins anew: what it sends may
    /// wait unread [MQTT-3.1.2-22].
    pub fn excuse_silence(&mut self, session: SessionId) {
        if let Some(s) = self.sessions.get_mut(session.slot()) {
            s.seen = self.reading;
        }
    }

    /// One packet, or one run of QoS 0 PUBLISHes. Gives the bytes consumed; 0 = incomplete.
    #[inline]
    fn packet(&mut self, slot: u32, bytes: &[u8], sink: &mut impl Sink) -> Verdict<usize> {
        let run = self.on_final_run(slot, bytes, sink);
        if run > 0 {
            return Ok(run);
        }
        let limits = self.settings.limits;
        let Some(f) = frame(bytes, limits.packet_bytes_max).map_err(refuse)? else {
            return Ok(0);
        };
        if f.kind() == kind::PUBLISH {
            return self.on_publish(slot, &f, bytes, sink);
        }
        if let Some(counter) = Counter::received(f.kind()) {
            self.metrics.add(counter, 1);
        }
        let version = self.session(slot).version;
        match f.kind() {
            kind::PUBACK | kind::PUBREC | kind::PUBREL | kind::PUBCOMP => {
                self.on_ack(slot, &f, version, sink)?;
            }
            kind::SUBSCRIBE => self.on_subscribe(slot, &f, version, sink)?,
            kind::UNSUBSCRIBE => self.on_unsubscribe(slot, &f, version, sink)?,
            _ => self.on_other(slot, &f, version, sink)?,
        }
        Ok(f.len)
    }

    fn on_other(
        &mut self,
        slot: u32,
        f: &Frame<'_>,
        version: Version,
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        use protocol::Packet;
        match protocol::decode(f, version, &self.settings.limits).map_err(refuse)? {
            Packet::PingReq => {
                let s = self.session_mut(slot);
                let out = sink.out(s.conn);
                let before = out.len();
                protocol::pingresp(out); // [MQTT-3.12.4-1]
                s.tally.answered(out.len() - before);
                self.metrics.add(Counter::PingrespSent, 1);
                Ok(())
            }
            Packet::Disconnect(packet) => self.on_disconnect(slot, &packet, sink),
            Packet::Connect(_) => {
                // [MQTT-3.1.0-2]; so there is one CONNACK at most [MQTT-3.2.0-2].
                Err(protocol_error("a second CONNECT on one connection"))
            }
            // Of whose CONNECT had no method it is refused [MQTT-4.12.0-7].
            Packet::Auth(packet) => self.on_auth(slot, &packet, sink),
            _ => Err(protocol_error("a packet that only servers send")),
        }
    }

    /// Mail for the other shards (and for this one, at its own index), gathered since the last call.
    pub fn outbox(&mut self) -> &mut [Vec<Mail>] {
        &mut self.outbox
    }

    /// What this shard asks of the store, gathered since the last call.
    pub fn requests(&mut self) -> &mut Vec<Request> {
        &mut self.requests
    }

    /// Current figures; gauges are brought up to date.
    pub fn metrics(&mut self) -> &Metrics {
        self.metrics.gauges.topics = self.router.topics_len() as u64;
        self.metrics.gauges.sessions = self.sessions.len() as u64;
        self.metrics.gauges.retained = self.retained_len() as u64;
        self.metrics.gauges.retained_bytes = self.retained.bytes() as u64;
        self.metrics.gauges.delayed = self.delayed.len() as u64;
        &self.metrics
    }

    /// New settings, for what comes from now on.
    pub fn configure(&mut self, settings: Arc<Settings>) {
        self.settings = settings;
    }

    /// Lets go of room that a burst needed. To be called now and then.
    pub fn give_room_back(&mut self) {
        for letters in &mut self.outbox {
            letters.shrink_to(64);
        }
        self.requests.shrink_to(64);
        self.answers.shrink_to(64);
        self.waits.shrink_to(64);
        self.moved.shrink_to(64);
        self.moved_groups.shrink_to(64);
        self.visible.give_room_back();
        self.inquiries.give_room_back();
        self.spare.truncate(1);
        self.scratch.shrink_to(1024);
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The client id of a session.
    #[must_use]
    pub fn client_id(&self, session: SessionId) -> Option<&str> {
        self.sessions.get(session.slot()).map(|s| &*s.client_id)
    }

    /// Whose connection this is: a walk over all sessions, for when nothing else knows any more.
    #[must_use]
    pub fn session_on(&self, conn: ConnId) -> Option<SessionId> {
        let mut all = self.sessions.range(0);
        all.find(|(_, s)| s.conn == conn)
            .map(|(slot, _)| SessionId::at(slot))
    }

    /// The version that a session's client speaks.
    #[must_use]
    pub fn version(&self, session: SessionId) -> Option<Version> {
        self.sessions.get(session.slot()).map(|s| s.version)
    }

    /// Whether anybody would receive a message on this topic.
    #[must_use]
    pub fn is_wanted(&mut self, topic: &str) -> bool {
        let mut route = Route::default();
        Topic::parse(topic, u16::MAX).is_ok_and(|topic| {
            self.router.walk(topic, &mut route);
            !route.is_empty()
        })
    }

    /// Whether anybody may want messages on the system's topics that begin with these levels. Cheap.
    #[must_use]
    pub fn may_want(&self, begin: &str) -> bool {
        self.router.may_want(begin)
    }

    /// Whether a session waits for its socket to drain.
    #[must_use]
    pub fn is_blocked(&self, session: SessionId) -> bool {
        self.sessions
            .get(session.slot())
            .is_some_and(|s| s.bits.has(Bit::Blocked))
    }

    #[inline]
    fn session(&self, slot: u32) -> &Session {
        self.sessions
            .get(slot)
            .expect("the caller holds a live session's slot")
    }

    #[inline]
    fn session_mut(&mut self, slot: u32) -> &mut Session {
        self.sessions
            .get_mut(slot)
            .expect("the caller holds a live session's slot")
    }

    #[inline]
    fn reference(&self, slot: u32) -> SessionRef {
        SessionRef {
            shard: self.id,
            generation: self.session(slot).generation,
            slot,
        }
    }

    /// The slot that a reference means, unless another session has it by now.
    fn resolve(&self, session: SessionRef) -> Option<u32> {
        let s = self.sessions.get(session.slot)?;
        (session.shard == self.id && s.generation == session.generation).then_some(session.slot)
    }

    /// The shard responsible for a name: a client id, a retained topic, a shared group.
    fn place(&self, name: &str) -> u16 {
        place(&self.hasher, self.count, name)
    }

    fn mail(&mut self, to: u16, mail: Mail) {
        self.outbox[usize::from(to)].push(mail);
    }

    /// xorshift64*: spreads load and makes ids; nothing secret hangs on it.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn effective_qos(&self, published: QoS, subscribed: QoS) -> QoS {
        if self.settings.upgrade_qos {
            published.max(subscribed)
        } else {
            published.min(subscribed) // [MQTT-3.8.4-8], [MQTT-4.8.2-3]
        }
    }
}

/// Where a name lives among `count` shards that share a seed: a client id, a retained topic, a shared
/// group.
#[must_use]
pub fn home(seed: u64, count: u16, name: &str) -> u16 {
    place(&FixedState::with_seed(seed), count, name)
}

fn place(hasher: &FixedState, count: u16, name: &str) -> u16 {
    // Other bits of the hash than the tables use.
    let hash = hasher.hash_one(name).rotate_left(32) % u64::from(count);
    u16::try_from(hash).expect("smaller than the number of shards")
}

/// A malformed or illegal packet: the connection ends with its reason.
fn refuse(error: DecodeError) -> Close {
    Close {
        reason: error.reason(),
        cause: error.into(),
    }
}

fn protocol_error(place: &'static str) -> Close {
    Cause::ProtocolError(place).close()
}
