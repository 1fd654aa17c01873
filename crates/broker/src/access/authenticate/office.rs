//! What the chain is made of: how authenticators are set up, in which order, and the broker's own users;
//! as people wrote it, as the store keeps it, and as shards have it.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use backbone::Blob;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    built_in::Own,
    chain::{Authenticator, Chain, Link},
    database::Table,
    file::Passwords,
    hash::{Hashed, Unfit},
    http::Service,
    jwt::Tokens,
    ldap::Entries,
    method::{BuiltIn, Method, Setup},
    register::Register,
    roll::{Format, Recruit, Secrecy, Secret},
    scram::Exchanges,
    tally::{Counts, Tally},
    users::{USERS_MAX, User, Users},
    verify::Verifier,
};
use crate::{
    StartError,
    access::remote::{Errands, Reach},
    admin::{Bucket, Change, Keep, KeepError},
    config::Layers,
    control::{configuration, store::Store},
    shard::Clock,
};

/// The setting that says whether clients come in without a name.
pub(crate) const ANONYMOUS: &str = "mqtt.allow_anonymous";
/// The key under which the store has how authenticators are set up.
const SETUPS_KEY: &str = "authenticators";
/// Plain passwords of one file, where each takes tens of milliseconds to hash.
pub(crate) const SLOW_MAX: usize = 1_000;

/// Why something about users cannot be as it is wanted, in words for people.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unusable(pub(crate) String);

/// As it is kept: a list is no document.
#[derive(Serialize, Deserialize)]
struct Kept {
    value: Vec<Setup>,
}

/// An authenticator in its place.
#[derive(Clone)]
struct Placed {
    setup: Setup,
    link: Link,
}

/// What shows how an authenticator is doing.
pub(crate) struct Status {
    pub(crate) counts: Counts,
    pub(crate) trouble: Option<String>,
    pub(crate) waiting: usize,
}

pub(crate) struct Office {
    desk: Arc<Desk>,
    clock: Clock,
    /// Where back ends are waited for.
    errands: Arc<Errands>,
    verifier: Arc<Verifier>,
    users: Arc<Users>,
    /// Those who prove themselves by SCRAM.
    scram_users: Arc<Users>,
    placed: Mutex<Vec<Placed>>,
    /// Held by who changes something, until all shards know.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Office {
    /// What an earlier life of the broker was told. A user that cannot be read is named and left out.
    ///
    /// # Errors
    /// If the store cannot be read, or how clients are authenticated: without that, anybody might come
    /// in. Also if the system has no random bytes.
    pub(crate) fn load(
        store: &Store,
        desk: Arc<Desk>,
        clock: Clock,
        reach: Reach,
    ) -> Result<Self, backbone::Error> {
        let refused = |error: io::Error| backbone::Error::Fatal(error.to_string().into());
        let verifier = Verifier::new().map_err(refused)?;
        let office = Self {
            desk,
            clock,
            errands: Arc::new(Errands::new(reach)),
            verifier: Arc::new(verifier),
            users: Arc::default(),
            scram_users: Arc::default(),
            placed: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        };
        let setups = store.records(Bucket::Authenticator.name())?;
        let users = [Bucket::MqttUser, Bucket::ScramUser].map(|of| store.records(of.name()));
        let [users, scram_users] = users;
        let taken = office.take(&setups, &users?, &scram_users?);
        let taken = taken.map_err(|error| backbone::Error::Fatal(error.0.into()))?;
        for fault in taken {
            tracing::error!("in the store: {fault}");
        }
        Ok(office)
    }

    /// Takes records in place of what there was. Says which users cannot be used.
    ///
    /// # Errors
    /// If the authenticators cannot; nothing is changed then.
    pub(crate) fn take(
        &self,
        setups: &[(Blob, Blob)],
        users: &[(Blob, Blob)],
        scram_users: &[(Blob, Blob)],
    ) -> Result<Vec<String>, Unusable> {
        let mut wanted = Vec::new();
        for (key, value) in setups {
            let named =
                |error: String| Unusable(format!("the authenticators cannot be used: {error}"));
            wanted = read(key, value).map_err(named)?;
        }
        let mut faults = self.users.load(users);
        faults.extend(self.scram_users.load(scram_users));
        self.place(wanted);
        Ok(faults)
    }

    fn placed(&self) -> MutexGuard<'_, Vec<Placed>> {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What shards ask; nothing where nobody is to be asked.
    ///
    /// # Errors
    /// If the system refuses a thread to ask with.
    pub(crate) fn chain(&self) -> io::Result<Option<Arc<Chain>>> {
        let placed = self.placed();
        let enabled = placed.iter().filter(|placed| placed.setup.enable);
        let links: Vec<Link> = enabled.map(|placed| placed.link.clone()).collect();
        drop(placed);
        if links.is_empty() {
            return Ok(None);
        }
        self.desk.staff()?;
        Ok(Some(Arc::new(Chain {
            links,
            verifier: self.verifier.clone(),
        })))
    }

    /// Where back ends are waited for.
    pub(crate) fn errands(&self) -> Arc<Errands> {
        self.errands.clone()
    }

    pub(crate) fn setups(&self) -> Vec<Setup> {
        self.placed().iter().map(|p| p.setup.clone()).collect()
    }

    pub(crate) fn setup(&self, id: &str) -> Option<Setup> {
        let placed = self.placed();
        let found = placed.iter().find(|p| p.setup.method.id() == id);
        found.map(|p| p.setup.clone())
    }

    /// Puts these in their order. What was counted of an authenticator goes on; one that is set up as
    /// before stays as it is.
    pub(crate) fn place(&self, setups: Vec<Setup>) {
        let before = self.placed().clone();
        let placed = setups.into_iter().map(|setup| {
            let id = setup.method.id();
            let old = before.iter().find(|p| p.link.id == id);
            let same = old.filter(|p| p.setup.method == setup.method);
            let authenticator = match same {
                Some(old) => old.link.authenticator.clone(),
                None => self.raise(&setup.method),
            };
            let link = Link {
                id: id.to_owned(),
                authenticator,
                tally: old.map_or_else(|| Arc::new(Tally::new()), |p| p.link.tally.clone()),
            };
            Placed { setup, link }
        });
        let placed = placed.collect();
        *self.placed() = placed;
    }

    fn raise(&self, method: &Method) -> Arc<dyn Authenticator> {
        match method {
            Method::BuiltIn(own) => Arc::new(Own {
                users: self.users.clone(),
                by: own.user_id_type,
                algorithm: own.password_hash_algorithm.clone(),
            }),
            Method::Scram(scram) => Arc::new(Exchanges {
                users: self.scram_users.clone(),
                setup: scram.clone(),
            }),
            Method::File(file) => Arc::new(Passwords::open(file.path.clone())),
            Method::Jwt(jwt) => Arc::new(Tokens::new(
                jwt.clone(),
                self.clock,
                self.errands.clone(),
                self.desk.clone(),
            )),
            Method::Database(table) => {
                Arc::new(Table::new(table, self.errands.clone(), self.desk.clone()))
            }
            Method::Ldap(ldap) => {
                Arc::new(Entries::new(ldap, self.errands.clone(), self.desk.clone()))
            }
            Method::Http(service) => Arc::new(Service::new(
                service,
                self.clock,
                self.errands.clone(),
                self.desk.clone(),
            )),
        }
    }

    /// # Errors
    /// If an authenticator could not do its work as it is to be set up.
    pub(crate) fn check(&self, method: &Method) -> Result<(), Unusable> {
        method
            .check()
            .map_err(|error| Unusable(error.to_string()))?;
        // One that is there already may be in trouble and be set up all the same.
        if self.setup(method.id()).is_some_and(|s| s.method == *method) {
            return Ok(());
        }
        match self.raise(method).trouble() {
            Some(trouble) => Err(Unusable(trouble)),
            None => Ok(()),
        }
    }

    pub(crate) fn status(&self, id: &str) -> Option<Status> {
        let found = self.placed().iter().find(|p| p.link.id == id).cloned()?;
        Some(Status {
            counts: found.link.tally.counts(),
            trouble: found.link.authenticator.trouble(),
            waiting: self.desk.waiting(),
        })
    }

    /// The record of these setups.
    pub(crate) fn change(setups: &[Setup]) -> Change {
        let kept = Kept {
            value: setups.to_vec(),
        };
        let text = toml::to_string(&kept).expect("texts, numbers and tables become TOML");
        (SETUPS_KEY.as_bytes().to_vec(), Some(text.into_bytes()))
    }

    /// How the broker's own users are set up, if they are.
    fn built_in(&self) -> Option<BuiltIn> {
        match self.register(Method::BUILT_IN)? {
            Register::Passwords(own) => Some(own),
            Register::Scram(_) => None,
        }
    }

    /// How an authenticator keeps its users, if it is there and does.
    pub(crate) fn register(&self, id: &str) -> Option<Register> {
        match self.setup(id)?.method {
            Method::BuiltIn(own) => Some(Register::Passwords(own)),
            Method::Scram(scram) => Some(Register::Scram(scram)),
            Method::File(_)
            | Method::Jwt(_)
            | Method::Http(_)
            | Method::Database(_)
            | Method::Ldap(_) => None,
        }
    }

    fn users(&self, of: &Register) -> &Users {
        match of {
            Register::Passwords(_) => &self.users,
            Register::Scram(_) => &self.scram_users,
        }
    }

    pub(crate) fn user(&self, of: &Register, name: &str) -> Option<User> {
        self.users(of).find(name)
    }

    /// Users that are wanted, by name: how many there are, and a window of them.
    pub(crate) fn find_users(
        &self,
        of: &Register,
        wants: impl Fn(&str, bool) -> bool,
        (offset, limit): (usize, usize),
    ) -> (usize, Vec<(String, bool)>) {
        let users = self.users(of).read();
        let wanted = users
            .iter()
            .filter(|(name, user)| wants(name, user.superuser));
        let page = wanted.clone().skip(offset).take(limit);
        let page = page.map(|(name, user)| (name.to_string(), user.superuser));
        (wanted.count(), page.collect())
    }

    /// Whether there are users of either kind.
    pub(crate) fn has_users(&self) -> bool {
        let all = [&self.users, &self.scram_users];
        all.iter().any(|users| !users.read().is_empty())
    }

    /// Whether as many more users fit.
    pub(crate) fn has_room(&self, of: &Register, more: usize) -> bool {
        self.users(of).read().len().saturating_add(more) <= USERS_MAX
    }

    /// What was kept is so from now on; `None` takes a user out.
    pub(crate) fn set_users(&self, of: &Register, users: Vec<(String, Option<User>)>) {
        let mut table = self.users(of).write();
        for (name, user) in users {
            match user {
                Some(user) => _ = table.insert(name.into(), user),
                None => _ = table.remove(&*name),
            }
        }
    }

    pub(crate) fn user_names(&self, of: &Register) -> Vec<String> {
        self.users(of)
            .read()
            .keys()
            .map(ToString::to_string)
            .collect()
    }

    /// Hashes a new password on the desk's threads. `None` if too many wait.
    pub(crate) async fn hash(&self, of: &Register, password: String) -> Option<Hashed> {
        let register = of.clone();
        if !register.is_slow() {
            return register.keep(password.as_bytes());
        }
        // Users may be made while the authenticator is switched off.
        self.desk.staff().ok()?;
        let (answer, answered) = tokio::sync::oneshot::channel();
        let job = move || {
            // Who asked may have gone.
            let _ = answer.send(register.keep(password.as_bytes()));
        };
        if !self.desk.run(Box::new(job)) {
            return None;
        }
        answered.await.ok().flatten()
    }

    /// Whether a file with so many plain passwords takes longer than anybody wants to wait.
    pub(crate) fn is_long(of: &Register, recruits: &[Recruit]) -> bool {
        let plain = |recruit: &&Recruit| matches!(recruit.secret, Secret::Plain(_));
        of.is_slow() && recruits.iter().filter(plain).count() > SLOW_MAX
    }

    /// Makes a user of a recruit; `None` if too much waits.
    ///
    /// # Errors
    /// If the hash that the recruit brings is none, or nobody could come by the name.
    pub(crate) async fn enlist(
        &self,
        of: &Register,
        recruit: &Recruit,
    ) -> Result<Option<User>, Unusable> {
        let named = |error: Unfit| Unusable(format!("{:?}: {error}", recruit.name));
        of.check_name(&recruit.name).map_err(named)?;
        let kept = match &recruit.secret {
            Secret::Plain(password) => self.hash(of, password.clone()).await,
            Secret::Hash { hash, salt } => Some(of.adopt(hash, salt).map_err(named)?),
            Secret::Kept(kept) => Some(kept.clone()),
        };
        Ok(kept.map(|kept| User {
            kept: Arc::new(kept),
            superuser: recruit.superuser,
        }))
    }

    /// Takes the users of the file that the settings name, if they do. With them, nobody comes in without
    /// a name any more, unless somebody has said so. Before anything is listened on: blocks.
    ///
    /// # Errors
    /// If the settings or the file cannot be used, or the store does not take it.
    pub(crate) fn begin(&self, layers: Layers, store: &Arc<Store>) -> Result<Layers, StartError> {
        let loaded = layers.load()?;
        let Some(path) = &loaded.config.mqtt.bootstrap_users else {
            return Ok(layers);
        };
        let keep = Keep::new(store.clone());
        let refused = |error: Unusable| StartError::Users(error.0);
        let added = self.bootstrap(path, &keep).map_err(refused)?;
        if added > 0 {
            tracing::info!("{} MQTT users were added from {}", added, path.display());
        }
        if loaded.origins.contains_key(ANONYMOUS) {
            return Ok(layers);
        }
        let change = (ANONYMOUS.as_bytes().to_vec(), Some(b"false".to_vec()));
        let kept = keep.put_now(Bucket::Setting, vec![change]);
        kept.map_err(|error| StartError::Users(error.to_string()))?;
        Ok(configuration::with_saved(layers, store)?)
    }

    /// Adds those users of a file who are not there yet, with an authenticator for them if there is none.
    fn bootstrap(&self, path: &Path, keep: &Keep) -> Result<usize, Unusable> {
        let named = |what: String| Unusable(format!("{}: {what}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
        let recruits = match Format::of_name(&path.to_string_lossy()) {
            Some(format) => format.read(&bytes, Secrecy::AsNamed),
            None => Recruit::of_mosquitto(&String::from_utf8_lossy(&bytes)),
        };
        let recruits = recruits.map_err(|error| named(error.to_string()))?;
        let own = self.built_in().unwrap_or_default();
        let of = Register::Passwords(own.clone());
        let recruits: Vec<Recruit> = {
            let users = self.users.read();
            let new = |recruit: &Recruit| !users.contains_key(&*recruit.name);
            recruits.into_iter().filter(new).collect()
        };
        if Self::is_long(&of, &recruits) || !self.has_room(&of, recruits.len()) {
            let text = format!(
                "there are more than {SLOW_MAX} plain passwords in it; bring hashes, or divide it"
            );
            return Err(named(text));
        }
        let mut users = Vec::new();
        for recruit in &recruits {
            let made = configuration::wait(self.enlist(&of, recruit));
            let made = made.map_err(|error| named(error.0))?;
            let user = made.ok_or_else(|| named("a password could not be hashed".to_owned()))?;
            users.push((recruit.name.clone(), Some(user)));
        }
        let refused = |error: KeepError| named(error.to_string());
        let changes = users
            .iter()
            .filter_map(|(name, user)| Some(user.as_ref()?.change(name)));
        keep.put_now(Bucket::MqttUser, changes.collect())
            .map_err(refused)?;
        let added = users.len();
        self.set_users(&of, users);
        let mut setups = self.setups();
        if self.built_in().is_none() {
            setups.push(Setup {
                enable: true,
                method: Method::BuiltIn(own),
            });
            keep.put_now(Bucket::Authenticator, vec![Self::change(&setups)])
                .map_err(refused)?;
            self.place(setups);
        }
        Ok(added)
    }
}

fn read(key: &[u8], value: &[u8]) -> Result<Vec<Setup>, String> {
    if key != SETUPS_KEY.as_bytes() {
        return Err("unknown to this release".to_owned());
    }
    let text = std::str::from_utf8(value).map_err(|e| e.to_string())?;
    let kept: Kept = toml::from_str(text).map_err(|e| e.to_string())?;
    Ok(kept.value)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{hash::Algorithm, method::PasswordFile, method::UserIdType},
        *,
    };

    /// Whatever can be set up comes back from its record.
    #[test]
    fn setups_come_back() {
        use super::super::hash::{Digest, Salt};
        let algorithms = [
            Algorithm::Argon2id,
            Algorithm::Bcrypt { salt_rounds: 10 },
            Algorithm::Pbkdf2 {
                mac_fun: Digest::Sha256,
                iterations: 4096,
                dk_length: None,
            },
            Algorithm::Sha512 {
                salt_position: Salt::Prefix,
            },
            Algorithm::Plain,
        ];
        for algorithm in algorithms {
            let setups = vec![
                Setup {
                    enable: true,
                    method: Method::BuiltIn(BuiltIn {
                        user_id_type: UserIdType::Clientid,
                        password_hash_algorithm: algorithm,
                    }),
                },
                Setup {
                    enable: false,
                    method: Method::File(PasswordFile {
                        path: "/etc/a b/'中'".into(),
                    }),
                },
            ];
            let (key, value) = Office::change(&setups);
            assert_eq!(read(&key, &value.unwrap()), Ok(setups));
        }
        assert!(read(b"odd", b"").is_err());
        assert!(read(SETUPS_KEY.as_bytes(), b"odd").is_err());
    }
}
