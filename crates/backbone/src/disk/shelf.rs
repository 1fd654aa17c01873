//! The segments of one directory at the start, in order. What is none of this store's is moved to
//! `quarantine`, what a crash left of a segment that was being made is removed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::env::Env;
use super::files::{File, Files, read_full};
use super::frame::HEADER;
use super::manifest::Left;
use super::report::{Damage, Harm, OpenError, Recovery};
use super::segment::{
    BOTH, DATA, Foreign, Header, Room, Segment, VERSION, VERSION_MIN, checkpoint_name, name,
    numbers,
};

/// One segment.
pub(super) struct Book {
    pub(super) segment: Arc<Segment>,
    /// Up to where it is valid.
    pub(super) to: u64,
    /// The file's length.
    pub(super) len: u64,
    /// Whether the one before it is not there although it was not the first.
    pub(super) missing_before: bool,
}

pub(super) struct Books {
    pub(super) list: Vec<Book>,
    /// The highest number that was used.
    pub(super) highest: u64,
    /// Whether a file had to be put aside.
    pub(super) lost: bool,
}

/// A file that was looked at.
enum Look {
    Ours(Header),
    Torn,
    Foreign,
}

pub(super) fn io<T>(path: &Path, result: io::Result<T>) -> Result<T, OpenError> {
    result.map_err(|error| OpenError::of(path, error))
}

/// The error for a format that we do not read.
pub(super) fn version(path: PathBuf, found: u16) -> OpenError {
    if found > VERSION {
        OpenError::Newer {
            path,
            found,
            known: VERSION,
        }
    } else {
        OpenError::Older {
            path,
            found,
            known: VERSION_MIN,
        }
    }
}

/// Opens the segments of a directory, or its checkpoints.
pub(super) fn read(
    env: &Env,
    dir: &Path,
    room: Room,
    recovery: &mut Recovery,
) -> Result<Books, OpenError> {
    let end = if room == Room::Checkpoint {
        "ckp"
    } else {
        "seg"
    };
    let found = io(dir, numbers(&*env.files, dir, end))?;
    let mut books = Books {
        list: Vec::new(),
        highest: found.last().copied().unwrap_or(0),
        lost: false,
    };
    let mut headers: Vec<Header> = Vec::new();
    for number in found {
        let path = dir.join(match room {
            Room::Checkpoint => checkpoint_name(number),
            _ => name(number),
        });
        let file = io(&path, env.files.open(&path))?;
        let len = io(&path, file.len())?;
        match look(env, &path, &*file, room, number, recovery)? {
            Look::Ours(header) => {
                recovery.files += 1;
                env.looked();
                headers.push(header);
                books.list.push(Book {
                    segment: Arc::new(Segment {
                        number,
                        first: header.first,
                        path,
                        file,
                        salt: header.identity.salt,
                    }),
                    to: len,
                    len,
                    missing_before: false,
                });
            }
            Look::Torn => {
                io(&path, env.files.remove(&path))?;
                recovery.torn(path, 0, len);
            }
            Look::Foreign => {
                quarantine(env, &path, len, recovery)?;
                books.lost = true;
            }
        }
    }
    for (n, header) in headers.iter().enumerate().skip(1) {
        let before = &mut books.list[n - 1];
        if header.before == before.segment.number {
            if header.before_len > before.len {
                recovery.damage.push(Damage {
                    path: before.segment.path.clone(),
                    offset: before.len,
                    bytes: header.before_len - before.len,
                    what: Harm::Record(None),
                });
            }
            before.to = header.before_len.clamp(DATA, before.to);
        } else {
            books.list[n].missing_before = true;
        }
    }
    Ok(books)
}

fn look(
    env: &Env,
    path: &Path,
    file: &dyn File,
    room: Room,
    number: u64,
    recovery: &mut Recovery,
) -> Result<Look, OpenError> {
    // Making a segment writes more than that at once, and nothing else makes it shorter.
    if io(path, file.len())? < DATA {
        return Ok(Look::Torn);
    }
    match io(path, Header::read(file))? {
        Ok((header, spare_damaged)) => {
            let ours = header.identity == env.identity
                && header.room == room
                && header.number == number
                && header.epoch < env.epoch;
            if spare_damaged && ours {
                recovery.damage.push(Damage {
                    path: path.to_owned(),
                    offset: 0,
                    bytes: DATA,
                    what: Harm::Spare,
                });
            }
            Ok(if ours {
                Look::Ours(header)
            } else {
                Look::Foreign
            })
        }
        Err(Foreign::Version(found)) => Err(version(path.to_owned(), found)),
        Err(Foreign::Damaged) => {
            let mut begin = [0; BOTH];
            io(path, read_full(file, &mut begin, 0))?;
            // The header is the first to be written, and is inside one block.
            Ok(if begin.iter().all(|&byte| byte == 0) {
                Look::Torn
            } else {
                Look::Foreign
            })
        }
    }
}

/// Moves a file out of the way, where a person can look at it.
pub(super) fn quarantine(
    env: &Env,
    path: &Path,
    len: u64,
    recovery: &mut Recovery,
) -> Result<(), OpenError> {
    let aside = env.dir.join("quarantine");
    let part = |path: Option<&std::ffi::OsStr>| {
        path.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let room = part(path.parent().and_then(Path::file_name));
    let to = aside.join(format!("{}-{room}-{}", env.epoch, part(path.file_name())));
    io(&aside, env.files.make_dir(&aside))?;
    io(path, env.files.rename(path, &to))?;
    io(&aside, env.files.sync_dir(&aside))?;
    recovery.damage.push(Damage {
        path: path.to_owned(),
        offset: 0,
        bytes: len,
        what: Harm::File(to),
    });
    Ok(())
}

/// Makes what the newest segment holds safe. If only the process ended, its last write may not have
/// been synced, and is shown from now on: others rely on it, and on its position.
pub(super) fn make_safe(segment: &Segment) -> Result<(), OpenError> {
    io(&segment.path, segment.file.sync())
}

/// Makes a directory, and its name safe.
pub(super) fn make_dir(files: &dyn Files, dir: &Path) -> io::Result<()> {
    // With something in it it was made safe, and we may not be allowed to open what it is in.
    if !files.list(dir)?.is_empty() {
        return Ok(());
    }
    files.make_dir(dir)?;
    let parent = dir.parent();
    parent.map_or(Ok(()), |parent| files.sync_dir(parent))
}

/// Sees whether files can be made in a directory: at the start, where somebody looks, and not with
/// the first message.
pub(super) fn try_dir(files: &dyn Files, dir: &Path) -> Result<(), OpenError> {
    let path = dir.join("TRIAL");
    let made = files.create(&path).map(drop);
    let refused = made.map_err(|error| OpenError::of(dir, error)).err();
    let _ = files.remove(&path);
    match refused {
        Some(refused @ OpenError::ReadOnly { .. }) => Err(refused),
        // It may be full, or the last start was cut off just here.
        _ => Ok(()),
    }
}

/// Positions that are passed over where it is not known how many were given.
const LEAP: u64 = 1 << 24;

/// What is known of the positions that were given.
pub(super) struct Given {
    /// The last one that is there.
    pub(super) last: u64,
    /// Bytes that were cut off.
    pub(super) torn: u64,
    /// Whether a file or the list of identities was lost.
    pub(super) unsure: bool,
}

impl Given {
    /// The first position that nobody was ever self.
    pub(super) fn next_position(
        &self,
        dir: &Path,
        noted: Option<&(u64, u64)>,
        highest: u64,
        left: Left,
        recovery: &mut Recovery,
    ) -> u64 {
        let &(noted, newest) = noted.unwrap_or(&(0, 0));
        let missing = left == Left::Closed && newest > highest;
        if missing {
            recovery.damage.push(Damage {
                path: dir.to_path_buf(),
                offset: 0,
                bytes: 0,
                what: Harm::Missing {
                    from: self.last + 1,
                    to: noted,
                },
            });
        }
        // Each record that was cut off may have been seen, if it was damaged and not torn.
        let cut = self.torn.div_ceil(HEADER as u64);
        let leap = left == Left::Lazy || self.unsure || missing;
        self.last.max(noted) + 1 + if leap { LEAP } else { cut }
    }
}
