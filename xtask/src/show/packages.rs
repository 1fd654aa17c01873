//! The packages as people meet them: installed in clean systems, under wine, and for another
//! processor.

use anyhow::{Context as _, Result, ensure};
use std::process::Command;

use crate::package::{self, Architecture, Shop};
use crate::tree::Tree;

/// Where Debian has the C library of the other architecture.
const ARM64_LIBRARY: &str = "/usr/aarch64-linux-gnu";

/// What was built before is shown; `cargo xtask package` builds it.
pub(super) fn show_linux(tree: &Tree) -> Result<()> {
    let shop = Shop::new(tree)?;
    for architecture in [Architecture::Amd64, Architecture::Arm64] {
        let binary = shop.unpacked(architecture);
        let (major, minor) = package::glibc(&binary)?;
        println!("{}: GLIBC_{major}.{minor}", architecture.name());
    }
    let arm64 = shop.unpacked(Architecture::Arm64);
    let out = Command::new("qemu-aarch64-static")
        .args(["-L", ARM64_LIBRARY])
        .arg(arm64)
        .arg("--version")
        .output()
        .context("cannot start qemu-aarch64-static; is qemu-user-static installed?")?;
    let said = String::from_utf8_lossy(&out.stdout);
    ensure!(
        out.status.success() && said.starts_with("ternmq "),
        "it does not run"
    );
    println!("arm64 under qemu: {}", said.trim());
    let deb = shop.deb(Architecture::Amd64);
    let deb = deb.to_string_lossy();
    tree.run("python3", &["tests/packages/roots.py", "--deb", &*deb])
}

pub(super) fn show_windows(tree: &Tree) -> Result<()> {
    let zip = Shop::new(tree)?.zip();
    let zip = zip.to_string_lossy();
    tree.run("python3", &["tests/packages/wine.py", "--zip", &*zip])
}
