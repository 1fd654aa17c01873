//! Mends a store that nobody has open: what opening mends by itself, and then every file with
//! damaged records is written again without them. The damaged bytes are kept in `quarantine`.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::files::{File, Files, Real, read_full, write_all};
use super::super::frame::{Gap, HEADER, Kind, push, scan};
use super::super::lock;
use super::super::log::Footer;
use super::super::report::{Damage, Harm, OpenError, Recovery};
use super::super::segment::{DATA, Header, Room, numbers};
use super::super::shelf;
use super::super::store::take_lock;
use super::super::{Options, Store};
use crate::Message;

/// What a repair did.
#[derive(Clone, Debug, Default)]
pub struct Repair {
    /// What opening found and mended.
    pub recovery: Recovery,
    /// What is lost: records that were damaged.
    pub lost: Vec<Damage>,
    /// The files that were written again.
    pub rewritten: Vec<PathBuf>,
    /// Where the damaged bytes are now.
    pub kept: Vec<PathBuf>,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.recovery)?;
        for damage in self.recovery.damage.iter().chain(&self.lost) {
            writeln!(f, "{damage}")?;
        }
        for path in &self.rewritten {
            writeln!(f, "written again: {}", path.display())?;
        }
        for path in &self.kept {
            writeln!(f, "damaged bytes kept: {}", path.display())?;
        }
        Ok(())
    }
}

/// Repairs the store in `options.dir`.
///
/// # Errors
/// As opening it.
pub fn repair<M: Message>(options: &Options) -> Result<Repair, OpenError> {
    repair_on::<M>(&(Arc::new(Real) as _), options)
}

pub(in crate::disk) fn repair_on<M: Message>(
    files: &Arc<dyn Files>,
    options: &Options,
) -> Result<Repair, OpenError> {
    let store = Store::<M>::open_on(Arc::clone(files), options)?;
    store.scrub(&|| true);
    let mut repair = Repair {
        recovery: store.recovery().clone(),
        ..Repair::default()
    };
    let found = lock(&store.env.found).list.clone();
    drop(store);
    let held = take_lock(&**files, &options.dir)?;
    let mut paths = BTreeSet::new();
    // Opening has made the indexes again that it missed, but not one that it did not read.
    let unread = found.iter().filter(|damage| damage.what == Harm::Index);
    let damaged = repair.recovery.damage.iter().chain(&found);
    let damaged = damaged.filter(|damage| matches!(damage.what, Harm::Record(_) | Harm::Spare));
    for damage in damaged.chain(unread).filter(|damage| segment(&damage.path)) {
        paths.insert(damage.path.clone());
    }
    for damage in found {
        if !repair.recovery.damage.contains(&damage) {
            repair.lost.push(damage);
        }
    }
    for path in paths {
        if shelf::io(&path, there(&**files, &path))? {
            let written = rewrite(&**files, &options.dir, &path, &mut repair);
            shelf::io(&path, written)?;
            repair.rewritten.push(path);
        }
    }
    drop(held);
    // Makes the indexes of what was written again.
    Store::<M>::open_on(Arc::clone(files), options).map(drop)?;
    Ok(repair)
}

fn segment(path: &Path) -> bool {
    let end = path.extension();
    end.is_some_and(|end| end == "seg" || end == "ckp")
}

fn there(files: &dyn Files, path: &Path) -> io::Result<bool> {
    match files.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        file => file.map(|_| true),
    }
}

/// Writes a file again with its whole records only.
fn rewrite(files: &dyn Files, dir: &Path, path: &Path, repair: &mut Repair) -> io::Result<()> {
    let file = files.open(path)?;
    let Ok((header, _)) = Header::read(&*file)? else {
        return Ok(());
    };
    let new = path.with_extension("new");
    let _ = files.remove(&new);
    let out = files.create(&new)?;
    write_all(&*out, &header.encode(), 0)?;
    let (mut end, mut done, mut failed) = (DATA, false, Ok(()));
    let mut ended = header.room != Room::Checkpoint;
    let salt = header.identity.salt;
    let len = file.len()?;
    // What a failed sync left behind the end would count again, were the file shorter.
    let told = told(files, path, &header)?;
    let to = match Footer::read(&*file, salt)? {
        Some(footer) => footer.end,
        None => told.map_or(len, |to| to.clamp(DATA, len)),
    };
    let mut found = scan(&*file, salt, DATA, to, |offset, head, _| {
        done |= head.kind == Kind::Index;
        ended |= head.kind == Kind::End;
        if failed.is_ok() && !done {
            failed = copy(&*file, offset, head.total(), &*out, end);
            end += head.total() as u64;
        }
    })?;
    failed?;
    if found.end < to && !done {
        found.gaps.push(Gap::at_end(found.end, to));
    }
    let aside = dir.join("quarantine");
    files.make_dir(&aside)?;
    for gap in found.gaps {
        let room = path.parent().and_then(Path::file_name).unwrap_or_default();
        let name = path.file_name().unwrap_or_default();
        let (room, name) = (room.to_string_lossy(), name.to_string_lossy());
        let to = aside.join(format!("{room}-{name}-{}", gap.offset));
        let _ = files.remove(&to);
        let len = usize::try_from(gap.bytes).map_err(io::Error::other)?;
        let kept = files.create(&to)?;
        copy(&*file, gap.offset, len, &*kept, 0)?;
        kept.sync()?;
        repair.kept.push(to);
    }
    // The next file says how long this one is: one that is shorter has lost something.
    let missing = told.and_then(|to| to.checked_sub(end + HEADER as u64));
    // And a checkpoint says it of itself.
    if let Some(missing) = missing.or_else(|| (!ended).then_some(0)) {
        let mut rest = Vec::new();
        push(&mut rest, header.stamp(), Kind::End, 0, |out| {
            out.resize(HEADER + usize::try_from(missing).unwrap_or(0), 0);
        });
        write_all(&*out, &rest, end)?;
    }
    out.sync()?;
    files.sync_dir(&aside)?;
    files.rename(&new, path)?;
    path.parent().map_or(Ok(()), |dir| files.sync_dir(dir))
}

/// Up to where a file is valid, if the one behind it says so.
fn told(files: &dyn Files, path: &Path, header: &Header) -> io::Result<Option<u64>> {
    let (Some(dir), Some(end)) = (path.parent(), path.extension()) else {
        return Ok(None);
    };
    let end = end.to_string_lossy();
    let after = numbers(files, dir, &end)?.into_iter();
    let Some(next) = after.into_iter().find(|&number| number > header.number) else {
        return Ok(None);
    };
    let next = files.open(&dir.join(format!("{next:016x}.{end}")))?;
    let next = Header::read(&*next)?.ok();
    let next = next.filter(|(next, _)| next.before == header.number);
    Ok(next.map(|(next, _)| next.before_len))
}

fn copy(from: &dyn File, offset: u64, len: usize, to: &dyn File, at: u64) -> io::Result<()> {
    let mut buf = vec![0; len];
    let read = read_full(from, &mut buf, offset)?;
    write_all(to, &buf[..read], at)
}
