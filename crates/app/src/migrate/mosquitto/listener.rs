//! What mosquitto's listeners are: a port, addresses, and a protocol, each said in a line of its own.

use std::net::IpAddr;

use super::super::plan::{Fate, Plan};
use super::super::table::Both;
use super::{Line, Old};

/// A listener of mosquitto's.
pub(super) struct Listener {
    /// In the order of the file; 0 is the one that needs no line.
    pub(super) number: usize,
    /// tcp, ssl, ws or wss.
    kind: &'static str,
    name: String,
    binds: Vec<String>,
    /// Why it is not to be opened, and what to do.
    closed: Option<Both>,
    /// What is different of it.
    note: Option<Both>,
}

impl Listener {
    /// Its section in the file.
    pub(super) fn section(&self) -> String {
        format!("listeners.{}.{}", self.kind, self.name)
    }

    pub(super) fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    fn read(old: &Old, number: usize, taken: &[Self]) -> Self {
        let of = |name: &str| old.last_of(number, name);
        let own = of("listener").unwrap_or_default();
        let mut words = own.split_whitespace();
        let (port, host) = if number == 0 {
            (
                of("port").unwrap_or_else(|| "1883".to_owned()),
                of("bind_address"),
            )
        } else {
            let port = words.next().unwrap_or_default().to_owned();
            (port, words.next().map(str::to_owned))
        };
        let is_tls = of("certfile").is_some() && of("keyfile").is_some();
        let kind = match (of("protocol").as_deref(), is_tls) {
            (Some("websockets"), false) => "ws",
            (Some("websockets"), true) => "wss",
            (_, false) => "tcp",
            (_, true) => "ssl",
        };
        let name = name(kind, &port, taken);
        let section = format!("listeners.{kind}.{name}");
        let family = of("socket_domain");
        let mut note = None;
        let binds = match host.as_deref() {
            _ if of("bind_interface").is_some() => {
                note = Some(interface(&section));
                hosts("localhost", &port, family.as_deref())
            }
            None if number == 0 && is_local(old) => hosts("localhost", &port, family.as_deref()),
            None => hosts("", &port, family.as_deref()),
            Some(host) => hosts(host, &port, family.as_deref()),
        };
        let closed = if host.as_deref().is_some_and(|host| host.starts_with('/')) {
            Some(no_socket())
        } else if of("psk_hint").is_some() && !is_tls {
            Some(no_keys())
        } else if port.parse::<u16>().is_err() || binds.is_empty() {
            Some(no_address(&section))
        } else {
            None
        };
        Self {
            number,
            kind,
            name,
            binds,
            closed,
            note,
        }
    }
}

/// Options that open the listener that needs no line, where they stand before any `listener`.
const OPENING: [&str; 17] = [
    "port",
    "bind_address",
    "bind_interface",
    "socket_domain",
    "max_connections",
    "max_qos",
    "use_username_as_clientid",
    "use_identity_as_username",
    "use_subject_as_username",
    "certfile",
    "keyfile",
    "cafile",
    "capath",
    "ciphers",
    "crlfile",
    "psk_hint",
    "require_certificate",
];

fn is_opened(old: &Old) -> bool {
    let mut first = old.lines.iter().filter(|line| line.listener == 0);
    first.any(|line| OPENING.contains(&&*line.said.name))
}

/// Whether it listens on this machine only: nothing says where.
pub(super) fn is_local(old: &Old) -> bool {
    !is_opened(old) && old.last("listener").is_none()
}

/// All listeners that mosquitto opens.
pub(super) fn all(old: &Old) -> Vec<Listener> {
    let last = old
        .lines
        .iter()
        .map(|line| line.listener)
        .max()
        .unwrap_or(0);
    let has_default = last == 0 || is_opened(old);
    let mut listeners = Vec::new();
    for number in usize::from(!has_default)..=last {
        let listener = Listener::read(old, number, &listeners);
        listeners.push(listener);
    }
    listeners
}

/// Opens these, and none of those that a broker without settings has.
pub(super) fn plan(listeners: &[Listener], plan: &mut Plan) {
    for listener in listeners.iter().filter(|listener| listener.is_open()) {
        let binds = listener.binds.iter().cloned().map(toml::Value::String);
        let bind = format!("{}.bind", listener.section());
        // They are addresses with ports, which are always taken.
        let _ = plan.set(&bind, toml::Value::Array(binds.collect()));
    }
    for kind in ["tcp", "ssl", "ws", "wss"] {
        let is_there = |l: &Listener| l.is_open() && l.kind == kind && l.name == "default";
        if !listeners.iter().any(is_there) {
            let enabled = format!("listeners.{kind}.default.enabled");
            let _ = plan.set(&enabled, toml::Value::Boolean(false));
        }
    }
}

/// Judges a line that says where a listener is, or that is about one that stays closed.
pub(super) fn judge(line: &Line, listener: Option<&Listener>, plan: &mut Plan) -> bool {
    const WHERE: [&str; 6] = [
        "listener",
        "port",
        "bind_address",
        "bind_interface",
        "socket_domain",
        "protocol",
    ];
    /// What is only about TLS.
    const TLS: [&str; 6] = [
        "certfile",
        "keyfile",
        "cafile",
        "crlfile",
        "tls_version",
        "require_certificate",
    ];
    /// What else stands in a listener's section.
    const OWN: [&str; 2] = ["max_connections", "mount_point"];
    let name = &*line.said.name;
    let is_where = WHERE.contains(&name);
    let is_own = is_where || TLS.contains(&name) || OWN.contains(&name);
    let Some(listener) = listener else {
        if is_own {
            plan.judge(&line.said, Fate::NotNeeded, unopened());
        }
        return is_own;
    };
    if let Some(why) = &listener.closed {
        let is_cause = ["listener", "psk_hint", "port"].contains(&name);
        if is_cause || is_own {
            let fate = if is_cause {
                Fate::NoCounterpart
            } else {
                Fate::NotNeeded
            };
            let note = if is_cause { why.clone() } else { unopened() };
            plan.judge(&line.said, fate, note);
            return true;
        }
        return false;
    }
    let section = listener.section();
    if name == "bind_interface" {
        let note = listener.note.clone().unwrap_or_default();
        plan.judge(&line.said, Fate::NoCounterpart, note);
        return true;
    }
    if is_where {
        let fate = Fate::Translated(vec![format!("{section}.bind")]);
        plan.judge(&line.said, fate, Both::default());
        return true;
    }
    let is_tls = ["ssl", "wss"].contains(&listener.kind);
    if TLS.contains(&name) && !is_tls {
        plan.judge(&line.said, Fate::NotNeeded, no_tls());
        return true;
    }
    if name == "require_certificate" {
        return requires(line, &section, plan);
    }
    false
}

/// mosquitto asks for a certificate, and then needs one.
fn requires(line: &Line, section: &str, plan: &mut Plan) -> bool {
    if line.said.value.as_str() != Some("true") {
        let note = [
            "TernMQ asks for no certificate either".to_owned(),
            "TernMQ 默认也不要求客户端证书".to_owned(),
        ];
        plan.judge(&line.said, Fate::NotNeeded, note);
        return true;
    }
    let names =
        ["verify", "fail_if_no_peer_cert"].map(|key| format!("{section}.ssl_options.{key}"));
    let verify = toml::Value::String("verify_peer".to_owned());
    let done = plan
        .set(&names[0], verify)
        .and_then(|()| plan.set(&names[1], toml::Value::Boolean(true)));
    match done {
        Ok(()) => plan.judge(&line.said, Fate::Translated(names.into()), Both::default()),
        Err(error) => plan.judge(&line.said, Fate::NoCounterpart, error),
    }
    true
}

/// `default` for the first of a kind, then by port.
fn name(kind: &str, port: &str, taken: &[Listener]) -> String {
    let is_taken = |name: &str| {
        taken
            .iter()
            .any(|l| l.kind == kind && l.name == name && l.is_open())
    };
    if !is_taken("default") {
        return "default".to_owned();
    }
    let digits: String = port.chars().filter(char::is_ascii_digit).take(5).collect();
    let first = format!("port{digits}");
    let mut numbered = (2..).map(|n| format!("{first}-{n}"));
    if is_taken(&first) {
        numbered.find(|name| !is_taken(name)).unwrap_or(first)
    } else {
        first
    }
}

/// The addresses of a host; all of the machine's for the empty one.
fn hosts(host: &str, port: &str, family: Option<&str>) -> Vec<String> {
    let both = match host {
        "" => vec!["0.0.0.0".to_owned(), "[::]".to_owned()],
        "localhost" => vec!["127.0.0.1".to_owned(), "[::1]".to_owned()],
        _ => match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => return vec![format!("{ip}:{port}")],
            Ok(IpAddr::V6(ip)) => return vec![format!("[{ip}]:{port}")],
            Err(_) => return looked_up(host, port),
        },
    };
    let wanted = |ip: &String| match family {
        Some("ipv4") => !ip.starts_with('['),
        Some("ipv6") => ip.starts_with('['),
        _ => true,
    };
    both.into_iter()
        .filter(wanted)
        .map(|ip| format!("{ip}:{port}"))
        .collect()
}

/// A name becomes the addresses that it has now.
fn looked_up(host: &str, port: &str) -> Vec<String> {
    let Ok(port) = port.parse() else {
        return Vec::new();
    };
    let found = client::resolve(host, port).unwrap_or_default();
    found.iter().map(ToString::to_string).collect()
}

fn both(en: &str, zh: &str) -> Both {
    [en.to_owned(), zh.to_owned()]
}

fn interface(section: &str) -> Both {
    [
        format!(
            "TernMQ listens on addresses, not interfaces: write those of this interface into {section}.bind; until then it listens on this machine only"
        ),
        format!(
            "TernMQ 按地址而不是按网卡监听：请把该网卡的地址写入 {section}.bind；在此之前只在本机监听"
        ),
    ]
}

fn no_socket() -> Both {
    both(
        "TernMQ has no socket in the file system: this listener is left out; let its clients connect to 127.0.0.1 instead",
        "TernMQ 不支持 Unix 域套接字：该监听器未迁移；请让其客户端改连 127.0.0.1",
    )
}

fn no_keys() -> Both {
    both(
        "TernMQ knows no pre-shared keys: this listener is left out rather than opened without them; use certificates (listeners.ssl)",
        "TernMQ 不支持预共享密钥（PSK）：该监听器未迁移，以免在没有密钥的情况下开放；请使用证书（listeners.ssl）",
    )
}

fn no_address(section: &str) -> Both {
    [
        format!(
            "this is no address that can be found now: the listener is left out; set {section}.bind"
        ),
        format!("现在无法得到该地址：该监听器未迁移；请设置 {section}.bind"),
    ]
}

fn unopened() -> Both {
    both(
        "it belongs to a listener that is not opened",
        "它属于一个不会开放的监听器",
    )
}

fn no_tls() -> Both {
    both(
        "it does nothing without both certfile and keyfile",
        "没有同时设置 certfile 与 keyfile 时它不起作用",
    )
}
