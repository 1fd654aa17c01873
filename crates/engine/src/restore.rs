//! At the start: what a store kept becomes the state of all shards, before anybody connects. Who reads
//! the store is a [`Source`]; what is done with it, and in which order, is here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    ConnId, DelayedId, Ending, Entry, Message, SessionRef, Shard, Sink, Time,
    record::{self, Bucket, DelayedRecord, Delivery},
    retained::Totals,
};

/// A store that is read at the start.
pub trait Source {
    type Bytes: AsRef<[u8]> + Ord;
    type Error;

    /// The last position in the log.
    ///
    /// # Errors
    /// If the store cannot be read, as for all of these.
    fn tail(&mut self) -> Result<u64, Self::Error>;

    /// All keys of a bucket and their values.
    ///
    /// # Errors
    /// As above.
    fn records(&mut self, bucket: Bucket) -> Result<Records<Self>, Self::Error>;

    /// The identities that the log knows and that are not released.
    ///
    /// # Errors
    /// As above.
    fn identities(&mut self) -> Result<Vec<Self::Bytes>, Self::Error>;

    /// Lets the log forget identities.
    ///
    /// # Errors
    /// As above.
    fn release(&mut self, identities: Vec<Self::Bytes>) -> Result<(), Self::Error>;

    /// What the log has at these positions, which ascend.
    ///
    /// # Errors
    /// As above.
    fn fetch(&mut self, positions: Vec<u64>) -> Result<Vec<Entry>, Self::Error>;
}

/// Keys and their values.
pub type Records<S> = Vec<(<S as Source>::Bytes, <S as Source>::Bytes)>;

/// What was found, for whoever starts the broker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restored {
    pub sessions: u64,
    pub retained: u64,
    /// Deliveries of QoS 2 or of retained messages that were under way.
    pub deliveries: u64,
    pub wills: u64,
    /// Messages that wait for their time.
    pub delayed: u64,
    /// Retained messages beyond `mqtt.max_retained` and its like. They stay in the store.
    pub refused: u64,
    /// Records that could not be used.
    pub unusable: u64,
}

/// Nobody is connected yet.
struct Nobody(Vec<u8>);

impl Sink for Nobody {
    fn out(&mut self, _conn: ConnId) -> &mut Vec<u8> {
        self.0.clear();
        &mut self.0
    }

    fn close(&mut self, _conn: ConnId, _why: Ending) {}
}

/// Restores all shards, which are new.
///
/// # Errors
/// If the store cannot be read.
pub fn restore<S: Source>(
    source: &mut S,
    shards: &mut [&mut Shard],
    now: Time,
) -> Result<Restored, S::Error> {
    let tail = source.tail()?;
    let mut restored = Restored::default();
    let totals = Arc::new(Totals::default());
    for shard in shards.iter_mut() {
        shard.begin(now, tail);
        shard.share_totals(&totals);
    }
    groups(source, shards, &mut restored)?;
    sessions(source, shards, &mut restored)?;
    // Groups have their members before they hear what these have.
    settle(shards, now);
    let waiting = delayed(source, shards, &mut restored)?;
    received(source, shards, &waiting)?;
    deliveries(source, shards, &mut restored)?;
    retained(source, shards, now, &mut restored)?;
    // Every shard knows the others' subscriptions before the first message.
    settle(shards, now);
    for shard in shards.iter_mut() {
        shard.forget_groups();
    }
    wills(source, shards, &mut restored)?;
    settle(shards, now);
    Ok(restored)
}

/// The shard on which a client's session lives.
fn home<'a>(shards: &'a mut [&mut Shard], client_id: &str) -> &'a mut Shard {
    let at = usize::from(shards[0].home(client_id));
    shards[at]
}

/// Where shared groups stood in the log.
fn groups<S: Source>(
    source: &mut S,
    shards: &mut [&mut Shard],
    found: &mut Restored,
) -> Result<(), S::Error> {
    for (key, value) in source.records(Bucket::Group)? {
        let used = record::parse_group_key(key.as_ref()).is_some_and(|(name, filter)| {
            let at = usize::from(shards[0].group_home(name, filter));
            shards[at].restore_group(name, filter, value.as_ref())
        });
        found.unusable += u64::from(!used);
    }
    Ok(())
}

fn sessions<S: Source>(
    source: &mut S,
    shards: &mut [&mut Shard],
    found: &mut Restored,
) -> Result<(), S::Error> {
    let cursors = source.records(Bucket::Cursor)?;
    let position = |value: &S::Bytes| Some(u64::from_be_bytes(value.as_ref().try_into().ok()?));
    let mut cursors: BTreeMap<_, _> = cursors
        .into_iter()
        .filter_map(|(key, value)| Some((key, position(&value)?)))
        .collect();
    for (key, value) in source.records(Bucket::Session)? {
        let cursor = cursors.remove(&key).unwrap_or(0);
        let used = record::parse_key(key.as_ref()).is_some_and(|(name, _)| {
            home(shards, name).restore_session(name, value.as_ref(), cursor)
        });
        found.sessions += u64::from(used);
        found.unusable += u64::from(!used);
    }
    for (key, _) in cursors {
        shards[0].discard(Bucket::Cursor, key.as_ref());
    }
    Ok(())
}

/// Messages that wait for their time. Gives which.
fn delayed<S: Source>(
    source: &mut S,
    shards: &mut [&mut Shard],
    found: &mut Restored,
) -> Result<BTreeSet<DelayedId>, S::Error> {
    let mut waiting = BTreeSet::new();
    for (key, value) in source.records(Bucket::Delayed)? {
        let id = DelayedId::of_key(key.as_ref());
        let record = id.and_then(|id| Some((id, DelayedRecord::decode(id, value.as_ref())?)));
        let Some((id, record)) = record else {
            found.unusable += 1;
            continue;
        };
        for shard in shards.iter_mut() {
            shard.skip_serials(id.serial());
        }
        if matches!(record, DelayedRecord::Waits(_)) {
            waiting.insert(id);
        }
        home(shards, record.client_id()).restore_delayed(id, record);
    }
    found.delayed = waiting.len() as u64;
    Ok(waiting)
}

/// QoS 2 messages whose PUBREL is still to come; those of sessions that are no more are let go, and so
/// are those of delayed messages that do not wait any more.
fn received<S: Source>(
    source: &mut S,
    shards: &mut [&mut Shard],
    waiting: &BTreeSet<DelayedId>,
) -> Result<(), S::Error> {
    let mut nobodys = Vec::new();
    for identity in source.identities()? {
        let delayed = record::parse_delayed_identity(identity.as_ref());
        let known = delayed.is_some_and(|id| waiting.contains(&id))
            || record::parse_identity(identity.as_ref()).is_some_and(|(name, born, id)| {
                home(shards, name).restore_received(name, born, id)
            });
        if !known {
            nobodys.push(identity);
        }
    }
    if nobodys.is_empty() {
        return Ok(());
    }
    source.release(nobodys)
}

fn deliveries<S: Source>(
    source: &mut S,
    shards: &mut [&mut Shard],
    found: &mut Restored,
) -> Result<(), S::Error> {
    let mut records = Vec::new();
    for (key, value) in source.records(Bucket::Delivery)? {
        match (
            record::parse_key(key.as_ref()),
            Delivery::decode(value.as_ref()),
        ) {
            (Some((_, Some(number))), Some(delivery)) => records.push((number, key, delivery)),
            _ => found.unusable += 1,
        }
    }
    // As they were handed out, so that they are sent again in that order.
    records.sort_by_key(|(number, ..)| *number);
    let wanted: BTreeSet<u64> = records
        .iter()
        .filter_map(|(number, _, delivery)| delivery.wants(*number))
        .collect();
    let logged = source.fetch(wanted.into_iter().collect())?;
    let logged: BTreeMap<u64, Arc<Message>> = logged
        .into_iter()
        .map(|e| (e.position, e.message))
        .collect();
    for (number, key, delivery) in records {
        let Some((name, _)) = record::parse_key(key.as_ref()) else {
            continue;
        };
        let shard = home(shards, name);
        let position = delivery.wants(number);
        let message = position.and_then(|at| logged.get(&at).cloned());
        if shard.restore_delivery(name, number, delivery, message) {
            found.deliveries += 1;
        } else {
            shard.discard(Bucket::Delivery, key.as_ref());
        }
    }
    Ok(())
}

fn retained<S: Source>(
    source: &mut S,
    shards: &mut [&mut Shard],
    now: Time,
    found: &mut Restored,
) -> Result<(), S::Error> {
    for (key, value) in source.records(Bucket::Retained)? {
        let message = Message::decode(value.as_ref(), SessionRef::BROKER);
        let Some(message) = message.map(Arc::new) else {
            found.unusable += 1;
            continue;
        };
        let at = usize::from(shards[0].retainer(message.topic()));
        if message.view().is_expired(now) {
            shards[at].discard(Bucket::Retained, key.as_ref());
        } else if shards[at].restore_retained(&message) {
            found.retained += 1;
        } else {
            found.refused += 1;
        }
    }
    Ok(())
}

fn wills<S: Source>(
    source: &mut S,
    shards: &mut [&mut Shard],
    found: &mut Restored,
) -> Result<(), S::Error> {
    let mut records = source.records(Bucket::Will)?;
    records.sort();
    for (key, value) in records {
        let used = match record::parse_key(key.as_ref()) {
            Some((name, Some(serial))) => {
                let nobody = &mut Nobody(Vec::new());
                home(shards, name).restore_will(name, serial, value.as_ref(), nobody)
            }
            _ => false,
        };
        found.wills += u64::from(used);
        found.unusable += u64::from(!used);
    }
    Ok(())
}

/// Carries mail between the shards until there is none.
fn settle(shards: &mut [&mut Shard], now: Time) {
    loop {
        let mut letters = Vec::new();
        for (from, shard) in (0..).zip(shards.iter_mut()) {
            for (to, mail) in shard.outbox().iter_mut().enumerate() {
                if !mail.is_empty() {
                    letters.push((from, to, std::mem::take(mail)));
                }
            }
        }
        if letters.is_empty() {
            return;
        }
        for (from, to, mail) in letters {
            shards[to].inbox(now, from, mail, &mut Nobody(Vec::new()));
        }
    }
}
