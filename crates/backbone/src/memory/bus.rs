//! Nodes of one process side by side. Routing holds the hub's mutex while it feeds the other
//! nodes' sinks, which keeps each caller's order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Clock, Sinks, lock};
use crate::filter::Filters;
use crate::{
    Blob, Call, CallSink, Done, Error, Guard, InboundSink, Interest, Message, NodeId, NodeInfo,
    Reply,
};

pub(super) struct Hub<M> {
    nodes: Mutex<Nodes<M>>,
    clock: Clock,
}

struct Nodes<M> {
    incarnation: u64,
    list: BTreeMap<NodeId, Node<M>>,
}

struct Node<M> {
    incarnation: u64,
    filters: BTreeSet<String>,
    inbound: Sinks<InboundSink<M>>,
    /// At most one; shared, because it is called outside the lock.
    server: Sinks<Arc<CallSink>>,
    beat: Option<(Instant, Blob)>,
}

/// One node's end.
pub(super) struct Bus<M> {
    hub: Arc<Hub<M>>,
    id: NodeId,
}

impl<M> Hub<M> {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            nodes: Mutex::new(Nodes {
                incarnation: 0,
                list: BTreeMap::new(),
            }),
            clock,
        }
    }
}

impl<M> Bus<M> {
    pub(super) fn join(hub: Arc<Hub<M>>, id: NodeId) -> Self {
        let mut nodes = lock(&hub.nodes);
        nodes.incarnation += 1;
        let node = Node {
            incarnation: nodes.incarnation,
            filters: BTreeSet::new(),
            inbound: Sinks::new(),
            server: Sinks::new(),
            beat: None,
        };
        assert!(
            nodes.list.insert(id, node).is_none(),
            "node {id} is there already"
        );
        drop(nodes);
        Self { hub, id }
    }

    /// Ends one subscription of this node, and none of a later node that has its name.
    fn guard<S>(
        &self,
        incarnation: u64,
        end: impl FnOnce(&mut Node<M>) -> S + Send + Sync + 'static,
    ) -> Guard
    where
        M: Message,
    {
        let (hub, id) = (Arc::clone(&self.hub), self.id);
        Guard::new(move || {
            let mut nodes = lock(&hub.nodes);
            let node = nodes
                .list
                .get_mut(&id)
                .filter(|node| node.incarnation == incarnation);
            let sink = node.map(end);
            drop(nodes);
            drop(sink);
        })
    }

    /// Runs `change` on this node's part.
    fn node<T>(&self, change: impl FnOnce(&mut Node<M>) -> T) -> T {
        let mut nodes = lock(&self.hub.nodes);
        change(
            nodes
                .list
                .get_mut(&self.id)
                .expect("a node is there until it is dropped"),
        )
    }
}

impl<M> Drop for Bus<M> {
    fn drop(&mut self) {
        // What its sinks own is dropped outside the lock.
        let node = lock(&self.hub.nodes).list.remove(&self.id);
        drop(node);
    }
}

impl<M: Message> crate::Bus<M> for Bus<M> {
    fn interest(&self, changes: Vec<Interest>, done: Done<()>) {
        let added = changes.iter().filter_map(|change| match change {
            Interest::On(filter) => Some(filter.as_str()),
            Interest::Off(_) => None,
        });
        if let Err(error) = Filters::parse(added) {
            return done(Err(error));
        }
        self.node(|node| {
            for change in changes {
                match change {
                    Interest::On(filter) => node.filters.insert(filter),
                    Interest::Off(filter) => node.filters.remove(&filter),
                };
            }
        });
        done(Ok(()));
    }

    fn route(&self, batch: Vec<Arc<M>>) {
        let nodes = lock(&self.hub.nodes);
        for (_, node) in nodes.list.iter().filter(|&(&id, _)| id != self.id) {
            let Ok(filters) = Filters::parse(node.filters.iter().map(String::as_str)) else {
                continue;
            };
            let wanted = batch.iter().filter(|msg| filters.matches(msg.topic()));
            let wanted: Arc<[_]> = wanted.cloned().collect();
            if !wanted.is_empty() {
                node.inbound
                    .iter()
                    .for_each(|sink| sink(Arc::clone(&wanted)));
            }
        }
    }

    fn inbound(&self, sink: InboundSink<M>) -> Guard {
        let (number, incarnation) = self.node(|node| (node.inbound.add(sink), node.incarnation));
        self.guard(incarnation, move |node| node.inbound.remove(number))
    }

    /// There is no timer here: a call that is kept unanswered stays open.
    fn call(&self, to: NodeId, request: Blob, _timeout: Duration, done: Done<Blob>) {
        let nodes = lock(&self.hub.nodes);
        let server = nodes
            .list
            .get(&to)
            .and_then(|node| node.server.iter().next().cloned());
        drop(nodes);
        match server {
            Some(server) => server(Call {
                from: self.id,
                request,
                reply: Reply::new(done),
            }),
            None => done(Err(Error::Absent("node"))),
        }
    }

    fn serve(&self, sink: CallSink) -> Guard {
        let (number, incarnation, old) = self.node(|node| {
            // Numbers go on, so that the guard of the old one does not end the new one.
            let old = std::mem::take(&mut node.server.list);
            (node.server.add(Arc::new(sink)), node.incarnation, old)
        });
        drop(old);
        self.guard(incarnation, move |node| node.server.remove(number))
    }

    fn beat(&self, stats: Blob) {
        let now = (self.hub.clock)();
        self.node(|node| node.beat = Some((now, stats)));
    }

    fn nodes(&self) -> Vec<NodeInfo> {
        let now = (self.hub.clock)();
        let nodes = lock(&self.hub.nodes);
        let info = |(&id, node): (&NodeId, &Node<M>)| {
            let (heard, stats) = node.beat.as_ref()?;
            let age = now.saturating_duration_since(*heard);
            Some(NodeInfo {
                id,
                incarnation: node.incarnation,
                stats: Arc::clone(stats),
                age,
            })
        };
        nodes.list.iter().filter_map(info).collect()
    }
}
