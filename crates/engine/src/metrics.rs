//! Counters of one shard: plain adds on its own thread, copied out once a pass.

use protocol::QoS;

/// What is counted. The order is the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    PublishReceivedQos0,
    PublishReceivedQos1,
    PublishReceivedQos2,
    PublishSentQos0,
    PublishSentQos1,
    PublishSentQos2,
    /// Messages that matched no subscription. Not a fault.
    NoSubscriber,
    /// Packets other than PUBLISH.
    OtherReceived,
    /// Packets other than PUBLISH.
    OtherSent,
    BytesReceived,
    BytesSent,
    Connected,
    Disconnected,
    ConnectRefused,
    SessionCreated,
    SessionResumed,
    SessionTakenOver,
    SessionEnded,
    ProtocolErrors,
    PublishDenied,
    WillPublished,
    RetainedRefused,
    /// Messages that were accepted for later.
    Delayed,
    /// Messages for later for which there was no room.
    DelayedRefused,
    Redelivered,
    Panics,
}

impl Counter {
    pub const COUNT: usize = Self::Panics as usize + 1;
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
    /// Sessions, connected or not.
    pub sessions: u64,
    pub connections: u64,
    pub subscriptions: u64,
    pub shared_subscriptions: u64,
    pub retained: u64,
    pub retained_bytes: u64,
    /// Messages that wait for their time.
    pub delayed: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            counters: [0; Counter::COUNT],
            drops: [0; Drop::COUNT],
            sessions: 0,
            connections: 0,
            subscriptions: 0,
            shared_subscriptions: 0,
            retained: 0,
            retained_bytes: 0,
            delayed: 0,
        }
    }
}

impl Metrics {
    #[inline]
    pub fn add(&mut self, what: Counter, n: u64) {
        self.counters[what as usize] += n;
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
        self.sessions += other.sessions;
        self.connections += other.connections;
        self.subscriptions += other.subscriptions;
        self.shared_subscriptions += other.shared_subscriptions;
        self.retained += other.retained;
        self.retained_bytes += other.retained_bytes;
        self.delayed += other.delayed;
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
        self.publish_received() + self.get(Counter::OtherReceived)
    }

    /// Packets of every kind sent.
    #[must_use]
    pub fn packets_sent(&self) -> u64 {
        self.publish_sent() + self.get(Counter::OtherSent)
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
