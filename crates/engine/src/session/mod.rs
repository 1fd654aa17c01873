//! One client's state: what must outlive a packet, and for some sessions the connection.
//!
//! Rare state is boxed, so that an idle session with one subscription costs little over 100 bytes.

mod alias;
mod inflow;
mod moment;
mod name;
mod outflow;
mod progress;
mod queue;
mod scanning;
mod tally;
mod will;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use protocol::{PacketId, QoS, Topic, Version};

pub(crate) use alias::{InboundAliases, OutboundAliases};
pub(crate) use inflow::{Inflow, Pending};
use moment::Moment;
pub(crate) use name::Name;
pub(crate) use outflow::{Handed, Held, Kept, Next, Outflow, State};
pub(crate) use progress::{Fate, Progress};
pub(crate) use queue::{Grace, Queue, Queued};
pub(crate) use scanning::{Scan, Scanning};
pub(crate) use tally::Tally;
pub use tally::Traffic;
pub(crate) use will::Will;

use crate::{
    Time,
    acl::{Access, Known, Principal},
    plant::{self, Fault},
    record::{self, Lease},
    router::{NodeId, Route},
    shard::{ConnId, Membership},
};

/// A Session Expiry Interval that never ends.
pub(crate) const NEVER: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Name,
    /// Who owns the session: it belongs to a principal, not to a client id.
    pub(crate) owner: Arc<Principal>,
    pub(crate) subs: Nodes,
    pub(crate) out: Option<Box<Outflow>>,
    pub(crate) inflow: Option<Box<Inflow>>,
    pub(crate) rare: Rare,
    pub(crate) tally: Tally,
    /// [`ConnId::NONE`] while the client is away.
    pub(crate) conn: ConnId,
    /// Tenths of a second on the reading clock when the last packet came.
    pub(crate) seen: u32,
    /// The tick at which the timers look at this session's silence next; other entries of theirs for
    /// its slot are stale. 0 = never.
    pub(crate) watched: u32,
    /// Tenths of a second on the timers' clock when the client connected.
    pub(crate) since: u32,
    pub(crate) generation: u16,
    /// Granted; 0 = none.
    pub(crate) keep_alive_secs: u16,
    /// In-flight messages the client takes [MQTT-3.3.4-9].
    pub(crate) receive_max: u16,
    pub(crate) version: Version,
    pub(crate) bits: Bits,
}

/// What few sessions have at a time: one pointer for all of it, so that the others cost little.
#[derive(Debug, Default)]
pub(crate) struct Rare(Option<Box<Rarities>>);

#[derive(Debug)]
pub(crate) struct Rarities {
    pub(crate) will: Option<Box<Will>>,
    pub(crate) aliases: Option<Box<Aliases>>,
    pub(crate) durable: Option<Box<Durable>>,
    pub(crate) queue: Option<Box<Queue>>,
    pub(crate) scanning: Option<Box<Scanning>>,
    #[expect(clippy::box_collection, reason = "one pointer, as all here")]
    pub(crate) shared: Option<Box<Vec<Membership>>>,
    /// What rules of access need to know of it.
    pub(crate) access: Option<Box<Access>>,
    /// Largest packet the client takes [MQTT-3.1.2-24].
    pub(crate) packet_max: u32,
}

static NOTHING_RARE: Rarities = Rarities::new();

impl Rarities {
    const fn new() -> Self {
        Self {
            will: None,
            aliases: None,
            durable: None,
            queue: None,
            scanning: None,
            shared: None,
            access: None,
            packet_max: protocol::PACKET_BYTES_MAX,
        }
    }

    fn is_empty(&self) -> bool {
        self.will.is_none()
            && self.aliases.is_none()
            && self.durable.is_none()
            && self.queue.is_none()
            && self.scanning.is_none()
            && self.shared.is_none()
            && self.access.is_none()
            && self.packet_max == protocol::PACKET_BYTES_MAX
    }
}

impl std::ops::Deref for Rare {
    type Target = Rarities;

    #[inline]
    fn deref(&self) -> &Rarities {
        self.0.as_deref().unwrap_or(&NOTHING_RARE)
    }
}

impl Rare {
    /// To put something in.
    pub(crate) fn make(&mut self) -> &mut Rarities {
        self.0.get_or_insert_with(|| Box::new(Rarities::new()))
    }

    #[inline]
    fn get_mut(&mut self) -> Option<&mut Rarities> {
        self.0.as_deref_mut()
    }

    /// Takes something out; the room goes with the last thing in it.
    pub(crate) fn take<T>(&mut self, what: impl FnOnce(&mut Rarities) -> Option<T>) -> Option<T> {
        let rarities = self.0.as_deref_mut()?;
        let taken = what(rarities);
        if rarities.is_empty() {
            self.0 = None;
        }
        taken
    }

    pub(crate) fn set_packet_max(&mut self, bytes: u32) {
        if bytes < protocol::PACKET_BYTES_MAX {
            self.make().packet_max = bytes;
        } else {
            self.take(|r| {
                r.packet_max = protocol::PACKET_BYTES_MAX;
                None::<()>
            });
        }
    }
}

/// Yes-or-no facts of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bits(u8);

#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Bit {
    /// Waits for its socket to drain before more is sent.
    Blocked = 1,
    /// CONNACK waits for the store.
    Greeting = 2,
    /// A SUBACK is owed; what the client sent behind its SUBSCRIBE waits for it.
    Subscribing = 4,
    /// CONNECT asked for a new session.
    CleanStart = 8,
}

impl Bits {
    #[inline]
    pub(crate) fn has(self, bit: Bit) -> bool {
        self.0 & bit as u8 != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, bit: Bit) {
        self.0 |= bit as u8;
    }

    #[inline]
    pub(crate) fn clear(&mut self, bit: Bit) {
        self.0 &= !(bit as u8);
    }

    /// Sets it if so; leaves it if not.
    #[inline]
    pub(crate) fn set_if(&mut self, bit: Bit, so: bool) {
        if so {
            self.set(bit);
        }
    }
}

/// Topic aliases of both directions; they end with the connection [MQTT-3.3.2-7].
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    pub(crate) inbound: InboundAliases,
    pub(crate) outbound: OutboundAliases,
}

/// What a session that outlives its connection keeps: its place in the shared log. 64 bytes, which the
/// allocator has a size for.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    /// Names it among the sessions that its client had; about when it was created.
    pub(crate) born: u64,
    pub(crate) expiry_secs: u32,
    /// When the session ends, while the client is away.
    pub(crate) ends: u32,
    came: Moment,
    went: Moment,
    /// Everything up to here was handed to the in-flight window.
    pub(crate) cursor: u64,
    /// Up to where the store knows that everything was acknowledged.
    pub(crate) saved: u64,
    pub(crate) reading: Reading,
    /// The last read that was asked for: answers to others come too late.
    pub(crate) number: u32,
    /// It stands in the list of those whose progress is to be saved.
    pub(crate) noted: bool,
    /// Subscriptions that are younger than what may still be read, and the log's end when they were
    /// made: what is older is not for them. Bounded by the number of subscriptions.
    #[expect(
        clippy::box_collection,
        reason = "8 bytes in each session instead of 24, and mostly nothing"
    )]
    since: Option<Box<Vec<(NodeId, u64)>>>,
    /// Deliveries whose records in the store have to be tidied up.
    pub(crate) progress: Option<Box<Progress>>,
}

impl Durable {
    /// Follows from the log's present end.
    pub(crate) fn at(tail: u64, born: u64) -> Self {
        Self {
            born,
            cursor: tail,
            saved: tail,
            ..Self::default()
        }
    }

    /// When the client came last.
    pub(crate) fn came(&self) -> Time {
        self.came.near(Time(self.born))
    }

    pub(crate) fn set_came(&mut self, at: Time) {
        self.came = Moment::new(at);
    }

    /// When it went last.
    pub(crate) fn went(&self) -> Time {
        self.went.near(Time(self.born))
    }

    pub(crate) fn set_went(&mut self, at: Time) {
        self.went = Moment::new(at);
    }

    /// A subscription begins (or gets its first QoS above 0): not with messages that waited already.
    pub(crate) fn begins(&mut self, node: NodeId, tail: u64) {
        let since = self.since.get_or_insert_default();
        since.retain(|(n, _)| *n != node);
        since.push((node, tail));
    }

    pub(crate) fn ended(&mut self, node: NodeId) {
        self.keep_since(|(n, _)| *n != node);
    }

    /// Whether the message at a position is older than the subscription.
    pub(crate) fn is_before(&self, node: NodeId, position: u64) -> bool {
        position <= self.since(node)
    }

    /// What the log has up to here is older than the subscription.
    pub(crate) fn since(&self, node: NodeId) -> u64 {
        let since = self.since.iter().flat_map(|list| list.iter());
        let since = since.copied().find(|(n, _)| *n == node);
        since.map_or(0, |(_, tail)| tail)
    }

    /// Nothing up to here will be read again in this life.
    pub(crate) fn passed(&mut self, position: u64) {
        self.keep_since(|(_, tail)| *tail > position);
    }

    fn keep_since(&mut self, keep: impl FnMut(&(NodeId, u64)) -> bool) {
        if let Some(since) = &mut self.since {
            since.retain(keep);
            if since.is_empty() {
                self.since = None;
            }
        }
    }

    /// What the group of a shared message may still need to be told.
    pub(crate) fn lease_of(&self, number: u64) -> Option<&Lease> {
        self.progress.as_ref()?.lease_of(number)
    }

    /// Whether a delivery of an earlier life has this position.
    pub(crate) fn is_bound(&self, position: u64) -> bool {
        let progress = self.progress.as_ref();
        progress.is_some_and(|p| p.bound.contains(&position))
    }
}

/// How a durable session follows the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Reading {
    /// At the tail: takes each batch as it comes.
    #[default]
    Live,
    /// Behind; no read is under way.
    Behind,
    /// Behind; an answer of the log is awaited.
    Asked,
}

/// Router nodes of a session's subscriptions: one inline, a few in a block, more in a list.
#[derive(Debug, Default)]
pub(crate) enum Nodes {
    #[default]
    None,
    One(NodeId),
    /// So many of the block.
    Few(u8, Box<[NodeId; FEW_MAX]>),
    #[expect(
        clippy::box_collection,
        reason = "8 bytes in each session instead of 24"
    )]
    Many(Box<Vec<NodeId>>),
}

const FEW_MAX: usize = 8;

impl Nodes {
    pub(crate) fn slice(&self) -> &[NodeId] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Few(len, few) => &few[..usize::from(*len)],
            Self::Many(many) => many,
        }
    }

    pub(crate) fn push(&mut self, node: NodeId) {
        match self {
            Self::None => *self = Self::One(node),
            Self::One(one) => {
                let mut few = Box::new([*one; FEW_MAX]);
                few[1] = node;
                *self = Self::Few(2, few);
            }
            Self::Few(len, few) => {
                if let Some(place) = few.get_mut(usize::from(*len)) {
                    *place = node;
                    *len += 1;
                } else {
                    let mut many = few.to_vec();
                    many.push(node);
                    *self = Self::Many(Box::new(many));
                }
            }
            Self::Many(many) => many.push(node),
        }
    }

    pub(crate) fn remove(&mut self, node: NodeId) {
        let Some(at) = self.slice().iter().position(|n| *n == node) else {
            return;
        };
        match self {
            Self::None | Self::One(_) => *self = Self::None,
            Self::Few(len, few) => {
                *len -= 1;
                few[at] = few[usize::from(*len)];
            }
            Self::Many(many) => {
                many.swap_remove(at);
            }
        }
        if self.slice().is_empty() {
            *self = Self::None;
        }
    }
}

impl Session {
    pub(crate) fn new(client_id: &str, owner: Arc<Principal>, version: Version) -> Self {
        Self {
            client_id: Name::new(client_id, None, ""),
            owner,
            subs: Nodes::None,
            out: None,
            inflow: None,
            rare: Rare::default(),
            tally: Tally::default(),
            conn: ConnId::NONE,
            seen: 0,
            watched: 0,
            since: 0,
            generation: 0,
            keep_alive_secs: 0,
            receive_max: u16::MAX,
            version,
            bits: Bits::default(),
        }
    }

    pub(crate) fn will_mut(&mut self) -> Option<&mut Will> {
        self.rare.get_mut()?.will.as_deref_mut()
    }

    pub(crate) fn aliases_mut(&mut self) -> Option<&mut Aliases> {
        self.rare.get_mut()?.aliases.as_deref_mut()
    }

    pub(crate) fn durable_mut(&mut self) -> Option<&mut Durable> {
        self.rare.get_mut()?.durable.as_deref_mut()
    }

    pub(crate) fn queue_mut(&mut self) -> Option<&mut Queue> {
        self.rare.get_mut()?.queue.as_deref_mut()
    }

    pub(crate) fn scanning_mut(&mut self) -> Option<&mut Scanning> {
        self.rare.get_mut()?.scanning.as_deref_mut()
    }

    pub(crate) fn shared_mut(&mut self) -> Option<&mut Vec<Membership>> {
        self.rare.get_mut()?.shared.as_deref_mut()
    }

    pub(crate) fn user_name(&self) -> Option<&str> {
        self.client_id.user_name()
    }

    /// Below which all its topics are; empty for all there are.
    pub(crate) fn mountpoint(&self) -> &str {
        self.client_id.mountpoint()
    }

    /// What it was allowed last, and who was allowed to publish to this topic.
    #[inline]
    pub(crate) fn permit_for<'a>(
        &'a self,
        route: &'a Route,
        topic: Topic<'_>,
    ) -> Option<Known<'a>> {
        debug_assert_eq!(route.topic, topic.as_str());
        Some((self.tally.permit()?, &route.mark))
    }

    pub(crate) fn take_will(&mut self) -> Option<Box<Will>> {
        self.rare.take(|r| r.will.take())
    }

    pub(crate) fn set_access(&mut self, access: Option<Box<Access>>) {
        if access.is_some() {
            self.rare.make().access = access;
        } else {
            self.rare.take(|r| r.access.take());
        }
    }

    pub(crate) fn access_mut(&mut self) -> Option<&mut Access> {
        self.rare.get_mut()?.access.as_deref_mut()
    }

    pub(crate) fn take_queue(&mut self) -> Option<Box<Queue>> {
        self.rare.take(|r| r.queue.take())
    }

    /// Drops retained messages from the queue that have been followed by newer ones. Gives how many.
    pub(crate) fn drop_outdated(&mut self) -> u64 {
        let Some(rare) = self.rare.get_mut() else {
            return 0;
        };
        let (Some(queue), Some(scanning)) = (&mut rare.queue, &rare.scanning) else {
            return 0;
        };
        queue.drop_those(|queued| {
            let topic = queued.message.topic();
            matches!(&queued.held, Held::Message(kept) if kept.is_retained())
                && scanning.is_fresh(topic.as_str())
        })
    }

    pub(crate) fn take_scanning(&mut self) -> Option<Box<Scanning>> {
        self.rare.take(|r| r.scanning.take())
    }

    pub(crate) fn take_shared(&mut self) -> Vec<Membership> {
        let shared = self.rare.take(|r| r.shared.take());
        shared.map_or_else(Vec::new, |list| *list)
    }

    #[inline]
    pub(crate) fn is_online(&self) -> bool {
        self.conn != ConnId::NONE
    }

    /// Under which the log knows a QoS 2 message from this client, if the session outlives its
    /// connection.
    pub(crate) fn identity(&self, id: PacketId) -> Option<Box<[u8]>> {
        let born = self.rare.durable.as_ref()?.born;
        Some(record::identity(&self.client_id, born, id))
    }

    /// Its memberships in shared groups.
    pub(crate) fn shared(&self) -> &[Membership] {
        self.rare.shared.as_ref().map_or(&[], |list| list)
    }

    /// Subscriptions of all kinds.
    pub(crate) fn subscriptions(&self) -> usize {
        self.subs.slice().len() + self.shared().len()
    }

    /// About how many bytes of memory it takes, without the messages that wait for it.
    pub(crate) fn bytes(&self) -> usize {
        let rare = self.rare.0.as_ref().map_or(0, |_| size_of::<Rarities>());
        let durable = self
            .rare
            .durable
            .as_ref()
            .map_or(0, |_| size_of::<Durable>());
        let out = self.out.as_ref().map_or(0, |_| size_of::<Outflow>());
        let inflow = self.inflow.as_ref().map_or(0, |_| size_of::<Inflow>());
        let nodes = size_of_val(self.subs.slice());
        size_of::<Self>() + self.client_id.len() + nodes + rare + durable + out + inflow
    }

    /// Whether an acknowledgement waits for the store.
    pub(crate) fn is_owed(&self) -> bool {
        self.inflow.as_ref().is_some_and(|i| !i.pending.is_empty())
    }

    /// Messages in flight to the client.
    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        self.out.as_ref().map_or(0, |o| o.in_flight())
    }

    /// Whether one more message of this QoS may be sent now, as far as the window goes.
    #[inline]
    pub(crate) fn has_window(&self, qos: QoS) -> bool {
        // Closed for PUBLISH above QoS 0 [MQTT-3.3.4-9], [MQTT-4.9.0-2] and for nothing else
        // [MQTT-3.3.4-10], [MQTT-4.9.0-3].
        let max = usize::from(self.receive_max) + usize::from(plant::on(Fault::WindowTooLarge));
        qos == QoS::AtMostOnce || self.in_flight() < max
    }

    pub(crate) fn window_left(&self) -> usize {
        usize::from(self.receive_max).saturating_sub(self.in_flight())
    }

    /// Ends everything that belongs to the connection alone.
    pub(crate) fn detach(&mut self) {
        self.conn = ConnId::NONE; // Nothing more is sent to it [MQTT-3.14.4-1].
        self.rare.take(|r| r.aliases.take()); // [MQTT-3.3.2-7]
        self.tally.forget_hint();
        self.bits.clear(Bit::Blocked);
        self.bits.clear(Bit::Subscribing);
        self.bits.clear(Bit::Greeting);
    }

    /// The end of keep-alive, if it runs: so many tenths of it after the last packet.
    pub(crate) fn silent_at(&self, tenths: u32) -> Option<Time> {
        let silence = u64::from(self.keep_alive_secs) * u64::from(tenths);
        (silence > 0 && self.is_online()).then(|| Time((u64::from(self.seen) + silence) * 100))
    }

    /// Session Expiry Interval; only what has a durable side has one.
    pub(crate) fn expiry_secs(&self) -> u32 {
        self.rare.durable.as_ref().map_or(0, |d| d.expiry_secs)
    }

    /// The tick at which the session ends, while the client is away; 0 = not known.
    pub(crate) fn ends(&self) -> u32 {
        self.rare.durable.as_ref().map_or(0, |d| d.ends)
    }
}
