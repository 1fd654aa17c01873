//! Query parameters as EMQX reads them: a key may come again, and a value of another kind is refused
//! with the parameter's name.

use std::{fmt::Display, str::FromStr};

use axum::{extract::FromRequestParts, http::request::Parts};
use broker::admin::NODE;

use crate::{
    error::Refusal,
    page::{Paging, Window},
    time::parse_millis,
};

/// The query of a request, decoded.
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    fn parse(text: &str) -> Self {
        let pairs = form_urlencoded::parse(text.as_bytes());
        let owned = pairs.map(|(key, value)| (key.into_owned(), value.into_owned()));
        Self(owned.collect())
    }

    /// All values of a key.
    pub(crate) fn all(&self, key: &str) -> Vec<String> {
        let found = self.0.iter().filter(|(k, _)| k == key);
        found.map(|(_, value)| value.clone()).collect()
    }

    /// The last value of a key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(k, _)| k == key);
        found.map(|(_, value)| &**value)
    }

    pub(crate) fn owned(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    /// # Errors
    /// `INVALID_PARAMETER` for a value that is none of its kind; `kind` is what it is told to be.
    pub(crate) fn parsed<T: FromStr>(
        &self,
        key: &str,
        kind: impl Display,
    ) -> Result<Option<T>, Refusal> {
        let value = self.text(key);
        value
            .map(|value| value.parse().map_err(|_| unfit(key, &kind, value)))
            .transpose()
    }

    /// One of these words.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.text(key) else {
            return Ok(None);
        };
        let found = choices.iter().find(|(word, _)| *word == value);
        let words = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>();
        let chosen = found.ok_or_else(|| unfit(key, words().join("|"), value))?;
        Ok(Some(chosen.1))
    }

    /// # Errors
    /// As above.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, Refusal> {
        self.choice(key, &[("true", true), ("false", false)])
    }

    /// A time in milliseconds since 1970.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn millis(&self, key: &str) -> Result<Option<u64>, Refusal> {
        let value = self.text(key);
        let millis = |value| parse_millis(value).ok_or_else(|| unfit(key, "time", value));
        value.map(millis).transpose()
    }

    /// # Errors
    /// As above.
    pub(crate) fn window(&self) -> Result<Window, Refusal> {
        let paging = Paging {
            page: self.owned("page"),
            limit: self.owned("limit"),
        };
        paging.window()
    }

    /// There is one node; who asks for another is told.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for another node.
    pub(crate) fn check_node(&self) -> Result<(), Refusal> {
        match self.text("node") {
            Some(node) if node != NODE => Err(Refusal::invalid_parameter(format!(
                "there is no node {node}; this one is {NODE}"
            ))),
            _ => Ok(()),
        }
    }
}

fn unfit(key: &str, kind: impl Display, value: &str) -> Refusal {
    Refusal::invalid_parameter(format!(
        "the {key} parameter expected type is {kind}, but the value is {value}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_may_come_again_and_values_are_decoded() {
        let query = Query::parse("clientid=a%2Fb&clientid=%E4%B8%AD&x=1&fields=a%2Cb+c");
        assert_eq!(query.all("clientid"), ["a/b", "中"]);
        assert_eq!(query.text("fields"), Some("a,b c"));
        assert_eq!(query.parsed::<u8>("x", "integer").ok(), Some(Some(1)));
        assert_eq!(query.text("y"), None);
        let refused = query.parsed::<u8>("fields", "integer").err();
        assert_eq!(refused.map(|r| r.code), Some("INVALID_PARAMETER"));
    }
}
