//! `-d`: a line for each packet, as scripts that read mosquitto's know them.

use std::io::Write as _;

use client::{Options, Trace};
use protocol::{Limits, Packet, PacketId, Property, Publish, Version};

/// Prints to standard output, between the messages.
pub(super) fn watch(options: &Options) -> Box<dyn FnMut(Trace<'_>)> {
    let version = options.version;
    let mut name = if options.client_id.is_empty() {
        "(null)".to_owned()
    } else {
        options.client_id.clone()
    };
    Box::new(move |trace| {
        let mut lines = Vec::new();
        match trace {
            Trace::Sent(packet, number) => sent(packet, number, version, &mut lines),
            Trace::Received(packet) => {
                if let Packet::ConnAck(connack) = packet {
                    for property in connack.properties.iter() {
                        if let Property::AssignedClientId(id) = property {
                            id.clone_into(&mut name);
                        }
                    }
                }
                lines.extend(received(packet, version).map(|line| format!("received {line}")));
            }
        }
        let mut out = std::io::stdout().lock();
        for line in lines {
            // Whoever does not read this does not miss it.
            let _ = writeln!(out, "Client {name} {line}");
        }
    })
}

fn sent(packet: &[u8], number: u16, version: Version, lines: &mut Vec<String>) {
    let limits = Limits {
        packet_bytes_max: u32::MAX,
        connect_bytes_max: u32::MAX,
        topic_levels_max: u16::MAX,
        user_properties_max: u16::MAX,
        user_properties_bytes_max: u32::MAX,
        filters_max: u16::MAX,
    };
    let Ok(Some(frame)) = protocol::frame(packet, u32::MAX) else {
        return;
    };
    let Ok(packet) = protocol::decode(&frame, version, &limits) else {
        return;
    };
    let id = |id: PacketId| id.get();
    let line = match packet {
        Packet::Connect(_) => "CONNECT".to_owned(),
        Packet::Publish(publish) => {
            let topic = if publish.topic.is_empty() {
                "(null)"
            } else {
                publish.topic
            };
            told(&publish, number, topic)
        }
        Packet::PubAck(ack) => format!("PUBACK (m{}, rc{})", id(ack.id), ack.reason.code()),
        Packet::PubRec(ack) => format!("PUBREC (m{}, rc{})", id(ack.id), ack.reason.code()),
        Packet::PubRel(ack) => format!("PUBREL (m{})", id(ack.id)),
        Packet::PubComp(ack) => format!("PUBCOMP (m{})", id(ack.id)),
        Packet::Subscribe(subscribe) => {
            for request in subscribe.requests() {
                let options = request.options.bits(Version::V5) & !3;
                lines.push(format!(
                    "sending SUBSCRIBE (Mid: {}, Topic: {}, QoS: {}, Options: 0x{options:02x})",
                    id(subscribe.id),
                    request.filter,
                    request.options.qos.bits()
                ));
            }
            return;
        }
        Packet::Unsubscribe(unsubscribe) => {
            for filter in unsubscribe.filters() {
                let number = id(unsubscribe.id);
                lines.push(format!(
                    "sending UNSUBSCRIBE (Mid: {number}, Topic: {filter})"
                ));
            }
            return;
        }
        Packet::PingReq => "PINGREQ".to_owned(),
        Packet::Disconnect(_) => "DISCONNECT".to_owned(),
        _ => return,
    };
    lines.push(format!("sending {line}"));
}

fn received(packet: &Packet<'_>, version: Version) -> Option<String> {
    Some(match packet {
        Packet::ConnAck(connack) => {
            let code = if version.is_v5() {
                connack.reason.code()
            } else {
                connack.reason.connack_v3()
            };
            format!("CONNACK ({code})")
        }
        Packet::Publish(publish) => {
            told(publish, publish.id.map_or(0, PacketId::get), publish.topic)
        }
        Packet::PubAck(ack) => format!("PUBACK (Mid: {}, RC:{})", ack.id.get(), ack.reason.code()),
        Packet::PubRec(ack) => format!("PUBREC (Mid: {})", ack.id.get()),
        Packet::PubRel(ack) => format!("PUBREL (Mid: {})", ack.id.get()),
        Packet::PubComp(ack) => {
            format!("PUBCOMP (Mid: {}, RC:{})", ack.id.get(), ack.reason.code())
        }
        Packet::SubAck(_) => "SUBACK".to_owned(),
        Packet::UnsubAck(_) => "UNSUBACK".to_owned(),
        Packet::PingResp => "PINGRESP".to_owned(),
        Packet::Disconnect(disconnect) => format!("DISCONNECT ({})", disconnect.reason.code()),
        _ => return None,
    })
}

fn told(publish: &Publish<'_>, number: u16, topic: &str) -> String {
    format!(
        "PUBLISH (d{}, q{}, r{}, m{number}, '{topic}', ... ({} bytes))",
        u8::from(publish.dup),
        publish.qos.bits(),
        u8::from(publish.retain),
        publish.payload.len()
    )
}
