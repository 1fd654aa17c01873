//! The password of a tool, from where nobody else can read it: a file, the environment, or a person.

use crate::text::Text;

use super::settings::Settings;

const VALUE: &str = "TERNMQ_PASSWORD";
const FILE: &str = "TERNMQ_PASSWORD_FILE";

/// Fills in the password: the most deliberate source counts. The environment is only asked for
/// somebody who has a name.
pub(super) fn find(
    settings: &mut Settings,
    env: impl Fn(&str) -> Option<String>,
    text: Text,
) -> Result<(), String> {
    if settings.ask_password {
        let typed = rpassword::prompt_password(text.pick("Password: ", "密码："));
        let typed = typed.map_err(|error| text.no_password(&error))?;
        settings.password = Some(typed.into_bytes());
        return Ok(());
    }
    if settings.password.is_some() && settings.password_file.is_none() {
        return Ok(());
    }
    let named = |name| env(name).filter(|value| !value.is_empty() && settings.user_name.is_some());
    let file = settings.password_file.clone();
    if let Some(path) = file.or_else(|| named(FILE).map(Into::into)) {
        let read = std::fs::read(&path)
            .map_err(|error| text.no_password_file(&path.display().to_string(), &error))?;
        // Editors end a file with a line break.
        let line = read.strip_suffix(b"\n").unwrap_or(&read);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        settings.password = Some(line.to_vec());
    } else if let Some(value) = named(VALUE) {
        settings.password = Some(value.into_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Tool;

    #[test]
    fn the_most_deliberate_one_counts() {
        let path = std::env::temp_dir().join(format!("ternmq-pw-{}", std::process::id()));
        std::fs::write(&path, "of file\r\n").unwrap();
        let shown = path.display().to_string();
        let from = |given: Option<&str>, file: bool, name: bool, vars: &[(&str, &str)]| {
            let mut settings = Settings::new(Tool::Publish);
            settings.password = given.map(|text| text.as_bytes().to_vec());
            settings.password_file = file.then(|| path.clone());
            settings.user_name = name.then(|| "u".to_owned());
            let env = |name: &str| {
                let found = vars.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            find(&mut settings, env, Text::from_env(|_| None)).unwrap();
            settings.password.map(|p| String::from_utf8(p).unwrap())
        };
        let is = |text: &str| Some(text.to_owned());
        let both = [(VALUE, "of env"), (FILE, shown.as_str())];
        assert_eq!(from(None, false, true, &[]), None);
        assert_eq!(from(None, false, true, &both[..1]), is("of env"));
        assert_eq!(from(None, false, true, &both), is("of file"));
        assert_eq!(from(None, false, false, &both), None);
        assert_eq!(from(Some("given"), false, true, &both), is("given"));
        assert_eq!(from(Some("given"), true, true, &[]), is("of file"));
        std::fs::remove_file(&path).unwrap();
    }
}
