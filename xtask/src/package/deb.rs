//! The `.deb`, by `dpkg-deb` of a folder: what Debian calls a binary package is a layout, a control
//! file and four scripts.

use super::{Architecture, Shop, finish, layout, manual};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];
/// Files that belong to the administrator: an upgrade asks before it changes them.
const SETTINGS: &str = "/etc/ternmq/ternmq.toml\n/etc/ufw/applications.d/ternmq\n";

pub(super) fn pack(shop: &Shop<'_>, architecture: Architecture, binary: &Path) -> Result<()> {
    let root = shop.work.join(format!("deb-{}", architecture.name()));
    layout::lay(shop, &root, binary)?;
    manual::install(shop, &root, "zsh/vendor-completions")?;
    let ufw = root.join("etc/ufw/applications.d/ternmq");
    layout::put(&shop.tree.join("packaging/linux/ufw"), &ufw, 0o644)?;
    let kilobytes = size(&root)?.div_ceil(1024);
    let control = shop.tree.read("packaging/deb/control")?;
    let control = control
        .replace("INSTALLED_SIZE", &kilobytes.to_string())
        .replace("ARCHITECTURE", architecture.name())
        .replace("VERSION", &shop.version);
    let to = root.join("DEBIAN");
    layout::write(&to.join("control"), control, 0o644)?;
    layout::write(&to.join("conffiles"), SETTINGS, 0o644)?;
    let folder = shop.tree.join("packaging/deb");
    layout::put(&folder.join("templates"), &to.join("templates"), 0o644)?;
    for script in SCRIPTS {
        layout::put(&folder.join(script), &to.join(script), 0o755)?;
    }
    // xz, which every dpkg reads.
    finish(
        Command::new("dpkg-deb")
            .args(["--build", "--root-owner-group", "-Zxz"])
            .arg(&root)
            .arg(shop.deb(architecture))
            .env("SOURCE_DATE_EPOCH", &shop.epoch),
    )
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        bytes += if kind.is_dir() {
            size(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}
