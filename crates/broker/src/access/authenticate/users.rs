//! The broker's own users: held in memory, each with a record of its own in the store, so that one of a
//! hundred thousand costs one write.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use backbone::Blob;
use serde::{Deserialize, Serialize};

use super::hash::Hashed;
use crate::admin::Change;

/// Users at one time.
pub(super) const USERS_MAX: usize = 1_000_000;

/// A user but for the name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct User {
    pub(super) kept: Arc<Hashed>,
    pub(crate) superuser: bool,
}

/// A user without what its key says.
#[derive(Serialize, Deserialize)]
struct Record {
    hash: String,
    superuser: bool,
}

/// All users, by name.
#[derive(Debug, Default)]
pub(super) struct Users(RwLock<BTreeMap<Box<str>, User>>);

impl User {
    fn of_record(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
        let record: Record = toml::from_str(text).map_err(|e| e.to_string())?;
        let kept: Hashed = record.hash.parse().map_err(|e| format!("{e}"))?;
        Ok(Self {
            kept: Arc::new(kept),
            superuser: record.superuser,
        })
    }

    /// The same with another password, if there is one.
    pub(crate) fn with(self, password: Option<Hashed>, superuser: bool) -> Self {
        Self {
            kept: password.map_or(self.kept, Arc::new),
            superuser,
        }
    }

    /// The record that keeps it under a name.
    pub(crate) fn change(&self, name: &str) -> Change {
        let record = Record {
            hash: self.kept.to_string(),
            superuser: self.superuser,
        };
        let text = toml::to_string(&record).expect("a text and a flag become TOML");
        (name.as_bytes().to_vec(), Some(text.into_bytes()))
    }
}

impl Users {
    /// Takes what the store has in place of what there was, and says what cannot be used.
    pub(super) fn load(&self, records: &[(Blob, Blob)]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut users = BTreeMap::new();
        for (key, value) in records {
            let name = String::from_utf8_lossy(key);
            match User::of_record(value) {
                Ok(user) => _ = users.insert(name.into(), user),
                Err(error) => {
                    faults.push(format!("the MQTT user {name:?} cannot be used: {error}"))
                }
            }
        }
        *self.write() = users;
        faults
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Box<str>, User>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Box<str>, User>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, name: &str) -> Option<User> {
        self.read().get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::hash::Algorithm, *};

    /// A record has everything back, whatever the name, and a bad one spoils no other.
    #[test]
    fn records_come_back() {
        let user = User {
            kept: Arc::new(Algorithm::Plain.keep(b"p").unwrap()),
            superuser: true,
        };
        let blob = |bytes: &[u8]| Blob::from(bytes.to_vec());
        let mut records: Vec<_> = ["anna", "a/b 中#+\0'''", ""]
            .iter()
            .map(|name| {
                let (key, value) = user.change(name);
                (Blob::from(key), Blob::from(value.unwrap()))
            })
            .collect();
        records.push((blob(b"odd"), blob(b"odd")));
        records.push((blob(b"odder"), blob(b"hash = \"x\"\nsuperuser = false\n")));
        let users = Users::default();
        assert_eq!(users.load(&records).len(), 2);
        assert_eq!(users.read().len(), 3);
        assert_eq!(users.find("anna"), Some(user.clone()));
        assert_eq!(users.find("a/b 中#+\0'''"), Some(user));
        assert_eq!(users.find("Anna"), None);
    }
}
