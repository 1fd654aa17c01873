//! What is unpacked instead of installed: the tarball, the container that is made of it, and the zip
//! for Windows.

use super::{Architecture, Shop, finish, layout, manual};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Beside the binary in both.
const PAPERS: [&str; 3] = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];

pub(super) fn tarball(shop: &Shop<'_>, architecture: Architecture, binary: &Path) -> Result<()> {
    let name = format!("ternmq-{}-linux-{}", shop.version, architecture.name());
    let root = fresh(shop, &name)?;
    layout::put(binary, &root.join("ternmq"), 0o755)?;
    let others = [
        "README.md",
        "README.zh.md",
        "packaging/linux/ternmq.service",
    ];
    papers(shop, &root, &[&PAPERS[..], &others].concat())?;
    settings(shop, &root)?;
    manual::enclose(shop, &root)?;
    finish(
        Command::new("tar")
            .args([
                "--create",
                "--gzip",
                "--sort=name",
                "--owner=0",
                "--group=0",
            ])
            .args(["--numeric-owner", &format!("--mtime=@{}", shop.epoch)])
            .arg("--file")
            .arg(shop.artefact(&format!("{name}.tar.gz")))
            .arg("--directory")
            .arg(&shop.work)
            .arg(&name),
    )
}

/// The file that makes an image of the tarballs beside it.
pub(super) fn container(shop: &Shop<'_>) -> Result<()> {
    let text = shop.tree.read("packaging/container/Containerfile")?;
    let blank = "ARG VERSION\n";
    let text = text
        .contains(blank)
        .then(|| text.replace(blank, &format!("ARG VERSION={}\n", shop.version)))
        .context("the Containerfile has a version")?;
    layout::write(&shop.artefact("Containerfile"), text, 0o644)
}

/// `ternmq.exe` needs nothing that Windows has not.
pub(super) fn windows(shop: &Shop<'_>, binary: &Path) -> Result<()> {
    let name = format!("ternmq-{}-windows-amd64", shop.version);
    let root = fresh(shop, &name)?;
    layout::put(binary, &root.join("ternmq.exe"), 0o755)?;
    papers(shop, &root, &PAPERS)?;
    settings(shop, &root)?;
    for readme in ["README.txt", "README.zh.txt"] {
        let text = shop.tree.read(&format!("packaging/windows/{readme}"))?;
        // Notepad of older systems knows neither \n nor, without its mark, UTF-8.
        let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        layout::write(&root.join(readme), text, 0o644)?;
    }
    let zip = shop.zip();
    let _ = fs::remove_file(&zip);
    // Python's own, because it marks names as UTF-8.
    let mut command = Command::new("python3");
    command.args(["-m", "zipfile", "-c"]).arg(zip).arg(&name);
    finish(command.current_dir(&shop.work))
}

/// The settings that a start by hand reads: all defaults.
fn settings(shop: &Shop<'_>, root: &Path) -> Result<()> {
    let text = shop.tree.read("packaging/ternmq.toml")?;
    layout::write(&root.join("ternmq.toml"), text, 0o644)
}

fn papers(shop: &Shop<'_>, root: &Path, papers: &[&str]) -> Result<()> {
    for paper in papers {
        let name = Path::new(paper).file_name().unwrap_or_default();
        layout::put(&shop.tree.join(paper), &root.join(name), 0o644)?;
    }
    Ok(())
}

/// A folder with nothing in it.
fn fresh(shop: &Shop<'_>, name: &str) -> Result<std::path::PathBuf> {
    let root = shop.work.join(name);
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    fs::create_dir_all(&root)?;
    Ok(root)
}
