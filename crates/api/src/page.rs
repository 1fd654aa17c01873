//! Pages of lists, in EMQX's form: `page` from 1, `limit` up to 10,000. Those of what shards have are
//! written while they are gathered: what is not sent yet is a few hundred rows, whatever the limit.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse as _, Response},
};
use broker::admin::{Extent, Gone, Rows};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, task::JoinHandle};
use utoipa::{IntoParams, ToSchema};

use crate::error::Refusal;

/// Rows of one page at most.
pub(crate) const LIMIT_MAX: u64 = 10_000;
const LIMIT_DEFAULT: u64 = 100;

/// The query parameters of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// The page, from 1.
    #[param(value_type = Option<u64>, minimum = 1)]
    pub(crate) page: Option<String>,
    /// Rows of a page.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 10000)]
    pub(crate) limit: Option<String>,
}

/// Which rows are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) page: u64,
    pub(crate) limit: u64,
}

impl Window {
    /// Rows before the first one wanted.
    pub(crate) fn offset(self) -> u64 {
        (self.page - 1).saturating_mul(self.limit)
    }

    /// The same for a list in memory: rows to pass over, and rows wanted.
    pub(crate) fn span(self) -> (usize, usize) {
        let rows = |n| usize::try_from(n).unwrap_or(usize::MAX);
        (rows(self.offset()), rows(self.limit))
    }
}

impl Paging {
    /// # Errors
    /// `INVALID_PARAMETER` for what is no page or no limit.
    pub(crate) fn window(&self) -> Result<Window, Refusal> {
        Ok(Window {
            page: number(self.page.as_deref(), 1, u64::MAX)?,
            limit: number(self.limit.as_deref(), LIMIT_DEFAULT, LIMIT_MAX)?,
        })
    }
}

fn number(text: Option<&str>, default: u64, max: u64) -> Result<u64, Refusal> {
    let Some(text) = text else {
        return Ok(default);
    };
    text.parse()
        .ok()
        .filter(|n| (1..=max).contains(n))
        .ok_or_else(|| Refusal::invalid_parameter("page_limit_invalid"))
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    pub(crate) meta: Meta,
}

/// Where the page stands among the others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Meta {
    pub(crate) page: u64,
    pub(crate) limit: u64,
    /// All rows of the query; left out where that would mean looking at everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    /// Whether there is a next page.
    pub(crate) hasnext: bool,
}

impl Meta {
    /// Of a window in so many rows.
    pub(crate) fn of(window: Window, count: usize) -> Self {
        let count = count as u64;
        Self {
            page: window.page,
            limit: window.limit,
            count: Some(count),
            hasnext: window.offset().saturating_add(window.limit) < count,
        }
    }
}

/// Slices of rows that are ready and not written yet.
const SLICES_MAX: usize = 1;

/// A page on its way out. `gather` puts the rows there, and `row` makes of each what is shown.
///
/// # Errors
/// If nothing could be gathered. What fails behind the first rows cuts the answer off.
pub(crate) async fn streamed<T, R, G>(
    window: Window,
    row: impl FnMut(T) -> R + Send + Unpin + 'static,
    gather: impl FnOnce(Rows<T>) -> G,
) -> Result<Response, Refusal>
where
    T: Send + Unpin + 'static,
    R: Serialize,
    G: Future<Output = Result<Extent, Gone>> + Send + 'static,
{
    let (to, mut rows) = mpsc::channel(SLICES_MAX);
    let mut gathering = tokio::spawn(gather(to));
    let first = rows.recv().await;
    let mut extent = None;
    if first.is_none() {
        extent = Some((&mut gathering).await.map_err(|_| Gone)??);
    }
    let page = Streamed {
        window,
        row,
        first: Some(first.unwrap_or_default()),
        rows,
        gathering,
        extent,
        is_done: false,
    };
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, Body::new(page)).into_response())
}

/// The body of a page: [`Page`], in pieces.
struct Streamed<T, F> {
    window: Window,
    row: F,
    /// Taken with the beginning.
    first: Option<Vec<T>>,
    rows: mpsc::Receiver<Vec<T>>,
    gathering: JoinHandle<Result<Extent, Gone>>,
    /// If it is known already.
    extent: Option<Extent>,
    is_done: bool,
}

impl<T, R: Serialize, F: FnMut(T) -> R> Streamed<T, F> {
    /// Rows behind each other, with a comma before each but the first of all.
    fn written(&mut self, mut text: Vec<u8>, rows: Vec<T>) -> Bytes {
        for row in rows {
            if !text.ends_with(b"[") {
                text.push(b',');
            }
            serde_json::to_writer(&mut text, &(self.row)(row)).expect("a record becomes JSON");
        }
        text.into()
    }

    fn end(&self, extent: Extent) -> Bytes {
        let meta = Meta {
            page: self.window.page,
            limit: self.window.limit,
            count: extent.count,
            hasnext: extent.has_next,
        };
        let meta = serde_json::to_string(&meta).expect("numbers become JSON");
        format!("],\"meta\":{meta}}}").into()
    }
}

impl<T, R, F> hyper::body::Body for Streamed<T, F>
where
    T: Unpin,
    R: Serialize,
    F: FnMut(T) -> R + Unpin,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(rows) = self.first.take() {
            let piece = self.written(b"{\"data\":[".to_vec(), rows);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.is_done {
            return Poll::Ready(None);
        }
        if let Some(rows) = ready!(self.rows.poll_recv(context)) {
            let piece = self.written(Vec::new(), rows);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let extent = match self.extent {
            Some(extent) => Some(extent),
            None => match ready!(Pin::new(&mut self.gathering).poll(context)) {
                Ok(Ok(extent)) => Some(extent),
                Ok(Err(Gone)) | Err(_) => None,
            },
        };
        self.is_done = true;
        let end = extent.map(|extent| Frame::data(self.end(extent)));
        let cut_off = || io::Error::other("the broker is shutting down");
        Poll::Ready(Some(end.ok_or_else(cut_off)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes in slices is written as if it were whole, and no more is gathered than is written.
    #[tokio::test]
    async fn slices_make_a_page() {
        use http_body_util::BodyExt as _;
        let window = Window { page: 2, limit: 5 };
        let extent = Extent {
            count: Some(12),
            has_next: true,
        };
        for slices in [vec![], vec![1, 4], vec![2, 2, 1]] {
            let (told, mut heard) = mpsc::channel(9);
            let of = slices.clone();
            let gather = async move |to: Rows<u32>| {
                let mut next = 0;
                for len in of {
                    let rows = (next..next + len).collect();
                    next += len;
                    to.send(rows).await.map_err(|_| Gone)?;
                    let _ = told.send(next).await;
                }
                Ok(extent)
            };
            let response = streamed(window, |n| n * 10, gather).await.expect("a page");
            let ahead = std::iter::from_fn(|| heard.try_recv().ok()).count();
            assert!(ahead <= 1 + SLICES_MAX, "{ahead}");
            let body = response
                .into_body()
                .collect()
                .await
                .expect("whole")
                .to_bytes();
            let rows: Vec<u32> = (0..slices.iter().sum()).map(|n| n * 10).collect();
            let due = Page {
                data: rows,
                meta: Meta {
                    page: 2,
                    limit: 5,
                    count: Some(12),
                    hasnext: true,
                },
            };
            assert_eq!(body, serde_json::to_string(&due).expect("JSON"));
        }
    }

    /// What cannot be gathered is an error, or no whole answer.
    #[tokio::test]
    async fn a_page_that_fails() {
        use http_body_util::BodyExt as _;
        let window = Window { page: 1, limit: 5 };
        let gather = async |_: Rows<u32>| Err(Gone);
        assert!(streamed(window, |n| n, gather).await.is_err());
        let gather = async |to: Rows<u32>| {
            to.send(vec![1]).await.map_err(|_| Gone)?;
            Err(Gone)
        };
        let cut = streamed(window, |n| n, gather).await.expect("a beginning");
        assert!(cut.into_body().collect().await.is_err());
    }

    fn window(page: Option<&str>, limit: Option<&str>) -> Option<(u64, u64)> {
        let paging = Paging {
            page: page.map(str::to_owned),
            limit: limit.map(str::to_owned),
        };
        paging.window().ok().map(|w| (w.offset(), w.limit))
    }

    #[test]
    fn pages_begin_at_one_and_are_bounded() {
        assert_eq!(window(None, None), Some((0, 100)));
        assert_eq!(window(Some("3"), Some("50")), Some((100, 50)));
        assert_eq!(window(None, Some("10000")), Some((0, 10_000)));
        let last = window(Some("18446744073709551615"), Some("10000"));
        assert_eq!(last, Some((u64::MAX, 10_000)));
        for bad in ["0", "-1", "x", "", "1.5", "18446744073709551616"] {
            assert_eq!(window(Some(bad), None), None, "{bad}");
            assert_eq!(window(None, Some(bad)), None, "{bad}");
        }
        assert_eq!(window(None, Some("10001")), None);
    }
}
