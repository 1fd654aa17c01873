//! Texts with places for what is known of a client. What stands there is always a literal: whoever fills a
//! place says how it is written down where the text goes.

use std::{borrow::Cow, net::IpAddr};

/// What a place stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    ClientId,
    UserName,
    Password,
    Address,
    CommonName,
    Subject,
    Topic,
    Action,
    Qos,
    Retain,
}

/// What a text is about, which says what there are places for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    /// Somebody who wants to come in.
    Guest,
    /// What a client wants to do.
    Deed,
}

const PLACES: [(&str, Place); 10] = [
    ("clientid", Place::ClientId),
    ("username", Place::UserName),
    ("password", Place::Password),
    ("peerhost", Place::Address),
    ("cert_common_name", Place::CommonName),
    ("cert_subject", Place::Subject),
    ("topic", Place::Topic),
    ("action", Place::Action),
    ("qos", Place::Qos),
    ("retain", Place::Retain),
];

impl Place {
    fn is_in(self, scope: Scope) -> bool {
        match self {
            Self::ClientId | Self::UserName | Self::Address | Self::CommonName => true,
            Self::Password | Self::Subject => scope == Scope::Guest,
            Self::Topic | Self::Action | Self::Qos | Self::Retain => scope == Scope::Deed,
        }
    }
}

/// What is known of a client.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) user_name: Option<&'a str>,
    pub(crate) password: Option<&'a [u8]>,
    pub(crate) address: IpAddr,
    pub(crate) common_name: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) deed: Option<Deed<'a>>,
}

/// What a client wants to do.
#[derive(Clone, Copy)]
pub(crate) struct Deed<'a> {
    /// To publish, or else to subscribe.
    pub(crate) publishes: bool,
    pub(crate) topic: &'a str,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
}

impl<'a> Facts<'a> {
    /// What stands in a place: nothing where the client does not say it; `None` if it is no text.
    pub(crate) fn of(&self, place: Place) -> Option<Cow<'a, str>> {
        let text = |text: Option<&'a str>| Some(Cow::Borrowed(text.unwrap_or_default()));
        match place {
            Place::ClientId => Some(Cow::Borrowed(self.client_id)),
            Place::UserName => text(self.user_name),
            Place::Password => {
                let bytes = self.password.unwrap_or_default();
                std::str::from_utf8(bytes).ok().map(Cow::Borrowed)
            }
            Place::Address => Some(Cow::Owned(self.address.to_canonical().to_string())),
            Place::CommonName => text(self.common_name),
            Place::Subject => text(self.subject),
            Place::Topic => text(self.deed.map(|deed| deed.topic)),
            Place::Action => text(self.deed.map(|deed| match deed.publishes {
                true => "publish",
                false => "subscribe",
            })),
            Place::Qos => Some(Cow::Owned(self.deed?.qos.to_string())),
            Place::Retain => Some(Cow::Owned(self.deed?.retain.to_string())),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(Box<str>),
    Place(Place),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Template(Vec<Piece>);

/// A part of a template, as it is taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part<'a> {
    Text(&'a str),
    Place(Place),
}

impl Template {
    /// Whether something has a place in it.
    pub(super) fn has(&self, place: Place) -> bool {
        self.0.contains(&Piece::Place(place))
    }

    /// One place and nothing else.
    pub(super) fn of(place: Place) -> Self {
        Self(vec![Piece::Place(place)])
    }

    /// No two texts stand beside each other.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.0.iter().map(|piece| match piece {
            Piece::Text(text) => Part::Text(text),
            Piece::Place(place) => Part::Place(*place),
        })
    }

    /// # Errors
    /// If there is a place of no known name in it.
    pub(crate) fn parse(text: &str, scope: Scope) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            let (name, behind) = from[2..]
                .split_once('}')
                .ok_or_else(|| format!("{text}: a place that does not end"))?;
            let mut here = PLACES.iter().filter(|(_, place)| place.is_in(scope));
            let known = here.clone().find(|(known, _)| *known == name);
            let (_, place) = known.ok_or_else(|| {
                let names: Vec<&str> = here.by_ref().map(|(name, _)| *name).collect();
                format!(
                    "${{{name}}} is not known here; there are {}",
                    names.join(", ")
                )
            })?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.into()));
            }
            pieces.push(Piece::Place(*place));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        Ok(Self(pieces))
    }

    /// The text for a client; `None` if what it says is no text.
    pub(crate) fn fill(
        &self,
        facts: &Facts<'_>,
        written: impl Fn(&str, &mut String),
    ) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Place(place) => written(&facts.of(*place)?, &mut filled),
            }
        }
        Some(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'_> = Facts {
        client_id: "${password}",
        user_name: None,
        password: Some(b"s"),
        address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        common_name: None,
        subject: Some("CN=x"),
        deed: None,
    };

    /// What a client says is not looked at for places.
    #[test]
    fn places_are_filled_once() {
        let plain = |value: &str, out: &mut String| out.push_str(value);
        let table = [
            ("", ""),
            ("a$b{c}", "a$b{c}"),
            ("${clientid}", "${password}"),
            ("<${username}|${password}|${peerhost}>", "<|s|127.0.0.1>"),
            ("${cert_common_name}${cert_subject}", "CN=x"),
        ];
        for (text, due) in table {
            let template = Template::parse(text, Scope::Guest).unwrap();
            assert_eq!(template.fill(&FACTS, plain).as_deref(), Some(due));
        }
        for bad in ["${host}", "${topic}", "a${", "${clientid", "${}"] {
            assert!(Template::parse(bad, Scope::Guest).is_err(), "{bad}");
        }
        let odd = Facts {
            password: Some(b"\xff"),
            ..FACTS
        };
        assert_eq!(
            Template::parse("${password}", Scope::Guest)
                .unwrap()
                .fill(&odd, plain),
            None
        );
    }
}
