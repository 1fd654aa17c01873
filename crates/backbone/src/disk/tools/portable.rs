//! A store as one stream of bytes that depends on nothing of how a release lays out its files:
//! keys, messages with their positions (cursors refer to them), open identities. A stream that
//! ends early is refused.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::super::files::{Files, Real};
use super::super::frame::{Kind, Stamp, push};
use super::super::journal::Journal;
use super::super::log::{take_text, text};
use super::super::manifest::{Left, Manifest};
use super::super::segment::{Identity, Room};
use super::super::shelf::make_dir;
use super::super::store::random_identity;
use super::super::{Durability, Store, kv};
use crate::{Error, Message};

const BEGIN: &[u8] = b"TERNMQ STORE EXPORT 1\n";
/// Bytes of one entry: an MQTT packet and what belongs to it.
const ENTRY_MAX: usize = 512 << 20;
const BATCH_BYTES: usize = 1 << 20;
/// What is only checked is read in pieces.
const CHUNK_BYTES: usize = 64 << 10;
const LEAP_MAX: u64 = 4_096;

/// What was carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Keys.
    pub keys: u64,
    /// Messages.
    pub messages: u64,
    /// Open QoS 2 identities.
    pub identities: u64,
}

/// Why an import failed. The directory is then to be removed.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum ImportError {
    /// There is something in the directory.
    #[error("the directory is not empty: import into a new one")]
    NotEmpty,
    /// The stream is not an export, or by a release of another format.
    #[error("this is no export of a store that this release can read")]
    Foreign,
    /// The stream is damaged or ends early.
    #[error("the export is damaged or not complete after {0} entries: export it again")]
    Damaged(u64),
    /// The system's word.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The kinds of entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Shards = 1,
    Identity = 2,
    Message = 3,
    Key = 4,
    End = 5,
}

const ENTRIES: [Entry; 5] = [
    Entry::Shards,
    Entry::Identity,
    Entry::Message,
    Entry::Key,
    Entry::End,
];

impl<M: Message> Store<M> {
    /// Writes the store as one stream. While it is in use, keys come before messages, so that no
    /// cursor points beyond the log; for one instant of all use [`Store::backup`].
    ///
    /// # Errors
    /// Those of the stream, and of reading.
    pub fn export(&self, out: &mut dyn Write) -> io::Result<Carried> {
        self.export_only(&|_| true, out)
    }

    /// The same without the keys of buckets that are not wanted.
    ///
    /// # Errors
    /// As above.
    pub fn export_only(
        &self,
        wanted: &dyn Fn(&str) -> bool,
        out: &mut dyn Write,
    ) -> io::Result<Carried> {
        let mut carried = Carried::default();
        out.write_all(BEGIN)?;
        for bucket in self.kv.buckets().into_iter().filter(|name| wanted(name)) {
            self.kv.each_now(&bucket, |key, value| {
                let mut body = Vec::new();
                kv::encode(&bucket, key, &value.bytes, &mut body);
                carried.keys += 1;
                write(out, Entry::Key, &body)
            })?;
        }
        let shards = self.log.counted();
        let mut body = shards.to_le_bytes().to_vec();
        for shard in 0..shards {
            body.extend(self.log.last(shard).to_le_bytes());
        }
        write(out, Entry::Shards, &body)?;
        for shard in 0..shards {
            let open = self.log.open_now(shard);
            for (id, pos) in &open {
                let mut body = shard.to_le_bytes().to_vec();
                body.extend(pos.seq.to_le_bytes());
                body.extend(&**id);
                carried.identities += 1;
                write(out, Entry::Identity, &body)?;
            }
            self.log.each_raw(shard, |seq, message| {
                let mut body = shard.to_le_bytes().to_vec();
                body.extend(seq.to_le_bytes());
                body.extend(message);
                carried.messages += 1;
                write(out, Entry::Message, &body)
            })?;
        }
        write(
            out,
            Entry::End,
            &(carried.keys + carried.messages).to_le_bytes(),
        )?;
        out.flush()?;
        Ok(carried)
    }
}

fn write(out: &mut dyn Write, entry: Entry, body: &[u8]) -> io::Result<()> {
    let len = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut head = vec![entry as u8];
    head.extend(len.to_le_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c(&head), body);
    head.extend(sum.to_le_bytes());
    out.write_all(&head)?;
    out.write_all(body)
}

/// What stands before an entry.
struct Head {
    entry: Entry,
    len: usize,
    /// Of kind and length alone, and of all.
    begun: u32,
    sum: u32,
}

impl Head {
    fn read(input: &mut dyn Read) -> io::Result<Option<Self>> {
        let mut head = [0; 9];
        input.read_exact(&mut head)?;
        let word = |at: usize| u32::from_le_bytes(*head[at..].first_chunk().expect("inside"));
        let len = usize::try_from(word(1)).map_err(io::Error::other)?;
        let entry = ENTRIES.into_iter().find(|&entry| entry as u8 == head[0]);
        Ok(entry.filter(|_| len <= ENTRY_MAX).map(|entry| Self {
            entry,
            len,
            begun: crc32c::crc32c(&head[..5]),
            sum: word(5),
        }))
    }

    fn body(&self, input: &mut dyn Read) -> io::Result<Option<Vec<u8>>> {
        let mut body = Vec::new();
        input.take(self.len as u64).read_to_end(&mut body)?;
        let sum = crc32c::crc32c_append(self.begun, &body);
        Ok((body.len() == self.len && sum == self.sum).then_some(body))
    }

    /// Reads past the body, and says whether it is whole.
    fn skip(&self, input: &mut dyn Read) -> io::Result<bool> {
        let (mut left, mut sum) = (self.len, self.begun);
        let mut chunk = vec![0; CHUNK_BYTES.min(left)];
        while left > 0 {
            let chunk = &mut chunk[..CHUNK_BYTES.min(left)];
            input.read_exact(chunk)?;
            sum = crc32c::crc32c_append(sum, chunk);
            left -= chunk.len();
        }
        Ok(sum == self.sum)
    }
}

fn read(input: &mut dyn Read) -> io::Result<Option<(Entry, Vec<u8>)>> {
    let Some(head) = Head::read(input)? else {
        return Ok(None);
    };
    Ok(head.body(input)?.map(|body| (head.entry, body)))
}

fn begin(input: &mut dyn Read) -> Result<(), ImportError> {
    let mut begin = [0; BEGIN.len()];
    let read = input.read_exact(&mut begin);
    match read.map_err(|_| ImportError::Foreign) {
        Ok(()) if begin == BEGIN => Ok(()),
        _ => Err(ImportError::Foreign),
    }
}

/// So many bytes tell whether something is an export.
pub const BEGIN_BYTES: usize = BEGIN.len();

/// Whether these first bytes can be those of an export.
#[must_use]
pub fn may_begin(bytes: &[u8]) -> bool {
    let len = bytes.len().min(BEGIN.len());
    bytes[..len] == BEGIN[..len]
}

/// Reads an export to its end and makes nothing of it: bucket, key and value of each key are shown,
/// everything else is only checked. Holds one key in memory at a time.
///
/// # Errors
/// See [`ImportError`]; a key of more than `key_bytes_max` counts as damage.
pub fn look_through(
    input: &mut dyn Read,
    key_bytes_max: usize,
    mut seen: impl FnMut(&str, &[u8], &[u8]),
) -> Result<Carried, ImportError> {
    begin(input)?;
    let mut carried = Carried::default();
    let mut count = 0;
    loop {
        let damaged = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ImportError::Damaged(count),
            _ => ImportError::Io(error),
        };
        let head = Head::read(input).map_err(damaged)?;
        let head = head.ok_or(ImportError::Damaged(count))?;
        let whole = match head.entry {
            Entry::Key if head.len > key_bytes_max => false,
            Entry::Key => {
                let body = head.body(input).map_err(damaged)?;
                let key = body.as_deref().and_then(kv::decode);
                carried.keys += 1;
                key.is_some_and(|(bucket, key, value)| {
                    seen(bucket, key, value);
                    true
                })
            }
            Entry::End => {
                let body = head.body(input).map_err(damaged)?.unwrap_or_default();
                let told = body.first_chunk().map(|told| u64::from_le_bytes(*told));
                let is_end = input.read(&mut [0])? == 0;
                if told == Some(carried.keys + carried.messages) && is_end {
                    return Ok(carried);
                }
                false
            }
            Entry::Message => {
                carried.messages += 1;
                head.skip(input).map_err(damaged)?
            }
            Entry::Identity => {
                carried.identities += 1;
                head.skip(input).map_err(damaged)?
            }
            Entry::Shards => head.skip(input).map_err(damaged)?,
        };
        if !whole {
            return Err(ImportError::Damaged(count));
        }
        count += 1;
    }
}

/// Makes a store from an export, in a directory that is empty or not there. It has an identity of
/// its own.
///
/// # Errors
/// See [`ImportError`].
pub fn import(dir: &Path, input: &mut dyn Read) -> Result<Carried, ImportError> {
    import_on(&(Arc::new(Real) as _), dir, input)
}

pub(in crate::disk) fn import_on(
    files: &Arc<dyn Files>,
    dir: &Path,
    input: &mut dyn Read,
) -> Result<Carried, ImportError> {
    if !files.list(dir)?.is_empty() {
        return Err(ImportError::NotEmpty);
    }
    begin(input)?;
    make_dir(&**files, dir)?;
    let mut importer = Importer {
        files: Arc::clone(files),
        dir: dir.to_owned(),
        identity: random_identity(),
        keys: None,
        shards: Vec::new(),
        lasts: Vec::new(),
    };
    let mut carried = Carried::default();
    let mut count = 0;
    loop {
        let entry = match read(input) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            entry => entry?,
        };
        let (entry, body) = entry.ok_or(ImportError::Damaged(count))?;
        let taken = match entry {
            Entry::Key => importer.key(&body)?.inspect(|()| carried.keys += 1),
            Entry::Shards => importer.shards(&body)?,
            Entry::Identity => importer.open(&body).inspect(|()| carried.identities += 1),
            Entry::Message => importer.message(&body)?.inspect(|()| carried.messages += 1),
            Entry::End => {
                let told = body.first_chunk().map(|told| u64::from_le_bytes(*told));
                if told != Some(carried.keys + carried.messages) {
                    return Err(ImportError::Damaged(count));
                }
                importer.finish()?;
                return Ok(carried);
            }
        };
        taken.ok_or(ImportError::Damaged(count))?;
        count += 1;
    }
}

struct Importer {
    files: Arc<dyn Files>,
    dir: std::path::PathBuf,
    identity: Identity,
    keys: Option<Part>,
    shards: Vec<Part>,
    /// The last position of each shard.
    lasts: Vec<u64>,
}

/// One journal that is being filled.
struct Part {
    journal: Journal,
    batch: Vec<u8>,
    first: u64,
    last: u64,
    open: Vec<(Vec<u8>, u64)>,
}

impl Importer {
    fn part(&self, name: &str, room: Room) -> io::Result<Part> {
        let dir = self.dir.join(name);
        make_dir(&*self.files, &dir)?;
        let files = Arc::clone(&self.files);
        Ok(Part {
            journal: Journal::new(files, dir, room, self.identity, 1, Durability::Os),
            batch: Vec::new(),
            first: 1,
            last: 0,
            open: Vec::new(),
        })
    }

    fn key(&mut self, body: &[u8]) -> io::Result<Option<()>> {
        let mut part = match self.keys.take() {
            Some(part) => part,
            None => self.part("kv", Room::Keys)?,
        };
        // Read once, so that what is no key is not taken in.
        let whole = kv::decode(body).is_some();
        if whole {
            let pos = part.last + 1;
            part.add(pos, Kind::Put, |out| out.extend(body))?;
        }
        self.keys = Some(part);
        Ok(whole.then_some(()))
    }

    fn shards(&mut self, body: &[u8]) -> io::Result<Option<()>> {
        let Some((count, lasts)) = body.split_first_chunk() else {
            return Ok(None);
        };
        let count = u16::from_le_bytes(*count);
        for shard in 0..count {
            let part = self.part(&format!("log-{shard:03}"), Room::Log(shard))?;
            self.shards.push(part);
        }
        let lasts = lasts.chunks_exact(8);
        let lasts = lasts.map(|last| u64::from_le_bytes(*last.first_chunk().expect("8 bytes")));
        self.lasts = lasts.collect();
        Ok((self.lasts.len() == self.shards.len()).then_some(()))
    }

    fn open(&mut self, body: &[u8]) -> Option<()> {
        let (part, seq, id) = self.place(body)?;
        part.open.push((id.to_vec(), seq));
        Some(())
    }

    fn message(&mut self, body: &[u8]) -> io::Result<Option<()>> {
        let Some((part, seq, message)) = self.place(body) else {
            return Ok(None);
        };
        // An identity that is still open stands in the list with which the segment begins.
        let Some((_, message)) = take_text(message).filter(|_| seq > part.last) else {
            return Ok(None);
        };
        part.add(seq, Kind::Message, |out| {
            text(&[], out);
            out.extend(message);
        })?;
        Ok(Some(()))
    }

    fn place<'a>(&mut self, body: &'a [u8]) -> Option<(&mut Part, u64, &'a [u8])> {
        let (shard, rest) = body.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        let shard = usize::from(u16::from_le_bytes(*shard));
        let part = self.shards.get_mut(shard)?;
        Some((part, u64::from_le_bytes(*seq), rest))
    }

    fn finish(mut self) -> io::Result<()> {
        let mut lasts = Vec::new();
        let keys = match self.keys.take() {
            Some(part) => part,
            None => self.part("kv", Room::Keys)?,
        };
        lasts.push(keys.finish()?);
        for (part, last) in std::mem::take(&mut self.shards)
            .into_iter()
            .zip(&self.lasts)
        {
            let (there, newest) = part.finish()?;
            lasts.push((there.max(*last), newest));
        }
        let shards = u16::try_from(lasts.len() - 1).map_err(io::Error::other)?;
        let mut manifest = Manifest::new(self.identity, shards, 1);
        manifest.left = Left::Closed;
        manifest.lasts = lasts;
        manifest.write(&*self.files, &self.dir)
    }
}

impl Part {
    fn add(&mut self, pos: u64, kind: Kind, fill: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        // A segment's index has a place for each position, so a leap begins another segment.
        if pos - self.last > LEAP_MAX {
            if !self.batch.is_empty() {
                self.commit()?;
            }
            self.journal.sync_rest();
            self.journal.retire();
        }
        if self.batch.is_empty() {
            self.first = pos;
        }
        push(&mut self.batch, self.journal.stamp(), kind, pos, fill);
        self.last = pos;
        if self.batch.len() >= BATCH_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        let (first, open) = (self.first, &self.open);
        let of_log = matches!(self.journal.room, Room::Log(_));
        let begin = |stamp: Stamp, out: &mut Vec<u8>| {
            if of_log {
                push(out, stamp, Kind::Identities, first - 1, |out| {
                    for (id, seq) in open {
                        text(id, out);
                        out.extend(seq.to_le_bytes());
                    }
                });
            }
        };
        match self.journal.write(&self.batch, first, &begin) {
            Ok(_) => {
                self.batch.clear();
                Ok(())
            }
            Err(Error::Full(why)) => Err(io::Error::new(io::ErrorKind::StorageFull, &*why)),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Makes all safe, and gives the last position and the newest segment.
    fn finish(mut self) -> io::Result<(u64, u64)> {
        if !self.batch.is_empty() || !self.open.is_empty() {
            if self.batch.is_empty() {
                self.first = self.last + 1;
            }
            self.commit()?;
        }
        if let Some(active) = &self.journal.active {
            active.segment.file.sync()?;
        }
        self.journal.retire();
        Ok((self.last, self.journal.before))
    }
}
