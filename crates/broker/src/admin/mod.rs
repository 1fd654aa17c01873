//! What the control plane may know and do of a running broker: the only room of this crate that the
//! API sees. Its records are plain; what they look like outside is the API's business.

#[allow(dead_code, reason = "the lists of the API are being built on it")]
mod ask;
pub mod auto_subscribe;
pub mod ban;
pub mod delayed;
mod keep;
pub mod listeners;
pub(crate) mod policy;
pub mod rewrite;
pub mod settings;
pub mod topic_metrics;

use std::{sync::Arc, time::Duration};

pub use ask::Gone;
pub use keep::{Bucket, Change, Keep, KeepError};
pub use policy::DecideError;

use policy::Decisions;

use crate::{
    control::{configuration::Configuration, store::Store},
    shard::{Clock, Post},
};

pub use crate::control::sys::NODE;
pub use crate::machine::{Disk, Machine, Memory, Work, disk};

/// A handle on a running broker. Clones are one handle.
#[derive(Clone)]
pub struct Admin(Arc<Broker>);

#[allow(dead_code, reason = "the lists of the API are being built on it")]
struct Broker {
    post: Arc<Post>,
    store: Arc<Store>,
    clock: Clock,
    configuration: Arc<Configuration>,
    decisions: Decisions,
}

impl Admin {
    pub(crate) fn new(
        post: Arc<Post>,
        store: Arc<Store>,
        clock: Clock,
        configuration: Arc<Configuration>,
        decisions: Decisions,
    ) -> Self {
        Self(Arc::new(Broker {
            post,
            store,
            clock,
            configuration,
            decisions,
        }))
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

    /// What the control plane keeps in the store.
    #[must_use]
    pub fn keep(&self) -> Keep {
        Keep::new(self.0.store.clone())
    }
}
