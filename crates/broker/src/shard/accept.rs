//! New connections: taken by shard 0, bounded until they have sent their CONNECT.

use std::{
    fs::File,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{Cause, Counter};
use mio::{
    Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use super::{
    LISTENERS, Worker,
    conn::{Conn, Flag, Moving, Peer, Web, Wrap},
    deadline::Deadlines,
    mount::Mount,
    rate,
    stranger::Bound,
};
use crate::{
    config::ListenerId,
    control::listeners,
    files,
    lan::{self, Network},
    observe::connection::Entry,
    settings::Limits,
    tls::{Channel, Context},
};

/// Connections taken in one pass.
const ACCEPT_MAX: usize = 256;
/// Out of file descriptors: how long until the next try.
const RETRY: Duration = Duration::from_millis(100);

/// The listeners, and the connections that have still to say who they are.
#[derive(Default)]
pub(super) struct Accepting {
    /// A socket's place is its token: those that went leave a gap for the next.
    listeners: Vec<Option<Listener>>,
    /// Until when they have to.
    pub(super) pending: Deadlines,
    pub(super) pending_bytes: usize,
    /// Given up for a moment when no descriptor is left, to close a waiting connection at once.
    spare: Option<File>,
    retry_at: Option<Instant>,
    turn: u16,
}

struct Listener {
    key: u64,
    number: u8,
    id: ListenerId,
    socket: TcpListener,
    tls: Option<Arc<Context>>,
    due: bool,
    /// It is faster than its rate: nothing is taken before.
    rests_until: Option<Instant>,
}

impl Listener {
    fn is_due(&self) -> bool {
        self.due && self.rests_until.is_none()
    }
}

impl Accepting {
    pub(super) fn listen(&mut self, bound: listeners::Bound, poll: &Poll) -> io::Result<()> {
        let gap = self.listeners.iter().position(Option::is_none);
        let at = gap.unwrap_or(self.listeners.len());
        let mut socket = TcpListener::from_std(bound.socket);
        poll.registry()
            .register(&mut socket, Token(LISTENERS + at), Interest::READABLE)?;
        if gap.is_none() {
            self.listeners.push(None);
        }
        self.listeners[at] = Some(Listener {
            key: bound.key,
            number: bound.number,
            id: bound.id,
            socket,
            tls: bound.tls,
            due: true,
            rests_until: None,
        });
        self.spare = self.spare.take().or_else(spare);
        Ok(())
    }

    /// Closes the sockets with these keys.
    pub(super) fn hush(&mut self, keys: &[u64], poll: &Poll) {
        for place in &mut self.listeners {
            if let Some(mut listener) = place.take_if(|l| keys.contains(&l.key)) {
                // Dropping the socket is what counts.
                let _ = poll.registry().deregister(&mut listener.socket);
            }
        }
    }

    /// The shard whose turn it is to shake hands.
    fn next_shard(&mut self, count: u16) -> u16 {
        self.turn = (self.turn + 1) % count;
        self.turn
    }

    /// Until when a connection has to say what is due of it.
    pub(super) fn expect_until(&mut self, slot: u32, deadline: Instant) {
        self.pending.set(slot, deadline);
    }

    pub(super) fn is_due(&mut self, listener: usize) {
        if let Some(Some(listener)) = self.listeners.get_mut(listener) {
            listener.due = true;
        }
    }

    /// Web pages that may connect to a listener.
    pub(super) fn origins<'a>(&self, listener: u8, limits: &'a Limits) -> &'a [String] {
        let open = self.listeners.iter().flatten();
        let id = open.filter(|l| l.number == listener).map(|l| &l.id).next();
        id.and_then(|id| limits.origins.get(id)).map_or(&[], |o| o)
    }

    /// Networks of proxies whom a listener believes where a connection comes from, if it does.
    pub(super) fn forwarders<'a>(&self, listener: u8, limits: &'a Limits) -> Option<&'a [Network]> {
        if limits.forwarders.is_empty() {
            return None;
        }
        let mut open = self.listeners.iter().flatten();
        let open = open.find(|l| l.number == listener)?;
        limits.forwarders.get(&open.id).map(|networks| &**networks)
    }

    pub(super) fn stop(&mut self, poll: &Poll) {
        for listener in self.listeners.iter_mut().flatten() {
            // Dropping the socket is what counts.
            let _ = poll.registry().deregister(&mut listener.socket);
        }
        self.listeners.clear();
        self.retry_at = None;
    }

    pub(super) fn timeout(&self, connect_timeout: Duration) -> Duration {
        // While accepting rests, a listener that is due must not keep the loop awake.
        let open = self.listeners.iter().flatten();
        if self.retry_at.is_none() && open.clone().any(Listener::is_due) {
            return Duration::ZERO;
        }
        let now = Instant::now();
        [self.pending.next(), self.retry_at]
            .into_iter()
            .chain(open.map(|l| l.rests_until))
            .flatten()
            .map(|at| at.saturating_duration_since(now))
            .min()
            .unwrap_or(connect_timeout)
    }
}

fn spare() -> Option<File> {
    File::open(if cfg!(windows) { "NUL" } else { "/dev/null" }).ok()
}

impl Worker {
    pub(super) fn accept(&mut self) {
        if self
            .accepting
            .retry_at
            .is_some_and(|at| at <= Instant::now())
        {
            self.accepting.retry_at = None;
            for listener in self.accepting.listeners.iter_mut().flatten() {
                listener.due = true;
            }
        }
        for at in 0..self.accepting.listeners.len() {
            let Some(listener) = &mut self.accepting.listeners[at] else {
                continue;
            };
            if listener.rests_until.is_some_and(|at| at <= Instant::now()) {
                listener.rests_until = None;
            }
            if listener.is_due() && self.accepting.retry_at.is_none() {
                self.accept_from(at);
            }
        }
        self.expire_pending();
    }

    fn accept_from(&mut self, at: usize) {
        for _ in 0..ACCEPT_MAX {
            if !self.limits.rates.is_empty() && !self.may_accept(at) {
                return;
            }
            let Some(listener) = &mut self.accepting.listeners[at] else {
                return;
            };
            match listener.socket.accept() {
                Ok((stream, peer)) => self.admit(stream, Peer::new(peer), at),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    listener.due = false;
                    return;
                }
                Err(error) if is_out_of_files(&error) => return self.refuse_without_files(at),
                // The peer gave up meanwhile, or a fault of this one connection.
                Err(_) => {}
            }
        }
    }

    /// Whether a listener's rate lets another connection in. If not, it rests until it does.
    fn may_accept(&mut self, at: usize) -> bool {
        let now = rate::micros(self.clock.uptime());
        let Some(listener) = &mut self.accepting.listeners[at] else {
            return false;
        };
        let Some(wait) = self.limits.rates.connection(listener.number, now) else {
            return true;
        };
        listener.rests_until = Some(Instant::now() + Duration::from_micros(wait));
        self.engine.metrics.add(Counter::ConnectionsHeld, 1);
        false
    }

    fn admit(&mut self, stream: TcpStream, peer: Peer, at: usize) {
        let Some(listener) = &self.accepting.listeners[at] else {
            return;
        };
        let (number, web) = (listener.number, listener.id.transport.is_web());
        let terms = listener.tls.as_ref().map(|context| context.terms());
        if files::is_last_for_clients(&stream) {
            return self.turn_away(peer, number, Cause::NoFiles);
        }
        let max = self.limits.connections_max.get(&listener.id);
        if max.is_some_and(|max| self.post.open(number) >= *max) {
            return self.turn_away(peer, number, Cause::ConnectionsMax);
        }
        let proxies = self.limits.proxies.get(&listener.id);
        let proxied = proxies.is_some();
        if proxies.is_some_and(|proxies| !lan::is_proxy(peer.ip(), proxies, &self.limits.lan_guard))
        {
            return self.turn_away(peer, number, Cause::ProxyStranger);
        }
        // Behind a proxy, clients are looked at once it has said where they come from.
        let is_proxys = proxied || self.limits.forwarders.contains_key(&listener.id);
        if !is_proxys && !self.limits.takes(number, peer.ip()) {
            return self.turn_away(peer, number, Cause::ListenerAccess);
        }
        let mut timeout = None;
        let mut tls = None;
        if let Some(terms) = terms {
            let Some(channel) = Channel::new(terms.config.clone()) else {
                return;
            };
            tls = Some(Box::new(channel));
            timeout = Some(terms.handshake_timeout);
        }
        let mount = self.limits.mountpoints.get(&listener.id).cloned();
        let mut wrap = None;
        if web || proxied || tls.is_some() || mount.is_some() {
            wrap = Some(Box::new(Wrap {
                tls,
                web: web.then(Web::default),
                mount: mount.map(|template| Box::new(Mount::new(template))),
                proxied,
            }));
        }
        let moving = Moving {
            stream,
            bytes: Vec::new(),
            wrap,
            peer,
            listener: number,
            timeout,
        };
        self.post.opened(number);
        // Handshakes of TLS are work for all; that of a WebSocket needs what is known here.
        let shard = if timeout.is_some() && !web {
            self.accepting.next_shard(self.post.count())
        } else {
            self.id
        };
        if shard == self.id {
            self.adopt_stranger(moving);
        } else {
            self.post
                .send(shard, super::Letter::Stranger(Box::new(moving)));
        }
    }

    /// Puts a connection into this shard's table and poll.
    fn register(&mut self, conn: Conn) -> Option<u32> {
        let slot = self.conns.insert(conn);
        let conn = self.conns.get_mut(slot)?;
        let token = Token(slot as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self
            .poll
            .registry()
            .register(&mut conn.stream, token, interest)
        {
            tracing::error!("a connection could not be watched: {error}");
            self.conns.remove(slot);
            return None;
        }
        // Bytes may be there already; with edge triggers nobody will say so again.
        self.note_readable(slot, false);
        Some(slot)
    }

    /// A connection whose session lives here.
    pub(super) fn adopt(&mut self, moving: Moving) {
        let mut conn = Conn::new(moving.stream, moving.peer, moving.listener);
        conn.wrap = moving.wrap;
        if self.stopping.is_some() {
            self.post.closed(conn.listener);
            return;
        }
        let listener = conn.listener;
        let Some(slot) = self.register(conn) else {
            self.post.closed(listener);
            return;
        };
        self.count_waiting(slot);
        self.take_bytes(slot, &moving.bytes);
        // Its last bytes and the word that no more follow may have come together.
        let tls = self.conns.get(slot).and_then(|c| c.tls());
        if tls.is_some_and(Channel::is_ended) {
            self.lost(slot);
        }
    }

    /// A connection that somebody else took and counted, and that has still to say who it is.
    pub(super) fn adopt_stranger(&mut self, moving: Moving) {
        let number = moving.listener;
        if self.stopping.is_some() {
            return self.post.closed(number);
        }
        // Small answers must not wait for each other; a failure only costs latency.
        let _ = moving.stream.set_nodelay(true);
        let mut conn = Conn::new(moving.stream, moving.peer, number);
        conn.wrap = moving.wrap;
        conn.flags.set(Flag::Pending);
        let Some(slot) = self.register(conn) else {
            return self.post.closed(number);
        };
        let timeout = moving.timeout.unwrap_or(self.limits.connect_timeout);
        self.accepting.expect_until(slot, Instant::now() + timeout);
        if !self.speaks_for_another(slot) && !self.counts_address(slot) {
            return self.abandon(slot, Cause::PendingPerAddressMax);
        }
        // What a page sent behind its handshake.
        let mut bytes = moving.bytes;
        if !bytes.is_empty()
            && let Some(payload) = self.unwrap_frames(slot, &mut bytes)
        {
            self.take_bytes(slot, &bytes[..payload]);
        }
        self.note_strangers();
        self.keep_within(Bound::Connections);
    }

    /// Hands a connection to the shard where its session lives.
    pub(super) fn move_to(&mut self, slot: u32, home: u16, bytes: &[u8]) {
        self.no_longer_pending(slot);
        self.forget_waiting(slot);
        let Some(mut conn) = self.conns.remove(slot) else {
            return;
        };
        if let Err(error) = self.poll.registry().deregister(&mut conn.stream) {
            tracing::error!("a connection could not be moved: {error}");
            self.post.closed(conn.listener);
            return;
        }
        let moving = Moving {
            stream: conn.stream,
            bytes: bytes.to_vec(),
            wrap: conn.wrap,
            peer: conn.peer,
            listener: conn.listener,
            timeout: None,
        };
        self.post
            .send(home, super::Letter::Socket(Box::new(moving)));
    }

    /// Notes a connection that is closed as it comes.
    fn turn_away(&mut self, peer: Peer, listener: u8, cause: Cause) {
        let entry = Entry::stranger(self.now, peer, listener, cause.close());
        self.conns.entries.push(entry);
    }

    /// No descriptor is left: the connection that waits is closed with the spare one, and accepting
    /// rests for a moment instead of spinning.
    fn refuse_without_files(&mut self, at: usize) {
        drop(self.accepting.spare.take());
        if let Some(listener) = &self.accepting.listeners[at]
            && let Ok((stream, peer)) = listener.socket.accept()
        {
            drop(stream);
            let number = listener.number;
            self.turn_away(Peer::new(peer), number, Cause::NoFiles);
        }
        self.accepting.spare = spare();
        self.accepting.retry_at = Some(Instant::now() + RETRY);
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    // EMFILE and ENFILE; WSAEMFILE on Windows.
    matches!(error.raw_os_error(), Some(23 | 24 | 10024))
}
