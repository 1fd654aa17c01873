//! Figures of the topics that somebody named.

use std::sync::Arc;

use engine::{TopicTally, limits::TOPIC_METRICS_MAX, policy::Policy};
use protocol::Topic;
use serde::{Deserialize, Serialize};

use super::{
    Admin, Gone,
    policy::{DecideError, Decided, Decision},
};

/// A topic that is counted, since when, and when its counts were set back. Milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CountedTopic {
    pub topic: String,
    pub created: u64,
    pub reset: Option<u64>,
}

/// How many, and how many in a second of late.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Figure {
    pub count: u64,
    pub rate: f64,
}

/// A topic's figures. Three are for QoS 0, 1 and 2.
#[derive(Clone, PartialEq, Debug)]
pub struct TopicFigures {
    pub topic: CountedTopic,
    pub received: [Figure; 3],
    pub sent: [Figure; 3],
    /// Nobody was subscribed.
    pub dropped: Figure,
}

impl Figure {
    fn add(&mut self, count: u64, lately: u64, millis: u64) {
        self.count += count;
        #[expect(clippy::cast_precision_loss, reason = "a rate is about right")]
        let rate = lately as f64 * 1000.0 / millis.max(1) as f64;
        self.rate += rate;
    }

    /// All of these together.
    #[must_use]
    pub fn sum(figures: &[Self]) -> Self {
        let mut sum = Self::default();
        for figure in figures {
            sum.count += figure.count;
            sum.rate += figure.rate;
        }
        sum
    }
}

impl TopicFigures {
    fn new(topic: CountedTopic) -> Self {
        Self {
            topic,
            received: Default::default(),
            sent: Default::default(),
            dropped: Figure::default(),
        }
    }

    fn add(&mut self, tally: &TopicTally) {
        let millis = tally.lately_millis;
        for qos in 0..3 {
            let (all, lately) = (&tally.all, &tally.lately);
            self.received[qos].add(all.received[qos], lately.received[qos], millis);
            self.sent[qos].add(all.sent[qos], lately.sent[qos], millis);
        }
        self.dropped
            .add(tally.all.dropped, tally.lately.dropped, millis);
    }
}

/// Why a topic is not counted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CountError {
    #[error("topic is no topic name, or has wildcards: {0}")]
    Topic(&'static str),
    #[error("this topic is counted already")]
    Exists,
    #[error(transparent)]
    Decide(#[from] DecideError),
}

impl Decision for Vec<CountedTopic> {
    const KEY: &'static str = "topic_metrics";

    fn apply(&self, policy: &mut Policy) -> Result<(), DecideError> {
        if self.len() > TOPIC_METRICS_MAX {
            let text = format!("{TOPIC_METRICS_MAX} topics may be counted");
            return Err(DecideError::TooMany(text));
        }
        policy.counted = self.iter().map(|t| t.topic.as_str().into()).collect();
        Ok(())
    }

    fn place(decided: &mut Decided) -> &mut Self {
        &mut decided.counted
    }
}

impl Admin {
    /// The figures of all counted topics, in the order in which they were named.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn topic_metrics(&self) -> Result<Vec<TopicFigures>, Gone> {
        let topics = self.decided().counted.clone();
        self.figures_of(topics).await
    }

    /// Those of one topic, if it is counted.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn topic_metrics_of(&self, topic: &str) -> Result<Option<TopicFigures>, Gone> {
        let counted = self.decided().counted.clone();
        let found = counted.into_iter().filter(|t| t.topic == topic).collect();
        Ok(self.figures_of(found).await?.pop())
    }

    async fn figures_of(&self, topics: Vec<CountedTopic>) -> Result<Vec<TopicFigures>, Gone> {
        let names: Arc<[String]> = topics.iter().map(|t| t.topic.clone()).collect();
        let asked = self.ask_all(move |visit| {
            let tally = |name: &String| visit.engine.topic_tally(visit.now, name);
            names.iter().map(tally).collect::<Vec<_>>()
        });
        let mut figures: Vec<_> = topics.into_iter().map(TopicFigures::new).collect();
        for of_shard in asked.await? {
            for (figures, tally) in figures.iter_mut().zip(of_shard) {
                if let Some(tally) = tally {
                    figures.add(&tally);
                }
            }
        }
        Ok(figures)
    }

    /// Counts a topic from now on.
    ///
    /// # Errors
    /// If it is no topic, is counted already, is one too many, or cannot be kept.
    pub async fn count_topic(&self, topic: &str) -> Result<(), CountError> {
        let _turn = self.turn().await;
        Topic::parse(topic, u16::MAX).map_err(|error| CountError::Topic(error.cause()))?;
        let mut topics = self.decided().counted.clone();
        if topics.iter().any(|t| t.topic == topic) {
            return Err(CountError::Exists);
        }
        topics.push(CountedTopic {
            topic: topic.to_owned(),
            created: self.now_millis(),
            reset: None,
        });
        Ok(self.decide_in_turn(topics).await?)
    }

    /// Counts a topic no more. False if it was not counted.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub async fn forget_topic(&self, topic: &str) -> Result<bool, DecideError> {
        let _turn = self.turn().await;
        let mut topics = self.decided().counted.clone();
        let before = topics.len();
        topics.retain(|t| t.topic != topic);
        if topics.len() == before {
            return Ok(false);
        }
        self.decide_in_turn(topics).await?;
        Ok(true)
    }

    /// Sets the counts of a topic, or of all, back to nothing. False if the topic is not counted.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub async fn reset_topic_metrics(&self, topic: Option<&str>) -> Result<bool, DecideError> {
        let _turn = self.turn().await;
        let mut topics = self.decided().counted.clone();
        let now = self.now_millis();
        let mut names = Vec::new();
        for counted in &mut topics {
            if topic.is_none_or(|topic| counted.topic == topic) {
                counted.reset = Some(now);
                names.push(counted.topic.clone());
            }
        }
        if topic.is_some() && names.is_empty() {
            return Ok(false);
        }
        self.decide_in_turn(topics).await?;
        let names: Arc<[String]> = names.into();
        let reset = move |visit: &mut crate::shard::Visit<'_>| {
            for name in names.iter() {
                visit.engine.reset_topic(name);
            }
        };
        self.ask_all(reset).await?;
        Ok(true)
    }
}
