//! All that the store asks of a file system, so that tests can stand in for one that loses power,
//! runs full or fails. Writing is at a given place only: what a file holds never depends on a
//! cursor that an error left somewhere.

mod real;
#[cfg(test)]
pub(super) mod sim;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub(super) use real::Real;

/// A directory tree.
pub(super) trait Files: Send + Sync {
    /// Makes a file that must not be there, and that only its owner reads.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens a file for reading only, which may be all that we are allowed.
    fn look(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }
    /// The names in a directory, in no order; none if it is not there.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a directory that only its owner enters, unless it is there.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// Keeps all but its owner out of a directory that is there.
    fn seclude(&self, dir: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames a file inside one directory or to another one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory safe. Without it a new file may be gone after a power cut.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes a lock that ends with the process, or `None` if somebody else has it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// An open file.
pub(super) trait File: Send + Sync {
    /// Reads what is there at `offset`; may be short, 0 is the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset`; may be short.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;
    /// The length.
    fn len(&self) -> io::Result<u64>;
    /// Cuts the file.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes contents and length safe. After an error it is unknown what is.
    fn sync(&self) -> io::Result<()>;
}

/// Writes all of `buf`.
pub(super) fn write_all(file: &dyn File, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match file.write_at(buf, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                buf = &buf[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until `buf` is full or the file ends, and gives how much it was.
pub(super) fn read_full(file: &dyn File, buf: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buf.len() {
        match file.read_at(&mut buf[read..], offset) {
            Ok(0) => break,
            Ok(count) => {
                read += count;
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// A whole small file.
pub(super) fn read_all(file: &dyn File) -> io::Result<Vec<u8>> {
    let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut buf = vec![0; len];
    let read = read_full(file, &mut buf, 0)?;
    buf.truncate(read);
    Ok(buf)
}

/// Whether the device is full, or our share of it.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
