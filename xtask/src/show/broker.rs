//! A broker under measurement: the released binary on ports of the system's choice, or mosquitto
//! beside it, and what the system says about its process.

use anyhow::{Context as _, Result, bail, ensure};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(20);
/// Where it listens: the setting, what is set, and the name in what it says. All of 127.0.0.0/8 leads to the
/// first.
const PORTS: [(&str, &str); 5] = [
    ("listeners.tcp.default.bind=0.0.0.0:0", "tcp:default"),
    ("listeners.ws.default.bind=127.0.0.1:0", "ws:default"),
    ("dashboard.bind=127.0.0.1:0", "http:dashboard"),
    ("listeners.ssl.default.bind=127.0.0.1:0", "ssl:default"),
    ("listeners.wss.default.bind=127.0.0.1:0", "wss:default"),
];
/// How many of these a broker had at first, and with a dashboard.
const FIRST_PORTS: [usize; 2] = [2, 3];

pub(super) struct Broker {
    child: Child,
    dir: PathBuf,
    pub(super) address: SocketAddr,
    /// Where its API is, if it is one of ours.
    pub(super) http: Option<SocketAddr>,
    /// Where it speaks TLS.
    pub(super) secure: Option<SocketAddr>,
    /// How our own was started.
    command: Option<(PathBuf, Vec<String>)>,
}

impl Broker {
    /// Our own, with these settings.
    pub(super) fn ternmq(binary: &Path, settings: &[&str]) -> Result<Self> {
        let dir = fresh_dir()?;
        let settings: Vec<String> = settings.iter().map(|&setting| setting.into()).collect();
        let (child, ports) = start(binary, &dir, &PORTS, &settings)?;
        Ok(Self {
            child,
            dir,
            address: ports[0],
            http: Some(ports[2]),
            secure: Some(ports[3]),
            command: Some((binary.to_owned(), settings)),
        })
    }

    /// Our own of another day, which may know fewer listeners.
    pub(super) fn earlier(binary: &Path) -> Result<Self> {
        for count in FIRST_PORTS {
            let dir = fresh_dir()?;
            let Ok((child, ports)) = start(binary, &dir, &PORTS[..count], &[]) else {
                fs::remove_dir_all(&dir)?;
                continue;
            };
            return Ok(Self {
                child,
                dir,
                address: ports[0],
                http: None,
                secure: None,
                command: None,
            });
        }
        Self::ternmq(binary, &[])
    }

    /// Ends it by the book and starts it again on what it kept; gives how long each took.
    pub(super) fn restart(&mut self) -> Result<(Duration, Duration)> {
        let (binary, settings) = self.command.clone().context("one of ours")?;
        let begun = Instant::now();
        let pid = self.pid().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status()?;
        ensure!(told.success(), "cannot tell it to end");
        let status = self.child.wait()?;
        ensure!(status.success(), "it ended with {status}");
        let ended = begun.elapsed();
        let begun = Instant::now();
        let (child, ports) = start(&binary, &self.dir, &PORTS, &settings)?;
        (self.child, self.address) = (child, ports[0]);
        (self.http, self.secure) = (Some(ports[2]), Some(ports[3]));
        Ok((ended, begun.elapsed()))
    }

    /// Where it keeps what it keeps.
    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// mosquitto, without limits of its own in the way of the measurement.
    pub(super) fn mosquitto() -> Result<Self> {
        Self::mosquitto_with("")
    }

    /// The same with `persistence true`, which saves now and then and never syncs.
    pub(super) fn mosquitto_persistent() -> Result<Self> {
        Self::mosquitto_with("persistence true\npersistence_location DIR/data/\n")
    }

    /// With further lines in its configuration; `DIR` stands for its directory.
    fn mosquitto_with(lines: &str) -> Result<Self> {
        let dir = fresh_dir()?;
        fs::create_dir(dir.join("data"))?;
        let lines = lines.replace("DIR", &dir.display().to_string());
        // The port is free now; who takes it meanwhile makes the start fail, not the figures.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = dir.join("mosquitto.conf");
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n\
             max_inflight_messages 0\nset_tcp_nodelay true\nlog_type none\n{lines}"
        );
        fs::write(&config, text)?;
        let mut child = Command::new("mosquitto")
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start mosquitto; is it installed?")?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline || child.try_wait()?.is_some() {
                let _ = child.kill();
                let _ = child.wait();
                bail!("mosquitto did not start");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self {
            child,
            dir,
            address,
            http: None,
            secure: None,
            command: None,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that it has used, in seconds.
    pub(super) fn processor_secs(&self) -> Result<f64> {
        processor_secs(&format!("/proc/{}/stat", self.pid()))
    }

    /// The same of its threads of this name.
    pub(super) fn thread_secs(&self, name: &str) -> Result<f64> {
        let mut secs = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let task = task?.path();
            if fs::read_to_string(task.join("comm"))?.trim() == name {
                secs += processor_secs(&task.join("stat").to_string_lossy())?;
            }
        }
        Ok(secs)
    }

    /// The least memory that it had in a time: nobody tells when the allocator gives back what a burst
    /// took, and a sample may meet the work of a second.
    pub(super) fn least(&self, time: Duration) -> Result<Memory> {
        let end = Instant::now() + time;
        let mut least = self.memory()?;
        while Instant::now() < end {
            thread::sleep(Duration::from_millis(250));
            least = least.min(self.memory()?);
        }
        Ok(least)
    }

    pub(super) fn memory(&self) -> Result<Memory> {
        let path = format!("/proc/{}/smaps_rollup", self.pid());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let bytes = |name| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kb = line.and_then(|rest| rest.split_whitespace().next());
            Ok(kb
                .with_context(|| format!("no {name} in it"))?
                .parse::<u64>()?
                * 1024)
        };
        Ok(Memory {
            pss: bytes("Pss:")?,
            anonymous: bytes("Anonymous:")?,
        })
    }
}

fn processor_secs(path: &str) -> Result<f64> {
    let stat = fs::read_to_string(path)?;
    let (_, rest) = stat.rsplit_once(") ").context("a name in brackets")?;
    // utime and stime, the 14th and 15th of all, in hundredths of a second.
    let ticks = rest.split(' ').skip(11).take(2);
    let ticks: Result<Vec<f64>, _> = ticks.map(str::parse).collect();
    Ok(ticks?.iter().sum::<f64>() / 100.0)
}

/// What a process has in memory, in bytes; less or more by what no file is behind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Memory {
    /// Pages that no file is behind: all but code and constants, and so what clients take.
    pub(super) anonymous: u64,
    /// Proportional set size: these, and the code; of pages that several processes have, a part. It jumps
    /// by megabytes when another process of the same binary starts.
    pss: u64,
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (pss, anonymous) = (self.pss / 1024, self.anonymous / 1024);
        write!(f, "{pss} KB ({anonymous} KB of them anonymous)")
    }
}

/// Starts our own on a directory and waits until it listens; gives where, in the order of the ports.
fn start(
    binary: &Path,
    dir: &Path,
    ports: &[(&str, &str)],
    settings: &[String],
) -> Result<(Child, Vec<SocketAddr>)> {
    let mut command = Command::new(binary);
    command.arg("start").arg("--data-dir").arg(dir.join("data"));
    let settings = settings.iter().map(String::as_str);
    for setting in ports.iter().map(|(setting, _)| *setting).chain(settings) {
        command.arg("--set").arg(setting);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let said = child
        .stdout
        .take()
        .context("its standard output is a pipe")?;
    let mut lines = BufReader::new(said).lines();
    let mut found = vec![None; ports.len()];
    while found.contains(&None) {
        let Some(Ok(line)) = lines.next() else {
            break;
        };
        let Some((name, address)) = line
            .strip_prefix("listening ")
            .and_then(|said| said.split_once(' '))
        else {
            continue;
        };
        if let Some(at) = ports.iter().position(|(_, known)| *known == name) {
            let port = address.trim().parse::<SocketAddr>()?.port();
            found[at] = Some(SocketAddr::from(([127, 0, 0, 1], port)));
        }
    }
    // Read on, or a full pipe would stall the broker.
    thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    let Some(found) = found.into_iter().collect() else {
        let _ = child.kill();
        let _ = child.wait();
        bail!("the broker did not say where it listens");
    };
    Ok((child, found))
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn fresh_dir() -> Result<PathBuf> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("ternmq-show-{}-{n}", std::process::id()));
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// The released binary: that of `TERNMQ_BIN`, as in the tests, or else our own, built now if it is not up to
/// date.
pub(crate) fn released(tree: &crate::tree::Tree) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("TERNMQ_BIN") {
        let path = PathBuf::from(path);
        ensure!(path.exists(), "{} does not exist", path.display());
        return Ok(std::path::absolute(path)?);
    }
    tree.run(
        "cargo",
        &[
            "build",
            "--release",
            "--package",
            "app",
            "--locked",
            "--quiet",
        ],
    )?;
    let binary = tree.target().join("release").join("ternmq");
    ensure!(binary.exists(), "{} is missing", binary.display());
    Ok(binary)
}
