//! Listeners as the control plane sees them. They are settings, `listeners.<kind>.<name>.*`, so what
//! is added, changed, stopped or deleted here is kept like any other.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Admin;
use super::settings::SettingError;
use crate::config::kind::{ByteRate, Kind as _, Rate};
use crate::config::{Layers, ListenerId, Origin, Raw, Speed};
use crate::control::configuration::{ChangeError, Changes};

pub use crate::config::{SslOptions, TlsVersion, Transport, Verify};
pub use crate::tls::Facts;

/// A listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Such as `tcp:default`.
    pub id: String,
    pub transport: Transport,
    pub name: String,
    /// Where it is asked to listen.
    pub bind: Vec<SocketAddr>,
    /// Where it does; the system may have chosen a port.
    pub addresses: Vec<SocketAddr>,
    pub enabled: bool,
    pub connections: u32,
    pub connections_max: Option<u32>,
    /// Whom it takes by address, in their order: `allow 10.0.0.0/8`, `deny all`.
    pub access_rules: Vec<String>,
    /// A proxy in front tells where connections come from.
    pub proxy_protocol: bool,
    /// A proxy in front of a WebSocket listener tells it with X-Forwarded-For.
    pub forwarded_for: bool,
    /// Where proxies are, besides this machine and private addresses.
    pub proxy_networks: Vec<String>,
    pub mountpoint: Option<String>,
    /// Those that are asked, if these are not all.
    pub authenticators: Option<Vec<String>>,
    pub rates: Rates,
    pub allowed_origins: Vec<String>,
    /// Of those that speak TLS.
    pub tls: Option<Tls>,
}

/// How fast what comes to a listener may come, such as `1000/s`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub connections: Option<String>,
    /// Of each client.
    pub messages: Option<String>,
    pub bytes: Option<String>,
    /// Of all clients together.
    pub total_messages: Option<String>,
    pub total_bytes: Option<String>,
}

impl Rates {
    fn of(listener: &crate::config::Listener) -> Self {
        let rate = |speed: Option<Speed>| speed.map(|speed| plain(&Rate::show(&speed)));
        let bytes = |speed: Option<Speed>| speed.map(|speed| plain(&ByteRate::show(&speed)));
        Self {
            connections: rate(listener.max_conn_rate),
            messages: rate(listener.messages_rate),
            bytes: bytes(listener.bytes_rate),
            total_messages: rate(listener.total_messages_rate),
            total_bytes: bytes(listener.total_bytes_rate),
        }
    }
}

/// Without TOML's quotes.
fn plain(shown: &str) -> String {
    shown.trim_matches('"').to_owned()
}

/// A listener's TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    pub options: SslOptions,
    /// The certificate in use; none if the listener does not run.
    pub certificate: Option<Facts>,
    /// The broker made it for itself.
    pub is_own: bool,
    /// Why the files are not used as they are now, if so.
    pub trouble: Option<String>,
}

/// What is asked of a listener; what is `None` stays as it is, or as the default has it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub bind: Option<Raw>,
    pub enabled: Option<bool>,
    pub connections_max: Option<Raw>,
    pub allowed_origins: Option<Raw>,
    pub access_rules: Option<Raw>,
    pub proxy_protocol: Option<bool>,
    pub forwarded_for: Option<bool>,
    pub proxy_networks: Option<Raw>,
    pub mountpoint: Option<Raw>,
    pub authenticators: Option<Raw>,
    /// By their key, such as `messages_rate`.
    pub rates: BTreeMap<&'static str, Raw>,
    /// By their name in `ssl_options`.
    pub ssl_options: BTreeMap<String, Raw>,
}

/// Why nothing was done to a listener.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    #[error(
        "{0} is no listener id: use tcp:, ssl:, ws: or wss: and a name of letters, digits, _ and -, \
         at most 64"
    )]
    BadId(String),
    #[error("there is no listener {0}")]
    Unknown(String),
    #[error("there is a listener {0} already")]
    Taken(String),
    #[error(
        "{0} is named by the environment or a flag of the command line, so it cannot be deleted; \
         stop it instead"
    )]
    Fixed(String),
    #[error(transparent)]
    Setting(#[from] SettingError),
}

impl From<ChangeError> for ListenerError {
    fn from(error: ChangeError) -> Self {
        Self::Setting(error.into())
    }
}

impl Listener {
    /// Whether it listens.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.addresses.is_empty()
    }
}

fn parse(id: &str) -> Result<ListenerId, ListenerError> {
    ListenerId::parse(id).ok_or_else(|| ListenerError::BadId(id.to_owned()))
}

impl Admin {
    /// All listeners for MQTT, running or not.
    #[must_use]
    pub fn listeners(&self) -> Vec<Listener> {
        let config = self.config();
        let listeners = config.listeners.into_iter();
        listeners
            .map(|(id, listener)| self.told(id, listener))
            .collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// If the id is none, or no listener's.
    pub fn listener(&self, id: &str) -> Result<Listener, ListenerError> {
        let parsed = parse(id)?;
        let listener = self.config().listeners.remove(&parsed);
        let listener = listener.ok_or_else(|| ListenerError::Unknown(id.to_owned()))?;
        Ok(self.told(parsed, listener))
    }

    fn told(&self, id: ListenerId, listener: crate::config::Listener) -> Listener {
        let open = self.0.configuration.listeners();
        let mut contexts = open.contexts().into_iter();
        let context = contexts.find(|(other, _)| *other == id).map(|(_, c)| c);
        let terms = context.as_ref().map(|context| context.terms());
        let rates = Rates::of(&listener);
        let tls = id.transport.is_tls().then(|| Tls {
            is_own: listener.ssl_options.certfile.is_none(),
            options: listener.ssl_options,
            certificate: terms.map(|terms| terms.facts.clone()),
            trouble: context.and_then(|c| c.trouble()).map(|e| e.to_string()),
        });
        Listener {
            tls,
            rates,
            access_rules: listener
                .access_rules
                .iter()
                .map(ToString::to_string)
                .collect(),
            proxy_protocol: listener.proxy_protocol,
            forwarded_for: listener.forwarded_for,
            proxy_networks: listener
                .proxy_networks
                .iter()
                .map(ToString::to_string)
                .collect(),
            mountpoint: listener.mountpoint,
            authenticators: listener.authenticators,
            addresses: open.addresses_of(&id),
            connections: open.connections(&id),
            id: id.to_string(),
            transport: id.transport,
            name: id.name,
            bind: listener.bind,
            enabled: listener.enabled,
            connections_max: listener.max_connections,
            allowed_origins: listener.allowed_origins,
        }
    }

    /// The certificate (PEM) of the broker's own authority, which clients are given so that they trust
    /// the certificate it has made; none if it has made none.
    #[must_use]
    pub fn own_authority(&self) -> Option<String> {
        let path = self.0.configuration.listeners().own_authority();
        std::fs::read_to_string(path).ok()
    }

    /// The id of the listener with this number, such as `tcp:default`: what connections carry.
    #[must_use]
    pub fn listener_name(&self, number: u8) -> String {
        self.0.configuration.listeners().name(number)
    }

    /// Adds a listener. What is not wanted in particular is as the defaults are, whatever the file
    /// says of a listener of this name that was deleted.
    ///
    /// # Errors
    /// If there is one of this name, or it cannot listen.
    pub async fn add_listener(&self, id: &str, wanted: Wanted) -> Result<Listener, ListenerError> {
        let parsed = parse(id)?;
        if self.config().listeners.contains_key(&parsed) {
            return Err(ListenerError::Taken(id.to_owned()));
        }
        let wanted = Wanted {
            enabled: Some(wanted.enabled.unwrap_or(true)),
            connections_max: wanted
                .connections_max
                .or_else(|| Some(Raw::Text("none".to_owned()))),
            ..wanted
        };
        let mut changes = savable(&parsed, wanted)?;
        let (deleted, _) = Layers::deletion(&parsed);
        if self
            .0
            .configuration
            .now()
            .layers
            .saved()
            .contains_key(&deleted)
        {
            changes.insert(deleted, None);
        }
        self.0.configuration.change(changes).await?;
        self.listener(id)
    }

    /// Changes a listener. Connections stay unless it stops.
    ///
    /// # Errors
    /// If there is none, a value is locked or not allowed, or it cannot listen.
    pub async fn change_listener(
        &self,
        id: &str,
        wanted: Wanted,
    ) -> Result<Listener, ListenerError> {
        let parsed = parse(id)?;
        self.listener(id)?;
        let mut changes = savable(&parsed, wanted)?;
        let effective = self.0.configuration.now();
        let loaded = &effective.loaded;
        // What is as it is already need not be free to be changed: tools send back whole listeners.
        let shown = loaded.config.entries();
        changes.retain(|name, value| {
            !shown
                .iter()
                .any(|entry| entry.name == *name && Some(&entry.value) == value.as_ref())
        });
        let fixed = changes
            .keys()
            .filter_map(|name| match loaded.origins.get(name) {
                Some(origin @ (Origin::Env(_) | Origin::Flag)) => Some((name, origin)),
                _ => None,
            });
        if let Some((name, origin)) = fixed.into_iter().next() {
            return Err(ListenerError::Setting(SettingError::Locked {
                name: name.clone(),
                locked: super::settings::Locked::Overruled(origin.clone()),
            }));
        }
        if !changes.is_empty() {
            self.0.configuration.change(changes).await?;
        }
        self.listener(id)
    }

    /// Deletes a listener: its connections end, its port is free.
    ///
    /// # Errors
    /// If there is none, or the environment or a flag names it.
    pub async fn delete_listener(&self, id: &str) -> Result<(), ListenerError> {
        let parsed = parse(id)?;
        self.listener(id)?;
        let effective = self.0.configuration.now();
        if effective.layers.is_fixed(&parsed) {
            return Err(ListenerError::Fixed(id.to_owned()));
        }
        let section = parsed.section() + ".";
        let saved = effective.layers.saved().keys();
        let saved = saved.filter(|name| name.starts_with(&section));
        let mut changes: Changes = saved.map(|name| (name.clone(), None)).collect();
        // What only was saved is gone with that; the file and the defaults bring theirs back.
        let without = effective.layers.clone().with_saved(BTreeMap::new());
        let others = without.load().map_err(ChangeError::from)?;
        if others.config.listeners.contains_key(&parsed) {
            let (deleted, mark) = Layers::deletion(&parsed);
            changes.insert(deleted, Some(mark));
        }
        self.0.configuration.change(changes).await?;
        Ok(())
    }

    /// Ends a listener's connections and listens anew.
    ///
    /// # Errors
    /// If there is none, or it cannot listen again.
    pub async fn restart_listener(&self, id: &str) -> Result<(), ListenerError> {
        let parsed = parse(id)?;
        self.listener(id)?;
        let restarted = self.0.configuration.restart(&parsed).await;
        Ok(restarted.map_err(ChangeError::from)?)
    }
}

fn savable(id: &ListenerId, wanted: Wanted) -> Result<Changes, ListenerError> {
    let values = [
        ("bind", wanted.bind),
        ("enabled", wanted.enabled.map(Raw::Bool)),
        ("max_connections", wanted.connections_max),
        ("allowed_origins", wanted.allowed_origins),
        ("access_rules", wanted.access_rules),
        ("proxy_protocol", wanted.proxy_protocol.map(Raw::Bool)),
        ("forwarded_for", wanted.forwarded_for.map(Raw::Bool)),
        ("proxy_networks", wanted.proxy_networks),
        ("mountpoint", wanted.mountpoint),
        ("authenticators", wanted.authenticators),
    ];
    let mut changes = Changes::new();
    for (key, value) in values {
        if let Some(value) = value {
            save(&format!("{}.{key}", id.section()), &value, &mut changes)?;
        }
    }
    for (key, value) in wanted.rates {
        save(&format!("{}.{key}", id.section()), &value, &mut changes)?;
    }
    for (key, value) in wanted.ssl_options {
        let name = format!("{}.ssl_options.{key}", id.section());
        save(&name, &value, &mut changes)?;
    }
    Ok(changes)
}

fn save(name: &str, value: &Raw, changes: &mut Changes) -> Result<(), ListenerError> {
    let text = Layers::savable(name, value).map_err(ChangeError::from)?;
    changes.insert(name.to_owned(), Some(text));
    Ok(())
}
