//! CONNECT: from the first byte to the CONNACK. The order of checks is the order of the lines.

use std::sync::Arc;

use protocol::{
    PacketId, Property, QoS, Reason, Topic, Version, frame, kind,
    packet::{ack, connack, connect},
};

use super::{
    Close, ConnId, Ending, Mail, Opened, Presence, SessionId, Shard, Sink, Verdict, refuse,
};
use crate::{
    Counter, Message, SessionRef, Time,
    acl::Principal,
    message::View,
    router::Flags,
    session::{Aliases, Durable, Held, NEVER, OutboundAliases, Reading, Session, State, Will},
};

/// What CONNECT's properties ask for.
#[derive(Debug)]
struct Asked {
    expiry_secs: u32,
    receive_max: u16,
    packet_max: u32,
    alias_max: u16,
    problem_information: bool,
    response_information: bool,
    authentication: bool,
}

impl Shard {
    /// The first bytes of a connection.
    pub fn open(&mut self, now: Time, conn: ConnId, bytes: &[u8], sink: &mut impl Sink) -> Opened {
        self.now = now;
        match self.try_open(conn, bytes, sink) {
            Ok(opened) => opened,
            Err((version, close)) => {
                self.metrics.add(Counter::ConnectRefused, 1);
                if let Some(version) = version {
                    refuse_connect(version, close, sink.out(conn));
                }
                sink.close(conn, Ending::Expelled(close));
                Opened::Refused
            }
        }
    }

    fn try_open(
        &mut self,
        conn: ConnId,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Result<Opened, (Option<Version>, Close)> {
        let limits = self.settings.limits;
        // Refused by the first byte: nothing is buffered for who does not speak MQTT.
        if bytes.first().is_some_and(|b| *b != kind::CONNECT << 4) {
            let cause = "the first packet is not CONNECT"; // [MQTT-3.1.0-1]
            return Err((
                None,
                Close {
                    reason: Reason::PROTOCOL_ERROR,
                    cause,
                },
            ));
        }
        let framed = frame(bytes, limits.connect_bytes_max.min(limits.packet_bytes_max));
        let Some(f) = framed.map_err(|e| (None, refuse(e)))? else {
            return Ok(Opened::NeedMore);
        };
        let spoken = connect_version(f.body);
        let packet = connect::decode(f.body, f.first, &limits).map_err(|e| (spoken, refuse(e)))?;
        let version = packet.version;
        self.connect(conn, &packet, sink)
            .map(|s| s.map_or_else(Opened::Elsewhere, |s| Opened::Session(s, f.len)))
            .map_err(|close| (Some(version), close))
    }

    /// `Ok(Err(shard))`: the session lives there.
    fn connect(
        &mut self,
        conn: ConnId,
        packet: &connect::Connect<'_>,
        sink: &mut impl Sink,
    ) -> Verdict<Result<SessionId, u16>> {
        let asked = self.asked(packet);
        if asked.authentication {
            // No mechanism exists yet; refused by the book (4.12, non-normative) [MQTT-4.12.0-1].
            let cause = "enhanced authentication is not offered";
            return Err(Close {
                reason: Reason::BAD_AUTHENTICATION_METHOD,
                cause,
            });
        }
        self.check_client_id(packet)?;
        let assigned = packet.client_id.is_empty().then(|| self.assign_client_id());
        let client_id = assigned.as_deref().unwrap_or(packet.client_id);
        let home = self.place(client_id);
        if home != self.id {
            return Ok(Err(home));
        }
        let owner = self.authenticate(packet)?;
        self.check_will(packet, &owner)?;
        let slot = self.find(client_id);
        if slot.is_none() && self.sessions.len() >= self.settings.sessions_max {
            let cause = "the limit mqtt.max_sessions is reached";
            return Err(Close {
                reason: Reason::QUOTA_EXCEEDED,
                cause,
            });
        }
        let (slot, present) = self.take_session(slot, client_id, owner, packet, sink);
        self.attach(slot, conn, packet, &asked);
        let properties = self.connack_properties(slot, packet, &asked, assigned.as_deref());
        connack::encode(
            sink.out(conn),
            packet.version,
            present && packet.version != Version::V3_1, // [3.1.1 MQTT-3.2.2-1]: 3.1 has no such flag
            Reason::SUCCESS,
            &properties,
        );
        self.metrics.add(Counter::PacketsReceived, 1);
        self.metrics.add(Counter::PacketsSent, 1);
        self.metrics.add(Counter::Connected, 1);
        self.metrics.connections += 1;
        let came = Presence::Came {
            user_name: packet.user_name,
            version: packet.version,
            keep_alive_secs: packet.keep_alive_secs,
            clean_start: packet.clean_start,
            expiry_secs: self.session(slot).expiry_secs,
        };
        sink.note(conn, client_id, came);
        if present {
            self.metrics.add(Counter::SessionResumed, 1);
            self.resume(slot, sink);
        }
        Ok(Ok(SessionId(slot)))
    }

    fn asked(&self, packet: &connect::Connect<'_>) -> Asked {
        let v5 = packet.version.is_v5();
        let kept = self.settings.session_expiry_secs;
        let mut asked = Asked {
            expiry_secs: if v5 || packet.clean_start { 0 } else { kept },
            receive_max: u16::MAX,
            packet_max: u32::MAX,
            alias_max: 0,
            problem_information: true,
            response_information: false,
            authentication: false,
        };
        for property in packet.properties.iter() {
            match property {
                Property::SessionExpiry(secs) => asked.expiry_secs = secs,
                Property::ReceiveMaximum(n) => asked.receive_max = n,
                Property::MaximumPacketSize(n) => asked.packet_max = n,
                Property::TopicAliasMaximum(n) => asked.alias_max = n,
                Property::RequestProblemInformation(yes) => asked.problem_information = yes,
                Property::RequestResponseInformation(yes) => asked.response_information = yes,
                Property::AuthenticationMethod(_) => asked.authentication = true,
                _ => {}
            }
        }
        asked
    }

    fn check_client_id(&self, packet: &connect::Connect<'_>) -> Verdict<()> {
        let reason = Reason::CLIENT_ID_NOT_VALID;
        if packet.client_id.is_empty() {
            if packet.version == Version::V3_1 {
                return Err(Close {
                    reason,
                    cause: "MQTT 3.1 needs a client id",
                });
            }
            if packet.version == Version::V3_1_1 && !packet.clean_start {
                // [3.1.1 MQTT-3.1.3-8]
                return Err(Close {
                    reason,
                    cause: "an empty client id needs Clean Session 1",
                });
            }
        }
        if packet.client_id.len() > self.settings.client_id_bytes_max {
            return Err(Close {
                reason,
                cause: "the client id is longer than mqtt.max_clientid_len",
            });
        }
        Ok(())
    }

    fn authenticate(&self, _packet: &connect::Connect<'_>) -> Verdict<Arc<Principal>> {
        // Without authenticators a user name proves nothing: everybody is anonymous.
        Ok(self.anonymous.clone())
    }

    fn check_will(&self, packet: &connect::Connect<'_>, owner: &Principal) -> Verdict<()> {
        let Some(will) = &packet.will else {
            return Ok(());
        };
        if will.qos > self.settings.qos_max {
            // [MQTT-3.2.2-12]
            let cause = "the will's QoS is above mqtt.max_qos_allowed";
            return Err(Close {
                reason: Reason::QOS_NOT_SUPPORTED,
                cause,
            });
        }
        if will.retain && !self.settings.retain_available {
            // [MQTT-3.2.2-13]
            let cause = "the will is to be retained but mqtt.retain_available is off";
            return Err(Close {
                reason: Reason::RETAIN_NOT_SUPPORTED,
                cause,
            });
        }
        let view = will_view(will, SessionRef::BROKER);
        if self.acl.publish(owner, view).is_none() {
            let cause = "the client may not publish to the will's topic";
            return Err(Close {
                reason: Reason::NOT_AUTHORIZED,
                cause,
            });
        }
        Ok(())
    }

    fn assign_client_id(&mut self) -> Box<str> {
        // [MQTT-3.1.3-6]: unique, so drawn again in the unlikely case. The first shard spreads such
        // clients over all; whoever got one handed over keeps it, or it would be sent on by each.
        loop {
            let id = format!("auto-{:016x}", self.next_random());
            if self.find(&id).is_none() && (self.id == 0 || self.place(&id) == self.id) {
                return id.into();
            }
        }
    }

    /// Ends, resumes or makes the session [MQTT-3.1.2-4], [MQTT-3.1.2-5], [MQTT-3.1.2-6].
    fn take_session(
        &mut self,
        slot: Option<u32>,
        client_id: &str,
        owner: Arc<Principal>,
        packet: &connect::Connect<'_>,
        sink: &mut impl Sink,
    ) -> (u32, bool) {
        if let Some(slot) = slot {
            if self.session(slot).is_online() {
                // [MQTT-3.1.4-3]
                self.metrics.add(Counter::SessionTakenOver, 1);
                let cause = "taken over by a new connection with the same client id";
                self.expel(
                    slot,
                    Close {
                        reason: Reason::SESSION_TAKEN_OVER,
                        cause,
                    },
                    sink,
                );
            }
            // A session without expiry has ended with its connection just now.
            if let Some(slot) = self.find(client_id) {
                if !packet.clean_start {
                    self.cancel_will(slot); // [MQTT-3.1.3-9]
                    return (slot, true);
                }
                self.end(slot, sink);
            }
        }
        (self.create(client_id, owner, packet.version), false)
    }

    fn create(&mut self, client_id: &str, owner: Arc<Principal>, version: Version) -> u32 {
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

    /// Binds the connection to the session.
    fn attach(&mut self, slot: u32, conn: ConnId, packet: &connect::Connect<'_>, asked: &Asked) {
        let settings = self.settings.clone();
        let expiry_secs = asked.expiry_secs.min(settings.session_expiry_secs_max);
        let keep_alive_secs = granted_keep_alive(packet, &settings);
        let (reading, reference) = (self.reading, self.reference(slot));
        let was_durable = self.session(slot).durable.is_some();
        let tail = self.tail_seen;
        let s = self.session_mut(slot);
        s.conn = conn;
        s.version = packet.version;
        s.expiry_secs = expiry_secs;
        s.ends = 0;
        s.seen = reading;
        // One and a half times the Keep Alive [MQTT-3.1.2-22], in tenths of a second.
        s.keep_alive = u32::from(keep_alive_secs) * settings.keep_alive_tenths;
        s.receive_max = asked.receive_max.min(settings.inflight_max);
        s.packet_max = asked.packet_max;
        s.bits.problem_information = asked.problem_information;
        let alias_max = asked.alias_max.min(settings.topic_alias_max);
        s.aliases = (alias_max > 0).then(|| {
            Box::new(Aliases {
                outbound: OutboundAliases::new(alias_max),
                ..Aliases::default()
            })
        });
        s.will = packet
            .will
            .as_ref()
            .map(|will| Box::new(make_will(will, reference)));
        let durable = expiry_secs > 0;
        if durable && !was_durable {
            s.durable = Some(Box::new(Durable {
                cursor: tail,
                reading: Reading::Live,
            }));
        } else if !durable {
            s.durable = None;
        }
        if let Some(at) = s.silent_at()
            && s.watched == 0
        {
            let tick = self.silence.add(at, slot);
            self.session_mut(slot).watched = tick;
        }
        if durable != was_durable {
            self.remark(slot, durable);
        }
    }

    /// A resumed session changed between ending with its connection and outliving it.
    fn remark(&mut self, slot: u32, durable: bool) {
        for node in self.session(slot).subs.slice().to_vec() {
            let Some(mut sub) = self.router.sub(node, slot) else {
                continue;
            };
            sub.flags = sub.flags.with_durable(durable);
            let text = self.router.filter(node);
            let (_, _, change) = self.router.subscribe(protocol::Filter::trusted(&text), sub);
            self.announce(change);
        }
    }

    /// What the client must know that differs from the defaults of 3.2.2.3.
    fn connack_properties(
        &self,
        slot: u32,
        packet: &connect::Connect<'_>,
        asked: &Asked,
        assigned: Option<&str>,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        if !packet.version.is_v5() {
            return out;
        }
        let settings = &self.settings;
        let s = self.session(slot);
        if s.expiry_secs != asked.expiry_secs {
            Property::SessionExpiry(s.expiry_secs).put(&mut out);
        }
        Property::ReceiveMaximum(settings.receive_max()).put(&mut out);
        if settings.qos_max < QoS::ExactlyOnce {
            Property::MaximumQoS(settings.qos_max.bits()).put(&mut out); // [MQTT-3.2.2-9]
        }
        if !settings.retain_available {
            Property::RetainAvailable(false).put(&mut out);
        }
        Property::MaximumPacketSize(settings.limits.packet_bytes_max).put(&mut out);
        if let Some(id) = assigned {
            Property::AssignedClientId(id).put(&mut out); // [MQTT-3.2.2-16]
        }
        if settings.topic_alias_max > 0 {
            Property::TopicAliasMaximum(settings.topic_alias_max).put(&mut out);
        }
        if !settings.wildcard_available {
            Property::WildcardSubscriptionAvailable(false).put(&mut out);
        }
        if !settings.shared_available {
            Property::SharedSubscriptionAvailable(false).put(&mut out);
        }
        let keep_alive = granted_keep_alive(packet, settings);
        if keep_alive != packet.keep_alive_secs {
            Property::ServerKeepAlive(keep_alive).put(&mut out); // [MQTT-3.2.2-21]
        }
        if let Some(information) = &settings.response_information
            && asked.response_information
        {
            Property::ResponseInformation(information).put(&mut out); // [MQTT-3.1.2-28]
        }
        out
    }

    /// Sends again what was in flight, oldest first, with the old ids [MQTT-4.4.0-1], then goes on.
    fn resume(&mut self, slot: u32, sink: &mut impl Sink) {
        let again: Vec<(PacketId, State, Held)> = self
            .session(slot)
            .out
            .iter()
            .flat_map(|o| o.entries())
            .map(|e| (e.id, e.state, e.held.clone()))
            .collect();
        for (id, state, held) in again {
            match (state, held) {
                (State::PubComp, _) => {
                    let s = self.session(slot);
                    let (conn, version) = (s.conn, s.version);
                    let kind = ack::AckKind::PubRel;
                    ack::encode(sink.out(conn), version, kind, id, Reason::SUCCESS, &[]);
                    self.metrics.add(Counter::PacketsSent, 1);
                }
                (
                    state,
                    Held::Message {
                        message,
                        retain,
                        ids,
                    },
                ) => {
                    let qos = match state {
                        State::PubRec => QoS::ExactlyOnce,
                        _ => QoS::AtLeastOnce,
                    };
                    self.metrics.add(Counter::Redelivered, 1);
                    self.send_again(slot, &message, qos, retain, &ids, id, sink);
                }
                _ => {}
            }
        }
        self.rejoin(slot);
        if let Some(d) = &mut self.session_mut(slot).durable {
            d.reading = Reading::Behind;
        }
        self.pump(slot, sink);
    }
}

fn will_view<'a>(will: &connect::Will<'a>, publisher: SessionRef) -> View<'a> {
    View {
        publisher,
        topic: Topic::trusted(will.topic),
        qos: will.qos,
        retain: will.retain,
        expires: None,
        forwarded: &[],
        payload: will.payload,
    }
}

fn make_will(will: &connect::Will<'_>, publisher: SessionRef) -> Will {
    let mut forwarded = Vec::new();
    will.properties.put_forwarded(&mut forwarded);
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
        message: Arc::new(Message::new(&view)),
        expiry_secs,
        delay_secs,
        due: None,
    }
}

fn granted_keep_alive(packet: &connect::Connect<'_>, settings: &crate::Settings) -> u16 {
    if !packet.version.is_v5() {
        // 3.x cannot be told another value.
        return packet.keep_alive_secs;
    }
    if let Some(fixed) = settings.server_keep_alive_secs {
        return fixed;
    }
    let max = settings.keep_alive_secs_max;
    if max < u16::MAX && (packet.keep_alive_secs == 0 || packet.keep_alive_secs > max) {
        return max;
    }
    packet.keep_alive_secs
}

/// The version a broken CONNECT claims, so that the answer has its form.
fn connect_version(body: &[u8]) -> Option<Version> {
    let name = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
    if !matches!(body.get(2..2 + name)?, b"MQTT" | b"MQIsdp") {
        return None;
    }
    Some(match body.get(2 + name)? {
        0..=3 => Version::V3_1,
        4 => Version::V3_1_1,
        _ => Version::V5,
    })
}

/// CONNACK with an error; the close follows [MQTT-3.1.4-2], [3.1.1 MQTT-3.2.2-5].
fn refuse_connect(version: Version, close: Close, out: &mut Vec<u8>) {
    let reason = close.reason;
    if version.is_v5() {
        // Without a reason string: the client may have asked for small packets [MQTT-3.2.2-19].
        connack::encode(out, version, false, reason, &[]);
        return;
    }
    // A malformed 3.x CONNECT has no return code: it is closed without one.
    let told = [
        Reason::UNSUPPORTED_PROTOCOL_VERSION,
        Reason::CLIENT_ID_NOT_VALID,
        Reason::SERVER_UNAVAILABLE,
        Reason::QUOTA_EXCEEDED,
        Reason::SERVER_BUSY,
        Reason::BAD_USER_NAME_OR_PASSWORD,
        Reason::NOT_AUTHORIZED,
        Reason::BANNED,
    ];
    if told.contains(&reason) {
        connack::encode(out, version, false, reason, &[]);
    }
}

/// Keeps the compiler honest about what a subscription of a durable session is marked with.
pub(super) fn marked(qos: QoS, no_local: bool, as_published: bool, s: &Session) -> Flags {
    Flags::new(qos, no_local, as_published, s.durable.is_some())
}

/// Seconds of a session's expiry as a deadline; `None` for one that never ends.
pub(super) fn ends_at(now: Time, expiry_secs: u32) -> Option<Time> {
    (expiry_secs != NEVER).then(|| now.plus_secs(expiry_secs))
}

impl Shard {
    /// Members of shared groups that are back take part again.
    fn rejoin(&mut self, slot: u32) {
        for (group, filter, join) in self.memberships(slot) {
            let home = self.group_home(&group, &filter);
            self.mail(home, Mail::Join(Box::new(join)));
        }
    }
}
