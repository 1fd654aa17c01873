//! Where in a directory is searched: a distinguished name (RFC 4514) with places. What a client says is one
//! value in it, of which no byte can mean anything else.

use super::{
    super::{
        Facts, Scope, Template,
        template::{Part, Place},
    },
    Asked, attribute_name, said, value_place,
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Base(Template);

impl Base {
    /// # Errors
    /// If there is nothing, or a place that cannot stand there.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("base_dn: there is none".to_owned());
        }
        let named = |error: String| format!("base_dn: {error}");
        let template = Template::parse(text, Scope::Guest).map_err(named)?;
        let base = Self(template);
        for place in base.places() {
            value_place(place).map_err(named)?;
        }
        Ok(base)
    }

    pub(super) fn places(&self) -> Vec<Place> {
        let places = self.0.parts().filter_map(|part| match part {
            Part::Place(place) => Some(place),
            Part::Text(_) => None,
        });
        places.collect()
    }

    /// The attributes that a place is the whole value of.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let parts: Vec<Part<'_>> = self.0.parts().collect();
        let mut asked = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|before| parts.get(before));
            let (Part::Place(place), Some(Part::Text(before))) = (part, before) else {
                continue;
            };
            let ends = match parts.get(at + 1) {
                None => true,
                Some(Part::Text(text)) => text.trim_start().starts_with([',', '+', ';']),
                Some(Part::Place(_)) => false,
            };
            let component = before.rsplit([',', '+', ';']).next().unwrap_or_default();
            let attribute = component.trim().strip_suffix('=').map(attribute_name);
            if let (true, Some(Ok(attribute))) = (ends, attribute) {
                asked.push(Asked {
                    attribute,
                    place: *place,
                });
            }
        }
        asked
    }

    /// `None` for a client that says nothing of what has a place in it.
    pub(super) fn fill(&self, facts: &Facts<'_>) -> Option<String> {
        for place in self.places() {
            said(facts, place)?;
        }
        self.0.fill(facts, escape)
    }
}

/// As two digits, whatever is not plainly itself: more than RFC 4514 asks for, and nothing to think about.
fn escape(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("\\{byte:02x}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::facts, *};

    /// Nobody gets out of a value, or is somebody else by what stands around a name.
    #[test]
    fn values_stay_values() {
        let base = Base::parse("uid=${username},ou=devices,dc=x").unwrap();
        for (name, due) in [
            ("anna", "anna"),
            ("a.b-c_d@e", "a.b-c_d@e"),
            ("x,ou=admins", "x\\2cou\\3dadmins"),
            ("x+cn=y", "x\\2bcn\\3dy"),
            ("#04", "\\2304"),
            (" x ", "\\20x\\20"),
            ("\\", "\\5c"),
            ("\"<>;\0", "\\22\\3c\\3e\\3b\\00"),
            ("中", "\\e4\\b8\\ad"),
            ("${clientid}", "\\24\\7bclientid\\7d"),
        ] {
            let filled = base.fill(&facts("c", name)).unwrap();
            assert_eq!(filled, format!("uid={due},ou=devices,dc=x"), "{name:?}");
        }
        assert_eq!(base.fill(&facts("c", "")), None);
    }

    #[test]
    fn what_is_asked_by() {
        let asked = |text: &str| {
            let all = Base::parse(text).unwrap().asked().into_iter();
            all.map(|one| (one.attribute, one.place))
                .collect::<Vec<_>>()
        };
        let uid = |place| ("uid".to_owned(), place);
        assert_eq!(asked("uid=${username},dc=x"), [uid(Place::UserName)]);
        assert_eq!(
            asked("ou=a, uid = ${clientid} ,dc=x"),
            [uid(Place::ClientId)]
        );
        assert_eq!(
            asked("uid=${username}+cn=${clientid}"),
            [uid(Place::UserName), ("cn".to_owned(), Place::ClientId)]
        );
        assert_eq!(asked("uid=x-${username},dc=x"), []);
        assert_eq!(asked("uid=${username}-x,dc=x"), []);
        for bad in ["", " ", "uid=${password},dc=x", "uid=${odd}", "uid=${"] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
    }
}
