//! Rules in a database: a row for each, of the client that is asked about. They are judged here, as rules
//! elsewhere are; where none is about it, others decide.

use std::{sync::Arc, time::Duration};

use engine::acl::{Acl, Ground, Inquiry, Judgement, Principal, Rules, Subject, User, Word};
use protocol::{Filter, QoS, Topic};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::claim;
use crate::access::remote::{
    Facts, Failure, Guard, Memory, Scope,
    database::{Database, DatabaseKind, DatabaseSetup, Row},
};

/// A database with rules.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RuleTable {
    /// How long rows are remembered.
    pub cache_millis: u64,
    pub database: DatabaseSetup,
}

pub(super) struct Table {
    database: Database,
    kind: DatabaseKind,
    guard: Guard,
    memory: Memory<Arc<Rules>>,
}

/// What is asked, as long as the answer takes.
pub(super) struct Asked {
    pub(super) client_id: Box<str>,
    who: Principal,
    publishes: bool,
    qos: QoS,
    retain: bool,
    topic: Box<str>,
}

impl Asked {
    pub(super) fn new(inquiry: &Inquiry<'_>) -> Self {
        // Without rules of its own, which were asked before.
        let who = match inquiry.who {
            Principal::User(user) => Principal::User(User {
                rules: None,
                ..user.clone()
            }),
            other => other.clone(),
        };
        Self {
            client_id: inquiry.client_id.into(),
            who,
            publishes: inquiry.publishes,
            qos: inquiry.qos,
            retain: inquiry.retain,
            topic: inquiry.topic.into(),
        }
    }

    /// What the first rule says that is about it.
    fn judged_by(&self, rules: Arc<Rules>) -> Word {
        let acl = Acl::new(Some(rules));
        let subject = Subject {
            who: &self.who,
            client_id: &self.client_id,
            access: None,
        };
        let (judgement, is_checked) = if self.publishes {
            let topic = Topic::trusted(&self.topic);
            let judged = acl.judge_publish(subject, topic, self.qos, self.retain);
            (judged, false)
        } else {
            acl.judge_subscribe(subject, Filter::trusted(&self.topic), self.qos)
        };
        match judgement {
            // Some of what it brings is denied, and deliveries do not ask elsewhere.
            _ if is_checked => Word::Deny,
            Judgement {
                is_allowed,
                ground: Ground::Rule(_),
            } => {
                if is_allowed {
                    Word::Allow
                } else {
                    Word::Deny
                }
            }
            _ => Word::Pass,
        }
    }
}

impl Table {
    pub(super) fn new(setup: &RuleTable) -> Result<Self, String> {
        let name = format!("{}, which has rules,", setup.database.told());
        let timeout = Duration::from_millis(setup.database.request_timeout_millis);
        let memory = Memory::new(Duration::from_millis(setup.cache_millis));
        Ok(Self {
            database: Database::new(&setup.database, Scope::Deed)?,
            kind: setup.database.kind,
            guard: Guard::new(name, timeout),
            memory: memory.map_err(|error| error.to_string())?,
        })
    }

    pub(super) fn values(&self, facts: &Facts<'_>) -> Option<Vec<String>> {
        self.database.values(facts)
    }

    pub(super) async fn say(&self, values: &[String], asked: &Asked) -> Result<Word, Failure> {
        let parts: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        let mark = self.memory.mark_of(&asked.client_id, &parts);
        if let Some(rules) = self.memory.recall(mark) {
            return Ok(asked.judged_by(rules));
        }
        let rules = async {
            let rows = self.database.rows(values).await?;
            let read = read(&rows, self.kind);
            let read = read.and_then(|list| claim::rules(&list, "database"));
            read.map(Arc::new).map_err(Failure::Odd)
        };
        let rules = self.guard.ask(rules).await?;
        self.memory.remember(mark, &rules);
        Ok(asked.judged_by(rules))
    }

    pub(super) fn forget(&self) {
        self.memory.forget();
    }

    pub(super) fn forget_of(&self, client_id: &str) {
        self.memory.forget_of(client_id);
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.guard.trouble()
    }
}

/// Rows as a list of rules. Redis has a topic and what may be done there, or an object in JSON about that;
/// SQL has a column for each part of a rule.
fn read(rows: &[Row], kind: DatabaseKind) -> Result<Value, String> {
    const PARTS: [&str; 5] = ["permission", "action", "topic", "qos", "retain"];
    let text = |value: &str| Value::String(value.to_owned());
    let mut list = Vec::new();
    for row in rows {
        if kind != DatabaseKind::Redis {
            let parts = row.iter().filter_map(|(name, value)| {
                let name = name.to_ascii_lowercase();
                PARTS.contains(&&*name).then(|| (name, text(value)))
            });
            list.push(Value::Object(parts.collect()));
            continue;
        }
        for (topic, value) in row {
            let mut rule: Map<String, Value> = if value.starts_with('{') {
                serde_json::from_str(value).map_err(|_| "a rule is no JSON".to_owned())?
            } else {
                Map::from_iter([("action".to_owned(), text(value))])
            };
            rule.insert("topic".to_owned(), text(topic));
            rule.insert("permission".to_owned(), json!("allow"));
            list.push(Value::Object(rule));
        }
    }
    Ok(Value::Array(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[(&str, &str)]) -> Row {
        let each = columns.iter();
        each.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn word(rows: &[Row], kind: DatabaseKind, publishes: bool, topic: &str) -> Option<Word> {
        let list = read(rows, kind).ok()?;
        let rules = claim::rules(&list, "database").ok()?;
        let inquiry = Inquiry {
            client_id: "c",
            who: &Principal::Anonymous,
            publishes,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic,
            sources: 1,
        };
        Some(Asked::new(&inquiry).judged_by(Arc::new(rules)))
    }

    #[test]
    fn rows_are_rules() {
        let rows = [
            row(&[
                ("permission", "deny"),
                ("action", "all"),
                ("topic", "a/secret"),
                ("id", "7"),
            ]),
            row(&[
                ("Permission", "allow"),
                ("action", "subscribe"),
                ("topic", "a/#"),
            ]),
            row(&[
                ("permission", "allow"),
                ("action", "publish"),
                ("topic", "${clientid}"),
                ("qos", "1,2"),
            ]),
        ];
        let sql = DatabaseKind::Mysql;
        for (publishes, topic, due) in [
            (true, "c", Word::Allow),
            (true, "a/secret", Word::Deny),
            (true, "other", Word::Pass),
            (false, "a/b", Word::Allow),
            (false, "a/#", Word::Deny),
            (false, "b", Word::Pass),
        ] {
            assert_eq!(word(&rows, sql, publishes, topic), Some(due), "{topic}");
        }
        assert_eq!(word(&[], sql, true, "a"), Some(Word::Pass));
        let redis = DatabaseKind::Redis;
        let json = r#"{"action": "publish", "qos": 1}"#;
        let pairs = [row(&[
            ("p/${clientid}", "publish"),
            ("s/#", "subscribe"),
            ("q", json),
        ])];
        for (publishes, topic, due) in [
            (true, "p/c", Word::Allow),
            (true, "s/x", Word::Pass),
            (true, "q", Word::Allow),
            (false, "s/x", Word::Allow),
        ] {
            assert_eq!(word(&pairs, redis, publishes, topic), Some(due), "{topic}");
        }
        for bad in [
            row(&[("permission", "allow"), ("topic", "a")]),
            row(&[("permission", "maybe"), ("action", "all"), ("topic", "a")]),
            row(&[
                ("permission", "allow"),
                ("action", "all"),
                ("topic", "a/#/b"),
            ]),
        ] {
            assert_eq!(word(&[bad], sql, true, "a"), None);
        }
        assert_eq!(word(&[row(&[("a", "{")])], redis, true, "a"), None);
    }
}
