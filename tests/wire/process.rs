//! What the system tells about the broker's process: memory, files, processor time; and the
//! figures that it publishes about itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use super::{BOTH, Broker, Connect, Publish, V5};

/// How long the broker may take to publish its figures anew, and to give memory back.
const PATIENCE: Duration = Duration::from_secs(60);

/// Memory stands still when it has changed by no more than this for so many looks: longer than two of
/// the ticks in which the broker looks at itself.
const STIR: u64 = 64 << 10;
const STILL_LOOKS: u32 = 25;

/// Clients that come and go before memory is looked at: enough that each shard has one.
const WARMERS: usize = 32;

impl Broker {
    /// Memory of its own in bytes: what it has written to. Pages of the program's file do not count: it
    /// shares them with the brokers of other tests, and its share grows whenever one of those ends.
    #[track_caller]
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.pid());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|l| l.starts_with("Pss_Anon:")).unwrap();
        let kilobytes = line.split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    /// The most that it had resident while something was done, beyond what it had before.
    #[track_caller]
    pub(crate) fn peak_over<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        let proc = format!("/proc/{}", self.pid());
        let peak = || {
            let text = std::fs::read_to_string(format!("{proc}/status")).unwrap();
            let line = text.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
            let kilobytes = line.split_whitespace().nth(1).unwrap();
            kilobytes.parse::<u64>().unwrap() * 1024
        };
        // From proc(5): the peak becomes what is resident now.
        std::fs::write(format!("{proc}/clear_refs"), "5").unwrap();
        let before = peak();
        let done = work();
        (done, peak().saturating_sub(before))
    }

    /// [`Self::memory`] once it stands still, after somebody was served on every shard: what starting took is
    /// given back and what serving takes is there, so that growth from here on is the test's.
    #[track_caller]
    pub(crate) fn settled_memory(&self) -> u64 {
        for n in 0..WARMERS {
            let mut conn = self.client(BOTH[n % 2], &format!("warmer-{n}"));
            let topic = format!("warm/{n}");
            conn.subscribe(&topic, 2);
            for qos in 0..3 {
                conn.publish(&Publish::new(&topic, "x").qos(qos, 1));
                conn.receive_this(&topic, "x");
            }
            conn.bye();
        }
        let deadline = Instant::now() + PATIENCE;
        let (mut level, mut looks) = (self.memory(), 0);
        while looks < STILL_LOOKS {
            assert!(Instant::now() < deadline, "{level} bytes, and it moves");
            // Nobody tells when memory was given back.
            std::thread::sleep(Duration::from_millis(100));
            let now = self.memory();
            looks += 1;
            if now.abs_diff(level) > STIR {
                (level, looks) = (now, 0);
            }
        }
        level
    }

    /// Waits until the process occupies at most this much.
    #[track_caller]
    pub(crate) fn settles_at(&self, bytes: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.memory();
            if now <= bytes {
                return;
            }
            assert!(Instant::now() < deadline, "{now} bytes, wanted {bytes}");
            // Nobody tells when memory was given back.
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Processor time used so far.
    #[track_caller]
    pub(crate) fn cpu(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, rest) = text.rsplit_once(") ").unwrap();
        let ticks: u64 = rest
            .split(' ')
            .skip(11)
            .take(2)
            .map(|t| t.parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// Files, sockets and the like that it has open.
    #[track_caller]
    pub(crate) fn open_files(&self) -> u64 {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid()));
        open.unwrap().count() as u64
    }

    /// Lowers the number of files the running broker may open.
    #[track_caller]
    pub(crate) fn limit_files(&self, files: u64) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        let limit = Rlimit {
            current: Some(files),
            maximum: Some(files),
        };
        prlimit(pid, Resource::Nofile, limit).unwrap();
    }

    /// Lets the running broker open nothing more: what it may have ends below the first number that is free.
    /// Gives what it could have, for [`Self::let_open`].
    #[track_caller]
    pub(crate) fn let_open_nothing(&self) -> u64 {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let taken: BTreeSet<u64> = open
            .map(|entry| {
                entry
                    .unwrap()
                    .file_name()
                    .to_str()
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        let free = (0..).find(|n| !taken.contains(n));
        self.let_open(free.unwrap())
    }

    /// Sets the number of files the running broker may open, and gives what it was. Nothing is for ever.
    #[track_caller]
    pub(crate) fn let_open(&self, files: u64) -> u64 {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.pid())).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let mut figures = line.unwrap().split_whitespace().skip(3);
        let mut figure = || figures.next().unwrap().parse().ok();
        let (current, maximum) = (figure(), figure());
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        let limit = Rlimit {
            current: Some(files),
            maximum,
        };
        prlimit(pid, Resource::Nofile, limit).unwrap();
        current.expect("a number of files")
    }

    /// Waits until these figures below `$SYS/brokers/<node>/` add up to `sum`. The broker was
    /// started with `mqtt.sys_interval=1s`.
    #[track_caller]
    pub(crate) fn figures_add_up(&self, names: &[&str], sum: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut conn = self.connect(&Connect::new(V5, "figures").keep_alive(0));
        let mut figures = vec![None; names.len()];
        conn.subscribe("$SYS/brokers/+/#", 0);
        loop {
            let got = conn.receive();
            let at = names.iter().position(|n| got.topic.ends_with(n));
            if let Some(at) = at {
                figures[at] = Some(got.text().parse::<u64>().unwrap());
            }
            if figures.iter().all(Option::is_some) && figures.iter().flatten().sum::<u64>() == sum {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{names:?} are {figures:?}, wanted {sum} together"
            );
        }
    }
}

/// Whether the tests that have a long form run in it, as those do that `cargo xtask show` names: beside a
/// released broker, `TERNMQ_FULL` set.
pub(crate) fn in_full() -> bool {
    std::env::var_os("TERNMQ_FULL").is_some()
}

/// Lets this process open as many files as the system allows.
pub(crate) fn raise_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    // What matters shows when a connection fails.
    let _ = setrlimit(Resource::Nofile, limit);
}
