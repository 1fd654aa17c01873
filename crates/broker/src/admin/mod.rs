//! What the control plane may know and do of a running broker: the only room of this crate that the
//! API sees. Its records are plain; what they look like outside is the API's business.

mod ask;
pub mod authentication;
pub mod authorize;
pub mod auto_subscribe;
pub mod backup;
pub mod ban;
mod clients;
pub mod delayed;
pub(crate) mod figures;
mod import;
mod keep;
pub mod listeners;
pub mod logs;
mod memory;
mod messages;
pub mod observe;
pub mod picture;
pub(crate) mod policy;
mod publish;
mod readers;
mod retained;
mod revoked;
pub mod rewrite;
pub mod security;
pub mod settings;
pub mod slow;
mod subscriptions;
pub mod topic_metrics;
mod topics;
pub mod trace;
pub mod traffic;
mod walk;
pub mod web_socket;

use std::{path::Path, sync::Arc, time::Duration};

pub use ask::Gone;
pub use clients::{Client, ClientFilter, Connected, Span, Traffic};
pub use figures::{Figures, Gauge};
pub use import::{Accounts, Imported};
pub use keep::{Bucket, Change, Keep, KeepError};
pub use memory::MemoryUse;
pub use messages::{Mark, Part, Pile, Waiting};
pub use policy::DecideError;
pub use publish::{Properties, Publish, PublishError, Published};
pub use retained::{DeleteError, Retained, RetainedFilter};
pub use revoked::Revoked;
pub use subscriptions::{
    Options, SubscribeError, Subscription, SubscriptionFilter, UnsubscribeError,
};
pub use walk::{Extent, Rows};

use policy::Decisions;

use crate::{
    access::authenticate::Office,
    control::{configuration::Configuration, store::Store},
    observe::Observed,
    shard::{Clock, Post},
    store::{Copied, StoreError},
};

pub use crate::control::sys::NODE;

/// Of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether a text is a topic filter. A topic is one, too.
#[must_use]
pub fn is_filter(text: &str) -> bool {
    protocol::Filter::parse(text, u16::MAX).is_ok()
}

pub use crate::machine::{Disk, Machine, Memory, Work, disk, name as machine_name};

/// A handle on a running broker. Clones are one handle.
#[derive(Clone)]
pub struct Admin(Arc<Broker>);

/// What opening the store found.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// It was there before.
    pub existed: bool,
    /// It had been closed in order.
    pub closed: bool,
    pub files: u64,
    pub bytes: u64,
    /// In the log.
    pub messages: u64,
    pub keys: u64,
    /// Written half when the broker was cut off: nobody was told that they were safe.
    pub torn_bytes: u64,
    /// What was not as it was written, a line each.
    pub damage: Vec<String>,
    pub took: Duration,
}

/// What it is a handle on.
pub(crate) struct Broker {
    pub(crate) post: Arc<Post>,
    pub(crate) store: Arc<Store>,
    pub(crate) observed: Arc<Observed>,
    pub(crate) clock: Clock,
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) decisions: Decisions,
    pub(crate) office: Office,
    pub(crate) desk: backup::Desk,
    /// Of the hashes that say where a name lives.
    pub(crate) seed: u64,
}

impl Admin {
    pub(crate) fn new(broker: Broker) -> Self {
        Self(Arc::new(broker))
    }

    /// The shard on which a client's session, a topic's retained message or a shared group lives.
    fn home(&self, name: &str) -> u16 {
        engine::home(self.0.seed, self.shards(), name)
    }

    /// Since the broker started.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.0.clock.uptime()
    }

    /// Milliseconds since 1970 on the broker's own clock, which nobody sets.
    #[must_use]
    pub fn now_millis(&self) -> u64 {
        self.0.clock.now().0
    }

    /// Copies the store as it is at one instant, while it is in use, into a directory that is a data
    /// directory then, and reads the copy again. Blocks for as long as that takes.
    ///
    /// # Errors
    /// If there is a store already, or the copy cannot be written or read.
    pub fn backup(&self, to: &Path) -> Result<Copied, StoreError> {
        self.0.store.backup(to)
    }

    /// What opening the store found at the start.
    #[must_use]
    pub fn recovery(&self) -> Recovered {
        let found = self.0.store.recovery();
        Recovered {
            existed: found.existed,
            closed: found.closed,
            files: found.files,
            bytes: found.bytes,
            messages: found.messages,
            keys: found.keys,
            torn_bytes: found.torn_bytes,
            damage: found.damage.iter().map(ToString::to_string).collect(),
            took: found.took,
        }
    }

    /// What the control plane keeps in the store.
    #[must_use]
    pub fn keep(&self) -> Keep {
        Keep::new(self.0.store.clone())
    }
}
