//! Shared groups with a member whose session outlives its connection. QoS 1 and 2 come to them from the
//! log, by one place in it and leases; [`Leases`] has the arithmetic.
//!
//! A group begins to read the log when the first such member joins and goes on until it has no member at
//! all. At the beginning each shard says from which token on its messages are in the log ([`Mail::Switch`]):
//! what it routed before came, or comes, live. The member's SUBACK waits for that, and for the group's
//! record. The record may lag; what that means if the process ends:
//!
//! - QoS 1 (or 0) with a member: the record has it open, or is older than it. It goes to a member again.
//! - QoS 2 on its way to a lasting member: as above. PUBLISH does not leave before the member's own record
//!   of the delivery is stored, so nobody has seen it.
//! - That record is stored, the group's does not say so: the record names the group. At the start the
//!   member's shard tells the group ([`Mail::Bound`]), whatever the group's record says, and whether or not
//!   the session lives.
//! - The delivery is finished: its record stays, as done, until the store knows that the group is done
//!   with it ([`Mail::Parted`]). So there is no time at which neither says so.
//! - A member that has not sent PUBLISH goes: its record is deleted before another member gets the
//!   message, as requests of a pass are carried out before its mail leaves.
//! - QoS 2 with a member whose session ends with its connection: nobody remembers it, so it may go to
//!   another after a start.

use std::sync::Arc;

use protocol::QoS;

use super::{Mail, Request, Shard, Sink, batch::Hand, deliver::Shot, mail::Join, store::Then};
use crate::{
    Drop, Entry, Found, Message,
    leases::{Leases, Telling},
    limits::READ_MAX,
    record::{self, Bucket, GroupRecord, Lease},
    session::{Handed, Held, Kept},
    shard::Reader,
};

impl Shard {
    /// A group begins to read the log.
    pub(super) fn begin_leases(&mut self, key: u32, sink: &mut impl Sink) {
        let (count, own, tail) = (self.count, self.id, self.tail_seen);
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        let name = group.name.clone();
        let kept = self.groups.kept.remove(&name);
        if let Some(group) = self.groups.get_mut(key) {
            group.leases = Some(Box::new(Leases::new(count, tail, kept.as_ref())));
        }
        // Behind what was just announced, so that the answer is from somebody who routes by it.
        for to in (0..count).filter(|to| *to != own) {
            self.mail(to, Mail::Switch { group: key });
        }
        self.on_switched(key, own, self.next_token, sink);
    }

    /// A shard's messages are in the log from here on.
    pub(super) fn on_switched(&mut self, key: u32, from: u16, token: u64, sink: &mut impl Sink) {
        if let Some(leases) = self.leases_mut(key)
            && leases.switch(from, token)
        {
            self.save_group(key);
            self.drain_group(key, sink);
        }
    }

    /// Whether a member's SUBACK has to wait until the store knows where the group stands. It is told then.
    pub(super) fn waits_for_leases(&mut self, key: u32, join: &Join) -> bool {
        let Some(leases) = self.leases_mut(key) else {
            return false;
        };
        let ready = leases.stored && leases.is_switched();
        if !ready {
            leases.telling.joins.push((join.member, join.ticket));
        }
        !ready
    }

    /// Whether a live message is one that the group has from the log, too.
    pub(super) fn is_read_from_log(&mut self, key: u32, shot: &Shot<'_>) -> bool {
        let logged = self.is_logged(shot.view.qos);
        let from = shot.from.unwrap_or(self.id);
        logged
            && self
                .leases_mut(key)
                .is_some_and(|leases| leases.reads_what_comes_from(from))
    }

    fn leases_mut(&mut self, key: u32) -> Option<&mut Leases> {
        self.groups.get_mut(key)?.leases.as_deref_mut()
    }

    /// One entry of the log's tail.
    pub(super) fn follow_for_group(&mut self, key: u32, entry: &Entry, sink: &mut impl Sink) {
        if !self.is_logged(entry.message.qos) {
            return;
        }
        let tail = self.tail_seen;
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        let served = group.is_served();
        let Some(leases) = &mut group.leases else {
            return;
        };
        if leases.follow(entry, tail, served) {
            self.drain_group(key, sink);
        }
        self.note_group(key);
    }

    /// Whether a group loses an entry that the log has no room for.
    pub(super) fn group_misses(&mut self, key: u32, entry: &Entry) -> bool {
        let logged = self.is_logged(entry.message.qos);
        let leases = self.leases_mut(key);
        logged && leases.is_some_and(|leases| leases.shed(entry.position))
    }

    /// Gives members what is owed, as far as they can take it; then reads on.
    pub(super) fn hand_out(&mut self, key: u32, sink: &mut impl Sink) {
        let now = self.now;
        while let Some(leases) = self.leases_mut(key) {
            let Some((position, message)) = leases.front() else {
                return self.read_on_for_group(key);
            };
            if message.view().is_expired(now) {
                // [MQTT-3.3.2-5]
                leases.settle(position);
                self.lose_for_group(Drop::Expired, 1, key, message.publisher, message.topic());
            } else if !self.try_dispatch(key, &mut Shot::shared(&message), position, sink) {
                if let Some(leases) = self.leases_mut(key) {
                    leases.keep(position, message);
                }
                return self.groups.wait(key, now);
            }
            self.note_group(key);
        }
    }

    /// A member was picked. At QoS 0 nobody will say more about it.
    pub(super) fn note_lease(&mut self, key: u32, position: u64, qos: QoS) {
        if position > 0
            && let Some(leases) = self.leases_mut(key)
        {
            if qos == QoS::AtMostOnce {
                leases.settle(position);
            } else {
                leases.lease(position);
            }
        }
    }

    fn read_on_for_group(&mut self, key: u32) {
        let Some(group) = self.groups.get_mut(key).filter(|g| g.is_served()) else {
            return;
        };
        let filters = vec![group.name.1.clone().into_string()];
        let Some((after, number)) = group.leases.as_mut().and_then(|l| l.read_on()) else {
            return;
        };
        self.requests.push(Request::Read {
            reader: Reader::Group(key),
            number,
            after,
            filters,
            max: READ_MAX,
        });
    }

    /// The log's answer, which may come late.
    pub(super) fn found_for_group(&mut self, key: u32, found: &Found, sink: &mut impl Sink) {
        let tail = self.tail_seen;
        let upgrade = self.settings.upgrade_qos;
        let wanted = |e: &&Entry| upgrade || e.message.qos > QoS::AtMostOnce;
        let entries = found.entries.iter().filter(wanted).cloned();
        let Some(leases) = self.leases_mut(key) else {
            return;
        };
        match leases.found(found.number, entries, found.upto, tail) {
            None => return,
            Some(true) => {}
            Some(false) => {
                // The log cannot say more for now.
                let now = self.now;
                return self.groups.wait(key, now);
            }
        }
        self.note_group(key);
        self.drain_group(key, sink);
    }

    /// Nobody may be left to take what was read ahead.
    pub(super) fn rest_group(&mut self, key: u32) {
        let tail = self.tail_seen;
        if let Some(group) = self.groups.get_mut(key)
            && !group.is_served()
            && let Some(leases) = &mut group.leases
        {
            leases.rest(tail);
        }
    }

    /// A member finished with messages of the log.
    pub(super) fn on_finished(
        &mut self,
        key: u32,
        member: crate::SessionRef,
        positions: &[u64],
        sink: &mut impl Sink,
    ) {
        if let Some(leases) = self.leases_mut(key) {
            for position in positions {
                leases.settle(*position);
            }
            self.note_group(key);
        }
        let n = u32::try_from(positions.len()).unwrap_or(u32::MAX);
        self.on_settled(key, member, n, sink);
    }

    fn note_group(&mut self, key: u32) {
        if let Some(leases) = self.leases_mut(key)
            && !leases.noted
        {
            leases.noted = true;
            self.moved_groups.push(key);
        }
    }

    /// Saves where a group stands, and tells who waits for that.
    pub(super) fn save_group(&mut self, key: u32) {
        let tail = self.tail_seen;
        let Some(group) = self.groups.get_mut(key) else {
            return;
        };
        let name = record::group_key(&group.name.0, &group.name.1);
        let Some(leases) = group.leases.as_mut().filter(|l| l.is_switched()) else {
            return; // once it is
        };
        leases.noted = false;
        let telling = std::mem::take(&mut leases.telling);
        let record = leases.record(tail).encode();
        let token = self.next_token();
        self.wait_for_store(token, 1, 0, Then::Group(key, Box::new(telling)));
        self.save(Bucket::Group, name, Some(record), Some(token));
    }

    /// The store knows, or not, where a group stood when it was saved.
    pub(super) fn group_stored(
        &mut self,
        key: u32,
        mut telling: Telling,
        kept: bool,
        sink: &mut impl Sink,
    ) {
        if let Some(leases) = self.leases_mut(key) {
            if !kept {
                leases.telling.joins.extend(telling.joins);
                leases.telling.bound.extend(telling.bound);
                return self.note_group(key); // tried again soon
            }
            leases.stored = true;
            // Any record will do for those who came since.
            telling.joins.append(&mut leases.telling.joins);
        }
        for (member, ticket) in telling.joins {
            self.wait_joined(member.shard, member, ticket, sink);
        }
        self.tell_parted(telling.bound);
    }

    /// The group has nobody any more.
    pub(super) fn end_leases(&mut self, name: &(Box<str>, Box<str>), telling: Telling) {
        let key = record::group_key(&name.0, &name.1);
        self.save(Bucket::Group, key, None, None);
        self.tell_parted(telling.bound);
    }

    fn tell_parted(&mut self, bound: Vec<(u16, Box<str>, u64)>) {
        for (to, client, number) in bound {
            self.mail(to, Mail::Parted { client, number });
        }
    }

    /// A member has bound a message of the log: no other gets it.
    pub(super) fn on_bound(
        &mut self,
        from: u16,
        (name, filter): (&str, &str),
        position: u64,
        client: Box<str>,
        number: u64,
    ) {
        let key = self.groups.find(name, filter);
        let leases = key.and_then(|key| self.leases_mut(key));
        let (Some(key), Some(leases)) = (key, leases) else {
            return self.tell_parted(vec![(from, client, number)]);
        };
        leases.bind(position);
        leases.telling.bound.push((from, client, number));
        self.note_group(key);
    }
}

/// The member's side.
impl Shard {
    /// How a session holds a QoS 2 message of the log that it got through a group.
    pub(super) fn hold_leased(
        &mut self,
        slot: u32,
        home: u16,
        message: Arc<Message>,
        retain: bool,
        hand: Hand,
    ) -> Held {
        let number = self.next_inline();
        let s = self.session_mut(slot);
        let (group, filter) = s
            .shared()
            .iter()
            .find(|m| m.label() == hand.label)
            .map(|m| m.names())
            .expect("the caller found the membership");
        let lease = Lease {
            group: group.into(),
            filter: filter.into(),
            position: hand.position,
        };
        if let Some(d) = s.durable_mut() {
            let progress = d.progress.get_or_insert_default();
            progress.lease(number, lease, false);
        }
        let handed = Handed {
            home,
            group: hand.group,
            position: hand.position,
        };
        Held::Message(Box::new(Kept {
            message,
            number,
            retain,
            ids: if hand.id == 0 {
                Box::default()
            } else {
                [hand.id].into()
            },
            handed: Some(handed),
        }))
    }

    /// The store has the delivery of this number: its group is told.
    pub(super) fn tell_bound(&mut self, slot: u32, number: u64) {
        let s = self.session(slot);
        let lease = s.rare.durable.as_ref().and_then(|d| d.lease_of(number));
        let Some(lease) = lease.cloned() else { return };
        let client = Box::from(&*s.client_id);
        self.mail_bound(lease, client, number);
    }

    pub(super) fn mail_bound(&mut self, lease: Lease, client: Box<str>, number: u64) {
        let home = self.group_home(&lease.group, &lease.filter);
        let letter = Mail::Bound {
            group: lease.group,
            filter: lease.filter,
            position: lease.position,
            client,
            number,
        };
        self.mail(home, letter);
    }

    /// The group is not concerned with this delivery any more, or never was.
    pub(super) fn unlease(&mut self, slot: u32, number: u64) {
        let d = self.session_mut(slot).durable_mut();
        if let Some(progress) = d.and_then(|d| d.progress.as_mut()) {
            progress.unlease(number);
        }
    }

    /// The store knows that a group is done with a delivery: its record may go when it is finished, or if
    /// its session is no more.
    pub(super) fn on_parted(&mut self, client: &str, number: u64) {
        let slot = self.find(client);
        let known = slot.is_some_and(|slot| {
            let d = self.session(slot).rare.durable.as_ref();
            d.is_some_and(|d| d.lease_of(number).is_some())
        });
        let Some(slot) = slot.filter(|_| known) else {
            let key = record::key_of(client, number);
            return self.save(Bucket::Delivery, key, None, None);
        };
        let d = self.session_mut(slot).durable_mut();
        let progress = d.and_then(|d| d.progress.as_mut());
        if progress.is_some_and(|p| p.part(number)) {
            self.note_progress(slot, &[]);
        }
    }
}

/// At the start.
impl Shard {
    /// Where a group stood in the log. To be called before sessions are restored. False for bytes that
    /// are no such record.
    pub fn restore_group(&mut self, name: &str, filter: &str, record: &[u8]) -> bool {
        let Some(record) = GroupRecord::decode(record) else {
            return false;
        };
        let name = (name.into(), filter.into());
        self.groups.kept.insert(name, record);
        true
    }

    /// Every session was restored, and all mail has come: groups that nobody is a member of are deleted.
    pub fn forget_groups(&mut self) {
        for ((name, filter), _) in std::mem::take(&mut self.groups.kept) {
            let key = record::group_key(&name, &filter);
            self.save(Bucket::Group, key, None, None);
        }
    }
}
