//! Deadlines of sessions: one small heap entry each, checked lazily.
//!
//! An entry only says "look at this slot then". Whoever is found there decides what is due and is
//! put back with its next deadline, so activity never touches the heap and a stale entry is harmless.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Time;

/// Tenths of a second: 32 bits of them last thirteen years.
pub(crate) const TICK_MILLIS: u64 = 100;

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u32, u32)>>,
    /// When tick 0 was.
    origin: Time,
}

impl Timers {
    /// Timers that count from then on; nothing is due before.
    pub(crate) fn from(origin: Time) -> Self {
        Self {
            heap: BinaryHeap::new(),
            origin,
        }
    }

    /// Rounded up, so that nothing is looked at before its time.
    pub(crate) fn tick(&self, at: Time) -> u32 {
        let ticks = at.since(self.origin).div_ceil(TICK_MILLIS).max(1);
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// The tick that a time is in.
    pub(crate) fn within(&self, at: Time) -> u32 {
        u32::try_from(at.since(self.origin) / TICK_MILLIS).unwrap_or(u32::MAX)
    }

    /// When a tick is.
    pub(crate) fn time(&self, tick: u32) -> Time {
        self.origin.plus_millis(u64::from(tick) * TICK_MILLIS)
    }

    /// Gives the tick of the entry, never 0.
    pub(crate) fn add(&mut self, at: Time, slot: u32) -> u32 {
        let tick = self.tick(at);
        if self.heap.len() == self.heap.capacity() {
            // Each session has one or two: room for twice as many would be most of what they take.
            self.heap.reserve_exact(self.heap.len() / 4 + 4);
        }
        self.heap.push(Reverse((tick, slot)));
        tick
    }

    /// The next slot to look at, if its time has come, and the tick of the entry.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<(u32, u32)> {
        let Reverse((at, slot)) = *self.heap.peek()?;
        if self.time(at) > now {
            return None;
        }
        self.heap.pop();
        if self.heap.is_empty() {
            self.heap.shrink_to(0);
        }
        Some((slot, at))
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Keeps the entries, by slot and tick, that somebody still waits for.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(u32, u32) -> bool) {
        self.heap.retain(|Reverse((tick, slot))| keep(*slot, *tick));
        self.heap.shrink_to_fit();
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _))| self.time(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_in_order_and_never_early() {
        let mut t = Timers::default();
        t.add(Time(1001), 1);
        t.add(Time(500), 2);
        assert_eq!(t.next(), Some(Time(500)));
        assert_eq!(t.pop_due(Time(499)), None);
        assert_eq!(t.pop_due(Time(1050)), Some((2, 5)));
        assert_eq!(t.pop_due(Time(1050)), None);
        assert_eq!(t.pop_due(Time(1100)), Some((1, 11)));
        for slot in 0..10 {
            t.add(Time(2000), slot);
        }
        t.retain(|slot, tick| slot == 4 && tick == 20);
        assert_eq!((t.len(), t.pop_due(Time(2000))), (1, Some((4, 20))));
    }
}
