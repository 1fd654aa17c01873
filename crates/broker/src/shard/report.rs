//! One line per ended connection that somebody should know about, throttled: a flood of broken peers
//! must not become a flood of log lines.

use engine::Time;

use crate::observe::connection::Entry;

/// Lines in any one second.
const LINES_MAX: u32 = 10;
/// Characters of a client id in a line.
const NAME_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Reporter {
    second: u64,
    lines: u32,
    suppressed: u64,
}

impl Reporter {
    /// What happened to a connection, unless it is ordinary.
    pub(super) fn tell(&mut self, entry: &Entry) {
        let Some(said) = entry.line() else {
            return;
        };
        let second = entry.at.0 / 1000;
        if second != self.second {
            self.flush(entry.at);
            self.second = second;
            self.lines = 0;
        }
        if self.lines == LINES_MAX {
            self.suppressed += 1;
            return;
        }
        self.lines += 1;
        let peer = entry.peer;
        // A stranger chose it: it must not write lines of its own, nor long ones.
        let shown: String = entry.client_id.chars().take(NAME_MAX).collect();
        let client = match shown.as_str() {
            "" => String::new(),
            name => format!(" ({})", name.escape_debug()),
        };
        tracing::info!("{peer}{client} closed, {said}");
    }

    pub(super) fn flush(&mut self, now: Time) {
        if now.0 / 1000 != self.second && self.suppressed > 0 {
            tracing::info!("{} more connections closed, not listed", self.suppressed);
            self.suppressed = 0;
        }
    }
}
