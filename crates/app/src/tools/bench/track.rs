//! What one receiver has seen of one publisher: which numbers came, came late, came twice, are missing.

use std::ops::Range;

/// Holes that are remembered; what is missing from older ones stays missing.
const HOLES_MAX: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    InOrder,
    /// A later one came before it.
    Late,
    Again,
}

#[derive(Debug, Default)]
pub(super) struct Track {
    next: u64,
    /// Numbers below `next` that did not come, ascending.
    holes: Vec<Range<u64>>,
    forgotten: u64,
}

impl Track {
    #[inline]
    pub(super) fn see(&mut self, number: u64) -> Seen {
        if number == self.next {
            self.next += 1;
            return Seen::InOrder;
        }
        self.see_apart(number)
    }

    #[cold]
    fn see_apart(&mut self, number: u64) -> Seen {
        if number > self.next {
            if self.holes.len() == HOLES_MAX {
                let oldest = self.holes.remove(0);
                self.forgotten += oldest.end - oldest.start;
            }
            self.holes.push(self.next..number);
            self.next = number + 1;
            return Seen::InOrder;
        }
        let at = self.holes.partition_point(|hole| hole.end <= number);
        let Some(hole) = self.holes.get(at).filter(|hole| hole.contains(&number)) else {
            return Seen::Again;
        };
        let (before, after) = (hole.start..number, number + 1..hole.end);
        let rest = [before, after].into_iter().filter(|part| !part.is_empty());
        self.holes.splice(at..=at, rest);
        Seen::Late
    }

    /// How many of the first `sent` never came.
    pub(super) fn missing(&self, sent: u64) -> u64 {
        let holes: u64 = self.holes.iter().map(|hole| hole.end - hole.start).sum();
        self.forgotten + holes + sent.saturating_sub(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_ones_are_told_from_doubles() {
        let mut track = Track::default();
        let numbers = [0, 1, 5, 3, 3, 1, 2, 4, 6];
        let seen: Vec<Seen> = numbers.into_iter().map(|n| track.see(n)).collect();
        use Seen::{Again, InOrder, Late};
        let wanted = [
            InOrder, InOrder, InOrder, Late, Again, Again, Late, Late, InOrder,
        ];
        assert_eq!(seen, wanted);
        assert_eq!((track.missing(7), track.missing(10)), (0, 3));
    }

    #[test]
    fn missing_ones_are_counted_however_many_holes() {
        let mut track = Track::default();
        for number in 0..10_000 {
            track.see(number * 3);
        }
        assert_eq!(track.holes.len(), HOLES_MAX);
        assert_eq!(track.missing(29_998), 2 * 9_999);
    }
}
