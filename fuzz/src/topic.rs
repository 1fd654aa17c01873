//! Lines: the first is a topic, each further one a filter. Parsing and matching against a matcher that
//! is too simple to be wrong, and the router against both, also while filters leave it.

use engine::router::{Flags, Router, Sub};
use protocol::{Filter, QoS, SharedFilter, Topic};

const LEVELS_MAX: u16 = 16;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n').take(20);
    let name = lines.next().unwrap_or_default();
    let topic = Topic::parse(name, LEVELS_MAX).ok();
    let legal = !name.is_empty() && name.len() <= 65_535 && !name.contains(['+', '#', '\0']);
    if topic.is_some() {
        assert!(legal && levels(name) <= usize::from(LEVELS_MAX), "{name:?}");
    }
    let mut router = Router::new(1);
    let mut filters: Vec<(&str, u32)> = Vec::new();
    for (session, line) in (0..).zip(lines) {
        let _ = SharedFilter::parse(line, LEVELS_MAX);
        let Ok(filter) = Filter::parse(line, LEVELS_MAX) else {
            continue;
        };
        assert!(is_filter(line), "{line:?}");
        assert_eq!(filter.is_wildcard(), line.contains(['+', '#']));
        if let Some(topic) = topic {
            assert_eq!(
                filter.matches(topic),
                matches(line, name),
                "{line:?} {name:?}"
            );
        }
        let sub = Sub {
            session,
            flags: Flags::new(QoS::AtMostOnce, false, false, false),
            id: 0,
        };
        router.subscribe(filter, sub);
        filters.push((line, session));
    }
    let Some(topic) = topic else { return };
    while !filters.is_empty() {
        let mut found: Vec<u32> = router.matches(topic).into_iter().map(|(s, _)| s).collect();
        found.sort_unstable();
        let due = filters.iter().filter(|(line, _)| matches(line, name));
        assert_eq!(
            found,
            due.map(|(_, s)| *s).collect::<Vec<u32>>(),
            "{name:?}"
        );
        // The oldest leaves.
        let (line, session) = filters.remove(0);
        let node = router.find(Filter::trusted(line)).expect("it is there");
        assert!(router.unsubscribe(node, session).is_some());
    }
    assert!(router.is_empty());
}

fn levels(text: &str) -> usize {
    text.split('/').count()
}

/// (4.7.1)
fn is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let last = levels.len() - 1;
    !text.is_empty()
        && levels.iter().enumerate().all(|(at, level)| match *level {
            "+" => true,
            "#" => at == last,
            level => !level.contains(['+', '#', '\0']),
        })
}

/// (4.7.1, 4.7.2)
fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (filter, topic): (Vec<&str>, Vec<&str>) =
        (filter.split('/').collect(), topic.split('/').collect());
    for (at, level) in filter.iter().enumerate() {
        match *level {
            "#" => return true,
            "+" if at < topic.len() => {}
            level if topic.get(at) == Some(&level) => {}
            _ => return false,
        }
    }
    filter.len() == topic.len() || (filter.len() == topic.len() + 1 && filter.ends_with(&["#"]))
}
