//! Traces: what some clients, addresses or topics do, packet by packet, in files of a bounded size.
//!
//! Shards hand over what they saw and never wait: what finds no room is counted. Files are written by
//! a thread of the control plane (`control::trace`).

mod file;
mod packet;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::UNIX_EPOCH,
};

pub(crate) use packet::{described, split};

use file::Book;

/// Traces at one time, those that ended included.
pub const TRACES_MAX: usize = 30;
/// Bytes of one trace's file; then it ends.
pub(crate) const BYTES_MAX: u64 = 16 << 20;
/// Bytes of a payload that are written.
pub(crate) const PAYLOAD_MAX: usize = 4096;
/// What shards handed over and nobody has written yet.
const EVENTS_MAX: usize = 10_000;
/// How long a trace runs unless told otherwise, in milliseconds.
pub const LENGTH: u64 = 10 * 60 * 1000;

/// What a trace looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    Client(String),
    /// A topic filter.
    Topic(String),
    Address(IpAddr),
}

/// How payloads are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PayloadForm {
    Text,
    Hex,
    Hidden,
}

/// How a line is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineForm {
    Text,
    Json,
}

/// A trace as somebody ordered it. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// Letters, digits, `-` and `_`.
    pub name: String,
    pub target: Target,
    pub payload: PayloadForm,
    pub lines: LineForm,
    pub start_at: u64,
    pub end_at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Waiting,
    Running,
    Stopped,
}

/// A trace and how far it is.
#[derive(Clone, Debug)]
pub struct Trace {
    pub order: Order,
    pub state: State,
    /// Of its file.
    pub bytes: u64,
    /// When its file was written to last, in seconds since 1970.
    pub written_at: u64,
}

/// Why a trace cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    #[error("there is a trace of this name; names that differ in capitals only are one")]
    Exists,
    #[error("a trace looks at this already: {0}")]
    Duplicate(String),
    #[error("there are {TRACES_MAX} traces; delete one first")]
    TooMany,
    #[error("the trace's file cannot be made: {0}")]
    File(#[from] io::Error),
}

/// Something that happened to a client that is traced.
pub(crate) struct Event {
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) client_id: Box<str>,
    pub(crate) peer: Option<SocketAddr>,
    /// `IN PUBLISH topic=...`.
    pub(crate) text: String,
    pub(crate) payload: Option<Payload>,
    /// Which trace it is for; otherwise all that look at its client or address.
    pub(crate) only: Option<u32>,
}

/// The beginning of a payload, and how long it was.
pub(crate) struct Payload {
    pub(crate) begin: Box<[u8]>,
    pub(crate) size: usize,
}

/// What shards have to look at: clients and addresses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Targets {
    pub(crate) clients: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
    /// Filters, with their traces' numbers.
    pub(crate) topics: Vec<(u32, String)>,
}

impl Targets {
    pub(crate) fn mean(&self, client_id: &str, address: IpAddr) -> bool {
        self.clients.iter().any(|c| c == client_id) || self.addresses.contains(&address)
    }
}

/// One shard's way to the traces.
#[derive(Clone)]
pub(crate) struct Tracer {
    /// Takes memory for what waits in it only.
    to: Sender<Event>,
    waiting: Arc<AtomicUsize>,
    missed: Arc<AtomicU64>,
}

impl Tracer {
    /// Never waits.
    pub(crate) fn tell(&self, event: Event) {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        if before >= EVENTS_MAX || self.to.send(event).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.miss(1);
        }
    }

    pub(crate) fn miss(&self, events: u64) {
        self.missed.fetch_add(events, Ordering::Relaxed);
    }
}

/// All traces.
pub(crate) struct Traces {
    dir: PathBuf,
    list: Mutex<Vec<Kept>>,
    tracer: Tracer,
    events: Mutex<Option<Receiver<Event>>>,
    numbers: AtomicU64,
}

/// A trace and its file.
struct Kept {
    number: u32,
    order: Order,
    stopped: bool,
    book: Book,
}

impl Kept {
    fn state(&self, now: u64) -> State {
        if self.stopped || now >= self.order.end_at {
            State::Stopped
        } else if now < self.order.start_at {
            State::Waiting
        } else {
            State::Running
        }
    }

    fn wants(&self, event: &Event) -> bool {
        match (&self.order.target, event.only) {
            (_, Some(number)) => self.number == number,
            (Target::Client(id), None) => **id == *event.client_id,
            (Target::Address(ip), None) => event.peer.is_some_and(|peer| peer.ip() == *ip),
            (Target::Topic(_), None) => false,
        }
    }
}

impl Traces {
    /// Those whose files are in the directory have ended; it is made when it is needed.
    pub(crate) fn open(dir: PathBuf) -> Self {
        let (to, events) = channel();
        let mut list: Vec<Kept> = Vec::new();
        for (order, book) in Book::found(&dir) {
            let number = u32::try_from(list.len()).unwrap_or(u32::MAX);
            list.push(Kept {
                number,
                order,
                stopped: true,
                book,
            });
        }
        Self {
            dir,
            numbers: AtomicU64::new(list.len() as u64),
            list: Mutex::new(list),
            tracer: Tracer {
                to,
                waiting: Arc::default(),
                missed: Arc::default(),
            },
            events: Mutex::new(Some(events)),
        }
    }

    pub(crate) fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// What the shards hand over, once: for the one thread that writes it down.
    pub(crate) fn take_events(&self) -> Option<Receiver<Event>> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self, now: u64) -> Vec<Trace> {
        self.kept().iter().map(|kept| kept.shown(now)).collect()
    }

    /// # Errors
    /// [`TraceError`]; nothing was made then.
    pub(crate) fn make(&self, order: Order, now: u64) -> Result<Trace, TraceError> {
        let mut list = self.kept();
        if list.len() >= TRACES_MAX {
            return Err(TraceError::TooMany);
        }
        // They are names of files, and some systems take both for one.
        if list
            .iter()
            .any(|kept| kept.order.name.eq_ignore_ascii_case(&order.name))
        {
            return Err(TraceError::Exists);
        }
        let twin = list
            .iter()
            .find(|kept| kept.state(now) != State::Stopped && kept.order.target == order.target);
        if let Some(twin) = twin {
            return Err(TraceError::Duplicate(twin.order.name.clone()));
        }
        let book = Book::begin(&self.dir, &order)?;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let kept = Kept {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            order,
            stopped: false,
            book,
        };
        let made = kept.shown(now);
        list.push(kept);
        Ok(made)
    }

    /// False if there is no such trace.
    pub(crate) fn stop(&self, name: &str) -> bool {
        let mut list = self.kept();
        let Some(kept) = list.iter_mut().find(|kept| kept.order.name == name) else {
            return false;
        };
        kept.stopped = true;
        true
    }

    /// Forgets a trace with its file, or all; gives how many.
    ///
    /// # Errors
    /// If a file cannot be deleted; its trace stays.
    pub(crate) fn delete(&self, name: Option<&str>) -> io::Result<usize> {
        let mut list = self.kept();
        let mut deleted = 0;
        while let Some(at) = list
            .iter()
            .position(|kept| name.is_none_or(|name| kept.order.name == name))
        {
            list[at].book.delete()?;
            list.remove(at);
            deleted += 1;
        }
        Ok(deleted)
    }

    /// Bytes of a trace's file from a place on; `None` if there is no such trace.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn read(&self, name: &str, from: u64, max: u64) -> Option<io::Result<Vec<u8>>> {
        let path = {
            let list = self.kept();
            let kept = list.iter().find(|kept| kept.order.name == name)?;
            kept.book.path().to_owned()
        };
        Some(file::read(&path, from, max))
    }

    /// Writes down an event that a shard handed over.
    pub(crate) fn take(&self, event: &Event, now: u64) {
        self.tracer.waiting.fetch_sub(1, Ordering::Relaxed);
        self.write(event, now);
    }

    /// Writes an event down wherever it is wanted.
    pub(crate) fn write(&self, event: &Event, now: u64) {
        for kept in self.kept().iter_mut() {
            if kept.state(now) == State::Running
                && kept.wants(event)
                && !kept.book.write(&kept.order, event)
            {
                kept.stopped = true;
            }
        }
    }

    /// What is to be looked at now; where events had no room, that is written down first.
    pub(crate) fn targets(&self, now: u64) -> Targets {
        let missed = self.tracer.missed.swap(0, Ordering::Relaxed);
        let mut targets = Targets::default();
        for kept in self.kept().iter_mut() {
            if kept.state(now) != State::Running {
                continue;
            }
            if missed > 0 && !kept.book.note_missed(&kept.order, now, missed) {
                kept.stopped = true;
                continue;
            }
            match &kept.order.target {
                Target::Client(id) => targets.clients.push(id.clone()),
                Target::Address(ip) => targets.addresses.push(*ip),
                Target::Topic(filter) => targets.topics.push((kept.number, filter.clone())),
            }
        }
        targets
    }
}

impl Kept {
    fn shown(&self, now: u64) -> Trace {
        let written = std::fs::metadata(self.book.path()).and_then(|meta| meta.modified());
        let written = written
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Trace {
            order: self.order.clone(),
            state: self.state(now),
            bytes: self.book.bytes(),
            written_at: written.map_or(0, |at| at.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests;
