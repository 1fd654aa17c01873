//! Why bytes were refused, and the limits they are measured against.

use crate::reason::Reason;

/// Bounds that every decode is given; what a peer may make us read, count and keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a whole packet, header included.
    pub packet_bytes_max: u32,
    /// Bytes of a CONNECT after its fixed header: it comes before authentication, so it is smaller.
    pub connect_bytes_max: u32,
    /// Levels of a topic name or filter: `a/b` has two.
    pub topic_levels_max: u16,
    /// User properties in one property block.
    pub user_properties_max: u16,
    /// Bytes of all names and values of the user properties in one block.
    pub user_properties_bytes_max: u32,
    /// Filters of one SUBSCRIBE or UNSUBSCRIBE.
    pub filters_max: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet_bytes_max: 1024 * 1024,
            connect_bytes_max: 256 * 1024,
            topic_levels_max: 128,
            user_properties_max: 64,
            user_properties_bytes_max: 8192,
            filters_max: 1000,
        }
    }
}

/// Why bytes are no packet that we accept. The connection they came from cannot go on (4.13).
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes cannot be read as the packet they say they are.
    #[error("malformed packet: {0}")]
    Malformed(&'static str),
    /// The protocol name of a CONNECT is none of MQTT's.
    #[error("malformed packet: not MQTT")]
    NotMqtt,
    /// They can be read, but say what the specification forbids.
    #[error("protocol error: {0}")]
    Protocol(&'static str),
    /// A topic name that is empty, too long, too deep or has wildcards.
    #[error("topic name invalid: {0}")]
    TopicInvalid(&'static str),
    /// A topic filter that is empty, too long, too deep or has its wildcards in the wrong place.
    #[error("topic filter invalid: {0}")]
    FilterInvalid(&'static str),
    /// A topic alias of zero [MQTT-3.3.2-8].
    #[error("topic alias invalid: {0}")]
    TopicAliasInvalid(&'static str),
    /// More bytes than [`Limits`] allow; known from the fixed header alone.
    #[error("packet too large: {bytes} bytes, at most {max} allowed")]
    TooLarge { bytes: u32, max: u32 },
    /// A CONNECT of a protocol level other than 3, 4 and 5.
    #[error("unsupported protocol version: level {0}")]
    UnsupportedVersion(u8),
    /// More user properties or filters than [`Limits`] allow.
    #[error("quota exceeded: {0}")]
    Quota(&'static str),
}

impl DecodeError {
    /// The reason code for the CONNACK or DISCONNECT that answers this error.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed(_) | Self::NotMqtt => Reason::MALFORMED_PACKET,
            Self::Protocol(_) => Reason::PROTOCOL_ERROR,
            Self::TopicInvalid(_) => Reason::TOPIC_NAME_INVALID,
            Self::FilterInvalid(_) => Reason::TOPIC_FILTER_INVALID,
            Self::TopicAliasInvalid(_) => Reason::TOPIC_ALIAS_INVALID,
            Self::TooLarge { .. } => Reason::PACKET_TOO_LARGE,
            Self::UnsupportedVersion(_) => Reason::UNSUPPORTED_PROTOCOL_VERSION,
            Self::Quota(_) => Reason::QUOTA_EXCEEDED,
        }
    }

    /// What was wrong, in words that hold nothing of the peer's bytes: fit for logs and metrics.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Malformed(cause)
            | Self::Protocol(cause)
            | Self::TopicInvalid(cause)
            | Self::FilterInvalid(cause)
            | Self::TopicAliasInvalid(cause)
            | Self::Quota(cause) => cause,
            Self::NotMqtt => "not MQTT",
            Self::TooLarge { .. } => "packet too large",
            Self::UnsupportedVersion(_) => "unsupported protocol version",
        }
    }
}
