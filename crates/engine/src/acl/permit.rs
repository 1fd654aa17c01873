//! A client that was allowed to publish to a topic is not judged again for the next message of the same
//! kind: most clients publish to the same topic again and again.
//!
//! The client holds a [`Permit`], the cached route of the topic a [`Mark`], with a number in both that was
//! given out once. Another client's permit takes the mark over; another topic's route has none.

use core::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Acl, Actions, Asks, Authorized, Ground, Subject};
use crate::message::View;

/// What a client was allowed last. The default is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permit {
    number: u64,
    action: Actions,
}

impl Default for Permit {
    fn default() -> Self {
        Self {
            number: 0,
            action: Actions::NONE,
        }
    }
}

/// To whom the permit was given that is good for this topic; 0 = to nobody.
#[derive(Debug, Default)]
pub(crate) struct Mark(Cell<u64>);

/// What both ends have, which goes together or not.
pub(crate) type Known<'a> = (&'a Cell<Permit>, &'a Mark);

/// Gives out permits.
#[derive(Debug, Default)]
pub(super) struct Permits {
    last: AtomicU64,
    /// Up to this one they are void.
    void: u64,
}

impl Permits {
    #[inline]
    pub(super) fn allow(&self, permit: Permit, mark: &Mark, action: Actions) -> bool {
        permit.number > self.void && permit.number == mark.0.get() && permit.action == action
    }

    pub(super) fn give(&self, mark: &Mark, action: Actions) -> Permit {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        mark.0.set(number);
        Permit { number, action }
    }

    /// The rules are others now.
    pub(super) fn revoke(&mut self) {
        self.void = *self.last.get_mut();
    }
}

impl Acl {
    /// As [`Acl::publish`], for a client that may have a permit for a topic that may have its mark.
    #[inline]
    pub(crate) fn publish_again<'a>(
        &self,
        asks: &impl Asks,
        known: Option<Known<'_>>,
        view: View<'a>,
    ) -> Result<Authorized<View<'a>>, Ground> {
        self.check_again(asks, known, &view)?;
        Ok(Authorized(view))
    }

    /// The same, for messages of which each is looked at alike.
    #[inline]
    pub(crate) fn check_again(
        &self,
        asks: &impl Asks,
        known: Option<Known<'_>>,
        view: &View<'_>,
    ) -> Result<(), Ground> {
        if self.needs_no_rule(asks, view.topic) {
            return Ok(());
        }
        let action = Actions::publish(view.qos, view.retain);
        let allows = |(permit, mark): Known<'_>| self.permits.allow(permit.get(), mark, action);
        if known.is_some_and(allows) {
            return Ok(());
        }
        self.permit(asks.subject(), known, view)
    }

    /// Judges, and gives a permit if there is a place for it. What somebody elsewhere has said is good for as
    /// long as they say, so there is none for that.
    #[inline(never)]
    fn permit(
        &self,
        subject: Subject<'_>,
        known: Option<Known<'_>>,
        view: &View<'_>,
    ) -> Result<(), Ground> {
        let judgement = self.judge_publish(subject, view.topic, view.qos, view.retain);
        if !judgement.is_allowed {
            return Err(judgement.ground);
        }
        if let Some((permit, mark)) = known
            && !self.asks_outside()
        {
            let action = Actions::publish(view.qos, view.retain);
            permit.set(self.permits.give(mark, action));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use protocol::QoS;

    use super::*;

    #[test]
    fn a_permit_is_for_one_client_topic_and_action() {
        let once = Actions::publish(QoS::AtLeastOnce, false);
        let retained = Actions::publish(QoS::AtLeastOnce, true);
        let (here, there) = (Mark::default(), Mark::default());
        let permits = Permits::default();
        assert!(!permits.allow(Permit::default(), &here, Actions::NONE));
        let first = permits.give(&here, once);
        assert!(permits.allow(first, &here, once));
        assert!(!permits.allow(first, &here, retained));
        assert!(!permits.allow(first, &there, once));
        let second = permits.give(&here, once);
        assert!(permits.allow(second, &here, once));
        assert!(!permits.allow(first, &here, once), "another's by now");
    }

    #[test]
    fn no_permit_outlives_the_rules() {
        let action = Actions::publish(QoS::AtMostOnce, false);
        let mark = Mark::default();
        let mut permits = Permits::default();
        let permit = permits.give(&mark, action);
        permits.revoke();
        assert!(!permits.allow(permit, &mark, action));
        let next = permits.give(&mark, action);
        assert!(permits.allow(next, &mark, action));
    }
}
