//! Who is shut out: by name, by address, by network, or by what a name looks like. Exact ones are found
//! by hash, so that ten thousand of them cost a CONNECT as much as one.

use core::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{Pattern, template::Client};
use crate::{
    Time,
    limits::{BAN_PATTERNS_MAX, BANS_MAX},
};

/// Whom a ban is for.
#[derive(Clone, Debug)]
pub enum Target {
    ClientId(Box<str>),
    UserName(Box<str>),
    Host(IpAddr),
    ClientIdPattern(Pattern),
    UserNamePattern(Pattern),
    /// An address, and how many of its leading bits count.
    Net(IpAddr, u8),
}

/// A ban in force from one time to another.
#[derive(Clone, Debug)]
pub struct Ban {
    pub target: Target,
    pub from: Time,
    /// `None` for ever.
    pub until: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    from: Time,
    until: Option<Time>,
}

impl Span {
    fn holds(self, now: Time) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}

/// Names are shared, because a change is made to a copy of all bans.
type Table<K> = HashMap<K, Span, FixedState>;

/// All bans.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    client_ids: Table<Arc<str>>,
    user_names: Table<Arc<str>>,
    hosts: Table<u128>,
    /// By length and leading bits.
    nets: Table<(u8, u128)>,
    /// How many there are of each length: few, and all are tried.
    lengths: Vec<(u8, usize)>,
    client_id_patterns: Vec<(Pattern, Span)>,
    user_name_patterns: Vec<(Pattern, Span)>,
    /// The latest beginning of any.
    latest: Time,
}

impl Bans {
    #[must_use]
    pub fn len(&self) -> usize {
        let exact = self.client_ids.len() + self.user_names.len() + self.hosts.len();
        exact + self.nets.len() + self.patterns()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that cannot be found by hash.
    #[must_use]
    pub fn patterns(&self) -> usize {
        self.client_id_patterns.len() + self.user_name_patterns.len()
    }

    /// Adds one, or changes that with the same target. False if a bound refuses it.
    pub fn add(&mut self, ban: &Ban) -> bool {
        self.remove(&ban.target);
        if self.len() >= BANS_MAX {
            return false;
        }
        let span = Span {
            from: ban.from,
            until: ban.until,
        };
        self.latest = self.latest.max(ban.from);
        match &ban.target {
            Target::ClientId(name) => _ = self.client_ids.insert(Arc::from(&**name), span),
            Target::UserName(name) => _ = self.user_names.insert(Arc::from(&**name), span),
            Target::Host(host) => _ = self.hosts.insert(bits(*host), span),
            Target::Net(net, length) => {
                let (length, net) = network(*net, *length);
                self.nets.insert((length, net), span);
                match self.lengths.iter_mut().find(|(l, _)| *l == length) {
                    Some((_, count)) => *count += 1,
                    None => self.lengths.push((length, 1)),
                }
            }
            _ if self.patterns() >= BAN_PATTERNS_MAX => return false,
            Target::ClientIdPattern(pattern) => {
                self.client_id_patterns.push((pattern.clone(), span));
            }
            Target::UserNamePattern(pattern) => {
                self.user_name_patterns.push((pattern.clone(), span));
            }
        }
        true
    }

    /// False if there was none.
    pub fn remove(&mut self, target: &Target) -> bool {
        match target {
            Target::ClientId(name) => self.client_ids.remove(&**name).is_some(),
            Target::UserName(name) => self.user_names.remove(&**name).is_some(),
            Target::Host(host) => self.hosts.remove(&bits(*host)).is_some(),
            Target::Net(net, length) => {
                let (length, net) = network(*net, *length);
                let removed = self.nets.remove(&(length, net)).is_some();
                if removed {
                    for (_, count) in self.lengths.iter_mut().filter(|(l, _)| *l == length) {
                        *count -= 1;
                    }
                    self.lengths.retain(|(_, count)| *count > 0);
                }
                removed
            }
            Target::ClientIdPattern(pattern) => take(&mut self.client_id_patterns, pattern),
            Target::UserNamePattern(pattern) => take(&mut self.user_name_patterns, pattern),
        }
    }

    /// Whether this client is shut out now. A name too long for the patterns to look at is, where
    /// there are any.
    pub(crate) fn hold(&self, client: Client<'_>, now: Time) -> bool {
        let by_name = |table: &Table<Arc<str>>, name: &str| {
            !table.is_empty() && table.get(name).is_some_and(|span| span.holds(now))
        };
        let by_look = |patterns: &[(Pattern, Span)], name: &str| {
            let mut patterns = patterns.iter().filter(|(_, span)| span.holds(now));
            patterns.any(|(pattern, _)| pattern.is_match(name).unwrap_or(true))
        };
        by_name(&self.client_ids, client.id)
            || client
                .peer
                .is_some_and(|peer| self.holds_host(peer.ip(), now))
            || by_look(&self.client_id_patterns, client.id)
            || client.user_name.is_some_and(|name| {
                by_name(&self.user_names, name) || by_look(&self.user_name_patterns, name)
            })
    }

    fn holds_host(&self, host: IpAddr, now: Time) -> bool {
        let host = bits(host);
        let holds = |span: Option<&Span>| span.is_some_and(|span| span.holds(now));
        holds(self.hosts.get(&host))
            || self
                .lengths
                .iter()
                .any(|(length, _)| holds(self.nets.get(&(*length, leading(host, *length)))))
    }

    /// Whether one comes into force after a time and no later than another.
    pub(crate) fn begins(&self, after: Time, upto: Time) -> bool {
        if self.latest <= after {
            return false;
        }
        let begins = |span: &Span| after < span.from && span.from <= upto;
        let looks = self
            .client_id_patterns
            .iter()
            .chain(&self.user_name_patterns);
        self.client_ids.values().any(begins)
            || self.user_names.values().any(begins)
            || self.hosts.values().any(begins)
            || self.nets.values().any(begins)
            || looks.map(|(_, span)| span).any(begins)
    }
}

fn take(patterns: &mut Vec<(Pattern, Span)>, pattern: &Pattern) -> bool {
    let before = patterns.len();
    patterns.retain(|(p, _)| p.as_str() != pattern.as_str());
    patterns.len() < before
}

/// An address as all are compared: those of version 4 as version 6 writes them.
fn bits(host: IpAddr) -> u128 {
    let host = match host {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    u128::from_be_bytes(host.octets())
}

fn network(net: IpAddr, length: u8) -> (u8, u128) {
    let length = match net {
        IpAddr::V4(_) => length.min(32) + 96,
        IpAddr::V6(_) => length.min(128),
    };
    (length, leading(bits(net), length))
}

fn leading(address: u128, length: u8) -> u128 {
    let rest = 128_u32.saturating_sub(u32::from(length));
    address & u128::MAX.checked_shl(rest).unwrap_or(0)
}

/// A network as it is written, for who compares texts: `10.0.0.0/8`.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ClientId(name) | Self::UserName(name) => f.write_str(name),
            Self::Host(host) => host.fmt(f),
            Self::ClientIdPattern(pattern) | Self::UserNamePattern(pattern) => {
                f.write_str(pattern.as_str())
            }
            Self::Net(net, length) => {
                let (whole, first) = network(*net, *length);
                let first = Ipv6Addr::from(first.to_be_bytes());
                match net {
                    IpAddr::V4(_) => {
                        write!(f, "{}/{}", IpAddr::V6(first).to_canonical(), whole - 96)
                    }
                    IpAddr::V6(_) => write!(f, "{first}/{whole}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_000_000);

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn ban(target: Target) -> Ban {
        Ban {
            target,
            from: Time(0),
            until: None,
        }
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect("a pattern")
    }

    fn holds(bans: &Bans, id: &str, user_name: Option<&str>, peer: &str) -> bool {
        let client = Client {
            id,
            user_name,
            common_name: None,
            peer: peer.parse().ok(),
        };
        bans.hold(client, NOW)
    }

    /// Each kind shuts out whom it is for, and nobody else; lifted, it is gone.
    #[test]
    fn kinds() {
        let v4 = "192.0.2.7:1";
        let cases = [
            (
                Target::ClientId("bad".into()),
                ("bad", None, v4),
                ("bad2", Some("bad"), v4),
            ),
            (
                Target::UserName("eve".into()),
                ("c", Some("eve"), v4),
                ("eve", None, v4),
            ),
            (
                Target::Host(ip("192.0.2.7")),
                ("c", None, v4),
                ("c", None, "192.0.2.8:1"),
            ),
            (
                Target::Host(ip("::ffff:192.0.2.7")),
                ("c", None, v4),
                ("c", None, "[::7]:1"),
            ),
            (
                Target::ClientIdPattern(pattern("^b.d$")),
                ("bid", None, v4),
                ("bidd", None, v4),
            ),
            (
                Target::UserNamePattern(pattern("v")),
                ("c", Some("eve"), v4),
                ("v", None, v4),
            ),
            (
                Target::Net(ip("192.0.2.0"), 24),
                ("c", None, v4),
                ("c", None, "192.0.3.7:1"),
            ),
            (
                Target::Net(ip("2001:db8::"), 32),
                ("c", None, "[2001:db8:1::1]:1"),
                ("c", None, v4),
            ),
            (
                Target::Net(ip("0.0.0.0"), 0),
                ("c", None, v4),
                ("c", None, "[2001:db8::1]:1"),
            ),
            (
                Target::Net(ip("::"), 0),
                ("c", None, v4),
                ("", None, "nowhere"),
            ),
        ];
        for (target, (id, user, peer), (other, others_user, elsewhere)) in cases {
            let mut bans = Bans::default();
            assert!(bans.add(&ban(target.clone())));
            assert!(bans.add(&ban(target.clone())), "the same again");
            assert_eq!(bans.len(), 1);
            assert!(holds(&bans, id, user, peer), "{target:?}");
            assert!(!holds(&bans, other, others_user, elsewhere), "{target:?}");
            assert!(bans.remove(&target) && bans.is_empty() && !bans.remove(&target));
            assert!(!holds(&bans, id, user, peer));
        }
    }

    #[test]
    fn spans() {
        for (from, until, holding) in [
            (0, None, true),
            (0, Some(NOW.0), false),
            (0, Some(NOW.0 + 1), true),
            (NOW.0, None, true),
            (NOW.0 + 1, None, false),
        ] {
            let mut bans = Bans::default();
            bans.add(&Ban {
                target: Target::ClientId("c".into()),
                from: Time(from),
                until: until.map(Time),
            });
            assert_eq!(holds(&bans, "c", None, ""), holding, "{from}..{until:?}");
            assert_eq!(bans.begins(NOW, Time(NOW.0 + 5)), from > NOW.0);
        }
    }

    /// What patterns cannot look at is shut out where there are patterns.
    #[test]
    fn names_too_long() {
        let long = "x".repeat(crate::limits::PATTERN_TEXT_MAX + 1);
        let mut bans = Bans::default();
        bans.add(&ban(Target::UserNamePattern(pattern("^bad$"))));
        assert!(holds(&bans, "c", Some(&long), ""));
        assert!(!holds(&bans, &long, None, ""));
    }

    #[test]
    fn bounds() {
        let mut bans = Bans::default();
        for n in 0..=BAN_PATTERNS_MAX {
            let target = Target::ClientIdPattern(pattern(&format!("^{n}$")));
            assert_eq!(bans.add(&ban(target)), n < BAN_PATTERNS_MAX);
        }
    }

    #[test]
    fn networks_as_text() {
        for (net, length, text) in [
            ("10.1.2.3", 8, "10.0.0.0/8"),
            ("2001:db8::1", 32, "2001:db8::/32"),
            ("1.2.3.4", 32, "1.2.3.4/32"),
        ] {
            assert_eq!(Target::Net(ip(net), length).to_string(), text);
        }
    }
}
