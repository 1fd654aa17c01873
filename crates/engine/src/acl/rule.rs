//! A rule as it is given: whom it is for, what is done, and on which topics.

use core::net::{IpAddr, Ipv6Addr};

use protocol::{Filter, QoS};

use crate::policy::{Client, Pattern, Template};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    Allow,
    Deny,
}

/// One rule. The first that is for somebody, an action and a topic decides.
#[derive(Clone, Debug)]
pub struct Rule {
    pub permission: Permission,
    pub who: Who,
    pub actions: Actions,
    pub topics: Vec<Topics>,
    /// As people are told of it.
    pub name: Box<str>,
}

/// Whom a rule is for.
#[derive(Clone, Debug)]
pub enum Who {
    Everybody,
    /// Whoever has proven nothing.
    Anonymous,
    /// A proven user name; not what a client merely calls itself.
    User(Box<str>),
    Client(Box<str>),
    /// From this network.
    Network(Network),
    UserPattern(Pattern),
    ClientPattern(Pattern),
    /// One of them.
    Any(Vec<Self>),
    /// All of them.
    Every(Vec<Self>),
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    bits: u128,
    length: u8,
}

/// Things that may be done: publish by QoS and RETAIN, subscribe by QoS, and receive by the QoS of the
/// subscription. As a set, because a rule has conditions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Actions(u16);

/// Topics of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    pub(super) text: Box<str>,
    /// This filter and no other, though it has wildcards: also none that is narrower.
    pub(super) is_equal: bool,
}

/// Why a text is no topics of a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopicsError {
    NoFilter,
    /// The address of a client is no part of a topic: it changes.
    Place,
}

impl std::fmt::Display for TopicsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoFilter => "no topic filter",
            Self::Place => {
                "the places are ${clientid}, ${username} and ${cert_common_name}, no others"
            }
        })
    }
}

impl std::error::Error for TopicsError {}

impl Network {
    /// The addresses whose first `length` bits are those of `address`.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Self {
        let length = match address {
            IpAddr::V4(_) => length.min(32) + 96,
            IpAddr::V6(_) => length.min(128),
        };
        Self {
            bits: bits(address) & mask(length),
            length,
        }
    }

    /// One address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self::new(address, 128)
    }

    #[must_use]
    pub fn has(self, address: IpAddr) -> bool {
        bits(address) & mask(self.length) == self.bits
    }
}

fn bits(address: IpAddr) -> u128 {
    let address: Ipv6Addr = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    address.to_bits()
}

fn mask(length: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(length))
        .unwrap_or_default()
}

impl Who {
    /// Whether two say the same, as far as that is seen at a glance.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous, Self::Anonymous) => true,
            (Self::Network(a), Self::Network(b)) => a == b,
            (Self::UserPattern(a), Self::UserPattern(b))
            | (Self::ClientPattern(a), Self::ClientPattern(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }

    /// Whether somebody is meant; `None` where that is not known, because the address is not.
    pub(super) fn is(&self, client: Client<'_>) -> Option<bool> {
        let look = |pattern: &Pattern, name: Option<&str>| match name {
            None => Some(false),
            // What is too long to be looked at may be meant.
            Some(name) => pattern.is_match(name),
        };
        match self {
            Self::Everybody => Some(true),
            Self::Anonymous => Some(client.user_name.is_none()),
            Self::User(name) => Some(client.user_name == Some(name)),
            Self::Client(id) => Some(client.id == &**id),
            Self::Network(network) => client.peer.map(|peer| network.has(peer.ip())),
            Self::UserPattern(pattern) => look(pattern, client.user_name),
            Self::ClientPattern(pattern) => look(pattern, Some(client.id)),
            Self::Any(all) => some(all.iter().map(|who| who.is(client))),
            Self::Every(all) => {
                let none = some(all.iter().map(|who| who.is(client).map(|is| !is)));
                none.map(|none| !none)
            }
        }
    }
}

/// Whether one is true; where none is, it may be one that is not known.
fn some(mut each: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut found = Some(false);
    loop {
        match each.next() {
            None => return found,
            Some(Some(true)) => return Some(true),
            Some(Some(false)) => {}
            Some(None) => found = None,
        }
    }
}

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const SUBSCRIBE: u32 = 6;
const RECEIVE: u32 = 9;

impl Actions {
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(0xFFF);
    pub const PUBLISH: Self = Self(0x3F);
    pub const SUBSCRIBE: Self = Self(0xFC0);
    /// Subscribing without what comes then, and that without subscribing.
    pub const ASK: Self = Self(0x1C0);
    pub const RECEIVE: Self = Self(0xE00);

    /// To publish with this QoS and RETAIN.
    #[must_use]
    pub fn publish(qos: QoS, retain: bool) -> Self {
        Self(1 << (u32::from(qos.bits()) * 2 + u32::from(retain)))
    }

    /// To subscribe with this QoS, and to receive what comes then.
    #[must_use]
    pub fn subscribe(qos: QoS) -> Self {
        Self::ask(qos).or(Self::receive(qos))
    }

    /// To ask for a subscription.
    pub(crate) fn ask(qos: QoS) -> Self {
        Self(1 << (SUBSCRIBE + u32::from(qos.bits())))
    }

    /// To receive what a subscription brings.
    pub(super) fn receive(qos: QoS) -> Self {
        Self(1 << (RECEIVE + u32::from(qos.bits())))
    }

    /// To receive with one of the QoS that a subscription may have if this is what came of it.
    pub(super) fn receive_from(qos: QoS) -> impl Iterator<Item = Self> {
        QOS.into_iter()
            .filter(move |q| *q >= qos)
            .map(Self::receive)
    }

    /// Of these actions those with one of the QoS, and where RETAIN is told, those with it.
    #[must_use]
    pub fn only(self, qos: &[QoS], retain: Option<bool>) -> Self {
        let mut kept = Self::NONE;
        for q in qos {
            kept = kept.or(Self::subscribe(*q));
            for flag in [false, true] {
                if retain.is_none_or(|only| only == flag) {
                    kept = kept.or(Self::publish(*q, flag));
                }
            }
        }
        Self(self.0 & kept.0)
    }

    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The kinds of these: publish, ask, receive.
    pub(super) fn kinds(self) -> impl Iterator<Item = usize> {
        let kinds = [0x3F, 0x1C0, 0xE00].into_iter().enumerate();
        kinds.filter_map(move |(kind, all)| (self.0 & all != 0).then_some(kind))
    }

    /// The kind of one.
    pub(super) fn kind(self) -> usize {
        self.kinds().next().unwrap_or(0)
    }
}

impl Topics {
    /// A filter with places for names in it; `eq ` before it for this filter alone.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, TopicsError> {
        let (is_equal, text) = match text.strip_prefix("eq ") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let filter = Filter::parse(text, u16::MAX).map_err(|_| TopicsError::NoFilter)?;
        if Template::of_names(text).has_address() {
            return Err(TopicsError::Place);
        }
        Ok(Self {
            text: text.into(),
            is_equal: is_equal && filter.is_wildcard(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let table = [
            ("10.1.2.3", 8, "10.255.0.1", true),
            ("10.1.2.3", 8, "11.0.0.1", false),
            ("10.1.2.3", 32, "10.1.2.3", true),
            ("10.1.2.3", 200, "10.1.2.4", false),
            ("10.1.2.3", 0, "192.0.2.1", true),
            ("10.1.2.3", 0, "2001:db8::1", false),
            ("2001:db8::", 32, "2001:db8:1::1", true),
            ("::", 0, "10.0.0.1", true),
        ];
        for (network, length, address, due) in table {
            let network = Network::new(network.parse().unwrap(), length);
            assert_eq!(network.has(address.parse().unwrap()), due, "{address}");
        }
    }

    #[test]
    fn conditions() {
        let all = Actions::ALL;
        assert_eq!(all.only(&QOS, None), all);
        assert_eq!(Actions::PUBLISH.or(Actions::SUBSCRIBE), all);
        let some = all.only(&[QoS::AtLeastOnce], Some(true));
        assert!(some.has(Actions::publish(QoS::AtLeastOnce, true)));
        assert!(!some.has(Actions::publish(QoS::AtLeastOnce, false)));
        assert!(!some.has(Actions::publish(QoS::AtMostOnce, true)));
        assert!(some.has(Actions::ask(QoS::AtLeastOnce)));
        assert!(!some.has(Actions::receive(QoS::ExactlyOnce)));
        assert_eq!(all.kinds().count(), 3);
        assert_eq!(Actions::receive(QoS::ExactlyOnce).kind(), 2);
    }

    /// What is not known is neither true nor false, unless the rest decides.
    #[test]
    fn whom_a_rule_is_for() {
        let client = |peer: Option<&str>| Client {
            id: "c1",
            user_name: Some("anna"),
            common_name: None,
            peer: peer.map(|peer| peer.parse().unwrap()),
        };
        let here = || Who::Network(Network::new("10.0.0.0".parse().unwrap(), 8));
        let user = |name: &str| Who::User(name.into());
        let near = client(Some("10.0.0.1:1"));
        let unknown = client(None);
        assert_eq!(here().is(near), Some(true));
        assert_eq!(here().is(unknown), None);
        let any = Who::Any(vec![here(), user("anna")]);
        assert_eq!(any.is(unknown), Some(true));
        assert_eq!(Who::Any(vec![here(), user("b")]).is(unknown), None);
        assert_eq!(Who::Every(vec![here(), user("b")]).is(unknown), Some(false));
        assert_eq!(Who::Every(vec![here(), user("anna")]).is(near), Some(true));
        // A11: what looks like an expression in a name is text.
        let look = Who::ClientPattern(Pattern::new("^c[0-9]$").unwrap());
        assert_eq!(look.is(near), Some(true));
        let odd = Client {
            id: "^c[0-9]$",
            ..unknown
        };
        assert_eq!(look.is(odd), Some(false));
        assert_eq!(
            Who::UserPattern(Pattern::new(".*").unwrap()).is(Client {
                user_name: None,
                ..odd
            }),
            Some(false)
        );
    }

    #[test]
    fn what_topics_may_be() {
        for text in ["a/#", "eq a/+", "${clientid}/x", "dev-${username}/+"] {
            assert!(Topics::parse(text).is_ok(), "{text}");
        }
        assert_eq!(Topics::parse("a/#/b"), Err(TopicsError::NoFilter));
        assert_eq!(Topics::parse("eq "), Err(TopicsError::NoFilter));
        assert_eq!(Topics::parse("${clientid}+"), Err(TopicsError::NoFilter));
        assert_eq!(Topics::parse("x/${host}"), Err(TopicsError::Place));
    }
}
