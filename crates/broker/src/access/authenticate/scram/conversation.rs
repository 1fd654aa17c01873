//! SCRAM from the server's side (RFC 5802, RFC 7677): the client's first message, what it is asked then, its
//! proof, and ours. Without channel binding, which MQTT gives no place.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use engine::Cause;

use super::keys::{Keys, prepared};

/// Bytes of a name: longer ones would have to be kept for every client that is asked and does not answer.
pub(crate) const NAME_BYTES_MAX: usize = 1024;
/// Letters of a nonce that a client may choose.
const NONCE_BYTES_MAX: usize = 512;
/// Bytes of a first message, whose name may be three times as long as it is.
const FIRST_BYTES_MAX: usize = 4096;
/// Bytes of what we add to it.
pub(super) const NONCE_BYTES: usize = 18;

/// What the client's first message says.
pub(super) struct First<'a> {
    /// What stands before the message itself, as it was sent.
    header: &'a str,
    bare: &'a str,
    pub(super) name: String,
    nonce: &'a str,
}

/// An exchange under way. It is for one answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Conversation {
    pub(super) name: Box<str>,
    keys: Keys,
    /// Nothing for a user who does not exist.
    superuser: Option<bool>,
    header: Box<str>,
    nonce: Box<str>,
    /// Both first messages, which are signed with the last one.
    begun: Box<str>,
}

/// Who has proven to know the password, and our proof.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) name: Box<str>,
    pub(super) superuser: bool,
    pub(super) proof: Box<[u8]>,
}

impl<'a> First<'a> {
    /// # Errors
    /// If it is no first message, or wants what is not offered.
    pub(super) fn read(data: &'a [u8]) -> Result<Self, Cause> {
        let bad = |what| Cause::AuthenticationData(what);
        if data.len() > FIRST_BYTES_MAX {
            return Err(bad("a first message that is too long"));
        }
        let text = std::str::from_utf8(data).map_err(|_| bad("no text"))?;
        let mut parts = text.splitn(3, ',');
        let (Some(flag), Some(other), Some(bare)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("no first message of SCRAM"));
        };
        match flag {
            "n" | "y" => {}
            _ if flag.starts_with("p=") => return Err(bad("channel binding is not offered")),
            _ => return Err(bad("no first message of SCRAM")),
        }
        if !other.is_empty() {
            return Err(bad("nobody may come in for another (authzid)"));
        }
        let mut fields = bare.split(',');
        let name = fields.next().and_then(|field| field.strip_prefix("n="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let (Some(name), Some(nonce)) = (name, nonce) else {
            return Err(bad("no name and nonce, or an extension that is not known"));
        };
        let is_nonce = |b: u8| b.is_ascii_graphic();
        if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX || !nonce.bytes().all(is_nonce) {
            return Err(bad("no nonce"));
        }
        Ok(Self {
            header: &text[..text.len() - bare.len()],
            bare,
            name: unescaped(name).ok_or_else(|| bad("no name"))?,
            nonce,
        })
    }

    /// The conversation with a user, and what the client is asked.
    pub(super) fn ask(
        self,
        keys: Keys,
        superuser: Option<bool>,
        nonce: &[u8; NONCE_BYTES],
    ) -> (Conversation, String) {
        let nonce = format!("{}{}", self.nonce, BASE64.encode(nonce));
        let salt = BASE64.encode(&keys.salt);
        let asked = format!("r={nonce},s={salt},i={}", keys.rounds);
        let conversation = Conversation {
            name: self.name.into(),
            keys,
            superuser,
            header: self.header.into(),
            nonce: nonce.into(),
            begun: format!("{},{asked}", self.bare).into(),
        };
        (conversation, asked)
    }
}

impl Conversation {
    /// What the client's answer proves.
    ///
    /// # Errors
    /// If it proves nothing. The client is told the same of a wrong password and of a user who does not
    /// exist.
    pub(super) fn end(self, data: &[u8]) -> Result<Proven, Cause> {
        let bad = |what| Cause::AuthenticationData(what);
        let text = std::str::from_utf8(data).map_err(|_| bad("no text"))?;
        let (bare, proof) = text.rsplit_once(",p=").ok_or_else(|| bad("no proof"))?;
        let mut fields = bare.split(',');
        let header = fields.next().and_then(|field| field.strip_prefix("c="));
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let due = BASE64.encode(self.header.as_bytes());
        if header != Some(&*due) || nonce != Some(&*self.nonce) {
            return Err(bad("an answer to something else"));
        }
        let proof = BASE64.decode(proof).map_err(|_| bad("no proof"))?;
        let message = format!("{},{bare}", self.begun);
        let is_proven = self.keys.is_proven(message.as_bytes(), &proof);
        match self.superuser {
            None => Err(Cause::UnknownUser),
            Some(_) if !is_proven => Err(Cause::WrongPassword),
            Some(superuser) => {
                let signature = self.keys.signature(message.as_bytes());
                let proof = format!("v={}", BASE64.encode(signature));
                Ok(Proven {
                    name: self.name,
                    superuser,
                    proof: proof.into_bytes().into(),
                })
            }
        }
    }
}

/// A name in which `,` is `=2C` and `=` is `=3D`, prepared; `None` if it is none.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (letter, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        name.push(letter);
        name.push_str(rest);
    }
    let name = prepared(&name).into_owned();
    (!name.is_empty() && !name.contains('\0')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{super::super::hash::Digest, *};

    fn keys(salt: &str, digest: Digest) -> Keys {
        Keys::with_salt(digest, 4096, &BASE64.decode(salt).unwrap(), b"pencil")
    }

    /// The exchange of RFC 7677 3: the second half of its nonce is the server's.
    #[test]
    fn as_in_the_standard() {
        let first = First::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!((&*first.name, first.header), ("user", "n,,"));
        let keys = keys("W22ZaJ0SNY7soEsUEjb6gQ==", Digest::Sha256);
        let (mut conversation, asked) = first.ask(keys, Some(true), &[0; NONCE_BYTES]);
        assert!(asked.starts_with("r=rOprNGfwEbeRWgbNEkqO") && asked.ends_with(",i=4096"));
        let theirs = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        conversation.begun = conversation
            .begun
            .replace(&*conversation.nonce, theirs)
            .into();
        conversation.nonce = theirs.into();
        let last = format!("c=biws,r={theirs},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let proven = conversation.clone().end(last.as_bytes()).unwrap();
        assert_eq!(
            *proven.proof,
            *b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        assert!(proven.superuser && &*proven.name == "user");
        for (answer, due) in [
            (last.replace("p=dH", "p=AA"), Cause::WrongPassword),
            (last.replace("c=biws", "c=eSws"), other()),
            (last.replace("%hv", "%hw"), other()),
            (last.replace("r=", "m=x,r="), other()),
            (
                last.replace(",p=", ",q="),
                Cause::AuthenticationData("no proof"),
            ),
        ] {
            let failed = conversation.clone().end(answer.as_bytes());
            assert_eq!(failed.unwrap_err(), due, "{answer}");
        }
        let unknown = Conversation {
            superuser: None,
            ..conversation
        };
        assert_eq!(
            unknown.end(last.as_bytes()).unwrap_err(),
            Cause::UnknownUser
        );
    }

    fn other() -> Cause {
        Cause::AuthenticationData("an answer to something else")
    }

    #[test]
    fn first_messages() {
        let name = |text: &str| First::read(text.as_bytes()).map(|first| first.name).ok();
        for (text, due) in [
            ("n,,n=a,r=x", Some("a")),
            ("y,,n=a=2Cb=3Dc,r=x,ext=1", Some("a,b=c")),
            ("n,,n=中,r=x", Some("中")),
            ("n,,n=\u{2168},r=x", Some("IX")),
            ("n,,n=\u{ad},r=x", None),
            ("n,,n=a=2c,r=x", None),
            ("n,,n=,r=x", None),
            ("n,,n=a,r=", None),
            ("n,,n=a,r=x y", None),
            ("n,,m=z,n=a,r=x", None),
            ("n,a=b,n=a,r=x", None),
            ("p=tls-unique,,n=a,r=x", None),
            ("n=a,r=x", None),
            ("", None),
        ] {
            assert_eq!(name(text).as_deref(), due, "{text}");
        }
        assert!(First::read(b"n,,n=\xff,r=x").is_err());
        let (long, longer) = ("=3D".repeat(NAME_BYTES_MAX), "x".repeat(FIRST_BYTES_MAX));
        assert_eq!(
            name(&format!("n,,n={long},r=x")).unwrap().len(),
            NAME_BYTES_MAX
        );
        assert_eq!(name(&format!("n,,n=a,r=x,e={longer}")), None);
    }
}
