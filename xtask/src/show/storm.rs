//! 19,000 clients as fast as they come, from many addresses; each is accepted and each PINGREQ
//! answered; then all are killed at once and the memory comes back. Five rounds, and one in which a few stay.
//!
//! The clients are processes of their own: this program, called again as `xtask show storm ...`.

use anyhow::{Context as _, Result, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::broker::{Broker, Memory};

pub(super) const CLIENTS: usize = 19_000;
/// Whom they act for where they show passwords.
pub(super) const USERS: usize = 1_000;
const DRIVERS: usize = 2;
const ROUNDS: usize = 5;
/// Clients that stay in the round after those, when all others are killed.
const STAYING: usize = 8;
/// Threads of a driver, each with its share of the clients.
const THREADS: usize = 8;
/// Clients that share a source address.
const PER_ADDRESS: usize = 1000;
const BACK: Duration = Duration::from_secs(60);
/// The allocator gives back in two steps of ten seconds each.
const SETTLE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(30);
/// The same where a password has to be hashed for each user first.
const HASHED_PATIENCE: Duration = Duration::from_secs(150);
/// CONNACK: the broker is busy, in 3.1.1 and in 5.0.
const BUSY: [u8; 2] = [3, 0x89];

pub(super) fn show(tree: &crate::tree::Tree) -> Result<()> {
    let binary = super::broker::released(tree)?;
    let broker = Broker::ternmq(&binary, &[])?;
    let base = broker.memory()?;
    println!("base {base}");
    let mut first = None;
    let mut missed = Vec::new();
    let mut staying = Vec::new();
    for round in 1..=ROUNDS + 1 {
        let begun = Instant::now();
        let mut drivers = crowd(broker.address, round)?;
        let connected = begun.elapsed();
        ping(&mut drivers)?;
        let pinged = begun.elapsed() - connected;
        // What the storm itself used is given back within seconds; what stays is theirs.
        let full = broker.least(SETTLE)?;
        println!(
            "round {round}: {CLIENTS} connected in {:.2} s, all answered a PINGREQ in {:.2} s; {full}, \
             {} bytes each",
            connected.as_secs_f32(),
            pinged.as_secs_f32(),
            full.anonymous.saturating_sub(base.anonymous) / CLIENTS as u64,
        );
        if round > ROUNDS {
            // Not promised, but more like life: some of the crowd stay.
            let port = broker.address.port();
            let range: Vec<usize> = (DRIVERS * CLIENTS..DRIVERS * CLIENTS + STAYING).collect();
            (staying, _) = connect_all(port, round, &range, hello)?;
        }
        drop(drivers);
        let first = *first.get_or_insert(full);
        let goal = base.anonymous + first.anonymous.saturating_sub(base.anonymous) / 4;
        let (least, took) = come_back(&broker, goal)?;
        println!(
            "round {round}: {least} {:.1} s after they were killed and {} others stayed; wanted at most \
             {} KB within {} s",
            took.as_secs_f32(),
            staying.len(),
            goal / 1024,
            BACK.as_secs()
        );
        if least.anonymous > goal {
            missed.push(format!("round {round}: memory did not come back"));
        }
        if round > 1 {
            let growth = full.anonymous as f64 / first.anonymous as f64 - 1.0;
            println!(
                "round {round}: with all connected {:+.2} % of round 1; wanted at most +2 %",
                growth * 100.0
            );
            if growth > 0.02 {
                missed.push(format!("round {round}: it grows from round to round"));
            }
        }
    }
    ensure!(missed.is_empty(), "{}", missed.join("; "));
    Ok(())
}

/// What comes back in the time that is allowed, and when the goal was reached; the least counts.
fn come_back(broker: &Broker, goal: u64) -> Result<(Memory, Duration)> {
    let killed = Instant::now();
    let mut least = broker.memory()?;
    while killed.elapsed() < BACK && least.anonymous > goal {
        thread::sleep(Duration::from_millis(500));
        least = least.min(broker.memory()?);
    }
    Ok((least, killed.elapsed()))
}

/// A process with its share of the clients; killed when dropped.
pub(super) struct Driver {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
    /// How many of its clients the broker took.
    pub(super) let_in: usize,
}

/// All of them, connected; in each round from other addresses.
pub(super) fn crowd(address: SocketAddr, round: usize) -> Result<Vec<Driver>> {
    start(address, round, &[])
}

/// The same with user names and passwords; who is told that the broker is busy stays away.
pub(super) fn crowd_with_passwords(address: SocketAddr, round: usize) -> Result<Vec<Driver>> {
    start(address, round, &["passwords"])
}

fn start(address: SocketAddr, round: usize, more: &[&str]) -> Result<Vec<Driver>> {
    let drivers = (0..DRIVERS).map(|driver| Driver::start(address, driver, round, more));
    let mut drivers: Vec<Driver> = drivers.collect::<Result<_>>()?;
    for driver in &mut drivers {
        driver.count()?;
    }
    Ok(drivers)
}

/// Whoever was told that the broker is busy tries again, from another address.
pub(super) fn come_again(drivers: &mut [Driver]) -> Result<()> {
    for driver in &mut *drivers {
        driver.say("again")?;
    }
    for driver in drivers {
        driver.count()?;
    }
    Ok(())
}

/// The name of a user, and the password.
pub(super) fn user(n: usize) -> String {
    format!("user-{n:04}")
}

pub(super) fn password(n: usize) -> String {
    format!("storm-password-{n:04}")
}

/// Each sends a PINGREQ and waits for its answer: once in their keep-alive of a minute.
pub(super) fn ping(drivers: &mut [Driver]) -> Result<()> {
    for driver in &mut *drivers {
        driver.say("ping")?;
    }
    for driver in drivers {
        driver.wait_for("pinged")?;
    }
    Ok(())
}

impl Driver {
    fn start(address: SocketAddr, driver: usize, round: usize, more: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["show", "storm", &address.port().to_string()])
            .args([driver.to_string(), round.to_string()])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().context("a pipe")?);
        Ok(Self {
            child,
            said,
            let_in: 0,
        })
    }

    /// How many of its clients are in, when all have an answer.
    fn count(&mut self) -> Result<()> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        let count = line.trim().strip_prefix("connected ");
        self.let_in = count
            .with_context(|| format!("a driver said {line:?}"))?
            .parse()?;
        Ok(())
    }

    fn say(&mut self, word: &str) -> Result<()> {
        let pipe = self.child.stdin.as_mut().context("a pipe")?;
        Ok(writeln!(pipe, "{word}")?)
    }

    fn wait_for(&mut self, word: &str) -> Result<()> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        ensure!(line.trim() == word, "a driver said {line:?}, wanted {word}");
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SIGKILL: the system closes all its sockets at once, without a word of MQTT.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other side of [`Driver`]: `PORT DRIVER ROUND`, and `passwords` if they show some.
pub(super) fn drive(args: &[String]) -> Result<()> {
    let [port, driver, round, more @ ..] = args else {
        bail!("show storm PORT DRIVER ROUND [passwords]");
    };
    let hello = match more {
        [] => hello as fn(usize) -> Vec<u8>,
        _ => hello_with_password,
    };
    let (port, mut round) = (port.parse()?, round.parse()?);
    let driver: usize = driver.parse()?;
    let first = driver * CLIENTS;
    let mut outside: Vec<usize> = (first..first + CLIENTS / DRIVERS).collect();
    let mut inside = Vec::new();
    let mut come = |inside: &mut Vec<TcpStream>, round| -> Result<()> {
        let (taken, refused) = connect_in_threads(port, round, &outside, hello)?;
        inside.extend(taken);
        outside = refused;
        println!("connected {}", inside.len());
        Ok(())
    };
    come(&mut inside, round)?;
    // Killed from here.
    for word in std::io::stdin().lines() {
        match &*word? {
            "again" => {
                round += 1;
                // In their keep-alive.
                ping_each(&mut inside)?;
                come(&mut inside, round)?;
            }
            "ping" => {
                ping_each(&mut inside)?;
                println!("pinged");
            }
            other => bail!("neither ping nor again but {other}"),
        }
    }
    Ok(())
}

fn ping_each(streams: &mut [TcpStream]) -> Result<()> {
    for stream in &mut *streams {
        stream.write_all(&[0xC0, 0])?;
    }
    for stream in streams {
        let mut answer = [0; 2];
        stream.read_exact(&mut answer)?;
        ensure!(
            answer == [0xD0, 0],
            "PINGREQ was answered with {answer:02x?}"
        );
    }
    Ok(())
}

/// Those whom the broker takes, and those whom it has no time for.
type Sorted = (Vec<TcpStream>, Vec<usize>);

fn connect_in_threads(
    port: u16,
    round: usize,
    clients: &[usize],
    hello: fn(usize) -> Vec<u8>,
) -> Result<Sorted> {
    thread::scope(|scope| {
        let shares = clients.chunks(clients.len().div_ceil(THREADS).max(1));
        let threads: Vec<_> = shares
            .map(|share| scope.spawn(move || connect_all(port, round, share, hello)))
            .collect();
        let mut all = Sorted::default();
        for thread in threads {
            match thread.join() {
                Ok(sorted) => {
                    let (taken, refused) = sorted?;
                    all.0.extend(taken);
                    all.1.extend(refused);
                }
                Err(_) => bail!("a thread panicked"),
            }
        }
        Ok(all)
    })
}

fn connect_all(
    port: u16,
    round: usize,
    clients: &[usize],
    hello: fn(usize) -> Vec<u8>,
) -> Result<Sorted> {
    let mut streams = Vec::new();
    for &client in clients {
        let mut stream =
            connect(port, round, client).with_context(|| format!("client {client}"))?;
        stream.set_read_timeout(Some(HASHED_PATIENCE))?;
        stream.write_all(&hello(client))?;
        streams.push(stream);
    }
    let (mut taken, mut refused) = Sorted::default();
    for (&client, mut stream) in clients.iter().zip(streams) {
        let mut head = [0; 2];
        stream.read_exact(&mut head).context("no CONNACK")?;
        let mut rest = vec![0; usize::from(head[1])];
        stream.read_exact(&mut rest).context("half a CONNACK")?;
        let code = *rest.get(1).context("a short CONNACK")?;
        if BUSY.contains(&code) {
            refused.push(client);
            continue;
        }
        ensure!(head[0] == 0x20 && code == 0, "refused: {rest:02x?}");
        stream.set_read_timeout(Some(PATIENCE))?;
        taken.push(stream);
    }
    Ok((taken, refused))
}

/// From an address that a thousand clients share, another in each round: a port that was just used
/// is not free at once.
fn connect(port: u16, round: usize, client: usize) -> Result<TcpStream> {
    let host = u8::try_from(2 + client / PER_ADDRESS)?;
    let from = SocketAddr::from(([127, 0, u8::try_from(round)?, host], 0));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&from.into())?;
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    Ok(socket.into())
}

/// CONNECT of MQTT 3.1.1: a clean session, keep-alive 60 s.
fn hello(client: usize) -> Vec<u8> {
    let id = format!("storm-{client:06}");
    let mut packet = vec![0x10, 12 + 12];
    packet.extend([0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 12]);
    packet.extend(id.as_bytes());
    packet
}

/// The same with the user name and password of one of the users, every other one in 5.0.
fn hello_with_password(client: usize) -> Vec<u8> {
    let n = client % USERS;
    let level = if client.is_multiple_of(2) { 4 } else { 5 };
    let texts = [format!("storm-{client:06}"), user(n), password(n)];
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', level, 0xC2, 0, 60];
    if level == 5 {
        body.push(0); // no properties
    }
    for text in &texts {
        // Each is a few letters.
        body.extend([0, u8::try_from(text.len()).expect("a few letters")]);
        body.extend(text.as_bytes());
    }
    let length = u8::try_from(body.len()).expect("a few letters");
    [&[0x10, length], &body[..]].concat()
}
