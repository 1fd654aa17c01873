//! Subscriptions that ended because rights changed, until somebody asks: how many, and the first by name. A
//! change of rules may end thousands, so no more is remembered than somebody would read.

use super::Shard;
use crate::limits::{REVOKED_NAMED_MAX, REVOKED_TEXT_MAX};

/// What was revoked since it was last asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    pub subscriptions: u64,
    /// Those of them that were in shared groups.
    pub shared: u64,
    /// Client ids and filters of the first; a long one is cut.
    pub first: Vec<(String, String)>,
}

impl Revoked {
    pub(super) fn add(&mut self, client_id: &str, filter: &str, is_shared: bool) {
        let short = |text: &str| text[..text.floor_char_boundary(REVOKED_TEXT_MAX)].to_owned();
        self.subscriptions += 1;
        self.shared += u64::from(is_shared);
        if self.first.len() < REVOKED_NAMED_MAX {
            self.first.push((short(client_id), short(filter)));
        }
    }

    /// Adds those of another shard.
    pub fn merge(&mut self, other: Self) {
        self.subscriptions += other.subscriptions;
        self.shared += other.shared;
        self.first.extend(other.first);
        self.first.truncate(REVOKED_NAMED_MAX);
    }
}

impl Shard {
    /// What was revoked since this was last asked, and whether sessions are still judged by rules that have
    /// changed, so that more may follow.
    pub fn take_revoked(&mut self) -> (Revoked, bool) {
        let goes_on = self.rejudging.is_some() || self.inquiries.has_granted();
        (std::mem::take(&mut self.revoked), goes_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_have_names_and_all_are_counted() {
        let mut revoked = Revoked::default();
        for n in 0..9_000 {
            revoked.add(&format!("{n}"), &"好".repeat(1000), n % 3 == 0);
        }
        assert_eq!((revoked.subscriptions, revoked.shared), (9_000, 3_000));
        assert_eq!(revoked.first.len(), REVOKED_NAMED_MAX);
        assert!(
            revoked
                .first
                .iter()
                .all(|(_, filter)| filter.len() <= REVOKED_TEXT_MAX)
        );
        let mut all = revoked.clone();
        all.merge(revoked);
        assert_eq!(
            (all.subscriptions, all.first.len()),
            (18_000, REVOKED_NAMED_MAX)
        );
    }
}
