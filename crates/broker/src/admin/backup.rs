//! Backups of the store while it is in use: made at one instant, listed, taken in, and given back to the
//! running broker as far as that can be. They are one stream, not an archive: there are no names in them
//! to write to, nothing unpacks, and what is not whole is refused before anything of it is used.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use backbone::disk::tools::{self, ImportError};
use tokio::sync::{mpsc, oneshot};

use super::{Admin, Gone};
use crate::{
    machine,
    marks::Mark,
    store::{self, StoreError},
};

/// Where they are in the data directory.
const DIR: &str = "backups";
/// A copy of the store from which one is made.
const WORK: &str = ".copy";
/// A backup that is not complete.
const PARTIAL: &str = ".partial";
/// Files of this kind.
const EXTENSION: &str = "export";
pub(super) const NAME_BYTES_MAX: usize = 128;
/// Backups that are kept; whoever wants another one deletes one.
const BACKUPS_MAX: usize = 100;
/// What is left free on the disk: a part of it, and on a large one no more than this.
const RESERVE_PARTS: u64 = 20;
const RESERVE_MAX: u64 = 1 << 30;
/// Between two looks at the disk.
const LOOK_EVERY_BYTES: u64 = 8 << 20;
/// Pieces of a backup that come in faster than the disk takes them.
const PIECES_MAX: usize = 4;
/// One key: a retained message of the largest size that MQTT allows, and what belongs to it.
pub(super) const KEY_BYTES_MAX: usize = 257 << 20;

/// A backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub name: String,
    pub bytes: u64,
    /// Since 1970.
    pub created_millis: u64,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    #[error("another backup is being made, taken in or given back; wait for that")]
    Busy,
    #[error(
        "{0:?} is no name of a backup: letters, digits, '.', '_' and '-', none of the signs first, at \
         most {NAME_BYTES_MAX}"
    )]
    Name(String),
    #[error("there is no backup {0}")]
    Unknown(String),
    #[error("there is a backup {0} already, or one that differs in capitals only")]
    Taken(String),
    #[error("there are {BACKUPS_MAX} backups; delete one")]
    TooMany,
    #[error(
        "the disk would be left with less than 1 GB free, or a twentieth of it if that is less; make room"
    )]
    Full,
    /// It is no export, not whole, or cannot be read.
    #[error("{0}")]
    Unusable(#[from] ImportError),
    #[error("it was cut off before its end")]
    CutOff,
    #[error("the store could not take all of it: nothing was changed; make room and try again")]
    NotKept,
    /// What it has cannot be used by this release, or here.
    #[error("{0}")]
    Unfit(String),
    #[error(transparent)]
    Keep(#[from] super::KeepError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{DIR}: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// Whether somebody is at the backups.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<AtomicBool>);

/// Held by who is.
pub(super) struct Turn(Arc<AtomicBool>);

impl Desk {
    pub(super) fn take(&self) -> Result<Turn, BackupError> {
        if self.0.swap(true, Ordering::AcqRel) {
            return Err(BackupError::Busy);
        }
        Ok(Turn(self.0.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Does something that may take minutes on a thread of its own: the one that asks serves others.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let (answer, answered) = oneshot::channel();
    let thread = thread::Builder::new().name("backup".to_owned());
    thread.spawn(move || {
        // Who asked may have gone.
        let _ = answer.send(work());
    })?;
    answered.await.map_err(|_| Gone)?
}

/// A plain name: no way into another directory, no hidden file, none that some system takes for a
/// device.
pub(super) fn check(name: &str) -> Result<(), BackupError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let begins = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    if begins && name.len() <= NAME_BYTES_MAX && name.bytes().all(plain) && !name.ends_with('.') {
        return Ok(());
    }
    Err(BackupError::Name(name.chars().take(80).collect()))
}

/// The backups in a directory, the newest first.
fn list(dir: &Path) -> io::Result<Vec<Backup>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // Of the entry itself: what a link leads to is not ours.
        let told = entry.metadata()?;
        if check(&name).is_ok() && told.is_file() {
            all.push(of(name, &told));
        }
    }
    all.sort_by(|a, b| (b.created_millis, &b.name).cmp(&(a.created_millis, &a.name)));
    Ok(all)
}

fn of(name: String, told: &fs::Metadata) -> Backup {
    let since = told
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    Backup {
        name,
        bytes: told.len(),
        created_millis: since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0)),
    }
}

/// A directory for this user only: what is in it may hold everything.
fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn has_room(dir: &Path) -> Result<(), BackupError> {
    has_room_for(dir, 0)
}

fn has_room_for(dir: &Path, bytes: u64) -> Result<(), BackupError> {
    let Some(disk) = machine::disk(dir) else {
        return Ok(());
    };
    let reserve = (disk.total / RESERVE_PARTS).min(RESERVE_MAX);
    if disk.free.saturating_sub(bytes) < reserve {
        return Err(BackupError::Full);
    }
    Ok(())
}

/// A file that takes its name when it is complete; dropped before, it is removed.
struct Draft {
    dir: PathBuf,
    name: String,
    file: BufWriter<File>,
    unseen: u64,
    kept: bool,
}

impl Draft {
    fn begin(dir: &Path, name: &str) -> Result<Self, BackupError> {
        make_dir(dir)?;
        has_room(dir)?;
        let all = list(dir)?;
        if all.len() >= BACKUPS_MAX {
            return Err(BackupError::TooMany);
        }
        if all.iter().any(|b| b.name.eq_ignore_ascii_case(name)) {
            return Err(BackupError::Taken(name.to_owned()));
        }
        // Only who has the turn writes here, so what is there was cut off.
        let mut options = File::options();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self {
            file: BufWriter::new(options.open(dir.join(PARTIAL))?),
            dir: dir.to_owned(),
            name: name.to_owned(),
            unseen: 0,
            kept: false,
        })
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.unseen += bytes.len() as u64;
        if self.unseen >= LOOK_EVERY_BYTES {
            self.unseen = 0;
            has_room(&self.dir)?;
        }
        Ok(self.file.write_all(bytes)?)
    }

    /// Reads what was written, and gives it its name if it is whole.
    fn keep(mut self) -> Result<Backup, BackupError> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        let partial = self.dir.join(PARTIAL);
        let mut input = BufReader::new(File::open(&partial)?);
        tools::look_through(&mut input, KEY_BYTES_MAX, |_, _, _| {})?;
        let path = self.dir.join(&self.name);
        fs::rename(&partial, &path)?;
        self.kept = true;
        #[cfg(unix)]
        File::open(&self.dir)?.sync_all()?;
        Ok(of(self.name.clone(), &fs::metadata(&path)?))
    }
}

impl io::Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes).map_err(|error| match error {
            BackupError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::StorageFull, other.to_string()),
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // What is left is overwritten by the next.
            let _ = fs::remove_file(self.dir.join(PARTIAL));
        }
    }
}

/// `2026-01-01-12-34-56.789` in UTC, from milliseconds since 1970.
fn stamp(millis: u64) -> String {
    let (secs, part) = (millis / 1000, millis % 1000);
    let (days, of_day) = (secs / 86_400, secs % 86_400);
    // Years of 365.2425 days, counted from a March, so that a leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}-{hour:02}-{minute:02}-{second:02}.{part:03}")
}

/// A backup on its way in.
pub struct Incoming {
    name: String,
    dir: PathBuf,
    turn: Option<Turn>,
    /// The first bytes, until it is known what they begin.
    head: Vec<u8>,
    writing: Option<(mpsc::Sender<Piece>, Answer)>,
}

/// What becomes of it.
type Answer = oneshot::Receiver<Result<Backup, BackupError>>;

enum Piece {
    Bytes(Vec<u8>),
    End,
}

impl Incoming {
    /// The next piece. Nothing is written before it is known that the first bytes begin an export.
    ///
    /// # Errors
    /// If they do not, or the disk takes no more.
    pub async fn add(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let Some((pieces, _)) = &self.writing else {
            self.head.extend_from_slice(bytes);
            if !tools::may_begin(&self.head) {
                return Err(ImportError::Foreign.into());
            }
            if self.head.len() < tools::BEGIN_BYTES {
                return Ok(());
            }
            return self.begin().await;
        };
        if pieces.send(Piece::Bytes(bytes.to_vec())).await.is_err() {
            return Err(self.ended().await);
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<(), BackupError> {
        let (pieces, mut incoming) = mpsc::channel(PIECES_MAX);
        let (answer, answered) = oneshot::channel();
        let (dir, name, turn) = (self.dir.clone(), self.name.clone(), self.turn.take());
        let thread = thread::Builder::new().name("backup".to_owned());
        thread.spawn(move || {
            // Given back before the answer: whoever has that may begin the next.
            let write = || {
                let _turn = turn;
                let mut draft = Draft::begin(&dir, &name)?;
                while let Some(piece) = incoming.blocking_recv() {
                    match piece {
                        Piece::Bytes(bytes) => draft.add(&bytes)?,
                        Piece::End => return draft.keep(),
                    }
                }
                Err(BackupError::CutOff)
            };
            // Who sent it may have gone.
            let _ = answer.send(write());
        })?;
        let head = Piece::Bytes(std::mem::take(&mut self.head));
        let taken = pieces.send(head).await;
        self.writing = Some((pieces, answered));
        match taken {
            Ok(()) => Ok(()),
            Err(_) => Err(self.ended().await),
        }
    }

    /// Why nothing more is taken.
    async fn ended(&mut self) -> BackupError {
        let Some((_, answered)) = self.writing.take() else {
            return BackupError::CutOff;
        };
        match answered.await {
            Ok(Err(error)) => error,
            _ => Gone.into(),
        }
    }

    /// It was the last piece. What came is read through, and kept if it is whole.
    ///
    /// # Errors
    /// If it is not, or the disk does not take it.
    pub async fn end(mut self) -> Result<Backup, BackupError> {
        let Some((pieces, answered)) = self.writing.take() else {
            return Err(ImportError::Foreign.into());
        };
        // If nobody takes it, the answer says why.
        let _ = pieces.send(Piece::End).await;
        answered.await.map_err(|_| Gone)?
    }
}

/// How the names of backups begin that were made here.
const MADE_HERE: &str = "ternmq-export-";
/// In the names of those that have passwords and keys.
const SECRET_MARK: &str = "-secrets";

impl Admin {
    pub(super) fn backup_dir(&self) -> PathBuf {
        self.data_dir().join(DIR)
    }

    /// The backups that there are, the newest first.
    ///
    /// # Errors
    /// If they cannot be looked at.
    pub fn backups(&self) -> Result<Vec<Backup>, BackupError> {
        Ok(list(&self.backup_dir())?)
    }

    /// Makes a backup of everything as it is at one instant. Nobody waits for it meanwhile. Passwords,
    /// keys and who is signed in are left out unless they are asked for.
    ///
    /// # Errors
    /// If there is no room, one is being made already, or the disk does not do it.
    pub async fn make_backup(&self, secrets: Secrets) -> Result<Backup, BackupError> {
        let turn = self.0.desk.take()?;
        let (admin, dir) = (self.clone(), self.backup_dir());
        aside(move || {
            let _turn = turn;
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or(Duration::ZERO);
            let now = u64::try_from(now.as_millis()).unwrap_or(0);
            let mark = match secrets {
                Secrets::LeftOut => "",
                Secrets::Included => SECRET_MARK,
            };
            let name = format!("{MADE_HERE}{}{mark}.{EXTENSION}", stamp(now));
            let mut draft = Draft::begin(&dir, &name)?;
            let wanted =
                |bucket: &str| secrets == Secrets::Included || !super::keep::is_secret(bucket);
            let config = admin.config();
            let work = dir.join(WORK);
            let made = admin
                .copy(&dir, &work)
                .and_then(|()| Ok(store::export_copy(&config, &work, &wanted, &mut draft)?));
            // What is left of it is removed by the next.
            let _ = fs::remove_dir_all(&work);
            made?;
            let kept = draft.keep()?;
            admin.note_backup();
            Ok(kept)
        })
        .await
    }

    /// Remembers that one was made now.
    fn note_backup(&self) {
        if let Err(error) = Mark::LastBackup.set(&self.data_dir()) {
            tracing::warn!("that a backup was made is not remembered: {error}");
        }
    }

    /// When the newest of those was made that were made here and not brought.
    pub(super) fn last_backup(&self) -> Option<u64> {
        let all = self.backups().ok()?.into_iter();
        let made = all.filter(|backup| backup.name.starts_with(MADE_HERE));
        made.map(|backup| backup.created_millis).max()
    }

    /// Copies the store as it is at one instant, if there is room for that and for what is made of it.
    fn copy(&self, dir: &Path, work: &Path) -> Result<(), BackupError> {
        match fs::remove_dir_all(work) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        let bytes = self.0.store.status().ok_or(Gone)?.bytes;
        has_room_for(dir, bytes.saturating_mul(2))?;
        Ok(self.0.store.backup(work).map(drop)?)
    }

    /// Whether a backup may have passwords and keys in it: it was made so, or brought from elsewhere.
    #[must_use]
    pub fn may_have_secrets(name: &str) -> bool {
        !name.starts_with(MADE_HERE) || name.contains(SECRET_MARK)
    }

    /// A backup, open to be read.
    ///
    /// # Errors
    /// If there is none of this name, or it cannot be opened.
    pub fn open_backup(&self, name: &str) -> Result<(Backup, File), BackupError> {
        let backup = self.known_backup(name)?;
        let file = File::open(self.backup_dir().join(&backup.name))?;
        Ok((backup, file))
    }

    fn known_backup(&self, name: &str) -> Result<Backup, BackupError> {
        check(name).map_err(|_| BackupError::Unknown(name.chars().take(80).collect()))?;
        let found = self.backups()?.into_iter().find(|b| b.name == name);
        found.ok_or_else(|| BackupError::Unknown(name.to_owned()))
    }

    /// Deletes a backup.
    ///
    /// # Errors
    /// If there is none of this name, or it cannot be deleted.
    pub fn delete_backup(&self, name: &str) -> Result<(), BackupError> {
        let backup = self.known_backup(name)?;
        Ok(fs::remove_file(self.backup_dir().join(backup.name))?)
    }

    /// Begins to take a backup in.
    ///
    /// # Errors
    /// If the name is none, or somebody else is at it.
    pub fn receive_backup(&self, name: &str) -> Result<Incoming, BackupError> {
        check(name)?;
        if self
            .backups()?
            .iter()
            .any(|b| b.name.eq_ignore_ascii_case(name))
        {
            return Err(BackupError::Taken(name.to_owned()));
        }
        Ok(Incoming {
            name: name.to_owned(),
            dir: self.backup_dir(),
            turn: Some(self.0.desk.take()?),
            head: Vec::new(),
            writing: None,
        })
    }
}

/// Whether passwords and keys are wanted in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    LeftOut,
    Included,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for good in [
            "a",
            "ternmq-export-2026-01-01-12-34-56.789.export",
            "A_b-c.1",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for bad in [
            "", ".", "..", "../a", "a/b", "a\\b", "/a", ".hidden", "-rf", "a b", "a\0", "a:b", "é",
            "a.", "%2e%2e", &long,
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn stamps_are_dates() {
        let table = [
            (0, "1970-01-01-00-00-00.000"),
            (951_782_399_999, "2000-02-28-23-59-59.999"),
            (951_782_400_000, "2000-02-29-00-00-00.000"),
            (1_704_083_696_789, "2024-01-01-04-34-56.789"),
            (4_107_542_400_000, "2100-03-01-00-00-00.000"),
        ];
        for (millis, due) in table {
            assert_eq!(stamp(millis), due);
        }
    }

    #[test]
    fn a_draft_that_is_not_kept_leaves_nothing() {
        let dir = std::env::temp_dir().join(format!("ternmq-backup-{}", std::process::id()));
        let draft = |name: &str| Draft::begin(&dir, name);
        let mut bad = draft("x").unwrap();
        bad.add(b"junk").unwrap();
        assert!(matches!(bad.keep(), Err(BackupError::Unusable(_))));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        fs::write(dir.join("Kept"), b"").unwrap();
        assert!(matches!(draft("kept"), Err(BackupError::Taken(_))));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc/passwd", dir.join("link")).unwrap();
            let names: Vec<_> = list(&dir).unwrap().into_iter().map(|b| b.name).collect();
            assert_eq!(names, ["Kept"]);
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
