//! Figures of single topics, for those that an operator names.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::QoS;

use crate::{Time, limits::TOPIC_METRICS_MAX};

/// Two windows of this length are kept, so a rate is over one to two of them.
const WINDOW_MILLIS: u64 = 5000;

/// What is counted of one topic. Three numbers are for QoS 0, 1 and 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TopicCounts {
    pub received: [u64; 3],
    pub sent: [u64; 3],
    /// Nobody was subscribed.
    pub dropped: u64,
}

impl TopicCounts {
    /// What came since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let minus = |a: [u64; 3], b: [u64; 3]| std::array::from_fn(|n| a[n].saturating_sub(b[n]));
        Self {
            received: minus(self.received, earlier.received),
            sent: minus(self.sent, earlier.sent),
            dropped: self.dropped.saturating_sub(earlier.dropped),
        }
    }
}

/// A topic's figures, and how they grew of late.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TopicTally {
    pub all: TopicCounts,
    /// What came in the last so many milliseconds.
    pub lately: TopicCounts,
    pub lately_millis: u64,
}

#[derive(Debug, Default)]
struct Tally {
    now: TopicCounts,
    newer: TopicCounts,
    older: TopicCounts,
}

/// The topics that are counted; there is none of these where no topic is.
#[derive(Debug)]
pub(crate) struct Counted {
    topics: HashMap<Box<str>, Tally, FixedState>,
    /// When the two windows began.
    newer: Time,
    older: Time,
}

impl Counted {
    /// Those topics, with the figures that `before` had.
    pub(crate) fn of(
        topics: &[Box<str>],
        before: Option<Box<Self>>,
        now: Time,
    ) -> Option<Box<Self>> {
        if topics.is_empty() {
            return None;
        }
        let mut counted = before.unwrap_or_else(|| {
            Box::new(Self {
                topics: HashMap::default(),
                newer: now,
                older: now,
            })
        });
        let mut before = std::mem::take(&mut counted.topics);
        for topic in topics.iter().take(TOPIC_METRICS_MAX) {
            let tally = before.remove(topic).unwrap_or_default();
            counted.topics.insert(topic.clone(), tally);
        }
        Some(counted)
    }

    pub(crate) fn received(&mut self, topic: &str, qos: QoS, n: u64) {
        if let Some(tally) = self.topics.get_mut(topic) {
            tally.now.received[usize::from(qos.bits())] += n;
        }
    }

    pub(crate) fn sent(&mut self, topic: &str, qos: QoS, n: u64) {
        if let Some(tally) = self.topics.get_mut(topic) {
            tally.now.sent[usize::from(qos.bits())] += n;
        }
    }

    pub(crate) fn dropped(&mut self, topic: &str, n: u64) {
        if let Some(tally) = self.topics.get_mut(topic) {
            tally.now.dropped += n;
        }
    }

    /// A window may end.
    pub(crate) fn tick(&mut self, now: Time) {
        if now.since(self.newer) < WINDOW_MILLIS {
            return;
        }
        (self.older, self.newer) = (self.newer, now);
        for tally in self.topics.values_mut() {
            (tally.older, tally.newer) = (tally.newer, tally.now);
        }
    }

    pub(crate) fn tally(&self, topic: &str, now: Time) -> Option<TopicTally> {
        let tally = self.topics.get(topic)?;
        Some(TopicTally {
            all: tally.now,
            lately: tally.now.since(&tally.older),
            lately_millis: now.since(self.older),
        })
    }

    /// Counts begin anew. False if the topic is not counted.
    pub(crate) fn reset(&mut self, topic: &str) -> bool {
        let tally = self.topics.get_mut(topic);
        tally.map(|tally| *tally = Tally::default()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures stay while a topic is named, and rates follow what happens.
    #[test]
    fn figures_and_rates() {
        let named = |topics: &[&str]| {
            topics
                .iter()
                .map(|t| (*t).into())
                .collect::<Vec<Box<str>>>()
        };
        let mut counted = Counted::of(&named(&["a", "b"]), None, Time(0)).expect("two");
        counted.received("a", QoS::AtLeastOnce, 2);
        counted.sent("a", QoS::AtMostOnce, 6);
        counted.dropped("b", 1);
        counted.received("c", QoS::AtMostOnce, 1);
        let a = counted.tally("a", Time(1000)).expect("named");
        assert_eq!((a.all.received, a.all.sent), ([0, 2, 0], [6, 0, 0]));
        assert_eq!((a.lately, a.lately_millis), (a.all, 1000));
        assert_eq!(counted.tally("c", Time(1000)), None);

        counted.tick(Time(5000));
        counted.received("a", QoS::AtLeastOnce, 1);
        counted.tick(Time(10_000));
        let a = counted.tally("a", Time(12_000)).expect("named");
        assert_eq!((a.all.received, a.lately.received), ([0, 3, 0], [0, 1, 0]));
        assert_eq!(a.lately_millis, 7000);

        let mut counted = Counted::of(&named(&["a"]), Some(counted), Time(12_000)).expect("one");
        assert_eq!(counted.tally("b", Time(12_000)), None);
        assert!(counted.reset("a") && !counted.reset("b"));
        assert_eq!(
            counted.tally("a", Time(12_000)).map(|t| t.all),
            Some(TopicCounts::default())
        );
        assert!(Counted::of(&[], Some(counted), Time(12_000)).is_none());
    }
}
