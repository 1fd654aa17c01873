//! Retained messages, wherever they are.

use std::sync::Arc;

use engine::Message;
use protocol::{Filter, Topic};

use super::{
    Admin, Extent, Gone, Rows,
    messages::Waiting,
    walk::{Gather, Take, Window},
};
use crate::shard::{VISIT_MAX, Visit};

/// Why retained messages were not deleted.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    #[error("the store could not keep that")]
    NotKept,
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// Where the messages of one shard are gone on with.
type Place = Option<Box<str>>;

/// Tells of messages who published them.
struct Named<'a>(&'a Admin, &'a Rows<Waiting>);

impl Take<Arc<Message>> for Named<'_> {
    async fn take(&mut self, messages: Vec<Arc<Message>>) -> Result<bool, Gone> {
        let rows = self.0.heads(messages).await?;
        Ok(self.1.send(rows).await.is_ok())
    }
}

impl Admin {
    /// A page of retained messages, without their payloads; those that match a filter, or all but the broker's own. Only all of
    /// them are counted.
    ///
    /// # Errors
    /// If the broker is shutting down, as for everything here.
    pub async fn retained(
        &self,
        filter: Option<String>,
        offset: u64,
        limit: u64,
        to: &Rows<Waiting>,
    ) -> Result<Extent, Gone> {
        let mut count = None;
        if filter.is_none() {
            let lens = self.ask_all(|visit| visit.engine.retained_len() as u64);
            count = Some(lens.await?.iter().sum());
        }
        let window = Window {
            offset,
            limit,
            is_counted: false,
        };
        let slice = move |visit: &mut Visit<'_>, from: Place, gather: &mut Gather<_>| {
            let filter = filter.as_deref().map(Filter::trusted);
            let mut looked = 0;
            let mut last = None;
            for message in visit.engine.retained_from(from.as_deref()).take(VISIT_MAX) {
                looked += 1;
                last = Some(message);
                let topic = message.topic();
                let matches = match filter {
                    Some(filter) => filter.matches(topic),
                    None => !topic.is_system(),
                };
                if matches && !message.view().is_expired(visit.now) {
                    gather.take(|| message.clone());
                }
                if gather.is_tired() {
                    return Some(Some(topic.as_str().into()));
                }
            }
            let last = last.filter(|_| looked == VISIT_MAX)?;
            Some(Some(last.topic().as_str().into()))
        };
        let found = self
            .walk(self.everywhere(), window, slice, Named(self, to))
            .await?;
        Ok(Extent { count, ..found })
    }

    /// The retained message of a topic.
    ///
    /// # Errors
    /// As above.
    pub async fn retained_message(&self, topic: &str) -> Result<Option<Waiting>, Gone> {
        if Topic::parse(topic, u16::MAX).is_err() {
            return Ok(None);
        }
        let name = topic.to_owned();
        let found = self
            .ask(self.home(topic), move |visit| {
                visit.engine.retained(Topic::trusted(&name))
            })
            .await?;
        let told = self.with_names(found.into_iter().collect()).await?;
        Ok(told.into_iter().next())
    }

    /// Deletes the retained messages that match a filter, for good when this returns, and gives how many.
    /// Nobody is told of it. `None` for all but the broker's own.
    ///
    /// # Errors
    /// If the store could not do it; some may be gone then.
    pub async fn delete_retained(&self, filter: Option<String>) -> Result<u64, DeleteError> {
        let filter = filter.unwrap_or_else(|| "#".to_owned());
        let wildcard = Filter::trusted(&filter).is_wildcard();
        let shards = if wildcard {
            0..self.shards()
        } else {
            let home = self.home(&filter);
            home..home + 1
        };
        let mut deleted = 0;
        for shard in shards {
            let mut cursor = Some(engine::retained::Cursor::Start);
            while let Some(from) = cursor.take() {
                let filter = filter.clone();
                let (tickets, next) = self
                    .ask(shard, move |visit| {
                        let filter = Filter::trusted(&filter);
                        let (found, next) = visit.engine.scan_retained(filter, &from);
                        let tickets: Vec<_> = found
                            .iter()
                            .filter_map(|message| {
                                let ticket =
                                    visit.engine.delete_retained(visit.now, message.topic())?;
                                Some(visit.later(ticket))
                            })
                            .collect();
                        (tickets, next)
                    })
                    .await?;
                for ticket in tickets {
                    if !ticket.await.map_err(|_| Gone)? {
                        return Err(DeleteError::NotKept);
                    }
                    deleted += 1;
                }
                cursor = next;
            }
        }
        Ok(deleted)
    }
}
