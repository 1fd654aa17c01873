//! Damage to the files of a killed broker: the last record of the log cut at every byte, and single
//! bits turned in the log and elsewhere. The broker starts each time, says what it found, and misses
//! what was hit and nothing else.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::dial::dial;
use crate::dice::Dice;
use crate::tally::Tally;
use crate::wire::{Broker, Conn, Connect, Kind, Outcome, Publish, V5, ack, fresh_dir, subscribe};

/// Messages for a session that is away.
const MESSAGES: u32 = 60;
/// Retained messages, and sessions with a subscription each.
const OTHERS: u32 = 40;
/// Of the journal of keys a damaged bit may cost a block, and the smallest record has so many bytes.
const RECORDS_IN_A_BLOCK: u64 = 4096 / 60;

const PATIENCE: Duration = Duration::from_secs(5);

/// The files of a broker that was killed, and how long the log was before its last message.
pub(crate) struct Specimen {
    dir: PathBuf,
    log: PathBuf,
    before_last: u64,
}

/// What is done to a file.
#[derive(Clone, Debug)]
enum Harm {
    Cut(u64),
    Bit(u64, u8),
}

/// What was missing after the start.
#[derive(Debug)]
struct Missing {
    messages: u64,
    sessions: u64,
    retained: u64,
    told: bool,
}

impl Specimen {
    pub(crate) fn new() -> Self {
        let dir = fresh_dir();
        let mut broker = Broker::on(&dir, &[]);
        let mut conn = connect(broker.tcp, "reader").0;
        conn.subscribe("d/#", 1);
        conn.cut();
        for n in 0..OTHERS {
            let mut conn = connect(broker.tcp, &format!("other-{n}")).0;
            conn.subscribe(&format!("o/{n}"), 1);
            conn.publish(&Publish::new(&format!("r/{n}"), text(n)).qos1(1).retained());
        }
        let mut conn = connect(broker.tcp, "speaker").0;
        for n in 0..MESSAGES - 1 {
            conn.publish(&Publish::new(&format!("d/{n}"), text(n)).qos1(1));
        }
        let log = newest(&dir.join("store/log-000"));
        let len = || fs::metadata(&log).unwrap().len();
        let before_last = len();
        conn.publish(&Publish::new("d/last", text(MESSAGES - 1)).qos1(1));
        assert!(len() > before_last, "the last message is not in {log:?}");
        broker.kill();
        Self {
            log: log.strip_prefix(&dir).unwrap().to_owned(),
            before_last,
            dir,
        }
    }

    /// The last record of the log, cut at every byte, or at this many of them.
    pub(crate) fn torn(&self, cuts: u64, dice: &mut Dice) -> Tally {
        let len = fs::metadata(self.dir.join(&self.log)).unwrap().len();
        let record = self.before_last + 1..len;
        let mut tally = Tally::default();
        let all: Vec<u64> = record.clone().collect();
        let some: Vec<u64> = (0..cuts).map(|_| dice.of(record.clone())).collect();
        for at in if cuts as usize >= all.len() {
            all
        } else {
            some
        } {
            let missing = self.try_out(&self.log, &Harm::Cut(at));
            // A whole record less is the last message, and nobody else notices.
            let fine = missing.messages == 1 && missing.sessions + missing.retained == 0;
            count(&mut tally, fine, missing.told, || {
                format!("cut at {at} of {len}: {missing:?}")
            });
        }
        tally
    }

    /// Single bits of the log.
    pub(crate) fn bits_in_log(&self, flips: u64, dice: &mut Dice) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..flips {
            let harm = self.bit(&self.log, dice);
            let missing = self.try_out(&self.log, &harm);
            let fine = missing.messages <= 1 && missing.sessions + missing.retained == 0;
            count(&mut tally, fine, missing.told, || {
                format!("{harm:?} in {:?}: {missing:?}", self.log)
            });
        }
        tally
    }

    /// Single bits of all other files, of each as often.
    pub(crate) fn bits_elsewhere(&self, flips: u64, dice: &mut Dice) -> Tally {
        let mut tally = Tally::default();
        let mut files = Vec::new();
        walk(&self.dir, &mut |path| {
            let name = path.strip_prefix(&self.dir).unwrap().to_owned();
            // Nothing is kept in these: who has the lock, room to fall back on, and how `ternmq ctl` gets in,
            // which is made anew at each start.
            let kept = !["LOCK", "OWNER", "RESERVE", "control.json"]
                .iter()
                .any(|n| name.ends_with(n));
            if kept && name != self.log {
                files.push(name);
            }
        });
        files.sort();
        for at in 0..flips {
            let file = &files[at as usize % files.len()];
            let harm = self.bit(file, dice);
            let missing = self.try_out(file, &harm);
            let records = missing.sessions + missing.retained;
            // Without its session the reader has nothing to come back to.
            let fine =
                records <= RECORDS_IN_A_BLOCK && (missing.messages == 0 || missing.sessions > 0);
            tally.missing += records;
            count(&mut tally, fine, missing.told, || {
                format!("{harm:?} in {file:?}: {missing:?}")
            });
        }
        tally
    }

    fn bit(&self, file: &Path, dice: &mut Dice) -> Harm {
        let len = fs::metadata(self.dir.join(file)).unwrap().len();
        Harm::Bit(dice.of(0..len), dice.of(0..8) as u8)
    }

    /// A copy with this harm, and a broker on it.
    fn try_out(&self, file: &Path, harm: &Harm) -> Missing {
        let copy = Copy::of(&self.dir);
        let path = copy.0.join(file);
        let mut bytes = fs::read(&path).unwrap();
        match harm {
            Harm::Cut(at) => bytes.truncate(*at as usize),
            Harm::Bit(at, bit) => bytes[*at as usize] ^= 1 << bit,
        }
        fs::write(&path, bytes).unwrap();
        let broker = Broker::on(&copy.0, &[]);
        let (mut reader, connack) = connect(broker.tcp, "reader");
        let mut sessions = u64::from(!connack.session_present);
        let messages = if connack.session_present {
            u64::from(MESSAGES) - read(&mut reader, broker.tcp)
        } else {
            u64::from(MESSAGES)
        };
        for n in 0..OTHERS {
            let (_, connack) = connect(broker.tcp, &format!("other-{n}"));
            sessions += u64::from(!connack.session_present);
        }
        let retained = u64::from(OTHERS) - retained(broker.tcp);
        let told = |line: &str| line.contains("damage") || line.contains("unfinished write");
        Missing {
            messages,
            sessions,
            retained,
            told: broker.finds(told, PATIENCE).is_some(),
        }
    }
}

impl Drop for Specimen {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

struct Copy(PathBuf);

impl Copy {
    fn of(dir: &Path) -> Self {
        let to = fresh_dir();
        walk(dir, &mut |path| {
            let target = to.join(path.strip_prefix(dir).unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(path, target).unwrap();
        });
        Self(to)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn count(tally: &mut Tally, fine: bool, told: bool, what: impl Fn() -> String) {
    tally.harms += 1;
    tally.lost_beside += u64::from(!fine);
    tally.untold += u64::from(!told);
    if !fine || !told {
        println!("{}", what());
    }
}

fn walk(dir: &Path, each: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, each);
        } else {
            each(&path);
        }
    }
}

fn newest(dir: &Path) -> PathBuf {
    let mut files = Vec::new();
    walk(dir, &mut |path| files.push(path.to_owned()));
    files.into_iter().max().expect("the log has a file")
}

fn text(n: u32) -> String {
    format!("{n} {}", "payload ".repeat(8))
}

fn connect(address: SocketAddr, id: &str) -> (Conn, crate::wire::Packet) {
    let hello = Connect::new(V5, id).persistent(3600);
    dial(address, &hello).expect("the broker is there")
}

/// How many different messages the reader gets, before one that is published now.
fn read(reader: &mut Conn, address: SocketAddr) -> u64 {
    let (mut fence, _) = connect(address, "fence");
    fence.publish(&Publish::new("d/fence", "fence").qos1(1));
    let mut seen = std::collections::BTreeSet::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Outcome::Packet(packet) = reader.read_by(deadline) else {
            return seen.len() as u64;
        };
        let got = packet.publish.expect("a PUBLISH");
        if got.topic == "d/fence" {
            return seen.len() as u64;
        }
        reader.send(&ack(0x40, got.id));
        let number: u32 = got.text().split(' ').next().unwrap().parse().unwrap();
        assert_eq!(got.text(), text(number), "a damaged message was delivered");
        seen.insert(number);
    }
}

/// How many retained messages are there.
fn retained(address: SocketAddr) -> u64 {
    let (mut conn, _) = dial(address, &Connect::new(V5, "looker")).expect("the broker is there");
    conn.publish(&Publish::new("fence", "fence").qos1(1).retained());
    conn.send(&subscribe(V5, 1, &[("r/#", 0)]));
    let mut seen = 0;
    let mut asked = false;
    // A value may be missing: so the end is a quiet moment, and then the fence.
    loop {
        let wait = if asked {
            PATIENCE
        } else {
            Duration::from_millis(100)
        };
        match conn.read_by(Instant::now() + wait) {
            Outcome::Packet(packet) => match packet.publish {
                Some(got) if got.topic == "fence" => return seen,
                Some(_) => {
                    seen += 1;
                    if seen == u64::from(OTHERS) {
                        return seen;
                    }
                }
                None => assert_eq!(packet.kind, Kind::SubAck),
            },
            _ if !asked => {
                asked = true;
                conn.send(&subscribe(V5, 2, &[("fence", 0)]));
            }
            _ => panic!("the fence did not come"),
        }
    }
}
