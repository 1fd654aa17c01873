//! The flow picture as a live feed tells it: whole at first, then what changed. Nodes have numbers, which
//! no other node gets while the feed goes on.

use std::collections::HashMap;

use broker::admin::picture::{Line, Picture, Reader};
use serde::Serialize;

/// What one page was told.
#[derive(Default)]
pub(super) struct Told {
    at: u64,
    next: u32,
    nodes: HashMap<(Column, String), Node>,
    published: Lines,
    delivered: Lines,
}

type Lines = HashMap<(u32, u32), u64>;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
enum Column {
    Publisher,
    Topic,
    Client,
    Group,
}

#[derive(Clone, PartialEq, Serialize)]
struct Node {
    n: u32,
    column: Column,
    /// The name of one, what the names of several begin with, or nothing for all the others.
    name: String,
    /// Clients or topics that it stands for.
    count: usize,
    /// Readers only: none of them is connected.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    away: bool,
    #[serde(skip_serializing_if = "is_none")]
    queued: usize,
    #[serde(skip_serializing_if = "is_none")]
    in_flight: usize,
}

fn is_none(n: &usize) -> bool {
    *n == 0
}

/// What is new since the last one.
#[derive(Serialize)]
pub(super) struct Change {
    /// Nothing of before belongs to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    whole: bool,
    /// Of so many milliseconds the messages are.
    millis: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<Node>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone: Vec<u32>,
    /// Publisher, topic, messages.
    #[serde(rename = "in", skip_serializing_if = "Vec::is_empty")]
    published: Vec<(u32, u32, Option<u64>)>,
    /// Topic, reader, messages.
    #[serde(rename = "out", skip_serializing_if = "Vec::is_empty")]
    delivered: Vec<(u32, u32, Option<u64>)>,
}

impl Told {
    /// None if nothing was counted since the last one.
    pub(super) fn change(&mut self, picture: Picture) -> Option<Change> {
        if picture.at == self.at {
            return None;
        }
        let whole = self.at == 0;
        self.at = picture.at;
        let before = std::mem::take(&mut self.nodes);
        let mut nodes = Vec::new();
        let plain = |column| {
            move |node: broker::admin::picture::Node| Node {
                n: 0,
                column,
                name: node.name,
                count: node.count,
                away: false,
                queued: 0,
                in_flight: 0,
            }
        };
        let mut number = |found: Vec<Node>| self.number(found, &before, &mut nodes);
        let publishers = picture.publishers.into_iter();
        let publishers = number(publishers.map(plain(Column::Publisher)).collect());
        let topics = picture.topics.into_iter();
        let topics = number(topics.map(plain(Column::Topic)).collect());
        let readers = number(picture.readers.into_iter().map(Node::from).collect());
        let still = |(key, node): (_, Node)| (!self.nodes.contains_key(&key)).then_some(node.n);
        let mut gone: Vec<_> = before.into_iter().filter_map(still).collect();
        gone.sort_unstable();
        Some(Change {
            whole,
            millis: picture.millis,
            nodes,
            gone,
            published: changed(
                &mut self.published,
                numbered(&picture.published, &publishers, &topics),
            ),
            delivered: changed(
                &mut self.delivered,
                numbered(&picture.delivered, &topics, &readers),
            ),
        })
    }

    /// Gives each node its number, and those that are new or have changed to `fresh`.
    fn number(
        &mut self,
        found: Vec<Node>,
        before: &HashMap<(Column, String), Node>,
        fresh: &mut Vec<Node>,
    ) -> Vec<u32> {
        let each = found.into_iter().map(|mut node| {
            let key = (node.column, node.name.clone());
            let old = before.get(&key);
            node.n = old.map_or(self.next, |old| old.n);
            if old.is_none() {
                self.next += 1;
            }
            if old != Some(&node) {
                fresh.push(node.clone());
            }
            let n = node.n;
            self.nodes.insert(key, node);
            n
        });
        each.collect()
    }
}

impl From<Reader> for Node {
    fn from(reader: Reader) -> Self {
        let column = if reader.group {
            Column::Group
        } else {
            Column::Client
        };
        Self {
            n: 0,
            column,
            name: reader.node.name,
            count: reader.node.count,
            away: !reader.online,
            queued: about(reader.queued),
            in_flight: about(reader.in_flight),
        }
    }
}

/// Two digits are enough for a bar, and change less often.
fn about(n: usize) -> usize {
    let digits = n.checked_ilog10().unwrap_or_default();
    let step = 10_usize.pow(digits.saturating_sub(1));
    n / step * step
}

fn numbered(lines: &[Line], from: &[u32], to: &[u32]) -> Lines {
    let each = lines.iter();
    each.map(|line| ((from[line.from], to[line.to]), line.count))
        .collect()
}

/// Lines that have another count than before, or are gone.
fn changed(told: &mut Lines, now: Lines) -> Vec<(u32, u32, Option<u64>)> {
    let fresh = now.iter().filter(|(key, n)| told.get(*key) != Some(*n));
    let mut rows: Vec<_> = fresh.map(|(key, n)| (key.0, key.1, Some(*n))).collect();
    let gone = told.keys().filter(|key| !now.contains_key(*key));
    rows.extend(gone.map(|key| (key.0, key.1, None)));
    rows.sort_unstable();
    *told = now;
    rows
}

#[cfg(test)]
mod tests {
    use broker::admin::picture::Node as Drawn;

    use super::*;

    fn picture(at: u64, count: u64, readers: &[&str]) -> Picture {
        let node = |name: &str| Drawn {
            name: name.to_owned(),
            count: 1,
        };
        let reader = |name: &&str| Reader {
            node: node(name),
            group: false,
            online: true,
            queued: 1234,
            in_flight: 0,
        };
        let line = |to| Line { from: 0, to, count };
        Picture {
            at,
            millis: 1_000,
            publishers: vec![node("p")],
            topics: vec![node("t")],
            readers: readers.iter().map(reader).collect(),
            published: vec![line(0)],
            delivered: (0..readers.len()).map(line).collect(),
        }
    }

    #[test]
    fn tells_what_changed() {
        let mut told = Told::default();
        let mut tell = |picture| {
            let change = told.change(picture);
            change.map(|change| serde_json::to_string(&change).unwrap())
        };
        let table = [
            (
                picture(1, 2, &["a"]),
                Some(concat!(
                    r#"{"whole":true,"millis":1000,"nodes":[{"n":0,"column":"publisher","name":"p","count":1},"#,
                    r#"{"n":1,"column":"topic","name":"t","count":1},"#,
                    r#"{"n":2,"column":"client","name":"a","count":1,"queued":1200}],"#,
                    r#""in":[[0,1,2]],"out":[[1,2,2]]}"#
                )),
            ),
            (picture(1, 9, &["a"]), None),
            (picture(2, 2, &["a"]), Some(r#"{"millis":1000}"#)),
            (
                picture(3, 5, &[]),
                Some(r#"{"millis":1000,"gone":[2],"in":[[0,1,5]],"out":[[1,2,null]]}"#),
            ),
            (
                picture(4, 5, &["a"]),
                Some(concat!(
                    r#"{"millis":1000,"nodes":[{"n":3,"column":"client","name":"a","count":1,"queued":1200}],"#,
                    r#""out":[[1,3,5]]}"#
                )),
            ),
        ];
        for (picture, wanted) in table {
            assert_eq!(tell(picture).as_deref(), wanted);
        }
    }

    #[test]
    fn two_digits() {
        for (n, wanted) in [(0, 0), (9, 9), (57, 57), (128, 120), (1999, 1900)] {
            assert_eq!(about(n), wanted);
        }
    }
}
