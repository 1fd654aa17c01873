//! TLS at its width: as many connections as promised with the bench of our own, what each handshake and each
//! connection costs, and a certificate that is replaced while everybody is connected.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::broker::{Broker, released};
use super::http::Caller;
use super::load::Figures;
use crate::tree::Tree;

const CONNECTIONS: u64 = 9_000;
const BYTES_MAX: u64 = 4_500;
/// How long they stay, from the moment when all are there.
const HOLD: &str = "110";
const PATIENCE: Duration = Duration::from_secs(120);
/// What handshakes took is given back within this time.
const SETTLE: Duration = Duration::from_secs(20);
/// Messages that flow meanwhile.
const TRAFFIC: &str = "pub --clients 10 --subscribers 10 --qos 1 --rate 1000 --duration 40 --json";

pub(super) fn show(tree: &Tree) -> Result<()> {
    let binary = released(tree)?;
    let works = Works::new()?;
    works.issue("first")?;
    let at = |key: &str, file: &str| {
        let path = works.path(file);
        format!("listeners.ssl.default.ssl_options.{key}={}", path.display())
    };
    let settings = [at("certfile", "cert.pem"), at("keyfile", "cert.key")];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let broker = Broker::ternmq(&binary, &settings)?;
    let admin = Caller::administrator(broker.http.context("one of ours")?)?;
    let (base, busy) = (broker.least(SETTLE)?, broker.processor_secs()?);
    let count = CONNECTIONS.to_string();
    let conn = [
        "conn",
        "--clients",
        &count,
        "--duration",
        HOLD,
        "--json",
        "--threads",
        "2",
    ];
    let crowd = works.bench(&binary, &broker, &conn)?;
    wait_until(
        "all are connected",
        || Ok(connected(&admin)? >= CONNECTIONS),
    )?;
    let busy = broker.processor_secs()? - busy;
    let full = broker.least(SETTLE)?;
    let each = full.anonymous.saturating_sub(base.anonymous) / CONNECTIONS;
    println!("{each} bytes for each of {CONNECTIONS} connections; wanted at most {BYTES_MAX}");

    let traffic: Vec<&str> = TRAFFIC.split(' ').collect();
    let traffic = works.bench(&binary, &broker, &traffic)?;
    wait_until("messages flow", || {
        Ok(connected(&admin)? >= CONNECTIONS + 20)
    })?;
    works.issue("second")?;
    let replaced = Instant::now();
    wait_until("the new certificate is told", || {
        Ok(listener(&admin)?.contains("CN=second"))
    })?;
    works.greet(&broker, "second")?;
    println!(
        "the certificate was replaced under load, and shown to who comes {:.1} s later",
        replaced.elapsed().as_secs_f64()
    );
    let said = finish(traffic)?;
    for fault in ["lost", "doubled", "lost_connections", "not_connected"] {
        let found = said.number(fault)?;
        println!("messages meanwhile: {fault} {found:.0}");
        ensure!(found == 0.0, "{found} {fault}");
    }
    let said = finish(crowd)?;
    let (there, gone) = (said.number("connected")?, said.number("lost_connections")?);
    let secs = said.number("connected_in_s")?;
    println!(
        "{there:.0} connected in {secs:.1} s: {:.0} handshakes/s, {:.0} us of the broker's processor time \
         each; {gone:.0} dropped",
        there / secs,
        busy * 1e6 / there
    );
    ensure!(
        there == CONNECTIONS as f64 && gone == 0.0,
        "not all were there to the end"
    );
    ensure!(each <= BYTES_MAX, "{each} bytes each");
    Ok(())
}

/// On a connection of its own: the broker closes those on which nobody asks for a while.
fn listener(admin: &Caller) -> Result<String> {
    admin.again()?.ask("GET", "/listeners/ssl:default", "")
}

fn connected(admin: &Caller) -> Result<u64> {
    let said = listener(admin)?;
    let (_, rest) = said
        .split_once("\"current_connections\":")
        .context("no such field")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !holds()? {
        ensure!(begun.elapsed() < PATIENCE, "in vain: {what}");
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// A bench that goes on beside; killed when dropped before its end.
struct Bench(Option<Child>);

fn finish(mut bench: Bench) -> Result<Figures> {
    let done = bench.0.take().context("it runs")?.wait_with_output()?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "the bench failed: {said}{complaint}");
    Ok(Figures::of(said))
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where certificates come from; gone with the value.
struct Works(PathBuf);

impl Works {
    fn new() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("ternmq-show-tls-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Puts a new certificate, signed by itself, in the place of the last.
    fn issue(&self, name: &str) -> Result<()> {
        let new = ["cert.key", "cert.pem"].map(|file| self.path(&format!("{file}.new")));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args(["-nodes", "-days", "30", "-subj", &format!("/CN={name}")])
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
            .arg(&new[0])
            .arg("-out")
            .arg(&new[1])
            .output()
            .context("cannot start openssl; is it installed?")?;
        ensure!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        fs::rename(&new[0], self.path("cert.key"))?;
        fs::rename(&new[1], self.path("cert.pem"))?;
        fs::copy(self.path("cert.pem"), self.path(&format!("{name}.pem")))?;
        Ok(())
    }

    /// A handshake with whom trusts this certificate and no other.
    fn greet(&self, broker: &Broker, name: &str) -> Result<()> {
        let done = Command::new("openssl")
            .args(["s_client", "-brief", "-verify_return_error", "-connect"])
            .arg(broker.secure.context("one of ours")?.to_string())
            .arg("-CAfile")
            .arg(self.path(&format!("{name}.pem")))
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "another certificate: {said}");
        Ok(())
    }

    /// Begins a bench that speaks TLS.
    fn bench(&self, binary: &Path, broker: &Broker, args: &[&str]) -> Result<Bench> {
        let port = broker.secure.context("one of ours")?.port().to_string();
        let child = Command::new(binary)
            .arg("bench")
            .args(args)
            .args(["-h", "127.0.0.1", "-p", &port, "--cafile"])
            .arg(self.path("first.pem"))
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Bench(Some(child)))
    }
}

impl Drop for Works {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
