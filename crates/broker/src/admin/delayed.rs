//! Messages that wait for their time.

use std::sync::Arc;

use engine::{DelayedId, Time, limits::DELAYED_SLICE};

use super::{Admin, Gone};

/// A message that waits.
#[derive(Clone, Debug)]
pub struct DelayedMessage(Arc<engine::Delayed>);

impl DelayedMessage {
    #[must_use]
    pub fn id(&self) -> String {
        self.0.id.to_string()
    }

    #[must_use]
    pub fn topic(&self) -> &str {
        self.0.message.topic().as_str()
    }

    #[must_use]
    pub fn qos(&self) -> u8 {
        self.0.message.qos.bits()
    }

    /// When it came, in milliseconds since 1970.
    #[must_use]
    pub fn accepted_millis(&self) -> u64 {
        self.0.accepted.0
    }

    /// When it will be published, in milliseconds since 1970.
    #[must_use]
    pub fn due_millis(&self) -> u64 {
        self.0.due.0
    }

    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        self.0.user_name.as_deref()
    }

    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.0.message.payload()
    }

    fn place(&self) -> (Time, DelayedId) {
        (self.0.due, self.0.id)
    }
}

/// The id of a delayed message, if the text is of that form.
#[must_use]
pub fn parse_delayed_id(text: &str) -> Option<DelayedMessageId> {
    DelayedId::parse(text).map(DelayedMessageId)
}

/// Names a delayed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayedMessageId(DelayedId);

impl Admin {
    /// How many wait.
    #[must_use]
    pub fn delayed_count(&self) -> u64 {
        self.decided().policy.delayed.count()
    }

    /// Messages that wait, in the order in which they are due.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn delayed_messages(
        &self,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<DelayedMessage>, Gone> {
        let mut skipped = 0;
        let mut page = Vec::new();
        let mut place = None;
        while page.len() < limit {
            // As many of each shard as could be the next ones: what all agree on is in order.
            let found = self
                .ask_all(move |visit| visit.engine.delayed_after(place, DELAYED_SLICE))
                .await?;
            let mut next: Vec<_> = found.into_iter().flatten().map(DelayedMessage).collect();
            next.sort_by_key(DelayedMessage::place);
            next.truncate(DELAYED_SLICE);
            let Some(last) = next.last() else { break };
            place = Some(last.place());
            for message in next {
                if skipped < offset {
                    skipped += 1;
                } else if page.len() < limit {
                    page.push(message);
                }
            }
        }
        Ok(page)
    }

    /// One that waits.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn delayed_message(
        &self,
        id: DelayedMessageId,
    ) -> Result<Option<DelayedMessage>, Gone> {
        let found = self
            .ask_all(move |visit| visit.engine.find_delayed(id.0).cloned())
            .await?;
        Ok(found.into_iter().flatten().next().map(DelayedMessage))
    }

    /// One is not to be published. False if it does not wait.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn drop_delayed(&self, id: DelayedMessageId) -> Result<bool, Gone> {
        let dropped = self
            .ask_all(move |visit| visit.engine.drop_delayed(visit.now, id.0))
            .await?;
        Ok(dropped.contains(&true))
    }

    /// Those of one topic are not to be published. Gives how many that were.
    ///
    /// # Errors
    /// If the broker ends.
    pub async fn drop_delayed_of(&self, topic: &str) -> Result<usize, Gone> {
        let topic: Arc<str> = topic.into();
        let mut dropped = 0;
        for shard in 0..self.shards() {
            let mut place = None;
            loop {
                let topic = topic.clone();
                let (next, n) = self
                    .ask(shard, move |visit| {
                        let found = visit.engine.delayed_after(place, DELAYED_SLICE);
                        let next = found.last().map(|last| (last.due, last.id));
                        let mut n = 0;
                        for delayed in found {
                            if delayed.message.topic().as_str() == &*topic {
                                n += usize::from(visit.engine.drop_delayed(visit.now, delayed.id));
                            }
                        }
                        (next, n)
                    })
                    .await?;
                dropped += n;
                if next.is_none() {
                    break;
                }
                place = next;
            }
        }
        Ok(dropped)
    }
}
