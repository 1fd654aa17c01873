//! Opening and closing a store: lock, manifest, recovery, threads. And what is asked of an open one
//! as a whole.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::cut::Cut;
use super::env::{Env, Indexes};
use super::files::{Files, Real, read_all, write_all};
use super::groups::Groups;
use super::manifest::{self, Found, Left, Manifest};
use super::pool::Pool;
use super::report::{Damage, Harm, OpenError, Recovery};
use super::reserve::Reserve;
use super::segment::{Header, Identity, Room, numbers};
use super::{Durability, Options, Writes, kv, lock, log, now, shelf};
use crate::{Backend, Message, NodeId, memory};

/// What is written at once may go beyond it, so it stays well below 32 bits.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// An open store. Dropping it closes it.
pub struct Store<M: Message> {
    pub(super) env: Arc<Env>,
    pub(super) log: Arc<log::Log<M>>,
    pub(super) kv: Arc<kv::Kv>,
    groups: Arc<Groups<M>>,
    bus: Arc<dyn crate::Bus<M>>,
    parts: Parts<M>,
    manifest: Manifest,
    recovery: Recovery,
    writers: Vec<JoinHandle<Option<(u64, u64)>>>,
    /// Ends with the store.
    _lock: Box<dyn Send + Sync>,
}

/// What closing and cutting needs of each writer.
struct Parts<M: Message> {
    keys: Arc<kv::Keys>,
    shards: Vec<Arc<log::Shard<M>>>,
}

/// How an open store is doing.
#[derive(Clone, Debug)]
pub struct Status {
    /// What opening it found.
    pub recovery: Recovery,
    /// When an append counts as done.
    pub durability: Durability,
    /// What the writer of the keys did.
    pub keys_writes: Writes,
    /// What the writers of the log did, by shard.
    pub log_writes: Vec<Writes>,
    /// Bytes on disk.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Keys.
    pub keys: u64,
    /// Places found damaged since it was opened, and the first of them.
    pub damage_count: u64,
    /// See `damage_count`.
    pub damage: Vec<Damage>,
}

impl<M: Message> Store<M> {
    /// Opens a store, or makes it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Real), options)
    }

    pub(super) fn open_on(files: Arc<dyn Files>, options: &Options) -> Result<Self, OpenError> {
        let begun = now();
        let dir = &options.dir;
        assert!(
            options.segment_bytes <= SEGMENT_BYTES_MAX,
            "places in a segment are of 32 bits"
        );
        shelf::io(dir, shelf::make_dir(&*files, dir))?;
        let held = take_lock(&*files, dir)?;
        // One that was made by hand or by an earlier release. Where it belongs to somebody else its
        // rights are not ours to change.
        let _ = files.seclude(dir);
        let mut recovery = Recovery::default();
        let old = read_manifest(&*files, options, &mut recovery)?;
        let mut manifest = Manifest {
            epoch: old.epoch + 1,
            left: Env::left(options.durability),
            lasts: old.lasts.clone(),
            ..old.clone()
        };
        recovery.store = old.identity.store;
        recovery.epoch = manifest.epoch;
        recovery.closed = old.left == Left::Closed;
        let dirs = (0..old.shards).map(|shard| format!("log-{shard:03}"));
        for name in dirs.chain(["kv".to_owned()]) {
            let path = dir.join(name);
            shelf::io(&path, shelf::make_dir(&*files, &path))?;
            shelf::try_dir(&*files, &path)?;
        }
        let path = dir.join(manifest::NAME);
        shelf::io(&path, manifest.write(&*files, dir))?;
        let thread = |name, count| shelf::io(dir, Pool::new(name, count));
        let reserve = Reserve::open(Arc::clone(&files), dir, options.reserve_bytes);
        let env = Arc::new(Env {
            files,
            dir: dir.clone(),
            identity: manifest.identity,
            epoch: manifest.epoch,
            options: options.clone(),
            readers: thread("store-read", options.readers.max(1))?,
            janitor: thread("store-tidy", 1)?,
            keeper: thread("store-check", 1)?,
            indexes: Indexes::default(),
            reserve,
            removing: std::sync::Mutex::default(),
            found: std::sync::Mutex::default(),
            pace: std::sync::Mutex::default(),
        });
        let (keys, keys_writer) = kv::open(&env, &old, &mut recovery)?;
        let mut writers = vec![shelf::io(
            dir,
            spawn(&env, "store-keys", || keys_writer.run()),
        )?];
        let mut shards = Vec::new();
        for number in 0..old.shards {
            let (shard, writer) = log::open(&env, number, &old, &mut recovery)?;
            shards.push(shard);
            writers.push(shelf::io(dir, spawn(&env, "store-log", || writer.run()))?);
        }
        env.know(&recovery);
        let kv = Arc::new(kv::Kv::new(Arc::clone(&env), Arc::clone(&keys)));
        let log = Arc::new(log::Log::new(Arc::clone(&env), shards.clone()));
        let groups = Groups::open(&env, Arc::clone(&log), Arc::clone(&kv));
        recovery.took = begun.elapsed();
        let node = NodeId(manifest.identity.store);
        Ok(Self {
            env,
            log,
            kv,
            groups: Arc::new(groups),
            bus: memory::Hub::new(&memory::Options::default()).node(node).bus,
            parts: Parts { keys, shards },
            manifest,
            recovery,
            writers,
            _lock: held,
        })
    }

    /// The four interfaces. They may outlive the store: then every call fails.
    pub fn backend(&self) -> Backend<M> {
        Backend {
            bus: Arc::clone(&self.bus),
            log: Arc::clone(&self.log) as _,
            kv: Arc::clone(&self.kv) as _,
            groups: Arc::clone(&self.groups) as _,
        }
    }

    /// The name of this node: as long as its data directory lives, on whatever host.
    pub fn node(&self) -> NodeId {
        NodeId(self.manifest.identity.store)
    }

    /// What opening found.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        let (log_bytes, log_files) = self.log.sizes();
        let (kv_bytes, kv_files, keys) = self.kv.sizes();
        let short = self.env.reserve.is_short();
        let told = |writes: Writes| Writes {
            is_full: writes.is_full || short,
            ..writes
        };
        let found = lock(&self.env.found);
        Status {
            recovery: self.recovery.clone(),
            durability: self.env.options.durability,
            keys_writes: told(self.kv.writes()),
            log_writes: self.log.writes().into_iter().map(told).collect(),
            bytes: log_bytes + kv_bytes,
            files: log_files + kv_files,
            keys,
            damage_count: found.count,
            damage: found.list.clone(),
        }
    }

    /// Reads everything that is complete again and reports what is damaged; blocks meanwhile. Asks
    /// before each file of the log whether to go on.
    pub fn scrub(&self, go_on: &dyn Fn() -> bool) {
        self.kv.scrub();
        self.log.scrub(go_on);
    }

    /// Copies the store as it is at one instant into a directory that is empty or not there, while
    /// it goes on. What was acknowledged before the call is in it. The copy is a store.
    ///
    /// # Errors
    /// Those of the system.
    pub fn backup(&self, to: &Path) -> io::Result<()> {
        let files = &*self.env.files;
        if !files.list(to)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let _held = lock(&self.env.removing);
        let (parts, lasts) = self.cut();
        let mut newest = vec![0; lasts.len()];
        let mut dirs = std::collections::BTreeSet::from([to.to_path_buf()]);
        for (segment, end) in parts {
            let name = segment.path.strip_prefix(&self.env.dir);
            let name = name.map_err(io::Error::other)?;
            let path = to.join(name);
            let dir = path.parent().unwrap_or(to);
            if dirs.insert(dir.to_path_buf()) {
                files.make_dir(dir)?;
            }
            copy(files, &*segment.file, end, &path)?;
            if let Ok((header, _)) = Header::read(&*segment.file)? {
                let room = match header.room {
                    Room::Log(shard) => usize::from(shard) + 1,
                    Room::Keys | Room::Checkpoint => 0,
                };
                newest[room] = newest[room].max(segment.number);
            }
        }
        let mut manifest = Manifest {
            left: Left::Closed,
            lasts: lasts.into_iter().zip(newest).collect(),
            ..self.manifest.clone()
        };
        dirs.iter().try_for_each(|dir| files.sync_dir(dir))?;
        manifest.write(files, to)
    }

    /// Stops all writers at one instant.
    fn cut(&self) -> (super::cut::Parts, Vec<u64>) {
        let cut = Arc::new(Cut::new(1 + self.parts.shards.len()));
        let keys = &self.parts.keys.queue;
        let asked = keys.push(kv::Command::Cut(Arc::clone(&cut))).is_ok();
        assert!(asked, "an open store takes commands");
        for shard in &self.parts.shards {
            let asked = shard.queue.push(log::Command::Cut(Arc::clone(&cut)));
            assert!(asked.is_ok(), "an open store takes commands");
        }
        cut.wait()
    }

    /// Finishes what was asked for, makes it safe whatever the level, and ends all threads. Same
    /// as dropping, for whoever wants to say so.
    pub fn close(self) {}
}

impl<M: Message> Drop for Store<M> {
    fn drop(&mut self) {
        self.parts.keys.queue.close();
        for shard in &self.parts.shards {
            shard.queue.close();
        }
        let ended: Vec<_> = self.writers.drain(..).map(JoinHandle::join).collect();
        self.env.keeper.close();
        self.env.janitor.close();
        self.env.readers.close();
        let lasts: Option<Vec<_>> = ended.into_iter().map(|ended| ended.ok()?).collect();
        // A writer that failed or panicked says nothing of what is safe: the next start looks for
        // itself.
        if let Some(lasts) = lasts {
            self.manifest.left = Left::Closed;
            self.manifest.lasts = lasts;
            if let Err(error) = self.manifest.write(&*self.env.files, &self.env.dir) {
                self.env.alarm(&format!("the manifest: {error}"));
            }
        }
    }
}

/// Starts a writer; a panic in it is told, for nobody would answer any more.
fn spawn<T: Send + 'static>(
    env: &Arc<Env>,
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let env = Arc::clone(env);
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            let name = thread::current().name().unwrap_or_default().to_owned();
            env.fatal(&format!("{name} panicked"));
            resume_unwind(panic)
        })
    })
}

pub(super) fn random_identity() -> Identity {
    let random = || RandomState::new().build_hasher().finish();
    Identity {
        store: random(),
        salt: u32::try_from(random() >> 32).expect("32 bits are left"),
    }
}

/// Takes the lock of a directory, and says there who has it.
pub(super) fn take_lock(files: &dyn Files, dir: &Path) -> Result<Box<dyn Send + Sync>, OpenError> {
    let path = dir.join("LOCK");
    // The owner's number stands in a file of its own: where locks are mandatory nobody could read
    // the locked one.
    let owner = dir.join("OWNER");
    let Some(held) = shelf::io(&path, files.lock(&path))? else {
        let text = files.look(&owner).and_then(|file| read_all(&*file));
        let text = String::from_utf8(text.unwrap_or_default()).unwrap_or_default();
        return Err(OpenError::InUse {
            dir: dir.to_owned(),
            pid: text.trim().parse().ok(),
        });
    };
    let pid = format!("{}\n", std::process::id());
    let file = match files.open(&owner) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => files.create(&owner),
        file => file,
    };
    let noted = file.and_then(|file| {
        file.truncate(0)?;
        write_all(&*file, pid.as_bytes(), 0)
    });
    // Only a person needs it, and there may be no room.
    let _ = noted;
    Ok(held)
}

/// What the store says of itself; made again from the segments if that is lost, made anew if there
/// is nothing.
fn read_manifest(
    files: &dyn Files,
    options: &Options,
    recovery: &mut Recovery,
) -> Result<Manifest, OpenError> {
    let dir = &options.dir;
    let path = dir.join(manifest::NAME);
    let (found, damaged) = shelf::io(&path, Manifest::read(files, dir))?;
    let harm = |what| Damage {
        path: path.clone(),
        offset: 0,
        bytes: 0,
        what,
    };
    let shards = options.shards;
    assert!(
        (1..=manifest::SHARDS_MAX).contains(&shards),
        "{shards} log shards"
    );
    match found {
        Found::Manifest(mut found) => {
            recovery.existed = true;
            // An older copy of it, put back, must not make strangers of the newer segments.
            let newest = from_segments(files, dir, Some(found.identity))?;
            if let Some(newest) = newest.filter(|newest| newest.epoch > found.epoch) {
                (found.epoch, found.left) = (newest.epoch, newest.left);
                recovery.damage.push(harm(Harm::Manifest));
            }
            if damaged > 0 {
                recovery.damage.push(harm(Harm::Spare));
            }
            Ok(found)
        }
        Found::Version(found) => Err(shelf::version(path, found)),
        Found::Nothing | Found::Damaged => {
            if let Some(made) = from_segments(files, dir, None)? {
                recovery.existed = true;
                recovery.damage.push(harm(Harm::Manifest));
                return Ok(made);
            }
            let mut new = Manifest::new(random_identity(), shards, 0);
            new.left = Left::Closed;
            Ok(new)
        }
    }
}

/// What the segments tell of the manifest, if there is one that can be read; only those of one
/// store if that is known.
fn from_segments(
    files: &dyn Files,
    dir: &Path,
    identity: Option<Identity>,
) -> Result<Option<Manifest>, OpenError> {
    let names = shelf::io(dir, files.list(dir))?;
    let logs = names.iter().filter(|name| name.starts_with("log-")).count();
    let mut made: Option<Manifest> = None;
    for name in names {
        let room = dir.join(&name);
        if name != "kv" && !name.starts_with("log-") {
            continue;
        }
        for end in ["seg", "ckp"] {
            for number in shelf::io(&room, numbers(files, &room, end))? {
                let path = room.join(format!("{number:016x}.{end}"));
                let file = shelf::io(&path, files.open(&path))?;
                let Ok((header, _)) = shelf::io(&path, Header::read(&*file))? else {
                    continue;
                };
                if identity.is_some_and(|known| known != header.identity) {
                    continue;
                }
                let shards = u16::try_from(logs).unwrap_or(1).max(1);
                let made = made
                    .get_or_insert_with(|| Manifest::new(header.identity, shards, header.epoch));
                made.epoch = made.epoch.max(header.epoch);
                // How it was left is not known, so the most careful answer.
                made.left = Left::Lazy;
            }
        }
    }
    Ok(made)
}

fn copy(files: &dyn Files, from: &dyn super::files::File, end: u64, to: &Path) -> io::Result<()> {
    let file = files.create(to)?;
    let mut buf = vec![0; 1 << 20];
    let mut at = 0;
    while at < end {
        let len = usize::try_from(end - at)
            .unwrap_or(buf.len())
            .min(buf.len());
        let read = super::files::read_full(from, &mut buf[..len], at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all(&*file, &buf[..read], at)?;
        at += read as u64;
    }
    file.sync()
}
