//! A file system in a file, mounted through a loop device. The file holds what was synced, and what
//! the system wrote on its own account; what only its cache holds is not there. A copy of the file
//! is the disk after a power cut. Needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Enough for a journal and for what a run writes.
const BYTES: u64 = 64 << 20;

const NAME: &str = "ternmq-torture-";

pub(crate) struct Image {
    file: PathBuf,
    dir: PathBuf,
}

/// Whether this process may mount at all.
pub(crate) fn allowed() -> bool {
    sweep();
    let outcome = std::panic::catch_unwind(|| drop(Image::new(BYTES)));
    if outcome.is_err() {
        println!(
            "NOT TESTED: no file system can be mounted here; this needs root and loop devices"
        );
    }
    outcome.is_ok()
}

impl Image {
    /// A fresh ext4.
    pub(crate) fn new(bytes: u64) -> Self {
        let image = Self::named();
        fs::File::create(&image.file)
            .unwrap()
            .set_len(bytes)
            .unwrap();
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-m", "0"])
            .arg(&image.file));
        image.mount();
        image
    }

    fn named() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Relaxed);
        let name = format!("{NAME}{}-{n}", std::process::id());
        let dir = home().join(&name);
        fs::create_dir_all(&dir).unwrap();
        Self {
            file: dir.with_extension("img"),
            dir,
        }
    }

    /// The journal is committed when somebody syncs, not every few seconds: a copy takes some
    /// milliseconds, and nothing may be written meanwhile.
    fn mount(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", "loop,commit=300,noatime"]);
        run(mount.arg(&self.file).arg(&self.dir));
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The disk as a power cut would leave it now, mounted. Whoever writes to it stands still.
    pub(crate) fn cut(&self) -> Self {
        let copy = Self::named();
        loop {
            let before = self.writes();
            fs::copy(&self.file, &copy.file).unwrap();
            // The system may write on its own account; then the copy was no instant.
            if self.writes() == before {
                break;
            }
        }
        copy.mount();
        copy
    }

    /// Takes all room but this many bytes away; it is back when the file is gone.
    pub(crate) fn fill(&self, left: u64) -> PathBuf {
        let df = Command::new("df")
            .args(["--output=avail", "-B1"])
            .arg(&self.dir)
            .output();
        let said = String::from_utf8(df.unwrap().stdout).unwrap();
        let free: u64 = said.lines().last().unwrap().trim().parse().unwrap();
        let ballast = self.dir.join("ballast");
        let len = free.saturating_sub(left).to_string();
        run(Command::new("fallocate").args(["-l", &len]).arg(&ballast));
        ballast
    }

    /// What the loop device has written, and has under way.
    fn writes(&self) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let dir = self.dir.to_string_lossy();
        let line = mounts.lines().find(|l| l.split(' ').nth(1) == Some(&*dir));
        let device = line.and_then(|l| l.split(' ').next()?.strip_prefix("/dev/"));
        let stat = format!("/sys/block/{}/stat", device.expect("it is mounted"));
        let stat = fs::read_to_string(stat).unwrap();
        let fields = stat.split_whitespace().map(str::to_owned);
        fields.skip(4).take(5).collect()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        clear(&self.dir, &self.file);
    }
}

fn clear(dir: &Path, file: &Path) {
    let unmounted = Command::new("umount").arg(dir).output();
    if !unmounted.is_ok_and(|done| done.status.success()) {
        // Somebody still has a file open there: gone when they are.
        let _ = Command::new("umount").arg("-l").arg(dir).output();
    }
    let _ = fs::remove_dir(dir);
    let _ = fs::remove_file(file);
}

/// What a run left behind that was killed itself.
fn sweep() {
    for entry in fs::read_dir(home()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(NAME) else {
            continue;
        };
        let pid = rest.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(pid).exists() && entry.path().is_dir() {
            clear(&entry.path(), &entry.path().with_extension("img"));
        }
    }
}

/// In memory where that is possible: a copy is quick there, and no real disk is worn.
fn home() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        return memory.to_owned();
    }
    std::env::temp_dir()
}

fn run(command: &mut Command) {
    let done = command.output().expect("the program is there");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{command:?}: {said}");
}
