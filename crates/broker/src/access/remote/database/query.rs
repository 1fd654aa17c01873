//! Queries with places: SQL, whose places become parameters, and commands of Redis, whose words are
//! arguments before anything is filled in.

use super::super::{Facts, Place, Scope, Template, template::Part};

/// How a dialect names its parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Numbering {
    /// `$1`, `$2`
    Dollar,
    /// `?`
    Mark,
}

/// SQL, and what its parameters are.
pub(super) struct Statement {
    pub(super) text: String,
    parameters: Vec<Template>,
}

impl Statement {
    /// Quotes around a place go, as in EMQX: it is no text of the query's.
    ///
    /// # Errors
    /// If there is a place of no known name, or nothing at all.
    pub(super) fn parse(text: &str, numbering: Numbering, scope: Scope) -> Result<Self, String> {
        let template = Template::parse(text, scope).map_err(|error| format!("query: {error}"))?;
        let mut made = Self {
            text: String::new(),
            parameters: Vec::new(),
        };
        let parts: Vec<Part<'_>> = template.parts().collect();
        let mut open = None;
        for (at, part) in parts.iter().enumerate() {
            match part {
                Part::Text(text) => {
                    let text = match open.take() {
                        Some(quote) => text.strip_prefix(quote).unwrap_or(text),
                        None => text,
                    };
                    let before_place = matches!(parts.get(at + 1), Some(Part::Place(_)));
                    let quote = text
                        .chars()
                        .last()
                        .filter(|c| before_place && "'\"".contains(*c));
                    let closes = quote.is_some_and(|quote| {
                        matches!(parts.get(at + 2), Some(Part::Text(next)) if next.starts_with(quote))
                    });
                    if closes {
                        open = quote;
                        made.text.push_str(&text[..text.len() - 1]);
                    } else {
                        made.text.push_str(text);
                    }
                }
                Part::Place(place) => {
                    made.parameters.push(Template::of(*place));
                    match numbering {
                        Numbering::Mark => made.text.push('?'),
                        Numbering::Dollar => {
                            made.text.push('$');
                            made.text.push_str(&made.parameters.len().to_string());
                        }
                    }
                }
            }
        }
        if made.text.trim().is_empty() || made.text.contains('\0') {
            return Err("query: there is none".to_owned());
        }
        Ok(made)
    }

    pub(super) fn has(&self, place: Place) -> bool {
        self.parameters.iter().any(|one| one.has(place))
    }

    pub(super) fn fill(&self, facts: &Facts<'_>) -> Option<Vec<String>> {
        let each = self.parameters.iter();
        each.map(|one| one.fill(facts, |value, out| out.push_str(value)))
            .collect()
    }
}

/// A command of Redis that reads fields of a hash.
pub(super) struct Command {
    arguments: Vec<Template>,
    pub(super) answers: Answers,
}

/// How a command answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answers {
    /// HGET, HMGET: the values of these fields.
    Fields(Vec<String>),
    /// HGETALL: names and values in turn.
    Pairs,
}

impl Command {
    /// # Errors
    /// If it is another command, or there is a place of no known name.
    pub(super) fn parse(text: &str, scope: Scope) -> Result<Self, String> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let name = words.first().map(|name| name.to_ascii_uppercase());
        let fields = words.iter().skip(2).map(|field| (*field).to_owned());
        let answers = match (name.as_deref(), words.len()) {
            (Some("HGET"), 3) | (Some("HMGET"), 3..) => Answers::Fields(fields.collect()),
            (Some("HGETALL"), 2) => Answers::Pairs,
            _ => {
                return Err(
                    "cmd is HMGET or HGET with a key and fields, or HGETALL with a key".to_owned(),
                );
            }
        };
        let each = words.iter().map(|word| Template::parse(word, scope));
        let arguments = each.collect::<Result<_, _>>();
        Ok(Self {
            arguments: arguments.map_err(|error| format!("cmd: {error}"))?,
            answers,
        })
    }

    pub(super) fn has(&self, place: Place) -> bool {
        self.arguments.iter().any(|one| one.has(place))
    }

    pub(super) fn fill(&self, facts: &Facts<'_>) -> Option<Vec<String>> {
        let each = self.arguments.iter();
        each.map(|one| one.fill(facts, |value, out| out.push_str(value)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'_> = Facts {
        client_id: "c d' OR 1=1",
        user_name: Some("${password}"),
        password: None,
        address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        common_name: None,
        subject: None,
        deed: None,
    };

    #[test]
    fn places_become_parameters() {
        let parse = |text: &str, numbering| {
            let statement = Statement::parse(text, numbering, Scope::Guest).unwrap();
            let values = statement.fill(&FACTS).unwrap();
            (statement.text, values)
        };
        let (text, values) = parse(
            "SELECT a FROM t WHERE u = ${username} AND c='${clientid}' AND h=\"${peerhost}\"",
            Numbering::Dollar,
        );
        assert_eq!(text, "SELECT a FROM t WHERE u = $1 AND c=$2 AND h=$3");
        assert_eq!(values, ["${password}", "c d' OR 1=1", "127.0.0.1"]);
        let (text, _) = parse(
            "SELECT 'it''s', '${username}', 'x${clientid}'",
            Numbering::Mark,
        );
        assert_eq!(text, "SELECT 'it''s', ?, 'x?'");
        for bad in ["", "  ", "SELECT ${nobody}"] {
            assert!(
                Statement::parse(bad, Numbering::Mark, Scope::Guest).is_err(),
                "{bad}"
            );
        }
    }

    /// A name with spaces in it is one argument.
    #[test]
    fn words_become_arguments() {
        let command =
            Command::parse("hmget  mqtt:${clientid} password_hash salt", Scope::Guest).unwrap();
        let filled = command.fill(&FACTS).unwrap();
        assert_eq!(
            filled,
            ["hmget", "mqtt:c d' OR 1=1", "password_hash", "salt"]
        );
        let fields = ["password_hash", "salt"].map(str::to_owned).into();
        assert_eq!(command.answers, Answers::Fields(fields));
        assert_eq!(
            Command::parse("HGETALL x", Scope::Guest).unwrap().answers,
            Answers::Pairs
        );
        for bad in [
            "",
            "GET x",
            "HGET x",
            "HGET x y z",
            "HGETALL",
            "FLUSHALL",
            "HGET ${x} y",
        ] {
            assert!(Command::parse(bad, Scope::Guest).is_err(), "{bad}");
        }
    }
}
