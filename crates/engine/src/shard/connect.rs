//! CONNECT: from the first byte to the CONNACK. The order of checks is the order of the lines.

use std::{borrow::Cow, sync::Arc};

use protocol::{
    Property, QoS, Reason, Topic, Version, frame, kind,
    packet::{connack, connect},
};

use super::{
    Admission, Close, ConnId, Ending, Exchange, Guest, Opened, Presence, SessionId, Shard, Sink,
    Verdict, refuse,
};
use crate::{
    Cause, Counter, SessionRef, Time,
    acl::{Principal, Subject},
    message::View,
};

/// A CONNECT that is refused, and what is known of who sent it.
#[derive(Debug)]
struct Turned<'a> {
    version: Option<Version>,
    client_id: Cow<'a, str>,
    user_name: Option<&'a str>,
    /// Whose session it wanted.
    owner: Option<Box<str>>,
    close: Close,
}

impl Turned<'_> {
    /// Of somebody who has not said who they are.
    fn unknown(version: Option<Version>, close: Close) -> Self {
        Self {
            version,
            client_id: "".into(),
            user_name: None,
            owner: None,
            close,
        }
    }
}

/// What CONNECT's properties ask for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) expiry_secs: u32,
    pub(super) receive_max: u16,
    pub(super) packet_max: u32,
    pub(super) alias_max: u16,
    response_information: bool,
}

/// Where a session may be whose client id is for us to choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Choice {
    /// The first shard spreads them over all.
    Anywhere,
    Here,
}

/// What became of a CONNECT that is not refused.
#[derive(Debug)]
enum Seated {
    Session(SessionId),
    Elsewhere(u16),
    Later(Opened),
}

/// Who comes in, and the last word of the method by which that was proven.
struct Admitted {
    who: Arc<Principal>,
    proof: Option<Box<[u8]>>,
}

impl Shard {
    /// The first bytes of a connection.
    pub fn open(&mut self, now: Time, conn: ConnId, bytes: &[u8], sink: &mut impl Sink) -> Opened {
        self.now = now;
        self.open_on(Choice::Anywhere, conn, bytes, sink)
    }

    /// The same bytes again, where [`Opened::Waits`] came of them: now the sink knows. The session is
    /// made here and nowhere else, so that what the sink knows need not travel.
    pub fn reopen(
        &mut self,
        now: Time,
        conn: ConnId,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Opened {
        self.now = now;
        self.open_on(Choice::Here, conn, bytes, sink)
    }

    fn open_on(
        &mut self,
        choice: Choice,
        conn: ConnId,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Opened {
        match self.try_open(choice, conn, bytes, sink) {
            Ok(opened) => opened,
            Err(turned) => {
                let (version, close) = (turned.version, turned.close);
                self.metrics.add(Counter::ConnectRefused, 1);
                let denied = u64::from(is_denial(close.reason));
                self.metrics.add(Counter::ConnectDenied, denied);
                let told = version.is_some_and(|v| refuse_connect(v, close, sink.out(conn)));
                self.metrics.add(Counter::ConnackSent, u64::from(told));
                let refused = Presence::Refused {
                    version,
                    user_name: turned.user_name,
                    owner: turned.owner.as_deref(),
                    close,
                    told,
                };
                sink.note(conn, &turned.client_id, refused);
                // Whatever was said before [MQTT-3.1.4-1], [MQTT-3.1.4-2], [MQTT-3.2.2-7],
                // [MQTT-4.12.0-4], [MQTT-4.13.2-1], [3.1.1 MQTT-3.1.4-1], [3.1.1 MQTT-3.2.2-5].
                sink.close(conn, Ending::Expelled(close));
                Opened::Refused
            }
        }
    }

    fn try_open<'a>(
        &mut self,
        choice: Choice,
        conn: ConnId,
        bytes: &'a [u8],
        sink: &mut impl Sink,
    ) -> Result<Opened, Turned<'a>> {
        let limits = self.settings.limits;
        // Refused by the first byte: nothing is buffered for who does not speak MQTT.
        if bytes.first().is_some_and(|b| *b != kind::CONNECT << 4) {
            // [MQTT-3.1.0-1]
            return Err(Turned::unknown(None, Cause::NotConnect.close()));
        }
        let framed = frame(bytes, limits.connect_bytes_max.min(limits.packet_bytes_max));
        let Some(f) = framed.map_err(|e| Turned::unknown(None, refuse(e)))? else {
            return Ok(Opened::NeedMore);
        };
        let spoken = connect_version(f.body);
        let decoded = connect::decode(f.body, f.first, &limits);
        let named = decoded.as_ref().ok();
        let named = named.and_then(|packet| sink.client_id(conn, packet));
        let opened = match &decoded {
            Ok(packet) => {
                let who = (packet, named.as_deref());
                self.connect(choice, conn, who, &bytes[f.len..], sink)
            }
            Err(error) => Err(refuse(*error)),
        };
        let session = match opened {
            Ok(Seated::Elsewhere(home)) => return Ok(Opened::Elsewhere(home)), // counted there
            Ok(Seated::Later(opened)) => return Ok(opened), // counted when it comes again
            Ok(Seated::Session(session)) => Ok(session),
            Err(close) => Err(close),
        };
        let answer = match &decoded {
            Ok(packet) => self.answer_len(packet, &bytes[f.len..]),
            Err(_) => 0,
        };
        let used = f.len + answer;
        self.metrics.add(Counter::ConnectReceived, 1);
        self.metrics
            .add(Counter::AuthReceived, u64::from(answer > 0));
        self.metrics.add(Counter::BytesReceived, used as u64);
        match session {
            Ok(session) => {
                if let Some(s) = self.sessions.get_mut(session.slot()) {
                    s.tally.heard(used);
                }
                Ok(Opened::Session(session, used))
            }
            Err(close) => Err(match decoded {
                Ok(packet) => {
                    let client_id = match named {
                        Some(id) => Cow::Owned(id.into()),
                        None => Cow::Borrowed(packet.client_id),
                    };
                    Turned {
                        version: Some(packet.version),
                        owner: self.owner_in_the_way(&client_id, close),
                        client_id,
                        user_name: packet.user_name,
                        close,
                    }
                }
                Err(_) => Turned::unknown(spoken, close),
            }),
        }
    }

    fn connect(
        &mut self,
        choice: Choice,
        conn: ConnId,
        (packet, named): (&connect::Connect<'_>, Option<&str>),
        behind: &[u8],
        sink: &mut impl Sink,
    ) -> Verdict<Seated> {
        let asked = self.asked(packet);
        let exchange = self.exchange(packet, behind)?;
        let unnamed = packet.client_id.is_empty();
        let packet = &connect::Connect {
            client_id: named.unwrap_or(packet.client_id),
            ..*packet
        };
        self.check_client_id(packet)?;
        let assigned = match (unnamed, named) {
            (true, None) => Some(self.assign_client_id(choice)),
            (true, Some(id)) => Some(id.into()),
            (false, _) => None,
        };
        // [MQTT-3.1.3-7]
        let client_id = assigned.as_deref().unwrap_or(packet.client_id);
        let home = self.place(client_id);
        if home != self.id {
            return Ok(Seated::Elsewhere(home));
        }
        self.check_banned(conn, client_id, packet.user_name, sink)?;
        let admitted = match self.admit(conn, packet, (exchange, &asked), sink)? {
            Ok(admitted) => admitted,
            Err(later) => return Ok(Seated::Later(later)),
        };
        let Admitted { who: owner, proof } = admitted;
        let who = owner.clone();
        let proven = who.user();
        if proven.is_some() && proven != packet.user_name {
            self.check_banned(conn, client_id, proven, sink)?;
        }
        // What else it calls itself is nobody's.
        let packet = &connect::Connect {
            user_name: proven.or(packet.user_name),
            ..*packet
        };
        let rewritten = self.rewritten_will(client_id, packet);
        let packet = &with_will_topic(packet, rewritten.as_deref());
        let mut access = self.acl.access(&owner, client_id, sink.peer(conn));
        let asks_outside = self.acl.asks_outside();
        if asks_outside {
            let whose = (&*who, client_id);
            if self.will_waits_for_word(conn, packet, whose, access.as_deref_mut(), sink) {
                return Ok(Seated::Later(Opened::Waits));
            }
        }
        let subject = Subject {
            who: &who,
            client_id,
            access: access.as_deref(),
        };
        self.acl.is_arriving = asks_outside;
        let checked = self.check_will(packet, &subject);
        self.acl.is_arriving = false;
        checked?;
        let slot = self.find(client_id);
        let is_full = slot.is_none() && self.sessions.len() >= self.settings.sessions_max;
        if is_full && !self.makes_room_for(&who, sink) {
            return Err(Cause::SessionsMax.close());
        }
        let exchange = exchange.map(|e| e.method).zip(proof.as_deref());
        let properties = self.connack_properties(packet, &asked, assigned.as_deref(), exchange)?;
        let (slot, present) = self.take_session(slot, client_id, owner, conn, packet, sink)?;
        self.rejudge_first(slot, sink);
        self.session_mut(slot).set_access(access);
        // Perhaps one of this client.
        let replaced = !present && self.ending > 0;
        self.attach(slot, conn, packet, &asked, replaced, sink);
        let out = sink.out(conn);
        let before = out.len();
        // Before anything else [MQTT-3.1.4-5], [MQTT-3.2.0-1].
        connack::encode(
            out,
            packet.version,
            // [MQTT-3.2.2-2], [MQTT-3.2.2-3]; 3.1 has no such flag.
            present && packet.version != Version::V3_1,
            Reason::SUCCESS,
            &properties,
        );
        let bytes = out.len() - before;
        let s = self.session_mut(slot);
        s.tally.answered(bytes);
        let anonymous = u64::from(s.owner.is_nobody());
        self.metrics.add(Counter::Anonymous, anonymous);
        self.metrics.add(Counter::ConnackSent, 1);
        self.metrics.add(Counter::Connected, 1);
        self.metrics.gauges.connections += 1;
        let came = Presence::Came {
            user_name: packet.user_name,
            version: packet.version,
            keep_alive_secs: packet.keep_alive_secs,
            clean_start: packet.clean_start,
            expiry_secs: self.session(slot).expiry_secs(),
        };
        sink.note(conn, client_id, came);
        if present {
            self.metrics.add(Counter::SessionResumed, 1);
            self.rejudge_resumed(slot, sink);
            self.resume(slot, sink);
        }
        self.auto_subscribe(slot, sink);
        Ok(Seated::Session(SessionId::at(slot)))
    }

    fn asked(&self, packet: &connect::Connect<'_>) -> Asked {
        let v5 = packet.version.is_v5();
        let kept = self.settings.session_expiry_secs;
        let mut asked = Asked {
            expiry_secs: if v5 || packet.clean_start { 0 } else { kept },
            receive_max: u16::MAX,
            packet_max: u32::MAX,
            alias_max: 0,
            response_information: false,
        };
        for property in packet.properties.iter() {
            match property {
                Property::SessionExpiry(secs) => asked.expiry_secs = secs,
                Property::ReceiveMaximum(n) => asked.receive_max = n,
                Property::MaximumPacketSize(n) => asked.packet_max = n,
                Property::TopicAliasMaximum(n) => asked.alias_max = n,
                Property::RequestResponseInformation(yes) => asked.response_information = yes,
                _ => {}
            }
        }
        asked
    }

    /// The user whose session a CONNECT was refused for.
    fn owner_in_the_way(&self, client_id: &str, close: Close) -> Option<Box<str>> {
        let slot = self
            .find(client_id)
            .filter(|_| close.cause == Cause::SessionOfAnother)?;
        self.session(slot).owner.user().map(Into::into)
    }

    fn check_client_id(&self, packet: &connect::Connect<'_>) -> Verdict<()> {
        if packet.client_id.is_empty() {
            if packet.version == Version::V3_1 {
                return Err(Cause::ClientIdMissing("MQTT 3.1 needs a client id").close());
            }
            if packet.version == Version::V3_1_1 && !packet.clean_start {
                // [3.1.1 MQTT-3.1.3-8]
                let place = "an empty client id needs Clean Session 1";
                return Err(Cause::ClientIdMissing(place).close());
            }
        }
        if packet.client_id.len() > self.settings.client_id_bytes_max {
            // [MQTT-3.1.3-8], [3.1.1 MQTT-3.1.3-9]; the setting is 23 at least [MQTT-3.1.3-5].
            return Err(Cause::ClientIdTooLong.close());
        }
        Ok(())
    }

    /// As whom the client comes in, or what is to be done while that is not known yet.
    fn admit(
        &mut self,
        conn: ConnId,
        packet: &connect::Connect<'_>,
        (exchange, asked): (Option<Exchange<'_>>, &Asked),
        sink: &mut impl Sink,
    ) -> Verdict<Result<Admitted, Opened>> {
        let guest = Guest {
            client_id: packet.client_id,
            user_name: packet.user_name,
            password: packet.password,
            version: packet.version,
            exchange,
        };
        let who = match sink.admit(conn, &guest).map_err(Cause::close)? {
            Admission::Anonymous => self.anonymous.clone(),
            Admission::Afar => self.afar.clone(),
            Admission::As(who) => who,
            Admission::Proven(who, proof) => {
                return Ok(Ok(Admitted {
                    who,
                    proof: Some(proof),
                }));
            }
            Admission::Challenge(data) => {
                // Without a method there is nothing to be asked.
                let method = exchange.map_or("", |exchange| exchange.method);
                self.challenge(conn, (method, asked.packet_max), &data, sink)?;
                return Ok(Err(Opened::Challenged));
            }
            Admission::Unanswered => return Ok(Err(Opened::NeedMore)),
            Admission::Waits => return Ok(Err(Opened::Waits)),
        };
        if exchange.is_some() {
            // Nobody has looked at what it brings for its method [MQTT-4.12.0-1].
            return Err(Cause::AuthenticationMethod.close());
        }
        Ok(Ok(Admitted { who, proof: None }))
    }

    fn check_will(&self, packet: &connect::Connect<'_>, owner: &Subject<'_>) -> Verdict<()> {
        let Some(will) = &packet.will else {
            return Ok(());
        };
        if will.qos > self.settings.qos_max {
            // [MQTT-3.2.2-12]
            let place = "the will's QoS is above mqtt.max_qos_allowed";
            return Err(Cause::QosTooHigh(place).close());
        }
        if will.retain && !self.settings.retain_available {
            // [MQTT-3.2.2-13]
            let place = "the will is to be retained but mqtt.retain_available is off";
            return Err(Cause::RetainOff(place).close());
        }
        let view = will_view(will, SessionRef::BROKER);
        if self.acl.publish(owner, view).is_err() {
            return Err(Cause::WillNotAllowed.close());
        }
        Ok(())
    }

    /// A client id that nobody has [MQTT-3.1.3-6]: drawn again in the unlikely case.
    fn assign_client_id(&mut self, choice: Choice) -> Box<str> {
        // The first shard spreads such clients over all; whoever got one handed over keeps it, or it
        // would be sent on by each.
        let anywhere = self.id == 0 && choice == Choice::Anywhere;
        loop {
            let id = format!("auto-{:016x}", self.next_random());
            if self.find(&id).is_none() && (anywhere || self.place(&id) == self.id) {
                return id.into();
            }
        }
    }

    /// What the client must know that differs from the defaults of 3.2.2.3.
    fn connack_properties(
        &self,
        packet: &connect::Connect<'_>,
        asked: &Asked,
        assigned: Option<&str>,
        exchange: Option<(&str, &[u8])>,
    ) -> Verdict<Vec<u8>> {
        let mut out = Vec::new();
        if !packet.version.is_v5() {
            return Ok(out);
        }
        let settings = &self.settings;
        let expiry_secs = asked.expiry_secs.min(settings.session_expiry_secs_max);
        if expiry_secs != asked.expiry_secs {
            Property::SessionExpiry(expiry_secs).put(&mut out);
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
            // [MQTT-3.1.2-28]
            && asked.response_information
        {
            Property::ResponseInformation(information).put(&mut out);
        }
        if let Some((method, data)) = exchange {
            Property::AuthenticationMethod(method).put(&mut out); // [MQTT-4.12.0-5]
            Property::AuthenticationData(data).put(&mut out);
        }
        let mut whole = Vec::new();
        connack::encode(&mut whole, packet.version, false, Reason::SUCCESS, &out);
        if whole.len() > asked.packet_max as usize {
            // Nothing in it may be left out [MQTT-3.1.2-24].
            return Err(Cause::AnswerTooLarge.close());
        }
        Ok(out)
    }
}

pub(super) fn will_view<'a>(will: &connect::Will<'a>, publisher: SessionRef) -> View<'a> {
    View {
        publisher,
        topic: Topic::trusted(will.topic),
        qos: will.qos,
        retain: will.retain, // [MQTT-3.1.2-14], [MQTT-3.1.2-15]
        expires: None,
        forwarded: &[],
        payload: will.payload,
    }
}

/// A CONNECT whose will goes to another topic, if there is one.
fn with_will_topic<'a>(
    packet: &connect::Connect<'a>,
    topic: Option<&'a str>,
) -> connect::Connect<'a> {
    let mut packet = *packet;
    if let (Some(will), Some(topic)) = (&mut packet.will, topic) {
        will.topic = topic;
    }
    packet
}

pub(super) fn granted_keep_alive(packet: &connect::Connect<'_>, settings: &crate::Settings) -> u16 {
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
    packet.keep_alive_secs // [MQTT-3.2.2-22]
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

/// CONNACK with an error, if there is one to say; the close follows.
fn refuse_connect(version: Version, close: Close, out: &mut Vec<u8>) -> bool {
    let reason = close.reason;
    if version.is_v5() {
        // Never DISCONNECT [MQTT-3.14.0-1]. No reason string: the client may want small packets.
        connack::encode(out, version, false, reason, &[]);
        return true;
    }
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
    if !told.contains(&reason) {
        // Malformed, or without a return code of its own [3.1.1 MQTT-3.1.4-1], [3.1.1 MQTT-3.2.2-6].
        return false;
    }
    connack::encode(out, version, false, reason, &[]);
    true
}

/// Refused for who the client is or claims to be.
fn is_denial(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::BAD_USER_NAME_OR_PASSWORD
            | Reason::NOT_AUTHORIZED
            | Reason::BANNED
            | Reason::BAD_AUTHENTICATION_METHOD
    )
}
