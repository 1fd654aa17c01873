//! A delivery that a restart must not forget: the packet id it has, and how far it came.

use std::sync::Arc;

use protocol::PacketId;

use super::{
    Reader,
    bytes::{put_number, put_text},
};
use crate::{Message, SessionRef};

/// Numbers from here on are no positions in the log: the message stands in the record itself, or it came
/// through a shared group.
pub(crate) const INLINE: u64 = 1 << 63;

/// In the first byte of a record: it is of a message of a shared group.
const LEASED: u8 = 0x80;

/// What a session got through a shared group, which must not give it to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) group: Box<str>,
    pub(crate) filter: Box<str>,
    pub(crate) position: u64,
}

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
    /// Through which group it came, as long as that may not know that it is done with it.
    pub(crate) lease: Option<Lease>,
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
            lease: None,
            message: None,
        }
    }

    pub(crate) fn encode(&self) -> Box<[u8]> {
        let leased = if self.lease.is_some() { LEASED } else { 0 };
        let mut out = vec![self.step as u8 | leased];
        put_number(&mut out, self.id.get());
        out.push(u8::from(self.retain));
        put_number(&mut out, self.ids.len() as u64);
        for id in &self.ids {
            put_number(&mut out, *id);
        }
        if let Some(lease) = &self.lease {
            put_number(&mut out, lease.position);
            put_text(&mut out, &lease.group);
            put_text(&mut out, &lease.filter);
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
        let first = r.u8()?;
        let step = match first & !LEASED {
            1 => Step::PubAck,
            2 => Step::PubRec,
            3 => Step::PubComp,
            4 => Step::Done,
            _ => return None,
        };
        let id = PacketId::new(r.number()?)?;
        let retain = r.u8()? != 0;
        let count: u32 = r.number()?;
        let ids = (0..count).map(|_| r.number()).collect::<Option<_>>()?;
        let lease = if first & LEASED == 0 {
            None
        } else {
            Some(Lease {
                position: r.number()?,
                group: r.text()?.into(),
                filter: r.text()?.into(),
            })
        };
        let message = match r.0 {
            [] => None,
            bytes => Some(Arc::new(Message::decode(bytes, SessionRef::BROKER)?)),
        };
        Some(Self {
            id,
            step,
            retain,
            ids,
            lease,
            message,
        })
    }

    /// The position at which the log has the message, if it has to be sent again from there.
    #[must_use]
    pub fn wants(&self, number: u64) -> Option<u64> {
        let logged = match &self.lease {
            Some(lease) => Some(lease.position),
            None => (number < INLINE).then_some(number),
        };
        logged.filter(|_| self.step == Step::PubRec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_as_it_was_written() {
        let lease = Lease {
            group: "g".into(),
            filter: "a/#".into(),
            position: 77,
        };
        let mut delivery = Delivery::without_message(PacketId::MIN, Step::PubRec);
        delivery.ids = [3].into();
        delivery.lease = Some(lease.clone());
        let read = Delivery::decode(&delivery.encode()).expect("a record");
        assert_eq!(read.lease, Some(lease));
        assert_eq!((read.step, &*read.ids), (Step::PubRec, &[3][..]));
        assert_eq!(read.wants(INLINE | 5), Some(77));
    }
}
