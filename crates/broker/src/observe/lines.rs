//! The last lines of the program's log, for those who cannot see its terminal. One for the process, as
//! the log itself is.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::config::Level;

/// Lines that are kept, and bytes of them together.
const LINES_MAX: usize = 2000;
const BYTES_MAX: usize = 512 * 1024;
/// Bytes of one line.
const LINE_MAX: usize = 4096;

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    /// Counts up; a line keeps its number.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at: u64,
    pub level: Level,
    pub text: String,
}

static LINES: Mutex<Ring> = Mutex::new(Ring {
    lines: VecDeque::new(),
    bytes: 0,
    last: 0,
});

struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
    last: u64,
}

impl Ring {
    fn push(&mut self, at: u64, level: Level, mut text: String) {
        if text.len() > LINE_MAX {
            let end = text.floor_char_boundary(LINE_MAX);
            text.truncate(end);
            text.push_str("...");
        }
        self.last += 1;
        self.bytes += text.len();
        self.lines.push_back(Line {
            number: self.last,
            at,
            level,
            text,
        });
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= oldest.text.len();
        }
    }

    fn newest(&self, wants: impl Fn(&Line) -> bool, skip: usize, max: usize) -> (Vec<Line>, usize) {
        let wanted = || self.lines.iter().rev().filter(|line| wants(line));
        let page = wanted().skip(skip).take(max).cloned().collect();
        (page, wanted().count())
    }
}

/// Keeps a line that was logged.
pub fn push(level: Level, text: String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let at = now.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    });
    let mut ring = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    ring.push(at, level, text);
}

/// The newest lines that somebody wants, newest first, without the first `skip`; and how many there are.
#[must_use]
pub fn newest(wants: impl Fn(&Line) -> bool, skip: usize, max: usize) -> (Vec<Line>, usize) {
    let ring = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    ring.newest(wants, skip, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_and_long_ones_are_cut() {
        let mut ring = Ring {
            lines: VecDeque::new(),
            bytes: 0,
            last: 0,
        };
        for n in 0..LINES_MAX + 5 {
            ring.push(1, Level::Info, format!("line {n}"));
        }
        let (page, count) = ring.newest(|_| true, 1, 2);
        assert_eq!(count, LINES_MAX);
        let numbers: Vec<u64> = page.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [LINES_MAX as u64 + 4, LINES_MAX as u64 + 3]);
        for _ in 0..1000 {
            ring.push(1, Level::Warn, "中".repeat(LINE_MAX));
        }
        assert!(ring.bytes <= BYTES_MAX);
        let (page, count) = ring.newest(|line| line.level == Level::Warn, 0, 1);
        assert!(count < 200 && page[0].text.ends_with("中..."));
    }
}
