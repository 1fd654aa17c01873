//! The flow of messages as it is drawn: columns that are folded where there are many, the lines between
//! them, and who gets what. Of a folded topic's receivers some are asked for, and stand for the others.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Admin, Gone, traffic::Receiver};
use crate::observe::{
    fold::{COLUMN_MAX, Member, fold},
    traffic::{Mirror, Pair},
};

pub use crate::observe::fold::Node;

/// Topics whose receivers are asked for, and lines that are told from one column to the next.
const ASKED_MAX: usize = 80;
const LINES_MAX: usize = 200;
/// Shared groups that are told one by one.
const GROUPS_MAX: usize = 20;

/// Readers that are away and whose share of the log is counted.
const AWAY_MAX: usize = 8;

/// What goes from whom through which topic to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Milliseconds since 1970; the same if nobody counted anew.
    pub at: u64,
    /// Of how many milliseconds the messages are.
    pub millis: u64,
    pub publishers: Vec<Node>,
    pub topics: Vec<Node>,
    pub readers: Vec<Reader>,
    /// From publishers to topics. A line stays for some seconds after its last message.
    pub published: Vec<Line>,
    /// From topics to readers.
    pub delivered: Vec<Line>,
}

/// Who gets messages: clients, or shared groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    pub node: Node,
    pub group: bool,
    pub online: bool,
    /// Messages that wait, and that are not acknowledged.
    pub queued: usize,
    pub in_flight: usize,
}

/// Messages from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub from: usize,
    pub to: usize,
    pub count: u64,
}

/// A topic whose receivers are asked for.
struct Asked {
    topic: String,
    node: usize,
    count: u64,
}

impl Admin {
    /// What the flow picture shows.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn picture(&self) -> Result<Picture, Gone> {
        self.refresh().await?;
        let (mut picture, asked) = publishers_and_topics(&self.0.observed.traffic());
        let topics = asked.iter().map(|a| a.topic.clone()).collect();
        let found = self.receivers_and_more(topics).await?;
        add_readers(&mut picture, &asked, found);
        self.add_backlogs(&mut picture).await?;
        Ok(picture)
    }

    /// What waits in the log for those that are away.
    async fn add_backlogs(&self, picture: &mut Picture) -> Result<(), Gone> {
        let away = |reader: &&mut Reader| !reader.online && !reader.group && reader.node.count == 1;
        for reader in picture.readers.iter_mut().filter(away).take(AWAY_MAX) {
            if let Some(client) = self.client(&reader.node.name).await? {
                reader.queued = usize::try_from(client.queued).unwrap_or(usize::MAX);
            }
        }
        Ok(())
    }
}

fn publishers_and_topics(mirror: &Mirror) -> (Picture, Vec<Asked>) {
    let pairs = mirror.pairs();
    let sum = |number: fn(&Pair) -> usize| {
        let mut sums: BTreeMap<usize, u64> = BTreeMap::new();
        for pair in &pairs {
            *sums.entry(number(pair)).or_default() += pair.count;
        }
        sums
    };
    let by_publisher = sum(|pair| pair.publisher);
    let by_topic = sum(|pair| pair.topic);
    let members = by_publisher.iter().map(|(number, weight)| Member {
        name: mirror.publisher(*number),
        weight: *weight,
        count: 1,
    });
    let (publishers, places) = fold(&members.collect::<Vec<_>>(), COLUMN_MAX);
    let publisher_places: HashMap<_, _> = by_publisher.into_keys().zip(places).collect();
    let members = by_topic.iter().map(|(number, weight)| Member {
        name: mirror.topic(*number),
        weight: *weight,
        count: 1,
    });
    let (topics, places) = fold(&members.collect::<Vec<_>>(), COLUMN_MAX);
    let asked = asked(mirror, &by_topic, &places, topics.len());
    let topic_places: HashMap<_, _> = by_topic.into_keys().zip(places).collect();
    let lines = pairs.iter().map(|pair| Line {
        from: publisher_places[&pair.publisher],
        to: topic_places[&pair.topic],
        count: pair.count,
    });
    let picture = Picture {
        at: mirror.at(),
        millis: mirror.millis(),
        published: joined(lines),
        publishers,
        topics,
        ..Picture::default()
    };
    (picture, asked)
}

/// Topics whose receivers are asked for: of each node the busiest.
fn asked(
    mirror: &Mirror,
    by_topic: &BTreeMap<usize, u64>,
    places: &[usize],
    nodes: usize,
) -> Vec<Asked> {
    let mut of_node: Vec<Vec<(usize, u64)>> = vec![Vec::new(); nodes];
    for ((number, count), place) in by_topic.iter().zip(places) {
        of_node[*place].push((*number, *count));
    }
    let each = ASKED_MAX.checked_div(nodes).unwrap_or_default();
    let mut asked = Vec::new();
    for (node, mut topics) in of_node.into_iter().enumerate() {
        // About as busy is as good: who is asked for does not change each second.
        topics.sort_by_key(|(number, count)| (std::cmp::Reverse(count.checked_ilog2()), *number));
        asked.extend(topics.into_iter().take(each).map(|(number, count)| Asked {
            topic: mirror.topic(number).to_string(),
            node,
            count,
        }));
    }
    asked
}

/// Lines between the same nodes as one; the busiest, if there are too many.
fn joined(lines: impl Iterator<Item = Line>) -> Vec<Line> {
    let mut sums: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for line in lines {
        *sums.entry((line.from, line.to)).or_default() += line.count;
    }
    let lines = sums.into_iter();
    let mut lines: Vec<_> = lines
        .map(|((from, to), count)| Line { from, to, count })
        .collect();
    if lines.len() > LINES_MAX {
        lines.sort_by_key(|line| std::cmp::Reverse(line.count.checked_ilog2()));
        lines.truncate(LINES_MAX);
    }
    lines
}

fn add_readers(picture: &mut Picture, asked: &[Asked], found: Vec<(Vec<Receiver>, usize)>) {
    let mut node_sums = vec![0; picture.topics.len()];
    let mut asked_sums = vec![0; picture.topics.len()];
    for line in &picture.published {
        node_sums[line.to] += line.count;
    }
    for topic in asked {
        asked_sums[topic.node] += topic.count;
    }
    // What an asked topic has stands for what those of its node have that were not asked for.
    let count_of = |topic: &Asked| match asked_sums[topic.node] {
        0 => 0,
        sum => topic.count * node_sums[topic.node] / sum,
    };
    let mut readers: BTreeMap<String, Seen> = BTreeMap::new();
    let mut lines: Vec<(usize, String, u64)> = Vec::new();
    let (mut more_max, mut more_lines) = (0, Vec::new());
    for (topic, (receivers, more)) in asked.iter().zip(found) {
        let count = count_of(topic);
        // A shared group may be told by several shards.
        let mut told = HashSet::new();
        for receiver in receivers {
            let name = receiver.name.clone();
            if !told.insert(name.clone()) {
                continue;
            }
            lines.push((topic.node, name.clone(), count));
            let seen = readers.entry(name).or_insert(Seen {
                receiver,
                weight: 0,
                topics: 0,
                node: topic.node,
            });
            seen.weight += count;
            seen.topics += 1;
        }
        if more > 0 {
            more_max = more_max.max(more);
            more_lines.push((topic.node, count * more as u64));
        }
    }
    let samples = samples(picture, asked, &readers);
    let places = fold_readers(picture, readers, samples);
    let lines = lines.into_iter().map(|(from, name, count)| Line {
        from,
        to: places[&name],
        count,
    });
    let mut lines: Vec<_> = lines.collect();
    if more_max > 0 {
        let to = others(picture, more_max);
        lines.extend(
            more_lines
                .into_iter()
                .map(|(from, count)| Line { from, to, count }),
        );
    }
    picture.delivered = joined(lines.into_iter());
}

/// Somebody who gets messages of topics that were asked for.
struct Seen {
    receiver: Receiver,
    weight: u64,
    topics: usize,
    /// A node that such a topic is in.
    node: usize,
}

impl Seen {
    /// Has one topic of those that were asked for.
    fn is_single(&self) -> bool {
        self.topics == 1 && !self.receiver.group
    }
}

/// For each node of topics, those that were asked for and how many of them have a reader of their own.
/// Where most have, the others have, too, and each reader stands for some more.
#[derive(Clone, Copy, Default)]
struct Sample {
    topics: usize,
    asked: usize,
    singles: usize,
    /// Singles that were counted.
    told: usize,
}

impl Sample {
    /// How many the next single stands for: rounded so that all together stand for all.
    fn next(&mut self) -> usize {
        if 2 * self.singles < self.asked {
            return 1;
        }
        let so_far = self.told * self.topics / self.asked;
        self.told += 1;
        self.told * self.topics / self.asked - so_far
    }
}

fn samples(picture: &Picture, asked: &[Asked], readers: &BTreeMap<String, Seen>) -> Vec<Sample> {
    let sample = |node: &Node| Sample {
        topics: node.count,
        ..Sample::default()
    };
    let mut samples: Vec<_> = picture.topics.iter().map(sample).collect();
    for topic in asked {
        samples[topic.node].asked += 1;
    }
    for seen in readers.values().filter(|seen| seen.is_single()) {
        samples[seen.node].singles += 1;
    }
    samples
}

/// Gives the picture its readers, and says where each is.
fn fold_readers(
    picture: &mut Picture,
    readers: BTreeMap<String, Seen>,
    mut samples: Vec<Sample>,
) -> HashMap<String, usize> {
    let counted = readers.into_values().map(|seen| {
        let count = if seen.is_single() {
            samples[seen.node].next()
        } else {
            1
        };
        (seen, count)
    });
    let (groups, clients): (Vec<_>, Vec<_>) = counted.partition(|(seen, _)| seen.receiver.group);
    let mut all = HashMap::new();
    for (column, max) in [(clients, COLUMN_MAX), (groups, GROUPS_MAX)] {
        let members = column.iter().map(|(seen, count)| Member {
            name: &seen.receiver.name,
            weight: seen.weight,
            count: *count,
        });
        let (nodes, places) = fold(&members.collect::<Vec<_>>(), max);
        let begin = picture.readers.len();
        picture.readers.extend(nodes.into_iter().map(|node| Reader {
            node,
            group: false,
            online: false,
            queued: 0,
            in_flight: 0,
        }));
        for ((Seen { receiver, .. }, _), place) in column.into_iter().zip(places) {
            let reader = &mut picture.readers[begin + place];
            reader.group = receiver.group;
            reader.online |= receiver.online;
            reader.queued += receiver.queued;
            reader.in_flight += receiver.in_flight;
            all.insert(receiver.name, begin + place);
        }
    }
    all
}

/// The node of clients that have no other, with so many more in it.
fn others(picture: &mut Picture, more: usize) -> usize {
    let nameless = |reader: &Reader| reader.node.name.is_empty() && !reader.group;
    if let Some(at) = picture.readers.iter().position(nameless) {
        picture.readers[at].node.count += more;
        return at;
    }
    picture.readers.push(Reader {
        node: Node {
            name: String::new(),
            count: more,
        },
        group: false,
        online: true,
        queued: 0,
        in_flight: 0,
    });
    picture.readers.len() - 1
}

#[cfg(test)]
mod tests {
    use engine::watch::Counted;

    use super::*;

    /// A mirror that counted these pairs of publisher and topic.
    fn mirror(pairs: &[(&str, &str, u64)]) -> Mirror {
        let mut counted = Counted::default();
        let number = |names: &mut Vec<(u32, Box<str>)>, name: &str| {
            let next = names.last().map_or(0, |(n, _)| n + 1);
            let known = names.iter().find(|(_, its)| **its == *name);
            known.map(|(n, _)| *n).unwrap_or_else(|| {
                names.push((next, name.into()));
                next
            })
        };
        for (publisher, topic, count) in pairs {
            let p = number(&mut counted.new_publishers, publisher);
            let t = number(&mut counted.new_topics, topic);
            counted.flows.push((p, t, *count));
        }
        let mut mirror = Mirror::default();
        mirror.take(1_000, vec![counted]);
        mirror
    }

    fn client(name: &str) -> Receiver {
        Receiver {
            name: name.to_owned(),
            group: name.starts_with("$share/"),
            online: true,
            queued: 1,
            in_flight: 0,
        }
    }

    #[test]
    fn the_tutorials_picture() {
        let mut mirror = mirror(&[("bci_1", "test", 1), ("bci_1", "test_2", 1)]);
        let (mut picture, asked) = publishers_and_topics(&mirror);
        let found = vec![(vec![client("bci_2")], 0), (Vec::new(), 0)];
        assert_eq!(asked.len(), found.len());
        add_readers(&mut picture, &asked, found);
        assert_eq!(picture.publishers.len(), 1);
        assert_eq!(picture.topics.len(), 2);
        assert_eq!(picture.published.len(), 2);
        let to_reader = Line {
            from: 0,
            to: 0,
            count: 1,
        };
        assert_eq!(picture.delivered, [to_reader]);
        assert_eq!(picture.readers[0].node.name, "bci_2");
        // A second without a message: the lines stay, with nothing on them; ten later they are gone.
        mirror.take(2_000, vec![Counted::default()]);
        let (picture, asked) = publishers_and_topics(&mirror);
        assert_eq!((picture.published.len(), asked.len()), (2, 2));
        assert!(picture.published.iter().all(|line| line.count == 0));
        mirror.take(11_000, vec![Counted::default()]);
        assert_eq!(publishers_and_topics(&mirror).0.published, []);
    }

    #[test]
    fn what_is_asked_for_stands_for_the_rest() {
        let names: Vec<_> = (0..200).map(|n| format!("dev-{n}")).collect();
        let pairs: Vec<_> = names.iter().map(|n| (&**n, &**n, 2)).collect();
        let (mut picture, asked) = publishers_and_topics(&mirror(&pairs));
        assert_eq!((picture.topics.len(), asked.len()), (1, ASKED_MAX));
        let found = asked
            .iter()
            .map(|_| (vec![client("all"), client("$share/g/#")], 3));
        let found = found.collect();
        add_readers(&mut picture, &asked, found);
        let names: Vec<_> = picture.readers.iter().map(|r| &*r.node.name).collect();
        assert_eq!(names, ["all", "$share/g/#", ""]);
        assert_eq!(picture.readers[2].node.count, 3);
        let counts: Vec<_> = picture.delivered.iter().map(|line| line.count).collect();
        assert_eq!(counts, [400, 400, 1200]);
        assert!(picture.readers[1].group);
        // Each has a topic of its own: so have those of the topics that were not asked for.
        let (mut picture, asked) = publishers_and_topics(&mirror(&pairs));
        let found = (0..ASKED_MAX).map(|n| (vec![client(&format!("app-{n}"))], 0));
        add_readers(&mut picture, &asked, found.collect());
        let [reader] = &*picture.readers else {
            panic!("{:?}", picture.readers)
        };
        assert_eq!((&*reader.node.name, reader.node.count), ("app-", 200));
        // One who is alone with his stands for himself.
        let (mut picture, asked) = publishers_and_topics(&mirror(&pairs));
        let mut found = vec![(Vec::new(), 0); ASKED_MAX];
        found[7].0.push(client("app-7"));
        add_readers(&mut picture, &asked, found);
        let [reader] = &*picture.readers else {
            panic!("{:?}", picture.readers)
        };
        assert_eq!((&*reader.node.name, reader.node.count), ("app-7", 1));
    }
}
