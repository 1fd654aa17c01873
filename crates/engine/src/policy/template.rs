//! Topics with places that a client's own names fill. What fills them is taken literally: a client
//! called `#` does not become a wildcard.

use core::net::SocketAddr;

/// Whose names fill the places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) id: &'a str,
    pub(crate) user_name: Option<&'a str>,
    /// CN of the certificate that it showed.
    pub(crate) common_name: Option<&'a str>,
    pub(crate) peer: Option<SocketAddr>,
}

/// What a text is to a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fit {
    /// The template with its places filled.
    Same,
    Other,
    /// A name is missing.
    Missing,
    /// A name would be more than a part of one level of a topic.
    Unsafe,
}

/// A topic or filter with places in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(Box<str>),
    /// What a group of a regular expression found.
    Group(usize),
    Place(Place),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    ClientId,
    UserName,
    CommonName,
    Host,
    Port,
}

const PLACES: [(&str, Place); 7] = [
    ("${clientid}", Place::ClientId),
    ("${username}", Place::UserName),
    ("${cert_common_name}", Place::CommonName),
    ("${host}", Place::Host),
    ("${port}", Place::Port),
    ("%c", Place::ClientId),
    ("%u", Place::UserName),
];

impl Template {
    /// With places for names; anything else stands for itself.
    #[must_use]
    pub fn of_names(text: &str) -> Self {
        Self::parse(text, |_| None)
    }

    /// With places for names, and `$1` for what the first group of a regular expression found.
    #[must_use]
    pub fn of_names_and_groups(text: &str) -> Self {
        Self::parse(text, |rest| {
            let digits = rest.strip_prefix('$')?;
            let len = digits.bytes().take_while(u8::is_ascii_digit).count();
            let number = digits[..len].parse().ok()?;
            Some((1 + len, number))
        })
    }

    /// `group` finds one at the start of a text: its length and number.
    fn parse(text: &str, group: impl Fn(&str) -> Option<(usize, usize)>) -> Self {
        let mut pieces = Vec::new();
        let (mut begin, mut at) = (0, 0);
        while let Some(step) = text[at..].chars().next().map(char::len_utf8) {
            let rest = &text[at..];
            let place = PLACES.iter().find(|(name, _)| rest.starts_with(name));
            let found = match place {
                Some((name, place)) => Some((name.len(), Piece::Place(*place))),
                None => group(rest).map(|(len, number)| (len, Piece::Group(number))),
            };
            let Some((len, piece)) = found else {
                at += step;
                continue;
            };
            if begin < at {
                pieces.push(Piece::Text(text[begin..at].into()));
            }
            pieces.push(piece);
            at += len;
            begin = at;
        }
        if begin < at {
            pieces.push(Piece::Text(text[begin..at].into()));
        }
        Self(pieces)
    }

    /// Whether it is a text without places.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// Whether the address of a client has a place in it.
    pub(crate) fn has_address(&self) -> bool {
        let address = |piece: &Piece| matches!(piece, Piece::Place(Place::Host | Place::Port));
        self.0.iter().any(address)
    }

    /// Compares a text with the template as it would be filled, without filling it.
    pub(crate) fn fit(&self, text: &str, client: Client<'_>) -> Fit {
        let mut rest = text;
        for piece in &self.0 {
            let part = match piece {
                Piece::Text(fixed) => fixed,
                Piece::Place(place) => {
                    let name = match place {
                        Place::ClientId => Some(client.id),
                        Place::UserName => client.user_name,
                        Place::CommonName => client.common_name,
                        // They are no names.
                        Place::Host | Place::Port => None,
                    };
                    let Some(name) = name else {
                        return Fit::Missing;
                    };
                    if name.contains('/') || literal(name).is_none() {
                        return Fit::Unsafe;
                    }
                    name
                }
                Piece::Group(_) => return Fit::Other,
            };
            match rest.strip_prefix(part) {
                Some(after) => rest = after,
                None => return Fit::Other,
            }
        }
        if rest.is_empty() {
            Fit::Same
        } else {
            Fit::Other
        }
    }

    /// The text with its places filled. `None` where a name is missing, or would be more than a name:
    /// one with a wildcard in it.
    pub(crate) fn fill<'g>(
        &self,
        client: Client<'_>,
        group: impl Fn(usize) -> Option<&'g str>,
    ) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                // What the operator wrote, or a regular expression took from the topic itself, may be
                // anything.
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Group(number) => text.push_str(group(*number).unwrap_or("")),
                Piece::Place(Place::ClientId) => text.push_str(literal(client.id)?),
                Piece::Place(Place::UserName) => text.push_str(literal(client.user_name?)?),
                Piece::Place(Place::CommonName) => text.push_str(literal(client.common_name?)?),
                Piece::Place(Place::Host) => text.push_str(&client.peer?.ip().to_string()),
                Piece::Place(Place::Port) => text.push_str(&client.peer?.port().to_string()),
            }
        }
        Some(text)
    }
}

/// A name that stays a name in a filter.
fn literal(name: &str) -> Option<&str> {
    (!name.is_empty() && !name.contains(['+', '#', '\0'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, id: &str, user_name: Option<&str>) -> Option<String> {
        let peer = "192.0.2.7:4711".parse().ok();
        let client = Client {
            id,
            user_name,
            common_name: None,
            peer,
        };
        let group = |n| [None, Some("one"), Some("+")].get(n).copied().flatten();
        Template::of_names_and_groups(text).fill(client, group)
    }

    /// Names are taken literally, and a missing one leaves nothing.
    #[test]
    fn places() {
        let cases = [
            ("c/${clientid}/in", "one", None, Some("c/one/in")),
            ("c/%c/%u", "one", Some("two"), Some("c/one/two")),
            ("${host}/${port}", "one", None, Some("192.0.2.7/4711")),
            ("z/$1/$2/$3/$", "one", None, Some("z/one/+//$")),
            (
                "${other}/%/$x/温度",
                "one",
                None,
                Some("${other}/%/$x/温度"),
            ),
            ("c/${username}", "one", None, None),
            ("c/${clientid}", "#", None, None),
            ("c/${clientid}", "a+b", None, None),
            ("c/${username}", "one", Some(""), None),
            ("${clientid}", "${username}", Some("x"), Some("${username}")),
            ("", "one", None, Some("")),
        ];
        for (text, id, user_name, expected) in cases {
            assert_eq!(
                filled(text, id, user_name).as_deref(),
                expected,
                "{text} for {id}"
            );
        }
    }

    /// Where no group can be meant, `$1` is a name.
    #[test]
    fn no_groups() {
        let client = Client {
            id: "c",
            user_name: None,
            common_name: None,
            peer: None,
        };
        let text = Template::of_names("$1/%c").fill(client, |_| None);
        assert_eq!(text.as_deref(), Some("$1/c"));
    }

    /// A name is a name, or the template fits nothing.
    #[test]
    fn compared_without_being_filled() {
        let table = [
            ("dev-${clientid}", "c1", "dev-c1", Fit::Same),
            ("dev-${clientid}", "c1", "dev-c2", Fit::Other),
            ("dev-${clientid}-x", "c1", "dev-c1", Fit::Other),
            ("${clientid}", "#", "#", Fit::Unsafe),
            ("${clientid}", "+", "a", Fit::Unsafe),
            ("x${clientid}", "a/b", "xa/b", Fit::Unsafe),
            ("x${clientid}", "$SYS", "x$SYS", Fit::Same),
            ("${clientid}", "%u", "%u", Fit::Same),
            ("${clientid}", "${clientid}", "${clientid}", Fit::Same),
            ("${username}", "c1", "", Fit::Missing),
            ("a${username}", "c1", "b", Fit::Other),
            ("dev-${clientid}", "#", "site", Fit::Other),
            ("", "c1", "", Fit::Same),
        ];
        for (template, id, text, due) in table {
            let client = Client {
                id,
                user_name: None,
                common_name: None,
                peer: None,
            };
            let fit = Template::of_names(template).fit(text, client);
            assert_eq!(fit, due, "{template} for {id}: {text}");
        }
    }
}
