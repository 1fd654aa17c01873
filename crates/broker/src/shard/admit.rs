//! Whether a client that no authenticator is asked about is let in, from what its CONNECT says and where
//! it comes from.

use std::{net::IpAddr, sync::Arc};

use engine::{
    Admission, Cause, Guest,
    acl::{Principal, User},
};

use crate::{
    config::NamedBy,
    lan::{self, Distance},
    settings::Limits,
    tls::{Channel, Facts},
};

/// Whether a guest comes in as nobody in particular.
///
/// Where there are no authenticators, nobody knows any user name: who brings one counts as anonymous like
/// everybody else, and is wrong about it where anonymous is off.
pub(super) fn judge(
    address: IpAddr,
    guest: &Guest<'_>,
    limits: &Limits,
) -> Result<Admission, Cause> {
    if !limits.allow_anonymous {
        let credentials = guest.user_name.is_some() || guest.password.is_some();
        return Err(if credentials {
            Cause::WrongPassword
        } else {
            Cause::AnonymousOff
        });
    }
    // Whoever is anonymous has to be near.
    match lan::distance(address, &limits.lan_guard) {
        Distance::Near => Ok(Admission::Anonymous),
        Distance::Trusted => Ok(Admission::Afar),
        Distance::Gateway => Err(Cause::Gateway),
        Distance::Far => Err(Cause::LanGuard),
    }
}

/// Whom the certificate names that the client showed, if it showed one and that counts. It was checked
/// with the handshake.
pub(super) fn certified(tls: Option<&Channel>, by: NamedBy) -> Option<Arc<Principal>> {
    if by == NamedBy::Nothing {
        return None;
    }
    let facts = tls?.peer()?;
    let user = User {
        common_name: facts.common_name.clone().map(Into::into),
        ..User::new(named(facts, by)?)
    };
    Some(Arc::new(Principal::User(user)))
}

/// The client id in the certificate that a client showed, if that counts.
pub(super) fn certified_id(tls: Option<&Channel>, by: NamedBy) -> Option<String> {
    if by == NamedBy::Nothing {
        return None;
    }
    named(tls?.peer()?, by)
}

/// A name that MQTT can carry.
fn named(facts: Facts, by: NamedBy) -> Option<String> {
    let name = match by {
        NamedBy::Nothing => None,
        NamedBy::CommonName => facts.common_name,
        NamedBy::Subject => Some(facts.subject),
        NamedBy::AlternativeName => facts.names.into_iter().next(),
    };
    let fits = |name: &String| (1..=65_535).contains(&name.len()) && !name.contains('\0');
    name.filter(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use crate::transport::http::Ports;
    use protocol::Version;

    #[test]
    fn who_may_come_in() {
        let table = [
            (&[][..], "127.0.0.1", None, Ok(Admission::Anonymous)),
            (&[], "192.168.1.2", Some("u"), Ok(Admission::Anonymous)),
            (&[], "203.0.113.9", None, Err(Cause::LanGuard)),
            (&[], "203.0.113.9", Some("u"), Err(Cause::LanGuard)),
            (
                &["lan_guard.trusted=[\"203.0.113.0/24\"]"],
                "203.0.113.9",
                None,
                Ok(Admission::Afar),
            ),
            (
                &["lan_guard.gateway=172.17.0.1"],
                "172.17.0.1",
                Some("u"),
                Err(Cause::Gateway),
            ),
            (
                &["lan_guard.gateway=172.17.0.1"],
                "172.17.0.2",
                None,
                Ok(Admission::Anonymous),
            ),
            (
                &["lan_guard.gateway=trust"],
                "172.17.0.1",
                None,
                Ok(Admission::Anonymous),
            ),
            (
                &["mqtt.allow_anonymous=false"],
                "127.0.0.1",
                None,
                Err(Cause::AnonymousOff),
            ),
            (
                &["mqtt.allow_anonymous=false"],
                "127.0.0.1",
                Some("u"),
                Err(Cause::WrongPassword),
            ),
            (
                &["mqtt.allow_anonymous=false"],
                "203.0.113.9",
                None,
                Err(Cause::AnonymousOff),
            ),
        ];
        for (sets, address, user_name, due) in table {
            let sources = Sources {
                sets: sets.iter().map(|set| (*set).to_owned()).collect(),
                ..Sources::default()
            };
            let config = Config::load(&sources).unwrap().config;
            let guest = Guest {
                client_id: "c",
                user_name,
                password: None,
                version: Version::V5,
                exchange: None,
            };
            let limits = Limits::new(&config, 1, Ports::default(), |_| None);
            let judged = judge(address.parse().unwrap(), &guest, &limits);
            assert_eq!(judged, due, "{sets:?} {address} {user_name:?}");
        }
    }
}
