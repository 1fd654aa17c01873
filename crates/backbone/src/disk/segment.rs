//! A segment file: its name and its header, of which there are two copies so that one damaged bit
//! costs nothing. What comes behind is `frame`'s.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{File, Files, read_full, write_all};
use super::frame::{self, Stamp};

/// The format that this release writes, and the oldest and newest that it reads.
pub(super) const VERSION: u16 = 3;
pub(super) const VERSION_MIN: u16 = 3;

/// Where records begin.
pub(super) const DATA: u64 = BOTH as u64;
/// Bytes of both copies of the header.
pub(super) const BOTH: usize = 2 * COPY;

const COPY: usize = 64;
const MAGIC: [u8; 8] = *b"TERNSEG\0";

/// What a segment is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// A shard of the log.
    Log(u16),
    /// The journal of keys.
    Keys,
    /// A checkpoint of keys.
    Checkpoint,
}

/// Which store it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) store: u64,
    pub(super) salt: u32,
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) identity: Identity,
    pub(super) room: Room,
    pub(super) number: u64,
    /// The position of its first record, at least.
    pub(super) first: u64,
    /// The segment before this one; 0 if there is none.
    pub(super) before: u64,
    /// Up to where that one is valid: what a failed sync left is behind that.
    pub(super) before_len: u64,
    pub(super) epoch: u32,
    /// When it was made, in seconds since 1970.
    pub(super) made_secs: u32,
}

/// Why a file is not taken for a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// Neither copy of the header is whole.
    Damaged,
    /// By another release.
    Version(u16),
}

/// An open segment.
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) first: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    pub(super) salt: u32,
}

pub(super) fn name(number: u64) -> String {
    format!("{number:016x}.seg")
}

pub(super) fn checkpoint_name(number: u64) -> String {
    format!("{number:016x}.ckp")
}

/// The number in a name that ends with `.end`.
pub(super) fn number(name: &str, end: &str) -> Option<u64> {
    let digits = name.strip_suffix(end)?.strip_suffix('.')?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// The numbers of the files in a directory that end with `.end`, in order.
pub(super) fn numbers(files: &dyn Files, dir: &Path, end: &str) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<_> = files
        .list(dir)?
        .iter()
        .filter_map(|name| number(name, end))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

impl Header {
    pub(super) fn encode(&self) -> [u8; BOTH] {
        let (room, shard) = match self.room {
            Room::Log(shard) => (1, shard),
            Room::Keys => (2, 0),
            Room::Checkpoint => (3, 0),
        };
        let mut one = Vec::with_capacity(COPY);
        one.extend(MAGIC);
        one.extend(VERSION.to_le_bytes());
        one.extend([room, 0]);
        one.extend(shard.to_le_bytes());
        let back = if self.before == 0 {
            0
        } else {
            self.number - self.before
        };
        one.extend(u16::try_from(back).unwrap_or(0).to_le_bytes());
        one.extend(self.identity.salt.to_le_bytes());
        one.extend(self.identity.store.to_le_bytes());
        one.extend(self.number.to_le_bytes());
        one.extend(self.first.to_le_bytes());
        one.extend(self.before_len.to_le_bytes());
        one.extend(self.epoch.to_le_bytes());
        one.extend(self.made_secs.to_le_bytes());
        one.extend(crc32c::crc32c(&one).to_le_bytes());
        let mut both = [0; BOTH];
        both[..COPY].copy_from_slice(&one);
        both[COPY..].copy_from_slice(&one);
        both
    }

    fn decode(bytes: &[u8]) -> Result<Self, Foreign> {
        fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
            *bytes[at..].first_chunk().expect("inside a header")
        }
        let bytes: &[u8; COPY] = bytes.first_chunk().ok_or(Foreign::Damaged)?;
        let version = u16::from_le_bytes(take(bytes, 8));
        let sum = u32::from_le_bytes(take(bytes, 60));
        if bytes[..8] != MAGIC || sum != crc32c::crc32c(&bytes[..60]) {
            return Err(Foreign::Damaged);
        }
        if !(VERSION_MIN..=VERSION).contains(&version) {
            return Err(Foreign::Version(version));
        }
        let shard = u16::from_le_bytes(take(bytes, 12));
        let back = u64::from(u16::from_le_bytes(take(bytes, 14)));
        let number = u64::from_le_bytes(take(bytes, 28));
        Ok(Self {
            identity: Identity {
                salt: u32::from_le_bytes(take(bytes, 16)),
                store: u64::from_le_bytes(take(bytes, 20)),
            },
            room: match bytes[10] {
                1 => Room::Log(shard),
                2 => Room::Keys,
                3 => Room::Checkpoint,
                _ => return Err(Foreign::Damaged),
            },
            number,
            first: u64::from_le_bytes(take(bytes, 36)),
            before: if back == 0 {
                0
            } else {
                number.saturating_sub(back)
            },
            before_len: u64::from_le_bytes(take(bytes, 44)),
            epoch: u32::from_le_bytes(take(bytes, 52)),
            made_secs: u32::from_le_bytes(take(bytes, 56)),
        })
    }

    /// Reads a header, and whether one of its copies is damaged.
    pub(super) fn read(file: &dyn File) -> io::Result<Result<(Self, bool), Foreign>> {
        let mut both = [0; BOTH];
        let len = read_full(file, &mut both, 0)?;
        let (one, other) = both[..len].split_at(COPY.min(len));
        Ok(match (Self::decode(one), Self::decode(other)) {
            (Ok(header), other) => Ok((header, other != Ok(header))),
            (Err(_), Ok(header)) => Ok((header, true)),
            (Err(Foreign::Version(version)), _) | (_, Err(Foreign::Version(version))) => {
                Err(Foreign::Version(version))
            }
            (Err(foreign), _) => Err(foreign),
        })
    }
}

impl Segment {
    /// Makes a segment with a first record, all of it safe, its name included.
    pub(super) fn create(
        files: &dyn Files,
        dir: &Path,
        header: &Header,
        begin: &[u8],
        sync_dir: bool,
    ) -> io::Result<Self> {
        let path = dir.join(name(header.number));
        let file = files.create(&path)?;
        let made = (|| {
            write_all(&*file, &[&header.encode()[..], begin].concat(), 0)?;
            file.sync()?;
            if sync_dir {
                files.sync_dir(dir)
            } else {
                Ok(())
            }
        })();
        if let Err(error) = made {
            // It is empty, so that it does no harm if it stays.
            let _ = files.remove(&path);
            return Err(error);
        }
        Ok(Self {
            number: header.number,
            first: header.first,
            path,
            file,
            salt: header.identity.salt,
        })
    }

    /// A record's header and body, or `None` if it is damaged.
    pub(super) fn read(&self, offset: u64, guess: usize) -> io::Result<Option<Vec<u8>>> {
        let mut buf = vec![0; guess.max(frame::HEADER)];
        let read = read_full(&*self.file, &mut buf, offset)?;
        buf.truncate(read);
        let Some(head) = frame::Head::decode(&buf, self.salt) else {
            return Ok(None);
        };
        let known = buf.len();
        if known < head.total() {
            if head.total() as u64 + offset > self.file.len()? {
                return Ok(None);
            }
            buf.resize(head.total(), 0);
            let more = read_full(&*self.file, &mut buf[known..], offset + known as u64)?;
            buf.truncate(known + more);
        }
        buf.truncate(head.total());
        let whole = buf.len() == head.total() && head.holds(&buf[frame::HEADER..], self.salt);
        Ok(whole.then_some(buf))
    }
}

impl Header {
    pub(super) fn stamp(&self) -> Stamp {
        Stamp {
            salt: self.identity.salt,
            epoch: self.epoch,
        }
    }
}
