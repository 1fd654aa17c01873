//! What is done to the store of a data directory while no broker has it: check, repair, export,
//! import, backup. What is made anew is made under another name and takes its own when it is
//! complete, so that nothing half done is ever taken for a store.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backbone::disk::{self, Durability, Options, Trouble, tools};

use crate::admin::Keep;
use crate::config::Config;
use crate::control::{self, store::Stored};
use crate::settings::{self, STORE_DIR};

#[cfg(feature = "plant")]
pub use backbone::disk::plant;
pub use disk::tools::{Carried, Check, ImportError, Repair};
pub use disk::{Damage, Harm, OpenError, Progress, Recovery};
pub use engine::restore::Restored;

/// The name of a store that is not complete.
const PARTIAL: &str = "store.partial";

/// The store of a data directory that no broker has.
pub struct Offline(Options);

/// What was copied or exported, and what was found on the way.
#[derive(Debug)]
pub struct Copied {
    pub recovery: Recovery,
    pub messages: u64,
    /// Keys, or their records where there can be several of one.
    pub keys: u64,
    /// What is not as it was written, but for what opening dropped.
    pub damage: Vec<Damage>,
}

/// Why nothing was done.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum StoreError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("there is no store in {}", .0.display())]
    Absent(PathBuf),
    #[error("{} is there already", .0.display())]
    Taken(PathBuf),
    /// Somebody is at it, or was cut off.
    #[error("{} is there: another import or backup is under way or was cut off", .0.display())]
    Unfinished(PathBuf),
    /// The broker is ending.
    #[error("the store is closed")]
    Closed,
    #[error(transparent)]
    Import(ImportError),
    /// The system's word on what is copied, neither the store's side nor the other one's.
    #[error("copying failed: {0}")]
    Copy(io::Error),
}

/// Lets the control plane's records be read and changed in the store that this configuration names, as
/// the broker would find it; one that is not there is made.
///
/// # Errors
/// If it cannot be opened, as while a broker has it.
pub fn edit<T>(
    config: &Config,
    progress: impl Fn(Progress) + Send + Sync + 'static,
    edit: impl FnOnce(&Keep) -> T,
) -> Result<T, OpenError> {
    let store = Arc::new(control::store::open(
        config,
        Arc::new(progress),
        Arc::new(|| {}),
    )?);
    let edited = edit(&Keep::new(store.clone()));
    store.close();
    Ok(edited)
}

impl Offline {
    /// The store that this configuration names. `progress` is called while it is opened.
    pub fn new(config: &Config, progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        let options = settings::store(config);
        Self(Options {
            // People read it in another place than where they typed it.
            dir: std::path::absolute(&options.dir).unwrap_or_else(|_| options.dir.clone()),
            // To look at it or to copy it is no time to make room in it.
            log_shard_bytes_max: u64::MAX,
            log_age_max: None,
            durability: Durability::Sync,
            trouble: Arc::new(|trouble| match trouble {
                Trouble::Failure(what) | Trouble::Fatal(what) => tracing::error!("{what}"),
                _ => {}
            }),
            progress: Arc::new(progress),
            ..options
        })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Reads everything and changes nothing.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn check(&self) -> Result<Check, StoreError> {
        self.must_exist()?;
        Ok(tools::check(self.dir())?)
    }

    /// Moves what is damaged to `quarantine`.
    ///
    /// # Errors
    /// If there is none, or it cannot be opened.
    pub fn repair(&self) -> Result<Repair, StoreError> {
        self.must_exist()?;
        Ok(tools::repair::<Stored>(&self.0)?)
    }

    /// Writes it as one stream that depends on no release's files. Damaged records are passed over.
    ///
    /// # Errors
    /// If there is none, it cannot be opened or read, or the stream not be written.
    pub fn export(&self, out: &mut dyn Write) -> Result<Copied, StoreError> {
        let store = self.open()?;
        // Whoever reads a stream cannot see what is missing from it.
        store.scrub(&|| true);
        let carried = store.export(out).map_err(StoreError::Copy)?;
        let recovery = store.recovery().clone();
        Ok(Copied {
            damage: harmed(&recovery, store.status().damage),
            recovery,
            messages: carried.messages,
            keys: carried.keys,
        })
    }

    /// Makes it from such a stream.
    ///
    /// # Errors
    /// If there is something already, the stream is not whole, or the system refuses.
    pub fn import(&self, input: &mut dyn Read) -> Result<Carried, StoreError> {
        let parent = self.dir().parent().unwrap_or_else(|| Path::new("."));
        make(parent, |partial| {
            let carried = tools::import(partial, input);
            carried.map_err(|error| match error {
                ImportError::Io(error) => refused(partial, error),
                error => StoreError::Import(error),
            })
        })
    }

    /// Copies it into a directory, which is a data directory then, and reads the copy again.
    ///
    /// # Errors
    /// If there is none, it cannot be opened or read, or the copy not be written.
    pub fn backup(&self, to: &Path) -> Result<Copied, StoreError> {
        let to = &std::path::absolute(to).map_err(|error| refused(to, error))?;
        // Opening it leaves a trace, which what is refused should not.
        must_be_vacant(to)?;
        copy(&self.open()?, to)
    }

    fn open(&self) -> Result<disk::Store<Stored>, StoreError> {
        self.must_exist()?;
        Ok(disk::Store::open(&self.0)?)
    }

    fn must_exist(&self) -> Result<(), StoreError> {
        if tools::exists(self.dir())? {
            Ok(())
        } else {
            Err(StoreError::Absent(self.dir().to_owned()))
        }
    }
}

/// Copies an open store as it is at one instant into a directory, and reads the copy again. It may
/// be in use meanwhile.
pub(crate) fn copy(store: &disk::Store<Stored>, to: &Path) -> Result<Copied, StoreError> {
    let to = &std::path::absolute(to).map_err(|error| refused(to, error))?;
    let mut check = make(to, |partial| {
        let copied = store.backup(partial);
        copied.map_err(|error| refused(partial, error))?;
        Ok(tools::check(partial)?)
    })?;
    for damage in &mut check.damage {
        if let Ok(file) = damage.path.strip_prefix(to.join(PARTIAL)) {
            damage.path = to.join(STORE_DIR).join(file);
        }
    }
    Ok(Copied {
        recovery: store.recovery().clone(),
        messages: check.messages,
        keys: check.key_records,
        damage: check.damage,
    })
}

/// Writes a copy of a store as one stream, without the keys of buckets that are not wanted.
pub(crate) fn export_copy(
    config: &Config,
    copy: &Path,
    wanted: &dyn Fn(&str) -> bool,
    out: &mut dyn Write,
) -> Result<(), StoreError> {
    let Offline(options) = Offline::new(config, |_| {});
    let copy = Offline(Options {
        dir: copy.join(STORE_DIR),
        ..options
    });
    let store = copy.open()?;
    let carried = store.export_only(wanted, out).map_err(StoreError::Copy);
    store.close();
    carried.map(drop)
}

/// What was found damaged when it was opened and since then. A write that was cut off is no damage:
/// nobody was told that it was safe.
fn harmed(recovery: &Recovery, since: Vec<Damage>) -> Vec<Damage> {
    let all = recovery.damage.iter().cloned().chain(since);
    all.filter(|damage| damage.what != Harm::TornTail).collect()
}

/// Makes a store in a data directory that has none.
fn make<T>(
    data_dir: &Path,
    fill: impl FnOnce(&Path) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (dir, partial) = (data_dir.join(STORE_DIR), data_dir.join(PARTIAL));
    let refuse = |error| refused(data_dir, error);
    must_be_vacant(data_dir)?;
    private_dir()
        .recursive(true)
        .create(data_dir)
        .map_err(refuse)?;
    match private_dir().create(&partial) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(StoreError::Unfinished(partial));
        }
        made => made.map_err(refuse)?,
    }
    let filled = fill(&partial).and_then(|filled| {
        settle(&partial, &dir).map_err(refuse)?;
        Ok(filled)
    });
    if filled.is_err() {
        // What is left of it is told by the next attempt.
        let _ = fs::remove_dir_all(&partial);
    }
    filled
}

/// Only its owner enters it: messages and secrets are in it.
pub(crate) fn private_dir() -> fs::DirBuilder {
    let builder = fs::DirBuilder::new();
    #[cfg(unix)]
    let builder = {
        let mut builder = builder;
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
    };
    builder
}

fn must_be_vacant(data_dir: &Path) -> Result<(), StoreError> {
    let dir = data_dir.join(STORE_DIR);
    match fs::read_dir(&dir).map(|mut entries| entries.next().is_some()) {
        Ok(false) => Ok(()),
        Ok(true) => Err(StoreError::Taken(dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused(&dir, error)),
    }
}

/// Gives a complete store its name, safely.
fn settle(partial: &Path, dir: &Path) -> io::Result<()> {
    // Not everywhere may a rename replace a directory, even an empty one.
    match fs::remove_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    fs::rename(partial, dir)?;
    // The data directory's own name, too: it may be new.
    let data_dir = std::path::absolute(dir)?;
    data_dir.ancestors().skip(1).take(2).try_for_each(sync_dir)
}

#[cfg(unix)]
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    match fs::File::open(dir) {
        // A directory that we may not read was not made by us.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        dir => dir?.sync_all(),
    }
}

/// NTFS keeps names by its own journal, and a directory cannot be flushed.
#[cfg(not(unix))]
pub(crate) fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

fn refused(path: &Path, error: io::Error) -> StoreError {
    StoreError::Open(OpenError::of(path, error))
}
