//! In which order the broker writes and syncs, by its system calls: a file's name is made safe before
//! the file is relied on, a rename too, and each batch is synced before the next is written. An
//! ext4 makes names safe beside what they name, so a power cut does not find this one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::crowd::Crowd;
use crate::dice::Dice;
use crate::inject::Injection;
use crate::tally::Tally;
use crate::trouble::Folder;
use crate::wire::{Broker, fresh_dir};

const CALLS: &str = "openat,rename,renameat,renameat2,fsync,fdatasync,pwrite64";

/// What a file has been through.
#[derive(Default)]
struct Life {
    /// Its name is not safe.
    unnamed: bool,
    synced: u32,
    /// Written since its last sync.
    dirty: bool,
}

/// A crowd at work, kills and starts, all of it watched.
pub(crate) fn run(seed: u64, settings: &[&str]) -> Tally {
    let mut dice = Dice::new(seed);
    let folder = Folder(fresh_dir());
    let watch = Injection::watch(CALLS);
    let mut broker = Broker::under(watch.prefix(), &folder.0, settings);
    let mut crowd = Crowd::arrive(broker.tcp, &mut dice);
    let mut tally = Tally::default();
    for _ in 0..2 {
        crowd.load(broker.tcp, |_, dice, _| {
            std::thread::sleep(dice.millis(300..600));
            broker.kill();
        });
        // A trace is written for each process anew.
        judge(&watch.said(), &mut tally);
        broker.restart();
        crowd.recover(broker.tcp);
    }
    tally.add(&crowd.count());
    tally
}

fn judge(trace: &str, tally: &mut Tally) {
    let mut files: BTreeMap<String, Life> = BTreeMap::new();
    let mut renamed: Vec<String> = Vec::new();
    let mut found = |what: String| {
        tally.careless += 1;
        if tally.careless < 10 {
            println!("{what}");
        }
    };
    for (call, line) in calls(trace) {
        let quoted = |n: usize| {
            line.split('"')
                .nth(2 * n + 1)
                .unwrap_or_default()
                .to_owned()
        };
        match call.as_str() {
            "openat" if line.contains("O_CREAT") && is_kept(&quoted(0)) => {
                let life = Life {
                    unnamed: true,
                    ..Life::default()
                };
                files.insert(quoted(0), life);
            }
            // Made anew at each start.
            "rename" | "renameat" | "renameat2" if quoted(1).ends_with("control.json") => {}
            "rename" | "renameat" | "renameat2" => renamed.push(quoted(1)),
            "fsync" => {
                let dir = opened(&line);
                let inside = |path: &String| Path::new(path).parent() == Some(Path::new(&dir));
                for (_, life) in files.iter_mut().filter(|(path, _)| inside(path)) {
                    life.unnamed = false;
                }
                renamed.retain(|path| !inside(path));
            }
            "pwrite64" => {
                let Some(life) = files.get_mut(&opened(&line)) else {
                    continue;
                };
                // The first sync is that of the header: nobody relies on it yet.
                if life.unnamed && life.synced > 0 {
                    found(format!("written, but its name is not safe: {line}"));
                }
                if life.dirty && life.synced > 0 {
                    found(format!(
                        "written, but what was written before is not synced: {line}"
                    ));
                }
                life.dirty = true;
            }
            "fdatasync" => {
                tally.syncs += 1;
                if let Some(life) = files.get_mut(&opened(&line)) {
                    life.synced += 1;
                    life.dirty = false;
                }
            }
            _ => {}
        }
    }
    for path in renamed {
        found(format!("renamed to {path}, and that is not safe"));
    }
}

/// Files that hold what was acknowledged.
fn is_kept(path: &str) -> bool {
    path.ends_with(".seg") || path.ends_with(".ckp")
}

/// What stands behind the descriptor, as `strace -y` tells.
fn opened(line: &str) -> String {
    let path = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    path.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

/// The calls that succeeded, in the order in which they ended; one that was interrupted by another
/// thread's line is put together.
fn calls(trace: &str) -> Vec<(String, String)> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((thread, text)) = line.split_once(' ') else {
            continue;
        };
        let text = text.trim_start();
        if let Some(start) = text.strip_suffix("<unfinished ...>") {
            begun.insert(thread, start);
            continue;
        }
        let whole = match text.split_once(" resumed>") {
            Some((_, end)) => format!("{}{end}", begun.remove(thread).unwrap_or_default()),
            None => text.to_owned(),
        };
        if let (Some((call, _)), true) = (whole.split_once('('), !whole.contains(" = -1")) {
            calls.push((call.to_owned(), whole.clone()));
        }
    }
    calls
}
