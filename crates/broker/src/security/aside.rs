//! Points that somebody has put aside: known, and no news until something about them is.

use serde::{Deserialize, Serialize};

use super::{Fact, Id, Point, Severity};

/// For so long at most: what is put aside for ever is forgotten.
pub(crate) const ASIDE_MILLIS: u64 = 90 * 86_400_000;

/// That a point was put aside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Aside {
    /// Milliseconds since 1970.
    pub until: u64,
    /// Who did it.
    pub by: String,
    /// What the point said then.
    said: String,
}

impl Aside {
    pub(crate) fn new(point: &Point, by: &str, now: u64) -> Self {
        Self {
            until: now.saturating_add(ASIDE_MILLIS),
            by: by.to_owned(),
            said: said(point),
        }
    }

    /// Whether it still holds for the point as it is now. What says something else for a while and then the
    /// same again stays aside: a client that reconnects is no news.
    pub(crate) fn holds(&self, point: &Point, now: u64) -> bool {
        may_be_put_aside(point) && now < self.until && self.said == said(point)
    }
}

/// What is dangerous cannot be, and what is fine needs not.
pub(crate) fn may_be_put_aside(point: &Point) -> bool {
    point.severity == Severity::Warning
}

/// What a point says but for what time alone changes, and for what is told besides.
fn said(point: &Point) -> String {
    let mut said = String::new();
    for (name, fact) in &point.facts {
        let counts = match (point.id, *name) {
            (_, "days") => continue,
            // Scanners come from somewhere else every day; that they come at all is what was seen.
            (Id::PublicAddress, "strangers") => {
                let any = matches!(fact, Fact::Texts(all) if !all.is_empty());
                Fact::Flag(any)
            }
            // Of readers, only those are what is weak.
            (Id::Readers, name) if name != "anonymous" => continue,
            _ => fact.clone(),
        };
        said += &format!("{name}={counts:?};");
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(severity: Severity, facts: Vec<(&'static str, Fact)>) -> Point {
        Point {
            id: Id::Unencrypted,
            severity,
            facts,
            aside: None,
        }
    }

    #[test]
    fn until_what_it_says_changes_or_time_is_over() {
        let plain = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned());
            let facts = vec![
                ("plain", Fact::Texts(names.collect())),
                ("days", Fact::Number(names_days())),
            ];
            point(Severity::Warning, facts)
        };
        let aside = Aside::new(&plain(&["tcp:default"]), "admin", 1_000);
        assert_eq!(aside.until, 1_000 + ASIDE_MILLIS);
        assert!(aside.holds(&plain(&["tcp:default"]), 2_000));
        assert!(!aside.holds(&plain(&["tcp:default", "ws:default"]), 2_000));
        assert!(!aside.holds(&plain(&["tcp:default"]), aside.until));
        let mut red = plain(&["tcp:default"]);
        red.severity = Severity::Danger;
        assert!(!aside.holds(&red, 2_000), "it has become dangerous");
    }

    /// Another number at each call: days go by.
    fn names_days() -> i64 {
        use std::sync::atomic::{AtomicI64, Ordering};
        static DAYS: AtomicI64 = AtomicI64::new(0);
        DAYS.fetch_add(1, Ordering::Relaxed)
    }

    #[test]
    fn other_strangers_are_no_news() {
        let came = |from: &[&str]| {
            let from = from.iter().map(|ip| (*ip).to_owned()).collect();
            let mut point = point(Severity::Warning, vec![("strangers", Fact::Texts(from))]);
            point.id = Id::PublicAddress;
            point
        };
        let aside = Aside::new(&came(&["203.0.113.9"]), "admin", 0);
        assert!(aside.holds(&came(&["203.0.113.10"]), 1));
        assert!(!aside.holds(&came(&[]), 1));
    }
}
