//! Figures under EMQX's names: what was counted since the start, and what there is now.

use engine::{Counter, Drop, Gauges, Metrics};

use super::Admin;

/// All figures of one moment.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Name and count since the start.
    pub counters: Vec<(&'static str, u64)>,
    pub gauges: Vec<Gauge>,
}

/// How many there are of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    pub name: &'static str,
    pub now: u64,
    /// The most there have been since the start.
    pub max: u64,
}

impl Figures {
    /// What is counted under a name; 0 if nothing is.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        let found = self.counters.iter().find(|(n, _)| *n == name);
        found.map_or(0, |(_, n)| *n)
    }

    /// What there is of something now.
    #[must_use]
    pub fn gauge(&self, name: &str) -> u64 {
        let found = self.gauges.iter().find(|g| g.name == name);
        found.map_or(0, |g| g.now)
    }
}

impl Admin {
    /// As of the shards' last reports, a tenth of a second ago at most.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let metrics = self.0.post.metrics();
        let peaks = self.0.post.peaks();
        Figures {
            counters: counters(&metrics),
            gauges: gauges(&metrics.gauges, &peaks),
        }
    }
}

pub(crate) fn gauges(now: &Gauges, max: &Gauges) -> Vec<Gauge> {
    let figure = |name, read: fn(&Gauges) -> u64| Gauge {
        name,
        now: read(now),
        // The last report may be younger than the last look at the peaks.
        max: read(max).max(read(now)),
    };
    vec![
        // EMQX counts sessions that wait for their client as connections, too.
        figure("connections", |g| g.sessions),
        figure("live_connections", |g| g.connections),
        figure("cluster_sessions", |g| g.sessions),
        figure("sessions", |g| g.sessions),
        figure("channels", |g| g.sessions),
        figure("topics", |g| g.topics),
        figure("subscriptions", |g| g.subscriptions),
        figure("subscriptions.shared", |g| g.shared_subscriptions),
        figure("subscribers", |g| g.subscriptions),
        figure("suboptions", |g| g.subscriptions),
        figure("retained", |g| g.retained),
        figure("delayed", |g| g.delayed),
        figure("durable_subscriptions", |g| g.lasting_subscriptions),
    ]
}

/// Constant 0 is what cannot happen here: there is no other node, no cache of access rules and no
/// schema of messages, and a packet id is in use by one exchange at a time.
pub(crate) fn counters(m: &Metrics) -> Vec<(&'static str, u64)> {
    use Counter as C;
    let n = |counter| m.get(counter);
    let refused = n(C::PublishErrors) + n(C::PublishDenied) + n(C::PublishRepeated);
    let published = m.publish_received().saturating_sub(refused);
    let allowed = published + n(C::FilterSubscribed);
    let denied = n(C::PublishDenied) + n(C::SubscribeDenied);
    let undeliverable = n(C::NoSubscriber) + n(C::PubrelTimedOut);
    vec![
        ("bytes.received", n(C::BytesReceived)),
        ("bytes.sent", n(C::BytesSent)),
        ("packets.received", m.packets_received()),
        ("packets.sent", m.packets_sent()),
        ("packets.connect.received", n(C::ConnectReceived)),
        ("packets.connack.sent", n(C::ConnackSent)),
        ("packets.connack.error", n(C::ConnectRefused)),
        ("packets.connack.auth_error", n(C::ConnectDenied)),
        ("packets.publish.received", m.publish_received()),
        ("packets.publish.sent", m.publish_sent()),
        ("packets.publish.inuse", n(C::PublishRepeated)),
        ("packets.publish.error", n(C::PublishErrors)),
        ("packets.publish.auth_error", n(C::PublishDenied)),
        ("packets.publish.dropped", n(C::PublishOverQuota)),
        ("packets.puback.received", n(C::PubackReceived)),
        ("packets.puback.sent", n(C::PubackSent)),
        ("packets.puback.inuse", 0),
        ("packets.puback.missed", n(C::PubackMissed)),
        ("packets.pubrec.received", n(C::PubrecReceived)),
        ("packets.pubrec.sent", n(C::PubrecSent)),
        ("packets.pubrec.inuse", n(C::PubrecInUse)),
        ("packets.pubrec.missed", n(C::PubrecMissed)),
        ("packets.pubrel.received", n(C::PubrelReceived)),
        ("packets.pubrel.sent", n(C::PubrelSent)),
        ("packets.pubrel.missed", n(C::PubrelMissed)),
        ("packets.pubcomp.received", n(C::PubcompReceived)),
        ("packets.pubcomp.sent", n(C::PubcompSent)),
        ("packets.pubcomp.inuse", 0),
        ("packets.pubcomp.missed", n(C::PubcompMissed)),
        ("packets.subscribe.received", n(C::SubscribeReceived)),
        ("packets.subscribe.error", n(C::SubscribeErrors)),
        ("packets.subscribe.auth_error", n(C::SubscribeDenied)),
        ("packets.suback.sent", n(C::SubackSent)),
        ("packets.unsubscribe.received", n(C::UnsubscribeReceived)),
        ("packets.unsubscribe.error", n(C::UnsubscribeErrors)),
        ("packets.unsuback.sent", n(C::UnsubackSent)),
        ("packets.pingreq.received", n(C::PingreqReceived)),
        ("packets.pingresp.sent", n(C::PingrespSent)),
        ("packets.disconnect.received", n(C::DisconnectReceived)),
        ("packets.disconnect.sent", n(C::DisconnectSent)),
        ("packets.auth.received", n(C::AuthReceived)),
        ("packets.auth.sent", n(C::AuthSent)),
        ("messages.received", m.publish_received()),
        ("messages.sent", m.publish_sent()),
        ("messages.qos0.received", n(C::PublishReceivedQos0)),
        ("messages.qos0.sent", n(C::PublishSentQos0)),
        ("messages.qos1.received", n(C::PublishReceivedQos1)),
        ("messages.qos1.sent", n(C::PublishSentQos1)),
        ("messages.qos2.received", n(C::PublishReceivedQos2)),
        ("messages.qos2.sent", n(C::PublishSentQos2)),
        ("messages.publish", published),
        ("messages.dropped", undeliverable),
        (
            "messages.dropped.await_pubrel_timeout",
            n(C::PubrelTimedOut),
        ),
        ("messages.dropped.no_subscribers", n(C::NoSubscriber)),
        ("messages.forward", 0),
        ("messages.delayed", n(C::Delayed)),
        ("messages.delivered", m.publish_sent()),
        ("messages.acked", n(C::Acknowledged)),
        ("messages.persisted", n(C::Logged)),
        ("messages.validation_failed", 0),
        ("messages.validation_succeeded", 0),
        ("messages.transformation_failed", 0),
        ("messages.transformation_succeeded", 0),
        ("delivery.dropped", m.dropped_all() + n(C::NoLocal)),
        ("delivery.dropped.no_local", n(C::NoLocal)),
        ("delivery.dropped.too_large", m.dropped(Drop::TooLarge)),
        ("delivery.dropped.qos0_msg", m.dropped(Drop::Offline)),
        ("delivery.dropped.queue_full", m.dropped(Drop::QueueFull)),
        ("delivery.dropped.expired", m.dropped(Drop::Expired)),
        ("client.connect", n(C::ConnectReceived)),
        ("client.connack", n(C::ConnackSent)),
        ("client.connected", n(C::Connected)),
        ("client.authenticate", n(C::Connected) + n(C::ConnectDenied)),
        ("client.auth.anonymous", n(C::Anonymous)),
        ("client.authorize", allowed + denied),
        ("client.subscribe", n(C::SubscribeReceived)),
        ("client.unsubscribe", n(C::UnsubscribeReceived)),
        ("client.disconnected", n(C::Disconnected)),
        ("client.flapping", n(C::Flapping)),
        ("session.created", n(C::SessionCreated)),
        ("session.resumed", n(C::SessionResumed)),
        ("session.takenover", n(C::SessionTakenOver)),
        ("session.discarded", n(C::SessionDiscarded)),
        ("session.terminated", n(C::SessionEnded)),
        ("authorization.allow", allowed),
        ("authorization.deny", denied),
        ("authorization.cache_hit", 0),
        ("authorization.cache_miss", 0),
        ("authentication.success", n(C::Connected)),
        ("authentication.success.anonymous", n(C::Anonymous)),
        ("authentication.failure", n(C::ConnectDenied)),
        ("overload_protection.delay.ok", 0),
        ("overload_protection.delay.timeout", 0),
        ("overload_protection.hibernation", 0),
        ("overload_protection.gc", 0),
        ("overload_protection.new_conn", 0),
        ("rate_limit.connections", n(C::ConnectionsHeld)),
        ("rate_limit.client_messages", n(C::ClientMessagesHeld)),
        ("rate_limit.client_bytes", n(C::ClientBytesHeld)),
        ("rate_limit.listener_messages", n(C::ListenerMessagesHeld)),
        ("rate_limit.listener_bytes", n(C::ListenerBytesHeld)),
        ("rate_limit.memory", n(C::MemoryHeld)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once() {
        let metrics = Metrics::default();
        let mut names: Vec<_> = counters(&metrics).iter().map(|(name, _)| *name).collect();
        let len = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), len), (102, 102));
    }

    #[test]
    fn a_peak_is_never_below_what_there_is() {
        let now = Gauges {
            sessions: 5,
            ..Gauges::default()
        };
        let found = gauges(&now, &Gauges::default());
        assert!(found.iter().any(|g| g.name == "sessions" && g.max == 5));
    }
}
