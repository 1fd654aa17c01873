//! What was published through the API, as the audit log tells it: counted, because a program may publish
//! thousands a second, with the first topics by name. Payloads are not in it.

use broker::admin::Publish;
use serde::{Deserialize, Serialize};

/// Topics that have names and numbers of their own.
const TOPICS_MAX: usize = 8;
/// Of a topic's name.
const TOPIC_MAX: usize = 128;

/// Messages of calls that are told as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    calls: u64,
    messages: u64,
    payload_bytes: u64,
    topics: Vec<Topic>,
    /// Of topics that had no room.
    other_messages: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Topic {
    topic: String,
    qos: u8,
    retain: bool,
    messages: u64,
    payload_bytes: u64,
}

impl Sent {
    /// One call, with its messages.
    pub(crate) fn of<'a>(messages: impl IntoIterator<Item = &'a Publish>) -> Self {
        let mut sent = Self {
            calls: 1,
            ..Self::default()
        };
        for message in messages {
            let name = &message.topic;
            sent.add_topic(Topic {
                topic: name[..name.floor_char_boundary(TOPIC_MAX)].to_owned(),
                qos: message.qos,
                retain: message.retain,
                messages: 1,
                payload_bytes: u64::try_from(message.payload.len()).unwrap_or(u64::MAX),
            });
        }
        sent
    }

    /// Adds later ones. Whether that is news: a topic by name, or twice as many calls as when it last was.
    pub(super) fn add(&mut self, later: Self) -> bool {
        let named = self.topics.len();
        self.calls += later.calls;
        let others = later.other_messages;
        let named_bytes: u64 = later.topics.iter().map(|topic| topic.payload_bytes).sum();
        self.payload_bytes += later.payload_bytes.saturating_sub(named_bytes);
        self.messages += others;
        self.other_messages += others;
        for topic in later.topics {
            self.add_topic(topic);
        }
        self.topics.len() > named || self.calls.is_power_of_two()
    }

    fn add_topic(&mut self, topic: Topic) {
        self.messages += topic.messages;
        self.payload_bytes = self.payload_bytes.saturating_add(topic.payload_bytes);
        let is_same = |known: &&mut Topic| {
            (&known.topic, known.qos, known.retain) == (&topic.topic, topic.qos, topic.retain)
        };
        if let Some(known) = self.topics.iter_mut().find(is_same) {
            known.messages += topic.messages;
            known.payload_bytes = known.payload_bytes.saturating_add(topic.payload_bytes);
        } else if self.topics.len() < TOPICS_MAX {
            self.topics.push(topic);
        } else {
            self.other_messages += topic.messages;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, bytes: usize) -> Publish {
        Publish {
            topic: topic.to_owned(),
            payload: vec![0; bytes],
            ..Publish::default()
        }
    }

    #[test]
    fn the_first_topics_have_names_and_the_rest_is_counted() {
        let crowd: Vec<_> = (0..20)
            .map(|n| message(&format!("{n}/{}", "好".repeat(100)), 10))
            .collect();
        let mut sent = Sent::of(&crowd);
        assert_eq!(
            (sent.calls, sent.messages, sent.payload_bytes),
            (1, 20, 200)
        );
        assert_eq!((sent.topics.len(), sent.other_messages), (8, 12));
        assert!(sent.topics[0].topic.len() <= TOPIC_MAX);
        assert!(sent.add(Sent::of(&crowd)), "the second call");
        assert_eq!(
            (sent.calls, sent.messages, sent.payload_bytes),
            (2, 40, 400)
        );
        assert_eq!((sent.topics.len(), sent.other_messages), (8, 24));
        assert_eq!(sent.topics[7].messages, 2);
        assert!(serde_json::to_vec(&sent).unwrap().len() < 4096);
    }

    #[test]
    fn it_is_news_when_a_topic_is_new_or_the_calls_have_doubled() {
        let mut sent = Sent::of([&message("a", 1)]);
        let mut told = Vec::new();
        for n in 2..=20 {
            let topic = if n == 11 { "b" } else { "a" };
            if sent.add(Sent::of([&message(topic, 1)])) {
                told.push(n);
            }
        }
        assert_eq!(told, [2, 4, 8, 11, 16]);
        let loud = Publish {
            qos: 1,
            retain: true,
            ..message("a", 1)
        };
        assert!(sent.add(Sent::of([&loud])), "the same topic, retained");
        // What could not be read has no messages.
        sent.add(Sent::of([]));
        assert_eq!((sent.calls, sent.messages), (22, 21));
    }
}
