//! Strangers: connections that have still to say who they are. What is bounded is what all shards have of them
//! together: one shard takes all that speak without TLS, and a share each would leave most of the bound unused.
//! How many come from one address is bounded besides, so that one cannot take the place of all others.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use engine::Cause;

use super::{
    Letter, Post, Worker,
    conn::{Flag, Peer},
};
use crate::{lan, settings::Limits, tls::Channel};

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

/// How many come from each address, over all shards: those alone that are among the strangers, so that it is no
/// larger than they are. It is asked twice for a connection, as it comes and as its CONNECT does.
#[derive(Default)]
pub(super) struct Addresses(Mutex<HashMap<u128, u32>>);

/// What counts as one address: whoever has one of IPv6 has the 2^64 of its network.
fn place(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits() >> 64 << 64,
    }
}

impl Addresses {
    /// Counts another, unless there are as many as may be.
    fn enter(&self, address: IpAddr, most: u32) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(place(address)).or_default();
        let is_room = *count < most;
        *count += u32::from(is_room);
        is_room
    }

    fn leave(&self, address: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(place(address)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
                // What a crowd needed is given back once it has gone.
                if counts.len() < counts.capacity() / 8 {
                    let room = counts.len() * 2;
                    counts.shrink_to(room.max(64));
                }
            }
        }
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

    /// Whether a connection may still come from its address. The one that comes is refused, and none that is there:
    /// those are on their way already, and to end them for others that have it all before them would make a
    /// rush of clients begin over and over.
    pub(super) fn counts_address(&mut self, slot: u32) -> bool {
        let most = self.limits.pending_per_address_max;
        let Some(conn) = self.conns.get_mut(slot) else {
            return true;
        };
        if most == 0 || !conn.flags.has(Flag::Pending) || conn.flags.has(Flag::Counted) {
            return true;
        }
        let is_room = self.post.addresses().enter(conn.peer.ip(), most);
        conn.flags.set_to(Flag::Counted, is_room);
        is_room
    }

    /// Whether a connection's address is a proxy's, which has still to say where it comes from.
    pub(super) fn speaks_for_another(&self, slot: u32) -> bool {
        let Some(conn) = self.conns.get(slot) else {
            return false;
        };
        let proxies = self.accepting.forwarders(conn.listener, &self.limits);
        conn.wrap.as_ref().is_some_and(|wrap| wrap.proxied)
            || proxies.is_some_and(|proxies| {
                lan::is_proxy(conn.peer.ip(), proxies, &self.limits.lan_guard)
            })
    }

    /// Where a connection really comes from.
    pub(super) fn comes_from(&mut self, slot: u32, peer: Peer) {
        if let Some(conn) = self.conns.get_mut(slot) {
            if conn.flags.take(Flag::Counted) {
                self.post.addresses().leave(conn.peer.ip());
            }
            conn.peer = peer;
        }
    }

    pub(super) fn no_longer_pending(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        if conn.flags.take(Flag::Counted) {
            self.post.addresses().leave(conn.peer.ip());
        }
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
    fn addresses_are_counted_while_there_is_somebody() {
        let addresses = Addresses::default();
        let at = |text: &str| -> IpAddr { text.parse().unwrap() };
        let table = [
            ("192.0.2.1", true),
            ("192.0.2.1", true),
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db8:1:2::1", true),
            ("2001:db8:1:2:3::4", true),
            ("2001:db8:1:2:ffff::", false),
            ("2001:db8:1:3::1", true),
            ("::1", true),
        ];
        for (address, due) in table {
            assert_eq!(addresses.enter(at(address), 2), due, "{address}");
        }
        addresses.leave(at("192.0.2.1"));
        assert!(addresses.enter(at("192.0.2.1"), 2));
        for (address, _) in table.iter().filter(|(_, entered)| *entered) {
            addresses.leave(at(address));
        }
        assert!(addresses.0.lock().unwrap().is_empty());
        // One that was never counted harms nobody.
        addresses.leave(at("192.0.2.1"));
        assert!(addresses.enter(at("192.0.2.1"), 1) && !addresses.enter(at("192.0.2.1"), 1));
    }

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
