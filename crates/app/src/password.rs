//! The password that a start brings along for `admin`. Never a plain value on the command line, where
//! every user of the machine can read it.

use std::path::{Path, PathBuf};

use api::Secret;

use crate::text::Text;

const VALUE: &str = "TERNMQ_ADMIN_PASSWORD";
const FILE: &str = "TERNMQ_ADMIN_PASSWORD_FILE";

/// A password, and where it stood.
pub(crate) struct Given {
    pub(crate) password: Secret,
    pub(crate) from: String,
}

/// The one to use: of the option, of the file that the environment names, or of the environment. One
/// that may not be a password is an error.
pub(crate) fn given(
    option: Option<&Path>,
    env: impl Fn(&str) -> Option<String>,
    text: Text,
) -> Result<Option<Given>, String> {
    let found = find(option, env, text)?;
    if let Some(given) = &found {
        let checked = given.password.check();
        checked.map_err(|weak| text.weak_password(weak, &given.from))?;
    }
    Ok(found)
}

fn find(
    option: Option<&Path>,
    env: impl Fn(&str) -> Option<String>,
    text: Text,
) -> Result<Option<Given>, String> {
    let named = |name| env(name).filter(|value| !value.is_empty());
    let file = match option {
        Some(path) => Some((path.to_owned(), "--admin-password-file".to_owned())),
        None => named(FILE).map(|path| (PathBuf::from(path), FILE.to_owned())),
    };
    let Some((path, from)) = file else {
        return Ok(named(VALUE).map(|value| Given {
            password: Secret::new(value),
            from: VALUE.to_owned(),
        }));
    };
    let read = std::fs::read_to_string(&path)
        .map_err(|error| text.no_password_file(&path.display().to_string(), &error))?;
    // Editors end a file with a line break.
    let line = read.trim_end_matches(['\r', '\n']);
    Ok(Some(Given {
        password: Secret::new(line),
        from,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_deliberate_one_counts() {
        let text = Text::from_env(|_| None);
        let dir = std::env::temp_dir().join(format!("ternmq-password-{}", std::process::id()));
        std::fs::write(&dir, "some-file-1\r\n").unwrap();
        let from = |option: Option<&Path>, vars: &[(&str, &str)]| {
            let env = |name: &str| {
                let found = vars.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            given(option, env, text).map(|given| given.map(|given| (given.from, given.password)))
        };
        let path = dir.display().to_string();
        let file = Secret::new("some-file-1");
        assert_eq!(from(None, &[]), Ok(None));
        assert_eq!(from(None, &[(VALUE, "")]), Ok(None));
        let value = Some((VALUE.to_owned(), Secret::new("some-value-1")));
        assert_eq!(from(None, &[(VALUE, "some-value-1")]), Ok(value));
        let both = [(VALUE, "some-value-1"), (FILE, path.as_str())];
        assert_eq!(from(None, &both), Ok(Some((FILE.to_owned(), file.clone()))));
        let option = Some(("--admin-password-file".to_owned(), file));
        assert_eq!(from(Some(&dir), &both), Ok(option));
        let weak = from(None, &[(VALUE, "public")]).unwrap_err();
        assert!(weak.contains(VALUE) && !weak.contains("public"), "{weak}");
        std::fs::remove_file(&dir).unwrap();
        let error = from(Some(&dir), &[]).unwrap_err();
        assert!(error.contains(&path) && !error.contains('\n'), "{error}");
    }
}
