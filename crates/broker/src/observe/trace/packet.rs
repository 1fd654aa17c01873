//! Packets in words, for traces. Passwords are never among them.

use std::fmt::Write as _;

use protocol::{Limits, Packet, QoS, Reason, Version, decode, decode_from_server, frame};

use super::{PAYLOAD_MAX, Payload};

/// Nothing is refused here: the engine has taken or made the packet.
const LIMITS: Limits = Limits {
    packet_bytes_max: protocol::PACKET_BYTES_MAX,
    connect_bytes_max: protocol::PACKET_BYTES_MAX,
    topic_levels_max: u16::MAX,
    user_properties_max: u16::MAX,
    user_properties_bytes_max: u32::MAX,
    filters_max: u16::MAX,
};

/// Packets that begin in `bytes`; the rest is not whole.
pub(crate) fn split(mut bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut packets = Vec::new();
    while let Ok(Some(one)) = frame(bytes, LIMITS.packet_bytes_max) {
        let (packet, rest) = bytes.split_at(one.len);
        packets.push(packet);
        bytes = rest;
    }
    (packets, bytes)
}

/// One whole packet in words, and its payload if it is a PUBLISH.
pub(crate) fn described(
    bytes: &[u8],
    version: Version,
    incoming: bool,
) -> (String, Option<Payload>) {
    let direction = if incoming { "IN" } else { "OUT" };
    let packet = match frame(bytes, LIMITS.packet_bytes_max) {
        Ok(Some(one)) if incoming => decode(&one, version, &LIMITS),
        Ok(Some(one)) => decode_from_server(&one, version, &LIMITS),
        Ok(None) => return (format!("{direction} part of a packet"), None),
        Err(error) => Err(error),
    };
    match packet {
        Ok(packet) => (
            format!("{direction} {}", worded(&packet)),
            payload_of(&packet),
        ),
        Err(error) => (format!("{direction} malformed: {error}"), None),
    }
}

fn payload_of(packet: &Packet<'_>) -> Option<Payload> {
    let Packet::Publish(publish) = packet else {
        return None;
    };
    let begin = &publish.payload[..publish.payload.len().min(PAYLOAD_MAX)];
    Some(Payload {
        begin: begin.into(),
        size: publish.payload.len(),
    })
}

fn worded(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Connect(p) => {
            let mut text = format!(
                "CONNECT version={} clean_start={} keep_alive={}",
                p.version.level(),
                p.clean_start,
                p.keep_alive_secs
            );
            if let Some(name) = p.user_name {
                let _ = write!(text, " user_name={}", name.escape_debug());
            }
            if p.password.is_some() {
                text.push_str(" password=******");
            }
            if let Some(will) = &p.will {
                let topic = will.topic.escape_debug();
                let _ = write!(text, " will_topic={topic} will_qos={}", number(will.qos));
            }
            text
        }
        Packet::ConnAck(p) => {
            let present = p.session_present;
            format!("CONNACK session_present={present}{}", reason(p.reason))
        }
        Packet::Publish(p) => {
            let topic = p.topic.escape_debug();
            let mut text = format!(
                "PUBLISH topic={topic} qos={} retain={} dup={}",
                number(p.qos),
                p.retain,
                p.dup
            );
            if let Some(id) = p.id {
                let _ = write!(text, " id={}", id.get());
            }
            if let Some(alias) = p.alias {
                let _ = write!(text, " alias={alias}");
            }
            text
        }
        Packet::PubAck(p) => format!("PUBACK id={}{}", p.id.get(), reason(p.reason)),
        Packet::PubRec(p) => format!("PUBREC id={}{}", p.id.get(), reason(p.reason)),
        Packet::PubRel(p) => format!("PUBREL id={}{}", p.id.get(), reason(p.reason)),
        Packet::PubComp(p) => format!("PUBCOMP id={}{}", p.id.get(), reason(p.reason)),
        Packet::Subscribe(p) => {
            let mut text = format!("SUBSCRIBE id={}", p.id.get());
            for one in p.requests() {
                let filter = one.filter.escape_debug();
                let _ = write!(text, " {filter}(qos {})", number(one.options.qos));
            }
            text
        }
        Packet::SubAck(p) => format!("SUBACK id={}{}", p.id.get(), codes(p.codes())),
        Packet::Unsubscribe(p) => {
            let mut text = format!("UNSUBSCRIBE id={}", p.id.get());
            for filter in p.filters() {
                let _ = write!(text, " {}", filter.escape_debug());
            }
            text
        }
        Packet::UnsubAck(p) => format!("UNSUBACK id={}{}", p.id.get(), codes(p.codes())),
        Packet::PingReq => "PINGREQ".to_owned(),
        Packet::PingResp => "PINGRESP".to_owned(),
        Packet::Disconnect(p) => format!("DISCONNECT{}", reason(p.reason)),
        Packet::Auth(p) => format!("AUTH{}", reason(p.reason)),
    }
}

fn number(qos: QoS) -> u8 {
    qos as u8
}

fn reason(reason: Reason) -> String {
    format!(" reason=0x{:02x}", reason.code())
}

fn codes(codes: impl Iterator<Item = Reason>) -> String {
    codes.map(reason).collect()
}
