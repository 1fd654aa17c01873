//! Enhanced authentication (4.12): clients that prove who they are in several steps, while they connect and
//! again later. What is said in these steps is for the sink to know; here it is packed and unpacked.

use protocol::{
    Frame, Property, Reason, frame, kind,
    packet::{auth, connect},
};

use super::{
    Close, ConnId, Exchange, Guest, SessionId, Shard, Sink, Verdict, protocol_error, refuse,
};
use crate::{Cause, Counter, Time};

/// What an AUTH has to say.
struct Step<'a> {
    reason: Reason,
    method: Option<&'a str>,
    data: &'a [u8],
}

impl<'a> Step<'a> {
    fn of(packet: &auth::Auth<'a>) -> Self {
        let mut step = Self {
            reason: packet.reason,
            method: None,
            data: &[],
        };
        for property in packet.properties.iter() {
            match property {
                Property::AuthenticationMethod(method) => step.method = Some(method),
                Property::AuthenticationData(data) => step.data = data,
                _ => {}
            }
        }
        step
    }
}

/// The method that a CONNECT names, and its data.
fn begun<'a>(packet: &connect::Connect<'a>) -> Option<Exchange<'a>> {
    let (mut method, mut data) = (None, &[][..]);
    for property in packet.properties.iter() {
        match property {
            Property::AuthenticationMethod(name) => method = Some(name),
            Property::AuthenticationData(bytes) => data = bytes,
            _ => {}
        }
    }
    Some(Exchange {
        method: method?,
        data,
        answer: None,
    })
}

impl Shard {
    /// What a CONNECT brings for a method, if it names one, and with it the answer that stands behind.
    pub(super) fn exchange<'a>(
        &self,
        packet: &connect::Connect<'a>,
        behind: &'a [u8],
    ) -> Verdict<Option<Exchange<'a>>> {
        let Some(mut exchange) = begun(packet) else {
            return Ok(None);
        };
        let answer = self.answer_behind(exchange.method, behind)?;
        exchange.answer = answer.map(|(answer, _)| answer);
        Ok(Some(exchange))
    }

    /// How long the packet is that answers behind such a CONNECT; 0 without one.
    pub(super) fn answer_len(&self, packet: &connect::Connect<'_>, behind: &[u8]) -> usize {
        let answer = begun(packet).map(|e| self.answer_behind(e.method, behind));
        let answer = answer.and_then(|answer| answer.ok().flatten());
        answer.map_or(0, |(_, len)| len)
    }

    /// The answer that stands behind a CONNECT with a method, and how long its packet is; `None` while it has
    /// not come whole.
    fn answer_behind<'a>(
        &self,
        method: &str,
        behind: &'a [u8],
    ) -> Verdict<Option<(&'a [u8], usize)>> {
        let limits = self.settings.limits;
        let framed = frame(
            behind,
            limits.connect_bytes_max.min(limits.packet_bytes_max),
        );
        let Some(f) = framed.map_err(refuse)? else {
            return Ok(None);
        };
        match f.kind() {
            kind::AUTH => {}
            kind::DISCONNECT => return Err(Cause::ClosedEarly.close()),
            // [MQTT-3.1.2-30]
            _ => return Err(protocol_error("another packet than AUTH before CONNACK")),
        }
        let Frame { first, body, len } = f;
        let packet = auth::decode(first, body, protocol::Version::V5, &limits).map_err(refuse)?;
        let step = Step::of(&packet);
        if step.reason != Reason::CONTINUE_AUTHENTICATION || step.method != Some(method) {
            // [MQTT-4.12.0-3]
            return Err(protocol_error("AUTH with another reason or method"));
        }
        Ok(Some((step.data, len)))
    }

    /// Asks a client that connects for more [MQTT-4.12.0-2].
    pub(super) fn challenge(
        &mut self,
        conn: ConnId,
        (method, packet_max): (&str, u32),
        data: &[u8],
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        let mut packet = Vec::new();
        encode(Reason::CONTINUE_AUTHENTICATION, method, data, &mut packet);
        if packet.len() > packet_max as usize {
            return Err(Cause::AnswerTooLarge.close());
        }
        sink.out(conn).extend_from_slice(&packet);
        self.metrics.add(Counter::AuthSent, 1);
        Ok(())
    }

    /// AUTH of a connected client, which proves itself anew or goes on with that.
    pub(super) fn on_auth(
        &self,
        slot: u32,
        packet: &auth::Auth<'_>,
        sink: &mut impl Sink,
    ) -> Verdict<()> {
        let step = Step::of(packet);
        let Some(method) = step.method else {
            return Err(protocol_error("AUTH without an authentication method"));
        };
        let (data, answer) = match step.reason {
            Reason::RE_AUTHENTICATE => (step.data, None),
            Reason::CONTINUE_AUTHENTICATION => (&[][..], Some(step.data)),
            _ => return Err(protocol_error("AUTH with a reason that only servers give")),
        };
        let s = self.session(slot);
        let guest = Guest {
            client_id: &s.client_id,
            user_name: s.owner.user(),
            password: None,
            version: s.version,
            exchange: Some(Exchange {
                method,
                data,
                answer,
            }),
        };
        sink.prove(s.conn, &guest).map_err(unproven)
    }

    /// A connected client has not proven itself anew [MQTT-4.12.1-2].
    pub fn fail_step(&mut self, now: Time, session: SessionId, cause: Cause, sink: &mut impl Sink) {
        self.kick(now, session, unproven(cause), sink);
    }

    /// Tells a connected client what came of a step: that more is wanted, or that it has proven itself.
    pub fn tell_step(
        &mut self,
        now: Time,
        session: SessionId,
        (reason, method): (Reason, &str),
        data: &[u8],
        sink: &mut impl Sink,
    ) {
        self.now = now;
        let Some(s) = self
            .sessions
            .get_mut(session.slot())
            .filter(|s| s.is_online())
        else {
            return;
        };
        let mut packet = Vec::new();
        encode(reason, method, data, &mut packet);
        if packet.len() > s.rare.packet_max as usize {
            return self.expel(session.slot(), Cause::AnswerTooLarge.close(), sink);
        }
        s.tally.answered(packet.len());
        sink.out(s.conn).extend_from_slice(&packet);
        self.metrics.add(Counter::AuthSent, 1);
    }
}

/// Why a connected client is closed that has not proven itself anew: other reasons are of CONNACK alone.
fn unproven(cause: Cause) -> Close {
    let close = cause.close();
    let reason = match close.reason {
        Reason::SERVER_BUSY | Reason::PROTOCOL_ERROR => close.reason,
        _ => Reason::NOT_AUTHORIZED,
    };
    Close { reason, cause }
}

/// [MQTT-4.12.0-5]
fn encode(reason: Reason, method: &str, data: &[u8], out: &mut Vec<u8>) {
    let mut properties = Vec::new();
    Property::AuthenticationMethod(method).put(&mut properties);
    Property::AuthenticationData(data).put(&mut properties);
    auth::encode(out, reason, &properties);
}
