//! The line on a terminal that tells how a tool is doing while it runs.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(500);

pub(super) struct Progress {
    is_shown: bool,
    shown_at: Option<Instant>,
}

impl Progress {
    /// On standard error, if that is a terminal and nobody wants it quiet.
    pub(super) fn new(is_quiet: bool) -> Self {
        Self {
            is_shown: std::io::stderr().is_terminal() && !is_quiet,
            shown_at: None,
        }
    }

    /// Whether it is time for a new line.
    pub(super) fn is_due(&self) -> bool {
        self.is_shown && self.shown_at.is_none_or(|at| at.elapsed() >= INTERVAL)
    }

    pub(super) fn show(&mut self, line: &str) {
        self.shown_at = Some(Instant::now());
        // Back to the beginning, and what was longer before is wiped.
        let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
    }
}

/// Leaves the line to others.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown_at.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
