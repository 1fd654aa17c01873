//! A model of the shared log, with the delays and failures that its contract allows: appends complete
//! in order, each shard is shown the tail in log order, reads are carried out and answered whenever.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use engine::{
    Entry, Found, Message, Origin, Reader, Request, SessionRef,
    record::{Bucket, parse_identity},
    restore::Source,
};
use protocol::{Filter, Topic};

use crate::{
    client::number,
    faults::{Counts, Kind},
    keys::{Bytes, Keys, Lost},
    rng::Rng,
};

/// Entries one read looks at before it answers, small so that reads take several rounds.
const SCAN_MAX: usize = 12;

/// How the log behaves in a run: percentages per step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    pub(crate) late: usize,
    pub(crate) failing: usize,
    /// Records for which there is no room.
    pub(crate) refusing: usize,
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
        from: u64,
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
    /// As they are read again: who published a message is known by name.
    entries: VecDeque<Entry>,
    ops: VecDeque<Append>,
    /// QoS 2 messages that are not released.
    identities: BTreeSet<Box<[u8]>>,
    /// Messages that were ever written.
    pub(crate) written: BTreeSet<usize>,
    /// Those of appends that were said to fail.
    doubtful: BTreeSet<Box<[u8]>>,
    pub(crate) keys: Keys,
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
                    from,
                    identity,
                } => batch.push(Item::Message {
                    token,
                    message,
                    from,
                    identity,
                }),
                Request::Release { token, identity } => {
                    batch.push(Item::Release { token, identity });
                }
                Request::Save { token, write } => self.keys.ask(shard, token, write),
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
            self.write(manners, rng, faults);
        }
        while !self.keys.is_idle() && !rng.percent(manners.late) {
            let answer = self.keys.write(manners.refusing, rng, faults);
            if let Some((shard, token, kept)) = answer {
                self.done[shard].push_back((token, kept, false));
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

    /// Carries out what one shard asked for in one pass.
    fn write(&mut self, manners: Manners, rng: &mut Rng, faults: &mut Counts) {
        let Some(append) = self.ops.pop_front() else {
            return;
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
        for item in append.batch {
            match item {
                Item::Message {
                    token,
                    message,
                    from,
                    identity,
                } => {
                    if fails && written {
                        self.doubtful.extend(identity.clone());
                        self.keys.unretained.extend(number(message.payload()));
                    }
                    let known = identity.is_some_and(|i| written && !self.identities.insert(i));
                    if written && !known {
                        self.written.extend(number(message.payload()));
                        let position = self.last() + 1;
                        self.entries.push_back(Entry {
                            position,
                            message: Arc::new(stored(&message, from)),
                            origin: None,
                        });
                        let origin = Some(Origin {
                            shard: u16::try_from(append.shard).expect("few shards"),
                            token,
                        });
                        fresh.push(Entry {
                            position,
                            message,
                            origin,
                        });
                    }
                    self.done[append.shard].push_back((token, !fails, true));
                }
                Item::Release { token, identity } => {
                    self.identities.remove(&identity);
                    self.doubtful.remove(&identity);
                    self.done[append.shard].extend(token.map(|token| (token, true, false)));
                }
            }
        }
        if !fresh.is_empty() {
            for tail in &mut self.tails {
                tail.push_back((append.event, fresh.clone()));
            }
        }
    }

    /// The broker ends without a word: of what was asked for, some was written, and nobody is told.
    /// Shards come anew. Gives what was lost, by client id.
    pub(crate) fn crash(
        &mut self,
        shards: usize,
        rng: &mut Rng,
        faults: &mut Counts,
    ) -> BTreeMap<String, Lost> {
        let calm = Manners::default();
        for _ in 0..rng.range(0, self.ops.len()) {
            self.write(calm, rng, faults);
        }
        for _ in 0..rng.range(0, self.keys.len()) {
            self.keys.write(0, rng, faults);
        }
        self.ops.clear();
        let lost = self.keys.crash();
        for doubtful in std::mem::take(&mut self.doubtful) {
            // Such an error ends a store for good, which checks what it has at its next start.
            self.identities.remove(&doubtful);
        }
        self.reads.clear();
        self.tokens.clear();
        (self.tails, self.done, self.answers) = <_>::default();
        self.tails.resize_with(shards, VecDeque::new);
        self.done.resize_with(shards, VecDeque::new);
        self.answers.resize_with(shards, VecDeque::new);
        lost
    }

    /// Packet ids of QoS 2 messages from a client that are not released.
    pub(crate) fn received(&self, client: &str, born: Option<u64>) -> BTreeSet<u16> {
        let parsed = self.identities.iter().filter_map(|i| parse_identity(i));
        parsed
            .filter(|(name, b, _)| *name == client && Some(*b) == born)
            .map(|(.., id)| id.get())
            .collect()
    }

    pub(crate) fn identities_left(&self) -> usize {
        self.identities.len()
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
            && self.keys.is_idle()
            && self.reads.is_empty()
            && self.tails.iter().all(VecDeque::is_empty)
            && self.done.iter().all(VecDeque::is_empty)
            && self.answers.iter().all(VecDeque::is_empty)
    }
}

/// A message as it is read from the log.
fn stored(message: &Message, from: u64) -> Message {
    let publisher = match from {
        0 => SessionRef::BROKER,
        from => SessionRef::client(from),
    };
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    Message::decode(&bytes, publisher).expect("just encoded")
}

impl Source for Log {
    type Bytes = Bytes;
    type Error = std::convert::Infallible;

    fn tail(&mut self) -> Result<u64, Self::Error> {
        Ok(self.last())
    }

    fn records(&mut self, bucket: Bucket) -> Result<Vec<(Bytes, Bytes)>, Self::Error> {
        let all = self.keys.all(bucket).iter();
        Ok(all.map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    fn identities(&mut self) -> Result<Vec<Bytes>, Self::Error> {
        Ok(self.identities.iter().cloned().collect())
    }

    fn release(&mut self, identities: Vec<Bytes>) -> Result<(), Self::Error> {
        for identity in identities {
            self.identities.remove(&identity);
        }
        Ok(())
    }

    fn fetch(&mut self, positions: Vec<u64>) -> Result<Vec<Entry>, Self::Error> {
        let wanted = |entry: &&Entry| positions.contains(&entry.position);
        Ok(self.entries.iter().filter(wanted).cloned().collect())
    }
}

pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    Filter::trusted(filter).matches(Topic::trusted(topic))
}
