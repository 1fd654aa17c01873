//! Which addresses are near: this machine, the local network, and networks that somebody trusts by
//! setting. The one judgement for MQTT listeners and the dashboard.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use crate::config::LanGuard;

/// A network as in `10.0.0.0/8`; a single address is one of full length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Whether a listener takes who comes from somewhere: `allow 10.0.0.0/8`, `deny all`. The first that is
/// about an address decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccessRule {
    allows: bool,
    /// Everywhere, if it is none.
    network: Option<Network>,
}

impl AccessRule {
    /// Whether it is about nobody in particular, who is taken.
    #[must_use]
    pub fn allows_all(&self) -> bool {
        self.allows && self.network.is_none()
    }
}

impl FromStr for AccessRule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (word, whom) = text.trim().split_once(' ').ok_or(())?;
        let allows = match word {
            "allow" => true,
            "deny" => false,
            _ => return Err(()),
        };
        let network = match whom.trim() {
            "all" => None,
            whom => Some(whom.parse()?),
        };
        Ok(Self { allows, network })
    }
}

impl fmt::Display for AccessRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.allows { "allow " } else { "deny " })?;
        match &self.network {
            Some(network) => network.fmt(f),
            None => f.write_str("all"),
        }
    }
}

/// Whether a listener with these rules takes who comes from there; whom none is about, it does.
#[must_use]
pub fn is_taken(address: IpAddr, rules: &[AccessRule]) -> bool {
    let about = |rule: &&AccessRule| rule.network.is_none_or(|network| network.contains(address));
    rules.iter().find(about).is_none_or(|rule| rule.allows)
}

/// Near whatever the settings say: loopback, RFC 1918, link-local and unique local addresses.
/// 100.64/10 is not among them: behind a carrier's NAT it is everybody.
const PRIVATE: [(IpAddr, u8); 8] = [
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
];

impl Network {
    /// Whether it is larger than anybody's own network.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        match self.address {
            IpAddr::V4(_) => self.bits < 8,
            IpAddr::V6(_) => self.bits < 20,
        }
    }

    /// Whether an address is in it; an IPv4 address may come in IPv6 form.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.bits.min(32));
                (u64::from(net.to_bits()) >> shift) == (u64::from(ip.to_bits()) >> shift)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(self.bits.min(128));
                net.to_bits().checked_shr(shift) == ip.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl Network {
    /// The first address of it.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| ())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(max);
        if bits > max {
            return Err(());
        }
        // `::ffff:10.0.0.0/104` means the IPv4 network.
        let address = match address.to_canonical() {
            v4 @ IpAddr::V4(_) if address.is_ipv6() && bits >= 96 => {
                return Ok(Self {
                    address: v4,
                    bits: bits - 96,
                });
            }
            _ => address,
        };
        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Whether what comes from there is on this machine.
#[must_use]
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether an address is loopback or private, or in a network that is trusted by setting.
#[must_use]
pub fn is_near(address: IpAddr, trusted: &[Network]) -> bool {
    PRIVATE
        .iter()
        .map(|(address, bits)| Network {
            address: *address,
            bits: *bits,
        })
        .chain(trusted.iter().copied())
        .any(|network| network.contains(address))
}

/// How near an address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distance {
    /// This machine or the local network.
    Near,
    /// A network that is trusted by setting.
    Trusted,
    /// It looks near, and anybody may be behind it.
    Gateway,
    Far,
}

impl Distance {
    /// Whether who comes from there is one of us.
    #[must_use]
    pub fn is_near(self) -> bool {
        matches!(self, Self::Near | Self::Trusted)
    }
}

/// How near an address is by what an operator says.
#[must_use]
pub fn distance(address: IpAddr, guard: &LanGuard) -> Distance {
    let looks_near = is_near(address, &[]);
    if looks_near && !guard.gateway.hides(address) {
        Distance::Near
    } else if guard
        .trusted
        .iter()
        .any(|network| network.contains(address))
    {
        Distance::Trusted
    } else if looks_near {
        Distance::Gateway
    } else {
        Distance::Far
    }
}

/// Whether a listener believes this address for whom it speaks: it is one of those proxies, or one of us.
#[must_use]
pub fn is_proxy(address: IpAddr, proxies: &[Network], guard: &LanGuard) -> bool {
    proxies.iter().any(|network| network.contains(address))
        || distance(address, guard) == Distance::Near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far() {
        let trusted: Vec<Network> = ["203.0.113.0/25", "2001:db8::/32", "198.51.100.7"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let table = [
            ("127.0.0.1", true),
            ("127.255.1.2", true),
            ("10.255.0.1", true),
            ("172.16.0.1", true),
            ("172.31.255.255", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("192.169.1.1", false),
            ("169.254.7.7", true),
            ("100.64.0.1", false),
            ("8.8.8.8", false),
            ("::1", true),
            ("::2", false),
            ("fe80::1", true),
            ("fec0::1", false),
            ("fd00::1", true),
            ("fe00::1", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
            ("::ffff:192.168.0.1", true),
            ("::ffff:8.8.8.8", false),
            ("203.0.113.127", true),
            ("203.0.113.128", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
        ];
        for (address, due) in table {
            assert_eq!(
                is_near(address.parse().unwrap(), &trusted),
                due,
                "{address}"
            );
        }
    }

    #[test]
    fn gateways_are_no_neighbours() {
        use crate::gateway::Gateway;
        let guard = |gateway: Gateway, trusted: &[&str]| LanGuard {
            gateway,
            trusted: trusted.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let named = Gateway::Named("172.17.0.1".parse().unwrap());
        let table = [
            (named, &[][..], "172.17.0.1", Distance::Gateway),
            (named, &[], "::ffff:172.17.0.1", Distance::Gateway),
            (named, &[], "172.17.0.2", Distance::Near),
            (named, &[], "127.0.0.1", Distance::Near),
            (named, &[], "203.0.113.1", Distance::Far),
            (named, &["172.17.0.1"], "172.17.0.1", Distance::Trusted),
            (named, &["203.0.113.1"], "203.0.113.1", Distance::Trusted),
            (Gateway::Trust, &[], "172.17.0.1", Distance::Near),
        ];
        for (gateway, trusted, address, due) in table {
            let address = address.parse().unwrap();
            let guard = guard(gateway, trusted);
            assert_eq!(
                distance(address, &guard),
                due,
                "{gateway:?} {trusted:?} {address}"
            );
        }
        // Nor is it taken at its word about others, unless it is named as a proxy.
        let at = "172.17.0.1".parse().unwrap();
        assert!(!is_proxy(at, &[], &guard(named, &[])));
        assert!(is_proxy(
            at,
            &["172.17.0.0/16".parse().unwrap()],
            &guard(named, &[])
        ));
        assert!(is_proxy(at, &[], &guard(Gateway::Trust, &[])));
    }

    #[test]
    fn who_is_taken() {
        let rules = [
            "deny 10.1.2.3",
            "allow 10.0.0.0/8",
            "allow fd00::/8",
            "deny all",
        ];
        let rules: Vec<AccessRule> = rules.iter().map(|text| text.parse().unwrap()).collect();
        for (address, due) in [
            ("10.1.2.3", false),
            ("::ffff:10.1.2.3", false),
            ("10.1.2.4", true),
            ("fd00::1", true),
            ("127.0.0.1", false),
            ("2001:db8::1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(is_taken(address, &rules), due, "{address}");
            assert!(is_taken(address, &[]));
            assert_eq!(
                is_taken(address, &rules[..1]),
                !rules[0].network.unwrap().contains(address)
            );
        }
        assert_eq!(rules[1].to_string(), "allow 10.0.0.0/8");
        assert_eq!(rules[3].to_string(), "deny all");
        for text in [
            "",
            "all",
            "allow",
            "allow all all",
            "permit all",
            "deny 10.0.0.0/33",
        ] {
            assert!(text.parse::<AccessRule>().is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_read_and_shown() {
        for text in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/32",
            "1.2.3.4/32",
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), text);
        }
        let mapped: Network = "::ffff:10.0.0.0/104".parse().unwrap();
        assert_eq!(mapped.to_string(), "10.0.0.0/8");
        assert!(
            "::/0"
                .parse::<Network>()
                .unwrap()
                .contains("2001::1".parse().unwrap())
        );
        assert!(
            "0.0.0.0/0"
                .parse::<Network>()
                .unwrap()
                .contains("9.9.9.9".parse().unwrap())
        );
        for text in [
            "",
            "10.0.0.0/33",
            "host",
            "10.0.0.0/",
            "::/129",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
