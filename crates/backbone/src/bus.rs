//! Between nodes: messages by interest, at most once; questions with an answer; who is there. The
//! trait and its types only. With a single node all of it is idle.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Blob, Done, Error, Guard, Message};

/// Names a node for as long as its data directory lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A change of what a node wants to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Messages that match this filter.
    On(String),
    /// No longer because of this filter.
    Off(String),
}

/// What is known of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name.
    pub id: NodeId,
    /// Differs from one start of the node to the next.
    pub incarnation: u64,
    /// What it said at its last beat; the broker's own format.
    pub stats: Blob,
    /// How long ago that beat was heard.
    pub age: Duration,
}

/// A question of another node.
#[derive(Debug)]
pub struct Call {
    /// Who asks.
    pub from: NodeId,
    /// What; the broker's own format.
    pub request: Blob,
    /// How to answer, now or later, on any thread.
    pub reply: Reply,
}

/// The way back of a [`Call`]. Dropped unused, it tells the caller `Unavailable`.
pub struct Reply(Option<Done<Blob>>);

/// Takes the messages that other nodes routed here.
pub type InboundSink<M> = Box<dyn Fn(Arc<[Arc<M>]>) + Send + Sync>;

/// Takes the questions of other nodes. It may call back, unlike other sinks.
pub type CallSink = Box<dyn Fn(Call) + Send + Sync>;

/// The other nodes.
pub trait Bus<M: Message>: Send + Sync {
    /// Changes what this node is sent. Filters are a set, not counted: the node keeps the counts.
    /// `Ok` means that the bus has it; other nodes may still route by the old state for some
    /// milliseconds.
    ///
    /// # Errors
    /// `Unavailable`; `Fatal`, also for a filter that is not a valid one.
    fn interest(&self, changes: Vec<Interest>, done: Done<()>);

    /// Sends messages to the other nodes that want them: never to this one, never blocking, at
    /// most once. Those of one caller with equal topics arrive in order. It carries what sessions
    /// without expiry may want, whatever the QoS; what others need is in the log.
    fn route(&self, batch: Vec<Arc<M>>);

    /// What other nodes route here. It may be more than what was asked for: match again. Never
    /// calls with an empty batch.
    fn inbound(&self, sink: InboundSink<M>) -> Guard;

    /// Asks a node and gives its answer.
    ///
    /// # Errors
    /// `Absent` at once if the node is not there or does not [`serve`](Self::serve);
    /// `Unavailable` if it does not answer in time.
    fn call(&self, to: NodeId, request: Blob, timeout: Duration, done: Done<Blob>);

    /// Answers the questions of other nodes. A second one replaces the first.
    fn serve(&self, sink: CallSink) -> Guard;

    /// Says that this node is alive, and how it is. To be called about once a second.
    fn beat(&self, stats: Blob);

    /// The nodes whose beat was heard, this one included, by id. One that left in order is not
    /// among them; how old a beat means death is for the caller to say.
    fn nodes(&self) -> Vec<NodeInfo>;
}

impl Reply {
    /// A way back that ends in `done`.
    pub fn new(done: Done<Blob>) -> Self {
        Self(Some(done))
    }

    /// Answers.
    pub fn send(mut self, answer: Blob) {
        if let Some(done) = self.0.take() {
            done(Ok(answer));
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(Error::Unavailable("the node did not answer".into())));
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}
