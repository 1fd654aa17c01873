//! What a store says of itself: identity, shards, epoch, how it was left. Two slots, both written
//! each time and one after the other, so that neither a torn write nor a damaged bit costs it; what
//! is in it can be told from the segments, too, should both be lost.

use std::io;
use std::path::Path;

use super::files::{Files, read_all, write_all};
use super::segment::{Identity, VERSION, VERSION_MIN};

pub(super) const NAME: &str = "MANIFEST";
/// Bounded by what fits into a slot.
pub(super) const SHARDS_MAX: u16 = 128;

const MAGIC: [u8; 8] = *b"TERNSTO\0";
const SLOT: usize = 4096;
const FIXED: usize = 44;

/// How the last process left the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// In order: everything is safe up to the positions noted.
    Closed,
    /// Running, or cut off, while each acknowledgement waited for a sync.
    Syncing,
    /// The same while acknowledgements did not wait.
    Lazy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) identity: Identity,
    pub(super) shards: u16,
    pub(super) epoch: u32,
    pub(super) left: Left,
    /// When it was closed, of the keys and then of each shard: the last position, and the number of
    /// the newest segment that was there.
    pub(super) lasts: Vec<(u64, u64)>,
    /// Grows with each writing.
    pub(super) generation: u64,
}

/// What a manifest file turned out to be.
pub(super) enum Found {
    Nothing,
    Manifest(Manifest),
    /// By another release.
    Version(u16),
    /// No slot is whole.
    Damaged,
}

impl Manifest {
    pub(super) fn new(identity: Identity, shards: u16, epoch: u32) -> Self {
        Self {
            identity,
            shards,
            epoch,
            left: Left::Syncing,
            lasts: Vec::new(),
            generation: 0,
        }
    }

    /// Reads the newest slot, and how many are damaged.
    pub(super) fn read(files: &dyn Files, dir: &Path) -> io::Result<(Found, u32)> {
        let bytes = match files.look(&dir.join(NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Found::Nothing, 0));
            }
            file => read_all(&*file?)?,
        };
        let slots = [0, SLOT].map(|at| bytes.get(at..at + SLOT).map_or(Slot::Damaged, decode));
        let damaged = slots.iter().filter(|slot| matches!(slot, Slot::Damaged));
        let damaged = u32::try_from(damaged.count()).expect("there are two");
        let mut newest = Found::Damaged;
        for slot in slots {
            newest = match (slot, newest) {
                (Slot::Version(version), _) => Found::Version(version),
                (Slot::Manifest(new), Found::Manifest(old)) if old.generation > new.generation => {
                    Found::Manifest(old)
                }
                (Slot::Manifest(new), Found::Damaged | Found::Manifest(_)) => Found::Manifest(new),
                (_, newest) => newest,
            };
        }
        Ok((newest, damaged))
    }

    /// Writes both slots, each safe before the next is touched.
    pub(super) fn write(&mut self, files: &dyn Files, dir: &Path) -> io::Result<()> {
        self.generation += 1;
        let slot = self.encode();
        let path = dir.join(NAME);
        let file = match files.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => files.create(&path)?,
            file => file?,
        };
        for at in [0, SLOT as u64] {
            write_all(&*file, &slot, at)?;
            file.sync()?;
        }
        files.sync_dir(dir)
    }

    fn encode(&self) -> Vec<u8> {
        let mut slot = Vec::with_capacity(SLOT);
        slot.extend(MAGIC);
        slot.extend(VERSION.to_le_bytes());
        slot.extend(self.shards.to_le_bytes());
        slot.extend(self.identity.salt.to_le_bytes());
        slot.extend(self.identity.store.to_le_bytes());
        slot.extend(self.generation.to_le_bytes());
        slot.extend(self.epoch.to_le_bytes());
        let left = match self.left {
            Left::Closed => 0u32,
            Left::Syncing => 1,
            Left::Lazy => 2,
        };
        slot.extend(left.to_le_bytes());
        slot.extend(u32::try_from(self.lasts.len()).unwrap_or(0).to_le_bytes());
        for (last, newest) in &self.lasts {
            slot.extend(last.to_le_bytes());
            slot.extend(newest.to_le_bytes());
        }
        slot.resize(SLOT - 4, 0);
        slot.extend(crc32c::crc32c(&slot).to_le_bytes());
        slot
    }
}

enum Slot {
    Damaged,
    Version(u16),
    Manifest(Manifest),
}

fn decode(slot: &[u8]) -> Slot {
    fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
        *bytes[at..].first_chunk().expect("inside a slot")
    }
    let sum = u32::from_le_bytes(take(slot, SLOT - 4));
    if slot[..8] != MAGIC || sum != crc32c::crc32c(&slot[..SLOT - 4]) {
        return Slot::Damaged;
    }
    let version = u16::from_le_bytes(take(slot, 8));
    if !(VERSION_MIN..=VERSION).contains(&version) {
        return Slot::Version(version);
    }
    let count = u32::from_le_bytes(take(slot, FIXED - 4));
    let lasts = slot[FIXED..SLOT - 4]
        .chunks_exact(16)
        .take(usize::try_from(count).unwrap_or(0))
        .map(|pair| {
            (
                u64::from_le_bytes(take(pair, 0)),
                u64::from_le_bytes(take(pair, 8)),
            )
        });
    Slot::Manifest(Manifest {
        identity: Identity {
            salt: u32::from_le_bytes(take(slot, 12)),
            store: u64::from_le_bytes(take(slot, 16)),
        },
        shards: u16::from_le_bytes(take(slot, 10)),
        generation: u64::from_le_bytes(take(slot, 24)),
        epoch: u32::from_le_bytes(take(slot, 32)),
        left: match u32::from_le_bytes(take(slot, 36)) {
            0 => Left::Closed,
            1 => Left::Syncing,
            _ => Left::Lazy,
        },
        lasts: lasts.collect(),
    })
}
