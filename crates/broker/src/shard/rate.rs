//! How fast connections, messages and bytes come in. What came too fast was taken all the same, and is paid
//! for by time in which nothing more is: the socket is not read, so its peer has to wait. Nothing is
//! dropped.
//!
//! Each rate is one number: the time up to which what was taken is paid for. So much as one period of the
//! rate may be taken ahead.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use engine::Counter;

use super::{READ_BYTES, Worker, conn::Flag};
use crate::config::{Listener, Speed};

/// What one read takes at least of a client that has a rate.
const READ_BYTES_MIN: usize = 1024;
/// A read takes what a client may send in such a part of a second, so that it flows evenly.
const READS_PER_SEC: u64 = 20;
/// A small PUBLISH.
const MESSAGE_BYTES: u64 = 32;
const MICROS: u64 = 1000;
/// While memory is short a publisher is read so seldom: slowly, but it goes on, because what it acknowledges
/// may be what makes room.
const SHORT_MICROS: u64 = 2_000_000;

/// Rates by the number of their listener.
#[derive(Debug, Default)]
pub(crate) struct Rated(Vec<Option<Arc<Rates>>>);

/// Those of one listener. Shared by all shards.
#[derive(Debug)]
pub(crate) struct Rates {
    connections: Option<Speed>,
    client: Limited<Option<Speed>>,
    total: Limited<Option<Speed>>,
    paid: Limited<AtomicU64>,
    connections_paid: AtomicU64,
    read_max: usize,
}

/// What clients send.
#[derive(Clone, Copy, Debug, Default)]
struct Limited<T> {
    messages: T,
    bytes: T,
}

/// Until when what a client has sent is paid for.
type Account = Limited<u64>;

/// What a client has to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wait {
    micros: u64,
    counter: Counter,
}

impl FromIterator<(u8, Rates)> for Rated {
    fn from_iter<I: IntoIterator<Item = (u8, Rates)>>(all: I) -> Self {
        let mut rated = Vec::new();
        for (number, rates) in all {
            let at = usize::from(number);
            if rated.len() <= at {
                rated.resize(at + 1, None);
            }
            rated[at] = Some(Arc::new(rates));
        }
        Self(rated)
    }
}

impl Rated {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&self, listener: u8) -> Option<&Arc<Rates>> {
        self.0.get(usize::from(listener))?.as_ref()
    }

    /// How long the next connection of a listener has to wait; it is taken if it has not to.
    pub(super) fn connection(&self, listener: u8, now: u64) -> Option<u64> {
        let rates = self.of(listener)?;
        let speed = rates.connections?;
        let paid = rates.connections_paid.load(Ordering::Relaxed);
        if let Some(wait) = speed.wait(paid, now) {
            return Some(wait);
        }
        // One thread accepts.
        let paid = speed.pay(paid, now, 1);
        rates.connections_paid.store(paid, Ordering::Relaxed);
        None
    }
}

impl Speed {
    /// Up to when it is paid for when so much more was taken.
    fn pay(self, paid: u64, now: u64, much: u64) -> u64 {
        let micros = u128::from(much) * u128::from(self.millis) * u128::from(MICROS);
        let micros = micros / u128::from(self.amount);
        paid.max(now)
            .saturating_add(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// How long there is to wait until more may be taken.
    fn wait(self, paid: u64, now: u64) -> Option<u64> {
        let ahead = now.saturating_add(self.millis * MICROS);
        (paid > ahead).then(|| paid - ahead)
    }

    fn per_sec(self) -> u64 {
        self.amount.saturating_mul(1000) / self.millis
    }
}

impl Rates {
    /// `None` where a listener has none.
    pub(crate) fn new(listener: &Listener) -> Option<Self> {
        let client = Limited {
            messages: listener.messages_rate,
            bytes: listener.bytes_rate,
        };
        let total = Limited {
            messages: listener.total_messages_rate,
            bytes: listener.total_bytes_rate,
        };
        let messages = client.messages.or(total.messages).map(Speed::per_sec);
        let messages = messages.map(|speed| speed.saturating_mul(MESSAGE_BYTES));
        let bytes = client.bytes.or(total.bytes).map(Speed::per_sec);
        let slowest = messages.into_iter().chain(bytes).min();
        let read_max = slowest.map_or(READ_BYTES, |speed| {
            let part = usize::try_from(speed / READS_PER_SEC).unwrap_or(READ_BYTES);
            part.clamp(READ_BYTES_MIN, READ_BYTES)
        });
        let is_rated = slowest.is_some() || listener.max_conn_rate.is_some();
        is_rated.then(|| Self {
            connections: listener.max_conn_rate,
            client,
            total,
            paid: Limited::default(),
            connections_paid: AtomicU64::default(),
            read_max,
        })
    }

    /// Takes what a client has sent; what it has to wait for the longest, if for anything.
    fn take(&self, account: &mut Account, now: u64, messages: u64, bytes: u64) -> Option<Wait> {
        let own = |speed: Option<Speed>, paid: &mut u64, much, counter| {
            let speed = speed?;
            *paid = speed.pay(*paid, now, much);
            let micros = speed.wait(*paid, now)?;
            Some(Wait { micros, counter })
        };
        let shared = |speed: Option<Speed>, paid: &AtomicU64, much, counter| {
            let speed = speed?;
            let pay = |paid| Some(speed.pay(paid, now, much));
            let before = paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
            let paid = speed.pay(before.unwrap_or_default(), now, much);
            let micros = speed.wait(paid, now)?;
            Some(Wait { micros, counter })
        };
        let (client, total) = (&self.client, &self.total);
        [
            own(
                client.messages,
                &mut account.messages,
                messages,
                Counter::ClientMessagesHeld,
            ),
            own(
                client.bytes,
                &mut account.bytes,
                bytes,
                Counter::ClientBytesHeld,
            ),
            shared(
                total.messages,
                &self.paid.messages,
                messages,
                Counter::ListenerMessagesHeld,
            ),
            shared(
                total.bytes,
                &self.paid.bytes,
                bytes,
                Counter::ListenerBytesHeld,
            ),
        ]
        .into_iter()
        .flatten()
        .max_by_key(|wait| wait.micros)
    }
}

/// What clients of one shard have taken, where they have rates.
#[derive(Debug, Default)]
pub(super) struct Accounts(HashMap<u32, Account>);

impl Accounts {
    /// A connection has ended.
    pub(super) fn close(&mut self, slot: u32) {
        if !self.0.is_empty() {
            self.0.remove(&slot);
        }
    }
}

impl Worker {
    /// How much one read takes of a connection.
    pub(super) fn rated_read_max(&self, slot: u32) -> usize {
        if self.conns.is_short {
            return READ_BYTES_MIN;
        }
        let conn = self.conns.get(slot);
        let rates = conn.and_then(|conn| self.limits.rates.of(conn.listener));
        rates.map_or(READ_BYTES, |rates| rates.read_max)
    }

    /// A client has sent this; it is not read on before its time. `published` is how many messages there
    /// had been before.
    pub(super) fn take_rated(&mut self, slot: u32, bytes: usize, published: u64) {
        let Some(conn) = self.conns.get(slot) else {
            return;
        };
        let now = micros(self.clock.uptime());
        let messages = self.engine.metrics.publish_received() - published;
        let rated = self.limits.rates.of(conn.listener).and_then(|rates| {
            let account = self.accounts.0.entry(slot).or_default();
            rates.take(account, now, messages, bytes as u64)
        });
        let short = Wait {
            micros: SHORT_MICROS,
            counter: Counter::MemoryHeld,
        };
        let short = (self.conns.is_short && messages > 0).then_some(short);
        let longest = rated
            .into_iter()
            .chain(short)
            .max_by_key(|wait| wait.micros);
        let Some(wait) = longest else {
            return;
        };
        let until = self.now.plus_millis(wait.micros.div_ceil(MICROS));
        self.engine.metrics.add(wait.counter, 1);
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        if conn.flags.has(Flag::Held) {
            // It publishes to somebody slow, too: the longer time counts.
            for (at, _) in self.held.iter_mut().filter(|(_, held)| *held == slot) {
                *at = until.max(*at);
            }
            return;
        }
        conn.flags.set(Flag::Held);
        self.held.push((until, slot));
    }

    /// Keep Alive does not run for those that we do not read.
    pub(super) fn keep_rated_alive(&mut self) {
        if self.limits.rates.is_empty() && !self.conns.is_short {
            return;
        }
        for (_, slot) in &self.held {
            if let Some(session) = self.conns.get(*slot).and_then(|c| c.session) {
                self.engine.excuse_silence(session);
            }
        }
    }
}

/// Since the start.
pub(super) fn micros(uptime: std::time::Duration) -> u64 {
    u64::try_from(uptime.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    fn rates(sets: &[&str]) -> Option<Rates> {
        let sources = Sources {
            sets: sets
                .iter()
                .map(|set| format!("listeners.tcp.default.{set}"))
                .collect(),
            ..Sources::default()
        };
        let config = Config::load(&sources).unwrap().config;
        Rates::new(config.listeners.values().next().unwrap())
    }

    #[test]
    fn nothing_is_rated_by_default() {
        assert!(rates(&[]).is_none());
        assert!(Rated::from_iter([]).is_empty());
    }

    /// A period's worth comes at once; from then on one has to wait for each, and who rests may take
    /// ahead again.
    #[test]
    fn a_client_waits_for_what_it_took_ahead() {
        let rates = rates(&["messages_rate=10/s"]).unwrap();
        let mut account = Account::default();
        let mut now = 5_000_000;
        assert_eq!(rates.take(&mut account, now, 10, 999), None);
        let wait = rates.take(&mut account, now, 1, 99).unwrap();
        assert_eq!(
            (wait.micros, wait.counter),
            (100_000, Counter::ClientMessagesHeld)
        );
        now += 100_000;
        assert_eq!(rates.take(&mut account, now, 0, 9), None);
        assert_eq!(rates.take(&mut account, now, 5, 9).unwrap().micros, 500_000);
        now += 60_000_000;
        assert_eq!(rates.take(&mut account, now, 10, 9), None);
        assert_eq!(rates.take(&mut account, now, 1, 9).unwrap().micros, 100_000);
    }

    #[test]
    fn a_listener_is_shared_and_the_longest_wait_counts() {
        let rates = rates(&["bytes_rate=1000/s", "total_bytes_rate=1500/s"]).unwrap();
        let mut accounts = [Account::default(); 2];
        assert_eq!(rates.take(&mut accounts[0], 0, 0, 1000), None);
        let wait = rates.take(&mut accounts[1], 0, 0, 1000).unwrap();
        assert_eq!(wait.counter, Counter::ListenerBytesHeld);
        assert_eq!(wait.micros, 333_333 - 1);
        let wait = rates.take(&mut accounts[1], 0, 0, 5000).unwrap();
        assert_eq!(
            (wait.micros, wait.counter),
            (5_000_000, Counter::ClientBytesHeld)
        );
    }

    #[test]
    fn connections_come_one_after_the_other() {
        let rated: Rated = [(3, rates(&["max_conn_rate=2/s"]).unwrap())]
            .into_iter()
            .collect();
        assert_eq!(rated.connection(0, 0), None, "another listener's");
        for _ in 0..3 {
            assert_eq!(rated.connection(3, 7), None);
        }
        assert_eq!(rated.connection(3, 7), Some(500_000));
        assert_eq!(rated.connection(3, 7 + 500_000), None);
    }

    #[test]
    fn slow_clients_are_read_in_small_pieces() {
        assert_eq!(
            rates(&["messages_rate=1/s"]).unwrap().read_max,
            READ_BYTES_MIN
        );
        assert_eq!(rates(&["bytes_rate=1MB/s"]).unwrap().read_max, 52_428);
        assert_eq!(rates(&["max_conn_rate=1/s"]).unwrap().read_max, READ_BYTES);
    }
}
