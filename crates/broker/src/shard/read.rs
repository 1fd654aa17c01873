//! From a socket to the engine: one read per connection and pass, parsed where it was read.

use std::{
    io::{self, Read},
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

use engine::{Cause, ConnId, Counter, Ending, Opened, Received, SessionId, Shard, Sink};

use super::{
    Conns, TAIL_BYTES, Worker,
    conn::{Flag, Peer},
    tls::HANDSHAKES_MAX,
};
use crate::lan;
use crate::tls::Channel;
use crate::transport::{
    http::{http_page, looks_like_http, looks_like_tls},
    websocket,
};

/// How long a client rests.
const REST_MILLIS: u64 = 50;

/// What a read left.
pub(super) enum Left {
    Drained,
    More,
    /// Nothing was read: what there is waits until the connection is released.
    Held,
    End,
}

impl Left {
    pub(super) fn drained_unless(more: bool) -> Self {
        if more { Self::More } else { Self::Drained }
    }
}

impl Worker {
    pub(super) fn read_ready(&mut self) {
        let mut again = Vec::new();
        self.handshakes = 0;
        for slot in std::mem::take(&mut self.ready) {
            let Some(conn) = self.conns.get_mut(slot) else {
                continue;
            };
            if conn.flags.has(Flag::Lingering) || conn.flags.has(Flag::Closing) {
                // Also what follows a refused CONNECT [MQTT-3.1.4-6].
                self.discard(slot);
                continue;
            }
            if conn.flags.has(Flag::Held) {
                continue; // still marked as ready: `release_held` puts it back
            }
            if self.handshakes >= HANDSHAKES_MAX && conn.tls().is_some_and(|tls| tls.is_opening()) {
                again.push(slot);
                continue;
            }
            match self.read_one(slot) {
                // A held connection stays marked ready and is read on when it is released.
                Left::More
                    if self
                        .conns
                        .get(slot)
                        .is_some_and(|c| c.flags.has(Flag::Held)) => {}
                Left::More => again.push(slot),
                Left::Held => {}
                Left::Drained => {
                    if let Some(conn) = self.conns.get_mut(slot) {
                        conn.flags.clear(Flag::Ready);
                    }
                }
                Left::End => self.lost(slot),
            }
        }
        // Connections that became readable through mail are behind those that did not finish.
        again.append(&mut self.ready);
        self.ready = again;
    }

    fn read_one(&mut self, slot: u32) -> Left {
        let mut buffer = std::mem::take(&mut self.buffer);
        let left = self.read_into(slot, &mut buffer);
        self.buffer = buffer;
        left
    }

    fn read_into(&mut self, slot: u32, buffer: &mut [u8]) -> Left {
        let Some(conn) = self.conns.get_mut(slot) else {
            return Left::Drained;
        };
        if conn.flags.has(Flag::Held) {
            return Left::Held;
        }
        let max = self.read_max(slot);
        let Some(conn) = self.conns.get_mut(slot).filter(|_| max > 0) else {
            return Left::Drained;
        };
        let (got, end) = match conn.stream.read(&mut buffer[TAIL_BYTES..TAIL_BYTES + max]) {
            Ok(0) => return Left::End,
            Ok(n) => (n, TAIL_BYTES + n),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Left::Drained,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Left::More,
            Err(_) => return Left::End,
        };
        self.reads += 1;
        // A short read means the socket is empty (epoll, kqueue); Windows re-arms on WouldBlock, and a
        // peer that has closed is read to its end.
        let more = got == max || conn.flags.has(Flag::Ended) || cfg!(windows);
        if conn.wrap.is_some() {
            return self.read_wrapped(slot, buffer, end, more);
        }
        self.join_tail(slot, buffer, end);
        Left::drained_unless(more)
    }

    /// What was read of a connection that is more than MQTT on a socket, layer by layer.
    pub(super) fn read_wrapped(
        &mut self,
        slot: u32,
        buffer: &mut [u8],
        end: usize,
        more: bool,
    ) -> Left {
        let Some(conn) = self.conns.get(slot) else {
            return Left::Drained;
        };
        let payload = match &conn.wrap {
            Some(wrap) if wrap.proxied => return self.read_proxied(slot, buffer, end, more),
            Some(wrap) if wrap.tls.is_some() => {
                return self.read_sealed(slot, &mut buffer[TAIL_BYTES..end], more);
            }
            Some(wrap) if wrap.web.is_some() => {
                self.unwrap_frames(slot, &mut buffer[TAIL_BYTES..end])
            }
            _ => Some(end - TAIL_BYTES),
        };
        if let Some(payload) = payload {
            self.join_tail(slot, buffer, TAIL_BYTES + payload);
        }
        Left::drained_unless(more)
    }

    /// Puts what is left of the last read before this one, and hands it on.
    pub(super) fn join_tail(&mut self, slot: u32, buffer: &mut [u8], end: usize) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        let Some(mut input) = conn.input.take() else {
            return self.take_bytes(slot, &buffer[TAIL_BYTES..end]);
        };
        let before = input.len();
        if input.len() <= TAIL_BYTES {
            let from = TAIL_BYTES - input.len();
            buffer[from..TAIL_BYTES].copy_from_slice(&input);
            self.forget_input(slot, before);
            self.take_bytes(slot, &buffer[from..end]);
        } else {
            input.extend_from_slice(&buffer[TAIL_BYTES..end]);
            self.forget_input(slot, before);
            if let Some(used) = self.consume(slot, &input) {
                input.drain(..used);
                self.keep_input(slot, *input);
            }
        }
    }

    /// MQTT bytes of a connection, from the start of a packet on.
    pub(super) fn take_bytes(&mut self, slot: u32, bytes: &[u8]) {
        if let Some(used) = self.consume(slot, bytes) {
            self.keep_input(slot, bytes[used..].to_vec());
        }
    }

    /// Hands on what is whole; `None` if the connection is over or gone elsewhere.
    fn consume(&mut self, slot: u32, bytes: &[u8]) -> Option<usize> {
        let conn = self.conns.get(slot)?;
        if conn.wrap.is_some() && self.is_mounted(slot) {
            return self.consume_mounted(slot, bytes);
        }
        match conn.session {
            Some(session) => self.feed(slot, session, bytes),
            None => self.feed_first(slot, bytes, bytes),
        }
    }

    /// Bytes of a connected client. `None` if the connection is over or gone elsewhere.
    pub(super) fn feed(&mut self, slot: u32, session: SessionId, bytes: &[u8]) -> Option<usize> {
        let now = self.now;
        // Rates are rare, and memory is mostly enough: then this is all that they cost.
        let rated = !self.limits.rates.is_empty() || self.conns.is_short;
        let published = if rated {
            self.engine.metrics.publish_received()
        } else {
            0
        };
        let received = self.guarded(slot, |engine, conns| {
            engine.receive(now, session, bytes, conns)
        });
        let consumed = self.note_received(slot, bytes, received?);
        if rated && let Some(consumed) = consumed {
            self.take_rated(slot, consumed, published);
        }
        consumed
    }

    /// What the engine has taken of these bytes; `None` if the connection is over.
    #[inline]
    fn note_received(&mut self, slot: u32, bytes: &[u8], received: Received) -> Option<usize> {
        match received {
            Received::Consumed(n) => {
                self.trace_in(slot, &bytes[..n]);
                Some(n)
            }
            Received::Hold(n, until) => {
                self.trace_in(slot, &bytes[..n]);
                if let Some(conn) = self.conns.get_mut(slot) {
                    conn.flags.set(Flag::Held);
                    self.held.push((until, slot));
                }
                Some(n)
            }
            Received::Closed(n) => {
                // The last packet may not be among them: it is why the connection ends.
                self.trace_in(slot, &bytes[..n]);
                None
            }
        }
    }

    /// Work for one connection. A panic ends only this connection.
    #[inline]
    pub(super) fn guarded<T>(
        &mut self,
        slot: u32,
        work: impl FnOnce(&mut Shard, &mut Conns) -> T,
    ) -> Option<T> {
        let (engine, conns) = (&mut self.engine, &mut self.conns);
        let done = catch_unwind(AssertUnwindSafe(|| work(engine, conns)));
        if done.is_err() {
            // The hook has printed it.
            self.engine.metrics.add(Counter::Panics, 1);
            if let Some(conn) = self.conns.get_mut(slot) {
                // Its CONNECT may have come as far as a session.
                conn.session = conn
                    .session
                    .or_else(|| self.engine.session_on(ConnId(slot)));
            }
            self.abandon(slot, Cause::Fault);
        }
        done.ok()
    }

    /// The first bytes of a connection. `sent` is what the peer has sent from there on, for another shard.
    pub(super) fn feed_first(&mut self, slot: u32, bytes: &[u8], sent: &[u8]) -> Option<usize> {
        if self.is_foreign(slot, bytes) {
            return None;
        }
        let conn = ConnId(slot);
        self.conns.opening = self.conns.get(slot).map(|c| c.peer);
        self.conns.gate.brought = bytes.len();
        let now = self.now;
        let opened = self.guarded(slot, |engine, conns| {
            if conns.gate.verdict.is_some() || conns.gate.talks.is_challenged(slot) {
                engine.reopen(now, conn, bytes, conns)
            } else {
                engine.open(now, conn, bytes, conns)
            }
        });
        match opened? {
            Opened::NeedMore => Some(0),
            Opened::Waits => {
                // It has sent its CONNECT in time; how long it waits for us is another deadline's.
                self.no_longer_pending(slot);
                self.conns.get_mut(slot)?.flags.set(Flag::Held);
                Some(0)
            }
            // How long it has for its answer is that deadline's, too.
            Opened::Challenged => Some(0),
            Opened::Elsewhere(home) => {
                self.move_to(slot, home, sent);
                None
            }
            Opened::Session(session, used) => {
                self.no_longer_pending(slot);
                self.conns.get_mut(slot)?.session = Some(session);
                self.note_end(slot);
                self.trace_first(slot, &bytes[..used]);
                // What was pipelined behind CONNECT is handled now.
                self.feed(slot, session, &bytes[used..]).map(|n| used + n)
            }
            Opened::Refused => None,
        }
    }

    /// Peers that came with the wrong protocol are told, or at least named in the log.
    fn is_foreign(&mut self, slot: u32, bytes: &[u8]) -> bool {
        let Some(conn) = self.conns.get(slot) else {
            return true;
        };
        if conn.web().is_some() {
            return false;
        }
        if looks_like_http(bytes) {
            let page = http_page(&self.limits.ports);
            self.conns.out(ConnId(slot)).extend_from_slice(&page);
            self.refuse(slot, Cause::HttpOnMqtt);
            return true;
        }
        if looks_like_tls(bytes) {
            self.refuse(slot, Cause::TlsOnMqtt);
            return true;
        }
        false
    }

    /// Turns away a peer that has not said who it is.
    pub(super) fn refuse(&mut self, slot: u32, cause: Cause) {
        if self
            .conns
            .get(slot)
            .is_some_and(|c| !c.flags.has(Flag::Closing))
        {
            self.conns.log_stranger(slot, cause);
            let ending = Ending::Expelled(cause.close());
            self.conns.close(ConnId(slot), ending);
        }
    }

    /// Takes WebSocket frames off. Gives the length of the MQTT bytes, now at the front.
    pub(super) fn unwrap_frames(&mut self, slot: u32, bytes: &mut [u8]) -> Option<usize> {
        let conn = self.conns.get_mut(slot)?;
        let web = conn.web_mut()?;
        if !web.upgraded {
            return self.shake_hands(slot, bytes);
        }
        let progress = web.deframer.feed(bytes, &mut web.framed);
        if let Some(close) = progress.close {
            web.closed = true;
            self.take_tail_then_close(slot, &bytes[..progress.payload], close);
            return None;
        }
        if !web.framed.is_empty() {
            self.conns.mark_dirty(slot);
        }
        if progress.is_chaff() {
            self.rest(slot);
        }
        Some(progress.payload)
    }

    /// A client is not read for a moment, because what it sends is mostly wasted.
    fn rest(&mut self, slot: u32) {
        if let Some(conn) = self.conns.get_mut(slot)
            && conn.session.is_some()
            && !conn.flags.has(Flag::Held)
        {
            conn.flags.set(Flag::Held);
            self.held.push((self.now.plus_millis(REST_MILLIS), slot));
        }
    }

    fn take_tail_then_close(&mut self, slot: u32, payload: &[u8], close: websocket::Close) {
        let input = self.conns.get_mut(slot).and_then(|c| c.input.take());
        let mut whole = input.map_or_else(Vec::new, |i| *i);
        self.forget_input(slot, whole.len());
        whole.extend_from_slice(payload);
        self.take_bytes(slot, &whole);
        self.conns.mark_dirty(slot);
        if self.conns.get(slot).is_some_and(|c| c.session.is_some()) {
            self.lose_session_for(slot, close.cause);
            let ending = Ending::Expelled(close.cause.close());
            self.conns.close(ConnId(slot), ending);
        } else if close.cause == Cause::WebSocketClosed {
            self.refuse(slot, Cause::ClosedEarly);
        } else {
            self.refuse(slot, close.cause);
        }
    }

    /// The opening handshake; bytes behind it are frames already.
    fn shake_hands(&mut self, slot: u32, bytes: &mut [u8]) -> Option<usize> {
        let conn = self.conns.get_mut(slot)?;
        let mut request = conn.input.take().map_or_else(Vec::new, |i| *i);
        let before = request.len();
        request.extend_from_slice(bytes);
        self.forget_input(slot, before);
        let listener = self.conns.get(slot)?.listener;
        let origins = self.accepting.origins(listener, &self.limits);
        match websocket::upgrade(&request, &self.limits.ports, origins) {
            Ok(None) => {
                self.count_pending_bytes(0, request.len());
                self.conns.get_mut(slot)?.input = Some(Box::new(request));
                None
            }
            Ok(Some(upgrade)) => {
                if let Some(said) = upgrade.forwarded {
                    self.forwarded(slot, listener, said);
                }
                if !self.counts_address(slot) {
                    self.refuse(slot, Cause::PendingPerAddressMax);
                    return None;
                }
                let conn = self.conns.get_mut(slot)?;
                if !self.limits.takes(listener, conn.peer.ip()) {
                    self.refuse(slot, Cause::ListenerAccess);
                    return None;
                }
                let web = conn.web_mut()?;
                web.upgraded = true;
                web.framed.extend_from_slice(&upgrade.response);
                self.conns.mark_dirty(slot);
                // The request was longer than what came last by what was kept, so the rest fits.
                let rest = request.len() - upgrade.consumed;
                bytes[..rest].copy_from_slice(&request[upgrade.consumed..]);
                if rest == 0 {
                    return None;
                }
                self.unwrap_frames(slot, &mut bytes[..rest])
            }
            Err(refusal) => {
                let web = self.conns.get_mut(slot)?.web_mut()?;
                web.framed.extend_from_slice(&refusal.response);
                self.conns.mark_dirty(slot);
                self.refuse(slot, refusal.cause);
                None
            }
        }
    }

    /// A proxy says where a client comes from. From whom nobody was told to believe that, it can only make
    /// the client farther.
    fn forwarded(&mut self, slot: u32, listener: u8, said: Option<IpAddr>) {
        let proxies = self.accepting.forwarders(listener, &self.limits);
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        let is_proxy = proxies
            .is_some_and(|proxies| lan::is_proxy(conn.peer.ip(), proxies, &self.limits.lan_guard));
        if let Some(source) = said.filter(|_| is_proxy) {
            let port = conn.peer.address().port();
            return self.comes_from(slot, Peer::new((source, port).into()));
        }
        let guard = &self.limits.lan_guard;
        let is_far = !said.is_some_and(|source| lan::distance(source, guard).is_near());
        if let Some(web) = conn.web_mut() {
            web.far = is_far;
        }
    }

    /// Publishers that waited for a slow receiver are read again.
    pub(super) fn release_held(&mut self) {
        let now = self.now;
        let mut due = Vec::new();
        self.held.retain(|(at, slot)| {
            if *at <= now {
                due.push(*slot);
            }
            *at > now
        });
        for slot in due {
            self.release(slot);
        }
    }

    /// Goes on with what a connection has sent, and reads it again.
    pub(super) fn release(&mut self, slot: u32) {
        // It may have ended, and another may have its number.
        let Some(conn) = self.conns.get_mut(slot).filter(|c| c.flags.has(Flag::Held)) else {
            return;
        };
        conn.flags.clear(Flag::Held);
        if conn.flags.has(Flag::Closing) {
            if conn.flags.has(Flag::Ready) {
                self.ready.push(slot);
            }
            return;
        }
        let waiting = conn.input.take();
        let unread = conn.flags.has(Flag::Ready);
        if let Some(input) = waiting {
            self.forget_input(slot, input.len());
            self.take_bytes(slot, &input);
        }
        let held = self.conns.get(slot).is_none_or(|c| c.flags.has(Flag::Held));
        if unread && !held {
            self.ready.push(slot);
        }
    }

    /// Reads and throws away, until the peer closes too.
    fn discard(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        conn.flags.clear(Flag::Ready);
        loop {
            match conn.stream.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(n) if n < self.buffer.len() && !conn.flags.has(Flag::Ended) => return,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if conn.flags.has(Flag::Lingering) {
            self.remove(slot);
        }
    }

    /// The peer is gone.
    pub(super) fn lost(&mut self, slot: u32) {
        if self
            .conns
            .get(slot)
            .is_some_and(|c| c.flags.has(Flag::Pending))
        {
            let shook = |tls: &Channel| !tls.is_new();
            let in_tls = self
                .conns
                .get(slot)
                .and_then(|c| c.tls())
                .is_some_and(shook);
            let cause = if in_tls {
                Cause::TlsClosed
            } else {
                Cause::ClosedEarly
            };
            self.conns.log_stranger(slot, cause);
        }
        self.lose_session(slot);
        self.remove(slot);
    }

    pub(super) fn lose_session(&mut self, slot: u32) {
        if let Some(session) = self.conns.get_mut(slot).and_then(|c| c.session.take()) {
            self.engine
                .gone(self.now, session, ConnId(slot), &mut self.conns);
        }
    }

    /// As if the peer had gone, but for a cause that the engine does not know.
    pub(super) fn lose_session_for(&mut self, slot: u32, cause: Cause) {
        self.conns.instead = Some(cause.close());
        self.lose_session(slot);
        self.conns.instead = None;
    }

    /// Ends a connection without a word to it.
    pub(super) fn abandon(&mut self, slot: u32, cause: Cause) {
        match self.conns.get(slot).map(|c| c.session.is_some()) {
            Some(true) => self.lose_session_for(slot, cause),
            Some(false) => self.conns.log_stranger(slot, cause),
            None => {}
        }
        self.remove(slot);
    }

    pub(super) fn remove(&mut self, slot: u32) {
        self.drop_input(slot);
        self.no_longer_pending(slot);
        self.accounts.close(slot);
        if let Some(mut conn) = self.conns.remove(slot) {
            // The descriptor is closed right after; a failure changes nothing.
            let _ = self.poll.registry().deregister(&mut conn.stream);
            self.post.closed(conn.listener);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, net, path::Path, sync::Arc, time::Duration};

    use super::*;
    use crate::{
        access::authenticate::Desk,
        config::{Config, Lang},
        control::store,
        observe::{Observed, connection},
        settings,
        shard::{Clock, Moving, Parts, Post},
        transport::http::Ports,
    };

    fn worker(dir: &Path) -> Worker {
        let mut config = Config::default();
        config.node.data_dir = dir.to_owned();
        let store = store::open(&config, Arc::new(|_| {}), Arc::new(|| {})).unwrap();
        let (post, mut polls) = Post::new(1).unwrap();
        let post = Arc::new(post);
        Worker::new(Parts {
            id: 0,
            count: 1,
            seed: 1,
            clock: Clock::new(),
            engine: Arc::new(settings::engine(&config, 1)),
            limits: Arc::new(settings::Limits::new(&config, 1, Ports::default(), |_| {
                None
            })),
            post: post.clone(),
            store: store::Door::new(Arc::new(store), post),
            desk: Arc::new(Desk::new()),
            observed: Arc::new(Observed::new(dir)),
            poll: polls.remove(0),
        })
    }

    /// Nothing that a peer sends provokes a fault of ours, so here is one. It ends one connection, is
    /// counted, and is told in words.
    #[test]
    fn a_fault_ends_one_connection() {
        let dir = std::env::temp_dir().join(format!("ternmq-fault-{}", std::process::id()));
        let mut worker = worker(&dir);
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut clients = ["one", "two", ""].map(|id| {
            let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            client
                .set_read_timeout(Some(Duration::from_secs(10)))
                .unwrap();
            let (stream, peer) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            worker.post.opened(0);
            worker.adopt(Moving {
                stream: mio::net::TcpStream::from_std(stream),
                bytes: if id.is_empty() { vec![] } else { connect(id) },
                wrap: None,
                peer: Peer::new(peer),
                listener: 0,
                timeout: None,
            });
            client
        });
        let slots = worker.conns.slots();
        worker.conns.entries.clear();
        let faulty = worker.guarded(slots[0], |_, _| -> () {
            panic!("a fault, as the test wants")
        });
        assert_eq!(faulty, None);
        assert_eq!(worker.conns.slots(), slots[1..]);
        assert_eq!(clients[0].read(&mut [0; 8]).unwrap(), 0);
        assert_eq!(worker.engine.metrics.get(Counter::Panics), 1);
        let log = connection::Log::default();
        log.add(&mut worker.conns.entries);
        for lang in [Lang::En, Lang::Zh] {
            let found = log.find(&connection::Query::default(), 0, 9, lang);
            assert_eq!(found.count, 1);
            let row = &found.records[0];
            assert_eq!((row.code, &*row.client_id), ("broker_fault", "one"));
            assert!(!row.cause.is_empty() && !row.remedy.is_empty());
        }
        let session = worker.conns.get(slots[1]).unwrap().session.unwrap();
        assert_eq!(worker.feed(slots[1], session, &[0xC0, 0]), Some(2));

        // In the middle of a CONNECT: its session does not stay behind on a number that another gets.
        let now = worker.now;
        let faulty = worker.guarded(slots[2], |engine, conns| -> () {
            engine.open(now, ConnId(slots[2]), &connect("three"), conns);
            assert!(engine.session_on(ConnId(slots[2])).is_some());
            panic!("a fault, as the test wants")
        });
        assert_eq!(faulty, None);
        assert_eq!(worker.engine.session_on(ConnId(slots[2])), None);
        assert_eq!(worker.conns.slots(), slots[1..2]);
        drop(worker);
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// A CONNECT of version 3.1.1 with a clean session.
    fn connect(id: &str) -> Vec<u8> {
        let length = u8::try_from(id.len()).unwrap();
        let head = [
            0x10,
            12 + length,
            0,
            4,
            b'M',
            b'Q',
            b'T',
            b'T',
            4,
            2,
            0,
            60,
            0,
            length,
        ];
        [&head[..], id.as_bytes()].concat()
    }
}
