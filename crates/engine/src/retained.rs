//! Retained messages of the topics this shard owns: one per topic, in topic order, so that a filter
//! with a literal beginning only looks at its own range.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    collections::BTreeSet,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use protocol::{Filter, Topic};

use crate::{Message, Time};

#[derive(Debug, Default)]
pub struct Retained {
    by_topic: BTreeSet<ByTopic>,
    /// How many of them are of system topics.
    system: usize,
    bytes: usize,
    totals: Arc<Totals>,
}

/// What all shards of a process retain together: the bounds are of that, and topics do not fall to
/// shards quite evenly. Nobody waits for these, and only a message on a new topic, or a longer or
/// shorter one, changes them.
#[derive(Debug, Default)]
pub struct Totals {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

impl Totals {
    /// Takes room for a message of so many bytes in place of one of `freed`, or for another topic.
    fn take(&self, new: bool, bytes: usize, freed: usize, maxima: (usize, usize)) -> bool {
        let add = |to: &AtomicUsize, more: usize, max: usize| {
            let sum = |now: usize| now.checked_add(more).filter(|sum| *sum <= max);
            to.fetch_update(Relaxed, Relaxed, sum).is_ok()
        };
        // A topic that is there keeps its place even if there are more than there should be.
        if new && !add(&self.count, 1, maxima.0) {
            return false;
        }
        if bytes <= freed {
            self.bytes.fetch_sub(freed - bytes, Relaxed);
            return true;
        }
        let fits = add(&self.bytes, bytes - freed, maxima.1);
        if new && !fits {
            self.count.fetch_sub(1, Relaxed);
        }
        fits
    }

    fn give_back(&self, count: usize, bytes: usize) {
        self.count.fetch_sub(count, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

/// A message ordered by its topic: 8 bytes an entry, the topic is not kept twice.
#[derive(Debug)]
struct ByTopic(Arc<Message>);

impl Borrow<str> for ByTopic {
    fn borrow(&self) -> &str {
        self.0.topic().as_str()
    }
}

impl PartialEq for ByTopic {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByTopic {}

impl PartialOrd for ByTopic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByTopic {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.topic().as_str().cmp(other.0.topic().as_str())
    }
}

/// Where a scan goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    Start,
    After(Box<str>),
}

impl Retained {
    /// Counts with others from now on, when there is nothing yet.
    pub fn share(&mut self, totals: &Arc<Totals>) {
        assert!(self.is_empty(), "what is there is counted already");
        self.totals = totals.clone();
    }

    /// Stores the message, or removes what is there if the payload is empty. False if a bound refused
    /// it.
    pub fn set(&mut self, message: &Arc<Message>, count_max: usize, bytes_max: usize) -> bool {
        let old = self.by_topic.take(message.topic().as_str());
        let freed = old.as_ref().map_or(0, |o| o.0.bytes());
        self.bytes -= freed;
        let system = usize::from(message.topic().is_system());
        if message.payload().is_empty() {
            // [MQTT-3.3.1-6], [MQTT-3.3.1-7]
            self.system -= system * usize::from(old.is_some());
            self.totals.give_back(usize::from(old.is_some()), freed);
            return true;
        }
        let (new, maxima) = (old.is_none(), (count_max, bytes_max));
        let fits = self.totals.take(new, message.bytes(), freed, maxima);
        if fits {
            self.bytes += message.bytes();
            self.system += system * usize::from(new);
            self.by_topic.insert(ByTopic(message.clone()));
        } else if let Some(old) = old {
            self.bytes += freed;
            self.by_topic.insert(old);
        }
        fits
    }

    #[must_use]
    pub fn get(&self, topic: &str, now: Time) -> Option<&Arc<Message>> {
        self.by_topic
            .get(topic)
            .map(|m| &m.0)
            .filter(|m| !m.view().is_expired(now))
    }

    /// Looks at no more than `slice` messages from `cursor` on and collects those that match and have
    /// not expired. Gives the place to go on from, or `None` at the end.
    pub fn scan(
        &self,
        filter: Filter<'_>,
        cursor: &Cursor,
        slice: usize,
        now: Time,
        found: &mut Vec<Arc<Message>>,
    ) -> Option<Cursor> {
        if !filter.is_wildcard() {
            found.extend(self.get(filter.as_str(), now).cloned());
            return None;
        }
        let prefix = literal_prefix(filter.as_str());
        let from = match cursor {
            Cursor::Start => Bound::Included(prefix),
            Cursor::After(topic) => Bound::Excluded(&**topic),
        };
        let mut left = slice;
        for entry in self.by_topic.range::<str, _>((from, Bound::Unbounded)) {
            let topic: Topic<'_> = entry.0.topic();
            if !topic.as_str().starts_with(prefix) {
                return None;
            }
            if filter.matches(topic) && !entry.0.view().is_expired(now) {
                found.push(entry.0.clone());
            }
            left -= 1;
            if left == 0 {
                return Some(Cursor::After(topic.as_str().into()));
            }
        }
        None
    }

    /// What is there behind a topic, in topic order.
    pub fn range(&self, after: Option<&str>) -> impl Iterator<Item = &Arc<Message>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.by_topic.range::<str, _>((from, Bound::Unbounded));
        range.map(|entry| &entry.0)
    }

    /// Drops what expired, and gives its topics. Called now and then; reads never show it meanwhile.
    pub fn sweep(&mut self, now: Time) -> Vec<Box<str>> {
        let mut topics = Vec::new();
        let (mut freed, mut system) = (0, 0);
        self.by_topic.retain(|m| {
            let gone = m.0.view().is_expired(now);
            if gone {
                freed += m.0.bytes();
                system += usize::from(m.0.topic().is_system());
                topics.push(m.0.topic().as_str().into());
            }
            !gone
        });
        self.bytes -= freed;
        self.system -= system;
        self.totals.give_back(topics.len(), freed);
        topics
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// How many there are of system topics.
    #[must_use]
    pub fn system_len(&self) -> usize {
        self.system
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What every match begins with: the text before the first wildcard, without its separator, since
/// `a/#` also matches `a`.
fn literal_prefix(filter: &str) -> &str {
    let end = filter.find(['+', '#']).unwrap_or(filter.len());
    filter[..end].strip_suffix('/').unwrap_or(&filter[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SessionRef, message::View};
    use protocol::QoS;

    fn message(topic: &str, payload: &[u8]) -> Arc<Message> {
        let view = View {
            publisher: SessionRef::BROKER,
            topic: Topic::trusted(topic),
            qos: QoS::AtLeastOnce,
            retain: true,
            expires: None,
            forwarded: &[],
            payload,
        };
        Arc::new(Message::new(&view, Time(0)))
    }

    /// System topics are counted as they come, change, go and expire, and when there is no room.
    #[test]
    fn system_topics_are_counted() {
        let mut retained = Retained::default();
        let mut set = |topic, payload: &[u8], max| {
            retained.set(&message(topic, payload), max, 1 << 20);
            let real = retained.range(None).filter(|m| m.topic().is_system());
            assert_eq!(retained.system_len(), real.count(), "{topic}");
            (retained.system_len(), retained.len())
        };
        assert_eq!(set("a", b"1", 9), (0, 1));
        assert_eq!(set("$SYS/a", b"1", 9), (1, 2));
        assert_eq!(set("$SYS/a", b"22", 9), (1, 2));
        assert_eq!(set("$SYS/b", b"1", 2), (1, 2));
        assert_eq!(set("$SYS/b", b"", 9), (1, 2));
        assert_eq!(set("$SYS/a", b"", 9), (0, 1));
        let brief = message("$SYS/c", b"1");
        let view = View {
            expires: Some(Time(1)),
            ..brief.view()
        };
        retained.set(&Arc::new(Message::new(&view, Time(0))), 9, 1 << 20);
        assert_eq!(retained.system_len(), 1);
        assert_eq!(retained.sweep(Time(2)).len(), 1);
        assert_eq!((retained.system_len(), retained.len()), (0, 1));
    }

    /// All on one of two shards, up to each bound; what is cleared or made shorter on one makes room
    /// on the other, and what was refused has taken none.
    #[test]
    fn bounds_are_of_all_together() {
        let totals = Arc::new(Totals::default());
        let (mut one, mut other) = (Retained::default(), Retained::default());
        one.share(&totals);
        other.share(&totals);
        let each = message("a", b"12345678").bytes();
        for topic in ["a", "b", "c"] {
            assert!(one.set(&message(topic, b"12345678"), 3, 1 << 20));
        }
        assert!(!other.set(&message("d", b"12345678"), 3, 1 << 20));
        assert!(!other.set(&message("d", b"12345678"), 4, 4 * each - 1));
        assert!(
            one.set(&message("a", b"12345678"), 0, 0),
            "it has its place"
        );
        assert!(!one.set(&message("a", b"123456789"), 3, 3 * each));
        assert!(one.set(&message("a", b"1234567"), 3, 3 * each));
        assert!(other.set(&message("d", b""), 3, 3 * each), "clears nothing");
        assert!(one.set(&message("a", b""), 3, 3 * each));
        assert!(other.set(&message("d", b"12345678"), 3, 3 * each));
        let count = totals.count.load(Relaxed);
        let bytes = totals.bytes.load(Relaxed);
        assert_eq!(count, one.len() + other.len());
        assert_eq!(bytes, one.bytes() + other.bytes());
    }
}
