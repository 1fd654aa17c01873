//! Our own form: TOML, a table for each rule.

use engine::{
    acl::{Permission, Rule, Topics, Who},
    policy::Pattern,
};
use serde::Deserialize;

use super::{
    super::record::{ANY_QOS, AccessAction, told},
    network,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    permission: Words,
    #[serde(default)]
    who: Someone,
    #[serde(default = "everything")]
    action: AccessAction,
    topics: Vec<String>,
    #[serde(default = "any_qos")]
    qos: Vec<u8>,
    retain: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Words {
    Allow,
    Deny,
}

fn everything() -> AccessAction {
    AccessAction::All
}

fn any_qos() -> Vec<u8> {
    ANY_QOS.into()
}

/// `"all"`, `"anonymous"`, or a table with one key.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Someone {
    #[default]
    All,
    Anonymous,
    User(String),
    Client(String),
    /// An address or network.
    Address(String),
    UserLike(String),
    ClientLike(String),
    Any(Vec<Self>),
    Every(Vec<Self>),
}

impl Someone {
    fn who(self) -> Result<Who, String> {
        let like = |text: &str| Pattern::new(text).map_err(|error| error.to_string());
        let all = |list: Vec<Self>| {
            let each = list.into_iter().map(Self::who);
            each.collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Self::All => Who::Everybody,
            Self::Anonymous => Who::Anonymous,
            Self::User(name) => Who::User(name.into()),
            Self::Client(id) => Who::Client(id.into()),
            Self::Address(text) => Who::Network(network(&text)?),
            Self::UserLike(text) => Who::UserPattern(like(&text)?),
            Self::ClientLike(text) => Who::ClientPattern(like(&text)?),
            Self::Any(list) => Who::Any(all(list)?),
            Self::Every(list) => Who::Every(all(list)?),
        })
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<Rule>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let numbered = (1..).zip(file.rule);
    let each = numbered.map(|(number, line)| {
        line.rule(number)
            .map_err(|error| format!("rule {number}: {error}"))
    });
    each.collect()
}

impl Line {
    fn rule(self, number: usize) -> Result<Rule, String> {
        let permission = match self.permission {
            Words::Allow => Permission::Allow,
            Words::Deny => Permission::Deny,
        };
        let topics: Result<Vec<_>, String> = self
            .topics
            .iter()
            .map(|text| Topics::parse(text).map_err(|error| format!("{text:?}: {error}")))
            .collect();
        let texts: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        Ok(Rule {
            permission,
            who: self.who.who()?,
            actions: self.action.of(&self.qos, self.retain)?,
            topics: topics?,
            name: told("file", number, permission, self.action.name(), &texts),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_there_is() {
        let text = r##"
            [[rule]]
            permission = "allow"
            who = { user = "anna" }
            action = "publish"
            topics = ["a/#", "eq b/+", "${clientid}/x"]
            qos = [0, 1]
            retain = false

            [[rule]]
            permission = "deny"
            who = { any = [{ address = "10.0.0.0/8" }, { every = ["anonymous", { client_like = "^x" }] }] }
            topics = ["c"]
        "##;
        let rules = parse(text).unwrap();
        assert_eq!(rules.len(), 2);
        assert_eq!(
            &*rules[0].name,
            "file, rule 1: allow publish a/#, eq b/+, ${clientid}/x"
        );
        assert!(matches!(&rules[0].who, Who::User(name) if &**name == "anna"));
        assert!(matches!(&rules[1].who, Who::Any(list) if list.len() == 2));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let rule = |rest: &str| format!("[[rule]]\npermission = \"deny\"\n{rest}\n");
        let table = [
            (rule("topics = [\"a/#/b\"]"), "rule 1: \"a/#/b\""),
            (rule("topics = [\"a\"]\nqos = [3]"), "rule 1: qos"),
            (
                rule("topics = [\"a\"]\nwho = { address = \"x\" }"),
                "rule 1: \"x\"",
            ),
            (
                rule("topics = [\"a\"]\nwho = { user_like = \"(\" }"),
                "rule 1: ",
            ),
            (rule("topics = [\"a\"]\nwhom = \"all\""), "whom"),
            (rule(""), "topics"),
        ];
        for (text, part) in table {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
