//! After a start: what the store kept becomes sessions, deliveries, wills and retained messages again.
//! Everything is restored before the first connection, in the order of the functions here.

use std::sync::Arc;

use protocol::{Filter, PacketId, Topic};

use super::{Mail, Membership, Shard, Sink, seat::ends_at};
use crate::{
    Message, Time,
    acl::{Principal, Subject},
    plant::{self, Fault},
    record::{self, Bucket, Delivery, SessionRecord, Step, WillRecord},
    retained::{Room, Totals},
    router::{Flags, Sub},
    session::{Bit, Durable, Handed, Held, Kept, Name, Reading, State, Will},
    timers::{TICK_MILLIS, Timers},
};

impl Shard {
    /// The clock of this life begins, and the log ends at `tail`.
    pub fn begin(&mut self, now: Time, tail: u64) {
        self.now = now;
        self.ticked = now;
        self.swept = now;
        self.serial = now.0;
        // One tick back: what ended in the meantime is due before the first client comes.
        self.due = Timers::from(Time(now.0.saturating_sub(TICK_MILLIS)));
        self.tail_seen = tail;
    }

    /// A session as its record has it, and what is known of its place in the log since. False for bytes
    /// that are no such record.
    pub fn restore_session(&mut self, client_id: &str, record: &[u8], cursor: u64) -> bool {
        let Some(record) = SessionRecord::decode(record) else {
            return false;
        };
        let owner = match record.owner {
            Principal::Anonymous => self.anonymous.clone(), // one for all of them
            owner => Arc::new(owner),
        };
        let slot = self.create(client_id, owner, record.version);
        let cursor = cursor.max(record.cursor).min(self.tail_seen);
        let now = self.now;
        self.serial = self.serial.max(record.born);
        let s = self.session_mut(slot);
        let mut durable = Durable::at(cursor, record.born);
        durable.reading = Reading::Behind;
        durable.expiry_secs = record.expiry_secs;
        // Its connection ended with the broker at the latest.
        let went = record.went.unwrap_or(now);
        durable.set_came(record.came);
        durable.set_went(went);
        let user_name = record.user_name.as_deref();
        s.client_id = Name::new(client_id, user_name, &record.mountpoint);
        s.keep_alive_secs = record.keep_alive_secs;
        s.bits.set_if(Bit::CleanStart, record.clean_start);
        s.rare.make().durable = Some(Box::new(durable));
        if let Some(at) = ends_at(went, record.expiry_secs) {
            let tick = self.due.add(at, slot);
            if let Some(d) = self.session_mut(slot).durable_mut() {
                d.ends = tick;
            }
        }
        self.metrics.gauges.lasting += 1;
        for kept in &record.subscriptions {
            let filter = Filter::trusted(&kept.filter);
            let judged = self.acl.subscribe(self.session(slot), filter, kept.qos);
            let is_checked = judged.map_or(true, |allowed| allowed.get().is_checked);
            let flags = Flags::new(kept.qos, kept.no_local, kept.as_published, true)
                .with_handling(kept.handling)
                .with_logged(kept.logged)
                .with_checked(is_checked);
            let sub = Sub {
                session: slot,
                flags,
                id: kept.id,
            };
            let (node, new, change) = self.router.subscribe(filter, sub);
            self.announce(change);
            let s = self.session_mut(slot);
            if new {
                s.subs.push(node);
            }
            if kept.since > cursor
                && let Some(d) = s.durable_mut()
            {
                d.begins(node, kept.since);
            }
            self.metrics.gauges.subscriptions += u64::from(new);
            self.metrics.gauges.lasting_subscriptions += u64::from(new);
        }
        for kept in &record.groups {
            let label = self.next_token();
            let home = self.group_home(&kept.name, &kept.filter);
            let membership = Membership::restored(kept, label, home);
            let rare = self.session_mut(slot).rare.make();
            rare.shared.get_or_insert_default().push(membership.clone());
            // A member, but one that is away.
            let join = self.join_letter(slot, &membership, 0);
            self.mail(home, Mail::Join(Box::new(join)));
            let (group, filter) = membership.into_names();
            let member = self.reference(slot);
            let away = Mail::Away {
                group,
                filter,
                member,
            };
            self.mail(home, away);
            self.count_shared(slot);
        }
        if record.went.is_none() {
            // Its time runs from now on, whatever becomes of this life.
            self.save_session(slot, None);
        }
        true
    }

    /// A delivery to a session that was restored. `logged` is what the log has at its position. False
    /// if there is no such session, or nothing to deliver.
    pub fn restore_delivery(
        &mut self,
        client_id: &str,
        number: u64,
        delivery: Delivery,
        logged: Option<Arc<Message>>,
    ) -> bool {
        if number >= record::INLINE {
            self.serial = self.serial.max(number - record::INLINE);
        }
        // That of a shared group may stay longer than its session.
        let slot = match number.checked_sub(record::INLINE) {
            Some(serial) => self.find_since(client_id, serial),
            None => self.find(client_id),
        };
        if let Some(lease) = &delivery.lease {
            // Also where the session is no more: nobody else gets the message [MQTT-4.8.2-5].
            self.mail_bound(lease.clone(), client_id.into(), number);
        }
        let Some(slot) = slot else {
            return delivery.lease.is_some();
        };
        let Some(d) = self.session_mut(slot).durable_mut() else {
            return false;
        };
        let handed = delivery.lease.as_ref().map(|lease| Handed {
            home: 0,
            group: Handed::NO_GROUP,
            position: lease.position,
        });
        if let Some(lease) = delivery.lease {
            let gone = delivery.step == Step::PubRec && logged.is_none();
            let finished = delivery.step == Step::Done || gone;
            let progress = d.progress.get_or_insert_default();
            progress.lease(number, lease, finished);
            if finished {
                return true;
            }
        }
        let ahead = number < record::INLINE && number > d.cursor;
        if ahead {
            let progress = d.progress.get_or_insert_default();
            progress.bound.insert(number);
            if delivery.step == Step::Done {
                progress.done.insert(number);
            }
        }
        let message = delivery.message.or(logged);
        let (state, held) = match (delivery.step, message) {
            (Step::Done, _) => return ahead,
            (Step::PubComp, _) => (State::PubComp, Held::Number(number)),
            (_, None) => return false,
            (step, Some(message)) => {
                let state = if step == Step::PubAck {
                    State::PubAck
                } else {
                    State::PubRec
                };
                let kept = Kept {
                    message,
                    number,
                    retain: delivery.retain,
                    ids: delivery.ids,
                    handed,
                };
                (state, Held::Message(Box::new(kept)))
            }
        };
        let out = self.session_mut(slot).out.get_or_insert_default();
        out.restore(delivery.id, state, held);
        true
    }

    /// The session of a client, if it is the one that had this serial: its birth has an earlier one, and a
    /// later session of its client a later one.
    fn find_since(&self, client_id: &str, serial: u64) -> Option<u32> {
        self.find(client_id).filter(|slot| {
            let durable = self.session(*slot).rare.durable.as_ref();
            durable.is_some_and(|d| d.born < serial)
        })
    }

    /// A QoS 2 message whose identity the log has, so that its PUBREL is still to come. False if there
    /// is no such session, or one that was born at another time.
    pub fn restore_received(&mut self, client_id: &str, born: u64, id: PacketId) -> bool {
        let Some(slot) = self.find(client_id) else {
            return false;
        };
        let durable = self.session(slot).rare.durable.as_ref();
        let inherits = plant::on(Fault::IdentityInherited);
        if durable.is_none_or(|d| d.born != born && !inherits) {
            return false;
        }
        let strikes = self.now.plus_millis(self.settings.await_rel_millis);
        let inflow = &mut self.session_mut(slot).inflow;
        let inflow = inflow.get_or_insert_default();
        inflow.learn(id, strikes);
        inflow.earlier.push(id);
        self.watch_unreleased(slot);
        true
    }

    /// Counts what is retained together with other shards.
    pub(crate) fn share_totals(&mut self, totals: &Arc<Totals>) {
        self.retained.share(totals);
    }

    /// A retained message. False if a bound refuses it, which that of its user does not: it has its place.
    pub fn restore_retained(&mut self, message: &Arc<Message>) -> bool {
        let room = Room {
            of_user: usize::MAX,
            ..self.settings.retained_room()
        };
        self.retained.set(message, room)
    }

    /// A will: it waits if its session does, and is published if not. To be called once every shard
    /// has its sessions and has heard of the others'. False for bytes that are no such record.
    pub fn restore_will(
        &mut self,
        client_id: &str,
        serial: u64,
        record: &[u8],
        sink: &mut impl Sink,
    ) -> bool {
        let Some(record) = WillRecord::decode(record) else {
            return false;
        };
        self.serial = self.serial.max(serial);
        let now = self.now;
        // One that was being published when the broker ended may be of a session before.
        let slot = self.find_since(client_id, serial).filter(|slot| {
            let s = self.session(*slot);
            s.expiry_secs() > 0 && s.rare.will.as_ref().is_none_or(|w| w.serial < serial)
        });
        let delayed = || now.plus_secs(record.delay_secs);
        let due = record.due.unwrap_or_else(delayed);
        let is_new = record.due.is_none();
        if let Some(slot) = slot
            && due > now
        {
            // An older one was being published when the broker ended.
            self.publish_will(slot, sink);
            let will = Will {
                message: record.message,
                expiry_secs: record.expiry_secs,
                delay_secs: record.delay_secs,
                serial,
                due: Some(due),
            };
            self.session_mut(slot).rare.make().will = Some(Box::new(will));
            self.due.add(due, slot);
            if is_new {
                self.save_will(slot, None);
            }
            return true;
        }
        let mut view = record.message.view();
        view.expires = record.expiry_secs.map(|secs| now.plus_secs(secs));
        let key = record::key_of(client_id, serial);
        let subject = Subject {
            who: &record.owner,
            client_id,
            access: None,
        };
        self.publish_kept_will(&subject, view, key, sink);
        true
    }

    /// Deletes a record that belongs to nothing any more.
    pub fn discard(&mut self, bucket: Bucket, key: &[u8]) {
        self.save(bucket, key.into(), None, None);
    }

    /// The shard that keeps the retained message of a topic.
    #[must_use]
    pub fn retainer(&self, topic: Topic<'_>) -> u16 {
        self.place(topic.as_str())
    }
}
