//! Shared subscriptions on the shard that is their home, and members' side of them.

use std::sync::Arc;

use protocol::{Filter, QoS};

use super::{Mail, Shard, Sink, mail::Join};
use crate::{Drop, Message, SessionRef, Time, session::Held, shared::Member};

impl Shard {
    /// The shard on which a group lives.
    pub(super) fn group_home(&self, group: &str, filter: &str) -> u16 {
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
            qos: join.qos,
            as_published: join.as_published,
            id: join.id,
            window: u32::from(join.window),
            open: group.member_mut(join.member).map_or(0, |m| m.open),
            online: true,
            stalled_until: Time(0),
        };
        match group.member_mut(join.member) {
            Some(old) => *old = member,
            None => group.members.push(member),
        }
        if group.node.is_none() {
            let (node, change) = self.router.join(Filter::trusted(&join.filter), key);
            if let Some(group) = self.groups.get_mut(key) {
                group.node = Some(node);
            }
            self.announce(change);
        }
        self.wait_joined(join.member.shard, join.member, join.ticket, sink);
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
            self.metrics.drop(Drop::NoMember, group.queue.len() as u64);
            if let Some(node) = group.node {
                let change = self.router.leave(node, key);
                self.announce(change);
            }
        } else {
            self.drain_group(key, sink);
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
        self.drain_group(key, sink);
    }

    /// Gives a message to one member, or keeps it until one can take it.
    pub(super) fn dispatch(&mut self, key: u32, message: &Arc<Message>, sink: &mut impl Sink) {
        if message.view().is_expired(self.now) {
            self.metrics.drop(Drop::Expired, 1); // on its way between shards [MQTT-3.3.2-5]
            return;
        }
        let waiting = self.groups.get_mut(key).is_none_or(|g| !g.queue.is_empty());
        if waiting || !self.try_dispatch(key, message, sink) {
            self.keep(key, message);
        }
    }

    fn try_dispatch(&mut self, key: u32, message: &Arc<Message>, sink: &mut impl Sink) -> bool {
        let draw = self.next_random();
        loop {
            let Some(group) = self.groups.get_mut(key) else {
                return true;
            };
            let strategy = self.settings.shared_strategy;
            let Some(m) = group.pick(message, strategy, draw, &self.hasher, self.now) else {
                return false;
            };
            let qos = self.effective_qos(message.qos, m.qos);
            if m.session.shard != self.id {
                let letter = Mail::Hand {
                    group: key,
                    member: m.session,
                    qos,
                    as_published: m.as_published,
                    id: m.id,
                    message: message.clone(),
                };
                self.mail(m.session.shard, letter);
                return true;
            }
            let held = Held::Shared {
                home: self.id,
                group: key,
                message: message.clone(),
            };
            let taken = self.resolve(m.session).is_some_and(|slot| {
                self.is_member(slot, self.id, message)
                    && self.deliver_shared(slot, message, qos, m.as_published, m.id, held, sink)
            });
            if taken {
                return true;
            }
            self.untake(key, m.session, qos);
        }
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
        let now = self.now;
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        let mut dropped = 0;
        while group.queue.len() >= count_max || group.queue_bytes + message.bytes() > bytes_max {
            let Some(oldest) = group.queue.pop_front() else {
                break;
            };
            group.queue_bytes -= oldest.bytes();
            dropped += 1;
        }
        group.queue_bytes += message.bytes();
        group.queue.push_back(message.clone());
        self.groups.wait(key, now);
        self.metrics.drop(Drop::NoMember, dropped);
    }

    fn drain_group(&mut self, key: u32, sink: &mut impl Sink) {
        while let Some(group) = self.groups.get_mut(key) {
            let Some(message) = group.queue.front().cloned() else {
                return;
            };
            if message.view().is_expired(self.now) {
                self.metrics.drop(Drop::Expired, 1);
            } else if !self.try_dispatch(key, &message, sink) {
                let now = self.now;
                return self.groups.wait(key, now);
            }
            if let Some(group) = self.groups.get_mut(key) {
                group.queue.pop_front();
                group.queue_bytes -= message.bytes();
            }
        }
    }

    pub(super) fn retry_groups(&mut self, sink: &mut impl Sink) {
        for key in self.groups.take_waiting(self.now) {
            self.drain_group(key, sink);
        }
    }

    /// Whether a session still has a shared subscription, of a group that lives on `home`, for a message:
    /// it may have left while the message was on its way [MQTT-3.10.4-2].
    fn is_member(&self, slot: u32, home: u16, message: &Message) -> bool {
        let list = self.session(slot).shared.iter().flat_map(|l| l.iter());
        list.filter(|m| Filter::trusted(m.filter()).matches(message.topic()))
            .any(|m| m.home() == home)
    }

    /// A message picked for a member that lives here.
    #[expect(clippy::too_many_arguments, reason = "the parts of one letter")]
    pub(super) fn on_hand(
        &mut self,
        member: SessionRef,
        qos: QoS,
        as_published: bool,
        id: u32,
        message: Arc<Message>,
        held: Held,
        sink: &mut impl Sink,
    ) {
        let Held::Shared { home, group, .. } = held else {
            return;
        };
        if message.view().is_expired(self.now) {
            self.metrics.drop(Drop::Expired, 1); // on its way between shards [MQTT-3.3.2-5]
            return self.mail(home, Mail::Settled { group, member });
        }
        let taken = self.resolve(member).is_some_and(|slot| {
            self.is_member(slot, home, &message)
                && self.deliver_shared(slot, &message, qos, as_published, id, held, sink)
        });
        if !taken {
            self.mail(
                home,
                Mail::Back {
                    group,
                    member,
                    message,
                },
            );
        }
    }

    /// What a member could not deliver, or had not finished when it went, goes to another first.
    pub(super) fn on_back(
        &mut self,
        key: u32,
        member: SessionRef,
        message: Arc<Message>,
        sink: &mut impl Sink,
    ) {
        self.untake(key, member, message.qos);
        let now = self.now;
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        group.queue_bytes += message.bytes();
        group.queue.push_front(message);
        self.groups.wait(key, now);
        self.drain_group(key, sink);
    }

    pub(super) fn on_settled(&mut self, key: u32, member: SessionRef, sink: &mut impl Sink) {
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        if let Some(m) = group.member_mut(member) {
            m.open = m.open.saturating_sub(1);
            m.stalled_until = Time(0);
        }
        if !group.queue.is_empty() {
            self.drain_group(key, sink);
        }
    }
}
