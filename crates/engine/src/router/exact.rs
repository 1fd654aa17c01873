//! Filters without wildcards: one hash table over a chunked slab, and in the same table what other shards
//! are interested in.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::{
    Interest, Wants,
    entry::{Entry, SPARE, Several, position},
    subs::Subs,
};
use crate::{slab::Slab, table::slim};

#[derive(Debug)]
pub(crate) struct Exact {
    hasher: FixedState,
    table: HashTable<Entry>,
    nodes: Slab<Node>,
    several: Several,
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
            several: Several::default(),
        }
    }

    #[inline]
    pub(crate) fn hash(&self, filter: &str) -> u64 {
        self.hasher.hash_one(filter) & !SPARE
    }

    /// The subscribers of a topic here, and the others' interest.
    #[inline]
    pub(crate) fn look(&self, topic: &str) -> (Option<&Subs>, Interest) {
        let hash = self.hash(topic);
        let (mut subs, mut interest) = (None, Interest::default());
        for entry in self.table.iter_hash(position(hash)) {
            if let Some(node) = entry.node_of(hash) {
                // [MQTT-3.3.2-3]; compared as it is [MQTT-4.7.3-4].
                let node = self.nodes.get(node).filter(|n| &*n.filter == topic);
                subs = node.map(|n| &n.subs).or(subs);
            } else if let Some(others) = entry.interest_in(hash, &self.several) {
                interest = others;
            }
        }
        (subs, interest)
    }

    pub(crate) fn find(&self, filter: &str) -> Option<u32> {
        self.nodes_at(self.hash(filter))
            .find(|(_, node)| &*node.filter == filter)
            .map(|(n, _)| n)
    }

    /// The nodes whose filters may have this hash.
    fn nodes_at(&self, hash: u64) -> impl Iterator<Item = (u32, &Node)> {
        let entries = self.table.iter_hash(position(hash));
        let nodes = entries.filter_map(move |entry| entry.node_of(hash));
        nodes.filter_map(|n| Some((n, self.nodes.get(n)?)))
    }

    pub(crate) fn insert(&mut self, filter: &str) -> u32 {
        if let Some(node) = self.find(filter) {
            return node;
        }
        let node = self.nodes.insert(Node {
            filter: filter.into(),
            subs: Subs::None,
        });
        let entry = Entry::node(self.hash(filter), node);
        self.replace(None, Some(entry));
        node
    }

    pub(crate) fn remove(&mut self, node: u32) {
        let Some(gone) = self.nodes.remove(node) else {
            return;
        };
        let entry = Entry::node(self.hash(&gone.filter), node);
        self.replace(Some(entry), None);
    }

    /// Puts an entry in the place of another one of the same hash.
    fn replace(&mut self, old: Option<Entry>, new: Option<Entry>) {
        match (old, new) {
            (Some(old), Some(new)) => {
                if let Some(place) = self.table.find_mut(old.position(), |e| *e == old) {
                    *place = new;
                }
            }
            (Some(old), None) => {
                if let Ok(place) = self.table.find_entry(old.position(), |e| *e == old) {
                    place.remove();
                }
                slim(&mut self.table, |e| e.position());
            }
            (None, Some(new)) => {
                self.table
                    .insert_unique(new.position(), new, |e| e.position());
            }
            (None, None) => {}
        }
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

    /// The union over all filters with this one's hash: the others know us by hash only.
    pub(crate) fn wants(&self, node: u32) -> Wants {
        let hash = self.hash(self.filter(node));
        let mut wants = Wants::default();
        for n in self.with_hash(hash) {
            let more = self.subs(n).wants();
            wants.live |= more.live;
            wants.durable |= more.durable;
        }
        wants
    }

    pub(crate) fn remote(&self, hash: u64) -> Interest {
        self.remote_entry(hash)
            .and_then(|entry| entry.interest_in(hash, &self.several))
            .unwrap_or_default()
    }

    fn remote_entry(&self, hash: u64) -> Option<Entry> {
        let says = |e: &Entry| e.interest_in(hash, &self.several).is_some();
        self.table.find(position(hash), says).copied()
    }

    pub(crate) fn set_remote(&mut self, hash: u64, from: u16, wants: Wants) {
        let old = self.remote_entry(hash);
        let new = self.several.change(hash, old, from, wants);
        self.replace(old, new);
    }

    /// The nodes whose filters have this hash: one at most, nearly always.
    pub(crate) fn with_hash(&self, hash: u64) -> impl Iterator<Item = u32> {
        self.nodes_at(hash)
            .filter(move |(_, node)| self.hash(&node.filter) == hash)
            .map(|(n, _)| n)
    }

    pub(crate) fn keys(&self, from: u32) -> impl Iterator<Item = u32> {
        self.nodes.range(from).map(|(n, _)| n)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
}
