//! What is counted only while somebody looks: messages by topic and by publisher and topic, the last
//! value of each topic, the last messages of a chosen one. All of it is bounded; what finds no room is
//! counted as others. Nobody looking costs one branch for each message.

use std::{collections::VecDeque, hash::BuildHasher as _};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use protocol::{Filter, QoS, Topic};

use crate::{
    SessionRef, Time,
    limits::{TAPPED_BYTES_MAX, TAPPED_MAX, TAPS_MAX, TRACED_MAX},
    message::View,
};

/// Bounds of what is counted on one shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    pub topics_max: usize,
    /// Bytes of names and last values together.
    pub bytes_max: usize,
    /// Pairs of publisher and topic.
    pub flows_max: usize,
    /// Bytes of a last value that are kept.
    pub value_max: usize,
}

/// What was counted since the last call. Topics and publishers are numbers, which are named once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    pub new_topics: Vec<(u32, Box<str>)>,
    /// Topic, messages, bytes of their payloads.
    pub topics: Vec<(u32, u64, u64)>,
    pub new_publishers: Vec<(u32, Box<str>)>,
    /// Publisher, topic, messages.
    pub flows: Vec<(u32, u32, u64)>,
    /// Messages of topics, and of pairs, for which there was no room.
    pub other_topics: u64,
    pub other_flows: u64,
}

/// The last value of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Last {
    pub at: Time,
    pub qos: QoS,
    pub retain: bool,
    /// Bytes of the payload; `value` may have fewer.
    pub size: usize,
    pub value: Box<[u8]>,
}

/// A message of a chosen topic, or one that a trace wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Counts up within the topic.
    pub number: u64,
    pub last: Last,
    pub publisher: Box<str>,
}

/// A message that a trace of topics wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Traced {
    /// Which trace.
    pub trace: u32,
    pub topic: Box<str>,
    pub seen: Seen,
}

#[derive(Debug)]
pub(crate) struct Watch {
    scope: Option<Scope>,
    hasher: FixedState,
    by_name: HashTable<u32>,
    topics: Vec<Counter>,
    bytes: usize,
    publishers: HashMap<SessionRef, u32, FixedState>,
    flows: HashMap<(u32, u32), u64, FixedState>,
    touched: Vec<u32>,
    counted: Counted,
    taps: Vec<Tap>,
    traces: Vec<(u32, Box<str>)>,
    traced: Vec<Traced>,
    traced_missed: u64,
}

#[derive(Debug)]
struct Counter {
    name: Box<str>,
    hash: u64,
    count: u64,
    bytes: u64,
    at: Time,
    qos: QoS,
    retain: bool,
    size: usize,
    value: Vec<u8>,
}

#[derive(Debug)]
struct Tap {
    topic: Box<str>,
    seen: VecDeque<Seen>,
    bytes: usize,
    next: u64,
}

impl Watch {
    pub(crate) fn new() -> Self {
        let hasher = FixedState::default();
        Self {
            scope: None,
            hasher: hasher.clone(),
            by_name: HashTable::new(),
            topics: Vec::new(),
            bytes: 0,
            publishers: HashMap::with_hasher(hasher.clone()),
            flows: HashMap::with_hasher(hasher),
            touched: Vec::new(),
            counted: Counted::default(),
            taps: Vec::new(),
            traces: Vec::new(),
            traced: Vec::new(),
            traced_missed: 0,
        }
    }

    /// Begins to count anew, or ends it and forgets.
    pub(crate) fn count(&mut self, scope: Option<Scope>) {
        if self.scope != scope {
            let (taps, traces) = (
                std::mem::take(&mut self.taps),
                std::mem::take(&mut self.traces),
            );
            *self = Self {
                scope,
                taps,
                traces,
                ..Self::new()
            };
        }
    }

    /// Nobody looks at anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.scope.is_none() && self.taps.is_empty() && self.traces.is_empty()
    }

    /// Messages of one topic and publisher, and the last of them. `name` gives the publisher's.
    pub(crate) fn note<'n>(
        &mut self,
        now: Time,
        view: &View<'_>,
        n: u64,
        bytes: u64,
        name: impl Fn() -> &'n str,
    ) {
        if let Some(scope) = self.scope {
            self.add(now, view, n, bytes, scope, &name);
        }
        let topic = view.topic.as_str();
        for tap in &mut self.taps {
            if *tap.topic == *topic {
                tap.add(last(now, view, TAPPED_BYTES_MAX), name());
            }
        }
        for (trace, filter) in &self.traces {
            if Filter::trusted(filter).matches(view.topic) {
                if self.traced.len() >= TRACED_MAX {
                    self.traced_missed += n;
                    continue;
                }
                // What was one event in a run is one line, too.
                self.traced_missed += n - 1;
                let seen = Seen {
                    number: 0,
                    last: last(now, view, TAPPED_BYTES_MAX),
                    publisher: name().into(),
                };
                self.traced.push(Traced {
                    trace: *trace,
                    topic: topic.into(),
                    seen,
                });
            }
        }
    }

    fn add<'n>(
        &mut self,
        now: Time,
        view: &View<'_>,
        n: u64,
        bytes: u64,
        scope: Scope,
        name: &impl Fn() -> &'n str,
    ) {
        let Some(topic) = self.topic(view.topic, scope) else {
            self.counted.other_topics += n;
            return;
        };
        let entry = &mut self.topics[topic as usize];
        if entry.count == 0 {
            self.touched.push(topic);
        }
        entry.count += n;
        entry.bytes += bytes;
        (entry.at, entry.qos, entry.retain) = (now, view.qos, view.retain);
        entry.size = view.payload.len();
        let before = entry.value.capacity();
        entry.value.clear();
        let kept = entry.size.min(scope.value_max);
        if kept <= before || self.bytes + kept - before <= scope.bytes_max {
            entry.value.extend_from_slice(&view.payload[..kept]);
            self.bytes += entry.value.capacity() - before;
        }
        if view.publisher == SessionRef::BROKER {
            return;
        }
        let next = u32::try_from(self.publishers.len()).unwrap_or(u32::MAX);
        let publisher = match self.publishers.get(&view.publisher) {
            Some(publisher) => *publisher,
            None if self.publishers.len() < scope.flows_max => {
                self.publishers.insert(view.publisher, next);
                self.counted.new_publishers.push((next, name().into()));
                next
            }
            None => {
                self.counted.other_flows += n;
                return;
            }
        };
        if self.flows.len() < scope.flows_max {
            *self.flows.entry((publisher, topic)).or_default() += n;
        } else {
            match self.flows.get_mut(&(publisher, topic)) {
                Some(count) => *count += n,
                None => self.counted.other_flows += n,
            }
        }
    }

    /// The number of a topic; a new one if there is room.
    fn topic(&mut self, topic: Topic<'_>, scope: Scope) -> Option<u32> {
        let text = topic.as_str();
        let hash = self.hasher.hash_one(text);
        let topics = &self.topics;
        let same = |at: &u32| {
            let entry = &topics[*at as usize];
            entry.hash == hash && &*entry.name == text
        };
        if let Some(found) = self.by_name.find(hash, same) {
            return Some(*found);
        }
        let bytes = text.len() + size_of::<Counter>();
        if self.topics.len() >= scope.topics_max || self.bytes + bytes > scope.bytes_max {
            return None;
        }
        let number = u32::try_from(self.topics.len()).ok()?;
        self.bytes += bytes;
        self.topics.push(Counter {
            name: text.into(),
            hash,
            count: 0,
            bytes: 0,
            at: Time(0),
            qos: QoS::AtMostOnce,
            retain: false,
            size: 0,
            value: Vec::new(),
        });
        let topics = &self.topics;
        self.by_name
            .insert_unique(hash, number, |at| topics[*at as usize].hash);
        self.counted.new_topics.push((number, text.into()));
        Some(number)
    }

    /// What was counted since the last call.
    pub(crate) fn take(&mut self) -> Counted {
        let mut counted = std::mem::take(&mut self.counted);
        for at in self.touched.drain(..) {
            let entry = &mut self.topics[at as usize];
            counted.topics.push((at, entry.count, entry.bytes));
            (entry.count, entry.bytes) = (0, 0);
        }
        for ((publisher, topic), count) in &mut self.flows {
            if *count > 0 {
                counted.flows.push((*publisher, *topic, *count));
                *count = 0;
            }
        }
        counted
    }

    /// The last value of a topic, if it was published while somebody looked.
    pub(crate) fn last(&self, topic: &str) -> Option<Last> {
        let hash = self.hasher.hash_one(topic);
        let same = |at: &u32| &*self.topics[*at as usize].name == topic;
        let entry = &self.topics[*self.by_name.find(hash, same)? as usize];
        Some(Last {
            at: entry.at,
            qos: entry.qos,
            retain: entry.retain,
            size: entry.size,
            value: entry.value.as_slice().into(),
        })
    }

    /// Keeps the last messages of a topic from now on; the one chosen longest ago gives way.
    pub(crate) fn tap(&mut self, topic: &str) {
        if self.taps.iter().any(|tap| *tap.topic == *topic) {
            return;
        }
        if self.taps.len() >= TAPS_MAX {
            self.taps.remove(0);
        }
        self.taps.push(Tap {
            topic: topic.into(),
            seen: VecDeque::new(),
            bytes: 0,
            next: 1,
        });
    }

    pub(crate) fn untap(&mut self, topic: &str) {
        self.taps.retain(|tap| *tap.topic != *topic);
    }

    /// The last messages of a chosen topic after a number, oldest first.
    pub(crate) fn tapped(&self, topic: &str, after: u64) -> Vec<Seen> {
        let tap = self.taps.iter().find(|tap| *tap.topic == *topic);
        let seen = tap.into_iter().flat_map(|tap| &tap.seen);
        seen.filter(|s| s.number > after).cloned().collect()
    }

    /// Notes what is published on topics that match a filter, for a trace.
    pub(crate) fn trace(&mut self, trace: u32, filter: &str) {
        self.traces.push((trace, filter.into()));
    }

    pub(crate) fn untrace(&mut self, trace: u32) {
        self.traces.retain(|(other, _)| *other != trace);
    }

    /// What traces wanted since the last call, and how many messages found no room.
    pub(crate) fn take_traced(&mut self) -> (Vec<Traced>, u64) {
        (
            std::mem::take(&mut self.traced),
            std::mem::take(&mut self.traced_missed),
        )
    }
}

impl Tap {
    fn add(&mut self, last: Last, publisher: &str) {
        self.bytes += last.value.len();
        self.seen.push_back(Seen {
            number: self.next,
            last,
            publisher: publisher.into(),
        });
        self.next += 1;
        while self.seen.len() > TAPPED_MAX || self.bytes > TAPPED_BYTES_MAX {
            let Some(oldest) = self.seen.pop_front() else {
                break;
            };
            self.bytes -= oldest.last.value.len();
        }
    }
}

fn last(now: Time, view: &View<'_>, value_max: usize) -> Last {
    let kept = view.payload.len().min(value_max);
    Last {
        at: now,
        qos: view.qos,
        retain: view.retain,
        size: view.payload.len(),
        value: view.payload[..kept].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope = Scope {
        topics_max: 2,
        bytes_max: 4096,
        flows_max: 2,
        value_max: 3,
    };

    fn publish(watch: &mut Watch, slot: u32, topic: &str, payload: &[u8]) {
        let publisher = SessionRef {
            shard: 0,
            generation: 0,
            slot,
        };
        let view = View {
            publisher,
            topic: Topic::parse(topic, 128).unwrap(),
            qos: QoS::AtLeastOnce,
            retain: false,
            expires: None,
            forwarded: &[],
            payload,
        };
        watch.note(Time(7), &view, 2, 10, || "pub");
    }

    #[test]
    fn counts_are_named_once_and_bounded() {
        let mut watch = Watch::new();
        publish(&mut watch, 1, "a", b"x");
        assert!(watch.is_idle() && watch.take() == Counted::default());
        watch.count(Some(SCOPE));
        for topic in ["a", "b", "c", "a"] {
            publish(&mut watch, 1, topic, b"hello");
        }
        publish(&mut watch, 2, "a", b"x");
        let counted = watch.take();
        assert_eq!(counted.new_topics, [(0, "a".into()), (1, "b".into())]);
        assert_eq!(counted.topics, [(0, 6, 30), (1, 2, 10)]);
        assert_eq!(counted.other_topics, 2);
        let mut flows = counted.flows;
        flows.sort_unstable();
        assert_eq!(flows, [(0, 0, 4), (0, 1, 2)]);
        assert_eq!(counted.other_flows, 2);
        let last = watch.last("b").unwrap();
        assert_eq!((&*last.value, last.size), (&b"hel"[..], 5));
        publish(&mut watch, 1, "b", b"x");
        let again = watch.take();
        assert_eq!(
            (again.new_topics.len(), again.topics),
            (0, vec![(1, 2, 10)])
        );
        watch.count(None);
        assert!(watch.is_idle() && watch.last("b").is_none());
    }

    #[test]
    fn a_chosen_topic_keeps_its_last_messages() {
        let mut watch = Watch::new();
        watch.tap("a");
        for n in 0..TAPPED_MAX + 5 {
            publish(&mut watch, 1, "a", &[u8::try_from(n).unwrap()]);
            publish(&mut watch, 1, "b", b"");
        }
        let seen = watch.tapped("a", 0);
        assert_eq!((seen.len(), seen[0].number), (TAPPED_MAX, 6));
        assert_eq!(watch.tapped("a", seen[98].number).len(), 1);
        for topic in 0..TAPS_MAX {
            watch.tap(&topic.to_string());
        }
        assert!(watch.tapped("a", 0).is_empty());
        watch.untap("0");
        assert_eq!(watch.taps.len(), TAPS_MAX - 1);
    }

    #[test]
    fn a_trace_is_never_longer_than_its_room() {
        let mut watch = Watch::new();
        watch.trace(9, "a/+");
        for _ in 0..TRACED_MAX + 1 {
            publish(&mut watch, 1, "a/b", b"v");
            publish(&mut watch, 1, "b", b"v");
        }
        let (traced, missed) = watch.take_traced();
        assert_eq!((traced.len(), traced[0].trace), (TRACED_MAX, 9));
        assert_eq!(missed, TRACED_MAX as u64 + 2);
        watch.untrace(9);
        assert!(watch.is_idle());
    }
}
