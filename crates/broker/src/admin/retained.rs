//! Retained messages, wherever they are.

use std::sync::Arc;

use engine::{Message, Shard};
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

/// A retained message.
#[derive(Clone, Debug)]
pub struct Retained {
    pub message: Waiting,
    /// It is sent to nobody, because who retained it may not publish it any more.
    pub is_held_back: bool,
}

/// Which retained messages are wanted.
#[derive(Clone, Debug, Default)]
pub struct RetainedFilter {
    /// Those that match a filter, or all but the broker's own.
    pub topic: Option<String>,
    /// Those that are sent to nobody.
    pub held_back: bool,
}

/// Tells of messages who published them.
struct Named<'a>(&'a Admin, &'a Rows<Retained>);

impl Take<(Arc<Message>, bool)> for Named<'_> {
    async fn take(&mut self, messages: Vec<(Arc<Message>, bool)>) -> Result<bool, Gone> {
        let (messages, held): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        let heads = self.0.heads(messages).await?.into_iter();
        let rows = heads.zip(held).map(|(message, is_held_back)| Retained {
            message,
            is_held_back,
        });
        Ok(self.1.send(rows.collect()).await.is_ok())
    }
}

impl Admin {
    /// A page of retained messages, without their payloads. Only all of them are counted.
    ///
    /// # Errors
    /// If the broker is shutting down, as for everything here.
    pub async fn retained(
        &self,
        RetainedFilter {
            topic: filter,
            held_back,
        }: RetainedFilter,
        offset: u64,
        limit: u64,
        to: &Rows<Retained>,
    ) -> Result<Extent, Gone> {
        let mut count = None;
        if filter.is_none() && !held_back {
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
                    let is_held = visit.engine.is_held_back(message);
                    if is_held || !held_back {
                        gather.take(|| (message.clone(), is_held));
                    }
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
    pub async fn retained_message(&self, topic: &str) -> Result<Option<Retained>, Gone> {
        if Topic::parse(topic, u16::MAX).is_err() {
            return Ok(None);
        }
        let name = topic.to_owned();
        let found = self
            .ask(self.home(topic), move |visit| {
                let message = visit.engine.retained(Topic::trusted(&name))?;
                let is_held_back = visit.engine.is_held_back(&message);
                Some((message, is_held_back))
            })
            .await?;
        let Some((message, is_held_back)) = found else {
            return Ok(None);
        };
        let told = self.with_names(vec![message]).await?;
        Ok(told.into_iter().next().map(|message| Retained {
            message,
            is_held_back,
        }))
    }

    /// How many retained messages are sent to nobody, because who retained them may not publish them any more.
    ///
    /// # Errors
    /// As above.
    pub async fn held_back(&self) -> Result<u64, Gone> {
        let count = |visit: &mut Visit<'_>, from: Place| {
            let (mut held, mut looked, mut last) = (0, 0, None);
            for message in visit.engine.retained_from(from.as_deref()).take(VISIT_MAX) {
                looked += 1;
                last = Some(message);
                let is_held =
                    visit.engine.is_held_back(message) && !message.view().is_expired(visit.now);
                held += u64::from(is_held);
            }
            let last = last.filter(|_| looked == VISIT_MAX);
            (held, last.map(|last| Some(last.topic().as_str().into())))
        };
        let mut all = 0;
        self.each_slice(count, |held: u64| all += held).await?;
        Ok(all)
    }

    /// Deletes those, for good when this returns, and gives how many. Nobody is told of it.
    ///
    /// # Errors
    /// If the store could not do it; some may be gone then.
    pub async fn purge_held_back(&self) -> Result<u64, DeleteError> {
        self.delete_those("#", Shard::is_held_back).await
    }

    /// Deletes the retained messages that match a filter, for good when this returns, and gives how many.
    /// Nobody is told of it. `None` for all but the broker's own.
    ///
    /// # Errors
    /// If the store could not do it; some may be gone then.
    pub async fn delete_retained(&self, filter: Option<String>) -> Result<u64, DeleteError> {
        let filter = filter.unwrap_or_else(|| "#".to_owned());
        self.delete_those(&filter, |_, _| true).await
    }

    /// Deletes what matches a filter and is wanted gone, as it is at the instant of its deletion.
    async fn delete_those(
        &self,
        filter: &str,
        is_due: fn(&Shard, &Message) -> bool,
    ) -> Result<u64, DeleteError> {
        let wildcard = Filter::trusted(filter).is_wildcard();
        let shards = if wildcard {
            0..self.shards()
        } else {
            let home = self.home(filter);
            home..home + 1
        };
        let mut deleted = 0;
        for shard in shards {
            let mut cursor = Some(engine::retained::Cursor::Start);
            while let Some(from) = cursor.take() {
                let filter = filter.to_owned();
                let (tickets, next) = self
                    .ask(shard, move |visit| {
                        let filter = Filter::trusted(&filter);
                        let (found, next) = visit.engine.scan_retained(filter, &from);
                        let tickets: Vec<_> = found
                            .iter()
                            .filter_map(|message| {
                                if !is_due(visit.engine, message) {
                                    return None;
                                }
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
