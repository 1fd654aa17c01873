//! Room that is kept for a full disk: a file that is cut so that what makes room (deleting keys,
//! releasing identities) and what is small (cursors) can be written all the same. Until it has been
//! filled again nothing else is written, or that would take the room given.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::files::{File, Files, is_full, write_all};
use super::lock;
use crate::Error;

const NAME: &str = "RESERVE";
/// Given at once, and written at once.
const STEP: usize = 64 << 10;
/// How often it is tried whether there is room again.
const AGAIN: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 1 });

pub(super) struct Reserve {
    files: Arc<dyn Files>,
    path: PathBuf,
    bytes: u64,
    /// Whether something of it was given.
    short: AtomicBool,
    state: Mutex<State>,
}

struct State {
    file: Option<Arc<dyn File>>,
    len: u64,
    tried: Instant,
    /// Whether there can be none: then a full disk refuses everything.
    broken: bool,
}

impl Reserve {
    /// Opens it, and fills it if there is room.
    pub(super) fn open(files: Arc<dyn Files>, dir: &Path, bytes: u64) -> Self {
        let state = State {
            file: None,
            len: 0,
            tried: Instant::now(),
            broken: bytes == 0,
        };
        let reserve = Self {
            files,
            path: dir.join(NAME),
            bytes,
            short: AtomicBool::new(false),
            state: Mutex::new(state),
        };
        reserve.fill(&mut lock(&reserve.state));
        reserve
    }

    /// Whether only what is necessary may be written. Sees by itself when there is room again.
    pub(super) fn is_short(&self) -> bool {
        if self.short.load(Relaxed) {
            let mut state = lock(&self.state);
            if state.tried.elapsed() >= AGAIN {
                self.fill(&mut state);
            }
        }
        self.short.load(Relaxed)
    }

    /// Writes again what the disk had no room for, with room from here: as often as it is needed and
    /// there is some. `full` is what came of it without.
    pub(super) fn lend(
        &self,
        bytes: usize,
        full: Result<(), Error>,
        mut write: impl FnMut() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut written = full;
        while bytes > 0 && matches!(written, Err(Error::Full(_))) && self.give(bytes) {
            written = write();
        }
        written
    }

    /// Gives room for so many bytes, or `false` if there is none left.
    fn give(&self, bytes: usize) -> bool {
        let mut state = lock(&self.state);
        let len = state.len.saturating_sub(bytes.max(STEP) as u64);
        let given = match &state.file {
            Some(file) if state.len > 0 => file.truncate(len).is_ok(),
            _ => false,
        };
        if given {
            (state.len, state.tried) = (len, Instant::now());
            self.short.store(true, Relaxed);
        }
        given
    }

    /// Makes it whole again, or as much of it as there is room for.
    fn fill(&self, state: &mut State) {
        state.tried = Instant::now();
        if state.broken {
            return;
        }
        match self.grow(state) {
            Ok(()) => self.short.store(false, Relaxed),
            Err(error) if is_full(&error) => {
                // A part of the last piece may be there; it is written again.
                if let Some(file) = &state.file {
                    let _ = file.truncate(state.len);
                }
                self.short.store(true, Relaxed);
            }
            Err(_) => {
                state.broken = true;
                self.short.store(false, Relaxed);
            }
        }
    }

    fn grow(&self, state: &mut State) -> io::Result<()> {
        let file = match &state.file {
            Some(file) => Arc::clone(file),
            None => {
                let file = match self.files.open(&self.path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        self.files.create(&self.path)
                    }
                    file => file,
                }?;
                state.len = file.len()?;
                state.file.insert(file).clone()
            }
        };
        if state.len > self.bytes {
            file.truncate(self.bytes)?;
            state.len = self.bytes;
        }
        while state.len < self.bytes {
            let len = (self.bytes - state.len).min(STEP as u64);
            write_all(&*file, &noise(state.len, len), state.len)?;
            state.len += len;
        }
        Ok(())
    }
}

/// Bytes that a file system cannot make smaller.
fn noise(from: u64, len: u64) -> Vec<u8> {
    let words = (from..from + len).step_by(4);
    let mut bytes: Vec<u8> = words
        .flat_map(|at| crc32c::crc32c(&at.to_le_bytes()).to_le_bytes())
        .collect();
    bytes.truncate(usize::try_from(len).unwrap_or(STEP));
    bytes
}
