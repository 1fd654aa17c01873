//! What the control plane keeps: records in buckets of the store, safe when a call has returned.
//! Their form is their owner's business.

use std::sync::Arc;

use backbone::{Blob, Error};
use tokio::sync::oneshot;

use crate::control::{configuration::wait, store::Store};

/// Where records of one kind are. The names are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Who is shut out.
    Ban,
    /// What else is decided about clients and topics.
    Policy,
    /// What users and clients may do.
    AccessRule,
    /// Settings that were changed at run time.
    Setting,
    /// Who may sign in to the dashboard.
    User,
    /// Who is signed in.
    Token,
    ApiKey,
    /// Who changed what.
    Audit,
    /// Steps of the history of figures.
    Monitor,
    /// Alarms that ended.
    Alarm,
    /// Weak points that were put aside.
    Aside,
    /// How MQTT clients are authenticated.
    Authenticator,
    /// MQTT users of the broker's own.
    MqttUser,
    /// Those who prove themselves by SCRAM.
    ScramUser,
}

impl Bucket {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Policy => "policy",
            Self::AccessRule => "access_rule",
            Self::Setting => "setting",
            Self::User => "user",
            Self::Token => "token",
            Self::ApiKey => "api_key",
            Self::Audit => "audit",
            Self::Monitor => "monitor",
            Self::Alarm => "alarm",
            Self::Aside => "security_aside",
            Self::Authenticator => "authenticator",
            Self::MqttUser => "mqtt_user",
            Self::ScramUser => "scram_user",
        }
    }
}

/// Whether what is in a bucket lets somebody in: passwords, keys, who is signed in.
pub(super) fn is_secret(bucket: &str) -> bool {
    [
        Bucket::User,
        Bucket::Token,
        Bucket::ApiKey,
        Bucket::Authenticator,
        Bucket::MqttUser,
        Bucket::ScramUser,
    ]
    .iter()
    .any(|secret| secret.name() == bucket)
}

/// A key, and its new value or `None` to delete it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// Why something was not kept.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    #[error("the disk is full: nothing was changed; make room and try again")]
    Full,
    #[error("the store could not do it: {0}")]
    Store(Arc<str>),
}

impl From<Error> for KeepError {
    fn from(error: Error) -> Self {
        match error {
            Error::Full(_) => Self::Full,
            other => Self::Store(other.to_string().into()),
        }
    }
}

/// The way to the control plane's records.
#[derive(Clone)]
pub struct Keep(Arc<Store>);

impl Keep {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    /// All records of a bucket, in any order. Blocks: for the start.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn load(&self, bucket: Bucket) -> Result<Vec<(Blob, Blob)>, KeepError> {
        Ok(self.0.records(bucket.name())?)
    }

    /// Makes changes without waiting for them; what cannot be kept is named in the log.
    pub(crate) fn put_later(&self, bucket: Bucket, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let done = Box::new(move |result: Result<Vec<u64>, Error>| {
            if let Err(error) = result {
                let bucket = bucket.name();
                tracing::warn!("records of {bucket} were not kept: {error}");
            }
        });
        self.0.kv().put(bucket.name(), writes(changes), done);
    }

    /// The same as [`Self::put`], for whoever may block.
    ///
    /// # Errors
    /// See there.
    pub fn put_now(&self, bucket: Bucket, changes: Vec<Change>) -> Result<(), KeepError> {
        wait(self.put(bucket, changes))
    }

    /// Makes changes, in their order; they survive a power cut once this has returned.
    ///
    /// # Errors
    /// [`KeepError::Full`] if there is no room; a part of the changes may have been made then.
    pub async fn put(&self, bucket: Bucket, changes: Vec<Change>) -> Result<(), KeepError> {
        let (answer, answered) = oneshot::channel();
        let done = Box::new(move |result: Result<Vec<u64>, Error>| {
            let _ = answer.send(result);
        });
        self.0.kv().put(bucket.name(), writes(changes), done);
        match answered.await {
            Ok(result) => Ok(result.map(|_| ())?),
            Err(_) => Err(KeepError::Store("the broker is shutting down".into())),
        }
    }
}

fn writes(changes: Vec<Change>) -> Vec<backbone::Write> {
    let each = changes.into_iter();
    each.map(|(key, value)| (Blob::from(key), value.map(Blob::from)))
        .collect()
}
