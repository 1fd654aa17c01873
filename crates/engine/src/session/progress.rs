//! Deliveries that the store knows about one by one: those of QoS 2, and of messages that are not in
//! the log.

use std::collections::BTreeSet;

use crate::{
    plant::{self, Fault},
    record::INLINE,
};

/// Numbers of deliveries, as the store has them.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Finished since the progress was saved last.
    pub(crate) finished: Vec<u64>,
    /// Finished, and recorded as such because the cursor has not passed them.
    pub(crate) done: BTreeSet<u64>,
    /// Passed by a cursor that the store is being given: forgotten once it has that.
    pub(crate) passing: Vec<u64>,
    /// Positions before which the cursor stood when the broker started: they are in flight or done, so
    /// they are not read again.
    pub(crate) bound: BTreeSet<u64>,
}

/// What becomes of the record of a finished delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Delete(u64),
    MarkDone(u64),
}

impl Progress {
    /// The store is going to know that everything up to `cursor` was acknowledged.
    pub(crate) fn settle(&mut self, cursor: u64) -> Vec<Fate> {
        let mut fates = Vec::new();
        for number in std::mem::take(&mut self.finished) {
            let hasty = plant::on(Fault::DeliveryForgottenEarly);
            if number >= INLINE || number <= cursor || hasty {
                fates.push(Fate::Delete(number));
            } else {
                self.done.insert(number);
                fates.push(Fate::MarkDone(number));
            }
        }
        let later = self.done.split_off(&(cursor + 1));
        let passed = std::mem::replace(&mut self.done, later);
        fates.extend(passed.into_iter().map(Fate::Delete));
        self.bound = self.bound.split_off(&(cursor + 1));
        fates
    }

    /// The store has, or has not, the cursor that passed these. They may be forgotten if it has.
    pub(crate) fn settled(&mut self, numbers: &[u64], kept: bool) {
        self.passing.retain(|n| !numbers.contains(n));
        if !kept {
            self.done.extend(numbers);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.finished.is_empty()
            && self.done.is_empty()
            && self.passing.is_empty()
            && self.bound.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_goes_once_the_cursor_has_passed_it() {
        let mut p = Progress {
            finished: vec![7, INLINE | 3, 5],
            ..Progress::default()
        };
        let fates = p.settle(5);
        assert_eq!(
            fates,
            [Fate::MarkDone(7), Fate::Delete(INLINE | 3), Fate::Delete(5)]
        );
        assert_eq!(p.settle(6), []);
        assert!(!p.is_empty());
        assert_eq!(p.settle(9), [Fate::Delete(7)]);
        assert!(p.is_empty());
    }
}
