//! From arguments to settings: files with defaults first, then a profile, then the command line.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::{Row, Take, profile, rows};
use crate::text::Text;
use crate::tools::Tool;
use crate::tools::property;
use crate::tools::said::{Said, said};
use crate::tools::settings::{Settings, Value};

/// What the arguments ask for.
pub(crate) enum Asked {
    Help,
    Version,
    Run(Box<Settings>),
}

/// Reads a file with defaults if there is one, the profile that `args` name, then `args`.
pub(crate) fn read(
    tool: Tool,
    args: &[OsString],
    env: impl Fn(&str) -> Option<OsString>,
    text: Text,
) -> Result<Asked, String> {
    let fail = |fault: Said| fault.show(text).to_owned();
    let folder = folder(env);
    let begin = || {
        let mut settings = Settings::new(tool);
        // Names are told of files, too, so that nobody searches the command line for them.
        if let Some((path, found)) = folder.as_ref().and_then(|folder| defaults(tool, folder)) {
            let of = |fault: Said| fail(fault.of(&path.display().to_string()));
            for line in found.lines().filter(|line| !line.starts_with('#')) {
                take(&mut settings, &words(line)).map_err(of)?;
            }
        }
        Ok::<_, String>(settings)
    };
    let mut settings = begin()?;
    if let Some(asked) = take(&mut settings, args).map_err(fail)? {
        return Ok(asked);
    }
    if let Some(name) = settings.profile.clone() {
        // It stands below the command line, which is read once more.
        settings = begin()?;
        let path = folder
            .as_ref()
            .map(|folder| folder.join("ternmq").join("profiles"));
        let lines = profile::lines(path.as_deref(), &name).map_err(fail)?;
        let place = path
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        for line in lines {
            let words = words(&line);
            let option = words
                .first()
                .and_then(|word| word.to_str())
                .unwrap_or_default();
            // A profile is for all tools: what only another one has says nothing here.
            if find(tool, option).is_some() || !is_known(option) {
                take(&mut settings, &words).map_err(|fault| fail(fault.of(&place)))?;
            }
        }
        take(&mut settings, args).map_err(fail)?;
    }
    settings.check().map_err(fail)?;
    Ok(Asked::Run(Box::new(settings)))
}

/// Where people keep what programs are to know.
fn folder(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let named = |name: &str| env(name).filter(|value| !value.is_empty());
    Some(match named("XDG_CONFIG_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(named("HOME").or_else(|| named("USERPROFILE"))?).join(".config"),
    })
}

/// Whether any tool has an option of this name.
fn is_known(name: &str) -> bool {
    Tool::ALL.into_iter().any(|tool| find(tool, name).is_some())
}

/// Our own file, or mosquitto's.
fn defaults(tool: Tool, folder: &Path) -> Option<(PathBuf, String)> {
    let name = tool.name().replace(' ', "-");
    let own = folder.join("ternmq").join(&name);
    let theirs = folder.join(format!("mosquitto_{name}"));
    [own, theirs].into_iter().find_map(|path| {
        let found = std::fs::read_to_string(&path).ok()?;
        Some((path, found))
    })
}

/// An option and its value, which may have spaces; those of a property are parts of it.
fn words(line: &str) -> Vec<OsString> {
    let line = line.trim_end_matches('\r').trim_start_matches(' ');
    let Some((name, value)) = line.split_once(' ') else {
        let bare = Some(line).filter(|line| !line.is_empty());
        return bare.map(OsString::from).into_iter().collect();
    };
    if matches!(name, "-D" | "--property") {
        return line.split_whitespace().map(OsString::from).collect();
    }
    vec![name.into(), value.into()]
}

fn take(settings: &mut Settings, args: &[OsString]) -> Result<Option<Asked>, Said> {
    let mut rest = args.iter().map(OsString::as_os_str);
    while let Some(arg) = rest.next() {
        let name = arg.to_str().unwrap_or_default();
        // `--name=value`, as MQTTX has it, for long names only.
        let (name, mut joined) = match name.split_once('=') {
            Some((long, value)) if long.starts_with("--") => (long, Some(OsStr::new(value))),
            _ => (name, None),
        };
        let row = find(settings.tool, name).ok_or_else(|| unknown(settings.tool, arg))?;
        let mut next = || {
            let value = joined.take().or_else(|| rest.next());
            value.map(Value).ok_or_else(|| missing(row).of(name))
        };
        match row.take {
            Take::Help => return Ok(Some(Asked::Help)),
            Take::Version => return Ok(Some(Asked::Version)),
            Take::Flag(act) => act(settings),
            Take::Refused(why) => return Err(why().of(name)),
            Take::Value("", act) => {
                act(settings, Value(OsStr::new(""))).map_err(|fault| fault.of(name))?;
            }
            Take::Value(_, act) => {
                let value = next()?;
                act(settings, value).map_err(|fault| fault.of(name))?;
            }
            Take::Property => {
                let (packet, what) = (next()?.text()?, next()?.text()?);
                let count = property::values(what);
                let values = (0..count).map(|_| next()).collect::<Result<Vec<_>, _>>()?;
                property::add(settings, packet, what, &values).map_err(|fault| fault.of(name))?;
            }
        }
        if joined.is_some() {
            return Err(said("takes no value", "不需要值").of(name));
        }
    }
    Ok(None)
}

fn find(tool: Tool, name: &str) -> Option<&'static Row> {
    rows(tool).find(|row| row.names.contains(&name))
}

fn missing(row: &Row) -> Said {
    let name = match row.take {
        Take::Value(name, _) => name,
        _ => "PACKET NAME VALUE",
    };
    said(format!("{name} is missing"), format!("缺少 {name}"))
}

/// An option that is not this tool's, and the tool that has it.
fn unknown(tool: Tool, arg: &OsStr) -> Said {
    let arg = arg.to_string_lossy();
    let others = [Tool::Publish, Tool::Subscribe, Tool::Request];
    let has = |other: &&Tool| **other != tool && find(**other, &arg).is_some();
    match others.iter().find(has) {
        Some(other) => said(
            format!(
                "{arg} is an option of ternmq {}, not of {}",
                other.name(),
                tool.name()
            ),
            format!(
                "{arg} 是 ternmq {} 的选项，{} 没有",
                other.name(),
                tool.name()
            ),
        ),
        None => said(format!("unknown option {arg}"), format!("未知选项 {arg}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::{QoS, Version};

    use super::*;
    use crate::tools::settings::Payload;

    fn run(tool: Tool, args: &[&str]) -> Result<Settings, String> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        match read(tool, &args, |_| None, Text::from_env(|_| None))? {
            Asked::Run(settings) => Ok(*settings),
            _ => Err("a page".to_owned()),
        }
    }

    #[test]
    fn short_names_long_names_and_values_that_look_like_options() {
        let s = run(
            Tool::Publish,
            &[
                "-t",
                "a",
                "--message",
                "-h",
                "--qos=1",
                "-k",
                "7",
                "-D",
                "PUBLISH",
                "User-Property",
                "n",
                "v",
                "--repeat-delay",
                "0.5",
            ],
        )
        .unwrap();
        assert_eq!(s.payload, Some(Payload::Given(b"-h".to_vec())));
        assert_eq!((s.qos, s.keep_alive_secs), (QoS::AtLeastOnce, 7));
        assert_eq!(
            (s.version, s.repeat_delay),
            (Version::V5, Duration::from_millis(500))
        );
        assert_eq!(s.publish, [0x26, 0, 1, b'n', 0, 1, b'v']);
    }

    #[test]
    fn what_is_refused_is_named() {
        let cases: [(Tool, &[&str], &str); 14] = [
            (
                Tool::Publish,
                &["-t", "a/#", "-m", "x"],
                "'a/#' is no topic",
            ),
            (
                Tool::Publish,
                &["-t", "a", "-m", "x", "-q", "3"],
                "-q: 3 is no number from 0 to 2",
            ),
            (
                Tool::Publish,
                &["-t", "a", "-m", "x", "-n"],
                "-n: one message at a time",
            ),
            (Tool::Publish, &["-t", "a"], "a message is missing"),
            (Tool::Publish, &["-m", "a"], "a topic is missing"),
            (Tool::Publish, &["-t", "a", "-m"], "-m: MESSAGE is missing"),
            (
                Tool::Publish,
                &["--psk", "00"],
                "--psk: keys that both sides know",
            ),
            (Tool::Publish, &["-C", "1"], "-C is an option of ternmq sub"),
            (Tool::Publish, &["extra"], "unknown option extra"),
            (Tool::Publish, &["--retain=1"], "--retain: takes no value"),
            (Tool::Subscribe, &["-t", "a+"], "'a+' is no topic"),
            (Tool::Subscribe, &["-U", "a"], "a topic is missing"),
            (Tool::Subscribe, &["-t", "a", "-c"], "needs a client id"),
            (Tool::Request, &["-t", "a", "-m", "x"], "-e TOPIC"),
        ];
        for (tool, args, told) in cases {
            let line = run(tool, args).unwrap_err();
            assert!(
                line.contains(told) && !line.contains('\n'),
                "{args:?}: {line}"
            );
        }
        for property in [
            &["publish", "topic-alias", "0"][..],
            &["publish", "nonsense", "1"],
            &["connect", "topic-alias", "1"],
            &["auth", "user-property", "a", "b"],
            &["connack", "user-property", "a", "b"],
            &["connect", "authentication-data", "x"],
        ] {
            let args = [&["-t", "a", "-m", "x", "-D"], property].concat();
            assert!(run(Tool::Publish, &args).is_err(), "{property:?}");
        }
    }

    /// A profile stands above the defaults and below the command line, for every tool; one that is not
    /// there is told with those that are.
    #[test]
    fn profiles() {
        let folder = std::env::temp_dir().join(format!("ternmq-profiles-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("ternmq")).unwrap();
        std::fs::write(folder.join("ternmq/pub"), "-h default.example\n-q 1\n").unwrap();
        let profiles =
            "# all\n[lab]\n-h lab.example\n-C 1\n-u anna\n\n[plant]\n-h plant.example\n--oops\n";
        std::fs::write(folder.join("ternmq/profiles"), profiles).unwrap();
        let env = |name: &str| (name == "XDG_CONFIG_HOME").then(|| folder.clone().into());
        let text = Text::from_env(|_| None);
        let read = |args: &[&str]| {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            match read(Tool::Publish, &args, env, text)? {
                Asked::Run(settings) => Ok(*settings),
                _ => Err("a page".to_owned()),
            }
        };
        let said = ["-t", "a", "-m", "x"];
        let s = read(&[&["--profile", "lab"], &said[..]].concat()).unwrap();
        assert_eq!(
            (s.host.as_deref(), s.qos),
            (Some("lab.example"), QoS::AtLeastOnce)
        );
        assert_eq!(s.user_name.as_deref(), Some("anna"));
        let s = read(&[&said[..], &["--profile=lab", "-h", "mine", "-q", "0"]].concat()).unwrap();
        assert_eq!((s.host.as_deref(), s.qos), (Some("mine"), QoS::AtMostOnce));
        let error = read(&[&["--profile", "home"], &said[..]].concat()).unwrap_err();
        assert!(
            error.contains("home") && error.contains("lab, plant"),
            "{error}"
        );
        let error = read(&[&["--profile", "plant"], &said[..]].concat()).unwrap_err();
        assert!(error.contains("unknown option --oops"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn files_have_defaults_that_arguments_overrule() {
        let folder = std::env::temp_dir().join(format!("ternmq-tools-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("ternmq")).unwrap();
        let text =
            "# mine\r\n-h example.org\r\n\r\n-q 1\n-m two words\n-D publish user-property a b\n";
        std::fs::write(folder.join("ternmq/pub"), text).unwrap();
        std::fs::write(folder.join("mosquitto_pub"), "-h wrong\n").unwrap();
        std::fs::write(folder.join("mosquitto_sub"), "--nonsense\n").unwrap();
        let env = |name: &str| (name == "XDG_CONFIG_HOME").then(|| folder.clone().into());
        let args = ["-t", "a", "-q", "2"].map(OsString::from);
        let text = Text::from_env(|_| None);
        let Ok(Asked::Run(s)) = read(Tool::Publish, &args, env, text) else {
            panic!("not read")
        };
        assert_eq!(
            (s.host.as_deref(), s.qos),
            (Some("example.org"), QoS::ExactlyOnce)
        );
        assert_eq!(s.payload, Some(Payload::Given(b"two words".to_vec())));
        assert!(!s.publish.is_empty());
        let Err(line) = read(Tool::Subscribe, &args, env, text) else {
            panic!("read")
        };
        assert!(
            line.contains("mosquitto_sub: unknown option --nonsense"),
            "{line}"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
