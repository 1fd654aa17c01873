//! The arguments of `ternmq`. Built by hand instead of derived, because the help is in two
//! languages.

use std::ffi::OsString;
use std::path::PathBuf;

use broker::config::Sources;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::ctl;
use crate::manual::{Entry, Shell};
use crate::migrate;
use crate::owner;
use crate::store;
use crate::text::Text;
use crate::tools::Tool;
#[cfg(windows)]
use crate::windows::service;

/// The files of which the first that exists is read when none is named. The second is the package's.
const DEFAULT_FILES: &[&str] = if cfg!(unix) {
    &["ternmq.toml", "/etc/ternmq/ternmq.toml"]
} else {
    &["ternmq.toml"]
};

/// What the arguments ask for.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Print this and end.
    Show(String),
    Start(Options),
    Store(store::Command, Options),
    Owner(owner::Command, Options),
    Ctl(ctl::Command, Options),
    Migrate(migrate::Command),
    Check {
        /// Tell of what is fine, too.
        all: bool,
        options: Options,
    },
    #[cfg(windows)]
    Service(service::Command, Options),
}

/// Options that every command has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    config: Option<PathBuf>,
    sets: Vec<String>,
    pub(crate) admin_password_file: Option<PathBuf>,
}

impl Options {
    /// Says what nobody has said.
    #[cfg(windows)]
    pub(crate) fn put(&mut self, key: &str, value: &std::path::Path) {
        self.sets.insert(0, format!("{key}={}", value.display()));
    }

    /// The configuration file that was named.
    #[cfg(windows)]
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        self.config.as_deref()
    }

    /// All sources of the configuration, ready to be read, again on each reload.
    pub(crate) fn sources(&self, env: impl Iterator<Item = (OsString, OsString)>) -> Sources {
        let mut defaults = DEFAULT_FILES.iter().map(PathBuf::from);
        Sources {
            file: self
                .config
                .clone()
                .or_else(|| defaults.find(|file| file.exists())),
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
    let mut names = Vec::new();
    while let Some((name, inner)) = matches.remove_subcommand() {
        names.push(name);
        matches = inner;
    }
    if let Some((tool, _)) = Tool::find(&names) {
        return Err(text.tool_comes_first(tool.name()));
    }
    if let Some(page) = manual(&names, &mut matches, text) {
        return page.map(Parsed::Show);
    }
    if names.first().is_some_and(|name| name == "migrate") {
        return Ok(Parsed::Migrate(migrate_command(&mut matches)));
    }
    let ctl = match names.split_first() {
        Some((name, rest)) if name == "ctl" => ctl::read(rest, &mut matches),
        _ => None,
    };
    let owner = match ctl {
        Some(_) => None,
        None => owner_command(&names, &mut matches),
    };
    let check = names.first().filter(|name| *name == "check");
    let check = check.map(|_| matches.get_flag("all"));
    let store = match names.first() {
        Some(name) if name == "store" => Some(store_command(&names[1..], &mut matches)),
        _ => None,
    };
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
    let options = Options {
        config: matches.remove_one("config"),
        sets,
        admin_password_file: matches.remove_one("admin-password-file"),
    };
    #[cfg(windows)]
    if let Some(command) = service_command(&names) {
        return Ok(Parsed::Service(command, options));
    }
    if let Some(all) = check {
        return Ok(Parsed::Check { all, options });
    }
    Ok(match (store, owner, ctl) {
        (Some(command), ..) => Parsed::Store(command, options),
        (_, Some(command), _) => Parsed::Owner(command, options),
        (.., Some(command)) => Parsed::Ctl(command, options),
        (None, None, None) => Parsed::Start(options),
    })
}

#[cfg(windows)]
fn service_command(names: &[String]) -> Option<service::Command> {
    let [first, second] = names else { return None };
    Some(match (first.as_str(), second.as_str()) {
        ("service", "install") => service::Command::Install,
        ("service", "uninstall") => service::Command::Uninstall,
        ("service", "start") => service::Command::Start,
        ("service", "stop") => service::Command::Stop,
        ("service", _) => service::Command::Run,
        _ => return None,
    })
}

fn owner_command(names: &[String], matches: &mut ArgMatches) -> Option<owner::Command> {
    match names.first()?.as_str() {
        "reset-password" => Some(owner::Command::ResetPassword {
            generate: matches.get_flag("generate"),
        }),
        "ctl" if names.get(1).is_some_and(|name| name == "clients") => {
            let client_id = matches.remove_one("clientid");
            let client_id = client_id.expect("clap requires one");
            Some(owner::Command::Release(client_id))
        }
        "ctl" => {
            let networks = matches.remove_many("network");
            let networks = networks.expect("clap requires one").collect();
            Some(owner::Command::Trust(networks))
        }
        _ => None,
    }
}

fn migrate_command(matches: &mut ArgMatches) -> migrate::Command {
    let from: Option<String> = matches.remove_one("from");
    migrate::Command {
        file: matches.remove_one("file").expect("clap requires it"),
        to: matches
            .remove_one("to")
            .unwrap_or_else(|| "ternmq-migrated".into()),
        from: from.and_then(|word| migrate::Whose::named(&word)),
        is_json: matches.get_flag("json"),
    }
}

fn store_command(names: &[String], matches: &mut ArgMatches) -> store::Command {
    let mut path = || {
        matches
            .remove_one::<PathBuf>("path")
            .expect("clap requires it")
    };
    match names.first().map(String::as_str) {
        Some("repair") => store::Command::Repair,
        Some("export") => store::Command::Export(path()),
        Some("import") => store::Command::Import(path()),
        Some("backup") => store::Command::Backup(path()),
        // It is the one that changes nothing; clap lets no other name through.
        _ => store::Command::Check,
    }
}

pub(crate) fn command(text: Text) -> Command {
    let option = |id: &'static str, value: &'static str, help: &'static str| {
        Arg::new(id)
            .long(id)
            .value_name(value)
            .help(help)
            .global(true)
    };
    let all = Command::new("ternmq");
    #[cfg(windows)]
    let all = all.subcommand(service_arguments(text));
    all.version(env!("CARGO_PKG_VERSION"))
        .about(text.about())
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .subcommand(Command::new("start").about(text.help_start()))
        .subcommand(Command::new("console").about(text.help_console()))
        .subcommand(check_arguments(text))
        .subcommand(store_arguments(text))
        .subcommands(owner_arguments(text))
        .subcommand(migrate_arguments(text))
        .subcommands(tools(text))
        .subcommands(manual_arguments(text))
        .arg(
            option("config", "FILE", text.help_config())
                .short('c')
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .arg(option("data-dir", "DIR", text.help_data_dir()))
        .arg(option("set", "KEY=VALUE", text.help_set()).action(ArgAction::Append))
        .arg(option("log-level", "LEVEL", text.help_log_level()))
        .arg(
            option(
                "admin-password-file",
                "FILE",
                text.help_admin_password_file(),
            )
            .value_parser(clap::value_parser!(PathBuf)),
        )
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

fn check_arguments(text: Text) -> Command {
    let all = Arg::new("all")
        .long("all")
        .action(ArgAction::SetTrue)
        .help(text.help_check_all());
    Command::new("check")
        .about(text.help_check())
        .after_help(text.help_check_codes())
        .arg(all)
}

fn store_arguments(text: Text) -> Command {
    let path = |value: &'static str, help: &'static str| {
        Arg::new("path")
            .value_name(value)
            .help(help)
            .required(true)
            .value_parser(clap::value_parser!(PathBuf))
    };
    let commands = [
        Command::new("check").about(text.help_store_check()),
        Command::new("repair").about(text.help_store_repair()),
        Command::new("export")
            .about(text.help_store_export())
            .arg(path("FILE", text.help_store_out())),
        Command::new("import")
            .about(text.help_store_import())
            .arg(path("FILE", text.help_store_in())),
        Command::new("backup")
            .about(text.help_store_backup())
            .arg(path("DIR", text.help_store_to())),
    ];
    Command::new("store")
        .about(text.help_store())
        .after_help(text.help_store_codes())
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .subcommands(commands)
}

#[cfg(windows)]
fn service_arguments(text: Text) -> Command {
    let commands = [
        Command::new("install").about(text.help_service_install()),
        Command::new("uninstall").about(text.help_service_uninstall()),
        Command::new("start").about(text.help_service_start()),
        Command::new("stop").about(text.help_service_stop()),
        Command::new("run").hide(true),
    ];
    Command::new("service")
        .about(text.help_service())
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .subcommands(commands)
}

fn owner_arguments(text: Text) -> [Command; 2] {
    let generate = Arg::new("generate")
        .long("generate")
        .action(ArgAction::SetTrue)
        .help(text.help_generate());
    let networks = Arg::new("network")
        .value_name("ADDR")
        .help(text.help_networks())
        .required(true)
        .num_args(1..);
    let client_id = Arg::new("clientid")
        .value_name("CLIENTID")
        .help(text.help_client_id())
        .required(true)
        .allow_hyphen_values(true);
    let release = Command::new("release")
        .about(text.help_release())
        .arg(client_id);
    let clients = Command::new("clients")
        .about(text.help_clients())
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .subcommand(release);
    let ctl = Command::new("ctl")
        .about(text.help_ctl())
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .subcommand(Command::new("trust").about(text.help_trust()).arg(networks))
        .subcommand(clients);
    [
        Command::new("reset-password")
            .about(text.help_reset_password())
            .arg(generate),
        ctl::arguments(ctl, text),
    ]
}

fn migrate_arguments(text: Text) -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .help(text.help_migrate_file())
        .required(true)
        .value_parser(clap::value_parser!(PathBuf));
    let to = Arg::new("to")
        .long("to")
        .value_name("DIR")
        .help(text.help_migrate_to())
        .value_parser(clap::value_parser!(PathBuf));
    let from = Arg::new("from")
        .long("from")
        .value_name("mosquitto|emqx")
        .help(text.help_migrate_from())
        .value_parser(migrate::Whose::WORDS);
    let json = Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help(text.help_migrate_json());
    Command::new("migrate")
        .about(text.help_migrate())
        .args([file, to, from, json])
}

fn manual_arguments(text: Text) -> [Command; 2] {
    let shell = Arg::new("shell")
        .value_name("bash|zsh|fish|powershell")
        .help(text.help_shell())
        .required(true)
        .value_parser(Shell::ALL.map(|(name, _)| name));
    let words = Arg::new("words")
        .value_name("COMMAND")
        .help(text.help_man_words())
        .num_args(0..);
    let dir = Arg::new("dir")
        .long("dir")
        .value_name("DIR")
        .help(text.help_man_dir())
        .value_parser(clap::value_parser!(PathBuf));
    [
        Command::new("completions")
            .about(text.help_completions())
            .arg(shell),
        Command::new("man")
            .about(text.help_man())
            .arg(words)
            .arg(dir),
    ]
}

/// The script or page that `completions` and `man` print.
fn manual(
    names: &[String],
    matches: &mut ArgMatches,
    text: Text,
) -> Option<Result<String, String>> {
    match names.first().map(String::as_str) {
        Some("completions") => {
            let name: String = matches.remove_one("shell")?;
            let shell = Shell::named(&name)?;
            Some(Ok(Entry::all(command(text), text).completions(shell)))
        }
        Some("man") => {
            let program = Entry::all(command(text), text);
            if let Some(dir) = matches.remove_one::<PathBuf>("dir") {
                let written = program.write_man(&dir, text);
                let shown = dir.display();
                return Some(match written {
                    Ok(count) => Ok(text.man_written(count, &shown)),
                    Err(error) => Err(text.no_man_written(&shown, &error)),
                });
            }
            let words: Vec<String> = matches
                .remove_many("words")
                .map(Iterator::collect)
                .unwrap_or_default();
            let page = program.man(&words, text);
            Some(page.ok_or_else(|| text.no_such_command(&words.join(" "))))
        }
        _ => None,
    }
}

/// For the help alone: whoever names a tool first does not come here.
fn tools(text: Text) -> Vec<Command> {
    let mut bench = Command::new("bench")
        .about(text.help_bench())
        .disable_help_subcommand(true)
        .subcommand_required(true);
    let mut all = Vec::new();
    for tool in Tool::ALL {
        match tool.name().split_once(' ') {
            None => all.push(tool_arguments(tool, tool.name(), text)),
            Some((_, name)) => bench = bench.subcommand(tool_arguments(tool, name, text)),
        }
    }
    all.push(bench);
    all
}

fn tool_arguments(tool: Tool, name: &'static str, text: Text) -> Command {
    let rest = Arg::new("rest").num_args(0..).hide(true);
    Command::new(name)
        .about(tool.about(text))
        .arg(rest.trailing_var_arg(true).allow_hyphen_values(true))
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
    fn commands_on_the_store() {
        let cases: [(&[&str], store::Command); 6] = [
            (&["store", "check"], store::Command::Check),
            (&["--set", "a=b", "store", "repair"], store::Command::Repair),
            (
                &["store", "export", "-"],
                store::Command::Export("-".into()),
            ),
            (
                &["store", "export", "--data-dir", "/d", "f"],
                store::Command::Export("f".into()),
            ),
            (
                &["store", "-c", "x.toml", "import", "f"],
                store::Command::Import("f".into()),
            ),
            (
                &["store", "backup", "to", "--data-dir=/d"],
                store::Command::Backup("to".into()),
            ),
        ];
        for (args, expected) in cases {
            let Ok(Parsed::Store(command, options)) = run(args) else {
                panic!("{args:?}")
            };
            assert_eq!(command, expected);
            let dir = args.iter().any(|arg| arg.starts_with("--data-dir"));
            assert_eq!(options.sets.contains(&"data_dir=/d".to_owned()), dir);
            assert_eq!(options.config.is_some(), args.contains(&"-c"));
            assert_eq!(options.sets.contains(&"a=b".to_owned()), args[0] == "--set");
        }
    }

    #[test]
    fn commands_of_the_owner() {
        let networks =
            |list: &[&str]| owner::Command::Trust(list.iter().map(|n| (*n).into()).collect());
        let cases: [(&[&str], owner::Command); 5] = [
            (
                &["ctl", "clients", "release", "-odd id"],
                owner::Command::Release("-odd id".to_owned()),
            ),
            (
                &["reset-password"],
                owner::Command::ResetPassword { generate: false },
            ),
            (
                &["reset-password", "--data-dir", "/d", "--generate"],
                owner::Command::ResetPassword { generate: true },
            ),
            (&["ctl", "trust", "203.0.113.7"], networks(&["203.0.113.7"])),
            (
                &["--data-dir", "/d", "ctl", "trust", "a", "b"],
                networks(&["a", "b"]),
            ),
        ];
        for (args, expected) in cases {
            let Ok(Parsed::Owner(command, options)) = run(args) else {
                panic!("{args:?}")
            };
            assert_eq!(command, expected);
            let dir = args.contains(&"--data-dir");
            assert_eq!(options.sets.contains(&"data_dir=/d".to_owned()), dir);
        }
    }

    #[test]
    fn commands_of_ctl() {
        for args in [
            &["ctl", "status", "--json"][..],
            &[
                "ctl",
                "clients",
                "list",
                "--away",
                "--limit",
                "5",
                "--like=-x",
            ],
            &["ctl", "clients", "show", "-odd id"],
            &["ctl", "clients", "kick", "a", "--", "-b"],
            &["ctl", "subscriptions", "--client", "a", "--data-dir", "/d"],
            &["ctl", "topics"],
            &["ctl", "retained", "show", "a/b"],
            &["ctl", "users", "add", "anna", "--superuser"],
            &["ctl", "listeners", "restart", "tcp:default"],
            &["ctl", "config", "show"],
            &["ctl", "config", "set", "a=1", "b=x"],
            &["ctl", "trace", "start", "t", "--topic", "#"],
        ] {
            let Ok(Parsed::Ctl(..)) = run(args) else {
                panic!("{args:?}: {:?}", run(args))
            };
        }
        for args in [
            &["ctl", "clients", "list", "--away", "--connected"][..],
            &["ctl", "clients", "list", "--limit", "0"],
            &["ctl", "clients", "kick"],
            &["ctl", "retained"],
            &["ctl", "trace", "start", "t"],
        ] {
            assert!(run(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn check_with_and_without_all() {
        for (args, due) in [
            (&["check", "--data-dir", "/d"][..], false),
            (&["--data-dir=/d", "check", "--all"], true),
        ] {
            let Ok(Parsed::Check { all, options }) = run(args) else {
                panic!("{args:?}")
            };
            assert_eq!(
                (all, &*options.sets),
                (due, &["data_dir=/d".to_owned()][..])
            );
        }
    }

    #[test]
    fn migrations() {
        let command = |args: &[&str]| match run(args) {
            Ok(Parsed::Migrate(command)) => command,
            other => panic!("{args:?}: {other:?}"),
        };
        let plain = command(&["migrate", "m.conf"]);
        assert_eq!(plain.to, PathBuf::from("ternmq-migrated"));
        assert!(plain.from.is_none() && !plain.is_json);
        let all = ["migrate", "x", "--from", "emqx", "--to=d", "--json"];
        let all = command(&all);
        assert_eq!(all.from, Some(migrate::Whose::Emqx));
        assert!(all.is_json && *all.to == *"d");
        assert!(run(&["migrate"]).is_err() && run(&["migrate", "x", "--from", "y"]).is_err());
    }

    #[test]
    fn help_and_version_are_no_errors() {
        let Ok(Parsed::Show(help)) = run(&["--help"]) else {
            panic!("no help")
        };
        assert!(help.contains("--data-dir <DIR>"), "{help}");
        assert!(help.contains("  store"), "{help}");
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
            &["store"],
            &["store", "chekc"],
            &["store", "import"],
            &["store", "check", "extra"],
            &["ctl"],
            &["ctl", "trust"],
            &["ctl", "clients"],
            &["ctl", "clients", "release"],
            &["check", "extra"],
            &["reset-password", "secret"],
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
