//! A session that outlives its connection, as it is kept.

use protocol::{QoS, RetainHandling, Version};

use super::{
    Reader,
    bytes::{put_number, put_owner, put_text, put_text_after},
};
use crate::{Time, acl::Principal, router::Flags};

/// The form that is written; another first byte is another form.
const FORM: u8 = 4;

/// Its client is away.
const AWAY: u8 = 1;
const CLEAN_START: u8 = 2;
const USER_NAME: u8 = 4;
const MOUNTPOINT: u8 = 8;

/// The record of [`super::Bucket::Session`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    pub(crate) version: Version,
    pub(crate) owner: Principal,
    pub(crate) expiry_secs: u32,
    /// Names it among the sessions that its client had.
    pub(crate) born: u64,
    /// Everything in the log up to here was acknowledged.
    pub(crate) cursor: u64,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) groups: Vec<Group>,
    pub(crate) user_name: Option<Box<str>>,
    /// Empty for none.
    pub(crate) mountpoint: Box<str>,
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
        let bit = |bit: u8, so: bool| if so { bit } else { 0 };
        let bits = bit(AWAY, self.went.is_some())
            | bit(CLEAN_START, self.clean_start)
            | bit(USER_NAME, self.user_name.is_some())
            | bit(MOUNTPOINT, !self.mountpoint.is_empty());
        let mut out = vec![FORM, self.version.level(), bits];
        put_owner(&mut out, &self.owner);
        put_number(&mut out, self.expiry_secs);
        put_number(&mut out, self.born);
        // Times that are near each other differ in their lowest bits.
        put_number(&mut out, self.came.0 ^ self.born);
        if let Some(went) = self.went {
            put_number(&mut out, went.0 ^ self.came.0);
        }
        put_number(&mut out, self.cursor);
        put_number(&mut out, self.keep_alive_secs);
        if let Some(user_name) = &self.user_name {
            put_text(&mut out, user_name);
        }
        if !self.mountpoint.is_empty() {
            put_text(&mut out, &self.mountpoint);
        }
        put_number(&mut out, self.subscriptions.len() as u64);
        let mut before = "";
        for s in &self.subscriptions {
            put_text_after(&mut out, before, &s.filter);
            before = &s.filter;
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
        let bits = r.u8()?;
        let owner = r.owner()?;
        let expiry_secs = r.number()?;
        let born = r.number()?;
        let came = Time(r.number::<u64>()? ^ born);
        let went = match bits & AWAY {
            0 => None,
            _ => Some(Time(r.number::<u64>()? ^ came.0)),
        };
        let cursor = r.number()?;
        let keep_alive_secs = r.number()?;
        let user_name = match bits & USER_NAME {
            0 => None,
            _ => Some(r.text()?.into()),
        };
        let mountpoint = match bits & MOUNTPOINT {
            0 => Box::default(),
            _ => r.text()?.into(),
        };
        let mut subscriptions = Vec::<Subscription>::new();
        for _ in 0..r.number::<u32>()? {
            let before = subscriptions.last().map_or("", |s| &*s.filter);
            let subscription = Subscription::read(&mut r, before)?;
            subscriptions.push(subscription);
        }
        let groups = (0..r.number::<u32>()?)
            .map(|_| Group::read(&mut r))
            .collect::<Option<_>>()?;
        Some(Self {
            version,
            owner,
            expiry_secs,
            born,
            cursor,
            subscriptions,
            groups,
            user_name,
            mountpoint,
            keep_alive_secs,
            clean_start: bits & CLEAN_START != 0,
            came,
            went,
        })
    }
}

impl Subscription {
    /// Behind one with the filter `before`.
    fn read(r: &mut Reader<'_>, before: &str) -> Option<Self> {
        let filter = r.text_after(before)?.into();
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

    fn subscription(filter: &str) -> Subscription {
        Subscription {
            filter: filter.into(),
            qos: QoS::ExactlyOnce,
            no_local: true,
            as_published: false,
            handling: RetainHandling::DoNotSend,
            logged: true,
            id: 268_435_455,
            since: 70,
        }
    }

    fn record() -> SessionRecord {
        SessionRecord {
            version: Version::V5,
            owner: Principal::User(User::new("anna")),
            expiry_secs: 3600,
            born: 1_764_000_000_003,
            cursor: 77,
            subscriptions: ["a/+/c", "a/+/d", "厨房/温度", "厨房/湿度", "厨", ""]
                .map(subscription)
                .into(),
            groups: vec![Group {
                name: "g".into(),
                filter: "b/#".into(),
                qos: QoS::AtLeastOnce,
                as_published: true,
                handling: RetainHandling::SendIfNew,
                id: 0,
            }],
            user_name: Some("".into()),
            mountpoint: "厂/".into(),
            keep_alive_secs: 60,
            clean_start: true,
            came: Time(1_764_000_000_001),
            went: Some(Time(1_764_000_600_002)),
        }
    }

    #[test]
    fn reads_what_it_wrote_and_nothing_shorter() {
        let online = SessionRecord {
            went: None,
            user_name: None,
            mountpoint: Box::default(),
            clean_start: false,
            ..record()
        };
        for record in [record(), online] {
            let bytes = record.encode();
            assert_eq!(SessionRecord::decode(&bytes), Some(record));
            for end in 0..bytes.len() {
                assert_eq!(SessionRecord::decode(&bytes[..end]), None, "{end} bytes");
            }
        }
    }

    /// What the filters of a client begin with alike is written once.
    #[test]
    fn is_short() {
        let record = SessionRecord {
            owner: Principal::Anonymous,
            cursor: 0,
            subscriptions: ["temperature", "humidity", "door", "light", "+/alarm"]
                .map(|name| subscription(&format!("home/012345/{name}")))
                .map(|s| Subscription {
                    id: 0,
                    since: 0,
                    ..s
                })
                .into(),
            groups: Vec::new(),
            user_name: None,
            mountpoint: Box::default(),
            ..record()
        };
        assert_eq!(record.encode().len(), 94);
    }
}
