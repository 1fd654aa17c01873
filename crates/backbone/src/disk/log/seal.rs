//! A segment that is complete: its footer, which holds the index, and what is done with whole
//! segments: reading the index, looking for damage, removing.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::super::env::Env;
use super::super::files::{File, read_full, write_all};
use super::super::frame::{HEADER, Kind, Scanned, Stamp, push, scan};
use super::super::lock;
use super::super::report::{Damage, Harm};
use super::super::segment::{DATA, Segment};
use super::index::{Growing, Packed, SUMS_BYTES, Sums};
use super::read;
use super::{Shard, State};
use crate::Message;

const MAGIC: [u8; 4] = *b"TERM";
/// Behind the index: sums, where the index begins, magic, checksum.
const TRAILER: usize = SUMS_BYTES + 16;

pub(in crate::disk) struct Sealed {
    pub(in crate::disk) segment: Arc<Segment>,
    pub(super) sums: Sums,
    /// Where the records end.
    pub(super) end: u64,
    /// The file's length; `end` until there is a footer.
    len: AtomicU64,
    /// The index, until it stands in the footer.
    index: Mutex<Option<Arc<Packed>>>,
}

/// The end of a sealed file.
pub(in crate::disk) struct Footer {
    pub(super) sums: Sums,
    /// Where the records end and the index begins.
    pub(in crate::disk) end: u64,
    pub(super) len: u64,
}

impl Footer {
    /// Reads the end of a file, if it is a footer.
    pub(in crate::disk) fn read(file: &dyn File, salt: u32) -> io::Result<Option<Self>> {
        let len = file.len()?;
        let mut trailer = [0; TRAILER];
        let Some(at) = len.checked_sub(TRAILER as u64).filter(|&at| at >= DATA) else {
            return Ok(None);
        };
        read_full(file, &mut trailer, at)?;
        let word = |at: usize| u64::from_le_bytes(*trailer[at..].first_chunk().expect("inside"));
        let sum = crc32c::crc32c_append(salt, &trailer[..TRAILER - 4]).to_le_bytes();
        let end = word(SUMS_BYTES);
        let whole = trailer[TRAILER - 8..TRAILER - 4] == MAGIC
            && trailer[TRAILER - 4..] == sum
            && (DATA..at).contains(&end);
        let sums = Sums::decode(&trailer).filter(|_| whole);
        Ok(sums.map(|sums| Self { sums, end, len }))
    }
}

impl Sealed {
    /// A segment whose footer is to be written.
    pub(super) fn new(segment: Arc<Segment>, end: u64, index: Packed) -> Self {
        Self {
            segment,
            sums: index.sums,
            end,
            len: AtomicU64::new(end),
            index: Mutex::new(Some(Arc::new(index))),
        }
    }

    /// A segment with a footer.
    pub(super) fn with_footer(segment: Arc<Segment>, footer: &Footer) -> Self {
        Self {
            segment,
            sums: footer.sums,
            end: footer.end,
            len: AtomicU64::new(footer.len),
            index: Mutex::new(None),
        }
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.len.load(Relaxed)
    }

    /// For a backup: the records, without the footer.
    pub(super) fn part(&self) -> (Arc<Segment>, u64) {
        (Arc::clone(&self.segment), self.end)
    }

    /// Writes the footer. Without it (there may be no room) the index stays in memory and is made
    /// anew at the next start.
    pub(super) fn write_footer(&self, env: &Env) {
        let Some(index) = lock(&self.index).clone() else {
            return;
        };
        let stamp = Stamp {
            salt: self.segment.salt,
            epoch: env.epoch,
        };
        let mut footer = Vec::new();
        push(&mut footer, stamp, Kind::Index, self.sums.last, |out| {
            index.encode(out);
        });
        let at = footer.len();
        footer.extend(self.sums.encode());
        footer.extend(self.end.to_le_bytes());
        footer.extend(MAGIC);
        let sum = crc32c::crc32c_append(stamp.salt, &footer[at..]);
        footer.extend(sum.to_le_bytes());
        let file = &self.segment.file;
        let written = file
            .truncate(self.end)
            .and_then(|()| write_all(&**file, &footer, self.end))
            .and_then(|()| file.sync());
        if written.is_ok() {
            self.len.store(self.end + footer.len() as u64, Relaxed);
            *lock(&self.index) = None;
            env.indexes.keep(self.segment.path.clone(), index);
        } else {
            // The room that a half-written footer takes may be needed for messages.
            let _ = file.truncate(self.end);
        }
    }

    /// The index: from memory, from the footer, or made anew should that be damaged.
    pub(super) fn index<M: Message>(&self, env: &Env) -> io::Result<Arc<Packed>> {
        if let Some(index) = &*lock(&self.index) {
            return Ok(Arc::clone(index));
        }
        if let Some(index) = env.indexes.known(&self.segment.path) {
            return Ok(index);
        }
        let len = self.disk_bytes() - TRAILER as u64 - self.end;
        let guess = usize::try_from(len).map_err(io::Error::other)?;
        let footer = self.segment.read(self.end, guess)?;
        let index = footer.and_then(|footer| Packed::decode(&footer[HEADER..]));
        let index = match index {
            Some(index) => Arc::new(index),
            None => {
                env.found(Damage {
                    path: self.segment.path.clone(),
                    offset: self.end,
                    bytes: len,
                    what: Harm::Index,
                });
                let (mut index, _) = build::<M>(&self.segment, self.end)?;
                index.sums.newest_secs = self.sums.newest_secs;
                Arc::new(index.pack())
            }
        };
        env.indexes
            .keep(self.segment.path.clone(), Arc::clone(&index));
        Ok(index)
    }

    /// Reads all records again.
    pub(super) fn scrub(&self, env: &Env) {
        let file = &*self.segment.file;
        match scan(file, self.segment.salt, DATA, self.end, |_, _, _| {}) {
            Ok(scanned) => report(&self.segment, &scanned, self.end, |damage| {
                env.found(damage)
            }),
            Err(error) => env.alarm(&format!("{}: {error}", self.segment.path.display())),
        }
        // The length first: it tells of a footer only once that is complete.
        let len = self.disk_bytes() - self.end;
        let guess = usize::try_from(len).unwrap_or_default();
        let unharmed = len == 0
            || matches!(Footer::read(file, self.segment.salt), Ok(Some(_)))
                && matches!(self.segment.read(self.end, guess), Ok(Some(_)));
        if !unharmed {
            env.found(Damage {
                path: self.segment.path.clone(),
                offset: self.end,
                bytes: len,
                what: Harm::Index,
            });
        }
    }

    /// Removes the file. Who reads it has it open.
    pub(super) fn remove(&self, env: &Env) {
        let _held = lock(&env.removing);
        env.indexes.forget(&self.segment.path);
        if let Err(error) = env.files.remove(&self.segment.path) {
            env.alarm(&format!("{}: {error}", self.segment.path.display()));
        }
    }
}

/// Tells of everything in a complete segment that is no whole record.
pub(in crate::disk) fn report(
    segment: &Segment,
    scanned: &Scanned,
    end: u64,
    mut found: impl FnMut(Damage),
) {
    for gap in &scanned.gaps {
        found(Damage {
            path: segment.path.clone(),
            offset: gap.offset,
            bytes: gap.bytes,
            what: Harm::Record(gap.pos),
        });
    }
    if scanned.end < end {
        found(Damage {
            path: segment.path.clone(),
            offset: scanned.end,
            bytes: end - scanned.end,
            what: Harm::Record(None),
        });
    }
}

/// Makes the index of a segment from its records.
pub(super) fn build<M: Message>(segment: &Segment, end: u64) -> io::Result<(Growing, Scanned)> {
    let mut index = Growing::new(segment.first);
    let scanned = scan(
        &*segment.file,
        segment.salt,
        DATA,
        end,
        |offset, head, body| {
            if head.kind == Kind::Message
                && let Some((_, msg)) = read::decode::<M>(body)
                && head.pos > index.sums.last
            {
                index.add(head.pos, offset, msg.topic(), msg.bytes() as u64);
            }
        },
    )?;
    Ok((index, scanned))
}

impl<M: Message> Shard<M> {
    /// Hands what is lost with a segment to whoever counts losses.
    pub(super) fn tell_shed(&self, env: &Env, sealed: &Sealed) {
        let mut sheds = {
            let mut state: std::sync::MutexGuard<'_, State<M>> = lock(&self.state);
            state.sheds.retain(|tap| tap.call(|_| {}));
            state.sheds.clone()
        };
        if sheds.is_empty() {
            return;
        }
        read::each_batch::<M>(env, self.number, sealed, |batch| {
            sheds.retain(|tap| tap.call(|sink| sink(Arc::clone(&batch))));
        });
    }
}
