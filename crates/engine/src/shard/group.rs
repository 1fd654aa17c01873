//! Shared subscriptions on the shard that is their home, and members' side of them. What a group has
//! from the log is in `follow.rs`.

use std::sync::Arc;

use protocol::{Filter, QoS};

use super::{Mail, Shard, Sink, batch::Hand, deliver::Shot, mail::Join};
use crate::{Counter, Drop, Message, SessionRef, Time, acl::Guard, shared::Member};

impl Shard {
    /// The shard on which a group lives.
    #[must_use]
    pub fn group_home(&self, group: &str, filter: &str) -> u16 {
        let mut name = String::with_capacity(group.len() + filter.len() + 1);
        name.push_str(group);
        name.push('/');
        name.push_str(filter);
        self.place(&name)
    }

    pub(super) fn on_join(&mut self, join: Join, sink: &mut impl Sink) {
        let key = self
            .groups
            .find(&join.group, &join.filter)
            .unwrap_or_else(|| self.groups.insert(join.group.clone(), join.filter.clone()));
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        let member = Member {
            session: join.member,
            label: join.label,
            qos: join.qos,
            as_published: join.as_published,
            id: join.id,
            window: u32::from(join.window),
            open: group.member_mut(join.member).map_or(0, |m| m.open),
            online: true,
            stalled_until: Time(0),
            guard: join.guard.clone(),
        };
        match group.member_mut(join.member) {
            Some(old) => *old = member,
            None => group.members.push(member),
        }
        let durable = join.lasting && join.qos > QoS::AtMostOnce;
        let begins = durable && group.leases.is_none();
        if group.node.is_none() || begins {
            let filter = Filter::trusted(&join.filter);
            let (node, change) = self.router.join(filter, key, durable);
            if let Some(group) = self.groups.get_mut(key) {
                group.node = Some(node);
            }
            self.announce(change);
        }
        if begins {
            self.begin_leases(key, sink);
        }
        if !self.waits_for_leases(key, &join) {
            self.wait_joined(join.member.shard, join.member, join.ticket, sink);
        }
        self.drain_group(key, sink);
    }

    pub(super) fn on_leave(
        &mut self,
        group: &str,
        filter: &str,
        member: SessionRef,
        sink: &mut impl Sink,
    ) {
        let Some(key) = self.groups.find(group, filter) else {
            return;
        };
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        group.members.retain(|m| m.session != member);
        if group.members.is_empty() {
            let Some(group) = self.groups.remove(key) else {
                return;
            };
            let name = format!("$share/{}/{}", group.name.0, group.name.1);
            self.lose_all_of(Drop::NoMember, group.queue.len() as u64, &name);
            if let Some(leases) = group.leases {
                self.end_leases(&group.name, leases.telling);
            }
            if let Some(node) = group.node {
                let change = self.router.leave(node, key);
                self.announce(change);
            }
        } else {
            self.rest_group(key);
            self.drain_group(key, sink);
        }
    }

    /// What a member may have has changed.
    pub(super) fn on_guard(
        &mut self,
        group: &str,
        filter: &str,
        member: SessionRef,
        guard: Option<Arc<Guard>>,
    ) {
        let key = self.groups.find(group, filter);
        let group = key.and_then(|key| self.groups.get_mut(key));
        if let Some(member) = group.and_then(|group| group.member_mut(member)) {
            member.guard = guard;
        }
    }

    pub(super) fn on_away(
        &mut self,
        group: &str,
        filter: &str,
        member: SessionRef,
        sink: &mut impl Sink,
    ) {
        let Some(key) = self.groups.find(group, filter) else {
            return;
        };
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        if let Some(member) = group.member_mut(member) {
            member.online = false;
            member.open = 0;
        }
        self.rest_group(key);
        self.drain_group(key, sink);
    }

    /// Gives a message to one member, or keeps it until one can take it.
    pub(super) fn dispatch(&mut self, key: u32, shot: &mut Shot<'_>, sink: &mut impl Sink) {
        if self.is_read_from_log(key, shot) {
            return;
        }
        if shot.view.is_expired(self.now) {
            // On its way between shards [MQTT-3.3.2-5].
            let view = &shot.view;
            return self.lose_for_group(Drop::Expired, 1, key, view.publisher, view.topic);
        }
        let waiting = self.groups.get_mut(key).is_none_or(|g| !g.queue.is_empty());
        if waiting || !self.try_dispatch(key, shot, 0, sink) {
            self.keep(key, &shot.arc());
        }
    }

    /// Gives a message to one member. `position` is where the log has it, 0 if it did not come from there.
    pub(super) fn try_dispatch(
        &mut self,
        key: u32,
        shot: &mut Shot<'_>,
        position: u64,
        sink: &mut impl Sink,
    ) -> bool {
        let draw = self.next_random();
        loop {
            let Some(group) = self.groups.get_mut(key) else {
                return true;
            };
            let strategy = self.settings.shared_strategy;
            let (hasher, acl) = (&self.hasher, &self.acl);
            let Some(m) = group.pick(&shot.view, strategy, draw, hasher, self.now, acl) else {
                if !group.is_for_nobody(&shot.view, acl) {
                    return false;
                }
                self.metrics.add(Counter::DeliveryDenied, 1);
                self.note_lease(key, position, QoS::AtMostOnce);
                return true;
            };
            let hand = Hand {
                group: key,
                member: m.session,
                label: m.label,
                qos: self.effective_qos(shot.view.qos, m.qos),
                as_published: m.as_published,
                id: m.id,
                position,
            };
            self.note_lease(key, position, hand.qos);
            if hand.member.shard != self.id {
                self.mail_hand(&shot.view, hand);
                return true;
            }
            if self.deliver_hand(self.id, shot, hand, sink) {
                return true;
            }
            self.untake(key, hand.member, hand.qos);
        }
    }

    /// To a member that lives here. False if it cannot take it now.
    fn deliver_hand(
        &mut self,
        home: u16,
        shot: &mut Shot<'_>,
        hand: Hand,
        sink: &mut impl Sink,
    ) -> bool {
        let Some(slot) = self.resolve(hand.member) else {
            return false;
        };
        self.is_member(slot, hand.label) && self.deliver_shared(slot, home, shot, hand, sink)
    }

    /// The member did not take it: it is skipped for a while.
    fn untake(&mut self, key: u32, member: SessionRef, qos: QoS) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        if let Some(m) = group.member_mut(member)
            && qos > QoS::AtMostOnce
        {
            m.open = m.open.saturating_sub(1);
        }
        group.stall(member, now);
    }

    fn keep(&mut self, key: u32, message: &Arc<Message>) {
        let (count_max, bytes_max) = (self.settings.queue_max, self.settings.queue_bytes_max);
        let (now, grace) = (self.now, self.settings.slow_grace_millis);
        let serving = self.serving;
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        let surplus = group.grace.surplus(serving, grace);
        let mut dropped = 0;
        let mut oldest_dropped = None;
        while group.queue.len() >= count_max + surplus
            || group.queue_bytes + message.bytes() > bytes_max
        {
            let Some(oldest) = group.queue.pop_front() else {
                break;
            };
            group.queue_bytes -= oldest.bytes();
            dropped += 1;
            oldest_dropped.get_or_insert(oldest);
        }
        group.queue_bytes += message.bytes();
        group.queue.push_back(message.clone());
        let filling = group.queue.len() > count_max / 2 || group.queue_bytes > bytes_max / 2;
        let hold = filling && group.grace.hold(serving, grace);
        self.groups.wait(key, now);
        if let Some(lost) = oldest_dropped {
            self.lose_for_group(Drop::NoMember, dropped, key, lost.publisher, lost.topic());
        }
        if hold {
            self.hold_publisher(message.publisher);
        }
    }

    pub(super) fn drain_group(&mut self, key: u32, sink: &mut impl Sink) {
        while let Some(group) = self.groups.get_mut(key) {
            let Some(message) = group.queue.front().cloned() else {
                group.grace.caught_up(self.serving);
                break;
            };
            if message.view().is_expired(self.now) {
                self.lose_for_group(Drop::Expired, 1, key, message.publisher, message.topic());
            } else if !self.try_dispatch(key, &mut Shot::shared(&message), 0, sink) {
                let now = self.now;
                return self.groups.wait(key, now);
            }
            if let Some(group) = self.groups.get_mut(key) {
                group.queue.pop_front();
                group.queue_bytes -= message.bytes();
            }
        }
        self.hand_out(key, sink);
    }

    pub(super) fn retry_groups(&mut self, sink: &mut impl Sink) {
        for key in self.groups.take_waiting(self.now) {
            self.drain_group(key, sink);
        }
    }

    /// Whether a session still has a shared subscription: it may have left while the message was on its
    /// way [MQTT-3.10.4-2].
    fn is_member(&self, slot: u32, label: u64) -> bool {
        let list = self.session(slot).shared();
        list.iter().any(|m| m.label() == label)
    }

    /// A message that a group at home elsewhere picked a member of this shard for.
    pub(super) fn on_hand(
        &mut self,
        home: u16,
        shot: &mut Shot<'_>,
        hand: Hand,
        sink: &mut impl Sink,
    ) {
        if shot.view.is_expired(self.now) {
            // On its way between shards [MQTT-3.3.2-5].
            let view = &shot.view;
            match self.resolve(hand.member) {
                Some(slot) => self.lose(Drop::Expired, 1, slot, view.publisher, view.topic),
                None => self.metrics.drop(Drop::Expired, 1),
            }
            let (group, member) = (hand.group, hand.member);
            let letter = match hand.position {
                0 => Mail::Settled {
                    group,
                    member,
                    n: 1,
                },
                position => Mail::Finished {
                    group,
                    member,
                    positions: vec![position],
                },
            };
            return self.mail(home, letter);
        }
        if !self.deliver_hand(home, shot, hand, sink) {
            let letter = Mail::Back {
                group: hand.group,
                member: hand.member,
                message: shot.arc(),
                position: hand.position,
            };
            self.mail(home, letter);
        }
    }

    /// What a member could not deliver, or had not finished when it went, goes to another first.
    pub(super) fn on_back(
        &mut self,
        key: u32,
        member: SessionRef,
        message: Arc<Message>,
        position: u64,
        sink: &mut impl Sink,
    ) {
        self.untake(key, member, message.qos);
        let (now, tail) = (self.now, self.tail_seen);
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        match group.leases.as_mut().filter(|_| position > 0) {
            Some(leases) => leases.give_back(position, message, tail),
            None => {
                group.queue_bytes += message.bytes();
                group.queue.push_front(message);
            }
        }
        self.groups.wait(key, now);
        self.drain_group(key, sink);
    }

    pub(super) fn on_settled(
        &mut self,
        key: u32,
        member: SessionRef,
        n: u32,
        sink: &mut impl Sink,
    ) {
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        if let Some(m) = group.member_mut(member) {
            m.open = m.open.saturating_sub(n);
            m.stalled_until = Time(0);
        }
        if !group.queue.is_empty() || group.leases.is_some() {
            self.drain_group(key, sink);
        }
    }
}
