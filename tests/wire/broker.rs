//! A broker process of a test's own: started on ports the system picks, with a data folder of its
//! own, and gone when the value is.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::bytes::Connect;
use super::conn::Conn;
use super::packet::Packet;
use super::{V5, Version};

const START: Duration = Duration::from_secs(20);

/// Every listener on a port of the system's choice, so that brokers of parallel tests and of the
/// person at this machine never meet. And nobody is closed for being slow to say CONNECT before a
/// test's patience is over: a refusal that does not close must not look as if it did.
const SETTINGS: [&str; 6] = [
    "mqtt.connect_timeout=1m",
    "listeners.tcp.default.bind=127.0.0.1:0",
    "listeners.ssl.default.bind=127.0.0.1:0",
    "listeners.ws.default.bind=127.0.0.1:0",
    "listeners.wss.default.bind=127.0.0.1:0",
    "dashboard.bind=127.0.0.1:0",
];

pub(crate) struct Broker {
    child: Child,
    dir: PathBuf,
    /// The data is somebody else's and outlives this value.
    keeps_data: bool,
    /// Killed by the test, and not started again.
    killed: bool,
    settings: Vec<String>,
    /// What stands before its command when it is started.
    prefix: Vec<String>,
    pub(crate) tcp: SocketAddr,
    pub(crate) ws: SocketAddr,
    /// The dashboard and the REST API.
    pub(crate) http: SocketAddr,
    /// What it printed until it was ready.
    first: Vec<String>,
    lines: Receiver<String>,
}

/// A process that is ready.
struct Started {
    child: Child,
    said: Vec<String>,
    lines: Receiver<String>,
    tcp: SocketAddr,
    ws: SocketAddr,
    http: SocketAddr,
}

impl Broker {
    /// A broker with its defaults.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// A broker with these settings, each as `section.key=value`.
    #[track_caller]
    pub(crate) fn with(settings: &[&str]) -> Self {
        let mut broker = Self::on(&fresh_dir(), settings);
        broker.keeps_data = false;
        broker
    }

    /// A broker on data that is there already, or will stay.
    #[track_caller]
    pub(crate) fn on(dir: &Path, settings: &[&str]) -> Self {
        Self::under(Vec::new(), dir, settings)
    }

    /// The same, started by another program that takes its command; the process is the broker's
    /// all the same.
    #[track_caller]
    pub(crate) fn under(prefix: Vec<String>, dir: &Path, settings: &[&str]) -> Self {
        let dir = dir.to_owned();
        let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
        let started = launch(&prefix, &dir, &settings);
        Self {
            child: started.child,
            dir,
            keeps_data: true,
            killed: false,
            settings,
            prefix,
            tcp: started.tcp,
            ws: started.ws,
            http: started.http,
            first: started.said,
            lines: started.lines,
        }
    }

    /// Nobody needs its data when it is gone.
    pub(crate) fn forget_data(&mut self) {
        self.keeps_data = false;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// SIGKILL, then a new process on the same data; the ports change.
    #[track_caller]
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// SIGKILL.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.killed = true;
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.check_calm();
    }

    /// A new process on the same data, where there is none; the ports change.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        let started = launch(&self.prefix, &self.dir, &self.settings);
        (self.child, self.first, self.lines) = (started.child, started.said, started.lines);
        (self.tcp, self.ws, self.http) = (started.tcp, started.ws, started.http);
        self.killed = false;
    }

    /// From the next start on it is on its own.
    pub(crate) fn set_free(&mut self) {
        self.prefix.clear();
    }

    /// SIGSTOP; over when no thread of it runs any more.
    #[track_caller]
    pub(crate) fn stop(&self) {
        freeze(self.pid());
    }

    /// Where a listener listens, by its id.
    #[track_caller]
    pub(crate) fn listens(&self, id: &str) -> SocketAddr {
        let prefix = format!("listening {id} ");
        let mut said = self.first.iter();
        said.find_map(|line| address(line, &prefix))
            .unwrap_or_else(|| panic!("{id} does not listen"))
    }

    /// What it printed since its last start, as far as nobody read it yet.
    pub(crate) fn said(&self) -> impl Iterator<Item = String> {
        self.first.iter().cloned().chain(self.lines.try_iter())
    }

    /// A line like that among what it printed since its last start, or prints before the patience ends.
    pub(crate) fn finds(&self, is: impl Fn(&str) -> bool, patience: Duration) -> Option<String> {
        let first = self.first.iter().find(|line| is(line));
        first.cloned().or_else(|| self.awaits(is, patience))
    }

    /// Waits for a line with this word in it.
    #[track_caller]
    pub(crate) fn hears(&self, word: &str, patience: Duration) -> String {
        self.awaits(|line| line.contains(word), patience)
            .unwrap_or_else(|| panic!("the broker did not say {word:?}"))
    }

    /// The next line like that of those that nobody read yet.
    fn awaits(&self, is: impl Fn(&str) -> bool, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).ok()?;
            if is(&line) {
                return Some(line);
            }
        }
    }

    /// A broker that panics ends only the connection it was at, which may be what a test waits for:
    /// so what it printed is looked through once it has ended.
    #[track_caller]
    fn check_calm(&self) {
        let panic = self.lines.iter().find(|line| line.contains("panicked at"));
        assert!(panic.is_none(), "the broker panicked: {panic:?}");
    }

    /// Sends a signal by name (`TERM`, `INT`).
    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the process to end.
    #[track_caller]
    pub(crate) fn wait(&mut self, patience: Duration) -> ExitStatus {
        finish(&mut self.child, patience)
    }

    /// A TCP connection on which nothing was said yet.
    pub(crate) fn open(&self, version: Version) -> Conn {
        Conn::open(self.tcp, version)
    }

    /// A connection after an accepted CONNECT.
    #[track_caller]
    pub(crate) fn connect(&self, connect: &Connect) -> Conn {
        self.connect_told(connect).0
    }

    /// The same, with the CONNACK.
    #[track_caller]
    pub(crate) fn connect_told(&self, connect: &Connect) -> (Conn, Packet) {
        let mut conn = self.open(connect.version);
        let connack = conn.connect(connect);
        (conn, connack)
    }

    /// A clean session under this client id.
    #[track_caller]
    pub(crate) fn client(&self, version: Version, client_id: &str) -> Conn {
        self.connect(&Connect::new(version, client_id))
    }

    /// A clean session of version 5 under this client id.
    #[track_caller]
    pub(crate) fn v5(&self, client_id: &str) -> Conn {
        self.client(V5, client_id)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let died = self.child.try_wait().ok().flatten();
        let died = died.filter(|_| !self.killed);
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.keeps_data {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
        // A panic that ended one connection only is a fault all the same.
        if died.is_none() && !thread::panicking() {
            let panics: Vec<String> = self
                .lines
                .try_iter()
                .filter(|line| line.contains("panicked at"))
                .collect();
            assert!(panics.is_empty(), "the broker survived panics: {panics:?}");
        }
        // A broker that ended by a panic explains a failing test better than its own message.
        if let Some(status) = died.filter(|s| !s.success()) {
            let said: Vec<String> = self.lines.try_iter().collect();
            if thread::panicking() {
                let last = said.len().saturating_sub(20);
                let text = said[last..].join("\n");
                let _ = std::io::Write::write_all(
                    &mut std::io::stderr(),
                    format!("the broker had ended with {status}:\n{text}\n").as_bytes(),
                );
            } else {
                panic!("the broker had ended with {status}: {said:?}");
            }
        } else if !thread::panicking() {
            self.check_calm();
        }
    }
}

#[track_caller]
fn signal(pid: u32, name: &str) {
    let pid = pid.to_string();
    let done = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(done.unwrap().success());
}

/// SIGSTOP; over when no thread of the process runs any more.
#[track_caller]
pub(crate) fn freeze(pid: u32) {
    signal(pid, "STOP");
    let tasks = format!("/proc/{pid}/task");
    let runs = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
        // A thread that is gone does not run either.
        stat.is_ok_and(|s| {
            s.rsplit_once(") ")
                .is_some_and(|(_, s)| !s.starts_with('T'))
        })
    };
    // A write to a disk ends first; nobody tells.
    while std::fs::read_dir(&tasks).unwrap().any(runs) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Starts a broker that nobody waits for or listens to. Whoever has it ends it.
#[track_caller]
pub(crate) fn begin(dir: &Path, settings: &[&str]) -> Child {
    let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
    let mut command = command(&[], dir, &settings);
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.spawn().expect("the broker's binary runs")
}

/// Runs the binary once on fresh data with these arguments; gives its exit code and all it said.
/// For starts that must fail; one that does not is stopped, and the test fails.
#[track_caller]
pub(crate) fn run_once(args: &[&str]) -> (i32, String) {
    let dir = fresh_dir();
    let outcome = run_once_on(&dir, args);
    let _ = std::fs::remove_dir_all(&dir);
    outcome
}

/// The same on given data.
#[track_caller]
pub(crate) fn run_once_on(dir: &Path, args: &[&str]) -> (i32, String) {
    let mut child = Command::new(binary())
        .arg("start")
        .arg("--data-dir")
        .arg(dir)
        .env("TERNMQ__DASHBOARD__BIND", "127.0.0.1:0")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = finish(&mut child, Duration::from_secs(10));
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (status.code().unwrap_or(-1), said)
}

/// Runs the binary with these arguments and environment to its end; gives its exit code and what
/// it said on standard output and standard error.
#[track_caller]
pub(crate) fn run_tool(
    args: &[&OsStr],
    env: &[(&str, &str)],
    input: &[u8],
) -> (i32, Vec<u8>, String) {
    let mut child = Command::new(binary())
        .args(args)
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || {
        // Who refuses it at its start does not read on.
        let _ = std::io::Write::write_all(&mut stdin, &input);
    });
    let mut stderr = child.stderr.take().unwrap();
    let said = thread::spawn(move || {
        let mut said = String::new();
        stderr.read_to_string(&mut said).map(|_| said)
    });
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    let status = finish(&mut child, Duration::from_secs(10));
    writer.join().unwrap();
    (
        status.code().unwrap_or(-1),
        out,
        said.join().unwrap().unwrap(),
    )
}

/// Waits for a process; one that does not end in time is killed, and the test fails.
#[track_caller]
fn finish(child: &mut Child, patience: Duration) -> ExitStatus {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("still running after {patience:?}");
        }
        // A child's end cannot be waited for with a deadline in std; 5 ms is the grain.
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn binary() -> PathBuf {
    std::env::var_os("TERNMQ_BIN")
        .map(PathBuf::from)
        .or_else(|| option_env!("CARGO_BIN_EXE_ternmq").map(PathBuf::from))
        .expect("TERNMQ_BIN names the broker")
}

pub(crate) fn fresh_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("blackbox-{}-{n}", std::process::id());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// How a broker is started.
fn command(prefix: &[String], dir: &Path, settings: &[String]) -> Command {
    let mut command = match prefix {
        [] => Command::new(binary()),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(binary());
            command
        }
    };
    command.arg("start").arg("--data-dir").arg(dir);
    for setting in SETTINGS
        .iter()
        .copied()
        .chain(settings.iter().map(String::as_str))
    {
        if let Some(fault) = setting.strip_prefix("--plant=") {
            command.arg("--plant").arg(fault);
        } else if setting.starts_with("--") {
            command.arg(setting);
        } else {
            command.arg("--set").arg(setting);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Starts a process and waits until its listeners told their address.
#[track_caller]
fn launch(prefix: &[String], dir: &Path, settings: &[String]) -> Started {
    let mut child = command(prefix, dir, settings)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the broker's binary runs");
    let (to, lines) = channel();
    let pipes: [Box<dyn Read + Send>; 2] = [
        Box::new(child.stdout.take().unwrap()),
        Box::new(child.stderr.take().unwrap()),
    ];
    for pipe in pipes {
        let to = to.clone();
        thread::spawn(move || {
            // Read to the end even if nobody listens: a full pipe would stall the broker.
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let _ = to.send(line);
            }
        });
    }
    let deadline = Instant::now() + START;
    let (mut tcp, mut ws, mut http) = (None, None, None);
    let mut said = Vec::new();
    while tcp.is_none() || ws.is_none() || http.is_none() {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                tcp = tcp.or_else(|| address(&line, "listening tcp:default "));
                ws = ws.or_else(|| address(&line, "listening ws:default "));
                http = http.or_else(|| address(&line, "listening http:dashboard "));
                said.push(line);
            }
            Err(why) => {
                let _ = child.kill();
                let _ = child.wait();
                let what = match why {
                    RecvTimeoutError::Timeout => "did not get ready",
                    RecvTimeoutError::Disconnected => "ended at its start",
                };
                panic!("the broker {what}:\n{}", said.join("\n"));
            }
        }
    }
    Started {
        child,
        said,
        lines,
        tcp: tcp.unwrap(),
        ws: ws.unwrap(),
        http: http.unwrap(),
    }
}

fn address(line: &str, prefix: &str) -> Option<SocketAddr> {
    line.strip_prefix(prefix)?.trim().parse().ok()
}
