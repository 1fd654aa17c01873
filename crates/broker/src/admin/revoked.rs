//! Subscriptions that ended because rights changed, once a change is through. Whoever asks takes them; the next one
//! is told what comes after.

use std::time::{Duration, Instant};

pub use engine::Revoked;

use super::{Admin, Gone};

/// How often it is looked whether all sessions were judged, and how long: sources of rules elsewhere may never
/// answer.
const LOOK: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);

impl Admin {
    /// Counts changes of what clients may do.
    #[must_use]
    pub fn rule_changes(&self) -> u64 {
        self.0.decisions.rule_changes()
    }

    /// What was revoked since this was last asked, when every session was judged by the rules that hold, or
    /// after a while.
    ///
    /// # Errors
    /// If the broker is shutting down.
    pub async fn take_revoked(&self) -> Result<Revoked, Gone> {
        let until = Instant::now() + PATIENCE;
        let mut all = Revoked::default();
        loop {
            let mut goes_on = false;
            for (revoked, more) in self.ask_all(|visit| visit.engine.take_revoked()).await? {
                all.merge(revoked);
                goes_on |= more;
            }
            if !goes_on || Instant::now() >= until {
                return Ok(all);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
