//! The flow as a picture shows it: few nodes in a column. Where there are more, those whose names begin
//! alike are one, and the least busy are one without a name. What is one stays one while rates waver.

use std::collections::HashMap;

/// Nodes of one column.
pub(crate) const COLUMN_MAX: usize = 40;

/// Clients or topics that are drawn as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// What their names begin with; the name itself if it is one, and empty for all the others.
    pub name: String,
    pub count: usize,
}

/// Something of a column that may have to be folded.
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    /// How busy it is.
    pub(crate) weight: u64,
    /// How many it is or stands for.
    pub(crate) count: usize,
}

/// The nodes of a column, and for each member the node that it is in.
pub(crate) fn fold(members: &[Member<'_>], max: usize) -> (Vec<Node>, Vec<usize>) {
    let mut groups = grouped(members, |name| name);
    for parts in PARTS {
        if groups.len() <= max {
            break;
        }
        groups = grouped(members, |name| beginning(name, parts));
    }
    // One place is theirs if there are others.
    let own = if groups.len() > max {
        max - 1
    } else {
        groups.len()
    };
    let others = groups.split_off(own);
    let mut nodes = Vec::with_capacity(max);
    let mut places = vec![0; members.len()];
    for group in groups {
        let name = match *group.members {
            [alone] if group.count == 1 => members[alone].name,
            _ => group.name,
        };
        for member in &group.members {
            places[*member] = nodes.len();
        }
        nodes.push(Node {
            name: name.to_owned(),
            count: group.count,
        });
    }
    if !others.is_empty() {
        for member in others.iter().flat_map(|group| &group.members) {
            places[*member] = nodes.len();
        }
        nodes.push(Node {
            name: String::new(),
            count: others.iter().map(|group| group.count).sum(),
        });
    }
    (nodes, places)
}

struct Group<'a> {
    name: &'a str,
    members: Vec<usize>,
    weight: u64,
    count: usize,
}

/// The busiest first; among those that are about as busy, by name.
fn grouped<'a>(members: &[Member<'a>], way: impl Fn(&str) -> &str) -> Vec<Group<'a>> {
    let mut groups: HashMap<&str, Group<'a>> = HashMap::new();
    for (at, member) in members.iter().enumerate() {
        let name = way(member.name);
        let group = groups.entry(name).or_insert_with(|| Group {
            name,
            members: Vec::new(),
            weight: 0,
            count: 0,
        });
        group.members.push(at);
        group.weight += member.weight;
        group.count += member.count;
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by(|a, b| {
        let about = |group: &Group<'_>| group.weight.checked_ilog2();
        about(b).cmp(&about(a)).then(a.name.cmp(b.name))
    });
    groups
}

/// How many parts of a name are looked at, the most first.
const PARTS: [usize; 6] = [usize::MAX, 5, 4, 3, 2, 1];
const ENDS: [char; 6] = ['/', '-', '_', '.', ':', '@'];

/// What a name begins with: so many parts, but never all; `dev-7-a` is one of `dev-7-`, then of `dev-`,
/// and `pump12` of `pump`.
fn beginning(name: &str, parts: usize) -> &str {
    let body = name.trim_end_matches(ENDS);
    // A name may begin with such a sign, as `/lab/x` does.
    let first = body.len() - body.trim_start_matches(ENDS).len();
    let ends = body.char_indices().skip_while(|(at, _)| *at < first);
    let ends = ends.filter(|(_, c)| ENDS.contains(c)).map(|(at, _)| at);
    match ends.take(parts).last() {
        Some(at) => &name[..=at],
        None => without_number(name),
    }
}

fn without_number(name: &str) -> &str {
    let body = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if body.is_empty() { name } else { body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(names: &[String], max: usize) -> Vec<(String, usize)> {
        let members: Vec<_> = names
            .iter()
            .map(|name| Member {
                name,
                weight: 4,
                count: 1,
            })
            .collect();
        let (nodes, places) = fold(&members, max);
        assert_eq!(nodes.iter().map(|n| n.count).sum::<usize>(), names.len());
        for (member, place) in members.iter().zip(places) {
            assert!(member.name.starts_with(&nodes[place].name));
        }
        nodes.into_iter().map(|n| (n.name, n.count)).collect()
    }

    fn numbered(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{prefix}{n}")).collect()
    }

    #[test]
    fn few_stay_what_they_are() {
        let names = numbered("bci_", 3);
        let nodes = folded(&names, 3);
        assert_eq!(nodes.len(), 3);
        assert_eq!(nodes[0], ("bci_0".to_owned(), 1));
    }

    #[test]
    fn many_are_one_by_what_they_begin_with() {
        let mut names = numbered("dev-1-", 50);
        names.extend(numbered("pump", 30));
        names.push("control".to_owned());
        let nodes = folded(&names, 4);
        let wanted = [("control", 1), ("dev-1-", 50), ("pump", 30)];
        for (name, count) in wanted {
            assert!(nodes.contains(&(name.to_owned(), count)), "{nodes:?}");
        }
        assert_eq!(nodes.len(), 3);
    }

    #[test]
    fn coarser_where_the_finer_leaves_too_many() {
        let names: Vec<_> = (0..90).map(|n| format!("lab/room{n}/t")).collect();
        assert_eq!(folded(&names, 40), [("lab/".to_owned(), 90)]);
        let rooms: Vec<_> = (0..90)
            .map(|n| format!("lab/room{}/{n}/t", n % 3))
            .collect();
        let wanted = ["lab/room0/", "lab/room1/", "lab/room2/"].map(|n| (n.to_owned(), 30));
        assert_eq!(folded(&rooms, 40), wanted);
        let names: Vec<_> = (0..90).map(|n| format!("/lab/room{n}/t")).collect();
        assert_eq!(folded(&names, 40), [("/lab/".to_owned(), 90)]);
    }

    #[test]
    fn the_least_busy_are_the_others() {
        let names: Vec<_> = (0..60)
            .map(|n| char::from(b'A' + n).to_string() + "x")
            .collect();
        let nodes = folded(&names, 10);
        assert_eq!(nodes.len(), 10);
        assert_eq!(nodes[9], (String::new(), 51));
    }

    #[test]
    fn a_name_of_digits_or_signs_is_left_alone() {
        for name in ["123", "", "/", "---", "a"] {
            assert_eq!(without_number(name), name);
            assert_eq!(beginning(name, 1), name);
        }
        assert_eq!(beginning("esp32-a1b2", usize::MAX), "esp32-");
        assert_eq!(beginning("lab/room/", usize::MAX), "lab/");
        assert_eq!(beginning("/lab", usize::MAX), "/lab");
        assert_eq!(beginning("a/b/c/d", 2), "a/b/");
    }
}
