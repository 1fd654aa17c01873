//! Topic rewrite: rules in their order.

use engine::{
    limits::REWRITES_MAX,
    policy::{Action, Policy, Rewrite},
};
use serde::{Deserialize, Serialize};

use super::{
    Admin,
    policy::{DecideError, Decided, Decision},
};

/// What a rule is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RewriteAction {
    Publish,
    Subscribe,
    All,
}

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RewriteRule {
    pub action: RewriteAction,
    /// A filter: which topics it is for.
    pub source_topic: String,
    /// The new topic, with `$1`, `${clientid}` and `${username}` in it.
    pub dest_topic: String,
    /// What a topic must look like besides, and what `$1` is.
    pub re: String,
}

impl RewriteRule {
    fn compile(&self) -> Result<Rewrite, String> {
        let action = match self.action {
            RewriteAction::Publish => Action::Publish,
            RewriteAction::Subscribe => Action::Subscribe,
            RewriteAction::All => Action::All,
        };
        Rewrite::new(action, &self.source_topic, &self.re, &self.dest_topic)
            .map_err(|error| error.to_string())
    }
}

impl Decision for Vec<RewriteRule> {
    const KEY: &'static str = "topic_rewrite";

    fn apply(&self, policy: &mut Policy) -> Result<(), DecideError> {
        if self.len() > REWRITES_MAX {
            return Err(DecideError::TooMany(format!(
                "there may be {REWRITES_MAX} rewrite rules, not {}",
                self.len()
            )));
        }
        let compiled: Result<Vec<_>, _> = self
            .iter()
            .enumerate()
            .map(|(at, rule)| {
                rule.compile()
                    .map_err(|cause| DecideError::Invalid(format!("rule {}: {cause}", at + 1)))
            })
            .collect();
        policy.set_rewrites(compiled?);
        Ok(())
    }

    fn place(decided: &mut Decided) -> &mut Self {
        &mut decided.rewrites
    }
}

impl Admin {
    /// The rules of topic rewrite, in their order.
    #[must_use]
    pub fn rewrites(&self) -> Vec<RewriteRule> {
        self.decided().rewrites.clone()
    }

    /// Puts these rules in the place of those before.
    ///
    /// # Errors
    /// If one is no rule, if there are too many, or if they cannot be kept.
    pub async fn set_rewrites(&self, rules: Vec<RewriteRule>) -> Result<(), DecideError> {
        self.decide(rules).await
    }
}
