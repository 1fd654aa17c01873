//! Shared subscriptions: who is in a group, who takes the next message, what waits in memory.
//!
//! A group lives on one shard. It counts what each member has not yet finished, skips members that are
//! away, full or stalled, and takes back what they could not deliver.

use std::{collections::VecDeque, hash::BuildHasher, sync::Arc};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{QoS, Topic};

use crate::{
    Message, SessionRef, Strategy, Time,
    acl::{Acl, Guard},
    leases::Leases,
    message::View,
    record::GroupRecord,
    router::NodeId,
    session::Grace,
    table::is_oversized,
};

/// How long a member that gave a message back is left alone, unless it finishes something first.
const STALL_MILLIS: u64 = 100;

#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<u32, Group, FixedState>,
    /// The key of the next group. Keys are not used again: a message may come back for a group that is
    /// gone.
    next: u32,
    names: HashMap<(Box<str>, Box<str>), u32, FixedState>,
    /// Groups with messages that nobody could take.
    waiting: Vec<u32>,
    retry_at: Option<Time>,
    /// What the store had of groups at the start; each goes to the first who is a member.
    pub(crate) kept: HashMap<(Box<str>, Box<str>), GroupRecord, FixedState>,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: (Box<str>, Box<str>),
    pub(crate) node: Option<NodeId>,
    pub(crate) members: Vec<Member>,
    next: usize,
    sticky: Option<SessionRef>,
    pub(crate) queue: VecDeque<Arc<Message>>,
    pub(crate) queue_bytes: usize,
    pub(crate) grace: Grace,
    /// Its place in the log, once a session that outlives its connection was a member.
    pub(crate) leases: Option<Box<Leases>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) session: SessionRef,
    /// The session's name for this membership.
    pub(crate) label: u64,
    pub(crate) qos: QoS,
    pub(crate) as_published: bool,
    /// Subscription Identifier, 0 for none.
    pub(crate) id: u32,
    pub(crate) window: u32,
    /// Handed out and not finished.
    pub(crate) open: u32,
    pub(crate) online: bool,
    pub(crate) stalled_until: Time,
    /// Some of what the group gets may be denied to it.
    pub(crate) guard: Option<Arc<Guard>>,
}

impl Member {
    #[inline]
    fn may_take(&self, topic: Topic<'_>, acl: &Acl) -> bool {
        match &self.guard {
            None => true,
            Some(guard) => acl.receives(&**guard, topic, self.qos),
        }
    }

    fn can_take(&self, qos: QoS, now: Time) -> bool {
        self.online
            && self.stalled_until <= now
            && (qos.min(self.qos) == QoS::AtMostOnce || self.open < self.window)
    }
}

impl Groups {
    pub(crate) fn find(&self, group: &str, filter: &str) -> Option<u32> {
        // Rare operation: a lookup by borrowed pair is not worth a second table.
        self.names.get(&(group.into(), filter.into())).copied()
    }

    pub(crate) fn insert(&mut self, group: Box<str>, filter: Box<str>) -> u32 {
        let name = (group, filter);
        let group = Group {
            name: name.clone(),
            node: None,
            members: Vec::new(),
            next: 0,
            sticky: None,
            queue: VecDeque::new(),
            queue_bytes: 0,
            grace: Grace::default(),
            leases: None,
        };
        let key = self.next;
        self.next = key.wrapping_add(1);
        self.groups.insert(key, group);
        self.names.insert(name, key);
        key
    }

    pub(crate) fn get(&self, key: u32) -> Option<&Group> {
        self.groups.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut Group> {
        self.groups.get_mut(&key)
    }

    pub(crate) fn remove(&mut self, key: u32) -> Option<Group> {
        let group = self.groups.remove(&key)?;
        self.names.remove(&group.name);
        self.waiting.retain(|g| *g != key);
        if is_oversized(self.groups.len(), self.groups.capacity()) {
            self.groups.shrink_to(2 * self.groups.len());
            self.names.shrink_to(2 * self.names.len());
        }
        Some(group)
    }

    /// Before which the log has nothing that a group of this shard may need.
    pub(crate) fn needs_from(&self, tail: u64) -> u64 {
        let leases = self.groups.values().filter_map(|g| g.leases.as_ref());
        leases.map(|l| l.needs_from(tail)).min().unwrap_or(u64::MAX)
    }

    /// Notes that a group has messages waiting.
    pub(crate) fn wait(&mut self, key: u32, now: Time) {
        if !self.waiting.contains(&key) {
            self.waiting.push(key);
        }
        self.retry_at
            .get_or_insert_with(|| now.plus_millis(STALL_MILLIS));
    }

    /// Groups to try again, once their time has come.
    pub(crate) fn take_waiting(&mut self, now: Time) -> Vec<u32> {
        if self.retry_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.retry_at = None;
        std::mem::take(&mut self.waiting)
    }

    pub(crate) fn next_retry(&self) -> Option<Time> {
        self.retry_at
    }
}

impl Group {
    pub(crate) fn member_mut(&mut self, session: SessionRef) -> Option<&mut Member> {
        self.members.iter_mut().find(|m| m.session == session)
    }

    /// Whether anybody could be given something, now or soon.
    pub(crate) fn is_served(&self) -> bool {
        self.members.iter().any(|m| m.online)
    }

    /// Picks the member that takes a message, and counts it as open there.
    pub(crate) fn pick(
        &mut self,
        message: &View<'_>,
        strategy: Strategy,
        draw: u64,
        hasher: &FixedState,
        now: Time,
        acl: &Acl,
    ) -> Option<Member> {
        let n = self.members.len();
        if n == 0 {
            return None;
        }
        let start = match strategy {
            Strategy::RoundRobin | Strategy::Local => self.next % n,
            Strategy::Random => index(draw, n),
            Strategy::Sticky => self
                .sticky
                .and_then(|s| self.members.iter().position(|m| m.session == s))
                .unwrap_or(self.next % n),
            Strategy::HashClientId => index(hasher.hash_one(message.publisher), n),
            Strategy::HashTopic => index(hasher.hash_one(message.topic.as_str()), n),
        };
        let around = (0..n).map(|i| (start + i) % n);
        let able = |at: &usize| {
            let member = &self.members[*at];
            member.can_take(message.qos, now) && member.may_take(message.topic, acl)
        };
        let local = |at: &usize| self.members[*at].session.shard == message.publisher.shard;
        let at = if strategy == Strategy::Local {
            around
                .clone()
                .filter(local)
                .find(able)
                .or_else(|| around.clone().find(able))
        } else {
            around.clone().find(able)
        }?;
        self.next = at + 1;
        let member = &mut self.members[at];
        self.sticky = Some(member.session);
        if message.qos.min(member.qos) > QoS::AtMostOnce {
            member.open += 1;
        }
        Some(member.clone())
    }

    /// Whether a message is denied to all members.
    pub(crate) fn is_for_nobody(&self, message: &View<'_>, acl: &Acl) -> bool {
        let mut members = self.members.iter();
        !self.members.is_empty() && members.all(|m| !m.may_take(message.topic, acl))
    }

    /// The member is left alone for a while.
    pub(crate) fn stall(&mut self, session: SessionRef, now: Time) {
        if let Some(member) = self.member_mut(session) {
            member.stalled_until = now.plus_millis(STALL_MILLIS);
        }
    }
}

fn index(hash: u64, n: usize) -> usize {
    usize::try_from(hash % n as u64).expect("smaller than the number of members")
}
