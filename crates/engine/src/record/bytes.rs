//! Parts of records. Reading, every step may find that there is nothing left.

use std::{num::NonZeroU32, sync::Arc};

use crate::{
    Time,
    acl::{Principal, Rules, User, Writer},
};

/// A user with rules of its own, which are not kept.
const WITH_RULES: u8 = 6;
/// Kinds of owners: users, and superusers, that are those for a time.
const ENDING: u8 = 7;
const ENDING_SUPERUSER: u8 = 8;

/// Bytes that have still to be read. Numbers take a byte for each seven bits, texts have their length
/// before them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// What [`put_number`] wrote, if it fits.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return number.try_into().ok();
            }
        }
        None
    }

    /// What [`put_time`] wrote.
    pub(crate) fn time(&mut self) -> Option<Option<Time>> {
        let number: u64 = self.number()?;
        Some(number.checked_sub(1).map(Time))
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let len = self.number()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    /// What [`put_text_after`] wrote behind this text.
    pub(crate) fn text_after(&mut self, before: &str) -> Option<String> {
        let same = self.number()?;
        Some([before.get(..same)?, self.text()?].concat())
    }

    pub(crate) fn owner(&mut self) -> Option<Principal> {
        match (self.u8()?, self.text()?) {
            (0, _) => Some(Principal::Anonymous),
            (1, name) => Some(Principal::User(User::new(name))),
            (2, _) => Some(Principal::Broker),
            (3, name) => Some(Principal::Viewer(name.into())),
            (4, name) => Some(Principal::Administrator(name.into())),
            (WITH_RULES, name) => {
                // What its own rules were is not known any more: it may nothing until it comes again.
                let mut user = User::new(name);
                user.rules = Some(Arc::new(Rules::nothing(
                    "what it may is not known until it comes",
                )));
                Some(Principal::User(user))
            }
            (kind @ (5 | ENDING | ENDING_SUPERUSER), name) => {
                let mut user = User::new(name);
                user.superuser = kind != ENDING;
                if kind != 5 {
                    user.ends = NonZeroU32::new(self.number()?);
                }
                Some(Principal::User(user))
            }
            _ => None,
        }
    }

    pub(crate) fn writer(&mut self) -> Option<Writer> {
        let who = self.owner()?;
        Some(Writer::new(who, self.text()?))
    }
}

/// Appends whom a session acts for, as [`Reader::owner`] reads it.
pub(crate) fn put_owner(out: &mut Vec<u8>, owner: &Principal) {
    let (kind, name) = match owner {
        // From where it came is not known any more when it comes again.
        Principal::Anonymous | Principal::Afar => (0, ""),
        Principal::User(user) if user.rules.is_some() && !user.superuser => {
            (WITH_RULES, &*user.name)
        }
        Principal::User(user) if user.ends.is_some() => {
            let kind = if user.superuser {
                ENDING_SUPERUSER
            } else {
                ENDING
            };
            (kind, &*user.name)
        }
        Principal::User(user) if user.superuser => (5, &*user.name),
        Principal::User(user) => (1, &*user.name),
        Principal::Broker => (2, ""),
        Principal::Viewer(name) => (3, &**name),
        Principal::Administrator(name) => (4, &**name),
    };
    out.push(kind);
    put_text(out, name);
    if let (ENDING | ENDING_SUPERUSER, Principal::User(user)) = (kind, owner) {
        put_number(out, user.ends.map_or(0, NonZeroU32::get));
    }
}

/// Appends who wrote something, as [`Reader::writer`] reads it.
pub(crate) fn put_writer(out: &mut Vec<u8>, writer: &Writer) {
    match &writer.who {
        Principal::User(user) if writer.had_rules && !user.superuser => {
            out.push(WITH_RULES);
            put_text(out, &user.name);
        }
        who => put_owner(out, who),
    }
    put_text(out, &writer.client_id);
}

/// Appends a number: seven bits a byte, the lowest first; the top bit says that there are more.
pub(crate) fn put_number(out: &mut Vec<u8>, number: impl Into<u64>) {
    let mut number = number.into();
    loop {
        let [.., low] = (number & 0x7f).to_be_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Appends a time that may be unknown, as [`Reader::time`] reads it.
pub(crate) fn put_time(out: &mut Vec<u8>, time: Option<Time>) {
    put_number(out, time.map_or(0, |t| t.0.saturating_add(1)));
}

/// Appends a text as [`Reader::text`] reads it.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a text as [`Reader::text_after`] reads it: how much of the one before it begins with, and
/// what is different.
pub(crate) fn put_text_after(out: &mut Vec<u8>, before: &str, text: &str) {
    let both = before.chars().zip(text.chars());
    let same: usize = both
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    put_number(out, same as u64);
    put_text(out, &text[same..]);
}
