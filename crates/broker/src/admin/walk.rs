//! Lists, and whatever else looks at all there is: all shards are gone through, one after the other and in slices, so that none is held. What is
//! not on the page is counted at most, never copied; what is on it goes out slice by slice, and the next
//! slice is looked at when whoever asked has taken the last one.

use tokio::sync::mpsc;

use super::{Admin, Gone};
use crate::shard::Visit;

/// Where the rows of a page go while they are gathered, [`ROWS_MAX`] or so at a time.
pub type Rows<T> = mpsc::Sender<Vec<T>>;

/// Takes rows as they are found.
pub(super) trait Take<T>: Send {
    /// False if nobody wants more.
    fn take(&mut self, rows: Vec<T>) -> impl Future<Output = Result<bool, Gone>> + Send;
}

impl<T: Send> Take<T> for &Rows<T> {
    async fn take(&mut self, rows: Vec<T>) -> Result<bool, Gone> {
        Ok(self.send(rows).await.is_ok())
    }
}

impl<T: Send> Take<T> for &mut Vec<T> {
    async fn take(&mut self, rows: Vec<T>) -> Result<bool, Gone> {
        self.extend(rows);
        Ok(true)
    }
}

/// What is known of a list when its page has been gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
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
}

impl Admin {
    /// Goes through these shards. `slice` looks at a part from a place on, and gives the place to go on
    /// from, `None` at the shard's end. `to` takes the rows.
    pub(super) async fn walk<T, C>(
        &self,
        shards: impl IntoIterator<Item = (u16, C)>,
        window: Window,
        slice: impl Fn(&mut Visit<'_>, C, &mut Gather<T>) -> Option<C> + Clone + Send + 'static,
        mut to: impl Take<T>,
    ) -> Result<Extent, Gone>
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
                let rows = std::mem::take(&mut gather.rows);
                if !rows.is_empty() && !to.take(rows).await? {
                    break 'shards;
                }
                if gather.has_more && !window.is_counted {
                    break 'shards;
                }
            }
        }
        Ok(Extent {
            count: window.is_counted.then_some(gather.found),
            has_next: gather.has_more,
        })
    }

    /// Goes through everything where there are no rows: `slice` looks at a part as above, and `add` takes what is
    /// to be said of it.
    pub(super) async fn each_slice<T, C>(
        &self,
        slice: impl Fn(&mut Visit<'_>, C) -> (T, Option<C>) + Clone + Send + 'static,
        mut add: impl FnMut(T),
    ) -> Result<(), Gone>
    where
        T: Send + 'static,
        C: Default + Send + 'static,
    {
        for (shard, from) in self.everywhere() {
            let mut from = Some(from);
            while let Some(place) = from {
                let slice = slice.clone();
                let (part, next) = self.ask(shard, move |visit| slice(visit, place)).await?;
                add(part);
                from = next;
            }
        }
        Ok(())
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
        assert_eq!((gather.rows, gather.has_more), (vec![3, 4], true));
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
        assert_eq!((gather.rows, gather.has_more), (vec![1, 2], false));
    }
}
