//! Retained messages still to be sent for new subscriptions: one slice is asked for at a time, and the
//! next one only when the last has gone out, so that a slow reader holds nothing in memory.

use std::collections::VecDeque;

use crate::{retained::Cursor, router::Flags};

#[derive(Debug, Default)]
pub(crate) struct Scanning {
    pub(crate) scans: VecDeque<Scan>,
    /// The answer that is on its way.
    pub(crate) asked: Option<u64>,
    /// Topics whose retained message changed and was delivered meanwhile: what a slice brings for them
    /// is older.
    pub(crate) fresh: Vec<Box<str>>,
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
