//! Watches how much memory this process has, ten times a second while much comes in, and lets shards save
//! themselves while it is too much.

use engine::Counter;

use super::configuration::Configuration;
use crate::{machine, shard::Post};

/// From this share on memory is short, and below this it is not any more.
const SHORT: f64 = 0.8;
const ENOUGH: f64 = 0.7;
/// So many bytes come in before it is worth a look.
const WORTH_BYTES: u64 = 1 << 20;

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct Scarcity {
    is_short: bool,
    received: u64,
}

impl Scarcity {
    /// Looks, if enough has come in since the last look or memory was short then.
    pub(super) fn look(&mut self, post: &Post, configuration: &Configuration) {
        let received = post.metrics().get(Counter::BytesReceived);
        if !self.is_short && received.saturating_sub(self.received) < WORTH_BYTES {
            return;
        }
        self.received = received;
        let max = configuration.now().loaded.config.node.max_memory;
        let Some(share) = machine::own_share(max) else {
            return;
        };
        let is_short = share >= if self.is_short { ENOUGH } else { SHORT };
        if is_short == self.is_short {
            return;
        }
        self.is_short = is_short;
        post.set_short(is_short);
        let percent = share * 100.0;
        if is_short {
            tracing::warn!(
                "{percent:.0} % of the memory is used (max_memory): publishers are read slowly, and clients \
                 that come are told to come later"
            );
        } else {
            tracing::info!("there is memory again: {percent:.0} % is used");
        }
    }
}
