//! `cargo xtask ci`: the steps that must pass before a change lands, cheapest first.

use crate::tree::Tree;
use crate::{fuzz, spec, tidy};
use anyhow::{Context as _, Result, ensure};
use std::process::Command;
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
        )?;
        fuzz::check(tree)
    }),
    ("test", |tree| {
        install(tree, &SERVERS)?;
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
    install(tree, &CLIENTS)?;
    python(tree, "tests/clients/matrix.py", &[])?;
    python(tree, "tests/clients/tools.py", &[])?;
    python(tree, "tests/clients/tls.py", &[])?;
    python(tree, "tests/clients/migrate.py", &[])?;
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
    install(tree, &BROWSER)?;
    let binary = tree.join(BINARY);
    let binary = binary.to_string_lossy();
    tree.run(
        "npm",
        &["--prefix", "web", "run", "--silent", "walk", "--", &*binary],
    )
}

/// What a step needs of the system: how to see that it is there, and the Debian package that has it.
struct Need {
    sign: &'static str,
    package: &'static str,
}

const CLIENTS: [Need; 5] = [
    need("command -v mosquitto_rr", "mosquitto-clients"),
    need(
        "test -x /usr/sbin/mosquitto || command -v mosquitto",
        "mosquitto",
    ),
    need("python3 -c 'import ensurepip, venv'", "python3-venv"),
    need("command -v ip", "iproute2"),
    need("command -v openssl", "openssl"),
];
/// Servers that know users; the tests start their own.
const SERVERS: [Need; 5] = [
    need("command -v redis-server", "redis-server"),
    need("ls /usr/lib/postgresql/*/bin/postgres", "postgresql"),
    need("test -x /usr/sbin/mariadbd", "mariadb-server"),
    need("test -x /usr/sbin/slapd", "slapd"),
    need("command -v openssl", "openssl"),
];
/// The environment variable names another one.
const BROWSER: [Need; 1] = [need(
    "test -n \"$CHROMIUM\" || test -x /usr/bin/chromium",
    "chromium",
)];

const fn need(sign: &'static str, package: &'static str) -> Need {
    Need { sign, package }
}

/// Installs what is missing, if it may.
fn install(tree: &Tree, needs: &[Need]) -> Result<()> {
    let is_there = |need: &&Need| {
        let sign = Command::new("sh").args(["-c", need.sign]).output();
        sign.is_ok_and(|done| done.status.success())
    };
    let missing: Vec<&str> = needs
        .iter()
        .filter(|need| !is_there(need))
        .map(|need| need.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" ");
    let hint = format!("this needs: sudo apt-get install -y {missing}");
    let command = format!(
        "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq install -y --no-install-recommends {missing}"
    );
    tree.run("sh", &["-c", &command]).context(hint)
}
