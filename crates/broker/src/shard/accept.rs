//! New connections: taken by shard 0, bounded until they have sent their CONNECT.

use std::{
    fs::File,
    io,
    time::{Duration, Instant},
};

use mio::{
    Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use super::{
    LISTENERS, Worker,
    conn::{Conn, Moving, Peer, Web},
    deadline::Deadlines,
};
use crate::{config::Transport, control::listeners::Bound, settings::Limits};

/// Connections taken in one pass.
const ACCEPT_MAX: usize = 256;
/// Out of file descriptors: how long until the next try.
const RETRY: Duration = Duration::from_millis(100);

/// The listeners, and the connections that have still to say who they are.
pub(super) struct Accepting {
    listeners: Vec<Listener>,
    /// Until when they have to.
    pending: Deadlines,
    pub(super) pending_bytes: usize,
    /// Given up for a moment when no descriptor is left, to close a waiting connection at once.
    spare: Option<File>,
    retry_at: Option<Instant>,
}

struct Listener {
    id: crate::config::ListenerId,
    socket: TcpListener,
    due: bool,
}

impl Accepting {
    pub(super) fn new(bound: Vec<Bound>, poll: &Poll) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for (at, bound) in bound.into_iter().enumerate() {
            let mut socket = TcpListener::from_std(bound.socket);
            poll.registry()
                .register(&mut socket, Token(LISTENERS + at), Interest::READABLE)?;
            listeners.push(Listener {
                id: bound.id,
                socket,
                due: true,
            });
        }
        Ok(Self {
            listeners,
            pending: Deadlines::default(),
            pending_bytes: 0,
            spare: spare(),
            retry_at: None,
        })
    }

    pub(super) fn is_due(&mut self, listener: usize) {
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.due = true;
        }
    }

    /// Web pages that may connect to a listener.
    pub(super) fn origins<'a>(&self, listener: u8, limits: &'a Limits) -> &'a [String] {
        let id = self.listeners.get(usize::from(listener)).map(|l| &l.id);
        id.and_then(|id| limits.origins.get(id)).map_or(&[], |o| o)
    }

    pub(super) fn stop(&mut self, poll: &Poll) {
        for listener in &mut self.listeners {
            // Dropping the socket is what counts.
            let _ = poll.registry().deregister(&mut listener.socket);
        }
        self.listeners.clear();
        self.retry_at = None;
    }

    pub(super) fn timeout(&self, connect_timeout: Duration) -> Duration {
        // While accepting rests, a listener that is due must not keep the loop awake.
        if self.retry_at.is_none() && self.listeners.iter().any(|l| l.due) {
            return Duration::ZERO;
        }
        let now = Instant::now();
        [self.pending.next(), self.retry_at]
            .into_iter()
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
            for listener in &mut self.accepting.listeners {
                listener.due = true;
            }
        }
        for at in 0..self.accepting.listeners.len() {
            if self.accepting.listeners[at].due && self.accepting.retry_at.is_none() {
                self.accept_from(at);
            }
        }
        self.expire_pending();
    }

    fn accept_from(&mut self, at: usize) {
        for _ in 0..ACCEPT_MAX {
            let listener = &mut self.accepting.listeners[at];
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

    fn admit(&mut self, stream: TcpStream, peer: Peer, at: usize) {
        let listener = &self.accepting.listeners[at];
        let max = self
            .limits
            .connections_max
            .iter()
            .find(|(id, _)| *id == listener.id);
        if max.is_some_and(|(_, max)| self.post.open(at) >= *max) {
            self.reporter.note(
                self.now,
                &peer,
                None,
                "the listener's max_connections is reached",
            );
            return;
        }
        if self.accepting.pending.len() >= self.limits.pending_max {
            self.close_oldest_pending("too many connections without CONNECT (mqtt.max_pending)");
        }
        // Small answers must not wait for each other; a failure only costs latency.
        let _ = stream.set_nodelay(true);
        let listener = u8::try_from(at).unwrap_or(u8::MAX);
        let mut conn = Conn::new(stream, peer, listener);
        if self.accepting.listeners[at].id.transport == Transport::WebSocket {
            conn.web = Some(Box::new(Web::default()));
        }
        conn.flags.pending = true;
        let Some(slot) = self.register(conn) else {
            return;
        };
        self.post.opened(at);
        let deadline = Instant::now() + self.limits.connect_timeout;
        self.accepting.pending.set(slot, deadline);
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
        conn.web = moving.web;
        if self.stopping.is_some() {
            self.post.closed(usize::from(conn.listener));
            return;
        }
        let listener = usize::from(conn.listener);
        let Some(slot) = self.register(conn) else {
            self.post.closed(listener);
            return;
        };
        self.take_bytes(slot, &moving.bytes);
    }

    /// Hands a connection to the shard where its session lives.
    pub(super) fn move_to(&mut self, slot: u32, home: u16, bytes: &[u8]) {
        self.no_longer_pending(slot);
        let Some(mut conn) = self.conns.remove(slot) else {
            return;
        };
        if let Err(error) = self.poll.registry().deregister(&mut conn.stream) {
            tracing::error!("a connection could not be moved: {error}");
            self.post.closed(usize::from(conn.listener));
            return;
        }
        let moving = Moving {
            stream: conn.stream,
            bytes: bytes.to_vec(),
            web: conn.web,
            peer: conn.peer,
            listener: conn.listener,
        };
        self.post
            .send(home, super::Letter::Socket(Box::new(moving)));
    }

    pub(super) fn no_longer_pending(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        if conn.flags.pending {
            conn.flags.pending = false;
            self.accepting.pending.cancel(slot);
            let held = conn.input.as_ref().map_or(0, |i| i.len());
            self.accepting.pending_bytes = self.accepting.pending_bytes.saturating_sub(held);
        }
    }

    /// Bytes kept for connections without CONNECT changed; the oldest go if it is too much.
    pub(super) fn count_pending_bytes(&mut self, before: usize, after: usize) {
        let bytes = self.accepting.pending_bytes + after;
        self.accepting.pending_bytes = bytes.saturating_sub(before);
        while self.accepting.pending_bytes > self.limits.pending_bytes_max
            && self.accepting.pending.len() > 0
        {
            self.close_oldest_pending("too many bytes before CONNECT (mqtt.max_pending_bytes)");
        }
    }

    fn close_oldest_pending(&mut self, cause: &'static str) {
        if let Some(slot) = self.accepting.pending.pop_first() {
            self.abandon(slot, cause);
        }
    }

    /// The deadline is for the whole CONNECT, not for its next byte.
    fn expire_pending(&mut self) {
        let now = Instant::now();
        while let Some(slot) = self.accepting.pending.pop_due(now) {
            self.abandon(slot, "no CONNECT in time (mqtt.connect_timeout)");
        }
    }

    /// No descriptor is left: the connection that waits is closed with the spare one, and accepting
    /// rests for a moment instead of spinning.
    fn refuse_without_files(&mut self, at: usize) {
        drop(self.accepting.spare.take());
        if let Ok((stream, peer)) = self.accepting.listeners[at].socket.accept() {
            drop(stream);
            let cause = "no file descriptor is left; raise the limit (ulimit -n, LimitNOFILE)";
            self.reporter.note(self.now, &Peer::new(peer), None, cause);
        }
        self.accepting.spare = spare();
        self.accepting.retry_at = Some(Instant::now() + RETRY);
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    // EMFILE and ENFILE; WSAEMFILE on Windows.
    matches!(error.raw_os_error(), Some(23 | 24 | 10024))
}
