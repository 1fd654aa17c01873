//! A log file of bounded size: when it is full it becomes `FILE.1`, what was `FILE.1` becomes
//! `FILE.2`, and the oldest goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(super) struct Rotating {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
    files_max: u16,
}

impl Rotating {
    /// Goes on with a file that is there.
    pub(super) fn open(path: &Path, bytes_max: u64, files_max: u16) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let (file, bytes) = open(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
            bytes_max,
            files_max,
        })
    }

    fn numbered(&self, number: u16) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.into()
    }

    /// What cannot be renamed is overwritten or kept; writing goes on all the same.
    fn rotate(&mut self) -> io::Result<()> {
        let oldest = self.files_max - 1;
        if oldest == 0 {
            fs::remove_file(&self.path)?;
        }
        for number in (0..oldest).rev() {
            let (from, to) = (self.numbered(number), self.numbered(number + 1));
            if number == 0 {
                fs::rename(from, to)?;
            } else {
                // There are as many only when it has been full as often.
                let _ = fs::rename(from, to);
            }
        }
        (self.file, self.bytes) = open(&self.path)?;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // It names clients and addresses: nobody's business but the owner's and the group's.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    let file = options.open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

impl Write for Rotating {
    /// Takes a line whole, so that none is cut by the change of files.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let len = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && self.bytes.saturating_add(len) > self.bytes_max {
            // Tried again with the next line; until then the file grows.
            let _ = self.rotate();
        }
        self.file.write_all(line)?;
        self.bytes = self.bytes.saturating_add(len);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(name: &str) -> PathBuf {
        let name = format!("ternmq-log-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn contents(folder: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let mut all: Vec<_> = entries
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), text)
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn the_oldest_file_goes() {
        let folder = fresh("rotates");
        let path = folder.join("deep").join("a.log");
        let mut log = Rotating::open(&path, 8, 3).unwrap();
        for n in 0..7 {
            log.write_all(format!("{n}..\n").as_bytes()).unwrap();
        }
        // A line that is longer than a file is written all the same, alone.
        log.write_all(b"a long line\n").unwrap();
        let named = |list: [(&str, &str); 3]| list.map(|(a, b)| (a.to_owned(), b.to_owned()));
        let expected = named([
            ("a.log", "a long line\n"),
            ("a.log.1", "6..\n"),
            ("a.log.2", "4..\n5..\n"),
        ]);
        assert_eq!(contents(&folder.join("deep")), expected);
        drop(log);
        // A restart goes on where it was.
        let mut log = Rotating::open(&path, 100, 3).unwrap();
        log.write_all(b"more\n").unwrap();
        assert_eq!(contents(&folder.join("deep"))[0].1, "a long line\nmore\n");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_file_is_begun_anew() {
        let folder = fresh("alone");
        let mut log = Rotating::open(&folder.join("a.log"), 8, 1).unwrap();
        for n in 0..5 {
            log.write_all(format!("{n}..\n").as_bytes()).unwrap();
        }
        let expected = [("a.log".to_owned(), "4..\n".to_owned())];
        assert_eq!(contents(&folder), expected);
        fs::remove_dir_all(folder).unwrap();
    }
}
