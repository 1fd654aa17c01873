//! Who may do what. The router and every delivery take nothing but an [`Authorized`], and only this
//! room makes one, so no path can forget to ask.
//!
//! The rules are allow-all but for the broker's own `$` topics, until authenticators exist.

use protocol::{Filter, Topic};

use crate::message::View;

/// Whom a connection acts for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Principal {
    /// Nobody has proven who they are.
    Anonymous,
    /// Proven by an authenticator.
    User(Box<str>),
    /// A user of the dashboard who may look at everything and change nothing.
    Viewer(Box<str>),
    /// The broker itself (`$SYS`, later rules and bridges).
    Broker,
}

impl Principal {
    /// The user's name.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::User(name) | Self::Viewer(name) => Some(name),
            Self::Anonymous | Self::Broker => None,
        }
    }

    /// Whether a session of `owner` may be gone on with by this one: its own, or one that was
    /// nobody's.
    #[must_use]
    pub fn may_resume(&self, owner: &Self) -> bool {
        self == owner
            || *owner == Self::Anonymous
            || self.user().is_some() && self.user() == owner.user()
    }
}

/// Proof that an action was allowed. The field is private to this room.
#[derive(Clone, Copy, Debug)]
pub struct Authorized<T>(T);

impl<T> Authorized<T> {
    #[inline]
    pub fn into_inner(self) -> T {
        self.0
    }

    #[inline]
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// The action "subscribe with this filter".
#[derive(Clone, Copy, Debug)]
pub struct Subscribe<'a>(pub Filter<'a>);

/// The action "receive what was published on this topic", asked again at each delivery.
#[derive(Clone, Copy, Debug)]
pub struct Deliver<'a>(pub Topic<'a>);

/// The compiled rules of access.
#[derive(Clone, Debug, Default)]
pub struct Acl;

impl Acl {
    /// Nobody but the broker publishes to a topic that begins with `$` (4.7.2, non-normative), and who
    /// may only look publishes nothing.
    #[inline]
    #[must_use]
    pub fn publish<'a>(&self, who: &Principal, view: View<'a>) -> Option<Authorized<View<'a>>> {
        if view.topic.is_system() && *who != Principal::Broker {
            return None;
        }
        if let Principal::Viewer(_) = who {
            return None;
        }
        Some(Authorized(view))
    }

    #[must_use]
    pub fn subscribe<'a>(
        &self,
        _who: &Principal,
        filter: Filter<'a>,
    ) -> Option<Authorized<Subscribe<'a>>> {
        Some(Authorized(Subscribe(filter)))
    }

    #[inline]
    #[must_use]
    pub fn deliver<'a>(
        &self,
        _who: &Principal,
        topic: Topic<'a>,
    ) -> Option<Authorized<Deliver<'a>>> {
        Some(Authorized(Deliver(topic)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_session_may_be_gone_on_with() {
        let (nobody, broker) = (Principal::Anonymous, Principal::Broker);
        let user = |name: &str| Principal::User(name.into());
        let viewer = |name: &str| Principal::Viewer(name.into());
        let table = [
            (&nobody, &nobody, true),
            (&user("a"), &nobody, true),
            (&nobody, &user("a"), false),
            (&user("a"), &user("a"), true),
            (&user("a"), &user("b"), false),
            (&viewer("a"), &user("a"), true),
            (&viewer("a"), &user("b"), false),
            (&nobody, &broker, false),
        ];
        for (who, owner, due) in table {
            assert_eq!(who.may_resume(owner), due, "{who:?} {owner:?}");
        }
    }
}
