//! What was found when a store was opened, and what is wrong with it: for the log, the API and the
//! dashboard.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Why a store was not opened. Each says what to do.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "{} is in use by {}: stop that process, or give this one a data directory of its own",
        dir.display(), pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// Who, as far as it could be told.
        pid: Option<u32>,
    },
    /// Written by a release that is newer than this one.
    #[error(
        "{} has format {found}, and this release knows formats up to {known}: start the newer \
         release that wrote it, or export it there and import it here", path.display()
    )]
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The newest that we know.
        known: u16,
    },
    /// Written by a release that is too old.
    #[error(
        "{} has format {found}, and this release reads formats from {known} on: export it with \
         the release that wrote it, and import it here", path.display()
    )]
    Older {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The oldest that we know.
        known: u16,
    },
    /// We may not write there.
    #[error(
        "{} cannot be written ({source}): make it writable for this user, or choose another data \
         directory", path.display()
    )]
    ReadOnly {
        /// What could not be written.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// There is no room to start.
    #[error("{} cannot be written ({source}): make room on that disk", path.display())]
    Full {
        /// What could not be written.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Anything else that the system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// There is something else in that directory.
    #[error("{}: {what}", path.display())]
    Unfit {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl OpenError {
    /// What the system refused, by what its user can do about it.
    pub fn of(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let path = path.into();
        match source.kind() {
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Self::ReadOnly { path, source },
            Kind::StorageFull | Kind::QuotaExceeded => Self::Full { path, source },
            _ => Self::Io { path, source },
        }
    }
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// How much of it.
    pub bytes: u64,
    /// What it was.
    pub what: Harm,
}

/// What was damaged, by what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Harm {
    /// A record, left where it is and passed over. Its position, if that can still be read.
    Record(Option<u64>),
    /// The end of a file whose last write was cut off; cut back to the last whole record.
    TornTail,
    /// A copy of something of which there is another one: nothing is lost.
    Spare,
    /// The index of a segment, made again from its records: nothing is lost.
    Index,
    /// What the store says of itself, made again from the segments: nothing is lost.
    Manifest,
    /// A whole file, moved to `quarantine` under this name.
    File(PathBuf),
    /// Positions that are no longer there although nothing says that they were deleted.
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, bytes, offset) = (self.path.display(), self.bytes, self.offset);
        match &self.what {
            Harm::Record(Some(pos)) => write!(
                f,
                "{path}: record {pos} ({bytes} bytes at {offset}) is damaged and passed over"
            ),
            Harm::Record(None) => write!(
                f,
                "{path}: {bytes} bytes at {offset} are damaged and passed over"
            ),
            Harm::TornTail => write!(
                f,
                "{path}: the last write was cut off; {bytes} bytes at {offset} are dropped"
            ),
            Harm::Spare => write!(
                f,
                "{path}: a spare copy at {offset} is damaged; nothing is lost"
            ),
            Harm::Index => write!(f, "{path}: the index was made again; nothing is lost"),
            Harm::Manifest => write!(f, "{path}: made again from the segments; nothing is lost"),
            Harm::File(to) => write!(
                f,
                "{path}: no file of this store ({bytes} bytes), moved to {}",
                to.display()
            ),
            Harm::Missing { from, to } => write!(f, "{path}: positions {from} to {to} are missing"),
        }
    }
}

/// What opening a store found and did.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// The store's identity, whatever host or directory it is in.
    pub store: u64,
    /// How often it was opened.
    pub epoch: u32,
    /// Whether it was there before.
    pub existed: bool,
    /// Whether it had been closed in order.
    pub closed: bool,
    /// Segments and checkpoints.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, what had to be read.
    pub bytes_read: u64,
    /// Messages in the log.
    pub messages: u64,
    /// Keys.
    pub keys: u64,
    /// QoS 2 identities that are open.
    pub identities: u64,
    /// Bytes at the ends of files that were never acknowledged, cut off.
    pub torn_bytes: u64,
    /// Everything that was not as it was written.
    pub damage: Vec<Damage>,
    /// How long it took.
    pub took: Duration,
}

impl Recovery {
    pub(super) fn torn(&mut self, path: PathBuf, offset: u64, bytes: u64) {
        self.torn_bytes += bytes;
        self.damage.push(Damage {
            path,
            offset,
            bytes,
            what: Harm::TornTail,
        });
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.existed {
            return write!(f, "new store {:016x}", self.store);
        }
        let left = if self.closed { "closed" } else { "cut off" };
        write!(
            f,
            "store {:016x}, {left} before, start {}: {} messages, {} keys and {} open QoS 2 \
             identities in {} files of {} bytes; {} bytes read in {:?}; {} bytes of an unfinished \
             write dropped; {} damaged places",
            self.store,
            self.epoch,
            self.messages,
            self.keys,
            self.identities,
            self.files,
            self.bytes,
            self.bytes_read,
            self.took,
            self.torn_bytes,
            self.damage.len(),
        )
    }
}

/// How far opening has come, for whoever waits in front of a screen.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Files looked at so far.
    pub files: u64,
    /// Bytes read so far.
    pub bytes: u64,
}
