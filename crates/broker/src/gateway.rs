//! From which address anybody may come, near as it looks: where a container's ports are served by a program beside it
//! instead of by the network, all peers have the address of its gateway, or its own. Told from files of the system.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    path::Path,
    sync::OnceLock,
};

use crate::lan::Network;

/// What an operator says of such an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gateway {
    /// That of the container, if this is one, stands for anybody.
    Auto,
    /// It is as near as it looks.
    Trust,
    /// Whoever comes from there stands for anybody, container or not.
    Named(Network),
}

impl Gateway {
    /// Whether anybody may be behind this address.
    #[must_use]
    pub fn hides(self, address: IpAddr) -> bool {
        match self {
            Self::Auto => detected().contains(&address.to_canonical()),
            Self::Trust => false,
            Self::Named(network) => network.contains(address),
        }
    }

    /// Which addresses that are, as one would write them.
    #[must_use]
    pub fn hiding(self) -> Vec<String> {
        match self {
            Self::Auto => detected().iter().map(ToString::to_string).collect(),
            Self::Trust => Vec::new(),
            Self::Named(network) => vec![network.to_string()],
        }
    }
}

/// Addresses of this container behind which anybody may be; none where this is no container, or where it has the
/// network of its host and so sees where its peers come from. Looked for once.
#[must_use]
pub fn detected() -> &'static [IpAddr] {
    static FOUND: OnceLock<Vec<IpAddr>> = OnceLock::new();
    FOUND.get_or_init(|| found(Path::new("/"), own_address()))
}

/// The same of a system whose files are below `root`.
fn found(root: &Path, own: Option<IpAddr>) -> Vec<IpAddr> {
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    if !is_container(root) {
        return Vec::new();
    }
    let v4 = text("proc/net/route");
    let v6 = text("proc/net/ipv6_route");
    let routes = v4.lines().filter_map(route_v4);
    let routes = routes.chain(v6.lines().filter_map(route_v6));
    let mut found: Vec<IpAddr> = routes
        .filter(|(interface, _)| is_virtual(root, interface))
        .map(|(_, gateway)| gateway)
        .collect();
    if !found.is_empty() {
        // Engines without root put their own end of the connection into the container.
        found.extend(own);
    }
    // A public address is far without us, and loopback is this container itself.
    found.retain(|address| crate::lan::is_near(*address, &[]) && !address.is_loopback());
    found.sort();
    found.dedup();
    found
}

/// As Docker, Podman and what runs below Kubernetes leave signs of themselves.
fn is_container(root: &Path) -> bool {
    const SIGNS: [&str; 2] = [".dockerenv", "run/.containerenv"];
    const GROUPS: [&str; 5] = ["docker", "libpod", "kubepods", "containerd", "crio"];
    let named = |path: &str| {
        let groups = fs::read_to_string(root.join(path)).unwrap_or_default();
        // Of the lines `number:controllers:path` the path only.
        groups.lines().any(|line| {
            let path = line.splitn(3, ':').nth(2).unwrap_or_default();
            GROUPS.iter().any(|group| path.contains(group))
        })
    };
    SIGNS.iter().any(|sign| root.join(sign).exists()) || named("proc/1/cgroup")
}

/// Whether an interface is one end of a pair or a tunnel, as containers have that do not use their host's network.
fn is_virtual(root: &Path, interface: &str) -> bool {
    let read = |name: &str| {
        let path = root.join("sys/class/net").join(interface).join(name);
        fs::read_to_string(path).map(|text| text.trim().to_owned())
    };
    match (read("ifindex"), read("iflink")) {
        (Ok(own), Ok(other)) => own != other || read("tun_flags").is_ok(),
        // Who hides that has something to hide.
        _ => true,
    }
}

/// Interface and gateway of a default route: `eth0 00000000 010011AC 0003 ...`, addresses as they lie in memory.
fn route_v4(line: &str) -> Option<(&str, IpAddr)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [
        interface,
        "00000000",
        gateway,
        flags,
        _,
        _,
        _,
        "00000000",
        ..,
    ] = fields[..]
    else {
        return None;
    };
    const IS_GATEWAY: u32 = 2;
    let flags = u32::from_str_radix(flags, 16).ok()?;
    let gateway = u32::from_str_radix(gateway, 16).ok()?;
    let gateway = Ipv4Addr::from(gateway.to_ne_bytes());
    (flags & IS_GATEWAY != 0).then_some((interface, gateway.into()))
}

/// The same of IPv6: target, its length, source, its length, next hop, metric and counters, interface.
fn route_v6(line: &str) -> Option<(&str, IpAddr)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, "00", _, _, next, .., interface] = fields[..] else {
        return None;
    };
    let next = Ipv6Addr::from(u128::from_str_radix(next, 16).ok()?);
    (!next.is_unspecified()).then_some((interface, next.into()))
}

/// The address of the interface that leads away. "Connecting" a datagram socket sends nothing: it only makes the
/// system choose a route (to a block reserved for documentation).
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_unspecified()).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system in a folder, with these files.
    fn of(name: &str, files: &[(&str, &str)]) -> Vec<String> {
        let root = std::env::temp_dir().join(format!("ternmq-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let own = "172.17.0.5".parse().ok();
        let told = found(&root, own).iter().map(ToString::to_string).collect();
        fs::remove_dir_all(&root).unwrap();
        told
    }

    /// In network order, as the machine that runs this would have it.
    fn hex(address: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(address))
    }

    #[test]
    fn gateways_of_containers() {
        let head =
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let gateway = hex([172, 17, 0, 1]);
        let route = format!(
            "{head}eth0\t00000000\t{gateway}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        );
        let route = ("proc/net/route", &*route);
        let docker = (".dockerenv", "");
        let both = ["172.17.0.1", "172.17.0.5"];
        assert_eq!(of("docker", &[docker, route]), both);
        assert_eq!(of("podman", &[("run/.containerenv", ""), route]), both);
        let pod = "0::/kubepods.slice/kubepods-besteffort.slice/cri-1.scope\n";
        assert_eq!(of("pod", &[("proc/1/cgroup", pod), route]), both);
        // No container: whatever its routes, and whatever its other programs are.
        let none: [&str; 0] = [];
        assert_eq!(of("machine", &[route]), none);
        assert_eq!(
            of("init", &[("proc/1/cgroup", "0::/init.scope\n"), route]),
            none
        );
        // With the network of its host it sees where its peers come from.
        let (index, link) = ("sys/class/net/eth0/ifindex", "sys/class/net/eth0/iflink");
        assert_eq!(
            of("host", &[docker, route, (index, "2\n"), (link, "2\n")]),
            none
        );
        assert_eq!(
            of("pair", &[docker, route, (index, "2\n"), (link, "9\n")]),
            both
        );
        let tap = ("sys/class/net/eth0/tun_flags", "0x1002\n");
        assert_eq!(
            of("tap", &[docker, route, (index, "2\n"), (link, "2\n"), tap]),
            both
        );
        // Without a default route nothing leads in from elsewhere.
        assert_eq!(of("alone", &[docker, ("proc/net/route", head)]), none);
        let v6 = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                  fd000000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n\
                  fd000000000000000000000000000000 40 00000000000000000000000000000000 00 \
                  00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n";
        assert_eq!(
            of("v6", &[docker, ("proc/net/ipv6_route", v6)]),
            ["172.17.0.5", "fd00::1"]
        );
        // A public one is far anyway.
        let public = format!(
            "eth0 00000000 {} 0003 0 0 0 00000000 0 0 0\n",
            hex([203, 0, 113, 1])
        );
        assert_eq!(
            of("public", &[docker, ("proc/net/route", &public)]),
            ["172.17.0.5"]
        );
    }
}
