//! `-F`: how a message is printed. `%` stands for parts of the message, `@` for parts of the time, `\`
//! for characters that are hard to type; all as mosquitto_sub has them, oddities of widths included.

use std::io::Write as _;

use client::Message;
use jiff::Zoned;
use protocol::{PacketId, Property};

use super::json;
use super::said::{Said, said};

/// What `%` may be followed by.
const FIELDS: &[u8] = b"%ACDEFIlmPpqRSrtjJUxX";

/// A format that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format(Vec<Piece>);

/// Why a part of a message could not be printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NotJson,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Field(u8, Width),
    /// A letter of strftime.
    Time(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Width {
    left: bool,
    zeros: bool,
    least: usize,
    most: Option<usize>,
}

impl Format {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Said> {
        let mut pieces = Vec::new();
        let mut rest = text.iter().copied().peekable();
        while let Some(byte) = rest.next() {
            let piece = match byte {
                b'%' => field(&mut rest)?,
                b'@' => match rest.next().ok_or_else(cut)? {
                    b'@' => Piece::Text(vec![b'@']),
                    letter => Piece::Time(letter),
                },
                b'\\' => Piece::Text(vec![escaped(rest.next().ok_or_else(cut)?)?]),
                other => Piece::Text(vec![other]),
            };
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(more)) => before.extend(more),
                (_, piece) => pieces.push(piece),
            }
        }
        Ok(Self(pieces))
    }

    /// Appends a message.
    pub(super) fn print(
        &self,
        message: &Message,
        pretty: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let now = Zoned::now();
        let mut fault = Ok(());
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Time(letter) => time(*letter, &now, out),
                Piece::Field(name @ (b'j' | b'J'), _) => {
                    let escapes = *name == b'j';
                    match json::message(message, &now, escapes, pretty) {
                        Some(text) => out.extend_from_slice(&text),
                        None => fault = Err(Fault::NotJson),
                    }
                }
                Piece::Field(name, width) => print(*name, *width, message, &now, out),
            }
        }
        fault
    }
}

fn cut() -> Said {
    said(
        "the format ends too early; %% @@ and \\\\ stand for the characters themselves",
        "格式不完整；字符本身请写作 %%、@@、\\\\",
    )
}

fn escaped(letter: u8) -> Result<u8, Said> {
    Ok(match letter {
        b'\\' => b'\\',
        b'0' => 0,
        b'a' => 0x07,
        b'e' => 0x1B,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        other => {
            let shown = other.escape_ascii();
            return Err(said(
                format!("\\{shown} is none of \\\\ \\0 \\a \\e \\n \\r \\t \\v"),
                format!("\\{shown} 不是 \\\\ \\0 \\a \\e \\n \\r \\t \\v 之一"),
            ));
        }
    })
}

type Bytes<'a> = std::iter::Peekable<std::iter::Copied<std::slice::Iter<'a, u8>>>;

fn field(rest: &mut Bytes<'_>) -> Result<Piece, Said> {
    let left = rest.next_if_eq(&b'-').is_some();
    let zeros = rest.next_if_eq(&b'0').is_some();
    let least = digits(rest)?.unwrap_or(0);
    let most = match rest.next_if_eq(&b'.') {
        Some(_) => Some(digits(rest)?.unwrap_or(0)),
        None => None,
    };
    let name = rest.next().ok_or_else(cut)?;
    if name == b'%' {
        return Ok(Piece::Text(vec![b'%']));
    }
    if !FIELDS.contains(&name) {
        let shown = name.escape_ascii();
        return Err(said(
            format!("%{shown} is no part of a message; see -F in the help"),
            format!("%{shown} 不是消息的组成部分；请看帮助中的 -F"),
        ));
    }
    let width = Width {
        left,
        zeros,
        least,
        most,
    };
    Ok(Piece::Field(name, width))
}

/// At most so wide; more would only be a typing error.
const WIDTH_MAX: usize = 10_000;

fn digits(rest: &mut Bytes<'_>) -> Result<Option<usize>, Said> {
    let mut number = None;
    while let Some(digit) = rest.next_if(u8::is_ascii_digit) {
        let value = number.unwrap_or(0_usize) * 10 + usize::from(digit - b'0');
        if value > WIDTH_MAX {
            return Err(said("a width of at most 10000", "宽度最大为 10000"));
        }
        number = Some(value);
    }
    Ok(number)
}

fn print(name: u8, width: Width, message: &Message, now: &Zoned, out: &mut Vec<u8>) {
    let find = |want: fn(&Property<'_>) -> bool| message.properties().iter().find(want);
    match name {
        b'A' => match find(|p| matches!(p, Property::TopicAlias(_))) {
            Some(Property::TopicAlias(alias)) => width.number(alias.into(), out),
            _ => width.blank(out),
        },
        b'E' => match find(|p| matches!(p, Property::MessageExpiry(_))) {
            Some(Property::MessageExpiry(secs)) => width.number(secs.into(), out),
            _ => width.blank(out),
        },
        b'F' => match find(|p| matches!(p, Property::PayloadFormat(_))) {
            Some(Property::PayloadFormat(format)) => width.number(format.into(), out),
            _ => width.blank(out),
        },
        b'S' => match find(|p| matches!(p, Property::SubscriptionId(_))) {
            Some(Property::SubscriptionId(id)) => width.number(id.into(), out),
            _ => width.blank(out),
        },
        b'C' => match find(|p| matches!(p, Property::ContentType(_))) {
            Some(Property::ContentType(text)) => width.text(text.as_bytes(), out),
            _ => out.resize(out.len() + width.least, b' '),
        },
        b'R' => {
            if let Some(Property::ResponseTopic(topic)) =
                find(|p| matches!(p, Property::ResponseTopic(_)))
            {
                width.text(topic.as_bytes(), out);
            }
        }
        b'D' => {
            if let Some(Property::CorrelationData(data)) =
                find(|p| matches!(p, Property::CorrelationData(_)))
            {
                out.extend_from_slice(data);
            }
        }
        b'P' => user_properties(message, out),
        b'I' => {
            let mut text = Vec::new();
            for letter in *b"FT" {
                if !text.is_empty() {
                    text.push(b'T');
                }
                time(letter, now, &mut text);
            }
            time(b'z', now, &mut text);
            width.text(&text, out);
        }
        b'U' => {
            let at = now.timestamp();
            let (secs, nanos) = (at.as_second(), at.subsec_nanosecond());
            let _ = write!(out, "{secs}.{nanos:09}");
        }
        b'l' => width.number(message.payload().len().try_into().unwrap_or(u64::MAX), out),
        b'm' => width.number(message.id().map_or(0, PacketId::get).into(), out),
        b'q' => out.push(b'0' + message.qos().bits()),
        b'r' => out.push(b'0' + u8::from(message.is_retained())),
        b't' => width.text(message.topic().as_bytes(), out),
        b'x' => width.hex(message.payload(), b"0123456789abcdef", out),
        b'X' => width.hex(message.payload(), b"0123456789ABCDEF", out),
        _ => width.payload(message.payload(), out),
    }
}

fn user_properties(message: &Message, out: &mut Vec<u8>) {
    let mut first = true;
    for property in message.properties().iter() {
        if let Property::UserProperty(name, value) = property {
            if !first {
                out.push(b' ');
            }
            first = false;
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
    }
}

impl Width {
    fn filler(self) -> u8 {
        if self.zeros && !self.left { b'0' } else { b' ' }
    }

    fn pad(self, len: usize, out: &mut Vec<u8>, fill: u8) {
        out.resize(out.len() + self.least.saturating_sub(len), fill);
    }

    /// Nothing, as wide as it is wanted.
    fn blank(self, out: &mut Vec<u8>) {
        let fill = if self.zeros { b'0' } else { b' ' };
        out.resize(out.len() + self.least, fill);
    }

    fn number(self, value: u64, out: &mut Vec<u8>) {
        self.put(value.to_string().as_bytes(), self.filler(), out);
    }

    /// Text is never filled up with zeros.
    fn text(self, text: &[u8], out: &mut Vec<u8>) {
        let text = &text[..text.len().min(self.most.unwrap_or(usize::MAX))];
        self.put(text, b' ', out);
    }

    fn put(self, text: &[u8], fill: u8, out: &mut Vec<u8>) {
        if !self.left {
            self.pad(text.len(), out, fill);
        }
        out.extend_from_slice(text);
        if self.left {
            self.pad(text.len(), out, b' ');
        }
    }

    /// A payload with a width is as wide, and never wider.
    fn payload(self, payload: &[u8], out: &mut Vec<u8>) {
        let shown = match self.least {
            0 => payload,
            width => &payload[..payload.len().min(width)],
        };
        self.put(shown, if self.zeros { b'0' } else { b' ' }, out);
    }

    /// With a width there are half as many bytes as a payload cut to it would have.
    fn hex(self, payload: &[u8], digits: &[u8; 16], out: &mut Vec<u8>) {
        let shown = match self.least {
            0 => payload,
            width => &payload[..payload.len().min(width) / 2],
        };
        let mut text = Vec::with_capacity(shown.len() * 2);
        for byte in shown {
            text.push(digits[usize::from(byte >> 4)]);
            text.push(digits[usize::from(byte & 15)]);
        }
        self.put(&text, if self.zeros { b'0' } else { b' ' }, out);
    }
}

/// Those that the C library knows, besides the ones of [`time`] itself.
const LETTERS: &[u8] = b"aAbBCdDeFgGhHIjklmMnpPRsStTuUVwWyYzZ";

/// What strftime gives for a letter in the C locale; `@N` is nanoseconds. Unknown letters stay.
fn time(letter: u8, now: &Zoned, out: &mut Vec<u8>) {
    let of = match letter {
        b'N' => {
            let _ = write!(out, "{:09}", now.subsec_nanosecond());
            return;
        }
        b'c' => "%a %b %e %H:%M:%S %Y".to_owned(),
        b'x' => "%m/%d/%y".to_owned(),
        b'X' => "%H:%M:%S".to_owned(),
        b'r' => "%I:%M:%S %p".to_owned(),
        b'%' => "%%".to_owned(),
        letter if LETTERS.contains(&letter) => format!("%{}", char::from(letter)),
        letter => {
            out.extend_from_slice(&[b'%', letter]);
            return;
        }
    };
    match jiff::fmt::strtime::format(&of, now) {
        Ok(text) => out.extend_from_slice(text.as_bytes()),
        Err(_) => out.extend_from_slice(of.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_format_is_told() {
        for (bad, told) in [
            ("%", "too early"),
            ("a%5", "too early"),
            ("%-", "too early"),
            ("%5.", "too early"),
            ("@", "too early"),
            ("\\", "too early"),
            ("%Z", "%Z is no part"),
            ("\\q", "\\q is none of"),
            ("%99999999999999999999t", "at most 10000"),
        ] {
            let fault = Format::parse(bad.as_bytes()).unwrap_err();
            let line = fault.show(crate::text::Text::from_env(|_| None)).to_owned();
            assert!(line.contains(told), "{bad}: {line}");
        }
        let good = Format::parse("%%a@@\\n%-010.3t".as_bytes()).unwrap();
        assert_eq!(good.0[0], Piece::Text(b"%a@\n".to_vec()));
        let width = Width {
            left: true,
            zeros: true,
            least: 10,
            most: Some(3),
        };
        assert_eq!(good.0[1..], [Piece::Field(b't', width)]);
    }

    #[test]
    fn widths() {
        let width = |left, zeros, least, most| Width {
            left,
            zeros,
            least,
            most,
        };
        let check = |print: &dyn Fn(&mut Vec<u8>), expected: &str| {
            let mut out = Vec::new();
            print(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(&|out| width(false, true, 5, None).number(42, out), "00042");
        check(&|out| width(true, true, 5, None).number(42, out), "42   ");
        check(&|out| width(false, true, 5, None).text(b"ab", out), "   ab");
        check(
            &|out| width(false, false, 5, Some(1)).text(b"ab", out),
            "    a",
        );
        check(&|out| width(false, true, 3, None).blank(out), "000");
        check(
            &|out| width(false, false, 2, None).payload(b"abc", out),
            "ab",
        );
        check(
            &|out| width(false, true, 10, None).hex(b"two", b"0123456789abcdef", out),
            "0000000074",
        );
    }

    #[test]
    fn letters_of_time() {
        let at: Zoned = "2026-03-04T05:06:07.000089+08[Asia/Shanghai]"
            .parse()
            .unwrap();
        let shown = |letters: &str| {
            let mut out = Vec::new();
            for letter in letters.bytes() {
                time(letter, &at, &mut out);
                out.push(b' ');
            }
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown("YmdHMSzN"), "2026 03 04 05 06 07 +0800 000089000 ");
        assert_eq!(
            shown("cxXr"),
            "Wed Mar  4 05:06:07 2026 03/04/26 05:06:07 05:06:07 AM "
        );
        assert_eq!(shown("Q+%E"), "%Q %+ % %E ");
    }
}
