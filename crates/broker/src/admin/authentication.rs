//! How MQTT clients are authenticated: the chain of authenticators and the broker's own users. What is
//! changed holds for every CONNECT that comes after the call has returned; who is connected stays.

use super::{
    Admin, Bucket, Gone, KeepError,
    settings::{Raw, SettingError},
};
use crate::access::authenticate::{ANONYMOUS, Office, Register, Unusable, User};

pub use crate::access::authenticate::{
    Algorithm, BuiltIn, Counts, Digest, Format, Jwt, JwtKeys, KeysAt, Ldap, Method, PasswordFile,
    Recruit, RollError, Salt, Scram, Secrecy, Setup, Shown, UserIdType, UserTable,
};
pub use crate::access::remote::{
    Masked, TlsSetup,
    database::{DatabaseKind, DatabaseSetup},
    ldap::{LdapMethod, LdapSetup, LdapTls, TlsStart},
    service::{HttpMethod, HttpService},
};

/// Why something was not changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationError {
    #[error("there is no authenticator {0}")]
    NoAuthenticator(String),
    #[error("there is an authenticator {0}")]
    Exists(&'static str),
    #[error("there is no user {0}")]
    NoUser(String),
    #[error("there is a user {0}")]
    UserExists(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    TooMany(String),
    #[error("too many passwords wait to be hashed; try again in a moment")]
    Busy,
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error(transparent)]
    Gone(#[from] Gone),
}

impl From<Unusable> for AuthenticationError {
    fn from(error: Unusable) -> Self {
        Self::Invalid(error.0)
    }
}

type Result<T> = std::result::Result<T, AuthenticationError>;

/// What is to become of those who come without a name, when the first authenticator is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Anonymous {
    /// They are refused from their next CONNECT on, unless somebody has said that they are not.
    #[default]
    Refused,
    /// They come in as before.
    Kept,
}

/// Where an authenticator goes in the order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Position {
    Front,
    Rear,
    Before(String),
    After(String),
}

impl Position {
    /// As EMQX writes it: `front`, `rear`, `before:ID`, `after:ID`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "front" => Some(Self::Front),
            None if text == "rear" => Some(Self::Rear),
            Some(("before", id)) => Some(Self::Before(id.to_owned())),
            Some(("after", id)) => Some(Self::After(id.to_owned())),
            _ => None,
        }
    }
}

/// How an authenticator is doing.
#[derive(Clone, Debug)]
pub struct Status {
    pub counts: Counts,
    /// What is wrong with it, if anything is.
    pub trouble: Option<String>,
    /// Clients that wait for any authenticator.
    pub waiting: usize,
}

/// A user, without what only the user knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MqttUser {
    pub user_id: String,
    pub is_superuser: bool,
}

/// Which users a list is of.
#[derive(Clone, Debug, Default)]
pub struct UserQuery {
    /// A part of the name.
    pub like_user_id: Option<String>,
    pub is_superuser: Option<bool>,
}

/// What a change of a user leaves as it is, if it is `None`.
#[derive(Default)]
pub struct UserChange {
    pub password: Option<String>,
    pub is_superuser: Option<bool>,
}

impl Admin {
    /// The authenticators in their order.
    #[must_use]
    pub fn authenticators(&self) -> Vec<Setup> {
        self.0.office.setups()
    }

    /// One of them.
    ///
    /// # Errors
    /// If there is none.
    pub fn authenticator(&self, id: &str) -> Result<Setup> {
        let found = self.0.office.setup(id);
        found.ok_or_else(|| AuthenticationError::NoAuthenticator(id.to_owned()))
    }

    /// Adds one behind the others. With the first one, clients without a name are refused from now on,
    /// unless somebody has decided about that before or does now.
    ///
    /// # Errors
    /// If there is one of this kind, it could not do its work, or it cannot be kept.
    pub async fn add_authenticator(&self, setup: Setup, anonymous: Anonymous) -> Result<()> {
        let office = &self.0.office;
        let _turn = office.changing.lock().await;
        let id = setup.method.id();
        let mut setups = office.setups();
        if setups.iter().any(|s| s.method.id() == id) {
            return Err(AuthenticationError::Exists(id));
        }
        office.check(&setup.method)?;
        setups.push(setup);
        self.decide_on_anonymous(anonymous).await?;
        self.set_up(setups).await
    }

    /// Sets one up anew, in its place.
    ///
    /// # Errors
    /// If there is none, it could not do its work, or that cannot be kept.
    pub async fn change_authenticator(&self, id: &str, setup: Setup) -> Result<()> {
        let office = &self.0.office;
        let _turn = office.changing.lock().await;
        if setup.method.id() != id {
            let text = format!("this is no {id}; its mechanism and backend stay as they are");
            return Err(AuthenticationError::Invalid(text));
        }
        let mut setups = office.setups();
        let place = setups.iter().position(|s| s.method.id() == id);
        let place = place.ok_or_else(|| AuthenticationError::NoAuthenticator(id.to_owned()))?;
        office.check(&setup.method)?;
        setups[place] = setup;
        self.set_up(setups).await
    }

    /// Takes one out; the broker's own users go with it.
    ///
    /// # Errors
    /// If there is none, or that cannot be kept.
    pub async fn remove_authenticator(&self, id: &str) -> Result<()> {
        let office = &self.0.office;
        let _turn = office.changing.lock().await;
        let mut setups = office.setups();
        let before = setups.len();
        setups.retain(|s| s.method.id() != id);
        if setups.len() == before {
            return Err(AuthenticationError::NoAuthenticator(id.to_owned()));
        }
        // First: if the next step fails, they must not be there for an authenticator that comes later.
        if let Some(own) = office.register(id) {
            let names = office.user_names(&own).into_iter();
            self.put_users(&own, names.map(|name| (name, None)).collect())
                .await?;
        }
        self.set_up(setups).await
    }

    /// Puts them in another order, which names each of them once.
    ///
    /// # Errors
    /// If it does not, or that cannot be kept.
    pub async fn order_authenticators(&self, ids: &[String]) -> Result<()> {
        let _turn = self.0.office.changing.lock().await;
        let setups = self.0.office.setups();
        let named = |s: &Setup| ids.iter().filter(|id| **id == s.method.id()).count() == 1;
        if ids.len() != setups.len() || !setups.iter().all(named) {
            let text = "the order names each authenticator once and nothing else";
            return Err(AuthenticationError::Invalid(text.to_owned()));
        }
        let find = |id: &String| setups.iter().find(|s| s.method.id() == id).cloned();
        self.set_up(ids.iter().filter_map(find).collect()).await
    }

    /// Moves one.
    ///
    /// # Errors
    /// If it or the one beside which it is to be is not there, or that cannot be kept.
    pub async fn move_authenticator(&self, id: &str, to: &Position) -> Result<()> {
        let _turn = self.0.office.changing.lock().await;
        let mut setups = self.0.office.setups();
        let place = |setups: &[Setup], id: &str| {
            let place = setups.iter().position(|s| s.method.id() == id);
            place.ok_or_else(|| AuthenticationError::NoAuthenticator(id.to_owned()))
        };
        let from = place(&setups, id)?;
        let moved = setups.remove(from);
        let to = match to {
            Position::Front => 0,
            Position::Rear => setups.len(),
            Position::Before(other) => place(&setups, other)?,
            Position::After(other) => place(&setups, other)? + 1,
        };
        setups.insert(to, moved);
        self.set_up(setups).await
    }

    /// # Errors
    /// If there is none.
    pub fn authenticator_status(&self, id: &str) -> Result<Status> {
        let found = self.0.office.status(id);
        let found = found.ok_or_else(|| AuthenticationError::NoAuthenticator(id.to_owned()))?;
        Ok(Status {
            counts: found.counts,
            trouble: found.trouble,
            waiting: found.waiting,
        })
    }

    /// Keeps what is set up, and gives it to all shards.
    async fn set_up(&self, setups: Vec<Setup>) -> Result<()> {
        let change = Office::change(&setups);
        self.keep().put(Bucket::Authenticator, vec![change]).await?;
        self.0.office.place(setups);
        self.tell_chain().await
    }

    /// Gives all shards the chain as it is now.
    pub(super) async fn tell_chain(&self) -> Result<()> {
        let chain = self.0.office.chain();
        let chain = chain.map_err(|error| {
            let text = format!("the system refused a thread to authenticate with: {error}");
            AuthenticationError::Invalid(text)
        })?;
        let told = self.ask_all(move |visit| visit.conns.gate.set_chain(chain));
        Ok(told.await.map(|_| ())?)
    }

    /// Writes down what was decided, unless something was before: in the file, the environment, by flag
    /// or at run time.
    async fn decide_on_anonymous(&self, anonymous: Anonymous) -> Result<()> {
        let decided = {
            let now = self.0.configuration.now();
            now.loaded.origins.contains_key(ANONYMOUS)
        };
        if decided {
            return Ok(());
        }
        let allowed = anonymous == Anonymous::Kept;
        let value = vec![(ANONYMOUS.to_owned(), Some(Raw::Bool(allowed)))];
        match self.change_settings(value).await {
            Ok(_) if allowed => Ok(()),
            Ok(_) => {
                tracing::info!(
                    "there are MQTT users now: clients without a name are refused from their next \
                     connect on ({ANONYMOUS} = true lets them in again)"
                );
                Ok(())
            }
            Err(SettingError::Change(crate::ChangeError::Keep(error))) => Err(error.into()),
            Err(error) => Err(AuthenticationError::Invalid(error.to_string())),
        }
    }

    fn own_users(&self, id: &str) -> Result<Register> {
        let own = self.0.office.register(id);
        own.ok_or_else(|| match self.authenticator(id) {
            Ok(_) => AuthenticationError::Invalid(format!("{id} keeps no users here")),
            Err(error) => error,
        })
    }

    /// Users of an authenticator, by name: how many there are that the query wants, and a window of them.
    ///
    /// # Errors
    /// If there is no such authenticator.
    pub fn mqtt_users(
        &self,
        id: &str,
        query: &UserQuery,
        window: (usize, usize),
    ) -> Result<(usize, Vec<MqttUser>)> {
        let own = self.own_users(id)?;
        let wants = |name: &str, superuser: bool| {
            let like = query.like_user_id.as_deref();
            like.is_none_or(|part| name.contains(part))
                && query.is_superuser.is_none_or(|wanted| wanted == superuser)
        };
        let (count, page) = self.0.office.find_users(&own, wants, window);
        let page = page.into_iter().map(|(user_id, is_superuser)| MqttUser {
            user_id,
            is_superuser,
        });
        Ok((count, page.collect()))
    }

    /// # Errors
    /// If there is no such authenticator or user.
    pub fn mqtt_user(&self, id: &str, name: &str) -> Result<MqttUser> {
        let own = self.own_users(id)?;
        let user = self.0.office.user(&own, name);
        let user = user.ok_or_else(|| AuthenticationError::NoUser(name.to_owned()))?;
        Ok(MqttUser {
            user_id: name.to_owned(),
            is_superuser: user.superuser,
        })
    }

    /// Adds a user.
    ///
    /// # Errors
    /// If there is no such authenticator, such a user already, no room, or it cannot be kept.
    pub async fn add_mqtt_user(
        &self,
        id: &str,
        user: MqttUser,
        password: String,
    ) -> Result<MqttUser> {
        let own = self.own_users(id)?;
        let recruit = Recruit::plain(&user.user_id, password, user.is_superuser);
        let recruit = recruit.map_err(|what| AuthenticationError::Invalid(what.to_owned()))?;
        if self.0.office.user(&own, &user.user_id).is_some() {
            return Err(AuthenticationError::UserExists(user.user_id));
        }
        let made = self.0.office.enlist(&own, &recruit).await?;
        let made = made.ok_or(AuthenticationError::Busy)?;
        let _turn = self.0.office.changing.lock().await;
        self.own_users(id)?;
        // Somebody may have been quicker while it was hashed.
        if self.0.office.user(&own, &user.user_id).is_some() {
            return Err(AuthenticationError::UserExists(user.user_id));
        }
        self.check_room(&own, 1)?;
        self.put_users(&own, vec![(user.user_id.clone(), Some(made))])
            .await?;
        Ok(user)
    }

    /// Changes a user.
    ///
    /// # Errors
    /// If there is no such authenticator or user, or that cannot be kept.
    pub async fn change_mqtt_user(
        &self,
        id: &str,
        name: &str,
        change: UserChange,
    ) -> Result<MqttUser> {
        let own = self.own_users(id)?;
        let unknown = || AuthenticationError::NoUser(name.to_owned());
        self.0.office.user(&own, name).ok_or_else(unknown)?;
        let hashed = match change.password {
            Some(password) => {
                let hashed = self.0.office.hash(&own, password).await;
                Some(hashed.ok_or(AuthenticationError::Busy)?)
            }
            None => None,
        };
        let _turn = self.0.office.changing.lock().await;
        let before = self.0.office.user(&own, name).ok_or_else(unknown)?;
        let is_superuser = change.is_superuser.unwrap_or(before.superuser);
        let user = before.with(hashed, is_superuser);
        self.put_users(&own, vec![(name.to_owned(), Some(user))])
            .await?;
        Ok(MqttUser {
            user_id: name.to_owned(),
            is_superuser,
        })
    }

    /// Takes a user out.
    ///
    /// # Errors
    /// If there is no such authenticator or user, or that cannot be kept.
    pub async fn remove_mqtt_user(&self, id: &str, name: &str) -> Result<()> {
        let own = self.own_users(id)?;
        let _turn = self.0.office.changing.lock().await;
        if self.0.office.user(&own, name).is_none() {
            return Err(AuthenticationError::NoUser(name.to_owned()));
        }
        self.put_users(&own, vec![(name.to_owned(), None)]).await
    }

    /// Takes users of a file in, in the place of those who have their names: all or none.
    ///
    /// # Errors
    /// If there is no such authenticator, a user cannot be used, there is no room, or they cannot be
    /// kept.
    pub async fn import_mqtt_users(&self, id: &str, recruits: Vec<Recruit>) -> Result<usize> {
        let own = self.own_users(id)?;
        if Office::is_long(&own, &recruits) {
            let text = "so many plain passwords take too long to hash; bring hashes (type=hash), or \
                        fewer at one time";
            return Err(AuthenticationError::TooMany(text.to_owned()));
        }
        let mut users = Vec::with_capacity(recruits.len());
        for recruit in recruits {
            let made = self.0.office.enlist(&own, &recruit).await?;
            let made = made.ok_or(AuthenticationError::Busy)?;
            users.push((recruit.name, Some(made)));
        }
        let _turn = self.0.office.changing.lock().await;
        self.own_users(id)?;
        self.check_room(&own, users.len())?;
        let count = users.len();
        self.put_users(&own, users).await?;
        Ok(count)
    }

    fn check_room(&self, own: &Register, more: usize) -> Result<()> {
        if self.0.office.has_room(own, more) {
            return Ok(());
        }
        let text = "there is no room for so many more users";
        Err(AuthenticationError::TooMany(text.to_owned()))
    }

    /// Keeps users; `None` takes one out.
    async fn put_users(&self, own: &Register, users: Vec<(String, Option<User>)>) -> Result<()> {
        let changes = users.iter().map(|(name, user)| match user {
            Some(user) => user.change(name),
            None => (name.as_bytes().to_vec(), None),
        });
        self.keep().put(own.bucket(), changes.collect()).await?;
        self.0.office.set_users(own, users);
        Ok(())
    }
}
