//! Every bound and choice of the protocol engine, named once. Values come from the configuration.

use protocol::{Limits, QoS};

use crate::retained::Room;

/// What to do when a session's queue is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueFull {
    /// The oldest queued message makes room, counted.
    DropOldest,
    /// The client is disconnected with 0x97 Quota exceeded.
    Disconnect,
}

/// How a shared subscription picks the member that receives a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    RoundRobin,
    Random,
    /// The same member until it stalls or leaves.
    Sticky,
    /// A member on the publisher's shard if there is one, else round robin.
    Local,
    /// By the publisher's client id.
    HashClientId,
    /// By the topic.
    HashTopic,
}

/// Settings of `mqtt.*` as the engine uses them. Sizes are bytes.
#[derive(Clone, Debug)]
pub struct Settings {
    pub limits: Limits,
    pub payload_bytes_max: u32,
    pub client_id_bytes_max: usize,
    pub topic_alias_max: u16,
    pub qos_max: QoS,
    pub retain_available: bool,
    pub wildcard_available: bool,
    pub shared_available: bool,
    /// In-flight messages per direction, announced as Receive Maximum.
    pub inflight_max: u16,
    /// Longest Keep Alive a client may ask for; above it Server Keep Alive says so.
    pub keep_alive_secs_max: u16,
    /// A fixed Server Keep Alive for everybody, if set.
    pub server_keep_alive_secs: Option<u16>,
    /// Tenths of the Keep Alive after which a silent client is gone (15 = one and a half).
    pub keep_alive_tenths: u32,
    pub subscriptions_max: usize,
    /// Per shard.
    pub sessions_max: usize,
    pub queue_max: usize,
    pub queue_bytes_max: usize,
    pub queue_full: QueueFull,
    /// Session Expiry Interval of a 3.x client with Clean Session 0.
    pub session_expiry_secs: u32,
    pub session_expiry_secs_max: u32,
    /// QoS 2 messages of a client that may wait for its PUBREL.
    pub awaiting_rel_max: u16,
    pub await_rel_millis: u64,
    pub upgrade_qos: bool,
    /// How long one slow receiver may hold back its publishers in any ten seconds.
    pub slow_grace_millis: u64,
    pub shared_strategy: Strategy,
    /// Of all shards together, if they were [restored](crate::restore::restore) together.
    pub retained_max: usize,
    /// As above.
    pub retained_bytes_max: usize,
    /// Of one user, here; superusers have no bound of their own.
    pub retained_of_user_max: usize,
    /// Largest payload that may be retained.
    pub retained_payload_max: usize,
    /// Whether `$delayed/SECONDS/TOPIC` publishes later.
    pub delayed_available: bool,
    /// How many messages may wait for their time; 0 for [`DELAYED_MAX`].
    pub delayed_max: u64,
    /// Bytes that may wait for one slow socket before messages queue.
    pub out_bytes_max: usize,
    /// Sent as Response Information to those who ask [MQTT-3.1.2-28].
    pub response_information: Option<Box<str>>,
}

/// One hold of a publisher for a slow receiver; then it is tried again.
pub const HOLD_MILLIS: u64 = 2;
/// Messages that may wait beyond `queue_max` while publishers are held back: what was on its way from
/// other shards when they were told. For both choices of `queue_full`: until the grace is used up the
/// receiver may still catch up, and then nothing is dropped and nobody disconnected.
pub const SURPLUS_MAX: usize = 8192;
/// Bytes of messages on their way to the log from which on a client that waits for one of them is not
/// read.
pub const UNDER_WAY_MAX: u64 = 32 << 20;
/// How far sessions have come is saved after this time.
pub const PROGRESS_MILLIS: u64 = 1000;
/// What the store had no room for, or could not read, is tried again after this time.
pub const RETRY_MILLIS: u64 = 500;
/// The window in which `slow_grace_millis` is counted.
pub const GRACE_WINDOW_MILLIS: u64 = 10_000;
/// Filters changed lately that a cached route is tested against before it is walked again.
pub const CHANGES_MAX: usize = 64;
/// Cached routes per shard (direct-mapped).
pub const ROUTES_MAX: usize = 8192;
/// Bytes of one run of equal-topic QoS 0 packets.
pub const RUN_BYTES_MAX: usize = 64 * 1024;
/// Retained messages looked at in one slice of a scan.
pub const SCAN_SLICE: usize = 1000;
/// Topics that may change while retained messages are sent to a client, and the bytes of their names;
/// then what is under way is asked for again. The simulator has few topics.
pub const FRESH_MAX: usize = if cfg!(feature = "plant") { 2 } else { 1024 };
pub const FRESH_BYTES_MAX: usize = 64 * 1024;
/// How often retained messages are looked through for expired ones, in milliseconds.
pub const SWEEP_MILLIS: u64 = 60_000;
/// Messages asked for in one read of the log.
pub const READ_MAX: usize = 256;
/// Shards of one process: an interest mask has this many bits.
pub const SHARDS_MAX: u16 = 32;
/// Bans of all kinds.
pub const BANS_MAX: usize = 100_000;
/// Bans by regular expression: each is tried at each CONNECT.
pub const BAN_PATTERNS_MAX: usize = 100;
/// Rules of access of all sources together, and their topics.
pub const RULES_MAX: usize = 100_000;
pub const RULE_TOPICS_MAX: usize = 200_000;
/// Rules of access that are for a network or for names that look like something: each is tried at each
/// CONNECT.
pub const CONDITIONS_MAX: usize = 1000;
/// Subscriptions that one pass looks at after rules of access have changed.
pub const REJUDGE_SLICE: usize = 2000;
/// Denials of one shard that are remembered so that none is told again and again, how long that is, and
/// how many are told in a second at most.
pub const DENIALS_MAX: usize = 1024;
pub const DENIAL_MILLIS: u64 = 60_000;
pub const DENIALS_TOLD_MAX: u32 = 20;
/// Revoked subscriptions of one shard that are remembered by name, and how much of a name.
pub const REVOKED_NAMED_MAX: usize = 8;
pub const REVOKED_TEXT_MAX: usize = 128;
/// Room that a compiled regular expression may take, in bytes.
pub const PATTERN_BYTES_MAX: usize = 32 * 1024;
/// A longer text is not given to a regular expression.
pub const PATTERN_TEXT_MAX: usize = 4096;
/// Rules of topic rewrite, and subscriptions that everybody gets.
pub const REWRITES_MAX: usize = 20;
pub const AUTO_SUBSCRIBE_MAX: usize = 20;
/// Questions of one shard to sources of rules elsewhere that no packet waits for, and how many of them are
/// under way at one time.
pub const INQUIRIES_MAX: usize = 100_000;
pub const INQUIRIES_UNDER_WAY_MAX: usize = 256;
/// Sessions that one pass compares with new bans; fewer where there are regular expressions.
pub const BAN_SLICE: usize = 2000;
/// Sessions that are looked at for one that makes room for a user.
pub const DISPLACE_SLICE: u32 = 4096;
/// Topics whose messages are counted.
pub const TOPIC_METRICS_MAX: usize = 512;
/// The longest delay of a message, in seconds.
pub const DELAY_SECS_MAX: u32 = 4_294_967;
/// Delayed messages of all shards, and their bytes in memory.
pub const DELAYED_MAX: u64 = 1_000_000;
pub const DELAYED_BYTES_MAX: u64 = 512 << 20;
/// Delayed messages that one pass publishes, or looks at for an operator.
pub const DELAYED_SLICE: usize = 1000;
/// Messages in flight whose times are noted while slow subscriptions are looked for.
pub const SLOW_FLIGHTS_MAX: usize = 65_536;
/// Topics of one shard whose last messages are kept for somebody who chose them, and how many messages
/// of each, and bytes of them.
pub const TAPS_MAX: usize = 8;
pub const TAPPED_MAX: usize = 100;
pub const TAPPED_BYTES_MAX: usize = 1 << 20;
/// Messages of one shard that traces noted and nobody has taken yet.
pub const TRACED_MAX: usize = 1000;
/// Topics without subscriber, and clients that are behind, that are remembered between two looks.
pub const SAMPLES_MAX: usize = 16;
/// Lost messages of one shard that are remembered between two looks at them.
pub const LOSSES_MAX: usize = 32;
/// Ids kept in the in-flight ring before an unacknowledged oldest is set aside.
pub const RING_MAX: usize = 4096;

impl Settings {
    /// The Receive Maximum that we announce: QoS 2 messages are among what it counts.
    #[must_use]
    pub fn receive_max(&self) -> u16 {
        self.inflight_max.min(self.awaiting_rel_max)
    }

    /// How much a shard may retain.
    #[must_use]
    pub fn retained_room(&self) -> Room {
        Room {
            count: self.retained_max,
            bytes: self.retained_bytes_max,
            of_user: self.retained_of_user_max,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            payload_bytes_max: u32::MAX,
            client_id_bytes_max: 1024,
            topic_alias_max: 32,
            qos_max: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_available: true,
            shared_available: true,
            inflight_max: 1024,
            keep_alive_secs_max: u16::MAX,
            server_keep_alive_secs: None,
            keep_alive_tenths: 15,
            subscriptions_max: 10_000,
            sessions_max: 1_000_000,
            queue_max: 1000,
            queue_bytes_max: 16 << 20,
            queue_full: QueueFull::DropOldest,
            session_expiry_secs: 7 * 86_400,
            session_expiry_secs_max: 7 * 86_400,
            awaiting_rel_max: 1024,
            await_rel_millis: 300_000,
            upgrade_qos: false,
            slow_grace_millis: 100,
            shared_strategy: Strategy::RoundRobin,
            retained_max: 1_000_000,
            retained_bytes_max: 512 << 20,
            retained_of_user_max: 100_000,
            retained_payload_max: usize::MAX,
            delayed_available: true,
            delayed_max: 0,
            out_bytes_max: 1 << 20,
            response_information: None,
        }
    }
}
