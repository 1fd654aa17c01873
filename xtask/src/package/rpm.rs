//! The `.rpm`, by `rpmbuild` of the same layout.

use super::{Architecture, Shop, finish, layout, manual};
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::process::Command;

pub(super) fn pack(shop: &Shop<'_>, architecture: Architecture, binary: &Path) -> Result<()> {
    let root = shop.work.join(format!("rpm-{}", architecture.name()));
    layout::lay(shop, &root, binary)?;
    manual::install(shop, &root, "zsh/site-functions")?;
    let top = shop.work.join("rpmbuild");
    let define = |name: &str, value: &Path| format!("{name} {}", value.display());
    let name = architecture.rpm();
    finish(
        Command::new("rpmbuild")
            .args(["-bb", "--quiet", "--target", name])
            .args(["--define", &define("_topdir", &top)])
            .args(["--define", &define("ternmq_tree", &root)])
            .args(["--define", &format!("ternmq_version {}", shop.version)])
            .args(["--define", "use_source_date_epoch_as_buildtime 1"])
            .args(["--define", "clamp_mtime_to_source_date_epoch 1"])
            .args(["--define", "_buildhost localhost"])
            .arg(shop.tree.join("packaging/rpm/ternmq.spec"))
            .env("SOURCE_DATE_EPOCH", &shop.epoch),
    )?;
    let file = format!("ternmq-{}-1.{name}.rpm", shop.version);
    fs::copy(
        top.join("RPMS").join(name).join(&file),
        shop.artefact(&file),
    )?;
    Ok(())
}
