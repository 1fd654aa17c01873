//! Subscriptions whose messages take long: the slowest of them, by the time from a message's receipt to
//! its delivery. Nothing is measured unless somebody asks.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::PacketId;

use crate::{SessionRef, Time, limits::SLOW_FLIGHTS_MAX};

/// Which part of a message's way counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// From receipt to the end of its delivery: PUBACK, PUBCOMP, or for QoS 0 that it was sent.
    Whole,
    /// From receipt until it was sent.
    Internal,
    /// From when it was sent to the end of its delivery.
    Response,
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    pub span: Span,
    /// What takes no longer is not slow.
    pub threshold_millis: u64,
    /// How long one is remembered.
    pub expire_millis: u64,
    /// How many.
    pub top: usize,
}

/// A slow subscription: the last message that took too long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlowSubscription {
    pub client_id: Box<str>,
    /// Of the message.
    pub topic: Box<str>,
    pub millis: u64,
    pub at: Time,
}

/// A message that the client has still to acknowledge.
#[derive(Debug)]
struct Flight {
    received: Time,
    sent: Time,
    topic: Box<str>,
}

/// Client and topic.
type Key = (Box<str>, Box<str>);
/// How long it took, in milliseconds, and when that was.
type Found = (u64, Time);

/// What one shard has seen.
#[derive(Debug)]
pub(crate) struct Slow {
    terms: Terms,
    found: HashMap<Key, Found, FixedState>,
    flights: HashMap<(SessionRef, PacketId), Flight, FixedState>,
    /// When it was last looked whether something can be forgotten.
    swept: Time,
}

const SWEEP_MILLIS: u64 = 1000;

impl Slow {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            found: HashMap::default(),
            flights: HashMap::default(),
            swept: Time(0),
        }
    }

    pub(crate) fn terms(&self) -> Terms {
        self.terms
    }

    /// A message was sent. `id` if it will be acknowledged.
    pub(crate) fn sent(
        &mut self,
        session: SessionRef,
        client_id: &str,
        topic: &str,
        id: Option<PacketId>,
        (received, now): (Time, Time),
    ) {
        if received == Time(0) {
            return; // it was on disk, and nobody knows since when
        }
        match (self.terms.span, id) {
            (Span::Whole | Span::Response, Some(id)) => {
                if self.flights.len() < SLOW_FLIGHTS_MAX {
                    let flight = Flight {
                        received,
                        sent: now,
                        topic: topic.into(),
                    };
                    self.flights.insert((session, id), flight);
                }
            }
            (Span::Response, None) => {}
            (Span::Whole | Span::Internal, _) => {
                self.took(client_id, topic, now.since(received), now);
            }
        }
    }

    /// Its delivery is complete.
    pub(crate) fn done(&mut self, session: SessionRef, client_id: &str, id: PacketId, now: Time) {
        let Some(flight) = self.flights.remove(&(session, id)) else {
            return;
        };
        let since = match self.terms.span {
            Span::Response => flight.sent,
            Span::Whole | Span::Internal => flight.received,
        };
        self.took(client_id, &flight.topic, now.since(since), now);
    }

    fn took(&mut self, client_id: &str, topic: &str, millis: u64, now: Time) {
        if millis <= self.terms.threshold_millis {
            return;
        }
        self.found
            .insert((client_id.into(), topic.into()), (millis, now));
        // The fastest go in one go, so that each costs little.
        if self.found.len() > 2 * self.terms.top {
            self.keep_slowest();
        }
    }

    fn keep_slowest(&mut self) {
        let mut millis: Vec<u64> = self.found.values().map(|(millis, _)| *millis).collect();
        millis.sort_unstable_by(|a, b| b.cmp(a));
        let Some(least) = millis.get(self.terms.top.saturating_sub(1)).copied() else {
            return;
        };
        let mut left = self.terms.top;
        self.found.retain(|_, (millis, _)| {
            let keeps = *millis >= least && left > 0;
            left -= usize::from(keeps);
            keeps
        });
    }

    /// Forgets what is too old, and messages of sessions that are gone.
    pub(crate) fn tick(&mut self, now: Time, mut lives: impl FnMut(SessionRef) -> bool) {
        if now.since(self.swept) < SWEEP_MILLIS {
            return;
        }
        self.swept = now;
        let expire = self.terms.expire_millis;
        self.found.retain(|_, (_, at)| now.since(*at) < expire);
        self.flights.retain(|(session, _), flight| {
            // Who never answers is not slow but away.
            lives(*session) && now.since(flight.sent) < expire
        });
    }

    /// The slowest, in no order.
    pub(crate) fn found(&self, now: Time) -> impl Iterator<Item = SlowSubscription> {
        let expire = self.terms.expire_millis;
        let found = self.found.iter();
        found
            .filter(move |(_, (_, at))| now.since(*at) < expire)
            .map(|((client_id, topic), (millis, at))| SlowSubscription {
                client_id: client_id.clone(),
                topic: topic.clone(),
                millis: *millis,
                at: *at,
            })
    }

    pub(crate) fn clear(&mut self) {
        self.found.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(slot: u32) -> SessionRef {
        SessionRef {
            shard: 0,
            generation: 1,
            slot,
        }
    }

    fn slow(span: Span) -> Slow {
        Slow::new(Terms {
            span,
            threshold_millis: 100,
            expire_millis: 10_000,
            top: 2,
        })
    }

    /// Each span is measured from where it begins to where it ends.
    #[test]
    fn spans() {
        let id = PacketId::new(5).expect("not 0");
        for (span, of_qos_0, of_qos_1) in [
            (Span::Whole, Some(200), Some(700)),
            (Span::Internal, Some(200), Some(200)),
            (Span::Response, None, Some(500)),
        ] {
            let mut slow = slow(span);
            let (received, sent) = (Time(1000), Time(1200));
            slow.sent(session(1), "c", "q0", None, (received, sent));
            slow.sent(session(1), "c", "q1", Some(id), (received, sent));
            slow.sent(session(2), "d", "quick", None, (Time(1150), sent));
            slow.done(session(2), "d", id, Time(1300));
            slow.done(session(1), "c", id, Time(1700));
            slow.done(session(1), "c", id, Time(9000));
            let of = |topic: &str| {
                let mut found = slow.found(Time(2000));
                found.find(|s| *s.topic == *topic).map(|s| s.millis)
            };
            assert_eq!(
                (of("q0"), of("q1"), of("quick")),
                (of_qos_0, of_qos_1, None),
                "{span:?}"
            );
        }
    }

    /// The slowest stay, for a while.
    #[test]
    fn the_slowest() {
        let mut slow = slow(Span::Internal);
        for (n, millis) in [300, 200, 500, 400, 150].into_iter().enumerate() {
            let now = Time(10_000);
            let client = format!("c{n}");
            slow.sent(session(1), &client, "t", None, (Time(10_000 - millis), now));
        }
        let mut millis: Vec<_> = slow.found(Time(10_000)).map(|s| s.millis).collect();
        millis.sort_unstable();
        assert_eq!(millis[millis.len() - 2..], [400, 500]);
        assert!(millis.len() <= 4);
        assert_eq!(slow.found(Time(20_000)).count(), 0);
        slow.tick(Time(20_000), |_| true);
        assert!(slow.found.is_empty());
    }
}
