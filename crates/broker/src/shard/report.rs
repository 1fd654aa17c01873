//! One line per ended connection that somebody should know about, throttled: a flood of broken peers
//! must not become a flood of log lines.

use engine::{Ending, Time};
use protocol::Reason;

use super::conn::Peer;

/// Lines in any one second.
const LINES_MAX: u32 = 10;

#[derive(Default)]
pub(super) struct Reporter {
    second: u64,
    lines: u32,
    suppressed: u64,
}

impl Reporter {
    /// A connection that ended by the engine's word.
    pub(super) fn closed(&mut self, now: Time, peer: &Peer, why: Ending) {
        let (reason, cause) = match why {
            Ending::Left(reason) => (reason, "the client disconnected"),
            Ending::Lost => return,
            Ending::Expelled(close) => (close.reason, close.cause),
        };
        let ordinary = matches!(
            reason,
            Reason::NORMAL_DISCONNECTION
                | Reason::DISCONNECT_WITH_WILL
                | Reason::SERVER_SHUTTING_DOWN
        );
        if !ordinary {
            self.line(now, || {
                tracing::info!("{peer} closed, 0x{:02x} {reason}: {cause}", reason.0);
            });
        }
    }

    /// A connection that was refused or given up.
    pub(super) fn note(&mut self, now: Time, peer: &Peer, client: Option<&str>, cause: &str) {
        self.line(now, || match client {
            Some(client) => tracing::info!("{peer} ({client}) closed: {cause}"),
            None => tracing::info!("{peer} closed: {cause}"),
        });
    }

    pub(super) fn flush(&mut self, now: Time) {
        if now.0 / 1000 != self.second && self.suppressed > 0 {
            tracing::info!("{} more connections closed, not listed", self.suppressed);
            self.suppressed = 0;
        }
    }

    fn line(&mut self, now: Time, write: impl FnOnce()) {
        let second = now.0 / 1000;
        if second != self.second {
            self.flush(now);
            self.second = second;
            self.lines = 0;
        }
        if self.lines < LINES_MAX {
            self.lines += 1;
            write();
        } else {
            self.suppressed += 1;
        }
    }
}
