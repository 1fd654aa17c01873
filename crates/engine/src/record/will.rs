//! A will that waits, as it is kept.

use std::sync::Arc;

use super::{
    Reader,
    bytes::{put_number, put_owner, put_time},
};
use crate::{Message, SessionRef, Time, acl::Principal};

/// The record of [`super::Bucket::Will`].
#[derive(Clone, Debug)]
pub(crate) struct WillRecord {
    pub(crate) owner: Principal,
    pub(crate) delay_secs: u32,
    pub(crate) expiry_secs: Option<u32>,
    /// When it goes out, if its connection has ended.
    pub(crate) due: Option<Time>,
    pub(crate) message: Arc<Message>,
}

impl WillRecord {
    pub(crate) fn encode(&self) -> Box<[u8]> {
        let mut out = Vec::new();
        put_owner(&mut out, &self.owner);
        put_number(&mut out, self.delay_secs);
        out.push(u8::from(self.expiry_secs.is_some()));
        put_number(&mut out, self.expiry_secs.unwrap_or(0));
        put_time(&mut out, self.due);
        self.message.encode(&mut out);
        out.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        let owner = r.owner()?;
        let delay_secs = r.number()?;
        let expires = r.u8()? != 0;
        let expiry_secs = r.number()?;
        let due = r.time()?;
        Some(Self {
            owner,
            delay_secs,
            expiry_secs: expires.then_some(expiry_secs),
            due,
            message: Arc::new(Message::decode(r.0, SessionRef::BROKER)?),
        })
    }
}
