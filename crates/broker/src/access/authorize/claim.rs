//! Rights that come with the proof of who somebody is: the `acl` of a token or of an answer, in both of
//! EMQX's forms. What is not understood is an error: a right that was meant to be narrow must not become
//! a wide one by being passed over.

use engine::acl::{Permission, Rule, Rules, Terms, Topics, Who};
use serde_json::{Map, Value};

use super::{
    AccessAction, RULES_MAX,
    record::{ANY_QOS, told},
};

/// Topics of all rules of one holder.
const TOPICS_MAX: usize = 1_000;
/// What lists of allowed topics deny besides; `#` alone is not about topics of the system.
const THE_REST: [&str; 2] = ["#", "$SYS/#"];

/// Rules of whoever shows this claim. `source` names it where people are told of a rule.
///
/// # Errors
/// If it is of no known form, or has too much in it.
pub(crate) fn rules(claim: &Value, source: &str) -> Result<Rules, String> {
    let rules = match claim {
        Value::Array(list) => of_list(list, source)?,
        Value::Object(lists) => of_lists(lists, source)?,
        _ => return Err("rights are a list of rules, or lists of topics".to_owned()),
    };
    let topics: usize = rules.iter().map(|rule| rule.topics.len()).sum();
    if rules.len() > RULES_MAX || topics > TOPICS_MAX {
        return Err(format!(
            "there are more than {RULES_MAX} rules or {TOPICS_MAX} topics"
        ));
    }
    Rules::compile(rules, Terms::default()).map_err(|error| error.to_string())
}

/// Rules as elsewhere; where none is about it, the sources of rules are asked.
fn of_list(list: &[Value], source: &str) -> Result<Vec<Rule>, String> {
    let numbered = (1..).zip(list);
    let each = numbered.map(|(number, line)| {
        let line = line.as_object().ok_or("no object");
        let rule = line
            .map_err(str::to_owned)
            .and_then(|l| of_line(l, source, number));
        rule.map_err(|error| format!("rule {number}: {error}"))
    });
    each.collect()
}

/// Topics that are allowed, by what is done there; everything else is denied.
fn of_lists(lists: &Map<String, Value>, source: &str) -> Result<Vec<Rule>, String> {
    let mut rules = Vec::new();
    let named = [
        ("pub", AccessAction::Publish),
        ("sub", AccessAction::Subscribe),
        ("all", AccessAction::All),
    ];
    for (number, (name, action)) in (1..).zip(named) {
        let Some(list) = lists.get(name) else {
            continue;
        };
        let topics = texts(list).ok_or_else(|| format!("{name}: no list of topics"))?;
        if !topics.is_empty() {
            let allow = Permission::Allow;
            rules.push(rule(
                allow, action, &ANY_QOS, None, &topics, source, number,
            )?);
        }
    }
    let (deny, all) = (Permission::Deny, AccessAction::All);
    rules.push(rule(deny, all, &ANY_QOS, None, &THE_REST, source, 4)?);
    Ok(rules)
}

fn of_line(line: &Map<String, Value>, source: &str, number: usize) -> Result<Rule, String> {
    const KNOWN: [&str; 6] = ["permission", "action", "topic", "topics", "qos", "retain"];
    if let Some(odd) = line.keys().find(|key| !KNOWN.contains(&&***key)) {
        return Err(format!("{odd} is not known here"));
    }
    let word = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    let permission = match word("permission") {
        "allow" => Permission::Allow,
        "deny" => Permission::Deny,
        _ => return Err("permission is allow or deny".to_owned()),
    };
    let action = action(word("action")).ok_or("action is publish, subscribe or all")?;
    let topics = match (line.get("topic"), line.get("topics")) {
        (Some(Value::String(topic)), None) => vec![topic.as_str()],
        (None, Some(list)) => texts(list).ok_or("topics is no list of topics")?,
        _ => return Err("topic or topics is missing".to_owned()),
    };
    if topics.is_empty() {
        return Err("there are no topics".to_owned());
    }
    let qos = line.get("qos").map_or_else(|| Some(ANY_QOS.into()), qos);
    let qos = qos.ok_or("qos has other values than 0, 1 and 2, or none")?;
    let retain = line.get("retain").map_or(Some(None), retain);
    let retain = retain.ok_or("retain is true, false or all")?;
    rule(permission, action, &qos, retain, &topics, source, number)
}

fn rule(
    permission: Permission,
    action: AccessAction,
    qos: &[u8],
    retain: Option<bool>,
    topics: &[&str],
    source: &str,
    number: usize,
) -> Result<Rule, String> {
    let parsed = topics
        .iter()
        .map(|text| Topics::parse(text).map_err(|error| format!("{text:?}: {error}")));
    Ok(Rule {
        permission,
        who: Who::Everybody,
        actions: action.of(qos, retain)?,
        topics: parsed.collect::<Result<_, _>>()?,
        name: told(source, number, permission, action.name(), topics),
    })
}

fn texts(list: &Value) -> Option<Vec<&str>> {
    list.as_array()?.iter().map(Value::as_str).collect()
}

fn action(word: &str) -> Option<AccessAction> {
    Some(match word {
        "publish" | "pub" => AccessAction::Publish,
        "subscribe" | "sub" => AccessAction::Subscribe,
        "all" => AccessAction::All,
        _ => return None,
    })
}

/// A number, a list of them, or either as a text.
fn qos(value: &Value) -> Option<Vec<u8>> {
    let one = |value: &Value| match value {
        Value::Number(number) => number.as_u64().and_then(|n| u8::try_from(n).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match value {
        Value::Null => Some(ANY_QOS.into()),
        Value::Array(list) => list.iter().map(one).collect(),
        Value::String(text) => text
            .split(',')
            .map(|part| part.trim().parse().ok())
            .collect(),
        other => one(other).map(|qos| vec![qos]),
    }
}

/// With RETAIN, without, or whatever it is.
fn retain(value: &Value) -> Option<Option<bool>> {
    match value {
        Value::Null => Some(None),
        Value::Bool(flag) => Some(Some(*flag)),
        Value::Number(number) => match number.as_u64()? {
            0 => Some(Some(false)),
            1 => Some(Some(true)),
            _ => None,
        },
        Value::String(text) => match text.as_str() {
            "all" => Some(None),
            "true" | "1" => Some(Some(true)),
            "false" | "0" => Some(Some(false)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::acl::{Acl, Principal, Subject, User};
    use protocol::{QoS, Topic};
    use serde_json::json;

    use super::*;

    /// Whether the holder of a claim, `anna` with client `c`, may publish; and whether its own rules say so.
    fn may(claim: &Value, topic: &str, qos: u8, retain: bool) -> (bool, bool) {
        let mut user = User::new("anna");
        user.rules = Some(Arc::new(rules(claim, "jwt").unwrap()));
        let who = Principal::User(user);
        let subject = Subject {
            who: &who,
            client_id: "c",
            access: None,
        };
        let qos = QoS::from_bits(qos).unwrap();
        let judged = Acl::default().judge_publish(subject, Topic::trusted(topic), qos, retain);
        (
            judged.is_allowed,
            matches!(judged.ground, engine::acl::Ground::Own(_)),
        )
    }

    /// Lists of topics allow these and nothing else; where no rule of a list of rules is about it, others
    /// are asked.
    #[test]
    fn both_forms() {
        let lists =
            json!({"pub": ["a/${username}/#", "eq x/+"], "sub": ["s"], "all": ["b/${clientid}"]});
        for (topic, due) in [
            ("a/anna/x", true),
            ("a/bert/x", false),
            ("b/c", true),
            ("b/d", false),
            ("s", false),
            ("x/1", false),
        ] {
            assert_eq!(may(&lists, topic, 0, false), (due, true), "{topic}");
        }
        assert_eq!(may(&json!({}), "t", 0, false), (false, true));
        let list = json!([
            {"permission": "allow", "action": "pub", "topic": "q", "qos": [1, "2"], "retain": "true"},
            {"permission": "deny", "action": "all", "topics": ["q", "d/#"], "qos": null},
        ]);
        assert_eq!(may(&list, "q", 1, true), (true, true));
        assert_eq!(may(&list, "q", 1, false), (false, true));
        assert_eq!(may(&list, "q", 0, true), (false, true));
        assert_eq!(may(&list, "d/x", 2, false), (false, true));
        assert_eq!(may(&list, "other", 0, false), (true, false));
    }

    #[test]
    fn what_is_not_understood() {
        let line = |key: &str, value: Value| {
            let mut line = json!({"permission": "allow", "action": "all", "topic": "t"});
            line[key] = value;
            json!([line])
        };
        assert!(rules(&line("qos", json!("0, 1")), "jwt").is_ok());
        let many: Vec<_> = (0..=RULES_MAX)
            .map(|_| line("retain", json!(0))[0].clone())
            .collect();
        let bad = [
            json!(null),
            json!("t"),
            json!(["t"]),
            json!({"pub": "t"}),
            json!({"pub": [1]}),
            json!({"all": ["a/#/b"]}),
            json!({"all": vec!["t"; TOPICS_MAX + 1]}),
            json!([{"permission": "allow", "action": "all"}]),
            json!([{"permission": "allow", "action": "all", "topics": []}]),
            json!(many),
            line("permission", json!("maybe")),
            line("action", json!("read")),
            line("topic", json!("${host}")),
            line("topics", json!(["t"])),
            line("qos", json!(3)),
            line("qos", json!([])),
            line("qos", json!("0;1")),
            line("retain", json!("yes")),
            line("ipaddr", json!("10.0.0.1")),
        ];
        for claim in bad {
            assert!(rules(&claim, "jwt").is_err(), "{claim}");
        }
    }
}
