//! A file that people change while the broker runs. Read anew when it has changed; one that cannot be
//! used changes nothing, and what was good before stays.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// Between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bytes of it at most.
const BYTES_MAX: u64 = 256 << 20;

/// What is in a file, as somebody reads it.
pub(super) struct Watched<T> {
    path: PathBuf,
    /// All of a file or nothing. What is wrong is said without what stands there.
    parse: fn(&str) -> Result<T, String>,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// The last that could be used.
    good: Option<Arc<T>>,
    trouble: Option<String>,
    /// What the file looked like when it was read last, used or not.
    stamp: Option<Stamp>,
    looked: Option<Instant>,
}

/// A file that looks the same was not changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    /// Another file in its place, and changes within a tick of the clock.
    #[cfg(unix)]
    node: (u64, i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            modified: found.modified().ok(),
            bytes: found.len(),
            #[cfg(unix)]
            node: (found.ino(), found.ctime(), found.ctime_nsec()),
        }
    }
}

impl<T> Watched<T> {
    /// Reads it, whether it can be used or not.
    pub(super) fn open(path: PathBuf, parse: fn(&str) -> Result<T, String>) -> Self {
        let watched = Self {
            path,
            parse,
            state: Mutex::new(State {
                good: None,
                trouble: None,
                stamp: None,
                looked: None,
            }),
        };
        drop(watched.looked_at());
        watched
    }

    /// The last of it that was good, if any was.
    pub(super) fn good(&self) -> Option<Arc<T>> {
        self.looked_at().good.clone()
    }

    /// What is wrong with it now.
    pub(super) fn trouble(&self) -> Option<String> {
        self.looked_at().trouble.clone()
    }

    /// The state after a look at the file, if it is time for one.
    fn looked_at(&self) -> MutexGuard<'_, State<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return state;
        }
        state.looked = Some(Instant::now());
        let before = (state.stamp, state.trouble.clone());
        match self.read_if_new(state.stamp) {
            Ok(None) => {}
            Ok(Some((stamp, read))) => {
                state.stamp = Some(stamp);
                state.trouble = read.as_ref().err().cloned();
                state.good = read.ok().map(Arc::new).or_else(|| state.good.take());
            }
            // It may be there again before it looks any different.
            Err(error) => {
                state.stamp = None;
                state.trouble = Some(error.to_string());
            }
        }
        if before != (state.stamp, state.trouble.clone()) {
            self.tell(&state);
        }
        state
    }

    fn tell(&self, state: &State<T>) {
        let path = self.path.display();
        match (&state.trouble, &state.good) {
            (None, _) => tracing::info!("{path} was read"),
            (Some(trouble), Some(_)) => tracing::error!(
                "{path} cannot be used ({trouble}); what it had before is good as it was"
            ),
            (Some(trouble), None) => tracing::error!(
                "{path} cannot be used ({trouble}); nobody is let in by it until it can"
            ),
        }
    }

    fn read_if_new(&self, seen: Option<Stamp>) -> io::Result<Option<(Stamp, Result<T, String>)>> {
        // Asked first: to open what is no file may take for ever.
        if !std::fs::metadata(&self.path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let file = File::open(&self.path)?;
        let found = file.metadata()?;
        let stamp = Stamp::of(&found);
        if seen == Some(stamp) {
            return Ok(None);
        }
        if found.len() > BYTES_MAX {
            return Ok(Some((stamp, Err("it is too large".to_owned()))));
        }
        let mut text = String::new();
        let read = file.take(BYTES_MAX).read_to_string(&mut text);
        let parsed = match read {
            Ok(_) => (self.parse)(&text),
            Err(error) => Err(error.to_string()),
        };
        Ok(Some((stamp, parsed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<usize, String> {
        text.parse().map_err(|_| "no number".to_owned())
    }

    /// A look now, however lately the last one was.
    fn look(watched: &Watched<usize>) -> (Option<usize>, bool) {
        let at = watched.state.lock().unwrap().looked.take();
        assert!(at.is_some());
        let trouble = watched.trouble().is_some();
        (watched.good().as_deref().copied(), trouble)
    }

    /// A20: a file that was good, and is then emptied, filled with junk, taken away or made a directory:
    /// what it had stays as it was, until there is a good one again.
    #[test]
    fn the_last_good_one_stays() {
        let dir = std::env::temp_dir().join(format!("ternmq-watched-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("file");
        let watched = Watched::open(path.clone(), parse);
        assert_eq!(look(&watched), (None, true), "none yet");
        let put = |text: &str| std::fs::write(&path, text).unwrap();
        put("1");
        assert_eq!(look(&watched), (Some(1), false));
        assert_eq!(look(&watched), (Some(1), false), "the same");
        for junk in ["", "\n", "junk", "\u{0}\u{0}"] {
            put(junk);
            assert_eq!(look(&watched), (Some(1), true), "{junk:?}");
        }
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(look(&watched), (Some(1), true), "no text");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(look(&watched), (Some(1), true), "gone");
        std::fs::create_dir(&path).unwrap();
        assert_eq!(look(&watched), (Some(1), true), "a directory");
        std::fs::remove_dir(&path).unwrap();
        put("2");
        assert_eq!(look(&watched), (Some(2), false), "good again");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
