//! What the commands and their options are, in one form for completions and man pages. It is made from
//! what reads the arguments, so it cannot say anything else.

mod roff;
mod shells;

use std::path::Path;

use crate::text::Text;
use crate::tools::{self, Tool};

pub(crate) use shells::Shell;

/// A command, the program itself included.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As it is typed, from the program on: `ternmq bench pub`.
    words: String,
    about: String,
    /// What follows its name, in short.
    usage: String,
    choices: Vec<Choice>,
    /// What else there is to know.
    note: String,
    below: Vec<Self>,
}

/// An option.
#[derive(Debug)]
pub(crate) struct Choice {
    /// With their dashes, the short one first.
    pub(crate) names: Vec<String>,
    /// What its value is called, if it has one.
    pub(crate) value: Option<String>,
    pub(crate) help: String,
}

impl Choice {
    /// Whether its value is something in the file system.
    fn is_path(&self) -> bool {
        let value = self.value.as_deref().unwrap_or_default();
        let parts = ["FILE", "PATH", "FOLDER", "DIR"];
        value.split('|').any(|part| parts.contains(&part))
    }

    /// The values it can have, if these are all.
    fn values(&self) -> Vec<&str> {
        let value = self.value.as_deref().unwrap_or_default();
        let is_list = value.contains('|') && !self.is_path() && value != value.to_uppercase()
            || value.chars().all(|c| c.is_ascii_digit() || c == '|');
        if is_list && value.contains('|') {
            value.split('|').collect()
        } else {
            Vec::new()
        }
    }
}

impl Entry {
    /// The program with all its commands.
    pub(crate) fn all(mut command: clap::Command, text: Text) -> Self {
        // Options of the program are those of its commands, too.
        command.build();
        Self::of(&command, "ternmq", text)
    }

    fn of(command: &clap::Command, words: &str, text: Text) -> Self {
        let about = |styled: Option<&clap::builder::StyledStr>| {
            styled.map_or_else(String::new, ToString::to_string)
        };
        if let Some((tool, _)) = Tool::find(&words.split(' ').skip(1).collect::<Vec<_>>()) {
            return Self {
                words: words.to_owned(),
                about: tool.about(text).to_owned(),
                usage: tool.usage(text).to_owned(),
                choices: tools::choices(tool, text),
                note: tools::note(tool, text),
                below: Vec::new(),
            };
        }
        let shown = |arg: &&clap::Arg| !arg.is_hide_set() && !arg.is_positional();
        let choices = command.get_arguments().filter(shown).map(|arg| {
            let short = arg.get_short().map(|c| format!("-{c}"));
            let long = arg.get_long().map(|name| format!("--{name}"));
            let takes_value = arg.get_action().takes_values();
            let names = arg.get_value_names().and_then(<[_]>::first);
            Choice {
                names: short.into_iter().chain(long).collect(),
                value: names.filter(|_| takes_value).map(ToString::to_string),
                help: about(arg.get_help()),
            }
        });
        let below = command.get_subcommands().map(|inner| {
            let words = format!("{words} {}", inner.get_name());
            Self::of(inner, &words, text)
        });
        let positional = command.get_positionals().filter(|arg| !arg.is_hide_set());
        let mut usage: Vec<String> = positional
            .flat_map(|arg| arg.get_value_names().unwrap_or_default())
            .map(ToString::to_string)
            .collect();
        if command.has_subcommands() {
            usage.push(text.pick("[COMMAND]", "[命令]").to_owned());
        }
        usage.push(text.pick("[OPTION]...", "[选项]...").to_owned());
        Self {
            words: words.to_owned(),
            about: about(command.get_about()),
            usage: usage.join(" "),
            choices: choices.collect(),
            note: about(command.get_after_help()),
            below: below.collect(),
        }
    }

    /// This one and all below it.
    fn walk(&self) -> Vec<&Self> {
        let mut all = vec![self];
        all.extend(self.below.iter().flat_map(Self::walk));
        all
    }

    /// The script that makes a shell complete.
    pub(crate) fn completions(&self, shell: Shell) -> String {
        shells::script(self, shell)
    }

    /// The man page of the command of these words, if there is one.
    pub(crate) fn man(&self, words: &[String], text: Text) -> Option<String> {
        let words = [&["ternmq".to_owned()], words].concat().join(" ");
        let all = self.walk();
        let found = all.iter().find(|entry| entry.words == words)?;
        Some(roff::page(found, &all, text))
    }

    /// Writes every man page into a folder; gives how many.
    ///
    /// # Errors
    /// What the file system refuses.
    pub(crate) fn write_man(&self, folder: &Path, text: Text) -> std::io::Result<usize> {
        std::fs::create_dir_all(folder)?;
        let all = self.walk();
        for entry in &all {
            let name = format!("{}.1", entry.words.replace(' ', "-"));
            std::fs::write(folder.join(name), roff::page(entry, &all, text))?;
        }
        Ok(all.len())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn program(locale: &str) -> (Entry, Text) {
        let text = Text::from_env(|_| Some(locale.to_owned()));
        (Entry::all(crate::cli::command(text), text), text)
    }

    #[test]
    fn every_command_and_option_is_there() {
        let (program, _) = program("C");
        let all = program.walk();
        let words: Vec<&str> = all.iter().map(|entry| &*entry.words).collect();
        for wanted in [
            "ternmq",
            "ternmq start",
            "ternmq store check",
            "ternmq bench latency",
            "ternmq pub",
        ] {
            assert!(words.contains(&wanted), "{wanted}: {words:?}");
        }
        let publish = all
            .iter()
            .find(|entry| entry.words == "ternmq pub")
            .unwrap();
        let names: Vec<&String> = publish
            .choices
            .iter()
            .flat_map(|choice| &choice.names)
            .collect();
        for wanted in ["-t", "--topic", "--cafile", "--will-topic", "-D"] {
            assert!(names.iter().any(|name| *name == wanted), "{wanted}");
        }
        assert!(
            !names.iter().any(|name| *name == "--psk"),
            "refused ones are not offered"
        );
        let start = all
            .iter()
            .find(|entry| entry.words == "ternmq start")
            .unwrap();
        let config = start
            .choices
            .iter()
            .find(|c| c.names.contains(&"--config".to_owned()));
        assert!(config.is_some_and(Choice::is_path));
    }

    #[test]
    fn values_that_are_all_there_are() {
        let of = |value: &str| {
            let choice = Choice {
                names: Vec::new(),
                value: Some(value.to_owned()),
                help: String::new(),
            };
            choice.values().join(" ")
        };
        assert_eq!(of("0|1|2"), "0 1 2");
        assert_eq!(of("tlsv1.3|tlsv1.2"), "tlsv1.3 tlsv1.2");
        assert_eq!(of("NAME|FILE") + &of("COUNT") + &of(""), "");
    }
}
