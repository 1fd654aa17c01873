//! The session behind a connection: the one that its client id means, which it goes on with or ends, or a new one;
//! and what comes of it when it has its connection. Whoever comes here may come in: CONNECT was checked.

use std::sync::Arc;

use protocol::{Property, Version, packet::connect};

use super::{
    ConnId, Mail, Shard, Sink, Verdict,
    connect::{Asked, granted_keep_alive, will_view},
};
use crate::{
    Cause, Counter, Message, SessionRef, Time,
    acl::Principal,
    message::View,
    plant::{self, Fault},
    session::{
        Aliases, Bit, Durable, NEVER, Name, OutboundAliases, Reading, Session, State, Tally, Will,
    },
};

impl Shard {
    /// Ends, resumes or makes the session.
    pub(super) fn take_session(
        &mut self,
        slot: Option<u32>,
        client_id: &str,
        owner: Arc<Principal>,
        conn: ConnId,
        packet: &connect::Connect<'_>,
        sink: &mut impl Sink,
    ) -> Verdict<(u32, bool)> {
        if let Some(slot) = slot {
            // After a suspend the client may be read before the timers: its session may be over.
            self.come_due(slot, sink);
        }
        if let Some(slot) = self.find(client_id) {
            if !owner.may_resume(&self.session(slot).owner) {
                return Err(Cause::SessionOfAnother.close());
            }
            if self.session(slot).is_online() {
                // [MQTT-3.1.4-3]
                self.metrics.add(Counter::SessionTakenOver, 1);
                self.expel(slot, Cause::TakenOver.close(), sink);
            }
            // A session without expiry has ended with its connection just now.
            if let Some(slot) = self.find(client_id) {
                // What a session of another mountpoint has is not for who comes below this one.
                let sees_all = self.session(slot).mountpoint();
                let sees_all = sees_all.starts_with(sink.mountpoint(conn));
                let goes_on = !packet.clean_start || plant::on(Fault::CleanStartIgnored);
                // [MQTT-3.1.2-5], [MQTT-3.1.4-4]
                if goes_on && sees_all {
                    self.cancel_will(slot, sink);
                    if self.session(slot).owner != owner {
                        self.doubt(slot);
                    }
                    self.session_mut(slot).owner = owner;
                    return Ok((slot, true));
                }
                self.metrics.add(Counter::SessionDiscarded, 1);
                self.end(slot, sink); // [MQTT-3.1.2-4]
            }
        }
        // [MQTT-3.1.2-6]
        Ok((self.create(client_id, owner, packet.version), false))
    }

    pub(super) fn create(
        &mut self,
        client_id: &str,
        owner: Arc<Principal>,
        version: Version,
    ) -> u32 {
        let mut session = Session::new(client_id, owner, version);
        self.generation = self.generation.wrapping_add(1);
        session.generation = self.generation;
        let slot = self.sessions.insert(session);
        let (hasher, sessions) = (&self.hasher, &self.sessions);
        let hash = std::hash::BuildHasher::hash_one(hasher, client_id);
        self.names.insert_unique(hash, slot, |n| {
            let s = sessions.get(*n).expect("names hold live sessions");
            std::hash::BuildHasher::hash_one(hasher, &*s.client_id)
        });
        self.metrics.add(Counter::SessionCreated, 1);
        slot
    }

    /// The session that a client id means [MQTT-3.1.3-2].
    pub(super) fn find(&self, client_id: &str) -> Option<u32> {
        let hash = std::hash::BuildHasher::hash_one(&self.hasher, client_id);
        self.names
            .find(hash, |n| {
                self.sessions
                    .get(*n)
                    .is_some_and(|s| &*s.client_id == client_id)
            })
            .copied()
    }

    /// Binds the connection to the session. `replaced`: the store has to forget another one for it.
    pub(super) fn attach(
        &mut self,
        slot: u32,
        conn: ConnId,
        packet: &connect::Connect<'_>,
        asked: &Asked,
        replaced: bool,
        sink: &mut impl Sink,
    ) {
        let settings = self.settings.clone();
        let expiry_secs = asked.expiry_secs.min(settings.session_expiry_secs_max);
        let keep_alive_secs = granted_keep_alive(packet, &settings);
        let (reading, reference) = (self.reading, self.reference(slot));
        let was_durable = self.session(slot).rare.durable.is_some();
        let (tail, born) = (self.tail_seen, self.next_serial());
        let (now, since) = (self.now, self.due.within(self.now));
        let s = self.session_mut(slot);
        s.conn = conn;
        s.version = packet.version;
        s.seen = reading;
        s.since = since;
        s.tally = Tally::default();
        s.keep_alive_secs = keep_alive_secs;
        if packet.clean_start {
            s.bits.set(Bit::CleanStart);
        } else {
            s.bits.clear(Bit::CleanStart);
        }
        let (user_name, mountpoint) = (packet.user_name, sink.mountpoint(conn));
        if s.user_name() != user_name || s.mountpoint() != mountpoint {
            s.client_id = Name::new(&s.client_id, user_name, mountpoint);
        }
        s.receive_max = asked.receive_max.min(settings.inflight_max); // [MQTT-4.9.0-1]
        // No packet is longer, whatever the client would take (2.1.4).
        s.rare.set_packet_max(asked.packet_max);
        let alias_max = asked.alias_max.min(settings.topic_alias_max);
        // Those of an earlier connection are gone [MQTT-3.3.2-7].
        s.rare.take(|r| r.aliases.take());
        if alias_max > 0 {
            s.rare.make().aliases = Some(Box::new(Aliases {
                outbound: OutboundAliases::new(alias_max),
                ..Aliases::default()
            }));
        }
        // [MQTT-3.1.2-7]; an earlier one that waits is stopped [MQTT-3.1.3-9].
        self.drop_will(slot);
        if let Some(will) = &packet.will {
            let will = make_will(will, reference, self.next_serial());
            self.session_mut(slot).rare.make().will = Some(Box::new(will));
        }
        let s = self.session_mut(slot);
        // A session that is resumed to end with this connection still has its messages in the log.
        // [MQTT-3.1.2-23]
        if expiry_secs > 0 && !was_durable {
            s.rare.make().durable = Some(Box::new(Durable::at(tail, born)));
        }
        if let Some(d) = s.durable_mut() {
            d.expiry_secs = expiry_secs;
            d.ends = 0; // [MQTT-4.1.0-1]
            d.set_came(now);
        }
        if expiry_secs > 0 && !was_durable {
            self.metrics.gauges.lasting += 1;
        }
        self.watch_silence(slot);
        self.save_connected(slot, replaced, sink);
    }

    /// What was in flight is sent again, oldest first, with the old ids [MQTT-4.4.0-1]; then it goes on.
    pub(super) fn resume(&mut self, slot: u32, sink: &mut impl Sink) {
        if plant::on(Fault::ReturnLosesInflight) {
            self.session_mut(slot).out = None;
        }
        let s = self.session_mut(slot);
        let cursor = s.rare.durable.as_ref().map_or(0, |d| d.cursor);
        if let Some(out) = &mut s.out {
            out.begin_again(cursor);
            // Asked once more: the store may have refused it.
            for (id, state) in out.unsure() {
                match state {
                    State::Binding => self.ask_bind(slot, id),
                    _ => self.ask_release(slot, id),
                }
            }
        }
        self.rejoin(slot);
        if let Some(d) = self.session_mut(slot).durable_mut() {
            d.reading = Reading::Behind;
        }
        self.pump(slot, sink);
    }

    /// Members of shared groups that are back take part again.
    fn rejoin(&mut self, slot: u32) {
        for (group, filter, join) in self.memberships(slot) {
            let home = self.group_home(&group, &filter);
            self.mail(home, Mail::Join(Box::new(join)));
        }
    }
}

fn make_will(will: &connect::Will<'_>, publisher: SessionRef, serial: u64) -> Will {
    let mut forwarded = Vec::new();
    will.properties.put_forwarded(&mut forwarded); // [MQTT-3.1.3-10]
    let (mut delay_secs, mut expiry_secs) = (0, None);
    for property in will.properties.iter() {
        match property {
            Property::WillDelay(secs) => delay_secs = secs,
            Property::MessageExpiry(secs) => expiry_secs = Some(secs),
            _ => {}
        }
    }
    let view = View {
        forwarded: &forwarded,
        ..will_view(will, publisher)
    };
    Will {
        message: Arc::new(Message::new(&view, Time(0))),
        expiry_secs,
        delay_secs,
        serial,
        due: None,
    }
}

/// Seconds of a session's expiry as a deadline; `None` for one that never ends.
pub(super) fn ends_at(now: Time, expiry_secs: u32) -> Option<Time> {
    (expiry_secs != NEVER).then(|| now.plus_secs(expiry_secs))
}
