//! The report of a migration: everything that the old configuration says, by what becomes of it.

use std::path::Path;

use serde_json::{Value, json};

use super::Whose;
use super::plan::{Fate, Plan, Verdict};
use super::table::plain;
use crate::text::Text;

pub(super) struct Report<'a> {
    pub(super) from: Whose,
    pub(super) file: &'a Path,
    pub(super) plan: &'a Plan,
}

/// The longest value that is shown whole.
const VALUE_MAX: usize = 120;
const MASK: &str = "******";

impl Report<'_> {
    fn of(&self, kind: &str) -> Vec<&Verdict> {
        let verdicts = self.plan.verdicts.iter();
        verdicts
            .filter(|verdict| kind_of(&verdict.fate) == kind)
            .collect()
    }

    /// As Markdown.
    pub(super) fn page(&self, text: Text) -> String {
        let [translated, needless, left] = self.all();
        let mut page = text.report_head(self.from.name(), &self.file.display());
        page += &text.report_counts(translated.len(), needless.len(), left.len());
        let heads = text.report_sections();
        for (verdicts, [title, last]) in [left, translated, needless].iter().zip(heads) {
            if verdicts.is_empty() {
                continue;
            }
            let [place, setting] = text.report_columns();
            page +=
                &format!("\n## {title}\n\n| {place} | {setting} | {last} |\n| --- | --- | --- |\n");
            for verdict in verdicts {
                let said = &verdict.said;
                let told = told(verdict, text);
                let cells = [format!("{}:{}", said.file, said.line), shown(verdict), told];
                let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
                page += &format!(
                    "| {} | `{}` | {} |\n",
                    cells[0],
                    cells[1].replace('`', "'"),
                    cells[2]
                );
            }
        }
        page + &text.report_end(&self.plan.to.join(super::SETTINGS).display())
    }

    /// For a terminal: what is left to do, and where the rest is.
    pub(super) fn summary(&self, text: Text) -> String {
        let [translated, needless, left] = self.all();
        let mut page = text.report_counts(translated.len(), needless.len(), left.len());
        for verdict in left {
            let said = &verdict.said;
            let told = told(verdict, text);
            page += &format!(
                "  {}:{}: {}\n      {told}\n",
                said.file,
                said.line,
                shown(verdict)
            );
        }
        let to = &self.plan.to;
        page += &text.report_files(
            &to.join(super::SETTINGS).display(),
            &to.join(text.pick(super::REPORTS[0], super::REPORTS[1]))
                .display(),
        );
        page
    }

    pub(super) fn json(&self) -> String {
        let row = |verdict: &Verdict| {
            let said = &verdict.said;
            let to = match &verdict.fate {
                Fate::Translated(to) => to.clone(),
                _ => Vec::new(),
            };
            let value = if verdict.is_secret {
                Value::String(MASK.to_owned())
            } else {
                said.value.clone()
            };
            json!({
                "file": &*said.file, "line": said.line, "name": said.name, "value": value,
                "fate": kind_of(&verdict.fate), "to": to, "en": verdict.note[0], "zh": verdict.note[1],
            })
        };
        let rows: Vec<Value> = self.plan.verdicts.iter().map(row).collect();
        json!({ "from": self.from.name(), "settings": rows }).to_string()
    }

    fn all(&self) -> [Vec<&Verdict>; 3] {
        ["translated", "not_needed", "no_counterpart"].map(|kind| self.of(kind))
    }
}

fn kind_of(fate: &Fate) -> &'static str {
    match fate {
        Fate::Translated(_) => "translated",
        Fate::NotNeeded => "not_needed",
        Fate::NoCounterpart => "no_counterpart",
    }
}

/// The setting as it was said, without secrets.
fn shown(verdict: &Verdict) -> String {
    let said = &verdict.said;
    let value = if verdict.is_secret {
        MASK.to_owned()
    } else {
        plain(&said.value)
    };
    let mut value = value.replace(['\n', '\r'], " ");
    if value.len() > VALUE_MAX {
        value.truncate(value.floor_char_boundary(VALUE_MAX));
        value.push('…');
    }
    format!("{} {value}", said.name).trim_end().to_owned()
}

/// The settings that it became, and what else there is to say.
fn told(verdict: &Verdict, text: Text) -> String {
    let [en, zh] = &verdict.note;
    let note = text.pick(en, zh);
    match &verdict.fate {
        Fate::Translated(to) if !to.is_empty() => {
            let to = to.join(", ");
            if note.is_empty() {
                to
            } else {
                format!("{to}: {note}")
            }
        }
        _ => note.clone(),
    }
}
