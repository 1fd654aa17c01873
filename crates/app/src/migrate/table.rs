//! Rows of a table, from a file beside the code: what becomes of each setting of another broker's. Which
//! row is for a setting, and which value it becomes here; nothing about either broker in particular.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A text in English and Chinese.
pub(super) type Both = [String; 2];

/// What is known of some settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// Names, segment by segment: `*` is any, `a|b` one of these, `**` at the end whatever follows.
    keys: Vec<String>,
    fate: RowFate,
    /// Settings that get the value; `$1` is what the first `*` or choice stood for.
    #[serde(default)]
    to: Vec<String>,
    #[serde(default)]
    pub(super) how: How,
    /// What stands for no bound there (0, -1, infinity, disabled) is this here.
    unbounded: Option<String>,
    /// With `words`: what each becomes.
    #[serde(default)]
    words: BTreeMap<String, String>,
    /// The value with which TernMQ does the same anyway.
    is: Option<String>,
    /// The value is not to be shown.
    #[serde(default)]
    pub(super) secret: bool,
    #[serde(default)]
    en: String,
    #[serde(default)]
    zh: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RowFate {
    Translated,
    NotNeeded,
    NoCounterpart,
}

/// How a value becomes ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum How {
    #[default]
    Same,
    /// A whole number of seconds.
    Seconds,
    /// A number and `h`, `d`, `w`, `m` (months) or `y`.
    Span,
    /// EMQX's: a text with units, or milliseconds.
    Time,
    /// A number of bytes, or a text with a unit.
    Size,
    /// Half of ours.
    Twice,
    Words,
    /// A file, made absolute.
    Path,
    /// The least of several places.
    Least,
    /// A list of which ours knows some.
    List,
    /// The code knows: it depends on other settings.
    Special,
}

/// What a row says of one setting.
pub(super) struct Found<'a> {
    pub(super) row: &'a Row,
    /// What its stars stood for.
    stars: Vec<&'a str>,
}

#[derive(Deserialize)]
struct File {
    row: Vec<Row>,
}

/// All rows of a broker.
pub(super) struct Table(Vec<Row>);

impl Table {
    pub(super) fn read(text: &str) -> Self {
        let file: File = toml::from_str(text).expect("the table is tested to be readable");
        Self(file.row)
    }

    /// The first row that is for this setting.
    pub(super) fn find<'a>(&'a self, name: &'a str) -> Option<Found<'a>> {
        self.0.iter().find_map(|row| {
            let stars = row.keys.iter().find_map(|key| stars(key, name))?;
            Some(Found { row, stars })
        })
    }

    /// Every name that has no star in it, and those with stars as they stand.
    #[cfg(test)]
    pub(super) fn rows(&self) -> &[Row] {
        &self.0
    }
}

/// What the stars of a pattern stand for in a name that fits.
fn stars<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
    let mut found = Vec::new();
    let mut parts = name.split('.');
    for piece in pattern.split('.') {
        if piece == "**" {
            return parts.next().map(|_| found);
        }
        let part = parts.next()?;
        match piece {
            "*" => found.push(part),
            _ if piece.contains('|') => {
                piece.split('|').find(|one| *one == part)?;
                found.push(part);
            }
            // `auth_opt_*` is a family of names.
            _ => match piece.strip_suffix('*') {
                Some(start) => _ = part.strip_prefix(start)?,
                None if piece != part => return None,
                None => {}
            },
        }
    }
    parts.next().is_none().then_some(found)
}

impl Row {
    pub(super) fn fate(&self) -> RowFate {
        self.fate
    }

    pub(super) fn note(&self) -> Both {
        [self.en.clone(), self.zh.clone()]
    }

    /// Whether this value asks for what is so here anyway.
    pub(super) fn is_ours(&self, value: &Value) -> bool {
        self.is.as_ref().is_some_and(|is| *is == plain(value))
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }
}

impl Found<'_> {
    /// The settings that get the value, with names in the place of stars.
    pub(super) fn to(&self) -> Vec<String> {
        let fill = |name: &String| {
            let numbered = self.stars.iter().zip(1..);
            numbered.fold(name.clone(), |name, (star, number)| {
                name.replace(&format!("${number}"), star)
            })
        };
        self.row.to.iter().map(fill).collect()
    }

    /// The value as ours; none if it says nothing that we know.
    pub(super) fn convert(&self, value: &Value) -> Option<toml::Value> {
        let text = plain(value);
        let endless = ["0", "-1", "infinity", "disabled", ""].contains(&&*text);
        if let Some(unbounded) = self.row.unbounded.as_ref().filter(|_| endless) {
            return Some(scalar(unbounded));
        }
        let written = |text: String| Some(toml::Value::String(text));
        match self.row.how {
            How::Same | How::Least | How::Special => Some(scalar(&text)),
            How::Path => written(text),
            How::Seconds => written(format!("{}s", text.parse::<u64>().ok()?)),
            How::Span => written(format!("{}d", days(&text)?)),
            How::Time => written(match text.parse::<u64>() {
                Ok(millis) => format!("{millis}ms"),
                Err(_) => text.to_ascii_lowercase(),
            }),
            How::Size => match text.parse::<i64>() {
                Ok(bytes) => Some(toml::Value::Integer(bytes)),
                Err(_) => written(text.replace(' ', "").to_ascii_uppercase()),
            },
            How::Twice => Some(toml::Value::Float(text.parse::<f64>().ok()? * 2.0)),
            How::Words => Some(scalar(self.row.words.get(&text)?)),
            How::List => {
                let known = |item: &Value| {
                    let word = self.row.words.get(&plain(item))?;
                    Some(toml::Value::String(word.clone()))
                };
                let items: Vec<_> = value.as_array()?.iter().filter_map(known).collect();
                (!items.is_empty()).then_some(toml::Value::Array(items))
            }
        }
    }
}

/// A value as it was written, without quotes.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A number or a switch if it looks like one, otherwise a text.
fn scalar(text: &str) -> toml::Value {
    match text {
        "true" | "on" => toml::Value::Boolean(true),
        "false" | "off" => toml::Value::Boolean(false),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => toml::Value::Integer(number),
            (_, Ok(number)) if text.contains('.') => toml::Value::Float(number),
            _ => toml::Value::String(text.to_owned()),
        },
    }
}

/// mosquitto's spans; a part of a day counts as one.
fn days(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    Some(match unit {
        'h' => number.div_ceil(24),
        'd' => number,
        'w' => number.checked_mul(7)?,
        'm' => number.checked_mul(30)?,
        'y' => number.checked_mul(365)?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns() {
        let cases = [
            ("a.b", "a.b", Some("")),
            ("a.b", "a.b.c", None),
            ("a.b.c", "a.b", None),
            ("a.*.c", "a.x.c", Some("x")),
            ("a.b|c.*", "a.c.d", Some("c d")),
            ("a.b|c.*", "a.d.d", None),
            ("a.**", "a.b.c", Some("")),
            ("a.**", "a", None),
            ("a.**", "b.b.c", None),
            ("auth_opt_*", "auth_opt_file", Some("")),
            ("auth_opt_*", "auth_plugin", None),
        ];
        for (pattern, name, due) in cases {
            let found = stars(pattern, name).map(|stars| stars.join(" "));
            assert_eq!(found.as_deref(), due, "{pattern} {name}");
        }
    }

    #[test]
    fn values() {
        let table = Table::read(
            "[[row]]\nkeys=['s']\nfate='translated'\n\
             [[row]]\nkeys=['secs']\nfate='translated'\nhow='seconds'\n\
             [[row]]\nkeys=['span']\nfate='translated'\nhow='span'\n\
             [[row]]\nkeys=['time']\nfate='translated'\nhow='time'\n\
             [[row]]\nkeys=['size']\nfate='translated'\nhow='size'\n\
             [[row]]\nkeys=['twice']\nfate='translated'\nhow='twice'\n\
             [[row]]\nkeys=['max']\nfate='translated'\nunbounded='none'\n\
             [[row]]\nkeys=['word']\nfate='translated'\nhow='words'\nwords={a='b'}\n\
             [[row]]\nkeys=['list']\nfate='translated'\nhow='list'\nwords={a='b',c='d'}\n",
        );
        let cases = [
            ("s", json!("12"), Some("12")),
            ("s", json!(true), Some("true")),
            ("s", json!("x y"), Some("\"x y\"")),
            ("secs", json!("90"), Some("\"90s\"")),
            ("secs", json!("soon"), None),
            ("span", json!("2m"), Some("\"60d\"")),
            ("span", json!("30h"), Some("\"2d\"")),
            ("span", json!("3"), None),
            ("time", json!("1H30m"), Some("\"1h30m\"")),
            ("time", json!(1500), Some("\"1500ms\"")),
            ("size", json!("2 mb"), Some("\"2MB\"")),
            ("size", json!(100), Some("100")),
            ("twice", json!(0.75), Some("1.5")),
            ("max", json!("-1"), Some("\"none\"")),
            ("max", json!("infinity"), Some("\"none\"")),
            ("max", json!(5), Some("5")),
            ("word", json!("a"), Some("\"b\"")),
            ("word", json!("z"), None),
            ("list", json!(["a", "z", "c"]), Some("[\"b\", \"d\"]")),
            ("list", json!(["z"]), None),
        ];
        for (name, value, due) in cases {
            let found = table.find(name).unwrap().convert(&value);
            assert_eq!(
                found.map(|v| v.to_string()).as_deref(),
                due,
                "{name} {value}"
            );
        }
    }
}
