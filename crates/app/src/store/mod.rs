//! `ternmq store ...`: looks at, mends, carries and copies the store of a data directory that no
//! broker has. Ends with 0 if all is well, 1 if it was done and something is damaged, 2 if not done.

pub(crate) mod report;
mod text;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use broker::config::Config;
use broker::marks::Mark;
use broker::store::{Harm, Offline, StoreError};

use crate::cli::Options;
use crate::log;
use crate::text::Text;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Check,
    Repair,
    /// The file; `-` is standard output.
    Export(PathBuf),
    /// The file; `-` is standard input.
    Import(PathBuf),
    Backup(PathBuf),
}

/// Exit code of what was done although something is damaged.
const DAMAGED: u8 = 1;

/// Carries it out. An error is one line for people, and nothing was done.
pub(crate) fn run(command: &Command, options: &Options, text: Text) -> Result<ExitCode, String> {
    let (_, loaded) = crate::load(options).map_err(|error| error.line(text.lang()))?;
    let _log =
        log::to_standard_error(&loaded.config.log).map_err(|error| text.no_log(None, &error))?;
    let store = Offline::new(&loaded.config, report::progress(text));
    let makes_one = matches!(command, Command::Export(_) | Command::Backup(_));
    let done = match command {
        Command::Check => check(&store, text),
        Command::Repair => repair(&store, text),
        Command::Export(file) => export(&store, file, text),
        Command::Import(file) => import(&store, &loaded.config, file, text),
        Command::Backup(to) => backup(&store, to, text),
    };
    let (lines, whole) = done?;
    if makes_one && let Err(error) = Mark::LastBackup.set(&loaded.config.node.data_dir) {
        // The backup is there; that its age is told wrongly is no failure.
        tracing::warn!("that a backup was made is not remembered: {error}");
    }
    // Standard output may be the export itself.
    if *command == Command::Export("-".into()) {
        let _ = io::stderr().write_all(lines.as_bytes());
    } else {
        let _ = io::stdout().write_all(lines.as_bytes());
    }
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        DAMAGED.into()
    })
}

/// What to tell, and whether nothing is damaged.
type Told = Result<(String, bool), String>;

fn check(store: &Offline, text: Text) -> Told {
    let check = store
        .check()
        .map_err(|error| text.store_error(&error, None))?;
    // A write that was cut off was never told to anybody as safe.
    let torn = |harm: &Harm| *harm == Harm::TornTail;
    let damaged: Vec<_> = check.damage.iter().filter(|d| !torn(&d.what)).collect();
    let bytes = damaged.iter().map(|damage| damage.bytes).sum();
    let mut lines = text.checked(&absolute(store.dir()), &check);
    lines += &text.damaged(damaged.len(), bytes);
    lines += &report::places(&check.damage, text);
    if !damaged.is_empty() {
        lines += text.repair_next();
    }
    Ok((lines, damaged.is_empty()))
}

/// Mending is what was asked for, so that something was damaged is no failure.
fn repair(store: &Offline, text: Text) -> Told {
    let repair = store
        .repair()
        .map_err(|error| text.store_error(&error, None))?;
    let mut all = repair.recovery.damage.clone();
    all.extend(repair.lost.iter().cloned());
    let mut lines = report::opened(&repair.recovery, &absolute(store.dir()), None, text);
    lines += &text.repaired(all.len());
    lines += &report::places(&all, text);
    for path in &repair.rewritten {
        lines += &text.rewritten(&path.display().to_string());
    }
    for path in &repair.kept {
        lines += &text.quarantined(&path.display().to_string());
    }
    Ok((lines, true))
}

fn export(store: &Offline, file: &Path, text: Text) -> Told {
    let name = file.display().to_string();
    let to_file = file != Path::new("-");
    let explain = |error| text.store_error(&error, Some(&name));
    let copied = if to_file {
        let out = create(file).map_err(|error| text.not_created(&name, &error))?;
        let copied = write_out(store, out);
        if copied.is_err() {
            // Half an export is of no use, and is in the way of the next attempt.
            let _ = fs::remove_file(file);
        }
        copied
    } else {
        store.export(&mut BufWriter::new(io::stdout().lock()))
    };
    let copied = copied.map_err(explain)?;
    let mut lines = report::opened(&copied.recovery, &absolute(store.dir()), None, text);
    lines += &text.exported(copied.messages, copied.keys, &name);
    Ok(with_damage(lines, &copied.damage, text))
}

/// The whole stream, safe on the disk.
fn write_out(store: &Offline, out: File) -> Result<broker::store::Copied, StoreError> {
    let mut out = BufWriter::new(out);
    let copied = store.export(&mut out)?;
    let file = out
        .into_inner()
        .map_err(|error| StoreError::Copy(error.into_error()))?;
    file.sync_all().map_err(StoreError::Copy)?;
    Ok(copied)
}

/// A new file that only its owner reads: messages are in it.
fn create(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

fn import(store: &Offline, config: &Config, file: &Path, text: Text) -> Told {
    let name = file.display().to_string();
    let mut input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(file).map_err(|error| text.not_opened(&name, &error))?;
        Box::new(BufReader::new(file))
    };
    let carried = store
        .import(&mut input)
        .map_err(|error| text.store_error(&error, Some(&name)))?;
    let mut lines = text.imported(carried.messages, carried.keys, &absolute(store.dir()));
    lines += &text.start_next(&config.node.data_dir.display().to_string());
    Ok((lines, true))
}

fn backup(store: &Offline, to: &Path, text: Text) -> Told {
    let copied = store
        .backup(to)
        .map_err(|error| text.store_error(&error, Some(&to.display().to_string())))?;
    let mut lines = report::opened(&copied.recovery, &absolute(store.dir()), None, text);
    lines += &text.backed_up(copied.messages, copied.keys, &absolute(to));
    let (mut lines, whole) = with_damage(lines, &copied.damage, text);
    lines += &text.start_next(&to.display().to_string());
    Ok((lines, whole))
}

fn with_damage(mut lines: String, damage: &[broker::store::Damage], text: Text) -> (String, bool) {
    if !damage.is_empty() {
        let bytes = damage.iter().map(|damage| damage.bytes).sum();
        lines += &text.damaged(damage.len(), bytes);
        lines += &report::places(damage, text);
        lines += text.repair_next();
    }
    (lines, damage.is_empty())
}

/// Without the "./" that a default brings along.
fn absolute(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let path: PathBuf = path.components().collect();
    path.display().to_string()
}
