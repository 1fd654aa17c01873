//! Strangers: connections that have still to say who they are. What is bounded is what all shards have of them
//! together: one shard takes all that speak without TLS, and a share each would leave most of the bound unused.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use engine::Cause;

use super::{Letter, Post, Worker, conn::Flag};
use crate::{settings::Limits, tls::Channel};

/// What is bounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bound {
    Connections,
    Bytes,
}

/// What a shard has of each, for all to see.
#[derive(Default)]
pub(super) struct Strangers([AtomicUsize; 2]);

impl Strangers {
    pub(super) fn set(&self, connections: usize, bytes: usize) {
        self.0[Bound::Connections as usize].store(connections, Ordering::Relaxed);
        self.0[Bound::Bytes as usize].store(bytes, Ordering::Relaxed);
    }

    pub(super) fn of(&self, bound: Bound) -> usize {
        self.0[bound as usize].load(Ordering::Relaxed)
    }
}

impl Bound {
    fn most(self, limits: &Limits) -> usize {
        match self {
            Self::Connections => limits.pending_max,
            Self::Bytes => limits.pending_bytes_max,
        }
    }

    fn cause(self) -> Cause {
        match self {
            Self::Connections => Cause::PendingMax,
            Self::Bytes => Cause::PendingBytesMax,
        }
    }
}

/// The shard that has to make room, if there is too much in all: the one that has the most.
fn crowded(post: &Post, bound: Bound, limits: &Limits) -> Option<u16> {
    let each = || (0..post.count()).map(|shard| post.strangers(shard).of(bound));
    if each().sum::<usize>() <= bound.most(limits) {
        return None;
    }
    let most = (0..).zip(each()).max_by_key(|(_, number)| *number);
    most.map(|(shard, _)| shard)
}

impl Worker {
    /// Tells all shards what this one has.
    pub(super) fn note_strangers(&self) {
        let accepting = &self.accepting;
        self.post
            .strangers(self.id)
            .set(accepting.pending.len(), accepting.pending_bytes);
    }

    /// While there is too much in all, the oldest go where the most is.
    pub(super) fn keep_within(&mut self, bound: Bound) {
        while let Some(shard) = crowded(&self.post, bound, &self.limits) {
            if shard != self.id {
                return self.post.send(shard, Letter::Crowded(bound));
            }
            let Some(slot) = self.accepting.pending.pop_first() else {
                return;
            };
            self.abandon(slot, bound.cause());
            self.note_strangers();
        }
    }

    pub(super) fn no_longer_pending(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        if conn.flags.has(Flag::Pending) {
            conn.flags.clear(Flag::Pending);
            self.accepting.pending.cancel(slot);
            let held = conn.input.as_ref().map_or(0, |i| i.len());
            let waiting = conn.tls().map_or(0, |tls| tls.counted);
            let held = held + waiting;
            self.accepting.pending_bytes = self.accepting.pending_bytes.saturating_sub(held);
            // That of a client counts as such.
            self.inbound.add(waiting);
            self.note_strangers();
        }
    }

    /// Bytes kept for connections without CONNECT changed.
    pub(super) fn count_pending_bytes(&mut self, before: usize, after: usize) {
        let bytes = self.accepting.pending_bytes + after;
        self.accepting.pending_bytes = bytes.saturating_sub(before);
        self.note_strangers();
        if after > before {
            self.keep_within(Bound::Bytes);
        }
    }

    /// The deadline is for the whole CONNECT, not for its next byte.
    pub(super) fn expire_pending(&mut self) {
        let now = Instant::now();
        while let Some(slot) = self.accepting.pending.pop_due(now) {
            let tls = self.conns.get(slot).and_then(|c| c.tls());
            let cause = if tls.is_some_and(Channel::is_opening) {
                Cause::TlsTimeout
            } else {
                Cause::ConnectTimeout
            };
            self.abandon(slot, cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, transport::http::Ports};

    #[test]
    fn who_has_the_most_makes_room() {
        let (post, _polls) = Post::new(3).unwrap();
        let config = Config::default();
        let limits = Limits::new(&config, 3, Ports::default(), |_| None);
        let most = (limits.pending_max, limits.pending_bytes_max);
        let crowded = |bound| crowded(&post, bound, &limits);
        post.strangers(0).set(most.0 - 3, 0);
        post.strangers(1).set(1, most.1);
        post.strangers(2).set(2, 0);
        assert_eq!(crowded(Bound::Connections), None);
        assert_eq!(crowded(Bound::Bytes), None);
        post.strangers(2).set(3, 1);
        assert_eq!(crowded(Bound::Connections), Some(0));
        assert_eq!(crowded(Bound::Bytes), Some(1));
    }
}
