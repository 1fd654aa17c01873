//! What an operator decided, where it is obeyed: bans, topics rewritten, subscriptions that everybody
//! gets, topics counted.

use std::{borrow::Cow, sync::Arc};

use protocol::{PacketId, QoS, Reason, SharedFilter, Topic, packet::connect};

use super::{Close, ConnId, Shard, Sink, Verdict, inquire::Unasked};
use crate::{
    Cause, SlowSubscription, Time,
    acl::Asks,
    limits::BAN_SLICE,
    policy::{Client, Delay, Policy, first_match},
    slow::Slow,
    topics::{Counted, TopicTally},
};

/// How often it is looked for bans that come into force.
const BEGIN_MILLIS: u64 = 1000;

const BANNED: Close = Cause::Banned.close();

/// DISCONNECT has no word of its own for it (table 3-13).
const BANNED_SINCE: Close = Close {
    reason: Reason::ADMINISTRATIVE_ACTION,
    cause: Cause::Banned,
};

/// What is measured for an operator. One pointer, so that it costs one branch where none are.
#[derive(Debug, Default)]
pub(super) struct Measures {
    counted: Option<Box<Counted>>,
    slow: Option<Box<Slow>>,
}

/// What a topic of PUBLISH stands for.
#[derive(Debug)]
pub(super) struct Meant<'a> {
    pub(super) topic: Cow<'a, str>,
    pub(super) delay: Option<Delay>,
}

impl Shard {
    /// What holds from now on. Clients that are connected and shut out by it go soon.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        if !Arc::ptr_eq(&self.policy.bans, &policy.bans) {
            self.expelling = Some(0);
        }
        let before = self
            .measures
            .take()
            .map(|measures| *measures)
            .unwrap_or_default();
        let counted = if Arc::ptr_eq(&self.policy.counted, &policy.counted) {
            before.counted
        } else {
            Counted::of(&policy.counted, before.counted, self.now)
        };
        let slow = policy.slow.map(|terms| {
            let same = before.slow.filter(|slow| slow.terms() == terms);
            same.unwrap_or_else(|| Box::new(Slow::new(terms)))
        });
        if counted.is_some() || slow.is_some() {
            self.measures = Some(Box::new(Measures { counted, slow }));
        }
        self.policy = policy;
        self.set_access();
    }

    /// A CONNECT of somebody who is shut out.
    pub(super) fn check_banned(
        &self,
        conn: ConnId,
        client_id: &str,
        user_name: Option<&str>,
        sink: &impl Sink,
    ) -> Verdict<()> {
        let bans = &self.policy.bans;
        if bans.is_empty() {
            return Ok(());
        }
        let client = Client {
            id: client_id,
            user_name,
            common_name: None,
            peer: sink.peer(conn),
        };
        if bans.hold(client, self.now) {
            return Err(BANNED);
        }
        Ok(())
    }

    /// Whether somebody is shut out whose message has waited here: nothing of it goes out any more.
    pub(super) fn is_shut_out(&self, asks: &impl Asks) -> bool {
        let bans = &self.policy.bans;
        if bans.is_empty() {
            return false;
        }
        let who = asks.principal();
        let client = Client {
            id: asks.subject().client_id,
            user_name: who.user(),
            common_name: who.common_name(),
            // Where it came from is not known any more.
            peer: None,
        };
        bans.hold(client, self.now)
    }

    /// Goes on looking through the connected clients for those whom a new ban is for.
    pub(super) fn expel_banned(&mut self, sink: &mut impl Sink) {
        if self.policy.bans.is_empty() {
            self.expelling = None;
            return;
        }
        let bans = self.policy.bans.clone();
        if self.now.since(self.bans_seen) >= BEGIN_MILLIS {
            if bans.begins(self.bans_seen, self.now) {
                self.expelling = Some(0);
            }
            self.bans_seen = self.now;
        }
        let Some(from) = self.expelling else { return };
        let slice = (BAN_SLICE / (1 + bans.patterns())).max(1);
        let upto = from.saturating_add(u32::try_from(slice).unwrap_or(u32::MAX));
        let end = self.sessions.end();
        for slot in from..upto.min(end) {
            let Some(s) = self.sessions.get(slot).filter(|s| s.is_online()) else {
                continue;
            };
            let client = Client {
                id: &s.client_id,
                user_name: s.user_name(),
                common_name: s.owner.common_name(),
                peer: sink.peer(s.conn),
            };
            if bans.hold(client, self.now) {
                self.expel(slot, BANNED_SINCE, sink);
            }
        }
        self.expelling = Some(upto).filter(|upto| *upto < end);
    }

    /// Whether there is still somebody to look at, so that the next pass is to come soon.
    pub(super) fn is_expelling(&self) -> bool {
        self.expelling.is_some() && !self.policy.bans.is_empty()
    }

    /// Whether a topic of PUBLISH may stand for something else. Other topics go their usual way, also
    /// where there are rules.
    #[inline]
    pub(super) fn may_mean_another(&self, topic: Topic<'_>) -> bool {
        let rules = &self.policy.publish_rules;
        topic.is_system() || !rules.is_empty() && rules.iter().any(|rule| rule.is_for(topic))
    }

    /// What a topic of a client's PUBLISH stands for.
    pub(super) fn meant<'a>(&self, slot: u32, topic: &'a str) -> Result<Meant<'a>, Reason> {
        let s = self.session(slot);
        let client = Client {
            id: &s.client_id,
            user_name: s.user_name(),
            common_name: s.owner.common_name(),
            peer: None,
        };
        self.meant_by(client, topic)
    }

    /// What a topic stands for: `$delayed` and its time are taken off, then it is rewritten.
    pub(super) fn meant_by<'a>(
        &self,
        client: Client<'_>,
        topic: &'a str,
    ) -> Result<Meant<'a>, Reason> {
        let mut meant = Meant {
            topic: Cow::Borrowed(topic),
            delay: None,
        };
        if self.settings.delayed_available
            && let Some(rest) = topic.strip_prefix(Delay::PREFIX)
        {
            let (delay, topic) = Delay::parse(rest, self.now).ok_or(Reason::TOPIC_NAME_INVALID)?;
            meant.topic = Cow::Borrowed(topic);
            meant.delay = Some(delay);
        }
        let rules = &self.policy.publish_rules;
        if rules.is_empty() {
            return Ok(meant);
        }
        if let Some(rewritten) = first_match(rules.iter().map(|r| &**r), &meant.topic, client) {
            let levels_max = self.settings.limits.topic_levels_max;
            Topic::parse(&rewritten, levels_max).map_err(|_| Reason::TOPIC_NAME_INVALID)?;
            meant.topic = Cow::Owned(rewritten);
        }
        Ok(meant)
    }

    /// Another topic for the will of a CONNECT, if a rule makes one.
    pub(super) fn rewritten_will(
        &self,
        client_id: &str,
        packet: &connect::Connect<'_>,
    ) -> Option<String> {
        let rules = &self.policy.publish_rules;
        if rules.is_empty() {
            return None;
        }
        let client = Client {
            id: client_id,
            user_name: packet.user_name,
            common_name: None,
            peer: None,
        };
        let topic = packet.will?.topic;
        let rewritten = first_match(rules.iter().map(|r| &**r), topic, client)?;
        let levels_max = self.settings.limits.topic_levels_max;
        let is_topic = Topic::parse(&rewritten, levels_max).is_ok();
        is_topic.then_some(rewritten)
    }

    /// Another filter for that of a SUBSCRIBE or UNSUBSCRIBE, if a rule makes one; a shared one keeps
    /// its group.
    pub(super) fn rewritten_filter(&self, slot: u32, text: &str) -> Option<String> {
        let rules = &self.policy.subscribe_rules;
        if rules.is_empty() {
            return None;
        }
        let shared = SharedFilter::parse(text, u16::MAX).ok()?;
        let filter = shared.filter.as_str();
        let s = self.session(slot);
        let client = Client {
            id: &s.client_id,
            user_name: s.user_name(),
            common_name: s.owner.common_name(),
            peer: None,
        };
        let rewritten = first_match(rules.iter().map(|r| &**r), filter, client)?;
        let group = &text[..text.len() - filter.len()];
        Some([group, &*rewritten].concat())
    }

    /// A filter as a client means it, with the mountpoint; a shared one keeps its group.
    pub(super) fn mounted<'a>(&self, slot: u32, text: &'a str) -> Cow<'a, str> {
        let prefix = self.session(slot).mountpoint();
        if prefix.is_empty() {
            return text.into();
        }
        let Ok(shared) = SharedFilter::parse(text, u16::MAX) else {
            return text.into();
        };
        let (group, filter) = text.split_at(text.len() - shared.filter.as_str().len());
        [group, prefix, filter].concat().into()
    }

    /// Subscribes a client that has just connected to what everybody gets.
    pub(super) fn auto_subscribe(&mut self, slot: u32, sink: &mut impl Sink) {
        if self.policy.auto_subscribe.is_empty() {
            return;
        }
        let s = self.session(slot);
        let client = Client {
            id: &s.client_id,
            user_name: s.user_name(),
            common_name: s.owner.common_name(),
            peer: sink.peer(s.conn),
        };
        let filled = self.policy.auto_subscribe.iter().filter_map(|auto| {
            let filter = auto.filter.fill(client, |_| None)?;
            Some(Unasked {
                filter: self.mounted(slot, &filter).into(),
                options: auto.options,
                word: None,
            })
        });
        let list = filled.collect();
        self.subscribe_automatically(slot, list, sink);
    }

    /// A message came in for all who are subscribed.
    #[inline]
    pub(super) fn note_received(&mut self, topic: Topic<'_>, qos: QoS, n: u32) {
        if let Some(counted) = self.measures.as_mut().and_then(|w| w.counted.as_mut()) {
            counted.received(topic.as_str(), qos, u64::from(n));
        }
    }

    /// Nobody was subscribed.
    #[inline]
    pub(super) fn note_dropped(&mut self, topic: Topic<'_>, n: u32) {
        if let Some(counted) = self.measures.as_mut().and_then(|w| w.counted.as_mut()) {
            counted.dropped(topic.as_str(), u64::from(n));
        }
    }

    /// A run of QoS 0 went out to somebody, at once.
    #[inline]
    pub(super) fn note_run_sent(&mut self, topic: Topic<'_>, n: u32) {
        if let Some(counted) = self.measures.as_mut().and_then(|w| w.counted.as_mut()) {
            counted.sent(topic.as_str(), QoS::AtMostOnce, u64::from(n));
        }
    }

    /// A message that came at `received` went out to somebody for the first time.
    #[inline]
    pub(super) fn note_sent(&mut self, slot: u32, topic: Topic<'_>, qos: QoS, received: Time) {
        if self.measures.is_some() {
            let out = self.sessions.get(slot).and_then(|s| s.out.as_ref());
            let id = out.map(|out| out.last()).filter(|_| qos > QoS::AtMostOnce);
            self.measure_sent(slot, topic, qos, id.flatten(), received);
        }
    }

    /// As [`Shard::note_sent`], of a message that had its id before.
    #[cold]
    pub(super) fn measure_sent(
        &mut self,
        slot: u32,
        topic: Topic<'_>,
        qos: QoS,
        id: Option<PacketId>,
        received: Time,
    ) {
        let session = self.reference(slot);
        let Some(measures) = &mut self.measures else {
            return;
        };
        if let Some(counted) = &mut measures.counted {
            counted.sent(topic.as_str(), qos, 1);
        }
        if let (Some(slow), Some(s)) = (&mut measures.slow, self.sessions.get(slot)) {
            let times = (received, self.now);
            slow.sent(session, &s.client_id, topic.as_str(), id, times);
        }
    }

    /// A client has finished a message.
    #[inline]
    pub(super) fn note_done(&mut self, slot: u32, id: PacketId) {
        if self.is_measuring() {
            let session = self.reference(slot);
            let slow = self.measures.as_mut().and_then(|w| w.slow.as_mut());
            if let (Some(slow), Some(s)) = (slow, self.sessions.get(slot)) {
                slow.done(session, &s.client_id, id, self.now);
            }
        }
    }

    #[inline]
    pub(super) fn is_measuring(&self) -> bool {
        self.measures.is_some()
    }

    /// Windows of rates end, and what is old is forgotten.
    pub(super) fn tick_measures(&mut self) {
        let Some(mut measures) = self.measures.take() else {
            return;
        };
        if let Some(counted) = &mut measures.counted {
            counted.tick(self.now);
        }
        if let Some(slow) = &mut measures.slow {
            slow.tick(self.now, |session| self.resolve(session).is_some());
        }
        self.measures = Some(measures);
    }

    /// This shard's figures of a topic that is counted.
    #[must_use]
    pub fn topic_tally(&self, now: Time, topic: &str) -> Option<TopicTally> {
        self.measures.as_ref()?.counted.as_ref()?.tally(topic, now)
    }

    /// Figures of a topic begin anew. False if it is not counted.
    pub fn reset_topic(&mut self, topic: &str) -> bool {
        let counted = self.measures.as_mut().and_then(|w| w.counted.as_mut());
        counted.is_some_and(|counted| counted.reset(topic))
    }

    /// This shard's slow subscriptions, in no order; more than were asked for, perhaps.
    #[must_use]
    pub fn slow_subscriptions(&self, now: Time) -> Vec<SlowSubscription> {
        let slow = self.measures.as_ref().and_then(|w| w.slow.as_ref());
        slow.map_or_else(Vec::new, |slow| slow.found(now).collect())
    }

    /// Forgets those.
    pub fn forget_slow_subscriptions(&mut self) {
        if let Some(slow) = self.measures.as_mut().and_then(|w| w.slow.as_mut()) {
            slow.clear();
        }
    }
}
