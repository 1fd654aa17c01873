//! What may be asked about a shard: its sessions one by one, what they are subscribed to and what waits
//! for them. Nothing here changes anything, and nothing is copied that is not asked for: who walks stops
//! after as many as it may look at, and goes on from there another time.

use std::{borrow::Cow, sync::Arc};

use protocol::{Filter, QoS, RetainHandling, Topic, Version};

use super::{ConnId, Shard};
use crate::{
    Message, SessionRef, Time,
    acl::{Asks as _, Decision},
    limits::SCAN_SLICE,
    retained::Cursor,
    router::Router,
    session::{Bit, Held, Reading, Session, State, Traffic},
};

/// A session, for whoever looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    shard: &'a Shard,
    slot: u32,
    session: &'a Session,
}

/// A subscription of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// With `$share/group/` before it, if it is shared.
    pub filter: String,
    pub qos: QoS,
    pub no_local: bool,
    pub as_published: bool,
    pub handling: RetainHandling,
    /// Subscription Identifier, 0 for none.
    pub id: u32,
}

/// Where a session stands in the log: what matches behind that is still to be read for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub after: u64,
    /// The filters that read the log, and what each does not want because it is older.
    pub filters: Vec<(String, u64)>,
}

/// A message that is under way to a client.
#[derive(Clone, Debug)]
pub struct Underway {
    pub id: u16,
    pub message: Arc<Message>,
    /// PUBREC came: PUBREL or PUBCOMP is what is waited for.
    pub is_received: bool,
}

impl<'a> Client<'a> {
    #[must_use]
    pub fn id(&self) -> &'a str {
        &self.session.client_id
    }

    #[must_use]
    pub fn user_name(&self) -> Option<&'a str> {
        self.session.client_id.user_name()
    }

    /// A filter as the client means it, with its mountpoint.
    #[must_use]
    pub fn mounted<'b>(&self, filter: &'b str) -> Cow<'b, str> {
        self.shard.mounted(self.slot, filter)
    }

    /// Whether it has not proven who it is, whatever user name it gave.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.session.owner.is_nobody()
    }

    /// Names the session among all there have been.
    #[must_use]
    pub fn reference(&self) -> SessionRef {
        self.shard.reference(self.slot)
    }

    /// The connection, while the client is there.
    #[must_use]
    pub fn conn(&self) -> Option<ConnId> {
        Some(self.session.conn).filter(|conn| *conn != ConnId::NONE)
    }

    #[must_use]
    pub fn version(&self) -> Version {
        self.session.version
    }

    #[must_use]
    pub fn is_clean_start(&self) -> bool {
        self.session.bits.has(Bit::CleanStart)
    }

    /// Granted; 0 = none.
    #[must_use]
    pub fn keep_alive_secs(&self) -> u16 {
        self.session.keep_alive_secs
    }

    #[must_use]
    pub fn expiry_secs(&self) -> u32 {
        self.session.expiry_secs()
    }

    /// The session outlives its connection.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.session.rare.durable.is_some()
    }

    /// When the client connected last.
    #[must_use]
    pub fn connected_at(&self) -> Time {
        match &self.session.rare.durable {
            Some(d) => d.came(),
            None => self.shard.due.time(self.session.since),
        }
    }

    /// When it went, if it is away.
    #[must_use]
    pub fn disconnected_at(&self) -> Option<Time> {
        let durable = self.session.rare.durable.as_ref()?;
        (!self.session.is_online()).then(|| durable.went())
    }

    /// A session that ends with its connection also began with it.
    #[must_use]
    pub fn created_at(&self) -> Time {
        let connected = self.connected_at();
        let durable = self.session.rare.durable.as_ref();
        durable.map_or(connected, |d| Time(d.born).min(connected))
    }

    #[must_use]
    pub fn subscriptions_len(&self) -> usize {
        self.session.subscriptions()
    }

    /// Its subscriptions from the `from`th on.
    pub fn subscriptions(&self, from: usize) -> impl Iterator<Item = Subscribed> + 'a {
        let (router, slot) = (&self.shard.router, self.slot);
        let plain = self.session.subs.slice();
        let shared = self.session.shared();
        let behind = from.saturating_sub(plain.len());
        let plain = plain.iter().skip(from).filter_map(move |node| {
            let sub = router.sub(*node, slot)?;
            Some(Subscribed {
                filter: router.filter(*node),
                qos: sub.flags.qos(),
                no_local: sub.flags.no_local(),
                as_published: sub.flags.as_published(),
                handling: sub.flags.handling(),
                id: sub.id,
            })
        });
        plain.chain(shared.iter().skip(behind).map(super::Membership::told))
    }

    /// Whether it is subscribed to exactly this filter, which is not shared.
    #[must_use]
    pub fn is_subscribed(&self, filter: Filter<'_>) -> bool {
        let router = &self.shard.router;
        let node = router.find(filter);
        node.is_some_and(|node| router.sub(node, self.slot).is_some())
    }

    /// Messages of QoS 1 and 2 that were sent and are not acknowledged.
    #[must_use]
    pub fn in_flight_len(&self) -> usize {
        self.session.in_flight()
    }

    #[must_use]
    pub fn in_flight_max(&self) -> u16 {
        self.session.receive_max
    }

    /// Those of them whose message is kept: a session that ends with its connection sends nothing again,
    /// so it keeps none.
    pub fn in_flight(&self) -> impl Iterator<Item = Underway> + 'a {
        let entries = self.session.out.iter().flat_map(|out| out.entries());
        entries.filter_map(|entry| {
            let message = match &entry.held {
                Held::Message(kept) => &kept.message,
                Held::Shared { message, .. } => message,
                Held::Nothing | Held::Number(_) => return None,
            };
            Some(Underway {
                id: entry.id.get(),
                message: message.clone(),
                is_received: matches!(entry.state, State::Releasing | State::PubComp),
            })
        })
    }

    /// Messages that wait in memory.
    #[must_use]
    pub fn queued_len(&self) -> usize {
        self.session.rare.queue.as_ref().map_or(0, |q| q.len())
    }

    pub fn queued(&self) -> impl Iterator<Item = &'a Arc<Message>> + 'a {
        let queue = self.session.rare.queue.iter();
        queue
            .flat_map(|q| q.waiting())
            .map(|queued| &queued.message)
    }

    /// About how many bytes of memory the session takes, without the messages that wait for it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.session.bytes()
    }

    /// Bytes of the messages that wait for it in memory or are in flight. What waits for several clients
    /// is there once, and counted for each.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        let queued = self.session.rare.queue.as_ref().map_or(0, |q| q.bytes());
        let in_flight = self.in_flight().map(|underway| underway.message.bytes());
        queued + in_flight.sum::<usize>()
    }

    /// Where the log has more for it, if it may.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let durable = self.session.rare.durable.as_ref()?;
        if durable.reading == Reading::Live {
            return None;
        }
        let router = &self.shard.router;
        let nodes = self.session.subs.slice().iter();
        let reading = nodes.filter(|node| {
            let sub = router.sub(**node, self.slot);
            sub.is_some_and(|s| s.flags.qos() > QoS::AtMostOnce)
        });
        Some(Place {
            after: durable.cursor,
            filters: reading
                .map(|node| (router.filter(*node), durable.since(*node)))
                .collect(),
        })
    }

    /// QoS 2 messages from it whose PUBREL is still to come.
    #[must_use]
    pub fn awaiting_release(&self) -> usize {
        self.session.inflow.as_ref().map_or(0, |i| i.awaiting_rel())
    }

    /// What it may and may not do because somebody elsewhere has said so, as far as that is remembered.
    pub fn decisions(&self, now: Time) -> impl Iterator<Item = Decision<'a>> {
        self.shard.acl.decisions(self.session.subject(), now)
    }

    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.session.tally.traffic()
    }
}

impl Shard {
    /// The session of a client id, if it lives here.
    #[must_use]
    pub fn client(&self, client_id: &str) -> Option<Client<'_>> {
        self.find(client_id).map(|slot| self.look_at(slot))
    }

    /// The session that a reference names, while it lives.
    #[must_use]
    pub fn client_of(&self, session: SessionRef) -> Option<Client<'_>> {
        self.resolve(session).map(|slot| self.look_at(slot))
    }

    /// All sessions from a place on. With each comes the place behind it.
    pub fn clients(&self, from: u32) -> impl Iterator<Item = (u32, Client<'_>)> {
        let sessions = self.sessions.range(from);
        sessions.map(|(slot, session)| {
            let client = Client {
                shard: self,
                slot,
                session,
            };
            (slot + 1, client)
        })
    }

    /// The place before which there are so many sessions, without a look at each.
    #[must_use]
    pub fn seek_client(&self, before: usize) -> Option<u32> {
        self.sessions.seek(before)
    }

    #[must_use]
    pub fn clients_len(&self) -> usize {
        self.sessions.len()
    }

    fn look_at(&self, slot: u32) -> Client<'_> {
        Client {
            shard: self,
            slot,
            session: self.session(slot),
        }
    }

    /// The routing table.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// The subscribers of this shard to exactly this filter, which is not shared.
    pub fn subscribers(&self, filter: Filter<'_>) -> impl Iterator<Item = Client<'_>> {
        let subs = self.router.subscribers(filter).iter();
        subs.filter_map(|sub| {
            self.sessions
                .get(sub.session)
                .map(|_| self.look_at(sub.session))
        })
    }

    /// Members of the shared groups that live on this shard and have exactly this filter, on whatever shard
    /// their sessions are.
    pub fn members(&self, filter: Filter<'_>) -> impl Iterator<Item = SessionRef> {
        let groups = self.router.groups(filter).iter();
        let groups = groups.filter_map(|(key, _)| self.groups.get(*key));
        groups.flat_map(|group| group.members.iter().map(|member| member.session))
    }

    /// The retained message of a topic, if this shard owns it.
    #[must_use]
    pub fn retained(&self, topic: Topic<'_>) -> Option<Arc<Message>> {
        self.retained.get(topic.as_str(), self.now).cloned()
    }

    /// How many retained messages this shard has, without the system's.
    #[must_use]
    pub fn retained_len(&self) -> usize {
        self.retained.len() - self.retained.system_len()
    }

    /// All retained messages of this shard behind a topic, in topic order, the system's among them; some
    /// may have expired.
    pub fn retained_from(&self, after: Option<&str>) -> impl Iterator<Item = &Arc<Message>> {
        self.retained.range(after)
    }

    /// Looks at a slice of this shard's retained messages and gives those that match, and where to go on.
    #[must_use]
    pub fn scan_retained(
        &self,
        filter: Filter<'_>,
        cursor: &Cursor,
    ) -> (Vec<Arc<Message>>, Option<Cursor>) {
        let mut found = Vec::new();
        let next = self
            .retained
            .scan(filter, cursor, SCAN_SLICE, self.now, &mut found);
        (found, next)
    }
}
