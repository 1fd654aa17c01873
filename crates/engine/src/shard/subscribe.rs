//! SUBSCRIBE and UNSUBSCRIBE. When their answers leave is in `visible.rs`.

use protocol::{
    Filter, Frame, QoS, Reason, SharedFilter, Version,
    packet::{
        suback,
        subscribe::{self, RetainHandling},
        unsuback, unsubscribe,
    },
};

use super::{
    Mail, Shard, Sink, Subscribed, Verdict,
    inquire::Unasked,
    mail::Join,
    refuse,
    store::Then,
    visible::{Asked, Owed},
};
use crate::{
    Cause, Counter,
    acl::{Authorized, Ground, Heard, Subscribe},
    plant::{self, Fault},
    record::Group,
    retained::Cursor,
    router::{Change, Flags, Sub},
    session::Scan,
};

/// One SUBSCRIBE while its filters are gone through.
pub(super) struct Round {
    codes: Vec<Reason>,
    /// Filters that were denied, and what decided.
    denied: Vec<(Box<str>, Ground)>,
    scans: Vec<Scan>,
    joins: u32,
    ticket: u64,
    id: u32,
}

impl Round {
    pub(super) fn new(ticket: u64) -> Self {
        Self {
            codes: Vec::new(),
            denied: Vec::new(),
            scans: Vec::new(),
            joins: 0,
            ticket,
            id: 0,
        }
    }

    pub(super) fn take_denied(&mut self) -> Vec<(Box<str>, Ground)> {
        std::mem::take(&mut self.denied)
    }

    /// How many groups have to answer, and what retained messages are to be looked for.
    pub(super) fn into_parts(self) -> (u32, Vec<Scan>) {
        (self.joins, self.scans)
    }
}

impl Shard {
    pub(super) fn on_subscribe(
        &mut self,
        slot: u32,
        f: &Frame<'_>,
        version: Version,
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        let packet =
            subscribe::decode(f.first, f.body, version, &self.settings.limits).map_err(refuse)?;
        let mut round = self.subscribe_all(slot, packet.requests(), packet.subscription_id);
        let denied = !round.denied.is_empty();
        self.note_all_denied(slot, &mut round, sink);
        if denied && self.acl.disconnects() {
            return Err(Cause::NotAllowed.close());
        }
        let mut answer = Vec::new();
        suback::encode(&mut answer, version, packet.id, &round.codes, &[]); // [MQTT-3.8.4-2]
        self.wait_visible(slot, round, answer, sink);
        Ok(())
    }

    /// Subscriptions that the client did not ask for: the same, but for the SUBACK.
    pub(super) fn subscribe_unasked(&mut self, slot: u32, list: &[Unasked], sink: &mut impl Sink) {
        let mut round = Round::new(self.next_token());
        self.acl.is_arriving = self.acl.asks_outside();
        for one in list {
            let request = subscribe::Request {
                filter: &one.filter,
                options: one.options,
            };
            self.acl.word = one.word;
            self.subscribe_next(slot, &request, &mut round);
        }
        self.acl.word = None;
        self.acl.is_arriving = false;
        self.save_round(slot, &mut round);
        self.note_all_denied(slot, &mut round, sink);
        self.wait_visible(slot, round, Vec::new(), sink);
    }

    fn subscribe_all<'a>(
        &mut self,
        slot: u32,
        requests: impl Iterator<Item = subscribe::Request<'a>>,
        id: Option<u32>,
    ) -> Round {
        let mut round = Round::new(self.next_token());
        round.id = id.unwrap_or(0);
        // As if each had come alone [MQTT-3.8.4-5].
        for request in requests {
            self.subscribe_next(slot, &request, &mut round);
        }
        self.save_round(slot, &mut round);
        round
    }

    fn subscribe_next(&mut self, slot: u32, request: &subscribe::Request<'_>, round: &mut Round) {
        let code = match self.subscribe_one(slot, request, round) {
            Ok(granted) => granted,
            Err(refused) => {
                self.note_refused(refused);
                refused
            }
        };
        round.codes.push(code); // [MQTT-3.8.4-6], [MQTT-3.8.4-7], [MQTT-3.9.3-1]
    }

    fn save_round(&mut self, slot: u32, round: &mut Round) {
        let then = Then::SubAck(self.reference(slot));
        self.save_asked(slot, &mut round.joins, round.ticket, then);
    }

    /// The answer leaves when every shard follows; it is empty where nobody asked.
    fn wait_visible(&mut self, slot: u32, round: Round, answer: Vec<u8>, sink: &mut impl Sink) {
        let owed = Owed {
            ticket: round.ticket,
            session: self.reference(slot),
            is_followed: false,
            joins: round.joins,
            scans: round.scans,
            to: Asked::Client(answer),
        };
        self.owe(owed, sink);
    }

    /// The answer to a client that changed its subscriptions waits for the record, if there is one: what
    /// it was told holds after a restart.
    pub(super) fn save_asked(&mut self, slot: u32, joins: &mut u32, ticket: u64, then: Then) {
        if self.session(slot).rare.durable.is_none() {
            return;
        }
        if plant::on(Fault::SubackBeforeSaved) {
            return self.save_session(slot, None);
        }
        *joins += 1;
        self.wait_for_store(ticket, 1, 0, then);
        self.save_session(slot, Some(ticket));
    }

    /// Counts a filter that was refused.
    pub(super) fn note_refused(&mut self, reason: Reason) {
        let counter = if reason == Reason::NOT_AUTHORIZED {
            Counter::SubscribeDenied
        } else {
            Counter::SubscribeErrors
        };
        self.metrics.add(counter, 1);
    }

    /// One filter; a bad one is answered for itself alone.
    pub(super) fn subscribe_one(
        &mut self,
        slot: u32,
        request: &subscribe::Request<'_>,
        round: &mut Round,
    ) -> Result<Reason, Reason> {
        let settings = self.settings.clone();
        let rewritten = self.rewritten_filter(slot, request.filter);
        let text = rewritten.as_deref().unwrap_or(request.filter);
        let shared = SharedFilter::parse(text, settings.limits.topic_levels_max)
            .map_err(|_| Reason::TOPIC_FILTER_INVALID)?;
        if shared.filter.is_wildcard() && !settings.wildcard_available {
            // [3.1.1 MQTT-3.8.3-2]
            return Err(Reason::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
        if shared.group.is_some() && !settings.shared_available {
            return Err(Reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
        // Granted lower, not refused [MQTT-3.2.2-10].
        let qos = request.options.qos.min(settings.qos_max);
        let allowed = match self.acl.subscribe(self.session(slot), shared.filter, qos) {
            Ok(allowed) => allowed,
            Err(ground) => {
                round.denied.push((text.into(), ground));
                return Err(Reason::NOT_AUTHORIZED);
            }
        };
        let filter = allowed.get().filter;
        let held = self.session(slot).subscriptions();
        if let Some(group) = shared.group {
            if held >= settings.subscriptions_max {
                return Err(Reason::QUOTA_EXCEEDED);
            }
            self.join_group(slot, group, allowed, qos, &request.options, round);
        } else {
            let known = self
                .router
                .find(filter)
                .is_some_and(|n| self.router.sub(n, slot).is_some());
            if held >= settings.subscriptions_max && !known {
                return Err(Reason::QUOTA_EXCEEDED);
            }
            self.subscribe_plain(slot, allowed, qos, &request.options, round);
        }
        self.metrics.add(Counter::FilterSubscribed, 1);
        Ok(Reason(qos.bits())) // the granted QoS is its own reason code
    }

    fn subscribe_plain(
        &mut self,
        slot: u32,
        allowed: Authorized<Subscribe<'_>>,
        qos: QoS,
        options: &subscribe::Options,
        round: &mut Round,
    ) {
        let Subscribe {
            filter,
            is_checked,
            heard,
        } = allowed.into_inner();
        let before = self.router.find(filter);
        let before = before.and_then(|node| self.router.sub(node, slot));
        let read_log = before.is_some_and(|old| old.flags.reads_log());
        let keeps = read_log && !plant::on(Fault::LoweredForgotten);
        // An existing subscription is replaced without a gap: also if it is of QoS 0 now, what waits in
        // the log, or is on its way there, comes from there [MQTT-3.8.4-4].
        let logged = qos == QoS::AtMostOnce && (keeps || self.settings.upgrade_qos);
        let durable = self.session(slot).rare.durable.is_some();
        let flags = Flags::new(qos, options.no_local, options.retain_as_published, durable)
            .with_handling(options.retain_handling)
            .with_logged(logged && durable)
            .with_checked(is_checked)
            .with_heard(heard);
        let sub = Sub {
            session: slot,
            flags,
            id: round.id,
        };
        let (node, new, change) = self.router.subscribe(filter, sub);
        self.announce(change);
        if new {
            self.session_mut(slot).subs.push(node);
            self.count_plain(slot);
        }
        let tail = self.tail_seen;
        if !read_log && let Some(d) = self.session_mut(slot).durable_mut() {
            d.begins(node, tail);
            self.ask_log_again(slot);
        }
        let send = match options.retain_handling {
            RetainHandling::SendAlways => true, // [MQTT-3.3.1-9], [MQTT-3.8.4-4]
            RetainHandling::SendIfNew => new,   // [MQTT-3.3.1-10]
            RetainHandling::DoNotSend => false, // [MQTT-3.3.1-11]
        };
        if send && self.settings.retain_available {
            let text = filter.as_str();
            let shards = if filter.is_wildcard() {
                0..self.count
            } else {
                let owner = self.place(text);
                owner..owner + 1
            };
            let cursor = Cursor::Start;
            round.scans.push(Scan {
                filter: text.into(),
                flags,
                id: round.id,
                shards,
                cursor,
            });
        }
    }

    fn join_group(
        &mut self,
        slot: u32,
        group: &str,
        allowed: Authorized<Subscribe<'_>>,
        qos: QoS,
        options: &subscribe::Options,
        round: &mut Round,
    ) {
        let Subscribe {
            filter,
            is_checked,
            heard,
        } = allowed.into_inner();
        self.next_token += 1;
        let mut membership = Membership {
            label: self.next_token,
            home: self.group_home(group, filter.as_str()),
            group: group.into(),
            filter: filter.as_str().into(),
            qos,
            as_published: options.retain_as_published,
            handling: options.retain_handling,
            id: round.id,
            is_checked,
            heard,
        };
        let rare = self.session_mut(slot).rare.make();
        let list = rare.shared.get_or_insert_default();
        let same = list
            .iter_mut()
            .find(|m| m.group == membership.group && m.filter == membership.filter);
        match same {
            Some(old) => {
                membership.label = old.label; // what is on its way to it stays good
                *old = membership.clone();
            }
            None => {
                list.push(membership.clone());
                self.count_shared(slot);
            }
        }
        let join = self.join_letter(slot, &membership, round.ticket);
        let home = membership.home;
        round.joins += 1;
        self.mail(home, Mail::Join(Box::new(join)));
    }

    pub(super) fn join_letter(&self, slot: u32, m: &Membership, ticket: u64) -> Join {
        let s = self.session(slot);
        Join {
            group: m.group.clone(),
            filter: m.filter.clone(),
            label: m.label,
            member: self.reference(slot),
            qos: m.qos,
            as_published: m.as_published,
            id: m.id,
            window: s.receive_max,
            ticket,
            lasting: s.rare.durable.is_some(),
            guard: m.is_checked.then(|| self.guard(slot)),
        }
    }

    /// The shared subscriptions of a session, with the letter that joins each again.
    pub(super) fn memberships(&self, slot: u32) -> Vec<(Box<str>, Box<str>, Join)> {
        let list = self.session(slot).shared();
        list.iter()
            .map(|m| {
                (
                    m.group.clone(),
                    m.filter.clone(),
                    self.join_letter(slot, m, 0),
                )
            })
            .collect()
    }

    pub(super) fn on_unsubscribe(
        &mut self,
        slot: u32,
        f: &Frame<'_>,
        version: Version,
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        let packet =
            unsubscribe::decode(f.first, f.body, version, &self.settings.limits).map_err(refuse)?;
        // In order, as if each had come alone [MQTT-3.10.4-6], [MQTT-3.11.3-1].
        let codes: Vec<Reason> = packet
            .filters()
            .map(|filter| self.unsubscribe_one(slot, filter))
            .collect();
        // One answer for all, also where nothing was deleted [MQTT-3.10.4-4], [MQTT-3.10.4-5].
        let mut answer = Vec::new();
        unsuback::encode(&mut answer, version, packet.id, &codes, &[]);
        let mut owed = Owed {
            ticket: self.next_token(),
            session: self.reference(slot),
            // What others still send is not delivered any more.
            is_followed: true,
            joins: 0,
            scans: Vec::new(),
            to: Asked::Client(answer),
        };
        let then = Then::SubAck(owed.session);
        self.save_asked(slot, &mut owed.joins, owed.ticket, then);
        self.owe(owed, sink);
        Ok(())
    }

    pub(super) fn unsubscribe_one(&mut self, slot: u32, text: &str) -> Reason {
        let levels_max = self.settings.limits.topic_levels_max;
        let rewritten = self.rewritten_filter(slot, text);
        let text = rewritten.as_deref().unwrap_or(text);
        let Ok(shared) = SharedFilter::parse(text, levels_max) else {
            return Reason::TOPIC_FILTER_INVALID;
        };
        let done = match shared.group {
            Some(group) => self.leave_group(slot, group, shared.filter),
            None => self.router.find(shared.filter).is_some_and(|node| {
                plant::on(Fault::UnsubscribeIgnored) || self.drop_sub(slot, node)
            }),
        };
        if done {
            self.metrics.add(Counter::FilterUnsubscribed, 1);
            Reason::SUCCESS
        } else {
            self.metrics.add(Counter::UnsubscribeErrors, 1);
            Reason::NO_SUBSCRIPTION_EXISTED
        }
    }

    /// Compared character by character [MQTT-3.10.4-1]; deleted now [MQTT-3.10.4-2].
    pub(super) fn drop_sub(&mut self, slot: u32, node: crate::router::NodeId) -> bool {
        let Some(change) = self.router.unsubscribe(node, slot) else {
            return false;
        };
        let s = self.session_mut(slot);
        s.subs.remove(node);
        if let Some(d) = s.durable_mut() {
            d.ended(node);
        }
        self.uncount_plain(slot);
        self.announce(change);
        true
    }

    pub(super) fn leave_group(&mut self, slot: u32, group: &str, filter: Filter<'_>) -> bool {
        let Some(list) = self.session_mut(slot).shared_mut() else {
            return false;
        };
        let before = list.len();
        list.retain(|m| *m.group != *group || *m.filter != *filter.as_str());
        if list.len() == before {
            return false;
        }
        self.uncount_shared(slot);
        self.send_leave(slot, group.into(), filter.as_str().into());
        true
    }

    pub(super) fn send_leave(&mut self, slot: u32, group: Box<str>, filter: Box<str>) {
        let member = self.reference(slot);
        let home = self.group_home(&group, &filter);
        self.mail(
            home,
            Mail::Leave {
                group,
                filter,
                member,
            },
        );
    }

    /// Tells the other shards what this one wants now.
    pub(super) fn announce(&mut self, change: Option<Change>) {
        let Some(mut change) = change else { return };
        if plant::on(Fault::InterestForgotten) && !change.wants.durable {
            change.wants.live = false;
        }
        if self.count == 1 {
            return;
        }
        self.announced += 1;
        for to in (0..self.count).filter(|to| *to != self.id) {
            let letter = Mail::Interest {
                number: self.announced,
                change: change.clone(),
            };
            self.outbox[usize::from(to)].push(letter);
        }
    }
}

/// A shared subscription of a session.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    /// Names it on what its group sends; no other of this shard has it.
    label: u64,
    /// The shard on which the group lives.
    home: u16,
    group: Box<str>,
    filter: Box<str>,
    qos: QoS,
    as_published: bool,
    handling: RetainHandling,
    id: u32,
    /// Some of what the group gets may be denied to it.
    is_checked: bool,
    /// As [`Flags::heard`].
    heard: Option<Heard>,
}

impl Membership {
    /// As it is told.
    pub(super) fn told(&self) -> Subscribed {
        Subscribed {
            filter: format!("$share/{}/{}", self.group, self.filter),
            qos: self.qos,
            no_local: false,
            as_published: self.as_published,
            handling: self.handling,
            id: self.id,
        }
    }

    pub(super) fn names(&self) -> (&str, &str) {
        (&self.group, &self.filter)
    }

    pub(super) fn qos(&self) -> QoS {
        self.qos
    }

    pub(super) fn set_judged(&mut self, is_checked: bool, heard: Option<Heard>) {
        self.is_checked = is_checked;
        self.heard = heard;
    }

    pub(super) fn heard(&self) -> Option<Heard> {
        self.heard
    }

    pub(super) fn doubt(&mut self) {
        self.heard = Some(Heard::Waits);
    }

    pub(super) fn label(&self) -> u64 {
        self.label
    }

    /// From its record.
    pub(super) fn restored(kept: &Group, label: u64, home: u16) -> Self {
        Self {
            label,
            home,
            group: kept.name.clone(),
            filter: kept.filter.clone(),
            qos: kept.qos,
            as_published: kept.as_published,
            handling: kept.handling,
            id: kept.id,
            is_checked: true, // until it is judged
            heard: None,
        }
    }

    /// As it is kept.
    pub(super) fn record(&self) -> Group {
        Group {
            name: self.group.clone(),
            filter: self.filter.clone(),
            qos: self.qos,
            as_published: self.as_published,
            handling: self.handling,
            id: self.id,
        }
    }

    pub(super) fn into_names(self) -> (Box<str>, Box<str>) {
        (self.group, self.filter)
    }
}
