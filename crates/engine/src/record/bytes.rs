//! Parts of records. Reading, every step may find that there is nothing left.

use std::sync::Arc;

use crate::acl::{Principal, Rules, User, Writer};

/// Bytes that have still to be read. Numbers are big-endian, texts have their length before them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.chunk().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = usize::from(self.u16()?);
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    pub(crate) fn owner(&mut self) -> Option<Principal> {
        match (self.u8()?, self.text()?) {
            (0, _) => Some(Principal::Anonymous),
            (1, name) => Some(Principal::User(User::new(name))),
            (2, _) => Some(Principal::Broker),
            (3, name) => Some(Principal::Viewer(name.into())),
            (4, name) => Some(Principal::Administrator(name.into())),
            (6, name) => {
                // What its own rules were is not known any more: it may nothing until it comes again.
                let mut user = User::new(name);
                user.rules = Some(Arc::new(Rules::nothing(
                    "what it may is not known until it comes",
                )));
                Some(Principal::User(user))
            }
            (5, name) => {
                let mut user = User::new(name);
                user.superuser = true;
                Some(Principal::User(user))
            }
            _ => None,
        }
    }
}

/// Appends whom a session acts for, as [`Reader::owner`] reads it.
pub(crate) fn put_owner(out: &mut Vec<u8>, owner: &Principal) {
    let (kind, name) = match owner {
        Principal::Anonymous => (0, ""),
        Principal::User(user) if user.superuser => (5, &*user.name),
        Principal::User(user) if user.rules.is_some() => (6, &*user.name),
        Principal::User(user) => (1, &*user.name),
        Principal::Broker => (2, ""),
        Principal::Viewer(name) => (3, &**name),
        Principal::Administrator(name) => (4, &**name),
    };
    out.push(kind);
    put_text(out, name);
}

/// Appends who wrote something, as [`writer_in`] reads it.
pub(crate) fn put_writer(out: &mut Vec<u8>, writer: &Writer) {
    put_owner(out, &writer.who);
    put_text(out, &writer.client_id);
}

/// Who wrote something, and what comes behind that.
pub(crate) fn writer_in(bytes: &[u8]) -> Option<(Writer, &[u8])> {
    let mut reader = Reader(bytes);
    let who = reader.owner()?;
    let client_id = reader.text()?.into();
    Some((Writer { who, client_id }, reader.0))
}

/// Appends a text as [`Reader::text`] reads it. Names of MQTT have at most 65,535 bytes.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("an MQTT string");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
