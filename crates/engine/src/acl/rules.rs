//! Rules made ready to be asked: topics in one trie, rules for everybody under one root, those for one
//! user or client under roots that are found by name. Only the rest, for networks and for names that
//! look like something, is tried one by one, and that once for each connection.

use core::{net::SocketAddr, ops::Range};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{
    outside::Outside,
    rule::{Actions, Permission, Rule, Topics, Who},
    tree::{Leaf, NONE, Query, Tree},
};
use crate::{
    limits::{CONDITIONS_MAX, RULE_TOPICS_MAX, RULES_MAX},
    policy::{Client, Fit, Template},
};

/// What is decided besides the rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Where no rule says anything.
    pub no_match: Permission,
    /// Whoever does what is denied is disconnected.
    pub disconnects: bool,
    /// Whether somebody elsewhere is asked, too.
    pub outside: Option<Outside>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            no_match: Permission::Allow,
            disconnects: false,
            outside: None,
        }
    }
}

/// There are more rules than there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RulesError {
    Rules,
    Topics,
    Conditions,
}

impl std::fmt::Display for RulesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rules => write!(f, "more than {RULES_MAX} rules"),
            Self::Topics => write!(f, "more than {RULE_TOPICS_MAX} topics in rules"),
            Self::Conditions => write!(
                f,
                "more than {CONDITIONS_MAX} rules for networks or regular expressions"
            ),
        }
    }
}

impl std::error::Error for RulesError {}

/// Rules with the same people.
#[derive(Debug, Default)]
struct Group {
    /// In the tree; none if all its topics are filters to be compared as they are.
    root: u32,
    /// Filters that allow or deny themselves alone. Few.
    equals: Vec<(Template, Leaf)>,
}

type Names = HashMap<Box<str>, Group, FixedState>;

/// Rules in their order, ready to be asked.
#[derive(Debug)]
pub struct Rules {
    terms: Terms,
    tree: Tree,
    everybody: Group,
    users: Names,
    clients: Names,
    /// For whom it is not enough to look a name up.
    conditions: Vec<(Who, Group)>,
    names: Vec<Box<str>>,
}

/// Which conditions hold for somebody, by their place; in doubt it is said so.
pub(super) type Holds = Box<[(u16, bool)]>;

impl Rules {
    /// # Errors
    /// If there are too many.
    pub fn compile(rules: Vec<Rule>, terms: Terms) -> Result<Self, RulesError> {
        let topics: usize = rules.iter().map(|rule| rule.topics.len()).sum();
        if rules.len() > RULES_MAX {
            return Err(RulesError::Rules);
        }
        if topics > RULE_TOPICS_MAX {
            return Err(RulesError::Topics);
        }
        let mut made = Self {
            terms,
            tree: Tree::new(),
            everybody: Group::default(),
            users: Names::default(),
            clients: Names::default(),
            conditions: Vec::new(),
            names: Vec::with_capacity(rules.len()),
        };
        for (number, rule) in (0..).zip(rules) {
            made.names.push(rule.name);
            let group = match rule.who {
                Who::Everybody => &mut made.everybody,
                Who::User(name) => made.users.entry(name).or_default(),
                Who::Client(id) => made.clients.entry(id).or_default(),
                who => condition(&mut made.conditions, who)?,
            };
            for topics in &rule.topics {
                let leaf = Leaf {
                    rule: number,
                    actions: rule.actions,
                    permission: rule.permission,
                };
                group.add(&mut made.tree, &topics.text, topics.is_equal, leaf);
            }
        }
        Ok(made)
    }

    /// A rule that denies everything, by this name.
    #[must_use]
    pub fn nothing(name: &str) -> Self {
        let all = Topics {
            text: "#".into(),
            is_equal: false,
        };
        let rule = Rule {
            permission: Permission::Deny,
            who: Who::Everybody,
            actions: Actions::ALL,
            topics: vec![all],
            name: name.into(),
        };
        Self::compile(vec![rule], Terms::default()).expect("one rule is not too many")
    }

    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn name(&self, rule: u32) -> &str {
        self.names.get(rule as usize).map_or("", |name| name)
    }

    /// Whether a connection has to be looked at before it can be judged.
    #[inline]
    pub(super) fn has_conditions(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Tries all conditions.
    pub(super) fn holds(&self, client: Client<'_>, peer: Option<SocketAddr>) -> Holds {
        let client = Client { peer, ..client };
        let numbered = (0..).zip(&self.conditions);
        let each = numbered.filter_map(|(at, (who, _))| match who.is(client) {
            Some(false) => None,
            is => Some((at, is.is_none())),
        });
        each.collect()
    }

    /// The first rule that is for a client, an action and a topic, or, where it wants to subscribe, that
    /// covers the filter.
    pub(super) fn first(
        &self,
        client: Client<'_>,
        holds: &[(u16, bool)],
        action: Actions,
        text: &str,
    ) -> Option<Leaf> {
        let mut best = None;
        self.each_group(client, holds, action, |group, query| {
            if group.root != NONE {
                self.tree.first(group.root, text, query, &mut best);
            }
            if !group.equals.is_empty() {
                group.compare(text, query, &mut best);
            }
        });
        best
    }

    /// Whether a denial among these rules is for some topic of a filter.
    pub(super) fn denies_within(
        &self,
        client: Client<'_>,
        holds: &[(u16, bool)],
        action: Actions,
        filter: &str,
        within: Range<u32>,
    ) -> bool {
        let mut found = false;
        self.each_group(client, holds, action, |group, query| {
            found |= group.root != NONE
                && !found
                && self
                    .tree
                    .denies_within(group.root, filter, query, within.clone());
        });
        found
    }

    #[inline]
    fn each_group<'a>(
        &self,
        client: Client<'a>,
        holds: &[(u16, bool)],
        action: Actions,
        mut each: impl FnMut(&Group, &Query<'a>),
    ) {
        let query = Query {
            client,
            action,
            is_doubtful: false,
        };
        each(&self.everybody, &query);
        if let Some(name) = client.user_name
            && !self.users.is_empty()
            && let Some(group) = self.users.get(name)
        {
            each(group, &query);
        }
        if !self.clients.is_empty()
            && let Some(group) = self.clients.get(client.id)
        {
            each(group, &query);
        }
        for (at, is_doubtful) in holds {
            if let Some((_, group)) = self.conditions.get(usize::from(*at)) {
                let is_doubtful = *is_doubtful;
                each(
                    group,
                    &Query {
                        is_doubtful,
                        ..query
                    },
                );
            }
        }
    }
}

/// The group of rules with this condition.
fn condition(conditions: &mut Vec<(Who, Group)>, who: Who) -> Result<&mut Group, RulesError> {
    let same = |(other, _): &(Who, Group)| who.is_same(other);
    let at = match conditions.iter().position(same) {
        Some(at) => at,
        None if conditions.len() >= CONDITIONS_MAX => return Err(RulesError::Conditions),
        None => {
            conditions.push((who, Group::default()));
            conditions.len() - 1
        }
    };
    Ok(&mut conditions[at].1)
}

impl Group {
    fn add(&mut self, tree: &mut Tree, text: &str, is_equal: bool, mut leaf: Leaf) {
        if is_equal {
            // Nobody publishes to a filter. Whoever may have this subscription gets what it brings; who
            // may not may get it through another.
            let ask = leaf.actions.both(Actions::ASK);
            if !ask.is_empty() {
                let asks = Leaf {
                    actions: ask,
                    ..leaf
                };
                self.equals.push((Template::of_names(text), asks));
            }
            leaf.actions = leaf.actions.both(Actions::RECEIVE);
            if leaf.permission == Permission::Deny || leaf.actions.is_empty() {
                return;
            }
        }
        if self.root == NONE {
            self.root = tree.grow_root();
        }
        tree.insert(self.root, text, leaf);
    }

    fn compare(&self, text: &str, query: &Query<'_>, best: &mut Option<Leaf>) {
        for (template, leaf) in &self.equals {
            match template.fit(text, query.client) {
                Fit::Same => query.consider(std::slice::from_ref(leaf), best),
                Fit::Unsafe if leaf.permission == Permission::Deny => {
                    query.consider(std::slice::from_ref(leaf), best);
                }
                _ => {}
            }
        }
    }
}
