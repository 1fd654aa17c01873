//! The store as shards see it: they hand over requests, answers come back by mailbox.

use std::path::Path;
use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
    mpsc,
};
use std::time::{Duration, Instant};

use backbone::{
    Backend, Blob, Change, Error, Guard, Kv, Record, TailSink,
    disk::{self, OpenError, Recovery, Trouble},
};
use engine::{Found, Message, Origin, Request, SessionRef, record::Write};

use crate::{
    config::Config,
    settings,
    shard::{Letter, Post},
    store::{self, Copied, StoreError},
};

/// The one shard of the log, for now. Sessions keep one cursor.
const SHARD: u16 = 0;
const UNREADABLE: &str = "the log could not be read";

/// A message as the backbone stores it: with the name of who published it, for No Local.
#[derive(Debug)]
pub(crate) struct Stored {
    message: Arc<Message>,
    from: u64,
    /// Not stored: known of what this process wrote.
    origin: Option<Origin>,
}

impl backbone::Message for Stored {
    fn topic(&self) -> &str {
        self.message.topic().as_str()
    }

    fn bytes(&self) -> usize {
        self.message.bytes()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.from.to_be_bytes());
        self.message.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (from, bytes) = bytes.split_first_chunk::<8>()?;
        let from = u64::from_be_bytes(*from);
        let publisher = match from {
            0 => SessionRef::BROKER,
            from => SessionRef::client(from),
        };
        Message::decode(bytes, publisher).map(|message| Self {
            message: Arc::new(message),
            from,
            origin: None,
        })
    }
}

/// The same as the engine sees it.
pub(super) fn entry(e: &backbone::Entry<Stored>) -> engine::Entry {
    engine::Entry {
        position: e.pos.seq,
        message: e.msg.message.clone(),
        origin: e.msg.origin,
    }
}

/// The store of this process, with what shards and start-up need of it.
pub(crate) struct Store {
    pub(super) backend: Backend<Stored>,
    /// Written to only at the end, which therefore waits for whoever reads.
    disk: RwLock<Option<disk::Store<Stored>>>,
    recovery: Recovery,
    following: Mutex<Vec<Guard>>,
    closing: AtomicBool,
    complaints: Arc<Complaints>,
}

/// What fails goes on failing, for everybody who asks: one line a second says so, and how often.
#[derive(Default)]
struct Complaints(Mutex<Untold>);

#[derive(Default)]
struct Untold {
    told: Option<Instant>,
    count: u64,
}

impl Complaints {
    const PAUSE: Duration = Duration::from_secs(1);

    fn tell(&self, what: &str, error: &Error) {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.told.is_some_and(|told| told.elapsed() < Self::PAUSE) {
            untold.count += 1;
            return;
        }
        untold.told = Some(Instant::now());
        match std::mem::take(&mut untold.count) {
            0 => tracing::error!("{what}: {error}"),
            more => tracing::error!("{what}: {error}; {more} times more since it was said last"),
        }
    }
}

/// Opens the store that the configuration names. `progress` is told how far that has come, `ending` called
/// where the process ends because the store cannot go on.
pub(crate) fn open(
    config: &Config,
    progress: Arc<dyn Fn(disk::Progress) + Send + Sync>,
    ending: Arc<dyn Fn() + Send + Sync>,
) -> Result<Store, OpenError> {
    let options = disk::Options {
        trouble: Arc::new(move |trouble| troubled(trouble, &*ending)),
        progress,
        ..settings::store(config)
    };
    let disk = disk::Store::open(&options)?;
    Ok(Store {
        backend: disk.backend(),
        recovery: disk.recovery().clone(),
        disk: RwLock::new(Some(disk)),
        following: Mutex::default(),
        closing: AtomicBool::new(false),
        complaints: Arc::default(),
    })
}

fn troubled(trouble: &Trouble, ending: &dyn Fn()) {
    match trouble {
        Trouble::Damage(damage) => tracing::error!("the store is damaged: {damage}"),
        Trouble::Fatal(what) => {
            tracing::error!("the store cannot go on, so the broker ends: {what}");
            // Nothing that was acknowledged is lost by that, and nothing more may be promised. The next
            // start looks at the disk anew.
            ending();
            std::process::exit(1);
        }
        Trouble::Failure(what) => tracing::error!("the store: {what}"),
        _ => {}
    }
}

impl Store {
    /// What opening found.
    pub(crate) fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// How it is doing; nothing once it is closed.
    pub(crate) fn status(&self) -> Option<disk::Status> {
        let disk = self.disk.read().unwrap_or_else(PoisonError::into_inner);
        disk.as_ref().map(disk::Store::status)
    }

    /// The last position in the log.
    pub(crate) fn tail(&self) -> Result<u64, Error> {
        let log = &self.backend.log;
        backbone::wait(|done| log.bounds(SHARD, done)).map(|bounds| bounds.last)
    }

    pub(super) fn shard(&self) -> u16 {
        SHARD
    }

    /// Hands what comes into the log behind `after`, and what the log loses for want of room, to every
    /// shard.
    pub(crate) fn follow(&self, post: &Arc<Post>, after: u64) {
        let log = &self.backend.log;
        let tail = log.tail(SHARD, after, to_all(post, Letter::Tail));
        let shed = log.shed(SHARD, to_all(post, Letter::Shed));
        let mut following = self
            .following
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        following.extend([tail, shed]);
    }

    /// Makes everything safe and ends the store's threads.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        let guards = std::mem::take(
            &mut *self
                .following
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        drop(guards);
        let disk = self
            .disk
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(disk) = disk {
            disk.close();
        }
    }

    /// Copies it as it is at one instant into a data directory, and reads the copy again.
    pub(crate) fn backup(&self, to: &Path) -> Result<Copied, StoreError> {
        let disk = self.disk.read().unwrap_or_else(PoisonError::into_inner);
        let disk = disk.as_ref().ok_or(StoreError::Closed)?;
        store::copy(disk, to)
    }

    /// Looks through what is complete for damage, beside everything else.
    pub(crate) fn look_through(self: &Arc<Self>) -> std::io::Result<()> {
        let store = self.clone();
        let thread = std::thread::Builder::new().name("store-scrub".to_owned());
        let look = move || {
            let disk = store.disk.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(disk) = &*disk {
                disk.scrub(&|| !store.closing.load(Ordering::Relaxed));
            }
        };
        thread.spawn(look).map(drop)
    }
}

/// Hands each batch to every shard, as this letter.
fn to_all(post: &Arc<Post>, letter: fn(Arc<[engine::Entry]>) -> Letter) -> TailSink<Stored> {
    let to = post.clone();
    Box::new(move |batch: Arc<[backbone::Entry<Stored>]>| {
        let entries: Arc<[engine::Entry]> = batch.iter().map(entry).collect();
        for shard in 0..to.count() {
            to.send(shard, letter(entries.clone()));
        }
    })
}

/// One shard's way to the store.
#[derive(Clone)]
pub(crate) struct Door {
    store: Arc<Store>,
    post: Arc<Post>,
}

/// Requests of one kind that follow each other: one call.
#[derive(Default)]
struct Calls {
    appends: Vec<Record<Stored>>,
    releases: Vec<backbone::Dedup>,
    writes: Vec<backbone::Write>,
    bucket: Option<engine::record::Bucket>,
    deletes: bool,
    append_tokens: Vec<u64>,
    release_tokens: Vec<u64>,
    write_tokens: Vec<u64>,
}

impl Door {
    pub(crate) fn new(store: Arc<Store>, post: Arc<Post>) -> Self {
        Self { store, post }
    }

    /// Carries out what a shard asked for in one pass. What is written to one place is written in the
    /// order in which it was asked for.
    pub(crate) fn carry_out(&self, shard: u16, requests: &mut Vec<Request>) {
        let mut calls = Calls::default();
        for request in requests.drain(..) {
            match request {
                Request::Append {
                    token,
                    message,
                    from,
                    identity,
                } => {
                    self.release(shard, &mut calls);
                    calls.append_tokens.push(token);
                    let origin = Some(Origin { shard, token });
                    calls.appends.push(Record {
                        msg: Arc::new(Stored {
                            message,
                            from,
                            origin,
                        }),
                        dedup: identity.map(Into::into),
                    });
                }
                Request::Release { token, identity } => {
                    self.append(shard, &mut calls);
                    calls.release_tokens.extend(token);
                    calls.releases.push(identity.into());
                }
                Request::Save { token, write } => {
                    let Write { bucket, key, value } = write;
                    // What is deleted goes apart: a call that is refused for want of room is refused
                    // as a whole.
                    if calls.bucket != Some(bucket) || calls.deletes != value.is_none() {
                        self.put(shard, &mut calls);
                        calls.bucket = Some(bucket);
                        calls.deletes = value.is_none();
                    }
                    calls.write_tokens.extend(token);
                    calls.writes.push((key.into(), value.map(Blob::from)));
                }
                Request::Read {
                    reader,
                    number,
                    after,
                    filters,
                    max,
                } => {
                    let found = Found {
                        reader,
                        number,
                        entries: Vec::new(),
                        upto: after,
                    };
                    self.read(shard, found, filters, max);
                }
            }
        }
        self.append(shard, &mut calls);
        self.release(shard, &mut calls);
        self.put(shard, &mut calls);
    }

    fn append(&self, shard: u16, calls: &mut Calls) {
        if !calls.appends.is_empty() {
            let done = self.answer(shard, "messages", std::mem::take(&mut calls.append_tokens));
            let records = std::mem::take(&mut calls.appends);
            self.store.backend.log.append(SHARD, records, done);
        }
    }

    fn release(&self, shard: u16, calls: &mut Calls) {
        if !calls.releases.is_empty() {
            let done = self.answer(shard, "PUBRELs", std::mem::take(&mut calls.release_tokens));
            let identities = std::mem::take(&mut calls.releases);
            self.store.backend.log.release(SHARD, identities, done);
        }
    }

    fn put(&self, shard: u16, calls: &mut Calls) {
        if let Some(bucket) = calls.bucket.take() {
            let done = self.answer(
                shard,
                bucket.name(),
                std::mem::take(&mut calls.write_tokens),
            );
            let writes = std::mem::take(&mut calls.writes);
            self.store.backend.kv.put(bucket.name(), writes, done);
        }
    }

    /// Tells the shard what became of these tokens.
    fn answer<T>(&self, shard: u16, what: &'static str, tokens: Vec<u64>) -> backbone::Done<T> {
        let (post, complaints) = (self.post.clone(), self.store.complaints.clone());
        Box::new(move |result: Result<T, Error>| {
            if let Err(error) = &result {
                complaints.tell(&format!("the store could not take {what}"), error);
            }
            if !tokens.is_empty() {
                post.send(shard, Letter::Stored(tokens, result.is_ok()));
            }
        })
    }

    /// Lets go of what every session has read.
    pub(crate) fn trim(&self, below: u64) {
        let log = &self.store.backend.log;
        log.trim(SHARD, below, Box::new(|_| {}));
    }

    /// Reads on from `found.upto` and sends `found`, filled in, to the shard.
    fn read(&self, shard: u16, mut found: Found, filters: Vec<String>, max: usize) {
        let after = found.upto;
        let (post, complaints) = (self.post.clone(), self.store.complaints.clone());
        let answer = move |replay: Result<backbone::Replay<Stored>, Error>| {
            let letter = match replay {
                Ok(replay) => {
                    found.upto = replay.upto;
                    found.entries = replay.entries.iter().map(entry).collect();
                    Letter::FoundInLog(found)
                }
                Err(error) => {
                    complaints.tell(UNREADABLE, &error);
                    Letter::LogUnreadable(found)
                }
            };
            post.send(shard, letter);
        };
        let log = &self.store.backend.log;
        log.replay(SHARD, filters, after, u64::MAX, max, Box::new(answer));
    }
}

/// Messages, and up to where the log was looked through for them.
pub(crate) type Replayed = (Vec<engine::Entry>, u64);

impl Store {
    /// Reads what matches from the log, for somebody who is no shard.
    pub(crate) fn replay(
        &self,
        filters: Vec<String>,
        after: u64,
        max: usize,
        answer: tokio::sync::oneshot::Sender<Replayed>,
    ) {
        let complaints = self.complaints.clone();
        let done = move |replay: Result<backbone::Replay<Stored>, Error>| {
            let found = match replay {
                Ok(replay) => (replay.entries.iter().map(entry).collect(), replay.upto),
                Err(error) => {
                    complaints.tell(UNREADABLE, &error);
                    (Vec::new(), after)
                }
            };
            // Who asked may have gone.
            let _ = answer.send(found);
        };
        let log = &self.backend.log;
        log.replay(SHARD, filters, after, u64::MAX, max, Box::new(done));
    }

    pub(crate) fn kv(&self) -> &dyn Kv {
        &*self.backend.kv
    }

    /// All keys of a bucket with their values. Blocks.
    pub(crate) fn records(&self, bucket: &str) -> Result<Vec<(Blob, Blob)>, Error> {
        let (sender, receiver) = mpsc::channel();
        let sink = Box::new(move |changes| _ = sender.send(changes).ok());
        let guard = self.kv().watch(bucket, &[], sink);
        let mut found = Vec::new();
        for changes in &receiver {
            for change in changes.iter() {
                match change {
                    Change::Put { key, value } => found.push((key.clone(), value.bytes.clone())),
                    Change::Del { .. } => {}
                    Change::Synced => {
                        drop(guard);
                        return Ok(found);
                    }
                }
            }
        }
        Err(Error::Unavailable("the store ended".into()))
    }
}
