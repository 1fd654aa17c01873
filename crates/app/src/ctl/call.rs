//! A call of the API, and how its answer is shown.

use serde_json::{Map, Value};

use super::table::{self, Column};
use crate::text::Text;

/// The authenticator over the broker's own users.
pub(super) const USERS: &str = "password_based:built_in_database";

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) method: &'static str,
    /// Below `/api/v5`, with its query.
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) show: Show,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Show {
    /// A row for each object of the list, or of its `data`.
    Rows(&'static [Column]),
    /// A line for each of these of one object, or of a list's first.
    Lines(&'static [Column]),
    /// A line for each field of an object.
    Fields,
    /// The text of a trace.
    Log,
    /// It was done: to this.
    Done(String),
    /// Settings that wait for a restart.
    Changed,
}

impl Call {
    pub(super) fn get(path: String, show: Show) -> Self {
        Self {
            method: "GET",
            path,
            body: None,
            show,
        }
    }

    pub(super) fn act(method: &'static str, path: String, done: &str) -> Self {
        Self {
            method,
            path,
            body: None,
            show: Show::Done(done.to_owned()),
        }
    }

    pub(super) fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Puts a field into the body.
    pub(super) fn put(&mut self, key: &str, value: Value) {
        let body = self.body.get_or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(fields) = body {
            fields.insert(key.to_owned(), value);
        }
    }
}

impl Show {
    pub(super) fn page(&self, answer: &Value, text: Text) -> String {
        match self {
            Self::Rows(columns) => {
                let rows = answer.get("data").unwrap_or(answer);
                let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
                let mut page = table::rows(columns, rows, text);
                // Where rows are picked, the API does not count those that it does not tell.
                let count = answer["meta"]["count"].as_u64();
                let shown = u64::try_from(rows.len()).unwrap_or(u64::MAX);
                let has_more = answer["meta"]["hasnext"].as_bool().unwrap_or(false);
                if has_more || count.is_some_and(|count| count > shown) {
                    page += &text.more_rows(shown, count);
                }
                page
            }
            Self::Lines(columns) => {
                let object = answer.get(0).unwrap_or(answer);
                table::lines(columns, object, text)
            }
            Self::Fields => table::fields(answer),
            Self::Log => answer["items"].as_str().unwrap_or_default().to_owned(),
            Self::Done(what) => text.done(what),
            Self::Changed => {
                let pending = answer["pending"].as_array().map_or(&[][..], Vec::as_slice);
                let names: Vec<&str> = pending.iter().filter_map(Value::as_str).collect();
                text.changed(&names.join(", "))
            }
        }
    }
}

/// A part of a path, whatever is in it.
pub(super) fn part(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

/// `?a=b&c=d` of what was said.
pub(super) fn query(said: &[(&str, Option<String>)]) -> String {
    let mut out = String::new();
    for (name, value) in said {
        if let Some(value) = value {
            out.push(if out.is_empty() { '?' } else { '&' });
            out += &format!("{name}={}", part(value));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_a_name() {
        assert_eq!(part("a/b 中+%"), "a%2Fb%20%E4%B8%AD%2B%25");
        let said = [
            ("a", Some("x&y".to_owned())),
            ("b", None),
            ("c", Some("1".to_owned())),
        ];
        assert_eq!(query(&said), "?a=x%26y&c=1");
        assert_eq!(query(&[("a", None)]), "");
    }
}
