//! Bytes of a socket to packets and back. Reads while it writes, so that two sides that both have
//! much to say never wait for each other; waits for the socket, a time, and whoever wakes it.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Events, Interest, Poll, Registry, Token};
use protocol::{PACKET_BYTES_MAX, frame};

use crate::dial::{Dialled, Plain};
use crate::error::Error;
use crate::tls::{self, Stream};
use crate::websocket;

const SOCKET: Token = Token(0);
const WAKE: Token = Token(1);

/// What waits to be written before a sender is held.
const OUT_BYTES_MAX: usize = 1 << 20;
/// What is read ahead of whoever takes packets, apart from one that is longer.
const INBOX_BYTES_MAX: usize = 4 << 20;
const CHUNK: usize = 64 << 10;

/// Interrupts a client that waits, from another thread.
#[derive(Clone, Debug)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Self(Arc::new(waker))
    }

    /// The wait that is on, or the next one, is over.
    pub fn wake(&self) {
        // It fails only when the process may open nothing more, and then nobody waits for long.
        let _ = self.0.wake();
    }
}

pub(crate) struct Connection {
    stream: Stream<Socket>,
    poll: Poll,
    events: Events,
    waker: Waker,
    /// Frames not complete yet, if WebSocket carries the packets.
    raw: Option<Vec<u8>>,
    inbox: Vec<u8>,
    /// How far packets were taken from `inbox`.
    taken: usize,
    out: Vec<u8>,
    /// What the system told last; it tells changes only.
    readable: bool,
    writable: bool,
    woken: bool,
    /// The other side says no more.
    over: bool,
    /// Something could not be written and is lost.
    broken: bool,
}

/// What a wait brought.
pub(crate) enum Next {
    /// A packet: its first byte and its body.
    Packet(u8, Vec<u8>),
    Woken,
    TimedOut,
}

impl Connection {
    pub(crate) fn new(dialled: Dialled) -> Result<Self, Error> {
        let poll = Poll::new().map_err(Error::System)?;
        let waker = mio::Waker::new(poll.registry(), WAKE).map_err(Error::System)?;
        let is_websocket = dialled.is_websocket;
        let mut socket = Socket::new(dialled.socket).map_err(Error::System)?;
        socket.register(&poll).map_err(Error::System)?;
        Ok(Self {
            stream: Stream::new(socket, dialled.tls),
            poll,
            events: Events::with_capacity(4),
            waker: Waker::new(waker),
            raw: is_websocket.then(Vec::new),
            inbox: Vec::new(),
            taken: 0,
            out: Vec::new(),
            readable: true,
            writable: true,
            woken: false,
            over: false,
            broken: false,
        })
    }

    /// The same with another socket: who holds the waker keeps it.
    pub(crate) fn renew(&mut self, dialled: Dialled) -> Result<(), Error> {
        self.raw = dialled.is_websocket.then(Vec::new);
        // The old one is closed, which ends its registration.
        let socket = Socket::new(dialled.socket).map_err(Error::System)?;
        self.stream = Stream::new(socket, dialled.tls);
        self.stream
            .socket
            .register(&self.poll)
            .map_err(Error::System)?;
        self.inbox.clear();
        self.out.clear();
        self.taken = 0;
        (self.readable, self.writable) = (true, true);
        (self.over, self.broken) = (false, false);
        Ok(())
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Queues a whole packet, and waits while too much is queued.
    pub(crate) fn send(&mut self, packet: &[u8]) -> Result<(), Error> {
        if self.raw.is_some() {
            websocket::put_binary(&mut self.out, packet)?;
        } else {
            self.out.extend_from_slice(packet);
        }
        // Whoever is gone takes nothing more; the next read tells.
        while self.out.len() > OUT_BYTES_MAX && !self.over {
            self.write();
            self.fill()?;
            if self.out.len() > OUT_BYTES_MAX && !self.over {
                self.wait(None)?;
            }
        }
        Ok(())
    }

    /// The next packet, or what else ends the wait.
    pub(crate) fn next(&mut self, deadline: Option<Instant>) -> Result<Next, Error> {
        loop {
            if let Some(found) = frame(&self.inbox[self.taken..], PACKET_BYTES_MAX)? {
                let packet = Next::Packet(found.first, found.body.to_vec());
                self.taken += found.len;
                return Ok(packet);
            }
            self.inbox.drain(..self.taken);
            self.taken = 0;
            self.write();
            if std::mem::take(&mut self.woken) {
                return Ok(Next::Woken);
            }
            if self.fill()? {
                continue;
            }
            if self.over {
                return Err(Error::Lost);
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Next::TimedOut);
            }
            self.wait(left)?;
        }
    }

    /// Writes all that is queued, as long as it takes; `Silent` when nothing was taken for `patience`.
    pub(crate) fn flush(&mut self, patience: Duration) -> Result<(), Error> {
        let mut deadline = Instant::now() + patience;
        loop {
            let before = self.out.len();
            self.write();
            if self.broken {
                return Err(Error::Lost);
            }
            if self.out.is_empty() && !self.stream.is_behind() {
                return Ok(());
            }
            if self.out.len() < before {
                deadline = Instant::now() + patience;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Silent);
            }
            self.fill()?;
            self.wait(Some(left))?;
        }
    }

    /// Says no more, and waits until the other side does not either: closing a socket with unread
    /// bytes in it would throw away what the other side has not read yet.
    pub(crate) fn end(&mut self, deadline: Instant) {
        self.stream.say_no_more();
        self.stream.socket.say_no_more();
        while Instant::now() < deadline
            && matches!(
                self.next(Some(deadline)),
                Ok(Next::Packet(..) | Next::Woken)
            )
        {}
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            done => done.map_err(Error::System)?,
        }
        for event in &self.events {
            if event.token() == WAKE {
                self.woken = true;
                continue;
            }
            self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
        }
        Ok(())
    }

    /// What cannot be written is lost; reading tells why.
    fn write(&mut self) {
        let mut done = 0;
        while self.writable && (done < self.out.len() || self.stream.is_behind()) {
            let written = if done < self.out.len() {
                self.stream.write(&self.out[done..])
            } else {
                self.stream.flush().map(|()| 0)
            };
            match written {
                Ok(written) => done += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.broken = true;
                    self.writable = false;
                    done = self.out.len();
                }
            }
        }
        self.out.drain(..done);
    }

    /// Reads what is there; whether that was anything.
    fn fill(&mut self) -> Result<bool, Error> {
        let mut any = false;
        while self.readable && !self.over {
            let into = self.raw.as_mut().unwrap_or(&mut self.inbox);
            let len = into.len();
            if any && len > INBOX_BYTES_MAX {
                break;
            }
            into.resize(len + CHUNK, 0);
            let read = self.stream.read(&mut into[len..]);
            into.truncate(len + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => self.over = true,
                Ok(_) => any = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => match tls::fault(&error) {
                    Some(fault) => return Err(fault.into()),
                    None => self.over = true,
                },
            }
        }
        if let Some(raw) = self.raw.as_mut().filter(|_| any)
            && !websocket::take(raw, &mut self.inbox, &mut self.out)?
        {
            self.over = true;
        }
        Ok(any)
    }
}

enum Socket {
    Tcp(mio::net::TcpStream),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
}

impl Socket {
    fn new(plain: Plain) -> io::Result<Self> {
        Ok(match plain {
            Plain::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                Self::Tcp(mio::net::TcpStream::from_std(stream))
            }
            #[cfg(unix)]
            Plain::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Self::Unix(mio::net::UnixStream::from_std(stream))
            }
        })
    }

    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        let register = |source: &mut dyn Source, registry: &Registry| {
            source.register(registry, SOCKET, Interest::READABLE | Interest::WRITABLE)
        };
        match self {
            Self::Tcp(stream) => register(stream, poll.registry()),
            #[cfg(unix)]
            Self::Unix(stream) => register(stream, poll.registry()),
        }
    }

    fn say_no_more(&self) {
        // Who is gone already has nothing to be told.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        };
    }
}

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buf),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buf),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
