//! What the machine, or the container, says of itself: load, processors, memory, descriptors, disk.
//! Linux tells all of it; elsewhere what std cannot tell is `None`, never a guess. Looking reads a few
//! small files of the system: for the control plane, not for a shard.

use std::path::Path;

/// How the machine is at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// Processes that want to run, mean of the last 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// What the processors did since the machine started.
    pub work: Option<Work>,
    /// The machine's memory, or the container's where that is less.
    pub memory: Option<Memory>,
    /// Bytes of this process that are in memory.
    pub resident_bytes: Option<u64>,
    /// Descriptors that this process has open.
    pub files: Option<u64>,
    /// How many it may have open.
    pub files_max: Option<u64>,
}

/// What this machine calls itself; empty if it does not.
#[cfg(unix)]
#[must_use]
pub fn name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
#[must_use]
pub fn name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    /// What cannot be had back: files that are only cached do not count.
    pub used: u64,
}

/// Time of processors in hundredths of a second, all of them together. Only differences between two
/// looks mean something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Idle or not.
    pub passed: u64,
    /// Spent on anything.
    pub busy: u64,
    /// Spent on this process.
    pub own: u64,
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What is used, and what is free.
    pub total: u64,
    /// What a process without privileges may still write.
    pub free: u64,
}

impl Memory {
    /// 0 to 1.
    #[must_use]
    pub fn used_share(self) -> f64 {
        share(self.used, self.total)
    }
}

impl Disk {
    /// 0 to 1.
    #[must_use]
    pub fn used_share(self) -> f64 {
        share(self.total.saturating_sub(self.free), self.total)
    }
}

impl Work {
    /// Which share of all processors was busy since an earlier look: 0 to 1.
    #[must_use]
    pub fn busy_since(self, before: Self) -> f64 {
        let passed = self.passed.saturating_sub(before.passed);
        share(self.busy.saturating_sub(before.busy), passed)
    }

    /// The same, of this process alone.
    #[must_use]
    pub fn own_since(self, before: Self) -> f64 {
        let passed = self.passed.saturating_sub(before.passed);
        share(self.own.saturating_sub(before.own), passed)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64).min(1.0)
}

impl Machine {
    /// Looks now.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn look() -> Self {
        linux::look()
    }

    /// Looks now. Std can tell nothing of this outside Linux.
    #[cfg(not(target_os = "linux"))]
    #[must_use]
    pub fn look() -> Self {
        Self::default()
    }
}

/// Which share of the memory that it may have this process has: of `max`, or else of the container's, or the
/// machine's. `None` where the system does not tell.
#[must_use]
pub(crate) fn own_share(max: Option<u64>) -> Option<f64> {
    #[cfg(target_os = "linux")]
    let told = linux::own_share(max);
    #[cfg(not(target_os = "linux"))]
    let told = max.and(None);
    told
}

/// The file system that a path is on, if the system tells.
#[cfg(unix)]
#[must_use]
pub fn disk(path: &Path) -> Option<Disk> {
    let told = rustix::fs::statvfs(path).ok()?;
    // What the system keeps back for itself is neither used nor to be had.
    let used = told.f_blocks.saturating_sub(told.f_bfree);
    Some(Disk {
        total: used
            .saturating_add(told.f_bavail)
            .saturating_mul(told.f_frsize),
        free: told.f_bavail.saturating_mul(told.f_frsize),
    })
}

/// The file system that a path is on: std cannot tell.
#[cfg(not(unix))]
#[must_use]
pub fn disk(_: &Path) -> Option<Disk> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use super::{Machine, Memory, Work, share};

    /// Where control groups are, of the second kind and of the first.
    const GROUPS: &str = "/sys/fs/cgroup";
    const OLD_GROUPS: &str = "/sys/fs/cgroup/memory";

    pub(super) fn look() -> Machine {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let own = text("/proc/self/stat");
        let whole = memory(&text("/proc/meminfo"));
        let container = container(&text("/proc/self/cgroup"), &|path| {
            fs::read_to_string(path).ok()
        });
        let least = |w: Memory| container.filter(|c| c.total < w.total).unwrap_or(w);
        Machine {
            load: load(&text("/proc/loadavg")),
            work: work(&text("/proc/stat"), &own),
            memory: whole.map(least).or(container),
            resident_bytes: of_line(&text("/proc/self/status"), "VmRSS:").map(|kb| kb << 10),
            files: files(),
            files_max: files_max(&text("/proc/self/limits")),
        }
    }

    pub(super) fn own_share(max: Option<u64>) -> Option<f64> {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let resident = of_line(&text("/proc/self/status"), "VmRSS:")? << 10;
        if let Some(max) = max {
            return Some(share(resident, max));
        }
        let whole = memory(&text("/proc/meminfo"))?.total;
        let container = container(&text("/proc/self/cgroup"), &|path| {
            fs::read_to_string(path).ok()
        });
        // What else the machine does is no reason to turn clients away.
        let own = Some(share(resident, whole));
        container
            .filter(|c| c.total < whole)
            .map_or(own, |c| Some(c.used_share()))
    }

    pub(super) fn load(text: &str) -> Option<[f64; 3]> {
        let mut words = text
            .split_ascii_whitespace()
            .map_while(|w| w.parse::<f64>().ok());
        Some([words.next()?, words.next()?, words.next()?])
    }

    /// `/proc/stat` and `/proc/self/stat`. Waiting for a disk is idleness.
    pub(super) fn work(all: &str, own: &str) -> Option<Work> {
        let line = all.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // Guests are counted among user and nice already: the first eight are everything.
        let spent: Vec<u64> = line
            .split_ascii_whitespace()
            .take(8)
            .map_while(|word| word.parse().ok())
            .collect();
        let idle = spent.get(3)? + spent.get(4).copied().unwrap_or(0);
        let passed: u64 = spent.iter().sum();
        // A program's name may have anything in it, but for what follows its last bracket.
        let mut own = own.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
        let mut next = || own.next()?.parse::<u64>().ok();
        Some(Work {
            passed,
            busy: passed.saturating_sub(idle),
            own: next()? + next()?,
        })
    }

    /// `/proc/meminfo`.
    pub(super) fn memory(text: &str) -> Option<Memory> {
        let total = of_line(text, "MemTotal:")? << 10;
        let available = of_line(text, "MemAvailable:")? << 10;
        Some(Memory {
            total,
            used: total.saturating_sub(available),
        })
    }

    /// The tightest limit of the control groups that this process is in. `groups` is
    /// `/proc/self/cgroup`; `read` gives a file.
    pub(super) fn container(groups: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<Memory> {
        let number = |path: String| read(&path)?.trim().parse::<u64>().ok();
        let mut least: Option<Memory> = None;
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (base, max, now, cached) = match parts.next() {
                Some("") => (GROUPS, "memory.max", "memory.current", "inactive_file "),
                Some(kinds) if kinds.split(',').any(|kind| kind == "memory") => (
                    OLD_GROUPS,
                    "memory.limit_in_bytes",
                    "memory.usage_in_bytes",
                    "total_inactive_file ",
                ),
                _ => continue,
            };
            // A limit of a group holds for all below it; a container may see its own group as the top.
            let mut path = parts.next().unwrap_or("/").trim_end_matches('/');
            loop {
                let dir = format!("{base}{path}");
                let limit = number(format!("{dir}/{max}"));
                if let Some(total) = limit.filter(|t| least.is_none_or(|l| *t < l.total)) {
                    let stat = read(&format!("{dir}/memory.stat")).unwrap_or_default();
                    let cached = of_line(&stat, cached).unwrap_or(0);
                    let used = number(format!("{dir}/{now}")).unwrap_or(0);
                    let used = used.saturating_sub(cached);
                    least = Some(Memory { total, used });
                }
                let Some(parent) = path.rfind('/') else { break };
                path = &path[..parent];
            }
        }
        least
    }

    /// The number behind a name at the start of a line.
    fn of_line(text: &str, name: &str) -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    }

    /// Newer kernels (6.2) tell the number as the folder's size; older ones make us count.
    fn files() -> Option<u64> {
        const OPEN: &str = "/proc/self/fd";
        match fs::metadata(OPEN).ok()?.len() {
            0 => u64::try_from(fs::read_dir(OPEN).ok()?.count()).ok(),
            open => Some(open),
        }
    }

    pub(super) fn files_max(limits: &str) -> Option<u64> {
        of_line(limits, "Max open files")
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_linux_writes() {
        assert_eq!(
            linux::load("0.42 1.30 2.20 2/345 6789\n"),
            Some([0.42, 1.3, 2.2])
        );
        assert_eq!(linux::load("garbage"), None);
        let all = "cpu  100 20 30 800 50 0 10 0 7 0\ncpu0 1 2 3 4\n";
        let own = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0 5\n";
        let work = linux::work(all, own).unwrap();
        let due = Work {
            passed: 1010,
            busy: 160,
            own: 42,
        };
        assert_eq!(work, due);
        let memory = linux::memory("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 400 kB\n");
        let due = Memory {
            total: 1000 << 10,
            used: 600 << 10,
        };
        assert_eq!(memory, Some(due));
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files    20000   30000  files\n";
        assert_eq!(linux::files_max(limits), Some(20_000));
    }

    #[test]
    fn the_tightest_group_counts() {
        let files = [
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/memory.max", "1000\n"),
            ("/sys/fs/cgroup/a/memory.current", "700\n"),
            (
                "/sys/fs/cgroup/a/memory.stat",
                "anon 1\ninactive_file 200\n",
            ),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "10\n"),
        ];
        let read = |path: &str| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        let found = |groups| linux::container(groups, &read).map(|m| (m.total, m.used));
        assert_eq!(found("0::/a/b\n"), Some((1000, 500)));
        assert_eq!(found("0::/\n"), None);
        assert_eq!(found("4:cpu,memory:/hidden\n"), Some((5000, 10)));
        assert_eq!(found("4:cpu,memory:/hidden\n0::/a\n"), Some((1000, 500)));
        assert_eq!(found(""), None);
    }

    #[test]
    fn this_machine() {
        let before = Machine::look();
        let memory = before.memory.unwrap();
        assert!(memory.used > 0 && memory.used <= memory.total, "{memory:?}");
        assert!(before.resident_bytes.unwrap() > 100 << 10);
        assert!(before.files.unwrap() >= 3 && before.files_max.unwrap() >= 3);
        assert!(before.load.is_some());
        let work = before.work.unwrap();
        let shares = [work.busy_since(Work::default()), work.own_since(work)];
        assert!(shares.iter().all(|s| (0.0..=1.0).contains(s)), "{shares:?}");
        let disk = disk(Path::new(".")).unwrap();
        assert!(disk.free <= disk.total && disk.total > 0, "{disk:?}");
    }
}
