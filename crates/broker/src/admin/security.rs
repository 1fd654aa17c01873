//! Weak points of the running broker: what it knows of itself, judged.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    Admin,
    authentication::{Algorithm, Method, Salt},
    settings::Config,
};
use crate::{
    config::Lang,
    gateway,
    lan::is_near,
    security::{self, Access, Authenticator, Certificate, Seen},
    tls,
};

pub use crate::security::{Fact, Id, Point, Severity, Words};

/// How long a stranger who came is remembered here; the connection log may have forgotten earlier.
const STRANGERS_MILLIS: u64 = 86_400_000;

impl Admin {
    /// All points, weak or not. `default_password` says whether everybody knows that of the dashboard. Looks
    /// at files: not for a thread that must not wait.
    #[must_use]
    pub fn security(&self, default_password: bool) -> Vec<Point> {
        let config = self.config();
        security::judge(&config, &self.seen(&config, default_password))
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
            certificates: certificates.collect(),
            authenticators: authenticators.map(|setup| known(&setup.method)).collect(),
            is_root: security::is_root(),
        }
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
