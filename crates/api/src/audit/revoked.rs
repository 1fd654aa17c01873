//! What a change of rights took away, as the audit log tells it: one entry for a change, whatever the number of
//! subscriptions that ended, with its actor; and one for the broker where nobody called, now and then.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use broker::admin::{Admin, Revoked};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Audit, From, Record};

/// What entries of revoked subscriptions have in the place of a path's template.
pub(super) const REVOKED: &str = "/authorization/revoked";
/// Changes that are named in one entry.
const CHANGES_MAX: usize = 8;
/// How often it is looked for what was revoked without a call: a client came back with fewer rights, or a source
/// of rules elsewhere answered late.
const LOOK: Duration = Duration::from_secs(5);
/// The broker, where users and keys are named.
const BROKER: &str = "ternmq";

/// Subscriptions that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    subscriptions: u64,
    /// Those of them that were in shared groups.
    shared: u64,
    /// The first by name.
    first: Vec<One>,
    /// What the entries of the calls that led to it have.
    changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct One {
    clientid: String,
    topic: String,
}

/// Who changed what clients may do, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    source: String,
    http_method: String,
    operation_id: String,
    #[serde(skip)]
    by: Option<(From, IpAddr)>,
}

impl Change {
    fn of(record: &Record) -> Self {
        Self {
            source: record.source.clone(),
            http_method: record.http_method.clone(),
            operation_id: record.operation_id.clone(),
            by: Some((record.from, record.source_ip)),
        }
    }
}

/// The entry on what was revoked by these changes.
fn entry(at: u64, revoked: Revoked, changes: Vec<Change>) -> Record {
    let last = changes.last();
    let source = last.map_or(BROKER, |change| &change.source).to_owned();
    let here = (From::Event, IpAddr::V4(Ipv4Addr::LOCALHOST));
    let (from, source_ip) = last.and_then(|change| change.by).unwrap_or(here);
    let first = revoked.first.into_iter();
    let taken = Taken {
        subscriptions: revoked.subscriptions,
        shared: revoked.shared,
        first: first
            .map(|(clientid, topic)| One { clientid, topic })
            .collect(),
        changes,
    };
    Record {
        at,
        from,
        source,
        source_ip,
        operation_id: REVOKED.to_owned(),
        http_method: String::new(),
        http_status_code: 0,
        duration_ms: 0,
        path: String::new(),
        body: Some(json!(taken)),
        failure: String::new(),
        sent: None,
    }
}

/// Changes of rules whose effect is not told yet.
#[derive(Default)]
pub(super) struct Revocations(Mutex<State>);

#[derive(Default)]
struct State {
    /// Calls under way that may change rules.
    calls: usize,
    changes: Vec<Change>,
    /// Somebody waits for their effect.
    is_settling: bool,
}

impl Revocations {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for calls under way, which may be what it comes of and have not said so yet; not for long ones.
    async fn calls_end(&self) {
        for _ in 0..100 {
            if self.state().calls == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A call that may change what clients may do, until its end is told.
pub(crate) struct Call {
    audit: Arc<Audit>,
    /// How often rules had been changed when it began.
    before: u64,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.audit.revocations.state().calls -= 1;
    }
}

impl Call {
    pub(crate) fn begin(audit: &Arc<Audit>, admin: &Admin) -> Self {
        audit.revocations.state().calls += 1;
        Self {
            audit: audit.clone(),
            before: admin.rule_changes(),
        }
    }

    /// It ended, and this stands in the log. If rules were changed by it, another entry follows when all clients
    /// were judged by the new ones, unless nothing was taken from anybody.
    pub(crate) fn end(self, admin: &Admin, change: &Record) {
        if admin.rule_changes() == self.before {
            return;
        }
        let mut state = self.audit.revocations.state();
        if state.changes.len() < CHANGES_MAX {
            state.changes.push(Change::of(change));
        }
        if !std::mem::replace(&mut state.is_settling, true) {
            tokio::spawn(settle(self.audit.clone(), admin.clone()));
        }
    }
}

/// Waits until the changes that there are have had their effect, and tells of it. Those that come meanwhile are
/// told along: clients are judged once for all of them.
async fn settle(audit: Arc<Audit>, admin: Admin) {
    let mut last = Vec::new();
    loop {
        let Ok(revoked) = admin.take_revoked().await else {
            return;
        };
        audit.revocations.calls_end().await;
        let (changes, is_over) = {
            let mut state = audit.revocations.state();
            let changes = std::mem::take(&mut state.changes);
            // What came between the answer and now is judged in the next round, for which its actor is named.
            state.is_settling = !changes.is_empty();
            (changes, !state.is_settling)
        };
        if !changes.is_empty() {
            last = changes;
        }
        if revoked.subscriptions > 0 {
            let record = entry(admin.now_millis(), revoked, last.clone());
            audit.add(record).await;
        }
        if is_over {
            return;
        }
    }
}

/// Tells of what was revoked without a call, as long as there is a log.
pub(super) async fn watch(audit: Weak<Audit>, admin: Admin) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(audit) = audit.upgrade() else { return };
        {
            let mut state = audit.revocations.state();
            if state.is_settling || state.calls > 0 {
                continue;
            }
            state.is_settling = true;
        }
        settle(audit, admin.clone()).await;
    }
}
