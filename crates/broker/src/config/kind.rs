//! The kinds of value a key can have: how each is read, written back and described. A range is two
//! texts in the kind's own notation, so that the table in `schema` reads like the documentation.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::Lang;
use super::raw::Raw;
use crate::access::authenticate::Method;
use crate::gateway::Gateway;
use crate::lan::{AccessRule, Network};
use crate::security::Id;

/// Smallest and largest value allowed, as they would be written; `None` for any.
pub(super) type Range = Option<[&'static str; 2]>;

/// A kind of value. Never built: it only names the functions and the Rust type `Out`.
pub trait Kind {
    type Out: Clone + PartialEq;
    /// `None` if `raw` is not of this kind.
    fn read(raw: &Raw) -> Option<Self::Out>;
    /// The value in TOML notation; reading it gives the same value.
    fn show(value: &Self::Out) -> String;
    /// What may be written, as a noun phrase.
    fn form(lang: Lang) -> String;
    /// Whether the value lies in the range, ends included.
    fn within(_: &Self::Out, _: Range) -> bool {
        true
    }
}

/// Reads a value and checks its range.
pub(super) fn checked<K: Kind>(raw: &Raw, range: Range) -> Option<K::Out> {
    K::read(raw).filter(|value| K::within(value, range))
}

/// The value of a default in the table.
pub(super) fn built_in<K: Kind>(text: &str, range: Range) -> K::Out {
    checked::<K>(&Raw::bare(text), range).expect("defaults are tested to be in their ranges")
}

/// The noun phrase of the kind with the range.
pub(super) fn allowed<K: Kind>(range: Range, lang: Lang) -> String {
    let form = K::form(lang);
    match (range, lang) {
        (None, _) => form,
        (Some([min, max]), Lang::En) => format!("{form}, {min} to {max}"),
        (Some([min, max]), Lang::Zh) => format!("{form}，{min} 到 {max}"),
    }
}

fn between<K: Kind<Out: PartialOrd>>(value: &K::Out, range: Range) -> bool {
    // An end that this machine's integers cannot hold is no bound on it.
    let end = |text: &str| K::read(&Raw::bare(text));
    range.is_none_or(|[min, max]| {
        end(min).is_none_or(|min| *value >= min) && end(max).is_none_or(|max| *value <= max)
    })
}

fn say(lang: Lang, en: &str, zh: &str) -> String {
    match lang {
        Lang::En => en.to_owned(),
        Lang::Zh => zh.to_owned(),
    }
}

/// A whole number held in `T`.
pub struct Count<T>(T);

impl<T: TryFrom<i64> + Display + Copy + PartialOrd> Kind for Count<T> {
    type Out = T;
    fn read(raw: &Raw) -> Option<T> {
        let Raw::Int(n) = raw else { return None };
        T::try_from(*n).ok()
    }
    fn show(value: &T) -> String {
        value.to_string()
    }
    fn form(lang: Lang) -> String {
        say(lang, "a whole number", "整数")
    }
    fn within(value: &T, range: Range) -> bool {
        between::<Self>(value, range)
    }
}

/// Bytes, held in `T`: a number, or text with KB, MB or GB (powers of 1024).
pub struct Bytes<T>(T);

const SIZES: [(&str, u64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];

impl<T: TryFrom<u64> + TryInto<u64> + Copy + PartialOrd> Kind for Bytes<T> {
    type Out = T;
    fn read(raw: &Raw) -> Option<T> {
        let bytes = match raw {
            Raw::Int(n) => u64::try_from(*n).ok()?,
            Raw::Text(text) => {
                let (number, unit) = split_unit(text.trim());
                let (_, unit) = SIZES
                    .iter()
                    .find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
                number.parse::<u64>().ok()?.checked_mul(*unit)?
            }
            _ => return None,
        };
        T::try_from(bytes).ok()
    }
    fn show(value: &T) -> String {
        let bytes: u64 = (*value).try_into().unwrap_or(u64::MAX);
        match SIZES
            .iter()
            .find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit))
        {
            Some((name, unit)) => format!("\"{}{name}\"", bytes / unit),
            None => bytes.to_string(),
        }
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "a size such as \"64KB\" or 65536",
            "大小，例如 \"64KB\" 或 65536",
        )
    }
    fn within(value: &T, range: Range) -> bool {
        between::<Self>(value, range)
    }
}

/// A span of time: numbers with units, such as "1h30m".
pub struct Time;

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

impl Kind for Time {
    type Out = Duration;
    fn read(raw: &Raw) -> Option<Duration> {
        let Raw::Text(text) = raw else { return None };
        let mut rest = text.trim();
        let mut millis = 0u64;
        loop {
            let (number, tail) = split_unit(rest);
            let end = tail
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(tail.len());
            let (_, unit) = UNITS.iter().find(|(name, _)| *name == &tail[..end])?;
            millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(*unit)?)?;
            rest = &tail[end..];
            if rest.is_empty() {
                return Some(Duration::from_millis(millis));
            }
        }
    }
    fn show(value: &Duration) -> String {
        let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
        // Seconds for zero: "0d" would look odd.
        let unit = UNITS
            .iter()
            .find(|(_, unit)| millis != 0 && millis.is_multiple_of(*unit));
        let (name, unit) = unit.unwrap_or(&UNITS[3]);
        format!("\"{}{name}\"", millis / unit)
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "a time such as \"100ms\", \"30s\", \"5m\", \"7d\"",
            "时间，例如 \"100ms\"、\"30s\"、\"5m\"、\"7d\"",
        )
    }
    fn within(value: &Duration, range: Range) -> bool {
        between::<Self>(value, range)
    }
}

/// So much in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// Not 0, as little as the other.
    pub amount: u64,
    pub millis: u64,
}

/// A number of things in a time: `1000/s`, `10/5m`, or a number alone, which is one a second.
pub struct Rate;

/// The same of bytes: `1MB/s`.
pub struct ByteRate;

impl Speed {
    fn read(raw: &Raw, amount: fn(&Raw) -> Option<u64>) -> Option<Self> {
        let second = |amount| Self {
            amount,
            millis: UNITS[3].1,
        };
        let speed = match raw {
            Raw::Int(_) => second(amount(raw)?),
            Raw::Text(text) => {
                let (much, long) = text.split_once('/').unwrap_or((text, "s"));
                let long = long.trim();
                let one = long.starts_with(|c: char| !c.is_ascii_digit());
                let long = if one {
                    format!("1{long}")
                } else {
                    long.to_owned()
                };
                let millis = Time::read(&Raw::Text(long))?.as_millis();
                Self {
                    amount: amount(&Raw::bare(much.trim()))?,
                    millis: u64::try_from(millis).ok()?,
                }
            }
            _ => return None,
        };
        (speed.amount > 0 && (1..=UNITS[0].1).contains(&speed.millis)).then_some(speed)
    }

    fn show(self, amount: &str) -> String {
        let time = Time::show(&Duration::from_millis(self.millis));
        let time = time.trim_matches('"');
        let time = match time.strip_prefix('1') {
            Some(unit) if unit.starts_with(|c: char| !c.is_ascii_digit()) => unit,
            _ => time,
        };
        format!("\"{}/{time}\"", amount.trim_matches('"'))
    }
}

impl Kind for Rate {
    type Out = Speed;
    fn read(raw: &Raw) -> Option<Speed> {
        Speed::read(raw, Count::<u64>::read)
    }
    fn show(value: &Speed) -> String {
        value.show(&value.amount.to_string())
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "a rate such as \"1000/s\" or \"10/5m\"",
            "速率，例如 \"1000/s\" 或 \"10/5m\"",
        )
    }
}

impl Kind for ByteRate {
    type Out = Speed;
    fn read(raw: &Raw) -> Option<Speed> {
        Speed::read(raw, Bytes::<u64>::read)
    }
    fn show(value: &Speed) -> String {
        value.show(&Bytes::<u64>::show(&value.amount))
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "a rate such as \"1MB/s\" or \"64KB/s\"",
            "速率，例如 \"1MB/s\" 或 \"64KB/s\"",
        )
    }
}

/// Digits at the start, and what follows them.
fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

/// Any of `K`, or "none".
pub struct Maybe<K>(K);

impl<K: Kind> Kind for Maybe<K> {
    type Out = Option<K::Out>;
    fn read(raw: &Raw) -> Option<Self::Out> {
        match raw {
            Raw::Text(text) if text == "none" => Some(None),
            _ => K::read(raw).map(Some),
        }
    }
    fn show(value: &Self::Out) -> String {
        value
            .as_ref()
            .map_or_else(|| "\"none\"".to_owned(), K::show)
    }
    fn form(lang: Lang) -> String {
        let none = say(lang, "\"none\" or ", "\"none\" 或");
        none + &K::form(lang)
    }
    fn within(value: &Self::Out, range: Range) -> bool {
        value.as_ref().is_none_or(|value| K::within(value, range))
    }
}

/// true or false.
pub struct Switch;

impl Kind for Switch {
    type Out = bool;
    fn read(raw: &Raw) -> Option<bool> {
        if let Raw::Bool(value) = raw {
            Some(*value)
        } else {
            None
        }
    }
    fn show(value: &bool) -> String {
        value.to_string()
    }
    fn form(_: Lang) -> String {
        "true | false".to_owned()
    }
}

/// A number with decimals.
pub struct Ratio;

impl Kind for Ratio {
    type Out = f64;
    fn read(raw: &Raw) -> Option<f64> {
        match raw {
            Raw::Float(value) => Some(*value),
            Raw::Int(value) => i32::try_from(*value).ok().map(f64::from),
            _ => None,
        }
    }
    fn show(value: &f64) -> String {
        format!("{value:?}")
    }
    fn form(lang: Lang) -> String {
        say(lang, "a number", "数值")
    }
    fn within(value: &f64, range: Range) -> bool {
        between::<Self>(value, range)
    }
}

/// A path in the file system.
pub struct Place;

impl Kind for Place {
    type Out = PathBuf;
    fn read(raw: &Raw) -> Option<PathBuf> {
        match raw {
            Raw::Text(text) if !text.is_empty() && !text.contains('\0') => Some(text.into()),
            _ => None,
        }
    }
    fn show(value: &PathBuf) -> String {
        quoted(&value.to_string_lossy())
    }
    fn form(lang: Lang) -> String {
        say(lang, "a path", "路径")
    }
}

/// Where web pages come from: the values of a browser's Origin header, in small letters.
pub struct Origins;

impl Origins {
    fn one(raw: &Raw) -> Option<String> {
        let Raw::Text(text) = raw else { return None };
        let text = text.trim().trim_end_matches('/').to_ascii_lowercase();
        let host = text.split_once("://").map(|(_, host)| host);
        if host.is_some_and(|h| !h.is_empty() && !h.contains(['/', '*', '@', ' '])) {
            return Some(text);
        }
        // A local file's has no host, so it is all slashes at its end.
        match text.as_str() {
            "file:" => Some("file://".to_owned()),
            "*" | "null" => Some(text),
            _ => None,
        }
    }
}

impl Kind for Origins {
    type Out = Vec<String>;
    fn read(raw: &Raw) -> Option<Vec<String>> {
        match raw {
            Raw::List(items) => items.iter().map(Self::one).collect(),
            _ => Self::one(raw).map(|origin| vec![origin]),
        }
    }
    fn show(value: &Vec<String>) -> String {
        let items: Vec<String> = value.iter().map(|origin| quoted(origin)).collect();
        format!("[{}]", items.join(", "))
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "an origin such as \"https://tool.example\", \"file://\", \"null\", or \"*\" for any, or a list of these",
            "来源（例如 \"https://tool.example\"、\"file://\"、\"null\"，\"*\" 表示任意），或它们的列表",
        )
    }
}

/// Authenticators, by their ids.
pub struct Authenticators;

impl Authenticators {
    fn one(raw: &Raw) -> Option<String> {
        let Raw::Text(text) = raw else { return None };
        let known = Method::IDS.into_iter().find(|id| *id == text.as_str());
        known.map(ToOwned::to_owned)
    }
}

impl Kind for Authenticators {
    type Out = Vec<String>;
    fn read(raw: &Raw) -> Option<Vec<String>> {
        match raw {
            Raw::List(items) => items.iter().map(Self::one).collect(),
            _ => Self::one(raw).map(|id| vec![id]),
        }
    }
    fn show(value: &Vec<String>) -> String {
        let items: Vec<String> = value.iter().map(|id| quoted(id)).collect();
        format!("[{}]", items.join(", "))
    }
    fn form(lang: Lang) -> String {
        let names = Method::IDS.map(quoted).join(" | ");
        names + &say(lang, ", or a list of these", "，或它们的列表")
    }
}

/// Networks, such as `203.0.113.0/24`, or single addresses.
pub struct Networks;

impl Networks {
    fn one(raw: &Raw) -> Option<Network> {
        let Raw::Text(text) = raw else { return None };
        text.parse().ok()
    }
}

impl Kind for Networks {
    type Out = Vec<Network>;
    fn read(raw: &Raw) -> Option<Vec<Network>> {
        match raw {
            Raw::List(items) => items.iter().map(Self::one).collect(),
            _ => Self::one(raw).map(|network| vec![network]),
        }
    }
    fn show(value: &Vec<Network>) -> String {
        let items: Vec<String> = value.iter().map(|n| quoted(&n.to_string())).collect();
        format!("[{}]", items.join(", "))
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "an address or a network such as \"203.0.113.0/24\", or a list of these",
            "地址或网络（例如 \"203.0.113.0/24\"），或它们的列表",
        )
    }
}

/// Behind which address anybody may be.
pub struct Gateways;

impl Kind for Gateways {
    type Out = Gateway;
    fn read(raw: &Raw) -> Option<Gateway> {
        let Raw::Text(text) = raw else { return None };
        match text.as_str() {
            "auto" => Some(Gateway::Auto),
            "trust" => Some(Gateway::Trust),
            _ => text.parse().ok().map(Gateway::Named),
        }
    }
    fn show(value: &Gateway) -> String {
        match value {
            Gateway::Auto => quoted("auto"),
            Gateway::Trust => quoted("trust"),
            Gateway::Named(network) => quoted(&network.to_string()),
        }
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "auto, trust, or an address or network such as \"172.17.0.1\"",
            "auto、trust，或地址或网络（例如 \"172.17.0.1\"）",
        )
    }
}

/// Whom a listener takes, as EMQX writes it: `allow 10.0.0.0/8`, `deny all`.
pub struct AccessRules;

impl AccessRules {
    fn one(raw: &Raw) -> Option<AccessRule> {
        let Raw::Text(text) = raw else { return None };
        text.parse().ok()
    }
}

impl Kind for AccessRules {
    type Out = Vec<AccessRule>;
    fn read(raw: &Raw) -> Option<Vec<AccessRule>> {
        match raw {
            Raw::List(items) => items.iter().map(Self::one).collect(),
            _ => Self::one(raw).map(|rule| vec![rule]),
        }
    }
    fn show(value: &Vec<AccessRule>) -> String {
        let items: Vec<String> = value.iter().map(|rule| quoted(&rule.to_string())).collect();
        format!("[{}]", items.join(", "))
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "a list such as [\"allow 192.168.0.0/16\", \"deny all\"]",
            "列表，例如 [\"allow 192.168.0.0/16\", \"deny all\"]",
        )
    }
}

/// Weak points, by their names.
pub struct Risks;

impl Risks {
    fn one(raw: &Raw) -> Option<Id> {
        let Raw::Text(text) = raw else { return None };
        Id::ALL.into_iter().find(|id| id.name() == text)
    }
}

impl Kind for Risks {
    type Out = Vec<Id>;
    fn read(raw: &Raw) -> Option<Vec<Id>> {
        match raw {
            Raw::List(items) => items.iter().map(Self::one).collect(),
            _ => Self::one(raw).map(|id| vec![id]),
        }
    }
    fn show(value: &Vec<Id>) -> String {
        let items: Vec<String> = value.iter().map(|id| quoted(id.name())).collect();
        format!("[{}]", items.join(", "))
    }
    fn form(lang: Lang) -> String {
        let names = Id::ALL.map(|id| format!("\"{}\"", id.name())).join(" | ");
        names + &say(lang, ", or a list of these", "，或它们的列表")
    }
}

/// Names of hosts, in small letters.
pub struct Hosts;

impl Hosts {
    fn one(raw: &Raw) -> Option<String> {
        let Raw::Text(text) = raw else { return None };
        let text = text.trim().to_ascii_lowercase();
        let name = text.strip_prefix("*.").unwrap_or(&text);
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        let is_name = !name.is_empty() && name.bytes().all(fits);
        (is_name || text == "*").then_some(text)
    }
}

impl Kind for Hosts {
    type Out = Vec<String>;
    fn read(raw: &Raw) -> Option<Vec<String>> {
        match raw {
            Raw::List(items) => items.iter().map(Self::one).collect(),
            _ => Self::one(raw).map(|host| vec![host]),
        }
    }
    fn show(value: &Vec<String>) -> String {
        let items: Vec<String> = value.iter().map(|host| quoted(host)).collect();
        format!("[{}]", items.join(", "))
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "a host name such as \"mqtt.example.com\" or \"*.example.com\", \"*\" for any, or a list of these",
            "主机名（例如 \"mqtt.example.com\"、\"*.example.com\"，\"*\" 表示任意），或它们的列表",
        )
    }
}

/// The beginning of topics, with placeholders.
pub struct Mountpoint;

impl Kind for Mountpoint {
    type Out = String;
    fn read(raw: &Raw) -> Option<String> {
        let Raw::Text(text) = raw else { return None };
        let plain = text.replace("${clientid}", "x").replace("${username}", "x");
        let fits = |c: char| !matches!(c, '+' | '#' | '\0' | '$' | '{' | '}');
        ((1..=1024).contains(&text.len()) && plain.chars().all(fits)).then(|| text.clone())
    }
    fn show(value: &String) -> String {
        quoted(value)
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "the beginning of a topic, such as \"lab/\" or \"${username}/\"",
            "主题的开头，例如 \"lab/\" 或 \"${username}/\"",
        )
    }
}

/// Text that MQTT can carry.
pub struct Text;

impl Kind for Text {
    type Out = String;
    fn read(raw: &Raw) -> Option<String> {
        let fits = |text: &str| (1..=65_535).contains(&text.len()) && !text.contains('\0');
        match raw {
            Raw::Text(text) if fits(text) => Some(text.clone()),
            _ => None,
        }
    }
    fn show(value: &String) -> String {
        quoted(value)
    }
    fn form(lang: Lang) -> String {
        say(lang, "a text", "文本")
    }
}

/// Addresses to listen on. A port alone means all interfaces, both address families.
pub struct Binds;

impl Binds {
    fn one(raw: &Raw) -> Option<Vec<SocketAddr>> {
        let text = match raw {
            Raw::Int(port) => &port.to_string(),
            Raw::Text(text) => text.trim(),
            _ => return None,
        };
        if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
            let both: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
            return Some(both.map(|ip| SocketAddr::new(ip, port)).to_vec());
        }
        text.parse().ok().map(|addr| vec![addr])
    }
}

impl Kind for Binds {
    type Out = Vec<SocketAddr>;
    fn read(raw: &Raw) -> Option<Vec<SocketAddr>> {
        let Raw::List(items) = raw else {
            return Self::one(raw);
        };
        let mut all = Vec::new();
        for item in items {
            for addr in Self::one(item)? {
                if !all.contains(&addr) {
                    all.push(addr);
                }
            }
        }
        (!all.is_empty()).then_some(all)
    }
    fn show(value: &Vec<SocketAddr>) -> String {
        let items: Vec<String> = value.iter().map(|addr| format!("\"{addr}\"")).collect();
        format!("[{}]", items.join(", "))
    }
    fn form(lang: Lang) -> String {
        say(
            lang,
            "a port such as 1883, an address such as \"0.0.0.0:1883\" or \"[::]:1883\", or a list of these",
            "端口（例如 1883）、地址（例如 \"0.0.0.0:1883\" 或 \"[::]:1883\"），或它们的列表",
        )
    }
}

/// One of some words.
pub struct Choice<T>(T);

/// The words of a [`Choice`], in the order in which they are offered.
pub trait Words: Copy + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

impl<T: Words> Kind for Choice<T> {
    type Out = T;
    fn read(raw: &Raw) -> Option<T> {
        let Raw::Text(text) = raw else { return None };
        T::WORDS
            .iter()
            .find(|(word, _)| word == text)
            .map(|(_, value)| *value)
    }
    fn show(value: &T) -> String {
        let word = T::WORDS.iter().find(|(_, other)| other == value);
        format!("\"{}\"", word.map_or("", |(word, _)| word))
    }
    fn form(_: Lang) -> String {
        let words: Vec<String> = T::WORDS
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        words.join(" | ")
    }
}

/// Versions of TLS, at least one.
pub struct Versions;

/// A version of TLS that is not too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    V1_3,
    V1_2,
}

impl TlsVersion {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_3 => "tlsv1.3",
            Self::V1_2 => "tlsv1.2",
        }
    }
}

impl Words for TlsVersion {
    const WORDS: &'static [(&'static str, Self)] = &[
        (Self::V1_3.name(), Self::V1_3),
        (Self::V1_2.name(), Self::V1_2),
    ];
}

impl Kind for Versions {
    type Out = Vec<TlsVersion>;
    fn read(raw: &Raw) -> Option<Vec<TlsVersion>> {
        let all: Vec<_> = match raw {
            Raw::List(items) => items
                .iter()
                .map(<Choice<TlsVersion> as Kind>::read)
                .collect::<Option<_>>()?,
            _ => vec![<Choice<TlsVersion> as Kind>::read(raw)?],
        };
        (!all.is_empty()).then_some(all)
    }
    fn show(value: &Vec<TlsVersion>) -> String {
        let items: Vec<String> = value
            .iter()
            .map(<Choice<TlsVersion> as Kind>::show)
            .collect();
        format!("[{}]", items.join(", "))
    }
    fn form(lang: Lang) -> String {
        let words = <Choice<TlsVersion> as Kind>::form(lang);
        words + &say(lang, ", or a list of these", "，或它们的列表")
    }
}

/// Text in TOML's quotes.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
