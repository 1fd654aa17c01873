//! The books of one group as a plain value: which entries are with whom until when, which came
//! back, and how far the cursor is. Time is an argument. No locks, no log: backends that keep
//! groups in one process put both around it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::{Entry, Lease, Outcome, Pos};

/// An entry that was handed out and is not settled.
struct Open<M> {
    entry: Entry<M>,
    attempt: u32,
    /// `None` while it waits to be handed out again.
    held: Option<Held>,
}

#[derive(Clone, Copy)]
struct Held {
    lease: u64,
    until: Instant,
}

/// The books of one group over all log shards. Every open entry is either in `returned` or has
/// one lease, which is in `leases` and `deadlines`.
pub(crate) struct Leases<M> {
    /// Per shard: up to here the log was read for this group.
    seen: Vec<u64>,
    open: BTreeMap<Pos, Open<M>>,
    leases: BTreeMap<u64, Pos>,
    deadlines: BTreeSet<(Instant, u64)>,
    returned: BTreeSet<Pos>,
    lease_last: u64,
    term: Duration,
    open_max: usize,
}

impl<M> Leases<M> {
    /// A group that has read each shard up to `seen`, lends for `term` and has at most
    /// `open_max` entries unsettled.
    pub(crate) fn new(seen: Vec<u64>, term: Duration, open_max: usize) -> Self {
        Self {
            seen,
            open: BTreeMap::new(),
            leases: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            returned: BTreeSet::new(),
            lease_last: 0,
            term,
            open_max,
        }
    }

    /// A group of a process that ended: what was unsettled came back.
    pub(crate) fn restore(
        seen: Vec<u64>,
        unsettled: Vec<Entry<M>>,
        term: Duration,
        open_max: usize,
    ) -> Self {
        let mut books = Self::new(seen, term, open_max);
        for entry in unsettled {
            let pos = entry.pos;
            let open = Open {
                entry,
                // Nobody knows how often; it is not the first time.
                attempt: 1,
                held: None,
            };
            books.open.insert(pos, open);
            books.returned.insert(pos);
        }
        books
    }

    /// What has to be kept to go on after a restart: up to where each shard was read, and what of
    /// that is unsettled.
    pub(crate) fn unsettled(&self) -> (&[u64], impl Iterator<Item = Pos>) {
        (&self.seen, self.open.keys().copied())
    }

    /// Takes back what was held for too long.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(&(until, lease)) = self.deadlines.first() {
            if until > now {
                break;
            }
            self.take_back(lease);
        }
    }

    /// Hands out again what came back, at most `max` entries.
    pub(crate) fn again(&mut self, now: Instant, max: usize) -> Vec<Lease<M>> {
        let mut out = Vec::new();
        while out.len() < max
            && let Some(pos) = self.returned.pop_first()
        {
            out.push(self.hand_out(now, pos));
        }
        out
    }

    /// How many new entries may be handed out.
    pub(crate) fn room(&self) -> usize {
        self.open_max.saturating_sub(self.open.len())
    }

    /// Up to where a shard was read.
    pub(crate) fn seen(&self, shard: u16) -> u64 {
        self.seen[usize::from(shard)]
    }

    /// Hands out what was read from a shard, which is now seen up to `upto`.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        shard: u16,
        entries: Vec<Entry<M>>,
        upto: u64,
    ) -> Vec<Lease<M>> {
        let seen = &mut self.seen[usize::from(shard)];
        assert!(*seen <= upto, "a shard is read forwards");
        *seen = upto;
        let mut out = Vec::with_capacity(entries.len());
        for entry in entries {
            let pos = entry.pos;
            let fresh = self.open.insert(
                pos,
                Open {
                    entry,
                    attempt: 0,
                    held: None,
                },
            );
            assert!(fresh.is_none(), "an entry is read once");
            out.push(self.hand_out(now, pos));
        }
        out
    }

    /// Settles one lease. Gives whether an entry came back by it.
    pub(crate) fn settle(&mut self, now: Instant, lease: u64, outcome: Outcome) -> bool {
        // One that ran out and was handed out again is somebody else's now.
        if !self.leases.contains_key(&lease) {
            return false;
        }
        match outcome {
            Outcome::Done => self.close(lease),
            Outcome::Return => self.take_back(lease),
            Outcome::Extend => self.extend(now, lease),
        }
        outcome == Outcome::Return
    }

    /// Per shard: everything up to here is settled or did not match.
    pub(crate) fn cursors(&self) -> Vec<u64> {
        let cursor = |(shard, &seen): (u16, &u64)| {
            let open = Pos { shard, seq: 0 }..=Pos {
                shard,
                seq: u64::MAX,
            };
            // Positions begin at 1, so there is one before each.
            self.open
                .range(open)
                .next()
                .map_or(seen, |(pos, _)| pos.seq - 1)
        };
        (0..).zip(&self.seen).map(cursor).collect()
    }

    fn hand_out(&mut self, now: Instant, pos: Pos) -> Lease<M> {
        let open = self.open.get_mut(&pos).expect("what is handed out is open");
        self.lease_last += 1;
        let held = Held {
            lease: self.lease_last,
            until: now + self.term,
        };
        open.attempt = open.attempt.saturating_add(1);
        open.held = Some(held);
        self.leases.insert(held.lease, pos);
        self.deadlines.insert((held.until, held.lease));
        Lease {
            id: held.lease,
            entry: open.entry.clone(),
            attempt: open.attempt,
        }
    }

    fn close(&mut self, lease: u64) {
        let pos = self.release(lease);
        self.open.remove(&pos);
    }

    fn take_back(&mut self, lease: u64) {
        let pos = self.release(lease);
        self.returned.insert(pos);
    }

    fn extend(&mut self, now: Instant, lease: u64) {
        let pos = self.release(lease);
        let held = Held {
            lease,
            until: now + self.term,
        };
        self.leases.insert(lease, pos);
        self.deadlines.insert((held.until, lease));
        self.open
            .get_mut(&pos)
            .expect("a lease is of an open entry")
            .held = Some(held);
    }

    /// Takes a lease out of the books; its entry stays open.
    fn release(&mut self, lease: u64) -> Pos {
        let pos = self
            .leases
            .remove(&lease)
            .expect("the caller has seen the lease");
        let open = self
            .open
            .get_mut(&pos)
            .expect("a lease is of an open entry");
        let held = open.held.take().expect("the entry of a lease is held");
        self.deadlines.remove(&(held.until, lease));
        pos
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const TERM: Duration = Duration::from_secs(30);

    fn entries(range: std::ops::RangeInclusive<u64>) -> Vec<Entry<()>> {
        range
            .map(|seq| Entry {
                pos: Pos { shard: 0, seq },
                msg: Arc::new(()),
            })
            .collect()
    }

    fn seqs(leases: &[Lease<()>]) -> Vec<(u64, u32)> {
        leases
            .iter()
            .map(|lease| (lease.entry.pos.seq, lease.attempt))
            .collect()
    }

    #[test]
    fn the_cursor_waits_for_the_oldest() {
        let now = Instant::now();
        let mut books = Leases::new(vec![4, 9], TERM, 10);
        let out = books.read(now, 0, entries(5..=7), 8);
        assert_eq!(books.cursors(), [4, 9]);
        books.settle(now, out[1].id, Outcome::Done);
        assert_eq!(books.cursors(), [4, 9]);
        books.settle(now, out[0].id, Outcome::Done);
        assert_eq!(books.cursors(), [6, 9]);
        books.settle(now, out[2].id, Outcome::Done);
        assert_eq!(books.cursors(), [8, 9]);
    }

    #[test]
    fn what_runs_out_comes_back_in_order_and_late_settles_are_ignored() {
        let start = Instant::now();
        let mut books = Leases::new(vec![0], TERM, 10);
        let first = books.read(start, 0, entries(1..=3), 3);
        books.settle(start + TERM / 2, first[1].id, Outcome::Extend);
        books.expire(start + TERM);
        assert_eq!(seqs(&books.again(start + TERM, 10)), [(1, 2), (3, 2)]);
        books.settle(start + TERM, first[0].id, Outcome::Done);
        assert_eq!(
            books.cursors(),
            [0],
            "the old lease of 1 is not valid any more"
        );
        books.expire(start + TERM + TERM / 2);
        assert_eq!(seqs(&books.again(start + TERM * 2, 10)), [(2, 2)]);
    }

    #[test]
    fn room_counts_all_that_is_open() {
        let now = Instant::now();
        let mut books = Leases::new(vec![0], TERM, 3);
        let out = books.read(now, 0, entries(1..=2), 2);
        assert_eq!(books.room(), 1);
        assert!(books.settle(now, out[0].id, Outcome::Return));
        assert_eq!(books.room(), 1, "it is not done");
        assert!(!books.settle(now, out[1].id, Outcome::Done));
        assert_eq!(books.room(), 2);
    }
}
