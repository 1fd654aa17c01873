//! `%j` and `%J`: a message as a line of JSON, laid out as mosquitto_sub does with cJSON. Payloads that
//! are JSON themselves are read and written anew, in one pass.

use std::io::Write as _;

use client::Message;
use jiff::Zoned;
use protocol::{PacketId, Property};

/// Arrays and objects in each other.
const DEPTH_MAX: usize = 1000;

/// The message; `None` if its payload is to be JSON and is not.
pub(super) fn message(
    message: &Message,
    now: &Zoned,
    escapes: bool,
    pretty: bool,
) -> Option<Vec<u8>> {
    let mut json = Writer {
        out: Vec::new(),
        pretty,
        depth: 0,
    };
    let mut first = true;
    json.open();
    let micros = now.subsec_nanosecond() / 1000;
    let time = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let zone = now.strftime("%z").to_string();
    json.name("tst", &mut first);
    json.text(format!("{time}.{micros:06}Z{zone}").as_bytes());
    json.name("topic", &mut first);
    json.text(message.topic().as_bytes());
    json.field("qos", u64::from(message.qos().bits()), &mut first);
    json.field("retain", u64::from(message.is_retained()), &mut first);
    let payload = message.payload();
    json.field(
        "payloadlen",
        payload.len().try_into().unwrap_or(u64::MAX),
        &mut first,
    );
    if let Some(id) = message.id().map(PacketId::get) {
        json.field("mid", id.into(), &mut first);
    }
    properties(message, &mut json, &mut first);
    json.name("payload", &mut first);
    if payload.is_empty() {
        json.out.extend_from_slice(b"null");
    } else if !escapes {
        let mut reader = Reader { rest: payload };
        reader.document(&mut json)?;
    } else if std::str::from_utf8(payload).is_ok() {
        json.text(payload);
    } else {
        json.bytes(payload);
    }
    json.close();
    Some(json.out)
}

fn properties(message: &Message, json: &mut Writer, first: &mut bool) {
    let all = message.properties();
    if all.is_empty() {
        return;
    }
    json.name("properties", first);
    json.open();
    let mut first = true;
    // cJSON puts all user properties where the first of them stands.
    let mut users_done = false;
    for property in all.iter() {
        match property {
            Property::PayloadFormat(n) => {
                json.field("payload-format-indicator", n.into(), &mut first);
            }
            Property::MessageExpiry(n) => {
                json.field("message-expiry-interval", n.into(), &mut first);
            }
            Property::SubscriptionId(n) => {
                json.field("subscription-identifier", n.into(), &mut first);
            }
            Property::TopicAlias(n) => json.field("topic-alias", n.into(), &mut first),
            Property::ContentType(text) => json.string("content-type", text.as_bytes(), &mut first),
            Property::ResponseTopic(text) => {
                json.string("response-topic", text.as_bytes(), &mut first);
            }
            Property::CorrelationData(data) => json.string("correlation-data", data, &mut first),
            Property::UserProperty(..) if !users_done => {
                users_done = true;
                json.name("user-properties", &mut first);
                json.open();
                let mut first = true;
                for property in all.iter() {
                    if let Property::UserProperty(name, value) = property {
                        json.string(name, value.as_bytes(), &mut first);
                    }
                }
                json.close();
            }
            _ => {}
        }
    }
    json.close();
}

struct Writer {
    out: Vec<u8>,
    pretty: bool,
    depth: usize,
}

impl Writer {
    fn open(&mut self) {
        self.out.push(b'{');
        self.depth += 1;
        if self.pretty {
            self.out.push(b'\n');
        }
    }

    fn close(&mut self) {
        self.depth -= 1;
        if self.pretty {
            if self.out.last() != Some(&b'\n') {
                self.out.push(b'\n');
            }
            self.out.resize(self.out.len() + self.depth, b'\t');
        }
        self.out.push(b'}');
    }

    /// The name of a member, after what separates it from the one before.
    fn name(&mut self, name: &str, first: &mut bool) {
        self.member(first);
        self.text(name.as_bytes());
        self.colon();
    }

    fn member(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.out.push(b',');
            if self.pretty {
                self.out.push(b'\n');
            }
        }
        if self.pretty {
            self.out.resize(self.out.len() + self.depth, b'\t');
        }
    }

    fn colon(&mut self) {
        self.out.push(b':');
        if self.pretty {
            self.out.push(b'\t');
        }
    }

    fn field(&mut self, name: &str, value: u64, first: &mut bool) {
        self.name(name, first);
        let _ = write!(self.out, "{value}");
    }

    /// Bytes that are no text are listed.
    fn string(&mut self, name: &str, value: &[u8], first: &mut bool) {
        self.name(name, first);
        if std::str::from_utf8(value).is_ok() {
            self.text(value);
        } else {
            self.bytes(value);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let between = if self.pretty { ", " } else { "," };
        let _ = write!(self.out, "[{}]", list.join(between));
    }

    /// Only what has to be escaped is.
    fn text(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for byte in text {
            match byte {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                0x08 => self.out.extend_from_slice(b"\\b"),
                0x0C => self.out.extend_from_slice(b"\\f"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                0..0x20 => {
                    let _ = write!(self.out, "\\u{byte:04x}");
                }
                _ => self.out.push(*byte),
            }
        }
        self.out.push(b'"');
    }

    /// Whole numbers as such, others with the digits they need.
    fn number(&mut self, value: f64) {
        if value == value.trunc() && value.abs() < 2_147_483_648.0 {
            let _ = write!(self.out, "{}", value + 0.0);
            return;
        }
        let short = general(value, 15);
        let exact = short.parse() == Ok(value);
        let text = if exact { short } else { general(value, 17) };
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// C's `%.{digits}g`.
fn general(value: f64, digits: usize) -> String {
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("that is its form");
    let exponent: i32 = exponent.parse().expect("a number");
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let precision = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= precision {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(precision - 1 - exponent).unwrap_or(0);
    trim(&format!("{value:.decimals$}"))
}

/// Reads JSON and writes it at once. `None` wherever it is none.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn document(&mut self, json: &mut Writer) -> Option<()> {
        self.rest = self.rest.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(self.rest);
        self.skip();
        self.value(json, 0)?;
        self.skip();
        self.rest.is_empty().then_some(())
    }

    fn skip(&mut self) {
        let blank = self.rest.iter().take_while(|b| **b <= b' ').count();
        self.rest = &self.rest[blank..];
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.rest.first() == Some(&byte);
        if is_there {
            self.rest = &self.rest[1..];
        }
        is_there
    }

    fn value(&mut self, json: &mut Writer, depth: usize) -> Option<()> {
        if depth == DEPTH_MAX {
            return None;
        }
        match self.rest.first()? {
            b'{' => self.object(json, depth + 1),
            b'[' => self.array(json, depth + 1),
            b'"' => {
                let text = self.string()?;
                json.text(&text);
                Some(())
            }
            b'-' | b'0'..=b'9' => self.number(json),
            _ => {
                let words: [&[u8]; 3] = [b"null", b"true", b"false"];
                let word = words.into_iter().find(|w| self.rest.starts_with(w))?;
                self.rest = &self.rest[word.len()..];
                json.out.extend_from_slice(word);
                Some(())
            }
        }
    }

    fn object(&mut self, json: &mut Writer, depth: usize) -> Option<()> {
        self.rest = &self.rest[1..];
        json.open();
        self.skip();
        let mut first = true;
        if !self.take(b'}') {
            loop {
                self.skip();
                if self.rest.first() != Some(&b'"') {
                    return None;
                }
                let name = self.string()?;
                json.member(&mut first);
                json.text(&name);
                json.colon();
                self.skip();
                if !self.take(b':') {
                    return None;
                }
                self.skip();
                self.value(json, depth)?;
                self.skip();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return None;
                }
            }
        }
        json.close();
        Some(())
    }

    fn array(&mut self, json: &mut Writer, depth: usize) -> Option<()> {
        self.rest = &self.rest[1..];
        json.out.push(b'[');
        json.depth += 1;
        self.skip();
        if !self.take(b']') {
            loop {
                self.skip();
                self.value(json, depth)?;
                self.skip();
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return None;
                }
                json.out
                    .extend_from_slice(if json.pretty { b", " } else { b"," });
            }
        }
        json.depth -= 1;
        json.out.push(b']');
        Some(())
    }

    /// As much as is a number, as C reads it.
    fn number(&mut self, json: &mut Writer) -> Option<()> {
        let count = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut len = usize::from(self.rest[0] == b'-');
        let whole = count(&self.rest[len..]);
        len += whole;
        if self.rest.get(len) == Some(&b'.') {
            let decimals = count(&self.rest[len + 1..]);
            if whole + decimals > 0 {
                len += 1 + decimals;
            }
        }
        if let Some(b'e' | b'E') = self.rest.get(len) {
            let sign = usize::from(matches!(self.rest.get(len + 1), Some(b'+' | b'-')));
            let exponent = count(&self.rest[len + 1 + sign..]);
            if exponent > 0 {
                len += 1 + sign + exponent;
            }
        }
        let text = std::str::from_utf8(&self.rest[..len]).ok()?;
        json.number(text.parse().ok()?);
        self.rest = &self.rest[len..];
        Some(())
    }

    /// The text of a string, without its escapes.
    fn string(&mut self) -> Option<Vec<u8>> {
        let mut rest = &self.rest[1..];
        let mut text = Vec::new();
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            match byte {
                b'"' => break,
                b'\\' => {
                    let (&letter, after) = rest.split_first()?;
                    rest = after;
                    match letter {
                        b'"' | b'\\' | b'/' => text.push(letter),
                        b'b' => text.push(0x08),
                        b'f' => text.push(0x0C),
                        b'n' => text.push(b'\n'),
                        b'r' => text.push(b'\r'),
                        b't' => text.push(b'\t'),
                        b'u' => {
                            let (found, used) = unicode(rest)?;
                            rest = &rest[used..];
                            text.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes());
                        }
                        _ => return None,
                    }
                }
                other => text.push(other),
            }
        }
        self.rest = rest;
        Some(text)
    }
}

/// The character of `\u`, and how many bytes it takes after that: two halves may belong together.
fn unicode(rest: &[u8]) -> Option<(char, usize)> {
    let hex = |bytes: &[u8]| {
        let digits = std::str::from_utf8(bytes).ok()?;
        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
        plain.then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let first = hex(rest.get(..4)?)?;
    if let Some(Ok(found)) = char::decode_utf16([first]).next() {
        return Some((found, 4));
    }
    let second = hex(rest.get(4..)?.strip_prefix(b"\\u")?.get(..4)?)?;
    let found = char::decode_utf16([first, second]).next()?.ok()?;
    Some((found, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anew(text: &str, pretty: bool) -> Option<String> {
        let mut json = Writer {
            out: Vec::new(),
            pretty,
            depth: 0,
        };
        let mut reader = Reader {
            rest: text.as_bytes(),
        };
        reader.document(&mut json)?;
        Some(String::from_utf8(json.out).unwrap())
    }

    #[test]
    fn json_is_written_anew() {
        for (given, expected) in [
            (
                r#" {"a" : [1, 27.0,-0.5 ,1e3] , "b":{}} "#,
                r#"{"a":[1,27,-0.5,1000],"b":{}}"#,
            ),
            (r#""\u00e9\ud83d\ude00\/\n\u0001""#, "\"é😀/\\n\\u0001\""),
            ("[true,false,null,[]]", "[true,false,null,[]]"),
            ("0.1", "0.1"),
            ("3.14159265358979", "3.14159265358979"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("1e100", "1e+100"),
            ("12345678901", "12345678901"),
            ("0.00001", "1e-05"),
            ("\u{feff}1", "1"),
        ] {
            assert_eq!(anew(given, false).as_deref(), Some(expected), "{given}");
        }
        for bad in [
            "",
            "x",
            "{",
            "[1,]",
            "{\"a\"}",
            "1 2",
            "\"a",
            "nul",
            "-",
            "1.2.3",
            "\"\\ud800\"",
            "\"\\q\"",
        ] {
            assert_eq!(anew(bad, false), None, "{bad}");
        }
        let deep = "[".repeat(2000);
        assert_eq!(anew(&deep, false), None);
    }

    #[test]
    fn pretty_json_has_tabs() {
        let given = r#"{"a":1,"b":[1,{"c":2}],"d":{}}"#;
        let expected =
            "{\n\t\"a\":\t1,\n\t\"b\":\t[1, {\n\t\t\t\"c\":\t2\n\t\t}],\n\t\"d\":\t{\n\t}\n}";
        assert_eq!(anew(given, true).as_deref(), Some(expected));
    }
}
