//! A model of the shared log, with the delays and failures that its contract allows: appends complete
//! in order, each shard is shown the tail in log order, reads are carried out and answered whenever.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use engine::{Entry, Found, Message, Reader, Request, Source};
use protocol::{Filter, Topic};

use crate::{
    client::number,
    faults::{Counts, Kind},
    rng::Rng,
};

/// Entries one read looks at before it answers, small so that reads take several rounds.
const SCAN_MAX: usize = 12;

/// How the log behaves in a run: percentages per step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) late: usize,
    pub(crate) failing: usize,
}

/// What one shard appends in one pass: it is written, or not, as a whole.
#[derive(Debug)]
struct Append {
    shard: usize,
    event: u64,
    batch: Vec<Item>,
}

#[derive(Debug)]
enum Item {
    Message {
        token: u64,
        message: Arc<Message>,
        identity: Option<Box<[u8]>>,
    },
    Release {
        token: Option<u64>,
        identity: Box<[u8]>,
    },
}

#[derive(Debug)]
struct Read {
    shard: usize,
    reader: Reader,
    number: u32,
    after: u64,
    filters: Vec<String>,
    max: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    first: u64,
    entries: VecDeque<Entry>,
    ops: VecDeque<Append>,
    /// QoS 2 messages that are not released.
    identities: BTreeSet<Box<[u8]>>,
    /// Records to be kept: who waits for each.
    records: VecDeque<(usize, Option<u64>)>,
    reads: Vec<Read>,
    /// Per shard: batches of the tail, with the event at which they were asked for.
    pub(crate) tails: Vec<VecDeque<(u64, Vec<Entry>)>>,
    /// Per shard: token, whether it was kept, whether it is the answer to an append.
    pub(crate) done: Vec<VecDeque<(u64, bool, bool)>>,
    pub(crate) answers: Vec<VecDeque<Found>>,
    /// Shard and token of an append -> the message it names, if it names one.
    tokens: BTreeMap<(usize, u64), Option<usize>>,
}

impl Log {
    pub(crate) fn new(shards: usize) -> Self {
        let mut log = Self {
            first: 1,
            ..Self::default()
        };
        log.tails.resize_with(shards, VecDeque::new);
        log.done.resize_with(shards, VecDeque::new);
        log.answers.resize_with(shards, VecDeque::new);
        log
    }

    /// Notes an append that was asked for. False if it was noted before.
    pub(crate) fn note(&mut self, shard: usize, token: u64, message: &Message) -> bool {
        let named = number(message.payload());
        self.tokens.insert((shard, token), named).is_none()
    }

    /// The message of an append that is answered. The token may be used again: what the log refused is
    /// tried again under it.
    pub(crate) fn answered(&mut self, shard: usize, token: u64) -> Option<usize> {
        self.tokens.remove(&(shard, token))?
    }

    pub(crate) fn take(&mut self, shard: usize, event: u64, requests: &mut Vec<Request>) {
        let mut batch = Vec::new();
        for request in requests.drain(..) {
            match request {
                Request::Append {
                    token,
                    message,
                    identity,
                    ..
                } => batch.push(Item::Message {
                    token,
                    message,
                    identity,
                }),
                Request::Release { token, identity } => {
                    batch.push(Item::Release { token, identity });
                }
                Request::Save { token, .. } => self.records.push_back((shard, token)),
                Request::Read {
                    reader,
                    number,
                    after,
                    filters,
                    max,
                } => self.reads.push(Read {
                    shard,
                    reader,
                    number,
                    after,
                    filters,
                    max,
                }),
            }
        }
        if !batch.is_empty() {
            self.ops.push_back(Append {
                shard,
                event,
                batch,
            });
        }
    }

    /// One step: some of what waits is carried out.
    pub(crate) fn step(&mut self, manners: Manners, rng: &mut Rng, faults: &mut Counts) {
        while !self.ops.is_empty() {
            if rng.percent(manners.late) {
                faults.fired(Kind::AppendDelayed);
                break;
            }
            let Some(Append {
                shard,
                event,
                batch,
            }) = self.ops.pop_front()
            else {
                break;
            };
            let fails = rng.percent(manners.failing);
            let written = !fails || rng.percent(30);
            if fails {
                let kind = if written {
                    Kind::AppendFailedWritten
                } else {
                    Kind::AppendFailed
                };
                faults.fired(kind);
            }
            let mut fresh = Vec::new();
            for item in batch {
                match item {
                    Item::Message {
                        token,
                        message,
                        identity,
                    } => {
                        let known = identity.is_some_and(|i| written && !self.identities.insert(i));
                        if written && !known {
                            let position = self.last() + 1;
                            let source = Source {
                                shard: u16::try_from(shard).expect("few shards"),
                                token,
                            };
                            let entry = Entry {
                                position,
                                message,
                                source: Some(source),
                            };
                            self.entries.push_back(entry.clone());
                            fresh.push(entry);
                        }
                        self.done[shard].push_back((token, !fails, true));
                    }
                    Item::Release { token, identity } => {
                        self.identities.remove(&identity);
                        self.done[shard].extend(token.map(|token| (token, true, false)));
                    }
                }
            }
            if !fresh.is_empty() {
                for tail in &mut self.tails {
                    tail.push_back((event, fresh.clone()));
                }
            }
        }
        while !self.records.is_empty() && !rng.percent(manners.late) {
            let kept = self.records.pop_front();
            if let Some((shard, Some(token))) = kept {
                self.done[shard].push_back((token, true, false));
            }
        }
        let mut at = 0;
        while at < self.reads.len() {
            if rng.percent(manners.late) {
                faults.fired(Kind::ReadDelayed);
                at += 1;
                continue;
            }
            let read = self.reads.remove(at);
            let answer = self.read(&read);
            self.answers[read.shard].push_back(answer);
        }
    }

    fn last(&self) -> u64 {
        self.first + self.entries.len() as u64 - 1
    }

    fn read(&self, read: &Read) -> Found {
        let mut entries = Vec::new();
        let mut upto = self.last().max(read.after);
        let mut reached = read.after;
        let behind = self
            .entries
            .iter()
            .filter(|entry| entry.position > read.after);
        for (looked, entry) in behind.enumerate() {
            if entries.len() == read.max || looked == SCAN_MAX {
                upto = reached;
                break;
            }
            reached = entry.position;
            let topic = entry.message.topic();
            if read
                .filters
                .iter()
                .any(|filter| matches(filter, topic.as_str()))
            {
                entries.push(entry.clone());
            }
        }
        Found {
            reader: read.reader,
            number: read.number,
            entries,
            upto,
        }
    }

    pub(crate) fn trim(&mut self, below: u64) -> bool {
        let mut any = false;
        while self.first < below && self.entries.pop_front().is_some() {
            self.first += 1;
            any = true;
        }
        any
    }

    /// The earliest event whose appends have not yet reached this shard's tail.
    pub(crate) fn horizon(&self, shard: usize) -> u64 {
        let waiting = self
            .ops
            .iter()
            .map(|append| append.event)
            .min()
            .unwrap_or(u64::MAX);
        let shown = self.tails[shard]
            .iter()
            .map(|(event, _)| *event)
            .min()
            .unwrap_or(u64::MAX);
        waiting.min(shown)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.ops.is_empty()
            && self.records.is_empty()
            && self.reads.is_empty()
            && self.tails.iter().all(VecDeque::is_empty)
            && self.done.iter().all(VecDeque::is_empty)
            && self.answers.iter().all(VecDeque::is_empty)
    }
}

pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    Filter::trusted(filter).matches(Topic::trusted(topic))
}
