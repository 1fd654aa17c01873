//! At the start: what the store has becomes the state of the shards, before anybody connects.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, mpsc},
};

use backbone::{Blob, Change, Error};
use engine::{
    ConnId, Ending, Message, Shard, Sink, Time,
    record::{self, Bucket, Delivery},
};

use super::store::{Store, entry};

/// What was found, for whoever starts the broker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restored {
    pub sessions: u64,
    pub retained: u64,
    /// Deliveries of QoS 2 or of retained messages that were under way.
    pub deliveries: u64,
    pub wills: u64,
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

/// Restores all shards.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn restore(
    store: &Store,
    shards: &mut [&mut Shard],
    now: Time,
) -> Result<Restored, Error> {
    let tail = store.tail()?;
    let mut restored = Restored::default();
    for shard in shards.iter_mut() {
        shard.begin(now, tail);
    }
    groups(store, shards, &mut restored)?;
    sessions(store, shards, &mut restored)?;
    // Groups have their members before they hear of what these have.
    settle(shards, now);
    received(store, shards)?;
    deliveries(store, shards, &mut restored)?;
    retained(store, shards, now, &mut restored)?;
    // Every shard knows the others' subscriptions before the first message.
    settle(shards, now);
    for shard in shards.iter_mut() {
        shard.forget_groups();
    }
    wills(store, shards, &mut restored)?;
    settle(shards, now);
    if restored.unusable > 0 {
        tracing::error!(
            "{} records of the store are of no form that this release knows; they were left alone",
            restored.unusable
        );
    }
    if restored.refused > 0 {
        tracing::warn!(
            "{} retained messages are beyond mqtt.max_retained or mqtt.max_retained_bytes; raise these \
             and start again to have them",
            restored.refused
        );
    }
    Ok(restored)
}

/// All keys of a bucket and their values.
fn read_all(store: &Store, bucket: Bucket) -> Result<Vec<(Blob, Blob)>, Error> {
    let (sender, receiver) = mpsc::channel();
    let guard = store.kv().watch(
        bucket.name(),
        &[],
        Box::new(move |changes| _ = sender.send(changes).ok()),
    );
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

/// The shard on which a client's session lives.
fn home<'a>(shards: &'a mut [&mut Shard], client_id: &str) -> &'a mut Shard {
    let at = usize::from(shards[0].home(client_id));
    shards[at]
}

fn sessions(store: &Store, shards: &mut [&mut Shard], found: &mut Restored) -> Result<(), Error> {
    let cursors = read_all(store, Bucket::Cursor)?;
    let mut cursors: HashMap<Blob, u64> = cursors
        .into_iter()
        .filter_map(|(key, value)| Some((key, u64::from_be_bytes((&*value).try_into().ok()?))))
        .collect();
    for (key, value) in read_all(store, Bucket::Session)? {
        let cursor = cursors.remove(&key).unwrap_or(0);
        let used = record::parse_key(&key)
            .is_some_and(|(name, _)| home(shards, name).restore_session(name, &value, cursor));
        found.sessions += u64::from(used);
        found.unusable += u64::from(!used);
    }
    for (key, _) in cursors {
        shards[0].discard(Bucket::Cursor, &key);
    }
    Ok(())
}

/// Where shared groups stood in the log.
fn groups(store: &Store, shards: &mut [&mut Shard], found: &mut Restored) -> Result<(), Error> {
    for (key, value) in read_all(store, Bucket::Group)? {
        let used = record::parse_group_key(&key).is_some_and(|(name, filter)| {
            let at = usize::from(shards[0].group_home(name, filter));
            shards[at].restore_group(name, filter, &value)
        });
        found.unusable += u64::from(!used);
    }
    Ok(())
}

/// QoS 2 messages whose PUBREL is still to come; those of sessions that are no more are let go.
fn received(store: &Store, shards: &mut [&mut Shard]) -> Result<(), Error> {
    let log = &store.backend.log;
    let open = backbone::wait(|done| log.identities(store.shard(), done))?;
    let mut nobodys = Vec::new();
    for (identity, _) in open {
        let known = record::parse_identity(&identity)
            .is_some_and(|(name, id)| home(shards, name).restore_received(name, id));
        if !known {
            nobodys.push(identity);
        }
    }
    if nobodys.is_empty() {
        return Ok(());
    }
    backbone::wait(|done| log.release(store.shard(), nobodys, done))
}

fn deliveries(store: &Store, shards: &mut [&mut Shard], found: &mut Restored) -> Result<(), Error> {
    let mut records = Vec::new();
    for (key, value) in read_all(store, Bucket::Delivery)? {
        match (record::parse_key(&key), Delivery::decode(&value)) {
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
    let log = &store.backend.log;
    let wanted = wanted.into_iter().collect();
    let logged = backbone::wait(|done| log.fetch(store.shard(), wanted, done))?;
    let logged: HashMap<u64, Arc<Message>> = logged
        .iter()
        .map(entry)
        .map(|e| (e.position, e.message))
        .collect();
    for (number, key, delivery) in records {
        let Some((name, _)) = record::parse_key(&key) else {
            continue;
        };
        let shard = home(shards, name);
        let message = delivery
            .wants(number)
            .and_then(|at| logged.get(&at).cloned());
        if shard.restore_delivery(name, number, delivery, message) {
            found.deliveries += 1;
        } else {
            shard.discard(Bucket::Delivery, &key);
        }
    }
    Ok(())
}

fn retained(
    store: &Store,
    shards: &mut [&mut Shard],
    now: Time,
    found: &mut Restored,
) -> Result<(), Error> {
    for (key, value) in read_all(store, Bucket::Retained)? {
        let Some(message) = Message::decode(&value, engine::SessionRef::BROKER).map(Arc::new)
        else {
            found.unusable += 1;
            continue;
        };
        let at = usize::from(shards[0].retainer(message.topic()));
        if message.view().is_expired(now) {
            shards[at].discard(Bucket::Retained, &key);
        } else if shards[at].restore_retained(&message) {
            found.retained += 1;
        } else {
            found.refused += 1;
        }
    }
    Ok(())
}

fn wills(store: &Store, shards: &mut [&mut Shard], found: &mut Restored) -> Result<(), Error> {
    let mut records = read_all(store, Bucket::Will)?;
    records.sort();
    for (key, value) in records {
        let used = match record::parse_key(&key) {
            Some((name, Some(serial))) => {
                let shard = home(shards, name);
                shard.restore_will(name, serial, &value, &mut Nobody(Vec::new()))
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
