//! What the disk can do, measured by ourselves beside the broker, and what a process left on it.

use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// The raw limit: one write and one fdatasync of a batch, again and again.
pub(super) struct Raw {
    /// Half of the syncs took no longer, the write before them included.
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) per_second: f64,
}

/// Appends `bytes` and syncs, for so long, to a new file in this directory.
pub(super) fn raw(dir: &Path, bytes: usize, time: Duration) -> Result<Raw> {
    let path = dir.join("raw");
    let mut file = File::create(&path)?;
    let bytes = vec![b'x'; bytes];
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let begun = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    let per_second = times.len() as f64 / begun.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    let (p50, p99) = percentiles(times);
    Ok(Raw {
        p50,
        p99,
        per_second,
    })
}

pub(super) fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied();
    (at(50).unwrap_or_default(), at(99).unwrap_or_default())
}

/// Bytes that a process has handed to the disk since its start.
pub(super) fn written(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/io");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let bytes = text
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(bytes.context("no write_bytes in it")?.parse()?)
}

/// Bytes on the disk below a directory.
pub(super) fn used(dir: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() {
            used(&entry.path())?
        } else {
            about.blocks() * 512
        };
    }
    Ok(bytes)
}

/// How busy the machine is: figures that were taken under load are worth less.
pub(super) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let one = text.split(' ').next().unwrap_or("?").to_owned();
    format!("load {one}")
}
