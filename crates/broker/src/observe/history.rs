//! What the broker did: every second of the last ten minutes, and seven days in steps that widen with
//! the time looked back. Gaps stay gaps. What is kept here is bounded by its steps alone.

use std::collections::VecDeque;

use engine::{Counter, Drop, Metrics};

/// Seconds that are kept.
const SECONDS_MAX: usize = 600;

/// The steps: milliseconds of one, and how many there are.
const TIERS: [(u64, usize); 4] = [
    (10_000, 360),
    (60_000, 1440),
    (300_000, 864),
    (600_000, 1008),
];

/// One second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Second {
    /// Milliseconds since 1970.
    pub at: u64,
    /// PUBLISH packets in and out.
    pub received: u64,
    pub sent: u64,
    /// Messages that nobody wanted: no fault.
    pub no_subscriber: u64,
    /// Messages that somebody should have had, by reason as in [`Drop::ALL`].
    pub lost: [u64; Drop::COUNT],
    pub bytes_received: u64,
    pub bytes_sent: u64,
    /// Connected clients.
    pub clients: u64,
}

/// One step of the history, with EMQX's meaning of each figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sample {
    /// When the step began, in milliseconds since 1970.
    pub at: u64,
    pub received: u64,
    pub sent: u64,
    /// Lost and without subscriber together.
    pub dropped: u64,
    /// Sessions, connected or not.
    pub connections: u64,
    pub live_connections: u64,
    pub subscriptions: u64,
    pub topics: u64,
    /// Written to the log for sessions that outlive their connection.
    pub persisted: u64,
    /// Subscriptions of such sessions.
    pub lasting_subscriptions: u64,
    /// The broker was started in it.
    pub restarted: bool,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    seconds: VecDeque<Second>,
    tiers: [Tier; TIERS.len()],
    before: Option<Metrics>,
    /// Steps that were completed and not yet kept, with their tier.
    fresh: Vec<(u8, Sample)>,
}

#[derive(Debug, Default)]
struct Tier {
    done: VecDeque<Sample>,
    current: Option<Sample>,
}

impl Sample {
    const BYTES: usize = 10 * 8 + 1;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::BYTES);
        for figure in [
            self.at,
            self.received,
            self.sent,
            self.dropped,
            self.connections,
            self.live_connections,
            self.subscriptions,
            self.topics,
            self.persisted,
            self.lasting_subscriptions,
        ] {
            out.extend_from_slice(&figure.to_be_bytes());
        }
        out.push(u8::from(self.restarted));
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (figures, rest) = bytes.as_chunks::<8>();
        let [
            at,
            received,
            sent,
            dropped,
            connections,
            live,
            subscriptions,
            topics,
            persisted,
            lasting_subscriptions,
        ] = *figures
        else {
            return None;
        };
        let [restarted] = *rest else { return None };
        let figure = u64::from_be_bytes;
        Some(Self {
            at: figure(at),
            received: figure(received),
            sent: figure(sent),
            dropped: figure(dropped),
            connections: figure(connections),
            live_connections: figure(live),
            subscriptions: figure(subscriptions),
            topics: figure(topics),
            persisted: figure(persisted),
            lasting_subscriptions: figure(lasting_subscriptions),
            restarted: restarted != 0,
        })
    }

    /// Adds what came after it: counts are summed, figures are the later ones.
    fn add(&mut self, later: &Self) {
        self.received += later.received;
        self.sent += later.sent;
        self.dropped += later.dropped;
        self.connections = later.connections;
        self.live_connections = later.live_connections;
        self.subscriptions = later.subscriptions;
        self.topics = later.topics;
        self.persisted += later.persisted;
        self.lasting_subscriptions = later.lasting_subscriptions;
        self.restarted |= later.restarted;
    }
}

impl History {
    /// What was kept in earlier lives.
    pub(crate) fn restore(&mut self, samples: impl IntoIterator<Item = (u8, Sample)>) {
        for (tier, sample) in samples {
            if let Some(tier) = self.tiers.get_mut(usize::from(tier)) {
                tier.done.push_back(sample);
            }
        }
        for (tier, (_, count)) in self.tiers.iter_mut().zip(TIERS) {
            tier.done.make_contiguous().sort_by_key(|sample| sample.at);
            let extra = tier.done.len().saturating_sub(count);
            tier.done.drain(..extra);
        }
    }

    /// Looks at the figures; to be called once a second.
    pub(crate) fn tick(&mut self, now: u64, m: &Metrics) {
        let first = self.before.is_none();
        let before = self.before.replace(m.clone()).unwrap_or_default();
        let since = |counter| m.get(counter).saturating_sub(before.get(counter));
        let lost = Drop::ALL.map(|(why, _)| m.dropped(why).saturating_sub(before.dropped(why)));
        let second = Second {
            at: now,
            received: m
                .publish_received()
                .saturating_sub(before.publish_received()),
            sent: m.publish_sent().saturating_sub(before.publish_sent()),
            no_subscriber: since(Counter::NoSubscriber),
            lost,
            bytes_received: since(Counter::BytesReceived),
            bytes_sent: since(Counter::BytesSent),
            clients: m.gauges.connections,
        };
        if self.seconds.len() == SECONDS_MAX {
            self.seconds.pop_front();
        }
        self.seconds.push_back(second);
        let sample = Sample {
            at: now,
            received: second.received,
            sent: second.sent,
            dropped: second.no_subscriber + lost.iter().sum::<u64>(),
            connections: m.gauges.sessions,
            live_connections: m.gauges.connections,
            subscriptions: m.gauges.subscriptions,
            topics: m.gauges.topics,
            persisted: since(Counter::Logged),
            lasting_subscriptions: m.gauges.lasting_subscriptions,
            restarted: first,
        };
        for (number, (tier, (step, count))) in (0..).zip(self.tiers.iter_mut().zip(TIERS)) {
            if let Some(done) = tier.add(&sample, step, count) {
                self.fresh.push((number, done));
            }
        }
    }

    /// The broker ends: what has begun counts as a step.
    pub(crate) fn finish(&mut self) {
        for (number, tier) in (0..).zip(&mut self.tiers) {
            if let Some(sample) = tier.current.take() {
                tier.done.push_back(sample);
                self.fresh.push((number, sample));
            }
        }
    }

    /// Steps that are to be kept, each with its tier, since the last call.
    pub(crate) fn take_fresh(&mut self) -> Vec<(u8, Sample)> {
        std::mem::take(&mut self.fresh)
    }

    /// Before when a tier's steps are too old to be kept.
    pub(crate) fn horizon(tier: u8, now: u64) -> u64 {
        let (step, count) = TIERS[usize::from(tier) % TIERS.len()];
        now.saturating_sub(step * count as u64)
    }

    /// The seconds after `after`, oldest first.
    pub(crate) fn seconds(&self, after: u64) -> Vec<Second> {
        let from = self.seconds.partition_point(|second| second.at <= after);
        self.seconds.range(from..).copied().collect()
    }

    /// The last `millis` in the finest step that covers them, oldest first; at most 1440 samples.
    pub(crate) fn samples(&self, now: u64, millis: u64) -> Vec<Sample> {
        let covers = |(step, count): (u64, usize)| millis <= step * count as u64;
        let at = TIERS
            .iter()
            .position(|t| covers(*t))
            .unwrap_or(TIERS.len() - 1);
        let (tier, (_, count)) = (&self.tiers[at], TIERS[at]);
        let since = now.saturating_sub(millis);
        let all = tier.done.iter().chain(&tier.current);
        let wanted: Vec<_> = all.filter(|s| s.at >= since).copied().collect();
        let extra = wanted.len().saturating_sub(count);
        wanted[extra..].to_vec()
    }

    /// Messages per second since the last step of ten seconds began: received, sent, dropped.
    pub(crate) fn rates(&self) -> [u64; 3] {
        let recent = self.seconds.iter().rev().take(10);
        let (mut sum, mut count) = ([0; 3], 0);
        for second in recent {
            sum[0] += second.received;
            sum[1] += second.sent;
            sum[2] += second.no_subscriber + second.lost.iter().sum::<u64>();
            count += 1;
        }
        let rounded = |n: u64| (n + count / 2) / count.max(1);
        sum.map(rounded)
    }

    /// Forgets all of it; the seconds go on.
    pub(crate) fn clear(&mut self) {
        self.tiers = Default::default();
        self.fresh.clear();
    }
}

impl Tier {
    /// Gives the step that this sample ended.
    fn add(&mut self, sample: &Sample, step: u64, count: usize) -> Option<Sample> {
        let at = sample.at - sample.at % step;
        match &mut self.current {
            Some(current) if current.at == at => {
                current.add(sample);
                None
            }
            current => {
                let done = current.replace(Sample { at, ..*sample })?;
                if self.done.len() >= count {
                    self.done.pop_front();
                }
                self.done.push_back(done);
                Some(done)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000;

    fn figures(received: u64) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.add(Counter::PublishReceivedQos0, received);
        metrics.add(Counter::NoSubscriber, received / 2);
        metrics.add(Counter::Logged, received / 5);
        metrics.drop(Drop::Expired, received / 10);
        metrics.gauges.connections = 3;
        metrics.gauges.topics = 4;
        metrics
    }

    fn run(secs: u64) -> History {
        let mut history = History::default();
        for s in 0..secs {
            history.tick(START + s * 1000, &figures(s * 10));
        }
        history
    }

    #[test]
    fn one_step_has_what_happened_in_it() {
        let history = run(65);
        let samples = history.samples(START + 65_000, 3_600_000);
        assert_eq!(samples.len(), 7);
        let second = samples[1];
        assert_eq!((second.received, second.dropped), (100, 60));
        assert_eq!(second.persisted, 20);
        assert_eq!((second.live_connections, second.topics), (3, 4));
        assert!(samples[0].restarted && !second.restarted);
        assert_eq!(history.rates(), [10, 0, 6]);
        let seconds = history.seconds(START + 62_000);
        assert_eq!(seconds.len(), 2);
        assert_eq!(seconds[0].lost[2], 1);
    }

    #[test]
    fn steps_widen_and_are_bounded() {
        let history = run(8 * 86_400);
        let now = START + 8 * 86_400_000;
        let table = [
            (3_600_000, 10_000, 360),
            (21_600_000, 60_000, 360),
            (86_400_000, 60_000, 1440),
            (3 * 86_400_000, 300_000, 864),
            (7 * 86_400_000, 600_000, 1008),
            (u64::MAX, 600_000, 1008),
        ];
        for (millis, step, count) in table {
            let samples = history.samples(now, millis);
            assert!(
                samples.len() <= count && samples.len() + 2 >= count,
                "{millis}"
            );
            assert!(
                samples.windows(2).all(|w| w[1].at - w[0].at == step),
                "{millis}"
            );
        }
        assert_eq!(history.seconds.len(), SECONDS_MAX);
    }

    #[test]
    fn gaps_stay_and_restarts_are_marked() {
        let mut first = run(120);
        first.finish();
        let mut kept = first.take_fresh();
        kept.reverse();
        for (_, sample) in &kept {
            assert_eq!(Sample::decode(&sample.encode()), Some(*sample));
        }
        let mut history = History::default();
        history.restore(kept);
        let later = START + 600_000;
        history.tick(later, &figures(5));
        let samples = history.samples(later + 1000, 3_600_000);
        assert_eq!(samples.len(), 13);
        assert_eq!(samples[12].at - samples[11].at, 490_000);
        assert!(samples[12].restarted);
        history.clear();
        assert!(history.samples(later, 3_600_000).is_empty());
    }
}
