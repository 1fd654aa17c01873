//! What is decided about clients and topics: as people wrote it, as the store keeps it, and as all
//! shards have it. One change at a time; it holds everywhere when the call that made it returns.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use backbone::Blob;
use engine::{Shard, acl::Rules, policy::Policy};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Admin, Bucket, Gone, Keep, KeepError,
    authorize::{self, AccessDecided},
    auto_subscribe::AutoSubscription,
    ban::BanList,
    rewrite::RewriteRule,
    slow::SlowSettings,
    topic_metrics::CountedTopic,
};
use crate::{
    StartError,
    access::{authorize::elsewhere::Elsewhere, remote::Errands},
    config::{Config, Profile},
    control::store::Store,
};

/// Why a decision was not changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// What is wrong with it, and with which part.
    #[error("{0}")]
    Invalid(String),
    /// More than there may be.
    #[error("{0}")]
    TooMany(String),
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// One kind of decision.
pub(super) trait Decision: Serialize + DeserializeOwned + Sized {
    /// Under which the store keeps it.
    const KEY: &'static str;

    /// Checks it and makes it the shards'.
    fn apply(&self, policy: &mut Policy) -> Result<(), DecideError>;

    /// Where it is held.
    fn place(decided: &mut Decided) -> &mut Self;
}

/// Everything that is decided.
#[derive(Debug, Default)]
pub(super) struct Decided {
    pub(super) policy: Policy,
    pub(super) bans: BanList,
    pub(super) rewrites: Vec<RewriteRule>,
    pub(super) auto_subscribe: Vec<AutoSubscription>,
    pub(super) counted: Vec<CountedTopic>,
    pub(super) slow: SlowSettings,
    pub(super) access: AccessDecided,
}

/// Where it is held.
#[derive(Default)]
pub(crate) struct Decisions {
    decided: Mutex<Decided>,
    /// Who is asked elsewhere, as shards know it.
    elsewhere: Mutex<Option<Arc<Elsewhere>>>,
    errands: Arc<Errands>,
    /// Held by who changes something, until all shards know.
    changing: tokio::sync::Mutex<()>,
    /// Rules that shards were told last, and how often others were.
    rules_told: Mutex<(Option<Arc<Rules>>, u64)>,
}

impl Decisions {
    /// What an earlier life of the broker was told. What cannot be read is named and left alone.
    pub(crate) fn load(
        store: &Store,
        errands: Arc<Errands>,
        profile: Profile,
    ) -> Result<Self, backbone::Error> {
        let policies = store.records(Bucket::Policy.name())?;
        let bans = store.records(Bucket::Ban.name())?;
        let rules = store.records(Bucket::AccessRule.name())?;
        let (decided, faults) = Decided::of(&policies, &bans, &rules, profile);
        for fault in faults {
            tracing::error!("in the store: {fault}");
        }
        Ok(Self {
            decided: Mutex::new(decided),
            elsewhere: Mutex::default(),
            errands,
            changing: tokio::sync::Mutex::default(),
            rules_told: Mutex::default(),
        })
    }

    /// Takes the access rules of the file that the settings name, if they do and none were taken before.
    ///
    /// # Errors
    /// If the file cannot be used, or the store does not take it: without its rules, somebody might do
    /// what it denies.
    pub(crate) fn begin(&self, config: &Config, store: &Arc<Store>) -> Result<(), StartError> {
        let Some(path) = &config.mqtt.bootstrap_rules else {
            return Ok(());
        };
        let refused = |what: &dyn Display| StartError::Rules(format!("{}: {what}", path.display()));
        let mut decided = self.lock();
        let Decided { access, policy, .. } = &mut *decided;
        if access.has_file() {
            return Ok(());
        }
        let text = std::fs::read_to_string(path).map_err(|error| refused(&error))?;
        let change = access.begin(text, policy);
        let change = change.map_err(|error| refused(&error))?;
        let kept = Keep::new(store.clone()).put_now(Bucket::Policy, vec![change]);
        kept.map_err(|error| refused(&error))?;
        tracing::info!("access rules were taken from {}", path.display());
        Ok(())
    }

    /// Gives it to shards that do not run yet.
    pub(crate) fn give_to<'a>(&self, shards: impl Iterator<Item = &'a mut Shard>) {
        let policy = Arc::new(self.lock().policy.clone());
        self.note_rules(&policy);
        for shard in shards {
            shard.set_policy(policy.clone());
        }
    }

    /// Counts it if what clients may do has changed.
    fn note_rules(&self, policy: &Policy) {
        let mut told = self.rules_told();
        let same = match (&told.0, &policy.access) {
            (None, None) => true,
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            _ => false,
        };
        if !same {
            *told = (policy.access.clone(), told.1 + 1);
        }
    }

    /// Counts changes of what clients may do.
    pub(super) fn rule_changes(&self) -> u64 {
        self.rules_told().1
    }

    fn rules_told(&self) -> MutexGuard<'_, (Option<Arc<Rules>>, u64)> {
        let told = self.rules_told.lock();
        told.unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is asked elsewhere now; the same as before, with its connections, where nothing has changed.
    /// Without it what hangs on it is denied.
    pub(crate) fn elsewhere(&self) -> Option<Arc<Elsewhere>> {
        let wanted = self.lock().access.ways();
        let held = self.elsewhere.lock();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|had| had.is(&wanted)) {
            return held.clone();
        }
        let made = (!wanted.is_empty()).then(|| Elsewhere::new(wanted, &self.errands));
        *held = match made.transpose() {
            Ok(made) => made.map(Arc::new),
            Err(error) => {
                tracing::error!("sources of rules elsewhere cannot be asked: {error}");
                None
            }
        };
        held.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Decided> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Decided {
    /// What records say, and what is wrong with those that cannot be used.
    pub(super) fn of(
        policies: &[(Blob, Blob)],
        bans: &[(Blob, Blob)],
        rules: &[(Blob, Blob)],
        profile: Profile,
    ) -> (Self, Vec<String>) {
        let mut decided = Self {
            access: AccessDecided::of(profile),
            ..Self::default()
        };
        let mut faults = Vec::new();
        for (key, value) in policies {
            let name = String::from_utf8_lossy(key);
            let read = match &*name {
                <Vec<RewriteRule>>::KEY => decided.restore::<Vec<RewriteRule>>(value),
                <Vec<AutoSubscription>>::KEY => decided.restore::<Vec<AutoSubscription>>(value),
                <Vec<CountedTopic>>::KEY => decided.restore::<Vec<CountedTopic>>(value),
                SlowSettings::KEY => decided.restore::<SlowSettings>(value),
                authorize::KEY => decided.access.restore(value),
                _ => Err("unknown to this release".to_owned()),
            };
            if let Err(error) = read {
                faults.push(format!("{name:?} cannot be used: {error}"));
            }
        }
        let Self {
            bans: list, policy, ..
        } = &mut decided;
        faults.extend(list.restore(bans, policy));
        if let Err(error) = decided.access.restore_rules(rules, &mut decided.policy) {
            faults.push(format!("rules of access cannot be used: {error}"));
        }
        (decided, faults)
    }

    fn restore<D: Decision>(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Kept { value } = decode::<Kept<D>>(bytes)?;
        value.apply(&mut self.policy).map_err(|e| e.to_string())?;
        *D::place(self) = value;
        Ok(())
    }
}

/// A value as it is kept: a list is no document.
#[derive(Serialize, Deserialize)]
struct Kept<D> {
    value: D,
}

/// The bytes of a record.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    let text = toml::to_string(value).expect("records are texts, small numbers and lists of these");
    text.into_bytes()
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    toml::from_str(text).map_err(|e| e.to_string())
}

impl Admin {
    /// Looks at what is decided; for a moment, nobody else can.
    pub(super) fn decided(&self) -> MutexGuard<'_, Decided> {
        self.0.decisions.lock()
    }

    /// Whoever has this may change something.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.decisions.changing.lock().await
    }

    /// Changes one thing: checked first, then kept, then told to all shards.
    pub(super) async fn decide<D: Decision>(&self, value: D) -> Result<(), DecideError> {
        let _turn = self.turn().await;
        self.decide_in_turn(value).await
    }

    /// As [`Admin::decide`], for who has the turn.
    pub(super) async fn decide_in_turn<D: Decision>(&self, value: D) -> Result<(), DecideError> {
        let mut policy = self.decided().policy.clone();
        value.apply(&mut policy)?;
        let kept = encode(&Kept { value: &value });
        let change = (D::KEY.as_bytes().to_vec(), Some(kept));
        self.keep().put(Bucket::Policy, vec![change]).await?;
        {
            let mut decided = self.decided();
            decided.policy = policy;
            *D::place(&mut decided) = value;
        }
        Ok(self.tell().await?)
    }

    /// Gives all shards what is decided now.
    pub(super) async fn tell(&self) -> Result<(), Gone> {
        let policy = Arc::new(self.decided().policy.clone());
        let elsewhere = self.0.decisions.elsewhere();
        self.0.decisions.note_rules(&policy);
        let told = self.ask_all(move |visit| {
            visit.conns.gate.set_elsewhere(elsewhere);
            visit.engine.set_policy(policy);
        });
        told.await.map(|_| ())
    }
}
