//! Lists: all shards are gone through, one after the other and in slices, so that none is held. What is
//! not on the page is counted at most, never copied.

use super::{Admin, Gone};
use crate::shard::Visit;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    pub rows: Vec<T>,
    /// All rows of the query, where they were counted.
    pub count: Option<u64>,
    pub has_next: bool,
}

/// Which rows are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) offset: u64,
    pub(super) limit: u64,
    /// Rows behind the page are counted, too.
    pub(super) is_counted: bool,
}

/// What was found so far.
#[derive(Debug)]
pub(super) struct Gather<T> {
    skip: u64,
    room: u64,
    rows: Vec<T>,
    found: u64,
    has_more: bool,
    /// Rows that were made in this visit.
    made: usize,
}

/// Rows of one visit: making one costs as much as looking at ten others.
pub(super) const ROWS_MAX: usize = 200;

impl<T> Gather<T> {
    pub(super) fn new(window: Window) -> Self {
        Self {
            skip: window.offset,
            room: window.limit,
            rows: Vec::new(),
            found: 0,
            has_more: false,
            made: 0,
        }
    }

    /// Whether the visit has taken long enough.
    pub(super) fn is_tired(&self) -> bool {
        self.made >= ROWS_MAX
    }

    /// One more; it is only made if it is on the page.
    pub(super) fn take(&mut self, make: impl FnOnce() -> T) {
        self.found += 1;
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.room > 0 {
            self.room -= 1;
            self.made += 1;
            self.rows.push(make());
        } else {
            self.has_more = true;
        }
    }

    pub(super) fn into_list(self, count: Option<u64>) -> List<T> {
        List {
            rows: self.rows,
            count,
            has_next: self.has_more,
        }
    }
}

impl Admin {
    /// Goes through these shards. `slice` looks at a part from a place on, and gives the place to go on
    /// from, `None` at the shard's end.
    pub(super) async fn walk<T, C>(
        &self,
        shards: impl IntoIterator<Item = (u16, C)>,
        window: Window,
        slice: impl Fn(&mut Visit<'_>, C, &mut Gather<T>) -> Option<C> + Clone + Send + 'static,
    ) -> Result<List<T>, Gone>
    where
        T: Send + 'static,
        C: Send + 'static,
    {
        let mut gather = Gather::new(window);
        'shards: for (shard, from) in shards {
            let mut from = Some(from);
            while let Some(place) = from.take() {
                let slice = slice.clone();
                gather.made = 0;
                (gather, from) = self
                    .ask(shard, move |visit| {
                        let next = slice(visit, place, &mut gather);
                        (gather, next)
                    })
                    .await?;
                if gather.has_more && !window.is_counted {
                    break 'shards;
                }
            }
        }
        let count = window.is_counted.then_some(gather.found);
        Ok(gather.into_list(count))
    }

    /// The whole of every shard, from the beginning.
    pub(super) fn everywhere<C: Default>(&self) -> impl Iterator<Item = (u16, C)> + use<C> {
        (0..self.shards()).map(|shard| (shard, C::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_page_is_made() {
        let window = Window {
            offset: 3,
            limit: 2,
            is_counted: true,
        };
        let mut gather = Gather::new(window);
        let mut made = 0;
        for n in 0..10 {
            gather.take(|| {
                made += 1;
                n
            });
        }
        assert_eq!((made, gather.found), (2, 10));
        let list = gather.into_list(Some(10));
        assert_eq!((list.rows, list.has_next), (vec![3, 4], true));
    }

    #[test]
    fn the_last_page_has_no_next() {
        let window = Window {
            offset: 1,
            limit: 2,
            is_counted: false,
        };
        let mut gather = Gather::new(window);
        (0..3).for_each(|n| gather.take(|| n));
        let list = gather.into_list(None);
        assert_eq!((list.rows, list.has_next), (vec![1, 2], false));
    }
}
