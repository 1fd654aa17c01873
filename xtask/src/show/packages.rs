//! The packages as people meet them: installed in clean systems, under wine, and for another
//! processor.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::broker::Broker;
use crate::package::{self, Architecture, Shop};
use crate::tree::Tree;
use crate::windows::{self, Need};

/// Where Debian has the C library of the other architecture.
const ARM64_LIBRARY: &str = "/usr/aarch64-linux-gnu";
const CLEAN_SYSTEMS: [Need; 4] = [
    ("/usr/sbin/debootstrap", "debootstrap"),
    ("/usr/bin/systemd-nspawn", "systemd-container"),
    ("/usr/bin/qemu-aarch64-static", "qemu-user-static"),
    ("/usr/aarch64-linux-gnu/lib/libc.so.6", "libc6-arm64-cross"),
];
const WINE: [Need; 2] = [
    ("/usr/lib/wine/wine64", "wine64"),
    ("/usr/bin/chromium", "chromium"),
];

/// What was built before is shown; `cargo xtask package` builds it.
pub(super) fn show_linux(tree: &Tree) -> Result<()> {
    windows::install(tree, &CLEAN_SYSTEMS)?;
    let shop = Shop::new(tree)?;
    for architecture in [Architecture::Amd64, Architecture::Arm64] {
        let binary = made(shop.unpacked(architecture))?;
        let (major, minor) = package::glibc(&binary)?;
        let (wanted, at_most) = package::GLIBC_MAX;
        println!(
            "{}: highest symbol GLIBC_{major}.{minor} (wanted: at most {wanted}.{at_most})",
            architecture.name()
        );
        ensure!(
            (major, minor) <= package::GLIBC_MAX,
            "it needs a newer glibc"
        );
    }
    emulated(&shop)?;
    let deb = made(shop.deb(Architecture::Amd64))?;
    let deb = deb.to_string_lossy();
    tree.run("python3", &["tests/packages/roots.py", "--deb", &*deb])
}

pub(super) fn show_windows(tree: &Tree) -> Result<()> {
    windows::install(tree, &WINE)?;
    windows::install(tree, &windows::LINKER)?;
    let zip = made(Shop::new(tree)?.zip())?;
    let zip = zip.to_string_lossy();
    tree.run("python3", &["tests/packages/wine.py", "--zip", &*zip])
}

/// What `cargo xtask package` leaves behind.
fn made(path: PathBuf) -> Result<PathBuf> {
    ensure!(
        path.exists(),
        "{} is not there; `cargo xtask package` makes it",
        path.display()
    );
    Ok(path)
}

/// The broker for arm64, started on this processor: what it retained comes back after a restart.
fn emulated(shop: &Shop<'_>) -> Result<()> {
    let arm64 = emulator(&shop.unpacked(Architecture::Arm64))?;
    let amd64 = shop.unpacked(Architecture::Amd64);
    println!("arm64 under qemu: {}", said(&arm64, &["--version"])?);
    let mut broker = Broker::ternmq(&arm64, &[])?;
    let port = |broker: &Broker| broker.address.port().to_string();
    let text = "kept by arm64";
    let to = port(&broker);
    let publish = [
        "pub",
        "-h",
        "127.0.0.1",
        "-p",
        &to,
        "-t",
        "kept",
        "-r",
        "-q",
        "1",
        "-m",
        text,
    ];
    said(&amd64, &publish)?;
    let (ended, started) = broker.restart()?;
    let from = port(&broker);
    let subscribe = [
        "sub",
        "-h",
        "127.0.0.1",
        "-p",
        &from,
        "-t",
        "kept",
        "-C",
        "1",
        "-W",
        "30",
    ];
    for program in [&amd64, &arm64] {
        let got = said(program, &subscribe)?;
        ensure!(got == text, "it retained {got:?}");
    }
    println!(
        "arm64 under qemu: a retained message survives a restart ({:.1} s to end, {:.1} s to start)",
        ended.as_secs_f64(),
        started.as_secs_f64()
    );
    fs::remove_file(arm64)?;
    Ok(())
}

/// A program that runs the binary of the other processor.
fn emulator(binary: &Path) -> Result<PathBuf> {
    let file = std::env::temp_dir().join(format!("ternmq-arm64-{}", std::process::id()));
    let script = format!(
        "#!/bin/sh\nexec qemu-aarch64-static -L {ARM64_LIBRARY} '{}' \"$@\"\n",
        binary.display()
    );
    fs::write(&file, script)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    Ok(file)
}

/// What a program that succeeds prints.
fn said(program: &Path, args: &[&str]) -> Result<String> {
    let out = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let [stdout, stderr] =
        [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    ensure!(
        out.status.success(),
        "{args:?}: {}; are qemu-user-static and libc6-arm64-cross installed? {stderr}",
        out.status
    );
    Ok(stdout.trim().to_owned())
}
