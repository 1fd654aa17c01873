//! mosquitto.conf: its lines, those of its include_dir too, and whose they are. What a listener is, and who
//! may come in, depends on several lines at once; everything else is in the table.

mod access;
mod listener;
mod words;

use std::{
    cmp::Ordering,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::plan::{Plan, Said, resolved};
use super::table::{Table, plain};
use listener::Listener;

const ROWS: &str = include_str!("rows.toml");

/// A line, and the listener whose it is.
struct Line {
    said: Said,
    /// Which listener the lines before it were about: 0 is the one that needs no line.
    listener: usize,
}

/// The whole configuration.
struct Old {
    lines: Vec<Line>,
    /// Where its paths begin.
    home: PathBuf,
}

/// Migrates a file.
///
/// # Errors
/// If it, or a file that it includes, cannot be read.
pub(super) fn migrate(file: &Path, plan: &mut Plan) -> io::Result<()> {
    let old = Old::read(file)?;
    let table = Table::read(ROWS);
    let listeners = listener::all(&old);
    listener::plan(&listeners, plan);
    for line in &old.lines {
        let listener = listeners.iter().find(|l| l.number == line.listener);
        let judged = listener::judge(line, listener, plan)
            || access::judge(&line.said, &old, &listeners, plan)
            || words::judge(&line.said, &old, listener, plan);
        if !judged {
            let at = listener.map(Listener::section);
            let at = at.unwrap_or_else(|| "listeners.tcp.default".to_owned());
            plan.follow(&table, &line.said, &at, &old.home);
        }
    }
    access::plan(&old, &listeners, plan);
    Ok(())
}

impl Old {
    fn read(file: &Path) -> io::Result<Self> {
        let home = file.parent().map(Path::to_owned).unwrap_or_default();
        let mut lines = Vec::new();
        let (mut listener, mut last) = (0, 0);
        for said in read_lines(file)? {
            let included = match &*said.name {
                "include_dir" => included(Path::new(&resolved(&home, &plain(&said.value))))?,
                _ => Vec::new(),
            };
            lines.push(placed(said, &mut listener, &mut last));
            for file in included {
                // There the first lines are about the listener that needs none.
                let mut listener = 0;
                let more = read_lines(&file)?.into_iter();
                lines.extend(more.map(|said| placed(said, &mut listener, &mut last)));
            }
        }
        Ok(Self { lines, home })
    }

    /// The last value of an option, wherever it stands.
    fn last(&self, name: &str) -> Option<String> {
        let mut said = self.lines.iter().map(|line| &line.said);
        said.rfind(|said| said.name == name)
            .map(|said| plain(&said.value))
    }

    /// The last value of an option among the lines of a listener.
    fn last_of(&self, listener: usize, name: &str) -> Option<String> {
        let mut own = self.lines.iter().filter(|line| line.listener == listener);
        own.rfind(|line| line.said.name == name)
            .map(|line| plain(&line.said.value))
    }

    fn is_true(&self, name: &str) -> bool {
        self.last(name).as_deref() == Some("true")
    }
}

/// A line with the listener that it is about; `last` numbers all listeners.
fn placed(said: Said, listener: &mut usize, last: &mut usize) -> Line {
    if said.name == "listener" {
        *last += 1;
        *listener = *last;
    }
    Line {
        said,
        listener: *listener,
    }
}

fn read_lines(file: &Path) -> io::Result<Vec<Said>> {
    let bytes = fs::read(file)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
    let text = String::from_utf8_lossy(&bytes);
    let name: std::rc::Rc<str> = file.display().to_string().into();
    let numbered = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    let said = numbered.filter_map(|(number, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        Some(Said {
            name: key.to_owned(),
            value: Value::String(value.trim().to_owned()),
            file: name.clone(),
            line: number,
        })
    });
    Ok(said.collect())
}

/// The files of an include_dir, in mosquitto's order.
fn included(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let named = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("include_dir {}: {error}", folder.display()),
        )
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".conf") {
            files.push((name, path));
        }
    }
    files.sort_by(|(a, _), (b, _)| order(a, b));
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// By letters, and of each letter the large one first.
fn order(a: &str, b: &str) -> Ordering {
    let key = |name: &str| -> Vec<(char, char)> {
        name.chars().map(|c| (c.to_ascii_lowercase(), c)).collect()
    };
    key(a).cmp(&key(b))
}

#[cfg(test)]
mod tests {
    use super::super::plan::Fate;
    use super::*;
    use crate::migrate::plan::is;

    #[test]
    fn included_files_come_in_mosquittos_order() {
        let mut names = ["b.conf", "A.conf", "01.conf", "a.conf", "B.conf", "00.conf"];
        names.sort_by(|a, b| order(a, b));
        assert_eq!(
            names,
            ["00.conf", "01.conf", "A.conf", "a.conf", "B.conf", "b.conf"]
        );
    }

    /// The table can be read, every row says in both languages what there is to say, and what it sets
    /// exists.
    #[test]
    fn the_table_holds() {
        super::super::tests::check(ROWS, "listeners.tcp.default");
    }

    fn migrated(name: &str, text: &str) -> Plan {
        let folder =
            std::env::temp_dir().join(format!("ternmq-migrate-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("mosquitto.conf");
        fs::write(&file, text).unwrap();
        let mut plan = Plan::new(folder.clone());
        migrate(&file, &mut plan).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        plan
    }

    /// Where it listens: here only if nothing is said, everywhere for a port, and nowhere else.
    #[test]
    fn listeners_become_listeners() {
        let plan = migrated("none", "");
        assert_eq!(
            is(&plan, "listeners.tcp.default.bind"),
            "[\"127.0.0.1:1883\", \"[::1]:1883\"]"
        );
        assert_eq!(is(&plan, "mqtt.allow_anonymous"), "true");
        for kind in ["ssl", "ws", "wss"] {
            assert_eq!(
                is(&plan, &format!("listeners.{kind}.default.enabled")),
                "false"
            );
        }
        let plan = migrated(
            "many",
            "max_connections 5\nport 1884\nlistener 1885 127.0.0.1\nmax_connections 7\n\
             listener 9001\nprotocol websockets\nsocket_domain ipv4\n\
             listener 8883\ncertfile /c.pem\nkeyfile /k.pem\nrequire_certificate true\ncafile /a.pem\n\
             listener 8884\npsk_hint x\nmount_point y/\nlistener 0 /run/m.sock\n\
             listener 1886\nmount_point tenant/\n",
        );
        assert_eq!(
            is(&plan, "listeners.tcp.default.bind"),
            "[\"0.0.0.0:1884\", \"[::]:1884\"]"
        );
        assert_eq!(is(&plan, "listeners.tcp.default.max_connections"), "5");
        assert_eq!(
            is(&plan, "listeners.tcp.port1885.bind"),
            "[\"127.0.0.1:1885\"]"
        );
        assert_eq!(is(&plan, "listeners.tcp.port1885.max_connections"), "7");
        assert_eq!(is(&plan, "listeners.ws.default.bind"), "[\"0.0.0.0:9001\"]");
        let options = "listeners.ssl.default.ssl_options";
        assert_eq!(is(&plan, &format!("{options}.certfile")), "\"/c.pem\"");
        assert_eq!(is(&plan, &format!("{options}.verify")), "\"verify_peer\"");
        assert_eq!(
            is(&plan, &format!("{options}.fail_if_no_peer_cert")),
            "true"
        );
        assert_eq!(is(&plan, "listeners.wss.default.enabled"), "false");
        assert_eq!(
            is(&plan, "listeners.tcp.port1886.mountpoint"),
            "\"tenant/\""
        );
        // Neither keys without certificates nor sockets in the file system are opened as something else.
        assert!(
            !plan
                .settings
                .values()
                .any(|v| v.to_string().contains("8884"))
        );
        let left = plan
            .verdicts
            .iter()
            .filter(|v| v.fate == Fate::NoCounterpart);
        let left: Vec<&str> = left.map(|v| &*v.said.name).collect();
        assert_eq!(left, ["listener", "psk_hint", "listener"]);
        assert_eq!(is(&plan, "mqtt.allow_anonymous"), "false");
    }

    /// Whoever came in only through what is not here comes in no more.
    #[test]
    fn doors_stay_shut() {
        let anonymous = |text| is(&migrated("doors", text), "mqtt.allow_anonymous");
        assert_eq!(anonymous("listener 1883\n"), "false");
        assert_eq!(anonymous("listener 1883\nallow_anonymous true\n"), "true");
        assert_eq!(
            anonymous("listener 1883\nallow_anonymous true\nauth_plugin /p.so\n"),
            "false"
        );
        let each =
            "per_listener_settings true\nlistener 1883\nallow_anonymous true\nlistener 1884\n";
        assert_eq!(anonymous(each), "false");
        let plan = migrated("missing", "listener 1883\npassword_file /nowhere/at/all\n");
        assert_eq!(is(&plan, "mqtt.bootstrap_users"), "\"/nowhere/at/all\"");
        assert_eq!(plan.verdicts[1].fate, Fate::NoCounterpart);
    }
}
