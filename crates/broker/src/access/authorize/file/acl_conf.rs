//! EMQX's `acl.conf`.

use engine::{
    acl::{Actions, Permission, Rule, Topics, Who},
    policy::Pattern,
};

use super::{
    super::record::{ANY_QOS, AccessAction, told},
    network,
    term::{self, Term},
};

pub(super) fn parse(text: &str) -> Result<Vec<Rule>, String> {
    let numbered = (1..).zip(term::read(text)?);
    let each = numbered.map(|(number, (line, term))| {
        rule(number, &term).map_err(|error| format!("line {line}: {error}"))
    });
    each.collect()
}

/// `{allow, all}.` or `{deny, Who, Action, Topics}.`
fn rule(number: usize, term: &Term) -> Result<Rule, String> {
    let Term::Tuple(parts) = term else {
        return Err("a rule begins with {allow, or {deny,".to_owned());
    };
    let permission = match parts.first().and_then(Term::atom) {
        Some("allow") => Permission::Allow,
        Some("deny") => Permission::Deny,
        _ => return Err("a rule begins with {allow, or {deny,".to_owned()),
    };
    let (who, (actions, name), texts) = match parts.as_slice() {
        [_, whom] if whom.atom() == Some("all") => {
            let all = vec!["#".to_owned(), "$SYS/#".to_owned()];
            (Who::Everybody, (Actions::ALL, "all"), all)
        }
        [_, whom, action, Term::List(topics)] => {
            let texts = topics.iter().map(topic).collect::<Result<_, _>>()?;
            (who(whom)?, self::action(action)?, texts)
        }
        _ => return Err("a rule is {allow, all}. or {allow, Who, Action, Topics}.".to_owned()),
    };
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let topics: Result<Vec<_>, String> = texts
        .iter()
        .map(|text| Topics::parse(text).map_err(|error| format!("{text:?}: {error}")))
        .collect();
    Ok(Rule {
        permission,
        who,
        actions,
        topics: topics?,
        name: told("file", number, permission, name, &texts),
    })
}

fn who(term: &Term) -> Result<Who, String> {
    let wrong = || format!("nobody is meant by {term:?}");
    if term.atom() == Some("all") {
        return Ok(Who::Everybody);
    }
    let Term::Tuple(parts) = term else {
        return Err(wrong());
    };
    let [kind, value] = parts.as_slice() else {
        return Err(wrong());
    };
    let list = |value: &Term| match value {
        Term::List(list) => list.iter().map(who).collect(),
        _ => Err(wrong()),
    };
    match (kind.atom(), value) {
        (Some("and"), value) => Ok(Who::Every(list(value)?)),
        (Some("or"), value) => Ok(Who::Any(list(value)?)),
        (Some("ipaddrs"), Term::List(addresses)) => {
            let each = addresses.iter().map(|address| {
                let text = address.text().ok_or_else(wrong)?;
                Ok(Who::Network(network(text)?))
            });
            Ok(Who::Any(each.collect::<Result<_, String>>()?))
        }
        (Some("ipaddr"), value) => Ok(Who::Network(network(value.text().ok_or_else(wrong)?)?)),
        (Some("username" | "user"), value) => {
            name(value, Who::User, Who::UserPattern).ok_or_else(wrong)?
        }
        (Some("clientid" | "client"), value) => {
            name(value, Who::Client, Who::ClientPattern).ok_or_else(wrong)?
        }
        _ => Err(wrong()),
    }
}

/// A name, or `{re, "expression"}`.
fn name(
    value: &Term,
    exact: fn(Box<str>) -> Who,
    like: fn(Pattern) -> Who,
) -> Option<Result<Who, String>> {
    match value {
        Term::Tuple(parts) => match parts.as_slice() {
            [kind, text] if kind.atom() == Some("re") => {
                let pattern = Pattern::new(text.text()?);
                Some(pattern.map(like).map_err(|error| error.to_string()))
            }
            _ => None,
        },
        other => Some(Ok(exact(other.text()?.into()))),
    }
}

fn action(term: &Term) -> Result<(Actions, &str), String> {
    let wrong = || format!("no action is meant by {term:?}");
    let (name, conditions) = match term {
        Term::Tuple(parts) => match parts.as_slice() {
            [name, Term::List(conditions)] => (name, &conditions[..]),
            _ => return Err(wrong()),
        },
        other => (other, &[][..]),
    };
    let name = name.atom().ok_or_else(wrong)?;
    let action = match name {
        "publish" => AccessAction::Publish,
        "subscribe" => AccessAction::Subscribe,
        "all" | "pubsub" => AccessAction::All,
        _ => return Err(wrong()),
    };
    let (mut qos, mut retain) = (ANY_QOS.to_vec(), None);
    for condition in conditions {
        let Term::Tuple(parts) = condition else {
            return Err(wrong());
        };
        match parts.as_slice() {
            [key, Term::Number(n)] if key.atom() == Some("qos") => qos = vec![*n],
            [key, Term::List(list)] if key.atom() == Some("qos") => {
                let each = list.iter().map(|term| match term {
                    Term::Number(n) => Ok(*n),
                    _ => Err(wrong()),
                });
                qos = each.collect::<Result<_, _>>()?;
            }
            [key, value] if key.atom() == Some("retain") => {
                retain = match value.atom() {
                    Some("true") => Some(true),
                    Some("false") => Some(false),
                    Some("all") => None,
                    _ => return Err(wrong()),
                };
            }
            _ => return Err(wrong()),
        }
    }
    Ok((action.of(&qos, retain)?, action.name()))
}

fn topic(term: &Term) -> Result<String, String> {
    let wrong = || format!("no topic is meant by {term:?}");
    match term {
        Term::Tuple(parts) => match parts.as_slice() {
            [kind, text] if kind.atom() == Some("eq") => {
                Ok(format!("eq {}", text.text().ok_or_else(wrong)?))
            }
            _ => Err(wrong()),
        },
        Term::Text(text) => Ok(text.clone()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every form that the handbook of EMQX shows.
    #[test]
    fn forms() {
        let text = r##"
            %% the usual ones
            {allow, {username, {re, "^dashboard$"}}, subscribe, ["$SYS/#"]}.
            {allow, {ipaddr, "127.0.0.1"}, all, ["$SYS/#", "#"]}.
            {deny, all, subscribe, ["$SYS/#", {eq, "#"}, {eq, "+/#"}]}.
            {allow, {'and', [{clientid, "c"}, {'or', [{user, "a"}, {ipaddrs, ["10.0.0.0/8", "::1"]}]}]},
                {publish, [{qos, [0, 1]}, {retain, false}]}, ["${clientid}/#"]}.
            {deny, {client, "x"}, {all, [{qos, 2}, {retain, true}]}, [<<"b">>]}.
            {allow, all}.
        "##;
        let rules = parse(text).unwrap();
        assert_eq!(rules.len(), 6);
        assert!(matches!(rules[0].who, Who::UserPattern(_)));
        assert!(matches!(rules[1].who, Who::Network(_)));
        assert_eq!(
            &*rules[2].name,
            "file, rule 3: deny subscribe $SYS/#, eq #, eq +/#"
        );
        assert!(matches!(&rules[3].who, Who::Every(list) if list.len() == 2));
        assert_eq!(rules[5].actions, Actions::ALL);
    }

    #[test]
    fn what_is_wrong_has_a_line() {
        let table = [
            "{permit, all}.",
            "{allow, everybody}.",
            "{allow, all, read, [\"a\"]}.",
            "{allow, all, publish, \"a\"}.",
            "{allow, all, publish, [{ne, \"a\"}]}.",
            "{allow, all, publish, [\"a/#/b\"]}.",
            "{allow, all, {publish, [{qos, 3}]}, [\"a\"]}.",
            "{allow, {ipaddr, \"x\"}, publish, [\"a\"]}.",
            "{allow, {username, {re, \"(\"}}, publish, [\"a\"]}.",
            "allow.",
        ];
        for text in table {
            let error = parse(&format!("\n{text}")).unwrap_err();
            assert!(error.starts_with("line 2: "), "{text}: {error}");
        }
    }
}
