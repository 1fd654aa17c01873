//! The arguments of `ternmq`. Built by hand instead of derived, because the help is in two
//! languages.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use broker::config::Sources;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};

use crate::text::Text;

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "ternmq.toml";

/// What the arguments ask for.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Print this and end.
    Show(String),
    Start(Options),
}

/// Options of `ternmq start`.
#[derive(Debug, Default)]
pub(crate) struct Options {
    config: Option<PathBuf>,
    sets: Vec<String>,
}

impl Options {
    /// All sources of the configuration, ready to be read, again on each reload.
    pub(crate) fn sources(&self, env: impl Iterator<Item = (OsString, OsString)>) -> Sources {
        let default = Path::new(DEFAULT_FILE);
        Sources {
            file: self
                .config
                .clone()
                .or_else(|| default.exists().then(|| default.into())),
            env: env
                .map(|(k, v)| {
                    (
                        k.to_string_lossy().into_owned(),
                        v.to_string_lossy().into_owned(),
                    )
                })
                .collect(),
            sets: self.sets.clone(),
        }
    }
}

/// Reads the arguments, the program's name first. An error is one line.
pub(crate) fn parse(
    args: impl IntoIterator<Item = OsString>,
    text: Text,
) -> Result<Parsed, String> {
    let mut matches = match command(text).try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    Ok(Parsed::Show(error.to_string()))
                }
                _ => Err(text.bad_arguments(&one_line(&error.to_string()))),
            };
        }
    };
    // The arguments are global, so a subcommand's matches hold them as well.
    if let Some((_, inner)) = matches.remove_subcommand() {
        matches = inner;
    }
    let mut sets: Vec<String> = matches
        .remove_many("set")
        .map(Iterator::collect)
        .unwrap_or_default();
    // An option of its own is more deliberate than a general one.
    for (option, key) in [("data-dir", "data_dir"), ("log-level", "log.level")] {
        if let Some(value) = matches.remove_one::<String>(option) {
            sets.push(format!("{key}={value}"));
        }
    }
    Ok(Parsed::Start(Options {
        config: matches.remove_one("config"),
        sets,
    }))
}

fn command(text: Text) -> Command {
    let option = |id: &'static str, value: &'static str, help: &'static str| {
        Arg::new(id)
            .long(id)
            .value_name(value)
            .help(help)
            .global(true)
    };
    Command::new("ternmq")
        .version(env!("CARGO_PKG_VERSION"))
        .about(text.about())
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .subcommand(Command::new("start").about(text.help_start()))
        .subcommand(Command::new("console").about(text.help_console()))
        .arg(
            option("config", "FILE", text.help_config())
                .short('c')
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .arg(option("data-dir", "DIR", text.help_data_dir()))
        .arg(option("set", "KEY=VALUE", text.help_set()).action(ArgAction::Append))
        .arg(option("log-level", "LEVEL", text.help_log_level()))
        .arg(
            Arg::new("help")
                .long("help")
                .short('h')
                .action(ArgAction::Help)
                .help(text.help_help())
                .global(true),
        )
        .arg(
            Arg::new("version")
                .long("version")
                .short('V')
                .action(ArgAction::Version)
                .help(text.help_version()),
        )
}

/// Cause and tip of clap's text, which spreads them over lines.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let told =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let joined = told
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    joined.strip_prefix("error: ").unwrap_or(&joined).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Parsed, String> {
        let args = ["ternmq"].iter().chain(args).map(OsString::from);
        parse(args, Text::from_env(|_| None))
    }

    fn options(args: &[&str]) -> Options {
        match run(args) {
            Ok(Parsed::Start(options)) => options,
            other => panic!("{args:?}: {other:?}"),
        }
    }

    #[test]
    fn all_ways_to_start() {
        for args in [&[][..], &["start"], &["console"]] {
            let options = options(args);
            assert!(options.config.is_none() && options.sets.is_empty());
        }
        for args in [
            &[
                "--set",
                "a=b",
                "--data-dir",
                "/d",
                "--config",
                "f.toml",
                "--set=c=d",
            ][..],
            &[
                "start",
                "--set",
                "a=b",
                "--data-dir",
                "/d",
                "-c",
                "f.toml",
                "--set=c=d",
            ],
        ] {
            let options = options(args);
            assert_eq!(options.sets, ["a=b", "c=d", "data_dir=/d"]);
            let sources = options.sources([("TERNMQ__A".into(), "1".into())].into_iter());
            assert_eq!(sources.file, Some("f.toml".into()));
            assert_eq!(sources.env, [("TERNMQ__A".to_owned(), "1".to_owned())]);
        }
        assert_eq!(
            options(&["console", "--log-level", "debug"]).sets,
            ["log.level=debug"]
        );
    }

    #[test]
    fn help_and_version_are_no_errors() {
        let Ok(Parsed::Show(help)) = run(&["--help"]) else {
            panic!("no help")
        };
        assert!(help.contains("--data-dir <DIR>"), "{help}");
        let Ok(Parsed::Show(version)) = run(&["--version"]) else {
            panic!("no version")
        };
        assert_eq!(version, format!("ternmq {}\n", env!("CARGO_PKG_VERSION")));
        let zh = Text::from_env(|_| Some("zh_CN".to_owned()));
        let page = parse(["ternmq".into(), "-h".into()], zh);
        assert!(matches!(page, Ok(Parsed::Show(page)) if page.contains("数据目录")));
    }

    #[test]
    fn errors_are_one_line() {
        for args in [
            &["--confg", "x"][..],
            &["stat"],
            &["--data-dir"],
            &["start", "extra"],
        ] {
            let line = run(args).unwrap_err();
            assert!(
                !line.contains('\n') && line.ends_with("; see ternmq --help"),
                "{line}"
            );
        }
        assert!(run(&["--confg", "x"]).unwrap_err().contains("'--config'"));
    }
}
