//! A disk that is slow, stands still, fails or is full, while a crowd publishes and bystanders look
//! on; then `kill -9`, a sound disk, and everything acknowledged is there.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::bystander::{Bystanders, Heard};
use crate::crowd::Crowd;
use crate::dial::{PATIENCE, dial};
use crate::dice::Dice;
use crate::image::Image;
use crate::inject::Injection;
use crate::publisher::Pace;
use crate::tally::Tally;
use crate::wire::{Broker, Connect, Kind, Outcome, Publish, V5, fresh_dir};

/// A load that leaves the disk time for its troubles.
const PACE: Pace = Pace {
    messages: 100_000,
    per_sec: 40,
};

/// How long a broker may take to acknowledge again when the disk is well.
/// A write that fails may be one that fills the reserve, of which there is one a second.
const RESUME: Duration = Duration::from_secs(30);

/// What is wrong with the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// Nothing, but its syncs are traced: what that alone costs the bystanders.
    Nothing,
    /// Each sync takes 200 ms longer.
    Slow,
    /// One sync takes this many seconds.
    Stalled(u64),
    /// One sync fails.
    SyncFails,
    /// One write fails.
    WriteFails,
    /// Each write finds no room.
    NoRoom,
    /// The file system really is full.
    Full,
}

impl Trouble {
    fn rules(self, dice: &mut Dice) -> Vec<String> {
        // Not while the crowd arrives.
        let from = dice.of(120..250);
        let rule = match self {
            Self::Nothing => "fdatasync:delay_exit=0".into(),
            Self::Slow => "fdatasync:delay_exit=200000".into(),
            Self::Stalled(secs) => format!("fdatasync:delay_exit={}:when={from}", secs * 1_000_000),
            Self::SyncFails => format!("fdatasync:error=EIO:when={from}"),
            Self::WriteFails => format!("pwrite64:error=EIO:when={from}"),
            Self::NoRoom => format!("pwrite64:error=ENOSPC:when={from}..{}", from + 20),
            Self::Full => return Vec::new(),
        };
        vec![rule]
    }

    /// How long one looks on.
    fn lasts(self) -> Duration {
        match self {
            Self::Stalled(secs) => Duration::from_secs(secs + 1),
            Self::Full => Duration::from_secs(2),
            _ => Duration::from_secs(2),
        }
    }

    /// Messages may be refused, for want of room.
    fn refuses(self) -> bool {
        matches!(self, Self::NoRoom | Self::Full)
    }
}

/// One trouble, once; tells what the bystanders felt.
pub(crate) fn run(trouble: Trouble, seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let image = matches!(trouble, Trouble::Full).then(|| Image::new(64 << 20));
    let folder = Folder(fresh_dir());
    let injection = Injection::new(trouble.rules(&mut dice));
    let mut broker = match &image {
        Some(image) => Broker::on(&image.dir().join("data"), &[]),
        None => Broker::under(injection.prefix(), &folder.0, &[]),
    };
    let mut crowd = Crowd::arrive(broker.tcp, &mut dice);
    crowd.pace = PACE;
    let address = broker.tcp;
    let heard = crowd.load(address, |_, _, _| {
        let bystanders = Bystanders::start(address);
        if let Some(image) = &image {
            let ballast = image.fill(40_000);
            thread::sleep(trouble.lasts());
            std::fs::remove_file(ballast).unwrap();
        } else {
            wait_until(|| injection.hits() > 0 || matches!(trouble, Trouble::Nothing));
            thread::sleep(trouble.lasts());
        }
        let resumed = wait_for_acknowledgement(address);
        let heard = bystanders.stop();
        // The crowd goes on until then, whatever is judged.
        broker.kill();
        assert_eq!(resumed, Ok(()), "{trouble:?}");
        heard
    });
    broker.set_free();
    broker.restart();
    crowd.recover(broker.tcp);
    let mut tally = crowd.count();
    judge(trouble, &heard, &mut tally);
    tally
}

/// From some sync on each one fails: the broker ends, having said why, rather than promise what it
/// cannot keep; on a sound disk it is there again with all that it promised.
pub(crate) fn run_dead(seed: u64) -> Tally {
    let mut dice = Dice::new(seed);
    let folder = Folder(fresh_dir());
    let rule = format!("fdatasync:error=EIO:when={}+", dice.of(120..250));
    let injection = Injection::new(vec![rule]);
    let mut broker = Broker::under(injection.prefix(), &folder.0, &[]);
    let mut crowd = Crowd::arrive(broker.tcp, &mut dice);
    crowd.pace = PACE;
    crowd.load(broker.tcp, |_, _, _| {
        let status = broker.wait(PATIENCE);
        assert!(!status.success(), "ended as if nothing was wrong");
    });
    let why = broker.finds(|line| line.contains("cannot go on"), PATIENCE);
    println!("Dead: {}", why.expect("it says why it ends"));
    broker.set_free();
    broker.restart();
    crowd.recover(broker.tcp);
    crowd.count()
}

/// A folder that is gone when the value is.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn wait_until(so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "the fault did not come");
        // Nobody tells what strace has done.
        thread::sleep(Duration::from_millis(20));
    }
}

/// A message for a session that stays is acknowledged: the disk is in use again, by itself.
fn wait_for_acknowledgement(address: std::net::SocketAddr) -> Result<(), String> {
    let deadline = Instant::now() + RESUME;
    let hello = Connect::new(V5, "resumed");
    let (mut conn, _) = dial(address, &hello).expect("the broker is there");
    loop {
        conn.send(
            &Publish::new("x/0/resumed", "x")
                .qos1(1)
                .retained()
                .bytes(V5),
        );
        let Outcome::Packet(packet) = conn.read_by(deadline) else {
            return Err("nothing is acknowledged any more".into());
        };
        assert_eq!(packet.kind, Kind::PubAck);
        if packet.code < 0x80 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("refused for ever: {packet:?}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn judge(trouble: Trouble, heard: &Heard, tally: &mut Tally) {
    println!("{trouble:?}: {heard}");
    assert_eq!(heard.lost(), 0, "a bystander lost something: {trouble:?}");
    assert!(heard.pings > 0);
    if trouble.refuses() {
        assert!(tally.refused > 0, "nothing was refused: {trouble:?}");
        tally.turned_away += std::mem::take(&mut tally.refused);
    }
}
