//! A crowd that all show passwords at once, hashed as dearly as by default, with nothing remembered: all come
//! in within the time that is promised, whoever cannot wait is told that the broker is busy, and who is
//! connected notices nothing.

use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::broker::{Broker, released};
use super::http::Caller;
use super::load::Figures;
use super::storm::{self, CLIENTS, USERS};
use crate::tree::Tree;

const SECS_MAX: f64 = 120.0;
/// What a bystander may wait for in 99 of 100 cases.
const P99_MICROS_MAX: f64 = 50_000.0;
const BYSTANDER: &str = "latency --clients 1 --rate 100 --qos 0 --duration 60 --json";
/// In the second part clients give up so soon.
const SHORT: &str = "mqtt.authentication_timeout=3s";

pub(super) fn show(tree: &Tree) -> Result<()> {
    let binary = released(tree)?;
    let patient = ["mqtt.max_pending=20000", "mqtt.authentication_timeout=2m"];
    let broker = Broker::ternmq(&binary, &patient)?;
    make_users(&broker)?;
    let bystander = bystander(&binary, &broker)?;
    let begun = Instant::now();
    let mut crowd = storm::crowd_with_passwords(broker.address, 1)?;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{CLIENTS} connections of {USERS} users in {took:.1} s (wanted at most {SECS_MAX:.0} s); {:.0} \
         distinct users a second",
        USERS as f64 / took
    );
    let let_in = crowd.iter().map(|driver| driver.let_in).sum::<usize>();
    storm::ping(&mut crowd)?;
    let done = bystander.wait_with_output()?;
    let said = Figures::of(String::from_utf8_lossy(&done.stdout).into_owned());
    let p99 = said.number("latency_us_p99")?;
    println!("a bystander meanwhile: p99 {p99:.0} us (wanted at most {P99_MICROS_MAX:.0})");
    drop(crowd);

    let broker = Broker::ternmq(&binary, &["mqtt.max_pending=20000", SHORT])?;
    make_users(&broker)?;
    let begun = Instant::now();
    let crowd = storm::crowd_with_passwords(broker.address, 2)?;
    let in_time = crowd.iter().map(|driver| driver.let_in).sum::<usize>();
    println!(
        "with {SHORT}: {in_time} in, the other {} told that the broker is busy, all within {:.1} s",
        CLIENTS - in_time,
        begun.elapsed().as_secs_f64()
    );
    ensure!(let_in == CLIENTS, "only {let_in} were let in");
    ensure!(took <= SECS_MAX, "{took:.1} s");
    ensure!(p99 <= P99_MICROS_MAX, "the bystander waited {p99:.0} us");
    Ok(())
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

/// A pair that talks beside, without a password.
fn bystander(binary: &Path, broker: &Broker) -> Result<std::process::Child> {
    let port = broker.address.port().to_string();
    let child = Command::new(binary)
        .arg("bench")
        .args(BYSTANDER.split(' '))
        .args(["-h", "127.0.0.1", "-p", &port])
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    // It has begun when its pair is connected.
    std::thread::sleep(Duration::from_secs(1));
    Ok(child)
}
