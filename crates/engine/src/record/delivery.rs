//! A delivery that a restart must not forget: the packet id it has, and how far it came.

use std::sync::Arc;

use protocol::PacketId;

use super::Reader;
use crate::{Message, SessionRef};

/// Numbers from here on name messages that are not in the log but stand in the record itself.
pub(crate) const INLINE: u64 = 1 << 63;

/// How far a delivery came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// QoS 1: PUBLISH may have been sent.
    PubAck = 1,
    /// QoS 2: PUBLISH may have been sent.
    PubRec = 2,
    /// PUBREC came; PUBREL may have been sent [MQTT-4.3.3-4].
    PubComp = 3,
    /// Finished, and the session's cursor has not passed it yet.
    Done = 4,
}

/// The record of [`super::Bucket::Delivery`].
#[derive(Clone, Debug)]
pub struct Delivery {
    pub(crate) id: PacketId,
    pub(crate) step: Step,
    pub(crate) retain: bool,
    pub(crate) ids: Box<[u32]>,
    /// The message, where it is not in the log.
    pub(crate) message: Option<Arc<Message>>,
}

impl Delivery {
    /// Of a message that was received, and so is not sent again.
    pub(crate) fn without_message(id: PacketId, step: Step) -> Self {
        Self {
            id,
            step,
            retain: false,
            ids: Box::default(),
            message: None,
        }
    }

    pub(crate) fn encode(&self) -> Box<[u8]> {
        let mut out = vec![self.step as u8];
        out.extend_from_slice(&self.id.get().to_be_bytes());
        out.push(u8::from(self.retain));
        let count = u32::try_from(self.ids.len()).expect("bounded by the subscriptions");
        out.extend_from_slice(&count.to_be_bytes());
        for id in &self.ids {
            out.extend_from_slice(&id.to_be_bytes());
        }
        if let Some(message) = &self.message {
            message.encode(&mut out);
        }
        out.into()
    }

    /// `None` if these bytes are not such a record.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let step = match r.u8()? {
            1 => Step::PubAck,
            2 => Step::PubRec,
            3 => Step::PubComp,
            4 => Step::Done,
            _ => return None,
        };
        let id = PacketId::new(r.u16()?)?;
        let retain = r.u8()? != 0;
        let count = r.u32()?;
        let ids = (0..count).map(|_| r.u32()).collect::<Option<_>>()?;
        let message = match r.0 {
            [] => None,
            bytes => Some(Arc::new(Message::decode(bytes, SessionRef::BROKER)?)),
        };
        Some(Self {
            id,
            step,
            retain,
            ids,
            message,
        })
    }

    /// The position at which the log has the message, if it has to be sent again from there.
    #[must_use]
    pub fn wants(&self, number: u64) -> Option<u64> {
        (number < INLINE && self.step == Step::PubRec).then_some(number)
    }
}
