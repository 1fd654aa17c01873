//! The first lines: where to point a client, where the data is, how to try.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use broker::config::Config;
use broker::lan::{Network, is_near};

use crate::text::Text;

/// What stands before the secret of a link: browsers send nothing of it to anybody.
const SET_UP: &str = "#setup=";
/// Fewer connections than this are worth a hint.
const FEW: u64 = 10_000;

/// The line on the data directory: its absolute path and what is in it.
pub(crate) fn data_dir(config: &Config, text: Text) -> String {
    let dir = &config.node.data_dir;
    let path = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
    let found = match std::fs::read_dir(dir) {
        Ok(entries) => match entries.count() {
            0 => text.data_empty(),
            n => text.data_found(n),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => text.data_missing(),
        Err(error) => text.data_unreadable(&error),
    };
    // Without the "./" that a default brings along.
    let path: PathBuf = path.components().collect();
    let line = text.data(&path.display().to_string(), &found);
    let is_new = std::fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
    match elsewhere(dir, &usual()).filter(|_| is_new) {
        Some(other) => line + "\n" + &text.data_elsewhere(&other.display().to_string()),
        None => line,
    }
}

/// Where data of this program lies if nobody says otherwise: of who starts it by hand, and of the
/// package.
fn usual() -> Vec<PathBuf> {
    let beside = std::env::current_exe().ok();
    let beside = beside.and_then(|exe| Some(exe.parent()?.join("ternmq-data")));
    let shared = if cfg!(windows) {
        std::env::var_os("ProgramData").map(|folder| PathBuf::from(folder).join("TernMQ"))
    } else {
        Some("/var/lib/ternmq".into())
    };
    let here = std::path::absolute("ternmq-data").ok();
    [here, beside, shared].into_iter().flatten().collect()
}

/// The first of these places that has data and is not this one.
fn elsewhere(dir: &Path, places: &[PathBuf]) -> Option<PathBuf> {
    let this = std::path::absolute(dir).ok()?;
    let this: PathBuf = this.components().collect();
    let mut others = places.iter().filter(|place| **place != this);
    others.find(|place| place.join("store").is_dir()).cloned()
}

/// What the first lines tell.
pub(crate) struct Told<'a> {
    /// Ids such as `tcp:default` with the addresses they are bound to.
    pub(crate) listeners: &'a [(String, SocketAddr)],
    pub(crate) data: &'a str,
    /// Connections that the system allows.
    pub(crate) connections: Option<u64>,
    /// Whether `admin` signs in with the password that everybody knows.
    pub(crate) default_password: bool,
    /// With what `admin` sets a password instead.
    pub(crate) set_up: Option<&'a str>,
    /// What clients need to trust the certificate that the broker made for itself, if it is used.
    pub(crate) authority: Option<&'a str>,
    /// Networks that are near by setting.
    pub(crate) trusted: &'a [Network],
    /// Addresses behind which anybody may be, if nobody who comes from there needs a password.
    pub(crate) gateways: &'a [String],
}

/// All lines.
pub(crate) fn lines(told: &Told<'_>, text: Text) -> String {
    describe(told, lan_address(), text)
}

fn describe(told: &Told<'_>, lan: IpAddr, text: Text) -> String {
    let mut lines = vec![text.title(env!("CARGO_PKG_VERSION"))];
    let (mut example, mut page) = (None, None);
    for (id, address) in reached(told.listeners, lan) {
        let url = url(id, address);
        let line = match kind(id) {
            "http" => {
                page.get_or_insert_with(|| url.clone());
                text.dashboard(&url)
            }
            "ws" => text.websocket(&url),
            "ssl" | "wss" => text.secure(&url),
            _ => {
                example.get_or_insert(address);
                text.mqtt(&url)
            }
        };
        // The IPv6 half of a listener on all interfaces adds nothing.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let has_dashboard = told.listeners.iter().any(|(id, _)| id.starts_with("http:"));
    if has_dashboard && told.default_password {
        lines.push(text.sign_in().to_owned());
    }
    if let (Some(page), Some(secret)) = (page, told.set_up) {
        lines.push(text.set_up(&format!("{page}/{SET_UP}{secret}")));
    }
    let is_open = told.listeners.iter().any(|(_, at)| !at.ip().is_loopback());
    if is_open && !is_near(lan, told.trusted) {
        lines.push(text.no_private_address(&lan.to_string(), &around(lan)));
    }
    if is_open && !told.gateways.is_empty() {
        lines.push(text.gateway(&told.gateways.join(", ")));
    }
    if let Some(path) = told.authority {
        lines.push(text.authority(path));
    }
    lines.push(told.data.to_owned());
    if let Some(limit) = told.connections {
        let hint = if limit < FEW {
            text.few_connections()
        } else {
            ""
        };
        lines.push(text.connections(limit) + hint);
    }
    if cfg!(windows) && is_open {
        let program = std::env::current_exe().unwrap_or_default();
        lines.push(text.firewall(&program.display().to_string()));
    }
    if let Some(address) = example {
        let port = match address.port() {
            1883 => String::new(),
            port => format!(" -p {port}"),
        };
        lines.push(text.try_it(&format!("ternmq sub -h {}{port} -t test", address.ip())));
    }
    let (title, rest) = lines.split_first().expect("the title is a line");
    let mut all = format!("{title}\n");
    for line in rest.iter().flat_map(|lines| lines.lines()) {
        all.push_str(&format!("  {line}\n"));
    }
    all
}

/// Where all that is reached, for a place where there is room for one line.
pub(crate) fn urls(listeners: &[(String, SocketAddr)]) -> String {
    in_one_line(listeners, lan_address())
}

fn in_one_line(listeners: &[(String, SocketAddr)], lan: IpAddr) -> String {
    let mut urls: Vec<String> = Vec::new();
    for (id, address) in reached(listeners, lan) {
        let url = url(id, address);
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    // The dashboard's first: who reads this has a browser at hand.
    urls.sort_by_key(|url| !url.starts_with("http"));
    urls.join(" ")
}

/// Listeners with the addresses at which others reach them; those that can be reached from elsewhere
/// first: that is what people come for.
fn reached(listeners: &[(String, SocketAddr)], lan: IpAddr) -> Vec<(&str, SocketAddr)> {
    let mut sorted: Vec<_> = listeners.iter().collect();
    sorted.sort_by_key(|(_, address)| address.ip().is_loopback());
    let reached = sorted.into_iter().map(|(id, address)| {
        let ip = if address.ip().is_unspecified() {
            lan
        } else {
            address.ip()
        };
        (id.as_str(), SocketAddr::new(ip, address.port()))
    });
    reached.collect()
}

/// What a listener speaks, which its id begins with.
fn kind(id: &str) -> &str {
    id.split_once(':').map_or(id, |(kind, _)| kind)
}

fn url(id: &str, address: SocketAddr) -> String {
    match kind(id) {
        "http" => format!("http://{address}"),
        "ws" => format!("ws://{address}/mqtt"),
        "ssl" => format!("mqtts://{address}"),
        "wss" => format!("wss://{address}/mqtt"),
        _ => format!("mqtt://{address}"),
    }
}

/// The network that is probably meant by who wants to trust those beside this machine.
fn around(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("{}/24", Ipv4Addr::from_bits(v4.to_bits() >> 8 << 8)),
        IpAddr::V6(v6) => format!("{}/64", Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

/// The address of the interface towards the network. "Connecting" a datagram socket sends nothing:
/// it only makes the system choose a route (to a block reserved for documentation).
fn lan_address() -> IpAddr {
    let local = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect("192.0.2.1:9").ok()?;
        let ip = socket.local_addr().ok()?.ip();
        (!ip.is_unspecified()).then_some(ip)
    };
    local().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(list: &[(&str, &str)]) -> Vec<(String, SocketAddr)> {
        list.iter()
            .map(|(id, addr)| ((*id).to_owned(), addr.parse().unwrap()))
            .collect()
    }

    fn told<'a>(listeners: &'a [(String, SocketAddr)], limit: u64) -> Told<'a> {
        Told {
            listeners,
            data: "DATA",
            connections: Some(limit),
            default_password: false,
            set_up: None,
            authority: None,
            trusted: &[],
            gateways: &[],
        }
    }

    #[test]
    fn lines_for_the_defaults() {
        let listeners = listeners(&[
            ("tcp:inside", "127.0.0.1:1999"),
            ("tcp:default", "0.0.0.0:1883"),
            ("tcp:default", "[::]:1883"),
            ("ssl:default", "0.0.0.0:8883"),
            ("ws:default", "0.0.0.0:8083"),
            ("wss:default", "0.0.0.0:8084"),
        ]);
        let lan = "192.168.1.5".parse().unwrap();
        let text = Text::from_env(|_| None);
        let told = Told {
            authority: Some("/data/tls/ca.pem"),
            ..told(&listeners, 1_048_064)
        };
        let lines = describe(&told, lan, text);
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "TernMQ {version} is running\n  MQTT       mqtt://192.168.1.5:1883\n  \
             TLS        mqtts://192.168.1.5:8883\n  WebSocket  ws://192.168.1.5:8083/mqtt\n  \
             TLS        wss://192.168.1.5:8084/mqtt\n  MQTT       mqtt://127.0.0.1:1999\n  \
             TLS clients trust /data/tls/ca.pem\n  DATA\n  \
             Limit      1048064 connections (open files of this process)\n  \
             Try        ternmq sub -h 192.168.1.5 -t test\n"
        );
        assert_eq!(lines, expected);
    }

    #[test]
    fn urls_for_one_line() {
        let listeners = listeners(&[
            ("tcp:default", "0.0.0.0:1883"),
            ("tcp:default", "[::]:1883"),
            ("http:dashboard", "0.0.0.0:18083"),
        ]);
        let lan = "192.168.1.5".parse().unwrap();
        let expected = "http://192.168.1.5:18083 mqtt://192.168.1.5:1883";
        assert_eq!(in_one_line(&listeners, lan), expected);
    }

    #[test]
    fn how_to_set_a_first_password() {
        let listeners = listeners(&[("http:dashboard", "0.0.0.0:18083")]);
        let first = Told {
            set_up: Some("secret"),
            ..told(&listeners, 1)
        };
        let lan = "192.168.1.5".parse().unwrap();
        let lines = describe(&first, lan, Text::from_env(|_| None));
        let link = " http://192.168.1.5:18083/#setup=secret ";
        assert!(lines.contains(link), "{lines}");
        assert!(!in_one_line(&listeners, lan).contains("setup"));
    }

    #[test]
    fn other_ports_and_low_limits_are_told() {
        let listeners = listeners(&[("tcp:default", "[::1]:1999")]);
        let text = Text::from_env(|_| Some("zh_CN".to_owned()));
        let lines = describe(&told(&listeners, 512), lan_address(), text);
        assert!(lines.contains("mqtt://[::1]:1999") && lines.contains("-h ::1 -p 1999 -t test"));
        assert!(lines.contains("512（") && lines.contains("ulimit"));
    }

    #[test]
    fn how_to_sign_in_while_everybody_knows() {
        let listeners = listeners(&[("http:dashboard", "0.0.0.0:18083")]);
        let lan = "192.168.1.5".parse().unwrap();
        let text = Text::from_env(|_| None);
        let quiet = told(&listeners, 1);
        assert!(!describe(&quiet, lan, text).contains("public"));
        let default = Told {
            default_password: true,
            ..told(&listeners, 1)
        };
        assert!(describe(&default, lan, text).contains("admin / public"));
    }

    #[test]
    fn addresses_that_are_not_private_are_told() {
        let open = listeners(&[("tcp:default", "0.0.0.0:1883")]);
        let inside = listeners(&[("tcp:default", "127.0.0.1:1883")]);
        let text = Text::from_env(|_| None);
        let campus = "203.0.113.77".parse().unwrap();
        let lines = describe(&told(&open, 1), campus, text);
        assert!(lines.contains("ternmq ctl trust 203.0.113.0/24"), "{lines}");
        assert!(!describe(&told(&inside, 1), campus, text).contains("trust"));
        let trusted = ["203.0.113.0/24".parse().unwrap()];
        let trusting = Told {
            trusted: &trusted,
            ..told(&open, 1)
        };
        assert!(!describe(&trusting, campus, text).contains("trust"));
        let v6 = describe(&told(&open, 1), "2001:db8:1:2:3::4".parse().unwrap(), text);
        assert!(v6.contains("trust 2001:db8:1:2::/64"), "{v6}");
    }

    #[test]
    fn gateways_are_told() {
        let open = listeners(&[("tcp:default", "0.0.0.0:1883")]);
        let gateways = ["172.17.0.1".to_owned()];
        let contained = Told {
            gateways: &gateways,
            ..told(&open, 1)
        };
        let lan = "172.17.0.2".parse().unwrap();
        for language in [None, Some("zh_CN".to_owned())] {
            let text = Text::from_env(|_| language.clone());
            let lines = describe(&contained, lan, text);
            let line = lines.lines().find(|line| line.contains("172.17.0.1"));
            assert!(line.unwrap().contains("lan_guard.gateway"), "{lines}");
            assert!(!describe(&told(&open, 1), lan, text).contains("lan_guard"));
        }
    }

    #[test]
    fn older_data_is_found() {
        let place = std::env::temp_dir().join(format!("ternmq-older-{}", std::process::id()));
        std::fs::create_dir_all(place.join("store")).unwrap();
        let places = [PathBuf::from("/no/such"), place.clone()];
        assert_eq!(elsewhere(Path::new("new"), &places), Some(place.clone()));
        assert_eq!(elsewhere(&place, &places), None, "it is this one");
        std::fs::remove_dir_all(&place).unwrap();
        assert_eq!(elsewhere(Path::new("new"), &places), None);
    }

    #[test]
    fn data_directory_is_absolute() {
        let text = Text::from_env(|_| None);
        let mut config = Config::default();
        config.node.data_dir = "./no-such-directory".into();
        let line = data_dir(&config, text);
        assert!(
            line.ends_with("no-such-directory (new)") && !line.contains("./"),
            "{line}"
        );
        config.node.data_dir = env!("CARGO_MANIFEST_DIR").into();
        assert!(data_dir(&config, text).contains(" entries found)"));
    }
}
