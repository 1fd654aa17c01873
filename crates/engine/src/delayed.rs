//! Messages that wait for their time, on the shard where the session of their publisher lives.

use std::{collections::BTreeMap, sync::Arc};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::PacketId;

use crate::{Message, Time, acl::Principal, record};

/// Names a delayed message, over restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DelayedId {
    serial: u64,
    /// Which shard named it; shards count for themselves.
    shard: u16,
}

impl DelayedId {
    pub(crate) fn new(serial: u64, shard: u16) -> Self {
        Self { serial, shard }
    }

    pub(crate) fn serial(self) -> u64 {
        self.serial
    }

    /// Under which the store has it.
    pub(crate) fn key(self) -> Box<[u8]> {
        let (serial, shard) = (self.serial.to_be_bytes(), self.shard.to_be_bytes());
        [&serial[..], &shard[..]].concat().into()
    }

    /// Of a key of [`record::Bucket::Delayed`].
    #[must_use]
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let (serial, shard) = key.split_first_chunk::<8>()?;
        Some(Self {
            serial: u64::from_be_bytes(*serial),
            shard: u16::from_be_bytes(shard.try_into().ok()?),
        })
    }

    /// As it is written: 32 hexadecimal digits, as tools expect them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let shard = u64::from_str_radix(&text[16..], 16).ok()?;
        Some(Self {
            serial: u64::from_str_radix(&text[..16], 16).ok()?,
            // None has a larger one, so nothing will be found.
            shard: u16::try_from(shard).unwrap_or(u16::MAX),
        })
    }
}

impl std::fmt::Display for DelayedId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016X}{:016X}", self.serial, self.shard)
    }
}

/// A message that waits.
#[derive(Clone, Debug)]
pub struct Delayed {
    pub id: DelayedId,
    pub accepted: Time,
    pub due: Time,
    /// Who published it.
    pub client_id: Box<str>,
    pub user_name: Option<Box<str>>,
    pub message: Arc<Message>,
    pub(crate) owner: Principal,
    /// Message Expiry Interval: it starts when the message is published, as that of a will does.
    pub(crate) expiry_secs: Option<u32>,
    /// The exchange of QoS 2 that brought it and is not finished, of a session that outlives its
    /// connection: its birth and the packet id.
    pub(crate) exchange: Option<(u64, PacketId)>,
}

impl Delayed {
    pub(crate) fn bytes(&self) -> usize {
        let names = self.client_id.len() + self.user_name.as_ref().map_or(0, |n| n.len());
        self.message.bytes() + names + size_of::<Self>()
    }

    /// Under which the log knows a QoS 2 exchange.
    pub(crate) fn identity(&self) -> Option<Box<[u8]>> {
        let (born, id) = self.exchange?;
        Some(record::identity(&self.client_id, born, id))
    }
}

/// All that wait on a shard.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    by_due: BTreeMap<(Time, DelayedId), Arc<Delayed>>,
    due: HashMap<DelayedId, Time, FixedState>,
    /// Exchanges of QoS 2 that are not finished, and the message each brought, which may have been
    /// published meanwhile. No more than clients may have open.
    exchanges: HashMap<Box<[u8]>, DelayedId, FixedState>,
    /// Messages whose records the store does not have yet, and such of open exchanges that are being
    /// published.
    passing: HashMap<DelayedId, Arc<Delayed>, FixedState>,
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.by_due.len()
    }

    /// A message that waits once the store has it: were it published before, a crash could forget that
    /// it ever came.
    pub(crate) fn arrives(&mut self, message: Arc<Delayed>) {
        self.open_exchange(&message);
        self.passing.insert(message.id, message);
    }

    /// A message is being published.
    pub(crate) fn leaves(&mut self, message: &Arc<Delayed>) {
        if message.exchange.is_some() {
            self.passing.insert(message.id, message.clone());
        }
    }

    /// The store has what it was to have of it.
    pub(crate) fn passed(&mut self, id: DelayedId) -> Option<Arc<Delayed>> {
        let passed = self.passing.remove(&id);
        if self.passing.is_empty() {
            self.passing = HashMap::default();
        }
        passed
    }

    fn open_exchange(&mut self, message: &Delayed) {
        if let Some(identity) = message.identity() {
            self.exchanges.insert(identity, message.id);
        }
    }

    pub(crate) fn put(&mut self, message: Arc<Delayed>) {
        self.open_exchange(&message);
        self.due.insert(message.id, message.due);
        self.by_due.insert((message.due, message.id), message);
    }

    pub(crate) fn find(&self, id: DelayedId) -> Option<&Arc<Delayed>> {
        self.by_due.get(&(*self.due.get(&id)?, id))
    }

    pub(crate) fn take(&mut self, id: DelayedId) -> Option<Arc<Delayed>> {
        let due = self.due.remove(&id)?;
        if self.due.is_empty() {
            self.due = HashMap::default();
        }
        self.by_due.remove(&(due, id))
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.by_due.first_key_value().map(|((due, _), _)| *due)
    }

    pub(crate) fn take_due(&mut self, now: Time) -> Option<Arc<Delayed>> {
        let (&(due, id), _) = self.by_due.first_key_value()?;
        if due > now {
            return None;
        }
        self.take(id)
    }

    /// Those behind a place in the order in which they are due.
    pub(crate) fn after(
        &self,
        place: Option<(Time, DelayedId)>,
    ) -> impl Iterator<Item = &Arc<Delayed>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = place.map_or(Unbounded, Excluded);
        self.by_due.range((from, Unbounded)).map(|(_, m)| m)
    }

    /// An exchange of which the message was published in an earlier life.
    pub(crate) fn restore_exchange(&mut self, identity: Box<[u8]>, id: DelayedId) {
        self.exchanges.insert(identity, id);
    }

    pub(crate) fn has_exchanges(&self) -> bool {
        !self.exchanges.is_empty()
    }

    pub(crate) fn knows_exchange(&self, identity: &[u8]) -> bool {
        self.exchanges.contains_key(identity)
    }

    pub(crate) fn forget_exchange(&mut self, identity: &[u8]) {
        self.exchanges.remove(identity);
    }

    /// The exchange is finished. Gives the message it brought, or what is left of it.
    pub(crate) fn end_exchange(
        &mut self,
        identity: &[u8],
    ) -> Option<(DelayedId, Option<Arc<Delayed>>)> {
        let id = self.exchanges.remove(identity)?;
        let waits = self.take(id);
        let is_waiting = waits.is_some();
        let finished = waits.or_else(|| self.passed(id)).map(|message| {
            Arc::new(Delayed {
                exchange: None,
                ..(*message).clone()
            })
        });
        if let Some(message) = &finished {
            if is_waiting {
                self.put(message.clone());
            } else {
                self.passing.insert(id, message.clone());
            }
        }
        Some((id, finished))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_as_text_and_key() {
        let id = DelayedId::new(0x1234_5678_9abc_def0, 3);
        assert_eq!(id.to_string(), "123456789ABCDEF00000000000000003");
        assert_eq!(
            DelayedId::parse("123456789abcdef00000000000000003"),
            Some(id)
        );
        assert_ne!(
            DelayedId::parse("123456789abcdef00000000000010003"),
            Some(id)
        );
        assert_eq!(DelayedId::of_key(&id.key()), Some(id));
        for wrong in [
            "",
            "1",
            "123456789abcdef0000000000000000g",
            "+23456789abcdef00000000000000003",
            "ééééééééééééééée",
        ] {
            assert_eq!(DelayedId::parse(wrong), None, "{wrong}");
        }
    }
}
