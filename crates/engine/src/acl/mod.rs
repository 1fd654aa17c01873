//! Who may do what. The router and every delivery take nothing but an [`Authorized`], and only this
//! room makes one, so no path can forget to ask.
//!
//! The rules are allow-all but for the broker's own `$` topics, until authenticators exist.

mod principal;

use protocol::{Filter, Topic};

pub use principal::{Principal, User};

use crate::message::View;

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
