//! What shards counted by topic and by publisher, put together: the topic tree by branches, and the
//! flow from publishers to topics. It is there only while somebody looks.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use engine::watch::Counted;

/// Rows of one branch that are told.
const CHILDREN_MAX: usize = 200;
/// Pairs of publisher and topic that are told one by one; the others are summed.
pub(crate) const FLOWS_MAX: usize = 100;

/// A pair belongs to the picture for so long after its last message, and there are at most so many.
const LATELY_MILLIS: u64 = 10_000;
const LATELY_MAX: usize = 200_000;

/// One level below a branch.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Child {
    /// The level's own name.
    pub name: String,
    /// Topics in it and below.
    pub topics: usize,
    /// Messages a second, in it and below.
    pub rate: f64,
    /// Messages since somebody looks.
    pub count: u64,
    /// Somebody published to exactly this.
    pub is_topic: bool,
}

/// A branch of the tree.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Branch {
    pub children: Vec<Child>,
    /// Levels that are not among them.
    pub more: usize,
}

/// Messages from a publisher to a topic.
#[derive(Clone, PartialEq, Debug)]
pub struct Stream {
    pub publisher: Arc<str>,
    pub topic: Arc<str>,
    /// Messages a second.
    pub rate: f64,
}

/// The same by numbers, for the picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pair {
    pub(crate) publisher: usize,
    pub(crate) topic: usize,
    pub(crate) count: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Mirror {
    shards: Vec<Names>,
    numbers: BTreeMap<Arc<str>, usize>,
    topics: Vec<Topic>,
    publishers: HashMap<Arc<str>, usize>,
    publisher_names: Vec<Arc<str>>,
    flows: HashMap<(usize, usize), u64>,
    /// When a pair of publisher and topic last had a message.
    lately: HashMap<(usize, usize), u64>,
    other_topics: u64,
    other_flows: u64,
    /// Milliseconds since 1970 of the last two looks.
    at: u64,
    /// Between them.
    millis: u64,
    secs: f64,
}

/// A shard's numbers in ours.
#[derive(Debug, Default)]
struct Names {
    topics: Vec<usize>,
    publishers: Vec<usize>,
}

#[derive(Debug)]
struct Topic {
    name: Arc<str>,
    recent: u64,
    count: u64,
}

impl Mirror {
    /// Takes what all shards counted since the last time.
    pub(crate) fn take(&mut self, now: u64, counted: Vec<Counted>) {
        // The first look is at what came since it was begun, a moment ago.
        self.millis = if self.at == 0 {
            1000
        } else {
            now.saturating_sub(self.at).max(1)
        };
        self.secs = self.millis as f64 / 1000.0;
        self.at = now;
        for topic in &mut self.topics {
            topic.recent = 0;
        }
        self.flows.clear();
        self.lately.retain(|_, at| now < *at + LATELY_MILLIS);
        (self.other_topics, self.other_flows) = (0, 0);
        self.shards.resize_with(counted.len(), Names::default);
        for (shard, counted) in counted.into_iter().enumerate() {
            self.take_names(shard, &counted);
            let names = &self.shards[shard];
            for (topic, messages, _) in counted.topics {
                if let Some(at) = names.topics.get(topic as usize) {
                    self.topics[*at].recent += messages;
                    self.topics[*at].count += messages;
                }
            }
            for (publisher, topic, messages) in counted.flows {
                let publisher = names.publishers.get(publisher as usize);
                if let Some(key) = publisher.zip(names.topics.get(topic as usize)) {
                    let key = (*key.0, *key.1);
                    *self.flows.entry(key).or_default() += messages;
                    if self.lately.len() < LATELY_MAX || self.lately.contains_key(&key) {
                        self.lately.insert(key, now);
                    }
                }
            }
            self.other_topics += counted.other_topics;
            self.other_flows += counted.other_flows;
        }
    }

    fn take_names(&mut self, shard: usize, counted: &Counted) {
        for (_, name) in &counted.new_topics {
            let next = self.topics.len();
            let name: Arc<str> = (&**name).into();
            let at = *self.numbers.entry(name.clone()).or_insert(next);
            if at == next {
                self.topics.push(Topic {
                    name,
                    recent: 0,
                    count: 0,
                });
            }
            self.shards[shard].topics.push(at);
        }
        for (_, name) in &counted.new_publishers {
            let next = self.publisher_names.len();
            let name: Arc<str> = (&**name).into();
            let at = *self.publishers.entry(name.clone()).or_insert(next);
            if at == next {
                self.publisher_names.push(name);
            }
            self.shards[shard].publishers.push(at);
        }
    }

    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Of how many milliseconds the counts are.
    pub(crate) fn millis(&self) -> u64 {
        self.millis
    }

    /// Who published what in the last seconds, with the messages of the last one; sorted.
    pub(crate) fn pairs(&self) -> Vec<Pair> {
        let mut pairs: Vec<_> = self
            .lately
            .keys()
            .map(|key| Pair {
                publisher: key.0,
                topic: key.1,
                count: self.flows.get(key).copied().unwrap_or_default(),
            })
            .collect();
        pairs.sort_unstable_by_key(|pair| (pair.publisher, pair.topic));
        pairs
    }

    pub(crate) fn publisher(&self, number: usize) -> &Arc<str> {
        &self.publisher_names[number]
    }

    pub(crate) fn topic(&self, number: usize) -> &Arc<str> {
        &self.topics[number].name
    }

    /// Topics that are known, and messages a second for which there was no room.
    pub(crate) fn size(&self) -> (usize, f64) {
        (self.topics.len(), self.other_topics as f64 / self.secs)
    }

    /// The levels below a branch, which is `None` for the root: the busiest, by name.
    pub(crate) fn branch(&self, branch: Option<&str>) -> Branch {
        let prefix = branch.map_or_else(String::new, |b| format!("{b}/"));
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let below = self.numbers.range::<str, _>(from);
        let below = below.take_while(|(name, _)| name.starts_with(&prefix));
        let mut found: HashMap<&str, Child> = HashMap::new();
        for (name, at) in below {
            let rest = &name[prefix.len()..];
            let level = rest.split('/').next().unwrap_or_default();
            let child = found.entry(level).or_insert_with(|| Child {
                name: level.to_owned(),
                ..Child::default()
            });
            let topic = &self.topics[*at];
            child.topics += 1;
            child.rate += topic.recent as f64 / self.secs;
            child.count += topic.count;
            child.is_topic |= rest == level;
        }
        let mut children: Vec<_> = found.into_values().collect();
        let more = children.len().saturating_sub(CHILDREN_MAX);
        if more > 0 {
            children.sort_by(|a, b| b.rate.total_cmp(&a.rate).then(b.count.cmp(&a.count)));
            children.truncate(CHILDREN_MAX);
        }
        children.sort_by(|a, b| a.name.cmp(&b.name));
        Branch { children, more }
    }

    /// Topics in whose names a text stands, in whatever case: the busiest, by name; and how many others there
    /// are.
    pub(crate) fn find(&self, text: &str) -> (Vec<Child>, usize) {
        let text = text.to_lowercase();
        let numbers = self.numbers.iter();
        let found = numbers.filter(|(name, _)| name.to_lowercase().contains(&text));
        let mut found: Vec<_> = found.map(|(name, at)| (name, &self.topics[*at])).collect();
        let more = found.len().saturating_sub(CHILDREN_MAX);
        if more > 0 {
            found.sort_by_key(|(_, topic)| std::cmp::Reverse((topic.recent, topic.count)));
            found.truncate(CHILDREN_MAX);
            found.sort_by_key(|(name, _)| *name);
        }
        let children = found.into_iter().map(|(name, topic)| Child {
            name: name.to_string(),
            topics: 1,
            rate: topic.recent as f64 / self.secs,
            count: topic.count,
            is_topic: true,
        });
        (children.collect(), more)
    }

    /// The busiest streams, and messages a second of all others together.
    pub(crate) fn streams(&self) -> (Vec<Stream>, f64) {
        let mut all: Vec<_> = self.flows.iter().map(|(key, n)| (*n, *key)).collect();
        let by_count = |a: &(u64, _), b: &(u64, _)| b.0.cmp(&a.0);
        if all.len() > FLOWS_MAX {
            all.select_nth_unstable_by(FLOWS_MAX, by_count);
        }
        let told = all.len().min(FLOWS_MAX);
        let others: u64 = all[told..].iter().map(|(n, _)| n).sum();
        all.truncate(told);
        all.sort_unstable_by(|a, b| by_count(a, b).then(a.1.cmp(&b.1)));
        let streams = all.into_iter().map(|(n, (publisher, topic))| Stream {
            publisher: self.publisher_names[publisher].clone(),
            topic: self.topics[topic].name.clone(),
            rate: n as f64 / self.secs,
        });
        let others = (others + self.other_flows) as f64 / self.secs;
        (streams.collect(), others)
    }

    /// Who publishes to a topic, with messages a second.
    pub(crate) fn publishers_of(&self, topic: &str) -> Vec<(String, f64)> {
        let Some(at) = self.numbers.get(topic) else {
            return Vec::new();
        };
        let of = self.flows.iter().filter(|((_, topic), _)| topic == at);
        let mut found: Vec<_> = of
            .map(|((publisher, _), n)| {
                let name = self.publisher_names[*publisher].to_string();
                (name, *n as f64 / self.secs)
            })
            .collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.truncate(FLOWS_MAX);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(topics: &[(&str, u64)]) -> Counted {
        let numbered = || (0..).zip(topics);
        Counted {
            new_topics: numbered()
                .map(|(n, (name, _))| (n, (*name).into()))
                .collect(),
            topics: numbered().map(|(n, (_, count))| (n, *count, 1)).collect(),
            new_publishers: vec![(0, "p".into())],
            flows: numbered().map(|(n, (_, count))| (0, n, *count)).collect(),
            other_topics: 3,
            other_flows: 2,
        }
    }

    #[test]
    fn branches_have_what_is_below_them() {
        let mut mirror = Mirror::default();
        let one = counted(&[("a/x", 2), ("a-b", 1), ("a", 4)]);
        let two = counted(&[("a/x", 3), ("a/y/z", 1), ("/lead", 1)]);
        mirror.take(1000, vec![one, two]);
        let root = mirror.branch(None);
        let names: Vec<_> = root.children.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["", "a", "a-b"]);
        let a = &root.children[1];
        assert_eq!((a.topics, a.count, a.is_topic), (3, 10, true));
        let below = mirror.branch(Some("a"));
        let names: Vec<_> = below
            .children
            .iter()
            .map(|c| (&*c.name, c.is_topic))
            .collect();
        assert_eq!(names, [("x", true), ("y", false)]);
        assert_eq!(mirror.branch(Some("")).children[0].name, "lead");
        assert_eq!(mirror.branch(Some("none")), Branch::default());
        assert_eq!(mirror.size(), (5, 6.0));
        let (streams, others) = mirror.streams();
        assert_eq!(
            (&*streams[0].topic, streams[0].rate, others),
            ("a/x", 5.0, 4.0)
        );
        assert_eq!(mirror.publishers_of("a/x"), [("p".to_owned(), 5.0)]);
        let (found, more) = mirror.find("A/");
        let found: Vec<_> = found.iter().map(|c| (&*c.name, c.rate)).collect();
        assert_eq!((&found[..], more), (&[("a/x", 5.0), ("a/y/z", 1.0)][..], 0));
        // What is not counted again has no rate, and stays.
        mirror.take(3000, vec![Counted::default(), Counted::default()]);
        assert_eq!(mirror.branch(Some("a")).children[0].rate, 0.0);
        assert_eq!(mirror.branch(None).children[1].count, 10);
    }

    #[test]
    fn of_many_that_are_found_the_busiest_are_told() {
        let names: Vec<String> = (0..CHILDREN_MAX + 5).map(|n| format!("t/{n:04}")).collect();
        let topics: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let mut mirror = Mirror::default();
        mirror.take(1000, vec![counted(&topics), counted(&[("t/0203", 9)])]);
        let (found, more) = mirror.find("t/");
        assert_eq!((found.len(), more), (CHILDREN_MAX, 5));
        assert!(found.iter().any(|child| child.name == "t/0203"));
        assert!(found.is_sorted_by_key(|child| child.name.clone()));
    }
}
