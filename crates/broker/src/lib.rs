//! Where I/O lives: sockets, threads, clocks. What MQTT means is in `engine`; this crate moves bytes,
//! time and batches between sockets, shards and the log.

mod access;
pub mod admin;
mod asn1;
pub mod config;
mod control;
pub mod files;
pub mod gateway;
pub mod lan;
mod machine;
pub mod marks;
mod observe;
pub mod security;
mod settings;
mod shard;
pub mod store;
pub mod tls;
pub mod transport;

use std::{
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use access::authenticate::{Desk, Office};
use access::remote::Reach;
use admin::policy::Decisions;
use config::Layers;
pub use control::configuration::{Applied, ChangeError, Outside};
use control::{
    configuration::{self, Configuration, Effective},
    listeners::{self, Listeners},
    store::Door,
    sys,
};
use shard::{Clock, Letter, Post, Worker};

/// How long connections get to take their last bytes at the end.
const SHUTDOWN_MAX: Duration = Duration::from_secs(4);

/// A running broker.
pub struct Handle {
    listeners: Arc<Listeners>,
    configuration: Arc<Configuration>,
    post: Arc<Post>,
    workers: Vec<JoinHandle<()>>,
    sys: sys::Publisher,
    observer: control::observe::Observer,
    tracing: control::trace::Writer,
    store: Arc<control::store::Store>,
    restored: store::Restored,
    admin: admin::Admin,
    dashboard: Vec<listeners::Socketed>,
}

/// Why a broker did not start: one line with cause and remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    #[error(
        "cannot listen on {address} for {listener}: {source}; free the port, or choose another with \
         --set {key}=..."
    )]
    Listen {
        listener: String,
        key: String,
        address: SocketAddr,
        source: io::Error,
    },
    #[error("{listener}.{source}")]
    Tls {
        /// Its section in the file.
        listener: String,
        source: tls::LoadError,
    },
    #[error("no listener is enabled; set listeners.tcp.default.enabled=true")]
    NoListener,
    #[error("there are too many listeners; use fewer addresses")]
    TooManyListeners,
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    #[error(transparent)]
    Open(#[from] store::OpenError),
    #[error("MQTT users cannot be taken from mqtt.bootstrap_users: {0}")]
    Users(String),
    #[error("access rules cannot be taken from mqtt.bootstrap_rules: {0}")]
    Rules(String),
    #[error("the store cannot be read: {0}")]
    Store(#[from] backbone::Error),
    #[error("the system refused what a shard needs ({what}): {source}")]
    System {
        what: &'static str,
        source: io::Error,
    },
}

impl StartError {
    /// The address that somebody else listens on, if that is why.
    #[must_use]
    pub fn in_use(&self) -> Option<SocketAddr> {
        match self {
            Self::Listen {
                address, source, ..
            } if source.kind() == io::ErrorKind::AddrInUse => Some(*address),
            _ => None,
        }
    }
}

fn refused(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System { what, source }
}

/// Starts all listeners and shards, or nothing. `layers` are the settings but for what was saved,
/// which is in the store; `progress` is told how far opening that has come.
///
/// # Errors
/// If an address cannot be listened on, the store cannot be opened or the system refuses a thread or
/// a poll.
pub fn start(
    layers: Layers,
    outside: Outside,
    progress: impl Fn(store::Progress) + Send + Sync + 'static,
) -> Result<Handle, StartError> {
    let early = layers.load()?.config;
    let store = Arc::new(control::store::open(
        &early,
        Arc::new(progress),
        outside.ending.clone(),
    )?);
    let started = start_on(&store, layers, outside);
    if started.is_err() {
        store.close();
    }
    started
}

fn start_on(
    store: &Arc<control::store::Store>,
    layers: Layers,
    outside: Outside,
) -> Result<Handle, StartError> {
    let desk = Arc::new(Desk::new());
    let clock = Clock::new();
    // It cannot be saved, so it is known before the store is.
    let reach = Reach::new(layers.load()?.config.outbound.networks);
    let office = Office::load(store, desk.clone(), clock, reach)?;
    let layers = configuration::with_saved(layers, store)?;
    let layers = office.begin(layers, store)?;
    let loaded = layers.load()?;
    let config = &loaded.config;
    let decisions = Decisions::load(store, office.errands(), config.node.profile)?;
    decisions.begin(config, store)?;
    (outside.applied)(config);
    let count = settings::shards(config);
    let engine = Arc::new(settings::engine(config, count));
    let (post, polls) = Post::new(count).map_err(refused("event queue"))?;
    let post = Arc::new(post);
    let dashboard = listeners::open_dashboard(config)?;
    let listeners = Arc::new(Listeners::new(
        post.clone(),
        &dashboard,
        &config.node.data_dir,
    ));
    if config.listeners.values().all(|l| !l.enabled) {
        if dashboard.is_empty() {
            return Err(StartError::NoListener);
        }
        tracing::warn!("no listener is enabled: no MQTT client can connect until one is");
    }
    listeners.begin(configuration::wait(listeners.prepare(config))?);
    let numbers = |id: &config::ListenerId| listeners.number_of(id);
    let limits = settings::Limits::new(config, count, listeners.ports(), numbers);
    let limits = Arc::new(limits);
    let observed = Arc::new(observe::Observed::new(&config.node.data_dir));
    let seed = seed();
    let mut workers = Vec::new();
    for (id, poll) in (0..count).zip(polls) {
        workers.push(Worker::new(shard::Parts {
            id,
            count,
            seed,
            clock,
            engine: engine.clone(),
            limits: limits.clone(),
            post: post.clone(),
            store: Door::new(store.clone(), post.clone()),
            desk: desk.clone(),
            observed: observed.clone(),
            poll,
        }));
    }
    let tail = store.tail()?;
    let mut engines: Vec<_> = workers.iter_mut().map(Worker::engine_mut).collect();
    // What was decided holds for what is restored, too.
    decisions.give_to(engines.iter_mut().map(|engine| &mut **engine));
    let restored = control::restore::restore(store, &mut engines, clock.now())?;
    store.follow(&post, tail);
    let chain = office.chain().map_err(refused("thread"))?;
    let elsewhere = decisions.elsewhere();
    for worker in &mut workers {
        let gate = &mut worker.conns_mut().gate;
        gate.set_chain(chain.clone());
        gate.set_elsewhere(elsewhere.clone());
    }
    let mut threads = Vec::new();
    for (id, worker) in workers.into_iter().enumerate() {
        let thread = std::thread::Builder::new().name(format!("shard-{id}"));
        let ending = outside.ending.clone();
        let spawned = thread.spawn(move || serve(worker, &*ending));
        threads.push(spawned.map_err(refused("thread"))?);
    }
    store.look_through().map_err(refused("thread"))?;
    let sys = sys::Publisher::start(&post, store, config.mqtt.sys_interval, clock)
        .map_err(refused("thread"))?;
    let configuration = Arc::new(Configuration::new(
        outside,
        post.clone(),
        store.clone(),
        listeners.clone(),
        sys.pace(),
        Effective { layers, loaded },
    ));
    let tracing =
        control::trace::Writer::start(&post, &observed, clock).map_err(refused("thread"))?;
    let admin = admin::Admin::new(admin::Broker {
        post: post.clone(),
        store: store.clone(),
        observed: observed.clone(),
        clock,
        configuration: configuration.clone(),
        decisions,
        office,
        desk: admin::backup::Desk::default(),
        seed,
    });
    let observer = control::observe::Observer::start(
        &post,
        store,
        &observed,
        &configuration,
        clock,
        admin.clone(),
    )
    .map_err(refused("thread"))?;
    Ok(Handle {
        listeners,
        admin,
        configuration,
        dashboard,
        post,
        workers: threads,
        sys,
        observer,
        tracing,
        store: store.clone(),
        restored,
    })
}

impl Handle {
    /// Listener ids (`tcp:default`) and the addresses they are bound to.
    #[must_use]
    pub fn listeners(&self) -> Vec<(String, SocketAddr)> {
        self.listeners.addresses()
    }

    /// The file that clients need to trust the certificate that the broker made for itself, if a listener
    /// uses that.
    #[must_use]
    pub fn own_authority(&self) -> Option<PathBuf> {
        let contexts = self.listeners.contexts();
        let is_used = contexts.iter().any(|(_, context)| context.terms().is_own);
        is_used.then(|| self.listeners.own_authority())
    }

    /// The settings in effect.
    #[must_use]
    pub fn config(&self) -> config::Config {
        self.configuration.now().loaded.config.clone()
    }

    /// What opening the store found.
    #[must_use]
    pub fn recovery(&self) -> &store::Recovery {
        self.store.recovery()
    }

    /// What came back from the store.
    #[must_use]
    pub fn restored(&self) -> store::Restored {
        self.restored
    }

    /// For the control plane outside this crate.
    #[must_use]
    pub fn admin(&self) -> admin::Admin {
        self.admin.clone()
    }

    /// The sockets on which the dashboard is to be served, once: nobody accepts from them here.
    pub fn take_dashboard(&mut self) -> Vec<std::net::TcpListener> {
        let taken = std::mem::take(&mut self.dashboard);
        taken.into_iter().map(|(_, socket)| socket).collect()
    }

    /// Reads the sources of settings again and applies what can change without a restart. What was
    /// saved stays.
    ///
    /// # Errors
    /// If a source cannot be used or an address not be listened on; nothing is changed then.
    pub fn reload(&self) -> Result<Applied, ChangeError> {
        configuration::wait(self.configuration.reload())
    }

    /// Ends by the book: no new connections, DISCONNECT 0x8B to MQTT 5 clients, wills, what is written
    /// is flushed, the store is closed. Takes at most five seconds, unless the disk does.
    pub fn shutdown(self) {
        self.sys.stop();
        self.observer.stop();
        self.tracing.stop();
        let until = Instant::now() + SHUTDOWN_MAX;
        for shard in 0..self.post.count() {
            self.post.send(shard, Letter::ShutDown(until));
        }
        for worker in self.workers {
            // A worker that panicked has reported it; the others still end in order.
            let _ = worker.join();
        }
        self.store.close();
    }
}

/// A shard that panics where it cannot be told what was changed ends the broker: what was acknowledged
/// is in the store, and whoever supervises us starts us again.
fn serve(worker: Worker, ending: &dyn Fn()) {
    if catch_unwind(AssertUnwindSafe(|| worker.run())).is_err() {
        tracing::error!("the broker ends because of a fault of its own, reported above");
        ending();
        std::process::exit(1);
    }
}

/// Client ids are chosen by strangers, so hashes are keyed by what they cannot know.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id()) | 1
}
