//! Pages of lists, in EMQX's form: `page` from 1, `limit` up to 10,000.

use serde::{Deserialize, Serialize};
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

#[cfg(test)]
mod tests {
    use super::*;

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
