//! Which file of a Linux package comes from where.

use super::Shop;
use anyhow::{Context as _, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Where it goes, where it comes from in this tree, and its mode.
const FILES: [(&str, &str, u32); 10] = [
    (
        "usr/lib/systemd/system/ternmq.service",
        "packaging/linux/ternmq.service",
        0o644,
    ),
    (
        "usr/lib/firewalld/services/ternmq.xml",
        "packaging/linux/firewalld.xml",
        0o644,
    ),
    (
        "usr/share/ternmq/first-words",
        "packaging/linux/first-words",
        0o644,
    ),
    ("usr/share/doc/ternmq/README.md", "README.md", 0o644),
    ("usr/share/doc/ternmq/README.zh.md", "README.zh.md", 0o644),
    ("usr/share/doc/ternmq/CHANGELOG.md", "CHANGELOG.md", 0o644),
    (
        "usr/share/doc/ternmq/operating.md",
        "docs/operating.md",
        0o644,
    ),
    (
        "usr/share/doc/ternmq/operating.zh.md",
        "docs/operating.zh.md",
        0o644,
    ),
    (
        "usr/share/doc/ternmq/LICENSE-APACHE",
        "LICENSE-APACHE",
        0o644,
    ),
    ("usr/share/doc/ternmq/LICENSE-MIT", "LICENSE-MIT", 0o644),
];

/// Lays out below `root` what a package puts below `/`.
pub(super) fn lay(shop: &Shop<'_>, root: &Path, binary: &Path) -> Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    put(binary, &root.join("usr/bin/ternmq"), 0o755)?;
    for (to, from, mode) in FILES {
        put(&shop.tree.join(from), &root.join(to), mode)?;
    }
    let settings = root.join("etc/ternmq/ternmq.toml");
    write(&settings, &packaged(shop)?, 0o640)
}

/// The documented settings, with data where a service has it.
pub(super) fn packaged(shop: &Shop<'_>) -> Result<String> {
    let text = shop.tree.read("packaging/ternmq.toml")?;
    let default = "#data_dir = \"./ternmq-data\"";
    text.contains(default)
        .then(|| text.replace(default, "data_dir = \"/var/lib/ternmq\""))
        .with_context(|| format!("packaging/ternmq.toml has no line {default}"))
}

pub(super) fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    write(to, bytes, mode)
}

/// With all folders above it, which anybody may enter.
pub(super) fn write(to: &Path, bytes: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    let folder = to.parent().context("a file has a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(to, bytes)?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}
