//! A file system in memory that loses power, runs full, fails and writes short, as hard as a real
//! one may: what was not synced is there, or not, or in parts of a block; a name that was not
//! synced may be gone; after a failed sync nobody knows what is safe.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{File, Files};
use crate::disk::lock;

const BLOCK: usize = 512;

#[derive(Clone)]
pub(in crate::disk) struct Sim(Arc<Mutex<Disk>>);

/// What the disk does wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::disk) struct Faults {
    /// After so many operations the power is off.
    pub(in crate::disk) power: Option<u64>,
    /// Bytes that fit.
    pub(in crate::disk) capacity: Option<usize>,
    /// This write from now on fails after a half; 0 is the next.
    pub(in crate::disk) write: Option<u64>,
    /// This sync from now on fails.
    pub(in crate::disk) sync: Option<u64>,
    /// Whether each later one does, too.
    pub(in crate::disk) forever: bool,
    /// Whether writes are short at random.
    pub(in crate::disk) short: bool,
    /// Whether no file may be made.
    pub(in crate::disk) no_files: bool,
    /// Whether nothing may be changed.
    pub(in crate::disk) read_only: bool,
}

#[derive(Clone, Default)]
struct Disk {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    safe_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that were not synced, in order.
    pending: Vec<(PathBuf, Option<usize>)>,
    locked: BTreeSet<PathBuf>,
    faults: Faults,
    random: Random,
    read: usize,
}

#[derive(Clone, Default)]
struct Node {
    now: Vec<u8>,
    safe: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
enum Pending {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// A small generator; the seed is all that a test needs to be run again.
#[derive(Clone, Default)]
pub(in crate::disk) struct Random(u64);

impl Random {
    pub(in crate::disk) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(in crate::disk) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(in crate::disk) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(in crate::disk) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

impl Sim {
    pub(in crate::disk) fn new(seed: u64) -> Self {
        let disk = Disk {
            random: Random::new(seed),
            ..Disk::default()
        };
        Self(Arc::new(Mutex::new(disk)))
    }

    pub(in crate::disk) fn set(&self, faults: Faults) {
        lock(&self.0).faults = faults;
    }

    /// What another process finds after this one was killed: everything written, and no locks.
    /// None of it is safer than before.
    pub(in crate::disk) fn killed(&self) -> Self {
        let mut disk = lock(&self.0).clone();
        disk.locked.clear();
        disk.faults = Faults::default();
        Self(Arc::new(Mutex::new(disk)))
    }

    /// What the machine finds after the power was off.
    pub(in crate::disk) fn power_cut(&self, seed: u64) -> Self {
        let mut disk = lock(&self.0).clone();
        let mut random = Random::new(seed);
        let mut names = disk.safe_names.clone();
        // A prefix for each directory, as a journal would have it.
        let mut stopped = BTreeSet::new();
        for (path, node) in &disk.pending {
            let dir = path.parent().unwrap().to_path_buf();
            if stopped.contains(&dir) || random.one_in(2) {
                stopped.insert(dir);
                continue;
            }
            match node {
                Some(node) => _ = names.insert(path.clone(), *node),
                None => _ = names.remove(path),
            }
        }
        for node in &mut disk.nodes {
            let mut bytes = node.safe.clone();
            // All, nothing, or some blocks.
            let mode = random.below(3);
            for change in &node.pending {
                match change {
                    Pending::Truncate(len) if mode == 1 || mode == 2 && random.one_in(2) => {
                        bytes.resize(*len, 0);
                    }
                    Pending::Truncate(_) => {}
                    Pending::Write(offset, data) => {
                        write_some(&mut bytes, *offset, data, mode, &mut random);
                    }
                }
            }
            node.now = bytes.clone();
            node.safe = bytes;
            node.pending.clear();
        }
        disk.names = names.clone();
        disk.safe_names = names;
        disk.pending.clear();
        disk.locked.clear();
        disk.faults = Faults::default();
        disk.random = random;
        Self(Arc::new(Mutex::new(disk)))
    }

    /// The files and their contents.
    pub(in crate::disk) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let disk = lock(&self.0);
        let content =
            |(path, node): (&PathBuf, &usize)| (path.clone(), disk.nodes[*node].now.clone());
        disk.names.iter().map(content).collect()
    }

    /// Bytes that were read since it was made.
    pub(in crate::disk) fn bytes_read(&self) -> usize {
        lock(&self.0).read
    }

    /// Changes a file behind the store's back.
    pub(in crate::disk) fn edit(&self, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut disk = lock(&self.0);
        let node = disk.names[path];
        edit(&mut disk.nodes[node].now);
        disk.nodes[node].safe = disk.nodes[node].now.clone();
        disk.nodes[node].pending.clear();
    }
}

fn write_some(bytes: &mut Vec<u8>, offset: usize, data: &[u8], mode: usize, random: &mut Random) {
    let mut at = 0;
    while at < data.len() {
        let end = ((offset + at) / BLOCK + 1) * BLOCK - offset;
        let end = end.min(data.len());
        if mode == 1 || mode == 2 && random.one_in(2) {
            if bytes.len() < offset + end {
                bytes.resize(offset + end, 0);
            }
            bytes[offset + at..offset + end].copy_from_slice(&data[at..end]);
        }
        at = end;
    }
}

impl Disk {
    /// Counts an operation, and fails it if the power is off.
    fn tick(&mut self) -> io::Result<()> {
        if let Some(power) = &mut self.faults.power {
            if *power == 0 {
                return Err(io::Error::other("the power is off"));
            }
            *power -= 1;
        }
        Ok(())
    }

    fn change(&mut self) -> io::Result<()> {
        self.tick()?;
        if self.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }

    fn fails(count: &mut Option<u64>, forever: bool) -> bool {
        match count {
            None => false,
            Some(0) => {
                if !forever {
                    *count = None;
                }
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }

    fn room(&self) -> usize {
        let used: usize = self
            .names
            .values()
            .map(|&node| self.nodes[node].now.len())
            .sum();
        let capacity = self.faults.capacity.unwrap_or(usize::MAX);
        capacity.saturating_sub(used)
    }

    fn name(&mut self, path: &Path, node: Option<usize>) {
        match node {
            Some(node) => _ = self.names.insert(path.to_owned(), node),
            None => _ = self.names.remove(path),
        }
        self.pending.push((path.to_owned(), node));
    }
}

struct Handle {
    disk: Arc<Mutex<Disk>>,
    node: usize,
}

struct Held(Arc<Mutex<Disk>>, PathBuf);

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.0).locked.remove(&self.1);
    }
}

impl Files for Sim {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = lock(&self.0);
        disk.change()?;
        if disk.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if disk.faults.no_files {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if disk.room() == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.nodes.push(Node::default());
        let node = disk.nodes.len() - 1;
        disk.name(path, Some(node));
        Ok(Arc::new(Handle {
            disk: Arc::clone(&self.0),
            node,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = lock(&self.0);
        disk.tick()?;
        let node = *disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Handle {
            disk: Arc::clone(&self.0),
            node,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut disk = lock(&self.0);
        disk.tick()?;
        let below = disk
            .names
            .keys()
            .filter_map(|path| path.strip_prefix(dir).ok());
        let first = |path: &Path| path.iter().next().unwrap().to_str().unwrap().to_owned();
        let names: BTreeSet<_> = below.map(first).collect();
        Ok(names.into_iter().collect())
    }

    fn make_dir(&self, _dir: &Path) -> io::Result<()> {
        lock(&self.0).change()
    }

    fn seclude(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = lock(&self.0);
        disk.change()?;
        if !disk.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.name(path, None);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = lock(&self.0);
        disk.change()?;
        let node = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        // One step: nobody sees both names or none. In the same directory the journal has it so.
        disk.name(to, Some(node));
        disk.name(from, None);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = lock(&self.0);
        disk.change()?;
        let disk = &mut *disk;
        for (path, node) in disk
            .pending
            .extract_if(.., |(path, _)| path.parent() == Some(dir))
        {
            match node {
                Some(node) => _ = disk.safe_names.insert(path, node),
                None => _ = disk.safe_names.remove(&path),
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let mut disk = lock(&self.0);
        disk.change()?;
        let fresh = disk.locked.insert(path.to_owned());
        Ok(fresh.then(|| Box::new(Held(Arc::clone(&self.0), path.to_owned())) as _))
    }
}

impl File for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = lock(&self.disk);
        disk.tick()?;
        let offset = usize::try_from(offset).unwrap();
        let now = &disk.nodes[self.node].now;
        let there = now.get(offset..).unwrap_or_default();
        let len = there.len().min(buf.len());
        buf[..len].copy_from_slice(&there[..len]);
        disk.read += len;
        Ok(len)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut disk = lock(&self.disk);
        disk.change()?;
        let disk = &mut *disk;
        let offset = usize::try_from(offset).unwrap();
        let mut len = buf.len();
        if disk.faults.short && len > 1 && disk.random.one_in(2) {
            len = 1 + disk.random.below(len - 1);
        }
        let grows = (offset + len).saturating_sub(disk.nodes[self.node].now.len());
        let missing = grows.saturating_sub(disk.room());
        if missing >= len {
            return Err(io::ErrorKind::StorageFull.into());
        }
        len -= missing;
        let forever = disk.faults.forever;
        let fails = Disk::fails(&mut disk.faults.write, forever);
        if fails {
            len /= 2;
        }
        let node = &mut disk.nodes[self.node];
        if node.now.len() < offset + len {
            node.now.resize(offset + len, 0);
        }
        node.now[offset..offset + len].copy_from_slice(&buf[..len]);
        node.pending
            .push(Pending::Write(offset, buf[..len].to_vec()));
        if fails {
            return Err(io::Error::other("input/output error"));
        }
        Ok(len)
    }

    fn len(&self) -> io::Result<u64> {
        let mut disk = lock(&self.disk);
        disk.tick()?;
        Ok(disk.nodes[self.node].now.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut disk = lock(&self.disk);
        disk.change()?;
        let len = usize::try_from(len).unwrap();
        let node = &mut disk.nodes[self.node];
        node.now.resize(len, 0);
        node.pending.push(Pending::Truncate(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = lock(&self.disk);
        disk.change()?;
        let disk = &mut *disk;
        let forever = disk.faults.forever;
        let fails = Disk::fails(&mut disk.faults.sync, forever);
        let node = &mut disk.nodes[self.node];
        let pending = std::mem::take(&mut node.pending);
        if fails {
            // The pages count as clean now, and some of them never get to the disk.
            let mut safe = std::mem::take(&mut node.safe);
            for change in pending {
                if let Pending::Write(offset, data) = change {
                    write_some(&mut safe, offset, &data, 2, &mut disk.random);
                }
            }
            disk.nodes[self.node].safe = safe;
            return Err(io::Error::other("input/output error"));
        }
        node.safe = node.now.clone();
        Ok(())
    }
}
