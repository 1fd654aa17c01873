//! From facts to points. Each is judged by a function of its own, whose result stands in the list whether it
//! is weak or not, so that one can see what was looked at.

use std::net::{IpAddr, SocketAddr};

use super::{Backups, Fact, Id, Point, Readers, Seen, Severity, age, files};
use crate::config::{Config, Durability, Profile};
use crate::gateway::Gateway;
use crate::lan::is_near;

/// The dashboard's name among what listens.
pub(super) const DASHBOARD: &str = "http:dashboard";
/// So many days before its end a certificate is a weak point.
const CERTIFICATE_DAYS: i64 = 30;
/// The same of a revocation list.
const LIST_DAYS: i64 = 3;
/// A session that may wait for longer than so many days may as well wait for ever.
const SESSION_DAYS: u64 = 365;
/// Addresses of strangers that are named.
const STRANGERS_NAMED: usize = 5;

/// All points of which something is known, in their order.
#[must_use]
pub fn judge(config: &Config, seen: &Seen) -> Vec<Point> {
    let view = View { config, seen };
    [
        view.default_password(),
        Some(view.anonymous()),
        Some(view.public_address()),
        view.dashboard(),
        Some(view.unencrypted()),
        view.rules(),
        seen.readers.as_ref().map(Readers::point),
        view.plain_passwords(),
        view.plain_back_ends(),
        view.certificate_ends(),
        view.certificate_unusable(),
        view.revocation_list_ends(),
        view.readable_secrets(),
        view.data_directory(),
        Some(view.proxies()),
        Some(view.foreign_pages()),
        Some(view.unlimited()),
        Some(view.durability()),
        view.runs_as_root(),
        seen.today.map(age::release),
        seen.backups.map(Backups::point),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is looked at.
struct View<'a> {
    config: &'a Config,
    seen: &'a Seen,
}

impl View<'_> {
    fn default_password(&self) -> Option<Point> {
        let is_default = self.seen.default_password?;
        let reachable = self.is_reachable(|id| id == DASHBOARD, |at| !at.is_loopback());
        let severity = match is_default {
            false => Severity::Fine,
            true if reachable || self.is_production() => Severity::Danger,
            true => Severity::Warning,
        };
        let facts = vec![
            ("is_default", Fact::Flag(is_default)),
            ("reachable", Fact::Flag(reachable)),
        ];
        Some(point(Id::DefaultPassword, severity, facts))
    }

    fn anonymous(&self) -> Point {
        let allowed = self.config.mqtt.allow_anonymous;
        let trusted = self.config.lan_guard.trusted.iter();
        let wide: Vec<String> = trusted
            .filter(|network| network.is_wide())
            .map(ToString::to_string)
            .collect();
        let reachable = self.is_reachable(|id| id != DASHBOARD, |at| !at.is_loopback());
        // From where everybody comes, and whether they are let in.
        let mut gateways = self.config.lan_guard.gateway.hiding();
        let mut trusts = false;
        if self.config.lan_guard.gateway == Gateway::Trust {
            gateways = self.seen.gateways.iter().map(ToString::to_string).collect();
            trusts = !gateways.is_empty();
        }
        let severity = match allowed {
            true if !wide.is_empty() => Severity::Danger,
            true if reachable && self.is_production() => Severity::Danger,
            true if reachable => Severity::Warning,
            _ => Severity::Fine,
        };
        let facts = vec![
            ("allowed", Fact::Flag(allowed)),
            ("reachable", Fact::Flag(reachable)),
            ("public_networks", Fact::Texts(wide)),
            ("gateways", Fact::Texts(gateways)),
            ("gateway_trusted", Fact::Flag(trusts)),
        ];
        point(Id::Anonymous, severity, facts)
    }

    /// Listeners without TLS that strangers reach: what comes over them can be read on its way.
    fn public_address(&self) -> Point {
        let plain = |id: &str| id.starts_with("tcp:") || id.starts_with("ws:");
        let mut listeners: Vec<String> = Vec::new();
        for (id, at) in self.seen.listening.iter().filter(|(id, _)| plain(id)) {
            if self.is_public(*at) && !listeners.contains(id) {
                listeners.push(id.clone());
            }
        }
        let own = self.public_addresses().map(|ip| ip.to_string()).collect();
        let strangers = self.seen.strangers.iter().take(STRANGERS_NAMED);
        let strangers: Vec<String> = strangers.map(ToString::to_string).collect();
        let severity = if listeners.is_empty() && strangers.is_empty() {
            Severity::Fine
        } else {
            Severity::Warning
        };
        let facts = vec![
            ("listeners", Fact::Texts(listeners)),
            ("addresses", Fact::Texts(own)),
            ("strangers", Fact::Texts(strangers)),
        ];
        point(Id::PublicAddress, severity, facts)
    }

    /// It speaks HTTP: who signs in from afar shows the password to everybody in between.
    fn dashboard(&self) -> Option<Point> {
        let mut own = self.seen.listening.iter().filter(|(id, _)| id == DASHBOARD);
        own.next()?;
        let public = self.is_reachable_from_afar(|id| id == DASHBOARD);
        let reachable = self.is_reachable(|id| id == DASHBOARD, |at| !at.is_loopback());
        // An address of IPv6 is public in every home, and mostly behind a router that lets nobody in.
        let on_v4 = self.seen.listening.iter();
        let mut on_v4 = on_v4.filter(|(id, at)| id == DASHBOARD && at.is_ipv4());
        let severity = match public {
            true if on_v4.any(|(_, at)| self.is_public(*at)) => Severity::Danger,
            _ if reachable && self.is_production() => Severity::Danger,
            true => Severity::Warning,
            false => Severity::Fine,
        };
        let facts = vec![
            ("reachable", Fact::Flag(reachable)),
            ("public", Fact::Flag(public)),
        ];
        Some(point(Id::Dashboard, severity, facts))
    }

    fn unencrypted(&self) -> Point {
        let enabled = self.config.listeners.iter().filter(|(_, l)| l.enabled);
        let names = |is_tls: bool| {
            let fits = enabled
                .clone()
                .filter(|(id, _)| id.transport.is_tls() == is_tls);
            fits.map(|(id, _)| id.to_string()).collect::<Vec<_>>()
        };
        let (secure, plain) = (names(true), names(false));
        let severity = if secure.is_empty() && !plain.is_empty() {
            Severity::Warning
        } else {
            Severity::Fine
        };
        let facts = vec![
            ("plain", Fact::Texts(plain)),
            ("secure", Fact::Texts(secure)),
        ];
        point(Id::Unencrypted, severity, facts)
    }

    /// Without rules everybody who is let in reads and writes everything.
    fn rules(&self) -> Option<Point> {
        let access = self.seen.access?;
        let severity = if access.rules == 0 && !access.denies_unmatched {
            Severity::Warning
        } else {
            Severity::Fine
        };
        let no_match = if access.denies_unmatched {
            "deny"
        } else {
            "allow"
        };
        let facts = vec![
            ("rules", Fact::Number(number(access.rules))),
            ("no_match", Fact::Text(no_match.to_owned())),
        ];
        Some(point(Id::Rules, severity, facts))
    }

    fn plain_passwords(&self) -> Option<Point> {
        let all = &self.seen.authenticators;
        let plain = all.iter().filter(|one| one.keeps_plain);
        let plain: Vec<String> = plain.map(|one| one.id.clone()).collect();
        let severity = warning_unless(plain.is_empty());
        let facts = vec![("authenticators", Fact::Texts(plain))];
        (!all.is_empty()).then(|| point(Id::PlainPasswords, severity, facts))
    }

    /// What a client shows only to the broker, its back ends should not show to everybody in between.
    fn plain_back_ends(&self) -> Option<Point> {
        let all = &self.seen.authenticators;
        let open = all.iter().filter_map(|one| {
            let place = one.open_way.as_ref()?;
            Some(format!("{} ({place})", one.id))
        });
        let open: Vec<String> = open.collect();
        let severity = warning_unless(open.is_empty());
        let facts = vec![("authenticators", Fact::Texts(open))];
        (!all.is_empty()).then(|| point(Id::PlainBackEnds, severity, facts))
    }

    /// About the one that ends first.
    fn certificate_ends(&self) -> Option<Point> {
        let all = self.seen.certificates.iter();
        let first = all.min_by_key(|one| one.days_left)?;
        let severity = match first.days_left {
            ..=0 => Severity::Danger,
            1..=CERTIFICATE_DAYS => Severity::Warning,
            _ => Severity::Fine,
        };
        let facts = vec![
            ("listener", Fact::Text(first.listener.clone())),
            ("days", Fact::Number(first.days_left)),
        ];
        Some(point(Id::CertificateEnds, severity, facts))
    }

    fn certificate_unusable(&self) -> Option<Point> {
        let all = &self.seen.certificates;
        let broken = all.iter().filter_map(|one| {
            let trouble = one.trouble.as_ref()?;
            Some((one.listener.clone(), trouble.clone()))
        });
        let (listeners, troubles): (Vec<_>, Vec<_>) = broken.unzip();
        // The next start fails on it.
        let severity = if listeners.is_empty() {
            Severity::Fine
        } else {
            Severity::Danger
        };
        let facts = vec![
            ("listeners", Fact::Texts(listeners)),
            ("errors", Fact::Texts(troubles)),
        ];
        (!all.is_empty()).then(|| point(Id::CertificateUnusable, severity, facts))
    }

    /// Past its date it lets nobody in any more: that is no danger, but somebody may not know.
    fn revocation_list_ends(&self) -> Option<Point> {
        let all = self.seen.certificates.iter();
        let lists = all.filter_map(|one| Some((one.list_days_left?, &one.listener)));
        let (days, listener) = lists.min()?;
        let facts = vec![
            ("listener", Fact::Text(listener.clone())),
            ("days", Fact::Number(days)),
        ];
        let severity = warning_unless(days > LIST_DAYS);
        Some(point(Id::RevocationListEnds, severity, facts))
    }

    fn readable_secrets(&self) -> Option<Point> {
        let own = self.seen.authenticators.iter();
        let own = own.filter_map(|one| one.file.clone());
        let found = files::readable_secrets(self.config, own);
        let found: Vec<String> = found.iter().map(|p| p.display().to_string()).collect();
        let severity = if found.is_empty() {
            Severity::Fine
        } else {
            Severity::Danger
        };
        let facts = vec![("files", Fact::Texts(found))];
        cfg!(unix).then(|| point(Id::ReadableSecrets, severity, facts))
    }

    fn data_directory(&self) -> Option<Point> {
        let open = files::open_directories(&self.config.node.data_dir);
        let severity = match open.as_slice() {
            [] => Severity::Fine,
            open if open.iter().any(|dir| dir.is_writable) => Severity::Danger,
            _ => Severity::Warning,
        };
        let paths = open.iter().map(|dir| dir.path.display().to_string());
        let modes = open.iter().map(|dir| dir.mode.clone());
        let facts = vec![
            ("directories", Fact::Texts(paths.collect())),
            ("modes", Fact::Texts(modes.collect())),
        ];
        cfg!(unix).then(|| point(Id::DataDirectory, severity, facts))
    }

    /// Whoever is taken for a proxy says of himself where he comes from.
    fn proxies(&self) -> Point {
        let listeners = self.config.listeners.iter();
        let listeners = listeners.filter(|(_, listener)| {
            let wide = listener.proxy_networks.iter().any(|n| n.is_wide());
            listener.enabled && (listener.proxy_protocol || listener.forwarded_for) && wide
        });
        let listeners: Vec<String> = listeners.map(|(id, _)| id.to_string()).collect();
        let severity = if listeners.is_empty() {
            Severity::Fine
        } else {
            Severity::Danger
        };
        let facts = vec![("listeners", Fact::Texts(listeners))];
        point(Id::Proxies, severity, facts)
    }

    fn foreign_pages(&self) -> Point {
        let any = |origin: &String| origin == "*" || origin == "null";
        let listeners = self.config.listeners.iter();
        let listeners = listeners.filter(|(_, l)| l.enabled && l.allowed_origins.iter().any(any));
        let listeners: Vec<String> = listeners.map(|(id, _)| id.to_string()).collect();
        let severity = warning_unless(listeners.is_empty());
        let facts = vec![("listeners", Fact::Texts(listeners))];
        point(Id::ForeignPages, severity, facts)
    }

    /// What has no bound matters where strangers can make it grow.
    fn unlimited(&self) -> Point {
        let mut settings = Vec::new();
        for (id, listener) in self.config.listeners.iter().filter(|(_, l)| l.enabled) {
            let open = self.seen.listening.iter();
            let mut open = open.filter(|(other, _)| *other == id.to_string());
            if listener.max_connections.is_none() && open.any(|(_, at)| !at.ip().is_loopback()) {
                settings.push(format!("{}.max_connections", id.section()));
            }
        }
        let mqtt = &self.config.mqtt;
        let days = |time: std::time::Duration| time.as_secs() / 86_400;
        if days(mqtt.max_session_expiry) > SESSION_DAYS {
            settings.push("mqtt.max_session_expiry".to_owned());
        }
        let far = self.is_reachable_from_afar(|id| id != DASHBOARD);
        let severity = warning_unless(settings.is_empty() || !far);
        let facts = vec![
            ("settings", Fact::Texts(settings)),
            ("public", Fact::Flag(far)),
        ];
        point(Id::Unlimited, severity, facts)
    }

    fn durability(&self) -> Point {
        let (word, is_safe) = match self.config.node.durability {
            Durability::Sync => ("sync", true),
            Durability::Interval => ("interval", false),
            Durability::Os => ("os", false),
        };
        let facts = vec![("durability", Fact::Text(word.to_owned()))];
        point(Id::Durability, warning_unless(is_safe), facts)
    }

    fn runs_as_root(&self) -> Option<Point> {
        let is_root = self.seen.is_root?;
        let facts = vec![("root", Fact::Flag(is_root))];
        Some(point(Id::RunsAsRoot, warning_unless(!is_root), facts))
    }

    fn is_production(&self) -> bool {
        self.config.node.profile == Profile::Production
    }

    /// Addresses of this machine that anybody in the world may know the way to.
    fn public_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let own = self.seen.own_addresses.iter().copied();
        own.filter(|ip| !is_near(*ip, &[]))
    }

    fn is_public(&self, at: SocketAddr) -> bool {
        super::is_public_on(at, &self.seen.own_addresses)
    }

    /// Whether one of these listens at an address of which that is true.
    fn is_reachable(&self, which: impl Fn(&str) -> bool, at: impl Fn(IpAddr) -> bool) -> bool {
        let mut listening = self.seen.listening.iter();
        listening.any(|(id, address)| which(id) && at(address.ip()))
    }

    fn is_reachable_from_afar(&self, which: impl Fn(&str) -> bool) -> bool {
        let mut listening = self.seen.listening.iter();
        listening.any(|(id, address)| which(id) && self.is_public(*address))
    }
}

fn point(id: Id, severity: Severity, facts: Vec<(&'static str, Fact)>) -> Point {
    Point {
        id,
        severity,
        facts,
        aside: None,
    }
}

pub(super) fn warning_unless(is_fine: bool) -> Severity {
    if is_fine {
        Severity::Fine
    } else {
        Severity::Warning
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use crate::security::{Access, Authenticator, Certificate, before_start};

    /// What is said of one point.
    fn of(sets: &[&str], change: impl FnOnce(&mut Seen), id: Id) -> Option<Severity> {
        let dir = std::env::temp_dir().join("ternmq-no-such-directory");
        let dir = format!("data_dir={}", dir.display());
        let sources = Sources {
            sets: sets
                .iter()
                .map(|set| (*set).to_owned())
                .chain([dir])
                .collect(),
            ..Sources::default()
        };
        let config = Config::load(&sources).unwrap().config;
        let mut seen = Seen {
            own_addresses: vec!["192.168.1.5".parse().unwrap()],
            ..before_start(&config)
        };
        seen.own_addresses.truncate(1);
        change(&mut seen);
        let points = judge(&config, &seen);
        let mut found = points.iter().filter(|point| point.id == id);
        let severity = found.next().map(|point| point.severity);
        assert!(found.next().is_none(), "told once");
        severity
    }

    const LOCAL: &[&str] = &[
        "listeners.tcp.default.bind=127.0.0.1:1883",
        "listeners.ssl.default.bind=127.0.0.1:8883",
        "listeners.ws.default.bind=127.0.0.1:8083",
        "listeners.wss.default.bind=127.0.0.1:8084",
        "dashboard.bind=127.0.0.1:18083",
    ];

    fn public(seen: &mut Seen) {
        seen.own_addresses.push("203.0.113.7".parse().unwrap());
    }

    #[test]
    fn a_trusted_gateway_is_told() {
        for (gateway, trusts) in [("trust", true), ("172.17.0.1", false)] {
            let sources = Sources {
                sets: vec![format!("lan_guard.gateway={gateway}")],
                ..Sources::default()
            };
            let config = Config::load(&sources).unwrap().config;
            let seen = Seen {
                gateways: vec!["172.17.0.1".parse().unwrap()],
                ..before_start(&config)
            };
            let points = judge(&config, &seen);
            let point = points.iter().find(|point| point.id == Id::Anonymous);
            let point = point.unwrap();
            assert_eq!(point.fact("gateway_trusted"), Some(&Fact::Flag(trusts)));
            use crate::config::Lang;
            let told = |lang| point.words(lang).what.contains("172.17.0.1");
            assert_eq!((told(Lang::En), told(Lang::Zh)), (trusts, trusts));
        }
    }

    #[test]
    fn settings_and_addresses() {
        use Severity::{Danger, Fine, Warning};
        let nothing: fn(&mut Seen) = |_| ();
        type Row<'a> = (&'a [&'a str], fn(&mut Seen), Id, Severity);
        let table: [Row<'_>; 22] = [
            (&[], nothing, Id::Anonymous, Warning),
            (LOCAL, nothing, Id::Anonymous, Fine),
            (
                &["mqtt.allow_anonymous=false"],
                nothing,
                Id::Anonymous,
                Fine,
            ),
            (
                &["lan_guard.trusted=0.0.0.0/0"],
                nothing,
                Id::Anonymous,
                Danger,
            ),
            (&[], nothing, Id::PublicAddress, Fine),
            (&[], public, Id::PublicAddress, Warning),
            (LOCAL, public, Id::PublicAddress, Fine),
            (&[], nothing, Id::Dashboard, Fine),
            (&[], public, Id::Dashboard, Danger),
            (LOCAL, public, Id::Dashboard, Fine),
            (&[], nothing, Id::Unencrypted, Fine),
            (&[], nothing, Id::Unlimited, Fine),
            (&[], public, Id::Unlimited, Warning),
            (
                &["mqtt.max_session_expiry=49710d"],
                nothing,
                Id::Unlimited,
                Fine,
            ),
            (&[], nothing, Id::Durability, Fine),
            (&["durability=os"], nothing, Id::Durability, Warning),
            (&[], nothing, Id::ForeignPages, Fine),
            (
                &["listeners.ws.default.allowed_origins=*"],
                nothing,
                Id::ForeignPages,
                Warning,
            ),
            (&[], nothing, Id::Proxies, Fine),
            (
                &[
                    "listeners.tcp.default.proxy_protocol=true",
                    "listeners.tcp.default.proxy_networks=0.0.0.0/0",
                ],
                nothing,
                Id::Proxies,
                Danger,
            ),
            (
                &["listeners.tcp.default.proxy_networks=0.0.0.0/0"],
                nothing,
                Id::Proxies,
                Fine,
            ),
            (
                &[
                    "listeners.ssl.default.enabled=false",
                    "listeners.wss.default.enabled=false",
                ],
                nothing,
                Id::Unencrypted,
                Warning,
            ),
        ];
        for (sets, change, id, due) in table {
            assert_eq!(of(sets, change, id), Some(due), "{sets:?} {id:?}");
        }
    }

    /// What is usual at home is a danger in production.
    #[test]
    fn production_is_stricter() {
        let anywhere = ["profile=production", "dashboard.bind=18083"];
        let open = ["profile=production", "mqtt.allow_anonymous=true"];
        let closed = ["profile=production"];
        let nothing: fn(&mut Seen) = |_| ();
        let password = |seen: &mut Seen| seen.default_password = Some(true);
        assert_eq!(
            of(&anywhere, nothing, Id::Dashboard),
            Some(Severity::Danger)
        );
        assert_eq!(of(&closed, nothing, Id::Dashboard), Some(Severity::Fine));
        assert_eq!(of(&open, nothing, Id::Anonymous), Some(Severity::Danger));
        assert_eq!(of(&closed, nothing, Id::Anonymous), Some(Severity::Fine));
        assert_eq!(
            of(&closed, password, Id::DefaultPassword),
            Some(Severity::Danger)
        );
    }

    /// Who came from afar shows that somebody forwards the port, whatever the machine's own addresses.
    #[test]
    fn strangers_show_the_way() {
        let came = |seen: &mut Seen| seen.strangers.push("203.0.113.9".parse().unwrap());
        assert_eq!(of(LOCAL, came, Id::PublicAddress), Some(Severity::Warning));
    }

    /// A home whose only public address is of IPv6 is not told that everybody comes in.
    #[test]
    fn ipv6_at_home() {
        let v6 = |seen: &mut Seen| seen.own_addresses.push("2001:db8::5".parse().unwrap());
        assert_eq!(of(&[], v6, Id::Dashboard), Some(Severity::Warning));
    }

    #[test]
    fn what_a_running_broker_knows() {
        use Severity::{Danger, Fine, Warning};
        let nothing: fn(&mut Seen) = |_| ();
        for id in [
            Id::DefaultPassword,
            Id::Rules,
            Id::Readers,
            Id::PlainPasswords,
            Id::PlainBackEnds,
            Id::CertificateEnds,
            Id::CertificateUnusable,
            Id::RevocationListEnds,
            Id::RunsAsRoot,
            Id::BackupAge,
        ] {
            assert_eq!(of(&[], nothing, id), None, "{id:?} is not known");
        }
        let password = |is_default| move |seen: &mut Seen| seen.default_password = Some(is_default);
        assert_eq!(of(&[], password(true), Id::DefaultPassword), Some(Danger));
        assert_eq!(
            of(LOCAL, password(true), Id::DefaultPassword),
            Some(Warning)
        );
        assert_eq!(of(&[], password(false), Id::DefaultPassword), Some(Fine));
        for (rules, denies_unmatched, due) in
            [(0, false, Warning), (1, false, Fine), (0, true, Fine)]
        {
            let access = Access {
                rules,
                denies_unmatched,
            };
            assert_eq!(of(&[], |s| s.access = Some(access), Id::Rules), Some(due));
        }
        for (days_left, trouble, ends, unusable) in [
            (400, None, Fine, Fine),
            (31, None, Fine, Fine),
            (30, None, Warning, Fine),
            (1, None, Warning, Fine),
            (0, None, Danger, Fine),
            (-1, Some("half a file".to_owned()), Danger, Danger),
        ] {
            let certificate = Certificate {
                listener: "ssl:default".to_owned(),
                days_left,
                list_days_left: Some(days_left),
                trouble,
            };
            let has = |seen: &mut Seen| seen.certificates.push(certificate.clone());
            assert_eq!(of(&[], has, Id::CertificateEnds), Some(ends));
            assert_eq!(of(&[], has, Id::CertificateUnusable), Some(unusable));
            let list = if days_left <= 3 { Warning } else { Fine };
            assert_eq!(of(&[], has, Id::RevocationListEnds), Some(list));
        }
        let keeps = |keeps_plain| {
            move |seen: &mut Seen| {
                seen.authenticators.push(Authenticator {
                    id: "password_based:built_in_database".to_owned(),
                    keeps_plain,
                    open_way: keeps_plain.then(|| "ldap.example:389".to_owned()),
                    file: None,
                });
            }
        };
        assert_eq!(of(&[], keeps(true), Id::PlainBackEnds), Some(Warning));
        assert_eq!(of(&[], keeps(false), Id::PlainBackEnds), Some(Fine));
        assert_eq!(of(&[], keeps(true), Id::PlainPasswords), Some(Warning));
        assert_eq!(of(&[], keeps(false), Id::PlainPasswords), Some(Fine));
        assert_eq!(
            of(&[], |s| s.is_root = Some(true), Id::RunsAsRoot),
            Some(Warning)
        );
    }
}
