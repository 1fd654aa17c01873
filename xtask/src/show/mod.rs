//! The must-show lines of each issue: what was promised, and the command that shows it.

mod access;
mod again;
mod away;
mod bench;
mod broker;
mod client;
mod crowded;
mod disk;
mod durable;
mod elsewhere;
mod first;
mod http;
mod kept;
mod load;
mod packages;
mod passwords;
mod router;
mod rows;
mod secure;
mod storm;

pub(crate) use broker::released;

use crate::torture;
use crate::tree::Tree;
use anyhow::{Context as _, Result, bail};
use std::path::PathBuf;
use std::time::Instant;

struct Line {
    issue: u32,
    number: u32,
    promise: &'static str,
    how: How,
}

enum How {
    /// Run by `sh` in the root.
    Command(&'static str),
    Function(fn(&Tree, &Options) -> Result<()>),
}

/// What may be said behind the line's number.
#[derive(Clone)]
pub(crate) struct Options {
    /// The load generator, which is no part of this repository: `--loadgen PATH`, or the environment
    /// variable `TERNMQ_LOADGEN`.
    loadgen: Option<PathBuf>,
    /// A broker of an earlier day, to compare with: `--before PATH`.
    before: Option<PathBuf>,
    /// Repetitions of each measurement; the median counts.
    repeat: usize,
    /// Seconds of each measurement.
    seconds: u32,
}

const LINES: &[Line] = &[
    Line {
        issue: 2,
        number: 1,
        promise: "README's first command starts the broker; the tutorial's scripts and examples/python \
                  exchange messages through it on paho-mqtt 1.6.1 and 2.x",
        how: How::Function(first::show),
    },
    Line {
        issue: 2,
        number: 2,
        promise: "README's second command passes in under 30 minutes on 2 cores",
        how: How::Function(first::show_second),
    },
    Line {
        issue: 2,
        number: 3,
        promise: "conformance: statements proven; 20 rows drawn by seed, at least 19 killed; the client \
                  matrix passes in every cell",
        how: How::Command(
            "cargo xtask spec --check && cargo xtask mutate --seed 2 --rows 20 && \
             cargo build --release --package app --locked && \
             python3 tests/clients/matrix.py --bin ${CARGO_TARGET_DIR:-target}/release/ternmq",
        ),
    },
    Line {
        issue: 2,
        number: 4,
        promise: "delivered per broker-CPU-second as a multiple of mosquitto's, and latency beside it",
        how: How::Function(load::show),
    },
    Line {
        issue: 2,
        number: 5,
        promise: "9,000 idle connections with a subscription each: at most 400 bytes of user memory each",
        how: How::Function(load::show_idle),
    },
    Line {
        issue: 2,
        number: 6,
        promise: "router: time per match from 10^3 to 10^6 filters, load time and bytes per filter, and \
                  throughput while subscriptions come and go",
        how: How::Function(router::show),
    },
    Line {
        issue: 2,
        number: 7,
        promise: "19,000 connections at once, each answered; all killed; memory returns, five rounds",
        how: How::Function(|tree, _| storm::show(tree)),
    },
    Line {
        issue: 2,
        number: 8,
        promise: "simulator: 10,000 seeds, 0 violations; 12 planted faults found; fuzzers: 0 crashes",
        how: How::Command(
            "SIM_SEEDS=10000 cargo test --package engine --features plant --test sim --release --locked \
             -- --nocapture && cargo xtask fuzz --seconds 60",
        ),
    },
    Line {
        issue: 2,
        number: 9,
        promise: "pressure and bad input: stopped readers, floods, self-publishers; drops add up",
        how: How::Function(|tree, _| rows::show(tree, rows::PRESSURE)),
    },
    Line {
        issue: 3,
        number: 1,
        promise: "kill -9 at random moments, 100 rounds: nothing acknowledged is lost, nothing of QoS 2 \
                  doubled, nothing out of order; cut and kill at each of the 8 steps of QoS 2",
        how: How::Function(|tree, _| torture::show(tree, &torture::line(1))),
    },
    Line {
        issue: 3,
        number: 2,
        promise: "power cut by image copy: 500 images, nothing lost; durability = os shows losses; three \
                  planted faults are found",
        how: How::Function(|tree, _| torture::show(tree, &torture::line(2))),
    },
    Line {
        issue: 3,
        number: 3,
        promise: "torn tail at every byte of the last record; 1,000 single bits in the log, 1,000 \
                  elsewhere: all reported, nothing lost but what was hit",
        how: How::Function(|tree, _| torture::show(tree, &torture::line(3))),
    },
    Line {
        issue: 3,
        number: 4,
        promise: "a full, failing, slow and standing disk: QoS 0 undisturbed, no keep-alive kill, nothing \
                  acknowledged lost",
        how: How::Function(|tree, _| torture::show(tree, &torture::line(4))),
    },
    Line {
        issue: 3,
        number: 5,
        promise: "durable QoS 1 beside the raw limit of the disk and beside mosquitto; bytes to disk; QoS 0 \
                  of others meanwhile",
        how: How::Function(durable::show),
    },
    Line {
        issue: 3,
        number: 6,
        promise: "one message to 100,000 sessions that are offline; 19,000 sessions that all return after a \
                  restart, 10 messages each among 1,000,000 for others: all delivered within 60 s",
        how: How::Function(away::show),
    },
    Line {
        issue: 3,
        number: 7,
        promise: "1,000,000 retained messages: rates, memory and disk for each, restart",
        how: How::Function(kept::show_retained),
    },
    Line {
        issue: 3,
        number: 8,
        promise: "memory and disk of a session that is offline with 5 subscriptions",
        how: How::Function(|tree, _| kept::show_sessions(tree)),
    },
    Line {
        issue: 4,
        number: 1,
        promise: "the API's table: each call of EMQX's that tools rely on, with what it takes, each status \
                  and each field's name and type",
        how: How::Function(|tree, _| api(tree, &["--part", "table"])),
    },
    Line {
        issue: 4,
        number: 2,
        promise: "schemathesis: 0 server errors, 0 undocumented answers; every call without a token, with \
                  a wrong one, an ended one and a viewer's is refused but what is public",
        how: How::Function(|tree, _| api(tree, &["--part", "roles,schema", "--seconds", "600"])),
    },
    Line {
        issue: 4,
        number: 3,
        promise: "dashboard and API under attack: rows H01 to H20, all but H15",
        how: How::Function(|tree, _| rows::show(tree, rows::DASHBOARD)),
    },
    Line {
        issue: 4,
        number: 4,
        promise: "odd client ids, user names and topics: listed, opened, kicked, banned, unbanned, deleted \
                  through the API, each alone",
        how: How::Function(|tree, _| api(tree, &["--part", "names"])),
    },
    Line {
        issue: 4,
        number: 5,
        promise: "19,000 clients and 20,000 messages in a second: client list, p99 < 100 ms over 1,000 \
                  requests; five live feeds cost at most 3 % of a core",
        how: How::Function(crowded::show),
    },
    Line {
        issue: 4,
        number: 6,
        promise: "each cause of the connection log provoked and found there, with cause and remedy in both \
                  languages",
        how: How::Command("cargo test --package app --test blackbox --locked connection_log::"),
    },
    Line {
        issue: 5,
        number: 1,
        promise: "the tutorial in a browser, broker and browser on two machines, in Chinese and English: each \
                  client seen within 2 s, figures right within 5 s, kick, restart; 0 faults on any page, \
                  three widths, two themes, with a picture of each",
        how: How::Function(|tree, _| {
            let pictures = tree.join("target/pictures");
            page(tree, "1", &["--pictures", &pictures.to_string_lossy()])
        }),
    },
    Line {
        issue: 5,
        number: 2,
        promise: "flow picture: exactly the tutorial's scripts; 9,000 clients and 20,000 messages a second \
                  cost at most 8 ms a frame and 20 KB/s; what needs attention is shown within 5 s and gone \
                  when it is cured",
        how: How::Function(|tree, options| {
            page(tree, "2", &["--loadgen", &absolute_loadgen(options)?])
        }),
    },
    Line {
        issue: 5,
        number: 3,
        promise: "the page's client at 2,000 messages a second, of 64 B and of 4 KB, 10 minutes each: shown \
                  and skipped are what was sent, no task over 200 ms, the heap stands still; \
                  the topic explorer with 10,000 topics the same",
        how: How::Function(|tree, options| {
            page(tree, "3", &["--loadgen", &absolute_loadgen(options)?])
        }),
    },
    Line {
        issue: 5,
        number: 4,
        promise: "forty strings that mean harm as client id, topic, payload and user name: none runs, none \
                  breaks the page",
        how: How::Function(|tree, _| page(tree, "4", &[])),
    },
    Line {
        issue: 5,
        number: 5,
        promise: "cold load at most 300 KB and 1 s, slowed 3 s; 1,000 rows in 300 ms; axe finds nothing \
                  serious on any page, menu or dialog; from sign-in to the first message by keyboard \
                  alone",
        how: How::Function(|tree, _| page(tree, "5", &[])),
    },
    Line {
        issue: 5,
        number: 6,
        promise: "every program that the page, README and docs show is run, Python on paho-mqtt 1.6.1 and 2.x",
        how: How::Function(|tree, _| {
            page(tree, "6", &[])?;
            let binary = released(tree)?;
            let binary = ["--bin", &*binary.to_string_lossy()];
            for script in ["tests/clients/matrix.py", "tests/docs/snippets.py"] {
                tree.run("python3", &[&[script][..], &binary].concat())?;
            }
            Ok(())
        }),
    },
    Line {
        issue: 6,
        number: 1,
        promise: "the .deb in clean systems of Debian 12, Ubuntu 24.04 and 18.04: installed, verified, \
                  started, used, upgraded, removed, purged; arm64 under qemu; symbols of glibc",
        how: How::Function(|tree, _| packages::show_linux(tree)),
    },
    Line {
        issue: 6,
        number: 2,
        promise: "the Windows zip under wine from a path with a space and Chinese characters: console, \
                  messages in Chinese, restart, service, dashboard",
        how: How::Function(|tree, _| packages::show_windows(tree)),
    },
    Line {
        issue: 6,
        number: 3,
        promise: "ternmq bench beside the load generator, five runs in turn: p50 and p99 at 10,000 messages a \
                  second within 10 % or 50 us; full speed within 10 % or higher; processor for each \
                  message no higher",
        how: How::Function(bench::show),
    },
    Line {
        issue: 6,
        number: 4,
        promise: "every option of the man pages of mosquitto_pub, _sub and _rr 2.0.11: equal output, exit \
                  code and packets, at least 95 %; the rest refused by name; TLS against mosquitto",
        how: How::Function(|tree, _| {
            let binary = released(tree)?;
            let binary = ["--bin", &*binary.to_string_lossy()];
            for script in ["tests/clients/tools.py", "tests/clients/tls.py"] {
                tree.run("python3", &[&[script][..], &binary].concat())?;
            }
            Ok(())
        }),
    },
    Line {
        issue: 6,
        number: 5,
        promise: "the tutorial's programs on our Python package, paho-mqtt 1.6.1 and 2.x: broker restarted, \
                  network cut for 30 s: both flow within 5 s, nothing lost of what the buffer holds",
        how: How::Function(|tree, _| {
            let binary = released(tree)?;
            let binary = binary.to_string_lossy();
            tree.run(
                "python3",
                &["clients/python/tests/suite.py", "--long", "--bin", &*binary],
            )
        }),
    },
    Line {
        issue: 6,
        number: 6,
        promise: "ternmq migrate: every option of mosquitto.conf(5) and every key that EMQX 5.0.11 ships has \
                  its fate; 23 configurations; for 13 of mosquitto's the same clients come in",
        how: How::Function(|tree, _| {
            let binary = released(tree)?;
            let binary = binary.to_string_lossy();
            tree.run("python3", &["tests/clients/migrate.py", "--bin", &*binary])
        }),
    },
    Line {
        issue: 7,
        number: 1,
        promise: "rows A01 to A21, W01 to W09, X01 to X20 of the reliability table in short form, with figures",
        how: How::Function(|tree, _| rows::show(tree, rows::ACCESS)),
    },
    Line {
        issue: 7,
        number: 2,
        promise: "each authenticator and source of rules beside its real server: allow, deny, down, slow, \
                  wrong answers; over TLS",
        how: How::Function(|tree, _| elsewhere::show(tree)),
    },
    Line {
        issue: 7,
        number: 3,
        promise: "9,000 TLS connections: handshakes a second, at most 4,500 bytes each; the certificate \
                  replaced under load, nobody dropped",
        how: How::Function(|tree, _| secure::show(tree)),
    },
    Line {
        issue: 7,
        number: 4,
        promise: "10,000 rules: at most 200 ns for a check of a PUBLISH; throughput with 100 rules at least \
                  90 % of that without, of pairs and of a fan-out",
        how: How::Function(access::show),
    },
    Line {
        issue: 7,
        number: 5,
        promise: "19,000 connections of 1,000 users with argon2id, nothing remembered: all in within 120 s; \
                  who waits too long is told that the broker is busy, comes again and is in; bystanders \
                  undisturbed",
        how: How::Function(|tree, _| passwords::show(tree)),
    },
    Line {
        issue: 7,
        number: 6,
        promise: "the tutorial in the profile home: word for word from another address of the local network, \
                  refused from a public one with the remedy in the log",
        how: How::Function(|tree, _| {
            let binary = released(tree)?;
            let binary = binary.to_string_lossy();
            tree.run("python3", &["tests/clients/networks.py", "--bin", &*binary])
        }),
    },
    Line {
        issue: 7,
        number: 7,
        promise: "the speed and memory of a broker before counters, owners and rules beside this one with \
                  them: at most 10 % lost",
        how: How::Function(again::show),
    },
];

pub(crate) const USAGE: &str =
    "show ISSUE [LINE] [--loadgen PATH] [--before PATH] [--repeat N] [--seconds N]";

pub(crate) fn run(tree: &Tree, args: &[String]) -> Result<()> {
    if let Some((word, rest)) = args.split_first()
        && word == "storm"
    {
        return storm::drive(rest);
    }
    let (numbers, options) = parse(args)?;
    let (issue, only) = match numbers.as_slice() {
        [issue] => (*issue, None),
        [issue, line] => (*issue, Some(*line)),
        _ => bail!("which issue? `cargo xtask {USAGE}`"),
    };
    let lines: Vec<&Line> = LINES
        .iter()
        .filter(|line| line.issue == issue && only.is_none_or(|only| only == line.number))
        .collect();
    if lines.is_empty() {
        bail!("no such line");
    }
    let mut results = Vec::new();
    for line in lines {
        println!("\n== {}.{} {}", line.issue, line.number, line.promise);
        let begun = Instant::now();
        let outcome = match line.how {
            How::Function(show) => show(tree, &options),
            How::Command(command) => shell(tree, command),
        };
        let took = begun.elapsed().as_secs();
        let result = match outcome {
            Ok(()) => format!("shown in {took} s"),
            Err(error) => format!("FAILED in {took} s: {error:#}"),
        };
        println!("== {}.{} {result}", line.issue, line.number);
        results.push((line, result));
    }
    println!();
    for (line, result) in &results {
        println!("{}.{} {result}: {}", line.issue, line.number, line.promise);
    }
    if results
        .iter()
        .any(|(_, result)| !result.starts_with("shown"))
    {
        bail!("not everything is shown");
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<(Vec<u32>, Options)> {
    let mut numbers = Vec::new();
    let mut options = Options {
        loadgen: std::env::var_os("TERNMQ_LOADGEN").map(PathBuf::from),
        before: None,
        repeat: 3,
        seconds: 10,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--loadgen" => options.loadgen = Some(PathBuf::from(value()?)),
            "--before" => options.before = Some(PathBuf::from(value()?)),
            "--repeat" => options.repeat = value()?.parse::<usize>()?.max(1),
            "--seconds" => options.seconds = value()?.parse()?,
            number => numbers.push(number.parse().with_context(|| format!("{number}?"))?),
        }
    }
    Ok((numbers, options))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Parts of the API's tests against the released binary.
fn api(tree: &Tree, args: &[&str]) -> Result<()> {
    let binary = released(tree)?;
    let binary = binary.to_string_lossy();
    let script = ["tests/api/suite.py", "--bin", &*binary];
    tree.run("python3", &[&script, args].concat())
}

/// The load generator for scripts that run in another folder.
fn absolute_loadgen(options: &Options) -> Result<String> {
    let path = std::path::absolute(load::loadgen(options)?)?;
    Ok(path.to_string_lossy().into_owned())
}

/// A line of the dashboard's, in a browser.
fn page(tree: &Tree, line: &str, more: &[&str]) -> Result<()> {
    let binary = released(tree)?;
    let binary = binary.to_string_lossy();
    let show = ["--prefix", "web", "run", "--silent", "show", "--"];
    tree.run("npm", &[&show, &[&*binary, line][..], more].concat())
}

fn shell(tree: &Tree, command: &str) -> Result<()> {
    println!("$ {command}");
    tree.run("sh", &["-c", command])
}
