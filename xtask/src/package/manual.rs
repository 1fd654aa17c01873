//! Man pages and completions, as the binary prints them, and where each system looks for them.

use super::{Shop, finish, layout};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a shell's script is called where we put it.
const SCRIPTS: [(&str, &str); 3] = [
    ("bash", "ternmq.bash"),
    ("zsh", "_ternmq"),
    ("fish", "ternmq.fish"),
];
/// Where the pages of a language are, below any root of man pages, and the locale that asks for it.
const LANGUAGES: [(&str, &str); 2] = [("man1", "C"), ("zh_CN/man1", "zh_CN.UTF-8")];

/// Below it, `completions` and `man`.
fn folder(shop: &Shop<'_>) -> PathBuf {
    shop.work.join("manual")
}

/// Lets a binary of this machine say all of it, for the packages of every architecture.
pub(super) fn print(shop: &Shop<'_>, binary: &Path) -> Result<()> {
    let folder = folder(shop);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for (shell, file) in SCRIPTS {
        let mut command = Command::new(binary);
        command.args(["completions", shell]).env("LC_ALL", "C");
        let out = command.output().context("cannot start what was built")?;
        ensure!(out.status.success(), "no completions for {shell}");
        layout::write(&folder.join("completions").join(file), out.stdout, 0o644)?;
    }
    for (below, locale) in LANGUAGES {
        let dir = folder.join("man").join(below);
        let mut command = Command::new(binary);
        command.args(["man", "--dir"]).arg(&dir);
        finish(command.env("LC_ALL", locale))?;
    }
    Ok(())
}

/// Into a package's root; only zsh's folder is not the same everywhere.
pub(super) fn install(shop: &Shop<'_>, root: &Path, zsh: &str) -> Result<()> {
    let share = root.join("usr/share");
    let places = [
        share.join("bash-completion/completions/ternmq"),
        share.join(zsh).join("_ternmq"),
        share.join("fish/vendor_completions.d/ternmq.fish"),
    ];
    for ((_, file), place) in SCRIPTS.into_iter().zip(places) {
        let script = folder(shop).join("completions").join(file);
        layout::put(&script, &place, 0o644)?;
    }
    let pages = copy_pages(shop, &share.join("man"))?;
    finish(
        Command::new("gzip")
            .args(["-9", "--no-name", "--force"])
            .args(pages),
    )
}

/// Into a folder that is unpacked anywhere, as they are.
pub(super) fn enclose(shop: &Shop<'_>, root: &Path) -> Result<()> {
    for (_, file) in SCRIPTS {
        let script = folder(shop).join("completions").join(file);
        layout::put(&script, &root.join("completions").join(file), 0o644)?;
    }
    copy_pages(shop, &root.join("man"))?;
    Ok(())
}

/// Gives where they are now.
fn copy_pages(shop: &Shop<'_>, to: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for (below, _) in LANGUAGES {
        let from = folder(shop).join("man").join(below);
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let page = to.join(below).join(entry.file_name());
            layout::put(&entry.path(), &page, 0o644)?;
            pages.push(page);
        }
    }
    Ok(pages)
}
