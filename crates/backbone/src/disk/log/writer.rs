//! The one thread that writes a shard. It takes all that queued while the last sync ran, writes it
//! with one write and one sync, shows it to the tails, and only then completes the calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::super::cut::Cut;
use super::super::env::Env;
use super::super::frame::{Kind, Stamp, push};
use super::super::journal::{Journal, now_secs};
use super::super::lock;
#[cfg(feature = "plant")]
use super::super::plant::Planted;
use super::super::segment::Segment;
use super::{Active, Growing, Sealed, Shard};
use crate::{Dedup, Done, Entry, Error, Message, Pos, Record};

/// From so many bytes on a batch is written although more has queued.
const BATCH_BYTES: usize = 1 << 20;

/// How often old segments are looked for while nothing is written.
const AGE_LOOK: Duration = Duration::from_secs(60);

pub(in crate::disk) enum Command<M: Message> {
    Append {
        batch: Vec<Record<M>>,
        done: Done<Vec<Pos>>,
    },
    Release {
        identities: Vec<Dedup>,
        done: Done<()>,
    },
    Trim {
        below: u64,
        done: Done<()>,
    },
    Cut(Arc<Cut>),
}

pub(in crate::disk) struct Writer<M: Message> {
    pub(in crate::disk) env: Arc<Env>,
    pub(in crate::disk) shard: Arc<Shard<M>>,
    pub(in crate::disk) journal: Journal,
    /// The position of the next message.
    pub(in crate::disk) next: u64,
    pub(in crate::disk) batch: Batch<M>,
}

/// What is to be written at once.
pub(in crate::disk) struct Batch<M> {
    bytes: Vec<u8>,
    /// The messages, and where in `bytes` they begin.
    entries: Vec<(Entry<M>, usize)>,
    /// Identities that this batch opens, or releases.
    identities: HashMap<Dedup, Option<Pos>>,
    answers: Vec<Answer>,
}

enum Answer {
    Append(Done<Vec<Pos>>, Result<Vec<Pos>, Error>),
    Release(Done<()>, Vec<Dedup>),
}

impl<M> Default for Batch<M> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            entries: Vec::new(),
            identities: HashMap::new(),
            answers: Vec::new(),
        }
    }
}

impl<M: Message> Writer<M> {
    /// Works until the queue is closed and empty; then all is safe, whatever the level. Gives the
    /// last position and the newest segment, or `None` if it is not known what is there.
    pub(in crate::disk) fn run(mut self) -> Option<(u64, u64)> {
        let shard = Arc::clone(&self.shard);
        let look = self.env.options.log_age_max.map(|_| AGE_LOOK);
        while let Some(commands) = shard.queue.take(self.journal.sync_due().or(look)) {
            for command in commands {
                match command {
                    Command::Append { batch, done } => self.append(batch, done),
                    Command::Release { identities, done } => self.release(identities, done),
                    Command::Trim { below, done } => {
                        self.write();
                        self.trim(below);
                        done(Ok(()));
                    }
                    Command::Cut(cut) => {
                        self.write();
                        self.cut(&cut);
                    }
                }
                if self.batch.bytes.len() >= BATCH_BYTES {
                    self.write();
                }
            }
            self.write();
        }
        let known = self.close();
        let state = lock(&shard.state);
        let newest = state
            .sealed
            .back()
            .map_or(0, |sealed| sealed.segment.number);
        known.then_some((self.next - 1, newest))
    }

    fn append(&mut self, records: Vec<Record<M>>, done: Done<Vec<Pos>>) {
        let stored = |record: &Record<M>| {
            let dedup = record.dedup.as_ref();
            dedup.is_some_and(|dedup| self.known(dedup).is_some())
        };
        let positions = if self.env.reserve.is_short() && !records.iter().all(stored) {
            Err(Error::Full("the disk is full".into()))
        } else {
            Ok(records.into_iter().map(|record| self.add(record)).collect())
        };
        self.batch.answers.push(Answer::Append(done, positions));
    }

    /// The position of an identity that is open, with what was decided but not yet written.
    fn known(&self, dedup: &Dedup) -> Option<Pos> {
        let known = self.batch.identities.get(dedup).copied();
        known.unwrap_or_else(|| lock(&self.shard.state).open.get(dedup).copied())
    }

    /// Gives a record a position, or finds that of the one with its identity.
    fn add(&mut self, record: Record<M>) -> Pos {
        let known = record.dedup.as_ref().and_then(|dedup| self.known(dedup));
        if let Some(pos) = known {
            return pos;
        }
        let pos = Pos {
            shard: self.shard.number,
            seq: self.next,
        };
        self.next += 1;
        let at = self.batch.bytes.len();
        push(
            &mut self.batch.bytes,
            self.journal.stamp(),
            Kind::Message,
            pos.seq,
            |out| encode(&record, out),
        );
        if let Some(dedup) = record.dedup {
            self.batch.identities.insert(dedup, Some(pos));
        }
        let entry = Entry {
            pos,
            msg: record.msg,
        };
        self.batch.entries.push((entry, at));
        pos
    }

    fn release(&mut self, mut identities: Vec<Dedup>, done: Done<()>) {
        identities.retain(|dedup| self.known(dedup).is_some());
        if !identities.is_empty() {
            push(
                &mut self.batch.bytes,
                self.journal.stamp(),
                Kind::Release,
                self.next - 1,
                |out| identities.iter().for_each(|dedup| text(dedup, out)),
            );
        }
        let over = identities.iter().map(|dedup| (Arc::clone(dedup), None));
        self.batch.identities.extend(over);
        #[cfg(feature = "plant")]
        if self.journal.planted == Planted::AckBeforeRelease {
            return done(Ok(()));
        }
        self.batch.answers.push(Answer::Release(done, identities));
    }

    /// Writes what was gathered, shows it, and completes the calls.
    fn write(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        let mut written = self.commit(&batch);
        if let Err(Error::Full(why)) = &written {
            batch = self.necessary(batch, &Arc::clone(why));
            let env = Arc::clone(&self.env);
            written = env
                .reserve
                .lend(batch.bytes.len(), written, || self.commit(&batch));
        }
        if written.is_err() {
            self.next -= batch.entries.len() as u64;
        }
        for answer in batch.answers {
            match answer {
                Answer::Append(done, positions) => done(written.clone().and(positions)),
                Answer::Release(done, _) => done(written.clone()),
            }
        }
        self.limit();
    }

    /// Of a batch that found no room, what is to be written all the same: releases, by which QoS 2
    /// exchanges end. The rest is refused.
    fn necessary(&mut self, batch: Batch<M>, why: &Arc<str>) -> Batch<M> {
        self.next -= batch.entries.len() as u64;
        for answer in batch.answers {
            match answer {
                Answer::Append(done, _) => {
                    let full = Err(Error::Full(Arc::clone(why)));
                    self.batch.answers.push(Answer::Append(done, full));
                }
                Answer::Release(done, identities) => self.release(identities, done),
            }
        }
        std::mem::take(&mut self.batch)
    }

    fn commit(&mut self, batch: &Batch<M>) -> Result<(), Error> {
        let first = self.next - batch.entries.len() as u64;
        let shard = Arc::clone(&self.shard);
        let begin = |stamp: Stamp, out: &mut Vec<u8>| {
            let state = lock(&shard.state);
            push(out, stamp, Kind::Identities, first - 1, |out| {
                for (dedup, pos) in &state.open {
                    text(dedup, out);
                    out.extend(pos.seq.to_le_bytes());
                }
            });
        };
        if let Some(placed) = self.journal.commit(&batch.bytes, first, &begin)? {
            let count = batch.entries.len() as u64;
            shard.counters.records.fetch_add(count, Relaxed);
            self.seal(placed.retired);
            self.show(batch, &placed.segment, placed.offset);
        }
        Ok(())
    }

    /// Makes a batch visible and hands it to the tails.
    fn show(&self, batch: &Batch<M>, segment: &Arc<Segment>, offset: u64) {
        let mut state = lock(&self.shard.state);
        let state = &mut *state;
        let first = self.next - batch.entries.len() as u64;
        let active = state.active.get_or_insert_with(|| Active {
            segment: Arc::clone(segment),
            index: Growing::new(first.max(segment.first)),
            end: 0,
        });
        for (entry, at) in &batch.entries {
            let (topic, bytes) = (entry.msg.topic(), entry.msg.bytes() as u64);
            active
                .index
                .add(entry.pos.seq, offset + *at as u64, topic, bytes);
        }
        active.index.sums.newest_secs = now_secs();
        active.end = offset + batch.bytes.len() as u64;
        for (dedup, pos) in &batch.identities {
            match pos {
                Some(pos) => _ = state.open.insert(Arc::clone(dedup), *pos),
                None => _ = state.open.remove(dedup),
            }
        }
        let Some((newest, _)) = batch.entries.last() else {
            return;
        };
        state.last = newest.pos.seq;
        if !state.tails.is_empty() {
            let entries: Arc<[_]> = batch
                .entries
                .iter()
                .map(|(entry, _)| entry.clone())
                .collect();
            state.tails.retain(|tail| tail.show(&entries));
        }
    }

    /// Takes retired segments into the list of complete ones.
    fn seal(&self, retired: Vec<(Arc<Segment>, u64)>) {
        for (segment, end) in retired {
            let mut state = lock(&self.shard.state);
            let active = state
                .active
                .take_if(|active| active.segment.number == segment.number);
            let index = active.map_or_else(|| Growing::new(segment.first), |active| active.index);
            let sealed = Arc::new(Sealed::new(segment, end, index.pack()));
            state.sealed.push_back(Arc::clone(&sealed));
            drop(state);
            let env = Arc::clone(&self.env);
            self.env.janitor.run(move || sealed.write_footer(&env));
        }
    }

    /// Forgets whole segments below a position. The newest stays: it lists the open identities.
    fn trim(&self, below: u64) {
        let mut state = lock(&self.shard.state);
        while state.sealed.len() + usize::from(state.active.is_some()) > 1
            && let Some(oldest) = state.sealed.front()
            && oldest.sums.last < below
        {
            let oldest = state.sealed.pop_front().expect("it was just looked at");
            let env = Arc::clone(&self.env);
            self.env.janitor.run(move || oldest.remove(&env));
        }
    }

    /// Makes room by the limits of bytes and age. The newest segment with messages stays.
    fn limit(&self) {
        let options = &self.env.options;
        let oldest_secs = options
            .log_age_max
            .map(|age| now_secs().saturating_sub(age.as_secs()));
        let mut state = lock(&self.shard.state);
        let mut bytes = state.disk_bytes();
        while state.sealed.len() + usize::from(state.active.is_some()) > 1
            && let Some(oldest) = state.sealed.front()
        {
            let old = oldest_secs.is_some_and(|secs| oldest.sums.newest_secs < secs);
            if bytes <= options.log_shard_bytes_max && !old {
                break;
            }
            let oldest = state.sealed.pop_front().expect("it was just looked at");
            bytes -= oldest.disk_bytes();
            state.dropped += oldest.sums.messages;
            let (env, shard) = (Arc::clone(&self.env), Arc::clone(&self.shard));
            self.env.janitor.run(move || {
                shard.tell_shed(&env, &oldest);
                oldest.remove(&env);
            });
        }
    }

    /// Notes what is there at this instant, and waits until all writers have.
    fn cut(&mut self, cut: &Cut) {
        self.journal.sync_rest();
        let state = lock(&self.shard.state);
        let sealed = state.sealed.iter();
        let mut parts: Vec<_> = sealed.map(|sealed| sealed.part()).collect();
        let active = self.journal.active.as_ref();
        parts.extend(active.map(|active| (Arc::clone(&active.segment), active.len)));
        let retired = self.journal.retired.iter();
        parts.extend(retired.map(|(segment, len)| (Arc::clone(segment), *len)));
        drop(state);
        cut.reached(parts, Some(self.shard.number), self.next - 1);
    }

    /// Makes all safe and completes the newest segment. Gives whether it is known what is there.
    fn close(&mut self) -> bool {
        let known = self.journal.end();
        let retired = std::mem::take(&mut self.journal.retired);
        self.seal(retired);
        known
    }
}

/// Identity and message.
fn encode<M: Message>(record: &Record<M>, out: &mut Vec<u8>) {
    text(record.dedup.as_deref().unwrap_or_default(), out);
    record.msg.encode(out);
}

pub(in crate::disk) fn text(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u16::try_from(bytes.len()).expect("an identity is a client id and a number");
    out.extend(len.to_le_bytes());
    out.extend(bytes);
}
