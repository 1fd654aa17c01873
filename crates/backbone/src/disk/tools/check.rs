//! Reads every byte of a store that nobody has open, changes nothing, and says what is not as it
//! was written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::files::{File, Files, Real};
use super::super::frame::{Kind, Scanned, scan};
use super::super::log::Footer;
use super::super::manifest::{self, Found, Left, Manifest};
use super::super::report::{Damage, Harm, OpenError};
use super::super::segment::{DATA, Foreign, Header, Identity, Room, numbers};
use super::super::shelf::{io, version};
use super::super::store::take_lock;

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Check {
    /// The store's identity; `None` if its manifest is lost.
    pub store: Option<u64>,
    /// Whether it was closed in order.
    pub closed: bool,
    /// Files.
    pub files: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
    /// Records of keys: the newest, and older ones that a checkpoint has not yet replaced.
    pub key_records: u64,
    /// Everything that is not as it was written.
    pub damage: Vec<Damage>,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = if self.closed { "closed" } else { "cut off" };
        writeln!(
            f,
            "{} files, {} bytes, {left}: {} messages, {} records of keys, {} damaged places",
            self.files,
            self.bytes,
            self.messages,
            self.key_records,
            self.damage.len()
        )?;
        self.damage
            .iter()
            .try_for_each(|damage| writeln!(f, "{damage}"))
    }
}

/// Whether there is a store in a directory, or what is left of one.
///
/// # Errors
/// If the directory cannot be listed.
pub fn exists(dir: &Path) -> Result<bool, OpenError> {
    let names = io(dir, Real.list(dir))?;
    Ok(names
        .iter()
        .any(|name| name == manifest::NAME || is_room(name)))
}

fn is_room(name: &str) -> bool {
    name == "kv" || name.starts_with("log-")
}

/// Checks the store in a directory.
///
/// # Errors
/// If it is in use, of another format, or cannot be read.
pub fn check(dir: &Path) -> Result<Check, OpenError> {
    check_on(&Real, dir)
}

pub(in crate::disk) fn check_on(files: &dyn Files, dir: &Path) -> Result<Check, OpenError> {
    let _held = match take_lock(files, dir) {
        // Who may only look may look.
        Err(OpenError::ReadOnly { .. } | OpenError::Full { .. }) => None,
        held => Some(held?),
    };
    let mut check = Check::default();
    let path = dir.join(manifest::NAME);
    let (found, damaged) = io(&path, Manifest::read(files, dir))?;
    let mut identity = None;
    let harm = match found {
        Found::Manifest(manifest) => {
            check.store = Some(manifest.identity.store);
            check.closed = manifest.left == Left::Closed;
            identity = Some(manifest.identity);
            (damaged > 0).then_some(Harm::Spare)
        }
        Found::Version(found) => return Err(version(path, found)),
        Found::Nothing | Found::Damaged => Some(Harm::Manifest),
    };
    check.tell(&path, 0, 0, harm);
    let mut rooms = io(dir, files.list(dir))?;
    rooms.retain(|name| is_room(name));
    rooms.sort_unstable();
    for name in &rooms {
        let room = dir.join(name);
        for end in ["ckp", "seg"] {
            check_room(files, &room, end, &mut identity, &mut check)?;
        }
    }
    if rooms.is_empty() && check.store.is_none() {
        let what = "there is no store in it";
        return Err(OpenError::Unfit {
            path: dir.to_owned(),
            what,
        });
    }
    Ok(check)
}

/// One file, open.
struct Volume {
    path: PathBuf,
    file: Arc<dyn File>,
    header: Header,
    len: u64,
}

fn check_room(
    files: &dyn Files,
    room: &Path,
    end: &str,
    identity: &mut Option<Identity>,
    check: &mut Check,
) -> Result<(), OpenError> {
    let mut volumes = BTreeMap::new();
    for number in io(room, numbers(files, room, end))? {
        let path = room.join(format!("{number:016x}.{end}"));
        let file = io(&path, files.look(&path))?;
        let len = io(&path, file.len())?;
        check.files += 1;
        check.bytes += len;
        match io(&path, Header::read(&*file))? {
            Ok((header, spare)) => {
                let known = *identity.get_or_insert(header.identity);
                if header.identity != known || header.number != number || len < DATA {
                    check.tell(&path, 0, len, Some(Harm::File(path.clone())));
                    continue;
                }
                check.tell(&path, 0, DATA, spare.then_some(Harm::Spare));
                let volume = Volume {
                    path,
                    file,
                    header,
                    len,
                };
                volumes.insert(number, volume);
            }
            Err(Foreign::Version(found)) => return Err(version(path, found)),
            Err(Foreign::Damaged) => check.tell(&path, 0, len, Some(Harm::File(path.clone()))),
        }
    }
    let list: Vec<_> = volumes.into_values().collect();
    for (n, volume) in list.iter().enumerate() {
        let next = list.get(n + 1);
        if next.is_some_and(|next| next.header.before != volume.header.number) {
            check.tell(
                &volume.path,
                volume.len,
                0,
                Some(Harm::Missing {
                    from: volume.header.number + 1,
                    to: next.map_or(0, |next| next.header.number - 1),
                }),
            );
        }
        check_records(volume, next, check)?;
    }
    Ok(())
}

fn check_records(
    volume: &Volume,
    next: Option<&Volume>,
    check: &mut Check,
) -> Result<(), OpenError> {
    let Volume {
        path,
        file,
        header,
        len,
    } = volume;
    let salt = header.identity.salt;
    let footer = match header.room {
        Room::Log(_) => io(path, Footer::read(&**file, salt))?,
        Room::Keys | Room::Checkpoint => None,
    };
    let told = next.map(|next| next.header.before_len.clamp(DATA, *len));
    if let Some(missing) = next.and_then(|next| next.header.before_len.checked_sub(*len + 1)) {
        check.tell(path, *len, missing + 1, Some(Harm::Record(None)));
    }
    let end = footer.as_ref().map(|footer| footer.end).or(told);
    let (mut index, mut ended) = (None, header.room != Room::Checkpoint);
    let found: Scanned = io(
        path,
        scan(&**file, salt, DATA, *len, |offset, head, _| {
            match head.kind {
                Kind::Message => check.messages += u64::from(end.is_none_or(|end| offset < end)),
                Kind::Put | Kind::Del => check.key_records += 1,
                Kind::Index => index = index.or(Some(offset)),
                Kind::End => ended = true,
                Kind::Release | Kind::Identities => {}
            }
        }),
    )?;
    let records_end = end.or(index).unwrap_or(*len);
    for gap in found.gaps.iter().filter(|gap| gap.offset < records_end) {
        check.tell(path, gap.offset, gap.bytes, Some(Harm::Record(gap.pos)));
    }
    let rest = records_end.saturating_sub(found.end);
    if rest > 0 {
        // Only the newest file may end in a write that was cut off.
        let safe = end.is_some() || check.closed;
        let harm = if safe {
            Harm::Record(None)
        } else {
            Harm::TornTail
        };
        check.tell(path, found.end, rest, Some(harm));
    }
    if !ended && rest == 0 {
        check.tell(path, found.end, 0, Some(Harm::Record(None)));
    }
    let footed = footer.is_some() && index.is_some();
    if matches!(header.room, Room::Log(_)) && records_end < *len && !footed {
        check.tell(path, records_end, len - records_end, Some(Harm::Index));
    }
    Ok(())
}

impl Check {
    fn tell(&mut self, path: &Path, offset: u64, bytes: u64, harm: Option<Harm>) {
        self.damage.extend(harm.map(|what| Damage {
            path: path.to_owned(),
            offset,
            bytes,
            what,
        }));
    }
}
