//! Messages that are under way to one client or wait for it, and who published them.

use std::collections::HashMap;

use engine::{Message, SessionRef, message::fingerprint};
use protocol::{Filter, Topic};
use tokio::sync::oneshot;

use super::{Admin, Gone};
use crate::shard::VISIT_MAX;

/// A message that waits for something.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Names it for people and tools.
    pub id: String,
    pub topic: String,
    pub qos: u8,
    /// Milliseconds since 1970; 0 where it is not known.
    pub published_at: u64,
    /// Empty where it is not known any more: the publisher's session ended, or the broker was started
    /// since.
    pub from_client_id: String,
    pub from_user_name: String,
    pub payload: Vec<u8>,
}

/// A part of what waits.
#[derive(Clone, Debug)]
pub struct Pile {
    pub rows: Vec<Waiting>,
    /// Where this part begins; `None` if it is empty.
    pub start: Option<Mark>,
    /// Where to go on; `None` at the end.
    pub next: Option<Mark>,
}

/// A place in what waits for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// So many are before, in memory.
    Memory(usize),
    /// Behind this position of the log.
    Log(u64),
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory(n) => write!(f, "m{n}"),
            Self::Log(n) => write!(f, "l{n}"),
        }
    }
}

impl std::str::FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |text: &str| text.parse().map_err(|_| ());
        match text.split_at_checked(1) {
            Some(("m", n)) => n.parse().map(Self::Memory).map_err(|_| ()),
            Some(("l", n)) => number(n).map(Self::Log),
            _ => Err(()),
        }
    }
}

/// How much of it is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub from: Option<Mark>,
    pub limit: usize,
    /// Bytes of all payloads; one message is given whatever its size.
    pub bytes_max: usize,
}

type Shared = std::sync::Arc<Message>;

impl Admin {
    /// Messages of QoS 1 and 2 that were sent to a client and are not acknowledged, as far as they are
    /// kept. `None` if there is no such session.
    ///
    /// # Errors
    /// If the broker is shutting down, as for everything here.
    pub async fn in_flight(&self, client_id: &str, part: Part) -> Result<Option<Pile>, Gone> {
        let name = client_id.to_owned();
        let skip = match part.from {
            Some(Mark::Memory(n)) => n,
            _ => 0,
        };
        let limit = part.limit.min(VISIT_MAX);
        let found = self
            .ask(self.home(client_id), move |visit| {
                let client = visit.engine.client(&name)?;
                let all = client.in_flight().skip(skip).take(limit + 1);
                Some(all.map(|u| u.message).collect::<Vec<_>>())
            })
            .await?;
        let Some(found) = found else { return Ok(None) };
        self.pile(found, Part { limit, ..part }, |at| Mark::Memory(skip + at))
            .await
            .map(Some)
    }

    /// Messages that wait for a client: those in memory, then those of the log. `None` if there is no
    /// such session.
    ///
    /// # Errors
    /// As above.
    pub async fn queued(&self, client_id: &str, part: Part) -> Result<Option<Pile>, Gone> {
        let name = client_id.to_owned();
        let limit = part.limit.min(VISIT_MAX);
        let part = Part { limit, ..part };
        let skip = match part.from {
            None => Some(0),
            Some(Mark::Memory(n)) => Some(n),
            Some(Mark::Log(_)) => None,
        };
        let found = self
            .ask(self.home(client_id), move |visit| {
                let client = visit.engine.client(&name)?;
                let all = skip.map(|skip| client.queued().skip(skip).take(limit + 1).cloned());
                let queued: Vec<_> = all.into_iter().flatten().collect();
                Some((queued, client.place()))
            })
            .await?;
        let Some((queued, place)) = found else {
            return Ok(None);
        };
        if let Some(skip) = skip.filter(|_| !queued.is_empty()) {
            let mark = |at| Mark::Memory(skip + at);
            let mut pile = self.pile(queued, part, mark).await?;
            if pile.next.is_none() {
                pile.next = place.map(|place| Mark::Log(place.after));
            }
            return Ok(Some(pile));
        }
        let Some(place) = place else {
            return self.pile(Vec::new(), part, Mark::Memory).await.map(Some);
        };
        let after = match part.from {
            Some(Mark::Log(after)) => after.max(place.after),
            _ => place.after,
        };
        let (found, upto) = self.logged(&place, after, limit + 1).await?;
        let positions: Vec<u64> = found.iter().map(|(position, _)| *position).collect();
        let messages = found.into_iter().map(|(_, message)| message).collect();
        // Behind the one before.
        let mark = |at: usize| match at.checked_sub(1).and_then(|at| positions.get(at)) {
            Some(position) => Mark::Log(*position),
            None => Mark::Log(after),
        };
        let mut pile = self.pile(messages, part, mark).await?;
        if pile.next.is_none() && upto.is_some() {
            pile.next = upto.map(Mark::Log);
        }
        Ok(Some(pile))
    }

    /// What the log has for a session behind a position; and how far it was looked, if not to its end.
    pub(super) async fn logged(
        &self,
        place: &engine::Place,
        after: u64,
        max: usize,
    ) -> Result<(Vec<(u64, Shared)>, Option<u64>), Gone> {
        if place.filters.is_empty() {
            return Ok((Vec::new(), None));
        }
        let filters: Vec<String> = place.filters.iter().map(|(f, _)| f.clone()).collect();
        let (answer, answered) = oneshot::channel();
        self.0.store.replay(filters, after, max, answer);
        let (entries, upto) = answered.await.map_err(|_| Gone)?;
        let full = entries.len() >= max;
        let wanted = entries.into_iter().filter(|entry| {
            let topic = Topic::trusted(entry.message.topic().as_str());
            place.filters.iter().any(|(filter, since)| {
                entry.position > *since && Filter::trusted(filter).matches(topic)
            })
        });
        let found = wanted.map(|entry| (entry.position, entry.message));
        Ok((found.collect(), full.then_some(upto)))
    }

    /// Of one message more than is wanted: whether there is one says whether there is more.
    async fn pile(
        &self,
        mut found: Vec<Shared>,
        part: Part,
        mark: impl Fn(usize) -> Mark,
    ) -> Result<Pile, Gone> {
        let mut bytes = 0;
        let fitting = found.iter().take(part.limit).take_while(|message| {
            let first = bytes == 0;
            bytes += message.payload().len().max(1);
            first || bytes <= part.bytes_max
        });
        let fitting = fitting.count();
        let next = (found.len() > fitting).then(|| mark(fitting));
        found.truncate(fitting);
        let start = (!found.is_empty()).then(|| mark(0));
        let rows = self.with_names(found).await?;
        Ok(Pile { rows, start, next })
    }

    /// Messages with the names of who published them.
    pub(super) async fn with_names(&self, messages: Vec<Shared>) -> Result<Vec<Waiting>, Gone> {
        let mut rows = self.heads(messages.clone()).await?;
        for (row, message) in rows.iter_mut().zip(messages) {
            row.payload = message.payload().to_vec();
        }
        Ok(rows)
    }

    /// The same without their payloads.
    pub(super) async fn heads(&self, messages: Vec<Shared>) -> Result<Vec<Waiting>, Gone> {
        let names = self.names(messages.iter().map(|m| m.publisher)).await?;
        let told = messages.into_iter().map(|message| {
            let name = names.get(&message.publisher).cloned();
            let (from_client_id, from_user_name) = name.unwrap_or_default();
            Waiting {
                id: id(&message),
                topic: message.topic().as_str().to_owned(),
                qos: message.qos.bits(),
                published_at: message.at.0,
                from_client_id,
                from_user_name,
                payload: Vec::new(),
            }
        });
        Ok(told.collect())
    }

    /// Client ids and user names, as far as these sessions live.
    pub(super) async fn names(
        &self,
        sessions: impl Iterator<Item = SessionRef>,
    ) -> Result<HashMap<SessionRef, (String, String)>, Gone> {
        let mut by_shard: HashMap<u16, Vec<SessionRef>> = HashMap::new();
        for session in sessions.filter(|s| s.shard < self.shards()) {
            let asked = by_shard.entry(session.shard).or_default();
            if !asked.contains(&session) {
                asked.push(session);
            }
        }
        let mut names = HashMap::new();
        for (shard, sessions) in by_shard {
            for sessions in sessions.chunks(VISIT_MAX) {
                let sessions = sessions.to_vec();
                let found = self.ask(shard, move |visit| {
                    let named = sessions.into_iter().filter_map(|session| {
                        let client = visit.engine.client_of(session)?;
                        let user = client.user_name().unwrap_or_default();
                        Some((session, (client.id().to_owned(), user.to_owned())))
                    });
                    named.collect::<Vec<_>>()
                });
                names.extend(found.await?);
            }
        }
        Ok(names)
    }
}

/// When it was published, and on which topic, as EMQX writes a message's id.
fn id(message: &Message) -> String {
    let topic = fingerprint(message.topic().as_str());
    format!("{:016X}{topic:016X}", message.at.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_as_they_are_written() {
        for mark in [Mark::Memory(0), Mark::Memory(77), Mark::Log(u64::MAX)] {
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        for text in ["", "m", "x1", "l-1", "none", "ä1"] {
            assert_eq!(text.parse::<Mark>(), Err(()), "{text}");
        }
    }
}
