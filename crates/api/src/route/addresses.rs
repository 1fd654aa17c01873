//! Under which addresses clients reach this machine: for the page that says how to connect when its
//! browser runs on the machine itself.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What an interface leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Leads {
    /// Where the default route goes.
    Default,
    Lan,
    Vpn,
    /// Containers and virtual machines on this one.
    Virtual,
    /// This machine alone.
    Loopback,
}

/// An address of this machine.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct MachineAddress {
    #[schema(value_type = String, example = "192.168.1.20")]
    address: IpAddr,
    #[schema(example = "eth0")]
    interface: String,
    leads: Leads,
}

/// The addresses of this machine, the most useful first
#[utoipa::path(
    get,
    path = "/addresses",
    tag = "Nodes",
    operation_id = "addresses",
    responses((status = 200, description = "All that a client can be told; link-local ones are left out.", body = Vec<MachineAddress>))
)]
async fn list() -> Json<Vec<MachineAddress>> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let found = interfaces
        .into_iter()
        .map(|one| (one.name.clone(), one.ip()));
    Json(sorted(found, default_route()))
}

/// From which address packets for far away leave; asking sends none.
fn default_route() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address for documentation.
    socket.connect((Ipv4Addr::new(203, 0, 113, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

fn sorted(
    found: impl Iterator<Item = (String, IpAddr)>,
    default: Option<IpAddr>,
) -> Vec<MachineAddress> {
    let told = found.filter(|(_, address)| match address {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    });
    let mut told: Vec<_> = told
        .map(|(interface, address)| MachineAddress {
            leads: leads(&interface, address, default),
            address,
            interface,
        })
        .collect();
    told.sort_by_key(|one| (one.leads, one.address.is_ipv6()));
    told
}

fn leads(interface: &str, address: IpAddr, default: Option<IpAddr>) -> Leads {
    const VIRTUAL: [&str; 8] = [
        "br-",
        "cni",
        "docker",
        "podman",
        "vboxnet",
        "vethernet",
        "virbr",
        "vmnet",
    ];
    const VPN: [&str; 5] = ["ppp", "tailscale", "tun", "wg", "zt"];
    let name = interface.to_ascii_lowercase();
    let begins = |with: &[&str]| with.iter().any(|start| name.starts_with(start));
    if address.is_loopback() {
        Leads::Loopback
    } else if default == Some(address) {
        Leads::Default
    } else if begins(&VIRTUAL) {
        Leads::Virtual
    } else if begins(&VPN) {
        Leads::Vpn
    } else {
        Leads::Lan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_useful_comes_first() {
        let found = [
            ("lo", "127.0.0.1"),
            ("docker0", "172.17.0.1"),
            ("wg0", "10.8.0.2"),
            ("eth0", "fe80::1"),
            ("eth0", "2001:db8::5"),
            ("eth1", "192.168.7.1"),
            ("eth0", "10.234.75.59"),
        ];
        let found = found.map(|(name, at)| (name.to_owned(), at.parse().expect("an address")));
        let sorted = sorted(found.into_iter(), "10.234.75.59".parse().ok());
        let told: Vec<_> = sorted
            .iter()
            .map(|one| (one.address.to_string(), one.leads))
            .collect();
        let told: Vec<_> = told
            .iter()
            .map(|(at, leads)| (at.as_str(), *leads))
            .collect();
        assert_eq!(
            told,
            [
                ("10.234.75.59", Leads::Default),
                ("192.168.7.1", Leads::Lan),
                ("2001:db8::5", Leads::Lan),
                ("10.8.0.2", Leads::Vpn),
                ("172.17.0.1", Leads::Virtual),
                ("127.0.0.1", Leads::Loopback),
            ]
        );
    }
}
