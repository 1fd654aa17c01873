//! What clients may do: sources of rules, the rules that are edited here, and the question whether
//! somebody may do something. A change holds on all shards when the call that made it returns; clients that
//! are connected are judged anew within a second.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use backbone::Blob;
use engine::{
    Time,
    acl::{self, Acl, Ground, Heard, Judgement, Principal, Rules, Subject, User},
    policy::Policy,
};
use protocol::{Filter, QoS, SharedFilter, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{
    Admin, Bucket, Change, DecideError, Gone,
    policy::{Decided, decode, encode},
};
pub use crate::access::authorize::{
    AccessAction, AccessRule, AccessSettings, CacheSettings, RULES_MAX, RuleOwner, RuleTable,
    Source, SourceKind,
};
use crate::access::authorize::{
    Authorization, Book,
    elsewhere::{Elsewhere, Way},
    parse,
};
use crate::config::Profile;
use crate::lan::is_near;
use crate::shard::{VISIT_MAX, Visit};

/// Under which sources and settings are kept.
pub(super) const KEY: &str = "authorization";

/// How many rules a file of them has, in any of the forms that are known.
///
/// # Errors
/// What is wrong with it, and where.
pub fn check_rules(text: &str) -> Result<usize, String> {
    parse(text).map(|rules| rules.len())
}

/// Why rules were not changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    #[error("there is already {0}")]
    Exists(String),
    #[error("there is no {0}")]
    Missing(String),
    #[error("disable the source built_in_database first: its rules are in force")]
    InForce,
    #[error(transparent)]
    Decide(#[from] DecideError),
}

/// All that is decided about it.
#[derive(Debug, Default)]
pub(super) struct AccessDecided {
    authorization: Authorization,
    book: Book,
    /// What the store had of sources could not be read.
    is_broken: bool,
}

/// Rules as they are kept.
#[derive(Serialize, Deserialize)]
struct Record {
    rules: Vec<AccessRule>,
}

impl AccessDecided {
    /// Where nobody has decided anything yet.
    pub(super) fn of(profile: Profile) -> Self {
        let mut decided = Self::default();
        decided.authorization.settings.denies_unmatched = profile == Profile::Production;
        decided
    }

    /// Sources and settings of an earlier life.
    pub(super) fn restore(&mut self, bytes: &[u8]) -> Result<(), String> {
        let read = decode(bytes).map(|authorization| self.authorization = authorization);
        self.is_broken = read.is_err();
        read
    }

    /// Rules of an earlier life. Where some cannot be used, nobody may anything, rather than somebody
    /// what was denied.
    pub(super) fn restore_rules(
        &mut self,
        records: &[(Blob, Blob)],
        policy: &mut Policy,
    ) -> Result<(), String> {
        let restored = self.read(records);
        policy.access = restored.clone().unwrap_or_else(|_| {
            let name = "rules in the store cannot be used; see the log of the start";
            Some(Arc::new(Rules::nothing(name)))
        });
        restored.map(|_| ())
    }

    /// Whether rules of a file were taken before. What cannot be read may have been some.
    pub(super) fn has_file(&self) -> bool {
        let mut sources = self.authorization.sources.iter();
        self.is_broken || sources.any(|source| source.kind == SourceKind::File)
    }

    /// Takes the rules of a file, and gives the record that keeps them.
    pub(super) fn begin(&mut self, text: String, policy: &mut Policy) -> Result<Change, String> {
        let mut changed = self.authorization.clone();
        changed.sources.push(Source {
            kind: SourceKind::File,
            enabled: true,
            text,
            service: None,
            table: None,
        });
        policy.access = changed.compile(&self.book)?;
        let record = (KEY.as_bytes().to_vec(), Some(encode(&changed)));
        self.authorization = changed;
        Ok(record)
    }

    /// Who is asked elsewhere.
    pub(super) fn ways(&self) -> Vec<Way> {
        self.authorization.ways()
    }

    fn read(&mut self, records: &[(Blob, Blob)]) -> Result<Option<Arc<Rules>>, String> {
        for (key, value) in records {
            let owner = RuleOwner::of_key(key);
            let owner = owner.ok_or_else(|| "a key is of no known form".to_owned())?;
            let record: Record = decode(value)?;
            self.book.insert(owner, record.rules.into());
        }
        if self.is_broken {
            return Err("their sources are not known".to_owned());
        }
        self.authorization.compile(&self.book)
    }
}

/// A name, and the rules of whoever has it.
pub type Owned = (String, Arc<[AccessRule]>);

/// Whether somebody may do something.
#[derive(Clone, Debug, Default)]
pub struct Inquiry {
    /// Proven; none for anonymous.
    pub user_name: Option<String>,
    pub client_id: String,
    pub common_name: Option<String>,
    pub peer: Option<IpAddr>,
    pub is_superuser: bool,
    pub publishes: bool,
    /// A topic, or the filter of a subscription.
    pub topic: String,
    pub qos: u8,
    pub retain: bool,
    /// Rules that are not in force, to be tried in the place of the file's.
    pub file: Option<String>,
}

/// A decision that hangs on what a source elsewhere has said, while that need not be asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// To publish, or else to subscribe.
    pub publishes: bool,
    /// A topic, or the filter of a subscription.
    pub topic: String,
    pub is_allowed: bool,
    /// When it was said, in milliseconds since 1970.
    pub since: u64,
}

/// The answer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub is_allowed: bool,
    /// Some of what the subscription brings is denied.
    pub is_partly: bool,
    /// What kind of thing decided: `rule`, `no_match`, `superuser`, `system_topic`, `events`; or `elsewhere`,
    /// which is a source that was asked.
    pub by: &'static str,
    pub rule: String,
}

impl Admin {
    #[must_use]
    pub fn access_settings(&self) -> AccessSettings {
        self.decided().access.authorization.settings.clone()
    }

    /// # Errors
    /// If they cannot be kept.
    pub async fn set_access_settings(&self, settings: AccessSettings) -> Result<(), AccessError> {
        self.authorize(|authorization| {
            authorization.settings = settings;
            Ok(())
        })
        .await
    }

    /// Sources in their order.
    #[must_use]
    pub fn access_sources(&self) -> Vec<Source> {
        self.decided().access.authorization.sources.clone()
    }

    /// What is wrong with a source, if anything is.
    #[must_use]
    pub fn access_trouble(&self, source: &Source) -> Option<String> {
        let way = source.way()?;
        self.0.decisions.elsewhere()?.trouble(&way)
    }

    /// Adds a source behind the others.
    ///
    /// # Errors
    /// If there is one of its kind, its rules are none, or it cannot be kept.
    pub async fn add_access_source(&self, source: Source) -> Result<(), AccessError> {
        self.authorize(|authorization| {
            let sources = &mut authorization.sources;
            if sources.iter().any(|other| other.kind == source.kind) {
                return Err(AccessError::Exists(told(source.kind)));
            }
            sources.push(source);
            Ok(())
        })
        .await
    }

    /// Puts a source in the place of that of its kind.
    ///
    /// # Errors
    /// If there is none, its rules are none, or it cannot be kept.
    pub async fn set_access_source(&self, source: Source) -> Result<(), AccessError> {
        self.authorize(|authorization| {
            let mut sources = authorization.sources.iter_mut();
            match sources.find(|other| other.kind == source.kind) {
                Some(other) => *other = source,
                None => return Err(AccessError::Missing(told(source.kind))),
            }
            Ok(())
        })
        .await
    }

    /// # Errors
    /// If there is none, or that cannot be kept.
    pub async fn drop_access_source(&self, kind: SourceKind) -> Result<(), AccessError> {
        self.authorize(|authorization| {
            let before = authorization.sources.len();
            authorization.sources.retain(|source| source.kind != kind);
            if authorization.sources.len() == before {
                return Err(AccessError::Missing(told(kind)));
            }
            Ok(())
        })
        .await
    }

    /// # Errors
    /// If these are not all sources, each once, or that cannot be kept.
    pub async fn order_access_sources(&self, kinds: Vec<SourceKind>) -> Result<(), AccessError> {
        self.authorize(|authorization| {
            let mut sources = std::mem::take(&mut authorization.sources);
            for kind in kinds {
                let at = sources.iter().position(|source| source.kind == kind);
                let at = at.ok_or_else(|| AccessError::Missing(told(kind)))?;
                authorization.sources.push(sources.remove(at));
            }
            if let Some(left) = sources.first() {
                let words = format!("{} has no place in this order", told(left.kind));
                return Err(DecideError::Invalid(words).into());
            }
            Ok(())
        })
        .await
    }

    /// Rules of somebody; `None` if there are none.
    #[must_use]
    pub fn access_rules(&self, owner: &RuleOwner) -> Option<Arc<[AccessRule]>> {
        self.decided().access.book.get(owner).cloned()
    }

    /// Of users, or else of clients: how many have rules and the wanted part of their names, and a window
    /// of them with their rules.
    #[must_use]
    pub fn access_owners(
        &self,
        of: fn(&RuleOwner) -> Option<&str>,
        like: Option<&str>,
        (offset, limit): (usize, usize),
    ) -> (usize, Vec<Owned>) {
        let decided = self.decided();
        let named = decided.access.book.iter();
        let named = named.filter_map(|(owner, rules)| Some((of(owner)?, rules)));
        let wanted = named.filter(|(name, _)| like.is_none_or(|part| name.contains(part)));
        let page = wanted.clone().skip(offset).take(limit);
        let page = page.map(|(name, rules)| (name.to_owned(), rules.clone()));
        let page = page.collect();
        (wanted.count(), page)
    }

    /// Gives rules to those who have none: all of them or nobody.
    ///
    /// # Errors
    /// If one has some, one is no rule, there are too many, or they cannot be kept.
    pub async fn add_access_rules(
        &self,
        given: Vec<(RuleOwner, Vec<AccessRule>)>,
    ) -> Result<(), AccessError> {
        self.write_rules(|book| {
            let mut named = std::collections::BTreeSet::new();
            for (owner, _) in &given {
                if book.contains_key(owner) || !named.insert(owner.clone()) {
                    return Err(AccessError::Exists(rules_of(owner)));
                }
            }
            Ok(given
                .into_iter()
                .map(|(o, rules)| (o, Some(rules)))
                .collect())
        })
        .await
    }

    /// Puts rules in the place of what somebody had.
    ///
    /// # Errors
    /// If one is no rule, there are too many, or they cannot be kept.
    pub async fn set_access_rules(
        &self,
        owner: RuleOwner,
        rules: Vec<AccessRule>,
    ) -> Result<(), AccessError> {
        self.write_rules(|_| Ok(vec![(owner, Some(rules))])).await
    }

    /// # Errors
    /// If there are none, or that cannot be kept.
    pub async fn drop_access_rules(&self, owner: RuleOwner) -> Result<(), AccessError> {
        self.write_rules(|book| {
            if !book.contains_key(&owner) {
                return Err(AccessError::Missing(rules_of(&owner)));
            }
            Ok(vec![(owner, None)])
        })
        .await
    }

    /// Deletes all rules that are edited here.
    ///
    /// # Errors
    /// If their source is enabled, or that cannot be kept.
    pub async fn drop_all_access_rules(&self) -> Result<(), AccessError> {
        let enabled = self
            .access_sources()
            .into_iter()
            .any(|source| source.kind == SourceKind::BuiltInDatabase && source.enabled);
        if enabled {
            return Err(AccessError::InForce);
        }
        self.write_rules(|book| Ok(book.keys().map(|owner| (owner.clone(), None)).collect()))
            .await
    }

    /// Whether somebody may do something now, and what says so. Sources elsewhere are asked.
    ///
    /// # Errors
    /// If it is no question, or the rules to be tried are none.
    pub async fn may(&self, inquiry: &Inquiry) -> Result<Answer, DecideError> {
        let rules = match &inquiry.file {
            None => self.decided().policy.access.clone(),
            Some(text) => {
                let decided = self.decided();
                let mut tried = decided.access.authorization.clone();
                let source = Source {
                    kind: SourceKind::File,
                    enabled: true,
                    text: text.clone(),
                    service: None,
                    table: None,
                };
                match tried
                    .sources
                    .iter_mut()
                    .find(|s| s.kind == SourceKind::File)
                {
                    Some(file) => *file = source,
                    None => tried.sources.push(source),
                }
                let compiled = tried.compile(&decided.access.book);
                compiled.map_err(DecideError::Invalid)?
            }
        };
        let elsewhere = self.0.decisions.elsewhere();
        inquiry.answer(&Acl::new(rules), elsewhere).await
    }

    /// Forgets what sources elsewhere have said of what clients do: whatever comes after is asked again.
    ///
    /// # Errors
    /// If the broker is shutting down.
    pub async fn forget_words(&self) -> Result<(), Gone> {
        // Before the clients do, or these would be given it once more.
        if let Some(elsewhere) = self.0.decisions.elsewhere() {
            elsewhere.forget();
        }
        let forget = |visit: &mut Visit<'_>, from| ((), visit.engine.forget_words(from, VISIT_MAX));
        self.each_slice(forget, |()| {}).await
    }

    /// The same of one client. False if there is no such session.
    ///
    /// # Errors
    /// As above.
    pub async fn forget_words_of(&self, client_id: &str) -> Result<bool, Gone> {
        if let Some(elsewhere) = self.0.decisions.elsewhere() {
            elsewhere.forget_of(client_id);
        }
        let name = client_id.to_owned();
        let forget = move |visit: &mut Visit<'_>| visit.engine.forget_words_of(&name);
        self.ask(self.home(client_id), forget).await
    }

    /// What a client may and may not do because sources elsewhere have said so, as far as that is remembered.
    /// `None` if there is no such session.
    ///
    /// # Errors
    /// As above.
    pub async fn words_of(&self, client_id: &str) -> Result<Option<Vec<Remembered>>, Gone> {
        let name = client_id.to_owned();
        self.ask(self.home(client_id), move |visit| {
            let client = visit.engine.client(&name)?;
            let decisions = client.decisions(visit.now);
            let remembered = decisions.map(|decision| Remembered {
                publishes: decision.publishes,
                topic: decision.topic.to_owned(),
                is_allowed: decision.is_allowed,
                since: decision.since.0,
            });
            Some(remembered.collect())
        })
        .await
    }

    /// Changes sources or settings: checked first, then kept, then told to all shards.
    async fn authorize(
        &self,
        change: impl FnOnce(&mut Authorization) -> Result<(), AccessError>,
    ) -> Result<(), AccessError> {
        let _turn = self.turn().await;
        let (authorization, rules) = {
            let decided = self.decided();
            let mut changed = decided.access.authorization.clone();
            change(&mut changed)?;
            let rules = changed.compile(&decided.access.book);
            (changed, rules.map_err(DecideError::Invalid)?)
        };
        let record = (KEY.as_bytes().to_vec(), Some(encode(&authorization)));
        let kept = self.keep().put(Bucket::Policy, vec![record]).await;
        kept.map_err(DecideError::from)?;
        {
            let mut decided = self.decided();
            decided.access.authorization = authorization;
            decided.policy.access = rules;
        }
        Ok(self.tell().await.map_err(DecideError::from)?)
    }

    async fn write_rules(
        &self,
        change: impl FnOnce(&Book) -> Result<Vec<(RuleOwner, Option<Vec<AccessRule>>)>, AccessError>,
    ) -> Result<(), AccessError> {
        let _turn = self.turn().await;
        let (book, records, rules) = {
            let decided = self.decided();
            let mut book = decided.access.book.clone();
            let mut records: Vec<Change> = Vec::new();
            for (owner, rules) in change(&book)? {
                let key = owner.key();
                let Some(rules) = rules else {
                    book.remove(&owner);
                    records.push((key, None));
                    continue;
                };
                check(&owner, &rules)?;
                book.insert(owner, rules.clone().into());
                records.push((key, Some(encode(&Record { rules }))));
            }
            let rules = decided.access.authorization.compile(&book);
            (book, records, rules.map_err(DecideError::Invalid)?)
        };
        let kept = self.keep().put(Bucket::AccessRule, records).await;
        kept.map_err(DecideError::from)?;
        {
            let mut decided: std::sync::MutexGuard<'_, Decided> = self.decided();
            decided.access.book = book;
            decided.policy.access = rules;
        }
        Ok(self.tell().await.map_err(DecideError::from)?)
    }
}

fn told(kind: SourceKind) -> String {
    format!("source {}", kind.name())
}

fn rules_of(owner: &RuleOwner) -> String {
    match owner {
        RuleOwner::Client(id) => format!("rule of client {id}"),
        RuleOwner::User(name) => format!("rule of user {name}"),
        RuleOwner::All => "rule for all".to_owned(),
    }
}

fn check(owner: &RuleOwner, rules: &[AccessRule]) -> Result<(), DecideError> {
    if rules.len() > RULES_MAX {
        let text = format!(
            "there may be {RULES_MAX} rules of one kind, not {}",
            rules.len()
        );
        return Err(DecideError::TooMany(text));
    }
    let name = match owner {
        RuleOwner::Client(name) | RuleOwner::User(name) => name,
        RuleOwner::All => return Ok(()),
    };
    if name.is_empty() || name.contains('\0') || name.len() > usize::from(u16::MAX) {
        let text = "a name is empty, too long, or has U+0000 in it";
        return Err(DecideError::Invalid(text.to_owned()));
    }
    Ok(())
}

impl Inquiry {
    async fn answer(
        &self,
        acl: &Acl,
        elsewhere: Option<Arc<Elsewhere>>,
    ) -> Result<Answer, DecideError> {
        let invalid = |text: &str| DecideError::Invalid(text.to_owned());
        let qos = QoS::from_bits(self.qos).ok_or_else(|| invalid("qos is none of 0, 1 and 2"))?;
        let who = match &self.user_name {
            None if self.is_superuser || self.common_name.is_some() => {
                return Err(invalid("whoever has proven something has a user name"));
            }
            None if self.peer.is_some_and(|peer| !is_near(peer, &[])) => Principal::Afar,
            None => Principal::Anonymous,
            Some(name) => Principal::User(User {
                superuser: self.is_superuser,
                common_name: self.common_name.as_deref().map(Into::into),
                ..User::new(name.as_str())
            }),
        };
        let peer = self.peer.map(|peer| (peer, 0).into());
        let mut access = acl.access(&who, &self.client_id, peer);
        let shared;
        let topic = if self.publishes {
            let topic = Topic::parse(&self.topic, u16::MAX).map_err(|_| invalid("no topic"))?;
            topic.as_str()
        } else {
            let parsed = SharedFilter::parse(&self.topic, u16::MAX);
            shared = parsed.map_err(|_| invalid("no topic filter"))?;
            shared.filter.as_str()
        };
        let asked = acl::Inquiry {
            client_id: &self.client_id,
            who: &who,
            publishes: self.publishes,
            qos,
            retain: self.retain,
            topic,
            sources: 0,
        };
        let sources = acl.sources(&asked, access.as_deref(), Time(0));
        let is_asked = sources > 0;
        let mut is_answered = false;
        if let (true, Some(elsewhere), Some(access)) = (is_asked, elsewhere, &mut access) {
            let (say, said) = oneshot::channel();
            let asked = acl::Inquiry { sources, ..asked };
            let address = self.peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            elsewhere.ask(&asked, address, move |heard| {
                // Who asked may have gone.
                let _ = say.send(heard);
            });
            if let Ok(Heard::Word(word, by)) = said.await {
                is_answered = true;
                access.hear(asked.action(), topic, (word, by), acl.keeps(Time(0)), 1);
            }
        }
        let subject = Subject {
            who: &who,
            client_id: &self.client_id,
            access: access.as_deref(),
        };
        let (Judgement { is_allowed, ground }, is_partly) = if self.publishes {
            let judged = acl.judge_publish(subject, Topic::trusted(topic), qos, self.retain);
            (judged, false)
        } else {
            let (judgement, is_checked) = acl.judge_subscribe(subject, Filter::trusted(topic), qos);
            (judgement, judgement.is_allowed && is_checked)
        };
        if is_asked && !is_answered {
            return Ok(Answer {
                is_allowed: false,
                is_partly: false,
                by: "elsewhere",
                rule: "a source of rules elsewhere, which does not answer".to_owned(),
            });
        }
        Ok(Answer {
            is_allowed,
            is_partly,
            by: match ground {
                Ground::Rule(_) | Ground::Own(_) => "rule",
                // What is asked here has no token.
                Ground::NoMatch | Ground::Expired => "no_match",
                Ground::Master | Ground::Viewer => "superuser",
                Ground::System | Ground::Distance => "system_topic",
                Ground::Events => "events",
                Ground::Outside(_) | Ground::Between => "elsewhere",
            },
            rule: acl.told(ground, &who).to_owned(),
        })
    }
}
