//! The authenticator over a password file as mosquitto has it: a user and a hash in each line.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use engine::Cause;

use super::{
    built_in::compare,
    chain::{Answer, Authenticator, Question},
    hash::{Algorithm, Hashed},
    users::{USERS_MAX, User},
    watched::Watched,
};

type Table = HashMap<Box<str>, User>;

pub(super) struct Passwords(Watched<Table>);

impl Passwords {
    pub(super) fn open(path: PathBuf) -> Self {
        Self(Watched::open(path, parse))
    }
}

impl Authenticator for Passwords {
    fn ask(self: Arc<Self>, question: Question) {
        let Some(name) = question.credentials.user_name.clone() else {
            return question.answer(Answer::Ignore);
        };
        let Some(table) = self.0.good() else {
            return question.answer(Answer::Deny(Cause::AuthenticatorFailed));
        };
        let user = table.get(&name).cloned();
        compare(question, name, user, || {
            // As long as the others in the file take.
            let any = table.values().next();
            any.map_or_else(|| Algorithm::Plain.decoy(), |any| Hashed::clone(&any.kept))
        });
    }

    fn trouble(&self) -> Option<String> {
        self.0.trouble()
    }
}

/// All of a file or nothing: half a file would shut out the other half. The error names a line, and
/// never what stands there.
fn parse(text: &str) -> Result<Table, String> {
    let mut table = Table::new();
    for row in rows(text) {
        let (number, name, kept) = row?;
        let user = User {
            kept: Arc::new(kept),
            superuser: false,
        };
        if table.insert(name.into(), user).is_some() {
            return Err(format!("line {number} names a user a second time"));
        }
        if table.len() > USERS_MAX {
            return Err(format!("there are more than {USERS_MAX} users"));
        }
    }
    if table.is_empty() {
        return Err("there is nobody in it".to_owned());
    }
    Ok(table)
}

/// A line's number, its user, and how the password is kept.
pub(super) fn rows(text: &str) -> impl Iterator<Item = Result<(usize, &str, Hashed), String>> {
    let lines = (1..).zip(text.lines().map(str::trim_end));
    let said = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    said.map(|(number, line)| {
        let (name, hash) = line
            .split_once(':')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("line {number} is no user, colon and hash"))?;
        let kept = Hashed::of_mosquitto(hash)
            .map_err(|error| format!("line {number} has no hash of mosquitto_passwd: {error}"))?;
        Ok((number, name, kept))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: &str = "anna:$7$101$ijADCJb5/fweysCX$0ufgV/hgMhwJEog9yX0POBMAFYGLPyB9yD5cfUYfhjubQUn60sXv134qw30E5lRvizDycRG655elUQR2DzXtfA==";
    const BERT: &str = "bert:$6$WWsj0670eleIyplU$TjcdA+MC2WhNAc/l3KEu5jf27Xaw1rK1xfsqE4l0OlxZKeuN1mMbbwhdNNG7WKOCzs0ZUyAeez3NC9EtUZ7/VA==";

    #[test]
    fn lines() {
        let both = parse(&format!("# ours\n\n{ANNA}\r\n{BERT}\n")).unwrap();
        assert_eq!(both.len(), 2);
        assert!(both.values().all(|user| user.kept.is(b"public")));
        for (text, due) in [
            ("", "nobody"),
            ("\n\n# nobody\n", "nobody"),
            ("anna", "line 1"),
            (":$6$AA$AA", "line 1"),
            ("# x\nanna:secret-word", "line 2"),
            (&format!("{ANNA}\n{ANNA}"), "line 2"),
            ("anna:$6$AAAA$secret-word", "line 1"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(due), "{error}");
            assert!(!error.contains("secret-word"), "{error}");
        }
    }
}
