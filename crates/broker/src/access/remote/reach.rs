//! Which addresses back ends may have. Whoever may say where a back end is could otherwise have the broker ask what
//! only this machine reaches, such as the service of a cloud that gives away its keys. Judged by the address that is
//! connected to, each time: what a name says may change.

use std::{
    cell::RefCell,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::Failure;
use crate::lan::Network;

/// What may be reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// `outbound.networks`, if it says anything.
    networks: Option<Vec<Network>>,
}

thread_local! {
    /// Of the thread that waits for back ends, where every connection to one is made. On any other nobody has said
    /// what may be reached, and nothing is.
    static HERE: RefCell<Option<Reach>> = const { RefCell::new(None) };
}

/// Services of clouds that are asked for keys, beside those among link-local addresses.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

impl Reach {
    pub(crate) fn new(networks: Option<Vec<Network>>) -> Self {
        Self { networks }
    }

    /// From now on for this thread.
    pub(super) fn begin(self) {
        HERE.set(Some(self));
    }

    fn refuses(&self, address: IpAddr) -> Option<&'static str> {
        let address = plain(address);
        let networks = self.networks.as_deref();
        let holds = |network: &&Network| network.contains(address);
        if let Some(kind) = odd(address) {
            // Named by a network of their kind, somebody means them.
            let mut named = networks.unwrap_or_default().iter().filter(holds);
            let means =
                |network: &Network| !network.is_wide() && odd(network.address()) == Some(kind);
            return (!named.any(means)).then_some(kind);
        }
        let is_among = networks.is_none_or(|networks| networks.iter().any(|n| n.contains(address)));
        (!is_among).then_some("an address outside the networks that may be reached")
    }
}

/// An address that goes through a gateway to IPv4 is that of IPv4.
fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            let [.., a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        other => other,
    }
}

/// What is no address of a back end.
fn odd(address: IpAddr) -> Option<&'static str> {
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if is_link_local {
        Some("a link-local address, as the metadata services of clouds have")
    } else if METADATA.contains(&address) {
        Some("the metadata service of a cloud")
    } else if address.is_unspecified() {
        Some("no address")
    } else if address.is_multicast() || is_broadcast {
        Some("a multicast address")
    } else {
        None
    }
}

/// Those of the addresses that may be reached.
///
/// # Errors
/// If there is none, with what to do about it.
pub(super) fn reachable(
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, Failure> {
    let Some(reach) = HERE.with_borrow(Clone::clone) else {
        let text = "nobody has said what may be reached from here".to_owned();
        return Err(Failure::Down(text));
    };
    let (mut good, mut refused) = (Vec::new(), None);
    for address in found {
        match reach.refuses(address.ip()) {
            None => good.push(address),
            Some(why) => refused = Some((address.ip(), why)),
        }
    }
    match refused {
        Some((address, why)) if good.is_empty() => Err(Failure::Down(format!(
            "{address} is {why}; if it is meant, name its network in outbound.networks, in the \
             settings file or by TERNMQ__OUTBOUND__NETWORKS, and start again"
        ))),
        _ => Ok(good),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(networks: Option<&[&str]>) -> Reach {
        let parsed = networks.map(|all| all.iter().map(|text| text.parse().unwrap()).collect());
        Reach::new(parsed)
    }

    #[test]
    fn what_may_be_reached() {
        let home = reach(None);
        let here = reach(Some(&["127.0.0.0/8", "::1/128"]));
        let all = reach(Some(&["0.0.0.0/0", "::/0"]));
        let named = reach(Some(&[
            "10.1.0.0/16",
            "169.254.7.0/24",
            "fe80::/64",
            "100.100.100.200",
        ]));
        // At home, at this machine, everywhere, and where some are named.
        let table = [
            ("127.0.0.1", [true, true, true, false]),
            ("::1", [true, true, true, false]),
            ("::ffff:127.0.0.1", [true, true, true, false]),
            ("10.1.2.3", [true, false, true, true]),
            ("203.0.113.1", [true, false, true, false]),
            ("2001:db8::1", [true, false, true, false]),
            ("169.254.169.254", [false, false, false, false]),
            ("::ffff:169.254.169.254", [false, false, false, false]),
            ("64:ff9b::a9fe:a9fe", [false, false, false, false]),
            ("169.254.7.1", [false, false, false, true]),
            ("fe80::1", [false, false, false, true]),
            ("fe80:0:0:1::1", [false, false, false, false]),
            ("100.100.100.200", [false, false, false, true]),
            ("fd00:ec2::254", [false, false, false, false]),
            ("0.0.0.0", [false, false, false, false]),
            ("::", [false, false, false, false]),
            ("224.0.0.1", [false, false, false, false]),
            ("ff02::1", [false, false, false, false]),
            ("255.255.255.255", [false, false, false, false]),
        ];
        for (address, due) in table {
            let at = address.parse().unwrap();
            let found = [&home, &here, &all, &named].map(|reach| reach.refuses(at).is_none());
            assert_eq!(found, due, "{address}");
        }
    }

    /// A name that has several addresses is asked at those that may be; without any it says what to do.
    #[test]
    fn names_are_judged_by_their_addresses() {
        let found = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mixed = found(&["169.254.169.254:80", "10.1.2.3:80"]);
        assert!(
            reachable(mixed.clone().into_iter()).is_err(),
            "nobody has said"
        );
        reach(None).begin();
        assert_eq!(
            reachable(mixed.into_iter()).unwrap(),
            found(&["10.1.2.3:80"])
        );
        let refused = reachable(found(&["169.254.169.254:80"]).into_iter());
        let words = refused.unwrap_err().to_string();
        for word in [
            "169.254.169.254",
            "outbound.networks",
            "TERNMQ__OUTBOUND__NETWORKS",
        ] {
            assert!(words.contains(word), "{words}");
        }
    }
}
