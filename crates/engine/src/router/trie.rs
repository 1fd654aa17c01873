//! Filters with wildcards: a trie whose edges all stand in one hash table, keyed (parent, level).
//!
//! A walk visits each matching node once and keeps its own stack: no recursion on topic levels.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use protocol::{Filter, Topic};

use super::{Interest, Route, Wants, level::Level, subs::Subs};
use crate::{slab::Slab, table::slim};

const ROOT: u32 = 0;
const NONE: u32 = 0;

#[derive(Debug)]
pub(crate) struct Trie {
    hasher: FixedState,
    edges: HashTable<Edge>,
    nodes: Slab<Node>,
    stack: Vec<(u32, u32)>,
    filters: usize,
}

/// A child, found by the hash of its parent and level.
#[derive(Clone, Copy, Debug)]
struct Edge {
    child: u32,
    /// Some bits of the hash: who has others is told apart without a look at the node.
    check: u32,
}

#[derive(Debug)]
struct Node {
    level: Level,
    subs: Subs,
    remote: Interest,
    parent: u32,
    children: u32,
    /// Children of the wildcard levels; [`NONE`] if there is none (the root is nobody's child).
    plus: u32,
    hash: u32,
}

impl Node {
    fn new(level: &str, parent: u32) -> Self {
        Self {
            level: Level::new(level),
            subs: Subs::None,
            remote: Interest::default(),
            parent,
            children: 0,
            plus: NONE,
            hash: NONE,
        }
    }
}

impl Trie {
    pub(crate) fn new(hasher: FixedState) -> Self {
        let mut nodes = Slab::default();
        nodes.insert(Node::new("", ROOT));
        Self {
            hasher,
            edges: HashTable::new(),
            nodes,
            stack: Vec::new(),
            filters: 0,
        }
    }

    pub(crate) fn find(&self, filter: Filter<'_>) -> Option<u32> {
        let mut at = ROOT;
        for level in filter.levels() {
            at = self.child(at, level)?;
        }
        Some(at)
    }

    pub(crate) fn insert(&mut self, filter: Filter<'_>) -> u32 {
        let mut at = ROOT;
        for level in filter.levels() {
            at = match self.child(at, level) {
                Some(child) => child,
                None => self.grow(at, level),
            };
        }
        if self.is_vacant(at) {
            self.filters += 1;
        }
        at
    }

    fn grow(&mut self, parent: u32, level: &str) -> u32 {
        let child = self.nodes.insert(Node::new(level, parent));
        let up = self.node_mut(parent);
        up.children += 1;
        match level {
            "+" => up.plus = child,
            "#" => up.hash = child,
            _ => {
                let (hasher, nodes) = (&self.hasher, &self.nodes);
                let hash = edge_hash(hasher, parent, level);
                let check = check(hash);
                self.edges.insert_unique(hash, Edge { child, check }, |e| {
                    let node = nodes.get(e.child).expect("the table holds live nodes");
                    edge_hash(hasher, node.parent, node.level.as_str())
                });
            }
        }
        child
    }

    /// Removes a node that holds nothing, and its parents that then hold nothing.
    pub(crate) fn prune(&mut self, mut at: u32) {
        if self.is_vacant(at) {
            self.filters = self.filters.saturating_sub(1);
        }
        while at != ROOT && self.is_vacant(at) && self.node(at).children == 0 {
            let Some(gone) = self.nodes.remove(at) else {
                return;
            };
            match gone.level.as_str() {
                "+" => self.node_mut(gone.parent).plus = NONE,
                "#" => self.node_mut(gone.parent).hash = NONE,
                level => {
                    let hash = edge_hash(&self.hasher, gone.parent, level);
                    if let Ok(entry) = self.edges.find_entry(hash, |e| e.child == at) {
                        entry.remove();
                    }
                }
            }
            self.node_mut(gone.parent).children -= 1;
            at = gone.parent;
        }
        let (hasher, nodes) = (&self.hasher, &self.nodes);
        slim(&mut self.edges, |e| {
            let node = nodes.get(e.child).expect("the table holds live nodes");
            edge_hash(hasher, node.parent, node.level.as_str())
        });
    }

    pub(crate) fn filter(&self, node: u32) -> String {
        let mut levels = Vec::new();
        let mut at = node;
        while at != ROOT {
            let node = self.node(at);
            levels.push(node.level.as_str());
            at = node.parent;
        }
        levels.reverse();
        levels.join("/")
    }

    pub(crate) fn subs(&self, node: u32) -> &Subs {
        &self.node(node).subs
    }

    pub(crate) fn subs_mut(&mut self, node: u32) -> &mut Subs {
        &mut self.node_mut(node).subs
    }

    pub(crate) fn set_remote(&mut self, filter: Filter<'_>, from: u16, wants: Wants) {
        if wants == Wants::default() {
            let Some(node) = self.find(filter) else {
                return;
            };
            self.node_mut(node).remote.set(from, wants);
            self.prune(node);
        } else {
            let node = self.insert(filter);
            self.node_mut(node).remote.set(from, wants);
        }
    }

    /// Collects every filter that matches. `#` also matches its parent level (4.7.1.2); a wildcard at
    /// the first level does not match a topic that begins with `$` [MQTT-4.7.2-1].
    pub(crate) fn walk(&mut self, topic: Topic<'_>, route: &mut Route) {
        if self.node(ROOT).children == 0 {
            return;
        }
        let text = topic.as_str();
        let end = u32::try_from(text.len()).expect("a topic is at most 65,535 bytes") + 1;
        let mut stack = std::mem::take(&mut self.stack);
        stack.push((ROOT, 0));
        while let Some((at, from)) = stack.pop() {
            let node = self.node(at);
            let wildcards = at != ROOT || !topic.is_system(); // [MQTT-4.7.2-1]
            if node.hash != NONE && wildcards {
                self.collect(node.hash, route);
            }
            if from == end {
                self.collect(at, route);
                continue;
            }
            let rest = &text[from as usize..];
            let level = rest.split('/').next().unwrap_or_default();
            let next = from + u32::try_from(level.len()).expect("shorter than the topic") + 1;
            if let Some(child) = self.literal(at, level) {
                stack.push((child, next));
            }
            if node.plus != NONE && wildcards {
                stack.push((node.plus, next));
            }
        }
        self.stack = stack;
    }

    /// Whether a filter may match topics that begin with these levels, the first of which is the
    /// system's.
    pub(crate) fn may_match(&self, begin: &str) -> bool {
        let mut at = ROOT;
        for level in begin.split('/') {
            let Some(child) = self.literal(at, level) else {
                return false;
            };
            at = child;
            let node = self.node(at);
            if node.plus != NONE || node.hash != NONE {
                return true;
            }
        }
        self.node(at).children > 0
    }

    pub(crate) fn remote(&self, node: u32) -> Interest {
        self.node(node).remote
    }

    pub(crate) fn keys(&self, from: u32) -> impl Iterator<Item = u32> {
        self.nodes.range(from).map(|(n, _)| n)
    }

    pub(crate) fn len(&self) -> usize {
        self.filters
    }

    fn collect(&self, node: u32, route: &mut Route) {
        let node = self.node(node);
        route.interest.merge(node.remote);
        route.collect(&node.subs);
    }

    fn child(&self, parent: u32, level: &str) -> Option<u32> {
        let special = match level {
            "+" => self.node(parent).plus,
            "#" => self.node(parent).hash,
            _ => return self.literal(parent, level),
        };
        (special != NONE).then_some(special)
    }

    #[inline]
    fn literal(&self, parent: u32, level: &str) -> Option<u32> {
        let hash = edge_hash(&self.hasher, parent, level);
        let check = check(hash);
        self.edges
            .find(hash, |e| {
                e.check == check && {
                    let node = self.node(e.child);
                    // [MQTT-3.3.2-3]; compared as it is [MQTT-4.7.3-4].
                    node.parent == parent && node.level.is(level)
                }
            })
            .map(|e| e.child)
    }

    fn is_vacant(&self, node: u32) -> bool {
        let node = self.node(node);
        node.subs.is_empty() && node.remote.is_empty()
    }

    fn node(&self, node: u32) -> &Node {
        self.nodes
            .get(node)
            .expect("edges and subscriptions hold live nodes only")
    }

    fn node_mut(&mut self, node: u32) -> &mut Node {
        self.nodes
            .get_mut(node)
            .expect("edges and subscriptions hold live nodes only")
    }
}

#[inline]
fn edge_hash(hasher: &FixedState, parent: u32, level: &str) -> u64 {
    hasher.hash_one((parent, level))
}

/// Bits of a hash that the table itself uses for nothing else, as far as it is not huge.
#[inline]
pub(super) fn check(hash: u64) -> u32 {
    u32::try_from((hash >> 24) & u64::from(u32::MAX)).expect("32 bits are left")
}
