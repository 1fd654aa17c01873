//! Until when connections have time for something. An entry goes with its connection: the number of
//! one that has left is used again at once, and the next must not inherit its deadline.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

/// At most one deadline for each connection.
#[derive(Default)]
pub(super) struct Deadlines {
    order: BTreeSet<(Instant, u32)>,
    of: HashMap<u32, Instant>,
}

impl Deadlines {
    pub(super) fn set(&mut self, slot: u32, at: Instant) {
        self.cancel(slot);
        self.of.insert(slot, at);
        self.order.insert((at, slot));
    }

    pub(super) fn cancel(&mut self, slot: u32) {
        if let Some(at) = self.of.remove(&slot) {
            self.order.remove(&(at, slot));
            self.slim();
        }
    }

    /// A crowd is gone: its memory goes too.
    fn slim(&mut self) {
        if self.of.capacity() > 64 && self.of.len() < self.of.capacity() / 8 {
            self.of.shrink_to(2 * self.of.len());
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes off the connection whose time is over first, if it is over.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        self.next().filter(|at| *at <= now)?;
        self.pop_first()
    }

    /// Takes off the connection whose time is over first.
    pub(super) fn pop_first(&mut self) -> Option<u32> {
        let (_, slot) = self.order.pop_first()?;
        self.of.remove(&slot);
        self.slim();
        Some(slot)
    }

    pub(super) fn len(&self) -> usize {
        self.of.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_ends_with_its_connection() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut deadlines = Deadlines::default();
        deadlines.set(7, at(5));
        deadlines.set(8, at(6));
        deadlines.cancel(7);
        deadlines.set(7, at(9));
        assert_eq!(deadlines.next(), Some(at(6)));
        assert_eq!(deadlines.pop_due(at(5)), None);
        assert_eq!(deadlines.pop_due(at(8)), Some(8));
        assert_eq!(deadlines.pop_due(at(8)), None);
        assert_eq!(deadlines.len(), 1);
        assert_eq!(deadlines.pop_first(), Some(7));
        assert_eq!(deadlines.next(), None);
    }
}
