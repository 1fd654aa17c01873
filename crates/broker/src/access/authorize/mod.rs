//! What clients may do: where rules come from, in their order, and what the shards are given of them.

pub(super) mod claim;
pub(crate) mod elsewhere;
mod file;
mod record;
mod table;

use std::{collections::BTreeMap, sync::Arc};

use engine::acl::{Outside, Permission, Rule, Rules, SOURCES_MAX, Terms, Who};
use serde::{Deserialize, Serialize};

pub(crate) use file::parse;
pub use record::{AccessAction, AccessRule};
pub use table::RuleTable;

use self::elsewhere::Way;
use super::remote::service::HttpService;

/// Rules of one user, one client, or all.
pub const RULES_MAX: usize = 100;
/// What may be remembered of sources elsewhere for one connection.
const SAID_MAX: usize = 1_000;

/// Whose rules they are, in the order in which they are asked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RuleOwner {
    Client(String),
    User(String),
    All,
}

impl RuleOwner {
    /// Under which the store keeps its rules.
    pub(crate) fn key(&self) -> Vec<u8> {
        let text = match self {
            Self::Client(id) => format!("client\0{id}"),
            Self::User(name) => format!("user\0{name}"),
            Self::All => "all".to_owned(),
        };
        text.into_bytes()
    }

    pub(crate) fn of_key(key: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(key).ok()?;
        match text.split_once('\0') {
            Some(("client", id)) => Some(Self::Client(id.to_owned())),
            Some(("user", name)) => Some(Self::User(name.to_owned())),
            None if text == "all" => Some(Self::All),
            _ => None,
        }
    }

    fn who(&self) -> Who {
        match self {
            Self::Client(id) => Who::Client(id.as_str().into()),
            Self::User(name) => Who::User(name.as_str().into()),
            Self::All => Who::Everybody,
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Client(id) => format!("built_in_database, client {id}"),
            Self::User(name) => format!("built_in_database, user {name}"),
            Self::All => "built_in_database, all".to_owned(),
        }
    }
}

/// The rules that are edited here.
pub(crate) type Book = BTreeMap<RuleOwner, Arc<[AccessRule]>>;

/// Where rules come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    BuiltInDatabase,
    File,
    /// A service that is asked.
    Http,
    /// Databases that are.
    Redis,
    Postgresql,
    Mysql,
}

impl SourceKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BuiltInDatabase => "built_in_database",
            Self::File => "file",
            Self::Http => "http",
            Self::Redis => "redis",
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
        }
    }

    /// As people are told which source decided.
    fn told(self) -> &'static str {
        match self {
            Self::BuiltInDatabase => "the rules of the broker",
            Self::File => "the rules of the file",
            Self::Http => "the source http, which was asked",
            Self::Redis => "the source redis, which was asked",
            Self::Postgresql => "the source postgresql, which was asked",
            Self::Mysql => "the source mysql, which was asked",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::BuiltInDatabase,
            Self::File,
            Self::Http,
            Self::Redis,
            Self::Postgresql,
            Self::Mysql,
        ];
        all.into_iter().find(|kind| kind.name() == name)
    }
}

/// A source of rules.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Source {
    pub kind: SourceKind,
    pub enabled: bool,
    /// The rules of a file; empty for the others.
    pub text: String,
    /// Of `http`: how it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<HttpService>,
    /// Of databases, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<RuleTable>,
}

impl Source {
    /// Who is asked, if it is not its rules.
    pub(crate) fn way(&self) -> Option<Way> {
        match (&self.service, &self.table) {
            (Some(service), _) => Some(Way::Http(service.clone())),
            (None, Some(table)) => Some(Way::Table(table.clone())),
            (None, None) => None,
        }
    }
}

/// What is remembered of what sources elsewhere have said, for each connection. What the broker decides
/// itself is not remembered: that would take longer than to decide it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CacheSettings {
    pub enabled: bool,
    pub max_size: u32,
    pub ttl: String,
    pub excludes: Vec<String>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_size: 32,
            ttl: "1m".to_owned(),
            excludes: Vec::new(),
        }
    }
}

/// What holds besides the rules.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AccessSettings {
    /// Where no rule says anything.
    pub denies_unmatched: bool,
    /// Whoever does what is denied is disconnected.
    pub disconnects: bool,
    pub cache: CacheSettings,
}

/// Sources and settings, as they are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Authorization {
    pub(crate) settings: AccessSettings,
    pub(crate) sources: Vec<Source>,
}

impl Default for Authorization {
    fn default() -> Self {
        Self {
            settings: AccessSettings::default(),
            sources: vec![Source {
                kind: SourceKind::BuiltInDatabase,
                enabled: true,
                text: String::new(),
                service: None,
                table: None,
            }],
        }
    }
}

impl Authorization {
    /// What the shards are given; nothing where everybody may everything.
    pub(crate) fn compile(&self, book: &Book) -> Result<Option<Arc<Rules>>, String> {
        let mut rules = Vec::new();
        let mut outside: Option<Outside> = None;
        for source in &self.sources {
            let own = match source.kind {
                SourceKind::BuiltInDatabase => of_book(book)?,
                SourceKind::File => parse(&source.text)?,
                kind => {
                    let missing = || format!("{}: how it is asked is missing", kind.name());
                    elsewhere::check(&source.way().ok_or_else(missing)?)?;
                    if source.enabled {
                        let at = u32::try_from(rules.len());
                        let at = at.map_err(|_| "too many rules".to_owned())?;
                        match &mut outside {
                            None => outside = Some(self.settings.cache.outside(at, kind)?),
                            Some(others) => {
                                if !others.add(at, kind.told()) {
                                    let most =
                                        format!("no more than {SOURCES_MAX} sources elsewhere");
                                    return Err(most);
                                }
                            }
                        }
                    }
                    Vec::new()
                }
            };
            if source.enabled {
                rules.extend(own);
            }
        }
        let AccessSettings {
            denies_unmatched,
            disconnects,
            ..
        } = self.settings;
        if rules.is_empty() && outside.is_none() && !denies_unmatched && !disconnects {
            return Ok(None);
        }
        let terms = Terms {
            no_match: if denies_unmatched {
                Permission::Deny
            } else {
                Permission::Allow
            },
            disconnects,
            outside,
        };
        let rules = Rules::compile(rules, terms).map_err(|error| error.to_string())?;
        Ok(Some(Arc::new(rules)))
    }

    /// Who is asked elsewhere, in their order.
    pub(crate) fn ways(&self) -> Vec<Way> {
        let enabled = self.sources.iter().filter(|source| source.enabled);
        enabled.filter_map(Source::way).collect()
    }
}

impl CacheSettings {
    /// The first of those elsewhere is asked behind so many rules.
    fn outside(&self, at: u32, kind: SourceKind) -> Result<Outside, String> {
        let most = usize::try_from(self.max_size).unwrap_or(0);
        let keep_millis = if self.enabled {
            millis(&self.ttl).ok_or("cache.ttl is a duration such as 30s or 1m")?
        } else {
            0
        };
        let most = most.clamp(1, SAID_MAX);
        Ok(Outside::new(at, kind.told(), most, keep_millis))
    }
}

/// A duration as EMQX writes it.
fn millis(text: &str) -> Option<u64> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(end);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn of_book(book: &Book) -> Result<Vec<Rule>, String> {
    let mut rules = Vec::new();
    for (owner, list) in book {
        let (source, who) = (owner.told(), owner.who());
        for (number, rule) in (1..).zip(&**list) {
            let made = rule.rule(who.clone(), &source, number);
            rules.push(made.map_err(|error| format!("{source}, rule {number}: {error}"))?);
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(allows: bool, topic: &str) -> AccessRule {
        AccessRule {
            allows,
            action: AccessAction::All,
            topic: topic.to_owned(),
            qos: vec![0, 1, 2],
            retain: None,
        }
    }

    #[test]
    fn keys_there_and_back() {
        let owners = [
            RuleOwner::All,
            RuleOwner::User("all".into()),
            RuleOwner::Client("a\u{1}b".into()),
        ];
        for owner in owners {
            assert_eq!(RuleOwner::of_key(&owner.key()), Some(owner));
        }
        assert_eq!(RuleOwner::of_key(b"other"), None);
        assert_eq!(RuleOwner::of_key(b"group\0x"), None);
    }

    /// Nothing decided costs nothing; a source that is broken is no source.
    #[test]
    fn what_shards_are_given() {
        let mut authorization = Authorization::default();
        let mut book = Book::new();
        assert!(authorization.compile(&book).unwrap().is_none());
        book.insert(RuleOwner::All, [rule(false, "a")].into());
        assert_eq!(authorization.compile(&book).unwrap().unwrap().len(), 1);
        authorization.sources[0].enabled = false;
        assert!(authorization.compile(&book).unwrap().is_none());
        authorization.settings.disconnects = true;
        assert!(authorization.compile(&book).unwrap().is_some());
        authorization.sources.push(Source {
            kind: SourceKind::File,
            enabled: true,
            text: "{deny, all, all, [\"b\"]}.".to_owned(),
            service: None,
            table: None,
        });
        assert_eq!(authorization.compile(&book).unwrap().unwrap().len(), 1);
        authorization.sources[1].text = "junk".to_owned();
        assert!(authorization.compile(&book).is_err());
        book.insert(RuleOwner::All, [rule(false, "a/#/b")].into());
        let error = authorization.compile(&book).unwrap_err();
        assert_eq!(error, "built_in_database, all, rule 1: no topic filter");
    }
}
