//! Directories, as EMQX says how they are searched.

use broker::admin::authentication::{
    Ldap, LdapMethod, LdapSetup, LdapTls, Method, Setup, TlsStart,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::Refusal,
    route::remote::{DirectoryMethod, Hidden, PasswordBy, Remote},
};

/// EMQX's defaults.
const FILTER: &str = "(objectClass=mqttUser)";
const PASSWORD_ATTRIBUTE: &str = "userPassword";
const SUPERUSER_ATTRIBUTE: &str = "isSuperuser";
/// What EMQX signs in with, in place of which others could be said there.
const BIND_PASSWORD: &str = "${password}";

/// Where in a directory a client's entry is.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = DirectorySearch)]
pub(super) struct Search {
    /// Of ldap: below what is searched. Places such as `${username}` and `${clientid}` are values in it and
    /// in `filter`, whatever a client says; there is none for the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ou=devices,dc=example,dc=com")]
    base_dn: Option<String>,
    /// Of ldap: which of these entries (RFC 4515); `(objectClass=mqttUser)` if it is left out. More than one
    /// that fits lets nobody in. Where a place is the whole value of an attribute, the entry has to be called
    /// exactly so, upper and lower case included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "(&(objectClass=person)(uid=${username}))")]
    filter: Option<String>,
}

impl Search {
    pub(super) fn of(setup: &LdapSetup) -> Self {
        Self {
            base_dn: Some(setup.base_dn.clone()),
            filter: Some(setup.filter.clone()),
        }
    }

    pub(super) fn ldap(&self, remote: &Remote, before: Option<&Setup>) -> Result<Method, Refusal> {
        let hidden = Hidden::of(before);
        let base_dn = self.base_dn.clone().filter(|name| !name.is_empty());
        let base_dn = base_dn.ok_or_else(|| Refusal::bad_request("ldap needs base_dn"))?;
        let filter = self.filter.clone().filter(|filter| !filter.is_empty());
        let (method, superuser) = method(remote.directory_method()?)?;
        let tls = match (remote.is_secure(), remote.tls_start()) {
            (true, start) => Some(LdapTls {
                start,
                setup: remote.tls(hidden)?,
            }),
            (false, TlsStart::AtOnce) => None,
            (false, TlsStart::StartTls) => {
                return Err(Refusal::bad_request("ssl.start_tls needs ssl.enable"));
            }
        };
        let (username, password) = remote.login(hidden);
        let (connect_timeout_millis, request_timeout_millis) = remote.timeouts()?;
        Ok(Method::Ldap(Ldap {
            cache_millis: remote.cache_millis()?,
            directory: LdapSetup {
                server: remote.server()?,
                base_dn,
                filter: filter.unwrap_or_else(|| FILTER.to_owned()),
                username,
                password,
                is_superuser_attribute: superuser,
                pool_size: remote.pool()?,
                connect_timeout_millis,
                request_timeout_millis,
                method,
                tls,
            },
        }))
    }
}

/// How a password is tried, and what says that somebody is a superuser.
fn method(said: DirectoryMethod) -> Result<(LdapMethod, String), Refusal> {
    let given = |name: Option<String>, default: &str| {
        let name = name.filter(|name| !name.is_empty());
        name.unwrap_or_else(|| default.to_owned())
    };
    let method = match said.kind {
        PasswordBy::Hash => LdapMethod::Hash {
            password_attribute: given(said.password_attribute, PASSWORD_ATTRIBUTE),
        },
        PasswordBy::Bind => {
            let other = said.bind_password.filter(|text| text != BIND_PASSWORD);
            if other.is_some_and(|text| !text.is_empty()) {
                let text = "method.bind_password is ${password}: the client's own and nothing else";
                return Err(Refusal::bad_request(text));
            }
            LdapMethod::Bind
        }
    };
    Ok((
        method,
        given(said.is_superuser_attribute, SUPERUSER_ATTRIBUTE),
    ))
}
