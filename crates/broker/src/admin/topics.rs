//! Topics: the filters that anybody is subscribed to, each once.

use protocol::Filter;

use super::{
    Admin, Extent, Gone, Rows,
    walk::{Gather, Window},
};
use crate::shard::{VISIT_MAX, Visit};

impl Admin {
    /// A page of the filters that anybody is subscribed to. Those of shared subscriptions are among them,
    /// without their group.
    ///
    /// # Errors
    /// If the broker is shutting down, as for everything here.
    pub async fn topics(&self, offset: u64, limit: u64, to: &Rows<String>) -> Result<Extent, Gone> {
        let lens = self
            .ask_all(|visit| visit.engine.router().topics_len() as u64)
            .await?;
        let window = Window {
            offset,
            limit,
            is_counted: false,
        };
        let slice = |visit: &mut Visit<'_>, from, gather: &mut Gather<String>| {
            let mut next = None;
            let mut looked = 0;
            for (place, topic) in visit.engine.router().topics(from).take(VISIT_MAX) {
                looked += 1;
                next = Some(place);
                if let Some(topic) = topic {
                    gather.take(|| topic);
                }
                if gather.is_tired() {
                    return next;
                }
            }
            next.filter(|_| looked == VISIT_MAX)
        };
        let found = self.walk(self.everywhere(), window, slice, to).await?;
        Ok(Extent {
            count: Some(lens.iter().sum()),
            ..found
        })
    }

    /// Whether anybody is subscribed to exactly this filter.
    ///
    /// # Errors
    /// As above.
    pub async fn has_topic(&self, filter: &str) -> Result<bool, Gone> {
        let filter = filter.to_owned();
        let found = self
            .ask_all(move |visit| {
                let filter = Filter::parse(&filter, u16::MAX);
                filter.is_ok_and(|filter| visit.engine.router().has(filter))
            })
            .await?;
        Ok(found.contains(&true))
    }
}
