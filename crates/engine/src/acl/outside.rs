//! What is asked elsewhere: whether a client may do something is said by somebody whom the broker has to
//! ask and wait for. What was said is kept with the connection for a while.

use core::ops::Range;

use protocol::QoS;

use super::{Access, Acl, Actions, Events, Ground, Principal, Subject, events};
use crate::Time;

/// Sources elsewhere, at one time.
pub const SOURCES_MAX: usize = 4;
/// The place of a source that is not there, and the number of one that has said nothing.
const NOWHERE: u32 = u32::MAX;
pub(super) const NOBODY: u8 = u8::MAX;

/// Where in the order of rules somebody elsewhere is asked, and what is kept of the answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outside {
    /// So many rules come before each of them, in their order.
    at: [u32; SOURCES_MAX],
    /// As people are told of them.
    names: [&'static str; SOURCES_MAX],
    /// Answers that are kept for one connection.
    pub most: usize,
    /// For how long.
    pub keep_millis: u64,
}

impl Outside {
    /// With one source, behind so many rules.
    #[must_use]
    pub fn new(at: u32, name: &'static str, most: usize, keep_millis: u64) -> Self {
        let mut made = Self {
            at: [NOWHERE; SOURCES_MAX],
            names: [""; SOURCES_MAX],
            most,
            keep_millis,
        };
        made.at[0] = at;
        made.names[0] = name;
        made
    }

    /// Another one behind those; false if there is no room.
    pub fn add(&mut self, at: u32, name: &'static str) -> bool {
        let free = self.at.iter().position(|at| *at == NOWHERE);
        if let Some(free) = free {
            self.at[free] = at;
            self.names[free] = name;
        }
        free.is_some()
    }

    pub(super) fn names(&self) -> &[&'static str; SOURCES_MAX] {
        &self.names
    }

    pub(super) fn first(&self) -> u32 {
        self.at[0]
    }

    /// So many rules come before one of them; before the first, if it is not told which.
    pub(super) fn place(&self, source: u8) -> u32 {
        self.at
            .get(usize::from(source))
            .copied()
            .unwrap_or_else(|| self.first())
    }

    /// How many are asked before this rule decides, or where none does.
    pub(super) fn before(&self, rule: Option<u32>) -> usize {
        let comes = |at: &&u32| rule.map_or(**at != NOWHERE, |rule| **at <= rule);
        self.at.iter().filter(comes).count()
    }

    pub(super) fn name(&self, source: u8) -> Option<&'static str> {
        self.names.get(usize::from(source)).copied()
    }
}

/// What is asked: may this client do that?
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    pub client_id: &'a str,
    pub who: &'a Principal,
    /// To publish, or else to subscribe.
    pub publishes: bool,
    pub qos: QoS,
    pub retain: bool,
    /// A topic, or the filter of a subscription.
    pub topic: &'a str,
    /// How many sources are asked, from the first on: a rule decides before the others.
    pub sources: usize,
}

/// What somebody elsewhere says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    Allow,
    Deny,
    /// Whoever comes behind decides.
    Pass,
}

/// What there is of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It was asked for and is not there yet.
    Waits,
    /// By the source of this number.
    Word(Word, u8),
    /// There will be none: what hangs on it is denied.
    Failed,
}

/// Something that was said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) action: Actions,
    pub(super) topic: Box<str>,
    pub(super) word: Word,
    pub(super) by: u8,
    /// When it was said, and until when it need not be asked again.
    pub(super) kept: Range<Time>,
}

/// A decision that hangs on what somebody elsewhere has said, while that need not be asked again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision<'a> {
    /// To publish, or else to subscribe.
    pub publishes: bool,
    /// A topic, or the filter of a subscription.
    pub topic: &'a str,
    pub is_allowed: bool,
    /// When it was said.
    pub since: Time,
}

impl Inquiry<'_> {
    #[must_use]
    pub fn action(&self) -> Actions {
        if self.publishes {
            Actions::publish(self.qos, self.retain)
        } else {
            Actions::ask(self.qos)
        }
    }
}

impl Principal {
    /// Whether anybody elsewhere is asked about it: only about clients.
    pub(super) fn is_client(&self) -> bool {
        match self {
            Self::Anonymous | Self::Afar => true,
            Self::User(user) => !user.superuser,
            Self::Viewer(_) | Self::Administrator(_) | Self::Broker => false,
        }
    }
}

impl Acl {
    /// What is known of somebody because it was said elsewhere.
    pub(crate) fn decisions<'a>(
        &'a self,
        subject: Subject<'a>,
        now: Time,
    ) -> impl Iterator<Item = Decision<'a>> {
        let said = subject.access.map_or(&[][..], |access| &access.said);
        let kept = said.iter().filter(move |said| now < said.kept.end);
        kept.map(move |said| {
            let publishes = !said.action.has(Actions::ASK);
            let unless = match events(&said.topic) {
                Events::All if !publishes => Ground::Events,
                _ => Ground::NoMatch,
            };
            Decision {
                publishes,
                topic: &said.topic,
                is_allowed: self
                    .judge(subject, said.action, &said.topic, unless)
                    .is_allowed,
                since: said.kept.start,
            }
        })
    }
}

impl Access {
    /// What was said of this is known no more: nobody says it again.
    pub(crate) fn unsay(&mut self, action: Actions, topic: &str) {
        self.said
            .retain(|said| said.action != action || *said.topic != *topic);
    }

    /// All is asked again from now on. By what was said of subscriptions those that were granted are judged,
    /// so it is still known.
    pub(crate) fn forget(&mut self) {
        self.said.retain(|said| said.action.has(Actions::ASK));
        for said in &mut self.said {
            said.kept.end = said.kept.start;
        }
    }
}
