//! Rules as they are kept and shown, and what the engine makes of them.

use engine::acl::{Actions, Permission, Rule, Topics, Who};
use protocol::QoS;
use serde::{Deserialize, Serialize};

/// A rule for one user, one client or all, as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRule {
    pub allows: bool,
    pub action: AccessAction,
    /// A filter, with `${clientid}`, `${username}` and `${cert_common_name}` in it; `eq ` before it for
    /// this filter alone.
    pub topic: String,
    /// For these QoS.
    pub qos: Vec<u8>,
    /// For messages with RETAIN, or without; for both if it is not said.
    pub retain: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessAction {
    Publish,
    Subscribe,
    All,
}

impl AccessAction {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::All => "all",
        }
    }

    /// With conditions.
    pub(super) fn of(self, qos: &[u8], retain: Option<bool>) -> Result<Actions, String> {
        let qos: Option<Vec<QoS>> = qos.iter().map(|qos| QoS::from_bits(*qos)).collect();
        let qos = qos.filter(|qos| !qos.is_empty());
        let qos = qos.ok_or("qos has other values than 0, 1 and 2, or none")?;
        let all = match self {
            Self::Publish => Actions::PUBLISH,
            Self::Subscribe => Actions::SUBSCRIBE,
            Self::All => Actions::ALL,
        };
        Ok(all.only(&qos, retain))
    }
}

/// Whatever the QoS.
pub(super) const ANY_QOS: [u8; 3] = [0, 1, 2];

/// A name for a rule, as people are told of it: `file, rule 3: allow publish a/#`.
pub(super) fn told(
    source: &str,
    number: usize,
    permission: Permission,
    action: &str,
    topics: &[&str],
) -> Box<str> {
    /// Of the topics' text.
    const TOLD_MAX: usize = 200;
    let does = permission_name(permission);
    let mut topics = topics.join(", ");
    if topics.len() > TOLD_MAX {
        topics.truncate(topics.floor_char_boundary(TOLD_MAX));
        topics.push('…');
    }
    format!("{source}, rule {number}: {does} {action} {topics}").into()
}

pub(super) fn permission_name(permission: Permission) -> &'static str {
    match permission {
        Permission::Allow => "allow",
        Permission::Deny => "deny",
    }
}

impl AccessRule {
    pub(super) fn permission(&self) -> Permission {
        if self.allows {
            Permission::Allow
        } else {
            Permission::Deny
        }
    }

    /// For somebody, as the rule of this number of a source.
    pub(super) fn rule(&self, who: Who, source: &str, number: usize) -> Result<Rule, String> {
        let topics = Topics::parse(&self.topic).map_err(|error| error.to_string())?;
        Ok(Rule {
            permission: self.permission(),
            who,
            actions: self.action.of(&self.qos, self.retain)?,
            topics: vec![topics],
            name: told(
                source,
                number,
                self.permission(),
                self.action.name(),
                &[&self.topic],
            ),
        })
    }
}
