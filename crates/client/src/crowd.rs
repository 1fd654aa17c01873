//! Many connections in one thread, none of which is waited for: whole packets are told as they come,
//! in the buffer they were read into; what is to be said is gathered and written at once.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use protocol::{Frame, PACKET_BYTES_MAX, frame};
use socket2::{Domain, Protocol, Socket, Type};

use crate::connection::Waker;
use crate::error::Error;
use crate::tls::{Stream, Tls};

/// Read at once; a longer packet makes it grow.
const BUFFER_BYTES: usize = 256 << 10;
/// One connection is read so often before the others have their turn.
const READS_MAX: u32 = 16;
const EVENTS: usize = 512;
const WAKE: Token = Token(usize::MAX);

/// Connections that are named by the order in which they were opened.
pub struct Crowd {
    poll: Poll,
    events: Events,
    waker: Waker,
    alarm: Alarm,
    members: Vec<Member>,
    buffer: Vec<u8>,
    /// Whoever had more to say than one turn allows.
    again: Vec<usize>,
}

#[derive(Default)]
struct Member {
    stream: Option<Stream<TcpStream>>,
    is_open: bool,
    out: Vec<u8>,
    written: usize,
    /// The beginning of a packet.
    part: Vec<u8>,
}

/// What happened on a connection.
#[derive(Debug)]
pub enum Heard<'a> {
    Packet(Frame<'a>),
    /// All that waited to be written is with the system.
    Written,
    /// It is over, and why if that is known.
    Closed(Option<io::Error>),
}

impl Crowd {
    /// An empty one.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(&poll)?;
        let waker = Waker::new(mio::Waker::new(poll.registry(), WAKE)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            waker,
            alarm,
            members: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            again: Vec::new(),
        })
    }

    /// Ends a wait, from another thread.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Begins to connect, with TLS to whoever has that name if asked for, and says `hello` as soon as
    /// that came about. The next number is this connection's even if it fails.
    ///
    /// # Errors
    /// What the system refuses at once; whatever comes later is told as `Closed`.
    pub fn open(
        &mut self,
        to: SocketAddr,
        from: Option<IpAddr>,
        tls: Option<(&Tls, &str)>,
        hello: Vec<u8>,
    ) -> Result<(), Error> {
        let mut member = Member::default();
        let begun = connect(to, from).and_then(|mut stream| {
            let token = Token(self.members.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, token, interest)?;
            Ok(stream)
        });
        let done = begun.map_err(Error::System).and_then(|stream| {
            let tls = tls.map(|(tls, name)| tls.begin(name)).transpose()?;
            member.stream = Some(Stream::new(stream, tls));
            member.out = hello;
            Ok(())
        });
        self.members.push(member);
        done
    }

    /// Where to put what this connection is to say; `None` while it is closed or still has something
    /// unwritten.
    #[inline]
    pub fn out(&mut self, at: usize) -> Option<&mut Vec<u8>> {
        let member = &mut self.members[at];
        (member.is_open && member.out.is_empty()).then_some(&mut member.out)
    }

    /// Says these bytes after whatever waits to be written.
    pub fn say(&mut self, at: usize, bytes: &[u8]) {
        if self.members[at].stream.is_some() {
            self.members[at].out.extend_from_slice(bytes);
            self.flush(at);
        }
    }

    /// Writes what is there to be said; the rest follows when there is room.
    #[inline]
    pub fn flush(&mut self, at: usize) {
        self.members[at].write();
    }

    /// Closes without a word.
    pub fn close(&mut self, at: usize) {
        self.members[at] = Member::default();
    }

    /// Waits for events until then, to the microsecond where the system can do that, and tells them.
    /// What `hear` appends to the bytes it is given is said.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn wait(
        &mut self,
        until: Instant,
        hear: &mut impl FnMut(usize, Heard<'_>, &mut Vec<u8>),
    ) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        let time = if self.again.is_empty() && !left.is_zero() {
            self.alarm.set(until, left)?
        } else {
            Some(Duration::ZERO)
        };
        self.take(time, hear)
    }

    /// The same, to the millisecond and with less to ask of the system.
    ///
    /// # Errors
    /// As [`Crowd::wait`].
    pub fn wait_about(
        &mut self,
        time: Duration,
        hear: &mut impl FnMut(usize, Heard<'_>, &mut Vec<u8>),
    ) -> io::Result<()> {
        let time = if self.again.is_empty() {
            time
        } else {
            Duration::ZERO
        };
        self.take(Some(time), hear)
    }

    fn take(
        &mut self,
        time: Option<Duration>,
        hear: &mut impl FnMut(usize, Heard<'_>, &mut Vec<u8>),
    ) -> io::Result<()> {
        match self.poll.poll(&mut self.events, time) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            done => done?,
        }
        let again = std::mem::take(&mut self.again);
        for at in again {
            self.read(at, hear);
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in events.iter().filter(|event| event.token() != WAKE) {
            let at = event.token().0;
            if event.is_writable() || event.is_error() {
                self.write(at, hear);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(at, hear);
            }
        }
        self.events = events;
        Ok(())
    }

    fn write(&mut self, at: usize, hear: &mut impl FnMut(usize, Heard<'_>, &mut Vec<u8>)) {
        let member = &mut self.members[at];
        let Some(stream) = &member.stream else {
            return;
        };
        if !member.is_open {
            let fault = match stream.socket.take_error() {
                Ok(None) => stream.socket.peer_addr().err(),
                Ok(Some(error)) | Err(error) => Some(error),
            };
            match fault {
                None => member.is_open = true,
                // Told too early.
                Some(error) if is_under_way(&error) => return,
                Some(error) => return self.end(at, Some(error), hear),
            }
        }
        let waited = !member.out.is_empty();
        member.write();
        if waited && member.out.is_empty() {
            hear(at, Heard::Written, &mut member.out);
            member.write();
        }
    }

    fn read(&mut self, at: usize, hear: &mut impl FnMut(usize, Heard<'_>, &mut Vec<u8>)) {
        for _ in 0..READS_MAX {
            let member = &mut self.members[at];
            let Some(stream) = member.stream.as_mut().filter(|_| member.is_open) else {
                return;
            };
            let is_plain = stream.is_plain();
            let had = member.part.len();
            if had * 2 > self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            self.buffer[..had].copy_from_slice(&member.part);
            member.part.clear();
            let read = match stream.read(&mut self.buffer[had..]) {
                Ok(0) => return self.end(at, None, hear),
                Ok(read) => read,
                Err(error) => {
                    member.part.extend_from_slice(&self.buffer[..had]);
                    match error.kind() {
                        ErrorKind::WouldBlock => return,
                        ErrorKind::Interrupted => continue,
                        _ => return self.end(at, Some(error), hear),
                    }
                }
            };
            let waited = !member.out.is_empty();
            let bytes = &self.buffer[..had + read];
            let mut taken = 0;
            loop {
                match frame(&bytes[taken..], PACKET_BYTES_MAX) {
                    Ok(Some(found)) => {
                        taken += found.len;
                        hear(at, Heard::Packet(found), &mut member.out);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        let error = io::Error::new(ErrorKind::InvalidData, error);
                        return self.end(at, Some(error), hear);
                    }
                }
            }
            member.part.extend_from_slice(&bytes[taken..]);
            member.write();
            if waited && member.out.is_empty() {
                hear(at, Heard::Written, &mut member.out);
                member.write();
            }
            // Less than there was room for: no more is there. With TLS it comes record by record, and
            // Windows tells of more only after it was asked in vain.
            if is_plain && !cfg!(windows) && had + read < self.buffer.len() {
                return;
            }
        }
        self.again.push(at);
    }

    fn end(
        &mut self,
        at: usize,
        why: Option<io::Error>,
        hear: &mut impl FnMut(usize, Heard<'_>, &mut Vec<u8>),
    ) {
        self.close(at);
        hear(at, Heard::Closed(why), &mut Vec::new());
    }
}

impl Member {
    /// What cannot be written is lost; reading tells why.
    #[inline]
    fn write(&mut self) {
        let Some(stream) = self.stream.as_mut().filter(|_| self.is_open) else {
            return;
        };
        while self.written < self.out.len() {
            match stream.write(&self.out[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // What is encrypted and not with the system yet follows with the next event.
        let _ = stream.flush();
        self.out.clear();
        self.written = 0;
    }
}

/// Does not wait until it came about.
fn connect(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    match socket.connect(&to.into()) {
        Err(error) if !is_under_way(&error) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

fn is_under_way(error: &io::Error) -> bool {
    let kinds = [ErrorKind::WouldBlock, ErrorKind::NotConnected];
    kinds.contains(&error.kind()) || is_in_progress(error)
}

#[cfg(unix)]
fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}

#[cfg(not(unix))]
fn is_in_progress(_: &io::Error) -> bool {
    false
}

/// Ends a wait to the microsecond; mio itself rounds times up to milliseconds.
#[cfg(target_os = "linux")]
struct Alarm {
    timer: std::os::fd::OwnedFd,
    at: Option<Instant>,
}

#[cfg(target_os = "linux")]
impl Alarm {
    fn new(poll: &Poll) -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        use std::os::fd::AsRawFd as _;

        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let mut source = mio::unix::SourceFd(&timer.as_raw_fd());
        // A timer that went off tells that once, read or not, until it is set anew.
        poll.registry()
            .register(&mut source, WAKE, Interest::READABLE)?;
        Ok(Self { timer, at: None })
    }

    /// What the system is to wait for at most; `None`, for the alarm will end it.
    fn set(&mut self, at: Instant, left: Duration) -> io::Result<Option<Duration>> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        if self.at != Some(at) {
            let time = Itimerspec {
                it_interval: Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                },
                it_value: left.try_into().map_err(io::Error::other)?,
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &time)?;
            self.at = Some(at);
        }
        Ok(None)
    }
}

#[cfg(not(target_os = "linux"))]
struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    fn new(_: &Poll) -> io::Result<Self> {
        Ok(Self)
    }

    fn set(&mut self, _: Instant, left: Duration) -> io::Result<Option<Duration>> {
        Ok(Some(left))
    }
}
