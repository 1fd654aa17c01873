//! A crowd that all show passwords at once, hashed as dearly as by default, with nothing remembered: all come
//! in within the time that is promised, whoever cannot wait is told that the broker is busy and comes in when
//! it comes again, and who is connected notices nothing.

use anyhow::{Context as _, Result, anyhow, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::broker::{Broker, released};
use super::client::Client;
use super::http::Caller;
use super::storm::{self, CLIENTS, Driver, USERS};
use crate::tree::Tree;

const SECS_MAX: f64 = 120.0;
/// What a bystander may wait for in 99 of 100 cases.
const P99_MAX: Duration = Duration::from_millis(50);
/// It speaks so often, and for so long before the crowd comes.
const BYSTANDER_PACE: Duration = Duration::from_millis(10);
const ALONE: Duration = Duration::from_secs(10);
/// In the second part clients give up so soon.
const SHORT: &str = "mqtt.authentication_timeout=3s";

pub(super) fn show(tree: &Tree) -> Result<()> {
    let binary = released(tree)?;
    let patient = ["mqtt.max_pending=20000", "mqtt.authentication_timeout=2m"];
    let broker = Broker::ternmq(&binary, &patient)?;
    make_users(&broker)?;
    let alone = Bystander::start(broker.address)?;
    thread::sleep(ALONE);
    let alone = alone.p99()?;
    let bystander = Bystander::start(broker.address)?;
    let begun = Instant::now();
    let mut crowd = storm::crowd_with_passwords(broker.address, 1)?;
    let took = begun.elapsed().as_secs_f64();
    let p99 = bystander.p99()?;
    let let_in = let_in(&crowd);
    println!(
        "{let_in} of {CLIENTS} connections of {USERS} users in {took:.1} s (wanted at most {SECS_MAX:.0} s); \
         {:.0} distinct users a second",
        USERS as f64 / took
    );
    println!("a bystander meanwhile: p99 {p99:?} (wanted at most {P99_MAX:?}), alone {alone:?}");
    storm::ping(&mut crowd)?;
    drop((crowd, broker));
    ensure!(let_in == CLIENTS, "only {let_in} were let in");
    ensure!(took <= SECS_MAX, "{took:.1} s");
    ensure!(p99 <= P99_MAX, "the bystander waited {p99:?}");
    come_again(&Broker::ternmq(
        &binary,
        &["mqtt.max_pending=20000", SHORT],
    )?)
}

/// Who is told that the broker is busy comes again, as clients do; what was compared once is not compared
/// again, so that each time fewer have to.
fn come_again(broker: &Broker) -> Result<()> {
    make_users(broker)?;
    let begun = Instant::now();
    let mut crowd = storm::crowd_with_passwords(broker.address, 2)?;
    let (mut inside, mut times) = (let_in(&crowd), 1);
    loop {
        println!(
            "with {SHORT}: {inside} in after {times} times, {:.1} s; the others were told that the broker is \
             busy",
            begun.elapsed().as_secs_f64()
        );
        if inside == CLIENTS {
            break;
        }
        let took = begun.elapsed().as_secs_f64();
        ensure!(took <= SECS_MAX, "still not all after {took:.1} s");
        storm::come_again(&mut crowd)?;
        times += 1;
        let now = let_in(&crowd);
        ensure!(now > inside, "nobody more came in: a second wave");
        inside = now;
    }
    storm::ping(&mut crowd)
}

fn let_in(crowd: &[Driver]) -> usize {
    crowd.iter().map(|driver| driver.let_in).sum()
}

/// The broker's own users, as an authenticator keeps them by default.
fn make_users(broker: &Broker) -> Result<()> {
    let mut admin = Caller::administrator(broker.http.context("one of ours")?)?;
    let own = r#"{"mechanism":"password_based","backend":"built_in_database","password_hash_algorithm":{"name":"argon2id"}}"#;
    admin.ask("POST", "/authentication?anonymous=keep", own)?;
    let path = "/authentication/password_based:built_in_database/users";
    let begun = Instant::now();
    for n in 0..USERS {
        let (name, password) = (storm::user(n), storm::password(n));
        let body = format!(r#"{{"user_id":"{name}","password":"{password}"}}"#);
        admin.ask("POST", path, &body)?;
    }
    let each = begun.elapsed() / u32::try_from(USERS)?;
    println!("{USERS} users made, {each:?} each");
    Ok(())
}

/// Somebody without a password who talks to itself beside.
struct Bystander {
    is_over: Arc<AtomicBool>,
    talking: JoinHandle<Result<Vec<Duration>>>,
}

impl Bystander {
    fn start(address: SocketAddr) -> Result<Self> {
        let mut client = Client::passing(address, "bystander")?;
        client.subscribe(&["bystander".to_owned()])?;
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = is_over.clone();
        let talking = thread::spawn(move || {
            let mut took = Vec::new();
            while !seen.load(Ordering::Relaxed) {
                let begun = Instant::now();
                client.send(b"\x30\x0C\0\x09bystanderx")?;
                client.message()?;
                took.push(begun.elapsed());
                thread::sleep(BYSTANDER_PACE);
            }
            Ok(took)
        });
        Ok(Self { is_over, talking })
    }

    /// What 99 of 100 messages took at most.
    fn p99(self) -> Result<Duration> {
        self.is_over.store(true, Ordering::Relaxed);
        let took = self.talking.join();
        let mut took = took.map_err(|_| anyhow!("the bystander's thread panicked"))??;
        took.sort_unstable();
        let at = took.len() * 99 / 100;
        took.get(at).copied().context("it said nothing")
    }
}
