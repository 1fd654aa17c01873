//! Weak points of the running broker: what it knows of itself, judged.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    Admin, Bucket, KeepError,
    authentication::{Algorithm, Method, Salt},
    settings::Config,
};
use crate::{
    config::Lang,
    gateway,
    lan::is_near,
    marks::{self, Mark},
    security::{self, Access, Authenticator, Backups, Certificate, Readers, Seen},
    tls,
};

pub use crate::security::{Aside, Fact, Id, Point, Severity, Words};

/// Why a point was not put aside.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AsideError {
    /// Its severity.
    #[error("only what is worth a look (warning) can be put aside, and this is {0}")]
    Severity(&'static str),
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// How long a stranger who came is remembered here; the connection log may have forgotten earlier.
const STRANGERS_MILLIS: u64 = 86_400_000;

impl Admin {
    /// All points, weak or not. `default_password` says whether everybody knows that of the dashboard, and
    /// `readers` who reads everything, if somebody has asked. Looks at files: not for a thread that must not
    /// wait.
    #[must_use]
    pub fn security(&self, default_password: bool, readers: Option<Readers>) -> Vec<Point> {
        let config = self.config();
        let mut seen = self.seen(&config, default_password);
        seen.readers = readers;
        let mut points = security::judge(&config, &seen);
        let now = self.now_millis();
        let aside = self.aside();
        for point in &mut points {
            let of_it = aside.iter().find(|(id, _)| id == point.id.name());
            point.aside = of_it
                .filter(|(_, aside)| aside.holds(point, now))
                .map(|(_, aside)| aside.clone());
        }
        points
    }

    /// What was put aside, whether it still holds or not. Without the store nothing was.
    fn aside(&self) -> Vec<(String, Aside)> {
        let records = self.keep().load(Bucket::Aside).unwrap_or_default();
        let each = records.iter().filter_map(|(key, value)| {
            let id = std::str::from_utf8(key).ok()?.to_owned();
            Some((id, serde_json::from_slice(value).ok()?))
        });
        each.collect()
    }

    /// Puts a point aside as it is now, for 90 days or until it says something else.
    ///
    /// # Errors
    /// If it is dangerous or fine, or that cannot be kept.
    pub async fn put_aside(&self, point: &Point, by: &str) -> Result<Aside, AsideError> {
        if !security::may_be_put_aside(point) {
            return Err(AsideError::Severity(point.severity.name()));
        }
        let aside = Aside::new(point, by, self.now_millis());
        let value = serde_json::to_vec(&aside).expect("texts and numbers become JSON");
        let record = (point.id.name().as_bytes().to_vec(), Some(value));
        self.keep().put(Bucket::Aside, vec![record]).await?;
        Ok(aside)
    }

    /// Takes a point back.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub async fn end_aside(&self, id: Id) -> Result<(), KeepError> {
        let gone = (id.name().as_bytes().to_vec(), None);
        self.keep().put(Bucket::Aside, vec![gone]).await
    }

    /// Who comes in by which listener, a line for each.
    #[must_use]
    pub fn doors(&self, lang: Lang) -> Vec<String> {
        let setups = self.authenticators();
        let enabled = setups.iter().filter(|setup| setup.enable);
        let asked: Vec<_> = enabled.map(|setup| setup.method.id()).collect();
        security::doors(&self.config(), Some(&asked), lang)
    }

    fn seen(&self, config: &Config, default_password: bool) -> Seen {
        let listeners = self.0.configuration.listeners();
        let settings = self.access_settings();
        let decided = self.decided();
        let rules = decided
            .policy
            .access
            .as_ref()
            .map_or(0, |rules| rules.len());
        drop(decided);
        let certificates = listeners.contexts().into_iter();
        let certificates = certificates.map(|(id, context)| {
            let terms = context.terms();
            Certificate {
                listener: id.to_string(),
                days_left: tls::days_left(terms.facts.valid_until),
                list_days_left: terms.lists_until.map(tls::days_left),
                trouble: context.trouble().map(|trouble| trouble.to_string()),
            }
        });
        let authenticators = self.authenticators().into_iter();
        Seen {
            default_password: Some(default_password && config.dashboard.enabled),
            listening: listeners.addresses(),
            own_addresses: security::own_addresses(),
            strangers: self.strangers(),
            gateways: gateway::detected().to_vec(),
            access: Some(Access {
                rules,
                denies_unmatched: settings.denies_unmatched,
            }),
            readers: None,
            certificates: certificates.collect(),
            authenticators: authenticators.map(|setup| known(&setup.method)).collect(),
            is_root: security::is_root(),
            today: Some(security::today()),
            backups: Some(self.backups_seen(config)),
        }
    }

    /// Of backups that were made before there were marks, those that lie here count.
    fn backups_seen(&self, config: &Config) -> Backups {
        let dir = &config.node.data_dir;
        let now = marks::now_millis();
        let days = |at: u64| security::days_between(at, now);
        let made = Mark::LastBackup.read(dir).max(self.last_backup());
        let since = Mark::DataSince.read(dir).unwrap_or(now);
        Backups {
            data_days: self.has_data().then(|| days(since)),
            last_days: made.map(days),
        }
    }

    /// Whether there is anything that outlives its connection: sessions, retained messages, MQTT users.
    pub(crate) fn has_data(&self) -> bool {
        let gauges = self.0.post.metrics().gauges;
        gauges.lasting > 0 || gauges.retained > 0 || self.0.office.has_users()
    }

    /// Public addresses from which somebody came, of those whom the connection log remembers.
    fn strangers(&self) -> Vec<IpAddr> {
        let since = self.now_millis().saturating_sub(STRANGERS_MILLIS);
        let found: BTreeSet<IpAddr> = self.0.observed.connections.look_back(since, |entries| {
            let peers = entries.map(|entry| entry.peer.ip());
            peers.filter(|ip| !is_near(*ip, &[])).collect()
        });
        found.into_iter().collect()
    }
}

fn known(method: &Method) -> Authenticator {
    let is_plain = |algorithm: &Algorithm| match algorithm {
        Algorithm::Plain => true,
        Algorithm::Sha256 { salt_position } | Algorithm::Sha512 { salt_position } => {
            *salt_position == Salt::Disable
        }
        Algorithm::Argon2id | Algorithm::Bcrypt { .. } | Algorithm::Pbkdf2 { .. } => false,
    };
    let mut known = Authenticator {
        id: method.id().to_owned(),
        keeps_plain: false,
        open_way: None,
        file: None,
    };
    match method {
        Method::BuiltIn(own) => known.keeps_plain = is_plain(&own.password_hash_algorithm),
        Method::File(file) => known.file = Some(file.path.clone()),
        Method::Http(service) => known.open_way = service.open_way(),
        Method::Ldap(ldap) => known.open_way = ldap.directory.open_way(),
        Method::Database(_) | Method::Jwt(_) | Method::Scram(_) => {}
    }
    known
}
