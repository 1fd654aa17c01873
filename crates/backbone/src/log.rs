//! The shared log: every durable message once, in shards that are each totally ordered. Sessions
//! and groups are cursors into it. Here are the trait and its types only.

use std::fmt;
use std::sync::Arc;

use crate::{Done, Guard};

/// What is stored and carried. The crate never looks into it further than this.
pub trait Message: Send + Sync + Sized + 'static {
    /// The topic name; a valid one, without wildcards.
    fn topic(&self) -> &str;
    /// How many bytes it counts for against the limits of log and queues.
    fn bytes(&self) -> usize;
    /// Appends its stored form.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads what `encode` wrote. `None` if these bytes are not a message.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// Where an entry is. Positions grow from 1 inside a shard and are never used again; between
/// shards the order means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos {
    /// The log shard.
    pub shard: u16,
    /// The position inside it; 0 stands for "before the first".
    pub seq: u64,
}

/// The identity of an incoming QoS 2 message: whatever names session and packet id. At most 64 KiB.
/// It is to be released when PUBREL ends the exchange, or the session is no more.
pub type Dedup = Arc<[u8]>;

/// A message to be appended.
pub struct Record<M> {
    /// The message.
    pub msg: Arc<M>,
    /// Set for QoS 2 only: the second record with this identity is not stored again.
    pub dedup: Option<Dedup>,
}

/// A message that is in the log.
pub struct Entry<M> {
    /// Where it is.
    pub pos: Pos,
    /// The message.
    pub msg: Arc<M>,
}

/// A part of a shard, read by filters.
#[derive(Debug)]
pub struct Replay<M: Message> {
    /// What matched, in log order, each once.
    pub entries: Vec<Entry<M>>,
    /// Everything up to here was considered: go on with `after` = this.
    pub upto: u64,
}

/// What a shard holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first position still there; `last + 1` if the shard is empty.
    pub first: u64,
    /// The last position ever given; 0 if none was.
    pub last: u64,
    /// The sum of [`Message::bytes`] of what is there.
    pub bytes: u64,
    /// How many entries were lost to the limits of bytes and age since the start (not to `trim`).
    pub dropped: u64,
}

/// Takes the batches of a tail, in log order.
pub type TailSink<M> = Box<dyn Fn(Arc<[Entry<M>]>) + Send + Sync>;

/// The shared log.
///
/// Bounded in bytes per shard: the oldest entries make room for new ones and are counted in
/// [`Bounds::dropped`] and handed to [`Log::shed`]. A reader whose cursor is behind [`Bounds::first`] has lost the entries
/// between, like one whose queue was full.
pub trait Log<M: Message>: Send + Sync {
    /// The number of shards, at least 1. It never changes for one log.
    fn shards(&self) -> u16;

    /// The shard of a topic: the same in every process and release, see [`shard_of`].
    fn shard_of(&self, topic: &str) -> u16 {
        shard_of(topic, self.shards())
    }

    /// Appends a batch; it is contiguous unless a record is a duplicate. `Ok` means durable at
    /// the level that the backend is set to, and has a position for each record, that of the
    /// first one for a duplicate. Calls of one caller for one shard are completed in their order.
    ///
    /// An identity is open, and remembered, until it is [released](Self::release), even if its
    /// record was trimmed; one that is released may name another message. The tail may show the
    /// batch before or after the completion.
    ///
    /// # Errors
    /// `Full`, `Unavailable` (may have been written: append again, with the same identities),
    /// `Fatal`.
    fn append(&self, shard: u16, batch: Vec<Record<M>>, done: Done<Vec<Pos>>);

    /// Forgets identities; unknown ones are ignored. `Ok` means durable: PUBCOMP may leave.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    fn release(&self, shard: u16, identities: Vec<Dedup>, done: Done<()>);

    /// The identities that are open, and their records' positions, in no order: what sessions
    /// have to know after a restart, to answer PUBREL and PUBLISH with DUP.
    ///
    /// # Errors
    /// `Unavailable`, `Fatal`.
    fn identities(&self, shard: u16, done: Done<Vec<(Dedup, Pos)>>);

    /// Everything durable after position `after`, first what is there, then what comes: in log
    /// order, each entry once, without gaps other than what was trimmed before it was read (or
    /// quarantined as damaged). Never calls with an empty batch. One per node and shard is
    /// intended, not one per session. A backend that loses its connection resumes by itself.
    fn tail(&self, shard: u16, after: u64, sink: TailSink<M>) -> Guard;

    /// Everything that is lost to the limits from now on, in log order, each entry once: who
    /// counts losses has to know whose they were. Called after the tails saw the entry. A backend
    /// whose store does not say what it drops never calls.
    fn shed(&self, shard: u16, sink: TailSink<M>) -> Guard;

    /// Reads the entries in `after < seq <= upto` whose topic matches one of `filters`, at most
    /// `max` of them. It may stop early to bound its work: [`Replay::upto`] tells how far it
    /// came, which is `upto` or the shard's end (never less than `after`) once all was read, and
    /// else beyond `after` if `max` > 0.
    ///
    /// # Errors
    /// `Unavailable`; `Fatal`, also for a filter that is not a valid one.
    fn replay(
        &self,
        shard: u16,
        filters: Vec<String>,
        after: u64,
        upto: u64,
        max: usize,
        done: Done<Replay<M>>,
    );

    /// Reads entries by position, in the order asked for. What is no longer (or not yet) there
    /// is left out.
    ///
    /// # Errors
    /// `Unavailable`, `Fatal`.
    fn fetch(&self, shard: u16, positions: Vec<u64>, done: Done<Vec<Entry<M>>>);

    /// What a shard holds.
    ///
    /// # Errors
    /// `Unavailable`, `Fatal`.
    fn bounds(&self, shard: u16, done: Done<Bounds>);

    /// Forgets the entries below a position. A backend may keep some of them longer (whole
    /// segments), so [`Bounds::first`] may stay lower than `below`. Positions go on from where
    /// they are.
    ///
    /// # Errors
    /// `Unavailable`, `Fatal`.
    fn trim(&self, shard: u16, below: u64, done: Done<()>);
}

/// The shard of a topic: FNV-1a of 64 bits over its bytes, modulo the number of shards. Written
/// out here because cursors in stores depend on it: it must never change.
///
/// # Panics
/// If `shards` is 0.
pub fn shard_of(topic: &str, shards: u16) -> u16 {
    let hash = topic.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    u16::try_from(hash % u64::from(shards)).expect("a remainder is below its u16 divisor")
}

impl<M> Record<M> {
    /// A record without an identity, for everything but QoS 2.
    pub fn new(msg: Arc<M>) -> Self {
        Self { msg, dedup: None }
    }
}

// By hand, because derived ones would ask for `M: Clone` and `M: Debug`.
impl<M> Clone for Record<M> {
    fn clone(&self) -> Self {
        Self {
            msg: Arc::clone(&self.msg),
            dedup: self.dedup.clone(),
        }
    }
}

impl<M> Clone for Entry<M> {
    fn clone(&self) -> Self {
        Self {
            pos: self.pos,
            msg: Arc::clone(&self.msg),
        }
    }
}

impl<M: Message> fmt::Debug for Record<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({:?}, {:?})", self.msg.topic(), self.dedup)
    }
}

impl<M: Message> fmt::Debug for Entry<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Entry({}/{}, {:?})",
            self.pos.shard,
            self.pos.seq,
            self.msg.topic()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::shard_of;

    /// The published test values of FNV-1a, and that one shard takes everything.
    #[test]
    fn shards_are_stable() {
        assert_eq!(
            u64::from(shard_of("", u16::MAX)),
            0xcbf2_9ce4_8422_2325 % 65_535
        );
        assert_eq!(
            u64::from(shard_of("a", u16::MAX)),
            0xaf63_dc4c_8601_ec8c % 65_535
        );
        assert_eq!(
            u64::from(shard_of("foobar", u16::MAX)),
            0x8594_4171_f739_67e8 % 65_535
        );
        assert_eq!(shard_of("any/topic", 1), 0);
    }
}
