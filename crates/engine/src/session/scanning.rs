//! Retained messages still to be sent for new subscriptions: one slice is asked for at a time, and the
//! next one only when the last has gone out, so that a slow reader holds nothing in memory.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    limits::{FRESH_BYTES_MAX, FRESH_MAX},
    retained::Cursor,
    router::Flags,
};

#[derive(Debug, Default)]
pub(crate) struct Scanning {
    pub(crate) scans: VecDeque<Scan>,
    /// The answer that is on its way.
    pub(crate) asked: Option<u64>,
    /// Nothing is asked for before so many answers to this number have come.
    pub(crate) fence: Option<(u64, u32)>,
    /// Topics whose retained message changed and was delivered meanwhile: what a slice brings for them
    /// is older.
    fresh: BTreeSet<Box<str>>,
    fresh_bytes: usize,
}

impl Scanning {
    /// Whether a retained message that a slice brings is older than what was delivered.
    pub(crate) fn is_fresh(&self, topic: &str) -> bool {
        self.fresh.contains(topic)
    }

    /// Notes a topic. False if there is no room for another.
    pub(crate) fn mark_fresh(&mut self, topic: &str) -> bool {
        if self.fresh.contains(topic) {
            return true;
        }
        let bytes = self.fresh_bytes + topic.len();
        if self.fresh.len() >= FRESH_MAX || bytes > FRESH_BYTES_MAX && !self.fresh.is_empty() {
            return false;
        }
        self.fresh_bytes = bytes;
        self.fresh.insert(topic.into())
    }

    /// Forgets what is fresh, and what is under way: it may be older.
    pub(crate) fn begin_again(&mut self, number: u64, answers: u32) {
        self.forget_fresh();
        self.asked = None;
        self.fence = Some((number, answers));
    }

    /// Takes an answer. True if it was the last one.
    pub(crate) fn fenced(&mut self, number: u64) -> bool {
        let last = match &mut self.fence {
            Some((waited, answers)) if *waited == number => {
                *answers -= 1;
                *answers == 0
            }
            _ => false,
        };
        if last {
            self.fence = None;
        }
        last
    }

    pub(crate) fn forget_fresh(&mut self) {
        self.fresh.clear();
        self.fresh_bytes = 0;
    }
}

#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) filter: Box<str>,
    pub(crate) flags: Flags,
    pub(crate) id: u32,
    /// Shards that have still to be looked through.
    pub(crate) shards: std::ops::Range<u16>,
    pub(crate) cursor: Cursor,
}
