//! `cargo xtask ci`: the steps that must pass before a change lands, cheapest first.

use crate::tree::Tree;
use crate::{spec, tidy};
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::time::Instant;

/// The binary that the client matrix talks to. The development profile: what is built for the tests
/// is used again, and its overflow checks and assertions are on.
const BINARY: &str = "target/debug/ternmq";

type Step = (&'static str, fn(&Tree) -> Result<()>);

const STEPS: [Step; 11] = [
    ("fmt", |tree| {
        tree.run("cargo", &["fmt", "--all", "--check"])
    }),
    ("tidy", tidy::run),
    ("spec", spec::check),
    ("clippy", |tree| {
        tree.run(
            "cargo",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ],
        )
    }),
    ("test", |tree| {
        tree.run("cargo", &["test", "--workspace", "--locked", "--quiet"])
    }),
    ("dashboard", |tree| {
        // The tests before it have fetched its packages.
        tree.run("npm", &["--prefix", "web", "run", "--silent", "lint"])?;
        tree.run("npm", &["--prefix", "web", "run", "--silent", "test"])
    }),
    ("simulator", |tree| {
        tree.run(
            "cargo",
            &[
                "test",
                "--package",
                "engine",
                "--features",
                "plant",
                "--test",
                "sim",
                "--release",
                "--locked",
                "--quiet",
            ],
        )
    }),
    ("build", |tree| {
        tree.run(
            "cargo",
            &["build", "--package", "app", "--locked", "--quiet"],
        )
    }),
    ("clients", clients),
    ("api", api),
    ("walk", walk),
];

pub(crate) fn run(tree: &Tree) -> Result<()> {
    let start = Instant::now();
    for (at, (name, step)) in STEPS.iter().enumerate() {
        println!("== {}/{} {name}", at + 1, STEPS.len());
        let begun = Instant::now();
        step(tree).with_context(|| format!("step {name}"))?;
        println!("== {name} passed in {} s", begun.elapsed().as_secs());
    }
    println!("== ci passed in {} s", start.elapsed().as_secs());
    Ok(())
}

/// Other people's clients against our binary, our tools beside theirs, and our Python package on
/// other people's client.
fn clients(tree: &Tree) -> Result<()> {
    python(tree, "tests/clients/matrix.py", &[])?;
    python(tree, "tests/clients/tools.py", &[])?;
    python(tree, "clients/python/tests/suite.py", &[])?;
    python(tree, "tests/docs/snippets.py", &[])
}

/// The REST API as other people's tools know it; schemathesis gets a minute.
fn api(tree: &Tree) -> Result<()> {
    python(tree, "tests/api/suite.py", &["--seconds", "60"])
}

/// A script that fetches the packages it lacks.
fn python(tree: &Tree, script: &str, args: &[&str]) -> Result<()> {
    ensure!(tree.exists(script), "{script} is missing");
    let binary = tree.join(BINARY);
    let binary = binary.to_string_lossy();
    tree.run("python3", &[&[script, "--bin", &*binary], args].concat())
}

/// The dashboard of our binary in a browser, as the tutorial's reader meets it.
fn walk(tree: &Tree) -> Result<()> {
    browser(tree)?;
    let binary = tree.join(BINARY);
    let binary = binary.to_string_lossy();
    tree.run(
        "npm",
        &["--prefix", "web", "run", "--silent", "walk", "--", &*binary],
    )
}

/// Where Debian puts its Chromium; the environment variable of this name in capitals names another.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Installs the walk's browser if there is none.
fn browser(tree: &Tree) -> Result<()> {
    if std::env::var_os("CHROMIUM").is_some() || Path::new(CHROMIUM).exists() {
        return Ok(());
    }
    let hint = "Chromium is missing: sudo apt-get install -y chromium, or CHROMIUM=PATH";
    tree.run("apt-get", &["-qq", "update"]).context(hint)?;
    let packages = [
        "-qq",
        "install",
        "-y",
        "--no-install-recommends",
        "chromium",
    ];
    tree.run("apt-get", &packages).context(hint)
}
