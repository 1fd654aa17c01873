//! `cargo xtask package`: all that people download, in `target/dist`, with `SHA256SUMS`. One layout
//! is made into `.deb`, `.rpm` and tarball, for both architectures; beside them stand the container's
//! file, the Windows zip and the Python wheel.

mod archive;
mod build;
mod deb;
mod layout;
mod manual;
mod needs;
mod rpm;

pub(crate) use needs::{GLIBC_MAX, glibc};

use crate::tree::Tree;
use crate::windows::{self, Need};
use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const USAGE: &str = "package [--built] [amd64|arm64|windows|python]...";

/// Beside compilers: what packs.
const PACKERS: [Need; 2] = [("/usr/bin/dpkg-deb", "dpkg"), ("/usr/bin/rpmbuild", "rpm")];

/// Processors that Linux packages are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    /// What runs here.
    const OWN: Self = if cfg!(target_arch = "aarch64") {
        Self::Arm64
    } else {
        Self::Amd64
    };

    /// As Debian and Go call it, and the names of the artefacts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    fn rpm(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

/// Where artefacts come from and go.
pub(crate) struct Shop<'a> {
    tree: &'a Tree,
    /// Of the workspace.
    version: String,
    /// Seconds since 1970 of the commit: the time of every packed file, so that the same sources make
    /// the same packages.
    epoch: String,
    /// What is given away.
    dist: PathBuf,
    /// What is only needed on the way there.
    work: PathBuf,
}

pub(crate) fn run(tree: &Tree, args: &[String]) -> Result<()> {
    let (mut built, mut parts) = (false, Vec::new());
    for arg in args {
        match arg.as_str() {
            "--built" => built = true,
            "amd64" | "arm64" | "windows" | "python" => parts.push(arg.as_str()),
            _ => bail!("{arg}? `cargo xtask {USAGE}`"),
        }
    }
    if parts.is_empty() {
        parts = vec!["amd64", "arm64", "windows", "python"];
    }
    let shop = Shop::new(tree)?;
    // What an earlier run made is not of these sources, and everything there is in SHA256SUMS.
    fs::remove_dir_all(&shop.dist)?;
    fs::create_dir(&shop.dist)?;
    if parts.iter().any(|part| part.ends_with("64")) {
        windows::install(tree, &PACKERS)?;
        let binary = build::linux(&shop, Architecture::OWN, built)?;
        manual::print(&shop, &binary)?;
    }
    for part in parts {
        match part {
            "windows" => {
                let binary = build::windows(&shop, built)?;
                needs::check_windows(&binary)?;
                archive::windows(&shop, &binary)?;
            }
            "python" => wheel(&shop)?,
            name => {
                let architecture = match name {
                    "amd64" => Architecture::Amd64,
                    _ => Architecture::Arm64,
                };
                let binary = build::linux(&shop, architecture, built)?;
                linux(&shop, architecture, &binary)?;
            }
        }
    }
    sums(&shop)
}

impl<'a> Shop<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Result<Self> {
        let manifest: toml::Table = tree.read("Cargo.toml")?.parse()?;
        let version = manifest["workspace"]["package"]["version"].as_str();
        let version = version.context("the workspace has a version")?.to_owned();
        let target = tree.target();
        let shop = Self {
            tree,
            version,
            epoch: epoch(tree),
            dist: target.join("dist"),
            work: target.join("package"),
        };
        fs::create_dir_all(&shop.dist)?;
        fs::create_dir_all(&shop.work)?;
        Ok(shop)
    }

    /// An artefact of this name.
    fn artefact(&self, name: &str) -> PathBuf {
        self.dist.join(name)
    }

    /// The binary of what was packed last.
    pub(crate) fn unpacked(&self, architecture: Architecture) -> PathBuf {
        let folder = format!("ternmq-{}-linux-{}", self.version, architecture.name());
        self.work.join(folder).join("ternmq")
    }

    pub(crate) fn zip(&self) -> PathBuf {
        self.artefact(&format!("ternmq-{}-windows-amd64.zip", self.version))
    }

    pub(crate) fn deb(&self, architecture: Architecture) -> PathBuf {
        let architecture = architecture.name();
        self.artefact(&format!("ternmq_{}_{architecture}.deb", self.version))
    }
}

/// The time of the commit, or of an unpacked archive's manifest, which has no history.
fn epoch(tree: &Tree) -> String {
    let log = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(tree.root())
        .output();
    let told = log.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    told.ok()
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "1735689600".to_owned())
}

/// Everything made of one Linux binary.
fn linux(shop: &Shop<'_>, architecture: Architecture, binary: &Path) -> Result<()> {
    needs::check_linux(architecture.name(), binary)?;
    deb::pack(shop, architecture, binary)?;
    rpm::pack(shop, architecture, binary)?;
    archive::tarball(shop, architecture, binary)?;
    archive::container(shop)
}

/// The Python package, which has no binary.
fn wheel(shop: &Shop<'_>) -> Result<()> {
    // What an earlier build left would be packed with it, modules that are gone, too.
    let left = shop.tree.join("clients/python/build");
    if left.exists() {
        fs::remove_dir_all(left)?;
    }
    let python = build::tools(shop)?.join("python");
    let dist = shop.dist.to_string_lossy();
    let args = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"];
    let mut command = Command::new(python);
    command.args(args).arg(&*dist).arg("./clients/python");
    command.env("SOURCE_DATE_EPOCH", &shop.epoch);
    finish(command.current_dir(shop.tree.root()))
}

/// The sum of every artefact, in the form of sha256sum(1).
fn sums(shop: &Shop<'_>) -> Result<()> {
    let mut names: Vec<_> = fs::read_dir(&shop.dist)?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort();
    let mut command = Command::new("sha256sum");
    let out = command.args(&names).current_dir(&shop.dist).output()?;
    ensure!(out.status.success(), "sha256sum failed");
    fs::write(shop.artefact("SHA256SUMS"), &out.stdout)?;
    print!("{}", String::from_utf8_lossy(&out.stdout));
    Ok(())
}

/// Runs a command to its end; another exit code than 0 is an error.
fn finish(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(status.success(), "`{program}` failed ({status})");
    Ok(())
}
