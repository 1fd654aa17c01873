//! The authenticator that asks a database for a user's row: `password_hash`, `salt`, `is_superuser`, as
//! EMQX's queries name them. The password is compared here, with what the verifier remembers.

use std::{sync::Arc, time::Duration};

use engine::Cause;

use super::{
    Desk,
    built_in::compare,
    chain::{Answer, Authenticator, Question},
    hash::Algorithm,
    method::UserTable,
    users::User,
};
use crate::access::remote::{
    Errands, Failure, Guard, Memory, Scope,
    database::{Database, Row},
};

pub(super) struct Table {
    /// Or why it cannot be asked.
    asked: Result<Asked, String>,
    algorithm: Algorithm,
    errands: Arc<Errands>,
    desk: Arc<Desk>,
}

struct Asked {
    database: Database,
    guard: Guard,
    memory: Memory<Option<User>>,
    algorithm: Algorithm,
}

impl Asked {
    fn new(setup: &UserTable) -> Result<Self, String> {
        let name = format!("{}, which knows users,", setup.database.told());
        let timeout = Duration::from_millis(setup.database.request_timeout_millis);
        let memory = Memory::new(Duration::from_millis(setup.cache_millis));
        Ok(Self {
            database: Database::new(&setup.database, Scope::Guest)?,
            guard: Guard::new(name, timeout),
            memory: memory.map_err(|error| error.to_string())?,
            algorithm: setup.password_hash_algorithm.clone(),
        })
    }

    async fn user(&self, values: &[String]) -> Result<Option<User>, Failure> {
        let parts: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        let mark = self.memory.mark(&parts);
        if let Some(user) = self.memory.recall(mark) {
            return Ok(user);
        }
        let user = async {
            let rows = self.database.rows(values).await?;
            let row = rows.first();
            row.map(|row| read(row, &self.algorithm)).transpose()
        };
        let user = self.guard.ask(user).await?;
        self.memory.remember(mark, &user);
        Ok(user)
    }
}

/// The user of a row.
fn read(row: &Row, algorithm: &Algorithm) -> Result<User, Failure> {
    let column = |name: &str| {
        let found = row
            .iter()
            .find(|(column, _)| column.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let hash = column("password_hash").or_else(|| column("password"));
    let hash = hash.ok_or_else(|| Failure::Odd("the row has no password_hash".to_owned()))?;
    let kept = algorithm.adopt(hash, column("salt").unwrap_or_default());
    let kept = kept.map_err(|error| Failure::Odd(format!("the row: {error}")))?;
    Ok(User {
        kept: Arc::new(kept),
        superuser: column("is_superuser").is_some_and(|is| ["1", "t", "true"].contains(&is)),
    })
}

impl Table {
    pub(super) fn new(setup: &UserTable, errands: Arc<Errands>, desk: Arc<Desk>) -> Self {
        Self {
            asked: Asked::new(setup),
            algorithm: setup.password_hash_algorithm.clone(),
            errands,
            desk,
        }
    }
}

impl Authenticator for Table {
    fn ask(self: Arc<Self>, question: Question) {
        let Ok(asked) = &self.asked else {
            return question.answer(Answer::Deny(Cause::AuthenticatorFailed));
        };
        let Some(values) = asked.database.values(&question.credentials.facts()) else {
            return question.answer(Answer::Deny(Cause::WrongPassword));
        };
        // Refused a thread, the guest is refused with it.
        let Ok(handle) = self.errands.handle() else {
            return;
        };
        handle.spawn(async move {
            let Ok(asked) = &self.asked else { return };
            let found = asked.user(&values).await;
            let shown = &question.credentials;
            let name = shown.name_by(|place| asked.database.is_told(place)).into();
            let desk = self.desk.clone();
            desk.go_on(move || match found {
                Ok(user) => compare(question, name, user, || self.algorithm.decoy()),
                Err(_) => question.answer(Answer::Deny(Cause::AuthenticatorFailed)),
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

#[cfg(test)]
mod tests {
    use super::{super::hash::Salt, *};

    #[test]
    fn rows() {
        let plain = Algorithm::Plain;
        let sha = Algorithm::Sha256 {
            salt_position: Salt::Prefix,
        };
        let row = |columns: &[(&str, &str)]| -> Row {
            let each = columns.iter();
            each.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let user = read(
            &row(&[("PASSWORD_HASH", "p"), ("is_superuser", "t")]),
            &plain,
        )
        .unwrap();
        assert!(user.superuser && user.kept.is(b"p"));
        let user = read(&row(&[("password", "p"), ("is_superuser", "0")]), &plain).unwrap();
        assert!(!user.superuser && user.kept.is(b"p"));
        for (columns, algorithm) in [
            (&[][..], &plain),
            (&[("salt", "s")], &plain),
            (&[("password_hash", "no hash")], &sha),
        ] {
            assert!(read(&row(columns), algorithm).is_err());
        }
    }
}
