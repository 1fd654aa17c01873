//! Where a shard asks what its clients may do, and what happens when that changes: subscriptions that are
//! not allowed any more end, of clients that are away as well, a slice in each pass.

use std::{hash::BuildHasher as _, sync::Arc};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocol::{Filter, QoS, Topic};

use super::{Mail, Membership, Presence, Shard, Sink, subscribe::Round};
use crate::{
    Counter, Message, SessionRef, Time,
    acl::{Access, Asks, Authorized, Ground, Guard, Heard, Subject, Subscribe, Word, Writer},
    limits::{DENIAL_MILLIS, DENIALS_MAX, DENIALS_TOLD_MAX, REJUDGE_SLICE},
    router::NodeId,
    session::Session,
};

/// What was denied to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Deed {
    Publish,
    Subscribe,
    /// A subscription that had been allowed.
    Subscribed,
    /// A will that had been allowed.
    Will,
}

impl Asks for Session {
    #[inline]
    fn principal(&self) -> &crate::acl::Principal {
        &self.owner
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            who: &self.owner,
            client_id: &self.client_id,
            access: self.rare.access.as_deref(),
        }
    }
}

/// Why a session is judged anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Occasion {
    /// Rules have changed.
    Rules,
    /// Its client is back.
    Return,
}

/// How a session is judged anew.
#[derive(Clone, Copy, Debug)]
struct Look {
    occasion: Occasion,
    /// What somebody elsewhere has said of its subscriptions is good: the same are asked now.
    keeps_words: bool,
}

/// What was told of denials, so that it is not told again and again.
#[derive(Debug, Default)]
pub(super) struct Denials {
    told: HashMap<(SessionRef, Deed, Ground), Time, FixedState>,
    second: Time,
    in_second: u32,
}

impl Denials {
    /// Whether it is news.
    fn is_new(&mut self, who: SessionRef, deed: Deed, ground: Ground, now: Time) -> bool {
        let key = (who, deed, ground);
        let is_fresh = |at: &Time| now.since(*at) < DENIAL_MILLIS;
        if self.told.get(&key).is_some_and(is_fresh) {
            return false;
        }
        if now.since(self.second) >= 1000 {
            self.second = now;
            self.in_second = 0;
        }
        if self.in_second >= DENIALS_TOLD_MAX {
            return false;
        }
        if self.told.len() >= DENIALS_MAX {
            self.told.retain(|_, at| is_fresh(at));
        }
        self.in_second += 1;
        // One that finds no room is told again and again, as often as may be.
        if self.told.len() < DENIALS_MAX {
            self.told.insert(key, now);
        }
        true
    }
}

impl Shard {
    /// Tells, now and then, that a client did what it may not.
    #[cold]
    pub(super) fn note_denied(
        &mut self,
        slot: u32,
        deed: Deed,
        topic: &str,
        ground: Ground,
        sink: &mut impl Sink,
    ) {
        let now = self.now;
        let who = self.reference(slot);
        if !self.denials.is_new(who, deed, ground, now) {
            return;
        }
        let s = self.session(slot);
        let denied = Presence::Denied {
            version: s.version,
            user_name: s.user_name(),
            deed,
            topic,
            rule: self.acl.told(ground, &s.owner),
        };
        sink.note(s.conn, &s.client_id, denied);
    }

    /// Tells of the filters that were denied in one go.
    pub(super) fn note_all_denied(&mut self, slot: u32, round: &mut Round, sink: &mut impl Sink) {
        for (filter, ground) in round.take_denied() {
            self.note_denied(slot, Deed::Subscribe, &filter, ground, sink);
        }
    }

    /// New rules: who is connected and who is away is judged anew, soon.
    pub(super) fn set_access(&mut self) {
        let policy = self.policy.clone();
        if self.acl.set(&policy.access) {
            self.rejudging = (!self.sessions.is_empty()).then_some(0);
        }
    }

    /// Goes on with judging anew, as long as not too much has to be asked elsewhere for it.
    pub(super) fn rejudge_some(&mut self, sink: &mut impl Sink) {
        let Some(from) = self.rejudging else { return };
        let mut left = REJUDGE_SLICE;
        let mut at = from;
        let end = self.sessions.end();
        while at < end && left > 0 && !self.inquiries.is_busy() {
            left -= 1;
            if let Some(s) = self.sessions.get(at)
                && !self.is_judged(at)
            {
                left = left.saturating_sub(s.subscriptions());
                self.rejudge(at, Occasion::Rules, sink);
            }
            at += 1;
        }
        self.rejudging = (at < end).then_some(at);
    }

    /// Whether judging goes on with the next pass.
    pub(super) fn is_rejudging(&self) -> bool {
        self.rejudging.is_some() && !self.inquiries.is_busy()
    }

    /// Whether a session was judged since the rules changed.
    fn is_judged(&self, slot: u32) -> bool {
        let access = self.session(slot).rare.access.as_deref();
        access.is_some_and(|access| self.acl.is_of_now(access))
    }

    /// What a client sends is not taken before it is judged by the rules that hold.
    #[cold]
    pub(super) fn rejudge_first(&mut self, slot: u32, sink: &mut impl Sink) {
        if self.rejudging.is_some_and(|from| slot >= from) && !self.is_judged(slot) {
            self.rejudge(slot, Occasion::Rules, sink);
        }
    }

    /// Looks at a session with the rules that hold now: ends what is not allowed any more, and says of
    /// the rest whether each message has to be asked about. What hangs on somebody elsewhere whose word is
    /// not known is asked anew, and ends unless it is allowed.
    fn rejudge(&mut self, slot: u32, occasion: Occasion, sink: &mut impl Sink) {
        let s = self.session(slot);
        let before = s.rare.access.as_ref().and_then(|access| access.peer());
        let peer = if s.is_online() {
            sink.peer(s.conn)
        } else {
            before
        };
        let mut access = self.acl.access(&s.owner, &s.client_id, peer);
        let mut keeps_words = false;
        if let (Some(access), Some(before)) = (&mut access, &s.rare.access) {
            self.acl.remember(access, before);
            keeps_words = self.acl.has_sources_of(before);
        }
        self.session_mut(slot).set_access(access);
        let look = Look {
            occasion,
            keeps_words,
        };
        let ended = self.rejudge_plain(slot, look, sink) | self.rejudge_shared(slot, look, sink);
        if ended && self.session(slot).rare.durable.is_some() {
            self.save_session(slot, None);
        }
        self.put_questions(sink);
    }

    /// Somebody else may have come, or the same one with other rights.
    pub(super) fn rejudge_resumed(&mut self, slot: u32, sink: &mut impl Sink) {
        let s = self.session(slot);
        let is_checked = |node: &NodeId| {
            let sub = self.router.sub(*node, slot);
            sub.is_some_and(|sub| sub.flags.is_checked())
        };
        let has_shared = !s.shared().is_empty();
        if self.acl.may_deny(s) || has_shared || s.subs.slice().iter().any(is_checked) {
            self.rejudge(slot, Occasion::Return, sink);
        }
    }

    /// The session is another's now: what was said elsewhere of the one before is nothing any more.
    pub(super) fn doubt(&mut self, slot: u32) {
        if !self.acl.asks_outside() {
            return;
        }
        for node in self.session(slot).subs.slice().to_vec() {
            if let Some(sub) = self.router.sub(node, slot) {
                let flags = sub.flags.with_heard(Some(Heard::Waits));
                self.router.set_flags(node, slot, flags);
            }
        }
        let shared = self.session_mut(slot).shared_mut();
        for membership in shared.into_iter().flatten() {
            membership.doubt();
        }
    }

    /// What is known of what somebody elsewhere says of a subscription, and whether that has to be asked.
    fn known(
        &self,
        slot: u32,
        (filter, qos): (Filter<'_>, QoS),
        heard: Option<Heard>,
        look: Look,
    ) -> (Option<(Word, u8)>, bool) {
        if !self.acl.asks_outside() {
            return (None, false);
        }
        if let Some(Heard::Word(word, by)) = heard
            && look.keeps_words
        {
            return (Some((word, by)), false);
        }
        let is_due = look.occasion == Occasion::Rules || heard == Some(Heard::Waits);
        // What is kept with the connection is good, however old it is.
        let sources = || self.sources_of(slot, filter.as_str(), qos, Time(0));
        (None, is_due && sources() > 0)
    }

    /// Whether it is not sure that a client which is away may not have what it had: its own rules, or
    /// where it comes from, may have been forgotten.
    fn is_in_doubt(&self, slot: u32, filter: Filter<'_>, qos: QoS, ground: Ground) -> bool {
        let s = self.session(slot);
        if s.is_online() {
            return false;
        }
        let certain = s.rare.access.as_ref().and_then(|access| access.certain());
        let known = certain.is_some_and(|access| {
            let subject = Subject {
                access: Some(&access),
                ..s.subject()
            };
            self.acl.subscribe(&subject, filter, qos).is_ok()
        });
        known || matches!(ground, Ground::Own(_))
    }

    fn rejudge_plain(&mut self, slot: u32, look: Look, sink: &mut impl Sink) -> bool {
        let mut ended = false;
        for node in self.session(slot).subs.slice().to_vec() {
            let Some(sub) = self.router.sub(node, slot) else {
                continue;
            };
            let text = self.router.filter(node);
            let what = (Filter::trusted(&text), sub.flags.qos());
            let (word, is_due) = self.known(slot, what, sub.flags.heard(), look);
            let mut judged = self.judge_again(slot, what, word);
            if is_due && let Ok(allowed) = judged {
                judged = self.put_off(slot, None, what, allowed);
            }
            ended |= self.decide_plain(slot, node, judged, sink);
        }
        ended
    }

    fn rejudge_shared(&mut self, slot: u32, look: Look, sink: &mut impl Sink) -> bool {
        let mut ended = false;
        for membership in self.session(slot).shared().to_vec() {
            let (group, filter) = membership.names();
            let what = (Filter::trusted(filter), membership.qos());
            let (word, is_due) = self.known(slot, what, membership.heard(), look);
            let mut judged = self.judge_again(slot, what, word);
            if is_due && let Ok(allowed) = judged {
                judged = self.put_off(slot, Some(group), what, allowed);
            }
            ended |= self.decide_shared(slot, &membership, judged, sink);
        }
        ended
    }

    /// Judges a subscription that there is. Where it is not sure that it may not be, of a client that is away,
    /// it stays until that is back: then it gets nothing unasked.
    fn judge_again<'a>(
        &mut self,
        slot: u32,
        (filter, qos): (Filter<'a>, QoS),
        word: Option<(Word, u8)>,
    ) -> Result<Subscribe<'a>, Ground> {
        self.acl.word = word;
        let judged = self.acl.subscribe(self.session(slot), filter, qos);
        let judged = match judged.map(Authorized::into_inner) {
            Err(ground) if self.is_in_doubt(slot, filter, qos, ground) => Ok(Subscribe {
                filter,
                is_checked: true,
                heard: word.map(|(word, by)| Heard::Word(word, by)),
            }),
            judged => judged,
        };
        self.acl.word = None;
        judged
    }

    /// As if it came just now: what hangs on somebody elsewhere who has said nothing is denied.
    fn judge_arriving<'a>(
        &mut self,
        slot: u32,
        what: (Filter<'a>, QoS),
        word: Option<(Word, u8)>,
    ) -> Result<Subscribe<'a>, Ground> {
        self.acl.is_arriving = true;
        let judged = self.judge_again(slot, what, word);
        self.acl.is_arriving = false;
        judged
    }

    /// A subscription stays until somebody elsewhere was asked about it; it does not if there is no room for the
    /// question.
    fn put_off<'a>(
        &mut self,
        slot: u32,
        group: Option<&str>,
        what: (Filter<'a>, QoS),
        judged: Subscribe<'a>,
    ) -> Result<Subscribe<'a>, Ground> {
        if !self.ask_anew(slot, group, what) {
            return self.judge_arriving(slot, what, None);
        }
        Ok(Subscribe {
            heard: Some(Heard::Waits),
            ..judged
        })
    }

    /// A subscription as it was judged. Whether it ended.
    fn decide_plain(
        &mut self,
        slot: u32,
        node: NodeId,
        judged: Result<Subscribe<'_>, Ground>,
        sink: &mut impl Sink,
    ) -> bool {
        let Some(sub) = self.router.sub(node, slot) else {
            return false;
        };
        match judged {
            Ok(judged) => {
                let flags = sub.flags.with_checked(judged.is_checked);
                let flags = flags.with_heard(judged.heard);
                if flags != sub.flags {
                    self.router.set_flags(node, slot, flags);
                }
                false
            }
            Err(ground) => {
                let text = self.router.filter(node);
                self.drop_sub(slot, node);
                self.note_revoked(slot, &text, false, ground, sink);
                true
            }
        }
    }

    /// The same of a shared one.
    fn decide_shared(
        &mut self,
        slot: u32,
        membership: &Membership,
        judged: Result<Subscribe<'_>, Ground>,
        sink: &mut impl Sink,
    ) -> bool {
        let (group, filter) = membership.names();
        match judged {
            Ok(judged) => {
                let list = self.session_mut(slot).shared_mut().into_iter().flatten();
                for same in list.filter(|m| m.label() == membership.label()) {
                    same.set_judged(judged.is_checked, judged.heard);
                }
                let letter = Mail::Guard {
                    group: group.into(),
                    filter: filter.into(),
                    member: self.reference(slot),
                    guard: judged.is_checked.then(|| self.guard(slot)),
                };
                self.mail(self.group_home(group, filter), letter);
                false
            }
            Err(ground) => {
                self.leave_group(slot, group, Filter::trusted(filter));
                let told = membership.told().filter;
                self.note_revoked(slot, &told, true, ground, sink);
                true
            }
        }
    }

    /// Counts and tells of a subscription that has ended.
    fn note_revoked(
        &mut self,
        slot: u32,
        filter: &str,
        is_shared: bool,
        ground: Ground,
        sink: &mut impl Sink,
    ) {
        self.metrics.add(Counter::SubscriptionRevoked, 1);
        if let Some(s) = self.sessions.get(slot) {
            self.revoked.add(&s.client_id, filter, is_shared);
        }
        self.note_denied(slot, Deed::Subscribed, filter, ground, sink);
    }

    /// What was said of a subscription that had been granted, if it still waits for that.
    pub(super) fn decide_granted(
        &mut self,
        slot: u32,
        group: Option<&str>,
        (filter, qos): (Filter<'_>, QoS),
        word: Option<(Word, u8)>,
        sink: &mut impl Sink,
    ) {
        let judged = self.judge_arriving(slot, (filter, qos), word);
        let waits = |heard: Option<Heard>, of: QoS| heard == Some(Heard::Waits) && of == qos;
        let ended = match group {
            None => {
                let node = self.router.find(filter);
                let node = node.filter(|node| {
                    let sub = self.router.sub(*node, slot);
                    sub.is_some_and(|sub| waits(sub.flags.heard(), sub.flags.qos()))
                });
                node.is_some_and(|node| self.decide_plain(slot, node, judged, sink))
            }
            Some(group) => {
                let mut shared = self.session(slot).shared().iter();
                let membership = shared
                    .find(|m| m.names() == (group, filter.as_str()) && waits(m.heard(), m.qos()));
                let membership = membership.cloned();
                membership.is_some_and(|m| self.decide_shared(slot, &m, judged, sink))
            }
        };
        if ended && self.session(slot).rare.durable.is_some() {
            self.save_session(slot, None);
        }
    }

    /// Who asks for a member of a shared group, where that lives.
    pub(super) fn guard(&self, slot: u32) -> Arc<Guard> {
        let s = self.session(slot);
        let access: Option<Box<Access>> = s.rare.access.clone();
        Arc::new(Guard::new(s.owner.clone(), &s.client_id, access))
    }

    /// Whether a subscription that may bring what is denied brings this. Counted if not.
    pub(super) fn may_receive(&mut self, slot: u32, topic: Topic<'_>, qos: QoS) -> bool {
        let Some(s) = self.sessions.get(slot) else {
            return false;
        };
        let receives = self.acl.receives(s, topic, qos);
        self.metrics
            .add(Counter::DeliveryDenied, u64::from(!receives));
        receives
    }

    /// Whether who retained a message may still do that. Counted if not.
    pub(super) fn is_still_written(&mut self, message: &Message) -> bool {
        let may = !self.is_held_back(message);
        self.metrics.add(Counter::DeliveryDenied, u64::from(!may));
        may
    }

    /// Whether a retained message is sent to nobody, because who retained it may not do that any more.
    #[must_use]
    pub fn is_held_back(&self, message: &Message) -> bool {
        let writer = message.writer.as_deref();
        writer.is_some_and(|writer| !self.acl.may_retain(writer, &message.view()))
    }

    /// Names who retains something, so that it can be asked again.
    pub(super) fn writer(&mut self, asks: &impl Asks) -> Option<Arc<Writer>> {
        let hash = self.hasher.hash_one(asks.subject().client_id);
        self.writers.of(asks, hash)
    }

    /// As above, of a session.
    pub(super) fn writer_of(&mut self, slot: u32) -> Option<Arc<Writer>> {
        let s = self.sessions.get(slot)?;
        let hash = self.hasher.hash_one(&*s.client_id);
        self.writers.of(s, hash)
    }

    /// Whether a message that waited is still for this session. Counted if not.
    pub(super) fn may_still_receive(&mut self, slot: u32, topic: Topic<'_>, qos: QoS) -> bool {
        let receives = self.acl.still_receives(self.session(slot), topic, qos);
        self.metrics
            .add(Counter::DeliveryDenied, u64::from(!receives));
        receives
    }
}
