//! What the system tells about the broker's process: memory, files, processor time; and the
//! figures that it publishes about itself.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use super::{Broker, Connect, V5};

/// How long the broker may take to publish its figures anew, and to give memory back.
const PATIENCE: Duration = Duration::from_secs(60);

impl Broker {
    /// Proportional set size in bytes: what the process occupies, shared pages by their share.
    #[track_caller]
    pub(crate) fn pss(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.pid());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|l| l.starts_with("Pss:")).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// Waits until the process occupies at most this much.
    #[track_caller]
    pub(crate) fn settles_at(&self, bytes: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.pss();
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
