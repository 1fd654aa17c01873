//! Binaries for others' machines. Zig's linker knows the symbols of old glibc versions, so that one
//! binary runs on all of them; the Windows target and arm64 have their standard library built from
//! Debian's sources, because the pinned compiler brings the host's only.

use super::{Architecture, Shop, finish};
use crate::windows;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// From the Python package index, which has both as binaries.
const TOOLS: [&str; 3] = [
    "ziglang==0.17.*",
    "cargo-zigbuild==0.24.*",
    "setuptools>=61",
];

/// The folder of a Python environment's programs with what is needed to build.
pub(super) fn tools(shop: &Shop<'_>) -> Result<PathBuf> {
    let home = shop.work.join("tools");
    let bin = home.join("bin");
    let stamp = home.join("has");
    let wanted = TOOLS.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|has| has == wanted) {
        return Ok(bin);
    }
    finish(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&home),
    )?;
    let pip = ["-m", "pip", "install", "--quiet"];
    finish(Command::new(bin.join("python")).args(pip).args(TOOLS))?;
    fs::write(stamp, wanted)?;
    Ok(bin)
}

/// The Linux binary, built unless it is to be taken as it is.
pub(super) fn linux(
    shop: &Shop<'_>,
    architecture: Architecture,
    is_built: bool,
) -> Result<PathBuf> {
    let target = match architecture {
        Architecture::Amd64 => "x86_64-unknown-linux-gnu",
        Architecture::Arm64 => "aarch64-unknown-linux-gnu",
    };
    let folder = shop.work.join(architecture.name());
    let binary = folder.join(target).join("release").join("ternmq");
    if is_built {
        ensure!(binary.exists(), "{} is not there", binary.display());
        return Ok(binary);
    }
    let bin = tools(shop)?;
    let mut command = Command::new(bin.join("cargo-zigbuild"));
    // With the oldest glibc in which all that we call exists.
    command.args(["zigbuild", "--target", &format!("{target}.2.27")]);
    release(&mut command, shop, &folder);
    let mut path = vec![bin];
    if architecture == Architecture::Arm64 {
        windows::install(shop.tree, &windows::COMPILER)?;
        command.args(["-Z", "build-std=std,panic_unwind"]);
        foreign(&mut command);
        path.push("/usr/bin".into());
        // Kernels of this architecture have pages of 4, 16 or 64 KB; the allocator must know the
        // largest when it is built.
        command.env("JEMALLOC_SYS_WITH_LG_PAGE", "16");
    }
    let old = std::env::var_os("PATH").context("PATH")?;
    path.extend(std::env::split_paths(&old));
    command.env("PATH", std::env::join_paths(path)?);
    finish(&mut command)?;
    Ok(binary)
}

/// `ternmq.exe`.
pub(super) fn windows(shop: &Shop<'_>, is_built: bool) -> Result<PathBuf> {
    let folder = shop.work.join("windows");
    let binary = folder
        .join(windows::TARGET)
        .join("release")
        .join("ternmq.exe");
    if is_built {
        ensure!(binary.exists(), "{} is not there", binary.display());
        return Ok(binary);
    }
    windows::install(shop.tree, &windows::COMPILER)?;
    windows::install(shop.tree, &windows::LINKER)?;
    let mut command = Command::new("/usr/bin/cargo");
    command.args(["build", "--target", windows::TARGET]);
    command.args(["-Z", "build-std=std,panic_unwind"]);
    release(&mut command, shop, &folder);
    foreign(&mut command);
    command.env(windows::LINKER_VARIABLE, windows::LINKER_PROGRAM);
    finish(&mut command)?;
    Ok(binary)
}

/// A build as it is given away: names of functions for backtraces stay, tables of lines go.
fn release(command: &mut Command, shop: &Shop<'_>, folder: &Path) {
    command
        .args(["--release", "--package", "app", "--locked", "--target-dir"])
        .arg(folder)
        .current_dir(shop.tree.root())
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo")
        .env("SOURCE_DATE_EPOCH", &shop.epoch)
        .env_remove("CARGO_TARGET_DIR");
}

/// Debian's compiler, which comes with the library's sources, by its path: a toolchain manager's
/// stands first in PATH, and exports variables that would lead back to it.
fn foreign(command: &mut Command) {
    for name in ["RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER"] {
        command.env_remove(name);
    }
    command
        .env("CARGO", "/usr/bin/cargo")
        .env("RUSTC", "/usr/bin/rustc")
        // `-Z` on a stable compiler: the only way to a standard library that nobody ships.
        .env("RUSTC_BOOTSTRAP", "1");
}
