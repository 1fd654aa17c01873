//! A message that was received, with its bytes.

use protocol::{Limits, PacketId, Properties, Publish, QoS, Version, publish};

/// What a broker sent with a PUBLISH.
#[derive(Debug)]
pub struct Message {
    first: u8,
    body: Box<[u8]>,
    version: Version,
    /// The topic of an alias, which the packet did not name itself.
    aliased: Option<Box<str>>,
}

/// Bounds are the broker's business; we take what fits into a packet.
pub(crate) const LIMITS: Limits = Limits {
    packet_bytes_max: protocol::PACKET_BYTES_MAX,
    connect_bytes_max: u32::MAX,
    topic_levels_max: u16::MAX,
    user_properties_max: u16::MAX,
    user_properties_bytes_max: u32::MAX,
    filters_max: u16::MAX,
};

impl Message {
    /// A PUBLISH that was decoded before.
    pub(crate) fn new(first: u8, body: &[u8], version: Version, aliased: Option<&str>) -> Self {
        Self {
            first,
            body: body.into(),
            version,
            aliased: aliased.map(Into::into),
        }
    }

    fn publish(&self) -> Publish<'_> {
        publish::decode_from_server(self.first, &self.body, self.version, &LIMITS)
            .expect("it was decoded when it came")
    }

    pub fn topic(&self) -> &str {
        self.aliased
            .as_deref()
            .unwrap_or_else(|| self.publish().topic)
    }

    pub fn payload(&self) -> &[u8] {
        self.publish().payload
    }

    pub fn qos(&self) -> QoS {
        self.publish().qos
    }

    pub fn is_dup(&self) -> bool {
        self.publish().dup
    }

    pub fn is_retained(&self) -> bool {
        self.publish().retain
    }

    /// There if QoS is above 0.
    pub fn id(&self) -> Option<PacketId> {
        self.publish().id
    }

    pub fn properties(&self) -> Properties<'_> {
        self.publish().properties
    }
}
