//! Counters of one shard: plain adds on its own thread, copied out once a pass.

use protocol::{QoS, kind, packet::ack::AckKind};

/// What is counted. The order is the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    PublishReceivedQos0,
    PublishReceivedQos1,
    PublishReceivedQos2,
    PublishSentQos0,
    PublishSentQos1,
    PublishSentQos2,
    ConnectReceived,
    PubackReceived,
    PubrecReceived,
    PubrelReceived,
    PubcompReceived,
    SubscribeReceived,
    UnsubscribeReceived,
    PingreqReceived,
    DisconnectReceived,
    AuthReceived,
    ConnackSent,
    PubackSent,
    PubrecSent,
    PubrelSent,
    PubcompSent,
    SubackSent,
    UnsubackSent,
    PingrespSent,
    DisconnectSent,
    AuthSent,
    /// Messages that matched no subscription. Not a fault.
    NoSubscriber,
    BytesReceived,
    BytesSent,
    Connected,
    Disconnected,
    /// CONNECTs that were refused, whatever the reason.
    ConnectRefused,
    /// Those among them that were refused for who the client is.
    ConnectDenied,
    /// Clients that were let in without a proof of who they are.
    Anonymous,
    SessionCreated,
    SessionResumed,
    SessionTakenOver,
    /// Sessions that a client replaced by a new one, or that somebody deleted.
    SessionDiscarded,
    SessionEnded,
    ProtocolErrors,
    /// PUBLISHes that ended their connection.
    PublishErrors,
    PublishDenied,
    /// Messages that a subscription would have brought to somebody who may not have them.
    DeliveryDenied,
    /// Subscriptions that were allowed once and are not any more.
    SubscriptionRevoked,
    /// PUBLISHes beyond what the client may have unacknowledged.
    PublishOverQuota,
    /// PUBLISHes of QoS 2 that came again.
    PublishRepeated,
    /// Filters that were subscribed to, and that were given up.
    FilterSubscribed,
    FilterUnsubscribed,
    /// Filters that nobody may subscribe to, or not this client.
    SubscribeErrors,
    SubscribeDenied,
    /// Filters in an UNSUBSCRIBE that were no subscriptions.
    UnsubscribeErrors,
    /// Acknowledgements for what is not, or no longer, in flight.
    PubackMissed,
    PubrecMissed,
    PubrelMissed,
    PubcompMissed,
    /// PUBRECs for what has been received already.
    PubrecInUse,
    /// Messages that receivers have acknowledged for good.
    Acknowledged,
    /// QoS 2 messages whose PUBREL did not come in time.
    PubrelTimedOut,
    /// Messages handed to the log.
    Logged,
    /// Messages that were not sent back to their publisher, as it asked.
    NoLocal,
    WillPublished,
    RetainedRefused,
    /// Messages that were accepted for later.
    Delayed,
    /// Messages for later for which there was no room.
    DelayedRefused,
    Redelivered,
    /// How often something came faster than its rate and was let wait: connections of a listener, messages
    /// and bytes of one client, and of all clients of a listener.
    ConnectionsHeld,
    ClientMessagesHeld,
    ClientBytesHeld,
    ListenerMessagesHeld,
    ListenerBytesHeld,
    /// Publishers that were let wait because memory was short.
    MemoryHeld,
    /// Clients that came and went too often.
    Flapping,
    Panics,
}

impl Counter {
    pub const COUNT: usize = Self::Panics as usize + 1;

    const RECEIVED: [Self; 10] = [
        Self::ConnectReceived,
        Self::PubackReceived,
        Self::PubrecReceived,
        Self::PubrelReceived,
        Self::PubcompReceived,
        Self::SubscribeReceived,
        Self::UnsubscribeReceived,
        Self::PingreqReceived,
        Self::DisconnectReceived,
        Self::AuthReceived,
    ];

    const SENT: [Self; 10] = [
        Self::ConnackSent,
        Self::PubackSent,
        Self::PubrecSent,
        Self::PubrelSent,
        Self::PubcompSent,
        Self::SubackSent,
        Self::UnsubackSent,
        Self::PingrespSent,
        Self::DisconnectSent,
        Self::AuthSent,
    ];

    /// Where a packet of a client other than PUBLISH is counted; `None` for what only servers send.
    pub(crate) fn received(kind: u8) -> Option<Self> {
        Some(match kind {
            kind::CONNECT => Self::ConnectReceived,
            kind::PUBACK => Self::PubackReceived,
            kind::PUBREC => Self::PubrecReceived,
            kind::PUBREL => Self::PubrelReceived,
            kind::PUBCOMP => Self::PubcompReceived,
            kind::SUBSCRIBE => Self::SubscribeReceived,
            kind::UNSUBSCRIBE => Self::UnsubscribeReceived,
            kind::PINGREQ => Self::PingreqReceived,
            kind::DISCONNECT => Self::DisconnectReceived,
            kind::AUTH => Self::AuthReceived,
            _ => return None,
        })
    }

    /// Where an acknowledgement that we send is counted.
    #[inline]
    pub(crate) fn ack_sent(kind: AckKind) -> Self {
        match kind {
            AckKind::PubAck => Self::PubackSent,
            AckKind::PubRec => Self::PubrecSent,
            AckKind::PubRel => Self::PubrelSent,
            AckKind::PubComp => Self::PubcompSent,
        }
    }
}

/// Why a message for a client was not delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Drop {
    /// The client's queue was full; the oldest went.
    QueueFull,
    /// Larger than the client's Maximum Packet Size [MQTT-3.1.2-25].
    TooLarge,
    /// Its expiry passed while it waited.
    Expired,
    /// QoS 0 for a session whose client is away.
    Offline,
    /// The connection ended with messages still queued or unacknowledged, and no session to keep them.
    ConnectionLost,
    /// The shared log was trimmed past what this session had read.
    Trimmed,
    /// A shared subscription had no member that could take it.
    NoMember,
}

impl Drop {
    pub const COUNT: usize = Self::NoMember as usize + 1;
    pub const ALL: [(Self, &'static str); Self::COUNT] = [
        (Self::QueueFull, "queue_full"),
        (Self::TooLarge, "too_large"),
        (Self::Expired, "expired"),
        (Self::Offline, "offline"),
        (Self::ConnectionLost, "connection_lost"),
        (Self::Trimmed, "trimmed"),
        (Self::NoMember, "no_member"),
    ];
}

/// All counters and gauges of one shard.
#[derive(Clone, Debug)]
pub struct Metrics {
    counters: [u64; Counter::COUNT],
    drops: [u64; Drop::COUNT],
    pub gauges: Gauges,
}

/// What there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Sessions, connected or not.
    pub sessions: u64,
    /// Those that outlive their connection.
    pub lasting: u64,
    pub connections: u64,
    /// Of all kinds.
    pub subscriptions: u64,
    pub shared_subscriptions: u64,
    /// Those of sessions that outlive their connection.
    pub lasting_subscriptions: u64,
    /// Filters that somebody is subscribed to.
    pub topics: u64,
    pub retained: u64,
    pub retained_bytes: u64,
    /// Messages that wait for their time.
    pub delayed: u64,
}

impl Gauges {
    fn each(&mut self, other: &Self, apply: impl Fn(&mut u64, u64)) {
        apply(&mut self.sessions, other.sessions);
        apply(&mut self.lasting, other.lasting);
        apply(&mut self.connections, other.connections);
        apply(&mut self.subscriptions, other.subscriptions);
        apply(&mut self.shared_subscriptions, other.shared_subscriptions);
        apply(&mut self.lasting_subscriptions, other.lasting_subscriptions);
        apply(&mut self.topics, other.topics);
        apply(&mut self.retained, other.retained);
        apply(&mut self.retained_bytes, other.retained_bytes);
        apply(&mut self.delayed, other.delayed);
    }

    /// Adds another shard's.
    pub fn merge(&mut self, other: &Self) {
        self.each(other, |a, b| *a += b);
    }

    /// Keeps the larger of each.
    pub fn raise(&mut self, other: &Self) {
        self.each(other, |a, b| *a = b.max(*a));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            counters: [0; Counter::COUNT],
            drops: [0; Drop::COUNT],
            gauges: Gauges::default(),
        }
    }
}

impl Metrics {
    /// What is counted one by one does not overflow: no look at that on the way of a message.
    #[inline]
    pub fn add(&mut self, what: Counter, n: u64) {
        let counter = &mut self.counters[what as usize];
        *counter = counter.wrapping_add(n);
    }

    #[inline]
    pub fn drop(&mut self, why: Drop, n: u64) {
        self.drops[why as usize] += n;
    }

    #[must_use]
    pub fn get(&self, what: Counter) -> u64 {
        self.counters[what as usize]
    }

    #[must_use]
    pub fn dropped(&self, why: Drop) -> u64 {
        self.drops[why as usize]
    }

    #[must_use]
    pub fn dropped_all(&self) -> u64 {
        self.drops.iter().sum()
    }

    /// Adds another shard's figures to these.
    pub fn merge(&mut self, other: &Self) {
        for (a, b) in self.counters.iter_mut().zip(other.counters) {
            *a += b;
        }
        for (a, b) in self.drops.iter_mut().zip(other.drops) {
            *a += b;
        }
        self.gauges.merge(&other.gauges);
    }

    /// PUBLISH packets received, whatever their QoS.
    #[must_use]
    pub fn publish_received(&self) -> u64 {
        self.sum(&[
            Counter::PublishReceivedQos0,
            Counter::PublishReceivedQos1,
            Counter::PublishReceivedQos2,
        ])
    }

    /// PUBLISH packets sent, whatever their QoS.
    #[must_use]
    pub fn publish_sent(&self) -> u64 {
        self.sum(&[
            Counter::PublishSentQos0,
            Counter::PublishSentQos1,
            Counter::PublishSentQos2,
        ])
    }

    /// Packets of every kind received.
    #[must_use]
    pub fn packets_received(&self) -> u64 {
        self.publish_received() + self.sum(&Counter::RECEIVED)
    }

    /// Packets of every kind sent.
    #[must_use]
    pub fn packets_sent(&self) -> u64 {
        self.publish_sent() + self.sum(&Counter::SENT)
    }

    fn sum(&self, counters: &[Counter]) -> u64 {
        counters.iter().map(|c| self.get(*c)).sum()
    }

    #[inline]
    pub(crate) fn received(&mut self, qos: QoS, n: u64) {
        let counter = match qos {
            QoS::AtMostOnce => Counter::PublishReceivedQos0,
            QoS::AtLeastOnce => Counter::PublishReceivedQos1,
            QoS::ExactlyOnce => Counter::PublishReceivedQos2,
        };
        self.add(counter, n);
    }

    #[inline]
    pub(crate) fn sent(&mut self, qos: QoS, n: u64) {
        let counter = match qos {
            QoS::AtMostOnce => Counter::PublishSentQos0,
            QoS::AtLeastOnce => Counter::PublishSentQos1,
            QoS::ExactlyOnce => Counter::PublishSentQos2,
        };
        self.add(counter, n);
    }
}
