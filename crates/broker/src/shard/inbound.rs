//! Packets that have not arrived whole: what all clients together may have of them in memory.
//!
//! When it is too much, whoever has a large packet under way is not read on, so that the bytes wait in
//! its own socket; one is, until its packet is whole, so that there is always progress. One that stands
//! still while others wait for it loses its connection.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use engine::Cause;

use super::{READ_BYTES, TAIL_BYTES, Worker, conn::Flag, deadline::Deadlines};

/// How long a large packet may stand still while others wait.
const STALL: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Inbound {
    bytes: usize,
    /// Not read for now, in the order in which they will be.
    parked: VecDeque<u32>,
    /// The one that is read on.
    favoured: Option<u32>,
    /// Those with a large packet under way that are not parked, until when it must have grown.
    growing: Deadlines,
}

impl Inbound {
    fn forget(&mut self, slot: u32, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if bytes > READ_BYTES {
            self.growing.cancel(slot);
        }
    }

    fn keep(&mut self, slot: u32, bytes: usize) {
        self.bytes += bytes;
        if bytes > READ_BYTES {
            self.growing.set(slot, Instant::now() + STALL);
        }
    }

    /// Counts bytes that were counted elsewhere before.
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// A connection has no large packet under way.
    fn is_done(&mut self, slot: u32) {
        if self.favoured == Some(slot) {
            self.favoured = None;
        }
    }
}

impl Worker {
    /// How many bytes may be read of a connection now; 0 if it has to wait.
    pub(super) fn read_max(&mut self, slot: u32) -> usize {
        if self.inbound.bytes < self.limits.incomplete_bytes_max {
            if !self.limits.rates.is_empty() || self.conns.is_short {
                return self.rated_read_max(slot);
            }
            return READ_BYTES;
        }
        let Some(conn) = self.conns.get_mut(slot) else {
            return 0;
        };
        if conn.input.as_ref().is_none_or(|i| i.len() <= TAIL_BYTES) {
            // Small packets get through; a large one begins, and then waits.
            return TAIL_BYTES;
        }
        if *self.inbound.favoured.get_or_insert(slot) == slot {
            return READ_BYTES;
        }
        if !conn.flags.has(Flag::Parked) {
            conn.flags.set(Flag::Parked);
            self.inbound.parked.push_back(slot);
            // It waits for us, not we for it.
            self.inbound.growing.cancel(slot);
        }
        0
    }

    /// Reads on where there is room again, and ends those that others wait for in vain.
    pub(super) fn unpark(&mut self) {
        if self.inbound.parked.is_empty() {
            return;
        }
        let max = self.limits.incomplete_bytes_max;
        let mut room = max.saturating_sub(self.inbound.bytes).div_ceil(READ_BYTES);
        if self.inbound.favoured.is_none() {
            room = room.max(1);
        }
        for _ in 0..room {
            let Some(slot) = self.inbound.parked.pop_front() else {
                return;
            };
            if let Some(conn) = self.conns.get_mut(slot) {
                conn.flags.clear(Flag::Parked);
                self.note_readable(slot, false);
            }
        }
        if self.inbound.parked.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(slot) = self.inbound.growing.pop_due(now) {
            if let Some(session) = self.conns.get(slot).and_then(|c| c.session) {
                let why = Cause::PacketStalled.close();
                self.engine.kick(self.now, session, why, &mut self.conns);
            }
        }
    }

    /// Keep Alive does not run for those that we do not read.
    pub(super) fn keep_parked_alive(&mut self) {
        for slot in &self.inbound.parked {
            if let Some(session) = self.conns.get(*slot).and_then(|c| c.session) {
                self.engine.excuse_silence(session);
            }
        }
    }

    /// What was kept of a connection's incomplete packet is no longer.
    pub(super) fn forget_input(&mut self, slot: u32, bytes: usize) {
        if self
            .conns
            .get(slot)
            .is_some_and(|c| c.flags.has(Flag::Pending))
        {
            self.count_pending_bytes(bytes, 0);
        } else {
            self.inbound.forget(slot, bytes);
        }
    }

    /// Keeps the start of an incomplete packet, if there is one.
    pub(super) fn keep_input(&mut self, slot: u32, input: Vec<u8>) {
        let bytes = input.len();
        if bytes <= TAIL_BYTES {
            self.inbound.is_done(slot);
        }
        let Some(conn) = self.conns.get_mut(slot).filter(|_| bytes > 0) else {
            return;
        };
        conn.input = Some(Box::new(input));
        if conn.flags.has(Flag::Pending) {
            self.count_pending_bytes(0, bytes);
        } else {
            self.inbound.keep(slot, bytes);
        }
    }

    /// Counts what is kept of an incomplete TLS record.
    pub(super) fn count_waiting(&mut self, slot: u32) {
        self.forget_waiting(slot);
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        let pending = conn.flags.has(Flag::Pending);
        let Some(tls) = conn.tls_mut() else {
            return;
        };
        let bytes = tls.waiting();
        tls.counted = bytes;
        if pending {
            self.count_pending_bytes(0, bytes);
        } else {
            self.inbound.bytes += bytes;
        }
    }

    /// It counts no longer.
    pub(super) fn forget_waiting(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        let pending = conn.flags.has(Flag::Pending);
        let bytes = conn
            .tls_mut()
            .map_or(0, |tls| std::mem::take(&mut tls.counted));
        if pending {
            self.count_pending_bytes(bytes, 0);
        } else {
            self.inbound.bytes = self.inbound.bytes.saturating_sub(bytes);
        }
    }

    /// A connection ends or is given up: what it had under way goes with it.
    pub(super) fn drop_input(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        let parked = conn.flags.take(Flag::Parked);
        if let Some(input) = conn.input.take() {
            self.forget_input(slot, input.len());
        }
        self.forget_waiting(slot);
        if parked {
            self.inbound.parked.retain(|other| *other != slot);
        }
        self.inbound.is_done(slot);
    }
}
