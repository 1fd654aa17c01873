//! The authenticator that asks a directory. It searches a client's entry, and compares the password with a hash
//! there, or lets the directory do that. A directory that does not answer, or says what nobody understands,
//! lets nobody in.

use std::{sync::Arc, time::Duration};

use engine::Cause;

use super::{
    Desk,
    chain::{Answer, Authenticator, Granted, Question},
    method::Ldap,
    scheme::Kept,
};
use crate::access::remote::{
    Errands, Failure, Guard, Memory,
    ldap::{Ask, Bound, Directory, Entry, LdapMethod, LdapSetup},
};

pub(super) struct Entries {
    /// Or why it cannot be asked.
    asked: Result<Asked, String>,
    errands: Arc<Errands>,
    desk: Arc<Desk>,
}

struct Asked {
    directory: Directory,
    guard: Guard,
    memory: Memory<Said>,
    setup: LdapSetup,
}

/// What is known of somebody after the directory was asked.
#[derive(Clone, Debug)]
enum Said {
    Unknown,
    /// An entry whose passwords are compared here.
    Passwords {
        kept: Arc<[Kept]>,
        superuser: bool,
    },
    Right {
        superuser: bool,
    },
    Wrong,
    /// The directory lets the entry not sign in.
    Shut,
}

impl Asked {
    fn new(ldap: &Ldap) -> Result<Self, String> {
        let setup = &ldap.directory;
        let name = format!("LDAP at {}, which knows users,", setup.server);
        let timeout = Duration::from_millis(setup.request_timeout_millis);
        let memory = Memory::new(Duration::from_millis(ldap.cache_millis));
        Ok(Self {
            directory: Directory::new(setup)?,
            guard: Guard::new(name, timeout),
            memory: memory.map_err(|error| error.to_string())?,
            setup: setup.clone(),
        })
    }

    async fn said(&self, ask: &Ask, password: &[u8]) -> Result<Said, Failure> {
        let [place, filter] = ask.parts();
        // Where the directory compares, its answer is about this password.
        let shown: &[u8] = match self.setup.method {
            LdapMethod::Hash { .. } => &[],
            LdapMethod::Bind => password,
        };
        let mark = self.memory.mark(&[place, filter, shown]);
        if let Some(said) = self.memory.recall(mark) {
            return Ok(said);
        }
        let said = self.guard.ask(self.asked(ask, password)).await?;
        // Whoever was refused may be right in a moment, when somebody has set the password.
        if !matches!(said, Said::Wrong | Said::Shut) {
            self.memory.remember(mark, &said);
        }
        Ok(said)
    }

    async fn asked(&self, ask: &Ask, password: &[u8]) -> Result<Said, Failure> {
        let Some(entry) = self.directory.find(ask).await? else {
            return Ok(Said::Unknown);
        };
        let superuser = is_superuser(&entry, &self.setup.is_superuser_attribute);
        match &self.setup.method {
            LdapMethod::Hash { password_attribute } => Ok(Said::Passwords {
                kept: kept(&entry, password_attribute)?.into(),
                superuser,
            }),
            LdapMethod::Bind => Ok(match self.directory.opens(&entry, password).await? {
                Bound::Yes => Said::Right { superuser },
                Bound::No => Said::Wrong,
                Bound::Shut => Said::Shut,
            }),
        }
    }
}

fn is_superuser(entry: &Entry, attribute: &str) -> bool {
    let mut values = entry.values(attribute).iter();
    values.any(|value| value.eq_ignore_ascii_case(b"true") || value == b"1")
}

/// The passwords of an entry that can be compared; there may be several.
fn kept(entry: &Entry, attribute: &str) -> Result<Vec<Kept>, Failure> {
    let (mut kept, mut fault) = (Vec::new(), None);
    for value in entry.values(attribute) {
        match Kept::parse(value) {
            Ok(one) => kept.push(one),
            Err(error) => fault = Some(error),
        }
    }
    if kept.is_empty() {
        let none =
            || format!("an entry shows no {attribute}; let username read it, or method be bind");
        return Err(Failure::Odd(fault.unwrap_or_else(none)));
    }
    Ok(kept)
}

fn answer(said: &Said, name: &str, password: &[u8]) -> Answer {
    match said {
        Said::Unknown => Answer::Ignore,
        Said::Passwords { kept, superuser } if kept.iter().any(|one| one.is(password)) => {
            Answer::Allow(Granted::user(name, *superuser))
        }
        Said::Right { superuser } => Answer::Allow(Granted::user(name, *superuser)),
        Said::Passwords { .. } | Said::Wrong => Answer::Deny(Cause::WrongPassword),
        Said::Shut => Answer::Deny(Cause::AuthenticationDenied),
    }
}

impl Entries {
    pub(super) fn new(ldap: &Ldap, errands: Arc<Errands>, desk: Arc<Desk>) -> Self {
        Self {
            asked: Asked::new(ldap),
            errands,
            desk,
        }
    }
}

impl Authenticator for Entries {
    fn ask(self: Arc<Self>, question: Question) {
        let Ok(asked) = &self.asked else {
            return question.answer(Answer::Deny(Cause::AuthenticatorFailed));
        };
        let Some(ask) = asked.directory.about(&question.credentials.facts()) else {
            return question.answer(Answer::Ignore);
        };
        // Refused a thread, the guest is refused with it.
        let Ok(handle) = self.errands.handle() else {
            return;
        };
        handle.spawn(async move {
            let Ok(asked) = &self.asked else { return };
            let password = question.credentials.password.clone().unwrap_or_default();
            let said = asked.said(&ask, password.bytes()).await;
            self.desk.go_on(move || {
                let given = match said {
                    Ok(said) => answer(&said, ask.name(), password.bytes()),
                    Err(_) => Answer::Deny(Cause::AuthenticatorFailed),
                };
                question.answer(given);
            });
        });
    }

    fn trouble(&self) -> Option<String> {
        match &self.asked {
            Ok(asked) => asked.guard.trouble(),
            Err(trouble) => Some(trouble.clone()),
        }
    }
}
