//! The rules beside a model of them that is slow and plain: rule after rule, topic after topic (A08).

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Naive {
    permission: Permission,
    who: Someone,
    publishes: bool,
    subscribes: bool,
    filter: Vec<&'static str>,
    is_equal: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Someone {
    All,
    User(&'static str),
    Client(&'static str),
}

const USER: &str = "b";
const CLIENT: &str = "a";

/// All topics of up to four levels of these; the last is one that no rule names.
fn topics() -> Vec<String> {
    let names = ["a", "b", "z"];
    let mut all: Vec<String> = ["a", "b", "z", "$a"].map(Into::into).into();
    let mut from = 0;
    for _ in 0..3 {
        let upto = all.len();
        for at in from..upto {
            all.extend(names.map(|name| format!("{}/{name}", all[at])));
        }
        from = upto;
    }
    all
}

fn fills(filter: &[&str]) -> Vec<String> {
    let name = |level: &&str| match *level {
        "${clientid}" => CLIENT.to_owned(),
        "${username}" => USER.to_owned(),
        other => other.to_owned(),
    };
    filter.iter().map(name).collect()
}

fn matches(filter: &[String], topic: &str) -> bool {
    let names: Vec<&str> = topic.split('/').collect();
    if topic.starts_with('$') && (filter[0] == "#" || filter[0] == "+") {
        return false;
    }
    for (at, level) in filter.iter().enumerate() {
        if level == "#" {
            return true;
        }
        if names
            .get(at)
            .is_none_or(|name| level != "+" && level != name)
        {
            return false;
        }
    }
    filter.len() == names.len()
}

fn covers(wide: &[String], narrow: &[String], topics: &[String]) -> bool {
    let mut inside = topics.iter().filter(|topic| matches(narrow, topic));
    inside.all(|topic| matches(wide, topic))
}

impl Naive {
    fn is_for_us(&self) -> bool {
        match self.who {
            Someone::All => true,
            Someone::User(name) => name == USER,
            Someone::Client(id) => id == CLIENT,
        }
    }

    fn is_wild(&self) -> bool {
        self.filter.contains(&"+") || self.filter.contains(&"#")
    }

    fn publishes(&self, topic: &str) -> bool {
        let matches = matches(&fills(&self.filter), topic);
        self.publishes && self.is_for_us() && matches && !(self.is_equal && self.is_wild())
    }

    fn asks(&self, filter: &[String], topics: &[String]) -> bool {
        let own = fills(&self.filter);
        let fits = if self.is_equal {
            own == filter
        } else {
            covers(&own, filter, topics)
        };
        self.subscribes && self.is_for_us() && fits
    }

    fn receives(&self, topic: &str) -> bool {
        let denies_itself = self.is_equal && self.is_wild() && self.permission == Permission::Deny;
        let matches = matches(&fills(&self.filter), topic);
        self.subscribes && self.is_for_us() && matches && !denies_itself
    }

    fn rule(&self) -> Rule {
        let mut actions = Actions::NONE;
        if self.publishes {
            actions = actions.or(Actions::PUBLISH);
        }
        if self.subscribes {
            actions = actions.or(Actions::SUBSCRIBE);
        }
        let mut text = self.filter.join("/");
        if self.is_equal {
            text.insert_str(0, "eq ");
        }
        Rule {
            permission: self.permission,
            who: match self.who {
                Someone::All => Who::Everybody,
                Someone::User(name) => Who::User(name.into()),
                Someone::Client(id) => Who::Client(id.into()),
            },
            actions,
            topics: vec![Topics::parse(&text).expect("a filter")],
            name: text.into(),
        }
    }
}

/// What the first of some rules says.
fn first<'a>(rules: &'a [Naive], no_match: Permission, fits: impl Fn(&&'a Naive) -> bool) -> bool {
    let found = rules.iter().find(fits).map(|rule| rule.permission);
    found.unwrap_or(no_match) == Permission::Allow
}

fn filter(named: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    let levels = prop::collection::vec(prop::sample::select(named), 1..=3);
    (levels, prop::bool::weighted(0.3)).prop_map(|(mut levels, open)| {
        if open {
            levels.pop();
            levels.push("#");
        }
        if levels[0] == "b" && levels.len() == 2 {
            levels[0] = "$a";
        }
        levels
    })
}

fn naive() -> impl Strategy<Value = Naive> {
    let who = prop::sample::select(&[
        Someone::All,
        Someone::All,
        Someone::User("b"),
        Someone::User("x"),
        Someone::Client("a"),
        Someone::Client("x"),
    ]);
    let named = filter(&["a", "b", "+", "${clientid}", "${username}"]);
    let action = prop::sample::select(&[(true, true), (true, false), (false, true)]);
    (
        any::<bool>(),
        who,
        action,
        named,
        prop::bool::weighted(0.15),
    )
        .prop_map(
            |(allows, who, (publishes, subscribes), filter, is_equal)| Naive {
                permission: if allows {
                    Permission::Allow
                } else {
                    Permission::Deny
                },
                who,
                publishes,
                subscribes,
                filter,
                is_equal,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn as_the_plain_model_says(
        list in prop::collection::vec(naive(), 0..8),
        asked in filter(&["a", "b", "+", "z"]),
        allows in any::<bool>(),
    ) {
        let no_match = if allows { Permission::Allow } else { Permission::Deny };
        let terms = Terms { no_match, disconnects: false, outside: None };
        let rules = list.iter().map(Naive::rule).collect();
        let acl = Acl::new(Some(Arc::new(Rules::compile(rules, terms).expect("few"))));
        let who = Principal::User(User::new(USER));
        let subject = Subject { who: &who, client_id: CLIENT, access: None };
        let topics = topics();
        for topic in &topics {
            let due = !topic.starts_with('$') && first(&list, no_match, |r| r.publishes(topic));
            let name = Topic::trusted(topic);
            let judged = acl.judge_publish(subject, name, QoS::AtMostOnce, false);
            prop_assert_eq!(judged.is_allowed, due, "publish {}", topic);
        }
        let text = asked.join("/");
        let (judged, is_checked) =
            acl.judge_subscribe(subject, Filter::trusted(&text), QoS::AtMostOnce);
        let wanted = fills(&asked);
        let due = first(&list, no_match, |r| r.asks(&wanted, &topics));
        prop_assert_eq!(judged.is_allowed, due, "subscribe {}", text);
        if !due {
            return Ok(());
        }
        for topic in topics.iter().filter(|topic| matches(&wanted, topic)) {
            let due = first(&list, no_match, |r| r.receives(topic));
            let receives = acl.receives(&subject, Topic::trusted(topic), QoS::AtMostOnce);
            prop_assert_eq!(receives, due, "receive {}", topic);
            prop_assert!(due || is_checked, "{} gets {} unasked", text, topic);
        }
    }
}
