//! Chapter 36: the broker as a service: what it tells its supervisor, and its log as a file.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::connection_log::until;
use crate::wire::{Broker, Connect, PASSWORD, V5, fresh_dir, run_once};

const PATIENCE: Duration = Duration::from_secs(20);

/// What systemd would be.
struct Supervisor {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Supervisor {
    fn new() -> Self {
        let path = fresh_dir().with_extension("sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    /// The next thing told that is no mere sign of life.
    #[track_caller]
    fn hears(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let told = self.next();
            if told != "WATCHDOG=1\n" {
                return told;
            }
        }
        panic!("only signs of life");
    }

    #[track_caller]
    fn next(&self) -> String {
        let mut bytes = [0; 4096];
        let len = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn env(vars: &[(&str, &str)]) -> Vec<String> {
    let vars = vars.iter().map(|(name, value)| format!("{name}={value}"));
    ["env".to_owned()].into_iter().chain(vars).collect()
}

/// Its supervisor is told that it is ready, and where; that it lives, as often as it wants to know; that
/// it reloads, also where that is refused; that it ends.
#[test]
fn the_supervisor_is_told() {
    let supervisor = Supervisor::new();
    let socket = supervisor.path.display().to_string();
    let dir = fresh_dir();
    let vars = env(&[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", "200000")]);
    let config = dir.with_extension("toml");
    std::fs::write(&config, "").unwrap();
    let mut broker = Broker::under(vars, &dir, &[&format!("--config={}", config.display())]);
    broker.forget_data();
    let ready = format!(
        "READY=1\nSTATUS=http://{} mqtt://{} mqtts://{} ws://{}/mqtt wss://{}/mqtt\n",
        broker.http,
        broker.tcp,
        broker.listens("ssl:default"),
        broker.ws,
        broker.listens("wss:default")
    );
    assert_eq!(supervisor.hears(), ready);
    for _ in 0..3 {
        assert_eq!(supervisor.next(), "WATCHDOG=1\n");
    }
    for text in ["[mqtt]\nmax_inflight = 9\n", "[mqtt]\nmax_inflight = 0\n"] {
        std::fs::write(&config, text).unwrap();
        broker.signal("HUP");
        let reloading = supervisor.hears();
        assert!(
            reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
            "{reloading}"
        );
        assert_eq!(supervisor.hears(), ready);
    }
    broker.signal("TERM");
    assert_eq!(supervisor.hears(), "STOPPING=1\n");
    assert!(broker.wait(PATIENCE).success());
    let _ = std::fs::remove_file(config);
}

/// A listener that comes or goes while the broker runs is told, without being asked for.
#[test]
fn the_supervisor_hears_of_listeners_that_change() {
    let supervisor = Supervisor::new();
    let socket = supervisor.path.display().to_string();
    let dir = fresh_dir();
    let password = format!("TERNMQ_ADMIN_PASSWORD={PASSWORD}");
    let vars = [env(&[("NOTIFY_SOCKET", &socket)]), vec![password]].concat();
    let mut broker = Broker::under(vars, &dir, &[]);
    broker.forget_data();
    let ready = supervisor.hears();
    let mut api = broker.api();
    api.sign_in("admin", PASSWORD);
    let secure = format!(" mqtts://{}", broker.listens("ssl:default"));
    assert!(ready.contains(&secure), "{ready}");
    api.call("POST", "/listeners/ssl:default/stop", None)
        .expect(200);
    let fewer = ready
        .strip_prefix("READY=1\n")
        .unwrap()
        .replace(&secure, "");
    assert_eq!(supervisor.hears(), fewer);
    // What concerns no listener is not told.
    let path = "/api/v5/configs?mode=replace";
    let text = b"mqtt.max_inflight = 9\n";
    api.raw("PUT", path, Some("text/plain"), text).expect(200);
    api.call("POST", "/listeners/ssl:default/start", None)
        .expect(200);
    assert!(supervisor.hears().contains(" mqtts://"));
}

/// A broker that stands gives no sign of life, so that its supervisor starts it again.
#[test]
fn a_broker_that_stands_is_silent() {
    let supervisor = Supervisor::new();
    let socket = supervisor.path.display().to_string();
    let dir = fresh_dir();
    let vars = env(&[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", "200000")]);
    let mut broker = Broker::under(vars, &dir, &[]);
    broker.forget_data();
    assert!(supervisor.hears().starts_with("READY=1\n"));
    assert_eq!(supervisor.next(), "WATCHDOG=1\n");
    broker.stop();
    // What was under way when it stopped.
    supervisor.socket.set_nonblocking(true).unwrap();
    while supervisor.socket.recv(&mut [0; 64]).is_ok() {}
    supervisor.socket.set_nonblocking(false).unwrap();
    let silence = Some(Duration::from_millis(500));
    supervisor.socket.set_read_timeout(silence).unwrap();
    assert!(supervisor.socket.recv(&mut [0; 64]).is_err());
    broker.kill();
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The log goes to a file, from the first lines on: one JSON object a line, to the last word; a full file is put
/// aside, and no more are kept than was said.
#[test]
fn the_log_is_a_file() {
    let dir = fresh_dir();
    let log = dir.join("log").join("ternmq.log");
    let settings = [
        format!("log.file={}", log.display()),
        "log.format=json".to_owned(),
        "log.level=debug".to_owned(),
        "log.max_size=4KB".to_owned(),
        "log.max_files=3".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut broker = Broker::on(&dir, &settings);
    broker.forget_data();
    // The log's own folder is not what was found there.
    let data = format!("{} (new)", dir.display());
    let says = || lines(&log).into_iter().find(|line| line.contains(&data));
    until(says, "where the data is");
    let aside = |n: u32| PathBuf::from(format!("{}.{n}", log.display()));
    let deadline = Instant::now() + PATIENCE;
    while !aside(2).exists() {
        assert!(Instant::now() < deadline, "the log did not fill its files");
        broker.signal("HUP");
        broker.connect(&Connect::new(V5, "rings")).bye();
    }
    broker.signal("TERM");
    assert!(broker.wait(PATIENCE).success());
    let last: Value = serde_json::from_str(lines(&log).last().unwrap()).unwrap();
    assert_eq!(last["message"], "shutting down");
    for path in [log.clone(), aside(1), aside(2)] {
        assert!(std::fs::metadata(&path).unwrap().len() <= 4096);
        for line in lines(&path) {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
            assert!(line["level"].is_string() && line["message"].is_string());
        }
    }
    assert!(!aside(3).exists());
    assert!(
        broker.said().all(|line| !line.contains("INFO")),
        "it is in the file alone"
    );
}

/// A log file that cannot be written ends the start with a line that says so.
#[test]
fn a_log_that_cannot_be_written_is_told() {
    let (code, said) = run_once(&["--set", "log.file=/dev/null/x", "--set", "shards=1"]);
    assert_eq!(code, 1);
    let line = said.lines().next().unwrap();
    assert!(
        line.contains("log file /dev/null/x") && line.contains("log.file="),
        "{said}"
    );
}
