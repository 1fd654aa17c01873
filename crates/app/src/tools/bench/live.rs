//! How a bench is doing, between two looks at its counts.

use super::counts::Snapshot;
use super::shared::Shared;
use crate::text::Text;
use crate::tools::progress::Progress;

pub(super) struct Live {
    line: Progress,
    text: Text,
    told: Snapshot,
}

impl Live {
    pub(super) fn new(is_quiet: bool, text: Text) -> Self {
        Self {
            line: Progress::new(is_quiet),
            text,
            told: Snapshot::default(),
        }
    }

    pub(super) fn connecting(&mut self, ready: u64, wanted: u64) {
        if self.line.is_due() {
            self.line.show(&self.text.pick(
                format!("connected {ready} of {wanted}"),
                format!("已连接 {ready}/{wanted}"),
            ));
        }
    }

    pub(super) fn running(&mut self, shared: &Shared) {
        if !self.line.is_due() {
            return;
        }
        let now = shared.snapshot();
        let before = std::mem::replace(&mut self.told, now);
        let secs = (now.at - before.at) as f64 / 1e9;
        let sent = (now.sent - before.sent) as f64 / secs;
        let received = (now.received - before.received) as f64 / secs;
        let owed = shared.sum(|counts| &counts.owed);
        let under_way = owed.saturating_sub(now.received);
        self.line.show(&self.text.pick(
            format!("sent {sent:.0}/s, received {received:.0}/s, under way {under_way}"),
            format!("发送 {sent:.0}/秒，接收 {received:.0}/秒，在途 {under_way}"),
        ));
    }
}
