//! The data plane: one thread per shard with its own event loop, connections and engine shard.
//!
//! One pass: wait, read all that is readable, take the mailbox, let time pass, hand mail and log
//! requests over, write each touched socket once.

mod accept;
mod admit;
mod conn;
mod deadline;
mod event;
mod exchange;
mod flapping;
mod flush;
mod gate;
mod inbound;
mod mount;
mod pace;
mod post;
mod proxy;
mod rate;
mod read;
mod report;
mod stranger;
mod ticket;
mod tls;
mod trace;
mod word;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use engine::{Cause, ConnId, Counter, Ending, Settings, Shard, Sink, Time};
use mio::{Events, Poll};
use tokio::sync::oneshot;

use conn::Flag;
pub(crate) use conn::{Conns, Moving, Peer};
pub(crate) use post::{Letter, Post};
pub(crate) use rate::{Rated, Rates};
pub(crate) use ticket::{PREFIX, Ticket};

use crate::{
    access::authenticate::Desk, control::store::Door, observe::Observed, settings::Limits,
};
use accept::Accepting;
use gate::Gate;
use inbound::Inbound;
use pace::{Pace, Work};
use rate::Accounts;
use report::Reporter;

/// Tokens: the mailbox, then listeners; below them connection slots.
const WAKE: usize = usize::MAX;
const LISTENERS: usize = usize::MAX - LISTENING_MAX;

/// Listening sockets at one time.
pub(crate) const LISTENING_MAX: usize = 256;

/// One read of one connection in one pass.
const READ_BYTES: usize = 64 * 1024;
/// An incomplete packet up to this size is put before the next read instead of the read behind it.
const TAIL_BYTES: usize = 8 * 1024;
const EVENTS: usize = 1024;
/// A pass waits at most so long: keep-alive counts only time in which the shard was able to read.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// Between two looks at a shard that has too much to do.
const CROWDED_WAIT: Duration = Duration::from_millis(1);
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// Room for so many letters is kept between passes.
const LETTERS_KEPT: usize = 256;
const TRIM_EVERY: Duration = Duration::from_secs(1);
/// jemalloc looks at a thread's cache each time the thread has allocated so much.
const STIRRED_BYTES: usize = 64 * 1024;

/// What a shard is made of.
pub(crate) struct Parts {
    pub(crate) id: u16,
    pub(crate) count: u16,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) engine: Arc<Settings>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) post: Arc<Post>,
    pub(crate) store: Door,
    pub(crate) desk: Arc<Desk>,
    pub(crate) observed: Arc<Observed>,
    pub(crate) poll: Poll,
}

/// What the control plane sees of a shard while the shard answers it. An answer may look at no more
/// than [`VISIT_MAX`] sessions or messages: connections wait meanwhile.
pub(crate) struct Visit<'a> {
    #[allow(dead_code, reason = "not every question asks who answers")]
    pub(crate) id: u16,
    pub(crate) now: Time,
    pub(crate) engine: &'a mut Shard,
    pub(crate) conns: &'a mut Conns,
    pub(super) tickets: &'a mut Tickets,
}

/// Who waits for the engine's answer under a ticket.
type Tickets = HashMap<u64, oneshot::Sender<bool>>;

impl Visit<'_> {
    /// What the engine will answer under a ticket that it gave in this visit: whether it was done.
    pub(crate) fn later(&mut self, ticket: u64) -> oneshot::Receiver<bool> {
        let (answer, answered) = oneshot::channel();
        self.tickets.insert(ticket, answer);
        answered
    }

    /// Where a connection comes from, and the listener that it came to.
    pub(crate) fn peer(&self, conn: ConnId) -> Option<(SocketAddr, u8)> {
        self.conns
            .get(conn.0)
            .map(|c| (c.peer.address(), c.listener))
    }

    /// Below which prefix a connection has its topics; empty for none.
    pub(crate) fn mountpoint(&self, conn: ConnId) -> &str {
        self.conns.mountpoint(conn)
    }

    /// Whether any authenticator is asked who comes where this connection came.
    pub(crate) fn asks_who(&self, conn: ConnId) -> bool {
        self.conns.asks_who(conn)
    }
}

/// What one visit may look at. So many sessions take about 100 microseconds.
pub(crate) const VISIT_MAX: usize = 2_000;

pub(crate) type Question = Box<dyn FnOnce(&mut Visit<'_>) + Send>;

/// A shard's thread.
pub(crate) struct Worker {
    id: u16,
    clock: Clock,
    limits: Arc<Limits>,
    post: Arc<Post>,
    store: Door,
    observed: Arc<Observed>,
    poll: Poll,
    engine: Shard,
    conns: Conns,
    inbound: Inbound,
    accepting: Accepting,
    reporter: Reporter,
    /// Connections with something to read.
    ready: Vec<u32>,
    /// Publishers that wait for a slow receiver, or were faster than their rate.
    held: Vec<(Time, u32)>,
    /// Of clients that have rates.
    accounts: Accounts,
    buffer: Box<[u8]>,
    /// Room for what TLS opened and sealed; none before the first such connection.
    plain: Vec<u8>,
    sealed: Vec<u8>,
    /// Reads of connections under handshake in this pass.
    handshakes: u32,
    /// Reads that found something.
    reads: u64,
    letters: Vec<Letter>,
    tickets: Tickets,
    now: Time,
    reported: Time,
    trimmed: Time,
    stopping: Option<Instant>,
}

impl Worker {
    pub(crate) fn new(parts: Parts) -> Self {
        let gate = Gate::new(parts.id, parts.desk, parts.post.clone());
        Self {
            id: parts.id,
            clock: parts.clock,
            conns: Conns::new(parts.limits.clone(), gate),
            limits: parts.limits,
            post: parts.post,
            store: parts.store,
            observed: parts.observed,
            poll: parts.poll,
            engine: Shard::new(parts.id, parts.count, parts.engine, parts.seed),
            inbound: Inbound::default(),
            accepting: Accepting::default(),
            reporter: Reporter::default(),
            ready: Vec::new(),
            held: Vec::new(),
            accounts: Accounts::default(),
            buffer: vec![0; TAIL_BYTES + READ_BYTES].into_boxed_slice(),
            plain: Vec::new(),
            sealed: Vec::new(),
            handshakes: 0,
            reads: 0,
            letters: Vec::new(),
            tickets: Tickets::new(),
            now: Time(0),
            reported: Time(0),
            trimmed: Time(0),
            stopping: None,
        }
    }

    /// To restore it before it runs.
    pub(crate) fn engine_mut(&mut self) -> &mut Shard {
        &mut self.engine
    }

    /// To say whom to ask about clients, before it runs.
    pub(crate) fn conns_mut(&mut self) -> &mut Conns {
        &mut self.conns
    }

    /// The whole data plane on one screen.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut pace = Pace::new();
        loop {
            self.wait(&mut events);
            pace.begin(self.work());
            self.now = self.clock.now();
            self.conns.now = self.now;
            self.conns.is_short = self.post.is_short();
            self.watch_clients();
            self.note_events(&events);
            self.accept();
            // The inbox is taken all the same, so two shards never wait for each other.
            if !self.post.is_crowded(self.id) {
                self.read_ready();
            }
            self.take_letters();
            self.release_held();
            self.expire_waits();
            self.expire_clients();
            self.unpark();
            self.engine.tick(self.now, &mut self.conns);
            self.publish_events();
            self.answer();
            self.exchange();
            self.flush();
            self.finish_closed();
            self.tell_connections();
            self.account();
            if self.is_done() {
                break;
            }
            pace.end();
        }
    }

    fn wait(&mut self, events: &mut Events) {
        let idle = self.ready.is_empty() && self.conns.dirty.is_empty();
        let timeout = if idle && self.post.fall_asleep(self.id) {
            self.timeout()
        } else if self.post.is_crowded(self.id) && self.post.fall_asleep(self.id) {
            CROWDED_WAIT
        } else {
            Duration::ZERO
        };
        if let Err(error) = self.poll.poll(events, Some(timeout))
            && error.kind() != io::ErrorKind::Interrupted
        {
            // The loop cannot work without its poll; the supervisor starts the process again.
            panic!("the event queue of shard {} failed: {error}", self.id);
        }
        self.post.wake_up(self.id);
    }

    /// Until the next thing that only time brings.
    fn timeout(&self) -> Duration {
        let now = self.clock.now();
        let engine = self.engine.next_tick();
        let held = self.held.iter().map(|(at, _)| *at).min();
        let next = [engine, held].into_iter().flatten().min();
        let own = next.map_or(WAIT_MAX, |at| Duration::from_millis(at.since(now)));
        let linger = self.conns.lingering.next();
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        let linger = linger.map_or(WAIT_MAX, left);
        let unknown = self.conns.gate.next_deadline().map_or(WAIT_MAX, left);
        own.min(self.accepting.timeout(self.limits.connect_timeout))
            .min(linger)
            .min(unknown)
            .min(WAIT_MAX)
    }

    fn work(&self) -> Work {
        Work {
            reads: self.reads,
            packets: self.engine.metrics.packets_received(),
        }
    }

    fn note_events(&mut self, events: &Events) {
        for event in events {
            let token = event.token().0;
            if token == WAKE {
                continue;
            }
            if token >= LISTENERS {
                self.accepting.is_due(token - LISTENERS);
                continue;
            }
            let Ok(slot) = u32::try_from(token) else {
                continue;
            };
            let Some(conn) = self.conns.get_mut(slot) else {
                continue;
            };
            if event.is_writable() && conn.flags.has(Flag::Clogged) {
                conn.flags.clear(Flag::Clogged);
                self.conns.mark_dirty(slot);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.note_readable(slot, event.is_read_closed() || event.is_error());
            }
        }
    }

    fn note_readable(&mut self, slot: u32, to_the_end: bool) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        if to_the_end {
            conn.flags.set(Flag::Ended);
        }
        if !conn.flags.has(Flag::Ready) {
            conn.flags.set(Flag::Ready);
            if !conn.flags.has(Flag::Held) {
                self.ready.push(slot);
            }
        }
    }

    fn take_letters(&mut self) {
        let mut letters = std::mem::take(&mut self.letters);
        self.post.take(self.id, &mut letters);
        for letter in letters.drain(..) {
            self.handle_letter(letter);
        }
        if letters.capacity() > LETTERS_KEPT {
            // After a storm: the next one may make its own.
            letters = Vec::new();
        }
        self.letters = letters;
    }

    fn handle_letter(&mut self, letter: Letter) {
        let (now, conns) = (self.now, &mut self.conns);
        match letter {
            Letter::Mail(from, mail) => self.engine.inbox(now, from, mail, conns),
            Letter::Socket(moving) => self.adopt(*moving),
            Letter::Stranger(moving) => self.adopt_stranger(*moving),
            Letter::Stored(tokens, kept) => {
                for token in tokens {
                    self.engine.stored(now, token, kept, conns);
                }
            }
            Letter::Tail(entries) => self.engine.tail(now, &entries, conns),
            Letter::Shed(entries) => self.engine.shed(&entries),
            Letter::Crowded(bound) => self.keep_within(bound),
            Letter::Verdict(slot, number, verdict) => self.take_verdict(slot, number, *verdict),
            Letter::Word(slot, number, heard) => self.take_word(slot, number, heard),
            Letter::Heard(id, heard) => self.take_answer(id, heard),
            Letter::FoundInLog(found) => self.engine.found_in_log(now, &found, conns),
            Letter::LogUnreadable(found) => self.engine.log_unreadable(now, &found, conns),
            Letter::Publish(topics) => {
                for (topic, payload) in topics {
                    self.engine
                        .publish_internal(now, &topic, payload.as_bytes(), true, conns);
                }
            }
            Letter::Configure(engine, limits) => {
                self.engine.configure(engine);
                conns.set_limits(limits.clone());
                self.limits = limits;
            }
            Letter::Listen(bound) => {
                for bound in bound {
                    let id = bound.id.clone();
                    if let Err(error) = self.accepting.listen(bound, &self.poll) {
                        tracing::error!("{id} cannot be watched: {error}");
                    }
                }
            }
            Letter::Hush(keys, done) => {
                self.accepting.hush(&keys, &self.poll);
                // Who asked may have gone.
                let _ = done.send(());
            }
            Letter::Visit(question) => self.visit(question),
            Letter::ShutDown(until) => self.begin_shutdown(until),
        }
    }

    fn visit(&mut self, question: Question) {
        let mut visit = Visit {
            id: self.id,
            now: self.now,
            engine: &mut self.engine,
            conns: &mut self.conns,
            tickets: &mut self.tickets,
        };
        if catch_unwind(AssertUnwindSafe(|| question(&mut visit))).is_err() {
            // The hook has printed it. Who asked gets no answer; everybody else goes on.
            self.engine.metrics.add(Counter::Panics, 1);
        }
    }

    /// Tells who waits for what the engine has done.
    fn answer(&mut self) {
        for (ticket, done) in self.engine.answers().drain(..) {
            if let Some(answer) = self.tickets.remove(&ticket) {
                // Who asked may have gone.
                let _ = answer.send(done);
            }
        }
    }

    /// Hands over what this pass has for others: one letter per shard, one batch for the log.
    fn exchange(&mut self) {
        // First what is to be stored: what others store in answer to mail comes behind it.
        if !self.engine.requests().is_empty() {
            self.store.carry_out(self.id, self.engine.requests());
        }
        for (to, mail) in self.engine.outbox().iter_mut().enumerate() {
            if !mail.is_empty() {
                let to = u16::try_from(to).expect("at most 32 shards");
                self.post
                    .send(to, Letter::Mail(self.id, std::mem::take(mail)));
            }
        }
    }

    /// What happened to connections in this pass goes to the log and to the connection log.
    fn tell_connections(&mut self) {
        if self.conns.entries.is_empty() {
            return;
        }
        for entry in &self.conns.entries {
            self.reporter.tell(entry);
        }
        let flapping = &mut self.conns.flapped;
        if !flapping.is_empty() {
            let count = flapping.len() as u64;
            self.engine.metrics.add(Counter::Flapping, count);
            self.observed.flapping.add(flapping);
        }
        self.observed.connections.add(&mut self.conns.entries);
        roomy(&mut self.conns.entries);
    }

    /// Figures for others, now and then.
    fn account(&mut self) {
        if self.now.since(self.reported) >= millis(REPORT_EVERY) || self.stopping.is_some() {
            self.reported = self.now;
            let metrics = self.engine.metrics();
            self.post.report(self.id, metrics);
            stir();
        }
        if self.now.since(self.trimmed) >= millis(TRIM_EVERY) {
            self.trimmed = self.now;
            self.post.set_floor(self.id, self.engine.floor());
            if self.id == 0 {
                self.store.trim(self.post.floor() + 1);
            }
            self.conns.shrink_pool();
            self.give_room_back();
            self.keep_parked_alive();
            self.keep_rated_alive();
            self.reporter.flush(self.now);
        }
    }

    /// Lists that a crowd made long.
    fn give_room_back(&mut self) {
        roomy(&mut self.ready);
        roomy(&mut self.held);
        roomy(&mut self.letters);
        roomy(&mut self.conns.dirty);
        roomy(&mut self.conns.closing);
        self.post.give_room_back(self.id);
        self.engine.give_room_back();
    }

    fn begin_shutdown(&mut self, until: Instant) {
        self.stopping = Some(until);
        self.accepting.stop(&self.poll);
        self.engine.shut_down(self.now, &mut self.conns);
        let ending = Ending::Expelled(Cause::ShuttingDown.close());
        for slot in self.conns.slots() {
            Sink::close(&mut self.conns, ConnId(slot), ending);
        }
    }

    /// Everybody is gone, and what was left to do for them is safe.
    fn is_idle(&self) -> bool {
        self.conns.is_empty() && !self.engine.waits()
    }

    fn is_done(&self) -> bool {
        self.stopping
            .is_some_and(|until| self.is_idle() || Instant::now() >= until)
    }
}

/// The clock of all shards: milliseconds since 1970 as the system told them at the start, and from
/// then on evenly, whatever is done to the system's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Time,
    since: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let passed = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            start: Time(passed.map_or(0, millis)),
            since: Instant::now(),
        }
    }

    pub(crate) fn now(self) -> Time {
        self.start.plus_millis(millis(self.since.elapsed()))
    }

    pub(crate) fn uptime(self) -> Duration {
        self.since.elapsed()
    }
}

/// Gives back what a list has not needed of late.
fn roomy<T>(list: &mut Vec<T>) {
    if list.capacity() > 64 && list.len() * 4 < list.capacity() {
        list.shrink_to(list.len() * 2);
    }
}

/// Allocates a little, for the allocator's sake: it gives back what it caches for a thread as that
/// thread allocates, so one that rests after a crowd would keep it all (270 KB, measured).
fn stir() {
    for _ in 0..STIRRED_BYTES / conn::OUT_BYTES_MIN {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(
            conn::OUT_BYTES_MIN,
        )));
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
