//! Whom a connection acts for.

use std::{num::NonZeroU32, sync::Arc};

use super::Rules;
use crate::Time;

/// Whom a connection acts for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Principal {
    /// Nobody has proven who they are.
    Anonymous,
    /// The same, and the address is no private one: who only is trusted is not told about the broker.
    Afar,
    /// Proven by an authenticator.
    User(User),
    /// A user of the dashboard who may look at everything and change nothing.
    Viewer(Box<str>),
    /// A user of the dashboard who may change the rules of access, too.
    Administrator(Box<str>),
    /// The broker itself (`$SYS`, later rules and bridges).
    Broker,
}

/// A client that has proven who it is.
#[derive(Clone, Debug)]
pub struct User {
    pub name: Box<str>,
    /// CN of the certificate that it showed.
    pub common_name: Option<Box<str>>,
    /// No rule is asked about it.
    pub superuser: bool,
    /// Its own, as an authenticator knows them: asked before all others.
    pub rules: Option<Arc<Rules>>,
    /// When that ends by which it has proven who it is, in seconds: its token is over.
    pub ends: Option<NonZeroU32>,
}

impl User {
    /// A user of whom nothing else is known.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            common_name: None,
            superuser: false,
            rules: None,
            ends: None,
        }
    }
}

/// Who it is, whatever it may do.
impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for User {}

impl Principal {
    /// The user's name.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::User(user) => Some(&user.name),
            Self::Viewer(name) | Self::Administrator(name) => Some(name),
            Self::Anonymous | Self::Afar | Self::Broker => None,
        }
    }

    /// CN of the certificate that it showed.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        match self {
            Self::User(user) => user.common_name.as_deref(),
            _ => None,
        }
    }

    pub(super) fn is_super(&self) -> bool {
        matches!(self, Self::User(user) if user.superuser)
    }

    /// Its own rules.
    pub(super) fn rules(&self) -> Option<&Rules> {
        match self {
            Self::User(user) => user.rules.as_deref(),
            _ => None,
        }
    }

    /// It is this one until then.
    #[must_use]
    pub fn until(mut self, at: Time) -> Self {
        if let Self::User(user) = &mut self {
            // The first second that is wholly after it.
            let secs = u32::try_from(at.0.div_ceil(1000)).unwrap_or(u32::MAX);
            user.ends = NonZeroU32::new(secs);
        }
        self
    }

    /// Whether that by which it has proven who it is has ended since.
    #[must_use]
    pub fn is_over(&self, now: Time) -> bool {
        let ends = match self {
            Self::User(user) => user.ends,
            _ => None,
        };
        ends.is_some_and(|secs| u64::from(secs.get()) * 1000 <= now.0)
    }

    /// Whether nobody has proven who it is.
    #[must_use]
    pub const fn is_nobody(&self) -> bool {
        matches!(self, Self::Anonymous | Self::Afar)
    }

    /// Whether a session of `owner` may be gone on with by this one: its own, or one that was
    /// nobody's, but for those who may only look: it would be theirs, and its client shut out. A user of the
    /// dashboard stays the same whatever the role.
    #[must_use]
    pub fn may_resume(&self, owner: &Self) -> bool {
        let dashboard = |who: &Self| match who {
            Self::Viewer(name) | Self::Administrator(name) => Some(name.clone()),
            _ => None,
        };
        self == owner
            || owner.is_nobody() && !matches!(self, Self::Viewer(_))
            || dashboard(self).is_some_and(|name| dashboard(owner) == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_session_may_be_gone_on_with() {
        let (nobody, broker) = (Principal::Anonymous, Principal::Broker);
        let afar = Principal::Afar;
        let user = |name: &str| Principal::User(User::new(name));
        let viewer = |name: &str| Principal::Viewer(name.into());
        let administrator = |name: &str| Principal::Administrator(name.into());
        let table = [
            (&nobody, &nobody, true),
            (&user("a"), &nobody, true),
            (&nobody, &user("a"), false),
            (&nobody, &afar, true),
            (&afar, &nobody, true),
            (&user("a"), &afar, true),
            (&afar, &user("a"), false),
            (&user("a"), &user("a"), true),
            (&user("a"), &user("b"), false),
            (&viewer("a"), &administrator("a"), true),
            (&viewer("a"), &nobody, false),
            (&administrator("a"), &nobody, true),
            (&viewer("a"), &administrator("b"), false),
            // Another realm, in which others give names.
            (&user("a"), &administrator("a"), false),
            (&viewer("a"), &user("a"), false),
            (&nobody, &broker, false),
        ];
        for (who, owner, due) in table {
            assert_eq!(who.may_resume(owner), due, "{who:?} {owner:?}");
        }
    }

    #[test]
    fn a_user_is_one_for_a_time() {
        let user = Principal::User(User::new("a"));
        assert!(!user.is_over(Time(u64::MAX)));
        let user = user.until(Time(5_001));
        assert!(!user.is_over(Time(5_999)) && user.is_over(Time(6_000)));
        assert!(!Principal::Broker.until(Time(1)).is_over(Time(2)));
    }

    /// What a user may do says nothing about who it is.
    #[test]
    fn a_superuser_is_the_same_user() {
        let mut user = User::new("a");
        user.superuser = true;
        assert_eq!(user, User::new("a"));
    }
}
