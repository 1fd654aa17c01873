//! Settings: one table (`schema`) of keys, from which come the typed [`Config`], its defaults, the
//! texts of errors and the documented file. Files and arguments are read here, never by those who
//! use a setting.

mod document;
mod error;
pub mod kind;
mod layers;
mod raw;
mod schema;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

pub use document::document;
use error::Problem;
pub use error::{ConfigError, Lang, Origin};
pub use kind::{Speed, TlsVersion};
pub use layers::Layers;
pub use raw::Raw;
use raw::leaves;
pub use schema::{
    Dashboard, Durability, FlappingDetect, Format, Key, LanGuard, Level, Listener, Log, Mqtt,
    NamedBy, Node, Outbound, Profile, SslOptions, Store, Verify, When,
};
use schema::{TABLE, find, is_section, nearest};

/// All settings of a broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub node: Node,
    pub log: Log,
    pub store: Store,
    /// Those that are not enabled, too.
    pub listeners: BTreeMap<ListenerId, Listener>,
    pub dashboard: Dashboard,
    pub lan_guard: LanGuard,
    pub outbound: Outbound,
    pub flapping_detect: FlappingDetect,
    pub mqtt: Mqtt,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Tcp,
    Tls,
    WebSocket,
    WebSocketTls,
}

/// A listener's kind and name; shown as `tcp:default`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId {
    pub transport: Transport,
    pub name: String,
}

impl Transport {
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::WebSocket, Self::WebSocketTls];

    /// As in keys and listener ids.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "ssl",
            Self::WebSocket => "ws",
            Self::WebSocketTls => "wss",
        }
    }

    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::WebSocketTls)
    }

    #[must_use]
    pub const fn is_web(self) -> bool {
        matches!(self, Self::WebSocket | Self::WebSocketTls)
    }
}

impl ListenerId {
    /// Its section in the file.
    #[must_use]
    pub fn section(&self) -> String {
        format!("listeners.{}.{}", self.transport.name(), self.name)
    }

    /// As [`Display`](fmt::Display) writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (transport, name) = text.split_once(':')?;
        let path = ["listeners", transport, name].map(str::to_owned);
        listener_id(&path).filter(|id| is_name(&id.name))
    }
}

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.name(), self.name)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Profile::Home)
    }
}

impl Config {
    /// The defaults of a profile.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        let mut config = Self::at_home();
        config.node.profile = profile;
        if profile == Profile::Production {
            config.mqtt.allow_anonymous = false;
            // Databases stand beside the broker more often than not, and their address can be no stranger's.
            let here = ["127.0.0.0/8", "::1/128"];
            let here = here.iter().filter_map(|text| text.parse().ok());
            config.outbound.networks = Some(here.collect());
            let port = 18083;
            config.dashboard.bind = vec![
                SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            ];
        }
        config
    }

    fn at_home() -> Self {
        let listener = |transport, port| {
            let bind = everywhere(port);
            let id = ListenerId {
                transport,
                name: "default".to_owned(),
            };
            (
                id,
                Listener {
                    bind,
                    ..Listener::default()
                },
            )
        };
        Self {
            node: Node::default(),
            log: Log::default(),
            store: Store::default(),
            listeners: [
                listener(Transport::Tcp, 1883),
                listener(Transport::Tls, 8883),
                listener(Transport::WebSocket, 8083),
                listener(Transport::WebSocketTls, 8084),
            ]
            .into(),
            dashboard: Dashboard {
                bind: everywhere(18083),
                ..Dashboard::default()
            },
            lan_guard: LanGuard::default(),
            outbound: Outbound::default(),
            flapping_detect: FlappingDetect::default(),
            mqtt: Mqtt::default(),
        }
    }
}

/// Both families, because an IPv6 socket here takes no IPv4: systems differ in whether it could.
fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    ]
}

/// Where settings are taken from; a later one overrules an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Must exist if it is given.
    pub file: Option<PathBuf>,
    /// The environment; only names that start with `TERNMQ__` count.
    pub env: Vec<(String, String)>,
    /// `section.key=value` each.
    pub sets: Vec<String>,
}

/// A configuration, and how it came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// Of each key that was set, by its full name.
    pub origins: BTreeMap<String, Origin>,
    /// What the file says, in TOML notation, where a later layer overrules it.
    pub overruled: BTreeMap<String, (Origin, String)>,
    /// What was saved and cannot be used, by its name, and why.
    pub unusable: BTreeMap<String, ConfigError>,
    /// For the log, one line each.
    pub warnings: Vec<String>,
}

/// A setting with its present value, for lists.
#[derive(Debug)]
pub struct Entry {
    /// Full name, such as `listeners.tcp.default.bind`.
    pub name: String,
    /// In TOML notation.
    pub value: String,
    pub key: &'static Key,
}

const ENV_PREFIX: &str = "TERNMQ__";

impl Config {
    /// All settings with their values, in the order of the documentation.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for keys in TABLE {
            for section in keys.first().map_or(&[][..], |key| key.sections) {
                for place in self.places(section) {
                    for key in keys.iter().filter(|key| key.sections.contains(section)) {
                        let path: Vec<String> =
                            place.iter().cloned().chain([key.name.to_owned()]).collect();
                        if let Some(value) = (key.show)(self, &path) {
                            entries.push(Entry {
                                name: path.join("."),
                                value,
                                key,
                            });
                        }
                    }
                }
            }
        }
        entries
    }

    /// The keys whose values differ in `new` and that take effect only with a restart. All others
    /// are meant to be applied at once.
    pub fn reload(&self, new: &Self) -> Vec<String> {
        let pending = |config: &Self| -> BTreeMap<String, String> {
            let entries = config.entries().into_iter();
            entries
                .filter(|entry| entry.key.when != When::Reload)
                .map(|entry| (entry.name, entry.value))
                .collect()
        };
        let (old, new) = (pending(self), pending(new));
        let mut names: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names.retain(|name| old.get(name) != new.get(name));
        names
    }

    /// The sections that a pattern of the table stands for.
    fn places(&self, section: &str) -> Vec<Vec<String>> {
        let parts: Vec<String> = section
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        let Some(transport) = parts.get(1) else {
            return vec![parts];
        };
        let ids = self
            .listeners
            .keys()
            .filter(|id| id.transport.name() == transport);
        ids.map(|id| {
            let mut place = parts.clone();
            place[2].clone_from(&id.name);
            place
        })
        .collect()
    }

    // What the table calls to find the section of a path; listeners are made when first named.

    fn node_mut(&mut self, _: &[String]) -> Option<&mut Node> {
        Some(&mut self.node)
    }
    fn node_at(&self, _: &[String]) -> Option<&Node> {
        Some(&self.node)
    }
    fn log_mut(&mut self, _: &[String]) -> Option<&mut Log> {
        Some(&mut self.log)
    }
    fn log_at(&self, _: &[String]) -> Option<&Log> {
        Some(&self.log)
    }
    fn store_mut(&mut self, _: &[String]) -> Option<&mut Store> {
        Some(&mut self.store)
    }
    fn store_at(&self, _: &[String]) -> Option<&Store> {
        Some(&self.store)
    }
    fn dashboard_mut(&mut self, _: &[String]) -> Option<&mut Dashboard> {
        Some(&mut self.dashboard)
    }
    fn dashboard_at(&self, _: &[String]) -> Option<&Dashboard> {
        Some(&self.dashboard)
    }
    fn lan_guard_mut(&mut self, _: &[String]) -> Option<&mut LanGuard> {
        Some(&mut self.lan_guard)
    }
    fn lan_guard_at(&self, _: &[String]) -> Option<&LanGuard> {
        Some(&self.lan_guard)
    }
    fn outbound_mut(&mut self, _: &[String]) -> Option<&mut Outbound> {
        Some(&mut self.outbound)
    }
    fn outbound_at(&self, _: &[String]) -> Option<&Outbound> {
        Some(&self.outbound)
    }
    fn flapping_detect_mut(&mut self, _: &[String]) -> Option<&mut FlappingDetect> {
        Some(&mut self.flapping_detect)
    }
    fn flapping_detect_at(&self, _: &[String]) -> Option<&FlappingDetect> {
        Some(&self.flapping_detect)
    }
    fn mqtt_mut(&mut self, _: &[String]) -> Option<&mut Mqtt> {
        Some(&mut self.mqtt)
    }
    fn mqtt_at(&self, _: &[String]) -> Option<&Mqtt> {
        Some(&self.mqtt)
    }
    fn listener_mut(&mut self, path: &[String]) -> Option<&mut Listener> {
        let blank = || Listener {
            bind: Vec::new(),
            ..Listener::default()
        };
        Some(
            self.listeners
                .entry(listener_id(path)?)
                .or_insert_with(blank),
        )
    }
    fn listener_at(&self, path: &[String]) -> Option<&Listener> {
        self.listeners.get(&listener_id(path)?)
    }
    fn ssl_options_mut(&mut self, path: &[String]) -> Option<&mut SslOptions> {
        Some(&mut self.listener_mut(path)?.ssl_options)
    }
    fn ssl_options_at(&self, path: &[String]) -> Option<&SslOptions> {
        Some(&self.listener_at(path)?.ssl_options)
    }
}

/// The listener in `listeners.<transport>.<name>.<key>`.
fn listener_id(path: &[String]) -> Option<ListenerId> {
    let kind = path.get(1)?;
    let transport = Transport::ALL.into_iter().find(|t| t.name() == kind)?;
    Some(ListenerId {
        transport,
        name: path.get(2)?.clone(),
    })
}

/// Full names and values of a text in the notation of the file, in its order.
pub(crate) fn parse(text: &str, origin: &Origin) -> Result<Vec<(String, Raw)>, ConfigError> {
    let leaves = leaves(text)
        .map_err(|syntax| ConfigError::new(origin, "", Problem::Syntax(syntax.cause)))?;
    let named = leaves
        .into_iter()
        .map(|leaf| (leaf.path.join("."), leaf.raw));
    Ok(named.collect())
}

/// A key's full name in its parts.
fn split(name: &str) -> Vec<String> {
    name.split('.').map(str::to_owned).collect()
}

struct Loader {
    config: Config,
    origins: BTreeMap<String, Origin>,
    overruled: BTreeMap<String, (Origin, String)>,
    unusable: BTreeMap<String, ConfigError>,
    warnings: Vec<String>,
}

impl Loader {
    fn new(profile: Profile) -> Self {
        Self {
            config: Config::of(profile),
            origins: BTreeMap::new(),
            overruled: BTreeMap::new(),
            unusable: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    fn file(&mut self, path: PathBuf, text: &str) -> Result<(), ConfigError> {
        // Editors on Windows like to put a byte order mark first.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let leaves = leaves(text).map_err(|syntax| {
            let origin = Origin::File {
                path: path.clone(),
                line: syntax.line,
            };
            ConfigError::new(&origin, "", Problem::Syntax(syntax.cause))
        })?;
        for leaf in leaves {
            let origin = Origin::File {
                path: path.clone(),
                line: leaf.line,
            };
            self.set(&leaf.path, &leaf.raw, origin)?;
        }
        Ok(())
    }

    /// A value without quotes: first what it looks like, then, if that does not fit, a text. So
    /// `data_dir=2024` is a directory.
    fn bare(&mut self, path: &[String], text: &str, origin: Origin) -> Result<(), ConfigError> {
        let first = self.set(path, &Raw::bare(text), origin.clone());
        if first.is_err() && self.set(path, &Raw::Text(text.to_owned()), origin).is_ok() {
            return Ok(());
        }
        first
    }

    fn set(&mut self, path: &[String], raw: &Raw, origin: Origin) -> Result<(), ConfigError> {
        let name = path.join(".");
        let refuse = |problem| Err(ConfigError::new(&origin, &name, problem));
        let Some(key) = find(path) else {
            return match (is_section(path), raw) {
                (true, Raw::Empty) => Ok(()),
                (true, _) => refuse(Problem::Shape),
                (false, _) => refuse(Problem::Unknown(nearest(path))),
            };
        };
        if path.len() >= 4 && !is_name(&path[2]) {
            return refuse(Problem::ListenerName);
        }
        if let Some(from @ Origin::File { .. }) = self.origins.get(&name)
            && !matches!(origin, Origin::File { .. })
            && let Some(value) = (key.show)(&self.config, path)
        {
            self.overruled.insert(name.clone(), (from.clone(), value));
        }
        if !(key.set)(&mut self.config, path, raw) {
            return refuse(Problem::Value {
                given: raw.to_string(),
                key,
            });
        }
        self.origins.insert(name, origin);
        Ok(())
    }

    /// Takes a listener out again.
    fn forget(&mut self, id: &ListenerId) {
        self.config.listeners.remove(id);
        let section = id.section() + ".";
        self.origins.retain(|name, _| !name.starts_with(&section));
        self.overruled.retain(|name, _| !name.starts_with(&section));
    }

    fn finish(mut self) -> Result<Loaded, ConfigError> {
        let homeless = |(_, listener): &(_, &Listener)| listener.bind.is_empty();
        let homeless = self.config.listeners.iter().filter(homeless);
        for id in homeless.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            let section = id.section() + ".";
            let mut origins = self
                .origins
                .range(section.clone()..)
                .take_while(|(name, _)| name.starts_with(&section));
            let key = section.clone() + "bind";
            let told = origins.find(|(_, origin)| **origin != Origin::Saved);
            let origin = told.map_or(&Origin::Saved, |(_, origin)| origin);
            let error = ConfigError::new(origin, &key, Problem::ListenerWithoutBind);
            if *origin != Origin::Saved {
                return Err(error);
            }
            // The file had it when something of it was saved.
            self.forget(&id);
            self.unusable.insert(key, error);
        }
        for (id, listener) in &self.config.listeners {
            let options = &listener.ssl_options;
            let asked = [
                ("fail_if_no_peer_cert", options.fail_if_no_peer_cert),
                ("crlfile", options.crlfile.is_some()),
            ];
            for (key, _) in asked
                .iter()
                .filter(|(_, set)| *set && options.verify == Verify::None)
            {
                let section = id.section();
                self.warnings.push(format!(
                    "{section}.ssl_options.{key} does nothing without verify = \"verify_peer\""
                ));
            }
        }
        Ok(Loaded {
            config: self.config,
            origins: self.origins,
            overruled: self.overruled,
            unusable: self.unusable,
            warnings: self.warnings,
        })
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests;
