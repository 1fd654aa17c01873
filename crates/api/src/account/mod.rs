//! Who may do what: users, their tokens, API keys. Changes are in the store before they are told, one
//! after the other; questions are answered from memory.

mod first;
mod hasher;
mod key;
mod password;
mod secret;
mod sign_in;
mod throttle;
mod token;
mod user;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use broker::admin::{Bucket, Change, Keep, KeepError};

use hasher::{Busy, Hasher};
use key::KEYS_MAX;
use password::Hashed;
use throttle::Throttle;
use token::{Digest, Tokens};
use user::{USERS_MAX, User};

pub use password::Weak;
pub use secret::{Secret, pass_phrase};
pub(crate) use {
    first::First,
    key::{Key, NewKey, is_name as is_key_name},
    sign_in::SignIn,
    token::Refused as TokenRefused,
    user::{ADMIN, Role, is_name as is_user_name},
};

/// In the bucket of users: a password was set once, whatever has become of it. No user has this name.
const WAS_SET: &[u8] = b"!";

pub(crate) struct Accounts {
    keep: Keep,
    first: First,
    hasher: Hasher,
    throttle: Mutex<Throttle>,
    table: Mutex<Table>,
    /// Held by whoever changes something, over the write.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Table {
    users: BTreeMap<String, User>,
    tokens: Tokens,
    keys: BTreeMap<String, Key>,
    /// While it is not, `admin` signs in with the first one.
    password_set: bool,
    /// Those of the link in the log, the newest first.
    linked: Vec<Digest>,
}

/// Who was found behind a token or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Signed in with the first password, which may look and nothing else.
    pub(crate) must_set_password: bool,
}

/// A user as told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) username: String,
    pub(crate) description: String,
    pub(crate) role: Role,
}

/// Why something was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unchanged {
    #[error("there is no such user")]
    NoUser,
    #[error("there is no such key")]
    NoKey,
    #[error("this name is in use")]
    Exists,
    #[error("there are as many as there may be")]
    TooMany,
    #[error("the old password is another one")]
    WrongPassword,
    #[error("too many passwords are being tried; wait {0} s and try again")]
    Wait(u64),
    #[error("{0}")]
    NotAllowed(&'static str),
    #[error(transparent)]
    Weak(#[from] Weak),
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// Records of the store.
type Records = Vec<(Arc<[u8]>, Arc<[u8]>)>;

/// Whether a record of a backup is one of ours.
pub(crate) fn is_record(bucket: Bucket, key: &[u8], value: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(key) else {
        return false;
    };
    match bucket {
        Bucket::User if key == WAS_SET => value.is_empty(),
        Bucket::User => {
            let user = serde_json::from_slice::<User>(value);
            is_user_name(name) && user.is_ok_and(|user| user.password.is_bearable())
        }
        Bucket::ApiKey => serde_json::from_slice::<Key>(value).is_ok(),
        _ => true,
    }
}

impl Table {
    /// Records that are none are left alone.
    fn take_in(&mut self, users: Records, keys: Records) {
        for (name, value) in users {
            self.password_set = true;
            if let (Ok(name), Ok(user)) =
                (std::str::from_utf8(&name), serde_json::from_slice(&value))
            {
                self.users.insert(name.to_owned(), user);
            }
        }
        for (name, value) in keys {
            if let (Ok(name), Ok(key)) =
                (std::str::from_utf8(&name), serde_json::from_slice(&value))
            {
                self.keys.insert(name.to_owned(), key);
            }
        }
    }
}

impl From<Busy> for Unchanged {
    fn from(_: Busy) -> Self {
        Self::Wait(1)
    }
}

impl Accounts {
    /// What the store has of them. Blocks.
    ///
    /// # Errors
    /// If the store cannot be read, or the system refuses a thread.
    pub(crate) fn load(keep: Keep, first: First) -> std::io::Result<Self> {
        let mut table = Table::default();
        let load = |bucket| keep.load(bucket).map_err(std::io::Error::other);
        table.take_in(load(Bucket::User)?, load(Bucket::ApiKey)?);
        for (digest, value) in load(Bucket::Token)? {
            table.tokens.load(&digest, &value);
        }
        Ok(Self {
            keep,
            first,
            hasher: Hasher::start()?,
            throttle: Mutex::default(),
            table: Mutex::new(table),
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// Takes users and keys as the store has them now, after an import. Who is another one than before
    /// signs in again.
    pub(crate) async fn reload(&self) -> Result<(), Unchanged> {
        let _changing = self.changing.lock().await;
        let keep = self.keep.clone();
        let load = move || Ok((keep.load(Bucket::User)?, keep.load(Bucket::ApiKey)?));
        let loaded = tokio::task::spawn_blocking(load).await;
        let loaded: Result<_, KeepError> = loaded.expect("loading does not panic");
        let (users, keys) = loaded?;
        let changed: Vec<String> = {
            let mut table = self.table();
            let before = std::mem::take(&mut table.users);
            table.take_in(users, keys);
            let same = |name: &String, user: &User| {
                let now = table.users.get(name);
                now.is_some_and(|now| serde_json::to_vec(now).ok() == serde_json::to_vec(user).ok())
            };
            let changed = before.into_iter().filter(|(name, user)| !same(name, user));
            changed.map(|(name, _)| name).collect()
        };
        for name in changed {
            self.end_tokens(&name).await?;
        }
        Ok(())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the first password is gone.
    pub(crate) fn is_password_set(&self) -> bool {
        self.table().password_set
    }

    /// Whether `admin` signs in with what everybody knows.
    pub(crate) fn is_password_known(&self) -> bool {
        self.first.is_known() && !self.is_password_set()
    }

    /// With what `admin` sets a password, where none was set and that is not known to everybody.
    pub(crate) fn set_up(&self) -> Option<&Secret> {
        self.first.secret().filter(|_| !self.is_password_set())
    }

    /// Whether the log's link still lets somebody in.
    pub(crate) fn has_link(&self) -> bool {
        self.first.has_drawn() && !self.is_password_set()
    }

    /// Whether a token was given for the link, while that is good.
    pub(crate) fn is_of_link(&self, token: &Secret) -> bool {
        self.has_link() && self.table().linked.contains(&token.digest())
    }

    // Users.

    pub(crate) fn users(&self) -> Vec<Told> {
        let table = self.table();
        if !table.password_set {
            return vec![Told::first()];
        }
        let told = table.users.iter().map(|(name, user)| Told::new(name, user));
        told.collect()
    }

    /// Makes a user, whose name is one.
    pub(crate) async fn add_user(
        &self,
        name: &str,
        password: Secret,
        role: Role,
        description: String,
    ) -> Result<Told, Unchanged> {
        password.check()?;
        let _changing = self.changing.lock().await;
        {
            let table = self.table();
            if table.users.contains_key(name) {
                return Err(Unchanged::Exists);
            }
            if table.users.len() >= USERS_MAX {
                return Err(Unchanged::TooMany);
            }
        }
        let user = User {
            password: self.hasher.hash(password).await?,
            role,
            description,
        };
        let told = Told::new(name, &user);
        self.write_user(name, user).await?;
        Ok(told)
    }

    /// Changes what is told of a user, and with a role what the user may do: then all tokens end.
    pub(crate) async fn change_user(
        &self,
        name: &str,
        role: Option<Role>,
        description: Option<String>,
    ) -> Result<Told, Unchanged> {
        let _changing = self.changing.lock().await;
        let (user, ends) = {
            let table = self.table();
            let mut user = table.users.get(name).ok_or(Unchanged::NoUser)?.clone();
            let role = role.unwrap_or(user.role);
            let ends = role != user.role;
            if ends && table.is_last_administrator(name) {
                return Err(Unchanged::NotAllowed("the last administrator stays one"));
            }
            user.role = role;
            user.description = description.unwrap_or(user.description);
            (user, ends)
        };
        if ends {
            self.end_tokens(name).await?;
        }
        let told = Told::new(name, &user);
        self.write_user(name, user).await?;
        Ok(told)
    }

    pub(crate) async fn delete_user(&self, name: &str) -> Result<(), Unchanged> {
        let _changing = self.changing.lock().await;
        if name == ADMIN {
            return Err(Unchanged::NotAllowed("the user admin stays"));
        }
        {
            let table = self.table();
            if !table.users.contains_key(name) {
                return Err(Unchanged::NoUser);
            }
            if table.is_last_administrator(name) {
                return Err(Unchanged::NotAllowed("the last administrator stays"));
            }
        }
        self.end_tokens(name).await?;
        let gone = vec![(name.as_bytes().to_vec(), None)];
        self.keep.put(Bucket::User, gone).await?;
        self.table().users.remove(name);
        Ok(())
    }

    /// Changes a password for who knows the old one; all tokens of that user end.
    pub(crate) async fn change_password(
        &self,
        name: &str,
        old: Secret,
        new: Secret,
        from: IpAddr,
        now: u64,
    ) -> Result<(), Unchanged> {
        let kept = {
            let table = self.table();
            match table.users.get(name) {
                Some(user) => Some(user.password.clone()),
                None if !table.password_set && name == ADMIN => None,
                None => return Err(Unchanged::NoUser),
            }
        };
        let guess = self.throttle().enter(from, name, now);
        let guess = guess.map_err(|wait| Unchanged::Wait(wait.0))?;
        if !self.is_password(kept.clone(), old, from).await? {
            return Err(Unchanged::WrongPassword);
        }
        self.throttle().right(guess, now);
        new.check()?;
        let hashed = self.hasher.hash(new).await?;
        let _changing = self.changing.lock().await;
        // Somebody else may have been faster; the password that was right is not any more.
        let now_kept = self
            .table()
            .users
            .get(name)
            .map(|user| user.password.clone());
        if now_kept != kept {
            return Err(Unchanged::WrongPassword);
        }
        self.write_password(name, hashed).await
    }

    /// Sets the password of `admin`, for whoever owns the data directory.
    pub(crate) async fn reset_password(&self, new: Secret) -> Result<(), Unchanged> {
        new.check()?;
        let hashed = self.hasher.hash(new).await?;
        let _changing = self.changing.lock().await;
        self.write_password(ADMIN, hashed).await
    }

    async fn write_password(&self, name: &str, password: Hashed) -> Result<(), Unchanged> {
        // First, so that no failure leaves an old token alive.
        self.end_tokens(name).await?;
        let user = self.table().users.get(name).cloned();
        let user = user.map_or_else(
            || User::first(password.clone()),
            |user| User {
                password: password.clone(),
                ..user
            },
        );
        self.write_user(name, user).await
    }

    async fn write_user(&self, name: &str, user: User) -> Result<(), Unchanged> {
        self.keep.put(Bucket::User, writing(name, &user)).await?;
        let mut table = self.table();
        table.password_set = true;
        table.users.insert(name.to_owned(), user);
        Ok(())
    }

    // Tokens.

    async fn end_tokens(&self, user: &str) -> Result<(), Unchanged> {
        let digests = {
            let mut table = self.table();
            let digests = table.tokens.of(user);
            table.tokens.end_of(user);
            digests
        };
        self.forget_tokens(digests).await?;
        Ok(())
    }

    async fn forget_tokens(&self, digests: Vec<Digest>) -> Result<(), KeepError> {
        if digests.is_empty() {
            return Ok(());
        }
        let gone = digests.into_iter().map(|d| (d.to_vec(), None)).collect();
        self.keep.put(Bucket::Token, gone).await
    }

    /// Who is behind a token. That it was used is written now and then, by a task of its own.
    pub(crate) fn of_token(&self, token: &Secret, now: u64) -> Result<Known, TokenRefused> {
        let mut table = self.table();
        let used = table.tokens.take(token, now)?;
        if let Some((digest, value)) = used.write {
            let keep = self.keep.clone();
            tokio::spawn(async move {
                let put = vec![(digest.to_vec(), Some(value))];
                // Without it the token ends a minute earlier after a restart.
                let _ = keep.put(Bucket::Token, put).await;
            });
        }
        // The user may be gone for damage on the disk.
        table.known(&used.user).ok_or(TokenRefused::Unknown)
    }

    pub(crate) async fn sign_out(&self, token: &Secret) -> Result<(), KeepError> {
        let digest = token.digest();
        self.table().tokens.end(&digest);
        self.forget_tokens(vec![digest]).await
    }

    // Keys.

    /// Who is behind a key and its secret.
    pub(crate) fn of_key(&self, key: &str, secret: &Secret, now: u64) -> Option<Known> {
        let table = self.table();
        let found = table.keys.iter().find(|(_, k)| k.key == key)?;
        found.1.opens(secret, now).then(|| Known {
            name: found.0.clone(),
            role: found.1.role,
            must_set_password: false,
        })
    }

    pub(crate) fn keys(&self) -> Vec<(String, Key)> {
        let table = self.table();
        let keys = table.keys.iter();
        keys.map(|(name, key)| (name.clone(), key.clone()))
            .collect()
    }

    pub(crate) fn key(&self, name: &str) -> Option<Key> {
        self.table().keys.get(name).cloned()
    }

    pub(crate) async fn add_key(
        &self,
        name: &str,
        wanted: NewKey,
        now: u64,
    ) -> Result<(Key, Secret), Unchanged> {
        let _changing = self.changing.lock().await;
        {
            let table = self.table();
            if table.keys.contains_key(name) {
                return Err(Unchanged::Exists);
            }
            if table.keys.len() >= KEYS_MAX {
                return Err(Unchanged::TooMany);
            }
        }
        let (key, secret) = Key::new(wanted, now);
        self.write_key(name, key.clone()).await?;
        Ok((key, secret))
    }

    /// Changes a key by what `change` makes of it.
    pub(crate) async fn change_key(
        &self,
        name: &str,
        change: impl FnOnce(&mut Key),
    ) -> Result<Key, Unchanged> {
        let _changing = self.changing.lock().await;
        let mut key = self.key(name).ok_or(Unchanged::NoKey)?;
        change(&mut key);
        self.write_key(name, key.clone()).await?;
        Ok(key)
    }

    pub(crate) async fn delete_key(&self, name: &str) -> Result<(), Unchanged> {
        let _changing = self.changing.lock().await;
        if self.key(name).is_none() {
            return Err(Unchanged::NoKey);
        }
        let gone = vec![(name.as_bytes().to_vec(), None)];
        self.keep.put(Bucket::ApiKey, gone).await?;
        self.table().keys.remove(name);
        Ok(())
    }

    async fn write_key(&self, name: &str, key: Key) -> Result<(), Unchanged> {
        let value = serde_json::to_vec(&key).expect("texts and numbers become JSON");
        let put = vec![(name.as_bytes().to_vec(), Some(value))];
        self.keep.put(Bucket::ApiKey, put).await?;
        self.table().keys.insert(name.to_owned(), key);
        Ok(())
    }
}

/// What has to be written for `admin` to have this password, where these users are kept.
pub(crate) fn user_with_password<B: AsRef<[u8]>>(
    kept: &[(B, B)],
    password: &Secret,
) -> Vec<Change> {
    let admin = kept
        .iter()
        .find(|(name, _)| name.as_ref() == ADMIN.as_bytes());
    let admin: Option<User> =
        admin.and_then(|(_, user)| serde_json::from_slice(user.as_ref()).ok());
    let password = Hashed::new(password);
    let user = match admin {
        Some(user) => User { password, ..user },
        None => User::first(password),
    };
    writing(ADMIN, &user)
}

fn writing(name: &str, user: &User) -> Vec<Change> {
    let value = serde_json::to_vec(user).expect("texts and numbers become JSON");
    vec![
        (WAS_SET.to_vec(), Some(Vec::new())),
        (name.as_bytes().to_vec(), Some(value)),
    ]
}

impl Table {
    fn known(&self, name: &str) -> Option<Known> {
        let role = match self.users.get(name) {
            Some(user) => user.role,
            None if !self.password_set && name == ADMIN => Role::Administrator,
            None => return None,
        };
        Some(Known {
            name: name.to_owned(),
            role,
            must_set_password: !self.password_set,
        })
    }

    fn is_last_administrator(&self, name: &str) -> bool {
        let mut others = self.users.iter().filter(|(other, _)| *other != name);
        !others.any(|(_, user)| user.role == Role::Administrator)
            && self
                .users
                .get(name)
                .is_some_and(|user| user.role == Role::Administrator)
    }
}

impl Told {
    fn new(name: &str, user: &User) -> Self {
        Self {
            username: name.to_owned(),
            description: user.description.clone(),
            role: user.role,
        }
    }

    /// The one who is there before any password was set.
    fn first() -> Self {
        Self {
            username: ADMIN.to_owned(),
            description: user::FIRST_DESCRIPTION.to_owned(),
            role: Role::Administrator,
        }
    }
}
