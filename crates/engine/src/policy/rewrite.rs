//! Rules that make another topic of a topic: the first whose filter and regular expression match.

use protocol::{Filter, Topic};

use super::{Pattern, PatternError, Template, template::Client};

/// What a rule is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    Publish,
    Subscribe,
    All,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rewrite {
    pub action: Action,
    source: Box<str>,
    pattern: Pattern,
    dest: Template,
}

/// Why a rule cannot be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RewriteError {
    /// What it is for is no topic filter.
    Source(&'static str),
    Pattern(PatternError),
    /// A topic to publish to has no wildcards, whatever its places are filled with.
    Dest,
}

impl std::fmt::Display for RewriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Source(cause) => write!(f, "source_topic is no topic filter: {cause}"),
            Self::Pattern(error) => write!(f, "re: {error}"),
            Self::Dest => f.write_str(
                "dest_topic has a wildcard, and nobody can publish to that; use action subscribe",
            ),
        }
    }
}

impl std::error::Error for RewriteError {}

impl Rewrite {
    /// # Errors
    /// If no message or no subscription could ever be rewritten so.
    pub fn new(action: Action, source: &str, re: &str, dest: &str) -> Result<Self, RewriteError> {
        Filter::parse(source, u16::MAX).map_err(|e| RewriteError::Source(e.cause()))?;
        if action != Action::Subscribe && dest.contains(['+', '#']) || dest.is_empty() {
            return Err(RewriteError::Dest);
        }
        Ok(Self {
            action,
            source: source.into(),
            pattern: Pattern::new(re).map_err(RewriteError::Pattern)?,
            dest: Template::of_names_and_groups(dest),
        })
    }

    /// Whether its filter is for a topic.
    pub(crate) fn is_for(&self, topic: Topic<'_>) -> bool {
        Filter::trusted(&self.source).matches(topic)
    }

    /// What becomes of `text`, a topic or a filter. `None` if the rule is not for it.
    fn apply(&self, text: &str, client: Client<'_>) -> Option<String> {
        if !covers(&self.source, text) {
            return None;
        }
        let found = self.pattern.captures(text)?;
        self.dest
            .fill(client, |n| found.get(n).map(|group| group.as_str()))
    }
}

/// What the first rule that is for it makes of a topic or filter.
pub(crate) fn first_match<'r>(
    rules: impl IntoIterator<Item = &'r Rewrite>,
    text: &str,
    client: Client<'_>,
) -> Option<String> {
    rules.into_iter().find_map(|rule| rule.apply(text, client))
}

/// Whether a rule's filter is for a topic, or for a filter: its wildcards are levels like others then.
fn covers(source: &str, text: &str) -> bool {
    if let Ok(topic) = Topic::parse(text, u16::MAX) {
        return Filter::trusted(source).matches(topic);
    }
    let mut levels = text.split('/');
    for wanted in source.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == level || wanted == "+" && level != "#" => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(source: &str, re: &str, dest: &str) -> Rewrite {
        Rewrite::new(Action::Subscribe, source, re, dest).expect("a rule")
    }

    /// The first rule whose filter and expression match decides.
    #[test]
    fn rules_in_order() {
        let rules = [
            rule("y/+/z/#", "^y/(.+)/z/(.+)$", "y/z/$2"),
            rule("x/#", "^x/y/(.+)$", "z/y/$1"),
            rule("x/y/+", r"^x/y/(\d+)$", "z/$1"),
            rule("who/#", "^who/(.*)$", "users/${username}/$1"),
            rule("who/#", "^who/(.*)$", "nobody/$1"),
            rule("$SYS/#", "^(.*)$", "$1/copy"),
            rule("#", "^all$", "every"),
        ];
        let cases = [
            ("y/a/z/b", "y/z/b"),
            ("y/def", ""),
            ("x/1/2", ""),
            ("x/y/2", "z/y/2"),
            ("x/y/z", "z/y/z"),
            ("who/is", "nobody/is"),
            ("$SYS/a", "$SYS/a/copy"),
            ("all", "every"),
            ("$all", ""),
            // Filters of subscribers.
            ("y/+/z/#", "y/z/#"),
            ("x/y/+", "z/y/+"),
            ("x/#", ""),
            ("+/y/z", ""),
        ];
        let client = Client {
            id: "c",
            user_name: None,
            common_name: None,
            peer: None,
        };
        for (text, expected) in cases {
            let found = first_match(&rules, text, client);
            assert_eq!(found.unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn refused_rules() {
        let new = |action, source, re, dest| Rewrite::new(action, source, re, dest).err();
        assert!(matches!(
            new(Action::All, "a/#/b", ".", "c"),
            Some(RewriteError::Source(_))
        ));
        assert!(matches!(
            new(Action::All, "a", "(", "c"),
            Some(RewriteError::Pattern(_))
        ));
        assert_eq!(new(Action::All, "a", ".", "c/#"), Some(RewriteError::Dest));
        assert!(new(Action::Subscribe, "a", ".", "c/#").is_none());
    }
}
