//! Where the tree cites the standards: lines of code that obey, tests that prove.

use crate::cite::{Cite, cites};
use crate::rust::{Function, Source};
use crate::tree::Tree;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// One place that carries a statement's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) path: String,
    /// Function, or the item a comment stands on.
    pub(crate) name: String,
    /// Counted from 0; not shown, so that the table does not go stale at each edit.
    pub(crate) line: usize,
}

impl Place {
    /// `protocol/topic.rs: parse`, short enough for a table.
    pub(crate) fn label(&self) -> String {
        let path = match self.path.strip_prefix("crates/") {
            Some(path) => path.replacen("/src/", "/", 1),
            None => self.path.clone(),
        };
        format!("{path}: {}", self.name)
    }
}

#[derive(Default)]
pub(crate) struct Evidence {
    pub(crate) code: BTreeMap<Cite, BTreeSet<Place>>,
    pub(crate) tests: BTreeMap<Cite, BTreeSet<Place>>,
}

/// Reads all sources of a tree. Broken citations are `tidy`'s business and are passed over here.
pub(crate) fn collect(tree: &Tree) -> Result<Evidence> {
    let mut evidence = Evidence::default();
    for path in tree.files()? {
        if path.starts_with("xtask/") {
            continue;
        }
        if path.ends_with(".rs") {
            let source = Source::new(&path, tree.read(&path)?);
            if path.starts_with("crates/") {
                code(&source, &mut evidence);
            }
            proofs(&source, &mut evidence);
        } else if path.starts_with("tests/") && (path.ends_with(".py") || path.ends_with(".js")) {
            scripts(&path, &tree.read(&path)?, &mut evidence);
        }
    }
    Ok(evidence)
}

fn code(source: &Source, evidence: &mut Evidence) {
    for line in 0..source.lines() {
        let comment = source.comment(line);
        // A file's header says what the file is about; it is no line that obeys.
        if comment.is_empty() || comment.starts_with("//!") || source.is_test(line) {
            continue;
        }
        for cite in cites(comment).into_iter().flatten() {
            let name = source
                .function(line)
                .map_or_else(|| item(source, line), |f| f.name.clone());
            let place = Place {
                path: source.path.clone(),
                name,
                line,
            };
            evidence.code.entry(cite).or_default().insert(place);
        }
    }
}

/// Name of the item that follows a comment outside of functions.
fn item(source: &Source, line: usize) -> String {
    (line..source.lines())
        .map(|line| source.code(line).trim())
        .find(|code| !code.is_empty() && !code.starts_with("#["))
        .and_then(|code| {
            code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .find(|word| !word.is_empty() && !KEYWORDS.contains(word))
        })
        .unwrap_or("-")
        .to_owned()
}

const KEYWORDS: [&str; 11] = [
    "pub", "crate", "super", "struct", "enum", "const", "static", "type", "trait", "impl", "mod",
];

fn proofs(source: &Source, evidence: &mut Evidence) {
    let mut add = |cite: Cite, function: &Function| {
        let place = Place {
            path: source.path.clone(),
            name: function.name.clone(),
            line: function.signature,
        };
        evidence.tests.entry(cite).or_default().insert(place);
    };
    let tests = || source.functions.iter().filter(|function| function.test);
    for function in tests() {
        for line in function.first..=function.last {
            for cite in cites(source.line(line)).into_iter().flatten() {
                add(cite, function);
            }
        }
    }
    // A row of a table beside the tests is proven by those that name the table.
    for line in (0..source.lines()).filter(|line| source.function(*line).is_none()) {
        let Some(table) = table(source, line) else {
            continue;
        };
        for cite in cites(source.line(line)).into_iter().flatten() {
            for function in tests().filter(|function| names(source, function, table)) {
                add(cite.clone(), function);
            }
        }
    }
}

/// Name of the constant among whose lines a line of tests stands.
fn table(source: &Source, line: usize) -> Option<&str> {
    if !source.is_test(line) {
        return None;
    }
    (0..=line).rev().find_map(|line| {
        let code = source.code(line).trim_start();
        let rest = code
            .strip_prefix("const ")
            .or_else(|| code.strip_prefix("static "))?;
        rest.split(':').next()
    })
}

fn names(source: &Source, function: &Function, table: &str) -> bool {
    (function.signature..=function.last).any(|line| {
        source
            .code(line)
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|w| w == table)
    })
}

/// Python and JavaScript tests: an id belongs to the function it stands in or directly above.
fn scripts(path: &str, text: &str, evidence: &mut Evidence) {
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        for cite in cites(line).into_iter().flatten() {
            let is_comment = |line: &&&str| {
                let line = line.trim_start();
                line.starts_with('#') || line.starts_with('@') || line.starts_with("//")
            };
            let below = lines[at..].iter().find(|line| !is_comment(line));
            let name = below
                .filter(|_| is_comment(&line))
                .and_then(|line| defined(line))
                .or_else(|| lines[..=at].iter().rev().find_map(|line| defined(line)))
                .unwrap_or("-");
            let place = Place {
                path: path.to_owned(),
                name: name.to_owned(),
                line: at,
            };
            evidence.tests.entry(cite).or_default().insert(place);
        }
    }
}

fn defined(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line
        .strip_prefix("def ")
        .or_else(|| line.strip_prefix("function "))?;
    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cite::Standard;

    #[test]
    fn a_row_of_a_table_is_proven_by_who_names_the_table() {
        let open = '[';
        let text = format!(
            "const ROWS: [u8; 1] = [\n    1, // {open}MQTT-1.1.1-1]\n];\n#[test]\nfn reads() {{\n    \
             for row in ROWS {{}}\n}}\n#[test]\nfn other() {{}}\n"
        );
        let mut evidence = Evidence::default();
        proofs(&Source::new("crates/a/tests/b.rs", text), &mut evidence);
        let names: Vec<&str> = evidence
            .tests
            .values()
            .flatten()
            .map(|place| place.name.as_str())
            .collect();
        assert_eq!(names, ["reads"]);
    }

    #[test]
    fn tells_code_from_tests() {
        let open = '[';
        let text = format!(
            "//! {open}MQTT-9.9.9-9]\n/// {open}MQTT-1.1.1-1]\npub struct Topic;\nfn obey() {{\n    \
             if x {{ // {open}MQTT-1.1.1-2]\n    }}\n}}\n#[cfg(test)]\nmod tests {{\n    /// \
             {open}MQTT-1.1.1-2]\n    #[test]\n    fn proves() {{}}\n}}\n"
        );
        let source = Source::new("crates/a/src/lib.rs", text);
        let mut evidence = Evidence::default();
        code(&source, &mut evidence);
        proofs(&source, &mut evidence);
        let labels = |map: &BTreeMap<Cite, BTreeSet<Place>>, id: &str| -> Vec<String> {
            map.get(&Cite {
                standard: Standard::V5,
                id: id.to_owned(),
            })
            .map(|places| places.iter().map(Place::label).collect())
            .unwrap_or_default()
        };
        assert_eq!(labels(&evidence.code, "MQTT-1.1.1-1"), ["a/lib.rs: Topic"]);
        assert_eq!(labels(&evidence.code, "MQTT-1.1.1-2"), ["a/lib.rs: obey"]);
        assert_eq!(
            labels(&evidence.tests, "MQTT-1.1.1-2"),
            ["a/lib.rs: proves"]
        );
        assert!(evidence.code.len() == 2 && evidence.tests.len() == 1);
    }
}
