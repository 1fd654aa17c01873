//! What an operator decided: who is shut out, what topics become, what clients are subscribed to, what
//! is counted. All shards are given the same value, and a new one when something changes.

mod auto_subscribe;
mod ban;
mod delay;
mod pattern;
mod rewrite;
mod template;

use std::sync::Arc;

pub use auto_subscribe::AutoSubscribe;
pub use ban::{Ban, Bans, Target};
pub use delay::Room;
pub use pattern::{Pattern, PatternError};
pub use rewrite::{Action, Rewrite, RewriteError};
pub use template::Template;

pub(crate) use delay::Delay;
pub(crate) use rewrite::first_match;
pub(crate) use template::{Client, Fit};

/// Everything that may be decided. With nothing decided it costs a publish, a connect and a delivery
/// one branch each.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub bans: Arc<Bans>,
    /// What waits for its time.
    pub delayed: Arc<Room>,
    /// For the topics of PUBLISH and of wills.
    pub publish_rules: Arc<[Arc<Rewrite>]>,
    /// For the filters of SUBSCRIBE and UNSUBSCRIBE.
    pub subscribe_rules: Arc<[Arc<Rewrite>]>,
    pub auto_subscribe: Arc<[AutoSubscribe]>,
    /// Who may do what; everybody everything where there are none.
    pub access: Option<Arc<crate::acl::Rules>>,
    /// Topics whose messages are counted, no more than [`crate::limits::TOPIC_METRICS_MAX`].
    pub counted: Arc<[Box<str>]>,
    /// Slow subscriptions, if they are looked for.
    pub slow: Option<crate::slow::Terms>,
}

impl Policy {
    /// The rules, each for what it says it is for.
    pub fn set_rewrites(&mut self, rules: Vec<Rewrite>) {
        let rules: Vec<Arc<Rewrite>> = rules.into_iter().map(Arc::new).collect();
        let of = |wanted: Action| {
            let fits = |rule: &&Arc<Rewrite>| rule.action == wanted || rule.action == Action::All;
            rules.iter().filter(fits).cloned().collect()
        };
        self.publish_rules = of(Action::Publish);
        self.subscribe_rules = of(Action::Subscribe);
    }
}
