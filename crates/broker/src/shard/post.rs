//! Mailboxes: one per shard. A push never fails and never waits; the lock is held for one append.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use engine::{Entry, Found, Gauges, Mail, Metrics, QuestionId, Settings, acl::Heard};
use mio::{Poll, Token, Waker};
use tokio::sync::oneshot;

use super::{
    Question, WAKE,
    conn::Moving,
    stranger::{self, Addresses, Strangers},
};
use crate::{access::authenticate::Verdict, control::listeners::Bound, settings::Limits};

/// What a shard is told by other threads.
pub(crate) enum Letter {
    Mail(u16, Vec<Mail>),
    /// A connection whose session lives on this shard.
    Socket(Box<Moving>),
    /// A connection before its CONNECT: a WebSocket of the dashboard's, or one that is to speak TLS here.
    /// It is counted.
    Stranger(Box<Moving>),
    /// There are too many of those, and this shard has the most.
    Crowded(stranger::Bound),
    /// What was said of the client on this connection, in answer to the question with this number.
    Verdict(u32, u64, Box<Verdict>),
    /// What somebody elsewhere says of what the client on this connection wants to do, likewise.
    Word(u32, u64, Heard),
    /// The same of what no packet waits for.
    Heard(QuestionId, Heard),
    /// The store has, or has not, what was handed to it under these tokens.
    Stored(Vec<u64>, bool),
    Tail(Arc<[Entry]>),
    /// The log had no room for these any more.
    Shed(Arc<[Entry]>),
    FoundInLog(Found),
    /// The log could not be read there.
    LogUnreadable(Found),
    /// Topics and payloads of the broker itself, retained.
    Publish(Vec<(String, String)>),
    Configure(Arc<Settings>, Arc<Limits>),
    /// Accept from these too.
    Listen(Vec<Bound>),
    /// Close the listening sockets with these keys; answered when they are.
    Hush(Vec<u64>, oneshot::Sender<()>),
    /// A question of the control plane, which the shard answers between two of its tasks.
    #[allow(dead_code, reason = "the lists of the API are being built on it")]
    Visit(Question),
    ShutDown(Instant),
}

/// Bytes in a mailbox from which on those who send to it do not read: messages come in no faster than
/// the slowest of their shards takes them.
const BACKLOG_MAX: usize = 256 * 1024;

/// All mailboxes, and each shard's figures.
pub(crate) struct Post {
    boxes: Vec<Mailbox>,
    /// Open connections by the number of their listener, over all shards.
    open: Vec<AtomicU32>,
    /// The most there has been of everything since the start.
    peaks: Mutex<Gauges>,
    /// Memory is: shards take less.
    is_short: AtomicBool,
    addresses: Addresses,
}

struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    /// What the letters in it weigh.
    backlog: AtomicUsize,
    waker: Waker,
    /// The shard waits in its poll, or is about to: a letter has to wake it.
    asleep: AtomicBool,
    metrics: Mutex<Metrics>,
    /// The lowest log position this shard's sessions may still read after.
    floor: AtomicU64,
    strangers: Strangers,
}

impl Post {
    /// Mailboxes for `count` shards, and the poll of each.
    pub(crate) fn new(count: u16) -> io::Result<(Self, Vec<Poll>)> {
        let mut boxes = Vec::new();
        let mut polls = Vec::new();
        for _ in 0..count {
            let poll = Poll::new()?;
            boxes.push(Mailbox {
                letters: Mutex::new(Vec::new()),
                backlog: AtomicUsize::new(0),
                waker: Waker::new(poll.registry(), Token(WAKE))?,
                asleep: AtomicBool::new(true),
                metrics: Mutex::new(Metrics::default()),
                floor: AtomicU64::new(0),
                strangers: Strangers::default(),
            });
            polls.push(poll);
        }
        let open = (0..=u8::MAX).map(|_| AtomicU32::new(0)).collect();
        let peaks = Mutex::default();
        let post = Self {
            boxes,
            open,
            peaks,
            is_short: AtomicBool::new(false),
            addresses: Addresses::default(),
        };
        Ok((post, polls))
    }

    /// Whether memory is short from now on.
    pub(crate) fn set_short(&self, is_short: bool) {
        self.is_short.store(is_short, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self) -> u16 {
        u16::try_from(self.boxes.len()).expect("made for a u16 of shards")
    }

    pub(crate) fn send(&self, to: u16, letter: Letter) {
        let mailbox = &self.boxes[usize::from(to)];
        if let Letter::Mail(_, mail) = &letter {
            let bytes = mail.iter().map(Mail::bytes).sum();
            mailbox.backlog.fetch_add(bytes, Ordering::Relaxed);
        }
        mailbox
            .letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(letter);
        if mailbox.asleep.swap(false, Ordering::AcqRel) {
            // It fails only if the shard's poll is gone, and then there is nobody to wake.
            let _ = mailbox.waker.wake();
        }
    }

    pub(super) fn take(&self, shard: u16, into: &mut Vec<Letter>) {
        let mailbox = &self.boxes[usize::from(shard)];
        let mut letters = mailbox
            .letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *letters, into);
        mailbox.backlog.store(0, Ordering::Relaxed);
    }

    /// Whether another shard than this one has more to do than it should.
    pub(super) fn is_crowded(&self, shard: u16) -> bool {
        let others = (0..).zip(&self.boxes).filter(|(to, _)| *to != shard);
        others
            .map(|(_, mailbox)| mailbox.backlog.load(Ordering::Relaxed))
            .any(|bytes| bytes > BACKLOG_MAX)
    }

    /// Gives back room in this shard's mailbox that a burst needed.
    pub(super) fn give_room_back(&self, shard: u16) {
        let mailbox = &self.boxes[usize::from(shard)];
        let mut letters = mailbox
            .letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if letters.is_empty() {
            letters.shrink_to(64);
        }
    }

    /// Says that this shard is going to wait. False if letters came: look again instead.
    pub(super) fn fall_asleep(&self, shard: u16) -> bool {
        let mailbox = &self.boxes[usize::from(shard)];
        mailbox.asleep.store(true, Ordering::SeqCst);
        let empty = mailbox
            .letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        if !empty {
            mailbox.asleep.store(false, Ordering::SeqCst);
        }
        empty
    }

    pub(super) fn wake_up(&self, shard: u16) {
        self.boxes[usize::from(shard)]
            .asleep
            .store(false, Ordering::SeqCst);
    }

    pub(super) fn report(&self, shard: u16, metrics: &Metrics) {
        let place = &self.boxes[usize::from(shard)].metrics;
        place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(metrics);
        self.peaks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .raise(&self.gauges());
    }

    /// What all shards together have, as of their last reports.
    fn gauges(&self) -> Gauges {
        let mut all = Gauges::default();
        for mailbox in &self.boxes {
            let metrics = mailbox.metrics.lock();
            all.merge(&metrics.unwrap_or_else(PoisonError::into_inner).gauges);
        }
        all
    }

    /// The most that all shards together had at the time of a report, since the start.
    pub(crate) fn peaks(&self) -> Gauges {
        *self.peaks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The figures of all shards together, as of their last passes.
    pub(crate) fn metrics(&self) -> Metrics {
        let mut all = Metrics::default();
        for mailbox in &self.boxes {
            all.merge(
                &mailbox
                    .metrics
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
        all
    }

    /// What a shard has of connections that have still to say who they are.
    pub(super) fn strangers(&self, shard: u16) -> &Strangers {
        &self.boxes[usize::from(shard)].strangers
    }

    /// Where those of all shards come from.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(super) fn set_floor(&self, shard: u16, floor: u64) {
        self.boxes[usize::from(shard)]
            .floor
            .store(floor, Ordering::Relaxed);
    }

    /// The lowest of all shards' floors.
    pub(super) fn floor(&self) -> u64 {
        self.boxes
            .iter()
            .map(|b| b.floor.load(Ordering::Relaxed))
            .min()
            .unwrap_or(0)
    }

    /// Open connections of a listener.
    pub(crate) fn open(&self, listener: u8) -> u32 {
        self.open[usize::from(listener)].load(Ordering::Relaxed)
    }

    pub(crate) fn opened(&self, listener: u8) {
        self.open[usize::from(listener)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self, listener: u8) {
        self.open[usize::from(listener)].fetch_sub(1, Ordering::Relaxed);
    }
}
