//! Requests made for a client: URL and body with places in them. What a client says of itself is written
//! so that it stays one value, whatever is in it.

use hyper::{Method, body::Bytes};
use serde_json::Value;

use super::{Facts, Place, Scope, Template, http::Ask};

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Writing {
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
}

/// A request, but for whom it is about.
pub(crate) struct Form {
    /// Without a body: its fields are behind the query's then.
    writing: Option<Writing>,
    path: Template,
    query: Option<Template>,
    body: Tree,
}

enum Tree {
    Text(Template),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
    /// A number, a flag, nothing.
    Other(Value),
}

impl Form {
    /// `writing` is of POST; without it, it is GET.
    ///
    /// # Errors
    /// If there is a place of no known name, or a field of a form that is no text.
    pub(crate) fn parse(
        target: &str,
        body: &Value,
        writing: Option<Writing>,
        scope: Scope,
    ) -> Result<Self, String> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(Template::parse(query, scope)?)),
            None => (target, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        let form = Self {
            writing,
            path: Template::parse(path, scope)?,
            query,
            body: Tree::parse(body, scope)?,
        };
        if writing != Some(Writing::Json) && form.body.fields().is_none() {
            return Err("body: without JSON its fields are texts, numbers and flags".to_owned());
        }
        Ok(form)
    }

    /// Whether it tells this of a client.
    pub(crate) fn tells(&self, place: Place) -> bool {
        let query = self.query.as_ref();
        self.path.has(place) || query.is_some_and(|query| query.has(place)) || self.body.has(place)
    }

    /// The request about a client; `None` if what it says is no text, or would be another path.
    pub(crate) fn about(&self, facts: &Facts<'_>) -> Option<Ask> {
        let mut target = self.path.fill(facts, encode)?;
        // A server would go up with these (RFC 3986 5.2.4), wherever they come from.
        if target.split('/').any(|level| level == "." || level == "..") {
            return None;
        }
        let mut joint = '?';
        if let Some(query) = &self.query {
            target.push(joint);
            target.push_str(&query.fill(facts, encode)?);
            joint = '&';
        }
        let body = match self.writing {
            Some(Writing::Json) => self.body.fill(facts)?.to_string(),
            Some(Writing::Form) => self.body.encoded(facts)?,
            None => {
                let fields = self.body.encoded(facts)?;
                if !fields.is_empty() {
                    target.push(joint);
                    target.push_str(&fields);
                }
                String::new()
            }
        };
        let is_post = self.writing.is_some();
        Some(Ask {
            method: if is_post { Method::POST } else { Method::GET },
            target,
            body: Bytes::from(body),
        })
    }
}

impl Tree {
    fn parse(value: &Value, scope: Scope) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(text, scope)?),
            Value::Array(list) => Self::List(
                list.iter()
                    .map(|one| Self::parse(one, scope))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(map) => {
                let fields = map.iter();
                let fields =
                    fields.map(|(key, value)| Ok((key.clone(), Self::parse(value, scope)?)));
                Self::Map(fields.collect::<Result<_, String>>()?)
            }
            other => Self::Other(other.clone()),
        })
    }

    fn has(&self, place: Place) -> bool {
        match self {
            Self::Text(template) => template.has(place),
            Self::List(list) => list.iter().any(|one| one.has(place)),
            Self::Map(fields) => fields.iter().any(|(_, one)| one.has(place)),
            Self::Other(_) => false,
        }
    }

    fn fill(&self, facts: &Facts<'_>) -> Option<Value> {
        Some(match self {
            Self::Text(template) => {
                Value::String(template.fill(facts, |value, out| out.push_str(value))?)
            }
            Self::List(list) => Value::Array(
                list.iter()
                    .map(|one| one.fill(facts))
                    .collect::<Option<_>>()?,
            ),
            Self::Map(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(key, one)| Some((key.clone(), one.fill(facts)?)));
                Value::Object(fields.collect::<Option<_>>()?)
            }
            Self::Other(value) => value.clone(),
        })
    }

    /// The fields of a form, if it can be one.
    fn fields(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Map(fields) => {
                let is_flat =
                    |(_, one): &(String, Self)| matches!(one, Self::Text(_) | Self::Other(_));
                fields.iter().all(is_flat).then_some(fields)
            }
            _ => None,
        }
    }

    /// As a form writes it.
    fn encoded(&self, facts: &Facts<'_>) -> Option<String> {
        let mut text = String::new();
        for (key, one) in self.fields()? {
            if !text.is_empty() {
                text.push('&');
            }
            encode(key, &mut text);
            text.push('=');
            match one.fill(facts)? {
                Value::String(value) => encode(&value, &mut text),
                Value::Null => {}
                other => encode(&other.to_string(), &mut text),
            }
        }
        Some(text)
    }
}

/// What is not sure to mean only itself in a URL becomes `%` and its bytes (RFC 3986 2.3).
fn encode(value: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::json;

    use super::*;

    fn facts(client_id: &'static str) -> Facts<'static> {
        Facts {
            client_id,
            user_name: Some("a&b=c"),
            password: Some("\"p\" 中".as_bytes()),
            address: Ipv4Addr::LOCALHOST.into(),
            common_name: None,
            subject: None,
            deed: None,
        }
    }

    /// A10: what a client calls itself stays one value in paths, queries, forms and JSON.
    #[test]
    fn values_stay_values() {
        let body = json!({"u": "${username}", "p": "x${password}", "n": 7});
        let made = |writing| {
            let form =
                Form::parse("/c/${clientid}?q=${username}", &body, writing, Scope::Guest).unwrap();
            form.about(&facts("../a?b#c%/")).unwrap()
        };
        let target = "/c/..%2Fa%3Fb%23c%25%2F?q=a%26b%3Dc";
        let json = made(Some(Writing::Json));
        assert_eq!((&json.method, &*json.target), (&Method::POST, target));
        let value: Value = serde_json::from_slice(&json.body).unwrap();
        assert_eq!(value, json!({"u": "a&b=c", "p": "x\"p\" 中", "n": 7}));
        let fields = "n=7&p=x%22p%22%20%E4%B8%AD&u=a%26b%3Dc";
        let form = made(Some(Writing::Form));
        assert_eq!((&*form.target, &form.body[..]), (target, fields.as_bytes()));
        let get = made(None);
        assert_eq!(get.method, Method::GET);
        assert_eq!(get.target, format!("{target}&{fields}"));
        assert!(get.body.is_empty());
        let plain = Form::parse("", &json!({}), None, Scope::Guest).unwrap();
        assert_eq!(plain.about(&facts("c")).unwrap().target, "/");
    }

    /// A client id is no way up.
    #[test]
    fn no_way_up() {
        let form = |target: &str| Form::parse(target, &json!({}), None, Scope::Guest).unwrap();
        for id in [".", ".."] {
            assert!(form("/users/${clientid}").about(&facts(id)).is_none());
            assert!(form("/users/${clientid}/x").about(&facts(id)).is_none());
            assert!(form("/users/x-${clientid}").about(&facts(id)).is_some());
            assert!(form("/users?id=${clientid}").about(&facts(id)).is_some());
        }
        assert!(form("/${clientid}${clientid}").about(&facts(".")).is_none());
    }

    #[test]
    fn what_cannot_be_written() {
        let nested = json!({"a": {"b": "c"}});
        assert!(Form::parse("/", &nested, Some(Writing::Json), Scope::Guest).is_ok());
        assert!(Form::parse("/", &nested, Some(Writing::Form), Scope::Guest).is_err());
        assert!(Form::parse("/", &json!("text"), None, Scope::Guest).is_err());
        assert!(Form::parse("/${host}", &json!({}), None, Scope::Guest).is_err());
        assert!(
            Form::parse(
                "/",
                &json!({"a": ["${x}"]}),
                Some(Writing::Json),
                Scope::Guest
            )
            .is_err()
        );
    }
}
