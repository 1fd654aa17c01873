//! Topic names, topic filters and how they match (4.7), and shared subscriptions' filters (4.8.2).
//! Everything is a loop over the text: depth costs no stack.

use std::str::Split;

use crate::codec::{Scan, scan, text, unicode};
use crate::error::DecodeError;

/// A topic name: not empty, no wildcards, no U+0000, at most 65,535 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Topic<'a>(&'a str);

impl<'a> Topic<'a> {
    /// A name that was checked before, for instance when it was stored.
    #[inline]
    pub fn trusted(name: &'a str) -> Self {
        debug_assert!(
            Self::parse(name, u16::MAX).is_ok(),
            "not a topic name: {name:?}"
        );
        Self(name)
    }

    /// Checks a topic name. `levels_max` bounds its levels, which are one more than its slashes.
    ///
    /// # Errors
    /// `TopicInvalid` if it is empty [MQTT-4.7.3-1], has U+0000 [MQTT-4.7.3-2], is longer than
    /// 65,535 bytes [MQTT-4.7.3-3], has a wildcard [MQTT-3.3.2-2] or too many levels.
    #[inline]
    pub fn parse(name: &'a str, levels_max: u16) -> Result<Self, DecodeError> {
        let scan = scan(name.as_bytes());
        check_topic(&scan, name.len(), levels_max)?;
        if !scan.printable && name.contains('\0') {
            return Err(DecodeError::TopicInvalid(NUL));
        }
        Ok(Self(name))
    }

    /// Checks UTF-8 and topic name in one go: the hot path of PUBLISH.
    #[inline]
    pub(crate) fn decode(bytes: &'a [u8], levels_max: u16) -> Result<Self, DecodeError> {
        let scan = scan(bytes);
        let name = text(bytes)?;
        if !scan.printable {
            unicode(name)?;
        }
        check_topic(&scan, bytes.len(), levels_max)?;
        Ok(Self(name))
    }

    #[inline]
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// Whether it starts with `$`, so that leading wildcards do not match it [MQTT-4.7.2-1].
    #[inline]
    pub fn is_system(&self) -> bool {
        self.0.starts_with('$')
    }

    /// Its levels, from the root on; they may be empty.
    #[inline]
    pub fn levels(&self) -> Split<'a, char> {
        self.0.split('/')
    }
}

/// A topic filter: a topic name that may have `+` and `#` where they are allowed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Filter<'a>(&'a str);

impl<'a> Filter<'a> {
    /// A filter that was checked before, for instance when it was stored.
    #[inline]
    pub fn trusted(filter: &'a str) -> Self {
        debug_assert!(
            Self::parse(filter, u16::MAX).is_ok(),
            "not a filter: {filter:?}"
        );
        Self(filter)
    }

    /// Checks a topic filter; `$share/` means nothing here, see [`SharedFilter`].
    ///
    /// # Errors
    /// `FilterInvalid` if it is empty, has U+0000, is longer than 65,535 bytes, has too many
    /// levels, has `#` elsewhere than as the last level [MQTT-4.7.1-1] or `+` as a part of a level
    /// [MQTT-4.7.1-2].
    pub fn parse(filter: &'a str, levels_max: u16) -> Result<Self, DecodeError> {
        let scan = scan(filter.as_bytes());
        let fault = |cause| Err(DecodeError::FilterInvalid(cause));
        if filter.is_empty() {
            return fault(EMPTY);
        }
        if filter.len() > usize::from(u16::MAX) {
            return fault(LONG);
        }
        if scan.slashes >= usize::from(levels_max) {
            return fault(DEEP);
        }
        if !scan.printable && filter.contains('\0') {
            return fault(NUL);
        }
        if scan.wildcard {
            check_wildcards(filter)?;
        }
        Ok(Self(filter))
    }

    #[inline]
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// Whether it has `+` or `#`; if not, it matches one topic only.
    #[inline]
    pub fn is_wildcard(&self) -> bool {
        scan(self.0.as_bytes()).wildcard
    }

    /// Whether messages on `topic` go to subscriptions with this filter (4.7.1, 4.7.2, 4.7.3).
    pub fn matches(&self, topic: Topic<'_>) -> bool {
        // [MQTT-4.7.2-1]
        if topic.is_system() && self.0.starts_with(['#', '+']) {
            return false;
        }
        let mut names = topic.levels();
        for level in self.levels() {
            // `#` also stands for no level at all: `sport/#` matches `sport` (4.7.1.2).
            if level == "#" {
                return true;
            }
            match names.next() {
                // As they are, byte for byte [MQTT-4.7.3-4].
                Some(name) if level == "+" || level == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }

    /// Its levels, from the root on; they may be empty.
    #[inline]
    pub fn levels(&self) -> Split<'a, char> {
        self.0.split('/')
    }
}

/// A SUBSCRIBE's filter with `$share/<group>/` or `$queue/` taken off (4.8.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SharedFilter<'a> {
    /// The share name; `$queue` for the older form, which has none.
    pub group: Option<&'a str>,
    /// The filter that topics are matched with.
    pub filter: Filter<'a>,
}

impl<'a> SharedFilter<'a> {
    /// Checks a filter as it stands in SUBSCRIBE and UNSUBSCRIBE.
    ///
    /// # Errors
    /// `FilterInvalid` for what [`Filter::parse`] refuses, for a share name that is empty or has
    /// wildcards [MQTT-4.8.2-1], and for `$share/<group>` without a filter [MQTT-4.8.2-2].
    pub fn parse(filter: &'a str, levels_max: u16) -> Result<Self, DecodeError> {
        let (group, filter) = if let Some(rest) = filter.strip_prefix("$share/") {
            let (group, filter) = rest
                .split_once('/')
                .ok_or(DecodeError::FilterInvalid("$share without a filter"))?;
            if group.is_empty() {
                return Err(DecodeError::FilterInvalid("empty share name"));
            }
            if group.contains(['+', '#']) {
                return Err(DecodeError::FilterInvalid("wildcard in a share name"));
            }
            (Some(group), filter)
        } else if let Some(rest) = filter.strip_prefix("$queue/") {
            (Some("$queue"), rest)
        } else {
            (None, filter)
        };
        let filter = Filter::parse(filter, levels_max)?;
        Ok(Self { group, filter })
    }
}

const EMPTY: &str = "empty";
const LONG: &str = "longer than 65,535 bytes";
const DEEP: &str = "too many levels";
const NUL: &str = "has U+0000";

#[inline]
fn check_topic(scan: &Scan, len: usize, levels_max: u16) -> Result<(), DecodeError> {
    let deep = scan.slashes >= usize::from(levels_max);
    if len == 0 || len > usize::from(u16::MAX) || deep || scan.wildcard {
        // [MQTT-3.3.2-2] [MQTT-4.7.0-1] [MQTT-4.7.3-1] [MQTT-4.7.3-3]
        return Err(DecodeError::TopicInvalid(topic_fault(scan, len, deep)));
    }
    Ok(())
}

#[cold]
fn topic_fault(scan: &Scan, len: usize, deep: bool) -> &'static str {
    if len == 0 {
        EMPTY
    } else if scan.wildcard {
        "has a wildcard"
    } else if deep {
        DEEP
    } else {
        LONG
    }
}

fn check_wildcards(filter: &str) -> Result<(), DecodeError> {
    let mut levels = filter.split('/');
    while let Some(level) = levels.next() {
        if level == "+" {
            continue;
        }
        if level == "#" {
            // [MQTT-4.7.1-1]
            return match levels.next() {
                None => Ok(()),
                Some(_) => Err(DecodeError::FilterInvalid("# before the last level")),
            };
        }
        // [MQTT-4.7.1-1] [MQTT-4.7.1-2]
        if level.contains(['+', '#']) {
            return Err(DecodeError::FilterInvalid("wildcard as a part of a level"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
