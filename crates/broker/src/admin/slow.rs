//! Slow subscriptions: whether they are looked for, and which there are.

use engine::{
    SlowSubscription,
    policy::Policy,
    slow::{Span, Terms},
};
use serde::{Deserialize, Serialize};

use super::{
    Admin, Gone,
    policy::{DecideError, Decided, Decision},
};

/// Slow subscriptions that may be asked for.
const TOP_MAX: u32 = 1000;

/// Which part of a message's way is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlowSpan {
    /// From its receipt to the end of its delivery.
    Whole,
    /// From its receipt until it was sent.
    Internal,
    /// From when it was sent to the end of its delivery.
    Response,
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SlowSettings {
    pub enable: bool,
    pub threshold_millis: u32,
    pub expire_millis: u32,
    /// How many are kept, 1 to 1000.
    pub top: u32,
    pub span: SlowSpan,
}

impl Default for SlowSettings {
    fn default() -> Self {
        Self {
            enable: false,
            threshold_millis: 500,
            expire_millis: 300_000,
            top: 10,
            span: SlowSpan::Whole,
        }
    }
}

impl Decision for SlowSettings {
    const KEY: &'static str = "slow_subscriptions";

    fn apply(&self, policy: &mut Policy) -> Result<(), DecideError> {
        if !(1..=TOP_MAX).contains(&self.top) {
            let text = format!("top_k_num is 1 to {TOP_MAX}");
            return Err(DecideError::Invalid(text));
        }
        let terms = Terms {
            span: match self.span {
                SlowSpan::Whole => Span::Whole,
                SlowSpan::Internal => Span::Internal,
                SlowSpan::Response => Span::Response,
            },
            threshold_millis: u64::from(self.threshold_millis),
            expire_millis: u64::from(self.expire_millis),
            top: self.top as usize,
        };
        policy.slow = self.enable.then_some(terms);
        Ok(())
    }

    fn place(decided: &mut Decided) -> &mut Self {
        &mut decided.slow
    }
}

/// A slow subscription, by the last message that took too long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slow {
    pub client_id: String,
    pub topic: String,
    pub millis: u64,
    /// Milliseconds since 1970.
    pub at: u64,
}

impl From<SlowSubscription> for Slow {
    fn from(found: SlowSubscription) -> Self {
        Self {
            client_id: found.client_id.into(),
            topic: found.topic.into(),
            millis: found.millis,
            at: found.at.0,
        }
    }
}

impl Admin {
    #[must_use]
    pub fn slow_settings(&self) -> SlowSettings {
        self.decided().slow
    }

    /// Looks for something else from now on; what was found is forgotten.
    ///
    /// # Errors
    /// If it makes no sense, or cannot be kept.
    pub async fn set_slow_settings(&self, settings: SlowSettings) -> Result<(), DecideError> {
        self.decide(settings).await
    }

    /// The slowest, the slowest of them first.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn slow_subscriptions(&self) -> Result<Vec<Slow>, Gone> {
        let top = self.decided().slow.top as usize;
        let found = self
            .ask_all(|visit| visit.engine.slow_subscriptions(visit.now))
            .await?;
        let mut found: Vec<Slow> = found.into_iter().flatten().map(Slow::from).collect();
        found.sort_by(|a, b| {
            let key = |s: &Slow| (std::cmp::Reverse(s.millis), s.client_id.clone());
            key(a).cmp(&key(b)).then_with(|| a.topic.cmp(&b.topic))
        });
        found.truncate(top);
        Ok(found)
    }

    /// Forgets them.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn forget_slow_subscriptions(&self) -> Result<(), Gone> {
        let forget = self.ask_all(|visit| visit.engine.forget_slow_subscriptions());
        forget.await.map(|_| ())
    }
}
