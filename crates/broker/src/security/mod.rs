//! Weak points of a broker: what its settings, its files and its surroundings let strangers do. Judged from
//! facts that somebody else has gathered, so that a broker that runs and a configuration that waits are
//! judged alike.

mod doors;
mod files;
mod judge;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

pub use doors::doors;
pub use judge::judge;
pub use words::Words;

/// What may be weak: a word that stays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Id {
    DefaultPassword,
    Anonymous,
    PublicAddress,
    Dashboard,
    Unencrypted,
    Rules,
    PlainPasswords,
    PlainBackEnds,
    CertificateEnds,
    CertificateUnusable,
    RevocationListEnds,
    ReadableSecrets,
    DataDirectory,
    Proxies,
    ForeignPages,
    Unlimited,
    Durability,
    RunsAsRoot,
}

impl Id {
    pub const ALL: [Self; 18] = [
        Self::DefaultPassword,
        Self::Anonymous,
        Self::PublicAddress,
        Self::Dashboard,
        Self::Unencrypted,
        Self::Rules,
        Self::PlainPasswords,
        Self::PlainBackEnds,
        Self::CertificateEnds,
        Self::CertificateUnusable,
        Self::RevocationListEnds,
        Self::ReadableSecrets,
        Self::DataDirectory,
        Self::Proxies,
        Self::ForeignPages,
        Self::Unlimited,
        Self::Durability,
        Self::RunsAsRoot,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DefaultPassword => "default_password",
            Self::Anonymous => "anonymous",
            Self::PublicAddress => "public_address",
            Self::Dashboard => "dashboard",
            Self::Unencrypted => "unencrypted",
            Self::Rules => "rules",
            Self::PlainPasswords => "plain_passwords",
            Self::PlainBackEnds => "plain_back_ends",
            Self::CertificateEnds => "certificate_ends",
            Self::CertificateUnusable => "certificate_unusable",
            Self::RevocationListEnds => "revocation_list_ends",
            Self::ReadableSecrets => "readable_secrets",
            Self::DataDirectory => "data_directory",
            Self::Proxies => "proxies",
            Self::ForeignPages => "foreign_pages",
            Self::Unlimited => "unlimited",
            Self::Durability => "durability",
            Self::RunsAsRoot => "runs_as_root",
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    Danger,
    Warning,
    Fine,
}

impl Severity {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Danger => "danger",
            Self::Warning => "warning",
            Self::Fine => "fine",
        }
    }
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    Flag(bool),
    Number(i64),
    Text(String),
    Texts(Vec<String>),
}

/// One point, weak or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Point {
    pub id: Id,
    pub severity: Severity,
    /// By name, in an order that stays.
    pub facts: Vec<(&'static str, Fact)>,
}

impl Point {
    fn fact(&self, name: &str) -> Option<&Fact> {
        let found = self.facts.iter().find(|(other, _)| *other == name);
        found.map(|(_, fact)| fact)
    }
}

/// What is known besides the settings. What only a running broker knows is `None` where there is none, and
/// then nothing is said of it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// `admin` signs in with the password that everybody knows.
    pub default_password: Option<bool>,
    /// Where listeners (`tcp:default`) and the dashboard (`http:dashboard`) listen.
    pub listening: Vec<(String, SocketAddr)>,
    /// Of this machine's interfaces.
    pub own_addresses: Vec<IpAddr>,
    /// Public addresses from which somebody came lately.
    pub strangers: Vec<IpAddr>,
    /// Of this container, behind which anybody may be.
    pub gateways: Vec<IpAddr>,
    pub access: Option<Access>,
    /// In use by listeners.
    pub certificates: Vec<Certificate>,
    pub authenticators: Vec<Authenticator>,
    /// The process has all rights of the system.
    pub is_root: Option<bool>,
}

/// The rules of access.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub rules: usize,
    pub denies_unmatched: bool,
}

/// A listener's certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub listener: String,
    /// Days until it ends, the last of them begun; none is left of one that has ended.
    pub days_left: i64,
    /// The same of its revocation lists, of the one that ends first.
    pub list_days_left: Option<i64>,
    /// Why its files cannot be used as they are now.
    pub trouble: Option<String>,
}

/// How clients are known.
#[derive(Clone, Debug)]
pub struct Authenticator {
    pub id: String,
    /// It keeps new passwords so that whoever reads them has them.
    pub keeps_plain: bool,
    /// Who is asked over the network and without TLS whether a client's password is right.
    pub open_way: Option<String>,
    /// A file with passwords.
    pub file: Option<PathBuf>,
}

/// What a configuration will lead to, as far as that can be known before a broker runs on it.
#[must_use]
pub fn before_start(config: &crate::config::Config) -> Seen {
    let mut listening = Vec::new();
    for (id, listener) in config.listeners.iter().filter(|(_, l)| l.enabled) {
        listening.extend(listener.bind.iter().map(|at| (id.to_string(), *at)));
    }
    if config.dashboard.enabled {
        let binds = config.dashboard.bind.iter();
        listening.extend(binds.map(|at| (judge::DASHBOARD.to_owned(), *at)));
    }
    Seen {
        listening,
        own_addresses: own_addresses(),
        gateways: crate::gateway::detected().to_vec(),
        ..Seen::default()
    }
}

/// Of this machine's interfaces; none where the system does not tell.
pub(crate) fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.iter().map(if_addrs::Interface::ip).collect()
}

/// Whether this process has all rights; `None` where the system has no such thing.
#[cfg(unix)]
pub(crate) fn is_root() -> Option<bool> {
    Some(rustix::process::geteuid().is_root())
}

#[cfg(not(unix))]
pub(crate) fn is_root() -> Option<bool> {
    None
}
