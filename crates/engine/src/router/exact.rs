//! Filters without wildcards: one hash table over a chunked slab.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::{Interest, Wants, subs::Subs, trie::check};
use crate::{slab::Slab, table::slim};

#[derive(Debug)]
pub(crate) struct Exact {
    hasher: FixedState,
    /// Node, and bits of its hash that tell others apart without a look at the node.
    table: HashTable<(u32, u32)>,
    nodes: Slab<Node>,
    /// Other shards' interest, by hash.
    remote: HashTable<(u64, Interest)>,
}

#[derive(Debug)]
struct Node {
    filter: Box<str>,
    subs: Subs,
}

impl Exact {
    pub(crate) fn new(hasher: FixedState) -> Self {
        Self {
            hasher,
            table: HashTable::new(),
            nodes: Slab::default(),
            remote: HashTable::new(),
        }
    }

    #[inline]
    pub(crate) fn hash(&self, filter: &str) -> u64 {
        self.hasher.hash_one(filter)
    }

    pub(crate) fn find(&self, filter: &str) -> Option<u32> {
        self.find_hashed(self.hash(filter), filter)
    }

    #[inline]
    fn find_hashed(&self, hash: u64, filter: &str) -> Option<u32> {
        let bits = check(hash);
        let found = self.table.find(hash, |(n, check)| {
            // [MQTT-3.3.2-3]; compared as it is [MQTT-4.7.3-4].
            *check == bits && self.nodes.get(*n).is_some_and(|n| &*n.filter == filter)
        });
        found.map(|(n, _)| *n)
    }

    pub(crate) fn insert(&mut self, filter: &str) -> u32 {
        if let Some(node) = self.find(filter) {
            return node;
        }
        let node = self.nodes.insert(Node {
            filter: filter.into(),
            subs: Subs::None,
        });
        let hash = self.hash(filter);
        let (hasher, nodes) = (&self.hasher, &self.nodes);
        self.table
            .insert_unique(hash, (node, check(hash)), |(n, _)| {
                hasher.hash_one(&*nodes.get(*n).expect("the table holds live nodes").filter)
            });
        node
    }

    pub(crate) fn remove(&mut self, node: u32) {
        let Some(gone) = self.nodes.remove(node) else {
            return;
        };
        let hash = self.hash(&gone.filter);
        if let Ok(entry) = self.table.find_entry(hash, |(n, _)| *n == node) {
            entry.remove();
        }
        let (hasher, nodes) = (&self.hasher, &self.nodes);
        slim(&mut self.table, |(n, _)| {
            hasher.hash_one(&*nodes.get(*n).expect("the table holds live nodes").filter)
        });
    }

    /// The first of `max` filters from a node on that somebody looks for, and where to go on.
    pub(crate) fn search(
        &self,
        from: u32,
        max: u32,
        wanted: impl Fn(&str) -> bool,
    ) -> (Option<&str>, Option<u32>) {
        let to = from.saturating_add(max);
        let nodes = (from..to).filter_map(|n| self.nodes.get(n));
        let found = nodes.map(|node| &*node.filter).find(|f| wanted(f));
        let end = to >= self.nodes.end();
        (found, (found.is_none() && !end).then_some(to))
    }

    pub(crate) fn filter(&self, node: u32) -> &str {
        &self
            .nodes
            .get(node)
            .expect("a node id is live while a subscription holds it")
            .filter
    }

    pub(crate) fn subs(&self, node: u32) -> &Subs {
        &self
            .nodes
            .get(node)
            .expect("a node id is live while a subscription holds it")
            .subs
    }

    pub(crate) fn subs_mut(&mut self, node: u32) -> &mut Subs {
        &mut self
            .nodes
            .get_mut(node)
            .expect("a node id is live while a subscription holds it")
            .subs
    }

    #[inline]
    pub(crate) fn subs_of(&self, hash: u64, topic: &str) -> Option<&Subs> {
        let node = self.find_hashed(hash, topic)?;
        Some(&self.nodes.get(node)?.subs)
    }

    /// The union over all filters with this one's hash: the others know us by hash only.
    pub(crate) fn wants(&self, node: u32) -> Wants {
        let hash = self.hash(self.filter(node));
        let mut wants = Wants::default();
        for (n, _) in self.table.iter_hash(hash) {
            let Some(other) = self.nodes.get(*n) else {
                continue;
            };
            // `iter_hash` compares only part of the hash.
            if self.hash(&other.filter) == hash {
                let more = other.subs.wants();
                wants.live |= more.live;
                wants.durable |= more.durable;
            }
        }
        wants
    }

    #[inline]
    pub(crate) fn remote(&self, hash: u64) -> Interest {
        self.remote
            .find(hash, |(h, _)| *h == hash)
            .map_or_else(Interest::default, |(_, i)| *i)
    }

    pub(crate) fn set_remote(&mut self, hash: u64, from: u16, wants: Wants) {
        match self.remote.find_entry(hash, |(h, _)| *h == hash) {
            Ok(mut entry) => {
                entry.get_mut().1.set(from, wants);
                if entry.get().1.is_empty() {
                    entry.remove();
                }
                slim(&mut self.remote, |(h, _)| *h);
            }
            Err(_) => {
                let mut interest = Interest::default();
                interest.set(from, wants);
                if !interest.is_empty() {
                    self.remote
                        .insert_unique(hash, (hash, interest), |(h, _)| *h);
                }
            }
        }
    }

    /// The nodes whose filters have this hash: one at most, nearly always.
    pub(crate) fn with_hash(&self, hash: u64) -> Vec<u32> {
        let nodes = self.table.iter_hash(hash).map(|(n, _)| *n);
        nodes
            .filter(|n| self.hash(self.filter(*n)) == hash)
            .collect()
    }

    pub(crate) fn keys(&self, from: u32) -> impl Iterator<Item = u32> {
        self.nodes.range(from).map(|(n, _)| n)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
}
