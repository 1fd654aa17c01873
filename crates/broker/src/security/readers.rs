//! Who can read everything.

use super::{Fact, Id, Point, Severity};

/// Clients that are named.
pub(crate) const READERS_NAMED: usize = 20;

/// Who has a subscription that matches all topics.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Readers {
    /// Clients without a name may have one.
    pub nameless_may: bool,
    /// Sessions that have one.
    pub count: u64,
    /// Those of them without a name that are connected from another host.
    pub nameless_afar: u64,
    /// They, the first of them.
    pub strangers: Vec<Reader>,
    /// All others, the first of them.
    pub others: Vec<Reader>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reader {
    pub client_id: String,
    /// Who it has proven to be.
    pub user: Option<String>,
}

impl Readers {
    /// Worth a look, at most, and only where a client without a name listens from another host: then
    /// somebody reads everything of whom nothing is known. It is never a danger by itself: at home the first
    /// try with a desktop client on a laptop is subscribed to `#`, and that anybody may come without a name is
    /// a point of its own, which is a danger in the profile `production`. Whoever has proven a name subscribed
    /// because the rules allow it, and whoever is on this machine is no stranger.
    pub(super) fn point(&self) -> Point {
        let severity = if self.nameless_afar > 0 {
            Severity::Warning
        } else {
            Severity::Fine
        };
        let all = self
            .strangers
            .iter()
            .chain(&self.others)
            .take(READERS_NAMED);
        let (clients, users) = all
            .map(|one| (one.client_id.clone(), one.user.clone().unwrap_or_default()))
            .unzip();
        let strangers = self.strangers.iter().map(|one| one.client_id.clone());
        Point {
            id: Id::Readers,
            severity,
            facts: vec![
                ("anonymous_may", Fact::Flag(self.nameless_may)),
                ("count", Fact::Number(number(self.count))),
                ("clients", Fact::Texts(clients)),
                ("users", Fact::Texts(users)),
                ("anonymous_count", Fact::Number(number(self.nameless_afar))),
                ("anonymous", Fact::Texts(strangers.collect())),
            ],
            aside: None,
        }
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Lang;

    fn reader(client_id: &str, user: Option<&str>) -> Reader {
        Reader {
            client_id: client_id.to_owned(),
            user: user.map(str::to_owned),
        }
    }

    #[test]
    fn only_strangers_without_a_name_are_worth_a_look() {
        let mut readers = Readers {
            nameless_may: true,
            ..Readers::default()
        };
        let point = readers.point();
        assert_eq!(point.severity, Severity::Fine);
        assert!(point.words(Lang::En).what.contains("Nobody"));
        readers.count = 1;
        readers.others.push(reader("logger", Some("bob")));
        let point = readers.point();
        assert_eq!(point.severity, Severity::Fine);
        assert!(point.words(Lang::En).what.contains("logger (bob)"));
        readers.count = 2;
        readers.nameless_afar = 1;
        readers.strangers.push(reader("fx", None));
        let point = readers.point();
        assert_eq!(point.severity, Severity::Warning);
        let words = point.words(Lang::En);
        assert!(words.what.contains("without a name") && words.what.contains("fx"));
        let zh = point.words(Lang::Zh).what;
        assert!(zh.contains("fx") && zh.contains("2 个"), "{zh}");
    }

    #[test]
    fn twenty_are_named_and_all_counted() {
        let many: Vec<_> = (0..20).map(|n| reader(&format!("c{n}"), None)).collect();
        let readers = Readers {
            count: 45,
            nameless_afar: 25,
            strangers: many.clone(),
            others: many,
            ..Readers::default()
        };
        let point = readers.point();
        assert!(matches!(point.fact("clients"), Some(Fact::Texts(all)) if all.len() == 20));
        let words = point.words(Lang::En).what;
        assert!(
            words.contains("and 5 more") && words.contains("45"),
            "{words}"
        );
    }
}
