//! What goes from whom to whom, and by topic: counted while somebody asks, and for some seconds after.

use std::collections::HashMap;

use engine::watch::{Last, Scope};

use super::{Admin, Gone};
use crate::observe::traffic::FLOWS_MAX;

pub use crate::observe::traffic::{Branch, Child, Stream};

/// It is counted on for so long after somebody has asked.
pub(crate) const LEASE_MILLIS: u64 = 15_000;
/// Two who ask within this time are told the same.
const FRESH_MILLIS: u64 = 900;
/// Pairs of publisher and topic that each shard counts.
const PAIRS_MAX: usize = 50_000;
/// Bytes of a last value.
pub const VALUE_MAX: usize = 128;
/// Receivers of a topic that are told for each shard, topics of the flow whose receivers are, and topics
/// whose last values are.
const RECEIVERS_MAX: usize = 20;
const TOPICS_MAX: usize = 60;
const VALUES_MAX: usize = 200;

/// The flow of messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flow {
    /// The busiest first.
    pub streams: Vec<Stream>,
    /// Messages a second of streams that are not among them.
    pub others: f64,
    /// By topic, who gets it. One without receivers has none.
    pub receivers: Vec<(String, Vec<Receiver>)>,
}

/// Who gets a topic: a client, or a shared group as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    pub name: String,
    pub group: bool,
    pub online: bool,
    /// Messages that wait for it, and that it has not acknowledged.
    pub queued: usize,
    pub in_flight: usize,
}

/// A message as people look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Milliseconds since 1970.
    pub at: u64,
    pub qos: u8,
    pub retain: bool,
    /// Bytes of the payload; there may be fewer here.
    pub size: usize,
    pub payload: Vec<u8>,
}

impl From<Last> for Value {
    fn from(last: Last) -> Self {
        Self {
            at: last.at.0,
            qos: last.qos.bits(),
            retain: last.retain,
            size: last.size,
            payload: last.value.into(),
        }
    }
}

/// A branch of the topic tree, with the last values of the topics that end in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opened {
    pub branch: Branch,
    /// By the child's name.
    pub values: HashMap<String, Value>,
    /// Children under whose whole name a message is retained.
    pub retained: Vec<String>,
}

/// One of the last messages of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub shard: u16,
    /// Counts up within the shard.
    pub number: u64,
    pub publisher: String,
    pub value: Value,
}

impl Admin {
    /// Brings the figures up to date, and has them counted for some seconds more.
    pub(super) async fn refresh(&self) -> Result<(), Gone> {
        let now = self.now_millis();
        let (begins, fresh) = self.0.observed.look(now + LEASE_MILLIS, now, FRESH_MILLIS);
        if begins {
            let shards = usize::from(self.shards());
            let scope = self.look(|config| Scope {
                topics_max: config.dashboard.max_topics.div_ceil(shards),
                bytes_max: config.dashboard.max_topic_bytes.div_ceil(shards),
                flows_max: PAIRS_MAX,
                value_max: VALUE_MAX,
            });
            self.ask_all(move |visit| visit.engine.count_topics(Some(scope)))
                .await?;
        }
        if !fresh {
            let counted = self.ask_all(|visit| visit.engine.take_counts()).await?;
            self.0.observed.traffic().take(now, counted);
        }
        Ok(())
    }

    /// What goes from whom through which topic to whom.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn flow(&self) -> Result<Flow, Gone> {
        self.refresh().await?;
        let (streams, others) = self.0.observed.traffic().streams();
        let mut topics: Vec<String> = Vec::new();
        for stream in streams.iter().take(FLOWS_MAX) {
            if topics.len() < TOPICS_MAX && !topics.iter().any(|t| **t == *stream.topic) {
                topics.push(stream.topic.to_string());
            }
        }
        let receivers = self.receivers(topics).await?;
        Ok(Flow {
            streams,
            others,
            receivers,
        })
    }

    /// Who gets each of these topics.
    async fn receivers(&self, topics: Vec<String>) -> Result<Vec<(String, Vec<Receiver>)>, Gone> {
        let found = self.receivers_and_more(topics.clone()).await?;
        Ok(topics
            .into_iter()
            .zip(found.into_iter().map(|(r, _)| r))
            .collect())
    }

    /// The same, topic by topic, and how many more there are.
    pub(super) async fn receivers_and_more(
        &self,
        topics: Vec<String>,
    ) -> Result<Vec<(Vec<Receiver>, usize)>, Gone> {
        let mut all: Vec<_> = topics.iter().map(|_| (Vec::new(), 0)).collect();
        let found = self
            .ask_all(move |visit| {
                let each = topics.iter();
                each.map(|topic| visit.engine.receivers(topic, RECEIVERS_MAX))
                    .collect::<Vec<_>>()
            })
            .await?;
        for shard in found {
            for ((receivers, more), on_shard) in all.iter_mut().zip(shard) {
                *more += on_shard.more;
                receivers.extend(on_shard.sessions.into_iter().map(|r| Receiver {
                    name: r.name.into(),
                    group: r.group,
                    online: r.online,
                    queued: r.queued,
                    in_flight: r.in_flight,
                }));
            }
        }
        Ok(all)
    }

    /// A branch of the topic tree; `None` for its root.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn branch(&self, branch: Option<&str>) -> Result<Opened, Gone> {
        self.refresh().await?;
        let below = self.0.observed.traffic().branch(branch);
        let ends = below.children.iter().filter(|child| child.is_topic);
        let whole = |name: &str| branch.map_or_else(|| name.to_owned(), |b| format!("{b}/{name}"));
        let names: Vec<String> = ends.take(VALUES_MAX).map(|c| c.name.clone()).collect();
        let topics: Vec<String> = names.iter().map(|name| whole(name)).collect();
        let found = self
            .ask_all(move |visit| {
                let each = topics.iter().map(|topic| {
                    let last = visit.engine.last_value(topic);
                    (last, visit.engine.has_retained(topic, visit.now))
                });
                each.collect::<Vec<_>>()
            })
            .await?;
        let mut opened = Opened {
            branch: below,
            ..Opened::default()
        };
        for shard in found {
            for (name, (last, retained)) in names.iter().zip(shard) {
                if let Some(last) = last {
                    let value = Value::from(last);
                    let known = opened.values.get(name).map_or(0, |v| v.at);
                    if value.at >= known {
                        opened.values.insert(name.clone(), value);
                    }
                }
                if retained {
                    opened.retained.push(name.clone());
                }
            }
        }
        Ok(opened)
    }

    /// Counted topics in whose names a text stands: the busiest, and how many others there are.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn find_topics(&self, text: &str) -> Result<(Vec<Child>, usize), Gone> {
        self.refresh().await?;
        Ok(self.0.observed.traffic().find(text))
    }

    /// Topics that are counted, and messages a second of those for which there was no room.
    #[must_use]
    pub fn counted_topics(&self) -> (usize, f64) {
        self.0.observed.traffic().size()
    }

    /// Who publishes to a topic (with messages a second) and who gets it.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn around(&self, topic: &str) -> Result<(Vec<(String, f64)>, Vec<Receiver>), Gone> {
        self.refresh().await?;
        let publishers = self.0.observed.traffic().publishers_of(topic);
        let receivers = self.receivers(vec![topic.to_owned()]).await?;
        let receivers = receivers.into_iter().flat_map(|(_, r)| r).collect();
        Ok((publishers, receivers))
    }

    /// The last messages of a topic since somebody asks for it, oldest first.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn last_messages(&self, topic: &str) -> Result<Vec<Message>, Gone> {
        self.0.observed.tap(topic, self.now_millis() + LEASE_MILLIS);
        let name = topic.to_owned();
        let found = self
            .ask_all(move |visit| {
                visit.engine.tap(&name);
                (visit.id, visit.engine.tapped(&name, 0))
            })
            .await?;
        let mut all: Vec<Message> = Vec::new();
        for (shard, seen) in found {
            all.extend(seen.into_iter().map(|seen| Message {
                shard,
                number: seen.number,
                publisher: seen.publisher.into(),
                value: seen.last.into(),
            }));
        }
        all.sort_by_key(|message| message.value.at);
        let extra = all.len().saturating_sub(100);
        all.drain(..extra);
        Ok(all)
    }
}
