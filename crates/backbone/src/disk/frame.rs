//! One record in a file, and how a file of them is read although some are damaged. A header with a
//! checksum of its own tells the length even where the body is damaged; both checksums begin with
//! the store's salt, so that bytes inside a payload cannot pass for a record.

use std::io;

use super::files::{File, read_full};

/// Bytes before the body: magic, kind, flags, body length, position, node epoch, checksum of the
/// body, checksum of all that.
pub(super) const HEADER: usize = 28;

const MAGIC: [u8; 2] = [0x51, 0x7e];
/// This record begins a write: all before it was safe when it was written, unless the level is
/// below `sync`.
const FIRST: u8 = 1;
/// A torn write shows as blocks that were never written, which read as zeros.
const SECTOR: u64 = 512;
const CHUNK: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message, with its QoS 2 identity.
    Message,
    /// QoS 2 identities that are over.
    Release,
    /// All QoS 2 identities that are open; begins a segment.
    Identities,
    /// A key's new value.
    Put,
    /// A key that is no more.
    Del,
    /// The topics and places of a sealed segment.
    Index,
    /// The end of a checkpoint; without it there is none.
    End,
}

const KINDS: [Kind; 7] = [
    Kind::Message,
    Kind::Release,
    Kind::Identities,
    Kind::Put,
    Kind::Del,
    Kind::Index,
    Kind::End,
];

/// A record's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// Bytes of the body.
    pub(super) len: usize,
    pub(super) pos: u64,
    first: bool,
    body_sum: u32,
}

/// What goes into a header besides what follows from the body.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) salt: u32,
    pub(super) epoch: u32,
}

impl Head {
    pub(super) fn decode(bytes: &[u8], salt: u32) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().expect("in bounds"));
        if bytes[..2] != MAGIC || word(24) != crc32c::crc32c_append(salt, &bytes[..24]) {
            return None;
        }
        Some(Self {
            kind: *KINDS.get(usize::from(bytes[2]).checked_sub(1)?)?,
            len: usize::try_from(word(4)).ok()?,
            pos: u64::from_le_bytes(*bytes[8..].first_chunk().expect("in bounds")),
            first: bytes[3] & FIRST != 0,
            body_sum: word(20),
        })
    }

    /// Bytes of the whole record.
    pub(super) fn total(&self) -> usize {
        HEADER + self.len
    }

    /// Whether this is the body that was written.
    pub(super) fn holds(&self, body: &[u8], salt: u32) -> bool {
        body.len() == self.len && crc32c::crc32c_append(salt, body) == self.body_sum
    }
}

/// Appends a record whose body `fill` writes. The first one in `out` is marked as the beginning
/// of a write.
pub(super) fn push(
    out: &mut Vec<u8>,
    stamp: Stamp,
    kind: Kind,
    pos: u64,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    let at = out.len();
    out.extend([0; HEADER]);
    fill(out);
    let body_sum = crc32c::crc32c_append(stamp.salt, &out[at + HEADER..]);
    let len = u32::try_from(out.len() - at - HEADER).expect("an MQTT packet is below 256 MiB");
    let number = KINDS.iter().position(|&other| other == kind);
    let number = u8::try_from(number.expect("it is listed") + 1).expect("there are few");
    let head = &mut out[at..at + HEADER];
    head[..2].copy_from_slice(&MAGIC);
    head[2] = number;
    head[3] = if at == 0 { FIRST } else { 0 };
    head[4..8].copy_from_slice(&len.to_le_bytes());
    head[8..16].copy_from_slice(&pos.to_le_bytes());
    head[16..20].copy_from_slice(&stamp.epoch.to_le_bytes());
    head[20..24].copy_from_slice(&body_sum.to_le_bytes());
    let sum = crc32c::crc32c_append(stamp.salt, &head[..24]);
    head[24..28].copy_from_slice(&sum.to_le_bytes());
}

/// Bytes that are no whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// The position, if the header is whole.
    pub(super) pos: Option<u64>,
    /// Whether there are blocks of zeros in it.
    zeros: bool,
}

impl Gap {
    /// Bytes at the end of a file, with no whole record behind them.
    pub(super) fn at_end(offset: u64, to: u64) -> Self {
        Self {
            offset,
            bytes: to - offset,
            pos: None,
            zeros: false,
        }
    }
}

/// What a scan found besides records.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// The end of the last whole record.
    pub(super) end: u64,
    /// Damage with whole records behind it.
    pub(super) gaps: Vec<Gap>,
    /// Set if the last write is torn in its middle: from here on nothing was acknowledged.
    pub(super) torn_at: Option<u64>,
}

/// Reads the records in `from..to` of a file, in order.
pub(super) fn scan(
    file: &dyn File,
    salt: u32,
    from: u64,
    to: u64,
    mut each: impl FnMut(u64, &Head, &[u8]),
) -> io::Result<Scanned> {
    let mut window = Window::new(file, to);
    let (mut at, mut found, mut open) = (from, Scanned::default(), Vec::<Gap>::new());
    // Damage that no later write has followed: it may be the last write, torn.
    let mut unsure = 0;
    found.end = from;
    while at < to {
        let head = window
            .at(at, HEADER)?
            .and_then(|bytes| Head::decode(bytes, salt));
        let Some(head) = head else {
            let next = window.next_record(at + 1, salt)?.unwrap_or(to);
            open.push(window.gap(at, next, None)?);
            at = next;
            continue;
        };
        let end = at + head.total() as u64;
        match window.at(at, head.total())? {
            Some(bytes) if head.holds(&bytes[HEADER..], salt) => {
                found.gaps.append(&mut open);
                if head.first {
                    unsure = found.gaps.len();
                }
                each(at, &head, &bytes[HEADER..]);
                found.end = end;
            }
            Some(_) => open.push(window.gap(at, end, Some(head.pos))?),
            None => open.push(window.gap(at, to, Some(head.pos))?),
        }
        at = end;
    }
    let torn = found.gaps[unsure..].iter().find(|gap| gap.zeros);
    found.torn_at = torn.map(|gap| gap.offset);
    Ok(found)
}

/// A part of a file in memory that moves forward.
struct Window<'a> {
    file: &'a dyn File,
    to: u64,
    start: u64,
    buf: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(file: &'a dyn File, to: u64) -> Self {
        Self {
            file,
            to,
            start: 0,
            buf: Vec::new(),
        }
    }

    /// `len` bytes at `at`, or `None` if they go beyond the end.
    fn at(&mut self, at: u64, len: usize) -> io::Result<Option<&[u8]>> {
        if at + len as u64 > self.to {
            return Ok(None);
        }
        if at < self.start || at + len as u64 > self.start + self.buf.len() as u64 {
            let left = usize::try_from(self.to - at).unwrap_or(usize::MAX);
            self.buf.resize(len.max(CHUNK).min(left), 0);
            self.start = at;
            let read = read_full(self.file, &mut self.buf, at)?;
            self.buf.truncate(read);
        }
        let skip = usize::try_from(at - self.start).expect("inside the window");
        Ok(self.buf.get(skip..skip + len))
    }

    /// The next place where a whole record begins.
    fn next_record(&mut self, from: u64, salt: u32) -> io::Result<Option<u64>> {
        let mut at = from;
        while at + (HEADER as u64) <= self.to {
            let len = usize::try_from(self.to - at).unwrap_or(CHUNK).min(CHUNK);
            let Some(bytes) = self.at(at, len)? else {
                return Ok(None);
            };
            let heads = bytes
                .windows(HEADER)
                .enumerate()
                .filter(|(_, bytes)| bytes[..2] == MAGIC)
                .filter_map(|(skip, bytes)| Some((skip, Head::decode(bytes, salt)?)));
            let heads: Vec<_> = heads.collect();
            for (skip, head) in heads {
                let begin = at + skip as u64;
                let whole = self
                    .at(begin, head.total())?
                    .is_some_and(|bytes| head.holds(&bytes[HEADER..], salt));
                if whole {
                    return Ok(Some(begin));
                }
            }
            // The last bytes may be the beginning of a header.
            at += (len - HEADER + 1) as u64;
        }
        Ok(None)
    }

    fn gap(&mut self, offset: u64, upto: u64, pos: Option<u64>) -> io::Result<Gap> {
        // A block that was not written is zeros behind what stood in it before: all of it, or from
        // where the write began, which is where a record begins. No record begins with zeros.
        let mut zeros = false;
        let mut at = offset;
        let end = upto.div_ceil(SECTOR) * SECTOR;
        while !zeros && at < end.min(self.to) {
            let next = (at / SECTOR + 1) * SECTOR;
            let len = usize::try_from(next.min(self.to) - at).expect("a block is small");
            let block = self.at(at, len)?;
            zeros = block.is_some_and(|bytes| bytes.iter().all(|&byte| byte == 0));
            at = next;
        }
        Ok(Gap {
            offset,
            bytes: upto.min(self.to) - offset,
            pos,
            zeros,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::sim::{Random, Sim};
    use super::super::files::{Files, write_all};
    use super::*;
    use std::path::Path;

    const STAMP: Stamp = Stamp { salt: 77, epoch: 1 };

    /// Two writes of some records each, the second behind `before` bytes.
    fn two_writes(random: &mut Random) -> (Vec<u8>, usize) {
        let mut all = Vec::new();
        let mut second = 0;
        for _ in 0..2 {
            second = all.len();
            let mut write = Vec::new();
            for pos in 0..4 + random.below(20) as u64 {
                let body = vec![b'b'; random.below(400)];
                push(&mut write, STAMP, Kind::Message, pos, |out| {
                    out.extend(body)
                });
            }
            all.extend(write);
        }
        (all, second)
    }

    fn scanned(bytes: &[u8]) -> (Scanned, usize) {
        let sim = Sim::new(0);
        let file = sim.create(Path::new("f")).unwrap();
        write_all(&*file, bytes, 0).unwrap();
        let mut count = 0;
        let found = scan(&*file, STAMP.salt, 0, bytes.len() as u64, |_, _, _| {
            count += 1
        });
        (found.unwrap(), count)
    }

    /// Blocks of the last write that never got to the disk, while later ones did: it is torn where
    /// the first of them begins, also if that one holds the end of the write before.
    #[test]
    fn missing_blocks_of_the_last_write_tear_it() {
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let (mut bytes, second) = two_writes(&mut random);
            let (block, first) = (512, second / 512);
            let missing = first + random.below(bytes.len() / block - first + 1);
            let from = second.max(missing * block);
            let to = bytes.len().min((missing + 1) * block);
            bytes[from..to].fill(0);
            let (found, _) = scanned(&bytes);
            let cut = found.torn_at.unwrap_or(found.end);
            let cut = usize::try_from(cut).unwrap();
            assert!(
                (second..=from).contains(&cut),
                "seed {seed}: {cut} {second} {from}"
            );
        }
    }

    /// A damaged bit in the last write is damage, and the records behind it stay.
    #[test]
    fn a_damaged_bit_tears_nothing() {
        for seed in 0..2_000 {
            let mut random = Random::new(seed);
            let (mut bytes, _) = two_writes(&mut random);
            let (_, count) = scanned(&bytes);
            let bit = random.below(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (found, left) = scanned(&bytes);
            assert_eq!((found.torn_at, left), (None, count - 1), "seed {seed}");
        }
    }
}
