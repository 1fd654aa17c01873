//! What a shard keeps in a store, as bytes: sessions, their places in the log, deliveries under way,
//! wills, retained and delayed messages and the places of shared groups. Keys begin with a name, which
//! never contains NUL; but for delayed messages, which have a number.

mod bytes;
mod delayed;
mod delivery;
mod group;
mod session;
mod will;

pub(crate) use bytes::{Reader, put_number, put_writer};
pub(crate) use delayed::DelayedRecord;
pub use delivery::Delivery;
pub(crate) use delivery::{INLINE, Lease, Step};
pub(crate) use group::GroupRecord;
pub(crate) use session::{Group, SessionRecord, Subscription};
pub(crate) use will::WillRecord;

/// The kinds of records. Each has keys of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bucket {
    /// Client id -> the session but for what changes with each message.
    Session,
    /// Client id -> the position in the log up to which everything was acknowledged, where that is
    /// further than the session's record says.
    Cursor,
    /// Client id and position -> packet id and state of a delivery that has to be known after a restart.
    Delivery,
    /// Client id and serial -> a will that is not published yet.
    Will,
    /// Topic -> its retained message.
    Retained,
    /// Name and filter of a shared group -> its place in the log.
    Group,
    /// Id of a delayed message -> the message.
    Delayed,
}

impl Bucket {
    pub const ALL: [Self; 7] = [
        Self::Session,
        Self::Cursor,
        Self::Delivery,
        Self::Will,
        Self::Retained,
        Self::Group,
        Self::Delayed,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Cursor => "cursor",
            Self::Delivery => "delivery",
            Self::Will => "will",
            Self::Retained => "retained",
            Self::Group => "group",
            Self::Delayed => "delayed",
        }
    }
}

/// One key that gets a value, or loses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub bucket: Bucket,
    pub key: Box<[u8]>,
    pub value: Option<Box<[u8]>>,
}

/// The key of one of several records of a client.
pub(crate) fn key_of(client_id: &str, number: u64) -> Box<[u8]> {
    let mut key = Vec::with_capacity(client_id.len() + 9);
    key.extend_from_slice(client_id.as_bytes());
    key.push(0);
    key.extend_from_slice(&number.to_be_bytes());
    key.into()
}

/// The key of a shared group's record.
pub(crate) fn group_key(name: &str, filter: &str) -> Box<[u8]> {
    let mut key = Vec::with_capacity(name.len() + filter.len() + 1);
    key.extend_from_slice(name.as_bytes());
    key.push(0);
    key.extend_from_slice(filter.as_bytes());
    key.into()
}

/// Name and filter of the group that a key of [`Bucket::Group`] is of.
#[must_use]
pub fn parse_group_key(key: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(key).ok()?.split_once('\0')
}

/// The client that a key of a bucket of clients is of, and the number behind it.
#[must_use]
pub fn parse_key(key: &[u8]) -> Option<(&str, Option<u64>)> {
    let Some(end) = key.iter().position(|b| *b == 0) else {
        return Some((std::str::from_utf8(key).ok()?, None));
    };
    let number = u64::from_be_bytes(key[end + 1..].try_into().ok()?);
    Some((std::str::from_utf8(&key[..end]).ok()?, Some(number)))
}

/// The identity under which the log knows a QoS 2 message of a session until it is released. A session
/// is named by when it was born: log and records are not written together, and a later session of the
/// client must not know the ids of an earlier one.
#[must_use]
pub fn identity(client_id: &str, born: u64, id: protocol::PacketId) -> Box<[u8]> {
    let mut key = Vec::with_capacity(client_id.len() + 11);
    key.extend_from_slice(client_id.as_bytes());
    key.push(0);
    key.extend_from_slice(&born.to_be_bytes());
    key.extend_from_slice(&id.get().to_be_bytes());
    key.into()
}

/// How an identity begins that is a delayed message's. That of a client never begins so: it has a NUL
/// and ten bytes behind its name.
const DELAYED: &[u8; 8] = b"\0delayed";

/// The identity under which the log knows a delayed message of QoS 2 until its record is gone, so that it
/// is not published again.
pub(crate) fn delayed_identity(id: crate::DelayedId) -> Box<[u8]> {
    [&DELAYED[..], &id.key()].concat().into()
}

/// The delayed message that an identity is of.
#[must_use]
pub fn parse_delayed_identity(identity: &[u8]) -> Option<crate::DelayedId> {
    crate::DelayedId::of_key(identity.strip_prefix(DELAYED)?)
}

/// Client, birth of its session and packet id of an identity.
#[must_use]
pub fn parse_identity(identity: &[u8]) -> Option<(&str, u64, protocol::PacketId)> {
    let (name, id) = identity.split_last_chunk::<2>()?;
    let (name, born) = name.split_last_chunk::<8>()?;
    let (0, name) = name.split_last().map(|(nul, name)| (*nul, name))? else {
        return None;
    };
    let id = protocol::PacketId::new(u16::from_be_bytes(*id))?;
    let name = std::str::from_utf8(name).ok()?;
    Some((name, u64::from_be_bytes(*born), id))
}
