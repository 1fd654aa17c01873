//! Filters -> subscribers, as a plain value: `subscribe`, `unsubscribe`, `matches`.
//!
//! Filters without wildcards stand in one hash table, those with wildcards in a trie. A node knows
//! this shard's subscribers in full, and of other shards only that they are interested (one bit), so
//! a copy per shard costs little. Filters changed lately are kept in a short ring, so that a cached
//! route is walked again only if one of them matches its topic.

mod entry;
mod exact;
pub(crate) mod level;
mod route;
mod subs;
mod trie;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use protocol::{Filter, QoS, Topic};

pub use route::Route;
pub(crate) use route::{Routes, Target};
pub use subs::{Flags, Sub};

use crate::limits::CHANGES_MAX;
use exact::Exact;
use trie::Trie;

/// A filter's place in the router; those in the trie have the top bit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NodeId(u32);

const TRIE: u32 = 1 << 31;

/// Which other shards want what matches a filter.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Interest {
    /// Shards with a receiver that is served at once.
    pub live: u32,
    /// Shards with a session that reads the log.
    pub durable: u32,
}

impl Interest {
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.live == 0 && self.durable == 0
    }

    /// The shards with a receiver that is served at once.
    pub(crate) fn live_shards(self) -> impl Iterator<Item = u16> {
        let mut live = self.live;
        std::iter::from_fn(move || {
            let next = u16::try_from(live.trailing_zeros())
                .ok()
                .filter(|n| *n < 32)?;
            live &= live - 1;
            Some(next)
        })
    }

    fn merge(&mut self, other: Self) {
        self.live |= other.live;
        self.durable |= other.durable;
    }

    fn set(&mut self, shard: u16, wants: Wants) {
        let bit = 1u32 << shard;
        self.live = if wants.live {
            self.live | bit
        } else {
            self.live & !bit
        };
        self.durable = if wants.durable {
            self.durable | bit
        } else {
            self.durable & !bit
        };
    }
}

/// What one shard wants of a filter.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Wants {
    pub live: bool,
    pub durable: bool,
}

/// A change of interest that the other shards must learn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub key: Key,
    pub wants: Wants,
}

/// An exact filter travels as its hash only: false matches cost a wasted hop, never a wrong delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    Exact(u64),
    Wildcard(Box<str>),
}

/// The routing table of one shard.
#[derive(Debug)]
pub struct Router {
    shard: u16,
    exact: Exact,
    trie: Trie,
    /// Filters that are told of here, see [`Router::topics`].
    topics: usize,
    /// Counts every change; a route is current if it saw them all.
    changes: u64,
    ring: VecDeque<Changed>,
}

#[derive(Debug)]
enum Changed {
    Filter(Box<str>),
    Hash(u64),
}

impl Router {
    /// All shards of a process use one seed, so that hashes agree.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::on(0, seed)
    }

    /// As [`Router::new`], for this shard.
    #[must_use]
    pub fn on(shard: u16, seed: u64) -> Self {
        let hasher = || FixedState::with_seed(seed);
        Self {
            shard,
            topics: 0,
            exact: Exact::new(hasher()),
            trie: Trie::new(hasher()),
            changes: 0,
            ring: VecDeque::new(),
        }
    }

    /// Adds or replaces a session's subscription. Gives the node, whether the subscription is new, and
    /// what the other shards must be told.
    pub fn subscribe(&mut self, filter: Filter<'_>, sub: Sub) -> (NodeId, bool, Option<Change>) {
        let (node, before) = self.node(filter);
        let told = self.tells(node);
        let new = self.subs_mut(node).insert(sub);
        self.count(told, node);
        self.changed(filter);
        (node, new, self.difference(node, before))
    }

    /// Takes a session's subscription away; `None` if there was none.
    pub fn unsubscribe(&mut self, node: NodeId, session: u32) -> Option<Option<Change>> {
        let before = self.wants(node);
        let told = self.tells(node);
        if !self.subs_mut(node).remove(session) {
            return None;
        }
        self.count(told, node);
        Some(self.settle(node, before))
    }

    /// Says whether a subscription is checked at delivery. What others know of it stays the same.
    pub(crate) fn set_flags(&mut self, node: NodeId, session: u32, flags: Flags) {
        self.subs_mut(node).set_flags(session, flags);
        let text = self.filter(node);
        self.changed(Filter::trusted(&text));
    }

    /// Lets a shared group receive what matches the filter, live or from the log.
    pub(crate) fn join(
        &mut self,
        filter: Filter<'_>,
        group: u32,
        durable: bool,
    ) -> (NodeId, Option<Change>) {
        let (node, before) = self.node(filter);
        let told = self.tells(node);
        self.subs_mut(node).insert_group(group, durable);
        self.count(told, node);
        self.changed(filter);
        (node, self.difference(node, before))
    }

    pub(crate) fn leave(&mut self, node: NodeId, group: u32) -> Option<Change> {
        let before = self.wants(node);
        let told = self.tells(node);
        self.subs_mut(node).remove_group(group);
        self.count(told, node);
        self.settle(node, before)
    }

    /// The node of a filter that is already there.
    #[must_use]
    pub fn find(&self, filter: Filter<'_>) -> Option<NodeId> {
        if stands_in_trie(filter) {
            self.trie.find(filter).map(|n| NodeId(n | TRIE))
        } else {
            self.exact.find(filter.as_str()).map(NodeId)
        }
    }

    /// A session's subscription at a node.
    #[must_use]
    pub fn sub(&self, node: NodeId, session: u32) -> Option<Sub> {
        self.subs(node).get(session)
    }

    /// The text of a node's filter.
    #[must_use]
    pub fn filter(&self, node: NodeId) -> String {
        if node.0 & TRIE == 0 {
            self.exact.filter(node.0).to_owned()
        } else {
            self.trie.filter(node.0 & !TRIE)
        }
    }

    /// Applies what another shard said.
    pub fn apply(&mut self, from: u16, change: &Change) {
        match &change.key {
            Key::Exact(hash) => {
                let nodes: Vec<u32> = self.exact.with_hash(*hash).collect();
                let told = nodes.iter().filter(|n| self.tells(NodeId(**n))).count();
                self.exact.set_remote(*hash, from, change.wants);
                let tells = nodes.iter().filter(|n| self.tells(NodeId(**n))).count();
                self.topics = self.topics - told + tells;
                self.remember(Changed::Hash(*hash));
            }
            Key::Wildcard(text) => {
                let filter = Filter::trusted(text);
                let node = self.find(filter).filter(|n| !self.subs(*n).is_empty());
                let told = node.is_some_and(|n| self.tells(n));
                self.trie.set_remote(filter, from, change.wants);
                if let Some(node) = node {
                    self.count(told, node);
                }
                self.remember(Changed::Filter(text.clone()));
            }
        }
    }

    /// Fills `route` with all that matches its topic, each session once.
    pub fn walk(&mut self, topic: Topic<'_>, route: &mut Route) {
        route.clear(topic, self.changes);
        let (subs, interest) = self.exact.look(topic.as_str());
        route.interest = interest;
        if let Some(subs) = subs {
            route.collect(subs);
        }
        self.trie.walk(topic, route);
        route.merge();
    }

    /// Walks again if something that matches has changed.
    #[inline]
    pub(crate) fn refresh(&mut self, topic: Topic<'_>, route: &mut Route) {
        if !self.is_current(route) {
            self.walk(topic, route);
        }
    }

    /// Whether the route still holds; brings it up to date cheaply where no changed filter matches.
    #[inline]
    pub(crate) fn is_current(&self, route: &mut Route) -> bool {
        if route.seen == self.changes {
            return true;
        }
        let missed = self.changes - route.seen;
        if missed > self.ring.len() as u64 {
            return false;
        }
        let missed = usize::try_from(missed).expect("at most the ring's length");
        let topic = Topic::trusted(&route.topic);
        let hit = self
            .ring
            .iter()
            .rev()
            .take(missed)
            .any(|changed| match changed {
                Changed::Filter(text) => Filter::trusted(text).matches(topic),
                Changed::Hash(hash) => *hash == self.exact.hash(topic.as_str()),
            });
        if !hit {
            route.seen = self.changes;
        }
        !hit
    }

    /// Whether any filter on any shard may match topics of the system that begin with these levels.
    #[must_use]
    pub(crate) fn may_want(&self, begin: &str) -> bool {
        self.trie.may_match(begin)
    }

    /// How many filters [`Router::topics`] gives.
    #[must_use]
    pub fn topics_len(&self) -> usize {
        self.topics
    }

    /// The filters that somebody here is subscribed to and nobody on a shard before this one, so that
    /// all shards together give each once. Goes through all nodes from a place on; with each comes the
    /// place behind it.
    pub fn topics(&self, from: u32) -> impl Iterator<Item = (u32, Option<String>)> {
        let exact = (from & TRIE == 0).then(|| self.exact.keys(from));
        let trie = self
            .trie
            .keys(if from & TRIE == 0 { 0 } else { from & !TRIE });
        let nodes = exact.into_iter().flatten().map(NodeId);
        let nodes = nodes.chain(trie.map(|n| NodeId(n | TRIE)));
        nodes.map(|node| {
            let text = self.tells(node).then(|| self.filter(node));
            (node.0 + 1, text)
        })
    }

    /// Whether a node is one of [`Router::topics`].
    fn tells(&self, node: NodeId) -> bool {
        if self.subs(node).is_empty() {
            return false;
        }
        let interest = if node.0 & TRIE == 0 {
            self.exact
                .remote(self.exact.hash(self.exact.filter(node.0)))
        } else {
            self.trie.remote(node.0 & !TRIE)
        };
        let before = (1_u32 << self.shard) - 1;
        (interest.live | interest.durable) & before == 0
    }

    /// What a node was among [`Router::topics`] has changed.
    fn count(&mut self, told: bool, node: NodeId) {
        self.topics = self.topics - usize::from(told) + usize::from(self.tells(node));
    }

    /// Whether somebody here is subscribed to exactly this filter.
    #[must_use]
    pub fn has(&self, filter: Filter<'_>) -> bool {
        self.find(filter).is_some_and(|n| !self.subs(n).is_empty())
    }

    /// The subscribers of this shard at one filter.
    #[must_use]
    pub fn subscribers(&self, filter: Filter<'_>) -> &[Sub] {
        self.find(filter).map_or(&[], |n| self.subs(n).slice())
    }

    /// The shared groups of this shard at one filter.
    pub(crate) fn groups(&self, filter: Filter<'_>) -> &[(u32, bool)] {
        self.find(filter).map_or(&[], |n| self.subs(n).groups())
    }

    /// The first filter without wildcards, of `max` from a place on, that somebody looks for; and where
    /// to go on.
    pub(crate) fn find_exact(
        &self,
        from: u32,
        max: u32,
        wanted: impl Fn(&str) -> bool,
    ) -> (Option<&str>, Option<u32>) {
        self.exact.search(from, max, wanted)
    }

    /// Subscription nodes in use, for tests and statistics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len() + self.trie.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every receiver of a topic on this shard, for tests and inspection.
    #[must_use]
    pub fn matches(&mut self, topic: Topic<'_>) -> Vec<(u32, QoS)> {
        let mut route = Route::default();
        self.walk(topic, &mut route);
        route
            .targets
            .iter()
            .map(|t| (t.session, t.flags.qos()))
            .collect()
    }

    /// Shards interested in a topic.
    #[must_use]
    pub fn interest(&mut self, topic: Topic<'_>) -> Interest {
        let mut route = Route::default();
        self.walk(topic, &mut route);
        route.interest
    }

    fn node(&mut self, filter: Filter<'_>) -> (NodeId, Wants) {
        let node = if stands_in_trie(filter) {
            NodeId(self.trie.insert(filter) | TRIE)
        } else {
            NodeId(self.exact.insert(filter.as_str()))
        };
        (node, self.wants(node))
    }

    fn subs(&self, node: NodeId) -> &subs::Subs {
        if node.0 & TRIE == 0 {
            self.exact.subs(node.0)
        } else {
            self.trie.subs(node.0 & !TRIE)
        }
    }

    fn subs_mut(&mut self, node: NodeId) -> &mut subs::Subs {
        if node.0 & TRIE == 0 {
            self.exact.subs_mut(node.0)
        } else {
            self.trie.subs_mut(node.0 & !TRIE)
        }
    }

    /// What this shard wants at a node. Filters with one hash are one to the others.
    fn wants(&self, node: NodeId) -> Wants {
        if node.0 & TRIE == 0 {
            self.exact.wants(node.0)
        } else {
            self.trie.subs(node.0 & !TRIE).wants()
        }
    }

    fn difference(&self, node: NodeId, before: Wants) -> Option<Change> {
        let wants = self.wants(node);
        (wants != before).then(|| Change {
            key: self.key(node),
            wants,
        })
    }

    fn key(&self, node: NodeId) -> Key {
        if node.0 & TRIE == 0 {
            Key::Exact(self.exact.hash(self.exact.filter(node.0)))
        } else {
            Key::Wildcard(self.trie.filter(node.0 & !TRIE).into_boxed_str())
        }
    }

    /// After a removal: notes the change and frees the node if nobody is left.
    fn settle(&mut self, node: NodeId, before: Wants) -> Option<Change> {
        let text = self.filter(node);
        let change = self.difference(node, before);
        self.remember(Changed::Filter(text.into_boxed_str()));
        if self.subs(node).is_empty() {
            if node.0 & TRIE == 0 {
                self.exact.remove(node.0);
            } else {
                self.trie.prune(node.0 & !TRIE);
            }
        }
        change
    }

    fn changed(&mut self, filter: Filter<'_>) {
        self.remember(Changed::Filter(filter.as_str().into()));
    }

    fn remember(&mut self, changed: Changed) {
        self.changes += 1;
        if self.ring.len() == CHANGES_MAX {
            self.ring.pop_front();
        }
        self.ring.push_back(changed);
    }
}

/// Filters of the system's topics stand in the trie though they have no wildcard: there one look says
/// that nobody listens to any of them.
fn stands_in_trie(filter: Filter<'_>) -> bool {
    filter.is_wildcard() || filter.as_str().starts_with('$')
}
