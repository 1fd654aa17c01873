//! LDAP, version 3: a directory in which a client's entry is searched, and which is asked whether that entry's
//! password is right. What a client says is a value in a filter that was taken apart before, or an escaped one
//! in a name, and the entry found has to be called exactly as the client calls itself.

mod ber;
mod filter;
mod name;
mod wire;

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};

use self::{
    filter::Filter,
    name::Base,
    wire::{Conn, Found, Outcome, code},
};
use super::{
    Facts, Failure, Masked, TlsSetup,
    dial::{self, Tls},
    http::POOL_MAX,
    template::Place,
};

const PORT: u16 = 389;
const TLS_PORT: u16 = 636;
/// By which a client can be known; by the first, if its entry is found by both.
const NAMES: [Place; 2] = [Place::UserName, Place::ClientId];

/// When TLS begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsStart {
    /// With the connection: `ldaps`.
    AtOnce,
    /// On the port without TLS, by a request of LDAP's.
    StartTls,
}

/// How a password is tried.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LdapMethod {
    /// Beside the hash that an attribute of the entry has.
    Hash { password_attribute: String },
    /// By the directory itself: somebody signs in there as the entry.
    Bind,
}

/// Where a directory is, and how a client's entry is found in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LdapSetup {
    /// A host, and perhaps a port.
    pub server: String,
    /// Below what is searched, with places for what a client says.
    pub base_dn: String,
    /// With the same places.
    pub filter: String,
    /// Who searches: a name in the directory. Nobody in particular, if it is left out.
    pub username: Option<String>,
    pub password: Option<Masked>,
    pub is_superuser_attribute: String,
    pub pool_size: usize,
    pub connect_timeout_millis: u64,
    pub request_timeout_millis: u64,
    pub method: LdapMethod,
    pub tls: Option<LdapTls>,
}

/// TLS to a directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LdapTls {
    pub start: TlsStart,
    pub setup: TlsSetup,
}

impl LdapSetup {
    /// Where it is, if that is asked over the network and without TLS.
    pub(crate) fn open_way(&self) -> Option<String> {
        let (host, port) = dial::address(&self.server, PORT).ok()?;
        let is_open = self.tls.is_none() && !dial::is_here(&host);
        is_open.then(|| format!("{host}:{port}"))
    }
}

/// Who is asked, and as whom.
struct Server {
    host: String,
    port: u16,
    user: String,
    password: String,
    security: Security,
    connect_timeout: Duration,
    /// What a search may take, as it is told.
    seconds: u32,
}

enum Security {
    None,
    Tls(Tls),
    StartTls(Tls),
}

/// An attribute that has to be what stands in a place.
struct Asked {
    attribute: String,
    place: Place,
}

/// A client's question.
pub(crate) struct Ask {
    base: String,
    filter: Vec<u8>,
    /// What the entry has to be called by, exactly.
    names: Vec<String>,
    /// Who it is, once that is proven.
    name: String,
}

impl Ask {
    /// Who it is, once that is proven: by what its entry was found, and nothing else that it says of itself.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What makes it another question than others.
    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        [self.base.as_bytes(), &self.filter]
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// Its distinguished name.
    name: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// Values of an attribute; none if it is not there, or not shown.
    pub(crate) fn values(&self, attribute: &str) -> &[Vec<u8>] {
        let mut all = self.attributes.iter();
        let found = all.find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        found.map_or(&[], |(_, values)| values)
    }
}

/// What the directory says of a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bound {
    Yes,
    No,
    /// Right or wrong, the entry may not sign in.
    Shut,
}

/// Connections for one purpose.
struct Pool {
    places: Semaphore,
    idle: Mutex<Vec<Conn>>,
}

impl Pool {
    fn new(size: usize) -> Self {
        Self {
            places: Semaphore::new(size.clamp(1, POOL_MAX)),
            idle: Mutex::default(),
        }
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, Failure> {
        let place = self.places.acquire().await;
        place.map_err(|_| Failure::Down("the pool is closed".to_owned()))
    }

    fn take_idle(&self) -> Option<Conn> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    /// A connection that failed goes; nobody knows where in an answer it is.
    fn keep<T>(&self, conn: Conn, answer: Result<T, Failure>) -> Result<T, Failure> {
        if answer.is_ok() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(conn);
        }
        answer
    }
}

pub(crate) struct Directory {
    server: Server,
    base: Base,
    filter: Filter,
    /// Those by which the entry is known, and all that are wanted.
    asked: Vec<Asked>,
    attributes: Vec<String>,
    known_by: Place,
    /// Whoever searches is never the client, so the two have connections of their own.
    searches: Pool,
    binds: Pool,
}

impl Directory {
    /// # Errors
    /// If something of the setup cannot be used.
    pub(crate) fn new(setup: &LdapSetup) -> Result<Self, String> {
        let base = Base::parse(&setup.base_dn)?;
        let filter = Filter::parse(&setup.filter)?;
        let mut asked = base.asked();
        asked.extend(filter.asked());
        asked.retain(|one| NAMES.contains(&one.place));
        let wholly = NAMES
            .into_iter()
            .find(|name| asked.iter().any(|one| one.place == *name));
        let places = [base.places(), filter.places()].concat();
        let partly = NAMES.into_iter().find(|name| places.contains(name));
        let known_by = wholly.or(partly).ok_or_else(|| {
            "nothing in base_dn and filter tells one client from another; put ${username} or \
             ${clientid} in one of them"
                .to_owned()
        })?;
        let mut attributes = vec![attribute_name(&setup.is_superuser_attribute)?];
        if let LdapMethod::Hash { password_attribute } = &setup.method {
            attributes.push(attribute_name(password_attribute)?);
        }
        attributes.extend(asked.iter().map(|one| one.attribute.clone()));
        Ok(Self {
            server: Server::new(setup)?,
            base,
            filter,
            asked,
            attributes,
            known_by,
            searches: Pool::new(setup.pool_size),
            binds: Pool::new(setup.pool_size),
        })
    }

    /// What to ask about a client. `None` if it says nothing of what it would be found by: it is no entry's.
    pub(crate) fn about(&self, facts: &Facts<'_>) -> Option<Ask> {
        let mut names = Vec::new();
        for one in &self.asked {
            let name = said(facts, one.place)?.into_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Some(Ask {
            base: self.base.fill(facts)?,
            filter: self.filter.fill(facts)?,
            names,
            name: said(facts, self.known_by)?.into_owned(),
        })
    }

    /// The entry of a client, if there is one. Has no end of its own.
    pub(crate) async fn find(&self, ask: &Ask) -> Result<Option<Entry>, Failure> {
        let mut entries = match self.search(ask).await? {
            Found::Entries(entries) => entries,
            // Where a client's name is in that of the place, nobody is called so.
            Found::NoPlace(_) if !self.base.places().is_empty() => return Ok(None),
            Found::NoPlace(outcome) => return Err(outcome.failure("base_dn")),
        };
        let Some(entry) = entries.pop() else {
            return Ok(None);
        };
        if !entries.is_empty() {
            return Err(wire::several());
        }
        self.is_called(&entry, &ask.names)
            .map(|is| is.then_some(entry))
    }

    /// Directories mostly take `ANNA` and ` anna` for `anna`. Rules and bans do not, so whoever is not called
    /// exactly so is nobody.
    fn is_called(&self, entry: &Entry, names: &[String]) -> Result<bool, Failure> {
        if names.is_empty() {
            return Ok(true);
        }
        // By place: a server may call an attribute otherwise than it was asked for.
        let others = &self.attributes[..self.attributes.len() - self.asked.len()];
        let known = entry.attributes.iter();
        let known = known.filter(|(name, _)| !others.iter().any(|o| o.eq_ignore_ascii_case(name)));
        let shown: Vec<&[u8]> = known.flat_map(|(_, all)| all).map(Vec::as_slice).collect();
        if shown.is_empty() {
            return Err(Failure::Odd(format!(
                "it does not show by what {} is called; let username read {}",
                entry.name,
                self.attributes[others.len()..].join(", ")
            )));
        }
        Ok(names.iter().all(|name| shown.contains(&name.as_bytes())))
    }

    async fn search(&self, ask: &Ask) -> Result<Found, Failure> {
        let _place = self.searches.place().await?;
        let seconds = self.server.seconds;
        while let Some(mut conn) = self.searches.take_idle() {
            match conn.search(ask, &self.attributes, seconds).await {
                // The other side may have closed it since.
                Err(Failure::Down(_)) => {}
                found => return self.searches.keep(conn, found),
            }
        }
        let mut conn = Conn::open(&self.server).await?;
        self.sign_in(&mut conn).await?;
        let found = conn.search(ask, &self.attributes, seconds).await;
        self.searches.keep(conn, found)
    }

    /// As whoever searches.
    async fn sign_in(&self, conn: &mut Conn) -> Result<(), Failure> {
        let Server { user, password, .. } = &self.server;
        match conn.bind(user, password.as_bytes()).await? {
            Some(outcome) if outcome.code != code::SUCCESS => {
                Err(match outcome.failure("username and password") {
                    // Nobody can be found until that is mended.
                    Failure::Odd(said) => Failure::Down(said),
                    failure => failure,
                })
            }
            _ => Ok(()),
        }
    }

    /// Whether this is the entry's password, as the directory says. An empty one is none. Has no end of its own.
    pub(crate) async fn opens(&self, entry: &Entry, password: &[u8]) -> Result<Bound, Failure> {
        let _place = self.binds.place().await?;
        let said = loop {
            let idle = self.binds.take_idle();
            let was_used = idle.is_some();
            let mut conn = match idle {
                Some(conn) => conn,
                None => Conn::open(&self.server).await?,
            };
            match conn.bind(&entry.name, password).await {
                Err(Failure::Down(_)) if was_used => {}
                said => break self.binds.keep(conn, said)?,
            }
        };
        said.map_or(Ok(Bound::No), |outcome| judged(&outcome))
    }
}

/// What the end of a bind says of a password. Whoever is locked out says nothing about the directory.
fn judged(outcome: &Outcome) -> Result<Bound, Failure> {
    match outcome.code {
        code::SUCCESS => Ok(Bound::Yes),
        code::INVALID_CREDENTIALS | code::INAPPROPRIATE | code::NO_SUCH_OBJECT => Ok(Bound::No),
        code::CONSTRAINT | code::INSUFFICIENT_ACCESS | code::UNWILLING => Ok(Bound::Shut),
        _ => Err(outcome.failure("a client's password")),
    }
}

impl Server {
    fn new(setup: &LdapSetup) -> Result<Self, String> {
        let port = match setup.tls.as_ref().map(|tls| tls.start) {
            Some(TlsStart::AtOnce) => TLS_PORT,
            Some(TlsStart::StartTls) | None => PORT,
        };
        let (host, port) = dial::address(&setup.server, port)?;
        let security = match &setup.tls {
            None => Security::None,
            Some(tls) => {
                let ready = Tls::new(&tls.setup, &host)?;
                match tls.start {
                    TlsStart::AtOnce => Security::Tls(ready),
                    TlsStart::StartTls => Security::StartTls(ready),
                }
            }
        };
        let password = setup.password.clone().map_or_else(String::new, |p| p.0);
        let user = setup.username.clone().unwrap_or_default();
        if user.is_empty() != password.is_empty() {
            let text = "username and password go together: with one of them alone a directory would \
                        say yes to anybody";
            return Err(text.to_owned());
        }
        let seconds = setup.request_timeout_millis.div_ceil(1_000);
        Ok(Self {
            host,
            port,
            user,
            password,
            security,
            connect_timeout: Duration::from_millis(setup.connect_timeout_millis),
            seconds: u32::try_from(seconds).unwrap_or(0),
        })
    }
}

/// What stands in a place, if the client says anything.
fn said<'a>(facts: &Facts<'a>, place: Place) -> Option<Cow<'a, str>> {
    facts.of(place).filter(|text| !text.is_empty())
}

/// Passwords are no part of what is searched: servers write that down.
fn value_place(place: Place) -> Result<(), String> {
    match place {
        Place::Password => Err("there is no place for the password".to_owned()),
        _ => Ok(()),
    }
}

/// The name of an attribute or a matching rule, or its number.
fn attribute_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-.;".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_part) {
        return Ok(text.to_owned());
    }
    Err(format!("{text} is no name of an attribute"))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn facts<'a>(client_id: &'a str, user_name: &'a str) -> Facts<'a> {
        Facts {
            client_id,
            user_name: Some(user_name),
            password: Some(b"s"),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            common_name: None,
            subject: None,
            deed: None,
        }
    }

    fn setup(base_dn: &str, filter: &str) -> LdapSetup {
        LdapSetup {
            server: "127.0.0.1".to_owned(),
            base_dn: base_dn.to_owned(),
            filter: filter.to_owned(),
            username: None,
            password: None,
            is_superuser_attribute: "isSuperuser".to_owned(),
            pool_size: 1,
            connect_timeout_millis: 1_000,
            request_timeout_millis: 1_500,
            method: LdapMethod::Bind,
            tls: None,
        }
    }

    #[test]
    fn setups() {
        let good = setup("dc=x", "(uid=${username})");
        let made = Directory::new(&good).map_err(drop).unwrap();
        assert_eq!((made.server.port, made.server.seconds), (PORT, 2));
        assert_eq!(made.attributes, ["isSuperuser", "uid"]);
        let with = |change: fn(&mut LdapSetup)| {
            let mut setup = good.clone();
            change(&mut setup);
            Directory::new(&setup).err()
        };
        let odd: [fn(&mut LdapSetup); 8] = [
            |setup| setup.filter = "(l=${peerhost})".to_owned(),
            |setup| setup.filter = "(uid=anna)".to_owned(),
            |setup| setup.filter = "uid=${username}".to_owned(),
            |setup| setup.base_dn = String::new(),
            |setup| setup.server = "ldap://a".to_owned(),
            |setup| setup.username = Some("cn=x".to_owned()),
            |setup| setup.password = Some(Masked("x".to_owned())),
            |setup| setup.is_superuser_attribute = "a b".to_owned(),
        ];
        for (n, change) in odd.into_iter().enumerate() {
            assert!(with(change).is_some(), "{n}");
        }
    }

    /// Whoever a directory takes for somebody else is nobody, and so is who says nothing.
    #[test]
    fn called_exactly_so() {
        let made = setup(
            "ou=${clientid},dc=x",
            "(|(uid=${username})(mail=${username}))",
        );
        let directory = Directory::new(&made).map_err(drop).unwrap();
        let entry = |pairs: &[(&str, &str)]| Entry {
            name: "dn".to_owned(),
            attributes: pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), vec![value.as_bytes().to_vec()]))
                .collect(),
        };
        let is = |user: &str, pairs: &[(&str, &str)]| {
            let ask = directory.about(&facts("c", user)).unwrap();
            directory.is_called(&entry(pairs), &ask.names)
        };
        let anna = [("userid", "anna"), ("mail", "a@x"), ("ou", "c")];
        assert_eq!(is("anna", &anna), Ok(true));
        assert_eq!(is("a@x", &anna), Ok(true));
        for other in ["Anna", " anna", "anna ", "a@X", "bert"] {
            assert_eq!(is(other, &anna), Ok(false), "{other}");
        }
        assert_eq!(is("anna", &[("uid", "anna"), ("ou", "C")]), Ok(false));
        let granted = [("uid", "true"), ("ou", "c"), ("ISSUPERUSER", "TRUE")];
        assert_eq!(is("TRUE", &granted), Ok(false));
        assert!(is("anna", &[("isSuperuser", "TRUE")]).is_err());
        for (client_id, user) in [("", "anna"), ("c", "")] {
            assert!(directory.about(&facts(client_id, user)).is_none());
        }
    }

    /// A client is who its entry was found by, whatever else it calls itself.
    #[test]
    fn who_it_is() {
        for (filter, due, names) in [
            ("(uid=${username})", "anna", &["anna"][..]),
            ("(cn=${clientid})", "c", &["c"]),
            ("(cn=device-${clientid})", "c", &[]),
            (
                "(&(uid=${username})(cn=${clientid}))",
                "anna",
                &["anna", "c"],
            ),
            ("(|(uid=x-${username})(cn=${clientid}))", "c", &["c"]),
        ] {
            let made = setup("dc=x", filter);
            let directory = Directory::new(&made).map_err(drop).unwrap();
            let ask = directory.about(&facts("c", "anna")).unwrap();
            assert_eq!(ask.name(), due, "{filter}");
            assert_eq!(ask.names, names, "{filter}");
        }
    }

    #[test]
    fn open_ways() {
        let mut setup = setup("dc=x", "(uid=${username})");
        for (server, due) in [
            ("127.0.0.1", None),
            ("[::1]:389", None),
            ("localhost", None),
            ("ldap.example", Some("ldap.example:389")),
            ("192.0.2.1:1389", Some("192.0.2.1:1389")),
        ] {
            setup.server = server.to_owned();
            assert_eq!(setup.open_way().as_deref(), due, "{server}");
        }
        setup.tls = Some(LdapTls {
            start: TlsStart::StartTls,
            setup: TlsSetup::default(),
        });
        assert_eq!(setup.open_way(), None);
    }

    /// Only a success lets anybody in.
    #[test]
    fn ends_of_binds() {
        let outcome = |code| Outcome::of(code);
        for code in 1..130 {
            assert_ne!(judged(&outcome(code)), Ok(Bound::Yes), "{code}");
        }
        assert_eq!(judged(&outcome(0)), Ok(Bound::Yes));
        assert_eq!(judged(&outcome(49)), Ok(Bound::No));
        assert_eq!(judged(&outcome(53)), Ok(Bound::Shut));
        assert!(matches!(judged(&outcome(51)), Err(Failure::Down(_))));
        assert!(matches!(judged(&outcome(10)), Err(Failure::Odd(_))));
    }
}
