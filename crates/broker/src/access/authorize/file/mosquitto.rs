//! mosquitto's `acl_file`. There denials go before all else, whoever is not named may nothing, and every
//! filter may be subscribed to: what somebody may not read does not come.

use engine::acl::{Actions, Permission, Rule, Topics, Who};

use super::super::record::told;

pub(super) fn parse(text: &str) -> Result<Vec<Rule>, String> {
    let (mut denials, mut rest) = (Vec::new(), Vec::new());
    let mut who = Who::Anonymous;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| format!("line {number}: {what}");
        let (word, value) = line
            .split_once(char::is_whitespace)
            .ok_or_else(|| wrong("there is nothing behind the first word"))?;
        let value = value.trim();
        match word {
            "user" => who = Who::User(value.into()),
            "topic" | "pattern" => {
                let whom = if word == "topic" {
                    who.clone()
                } else {
                    Who::Everybody
                };
                let (access, topic) = split(value);
                let topics = Topics::parse(topic).map_err(|error| wrong(&error.to_string()))?;
                let has_place = ["${", "%c", "%u"].iter().any(|place| topic.contains(place));
                if word == "topic" && has_place {
                    return Err(wrong(
                        "names have a place in lines with pattern, not with topic",
                    ));
                }
                let permission = match access {
                    "deny" => Permission::Deny,
                    _ => Permission::Allow,
                };
                let actions = match access {
                    "read" => Actions::RECEIVE,
                    "write" => Actions::PUBLISH,
                    _ => Actions::PUBLISH.or(Actions::RECEIVE),
                };
                let to = if permission == Permission::Deny {
                    &mut denials
                } else {
                    &mut rest
                };
                to.push(Rule {
                    permission,
                    who: whom,
                    actions,
                    topics: vec![topics],
                    name: told("file", number, permission, access, &[topic]),
                });
            }
            _ => return Err(wrong("a line begins with user, topic or pattern")),
        }
    }
    let all = || {
        let each = ["#", "$SYS/#"].map(|text| Topics::parse(text).expect("a filter"));
        each.into()
    };
    denials.extend(rest);
    denials.push(Rule {
        permission: Permission::Deny,
        who: Who::Everybody,
        actions: Actions::PUBLISH.or(Actions::RECEIVE),
        topics: all(),
        name: "file: no line of it allows this".into(),
    });
    denials.push(Rule {
        permission: Permission::Allow,
        who: Who::Everybody,
        actions: Actions::ASK,
        topics: all(),
        name: "file: every filter may be subscribed to".into(),
    });
    Ok(denials)
}

/// The kind of access, which may be left out, and the topic, which may have spaces in it.
fn split(value: &str) -> (&str, &str) {
    if let Some((word, topic)) = value.split_once(char::is_whitespace)
        && ["read", "write", "readwrite", "deny"].contains(&word)
    {
        return (word, topic.trim());
    }
    ("readwrite", value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::acl::{Acl, Principal, Rules, Subject, Terms, User};
    use protocol::{Filter, QoS, Topic};

    use super::*;

    #[test]
    fn as_there() {
        let text = "# what anonymous may\n\
            topic read $SYS/#\n\
            topic open\n\
            user anna\n\
            topic readwrite a/#\n\
            topic deny a/secret\n\
            topic write with space/x\n\
            pattern read dev/%c/in/%u\n";
        let rules = Rules::compile(parse(text).unwrap(), Terms::default()).unwrap();
        let acl = Acl::new(Some(Arc::new(rules)));
        let anna = Principal::User(User::new("anna"));
        let bob = Principal::User(User::new("bob"));
        let nobody = Principal::Anonymous;
        let publishes = |who: &Principal, topic: &str| {
            let access = acl.access(who, "c", None);
            let subject = Subject {
                who,
                client_id: "c",
                access: access.as_deref(),
            };
            let topic = Topic::parse(topic, 128).unwrap();
            acl.judge_publish(subject, topic, QoS::AtMostOnce, false)
                .is_allowed
        };
        let receives = |who: &Principal, topic: &str| {
            let access = acl.access(who, "c", None);
            let subject = Subject {
                who,
                client_id: "c",
                access: access.as_deref(),
            };
            acl.receives(&subject, Topic::parse(topic, 128).unwrap(), QoS::AtMostOnce)
        };
        assert!(publishes(&anna, "a/b") && receives(&anna, "a/b"));
        assert!(!publishes(&anna, "a/secret") && !receives(&anna, "a/secret"));
        assert!(publishes(&anna, "with space/x") && !receives(&anna, "with space/x"));
        assert!(receives(&anna, "dev/c/in/anna") && !receives(&anna, "dev/d/in/anna"));
        assert!(!publishes(&bob, "a/b") && receives(&bob, "dev/c/in/bob"));
        assert!(publishes(&nobody, "open") && receives(&nobody, "$SYS/broker/uptime"));
        assert!(!publishes(&anna, "open") && !receives(&anna, "$SYS/broker/uptime"));
        let all = Filter::parse("#", 128).unwrap();
        let (judged, is_checked) = acl.judge_subscribe(
            Subject {
                who: &bob,
                client_id: "c",
                access: None,
            },
            all,
            QoS::AtMostOnce,
        );
        assert!(judged.is_allowed && is_checked);
    }

    #[test]
    fn lines_that_are_none() {
        for text in [
            "user",
            "topics a",
            "topic a/#/b",
            "topic x/${clientid}",
            "topic x/%c",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
