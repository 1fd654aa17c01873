//! Times of what happened once, in a small file each of the data directory: the store's tools know them without
//! a broker, and they outlive both. What cannot be read has not happened, as far as is known.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// A backup was made, or the store exported.
    LastBackup,
    /// There was something that outlives a connection, for the first time or again.
    DataSince,
}

impl Mark {
    fn file(self, data_dir: &Path) -> PathBuf {
        data_dir.join(match self {
            Self::LastBackup => "last-backup",
            Self::DataSince => "data-since",
        })
    }

    /// When, in milliseconds since 1970.
    #[must_use]
    pub fn read(self, data_dir: &Path) -> Option<u64> {
        let text = fs::read_to_string(self.file(data_dir)).ok()?;
        text.trim().parse().ok()
    }

    /// Now. What is there is replaced whole: the tools may run as root, and the broker as its owner.
    ///
    /// # Errors
    /// If the directory takes no file.
    pub fn set(self, data_dir: &Path) -> io::Result<()> {
        let path = self.file(data_dir);
        let new = path.with_extension("new");
        fs::write(&new, format!("{}\n", now_millis()))?;
        fs::rename(new, path)
    }

    /// It is not so any more.
    pub(crate) fn clear(self, data_dir: &Path) {
        // What stays makes a warning come earlier than it should.
        let _ = fs::remove_file(self.file(data_dir));
    }
}

/// By the system's clock.
pub(crate) fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_there_until_it_is_cleared() {
        let dir = std::env::temp_dir().join(format!("ternmq-marks-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let mark = Mark::LastBackup;
        assert_eq!(mark.read(&dir), None);
        let before = now_millis();
        mark.set(&dir).unwrap();
        assert!(mark.read(&dir).is_some_and(|at| at >= before));
        assert_eq!(Mark::DataSince.read(&dir), None);
        fs::write(mark.file(&dir), "junk").unwrap();
        assert_eq!(mark.read(&dir), None);
        mark.clear(&dir);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        fs::remove_dir_all(&dir).unwrap();
    }
}
