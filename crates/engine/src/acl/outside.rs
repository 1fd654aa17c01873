//! What is asked elsewhere: whether a client may do something is said by somebody whom the broker has to
//! ask and wait for. What was said is kept with the connection for a while.

use protocol::QoS;

use super::{Actions, Principal};
use crate::Time;

/// Where in the order of rules somebody elsewhere is asked, and what is kept of the answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outside {
    /// So many rules come before.
    pub at: u32,
    /// Answers that are kept for one connection.
    pub most: usize,
    /// For how long.
    pub keep_millis: u64,
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
    Word(Word),
    /// There will be none: what hangs on it is denied.
    Failed,
}

/// Something that was said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) action: Actions,
    pub(super) topic: Box<str>,
    pub(super) word: Word,
    pub(super) until: Time,
}

impl Inquiry<'_> {
    pub(crate) fn action(&self) -> Actions {
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
