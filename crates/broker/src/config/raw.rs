//! Values before their key gives them a meaning, and the leaves of a TOML text with their lines.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Self>),
    /// A table without entries: a section that says nothing.
    Empty,
    /// What no key takes: dates, tables in lists, numbers beyond 64 bits.
    Other(String),
}

/// A key with its value in a TOML text.
#[derive(Debug)]
pub(super) struct Leaf {
    pub path: Vec<String>,
    pub raw: Raw,
    /// From 1.
    pub line: usize,
}

/// What TOML has to say about a text that it cannot read.
#[derive(Debug)]
pub(super) struct Syntax {
    pub line: usize,
    pub cause: String,
}

impl Raw {
    /// The value of an environment variable or of `--set`, where quotes may be left out.
    #[must_use]
    pub fn bare(text: &str) -> Self {
        let word = || Self::Text(text.to_owned());
        // A value cannot bring further keys with it: a line break is never TOML here.
        if text.contains(['\n', '\r']) {
            return word();
        }
        let assignment = format!("v = {text}");
        let Ok(table) = DeTable::parse(&assignment) else {
            return word();
        };
        table
            .get_ref()
            .get("v")
            .map_or_else(word, |value| Self::from_toml(value.get_ref()))
    }

    fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
                .map_or_else(|_| Self::Other(n.to_string()), Self::Int),
            DeValue::Float(n) => n
                .as_str()
                .parse()
                .map_or_else(|_| Self::Other(n.to_string()), Self::Float),
            DeValue::Boolean(value) => Self::Bool(*value),
            DeValue::Datetime(date) => Self::Other(date.to_string()),
            DeValue::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::from_toml(item.get_ref()))
                    .collect(),
            ),
            DeValue::Table(_) => Self::Other("{...}".to_owned()),
        }
    }
}

/// As in TOML, on one line.
impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(n) => write!(f, "{n:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Empty => f.write_str("{}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// All leaves of a TOML text, in the order of the text.
pub(super) fn leaves(text: &str) -> Result<Vec<Leaf>, Syntax> {
    let line = |at: usize| {
        1 + text.as_bytes()[..at.min(text.len())]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
    };
    let table = DeTable::parse(text).map_err(|error| Syntax {
        line: line(error.span().map_or(0, |span| span.start)),
        cause: error.message().lines().collect::<Vec<_>>().join("; "),
    })?;
    let mut found = Vec::new();
    walk(table.get_ref(), &mut Vec::new(), &mut found);
    found.sort_by_key(|(at, ..)| *at);
    Ok(found
        .into_iter()
        .map(|(at, path, raw)| Leaf {
            path,
            raw,
            line: line(at),
        })
        .collect())
}

/// Nested tables of a file; the parser itself bounds their depth.
fn walk(table: &DeTable<'_>, path: &mut Vec<String>, found: &mut Vec<(usize, Vec<String>, Raw)>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) if inner.is_empty() => {
                found.push((start(key), path.clone(), Raw::Empty));
            }
            DeValue::Table(inner) => walk(inner, path, found),
            value => found.push((start(key), path.clone(), Raw::from_toml(value))),
        }
        path.pop();
    }
}

fn start<T>(spanned: &Spanned<T>) -> usize {
    spanned.span().start
}
