//! A session that outlives its connection, as it is kept.

use protocol::{QoS, RetainHandling, Version};

use super::{
    Reader,
    bytes::{put_number, put_owner, put_text, put_time},
};
use crate::{Time, acl::Principal, router::Flags};

/// The form that is written; another first byte is another form.
const FORM: u8 = 3;

/// The record of [`super::Bucket::Session`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    pub(crate) version: Version,
    pub(crate) owner: Principal,
    pub(crate) expiry_secs: u32,
    /// When the session ends; `None` while its client is connected, or if it never does.
    pub(crate) ends: Option<Time>,
    pub(crate) is_online: bool,
    /// Names it among the sessions that its client had.
    pub(crate) born: u64,
    /// Everything in the log up to here was acknowledged.
    pub(crate) cursor: u64,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) groups: Vec<Group>,
    pub(crate) user_name: Option<Box<str>>,
    pub(crate) keep_alive_secs: u16,
    pub(crate) clean_start: bool,
    /// When its client connected last, and when it went, if it is away.
    pub(crate) came: Time,
    pub(crate) went: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) filter: Box<str>,
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) as_published: bool,
    pub(crate) handling: RetainHandling,
    /// See [`Flags::logged`].
    pub(crate) logged: bool,
    pub(crate) id: u32,
    /// What the log has up to here is older than the subscription.
    pub(crate) since: u64,
}

/// Membership in a shared subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: Box<str>,
    pub(crate) filter: Box<str>,
    pub(crate) qos: QoS,
    pub(crate) as_published: bool,
    pub(crate) handling: RetainHandling,
    pub(crate) id: u32,
}

impl SessionRecord {
    pub(crate) fn encode(&self) -> Box<[u8]> {
        let mut out = vec![FORM, self.version.level(), u8::from(self.is_online)];
        put_owner(&mut out, &self.owner);
        put_number(&mut out, self.expiry_secs);
        put_time(&mut out, self.ends);
        put_number(&mut out, self.born);
        put_number(&mut out, self.cursor);
        put_number(&mut out, self.subscriptions.len() as u64);
        for s in &self.subscriptions {
            put_text(&mut out, &s.filter);
            let flags = Flags::new(s.qos, s.no_local, s.as_published, false);
            let flags = flags.with_handling(s.handling).with_logged(s.logged);
            out.push(flags.bits());
            put_number(&mut out, s.id);
            put_number(&mut out, s.since);
        }
        put_number(&mut out, self.groups.len() as u64);
        for g in &self.groups {
            put_text(&mut out, &g.name);
            put_text(&mut out, &g.filter);
            let flags = Flags::new(g.qos, false, g.as_published, false);
            out.push(flags.with_handling(g.handling).bits());
            put_number(&mut out, g.id);
        }
        out.push(u8::from(self.clean_start) | u8::from(self.user_name.is_some()) << 1);
        put_number(&mut out, self.keep_alive_secs);
        put_number(&mut out, self.came.0);
        put_time(&mut out, self.went);
        put_text(&mut out, self.user_name.as_deref().unwrap_or_default());
        out.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        if r.u8()? != FORM {
            return None;
        }
        let level = r.u8()?;
        let version = [Version::V3_1, Version::V3_1_1, Version::V5]
            .into_iter()
            .find(|v| v.level() == level)?;
        let is_online = r.u8()? != 0;
        let owner = r.owner()?;
        let expiry_secs = r.number()?;
        let ends = r.time()?;
        let born = r.number()?;
        let cursor = r.number()?;
        let subscriptions = (0..r.number::<u32>()?)
            .map(|_| Subscription::read(&mut r))
            .collect::<Option<_>>()?;
        let groups = (0..r.number::<u32>()?)
            .map(|_| Group::read(&mut r))
            .collect::<Option<_>>()?;
        let bits = r.u8()?;
        let keep_alive_secs = r.number()?;
        let came = Time(r.number()?);
        let went = r.time()?;
        let user_name = r.text()?;
        Some(Self {
            version,
            owner,
            expiry_secs,
            ends,
            is_online,
            born,
            cursor,
            subscriptions,
            groups,
            user_name: (bits & 2 != 0).then(|| user_name.into()),
            keep_alive_secs,
            clean_start: bits & 1 != 0,
            came,
            went,
        })
    }
}

impl Subscription {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let filter = r.text()?.into();
        let flags = Flags::from_bits(r.u8()?)?;
        Some(Self {
            filter,
            qos: flags.qos(),
            no_local: flags.no_local(),
            as_published: flags.as_published(),
            handling: flags.handling(),
            logged: flags.logged(),
            id: r.number()?,
            since: r.number()?,
        })
    }
}

impl Group {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (name, filter) = (r.text()?.into(), r.text()?.into());
        let flags = Flags::from_bits(r.u8()?)?;
        Some(Self {
            name,
            filter,
            qos: flags.qos(),
            as_published: flags.as_published(),
            handling: flags.handling(),
            id: r.number()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::User;

    fn record() -> SessionRecord {
        SessionRecord {
            version: Version::V5,
            owner: Principal::User(User::new("anna")),
            expiry_secs: 3600,
            ends: Some(Time(1_764_000_000_000)),
            is_online: false,
            born: 1_763_999_000_000,
            cursor: 77,
            subscriptions: vec![Subscription {
                filter: "a/+/c".into(),
                qos: QoS::ExactlyOnce,
                no_local: true,
                as_published: false,
                handling: RetainHandling::DoNotSend,
                logged: true,
                id: 268_435_455,
                since: 70,
            }],
            groups: vec![Group {
                name: "g".into(),
                filter: "b/#".into(),
                qos: QoS::AtLeastOnce,
                as_published: true,
                handling: RetainHandling::SendIfNew,
                id: 0,
            }],
            user_name: Some("".into()),
            keep_alive_secs: 60,
            clean_start: true,
            came: Time(1_764_000_000_001),
            went: Some(Time(1_764_000_000_002)),
        }
    }

    #[test]
    fn reads_what_it_wrote_and_nothing_shorter() {
        let record = record();
        let bytes = record.encode();
        assert_eq!(SessionRecord::decode(&bytes), Some(record));
        for end in 0..bytes.len() {
            assert_eq!(SessionRecord::decode(&bytes[..end]), None, "{end} bytes");
        }
    }
}
