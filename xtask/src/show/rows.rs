//! The rows of the reliability table that black-box tests are named after (`p05_...`, `x18_...`), and
//! the crowds, with as many clients as promised, against the released binary.

use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::broker::released;
use crate::tree::Tree;

/// Rows that issue 2 promised; a row without a test is a failure.
pub(super) const PRESSURE: &[&str] = &[
    "p01", "p02", "p03", "p04", "p05", "p06", "p07", "p08", "p09", "p10", "p11", "p12", "p13",
    "x01", "x02", "x03", "x04", "x05", "x06", "x09", "x10", "x13", "x14", "x16", "x18", "s01",
    "s03", "s04", "s05", "s06", "s07", "s08", "s10", "s12", "o01", "o04", "crowd", "flood", "self",
];

/// Those of issue 4.
pub(super) const DASHBOARD: &[&str] = &[
    "h01", "h02", "h03", "h04", "h05", "h06", "h07", "h08", "h09", "h10", "h11", "h12", "h13",
    "h14", "h16", "h17", "h18", "h19", "h20",
];

/// Those of issue 7.
pub(super) const ACCESS: &[&str] = &[
    "a01", "a02", "a03", "a04", "a05", "a06", "a07", "a08", "a09", "a10", "a11", "a12", "a13",
    "a14", "a15", "a16", "a17", "a18", "a19", "a20", "a21", "w01", "w02", "w03", "w04", "w05",
    "w06", "w07", "w08", "w09", "x01", "x02", "x03", "x04", "x05", "x06", "x07", "x08", "x09",
    "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20",
];

/// Where rows are looked for that nothing from outside can provoke: in the crates' own tests.
const INSIDE: [&str; 2] = ["engine", "broker"];

/// Words in the lines in which tests tell figures.
const FIGURES: [&str; 6] = [
    "figure: ",
    "stopped readers, QoS",
    "canary: ",
    " sent, ",
    " takeovers, ",
    "ended after ",
];

pub(super) fn show(tree: &Tree, promised: &[&'static str]) -> Result<()> {
    let listed = test(&["--list"], tree, None)?;
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| !rows_of(name, promised).is_empty())
        .collect();
    let mut said = run_by_name(tree, &names)?;
    let inside = tests_inside(tree, promised, &mut said)?;
    let mut rows: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
    for row in promised {
        rows.insert(*row, Vec::new());
    }
    for name in names.into_iter().chain(inside.iter().map(String::as_str)) {
        let is_good = passed(&said, name);
        for row in rows_of(name, promised) {
            rows.entry(row).or_default().push((name, is_good));
        }
    }
    let mut good_ones = 0;
    for (row, tests) in &rows {
        let good = !tests.is_empty() && tests.iter().all(|(_, passed)| *passed);
        good_ones += usize::from(good);
        let word = if good { "passed" } else { "FAILED" };
        let names: Vec<String> = tests
            .iter()
            .map(|(name, ok)| format!("{name}{}", if *ok { "" } else { " (failed)" }))
            .collect();
        println!("{row:<6} {word}  {}", names.join(", "));
    }
    print_figures(&said);
    println!("{good_ones} of {} rows passed", rows.len());
    if good_ones < rows.len() {
        println!("{said}");
    }
    let bad = rows.len() - good_ones;
    ensure!(bad == 0, "{bad} rows failed");
    Ok(())
}

/// Runs black-box tests against the released binary, one after the other; gives what they said.
pub(super) fn run_by_name(tree: &Tree, names: &[&str]) -> Result<String> {
    let binary = released(tree)?;
    let how = [
        "--exact",
        "--include-ignored",
        "--show-output",
        "--test-threads",
        "1",
    ];
    test(&[&how[..], names].concat(), tree, Some(&binary))
}

/// By what the tests said. One that does not exist has not passed.
pub(super) fn passed(said: &str, name: &str) -> bool {
    said.contains(&format!("test {name} ... ok\n"))
}

/// What the tests measured.
pub(super) fn print_figures(said: &str) {
    let tells = |line: &&str| FIGURES.iter().any(|figure| line.contains(figure));
    for line in said.lines().filter(tells) {
        println!("  {line}");
    }
}

/// The rows that a test is for, by its name.
fn rows_of(name: &str, promised: &[&'static str]) -> Vec<&'static str> {
    let (room, own) = name.rsplit_once("::").unwrap_or(("", name));
    promised
        .iter()
        .copied()
        .filter(|row| match *row {
            "crowd" => room == "crowd" && own.contains("crowd_qos"),
            "flood" => room == "crowd" && own.starts_with("flooding"),
            "self" => room == "crowd" && own.starts_with("publishing_to"),
            row => own
                .split('_')
                .take_while(|part| is_row(part))
                .any(|part| part == row),
        })
        .collect()
}

/// A name may begin with several rows: `a08_a09_...`.
fn is_row(part: &str) -> bool {
    let (letter, number) = part.split_at(part.len().min(1));
    letter.bytes().all(|b| b.is_ascii_lowercase())
        && number.len() == 2
        && number.bytes().all(|b| b.is_ascii_digit())
}

/// Runs the crates' own tests that are rows, and gives their names; what they said is put behind the rest.
fn tests_inside(tree: &Tree, promised: &[&'static str], said: &mut String) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for package in INSIDE {
        let of = ["test", "--package", package, "--lib", "--locked", "--"];
        let listed = cargo(&of, &["--list"], tree, None)?;
        let rows: Vec<&str> = listed
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .filter(|name| !rows_of(name, promised).is_empty())
            .collect();
        if rows.is_empty() {
            continue;
        }
        let args = [&["--exact", "--show-output"][..], &rows].concat();
        *said += &cargo(&of, &args, tree, None)?;
        names.extend(rows.iter().map(|name| (*name).to_owned()));
    }
    Ok(names)
}

/// Runs the black-box tests with these arguments; gives what they said, passed or not.
fn test(args: &[&str], tree: &Tree, binary: Option<&Path>) -> Result<String> {
    let of = [
        "test",
        "--package",
        "app",
        "--test",
        "blackbox",
        "--locked",
        "--",
    ];
    cargo(&of, args, tree, binary)
}

fn cargo(of: &[&str], args: &[&str], tree: &Tree, binary: Option<&Path>) -> Result<String> {
    let mut command = Command::new("cargo");
    command.args(of).args(args).current_dir(tree.root());
    if let Some(binary) = binary {
        command.env("TERNMQ_BIN", binary).env("TERNMQ_FULL", "1");
    }
    let done = command.output()?;
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_rows_by_name() {
        assert_eq!(rows_of("hostile::p05_cut_and_bent", PRESSURE), ["p05"]);
        assert_eq!(
            rows_of("crowd::x06_crowd_qos_1", PRESSURE),
            ["x06", "crowd"]
        );
        assert_eq!(rows_of("crowd::publishing_to_oneself", PRESSURE), ["self"]);
        assert_eq!(
            rows_of("authorize::a08_a09_wider_than_allowed", ACCESS),
            ["a08", "a09"]
        );
        assert!(rows_of("x_a08_of_another_room", ACCESS).is_empty());
        assert!(rows_of("qos::resume_qos_1", PRESSURE).is_empty());
    }
}
