//! The shared log as shards see it: they hand over requests, answers come back by mailbox.

use std::sync::Arc;

use backbone::{Backend, Error, Guard, NodeId, Record, TailSink, memory};
use engine::{Found, Message, Request};

use crate::shard::{Letter, Post};

/// The one shard of the log, for now. Sessions keep one cursor.
const SHARD: u16 = 0;
/// The memory backend's bound; beyond it the oldest messages go, counted for whoever missed them.
const BYTES_MAX: u64 = 256 << 20;

/// An engine message as the backbone stores it.
#[derive(Debug)]
pub(crate) struct Stored(pub(crate) Arc<Message>);

impl backbone::Message for Stored {
    fn topic(&self) -> &str {
        self.0.topic().as_str()
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Message::decode(bytes).map(|m| Self(Arc::new(m)))
    }
}

/// The same as the engine sees it.
fn entry(e: &backbone::Entry<Stored>) -> engine::Entry {
    engine::Entry {
        position: e.pos.seq,
        message: e.msg.0.clone(),
    }
}

/// A handle to the log, cloned for each shard.
#[derive(Clone)]
pub(crate) struct Log {
    backend: Backend<Stored>,
    post: Arc<Post>,
    _guards: Arc<[Guard; 2]>,
}

/// The log in memory: nothing outlives the process.
pub(crate) fn memory(post: &Arc<Post>) -> Log {
    let options = memory::Options {
        log_shard_bytes_max: BYTES_MAX,
        shards: 1,
        ..memory::Options::default()
    };
    let backend = memory::Hub::new(&options).node(NodeId(1));
    let tail = backend.log.tail(SHARD, 0, to_all(post, Letter::Tail));
    let shed = backend.log.shed(SHARD, to_all(post, Letter::Shed));
    Log {
        backend,
        post: post.clone(),
        _guards: Arc::new([tail, shed]),
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

impl Log {
    /// Carries out what a shard asked for in one pass; appends go as one batch.
    pub(crate) fn carry_out(&self, shard: u16, requests: &mut Vec<Request>) {
        let mut tokens = Vec::new();
        let mut records = Vec::new();
        for request in requests.drain(..) {
            match request {
                Request::Append { token, message } => {
                    tokens.push(token);
                    records.push(Record::new(Arc::new(Stored(message))));
                }
                Request::Read {
                    session,
                    number,
                    after,
                    filters,
                    max,
                } => {
                    let found = Found {
                        session,
                        number,
                        entries: Vec::new(),
                        upto: after,
                    };
                    self.read(shard, found, filters, max);
                }
            }
        }
        if records.is_empty() {
            return;
        }
        let post = self.post.clone();
        let done = move |result: Result<Vec<backbone::Pos>, Error>| {
            if let Err(error) = &result {
                tracing::error!("the log could not take {} messages: {error}", tokens.len());
            }
            post.send(shard, Letter::Appended(tokens, result.is_ok()));
        };
        self.backend.log.append(SHARD, records, Box::new(done));
    }

    /// Lets go of what every session has read.
    pub(crate) fn trim(&self, below: u64) {
        self.backend.log.trim(SHARD, below, Box::new(|_| {}));
    }

    /// Reads on from `found.upto` and sends `found`, filled in, to the shard.
    fn read(&self, shard: u16, mut found: Found, filters: Vec<String>, max: usize) {
        let after = found.upto;
        let post = self.post.clone();
        let answer = move |replay: Result<backbone::Replay<Stored>, Error>| {
            match replay {
                Ok(replay) => {
                    found.upto = replay.upto;
                    found.entries = replay.entries.iter().map(entry).collect();
                }
                Err(error) => tracing::error!("the log could not be read: {error}"),
            }
            post.send(shard, Letter::FoundInLog(found));
        };
        let log = &self.backend.log;
        log.replay(SHARD, filters, after, u64::MAX, max, Box::new(answer));
    }
}
