//! What every client is subscribed to when it connects.

use engine::{
    limits::AUTO_SUBSCRIBE_MAX,
    policy::{AutoSubscribe, Policy, Template},
};
use protocol::{
    QoS, SharedFilter,
    packet::subscribe::{Options, RetainHandling},
};
use serde::{Deserialize, Serialize};

use super::{
    Admin,
    policy::{DecideError, Decided, Decision},
};

/// One subscription, with numbers as SUBSCRIBE has them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AutoSubscription {
    /// The filter, with `${clientid}`, `${username}`, `${host}` and `${port}` in it.
    pub topic: String,
    pub qos: u8,
    pub rh: u8,
    pub rap: u8,
    pub nl: u8,
}

impl AutoSubscription {
    fn compile(&self) -> Result<AutoSubscribe, String> {
        let shared = SharedFilter::parse(&self.topic, u16::MAX)
            .map_err(|error| format!("topic is no topic filter: {}", error.cause()))?;
        let qos = QoS::from_bits(self.qos).ok_or("qos is 0, 1 or 2")?;
        let retain_handling = match self.rh {
            0 => RetainHandling::SendAlways,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err("rh is 0, 1 or 2".to_owned()),
        };
        if self.rap > 1 || self.nl > 1 {
            return Err("rap and nl are 0 or 1".to_owned());
        }
        if shared.group.is_some() && self.nl == 1 {
            return Err("a shared subscription cannot have nl 1".to_owned());
        }
        Ok(AutoSubscribe {
            filter: Template::of_names(&self.topic),
            options: Options {
                qos,
                no_local: self.nl == 1,
                retain_as_published: self.rap == 1,
                retain_handling,
            },
        })
    }
}

impl Decision for Vec<AutoSubscription> {
    const KEY: &'static str = "auto_subscribe";

    fn apply(&self, policy: &mut Policy) -> Result<(), DecideError> {
        if self.len() > AUTO_SUBSCRIBE_MAX {
            return Err(DecideError::TooMany(format!(
                "clients may be subscribed to {AUTO_SUBSCRIBE_MAX} filters, not {}",
                self.len()
            )));
        }
        let compiled: Result<Vec<_>, _> = self
            .iter()
            .enumerate()
            .map(|(at, auto)| {
                auto.compile().map_err(|cause| {
                    DecideError::Invalid(format!("subscription {}: {cause}", at + 1))
                })
            })
            .collect();
        policy.auto_subscribe = compiled?.into();
        Ok(())
    }

    fn place(decided: &mut Decided) -> &mut Self {
        &mut decided.auto_subscribe
    }
}

impl Admin {
    /// What every client is subscribed to.
    #[must_use]
    pub fn auto_subscriptions(&self) -> Vec<AutoSubscription> {
        self.decided().auto_subscribe.clone()
    }

    /// Puts these in the place of those before; it is for clients that connect from now on.
    ///
    /// # Errors
    /// If one is no subscription, if there are too many, or if they cannot be kept.
    pub async fn set_auto_subscriptions(
        &self,
        list: Vec<AutoSubscription>,
    ) -> Result<(), DecideError> {
        self.decide(list).await
    }
}
