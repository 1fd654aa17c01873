//! A delayed message, as it is kept.

use std::sync::Arc;

use protocol::PacketId;

use super::{
    Reader,
    bytes::{put_number, put_owner, put_text},
};
use crate::{Delayed, DelayedId, Message, SessionRef, Time, message::fingerprint};

/// The record of [`super::Bucket::Delayed`].
#[derive(Debug)]
pub(crate) enum DelayedRecord {
    Waits(Delayed),
    /// It was published, but the exchange of QoS 2 that brought it is not finished: client, birth of its
    /// session, packet id.
    Published(Box<str>, u64, PacketId),
}

impl DelayedRecord {
    /// Who published it.
    pub(crate) fn client_id(&self) -> &str {
        match self {
            Self::Waits(delayed) => &delayed.client_id,
            Self::Published(client_id, ..) => client_id,
        }
    }

    pub(crate) fn encode(delayed: &Delayed, is_published: bool) -> Box<[u8]> {
        let mut out = Vec::new();
        put_text(&mut out, &delayed.client_id);
        let (born, id) = delayed
            .exchange
            .map_or((0, 0), |(born, id)| (born, id.get()));
        put_number(&mut out, born);
        put_number(&mut out, id);
        out.push(u8::from(is_published));
        if is_published {
            return out.into();
        }
        put_owner(&mut out, &delayed.owner);
        out.push(u8::from(delayed.user_name.is_some()));
        put_text(&mut out, delayed.user_name.as_deref().unwrap_or(""));
        put_number(&mut out, delayed.accepted.0);
        put_number(&mut out, delayed.due.0);
        out.push(u8::from(delayed.expiry_secs.is_some()));
        put_number(&mut out, delayed.expiry_secs.unwrap_or(0));
        delayed.message.encode(&mut out);
        out.into()
    }

    pub(crate) fn decode(id: DelayedId, bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let client_id: Box<str> = r.text()?.into();
        let (born, packet_id) = (r.number()?, r.number()?);
        let exchange = PacketId::new(packet_id).map(|id| (born, id));
        if r.u8()? != 0 {
            let (born, packet_id) = exchange?;
            return Some(Self::Published(client_id, born, packet_id));
        }
        let owner = r.owner()?;
        let has_user_name = r.u8()? != 0;
        let user_name = r.text()?;
        let accepted = Time(r.number()?);
        let due = Time(r.number()?);
        let expires = r.u8()? != 0;
        let expiry_secs = r.number()?;
        let publisher = SessionRef::client(fingerprint(&client_id));
        Some(Self::Waits(Delayed {
            id,
            accepted,
            due,
            user_name: has_user_name.then(|| user_name.into()),
            message: Arc::new(Message::decode(r.0, publisher)?),
            client_id,
            owner,
            expiry_secs: expires.then_some(expiry_secs),
            exchange,
        }))
    }
}

#[cfg(test)]
mod tests {
    use protocol::{QoS, Topic};

    use super::*;
    use crate::{
        acl::{Principal, User},
        message::View,
    };

    fn delayed(exchange: Option<(u64, PacketId)>) -> Delayed {
        let view = View {
            publisher: SessionRef::client(fingerprint("c")),
            topic: Topic::trusted("t/1"),
            qos: QoS::ExactlyOnce,
            retain: true,
            expires: None,
            forwarded: &[],
            payload: b"later",
        };
        Delayed {
            id: DelayedId::new(7, 1),
            accepted: Time(1000),
            due: Time(6000),
            client_id: "c".into(),
            user_name: Some("u".into()),
            message: Arc::new(Message::new(&view, Time(0))),
            owner: Principal::User(User::new("u")),
            expiry_secs: Some(60),
            exchange,
        }
    }

    /// Both forms come back as they were, and no shorter piece of them is taken for one.
    #[test]
    fn there_and_back() {
        let id = PacketId::new(9).map(|id| (5, id));
        for (kept, is_published) in [(None, false), (id, false), (id, true)] {
            let before = delayed(kept);
            let bytes = DelayedRecord::encode(&before, is_published);
            match DelayedRecord::decode(before.id, &bytes) {
                Some(DelayedRecord::Published(client_id, born, packet_id)) => {
                    assert!(is_published);
                    assert_eq!((&*client_id, Some((born, packet_id))), ("c", id));
                }
                Some(DelayedRecord::Waits(after)) => {
                    assert!(!is_published);
                    assert_eq!(format!("{before:?}"), format!("{after:?}"));
                }
                None => panic!("not read back"),
            }
            // The payload is what is left, so that may be shorter.
            let whole = bytes.len() - if is_published { 0 } else { b"later".len() };
            for len in 0..whole {
                assert!(
                    DelayedRecord::decode(before.id, &bytes[..len]).is_none(),
                    "{len}"
                );
            }
        }
    }
}
