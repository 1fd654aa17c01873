//! `cargo xtask openapi`: the API's description, from which the dashboard's typed client is made.
//! A test of the `api` crate fails when the file is stale.

use crate::tree::Tree;
use anyhow::{Context as _, Result, ensure};
use std::process::Command;

const FILE: &str = "web/openapi.json";

pub(crate) fn write(tree: &Tree) -> Result<()> {
    let args = ["run", "--quiet", "--package", "api", "--example", "openapi"];
    let printed = Command::new("cargo")
        .args(args)
        .current_dir(tree.root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(
        printed.status.success(),
        "`cargo {}` failed",
        args.join(" ")
    );
    std::fs::write(tree.join(FILE), printed.stdout).with_context(|| format!("cannot write {FILE}"))
}
