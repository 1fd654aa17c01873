//! Subscriptions: of one client or of all, and made in a client's place.

use protocol::{QoS, Reason, RetainHandling, SharedFilter};

use super::{
    Admin, Extent, Gone, Rows,
    walk::{Gather, Take, Window},
};
use crate::shard::{VISIT_MAX, Visit};

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub client_id: String,
    /// With `$share/group/` before it, if it is shared.
    pub topic: String,
    pub options: Options,
    /// The session outlives its connection.
    pub is_lasting: bool,
}

/// Options as SUBSCRIBE has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// 0, 1 or 2.
    pub qos: u8,
    pub no_local: bool,
    pub as_published: bool,
    /// Retain Handling: 0, 1 or 2.
    pub handling: u8,
}

/// Which subscriptions are meant: all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionFilter {
    pub client_id: Option<String>,
    pub qos: Option<u8>,
    /// Exactly this.
    pub topic: Option<String>,
    /// A topic that the subscription's filter matches, or a filter that matches it, level by level.
    pub matching: Option<String>,
    pub group: Option<String>,
    pub is_lasting: Option<bool>,
}

/// Why a client was not subscribed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    #[error("Client ID not found")]
    NoClient,
    #[error("{0}")]
    Refused(String),
    #[error("the store could not take the subscription")]
    NotKept,
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// Why a subscription was not ended.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnsubscribeError {
    #[error("Client ID not found")]
    NoClient,
    #[error("the client has no such subscription")]
    NoSubscription,
    #[error("the store could not keep that")]
    NotKept,
    #[error(transparent)]
    Gone(#[from] Gone),
}

impl SubscriptionFilter {
    fn is_open(&self) -> bool {
        self.qos.is_none()
            && self.topic.is_none()
            && self.matching.is_none()
            && self.group.is_none()
            && self.is_lasting.is_none()
    }

    fn takes(&self, found: &engine::Subscribed, is_lasting: bool) -> bool {
        let shared = SharedFilter::parse(&found.filter, u16::MAX).ok();
        let group = shared.and_then(|s| s.group);
        self.qos.is_none_or(|qos| qos == found.qos.bits())
            && self.is_lasting.is_none_or(|lasting| lasting == is_lasting)
            && self
                .topic
                .as_ref()
                .is_none_or(|topic| *topic == found.filter)
            && self.group.as_deref().is_none_or(|name| group == Some(name))
            && self.matching.as_ref().is_none_or(|text| {
                shared.is_some_and(|s| {
                    let filter = s.filter.as_str();
                    covers(filter, text) || covers(text, filter)
                })
            })
    }
}

/// Whether a filter matches a text, in which wildcards are levels like others.
fn covers(filter: &str, text: &str) -> bool {
    let mut levels = text.split('/');
    for level in filter.split('/') {
        match (level, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(other)) if level == other => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// Where a shard's subscriptions are gone on with: a session, and how many of its own are done.
type Place = (u32, usize);

impl Admin {
    /// A page of subscriptions.
    ///
    /// # Errors
    /// If the broker is shutting down, as for everything here.
    pub async fn subscriptions(
        &self,
        filter: SubscriptionFilter,
        offset: u64,
        limit: u64,
        to: &Rows<Subscription>,
    ) -> Result<Extent, Gone> {
        let open = filter.is_open();
        let mut window = Window {
            offset,
            limit,
            is_counted: true,
        };
        if let Some(client_id) = filter.client_id.clone() {
            return self
                .client_subscriptions(client_id, filter, window, to)
                .await;
        }
        let mut count = None;
        if open {
            let all = self.ask_all(|visit| visit.engine.metrics().gauges.subscriptions);
            count = Some(all.await?.iter().sum());
            window.is_counted = false;
        }
        let slice = move |visit: &mut Visit<'_>, from: Place, gather: &mut Gather<_>| {
            go_through(visit, &filter, from, gather)
        };
        let found = self.walk(self.everywhere(), window, slice, to).await?;
        Ok(Extent {
            count: count.or(found.count),
            ..found
        })
    }

    /// All subscriptions of a client; `None` if there is no such session.
    ///
    /// # Errors
    /// As above.
    pub async fn subscriptions_of(
        &self,
        client_id: &str,
    ) -> Result<Option<Vec<Subscription>>, Gone> {
        if !self.has_client(client_id).await? {
            return Ok(None);
        }
        let filter = SubscriptionFilter::default();
        let window = Window {
            offset: 0,
            limit: u64::MAX,
            is_counted: false,
        };
        let mut all = Vec::new();
        self.client_subscriptions(client_id.to_owned(), filter, window, &mut all)
            .await?;
        Ok(Some(all))
    }

    async fn client_subscriptions(
        &self,
        client_id: String,
        filter: SubscriptionFilter,
        window: Window,
        to: impl Take<Subscription>,
    ) -> Result<Extent, Gone> {
        let home = self.home(&client_id);
        let slice = move |visit: &mut Visit<'_>, from, gather: &mut Gather<_>| {
            let client = visit.engine.client(&client_id)?;
            let looked = look(&client, &filter, from, VISIT_MAX, gather);
            let stopped = looked == VISIT_MAX || gather.is_tired();
            stopped.then_some(from + looked)
        };
        self.walk([(home, 0)], window, slice, to).await
    }

    /// Subscribes in a client's place to what the client would call so, below its mountpoint, if it may do that.
    /// It is in force, and kept, when this returns.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub async fn subscribe(
        &self,
        client_id: &str,
        topic: &str,
        options: Options,
    ) -> Result<Subscription, SubscribeError> {
        let (name, topic) = (client_id.to_owned(), topic.to_owned());
        let wanted = protocol::Options {
            qos: QoS::from_bits(options.qos).unwrap_or(QoS::AtMostOnce),
            no_local: options.no_local,
            retain_as_published: options.as_published,
            retain_handling: match options.handling {
                0 => RetainHandling::SendAlways,
                1 => RetainHandling::SendIfNew,
                _ => RetainHandling::DoNotSend,
            },
        };
        let asked = self
            .ask(self.home(client_id), move |visit| {
                let engine = &mut *visit.engine;
                let filter = engine.client(&name)?.mounted(&topic).into_owned();
                let ticket = engine.inquire_for(visit.now, &name, &filter, wanted, visit.conns);
                Some((filter, ticket.map(|ticket| visit.later(ticket))))
            })
            .await?;
        let (filter, said) = asked.ok_or(SubscribeError::NoClient)?;
        if let Some(said) = said {
            // Where nobody answers it is refused.
            said.await.map_err(|_| Gone)?;
        }
        let (name, topic) = (client_id.to_owned(), filter.clone());
        let asked = self
            .ask(self.home(client_id), move |visit| {
                let engine = &mut *visit.engine;
                let subscribed =
                    engine.subscribe_for(visit.now, &name, &filter, wanted, visit.conns)?;
                let is_lasting = visit.engine.client(&name).is_some_and(|c| c.is_lasting());
                let later = |visit: &mut Visit<'_>, ticket| visit.later(ticket);
                Some(subscribed.map(|(qos, ticket)| (qos, is_lasting, later(visit, ticket))))
            })
            .await?;
        let (qos, is_lasting, kept) = asked
            .ok_or(SubscribeError::NoClient)?
            .map_err(|reason| SubscribeError::Refused(refusal(reason)))?;
        if !kept.await.map_err(|_| Gone)? {
            return Err(SubscribeError::NotKept);
        }
        Ok(Subscription {
            client_id: client_id.to_owned(),
            topic,
            options: Options {
                qos: qos.bits(),
                ..options
            },
            is_lasting,
        })
    }

    /// Ends a client's subscription, as it is listed or as the client calls it, for good when this returns.
    ///
    /// # Errors
    /// See [`UnsubscribeError`].
    pub async fn unsubscribe(&self, client_id: &str, topic: &str) -> Result<(), UnsubscribeError> {
        let (name, filter) = (client_id.to_owned(), topic.to_owned());
        let asked = self
            .ask(self.home(client_id), move |visit| {
                let engine = &mut *visit.engine;
                let mounted = engine.client(&name)?.mounted(&filter).into_owned();
                let mut ended = engine.unsubscribe_for(visit.now, &name, &filter, visit.conns)?;
                if ended.is_err() && mounted != filter {
                    ended = engine.unsubscribe_for(visit.now, &name, &mounted, visit.conns)?;
                }
                Some(ended.map(|ticket| visit.later(ticket)))
            })
            .await?;
        let kept = asked
            .ok_or(UnsubscribeError::NoClient)?
            .map_err(|_| UnsubscribeError::NoSubscription)?;
        match kept.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(UnsubscribeError::NotKept),
            Err(_) => Err(Gone.into()),
        }
    }
}

fn refusal(reason: Reason) -> String {
    match reason {
        Reason::TOPIC_FILTER_INVALID => "topic_filter_invalid".to_owned(),
        Reason::QUOTA_EXCEEDED => {
            "the client has as many subscriptions as mqtt.max_subscriptions allows".to_owned()
        }
        Reason::NOT_AUTHORIZED => {
            "the client may not subscribe to this: see its denials in the connection log".to_owned()
        }
        other => other.name().to_lowercase(),
    }
}

fn go_through(
    visit: &Visit<'_>,
    filter: &SubscriptionFilter,
    (session, done): Place,
    gather: &mut Gather<Subscription>,
) -> Option<Place> {
    let mut left = VISIT_MAX;
    let (mut at, mut done) = (session, done);
    for (place, client) in visit.engine.clients(session) {
        // The one that was begun may have gone meanwhile.
        if place != at + 1 {
            done = 0;
        }
        at = place - 1;
        let looked = look(&client, filter, done, left, gather);
        if looked == left || gather.is_tired() {
            return Some((at, done + looked));
        }
        // A session without subscriptions is looked at, too.
        left = left.saturating_sub(looked.max(1));
        (at, done) = (place, 0);
        if left == 0 {
            return Some((at, 0));
        }
    }
    None
}

/// Looks at the subscriptions of one client from one on, and gives how many it saw.
fn look(
    client: &engine::Client<'_>,
    filter: &SubscriptionFilter,
    from: usize,
    max: usize,
    gather: &mut Gather<Subscription>,
) -> usize {
    let is_lasting = client.is_lasting();
    let mut looked = 0;
    for found in client.subscriptions(from).take(max) {
        looked += 1;
        if filter.takes(&found, is_lasting) {
            gather.take(|| Subscription {
                client_id: client.id().to_owned(),
                options: Options {
                    qos: found.qos.bits(),
                    no_local: found.no_local,
                    as_published: found.as_published,
                    handling: found.handling as u8,
                },
                topic: found.filter,
                is_lasting,
            });
        }
        if gather.is_tired() {
            break;
        }
    }
    looked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_cover_filters() {
        for (filter, text) in [("t/#", "t/1"), ("t/#", "t"), ("t/+", "t/#"), ("+/b", "a/b")] {
            assert!(covers(filter, text), "{filter} {text}");
        }
        for (filter, text) in [("t/1", "t/#"), ("t/+", "t"), ("t/+", "t/1/2"), ("a", "a/b")] {
            assert!(!covers(filter, text), "{filter} {text}");
        }
    }
}
