//! Weak points of a broker: what its settings, its files and its surroundings let strangers do. Judged from
//! facts that somebody else has gathered, so that a broker that runs and a configuration that waits are
//! judged alike.

mod age;
mod aside;
mod doors;
mod files;
mod judge;
mod readers;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::lan::is_near;
pub use age::{Backups, RELEASED};
pub(crate) use age::{days_between, today};

pub use aside::Aside;
pub(crate) use aside::may_be_put_aside;
pub use doors::doors;
pub use judge::judge;
pub(crate) use readers::READERS_NAMED;
pub use readers::{Reader, Readers};
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
    Readers,
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
    OldVersion,
    BackupAge,
}

impl Id {
    pub const ALL: [Self; 21] = [
        Self::DefaultPassword,
        Self::Anonymous,
        Self::PublicAddress,
        Self::Dashboard,
        Self::Unencrypted,
        Self::Rules,
        Self::Readers,
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
        Self::OldVersion,
        Self::BackupAge,
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
            Self::Readers => "readers",
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
            Self::OldVersion => "old_version",
            Self::BackupAge => "backup_age",
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
    /// Somebody has put it aside, and that still holds.
    pub aside: Option<Aside>,
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
    pub readers: Option<Readers>,
    /// In use by listeners.
    pub certificates: Vec<Certificate>,
    pub authenticators: Vec<Authenticator>,
    /// The process has all rights of the system.
    pub is_root: Option<bool>,
    /// The day, since 1970.
    pub today: Option<i64>,
    pub backups: Option<Backups>,
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
        today: Some(today()),
        ..Seen::default()
    }
}

/// Of this machine's interfaces; none where the system does not tell.
pub(crate) fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.iter().map(if_addrs::Interface::ip).collect()
}

/// Whether something that listens there is reached by a public address of this machine.
#[must_use]
pub fn is_public(at: SocketAddr) -> bool {
    is_public_on(at, &own_addresses())
}

/// The same of a machine with these addresses. One that stands for all is of one family.
fn is_public_on(at: SocketAddr, own: &[IpAddr]) -> bool {
    let is_far = |ip: IpAddr| !is_near(ip, &[]);
    if at.ip().is_unspecified() {
        let mut own = own.iter().filter(|ip| ip.is_ipv4() == at.is_ipv4());
        return own.any(|ip| is_far(*ip));
    }
    is_far(at.ip())
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
