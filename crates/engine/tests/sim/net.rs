//! Connections between clients and shards, and the sink into which a shard writes.

use std::collections::VecDeque;

use engine::{ConnId, Ending, Mail, SessionId, Sink, Time};
use protocol::{Reason, Version};

/// Which connection, over the whole run.
pub(crate) type Line = usize;

/// A shard's end of a connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) line: Line,
    pub(crate) version: Version,
    pub(crate) session: Option<SessionId>,
    /// The start of an incomplete packet, or what follows a hold.
    pub(crate) input: Vec<u8>,
    pub(crate) out: Vec<u8>,
    /// Up to here `out` was looked at.
    pub(crate) tapped: usize,
    /// Length of `out` when the engine closed the connection, and why.
    pub(crate) closed: Option<(usize, Ending)>,
    pub(crate) held: Option<Time>,
    pub(crate) clogged: bool,
    /// Nothing may be written yet.
    pub(crate) withheld: bool,
    /// The shard's reading clock, in milliseconds, when the last bytes were handed over.
    pub(crate) seen: u64,
}

/// The wire: bytes under way in both directions.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) to_broker: VecDeque<u8>,
    pub(crate) to_client: VecDeque<u8>,
    /// The client's side is gone, once the broker has read up to here.
    pub(crate) client_gone: bool,
    /// The broker's side is gone, once the client has read up to here.
    pub(crate) broker_gone: bool,
}

/// A shard's connections. Slots are used again at once, as in the broker.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    pub(crate) list: Vec<Option<Conn>>,
    free: Vec<u32>,
    nowhere: Vec<u8>,
    pub(crate) dirty: Vec<u32>,
    /// Connections that the engine closed, in order.
    pub(crate) closing: Vec<(u32, Ending)>,
}

impl Conns {
    pub(crate) fn insert(&mut self, conn: Conn) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.list[slot as usize] = Some(conn);
            return slot;
        }
        self.list.push(Some(conn));
        u32::try_from(self.list.len() - 1).expect("few connections")
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Conn> {
        let conn = self.list.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(conn)
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Conn> {
        self.list.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Conn> {
        self.list.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn slots(&self) -> Vec<u32> {
        let used = |(at, conn): (usize, &Option<Conn>)| {
            conn.is_some()
                .then(|| u32::try_from(at).expect("few connections"))
        };
        self.list.iter().enumerate().filter_map(used).collect()
    }
}

impl Sink for Conns {
    fn out(&mut self, conn: ConnId) -> &mut Vec<u8> {
        match self.list.get_mut(conn.0 as usize) {
            Some(Some(entry)) => {
                if !self.dirty.contains(&conn.0) {
                    self.dirty.push(conn.0);
                }
                &mut entry.out
            }
            _ => {
                self.nowhere.clear();
                &mut self.nowhere
            }
        }
    }

    fn withhold(&mut self, conn: ConnId) {
        if let Some(entry) = self.get_mut(conn.0) {
            entry.withheld = true;
        }
    }

    fn let_go(&mut self, conn: ConnId) {
        if let Some(entry) = self.get_mut(conn.0) {
            entry.withheld = false;
            self.dirty.push(conn.0);
        }
    }

    fn close(&mut self, conn: ConnId, why: Ending) {
        if let Some(entry) = self.get_mut(conn.0)
            && entry.closed.is_none()
        {
            entry.closed = Some((entry.out.len(), why));
            entry.session = None;
            self.closing.push((conn.0, why));
        }
    }
}

/// What one shard sends to another.
#[derive(Debug)]
pub(crate) enum Parcel {
    Mail(Vec<Mail>),
    Socket(Box<Conn>),
}

/// A parcel, with the event at which the pass that made it began.
#[derive(Debug)]
pub(crate) struct Stamped {
    pub(crate) event: u64,
    pub(crate) parcel: Parcel,
}

/// Whether the engine closed because the client said DISCONNECT with Normal disconnection.
pub(crate) fn orderly(why: &Ending) -> bool {
    *why == Ending::Left(Reason::NORMAL_DISCONNECTION)
}
