//! What a migration comes to: settings of ours, files beside them, and the fate of everything that the
//! old configuration says. A value that the broker would not take is never put in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
};

use broker::config::{Config, Lang, Sources};
use serde_json::Value;

use super::table::{Both, How, RowFate, Table, plain};

/// What the old configuration says in one place.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// A path of keys with dots between them.
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) file: Rc<str>,
    /// From 1.
    pub(super) line: usize,
}

/// What becomes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Into these settings.
    Translated(Vec<String>),
    /// The note says why.
    NotNeeded,
    /// The note says what to do.
    NoCounterpart,
}

#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) said: Said,
    pub(super) fate: Fate,
    pub(super) note: Both,
    pub(super) is_secret: bool,
}

/// A file that goes beside the settings.
pub(super) struct Companion {
    pub(super) name: &'static str,
    pub(super) text: Vec<u8>,
}

pub(super) struct Plan {
    /// Where files will be.
    pub(super) to: PathBuf,
    /// By full name, in TOML.
    pub(super) settings: BTreeMap<String, toml::Value>,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) companions: Vec<Companion>,
}

impl Plan {
    pub(super) fn new(to: PathBuf) -> Self {
        Self {
            to,
            settings: BTreeMap::new(),
            verdicts: Vec::new(),
            companions: Vec::new(),
        }
    }

    /// Sets what the broker takes.
    ///
    /// # Errors
    /// What is wrong with it, in its words.
    pub(super) fn set(&mut self, name: &str, value: toml::Value) -> Result<(), Both> {
        let assignment = format!("{name}={value}");
        let mut sets = vec![assignment];
        let mut parts = name.split('.');
        if parts.next() == Some("listeners")
            && let (Some(kind), Some(of)) = (parts.next(), parts.next())
        {
            // One that has no address is refused for that.
            sets.insert(0, format!("listeners.{kind}.{of}.bind=0"));
        }
        let sources = Sources {
            file: None,
            env: Vec::new(),
            sets,
        };
        Config::load(&sources)
            .map_err(|error| [Lang::En, Lang::Zh].map(|lang| error.what(lang)))?;
        self.settings.insert(name.to_owned(), value);
        Ok(())
    }

    pub(super) fn judge(&mut self, said: &Said, fate: Fate, note: Both) {
        self.verdicts.push(Verdict {
            said: said.clone(),
            fate,
            note,
            is_secret: false,
        });
    }

    /// Puts a file beside the settings, and gives its path as a setting has it.
    pub(super) fn accompany(&mut self, name: &'static str, text: Vec<u8>) -> toml::Value {
        self.companions.push(Companion { name, text });
        toml::Value::String(self.to.join(name).display().to_string())
    }

    /// Does what the table says of it. `at` stands for `$L` in its settings; `home` is where paths in the
    /// old configuration begin.
    pub(super) fn follow(&mut self, table: &Table, said: &Said, at: &str, home: &Path) {
        let Some(found) = table.find(&said.name) else {
            return self.judge(said, Fate::NoCounterpart, unknown());
        };
        let row = found.row;
        let (fate, note) = match row.fate() {
            _ if row.is_ours(&said.value) => (Fate::NotNeeded, as_here()),
            RowFate::NotNeeded => (Fate::NotNeeded, row.note()),
            RowFate::NoCounterpart => (Fate::NoCounterpart, row.note()),
            RowFate::Translated => {
                let names: Vec<String> = found.to().iter().map(|to| to.replace("$L", at)).collect();
                match found.convert(&said.value) {
                    None => (Fate::NoCounterpart, untold(&names)),
                    Some(value) => {
                        let value = match row.how {
                            How::Path => toml::Value::String(resolved(home, &plain(&said.value))),
                            How::Least => self.least(&names, value),
                            _ => value,
                        };
                        match names.iter().try_for_each(|n| self.set(n, value.clone())) {
                            Ok(()) => (Fate::Translated(names), row.note()),
                            Err(error) => (Fate::NoCounterpart, error),
                        }
                    }
                }
            }
        };
        let is_secret = row.secret;
        self.judge(said, fate, note);
        if let Some(last) = self.verdicts.last_mut() {
            last.is_secret = is_secret;
        }
    }

    /// The smaller one of this and what is set already.
    fn least(&self, names: &[String], value: toml::Value) -> toml::Value {
        let before = names
            .iter()
            .find_map(|name| self.settings.get(name)?.as_integer());
        match (before, value.as_integer()) {
            (Some(before), Some(now)) => toml::Value::Integer(before.min(now)),
            _ => value,
        }
    }

    /// The configuration file.
    pub(super) fn document(&self, head: &str) -> String {
        let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (name, value) in &self.settings {
            let (section, key) = name.rsplit_once('.').unwrap_or(("", name));
            let lines = sections.entry(section).or_default();
            lines.push(format!("{key} = {value}\n"));
        }
        let mut text = head.to_owned();
        for (section, lines) in sections {
            if !section.is_empty() {
                text += &format!("\n[{section}]\n");
            }
            text += &lines.concat();
        }
        text
    }
}

/// A path of the old configuration, from where the old broker saw it or from its file.
pub(super) fn resolved(home: &Path, path: &str) -> String {
    let here = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let found = if here.exists() {
        here
    } else {
        let there = home.join(path);
        std::path::absolute(&there).unwrap_or(there)
    };
    found.display().to_string()
}

fn as_here() -> Both {
    [
        "TernMQ does the same without a setting".to_owned(),
        "TernMQ 本来如此".to_owned(),
    ]
}

fn unknown() -> Both {
    [
        "this setting is not known: look it up in the old broker's documentation, and TernMQ's settings in ternmq.toml"
            .to_owned(),
        "未知的配置项：请查阅原服务器的文档，并对照 ternmq.toml 中的配置项".to_owned(),
    ]
}

fn untold(names: &[String]) -> Both {
    let names = names.join(", ");
    [
        format!("this value has none; set {names} by hand, or leave the default"),
        format!("该取值没有对应；请手动设置 {names}，或保留默认值"),
    ]
}

/// The value of a setting, or a dash.
#[cfg(test)]
pub(super) fn is(plan: &Plan, name: &str) -> String {
    plan.settings
        .get(name)
        .map_or_else(|| "-".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(name: &str, value: Value) -> Said {
        Said {
            name: name.to_owned(),
            value,
            file: "f".into(),
            line: 1,
        }
    }

    /// What is set is what the broker takes; whatever else is said has a fate with words.
    #[test]
    fn nothing_is_dropped() {
        let table = Table::read(
            "[[row]]\nkeys=['q']\nfate='translated'\nto=['mqtt.max_qos_allowed']\nhow='least'\n\
             [[row]]\nkeys=['n']\nfate='translated'\nto=['$L.max_connections']\nunbounded='none'\n\
             [[row]]\nkeys=['r']\nfate='no_counterpart'\nis='false'\nen='do it'\nzh='做'\n\
             [[row]]\nkeys=['pass']\nfate='not_needed'\nsecret=true\nen='why'\nzh='因'\n",
        );
        let mut plan = Plan::new("/to".into());
        for (name, value) in [
            ("q", json!(9)),
            ("q", json!(2)),
            ("q", json!(1)),
            ("q", json!(2)),
            ("n", json!("7")),
            ("r", json!(false)),
            ("r", json!(true)),
            ("pass", json!("word")),
            ("odd", json!(1)),
        ] {
            plan.follow(
                &table,
                &said(name, value),
                "listeners.tcp.p1",
                Path::new("/h"),
            );
        }
        let fates: Vec<_> = plan.verdicts.iter().map(|v| &v.fate).collect();
        assert_eq!(fates[0], &Fate::NoCounterpart);
        assert!(plan.verdicts[0].note[0].contains("max_qos_allowed"));
        assert!(fates[1..5].iter().all(|f| matches!(f, Fate::Translated(_))));
        assert_eq!(
            fates[5..],
            [
                &Fate::NotNeeded,
                &Fate::NoCounterpart,
                &Fate::NotNeeded,
                &Fate::NoCounterpart
            ]
        );
        assert!(plan.verdicts[7].is_secret);
        let told = |verdict: &Verdict| {
            matches!(verdict.fate, Fate::Translated(_))
                || verdict.note.iter().all(|note| !note.is_empty())
        };
        assert!(plan.verdicts.iter().all(told));
        let text = plan.document("# head\n");
        assert_eq!(
            text,
            "# head\n\n[listeners.tcp.p1]\nmax_connections = 7\n\n[mqtt]\nmax_qos_allowed = 1\n"
        );
    }
}
