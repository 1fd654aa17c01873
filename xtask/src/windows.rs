//! `cargo xtask windows`: does the Windows target compile?
//!
//! Our pinned compiler comes with the host's standard library only. Debian packages a compiler with
//! the library's sources and a mingw linker, which together check the target without a download.

use crate::tree::Tree;
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::Command;

pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";
pub(crate) const LINKER_VARIABLE: &str = "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER";
pub(crate) const LINKER_PROGRAM: &str = "x86_64-w64-mingw32-gcc";

/// A file, and the Debian package that brings it.
pub(crate) type Need = (&'static str, &'static str);

/// A compiler with the sources of the standard library.
pub(crate) const COMPILER: [Need; 3] = [
    ("/usr/bin/rustc", "rustc-web"),
    ("/usr/bin/cargo", "cargo-web"),
    ("/usr/lib/rustlib/src/rust", "rust-web-src"),
];
pub(crate) const LINKER: [Need; 2] = [
    ("/usr/bin/x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64"),
    ("/usr/bin/x86_64-w64-mingw32-g++", "g++-mingw-w64-x86-64"),
];

pub(crate) fn run(tree: &Tree) -> Result<()> {
    install(tree, &COMPILER)?;
    install(tree, &LINKER)?;
    // Debian's cargo by its path: a toolchain manager's stands first in PATH, and exports variables
    // that would lead back to it.
    let mut cargo = Command::new("/usr/bin/cargo");
    cargo
        .args([
            "check",
            "--package",
            "app",
            "--target",
            TARGET,
            "--target-dir",
            "target/win",
        ])
        .args(["-Z", "build-std=std,panic_abort"])
        .current_dir(tree.root())
        .env("RUSTC", "/usr/bin/rustc")
        // `-Z` on a stable compiler: the only way to a standard library that nobody ships for it.
        .env("RUSTC_BOOTSTRAP", "1")
        // What is dead code there, or unused, is told only here.
        .env("RUSTFLAGS", "--deny warnings")
        .env(LINKER_VARIABLE, LINKER_PROGRAM);
    for name in [
        "CARGO",
        "RUSTUP_TOOLCHAIN",
        "RUSTC_WRAPPER",
        "CARGO_TARGET_DIR",
    ] {
        cargo.env_remove(name);
    }
    let status = cargo.status().context("cannot start /usr/bin/cargo")?;
    if !status.success() {
        bail!("the Windows target does not compile ({status})");
    }
    println!("windows: {TARGET} compiles");
    Ok(())
}

/// Installs what is missing, if it may.
pub(crate) fn install(tree: &Tree, needed: &[Need]) -> Result<()> {
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wish = format!(
        "apt-get install --no-install-recommends {}",
        missing.join(" ")
    );
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|out| String::from_utf8_lossy(&out.stdout).trim() == "0");
    if !is_root {
        bail!("packages are missing; as root: {wish}");
    }
    println!("{wish}");
    let mut args = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    args.extend(missing);
    if tree.run("apt-get", &args).is_err() {
        // A fresh machine has no package lists yet.
        tree.run("apt-get", &["update", "--quiet"])?;
        tree.run("apt-get", &args)?;
    }
    Ok(())
}
