//! A connection to a directory: three requests (StartTLS, bind, search) and their answers, one at a time.

use tokio::io::AsyncWriteExt as _;

use super::{
    super::{
        Failure,
        dial::{self, Stream, lost, odd, read},
    },
    Ask, Entry, Security, Server,
    ber::{number, value},
};
use crate::asn1::{BOOLEAN, ENUMERATED, Elements, INTEGER, Length, OCTETS, SEQUENCE, SET};

const BIND: u8 = 0x60;
const BOUND: u8 = 0x61;
const SEARCH: u8 = 0x63;
const FOUND: u8 = 0x64;
const SEARCHED: u8 = 0x65;
const ELSEWHERE: u8 = 0x73;
const EXTENDED: u8 = 0x77;
const EXTENDED_ANSWER: u8 = 0x78;
/// Inside of requests and answers.
const SIMPLE: u8 = 0x80;
const OPERATION: u8 = 0x80;
const REFERRAL: u8 = 0xa3;

const VERSION: u32 = 3;
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const WHOLE_SUBTREE: u32 = 2;
const NEVER_DEREFERENCE: u32 = 0;
/// One more than may be found, so that it shows where there are more.
const ENTRIES_MAX: u32 = 2;
/// Messages of one answer.
const PARTS_MAX: usize = 64;
/// Letters of what a server says that are told.
const SAID_MAX: usize = 200;

/// Result codes (RFC 4511, 4.1.9) that mean something here.
pub(super) mod code {
    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const TIME_LIMIT: u32 = 3;
    pub(crate) const SIZE_LIMIT: u32 = 4;
    pub(crate) const REFERRAL: u32 = 10;
    pub(crate) const CONSTRAINT: u32 = 19;
    pub(crate) const NO_SUCH_OBJECT: u32 = 32;
    pub(crate) const INVALID_NAME: u32 = 34;
    pub(crate) const INAPPROPRIATE: u32 = 48;
    pub(crate) const INVALID_CREDENTIALS: u32 = 49;
    pub(crate) const INSUFFICIENT_ACCESS: u32 = 50;
    pub(crate) const BUSY: u32 = 51;
    pub(crate) const UNAVAILABLE: u32 = 52;
    pub(crate) const UNWILLING: u32 = 53;
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    pub(super) code: u32,
    /// In the server's words.
    said: String,
    /// Whom to ask instead.
    elsewhere: Option<String>,
}

impl Outcome {
    fn read(content: &[u8]) -> Option<Self> {
        let mut elements = Elements(content);
        let code = elements.number(ENUMERATED)?;
        let _matched = elements.expect(OCTETS)?;
        let said = told(elements.expect(OCTETS)?);
        let elsewhere = match elements.take() {
            Some((REFERRAL, urls)) => Some(told(Elements(urls).expect(OCTETS)?)),
            _ => None,
        };
        Some(Self {
            code,
            said,
            elsewhere,
        })
    }

    #[cfg(test)]
    pub(super) fn of(code: u32) -> Self {
        Self {
            code,
            said: String::new(),
            elsewhere: None,
        }
    }

    /// For people.
    fn words(&self) -> String {
        let name = match self.code {
            1 => "operationsError",
            2 => "protocolError",
            7 => "authMethodNotSupported",
            8 => "strongerAuthRequired",
            11 => "adminLimitExceeded",
            13 => "confidentialityRequired: it wants TLS",
            code::CONSTRAINT => "constraintViolation",
            code::NO_SUCH_OBJECT => "noSuchObject",
            code::INVALID_NAME => "invalidDNSyntax",
            code::INAPPROPRIATE => "inappropriateAuthentication",
            code::INVALID_CREDENTIALS => "invalidCredentials",
            code::INSUFFICIENT_ACCESS => "insufficientAccessRights",
            code::BUSY => "busy",
            code::UNAVAILABLE => "unavailable",
            code::UNWILLING => "unwillingToPerform",
            _ => "an error",
        };
        match &*self.said {
            "" => format!("{name} ({})", self.code),
            said => format!("{name} ({}): {said}", self.code),
        }
    }

    /// Why there is no answer to what was asked.
    pub(super) fn failure(&self, asked: &str) -> Failure {
        match self.code {
            code::REFERRAL => referred(self.elsewhere.as_deref().unwrap_or_default()),
            code::TIME_LIMIT => Failure::Slow,
            code::BUSY | code::UNAVAILABLE => Failure::Down(self.words()),
            _ => Failure::Odd(format!("{asked}: {}", self.words())),
        }
    }
}

/// Another server is not asked: nobody here has said that it may see passwords.
fn referred(url: &str) -> Failure {
    Failure::Odd(format!(
        "it refers to another server ({url}), which is not asked; let server and base_dn be where the \
         entries are"
    ))
}

/// What a server says, short and without what a terminal would obey.
fn told(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = text.chars().filter(|letter| !letter.is_control());
    plain.take(SAID_MAX).collect()
}

/// What a search has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Entries(Vec<Entry>),
    /// There is no such place, or no name could be so.
    NoPlace(Outcome),
}

/// What one message of an answer to a search says.
enum Part {
    Entry(Entry),
    Elsewhere(String),
    End(Outcome),
}

pub(super) struct Conn {
    stream: Stream,
    /// Of the request before.
    id: u32,
}

impl Conn {
    pub(super) async fn open(server: &Server) -> Result<Self, Failure> {
        let stream = dial::connect(&server.host, server.port, server.connect_timeout).await?;
        match &server.security {
            Security::None => Ok(Self::new(Box::new(stream))),
            Security::Tls(tls) => Ok(Self::new(Box::new(tls.secure(stream).await?))),
            Security::StartTls(tls) => {
                let mut plain = Self::new(Box::new(stream));
                let request = value(EXTENDED, &value(OPERATION, START_TLS));
                let answer = plain.ask(&request).await?;
                let outcome = outcome(&answer, EXTENDED_ANSWER)?;
                if outcome.code != code::SUCCESS {
                    return Err(Failure::Down(format!("StartTLS: {}", outcome.words())));
                }
                // Nothing was read ahead, so what comes now is TLS, or the handshake fails.
                Ok(Self::new(Box::new(tls.secure(plain.stream).await?)))
            }
        }
    }

    fn new(stream: Stream) -> Self {
        Self { stream, id: 0 }
    }

    /// Shows a name and its password. `None` where one of them is empty: to that a server says yes, whoever
    /// comes (RFC 4513, 5.1.2), so it is never asked.
    pub(super) async fn bind(
        &mut self,
        name: &str,
        password: &[u8],
    ) -> Result<Option<Outcome>, Failure> {
        if name.is_empty() || password.is_empty() {
            return Ok(None);
        }
        let parts = [
            number(INTEGER, VERSION),
            value(OCTETS, name.as_bytes()),
            value(SIMPLE, password),
        ];
        let answer = self.ask(&value(BIND, &parts.concat())).await?;
        outcome(&answer, BOUND).map(Some)
    }

    /// What is below a name and fits a filter.
    pub(super) async fn search(
        &mut self,
        ask: &Ask,
        attributes: &[String],
        seconds: u32,
    ) -> Result<Found, Failure> {
        let wanted = attributes.iter().map(|name| value(OCTETS, name.as_bytes()));
        let parts = [
            value(OCTETS, ask.base.as_bytes()),
            number(ENUMERATED, WHOLE_SUBTREE),
            number(ENUMERATED, NEVER_DEREFERENCE),
            number(INTEGER, ENTRIES_MAX),
            number(INTEGER, seconds),
            value(BOOLEAN, &[0]),
            ask.filter.clone(),
            value(SEQUENCE, &wanted.collect::<Vec<_>>().concat()),
        ];
        self.send(&value(SEARCH, &parts.concat())).await?;
        let (mut entries, mut elsewhere) = (Vec::new(), None);
        for _ in 0..PARTS_MAX {
            let message = self.next().await?;
            match part(&message).ok_or_else(|| odd("no answer to a search"))? {
                Part::Entry(entry) => {
                    entries.truncate(1);
                    entries.push(entry);
                }
                Part::Elsewhere(url) => elsewhere = Some(url),
                Part::End(outcome) => {
                    return match (outcome.code, elsewhere) {
                        (_, Some(url)) => Err(referred(&url)),
                        (code::SUCCESS, None) => Ok(Found::Entries(entries)),
                        (code::SIZE_LIMIT, None) => Err(several()),
                        (code::NO_SUCH_OBJECT | code::INVALID_NAME, None) => {
                            Ok(Found::NoPlace(outcome))
                        }
                        _ => Err(outcome.failure("the search")),
                    };
                }
            }
        }
        Err(odd("it has no end"))
    }

    async fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        self.send(request).await?;
        self.next().await
    }

    async fn send(&mut self, request: &[u8]) -> Result<(), Failure> {
        // Zero is the server's, and what is above has no room in a message.
        self.id = self.id % 0x7fff_ffff + 1;
        let message = [&number(INTEGER, self.id), request].concat();
        let written = self.stream.write_all(&value(SEQUENCE, &message)).await;
        written.map_err(|error| lost(&error))
    }

    /// What the next message has for the request under way: a value with its tag.
    async fn next(&mut self) -> Result<Vec<u8>, Failure> {
        let head = read(&mut self.stream, 2).await?;
        if head[0] != SEQUENCE {
            return Err(odd("no LDAP"));
        }
        let length = match Length::of(head[1]) {
            Some(Length::Is(length)) => Some(length),
            Some(Length::Follows(count)) => Length::long(&read(&mut self.stream, count).await?),
            None => None,
        };
        let length = length.ok_or_else(|| odd("a message of no length"))?;
        let message = read(&mut self.stream, length).await?;
        let (id, answer) = opened(&message).ok_or_else(|| odd("no message of LDAP"))?;
        if id == 0 {
            let words = outcome(&answer, EXTENDED_ANSWER)?.words();
            return Err(Failure::Down(format!("it ends the connection: {words}")));
        }
        if id != self.id {
            return Err(odd("to another request"));
        }
        Ok(answer)
    }
}

/// More than one entry for one client: none of them is it.
pub(super) fn several() -> Failure {
    Failure::Odd(
        "it knows more than one such entry; let filter or base_dn find one at most".to_owned(),
    )
}

/// The number of a message, and what is in it. Controls are not looked at: none was asked for.
fn opened(message: &[u8]) -> Option<(u32, Vec<u8>)> {
    let mut elements = Elements(message);
    let id = elements.number(INTEGER)?;
    let (tag, content) = elements.take()?;
    Some((id, value(tag, content)))
}

fn outcome(answer: &[u8], tag: u8) -> Result<Outcome, Failure> {
    let content = Elements(answer).expect(tag);
    let outcome = content.and_then(Outcome::read);
    outcome.ok_or_else(|| odd("not to what was asked"))
}

fn part(answer: &[u8]) -> Option<Part> {
    let (tag, content) = Elements(answer).take()?;
    match tag {
        FOUND => entry(content).map(Part::Entry),
        ELSEWHERE => Some(Part::Elsewhere(told(Elements(content).expect(OCTETS)?))),
        SEARCHED => Outcome::read(content).map(Part::End),
        _ => None,
    }
}

fn entry(content: &[u8]) -> Option<Entry> {
    let mut elements = Elements(content);
    let name = std::str::from_utf8(elements.expect(OCTETS)?)
        .ok()?
        .to_owned();
    let mut list = elements.inside(SEQUENCE)?;
    let mut attributes = Vec::new();
    while !list.is_empty() {
        let mut attribute = list.inside(SEQUENCE)?;
        let kind = std::str::from_utf8(attribute.expect(OCTETS)?)
            .ok()?
            .to_owned();
        let mut set = attribute.inside(SET)?;
        let mut all = Vec::new();
        while !set.is_empty() {
            all.push(set.expect(OCTETS)?.to_vec());
        }
        attributes.push((kind, all));
    }
    Some(Entry { name, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u32, op: &[u8]) -> Vec<u8> {
        [&number(INTEGER, id), op].concat()
    }

    fn result(tag: u8, code: u32, said: &str, more: &[u8]) -> Vec<u8> {
        let parts = [
            number(ENUMERATED, code),
            value(OCTETS, b""),
            value(OCTETS, said.as_bytes()),
            more.to_vec(),
        ];
        value(tag, &parts.concat())
    }

    fn found(name: &str, attributes: &[(&str, &[&str])]) -> Vec<u8> {
        let list = attributes.iter().map(|(kind, all)| {
            let set = all.iter().map(|one| value(OCTETS, one.as_bytes()));
            let set = value(SET, &set.collect::<Vec<_>>().concat());
            value(SEQUENCE, &[value(OCTETS, kind.as_bytes()), set].concat())
        });
        let list = value(SEQUENCE, &list.collect::<Vec<_>>().concat());
        value(FOUND, &[value(OCTETS, name.as_bytes()), list].concat())
    }

    /// All that is read of a message, from the outside in.
    fn taken(bytes: &[u8]) -> Option<(u32, Part)> {
        let (id, answer) = opened(bytes)?;
        Some((id, part(&answer)?))
    }

    /// Answers, whole and cut off anywhere.
    #[test]
    fn answers() {
        let entry = found("uid=anna", &[("uid", &["anna", "a"]), ("empty", &[])]);
        let referral = value(REFERRAL, &value(OCTETS, b"ldap://b/"));
        let reference = value(ELSEWHERE, &value(OCTETS, b"ldap://a/\x1b[2J"));
        let all = [
            entry.clone(),
            reference,
            result(SEARCHED, code::SUCCESS, "", &[]),
            result(SEARCHED, code::REFERRAL, "no", &referral),
        ];
        for op in &all {
            let whole = message(7, op);
            assert_eq!(taken(&whole).map(|(id, _)| id), Some(7));
            for cut in 0..whole.len() {
                assert!(taken(&whole[..cut]).is_none(), "{cut} of {whole:?}");
            }
        }
        let Some((_, Part::Entry(entry))) = taken(&message(1, &entry)) else {
            panic!("no entry");
        };
        assert_eq!(entry.name, "uid=anna");
        assert_eq!(entry.values("UID"), [b"anna".to_vec(), b"a".to_vec()]);
        assert!(entry.values("empty").is_empty() && entry.values("none").is_empty());
        let Some((_, Part::Elsewhere(url))) = taken(&message(1, &all[1])) else {
            panic!("no reference");
        };
        assert_eq!(url, "ldap://a/[2J");
        let Some((_, Part::End(outcome))) = taken(&message(1, &all[3])) else {
            panic!("no end");
        };
        let failure = outcome.failure("the search").to_string();
        assert!(failure.contains("ldap://b/"), "{failure}");
    }

    /// What a server says of itself counts against it; what it says of a client does not.
    #[test]
    fn failures() {
        let failure = |code| {
            let answer = result(SEARCHED, code, "words", &[]);
            outcome(&answer, SEARCHED).unwrap().failure("x")
        };
        assert!(matches!(failure(code::BUSY), Failure::Down(said) if said == "busy (51): words"));
        assert!(matches!(failure(code::TIME_LIMIT), Failure::Slow));
        for code in [1, 13, code::INSUFFICIENT_ACCESS, code::REFERRAL, 999] {
            assert!(matches!(failure(code), Failure::Odd(_)), "{code}");
        }
        assert!(outcome(&result(BOUND, 0, "", &[]), SEARCHED).is_err());
    }

    /// Bytes that mean harm: whatever is changed in an answer, it is read to an end, and nothing is taken
    /// that is longer than what came.
    #[test]
    fn hostile_bytes() {
        let seed = 0x1da9_0000_u64;
        let mut state = seed;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).unwrap()
        };
        let whole = message(3, &found("uid=anna", &[("userPassword", &["{SHA}x", "y"])]));
        let nested = (0..10_000).fold(Vec::new(), |inner, _| {
            let mut outer = vec![SEQUENCE, 0x84];
            let length = u32::try_from(inner.len()).unwrap();
            outer.extend(length.to_be_bytes());
            if inner.len() < 60_000 {
                outer.extend(inner);
            }
            outer
        });
        assert!(taken(&message(3, &nested)).is_none());
        for round in 0..200_000 {
            let mut bytes = whole.clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                bytes[at] = u8::try_from(random(256)).unwrap();
            }
            bytes.truncate(bytes.len() - random(3));
            if let Some((_, Part::Entry(entry))) = taken(&bytes) {
                let parts = entry.attributes.iter();
                let length: usize = parts
                    .map(|(kind, all)| kind.len() + all.iter().map(Vec::len).sum::<usize>())
                    .sum();
                assert!(entry.name.len() + length <= bytes.len(), "{seed:x} {round}");
            }
        }
    }
}
