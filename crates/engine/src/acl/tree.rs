//! The topics of rules as one trie for all groups of rules, each with a root of its own. It is made
//! once and only read then: a check walks it without allocating, whatever the number of rules.
//!
//! Levels with names in them are compared as they would be filled, and are filled for nobody.

use core::ops::Range;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::rule::{Actions, Permission};
use crate::{
    policy::{Client, Fit, Template},
    router::level::Level,
};

/// No node.
pub(super) const NONE: u32 = 0;
/// Behind the last level.
const END: u32 = u32::MAX;
/// Nodes of a walk that wait to be looked at, before there has to be memory for them.
const STACK_LEN: usize = 16;

/// A rule where its topics end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Its place in the order.
    pub(super) rule: u32,
    pub(super) actions: Actions,
    pub(super) permission: Permission,
}

#[derive(Debug, Default)]
enum Leaves {
    #[default]
    None,
    One(Leaf),
    #[expect(clippy::box_collection, reason = "16 bytes in each node instead of 24")]
    Many(Box<Vec<Leaf>>),
}

impl Leaves {
    fn slice(&self) -> &[Leaf] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    /// Rules come in their order: what an earlier one decides, a later one does not.
    fn add(&mut self, mut leaf: Leaf) {
        for earlier in self.slice() {
            leaf.actions = leaf.actions.without(earlier.actions);
        }
        if leaf.actions.is_empty() {
            return;
        }
        match self {
            Self::None => *self = Self::One(leaf),
            Self::One(one) => *self = Self::Many(Box::new(vec![*one, leaf])),
            Self::Many(many) => many.push(leaf),
        }
    }
}

/// What a check looks at: one line of the processor's cache.
#[derive(Debug)]
#[repr(align(64))]
struct Node {
    level: Level,
    /// Rules whose filter ends here, and those that go on with `#`.
    ends: Leaves,
    tails: Leaves,
    parent: u32,
    plus: u32,
    /// The first child with a level that is text.
    child: u32,
    /// There are children whose level has names in it.
    is_named_below: bool,
}

/// What else there is of a node.
#[derive(Debug)]
struct Rest {
    /// The next one with a text of the same parent.
    sibling: u32,
    /// Children whose level has names in it.
    templates: Vec<(Template, u32)>,
    /// The first denial here or below, by kind of action.
    denies: [u32; 3],
}

impl Node {
    fn new(level: &str, parent: u32) -> Self {
        Self {
            level: Level::new(level),
            ends: Leaves::None,
            tails: Leaves::None,
            parent,
            plus: NONE,
            child: NONE,
            is_named_below: false,
        }
    }
}

impl Rest {
    const NONE: Self = Self {
        sibling: NONE,
        templates: Vec::new(),
        denies: [u32::MAX; 3],
    };
}

const _: () = assert!(size_of::<Node>() == 64);

#[derive(Debug)]
pub(super) struct Tree {
    hasher: FixedState,
    /// Children by parent and level.
    edges: HashTable<u32>,
    nodes: Vec<Node>,
    rest: Vec<Rest>,
}

/// Who does what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    pub(super) client: Client<'a>,
    /// One action.
    pub(super) action: Actions,
    /// It is not known whether the rules are for this client: they give nothing.
    pub(super) is_doubtful: bool,
}

impl Query<'_> {
    fn wants(&self, leaf: &Leaf) -> bool {
        leaf.actions.has(self.action) && !(self.is_doubtful && leaf.permission == Permission::Allow)
    }

    /// The first of these, unless another was before it.
    pub(super) fn consider(&self, leaves: &[Leaf], best: &mut Option<Leaf>) {
        let first = leaves.iter().find(|leaf| self.wants(leaf));
        if let Some(leaf) = first
            && best.is_none_or(|best| leaf.rule < best.rule)
        {
            *best = Some(*leaf);
        }
    }
}

/// Where a walk has still to look: a node, and where the next level begins.
struct Stack {
    near: [(u32, u32); STACK_LEN],
    len: usize,
    far: Vec<(u32, u32)>,
}

impl Stack {
    fn at(root: u32) -> Self {
        let mut near = [(NONE, 0); STACK_LEN];
        near[0] = (root, 0);
        Self {
            near,
            len: 1,
            far: Vec::new(),
        }
    }

    #[inline]
    fn push(&mut self, node: u32, from: u32) {
        if self.len < STACK_LEN {
            self.near[self.len] = (node, from);
            self.len += 1;
        } else {
            self.far.push((node, from));
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<(u32, u32)> {
        if let Some(next) = self.far.pop() {
            return Some(next);
        }
        self.len = self.len.checked_sub(1)?;
        Some(self.near[self.len])
    }
}

/// The level that begins at a place of a topic or filter, and where the next one does.
#[inline]
fn level(text: &str, from: u32) -> (&str, u32) {
    let rest = &text[from as usize..];
    match rest.bytes().position(|byte| byte == b'/') {
        None => (rest, END),
        Some(len) => {
            let step = u32::try_from(len + 1).expect("a topic is at most 65,535 bytes");
            (&rest[..len], from + step)
        }
    }
}

/// A name at the first level is none of the system's, whatever it is.
fn fit(template: &Template, level: &str, query: &Query<'_>, wildcards: bool) -> Fit {
    match template.fit(level, query.client) {
        Fit::Same if !wildcards => Fit::Unsafe,
        fit => fit,
    }
}

impl Tree {
    pub(super) fn new() -> Self {
        Self {
            hasher: FixedState::with_seed(0x7465_726e_6d71),
            edges: HashTable::new(),
            nodes: vec![Node::new("", NONE)],
            rest: vec![Rest::NONE],
        }
    }

    /// A root for a group of rules.
    pub(super) fn grow_root(&mut self) -> u32 {
        self.grow(NONE, "")
    }

    fn grow(&mut self, parent: u32, level: &str) -> u32 {
        let node = u32::try_from(self.nodes.len()).expect("the number of rules is bounded");
        self.nodes.push(Node::new(level, parent));
        self.rest.push(Rest::NONE);
        node
    }

    /// Adds the filter of a rule, later than all that are there.
    pub(super) fn insert(&mut self, root: u32, filter: &str, leaf: Leaf) {
        let mut at = root;
        let mut path = vec![root];
        let mut is_open = false;
        for level in filter.split('/') {
            if level == "#" {
                is_open = true;
                break;
            }
            at = self.child_or_new(at, level);
            path.push(at);
        }
        let node = &mut self.nodes[at as usize];
        if is_open {
            node.tails.add(leaf);
        } else {
            node.ends.add(leaf);
        }
        if leaf.permission == Permission::Deny {
            for at in path {
                for kind in leaf.actions.kinds() {
                    let first = &mut self.rest[at as usize].denies[kind];
                    *first = leaf.rule.min(*first);
                }
            }
        }
    }

    fn child_or_new(&mut self, at: u32, level: &str) -> u32 {
        if level == "+" {
            if self.nodes[at as usize].plus == NONE {
                self.nodes[at as usize].plus = self.grow(at, level);
            }
            return self.nodes[at as usize].plus;
        }
        let template = Template::of_names(level);
        if !template.is_plain() {
            let known = self.templates(at).iter().find(|(t, _)| *t == template);
            if let Some((_, child)) = known {
                return *child;
            }
            let child = self.grow(at, level);
            self.nodes[at as usize].is_named_below = true;
            self.rest[at as usize].templates.push((template, child));
            return child;
        }
        if let Some(child) = self.child(at, level) {
            return child;
        }
        let child = self.grow(at, level);
        let first = std::mem::replace(&mut self.nodes[at as usize].child, child);
        self.rest[child as usize].sibling = first;
        let (hasher, nodes) = (&self.hasher, &self.nodes);
        let hash = hasher.hash_one((at, level));
        self.edges.insert_unique(hash, child, |n| {
            let node = &nodes[*n as usize];
            hasher.hash_one((node.parent, node.level.as_str()))
        });
        child
    }

    fn templates(&self, at: u32) -> &[(Template, u32)] {
        &self.rest[at as usize].templates
    }

    #[inline]
    fn child(&self, parent: u32, level: &str) -> Option<u32> {
        let hash = self.hasher.hash_one((parent, level));
        let found = self.edges.find(hash, |n| {
            let node = &self.nodes[*n as usize];
            node.parent == parent && node.level.is(level)
        });
        found.copied()
    }

    /// The first rule that is for a topic, or covers a filter, unless there is a better one. A name
    /// that is more than a part of a level denies what is denied to whoever has it.
    pub(super) fn first(&self, root: u32, text: &str, query: &Query<'_>, best: &mut Option<Leaf>) {
        // [MQTT-4.7.2-1]
        let is_system = text.starts_with('$');
        let mut stack = Stack::at(root);
        while let Some((at, from)) = stack.pop() {
            let node = &self.nodes[at as usize];
            let wildcards = at != root || !is_system;
            if wildcards {
                query.consider(node.tails.slice(), best);
            }
            if from == END {
                query.consider(node.ends.slice(), best);
                continue;
            }
            let (level, next) = level(text, from);
            if node.plus != NONE && wildcards {
                if level == "#" {
                    if at == root {
                        // All topics have a first level, so `+/#` is the same.
                        query.consider(self.nodes[node.plus as usize].tails.slice(), best);
                    }
                } else {
                    stack.push(node.plus, next);
                }
            }
            if level == "+" || level == "#" {
                continue;
            }
            if node.child != NONE
                && let Some(child) = self.child(at, level)
            {
                stack.push(child, next);
            }
            if !node.is_named_below {
                continue;
            }
            for (template, child) in self.templates(at) {
                match fit(template, level, query, wildcards) {
                    Fit::Same => stack.push(*child, next),
                    Fit::Unsafe => {
                        let rule = self.rest[*child as usize].denies[query.action.kind()];
                        let leaf = Leaf {
                            rule,
                            actions: query.action,
                            permission: Permission::Deny,
                        };
                        let some = (rule != u32::MAX).then_some(leaf);
                        query.consider(some.as_slice(), best);
                    }
                    Fit::Other | Fit::Missing => {}
                }
            }
        }
    }

    /// Whether a denial among these rules is for some topic that a filter matches; perhaps also if it is for
    /// none.
    pub(super) fn denies_within(
        &self,
        root: u32,
        filter: &str,
        query: &Query<'_>,
        within: Range<u32>,
    ) -> bool {
        let kind = query.action.kind();
        let denies = |leaves: &Leaves| {
            let mut leaves = leaves.slice().iter();
            leaves.any(|leaf| {
                let denies = leaf.permission == Permission::Deny && within.contains(&leaf.rule);
                denies && leaf.actions.has(query.action)
            })
        };
        let is_system = filter.starts_with('$');
        let mut stack = Stack::at(root);
        while let Some((at, from)) = stack.pop() {
            let node = &self.nodes[at as usize];
            if self.rest[at as usize].denies[kind] >= within.end {
                continue;
            }
            let wildcards = at != root || !is_system;
            if wildcards && denies(&node.tails) {
                return true;
            }
            if from == END {
                if denies(&node.ends) {
                    return true;
                }
                continue;
            }
            let (level, next) = level(filter, from);
            if level == "#" && denies(&node.ends) {
                return true;
            }
            if level == "+" || level == "#" {
                for child in self.children(at) {
                    let text = self.nodes[child as usize].level.as_str();
                    if at == root && text.starts_with('$') && !text.starts_with("${") {
                        continue; // [MQTT-4.7.2-1]
                    }
                    if level == "+" {
                        stack.push(child, next);
                    } else if self.denies_below(child, kind, &within, &denies) {
                        return true;
                    }
                }
                continue;
            }
            if node.plus != NONE && wildcards {
                stack.push(node.plus, next);
            }
            if let Some(child) = self.child(at, level) {
                stack.push(child, next);
            }
            for (template, child) in self.templates(at) {
                match fit(template, level, query, wildcards) {
                    Fit::Same => stack.push(*child, next),
                    Fit::Unsafe if self.denies_below(*child, kind, &within, &denies) => {
                        return true;
                    }
                    _ => {}
                }
            }
        }
        false
    }

    /// Whether a denial among these rules stands at a node or below it.
    fn denies_below(
        &self,
        node: u32,
        kind: usize,
        within: &Range<u32>,
        denies: &impl Fn(&Leaves) -> bool,
    ) -> bool {
        let mut open = Vec::new();
        let mut next = Some(node);
        while let Some(at) = next {
            let first = self.rest[at as usize].denies[kind];
            if within.contains(&first) {
                return true;
            }
            // What comes first is behind all of them, or before: then others may be among them.
            if first < within.end {
                let node = &self.nodes[at as usize];
                if denies(&node.tails) || denies(&node.ends) {
                    return true;
                }
                open.extend(self.children(at));
            }
            next = open.pop();
        }
        false
    }

    /// All children of a node.
    fn children(&self, at: u32) -> impl Iterator<Item = u32> {
        let node = &self.nodes[at as usize];
        let mut next = node.child;
        let texts = std::iter::from_fn(move || {
            let child = next;
            next = self.rest[child as usize].sibling;
            (child != NONE).then_some(child)
        });
        let plus = (node.plus != NONE).then_some(node.plus);
        let templates = self.templates(at).iter().map(|(_, child)| *child);
        texts.chain(plus).chain(templates)
    }
}
