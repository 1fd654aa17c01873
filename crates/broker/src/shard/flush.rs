//! From out-buffers to sockets: each touched socket is written once, at the end of the pass.
#![expect(clippy::box_collection, reason = "out-buffers are boxed, see `conn`")]

use std::{
    io::{self, Write},
    net::Shutdown,
    time::{Duration, Instant},
};

use engine::{Counter, Ending};
use mio::net::TcpStream;

use super::{
    Worker,
    conn::{Flag, Web, Wrap},
    mount::mount_of,
};
use crate::{
    tls::{Channel, SEAL_MAX},
    transport::websocket,
};

/// How long a closed connection may take its last bytes and close its own side. Closing a socket with
/// unread bytes would reset it, and the peer might lose the reason we sent.
const LINGER: Duration = Duration::from_secs(1);

/// How long a client that has said DISCONNECT may take to close its side.
const PARTING: Duration = Duration::from_millis(100);

/// What became of the bytes.
enum Written {
    All,
    /// The socket took no more.
    Part,
    Broken,
}

impl Worker {
    pub(super) fn flush(&mut self) {
        // Sending may free windows and so produce more; the next pass takes that.
        for slot in std::mem::take(&mut self.conns.dirty) {
            self.flush_one(slot);
        }
    }

    fn flush_one(&mut self, slot: u32) {
        let Some(conn) = self.conns.clean(slot) else {
            return;
        };
        if conn.flags.has(Flag::Clogged)
            || conn.flags.has(Flag::Lingering)
            || conn.flags.has(Flag::Withheld)
        {
            return;
        }
        let mut out = conn.take_out();
        if let (Some(wrap), Some(out)) = (&mut conn.wrap, &mut out)
            && let Some(mount) = &mut wrap.mount
        {
            mount.strip(out);
        }
        let waiting = out.as_ref().map_or(0, |o| o.len());
        // Few are looked at, and these are not counted by the nanosecond.
        let traced = out
            .as_deref()
            .filter(|_| conn.flags.has(Flag::Traced))
            .cloned();
        let (written, back) = match (&mut conn.wrap, out) {
            (None, None) => return,
            (None, Some(mut out)) => {
                let written = write_all(&mut conn.stream, &mut out);
                (written, Some(out))
            }
            (Some(wrap), out) => write_wrapped(&mut conn.stream, wrap, out, &mut self.sealed),
        };
        let left = back.as_ref().map_or(0, |b| b.len());
        if let Some(mount) = mount_of(conn) {
            mount.left(left);
        }
        let sent = waiting.saturating_sub(left) as u64;
        self.engine.metrics.add(Counter::BytesSent, sent);
        if let Some(traced) = traced {
            self.tell_out(slot, &traced, waiting.saturating_sub(left));
        }
        match written {
            Written::Broken => {
                self.lose_session(slot);
                self.remove(slot);
            }
            Written::Part => {
                if let Some(conn) = self.conns.get_mut(slot) {
                    conn.flags.set(Flag::Clogged);
                    conn.put_back(back);
                }
            }
            Written::All => {
                if let Some(buffer) = back {
                    self.conns.give_back(buffer);
                }
                self.refill(slot);
            }
        }
    }

    /// The socket took everything: whoever waited for that goes on.
    fn refill(&mut self, slot: u32) {
        let Some(session) = self.conns.get(slot).and_then(|c| c.session) else {
            return;
        };
        if self.engine.is_blocked(session) {
            self.engine.drained(self.now, session, &mut self.conns);
        }
    }

    /// Connections that the engine closed: the last bytes went out with the flush; now our side is
    /// shut, and what the peer still sends is thrown away until it closes too.
    pub(super) fn finish_closed(&mut self) {
        let linger = self.stopping.map_or(LINGER, |_| Duration::from_millis(300));
        for (slot, why) in std::mem::take(&mut self.conns.closing) {
            // One that was given up meanwhile has left its number to another.
            if !self
                .conns
                .get(slot)
                .is_some_and(|c| c.flags.has(Flag::Closing))
            {
                continue;
            }
            self.drop_input(slot);
            self.no_longer_pending(slot);
            self.flush_last(slot);
            let Some(conn) = self.conns.get_mut(slot) else {
                continue;
            };
            conn.flags.set(Flag::Lingering);
            if matches!(why, Ending::Left(_)) && conn.web().is_none() {
                // The client closes after its DISCONNECT; some call it a loss if we are faster.
                self.conns.lingering.set(slot, Instant::now() + PARTING);
                self.note_readable(slot, true);
                continue;
            }
            if conn.stream.shutdown(Shutdown::Write).is_err() {
                self.remove(slot);
                continue;
            }
            self.conns.lingering.set(slot, Instant::now() + linger);
            // It may have closed already, or have sent more: edge triggers will not say so again.
            self.note_readable(slot, true);
        }
        let now = Instant::now();
        while let Some(slot) = self.conns.lingering.pop_due(now) {
            self.remove(slot);
        }
    }

    /// Closed after this pass's flush: what it was told goes out now. A WebSocket gets its close frame,
    /// TLS its own word of an end.
    fn flush_last(&mut self, slot: u32) {
        if let Some(web) = self.conns.get_mut(slot).and_then(|c| c.web_mut())
            && web.upgraded
        {
            let mut framed = std::mem::take(&mut web.framed);
            self.strip_out(slot);
            if let Some(out) = self.conns.get_mut(slot).and_then(|c| c.take_out()) {
                websocket::put_header(out.len(), &mut framed);
                framed.extend_from_slice(&out);
                self.conns.give_back(out);
            }
            if !self
                .conns
                .get(slot)
                .and_then(|c| c.web())
                .is_some_and(|w| w.closed)
            {
                websocket::put_close(1000, &mut framed);
            }
            if let Some(web) = self.conns.get_mut(slot).and_then(|c| c.web_mut()) {
                web.framed = framed;
            }
        }
        self.conns.mark_dirty(slot);
        self.flush_one(slot);
        let tls = self.conns.get_mut(slot).and_then(|c| c.tls_mut());
        if tls.is_some_and(Channel::close) {
            self.conns.mark_dirty(slot);
            self.flush_one(slot);
        }
    }
}

fn write_all(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Written {
    let mut at = 0;
    while at < bytes.len() {
        match stream.write(&bytes[at..]) {
            Ok(0) => return Written::Broken,
            Ok(n) => at += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                bytes.drain(..at);
                return Written::Part;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Written::Broken,
        }
    }
    bytes.clear();
    Written::All
}

/// Through whatever lies between MQTT and the socket.
fn write_wrapped(
    stream: &mut TcpStream,
    wrap: &mut Wrap,
    out: Option<Box<Vec<u8>>>,
    sealed: &mut Vec<u8>,
) -> (Written, Option<Box<Vec<u8>>>) {
    match (&mut wrap.tls, &mut wrap.web) {
        (Some(tls), web) => write_sealed(stream, (tls, web.as_mut()), out, sealed),
        (None, Some(web)) => write_framed(stream, web, out),
        (None, None) => write_mounted(stream, out),
    }
}

/// What has a mountpoint and nothing else goes out as it is.
fn write_mounted(
    stream: &mut TcpStream,
    mut out: Option<Box<Vec<u8>>>,
) -> (Written, Option<Box<Vec<u8>>>) {
    let written = match &mut out {
        Some(out) => write_all(stream, out),
        None => Written::All,
    };
    (written, out)
}

/// Seals what waits and writes it, a few records at a time, so that no more is sealed than the socket
/// takes. `sealed` is the shard's room for that.
fn write_sealed(
    stream: &mut TcpStream,
    (tls, mut web): (&mut Channel, Option<&mut Web>),
    mut out: Option<Box<Vec<u8>>>,
    sealed: &mut Vec<u8>,
) -> (Written, Option<Box<Vec<u8>>>) {
    match write_all(stream, &mut tls.sealed) {
        Written::All => tls.sealed = Vec::new(),
        unfinished => return (unfinished, out),
    }
    loop {
        let plain = match (&mut web, &mut out) {
            (Some(web), out) => {
                if web.framed.is_empty()
                    && let Some(bytes) = out.as_mut().filter(|o| !o.is_empty())
                {
                    websocket::put_header(bytes.len(), &mut web.framed);
                    web.framed.append(bytes);
                }
                &mut web.framed
            }
            (None, Some(out)) => &mut **out,
            (None, None) => return (Written::All, out),
        };
        if plain.is_empty() {
            if let Some(web) = web {
                web.framed = Vec::new();
            }
            return (Written::All, out);
        }
        let mut at = 0;
        while at < plain.len() {
            let end = plain.len().min(at + SEAL_MAX);
            sealed.clear();
            if !tls.seal(&plain[at..end], sealed) {
                return (Written::Broken, out);
            }
            at = end;
            match write_all(stream, sealed) {
                Written::All => {}
                Written::Part => {
                    tls.sealed.extend_from_slice(sealed);
                    plain.drain(..at);
                    return (Written::Part, out);
                }
                Written::Broken => return (Written::Broken, out),
            }
        }
        plain.clear();
    }
}

/// Puts what waits into one frame, unless the last frame is still on its way.
fn write_framed(
    stream: &mut TcpStream,
    web: &mut Web,
    out: Option<Box<Vec<u8>>>,
) -> (Written, Option<Box<Vec<u8>>>) {
    let mut out = out;
    loop {
        match write_all(stream, &mut web.framed) {
            Written::All => {}
            unfinished => return (unfinished, out),
        }
        let Some(bytes) = out.as_mut().filter(|o| !o.is_empty()) else {
            web.framed = Vec::new();
            return (Written::All, out);
        };
        websocket::put_header(bytes.len(), &mut web.framed);
        web.framed.append(bytes);
    }
}
