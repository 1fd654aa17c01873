//! `ternmq migrate FILE`: reads mosquitto.conf or EMQX's configuration and writes ours beside a report, in
//! which everything that the file says has its fate. What cannot be said here errs on the closed side.

mod emqx;
mod mosquitto;
mod plan;
mod report;
mod table;
mod text;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::text::Text;
use plan::Plan;
use report::Report;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) file: PathBuf,
    /// The folder that gets the files.
    pub(crate) to: PathBuf,
    pub(crate) from: Option<Whose>,
    /// Prints the report as JSON.
    pub(crate) is_json: bool,
}

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Mosquitto,
    Emqx,
}

impl Whose {
    pub(crate) const WORDS: [&str; 2] = ["mosquitto", "emqx"];

    pub(crate) fn named(word: &str) -> Option<Self> {
        match word {
            "mosquitto" => Some(Self::Mosquitto),
            "emqx" => Some(Self::Emqx),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Emqx => "EMQX",
        }
    }

    /// By the file's name, or else by whether its lines assign.
    fn guess(file: &Path) -> io::Result<Self> {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        if name.contains("mosquitto") {
            return Ok(Self::Mosquitto);
        }
        if name.contains("emqx") || name.ends_with(".hocon") {
            return Ok(Self::Emqx);
        }
        let bytes = fs::read(file)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines().map(str::trim);
        let said = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let assigns = said.is_some_and(|line| line.contains(['=', '{']));
        Ok(if assigns { Self::Emqx } else { Self::Mosquitto })
    }
}

/// The files that are written, besides what a configuration needs.
const SETTINGS: &str = "ternmq.toml";
const REPORTS: [&str; 2] = ["report.md", "report.zh.md"];

/// Carries it out. An error is one line for people, and nothing was written.
pub(crate) fn run(command: &Command, text: Text) -> Result<ExitCode, String> {
    let file = &command.file;
    let unread = |error: &io::Error| text.no_migration(&file.display(), error);
    let from = match command.from {
        Some(from) => from,
        None => Whose::guess(file).map_err(|error| unread(&error))?,
    };
    let to = std::path::absolute(&command.to).map_err(|error| unread(&error))?;
    if to.join(SETTINGS).exists() {
        return Err(text.migrated_before(&to.join(SETTINGS).display()));
    }
    let mut plan = Plan::new(to.clone());
    match from {
        Whose::Mosquitto => {
            mosquitto::migrate(file, &mut plan).map_err(|error| unread(&error))?;
        }
        Whose::Emqx => {
            emqx::migrate(file, &mut plan)
                .map_err(|error| text.no_migration(&file.display(), &error))?;
        }
    }
    let report = Report {
        from,
        file,
        plan: &plan,
    };
    write(&plan, &report, text).map_err(|error| text.not_written(&to.display(), &error))?;
    let page = if command.is_json {
        report.json() + "\n"
    } else {
        report.summary(text)
    };
    let _ = io::stdout().write_all(page.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn write(plan: &Plan, report: &Report<'_>, text: Text) -> io::Result<()> {
    fs::create_dir_all(&plan.to)?;
    for companion in &plan.companions {
        // Hashes of passwords are for the broker alone.
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .open(plan.to.join(companion.name))?
            .write_all(&companion.text)?;
    }
    fs::write(
        plan.to.join(SETTINGS),
        plan.document(&text.settings_head(report.from.name())),
    )?;
    for (name, text) in REPORTS.into_iter().zip(Text::both()) {
        fs::write(plan.to.join(name), report.page(text))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use broker::config::{Config, Lang, Sources};

    use super::table::{RowFate, Table};

    /// Names that fit a pattern.
    fn fitting(pattern: &str) -> Vec<String> {
        let mut names = vec![String::new()];
        for piece in pattern.split('.') {
            let parts: Vec<String> = match piece {
                "*" => vec!["default".to_owned()],
                "**" => vec!["x".to_owned()],
                _ => piece.split('|').map(|one| one.replace('*', "x")).collect(),
            };
            names = names
                .iter()
                .flat_map(|name| {
                    let dot = if name.is_empty() { "" } else { "." };
                    parts.iter().map(move |part| format!("{name}{dot}{part}"))
                })
                .collect();
        }
        names
    }

    fn is_setting(name: &str) -> bool {
        let sources = Sources {
            sets: vec![format!("{name}=no such value")],
            ..Sources::default()
        };
        match Config::load(&sources) {
            Ok(_) => true,
            Err(error) => !error.what(Lang::En).starts_with("unknown key"),
        }
    }

    /// Every row can be reached by each of its names, sets what exists, and has words in both languages.
    pub(super) fn check(rows: &str, at: &str) {
        let table = Table::read(rows);
        for row in table.rows() {
            let [en, zh] = row.note();
            assert_eq!(en.is_empty(), zh.is_empty(), "{:?}", row.keys());
            assert!(
                row.fate() == RowFate::Translated || !en.is_empty(),
                "{:?}",
                row.keys()
            );
            for name in row.keys().iter().flat_map(|key| fitting(key)) {
                let found = table.find(&name).unwrap_or_else(|| panic!("{name}"));
                assert!(std::ptr::eq(found.row, row), "{name} is another row's");
                for to in found.to() {
                    let to = to.replace("$L", at);
                    let to = to.replace(
                        "listeners.tcp.default.ssl_options",
                        "listeners.ssl.default.ssl_options",
                    );
                    assert!(is_setting(&to), "{name}: {to} is no setting");
                }
            }
        }
    }
}
