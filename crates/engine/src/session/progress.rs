//! Deliveries that the store knows about one by one: those of QoS 2, and of messages that are not in
//! the log.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    plant::{self, Fault},
    record::{INLINE, Lease},
};

/// Numbers of deliveries, as the store has them.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Finished since the progress was saved last.
    pub(crate) finished: Vec<u64>,
    /// Finished, and recorded as such because the cursor has not passed them.
    pub(crate) done: BTreeSet<u64>,
    /// Positions before which the cursor stood when the broker started: they are in flight or done, so
    /// they are not read again.
    pub(crate) bound: BTreeSet<u64>,
    /// Messages of shared groups. Their records stay until both sides are done with them.
    leased: BTreeMap<u64, Leased>,
}

#[derive(Debug)]
struct Leased {
    lease: Lease,
    /// By the client.
    finished: bool,
    /// The store knows that the group is done with it.
    parted: bool,
}

/// What becomes of the record of a finished delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Delete(u64),
    MarkDone(u64),
    /// As much, of a message of a shared group.
    MarkParted(u64, Lease),
}

impl Progress {
    /// The store is going to know that everything up to `cursor` was acknowledged.
    pub(crate) fn settle(&mut self, cursor: u64) -> Vec<Fate> {
        let mut fates = Vec::new();
        for number in std::mem::take(&mut self.finished) {
            let hasty = plant::on(Fault::DeliveryForgottenEarly);
            if let Some(leased) = self.leased.get_mut(&number).filter(|l| !l.parted) {
                leased.finished = true;
                fates.push(Fate::MarkParted(number, leased.lease.clone()));
            } else if number >= INLINE || number <= cursor || hasty {
                self.leased.remove(&number);
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

    /// A message of a shared group has this number.
    pub(crate) fn lease(&mut self, number: u64, lease: Lease, finished: bool) {
        let leased = Leased {
            lease,
            finished,
            parted: false,
        };
        self.leased.insert(number, leased);
    }

    pub(crate) fn lease_of(&self, number: u64) -> Option<&Lease> {
        self.leased.get(&number).map(|leased| &leased.lease)
    }

    /// Its group got it back before the client had it.
    pub(crate) fn unlease(&mut self, number: u64) {
        self.leased.remove(&number);
    }

    /// Whether its group may not be done with it, as far as the store knows.
    pub(crate) fn is_leased(&self, number: u64) -> bool {
        self.leased.get(&number).is_some_and(|l| !l.parted)
    }

    /// The store knows that the group is done with it. True if it is finished here, too.
    pub(crate) fn part(&mut self, number: u64) -> bool {
        let Some(leased) = self.leased.get_mut(&number) else {
            return false;
        };
        leased.parted = true;
        let finished = leased.finished;
        if finished {
            self.finished.push(number);
        }
        finished
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.finished.is_empty()
            && self.done.is_empty()
            && self.bound.is_empty()
            && self.leased.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leased_record_stays_until_its_group_has_parted() {
        let lease = Lease {
            group: "g".into(),
            filter: "a".into(),
            position: 4,
        };
        let mut p = Progress::default();
        p.lease(INLINE | 1, lease.clone(), false);
        p.finished.push(INLINE | 1);
        assert_eq!(p.settle(9), [Fate::MarkParted(INLINE | 1, lease)]);
        assert!(!p.is_empty());
        assert!(p.part(INLINE | 1));
        assert_eq!(p.settle(9), [Fate::Delete(INLINE | 1)]);
        assert!(p.is_empty());
    }

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
