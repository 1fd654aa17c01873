//! Settings while the broker runs: what is in effect, how it is changed, and how it is kept. One change
//! at a time; one that cannot be made leaves everything as it was.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll, Wake},
    thread::{self, Thread},
    time::Duration,
};

use tokio::sync::Mutex;

use super::{listeners::Listeners, store::Store, sys};
use crate::{
    StartError,
    admin::{Bucket, Keep, KeepError},
    config::{Config, ConfigError, Layers, ListenerId, Loaded, Sources},
    settings,
    shard::{Letter, Post},
};

/// What the program around the broker does about settings.
pub struct Outside {
    /// Where they come from; asked again on each reload.
    pub sources: Box<dyn Fn() -> Sources + Send + Sync>,
    /// Told of each configuration that is in effect from now on.
    pub applied: Box<dyn Fn(&Config) + Send + Sync>,
    /// Called before a fault of our own ends the process, so that its last words get out.
    pub ending: Arc<dyn Fn() + Send + Sync>,
}

/// The settings of a running broker.
pub(crate) struct Configuration {
    outside: Outside,
    post: Arc<Post>,
    store: Arc<Store>,
    listeners: Arc<Listeners>,
    pace: sys::Pace,
    /// That with which it was started: what differs from it and waits for a restart is told.
    started: Config,
    now: RwLock<Arc<Effective>>,
    /// Who changes something has this.
    changing: Mutex<()>,
}

/// What is in effect.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) layers: Layers,
    pub(crate) loaded: Loaded,
}

/// What a reload or a change has led to.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Keys that were changed and wait for a restart.
    pub waiting: Vec<String>,
    /// For the log, one line each.
    pub warnings: Vec<String>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Listen(#[from] StartError),
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// Saved values by full name, in TOML notation; `None` takes one out.
pub(crate) type Changes = BTreeMap<String, Option<String>>;

/// The settings that the store has. `layers` are the others.
pub(crate) fn with_saved(layers: Layers, store: &Arc<Store>) -> Result<Layers, backbone::Error> {
    let records = store.records(Bucket::Setting.name())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let saved = records
        .iter()
        .map(|(name, value)| (text(name), text(value)));
    Ok(layers.with_saved(saved.collect()))
}

impl Configuration {
    pub(crate) fn new(
        outside: Outside,
        post: Arc<Post>,
        store: Arc<Store>,
        listeners: Arc<Listeners>,
        pace: sys::Pace,
        effective: Effective,
    ) -> Self {
        let configuration = Self {
            outside,
            post,
            store,
            listeners,
            pace,
            started: effective.loaded.config.clone(),
            now: RwLock::new(Arc::new(effective)),
            changing: Mutex::new(()),
        };
        for error in configuration.now().loaded.unusable.values() {
            tracing::warn!("{error}");
        }
        configuration
    }

    /// What is in effect now.
    pub(crate) fn now(&self) -> Arc<Effective> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Keys that were changed and wait for a restart.
    pub(crate) fn waiting(&self, config: &Config) -> Vec<String> {
        self.started.reload(config)
    }

    /// Saves and applies. All of it or nothing.
    pub(crate) async fn change(&self, changes: Changes) -> Result<Applied, ChangeError> {
        let _turn = self.changing.lock().await;
        let now = self.now();
        let mut saved = now.layers.saved().clone();
        for (name, value) in &changes {
            match value {
                Some(value) => saved.insert(name.clone(), value.clone()),
                None => saved.remove(name),
            };
        }
        let layers = now.layers.clone().with_saved(saved);
        let loaded = layers.load()?;
        // What was saved earlier and does not fit is told at the start; what is new has to fit.
        let is_new = |name: &&String| changes.contains_key(*name) || name.ends_with(".bind");
        let known = &now.loaded.unusable;
        let mut unusable = loaded.unusable.iter().filter(|(name, _)| is_new(name));
        if let Some((_, error)) = unusable.find(|(name, _)| !known.contains_key(*name)) {
            return Err(error.clone().into());
        }
        let change = self.listeners.prepare(&loaded.config).await?;
        let records = changes
            .into_iter()
            .map(|(name, value)| (name.into_bytes(), value.map(String::into_bytes)))
            .collect();
        let keep = Keep::new(self.store.clone());
        if let Err(error) = keep.put(Bucket::Setting, records).await {
            self.listeners.abort(change);
            return Err(error.into());
        }
        Ok(self.apply(layers, loaded, change).await)
    }

    /// Reads all sources again; what was saved stays.
    pub(crate) async fn reload(&self) -> Result<Applied, ChangeError> {
        let _turn = self.changing.lock().await;
        let saved = self.now().layers.saved().clone();
        let layers = Layers::read(&(self.outside.sources)())?.with_saved(saved);
        let loaded = layers.load()?;
        let change = self.listeners.prepare(&loaded.config).await?;
        let mut applied = self.apply(layers, loaded, change).await;
        let unusable = self.now();
        let unusable = unusable.loaded.unusable.values();
        applied.warnings.extend(unusable.map(ToString::to_string));
        Ok(applied)
    }

    /// Ends the connections of a listener and listens anew.
    pub(crate) async fn restart(&self, id: &ListenerId) -> Result<(), StartError> {
        let _turn = self.changing.lock().await;
        self.listeners.restart(id).await
    }

    async fn apply(
        &self,
        layers: Layers,
        loaded: Loaded,
        change: super::listeners::Change,
    ) -> Applied {
        let config = loaded.config.clone();
        let applied = Applied {
            waiting: self.waiting(&config),
            warnings: loaded.warnings.clone(),
        };
        *self.now.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Effective { layers, loaded });
        self.listeners.commit(change).await;
        let count = self.post.count();
        let engine = Arc::new(settings::engine(&config, count));
        let ports = self.listeners.ports();
        let limits =
            settings::Limits::new(&config, count, ports, |id| self.listeners.number_of(id));
        let limits = Arc::new(limits);
        for shard in 0..count {
            let letter = Letter::Configure(engine.clone(), limits.clone());
            self.post.send(shard, letter);
        }
        self.pace.set(config.mqtt.sys_interval);
        (self.outside.applied)(&config);
        applied
    }
}

/// Waits for a future on a thread that has nothing else to do.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            // Woken or not: one look a second costs nothing.
            Poll::Pending => thread::park_timeout(Duration::from_secs(1)),
        }
    }
}
