//! The shape of the tree, checked as a test: imports, sizes, headers, the map, ids of the standards,
//! words that may not be committed. What needs judgement is printed as advice and fails nothing.

use crate::cite::cites;
use crate::picture;
use crate::rust::Source;
use crate::spec;
use crate::tree::Tree;
use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// A file longer than this is two files.
const FILE_LINES_MAX: usize = 800;
/// From here on a reviewer asks which shelf the file really is.
const FILE_LINES_ADVICE: usize = 500;
/// About a screen.
const FUNCTION_LINES_ADVICE: usize = 70;
/// Lines of a file's header.
const HEADER_LINES_ADVICE: usize = 5;
const MUST_EXIST: [&str; 8] = [
    ".ci/run",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "STYLE.md",
];

pub(crate) struct Findings {
    /// Each fails the build.
    pub(crate) faults: Vec<String>,
    /// Each is for a reader to judge.
    pub(crate) advice: Vec<String>,
}

pub(crate) fn run(tree: &Tree) -> Result<()> {
    let Findings { faults, advice } = look(tree)?;
    for line in &advice {
        println!("advice: {line}");
    }
    for line in &faults {
        println!("fault:  {line}");
    }
    if !faults.is_empty() {
        bail!("{} faults", faults.len());
    }
    println!("tidy: no faults, {} pieces of advice", advice.len());
    Ok(())
}

pub(crate) fn look(tree: &Tree) -> Result<Findings> {
    let files = tree.files()?;
    let mut faults = Vec::new();
    let mut advice = Vec::new();
    picture::check(tree, &files, &mut faults)?;
    for path in MUST_EXIST.iter().filter(|path| !tree.exists(path)) {
        faults.push(format!("{path} is missing"));
    }
    for path in &files {
        keys(path, &std::fs::read(tree.join(path))?, &mut faults);
    }
    let statements = spec::statements(tree)?;
    let known: BTreeSet<_> = statements.iter().map(|statement| &statement.cite).collect();
    for path in files.iter().filter(|path| is_text(path)) {
        let text = tree.read(path)?;
        words(path, &text, &mut faults);
        let ours = path != "docs/conformance.md" && !path.starts_with("xtask/");
        for (at, line) in text.lines().enumerate().filter(|_| ours) {
            for cite in cites(line) {
                match cite {
                    Ok(cite) if known.contains(&cite) => {}
                    Ok(cite) => {
                        faults.push(format!("{path}:{}: no statement {}", at + 1, cite.id));
                    }
                    Err(text) => {
                        faults.push(format!("{path}:{}: unreadable citation {text}", at + 1));
                    }
                }
            }
        }
        if is_source(path) {
            size(path, &text, &mut faults, &mut advice);
        }
        if path.ends_with(".rs") {
            rust(path, text, &mut faults, &mut advice);
        } else if path == "ARCHITECTURE.md" {
            map(tree, path, &text, &mut faults);
        }
    }
    Ok(Findings { faults, advice })
}

fn is_source(path: &str) -> bool {
    [
        ".rs", ".py", ".js", ".mjs", ".ts", ".tsx", ".vue", ".svelte",
    ]
    .iter()
    .any(|end| path.ends_with(end))
}

fn is_text(path: &str) -> bool {
    let plain = [
        ".md", ".toml", ".txt", ".json", ".yml", ".yaml", ".html", ".css", ".conf", ".service",
    ];
    let listed = path.ends_with("Cargo.lock") || path.ends_with("package-lock.json");
    !listed && (is_source(path) || plain.iter().any(|end| path.ends_with(end)) || path == ".ci/run")
}

fn size(path: &str, text: &str, faults: &mut Vec<String>, advice: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        faults.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
    } else if lines > FILE_LINES_ADVICE {
        advice.push(format!("{path}: {lines} lines: which shelf is it really?"));
    }
}

/// Words that may not be committed, put together here so that this file does not hold them.
fn words(path: &str, text: &str, faults: &mut Vec<String>) {
    const PLACES: [&str; 5] = [
        concat!("/wor", "k/"),
        concat!("/ro", "ot/"),
        concat!(".libr", "ary/"),
        concat!("/tm", "p/api"),
        concat!("/mnt", "/"),
    ];
    const MARKS: [&str; 3] = [
        concat!("FIX", "ME"),
        concat!("dbg", "!("),
        concat!("XX", "X:"),
    ];
    for (at, line) in text.lines().enumerate() {
        let mut fault = |what: &str| faults.push(format!("{path}:{}: {what}", at + 1));
        for place in PLACES.iter().filter(|place| line.contains(**place)) {
            fault(&format!("{place} is a place on somebody's machine"));
        }
        if !is_source(path) {
            continue;
        }
        for mark in MARKS.iter().filter(|mark| line.contains(**mark)) {
            fault(&format!("{mark} does not merge"));
        }
        let todo = concat!("TO", "DO");
        if let Some(found) = line.find(todo)
            && !line[found + todo.len()..].starts_with("(#")
        {
            fault(&format!("{todo} names its issue: {todo}(#n)"));
        }
    }
}

/// No file holds a private key, whatever its name is: one that was committed is known to all, and somebody may
/// believe it. Tests make theirs when they run. A line that only names the marks has no lines of a key behind it.
fn keys(path: &str, bytes: &[u8], faults: &mut Vec<String>) {
    let text = String::from_utf8_lossy(bytes);
    for (at, line) in text.lines().enumerate() {
        let Some((_, rest)) = line.split_once("-----BEGIN ") else {
            continue;
        };
        let Some((_, block)) = rest.split_once("PRIVATE KEY-----") else {
            continue;
        };
        // In a text of a program the line may end with `\n` in two characters.
        let same_line = block.trim_start_matches("\\n");
        let next_line = text.lines().nth(at + 1).unwrap_or_default();
        if [same_line, next_line].into_iter().any(is_of_key) {
            faults.push(format!(
                "{path}:{}: a private key; tests make theirs when they run",
                at + 1
            ));
        }
    }
}

/// Whether a line begins as one of a key: what stands there in base64 is longer than any number in a test of
/// what a key must not be. The old form has headers first.
fn is_of_key(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t', '"', '\'']);
    let is_base64 = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    line.chars().take_while(is_base64).count() >= 16 || line.starts_with("Proc-Type:")
}

fn rust(path: &str, text: String, faults: &mut Vec<String>, advice: &mut Vec<String>) {
    let header = text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .count();
    if header == 0 {
        faults.push(format!(
            "{path}: opens without //! lines that say what lives here"
        ));
    } else if header > HEADER_LINES_ADVICE && !path.ends_with("lib.rs") {
        advice.push(format!("{path}: a header of {header} lines"));
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    if [
        "utils.rs",
        "util.rs",
        "helpers.rs",
        "helper.rs",
        "common.rs",
        "manager.rs",
    ]
    .contains(&name)
    {
        faults.push(format!(
            "{path}: {name} names nothing; call it by what it holds"
        ));
    }
    let source = Source::new(path, text);
    for function in &source.functions {
        let lines = function.last - function.signature + 1;
        if lines > FUNCTION_LINES_ADVICE && !source.is_test(function.signature) {
            advice.push(format!("{path}: {} has {lines} lines", function.name));
        }
    }
}

/// Every path in backticks exists. Words without a slash are names, not paths, unless they end as
/// files of the root do.
fn map(tree: &Tree, path: &str, text: &str, faults: &mut Vec<String>) {
    for (at, line) in text.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2) {
            let named = (word.contains('/') || word.ends_with(".md") || word.ends_with(".toml"))
                && !word.contains([' ', '*', '<', '{', ':', '$', '#', '+'])
                && !word.starts_with('/');
            if named && !tree.exists(word) {
                faults.push(format!("{path}:{}: {word} does not exist", at + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gate: `cargo test` fails if the house is not in order.
    #[test]
    fn tree_is_tidy() {
        let findings = look(&Tree::here().unwrap()).unwrap();
        assert!(findings.faults.is_empty(), "{:#?}", findings.faults);
    }

    #[test]
    fn sees_private_keys() {
        let found = |text: String| {
            let mut faults = Vec::new();
            keys("tests/data/anything", text.as_bytes(), &mut faults);
            faults.len()
        };
        let base64 = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
        for kind in ["", "EC ", "RSA ", "OPENSSH ", "ENCRYPTED "] {
            let begin = format!("-----BEGIN {kind}PRIVATE KEY-----");
            assert_eq!(found(format!("{begin}\n{base64}\n")), 1, "{kind}");
            assert_eq!(found(format!("{begin}\r\n{base64}\r\n")), 1, "{kind}");
            // As texts in a program.
            assert_eq!(found(format!("\"{begin}\\n{base64}\\n\"")), 1, "{kind}");
            assert_eq!(found(format!("    {begin}\n    {base64}\n")), 1, "{kind}");
            assert_eq!(found(format!("\"it has to begin with {begin}\",\n")), 0);
            assert_eq!(found(format!("\"{begin}\\nMAA=\\n\"")), 0, "{kind}");
        }
        let old = format!(
            "-----BEGIN RSA {}\nProc-Type: 4,ENCRYPTED\n",
            "PRIVATE KEY-----"
        );
        assert_eq!(found(old), 1);
        let public = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n");
        assert_eq!(found(public), 0);
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{base64}\n");
        assert_eq!(found(certificate), 0);
    }

    #[test]
    fn sees_words_that_do_not_merge() {
        let check = |line: String| {
            let mut faults = Vec::new();
            words("a.rs", &line, &mut faults);
            faults.len()
        };
        let todo = concat!("TO", "DO");
        assert_eq!(check(format!("// {todo}(#7): later")), 0);
        assert_eq!(check(format!("// {todo}: later")), 1);
        assert_eq!(check(format!("{}x)", concat!("dbg", "!("))), 1);
        assert_eq!(check(format!("see {}a", concat!("/ro", "ot/"))), 1);
    }
}
