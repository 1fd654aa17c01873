//! Filters of a search (RFC 4515) with places. A filter is taken apart before anything is filled in, so what a
//! client says is bytes of one value, and neither `*` nor `)` means anything in it.

use super::{
    super::{
        Facts, Scope, Template,
        template::{Part, Place},
    },
    Asked, attribute_name,
    ber::value,
    said, value_place,
};
use crate::asn1::{OCTETS, SEQUENCE};

/// Filters within filters.
const DEPTH_MAX: usize = 16;

const AND: u8 = 0xa0;
const OR: u8 = 0xa1;
const NOT: u8 = 0xa2;
const EQUALITY: u8 = 0xa3;
const SUBSTRINGS: u8 = 0xa4;
const AT_LEAST: u8 = 0xa5;
const AT_MOST: u8 = 0xa6;
const PRESENT: u8 = 0x87;
const ALIKE: u8 = 0xa8;
const EXTENSIBLE: u8 = 0xa9;
/// Where a piece of a substring stands.
const FIRST: u8 = 0x80;
const ANYWHERE: u8 = 0x81;
const LAST: u8 = 0x82;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Filter {
    /// All, or one of them.
    List(u8, Vec<Self>),
    Not(Box<Self>),
    /// An attribute beside a value, in a way that the tag says.
    Compare(u8, String, Literal),
    Present(String),
    Substrings(String, Vec<(u8, Literal)>),
    Extensible {
        rule: String,
        attribute: String,
        in_name: bool,
        literal: Literal,
    },
}

/// A value with places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Literal(Vec<Piece>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Place(Place),
}

impl Literal {
    fn parse(text: &str) -> Result<Self, String> {
        let template = Template::parse(text, Scope::Guest)?;
        let pieces = template.parts().map(|part| match part {
            Part::Text(text) => unescaped(text).map(Piece::Bytes),
            Part::Place(place) => value_place(place).map(|()| Piece::Place(place)),
        });
        Ok(Self(pieces.collect::<Result<_, _>>()?))
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Place(place) => Some(*place),
            Piece::Bytes(_) => None,
        })
    }

    fn fill(&self, facts: &Facts<'_>) -> Option<Vec<u8>> {
        let mut filled = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Bytes(bytes) => filled.extend(bytes),
                Piece::Place(place) => filled.extend(said(facts, *place)?.as_bytes()),
            }
        }
        Some(filled)
    }
}

/// `\2a` is the byte itself.
fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part
            .get(..2)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(|| format!("\\ in {text} is not followed by two digits"))?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    Ok(bytes)
}

impl Filter {
    /// # Errors
    /// If it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        let filter = one(&mut rest, 0).map_err(|error| format!("filter: {error}"))?;
        match rest.trim() {
            "" => Ok(filter),
            rest => Err(format!("filter: {rest} is behind its end")),
        }
    }

    /// The attributes that a place is the whole value of.
    pub(super) fn asked(&self) -> Vec<Asked> {
        match self {
            Self::List(_, filters) => filters.iter().flat_map(Self::asked).collect(),
            Self::Compare(EQUALITY, attribute, literal) => match literal.0[..] {
                [Piece::Place(place)] => vec![Asked {
                    attribute: attribute.clone(),
                    place,
                }],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    pub(super) fn places(&self) -> Vec<Place> {
        match self {
            Self::List(_, filters) => filters.iter().flat_map(Self::places).collect(),
            Self::Not(filter) => filter.places(),
            Self::Compare(_, _, literal) | Self::Extensible { literal, .. } => {
                literal.places().collect()
            }
            Self::Present(_) => Vec::new(),
            Self::Substrings(_, pieces) => pieces
                .iter()
                .flat_map(|(_, literal)| literal.places())
                .collect(),
        }
    }

    /// As it is sent; `None` for a client that says nothing of what has a place in it.
    pub(super) fn fill(&self, facts: &Facts<'_>) -> Option<Vec<u8>> {
        Some(match self {
            Self::List(tag, filters) => {
                let each = filters.iter().map(|filter| filter.fill(facts));
                value(*tag, &each.collect::<Option<Vec<_>>>()?.concat())
            }
            Self::Not(filter) => value(NOT, &filter.fill(facts)?),
            Self::Compare(tag, attribute, literal) => {
                let due = value(OCTETS, &literal.fill(facts)?);
                value(*tag, &[value(OCTETS, attribute.as_bytes()), due].concat())
            }
            Self::Present(attribute) => value(PRESENT, attribute.as_bytes()),
            Self::Substrings(attribute, pieces) => {
                let each = pieces
                    .iter()
                    .map(|(tag, literal)| Some(value(*tag, &literal.fill(facts)?)));
                let pieces = each.collect::<Option<Vec<_>>>()?.concat();
                let parts = [
                    value(OCTETS, attribute.as_bytes()),
                    value(SEQUENCE, &pieces),
                ];
                value(SUBSTRINGS, &parts.concat())
            }
            Self::Extensible {
                rule,
                attribute,
                in_name,
                literal,
            } => {
                let mut parts = Vec::new();
                for (tag, text) in [(0x81, rule), (0x82, attribute)] {
                    if !text.is_empty() {
                        parts.extend(value(tag, text.as_bytes()));
                    }
                }
                parts.extend(value(0x83, &literal.fill(facts)?));
                if *in_name {
                    parts.extend(value(0x84, &[0xff]));
                }
                value(EXTENSIBLE, &parts)
            }
        })
    }
}

/// The filter in front, which is taken off.
fn one(rest: &mut &str, depth: usize) -> Result<Filter, String> {
    if depth > DEPTH_MAX {
        return Err("filters are nested too deeply".to_owned());
    }
    let open = || format!("it is not in parentheses: {}", rest.trim());
    let inner = rest.trim_start().strip_prefix('(').ok_or_else(open)?;
    *rest = inner.trim_start();
    let kind = rest.chars().next();
    let filter = match kind {
        Some('&' | '|') => {
            *rest = rest[1..].trim_start();
            let mut filters = Vec::new();
            while rest.starts_with('(') {
                filters.push(one(rest, depth + 1)?);
                *rest = rest.trim_start();
            }
            if filters.is_empty() {
                return Err("there is nothing behind & or |".to_owned());
            }
            Filter::List(if kind == Some('&') { AND } else { OR }, filters)
        }
        Some('!') => {
            *rest = &rest[1..];
            let filter = one(rest, depth + 1)?;
            *rest = rest.trim_start();
            Filter::Not(Box::new(filter))
        }
        _ => {
            let end = rest.find(['(', ')']).unwrap_or(rest.len());
            let (text, behind) = rest.split_at(end);
            *rest = behind;
            item(text)?
        }
    };
    let closed = rest.strip_prefix(')');
    *rest = closed.ok_or_else(|| "a parenthesis is not closed".to_owned())?;
    Ok(filter)
}

/// What stands in parentheses alone.
fn item(text: &str) -> Result<Filter, String> {
    let odd = || format!("{text} compares nothing");
    let (left, right) = text.split_once('=').ok_or_else(odd)?;
    if let Some(left) = left.strip_suffix(':') {
        return extensible(left, right);
    }
    let ways = [('~', ALIKE), ('>', AT_LEAST), ('<', AT_MOST)];
    let way = ways.iter().find(|(sign, _)| left.ends_with(*sign));
    if let Some((sign, tag)) = way {
        let attribute = attribute_name(left.trim_end_matches(*sign))?;
        return Ok(Filter::Compare(*tag, attribute, plain(right)?));
    }
    let attribute = attribute_name(left)?;
    if right == "*" {
        return Ok(Filter::Present(attribute));
    }
    let pieces: Vec<&str> = right.split('*').collect();
    let [first, middle @ .., last] = &pieces[..] else {
        return Ok(Filter::Compare(EQUALITY, attribute, Literal::parse(right)?));
    };
    let tagged = [(FIRST, first)].into_iter();
    let tagged = tagged.chain(middle.iter().map(|piece| (ANYWHERE, piece)));
    let mut made = Vec::new();
    for (tag, piece) in tagged.chain([(LAST, last)]) {
        if !piece.is_empty() {
            made.push((tag, Literal::parse(piece)?));
        }
    }
    if made.is_empty() {
        return Err(odd());
    }
    Ok(Filter::Substrings(attribute, made))
}

/// A value in which `*` would mean nothing.
fn plain(text: &str) -> Result<Literal, String> {
    if text.contains('*') {
        return Err(format!("* in {text} is written \\2a"));
    }
    Literal::parse(text)
}

/// `attribute:dn:rule`, of which all but one may be left out.
fn extensible(left: &str, right: &str) -> Result<Filter, String> {
    let mut parts = left.split(':');
    let attribute = parts.next().unwrap_or_default().trim();
    let mut rest: Vec<&str> = parts.collect();
    let in_name = rest.first().is_some_and(|p| p.eq_ignore_ascii_case("dn"));
    if in_name {
        rest.remove(0);
    }
    let rule = match rest[..] {
        [] => String::new(),
        [rule] => attribute_name(rule)?,
        _ => return Err(format!("{left} has too many colons")),
    };
    let attribute = match attribute {
        "" if !rule.is_empty() => String::new(),
        attribute => attribute_name(attribute)?,
    };
    Ok(Filter::Extensible {
        rule,
        attribute,
        in_name,
        literal: plain(right)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::facts, *};

    fn filled(text: &str, user: &str) -> Vec<u8> {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        filter.fill(&facts("c", user)).unwrap()
    }

    /// What is sent, byte by byte.
    #[test]
    fn filters() {
        let pair = |tag: u8, attribute: &str, due: &[u8]| {
            let parts = [value(OCTETS, attribute.as_bytes()), value(OCTETS, due)];
            value(tag, &parts.concat())
        };
        let uid = pair(EQUALITY, "uid", b"anna");
        let present = value(PRESENT, b"mail");
        let table = [
            ("(uid=${username})", uid.clone()),
            (" ( uid=${username}) ", uid.clone()),
            (
                "(uid=x-${username}.${clientid})",
                pair(EQUALITY, "uid", b"x-anna.c"),
            ),
            ("(cn=a\\2a\\28\\00 b)", pair(EQUALITY, "cn", b"a*(\0 b")),
            ("(cn=)", pair(EQUALITY, "cn", b"")),
            ("(n>=5)", pair(AT_LEAST, "n", b"5")),
            ("(n<=5)", pair(AT_MOST, "n", b"5")),
            ("(cn~=x)", pair(ALIKE, "cn", b"x")),
            ("(mail=*)", present.clone()),
            (
                "(& (uid=${username}) (mail=*) )",
                value(AND, &[uid.clone(), present.clone()].concat()),
            ),
            (
                "(|(uid=${username})(!(mail=*)))",
                value(OR, &[uid.clone(), value(NOT, &present)].concat()),
            ),
            (
                "(cn=a*${username}**z)",
                value(
                    SUBSTRINGS,
                    &[
                        value(OCTETS, b"cn"),
                        value(
                            SEQUENCE,
                            &[
                                value(FIRST, b"a"),
                                value(ANYWHERE, b"anna"),
                                value(LAST, b"z"),
                            ]
                            .concat(),
                        ),
                    ]
                    .concat(),
                ),
            ),
            (
                "(memberOf:1.2.840.113556.1.4.1941:=cn=g,dc=x)",
                value(
                    EXTENSIBLE,
                    &[
                        value(0x81, b"1.2.840.113556.1.4.1941"),
                        value(0x82, b"memberOf"),
                        value(0x83, b"cn=g,dc=x"),
                    ]
                    .concat(),
                ),
            ),
            (
                "(ou:dn:=x)",
                value(
                    EXTENSIBLE,
                    &[value(0x82, b"ou"), value(0x83, b"x"), value(0x84, &[0xff])].concat(),
                ),
            ),
        ];
        for (text, due) in table {
            assert_eq!(filled(text, "anna"), due, "{text}");
        }
    }

    /// Whatever a client is called, it is the one value of an equality.
    #[test]
    fn names_stay_values() {
        for name in [
            "*",
            "anna)(uid=*",
            "*)(|(uid=*",
            "\\2a",
            "a\0b",
            "${clientid}",
            "anna)(&)",
            "中 ",
        ] {
            let due = [value(OCTETS, b"uid"), value(OCTETS, name.as_bytes())].concat();
            let uid = value(EQUALITY, &due);
            assert_eq!(filled("(uid=${username})", name), uid, "{name}");
            let rest = value(PRESENT, b"mail");
            let both = value(AND, &[uid, rest].concat());
            assert_eq!(filled("(&(uid=${username})(mail=*))", name), both, "{name}");
        }
        let filter = Filter::parse("(uid=${username})").unwrap();
        assert_eq!(filter.fill(&facts("c", "")), None);
    }

    #[test]
    fn what_is_none() {
        let deep = format!("{}(a=b){}", "(!".repeat(40), ")".repeat(40));
        for bad in [
            "",
            "uid=x",
            "()",
            "(uid)",
            "(=x)",
            "(uid=x",
            "(uid=x))",
            "(uid=x)(cn=y)",
            "(&)",
            "(&(uid=x)",
            "(!(a=b)(c=d))",
            "(uid=(x))",
            "(uid=\\)",
            "(uid=\\2)",
            "(uid=\\2中)",
            "(uid=\\+1)",
            "(u id=x)",
            "(${username}=x)",
            "(uid=${password})",
            "(uid=${odd})",
            "(uid=${)",
            "(uid=**)",
            "(n>=*)",
            "(:=x)",
            "(a:b:c:d:=x)",
            &deep,
        ] {
            assert!(Filter::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_asked_by() {
        let filter = Filter::parse("(&(|(uid=${username})(mail=${username}))(cn=x${clientid}))");
        let filter = filter.unwrap();
        let asked: Vec<_> = filter
            .asked()
            .into_iter()
            .map(|one| one.attribute)
            .collect();
        assert_eq!(asked, ["uid", "mail"]);
        let places = [Place::UserName, Place::UserName, Place::ClientId];
        assert_eq!(filter.places(), places);
        assert_eq!(Filter::parse("(&(a=b)(c=*))").unwrap().places(), []);
    }
}
