//! What `$delayed/SECONDS/TOPIC` asks for, and how much may wait on all shards together.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    Time,
    limits::{DELAY_SECS_MAX, DELAYED_BYTES_MAX, DELAYED_MAX},
};

/// How much waits on all shards: the same value for all of them, and in every policy that follows.
#[derive(Debug, Default)]
pub struct Room {
    count: AtomicU64,
    bytes: AtomicU64,
}

impl Room {
    /// Messages that wait.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Takes room for one more message, where no more than `max` may wait; false if there is none.
    pub(crate) fn take(&self, max: u64, bytes: usize) -> bool {
        let max = if max == 0 {
            DELAYED_MAX
        } else {
            max.min(DELAYED_MAX)
        };
        if self.count.fetch_add(1, Ordering::Relaxed) >= max {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let bytes = bytes as u64;
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > DELAYED_BYTES_MAX {
            self.give_back(bytes);
            return false;
        }
        true
    }

    /// As [`Room::take`], for what was promised in an earlier life.
    pub(crate) fn take_promised(&self, bytes: usize) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What a topic beginning with `$delayed/` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Delay {
    pub(crate) due: Time,
}

impl Delay {
    pub(crate) const PREFIX: &str = "$delayed/";

    /// Reads what stands behind the prefix: seconds, or a later time in seconds since 1970, and the
    /// topic. `None` for anything else.
    pub(crate) fn parse(text: &str, now: Time) -> Option<(Self, &str)> {
        let (number, topic) = text.split_once('/')?;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) || topic.is_empty() {
            return None;
        }
        let number: u64 = number.parse().ok()?;
        let max = u64::from(DELAY_SECS_MAX);
        let due = if number <= max {
            now.plus_millis(number * 1000)
        } else {
            let at = Time(number.checked_mul(1000)?);
            (at > now && at.since(now) <= max * 1000).then_some(at)?
        };
        Some((Self { due }, topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        const NOW: Time = Time(1_700_000_000_000);
        let cases = [
            ("0/a", Some((0, "a"))),
            ("5/a/b", Some((5000, "a/b"))),
            ("4294967/a", Some((4_294_967_000, "a"))),
            ("1700000060/a", Some((60_000, "a"))),
            ("5//a", Some((5000, "/a"))),
            ("4294968/a", None), // a time long ago
            ("1704294968/a", None),
            ("99999999999999999999/a", None),
            ("5", None),
            ("5/", None),
            ("/a", None),
            ("-5/a", None),
            ("+5/a", None),
            ("5s/a", None),
            ("1.5/a", None),
        ];
        for (text, expected) in cases {
            let found = Delay::parse(text, NOW).map(|(d, topic)| (d.due.since(NOW), topic));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn room_has_bounds() {
        let room = Room::default();
        assert!(room.take(2, 10) && room.take(2, 10) && !room.take(2, 10));
        room.give_back(10);
        assert!(!room.take(2, usize::try_from(DELAYED_BYTES_MAX).unwrap()));
        assert!(room.take(2, 10) && !room.take(2, 10) && room.take(0, 10));
        assert_eq!(room.count(), 3);
    }
}
