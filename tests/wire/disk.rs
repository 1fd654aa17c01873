//! A broker on a small disk of its own, to be filled up: a file system in memory that only the broker
//! sees and that goes with it.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use super::{Api, Broker, PASSWORD, fresh_dir};

const DISK: &str = "mount -t tmpfs -o size=";

/// A user of its own may mount what it likes.
const ROOM: [&str; 6] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
];

impl Broker {
    /// A broker whose data directory has so much room, and a session of its administrator. `None`, and
    /// a line that says so, where the system does not let us.
    #[track_caller]
    pub(crate) fn on_small_disk(megabytes: u32, settings: &[&str]) -> Option<(Self, Api)> {
        let dir = fresh_dir();
        std::fs::create_dir_all(&dir).unwrap();
        let mount = format!("{DISK}{megabytes}m tmpfs '{}'", dir.display());
        let [program, args @ ..] = ROOM;
        let tried = Command::new(program).args(args).arg(&mount).output();
        if !tried.is_ok_and(|done| done.status.success()) {
            println!("skipped: a program may not mount a file system of its own here");
            let _ = std::fs::remove_dir(&dir);
            return None;
        }
        let set = format!("TERNMQ_ADMIN_PASSWORD={PASSWORD}");
        let mut prefix = vec!["env".to_owned(), set];
        prefix.extend(ROOM.map(str::to_owned));
        prefix.push(format!("{mount} && exec \"$0\" \"$@\""));
        let mut broker = Self::under(prefix, &dir, settings);
        broker.forget_data();
        let mut api = broker.api();
        api.sign_in("admin", PASSWORD);
        Some((broker, api))
    }

    /// Takes all the room that its disk has left.
    #[track_caller]
    pub(crate) fn fill_disk(&self) -> Ballast {
        let disk = PathBuf::from(format!("/proc/{}/root", self.pid()));
        let dir = self.dir().strip_prefix("/").unwrap();
        let ballast = Ballast(disk.join(dir).join("ballast"));
        let mut file = File::create(&ballast.0).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        ballast
    }
}

/// The room is there again when this is gone.
pub(crate) struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        // It goes with the broker at the latest.
        let _ = std::fs::remove_file(&self.0);
    }
}
