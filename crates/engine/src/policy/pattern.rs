//! Regular expressions of an operator. They are linear in the length of what they are asked about,
//! whatever stands in them, and both lengths are bounded: no client can keep a shard busy with one.

use regex_lite::{Captures, Regex, RegexBuilder};

use crate::limits::{PATTERN_BYTES_MAX, PATTERN_TEXT_MAX};

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

/// Why a text is no regular expression that we take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PatternError(String);

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

impl Pattern {
    /// # Errors
    /// If it is no regular expression, or too large a one.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let built = RegexBuilder::new(text)
            .size_limit(PATTERN_BYTES_MAX)
            .build();
        built.map(Self).map_err(|e| PatternError(e.to_string()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// `None` for a text that is too long to be looked at.
    pub(crate) fn is_match(&self, text: &str) -> Option<bool> {
        (text.len() <= PATTERN_TEXT_MAX).then(|| self.0.is_match(text))
    }

    /// What its groups found. A text that is too long matches nothing.
    pub(super) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        if text.len() > PATTERN_TEXT_MAX {
            return None;
        }
        self.0.captures(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What takes a backtracking matcher for ever takes no time, and a pattern that would need a lot of
    /// room is refused.
    #[test]
    fn bounded() {
        let slow = Pattern::new("^(a+)+$").expect("a regular expression");
        let text = format!("{}b", "a".repeat(PATTERN_TEXT_MAX - 1));
        assert_eq!(slow.is_match(&text), Some(false));
        assert_eq!(slow.is_match(&(text + "b")), None);
        assert!(Pattern::new("(a{1000}){1000}").is_err());
        assert!(Pattern::new("(").is_err());
    }
}
