//! The connections of one shard, and the sink into which the engine writes.
//!
//! A connection owns a buffer only while a packet is incomplete or its peer is slow: idle ones cost
//! their entry alone. Out-buffers come from a pool and go back when empty.
#![expect(
    clippy::box_collection,
    clippy::vec_box,
    reason = "a boxed buffer is 8 bytes in each connection instead of 24"
)]

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use engine::{
    Admission, Cause, Close, ConnId, Ending, Guest, Presence, QuestionId, SessionId, Sink, Slab,
    Time,
    acl::{Heard, Inquiry},
};
use mio::net::TcpStream;
use protocol::packet::connect::Connect;

use super::{
    admit,
    deadline::Deadlines,
    event::Event,
    flapping::Flapping,
    gate::{Entrance, Gate},
    mount::{Mount, mount_of},
    ticket::{Ticket, Tickets, is_ticket},
    trace::Tracing,
};
use crate::{
    access::authenticate::{Challenge, Judged},
    control::listeners::DASHBOARD_NUMBER,
    lan::{self, Distance},
    observe::connection::Entry,
    settings::Limits,
    tls::Channel,
    transport::websocket::Deframer,
};

/// Out-buffers kept for reuse, and the largest that is.
const POOL_MAX: usize = 1024;
const POOLED_BYTES_MAX: usize = 128 * 1024;
pub(super) const OUT_BYTES_MIN: usize = 2048;

/// One connection.
pub(crate) struct Conn {
    pub(super) stream: TcpStream,
    pub(super) session: Option<SessionId>,
    /// The start of an incomplete packet.
    pub(super) input: Option<Box<Vec<u8>>>,
    out: Option<Box<Vec<u8>>>,
    /// TLS and WebSocket are in one box: a connection without either pays one pointer for both.
    pub(super) wrap: Option<Box<Wrap>>,
    pub(super) peer: Peer,
    pub(super) listener: u8,
    pub(super) flags: Flags,
}

/// Yes-or-no facts of a connection, a bit each: sixteen of them cost no more than two.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Flags(u16);

#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub(super) enum Flag {
    /// In the list of those to flush.
    Dirty = 1 << 0,
    /// In the list of those with something to read.
    Ready = 1 << 1,
    /// The socket took less than there was: wait until it is writable.
    Clogged = 1 << 2,
    /// Being closed: nothing is read any more but to throw it away.
    Closing = 1 << 3,
    /// The last bytes were sent and our side is shut.
    Lingering = 1 << 4,
    /// Publishes to somebody slow, or waits to be known: not read before its time.
    Held = 1 << 5,
    /// Waits until there is room for its large packet.
    Parked = 1 << 6,
    /// Counts against the bounds on sockets that have not sent CONNECT.
    Pending = 1 << 7,
    /// Reading went on until the socket had no more.
    Ended = 1 << 8,
    /// Nothing is written yet: the store is to have what the client is told.
    Withheld = 1 << 9,
    /// What it sends and gets is told to traces.
    Traced = 1 << 10,
    /// Counts against the bound on those of its address.
    Counted = 1 << 11,
}

impl Flags {
    pub(super) fn has(self, flag: Flag) -> bool {
        self.0 & flag as u16 != 0
    }

    pub(super) fn set(&mut self, flag: Flag) {
        self.0 |= flag as u16;
    }

    pub(super) fn clear(&mut self, flag: Flag) {
        self.0 &= !(flag as u16);
    }

    pub(super) fn set_to(&mut self, flag: Flag, so: bool) {
        if so {
            self.set(flag);
        } else {
            self.clear(flag);
        }
    }

    /// Clears it. Whether it was set.
    pub(super) fn take(&mut self, flag: Flag) -> bool {
        let had = self.has(flag);
        self.clear(flag);
        had
    }
}

/// What lies between a socket and MQTT.
#[derive(Default)]
pub(super) struct Wrap {
    /// Next to the socket.
    pub(super) tls: Option<Box<Channel>>,
    pub(super) web: Option<Web>,
    /// Between all that and the engine.
    pub(super) mount: Option<Box<Mount>>,
    /// A proxy has still to say where the connection comes from.
    pub(super) proxied: bool,
}

impl Wrap {
    pub(super) fn bytes(&self) -> usize {
        let web = self.web.as_ref().map_or(0, |web| web.framed.capacity());
        let tls = self.tls.as_ref().map_or(0, |tls| tls.bytes());
        let mount = self.mount.as_ref().map_or(0, |mount| mount.bytes());
        size_of::<Self>() + web + tls + mount
    }
}

/// State of a WebSocket.
#[derive(Default)]
pub(super) struct Web {
    pub(super) upgraded: bool,
    pub(super) deframer: Deframer,
    /// Bytes in their frames, on their way.
    pub(super) framed: Vec<u8>,
    /// A close frame was answered.
    pub(super) closed: bool,
    /// It came from afar, wherever its connection seems to come from: a proxy says so.
    pub(super) far: bool,
}

/// A connection on its way to another shard, with the bytes it has sent so far.
pub(crate) struct Moving {
    pub(super) stream: TcpStream,
    pub(super) bytes: Vec<u8>,
    pub(super) wrap: Option<Box<Wrap>>,
    pub(super) peer: Peer,
    pub(super) listener: u8,
    /// How long it may take to say who it is, if that is not the usual time.
    pub(super) timeout: Option<Duration>,
}

impl Moving {
    /// A WebSocket that somebody else has shaken hands with; `bytes` are frames.
    pub(crate) fn of_page(
        stream: std::net::TcpStream,
        bytes: Vec<u8>,
        peer: SocketAddr,
        far: bool,
    ) -> Self {
        let web = Web {
            upgraded: true,
            far,
            ..Web::default()
        };
        let wrap = Wrap {
            tls: None,
            web: Some(web),
            mount: None,
            proxied: false,
        };
        Self {
            stream: TcpStream::from_std(stream),
            bytes,
            wrap: Some(Box::new(wrap)),
            peer: Peer::new(peer),
            listener: DASHBOARD_NUMBER,
            timeout: None,
        }
    }
}

/// Where a connection came from, in 18 bytes instead of 32.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    address: [u8; 16],
    port: [u8; 2],
}

impl Peer {
    pub(crate) fn new(peer: SocketAddr) -> Self {
        let address = match peer.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self {
            address: address.octets(),
            port: peer.port().to_be_bytes(),
        }
    }

    pub(crate) fn ip(&self) -> IpAddr {
        Ipv6Addr::from(self.address).to_canonical()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), u16::from_be_bytes(self.port))
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address().fmt(f)
    }
}

/// All connections of a shard.
pub(crate) struct Conns {
    table: Slab<Conn>,
    pub(super) limits: Arc<Limits>,
    tickets: Tickets,
    pub(crate) gate: Gate,
    /// The time of this pass.
    pub(super) now: Time,
    /// Memory is, in this pass.
    pub(super) is_short: bool,
    /// What happened to connections in this pass, for the connection log.
    pub(super) entries: Vec<Entry>,
    /// Whose CONNECT is being looked at: the one that takes over.
    pub(super) opening: Option<Peer>,
    pub(super) tracing: Option<Tracing>,
    /// Who is behind what the engine is asked to do, and why it is done if the engine does not know.
    pub(super) behind: Option<Box<str>>,
    pub(super) instead: Option<Close>,
    pub(super) dirty: Vec<u32>,
    /// Closed by the engine in this pass.
    pub(super) closing: Vec<(u32, Ending)>,
    flapping: Flapping,
    /// Clients that came and went once too often in this pass.
    pub(super) flapped: Vec<Box<str>>,
    /// Somebody may want to know who comes and goes.
    pub(super) watched: bool,
    /// Who came and went in this pass.
    pub(super) events: Vec<Event>,
    /// Until when a closed connection may take its last bytes.
    pub(super) lingering: Deadlines,
    pool: Vec<Box<Vec<u8>>>,
    nowhere: Vec<u8>,
}

impl Conn {
    fn entrance<'a>(&'a self, limits: &'a Limits) -> Entrance<'a> {
        Entrance {
            address: self.peer.ip(),
            tls: self.tls(),
            only: limits.authenticators.get(&self.listener),
        }
    }

    pub(super) fn new(stream: TcpStream, peer: Peer, listener: u8) -> Self {
        let flags = Flags::default();
        Self {
            stream,
            session: None,
            input: None,
            out: None,
            wrap: None,
            peer,
            listener,
            flags,
        }
    }

    pub(super) fn web(&self) -> Option<&Web> {
        self.wrap.as_ref()?.web.as_ref()
    }

    pub(super) fn web_mut(&mut self) -> Option<&mut Web> {
        self.wrap.as_mut()?.web.as_mut()
    }

    pub(super) fn tls(&self) -> Option<&Channel> {
        self.wrap.as_ref()?.tls.as_deref()
    }

    pub(super) fn tls_mut(&mut self) -> Option<&mut Channel> {
        self.wrap.as_mut()?.tls.as_deref_mut()
    }

    pub(super) fn put_back(&mut self, out: Option<Box<Vec<u8>>>) {
        self.out = out.filter(|o| !o.is_empty());
    }

    pub(super) fn take_out(&mut self) -> Option<Box<Vec<u8>>> {
        self.out.take()
    }
}

impl Conns {
    pub(super) fn new(limits: Arc<Limits>, gate: Gate) -> Self {
        Self {
            table: Slab::default(),
            limits,
            tickets: Tickets::default(),
            gate,
            now: Time::default(),
            is_short: false,
            entries: Vec::new(),
            opening: None,
            tracing: None,
            behind: None,
            instead: None,
            dirty: Vec::new(),
            closing: Vec::new(),
            flapping: Flapping::default(),
            flapped: Vec::new(),
            watched: false,
            events: Vec::new(),
            lingering: Deadlines::default(),
            pool: Vec::new(),
            nowhere: Vec::new(),
        }
    }

    /// What holds from now on.
    pub(super) fn set_limits(&mut self, limits: Arc<Limits>) {
        if limits.flapping.is_none() {
            self.flapping.forget();
        }
        self.limits = limits;
    }

    /// Counts how often a client goes, if that is looked for.
    fn count_flapping(&mut self, conn: ConnId, client_id: &str, what: Presence<'_>) {
        let (
            Some(terms),
            Presence::Went {
                ending, version, ..
            },
        ) = (&self.limits.flapping, what)
        else {
            return;
        };
        if !self.flapping.count(client_id, ending, self.now, terms) {
            return;
        }
        self.flapped.push(client_id.into());
        let refused = Presence::Refused {
            version: Some(version),
            user_name: None,
            owner: None,
            close: Cause::Flapping.close(),
            told: false,
        };
        self.log(conn, client_id, refused);
    }

    /// Notes what the engine says of a client.
    fn log(&mut self, conn: ConnId, client_id: &str, mut what: Presence<'_>) {
        let Some(entry) = self.table.get(conn.0) else {
            return;
        };
        let (mut by, mut told) = (None, true);
        if let Presence::Went { ending, .. } = &mut what {
            if let Some(close) = self.instead.take() {
                *ending = Ending::Expelled(close);
                told = false;
            }
            by = match ending {
                Ending::Expelled(close) if close.cause == Cause::TakenOver => {
                    self.opening.map(|peer| peer.to_string().into())
                }
                Ending::Expelled(_) => self.behind.take(),
                _ => None,
            };
        }
        let mut noted = Entry::client(self.now, entry.peer, entry.listener, client_id, &what);
        if let Some(by) = by {
            noted.by(&by);
        }
        if !told {
            noted.untold();
        }
        self.entries.push(noted);
    }

    /// About how many bytes of memory connections take with their buffers, from a place on; and where to
    /// go on.
    pub(crate) fn bytes(&self, from: u32, max: usize) -> (usize, Option<u32>) {
        let (mut sum, mut last) = (0, None);
        for (slot, conn) in self.table.range(from).take(max) {
            let room = |buffer: &Option<Box<Vec<u8>>>| buffer.as_ref().map_or(0, |b| b.capacity());
            let wrap = conn.wrap.as_ref().map_or(0, |wrap| wrap.bytes());
            sum += size_of::<Conn>() + room(&conn.input) + room(&conn.out) + wrap;
            last = Some(slot + 1);
        }
        (sum, last)
    }

    /// Names who is behind what the engine is asked to do next.
    pub(crate) fn acts_for(&mut self, who: Option<&str>) {
        self.behind = who.map(Into::into);
    }

    /// Notes that a peer was turned away before it said who it is.
    pub(super) fn log_stranger(&mut self, slot: u32, cause: Cause) {
        if let Some(conn) = self.table.get(slot) {
            let entry = Entry::stranger(self.now, conn.peer, conn.listener, cause.close());
            self.entries.push(entry);
        }
    }

    pub(super) fn insert(&mut self, conn: Conn) -> u32 {
        self.table.insert(conn)
    }

    /// Whether any authenticator is asked who comes where this connection came.
    pub(super) fn asks_who(&self, conn: ConnId) -> bool {
        let conn = self.table.get(conn.0);
        conn.is_none_or(|conn| !conn.entrance(&self.limits).asks_nobody())
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Conn> {
        self.table.get(slot)
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Conn> {
        self.table.get_mut(slot)
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Conn> {
        let mut conn = self.table.remove(slot)?;
        self.lingering.cancel(slot);
        self.gate.lose(slot);
        if let Some(tracing) = &mut self.tracing {
            tracing.forget(slot);
        }
        if let Some(out) = conn.out.take() {
            self.give_back(out);
        }
        Some(conn)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn slots(&self) -> Vec<u32> {
        self.table.keys().collect()
    }

    /// With this ticket somebody may come.
    pub(crate) fn expect(&mut self, ticket: Arc<Ticket>) {
        self.tickets.add(ticket, self.now);
    }

    /// Connections of a listener that are not being closed: `most` of them at most, among `slots` slots
    /// from `from` on; and from which slot to go on, if there are more.
    pub(crate) fn of_listener(
        &self,
        number: u8,
        from: u32,
        (slots, most): (usize, usize),
    ) -> (Vec<(ConnId, Option<SessionId>)>, Option<u32>) {
        let mut found = Vec::new();
        let mut keys = self.table.keys_from(from);
        for slot in keys.by_ref().take(slots) {
            let conn = self.get(slot);
            if let Some(conn) = conn.filter(|c| c.listener == number && !c.flags.has(Flag::Closing))
            {
                found.push((ConnId(slot), conn.session));
                if found.len() >= most {
                    break;
                }
            }
        }
        (found, keys.next())
    }

    pub(super) fn mark_dirty(&mut self, slot: u32) {
        if let Some(conn) = self.get_mut(slot)
            && !conn.flags.has(Flag::Dirty)
        {
            conn.flags.set(Flag::Dirty);
            self.dirty.push(slot);
        }
    }

    pub(super) fn clean(&mut self, slot: u32) -> Option<&mut Conn> {
        let conn = self.get_mut(slot)?;
        conn.flags.clear(Flag::Dirty);
        Some(conn)
    }

    /// An out-buffer that is empty again.
    pub(super) fn give_back(&mut self, mut buffer: Box<Vec<u8>>) {
        if self.pool.len() < POOL_MAX && buffer.capacity() <= POOLED_BYTES_MAX {
            buffer.clear();
            self.pool.push(buffer);
        }
    }

    /// Pooled buffers are for bursts, not for keeping.
    pub(super) fn shrink_pool(&mut self) {
        let keep = self.pool.len() / 2;
        self.pool.truncate(keep);
    }

    /// Whether a guest may come in, and as whom.
    fn judge(&mut self, conn: ConnId, guest: &Guest<'_>) -> Result<Admission, Cause> {
        let Some(entry) = self.table.get(conn.0) else {
            return Ok(Admission::Anonymous);
        };
        // Whoever looks after the broker comes in all the same.
        if self.is_short && entry.listener != DASHBOARD_NUMBER {
            self.gate.verdict = None;
            return Err(Cause::MemoryShort);
        }
        if let Some(verdict) = self.gate.verdict.take() {
            let granted = match verdict? {
                Judged::In(granted) => granted,
                Judged::Challenged(Challenge { data, conversation }) => {
                    self.gate.challenged(conn.0, conversation);
                    return Ok(Admission::Challenge(data));
                }
            };
            self.gate.until = granted.until;
            let (who, proof) = (granted.who.clone(), granted.proof.clone());
            self.gate.words.admitted = Some(granted);
            return Ok(match proof {
                Some(proof) => {
                    self.gate.proven(conn.0);
                    Admission::Proven(who, proof)
                }
                None => Admission::As(who),
            });
        }
        if let Some(exchange) = &guest.exchange {
            let from = entry.entrance(&self.limits);
            return self.gate.step(conn.0, guest, exchange, from, &self.limits);
        }
        if entry.listener == DASHBOARD_NUMBER {
            let shown = guest.password;
            if let Some(shown) = shown.filter(|shown| is_ticket(shown)) {
                let who = self.tickets.redeem(shown, guest.user_name, self.now);
                return who.map(Admission::As).ok_or(Cause::Ticket);
            }
        }
        if let Some(user) = admit::certified(entry.tls(), self.limits.named_by) {
            return Ok(Admission::As(user));
        }
        let from = entry.entrance(&self.limits);
        if self.gate.is_for(guest, &from) {
            return self.gate.ask(conn.0, guest, from, &self.limits);
        }
        // The address here may be a proxy's.
        if entry.web().is_some_and(|web| web.far) && self.limits.allow_anonymous {
            let distance = lan::distance(entry.peer.ip(), &self.limits.lan_guard);
            return Err(match distance {
                Distance::Gateway => Cause::Gateway,
                _ => Cause::LanGuard,
            });
        }
        admit::judge(entry.peer.ip(), guest, &self.limits)
    }
}

#[cold]
fn note_dirty(dirty: &mut Vec<u32>, conn: ConnId) {
    dirty.push(conn.0);
}

#[cold]
fn out_buffer(pool: &mut Vec<Box<Vec<u8>>>) -> Box<Vec<u8>> {
    let new = || Box::new(Vec::with_capacity(OUT_BYTES_MIN));
    pool.pop().unwrap_or_else(new)
}

impl Sink for Conns {
    #[inline]
    fn out(&mut self, conn: ConnId) -> &mut Vec<u8> {
        let Some(entry) = self.table.get_mut(conn.0) else {
            self.nowhere.clear();
            return &mut self.nowhere;
        };
        if !entry.flags.has(Flag::Dirty) {
            entry.flags.set(Flag::Dirty);
            note_dirty(&mut self.dirty, conn);
        }
        entry.out.get_or_insert_with(|| out_buffer(&mut self.pool))
    }

    fn close(&mut self, conn: ConnId, why: Ending) {
        if let Some(entry) = self.get_mut(conn.0)
            && !entry.flags.has(Flag::Closing)
        {
            entry.flags.set(Flag::Closing);
            entry.session = None;
            if entry.flags.take(Flag::Withheld) {
                entry.out = None;
            }
            self.closing.push((conn.0, why));
        }
    }

    fn peer(&self, conn: ConnId) -> Option<SocketAddr> {
        self.get(conn.0).map(|entry| entry.peer.address())
    }

    fn mountpoint(&self, conn: ConnId) -> &str {
        let wrap = self.get(conn.0).and_then(|entry| entry.wrap.as_ref());
        let mount = wrap.and_then(|wrap| wrap.mount.as_ref());
        mount.and_then(|mount| mount.prefix()).unwrap_or_default()
    }

    fn client_id(&self, conn: ConnId, packet: &Connect<'_>) -> Option<Box<str>> {
        let (entry, limits) = (self.get(conn.0)?, &self.limits);
        if let Some(id) = admit::certified_id(entry.tls(), limits.client_id_by) {
            return Some(id.into());
        }
        // One user looks at several pages of the dashboard at a time.
        let is_page = entry.listener == DASHBOARD_NUMBER && packet.password.is_some_and(is_ticket);
        if !limits.user_is_client_id || is_page {
            return None;
        }
        let certified = admit::certified_id(entry.tls(), limits.named_by);
        let user = certified.as_deref().or(packet.user_name);
        user.filter(|user| !user.is_empty()).map(Into::into)
    }

    fn withhold(&mut self, conn: ConnId) {
        if let Some(entry) = self.get_mut(conn.0) {
            entry.flags.set(Flag::Withheld);
        }
    }

    fn let_go(&mut self, conn: ConnId) {
        if let Some(entry) = self.get_mut(conn.0) {
            entry.flags.clear(Flag::Withheld);
            self.mark_dirty(conn.0);
        }
    }

    fn admit(&mut self, conn: ConnId, guest: &Guest<'_>) -> Result<Admission, Cause> {
        let admitted = self.judge(conn, guest)?;
        if let Admission::As(who) | Admission::Proven(who, _) = &admitted
            && let Some(mount) = self.table.get_mut(conn.0).and_then(mount_of)
            && !mount.is_for(who.user())
        {
            return Err(Cause::WrongPassword);
        }
        Ok(admitted)
    }

    fn prove(&mut self, conn: ConnId, guest: &Guest<'_>) -> Result<(), Cause> {
        let (Some(entry), Some(exchange)) = (self.table.get(conn.0), &guest.exchange) else {
            return Err(Cause::ProtocolError(
                "AUTH without an authentication method",
            ));
        };
        let limits = &self.limits;
        let from = entry.entrance(limits);
        self.gate.step_again(conn.0, guest, exchange, from, limits)
    }

    fn outside(&mut self, conn: ConnId, inquiry: &Inquiry<'_>) -> Heard {
        match self.table.get(conn.0) {
            Some(entry) => self.gate.outside(conn.0, entry.peer.ip(), inquiry),
            None => Heard::Failed,
        }
    }

    fn inquire(&mut self, id: QuestionId, peer: Option<SocketAddr>, inquiry: &Inquiry<'_>) -> bool {
        self.gate.inquire(id, peer, inquiry)
    }

    fn note(&mut self, conn: ConnId, client_id: &str, what: Presence<'_>) {
        if self.watched
            && let Some(entry) = self.get(conn.0)
        {
            self.events.extend(Event::new(client_id, entry, what));
        }
        self.log(conn, client_id, what);
        self.count_flapping(conn, client_id, what);
    }
}
