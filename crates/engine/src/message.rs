//! An application message as it is shared: between receivers, shards, the log and the retained store.

use std::sync::Arc;

use protocol::{QoS, Topic, Version, packet::publish};

use crate::{
    Time,
    acl::Writer,
    plant::{self, Fault},
    record::{Reader, put_number, put_writer},
};

/// Which session, on which shard. The generation tells a slot's later owner from an earlier one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SessionRef {
    pub shard: u16,
    pub generation: u16,
    pub slot: u32,
}

impl SessionRef {
    const BY_NAME: u16 = u16::MAX - 1;

    /// The publisher of what the broker itself publishes.
    pub const BROKER: Self = Self {
        shard: u16::MAX,
        generation: 0,
        slot: u32::MAX,
    };

    /// Whoever has this client id, in whatever life of the broker: the publisher of a message that was
    /// read from the log.
    #[must_use]
    pub fn client(fingerprint: u64) -> Self {
        let [.., a, b, c, d, e, f] = fingerprint.to_be_bytes();
        Self {
            shard: Self::BY_NAME,
            generation: u16::from_be_bytes([a, b]),
            slot: u32::from_be_bytes([c, d, e, f]),
        }
    }

    /// The client's name in the log, if it names one.
    #[inline]
    pub(crate) fn name(self) -> Option<u64> {
        let name = u64::from(self.generation) << 32 | u64::from(self.slot);
        self.is_by_name().then_some(name)
    }

    /// Whether it names a client, not a session that lives.
    #[inline]
    pub(crate) fn is_by_name(self) -> bool {
        self.shard == Self::BY_NAME
    }
}

/// Names a client id in the log, in 48 bits: FNV-1a, because it is stored and so must never change.
#[must_use]
pub fn fingerprint(client_id: &str) -> u64 {
    let hash = client_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    hash >> 16
}

/// Borrowed view of a message being published.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub publisher: SessionRef,
    pub topic: Topic<'a>,
    pub qos: QoS,
    pub retain: bool,
    /// When it expires [MQTT-3.3.2-5].
    pub expires: Option<Time>,
    /// Properties forwarded unaltered [MQTT-3.3.2-17], encoded.
    pub forwarded: &'a [u8],
    pub payload: &'a [u8],
}

/// Set in the first byte of a stored message that says who published it.
const SIGNED: u8 = 8;

/// An owned message: one block for topic, properties and payload.
#[derive(Debug)]
pub struct Message {
    pub publisher: SessionRef,
    pub qos: QoS,
    pub retain: bool,
    /// 0 = never.
    expires: Time,
    /// When it was published; 0 where that is not known.
    pub at: Time,
    topic_bytes: u16,
    forwarded_bytes: u32,
    block: Box<[u8]>,
    /// Of what is retained.
    pub(crate) writer: Option<Arc<Writer>>,
}

impl Message {
    #[must_use]
    pub fn new(view: &View<'_>, at: Time) -> Self {
        let topic = view.topic.as_str().as_bytes();
        let mut block = Vec::with_capacity(topic.len() + view.forwarded.len() + view.payload.len());
        block.extend_from_slice(topic);
        block.extend_from_slice(view.forwarded);
        block.extend_from_slice(view.payload);
        Self {
            publisher: view.publisher,
            qos: view.qos,
            retain: view.retain,
            expires: view.expires.unwrap_or_default(),
            at,
            topic_bytes: u16::try_from(topic.len()).expect("a topic is at most 65,535 bytes"),
            forwarded_bytes: u32::try_from(view.forwarded.len())
                .expect("bounded by the packet size"),
            block: block.into_boxed_slice(),
            writer: None,
        }
    }

    #[must_use]
    pub fn topic(&self) -> Topic<'_> {
        let topic = std::str::from_utf8(&self.block[..usize::from(self.topic_bytes)])
            .expect("copied from a Topic");
        Topic::trusted(topic)
    }

    #[must_use]
    pub fn forwarded(&self) -> &[u8] {
        let from = usize::from(self.topic_bytes);
        &self.block[from..from + self.forwarded_bytes as usize]
    }

    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.block[usize::from(self.topic_bytes) + self.forwarded_bytes as usize..]
    }

    #[must_use]
    pub fn view(&self) -> View<'_> {
        View {
            publisher: self.publisher,
            topic: self.topic(),
            qos: self.qos,
            retain: self.retain,
            expires: Some(self.expires).filter(|at| *at != Time(0)),
            forwarded: self.forwarded(),
            payload: self.payload(),
        }
    }

    /// Appends its stored form; [`Message::decode`] reads it. Who published it is in it if it is retained.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let signed = if self.writer.is_some() { SIGNED } else { 0 };
        out.push(self.qos.bits() | u8::from(self.retain) << 2 | signed);
        put_number(out, self.at.0);
        if let Some(writer) = &self.writer {
            put_writer(out, writer);
        }
        put_number(out, self.expires.0);
        put_number(out, self.topic_bytes);
        put_number(out, self.forwarded_bytes);
        out.extend_from_slice(&self.block);
    }

    /// Whether its properties are some that can be sent on: for what comes from a file of somebody's.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        protocol::Properties::are_forwarded(self.view().forwarded)
    }

    /// Reads what [`Message::encode`] wrote; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8], publisher: SessionRef) -> Option<Self> {
        let mut r = Reader(bytes);
        let bits = r.u8()?;
        let at = Time(r.number()?);
        let writer = match bits & SIGNED {
            0 => None,
            _ => Some(Arc::new(r.writer()?)),
        };
        let expires = Time(r.number()?);
        let topic_bytes: u16 = r.number()?;
        let forwarded_bytes: u32 = r.number()?;
        let block = r.0;
        let name = std::str::from_utf8(block.get(..usize::from(topic_bytes))?).ok()?;
        Topic::parse(name, u16::MAX).ok()?;
        block.get(..usize::from(topic_bytes) + usize::try_from(forwarded_bytes).ok()?)?;
        Some(Self {
            publisher,
            qos: QoS::from_bits(bits & 3)?,
            retain: bits & 4 != 0,
            expires,
            at,
            topic_bytes,
            forwarded_bytes,
            block: block.into(),
            writer,
        })
    }

    /// Bytes it occupies, for the bounds of queues and stores.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.block.len() + size_of::<Self>() + 16
    }
}

impl<'a> View<'a> {
    /// Seconds left until it expires, rounded up; `None` if it never does [MQTT-3.3.2-6].
    #[must_use]
    pub fn expiry_secs(&self, now: Time) -> Option<u32> {
        self.expires
            .map(|at| u32::try_from(at.since(now).div_ceil(1000)).unwrap_or(u32::MAX))
    }

    #[must_use]
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|at| at <= now) && !plant::on(Fault::ExpiredDelivered)
    }

    /// The packet as one receiver gets it.
    #[inline]
    pub(crate) fn packet<'b>(
        &'b self,
        now: Time,
        version: Version,
        qos: QoS,
        retain: bool,
        ids: &'b [u32],
    ) -> publish::Out<'b> {
        publish::Out {
            // Whatever the publisher said [MQTT-3.3.1-3], [MQTT-4.3.1-1], [MQTT-4.3.2-2], [MQTT-4.3.3-2].
            dup: false,
            qos,
            retain,
            topic: self.topic.as_str(),
            id: None,
            alias: None,
            expiry_secs: if version.is_v5() {
                self.expiry_secs(now)
            } else {
                None
            },
            subscription_ids: ids,
            forwarded: self.forwarded,
            payload: self.payload,
        }
    }
}
