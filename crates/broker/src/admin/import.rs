//! Giving a backup back to the running broker: settings, decisions, users and keys, retained messages.
//! Sessions and the log belong to shards that are running with others: these come back with
//! `ternmq store import` on an empty data directory. What is wrong with a backup is found before
//! anything of it is used; what fails half way is taken back.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Seek as _},
    sync::Arc,
};

use backbone::{Blob, disk::tools};
use engine::{Message, SessionRef};

use super::{
    Admin, Bucket, Change, Gone,
    authentication::AuthenticationError,
    backup::{BackupError, KEY_BYTES_MAX, aside},
    keep::is_secret,
    policy::Decided,
};
use crate::{
    config::Layers,
    control::configuration::{self, Changes},
};

/// Settings and the like in one backup, together: they are held in memory until all is checked.
const CONTROL_BYTES_MAX: usize = 64 << 20;
/// Retained messages that a shard is handed at once.
const BATCH: usize = 100;
const BATCH_BYTES: usize = 1 << 20;

/// What of the accounts is taken.
#[derive(Clone, Copy, Debug)]
pub enum Accounts {
    /// Users and API keys, if the backup has them and this says of each that it is one: their form is
    /// not known here.
    Taken(fn(Bucket, &[u8], &[u8]) -> bool),
    LeftOut,
}

/// What was taken from a backup and what was not, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub taken: BTreeMap<&'static str, u64>,
    /// For `ternmq store import` with the broker stopped.
    pub left: BTreeMap<String, u64>,
    /// Retained messages beyond `mqtt.max_retained` and its like, or expired.
    pub refused: u64,
}

/// A bucket's records.
type Records = BTreeMap<Blob, Blob>;

/// What the control plane takes of a backup.
#[derive(Default)]
struct Found {
    settings: Changes,
    records: BTreeMap<&'static str, Records>,
    imported: Imported,
}

/// What puts things back as they were.
#[derive(Default)]
struct Undo {
    settings: Changes,
    records: Vec<(Bucket, Vec<Change>)>,
}

/// A retained message that was taken, its shard, and what its topic had before. All of them are in
/// memory anyway, within `mqtt.max_retained` and its like; what they replace stays there a while longer.
struct Replaced {
    shard: u16,
    message: Arc<Message>,
    before: Option<Arc<Message>>,
}

/// Buckets whose records are taken as they are.
const TAKEN: [Bucket; 8] = [
    Bucket::Ban,
    Bucket::Policy,
    Bucket::AccessRule,
    Bucket::User,
    Bucket::ApiKey,
    Bucket::Authenticator,
    Bucket::MqttUser,
    Bucket::ScramUser,
];
const RETAINED: &str = "retained";

impl Admin {
    /// Gives a backup back, as far as that can be while the broker runs. What is there and not in the
    /// backup stays.
    ///
    /// # Errors
    /// If the backup is not whole or has what cannot be used, or the store does not take it; then nothing
    /// is changed.
    pub async fn import_backup(
        &self,
        name: &str,
        accounts: Accounts,
    ) -> Result<Imported, BackupError> {
        let turn = self.0.desk.take()?;
        // Looked at and taken from one and the same file, whatever becomes of its name.
        let (_, mut file) = self.open_backup(name)?;
        let admin = self.clone();
        aside(move || {
            let _turn = turn;
            let mut found = look(&mut file, accounts)?;
            let _order = configuration::wait(admin.turn());
            let undo = configuration::wait(admin.apply(&mut found))?;
            let mut replaced = Vec::new();
            let taken = admin.import_retained(&mut file, &mut found.imported, &mut replaced);
            if let Err(error) = taken {
                admin.restore_retained(replaced);
                configuration::wait(admin.take_back(undo));
                return Err(error);
            }
            Ok(found.imported)
        })
        .await
    }

    /// Settings, decisions and accounts: all of them or none.
    async fn apply(&self, found: &mut Found) -> Result<Undo, BackupError> {
        let mut undo = Undo::default();
        let applied = self.apply_each(found, &mut undo).await;
        match applied {
            Ok(()) => Ok(undo),
            Err(error) => {
                self.take_back(undo).await;
                Err(error)
            }
        }
    }

    /// What was changed until something failed stands in `undo`.
    async fn apply_each(&self, found: &mut Found, undo: &mut Undo) -> Result<(), BackupError> {
        let merged = |bucket: Bucket| -> Result<Vec<(Blob, Blob)>, BackupError> {
            let mut records = self.records(bucket)?;
            let new = found.records.get(bucket.name()).cloned();
            records.extend(new.unwrap_or_default());
            Ok(records.into_iter().collect())
        };
        let (policies, bans) = (merged(Bucket::Policy)?, merged(Bucket::Ban)?);
        let rules = merged(Bucket::AccessRule)?;
        let profile = self.look(|config| config.node.profile);
        let (decided, faults) = Decided::of(&policies, &bans, &rules, profile);
        if let Some(fault) = faults.into_iter().next() {
            return Err(BackupError::Unfit(fault));
        }
        let (setups, users) = (merged(Bucket::Authenticator)?, merged(Bucket::MqttUser)?);
        let scram_users = merged(Bucket::ScramUser)?;
        let taken = self.0.office.take(&setups, &users, &scram_users);
        let faults = taken.map_err(|error| BackupError::Unfit(error.to_string()))?;
        if let Some(fault) = faults.into_iter().next() {
            return Err(BackupError::Unfit(fault));
        }
        for bucket in TAKEN {
            let Some(records) = found.records.remove(bucket.name()) else {
                continue;
            };
            let before = self.records(bucket)?;
            let back = records.keys().map(|key| {
                let old = before.get(key).map(|value| value.to_vec());
                (key.to_vec(), old)
            });
            undo.records.push((bucket, back.collect()));
            let changes = records
                .iter()
                .map(|(key, value)| (key.to_vec(), Some(value.to_vec())));
            self.keep().put(bucket, changes.collect()).await?;
        }
        let settings = std::mem::take(&mut found.settings);
        if !settings.is_empty() {
            let now = self.0.configuration.now();
            let saved = now.layers.saved();
            let before = settings.keys();
            let before = before.map(|name| (name.clone(), saved.get(name).cloned()));
            let before = before.collect();
            let changed = self.0.configuration.change(settings).await;
            changed.map_err(|error| BackupError::Unfit(error.to_string()))?;
            undo.settings = before;
        }
        *self.decided() = decided;
        self.tell_chain().await.map_err(unfit)?;
        Ok(self.tell().await?)
    }

    fn records(&self, bucket: Bucket) -> Result<Records, BackupError> {
        Ok(self.keep().load(bucket)?.into_iter().collect())
    }

    async fn take_back(&self, undo: Undo) {
        let wholly = self.take_back_each(undo).await;
        if let Err(error) = wholly {
            tracing::error!("an import that failed could not be taken back wholly: {error}");
        }
    }

    async fn take_back_each(&self, undo: Undo) -> Result<(), BackupError> {
        for (bucket, changes) in undo.records {
            self.keep().put(bucket, changes).await?;
        }
        if !undo.settings.is_empty() {
            let changed = self.0.configuration.change(undo.settings).await;
            changed.map_err(|error| BackupError::Unfit(error.to_string()))?;
        }
        let kept = |bucket| Ok::<_, BackupError>(self.keep().load(bucket)?);
        let rules = kept(Bucket::AccessRule)?;
        let (policies, bans) = (kept(Bucket::Policy)?, kept(Bucket::Ban)?);
        let profile = self.look(|config| config.node.profile);
        let (decided, _) = Decided::of(&policies, &bans, &rules, profile);
        *self.decided() = decided;
        let (setups, users) = (kept(Bucket::Authenticator)?, kept(Bucket::MqttUser)?);
        let scram_users = kept(Bucket::ScramUser)?;
        let taken = self.0.office.take(&setups, &users, &scram_users);
        taken.map_err(|error| BackupError::Unfit(error.to_string()))?;
        self.tell_chain().await.map_err(unfit)?;
        Ok(self.tell().await?)
    }

    /// Retained messages, one batch after the other, each safe before the next. Nobody is sent them: they
    /// are no news. What was taken until something failed stands in `replaced`.
    fn import_retained(
        &self,
        file: &mut File,
        imported: &mut Imported,
        replaced: &mut Vec<Replaced>,
    ) -> Result<(), BackupError> {
        let mut batches: BTreeMap<u16, (Vec<Arc<Message>>, usize)> = BTreeMap::new();
        let mut refused = 0;
        let mut failed = None;
        let mut hand = |shard: u16, batch: Vec<Arc<Message>>| {
            let count = batch.len();
            let taken = self.hand(shard, batch, replaced);
            match configuration::wait(taken) {
                Ok(taken) => refused += (count - taken) as u64,
                Err(error) => failed = Some(error),
            }
            failed.is_none()
        };
        let mut goes_on = true;
        file.rewind()?;
        tools::look_through(
            &mut BufReader::new(file),
            KEY_BYTES_MAX,
            |bucket, _, value| {
                if bucket != RETAINED || !goes_on {
                    return;
                }
                let Some(message) = Message::decode(value, SessionRef::BROKER) else {
                    return; // It was looked at before.
                };
                let home = self.home(message.topic().as_str());
                let (batch, bytes) = batches.entry(home).or_default();
                *bytes += message.bytes();
                batch.push(Arc::new(message));
                if batch.len() >= BATCH || *bytes >= BATCH_BYTES {
                    *bytes = 0;
                    goes_on = hand(home, std::mem::take(batch));
                }
            },
        )?;
        for (shard, (batch, _)) in batches {
            if goes_on && !batch.is_empty() {
                goes_on = hand(shard, batch);
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let kept = replaced.len() as u64;
        if kept > 0 {
            imported.taken.insert(RETAINED, kept);
        }
        imported.refused = refused;
        Ok(())
    }

    /// Hands a batch to its shard, and waits until the store has it. Gives how many were taken.
    async fn hand(
        &self,
        shard: u16,
        batch: Vec<Arc<Message>>,
        replaced: &mut Vec<Replaced>,
    ) -> Result<usize, BackupError> {
        let taken = self
            .ask(shard, move |visit| {
                let mut taken = Vec::new();
                for message in batch {
                    if let Some(new) = visit.engine.import_retained(visit.now, &message) {
                        let kept = visit.later(new.ticket);
                        let before = new.before;
                        let new = Replaced {
                            shard,
                            message,
                            before,
                        };
                        taken.push((new, kept));
                    }
                }
                taken
            })
            .await?;
        let count = taken.len();
        let mut all_kept = true;
        for (new, kept) in taken {
            replaced.push(new);
            all_kept &= kept.await.map_err(|_| Gone)?;
        }
        if all_kept {
            Ok(count)
        } else {
            Err(BackupError::NotKept)
        }
    }

    /// Puts back what retained messages of a backup replaced.
    fn restore_retained(&self, replaced: Vec<Replaced>) {
        let mut wholly = true;
        let mut tickets = Vec::new();
        for each in replaced.into_iter().rev() {
            let asked = self.ask(each.shard, move |visit| {
                let before = each.before.as_ref();
                let engine = &mut visit.engine;
                let ticket = engine.undo_import(visit.now, &each.message, before)?;
                Some(visit.later(ticket))
            });
            match configuration::wait(asked) {
                Ok(ticket) => tickets.extend(ticket),
                Err(Gone) => wholly = false,
            }
        }
        for kept in tickets {
            wholly &= configuration::wait(kept).unwrap_or(false);
        }
        if !wholly {
            tracing::error!("an import that failed could not be taken back wholly");
        }
    }
}

/// Reads a backup to its end and checks all that would be taken of it.
fn look(file: &mut File, accounts: Accounts) -> Result<Found, BackupError> {
    let mut found = Found::default();
    let mut bytes = 0;
    let mut unfit: Option<String> = None;
    let carried = tools::look_through(
        &mut BufReader::new(file),
        KEY_BYTES_MAX,
        |bucket, key, value| {
            let record = found.add(bucket, key, value, accounts);
            bytes += record.as_ref().map_or(0, |bytes| *bytes);
            if bytes > CONTROL_BYTES_MAX {
                unfit.get_or_insert_with(|| {
                    "it has more than 64 MB of settings and the like".into()
                });
            }
            if let Err(why) = record {
                unfit.get_or_insert(why);
            }
            if unfit.is_some() {
                // Read on, to say first if it is damaged; but hold nothing.
                found.records.clear();
                found.settings.clear();
            }
        },
    )?;
    if carried.messages > 0 {
        found
            .imported
            .left
            .insert("message".to_owned(), carried.messages);
    }
    match unfit {
        Some(why) => Err(BackupError::Unfit(why)),
        None => Ok(found),
    }
}

impl Found {
    /// Takes a record in. Gives the bytes that are held of it, or what is wrong with it.
    fn add(
        &mut self,
        bucket: &str,
        key: &[u8],
        value: &[u8],
        accounts: Accounts,
    ) -> Result<usize, String> {
        let size = key.len() + value.len();
        if bucket == RETAINED {
            let message = Message::decode(value, SessionRef::BROKER);
            let sound = message.is_some_and(|m| m.is_sound() && !m.topic().is_system());
            return if sound {
                Ok(0)
            } else {
                Err("a retained message is of no form that this release knows".to_owned())
            };
        }
        if bucket == Bucket::Setting.name() {
            let (name, value) = (text(key)?, text(value)?);
            self.settings
                .insert(name.clone(), Some(savable(&name, &value)?));
            *self
                .imported
                .taken
                .entry(Bucket::Setting.name())
                .or_default() += 1;
            return Ok(size);
        }
        let taken = TAKEN.into_iter().find(|taken| taken.name() == bucket);
        let is_account = taken.is_some_and(|taken| is_secret(taken.name()));
        let taken = match (taken, accounts) {
            (Some(_), Accounts::LeftOut) if is_account => None,
            (Some(taken), Accounts::Taken(is_record)) if !is_record(taken, key, value) => {
                return Err(format!(
                    "a record of {bucket} is of no form that this release knows"
                ));
            }
            (taken, _) => taken,
        };
        let Some(taken) = taken else {
            *self.imported.left.entry(bucket.to_owned()).or_default() += 1;
            return Ok(0);
        };
        let records = self.records.entry(taken.name()).or_default();
        records.insert(Blob::from(key), Blob::from(value));
        *self.imported.taken.entry(taken.name()).or_default() += 1;
        Ok(size)
    }
}

fn unfit(error: AuthenticationError) -> BackupError {
    match error {
        AuthenticationError::Gone(gone) => gone.into(),
        error => BackupError::Unfit(error.to_string()),
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a setting is no text".to_owned())?;
    Ok(text.to_owned())
}

fn savable(name: &str, value: &str) -> Result<String, String> {
    Layers::saved_again(name, value).map_err(|error| error.what(crate::config::Lang::En))
}
